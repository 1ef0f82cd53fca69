"""The core's `RemoteClient`, given what the core may not have: random text, environment, log."""

from __future__ import annotations

import logging
import os
from importlib.metadata import version
from typing import Final

from cg_backends.random_text import random_text
from cg_core import ClientClosed, Identity
from cg_core.remote import Options, RemoteClient, ServiceURL

_SCHEDULER: Final = "DCP_SCHEDULER_LOCATION"

WIRE_LOG: Final = logging.getLogger("cg.wire")
"""At DEBUG, a line for each message and each step of a connection; turn it on before `connect`."""


def default_scheduler(url: str | None, scheduler: str | None) -> str | None:
    """The scheduler to ask: where neither it nor a service is given, the environment's.

    Raises:
        InvalidValue: the environment's is no URL.
    """
    if url is not None or scheduler is not None:
        return scheduler
    location = os.environ.get(_SCHEDULER) or None
    if location is not None:
        ServiceURL.parse(location, _SCHEDULER)  # so that an error names what is to be mended
    return location


def remote_client(options: Options, identity: Identity, *, listens: bool = True) -> RemoteClient:
    """The machine that a remote backend runs.

    Args:
        options: what the user chose.
        identity: who signs.
        listens: whether the backend does anything between calls.
    """
    return RemoteClient(
        options,
        identity,
        x_dcp=f"python release {version('compute-groups')}",
        random_text=random_text,
        listens=listens,
        note=WIRE_LOG.debug if WIRE_LOG.isEnabledFor(logging.DEBUG) else None,
    )


# Errors for asynchronous clients that are not used as they should be.


def not_open() -> ClientClosed:
    """A call outside of the client's `async with`."""
    return ClientClosed(
        "this client is not open; use it within `async with connect(...) as groups`"
    )


def wrong_library(own: str) -> ClientClosed:
    """An `async with` that does not run in an event loop of the backend's own library."""
    return ClientClosed(
        f"no event loop of {own}'s runs here; connect by the backend of the one that does, "
        "cg_backends.asyncio or cg_backends.trio"
    )


def used_before() -> ClientClosed:
    """A second `async with`."""
    return ClientClosed("this client was used in an `async with` before; connect anew for another")


def open_elsewhere() -> ClientClosed:
    """A call from another event loop, or another thread."""
    return ClientClosed(
        "this client is open in another event loop; use it there, or connect anew in this one"
    )
