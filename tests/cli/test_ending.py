"""How `cg` ends: exit codes, errors for people and for programs, output that nobody takes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest

from cg_backends.conformance import ALICE
from cg_backends.keystores import save_identity
from cg_backends.memory import World
from cg_backends.sql import Store
from cg_core import AddJob, Caller, CreateGroup, Descriptor, Request
from cg_core.framing import HTTPResponse
from tests.cli.processes import ENVIRONMENT, SECONDS, Home, python
from tests.cli.shell import Shell
from tests.peers.in_process import InProcess, in_process
from tests.peers.live_service import Worlds, live_service
from tests.peers.rules import rules

JOBS = [f"{number:022}" for number in range(10_000)]


def require_error(shell: Shell, arguments: Sequence[str], status: int, name: str, told: str) -> str:
    """A command ends with an error, told to people, which is returned, and to programs."""
    for_people = shell.run(*arguments)
    assert (for_people.status, for_people.stdout) == (status, "")
    assert re.search(told, for_people.stderr)
    assert for_people.stderr.startswith("Error: " if status != 2 else ("Error: ", "Usage: "))
    assert "Traceback" not in for_people.stderr
    for_programs = shell.run(*arguments, "--json")
    assert (for_programs.status, for_programs.stdout) == (status, "")
    error = json.loads(for_programs.stderr.splitlines()[-1])["error"]
    assert (error["name"], error["exitCode"]) == (name, status)
    assert re.search(told, error["message"])
    return for_people.stderr


@pytest.fixture
def shell(home: Home) -> Shell:
    """A shell in a home with an identity."""
    save_identity(ALICE, home.dcp / "id.keystore")
    return Shell(home)


# On this machine


@pytest.mark.parametrize(
    ("command", "status", "name", "told"),
    [
        ("create b --opaque-id 1234", 2, "InvalidValue", "opaque"),
        ("create b --join-key public --no-join-secret", 1, "DuplicateJoinKey", "public"),
        ("show nowhere", 3, "GroupNotFound", "nowhere"),
        ("show --id 77", 3, "GroupNotFound", "77"),
        ("add-job farm 123 --no-join-secret", 2, "InvalidValue", "job 1"),
        ("delete farm", 2, "InvalidArgument", "no terminal to ask"),
        ("delete", 2, "InvalidArgument", "no group is named"),
        ("list-jobs public", 1, "NotOwner", "public"),
        ("list --store sqlite:////dev/null/no.db", 4, "NetworkError", "/dev/null/no.db"),
        ("list --store sqlite:///", 2, "InvalidValue", "names no file"),
        ("list --store http://127.0.0.1/", 2, "InvalidValue", "that of a service"),
        ("list --timeout soon", 2, "InvalidArgument", "--timeout"),
        ("list --sideways", 2, "InvalidArgument", "--sideways"),
    ],
)
def test_an_exit_code_tells_what_went_wrong(
    shell: Shell, command: str, status: int, name: str, told: str
) -> None:
    shell.done("create", "farm", "--join-key", "farm", "--no-join-secret")
    before = shell.done("list")
    require_error(shell, command.split(), status, name, told)
    assert shell.done("list") == before


def test_who_owns_nothing_here_is_told_who_it_is(shell: Shell) -> None:
    shell.done("create", "farm", "--join-key", "farm", "--no-join-secret")
    shell.done("identity", "new", "other", "--no-passphrase")
    ended = shell.run("delete", "farm", "--yes", "--identity", "other")
    assert (ended.status, ended.stdout) == (1, "")
    assert "(NotOwner)\nHint: `cg identity show` tells who you are" in ended.stderr
    assert shell.run("list-jobs", "form").stderr.endswith("and `cg list` shows yours\n")


# The network


@pytest.fixture(scope="module")
def peer() -> Iterator[InProcess]:
    """A service that answers otherwise than it should, if a test says so."""
    with in_process(rules(World())) as running:
        yield running


@pytest.mark.parametrize(
    ("instead", "status", "name", "told"),
    [
        (HTTPResponse(500), 4, "NetworkError", "HTTP status 500"),
        (HTTPResponse(404), 6, "ProtocolError", "HTTP status 404"),
        (HTTPResponse(200, (), b"<html>"), 6, "ProtocolError", "no DCP service"),
    ],
    ids=["500", "404", "HTML"],
)
def test_what_is_no_service_is_told(
    shell: Shell, peer: InProcess, instead: HTTPResponse, status: int, name: str, told: str
) -> None:
    peer.instead = instead
    seconds = "1" if status == 4 else "60"  # what may pass is tried again until then
    command = ["list", "--service", peer.url, "--timeout", seconds]
    require_error(shell, command, status, name, told)


def test_tls_to_where_there_is_none_is_told(shell: Shell) -> None:
    with live_service() as service:
        url = service.url.replace("http:", "https:")
        require_error(shell, ["list", "--service", url], 4, "NetworkError", "is it http://")


def test_where_nobody_listens_or_answers_is_told(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        for way in ("--service", "--scheduler"):
            command = ["list", way, url, "--timeout", "0.1"]
            require_error(shell, command, 4, "NetworkError", f"no session with {url}")
    command = ["list", "--service", url, "--timeout", "1"]
    told = require_error(shell, command, 4, "NetworkError", f"nobody listens at {url}")
    assert told.endswith("\nHint: is `cg serve` running there?\n")
    command[1] = "--scheduler"
    assert "Hint" not in shell.run(*command).stderr


def test_a_variable_that_leads_where_nobody_is_is_told(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    job = [["add-job", "--id", "2", *JOBS[:count]] for count in (1, 2)]
    for command in (["list"], *job):
        for name in ("CG_SERVICE", "DCP_SCHEDULER_LOCATION"):
            ended = shell.with_variables(**{name: url}).run(*command, "--timeout", "1")
            assert ended.status == 4
            assert f"{name}: no connection to {url}" in ended.stderr
            if len(command) <= 4:
                assert ("is `cg serve` running" in ended.stderr) == (name == "CG_SERVICE")
    store = shell.with_variables(CG_STORE="sqlite:////dev/null/no.db")
    require_error(store, ["list"], 4, "NetworkError", "^(Error: )?CG_STORE: the SQLite file ")


class Held(Worlds):
    """A store that does nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
        assert self.let_go.wait(SECONDS)
        return super().execute_all(asked)


