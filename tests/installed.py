"""`python -m tests.installed 3.13 lowest`: the wheel is tested, on that Python, with that lock.

The tests run in the unpacked sdist, out of which the packages were taken: they have the installed
ones or none. Which they are depends on what is new there; what reads the sources, injects faults or
measures is left to the run on the sources.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.distribution import build, unpack
from tests.locks import LOCKS, ROOT, lock

PYTHONS = ("3.11", "3.12", "3.13")
ALWAYS = (
    "tests/core", "tests/test_recorded_sessions.py", "tests/backends/test_conformance.py",
    "tests/backends/test_cancellation.py",
)  # fmt: skip
ON_CLICK_AND_RICH = [
    f"tests/cli/test_{each}.py"
    for each in (
        "application", "completion", "groups", "help", "jobs", "passphrases", "questions",
        "service", "tables",
    )
]  # fmt: skip
SELECTED = {
    "newest": ALWAYS,
    "lowest": (  # what stands on other libraries, besides
        *ALWAYS, *ON_CLICK_AND_RICH, "tests/backends/test_keystores.py",
        "tests/backends/test_sql_faults.py",
    ),
}  # fmt: skip
ARE_INSTALLED = """
import sys, cg_backends, cg_core
for package in (cg_backends, cg_core):
    assert package.__file__.startswith(sys.prefix), package
"""


def interpreter(version: str) -> Path | None:
    """A Python of this version: on the PATH, or one of pyenv's."""
    on_path = [Path(folder) / f"python{version}" for folder in os.get_exec_path()]
    for candidate in [*on_path, *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]:
        # What pyenv puts on the PATH is there, and refuses if another version is in use.
        if candidate.exists():
            asked = subprocess.run([str(candidate), "-c", ""], check=False, capture_output=True)
            if asked.returncode == 0:
                return candidate
    return None


def main() -> int:
    """Build, install, test; the status is that of the tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.installed", description=__doc__)
    parser.add_argument("python", choices=PYTHONS)
    parser.add_argument("lock", choices=LOCKS)
    parser.add_argument("--all-peers", action="store_true", help="nothing may be skipped")
    given = parser.parse_args()
    python = interpreter(given.python)
    if python is None:
        print(f"left out: there is no Python {given.python} here")
        return 1 if given.all_peers else 0
    with TemporaryDirectory() as folder:
        built = build(ROOT, Path(folder, "dist"))
        tree = unpack(built.sdist, Path(folder))
        for package in ("cg_core", "cg_backends"):
            shutil.rmtree(tree / package)
        there = str(Path(folder, "venv", "bin", "python"))
        uv = [sys.executable, "-m", "uv", "--quiet"]
        pip = [*uv, "pip", "install", "--python", there, "--only-binary", ":all:"]
        locked = ["--require-hashes", "-r", str(lock(given.lock))]
        subprocess.run(
            [*uv, "venv", "--python", str(python), str(Path(folder, "venv"))], check=True
        )
        subprocess.run([*pip, *locked], check=True)
        subprocess.run([*pip, "--no-deps", str(built.wheel)], check=True)
        subprocess.run([there, "-c", ARE_INSTALLED], check=True, cwd=tree)
        options = ["-n", "auto", "--dist", "worksteal", "--hypothesis-profile", "few"]
        if given.all_peers:
            options.append("--all-peers")
        tests = [*options, *SELECTED[given.lock]]
        return subprocess.run([there, "-m", "pytest", *tests], check=False, cwd=tree).returncode


if __name__ == "__main__":
    sys.exit(main())
