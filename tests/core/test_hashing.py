"""The `eh1` hash: as the official client makes it, and as an independent implementation does."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Any

import pytest
from Crypto.Hash import keccak
from hypothesis import example, given
from hypothesis import strategies as st

from cg_core import Address, InvalidType, eh1
from cg_core.hashing import keccak256, personal_message_digest
from tests.golden import golden
from tests.strategies import any_characters, not_text

GOLDEN = golden("hashing")

# What is hashed in the entries that pass something unusual; None: the official client refuses it.
UNUSUAL: dict[str, str | None] = {
    "calculate(eh1, undefined)": None,
    "calculate(eh1, 5) - a number without salt": None,
    "calculate(eh1, true)": None,
    'calculate(eh1, 5, "s") - number is concatenated: hashes "s5"': "s5",
    'calculate(eh1, undefined, "s") - hashes "sundefined"': "sundefined",
    'calculate(eh1, "m", null) - hashes "nullm"': "nullm",
    'calculate(eh1, "m", 5) - hashes "5m"': "5m",
    'calculate(eh1, "m", undefined) - same as no salt': "m",
    'calculate("eh1", "m") - type must be the object, not its name': None,
    'calculate(eh1, Buffer.from("ab")) - a Buffer is an object: its JSON form is hashed': (
        '{"type":"Buffer","data":[97,98]}'
    ),
    'calculate(eh1, new String("ab")) - a String object: JSON form "\\"ab\\"" is hashed': '"ab"',
    'calculate(eh1, new Address("0x"+"a1".repeat(20))) - JSON form with quotes of the checksum '
    "address is hashed": f'"{Address("a1" * 20)}"',
}
# The same calls in Python: eh1 takes a str, which is hashed as it is. It has no salt and no type
# to get wrong, so the other entries have no counterpart beyond the text that they come to.
UNUSUAL_ARGUMENTS: dict[str, object] = {
    "calculate(eh1, undefined)": None,
    "calculate(eh1, 5) - a number without salt": 5,
    "calculate(eh1, true)": True,
    'calculate(eh1, Buffer.from("ab")) - a Buffer is an object: its JSON form is hashed': b"ab",
}


def independent_keccak256(data: bytes) -> bytes:
    return keccak.new(data=data, digest_bits=256).digest()


def as_javascript_encodes(text: str) -> bytes:
    """UTF-8, after halves that meet are joined to a pair and lone ones are replaced."""
    joined = re.sub(
        "([\ud800-\udbff])([\udc00-\udfff])",
        lambda pair: chr(0x10000 + (ord(pair[1]) - 0xD800) * 0x400 + ord(pair[2]) - 0xDC00),
        text,
    )
    return re.sub("[\ud800-\udfff]", "\ufffd", joined).encode()


@given(st.binary(max_size=1_000))
def test_keccak256_agrees_with_an_independent_implementation(data: bytes) -> None:
    assert keccak256(data) == independent_keccak256(data)


@given(st.binary(max_size=200))
@example(b"x" * 9)
@example(b"x" * 10)
@example(b"x" * 100_000)
def test_a_personal_message_is_hashed_with_its_length(message: bytes) -> None:
    prefix = b"\x19Ethereum Signed Message:\n" + str(len(message)).encode()
    assert personal_message_digest(message) == independent_keccak256(prefix + message)


texts_with_halves = st.text(st.one_of(st.sampled_from("a\ud800\udbff\udc00\udfff"), any_characters))


@given(texts_with_halves)
def test_eh1_is_the_hash_of_the_bytes_that_javascript_sees(text: str) -> None:
    message = as_javascript_encodes(text)
    prefix = b"\x19Ethereum Signed Message:\n" + str(len(message)).encode()
    assert eh1(text) == "eh1-" + independent_keccak256(prefix + message).hex()


@given(not_text)
def test_eh1_takes_nothing_but_text(wrong: str) -> None:
    with pytest.raises(InvalidType):
        eh1(wrong)


def message_text(entry: dict[str, Any]) -> str:
    message = entry["message"]
    salt: str = entry.get("salt", "")
    text: str
    match message["kind"]:
        case "string":
            text = message["value"]
        case "repeat":
            text = message["unit"] * message["count"]
        case "object":
            text = entry["message_json"]
    return salt + text


@pytest.mark.parametrize("entry", GOLDEN["calculate"], ids=itemgetter("id"))
def test_golden_hash(entry: dict[str, Any]) -> None:
    prefix = {"eh1": "eh1-", "eh0": ""}[entry["type"]]
    text = message_text(entry)
    assert prefix + eh1(text).removeprefix("eh1-") == entry["result"]
    message = as_javascript_encodes(text)
    assert len(message) == entry["preimage_utf8_bytes"]
    assert message.hex() == entry.get("preimage_utf8_hex", message.hex())
    assert prefix + personal_message_digest(message).hex() == entry["result"]


@pytest.mark.parametrize("entry", GOLDEN["unusual_arguments"], ids=itemgetter("label"))
def test_golden_hash_of_an_unusual_argument(entry: dict[str, Any]) -> None:
    text = UNUSUAL[entry["label"]]
    assert (text is None) == ("error" in entry)
    if text is not None:
        assert eh1(text) == entry["result"]
    if entry["label"] in UNUSUAL_ARGUMENTS:
        argument: Any = UNUSUAL_ARGUMENTS[entry["label"]]
        with pytest.raises(InvalidType):
            eh1(argument)


def test_no_golden_entry_is_left_out() -> None:
    """The lists are parametrised whole, here and in test_join_hashes."""
    lists = {name: len(entries) for name, entries in GOLDEN.items()}
    del lists["source"], lists["notes"]
    assert lists == {
        "calculate": 131,
        "unusual_arguments": 12,
        "join_hash": 28,
        "join_hash_hash": 8,
        "worker_compute_groups": 7,
    }
    assert {entry["label"] for entry in GOLDEN["unusual_arguments"]} == set(UNUSUAL)


def test_public_vector() -> None:
    assert eh1("scott tiger") == (
        "eh1-672937c2b944982e071185b888770f8b8ea67c11f56d545e403e0d513c609b87"
    )
