"""Sessions over a network that does what networks do, and over one that is an enemy."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from cg_core import JobNotFound, Operation
from cg_core.ecmascript_json import stringify
from cg_core.sealed import seal
from cg_core.session import (
    RandomIdentifiers,
    RequestReceived,
    ResponseReceived,
    Role,
    Session,
    SessionClosed,
    Settings,
    State,
)
from tests.core.json_values import json_values, paths, replaced
from tests.core.session.link import (
    MEMBER,
    SERVICE,
    STRANGER,
    USERS,
    Client,
    Link,
    Wire,
    at,
    body_of,
    events_of,
    operation_of,
    random_text,
    sealed,
)

few = st.integers(0, 3)
choices = st.integers(0, 10**6)


class NetworkMachine(RuleBasedStateMachine):
    """A network that loses, a user, a service, and strangers who have seen everything."""

    hostile = False

    @initialize(tight=st.booleans())
    def begin(self, tight: bool) -> None:
        few_at_once = Settings(most_unanswered=2, most_candidates=1, batch_length=600)
        self.link = Link(
            clients=2, settings=few_at_once if tight else Settings(), hostile=self.hostile
        )

    def client(self, choice: int) -> Client:
        return self.link.clients[choice % 2]

    def wire(self, choice: int) -> Wire | None:
        # One that matters, rather.
        wires = [
            wire
            for wire in self.link.wires.values()
            if wire.client is not None and (wire.client_has or wire.target_has)
        ]
        return wires[choice % len(wires)] if wires else None

    # Users

    @rule(choice=choices, patience=st.sampled_from([None, None, 0.0, 3.0, 100.0]), count=few)
    def ask(self, choice: int, patience: float | None, count: int) -> None:
        for _ in range(count):
            self.link.ask(self.client(choice), patience=patience)

    @rule(choice=choices)
    def ask_for_member(self, choice: int) -> None:
        self.link.ask(self.client(choice), for_member=True)

    @rule(choice=choices, which=choices)
    def abandon(self, choice: int, which: int) -> None:
        client = self.client(choice)
        asked = [asked for asked in client.asked.values() if not asked.abandoned]
        if asked:
            self.link.abandon(client, asked[which % len(asked)])

    @rule(choice=choices)
    def keepalive(self, choice: int) -> None:
        self.link.keepalive(self.client(choice))

    # The service

    @precondition(lambda self: self.link.to_answer)
    @rule(choice=choices, refuse=st.booleans())
    def answer(self, choice: int, refuse: bool) -> None:
        keys = list(self.link.to_answer)
        self.link.answer(keys[choice % len(keys)], refuse=refuse)

    # The network

    @rule(choice=choices, to_target=st.booleans(), count=st.integers(1, 3))
    def deliver(self, choice: int, to_target: bool, count: int) -> None:
        if wire := self.wire(choice):
            self.link.deliver(wire, to_target=to_target, count=count)

    @rule(count=st.integers(1, 4))
    def flow(self, count: int) -> None:
        for _ in range(count):
            self.link.flow()

    @rule(choice=choices, arrive_at_target=few, arrive_at_client=few)
    def cut(self, choice: int, arrive_at_target: int, arrive_at_client: int) -> None:
        if wire := self.wire(choice):
            self.link.cut(
                wire, arrive_at_target=arrive_at_target, arrive_at_client=arrive_at_client
            )

    @rule(choice=choices, to_target=st.booleans())
    def tell(self, choice: int, to_target: bool) -> None:
        wire = self.wire(choice)
        if wire and not wire.intact:
            self.link.tell(wire, target=to_target)

    @rule(choice=choices, works=st.booleans())
    def open(self, choice: int, works: bool) -> None:
        client = self.client(choice)
        if client.wants:
            (self.link.open if works else self.link.fail)(client)

    @rule(seconds=st.sampled_from([0.2, 1.0, 8.0]))
    def wait(self, seconds: float) -> None:
        self.link.wait_until(self.link.seconds + seconds)

    @rule(late=st.sampled_from([0.0, 0.0, 0.5, 50.0]))
    def wait_for_deadline(self, late: float) -> None:
        due = self.link.next_deadline()
        if due is not None and due < self.link.seconds + 200:
            self.link.wait_until(due + late)

    # Strangers, on connections of their own

    @precondition(lambda self: self.link.record.texts)
    @rule(choice=choices, recent=st.booleans(), times=st.integers(1, 2))
    def replay(self, choice: int, recent: bool, times: int) -> None:
        texts = self.link.record.texts
        text = texts[-1 - choice % min(len(texts), 4)] if recent else texts[choice % len(texts)]
        is_new = not self.link.record.was_taken(body_of(text))
        wire = self.link.stranger(*[text] * times)
        body = body_of(text)
        sent = [body_of(text) for text in wire.to_client]
        if body["type"] == "ack" or (not is_new and operation_of(body) != "connect"):
            assert {each["type"] for each in sent} <= {"ack"}, "more than the last ack"
            assert len({each["token"] for each in sent}) <= 1
            assert len(sent) <= (1 if body["type"] == "ack" else 1 + times)

    @rule(choice=choices, times=st.integers(1, 2))
    def sign_as_stranger(self, choice: int, times: int) -> None:
        texts = self.link.record.texts
        if texts:
            body = body_of(texts[choice % len(texts)])
            if operation_of(body) != "connect":
                wire = self.link.stranger(*[sealed(STRANGER, **body)] * times)
                assert not wire.to_client

    @rule(text=st.sampled_from(["", "{", "{}", "[]", "null", "1e999", "{" * 9]))
    def talk_nonsense(self, text: str) -> None:
        before = len(self.link.record.texts)
        self.link.stranger(text, text)
        assert len(self.link.record.texts) == before

    # Ends

    @rule(choice=choices, unlikely=few)
    def restart_client(self, choice: int, unlikely: int) -> None:
        if not unlikely or self.client(choice).is_closed:
            self.link.restart_client(self.client(choice))

    @rule(unlikely=few)
    def restart_target(self, unlikely: int) -> None:
        if not unlikely:
            self.link.restart_target()

    @rule(choice=choices, unlikely=few)
    def close_client(self, choice: int, unlikely: int) -> None:
        if not unlikely:
            self.link.close_client(self.client(choice))

    @rule(choice=choices, unlikely=few)
    def close_session(self, choice: int, unlikely: int) -> None:
        sessions = sorted(self.link.target_sessions)
        if sessions and not unlikely:
            self.link.close_session(sessions[choice % len(sessions)])

    # At the end

    @rule(told=st.booleans())
    def settle(self, told: bool) -> None:
        self.restart_closed()
        waiting = list(self.link.open_requests())
        sent = len(self.link.record.texts)
        self.link.settle(told=told)
        sent = len(self.link.record.texts) - sent
        assert sent <= 60 + 6 * len(waiting), "ping-pong"
        if not self.hostile:
            for asked in waiting:
                assert not asked.is_open

    def restart_closed(self) -> None:
        for client in self.link.clients:
            if client.is_closed:
                self.link.restart_client(client)

    def teardown(self) -> None:
        if not hasattr(self, "link"):
            return
        self.restart_closed()
        self.link.hostile = False
        self.settle(told=True)
        for client in self.link.clients:
            self.link.close_client(client)
        self.link.settle()
        assert all(client.is_closed for client in self.link.clients)
        for _ in range(3):  # a transport's time, a stranger's, a session's
            self.link.wait_until(self.link.seconds + 8_000)
        assert len(self.link.target) == 0
        assert self.link.target.next_deadline() is None
        assert all(client.session.next_deadline() is None for client in self.link.clients)


class HostileMachine(NetworkMachine):
    """The same, where strangers write into the transports, and take the target's place.

    They may end sessions, and that is all that they may do.
    """

    hostile = True

    @precondition(lambda self: self.link.record.texts)
    @rule(choice=choices, what=choices, recent=st.booleans(), to_target=st.booleans())
    def write_into(self, choice: int, what: int, recent: bool, to_target: bool) -> None:
        texts = self.link.record.texts
        text = texts[-1 - what % min(len(texts), 6)] if recent else texts[what % len(texts)]
        if wire := self.wire(choice):
            self.link.inject(wire, text, to_target=to_target)

    @precondition(lambda self: self.link.record.texts)
    @rule(choice=choices, what=choices, how=st.integers(0, 3), to_target=st.booleans())
    def write_what_does_not_verify(self, choice: int, what: int, how: int, to_target: bool) -> None:
        texts = self.link.record.texts
        genuine = texts[what % len(texts)]
        text = (
            "{}",
            genuine[:-1],
            genuine.replace('"nonce":', '"nonce" :'),
            genuine.replace('"type":"', '"type":"x', 1),
        )[how]
        if wire := self.wire(choice):
            assert self.link.inject(wire, text, to_target=to_target) == []

    @precondition(lambda self: self.link.record.texts)
    @rule(choice=choices, what=choices, to_target=st.booleans())
    def write_as_stranger(self, choice: int, what: int, to_target: bool) -> None:
        texts = self.link.record.texts
        body = body_of(texts[what % len(texts)])
        wire = self.wire(choice)
        if wire and (operation_of(body) != "connect" or not to_target):
            assert self.link.inject(wire, sealed(STRANGER, **body), to_target=to_target) == []

    @rule(choice=choices)
    def take_the_targets_place(self, choice: int) -> None:
        client = self.client(choice)
        if client.wants:
            self.link.open(client, to_stranger=True)

    def teardown(self) -> None:
        if not hasattr(self, "link"):
            return
        for wire in self.link.wires.values():
            if wire.client is not None:
                self.link.cut(wire)
        self.settle(told=True)  # the sessions that were broken end; the others go on
        super().teardown()


generated = settings(
    max_examples=settings().max_examples * 3 // 2,
    stateful_step_count=50,
    phases=(Phase.generate,),  # shrinking would take minutes
)
NetworkTest = NetworkMachine.TestCase
NetworkTest.settings = generated
HostileTest = HostileMachine.TestCase
HostileTest.settings = generated


# Peers that sign anything


def conversation(link: Link) -> Iterator[tuple[Wire, bool, str]]:
    """Every kind of message; each text, and where it goes, before it arrives there."""
    (client,) = link.clients
    wire = link.open(client)
    for turn in range(6):
        for to_target in (True, False) * 3:
            queue = wire.to_target if to_target else wire.to_client
            while queue:
                yield wire, to_target, queue[0]
                link.deliver(wire, to_target=to_target)
        for key in list(link.to_answer):
            link.answer(key, refuse=turn > 2)
        if turn == 0:
            link.ask(client, for_member=True)
        elif turn == 2:
            for _ in range(3):
                link.ask(client)
        elif turn == 4:
            link.close_client(client)


TEXTS_OF_CONVERSATION = sum(1 for _ in conversation(Link()))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1e308, -1e308, 5e-324, "5.3.0", "[" * 9_000, "{}", "\ud800", "x" * 300]),
    st.sampled_from(["ack", "request", "response", "notification", "batch"]),
    st.sampled_from(["connect", "close", "keepalive", "test"]),
    st.text(max_size=9),
)
member_names = st.sampled_from(
    ["type", "id", "payload", "operation", "data", "jsonData", "validity", "auth", "dcpsid"]
)


@given(
    st.integers(0, TEXTS_OF_CONVERSATION - 1), st.integers(0), json_values(scalars, member_names)
)
@example(5, 2, {"operation": "test", "jsonData": "[" * 900 + "]" * 900})
@settings(max_examples=150)
def test_whatever_a_peer_signs_no_method_raises(place: int, path: int, value: Any) -> None:
    link = Link()
    wire, to_target, text = next(
        found for number, found in enumerate(conversation(link)) if number == place
    )
    body = body_of(text)
    where = list(paths(body))
    altered = stringify(replaced(body, where[path % len(where)], value))
    (client,) = link.clients
    session, target = client.session, link.target
    if to_target:
        target.receive(wire.number, seal(USERS[0], altered), link.now)
    else:
        session.receive(wire.number, seal(SERVICE, altered), link.now)
    for seconds in (0, 200, 8_000, 16_000, 24_000):
        link.seconds = seconds
        session.handle_timeout(link.now)
        target.handle_timeout(link.now)
        for _, said in session.data_to_send(link.now):
            target.receive(wire.number, said, link.now)
        for _, said in target.data_to_send(link.now):
            session.receive(wire.number, said, link.now)
        session.transport_lost(wire.number, link.now)
        target.transport_lost(wire.number, link.now)
    assert session.state is State.CLOSED
    assert len(target) == 0


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("place", range(TEXTS_OF_CONVERSATION))
def test_a_text_that_is_nested_without_end_is_not_answered(place: int, opening: str) -> None:
    link = Link(hostile=True)
    wire, to_target, _ = next(
        found for number, found in enumerate(conversation(link)) if number == place
    )
    text = '{"owner":"0x","signature":{},"body":' + opening * 100_000
    assert link.inject(wire, text, to_target=to_target) == []


# What takes two turns of bad luck


def lose(link: Link, client: Client) -> None:
    """The transport breaks, and what was under way is lost; both ends learn of it."""
    assert client.wire is not None
    link.cut(client.wire)
    link.break_told()


def test_an_answer_comes_even_if_the_session_closes_while_it_is_being_resumed() -> None:
    link = Link()
    (client,) = link.clients
    link.settle()
    asked = link.ask(client)
    lose(link, client)
    wire = link.open(client)
    link.deliver(wire, to_target=True)
    link.deliver(wire, to_target=False)  # the two acks: now the request is said again,
    link.deliver(wire, to_target=True)  # and is taken; a keepalive waits behind it
    link.close_client(client)
    lose(link, client)  # with the ack of the request
    before = link.seconds
    link.settle()
    assert isinstance(asked.outcome, ResponseReceived)
    assert client.is_closed
    assert link.seconds == before


def test_many_resumes_that_come_to_nothing_ask_for_one_sign_of_life() -> None:
    link = Link()
    (client,) = link.clients
    link.settle()
    lose(link, client)
    for _ in range(20):
        wire = link.open(client)
        link.deliver(wire, to_target=True)
        link.deliver(wire, to_target=False)  # the acks; what is sent now is lost
        lose(link, client)
        link.wait_until(link.seconds + 30)
    before = len(link.record.texts)
    link.settle()
    said = link.record.texts[before:]
    assert len(said) <= 8
    assert sum(text.count('"operation":"keepalive"') for text in said) == 1


# What comes twice


def test_a_message_that_comes_twice_is_acked_twice_alike_and_done_once() -> None:
    link = Link()
    (client,) = link.clients
    link.settle()
    link.ask(client)
    assert client.wire is not None
    (request,) = client.wire.to_target
    link.deliver(client.wire, to_target=True)
    (ack,) = client.wire.to_client
    assert link.inject(client.wire, request, to_target=True) == [ack]
    assert len(link.to_answer) == 1
    link.settle()
    assert not list(link.open_requests())


def test_an_ack_that_comes_twice_has_nothing_said_again_on_the_same_transport() -> None:
    link = Link()
    (client,) = link.clients
    link.settle()
    link.ask(client)
    assert client.wire is not None
    link.deliver(client.wire, to_target=True)
    (ack,) = client.wire.to_client
    link.deliver(client.wire, to_target=False)
    link.ask(client)  # is on its way
    assert link.inject(client.wire, ack, to_target=False) == []
    link.settle()
    assert not list(link.open_requests())


def test_who_says_everything_twice_is_slowed_down_all_the_same() -> None:
    link = Link(settings=Settings(most_unanswered=2))
    (client,) = link.clients
    link.settle()
    wire = client.wire
    assert wire is not None
    for _ in range(9):
        link.ask(client, for_member=True)  # each alone
        for text in list(wire.to_target):
            link.deliver(wire, to_target=True)
            for said in link.inject(wire, text, to_target=True):
                assert body_of(said)["messageId"] == body_of(text)["id"]
        while wire.to_client:
            link.deliver(wire, to_target=False)
    assert len(link.to_answer) == 3
    link.settle()
    assert len(link.acted_on) == 9


def test_who_comes_back_gets_no_ack_for_what_is_still_to_be_answered() -> None:
    link = Link(settings=Settings(most_unanswered=2))
    (client,) = link.clients
    link.settle()
    for _ in range(9):
        link.ask(client, for_member=True)
        for _ in range(4):
            link.flow()
        lose(link, client)
        link.wait_until(link.seconds + 30)
        link.flow()
    assert 2 <= len(link.to_answer) <= 3
    link.settle()
    assert len(link.acted_on) == 9


# What is still to be answered


def test_what_is_answered_late_makes_room_for_others_to_be_abandoned() -> None:
    link = Link(settings=Settings(most_abandoned=1))
    (client,) = link.clients
    link.settle()
    for _ in range(9):
        asked = link.ask(client)
        link.flow()
        link.abandon(client, asked)
        link.settle()
    for key in list(link.to_answer):
        link.answer(key)
    assert client.session.state is State.ESTABLISHED


def test_a_target_that_closes_gives_the_answers_that_it_owes() -> None:
    link = Link()
    (client,) = link.clients
    link.settle()
    asked = link.ask(client)
    link.flow()
    (key,) = link.to_answer
    link.close_session(key[0])
    assert not link.flow()
    link.answer(key)
    while link.flow():
        pass
    assert isinstance(asked.outcome, ResponseReceived)
    assert client.is_closed


def test_in_a_batch_nobody_acts_for_another() -> None:
    """What is proved by one signature of one request would be anybody's in a batch (C-9)."""
    for in_batch in (False, True):
        link = Link()
        (client,) = link.clients
        link.settle()
        link.ask(client, for_member=True)
        assert client.wire is not None
        (text,) = client.wire.to_target
        body = body_of(text)
        assert body["auth"]
        if in_batch:
            member = {name: body[name] for name in body if name not in ("ackToken", "nonce")}
            body |= {"id": "batch", "type": "batch", "payload": [member], "auth": {}}
        link.target.receive(client.wire.number, sealed(USERS[0], **body), link.now)
        found = link.target.next_event()
        assert found is not None
        assert isinstance(found[1], RequestReceived)
        assert found[1].joins_as == (frozenset() if in_batch else {MEMBER.address})


