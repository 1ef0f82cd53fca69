"""Secrets, looked for in all that `cg` writes, and in the list of processes (C-13)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cg_backends.cli.application import cg
from cg_backends.conformance import ALICE, BOB
from cg_backends.keystores import save_identity
from cg_core import JoinSecret
from cg_core.join_hashes import join_hash
from tests.cli.processes import ENVIRONMENT, SECONDS, Ended, Home, python
from tests.cli.shell import Shell
from tests.peers.live_service import cg_serve

SECRET = "Tiger-in-the-tank"
HASH = join_hash("farm", JoinSecret(SECRET)).reveal()
PASSWORD = "sesame-if-you-please"
JOB, OTHER_JOB = "1234567890123456789012", "9234567890123456789012"


def require_hidden(*texts: str, secrets: Sequence[str] = (SECRET, HASH)) -> None:
    """None of the secrets is in any of the texts, and neither is a traceback."""
    for text in texts:
        assert "Traceback" not in text
        for secret in secrets:
            assert secret not in text


def require_hidden_in(ended: Ended, status: int, secrets: Sequence[str] = (SECRET, HASH)) -> None:
    """A command ended with this status, and without a word of a secret."""
    assert ended.status == status, ended
    require_hidden(ended.stdout, ended.stderr, secrets=secrets)


@pytest.fixture
def shell(home: Home) -> Shell:
    """A shell in a home with a group that has the secret, and one of somebody else."""
    save_identity(ALICE, home.dcp / "id.keystore")
    save_identity(BOB, home.dcp / "bob.keystore")
    shell = Shell(home, {"SECRET": SECRET, "HASH": HASH, "LION": "lion"})
    farm = ["--join-secret-env", "SECRET", "--deploy-access", "join"]
    shell.done("create", "farm", "--join-key", "farm", *farm)
    bobs = ["--join-secret-env", "LION", "--identity", "bob", "--deploy-access", "join"]
    shell.done("create", "bobs", "--join-key", "bobs", *bobs)
    return shell


def given(shell: Shell, way: str, text: bytes) -> tuple[list[str], Shell, bytes]:
    """The end of an option that gives a text, the shell where it does, and stdin."""
    if way == "stdin":
        return ["stdin"], shell, text
    if way == "env":
        return ["env", "GIVEN"], shell.with_variables(GIVEN=os.fsdecode(text)), b""
    path = shell.home.folder / "given.txt"
    path.write_bytes(text)
    return ["file", str(path)], shell, b""


COMMANDS = [
    # What works with the secret of `farm`, and what is refused though it is right or since it is.
    (["change", "farm", "--join-key", "farm"], 0),
    (["add-job", "farm", JOB], 0),
    (["create", "farm", "--join-key", "farm"], 1),
    (["change", "bobs", "--join-key", "farm"], 1),
    (["add-job", "bobs", JOB], 1),
    (["add-job", "nowhere", JOB], 3),
]
BAD = [b"", b"%s\xff", b"%s" * 30]
BAD_LINES = [b"%s\n%s", b"%s\0"]  # in the environment the one may be, and the other cannot


@pytest.mark.parametrize("way", ["stdin", "file", "env"])
@pytest.mark.parametrize(
    ("kind", "text"), [("secret", SECRET), ("hash", HASH)], ids=["secret", "hash"]
)
def test_it_is_in_no_output(shell: Shell, way: str, kind: str, text: str) -> None:
    (first, *rest), there, stdin = given(shell, way, text.encode())
    options = [f"--join-{kind}-{first}", *rest]
    for command, status in COMMANDS:
        for as_json in ([], ["--json"]):
            ended = there.run(*command, *options, *as_json, stdin=stdin)
            require_hidden_in(ended, status)
        require_hidden_in(there.run(*command, *options, "--help", stdin=stdin), 0)


@pytest.mark.parametrize("way", ["stdin", "file", "env"])
@pytest.mark.parametrize("kind", ["secret", "hash"])
def test_what_cannot_be_one_is_not_shown(shell: Shell, way: str, kind: str) -> None:
    for bad in BAD if way == "env" else [*BAD, *BAD_LINES]:
        text = bad.replace(b"%s", (SECRET if kind == "secret" else HASH).encode())
        (first, *rest), there, stdin = given(shell, way, text)
        for command, _ in COMMANDS[:3]:
            ended = there.run(*command, f"--join-{kind}-{first}", *rest, stdin=stdin)
            require_hidden_in(ended, 2)


@pytest.mark.parametrize(
    "command",
    [
        f"create barn {SECRET}",
        f"create barn --join-key barn --join-secret {SECRET}",
        f"create barn --join-key barn --join-secret={SECRET}",
        f"create barn --join-key barn --join-hash={HASH}",
        f"create barn --join-key barn --join-secret-env {SECRET}",
        f"create barn --join-key barn --join-secret-file {SECRET}",
        f"create barn --join-key barn --join-hash-file {HASH}",
        f"create barn --join-key barn --join-secret-stdin={SECRET}",
        f"create barn --join-key barn --no-join-secret={SECRET}",
        f"create barn --join-key barn -p {SECRET}",
        f"create barn --join-key barn --passphrase-env {SECRET}",
        f"create barn --join-address {HASH}",
        f"change farm {SECRET}",
        f"change farm --join-key farm --join-secret={SECRET}",
        f"add-job farm {SECRET}",
        f"add-job farm {JOB} {HASH}",
        f"add-job farm {JOB} --join-secret {SECRET}",
        f"list-jobs farm {SECRET}",
        f"remove-job farm {SECRET}",
        f"list {SECRET}",
        f"show farm {SECRET}",
        f"hash farm {SECRET}",
        f"identity new robot {SECRET}",
        f"identity new robot --passphrase {SECRET}",
        f"identity new robot --passphrase-file {SECRET}",
        f"serve --passphrase={SECRET}",
        f"serve {SECRET}",
        f"demo {SECRET}",
    ],
)  # fmt: skip
def test_given_by_mistake_as_an_argument_it_is_refused_and_not_repeated(
    shell: Shell, command: str
) -> None:
    for as_json in ([], ["--json"]):
        require_hidden_in(shell.run(*command.split(), *as_json), 2)
    require_hidden(shell.done("list"))


def test_stdin_is_for_one_thing(shell: Shell) -> None:
    """Else a secret might be taken for a job, and be shown."""
    for options in (
        ["-", "--join-secret-stdin"],
        ["--jobs-file", "-", "--join-hash-stdin"],
        [JOB, "--join-secret-stdin", "--passphrase-stdin", "--identity", "locked",
         "--service", "http://127.0.0.1:9/"],
    ):  # fmt: skip
        save_identity(ALICE, shell.home.folder / "l.keystore", PASSWORD, scrypt_n=2)
        Path(shell.home.folder / "l.keystore").replace(shell.home.dcp / "locked.keystore")
        ended = shell.run("add-job", "farm", *options, stdin=f"{JOB}\n".encode())
        require_hidden_in(ended, 2)
        assert "stdin" in ended.stderr


# Where else it might be


def processes_with(pid: int) -> Iterator[str]:
    """The command lines of a process and of its children, as every user sees them."""
    yield Path(f"/proc/{pid}/cmdline").read_text()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from processes_with(int(child))


def test_typed_it_is_neither_shown_nor_in_the_list_of_processes(shell: Shell) -> None:
    for command, questions in (
        (["create", "barn", "--join-key", "barn"], 2),
        (["change", "farm", "--join-key", "farm"], 2),
        (["add-job", "farm", JOB], 1),
    ):
        with shell.terminal(*command) as ours:
            for question in ("Join secret: ", "Repeat for confirmation: ")[:questions]:
                ours.until(question)
                require_hidden(*processes_with(ours.process.pid))
                ours.type(f"{SECRET}\n")
            require_hidden_in(ours.end(), 0)
    assert shell.done("list-jobs", "farm") == f"{JOB}\n"


def test_it_is_in_no_file(shell: Shell) -> None:
    """The store holds the hash, and its file is its owner's alone."""
    shell.done("add-job", "farm", JOB, "--join-secret-env", "SECRET")
    kept = {path: path.read_bytes() for path in shell.home.folder.rglob("*") if path.is_file()}
    assert {path.name for path in kept} >= {"compute-groups.db", "id.keystore"}
    for path, content in kept.items():
        assert SECRET.encode() not in content
        assert (HASH.encode() in content) is (path.name == "compute-groups.db")


