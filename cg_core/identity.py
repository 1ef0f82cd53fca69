"""Identities: a private key, and the address that it signs for."""

from __future__ import annotations

import re
from typing import Self, final

from cg_core.addresses import Address
from cg_core.errors import InvalidArgument, InvalidType, InvalidValue
from cg_core.hidden import Hidden
from cg_core.secp256k1 import PrivateScalar, private_scalar, public_key, sign
from cg_core.text import type_name

_DIGITS = re.compile("(?:0x)?([0-9a-fA-F]{64})")


def looks_like_private_key(text: str) -> bool:
    """Whether a text has the form of a private key, so that no error may show it."""
    return _DIGITS.fullmatch(text) is not None


@final
class Identity(Hidden):
    """Who signs: a private key that never shows, and its address.

    Args:
        private_key: 32 bytes, or 64 hex digits with or without `0x`.

    Attributes:
        address: the address of the key (EIP-55).

    Raises:
        InvalidType: it is neither str nor bytes.
        InvalidValue: it is no key of the curve; the message does not show it.
    """

    __slots__ = ("_scalar", "address")
    _scalar: PrivateScalar
    address: Address

    def __new__(cls, private_key: str | bytes) -> Self:  # noqa: D102 - the class tells
        found = _scalar_or_fault(private_key)
        del private_key
        if isinstance(found, InvalidArgument):
            raise found
        made = super().__new__(cls)
        made._scalar = found
        made.address = Address.of_public_key(public_key(found))
        return made

    def sign(self, digest: bytes) -> bytes:
        """The signature of a 32-byte digest: r, s and recovery id, 65 bytes (RFC 6979)."""
        return sign(self._scalar, digest)

    def reveal(self) -> bytes:
        """The private key, 32 bytes: for a keystore, and for nothing that shows."""
        return self._scalar.secret

    def __repr__(self) -> str:
        return f"<Identity {self.address}, key hidden>"


def _scalar_or_fault(private_key: object) -> PrivateScalar | InvalidType | InvalidValue:
    # A fault is returned, so that no traceback holds a frame with the key in it.
    if isinstance(private_key, str):
        match = _DIGITS.fullmatch(private_key)
        if match is None:
            return InvalidValue(
                f"private_key (a str of {len(private_key)} characters) is not a key: "
                "give 64 hex digits, with or without 0x"
            )
        private_key = bytes.fromhex(match.group(1))
    if not isinstance(private_key, bytes):
        return InvalidType(f"private_key must be a str or bytes, not {type_name(private_key)}")
    if len(private_key) != 32:
        return InvalidValue(f"private_key has {len(private_key)} bytes; give 32")
    try:
        return private_scalar(private_key)
    except ValueError:
        return InvalidValue("private_key is no key: zero, or beyond the order of secp256k1")
