"""The first command makes an identity and a store, says so, and what it did lasts."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cg_backends.keystores import load_identity
from tests.cli.in_process import run_here
from tests.cli.processes import ENVIRONMENT, SECONDS, Home

ADDRESS = "0x[0-9a-fA-F]{40}"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def require_private(folder: Path) -> None:
    """Only its owner may look into the folder, and into each file in it."""
    assert mode(folder) == 0o700
    assert {file.name: mode(file) for file in folder.iterdir()} == {
        "id.keystore": 0o600,
        "compute-groups.db": 0o600,
    }


def test_the_first_command_makes_all_that_it_needs_and_the_second_finds_it(home: Home) -> None:
    first = home.cg("create", "render farm")
    assert (first.status, first.stdout) == (0, "2\n")
    keystore = home.dcp / "id.keystore"
    made = re.fullmatch(
        f"Made an identity for you, ({ADDRESS}) \\(its key: {re.escape(str(keystore))}\\).\n"
        "Created.\n",
        first.stderr,
    )
    assert made is not None
    require_private(home.dcp)
    key = json.loads(keystore.read_bytes())["crypto"]["ciphertext"]
    assert key not in first.stdout + first.stderr

    second = home.cg("show", "--id", "2", "--json")
    assert (second.status, second.stderr) == (0, "")
    shown = json.loads(second.stdout)
    assert (shown["name"], shown["owner"]) == ("render farm", made[1])
    assert load_identity(keystore).address == made[1]
    assert run_here(home, "identity", "show").stdout == f"{made[1]}\n"
    require_private(home.dcp)


def test_at_a_terminal_it_is_told_as_well(home: Home) -> None:
    first = home.cg_at_terminal("list", stdout=subprocess.PIPE)
    assert (first.status, first.stdout) == (0, "")
    made, nothing = first.stderr.splitlines()
    assert made.startswith("Made an identity for you, 0x")
    assert nothing.endswith("/compute-groups.db. To make one: cg create NAME")
    require_private(home.dcp)


def test_two_first_commands_at_once_have_one_identity(home: Home) -> None:
    command = [sys.executable, "-m", "cg_backends.cli", "create", "--json"]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(
            [*command, f"group {number}"],
            env=ENVIRONMENT | home.environment(),
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        )
        for number in range(2)
    ]
    written = [process.communicate(timeout=SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(json.loads(stdout)["id"] for stdout, _ in written) == [2, 3]
    told = b"".join(stderr for _, stderr in written)
    assert told.count(b"Made an identity") == told.count(b"\n") == 1
    groups = json.loads(run_here(home, "list", "--json").stdout)
    assert [group["id"] for group in groups] == [2, 3]
    require_private(home.dcp)


def test_what_is_there_is_not_made_anew(home: Home) -> None:
    """A keystore alone, or a store alone, as an archive may bring them."""
    address = run_here(home, "identity", "new", "--no-passphrase").stdout.strip()
    assert [file.name for file in home.dcp.iterdir()] == ["id.keystore"]
    created = run_here(home, "create", "a name")
    assert (created.status, created.stderr) == (0, "Created.\n")
    assert json.loads(run_here(home, "show", "--id", "2", "--json").stdout)["owner"] == address

    (home.dcp / "id.keystore").unlink()
    another = run_here(home, "show", "--id", "2")
    assert another.status == 1
    assert another.stderr.startswith("Made an identity for you, 0x")
    assert "NotOwner" in another.stderr


@pytest.mark.parametrize("variable", ["DCP_RESOURCE_DIR", "XDG_DATA_HOME"])
def test_all_is_where_dcps_own_programs_look(variable: str, home: Home) -> None:
    named = home.folder / "some" / "where"
    folder = named / "dcp" if variable == "XDG_DATA_HOME" else named
    said: dict[str, Any] = {variable: str(named)}
    ended = run_here(home, "create", "a name", **said)
    assert ended.status == 0
    assert str(folder / "id.keystore") in ended.stderr
    require_private(folder)
    assert not home.dcp.exists()


def test_help_and_bad_arguments_make_nothing(home: Home) -> None:
    for arguments in [("create", "--help"), ("create",), ("show",), ("list", "--nope"), ("nope",)]:
        run_here(home, *arguments)
    assert list(home.folder.iterdir()) == []


def test_another_identity_must_be_there(home: Home) -> None:
    ended = run_here(home, "list", "--identity", "robot")
    assert (ended.status, ended.stdout) == (2, "")
    assert "there is no keystore" in ended.stderr
    assert "cg identity new robot" in ended.stderr
    assert not (home.dcp / "id.keystore").exists()
