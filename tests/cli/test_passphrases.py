"""Keystores with a passphrase: who is asked for it, and who is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cg_backends.conformance import ALICE, BOB
from cg_backends.keystores import load_identity, save_identity
from cg_core import InvalidValue
from tests.cli.processes import CTRL_C, Ended, Home
from tests.cli.shell import Shell
from tests.peers.live_service import cg_serve, live_service

PASSPHRASE, WRONG = "open sesame", "open barley"


@pytest.fixture
def shell(home: Home) -> Shell:
    """A shell in a home whose own keystore has a passphrase, and so has another one."""
    for identity, name in ((ALICE, "id"), (BOB, "bob")):
        save_identity(identity, home.dcp / f"{name}.keystore", PASSPHRASE, scrypt_n=2)
    (home.folder / "passphrase").write_text(f"{PASSPHRASE}\n")
    return Shell(home, {"PASSPHRASE": PASSPHRASE, "WRONG": WRONG})


@pytest.fixture
def remote(shell: Shell) -> Iterator[Shell]:
    """The same, which calls a service."""
    with live_service() as service:
        yield shell.with_variables(CG_SERVICE=service.url)


def require_refused(ended: Ended, *told: str) -> None:
    """It ended as one that was called wrongly, and said why; no passphrase is shown."""
    assert (ended.status, ended.stdout) == (2, "")
    for part in told:
        assert part in ended.stderr
    assert "sesame" not in ended.stderr
    assert "barley" not in ended.stderr


def test_on_this_machine_it_is_not_needed(shell: Shell) -> None:
    """Who calls is told by the address in the keystore; nothing is signed."""
    shell.done("create", "farm")
    shell.done("create", "bobs", "--identity", "bob")
    assert shell.done("list").split("\t")[1] == "farm"
    assert shell.done("identity", "show") == f"{ALICE.address}\n"


def test_for_a_service_it_comes_from_where_an_option_says(remote: Shell) -> None:
    path = str(remote.home.folder / "passphrase")
    ways = {"env": ["PASSPHRASE"], "file": [path], "stdin": []}
    for way, argument in ways.items():
        created = remote.run(
            "create", way, f"--passphrase-{way}", *argument, stdin=f"{PASSPHRASE}\n".encode()
        )
        assert (created.status, created.stderr) == (0, "Created.\n")
    own = ["--passphrase-env", "PASSPHRASE"]
    assert [line.split("\t")[1] for line in remote.done("list", *own).splitlines()] == list(ways)
    assert remote.done("list", "--identity", "bob", *own) == ""


def test_a_wrong_one_is_told_and_not_shown(remote: Shell) -> None:
    told = "the passphrase does not open the keystore"
    require_refused(remote.run("list", "--passphrase-env", "WRONG"), told)
    require_refused(remote.run("list", "--passphrase-stdin", stdin=WRONG.encode()), told)
    for no_text in (b"open\nsesame", b"sesame\xff"):
        require_refused(remote.run("list", "--passphrase-stdin", stdin=no_text), "stdin")
    require_refused(remote.run("list", "--passphrase-env", "NOWHERE"), "no variable")
    with remote.terminal("list") as ours:
        ours.until("Passphrase: ")
        ours.type(f"{WRONG}\n")
        ended = ours.end()
    assert (ended.status, told in ended.stderr) == (2, True)
    assert WRONG not in ended.stdout


def test_without_a_terminal_the_options_are_told(remote: Shell) -> None:
    ended = remote.run("list")
    require_refused(ended, "stdin is no terminal", "the passphrase", "--passphrase-env NAME")


def test_at_a_terminal_it_is_asked_once(remote: Shell) -> None:
    with remote.terminal("create", "farm") as ours:
        ours.until("Passphrase: ")
        ours.type(f"{PASSPHRASE}\n")
        ended = ours.end()
    assert (ended.status, ended.stdout) == (0, "Passphrase: \n2\nCreated.\n")


def test_two_keystores_may_have_the_same(remote: Shell) -> None:
    own = ["--passphrase-env", "PASSPHRASE"]
    remote.done("create", "farm", "--join-address", BOB.address, *own)
    add = ["add-job", "--id", "2", "1234567890123456789012", "--join-identity", "bob"]
    require_refused(
        remote.run(*add, "--passphrase-stdin", stdin=PASSPHRASE.encode()), "stdin is one"
    )
    remote.done(*add, *own)


def test_a_keystore_without_one_asks_for_none(remote: Shell) -> None:
    remote.done("identity", "new", "robot", "--no-passphrase")
    remote.done("create", "farm", "--identity", "robot")


# A service's own


def test_a_service_is_given_it(shell: Shell) -> None:
    options = ["--identity", "bob", "--passphrase-env", "PASSPHRASE"]
    with cg_serve(shell.home.dcp, *options, **shell.variables) as service:
        assert service.address == BOB.address
        assert PASSPHRASE not in service.greeting + service.log
    listen = ["serve", "--listen", "127.0.0.1:0", "--identity", "bob"]
    require_refused(shell.process(*listen, "--passphrase-env", "WRONG"), "does not open")
    require_refused(shell.process(*listen), "--passphrase-env NAME")
    with shell.terminal(*listen) as ours:
        ours.until("Passphrase: ")
        ours.type(f"{PASSPHRASE}\n")
        ours.until(f"as {BOB.address}")
        ours.until("dcp-client")
        ours.type(CTRL_C)
        ended = ours.end()
    assert ended.status == 0
    assert PASSPHRASE not in ended.stdout


def test_a_service_makes_its_key_with_it(shell: Shell) -> None:
    with cg_serve(shell.home.dcp, "--passphrase-env", "PASSPHRASE", **shell.variables) as service:
        address = service.address
    path = shell.home.dcp / "compute-groups-service.keystore"
    with pytest.raises(InvalidValue, match="needs a passphrase"):
        load_identity(path)
    assert load_identity(path, PASSPHRASE).address == address
