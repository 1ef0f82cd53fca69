"""What is the in-memory backend's own: worlds, clients, sources of ids and time, threads."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from cg_backends import memory
from cg_backends.conformance import ALICE, BOB, JOB
from cg_backends.memory import DEFAULT_CALLER, World, connect, connect_async, forget_worlds
from cg_core import (
    PUBLIC_GROUP,
    Caller,
    ClientClosed,
    CreateGroup,
    DuplicateJoinKey,
    GroupNotFound,
    Identity,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JobId,
    JobRow,
    LimitReached,
    ListGroups,
    MembershipRow,
    NotOwner,
    OpaqueId,
    join_hash,
)
from tests.strategies import opaque_ids, times

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
URL = "http://127.0.0.1:9800/"


@pytest.fixture(autouse=True)
def no_worlds_before_or_after() -> Iterator[None]:
    forget_worlds()
    yield
    forget_worlds()


# Which world


def test_connect_without_a_url_begins_with_an_empty_world_each_time() -> None:
    with connect() as one, connect() as other:
        one.create("render farm", join_key="farm")
        assert other.world.state().groups == ()
        other.create("render farm", join_key="farm")


def test_connect_finds_the_world_of_its_url() -> None:
    with connect(URL, identity=ALICE) as alice, connect(URL, identity=BOB) as bob:
        farm = alice.create("render farm", join_key="farm", deploy_access="join")
        bob.add_job("farm", JOB)
        assert alice.list_jobs(farm) == (JOB,)
    with connect(URL, identity=ALICE) as alice:  # worlds outlive their clients
        assert alice.list_jobs(farm) == (JOB,)


def test_each_url_has_a_world_of_its_own_and_a_slash_at_its_end_is_no_difference() -> None:
    world = connect(URL).world
    assert connect("http://127.0.0.1:9800").world is world
    assert connect_async(URL).world is world
    assert connect("http://127.0.0.1:9801/").world is not world


def test_without_a_url_the_schedulers_finds_the_world() -> None:
    world = connect(scheduler=URL).world
    assert connect(scheduler=URL).world is connect_async(scheduler=URL).world is world
    assert connect("http://127.0.0.1:9801/", scheduler=URL).world is not world


def test_forget_worlds_empties_the_worlds_found_by_url() -> None:
    with connect(URL) as before:
        before.create("render farm")
        forget_worlds()
        with connect(URL) as after:
            assert after.list_groups() == ()
        assert len(before.list_groups()) == 1  # who holds the old world keeps it


def test_a_world_that_is_given_is_used_whatever_the_url() -> None:
    world = World()
    assert connect(world=world).world is connect_async(URL, world=world).world is world
    assert connect(URL).world is not world


@pytest.mark.parametrize("connects", [connect, connect_async])
def test_options_of_the_remote_backends_are_taken(connects: Callable[..., object]) -> None:
    connects(
        URL,
        identity=ALICE,
        join_identity=BOB,
        scheduler="https://scheduler.example/",
        timeout=5.0,
        connect_timeout=5.0,
        idle_timeout=None,
        http=object(),
        transport="websocket",
        insecure=True,
        service_address=BOB.address,
    )
    with pytest.raises(TypeError, match="retries"):
        connects(URL, retries=3)


def test_sync_and_async_connect_have_the_same_parameters() -> None:
    for one, other in ((connect, connect_async), (World.connect, World.connect_async)):
        assert inspect.signature(one).parameters == inspect.signature(other).parameters


@pytest.mark.parametrize("url", [7, b"http://127.0.0.1/", ["http://127.0.0.1/"]])
def test_a_url_that_is_no_str_is_refused(url: Any) -> None:
    for connects in (connect, connect_async):
        with pytest.raises(InvalidType, match="url"):
            connects(url)
        with pytest.raises(InvalidType, match="scheduler"):
            connects(scheduler=url)


# Who calls


def test_the_caller_is_an_identity_or_its_address_in_any_case() -> None:
    world = World()
    for identity in (ALICE, ALICE.address, ALICE.address.lower(), ALICE.address[2:]):
        world.connect(identity).create("render farm")
    assert {group.owner for group in world.state().groups} == {ALICE.address}


def test_a_client_made_for_nobody_in_particular_has_the_default_caller() -> None:
    with connect() as groups:
        assert groups.get_group(groups.create("render farm")).owner == DEFAULT_CALLER


def test_a_join_identity_lets_in_as_an_identity_or_an_address() -> None:
    world = World()
    owner = world.connect(ALICE)
    farm = owner.create("render farm", join_address=BOB.address, deploy_access="join")
    ways: list[Identity | str] = [BOB, BOB.address, BOB.address.lower()]
    for number, join_identity in enumerate(ways):
        client = world.connect(join_identity=join_identity)
        client.add_job(farm, f"{number:022}")
        with pytest.raises(NotOwner):
            client.list_jobs(farm)
    assert {job.owner for job in world.state().jobs} == {DEFAULT_CALLER}


CONNECTS: dict[str, Callable[..., object]] = {
    "connect": connect,
    "connect_async": connect_async,
    "World.connect": World().connect,
    "World.connect_async": World().connect_async,
}
PRIVATE_KEY = "5e" * 32


@pytest.mark.parametrize("connects", CONNECTS.values(), ids=CONNECTS)
@pytest.mark.parametrize("field", ["identity", "join_identity"])
@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (7, InvalidType),
        (bytes.fromhex(PRIVATE_KEY), InvalidType),
        (join_hash("scott", "tiger"), InvalidType),
        (OpaqueId("0" * 22), InvalidValue),
        ("", InvalidValue),
        ("0x" + "0" * 39, InvalidValue),
        ("0x8E077691A9f7152F7F709479233d06FA5273c15d", InvalidValue),
        (PRIVATE_KEY, InvalidValue),
    ],
    ids=["int", "bytes", "hash", "opaque id", "empty", "39 digits", "mistyped", "private key"],
)
def test_who_calls_must_be_an_identity_or_an_address(
    connects: Callable[..., object], field: str, wrong: object, kind: type[InvalidArgument]
) -> None:
    with pytest.raises(kind, match=field) as caught:
        connects(**{field: wrong})
    assert PRIVATE_KEY not in str(caught.value)


# Sources of ids and time


@given(source=st.lists(st.integers(1, 20)), deletes=st.booleans())
def test_row_ids_are_the_sources_in_order_and_none_is_given_twice(
    source: list[int], deletes: bool
) -> None:
    expected: list[int] = []
    for id in source:
        if id > max([PUBLIC_GROUP.id, *expected]):
            expected.append(id)

    groups = World(group_ids=iter(source)).connect()
    made = []
    for _ in expected:
        made.append(groups.create("render farm"))
        if deletes:
            groups.delete_group(made[-1])
    assert made == expected
    require_used_up(groups, "group ids")


@given(source=st.lists(st.sampled_from("abcd").map(lambda letter: letter * 22)), keep=st.data())
def test_opaque_ids_are_the_sources_in_order_without_those_in_use(
    source: list[str], keep: st.DataObject
) -> None:
    groups = World(opaque_ids=iter(source)).connect()
    in_use: set[str] = set()
    for id in source:
        if id in in_use:
            continue
        made = groups.create("render farm")
        assert groups.get_group(made).opaque_id == id
        if keep.draw(st.booleans()):
            in_use.add(id)
        else:
            groups.delete_group(made)
    require_used_up(groups, "opaque ids")


def require_used_up(groups: memory.MemoryClient, source: str) -> None:
    before = groups.world.state()
    for _ in range(2):
        with pytest.raises(InvalidValue, match=f"source of {source} is used up"):
            groups.create("render farm", join_key="farm")
    assert groups.world.state() == before


def test_an_opaque_id_that_a_caller_names_is_not_taken_from_the_source() -> None:
    groups = World(opaque_ids=iter(["a" * 22, "b" * 22])).connect()
    groups.create("named", opaque_id="a" * 22)
    made = groups.create("given")
    assert groups.get_group(made).opaque_id == "b" * 22


@pytest.mark.parametrize(
    ("sources", "kind"),
    [
        ({"group_ids": iter(["7"])}, InvalidType),
        ({"group_ids": iter([True])}, InvalidType),
        ({"group_ids": iter([2**63])}, InvalidValue),
        ({"opaque_ids": iter([7])}, InvalidType),
        ({"opaque_ids": iter(["short"])}, InvalidValue),
        ({"clock": lambda: datetime(2026, 1, 1)}, InvalidValue),
    ],
    ids=["id str", "id bool", "id of 64 bits", "opaque int", "opaque short", "clock without zone"],
)
def test_a_source_of_what_cannot_be_is_told_and_nothing_is_made(
    sources: dict[str, Any], kind: type[InvalidArgument]
) -> None:
    world = World(**sources)
    with pytest.raises(kind):
        world.connect().create("render farm")
    assert world.state().groups == ()


@given(
    now=times,
    offset=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_created_at_is_the_clocks_time_in_utc_and_the_description_has_its_date(
    now: datetime, offset: timezone
) -> None:
    groups = World(clock=lambda: now.astimezone(offset)).connect()
    group = groups.get_group(groups.create("render farm"))
    assert group.created_at == now
    assert group.created_at.tzinfo is UTC
    assert group.description == f"render farm, created on {now.date().isoformat()}"


@given(source=st.lists(opaque_ids, min_size=3, max_size=3, unique=True))
def test_a_world_with_sources_of_its_own_is_exact(source: list[OpaqueId]) -> None:
    worlds = [
        World(clock=lambda: NOON, group_ids=iter([7, 8, 20]), opaque_ids=iter(source))
        for _ in range(2)
    ]
    for world in worlds:
        groups = world.connect(ALICE)
        made = [groups.create("render farm") for _ in range(3)]
        assert made == [7, 8, 20]
        for number, farm in enumerate(made[:2]):
            groups.add_job(farm, f"{number:022}")
    assert worlds[0].state() == worlds[1].state()


# What a world holds


def test_state_shows_all_that_a_world_holds_and_no_hash() -> None:
    world = World(clock=lambda: NOON, opaque_ids=iter(["a" * 22, "b" * 22]))
    alice, bob = world.connect(ALICE), world.connect(BOB)
    farm = alice.create("farm", join_key="farm", join_secret="tiger", deploy_access="join")
    lab = bob.create("lab")
    jobs = [JobId(f"{number:022}") for number in range(4)]
    bob.add_job(lab, jobs[2])
    bob.add_job("farm", jobs[2], join_secret="tiger")
    alice.add_job("farm", jobs[1], join_secret="tiger")
    alice.add_job("public", jobs[3])
    alice.cancel_job(farm, jobs[1])
    bob.remove_job(lab, jobs[2])

    state = world.state()
    assert state.groups == (alice.get_group(farm), bob.get_group(lab))
    assert state.jobs == (
        JobRow(jobs[2], BOB.address),
        JobRow(jobs[1], ALICE.address, cancelled=True),
        JobRow(jobs[3], ALICE.address),
    )
    assert state.memberships == (
        MembershipRow(PUBLIC_GROUP.id, jobs[3]),
        MembershipRow(2, jobs[2]),
    )
    assert "eh1-" not in repr(state)
    assert "hidden" not in repr(state)  # which is how a hash shows itself
    assert pickle.loads(pickle.dumps(state)) == state


def test_state_is_a_copy_of_its_moment() -> None:
    world = World()
    before = world.state()
    world.connect().create("render farm")
    assert before.groups == ()


def test_a_world_may_have_no_public_group() -> None:
    world = World(public_group=False)
    groups = world.connect()
    for name in (1, PUBLIC_GROUP.opaque_id, "public"):
        with pytest.raises(GroupNotFound):
            groups.add_job(name, JOB)
    with pytest.raises(DuplicateJoinKey):
        groups.create("not the public group", join_key="public")
    assert groups.create("render farm") == 2
    assert world.state().jobs == ()


# Requests as they are


def test_call_takes_a_request_and_gives_its_result() -> None:
    world = World()
    client = world.connect(ALICE)
    farm = client.call(CreateGroup("render farm"))
    assert client.call(ListGroups()) == (client.get_group(farm),)
    assert world.execute(ListGroups(), Caller(ALICE.address)) == client.list_groups()


@pytest.mark.parametrize("request_", ["listGroups", None, CreateGroup], ids=str)
def test_call_refuses_what_is_no_request(request_: Any) -> None:
    with connect() as groups, pytest.raises(InvalidType, match="requests"):
        groups.call(request_)


# Closing


def test_a_client_closes_at_the_end_of_its_block_and_its_world_stays() -> None:
    world = World()
    with world.connect(ALICE) as alice, world.connect(ALICE) as again:
        farm = alice.create("render farm")
        alice.close()
        with pytest.raises(ClientClosed, match="closed"):
            alice.list_jobs(farm)
        assert again.list_jobs(farm) == ()
    with pytest.raises(ClientClosed):
        again.list_jobs(farm)
    assert len(world.state().groups) == 1


def test_an_error_in_the_block_closes_the_client_and_passes() -> None:
    client = connect()
    with pytest.raises(ZeroDivisionError), client:
        1 / 0  # noqa: B018 - for its error
    with pytest.raises(ClientClosed):
        client.list_groups()


def asyncio_run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


runs = pytest.mark.parametrize("run", [asyncio_run, trio.run], ids=["asyncio", "trio"])


@runs
def test_an_async_client_closes_at_the_end_of_its_block(
    run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
) -> None:
    async def main() -> None:
        world = World()
        async with world.connect_async(ALICE) as alice:
            farm = await alice.create("render farm")
        with pytest.raises(ClientClosed):
            await alice.list_jobs(farm)
        await alice.aclose()
        client = world.connect_async(ALICE)
        with pytest.raises(ZeroDivisionError):
            async with client:
                1 / 0  # noqa: B018 - for its error
        with pytest.raises(ClientClosed):
            await client.list_groups()
        assert len(world.state().groups) == 1

    run(main)


@runs
def test_an_async_client_is_used_in_one_block(
    run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
) -> None:
    """As those that go over a network: what passes here passes there."""

    async def main() -> None:
        alice = connect_async(identity=ALICE)
        with pytest.raises(ClientClosed, match="within `async with"):
            await alice.list_groups()
        async with alice:
            assert await alice.list_groups() == ()
            with pytest.raises(ClientClosed, match="connect anew"):
                await alice.__aenter__()
        with pytest.raises(ClientClosed, match="connect anew"):
            await alice.__aenter__()

    run(main)


# Cancellation


@pytest.mark.parametrize("begun", [False, True], ids=["before it runs", "as it waits its turn"])
def test_a_cancelled_asyncio_task_changes_nothing(begun: bool) -> None:
    async def main() -> None:
        world = World()
        client = await world.connect_async(ALICE).__aenter__()
        before = world.state()
        task = asyncio.create_task(client.create("render farm", join_key="farm"))
        if begun:
            await asyncio.sleep(0)  # the task's turn, up to where it lets others run
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.state() == before
        await client.create("render farm", join_key="farm")

    asyncio.run(main())


def test_a_call_whose_asyncio_timeout_has_passed_changes_nothing() -> None:
    async def main() -> None:
        world = World()
        client = await world.connect_async(ALICE).__aenter__()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await client.create("render farm", join_key="farm")
        assert world.state().groups == ()
        await client.create("render farm", join_key="farm")

    asyncio.run(main())


def test_a_call_in_a_cancelled_trio_scope_changes_nothing() -> None:
    async def main() -> None:
        world = World()
        client = await world.connect_async(ALICE).__aenter__()
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.create("render farm", join_key="farm")
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.create, "render farm")
            nursery.cancel_scope.cancel()
        assert world.state().groups == ()
        await client.create("render farm", join_key="farm")

    trio.run(main)


def test_a_client_closes_in_a_cancelled_scope_too() -> None:
    async def main() -> None:
        client = connect_async()
        with trio.CancelScope() as scope:
            async with client:
                scope.cancel()
        with pytest.raises(ClientClosed):
            await client.list_groups()

    trio.run(main)


# Threads


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that let others run at each function's call, so that a race is lost if it can be."""

    def let_others_run(*of_the_call: object) -> None:
        time.sleep(0)  # which takes no time, and gives the interpreter's lock away

    tracing = threading.gettrace()
    threading.settrace(let_others_run)
    yield
    threading.settrace(tracing)


