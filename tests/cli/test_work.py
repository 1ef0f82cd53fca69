"""Work, whoever takes requests and answers them, and whenever Ctrl-C comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_backends.cli.calls import Answer, Work, concerns_one_job
from cg_core import (
    BadCredentials,
    Busy,
    ClientClosed,
    GroupNotFound,
    JobCancelled,
    JobNotFound,
    LimitReached,
    NetworkError,
    NotOwner,
    OutcomeUnknown,
    ProtocolError,
    RemoveJob,
)
from tests.cli.test_jobs import job

OF_ONE_JOB = (NotOwner, JobCancelled, JobNotFound)
OF_ALL = (
    BadCredentials, Busy, GroupNotFound, LimitReached, NetworkError, OutcomeUnknown, ProtocolError,
)  # fmt: skip

errors = st.sampled_from([*OF_ONE_JOB, *OF_ALL]).map(lambda kind: kind("a message"))
answers = st.one_of(
    st.just(Answer()), st.integers().map(Answer), errors.map(lambda e: Answer(error=e))
)
steps: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("take"), st.integers(1, 5)),
    st.tuples(st.just("answer"), st.tuples(st.integers(0, 10), answers)),
    st.tuples(st.just("interrupt"), st.none()),
)


def test_what_is_about_one_job() -> None:
    assert all(concerns_one_job(kind("")) for kind in OF_ONE_JOB)
    assert not any(concerns_one_job(kind("")) for kind in OF_ALL)


@settings(max_examples=400)
@given(st.integers(0, 12), st.lists(steps, max_size=40), st.booleans())
def test_each_is_begun_once_and_in_order_and_has_its_answer(
    count: int, steps: list[tuple[str, Any]], is_left: bool
) -> None:
    requests = [RemoveJob("farm", job(number)) for number in range(count)]
    advanced: list[int] = []
    work = Work(requests, advance=advanced.append)
    begun: list[int] = []
    under_way: list[int] = []
    expected: dict[int, Answer] = {}
    is_stopped = is_interrupted = False

    for step, value in steps:
        if step == "take":
            batch = work.take(value)
            assert len(batch) == (0 if is_stopped else min(value, count - len(begun)))
            for index, request in batch:
                assert index == len(begun)
                assert request is requests[index]
                begun.append(index)
                under_way.append(index)
        elif step == "answer" and under_way:
            place, answer = value
            index = under_way.pop(place % len(under_way))
            work.answer(index, answer)
            expected[index] = answer
            is_stopped |= isinstance(answer.error, OF_ALL)
        elif step == "interrupt":
            work.interrupt()
            is_stopped = is_interrupted = True
        assert work.is_interrupted == is_interrupted
        assert work.answers == [expected.get(index) for index in range(count)]
    assert sum(advanced) == len(expected)

    if is_left:
        work.leave()
        for index in under_way:  # too late, and what was told is not changed behind one's back
            work.answer(index, Answer("late"))
        for index, answer_or_none in enumerate(work.answers):
            if index in under_way:
                assert answer_or_none is not None
                assert isinstance(answer_or_none.error, OutcomeUnknown)
            else:
                assert answer_or_none == expected.get(index)
    assert [index for index in range(count) if work.answers[index] is None] == [
        index
        for index in range(count)
        if index not in expected and not (is_left and index in under_way)
    ]


def test_what_the_client_never_sent_was_not_begun() -> None:
    work = Work([RemoveJob("farm", job(1))])
    ((index, _),) = work.take(1)
    work.interrupt()
    work.answer(index, Answer(error=ClientClosed("closed")))
    assert work.answers == [None]


def test_what_the_client_never_sent_is_not_unknown_after_ctrl_c_again() -> None:
    work = Work([RemoveJob("farm", job(number)) for number in range(3)])
    for index, _ in work.take(2):
        if index == 0:
            work.answer(index, Answer(error=ClientClosed("closed")))
    work.interrupt()
    work.leave()
    unsent, under_way, not_begun = work.answers
    assert unsent is not_begun is None
    assert under_way is not None
    assert isinstance(under_way.error, OutcomeUnknown)


def test_an_answer_is_what_a_store_gives() -> None:
    refusal = NotOwner("a message")
    assert Answer.of(refusal) == Answer(error=refusal)
    assert Answer.of((1, 2)) == Answer((1, 2))
    assert Answer.of(None) == Answer()
    defect = KeyError("not one of ours")
    with pytest.raises(KeyError) as raised:
        Answer.of(defect)
    assert raised.value is defect
