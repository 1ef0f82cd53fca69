"""Sealed text: a message's body, whose it is, and the signature that proves it (wire.md).

    {"owner":"0x...","signature":{"r":...,"s":...,"v":27},"body":...}

Signed is the ECMAScript text of the body, as an Ethereum personal message. A receiver parses,
prints again, and demands to get what it received, to the letter: so a text has one reading, and it
is the one that was signed.
"""

from __future__ import annotations

import attrs

from cg_core.addresses import Address
from cg_core.ecmascript_json import JSONValue, parse, stringify
from cg_core.errors import InvalidArgument, invalid_message
from cg_core.identity import Identity
from cg_core.signatures import Signature
from cg_core.text import type_name


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
    return _sealed_text(identity.address, Signature.of(identity, body_text), body_text)


def unseal(text: str) -> Sealed:
    """The body of a sealed text, and its signer: one parse, one print, one hash, one recovery.

    Raises:
        ProtocolError: it is not what JavaScript prints, or not signed by its owner (EINVAL).
    """
    value = parse(text)
    if not isinstance(value, dict):
        raise invalid_message(f"a sealed text must be an object, not {type_name(value)}")
    for member in ("owner", "signature", "body"):
        if member not in value:
            raise invalid_message(f"the sealed text has no {member}")
    body_text = stringify(value["body"])
    signature = Signature.from_json(value["signature"])
    # The first is what all peers send, and cheap to see; the second, what is all right, too.
    if text != _sealed_text(value["owner"], signature, body_text) and text != stringify(value):
        raise invalid_message(
            "the sealed text is not as JSON.stringify prints it, so it has two readings"
        )
    signer = signature.signer(body_text)
    if value["owner"] != signer and _address(value["owner"]) != signer:
        raise invalid_message("the message is not signed by its owner")
    return Sealed(signer, value["body"])


def _address(owner: JSONValue) -> Address:
    try:
        return Address(owner, "owner")  # type: ignore[arg-type] # it checks the type
    except InvalidArgument as error:
        raise invalid_message(error.message) from None


def _sealed_text(owner: object, signature: Signature, body_text: str) -> str:
    return f'{{"owner":"{owner}","signature":{signature.json_text()},"body":{body_text}}}'
