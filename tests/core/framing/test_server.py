"""The server's end: engine.io's answers, recorded connections, and many connections at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from cg_core.framing import socketio
from cg_core.framing.client import target
from cg_core.framing.connection import Closed, Event, Opened, TextReceived
from cg_core.framing.http import HTTPRequest, HTTPResponse
from cg_core.framing.limits import Limits
from cg_core.framing.server import Server
from cg_core.framing.server_connection import (
    ConnectionEvent,
    MessagesReady,
    ResponseReady,
    ServerEvent,
    WebSocketEnded,
)
from tests.core.framing.links import counter, dcp_texts, texts
from tests.core.framing.recordings import dcp_text, exchanges, own_headers, records, sids
from tests.core.framing.recordings import dcp_texts as texts_of_body
from tests.core.function_calls import calls_of
from tests.golden import golden

HANDSHAKE = HTTPRequest("GET", target("/cg/", "polling"))
WEBSOCKET = HTTPRequest("GET", target("/cg/", "websocket"))
OFFICIAL = Limits(body_size=1_000_000_000)


def events_of(server: Server) -> list[ServerEvent]:
    return list(iter(server.next_event, None))


def responses(events: list[ServerEvent]) -> dict[Any, HTTPResponse]:
    return {event.key: event.response for event in events if isinstance(event, ResponseReady)}


def inner(events: list[ServerEvent]) -> list[Event]:
    return [event.event for event in events if isinstance(event, ConnectionEvent)]


def recorded_server(*ids: str) -> Server:
    given = iter(ids)
    return Server(lambda: next(given), OFFICIAL)


# Engine.io's answers.

EXCHANGES = golden("http")["exchanges"]
# What the official service answers elsewhere than at Engine.IO's path (and where it forgets to
# answer) is for a router in front of the server to say; the client's script is not served.
NOT_ENGINE_IO = {
    "path without the last slash: not found",
    "without /cg/: not found",
    "socket.io serves its client script under this path",
    "unknown path",
    "root",
    "status",
    "status at the root",
    "status with POST",
}


def recorded_response(recorded: dict[str, Any]) -> HTTPResponse:
    return HTTPResponse(
        int(recorded["status_line"].split(" ")[1]),
        tuple(tuple(header.split(": ", 1)) for header in recorded["headers"]),
        recorded["body"].encode(),
    )


def test_requests_are_answered_as_engine_io_answers_them() -> None:
    """The recorded exchanges in their order, on one server; Content-Length stands everywhere."""
    server = recorded_server(
        "185bS01MBbMhPjZSAAAA", "Jy-4ehB94K58KAkFAAAB", "_qZpYh9bUo1vzblHAAAA",
        "NFBK47h_yjRvRLkkAAAC", "iZNp2E0cSgftylk7AAAD",
    )  # fmt: skip
    seen = []
    for exchange in EXCHANGES:
        label, recorded = exchange["label"], exchange["request"]
        if label in NOT_ENGINE_IO:
            continue
        seen.append(label)
        headers = tuple((name, str(value)) for name, value in recorded["headers"].items())
        body = recorded.get("body", "").encode()
        request = HTTPRequest(recorded["method"], recorded["path"], headers, body)
        if "first_poll_got" in exchange:
            server.receive_request("first", request, 0.0)
            assert responses(events_of(server)) == {}
        if label.startswith(("POST whose packet", "DCP message before")):
            server.receive_request("handshake", HANDSHAKE, 0.0)  # the recording leaves it out
            events_of(server)
        server.receive_request(label, request, 0.0)
        answers = responses(events_of(server))
        expected = {label: recorded_response(exchange["response"])}
        if "first_poll_got" in exchange:
            expected["first"] = recorded_response(exchange["first_poll_got"])
        assert answers.keys() == expected.keys()
        for key, theirs in expected.items():
            ours = answers[key]
            assert (label, ours.status, ours.body) == (label, theirs.status, theirs.body)
            assert own_headers(ours.headers) == own_headers(theirs.headers)
            lengths = dict(theirs.headers).get("Content-Length", str(len(ours.body)))
            assert dict(ours.headers)["Content-Length"] == lengths
    assert len(seen) + len(NOT_ENGINE_IO) == len(EXCHANGES) == 28


# Recorded connections, the server in place of the official one.


class Replay:
    """A recording, its client's part told to our server.

    What the official service's program did is done again: it sends texts, and closes.
    """

    def __init__(self, name: str) -> None:
        (self.sid, _) = sids(name)
        self.server = recorded_server(*sids(name))
        self.recorded = exchanges(name)
        self.heard: list[str] = []
        self.said: list[str] = []
        self.answers: dict[int, HTTPResponse] = {}
        self.events: list[Event] = []
        for record in records(name):
            kind, is_client = record["kind"], record["from"] == "client"
            if kind == "http-request":
                self.request(record["exchange"])
            elif kind == "http-response" and record["status"] == 200:
                body = self.recorded[record["exchange"]].response.body
                self.program(body.decode().split("\x1e"))
            elif kind == "packet" and record["transport"] == "websocket" and not is_client:
                self.program([record["data"]])
            elif kind == "packet" and record["transport"] == "websocket":
                self.heard += texts_of_body(record["data"].encode())
                self.server.receive_message("ws", record["data"], 0.0)
            elif kind == "ws-control" and is_client:
                self.server.websocket_closed("ws")
            self.said += self.server.messages_to_send("ws")
            new = events_of(self.server)
            self.answers |= responses(new)
            self.events += inner(new)

    def request(self, number: int) -> None:
        request = self.recorded[number].request
        if "transport=websocket" in request.target:
            assert self.server.accept_websocket("ws", request, 0.0) is None
        else:
            self.heard += texts_of_body(request.body)
            self.server.receive_request(number, request, 0.0)

    def program(self, packets: list[str]) -> None:
        for packet in packets:
            if packet == "41":
                self.server.close(self.sid, 0.0)
            elif text := dcp_text(packet):
                self.server.send(self.sid, text)


@pytest.mark.parametrize(
    "name", ["a-websocket-compute-groups", "b-polling-compute-groups", "j-polling-upgrade"]
)
def test_it_says_what_the_official_server_says(name: str) -> None:
    """By WebSocket, by long-polling, and from one to the other: packet for packet."""
    replay = Replay(name)
    assert replay.said == [
        record["data"]
        for record in records(name)
        if record["kind"] == "packet"
        and (record["from"], record["transport"]) == ("server", "websocket")
    ]
    polled = {number: each.response for number, each in replay.recorded.items()
              if each.response.status == 200}  # fmt: skip
    assert replay.answers.keys() == polled.keys()
    for number, theirs in polled.items():
        ours = replay.answers[number]
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
        assert own_headers(ours.headers) == own_headers(theirs.headers)
    assert replay.events[0] == Opened()
    assert texts(replay.events) == replay.heard
    assert replay.events[-1] == Closed(None)
    assert replay.server.next_deadline() is None


# Many connections.


def crowd(size: int) -> Server:
    """A server with so many open connections, half of them by WebSocket."""
    server = Server(counter())
    for number in range(size):
        if number % 2:
            assert server.accept_websocket(number, WEBSOCKET, number / size) is None
            server.receive_message(number, "40", number / size)
        else:
            server.receive_request(number, HANDSHAKE, number / size)
            (sid,) = {response.body[8:].split(b'"')[0] for response in
                      responses(events_of(server)).values()}  # fmt: skip
            where = target("/", "polling", sid=sid.decode())
            server.receive_request("post", HTTPRequest("POST", where, (), b"40"), number / size)
        events_of(server)
    return server


def test_what_happens_on_one_connection_costs_the_same_in_a_crowd() -> None:
    def costs(server: Server) -> list[int]:
        message = f"4{socketio.message('{}')}"
        where = target("/", "polling", sid="id0")
        post = HTTPRequest("POST", where, (), message.encode())
        return [
            calls_of(lambda: server.send("id0", "{}")),
            calls_of(lambda: server.receive_message(1, message, 2.0)),
            calls_of(lambda: server.receive_request("post", post, 2.0)),
            calls_of(lambda: server.receive_message(1, "3", 3.0)),
            calls_of(lambda: server.handle_timeout(3.0)),
            calls_of(server.next_deadline),
            calls_of(lambda: server.close("id0", 3.0)),
        ]

    few, many = costs(crowd(10)), costs(crowd(2_000))
    assert all(cost <= other + 3 for cost, other in zip(many, few, strict=True))


# What all connections hold together.

SMALL = Limits(held_in_all=5_000)


def open_websocket(server: Server, key: str) -> str:
    """A connection that is open; its id."""
    assert server.accept_websocket(key, WEBSOCKET, 0.0) is None
    server.receive_message(key, "40", 0.0)
    server.messages_to_send(key)
    (sid,) = {event.sid for event in events_of(server) if isinstance(event, ConnectionEvent)}
    return sid


def piece(number: int, total: int, length: int) -> str:
    header = json.dumps({"msgId": 7, "seq": number, "total": total})
    return "4" + socketio.message(f"E{len(header):04x}C{header}{'x' * length}")


def ended(server: Server) -> dict[str, str]:
    """The connections that have ended, and why."""
    return {
        event.sid: str(event.event.error)
        for event in events_of(server)
        if isinstance(event, ConnectionEvent) and isinstance(event.event, Closed)
    }


def test_who_has_held_something_the_longest_goes_where_all_hold_too_much() -> None:
    server = Server(counter(), SMALL)
    first, second, third = (open_websocket(server, key) for key in "abc")
    server.receive_message("b", piece(0, 2, 1_000), 0.0)
    server.receive_message("a", piece(0, 2, 1_000), 0.0)
    server.receive_message("c", piece(0, 2, 1_000), 0.0)
    assert ended(server) == {}
    server.receive_message("a", piece(1, 2, 1_000), 0.0)  # it is whole, and held no longer
    assert [type(event) for event in inner(events_of(server))] == [TextReceived]
    server.receive_message("a", piece(0, 3, 2_000), 0.0)
    server.receive_message("a", piece(1, 3, 500), 0.0)
    assert "beside others" in ended(server)[second]
    assert len(server) == 2
    server.receive_message("a", piece(2, 3, 3_000), 0.0)  # whole at once, so it never counts
    assert ended(server) == {}
    assert len(server) == 2
    for sid in (first, third):
        server.close(sid, 0.0)
        server.send(sid, "late")
    assert len(server) == 2  # they linger for the client's goodbye


def test_all_are_told_goodbye() -> None:
    server = Server(counter(), SMALL)
    for key in "ab":
        open_websocket(server, key)
    server.close_all(0.0)
    for key in "ab":
        assert server.messages_to_send(key) == ["41"]


def test_many_small_pieces_count_for_what_they_cost() -> None:
    server = Server(counter(), SMALL)
    sid = open_websocket(server, "a")
    for number in range(16):
        server.receive_message("a", piece(number, 1_000, 1), 0.0)
    assert ended(server) == {}
    server.receive_message("a", piece(16, 1_000, 1), 0.0)
    assert sid in ended(server)


def test_what_nobody_takes_counts_until_it_is_taken() -> None:
    server = Server(counter(), SMALL)
    first, second = (open_websocket(server, key) for key in "ab")
    server.send(first, "{" + "x" * 2_000)
    server.send(second, "{" + "x" * 2_000)
    server.messages_to_send("a")
    server.send(first, "{" + "x" * 2_000)
    assert ended(server) == {}
    server.send(first, "{" + "x" * 2_000)
    assert list(ended(server)) == [second]


class Peer:
    """What the test knows of one connection."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.poll: int | None = None
        self.websocket: int | None = None
        self.probe: int | None = None
        self.is_probed = False
        self.events: list[Event] = []
        self.sent: list[str] = []
        self.posted: list[str] = []
        self.got: list[str] = []

    @property
    def is_open(self) -> bool:
        return Opened() in self.events and not self.is_closed

    @property
    def is_closed(self) -> bool:
        return any(isinstance(event, Closed) for event in self.events)


