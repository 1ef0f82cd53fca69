"""What befalls the service and what it stands on, one thing at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import attrs

from reliability.faults.actors import BY_THE_STORE, OUT_OF_TIME
from reliability.faults.databases import paused
from reliability.faults.disk import Disk
from reliability.faults.record import Fault, Record
from reliability.faults.service import RestlessService
from reliability.faults.wall_clock import WallClock

_EFFECT: Final = 30.0  # seconds in which a full disk, or another clock, is to be felt
_HEALING: Final = 60.0  # seconds after which nothing heals by itself any more
_PATIENCE: Final = 10.0  # seconds that a service waits for its database
_WITHIN: Final = 500.0  # seconds by which a clock may be off, and nobody minds
_BEYOND: Final = (1_300.0, 7_200.0)  # ... and every call is refused


@attrs.frozen
class Surroundings:
    """Strikes the service, its database, its disk, and the clocks.

    Attributes:
        service: the service.
        store: the URL of its store.
        disk: what that is on; None where it cannot be filled.
        clients_clock: the one of all clients.
        draw: what is drawn from.
        quick: whether everything is to be short, and each kind to come as often as any other.
        record: where it is written down which took effect.
    """

    service: RestlessService
    store: str
    disk: Disk | None
    clients_clock: WallClock
    draw: Random
    quick: bool
    record: Record

    async def run(self, faults: int, over: asyncio.Event) -> None:
        """Strike, round after round, in each of which there is everything.

        Args:
            faults: after so many it is over, and after the first round.
            over: set then, or by others.
        """
        rounds = 0
        while not over.is_set():
            for kind in self._round():
                if rounds and len(self.record.faults) >= faults:
                    over.set()
                if over.is_set():
                    return
                await asyncio.sleep(self._calm())
                await self._strike(kind)
            rounds += 1

    def _round(self) -> list[str]:
        kinds = []
        for kind, (often, method) in KINDS.items():
            of_the_disk = method in (Surroundings._fill_disk, Surroundings._kill_on_full_disk)
            if of_the_disk and self.disk is None:
                continue
            if self.quick and method is Surroundings._pause_database_for_long:
                continue
            kinds += [kind] * (1 if self.quick else often)
        self.draw.shuffle(kinds)
        return kinds

    async def _strike(self, kind: str) -> None:
        record, (_, method) = self.record, KINDS[kind]
        begun = record.now()
        try:
            took_effect = await method(self)
        except RuntimeError as error:  # it did not start
            record.found("service", f"{kind}: {error}")
            return
        ended = record.now()
        healed = await self._comes(lambda: bool(record.answered) and record.answered[-1] > ended)
        if not healed:
            record.found("service", f"{kind}: no call was answered for {_HEALING:g} s after it")
        elif took_effect:
            record.faults.append(Fault(kind, begun, ended - begun, record.answered[-1] - ended))

    # The service

    async def _kill(self) -> bool:
        busy = self.record.under_way > 0
        await asyncio.to_thread(self.service.kill)
        await asyncio.sleep(self._short())
        await asyncio.to_thread(self.service.start)
        return busy

    async def _restart(self) -> bool:
        await asyncio.to_thread(self.service.stop)
        await asyncio.to_thread(self.service.start)
        return True

    async def _restart_in_haste(self) -> bool:
        await asyncio.to_thread(self.service.stop, insist_after=self._short())
        await asyncio.to_thread(self.service.start)
        return True

    async def _pause_service(self) -> bool:
        with self.service.paused():
            await asyncio.sleep(self._long())
            return self.record.under_way > 0

    # Its database

    async def _pause_database(self) -> bool:
        async with self._paused():
            await asyncio.sleep(self._long())
            return self.record.under_way > 0

    async def _pause_database_for_long(self) -> bool:
        async with self._paused():
            await asyncio.sleep(_PATIENCE + self._long())
            return self.record.under_way > 0

    async def _kill_in_pause(self) -> bool:
        async with self._paused():
            await asyncio.sleep(self._long())
            busy = self.record.under_way > 0
            await asyncio.to_thread(self.service.kill)
        await asyncio.to_thread(self.service.start)
        return busy

    @asynccontextmanager
    async def _paused(self) -> AsyncIterator[None]:
        # In a thread, since who wants a lock may have to wait for it.
        entered = paused(self.store)
        await asyncio.to_thread(entered.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(entered.__exit__, None, None, None)

    # Its disk

    async def _fill_disk(self) -> bool:
        async with self._full_disk() as is_felt:
            await asyncio.sleep(self._long() if is_felt else 0)
            return is_felt

    async def _kill_on_full_disk(self) -> bool:
        async with self._full_disk() as is_felt:
            await asyncio.to_thread(self.service.kill)
        await asyncio.to_thread(self.service.start)
        return is_felt

    @asynccontextmanager
    async def _full_disk(self) -> AsyncIterator[bool]:
        # And whether the service has met it.
        assert self.disk is not None
        pid, ends = self.service.pid, self.record.ends

        def failures() -> int:
            return sum(number for how, number in ends.items() if how.endswith(BY_THE_STORE))

        before = failures()
        self.disk.fill(pid)
        try:
            yield await self._comes(lambda: failures() > before, _EFFECT)
        finally:
            self.disk.free(pid)

    # Clocks

    async def _move_a_little(self, clock: WallClock) -> bool:
        answered = self.record.answered
        before = len(answered)
        with clock.moved(self.draw.uniform(-_WITHIN, _WITHIN)):
            await asyncio.sleep(self._long())
            return await self._comes(lambda: len(answered) > before, _EFFECT)

    async def _move_far(self, clock: WallClock) -> bool:
        def refused() -> int:
            ends = self.record.ends
            return sum(number for how, number in ends.items() if how.endswith(OUT_OF_TIME))

        before = refused()
        with clock.moved(self.draw.choice([-1, 1]) * self.draw.uniform(*_BEYOND)):
            is_felt = await self._comes(lambda: refused() > before, _EFFECT)
            await asyncio.sleep(self._long() if is_felt else 0)
            return is_felt

    # Time

    def _calm(self) -> float:
        return self.draw.uniform(0, 0.3) if self.quick else self.draw.uniform(1, 5)

    def _short(self) -> float:
        return self.draw.uniform(0, 0.3 if self.quick else 2)

    def _long(self) -> float:
        return self.draw.uniform(0.2, 0.6 if self.quick else 4)

    async def _comes(self, condition: Callable[[], bool], seconds: float = _HEALING) -> bool:
        # Whether that is so in time; it can only come with the end of a call.
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self.record.next_end()
        except TimeoutError:
            return False
        return True


# By name: how often in a round, and what it is; which tells whether it took effect.
KINDS: Final[dict[str, tuple[int, Callable[[Surroundings], Awaitable[bool]]]]] = {
    "service killed (SIGKILL)": (3, Surroundings._kill),
    "service restarted (SIGTERM)": (1, Surroundings._restart),
    "service restarted in haste (SIGTERM twice)": (2, Surroundings._restart_in_haste),
    "service paused (SIGSTOP)": (3, Surroundings._pause_service),
    "database paused": (3, Surroundings._pause_database),
    "database paused for longer than a call may wait": (1, Surroundings._pause_database_for_long),
    "service killed while its database was paused": (1, Surroundings._kill_in_pause),
    "disk full": (2, Surroundings._fill_disk),
    "service killed on a full disk": (1, Surroundings._kill_on_full_disk),
    "clock of the service moved by minutes": (1, lambda of: of._move_a_little(of.service.clock)),
    "clock of the service moved by an hour": (2, lambda of: of._move_far(of.service.clock)),
    "clock of the clients moved by minutes": (1, lambda of: of._move_a_little(of.clients_clock)),
    "clock of the clients moved by an hour": (2, lambda of: of._move_far(of.clients_clock)),
}
