"""Peers that are ASGI applications, on uvicorn in a thread of the test process."""

from __future__ import annotations

import abc
import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal

from cg_core import Address
from tests.peers.listening import stop_accepting
from tests.peers.service import Service

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

SOCKETIO = "dcp5/socketio"


class ASGIPeer(abc.ABC):
    """A service that is up. Its methods are called in the test's thread.

    Args:
        path: its path, with a slash at both ends.

    Attributes:
        port: where it listens, on 127.0.0.1.
        url: the same, for a client.
        service: what it has seen and done.
    """

    service: Service

    def __init__(self, path: str) -> None:
        self.path = path
        self.port = 0
        self._portal: BlockingPortal | None = None
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def address(self) -> Address:
        """Whose name it signs with."""
        return self.service.identity.address

    @property
    def acted_on(self) -> Counter[tuple[str, str]]:
        """How often each request, (session id, request id), was acted on."""
        return self.service.acted_on

    def stop(self) -> None:
        """End all sessions, wait for that, then go."""
        assert self._portal is not None
        self._portal.call(self.service.say_goodbye)
        self.kill()

    def kill(self) -> None:
        """Be gone at once, without a goodbye; the port is free."""
        assert self._portal is not None
        self._portal.call(self._end)

    @abc.abstractmethod
    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""

    async def _start(self, portal: BlockingPortal, port: int) -> None:
        self._portal = portal
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        # Said to be TCP, or asyncio does not switch Nagle's delay off.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(100)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._application,
            interface="asgi3",
            http="h11",
            ws="wsproto",
            # The bytes on the wire are to depend on the clients and on the service alone.
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            date_header=False,
            server_header=False,
            lifespan="off",
            proxy_headers=False,
            log_config=None,
        )
        config.load()
        # Its main loop and its shutdown only look ten times a second whether to go on.
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[listener])

    async def _application(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except (OSError, asyncio.CancelledError):
            pass  # the client has gone, or the peer goes
        except Exception as error:  # a test is to see all of them
            self.service.failures.append(error)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.service.failures.append(context.get("exception") or RuntimeError(context["message"]))

    async def _end(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        for each in server.servers:
            await stop_accepting(each)
        state = server.server_state
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # they hear of it in the loop's next round
        tasks = list(state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.service.end()


P = TypeVar("P", bound=ASGIPeer)


@contextmanager
def serving(peer: P, port: int) -> Iterator[P]:
    """Have a peer up. What went wrong in it is raised at the end, with what went wrong outside.

    Args:
        peer: to be started.
        port: where it is to listen; 0 for any port that is free.
    """
    try:
        with start_blocking_portal() as portal:
            try:
                portal.call(peer._start, portal, port)
                yield peer
            finally:
                peer.kill()
    finally:
        if peer.service.failures:
            raise ExceptionGroup("the peer has failed", peer.service.failures)
