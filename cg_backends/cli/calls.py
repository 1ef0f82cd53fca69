"""Requests carried out in their order, until all are answered, one stops the rest, or Ctrl-C comes.

A thread carries them out, and the main one listens. At the first Ctrl-C nothing more is begun, and
what is under way is waited for; a second one leaves it, and then nobody knows what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Any, Final, Protocol

import attrs

from cg_backends.cli.interrupts import Interrupts
from cg_core import (
    ClientClosed,
    ComputeGroupsError,
    JobCancelled,
    JobNotFound,
    NotOwner,
    OutcomeUnknown,
    Request,
)

_LEFT: Final = (
    "it was left before its answer came, so it was done as a whole or not at all; look before you "
    "repeat it"
)


def concerns_one_job(error: ComputeGroupsError) -> bool:
    """Whether it is about a job, or may be, so that others may do better."""
    return isinstance(error, NotOwner | JobCancelled | JobNotFound)


@attrs.frozen
class Answer:
    """What came of a request: its result, or an error."""

    result: Any = None
    error: ComputeGroupsError | None = None

    @classmethod
    def of(cls, outcome: object) -> Answer:
        """The answer that an outcome is, as stores give it."""
        if isinstance(outcome, ComputeGroupsError):
            return cls(error=outcome)
        if isinstance(outcome, Exception):
            raise outcome
        return cls(outcome)


class Work:
    """Requests, and what has come of them so far. Threads may use it at once.

    Args:
        requests: in the order in which they are to be carried out.
        advance: told how many more are answered.

    Attributes:
        answers: for each request its answer; None where it was not begun.
        is_interrupted: whether Ctrl-C came before it was over.
        is_stopped: whether nothing more is to be begun.
    """

    def __init__(
        self, requests: Sequence[Request[Any]], *, advance: Callable[[int], object] = lambda _: None
    ) -> None:
        self.answers: Final[list[Answer | None]] = [None] * len(requests)
        self.is_interrupted = False
        self.is_stopped = False
        self._requests = requests
        self._advance = advance
        self._on_interrupt: Callable[[], object] = lambda: None
        self._lock = Lock()  # held by who touches any of it
        self._taken = 0
        self._unsent: set[int] = set()  # taken, and given back by a client that closed
        self._is_left = False

    # For who carries it out

    def take(self, most: int) -> list[tuple[int, Request[Any]]]:
        """The next requests to begin, with their places; none at the end."""
        with self._lock:
            start = self._taken
            if not self.is_stopped:
                self._taken = min(start + most, len(self._requests))
            return list(enumerate(self._requests[start : self._taken], start))

    def answer(self, index: int, answer: Answer) -> None:
        """Take an answer down. What would befall the rest as well stops it."""
        with self._lock:
            if self._is_left:
                return
            if isinstance(answer.error, ClientClosed):
                self._unsent.add(index)  # by Ctrl-C, before it was sent
                return
            self.answers[index] = answer
            if answer.error is not None and not concerns_one_job(answer.error):
                self.is_stopped = True
        self._advance(1)

    def when_interrupted(self, react: Callable[[], object]) -> None:
        """Have something done at Ctrl-C, or now, if it has come."""
        with self._lock:
            self._on_interrupt = react
            has_come = self.is_interrupted
        if has_come:
            react()

    # For who listens

    def interrupt(self) -> None:
        """Ctrl-C: begin nothing more."""
        with self._lock:
            self.is_interrupted = self.is_stopped = True
            react = self._on_interrupt
        react()

    def leave(self) -> None:
        """Ctrl-C again: nobody waits for the answers that are still to come."""
        with self._lock:
            self._is_left = True
            for index, answer in enumerate(self.answers[: self._taken]):
                if answer is None and index not in self._unsent:
                    self.answers[index] = Answer(error=OutcomeUnknown(_LEFT))


class Executor(Protocol):
    """What carries work out."""

    def carry_out(self, work: Work) -> None:
        """Begin requests in their order, and take their answers down."""


def carry_out(
    executor: Executor, work: Work, interrupts: Interrupts, on_stopping: Callable[[], object]
) -> None:
    """Have work carried out, and listen for Ctrl-C.

    Args:
        executor: carries it out, in a thread.
        work: it.
        interrupts: Ctrl-C.
        on_stopping: called at the first Ctrl-C.

    Raises:
        Exception: what the executor raised.
    """

    def run() -> None:
        fault: BaseException | None = None
        try:
            executor.carry_out(work)
        except BaseException as error:
            fault = error
        interrupts.tell(_Over(fault))

    Thread(target=run, daemon=True).start()
    while not isinstance(happened := interrupts.wait(), _Over):
        if work.is_interrupted:
            work.leave()
            return
        work.interrupt()
        on_stopping()
    if happened.fault is not None:
        raise happened.fault


@attrs.frozen
class _Over:
    """Nothing is under way any more."""

    fault: BaseException | None
