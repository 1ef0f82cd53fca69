"""What became of a job in each group (contract, Errors: denial told from miss)."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from cg_core import (
    AddJobResult,
    BadCredentials,
    Busy,
    DuplicateJoinKey,
    GroupNotFound,
    JobCancelled,
    JobNotFound,
    LimitReached,
    NotFound,
    NotOwner,
    Refused,
    Unsupported,
)
from tests.strategies import group_names

refusal_classes = st.sampled_from(
    [
        Refused, NotOwner, BadCredentials, NotFound, GroupNotFound, JobNotFound, DuplicateJoinKey,
        JobCancelled, LimitReached, Busy, Unsupported,
    ]
)  # fmt: skip
refusals = st.builds(
    lambda kind, message, code, name: kind(message, code=code, name=name),
    refusal_classes,
    st.text(),
    st.none() | st.text(),
    st.none() | st.text(),
)
results = st.builds(AddJobResult, group_names, st.none() | refusals, st.booleans())


@given(results)
def test_a_job_is_added_unless_it_was_refused(result: AddJobResult) -> None:
    assert result.added is (result.refusal is None)


@given(group_names, refusal_classes, st.text(), st.text(), st.text())
def test_results_are_equal_whose_refusals_say_the_same(
    group: int, kind: type[Refused], message: str, code: str, name: str
) -> None:
    def result(message: str, code: str, name: str) -> AddJobResult:
        return AddJobResult(group, kind(message, code=code, name=name))

    same = result(message, code, name)
    assert same == result(message, code, name)
    assert hash(same) == hash(result(message, code, name))
    assert same != AddJobResult(group)
    assert same != result(message + "!", code, name)
    assert same != result(message, code + "!", name)
    assert same != result(message, code, name + "!")


@given(group_names)
def test_what_is_assumed_is_told_from_what_was_said(group: int) -> None:
    assert AddJobResult(group).assumed is False
    assert AddJobResult(group, assumed=True) != AddJobResult(group)


@given(results)
def test_results_pickle_with_their_refusals(result: AddJobResult) -> None:
    loaded = pickle.loads(pickle.dumps(result))
    assert loaded == result
    assert type(loaded.refusal) is type(result.refusal)
