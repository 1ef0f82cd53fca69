"""A disk that can be filled: one of our own, or one on which a process may write no more."""

from __future__ import annotations

import errno
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

_SIZE: Final = 256_000_000  # bytes; a run of 10 000 faults keeps some tens of millions
_PIECE: Final = bytes(1_000_000)


class Disk(Protocol):
    """What a store's files are on.

    Attributes:
        kind: what it is, for a report.
        folder: for the files.
    """

    kind: str
    folder: Path

    def fill(self, pid: int) -> None:
        """Leave no room for what this process writes."""

    def free(self, pid: int) -> None:
        """Make room again."""


class SmallDisk:
    """A small tmpfs of our own, which is filled by a file: ENOSPC, as on any full disk."""

    kind = "a tmpfs, filled (ENOSPC)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, pid: int) -> None:  # noqa: ARG002 - it is full for all
        """See `Disk`."""
        with self._ballast.open("ab", buffering=0) as file:
            size = len(_PIECE)
            while size:  # to the last page
                try:
                    file.write(_PIECE[:size])
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self, pid: int) -> None:  # noqa: ARG002 - it is full for all
        """See `Disk`."""
        self._ballast.unlink()


class FileSizeLimit:
    """A folder, and a process that may write to no file: EFBIG, for which nobody need be root."""

    kind = "a limit to the size of files, set to 0 (EFBIG), since no tmpfs could be mounted"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pid: int) -> None:
        """See `Disk`."""
        self._limit(pid, 0)

    def free(self, pid: int) -> None:
        """See `Disk`."""
        with suppress(ProcessLookupError):  # it took its limit with it
            self._limit(pid, None)

    def _limit(self, pid: int, size: int | None) -> None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A disk in a new folder: of our own where this process may mount one."""
    folder.mkdir()
    options = f"size={_SIZE},mode=700"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)],
            check=True, capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        yield FileSizeLimit(folder)
        return
    try:
        yield SmallDisk(folder)
    finally:
        with suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
