"""A database that others may read is told of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cg_backends.sql import Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_database_that_others_may_read_is_told_of(
    mode: int, warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(mode)
    with Store(f"sqlite:///{path}") as store:
        store.connect().list_groups()
    assert ("others than its owner may read" in caplog.text) is warned
    assert path.stat().st_mode & 0o777 == mode
