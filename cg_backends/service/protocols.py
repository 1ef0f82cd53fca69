"""uvicorn's HTTP and WebSocket protocols, and what hostile clients make necessary besides.

uvicorn caps the head of a request and the size of a message, and stops to read where the
application does not follow. It waits without end for a first request, for the rest of a head or a
body, and for a peer to take what was written; that is added here.

h11 and wsproto parse: both are Python, and here anyway, with httpx and for the clients' WebSockets.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState
from wsproto.events import Ping

from cg_backends.service.socket_limits import SocketLimits

# Connections beyond the cap that are told so; others are closed without a word.
SPARE_CONNECTIONS: Final = 100

# What one read may bring. The others wait until it has been dealt with, and it may be thousands of
# tiny frames: with asyncio's 256 KiB, four clients that pour those have them wait for seconds.
_READ_SIZE: Final = 16_384

_RETRY_AFTER: Final = 10  # seconds, as in the framing's own refusal

# uvicorn has a line for each bad request, and one for each WebSocket, with its URL.
_uvicorn_log = logging.getLogger("cg.service.uvicorn")
_uvicorn_log.setLevel(logging.CRITICAL)

_Awaited: TypeAlias = Literal["head", "body", "next request"]


class Connections(ServerState):
    """All connections of a server, and what they share.

    Attributes:
        limits: the caps.
        changed: set when a connection has ended.
        read_buffer: of all: whoever reads takes the bytes out at once.
        unfinished: bytes of bodies and messages that are not whole yet.
    """

    connections: set[_Connection]  # type: ignore[assignment] # uvicorn's own classes; ours are

    def __init__(self, limits: SocketLimits) -> None:
        super().__init__()
        self.limits = limits
        self.changed = asyncio.Event()
        self.read_buffer = bytearray(_READ_SIZE)
        self.unfinished = 0

    def hold(self, connection: _Connection, size: int) -> None:
        """Take it that a connection has so many bytes of what is not whole yet."""
        self.unfinished += size - connection.unfinished
        connection.unfinished = size
        if self.unfinished > self.limits.unfinished_size:
            largest = max(self.connections, key=attrgetter("unfinished"))
            self.hold(largest, 0)
            largest.evict()


class _Connection(asyncio.BufferedProtocol):
    # What both protocols need besides uvicorn's: reads of a limited size, an end for a peer that
    # takes nothing of what is written, and the count of what is not whole.

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    shared: Connections
    unfinished = 0
    _write_timer: asyncio.TimerHandle | None = None

    def evict(self) -> None:
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        raise NotImplementedError

    def eof_received(self) -> None:
        pass  # what is closed at one end is closed

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 # asyncio's signature
        return self.shared.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(memoryview(self.shared.read_buffer)[:nbytes]))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_to_be_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._expect_nothing()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.resume_writing()  # who waits to write is told by asyncio only if it can
        self.shared.hold(self, 0)
        self.shared.changed.set()

    def _expect_to_be_read(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        seconds = self.shared.limits.write_time
        self._write_timer = self.loop.call_later(seconds, self._abort_unless_read, waiting)

    def _abort_unless_read(self, waiting: int) -> None:
        if self.transport.get_write_buffer_size() < waiting:
            self._expect_to_be_read()
        else:
            self.transport.abort()

    def _expect_nothing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class HTTPConnection(_Connection, H11Protocol):
    """A connection that sends requests, until one of them is for a WebSocket."""

    conn: _Requests

    def __init__(
        self, config: uvicorn.Config, server_state: Connections, app_state: dict[str, Any]
    ) -> None:
        H11Protocol.__init__(self, config, server_state, app_state)
        self.shared = server_state
        self.logger = _uvicorn_log
        self.access_log = False
        self.conn = _Requests(server_state.limits)
        self._awaited: _Awaited | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._takes_requests = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Take it in, unless there are too many."""
        super().connection_made(transport)
        # So writing is paused whenever something waits, and a peer that takes nothing is seen.
        transport.set_write_buffer_limits(high=0)
        beyond = len(self.connections) - self.shared.limits.connections
        if beyond > SPARE_CONNECTIONS:
            transport.abort()
        elif beyond > 0:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._await("head", self.shared.limits.head_time)

    def data_received(self, data: bytes) -> None:
        """Take it, and count what is part of a body."""
        if self._takes_requests:
            H11Protocol.data_received(self, data)
        if self._takes_requests:
            in_body = self.conn.their_state is h11.SEND_BODY
            self.shared.hold(self, self.unfinished + len(data) if in_body else 0)

    def handle_events(self) -> None:
        """Do so, then give the client its time for what is to come next."""
        super().handle_events()
        if not self._takes_requests:
            return
        limits = self.shared.limits
        if self.conn.their_state is h11.SEND_BODY:
            self._await("body", limits.body_time)
        elif self.conn.their_state is not h11.IDLE:
            self._await_nothing()
        elif self.conn.trailing_data[0]:
            self._await("head", limits.head_time)
        else:
            self._await("next request", limits.keep_alive_time)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        self._take_no_more_requests()
        self._expect_nothing()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 # h11 knows better
        """Refuse what is no request, or one that may not be."""
        self._refuse(self.conn.fault)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._take_no_more_requests()
        self._unset_keepalive_if_required()  # uvicorn leaves its own timer after an error

    def shutdown(self) -> None:
        """Close as soon as what is running has been answered."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def evict(self) -> None:
        """End it for the sake of the others."""
        self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def _await(self, awaited: _Awaited, seconds: float) -> None:
        # The time runs on, however little comes meanwhile.
        if awaited != self._awaited:
            self._await_nothing()
            self._awaited = awaited
            self._timer = self.loop.call_later(seconds, self._expire)

    def _await_nothing(self) -> None:
        self._awaited = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        if self._awaited == "body" or self.conn.trailing_data[0]:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.abort()  # it has asked nothing

    def _take_no_more_requests(self) -> None:
        self._takes_requests = False
        self._await_nothing()

    def _refuse(self, status: int) -> None:
        # Answer in the application's stead, where it has not begun to, and end.
        self._take_no_more_requests()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.write(_refusal(status))
            # What still comes is read and dropped: to close before it would cost the refusal.
            seconds = self.shared.limits.refusal_time
            self._timer = self.loop.call_later(seconds, self.transport.abort)
        else:
            self.transport.abort()


class WebSocketConnection(_Connection, WSProtocol):
    """What a connection becomes by the request for a WebSocket."""

    def __init__(
        self, config: uvicorn.Config, server_state: Connections, app_state: dict[str, Any]
    ) -> None:
        WSProtocol.__init__(self, config, server_state, app_state)
        self.shared = server_state
        self.logger = _uvicorn_log
        self._ping: Ping | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Take it over from the HTTPConnection, which was told that writing is paused."""
        super().connection_made(transport)
        if transport.get_write_buffer_size():
            self.pause_writing()

    def data_received(self, data: bytes) -> None:
        """Take it, and count what is part of a message."""
        WSProtocol.data_received(self, data)
        self.shared.hold(self, self.buffer.length)
        self._answer_ping()

    def handle_ping(self, event: Ping) -> None:
        """Answer the last of those that come at once (RFC 6455, 5.5.3)."""
        self._ping = event

    def _answer_ping(self) -> None:
        # Nobody who does not read is to have us pile up pongs.
        ping, self._ping = self._ping, None
        if ping is not None and self.writable.is_set() and not self.transport.is_closing():
            super().handle_ping(ping)

    def evict(self) -> None:
        """End it for the sake of the others."""
        self.transport.abort()


class _Requests(h11.Connection):
    # Looks at each head before uvicorn does, and remembers what was wrong with it.

    def __init__(self, limits: SocketLimits) -> None:
        super().__init__(h11.SERVER, limits.head_size)
        self._body_size = limits.body_size
        self.fault: int = HTTPStatus.BAD_REQUEST

    def next_event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._check(event)
        except h11.RemoteProtocolError as error:
            self.fault = error.error_status_hint
            raise
        return event

    def _check(self, request: h11.Request) -> None:
        if request.http_version not in {b"1.0", b"1.1"}:
            raise _fault(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        if request.method == b"CONNECT":
            raise _fault(HTTPStatus.NOT_IMPLEMENTED)
        for name, value in request.headers:
            if name == b"transfer-encoding":
                raise _fault(HTTPStatus.LENGTH_REQUIRED)
            if name == b"content-length" and int(value) > self._body_size:
                raise _fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _fault(status: HTTPStatus) -> h11.RemoteProtocolError:
    return h11.RemoteProtocolError(status.phrase, error_status_hint=status)


def _refusal(status: int) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Connection: close",
        "Content-Length: 0",
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(f"Retry-After: {_RETRY_AFTER}")
    return "\r\n".join([*lines, "\r\n"]).encode()
