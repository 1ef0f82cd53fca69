"""More and more sessions, in a process of their own: `python -m reliability.load.newcomers ...`.

Each newcomer has an identity of its own, makes one call, and stays until stdin ends. For each one
there is a line of JSON on stdout: when it was told what, and how long it took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack

from cg_backends.asyncio import connect
from cg_core import ComputeGroupsError, Identity
from reliability.load.figures import LET_IN


async def come(url: str, newcomers: int, together: int) -> None:
    """Come, so many at a time; go when stdin ends."""
    numbers = iter(range(newcomers))
    async with AsyncExitStack() as stack:

        async def some() -> None:
            for number in numbers:
                identity = Identity((2_000_000 + number).to_bytes(32, "big"))
                client = connect(url, identity=identity, idle_timeout=None)
                begun = time.monotonic()
                try:
                    groups = await stack.enter_async_context(client)
                    await groups.list_groups()
                    outcome = LET_IN
                except ComputeGroupsError as error:
                    outcome = f"{type(error).__name__} {error.code}"
                at = time.monotonic()
                told = {"at": at, "seconds": round(at - begun, 6), "outcome": outcome}
                print(json.dumps(told), flush=True)

        await asyncio.gather(*(some() for _ in range(together)))
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Come."""
    parser = argparse.ArgumentParser(prog="python -m reliability.load.newcomers")
    parser.add_argument("url")
    parser.add_argument("newcomers", type=int)
    parser.add_argument("together", type=int, help="that come at a time")
    given = parser.parse_args()
    asyncio.run(come(given.url, given.newcomers, given.together))


if __name__ == "__main__":
    main()
