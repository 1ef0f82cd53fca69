"""The durable store against the one in memory: alone, from 50 threads, and 50 requests at a time.

Servers run on this machine, and what they commit reaches the disk; those that are not installed are
left out.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import perf_counter

from benchmarks.measure import ROUNDS, Figure, compare, figure
from cg_backends.memory import World
from cg_backends.sql import Store
from cg_core import AddJob, Address, Caller, CreateGroup, GetGroup
from tests.peers.databases import SYSTEMS, server

CALLER = Caller(Address("0x8e077691A9f7152F7F709479233d06FA5273c15d"))
THREADS = 50


class Place:
    """A store, or a world, with a group in it to which jobs are added."""

    def __init__(self, place: Store | World) -> None:
        self._place = place
        self._numbers = count()
        place.execute(CreateGroup("farm", join_key="farm", join_secret="s3cret"), CALLER)

    def _add(self) -> AddJob:
        return AddJob("farm", f"{next(self._numbers):022d}", join_secret="s3cret")

    def add_job(self) -> None:
        self._place.execute(self._add(), CALLER)

    def get_group(self) -> None:
        self._place.execute(GetGroup("farm"), CALLER)

    def add_together(self) -> None:
        """Add 50 jobs, in one transaction where there are such."""
        requests = [(self._add(), CALLER) for _ in range(THREADS)]
        if isinstance(self._place, Store):
            self._place.execute_all(requests)
        else:
            for request, caller in requests:
                self._place.execute(request, caller)

    def add_from_threads(self, threads: ThreadPoolExecutor, calls: int) -> float:
        """Seconds for one job, where 50 threads add so many each."""

        def add(_: int) -> None:
            for _ in range(calls):
                self.add_job()

        begun = perf_counter()
        list(threads.map(add, range(THREADS)))
        return (perf_counter() - begun) / calls / THREADS


def figures(*, quick: bool) -> Iterator[Figure]:
    """Each database in turn with memory."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
        stack.callback(shutil.rmtree, folder)
        urls = {"SQLite": f"sqlite:///{folder}/farm.db"}
        for system in SYSTEMS.values():
            if system.missing() is None:
                running = stack.enter_context(server(system, durable=True))
                urls[system.title] = running.url(running.new_database())
        threads = stack.enter_context(ThreadPoolExecutor(THREADS))
        for name, url in urls.items():
            ours, peer = Place(stack.enter_context(Store(url))), Place(World())
            for work, our_call, their_call in (
                ("add_job", ours.add_job, peer.add_job),
                ("get_group", ours.get_group, peer.get_group),
                (f"add_job, {THREADS} together", ours.add_together, peer.add_together),
            ):
                yield compare(
                    f"{name}: {work}", our_call, "the same in memory", their_call,
                    goal=None, quick=quick,
                )  # fmt: skip
            calls = 1 if quick else 10
            ours.add_from_threads(threads, calls)
            rounds = [
                (ours.add_from_threads(threads, calls), peer.add_from_threads(threads, calls))
                for _ in range(ROUNDS)
            ]
            yield figure(
                f"{name}: add_job, by {THREADS} threads", "the same in memory", rounds, goal=None
            )
