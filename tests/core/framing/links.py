"""Simulated links between a client and the server: what is under way arrives when a test says so.

A link has `steps`: what may happen next, each of them one arrival. Which one does is the test's to
choose, so any interleaving can be had, and `run` makes them all.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from hypothesis import strategies as st

from cg_core.framing import engineio, socketio
from cg_core.framing.client import PollingClient, WebSocketClient, target
from cg_core.framing.connection import Closed, Connection, Event, Opened, TextReceived
from cg_core.framing.http import HTTPRequest, HTTPResponse
from cg_core.framing.limits import DEFAULT_LIMITS, Limits
from cg_core.framing.server import Server
from cg_core.framing.server_connection import (
    ConnectionEvent,
    MessagesReady,
    ResponseReady,
    WebSocketEnded,
)

X_DCP = "python release 1.0"
Step = Callable[[], None]

dcp_texts = st.text(max_size=20).map("{{{}".format)
"""What a session sends begins with a brace."""


def counter(prefix: str = "id") -> Callable[[], str]:
    """Ids in place of random ones."""
    numbers = itertools.count()
    return lambda: f"{prefix}{next(numbers)}"


def texts(events: list[Event]) -> list[str]:
    """The texts among events."""
    return [event.text for event in events if isinstance(event, TextReceived)]


def events_of(connection: Connection) -> list[Event]:
    """The events of a connection until now."""
    return list(iter(connection.next_event, None))


class Link(Protocol):
    """What tests do with a link."""

    now: float
    at_client: list[Event]
    at_server: list[Event]

    def steps(self) -> list[Step]: ...
    def send_from_client(self, text: str) -> None: ...
    def send_from_server(self, text: str) -> None: ...


class ServerSide:
    """A server with one client, and what it says."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.now = 0.0
        self.server = Server(counter(), limits)
        self.at_client: list[Event] = []
        self.at_server: list[Event] = []
        self.sid = ""
        self.requests: dict[int, HTTPRequest] = {}
        self.answered: dict[int, HTTPResponse] = {}
        self.ready: set[object] = set()
        self.ended: set[object] = set()
        self._numbers = itertools.count()

    def send_from_server(self, text: str) -> None:
        self.server.send(self.sid, text)
        self.pump()

    def request(self, request: HTTPRequest) -> int:
        """Hand a request in; its number is its key."""
        number = next(self._numbers)
        self.requests[number] = request
        self.server.receive_request(number, request, self.now)
        self.pump()
        return number

    def pump(self) -> None:
        while (event := self.server.next_event()) is not None:
            match event:
                case ResponseReady(int(number), response):
                    assert number not in self.answered, "a request is answered twice"
                    self.answered[number] = response
                    self.on_response(number, response)
                case MessagesReady(key):
                    assert key not in self.ended
                    self.ready.add(key)
                case WebSocketEnded(key):
                    self.ended.add(key)
                case ConnectionEvent(sid, inner):
                    self.sid = sid
                    self.at_server.append(inner)

    def on_response(self, number: int, response: HTTPResponse) -> None:
        """What a link does with an answer."""


class PollingLink(ServerSide):
    """Requests arrive in any order, and so do responses."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self.client = PollingClient("/cg/", X_DCP, counter("t"), now=0.0, limits=limits)
        self.outgoing: list[HTTPRequest] = []
        self.responses: list[tuple[HTTPRequest, HTTPResponse]] = []
        self.sent: list[HTTPRequest] = []
        self.move()

    def send_from_client(self, text: str) -> None:
        self.client.send(text)
        self.move()

    def move(self) -> None:
        self.at_client += events_of(self.client)
        requests = self.client.requests_to_send()
        self.outgoing += requests
        self.sent += requests

    def steps(self) -> list[Step]:
        requests: list[Step] = [partial(self.arrive, index) for index in range(len(self.outgoing))]
        return requests + [partial(self.respond, index) for index in range(len(self.responses))]

    def arrive(self, index: int) -> None:
        self.request(self.outgoing.pop(index))

    def on_response(self, number: int, response: HTTPResponse) -> None:
        self.responses.append((self.requests[number], response))

    def respond(self, index: int) -> None:
        request, response = self.responses.pop(index)
        self.client.receive_response(request, response, self.now)
        self.move()


class WebSocketLink(ServerSide):
    """Messages arrive in order, each way."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self.client = WebSocketClient("/cg/", X_DCP, now=0.0, limits=limits)
        self.to_server: deque[str] = deque()
        self.to_client: deque[str] = deque()
        self.is_closed = False
        refusal = self.server.accept_websocket("ws", self.client.handshake_request(), 0.0)
        assert refusal is None
        self.pump()

    def send_from_client(self, text: str) -> None:
        self.client.send(text)
        self.move()

    def move(self) -> None:
        self.at_client += events_of(self.client)
        self.to_server += self.client.messages_to_send()

    def steps(self) -> list[Step]:
        if self.is_closed:
            return []
        steps: list[Step] = []
        if self.to_server:
            steps.append(self.arrive)
        elif any(isinstance(event, Closed) for event in self.at_client):
            steps.append(self.close)
        if self.ready:
            steps.append(self.take)
        if self.to_client:
            steps.append(self.respond)
        elif self.ended:
            steps.append(self.close)
        return steps

    def arrive(self) -> None:
        self.server.receive_message("ws", self.to_server.popleft(), self.now)
        self.pump()

    def take(self) -> None:
        self.ready.clear()
        self.to_client += self.server.messages_to_send("ws")
        self.pump()

    def respond(self) -> None:
        self.client.receive_message(self.to_client.popleft(), self.now)
        self.move()

    def close(self) -> None:
        self.is_closed = True
        self.server.websocket_closed("ws")
        self.client.receive_close()
        self.pump()
        self.move()


