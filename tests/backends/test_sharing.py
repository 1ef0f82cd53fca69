"""Many calls of one client at once, or one after the other: one session, and bounded memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import httpx
import pytest

from cg_backends.conformance import ALICE, BOB, CAROL
from cg_backends.sync import connect
from cg_core import (
    AsyncClient,
    Client,
    ClientClosed,
    JobId,
    NetworkError,
    OutcomeUnknown,
    ProtocolError,
)
from cg_core.remote import TransportName, client, link
from cg_core.session import Settings
from tests.backends.farm import Farm, job
from tests.backends.leftovers import nothing_left
from tests.backends.runtimes import Runtime
from tests.core.reachable import reachable
from tests.peers.in_process import InProcess, in_process

HUNG = 30  # seconds after which a test that waits has failed


def count_texts(peer: InProcess, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list of all that a peer's sessions receive from now on."""
    texts: list[str] = []
    receive = peer.service.receive

    def count(transport: Any, text: str) -> None:
        texts.append(text)
        receive(transport, text)

    monkeypatch.setattr(peer.service, "receive", count)
    return texts


def run_at_once(works: list[Callable[[], object]]) -> None:
    """Run functions in threads, and raise what was raised there."""
    faults: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HUNG)
        assert not thread.is_alive()
    if faults:
        raise BaseExceptionGroup("in the threads", faults)


