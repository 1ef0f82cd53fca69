"""A load of `list_jobs` calls from a process of its own: `python -m benchmarks.load ...`.

Prints one line of JSON: seconds of each call, and seconds for all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial

import trio

import cg_backends.asyncio
import cg_backends.sync
import cg_backends.trio
from cg_core import AsyncClient, Identity
from cg_core.remote import TransportName

GROUP = "farm"
BACKENDS = ("sync", "asyncio", "trio")


def synchronously(
    url: str, identity: Identity, transport: TransportName, calls: int, at_once: int
) -> tuple[list[float], float]:
    """The load from threads."""
    times: list[float] = []
    numbers = iter(range(calls))

    def work() -> None:
        for _ in numbers:
            begun = time.perf_counter()
            groups.list_jobs(GROUP)
            times.append(time.perf_counter() - begun)

    with cg_backends.sync.connect(url, identity=identity, transport=transport) as groups:
        groups.list_jobs(GROUP)
        threads = [threading.Thread(target=work) for _ in range(at_once)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return times, time.perf_counter() - begun


async def asynchronously(
    client: AsyncClient,
    together: Callable[[Callable[[], Awaitable[None]], int], Awaitable[None]],
    calls: int,
    at_once: int,
) -> tuple[list[float], float]:
    """The load from tasks."""
    times: list[float] = []
    numbers = iter(range(calls))

    async def work() -> None:
        for _ in numbers:
            begun = time.perf_counter()
            await groups.list_jobs(GROUP)
            times.append(time.perf_counter() - begun)

    async with client as groups:
        await groups.list_jobs(GROUP)
        begun = time.perf_counter()
        await together(work, at_once)
        return times, time.perf_counter() - begun


async def tasks_of_asyncio(work: Callable[[], Awaitable[None]], at_once: int) -> None:
    """Run a task many times at once."""
    await asyncio.gather(*[work() for _ in range(at_once)])


async def tasks_of_trio(work: Callable[[], Awaitable[None]], at_once: int) -> None:
    """Run a task many times at once."""
    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(work)


def main() -> None:
    """Make the calls."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("backend", choices=BACKENDS)
    parser.add_argument("transport", choices=("websocket", "polling"))
    parser.add_argument("url")
    parser.add_argument("calls", type=int)
    parser.add_argument("at_once", type=int)
    given = parser.parse_args()
    identity = Identity(sys.stdin.readline().strip())
    load = (given.calls, given.at_once)
    match given.backend:
        case "sync":
            found = synchronously(given.url, identity, given.transport, *load)
        case "asyncio":
            client = cg_backends.asyncio.connect(
                given.url, identity=identity, transport=given.transport
            )
            found = asyncio.run(asynchronously(client, tasks_of_asyncio, *load))
        case _:
            other = cg_backends.trio.connect(
                given.url, identity=identity, transport=given.transport
            )
            found = trio.run(partial(asynchronously, other, tasks_of_trio, *load))
    times, seconds = found
    print(json.dumps({"times": times, "seconds": seconds}))


if __name__ == "__main__":
    main()
