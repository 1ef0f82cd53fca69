"""What each request does: C-2 to C-12, the order of refusals of C-16, and C-19."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    READS,
    AddJob,
    AddJobResult,
    AddJobToGroups,
    Address,
    BadCredentials,
    Caller,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    ComputeGroupsError,
    CreateGroup,
    Decision,
    DeleteGroup,
    Descriptor,
    DuplicateJoinKey,
    GetGroup,
    GroupNotFound,
    GroupProperties,
    GroupRow,
    InvalidType,
    InvalidValue,
    JobCancelled,
    JobId,
    JobNotFound,
    JobRow,
    LimitReached,
    ListGroups,
    ListJobs,
    MembershipRow,
    NotOwner,
    OpaqueId,
    RemoveAllJobs,
    RemoveJob,
    Request,
    decide,
    join_hash,
)
from tests.core.arguments import METHODS
from tests.core.naive_rows import NaiveRows
from tests.core.worlds import (
    ALICE,
    BOB,
    CAROL,
    JOBS,
    NOW,
    Situation,
    callers,
    descriptors_in,
    jobs,
    outcome,
    people,
    requests_of,
    situations,
    worlds,
)
from tests.strategies import creates, descriptions, join_keys, opaque_ids, texts, times

FIRST, SECOND, THIRD = JOBS
HASH = join_hash("farm", "s3cret")


@attrs.define
class Person:
    """Somebody who calls, request after request, in one world."""

    rows: NaiveRows
    address: Address

    def call(self, request: Request[Any]) -> Any:
        return self.rows.apply(decide(request, Caller(self.address), self.rows, NOW))

    def is_refused(self, request: Request[Any], refusal: type[ComputeGroupsError]) -> None:
        before = self.rows.copy()
        with pytest.raises(refusal) as refused:
            self.call(request)
        assert type(refused.value) is refusal
        assert self.rows == before


@pytest.fixture
def alice() -> Person:
    return Person(NaiveRows(), ALICE)


@pytest.fixture
def bob(alice: Person) -> Person:
    return Person(alice.rows, BOB)


@pytest.fixture
def carol(alice: Person) -> Person:
    return Person(alice.rows, CAROL)


@pytest.fixture
def farm(alice: Person) -> int:
    """A group of Alice's that whoever knows the key may join."""
    id = alice.call(CreateGroup("farm", join_key="farm", deploy_access="join"))
    assert isinstance(id, int)
    return id


# In any situation.


@given(situations())
def test_c19_deciding_changes_no_row(situation: Situation) -> None:
    before = situation.rows.copy()
    situation.outcome()
    assert situation.rows == before


@given(situations())
def test_c19_a_decision_follows_from_its_arguments_alone(situation: Situation) -> None:
    assert situation.outcome() == situation.outcome()


@given(situations())
def test_c13_no_reply_holds_a_hash(situation: Situation) -> None:
    decision = situation.outcome()
    if isinstance(decision, Decision):
        assert "JoinHash" not in repr(decision.reply)


def test_generated_situations_hit_and_miss_in_every_way() -> None:
    """The properties in these tests are worth what their situations are."""
    succeeded: set[type[Request[Any]]] = set()
    refusals: set[type[ComputeGroupsError]] = set()

    @settings(max_examples=1_000)
    @given(situations())
    def look(situation: Situation) -> None:
        match situation.outcome():
            case Decision() as decision:
                writes = bool(decision.save + decision.erase)
                assert not (writes and type(situation.request) in READS)
                if writes or type(situation.request) in READS:
                    succeeded.add(type(situation.request))
                if type(situation.request) is AddJobToGroups:
                    results = decision.reply
                    refusals.update(type(each.refusal) for each in results if not each.added)
            case refusal, _:
                refusals.add(refusal)

    look()
    assert succeeded == set(METHODS.values())
    assert refusals == {
        GroupNotFound, NotOwner, BadCredentials, JobNotFound, JobCancelled, LimitReached,
        DuplicateJoinKey,
    }  # fmt: skip


