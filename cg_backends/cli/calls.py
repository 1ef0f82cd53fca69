"""Requests carried out in their order, until all are answered, one stops the rest, or Ctrl-C comes.

At the first Ctrl-C nothing more is begun, and what is under way is waited for; a second one leaves
it, and then nobody knows what became of it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import attrs

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
    """Requests, and what has come of them so far.

    Args:
        requests: in the order in which they are to be carried out.
        advance: told how many more are answered.
        on_interrupt: called at the first Ctrl-C.

    Attributes:
        answers: for each request its answer; None where it was not begun.
        is_interrupted: whether Ctrl-C ended it before all was answered.
    """

    def __init__(
        self,
        requests: Sequence[Request[Any]],
        *,
        advance: Callable[[int], object] = lambda _: None,
        on_interrupt: Callable[[], object] = lambda: None,
    ) -> None:
        self.answers: Final[list[Answer | None]] = [None] * len(requests)
        self.is_interrupted = False
        self._requests = requests
        self._advance = advance
        self._on_interrupt = on_interrupt
        self._taken = 0
        self._is_stopped = False

    def take(self, most: int) -> list[tuple[int, Request[Any]]]:
        """The next requests to begin, with their places; none at the end."""
        start = self._taken
        if not self._is_stopped:
            self._taken = min(start + most, len(self._requests))
        return list(enumerate(self._requests[start : self._taken], start))

    def answer(self, index: int, answer: Answer) -> None:
        """Take an answer down. What would befall the rest as well stops it."""
        if isinstance(answer.error, ClientClosed):
            return  # by Ctrl-C, before it was sent
        self.answers[index] = answer
        self._advance(1)
        if answer.error is not None and not concerns_one_job(answer.error):
            self._is_stopped = True

    def interrupt(self) -> None:
        """Ctrl-C: begin nothing more."""
        if not self.is_interrupted:
            self.is_interrupted = self._is_stopped = True
            self._on_interrupt()

    def leave(self) -> None:
        """Ctrl-C again: nobody waits for the answers that are still to come."""
        for index, answer in enumerate(self.answers[: self._taken]):
            if answer is None:
                self.answers[index] = Answer(error=OutcomeUnknown(_LEFT))

    @contextmanager
    def interrupted_by_signals(self) -> Iterator[None]:
        """The first SIGINT is an `interrupt`, the second one a KeyboardInterrupt."""
        previous = signal.getsignal(signal.SIGINT)

        def once(*_: object) -> None:
            signal.signal(signal.SIGINT, previous)
            self.interrupt()

        signal.signal(signal.SIGINT, once)
        try:
            yield
        except KeyboardInterrupt:
            self.leave()
        finally:
            signal.signal(signal.SIGINT, previous)


class Executor(Protocol):
    """What carries work out."""

    def carry_out(self, work: Work) -> None:
        """Begin requests in their order, and take their answers down."""
