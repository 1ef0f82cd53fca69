"""Signatures: made as the official client makes them, and read in two forms only."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_core import Identity, ProtocolError
from cg_core.ecmascript_json import JSONValue, parse, stringify
from cg_core.signatures import DECIMALS, Signature
from tests.core.test_ecmascript_json import values
from tests.core.test_sealed import TAKEN_BY_THE_OFFICIAL_CLIENT_ONLY
from tests.golden import golden

GOLDEN = golden("signing")
KEYS = {key["id"]: key for key in GOLDEN["keys"]}
BODIES = {body["id"]: body["json"] for body in GOLDEN["bodies"]}
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

identities = st.integers(1, 2**200).map(lambda number: Identity(number.to_bytes(32)))
# What is signed has been printed, so no half of a surrogate pair stands alone in it.
texts = st.text(st.characters(codec="utf-8"))
signatures = st.builds(
    lambda rs, v: Signature(rs + bytes([v])), st.binary(min_size=64, max_size=64), st.integers(0, 1)
)


def told(value: JSONValue) -> str | None:
    """The message with which a form is refused, or None if it is taken."""
    try:
        Signature.from_json(value)
    except ProtocolError as error:
        if error.code != "EINVAL":
            raise
        return error.message
    return None


@given(identities, texts)
def test_a_signature_tells_its_signer(identity: Identity, text: str) -> None:
    signature = Signature.of(identity, text)
    assert signature == Signature.of(identity, text)
    assert signature.signer(text) == identity.address
    assert int.from_bytes(signature.rsv[32:64]) <= ORDER // 2, "the lower of two"


@given(identities, texts, texts)
def test_a_signature_is_of_one_text(identity: Identity, text: str, other: str) -> None:
    assume(text != other)
    assert Signature.of(identity, text).signer(other) != identity.address


@given(signatures, texts)
def test_any_numbers_are_somebodys_signature_or_nobodys(signature: Signature, text: str) -> None:
    try:
        signer = signature.signer(text)
    except ProtocolError as error:
        told = (error.code, error.message)
        assert told == ("EINVAL", "the signature is none of this curve")
    else:
        assert len(signer) == 42


@pytest.mark.parametrize(
    "rsv", [bytes(65), b"\xff" * 64 + b"\0", ORDER.to_bytes(32) * 2 + b"\1"], ids=repr
)
def test_what_is_no_point_of_the_curve_is_signed_by_nobody(rsv: bytes) -> None:
    with pytest.raises(ProtocolError, match="none of this curve") as caught:
        Signature(rsv).signer("text")
    assert caught.value.code == "EINVAL"


@given(signatures)
def test_round_trip(signature: Signature) -> None:
    value = signature.to_json()
    assert Signature.from_json(value) == signature
    assert stringify(value) == signature.json_text()
    assert Signature.from_json(parse(signature.json_text())) == signature


def from_text(text: str) -> Signature | None:
    found = re.fullmatch(DECIMALS, text)
    return None if found is None else Signature.from_decimals(*found.groups())


@given(signatures, st.integers(0, 400), st.text("0123456789,[]-. e", max_size=3))
def test_a_text_is_read_as_what_is_parsed_of_it_or_not_at_all(
    signature: Signature, place: int, put: str
) -> None:
    text = signature.json_text()
    assert from_text(text) == signature
    altered = text[:place] + put + text[place + 1 :]
    read = from_text(altered)
    if read is not None:
        assert read.json_text() == altered
        assert read == Signature.from_json(parse(altered))


@given(signatures, st.booleans(), st.booleans(), st.booleans())
def test_arrays_and_a_bare_recovery_id_are_read_too(
    signature: Signature, r_is_array: bool, s_is_array: bool, v_is_bare: bool
) -> None:
    value: Any = signature.to_json()
    if r_is_array:
        value["r"] = value["r"]["data"]
    if s_is_array:
        value["s"] = value["s"]["data"]
    if v_is_bare:
        value["v"] -= 27
    assert Signature.from_json(value) == signature


@pytest.mark.parametrize(
    "entry", GOLDEN["signatures"], ids=lambda entry: f"{entry['key']}-{entry['body']}"
)
def test_golden_signatures(entry: dict[str, Any]) -> None:
    identity, text = Identity(KEYS[entry["key"]]["private_key"]), BODIES[entry["body"]]
    signature = Signature.of(identity, text)
    assert signature.rsv.hex() == f"{entry['r']}{entry['s']}{entry['v'] - 27:02x}"
    assert signature.signer(text) == KEYS[entry["key"]]["address"]
    assert f'"signature":{signature.json_text()},' in entry["sealed"]


def test_golden_form() -> None:
    text = GOLDEN["signature_wire_form"]["example_for_body_empty_object"]
    assert Signature.from_json(parse(text)).json_text() == text
    assert from_text(text) == Signature.from_json(parse(text))


def is_signed_by_the_golden_signer(entry: dict[str, Any]) -> bool:
    value = parse(json.dumps(entry["signature"]))
    try:
        signer = Signature.from_json(value).signer(entry["body_json"])
    except ProtocolError as error:
        assert error.code == "EINVAL"  # noqa: PT017 - or there is an address
        return False
    return bool(signer == GOLDEN["verify_signer"]["address"])


@pytest.mark.parametrize("entry", GOLDEN["verify_variants"], ids=lambda entry: entry["label"])
def test_golden_forms(entry: dict[str, Any]) -> None:
    expected = entry["accepted"] and entry["label"] not in TAKEN_BY_THE_OFFICIAL_CLIENT_ONLY
    assert is_signed_by_the_golden_signer(entry) is expected


GOOD: Any = Signature(bytes(range(64)) + b"\1").to_json()
NO_OBJECT = "signature must be an object"
NO_V = "signature.v must be 27, 28, 0 or 1"
NO_NUMBER = "signature.{} must be a Buffer, or an array, of 32 numbers"
NO_BYTES = "signature.{} must hold numbers from 0 to 255"


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "", "0x", [], [GOOD]])
def test_what_is_no_object_is_refused(value: Any) -> None:
    assert told(value) == NO_OBJECT


@pytest.mark.parametrize(
    "v", [None, True, False, 2, 26, 29, -1, 27.0, 0.0, "27", "0x1b", [27], 27 + 256, {}]
)
def test_another_v_is_refused(v: Any) -> None:
    assert told(GOOD | {"v": v}) == NO_V
    assert told({name: GOOD[name] for name in "rs"}) == NO_V


@pytest.mark.parametrize("member", ["r", "s"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        "0x" + "00" * 32,
        0,
        {},
        [],
        [0] * 31,
        [0] * 33,
        {"data": [0] * 32},
        {"type": "buffer", "data": [0] * 32},
        {"type": "Buffer"},
        {"type": "Buffer", "data": "0" * 32},
        {"type": "Buffer", "data": {"type": "Buffer", "data": [0] * 32}},
        dict.fromkeys(map(str, range(32)), 0),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_numbers_of_another_form_are_refused(member: str, value: Any) -> None:
    assert told(GOOD | {member: value}) == NO_NUMBER.format(member)
    without = {name: GOOD[name] for name in GOOD if name != member}
    assert told(without) == NO_NUMBER.format(member)


@pytest.mark.parametrize("member", ["r", "s"])
@pytest.mark.parametrize("byte", [-1, 256, 1.0, True, None, "1", [1]])
@pytest.mark.parametrize("place", [0, 31])
def test_numbers_that_are_no_bytes_are_refused(member: str, byte: Any, place: int) -> None:
    data: list[Any] = [7] * 32
    assert told(GOOD | {member: data}) is None
    data[place] = byte
    assert told(GOOD | {member: data}) == NO_BYTES.format(member)
    assert told(GOOD | {member: {"type": "Buffer", "data": data}}) == NO_BYTES.format(member)


@given(values)
def test_any_json_value_is_a_signature_or_refused(value: Any) -> None:
    assert told(value) is not None
    for member in "rsv":
        told(GOOD | {member: value})
