"""Who calls: clients of the three backends, each with its own patience, all awaited alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from random import Random
from typing import Any, Final

import attrs

import cg_backends.asyncio
from cg_core import Address, Client, Identity, Request
from cg_core.remote import TransportName
from tests.backends.remote import client_in, event_loop

_CONNECT_TIMEOUT: Final = 10.0
_BACKENDS: Final = ("asyncio",) * 8 + ("sync", "trio")
_TRANSPORTS: Final[tuple[TransportName | None, ...]] = (None, None, "websocket", "polling")


@attrs.frozen
class Caller:
    """A client, which may be shared by many.

    Attributes:
        address: whose name it signs with.
        timeout: how long a call may take, in seconds.
        call: makes a call.
        close: closes it.
    """

    address: Address
    timeout: float
    call: Callable[[Request[Any]], Awaitable[Any]]
    close: Callable[[], Awaitable[None]]


@asynccontextmanager
async def callers(
    url: str, service: Address, number: int, timeouts: tuple[float, ...], draw: Random
) -> AsyncIterator[list[Caller]]:
    """So many clients of a service, each of its own identity, backend and transport."""
    made: list[Caller] = []
    with ExitStack() as stack:
        # Three actors share a client; all of them may wait at once.
        threads = stack.enter_context(ThreadPoolExecutor(3 * number))
        loops = {name: stack.enter_context(event_loop(name)) for name in ("sync", "trio")}
        for place in range(number):
            identity = Identity((place + 1).to_bytes(32, "big"))
            timeout = timeouts[place % len(timeouts)]
            backend = draw.choice(_BACKENDS)
            options: dict[str, Any] = {
                "identity": identity,
                "timeout": timeout,
                "connect_timeout": _CONNECT_TIMEOUT,
                "idle_timeout": None,
                "service_address": service,
                "transport": draw.choice(_TRANSPORTS),
            }
            if backend == "asyncio":
                client = await cg_backends.asyncio.connect(url, **options).__aenter__()
                made.append(Caller(identity.address, timeout, client.call, client.aclose))
            else:
                waiting = client_in(loops[backend], backend, url, **options)
                made.append(_in_threads(threads, waiting, identity.address, timeout))
        try:
            yield made
        finally:
            await asyncio.gather(*(each.close() for each in made))


def _in_threads(
    threads: ThreadPoolExecutor, client: Client, address: Address, timeout: float
) -> Caller:
    run = asyncio.get_running_loop().run_in_executor

    async def call(request: Request[Any]) -> Any:
        return await run(threads, lambda: client.call(request))

    async def close() -> None:
        await run(threads, client.close)

    return Caller(address, timeout, call, close)
