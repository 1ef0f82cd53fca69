"""Actors: each makes its calls one after the other, and keeps the model of what may be in step."""

from __future__ import annotations

import asyncio
import enum
from random import Random
from typing import Final

import attrs

from cg_core import (
    BadCredentials,
    Busy,
    ComputeGroupsError,
    DuplicateJoinKey,
    GroupNotFound,
    JobCancelled,
    JobNotFound,
    LimitReached,
    NetworkError,
    NotOwner,
    OutcomeUnknown,
)
from reliability.faults.callers import Caller
from reliability.faults.chapters import Chapter
from reliability.faults.possible import Step, copied
from reliability.faults.record import Record

_BY_THE_RULES: Final = (
    NotOwner, BadCredentials, GroupNotFound, JobNotFound, DuplicateJoinKey, JobCancelled,
    LimitReached,
)  # fmt: skip
OUT_OF_TIME: Final = ("ETIMETRAVEL", "EEXPIRED")
"""What a call is refused with whose clock, or whose service's, is far off (wire.md)."""
BY_THE_STORE: Final = " of the database"
"""How the ends of calls are told that met a full disk, or a database that is silent."""
_LATE: Final = 30.0  # seconds after its deadline, when a call has no end: this machine is busy
_STEPS: Final = 30
_MOST_STATES: Final = 64  # of a chapter, which ends when there are more


@attrs.frozen
class Actor:
    """An actor.

    Attributes:
        number: of the actor, from 0.
        owner: the client by which it makes groups.
        deployer: the one by which it adds most jobs.
        draw: what its calls are drawn from.
        pause: seconds between two calls, on average.
        record: where it writes down how they ended.
        chapters: those that it has begun.
    """

    number: int
    owner: Caller
    deployer: Caller
    draw: Random
    pause: float
    record: Record
    chapters: list[Chapter] = attrs.field(factory=list)

    async def live(self, over: asyncio.Event) -> None:
        """Chapter after chapter, until it is over."""
        while not over.is_set():
            number = 10_000 * self.number + len(self.chapters)
            chapter = Chapter(number, self.draw, self.owner.address, self.deployer.address)
            self.chapters.append(chapter)
            await self._read(chapter, over)

    async def _read(self, chapter: Chapter, over: asyncio.Event) -> None:
        for _ in range(_STEPS):
            await asyncio.sleep(self.draw.expovariate(1 / self.pause))
            if over.is_set() or not await self._make(chapter, chapter.next_step()):
                return
        if self.draw.random() < 0.5:  # or what is unknown is left for the judge to find out
            for look in chapter.looks():
                if not await self._make(chapter, look):
                    return

    async def _make(self, chapter: Chapter, step: Step) -> bool:
        """Make a call; whether the chapter can go on."""
        possible, begun = chapter.possible, self.record.now()
        self.record.under_way += 1
        certainty, outcome, how = await self._ended(step)
        self.record.under_way -= 1
        self.record.end(how, begun, answered=certainty is Certainty.ANSWERED)
        if certainty is Certainty.UNKNOWN:
            possible.unanswered(step)
        elif certainty is Certainty.ANSWERED and not possible.answered(step, outcome):
            conceivable = [step.outcome(copied(each.model)) for each in possible.conceivable()]
            self.record.found(
                "contradiction",
                f"{step.request} of {step.client}: {outcome}, where only {conceivable} can be",
            )
            return False
        return len(possible.states) <= _MOST_STATES

    async def _ended(self, step: Step) -> tuple[Certainty, object, str]:
        """Make a call: what is known of it, its outcome, and how it ended."""
        caller = self.owner if step.client == self.owner.address else self.deployer
        patience = caller.timeout + _LATE
        try:
            async with asyncio.timeout(patience):
                result = await caller.call(step.request)
        except _BY_THE_RULES as refusal:
            return Certainty.ANSWERED, type(refusal), f"refused: {type(refusal).__name__}"
        except ComputeGroupsError as error:
            how = described(error)
            if isinstance(error, OutcomeUnknown):
                return Certainty.UNKNOWN, None, how
            if isinstance(error, Busy | NetworkError) or error.code in OUT_OF_TIME:
                return Certainty.NOT_DONE, None, how
            self.record.found("undocumented end", f"{step.request}: {how}: {error}")
        except TimeoutError:
            how = "none"
            self.record.found("no end", f"{step.request}: none after {patience:g} s")
        except Exception as error:  # whatever it is, it is a fault of the client's
            how = type(error).__name__
            self.record.found("undocumented end", f"{step.request}: {error!r}")
        else:
            return Certainty.ANSWERED, step.told(result), "answer"
        return Certainty.UNKNOWN, None, how


class Certainty(enum.Enum):
    """What the end of a call says of whether it was done."""

    ANSWERED = "as the answer says"
    NOT_DONE = "it was not"
    UNKNOWN = "once or not at all"


def described(error: ComputeGroupsError) -> str:
    """How a call ended, in a few words."""
    by_the_store = "the service's database" in error.message
    name = type(error).__name__
    code = "" if error.code == error.default_code else f" {error.code}"
    return f"{name}{code}{BY_THE_STORE if by_the_store else ''}"
