"""The three remote backends, each called in the same way: what the tests of all of them share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Final

from anyio.from_thread import BlockingPortal, start_blocking_portal

import cg_backends.asyncio
import cg_backends.sync
import cg_backends.trio
from cg_backends.conformance import called_synchronously
from cg_core import Client
from cg_core.remote import TransportName

BACKENDS: Final[dict[str, Any]] = {
    "sync": cg_backends.sync,
    "asyncio": cg_backends.asyncio,
    "trio": cg_backends.trio,
}
TRANSPORTS: Final[tuple[TransportName, ...]] = ("websocket", "polling")


def event_loop(backend: str) -> AbstractContextManager[BlockingPortal | None]:
    """An event loop in a thread of its own, where a backend needs one."""
    return nullcontext() if backend == "sync" else start_blocking_portal(backend)


def client_in(loop: BlockingPortal | None, backend: str, url: str | None, **options: Any) -> Client:
    """A client of a service, whose methods are called synchronously; it is to be closed."""
    connect = partial(BACKENDS[backend].connect, url, **options)
    client: Client = connect() if loop is None else called_synchronously(connect, loop)
    return client


@contextmanager
def client_of(backend: str, url: str | None, **options: Any) -> Iterator[Client]:
    """The same, within a `with`."""
    with event_loop(backend) as loop, client_in(loop, backend, url, **options) as client:
        yield client
