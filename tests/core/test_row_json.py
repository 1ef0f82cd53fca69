"""Rows as JSON: there and back exactly, strict, and without a trace of hashes where it fails."""

from __future__ import annotations

import traceback
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    GroupRow,
    InvalidValue,
    JobRow,
    MembershipRow,
    Row,
    join_hash,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.properties import checked_properties
from cg_core.row_json import row_from_json, row_to_json
from tests.core.worlds import ALICE, JOBS
from tests.strategies import (
    addresses,
    anything,
    descriptions,
    job_ids,
    join_keys,
    opaque_ids,
    properties,
    texts,
    times,
)

HASH = join_hash("farm", "s3cret")
GROUP = attrs.evolve(PUBLIC_GROUP, id=2, owner=ALICE, join_key="farm", join_hash=HASH)
ROWS: dict[str, Row] = {
    "group": GROUP,
    "job": JobRow(JOBS[0], ALICE, cancelled=True),
    "membership": MembershipRow(2, JOBS[0]),
}


@st.composite
def group_rows(draw: st.DrawFn) -> GroupRow:
    """Any group but the public one."""
    key = draw(st.none() | join_keys)
    chosen: Any = draw(properties)
    return GroupRow(
        id=draw(st.integers(2, 2**63 - 1)),
        opaque_id=draw(opaque_ids),
        name=draw(texts),
        description=draw(descriptions),
        join_key=key,
        join_hash=None if key is None else draw(st.none() | st.builds(join_hash, texts, texts)),
        join_address=draw(st.none() | addresses),
        owner=draw(addresses),
        created_at=draw(times),
        **checked_properties(chosen),
    )


rows = st.one_of(
    group_rows(),
    st.builds(JobRow, job_ids, addresses, cancelled=st.booleans()),
    st.builds(MembershipRow, st.integers(1, 2**63 - 1), job_ids),
)


@given(rows)
def test_a_row_comes_back_as_it_was(row: Any) -> None:
    text = stringify(row_to_json(row))
    assert "\n" not in text
    back = row_from_json(parse(text))
    assert back == row
    assert type(back) is type(row)


@given(anything)
def test_what_is_no_row_is_an_invalid_value(value: Any) -> None:
    with pytest.raises(InvalidValue):
        row_from_json(value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "expected an object, not list"),
        ({}, "one member, group, job, membership"),
        ({"group": {}, "job": {}}, "one member"),
        ({"weather": {}}, "one member"),
        ({"job": None}, "expected an object, not None"),
        ({"job": {}}, "it lacks cancelled"),
    ],
)
def test_the_fault_is_told(value: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        row_from_json(value)


def changed(kind: str, **members: Any) -> Any:
    value: Any = row_to_json(ROWS[kind])
    value[kind].update(members)
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (changed("group", weather=1), "a member 'weather', which is not known"),
        (changed("group", owner=None), "owner is null"),
        (changed("group", id=1), "public group"),
        (changed("group", id=0), "id .* must be from 1"),
        (changed("group", joinKey=None), "joinHash without joinKey"),
        (changed("group", joinHash="eh1-1"), "join_hash .* is not a hash"),
        (changed("group", joinHash=5), "join_hash must be a str"),
        (changed("group", deployFee="-1"), "deploy_fee must be from 0"),
        (changed("group", createdAt="yesterday"), "it must be a time in UTC"),
        (changed("group", maxConcurrentJobs=2**63), "must be from 0 to 2"),
        (changed("job", weather=1), "not known"),
        (changed("job", id="short"), "is not a job id"),
        (changed("job", owner="0x1"), "owner .* is not an Ethereum address"),
        (changed("job", cancelled=0), "expected a boolean, not int"),
        (changed("membership", computeGroupId="2"), "computeGroupId must be an int, not str"),
        (changed("membership", computeGroupId=0), "computeGroupId .* must be from 1 to"),
        (changed("membership", job=None), "job must be a str"),
    ],
)
def test_each_member_is_checked(value: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        row_from_json(value)


@pytest.mark.parametrize("kind", ROWS)
def test_no_member_may_be_missing(kind: str) -> None:
    for name in row_to_json(ROWS[kind])[kind]:
        value: Any = row_to_json(ROWS[kind])
        del value[kind][name]
        with pytest.raises(InvalidValue, match=f"it lacks {name}"):
            row_from_json(value)


def test_a_fault_shows_no_hash() -> None:
    """Not in the message, nor in any frame or error that hangs on it (C-13)."""
    text = HASH.reveal()
    for value in (changed("group", name=""), changed("group", joinHash=text.upper())):
        with pytest.raises(InvalidValue) as caught:
            row_from_json(value)
        error = caught.value
        assert error.__context__ is None
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
        seen = repr([error, error.args, *[frame.f_locals for frame in frames]]).lower()
        assert text not in seen
