"""From the start of a service to its end, which SIGINT or SIGTERM brings about."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from typing import Final

from cg_backends.service.application import Application
from cg_backends.service.http_server import HTTPServer
from cg_backends.service.socket_limits import SocketLimits

_LAST_BYTES: Final = 1.0  # seconds for what was written and not taken yet

_log = logging.getLogger("cg.service")


async def run_until_signal(
    application: Application,
    listener: socket.socket,
    limits: SocketLimits,
    *,
    grace: float,
    on_ready: Callable[[], None],
) -> None:
    """Serve until the process is told to end by SIGINT or SIGTERM.

    A second signal kills it, which loses nothing that was answered.

    Args:
        application: what is served.
        listener: where; it is closed in the end.
        limits: of its sockets.
        grace: seconds for answers that are due, and for the goodbyes.
        on_ready: called when it accepts connections.
    """
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _tell, told, number)
    server = HTTPServer(application, limits)
    await server.start(listener)
    on_ready()
    _log.info("stopping", extra={"fields": {"signal": signal.Signals(await told).name}})
    await application.stop(grace)
    await server.stop(_LAST_BYTES)
    _log.info("stopped")


def _tell(told: asyncio.Future[int], number: int) -> None:
    told.set_result(number)
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(each)
        signal.signal(each, signal.SIG_DFL)
