"""The locks are of what pyproject.toml says today; `python -m tests.locks` writes them anew."""

from __future__ import annotations

import json
import re
import tomllib

import attrs
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.locks import LOCKS, ROOT, lock

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = {
    str(canonicalize_name(requirement.name)): requirement
    for texts in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in map(Requirement, texts)
    if requirement.name != PROJECT["name"]
}


@attrs.frozen
class Pin:
    """One version in a lock, for some systems or for all."""

    name: str
    version: Version
    hashes: list[str]
    needed_by: list[str]


def pins(name: str) -> list[Pin]:
    """What is in a lock."""
    text = lock(name).read_text(encoding="utf-8")
    pinned = re.split(r"^(?=[^\s#])", text, flags=re.MULTILINE)[1:]
    return [
        Pin(
            re.split("[=[]", pin)[0],
            Version(re.findall("==([^ ]+)", pin)[0]),
            re.findall("--hash=sha256:([0-9a-f]{64})", pin),
            re.findall("^    #(?: via|  ) ([^ \n]+)", pin, flags=re.MULTILINE),
        )
        for pin in pinned
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_the_project_needs_and_no_more(name: str) -> None:
    direct = {pin.name for pin in pins(name) if PROJECT["name"] in pin.needed_by}
    assert direct == set(REQUIREMENTS)


@pytest.mark.parametrize("name", LOCKS)
def test_whatever_is_installed_is_known_by_its_hash(name: str) -> None:
    assert [pin.name for pin in pins(name) if not pin.hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_locked_is_within_its_bounds(name: str) -> None:
    for pin in pins(name):
        if pin.name in REQUIREMENTS:
            assert pin.version in REQUIREMENTS[pin.name].specifier, pin.name


def test_each_lower_bound_is_a_version_that_is_tested() -> None:
    lowest = {pin.name: pin.version for pin in pins("lowest")}
    for name, requirement in REQUIREMENTS.items():
        (bound,) = requirement.specifier
        assert (bound.operator, Version(bound.version)) == (">=", lowest[name]), name


def test_what_node_runs_is_known_by_its_hash() -> None:
    text = (ROOT / "tests/peers/package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
    wanted = json.loads((ROOT / "tests/peers/package.json").read_text(encoding="utf-8"))
    assert packages[""]["dependencies"] == wanted["dependencies"]
