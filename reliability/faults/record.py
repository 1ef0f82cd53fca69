"""What is written down meanwhile: how calls ended, which faults struck, what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Literal, TypeAlias

import attrs

Wrong: TypeAlias = Literal[
    "loss", "duplicate", "ghost", "contradiction", "undocumented end", "no end", "service"
]
"""Answered and not there; done twice; there, and nobody did it; an answer that cannot be, after
those before it; an end that no page tells of; none at all; the service's own."""


@attrs.frozen
class Fault:
    """One that took effect.

    Attributes:
        kind: what it was.
        at: seconds from the beginning of the run to its own.
        seconds: how long it lasted.
        healed: seconds from its end to the next answered call; None where that was not looked for.
    """

    kind: str
    at: float
    seconds: float = 0.0
    healed: float | None = None


@attrs.frozen
class Finding:
    """Something wrong.

    Attributes:
        kind: of what kind.
        told: what it is, for a person.
    """

    kind: Wrong
    told: str


class Record:
    """All that is written down.

    Attributes:
        ends: how many calls ended how.
        under_way: calls that have not ended.
        answered: when, in seconds from the beginning, each answered call ended.
        times: how long each answered call took.
        faults: those that took effect.
        findings: all that was wrong.
    """

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.under_way = 0
        self.answered: list[float] = []
        self.times: list[float] = []
        self.faults: list[Fault] = []
        self.findings: list[Finding] = []
        self._begun = time.monotonic()
        self._ended = asyncio.Event()

    def now(self) -> float:
        """Seconds from the beginning."""
        return time.monotonic() - self._begun

    def end(self, how: str, begun: float, *, answered: bool) -> None:
        """A call ended, which began then."""
        self.ends[how] += 1
        if answered:
            self.answered.append(self.now())
            self.times.append(self.now() - begun)
        ended, self._ended = self._ended, asyncio.Event()
        ended.set()

    async def next_end(self) -> None:
        """Wait until a call has ended."""
        await self._ended.wait()

    def found(self, kind: Wrong, told: str) -> None:
        """Something is wrong."""
        self.findings.append(Finding(kind, told))
