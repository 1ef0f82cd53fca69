"""The peers in Python are services indeed: real sessions over real sockets, moved by blocking code.

The code that moves them knows nothing of the backends: these are what the backends are tested with.
"""

from __future__ import annotations

import itertools
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, suppress
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from cg_core import Address, ComputeGroupsError, Identity, Operation, OutcomeUnknown, Refused
from cg_core.framing import (
    Closed,
    HTTPRequest,
    HTTPResponse,
    Limits,
    Opened,
    PollingClient,
    TextReceived,
    WebSocketClient,
)
from cg_core.session import (
    RandomIdentifiers,
    RequestFailed,
    ResponseReceived,
    Role,
    Session,
    SessionClosed,
    Settings,
    TransportDropped,
    TransportWanted,
)
from tests.peers.asgi import ASGIPeer
from tests.peers.in_process import in_process
from tests.peers.node_socketio import NodeSocketIO, node_socketio
from tests.peers.proxy import Cut, Direction, proxy
from tests.peers.python_socketio import python_socketio
from tests.peers.service import IDENTITY, now, random_text

HUNG = 30  # seconds after which a test that waits has failed
CALLER = Identity(b"\1" * 32)
PEERS = (in_process, python_socketio)


def echo(
    operation: Operation, session_id: str, caller: Address, joins_as: frozenset[Address]
) -> Any:
    if operation.name == "refuse":
        raise Refused("no", code="ETEST")
    return {"success": True, "payload": operation.data}


class WebSocketWire:
    """The core's client over a socket: one thread reads, whoever sends writes."""

    def __init__(self, url: str, hear: Callable[[Any], None]) -> None:
        where = urlsplit(url)
        self.client = WebSocketClient(where.path, "test", now=now().monotonic)
        self.hear = hear
        self.socket = socket.create_connection((where.hostname, where.port), HUNG)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.lock = threading.Lock()
        request = self.client.handshake_request()
        self.write(
            Request(
                host=where.netloc,
                target=request.target,
                extra_headers=[(name.encode(), value.encode()) for name, value in request.headers],
            )
        )
        self.status: int | None = None
        self.events = self.read()
        try:
            first = next(self.events, None)
        except OSError:
            self.socket.close()
            raise
        self.is_accepted = isinstance(first, AcceptConnection)
        if isinstance(first, RejectConnection):
            self.status = first.status_code
        self.thread = threading.Thread(target=self.run)
        if self.is_accepted:
            self.thread.start()
        else:
            self.socket.close()

    def write(self, event: Any) -> None:
        with self.lock:
            self.socket.sendall(self.protocol.send(event))

    def read(self) -> Iterator[Any]:
        while data := self.socket.recv(65536):
            with self.lock:
                self.protocol.receive_data(data)
            yield from self.protocol.events()

    def run(self) -> None:
        text = ""
        with suppress(OSError):
            for event in self.events:
                if isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        self.hear(partial(self.take, text))
                        text = ""
                elif isinstance(event, CloseConnection):
                    break
        self.hear(self.client.receive_close)

    def take(self, text: str) -> None:
        self.client.receive_message(text, now().monotonic)

    def move(self) -> None:
        with suppress(OSError, LocalProtocolError):  # the service has closed it
            for message in self.client.messages_to_send():
                self.write(TextMessage(message))

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


class PollingWire:
    """The core's client over httpx: a thread for each request."""

    def __init__(self, url: str, hear: Callable[[Any], None]) -> None:
        where = urlsplit(url)
        numbers = itertools.count()
        self.client = PollingClient(
            where.path, "test", lambda: str(next(numbers)), now=now().monotonic
        )
        self.hear = hear
        self.http = httpx.Client(base_url=f"http://{where.netloc}", timeout=HUNG, trust_env=False)
        self.threads: list[threading.Thread] = []

    def move(self) -> None:
        for request in self.client.requests_to_send():
            self.threads.append(threading.Thread(target=self.run, args=(request,)))
            self.threads[-1].start()

    def run(self, request: HTTPRequest) -> None:
        try:
            got = self.http.request(
                request.method,
                request.target,
                content=request.body,
                headers=list(request.headers),
            )
        except httpx.TransportError as error:
            self.hear(partial(self.client.request_failed, request, ComputeGroupsError(repr(error))))
        else:
            response = HTTPResponse(got.status_code, (), got.content)
            self.hear(partial(self.client.receive_response, request, response, now().monotonic))

    def close(self) -> None:
        for thread in self.threads:
            thread.join()
        self.http.close()


