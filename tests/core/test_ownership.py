"""Who may do what (C-8, C-9, C-11), in the order of C-16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    Address,
    BadCredentials,
    Caller,
    Descriptor,
    GroupNotFound,
    GroupRow,
    InvalidArgument,
    JobCancelled,
    JobId,
    JobNotFound,
    JobRow,
    JoinHashHash,
    MembershipRow,
    NotOwner,
    OpaqueId,
    join_hash,
)
from cg_core.ownership import group_to_join, job_to_end, owned_group, require_addable
from tests.core.naive_rows import NaiveRows
from tests.core.worlds import ALICE, BOB, CAROL, JOBS, NOW, callers, people
from tests.strategies import addresses

JOB = JOBS[0]
OPAQUE_ID = OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd")
OTHER_ID = OpaqueId("another0pa0queId456789")
HASH = join_hash("farm", "s3cret")
SESSION = "the session"


def group(**given: Any) -> GroupRow:
    """A group of Alice's that whoever can may join."""
    row: dict[str, Any] = {
        "id": 7, "opaque_id": OPAQUE_ID, "name": "farm", "description": "", "owner": ALICE,
        "created_at": NOW, "deploy_access": "join",
    }  # fmt: skip
    return GroupRow(**{**row, **given})


def rows_with(*rows: GroupRow | JobRow | MembershipRow) -> NaiveRows:
    return NaiveRows(
        [PUBLIC_GROUP] + [row for row in rows if isinstance(row, GroupRow)],
        [row for row in rows if isinstance(row, JobRow)],
        [row for row in rows if isinstance(row, MembershipRow)],
    )


SECRET = group(join_key="farm", join_hash=HASH)
KEY_ALONE = group(join_key="farm")
BY_ADDRESS = group(join_address=CAROL)
BY_ALL = group(join_key="farm", join_hash=HASH, join_address=CAROL)
CLOSED = group()

right_for_secret = st.sampled_from(
    [
        Descriptor("farm", join_secret="s3cret"),
        Descriptor("farm", join_hash=HASH),
        Descriptor(7, join_key="farm", join_secret="s3cret"),
        Descriptor(OPAQUE_ID, join_key="farm", join_hash=HASH),
        Descriptor.received(7, "farm", HASH.salted(SESSION)),
        Descriptor.received(None, "farm", HASH.salted("another session")),
    ]
)
wrong_for_secret = st.sampled_from(
    [
        Descriptor("farm"),
        Descriptor(7),
        Descriptor(OPAQUE_ID),
        Descriptor(7, join_key="farm"),
        Descriptor("farm", join_secret="S3cret"),
        Descriptor(7, join_key="farm", join_secret="s3cret "),
        Descriptor(7, join_key="lab", join_hash=HASH),
        Descriptor(7, join_key="Farm", join_hash=HASH),
        Descriptor.received(7, None, HASH),
        Descriptor.received(7, "farm", join_hash("farm", "tiger").salted(SESSION)),
        Descriptor.received(None, "farm", JoinHashHash(SESSION, HASH.reveal())),
        Descriptor.received(
            None, "farm", JoinHashHash(SESSION, HASH.salted("another session").reveal())
        ),
    ]
)
names = st.sampled_from([Descriptor("farm"), Descriptor(7), Descriptor(OPAQUE_ID)])
unknown = st.sampled_from(
    [Descriptor("lab"), Descriptor(8), Descriptor(OpaqueId("nothingHasThisOpaqueId"))]
)


# C-8: one rule for adding.


@given(right_for_secret, callers, st.sampled_from([SECRET, BY_ALL]))
def test_c8_whoever_shows_the_credentials_is_let_in(
    shown: Descriptor, caller: Caller, row: GroupRow
) -> None:
    assert group_to_join(rows_with(row), shown, caller) == row


@given(wrong_for_secret, people)
def test_c8_credentials_must_be_shown_and_right_by_everybody_the_owner_too(
    shown: Descriptor, person: Address
) -> None:
    with pytest.raises(BadCredentials):
        group_to_join(rows_with(SECRET), shown, Caller(person))


@given(wrong_for_secret, wrong_for_secret)
def test_c16_missing_and_wrong_credentials_answer_alike(one: Descriptor, other: Descriptor) -> None:
    assume(str(one) == str(other))
    messages = set()
    for shown in (one, other):
        with pytest.raises(BadCredentials) as refusal:
            group_to_join(rows_with(SECRET), shown, Caller(BOB))
        messages.add((refusal.value.message, refusal.value.code, refusal.value.name))
    assert len(messages) == 1


@given(right_for_secret, people)
def test_c8_with_deploy_access_owner_the_caller_must_own_the_group_besides(
    shown: Descriptor, person: Address
) -> None:
    row = attrs.evolve(SECRET, deploy_access="owner")
    if person == ALICE:
        assert group_to_join(rows_with(row), shown, Caller(person)) == row
    else:
        with pytest.raises(NotOwner):
            group_to_join(rows_with(row), shown, Caller(person))


