"""One session, over one connection after the other: which to open, and what its end means.

A WebSocket comes first. Where HTTP gives an answer but no WebSocket (a proxy may let everything
else through), the link polls, to the end of the session if that works; if not, the next attempt
begins with a WebSocket again. Attempts are spaced by the session's backoff.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs

from cg_core.errors import ComputeGroupsError, NetworkError, ProtocolError, Unsupported
from cg_core.framing import (
    Closed,
    HTTPRequest,
    HTTPResponse,
    Limits,
    Opened,
    PollingClient,
    TextReceived,
    WebSocketClient,
    polling_may_work,
)
from cg_core.framing import Event as FramingEvent
from cg_core.remote.connections import Connection, RequestConnection, WebSocket
from cg_core.remote.events import (
    ConnectionEnded,
    Event,
    MessagesReady,
    RequestWanted,
    WebSocketWanted,
)
from cg_core.remote.failures import CUT, is_final, of_answer, retry_after
from cg_core.remote.lookup import Located, Lookup
from cg_core.remote.options import Options
from cg_core.remote.service_url import ServiceURL
from cg_core.remote.wire_log import described
from cg_core.session import Event as SessionEvent
from cg_core.session import (
    Instant,
    RequestReceived,
    Session,
    SessionClosed,
    SessionOpened,
    State,
    Transport,
    TransportDropped,
    TransportWanted,
)

# Seconds without a word; a service that was restarted needs about as long.
_LAPSE = 1.0
# Seconds for a goodbye to leave; it is a courtesy.
_GRACE = 1.0
# Bytes. A scheduler's configuration has some ten thousand.
_CONFIGURATION_SIZE = 1_000_000


class Link:
    """One session and its connections.

    Args:
        session: an initiator's, not started yet.
        url: the service's, None where the scheduler is to be asked first.
        options: what the user chose.
        x_dcp: the header X-DCP: platform, build, version.
        cache_breaker: gives a text of a few letters and digits, another one each time.
        events: where to put what the program around is to do.
        on_event: is given the session's events that are not the link's own business.
        note: is given lines for a log; they hold no secrets.

    Attributes:
        session: the session.
        url: the service's, as soon as it is known.
        established: whether there was a session at all.
        failure: why the last attempt to connect failed, None if it did not.
        refusal: why no other attempt is made, None where one is.
        attempts: how many failed in a row.
    """

    def __init__(
        self,
        session: Session,
        *,
        url: ServiceURL | None,
        options: Options,
        x_dcp: str,
        cache_breaker: Callable[[], str],
        events: deque[Event],
        on_event: Callable[[SessionEvent | Located, Instant], None],
        note: Callable[[str], None] | None,
    ) -> None:
        self.session = session
        self.url = url
        self.established = False
        self.failure: ComputeGroupsError | None = None
        self.refusal: ComputeGroupsError | None = None
        self.attempts = 0
        self._options = options
        self._x_dcp = x_dcp
        self._cache_breaker = cache_breaker
        self._events = events
        self._on_event = on_event
        self._note = note
        # Half of the time to connect, so that there is as much for long-polling.
        limits = Limits()
        self._opening_time = min(limits.opening_time, options.connect_timeout / 2)
        self._limits = attrs.evolve(limits, opening_time=self._opening_time, closing_time=_GRACE)
        self._stays_polling = options.transport == "polling"
        self._polls = self._stays_polling
        self._connection: Connection | None = None
        self._pumping = False
        self._heard_at = -math.inf
        self._free_at = -math.inf
        self._give_up_at = math.inf

    @property
    def is_usable(self) -> bool:
        """Whether requests can be made over it."""
        return self.session.state not in (State.CLOSING, State.CLOSED)

    @property
    def is_over(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.session.state is State.CLOSED and self._connection is None

    def start(self, now: Instant) -> None:
        """Begin to connect."""
        self._give_up_at = now.monotonic + self._options.connect_timeout
        self.session.start(now)
        self.pump(now)

    def abort(self) -> None:
        """Let go of everything, as it is."""
        if self._connection is not None:
            self._end(self._connection, 0)

    def probe(self, now: Instant) -> None:
        """Where nobody listened for a while, ask for a sign of life.

        What is said next waits for its ack. So it is not signed for a session that is gone, which
        would leave its outcome unknown.
        """
        if self.established and now.monotonic - self._heard_at > _LAPSE:
            self.session.keepalive(now)
            self.pump(now)

    def next_deadline(self, *, of_calls: bool = True) -> float | None:
        """When to call `handle_timeout`; `of_calls` as in `Session.next_deadline`."""
        times = [self.session.next_deadline(of_calls=of_calls)]
        if self._connection is not None:
            times.append(self._connection.machine.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def handle_timeout(self, now: Instant) -> None:
        """Do what is due."""
        if self._connection is not None:
            self._connection.machine.handle_timeout(now.monotonic)
            self.pump(now)  # why it failed comes before what the session makes of it
        self.session.handle_timeout(now)
        self.pump(now)

    def pump(self, now: Instant) -> None:
        """Move everything between the layers until nothing moves."""
        if self._pumping:
            return  # somebody below makes a request in answer to an event: the loop goes on
        self._pumping = True
        try:
            while self._move(now):
                pass
        finally:
            self._pumping = False
        connection = self._connection
        if isinstance(connection, WebSocket):
            if connection.machine.has_messages_to_send:
                self._events.append(MessagesReady(connection))
        elif connection is not None:
            for request in connection.machine.requests_to_send():
                self._events.append(RequestWanted(connection, request))

    def heard(self, connection: Connection, now: Instant) -> None:
        """Something came by a connection."""
        if connection is self._connection:
            self.pump(now)

    def _move(self, now: Instant) -> bool:
        moved = False
        for transport, text in self.session.data_to_send(now):
            moved = True
            self._send(transport, text)
        while (event := self.session.next_event()) is not None:
            moved = True
            self._on_session_event(event, now)
        while self._connection and (heard := self._connection.machine.next_event()) is not None:
            moved = True
            self._on_framing_event(self._connection, heard, now)
        return moved

    def _send(self, transport: Transport, text: str) -> None:
        connection = self._connection
        if connection is None or transport is not connection:
            return  # it has ended meanwhile; what is missing is repeated on the next
        assert not isinstance(connection.machine, Lookup)  # which never opens
        if self._note:
            self._note(f"> {described(text)}")
        connection.machine.send(text)

    def _on_session_event(self, event: SessionEvent, now: Instant) -> None:
        match event:
            case TransportWanted():
                if self.session.state is not State.CLOSED:  # as it may be since it was wanted
                    self._dial(now)
            case TransportDropped(transport):
                if self._connection is not None and transport is self._connection:
                    self._drop(self._connection, now)
            case RequestReceived(id):
                self.session.refuse(id, Unsupported("a client serves no requests"))
            case SessionOpened():
                self.established = True
                self._on_event(event, now)
            case SessionClosed():
                if self._connection is not None and not self._connection.opened:
                    self._end(self._connection, 0)
            case _:
                self._on_event(event, now)

    def _drop(self, connection: Connection, now: Instant) -> None:
        if self.session.state is State.CLOSED:
            connection.machine.close(now.monotonic)  # its end comes as an event
        else:
            self._end(connection, 0)  # it does not answer; a goodbye would not arrive

    def _on_framing_event(
        self, connection: Connection, event: FramingEvent | Located, now: Instant
    ) -> None:
        match event:
            case Opened():
                self._say("connected")
                connection.opened = True
                self._heard_at = now.monotonic
                self._stays_polling = self._polls
                self.failure, self.attempts = None, 0
                self.session.transport_opened(connection, now)
            case TextReceived(text):
                self._heard_at = now.monotonic
                if self._note:
                    self._note(f"< {described(text)}")
                self.session.receive(connection, text, now)
            case Located(url):
                self._say(f"the service is at {url}")
                self._end(connection, 0)
                self.url = url
                self._on_event(event, now)
                self._dial(now)
            case Closed(error):  # pragma: no branch # the last one
                self._end(connection, _GRACE if error is None else 0)
                if connection.opened:
                    self._disconnected(connection, error, now)
                else:
                    self._not_connected(connection, error, now)

    def _disconnected(
        self, connection: Connection, error: ComputeGroupsError | None, now: Instant
    ) -> None:
        why = "goodbye" if error is None else error.message
        self._say(f"disconnected: {why}")
        self.failure = NetworkError(f"{self.url} broke the connection: {why}")
        self.attempts += 1
        self.session.transport_lost(connection, now)
        if isinstance(error, ProtocolError):
            self.session.distrust(error if self.established else self._no_service(error))

    def _end(self, connection: Connection, grace: float) -> None:
        self._connection = None
        self._events.append(ConnectionEnded(connection, grace))

    # Connecting

    def _dial(self, now: Instant) -> None:
        if self.url is None:
            self._ask_scheduler(now)
        elif self._polls:
            self._say(f"polling {self.url}")
            polling = PollingClient(
                self.url.path,
                self._x_dcp,
                self._cache_breaker,
                now=now.monotonic,
                limits=self._limits,
            )
            self._connection = RequestConnection(
                self, self.url.origin, polling, response_size=self._limits.response_size
            )
        else:
            self._say(f"opening a WebSocket to {self.url}")
            client = WebSocketClient(
                self.url.path, self._x_dcp, now=now.monotonic, limits=self._limits
            )
            websocket = WebSocket(self, self.url.origin, client)
            self._connection = websocket
            self._events.append(WebSocketWanted(websocket))

    def _ask_scheduler(self, now: Instant) -> None:
        scheduler = self._options.scheduler
        assert scheduler is not None  # or there is a URL
        self._say(f"asking the scheduler at {scheduler}")
        lookup = Lookup(scheduler, now.monotonic + self._opening_time)
        self._connection = RequestConnection(
            self, scheduler.origin, lookup, response_size=_CONFIGURATION_SIZE
        )

    def websocket_refused(self, websocket: WebSocket, response: HTTPResponse, now: Instant) -> None:
        """See `WebSocket.refused`."""
        if websocket is self._connection:
            self._end(websocket, 0)
            if polling_may_work(response.status) and self._may_poll:
                self._say(f"no WebSocket: HTTP status {response.status}")
                self._poll_instead(now)
            else:
                self._hold_off(response, now)
                error = of_answer(str(self.url), "a WebSocket", response)
                self._connecting_failed(error, now)
            self.pump(now)

    def websocket_failed(
        self, websocket: WebSocket, error: ComputeGroupsError, now: Instant
    ) -> None:
        """See `WebSocket.failed`."""
        if websocket is self._connection:
            self._end(websocket, 0)
            # Somebody took the connection, and would have no WebSocket on it: by mistake, once.
            unwanted = isinstance(error, ProtocolError) or (error.code == CUT and self.attempts)
            if self._may_poll and unwanted:
                self._say(f"no WebSocket: {error.message}")
                self._poll_instead(now)
            else:
                self._connecting_failed(error, now)
            self.pump(now)

    def receive_response(
        self,
        connection: RequestConnection,
        request: HTTPRequest,
        response: HTTPResponse,
        now: Instant,
    ) -> None:
        """See `RequestConnection.receive_response`."""
        if connection is self._connection:
            self._hold_off(response, now)
            machine = connection.machine
            first = isinstance(machine, PollingClient) and not machine.has_handshake
            if first and response.status != 200:
                self._end(connection, 0)
                self._connecting_failed(of_answer(str(self.url), "a connection", response), now)
            else:
                connection.machine.receive_response(request, response, now.monotonic)
            self.pump(now)

    def _hold_off(self, response: HTTPResponse, now: Instant) -> None:
        if seconds := retry_after(response):
            self._free_at = now.monotonic + seconds
            self.session.hold_off(seconds, now)

    def _not_connected(
        self, connection: Connection, error: ComputeGroupsError | None, now: Instant
    ) -> None:
        if isinstance(connection, WebSocket) and self._may_poll:
            # There was an answer of HTTP's, and then nothing that could be used.
            self._say("the WebSocket carries nothing")
            self._poll_instead(now)
        else:
            self._connecting_failed(self._explained(error), now)

    def _explained(self, error: ComputeGroupsError | None) -> ComputeGroupsError:
        if error is None:
            return NetworkError(f"{self.url} closed the connection before it was open")
        if isinstance(error, ProtocolError) and self.url is not None:
            return self._no_service(error)
        return error

    def _no_service(self, error: ProtocolError) -> ProtocolError:
        return ProtocolError(
            f"{self.url} is no DCP service, it seems; is the path of the URL right? "
            f"({error.message})"
        )

    @property
    def _may_poll(self) -> bool:
        return self._options.transport is None

    def _poll_instead(self, now: Instant) -> None:
        self._polls = True
        self._dial(now)

    def _connecting_failed(self, error: ComputeGroupsError, now: Instant) -> None:
        self._say(f"no connection: {error.message}")
        self.failure = error
        self.attempts += 1
        self._polls = self._stays_polling
        # Nor will one that comes too late.
        hopeless = is_final(error) or self._free_at > self._give_up_at
        if hopeless and not self.established:
            self.refusal = error
            self.session.close(now)
        else:
            self.session.transport_failed(now)

    def _say(self, line: str) -> None:
        if self._note:
            self._note(f"= {line}")