THREADS = 8
CALLS = 20


def in_threads(work: Callable[[int], list[bool]]) -> list[bool]:
    """Do a thread's work in each of some threads, begun together; all of what they tell."""
    begin = threading.Barrier(THREADS)

    def begun(number: int) -> list[bool]:
        begin.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return [won for told in pool.map(begun, range(THREADS)) for won in told]


def succeeds(call: Callable[[], object], refusal: type[Exception]) -> bool:
    try:
        call()
    except refusal:
        return False
    return True


@pytest.mark.usefixtures("eager_threads")
def test_of_threads_that_fill_groups_as_many_win_as_there_is_room() -> None:
    world = World()
    client = world.connect(ALICE)
    # The last place is where a race is lost, so there are many groups of few places.
    farms = [client.create("render farm", max_concurrent_jobs=3) for _ in range(CALLS)]

    def add(number: int) -> list[bool]:
        job = JobId(f"{number:022}")
        return [succeeds(lambda: client.add_job(farm, job), LimitReached) for farm in farms]  # noqa: B023 - called at once

    assert in_threads(add).count(True) == 3 * CALLS
    assert [len(client.list_jobs(farm)) for farm in farms] == [3] * CALLS


@pytest.mark.usefixtures("eager_threads")
def test_of_threads_that_want_the_same_join_keys_one_gets_each() -> None:
    world = World()

    def create(number: int) -> list[bool]:
        client = world.connect(ALICE)
        return [
            succeeds(lambda: client.create("farm", join_key=f"{call}"), DuplicateJoinKey)  # noqa: B023 - called at once
            for call in range(CALLS)
        ]

    assert in_threads(create).count(True) == CALLS
    groups = world.state().groups
    assert len({group.id for group in groups}) == len(groups) == CALLS


@pytest.mark.usefixtures("eager_threads")
def test_state_may_be_asked_for_while_other_threads_write() -> None:
    world = World()
    client = world.connect(ALICE)
    for _ in range(CALLS):  # enough that others write while they are looked through
        client.create("render farm")

    def work(number: int) -> list[bool]:
        told = []
        for _ in range(CALLS // 4):
            if number % 2:
                client.create("render farm")
            else:
                ids = [group.id for group in world.state().groups]
                told.append(ids == list(range(2, len(ids) + 2)))
        return told

    assert all(in_threads(work))