@given(wrong_for_secret)
def test_c8_with_deploy_access_owner_the_owner_must_show_credentials_too(
    shown: Descriptor,
) -> None:
    with pytest.raises(BadCredentials):
        group_to_join(rows_with(attrs.evolve(SECRET, deploy_access="owner")), shown, Caller(ALICE))


@given(people, st.sampled_from(["owner", "join"]), st.sampled_from([7, OPAQUE_ID]))
def test_c8_a_group_without_credentials_is_its_owners_whatever_deploy_access_says(
    person: Address, access: Any, name: Any
) -> None:
    row = attrs.evolve(CLOSED, deploy_access=access)
    caller = Caller(person, frozenset({ALICE, BOB, CAROL}))
    if person == ALICE:
        assert group_to_join(rows_with(row), Descriptor(name), caller) == row
    else:
        with pytest.raises(NotOwner):
            group_to_join(rows_with(row), Descriptor(name), caller)


@given(people, st.sampled_from(["lab", "Farm", "farm "]))
def test_c8_an_id_and_a_key_must_name_one_group(person: Address, key: str) -> None:
    other = group(id=8, opaque_id=OTHER_ID, join_key=key)
    rows = rows_with(KEY_ALONE, other)
    shown = Descriptor(7, join_key=key)
    with pytest.raises(BadCredentials):
        group_to_join(rows, shown, Caller(person))
    with pytest.raises(GroupNotFound):
        owned_group(rows, shown, Caller(person))
    with pytest.raises(GroupNotFound):
        job_to_end(rows, shown, JOB, Caller(person))
    assert group_to_join(rows, Descriptor(8, join_key=key), Caller(person)) == other


def test_c8_a_key_is_wrong_for_a_group_that_has_none() -> None:
    rows = rows_with(CLOSED, group(id=8, opaque_id=OTHER_ID, join_key="farm"))
    shown = Descriptor(7, join_key="farm")
    with pytest.raises(GroupNotFound):
        owned_group(rows, shown, Caller(ALICE))
    with pytest.raises(BadCredentials):
        group_to_join(rows, shown, Caller(ALICE))


# C-9: the credentials.


@given(people, st.sampled_from([Descriptor("farm"), Descriptor(7, join_key="farm"),
                                Descriptor("farm", join_secret="any")]))  # fmt: skip
def test_c9_the_join_key_alone_lets_in_where_there_is_no_hash(
    person: Address, shown: Descriptor
) -> None:
    assert group_to_join(rows_with(KEY_ALONE), shown, Caller(person)) == KEY_ALONE


@given(people)
def test_c9_an_id_alone_shows_no_join_key(person: Address) -> None:
    with pytest.raises(BadCredentials):
        group_to_join(rows_with(KEY_ALONE), Descriptor(7), Caller(person))


@given(st.sampled_from([BY_ADDRESS, BY_ALL]), people, st.frozensets(people, max_size=2))
def test_c9_the_join_address_lets_in_who_calls_with_it_or_proved_it(
    row: GroupRow, person: Address, proved: frozenset[Address]
) -> None:
    caller = Caller(person, proved)
    if CAROL in {person, *proved}:
        assert group_to_join(rows_with(row), Descriptor(7), caller) == row
    else:
        with pytest.raises(BadCredentials):
            group_to_join(rows_with(row), Descriptor(7), caller)


@given(st.sampled_from(["lab", "Farm"]))
def test_c9_a_wrong_key_beside_the_join_address_names_another_group(key: str) -> None:
    with pytest.raises(BadCredentials):
        group_to_join(rows_with(BY_ALL), Descriptor(7, join_key=key), Caller(CAROL))


def test_c9_a_proved_address_lets_in_and_owns_nothing() -> None:
    acting_for_alice = Caller(BOB, frozenset({ALICE}))
    rows = rows_with(SECRET, JobRow(JOB, ALICE), MembershipRow(7, JOB))
    with pytest.raises(NotOwner):
        owned_group(rows, Descriptor(7), acting_for_alice)
    with pytest.raises(NotOwner):
        job_to_end(rows, Descriptor(7), JOB, acting_for_alice)
    with pytest.raises(NotOwner):
        require_addable(JobRow(JOB, ALICE), acting_for_alice)
    with pytest.raises(NotOwner):
        group_to_join(rows_with(attrs.evolve(SECRET, deploy_access="owner")),
                      Descriptor("farm", join_hash=HASH), acting_for_alice)  # fmt: skip


