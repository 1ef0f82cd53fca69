"""Requests that are carried out together: in one transaction, each with its own answer (C-19)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from cg_backends.conformance import ALICE, BOB, JOB
from cg_backends.local import Dump
from cg_backends.memory import World
from cg_backends.sql import Store
from cg_backends.sql.turns import Asked, Turns
from cg_core import (
    PUBLIC_GROUP,
    AddJob,
    Caller,
    CancelAllJobs,
    ComputeGroupsError,
    CreateGroup,
    DuplicateJoinKey,
    InvalidArgument,
    InvalidType,
    ListGroups,
    ListJobs,
    OpaqueId,
    OutcomeUnknown,
    Refused,
    RemoveJob,
    Request,
    Terms,
)
from tests.core.worlds import NOW, callers, kinds, requests_of, worlds
from tests.peers.databases import DATABASES, empty_url

CALLER = Caller(ALICE.address)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return empty_url(request.param, tmp_path)


@contextmanager
def commits() -> Iterator[list[None]]:
    """As many elements as there have been commits."""
    seen: list[None] = []

    def hook(_: object) -> None:
        seen.append(None)

    event.listen(Engine, "commit", hook)
    yield seen
    event.remove(Engine, "commit", hook)


# In one thread


def test_requests_are_carried_out_in_their_order_in_one_transaction(url: str) -> None:
    with Store(url) as store:
        store.state()
        with commits() as seen:
            answers = store.execute_all(
                [
                    (CreateGroup("farm", join_key="farm"), CALLER),
                    (AddJob("farm", JOB), CALLER),
                    (CreateGroup("other", join_key="farm"), Caller(BOB.address)),
                    (ListJobs("farm"), Caller(BOB.address)),
                    (ListJobs("farm"), CALLER),
                ]
            )
        assert len(seen) == 1
        assert answers[:2] == [2, None]
        assert [type(answer).__name__ for answer in answers[2:4]] == [
            "DuplicateJoinKey",
            "NotOwner",
        ]
        assert answers[4] == (JOB,)


def test_what_was_read_before_a_write_is_read_again_after_it(url: str) -> None:
    listed = ListJobs("farm")
    requests = (
        CreateGroup("farm", join_key="farm"), listed, AddJob("farm", JOB), listed,
        RemoveJob("farm", JOB), listed, AddJob("farm", JOB), CancelAllJobs("farm"), listed,
    )  # fmt: skip
    with Store(url) as store:
        answers = store.execute_all([(request, CALLER) for request in requests])
    assert [answers[place] for place in (1, 3, 5, 8)] == [(), (JOB,), (), ()]


def test_nothing_asked_is_nothing_done(url: str) -> None:
    with Store(url) as store, commits() as seen:
        assert store.execute_all([]) == []
        assert seen == []


def test_what_is_no_request_is_told_to_who_asked(url: str) -> None:
    nonsense: Any = "list_groups"
    with Store(url) as store:
        answers = store.execute_all([(nonsense, CALLER), (ListGroups(), CALLER)])
        assert [type(answer) for answer in answers] == [InvalidType, tuple]


@st.composite
def batches(draw: st.DrawFn) -> tuple[Dump, list[list[tuple[Request[Any], Caller]]]]:
    """A small world, and requests that hit in it, some of them together."""
    rows = draw(worlds())
    groups = [group for group in rows.groups if group.id != PUBLIC_GROUP.id]
    owners = [Caller(group.owner) for group in reversed(groups) if group.owner is not None]
    requests = [
        (draw(requests_of(draw(kinds), rows)), draw(st.sampled_from(owners) | callers))
        for _ in range(draw(st.integers(1, 8)))
    ]
    dump = Dump(max(group.id for group in groups), (*groups, *rows.jobs, *rows.memberships))
    size = draw(st.integers(1, 8))
    return dump, [requests[start : start + size] for start in range(0, len(requests), size)]


def told(answer: object) -> object:
    """An answer in comparable form: of a refusal its class and its message."""
    if isinstance(answer, ComputeGroupsError):
        return type(answer), answer.message
    return repr(answer)


@pytest.mark.parametrize("name", DATABASES)
def test_answers_are_those_of_memory_one_by_one(name: str, tmp_path: Path) -> None:
    terms = Terms(public_jobs_per_caller=2)

    def opaque_ids() -> Iterator[OpaqueId]:
        return map(OpaqueId, (f"{number:022}" for number in range(99)))

    @settings(max_examples=settings().max_examples // (1 if name == "sqlite" else 4))
    @given(batches())
    def agree(made: tuple[Dump, list[list[tuple[Request[Any], Caller]]]]) -> None:
        dump, batches = made
        world = World(clock=lambda: NOW, opaque_ids=opaque_ids(), terms=terms)
        world.load(dump)
        store = Store(
            empty_url(name, tmp_path), clock=lambda: NOW, opaque_ids=opaque_ids(), terms=terms
        )
        with store:
            store.load(dump)
            for batch in batches:
                expected = []
                for request, caller in batch:
                    try:
                        expected.append(told(world.execute(request, caller)))
                    except (Refused, InvalidArgument) as error:
                        expected.append(told(error))
                assert [*map(told, store.execute_all(batch))] == expected
                assert store.state() == world.state()

    agree()


# Threads


class Gate:
    """Carries out requests of a `Turns`, each time when it is let.

    Attributes:
        batches: what was given together.
    """

    def __init__(self, fault: BaseException | None = None) -> None:
        self.batches: list[list[Asked]] = []
        self.has_begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self._fault = fault

    def __call__(self, asked: Sequence[Asked]) -> None:
        self.batches.append([*asked])
        self.has_begun.release()
        self.may_end.acquire()
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        for each in asked:
            each.answer(len(self.batches))


def ask() -> Asked:
    return Asked(ListGroups(), CALLER)


def wait_for(turns: Turns, threads: int) -> None:
    while len(turns._waiting) < threads:
        pass


def test_who_waits_is_carried_out_together_at_the_next_turn() -> None:
    gate = Gate()
    turns = Turns(gate, most=4)
    asked = [ask() for _ in range(7)]
    with ThreadPoolExecutor(7) as threads:
        futures = [threads.submit(turns.answer, asked[0])]
        gate.has_begun.acquire()
        for number, each in enumerate(asked[1:], start=2):
            futures.append(threads.submit(turns.answer, each))
            wait_for(turns, number)
        gate.may_end.release(3)
        for future in futures:
            future.result()
    assert gate.batches == [asked[:1], asked[1:5], asked[5:]]
    assert [each.result() for each in asked] == [1, 2, 2, 2, 2, 3, 3]
    # The turn is free again.
    gate.may_end.release()
    turns.answer(last := ask())
    assert last.result() == 4


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError()])
def test_a_turn_that_is_broken_off_is_anothers(fault: BaseException) -> None:
    gate = Gate(fault)
    turns = Turns(gate, most=4)
    asked = [ask() for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        futures = []
        for number, each in enumerate(asked, start=1):
            futures.append(threads.submit(turns.answer, each))
            wait_for(turns, number)
        gate.may_end.release(2)
        with pytest.raises(type(fault)):
            futures[0].result()
        for future in futures[1:]:
            future.result()
    assert gate.batches == [asked[:1], asked[1:]]


@contextmanager
def interrupted_once() -> Iterator[None]:
    """The first SIGINT is a KeyboardInterrupt, the rest are nothing."""
    interrupts = iter([KeyboardInterrupt()])

    def handle(*_: object) -> None:
        for interrupt in interrupts:
            raise interrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_who_is_interrupted_while_waiting_leaves() -> None:
    gate = Gate()
    turns = Turns(gate, most=4)
    asked = [ask() for _ in range(3)]
    main = threading.main_thread().ident
    assert main is not None

    is_out = threading.Event()

    def interrupt() -> None:
        wait_for(turns, 2)
        # Python misses a signal that comes just before it waits for a lock.
        while not is_out.is_set():
            signal.pthread_kill(main, signal.SIGINT)

    with ThreadPoolExecutor(3) as threads, interrupted_once():
        first = threads.submit(turns.answer, asked[0])
        gate.has_begun.acquire()
        interrupter = threads.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            turns.answer(asked[1])
        is_out.set()
        interrupter.result()
        last = threads.submit(turns.answer, asked[2])
        wait_for(turns, 2)
        gate.may_end.release(2)
        first.result()
        last.result()
    assert gate.batches == [asked[:1], asked[2:]]


class Clock:
    """Says when it is; the first time that it is asked it waits, or raises."""

    def __init__(self, first: Callable[[], object]) -> None:
        self._first: Callable[[], object] | None = first

    def __call__(self) -> datetime:
        first, self._first = self._first, None
        if first is not None:
            first()
        return datetime(2026, 11, 23, tzinfo=UTC)


def test_threads_share_transactions(url: str) -> None:
    is_begun, may_end = threading.Event(), threading.Event()

    def wait() -> None:
        is_begun.set()
        may_end.wait()

    with Store(url, clock=Clock(wait)) as store, ThreadPoolExecutor(9) as threads:
        client = store.connect(ALICE)
        with commits() as seen:
            made: list[Future[Any]] = [threads.submit(client.create, "farm", join_key="first")]
            is_begun.wait()
            for number in range(8):
                made.append(threads.submit(client.create, "farm", join_key=str(number // 2)))
                wait_for(store._turns, number + 2)
            may_end.set()
            outcomes = [future.exception() or future.result() for future in made]
        assert len(seen) == 2
    assert [type(each) for each in outcomes[1::2]] == [int] * 4
    assert [type(each) for each in outcomes[2::2]] == [DuplicateJoinKey] * 4


def test_a_program_that_is_interrupted_in_a_transaction_has_done_nothing(url: str) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with Store(url, clock=Clock(interrupt)) as store:
        client = store.connect(ALICE)
        with pytest.raises(KeyboardInterrupt):
            client.create("farm", join_key="farm")
        assert store.state().groups == ()
        assert client.create("farm", join_key="farm") == 2


def test_a_program_that_is_interrupted_at_the_commit_leaves_others_in_doubt(url: str) -> None:
    is_begun, may_end = threading.Event(), threading.Event()

    def wait() -> None:
        is_begun.set()
        may_end.wait()

    interruptions = [False, True]

    def interrupt(_: object) -> None:
        if interruptions and interruptions.pop(0):
            raise KeyboardInterrupt

    with Store(url) as before:
        before.state()
    with Store(url, clock=Clock(wait)) as store, ThreadPoolExecutor(3) as threads:
        client = store.connect(ALICE)
        first = threads.submit(client.create, "farm")
        is_begun.wait()
        event.listen(Engine, "commit", interrupt)
        second = threads.submit(client.create, "farm")
        wait_for(store._turns, 2)
        third = threads.submit(client.create, "farm")
        wait_for(store._turns, 3)
        may_end.set()
        assert first.result() == 2
        with pytest.raises(KeyboardInterrupt):
            second.result()
        with pytest.raises(OutcomeUnknown, match="interrupted in the middle of the commit"):
            third.result()
        event.remove(Engine, "commit", interrupt)
        assert client.create("farm") == 3
        assert len(store.state().groups) == 2


def test_what_is_wrong_with_one_request_is_its_own_affair(url: str) -> None:
    """Even where nobody expected it."""
    times = iter([NOW, None, NOW, None, NOW])

    def clock() -> datetime:
        now = next(times)
        if now is None:
            raise ZeroDivisionError
        return now

    with Store(url, clock=clock) as store:
        creates = [(CreateGroup("farm", join_key=key), CALLER) for key in ("a", "b", "c")]
        answers = store.execute_all(creates)
        assert [type(answer) for answer in answers] == [int, ZeroDivisionError, int]
        assert [group.join_key for group in store.state().groups] == ["a", "c"]
