"""The service in the midst of it all: started at one port again and again, over one store."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reliability.faults.wall_clock import VARIABLE, WallClock
from tests.peers.live_service import CGServe

_ROOT: Final = Path(__file__).parents[2]
# A process that connects may be given a port from 32768 on, ours among them while we are away.
_PORTS: Final = range(20_000, 32_000)


class RestlessService:
    """A `cg serve`, and the ones after it. Its methods wait, so they are called in a thread.

    Args:
        folder: for its key and its logs.
        store: the URL of its store.

    Attributes:
        port: where it listens.
        clock: the one that it reads.
        faults: what was wrong with how it ended.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self.port, self._reservation = _reserved_port()
        self.clock = WallClock(folder / "clock")
        self.faults: list[str] = []
        self._folder = folder
        self._store = store
        self._process = self._started()
        self.address = self._process.address

    @property
    def pid(self) -> int:
        """Of the one that runs."""
        return self._process.pid

    def start(self) -> None:
        """Start another one in the place of the one that has ended."""
        self._process = self._started()

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        self._process.kill()
        self._process.close()

    def stop(self, *, insist_after: float | None = None) -> None:
        """SIGTERM; it is gone when this returns.

        Args:
            insist_after: seconds after which it is told again, so that it ends at once.
        """
        self._process.signal(signal.SIGTERM)
        if insist_after is not None:
            time.sleep(insist_after)
            self._process.signal(signal.SIGTERM)
        status = self._process.wait()
        if status != 0 and (insist_after is None or status != -signal.SIGTERM):
            self.faults.append(f"the service, told to stop, ended with status {status}")
        self._process.close()

    def close(self) -> None:
        """Be done with it."""
        self.kill()
        self._reservation.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP, and SIGCONT in the end."""
        with stopped([self.pid]):
            yield

    def logged(self) -> list[str]:
        """Lines of the logs that tell of faults of its own."""
        # (What befell the database is an error by its kind: that is as it should be.)
        signs = ("Traceback", "the store failed: ", "Exception")
        return [
            f"{log.name}: {line}"
            for log in sorted(self._folder.glob("serve-*.log"))
            for line in log.read_text().splitlines()
            if any(sign in line for sign in signs)
        ]

    def _started(self) -> CGServe:
        options = ["--store", self._store, "--log-level", "WARNING", "--public-jobs", "1000000"]
        return CGServe(
            self._folder,
            ["--listen", f"127.0.0.1:{self.port}", *options],
            {VARIABLE: str(self._folder / "clock"), "PYTHONPATH": str(_ROOT)},
            "reliability.faults.wall_clock",
        )


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """SIGSTOP for processes, and SIGCONT in the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def _reserved_port() -> tuple[int, socket.socket]:
    # A port, and what keeps it ours while nobody listens there: its UDP namesake, which others of
    # our kind ask for, too.
    for port in _PORTS:
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)):
                return port, reservation
        except OSError:
            reservation.close()
    raise RuntimeError("there is no free port")
