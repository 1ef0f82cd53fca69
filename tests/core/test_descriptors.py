"""Descriptors: a group, and what is shown to be let in (C-6, C-8, C-9, C-13)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    Address,
    Descriptor,
    InvalidType,
    InvalidValue,
    JobId,
    JoinSecret,
    OpaqueId,
    join_hash,
)
from cg_core.descriptors import checked_join_key, descriptor, named, shown_join_hash
from tests.core.arguments import WRONG_TYPES, WRONG_VALUES, private_names
from tests.strategies import addresses, job_ids, join_keys, join_secrets, opaque_ids, row_ids

private_keys = join_keys.filter(lambda key: key != "public")
ids = (row_ids | opaque_ids).filter(lambda name: name not in (1, PUBLIC_GROUP.opaque_id))
HASH = join_hash("farm", "s3cret")


@given(ids)
def test_a_row_id_and_an_opaque_id_name_a_group_by_id(id: Any) -> None:
    made = Descriptor(id)
    assert (made.id, made.join_key, made.proof) == (id, None, None)
    assert made.name == id
    assert not made.is_public
    assert type(made.name) is type(id)


@given(private_keys | opaque_ids.map(str) | addresses.map(str) | job_ids.map(str))
def test_any_other_str_names_a_group_by_its_join_key(key: str) -> None:
    made = Descriptor(key)
    assert (made.id, made.join_key, made.proof) == (None, key, None)
    assert made.name == key
    assert not made.is_public
    assert made == Descriptor(key, join_key=key)


@given(ids, private_keys, join_secrets)
def test_a_group_is_the_same_however_its_credentials_are_given(
    id: Any, key: str, secret: str
) -> None:
    held = join_hash(key, secret)
    for made in (
        Descriptor(id, join_key=key, join_secret=secret),
        Descriptor(id, join_key=key, join_secret=JoinSecret(secret)),
        Descriptor(id, join_key=key, join_hash=held),
        Descriptor(id, join_key=key, join_hash=held.reveal()),
    ):
        assert (made.id, made.join_key, made.proof) == (id, key, held)
    assert Descriptor(key, join_secret=secret) == Descriptor(key, join_key=key, join_hash=held)


@given(private_names, st.data())
def test_a_name_of_a_wrong_type_or_value_is_an_error(name: Any, data: st.DataObject) -> None:
    with pytest.raises(InvalidType):
        descriptor(data.draw(WRONG_TYPES["group"]))
    with pytest.raises(InvalidValue):
        descriptor(data.draw(WRONG_VALUES["group"]))
    with pytest.raises(InvalidType):
        Descriptor(name, join_key=data.draw(WRONG_TYPES["join_key"]))
    with pytest.raises(InvalidValue):
        Descriptor(name, join_key=data.draw(WRONG_VALUES["join_key"]))


@given(private_keys, private_keys)
def test_two_join_keys_are_an_error(one: str, other: str) -> None:
    if one != other:
        with pytest.raises(InvalidValue, match="two join keys"):
            Descriptor(one, join_key=other)


@pytest.mark.parametrize("name", [1, PUBLIC_GROUP.opaque_id, "public"])
@given(secret=join_secrets)
def test_c6_credentials_for_the_public_group_are_dropped(name: Any, secret: str) -> None:
    key = PUBLIC_GROUP.join_key
    assert Descriptor(name, join_key=key, join_secret=secret).proof is None
    assert Descriptor(name, join_key=key, join_hash=HASH).proof is None
    assert Descriptor(name).is_public
    if isinstance(name, OpaqueId):
        received = Descriptor.received(name, key, HASH)
    else:
        received = Descriptor.received(None if name == key else name, key, HASH)
    assert received.proof is None


@pytest.mark.parametrize("id", [1, PUBLIC_GROUP.opaque_id])
@given(key=private_keys)
def test_c8_an_id_and_a_key_name_one_group(id: Any, key: str) -> None:
    with pytest.raises(InvalidValue, match="name one of the two"):
        Descriptor(id, join_key=key)


@given(st.none() | ids, st.none() | private_keys, st.sampled_from([None, HASH, HASH.salted("s")]))
def test_what_was_received_is_kept_and_names_a_group(id: Any, key: Any, proof: Any) -> None:
    if id is None and key is None:
        with pytest.raises(InvalidValue, match="names no group"):
            Descriptor.received(id, key, proof)
    else:
        made = Descriptor.received(id, key, proof)
        assert (made.id, made.join_key, made.proof) == (id, key, proof)
        assert made.name == (key if id is None else id)


def test_messages_name_a_group_as_the_caller_did() -> None:
    opaque = OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd")
    assert str(Descriptor(7)) == named(7) == "group 7"
    assert str(Descriptor(opaque)) == named(opaque) == "group bYcYGQ3NOpFnP4FKs6IBQd"
    assert str(Descriptor("farm")) == named("farm") == "group with join key 'farm'"
    assert str(Descriptor(7, join_key="farm", join_secret="s3cret")) == "group 7"
    assert named("\x07é") == "group with join key '\\x07\\xe9'"


def test_a_descriptor_stands_for_itself() -> None:
    made = Descriptor("farm", join_secret="s3cret")
    assert descriptor(made) is made
    assert descriptor("farm") == Descriptor("farm")


@given(addresses | job_ids | opaque_ids)
def test_ids_and_addresses_are_no_join_keys_but_their_text_is(
    id: Address | JobId | OpaqueId,
) -> None:
    with pytest.raises(InvalidType, match="give str"):
        checked_join_key(id)
    assert checked_join_key(str(id)) == id


def test_c13_what_is_shown_is_hashed_with_the_key_or_taken_as_hash() -> None:
    assert shown_join_hash("farm", None, None) is None
    assert shown_join_hash(None, None, None) is None
    assert shown_join_hash("farm", "s3cret", None) == HASH
    assert shown_join_hash("farm", None, HASH) == HASH
    assert shown_join_hash("another salt", None, HASH.reveal()) == HASH
    with pytest.raises(InvalidValue, match="join_secret needs join_key"):
        shown_join_hash(None, "s3cret", None)
    with pytest.raises(InvalidValue, match="join_hash needs join_key"):
        shown_join_hash(None, None, HASH)
    with pytest.raises(InvalidValue, match="give one"):
        shown_join_hash("farm", "s3cret", HASH)
