"""Groups: what is kept of them, what changes, what is shown (C-1, C-3, C-6, C-13)."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import (
    KEEP,
    PUBLIC_GROUP,
    ChangeGroup,
    Group,
    GroupChanges,
    GroupRow,
    Keep,
    join_hash,
)
from tests.strategies import (
    addresses,
    changes,
    descriptions,
    join_keys,
    join_secrets,
    opaque_ids,
    properties,
    row_ids,
    texts,
    times,
)


@st.composite
def group_rows(draw: st.DrawFn) -> GroupRow:
    key = draw(st.none() | join_keys)
    given_properties: dict[str, Any] = draw(properties)
    return GroupRow(
        id=draw(row_ids),
        opaque_id=draw(opaque_ids),
        name=draw(texts),
        description=draw(descriptions),
        join_key=key,
        join_hash=None if key is None else join_hash(key, draw(join_secrets)),
        join_address=draw(st.none() | addresses),
        owner=draw(addresses),
        created_at=draw(times),
        **given_properties,
    )


@given(group_rows(), changes())
def test_c3_what_changes_is_changed_and_all_else_stays(row: GroupRow, change: ChangeGroup) -> None:
    changed = row.changed(change.changes)
    new = change.changes.given()
    assert new != {}
    for field in attrs.fields(GroupRow):
        expected = new.get(field.name, getattr(row, field.name))
        assert getattr(changed, field.name) == expected


@given(group_rows())
def test_c3_no_change_changes_nothing(row: GroupRow) -> None:
    assert GroupChanges().given() == {}
    assert row.changed(GroupChanges()) == row


@given(group_rows())
def test_c13_a_group_is_shown_without_its_hash(row: GroupRow) -> None:
    shown = row.shown()
    assert type(shown) is Group
    assert "join_hash" not in attrs.asdict(shown)
    assert attrs.asdict(row) == {**attrs.asdict(shown), "join_hash": row.join_hash}
    assert pickle.loads(pickle.dumps(shown)) == shown


@given(group_rows())
def test_c8_a_join_key_or_a_join_address_is_a_credential(row: GroupRow) -> None:
    assert row.has_credentials is (row.join_key is not None or row.join_address is not None)


def test_c6_the_public_group_is_as_official_clients_know_it() -> None:
    assert PUBLIC_GROUP.id == 1
    assert PUBLIC_GROUP.opaque_id == "WHhetL7mj1w1mw1XV6dxyC"
    assert PUBLIC_GROUP.join_key == "public"
    assert PUBLIC_GROUP.owner is None
    assert PUBLIC_GROUP.deploy_access == "join"
    assert PUBLIC_GROUP.join_hash is None
    assert PUBLIC_GROUP.join_address is None
    assert PUBLIC_GROUP.max_concurrent_jobs is None
    assert PUBLIC_GROUP.created_at.utcoffset() is not None


def test_keep_is_one_value_that_says_what_it_is() -> None:
    assert repr(KEEP) == "KEEP"
    assert list(Keep) == [KEEP]
    assert copy.deepcopy(KEEP) is KEEP
    assert pickle.loads(pickle.dumps(KEEP)) is KEEP


@pytest.mark.parametrize("made", [PUBLIC_GROUP, PUBLIC_GROUP.shown(), GroupChanges(name="farm")])
def test_groups_and_changes_never_change(made: Any) -> None:
    for field in attrs.fields(type(made)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(made, field.name, None)
