"""`cg create`, `list`, `show`, `change`, `delete`, for people and for programs."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import attrs
import pytest

from cg_core import Group
from cg_core.json_shapes import camel_case
from tests.cli.in_process import run_here
from tests.cli.processes import Ended, Home

FIELDS = [field.name for field in attrs.fields(Group)]
SECRET = ("Join secret: ", "s3cret\n"), ("Repeat for confirmation: ", "s3cret\n")


def rows(ended: Ended) -> list[list[str]]:
    """The fields of lines that a program may take apart."""
    assert (ended.status, ended.stderr) == (0, "")
    return [line.split("\t") for line in ended.stdout.splitlines()]


def test_a_groups_life_with_pipes(home: Home) -> None:
    """Data is on stdout and alone there; what else is said is on stderr."""
    nothing = run_here(home, "list")
    assert (nothing.status, nothing.stdout) == (0, "")
    assert nothing.stderr.endswith("/compute-groups.db. To make one: cg create NAME\n")
    created = home.cg("create", "render farm", "--join-key", "farm", "--no-join-secret")
    assert created == Ended(0, "2\n", "Created.\n")
    ((id, name, join_key, jobs_by, since),) = rows(home.cg("list"))
    assert (id, name, join_key, jobs_by) == ("2", "render farm", "farm", "the owner")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", since)
    changed = home.cg("change", "farm", "--name", "old farm", "--max-concurrent-jobs", "7")
    assert changed == Ended(0, "", 'Changed the group "farm".\n')
    shown = home.cg("show", "--id", "2")
    told = dict(rows(shown))
    assert sorted(told) == sorted(field.replace("_", " ") for field in FIELDS)
    assert (told["name"], told["max concurrent jobs"], told["created at"]) == (
        "old farm",
        "7",
        since,
    )
    deleted = home.cg("delete", "--opaque-id", told["opaque id"], "--yes")
    assert deleted == Ended(0, "", f"Deleted the group with opaque id {told['opaque id']}.\n")
    assert run_here(home, "list").stdout == ""


def test_a_groups_life_at_a_terminal(home: Home) -> None:
    created = home.cg_at_terminal("create", "render farm", "--join-key", "farm", answers=SECRET)
    assert created.status == 0
    assert created.stdout.endswith("Repeat for confirmation: \n2\nCreated.\n")
    changed = home.cg_at_terminal("change", "farm", "--join-key", "barn", answers=SECRET)
    assert (changed.status, changed.stdout.splitlines()[-1]) == (0, 'Changed the group "farm".')
    for ended in (created, changed):
        assert "s3cret" not in ended.stdout
    listed = home.cg_at_terminal("list")
    assert (listed.status, listed.stdout.count("render farm")) == (0, 1)
    shown = home.cg_at_terminal("show", "barn")
    assert shown.status == 0
    for field in FIELDS:
        assert f"\n{field.replace('_', ' ')}  " in shown.stdout
    deleted = home.cg_at_terminal("delete", "barn", answers=[("for good? [y/N]: ", "y\n")])
    assert deleted.status == 0
    assert deleted.stdout.splitlines()[-1] == 'Deleted the group "barn".'
    assert run_here(home, "list", "--json").stdout == "[]\n"


def test_a_groups_life_for_programs(home: Home) -> None:
    """Nothing but JSON, and nothing on stderr once there is an identity."""
    run_here(home, "identity", "new", "--no-passphrase")

    def answer(*arguments: str) -> Any:
        ended = run_here(home, *arguments, "--json")
        assert (ended.status, ended.stderr) == (0, "")
        return json.loads(ended.stdout)

    assert answer("list") == []
    assert answer("create", "a", "--join-key", "a", "--no-join-secret") == {"id": 2}
    assert answer("create", "b", "--description", "", "--commission-rate", "0.05") == {"id": 3}
    assert answer("change", "a", "--name", "A") == {"changed": {"joinKey": "a"}}
    first, second = groups = answer("list")
    assert answer("show", "a") == first
    assert answer("show", "--id", "3") == second
    assert list(first) == [camel_case(field) for field in FIELDS]
    assert {group["owner"] for group in groups} == {first["owner"]}
    assert datetime.fromisoformat(first["createdAt"]).utcoffset() is not None
    assert (first["name"], first["joinKey"], first["deployAccess"]) == ("A", "a", "owner")
    assert (second["description"], second["commissionRate"], second["joinKey"]) == (
        "",
        "0.05",
        None,
    )
    assert answer("change", "--id", "3", "--no-join-key") == {"changed": {"id": 3}}
    opaque_id = second["opaqueId"]
    assert answer("delete", "--opaque-id", opaque_id, "-y") == {"deleted": {"opaqueId": opaque_id}}
    assert answer("delete", "--id", "2", "--yes") == {"deleted": {"id": 2}}
    assert answer("list") == []


def test_a_list_goes_on_while_there_are_groups(home: Home) -> None:
    for number in range(40):
        run_here(home, "create", f"group {number}")
    listed = run_here(home, "list")
    assert [(row[0], row[1]) for row in rows(listed)] == [
        (str(number + 2), f"group {number}") for number in range(40)
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "name", "told"),
    [
        (("create", "b", "--join-key", "a", "--no-join-secret"), 1, "DuplicateJoinKey", "already"),
        (("create", "b", "--join-key", "public", "--no-join-secret"), 1, "DuplicateJoinKey", ""),
        (("create", "b", "--opaque-id", "WHhetL7mj1w1mw1XV6dxyC"), 1, "DuplicateJoinKey", ""),
        (("create", "b", "--opaque-id", "short"), 2, "InvalidValue", "--opaque-id"),
        (("create", "b", "--join-address", "0x12"), 2, "InvalidValue", "--join-address"),
        (("create", ""), 2, "InvalidValue", "name"),
        (("create", "b" * 256), 2, "InvalidValue", "name"),
        (("create", "b", "--description", "d" * 256), 2, "InvalidValue", "description"),
        (("create", "b", "--join-key", "", "--no-join-secret"), 2, "InvalidValue", "--join-key"),
        (("create", "b", "--no-join-secret"), 2, "InvalidArgument", "--join-key KEY"),
        (("create", "b", "--join-secret-env", "HOME"), 2, "InvalidArgument", "--join-key KEY"),
        (("create", "b", "--join-key", "b"), 2, "InvalidArgument", "stdin is no terminal"),
        (("create", "b", "c"), 2, "InvalidArgument", "takes one argument, and 2 were given"),
        (("create",), 2, "InvalidArgument", "NAME"),
        (("change", "a"), 2, "InvalidValue", "nothing is to change"),
        (("change", "a", "--name", ""), 2, "InvalidValue", "name"),
        (("change", "a", "--no-join-secret"), 2, "InvalidArgument", "--join-key KEY"),
        (("change", "a", "--join-key", "c"), 2, "InvalidArgument", "stdin is no terminal"),
        (("change", "a", "--no-join-key", "--no-join-secret"), 2, "InvalidArgument", "no others"),
        (("change", "a", "--no-join-key", "--join-key", "c"), 2, "InvalidArgument", "no others"),
        (
            ("change", "a", "--no-join-address", "--join-address", f"0x{'ab' * 20}"),
            2, "InvalidArgument", "not both",
        ),
        (("change", "a", "--join-key", "public", "--no-join-secret"), 1, "DuplicateJoinKey", ""),
        (("change", "nope", "--name", "c"), 3, "GroupNotFound", "nope"),
        (("change", "public", "--name", "c"), 1, "NotOwner", "owner"),
        (("show", "nope"), 3, "GroupNotFound", "nope"),
        (("show", "--id", "9"), 3, "GroupNotFound", "9"),
        (("show", "public"), 1, "NotOwner", "owner"),
        (("delete", "nope", "--yes"), 3, "GroupNotFound", "nope"),
        (("delete", "public", "--yes"), 1, "NotOwner", "owner"),
        (("delete", "a", "--yes", "b"), 2, "InvalidArgument", "what has spaces in it in quotes"),
        (("list", "a"), 2, "InvalidArgument", "cg list takes no argument, and 1 was given"),
        (("list", "a"), 2, "InvalidArgument", "`cg show GROUP` shows one group"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_is_told_to_people_and_to_programs(
    arguments: tuple[str, ...], status: int, name: str, told: str, home: Home
) -> None:
    run_here(home, "create", "a", "--join-key", "a", "--no-join-secret")
    before = run_here(home, "list", "--json")

    people = run_here(home, *arguments)
    assert (people.status, people.stdout) == (status, "")
    assert "Error: " in people.stderr
    assert told in people.stderr
    if status in (1, 3):
        assert f"({name})" in people.stderr
        assert people.stderr.startswith("Error: ")

    programs = run_here(home, *arguments, "--json")
    assert (programs.status, programs.stdout) == (status, "")
    (line,) = programs.stderr.splitlines()
    error = json.loads(line)["error"]
    assert list(error) == ["name", "code", "message", "exitCode"]
    assert (error["name"], error["exitCode"]) == (name, status)
    assert error["message"] in people.stderr

    assert run_here(home, "list", "--json") == before


@pytest.mark.parametrize(
    "arguments",
    [("show", "a"), ("change", "a", "--name", "b"), ("delete", "a", "--yes"), ("list-jobs", "a")],
    ids=" ".join,
)
def test_another_identity_may_not(arguments: tuple[str, ...], home: Home) -> None:
    run_here(home, "create", "a", "--join-key", "a", "--no-join-secret")
    run_here(home, "identity", "new", "robot", "--no-passphrase")
    before = run_here(home, "list", "--json")
    refused = run_here(home, *arguments, "--identity", "robot")
    assert (refused.status, refused.stdout) == (1, "")
    assert "(NotOwner)\nHint: `cg identity show` tells who you are" in refused.stderr
    assert run_here(home, "list", "--identity", "robot", "--json").stdout == "[]\n"
    assert run_here(home, "list", "--json") == before
