"""Row ids, opaque ids and job ids: told apart, kept exactly, or refused (C-1, C-7)."""

from __future__ import annotations

import copy
import pickle
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import Address, InvalidType, InvalidValue, JobId, OpaqueId
from cg_core.identifiers import LARGEST_INTEGER, checked_integer
from tests.strategies import (
    ALPHANUMERIC,
    Masked,
    addresses,
    any_characters,
    anything,
    job_ids,
    not_text,
    opaque_ids,
)

DEPLOYED = "P+Y4IApeFQLrYS2W7MkVg7"
MISTYPED = "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
opaque_texts = st.text(ALPHANUMERIC, min_size=22, max_size=22)
base64_texts = st.text(ALPHANUMERIC + "+/", min_size=22, max_size=22)
any_ids = st.one_of(opaque_ids, job_ids, addresses)

near_misses = st.builds(
    lambda text, place, patch: text[:place] + patch + text[place + 1 :],
    base64_texts | addresses,
    st.integers(0, 42),
    st.text(any_characters, max_size=2) | st.sampled_from(["\n", "-", "_", "=", "é", "\u0661"]),
)
texts = st.one_of(near_misses, opaque_texts, base64_texts, st.text(any_characters))


def is_address(text: str) -> bool:
    try:
        Address(text)
    except InvalidValue:
        return False
    return True


def refusal_of(kind: type[OpaqueId | JobId], text: str) -> str:
    with pytest.raises(InvalidValue) as caught:
        kind(text)
    return str(caught.value)


@given(texts)
def test_an_opaque_id_is_22_letters_and_digits(text: str) -> None:
    if len(text) == 22 and set(text) <= set(string.ascii_letters + string.digits):
        assert OpaqueId(text) == text
    else:
        assert refusal_of(OpaqueId, text) == refusal_of(OpaqueId, "?" * len(text))


@given(texts)
def test_a_job_id_is_22_characters_of_base64_or_an_address(text: str) -> None:
    if len(text) == 22 and set(text) <= set(string.ascii_letters + string.digits + "+/"):
        assert JobId(text) == text
    elif is_address(text):
        assert str(JobId(text)) == str(Address(text))
    else:
        messages = {refusal_of(JobId, wrong) for wrong in ("?" * len(text), MISTYPED)}
        assert refusal_of(JobId, text) in messages


@given(addresses)
def test_a_job_has_one_id_however_its_address_is_spelled(address: Address) -> None:
    spellings = [address, address.lower(), address[2:], address[2:].upper(), JobId(address)]
    assert {str(JobId(spelling)) for spelling in spellings} == {str(address)}


@given(not_text)
def test_an_id_is_a_text(wrong: str) -> None:
    with pytest.raises(InvalidType, match="opaque_id must be a str"):
        OpaqueId(wrong)
    with pytest.raises(InvalidType, match="job must be a str"):
        JobId(wrong)


@given(opaque_ids, job_ids, addresses)
def test_ids_of_different_kinds_are_not_taken_for_each_other(
    opaque_id: OpaqueId, job_id: JobId, address: Address
) -> None:
    with pytest.raises(InvalidType, match="opaque_id must be a str or an OpaqueId, not JobId"):
        OpaqueId(job_id)
    with pytest.raises(InvalidType, match="opaque_id must be a str or an OpaqueId, not Address"):
        OpaqueId(address)
    with pytest.raises(InvalidType, match="job must be a str or a JobId, not OpaqueId"):
        JobId(opaque_id)


@given(any_ids)
def test_an_id_is_a_plain_value_that_keeps_its_class(id: OpaqueId | JobId | Address) -> None:
    pickled = [pickle.dumps(id, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    copies = [type(id)(id), copy.copy(id), copy.deepcopy(id), *map(pickle.loads, pickled)]
    assert [(type(made), made) for made in copies] == [(type(id), id)] * len(copies)
    assert type(id)(id) is id
    assert not hasattr(id, "__dict__")


@pytest.mark.parametrize("kind", [OpaqueId, JobId])
def test_a_str_of_another_class_is_taken_by_its_characters(kind: type[OpaqueId | JobId]) -> None:
    assert kind(Masked("a" * 22)) == "a" * 22


def test_example_of_the_api_page() -> None:
    assert JobId(DEPLOYED) == DEPLOYED
    with pytest.raises(InvalidValue, match="22 characters A-Z, a-z, 0-9"):
        OpaqueId(DEPLOYED)


@pytest.mark.parametrize("character", ["-", "_", "=", "\n", " ", "é", "\u0661", "\uff21"])
def test_other_alphabets_make_no_id(character: str) -> None:
    """Base64 for URLs, padding, and what Unicode counts among letters and digits."""
    for kind in (OpaqueId, JobId):
        refusal_of(kind, "a" * 21 + character)
        refusal_of(kind, "a" * 22 + character)


@pytest.mark.parametrize("wrong", ["", "x" * 22 + "!", "x" * 40, "x" * 42, MISTYPED, None])
def test_a_refusal_names_the_argument(wrong: Any) -> None:
    with pytest.raises((InvalidType, InvalidValue), match=r"^job "):
        JobId(wrong)
    with pytest.raises((InvalidType, InvalidValue), match=r"^group "):
        OpaqueId(wrong, "group")


@given(st.integers(), st.integers(0, 1))
def test_an_integer_is_kept_where_every_database_keeps_it(value: int, least: int) -> None:
    if least <= value < 2**63:
        assert checked_integer("group", value, least=least) == value
    else:
        with pytest.raises(InvalidValue, match=f"group .* from {least} to 2\\^63 - 1"):
            checked_integer("group", value, least=least)


def test_the_largest_integer_is_that_of_a_signed_64_bit_column() -> None:
    assert LARGEST_INTEGER == 2**63 - 1
    assert checked_integer("group", 2**63 - 1, least=1) == 2**63 - 1
    for beyond in (2**63, 10**100, -(10**100), 10**10**6):
        with pytest.raises(InvalidValue, match="group"):
            checked_integer("group", beyond, least=1)


@given(anything.filter(lambda value: not isinstance(value, int) or isinstance(value, bool)))
def test_what_is_no_integer_is_an_invalid_type(wrong: Any) -> None:
    with pytest.raises(InvalidType, match="max_concurrent_jobs must be an int"):
        checked_integer("max_concurrent_jobs", wrong, least=0)


def test_an_integer_of_another_class_becomes_a_plain_int() -> None:
    class Number(int):
        pass

    assert type(checked_integer("group", Number(7), least=1)) is int
