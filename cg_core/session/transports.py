"""The transports of a session: when to open one, which to trust, when to give up.

Who shows up on a new transport is a candidate until it proves itself. An initiator asks for a new
transport whenever it has none, after ever longer waits.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Hashable, Iterator

from cg_core.deadlines import Deadlines
from cg_core.session.events import Event, Transport, TransportDropped, TransportWanted
from cg_core.session.identifiers import Role
from cg_core.session.settings import Settings

# A peer that proves itself and is gone at once, time and again, is not asked without a pause.
_SHORT_LIVED = 1.0  # seconds
_MOST_SHORT_LIVED = 10


class TransportTimer(enum.Enum):
    """What may become due; besides, each transport that is unproved has a timer of its own."""

    WANT = "open a transport"
    GIVE_UP = "no transport, or no proof, for too long"


class Transports:
    """Transports, as far as one session has to do with them.

    Args:
        role: an initiator opens transports, a target waits for them.
        settings: times and caps.
        deadlines: the session's.
        events: the session's.

    Attributes:
        current: the one in use, None while there is none.
        not_before: no transport is asked for before.
    """

    __slots__ = (
        "_candidates", "_deadlines", "_events", "_failures", "_initiates", "_proved_at",
        "_settings", "_short_lived", "current", "not_before",
    )  # fmt: skip

    def __init__(
        self,
        role: Role,
        settings: Settings,
        deadlines: Deadlines[Hashable],
        events: deque[Event],
    ) -> None:
        self.current: Transport | None = None
        self._initiates = role is Role.INITIATOR
        self._settings = settings
        self._deadlines = deadlines
        self._events = events
        self._candidates: dict[Transport, None] = {}
        self._failures = 0
        self._proved_at = 0.0
        self._short_lived = 0
        self.not_before = -math.inf

    def __contains__(self, transport: Transport) -> bool:
        known = transport == self.current or transport in self._candidates
        return known and transport is not None

    def __iter__(self) -> Iterator[Transport]:
        if self.current is not None:
            yield self.current
        yield from tuple(self._candidates)

    def is_candidate(self, transport: Transport) -> bool:
        """Whether it has yet to prove itself."""
        return transport in self._candidates

    def start(self, now: float) -> None:
        """Ask for the first transport (initiator)."""
        self._deadlines.set(TransportTimer.GIVE_UP, now + self._settings.connect_timeout)
        self.want(now)

    def want(self, now: float) -> None:
        """Ask for a transport, now or after a wait that doubles with each failure."""
        wait = max(self._settings.backoff(self._failures), self.not_before - now)
        self._failures += 1
        if wait:
            self._deadlines.set(TransportTimer.WANT, now + wait)
        else:
            self._events.append(TransportWanted())

    def use(self, transport: Transport, now: float) -> None:
        """The first transport: nothing can be resumed yet, so there is nothing to guard."""
        self.current = transport
        self._limit(transport, now)

    def add(self, transport: Transport, now: float) -> None:
        """One that has yet to prove itself; where there are too many, the oldest goes."""
        if self._candidates and len(self._candidates) >= self._settings.most_candidates:
            self.drop(next(iter(self._candidates)))
        self._candidates[transport] = None
        self._limit(transport, now)

    def prove(self, transport: Transport, now: float) -> bool:
        """The peer is there, on this transport, and nowhere else.

        Returns:
            Whether it was a candidate.
        """
        resumed = self.is_candidate(transport)
        for other in self:
            if other != transport:
                self.drop(other)
        self.current = transport
        self._candidates.clear()
        self._proved_at = now
        if self._short_lived < _MOST_SHORT_LIVED:
            self._failures = 0
        self._deadlines.set((transport,), None)
        self._deadlines.set(TransportTimer.GIVE_UP, None)
        return resumed

    def lost(self, transport: Transport, now: float, *, connecting: bool) -> bool:
        """A transport is gone.

        Returns:
            Whether it was the one in use.
        """
        was_current = transport == self.current
        if was_current:
            lived = now - self._proved_at
            self._short_lived = self._short_lived + 1 if lived < _SHORT_LIVED else 0
        self._forget(transport)
        if was_current and not (self._initiates and connecting):
            # (An initiator's time to connect goes on.)
            if self._initiates:
                patience = self._settings.reconnect_timeout
            elif connecting:
                patience = self._settings.unproved_linger_time
            else:
                patience = self._settings.linger_time
            self._deadlines.set(TransportTimer.GIVE_UP, now + patience)
        if self._initiates:
            self.want(now)
        return was_current

    def drop(self, transport: Transport) -> None:
        """Have a transport closed."""
        self._forget(transport)
        self._events.append(TransportDropped(transport))

    def drop_all(self) -> None:
        """Have all transports closed."""
        for transport in self:
            self.drop(transport)

    def _limit(self, transport: Transport, now: float) -> None:
        self._deadlines.set((transport,), now + self._settings.proof_timeout)

    def _forget(self, transport: Transport) -> None:
        self._deadlines.set((transport,), None)
        self._candidates.pop(transport, None)
        if transport == self.current:
            self.current = None