@settings(max_examples=50)
@given(st.data())
def test_whatever_is_called_the_rows_stay_sound(data: st.DataObject) -> None:
    """C-1, C-6, C-10, C-12: what holds for good holds after any requests of anybody."""
    rows = NaiveRows()
    for kind in data.draw(st.lists(st.sampled_from(list(METHODS.values())), max_size=15)):
        before = rows.copy()
        decision = outcome(data.draw(requests_of(kind, rows)), data.draw(callers), rows)
        if isinstance(decision, Decision):
            rows.apply(decision)
        assert rows.group(1) == PUBLIC_GROUP
        keys = [group.join_key for group in rows.groups if group.join_key is not None]
        ids = [group.id for group in rows.groups + rows.deleted]
        opaque_ids = [group.opaque_id for group in rows.groups]
        for unique in (keys, ids, opaque_ids, [job.id for job in rows.jobs], rows.memberships):
            assert len(unique) == len(set(map(str, unique)))
        for group in rows.groups:
            assert group.join_hash is None or group.join_key is not None
            old = before.group(group.id)
            if old is not None:
                kept = (old.owner, old.opaque_id, old.created_at)
                assert (group.owner, group.opaque_id, group.created_at) == kept
        for job in before.jobs:
            now = rows.job(job.id)
            assert now is not None
            assert now.owner == job.owner
            assert now.cancelled >= job.cancelled
        for member in rows.memberships:
            assert rows.group(member.group_id) is not None
            assert rows.job(member.job_id) is not None


def test_only_the_twelve_requests_are_decided() -> None:
    for other in (None, "ListJobs", ListJobs, Request[None]()):
        request: Any = other
        with pytest.raises(InvalidType, match="not one of the twelve requests"):
            decide(request, Caller(ALICE), NaiveRows(), NOW)


# C-2: create.


@given(creates(), people, times)
def test_c2_a_group_is_made_as_it_was_asked_for_and_is_its_callers(
    request: CreateGroup, person: Address, now: datetime
) -> None:
    rows = NaiveRows()
    id = rows.apply(decide(request, Caller(person), rows, now))
    group = rows.group(id)
    assert group is not None
    assert (group.id, group.owner, group.created_at) == (id, person, now)
    for field in ("name", "join_key", "join_hash", "join_address"):
        assert getattr(group, field) == getattr(request, field)
    for property_ in attrs.fields(GroupProperties):
        assert getattr(group, property_.name) == getattr(request.properties, property_.name)
    assert request.opaque_id in (None, group.opaque_id)
    assert (rows.jobs, rows.memberships) == ([], [])


@given(texts | st.integers(230, 255).map("x".__mul__), descriptions, times)
def test_c2_a_description_that_is_not_given_tells_name_and_date(
    name: str, description: str, now: datetime
) -> None:
    rows = NaiveRows()

    def described(request: CreateGroup) -> str:
        group = rows.group(rows.apply(decide(request, Caller(ALICE), rows, now)))
        assert group is not None
        return group.description

    filled = described(CreateGroup(name))
    assert filled.startswith(name[:255])
    assert 1 <= len(filled) <= 255
    if len(name) <= 230:
        assert now.date().isoformat() in filled
    assert described(CreateGroup(name, description=description)) == description


def test_c2_time_is_kept_in_utc_and_must_say_its_zone() -> None:
    rows = NaiveRows()
    east = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    twice = datetime(2026, 1, 1, tzinfo=UTC, fold=1)
    group = rows.group(rows.apply(decide(CreateGroup("farm"), Caller(ALICE), rows, east)))
    assert group is not None
    assert group.created_at == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert group.created_at.tzinfo is UTC
    decision = decide(CreateGroup("other"), Caller(ALICE), rows, twice)
    assert [row.created_at.fold for row in decision.save if isinstance(row, GroupRow)] == [0]
    with pytest.raises(InvalidValue, match="time zone"):
        decide(CreateGroup("farm"), Caller(ALICE), rows, east.replace(tzinfo=None))


@given(join_keys, opaque_ids, people, people)
def test_c2_a_key_or_opaque_id_in_use_is_refused(
    key: str, id: OpaqueId, one: Address, other: Address
) -> None:
    rows = NaiveRows()
    Person(rows, one).call(CreateGroup("first", join_key=f"{key[:-1]}!", opaque_id=id))
    second = Person(rows, other)
    second.is_refused(CreateGroup("second", join_key=f"{key[:-1]}!"), DuplicateJoinKey)
    second.is_refused(CreateGroup("second", opaque_id=id), DuplicateJoinKey)
    second.call(CreateGroup("second", join_key=f"{key[:-1]}?"))


