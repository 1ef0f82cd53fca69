"""Ctrl-C, and worse: nothing is half done, and what is said to be done is done.

A shell hears of Ctrl-C by how `cg` ended: by SIGINT, as if it had never heard of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest

from cg_backends.conformance import ALICE
from cg_backends.keystores import save_identity
from cg_core import Caller, ListGroups, ListJobs, Request
from tests.cli.processes import CTRL_C, SECONDS, Ended, Terminal, at_terminal, python
from tests.cli.shell import Shell, press_ctrl_c_at
from tests.peers.live_service import Worlds, live_service

JOBS = [f"{number:022}" for number in range(2_000)]
SECRET = "tiger"
STOPPING = "Stopping: what is under way is waited for; Ctrl-C again leaves it"
# What is told at the end: what was done, how many of all, and what became of the others.
SUMMARY = re.compile(
    r'Interrupted: added (\d+) of 2000 jobs to the group "farm"; '
    r"(?:(\d+) unknown, )?(\d+) not tried"
)


def add_jobs(shell: Shell) -> list[str]:
    """What adds two thousand jobs."""
    path = shell.home.folder / "jobs.txt"
    path.write_text("\n".join(JOBS))
    return ["add-job", "farm", "--jobs-file", str(path), "--no-join-secret"]


def require_interrupted(ended: Ended) -> str:
    """It died of SIGINT, and showed no traceback; what it told at last."""
    assert ended.status == -signal.SIGINT, ended
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1].rpartition("\x1b[2K")[2]  # where a bar was


# At a question


QUESTIONS = {
    "create barn --join-key barn": "Join secret: ",
    "change farm --join-key farm": "Join secret: ",
    "add-job farm 1234567890123456789012": "Join secret: ",
    "delete farm": "for good? [y/N]: ",
    "remove-all-jobs farm": 'out of the group "farm"? [y/N]: ',
    "cancel-job farm 1234567890123456789012": "in every group? [y/N]: ",
    "cancel-all-jobs farm": "in every group? [y/N]: ",
    "identity new other": "Passphrase: ",
    "list --identity locked --service http://127.0.0.1:9/": "Passphrase: ",
    "serve --identity locked --listen 127.0.0.1:0": "Passphrase: ",
}


@pytest.mark.parametrize("command", QUESTIONS, ids=lambda command: command.split(" --")[0])
def test_at_a_question_nothing_is_done(shell: Shell, command: str) -> None:
    save_identity(ALICE, shell.home.dcp / "locked.keystore", "sesame", scrypt_n=2)
    before = sorted(shell.home.dcp.glob("*.keystore")), shell.done("list", "--json")
    with shell.terminal(*command.split()) as ours:
        press_ctrl_c_at(QUESTIONS[command], ours)
        told = require_interrupted(ours.end())
    assert told == "Interrupted: nothing was given, and nothing was done"
    assert before == (sorted(shell.home.dcp.glob("*.keystore")), shell.done("list", "--json"))


def test_at_the_second_question_nothing_is_done(shell: Shell) -> None:
    """And what was typed at the first one is not shown."""
    with shell.terminal("create", "barn", "--join-key", "barn") as ours:
        ours.until("Join secret: ")
        ours.type(f"{SECRET}\n")
        press_ctrl_c_at("Repeat for confirmation: ", ours)
        ended = ours.end()
    require_interrupted(ended)
    assert SECRET not in ended.stdout
    assert "barn" not in shell.done("list")


# Before there is anything to do

AT_AN_IMPORT = """
import os, signal, sys
from importlib.abc import MetaPathFinder

signal.signal(signal.SIGINT, signal.default_int_handler)
_, module, *sys.argv[1:] = sys.argv

class CtrlC(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
from cg_backends.cli import main
main()
"""


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("cg_backends.cli.application", ""),
        ("cg_backends.cli.store_calls", "Interrupted: nothing was done\n"),
        ("sqlalchemy", "Interrupted: nothing was done\n"),
    ],
)
def test_while_it_starts_nothing_is_done(shell: Shell, module: str, told: str) -> None:
    command = [AT_AN_IMPORT, module, "create", "barn"]
    ended = python("-c", *command, environment=shell.home.environment())
    assert ended == Ended(-signal.SIGINT, "", told)
    assert "barn" not in shell.done("list")


def test_while_it_connects_nothing_is_sent(shell: Shell) -> None:
    """The first Ctrl-C is enough: there is nothing to wait for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SECONDS)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        for command in (["create", "barn"], add_jobs(shell)):
            with shell.terminal(*command, "--service", url) as ours:
                connection, _ = silent.accept()
                with connection:
                    ours.type(CTRL_C)
                    told = require_interrupted(ours.end())
            assert told == (
                "Interrupted: nothing was done"
                if command[0] == "create"
                else 'Interrupted: added 0 of 2000 jobs to the group "farm"; 2000 not tried'
            )


