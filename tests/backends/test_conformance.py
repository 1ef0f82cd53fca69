"""The in-memory backend conforms, and the durable one on each database (C-18).

Each is called synchronously, under asyncio, and under trio.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

import anyio
import attrs
import pytest
import trio
from anyio.abc import TaskGroup
from anyio.from_thread import BlockingPortal, start_blocking_portal

from cg_backends.conformance import ALICE, BOB, CASES, JOB, Backend, Case, called_synchronously
from cg_backends.memory import AsyncMemoryClient, World
from cg_backends.sql import Store
from cg_core import (
    Caller,
    Client,
    ClientClosed,
    DuplicateJoinKey,
    GroupNotFound,
    Identity,
    JobId,
    LimitReached,
    Refused,
    Request,
)
from tests.peers.databases import DATABASES, SYSTEMS, empty_url

T = TypeVar("T")


Place: TypeAlias = World | Store


@attrs.frozen
class SyncBackend:
    """A place, with sync clients."""

    place: Place
    clients: ExitStack

    def connect(self, identity: Identity, *, join_identity: Identity | None = None) -> Client:
        client: Client = self.place.connect(identity, join_identity=join_identity)
        return self.clients.enter_context(client)


@attrs.frozen
class AsyncBackend:
    """A place, with async clients."""

    place: Place
    clients: ExitStack
    portal: BlockingPortal

    def connect(self, identity: Identity, *, join_identity: Identity | None = None) -> Client:
        connect = partial(self.place.connect_async, identity, join_identity=join_identity)
        return self.clients.enter_context(called_synchronously(connect, self.portal))


WAYS = ("sync", "asyncio", "trio")
# What an async client does is seen on SQLite; each other database sees one case in so many.
ONE_IN = 8


def runs() -> Iterator[Any]:
    """Each case, with the places and the ways of calling where it is run."""
    for number, (name, case) in enumerate(CASES.items()):
        for place, way in product(("memory", *DATABASES), WAYS):
            if place not in SYSTEMS or way == "sync" or number % ONE_IN == 0:
                yield pytest.param(case, (place, way), id=f"{place}-{way}-{name}")


@pytest.fixture
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    name, way = request.param
    with ExitStack() as stack:
        place: Place
        if name == "memory":
            place = World()
        else:
            place = stack.enter_context(Store(empty_url(name, tmp_path)))
        if way == "sync":
            yield SyncBackend(place, stack)
        else:
            yield AsyncBackend(place, stack, stack.enter_context(start_blocking_portal(way)))


@pytest.mark.parametrize(("case", "backend"), [*runs()], indirect=["backend"])
def test_conforms(case: Case, backend: Backend) -> None:
    case(backend)


@pytest.fixture(params=["asyncio", "trio"])
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def run(runtime: str, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async function from begin to end."""
    return asyncio.run(main()) if runtime == "asyncio" else trio.run(main)


async def refusals_at_once(
    *calls: Callable[[], Coroutine[Any, Any, object]],
) -> list[type[Refused] | None]:
    """Make calls in tasks of their own; the class of each one's refusal, or None."""
    found: list[type[Refused] | None] = [None] * len(calls)

    async def make(number: int) -> None:
        try:
            await calls[number]()
        except Refused as refusal:
            found[number] = type(refusal)

    async with anyio.create_task_group() as tasks:
        for number in range(len(calls)):
            tasks.start_soon(make, number)
    return found


def test_of_tasks_that_fill_a_group_as_many_win_as_there_is_room(runtime: str) -> None:
    async def main() -> None:
        world = World()
        jobs = [JobId(f"{number:022}") for number in range(50)]
        async with world.connect_async(ALICE) as alice, world.connect_async(BOB) as bob:
            farm = await alice.create(
                "farm", join_key="farm", max_concurrent_jobs=20, deploy_access="join"
            )
            found = await refusals_at_once(
                *(partial((alice, bob)[i % 2].add_job, "farm", job) for i, job in enumerate(jobs))
            )
            assert found.count(None) == 20
            assert found.count(LimitReached) == 30
            won = {job for job, refusal in zip(jobs, found, strict=True) if refusal is None}
            assert set(await alice.list_jobs(farm)) == won

    run(runtime, main)


def test_of_tasks_that_want_one_join_key_one_gets_it(runtime: str) -> None:
    async def main() -> None:
        world = World()
        clients = [
            await world.connect_async(identity).__aenter__() for identity in (ALICE, BOB) * 10
        ]
        found = await refusals_at_once(
            *(partial(client.create, "farm", join_key="farm") for client in clients)
        )
        assert found.count(None) == 1
        assert found.count(DuplicateJoinKey) == 19
        assert len(world.state().groups) == 1

    run(runtime, main)


def test_a_job_is_the_first_of_the_tasks_that_add_it(runtime: str) -> None:
    async def main() -> None:
        world = World()
        clients = [
            await world.connect_async(identity).__aenter__() for identity in (ALICE, BOB) * 10
        ]
        found = await refusals_at_once(
            *(partial(client.add_job, "public", JOB) for client in clients)
        )
        (job,) = world.state().jobs
        # Each caller's calls end alike: adding a job again is no error, for its owner.
        owners = [identity.address for identity in (ALICE, BOB) * 10]
        assert [job.owner == owner for owner in owners] == [each is None for each in found]

    run(runtime, main)


class ClientWithTask(AsyncMemoryClient):
    """A client that carries its calls out in a task of its own, as those over a network do."""

    def __init__(self, world: World) -> None:
        super().__init__(world, Caller(ALICE.address))
        self.tasks: TaskGroup = anyio.create_task_group()
        self.requests, self.requested = anyio.create_memory_object_stream[Callable[[], Any]]()
        self.replies, self.replied = anyio.create_memory_object_stream[Any]()
        self.log: list[str] = []

    async def __aenter__(self) -> Self:
        await self.tasks.__aenter__()
        self.tasks.start_soon(self.carry_out)
        return self

    async def carry_out(self) -> None:
        self.log.append("begun")
        async with self.requested, self.replies:
            async for request in self.requested:
                try:
                    await self.replies.send(request())
                except Refused as refusal:
                    await self.replies.send(refusal)
        self.log.append("ended")

    async def call(self, request: Request[T]) -> T:
        if self._closed:
            raise ClientClosed("closed")
        await self.requests.send(partial(self.world.execute, request, self._caller))
        reply: Any = await self.replied.receive()
        if isinstance(reply, Refused):
            raise reply
        result: T = reply
        return result

    async def __aexit__(self, *_: object) -> None:
        await super().aclose()
        self.requests.close()
        # Only the task that entered it may leave it.
        await self.tasks.__aexit__(None, None, None)
        self.replied.close()


def test_a_client_with_tasks_is_called_synchronously_and_left_in_its_task(runtime: str) -> None:
    made: list[ClientWithTask] = []

    def connect() -> ClientWithTask:
        made.append(ClientWithTask(World()))
        return made[0]

    with start_blocking_portal(runtime) as portal:
        with called_synchronously(connect, portal) as alice:
            farm = alice.create("render farm")
            alice.add_job(farm, job=JOB)
            with pytest.raises(GroupNotFound):
                alice.list_jobs("nobody's")
            assert alice.list_jobs(farm) == (JOB,)
            assert made[0].log == ["begun"]
        assert made[0].log == ["begun", "ended"]
        alice.close()
        with pytest.raises(ClientClosed):
            alice.list_groups()


def test_without_pytest_the_suite_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cg_backends.conformance")
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pytest"):
        importlib.import_module("cg_backends.conformance")