def test_where_no_answer_comes_in_time_the_outcome_is_unknown(shell: Shell) -> None:
    store = Held()
    with live_service(store) as service:
        command = ["create", "farm", "--service", service.url, "--timeout", "1"]
        told = require_error(shell, command, 5, "OutcomeUnknown", "acted on once or not at all")
        assert told.endswith("\nHint: `cg list` and `cg list-jobs` show what was done\n")
        store.let_go.set()


def test_a_refusal_of_a_service_ends_as_one_of_this_machine(shell: Shell) -> None:
    """With the same words, too."""
    with live_service() as service:
        known = shell.with_variables(HASH="eh1-" + "0" * 64, WRONG="eh1-" + "1" * 64)
        places = [known, known.with_variables(CG_SERVICE=service.url)]
        for each in places:
            each.done("create", "farm", "--join-key", "farm", "--join-hash-env", "HASH")
        for command, status in (
            ("create other --join-key farm --no-join-secret", 1),
            ("show nowhere", 3),
            ("remove-job farm 1234567890123456789012", 3),
            ("add-job farm 1234567890123456789012 --join-hash-env WRONG", 1),
        ):
            here, there = (each.run(*command.split(), "--json") for each in places)
            assert here == there
            assert here.status == status


# Output that nobody takes


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in a home with a group of ten thousand jobs, more than a pipe holds."""
    home = Home(tmp_path_factory.mktemp("home"))
    save_identity(ALICE, home.dcp / "id.keystore")
    caller = Caller(ALICE.address)
    with Store(f"sqlite:///{home.dcp}/compute-groups.db") as store:
        store.execute(CreateGroup("farm", join_key="farm"), caller)
        shown = Descriptor("farm")
        store.execute_all([(AddJob(shown, job), caller) for job in JOBS])
    return Shell(home)


def piped(shell: Shell, line: str) -> subprocess.CompletedProcess[str]:
    """Have `sh` run a line, in which `cg` is ours; it ends with the exit code of `cg`."""
    program = f"{sys.executable} -m cg_backends.cli"
    script = f'cg() {{ {program} "$@"; }}\n{line}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, check=False, text=True, timeout=SECONDS,
        env=ENVIRONMENT | shell.home.environment(),
    )  # fmt: skip


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_who_reads_may_stop(farm: Shell, unbuffered: str) -> None:
    """Python by itself would not hear of it where it buffers nothing."""
    line = f"PYTHONUNBUFFERED={unbuffered} cg list-jobs farm | head -1; exit ${{PIPESTATUS[0]}}"
    ended = piped(farm, line)
    assert (ended.returncode, ended.stdout, ended.stderr) == (141, f"{JOBS[0]}\n", "")


FULL = "stdout cannot be written: No space left on device"


def test_a_disk_that_is_full_is_told(farm: Shell) -> None:
    ended = piped(farm, "cg list-jobs farm > /dev/full")
    assert (ended.returncode, ended.stdout) == (74, "")
    assert ended.stderr == f"Error: {FULL}\n"


def test_what_was_done_is_told_where_its_answer_cannot_be_written(home: Home) -> None:
    """The id of a group above all."""
    save_identity(ALICE, home.dcp / "id.keystore")
    shell, shown = Shell(home), "; `cg list` or `cg list-jobs` shows it"
    job = JOBS[0]
    for command, told in (
        ("create lost --join-key lost --no-join-secret", "group 2 was created"),
        ("change lost --name found --json", "it was done"),
        (f"add-job lost {job} --no-join-secret --json", 'added 1 job to the group "lost"'),
        ("remove-all-jobs lost --yes", "it was done"),
    ):
        ended = piped(shell, f"cg {command} > /dev/full")
        assert (ended.returncode, ended.stdout) == (74, "")
        last = ended.stderr.splitlines()[-1]
        if "--json" in command:
            last = f"Error: {json.loads(last)['error']['message']}"
        assert last == f"Error: {told}, but {FULL}{shown}"
    assert shell.done("show", "--id", "2", "--json").count("found") == 1
    assert shell.done("list-jobs", "lost") == ""


def test_closed_streams_are_as_nothing_and_what_is_written_is_not_lost(farm: Shell) -> None:
    """As under some daemons; nothing is asked or told there, and all else is as it is."""
    ended = piped(
        farm,
        """
        cg list >&-; echo $?
        cg change farm --name farm >&-; echo $?
        cg show nowhere 2>&-; echo $?
        cg delete farm --json <&-; echo $?
        cg list <&- >&- 2>&-; echo $?
        """,
    )
    assert ended.stdout.split() == ["74", "0", "3", "2", "74"]
    closed, changed, no_terminal = ended.stderr.splitlines()
    assert closed == "Error: stdout cannot be written: Bad file descriptor"
    assert changed.startswith("Changed ")
    assert json.loads(no_terminal)["error"]["exitCode"] == 2


def test_what_stdout_cannot_encode_is_written_as_an_escape(farm: Shell) -> None:
    ended = piped(
        farm,
        """
        cg create "farm → rent" --join-key rent --no-join-secret > /dev/null
        PYTHONUTF8=0 PYTHONIOENCODING=latin-1 cg show rent | grep ^name
        """,
    )
    assert (ended.returncode, ended.stdout) == (0, "name\tfarm \\u2192 rent\n")


# What was not foreseen

FAILING = """
import sys
from cg_backends.sql import Store

