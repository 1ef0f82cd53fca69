"""A DCP service over Node's own Socket.IO server, the sessions of which are ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Unpack

import attrs
from anyio.from_thread import start_blocking_portal

from cg_core import Address
from tests.peers.node import SocketIOServer, socketio_server
from tests.peers.service import Answer, Options, Service, SocketService


@attrs.frozen
class NodeSocketIO:
    """A service that is up.

    Attributes:
        url: where it is, for a client.
        service: what it has seen and done.
        kill: ends it at once, without a goodbye.
    """

    url: str
    service: Service
    kill: Callable[[], None]

    @property
    def address(self) -> Address:
        """Whose name it signs with."""
        return self.service.identity.address

    @property
    def acted_on(self) -> Counter[tuple[str, str]]:
        """How often each request, (session id, request id), was acted on."""
        return self.service.acted_on


@contextmanager
def node_socketio(
    answer: Answer, *, port: int = 0, transports: Sequence[str] = (), **options: Unpack[Options]
) -> Iterator[NodeSocketIO]:
    """A service that is up within a `with`.

    Args:
        answer: what it answers, in a thread of its own.
        port: where it listens; 0 for any port that is free.
        transports: "websocket" and "polling", those that it serves; both if not given.
        options: see `Options`.
    """
    running: Future[SocketIOServer] = Future()  # a client may come before it is at hand
    sockets = SocketService(
        answer,
        lambda socket, string: running.result().send(socket, string),
        lambda socket: running.result().close(socket),
        **options,
    )
    with start_blocking_portal() as portal:
        try:
            with socketio_server(
                on_open=partial(portal.call, sockets.connected),
                on_text=partial(portal.call, sockets.receive),
                on_closed=partial(portal.call, sockets.disconnected),
                port=port,
                transports=transports,
            ) as server:
                running.set_result(server)
                yield NodeSocketIO(server.url, sockets.service, server.kill)
        finally:
            portal.call(sockets.service.end)
    if sockets.service.failures:
        raise ExceptionGroup("the peer has failed", sockets.service.failures)