@given(addresses, addresses, addresses)
def test_c9_a_caller_joins_as_itself_and_as_whom_it_proved(
    own: Address, proved: Address, other: Address
) -> None:
    assume(other not in (own, proved))
    caller = Caller(own, frozenset({proved}))
    assert caller.joins_as(own)
    assert caller.joins_as(proved)
    assert not caller.joins_as(other)


@given(addresses)
def test_a_caller_is_named_by_address_in_its_one_form(address: Address) -> None:
    lower: Any = address.lower()
    assert Caller(lower, frozenset({lower})) == Caller(address, frozenset({address}))
    with pytest.raises(InvalidArgument):
        Caller(lower[:-1])


@given(st.sampled_from([Descriptor(1), Descriptor("public"), Descriptor(PUBLIC_GROUP.opaque_id),
                        Descriptor("public", join_secret="any")]), people)  # fmt: skip
def test_c6_anyone_may_join_the_public_group_and_nobody_owns_it(
    shown: Descriptor, person: Address
) -> None:
    assert group_to_join(rows_with(), shown, Caller(person)) == PUBLIC_GROUP
    with pytest.raises(NotOwner):
        owned_group(rows_with(), shown, Caller(person))


def test_c8_another_groups_key_beside_the_public_id_is_refused() -> None:
    shown = Descriptor.received(1, "farm", HASH)
    with pytest.raises(BadCredentials):
        group_to_join(rows_with(KEY_ALONE), shown, Caller(ALICE))


@given(names, people)
def test_c11_only_the_owner_owns(name: Descriptor, person: Address) -> None:
    if person == ALICE:
        assert owned_group(rows_with(SECRET), name, Caller(person)) == SECRET
    else:
        with pytest.raises(NotOwner):
            owned_group(rows_with(SECRET), name, Caller(person))


# C-10: the job.


@given(people, people, st.booleans())
def test_c10_a_job_may_be_added_if_it_is_new_or_ones_own_and_lives(
    person: Address, owner: Address, cancelled: bool
) -> None:
    require_addable(None, Caller(person))
    job = JobRow(JOB, owner, cancelled)
    if person != owner:  # before cancelled (C-16)
        with pytest.raises(NotOwner, match=JOB.replace("+", r"\+")):
            require_addable(job, Caller(person))
    elif cancelled:
        with pytest.raises(JobCancelled):
            require_addable(job, Caller(person))
    else:
        require_addable(job, Caller(person))


# C-11: remove and cancel.


@given(names, people, people, st.booleans())
def test_c11_a_job_is_ended_by_the_groups_owner_or_by_its_own(
    name: Descriptor, person: Address, owner: Address, cancelled: bool
) -> None:
    job = JobRow(JOB, owner, cancelled)
    rows = rows_with(SECRET, job, MembershipRow(7, JOB))
    if person in (ALICE, owner):
        assert job_to_end(rows, name, JOB, Caller(person)) == (SECRET, job)
    else:
        with pytest.raises(NotOwner):
            job_to_end(rows, name, JOB, Caller(person))


@given(names, people, people)
def test_c11_a_job_that_is_not_in_the_group_is_not_found(
    name: Descriptor, person: Address, owner: Address
) -> None:
    elsewhere = group(id=8, opaque_id=OTHER_ID, owner=owner)
    rows = rows_with(SECRET, elsewhere, JobRow(JOB, owner), MembershipRow(8, JOB))
    refusal = JobNotFound if person in (ALICE, owner) else NotOwner
    with pytest.raises(refusal):
        job_to_end(rows, name, JOB, Caller(person))


@given(names, people, st.sampled_from(JOBS))
def test_c11_of_a_job_that_nobody_added_only_the_groups_owner_learns(
    name: Descriptor, person: Address, job: JobId
) -> None:
    with pytest.raises(JobNotFound if person == ALICE else NotOwner):
        job_to_end(rows_with(SECRET), name, job, Caller(person))


# C-16: the order.

Asked = Callable[[NaiveRows, Descriptor, Caller], object]
EACH_QUESTION: list[Asked] = [
    owned_group,
    group_to_join,
    lambda rows, shown, caller: job_to_end(rows, shown, JOB, caller),
]


@pytest.mark.parametrize("asked", EACH_QUESTION, ids=["owned_group", "group_to_join", "job_to_end"])
@given(unknown, callers)
def test_c16_first_the_group_must_exist(asked: Asked, name: Descriptor, caller: Caller) -> None:
    with pytest.raises(GroupNotFound, match="there is no group"):
        asked(rows_with(SECRET), name, caller)


@given(wrong_for_secret | right_for_secret, st.sampled_from([BOB, CAROL]))
def test_c16_who_may_not_try_is_told_so_whatever_the_credentials(
    shown: Descriptor, person: Address
) -> None:
    row = attrs.evolve(SECRET, deploy_access="owner")
    with pytest.raises(NotOwner):
        group_to_join(rows_with(row), shown, Caller(person))
