"""A link's connections: what a backend reports goes where it belongs."""

from __future__ import annotations

import math
from typing import Any

from cg_core import NetworkError
from cg_core.framing import (
    Closed,
    HTTPRequest,
    HTTPResponse,
    Opened,
    PollingClient,
    WebSocketClient,
)
from cg_core.remote import Connection, RequestConnection, ServiceURL, WebSocket
from cg_core.remote.lookup import Lookup
from cg_core.session import Instant

NOW = Instant(1.0, 1_800_000_000.0)
HANDSHAKE = (
    '0{"sid":"abc","upgrades":[],"pingInterval":10100,"pingTimeout":60010,"maxPayload":1000}'
)


class Listener:
    """An owner that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def heard(self, connection: Connection, now: Instant) -> None:
        self.told.append(("heard", connection, now))

    def websocket_refused(self, websocket: WebSocket, response: HTTPResponse, now: Instant) -> None:
        self.told.append(("refused", websocket, response, now))

    def websocket_failed(self, websocket: WebSocket, error: Exception, now: Instant) -> None:
        self.told.append(("failed", websocket, error, now))

    def receive_response(
        self,
        connection: RequestConnection,
        request: HTTPRequest,
        response: HTTPResponse,
        now: Instant,
    ) -> None:
        self.told.append(("response", connection, request, response, now))


def websocket() -> tuple[WebSocket, Listener]:
    listener = Listener()
    machine = WebSocketClient("/cg/", "python release 1.0", now=0.0)
    return WebSocket(listener, "https://example.org:8443", machine), listener


def polling() -> tuple[RequestConnection, Listener]:
    listener = Listener()
    machine = PollingClient("/cg/", "python release 1.0", lambda: "t", now=0.0)
    return RequestConnection(listener, "https://example.org", machine, response_size=7), listener


def test_where_a_websocket_is() -> None:
    socket, listener = websocket()
    assert socket.url == "https://example.org:8443/cg/dcp5/socketio/?EIO=4&transport=websocket"
    assert socket.headers == (("X-DCP", "python release 1.0"),)
    assert not socket.opened
    assert listener.told == []


def test_an_attempt_that_fails() -> None:
    socket, listener = websocket()
    response, error = HTTPResponse(404), NetworkError("...")
    socket.refused(response, NOW)
    socket.failed(error, NOW)
    assert listener.told == [("refused", socket, response, NOW), ("failed", socket, error, NOW)]
    assert socket.machine.next_event() is None


def test_messages_of_a_websocket() -> None:
    socket, listener = websocket()
    socket.receive_message(HANDSHAKE, NOW)
    assert listener.told == [("heard", socket, NOW)]
    assert socket.messages_to_send() == ["40"]
    assert socket.messages_to_send() == []
    socket.receive_message('40{"sid":"def"}', NOW)
    assert socket.machine.next_event() == Opened()
    # The heartbeat counts from the time that was told.
    assert socket.machine.next_deadline() == 1.0 + 10.1 + 60.01


def test_the_end_of_a_websocket() -> None:
    socket, listener = websocket()
    socket.closed(NOW)
    assert listener.told == [("heard", socket, NOW)]
    assert isinstance(socket.machine.next_event(), Closed)


def test_requests_of_long_polling() -> None:
    connection, listener = polling()
    assert isinstance(connection.machine, PollingClient)
    (request,) = connection.machine.requests_to_send()
    assert connection.url(request) == (
        "https://example.org/cg/dcp5/socketio/?EIO=4&transport=polling&t=t"
    )
    assert connection.response_size == 7
    assert not connection.opened
    response = HTTPResponse(200)
    connection.receive_response(request, response, NOW)
    assert listener.told == [("response", connection, request, response, NOW)]


def test_a_poll_is_answered_by_a_ping_at_the_latest() -> None:
    """So a program that cannot end a request before its time knows when to give it up."""
    connection, _ = polling()
    assert isinstance(connection.machine, PollingClient)
    assert connection.poll_time == math.inf
    (request,) = connection.machine.requests_to_send()
    response = HTTPResponse(200, body=HANDSHAKE.encode())
    connection.machine.receive_response(request, response, NOW.monotonic)
    assert connection.poll_time == 10.1 + 5


def test_a_request_that_fails() -> None:
    connection, listener = polling()
    (request,) = connection.machine.requests_to_send()
    error = NetworkError("...", code="ECONNRESET")
    connection.request_failed(request, error, NOW)
    assert listener.told == [("heard", connection, NOW)]
    match connection.machine.next_event():
        case Closed(NetworkError(code="ECONNRESET")):
            pass
        case other:
            raise AssertionError(other)


def test_a_question_to_a_scheduler() -> None:
    lookup = Lookup(ServiceURL.parse("https://example.org/path/"), 5.0)
    connection = RequestConnection(Listener(), "https://example.org", lookup, response_size=7)
    (request,) = lookup.requests_to_send()
    assert connection.url(request) == "https://example.org/etc/dcp-config.kvin?ver=2.1.0"
    assert connection.poll_time == math.inf
