"""Where groups and keys are on this machine: folders, and what may be wrong with them."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from cg_backends.cli.place import PlaceOptions
from cg_backends.cli.secret_input import SecretInput
from cg_backends.conformance import ALICE, BOB
from cg_backends.keystores import keystore_address, save_identity
from tests.cli.processes import Home, python
from tests.cli.shell import Shell
from tests.peers.live_service import live_service


def refused(shell: Shell, *arguments: str) -> tuple[int, str]:
    """The exit code, and what was told; people and programs are told the same."""
    ended = shell.run(*arguments)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    error = json.loads(shell.run(*arguments, "--json").stderr.splitlines()[-1])["error"]
    assert error["exitCode"] == ended.status
    assert error["message"] in ended.stderr
    return ended.status, str(error["message"])


# Folders


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, ".dcp"),
        ({"XDG_DATA_HOME": "{home}/data"}, "data/dcp"),
        ({"XDG_DATA_HOME": "{home}/data", "DCP_RESOURCE_DIR": "{home}/own"}, "own"),
        ({"XDG_DATA_HOME": "", "DCP_RESOURCE_DIR": ""}, ".dcp"),
        ({"DCP_RESOURCE_DIR": "{home}/one/in another"}, "one/in another"),
    ],
    ids=["home", "XDG", "DCP", "empty", "two folders"],
)
def test_all_is_where_dcps_own_programs_have_it(
    home: Home, variables: dict[str, str], folder: str
) -> None:
    filled = {name: value.format(home=home.folder) for name, value in variables.items()}
    shell = Shell(home, filled)
    shell.done("create", "farm")
    assert "farm" in shell.done("list")
    there = home.folder / folder
    assert sorted(file.name for file in there.iterdir()) == ["compute-groups.db", "id.keystore"]
    assert keystore_address(there / "id.keystore") == shell.done("identity", "show").strip()


def unwritable(home: Home) -> Path:
    """A folder in which nothing can be made, by root neither."""
    (home.folder / "a file").touch()
    return home.folder / "a file"


def test_a_home_that_cannot_be_written_is_told(home: Home) -> None:
    shell = Shell(home, {"DCP_RESOURCE_DIR": str(unwritable(home) / "dcp")})
    for command in (["list"], ["create", "farm"]):
        status, told = refused(shell, *command)
        assert status == 4
        assert "Not a directory" in told
        assert "say where the groups are with --store, or name another folder" in told
    elsewhere = ["--store", f"sqlite:///{home.folder}/elsewhere.db"]
    status, told = refused(shell, "list", *elsewhere)
    assert status == 2
    assert "id.keystore cannot be written: Not a directory" in told
    save_identity(ALICE, home.folder / "key.keystore")
    own = ["--identity", f"{home.folder}/key.keystore"]
    assert shell.done("create", "farm", *elsewhere, *own) == "2\n"


def test_a_folder_that_is_read_only_is_told(home: Home) -> None:
    """Of /proc; what is made there is no file of ours, whoever asks."""
    shell = Shell(home, {"DCP_RESOURCE_DIR": "/proc/self"})
    status, told = refused(shell, "list")
    assert status == 2
    assert "the keystore /proc/self/id.keystore cannot be written" in told
    save_identity(ALICE, home.dcp / "id.keystore")
    status, told = refused(Shell(home), "list", "--store", "sqlite:////proc/self/groups.db")
    assert status == 4
    assert "/proc/self/groups.db cannot be reached" in told


# As a container's user of whom the system knows nothing.
HOMELESS = """
import os, pwd

def unknown(uid):
    raise KeyError(uid)

