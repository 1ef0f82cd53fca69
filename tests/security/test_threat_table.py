"""The table of threats in docs/security.md: each of them is shown by a test that is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path(__file__).parents[2] / "docs" / "security.md"


def rows() -> list[list[str]]:
    """The cells of each threat."""
    _, _, behind = PAGE.read_text().partition("| threat | what we do | shown by |\n|---|---|---|\n")
    lines = behind.partition("\n\n")[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[0])[:40])
def test_each_threat_has_an_answer_and_tests_that_are_there(row: list[str]) -> None:
    threat, answer, shown = row
    assert threat.startswith("**")
    assert answer
    tests = re.findall(r"\[(test_\w+)\]\((\.\./tests/[\w/]+\.py)\)", shown)
    assert tests
    for name, path in tests:
        file = (PAGE.parent / path).resolve()
        assert file.stem == name
        assert "def test_" in file.read_text()


def test_there_are_threats() -> None:
    assert len(rows()) > 15
