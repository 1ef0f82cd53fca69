"""How figures are taken: pairs in turn, medians of rounds, after a warm-up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

import attrs

ROUNDS = 7
ROUND_SECONDS = 0.2

Work = Callable[[], object]


@attrs.frozen
class Figure:
    """One line of the report.

    Attributes:
        work: what is measured.
        value: seconds for one call, the median over the rounds; or bytes.
        peer: what it is held against.
        peer_value: for the same work of the peer, in the same rounds.
        ratio: peer_value / value, the median over the rounds: above 1 is better.
        goal: the least ratio wanted, if there is one.
        unit: "s" or "B".
    """

    work: str
    value: float
    peer: str
    peer_value: float
    ratio: float
    goal: float | None = None
    unit: str = "s"

    def shown(self, value: float) -> str:
        """A value in a unit of its size."""
        if self.unit != "s":
            return f"{value / 1000:.2f} kB"
        return f"{value * 1e3:.1f} ms" if value >= 0.01 else f"{value * 1e6:.2f} µs"


def time_of(work: Work, calls: int) -> float:
    """Seconds for one call, over so many of them."""
    begun = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - begun) / calls


def calls_for(work: Work, seconds: float) -> int:
    """How many calls fill so many seconds; this is the warm-up."""
    calls = 1
    while (taken := time_of(work, calls) * calls) < seconds / 4:
        calls *= 4
    return max(1, round(calls * seconds / taken))


def compare(
    work: str, ours: Work, peer: str, theirs: Work, *, goal: float | None, quick: bool
) -> Figure:
    """Measure two works in turn."""
    seconds = ROUND_SECONDS / 100 if quick else ROUND_SECONDS
    our_calls, their_calls = calls_for(ours, seconds), calls_for(theirs, seconds)
    rounds = [(time_of(ours, our_calls), time_of(theirs, their_calls)) for _ in range(ROUNDS)]
    return figure(work, peer, rounds, goal)


def figure(
    work: str, peer: str, rounds: Sequence[tuple[float, float]], goal: float | None
) -> Figure:
    """The figure of rounds, each of which gave seconds for us and for the peer."""
    return Figure(
        work=work,
        value=median(ours for ours, _ in rounds),
        peer=peer,
        peer_value=median(theirs for _, theirs in rounds),
        ratio=median(theirs / ours for ours, theirs in rounds),
        goal=goal,
    )