@pytest.mark.parametrize("groups", [[PUBLIC_GROUP], []])
def test_c6_the_public_groups_names_are_taken_even_where_it_is_left_out(groups: Any) -> None:
    alice = Person(NaiveRows(groups), ALICE)
    alice.is_refused(CreateGroup("mine", join_key="public"), DuplicateJoinKey)
    alice.is_refused(CreateGroup("mine", opaque_id=PUBLIC_GROUP.opaque_id), DuplicateJoinKey)
    mine = alice.call(CreateGroup("mine"))
    public = ChangeGroup(mine, join_key="public", join_secret=None)
    alice.is_refused(public, DuplicateJoinKey)


def test_c1_keys_compare_exactly(alice: Person) -> None:
    for key in ("farm", "Farm", "farm ", "fa\u0301rm", "f\u00e1rm"):
        alice.call(CreateGroup("name", join_key=key))
    alice.is_refused(CreateGroup("name", join_key="f\u00e1rm"), DuplicateJoinKey)


# C-3: change.


@given(worlds(), st.data())
def test_c3_the_owner_changes_what_is_given_and_nothing_else(
    rows: NaiveRows, data: st.DataObject
) -> None:
    request = data.draw(requests_of(ChangeGroup, rows))
    assert isinstance(request, ChangeGroup)
    before = rows.group(request.group.name)
    if before is None or before.owner is None:
        return
    decision = outcome(request, Caller(before.owner), rows)
    if isinstance(decision, Decision):
        assert decision == Decision(None, save=(before.changed(request.changes),))


def test_c3_the_public_group_and_others_groups_are_not_changed(
    farm: int, alice: Person, bob: Person
) -> None:
    bob.is_refused(ChangeGroup(farm, name="mine"), NotOwner)
    alice.is_refused(ChangeGroup(1, name="mine"), NotOwner)


def test_c3_a_join_key_of_another_group_is_refused_and_ones_own_may_be_said_again(
    farm: int, alice: Person, bob: Person
) -> None:
    bob.call(CreateGroup("lab", join_key="lab"))
    alice.is_refused(ChangeGroup(farm, join_key="lab", join_secret=None), DuplicateJoinKey)
    alice.call(ChangeGroup(farm, join_key="farm", join_secret="s3cret"))
    group = alice.rows.group(farm)
    assert group is not None
    assert (group.join_key, group.join_hash) == ("farm", HASH)


def test_c3_a_key_that_was_given_up_is_free(farm: int, alice: Person, bob: Person) -> None:
    alice.call(ChangeGroup(farm, join_key=None, join_secret=None))
    bob.call(CreateGroup("his", join_key="farm"))
    alice.is_refused(ChangeGroup(farm, join_key="farm", join_secret=None), DuplicateJoinKey)


def received(**given: Any) -> ChangeGroup:
    return ChangeGroup.received(Descriptor("farm"), **given)


def test_c3_a_hash_alone_is_taken_over_a_session_and_the_key_stays(
    farm: int, alice: Person
) -> None:
    alice.call(received(join_hash=HASH))
    group = alice.rows.group(farm)
    assert group is not None
    assert (group.join_key, group.join_hash) == ("farm", HASH)


def test_c3_a_key_alone_is_refused_where_the_group_has_a_hash(farm: int, alice: Person) -> None:
    alice.call(received(join_key="farm"))  # without a hash nothing hangs on the key
    alice.call(received(join_hash=HASH))
    alice.is_refused(received(join_key="lab"), InvalidValue)
    alice.is_refused(received(join_key=None), InvalidValue)
    alice.call(received(join_key=None, join_hash=None))
    group = alice.rows.group(farm)
    assert group is not None
    assert (group.join_key, group.join_hash) == (None, None)


def test_c3_a_hash_needs_a_key(farm: int, alice: Person) -> None:
    alice.is_refused(received(join_key=None, join_hash=HASH), InvalidValue)
    alice.call(received(join_key=None))
    alone = ChangeGroup.received(Descriptor(farm), join_hash=HASH)
    alice.is_refused(alone, InvalidValue)


def test_c3_no_hash_is_said_beside_a_key_alone(farm: int, alice: Person) -> None:
    alice.is_refused(received(join_hash=None), InvalidValue)
    alice.call(received(join_key="farm", join_hash=None))


