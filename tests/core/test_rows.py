"""What `Rows` promises, on the store that all others are compared with (C-1, C-10, C-12, C-19)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    Decision,
    GroupRow,
    JobRow,
    MembershipRow,
    OpaqueId,
    Row,
    Rows,
)
from tests.core.naive_rows import NaiveRows
from tests.core.worlds import ALICE, BOB, CAROL, JOBS, Situation, situations, worlds


def test_it_is_a_store_that_begins_with_the_public_group() -> None:
    rows: Rows = NaiveRows()
    for name in (1, "public", PUBLIC_GROUP.opaque_id):
        assert rows.group(name) == PUBLIC_GROUP
    assert rows.groups_owned_by(ALICE) == ()


@given(worlds())
def test_each_group_is_found_by_each_of_its_names_and_by_no_other(rows: NaiveRows) -> None:
    for group in rows.groups:
        assert rows.group(group.id) == group
        assert rows.group(group.opaque_id) == group
        assert group.join_key is None or rows.group(group.join_key) == group
        assert rows.group(str(group.opaque_id)) is None
        assert rows.group(str(group.id)) is None
    for name in (99, OpaqueId("nothingHasThisOpaqueId"), "nobody's key"):
        assert rows.group(name) is None


@given(worlds())
def test_groups_of_an_owner_are_all_of_them_oldest_first(rows: NaiveRows) -> None:
    rows.groups.reverse()
    for owner in (ALICE, BOB, CAROL):
        ids = sorted(group.id for group in rows.groups if group.owner == owner)
        assert [group.id for group in rows.groups_owned_by(owner)] == ids


@given(worlds())
def test_c12_current_jobs_are_the_members_that_are_not_cancelled(rows: NaiveRows) -> None:
    cancelled = {job.id for job in rows.jobs if job.cancelled}
    for group in rows.groups:
        current = rows.current_jobs(group.id)
        members = [row.job_id for row in rows.memberships if row.group_id == group.id]
        assert [job.id for job in current] == [id for id in members if id not in cancelled]
        assert rows.count_current_jobs(group.id) == len(current)
        assert all(rows.is_member(MembershipRow(group.id, id)) for id in members)


@given(worlds())
def test_c1_ids_are_never_given_again(rows: NaiveRows) -> None:
    for group in rows.groups[:]:
        new_id, new_opaque_id = rows.unused_group_id(), rows.unused_opaque_id()
        assert rows.group(new_id) is None
        assert rows.group(new_opaque_id) is None
        new = attrs.evolve(group, id=new_id, opaque_id=new_opaque_id, join_key=None)
        rows.apply(Decision(None, save=(new,)))
        rows.apply(Decision(None, erase=(new,)))
        assert rows.unused_group_id() > new_id
        assert rows.unused_opaque_id() != new_opaque_id


def by_key(rows: Iterable[Row]) -> dict[Any, Row]:
    return {
        (row.group_id, row.job_id) if isinstance(row, MembershipRow) else (type(row), row.id): row
        for row in rows
    }


def everything(rows: NaiveRows) -> dict[Any, Row]:
    return by_key([*rows.groups, *rows.jobs, *rows.memberships])


@given(situations())
def test_c19_what_is_decided_is_written_and_nothing_else(situation: Situation) -> None:
    decision = situation.outcome()
    if not isinstance(decision, Decision):
        return
    rows = situation.rows.copy()
    assert rows.apply(decision) == decision.reply
    expected = everything(situation.rows) | by_key(decision.save)
    for erased in decision.erase:
        deleted = erased.id if isinstance(erased, GroupRow) else None
        expected = {
            key: row
            for key, row in expected.items()
            if row != erased
            and not (isinstance(row, MembershipRow) and row.group_id == deleted)
        }  # fmt: skip
    assert everything(rows) == expected


def test_c10_a_job_that_joins_again_goes_to_the_end_of_the_list() -> None:
    rows = NaiveRows()
    first, second = (MembershipRow(1, job) for job in JOBS[:2])
    rows.apply(Decision(None, save=tuple(JobRow(job, ALICE) for job in JOBS[:2])))
    rows.apply(Decision(None, save=(first, second)))
    rows.apply(Decision(None, erase=(first,)))
    rows.apply(Decision(None, save=(first,)))
    assert [job.id for job in rows.current_jobs(1)] == [JOBS[1], JOBS[0]]


@pytest.mark.parametrize("row", [JobRow(JOBS[0], ALICE), MembershipRow(2, JOBS[0]), Decision(None)])
def test_rows_and_decisions_never_change(row: Any) -> None:
    for field in attrs.fields(type(row)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(row, field.name, None)


@given(st.text())
def test_a_decision_writes_nothing_unless_told(reply: str) -> None:
    assert Decision(reply) == Decision(reply, save=(), erase=())
