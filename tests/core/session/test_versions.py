"""The version check: as semver reads `^5.2.0`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core.session.versions import COMPATIBLE, VERSION, is_compatible
from tests.core.test_ecmascript_json import values
from tests.golden import golden

GOLDEN = golden("version_check")
LARGEST = 2**53 - 1

parts = st.integers(0, 10) | st.sampled_from([LARGEST, LARGEST + 1, 10**30])
identifiers = st.text("09azAZ-", min_size=1, max_size=3)
tails = st.lists(identifiers, min_size=1, max_size=3).map(".".join)


def test_all_golden_cases_are_here() -> None:
    assert len(GOLDEN["cases"]) == 51
    assert (GOLDEN["implementation"], GOLDEN["compatibility"]) == (VERSION, COMPATIBLE)


# Where semver throws, the peer's session fails, too: that is no.
@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: repr(case["version"]))
def test_golden(case: dict[str, Any]) -> None:
    assert is_compatible(case["version"]) is case.get("satisfies", False)


@given(st.tuples(parts, parts, parts), st.sampled_from(["", "v", " ", "\t\n v"]), st.none() | tails)
def test_from_5_2_0_up_to_6(version: tuple[int, int, int], before: str, build: str | None) -> None:
    text = before + ".".join(map(str, version)) + ("" if build is None else f"+{build}")
    compatible = (5, 2, 0) <= version < (6, 0, 0) and max(version) <= LARGEST
    assert is_compatible(text) is compatible
    assert is_compatible(f"{text} \n") is compatible


@given(st.tuples(parts, parts, parts), tails)
def test_no_prerelease_is_compatible(version: tuple[int, int, int], tail: str) -> None:
    assert not is_compatible(f"{'.'.join(map(str, version))}-{tail}")


@given(st.text() | st.text("0123456789.v+- \n", max_size=12) | values)
def test_anything_is_compatible_or_not(version: Any) -> None:
    assert is_compatible(version) in (True, False)


@pytest.mark.parametrize("version", ["5.\u0663.0", "\u00b2.3.0", "5.3.0\u0085", "5.3.0\x1f"])
def test_only_ascii_digits_and_white_space_count(version: str) -> None:
    assert not is_compatible(version)


@pytest.mark.parametrize(("length", "compatible"), [(256, True), (257, False), (10**6, False)])
def test_a_version_has_at_most_256_characters(length: int, compatible: bool) -> None:
    assert is_compatible("5.3.0+".ljust(length, "x")) is compatible
    assert is_compatible("5.3.0".ljust(length)) is compatible
