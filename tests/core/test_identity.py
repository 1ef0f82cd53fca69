"""Identities: the official client's addresses for the official client's keys."""

from __future__ import annotations

import pickle
from operator import itemgetter
from typing import Any

import pytest
from Crypto.Hash import keccak
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_core import Identity, InvalidArgument, InvalidType, InvalidValue
from cg_core.secp256k1 import private_scalar, public_key
from tests.golden import golden
from tests.strategies import any_characters, anything

GOLDEN = golden("addresses")["private_keys"]
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
KEY = "79d359d9e5baa53a1199eced7c46a366f71bb4c4b15532e7da0f3896670dbb87"

# What an entry's input is in Python, where JSON cannot say it.
IN_PYTHON: dict[str, object] = {
    "p33": None,  # undefined: Python has one nothing
    "p36": b"\xab" * 32,
    "p37": 5,
}

keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32))


@given(keys)
def test_an_address_is_the_end_of_the_hash_of_the_public_key(key: bytes) -> None:
    digest = keccak.new(data=public_key(private_scalar(key)), digest_bits=256).hexdigest()
    assert Identity(key).address.lower() == "0x" + digest[-40:]


@given(keys)
def test_every_spelling_of_a_key_is_the_same_identity(key: bytes) -> None:
    spellings = [key.hex(), key.hex().upper(), "0x" + key.hex(), "0x" + key.hex().upper()]
    assert {Identity(spelling).address for spelling in spellings} == {Identity(key).address}


@given(keys)
def test_only_who_asks_for_the_key_gets_it(key: bytes) -> None:
    identity = Identity(key)
    assert identity.reveal() == key
    assert key.hex() not in f"{identity!r}{identity}".lower()
    with pytest.raises(InvalidType, match="does not pickle"):
        pickle.dumps(identity)


near_misses = st.builds(
    lambda place, patch: KEY[:place] + patch + KEY[place + 1 :],
    st.integers(0, 64),
    st.text(any_characters.filter(lambda character: character not in "0123456789abcdefABCDEF")),
)


@given(near_misses | st.text(any_characters, max_size=63) | st.text(any_characters, min_size=67))
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    assume(text != KEY)
    messages = []
    for wrong in (text, "?" * len(text)):
        with pytest.raises(InvalidValue, match=r"^private_key ") as caught:
            Identity(wrong)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@given(st.binary(max_size=70).filter(lambda key: len(key) != 32))
def test_a_key_has_32_bytes(key: bytes) -> None:
    with pytest.raises(InvalidValue, match=f"^private_key has {len(key)} bytes; give 32"):
        Identity(key)


@given(anything.filter(lambda value: not isinstance(value, str | bytes)))
def test_a_key_is_a_text_or_bytes(wrong: Any) -> None:
    with pytest.raises(InvalidType, match=r"^private_key must be a str or bytes"):
        Identity(wrong)


@pytest.mark.parametrize("number", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_a_key_is_a_number_on_the_curve(number: int) -> None:
    for key in (number.to_bytes(32), f"{number:064x}"):
        with pytest.raises(InvalidValue, match="zero, or beyond the order"):
            Identity(key)


def test_an_identity_shows_its_address_and_not_its_key() -> None:
    assert (
        repr(Identity(KEY)) == "<Identity 0xdEF2cBaFEe69B3151D27eabd21B98221e749AB0c, key hidden>"
    )


@pytest.mark.parametrize("entry", GOLDEN, ids=itemgetter("id"))
def test_golden_key(entry: dict[str, Any]) -> None:
    given: Any = IN_PYTHON.get(entry["id"], entry["input"])
    if "address" in entry:
        assert Identity(given).address == entry["address"]
        assert Identity(entry["normalized"]).address == entry["address"]
    else:
        with pytest.raises(InvalidArgument, match=r"^private_key ") as caught:
            Identity(given)
        assert isinstance(caught.value, InvalidValue if isinstance(given, str) else InvalidType)
        assert not given or str(given) not in str(caught.value)


def test_no_golden_entry_is_left_out() -> None:
    """The list is parametrised whole; what JSON cannot say has a value in Python, each."""
    assert len(GOLDEN) == 38
    assert {entry["id"] for entry in GOLDEN if isinstance(entry["input"], dict)} == set(IN_PYTHON)
