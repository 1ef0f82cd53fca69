"""A trial: everything put up, struck until enough has struck, healed, and judged."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from random import Random
from typing import Final

import attrs

from cg_backends.sql import Store
from cg_core import ComputeGroupsError, ListGroups
from reliability.faults.actors import Actor
from reliability.faults.callers import Caller, callers
from reliability.faults.disk import Disk, disk
from reliability.faults.judgement import Judgement, judge
from reliability.faults.network import Network
from reliability.faults.record import Record
from reliability.faults.service import RestlessService
from reliability.faults.surroundings import Surroundings
from reliability.faults.wall_clock import WallClock
from tests.peers.databases import SYSTEMS, server
from tests.peers.proxy import proxy

_PROGRESS_EVERY: Final = 10.0  # seconds
_LAST_BYTES: Final = 0.5  # seconds from the first SIGTERM of the last service to the second
_HEALED: Final = 90.0  # seconds in which every client is to have an answer when all faults are over


@attrs.frozen(kw_only=True)
class Settings:
    """How a trial is to be.

    Attributes:
        seed: what all is drawn from.
        faults: how many are to take effect.
        database: "sqlite", "postgresql" or "mariadb".
        quick: whether it is a smoke run.
        pairs: of clients, an owner and a deployer.
        actors: of each pair.
        pause: seconds between two calls of an actor, on average.
        a_second: connections that are struck in a second, on average.
        timeouts: of the clients, in seconds.
    """

    seed: int
    faults: int
    database: str
    quick: bool
    pairs: int
    actors: int
    pause: float
    a_second: float
    timeouts: tuple[float, ...]


@attrs.frozen
class Trial:
    """What came of a trial.

    Attributes:
        settings: how it was to be.
        seconds: how long it went on, until its faults were over.
        disk: what the store's files were on.
        sessions: how many clients there were.
        record: what was written down.
        judgement: of the store.
    """

    settings: Settings
    seconds: float
    disk: str
    sessions: int
    record: Record
    judgement: Judgement


def try_out(settings: Settings) -> Trial:
    """A whole trial. Ctrl-C ends it early, and it is judged all the same."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        small: Disk | None = None
        if settings.database == "sqlite":
            small = stack.enter_context(disk(folder / "disk"))
            store = f"sqlite:///{small.folder}/store.db"
        else:
            system = stack.enter_context(server(SYSTEMS[settings.database], durable=True))
            store = system.url(system.new_database())
        service = RestlessService(folder, store)
        stack.callback(service.close)
        return asyncio.run(_tried(settings, folder, store, service, small))


async def _tried(
    settings: Settings, folder: Path, store: str, service: RestlessService, small: Disk | None
) -> Trial:
    record, over, all_struck = Record(), asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, over.set)

    def draw(what: str) -> Random:
        return Random(f"{settings.seed} {what}")

    async with AsyncExitStack() as stack:
        clock = WallClock(folder / "clock of the clients")
        stack.enter_context(clock.ruling_here())
        link = stack.enter_context(proxy(service.port, keeps_data=False))
        clients = await stack.enter_async_context(
            callers(link.url(), service.address, 2 * settings.pairs, settings.timeouts, draw("c"))
        )
        pairs = list(zip(clients[::2], clients[1::2], strict=True))
        actors = [
            Actor(number, *pairs[number % len(pairs)], draw(f"a{number}"), settings.pause, record)
            for number in range(settings.actors * len(pairs))
        ]
        network = Network(link, draw("n"), settings.a_second, record)
        others = Surroundings(service, store, small, clock, draw("s"), settings.quick, record)
        async with asyncio.TaskGroup() as group:
            progress = group.create_task(_tell(record, settings.faults))
            striking = [
                group.create_task(network.run(over)),
                group.create_task(others.run(settings.faults, over)),
            ]
            for actor in actors:
                group.create_task(actor.live(all_struck))
            await asyncio.wait(striking)
            seconds = record.now()
            if len(record.faults) < settings.faults:  # the Ctrl-C may have been for it, too
                await asyncio.to_thread(service.kill)
                await asyncio.to_thread(service.start)
            all_struck.set()
            progress.cancel()
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(_healed(client, record))
    # Told twice: connections that are silent still would have it wait for them.
    await asyncio.to_thread(service.stop, insist_after=_LAST_BYTES)
    for fault in (*service.faults, *service.logged()):
        record.found("service", fault)
    with Store(store) as opened:
        chapters = [chapter for actor in actors for chapter in actor.chapters]
        judgement = judge(chapters, opened.dump().rows)
    kind = "" if small is None else small.kind
    return Trial(settings, seconds, kind, len(clients), record, judgement)


async def _tell(record: Record, faults: int) -> None:
    # How far it is, now and then.
    while True:
        await asyncio.sleep(_PROGRESS_EVERY)
        print(
            f"{record.now():.0f} s: {len(record.faults)} of {faults} faults, "
            f"{record.ends.total()} calls, {len(record.findings)} wrong",
            file=sys.stderr,
        )


async def _healed(client: Caller, record: Record) -> None:
    # One call more of each client, which has to be answered.
    deadline = record.now() + _HEALED
    while True:
        try:
            await client.call(ListGroups())
        except ComputeGroupsError as error:
            if record.now() > deadline:
                record.found("service", f"{client.address} had no answer in the end: {error!r}")
                return
        else:
            return
