"""A database that stops for a while: its processes, or somebody has it locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from reliability.faults.service import stopped
from tests.peers.databases import locked, talk


@contextmanager
def paused(url: str) -> Iterator[None]:
    """The server's processes are stopped; SQLite, which has none, is locked by another writer."""
    pids = processes(url)
    with stopped(pids) if pids else locked(url):
        yield


def processes(url: str) -> list[int]:
    """Those of the server on this machine, none where there is no server."""
    with talk(url) as connection:
        match connection.dialect.name:
            case "postgresql":
                folder = connection.execute(text("SHOW data_directory")).scalar_one()
                first = int(Path(folder, "postmaster.pid").read_text().split()[0])
            case "mysql":
                file = connection.execute(text("SELECT @@pid_file")).scalar_one()
                first = int(Path(file).read_text())
            case _:
                return []
    children = Path(f"/proc/{first}/task/{first}/children").read_text()
    return [first, *map(int, children.split())]