def test_c16_a_change_of_anothers_group_is_refused_whatever_it_says(farm: int, bob: Person) -> None:
    bob.is_refused(received(join_key=None, join_hash=HASH), NotOwner)
    bob.is_refused(ChangeGroup(farm, join_key="public", join_secret=None), NotOwner)


# C-5: delete.


@given(worlds(), jobs)
def test_c5_a_deleted_group_is_gone_and_its_jobs_live_on(rows: NaiveRows, job: JobId) -> None:
    for group in [group for group in rows.groups if group.owner is not None]:
        assert group.owner is not None
        owner = Person(rows, group.owner)
        before = rows.jobs[:]
        owner.call(DeleteGroup(group.id))
        assert rows.jobs == before
        assert all(member.group_id != group.id for member in rows.memberships)
        names: list[Any] = [group.id, group.opaque_id, group.join_key or group.id]
        for name in names:
            for kind in (DeleteGroup, ListJobs, GetGroup, RemoveAllJobs, CancelAllJobs):
                owner.is_refused(kind(name), GroupNotFound)
            for of_job in (AddJob, RemoveJob, CancelJob):
                owner.is_refused(of_job(name, job), GroupNotFound)
            owner.is_refused(ChangeGroup(name, name="again"), GroupNotFound)


def test_c5_others_groups_are_not_deleted(farm: int, bob: Person) -> None:
    bob.is_refused(DeleteGroup(farm), NotOwner)


def test_c1_the_id_of_a_deleted_group_is_not_given_again(farm: int, alice: Person) -> None:
    alice.call(DeleteGroup(farm))
    assert alice.call(CreateGroup("farm")) > farm


# C-6: the public group.


def test_c6_the_public_group_is_open_to_add_and_closed_to_all_else(alice: Person) -> None:
    alice.call(AddJob("public", FIRST))
    Person(alice.rows, BOB).call(AddJob(1, SECOND, join_secret="dropped", join_key="public"))
    for request in (
        ListJobs(1),
        GetGroup("public"),
        DeleteGroup(PUBLIC_GROUP.opaque_id),
        RemoveAllJobs(1),
        CancelAllJobs(1),
        ChangeGroup(1, max_concurrent_jobs=0),
        RemoveJob(1, SECOND),
        CancelJob(1, SECOND),
    ):
        alice.is_refused(request, NotOwner)
    alice.call(RemoveJob("public", FIRST))
    assert [job.id for job in alice.rows.current_jobs(1)] == [SECOND]


@given(worlds(), people)
def test_the_own_groups_are_listed_oldest_first(rows: NaiveRows, person: Address) -> None:
    groups = Person(rows, person).call(ListGroups())
    assert groups == tuple(group.shown() for group in rows.groups if group.owner == person)
    assert [Person(rows, person).call(GetGroup(group.id)) for group in groups] == list(groups)


# C-8 to C-10: add.


@given(worlds(), callers, jobs, st.data())
def test_c8_adding_to_several_groups_is_adding_to_each_in_turn(
    rows: NaiveRows, caller: Caller, job: JobId, data: st.DataObject
) -> None:
    groups = data.draw(st.lists(descriptors_in(rows), min_size=1, max_size=5))
    one_by_one = rows.copy()
    expected: list[Any] = []
    for group in groups:
        decision = outcome(AddJob(group, job), caller, one_by_one)
        if isinstance(decision, Decision):
            one_by_one.apply(decision)
            expected.append((group.name, None))
        else:
            expected.append((group.name, decision))
    results: tuple[AddJobResult, ...] = rows.apply(
        decide(AddJobToGroups(job, groups), caller, rows, NOW)
    )
    assert [
        (result.group, result.refusal and (type(result.refusal), result.refusal.message))
        for result in results
    ] == expected
    assert not any(result.assumed for result in results)
    assert rows == one_by_one


@given(worlds(), people, jobs, st.data())
def test_c10_adding_again_changes_nothing(
    rows: NaiveRows, person: Address, job: JobId, data: st.DataObject
) -> None:
    request = AddJob(data.draw(descriptors_in(rows)), job)
    decision = outcome(request, Caller(person), rows)
    if isinstance(decision, Decision):
        rows.apply(decision)
        assert decide(request, Caller(person), rows, NOW) == Decision(None)


