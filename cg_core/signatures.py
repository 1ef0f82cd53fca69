"""Signatures of Ethereum personal messages, and how JavaScript's Buffers write them (wire.md).

{"r":{"type":"Buffer","data":[32 bytes]},"s":{"type":"Buffer","data":[32 bytes]},"v":27}
"""

from __future__ import annotations

import json
from typing import Self

import attrs

from cg_core.addresses import Address
from cg_core.ecmascript_json import JSONValue, parse
from cg_core.errors import invalid_message
from cg_core.hashing import personal_message_digest
from cg_core.identity import Identity
from cg_core.secp256k1 import recover

_V_BASE = 27  # what Ethereum adds to the recovery id
_NUMBER_SIZE = 32
_read_json = json.JSONDecoder().raw_decode
_DECIMALS = [str(byte) for byte in range(256)]
DECIMALS = (
    r'\{"r":\{"type":"Buffer","data":\[([0-9,]+)\]\},'
    r'"s":\{"type":"Buffer","data":\[([0-9,]+)\]\},"v":(27|28)\}'
)
"""The pattern of what `json_text` writes; its groups are what `from_decimals` reads."""


@attrs.frozen
class Signature:
    """The signature of a text.

    Attributes:
        rsv: r, s and the recovery id (0 or 1), 65 bytes.
    """

    rsv: bytes

    @classmethod
    def of(cls, identity: Identity, text: str) -> Self:
        """The signature of a text by an identity; the same pair gives the same one (RFC 6979)."""
        return cls(identity.sign(personal_message_digest(text.encode())))

    @classmethod
    def from_json(cls, value: JSONValue) -> Self:
        """Read a signature: r and s as Buffers or arrays of 32 numbers, v 27, 28, 0 or 1.

        Raises:
            ProtocolError: it has another form (EINVAL).
        """
        if not isinstance(value, dict):
            raise invalid_message("signature must be an object")
        v = value.get("v")
        if type(v) is not int or v not in (0, 1, _V_BASE, _V_BASE + 1):
            raise invalid_message("signature.v must be 27, 28, 0 or 1")
        return cls(_number(value, "r") + _number(value, "s") + bytes([v % _V_BASE]))

    @classmethod
    def from_decimals(cls, r: str, s: str, v: str) -> Self | None:
        """The signature that `json_text` writes so, None where it writes none so.

        It is what `from_json` makes of the parsed text, sooner.
        """
        if not r.count(",") == s.count(",") == _NUMBER_SIZE - 1:
            return None
        try:
            numbers, _ = _read_json(f"[{r},{s}]")
            return cls(bytes(numbers) + bytes([int(v) - _V_BASE]))
        except ValueError:  # zeros in front, or a number above 255
            return None

    def signer(self, text: str) -> Address:
        """The address whose key signed the text.

        Raises:
            ProtocolError: this signs nothing on the curve (EINVAL).
        """
        try:
            key = recover(self.rsv, personal_message_digest(text.encode()))
        except ValueError:
            raise invalid_message("the signature is none of this curve") from None
        return Address.of_public_key(key)

    def to_json(self) -> JSONValue:
        """The signature as JavaScript's Buffers become JSON."""
        return parse(self.json_text())

    def json_text(self) -> str:
        """What `to_json` gives, printed."""
        numbers = [_DECIMALS[byte] for byte in self.rsv[:-1]]
        r, s = ",".join(numbers[:_NUMBER_SIZE]), ",".join(numbers[_NUMBER_SIZE:])
        return (
            f'{{"r":{{"type":"Buffer","data":[{r}]}},"s":{{"type":"Buffer","data":[{s}]}},'
            f'"v":{_V_BASE + self.rsv[-1]}}}'
        )


def _number(signature: dict[str, JSONValue], name: str) -> bytes:
    value = signature.get(name)
    if isinstance(value, dict) and value.get("type") == "Buffer":
        value = value.get("data")
    if not isinstance(value, list) or len(value) != _NUMBER_SIZE:
        raise invalid_message(
            f"signature.{name} must be a Buffer, or an array, of {_NUMBER_SIZE} numbers"
        )
    try:
        if set(map(type, value)) == {int}:  # True would pass for 1
            return bytes(value)  # type: ignore[arg-type] # they are ints, see above
    except ValueError:
        pass  # some are not from 0 to 255
    raise invalid_message(f"signature.{name} must hold numbers from 0 to 255")