# In the middle: on this machine

# `cg`, in which Ctrl-C comes, or worse, when so many transactions were begun.
IN_A_TRANSACTION = """
import os, signal, sys, threading
from sqlalchemy import Connection
from cg_backends.cli.calls import Work
from cg_backends.sql import Store

_, what, left, *sys.argv[1:] = sys.argv
left = int(left)
heard = threading.Event()
interrupt, execute_all, commit = Work.interrupt, Store.execute_all, Connection.commit

def interrupted(self):
    interrupt(self)
    heard.set()

def executed(self, requests):
    global left
    left -= 1
    if left == 0 and what in ("Ctrl-C", "unheard"):
        # To this thread: the main one, which waits, is not woken, as where it comes just before.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        what == "unheard" or heard.wait()
    if left == 0 and what == "wait":
        print("It waits.", file=sys.stderr)
    return execute_all(self, requests)

def committed(self):
    if left == 0 and what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    commit(self)

Work.interrupt, Store.execute_all, Connection.commit = interrupted, executed, committed
hear = signal.SIG_IGN if what == "unheard" else signal.default_int_handler
signal.signal(signal.SIGINT, hear)
from cg_backends.cli import main
main()
"""


@contextmanager
def in_a_transaction(shell: Shell, what: str, left: int, *arguments: str) -> Iterator[Terminal]:
    """Run that at a terminal."""
    command = [sys.executable, "-c", IN_A_TRANSACTION, what, str(left), *arguments]
    with at_terminal(command, environment=shell.home.environment()) as ours:
        yield ours


def require_all_added_by(shell: Shell, add: Sequence[str]) -> None:
    """The same command again adds what is missing; nothing is there twice."""
    ended = shell.process(*add)
    assert ended == Ended(0, "", 'Added 2000 jobs to the group "farm".\n')
    assert shell.done("list-jobs", "farm").split() == JOBS


@pytest.mark.parametrize("transactions", [1, 7, 20])
def test_in_the_middle_of_many_jobs_what_is_said_to_be_done_is_done(
    shell: Shell, transactions: int
) -> None:
    add = add_jobs(shell)
    with in_a_transaction(shell, "Ctrl-C", transactions, *add) as ours:
        ended = ours.end()
    done = 100 * transactions
    told = require_interrupted(ended)
    assert STOPPING in ended.stdout
    assert told.endswith(
        'Interrupted: added 2000 jobs to the group "farm"'
        if done == 2_000
        else f'Interrupted: added {done} of 2000 jobs to the group "farm"; {2_000 - done} not tried'
    )
    assert shell.done("list-jobs", "farm").split() == JOBS[:done]
    require_all_added_by(shell, add)


def test_a_program_is_told_of_each_job(shell: Shell) -> None:
    add = add_jobs(shell)
    command = [IN_A_TRANSACTION, "Ctrl-C", "3", *add, "--json"]
    ended = python("-c", *command, environment=shell.home.environment())
    assert ended.status == -signal.SIGINT
    outcomes = [each["outcome"] for each in json.loads(ended.stdout)["jobs"]]
    assert outcomes == ["added"] * 300 + ["not tried"] * 1_700
    error = json.loads(ended.stderr)["error"]
    assert (error["name"], error["code"], error["exitCode"]) == ("Interrupted", "EINTR", 130)
    assert error["message"].startswith("added 300 of 2000 jobs")


def test_in_the_background_it_goes_on(shell: Shell) -> None:
    """A shell that starts it there has it ignore the Ctrl-C that is for others."""
    add = add_jobs(shell)
    command = [IN_A_TRANSACTION, "unheard", "3", *add]
    ended = python("-c", *command, environment=shell.home.environment())
    assert ended == Ended(0, "", 'Added 2000 jobs to the group "farm".\n')


@contextmanager
def locked(shell: Shell) -> Iterator[Callable[[], None]]:
    """The database, which somebody else keeps locked; gives what ends that."""
    path = shell.home.dcp / "compute-groups.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other.close


def test_what_waits_for_the_database_is_waited_for(shell: Shell) -> None:
    """It is done, and told; and a script ends, all the same."""
    with (
        locked(shell) as unlock,
        in_a_transaction(shell, "wait", 1, "create", "barn", "--join-key", "barn",
                         "--no-join-secret") as ours,
    ):  # fmt: skip
        ours.until("It waits.")
        ours.type(CTRL_C)
        ours.until(STOPPING)
        unlock()
        assert require_interrupted(ours.end()) == "Created."
    id = shell.done("list", "--json")
    assert f"\n{json.loads(id)[-1]['id']}\n" in ours.shown