def test_c10_a_job_is_its_first_adders_everywhere(farm: int, alice: Person, bob: Person) -> None:
    bob.call(AddJob(farm, FIRST, join_key="farm"))
    assert alice.rows.job(FIRST) == JobRow(FIRST, BOB)
    for name in ("farm", "public"):
        alice.is_refused(AddJob(name, FIRST), NotOwner)
    bob.call(AddJob("public", FIRST))
    bob.call(RemoveJob("public", FIRST))
    bob.call(RemoveJob(farm, FIRST))
    alice.is_refused(AddJob("farm", FIRST), NotOwner)


def test_c10_a_job_that_was_refused_is_nobodys(farm: int, alice: Person, bob: Person) -> None:
    bob.is_refused(AddJob(farm, FIRST), BadCredentials)
    alice.call(AddJob("farm", FIRST))
    assert alice.rows.job(FIRST) == JobRow(FIRST, ALICE)


def test_c10_a_job_comes_back_at_the_end_of_the_list(farm: int, alice: Person) -> None:
    for job in JOBS:
        alice.call(AddJob("farm", job))
    alice.call(RemoveJob(farm, FIRST))
    assert alice.call(ListJobs(farm)) == (SECOND, THIRD)
    alice.call(AddJob("farm", FIRST))
    assert alice.call(ListJobs(farm)) == (SECOND, THIRD, FIRST)


def test_c10_a_job_may_be_added_again_after_its_group_was_deleted(
    farm: int, alice: Person, bob: Person
) -> None:
    bob.call(AddJob("farm", FIRST))
    alice.call(DeleteGroup(farm))
    again = alice.call(CreateGroup("again", join_key="farm", deploy_access="join"))
    alice.is_refused(AddJob("farm", FIRST), NotOwner)
    bob.call(AddJob("farm", FIRST))
    assert alice.call(ListJobs(again)) == (FIRST,)


def test_c10_a_cancelled_job_cannot_be_added(farm: int, alice: Person) -> None:
    alice.call(AddJob("farm", FIRST))
    alice.call(CancelJob("farm", FIRST))
    for name in ("farm", "public"):  # where it was, and elsewhere
        alice.is_refused(AddJob(name, FIRST), JobCancelled)


def test_c10_a_group_takes_as_many_jobs_as_its_limit(farm: int, alice: Person) -> None:
    alice.call(ChangeGroup(farm, max_concurrent_jobs=2))
    alice.call(AddJob("farm", FIRST))
    alice.call(AddJob("farm", SECOND))
    alice.is_refused(AddJob("farm", THIRD), LimitReached)
    alice.call(AddJob("farm", FIRST))  # is in already
    assert alice.rows.job(THIRD) is None
    alice.call(CancelJob("farm", FIRST))  # makes room, as remove does
    alice.call(AddJob("farm", THIRD))
    assert alice.call(ListJobs(farm)) == (SECOND, THIRD)
    alice.call(ChangeGroup(farm, max_concurrent_jobs=0))
    assert alice.call(ListJobs(farm)) == (SECOND, THIRD)


def test_bulk_add_answers_once_per_item_in_order_denial_told_from_miss(
    farm: int, alice: Person, bob: Person
) -> None:
    closed = alice.call(CreateGroup("closed"))
    request = AddJobToGroups(FIRST, ["farm", closed, 99, farm, "public", "farm"])
    results = bob.call(request)
    assert [(result.group, type(result.refusal)) for result in results] == [
        ("farm", type(None)),
        (closed, NotOwner),
        (99, GroupNotFound),
        (farm, BadCredentials),
        ("public", type(None)),
        ("farm", type(None)),
    ]
    assert [result.added for result in results] == [True, False, False, False, True, True]
    assert alice.call(ListJobs(farm)) == (FIRST,)


def test_a_result_keeps_no_rows_alive(alice: Person) -> None:
    (result,) = alice.call(AddJobToGroups(FIRST, [99]))
    assert result.refusal is not None
    assert result.refusal.__traceback__ is None


# C-11, C-12: list, remove, cancel.


@given(worlds(), people, st.sampled_from([ListJobs, RemoveAllJobs, CancelAllJobs]))
def test_c11_all_jobs_of_a_group_are_its_owners_business(
    rows: NaiveRows, person: Address, kind: Callable[[int], Request[Any]]
) -> None:
    for group in rows.groups:
        current = tuple(job.id for job in rows.current_jobs(group.id))
        if group.owner == person:
            assert decide(kind(group.id), Caller(person), rows, NOW).reply == current
        else:
            Person(rows, person).is_refused(kind(group.id), NotOwner)


