"""Requests on their way through the store: those that wait share a transaction (C-19)."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from cg_core import Caller, OutcomeUnknown, Request
from cg_core.service import Execute

# Requests in one transaction: the first of them waits for the last.
_MOST_TOGETHER: Final = 100

_log = logging.getLogger("cg.service")


class Store(Protocol):
    """What carries requests out."""

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> Sequence[object]:
        """Carry out requests, in order; the result of each, or the error that came of it."""


class Execution:
    """Carries requests out, one batch after the other, in a thread of its own.

    Args:
        store: where.
        done: takes the `Execute.id` of each and its outcome, in the event loop.
    """

    def __init__(self, store: Store, done: Callable[[list[tuple[int, object]]], None]) -> None:
        self._store = store
        self._done = done
        self._waiting: deque[Execute] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._running: asyncio.Task[None] | None = None

    def add(self, execute: Execute) -> None:
        """Have a request carried out, after `start`."""
        self._waiting.append(execute)

    def start(self) -> None:
        """See to it that what waits is carried out."""
        if self._waiting and (self._running is None or self._running.done()):
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def end(self) -> None:
        """Wait for what the store is doing, and do nothing more."""
        self._waiting.clear()
        if self._running is not None:
            await self._running
        self._thread.shutdown()

    async def _run(self) -> None:
        # Again whenever something has come meanwhile.
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_TOGETHER))
            ]
            asked = [(each.request, each.caller) for each in batch]
            outcomes = await loop.run_in_executor(self._thread, self._outcomes, asked)
            self._done([(each.id, outcome) for each, outcome in zip(batch, outcomes, strict=True)])

    def _outcomes(self, asked: Sequence[tuple[Request[Any], Caller]]) -> Sequence[object]:
        try:
            outcomes = self._store.execute_all(asked)
            return [outcome for _, outcome in zip(asked, outcomes, strict=True)]
        except Exception as error:
            # A fault of ours, which may have come after the commit. Its message may hold secrets.
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("the store failed: %s\n%s", type(error).__name__, where)
            fault = OutcomeUnknown("the service failed in the midst of it; its log says where")
            return [fault] * len(asked)
