"""`cg identity new` and `show`: keystores for DCP's own programs, and no key on the screen."""

from __future__ import annotations

import json
import re
import stat

import pytest

from cg_backends.keystores import load_identity
from cg_core import Address
from tests.cli.in_process import run_here
from tests.cli.processes import Home

ASKED = ("Passphrase: ", "s3cret\n"), ("Repeat for confirmation: ", "s3cret\n")


def test_an_identity_is_made_and_shown_with_pipes(home: Home) -> None:
    path = home.dcp / "id.keystore"
    made = home.cg("identity", "new", "--no-passphrase")
    assert made.status == 0
    assert made.stderr == f"Its key: {path}\n"
    address = Address(made.stdout.removesuffix("\n"))
    assert load_identity(path).address == address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.dcp.stat().st_mode) == 0o700
    assert home.cg("identity", "show") == made


def test_an_identity_is_made_and_shown_at_a_terminal(home: Home) -> None:
    """Its passphrase is asked for twice and not shown; to show its address needs none."""
    made = home.cg_at_terminal("identity", "new", "robot", answers=ASKED)
    assert made.status == 0
    assert "s3cret" not in made.stdout
    *_, address, told = made.stdout.splitlines()
    path = home.dcp / "robot.keystore"
    assert told == f"Its key: {path}"
    assert load_identity(path, "s3cret").address == address
    shown = home.cg_at_terminal("identity", "show", "robot")
    assert (shown.status, shown.stdout.splitlines()) == (0, [address, told])


def test_a_slip_of_the_passphrase_makes_nothing(home: Home) -> None:
    answers = [ASKED[0], ("Repeat for confirmation: ", "other\n"), ("Passphrase: ", "\x04")]
    ended = home.cg_at_terminal("identity", "new", answers=answers)
    assert ended.status == 2
    assert "do not match" in ended.stdout
    assert not (home.dcp / "id.keystore").exists()


def test_programs_get_json(home: Home) -> None:
    made = run_here(home, "identity", "new", "robot", "--no-passphrase", "--json")
    assert (made.status, made.stderr) == (0, "")
    answer = json.loads(made.stdout)
    assert answer == {
        "address": load_identity(home.dcp / "robot.keystore").address,
        "keystore": str(home.dcp / "robot.keystore"),
    }
    assert run_here(home, "identity", "show", "robot", "--json") == made


def test_a_path_names_a_keystore_anywhere(home: Home) -> None:
    path = home.folder / "some" / "key.json"
    path.parent.mkdir()
    made = run_here(home, "identity", "new", str(path), "--no-passphrase")
    assert made.status == 0
    assert run_here(home, "identity", "show", str(path)).stdout == made.stdout
    assert run_here(home, "create", "a name", "--identity", str(path)).stdout == "2\n"
    owner = json.loads(
        run_here(home, "show", "--id", "2", "--identity", str(path), "--json").stdout
    )["owner"]
    assert made.stdout == f"{owner}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("new", "robot", "--no-passphrase"), "exists, and may hold a key"),
        (("new", "robot", "--passphrase-env", "FARM"), "for another one: cg identity new NAME"),
        (("new", "other"), "stdin is no terminal"),
        (("new", "other", "--no-passphrase", "--passphrase-env", "FARM"), "not several"),
        (("new", "", "--no-passphrase"), "name is empty"),
        (("new", "ab" * 32, "--no-passphrase"), "key"),
        (("new", "other", "tiger"), "takes one argument, and 2 were given"),
        (("show", "nobody"), "cg identity new nobody"),
        (("show", ""), "name is empty"),
        (("show", "ab" * 32), "key"),
        (("show", "robot", "tiger"), "takes one argument, and 2 were given"),
        (("show", "/nowhere/\x1b[31m"), "there is no keystore"),
        (("show", "/"), ""),
    ],
    ids=lambda value: (
        " ".join(value)[:40].replace("\x1b", "ESC") if isinstance(value, tuple) else ""
    ),
)
def test_what_cannot_be_is_told_and_harms_no_keystore(
    arguments: tuple[str, ...], told: str, home: Home
) -> None:
    run_here(home, "identity", "new", "robot", "--no-passphrase")
    before = (home.dcp / "robot.keystore").read_bytes()
    people = run_here(home, "identity", *arguments, FARM="s3cret")
    assert (people.status, people.stdout) == (2, "")
    assert told in people.stderr
    assert people.stderr.replace("\n", "").isprintable()
    programs = run_here(home, "identity", *arguments, "--json", FARM="s3cret")
    assert (programs.status, programs.stdout) == (2, "")
    (line,) = programs.stderr.splitlines()
    assert json.loads(line)["error"]["exitCode"] == 2
    for text in (people.stderr, programs.stderr):
        assert not re.search("s3cret|tiger|(ab){32}", text)
    assert [file.name for file in home.dcp.iterdir()] == ["robot.keystore"]
    assert (home.dcp / "robot.keystore").read_bytes() == before


def test_without_a_command_identity_shows_its_help(home: Home) -> None:
    ended = run_here(home, "identity")
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == run_here(home, "identity", "--help").stdout


def test_a_keystore_that_others_may_read_is_warned_of(home: Home) -> None:
    """Programs are told it, too; their error is the last line."""
    run_here(home, "identity", "new", "--no-passphrase")
    path = home.dcp / "id.keystore"
    path.chmod(0o644)
    warning = f"Warning: others than its owner may read the keystore {path}; run: chmod 600 {path}"
    assert run_here(home, "identity", "show").stderr.splitlines() == [warning, f"Its key: {path}"]
    ended = home.cg("show", "nowhere", "--json")
    told, error = ended.stderr.splitlines()
    assert (told, json.loads(error)["error"]["exitCode"]) == (warning, 3)
    path.chmod(0o600)
    assert run_here(home, "identity", "show").stderr == f"Its key: {path}\n"


def test_a_name_that_is_too_long_for_a_file_is_told(home: Home) -> None:
    home.dcp.mkdir()
    ended = run_here(home, "identity", "new", "a" * 300, "--no-passphrase")
    assert (ended.status, ended.stdout) == (2, "")
    assert "cannot be written" in ended.stderr
