"""How figures are taken: in turn with the peer, medians of rounds, after a warm-up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Literal

import attrs

ROUNDS = 7
ROUND_SECONDS = 0.2

Work = Callable[[], object]
Unit = Literal["s", "B"]
Growth = Literal["flat", "linear"]


def shown(value: float, unit: Unit) -> str:
    """A value in a unit of its size."""
    for symbol, size in _SYMBOLS[unit]:
        if value >= size:
            return f"{value / size:.2f} {symbol}"
    symbol, size = _SYMBOLS[unit][-1]
    return f"{value / size:.2f} {symbol}"


_SYMBOLS: Mapping[Unit, Sequence[tuple[str, float]]] = {
    "s": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)),
    "B": (("MB", 1e6), ("kB", 1e3), ("B", 1.0)),
}


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
    unit: Unit = "s"


@attrs.frozen
class Curve:
    """A work at growing sizes. Its peer is what the first size promises: so it reads as a Figure.

    Attributes:
        work: what is measured.
        size: what grows, in the plural: "groups".
        points: sizes, each with the median of its rounds: seconds for one call; or bytes.
        unit: "s" or "B".
        expected: what the values should do as the size grows.
    """

    work: str
    size: str
    points: tuple[tuple[int, float], ...]
    unit: Unit = "s"
    expected: Growth = "flat"

    @property
    def value(self) -> float:
        """The largest after the first; of a linear one, the last."""
        if self.expected == "flat":
            return max(value for _, value in self.points[1:])
        return self.points[-1][1]

    @property
    def peer(self) -> str:
        """What was expected, over which sizes."""
        return (
            f"{self.expected} growth, {self.points[0][0]:,} to {self.points[-1][0]:,} {self.size}"
        )

    @property
    def peer_value(self) -> float:
        """What the value was expected to be."""
        return self.expected_at(self.points[-1][0])

    @property
    def ratio(self) -> float:
        """At least 1 is as good as expected."""
        return self.peer_value / self.value

    @property
    def goal(self) -> float:
        """Within 20 % of what is expected."""
        return 0.8

    def expected_at(self, size: int) -> float:
        """What the value of the first size promises for another."""
        first, begun = self.points[0]
        return begun if self.expected == "flat" else begun * size / first


@attrs.frozen
class Breakdown:
    """What the time of a work is made of.

    Attributes:
        work: what was sampled.
        parts: what ran, with the seconds for one call, the longest first.
        samples: how many were taken.
    """

    work: str
    parts: tuple[tuple[str, float], ...]
    samples: int

    @property
    def value(self) -> float:
        """Seconds for one call."""
        return sum(seconds for _, seconds in self.parts)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """For each part what it is, its time, and its share of the whole."""
        for part, seconds in self.parts:
            yield part, shown(seconds, "s"), f"{seconds / self.value:.1%}"


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


def grow(
    work: str, size: str, works: Mapping[int, Work], *, expected: Growth, quick: bool
) -> Curve:
    """Measure a work of several sizes in turn."""
    seconds = ROUND_SECONDS / 100 if quick else ROUND_SECONDS
    calls = {number: calls_for(each, seconds) for number, each in works.items()}
    rounds = [
        {number: time_of(each, calls[number]) for number, each in works.items()}
        for _ in range(ROUNDS)
    ]
    return curve(work, size, rounds, expected=expected)


def curve(
    work: str,
    size: str,
    rounds: Sequence[Mapping[int, float]],
    *,
    expected: Growth,
    unit: Unit = "s",
) -> Curve:
    """The curve of rounds, each of which gave a value for every size."""
    points = tuple((number, median(each[number] for each in rounds)) for number in rounds[0])
    return Curve(work, size, points, unit, expected)
