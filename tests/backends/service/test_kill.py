"""kill -9 of `cg serve` in mid-load, at fifty points: what was answered is there as a whole."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Final

from cg_backends.asyncio import connect
from cg_backends.sql import Store
from cg_core import (
    AsyncClient,
    Identity,
    JobId,
    NetworkError,
    OutcomeUnknown,
)
from tests.peers.live_service import CGServe

SERVICES: Final = 5
KILLS: Final = 10  # of each
TASKS: Final = 8
ALICE: Final = Identity(b"\1" * 32)
KEYS: Final = ("one", "two", "three")


class Load:
    """Tasks that add jobs to three groups, a job at a time, and what became of each."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.answered: set[str] = set()
        self.unknown: set[str] = set()
        self.under_way: set[str] = set()
        self.numbers = count()
        self.progress = asyncio.Event()

    async def run(self) -> None:
        while True:
            job = f"{next(self.numbers):022}"
            self.under_way.add(job)
            try:
                results = await self.client.add_job_to_groups(job, KEYS)
            except OutcomeUnknown:
                self.unknown.add(job)
            except NetworkError:
                pass  # it was not sent
            else:
                assert [each.refusal for each in results] == [None] * 3
                self.answered.add(job)
            self.under_way.remove(job)
            self.progress.set()

    async def wait_for_answers(self, number: int) -> None:
        goal = len(self.answered) + number
        while len(self.answered) < goal:
            self.progress.clear()
            await self.progress.wait()


def memberships(store: Store) -> dict[JobId, int]:
    """In how many groups each job is."""
    found: dict[JobId, int] = {}
    for each in store.state().memberships:
        found[each.job_id] = found.get(each.job_id, 0) + 1
    return found


async def killed_again_and_again(folder: Path, seed: int) -> Load:
    """A service and its clients; what became of their calls."""
    points = random.Random(seed)
    place = "127.0.0.1:0"
    async with AsyncExitStack() as stack:
        load: Load | None = None
        for _ in range(KILLS):
            running = await asyncio.to_thread(start, folder, place)
            stack.callback(running.close)
            place = running.url.removeprefix("http://").rstrip("/")
            if load is None:
                client = await stack.enter_async_context(connect(running.url, identity=ALICE))
                load = Load(client)
                for key in KEYS:
                    await client.create(key, join_key=key)
                for _ in range(TASKS):
                    stack.push_async_callback(ended, asyncio.create_task(load.run()))
            await load.wait_for_answers(points.randrange(1, 40))
            for _ in range(points.randrange(20)):  # further into what is going on
                await asyncio.sleep(0)
            running.kill()
    assert load is not None
    return load


def start(folder: Path, place: str) -> CGServe:
    return CGServe(folder, ["--listen", place, "--store", store_in(folder)], {})


def store_in(folder: Path) -> str:
    return f"sqlite:///{folder}/store.db"


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def test_what_was_answered_survives_and_nothing_is_half_done(tmp_path: Path) -> None:
    folders = [tmp_path / str(seed) for seed in range(SERVICES)]

    async def main() -> list[Load]:
        return await asyncio.gather(
            *(killed_again_and_again(folder, seed) for seed, folder in enumerate(folders))
        )

    for folder in folders:
        folder.mkdir()
    for folder, load in zip(folders, asyncio.run(main()), strict=True):
        with Store(store_in(folder)) as store:
            found = memberships(store)
        assert set(found.values()) == {len(KEYS)}
        assert load.answered <= found.keys()
        assert load.unknown
        assert found.keys() <= load.answered | load.unknown | load.under_way
