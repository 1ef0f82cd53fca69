"""`cg hash`: the official client's hashes; secrets from everywhere but the command line."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from tests.cli.processes import CTRL_C, CTRL_D, ENVIRONMENT, SECONDS, Ended, cg, cg_at_terminal
from tests.golden import golden

SECRET = "tiger"
SCOTT_TIGER = "eh1-672937c2b944982e071185b888770f8b8ea67c11f56d545e403e0d513c609b87"
"""The public vector: join key `scott`, join secret `tiger` (C-14)."""
ASKED = ("Join secret: ", f"{SECRET}\n")


def test_hash_asks_for_the_secret_and_does_not_echo_it() -> None:
    ended = cg_at_terminal("hash", "scott", answers=[ASKED])
    assert ended.status == 0
    assert ended.stdout.split() == ["Join", "secret:", SCOTT_TIGER]
    assert SECRET not in ended.stdout


def test_hash_asks_at_the_terminal_so_that_stdout_is_the_hash_alone() -> None:
    ended = cg_at_terminal("hash", "scott", answers=[ASKED], stdout=subprocess.PIPE)
    assert (ended.status, ended.stdout) == (0, f"{SCOTT_TIGER}\n")
    assert SCOTT_TIGER not in ended.stderr
    assert SECRET not in ended.stderr


def test_hash_asks_again_when_nothing_is_typed() -> None:
    ended = cg_at_terminal("hash", "scott", answers=[("Join secret: ", "\n"), ASKED])
    assert ended.status == 0
    assert ended.stdout.count("Join secret: ") == 2
    assert ended.stdout.endswith(f"{SCOTT_TIGER}\n")


@pytest.mark.parametrize(
    ("key", "status"), [(CTRL_C, -signal.SIGINT), (CTRL_D, 2)], ids=["Ctrl-C", "Ctrl-D"]
)
def test_hash_is_given_up_with_a_key_and_without_a_traceback(key: str, status: int) -> None:
    ended = cg_at_terminal("hash", "scott", answers=[("Join secret: ", key)])
    assert ended.status == status
    assert "nothing was given, and nothing was done" in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["no newline", "LF", "CRLF"])
def test_hash_reads_the_secret_from_stdin(end: str) -> None:
    ended = cg("hash", "scott", "--join-secret-stdin", stdin=f"{SECRET}{end}".encode())
    assert (ended.status, ended.stdout, ended.stderr) == (0, f"{SCOTT_TIGER}\n", "")


def test_hash_reads_the_secret_from_the_environment() -> None:
    ended = cg("hash", "scott", "--join-secret-env", "FARM", environment={"FARM": SECRET})
    assert (ended.status, ended.stdout, ended.stderr) == (0, f"{SCOTT_TIGER}\n", "")


# Spaces at both ends, no ASCII, a space in the key, addresses as the official client salts them.
VECTORS = [
    (vector["details"].get("joinKey") or vector["details"]["joinAddress"],
     vector["details"]["joinSecret"], vector["result"])
    for vector in golden("hashing")["join_hash"]
    if vector["id"] in {"j1", "j13", "j16", "j18", "j20", "j21", "j22"}
]  # fmt: skip


@pytest.mark.parametrize(("join_key", "secret", "expected"), VECTORS)
def test_hash_is_the_official_clients(join_key: str, secret: str, expected: str) -> None:
    by_stdin = cg("hash", join_key, "--join-secret-stdin", stdin=secret.encode())
    by_environment = cg("hash", join_key, "--join-secret-env", "FARM", environment={"FARM": secret})
    assert by_stdin == by_environment == Ended(0, f"{expected}\n", "")


def require_refused(ended: Ended, *told: str) -> None:
    """`cg` ended with the status of a usage error, its reason, and no secret."""
    assert (ended.status, ended.stdout) == (2, "")
    for part in told:
        assert part in ended.stderr
    assert SECRET not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (b"", "0 characters"),
        (b"\n", "0 characters"),
        (b"\r\n", "0 characters"),
        (b"tiger\xff", "not UTF-8"),
        (b"tiger\xed\xa0\x80", "not UTF-8"),
        ("tiger".encode("utf-16"), "not UTF-8"),
        (b"tiger\0", "NUL"),
        (b"tiger\nlion\n", "several lines"),
        (b"tiger\n\n", "several lines"),
        (b"tiger" * 100, "500 characters"),
    ],
    ids=[
        "nothing", "LF", "CRLF", "no UTF-8", "half a surrogate pair", "UTF-16", "NUL",
        "two lines", "an empty line", "too long",
    ],
)  # fmt: skip
def test_hash_refuses_a_stdin_that_is_no_secret(stdin: bytes, told: str) -> None:
    require_refused(cg("hash", "scott", "--join-secret-stdin", stdin=stdin), told)


@pytest.mark.parametrize(
    ("environment", "told"),
    [({}, "no variable"), ({"FARM": ""}, "0 characters"), ({"FARM": "tiger\udcff"}, "secret")],
    ids=["unset", "empty", "no UTF-8"],
)
def test_hash_refuses_a_variable_that_holds_no_secret(
    environment: dict[str, str], told: str
) -> None:
    ended = cg("hash", "scott", "--join-secret-env", "FARM", environment=environment)
    require_refused(ended, told)


def test_hash_refuses_two_ways_at_once() -> None:
    ended = cg(
        "hash", "scott", "--join-secret-stdin", "--join-secret-env", "FARM",
        stdin=SECRET.encode(), environment={"FARM": SECRET},
    )  # fmt: skip
    require_refused(ended, "not several")


def test_hash_without_a_terminal_says_how_to_give_the_secret() -> None:
    require_refused(cg("hash", "scott"), "--join-secret-stdin", "--join-secret-env")
    require_refused(cg("hash", "scott", stdin=SECRET.encode()), "--join-secret-stdin")


def test_hash_without_a_terminal_does_not_wait_for_one() -> None:
    """Nothing is ever written to its stdin, and it stays open."""
    command = [sys.executable, "-m", "cg_backends.cli", "hash", "scott"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=ENVIRONMENT, stdin=pipe, stderr=pipe) as process:
        try:
            assert process.wait(SECONDS) == 2
        finally:
            process.kill()


@pytest.mark.parametrize(
    "arguments",
    [("tiger",), ("--join-secret", "tiger"), ("--join-secret=tiger",), ("-s", "tiger")],
    ids=" ".join,
)
def test_hash_takes_no_secret_as_an_argument_and_does_not_repeat_it(
    arguments: tuple[str, ...],
) -> None:
    ended = cg("hash", "scott", "--join-secret-stdin", *arguments, stdin=b"lion")
    require_refused(ended, "argument" if arguments == (SECRET,) else "o such option")


@pytest.mark.parametrize("join_key", ["", "k" * 256], ids=["empty", "long"])
def test_hash_refuses_what_is_no_join_key(join_key: str) -> None:
    ended = cg("hash", join_key, "--join-secret-stdin", stdin=SECRET.encode())
    require_refused(ended, f"{len(join_key)} characters")


def test_hash_needs_a_join_key() -> None:
    require_refused(cg("hash"), "JOIN_KEY")


def test_a_join_key_may_begin_with_a_dash() -> None:
    ended = cg("hash", "--join-secret-stdin", "--", "-scott", stdin=SECRET.encode())
    assert ended.status == 0
    assert re.fullmatch("eh1-[0-9a-f]{64}\n", ended.stdout)
