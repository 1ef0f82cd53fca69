"""A target: which text on which transport belongs to which session, and who gets no answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from cg_core import Busy, Identity, InvalidValue, Operation, OutcomeUnknown, ProtocolError
from cg_core.ecmascript_json import JSONValue, stringify
from cg_core.sealed import seal
from cg_core.session import (
    Capacity,
    Event,
    Instant,
    RandomIdentifiers,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    Role,
    Session,
    SessionClosed,
    SessionOpened,
    Settings,
    State,
    Target,
    Transport,
    TransportDropped,
    TransportWanted,
)
from cg_core.session.messages import Validity
from cg_core.session.validity import StampMemory
from tests.core.function_calls import OF_PYTHON, calls_of
from tests.core.session.link import body_of

CLIENT, SERVICE, STRANGER = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
LIST = Operation("listJobs", {})


def at(seconds: float) -> Instant:
    return Instant(seconds, 1_800_000_000 + seconds)


class World:
    """A target, and initiators that are joined to it by hand."""

    def __init__(self, settings: Settings | None = None, capacity: Capacity | None = None) -> None:
        numbers = itertools.count()
        self.random_text: Callable[[], str] = lambda: f"{next(numbers):021}"
        self.target = Target(SERVICE, self.random_text, settings, capacity=capacity)
        self.events: list[tuple[str | None, Event]] = []
        self.said: list[tuple[Transport, str]] = []
        self.clients: dict[Transport, Client] = {}

    def collect(self, now: Instant) -> list[tuple[Transport, str]]:
        texts = self.target.data_to_send(now)
        self.said += texts
        self.events += iter(self.target.next_event, None)
        return texts

    def told(self) -> list[Event]:
        return [event for _, event in self.events]

    def receive(self, transport: Transport, *texts: str, now: Instant) -> list[str]:
        """What the target says on the transport to texts that come over it, in order."""
        for text in texts:
            self.target.receive(transport, text, now)
        return [text for to, text in self.collect(now) if to == transport]


class Client:
    """An initiator, and all that it has said."""

    def __init__(self, world: World, identity: Identity = CLIENT) -> None:
        self.world = world
        identifiers = RandomIdentifiers(Role.INITIATOR, world.random_text)
        self.session = Session(Role.INITIATOR, identity, identifiers)
        self.said: list[str] = []
        self.events: list[Event] = []

    def connect(self, transport: Transport, now: Instant) -> str:
        """Open a session; its id."""
        self.session.start(now)
        self.open(transport, now)
        assert self.session.session_id is not None
        return self.session.session_id

    def open(self, transport: Transport, now: Instant) -> None:
        self.world.clients[transport] = self
        self.world.target.transport_opened(transport, now)
        self.session.transport_opened(transport, now)
        self.flow(now)

    def flow(self, now: Instant) -> None:
        """Carry texts to and fro until there are none."""
        moved = True
        while moved:
            up = self.session.data_to_send(now)
            self.said += [text for _, text in up]
            for transport, text in up:
                self.world.target.receive(transport, text, now)
            down = self.world.collect(now)
            for transport, text in down:
                self.world.clients[transport].session.receive(transport, text, now)
            self.events += iter(self.session.next_event, None)
            moved = bool(up or down)

    def ask(self, now: Instant, operation: Operation = LIST) -> str:
        request = self.session.request(lambda _: operation, now)
        self.flow(now)
        return request

    def last_ack(self) -> str:
        return next(text for text in reversed(self.said) if '"type":"ack"' in text)


def kind_of(text: str) -> object:
    return body_of(text)["type"]


def connected(settings: Settings | None = None) -> tuple[World, Client, str]:
    world = World(settings)
    client = Client(world)
    session_id = client.connect("first", at(0))
    return world, client, session_id


def test_a_session_is_opened_and_told_at_both_ends() -> None:
    world, client, session_id = connected()
    assert world.events == [(session_id, SessionOpened(session_id, CLIENT.address))]
    assert client.events == [TransportWanted(), SessionOpened(session_id, SERVICE.address)]
    assert len(world.target) == 1


def test_a_request_is_answered() -> None:
    world, client, session_id = connected()
    asked = client.ask(at(1))
    assert world.events[-1] == (
        session_id,
        RequestReceived(asked, LIST, CLIENT.address, frozenset()),
    )
    world.target.respond(session_id, asked, {"success": True})
    client.flow(at(2))
    assert client.events[-1] == ResponseReceived(asked, True, {"success": True})
    with pytest.raises(InvalidValue, match="no open request"):
        world.target.respond(session_id, asked, {"success": True})
    with pytest.raises(InvalidValue, match="no open request"):
        world.target.refuse(session_id, asked, ProtocolError("no"))


def test_a_request_that_is_refused_tells_why_and_who_says_so() -> None:
    world, client, session_id = connected()
    asked = client.ask(at(1))
    world.target.refuse(session_id, asked, ProtocolError("not like this", code="ENOSYS"))
    client.flow(at(1))
    answer = client.events[-1]
    assert isinstance(answer, ResponseReceived)
    assert not answer.success
    assert answer.payload == {
        "message": "not like this",
        "name": "ProtocolError",
        "code": "ENOSYS",
        "origin": SERVICE.address,
    }


@pytest.mark.parametrize("text", ["", "{}", "x" * 100, '{"owner":"0x","signature":{},"body":{}}'])
def test_whose_first_text_is_nobodys_is_sent_away_without_a_word(text: str) -> None:
    world = World()
    world.target.transport_opened("t", at(0))
    assert world.receive("t", text, text, now=at(0)) == []
    assert world.events == [(None, TransportDropped("t"))]
    assert world.target.next_deadline() is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"type": "ack", "token": "t", "nonce": "n"},
        {"type": "response", "id": "1", "success": True, "ackToken": "a", "nonce": None},
        {
            "type": "request",
            "id": "1",
            "payload": {"operation": "x"},
            "ackToken": "a",
            "nonce": None,
        },
        {"type": "request", "id": "1", "payload": {"operation": "connect"}, "ackToken": "a"},
        {"type": "request", "id": "1", "payload": {"operation": "x"}, "dcpsid": "gone"},
    ],
)
def test_who_signs_what_begins_no_session_gets_none(body: object) -> None:
    world = World()
    world.target.transport_opened("t", at(0))
    assert world.receive("t", seal(STRANGER, stringify(body)), now=at(0)) == []  # type: ignore[arg-type] # JSON
    assert world.events == [(None, TransportDropped("t"))]
    assert len(world.target) == 0


def test_who_connects_without_a_sid_is_acked_and_sent_away() -> None:
    world = World()
    world.target.transport_opened("t", at(0))
    payload: JSONValue = {"operation": "connect"}
    body = stringify(
        {"id": "1", "type": "request", "payload": payload, "ackToken": "a", "nonce": None}
    )
    (ack,) = world.receive("t", seal(STRANGER, body), now=at(0))
    assert kind_of(ack) == "ack"
    assert world.events == [(None, TransportDropped("t"))]


def test_who_says_nothing_is_sent_away() -> None:
    world = World()
    world.target.transport_opened("t", at(0))
    assert world.target.next_deadline() == Settings().proof_timeout
    world.target.handle_timeout(at(30))
    world.collect(at(30))
    assert world.events == [(None, TransportDropped("t"))]
    assert world.target.next_deadline() is None


def test_what_comes_over_a_transport_that_was_dropped_or_never_opened_is_nothing() -> None:
    world, client, _ = connected()
    connect = client.said[0]
    assert world.receive("never opened", connect, now=at(1)) == []
    world.target.transport_opened("t", at(1))
    assert world.receive("t", "garbage", connect, now=at(1)) == []
    assert len(world.target) == 1


def test_a_replayed_connect_begins_a_session_that_nobody_can_use() -> None:
    world, client, session_id = connected()
    world.target.transport_opened("t", at(1))
    ack, response = world.receive("t", client.said[0], now=at(1))
    assert [kind_of(ack), kind_of(response)] == ["ack", "response"]
    assert len(world.target) == 2
    world.target.handle_timeout(at(31))  # nobody proves anything
    world.target.handle_timeout(at(31 + Settings().unproved_linger_time))
    world.collect(at(200))
    assert len(world.target) == 1
    client.ask(at(201))
    assert world.events[-1][0] == session_id


def used() -> tuple[World, Client, str]:
    """A session whose initiator has acked an answer."""
    world, client, session_id = connected()
    asked = client.ask(at(1))
    world.target.respond(session_id, asked, 0)
    client.flow(at(1))
    return world, client, session_id


def test_who_repeats_an_ack_gets_one_and_nothing_else_and_takes_nothing_over() -> None:
    world, client, session_id = used()
    asked = client.ask(at(1))
    world.target.transport_opened("replay", at(2))
    ack = client.last_ack()
    answers = world.receive("replay", ack, ack, client.said[-1], *client.said, now=at(2))
    assert [kind_of(answer) for answer in answers] == ["ack"]
    assert (session_id, TransportDropped("first")) not in world.events
    world.target.respond(session_id, asked, 1)
    client.flow(at(3))
    assert client.events[-1] == ResponseReceived(asked, True, 1)


def test_an_unproved_transport_does_not_stay() -> None:
    world, client, session_id = used()
    world.target.transport_opened("replay", at(2))
    world.receive("replay", client.last_ack(), now=at(2))
    world.target.handle_timeout(at(2 + Settings().proof_timeout))
    world.collect(at(40))
    assert world.events[-1] == (session_id, TransportDropped("replay"))
    assert world.receive("replay", client.last_ack(), now=at(40)) == []


def test_another_cannot_resume_a_session() -> None:
    world, _, session_id = connected()
    body = f'{{"type":"ack","dcpsid":"{session_id}","token":"t","nonce":"n"}}'
    world.target.transport_opened("t", at(1))
    assert world.receive("t", seal(STRANGER, body), now=at(1)) == []
    assert world.events[-1] == (None, TransportDropped("t"))


def test_a_session_is_resumed_on_another_transport() -> None:
    world, client, session_id = connected()
    client.session.transport_lost("first", at(1))
    client.open("second", at(1))
    assert (session_id, TransportDropped("first")) in world.events
    assert client.session.state is State.ESTABLISHED
    world.target.transport_lost("first", at(2))  # it was dropped, and that is all
    asked = client.ask(at(2))
    world.target.respond(session_id, asked, 1)
    client.flow(at(2))
    assert client.events[-1] == ResponseReceived(asked, True, 1)


def test_who_comes_back_to_a_session_that_is_gone_is_told_after_a_while() -> None:
    world, client, session_id = connected()
    asked = client.ask(at(1))
    client.session.transport_lost("first", at(2))
    world.target = Target(SERVICE, world.random_text)  # it has started anew
    world.events.clear()
    client.open("second", at(3))
    assert client.session.state is State.INTERRUPTED
    assert world.target.next_deadline() == 3 + Settings().farewell_delay
    assert world.receive("second", client.last_ack(), now=at(3.5)) == []
    world.target.handle_timeout(at(4))
    client.flow(at(4))
    failed, closed = client.events[-2:]
    assert isinstance(failed, RequestFailed)
    assert failed.id == asked
    assert isinstance(failed.error, OutcomeUnknown)
    assert closed == SessionClosed(None)
    assert world.events == [
        (session_id, TransportDropped("second")),
        (session_id, SessionClosed(None)),
    ]
    assert len(world.target) == 0
    assert world.target.next_deadline() is None


def test_who_leaves_before_being_told_is_forgotten() -> None:
    world, client, _ = connected()
    client.session.transport_lost("first", at(2))
    world.target = Target(SERVICE, world.random_text)
    client.open("second", at(3))
    world.target.transport_lost("second", at(3))
    assert world.target.next_deadline() is None
    world.target.close_all(at(3))
    assert world.target.next_event() is None


def test_a_stamp_is_taken_once_over_all_sessions_of_a_caller() -> None:
    """observations, transcript i: the second session of the same client."""
    world, stamps = World(), StampMemory()
    world.target = Target(SERVICE, world.random_text, stamps=stamps)
    client = Client(world)
    session_id = client.connect("first", at(0))
    asked = client.ask(at(1))
    request = next(body_of(text) for text in client.said if asked in text)
    stamp = request["payload"]["validity"]["stamp"]
    fault = stamps.take(CLIENT.address, Validity(stamp=stamp, ttl=120, time=at(1).unix), at(2).unix)
    assert fault is not None
    assert fault.code == "EDUP"
    other = Client(world)
    other.connect("other", at(2))
    assert len(world.target) == 2
    assert session_id != other.session.session_id


def test_each_session_has_its_own_deadlines_and_texts() -> None:
    world = World()
    clients = [Client(world, Identity(bytes([number]) * 32)) for number in range(10, 20)]
    ids = [client.connect(number, at(number)) for number, client in enumerate(clients)]
    asked = [client.ask(at(20)) for client in clients]
    for session_id, request in zip(ids, asked, strict=True):
        world.target.respond(session_id, request, session_id)
    said = world.collect(at(21))  # ten answers, none of which is ever acked
    assert [transport for transport, _ in said] == list(range(10))
    world.events.clear()
    world.target.handle_timeout(at(21 + Settings().ack_timeout))
    world.collect(at(200))
    assert world.events == [
        (session_id, TransportDropped(number)) for number, session_id in enumerate(ids)
    ]
    assert len(world.target) == 10  # they linger


def test_what_is_said_to_a_session_that_has_ended_goes_nowhere() -> None:
    world, client, session_id = connected()
    asked = client.ask(at(1))
    client.session.close(at(1))
    client.session.handle_timeout(at(8))  # the answer does not come
    client.flow(at(8))
    assert client.session.state is State.CLOSED
    assert len(world.target) == 0
    said = len(world.said)
    world.target.respond(session_id, asked, 1)
    world.target.refuse(session_id, asked, ProtocolError("no"))
    assert world.collect(at(9)) == []
    assert len(world.said) == said
    with pytest.raises(InvalidValue, match="no such session"):
        world.target.close(session_id, at(9))


def test_a_target_ends_a_session() -> None:
    world, client, session_id = connected()
    world.target.close(session_id, at(1))
    client.flow(at(1))
    assert client.events[-1] == SessionClosed(None)
    assert world.told()[-1] == SessionClosed(None)
    assert len(world.target) == 0


def test_a_target_ends_all_sessions() -> None:
    world, client, _ = connected()
    other = Client(world, STRANGER)
    other.connect("other", at(1))
    world.target.close_all(at(2))
    for each in (client, other):
        each.flow(at(2))
    client.flow(at(2))
    assert len(world.target) == 0


def test_a_target_that_ends_waits_for_nobody_who_is_away() -> None:
    world, _, _ = connected()
    world.target.transport_lost("first", at(1))
    world.target.close_all(at(2))
    world.collect(at(2))
    assert isinstance(world.told()[-1], SessionClosed)
    assert len(world.target) == 0


def test_a_target_that_ends_lets_go_of_who_comes_back_to_a_session_that_is_gone() -> None:
    world, client, _ = connected()
    client.session.transport_lost("first", at(2))
    world.target = Target(SERVICE, world.random_text)
    client.open("second", at(3))
    world.target.close_all(at(3))
    assert world.target.next_event() == (None, TransportDropped("second"))
    assert world.target.next_deadline() is None


def test_the_ids_of_messages_begin_with_the_number_of_their_session() -> None:
    world, client, _ = connected()
    other = Client(world, STRANGER)
    other.connect("other", at(1))
    for number, each in enumerate((client, other), 1):
        world.said.clear()
        assert each.session.session_id is not None
        world.target.close(each.session.session_id, at(2))
        each.flow(at(2))
        ids = [body["id"] for _, text in world.said if "id" in (body := body_of(text))]
        assert [id.partition("-")[0] for id in ids] == [str(number)]


def test_a_peer_of_another_version_is_told_and_sent_away() -> None:
    world, client, _ = connected()
    body = body_of(client.said[0])
    body["payload"]["data"]["version"] = "4.9.9"
    world.target.transport_opened("t", at(1))
    ack, response = world.receive("t", seal(STRANGER, stringify(body)), now=at(1))
    assert kind_of(ack) == "ack"
    assert '"success":false,"payload":{"message":"^5.2.0","code":"EVERSION"}' in response
    dropped, closed = world.told()[-2:]
    assert dropped == TransportDropped("t")
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.code == "EVERSION"
    assert len(world.target) == 1


# Too many sessions


def ended_with(client: Client) -> object:
    closed = client.events[-1]
    assert isinstance(closed, SessionClosed)
    return closed.error


def refused(world: World, transport: str, identity: Identity = STRANGER) -> Busy:
    """What a client is told that finds no room."""
    client = Client(world, identity)
    client.session.start(at(5))
    client.open(transport, at(5))
    error = ended_with(client)
    assert isinstance(error, Busy)
    assert TransportDropped(transport) in world.told()
    return error


def test_where_all_places_are_taken_a_newcomer_is_told_so() -> None:
    world = World(capacity=Capacity(sessions=2))
    for name, identity in (("a", CLIENT), ("b", SERVICE)):
        assert not world.target.is_full
        Client(world, identity).connect(name, at(0))
    assert world.target.is_full
    assert "as many sessions as it can; come back later" in str(refused(world, "c"))
    assert len(world.target) == 2


def test_who_has_been_away_the_longest_makes_room() -> None:
    world = World(capacity=Capacity(sessions=2))
    first, second, third = Client(world), Client(world, SERVICE), Client(world, STRANGER)
    first.connect("a", at(0))
    second.connect("b", at(0))
    for client, name in ((second, "b"), (first, "a")):
        client.session.transport_lost(name, at(1))
        world.target.transport_lost(name, at(1))
    assert not world.target.is_full
    lost = second.session.session_id
    third.connect("c", at(2))
    (session_id, closed) = next(each for each in world.events if isinstance(each[1], SessionClosed))
    assert session_id == lost
    assert isinstance(closed, SessionClosed)
    assert isinstance(closed.error, Busy)
    first.open("d", at(3))
    assert first.session.state is State.ESTABLISHED
    assert world.target.is_full


def test_a_peer_has_so_many_sessions_and_others_have_theirs() -> None:
    world = World(capacity=Capacity(sessions_per_peer=1))
    client = Client(world)
    client.connect("a", at(0))
    assert f"{CLIENT.address} has 1 sessions" in str(refused(world, "b", CLIENT))
    Client(world, STRANGER).connect("c", at(0))
    client.session.close(at(1))
    client.flow(at(1))
    Client(world).connect("d", at(2))
    assert len(world.target) == 2


def test_a_connect_that_is_repeated_locks_nobody_out() -> None:
    world = World(capacity=Capacity(sessions=2, sessions_per_peer=2, unproved=3))
    client = Client(world)
    client.connect("a", at(0))
    connect = client.said[0]
    for number in range(10):
        world.target.transport_opened(number, at(1))
        assert world.receive(number, connect, now=at(1))
    # The first of them had to go, the last wait for a proof that nobody can give.
    assert [number for number in range(10) if TransportDropped(number) in world.told()] == [
        *range(7)
    ]
    Client(world).connect("b", at(2))
    assert client.ask(at(2))
    assert world.target.is_full


def test_who_says_nothing_makes_room_for_who_comes() -> None:
    world = World(capacity=Capacity(unproved=2))
    for name in ("a", "b", "c"):
        world.target.transport_opened(name, at(0))
    world.collect(at(0))
    assert world.told() == [TransportDropped("a")]
    Client(world).connect("d", at(1))
    assert world.told()[1] == TransportDropped("b")


def test_who_is_to_be_told_that_its_session_is_gone_makes_room_too() -> None:
    _, client, _ = connected()
    other = World(capacity=Capacity(unproved=1))
    last_ack = next(text for text in reversed(client.said) if kind_of(text) == "ack")
    body = body_of(last_ack)
    body["dcpsid"] = "1" * 42
    other.target.transport_opened("a", at(0))
    other.target.receive("a", seal(CLIENT, stringify(body)), at(0))
    other.target.handle_timeout(at(1.5))
    assert '"operation":"close"' in other.collect(at(1.5))[0][1]
    other.target.transport_opened("b", at(2))
    other.collect(at(2))
    dropped, closed = other.told()
    assert dropped == TransportDropped("a")
    assert isinstance(closed, SessionClosed)


# Many sessions


def crowd(sessions: int) -> tuple[World, Client, str]:
    """A target with so many sessions; the last of them."""
    world, client, session_id = connected()
    for number in range(1, sessions):
        client = Client(world)
        session_id = client.connect(number, at(number / 1_000))
    world.events.clear()
    return world, client, session_id


def test_what_is_done_for_one_of_a_thousand_sessions_does_not_touch_the_others() -> None:
    """As many calls as for one of two; all that differs is the way down a heap."""

    def steps(world: World, client: Client, session_id: str) -> list[int]:
        target = world.target
        asked = client.session.request(lambda _: LIST, at(2))
        (request,) = (text for _, text in client.session.data_to_send(at(2)))
        transport = next(each for each, other in world.clients.items() if other is client)
        counted = [
            calls_of(lambda: target.receive(transport, request, at(2)), OF_PYTHON),
            calls_of(lambda: target.data_to_send(at(2)), OF_PYTHON),
            calls_of(lambda: list(iter(target.next_event, None)), OF_PYTHON),
            calls_of(target.next_deadline, OF_PYTHON),
            calls_of(lambda: target.respond(session_id, asked, {"success": True}), OF_PYTHON),
            calls_of(lambda: target.data_to_send(at(2)), OF_PYTHON),
            calls_of(lambda: target.transport_lost(transport, at(3)), OF_PYTHON),
            calls_of(lambda: target.data_to_send(at(3)), OF_PYTHON),
        ]
        assert counted[0] > 10
        return counted

    # The first time is not like the others: what is made once is made then.
    steps(*crowd(2))
    few, many = steps(*crowd(2)), steps(*crowd(1_000))
    assert len(few) == len(many)
    assert all(more <= less + 4 for less, more in zip(few, many, strict=True)), (few, many)


def test_each_of_many_deadlines_is_due_in_its_own_session_alone() -> None:
    world = World()
    clients = {}
    for number in range(300):
        client = Client(world)
        clients[client.connect(number, at(0))] = client
    for number, (session_id, client) in enumerate(clients.items()):
        asked = client.session.request(lambda _: LIST, at(1))
        client.flow(at(1))
        world.target.respond(session_id, asked, number)
        world.target.data_to_send(at(2 + number))  # it is lost: it waits for its ack from then on
    world.events.clear()
    for number, session_id in enumerate(clients):
        due = world.target.next_deadline()
        assert due == 2 + number + Settings().ack_timeout
        world.target.handle_timeout(at(due))
        assert world.collect(at(due)) == []
        assert world.events == [(session_id, TransportDropped(number))]
        world.events.clear()
    for number, session_id in enumerate(clients):
        due = world.target.next_deadline()
        assert due == 2 + number + Settings().ack_timeout + Settings().linger_time
        world.target.handle_timeout(at(due))
        world.collect(at(due))
        ((closed, event),) = world.events
        assert closed == session_id
        assert isinstance(event, SessionClosed)
        world.events.clear()
    assert len(world.target) == 0
    assert world.target.next_deadline() is None
