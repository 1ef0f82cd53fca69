"""Random text that cannot be guessed: what the core's sessions are made with."""

from __future__ import annotations

import secrets
import string
from typing import Final

_ALPHABET: Final = (string.digits + string.ascii_lowercase + string.ascii_uppercase).encode()
_LENGTH: Final = 21
# Each letter stands for four bytes; the eight that are left over are thrown away.
_TABLE: Final = bytes(_ALPHABET[byte % 62] for byte in range(256))
_LEFT_OVER: Final = bytes(range(4 * 62, 256))


def random_text() -> str:
    """21 characters of 0-9 a-z A-Z from the operating system's source: 125 bits."""
    text = b""
    while len(text) < _LENGTH:  # nearly always once
        text += secrets.token_bytes(28).translate(_TABLE, _LEFT_OVER)
    return text[:_LENGTH].decode()