class UpgradeLink(ServerSide):
    """A client made by hand, which polls and changes to a WebSocket as engine.io's does.

    It says 5 when no request of its own is under way any more, and holds texts back until then.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self.engine_sid = ""
        self.queue = ["40"]
        self.polling: int | None = None
        self.posting: int | None = None
        self.outgoing: list[HTTPRequest] = []
        self.under_way: list[int] = []
        self.to_server: deque[str] = deque()
        self.to_client: deque[str] = deque()
        self.phase = "polling"  # then probing, pausing, upgraded
        self.move()

    def send_from_client(self, text: str) -> None:
        self.queue.append(f"4{socketio.message(text)}")
        self.move()

    def move(self) -> None:
        if self.phase in ("polling", "probing"):
            methods = [request.method for request in self.outgoing]
            if self.polling is None and "GET" not in methods:
                self.outgoing.append(self.http("GET"))
            if self.engine_sid and self.queue and self.posting is None and "POST" not in methods:
                body, self.queue = "\x1e".join(self.queue).encode(), []
                self.outgoing.append(self.http("POST", body))
        elif self.phase == "pausing" and not (
            self.outgoing or self.under_way or self.polling is not None
        ):
            self.phase = "upgraded"
            self.to_server.append("5")
        if self.phase == "upgraded":
            self.to_server += self.queue
            self.queue = []

    def http(self, method: str, body: bytes = b"") -> HTTPRequest:
        return HTTPRequest(method, target("/cg/", "polling", sid=self.engine_sid), (), body)

    def steps(self) -> list[Step]:
        # The WebSocket first: while it probes, polling goes round and round.
        steps: list[Step] = []
        if self.to_server:
            steps.append(self.message_arrives)
        if self.ready:
            steps.append(self.take)
        if self.to_client:
            steps.append(self.message_returns)
        if self.phase == "polling" and self.engine_sid:
            steps.append(self.probe)
        steps += [partial(self.arrive, index) for index in range(len(self.outgoing))]
        return steps + [partial(self.respond, index) for index in range(len(self.under_way))]

    def arrive(self, index: int) -> None:
        request = self.outgoing.pop(index)
        if request.method == "GET":
            self.polling = next(self._numbers)
        else:
            self.posting = next(self._numbers)
        number = self.polling if request.method == "GET" else self.posting
        assert number is not None
        self.requests[number] = request
        self.server.receive_request(number, request, self.now)
        self.pump()

    def on_response(self, number: int, response: HTTPResponse) -> None:
        assert response.status == 200
        self.under_way.append(number)

    def respond(self, index: int) -> None:
        number = self.under_way.pop(index)
        if number == self.posting:
            self.posting = None
        else:
            self.polling = None
            for packet in self.answered[number].body.decode().split("\x1e"):
                self.hear(packet)
        self.move()

    def probe(self) -> None:
        self.phase = "probing"
        request = HTTPRequest("GET", target("/cg/", "websocket", sid=self.engine_sid))
        assert self.server.accept_websocket("ws", request, self.now) is None
        self.to_server.append("2probe")

    def message_arrives(self) -> None:
        self.server.receive_message("ws", self.to_server.popleft(), self.now)
        self.pump()

    def take(self) -> None:
        self.ready.clear()
        self.to_client += self.server.messages_to_send("ws")
        self.pump()

    def message_returns(self) -> None:
        message = self.to_client.popleft()
        if message == "3probe":
            self.phase = "pausing"
        else:
            self.hear(message)
        self.move()

    def hear(self, message: str) -> None:
        packet = engineio.decode_packet(message)
        if packet.type is engineio.PacketType.OPEN:
            self.engine_sid = engineio.Handshake.decode(packet.data).sid
        elif packet.type is engineio.PacketType.MESSAGE:
            inner = socketio.decode_packet(packet.data)
            if inner.type is socketio.PacketType.CONNECT:
                self.at_client.append(Opened())
            elif (text := socketio.message_text(inner)) and text.startswith("{"):
                self.at_client.append(TextReceived(text))


LINKS: dict[str, Callable[..., Link]] = {
    "polling": PollingLink,
    "websocket": WebSocketLink,
    "upgrade": UpgradeLink,
}


def run(link: Link) -> None:
    """Let everything arrive, in the order in which it was sent."""
    while steps := link.steps():
        steps[0]()
