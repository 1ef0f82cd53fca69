"""`python -m mutation [FILE ...]`: changes `cg_core`, one thing at a time, and runs its tests.

A line of the results is a list: module, line, change, verdict, and the test that had the last
word. "killed" is good: a test failed. "timed out" is as good. "survived" is to be read: where the
change matters, a test is missing. "open" means that there were more tests than the budget allows,
or none.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import pytest

from mutation.killing import OPTIONS, Killing

ROOT = Path(__file__).parent.parent
TESTS = ["tests/core", "tests/security/test_caps.py", "tests/security/test_malleability.py"]


def main() -> int:
    """Kill what can be killed, and count."""
    parser = argparse.ArgumentParser(
        prog="python -m mutation", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("modules", nargs="*", type=Path, metavar="FILE", help="modules to change; else all")
    add("--tests", nargs="*", default=TESTS, help="the tests; else all that need the core alone")
    add("--share", type=float, default=1.0, help="how much of the mutants, an even sample")
    add("--budget", type=float, default=30, help="seconds of CPU time for each mutant")
    add("--workers", type=int, default=2, help="how many mutants at once")
    add("--results", type=Path, default=Path("mutants.jsonl"), help="the file to write")
    given = parser.parse_args()
    given.results.unlink(missing_ok=True)
    modules = given.modules or sorted((ROOT / "cg_core").rglob("*.py"))
    plugin = Killing(
        [path.resolve() for path in modules], given.share, given.budget, given.workers,
        given.results.resolve(),
    )  # fmt: skip
    status = pytest.main([*OPTIONS, "-q", *given.tests], [plugin])
    verdicts = Counter(json.loads(line)[3] for line in given.results.read_text().splitlines())
    print(dict(verdicts))
    return int(status)


if __name__ == "__main__":
    raise SystemExit(main())