class Caller:
    """A session, moved in the test's thread."""

    def __init__(self, url: str, wire: type[WebSocketWire | PollingWire]) -> None:
        self.url = url
        self.wire_class = wire
        self.wire: WebSocketWire | PollingWire | None = None
        self.number = 0
        self.is_open = False
        self.heard: queue.SimpleQueue[tuple[int, Callable[[], None]]] = queue.SimpleQueue()
        self.outcomes: dict[str, Any] = {}
        self.closed: SessionClosed | None = None
        self.session = Session(
            Role.INITIATOR, CALLER, RandomIdentifiers(Role.INITIATOR, random_text)
        )
        self.session.start(now())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.session.close(now())
        with suppress(queue.Empty):
            while self.closed is None:
                self.step()
            self.settle()
        self.lose_wire()

    def ask(self, name: str, data: Any = None) -> str:
        return self.session.request(lambda session_id: Operation(name, data), now())

    def outcome(self, id: str) -> Any:
        while id not in self.outcomes:
            self.step()
        return self.outcomes.pop(id)

    def call(self, name: str, data: Any = None) -> Any:
        return self.outcome(self.ask(name, data))

    def step(self) -> None:
        """Wait until something happens, and take it."""
        self.settle()
        deadlines = [self.session.next_deadline()]
        if self.wire is not None:
            deadlines.append(self.wire.client.next_deadline())
        due = min((each for each in deadlines if each is not None), default=None)
        wait = HUNG if due is None else min(HUNG, max(0, due - now().monotonic))
        try:
            number, happened = self.heard.get(timeout=wait)
        except queue.Empty:
            if wait == HUNG:
                raise
            self.session.handle_timeout(now())
            if self.wire is not None:
                self.wire.client.handle_timeout(now().monotonic)
        else:
            if number == self.number:
                happened()
        self.settle()

    def settle(self) -> None:
        moved = True
        while moved:
            moved = False
            for number, text in self.session.data_to_send(now()):
                moved = True
                if number == self.number and self.wire is not None:
                    self.wire.client.send(text)
            while (event := self.session.next_event()) is not None:
                moved = True
                self.on_session_event(event)
            while self.wire and (heard := self.wire.client.next_event()) is not None:
                moved = True
                self.on_framing_event(heard)
        if self.wire is not None:
            self.wire.move()

    def on_session_event(self, event: object) -> None:
        match event:
            case TransportWanted():
                self.connect()
            case TransportDropped(number):
                if number == self.number and self.wire is not None:
                    self.wire.client.close(now().monotonic)
            case ResponseReceived(id, success, payload):
                self.outcomes[id] = (success, payload)
            case RequestFailed(id, error):
                self.outcomes[id] = error
            case SessionClosed():
                self.closed = event

    def on_framing_event(self, event: object) -> None:
        match event:
            case Opened():
                self.is_open = True
                self.session.transport_opened(self.number, now())
            case TextReceived(text):
                self.session.receive(self.number, text, now())
            case Closed():
                was_open = self.is_open
                number = self.number
                self.lose_wire()
                if was_open:
                    self.session.transport_lost(number, now())
                else:
                    self.session.transport_failed(now())

    def connect(self) -> None:
        self.number += 1
        self.is_open = False
        number = self.number
        try:
            wire = self.wire_class(self.url, lambda happened: self.heard.put((number, happened)))
        except OSError:
            self.session.transport_failed(now())
            return
        if isinstance(wire, WebSocketWire) and not wire.is_accepted:
            self.session.transport_failed(now())
        else:
            self.wire = wire

    def lose_wire(self) -> None:
        if self.wire is not None:
            wire, self.wire = self.wire, None
            wire.move()
            wire.close()


WIRES = (WebSocketWire, PollingWire)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("peer_of", PEERS)
def test_requests_are_answered_and_refused(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
    wire: type[WebSocketWire | PollingWire],
) -> None:
    with peer_of(echo) as peer:
        with Caller(peer.url, wire) as caller:
            for data in (1, "x", {"long": "y" * 700_000}):
                assert caller.call("echo", data) == (True, {"success": True, "payload": data})
            success, payload = caller.call("refuse")
            assert (success, payload["code"]) == (False, "ETEST")
            assert caller.session.peer == peer.address == IDENTITY.address
        assert caller.closed == SessionClosed(None)
        assert list(peer.acted_on.values()) == [1, 1, 1, 1]
        assert peer.service.opened == peer.service.closed == [caller.session.session_id]


