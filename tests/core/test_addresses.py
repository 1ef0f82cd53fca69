"""Addresses: one text for each, which is its checksum form (EIP-55)."""

from __future__ import annotations

import copy
import json
import pickle
import string
from operator import itemgetter
from typing import Any

import pytest
from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from cg_core import Address, InvalidArgument, InvalidType, InvalidValue
from tests.golden import golden
from tests.strategies import addresses, any_characters, anything, not_text

GOLDEN = golden("addresses")
EXAMPLE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
MISTYPED = "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

# What an entry's input is in Python, where JSON cannot say it.
IN_PYTHON: dict[str, object] = {
    "a62": None,  # undefined: Python has one nothing
    "a65": 0x5AAEB6053F3E94C9,
    "a70": 0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED,
    "a71": 0x0AAEB6053F3E94C9B9A09F33669435E7EF1BEAED,
    "a72": bytes.fromhex(EXAMPLE[2:]),
    "a73": b"\1" * 19,
    "a74": Address(EXAMPLE),
}
# An address is a str here, and bytes are asked for by name: `Address.from_bytes`.
TAKEN_BY_THE_OFFICIAL_CLIENT_ONLY = {"a68", "a70", "a72"}


def checksum_form(data: bytes) -> str:
    """EIP-55 as its specification has it, with another library's hash."""
    digest = keccak.new(data=data.hex().encode(), digest_bits=256).digest()
    bits = f"{int.from_bytes(digest):0256b}"
    return "0x" + "".join(
        digit.upper() if bits[4 * place] == "1" else digit for place, digit in enumerate(data.hex())
    )


twenty_bytes = st.binary(min_size=20, max_size=20)


@given(twenty_bytes)
def test_an_address_is_its_checksum_form(data: bytes) -> None:
    assert Address.from_bytes(data) == checksum_form(data)


@given(twenty_bytes)
def test_every_spelling_of_an_address_is_the_same_text(data: bytes) -> None:
    form = checksum_form(data)
    digits = {form[2:], form[2:].lower(), form[2:].upper()}
    spellings = digits | {"0x" + spelling for spelling in digits}
    assert {str(Address(spelling)) for spelling in spellings} == {form}


@given(twenty_bytes, st.data())
def test_a_letter_of_the_wrong_case_is_noticed(data: bytes, choice: st.DataObject) -> None:
    form = checksum_form(data)
    place = choice.draw(st.integers(2, 41).filter(lambda place: form[place].isalpha()))
    flipped = form[:place] + form[place].swapcase() + form[place + 1 :]
    if flipped[2:] in (form[2:].lower(), form[2:].upper()):
        assert Address(flipped) == form  # of one case, so without a checksum
    else:
        with pytest.raises(InvalidValue, match="checksum"):
            Address(flipped)


near_misses = st.builds(
    lambda form, place, patch: form[:place] + patch + form[place + 1 :],
    addresses,
    st.integers(0, 42),
    st.text(any_characters, max_size=2),
)


def spelled(text: str) -> str | None:
    """The checksum form of the address that a text spells, if it does."""
    digits = text.removeprefix("0x")
    if len(digits) != 40 or not set(digits) <= set(string.hexdigits):
        return None
    form = checksum_form(bytes.fromhex(digits))
    return form if digits in (form[2:], digits.lower(), digits.upper()) else None


def refusal_of(text: str) -> str:
    with pytest.raises(InvalidValue) as caught:
        Address(text)
    return str(caught.value)


@given(near_misses | st.text(any_characters))
def test_a_text_is_an_address_or_refused_and_not_repeated(text: str) -> None:
    form = spelled(text)
    if form is not None:
        assert Address(text) == form
    else:
        assert refusal_of(text) in {refusal_of("?" * len(text)), refusal_of(MISTYPED)}


@given(not_text)
def test_what_is_no_text_is_no_address(wrong: str) -> None:
    with pytest.raises(InvalidType, match="address must be a str"):
        Address(wrong)


@pytest.mark.parametrize("wrong", [None, "", MISTYPED])
def test_a_refusal_names_the_argument(wrong: Any) -> None:
    with pytest.raises((InvalidType, InvalidValue), match=r"^join_address "):
        Address(wrong, "join_address")


@given(anything.filter(lambda value: not isinstance(value, bytes)))
def test_only_bytes_are_bytes(wrong: bytes) -> None:
    with pytest.raises(InvalidType):
        Address.from_bytes(wrong)


@given(st.binary().filter(lambda data: len(data) != 20))
def test_only_twenty_bytes_are_an_address(data: bytes) -> None:
    with pytest.raises(InvalidValue):
        Address.from_bytes(data)


@given(addresses)
def test_an_address_stays_one_through_copies_and_pickles(address: Address) -> None:
    pickled = [pickle.dumps(address, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    copies = [copy.copy(address), copy.deepcopy(address), *map(pickle.loads, pickled)]
    assert [(type(made), made) for made in copies] == [(Address, address)] * len(copies)


@given(addresses)
def test_an_address_is_a_plain_value(address: Address) -> None:
    assert Address(address) is address
    assert {address: "seen"}[Address(address.lower())] == "seen"
    assert not hasattr(address, "__dict__")


@pytest.mark.parametrize("entry", GOLDEN["addresses"], ids=itemgetter("id"))
def test_golden_address(entry: dict[str, Any]) -> None:
    given: Any = IN_PYTHON.get(entry["id"], entry["input"])
    assert entry["isAddress"] == ("result" in entry)
    if entry["isAddress"] and entry["id"] not in TAKEN_BY_THE_OFFICIAL_CLIENT_ONLY:
        assert Address(given) == entry["result"]
        assert json.dumps(Address(given)) == entry["toJSON"]
    else:
        with pytest.raises(InvalidValue if isinstance(given, str) else InvalidType):
            Address(given)
    if isinstance(given, bytes) and entry["isAddress"]:
        assert Address.from_bytes(given) == entry["result"]


@pytest.mark.parametrize("entry", GOLDEN["eq"], ids=lambda entry: repr(entry["other"]))
def test_golden_eq(entry: dict[str, Any]) -> None:
    try:
        equal = Address(entry["other"]) == Address(entry["address"])
    except InvalidArgument:
        equal = False
    assert equal == entry["result"]


def test_no_golden_entry_is_left_out() -> None:
    """The lists are parametrised whole; what JSON cannot say has a value in Python, each."""
    lists = {name: len(entries) for name, entries in GOLDEN.items()}
    del lists["source"], lists["notes"]
    assert lists == {"addresses": 74, "eq": 9, "private_keys": 38}
    unsaid = {entry["id"] for entry in GOLDEN["addresses"] if "javascript" in str(entry["input"])}
    assert unsaid == set(IN_PYTHON)
