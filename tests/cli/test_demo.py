"""`cg demo`: the whole API, on terminals of all sizes and none."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from cg_core import Client
from tests.cli.processes import cg, cg_at_terminal

IDS = ("P+Y4IApeFQLrYS2W7MkVg7", "Q+Y4IApeFQLrYS2W7MkVg8", "R+Y4IApeFQLrYS2W7MkVg9")
CALLS = [name for name in vars(Client) if name[0] != "_" and name not in ("call", "close")]
ESCAPE = re.compile("\x1b\\[[0-9;]*m")


def demo_at(columns: int) -> str:
    """The demo on a terminal, without its colours."""
    ended = cg_at_terminal("demo", columns=columns)
    assert ended.status == 0
    return ESCAPE.sub("", ended.stdout)


def require_the_whole_api(shown: str) -> None:
    assert len(CALLS) == 12
    for call in CALLS:
        assert f"{call}(" in shown
    assert "public: added" in shown
    assert "NotOwner (EPERM)" in shown
    assert re.search(r"BadCredentials.*?\(EACCES\)", shown, re.DOTALL)


def require_no_secret(shown: str) -> None:
    for secret in ("s3cret", "guess", "eh1-", "hidden"):
        assert secret not in shown


def test_demo_shows_each_call_and_real_refusals_and_no_secret() -> None:
    ended = cg("demo")
    assert (ended.status, ended.stderr) == (0, "")
    require_the_whole_api(ended.stdout)
    require_no_secret(ended.stdout)


def test_demo_lists_the_jobs_in_the_order_in_which_they_joined() -> None:
    shown = cg("demo", environment={"COLUMNS": "200"}).stdout
    answer = shown[shown.rindex("list_jobs(2)") :]
    assert re.findall("|".join(map(re.escape, IDS)), answer)[:3] == list(IDS)


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_demo_breaks_no_id(columns: int) -> None:
    shown = demo_at(columns)
    require_no_secret(shown)
    for id in IDS:
        assert shown.count(id) >= 2
        # Wherever one begins or ends, it is there as a whole.
        assert shown.count(id[:6]) == shown.count(id[-6:]) == shown.count(id)


@pytest.mark.parametrize("columns", [20, 40, 80, 100, 200])
def test_demo_fits_the_terminal_and_nothing_is_cut_off(columns: int) -> None:
    shown = demo_at(columns)
    require_no_secret(shown)
    lines = shown.splitlines()
    assert max(map(cell_len, lines)) <= columns
    borders = [line for line in lines if line.startswith(tuple("┏┃┡│├└"))]
    assert len(borders) > len(CALLS)
    assert {line[-1] for line in borders} <= set("┓┃┩│┤┘")


def test_demo_has_colours_on_a_terminal_and_nowhere_else() -> None:
    assert "\x1b[3" in cg_at_terminal("demo").stdout
    assert "\x1b" not in cg("demo").stdout


def test_demo_heeds_no_color() -> None:
    shown = cg_at_terminal("demo", environment={"NO_COLOR": "1"}).stdout
    assert re.search("\x1b\\[[0-9;]*3[0-7]m", shown) is None
    require_the_whole_api(cg("demo", environment={"NO_COLOR": "1"}).stdout)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_demo_is_told_in_whatever_encoding_stdout_has(encoding: str) -> None:
    environment = {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    ended = cg("demo", environment=environment, encoding=encoding)
    assert (ended.status, ended.stderr) == (0, "")
    assert "NotOwner (EPERM)" in ended.stdout
