"""Work carried out by a service: many calls at a time, which share a session, in their order.

Once the service says that it has too much to do, they go one at a time. Of those that were on their
way then, it may have refused one and done another one behind it: only their order is not kept.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final

import attrs

from cg_backends.asyncio import connect
from cg_backends.cli.calls import Answer, Work
from cg_core import AsyncClient, Busy, ComputeGroupsError, Identity, Request
from cg_core.remote import CALL_TIMEOUT

_AT_ONCE: Final = 40  # calls: two batches of the protocol, one on its way and one that is answered
_PAUSE: Final = 0.5  # seconds, where the service has too much to do


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
        asyncio.run(_Calls(client, work, patience).carry_out())


class _Calls:
    def __init__(self, client: AsyncClient, work: Work, patience: float) -> None:
        self._client = client
        self._work = work
        self._patience = patience  # seconds
        self._refused: list[tuple[int, Request[Any]]] = []  # the service had too much to do

    async def carry_out(self) -> None:
        loop = asyncio.get_running_loop()
        interrupted: asyncio.Future[None] = loop.create_future()

        def interrupt() -> None:
            with suppress(RuntimeError):  # the loop is closed: all is answered
                loop.call_soon_threadsafe(interrupted.set_result, None)

        self._work.when_interrupted(interrupt)
        async with self._client:
            calls = asyncio.ensure_future(self._call())
            until: list[asyncio.Future[None]] = [calls, interrupted]
            await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
        # Closing the client waits for what is under way, and ends what was not sent.
        await calls

    async def _call(self) -> None:
        await asyncio.gather(*(self._call_until_refused() for _ in range(_AT_ONCE)))
        refused = sorted(self._refused, key=itemgetter(0), reverse=True)
        while not self._work.is_stopped and (batch := refused or self._work.take(1)):
            index, request = batch.pop()
            self._work.answer(index, await self._insist(request))

    async def _call_until_refused(self) -> None:
        while not self._refused and (batch := self._work.take(1)):
            index, request = batch.pop()
            answer = await self._answer(request)
            if isinstance(answer.error, Busy):
                self._refused.append((index, request))
            else:
                self._work.answer(index, answer)

    async def _insist(self, request: Request[Any]) -> Answer:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while isinstance((answer := await self._answer(request)).error, Busy):
            if loop.time() + _PAUSE > until:
                break
            await asyncio.sleep(_PAUSE)
        return answer

    async def _answer(self, request: Request[Any]) -> Answer:
        try:
            return Answer(await self._client.call(request))
        except ComputeGroupsError as error:
            return Answer(error=error.bare())
