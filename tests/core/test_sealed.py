"""Sealed text: signing, and who is taken at their word."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import Address, Identity, ProtocolError
from cg_core.ecmascript_json import parse, stringify
from cg_core.sealed import Sealed, _as_any_may_write_it, _as_we_write_it, seal, unseal
from tests.core.test_ecmascript_json import values
from tests.golden import golden

GOLDEN = golden("signing")
KEYS = {key["id"]: key for key in GOLDEN["keys"]}
BODIES = {body["id"]: body["json"] for body in GOLDEN["bodies"]}
SIGNER = Address(GOLDEN["verify_signer"]["address"])

# What dcp-client takes and we refuse: forms that no peer sends. We take r and s as a Buffer or an
# array of 32 numbers, and v as 27, 28, 0 or 1 (wire.md), so that a signature has one reading.
TAKEN_BY_THE_OFFICIAL_CLIENT_ONLY = {
    "the whole signature as a JSON string",
    "index-keyed objects with a length member",
    "byte values out of range: taken modulo 256",
    "byte values as decimal strings",
    "byte values with fractions: truncated",
    "r with 33 bytes, zero first",
    "r with 34 bytes, junk first: the last 32 bytes are used",
    "s with 33 bytes, junk first",
    "v as hex string with 0x",
    "v as 0x0/0x1",
    "v as array of one byte",
    "same, leading zero byte stripped: padded on the left",
    "same, leading zero byte stripped",
}
# It prints a body again before it checks it, and so takes texts that are not as they are printed.
READ_IN_TWO_WAYS_BY_THE_OFFICIAL_CLIENT = {
    "white space on the wire, canonical text signed",
    "1.0 on the wire, 1 signed",
    "backslash-u escapes on the wire, raw characters signed",
    "escaped slash",
    "integer-like keys: signed in JavaScript order",
    "duplicate key: last value, first position",
    "exponent form",
    "big integer loses digits",
    "lone surrogate",
}

identities = st.integers(1, 2**200).map(lambda number: Identity(number.to_bytes(32)))


def envelope(signature: object, body: str, owner: str = SIGNER) -> str:
    """A sealed text made by hand; the body is put in as it is."""
    head = stringify({"owner": owner, "signature": parse(json.dumps(signature))})
    return f'{head[:-1]},"body":{body}}}'


def refusal(text: str) -> str | None:
    """The code with which a text is refused, or None if it is taken."""
    try:
        unseal(text)
    except ProtocolError as error:
        return error.code
    return None


def test_all_golden_entries_are_here() -> None:
    sizes = {
        name: len(GOLDEN[name]) for name in ("signatures", "verify_variants", "reserialization")
    }
    assert sizes == {"signatures": 100, "verify_variants": 65, "reserialization": 14}
    labels = {entry["label"] for entry in GOLDEN["verify_variants"] if entry["accepted"]}
    assert labels >= TAKEN_BY_THE_OFFICIAL_CLIENT_ONLY
    labels = {entry["label"] for entry in GOLDEN["reserialization"] if entry["accepted"]}
    assert labels >= READ_IN_TWO_WAYS_BY_THE_OFFICIAL_CLIENT


@pytest.mark.parametrize(
    "entry", GOLDEN["signatures"], ids=lambda entry: f"{entry['key']}-{entry['body']}"
)
def test_golden_sealed_text(entry: dict[str, Any]) -> None:
    key = KEYS[entry["key"]]
    body = parse(BODIES[entry["body"]])
    assert seal(Identity(key["private_key"]), stringify(body)) == entry["sealed"]
    opened = unseal(entry["sealed"])
    assert opened.owner == key["address"]
    assert stringify(opened.body) == BODIES[entry["body"]]


@pytest.mark.parametrize("entry", GOLDEN["verify_variants"], ids=lambda entry: entry["label"])
def test_golden_signature_forms(entry: dict[str, Any]) -> None:
    expected = entry["accepted"] and entry["label"] not in TAKEN_BY_THE_OFFICIAL_CLIENT_ONLY
    code = refusal(envelope(entry["signature"], entry["body_json"]))
    assert code == (None if expected else "EINVAL")


@pytest.mark.parametrize("entry", GOLDEN["reserialization"], ids=lambda entry: entry["label"])
def test_golden_printed_again(entry: dict[str, Any]) -> None:
    as_printed = entry["hashed_text"] == entry["body_text_received"]
    text = envelope(entry["signature"], entry["body_text_received"])
    assert refusal(text) == (None if entry["accepted"] and as_printed else "EINVAL")
    assert (
        as_printed
        or not entry["accepted"]
        or (entry["label"] in READ_IN_TWO_WAYS_BY_THE_OFFICIAL_CLIENT)
    )


@pytest.mark.parametrize(
    "case", GOLDEN["string_bodies"]["cases"], ids=lambda case: case["sealed"][-9:]
)
def test_golden_body_that_is_signed_without_its_quotes_is_refused(case: dict[str, Any]) -> None:
    assert refusal(case["sealed"]) == "EINVAL"


@given(identities, values)
def test_round_trip(identity: Identity, body: Any) -> None:
    text = seal(identity, stringify(body))
    assert seal(identity, stringify(body)) == text
    opened = unseal(text)
    assert opened == Sealed(identity.address, parse(stringify(body)))
    assert repr(opened) == f"Sealed(owner={identity.address!r})"


@given(identities, values, st.data())
def test_an_altered_text_is_refused(identity: Identity, body: Any, data: st.DataObject) -> None:
    text = seal(identity, stringify(body))
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.text(st.characters(codec="utf-8"), max_size=2))
    altered = text[:place] + put + text[place + 1 :]
    if altered == text:
        return
    code = refusal(altered)
    if code is None:  # v as 0 or 1 is another way to write the same signature
        assert unseal(altered) == unseal(text)
        assert json.loads(altered)["signature"]["v"] in (0, 1)
    else:
        assert code == "EINVAL"


@given(identities, values, st.integers(0, 1_000), st.text('0123456789,"[]{}: ', max_size=3))
def test_what_is_soon_read_is_read_as_any_other_text(
    identity: Identity, body: Any, place: int, put: str
) -> None:
    text = seal(identity, stringify(body))
    assert _as_we_write_it(text) == _as_any_may_write_it(text)
    altered = text[:place] + put + text[place + 1 :]
    read = _as_we_write_it(altered)
    if read is not None:
        assert read == _as_any_may_write_it(altered)


@pytest.mark.parametrize(("depth", "code"), [(199, None), (200, "EINVAL")])
def test_the_depth_of_a_body_counts_from_outside(depth: int, code: str | None) -> None:
    assert refusal(seal(Identity(b"\1" * 32), "[" * depth + "]" * depth)) == code


LONG = stringify({"texts": ["x" * 30_000]})


def test_a_long_text_is_read_as_it_is_signed() -> None:
    identity = Identity(b"\1" * 32)
    text = seal(identity, LONG)
    assert unseal(text) == Sealed(identity.address, json.loads(LONG))
    for other in (f" {text}", text.replace('"v":27', '"v":1').replace('"v":28', '"v":1')):
        assert other != text
        assert refusal(other) == "EINVAL"


def test_a_long_text_that_is_signed_has_one_reading() -> None:
    assert refusal(seal(Identity(b"\1" * 32), LONG.replace(":[", ": ["))) == "EINVAL"


def test_the_signature_of_a_long_text_has_numbers_that_there_are() -> None:
    text = seal(Identity(b"\1" * 32), LONG)
    altered = re.sub(r'"data":\[\d+', '"data":[256', text)
    assert altered != text
    assert refusal(altered) == "EINVAL"


@pytest.mark.parametrize(("depth", "code"), [(199, None), (200, "EINVAL")])
def test_the_depth_of_a_long_body_counts_from_outside(depth: int, code: str | None) -> None:
    body = f'{"[" * (depth - 1)}["{"x" * 30_000}"]{"]" * (depth - 1)}'
    assert refusal(seal(Identity(b"\1" * 32), body)) == code


@given(identities, identities, values)
def test_nobody_signs_for_another(one: Identity, other: Identity, body: Any) -> None:
    if one.address != other.address:
        assert (
            refusal(seal(one, stringify(body)).replace(one.address, other.address, 1)) == "EINVAL"
        )


@given(values)
def test_garbage_is_a_protocol_error(value: Any) -> None:
    with pytest.raises(ProtocolError):
        unseal(stringify(value))


@pytest.mark.parametrize("member", ["owner", "signature", "body"])
def test_every_member_is_needed(member: str) -> None:
    sealed = json.loads(seal(Identity(b"\1" * 32), stringify({"hello": "world"})))
    del sealed[member]
    with pytest.raises(ProtocolError, match=f"has no {member}"):
        unseal(stringify(sealed))


@pytest.mark.parametrize("owner", [SIGNER.lower(), SIGNER[2:], "0x" + SIGNER[2:].upper()])
def test_an_owner_is_compared_as_an_address(owner: str) -> None:
    text = seal(Identity(GOLDEN["verify_signer"]["private_key"]), "1").replace(SIGNER, owner)
    assert refusal(text) is None


@pytest.mark.parametrize(
    "owner", ["0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "", 5, None, [], {}]
)
def test_an_owner_that_is_no_address_is_refused(owner: object) -> None:
    sealed = json.loads(seal(Identity(b"\1" * 32), "null"))
    with pytest.raises(ProtocolError, match="owner"):
        unseal(stringify(sealed | {"owner": owner}))
