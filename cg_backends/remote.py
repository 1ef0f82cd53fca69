"""The core's `RemoteClient`, given what the core may not have: random text, environment, log."""

from __future__ import annotations

import logging
import os
from importlib.metadata import version
from typing import Final

from cg_backends.random_text import random_text
from cg_core import Identity
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