def test_it_is_in_no_log_of_a_service(shell: Shell, tmp_path: Path) -> None:
    (folder := tmp_path / "service").mkdir()
    with cg_serve(folder, "--log-level", "DEBUG") as service:
        remote = shell.with_variables(CG_SERVICE=service.url)
        for name in ("--join-secret-env", "SECRET"), ("--join-hash-env", "HASH"):
            for command, status in (
                (["create", "farm", "--join-key", "farm"], 0),
                (["create", "again", "--join-key", "farm"], 1),
                (["change", "farm", "--join-key", "farm"], 0),
                (["add-job", "farm", JOB], 0),
            ):
                require_hidden_in(remote.run(*command, *name), status)
            wrong = remote.run("add-job", "farm", JOB, "--join-secret-env", "LION")
            assert (wrong.status, "BadCredentials" in wrong.stderr) == (1, True)
            remote.done("delete", "farm", "--yes")
        assert service.stop() == 0
        assert "createGroup" in service.log
        require_hidden(service.log, service.greeting)
        assert "eh1-" not in service.log


# A bug must not show it either

FAILING = """
import sys
from importlib import import_module

module, name, method = sys.argv.pop(1).split()

def fail(*arguments, **options):
    raise RuntimeError("a bug")

setattr(getattr(import_module(module), name), method, fail)
from cg_backends.cli import main
main()
"""


