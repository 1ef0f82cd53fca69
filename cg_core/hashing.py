"""The `eh1` hash: keccak-256 of an Ethereum personal message (C-14)."""

from __future__ import annotations

# By name: eth-hash's automatic choice takes the slower pycryptodome as soon as it is installed.
from eth_hash.backends.pysha3 import keccak256

from cg_core.errors import InvalidType

__all__ = ["eh1", "keccak256", "personal_message_digest"]


def personal_message_digest(message: bytes) -> bytes:
    """The 32 bytes that an Ethereum wallet signs for a message (EIP-191, version 0x45).

    Args:
        message: the bytes; their decimal length is part of what is hashed.
    """
    return keccak256(b"\x19Ethereum Signed Message:\n%d%b" % (len(message), message))


def eh1(text: str) -> str:
    """`eh1-` and 64 lower-case hex digits of the digest of a text's UTF-8 bytes (C-14).

    A lone surrogate is hashed as U+FFFD, as the official client does; texts that people give
    are checked before they come here.

    Raises:
        InvalidType: it is not a str.
    """
    if not isinstance(text, str):
        raise InvalidType(f"text must be a str, not {type(text).__name__}")
    return "eh1-" + personal_message_digest(_utf8(text)).hex()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Through UTF-16, so that a pair given as two halves is joined, as JavaScript joins it.
        units = text.encode("utf-16-le", "surrogatepass")
        return units.decode("utf-16-le", "replace").encode()