@pytest.mark.parametrize("is_open", [False, True], ids=["first", "later"])
def test_calls_of_many_tasks_share_a_session_and_travel_together(
    runtime: Runtime, transport: TransportName, is_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer:

        async def main() -> None:
            async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                if is_open:
                    await groups.list_jobs(farm.group)
                texts = count_texts(peer, monkeypatch)
                async with anyio.create_task_group() as tasks:
                    for number in range(200):
                        tasks.start_soon(add, groups, number)
                assert len(texts) < 40
                assert set(await groups.list_jobs(farm.group)) == {job(i) for i in range(200)}

        async def add(groups: AsyncClient, number: int) -> None:
            await groups.add_job(farm.group, job(number), join_key="farm")

        runtime.run(main)
        assert len(peer.service.opened) == 1
        assert farm.added == dict.fromkeys(map(job, range(200)), 1)
        assert set(peer.acted_on.values()) == {1}


def test_threads_share_a_session(transport: TransportName) -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer:
        with connect(peer.url, identity=ALICE, transport=transport) as groups:

            def work(first: int) -> None:
                for number in range(first, first + 25):
                    groups.add_job(farm.group, job(number), join_key="farm")
                    assert job(number) in groups.list_jobs(farm.group)

            run_at_once([partial(work, 25 * i) for i in range(16)])
        assert len(peer.service.opened) == 1
        assert farm.added == dict.fromkeys(map(job, range(400)), 1)
        assert farm.asked["listJobs"] == 400


def test_what_may_take_long_is_done_by_the_thread_with_the_most_time() -> None:
    """The end of a thread's call would break off what all wait for."""
    tried_by: list[str] = []
    first_is_made, first_may_fail = threading.Event(), threading.Event()

    class Unreachable:
        is_closed = False

        def stream(self, *_: object, **__: object) -> object:
            tried_by.append(threading.current_thread().name)
            if len(tried_by) == 1:
                first_is_made.set()
                assert first_may_fail.wait(HUNG)
            raise httpx.ConnectError("nobody listens")

    def call() -> None:
        with pytest.raises(NetworkError):
            groups.list_groups()

    http: Any = Unreachable()
    url = "http://127.0.0.1:1/"
    with connect(
        url, identity=ALICE, transport="polling", http=http, timeout=3, connect_timeout=3
    ) as groups:
        early, late = (threading.Thread(target=call, name=name) for name in ("early", "late"))
        early.start()
        assert first_is_made.wait(HUNG)
        late.start()
        while len(groups._open) < 2 or not groups._waiting:
            time.sleep(0)
        first_may_fail.set()
        for each in (early, late):
            each.join(HUNG)
    assert tried_by[:2] == ["early", "late"]


def test_threads_hear_that_another_one_closes_the_client(transport: TransportName) -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer:
        groups = connect(peer.url, identity=ALICE, transport=transport)
        are_going = threading.Barrier(9)
        done: list[JobId] = []

        def work(first: int) -> None:
            are_going.wait(HUNG)
            for number in range(first, first + 10_000):
                try:
                    groups.add_job(farm.group, job(number), join_key="farm")
                except OutcomeUnknown:
                    continue
                except ClientClosed:
                    return
                done.append(job(number))
            raise AssertionError

        def close() -> None:
            are_going.wait(HUNG)
            for _ in range(5):
                groups.list_jobs(farm.group)
            groups.close()

        run_at_once([close, *(partial(work, 10_000 * i) for i in range(8))])
        assert len(peer.service.opened) == 1
        assert len(done) == len(set(done))
        assert set(done) <= set(farm.added)


def test_a_call_whose_time_is_over_does_not_disturb_others(transport: TransportName) -> None:
    farm = Farm()
    arrived = threading.Event()
    farm.hold = arrived.set
    with nothing_left(), in_process(farm.answer) as peer:
        with connect(peer.url, identity=ALICE, transport=transport, timeout=2) as groups:

            def late() -> None:
                with pytest.raises(OutcomeUnknown):
                    groups.add_job(farm.group, job(1), join_key="farm")

            def prompt() -> None:
                assert arrived.wait(HUNG)
                farm.hold = None
                for _ in range(25):
                    assert groups.list_jobs(farm.group) == (job(1),)

            run_at_once([late, prompt, prompt, prompt])
            farm.release()
            assert groups.list_jobs(farm.group) == (job(1),)
        assert len(peer.service.opened) == 1
        assert set(peer.acted_on.values()) == {1}


LEAK = 900
"""References more after 900 calls more: one for each is a leak, and what is under way is less."""


def held_by(client: object) -> int:
    return reachable(client, lambda _: True)


def test_a_thousand_calls_of_a_sync_client_leave_nothing_in_memory(
    transport: TransportName,
) -> None:
    farm = Farm()
    with (
        in_process(farm.answer) as peer,
        connect(peer.url, identity=ALICE, transport=transport) as groups,
    ):
        sizes = []
        for calls in (100, 1_000):
            for _ in range(calls):
                groups.list_jobs(farm.group)
            sizes.append(held_by(groups))
    assert sizes[1] - sizes[0] < LEAK


def test_a_thousand_calls_leave_nothing_in_memory(
    runtime: Runtime, transport: TransportName
) -> None:
    sizes: list[int] = []

    async def main(url: str, group: int) -> None:
        async with runtime.connect(url, identity=ALICE, transport=transport) as groups:
            for calls in (100, 1_000):
                for _ in range(calls):
                    await groups.list_jobs(group)
                sizes.append(held_by(groups))

    farm = Farm()
    with in_process(farm.answer) as peer:
        url, group = peer.url, int(str(farm.group))
        runtime.run(lambda: main(url, group))
    assert sizes[1] - sizes[0] < LEAK


def test_two_threads_close_a_client_while_a_third_one_waits(
    transport: TransportName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CLOSE_TIMEOUT", 0.1)
    farm = Farm()
    arrived = threading.Event()
    with nothing_left(), in_process(farm.answer) as peer:
        groups = connect(peer.url, identity=ALICE, transport=transport)
        groups.list_jobs(farm.group)
        farm.hold = arrived.set

        def wait() -> None:
            with pytest.raises(OutcomeUnknown):
                groups.list_jobs(farm.group)

        def close() -> None:
            assert arrived.wait(HUNG)
            groups.close()

        run_at_once([wait, close, close])
        farm.release()


# A lapse between two calls of a sync client


@pytest.mark.parametrize("is_same", [True, False], ids=["same key", "another key"])
def test_a_service_that_began_anew_between_two_calls(
    transport: TransportName, is_same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_LAPSE", -1)  # any time is a lapse
    farm = Farm()
    identities = (BOB, BOB if is_same else CAROL)
    settings = Settings(farewell_delay=0.01)
    with nothing_left():
        with in_process(farm.answer, identity=identities[0], settings=settings) as peer:
            groups = connect(peer.url, identity=ALICE, transport=transport)
            groups.list_jobs(farm.group)
        with in_process(
            farm.answer, identity=identities[1], settings=settings, port=peer.port
        ) as peer:
            if is_same:
                groups.add_job(farm.group, job(1), join_key="farm")
                assert farm.added == {job(1): 1}
            else:
                with pytest.raises(ProtocolError, match=str(CAROL.address)) as caught:
                    groups.add_job(farm.group, job(1), join_key="farm")
                assert caught.value.code == "EADDRCHANGE"
                assert not farm.added
            groups.close()


def use_after_fork(groups: Client) -> int:
    """What a child process does with a client of its parent's; gives its exit status."""
    try:
        groups.list_groups()
    except ClientClosed as error:
        groups.close()
        return 42 if "fork" in str(error) else 2
    return 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that it has threads, is the point
def test_a_client_is_used_by_the_process_that_made_it(transport: TransportName) -> None:
    farm = Farm()
    with (
        in_process(farm.answer) as peer,
        connect(peer.url, identity=ALICE, transport=transport) as groups,
    ):
        groups.list_jobs(farm.group)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = use_after_fork(groups)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
        assert groups.list_jobs(farm.group) == ()
    assert len(peer.service.opened) == 1
