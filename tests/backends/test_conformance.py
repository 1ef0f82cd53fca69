"""The in-memory backend conforms: called synchronously, under asyncio, and under trio (C-18)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar, cast

import anyio
import attrs
import pytest
import trio

from cg_backends.memory import World
from cg_core import AsyncClient, Client, DuplicateJoinKey, Identity, JobId, LimitReached, Refused
from tests.backends.conformance import ALICE, BOB, CASES, JOB, Backend, Case

T = TypeVar("T")


def run(runtime: str, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async function from begin to end."""
    return asyncio.run(main()) if runtime == "asyncio" else trio.run(main)


class CalledSynchronously:
    """An async client whose methods are called as those of a sync one: each in a run of its own."""

    def __init__(self, client: AsyncClient, runtime: str) -> None:
        self._client = client
        self._runtime = runtime

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Coroutine[Any, Any, Any]] = getattr(
            self._client, "aclose" if name == "close" else name
        )
        return lambda *args, **kwargs: run(self._runtime, partial(method, *args, **kwargs))


@attrs.frozen
class MemoryBackend:
    """A world, with sync clients."""

    world: World = attrs.field(factory=World)

    def connect(self, identity: Identity, *, join_identity: Identity | None = None) -> Client:
        return self.world.connect(identity, join_identity=join_identity)


@attrs.frozen
class AsyncMemoryBackend:
    """A world, with async clients."""

    runtime: str
    world: World = attrs.field(factory=World)

    def connect(self, identity: Identity, *, join_identity: Identity | None = None) -> Client:
        client = self.world.connect_async(identity, join_identity=join_identity)
        return cast("Client", CalledSynchronously(client, self.runtime))


@pytest.fixture(params=["sync", "asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return MemoryBackend() if request.param == "sync" else AsyncMemoryBackend(request.param)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_conforms(case: Case, backend: Backend) -> None:
    case(backend)


@pytest.fixture(params=["asyncio", "trio"])
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


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
        clients = [world.connect_async(identity) for identity in (ALICE, BOB) * 10]
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
        clients = [world.connect_async(identity) for identity in (ALICE, BOB) * 10]
        found = await refusals_at_once(
            *(partial(client.add_job, "public", JOB) for client in clients)
        )
        (job,) = world.state().jobs
        # Each caller's calls end alike: adding a job again is no error, for its owner.
        owners = [identity.address for identity in (ALICE, BOB) * 10]
        assert [job.owner == owner for owner in owners] == [each is None for each in found]

    run(runtime, main)
