"""The commands of jobs: what becomes of each, in their order, and how it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.in_process import run_here
from tests.cli.processes import Ended, Home

FARM = ("farm", "--no-join-secret")
SURE = [("in every group? [y/N]: ", "y\n")]


def job(number: int) -> str:
    return f"job{number:019}"


def jobs(*numbers: int) -> tuple[str, ...]:
    return tuple(job(number) for number in numbers)


def listed(*numbers: int) -> str:
    """What `list-jobs` says of them."""
    return "".join(f"{job(number)}\n" for number in numbers)


@pytest.fixture
def home(home: Home) -> Home:
    """A home in which there is a group, with a key and no secret."""
    run_here(home, "create", "render farm", "--join-key", "farm", "--no-join-secret")
    return home


def in_the_group(home: Home) -> str:
    return run_here(home, "list-jobs", "farm").stdout


def test_the_life_of_jobs_with_pipes(home: Home) -> None:
    nothing = run_here(home, "list-jobs", "farm")
    assert nothing == Ended(0, "", 'There is no job in the group "farm".\n')
    added = home.cg("add-job", *FARM, *jobs(3, 1, 2))
    assert added == Ended(0, "", 'Added 3 jobs to the group "farm".\n')
    assert home.cg("list-jobs", "--id", "2") == Ended(0, listed(3, 1, 2), "")
    removed = home.cg("remove-job", "farm", job(1))
    assert removed == Ended(0, "", 'Removed 1 job from the group "farm".\n')
    cancelled = home.cg("cancel-job", "--id", "2", job(2), "--yes")
    assert cancelled == Ended(0, "", "Cancelled 1 job of group 2.\n")
    run_here(home, "add-job", *FARM, "-", stdin=listed(4, 5).encode())
    all_removed = home.cg("remove-all-jobs", "farm", "-y")
    assert all_removed == Ended(0, listed(3, 4, 5), 'Removed 3 jobs from the group "farm".\n')
    run_here(home, "add-job", *FARM, job(5))
    all_cancelled = home.cg("cancel-all-jobs", "farm", "--yes")
    assert all_cancelled == Ended(0, listed(5), 'Cancelled 1 job of the group "farm".\n')
    refused = run_here(home, "add-job", *FARM, job(5))
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Error: job {job(5)} ")
    assert refused.stderr.endswith(" (JobCancelled)\n")
    assert in_the_group(home) == ""


def test_the_life_of_jobs_at_a_terminal(home: Home) -> None:
    run_here(home, "change", "farm", "--join-key", "farm", "--join-secret-env", "F", F="s3cret")

    def told(*arguments: str, answers: Any = ()) -> str:
        ended = home.cg_at_terminal(*arguments, answers=answers)
        assert ended.status == 0
        return ended.stdout

    added = told("add-job", "farm", *jobs(2, 1), answers=[("Join secret: ", "s3cret\n")])
    assert added == 'Join secret: \nAdded 2 jobs to the group "farm".\n'
    assert told("list-jobs", "farm") == listed(2, 1)
    cancelled = told("cancel-job", "farm", job(2), answers=SURE)
    assert cancelled.splitlines()[-1] == 'Cancelled 1 job of the group "farm".'
    removed = told("remove-job", "farm", job(1))
    assert removed == 'Removed 1 job from the group "farm".\n'
    emptied = told("remove-all-jobs", "farm", answers=[("? [y/N]: ", "y\n")])
    assert emptied.splitlines()[-1] == 'Removed 0 jobs from the group "farm".'
    ended = told("cancel-all-jobs", "farm", answers=SURE)
    assert ended.splitlines()[-1] == 'Cancelled 0 jobs of the group "farm".'
    assert told("list-jobs", "farm") == 'There is no job in the group "farm".\n'


def test_the_life_of_jobs_for_programs(home: Home) -> None:
    def answer(*arguments: str) -> object:
        ended = run_here(home, *arguments, "--json")
        assert (ended.status, ended.stderr) == (0, "")
        return json.loads(ended.stdout)

    def done(outcome: str, *numbers: int, **group: object) -> object:
        return {
            "group": group,
            "jobs": [{"job": each, "outcome": outcome} for each in jobs(*numbers)],
        }

    assert answer("list-jobs", "farm") == []
    assert answer("add-job", *FARM, *jobs(2, 1, 3, 4)) == done("added", 2, 1, 3, 4, joinKey="farm")
    assert answer("remove-job", "--id", "2", job(1)) == done("removed", 1, id=2)
    assert answer("list-jobs", "farm") == [*jobs(2, 3, 4)]
    assert answer("cancel-job", "farm", job(2), "-y") == done("cancelled", 2, joinKey="farm")
    assert answer("remove-all-jobs", "farm", "--yes") == [*jobs(3, 4)]
    assert answer("add-job", *FARM, job(3)) == done("added", 3, joinKey="farm")
    assert answer("cancel-all-jobs", "farm", "--yes") == [job(3)]
    assert answer("list-jobs", "farm") == []


def test_a_thousand_jobs_keep_their_order(home: Home) -> None:
    """More than one transaction holds; not in the order of their ids."""
    numbers = [(37 * number) % 1_000 for number in range(1_000)]
    added = run_here(home, "add-job", *FARM, "-", stdin=listed(*numbers).encode())
    assert added == Ended(0, "", 'Added 1000 jobs to the group "farm".\n')
    assert in_the_group(home) == listed(*numbers)
    answer = json.loads(run_here(home, "remove-job", "farm", *jobs(*numbers), "--json").stdout)
    assert [each["job"] for each in answer["jobs"]] == [*jobs(*numbers)]
    assert in_the_group(home) == ""


def test_a_job_that_is_named_twice(home: Home) -> None:
    """To add or cancel it again changes nothing; to remove it again is to remove what is not in."""
    added = run_here(home, "add-job", *FARM, *jobs(1, 2, 1))
    assert added == Ended(0, "", 'Added 3 jobs to the group "farm".\n')
    assert in_the_group(home) == listed(1, 2)
    removed = run_here(home, "remove-job", "farm", *jobs(1, 1))
    assert (removed.status, removed.stdout) == (3, "")
    assert (
        removed.stderr.splitlines()[-1] == 'Removed 1 of 2 jobs from the group "farm"; 1 refused.'
    )
    assert run_here(home, "cancel-job", "farm", *jobs(2, 2), "--yes").status == 0


def test_what_is_refused_of_one_job_does_not_stop_the_others(home: Home) -> None:
    run_here(home, "add-job", *FARM, *jobs(1, 2, 3))
    run_here(home, "cancel-job", "farm", job(2), "--yes")

    removed = run_here(home, "remove-job", "farm", *jobs(7, 1, 2))
    assert (removed.status, removed.stdout) == (3, "")
    first, second, summary = removed.stderr.splitlines()
    assert first.startswith(f"{job(7)}: ")
    assert second.startswith(f"{job(2)}: ")
    assert first.endswith(" (JobNotFound)")
    assert summary == 'Removed 1 of 3 jobs from the group "farm"; 2 refused.'

    added = run_here(home, "add-job", *FARM, *jobs(2, 4), "--json")
    assert added.status == 1
    answer = json.loads(added.stdout)["jobs"]
    assert [(each["job"], each["outcome"]) for each in answer] == [
        (job(2), "refused"),
        (job(4), "added"),
    ]
    refusal = answer[0]["error"]
    assert (refusal["name"], refusal["code"]) == ("JobCancelled", "ECANCELED")
    assert json.loads(added.stderr)["error"] == refusal | {"exitCode": 1}
    assert in_the_group(home) == listed(3, 4)


def test_another_callers_job_is_refused_alone(home: Home) -> None:
    """The exit code is that of the first refusal."""
    run_here(home, "change", "farm", "--deploy-access", "join")
    run_here(home, "identity", "new", "robot", "--no-passphrase")
    run_here(home, "add-job", *FARM, job(1), "--identity", "robot")
    added = run_here(home, "add-job", *FARM, *jobs(1, 2))
    assert added.status == 1
    assert "(NotOwner)" in added.stderr.splitlines()[0]
    assert in_the_group(home) == listed(1, 2)
    both = run_here(home, "cancel-job", "farm", "--identity", "robot", *jobs(1, 2, 3), "-y")
    assert both.status == 1
    assert [line.rpartition(" ")[2] for line in both.stderr.splitlines()] == [
        "(NotOwner)",
        "(NotOwner)",
        "refused.",
    ]
    assert in_the_group(home) == listed(2)


@pytest.mark.parametrize(
    ("arguments", "status", "name"),
    [
        (("add-job", "nope", "--no-join-secret"), 3, "GroupNotFound"),
        (("remove-job", "nope"), 3, "GroupNotFound"),
        (("cancel-job", "--id", "9", "--yes"), 3, "GroupNotFound"),
        (("add-job", "--id", "2"), 1, "BadCredentials"),
        (("add-job", "--id", "2", "--join-key", "barn", "--no-join-secret"), 1, "BadCredentials"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_befalls_all_is_said_once_and_stops_the_rest(
    arguments: tuple[str, ...], status: int, name: str, home: Home
) -> None:
    numbers = range(250)
    people = run_here(home, *arguments, "-", stdin=listed(*numbers).encode())
    assert (people.status, people.stdout) == (status, "")
    *lines, summary = people.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("100 jobs: ")
    assert lines[0].endswith(f"({name})")
    assert summary.endswith("; 100 refused, 150 not tried.")

    programs = run_here(home, *arguments, *jobs(1, 2), "--json")
    assert programs.status == status
    assert [each["error"]["name"] for each in json.loads(programs.stdout)["jobs"]] == [name, name]
    error = json.loads(programs.stderr)["error"]
    assert (error["name"], error["exitCode"]) == (name, status)

    one = run_here(home, *arguments, job(1))
    assert (one.status, one.stdout) == (status, "")
    assert one.stderr.startswith("Error: ")
    assert one.stderr.splitlines()[0].endswith(f"({name})")
    assert in_the_group(home) == ""


def test_a_full_group_takes_what_there_is_room_for(home: Home) -> None:
    run_here(home, "change", "farm", "--max-concurrent-jobs", "102")
    added = run_here(home, "add-job", *FARM, *jobs(*range(301)))
    assert (added.status, added.stdout) == (1, "")
    refused, summary = added.stderr.splitlines()
    assert refused.startswith("98 jobs: ")
    assert refused.endswith("max-concurrent-jobs (LimitReached)")
    assert summary == ('Added 102 of 301 jobs to the group "farm"; 98 refused, 101 not tried.')
    assert in_the_group(home) == listed(*range(102))


def test_many_refusals_are_cut_for_people_and_whole_for_programs(home: Home) -> None:
    numbers = [*range(21), 100, *range(21, 30)]
    run_here(home, "add-job", *FARM, job(100))
    removed = run_here(home, "remove-job", "farm", *jobs(*numbers))
    assert removed.status == 3
    lines = removed.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines[:20]] == [*jobs(*range(20))]
    assert lines[20:] == [
        "... and 10 more, which --json lists.",
        'Removed 1 of 31 jobs from the group "farm"; 30 refused.',
    ]
    run_here(home, "add-job", *FARM, job(100))
    programs = run_here(home, "remove-job", "farm", *jobs(*numbers), "--json")
    assert programs.stderr.count("\n") == 1
    outcomes = [(each["job"], each["outcome"]) for each in json.loads(programs.stdout)["jobs"]]
    assert outcomes == [
        (job(number), "removed" if number == 100 else "refused") for number in numbers
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "name"),
    [
        (("list-jobs", "nope"), 3, "GroupNotFound"),
        (("remove-all-jobs", "nope", "--yes"), 3, "GroupNotFound"),
        (("cancel-all-jobs", "nope", "--yes"), 3, "GroupNotFound"),
        (("list-jobs", "public"), 1, "NotOwner"),
        (("remove-all-jobs", "public", "--yes"), 1, "NotOwner"),
        (("cancel-all-jobs", "public", "--yes"), 1, "NotOwner"),
        (("list-jobs", "farm", job(1)), 2, "InvalidArgument"),
        (("cancel-all-jobs", "farm", job(1), "--yes"), 2, "InvalidArgument"),
        (("remove-job", "farm"), 2, "InvalidArgument"),
        (("remove-job", "farm", "short"), 2, "InvalidValue"),
        (("remove-job", "farm", job(1), f"0x{'aB' * 20}"), 2, "InvalidValue"),
        (("add-job", "farm", "--join-key", "barn", "--no-join-secret", job(1)), 2, "InvalidValue"),
        (("add-job", "--id", "2", "--no-join-secret", job(1)), 2, "InvalidArgument"),
        (("add-job", "farm", job(1)), 2, "InvalidArgument"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_told_to_people_and_to_programs(
    arguments: tuple[str, ...], status: int, name: str, home: Home
) -> None:
    people = run_here(home, *arguments)
    assert (people.status, people.stdout) == (status, "")
    programs = run_here(home, *arguments, "--json")
    assert (programs.status, programs.stdout) == (status, "")
    (line,) = programs.stderr.splitlines()
    error = json.loads(line)["error"]
    assert list(error) == ["name", "code", "message", "exitCode"]
    assert (error["name"], error["exitCode"]) == (name, status)
    assert f"Error: {error['message']}" in people.stderr


@pytest.mark.parametrize("command", ["add-job", "remove-job", "cancel-job"])
@pytest.mark.parametrize("word", [job(1), "farm"], ids=["a job", "a group"])
def test_a_single_word_is_the_group(command: str, word: str, home: Home) -> None:
    ended = run_here(home, command, word)
    assert (ended.status, ended.stdout) == (2, "")
    assert (
        f"Error: the first word names the group, and no job follows: cg {command} GROUP JOB..."
    ) in ended.stderr
    assert word not in ended.stderr


@pytest.mark.parametrize("name", [("--id", "2"), ("--opaque-id", "bYcYGQ3NOpFnP4FKs6IBQd")])
def test_beside_an_id_every_word_is_a_job(name: tuple[str, ...], home: Home) -> None:
    hint = "with --id or --opaque-id every word is a job"
    ended = run_here(home, "add-job", *name, "farm", job(1))
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: job 1: ")
    assert ended.stderr.endswith(f"{hint}\n")
    assert hint not in run_here(home, "add-job", "farm", "barn", job(1)).stderr


def test_a_job_may_be_an_address(home: Home) -> None:
    address = "0x8e077691A9f7152F7F709479233d06FA5273c15d"
    added = run_here(home, "add-job", *FARM, address, address.lower())
    assert added.status == 0
    assert in_the_group(home) == f"{address}\n"