def has_peers(machine: ManyConnections) -> bool:
    return bool(machine.by_sid)


indices = st.integers(0, 7)


class ManyConnections(RuleBasedStateMachine):
    """Connections that come, talk, upgrade, misbehave and go, and time that passes."""

    @initialize()
    def start(self) -> None:
        self.now = 0.0
        self.cap = 4
        limits = Limits(connections=self.cap, body_size=2_000, queue_size=1_000)
        self.server = Server(counter(), limits)
        self.by_sid: dict[str, Peer] = {}
        self.by_key: dict[int, Peer] = {}
        self.asked: set[int] = set()
        self.answers: dict[int, HTTPResponse] = {}
        self.ready: list[int] = []
        self.ended: set[int] = set()
        self.key = 0

    def new_key(self) -> int:
        self.key += 1
        return self.key

    def pump(self) -> None:
        for event in events_of(self.server):
            match event:
                case ResponseReady(int(key), response):
                    assert key in self.asked - self.answers.keys()
                    self.answers[key] = response
                    if peer := self.by_key.get(key):
                        peer.poll = None
                        if response.status == 200:
                            self.hear(peer, response.body.decode().split("\x1e"))
                case MessagesReady(int(key)):
                    assert key not in self.ready
                    self.ready.append(key)
                case WebSocketEnded(int(key)):
                    self.websocket_gone(key)
                    self.ended.add(key)
                case ConnectionEvent(sid, inner):
                    peer = self.by_sid.setdefault(sid, Peer(sid))
                    assert not peer.is_closed, "something after the end"
                    assert inner != Opened() or peer.events == []
                    peer.events.append(inner)

    def websocket_gone(self, key: int) -> None:
        peer = self.by_key[key]
        self.ready = [each for each in self.ready if each != key]
        if peer.probe == key:
            peer.probe = None
            peer.is_probed = False
        if peer.websocket == key:
            peer.websocket = None

    def hear(self, peer: Peer, packets: list[str]) -> None:
        peer.got += [text for text in map(dcp_text, packets) if text is not None]
        assert peer.got == peer.sent[: len(peer.got)]

    def ask(self, request: HTTPRequest, peer: Peer | None = None) -> HTTPResponse | None:
        key = self.new_key()
        self.asked.add(key)
        if peer is not None and request.method == "GET":
            self.by_key[key] = peer
            peer.poll = key
        self.server.receive_request(key, request, self.now)
        self.pump()
        return self.answers.get(key)

    def say(self, peer: Peer, packet: str) -> None:
        """Have a peer say something by the transport that it has."""
        if peer.websocket is not None:
            self.server.receive_message(peer.websocket, packet, self.now)
            self.pump()
        elif peer.probe is None:  # a peer that changes transports holds its texts back
            where = target("/", "polling", sid=peer.sid)
            assert self.ask(HTTPRequest("POST", where, (), packet.encode())) is not None

    def server_knows(self, peer: Peer) -> bool:
        where = target("/", "polling", sid=peer.sid)
        response = self.ask(HTTPRequest("PUT", where))
        assert response is not None
        return b"unknown" not in response.body

    def pick(self, which: int) -> Peer:
        """One of the connections, and rarely one that has ended."""
        peers = list(self.by_sid.values())
        living = [peer for peer in peers if not peer.is_closed]
        return (living or peers)[which % len(living or peers)] if which else peers[0]

    @rule(opens=st.sampled_from([True, True, True, False]))
    def connect_by_polling(self, opens: bool) -> None:
        known = sum(self.server_knows(peer) for peer in self.by_sid.values())
        response = self.ask(HANDSHAKE)
        assert response is not None
        if known == self.cap:
            assert response.status == 503
            return
        sid = str(json.loads(response.body[1:])["sid"])
        peer = self.by_sid.setdefault(sid, Peer(sid))
        if opens:
            self.say(peer, "40")
            assert peer.events == [Opened()]

    @rule(opens=st.sampled_from([True, True, True, False]))
    def connect_by_websocket(self, opens: bool) -> None:
        known = sum(self.server_knows(peer) for peer in self.by_sid.values())
        key = self.new_key()
        refusal = self.server.accept_websocket(key, WEBSOCKET, self.now)
        if known == self.cap:
            assert refusal is not None
            assert refusal.status == 503
            return
        assert refusal is None
        self.pump()
        self.ready.remove(key)
        (handshake,) = self.server.messages_to_send(key)
        sid = str(json.loads(handshake[1:])["sid"])
        peer = self.by_key[key] = self.by_sid.setdefault(sid, Peer(sid))
        peer.websocket = key
        if opens:
            self.say(peer, "40")
            assert peer.events == [Opened()]

    @precondition(has_peers)
    @rule(which=indices, text=dcp_texts)
    def post(self, which: int, text: str) -> None:
        peer = self.pick(which)
        if peer.is_open and (peer.websocket is not None or peer.probe is None):
            peer.posted.append(text)
            self.say(peer, "42" + json.dumps(["message", text]))
            assert texts(peer.events) == peer.posted

    @precondition(has_peers)
    @rule(which=indices, text=dcp_texts)
    def send(self, which: int, text: str) -> None:
        peer = self.pick(which)
        if not peer.is_closed:  # before it is open, texts wait
            peer.sent.append(text)
        self.server.send(peer.sid, text)
        self.pump()

    @precondition(has_peers)
    @rule(which=indices)
    def poll(self, which: int) -> None:
        peer = self.pick(which)
        if peer.poll is None and peer.websocket is None:
            self.ask(HTTPRequest("GET", target("/", "polling", sid=peer.sid)), peer)
            if peer.is_open:
                assert peer.got == peer.sent

    @rule()
    def take(self) -> None:
        while self.ready:
            key = self.ready.pop(0)
            peer = self.by_key[key]
            messages = self.server.messages_to_send(key)
            if peer.probe == key:
                assert messages == ["3probe"]
                peer.is_probed = True
            else:
                self.hear(peer, messages)
            self.pump()

    @precondition(has_peers)
    @rule(which=indices)
    def probe(self, which: int) -> None:
        peer = self.pick(which)
        key = self.new_key()
        where = target("/", "websocket", sid=peer.sid)
        self.by_key[key] = peer
        if self.server.accept_websocket(key, HTTPRequest("GET", where), self.now) is None:
            assert peer.websocket is None
            assert peer.probe is None
            peer.probe = key
            self.server.receive_message(key, "2probe", self.now)
            self.pump()
            assert peer.poll is None, "a poll waits while the client wants to change"

    @precondition(has_peers)
    @rule(which=indices)
    def upgrade(self, which: int) -> None:
        peer = self.pick(which)
        self.take()
        if peer.probe is not None and peer.is_probed and peer.poll is None:
            peer.websocket, peer.probe, peer.is_probed = peer.probe, None, False
            self.server.receive_message(peer.websocket, "5", self.now)
            self.pump()

    @precondition(has_peers)
    @rule(which=indices)
    def lose_websocket(self, which: int) -> None:
        peer = self.pick(which)
        key = peer.websocket or peer.probe
        if key is not None:
            was_probe = key == peer.probe
            self.websocket_gone(key)
            before = list(peer.events)
            self.server.websocket_closed(key)
            self.pump()
            assert peer.is_closed or (was_probe and peer.events == before)

    @precondition(has_peers)
    @rule(which=indices, text=st.sampled_from(["9", "2", "0{}", "42[", "4"]))
    def break_the_protocol(self, which: int, text: str) -> None:
        peer = self.pick(which)
        if peer.websocket is not None or (peer.probe is None and self.server_knows(peer)):
            self.say(peer, text)
            (*_, closed) = peer.events
            assert isinstance(closed, Closed)

    @precondition(has_peers)
    @rule(which=indices)
    def two_polls(self, which: int) -> None:
        peer = self.pick(which)
        if peer.poll is not None:
            first = peer.poll
            second = self.ask(HTTPRequest("GET", target("/", "polling", sid=peer.sid)))
            assert second == HTTPResponse(400, second.headers if second else (), b"")
            assert self.answers[first].body == b"1"
            assert peer.is_closed
            assert not self.server_knows(peer)

    @precondition(has_peers)
    @rule(which=indices)
    def cancel_poll(self, which: int) -> None:
        peer = self.pick(which)
        if peer.poll is not None:
            key, peer.poll = peer.poll, None
            self.asked.discard(key)
            self.server.request_cancelled(key)
            self.pump()
            assert peer.is_closed
            assert not self.server_knows(peer)

    @precondition(has_peers)
    @rule(which=indices, by_server=st.booleans())
    def goodbye(self, which: int, by_server: bool) -> None:
        peer = self.pick(which)
        if peer.is_open and peer.probe is None:
            if by_server:
                self.server.close(peer.sid, self.now)
                self.pump()
            else:
                self.say(peer, "41")
            assert peer.events[-1] == Closed(None)

    @precondition(has_peers)
    @rule(which=indices)
    def close(self, which: int) -> None:
        peer = self.pick(which)
        if peer.websocket is None and self.server_knows(peer) and peer.probe is None:
            waiting = peer.poll
            self.say(peer, "1")
            assert peer.is_closed
            assert not self.server_knows(peer)
            assert waiting is None or self.answers[waiting].body == b"6"

    @rule(seconds=st.floats(0.0, 12.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.server.handle_timeout(self.now)
        self.pump()

    @invariant()
    def something_is_due_as_long_as_there_is_a_connection(self) -> None:
        deadline = self.server.next_deadline()
        assert (deadline is not None) == any(map(self.server_knows, self.by_sid.values()))
        assert deadline is None or deadline >= self.now

    def teardown(self) -> None:
        """In the end everything is answered, ended and forgotten, if only time passes."""
        if not hasattr(self, "server"):
            return
        while (deadline := self.server.next_deadline()) is not None:
            self.now = deadline
            self.server.handle_timeout(deadline)
            self.pump()
        assert all(peer.is_closed for peer in self.by_sid.values())
        assert not any(map(self.server_knows, self.by_sid.values()))
        assert self.asked == self.answers.keys()
        assert all(peer.websocket is peer.probe is None for peer in self.by_sid.values())
        assert self.server._keys == self.server._connections == {}, "something is left behind"


TestManyConnections = ManyConnections.TestCase
TestManyConnections.settings = settings(
    max_examples=settings().max_examples * 3 // 2, stateful_step_count=50
)
