"""How fast each caller may call: so many calls a second, over a while, and so many at once."""

from __future__ import annotations

from cg_core.addresses import Address


class Rates:
    """The rates of all callers (the generic cell rate algorithm: one number for each of them).

    Args:
        per_second: calls a second.
        at_once: calls in a row, after a silence.
        most_callers: how many callers are remembered; one that was forgotten begins anew.
    """

    def __init__(self, per_second: float, at_once: int, most_callers: int) -> None:
        self._interval = 1 / per_second
        self._tolerance = at_once / per_second
        self._most_callers = most_callers
        # Until when a caller's calls would take, at the rate; who called last is the last.
        self._busy_until: dict[Address, float] = {}

    def take(self, caller: Address, now: float, calls: int = 1) -> bool:
        """Count a call, if the caller may make it.

        Args:
            caller: who calls.
            now: seconds of a monotonic clock.
            calls: for how many it counts.
        """
        taken = self._until(caller, now, calls) - now <= self._tolerance + self._interval / 2
        self.charge(caller, now, calls if taken else 0)  # (the half is for the sake of rounding)
        return taken

    def charge(self, caller: Address, now: float, calls: int) -> None:
        """Count calls that were made, and turn out to have been so many."""
        until = self._until(caller, now, calls)
        self._busy_until.pop(caller, None)
        self._busy_until[caller] = until
        if len(self._busy_until) > self._most_callers:
            del self._busy_until[next(iter(self._busy_until))]

    def _until(self, caller: Address, now: float, calls: int) -> float:
        return max(self._busy_until.get(caller, now), now) + calls * self._interval
