"""`cg` itself: help, version, what is missing."""

from __future__ import annotations

import re
from importlib.metadata import entry_points, version

import pytest

from tests.cli.in_process import run_here
from tests.cli.processes import Home, cg, python


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)], ids=" ".join)
def test_help_names_the_commands(arguments: tuple[str, ...]) -> None:
    ended = cg(*arguments)
    assert (ended.status, ended.stderr) == (0, "")
    assert re.findall("^  ([a-z-]+)  ", ended.stdout.partition("Commands:")[2], re.MULTILINE) == [
        "create", "list", "show", "change", "delete", "add-job", "list-jobs", "remove-job",
        "remove-all-jobs", "cancel-job", "cancel-all-jobs", "identity", "serve", "hash", "demo",
        "completion",
    ]  # fmt: skip


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_hash_names_every_way_to_give_the_secret(option: str) -> None:
    ended = cg("hash", option)
    assert (ended.status, ended.stderr) == (0, "")
    for part in ("JOIN_KEY", "--join-secret-stdin", "--join-secret-env NAME", "cg hash scott"):
        assert part in ended.stdout


def test_version_is_the_packages() -> None:
    ended = cg("--version")
    assert (ended.status, ended.stdout) == (0, f"cg, version {version('compute-groups')}\n")


def test_without_a_command_cg_shows_its_help_as_an_error() -> None:
    ended = cg()
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == cg("--help").stdout


def test_an_unknown_command_is_told() -> None:
    ended = cg("nope")
    assert (ended.status, ended.stdout) == (2, "")
    assert "nope" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--json list", "--json belongs behind the command: cg list --json ..."),
        ("--service URL show farm", "--service belongs behind the command: cg show --service ..."),
        ("--store=URL hash farm", "--store belongs behind the command: cg COMMAND --store ..."),
        ("--no-public-group serve", "cg serve --no-public-group ..."),
        ("-y delete farm", "-y belongs behind the command: cg delete -y ..."),
        ("--no-passphrase identity new", "cg identity --no-passphrase ..."),
        ("identity --no-passphrase new", "cg identity new --no-passphrase ..."),
        ("--sideways list", "No such option"),
    ],
)
def test_an_option_before_its_command_is_told_where_it_belongs(
    home: Home, arguments: str, told: str
) -> None:
    ended = run_here(home, *arguments.split())
    assert (ended.status, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "URL" not in ended.stderr
    assert list(home.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("list --timeout soon", "--timeout must be a number of seconds above 0"),
        ("list --timeout 0", "--timeout must be a number of seconds above 0"),
        ("list --timeout nan", "--timeout must be a number of seconds above 0"),
        ("serve --linger=-1", "--linger must be a number of seconds above 0"),
        ("serve --calls-per-second 0", "--calls-per-second must be a number above 0"),
        ("serve --public-jobs=-1", "--public-jobs must be a whole number from 0"),
        ("serve --stamps 0", "--stamps must be a whole number from 1"),
        ("serve --stamps 1.5", "--stamps must be a whole number from 1"),
    ],
)
def test_what_a_number_must_be_is_told(home: Home, arguments: str, told: str) -> None:
    ended = run_here(home, *arguments.split())
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.endswith(f"Error: {told}\n")


def test_help_loads_neither_the_core_nor_rich() -> None:
    """They are for the commands that use them; `cg --help` is there at once."""
    program = (
        "import sys\nfrom cg_backends.cli.application import cg\n"
        "cg(['--help'], standalone_mode=False)\n"
        "print(*sorted({'cg_core', 'rich', 'click'} & set(sys.modules)), file=sys.stderr)"
    )
    assert python("-c", program).stderr == "click\n"


def test_the_package_installs_cg_as_a_command() -> None:
    (script,) = entry_points(group="console_scripts", name="cg")
    assert script.value == "cg_backends.cli:main"


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from cg_backends.cli import main
main()
"""


def test_without_click_cg_says_what_to_install() -> None:
    ended = python("-c", WITHOUT.format(module="click"))
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == "cg needs its libraries: pip install 'compute-groups[cli]'\n"


def test_what_else_is_missing_is_not_taken_for_click() -> None:
    ended = python("-c", WITHOUT.format(module="cg_backends.cli.application"))
    assert ended.status == 1
    assert "No module named 'cg_backends.cli.application'" in ended.stderr
    assert "pip install" not in ended.stderr
