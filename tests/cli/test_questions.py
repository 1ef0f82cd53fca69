"""What cannot be undone is asked first, and is not done unless it is meant."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cli.in_process import Typed, run_here
from tests.cli.processes import CTRL_D, Home
from tests.cli.test_jobs import FARM, job, jobs, listed

COMMANDS = {
    ("delete", "farm"): 'Delete the group "farm" for good? [y/N]: ',
    ("remove-all-jobs", "--id", "2"): "Take all jobs out of group 2? [y/N]: ",
    ("cancel-all-jobs", "farm"): (
        'Cancel every job of the group "farm" for good, in every group? [y/N]: '
    ),
    ("cancel-job", "farm", *jobs(1, 2)): "Cancel 2 jobs for good, in every group? [y/N]: ",
}
EACH = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])


@pytest.fixture
def home(home: Home) -> Home:
    """A home in which there is a group with three jobs."""
    run_here(home, "create", "render farm", "--join-key", "farm", "--no-join-secret")
    run_here(home, "add-job", *FARM, *jobs(1, 2, 3))
    return home


def require_nothing_done(home: Home) -> None:
    assert run_here(home, "list-jobs", "farm").stdout == listed(1, 2, 3)


@EACH
@pytest.mark.parametrize("answer", [b"n\n", b"No\n", b"\n"], ids=["n", "No", "Enter"])
def test_no_is_an_answer(command: tuple[str, ...], answer: bytes, home: Home) -> None:
    ended = run_here(home, *command, stdin=Typed(answer))
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == f"{COMMANDS[command]}Error: nothing was done\n"
    require_nothing_done(home)


@pytest.mark.parametrize(
    ("key", "status", "told"),
    [
        ("n\n", 1, "Error: nothing was done"),
        ("\n", 1, "Error: nothing was done"),
        (CTRL_D, 2, "nothing was given, and nothing was done"),
    ],
    ids=["n", "Enter", "Ctrl-D"],
)
def test_at_a_terminal_it_is_one_as_well(key: str, status: int, told: str, home: Home) -> None:
    answers = [(COMMANDS["delete", "farm"], key)]
    ended = home.cg_at_terminal("delete", "farm", answers=answers)
    assert ended.status == status
    assert ended.stdout.endswith(f"{told}\n")
    require_nothing_done(home)


def test_it_is_asked_until_it_is_answered(home: Home) -> None:
    question = COMMANDS["delete", "farm"]
    ended = home.cg_at_terminal("delete", "farm", answers=[(question, "farm\n"), (question, "Y\n")])
    assert ended.status == 0
    assert ended.stdout.count(question) == 2
    assert run_here(home, "list", "--json").stdout == "[]\n"


def test_the_question_is_no_data(home: Home) -> None:
    """`cg remove-all-jobs farm > removed.txt`, and for programs at a terminal."""
    command = ("remove-all-jobs", "--id", "2")
    ended = home.cg_at_terminal(
        *command, "--json", answers=[(COMMANDS[command], "y\n")], stdout=subprocess.PIPE
    )
    assert ended.status == 0
    assert json.loads(ended.stdout) == [*jobs(1, 2, 3)]
    assert ended.stderr == f"{COMMANDS[command]}y\n"


def test_a_no_is_told_to_programs_too(home: Home) -> None:
    ended = run_here(home, "delete", "farm", "--json", stdin=Typed(b"n\n"))
    assert (ended.status, ended.stdout) == (1, "")
    assert json.loads(ended.stderr.removeprefix(COMMANDS["delete", "farm"]))["error"] == {
        "name": "Refused",
        "code": "EREFUSED",
        "message": "nothing was done",
        "exitCode": 1,
    }
    require_nothing_done(home)


@EACH
def test_without_a_terminal_nothing_is_asked_and_nothing_done(
    command: tuple[str, ...], home: Home
) -> None:
    """A `y` on stdin is no answer: it may be anything."""
    for stdin in (b"", b"y\n"):
        ended = run_here(home, *command, stdin=stdin)
        assert (ended.status, ended.stdout) == (2, "")
        assert "stdin is no terminal to ask at; say --yes" in ended.stderr
        assert "[y/N]" not in ended.stderr
    programs = run_here(home, *command, "--json")
    error = json.loads(programs.stderr)["error"]
    assert (error["name"], error["exitCode"], programs.status) == ("InvalidArgument", 2, 2)
    require_nothing_done(home)


@EACH
@pytest.mark.parametrize("yes", ["--yes", "-y"])
def test_yes_is_said_beforehand(command: tuple[str, ...], yes: str, home: Home) -> None:
    ended = run_here(home, *command, yes)
    assert ended.status == 0
    assert "[y/N]" not in ended.stdout + ended.stderr


def test_bad_arguments_are_told_before_anything_is_asked(home: Home) -> None:
    ended = run_here(home, "cancel-job", "farm", job(1), "short", stdin=Typed(b"y\n"))
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: job 2: ")
