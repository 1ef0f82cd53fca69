"""Socket.IO connections that say nothing: `python -m benchmarks.idle_sockets URL COUNT`.

Says when they are there, and keeps them until stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import socketio

_TOGETHER = 50  # connect at a time


async def stay(url: str, count: int) -> None:
    """Connect all, and wait."""

    async def connected() -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(url, transports=["websocket"], socketio_path="dcp5/socketio")
        return client

    clients: list[socketio.AsyncClient] = []
    while len(clients) < count:
        some = min(_TOGETHER, count - len(clients))
        clients += await asyncio.gather(*[connected() for _ in range(some)])
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Connect."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_sockets", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    asyncio.run(stay(given.url, given.count))


if __name__ == "__main__":
    main()