@pytest.mark.parametrize("peer_of", [*PEERS, node_socketio])
def test_a_websocket_that_goes_away_is_missed(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer | NodeSocketIO]],
) -> None:
    """A session that has no connection ends, here at once."""
    at_once = Settings(linger_time=0, farewell_delay=0)
    with (
        peer_of(echo, settings=at_once) as peer,
        proxy(urlsplit(peer.url).port or 0) as link,
        Caller(link.url(), WebSocketWire) as caller,
    ):
        assert caller.call("echo", 1)[0]
        link.cut(heard_by=frozenset([Direction.TO_SERVER]))
        peer.service.wait_closed(1)
        assert peer.service.closed == [caller.session.session_id]
        link.cut()
        while caller.closed is None:
            caller.step()


def test_a_poll_that_goes_away_is_missed() -> None:
    with in_process(echo) as peer, httpx.Client(trust_env=False, timeout=HUNG) as http:
        target = "/dcp5/socketio/?EIO=4&transport=polling"
        url = f"http://127.0.0.1:{peer.port}{target}"
        sid = http.get(url).text.split('"sid":"')[1].split('"')[0]
        with closing(socket.create_connection(("127.0.0.1", peer.port), HUNG)) as poll:
            poll.sendall(f"GET {target}&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until = now().monotonic + HUNG
        while (got := http.post(f"{url}&sid={sid}", content="3")).status_code == 200:
            assert now().monotonic < until  # it may not have heard of it yet
        assert "Session ID unknown" in got.text


@pytest.mark.parametrize("peer_of", [*PEERS, node_socketio])
def test_a_service_announces_itself_and_hears_announcements(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer | NodeSocketIO]],
) -> None:
    with peer_of(echo) as peer:
        port = urlsplit(peer.url).port or 0
        raw = RawWebSocket(port, "/dcp5/socketio/?EIO=4&transport=websocket")
        with closing(raw.socket):
            assert next(raw.texts).startswith("0{")
            raw.send("40")
            assert next(raw.texts).startswith("40{")
            assert next(raw.texts).startswith('42["message","E0000P{')
            raw.send(r'42["message","E0000P{\"wantsAck\":true}"]')
            assert next(raw.texts) == '42["message","A0000-ACK"]'


@pytest.mark.parametrize("wire", WIRES)
def test_node_passes_on_what_sessions_of_ours_say(wire: type[WebSocketWire | PollingWire]) -> None:
    with node_socketio(echo) as peer:
        with Caller(peer.url, wire) as caller:
            for data in (1, {"long": "y" * 700_000}):
                assert caller.call("echo", data) == (True, {"success": True, "payload": data})
            assert caller.call("refuse")[1]["code"] == "ETEST"
            assert caller.session.peer == peer.address
        assert caller.closed == SessionClosed(None)
        assert list(peer.acted_on.values()) == [1, 1, 1]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("peer_of", PEERS)
def test_an_answer_can_be_held_back(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
    wire: type[WebSocketWire | PollingWire],
) -> None:
    held: Future[Any] = Future()
    with (
        peer_of(lambda operation, *_: held if operation.name == "hold" else "now") as peer,
        Caller(peer.url, wire) as caller,
    ):
        first = caller.ask("hold")
        assert caller.call("go") == (True, "now")
        assert first not in caller.outcomes
        held.set_result("late")
        assert caller.outcome(first) == (True, "late")


def test_an_answer_may_be_awaited() -> None:
    async def answer(operation: Operation, *_: Any) -> Any:
        if operation.name == "refuse":
            raise Refused("no", code="ETEST")
        return "awaited"

    with in_process(answer) as peer, Caller(peer.url, WebSocketWire) as caller:
        assert caller.call("x") == (True, "awaited")
        assert caller.call("refuse")[1]["code"] == "ETEST"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("peer_of", PEERS)
