"""What people see of groups: on terminals of all widths, and in whatever encoding."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from rich.cells import cell_len

from tests.cli.in_process import run_here
from tests.cli.processes import Home, at_terminal
from tests.cli.test_jobs import jobs

STYLE = re.compile("\x1b\\[[0-9;]*m")
COLOUR = re.compile("\x1b\\[[0-9;]*[34][0-7]m")
WIDTHS = [20, 40, 80, 200]
LIST, SHOW = "id name join key jobs by created", "property value"

NAME = "\u65e5\u672c\u8a9e render farm [red]with[/] a long :smile: name " * 4
KEY = "k\x1b[31m\t\n" + "key " * 40
ADDRESS = "0x8e077691A9f7152F7F709479233d06FA5273c15d"
AMOUNT = f"{'9' * 20}.{'9' * 18}"


@pytest.fixture
def home(home: Home) -> Home:
    """A home in which there are two groups, one of which has much in it."""
    run_here(home, "create", "a name")
    run_here(
        home, "create", NAME, "--join-key", KEY, "--no-join-secret", "--join-address", ADDRESS,
        "--max-total-payment", AMOUNT, "--max-concurrent-jobs", str(2**63 - 1),
    )  # fmt: skip
    return home


def letters(text: str) -> Counter[str]:
    """What is shown, wherever lines are broken."""
    return Counter(re.sub(r"\s|\u2500", "", text))


# Many commands in one process at one terminal, whose width changes: a start takes long.
AT_WIDTHS = """
import sys, termios
from cg_backends.cli.application import cg
from cg_backends.cli.ending import run
for columns in sys.argv[1:]:
    termios.tcsetwinsize(1, (50, int(columns)))
    for arguments in (["list"], ["show", "--id", "3"]):
        print(end="\\x1e", flush=True)
        assert run(cg, arguments) == 0
"""


def test_tables_fit_the_terminal_and_nothing_is_cut_off(home: Home) -> None:
    command = [sys.executable, "-c", AT_WIDTHS, *map(str, WIDTHS)]
    with at_terminal(command, environment=home.environment()) as ours:
        ended = ours.end()
    assert ended.status == 0
    shown = STYLE.sub("", ended.stdout).split("\x1e")[1:]
    assert len(shown) == 2 * len(WIDTHS)
    for columns, groups, group in zip(WIDTHS, shown[::2], shown[1::2], strict=True):
        require_all_of(run_here(home, "list").stdout, groups, LIST, columns)
        plain = run_here(home, "show", "--id", "3").stdout
        require_all_of(plain, group, SHOW, columns)
        # Ids, addresses and amounts can be read from the top to the bottom of their column.
        header, *lines = group.splitlines()
        values = "".join(line[header.index("value") :].strip() for line in lines)
        opaque_id = re.search("^opaque id\t(.*)$", plain, re.MULTILINE)
        assert opaque_id is not None
        for value in (opaque_id[1], ADDRESS, AMOUNT, str(2**63 - 1)):
            assert value in values


def require_all_of(plain: str, shown: str, titles: str, columns: int) -> None:
    assert "\x1b" not in shown
    assert max(map(cell_len, shown.splitlines())) <= columns
    assert letters(shown) == letters(titles + plain)


def test_styles_are_for_terminals_only(home: Home) -> None:
    piped = home.cg_at_terminal("list", stdout=subprocess.PIPE)
    assert piped.stdout == run_here(home, "list").stdout
    assert "\x1b" not in piped.stdout + piped.stderr
    plain = home.cg_at_terminal("list", NO_COLOR="1")
    assert COLOUR.search(plain.stdout) is None


def test_progress_is_for_who_looks_and_is_gone_at_the_end(home: Home) -> None:
    """On stderr, so that data may go elsewhere; and only where it is worth looking."""
    command = ("remove-job", "--id", "2", *jobs(*range(40)), "--json")
    piped = run_here(home, *command)
    assert "Removing jobs" not in piped.stderr
    shown = home.cg_at_terminal(*command, stdout=subprocess.PIPE)
    assert shown.stdout == piped.stdout
    assert "Removing jobs" in shown.stderr
    assert "40/40" in shown.stderr
    assert COLOUR.search(shown.stderr) is not None
    # The line is wiped, and what programs read is alone on the last one.
    wiped, _, error = shown.stderr.rpartition("\x1b[2K")
    assert "40/40" in wiped
    assert error == piped.stderr
    plain = home.cg_at_terminal(*command, NO_COLOR="1", stdout=subprocess.PIPE)
    assert "40/40" in plain.stderr
    assert COLOUR.search(plain.stderr) is None
    few = home.cg_at_terminal("remove-job", "--id", "2", *jobs(1, 2, 3))
    assert "Removing jobs" not in few.stdout


def test_another_encoding_is_no_reason_to_fail(home: Home) -> None:
    """Click writes UTF-8 instead of ASCII; at a terminal rich writes, which escapes."""
    other: dict[str, Any] = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    ascii: dict[str, Any] = other | {"PYTHONIOENCODING": "ascii"}
    listed = home.cg("list", **other)
    assert (listed.status, listed.stderr) == (0, "")
    assert "\\u65e5\\u672c\\u8a9e" in listed.stdout
    shown = home.cg_at_terminal("list", columns=200, **ascii)
    assert shown.status == 0
    assert "\\u65e5\\u672c\\u8a9e" in shown.stdout
    command = ("remove-job", "--id", "2", "--jobs-file", "/\u65e5\u672c")
    refused = home.cg(*command, **other)
    assert (refused.status, refused.stdout) == (2, "")
    assert "/\\u65e5\\u672c cannot be read" in refused.stderr
