"""How a command line names a group, whatever its join key looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_core import (
    AddJob,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    DeleteGroup,
    Descriptor,
    GetGroup,
    ListJobs,
    OpaqueId,
    RemoveAllJobs,
    RemoveJob,
)
from tests import strategies
from tests.cli.in_process import requests_of, run_here
from tests.cli.processes import Home

JOB = "P+Y4IApeFQLrYS2W7MkVg7"
OPAQUE_ID = "bYcYGQ3NOpFnP4FKs6IBQd"

OF_GROUPS: dict[tuple[str, ...], Any] = {
    ("show",): GetGroup,
    ("change", "--name", "new"): lambda group: ChangeGroup(group, name="new"),
    ("delete", "--yes"): DeleteGroup,
    ("list-jobs",): ListJobs,
    ("remove-all-jobs", "--yes"): RemoveAllJobs,
    ("cancel-all-jobs", "-y"): CancelAllJobs,
}
OF_JOBS: dict[tuple[str, ...], Any] = {
    ("remove-job",): RemoveJob,
    ("cancel-job", "--yes"): CancelJob,
}
ALL = [*OF_GROUPS, *OF_JOBS, ("add-job", "--no-join-secret")]


def named(group: int | OpaqueId | str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options and the arguments that name a group."""
    if isinstance(group, OpaqueId):
        return ("--opaque-id", group), ()
    return (("--id", str(group)), ()) if isinstance(group, int) else ((), (group,))


@settings(max_examples=40)
@given(strategies.group_names, st.lists(strategies.job_ids, min_size=1, max_size=3))
def test_every_command_means_the_group_that_is_named(group: Any, jobs: list[str]) -> None:
    options, arguments = named(group)
    for command, request in OF_GROUPS.items():
        assert requests_of(*command, *options, "--", *arguments) == [request(group)]
    for command, request in OF_JOBS.items():
        asked = requests_of(*command, *options, "--", *arguments, *jobs)
        assert asked == [request(group, job) for job in jobs]


@settings(max_examples=40)
@given(strategies.group_names, st.none() | strategies.join_keys, st.none() | strategies.texts)
def test_add_job_shows_the_credentials_that_are_given(
    group: Any, join_key: str | None, secret: str | None
) -> None:
    """A bare word is the join key itself; beside an id it is --join-key."""
    options, arguments = named(group)
    credentials: dict[str, Any] = {}
    if arguments or (join_key is not None and group != 1):
        key = {} if arguments else {"join_key": join_key}
        credentials = key | {"join_secret": secret}
        options += tuple(f"--join-key={join_key}" for _ in key)
        options += ("--no-join-secret",) if secret is None else ("--join-secret-env=FARM",)
    variables: dict[str, Any] = {} if secret is None else {"FARM": secret}
    asked = requests_of("add-job", *options, "--", *arguments, JOB, **variables)
    assert asked == [AddJob(group, JOB, **credentials)]


@pytest.mark.parametrize(
    ("options", "group"),
    [
        (("public",), "public"),
        (("--id", "1"), 1),
        (("--id", "1", "--join-key", "public"), 1),
        (("--opaque-id", "WHhetL7mj1w1mw1XV6dxyC"), OpaqueId("WHhetL7mj1w1mw1XV6dxyC")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_public_group_asks_for_no_secret_and_is_shown_none(
    options: tuple[str, ...], group: Any
) -> None:
    key = {"join_key": "public"} if "--join-key" in options else {}
    asked = AddJob(Descriptor(group, **key), JOB)
    assert requests_of("add-job", *options, JOB) == [asked]
    given = ("add-job", "--join-secret-env", "FARM", *options, JOB)
    assert requests_of(*given, FARM="s3cret") == [asked]


@pytest.mark.parametrize("command", ALL, ids=lambda command: command[0])
def test_a_group_must_be_named_and_once(command: tuple[str, ...], home: Home) -> None:
    is_of_jobs = command not in OF_GROUPS
    one_too_many = () if is_of_jobs else ("farm",)  # where jobs stand, a word is a job
    for arguments, told in [
        ((), "no group is named"),
        ((*one_too_many, "--id", "2", "--opaque-id", OPAQUE_ID), "the group is named twice"),
        *([] if is_of_jobs else [(("farm", "--id", "2"), "the group is named twice")]),
        (("--id", "two"), "'--id'"),
        (("--id", "0"), "--id must be from 1"),
        (("--id", "-2"), "--id must be from 1"),
        (("--id", str(2**63)), "--id must be from 1"),
        (("--opaque-id", "short"), "--opaque-id (5 characters)"),
        (("--opaque-id", ""), "--opaque-id (0 characters)"),
        (("", JOB) if is_of_jobs else ("",), "group has 0 characters"),
        (("k" * 256, JOB) if is_of_jobs else ("k" * 256,), "group has 256 characters"),
    ]:
        ended = run_here(home, *command, *arguments)
        assert (ended.status, ended.stdout) == (2, "")
        assert told in ended.stderr
        assert "Usage: cg" in ended.stderr or ended.stderr.count("\n") <= 2
    assert run_here(home, "list", "--json").stdout == "[]\n"


KEYS = [
    "2", "-farm", "--yes", "-", "two words", "\"'`$(x)\\", "\u65e5\u672c\u8a9e \u00fc \U0001f69c",
    "\x1b[31mred\x1b]0;title\x07", "tab\tand\nlines\r", " ", "\u202eright to left", "\x9bC1",
    OPAQUE_ID,
]  # fmt: skip


def test_keys_of_all_kinds_name_their_groups_and_none_is_raw_on_the_terminal(home: Home) -> None:
    """Each is made, shown, listed, filled and deleted by a process of its own argument."""
    for number, key in enumerate(KEYS, 2):
        made = run_here(home, "create", f"--join-key={key}", "--no-join-secret", "--", key)
        assert made.stdout == f"{number}\n"
    listed = json.loads(run_here(home, "list", "--json").stdout)
    assert [group["joinKey"] for group in listed] == [group["name"] for group in listed] == KEYS
    lines = run_here(home, "list").stdout.split("\n")
    assert len(lines) == len(KEYS) + 1
    assert {line.count("\t") for line in lines[:-1]} == {4}
    for key in KEYS:
        for ended in [
            run_here(home, "add-job", "--no-join-secret", "--", key, JOB),
            run_here(home, "show", "--", key),
            run_here(home, "list-jobs", "--", key),
            run_here(home, "remove-job", "--", key, JOB),
            run_here(home, "delete", "--yes", "--", key),
        ]:
            assert ended.status == 0
            told = (ended.stdout + ended.stderr).replace("\n", "").replace("\t", "")
            assert told.isprintable()
        refused = run_here(home, "show", "--", key)
        assert refused.status == 3
        assert refused.stderr.replace("\n", "").isprintable()
    assert run_here(home, "list", "--json").stdout == "[]\n"


def test_a_key_comes_through_a_real_command_line(home: Home) -> None:
    key = "-\x1b[31mred\tand\nlines \u65e5\u672c\u202e"
    made = home.cg("create", f"--join-key={key}", "--no-join-secret", "--json", "--", key)
    assert (made.status, json.loads(made.stdout)) == (0, {"id": 2})
    shown = json.loads(run_here(home, "show", "--json", "--", key).stdout)
    assert (shown["name"], shown["joinKey"]) == (key, key)
    deleted = home.cg_at_terminal("delete", "--", key, answers=[("[y/N]: ", "y\n")])
    assert deleted.status == 0
    assert deleted.stdout.replace("\n", "").isprintable()
    assert deleted.stdout.count("\n") == 2
