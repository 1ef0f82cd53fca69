"""Callers who want the same thing at once, over connections of their own: one of them gets it.

The database is locked until all of them have come, so that they meet.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from cg_backends.conformance import ALICE, BOB, JOB, JOB2
from cg_backends.sql import Store
from cg_core import (
    Client,
    DuplicateJoinKey,
    JobCancelled,
    JobId,
    LimitReached,
    NotOwner,
    Refused,
)
from tests.peers.databases import DATABASES, empty_url, locked

CALLERS = 8


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return empty_url(request.param, tmp_path)


@pytest.fixture
def clients(url: str) -> Iterator[list[Client]]:
    """Clients of Alice and of Bob in turn, each with a store, so a connection, of its own."""
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(url)) for _ in range(CALLERS)]
        people = [ALICE, BOB] * (CALLERS // 2)
        made = [store.connect(who) for store, who in zip(stores, people, strict=True)]
        for each in made:
            each.list_groups()  # now it has its connection
        yield list(made)


def at_once(url: str, *calls: Callable[[], object]) -> list[type[Refused] | None]:
    """The class of each call's refusal, or None."""
    all_are_there = threading.Barrier(len(calls) + 1)

    def refusal(call: Callable[[], object]) -> type[Refused] | None:
        all_are_there.wait()
        try:
            call()
        except Refused as error:
            return type(error)
        return None

    with ThreadPoolExecutor(len(calls)) as threads:
        with locked(url):
            futures = [threads.submit(refusal, call) for call in calls]
            all_are_there.wait()
        return [future.result() for future in futures]


def test_one_caller_gets_a_join_key(url: str, clients: list[Client]) -> None:
    found = at_once(url, *(partial(client.create, "farm", join_key="farm") for client in clients))
    assert found.count(None) == 1
    assert found.count(DuplicateJoinKey) == CALLERS - 1
    made = [group.id for client in clients[:2] for group in client.list_groups()]
    assert made == [2]


def test_one_caller_gets_a_join_key_by_changing_a_group(url: str, clients: list[Client]) -> None:
    made = [client.create("farm") for client in clients]
    found = at_once(
        url,
        *(
            partial(client.change_group, group, join_key="farm", join_secret=None)
            for client, group in zip(clients, made, strict=True)
        ),
    )
    assert found.count(None) == 1
    assert found.count(DuplicateJoinKey) == CALLERS - 1


def test_one_caller_gets_the_last_place(url: str, clients: list[Client]) -> None:
    clients[0].create("farm", join_key="farm", max_concurrent_jobs=3, deploy_access="join")
    jobs = [JobId(f"{number:022}") for number in range(CALLERS + 2)]
    clients[0].add_job("farm", jobs[-1])
    clients[1].add_job("farm", jobs[-2])
    found = at_once(
        url,
        *(partial(client.add_job, "farm", job) for client, job in zip(clients, jobs, strict=False)),
    )
    assert found.count(None) == 1
    assert found.count(LimitReached) == CALLERS - 1
    winner = jobs[found.index(None)]
    assert clients[0].list_jobs("farm") == (jobs[-1], jobs[-2], winner)


def test_a_job_is_the_first_adders(url: str, clients: list[Client]) -> None:
    found = at_once(url, *(partial(client.add_job, "public", JOB) for client in clients))
    # Each caller's calls end alike: adding a job again is no error, for its owner.
    assert {*found[::2]} | {*found[1::2]} == {None, NotOwner}
    assert len({*found[::2]}) == len({*found[1::2]}) == 1


def test_a_job_is_cancelled_or_added_and_never_both(url: str, clients: list[Client]) -> None:
    alice = clients[0]
    one, other = alice.create("one", join_key="one"), alice.create("other", join_key="other")
    alice.add_job("one", JOB)
    found = at_once(
        url,
        lambda: clients[2].cancel_job("one", JOB),
        lambda: clients[4].add_job("other", JOB),
    )
    assert found in ([None, None], [None, JobCancelled])
    assert alice.list_jobs(one) == alice.list_jobs(other) == ()  # it was cancelled everywhere
    # Whether the add came first shows in what may be done with a job that was in the group.
    was_added = at_once(url, lambda: alice.cancel_job("other", JOB)) == [None]
    assert was_added is (found[1] is None)


def test_groups_deleted_while_jobs_join_keep_none(url: str, clients: list[Client]) -> None:
    alice = clients[0]
    farm = alice.create("farm", join_key="farm")
    found = at_once(
        url, lambda: clients[2].delete_group(farm), lambda: clients[4].add_job("farm", JOB)
    )
    assert found[0] is None
    with Store(url) as store:
        state = store.state()
        assert not state.groups
        assert not state.memberships
        assert [job.id for job in state.jobs] == ([JOB] if found[1] is None else [])


def test_row_ids_and_places_in_lists_are_each_given_once(url: str, clients: list[Client]) -> None:
    found = at_once(url, *(partial(client.create, "farm") for client in clients))
    assert found == [None] * CALLERS
    made = [group.id for client in clients[:2] for group in client.list_groups()]
    assert sorted(made) == list(range(2, 2 + CALLERS))
    jobs = [JobId(f"{number:022}") for number in range(CALLERS)]
    pool = clients[0].create("pool", join_key="pool", deploy_access="join")
    at_once(
        url,
        *(partial(client.add_job, "pool", job) for client, job in zip(clients, jobs, strict=True)),
    )
    listed = clients[0].list_jobs(pool)
    assert sorted(listed) == jobs
    assert clients[0].list_jobs(pool) == listed


PROGRAM = """
import sys
from cg_backends.sql import connect
url, alice = sys.argv[1:]
with connect(url, identity=alice) as groups:
    for number in range(10_000):
        groups.add_job("farm", f"{number:022}")
        print(number, flush=True)
"""


def test_what_was_answered_survives_a_kill(url: str) -> None:
    with Store(url) as store:
        client = store.connect(ALICE)
        farm = client.create("farm", join_key="farm")
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, ALICE.address], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(20):
                process.stdout.readline()
            process.kill()
            answered = 20 + sum(line.endswith("\n") for line in process.stdout)
        # It may have been killed between the commit and the answer, once.
        client.add_job(farm, JOB2, join_key="farm")
        listed = client.list_jobs(farm)
        assert listed[:-1] in (numbered(answered), numbered(answered + 1))
        assert listed[-1] == JOB2


def numbered(count: int) -> tuple[JobId, ...]:
    return tuple(JobId(f"{number:022}") for number in range(count))