def fail(self, requests):
    raise RuntimeError("a bug")

Store.execute_all = fail
from cg_backends.cli import main
main()
"""


@pytest.mark.parametrize(
    "fault", [RuntimeError("a bug"), KeyError("k"), OSError(2, "No such file", "a name")], ids=repr
)
def test_a_bug_is_no_refusal(farm: Shell, fault: Exception) -> None:
    with patch.object(Store, "execute_all", side_effect=fault):
        people, programs = (farm.run("list", *options) for options in ([], ["--json"]))
    assert (people.status, people.stdout) == (programs.status, programs.stdout) == (70, "")
    assert people.stderr.startswith("Traceback")
    assert type(fault).__name__ in people.stderr.splitlines()[-1]
    *_, last = programs.stderr.splitlines()
    told = f"this is a bug: {type(fault).__name__}"
    assert json.loads(last)["error"] == {
        "name": "Defect",
        "code": "ESOFTWARE",
        "message": told,
        "exitCode": 70,
    }


def test_a_bug_is_shown_as_one(farm: Shell) -> None:
    """It is no error that could be mended by who runs `cg`."""
    ended = python("-c", FAILING, "list", environment=farm.home.environment())
    assert (ended.status, ended.stdout) == (70, "")
    assert ended.stderr.startswith("Traceback")
    assert ended.stderr.endswith("RuntimeError: a bug\n")
