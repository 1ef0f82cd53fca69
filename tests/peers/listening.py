"""The end of listening, of which nobody who came in time is left out."""

from __future__ import annotations

import asyncio

# From a socket that is accepted to `connection_made` there are two or three in CPython.
_ROUNDS = 10


async def stop_accepting(server: asyncio.Server) -> None:
    """Close a server's sockets; whoever was accepted is a connection when this returns.

    `Server.close` alone would forget a socket that is accepted and no connection yet, and leave it
    open (CPython 3.11).
    """
    loop = asyncio.get_running_loop()
    for each in server.sockets:
        loop.remove_reader(each.fileno())
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
    server.close()
