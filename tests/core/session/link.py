"""A simulated link between initiators and a target: what is under way arrives when a test says so.

A `Wire` is a transport with its two directions; texts wait on it until they are delivered. A
`Client` is a program with an initiator's session; the link itself is the program around the target,
and the service. A `Record` reads every text that comes out of a machine, and checks the rules that
hold for all of them.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from cg_core import ClientClosed, Identity, JobNotFound, Operation, OutcomeUnknown
from cg_core.ecmascript_json import stringify
from cg_core.errors import ProtocolError
from cg_core.sealed import seal, unseal
from cg_core.session import (
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
    TransportDropped,
    TransportWanted,
)

SERVICE = Identity(bytes([1]) * 32)
USERS = (Identity(bytes([2]) * 32), Identity(bytes([3]) * 32))
MEMBER = Identity(bytes([4]) * 32)
"""An identity for which requests act besides (C-9)."""
STRANGER = Identity(bytes([5]) * 32)

START = 1_800_000_000.0
"""When tests begin, seconds since 1970; their monotonic clock begins at 0."""


def at(seconds: float) -> Instant:
    """A moment after the beginning."""
    return Instant(seconds, START + seconds)


def random_text() -> Callable[[], str]:
    """What takes the place of random text: no two are alike."""
    numbers = itertools.count()
    return lambda: f"{next(numbers):021d}"


def events_of(session: Session) -> list[Event]:
    """The events of a session until now."""
    return list(iter(session.next_event, None))


def body_of(text: str) -> dict[str, Any]:
    """The message in a sealed text."""
    body: dict[str, Any] = json.loads(text)["body"]
    return body


def sealed(identity: Identity, **body: Any) -> str:
    """A text that says what a test wants."""
    return seal(identity, stringify(body))


def operation_of(body: dict[str, Any]) -> str | None:
    """What a message asks, if it is a request."""
    return body["payload"]["operation"] if body["type"] == "request" else None


@attrs.define(eq=False)
class Wire:
    """A transport.

    Attributes:
        number: what both ends call it.
        client: whose it is; None for a stranger's.
        to_target: the texts that are under way to the target.
        to_client: the texts that are under way from it.
        intact: whether texts that are sent now arrive.
        client_has: whether the client counts on it still.
        target_has: whether the target counts on it still.
    """

    number: int
    client: Client | None
    to_target: deque[str] = attrs.field(factory=deque)
    to_client: deque[str] = attrs.field(factory=deque)
    intact: bool = True
    client_has: bool = True
    target_has: bool = True


@attrs.define(eq=False)
class Asked:
    """A request of a user, and what became of it."""

    serial: int
    deadline: float | None
    for_member: bool
    signed_for: list[str] = attrs.field(factory=list)
    outcome: ResponseReceived | RequestFailed | None = None
    abandoned: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its user waits."""
        return self.outcome is None and not self.abandoned

    def operation(self, session_id: str) -> Operation:
        """What is asked, for a session."""
        self.signed_for.append(session_id)
        return Operation("test", {"serial": self.serial, "session": session_id})


@attrs.define(eq=False)
class Client:
    """A program with one session at a time.

    Attributes:
        excused: whether the session may end: somebody closed it, or the time was up.
    """

    identity: Identity
    session: Session
    asked: dict[str, Asked] = attrs.field(factory=dict)
    wire: Wire | None = None
    wants: bool = False
    is_open: bool = False
    is_closed: bool = False
    excused: bool = False


