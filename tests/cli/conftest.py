"""Fixtures for tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg_backends.conformance import ALICE
from cg_backends.keystores import save_identity
from tests.cli.processes import Home
from tests.cli.shell import Shell


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which nothing is yet."""
    return Home(tmp_path)


@pytest.fixture
def shell(home: Home) -> Shell:
    """A shell in a home with a group."""
    save_identity(ALICE, home.dcp / "id.keystore")
    shell = Shell(home)
    shell.done("create", "farm", "--join-key", "farm", "--no-join-secret")
    return shell
