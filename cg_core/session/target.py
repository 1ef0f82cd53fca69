"""All sessions of a target, and which transport belongs to which (wire.md, Session).

The first text on a transport says where it belongs: a connect begins a session; anything that
carries the id of a session joins it, as a candidate. Who comes back to a session that is not known
here is told, after a while, that it is closed. Nothing is signed in answer to a text that does not
verify.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

import attrs

from cg_core.addresses import Address
from cg_core.deadlines import Deadlines
from cg_core.ecmascript_json import JSONValue
from cg_core.errors import ComputeGroupsError, InvalidValue, ProtocolError, invalid_message
from cg_core.identity import Identity
from cg_core.sealed import Sealed, unseal
from cg_core.session.events import Event, SessionOpened, Transport, TransportDropped
from cg_core.session.identifiers import RandomIdentifiers, Role
from cg_core.session.instant import Instant
from cg_core.session.messages import ABSENT, Ack, from_body
from cg_core.session.places import Capacity, Places
from cg_core.session.session import Session
from cg_core.session.settings import Settings
from cg_core.session.transitions import State
from cg_core.session.validity import StampMemory

# Characters. A connect has 900, an ack 600: what costs more to read is read of who has a session.
_LONGEST_FIRST = 10_000


@attrs.frozen
class _Unknown:
    # Who came back to a session that is not known here, and the nonce to say so with.
    session_id: str
    peer: Address
    nonce: str


class Target:
    """The sessions of a target.

    Args:
        identity: who the target is.
        random_text: gives 21 new random characters of 0-9 a-z A-Z at each call, from the
            operating system's source.
        settings: times and caps of each session.
        capacity: how many sessions there may be.
        stamps: the stamps of requests that came before.

    Attributes:
        untaken: how long the answers are, in all sessions, that their peers have not acknowledged.
    """

    def __init__(
        self,
        identity: Identity,
        random_text: Callable[[], str],
        settings: Settings | None = None,
        *,
        capacity: Capacity | None = None,
        stamps: StampMemory | None = None,
    ) -> None:
        self._identity = identity
        self._random_text = random_text
        self._settings = settings or Settings()
        self._stamps = stamps or StampMemory()
        self._places = Places(capacity or Capacity())
        self._made = 0
        self._sessions: dict[str, Session] = {}
        self._transports: dict[Transport, Session] = {}  # that have said where they belong
        self._strangers: set[Transport] = set()
        self._unknown: dict[Transport, _Unknown] = {}
        self._deadlines: Deadlines[Hashable] = Deadlines()
        self._events: deque[tuple[str | None, Event]] = deque()
        self._touched: dict[Session, None] = {}
        self.untaken = 0
        self._untaken: dict[Session, int] = {}

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another session, and nobody is away who might come back."""
        return self._places.is_full

    # What the program around takes out

    def data_to_send(self, now: Instant) -> list[tuple[Transport, str]]:
        """Take out the texts that are to be sent, each with its transport, in order."""
        texts: list[tuple[Transport, str]] = []
        touched, self._touched = self._touched, {}
        for session in touched:
            texts += session.data_to_send(now)
            self._deadlines.set(session, session.next_deadline())
        return texts

    def next_event(self) -> tuple[str | None, Event] | None:
        """Take out the next event, with its session's id, or None.

        First send what there is to send. Only a `TransportDropped` may belong to no session.
        """
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When to call `handle_timeout`, on the monotonic clock; None where nothing is due."""
        return self._deadlines.next()

    def handle_timeout(self, now: Instant) -> None:
        """Do what is due."""
        for key in self._deadlines.due(now.monotonic):
            if isinstance(key, Session):
                key.handle_timeout(now)
                self._collect(key)
            else:
                assert isinstance(key, tuple)  # of one transport that belongs to no session yet
                self._transport_timed_out(key[0], now)

    # Transports

    def transport_opened(self, transport: Transport, now: Instant) -> None:
        """Somebody has connected, and is to say who it is."""
        self._strangers.add(transport)
        self._deadlines.set((transport,), now.monotonic + self._settings.proof_timeout)
        self._make_room(transport)

    def transport_lost(self, transport: Transport, now: Instant) -> None:
        """A transport is gone. One that was dropped here needs no mention."""
        self._forget(transport)
        session = self._transports.pop(transport, None)
        if session is not None:
            session.transport_lost(transport, now)
            self._collect(session)

    def receive(self, transport: Transport, text: str, now: Instant) -> None:
        """Take a text that came over a transport."""
        session = self._transports.get(transport)
        if session is not None:
            session.receive(transport, text, now)
            self._collect(session)
        elif transport in self._strangers:
            try:
                if len(text) > _LONGEST_FIRST:
                    raise invalid_message("nobody begins with so much")
                self._receive_first(transport, unseal(text), now)
            except ProtocolError:
                self._drop(transport)
        # Else it was dropped, and this was on its way.

    def _receive_first(self, transport: Transport, sealed: Sealed, now: Instant) -> None:
        message = from_body(sealed.body)
        if message.dcpsid is ABSENT:
            session = self._new_session(sealed.owner)
        elif message.dcpsid in self._sessions:
            session = self._sessions[message.dcpsid]
            if session.peer != sealed.owner:
                raise ProtocolError("the session is another's")
        elif isinstance(message, Ack):
            self._strangers.discard(transport)
            self._unknown[transport] = _Unknown(message.dcpsid, sealed.owner, message.nonce)
            soon = now.monotonic + self._settings.farewell_delay
            self._deadlines.set((transport,), soon)
            return
        else:
            raise ProtocolError("no session is resumed like this")
        self._forget(transport)
        self._transports[transport] = session
        if session.session_id is None:
            self._make_room(session)
        session.transport_opened(transport, now)
        session.receive_sealed(transport, sealed, now)
        if session.session_id is not None and session.state is not State.CLOSED:
            self._sessions[session.session_id] = session
        self._collect(session)

    def _new_session(self, peer: Address) -> Session:
        return Session(
            Role.TARGET,
            self._identity,
            self._identifiers(),
            self._settings,
            stamps=self._stamps,
            busy=self._places.refusal(peer),
        )

    def _make_room(self, newcomer: Hashable) -> None:
        for gone in self._places.came(newcomer):
            self._send_away(gone)

    def _send_away(self, gone: Hashable) -> None:
        if isinstance(gone, Session):
            gone.evict()
            self._collect(gone)
        else:
            self._drop(gone)

    def _identifiers(self) -> RandomIdentifiers:
        self._made += 1
        return RandomIdentifiers(Role.TARGET, self._random_text, connection=self._made)

    def _transport_timed_out(self, transport: Transport, now: Instant) -> None:
        unknown = self._unknown.get(transport)
        if unknown is None:
            self._drop(transport)
            return
        self._forget(transport)
        session = Session.farewell(
            self._identity,
            self._identifiers(),
            self._settings,
            peer=unknown.peer,
            session_id=unknown.session_id,
            nonce=unknown.nonce,
            transport=transport,
            now=now,
        )
        self._transports[transport] = session
        self._make_room(session)
        self._collect(session)

    def _drop(self, transport: Transport) -> None:
        self._forget(transport)
        self._events.append((None, TransportDropped(transport)))

    def _forget(self, transport: Transport) -> None:
        self._strangers.discard(transport)
        self._unknown.pop(transport, None)
        self._places.left(transport)
        self._deadlines.set((transport,), None)

    # Sessions

    def respond(
        self, session_id: str, request_id: str, payload: JSONValue, length: int = 0
    ) -> None:
        """Answer a request. After the session's end an answer goes nowhere.

        Args:
            session_id: whose request it is.
            request_id: the request's.
            payload: the answer.
            length: how long it is, for the sake of `untaken`.

        Raises:
            InvalidValue: there is no such request, or it was answered.
        """
        session = self._sessions.get(session_id)
        if session is not None:
            session.respond(request_id, payload, length)
            self._answered(session)

    def refuse(self, session_id: str, request_id: str, error: ComputeGroupsError) -> None:
        """Answer a request that could not be carried out as it came.

        Raises:
            InvalidValue: there is no such request, or it was answered.
        """
        session = self._sessions.get(session_id)
        if session is not None:
            session.refuse(request_id, error)
            self._answered(session)

    def close(self, session_id: str, now: Instant) -> None:
        """End a session, after the answers that are still to come (for a while).

        Raises:
            InvalidValue: there is no such session.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise InvalidValue("there is no such session")
        session.close(now)
        self._collect(session)

    def close_all(self, now: Instant) -> None:
        """End all sessions, and drop who has not said whose it is.

        Whoever is away hears nothing; it is told when it comes back to whoever is here then.
        """
        for session in list(self._sessions.values()):
            if session.state is State.INTERRUPTED:
                session.evict()
            else:
                session.close(now)
            self._collect(session)
        for transport in [*self._strangers, *self._unknown]:
            self._drop(transport)

    def make_room_for_answers(self, most: int) -> bool:
        """Have at most so much `untaken`; where it is more, sessions that are away end.

        Returns:
            Whether it is so.
        """
        if self.untaken > most:
            away = [session for session in self._untaken if session.state is State.INTERRUPTED]
            away.sort(key=self._untaken.__getitem__)
            while away and self.untaken > most:
                self._send_away(away.pop())  # who has the most
        return self.untaken <= most

    def _collect(self, session: Session) -> None:
        while (event := session.next_event()) is not None:
            if isinstance(event, TransportDropped):
                self._transports.pop(event.transport, None)
            elif session.session_id is None:
                continue  # nobody has heard of it
            self._events.append((session.session_id, event))
            if isinstance(event, SessionOpened):
                for gone in self._places.proved(session, event.peer):
                    self._send_away(gone)
        if session.state is State.CLOSED:
            self._places.left(session)
            self._sessions.pop(session.session_id or "", None)
        else:
            self._places.stands(session, away=session.state is State.INTERRUPTED)
        self._deadlines.set(session, session.next_deadline())
        self._answered(session)

    def _answered(self, session: Session) -> None:
        # An answer changes nothing else: it is signed when it is sent.
        self._touched[session] = None
        self.untaken += session.untaken - self._untaken.pop(session, 0)
        if session.untaken:
            self._untaken[session] = session.untaken
