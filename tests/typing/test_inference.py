"""mypy --strict infers the result of every call, and finds wrong arguments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from mypy import api

from tests.core.arguments import METHODS

ROOT = Path(__file__).parent.parent.parent
CASES = Path(__file__).with_name("inference_cases.py")

_IGNORE = re.compile(r"  # type: ignore\[([a-z-]+)\] # wrong$", re.MULTILINE)
_ERROR = re.compile(r"^[^:]*:([0-9]+): error: .*\[([a-z-]+)\]$", re.MULTILINE)


class Error(NamedTuple):
    line: int
    code: str


def errors_in(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Error]:
    """The errors that mypy, as strict as pyproject.toml has it, finds in a source text."""
    path = folder / "cases.py"
    path.write_text(source)
    monkeypatch.chdir(ROOT)
    found, trouble, _ = api.run(["--config-file", "pyproject.toml", "--strict", str(path)])
    assert trouble == ""
    return [Error(int(line), code) for line, code in _ERROR.findall(found)]


def expected_errors(source: str) -> list[Error]:
    return [
        Error(number, match.group(1))
        for number, line in enumerate(source.splitlines(), start=1)
        if (match := _IGNORE.search(line))
    ]


def test_each_result_is_inferred_and_each_wrong_argument_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = CASES.read_text()
    expected = expected_errors(source)
    assert len(expected) >= 20
    assert errors_in(_IGNORE.sub("", source), tmp_path, monkeypatch) == expected


def test_a_result_of_another_type_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = CASES.read_text()
    right, wrong = "get_group(5), Group)", "get_group(5), object)"
    assert source.count(right) == 2
    found = errors_in(source.replace(right, wrong), tmp_path, monkeypatch)
    assert [error.code for error in found] == ["assert-type", "assert-type"]


@pytest.mark.parametrize("method", METHODS)
def test_each_request_and_each_method_is_among_the_cases(method: str) -> None:
    source = CASES.read_text()
    for call in (f"client.call({METHODS[method].__name__}(", f"client.{method}("):
        for case in (f"assert_type({call}", f"assert_type(await {call}"):
            assert source.count(case) == 1
