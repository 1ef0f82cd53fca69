"""Work carried out by a service: many calls at a time, which share a session, in their order."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import attrs

from cg_backends.asyncio import connect
from cg_backends.cli.calls import Answer, Work
from cg_core import AsyncClient, Busy, ComputeGroupsError, Identity, Request
from cg_core.remote import CALL_TIMEOUT

_AT_ONCE: Final = 40  # calls: two batches of the protocol, one on its way and one that is answered
_PAUSE: Final = 1.0  # seconds, where the service has too much to do


@attrs.frozen
class ServiceExecutor:
    """Carries work out by calls to a service.

    Attributes:
        identity: who signs.
        options: what else `connect` of a remote backend takes.
    """

    identity: Identity
    options: dict[str, Any]

    def carry_out(self, work: Work) -> None:
        """See `Executor`."""
        client = connect(identity=self.identity, **self.options)
        patience = self.options.get("timeout", CALL_TIMEOUT)
        try:
            asyncio.run(_carry_out(client, work, patience))
        except KeyboardInterrupt:
            work.leave()


async def _carry_out(client: AsyncClient, work: Work, patience: float) -> None:
    async def call_one_by_one() -> None:
        while batch := work.take(1):
            ((index, request),) = batch
            work.answer(index, await _answer(client, request, patience))

    async with client:
        callers = [asyncio.create_task(call_one_by_one()) for _ in range(_AT_ONCE)]
        try:
            await asyncio.wait(callers)
        except asyncio.CancelledError:  # Ctrl-C; closing the client waits for what is under way
            work.interrupt()
    await asyncio.gather(*callers)


async def _answer(client: AsyncClient, request: Request[Any], patience: float) -> Answer:
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        try:
            return Answer(await client.call(request))
        except Busy as error:  # nothing was done
            if loop.time() + _PAUSE > until:
                return Answer(error=error)
        except ComputeGroupsError as error:
            return Answer(error=error.bare())
        await asyncio.sleep(_PAUSE)
