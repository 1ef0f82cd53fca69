"""What a store's keeper may forbid beyond the rules (C-6, C-16)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from cg_core import (
    READS,
    AddJob,
    AddJobToGroups,
    Caller,
    CancelJob,
    CreateGroup,
    Decision,
    GroupName,
    InvalidType,
    InvalidValue,
    JobId,
    LimitReached,
    NotOwner,
    RemoveJob,
    Terms,
    decide,
)
from tests.core.arguments import METHODS
from tests.core.naive_rows import NaiveRows
from tests.core.worlds import ALICE, BOB, NOW, Situation, situations

JOBS = [JobId(f"{number:022}") for number in range(9)]


def test_only_those_create_who_are_allowed_to() -> None:
    terms = Terms(creators=[ALICE])
    create = CreateGroup("farm", join_key="farm")
    rows = NaiveRows()
    with pytest.raises(NotOwner, match=f"{BOB} may not create groups here"):
        decide(create, Caller(BOB), rows, NOW, terms)
    rows.apply(decide(create, Caller(ALICE), rows, NOW, terms))
    with pytest.raises(NotOwner, match="may not create"):  # before it is told that the key is taken
        decide(create, Caller(BOB, {ALICE}), rows, NOW, terms)
    with pytest.raises(NotOwner):
        decide(create, Caller(ALICE), NaiveRows(), NOW, Terms(creators=()))


class Adds:
    """What people add, one after the other."""

    def __init__(self, most: int | None) -> None:
        self.rows = NaiveRows()
        self.terms = Terms(public_jobs_per_caller=most)

    def call(self, request: Any, person: Any = ALICE) -> Any:
        return self.rows.apply(decide(request, Caller(person), self.rows, NOW, self.terms))

    def add(self, job: JobId, person: Any = ALICE, group: GroupName = "public") -> None:
        self.call(AddJob(group, job), person)


def test_c6_a_caller_has_so_many_jobs_in_the_public_group_and_no_more() -> None:
    adds = Adds(2)
    adds.add(JOBS[0])
    adds.add(JOBS[1])
    with pytest.raises(LimitReached, match=f"{ALICE} has 2 jobs in the public group"):
        adds.add(JOBS[2])
    adds.add(JOBS[1])  # is there already
    adds.add(JOBS[3], BOB)  # has his own count
    adds.call(CreateGroup("farm", join_key="farm"))
    for job in JOBS[:3]:
        adds.add(job, group="farm")  # and other groups have none
    (result,) = adds.call(AddJobToGroups(JOBS[2], [1]))
    assert isinstance(result.refusal, LimitReached)


@pytest.mark.parametrize("end", [RemoveJob, CancelJob])
def test_c6_what_is_no_longer_there_does_not_count(end: Any) -> None:
    adds = Adds(1)
    adds.add(JOBS[0])
    adds.call(end(1, JOBS[0]))
    adds.add(JOBS[1])
    with pytest.raises(LimitReached):
        adds.add(JOBS[2])


def test_no_limit_and_none_at_all() -> None:
    free = Adds(None)
    for job in JOBS:
        free.add(job)
    with pytest.raises(LimitReached):
        Adds(0).add(JOBS[0])


@pytest.mark.parametrize("most", [-1, 2**63])
def test_a_limit_is_a_count(most: int) -> None:
    with pytest.raises(InvalidValue, match="public_jobs_per_caller"):
        Terms(public_jobs_per_caller=most)
    with pytest.raises(InvalidType):
        Terms(creators=[1])  # type: ignore[list-item]


@given(situations())
def test_what_only_reads_writes_nothing(situation: Situation) -> None:
    decision = situation.outcome()
    if type(situation.request) in READS and isinstance(decision, Decision):
        assert decision == Decision(decision.reply)


def test_reads_are_requests() -> None:
    assert set(METHODS.values()) > READS
