"""Whether a request is good now: not from the future, not expired, not seen before (wire.md).

Stamps are remembered for their whole life, in bounded memory: where a caller's are too many, the
earliest to expire go, and what would expire no later than they did is refused from then on. So
nothing that was forgotten is ever taken again.
"""

from __future__ import annotations

import heapq
import math

from cg_core.addresses import Address
from cg_core.errors import Refused
from cg_core.session.messages import Validity

SLACK = 600
"""Seconds by which two clocks may differ."""
SHORTEST_TTL = 15
LONGEST_TTL = 600
DEFAULT_TTL = 120
_LONGEST_STAMP = 64  # characters; dcp-client's and ours have 21


class StampMemory:
    """The stamps of the requests that were taken, by caller.

    Args:
        most_stamps: how many are remembered of one caller. 10 000 hold what comes in 12 minutes,
            the life of a stamp, at 14 requests a second; who sends more must send them in order.
        most_callers: how many callers are remembered. Beyond it the one longest unheard of is
            forgotten; its old messages are of sessions that have ended, so they get nowhere.
        most_in_all: how many stamps are remembered of all callers. Beyond it likewise.
    """

    __slots__ = ("_callers", "_in_all", "_most_callers", "_most_in_all", "_most_stamps")

    def __init__(
        self,
        *,
        most_stamps: int = 10_000,
        most_callers: int = 10_000,
        most_in_all: int = 1_000_000,
    ) -> None:
        self._most_stamps = most_stamps
        self._most_callers = most_callers
        self._most_in_all = most_in_all
        self._callers: dict[Address, _Stamps] = {}
        self._in_all = 0

    def take(self, caller: Address, validity: Validity | None, now: float) -> Refused | None:
        """Take a request, once.

        Args:
            caller: who signed the request.
            validity: its validity, None if it has none that can be read.
            now: seconds since 1970.

        Returns:
            None if the request is good; the error to answer it with if not: EINVAL, ETIMETRAVEL,
            EEXPIRED or EDUP.
        """
        if validity is None or not 0 < len(validity.stamp) <= _LONGEST_STAMP:
            return Refused("the request has no validity with a stamp and a time", code="EINVAL")
        if not math.isfinite(validity.time):
            return Refused("the time of the request is no time", code="EINVAL")
        if validity.time > now + SLACK:
            return Refused(
                f"the request is from the future, by {validity.time - now:.0f} s: set the clock",
                code="ETIMETRAVEL",
            )
        expires = validity.time + min(max(validity.ttl or DEFAULT_TTL, SHORTEST_TTL), LONGEST_TTL)
        if expires + SLACK < now:
            return Refused(
                f"the request expired {now - expires:.0f} s ago: set the clock, or send it anew",
                code="EEXPIRED",
            )
        stamps = self._callers.pop(caller, None) or _Stamps()
        self._callers[caller] = stamps  # the last of the dict is the caller heard of last
        self._in_all -= len(stamps.seen)
        refusal = stamps.take(validity.stamp, expires, now, self._most_stamps)
        self._in_all += len(stamps.seen)
        self._forget_callers()
        return refusal

    def _forget_callers(self) -> None:
        # But never the one heard of last.
        while len(self._callers) > 1 and (
            len(self._callers) > self._most_callers or self._in_all > self._most_in_all
        ):
            forgotten = self._callers.pop(next(iter(self._callers)))
            self._in_all -= len(forgotten.seen)


class _Stamps:
    # One caller's stamps.
    __slots__ = ("by_expiry", "forgotten_until", "seen")

    def __init__(self) -> None:
        self.by_expiry: list[tuple[float, str]] = []
        self.seen: set[str] = set()
        self.forgotten_until = -math.inf

    def take(self, stamp: str, expires: float, now: float, most: int) -> Refused | None:
        while self.by_expiry and self.by_expiry[0][0] + SLACK < now:
            self._forget()
        if stamp in self.seen:
            return Refused("a request with this stamp was taken before", code="EDUP")
        if expires <= self.forgotten_until:
            return Refused(
                "too many newer requests of this caller were taken since: send it anew",
                code="EEXPIRED",
            )
        heapq.heappush(self.by_expiry, (expires, stamp))
        self.seen.add(stamp)
        if len(self.by_expiry) > most:
            self._forget()
        return None

    def _forget(self) -> None:
        # Also what has expired: the clock may be set back.
        self.forgotten_until, stamp = heapq.heappop(self.by_expiry)
        self.seen.discard(stamp)
