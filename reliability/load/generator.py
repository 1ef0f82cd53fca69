"""The callers of a load, in a process of their own: `python -m reliability.load.generator ...`.

All connect; then each pair calls when it is due, until stdin ends. From when all are in, each
second is a line of JSON on stdout. The last line comes when all of their books have been looked
through and deleted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Final

from cg_backends.asyncio import connect
from cg_core import Identity
from cg_core.remote import TransportName
from reliability.load.callers import Call, Caller, Pair, Told
from reliability.load.figures import POLLING

_TOGETHER: Final = 20  # pairs that connect at a time


class Tally:
    """What came of the calls since it was last taken."""

    def __init__(self) -> None:
        self._findings: list[str] = []
        self._late = 0.0
        self._clear()

    def add(self, call: Call, told: Told, latency: float, late: float) -> None:
        """Count a call.

        Args:
            call: what was asked.
            told: what came of it.
            latency: seconds from when it was due to the answer.
            late: seconds from when it was due to when it was made.
        """
        self._latencies[call.method, told.outcome].append(round(latency, 6))
        self._late = max(self._late, late)
        if told.finding is not None:
            self._findings.append(told.finding)

    def fail(self, finding: str) -> None:
        """Note what should not have been."""
        self._findings.append(finding)

    def take(self, at: float) -> str:
        """All of it, as a line of JSON; from then on it counts anew.

        Args:
            at: the time, of the monotonic clock.
        """
        calls = [[*key, latencies] for key, latencies in self._latencies.items()]
        line = {"at": at, "calls": calls, "late": self._late, "findings": self._findings}
        self._findings = []
        self._clear()
        return json.dumps(line)

    def _clear(self) -> None:
        self._latencies: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._late = 0.0


class Generator:
    """Pairs of callers.

    Args:
        url: the service's.
        pairs: how many.
        rate: calls that each caller makes in a second.
        seed: what they do depends on it.
    """

    def __init__(self, url: str, pairs: int, rate: float, seed: int) -> None:
        self._url = url
        self._pairs = pairs
        self._interval = 1 / (2 * rate)  # of a pair
        self._seed = seed
        self._tally = Tally()
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Connect, call until stdin ends, look through all, and go."""
        async with AsyncExitStack() as stack:
            pairs: list[Pair] = []
            for first in range(0, self._pairs, _TOGETHER):
                numbers = range(first, min(first + _TOGETHER, self._pairs))
                pairs += await asyncio.gather(*(self._connected(stack, each) for each in numbers))
            gc.collect()
            gc.freeze()  # a collector's pauses here would count as the service's
            self._print()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._until_stdin_ends())
                tasks.create_task(self._print_each_second())
                calling = [tasks.create_task(self._call_on(each)) for each in pairs]
            sound = [pair for pair, task in zip(pairs, calling, strict=True) if task.result()]
            await asyncio.gather(*map(self._audit, sound))
        self._print()

    async def _connected(self, stack: AsyncExitStack, number: int) -> Pair:
        # One of both proves to have a second address.
        door = Identity((1_000_000 + number).to_bytes(32, "big"))
        first = await self._caller(stack, 2 * number, None)
        return Pair(number, (first, await self._caller(stack, 2 * number + 1, door)), self._seed)

    async def _caller(self, stack: AsyncExitStack, number: int, door: Identity | None) -> Caller:
        identity = Identity((number + 1).to_bytes(32, "big"))
        transport: TransportName = "websocket" if number % POLLING else "polling"
        client = connect(
            self._url,
            identity=identity,
            join_identity=door,
            transport=transport,
            idle_timeout=None,
        )
        await stack.enter_async_context(client)
        await client.list_groups()
        return Caller(client, identity.address, None if door is None else door.address)

    async def _call_on(self, pair: Pair) -> bool:
        # A call that is late does not put off the next ones: latencies are from when it was due.
        due = self._loop.time() + self._interval * pair.random.random()
        while True:
            call = pair.draw()
            await asyncio.sleep(due - self._loop.time())
            if self._over.is_set():
                return True
            if not await self._make(pair, call, due):
                return False  # from now on it is not known what the books of this pair should be
            due += self._interval * (0.5 + pair.random.random())

    async def _make(self, pair: Pair, call: Call, due: float) -> bool:
        begun = self._loop.time()
        try:
            told = await pair.make(call)
        except Exception as error:  # whatever a client may have wrong
            self._tally.fail(f"{call.method} raised {error!r}")
            return False
        self._tally.add(call, told, self._loop.time() - due, begun - due)
        return told.finding is None

    async def _audit(self, pair: Pair) -> None:
        for call in pair.audit():
            if not await self._make(pair, call, self._loop.time()):
                return

    async def _until_stdin_ends(self) -> None:
        await asyncio.to_thread(sys.stdin.read)
        self._over.set()

    async def _print_each_second(self) -> None:
        due = self._loop.time()
        while not self._over.is_set():
            due += 1
            await asyncio.sleep(due - self._loop.time())
            self._print()

    def _print(self) -> None:
        print(self._tally.take(self._loop.time()), flush=True)


def main() -> None:
    """Make the calls."""
    parser = argparse.ArgumentParser(prog="python -m reliability.load.generator")
    parser.add_argument("url")
    parser.add_argument("pairs", type=int)
    parser.add_argument("rate", type=float, help="calls of each caller in a second")
    parser.add_argument("seed", type=int)
    given = parser.parse_args()

    async def run() -> None:
        await Generator(given.url, given.pairs, given.rate, given.seed).run()

    asyncio.run(run())


if __name__ == "__main__":
    main()