@pytest.mark.parametrize(
    "where", ["cg_backends.sql Store execute_all", "cg_core JoinSecret __init__"]
)
def test_a_traceback_does_not_show_it(shell: Shell, where: str) -> None:
    """In Python's development mode, in which it says more than it does."""
    ended = python(
        "-c", FAILING, where, "create", "barn", "--join-key", "barn", "--join-secret-env", "SECRET",
        environment=shell.home.environment(PYTHONDEVMODE="1", **shell.variables),
    )  # fmt: skip
    assert ended.status == 70
    assert ended.stderr.endswith("RuntimeError: a bug\n")
    for text in (ended.stdout, ended.stderr):
        assert SECRET not in text
        assert HASH not in text


# The database's password


@pytest.mark.parametrize(
    ("store", "status"),
    [
        ("postgresql://keeper:{}@127.0.0.1:9/groups", 4),
        ("mariadb://keeper:{}@127.0.0.1:9/groups", 4),
        ("postgresql://keeper:{}@127.0.0.1:9", 2),
        ("postgresql://keeper:{}@127.0.0.1:port/groups", 2),
        ("postgresql://keeper:{}@@127.0.0.1/groups", 2),
        ("oracle://keeper:{}@127.0.0.1/groups", 2),
        ("postgresql+asyncpg://keeper:{}@127.0.0.1/groups", 2),
        ("keeper:{}@127.0.0.1/groups", 2),
        ("http://keeper:{}@127.0.0.1/", 2),
    ],
)
def test_a_password_in_a_url_is_not_shown(shell: Shell, store: str, status: int) -> None:
    url = store.format(PASSWORD)
    there = shell.with_variables(CG_STORE=url)
    for command in (["list"], ["list", "--json"]):
        require_hidden_in(there.run(*command), status, secrets=[PASSWORD])
    for option in ("--service", "--scheduler"):
        require_hidden_in(shell.run("list", option, url), 2, secrets=[PASSWORD])


@pytest.mark.parametrize("command", [["list"], ["serve", "--listen", "127.0.0.1:0"]], ids=" ".join)
def test_a_password_is_in_no_warning_of_pythons(shell: Shell, command: list[str]) -> None:
    url = f"postgresql://keeper:{PASSWORD}@127.0.0.1:9/groups"
    there = shell.with_variables(CG_STORE=url, PYTHONDEVMODE="1")
    require_hidden_in(there.process(*command), 4, secrets=[PASSWORD])


# Nothing is read unasked

FOR_GOOD = {"delete", "remove-all-jobs", "cancel-job", "cancel-all-jobs"}
UNASKED = {
    "create": "barn --join-key barn",
    "list": "",
    "show": "farm",
    "change": "farm --join-key farm",
    "delete": "farm",
    "add-job": f"farm {JOB}",
    "list-jobs": "farm",
    "remove-job": f"farm {JOB}",
    "remove-all-jobs": "farm",
    "cancel-job": f"farm {JOB}",
    "cancel-all-jobs": "farm",
    "identity": "new robot",
    "hash": "farm",
    "serve": "--identity ./locked.keystore --listen 127.0.0.1:0",
    "demo": "",
    "completion": "bash",
}


def test_no_command_waits_for_a_stdin_that_says_nothing(shell: Shell) -> None:
    """As under cron: it is open, and no terminal. All run at once, so that it takes less long."""
    shell.done("add-job", "farm", JOB, "--join-secret-env", "SECRET")
    save_identity(ALICE, shell.home.folder / "locked.keystore", PASSWORD, scrypt_n=2)
    environment = ENVIRONMENT | shell.home.environment()
    assert set(UNASKED) == set(cg.commands)
    reader, writer = os.pipe()
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "cg_backends.cli", name, *options.split()],
            stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment, cwd=shell.home.folder,
        )
        for name, options in UNASKED.items()
    }  # fmt: skip
    try:
        for name, process in running.items():
            _, told = process.communicate(timeout=SECONDS)
            asks = name in {"create", "change", "add-job", "identity", "hash", "serve", *FOR_GOOD}
            assert (process.returncode, "stdin is no terminal" in told) == (2 if asks else 0, asks)
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
        os.close(reader)
        os.close(writer)
