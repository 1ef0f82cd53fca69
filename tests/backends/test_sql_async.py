"""The durable store under asyncio and trio: while a database is waited for, the loop goes on."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from cg_backends.conformance import ALICE, BOB, JOB
from cg_backends.sql import Store, connect, connect_async
from cg_core import AsyncClient, ClientClosed, JobId, LimitReached
from tests.backends.runtimes import Runtime
from tests.peers.databases import DATABASES, empty_url, locked


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return empty_url(request.param, tmp_path)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return empty_url("sqlite", tmp_path)


def test_the_loop_goes_on_while_a_lock_is_waited_for(url: str, runtime: Runtime) -> None:
    """It is the loop itself that unlocks: if a call held it up, none would ever end."""

    async def main() -> None:
        async with connect_async(url, identity=ALICE) as groups:
            farm = await groups.create("farm", join_key="farm")
            with ExitStack() as lock:
                lock.enter_context(locked(url))
                done: list[JobId] = []

                async def add() -> None:
                    await groups.add_job("farm", JOB)
                    done.append(JOB)

                async def meanwhile() -> None:
                    await steps(100)
                    assert done == []
                    lock.close()

                await runtime.beside(add, meanwhile)
            assert done == [JOB]
            assert await groups.list_jobs(farm) == (JOB,)

    runtime.run(main)


def test_many_tasks_ask_at_once(url: str, runtime: Runtime) -> None:
    jobs = [JobId(f"{number:022}") for number in range(60)]

    async def main() -> None:
        with Store(url) as store:
            async with store.connect_async(ALICE) as alice, store.connect_async(BOB) as bob:
                await alice.create(
                    "farm", join_key="farm", max_concurrent_jobs=20, deploy_access="join"
                )
                refused = []

                async def add(client: AsyncClient, job: JobId) -> None:
                    try:
                        await client.add_job("farm", job)
                    except LimitReached:
                        refused.append(job)

                async with anyio.create_task_group() as tasks:
                    for number, job in enumerate(jobs):
                        tasks.start_soon(add, (alice, bob)[number % 2], job)
                listed = await alice.list_jobs("farm")
                assert len(listed) == 20
                assert {*listed} | {*refused} == {*jobs}

    runtime.run(main)


async def steps(count: int) -> None:
    for _ in range(count):
        await checkpoint()


@pytest.mark.parametrize("step", range(5))
def test_who_is_cancelled_leaves_at_once_and_breaks_nothing(
    step: int, url: str, runtime: Runtime
) -> None:
    """It leaves while the database is locked: it does not wait for the end of what it began."""

    async def main() -> None:
        async with connect_async(url, identity=ALICE) as groups:
            farm = await groups.create("farm", join_key="farm")
            with locked(url):
                await runtime.until(lambda: groups.add_job("farm", JOB), lambda: steps(step))
            # It was carried out, or will be, or never: now it makes no difference.
            await groups.add_job("farm", JOB)
            assert await groups.list_jobs(farm) == (JOB,)

    runtime.run(main)


def test_closing_waits_for_what_a_thread_has_begun(url: str, runtime: Runtime) -> None:
    async def main() -> None:
        groups = connect_async(url, identity=ALICE)
        async with groups:
            await groups.create("farm", join_key="farm")
            with locked(url):
                await runtime.until(lambda: groups.add_job("farm", JOB), lambda: steps(3))
        with pytest.raises(ClientClosed):
            await groups.list_groups()

    runtime.run(main)
    with connect(url, identity=ALICE) as groups:
        assert groups.list_jobs("farm") in ((), (JOB,))


def test_a_store_outlives_its_clients_and_a_client_of_its_own_store_closes_it(
    file_url: str, runtime: Runtime
) -> None:
    async def main() -> None:
        store = Store(file_url)
        async with store.connect_async(ALICE) as groups:
            await groups.create("farm")
        assert len(store.state().groups) == 1
        async with connect_async(file_url, identity=ALICE) as groups:
            assert len(await groups.list_groups()) == 1
            own = groups.store
        with pytest.raises(ClientClosed):
            own.state()
        store.close()

    runtime.run(main)


def test_wrong_use_is_told_as_elsewhere(file_url: str, runtime: Runtime) -> None:
    async def main() -> None:
        groups = connect_async(file_url, identity=ALICE)
        with pytest.raises(ClientClosed, match="not open; use it within"):
            await groups.list_groups()
        async with groups:
            with pytest.raises(ClientClosed, match="connect anew"):
                await groups.__aenter__()
            await groups.list_groups()
        with pytest.raises(ClientClosed):
            await groups.list_groups()
        await groups.aclose()

    runtime.run(main)


# One line swaps the backend


def test_the_parameters_are_those_of_the_backends_over_a_network(file_url: str) -> None:
    options: dict[str, Any] = {
        "identity": ALICE,
        "join_identity": BOB.address,
        "timeout": 5.0,
        "scheduler": None,
        "connect_timeout": 1.0,
        "idle_timeout": None,
        "http": None,
        "transport": "websocket",
        "insecure": False,
        "service_address": None,
    }
    with connect(file_url, **options) as groups:
        farm = groups.create("farm", join_address=BOB.address)
        groups.add_job(farm, JOB)
    connect_async(file_url, **options)


def test_without_a_url_the_file_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with connect() as groups:
        groups.create("farm")
    assert (tmp_path / "compute-groups.db").exists()
    with connect() as groups:
        assert [group.name for group in groups.list_groups()] == ["farm"]


def test_a_private_key_is_no_address(file_url: str) -> None:
    key = "0x" + "01" * 32
    with pytest.raises(ValueError, match="identity") as caught:
        connect(file_url, identity=key)
    assert "0101" not in str(caught.value)
