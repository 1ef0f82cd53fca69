"""`python -m tests.locks`: what the tests run with, locked by hashes, from pyproject.toml anew.

Only what must change does; with --upgrade, all moves to the newest there is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = {
    "newest": "highest",
    "lowest": "lowest-direct",  # each lower bound of pyproject.toml, as it stands there
}


def lock(name: str) -> Path:
    """Where a lock is: a file that pip installs, on each Python and each system."""
    return ROOT / "requirements" / f"{name}.txt"


def main() -> None:
    """Write the locks."""
    parser = argparse.ArgumentParser(prog="python -m tests.locks", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="everything may change")
    options = ["--upgrade"] if parser.parse_args().upgrade else []
    # Without the extras that are asked for of others, pip takes a lock for incomplete.
    for name, resolution in LOCKS.items():
        subprocess.run(
            [
                sys.executable, "-m", "uv", "pip", "compile", "--quiet", *options,
                "--universal", "--python-version", "3.11", "--generate-hashes", "--no-strip-extras",
                "--custom-compile-command", "python -m tests.locks",
                "--extra", "test", "--resolution", resolution,
                "--output-file", str(lock(name)), "pyproject.toml",
            ],
            check=True, cwd=ROOT,
        )  # fmt: skip


if __name__ == "__main__":
    main()
