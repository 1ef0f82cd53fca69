"""Sealed text: a message's body, whose it is, and the signature that proves it (wire.md).

    {"owner":"0x...","signature":{"r":...,"s":...,"v":27},"body":...}

Signed is the ECMAScript text of the body, as an Ethereum personal message. A receiver parses,
prints again, and demands to get what it received, to the letter: so a text has one reading, and it
is the one that was signed.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

from cg_core.addresses import Address
from cg_core.ecmascript_json import JSONValue, parse, stringify
from cg_core.errors import InvalidArgument, ProtocolError, invalid_message
from cg_core.identity import Identity
from cg_core.signatures import DECIMALS, Signature
from cg_core.text import type_name

# Characters. To parse and print may take a microsecond for each; to hash and recover takes little.
_LONG = 20_000


@attrs.frozen
class Sealed:
    """A body that its owner has signed.

    Attributes:
        owner: the signer, recovered from the signature.
        body: the message; it may hold a join hash, so it is left out of the repr.
    """

    owner: Address
    body: JSONValue = attrs.field(repr=False)


def seal(identity: Identity, body_text: str) -> str:
    """The sealed text of a body. The same body and identity give the same text (RFC 6979).

    Args:
        identity: whose the body is.
        body_text: the body as `ecmascript_json.stringify` prints it.
    """
    signature = Signature.of(identity, body_text).json_text()
    return f'{{"owner":"{identity.address}","signature":{signature},"body":{body_text}}}'


def unseal(text: str) -> Sealed:
    """The body of a sealed text, and its signer: one parse, one print, one hash, one recovery.

    Raises:
        ProtocolError: it is not what JavaScript prints, or not signed by its owner (EINVAL).
    """
    if len(text) > _LONG:
        return _unseal_long(text)
    owner, signature, body, body_text = _as_we_write_it(text) or _as_any_may_write_it(text)
    return Sealed(_signer(owner, signature, body_text), body)


def _unseal_long(text: str) -> Sealed:
    # Whoever wants us to work has signed for it; so there is no other way to write it.
    found = _AS_WE_WRITE_IT.fullmatch(text)
    signature = found and Signature.from_decimals(found[2], found[3], found[4])
    if not found or not signature:
        raise _two_readings()
    signer, body_text = _signer(found[1], signature, found[5]), found[5]
    body = parse(body_text, depth=1)
    if stringify(body) != body_text:
        raise _two_readings()
    return Sealed(signer, body)


def _signer(owner: JSONValue, signature: Signature, body_text: str) -> Address:
    signer = signature.signer(body_text)
    if owner != signer and _address(owner) != signer:
        raise invalid_message("the message is not signed by its owner")
    return signer


def _two_readings() -> ProtocolError:
    return invalid_message(
        "the sealed text is not as JSON.stringify prints it, so it has two readings"
    )


_Parts: TypeAlias = tuple[JSONValue, Signature, JSONValue, str]
"""Owner, signature, body, and the text of the body."""


def _as_we_write_it(text: str) -> _Parts | None:
    # All peers do. What stands before the body has one reading then, and is soon read; None where
    # anything is otherwise, for whatever reason.
    found = _AS_WE_WRITE_IT.fullmatch(text)
    if found is None:
        return None
    owner, r, s, v, body_text = found.groups()
    signature = Signature.from_decimals(r, s, v)
    try:
        body = parse(body_text, depth=1)
    except ProtocolError:
        return None
    if signature is None or stringify(body) != body_text:
        return None
    return owner, signature, body, body_text


_AS_WE_WRITE_IT = re.compile(
    rf'\{{"owner":"(0x[0-9a-fA-F]{{40}})","signature":{DECIMALS},"body":(.*)\}}', re.DOTALL
)


def _as_any_may_write_it(text: str) -> _Parts:
    value = parse(text)
    if not isinstance(value, dict):
        raise invalid_message(f"a sealed text must be an object, not {type_name(value)}")
    for member in ("owner", "signature", "body"):
        if member not in value:
            raise invalid_message(f"the sealed text has no {member}")
    body = value["body"]
    body_text, signature = stringify(body), Signature.from_json(value["signature"])
    if text != stringify(value):
        raise _two_readings()
    return value["owner"], signature, body, body_text


def _address(owner: JSONValue) -> Address:
    try:
        return Address(owner, "owner")  # type: ignore[arg-type] # it checks the type
    except InvalidArgument as error:
        raise invalid_message(error.message) from None
