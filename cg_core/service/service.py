"""A service of compute groups, without its I/O: connections, sessions, and who may do how much.

    service.receive_request(key, request, now)      what came, and the like
    service.next_event()                            what to do, until there is nothing more
    service.next_deadline()                         when to call handle_timeout(now), at the latest

The program around moves bytes, and has the store carry out what `Execute` asks for.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from cg_core.addresses import Address
from cg_core.ecmascript_json import JSONValue, stringify
from cg_core.errors import (
    Busy,
    ComputeGroupsError,
    InvalidArgument,
    LimitReached,
    NetworkError,
    OutcomeUnknown,
    Refused,
    Unsupported,
)
from cg_core.framing import (
    Closed,
    ConnectionEvent,
    HTTPRequest,
    HTTPResponse,
    Opened,
    ResponseReady,
    Server,
    TextReceived,
)
from cg_core.framing.http import overloaded
from cg_core.framing.server_connection import Key
from cg_core.identity import Identity
from cg_core.operations import from_operation, operation_name
from cg_core.ownership import Caller
from cg_core.remote.service_url import ServiceURL
from cg_core.replies import to_reply
from cg_core.requests import AddJobToGroups, CancelAllJobs, RemoveAllJobs, Request
from cg_core.rules import READS
from cg_core.service.events import (
    Answered,
    Execute,
    ServiceEvent,
    SessionBegan,
    SessionEnded,
    Stopped,
    StoreFailed,
)
from cg_core.service.limits import ServiceLimits
from cg_core.service.metrics import Metrics
from cg_core.service.pages import Pages
from cg_core.service.rates import Rates
from cg_core.session import (
    Event,
    Instant,
    RequestReceived,
    SessionClosed,
    SessionOpened,
    StampMemory,
    Target,
    TransportDropped,
)
from cg_core.session.calls import UNKNOWN

_ENVELOPE: Final = 2_000  # characters of a message beside its payload
_LONGEST_RESULT: Final = 4_000  # characters of the answer for one of many groups
_CALL_LENGTH: Final = 2_000  # characters of an answer that are a call; the longest is one burst
_SHOWN: Final = 8  # letters of a session's id, for logs: our own, not those that the peer chose
# Seconds for which a store that failed is said to fail. Who sends nobody to a service that is not
# well would never learn that it is well again.
_FAILING: Final = 30.0
# What callers are told of it.
_STORE_FAULTS: Final[dict[type, str]] = {
    Busy: "the service's database is in use by others, its log says where; come back later",
    NetworkError: "the service's database fails, and nothing was done; its log says where",
    OutcomeUnknown: f"the service's database failed amid it, its log says where; {UNKNOWN}",
}


@attrs.frozen
class _Asked:
    # A request that was taken and not answered yet.
    session_id: str
    request_id: str
    caller: Address
    request: Request[Any]
    since: float

    @property
    def groups(self) -> int:
        # That it names: it takes as much room, and as much of the store's time.
        return len(self.request.groups) if isinstance(self.request, AddJobToGroups) else 1


class Service:
    """A service.

    Args:
        identity: who it is.
        random_text: gives 21 new random characters of 0-9 a-z A-Z at each call, from the
            operating system's source.
        url: where clients find it, which its configuration tells them; what they called if not
            given.
        limits: the caps.
    """

    def __init__(
        self,
        identity: Identity,
        random_text: Callable[[], str],
        *,
        url: ServiceURL | None = None,
        limits: ServiceLimits | None = None,
    ) -> None:
        self._limits = limits = limits or ServiceLimits()
        longest = limits.connections.message_length
        # An answer may share its message with shorter ones, whose characters may count twice.
        batch_length = min(limits.sessions.batch_length, longest // 10)
        self._longest_answer = longest - 2 * batch_length - _ENVELOPE
        self._address = identity.address
        self._path = f"{'/' if url is None else url.path}dcp5/socketio/"
        self._framing = Server(random_text, limits.connections)
        self._target = Target(
            identity,
            random_text,
            attrs.evolve(limits.sessions, batch_length=batch_length, names_peer=True),
            capacity=limits.capacity,
            stamps=StampMemory(
                most_stamps=limits.stamps,
                most_callers=limits.stamp_callers,
                most_in_all=limits.stamps_in_all,
            ),
        )
        self._rates = Rates(limits.calls_per_second, limits.calls_at_once, limits.callers)
        self._metrics = Metrics()
        self._pages = Pages(url, self._health, self._counted)
        self._peers: dict[str, Address] = {}  # of the sessions that there are
        self._asked: dict[int, _Asked] = {}
        self._taken = 0
        self._waiting = 0
        self._fails_until = -math.inf
        self._is_stopping = self._has_stopped = False
        self._events: deque[ServiceEvent] = deque()

    # What the program around takes out

    def next_event(self) -> ServiceEvent | None:
        """The next thing to do or to know, or None."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When to call `handle_timeout`, on the monotonic clock; None where nothing is due."""
        times = (self._framing.next_deadline(), self._target.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def handle_timeout(self, now: Instant) -> None:
        """Do what is due."""
        self._framing.handle_timeout(now.monotonic)
        self._target.handle_timeout(now)
        self._pump(now)

    # HTTP and WebSockets, under keys of the program around (see `framing.Server`)

    def receive_request(self, key: Key, request: HTTPRequest, now: Instant) -> None:
        """Take a whole HTTP request. Its answer is an event, for a poll perhaps a late one."""
        refusal = self._refusal(request, now)
        if refusal is not None:
            self._events.append(ResponseReady(key, refusal))
        else:
            self._framing.receive_request(key, request, now.monotonic)
            self._pump(now)

    def request_cancelled(self, key: Key, now: Instant) -> None:
        """Take it that a request's client went away."""
        self._framing.request_cancelled(key)
        self._pump(now)

    def accept_websocket(self, key: Key, request: HTTPRequest, now: Instant) -> HTTPResponse | None:
        """Take the request for a WebSocket.

        Returns:
            The refusal, or None: it is accepted.
        """
        refusal = self._refusal(request, now)
        if refusal is None:
            refusal = self._framing.accept_websocket(key, request, now.monotonic)
            self._pump(now)
        return refusal

    def receive_message(self, key: Key, text: str, now: Instant) -> None:
        """Take a text message of a WebSocket. Binary ones are to be ignored."""
        self._framing.receive_message(key, text, now.monotonic)
        self._pump(now)

    def messages_to_send(self, key: Key, now: Instant) -> list[str]:
        """Take out what is to be sent by a WebSocket now."""
        messages = self._framing.messages_to_send(key)
        self._pump(now)
        return messages

    def websocket_closed(self, key: Key, now: Instant) -> None:
        """Take the end of a WebSocket."""
        self._framing.websocket_closed(key)
        self._pump(now)

    # Requests

    def executed(self, outcomes: Iterable[tuple[int, object]], now: Instant) -> None:
        """Answer requests.

        Args:
            outcomes: the `Execute.id` of each, and its result, or the error that came of it: a
                refusal, or what befell the store.
            now: the time.
        """
        noted: set[str] = set()  # what befell the store befell all that were carried out together
        for id, outcome in outcomes:
            fails = isinstance(outcome, NetworkError | OutcomeUnknown)
            self._fails_until = now.monotonic + _FAILING if fails else -math.inf
            asked = self._asked.pop(id)
            self._waiting -= asked.groups
            told = outcome.bare() if isinstance(outcome, ComputeGroupsError) else outcome
            if isinstance(told, NetworkError | OutcomeUnknown | Busy):
                # What it says of the database is for who keeps the service.
                if told.message not in noted:
                    self._events.append(StoreFailed(told))
                    noted.add(told.message)
                told = type(told)(_STORE_FAULTS[type(told)])
            self._answer(asked, told, now)
        self._pump(now)

    def stop(self, now: Instant) -> None:
        """Answer what was taken, say goodbye to all, and take nobody any more.

        `Stopped` comes when all have gone, some seconds later at the latest, even if the store has
        not answered.
        """
        self._is_stopping = True
        self._target.close_all(now)
        self._pump(now)

    # What else HTTP asks

    def _refusal(self, request: HTTPRequest, now: Instant) -> HTTPResponse | None:
        # The answer to what is not for a connection, or for one that there is no room for.
        if request.path != self._path:
            return self._pages.answer(request, now.monotonic)
        if request.query.get("sid") or request.method == "OPTIONS":
            return None
        reasons = {
            "stopping": self._is_stopping,
            "sessions": self._target.is_full,
            "connections": self._framing.is_full,
        }
        for reason, is_true in reasons.items():
            if is_true:
                self._metrics.refused[reason] += 1
                return overloaded()
        return None

    def _health(self, now: float) -> tuple[dict[str, JSONValue], bool]:
        status = "ok"
        if self._is_stopping:
            status = "stopping"
        elif now < self._fails_until:
            status = "the store fails"
        return {"status": status, "address": self._address}, status == "ok"

    def _counted(self) -> str:
        return self._metrics.exposition(
            connections=len(self._framing), sessions=len(self._peers), waiting=len(self._asked)
        )

    # Between the connections and the sessions

    def _pump(self, now: Instant) -> None:
        moved = True
        while moved:
            moved = False
            while (event := self._framing.next_event()) is not None:
                moved = True
                if isinstance(event, ConnectionEvent):
                    self._on_connection(event, now)
                else:
                    self._events.append(event)
            for transport, text in self._target.data_to_send(now):
                moved = True
                self._framing.send(str(transport), text)
            while (found := self._target.next_event()) is not None:
                moved = True
                self._on_session(*found, now)
            if self._is_stopping and not (self._has_stopped or len(self._target)):
                moved = self._has_stopped = True
                self._framing.close_all(now.monotonic)
                self._events.append(Stopped())

    def _on_connection(self, event: ConnectionEvent, now: Instant) -> None:
        sid = event.sid
        match event.event:
            case Opened() if self._is_stopping:
                self._framing.close(sid, now.monotonic)
            case Opened():
                self._metrics.connections += 1
                self._target.transport_opened(sid, now)
            case TextReceived(text):
                self._target.receive(sid, text, now)
            case Closed():  # pragma: no branch # the last one
                self._target.transport_lost(sid, now)

    def _on_session(self, session_id: str | None, event: Event, now: Instant) -> None:
        match event:
            case TransportDropped(transport):
                self._framing.close(str(transport), now.monotonic)
            case SessionOpened(id, peer):
                self._peers[id] = peer
                self._metrics.sessions += 1
                self._events.append(SessionBegan(id[-_SHOWN:], peer))
            case SessionClosed(error) if session_id in self._peers:
                peer = self._peers.pop(session_id)
                self._events.append(SessionEnded(session_id[-_SHOWN:], peer, error))
            case RequestReceived():
                assert session_id is not None  # only a dropped transport belongs to no session
                self._take(session_id, event, now)

    # From requests to answers

    def _take(self, session_id: str, event: RequestReceived, now: Instant) -> None:
        try:
            request = from_operation(event.operation, session_id)
        except (Refused, InvalidArgument) as error:
            self._target.refuse(session_id, event.id, error)
            operation = "unknown" if isinstance(error, Unsupported) else event.operation.name
            self._count(operation, error, session_id, event.caller, 0.0)
            return
        asked = _Asked(session_id, event.id, event.caller, request, now.monotonic)
        refusal = self._why_not(asked, now)
        if refusal is not None:
            self._answer(asked, refusal, now)
            return
        self._taken += 1
        self._asked[self._taken] = asked
        self._waiting += asked.groups
        self._events.append(Execute(self._taken, request, Caller(event.caller, event.joins_as)))

    def _why_not(self, asked: _Asked, now: Instant) -> Refused | None:
        # Why a request is not carried out, whatever the store would say.
        # More than may come at once would never be taken.
        calls = min(asked.groups, self._limits.calls_at_once)
        if not self._rates.take(asked.caller, now.monotonic, calls):
            rate = self._limits.calls_per_second
            return Busy(f"{asked.caller} makes more than {rate:g} calls a second; make fewer")
        if self._waiting >= self._limits.waiting_calls:
            return Busy("too many calls wait for the store; come back later")
        most_groups = max(self._longest_answer // _LONGEST_RESULT, 1)
        if asked.groups > most_groups:
            return LimitReached(
                f"the call names {asked.groups} groups, and {most_groups} is the most; make several"
            )
        return None

    def _answer(self, asked: _Asked, outcome: Any, now: Instant) -> None:
        session_id, id, request = asked.session_id, asked.request_id, asked.request
        if isinstance(outcome, ComputeGroupsError) and not isinstance(
            outcome, Refused | InvalidArgument
        ):
            self._target.refuse(session_id, id, outcome)  # the store failed
        else:
            payload = to_reply(request, outcome)
            length = _length(payload)
            # A list of many costs the store, and us, as much as many calls do.
            more = max(length // _CALL_LENGTH - asked.groups, 0)
            self._rates.charge(asked.caller, now.monotonic, more)
            too_much = self._too_much(request, outcome, length)
            if too_much is not None:
                # What is not only read is done, though there is too much to tell of it.
                outcome = too_much if type(request) in READS else None
                payload = to_reply(request, outcome)
                length = _length(payload)
            self._target.respond(session_id, id, payload, length)
        seconds = now.monotonic - asked.since
        self._count(operation_name(request), outcome, session_id, asked.caller, seconds)

    def _too_much(self, request: Request[Any], outcome: Any, length: int) -> Refused | None:
        # Why an answer cannot be told, if it is one of those that grow without bound.
        grows = type(request) in READS or isinstance(request, RemoveAllJobs | CancelAllJobs)
        if isinstance(outcome, ComputeGroupsError) or not grows:
            return None
        most = self._longest_answer
        if length > most:
            return LimitReached(f"the answer has {length} characters, and {most} is the most")
        if not self._target.make_room_for_answers(self._limits.untaken_answers - length):
            return Busy("too many answers wait to be taken; come back later")
        return None

    def _count(
        self, operation: str, outcome: Any, session_id: str, caller: Address, seconds: float
    ) -> None:
        told = type(outcome).__name__ if isinstance(outcome, ComputeGroupsError) else "done"
        self._metrics.answered(operation, told, seconds)
        self._events.append(Answered(session_id[-_SHOWN:], caller, operation, told, seconds))


def _length(payload: JSONValue) -> int:
    text = stringify(payload)
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
