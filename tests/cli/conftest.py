"""Fixtures for tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.processes import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which nothing is yet."""
    return Home(tmp_path)
