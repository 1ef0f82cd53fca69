"""The DCP session: one machine for both ends (wire.md, Session).

    session.receive(transport, text, now)      what came
    session.data_to_send(now)                  what is to go: send it first
    session.next_event()                       then act on what the session tells
    session.next_deadline()                    when to call handle_timeout(now), at the latest

A session outlives its transports. Who shows up on a new one is a candidate until a fresh message
with the expected nonce proves who it is: whoever saw our peer's last ack could repeat it. Until
then the candidate gets our own last ack and nothing else, and the old transport is kept.

Nothing that a peer sends makes a method raise; it ends in events.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Self

import attrs

from cg_core.addresses import Address
from cg_core.deadlines import Deadlines
from cg_core.ecmascript_json import JSONValue
from cg_core.errors import (
    Busy,
    ClientClosed,
    ComputeGroupsError,
    InvalidValue,
    NetworkError,
    ProtocolError,
    invalid_message,
)
from cg_core.identity import Identity
from cg_core.operations import Operation
from cg_core.sealed import Sealed, unseal
from cg_core.session.authorization import authorized, proved_addresses
from cg_core.session.calls import Call, Calls
from cg_core.session.delivery import Arrival, Delivery, OnDeck
from cg_core.session.events import (
    Event,
    RequestReceived,
    SessionClosed,
    SessionOpened,
    Transport,
    TransportDropped,
    TransportWanted,
)
from cg_core.session.handshake import answer_connect, connect_data, session_id_of
from cg_core.session.identifiers import Identifiers, Role
from cg_core.session.instant import Instant
from cg_core.session.message_texts import numbering_text
from cg_core.session.messages import (
    ABSENT,
    NO_AUTH,
    Absent,
    Ack,
    Batch,
    Message,
    Numbered,
    Request,
    RequestPayload,
    Response,
    Validity,
    from_body,
)
from cg_core.session.outgoing import Item, Outgoing
from cg_core.session.settings import Settings
from cg_core.session.transitions import TRANSITIONS, Input, State
from cg_core.session.transports import Transports, TransportTimer
from cg_core.session.validity import StampMemory

_CLOSE = "EPIPE"  # the code of an ordinary close
_WRONG_NONCE = "DCPC-1026"  # dcp-client's code for it
# Times most_unanswered. An ack too many is given at each resume, and not for ever.
_MOST_UNTAKEN = 10
# Times in a row that what came was not the peer's: once may be the network's fault.
_MOST_STRANGE = 3


class _Timer(enum.Enum):
    ACK = "no ack"
    CLOSE = "no ack of our close"


class Session:
    """One end of a session.

    Args:
        role: which end.
        identity: who signs here.
        identifiers: where ids, tokens and nonces come from.
        settings: times and caps.
        peer: the address that the peer must have, if it is known before.
        stamps: the stamps of requests that came before; a target shares one among its sessions.
        busy: why there is no room for this session, so that its connect is refused (target).

    Attributes:
        state: where the session stands.
        peer: the peer's address, None before its first message.
        untaken: how long the answers are that the peer has not acknowledged yet, all together.
    """

    def __init__(
        self,
        role: Role,
        identity: Identity,
        identifiers: Identifiers,
        settings: Settings | None = None,
        *,
        peer: Address | None = None,
        stamps: StampMemory | None = None,
        busy: Busy | None = None,
    ) -> None:
        self.state = State.CONNECTING
        self.peer = peer
        self.untaken = 0
        self._initiates = role is Role.INITIATOR
        self._identity = identity
        self._identifiers = identifiers
        self._settings = settings or Settings()
        self._stamps = stamps or StampMemory()
        self._busy = busy
        self._deadlines: Deadlines[Hashable] = Deadlines()
        self._events: deque[Event] = deque()
        self._transports = Transports(role, self._settings, self._deadlines, self._events)
        self._delivery = Delivery(identity, identifiers)
        self._calls = Calls(self._deadlines, self._events)
        self._outgoing = Outgoing(self._calls, self._settings)
        # The peer's requests, until our answer is signed: how long it is, None without one.
        self._asked: dict[str, int | None] = {}
        self._unanswered = 0
        self._on_deck_length = 0  # of the answers in the message on deck
        self._keepalive: Call | None = None  # the last after a resume
        self._sid = ""
        self._connect: OnDeck | None = None
        self._close_id: str | None = None
        self._hasty = False  # whether to close without waiting for answers
        self._error: ComputeGroupsError | None = None
        self._clock_offset: float | None = None
        self._strange = 0

    @classmethod
    def farewell(
        cls,
        identity: Identity,
        identifiers: Identifiers,
        settings: Settings,
        *,
        peer: Address,
        session_id: str,
        nonce: str,
        transport: Transport,
        now: Instant,
    ) -> Self:
        """A target's session that only says that there is none, to a peer that came back to it."""
        session = cls(Role.TARGET, identity, identifiers, settings, peer=peer)
        session.state = State.CLOSING
        session._delivery = Delivery(identity, identifiers, nonce=nonce)
        session._delivery.session_id = session_id
        session._transports.use(transport, now.monotonic)
        session._hasty = True
        session._set_timer(_Timer.CLOSE, settings.close_timeout, now)
        return session

    @property
    def session_id(self) -> str | None:
        """The session's id (`dcpsid`), None as long as there is none."""
        return self._delivery.session_id

    # What the program around takes out

    def data_to_send(self, now: Instant) -> list[tuple[Transport, str]]:
        """Take out the texts that are to be sent, each with its transport, in order.

        What is queued is signed here, as much as may go, in one message.
        """
        transport = self._transports.current
        may_send = self.state in (State.ESTABLISHED, State.CLOSING)
        if transport is not None and may_send and self._delivery.on_deck is None:
            if self._outgoing:
                self._send_queued(transport, now)
            if self.state is State.CLOSING and self._delivery.on_deck is None:
                self._send_close(transport, now)
        self._pay_ack()
        return self._delivery.take_texts()

    def next_event(self) -> Event | None:
        """Take out the next event, or None. First send what there is to send."""
        return self._events.popleft() if self._events else None

    def next_deadline(self, *, of_calls: bool = True) -> float | None:
        """When to call `handle_timeout`, on the monotonic clock; None where nothing is due.

        Args:
            of_calls: whether those of requests count, or the session's own alone.
        """
        if of_calls:
            return self._deadlines.next()
        return self._deadlines.next_of(lambda key: not isinstance(key, str))

    def handle_timeout(self, now: Instant) -> None:
        """Do what is due."""
        for key in self._deadlines.due(now.monotonic):
            if key is TransportTimer.WANT:
                self._events.append(TransportWanted())
            elif key is _Timer.ACK:
                self._drop_transport(self._transports.current, now)
            elif isinstance(key, str):
                self._calls.time_out(key)
                self._limit_abandoned(now)
            elif isinstance(key, tuple):
                self._drop_transport(key[0], now)
            elif key is _Timer.CLOSE and not self._hasty and (self._calls.awaited or self._asked):
                self._hurry("the session was closed before it was answered", now)
            else:  # GIVE_UP, or CLOSE again
                self._give_up()

    def _set_timer(self, timer: Hashable, seconds: float, now: Instant) -> None:
        self._deadlines.set(timer, now.monotonic + seconds)

    # Transports

    def start(self, now: Instant) -> None:
        """Begin, as initiator: asks for a transport."""
        self._transports.start(now.monotonic)

    def transport_opened(self, transport: Transport, now: Instant) -> None:
        """A transport is there.

        An initiator's is the one that was wanted; a target's, one whose first text names this
        session, or is to begin it.
        """
        if self.state is State.CLOSED:
            self._events.append(TransportDropped(transport))
        elif self.state is not State.CONNECTING or self._delivery.has_received:
            self._transports.add(transport, now.monotonic)
            self._delivery.repeat_ack(transport)
        else:
            # Nobody can resume what has not begun: this is the transport, whoever is there.
            self._transports.use(transport, now.monotonic)
            if self._initiates:
                self._say_connect(transport, now)

    def hold_off(self, seconds: float, now: Instant) -> None:
        """Ask for no other transport so soon (initiator)."""
        self._transports.not_before = now.monotonic + seconds

    def transport_failed(self, now: Instant) -> None:
        """The transport that was wanted could not be had (initiator)."""
        if self.state is not State.CLOSED:
            self._transports.want(now.monotonic)

    def transport_lost(self, transport: Transport, now: Instant) -> None:
        """A transport is gone. One that the session dropped itself needs no mention."""
        if transport in self._transports:
            connecting = self.state is State.CONNECTING
            if self._transports.lost(transport, now.monotonic, connecting=connecting):
                self._deadlines.set(_Timer.ACK, None)
                self._advance(Input.LOST)

    def _drop_transport(self, transport: Transport, now: Instant) -> None:
        self._events.append(TransportDropped(transport))
        self.transport_lost(transport, now)

    def _prove(self, transport: Transport, now: Instant) -> None:
        if self.state is State.CONNECTING:
            assert self.session_id is not None  # both ends have it before any proof
            assert self.peer is not None  # who proves itself has an address
            self._events.append(SessionOpened(self.session_id, self.peer, self._clock_offset))
        resumed = self._transports.prove(transport, now.monotonic)
        self._advance(Input.PROVED)
        if resumed:
            self._repeat(transport, now)
            if self._initiates and not self._keepalive_is_coming():
                # The target waits for a fresh message: that is our proof.
                if self._keepalive is not None:
                    self.abandon(self._keepalive.id, now)  # acked, and never answered
                keepalive = self._own_call("keepalive", ABSENT, now)
                self._keepalive = keepalive
                self._outgoing.append_first(keepalive)

    def _keepalive_is_coming(self) -> bool:
        # Where one transport after the other breaks, one is enough for all.
        on_deck = self._delivery.on_deck
        call = self._keepalive
        return call is not None and (
            (call.id in self._calls and not call.sent)
            or (on_deck is not None and on_deck.message_id == call.id)
        )

    # Our requests

    def request(
        self,
        operation: Callable[[str], Operation],
        now: Instant,
        *,
        deadline: float | None = None,
        join_identity: Identity | None = None,
    ) -> str:
        """Ask the peer for something.

        Args:
            operation: gives the operation for a session's id; called when the request is signed.
            now: when it is asked; the request is good from then on.
            deadline: when to give up, on the monotonic clock.
            join_identity: an identity whose address the request is to act for (C-9).

        Returns:
            The request's id; one `ResponseReceived` or `RequestFailed` with it will come.

        Raises:
            ClientClosed: the session is closed, or about to be.
        """
        if self.state in (State.CLOSING, State.CLOSED):
            raise ClientClosed("the session is closed; open another one")
        call = self._call(operation, now, join_identity=join_identity)
        self._calls.add(call, deadline)
        self._outgoing.append(call)
        return call.id

    def keepalive(self, now: Instant) -> None:
        """Ask the peer for a sign of life; the session keeps the answer to itself."""
        if self.state is State.ESTABLISHED:
            self._outgoing.append(self._own_call("keepalive", int(now.unix * 1000), now))

    def abandon(self, request_id: str, now: Instant) -> bool:
        """Give up a request: no event will come for it.

        Returns:
            Whether it may be acted on, because it was sent.
        """
        sent = self._calls.abandon(request_id)
        self._limit_abandoned(now)
        return sent

    def close(self, now: Instant) -> None:
        """End the session, after the answers that are still to come (for a while)."""
        if self.state in (State.CLOSING, State.CLOSED):
            return
        self._calls.fail_unsent(ClientClosed("the client was closed before this could be sent"))
        if self._advance(Input.CLOSE) is State.CLOSING:
            self._set_timer(_Timer.CLOSE, self._settings.close_timeout, now)

    def evict(self) -> None:
        """End a session that is not established, without a word (target)."""
        self._error = Busy("the session was given up, for the sake of others")
        self._advance(Input.GAVE_UP)

    def _call(
        self,
        operation: Callable[[str], Operation],
        now: Instant,
        *,
        join_identity: Identity | None = None,
        own: bool = False,
    ) -> Call:
        stamp = self._identifiers.stamp()
        validity = Validity(stamp=stamp, ttl=self._settings.ttl, time=now.unix)
        return Call(self._identifiers.message_id(), operation, validity, join_identity, own)

    def _own_call(self, name: str, data: Any, now: Instant) -> Call:
        call = self._call(lambda _: Operation(name, data), now, own=True)
        self._calls.add(call)
        return call

    def _limit_abandoned(self, now: Instant) -> None:
        if self._calls.abandoned > self._settings.most_abandoned:
            self._break(invalid_message("the peer leaves too many requests unanswered"), now)

    # The peer's requests

    def respond(self, request_id: str, payload: JSONValue, length: int = 0) -> None:
        """Answer a request. After the session's end an answer goes nowhere.

        Args:
            request_id: the request's.
            payload: the answer.
            length: how long it is, for the sake of `untaken`.

        Raises:
            InvalidValue: there is no such request, or it was answered.
        """
        self._answer(Response(id=request_id, success=True, payload=payload), length)

    def refuse(self, request_id: str, error: ComputeGroupsError) -> None:
        """Answer a request that could not be carried out as it came.

        Raises:
            InvalidValue: there is no such request, or it was answered.
        """
        payload = {"message": error.message, "name": error.name, "code": error.code}
        payload["origin"] = self._identity.address
        self._answer(Response(id=request_id, success=False, payload=payload), 0)

    def _answer(self, response: Response, length: int) -> None:
        if self.state is State.CLOSED or self._hasty:
            return
        if self._asked.get(response.id, length) is not None:
            raise InvalidValue(f"there is no open request {response.id!a:.80}")
        self._asked[response.id] = length
        self._unanswered -= 1
        self.untaken += length
        self._outgoing.append(response)

    # Sending

    def _send_queued(self, transport: Transport, now: Instant) -> None:
        load = self._outgoing.take(
            lambda item: self._message(item, now),
            lambda: numbering_text(self._delivery.dcpsid, now.unix, ABSENT, ABSENT),
        )
        if isinstance(load, list):
            batch = Batch(id=self._identifiers.message_id(), payload=())
            self._send(transport, batch, now, members=load)
        elif load is not None:
            self._send(transport, load, now)

    def _message(self, item: Item, now: Instant) -> Message:
        if isinstance(item, Call):
            self._calls.sent(item)
            return self._request(item, now)
        self._on_deck_length += self._asked.pop(item.id) or 0
        return item

    def _request(self, call: Call, now: Instant) -> Request:
        operation = call.operation(self.session_id or "")
        validity = call.validity
        if now.unix - validity.time > self._settings.ttl:
            # It has waited for a connection, and nobody has seen it yet.
            validity = attrs.evolve(validity, time=now.unix)
        payload = RequestPayload(operation=operation.name, data=operation.data, validity=validity)
        auth = NO_AUTH
        if call.join_identity is not None:
            assert self.peer is not None  # the session is established
            payload, auth = authorized(
                payload,
                resource=call.join_identity,
                guardian=self.peer,
                accessor=self._identity.address,
            )
        return Request(id=call.id, payload=payload, auth=auth)

    def _send(
        self, transport: Transport, message: Numbered, now: Instant, *, members: Sequence[str] = ()
    ) -> None:
        self._delivery.send(transport, message, now, members=members)
        self._set_timer(_Timer.ACK, self._settings.ack_timeout, now)

    def _repeat(self, transport: Transport, now: Instant) -> None:
        if self._delivery.repeat(transport):
            self._set_timer(_Timer.ACK, self._settings.ack_timeout, now)

    def _say_connect(self, transport: Transport, now: Instant) -> None:
        if self._connect is None:
            self._sid = self._identifiers.session_part()
            self._say(transport, "connect", connect_data(self._sid), now)
            self._connect = self._delivery.on_deck
        else:
            # The same text again on each new transport, as if it were the first.
            self._delivery = Delivery(self._identity, self._identifiers)
            self._delivery.send_again(transport, self._connect)
            self._set_timer(_Timer.ACK, self._settings.ack_timeout, now)

    def _send_close(self, transport: Transport, now: Instant) -> None:
        answered = not (self._calls.awaited or self._asked)
        if self._close_id is None and (answered or self._hasty):
            code = _CLOSE if self._error is None else self._error.code
            self._close_id = self._say(transport, "close", code, now)

    def _say(self, transport: Transport, name: str, data: Any, now: Instant) -> str:
        # What belongs to the session itself, and passes the queue by.
        call = self._own_call(name, data, now)
        self._calls.sent(call)
        self._send(transport, self._request(call, now), now)
        return call.id

    def _pay_ack(self) -> None:
        # Who waits for an ack sends nothing more: that is how a peer is slowed down. But who is to
        # prove itself needs one before it can take the answers that lie ready.
        open_ = self._unanswered if self._transports.current is None else len(self._asked)
        if self._delivery.owes_ack and open_ < self._settings.most_unanswered:
            self._delivery.pay_ack(self._transports)

    # Receiving

    def receive(self, transport: Transport, text: str, now: Instant) -> None:
        """Take a text that came over a transport of this session."""
        if transport not in self._transports:
            return  # it was dropped, and this was on its way
        try:
            sealed = unseal(text)
        except ProtocolError as error:
            self._distrust(transport, Input.UNVERIFIED, error, now)
        else:
            self.receive_sealed(transport, sealed, now)

    def receive_sealed(self, transport: Transport, sealed: Sealed, now: Instant) -> None:
        """Take a text that was verified already."""
        if transport not in self._transports:
            return
        if self.peer is not None and sealed.owner != self.peer:
            moved_by = Input.REFUSED if self.state is State.CONNECTING else Input.UNVERIFIED
            fault = (
                f"the peer has the address {sealed.owner}, and not {self.peer} as expected; make "
                "sure that it is the right one, and connect anew"
            )
            self._distrust(transport, moved_by, ProtocolError(fault, code="EADDRCHANGE"), now)
            return
        self.peer = sealed.owner
        try:
            message = from_body(sealed.body)
            if isinstance(message, Ack):
                self._receive_ack(transport, message, now)
            else:
                self._receive_numbered(transport, message, now)
        except ProtocolError as error:
            self._distrust(transport, Input.BROKEN, error, now)

    def _receive_ack(self, transport: Transport, ack: Ack, now: Instant) -> None:
        on_deck = self._delivery.on_deck
        arrival = self._delivery.take_ack(ack)
        if arrival is Arrival.UNEXPECTED:
            raise invalid_message("an ack of nothing that was sent")
        if arrival is Arrival.FRESH:
            self._deadlines.set(_Timer.ACK, None)
            self.untaken -= self._on_deck_length
            self._on_deck_length = 0
            if on_deck is not None and on_deck.message_id == self._close_id:
                self._advance(Input.CLOSE_ACKED)
                return
        if self._transports.is_candidate(transport):
            # Anyone may repeat an initiator's last ack; who has a target's is connected to it.
            if self._initiates:
                self._prove(transport, now)
        elif self.state is State.CONNECTING and not self._initiates:
            self._prove(transport, now)
        else:
            self._repeat(transport, now)

    def _receive_numbered(self, transport: Transport, message: Numbered, now: Instant) -> None:
        arrival = self._delivery.judge(message)
        if arrival is Arrival.DUPLICATE:
            # A candidate has got it; an ack that is owed will come when it is due.
            if not self._delivery.owes_ack and not self._transports.is_candidate(transport):
                self._delivery.repeat_ack(transport)
            return
        if message.dcpsid != self.session_id and self.session_id is not None:
            raise _foreign()
        if arrival is Arrival.UNEXPECTED:
            raise ProtocolError("a message without the expected nonce", code=_WRONG_NONCE)
        if self.session_id is None:
            self._receive_first(transport, message, now)
            return
        if self.state is State.CONNECTING or self._transports.is_candidate(transport):
            self._prove(transport, now)
        self._acknowledge(message)
        members = message.payload if isinstance(message, Batch) else (message,)
        for member in sorted(members, key=_is_close):  # which is the last word, wherever it stands
            if self.state is State.CLOSED:
                return
            if member.dcpsid not in (self.session_id, ABSENT):
                raise _foreign()
            self._handle(member, now, alone=member is message)

    def _receive_first(self, transport: Transport, message: Numbered, now: Instant) -> None:
        if not isinstance(message.time, Absent):
            self._clock_offset = message.time - now.unix
        if self._initiates:
            if not isinstance(message, Response) or message.id not in self._calls:
                raise invalid_message("an answer to connect was expected")
            self._acknowledge(message)
            self._take_connect_answer(transport, message, now)
        else:
            if not isinstance(message, Request) or message.payload.operation != "connect":
                raise invalid_message("a session begins with connect")
            self._acknowledge(message)
            self._answer_connect(transport, message, now)

    def _acknowledge(self, message: Numbered) -> None:
        self._strange = 0
        self._delivery.accept(message)
        self._pay_ack()

    def _answer_connect(self, transport: Transport, request: Request, now: Instant) -> None:
        own_part = self._identifiers.session_part()
        peer = self.peer if self._settings.names_peer else None
        answer = answer_connect(request.payload.data, own_part, self._busy, peer=peer)
        self._delivery.session_id = answer.session_id
        agreed = answer.refusal is None
        response = Response(id=request.id, success=agreed, payload=answer.payload)
        self._send(transport, response, now)
        if answer.refusal is not None:
            self._distrust(transport, Input.REFUSED, answer.refusal, now)

    def _take_connect_answer(self, transport: Transport, response: Response, now: Instant) -> None:
        try:
            self._delivery.session_id = session_id_of(response, self._sid, self._identity.address)
        except (ProtocolError, Busy) as error:
            self._distrust(transport, Input.REFUSED, error, now)
        else:
            self._calls.answered(response)
            self._prove(transport, now)

    def _handle(self, message: Message, now: Instant, *, alone: bool) -> None:
        if isinstance(message, Response):
            # Who closes in haste has told everybody already that no answer will come.
            if not self._hasty and not self._calls.answered(message):
                raise invalid_message("a response to no open request")
        elif isinstance(message, Request):
            if _is_close(message):
                self._handle_close(message.payload.data)
            elif message.id in self._asked or message.payload.operation == "connect":
                raise invalid_message("a request that was made before")
            elif self.state is not State.CLOSING:
                self._handle_request(message, now, alone=alone)
        # A notification tells nothing that a session needs.

    def _handle_request(self, request: Request, now: Instant, *, alone: bool) -> None:
        assert self.peer is not None  # it signed this
        payload = request.payload
        if len(self._asked) >= _MOST_UNTAKEN * self._settings.most_unanswered:
            raise invalid_message("the peer does not take its answers")
        self._asked[request.id] = None
        self._unanswered += 1
        if payload.operation == "keepalive":
            self.respond(request.id, {"success": True})
            return
        fault = self._stamps.take(self.peer, payload.validity, now.unix)
        if fault is not None:
            self.refuse(request.id, fault)
            return
        guardian, accessor = self._identity.address, self.peer
        joins_as: frozenset[Address] = frozenset()
        if alone:
            joins_as = proved_addresses(request, guardian=guardian, accessor=accessor)
        data = None if payload.data is ABSENT else payload.data
        operation = Operation(payload.operation, data)
        self._events.append(RequestReceived(request.id, operation, accessor, joins_as))

    def _handle_close(self, code: Any) -> None:
        if code != _CLOSE and self._error is None:
            shown = f"{code!a:.80}" if isinstance(code, str) else "without a code"
            self._error = ProtocolError(f"the peer closed the session: {shown}")
        self._advance(Input.CLOSED_BY_PEER)

    # The end

    def _distrust(
        self, transport: Transport, moved_by: Input, error: ComputeGroupsError, now: Instant
    ) -> None:
        if self._initiates and moved_by is Input.UNVERIFIED:
            if self.state is not State.CONNECTING:
                self._drop_transport(transport, now)
            self.distrust(error)
        elif self._transports.is_candidate(transport):
            # Whoever it is: a stranger does not harm the session itself.
            self._drop_transport(transport, now)
        elif moved_by is Input.BROKEN:
            self._break(error, now)
        else:
            self._error = self._error or error.bare()
            self._advance(moved_by)

    def distrust(self, error: ComputeGroupsError) -> None:
        """What came over a transport, which is gone, was not the peer's (initiator).

        Once, it may be the network's fault, and what is missing comes over the next transport;
        where it is so each time there is no use in going on.
        """
        self._strange += 1
        if self.state is State.CLOSED:
            return
        if self.state is State.CONNECTING or self._strange >= _MOST_STRANGE:
            self._error = self._error or error.bare()
            self._advance(Input.UNVERIFIED)

    def _break(self, error: ComputeGroupsError, now: Instant) -> None:
        # The peer does not keep the protocol: tell it so.
        self._error = self._error or error.bare()
        if self._advance(Input.BROKEN) is State.CLOSING:
            self._calls.fail_unsent(self._error)
            self._hurry("the peer broke the protocol before it answered", now)

    def _hurry(self, why: str, now: Instant) -> None:
        # Close without waiting for answers.
        self._hasty = True
        self._calls.fail_sent(why)
        self._forget_asked()
        self._set_timer(_Timer.CLOSE, self._settings.close_timeout, now)

    def _forget_asked(self) -> None:
        # Nothing more is answered.
        self._outgoing.clear()
        self._asked.clear()
        self._unanswered = 0
        self.untaken = self._on_deck_length

    def _give_up(self) -> None:
        if self.state is not State.CLOSING:
            self._error = NetworkError(
                "there was no connection to the peer for too long", code="ETIMEDOUT"
            )
            if self.state is State.CONNECTING and self._connect is not None:
                self._error = NetworkError(
                    "there was a connection, and nobody answered DCP's connect; is this a DCP "
                    "service?",
                    code="ETIMEDOUT",
                )
        self._advance(Input.GAVE_UP)

    def _advance(self, moved_by: Input) -> State:
        self.state = TRANSITIONS[self.state][moved_by]
        if self.state is State.CLOSED:
            self._end()
        return self.state

    def _end(self) -> None:
        # A last ack, or a refusal, may still be sent: transports are dropped after it.
        self._transports.drop_all()
        self._calls.fail_unsent(self._error or NetworkError("the session ended before it was sent"))
        why = "" if self._error is None else f" ({self._error.message})"
        self._calls.fail_sent(f"the session ended before it was answered{why}")
        self._forget_asked()
        self.untaken = self._on_deck_length = 0
        for timer in (*TransportTimer, *_Timer):
            self._deadlines.set(timer, None)
        self._events.append(SessionClosed(self._error))


def _is_close(message: Message) -> bool:
    return isinstance(message, Request) and message.payload.operation == "close"


def _foreign() -> ProtocolError:
    return ProtocolError("a message of another session", code="EDCPSID")
