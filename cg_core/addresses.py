"""Ethereum addresses in checksum form (EIP-55)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Self, final

from cg_core.errors import InvalidType, InvalidValue
from cg_core.hashing import keccak256
from cg_core.text import type_name

_DIGITS = re.compile("(?:0x)?([0-9a-fA-F]{40})")


@final
class Address(str):
    """An Ethereum address, always in its EIP-55 form, so that equal addresses are equal texts.

    Args:
        text: 40 hex digits, with or without `0x`. Digits of one case are taken as they are; in
            mixed case the checksum must be right.
        field: what messages call it.

    Raises:
        InvalidType: it is not a str.
        InvalidValue: it is not an address, or its checksum is wrong.
    """

    __slots__ = ()

    def __new__(cls, text: str, field: str = "address") -> Self:  # noqa: D102 - the class tells
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise InvalidType(f"{field} must be a str, not {type_name(text)}")
        text = str.__str__(text)
        match = _DIGITS.fullmatch(text)
        if match is None:
            raise InvalidValue(
                f"{field} (a str of {len(text)} characters) is not an Ethereum address: "
                "give 0x and 40 hex digits"
            )
        digits = match.group(1)
        checksummed = _with_checksum(digits.lower())
        if digits not in (checksummed, digits.lower(), digits.upper()):
            raise InvalidValue(
                f"{field} (a str) is mistyped: the case of its letters is a checksum (EIP-55), "
                "and it is wrong; compare it with its source, letter by letter"
            )
        return str.__new__(cls, "0x" + checksummed)

    @classmethod
    def of_public_key(cls, public_key: bytes) -> Self:
        """The address of a public key (64 bytes, x and y)."""
        return cls.from_bytes(keccak256(public_key)[-20:])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The address that 20 bytes are.

        Raises:
            InvalidType, InvalidValue: it is not 20 bytes.
        """
        if not isinstance(data, bytes):
            raise InvalidType(f"an address is made from bytes, not {type_name(data)}")
        if len(data) != 20:
            raise InvalidValue(f"an address is made from 20 bytes, not {len(data)}")
        return str.__new__(cls, "0x" + _with_checksum(data.hex()))


@lru_cache(maxsize=4096)  # a session spells the same two addresses in every message
def _with_checksum(digits: str) -> str:
    nibbles = keccak256(digits.encode()).hex()
    return "".join(
        digit.upper() if nibble >= "8" else digit
        for digit, nibble in zip(digits, nibbles, strict=False)
    )
