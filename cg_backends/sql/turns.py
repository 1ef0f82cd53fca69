"""Turns: of the threads that wait, one carries out what all of them wait for (C-19).

Who comes first has the turn. Who comes meanwhile waits, and all that waits when the turn ends is
carried out in the next one, by the first who waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from cg_core import Caller, Request


class Asked:
    """A request, who sent it, and what came of it: the reply, or an error."""

    def __init__(self, request: Request[Any], caller: Caller) -> None:
        self.request: Final = request
        self.caller: Final = caller
        self.is_answered = False
        self.outcome: Any = None

    def answer(self, outcome: object) -> None:
        """Say what came of it."""
        self.outcome = outcome
        self.is_answered = True

    def result(self) -> Any:
        """The reply. An error is raised."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class _Waiting:
    """A thread that waits for its answer, or for its turn."""

    def __init__(self, asked: Asked) -> None:
        self.asked: Final = asked
        self.has_turn = False
        self.bell: Final = threading.Lock()  # closed until it is woken
        self.bell.acquire()


class Turns:
    """Carries out what many threads ask, several requests at a time.

    Args:
        carry_out: answers all that it is given.
        most: how many requests it is given at once.
    """

    def __init__(self, carry_out: Callable[[Sequence[Asked]], None], most: int) -> None:
        self._carry_out: Final = carry_out
        self._most: Final = most
        self._lock: Final = threading.Lock()  # of what follows; held for moments
        self._waiting: Final[list[_Waiting]] = []
        self._is_taken = False

    def answer(self, asked: Asked) -> None:
        """Wait until a request is answered, or take the turn and answer it, and others with it."""
        mine = _Waiting(asked)
        try:
            with self._lock:
                self._waiting.append(mine)
                if not self._is_taken:
                    self._is_taken = mine.has_turn = True
            if not mine.has_turn:
                mine.bell.acquire()
            if mine.has_turn:
                self._carry_out([each.asked for each in self._first()])
        finally:
            self._leave(mine)

    def _first(self) -> list[_Waiting]:
        with self._lock:
            return self._waiting[: self._most]

    def _leave(self, mine: _Waiting) -> None:
        # Ctrl-C may be the reason. Then what was not answered waits on, and the turn is passed on.
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
            if not mine.has_turn:
                return
            for each in self._waiting[: self._most]:
                if each.asked.is_answered:
                    self._waiting.remove(each)
                    each.bell.release()
            if not self._waiting:
                self._is_taken = False
                return
            following = self._waiting[0]
            following.has_turn = True
            following.bell.release()
