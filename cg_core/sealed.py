"""Sealed text: a message's body, whose it is, and the signature that proves it (wire.md).

    {"owner":"0x...","signature":{"r":...,"s":...,"v":27},"body":...}

Signed is the ECMAScript text of the body, as an Ethereum personal message. A receiver parses,
prints again, and demands to get what it received, to the letter: so a text has one reading, and it
is the one that was signed.
"""

from __future__ import annotations

import attrs

from cg_core.addresses import Address
from cg_core.ecmascript_json import JSONValue, object_text, parse, stringify
from cg_core.errors import InvalidArgument, ProtocolError
from cg_core.hashing import personal_message_digest
from cg_core.identity import Identity
from cg_core.secp256k1 import recover
from cg_core.text import type_name

_V_BASE = 27  # what Ethereum adds to the recovery id
_NUMBER_SIZE = 32


@attrs.frozen
class Sealed:
    """A body that its owner has signed.

    Attributes:
        owner: the signer, recovered from the signature.
        body: the message; it may hold a join hash, so it is left out of the repr.
    """

    owner: Address
    body: JSONValue = attrs.field(repr=False)


def seal(identity: Identity, body: JSONValue) -> str:
    """The sealed text of a body. The same body and identity give the same text (RFC 6979).

    Raises:
        ProtocolError: the body is nested too deeply.
    """
    body_text = stringify(body)
    signature = identity.sign(personal_message_digest(body_text.encode()))
    r, s = _number_text(signature[:32]), _number_text(signature[32:64])
    return (
        f'{{"owner":"{identity.address}","signature":{{"r":{r},"s":{s},'
        f'"v":{_V_BASE + signature[64]}}},"body":{body_text}}}'
    )


def unseal(text: str) -> Sealed:
    """The body of a sealed text, and its signer: one parse, one print, one hash, one recovery.

    Raises:
        ProtocolError: it is not what JavaScript prints, or not signed by its owner (EINVAL).
    """
    value = parse(text)
    if not isinstance(value, dict):
        raise _invalid(f"a sealed text must be an object, not {type_name(value)}")
    for member in ("owner", "signature", "body"):
        if member not in value:
            raise _invalid(f"the sealed text has no {member}")
    texts = {name: stringify(member) for name, member in value.items()}
    if object_text(texts) != text:
        raise _invalid("the sealed text is not as JSON.stringify prints it, so it has two readings")
    signature = _signature(value["signature"])
    digest = personal_message_digest(texts["body"].encode())
    try:
        owner = Address(value["owner"], "owner")  # type: ignore[arg-type] # it checks the type
        signer = Address.of_public_key(recover(signature, digest))
    except InvalidArgument as error:
        raise _invalid(error.message) from None
    except ValueError:
        raise _invalid("the signature is none of this curve") from None
    if signer != owner:
        raise _invalid("the message is not signed by its owner")
    return Sealed(owner, value["body"])


def _number_text(number: bytes) -> str:
    # A number as JavaScript prints a Buffer.
    return f'{{"type":"Buffer","data":[{",".join(map(str, number))}]}}'


def _signature(value: JSONValue) -> bytes:
    # r, s and the recovery id, 65 bytes.
    if not isinstance(value, dict):
        raise _invalid("signature must be an object")
    v = value.get("v")
    if type(v) is not int or v not in (0, 1, _V_BASE, _V_BASE + 1):
        raise _invalid("signature.v must be 27, 28, 0 or 1")
    return _number(value, "r") + _number(value, "s") + bytes([v % _V_BASE])


def _number(signature: dict[str, JSONValue], name: str) -> bytes:
    value = signature.get(name)
    if isinstance(value, dict) and value.get("type") == "Buffer":
        value = value.get("data")
    if not isinstance(value, list) or len(value) != _NUMBER_SIZE:
        raise _invalid(f"signature.{name} must be a Buffer, or an array, of {_NUMBER_SIZE} numbers")
    for byte in value:
        if type(byte) is not int or not 0 <= byte <= 255:
            raise _invalid(f"signature.{name} must hold numbers from 0 to 255")
    return bytes(value)  # type: ignore[arg-type] # they are ints, see above


def _invalid(message: str) -> ProtocolError:
    return ProtocolError(message, code="EINVAL")
