"""Mutants: what `python -m mutation` changes, and what it says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mutation.mutants import functions, mutants

ROOT = Path(__file__).parent.parent

MODULE = '''
"""A module."""
LIMIT: Final[int] = 3

def check(n: int) -> bool:
    """Whether it fits."""
    if not n:
        raise ValueError("none")
    return n < LIMIT and n != 5
'''


def test_one_thing_is_changed_and_no_message_annotation_or_docstring(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    assert sorted((mutant.line, mutant.change) for mutant in mutants(path)) == [
        (3, "3 -> 2"),
        (3, "3 -> 4"),
        (7, "if not n: raise ValueError('none') -> if False: raise ValueError('none')"),
        (7, "if not n: raise ValueError('none') -> if True: raise ValueError('none')"),
        (7, "not n -> n"),
        (8, "raise ValueError('none') -> pass"),
        (9, "5 -> 4"),
        (9, "5 -> 6"),
        (9, "n != 5 -> n == 5"),
        (9, "n < LIMIT -> n <= LIMIT"),
        (9, "n < LIMIT and n != 5 -> n != 5"),
        (9, "n < LIMIT and n != 5 -> n < LIMIT"),
        (9, "return n < LIMIT and n != 5 -> pass"),
        (9, "return n < LIMIT and n != 5 -> return None"),
    ]
    assert {tuple(functions(mutant.code)) for mutant in mutants(path)} == {(("check", 5),)}


def test_what_is_killed_and_what_survives_is_told(tmp_path: Path) -> None:
    results = tmp_path / "mutants.jsonl"
    run = subprocess.run(
        [
            sys.executable, "-m", "mutation", "cg_core/session/transitions.py",
            "cg_core/session/versions.py", "--tests", "tests/core/session/test_transitions.py",
            "tests/core/session/test_versions.py", "--results", str(results),
        ],
        check=False, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in results.read_text().splitlines()]
    survived = [change for _, _, change, verdict, _ in told if verdict != "killed"]
    assert "'connecting' -> 'connectingX'" in survived, "that is a label"
    assert {module for module, *_, verdict, _ in told if verdict == "survived"} == {
        "cg_core/session/transitions.py"
    }
    assert len(told) > 2 * len(survived)
