"""Jobs from files and stdin: what is read of them, and where a fault is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cg_backends.cli.names import job_ids
from cg_core import AddJob, RemoveJob
from tests.cli.in_process import requests_of, run_here
from tests.cli.processes import CTRL_D, Home, terminal
from tests.cli.test_jobs import FARM, job, jobs, listed

JOB = job(1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.txt"


@pytest.mark.parametrize(
    "content",
    [
        listed(2, 1, 3),
        listed(2, 1, 3).rstrip("\n"),
        listed(2, 1, 3).replace("\n", "\r\n"),
        listed(2, 1, 3).replace("\n", "\r"),
        "\ufeff" + listed(2, 1, 3),
        "\ufeff# a comment\r\n" + listed(2, 1, 3),
        f"# a comment\n\n{job(2)}\n   \n\t{job(1)}  \n  # {job(9)}\n#\n{job(3)} \n\n",
        f"# \u65e5\u672c\u8a9e\n{listed(2, 1, 3)}",
        f"{job(2)}\n{'#' * 998}\n{job(1)}\n{' ' * 998}\n{job(3)}",
    ],
    ids=[
        "LF", "no newline at the end", "CRLF", "CR", "byte order mark", "mark and comment",
        "comments and blanks", "no ASCII", "long comments",
    ],
)  # fmt: skip
def test_a_file_holds_a_job_in_each_line(content: str, file: Path) -> None:
    file.write_bytes(content.encode())
    expected = [RemoveJob("farm", each) for each in jobs(2, 1, 3)]
    assert requests_of("remove-job", "farm", "--jobs-file", str(file)) == expected
    for arguments in [("-",), ("--jobs-file", "-")]:
        asked = requests_of("remove-job", "farm", *arguments, stdin=content.encode())
        assert asked == expected


def test_a_comment_need_not_be_utf_8(file: Path) -> None:
    file.write_bytes(b"# caf\xe9\n" + listed(1).encode())
    assert requests_of("remove-job", "farm", "--jobs-file", str(file)) == [RemoveJob("farm", JOB)]


def test_jobs_from_everywhere_are_in_the_order_in_which_they_are_named(file: Path) -> None:
    file.write_text(listed(6, 5))
    command = ("add-job", *FARM, job(4), "-", job(1), "--jobs-file", str(file))
    asked = requests_of(*command, stdin=listed(3, 2).encode())
    assert asked == [AddJob("farm", each) for each in jobs(4, 3, 2, 1, 6, 5)]


@pytest.mark.parametrize("separate", [True, False], ids=["a word before it", "--id"])
def test_a_dash_is_stdin_where_a_job_may_stand(separate: bool, home: Home) -> None:
    """Before the jobs it is a join key as any other word."""
    group = ("-",) if separate else ("--id", "2")
    asked = requests_of("remove-job", *group, "-", stdin=listed(1).encode())
    assert asked == [RemoveJob("-" if separate else 2, JOB)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"s3cret\n", "line 1 of"),
        (b"\n# a comment\n\n" + listed(1).encode() + b"s3cret", "line 5 of"),
        (listed(1).encode().replace(b"\n", b"\r\n") + b"s3cret\r\n", "line 2 of"),
        (b"s3cret" * 100, "line 1 of"),
        (listed(1).encode() + b"s3cret" * 10_000 + b"\n" + listed(2).encode(), "line 2 of"),
        (b"#" * 5_000 + b"\n" + listed(1).encode(), "line 1 of"),
        (f"{job(1)} {job(2)}\n".encode(), "line 1 of"),
        (f"{job(1)},\n".encode(), "line 1 of"),
        (f"{job(1)} # s3cret\n".encode(), "line 1 of"),
        (listed(1).encode("utf-16"), "line 1 of"),
        (b"\0", "line 1 of"),
        (b"\n" + bytes(range(256)) * 300, "line 2 of"),
        (b"\xff" * 22, "line 1 of"),
        (b"0x" + b"aB" * 20, "line 1 of"),
        (b"", "no job is named"),
        (b"\n \n# nothing\n", "no job is named"),
        (b"\xef\xbb\xbf", "no job is named"),
    ],
    ids=[
        "no job", "the fifth line", "CRLF", "long", "very long", "a very long comment", "two jobs",
        "a comma", "a comment behind it", "UTF-16", "NUL", "binary", "no UTF-8", "wrong checksum",
        "empty", "blank", "byte order mark",
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_not_repeated(
    content: bytes, told: str, file: Path, home: Home
) -> None:
    run_here(home, "create", "render farm", "--join-key", "farm", "--no-join-secret")
    file.write_bytes(content)
    for arguments, where in [(("--jobs-file", str(file)), str(file)), (("-",), "stdin")]:
        ended = run_here(home, "add-job", *FARM, *arguments, stdin=content)
        assert (ended.status, ended.stdout) == (2, "")
        message = ended.stderr.splitlines()[-1]
        assert told in message
        if told.endswith(" of"):
            assert message.startswith(f"Error: {told} {where}")
            assert message.endswith("nothing was sent")
        for repeated in ("s3cret", job(1), job(2), "\0", "\ufffd"):
            assert repeated not in ended.stderr
        assert len(message) < 300
    assert run_here(home, "list-jobs", "farm", "--json").stdout == "[]\n"


def test_a_bad_argument_is_told_by_its_number_and_not_repeated(home: Home) -> None:
    """It may be a secret: `cg add-job farm JOB tiger`."""
    ended = run_here(home, "add-job", *FARM, JOB, "tiger")
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: job 2: ")
    assert "tiger" not in ended.stderr


@pytest.mark.parametrize("path", ["", ".", "/nowhere/jobs.txt", "/proc/self/mem", "\x1b[31m\udcff"])
def test_a_file_that_cannot_be_read_is_told(path: str, home: Home) -> None:
    """Not there, a folder, one that fails in the midst."""
    people = run_here(home, "remove-job", "farm", "--jobs-file", path)
    assert (people.status, people.stdout) == (2, "")
    assert " cannot be read: " in people.stderr
    assert people.stderr.replace("\n", "").isprintable()
    programs = run_here(home, "remove-job", "farm", "--jobs-file", path, "--json")
    error = json.loads(programs.stderr)["error"]
    assert (programs.status, error["name"], error["exitCode"]) == (2, "InvalidArgument", 2)


def test_stdin_has_one_reader(home: Home) -> None:
    """Jobs, and a secret, or jobs again, cannot both come from it."""
    for arguments in [
        ("add-job", "farm", "-", "--join-secret-stdin"),
        ("add-job", *FARM, "-", "--jobs-file", "-"),
        ("add-job", *FARM, "-", JOB, "-"),
        ("add-job", *FARM, "--jobs-file", "-", "--passphrase-stdin", JOB, "-"),
    ]:
        ended = run_here(home, *arguments, stdin=listed(1).encode())
        assert (ended.status, ended.stdout) == (2, "")
        assert "stdin is one: it cannot be for " in ended.stderr


def test_stdin_is_left_alone_unless_it_is_asked_for(home: Home) -> None:
    run_here(home, "create", "render farm", "--join-key", "farm", "--no-join-secret")
    for command, told in [
        (("add-job", *FARM), "no job follows: cg add-job GROUP JOB... (or --jobs-file FILE, or -"),
        (("add-job", "--id", "2"), "no job is named; give job ids, --jobs-file FILE, or - for"),
    ]:
        ended = run_here(home, *command, stdin=listed(1).encode())
        assert ended.status == 2
        assert told in ended.stderr
    assert run_here(home, "add-job", *FARM, job(2), stdin=listed(1).encode()).status == 0
    assert run_here(home, "list-jobs", "farm").stdout == listed(2)


def test_jobs_can_be_typed(home: Home) -> None:
    """Ctrl-D ends them, and the question is asked then."""
    run_here(home, "create", "render farm", "--join-key", "farm", "--no-join-secret")
    run_here(home, "add-job", *FARM, *jobs(1, 2, 3))
    with terminal("cancel-job", "farm", "-", environment=home.environment()) as ours:
        ours.type(f"{job(2)}\n# {job(3)}\n{job(1)}\n{CTRL_D}")
        ours.until("Cancel 2 jobs for good, in every group? [y/N]: ")
        ours.type("y\n")
        ended = ours.end()
    assert ended.status == 0
    assert ended.stdout.splitlines()[-1] == 'Cancelled 2 jobs of the group "farm".'
    assert run_here(home, "list-jobs", "farm").stdout == listed(3)


def test_a_long_file_is_read_line_by_line(file: Path) -> None:
    """Its order is kept, and nothing of it is lost where one reading ends."""
    numbers = range(20_000)
    file.write_text("".join(f"{job(number)}\n#\n" for number in numbers))
    assert job_ids((), str(file)) == jobs(*numbers)
