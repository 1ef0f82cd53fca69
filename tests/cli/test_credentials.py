"""A group's credentials: asked for twice where they are set, once where they are shown."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cg_backends.conformance import ALICE
from cg_backends.keystores import save_identity
from cg_core import JoinSecret
from cg_core.join_hashes import join_hash
from tests.cli.processes import Ended, Home
from tests.cli.shell import Shell

SECRET = "tiger"
HASH = join_hash("farm", JoinSecret(SECRET)).reveal()
JOBS = [f"{number:022}" for number in range(5)]
ASKED, AGAIN = "Join secret: ", "Repeat for confirmation: "


@pytest.fixture
def shell(home: Home) -> Shell:
    save_identity(ALICE, home.dcp / "id.keystore")
    return Shell(home, {"SECRET": SECRET, "HASH": HASH, "LION": "lion"})


@pytest.fixture
def farm(shell: Shell) -> Shell:
    """The same, with a group that has the secret."""
    shell.done("create", "farm", "--join-key", "farm", "--join-secret-env", "SECRET")
    return shell


def typed(shell: Shell, command: Sequence[str], *answers: tuple[str, str]) -> Ended:
    """Run `cg` at a terminal, and type answers to what it asks."""
    with shell.terminal(*command) as ours:
        for question, answer in answers:
            ours.until(question)
            ours.type(f"{answer}\n")
        return ours.end()


def test_what_is_set_is_asked_for_twice_until_both_are_alike(shell: Shell) -> None:
    """A slip would lock somebody out; and nothing is a slip, too."""
    created = typed(
        shell, ["create", "farm", "--join-key", "farm"],
        (ASKED, SECRET), (AGAIN, "tigger"), (ASKED, ""), (ASKED, SECRET), (AGAIN, SECRET),
    )  # fmt: skip
    assert (created.status, created.stdout.count("do not match")) == (0, 1)
    for secret in (SECRET, "tigger"):
        assert secret not in created.stdout
    shell.done("add-job", "farm", JOBS[0], "--join-secret-env", "SECRET")
    changed = typed(
        shell, ["change", "farm", "--join-key", "farm"], (ASKED, "lion"), (AGAIN, "lion")
    )
    assert changed.status == 0
    shell.done("add-job", "farm", JOBS[1], "--join-secret-env", "LION")


def test_what_is_shown_is_asked_for_once(farm: Shell) -> None:
    added = typed(farm, ["add-job", "farm", *JOBS[:2]], (ASKED, SECRET))
    assert added.status == 0
    assert added.stdout == 'Join secret: \nAdded 2 jobs to the group "farm".\n'
    refused = typed(farm, ["add-job", "farm", JOBS[2]], (ASKED, "lion"))
    assert (refused.status, "(BadCredentials)" in refused.stdout) == (1, True)
    assert farm.done("list-jobs", "farm").split() == JOBS[:2]


def test_the_public_group_asks_for_nothing(shell: Shell) -> None:
    """At a terminal neither."""
    assert typed(shell, ["add-job", "public", JOBS[0]]).stdout == (
        'Added 1 job to the group "public".\n'
    )
    shell.done("add-job", "--id", "1", JOBS[1], "--join-secret-env", "LION")


def test_the_hash_stands_for_the_secret(shell: Shell) -> None:
    shell.done("create", "farm", "--join-key", "farm", "--join-hash-env", "HASH")
    for number, option in enumerate((["--join-secret-env", "SECRET"], ["--join-hash-env", "HASH"])):
        shell.done("add-job", "farm", JOBS[number], *option)
    shell.done("change", "farm", "--join-key", "farm", "--join-secret-env", "LION")
    assert shell.run("add-job", "farm", JOBS[2], "--join-hash-env", "HASH").status == 1
    shell.done("change", "farm", "--join-key", "farm", "--join-hash-stdin", stdin=HASH.encode())
    shell.done("add-job", "farm", JOBS[2], "--join-secret-env", "SECRET")
    assert shell.done("list-jobs", "farm").split() == JOBS[:3]


def test_there_may_be_no_secret(farm: Shell) -> None:
    add = ["add-job", "farm", JOBS[0], "--no-join-secret"]
    assert farm.run(*add).status == 1
    farm.done("change", "farm", "--join-key", "farm", "--no-join-secret")
    farm.done(*add)
    farm.done("change", "farm", "--no-join-key")
    assert farm.run("list-jobs", "farm").status == 3
    farm.done("add-job", "--id", "2", JOBS[1])  # as its owner, without any
    assert farm.done("list-jobs", "--id", "2").split() == JOBS[:2]


def test_an_id_and_a_key_name_one_group(farm: Shell) -> None:
    secret = ["--join-secret-env", "SECRET"]
    farm.done("add-job", "--id", "2", "--join-key", "farm", JOBS[0], *secret)
    assert farm.run("add-job", "--id", "2", "--join-key", "barn", JOBS[1], *secret).status == 1
    assert farm.done("list-jobs", "farm").split() == JOBS[:1]


WAYS = ["--join-secret-stdin", "--join-secret-file FILE", "--join-secret-env NAME"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("create barn --join-key barn", [*WAYS, "--no-join-secret"]),
        ("change farm --join-key farm", [*WAYS, "--no-join-secret"]),
        (f"add-job farm {JOBS[0]}", [*WAYS, "--no-join-secret"]),
        ("create barn --join-secret-env SECRET", ["--join-key"]),
        ("create barn --no-join-secret", ["--join-key"]),
        ("change farm --join-hash-env HASH", ["--join-key"]),
        ("change farm --no-join-key --join-secret-env SECRET", ["--no-join-key"]),
        (f"add-job --id 2 {JOBS[0]} --join-secret-env SECRET", ["--join-key"]),
        (f"add-job farm {JOBS[0]} --join-secret-env SECRET --join-hash-env HASH", ["not several"]),
        (f"add-job farm {JOBS[0]} --join-secret-env SECRET --no-join-secret", ["not several"]),
        ("create barn --join-key k --join-hash-env HASH --no-join-secret", ["not several"]),
        (f"add-job farm {JOBS[0]} --join-secret-env SECRET --join-secret-stdin", ["not several"]),
        (f"add-job farm {JOBS[0]} --join-hash-env HASH --join-hash-file x", ["not several"]),
        ("create barn --join-key k --join-hash-env SECRET", ["eh1-"]),
    ],
)
def test_what_is_missing_or_too_much_is_told(farm: Shell, command: str, told: list[str]) -> None:
    """Without a terminal; a prompt is the other way."""
    before = farm.done("list")
    ended = farm.run(*command.split())
    assert (ended.status, ended.stdout) == (2, "")
    for part in told:
        assert part in ended.stderr
    assert farm.done("list") == before
    assert farm.done("list-jobs", "farm") == ""