def test_a_second_one_does_not_wait(shell: Shell) -> None:
    """Nobody knows what will become of what is left; here it is nothing."""
    with (
        locked(shell),
        in_a_transaction(shell, "wait", 1, "delete", "farm", "--yes") as ours,
    ):
        ours.until("It waits.")
        ours.type(CTRL_C)
        ours.until(STOPPING)
        ours.type(CTRL_C)
        told = require_interrupted(ours.end())
    assert told.startswith("Interrupted: it was left before its answer came")
    assert told.endswith("look before you repeat it")
    assert "farm" in shell.done("list")


WHILE_IT_TELLS = """
import os, signal, click

signal.signal(signal.SIGINT, signal.default_int_handler)
echo = click.echo

def interrupted(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)
    click.echo = echo
    echo(*arguments, **options)

click.echo = interrupted
from cg_backends.cli import main
main()
"""


def test_when_it_comes_too_late_what_was_done_is_told(shell: Shell) -> None:
    ended = python("-c", WHILE_IT_TELLS, "create", "barn", environment=shell.home.environment())
    assert ended == Ended(-signal.SIGINT, "3\n", "Created.\n")
    assert "barn" in shell.done("list")


def test_a_list_may_be_stopped(shell: Shell) -> None:
    """In the midst of what nobody reads. It is one Ctrl-C, since nothing was done."""
    require_all_added_by(shell, add_jobs(shell))
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with shell.terminal("list-jobs", "farm", stdout=writer) as ours:
        os.close(writer)
        assert select.select([reader], [], [], SECONDS)[0]
        press_ctrl_c_at("", ours)
        told = require_interrupted(ours.end())
    os.close(reader)
    assert told == "Interrupted: nothing was done"


def test_who_is_killed_leaves_nothing_half_done(shell: Shell) -> None:
    """In the midst of its fifth commit."""
    add = add_jobs(shell)
    with in_a_transaction(shell, "kill", 5, *add) as ours:
        assert ours.end().status == -signal.SIGKILL
    assert shell.done("list-jobs", "farm").split() == JOBS[:400]
    require_all_added_by(shell, add)


# In the middle: by a service


class Gate(Worlds):
    """A store that carries out so many changes, then does nothing until it is let go."""

    def __init__(self, changes: int) -> None:
        super().__init__()
        self._left = changes
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
        self._left -= sum(not isinstance(request, ListJobs | ListGroups) for request, _ in asked)
        if self._left < 0:
            self.reached.set()
            assert self.let_go.wait(SECONDS)
        return super().execute_all(asked)


@contextmanager
def at_the_gate(shell: Shell, gate: Gate, *arguments: str) -> Iterator[Terminal]:
    """Run `cg` until the service's store does nothing more."""
    with shell.terminal(*arguments) as ours:
        try:
            assert gate.reached.wait(SECONDS)
            yield ours
        finally:
            gate.let_go.set()


@pytest.mark.parametrize("patience", ["patient", "impatient", "killed"])
def test_by_a_service_what_is_said_to_be_done_is_done(shell: Shell, patience: str) -> None:
    gate = Gate(500)
    with live_service(gate) as service:
        remote = shell.with_variables(CG_SERVICE=service.url)
        remote.done("create", "farm", "--join-key", "farm", "--no-join-secret")
        add = add_jobs(shell)
        with at_the_gate(remote, gate, *add) as ours:
            if patience == "killed":
                ours.process.kill()
            else:
                ours.type(CTRL_C)
                ours.until(STOPPING)
            if patience == "impatient":
                ours.type(CTRL_C)
            else:
                gate.let_go.set()
            ended = ours.end()
        listed = remote.done("list-jobs", "farm").split()
        assert listed == JOBS[: len(listed)]
        assert 400 < len(listed) < 600
        if patience != "killed":
            summary = SUMMARY.search(require_interrupted(ended))
            assert summary is not None, ended.stdout
            added, unknown, not_tried = (int(number or 0) for number in summary.groups())
            assert added > 400
            assert added <= len(listed) <= added + unknown
            assert added + unknown + not_tried == 2_000
            assert (unknown > 0) is (patience == "impatient")
        require_all_added_by(remote, add)


@pytest.mark.parametrize("is_patient", [True, False], ids=["patient", "impatient"])
def test_an_answer_of_a_service_is_waited_for(shell: Shell, is_patient: bool) -> None:
    gate = Gate(0)
    with live_service(gate) as service:
        remote = shell.with_variables(CG_SERVICE=service.url)
        with at_the_gate(remote, gate, "create", "barn") as ours:
            ours.type(CTRL_C)
            ours.until(STOPPING)
            if is_patient:
                gate.let_go.set()
                assert require_interrupted(ours.end()) == "Created."
                assert "\n2\nCreated." in ours.shown
            else:
                ours.type(CTRL_C)
                assert require_interrupted(ours.end()).endswith("look before you repeat it")
        assert "barn" in remote.done("list")
