"""An ASGI application, served so that no client at the other end of a socket can hurt it."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from contextlib import suppress
from typing import Final

import uvicorn
from uvicorn.protocols.utils import ClientDisconnected

from cg_backends.service.asgi import Application, Receive, Scope, Send
from cg_backends.service.listening import BACKLOG
from cg_backends.service.open_files import connections_possible
from cg_backends.service.protocols import Connections, HTTPConnection, WebSocketConnection
from cg_backends.service.socket_limits import DEFAULT_SOCKET_LIMITS, SocketLimits

# From the end of all connections to the end of what ran for them.
_ENDING_TIME: Final = 1.0
# From a socket that is accepted to `connection_made` there are two or three in CPython.
_ROUNDS: Final = 10

_log = logging.getLogger("cg.service")


class HTTPServer:
    """Serves an application over HTTP/1.1 and WebSocket, in the running event loop.

    It has the protocols of uvicorn without its `Server`, which takes signals for itself, and would
    wait at its end for whatever long poll is pending. The loop is to be asyncio's own: uvloop reads
    256 kB at a time, so that clients which pour tiny frames have the others wait for seconds.

    Args:
        application: ASGI's, of version 3.
        limits: what a client may make us hold or wait for.
    """

    def __init__(
        self, application: Application, limits: SocketLimits = DEFAULT_SOCKET_LIMITS
    ) -> None:
        self._limits = limits
        self._config = _config(_contained(application), limits)
        self._connections = Connections(limits)
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """TCP connections that are open."""
        return len(self._connections.connections)

    async def start(self, listener: socket.socket) -> None:
        """Accept whoever connects, and has connected; returns at once.

        Args:
            listener: see `listen`. It is closed when the server stops.
        """
        self._connections.limits = connections_possible(self._limits)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: HTTPConnection(self._config, self._connections, {}),
            sock=listener,
            backlog=BACKLOG,
        )

    async def stop(self, grace: float) -> None:
        """Accept nobody any more, and end what runs.

        Args:
            grace: seconds in which requests and WebSockets may end by themselves. Then they are
                cut off.
        """
        await self._stop_accepting()
        for each in list(self._connections.connections):
            if isinstance(each, HTTPConnection):
                each.shutdown()
        try:
            await self._wait_for_the_end(grace)
        finally:
            for each in list(self._connections.connections):
                each.transport.abort()
        await self._wait_for_the_end(_ENDING_TIME)
        for task in self._connections.tasks:
            task.cancel()
        await self._wait_for_the_end(_ENDING_TIME)

    async def _stop_accepting(self) -> None:
        # Whoever was accepted is a connection when this returns. `close` alone would forget a
        # socket that is accepted and no connection yet, and leave it open (CPython 3.11).
        server, self._server = self._server, None
        if server is None:
            return
        loop = asyncio.get_running_loop()
        for each in server.sockets:
            loop.remove_reader(each.fileno())
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        server.close()

    async def _wait_for_the_end(self, seconds: float) -> None:
        # Of all connections, and of all that the application does for them.
        shared = self._connections
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while shared.connections or shared.tasks:
                    if shared.tasks:
                        await asyncio.wait(shared.tasks)
                    else:
                        shared.changed.clear()
                        await shared.changed.wait()


def _config(application: Application, limits: SocketLimits) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        interface="asgi3",
        http=HTTPConnection,
        ws=WebSocketConnection,
        ws_max_size=limits.message_size,
        ws_ping_interval=None,  # Engine.IO has pings of its own
        ws_per_message_deflate=False,  # a kilobyte may unfold into megabytes
        timeout_keep_alive=86_400,  # HTTPConnection's own is sooner
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    config.loaded_app = application  # without what uvicorn puts around it to log all it says
    return config


def _contained(application: Application) -> Application:
    # Of a failure, the log is told where it happened. What it says may hold what was received.
    async def contained(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await application(scope, receive, send)
        except (ClientDisconnected, asyncio.CancelledError):
            pass  # the client has gone, or the server stops
        except Exception as error:  # whatever an application may have wrong
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("the application has failed: %s\n%s", type(error).__qualname__, where)

    return contained
