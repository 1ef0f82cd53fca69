"""`python -m tests`: all checks, each with its verdict.

Peers that Python alone can set up are set up; what is missing is skipped and named at the end.
With --all-peers nothing may be skipped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

CHECKS = {
    "lint": ["ruff", "check"],
    "format": ["ruff", "format", "--check"],
    "types": ["mypy"],
    "tests": ["pytest", "-n", "auto", "--dist", "worksteal", "--cov", "--cov-report="],
    "coverage of cg_core: 100 % of branches": [
        "coverage", "report", "--include=cg_core/*", "--fail-under=100", "--show-missing",
        "--skip-covered",
    ],
    "coverage of cg_backends (for information)": ["coverage", "report", "--include=cg_backends/*"],
    "the wheel": ["tests.installed", "3.12", "newest"],
    "the wheel on all lower bounds": ["tests.installed", "3.13", "lowest"],
}  # fmt: skip
ASK_FOR_PEERS = {"pytest", "tests.installed"}


def main() -> int:
    """Run all checks from the repository's root; 0 if all passed."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("--all-peers", action="store_true", help="nothing may be skipped")
    all_peers = parser.parse_args().all_peers
    verdicts = {}
    for name, command in CHECKS.items():
        print(f"\n== {name}: {' '.join(command)}", flush=True)
        options = ["--all-peers"] if all_peers and command[0] in ASK_FOR_PEERS else []
        begun = time.monotonic()
        status = subprocess.run(
            [sys.executable, "-m", *command, *options],
            check=False, cwd=Path(__file__).parent.parent,
        ).returncode  # fmt: skip
        verdicts[name] = status == 0
        print(f"== {name}: {'ok' if status == 0 else 'FAILED'}, {time.monotonic() - begun:.0f} s")
    passed = sum(verdicts.values())
    print(f"\n{passed} passed, {len(verdicts) - passed} failed")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