def test_a_peer_that_is_killed_and_comes_back_knows_nothing(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
    wire: type[WebSocketWire | PollingWire],
) -> None:
    held: Future[Any] = Future()
    with peer_of(lambda *_: held) as first, Caller(first.url, wire) as caller:
        asked = caller.ask("x")
        while not first.acted_on:
            caller.step()
        first.kill()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first.port))
        at_once = Settings(farewell_delay=0)
        with peer_of(echo, port=first.port, settings=at_once) as second:
            assert second.url == first.url
            assert isinstance(caller.outcome(asked), OutcomeUnknown)
            assert not second.acted_on
            assert caller.closed is not None


def test_another_may_come_to_the_port() -> None:
    other = Identity(b"\3" * 32)
    with in_process(echo) as first:
        with Caller(first.url, WebSocketWire) as caller:
            assert caller.call("echo", 1)[0]
            assert caller.session.peer == first.address
        first.kill()
        with in_process(echo, port=first.port, identity=other) as second:
            assert second.address == other.address != first.address
            with Caller(second.url, WebSocketWire) as caller:
                assert caller.call("echo", 1)[0]
                assert caller.session.peer == second.address


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("peer_of", PEERS)
def test_a_peer_that_stops_says_goodbye(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
    wire: type[WebSocketWire | PollingWire],
) -> None:
    with peer_of(echo) as peer, Caller(peer.url, wire) as caller:
        assert caller.call("echo", 1)[0]
        stopping = threading.Thread(target=peer.stop)
        stopping.start()
        while caller.wire is not None:  # its last ack may have to wait for a POST
            caller.step()
        stopping.join()
        assert caller.closed == SessionClosed(None)
        assert peer.service.closed == [caller.session.session_id]


@pytest.mark.parametrize("status", [400, 403, 404, 503])
def test_websockets_may_be_refused_while_polling_is_served(status: int) -> None:
    with in_process(echo) as peer:
        peer.refuse_websockets = status
        refused = WebSocketWire(peer.url, print)
        assert (refused.is_accepted, refused.status) == (False, status)
        with Caller(peer.url, PollingWire) as caller:
            assert caller.call("echo", 1)[0]
        peer.refuse_websockets = None
        with Caller(peer.url, WebSocketWire) as caller:
            assert caller.call("echo", 1)[0]
        assert [header for header in peer.requests[0].headers if header[0] == "x-dcp"]


@pytest.mark.parametrize("status", [200, 302, 404, 502])
def test_something_that_is_no_dcp_service(status: int) -> None:
    with in_process(echo) as peer:
        peer.instead = HTTPResponse(status, (("Content-Type", "text/html"),), b"<html>")
        got = httpx.get(f"{peer.url}dcp5/socketio/?EIO=4&transport=polling", trust_env=False)
        assert (got.status_code, got.text) == (status, "<html>")
        assert got.headers["content-type"] == "text/html"
        refused = WebSocketWire(peer.url, print)
        assert (refused.is_accepted, refused.status) == (False, status)
        assert not peer.service.opened


def test_the_path_is_the_services_own() -> None:
    with in_process(echo, path="/a/b/") as peer:
        assert peer.url == f"http://127.0.0.1:{peer.port}/a/b/"
        for wire in WIRES:
            with Caller(peer.url, wire) as caller:
                assert caller.call("echo", 1)[0]
        elsewhere = httpx.get(
            f"http://127.0.0.1:{peer.port}/dcp5/socketio/?EIO=4&transport=polling",
            trust_env=False,
        )
        assert elsewhere.status_code == 404


