"""The server's end: connections by id, by long-polling, by WebSocket, and from one to the other.

A backend hands in what comes, under keys of its own for HTTP requests and WebSockets, and does what
`next_event` says:

    ResponseReady(key, response)   answer the request; a poll is answered when there is something
    MessagesReady(key)             send what `messages_to_send(key)` gives by the WebSocket
    WebSocketEnded(key)            close the WebSocket
    ConnectionEvent(sid, event)    Opened, TextReceived, Closed: for whom the connection is

The answers are engine.io's (its 6.6), errors included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from cg_core.deadlines import Deadlines
from cg_core.framing.engineio import Handshake
from cg_core.framing.http import HTTPRequest, HTTPResponse, overloaded, preflight, refusal
from cg_core.framing.limits import DEFAULT_LIMITS, Limits
from cg_core.framing.server_connection import (
    Key,
    ResponseReady,
    ServerConnection,
    ServerEvent,
    WebSocketEnded,
)


class Server:
    """All connections of a service.

    Args:
        random_text: gives an id that cannot be guessed, of letters, digits, `_` and `-`.
        limits: the caps.
        ping_interval: seconds between pings.
        ping_timeout: seconds in which a ping must be answered.
    """

    def __init__(
        self,
        random_text: Callable[[], str],
        limits: Limits = DEFAULT_LIMITS,
        *,
        ping_interval: float = 10.1,
        ping_timeout: float = 60.01,
    ) -> None:
        self._random_text = random_text
        self._limits = limits
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._connections: dict[str, ServerConnection] = {}
        self._keys: dict[Key, ServerConnection] = {}
        self._holding: dict[str, int] = {}  # by connection; who has held the longest is the first
        self._held = 0
        self._deadlines: Deadlines[str] = Deadlines()
        self._events: deque[ServerEvent] = deque()

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def is_full(self) -> bool:
        """Whether another connection is refused."""
        return len(self._connections) >= self._limits.connections

    def next_event(self) -> ServerEvent | None:
        """The next thing to do or to know, or None."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is to be called, at the latest."""
        return self._deadlines.next()

    def handle_timeout(self, now: float) -> None:
        """Do what is due on any connection."""
        for sid in self._deadlines.due(now):
            connection = self._connections[sid]
            connection.handle_timeout(now)
            self._settle(connection)

    def send(self, sid: str, text: str) -> None:
        """Send a text; on a connection that has ended it goes nowhere."""
        if connection := self._connections.get(sid):
            connection.send(text)
            self._settle(connection)

    def close(self, sid: str, now: float) -> None:
        """Say goodbye on a connection; what was sent before goes first."""
        if connection := self._connections.get(sid):
            connection.close(now)
            self._settle(connection)

    def close_all(self, now: float) -> None:
        """Say goodbye on all connections."""
        for sid in tuple(self._connections):
            self.close(sid, now)

    def receive_request(self, key: Key, request: HTTPRequest, now: float) -> None:
        """Take a whole HTTP request. Its answer is an event, for a poll perhaps a late one."""
        if request.method == "OPTIONS":
            self._emit(ResponseReady(key, preflight(request)))
            return
        found = self._find(request, "polling")
        if isinstance(found, HTTPResponse):
            self._emit(ResponseReady(key, found))
            return
        connection = found or self._connect(("websocket",), now)
        if request.method == "POST":
            connection.receive_post(key, request.body, now)
        else:
            self._keys[key] = connection
            connection.receive_poll(key)
        self._settle(connection)

    def request_cancelled(self, key: Key) -> None:
        """Take it that a request's client went away.

        What a poll was to bring may be lost with it, so its connection ends.
        """
        if connection := self._keys.pop(key, None):
            connection.poll_cancelled()
            self._settle(connection)

    def accept_websocket(self, key: Key, request: HTTPRequest, now: float) -> HTTPResponse | None:
        """Take the request for a WebSocket.

        Returns:
            The refusal, or None: it is accepted.
        """
        found = self._find(request, "websocket")
        if isinstance(found, HTTPResponse):
            return found
        connection = found or self._connect((), now)
        connection.receive_websocket(key, now)
        self._keys[key] = connection
        self._settle(connection)
        return None

    def receive_message(self, key: Key, text: str, now: float) -> None:
        """Take a text message of a WebSocket. Binary ones are to be ignored."""
        if connection := self._keys.get(key):
            connection.receive_message(key, text, now)
            self._settle(connection)

    def messages_to_send(self, key: Key) -> list[str]:
        """Take out what is to be sent by a WebSocket now."""
        connection = self._keys.get(key)
        if connection is None:
            return []
        messages = connection.messages_to_send(key)
        self._settle(connection)
        return messages

    def websocket_closed(self, key: Key) -> None:
        """Take the end of a WebSocket."""
        if connection := self._keys.pop(key, None):
            connection.websocket_closed(key)
            self._settle(connection)

    def _find(self, request: HTTPRequest, transport: str) -> ServerConnection | HTTPResponse | None:
        # The connection that a request is for, None for a new one, or engine.io's refusal.
        query = request.query
        asked, sid = query.get("transport"), query.get("sid", "")
        connection = self._connections.get(sid)
        if asked not in ("polling", "websocket"):
            code = 0
        elif sid and connection is None:
            code = 1
        elif connection is None and request.method != "GET":
            code = 2
        elif asked != transport or (
            connection is not None and not connection.takes(transport, request.method)
        ):
            code = 3
        elif connection is None and query.get("EIO") != "4":
            code = 5
        elif connection is None and self.is_full:
            return overloaded()
        else:
            return connection
        return refusal(code)

    def _connect(self, upgrades: tuple[str, ...], now: float) -> ServerConnection:
        handshake = Handshake(
            self._random_text(),
            upgrades,
            self._ping_interval,
            self._ping_timeout,
            self._limits.body_size,
        )
        connection = ServerConnection(handshake, self._random_text, self._emit, self._limits, now)
        self._connections[handshake.sid] = connection
        return connection

    def _settle(self, connection: ServerConnection) -> None:
        connection.settle()
        if connection.has_ended():
            self._connections.pop(connection.sid, None)
        self._deadlines.set(connection.sid, connection.next_deadline())
        self._hold(connection.sid, connection.held)
        if self._held > self._limits.held_in_all:
            longest = self._connections[next(iter(self._holding))]
            longest.evict()
            self._settle(longest)

    def _hold(self, sid: str, held: int) -> None:
        self._held += held - self._holding.get(sid, 0)
        if held:
            self._holding[sid] = held
        else:
            self._holding.pop(sid, None)

    def _emit(self, event: ServerEvent) -> None:
        if isinstance(event, ResponseReady | WebSocketEnded):
            self._keys.pop(event.key, None)
        self._events.append(event)