def test_an_answer_after_the_end_and_the_loss_of_no_transport_are_nothing() -> None:
    text = random_text()
    client = Session(Role.INITIATOR, USERS[0], RandomIdentifiers(Role.INITIATOR, text))
    target = Session(Role.TARGET, SERVICE, RandomIdentifiers(Role.TARGET, text))
    client.start(at(0))
    for session in (client, target):
        session.transport_opened("wire", at(0))
        session.transport_lost("another", at(0))
    asked = client.request(lambda _: Operation("test", {}), at(0))
    for _ in range(4):
        for one, other in ((client, target), (target, client)):
            for _, said in one.data_to_send(at(0)):
                other.receive("wire", said, at(0))
    assert isinstance(events_of(target)[-1], RequestReceived)
    target.receive("wire", "not the client's", at(0))
    assert isinstance(events_of(target)[-1], SessionClosed)
    target.respond(asked, 1)
    target.refuse(asked, JobNotFound("no job"))
    assert target.data_to_send(at(0)) == []
    assert target.next_event() is None


# Memory


def size(*roots: object) -> int:
    """How many objects are held, however far away."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        found = waiting.pop()
        if id(found) not in seen and not isinstance(found, type | FunctionType | ModuleType):
            seen.add(id(found))
            waiting += gc.get_referents(found)
    return len(seen)


def test_what_is_over_takes_no_memory() -> None:
    """Answers, refusals, cuts, abandoned and timed out requests, and sessions that ended."""
    link = Link()
    sizes = []
    for turn in range(600):
        (client,) = link.clients
        link.settle()
        for _ in range(turn % 3):
            link.ask(client, patience=1e9)
        if turn % 5 == 0:
            link.abandon(client, link.ask(client, patience=1e9))
        if turn % 6 == 0:
            link.ask(client, patience=0.0)
            link.wait_until(link.seconds)
        if turn % 4 == 0 and client.wire is not None:
            link.flow()
            link.cut(client.wire)
        if turn % 30 == 29:
            link.settle()
            link.close_client(client)
            link.settle()
            link.restart_client(client)
        if turn % 3 == 2:
            link.stranger(link.record.texts[-1])
            link.stranger(link.record.texts[0])  # a connect: it begins a session of nobody
        link.settle()
        link.wait_until(link.seconds + 20)
        if turn % 30 == 28:
            sizes.append(size(link.clients[0].session, link.target))
        client.asked.clear()  # the tests' own memory
    # Deadlines that were taken away go when they are many; so it rises and falls.
    early, late = sizes[:10], sizes[10:]
    assert max(late) < max(early) + 60, sizes
    assert min(late) < min(early) + 60, sizes