def announcing(version: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """As a service of another version speaks."""

    def said_as(body: dict[str, Any]) -> dict[str, Any]:
        payload = body.get("payload")
        if isinstance(payload, dict) and payload.get("operation") == "connect":
            return body | {"payload": payload | {"version": version}}
        return body

    return said_as


@pytest.mark.parametrize("peer_of", PEERS)
def test_another_version_may_be_announced(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
) -> None:
    with (
        peer_of(echo, said_as=announcing("6.0.0")) as peer,
        Caller(peer.url, WebSocketWire) as caller,
    ):
        while caller.closed is None:
            caller.step()
        assert caller.closed.error is not None
        assert caller.closed.error.code == "EVERSION"


@pytest.mark.parametrize("peer_of", PEERS)
def test_a_connection_may_change_from_polling_to_a_websocket(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
) -> None:
    with peer_of(echo) as peer, httpx.Client(trust_env=False, timeout=HUNG) as http:
        url = f"{peer.url}dcp5/socketio/?EIO=4&transport=polling"
        handshake = http.get(url).text
        assert '"upgrades":["websocket"]' in handshake
        sid = handshake.split('"sid":"')[1].split('"')[0]
        assert http.post(f"{url}&sid={sid}", content="40").text.lower() == "ok"
        assert http.get(f"{url}&sid={sid}").text.startswith("40{")
        raw = RawWebSocket(peer.port, f"/dcp5/socketio/?EIO=4&transport=websocket&sid={sid}")
        with closing(raw.socket):
            raw.send("2probe")
            assert raw.until("3probe")
            raw.send("5")
            raw.send('42["message","{no sealed text}"]')
            assert raw.until("41")  # it is dropped for it


class RawWebSocket:
    def __init__(self, port: int, target: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), HUNG)
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.socket.sendall(self.protocol.send(Request(host="127.0.0.1", target=target)))
        self.texts = self.read()
        assert next(self.texts) == "accepted"

    def send(self, text: str) -> None:
        self.socket.sendall(self.protocol.send(TextMessage(text)))

    def read(self) -> Iterator[str]:
        while data := self.socket.recv(65536):
            self.protocol.receive_data(data)
            for event in self.protocol.events():
                if isinstance(event, AcceptConnection):
                    yield "accepted"
                elif isinstance(event, TextMessage):
                    yield event.data
                elif isinstance(event, CloseConnection):
                    self.socket.sendall(self.protocol.send(event.response()))

    def until(self, text: str) -> bool:
        return any(each == text for each in self.texts)


def test_heartbeats_run_by_the_clock() -> None:
    with in_process(echo, ping_interval=0.01, ping_timeout=30) as peer:
        raw = RawWebSocket(peer.port, "/dcp5/socketio/?EIO=4&transport=websocket")
        with closing(raw.socket):
            for _ in range(3):
                assert raw.until("2")
                raw.send("3")
    with in_process(echo, ping_interval=0.01, ping_timeout=0.01) as peer:
        raw = RawWebSocket(peer.port, "/dcp5/socketio/?EIO=4&transport=websocket")
        with closing(raw.socket):
            assert list(raw.texts)[-1] == "2"  # that was not answered


def test_the_limits_are_the_services() -> None:
    with in_process(echo, limits=Limits(opening_time=0.01)) as peer:
        raw = RawWebSocket(peer.port, "/dcp5/socketio/?EIO=4&transport=websocket")
        with closing(raw.socket):
            assert next(raw.texts).startswith("0{")
            assert list(raw.texts) == []


@pytest.mark.parametrize("peer_of", PEERS)
def test_what_goes_wrong_in_a_peer_is_seen(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
) -> None:
    def answer(*_: Any) -> Any:
        raise LookupError("a defect of the test")

    def call() -> None:
        with peer_of(answer) as peer, Caller(peer.url, WebSocketWire) as caller:
            success, _ = caller.call("x")
            assert not success

    with pytest.raises(ExceptionGroup, match="the peer has failed") as raised:
        call()
    assert [type(each) for each in raised.value.exceptions] == [LookupError]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("peer_of", PEERS)
def test_nothing_is_left_behind(
    peer_of: Callable[..., AbstractContextManager[ASGIPeer]],
    wire: type[WebSocketWire | PollingWire],
) -> None:
    before = threading.enumerate()
    with peer_of(lambda *_: Future()) as peer, Caller(peer.url, wire) as caller:
        caller.ask("x")
        while not peer.acted_on:
            caller.step()
        peer.kill()
        while caller.is_open and caller.wire is not None:
            caller.step()
        caller.closed = SessionClosed(None)  # it would come back for hours
    assert threading.enumerate() == before


@pytest.mark.parametrize("direction", Direction)
def test_a_session_goes_on_over_the_next_connection(direction: Direction) -> None:
    """A proxy cuts the first; the request is acted on once."""
    with in_process(echo) as peer, proxy(peer.port) as link:
        with Caller(link.url("/"), WebSocketWire) as caller:
            assert caller.call("echo", 0)[0]
            link.plans[0] = Cut(direction, link.connections[0].carried(direction) + 5)
            assert caller.call("echo", 1) == (True, {"success": True, "payload": 1})
            assert len(link.connections) == 2
        assert list(peer.acted_on.values()) == [1, 1]
        assert peer.service.opened == [caller.session.session_id]
