"""A call or client that is cancelled, on asyncio and trio: wherever it was, it does no harm."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from cg_backends.conformance import ALICE
from cg_core import AsyncClient, ClientClosed, GroupNotFound, JobId, OutcomeUnknown, Refused
from cg_core.remote import TransportName, client
from tests.backends.farm import Farm, job
from tests.backends.leftovers import nothing_left, sockets_to
from tests.backends.runtimes import Asyncio, How, Runtime
from tests.peers.in_process import InProcess, in_process
from tests.peers.proxy import proxy


@pytest.fixture(params=How, ids=lambda how: how.name.lower())
def how(request: pytest.FixtureRequest) -> How:
    found: How = request.param
    return found


@contextmanager
def up(farm: Farm) -> Iterator[InProcess]:
    """A peer that is up; nothing is left of whom it served, and nothing was done twice."""
    with nothing_left():
        with in_process(farm.answer) as peer:
            yield peer
        assert set(peer.acted_on.values()) <= {1}
        assert set(farm.added.values()) <= {1}


def test_a_first_call_that_is_cut_leaves_the_client_fit(
    runtime: Runtime, transport: TransportName, how: How
) -> None:
    farm = Farm()
    with up(farm) as peer:

        async def main() -> None:
            for step in itertools.count(-1):
                async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                    add = partial(groups.add_job, farm.group, job(step + 1), join_key="farm")
                    cut = await runtime.cut(step, add, how)
                    jobs = await groups.list_jobs(farm.group)
                assert set(jobs) == set(farm.added)
                assert cut.was_felt or job(step + 1) in jobs
                # One session did for both calls, and the call after it was asked for once.
                assert len(peer.service.opened) == farm.asked["listJobs"] == step + 2
                if not cut.was_tried:
                    return

        runtime.run(main)
    assert set(peer.service.closed) == set(peer.service.opened)


def test_calls_that_are_cut_one_after_the_other_leave_the_session_fit(
    runtime: Runtime, transport: TransportName, how: How
) -> None:
    farm = Farm()
    with up(farm) as peer:

        async def main() -> None:
            async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                await groups.list_jobs(farm.group)
                for step in itertools.count(-1):
                    add = partial(groups.add_job, farm.group, job(step + 1), join_key="farm")
                    cut = await runtime.cut(step, add, how)
                    jobs = await groups.list_jobs(farm.group)
                    assert set(jobs) == set(farm.added)
                    assert cut.was_felt or job(step + 1) in jobs
                    if not cut.was_tried:
                        return

        runtime.run(main)
    assert len(peer.service.opened) == 1
    assert peer.service.closed == peer.service.opened


@pytest.mark.parametrize("is_repeated", [False, True], ids=["once", "twice"])
def test_a_client_that_is_cut_as_a_whole_leaves_nothing(
    runtime: Runtime, transport: TransportName, is_repeated: bool
) -> None:
    farm = Farm()
    later = random.Random(1)
    with up(farm) as peer:

        async def main() -> None:
            before = runtime.tasks()
            for step in itertools.count(-1):

                async def work(number: int = step + 1) -> None:
                    async with runtime.connect(
                        peer.url, identity=ALICE, transport=transport
                    ) as groups:
                        await groups.add_job(farm.group, job(number), join_key="farm")
                        await groups.list_jobs(farm.group)

                again = later.randrange(1, 12) if is_repeated else None
                cut = await runtime.cut(step, work, How.CANCEL, again=again)
                assert runtime.tasks() == before
                assert sockets_to(peer.port) == 0
                assert len(peer.service.opened) <= step + 2
                if not cut.was_tried:
                    return

        runtime.run(main)


def test_a_client_whose_end_is_cut_is_closed(
    runtime: Runtime, transport: TransportName, how: How
) -> None:
    farm = Farm()
    with up(farm) as peer:

        async def main() -> None:
            before = runtime.tasks()
            for step in itertools.count():
                async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                    await groups.list_jobs(farm.group)
                    cut = await runtime.cut(step, groups.aclose, how)
                    assert sockets_to(peer.port) == 0
                    with pytest.raises(ClientClosed):
                        await groups.list_jobs(farm.group)
                assert runtime.tasks() == before
                assert len(peer.service.opened) == farm.asked["listJobs"] == step + 1
                if not cut.was_tried:
                    return

        runtime.run(main)


def test_an_end_that_waits_for_a_dead_peer_may_be_cut_twice(transport: TransportName) -> None:
    # On trio what is left to do then is shielded; on asyncio each `cancel` comes through.
    farm = Farm()
    runtime = Asyncio()
    with up(farm) as peer:

        async def main(step: int, again: int) -> None:
            before = runtime.tasks()
            with proxy(peer.port) as link:
                groups = runtime.connect(link.url(), identity=ALICE, transport=transport)
                await groups.__aenter__()
                await groups.list_jobs(farm.group)
                link.stall()
                cut = await runtime.cut(step, groups.aclose, How.CANCEL, again=again)
                assert cut.was_felt
                assert sockets_to(link.port) == 0
                assert runtime.tasks() == before

        for step, again in itertools.product(range(3), range(1, 8)):
            runtime.run(partial(main, step, again))


def test_an_answer_that_comes_late_is_dropped(
    runtime: Runtime, transport: TransportName, caplog: pytest.LogCaptureFixture
) -> None:
    farm = Farm()
    with up(farm) as peer:

        async def main() -> None:
            async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                for number in range(5):
                    arrived = runtime.bell()
                    farm.hold = arrived.ring
                    add = partial(groups.add_job, farm.group, job(number), join_key="farm")
                    await runtime.until(add, arrived.wait)
                    farm.release()
                    jobs = await groups.list_jobs(farm.group)
                    assert jobs == tuple(job(each) for each in range(number + 1))

        runtime.run(main)
    assert len(peer.service.opened) == 1
    assert [each for each in caplog.records if each.name != "asyncio"] == []


def test_a_call_that_is_cancelled_does_not_disturb_those_beside_it(
    runtime: Runtime, transport: TransportName
) -> None:
    farm = Farm()
    with up(farm) as peer:

        async def main() -> None:
            results: list[tuple[JobId, ...]] = []
            async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                await groups.add_job(farm.group, job(1), join_key="farm")
                arrived = runtime.bell()
                farm.hold = lambda: arrived.ring() if farm.asked.total() == 4 else None

                async def stay() -> None:
                    results.append(await groups.list_jobs(farm.group))

                async def meanwhile() -> None:
                    add = partial(groups.add_job, farm.group, job(1), join_key="farm")
                    await runtime.until(add, arrived.wait)
                    farm.release()

                await runtime.beside(stay, partial(runtime.beside, stay, meanwhile))
            assert results == [(job(1),)] * 2

        runtime.run(main)
        assert farm.added.pop(job(1)) == 2  # by two calls
    assert len(peer.service.opened) == 1


@pytest.mark.parametrize("is_dead", [False, True], ids=["alive", "dead"])
def test_an_error_of_the_body_comes_out_as_it_is(
    runtime: Runtime, transport: TransportName, is_dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CLOSE_TIMEOUT", 0.1)
    farm = Farm()
    with up(farm) as peer:

        async def main() -> Refused | None:
            try:
                async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                    try:
                        await groups.list_jobs(99)
                    finally:
                        if is_dead:
                            peer.kill()
            except Refused as refusal:
                return refusal
            return None

        assert type(runtime.run(main)) is GroupNotFound


def test_an_error_of_the_body_comes_out_as_it_is_where_nothing_was_called(
    runtime: Runtime, transport: TransportName
) -> None:
    error = ZeroDivisionError()

    async def main() -> None:
        async with runtime.connect("http://127.0.0.1:1/", identity=ALICE, transport=transport):
            raise error

    with nothing_left():
        with pytest.raises(ZeroDivisionError) as caught:
            runtime.run(main)
        assert caught.value is error


def test_an_error_of_the_body_comes_out_as_it_is_where_another_call_is_open(
    runtime: Runtime, transport: TransportName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CLOSE_TIMEOUT", 0.1)
    farm = Farm()
    with up(farm) as peer:

        async def main() -> None:
            opened, arrived = runtime.bell(), runtime.bell()
            clients: list[AsyncClient] = []
            farm.hold = arrived.ring

            async def call() -> None:
                await opened.wait()
                with pytest.raises(OutcomeUnknown):
                    await clients[0].list_jobs(farm.group)

            async def use() -> None:
                async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                    clients.append(groups)
                    opened.ring()
                    await arrived.wait()
                    farm.hold = None
                    await groups.list_jobs(99)

            async def use_in_vain() -> None:
                with pytest.raises(GroupNotFound):
                    await use()

            await runtime.beside(call, use_in_vain)

        runtime.run(main)