@given(worlds())
def test_c12_remove_all_jobs_ends_memberships_and_nothing_else(rows: NaiveRows) -> None:
    for group in rows.groups[1:]:
        assert group.owner is not None
        before = rows.copy()
        removed = Person(rows, group.owner).call(RemoveAllJobs(group.id))
        assert rows.jobs == before.jobs
        assert rows.memberships == [
            row for row in before.memberships
            if row.group_id != group.id or row.job_id not in removed
        ]  # fmt: skip
        assert rows.current_jobs(group.id) == ()


@given(worlds())
def test_c12_cancel_all_jobs_ends_the_jobs_in_every_group(rows: NaiveRows) -> None:
    for group in rows.groups[1:]:
        assert group.owner is not None
        before = rows.copy()
        cancelled = Person(rows, group.owner).call(CancelAllJobs(group.id))
        assert rows.jobs == [
            attrs.evolve(job, cancelled=job.cancelled or job.id in cancelled) for job in before.jobs
        ]
        for other in rows.groups:
            assert rows.current_jobs(other.id) == tuple(
                job for job in before.current_jobs(other.id) if job.id not in cancelled
            )
        assert rows.memberships == before.memberships


@given(worlds(), people, jobs)
def test_c12_remove_ends_a_membership_and_cancel_ends_the_job(
    rows: NaiveRows, person: Address, job: JobId
) -> None:
    for group in rows.groups:
        row = rows.job(job)
        membership = MembershipRow(group.id, job)
        may = person in (group.owner, row and row.owner)
        is_there = row is not None and rows.is_member(membership)
        if row is not None and may and is_there:
            removed = Decision(None, erase=(membership,))
            cancelled = Decision(None, save=(attrs.evolve(row, cancelled=True),))
            if row.cancelled:
                cancelled = Decision(None)
                Person(rows, person).is_refused(RemoveJob(group.id, job), JobNotFound)
            else:
                assert outcome(RemoveJob(group.id, job), Caller(person), rows) == removed
            assert outcome(CancelJob(group.id, job), Caller(person), rows) == cancelled
        else:
            refusal = JobNotFound if may else NotOwner
            Person(rows, person).is_refused(RemoveJob(group.id, job), refusal)
            Person(rows, person).is_refused(CancelJob(group.id, job), refusal)


def test_c11_a_jobs_owner_ends_it_in_anothers_group(
    farm: int, alice: Person, bob: Person, carol: Person
) -> None:
    bob.call(AddJob("farm", FIRST))
    bob.call(AddJob("farm", SECOND))
    carol.is_refused(RemoveJob(farm, FIRST), NotOwner)
    carol.is_refused(CancelJob(farm, FIRST), NotOwner)
    bob.call(RemoveJob(farm, FIRST))
    alice.call(CancelJob(farm, SECOND))
    assert alice.rows.job(SECOND) == JobRow(SECOND, BOB, cancelled=True)
    bob.call(CancelJob(farm, SECOND))  # again is no error
    bob.is_refused(RemoveJob(farm, SECOND), JobNotFound)


# C-16: the order of refusals.


class Reason(enum.Enum):
    """Why an add is refused, in the order of C-16."""

    NO_GROUP = GroupNotFound
    MAY_NOT_TRY = "NotOwner of the group"
    BAD_CREDENTIALS = BadCredentials
    ANOTHERS_JOB = "NotOwner of the job"
    CANCELLED = JobCancelled
    FULL = LimitReached


WRONG: list[Any] = [{}, {"join_key": "lab"}, {"join_secret": "tiger", "join_key": "farm"},
                    {"join_key": "farm"}]  # fmt: skip


