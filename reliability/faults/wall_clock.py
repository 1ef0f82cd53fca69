"""A wall clock that can be moved, also from another process.

    MOVED_CLOCK=FILE python -m reliability.faults.wall_clock serve ...   is `cg serve` with one

How far it is off stands in a file. Monotonic time is left alone: no system moves it.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

import cg_backends.local
from cg_backends.cli import main

VARIABLE: Final = "MOVED_CLOCK"
_SECONDS: Final = struct.Struct("d")


class WallClock:
    """How far off the time is that a process reads.

    Args:
        file: where that stands; it is made if it is not there.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(_SECONDS.pack(0.0))
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), _SECONDS.size)

    def offset(self) -> float:
        """By how many seconds it is fast."""
        seconds: float
        (seconds,) = _SECONDS.unpack(self._shared[:])
        return seconds

    @contextmanager
    def moved(self, seconds: float) -> Iterator[None]:
        """Have it so fast, or slow; right again in the end."""
        self._shared[:] = _SECONDS.pack(seconds)
        try:
            yield
        finally:
            self._shared[:] = _SECONDS.pack(0.0)

    @contextmanager
    def ruling_here(self) -> Iterator[None]:
        """Have this process read it meanwhile."""
        right_time = time.time

        class Moved(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Moved:
                return cls.fromtimestamp(time.time(), tz)

        time.time = lambda: right_time() + self.offset()
        of_backends = vars(cg_backends.local)
        of_backends["datetime"] = Moved
        try:
            yield
        finally:
            time.time = right_time
            of_backends["datetime"] = datetime


if __name__ == "__main__":
    with WallClock(Path(os.environ[VARIABLE])).ruling_here():
        main()
