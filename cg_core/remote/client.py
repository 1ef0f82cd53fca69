"""A client of a service far away: requests in, results out, and between them what I/O to do.

    call = client.call(request, now)         somebody waits for an answer
    while (event := client.next_event()):    then see what is to be done, or told
    client.next_deadline()                   when to call handle_timeout(now), at the latest

A session comes with the first call, serves all of them, and is closed when it was idle for a while.
What happens to calls when a session is lost is rule C-21: those that were sent end as
`OutcomeUnknown`, the others move to the next session.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from cg_core.errors import (
    ClientClosed,
    ComputeGroupsError,
    InvalidValue,
    NetworkError,
    OutcomeUnknown,
)
from cg_core.identity import Identity
from cg_core.operations import to_operation
from cg_core.remote.events import Call, CallEnded, Event
from cg_core.remote.link import Link
from cg_core.remote.lookup import Located
from cg_core.remote.options import Options
from cg_core.remote.service_url import ServiceURL
from cg_core.replies import from_reply
from cg_core.requests import AddJob, AddJobToGroups, ChangeGroup, CreateGroup, Request
from cg_core.session import Event as SessionEvent
from cg_core.session import (
    Instant,
    RandomIdentifiers,
    RequestFailed,
    ResponseReceived,
    Role,
    Session,
    SessionOpened,
    Settings,
)
from cg_core.session.calls import UNKNOWN

# A client acknowledges at once, and so does a service: twenty seconds without an ack are a dead
# connection, and leave time to heal it before a call's deadline.
_ACK_TIMEOUT = 20.0
# Where calls have less time, a third of that, but always more than a network needs.
_SHORTEST_ACK_TIMEOUT = 5.0
# The service may be gone: leaving must not take long.
_CLOSE_TIMEOUT = 2.0
# How often a call may move to another session: a service that breaks them all is not asked forever.
_MOST_MOVES = 3
_CLOCK_CODES = ("ETIMETRAVEL", "EEXPIRED")
_CLOCK_SLACK = 300.0  # seconds; a service allows for 600


@attrs.define
class _Placed:
    """Where a call is.

    Attributes:
        call: the call.
        link: over which it goes.
        moves: how many links it had before.
    """

    call: Call
    link: Link
    moves: int = 0


class RemoteClient:
    """A client without I/O.

    Args:
        options: what the user chose; they name a service or a scheduler.
        identity: who signs.
        x_dcp: the header X-DCP: platform, build, version.
        random_text: gives 21 new random characters of 0-9 a-z A-Z at each call, which cannot be
            guessed.
        listens: whether what the network says is taken between calls, too.
        note: is given lines for a log, which hold kinds, ids and sizes of messages, no secrets.

    Attributes:
        service_address: the service's address, None before it is known.
    """

    def __init__(
        self,
        options: Options,
        identity: Identity,
        *,
        x_dcp: str,
        random_text: Callable[[], str],
        listens: bool = True,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.service_address = options.service_address
        self._options = options
        self._identity = identity
        self._x_dcp = x_dcp
        self._random_text = random_text
        self._listens = listens
        self._note = note
        self._url = options.url
        self._settings = Settings(
            connect_timeout=options.connect_timeout,
            ack_timeout=min(_ACK_TIMEOUT, max(options.timeout / 3, _SHORTEST_ACK_TIMEOUT)),
            close_timeout=_CLOSE_TIMEOUT,
        )
        self._events: deque[Event] = deque()
        self._links: list[Link] = []  # the last one is the one to use, if it is usable
        self._sessions = 0
        self._placed: dict[str, _Placed] = {}  # open calls, by the ids that sessions give them
        self._ids: dict[Call, str] = {}
        self._clock_offset: float | None = None
        self._idle_at = math.inf
        self._closed = False

    @property
    def is_over(self) -> bool:
        """Whether it is closed, and nothing more will come of it."""
        return self._closed and all(link.is_over for link in self._links)

    # What the program around takes out

    def next_event(self) -> Event | None:
        """Take out the next event, or None."""
        return self._events.popleft() if self._events else None

    def next_deadline(self, *, of_calls: bool = True) -> float:
        """When to call `handle_timeout`, on the monotonic clock; infinity where nothing is due.

        Args:
            of_calls: whether the deadlines of calls count, or those of the connections alone.
        """
        links = [link.next_deadline(of_calls=of_calls) for link in self._links]
        times = [time for time in links if time is not None]
        return min(times, default=math.inf) if self._placed else min([*times, self._idle_at])

    def handle_timeout(self, now: Instant) -> None:
        """Do what is due; too early a call does nothing."""
        if now.monotonic < self.next_deadline():
            return
        for link in tuple(self._links):
            link.handle_timeout(now)
        if not self._placed and self._idle_at <= now.monotonic:
            self._idle_at = math.inf
            for link in self._links:
                self._close_link(link, now)

    # Calls

    def call(self, request: Request[Any], now: Instant) -> Call:
        """Ask for something.

        Args:
            request: one of the twelve.
            now: the time, from which the call's own time counts.

        Returns:
            The call; one `CallEnded` with it will come.

        Raises:
            ClientClosed: the client is closed.
            InvalidValue: the request must not go to this service unencrypted (C-13).
        """
        if self._closed:
            raise ClientClosed("this client is closed; make the call before it closes")
        self._forget_links()
        if self._url is not None:
            fault = self._unsafe(request, self._url)
            if fault is not None:
                raise fault
        call = Call(request, now.monotonic + self._options.timeout)
        link = self._usable_link(now)
        if not (self._listens or self._placed):
            link.probe(now)
        self._place(_Placed(call, link), now)
        return call

    def cancel(self, call: Call, now: Instant) -> None:
        """Nobody waits for a call any more; an answer that comes late is dropped quietly."""
        id = self._ids.get(call)
        if id is not None:
            link = self._take(id).link
            link.session.abandon(id, now)
            link.pump(now)
            self._rest(now)

    def close(self, now: Instant) -> None:
        """Take no more calls; end what can be ended, and say goodbye."""
        if not self._closed:
            self._closed = True
            self._idle_at = math.inf
            for link in self._links:
                self._close_link(link, now)

    def abort(self, now: Instant) -> None:
        """Take no more calls, and end everything at once; the service will notice in time."""
        self._closed = True
        self._idle_at = math.inf
        for call, id in tuple(self._ids.items()):
            sent = self._take(id).link.session.abandon(id, now)
            error: ComputeGroupsError = ClientClosed("the client was closed before this was sent")
            if sent:
                error = OutcomeUnknown(f"the client was closed before the answer came; {UNKNOWN}")
            self._events.append(CallEnded(call, None, error))
        for link in self._links:
            link.abort()
        self._links.clear()

    def _close_link(self, link: Link, now: Instant) -> None:
        link.session.close(now)
        link.pump(now)

    def _unsafe(self, request: Request[Any], url: ServiceURL) -> InvalidValue | None:
        # Who stands between us and the scheduler tells us where to go.
        if isinstance(request, CreateGroup):
            join_hash: object = request.join_hash
        elif isinstance(request, ChangeGroup):
            join_hash = request.changes.given().get("join_hash")
        else:
            return None
        first = self._options.first_url
        if join_hash is None or self._options.insecure or (url.is_private and first.is_private):
            return None
        where = f"to {url} unencrypted"
        if url.is_private:
            where = f"to {url}, of which {first} told unencrypted: anyone may have"
        return InvalidValue(
            f"a join secret's hash would go {where}, and whoever reads it can join; use https, or "
            "say insecure=True"
        )

    def _place(self, placed: _Placed, now: Instant) -> None:
        call = placed.call
        joins = isinstance(call.request, AddJob | AddJobToGroups)
        id = placed.link.session.request(
            partial(to_operation, call.request),
            now,
            deadline=call.deadline,
            join_identity=self._options.join_identity if joins else None,
        )
        self._placed[id] = placed
        self._ids[call] = id
        placed.link.pump(now)

    def _take(self, id: str) -> _Placed:
        placed = self._placed.pop(id)
        del self._ids[placed.call]
        return placed

    def _end(self, call: Call, result: Any, error: ComputeGroupsError | None, now: Instant) -> None:
        self._events.append(CallEnded(call, result, error))
        self._rest(now)

    def _rest(self, now: Instant) -> None:
        if not (self._placed or self._closed):
            self._idle_at = now.monotonic + self._options.idle_timeout

    # Links

    def _usable_link(self, now: Instant) -> Link:
        if self._links and self._links[-1].is_usable:
            return self._links[-1]
        self._sessions += 1
        identifiers = RandomIdentifiers(
            Role.INITIATOR, self._random_text, connection=self._sessions
        )
        session = Session(
            Role.INITIATOR,
            self._identity,
            identifiers,
            self._settings,
            peer=self.service_address,
        )
        link = Link(
            session,
            url=self._url,
            options=self._options,
            x_dcp=self._x_dcp,
            cache_breaker=lambda: self._random_text()[:8],
            events=self._events,
            on_event=self._on_event,
            note=self._note,
        )
        self._links.append(link)
        link.start(now)
        return link

    def _forget_links(self) -> None:
        last = self._links[-1] if self._links else None
        if last is not None and not (last.is_usable or last.established):
            # A scheduler is asked again: the service may have moved. (Never while there is a link
            # to use: what may go over it, C-13, is judged by this URL.)
            self._url = self._options.url
        self._links = [link for link in self._links if not link.is_over]

    def _on_event(self, event: SessionEvent | Located, now: Instant) -> None:
        match event:
            case SessionOpened(peer=peer, clock_offset=offset):
                self.service_address = peer
                self._clock_offset = offset
            case ResponseReceived(id, success, payload):
                self._answered(self._take(id).call, payload, now, success=success)
            case RequestFailed(id, error):
                self._failed(self._take(id), error, now)
            case Located(url):  # pragma: no branch # the last one
                self._url = url
                self._end_unsafe(url, now)

    def _end_unsafe(self, url: ServiceURL, now: Instant) -> None:
        # Only now is it known where they would go.
        for placed in tuple(self._placed.values()):
            fault = self._unsafe(placed.call.request, url)
            if fault is not None:
                self.cancel(placed.call, now)
                self._events.append(CallEnded(placed.call, None, fault))

    def _answered(self, call: Call, payload: Any, now: Instant, *, success: bool) -> None:
        try:
            result = from_reply(call.request, success, payload)
        except ComputeGroupsError as error:
            self._end(call, None, self._explained(error.with_traceback(None)), now)
        else:
            self._end(call, result, None, now)

    def _explained(self, error: ComputeGroupsError) -> ComputeGroupsError:
        if error.code not in _CLOCK_CODES:
            return error
        offset = self._clock_offset
        is_off = offset is not None and abs(offset) >= _CLOCK_SLACK
        if error.code == "EEXPIRED" and offset is not None and not is_off:
            advice = "nothing was done: the request was too long on its way; make the call again"
        else:
            off = f", which is {-offset:+.0f} s off" if offset is not None and is_off else ""
            advice = f"by the service's clock this is not the time: set this machine's clock{off}"
        return type(error)(f"{error.message}; {advice}", code=error.code, name=error.name)

    def _failed(self, placed: _Placed, error: ComputeGroupsError, now: Instant) -> None:
        call, link = placed.call, placed.link
        in_time = now.monotonic < call.deadline
        if isinstance(error, OutcomeUnknown):
            if link.failure is not None and link.is_usable:
                why = f"{error.message} (there is no connection now: {link.failure.message})"
                error = OutcomeUnknown(why)
            self._end(call, None, error, now)
        elif link.established and in_time and not self._closed and placed.moves < _MOST_MOVES:
            self._place(_Placed(call, self._usable_link(now), placed.moves + 1), now)
        else:
            self._end(call, None, self._reason(link, error), now)

    def _reason(self, link: Link, error: ComputeGroupsError) -> ComputeGroupsError:
        # Why a call was never sent: better than "too late" is what stood in its way.
        if self._closed or (link.refusal is None and not isinstance(error, NetworkError)):
            return error
        if link.refusal is not None:
            return link.refusal.bare()
        where = link.url or self._options.scheduler
        if link.failure is None:
            return NetworkError(f"no session with {where}: {error.message}", code=error.code)
        attempts = "1 attempt" if link.attempts == 1 else f"{link.attempts} attempts"
        return NetworkError(
            f"no connection to {where} ({attempts}): {link.failure.message}", code=link.failure.code
        )