@settings(max_examples=400)
@given(
    st.sets(st.sampled_from(Reason)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(WRONG),
    st.sampled_from([7, OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd"), "farm"]),
)
def test_c16_of_all_reasons_that_hold_the_first_is_told(
    reasons: set[Reason], is_member: bool, is_known: bool, wrong: dict[str, str], name: Any
) -> None:
    may_try = Reason.MAY_NOT_TRY not in reasons
    group = GroupRow(
        id=7,
        opaque_id=OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd"),
        name="farm",
        description="",
        join_key="farm",
        join_hash=HASH,
        owner=ALICE,
        created_at=NOW,
        deploy_access="join" if may_try else "owner",
        max_concurrent_jobs=(0 if Reason.FULL in reasons else None),
    )
    rows = NaiveRows([PUBLIC_GROUP, group])
    if Reason.NO_GROUP in reasons:
        rows.groups.remove(group)
    if is_known or is_member or reasons & {Reason.ANOTHERS_JOB, Reason.CANCELLED}:
        owner = CAROL if Reason.ANOTHERS_JOB in reasons else BOB
        rows.jobs.append(JobRow(FIRST, owner, cancelled=Reason.CANCELLED in reasons))
        if is_member:
            rows.memberships.append(MembershipRow(7, FIRST))
    shown = {"join_key": "farm", "join_secret": "s3cret"}
    if Reason.BAD_CREDENTIALS in reasons:
        shown = wrong
    if name == "farm":
        shown = {key: value for key, value in shown.items() if key != "join_key"}
    if is_member:  # being in already comes before the limit
        reasons = reasons - {Reason.FULL}

    decision = outcome(AddJob(name, FIRST, **shown), Caller(BOB), rows)
    first = next((reason for reason in Reason if reason in reasons), None)
    if first is None:
        assert isinstance(decision, Decision)
        assert (MembershipRow(7, FIRST) in decision.save) is not is_member
    else:
        assert isinstance(decision, tuple)
        kind, message = decision
        of_two = first in (Reason.MAY_NOT_TRY, Reason.ANOTHERS_JOB)
        assert kind is (NotOwner if of_two else first.value)
        assert ("belongs to another caller" in message) is (first is Reason.ANOTHERS_JOB)


class EndReason(enum.Enum):
    """Why a remove is refused, in the order of C-16."""

    NO_GROUP = GroupNotFound
    MAY_NOT_TRY = NotOwner
    NOT_IN_IT = JobNotFound
    CANCELLED = "JobNotFound, too"


@given(
    st.sets(st.sampled_from(EndReason)),
    st.booleans(),
    st.sampled_from([RemoveJob, CancelJob]),
    st.sampled_from([7, "farm", OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd")]),
)
def test_c16_of_all_reasons_not_to_end_a_job_the_first_is_told(
    reasons: set[EndReason], is_known: bool, kind: Any, name: Any
) -> None:
    group = GroupRow(id=7, opaque_id=OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd"), name="farm",
                     description="", join_key="farm", owner=ALICE, created_at=NOW)  # fmt: skip
    rows = NaiveRows([PUBLIC_GROUP, group])
    if EndReason.NO_GROUP in reasons:
        rows.groups.remove(group)
    caller = CAROL if EndReason.MAY_NOT_TRY in reasons else ALICE
    if EndReason.NOT_IN_IT not in reasons or is_known:
        rows.jobs.append(JobRow(FIRST, BOB, cancelled=EndReason.CANCELLED in reasons))
    if EndReason.NOT_IN_IT not in reasons:
        rows.memberships.append(MembershipRow(7, FIRST))
    decision = outcome(kind(name, FIRST), Caller(caller), rows)
    first = next((reason for reason in EndReason if reason in reasons), None)
    if first is EndReason.CANCELLED and kind is CancelJob:
        assert decision == Decision(None)
    elif first is None:
        assert isinstance(decision, Decision)
        assert bool(decision.erase) is (kind is RemoveJob)
    else:
        expected = JobNotFound if first is EndReason.CANCELLED else first.value
        assert isinstance(decision, tuple)
        assert decision[0] is expected


@given(worlds(), callers, st.data())
def test_c16_denied_requests_change_nothing(
    rows: NaiveRows, caller: Caller, data: st.DataObject
) -> None:
    """In a list of groups, too, only those that took the job are written."""
    groups = data.draw(st.lists(descriptors_in(rows), min_size=1, max_size=4))
    decision = decide(AddJobToGroups(FIRST, groups), caller, rows, NOW)
    joined = {row.group_id for row in decision.save if isinstance(row, MembershipRow)}
    found = [rows.group(result.group) for result in decision.reply if result.added]
    assert joined <= {group.id for group in found if group is not None}
    if not any(result.added for result in decision.reply):
        assert decision.save == ()
    assert decision.erase == ()
