"""What befalls connections: a proxy's plans for those that are there, and for those to come."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

import attrs

from reliability.faults.record import Fault, Record
from tests.peers.proxy import Carried, Cut, Direction, Link, Plan, Refuse, Stall

_CLIENT, _SERVER = (frozenset([each]) for each in (Direction.TO_CLIENT, Direction.TO_SERVER))
# Bytes that still arrive: none of the next message, or some of one of those that follow.
_LONGEST: Final = 1500
_LOOK_EVERY: Final = 0.1  # seconds
# By name: (how often, how it cuts or stalls; None refuses).
_KINDS: Final[dict[str, tuple[int, Cut | Stall | None]]] = {
    "connection ended (FIN)": (20, Cut(Direction.TO_CLIENT)),
    "connection reset (RST)": (20, Cut(Direction.TO_CLIENT, reset=True)),
    "connection ended, heard by the client alone": (8, Cut(Direction.TO_CLIENT, heard_by=_CLIENT)),
    "connection ended, heard by the service alone": (8, Cut(Direction.TO_CLIENT, heard_by=_SERVER)),
    "connection silent, both ways": (6, Stall(Direction.TO_CLIENT)),
    "connection silent towards the client": (6, Stall(Direction.TO_CLIENT, stalled=_CLIENT)),
    "connection silent towards the service": (6, Stall(Direction.TO_CLIENT, stalled=_SERVER)),
    "connection refused": (12, None),
}


@attrs.define
class Network:
    """Strikes connections.

    Attributes:
        link: the proxy that carries them.
        draw: what is drawn from.
        a_second: how often, on average.
        record: where it is written down which took effect.
    """

    link: Link
    draw: Random
    a_second: float
    record: Record
    _open: list[Carried] = attrs.field(factory=list)
    _known: int = 0
    _planned: dict[int, str] = attrs.field(factory=dict)

    async def run(self, over: asyncio.Event) -> None:
        """Strike until it is over; what has not come to pass by then will not."""
        looking = asyncio.create_task(self._look())
        while not over.is_set():
            await asyncio.sleep(self.draw.expovariate(self.a_second))
            self._strike()
        for number in self._planned:
            self.link.plans.pop(number, None)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        self._count()

    def _strike(self) -> None:
        connections = self.link.connections
        new, self._known = connections[self._known :], len(connections)
        self._open = [
            each for each in self._open + new if each.is_open and each.number not in self._planned
        ]
        (kind,) = self.draw.choices(list(_KINDS), [often for often, _ in _KINDS.values()])
        _, how = _KINDS[kind]
        direction = self.draw.choice(tuple(Direction))
        further = self.draw.choice([0, self.draw.randrange(_LONGEST)])
        which = self.draw.random()
        plan: Plan
        if how is None:
            number, plan = self._known, Refuse()  # the next one that comes
        elif self._open:
            connection = self._open[int(which * len(self._open))]
            number, after = connection.number, connection.carried(direction) + further
            plan = attrs.evolve(how, direction=direction, after=after)
        else:
            return
        self._planned[number] = kind
        self.link.plans[number] = plan

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            self._count()

    def _count(self) -> None:
        for number in [*self._planned]:
            if number >= len(self.link.connections):
                continue
            connection = self.link.connections[number]
            if connection.is_struck:
                self.record.faults.append(Fault(self._planned.pop(number), self.record.now()))
            elif not connection.is_open:  # something else came first
                del self._planned[number]
