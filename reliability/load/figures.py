"""What a load gave, and what of it should not have been."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Final

import attrs
from cattrs.preconf.json import make_converter

from benchmarks.report import Machine

LOAD: Final = "load"
COMING: Final = "newcomers come"
FULL: Final = "all places are taken"
GOING: Final = "newcomers go"
GONE: Final = "newcomers have gone"
PHASES: Final = (LOAD, COMING, FULL, GOING, GONE)

POLLING: Final = 10
"""One of so many sessions polls."""

LET_IN: Final = "let in"
ORDERLY: Final = ("NetworkError EBUSY", "Busy EBUSY")
"""What who finds no place is told, as docs/errors.md and docs/service.md say."""
PROMPT: Final = 5.0
"""Seconds within which that is told."""

STEADY: Final = 0.05
"""The share of its memory by which a process may grow in the second half of the load: with
100 MB and 150 000 calls, 33 bytes a call, about what the smallest object takes."""
LEAST_CALLS: Final = 500
"""Of each caller. With fewer, books and the allocator still fill, and nothing can be said."""

_CONVERTER: Final = make_converter()


@attrs.frozen
class Settings:
    """What was asked for.

    Attributes:
        sessions: of callers, at once.
        polling: how many of these poll; the others have a WebSocket.
        seconds: for how long they call before newcomers come.
        rate: calls that each caller makes in a second.
        cap: sessions that the service takes.
        newcomers: that come in the end.
        together: how many of them come at a time.
        stamps: calls of each caller that the service remembers.
        database: what the service keeps its groups in.
        seed: what the callers do depends on it.
        quick: whether it was a smoke run, whose figures mean little.
    """

    sessions: int
    polling: int
    seconds: int
    rate: float
    cap: int
    newcomers: int
    together: int
    stamps: int
    database: str
    seed: int
    quick: bool


@attrs.frozen
class Latencies:
    """How long calls took, in seconds, from when each was due to its answer.

    Attributes:
        calls: how many there were.
        median, p99, p999, longest: of them.
    """

    calls: int
    median: float
    p99: float
    p999: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latencies:
        """Those of calls that took so long; zeros where there were none."""
        ranked = sorted(seconds) or [0.0]

        def quantile(share: float) -> float:
            return ranked[math.ceil(share * len(ranked)) - 1]

        return cls(len(seconds), quantile(0.5), quantile(0.99), quantile(0.999), ranked[-1])


@attrs.frozen
class Second:
    """What one second gave.

    Attributes:
        at: its end, in seconds since the callers began.
        phase: one of PHASES.
        latencies: of the calls that were answered in it.
        late: by how many seconds a call was made after it was due, at most.
        memory: bytes that the service has.
        callers_memory: bytes that the callers' process has.
        cpu: of the service, 1.0 is a whole processor.
        callers_cpu: of the callers' process.
        sessions: that the service has.
    """

    at: float
    phase: str
    latencies: Latencies
    late: float
    memory: int
    callers_memory: int
    cpu: float
    callers_cpu: float
    sessions: int


@attrs.frozen
class Newcomer:
    """One who came when the callers were in.

    Attributes:
        at: when it was told, in seconds since the callers began.
        seconds: how long it took to be told.
        outcome: LET_IN, or the class and the code of the error.
    """

    at: float
    seconds: float
    outcome: str


@attrs.frozen
class Trend:
    """How memory went in the second half of the load.

    Attributes:
        median: bytes.
        growth: bytes in that time, by the median of the slopes of all pairs (Theil and Sen), which
            single steps and peaks do not move.
        calls: that were answered in that time.
    """

    median: float
    growth: float
    calls: int

    @property
    def is_steady(self) -> bool:
        return self.growth <= STEADY * self.median

    @property
    def growth_of_a_call(self) -> float:
        return self.growth / max(self.calls, 1)

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]], calls: int) -> Trend:
        """The trend of bytes at times."""
        every = math.ceil(len(points) / 400)  # more pairs would tell no more
        slopes = [
            (after - before) / (end - begin)
            for (begin, before), (end, after) in combinations(points[::every], 2)
        ]
        span = points[-1][0] - points[0][0]
        return cls(median(each for _, each in points), median(slopes) * span, calls)


@attrs.frozen
class Finding:
    """What should not have been.

    Attributes:
        at: when it was seen, in seconds since the callers began.
        what: what it was.
    """

    at: float
    what: str


@attrs.frozen
class Run:
    """All that a run gave.

    Attributes:
        date: when it began.
        load: of the machine then, over the last 1, 5 and 15 minutes.
        machine: where it ran.
        settings: what was asked for.
        interrupted: whether it was ended before its time.
        connecting: seconds until all callers were in.
        let_in_again: seconds that a newcomer took to get in when the others had gone.
        seconds: one after the other.
        phases: the latencies of each.
        operations: the latencies of each, under load.
        outcomes: of each operation, how often what came of it: "done", or a refusal that was due.
        newcomers: as they were told.
        database_size: bytes of the database at the end; 0 where it is not a file.
        findings: what should not have been.
    """

    date: str
    load: tuple[float, float, float]
    machine: Machine
    settings: Settings
    interrupted: bool
    connecting: float
    let_in_again: float | None
    seconds: tuple[Second, ...]
    phases: Mapping[str, Latencies]
    operations: Mapping[str, Latencies]
    outcomes: Mapping[str, Mapping[str, int]]
    newcomers: tuple[Newcomer, ...]
    database_size: int
    findings: tuple[Finding, ...]

    @classmethod
    def read(cls, folder: Path) -> Run:
        """The run whose report is in a folder."""
        return _CONVERTER.loads((folder / "load.json").read_text(encoding="utf-8"), cls)

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        (folder / "load.json").write_text(_CONVERTER.dumps(self) + "\n", encoding="utf-8")

    def of_phases(self, *names: str) -> list[Second]:
        """The seconds of these phases."""
        return [each for each in self.seconds if each.phase in names]

    def trend(self, process: str = "memory") -> Trend | None:
        """How the memory went of the service, or of the callers (`callers_memory`).

        None where the load was too short to say.
        """
        return trend(self.of_phases(LOAD), process)


def trend(seconds: Sequence[Second], process: str) -> Trend | None:
    """How memory went over the second half of these seconds; None where they are too few."""
    calls = sum(each.latencies.calls for each in seconds)
    if not seconds or calls < LEAST_CALLS * seconds[0].sessions:
        return None
    judged = seconds[len(seconds) // 2 :]
    points = [(each.at, getattr(each, process)) for each in judged]
    return Trend.of(points, sum(each.latencies.calls for each in judged))


def unsteady(seconds: Sequence[Second]) -> Iterator[str]:
    """What is to be said of memory that grew under load."""
    for process, whose in (("memory", "service"), ("callers_memory", "callers' process")):
        found = trend(seconds, process)
        if found is not None and not found.is_steady:
            yield (
                f"the memory of the {whose} is not steady: it grew by {found.growth / 1e6:.2f} MB "
                f"of {found.median / 1e6:.1f} MB in the second half of the load, "
                f"{found.growth_of_a_call:.0f} bytes a call"
            )


def disorderly(newcomers: Sequence[Newcomer], settings: Settings) -> Iterator[str]:
    """What is to be said of how newcomers were told.

    A session counts from its first signed message, so who is on the way there when the last place
    is taken gets in besides.
    """
    let_in = sum(each.outcome == LET_IN for each in newcomers)
    places = settings.cap - settings.sessions
    if not places <= let_in < places + settings.together:
        yield f"{let_in} newcomers were let in, and there were {places} places"
    for each in newcomers:
        if each.outcome not in (LET_IN, *ORDERLY):
            yield f"a newcomer was told {each.outcome}"
        elif each.outcome != LET_IN and each.seconds > PROMPT and not settings.quick:
            yield f"a newcomer was told {each.outcome} after {each.seconds:.1f} s only"
