"""What a piece of code leaves behind: how tests see that nothing is left."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))


@contextmanager
def nothing_left(forgiven: str | None = None) -> Iterator[None]:
    """Fail where a block leaves a thread or a file descriptor, or what complains when collected.

    Args:
        forgiven: the beginning of complaints that are no failure.
    """
    gc.collect()
    threads, descriptors = set(threading.enumerate()), _descriptors()
    complaints: list[str] = []
    hook = sys.unraisablehook

    def complain(fault: sys.UnraisableHookArgs) -> None:
        if forgiven is None or not str(fault.exc_value).startswith(forgiven):
            complaints.append(f"{fault.exc_value!r} in {fault.object!r}")

    sys.unraisablehook = complain
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
            gc.collect()
    finally:
        sys.unraisablehook = hook
    assert not complaints, complaints
    left = set(threading.enumerate()) - threads
    assert not left, left
    now = _descriptors()
    assert now == descriptors, now.items() ^ descriptors.items()


def sockets_to(port: int) -> int:
    """How many sockets of this process are connected to a port of this machine."""
    ours = set(_descriptors().values())
    found = 0
    for table in _TABLES:
        for line in table.read_text().splitlines()[1:]:
            remote, inode = line.split()[2], line.split()[9]
            if int(remote.partition(":")[2], 16) == port and f"socket:[{inode}]" in ours:
                found += 1
    return found


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 # it is a directory of numbers
        with suppress(OSError):  # the one by which the directory was read
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 # no real path
    return found
