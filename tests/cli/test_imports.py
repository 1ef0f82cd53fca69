"""What a command loads: no more than it needs, so that it is there at once."""

from __future__ import annotations

import pytest

from cg_backends.conformance import ALICE
from cg_backends.keystores import save_identity
from tests.cli.processes import Home, python
from tests.peers.live_service import live_service

PROBE = """
import sys
from cg_backends.cli.application import cg
from cg_backends.cli.ending import run

status = run(cg, sys.argv[1:])
print(status, *sys.modules, file=sys.stderr)
"""
CORE, KEYS, STORE, SERVICE = "cg_core", "eth_keyfile", "sqlalchemy", "httpx"
HEAVY = {CORE, KEYS, STORE, SERVICE, "rich", "uvicorn"}


def loaded(home: Home, *command: str) -> set[str]:
    """What a command that works has loaded in the end."""
    ended = python("-c", PROBE, *command, environment=home.environment(FARM="tiger"))
    status, *modules = ended.stderr.splitlines()[-1].split()
    assert status == "0", ended
    return set(modules)


@pytest.mark.parametrize(
    "command",
    [["--version"], ["--help"], ["create", "--help"], ["serve", "--help"], ["completion", "bash"]],
    ids=" ".join,
)
def test_help_and_version_load_nothing(home: Home, command: list[str]) -> None:
    assert loaded(home, *command) & (HEAVY | {"asyncio"}) == set()


def test_a_hash_loads_the_core(home: Home) -> None:
    modules = loaded(home, "hash", "farm", "--join-secret-env", "FARM")
    assert modules & (HEAVY | {"asyncio"}) == {CORE}


def test_a_local_command_opens_no_key_and_no_connection(home: Home) -> None:
    save_identity(ALICE, home.dcp / "id.keystore")
    create = ["create", "farm", "--join-key", "farm", "--join-secret-env", "FARM"]
    for command in (create, ["list-jobs", "farm"]):
        modules = loaded(home, *command)
        assert modules & (HEAVY | {"cg_backends.asyncio", "cg_core.remote"}) == {CORE, STORE}


def test_a_service_is_called_without_a_database(home: Home) -> None:
    save_identity(ALICE, home.dcp / "id.keystore")
    with live_service() as service:
        modules = loaded(home, "list", "--service", service.url)
    modules.discard("rich")  # httpx loads it, for a command line of its own
    assert modules & (HEAVY | {"cg_backends.sql"}) == {CORE, KEYS, SERVICE}