pwd.getpwuid = unknown
del os.environ["HOME"]
from cg_backends.cli import main
main()
"""


@pytest.mark.parametrize(
    ("options", "status"), [([], 4), (["--service", "http://127.0.0.1:9/"], 2)], ids=["", "service"]
)
def test_a_user_without_a_home_is_told(home: Home, options: list[str], status: int) -> None:
    environment = home.environment()
    ended = python("-c", HOMELESS, "list", *options, "--json", environment=environment)
    error = json.loads(ended.stderr)["error"]
    assert (ended.status, ended.stdout, error["exitCode"]) == (status, "", status)
    assert "home" in error["message"]
    save_identity(ALICE, home.folder / "key.keystore")
    ended = python(
        "-c", HOMELESS, "create", "farm", "--identity", f"{home.folder}/key.keystore",
        "--store", f"sqlite:///{home.folder}/groups.db", environment=environment,
    )  # fmt: skip
    assert (ended.status, ended.stdout, ended.stderr) == (0, "2\n", "Created.\n")


# Databases


def test_a_database_that_others_keep_locked_is_told(shell: Shell) -> None:
    """What only reads is not in their way."""
    path = shell.home.dcp / "compute-groups.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, told = refused(shell, "create", "barn", "--timeout", "0.05")
        assert status == 1
        assert f"{path} was in use by others for 0.05 seconds" in told
        assert "farm" in shell.done("list", "--timeout", "0.05")
    shell.done("create", "barn", "--timeout", "0.05")


def test_a_database_that_is_none_is_told(shell: Shell) -> None:
    path = shell.home.folder / "groups.db"
    path.write_text("these are no groups, whatever the name says\n" * 100)
    status, told = refused(shell, "list", "--store", f"sqlite:///{path}")
    assert status == 4
    assert "is damaged, or something else than a database" in told
    assert path.read_text().startswith("these are no groups")


def test_a_database_is_made_only_in_a_folder_that_is_there(shell: Shell) -> None:
    folder = shell.home.folder / "nowhere"
    status, told = refused(shell, "list", "--store", f"sqlite:///{folder}/groups.db")
    assert status == 4
    assert "No such file or directory" in told
    assert not folder.exists()


def test_each_database_has_groups_of_its_own(shell: Shell) -> None:
    barn = Shell(shell.home, {"CG_STORE": f"sqlite:///{shell.home.folder}/barn.db"})
    assert barn.done("list") == ""
    assert barn.done("create", "barn") == "2\n"
    assert "barn" not in shell.done("list")


@pytest.mark.parametrize("url", ["groups.db", "http://127.0.0.1/", "sqlite:///", "oracle://x/y"])
def test_what_is_no_database_is_told_by_its_name(shell: Shell, url: str) -> None:
    secret = url.replace("//", "//keeper:tiger@") if "oracle" in url else url
    for options, variables, name in (
        (["--store", secret], {}, "--store"),
        ([], {"CG_STORE": secret}, "CG_STORE"),
    ):
        status, told = refused(shell.with_variables(**variables), "list", *options)
        assert status == 2
        assert told.startswith(f"{name}: the url ")
        assert "cg_backends" not in told
        assert "tiger" not in told


# Nothing there


def test_who_has_no_groups_is_told_who_and_where(home: Home) -> None:
    save_identity(ALICE, home.dcp / "id.keystore")
    begin, end = f"You ({ALICE.address}) have no groups ", ". To make one: cg create NAME\n"
    here = f"in sqlite:///{home.dcp}/compute-groups.db"
    assert Shell(home).run("list").stderr == f"{begin}{here}{end}"
    with live_service() as service:
        for name, where in (
            ("CG_SERVICE", f"at {service.url}"),
            ("CG_STORE", f"in sqlite:///{home.folder}/other.db"),
        ):
            url = where.partition(" ")[2]
            assert Shell(home, {name: url}).run("list").stderr == f"{begin}{where}{end}"


def test_the_password_of_a_database_does_not_show(home: Home) -> None:
    pytest.importorskip("psycopg")
    options = PlaceOptions(
        service=None, scheduler=None, store="postgresql://keeper:tiger@farm.example/groups?password=tiger",
        identity=None, passphrase=SecretInput("--passphrase", False, None, None),
        join_identity=None, timeout=None, transport=None, service_address=None, insecure=False,
    )  # fmt: skip
    with patch.dict(os.environ, home.environment(), clear=True):
        place = options.place(as_json=False)
    assert place.where == "in postgresql://keeper:***@farm.example/groups"
    assert "tiger" not in repr(place)


# Keystores


def test_a_keystore_is_named_by_its_name_or_its_path(shell: Shell) -> None:
    save_identity(BOB, shell.home.dcp / "bob.keystore")
    for name in ("bob", f"{shell.home.dcp}/bob.keystore"):
        assert shell.done("identity", "show", name) == f"{BOB.address}\n"
        shell.done("create", "barn", "--identity", name)
        assert shell.done("list", "--identity", name).splitlines()[-1].split("\t")[1] == "barn"
    assert "barn" not in shell.done("list")


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        ("nobody", "there is no keystore"),
        ("n" * 300, "File name too long"),
        ("", "name is empty"),
        ("{home}/a file/key.keystore", "there is no keystore"),
        ("{home}/a file", "no keystore, or a damaged one"),
        ("ab" * 32, "looks like a private key; a keystore holds one, and no argument"),
        ("{home}/a pipe.keystore", "it is a pipe or a device"),
    ],
    ids=["absent", "too long", "empty", "no folder", "no keystore", "a key", "a pipe"],
)
def test_a_keystore_that_is_none_is_told(shell: Shell, identity: str, told: str) -> None:
    unwritable(shell.home)
    os.mkfifo(shell.home.folder / "a pipe.keystore")
    named = identity.format(home=shell.home.folder)
    add = ["add-job", "--id", "2", "1" * 22]
    for command in (["list", "--identity", named], [*add, "--join-identity", named]):
        status, message = refused(shell, *command)
        assert status == 2
        assert told in message
        assert "ab" * 32 not in message
