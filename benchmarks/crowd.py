"""Many clients at once, in a process of their own: `python -m benchmarks.crowd ...`.

Each has a session of its own, and makes so many calls at once: `add_job`, which the store writes,
or `list_jobs`. Prints one line of JSON: seconds of each call, and seconds for all of them. Without
calls they connect, say so, and stay until stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

from cg_backends.asyncio import connect
from cg_core import AsyncClient, Identity

_TOGETHER = 50  # connects at a time


async def crowd(
    url: str, clients: int, work: str, calls: int, at_once: int
) -> tuple[list[float], float]:
    """Connect all, then have all of them call."""
    times: list[float] = []
    name = secrets.token_hex(4)

    async def one(number: int, groups: AsyncClient) -> None:
        calls_to_make = iter(range(calls))
        await asyncio.gather(*[each(number, groups, calls_to_make) for _ in range(at_once)])

    async def each(number: int, groups: AsyncClient, calls_to_make: Iterator[int]) -> None:
        key = f"{name} {number}"
        for call in calls_to_make:
            begun = time.perf_counter()
            if work == "add_job":
                await groups.add_job(key, f"{name}{number:05}{call:09}", join_key=key)
            else:
                await groups.list_jobs(key)
            times.append(time.perf_counter() - begun)

    async with AsyncExitStack() as stack:

        async def connected(number: int) -> AsyncClient:
            identity = Identity((number + 1).to_bytes(32, "big"))
            client = connect(url, identity=identity, idle_timeout=None, timeout=300)
            groups = await stack.enter_async_context(client)
            if calls:
                await groups.create("farm", join_key=f"{name} {number}")
            else:
                await groups.list_groups()
            return groups

        all_of_them: list[AsyncClient] = []
        for first in range(0, clients, _TOGETHER):
            numbers = range(first, min(first + _TOGETHER, clients))
            all_of_them += await asyncio.gather(*map(connected, numbers))
        if not calls:
            print("connected", flush=True)
            await asyncio.to_thread(sys.stdin.read)
        begun = time.perf_counter()
        await asyncio.gather(*(one(number, groups) for number, groups in enumerate(all_of_them)))
        return times, time.perf_counter() - begun


def main() -> None:
    """Make the calls."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("clients", type=int)
    parser.add_argument("work", choices=("add_job", "list_jobs"))
    parser.add_argument("calls", type=int, help="of each client")
    parser.add_argument("--at-once", type=int, default=1, help="of each client")
    given = parser.parse_args()
    load = (given.url, given.clients, given.work, given.calls, given.at_once)
    times, seconds = asyncio.run(crowd(*load))
    print(json.dumps({"times": times, "seconds": seconds}))


if __name__ == "__main__":
    main()
