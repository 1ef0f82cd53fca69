"""Fuzzing runs, a moment for each target: `python -m fuzz` does it for as long as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.seeds import seeds
from fuzz.targets import TARGETS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_recorded_is_taken(target: str) -> None:
    found = list(seeds(target))
    assert found
    for seed in found:
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_makes_it_raise_what_it_may_not(target: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "fuzz", target, "--seconds", "1"],
        check=False, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert "Done" in run.stderr
    assert len(list((tmp_path / ".fuzz" / target).iterdir())) >= len(set(seeds(target)))


def test_what_does_raise_is_told(tmp_path: Path) -> None:
    program = """
import fuzz.targets
fuzz.targets.TARGETS = {"sealed": lambda data: 1 / len(data.strip(b"x"))}
from fuzz.__main__ import main
main()
"""
    run = subprocess.run(
        [sys.executable, "-c", program, "sealed", "--seconds", "20"],
        check=False, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode != 0
    assert "ZeroDivisionError" in run.stderr + run.stdout
    assert list(tmp_path.glob("sealed-*"))
