"""The earliest of many deadlines, each of which may move or go."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SPARE = 32  # entries that a heap may have beyond twice what it needs


class Deadlines(Generic[K]):
    """Deadlines by key, in seconds of a clock that the caller reads.

    Moving one to a later time costs a dict entry; the heap learns of it when its old time comes, or
    when more than half of it is old.
    """

    __slots__ = ("_deadlines", "_heap", "_in_heap", "_pushed")

    def __init__(self) -> None:
        self._deadlines: dict[K, float] = {}
        self._in_heap: dict[K, float] = {}  # the earliest time at which the heap has the key
        self._heap: list[tuple[float, int, K]] = []
        self._pushed = 0

    def __len__(self) -> int:
        """How many keys have a deadline."""
        return len(self._deadlines)

    def set(self, key: K, deadline: float | None) -> None:
        """Give a key its deadline, in place of the one that it had; None takes it away.

        Infinity is none, too: it never comes.
        """
        if deadline is None or deadline == math.inf:
            self._deadlines.pop(key, None)
        else:
            self._deadlines[key] = deadline
            if deadline < self._in_heap.get(key, math.inf):
                self._push(key, deadline)
        if len(self._heap) > 2 * len(self._deadlines) + _SPARE:
            self._rebuild()

    def next(self) -> float | None:
        """The earliest deadline, or None where there is none."""
        while self._heap:
            time, _, key = self._heap[0]
            deadline = self._deadlines.get(key)
            if deadline == time:
                return time
            heapq.heappop(self._heap)
            if self._in_heap.get(key) != time:
                continue  # the heap has it a second time, and earlier
            del self._in_heap[key]
            if deadline is not None:
                self._push(key, deadline)
        return None

    def next_of(self, wanted: Callable[[K], bool]) -> float | None:
        """The earliest deadline of some of the keys, found by looking at all of them."""
        return min([time for key, time in self._deadlines.items() if wanted(key)], default=None)

    def due(self, now: float) -> Iterator[K]:
        """Take out the keys whose deadlines have come, earliest first.

        Each is taken when it is asked for: what is done for one may move others, or take them away.
        """
        while (deadline := self.next()) is not None and deadline <= now:
            key = heapq.heappop(self._heap)[2]
            self._in_heap.pop(key, None)
            del self._deadlines[key]
            yield key

    def _push(self, key: K, deadline: float) -> None:
        self._in_heap[key] = deadline
        # The number keeps the heap from comparing keys, which may have no order.
        self._pushed += 1
        heapq.heappush(self._heap, (deadline, self._pushed, key))

    def _rebuild(self) -> None:
        self._heap.clear()
        self._in_heap.clear()
        for key, deadline in self._deadlines.items():
            self._push(key, deadline)