class Record:
    """All texts that came out of the machines, and the rules that each of them keeps."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.delivered: set[str] = set()
        self._numbered: dict[str, str] = {}  # by ack token
        self._acks: dict[tuple[str, str], dict[str, Any]] = {}  # by session and ack token
        self._handed_out: dict[str, str] = {}  # nonces, to the token that they came with
        self._used: set[str] = set()  # nonces
        self._acked: set[str] = set()  # tokens whose acks were delivered
        self._on_deck: dict[object, str] = {}

    def add(self, sender: object, text: str, *, established: bool) -> None:
        """A text that a machine sends; `sender` None where its order is not followed."""
        self.texts.append(text)
        body = body_of(text)
        if body["type"] == "ack":
            self._add_ack(body)
        elif self._numbered.setdefault(body["ackToken"], text) == text:
            if self._on_deck.get(sender) != body["ackToken"]:
                self._add_message(sender, body, established=established)
        else:
            raise AssertionError("one token stands for two texts")

    def deliver(self, text: str) -> None:
        """A text that reaches a machine."""
        self.delivered.add(text)
        try:
            body = unseal(text).body
        except ProtocolError:
            return
        if isinstance(body, dict) and body.get("type") == "ack":
            self._acked.add(str(body["token"]))

    def was_taken(self, body: dict[str, Any]) -> bool:
        """Whether a message reached a session, and not only a transport that was dropped."""
        return (body.get("dcpsid"), body.get("ackToken")) in self._acks

    def _add_ack(self, body: dict[str, Any]) -> None:
        if "dcpsid" not in body:
            self._handed_out.setdefault(body["nonce"], body["token"])
            return  # a connect may be repeated, and each begins a session of its own
        ack = {name: value for name, value in body.items() if name != "dcpsid"}
        key = (body["dcpsid"], ack["token"])
        assert self._acks.setdefault(key, ack) == ack, "two acks of one message"
        assert self._handed_out.setdefault(ack["nonce"], ack["token"]) == ack["token"]

    def _add_message(self, sender: object, body: dict[str, Any], *, established: bool) -> None:
        nonce = body["nonce"]
        if nonce is None:
            assert operation_of(body) == "connect" or body["type"] == "response"
        else:
            assert nonce in self._handed_out, "nobody gave this nonce"
            # A farewell takes the nonce that it was given, were it in a text that is replayed.
            if sender is None and operation_of(body) == "close":
                return
            assert nonce not in self._used, "a nonce was used twice"
            self._used.add(nonce)
        if sender is not None:
            before = self._on_deck.get(sender)
            assert before is None or before in self._acked, "two messages are on their way"
            self._on_deck[sender] = body["ackToken"]
        if body["type"] == "batch":
            assert established, "a batch before the session"
            assert 2 <= len(body["payload"]) <= 20
            for member in body["payload"]:
                assert member["type"] in ("request", "response")
                assert member["dcpsid"] == body["dcpsid"]
                assert not member.get("auth"), "who acts for another travels alone"
                assert not {"ackToken", "nonce"} & set(member)


class Link:
    """Clients, a target, and what is between them.

    Args:
        clients: how many.
        settings: of all machines.
        hostile: whether somebody says things within running sessions, so that they may end.
    """

    def __init__(
        self, *, clients: int = 1, settings: Settings | None = None, hostile: bool = False
    ) -> None:
        self.settings = settings or Settings()
        self.hostile = hostile
        self._waiting = False
        self.seconds = 0.0
        self.record = Record()
        self._random_text = random_text()
        self._serials = itertools.count()
        self._wire_numbers = itertools.count(1)
        self.wires: dict[int, Wire] = {}
        self.target = Target(SERVICE, self._random_text, self.settings)
        self.target_sessions: set[str] = set()
        self.to_answer: dict[tuple[str, str], Asked] = {}
        self.all_asked: dict[int, Asked] = {}
        self.acted_on: set[int] = set()
        self.answered: dict[int, tuple[bool, Any]] = {}
        self.clients = [self._new_client(USERS[n % 2]) for n in range(clients)]

    @property
    def now(self) -> Instant:
        """The moment that it is."""
        return at(self.seconds)

    # Clients and their users

    def _new_client(self, identity: Identity) -> Client:
        session = Session(
            Role.INITIATOR,
            identity,
            RandomIdentifiers(Role.INITIATOR, self._random_text),
            self.settings,
            peer=SERVICE.address if self.hostile else None,
        )
        client = Client(identity, session)
        client.session.start(self.now)
        self._collect_client(client)
        return client

    def restart_client(self, client: Client) -> Client:
        """The program ends without a word, and another one of the same identity begins."""
        if client.wire is not None:
            self.cut(client.wire)
            client.wire.client_has = False
        client.is_closed = True
        number = self.clients.index(client)
        self.clients[number] = self._new_client(client.identity)
        return self.clients[number]

    def ask(
        self, client: Client, *, patience: float | None = None, for_member: bool = False
    ) -> Asked:
        """A user asks for something, in another session where one has ended."""
        deadline = None if patience is None else self.seconds + patience
        asked = Asked(next(self._serials), deadline, for_member)
        self.all_asked[asked.serial] = asked
        try:
            id = client.session.request(
                asked.operation,
                self.now,
                deadline=deadline,
                join_identity=MEMBER if for_member else None,
            )
        except ClientClosed:
            assert client.session.state in (State.CLOSING, State.CLOSED)
            asked.abandoned = True
            return asked
        assert id not in client.asked
        client.asked[id] = asked
        self._collect_client(client)
        return asked

    def abandon(self, client: Client, asked: Asked) -> None:
        """A user waits no longer."""
        id = next(id for id, each in client.asked.items() if each is asked)
        was_open = asked.is_open
        asked.abandoned = True
        sent = client.session.abandon(id, self.now)
        assert sent == (was_open and bool(asked.signed_for))
        self._collect_client(client)

    def keepalive(self, client: Client) -> None:
        """A program looks whether the target is there."""
        client.session.keepalive(self.now)
        self._collect_client(client)

    def close_client(self, client: Client) -> None:
        """A user ends the session."""
        client.excused = True
        client.session.close(self.now)
        self._collect_client(client)

    def _collect_client(self, client: Client) -> None:
        for number, text in client.session.data_to_send(self.now):
            assert isinstance(number, int)
            wire = self.wires[number]
            assert wire.client is client
            assert wire.client_has, "a text for a transport that is gone"
            self.record.add(client, text, established=client.session.session_id is not None)
            if wire.intact:
                wire.to_target.append(text)
        while (event := client.session.next_event()) is not None:
            assert not client.is_closed, "an event after the end"
            self._client_event(client, event)

    def _client_event(self, client: Client, event: Event) -> None:
        if isinstance(event, TransportWanted):
            assert not client.wants
            assert client.wire is None
            client.wants = True
        elif isinstance(event, TransportDropped):
            assert isinstance(event.transport, int)
            wire = self.wires[event.transport]
            assert wire is client.wire, "one that it has no more"
            wire.client_has = wire.intact = False
            client.wire = None
        elif isinstance(event, SessionOpened):
            assert event.peer == SERVICE.address
            assert not client.is_open
            client.is_open = True
        elif isinstance(event, SessionClosed):
            client.is_closed = True
            client.wants = False
            assert client.excused or self.hostile, event.error
            assert self.hostile or not isinstance(event.error, ProtocolError), event.error
            for asked in client.asked.values():
                assert not asked.is_open, "somebody waits for good"
        elif isinstance(event, ResponseReceived):
            self._check_response(client.asked[event.id], event)
        else:
            assert isinstance(event, RequestFailed), "a target asks nothing here"
            self._check_failure(client.asked[event.id], event)

    def _check_response(self, asked: Asked, event: ResponseReceived) -> None:
        assert asked.is_open
        asked.outcome = event
        if asked.serial in self.answered:
            assert (event.success, event.payload) == self.answered[asked.serial]
        else:  # the session itself refused it, for its age
            assert asked.serial not in self.acted_on
            assert not event.success
            assert isinstance(event.payload, dict)
            assert event.payload["code"] == "EEXPIRED"

    def _check_failure(self, asked: Asked, event: RequestFailed) -> None:
        assert asked.is_open
        asked.outcome = event
        assert isinstance(event.error, OutcomeUnknown) == bool(asked.signed_for)
        assert asked.signed_for or asked.serial not in self.acted_on

    # The target and its service

    def restart_target(self) -> None:
        """The service ends without a word, and begins again with the same identity."""
        for wire in self.wires.values():
            if wire.target_has:
                self.cut(wire)
                wire.target_has = False
        self.target = Target(SERVICE, self._random_text, self.settings)
        self.target_sessions.clear()
        self.to_answer.clear()
        for client in self.clients:
            client.excused = True

    def answer(self, key: tuple[str, str], *, refuse: bool = False) -> None:
        """The service answers a request."""
        asked = self.to_answer.pop(key)
        session_id, id = key
        if refuse:
            error = JobNotFound(f"no job {asked.serial}")
            self.answered[asked.serial] = (
                False,
                {
                    "message": error.message,
                    "name": "JobNotFound",
                    "code": "ENOENT",
                    "origin": SERVICE.address,
                },
            )
            self.target.refuse(session_id, id, error)
        else:
            self.answered[asked.serial] = True, {"done": asked.serial}
            self.target.respond(session_id, id, {"done": asked.serial})
        self._collect_target()

    def close_session(self, session_id: str) -> None:
        """The service ends a session."""
        for client in self.clients:
            client.excused = True
        self.target.close(session_id, self.now)
        self._collect_target()

    def _collect_target(self) -> None:
        for number, text in self.target.data_to_send(self.now):
            assert isinstance(number, int)
            wire = self.wires[number]
            assert wire.target_has, "a text for a transport that is gone"
            session_id = body_of(text).get("dcpsid")
            known = session_id in self.target_sessions
            sender = (self.target, session_id) if known else None
            self.record.add(sender, text, established=known)
            if wire.intact:
                wire.to_client.append(text)
        while (found := self.target.next_event()) is not None:
            self._target_event(*found)

    def _target_event(self, session_id: str | None, event: Event) -> None:
        if isinstance(event, TransportDropped):
            assert isinstance(event.transport, int)
            wire = self.wires[event.transport]
            assert wire.target_has, "one that it has no more"
            wire.target_has = wire.intact = False
            return
        assert session_id is not None, "an event of no session"
        if isinstance(event, SessionOpened):
            assert session_id not in self.target_sessions
            self.target_sessions.add(session_id)
        elif isinstance(event, SessionClosed):
            self.target_sessions.discard(session_id)
            for client in self.clients:
                if client.session.session_id == session_id:
                    may_end = client.excused or client.is_closed or self.hostile
                    assert may_end or self._waiting, event.error
                    client.excused = True
            for key in [key for key in self.to_answer if key[0] == session_id]:
                del self.to_answer[key]
        else:
            assert isinstance(event, RequestReceived), "a target asks nothing"
            assert session_id in self.target_sessions
            data = event.operation.data
            asked = self.all_asked[data["serial"]]
            assert asked.signed_for == [session_id] == [data["session"]], "signed for another"
            assert asked.serial not in self.acted_on, "acted on twice"
            assert event.joins_as == ({MEMBER.address} if asked.for_member else frozenset())
            self.acted_on.add(asked.serial)
            self.to_answer[session_id, event.id] = asked

    # Wires

    def open(self, client: Client, *, to_stranger: bool = False) -> Wire:
        """The transport that a client wanted is there; or one to a stranger."""
        assert client.wants
        client.wants = False
        wire = client.wire = Wire(next(self._wire_numbers), client, target_has=not to_stranger)
        self.wires[wire.number] = wire
        if wire.target_has:
            self.target.transport_opened(wire.number, self.now)
            self._collect_target()
        client.session.transport_opened(wire.number, self.now)
        self._collect_client(client)
        return wire

    def fail(self, client: Client) -> None:
        """The transport that a client wanted could not be had."""
        assert client.wants
        client.wants = False
        client.session.transport_failed(self.now)
        self._collect_client(client)

    def stranger(self, *texts: str) -> Wire:
        """Somebody connects to the target and says this."""
        wire = Wire(next(self._wire_numbers), None)
        self.wires[wire.number] = wire
        self.target.transport_opened(wire.number, self.now)
        wire.to_target.extend(texts)
        self.deliver(wire, to_target=True, count=len(texts))
        return wire

    def deliver(self, wire: Wire, *, to_target: bool, count: int = 1) -> None:
        """The next texts of a direction arrive, in one go."""
        queue = wire.to_target if to_target else wire.to_client
        for _ in range(min(count, len(queue))):
            text = queue.popleft()
            self.record.deliver(text)
            if to_target and wire.target_has:
                self.target.receive(wire.number, text, self.now)
            elif not to_target and wire.client_has and wire.client is not None:
                wire.client.session.receive(wire.number, text, self.now)
        self._collect_target()
        if wire.client is not None:
            self._collect_client(wire.client)

    def inject(self, wire: Wire, text: str, *, to_target: bool) -> list[str]:
        """A stranger says something within a transport; what comes out at once."""
        before = len(self.record.texts)
        (wire.to_target if to_target else wire.to_client).appendleft(text)
        self.deliver(wire, to_target=to_target)
        return self.record.texts[before:]

    def cut(self, wire: Wire, *, arrive_at_target: int = 0, arrive_at_client: int = 0) -> None:
        """Break a transport: beyond so many, what is under way is lost."""
        wire.intact = False
        for queue, arrive in (
            (wire.to_target, arrive_at_target),
            (wire.to_client, arrive_at_client),
        ):
            while len(queue) > arrive:
                queue.pop()

    def tell(self, wire: Wire, *, target: bool) -> None:
        """One end learns that a transport is broken."""
        assert not wire.intact
        if target and wire.target_has:
            wire.target_has = False
            wire.to_target.clear()
            self.target.transport_lost(wire.number, self.now)
            self._collect_target()
        elif not target and wire.client_has and wire.client is not None:
            wire.client_has = False
            wire.to_client.clear()
            wire.client.wire = None
            wire.client.session.transport_lost(wire.number, self.now)
            self._collect_client(wire.client)

    # Time

    def next_deadline(self) -> float | None:
        """When something is due, at any end."""
        times = [client.session.next_deadline() for client in self.clients]
        times.append(self.target.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def wait_until(self, seconds: float) -> None:
        """Time passes; what became due is done late."""
        self.seconds = max(self.seconds, seconds)
        if self._is_due(self.target.next_deadline()):
            self._waiting = True
            self.target.handle_timeout(self.now)
            self._collect_target()
            self._waiting = False
            assert not self._is_due(self.target.next_deadline())
        for client in self.clients:
            if self._is_due(client.session.next_deadline()):
                excused, client.excused = client.excused, True
                client.session.handle_timeout(self.now)
                self._collect_client(client)
                client.excused = excused
                assert not self._is_due(client.session.next_deadline())

    def _is_due(self, deadline: float | None) -> bool:
        return deadline is not None and deadline <= self.seconds

    # Until all is quiet

    def flow(self) -> bool:
        """All that is under way arrives, what is wanted is opened; whether there was anything."""
        moved = False
        for wire in list(self.wires.values()):
            for to_target in (True, False) if wire.client is not None else (True,):
                queue = wire.to_target if to_target else wire.to_client
                while queue:
                    moved = True
                    self.deliver(wire, to_target=to_target)
        for client in self.clients:
            if client.wants:
                moved = True
                self.open(client)
        return moved

    def break_told(self) -> bool:
        """Both ends learn what is broken; whether there was anything to learn."""
        moved = False
        for wire in list(self.wires.values()):
            if not wire.intact and (wire.client_has or wire.target_has):
                moved = True
                self.tell(wire, target=True)
                self.tell(wire, target=False)
                wire.client_has = wire.target_has = False
        return moved

    def open_requests(self) -> Iterator[Asked]:
        """The requests whose users wait."""
        for client in self.clients:
            yield from (asked for asked in client.asked.values() if asked.is_open)

    def settle(self, *, told: bool = True) -> None:
        """Everything flows, and the service answers, until nobody waits for anything.

        Where it is not told what is broken, users look for a sign of life, and time passes.
        """
        asked_for_life = False
        for _ in range(200 + 20 * len(self.all_asked)):
            moved = self.break_told() if told else False
            moved |= self.flow()
            for key in list(self.to_answer):
                moved = True
                self.answer(key)
            if moved:
                continue
            waiting = any(True for _ in self.open_requests()) or any(
                not client.is_closed and client.session.state is not State.ESTABLISHED
                for client in self.clients
            )
            if not waiting:
                return
            if not asked_for_life:
                asked_for_life = True
                for client in self.clients:
                    self.keepalive(client)
                continue
            due = self.next_deadline()
            assert due is not None, "a deadlock"
            self.wait_until(due)
        raise AssertionError("it does not come to rest")
