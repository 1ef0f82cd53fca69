"""An end for all the reads of an HTTP request together; httpx has a timeout for each one alone.

A server that says a byte of an answer now and then, or hints without end, would keep a thread for
as long as it likes.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol

import httpx


class _Read(Protocol):
    def __call__(self, max_bytes: int, timeout: float | None = None) -> bytes: ...


class ReadDeadline(threading.local):
    """When the reads of a thread are to end, on all connections that its client makes.

    Attributes:
        options: of each request. By httpx's extension "trace" a stream is seen as it is made.
    """

    def __init__(self) -> None:
        self._at = math.inf
        self.options: Final[Mapping[str, Any]] = {"extensions": {"trace": self._trace}}

    @contextmanager
    def at(self, time_: float) -> Iterator[None]:
        """Have this thread's reads end then, by the monotonic clock."""
        self._at = time_
        try:
            yield
        finally:
            self._at = math.inf

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(
            (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
        ):
            stream = info["return_value"]
            stream.read = partial(self._read, stream.read)

    def _read(self, read: _Read, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._at == math.inf:
            return read(max_bytes, timeout)
        left = self._at - time.monotonic()
        if left <= 0:
            raise httpx.ReadTimeout("the answer takes too long")
        return read(max_bytes, left if timeout is None else min(left, timeout))
