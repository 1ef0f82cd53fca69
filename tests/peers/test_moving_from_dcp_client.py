"""docs/moving_from_dcp_client.md: its JavaScript does in dcp-client what its Python does here."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from cg_backends.keystores import save_identity
from cg_backends.local import State
from cg_backends.memory import World
from cg_core import Client, Identity
from tests.peers.live_service import Worlds, live_service
from tests.peers.node_process import HERE, PATIENCE, missing

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "moving_from_dcp_client.md"
URL: Final = "http://127.0.0.1:9800/"
IDENTITY: Final = Identity(b"\1" * 32)

LAST_WORDS: Final = "console.log(JSON.stringify(Object.keys(computeGroups))); process.exit(0);"
CITED: Final = re.compile(r'\]\(\.\./([\w/]+\.py) "(\w+)"\)')


def blocks(language: str) -> str:
    """What the page has in a language, each line at its place, so that errors name the page's."""
    lines: list[str] = []
    is_wanted = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        is_fence = line.startswith("```")
        lines.append(line if is_wanted and not is_fence else "")
        if is_fence:
            is_wanted = line == f"```{language}"
    return "\n".join(lines)


def run_in_node(program: str, folder: Path) -> str:
    """Run a program beside dcp-client, with the keystores of a folder; gives its last line."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    node = subprocess.run(
        ["node", "-"],
        input=f"(async () => {{{program}\n{LAST_WORDS}}})()",
        cwd=HERE, timeout=PATIENCE, capture_output=True, text=True, check=False,
        env={
            "PATH": os.environ["PATH"], "HOME": str(folder), "DCP_ETCDIR": str(folder),
            "DCP_RESOURCE_DIR": str(folder),
        },
    )  # fmt: skip
    assert node.returncode == 0, node.stderr
    assert node.stdout, "it ended before its last line: something was awaited in vain"
    return node.stdout.splitlines()[-1]


def alike(state: State) -> dict[str, Any]:
    """What a place holds, but for when and under which random ids it was made."""
    groups = [attrs.asdict(group) for group in state.groups]
    for group in groups:
        del group["created_at"], group["opaque_id"]
    return {"groups": groups, "jobs": state.jobs, "memberships": state.memberships}


def test_dcp_client_does_what_the_page_says_and_python_does_the_same(tmp_path: Path) -> None:
    save_identity(IDENTITY, tmp_path / "id.keystore")
    script = blocks("js")
    assert script.count(URL) == 1
    world = World()
    with live_service(Worlds(world)) as service:
        functions = json.loads(run_in_node(script.replace(URL, service.url), tmp_path))

    program = tmp_path / "page.py"
    program.write_text(blocks("python"), encoding="utf-8")
    groups = runpy.run_path(str(program))["groups"]
    assert alike(groups.world.state()) == alike(world.state())
    assert [group.owner for group in world.state().groups] == [IDENTITY.address] * 2
    assert world.state().memberships

    rows = re.findall(r"^\| `(\w+)\(", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(functions) <= set(rows)


def test_each_method_has_its_place_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    methods = [name for name in vars(Client) if name[0] != "_" and name not in ("call", "close")]
    assert len(methods) == 12
    assert [name for name in methods if f"`{name}(" not in page] == []


def test_each_test_that_the_page_names_is_there() -> None:
    named = CITED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 20
    for path, name in named:
        code = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", code, re.MULTILINE), f"{path}::{name}"
