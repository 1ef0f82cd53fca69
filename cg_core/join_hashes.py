"""Join secrets, and what stands for them: join hashes and their hashes (C-13 to C-15).

A secret is hashed at the door. From there on a `JoinHash` is held, and over a session a
`JoinHashHash` travels, which is good for that session alone.
"""

from __future__ import annotations

import re
from hmac import compare_digest
from typing import Self, final

from cg_core.errors import InvalidType, InvalidValue
from cg_core.hashing import eh1, personal_message_digest
from cg_core.hidden import Hidden
from cg_core.text import text_fault, type_name

_EH1 = re.compile("eh1-[0-9a-f]{64}")


@final
class JoinSecret(Hidden):
    """A join secret that shows nowhere, for programs that must keep one for a while.

    Args:
        text: the secret, 1 to 255 code points.

    Raises:
        InvalidType, InvalidValue: it cannot be a secret; the message does not show it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        fault = text_fault("join_secret", text, 1)
        if fault is not None:
            del text
            raise fault
        self._text = str.__str__(text)

    def reveal(self) -> str:
        """The text of the secret."""
        return self._text


@final
class JoinHash(Hidden):
    """A join hash. It suffices to join, so it is as secret as the join secret (C-13).

    Args:
        text: `eh1-` and 64 lower-case hex digits, as in official configurations.

    Raises:
        InvalidType, InvalidValue: it is no join hash; the message does not show it.
    """

    __slots__ = ("_digest",)
    _digest: bytes

    def __init__(self, text: str) -> None:
        fault = _hash_fault("join_hash", text)
        if fault is not None:
            del text
            raise fault
        self._digest = bytes.fromhex(text[4:])

    @classmethod
    def _of_digest(cls, digest: bytes) -> Self:
        made = cls.__new__(cls)
        made._digest = digest
        return made

    def reveal(self) -> str:
        """The text: `eh1-` and 64 lower-case hex digits."""
        return "eh1-" + self._digest.hex()

    def salted(self, session_id: str) -> JoinHashHash:
        """The hash hash that shows this hash to the session with that id."""
        return JoinHashHash(session_id, eh1(session_id + self.reveal()))

    def proves(self, held: JoinHash) -> bool:
        """Whether it is the hash that a group holds, in constant time (C-15)."""
        return compare_digest(self._digest, held._digest)

    def __eq__(self, other: object) -> bool:
        return self.proves(other) if isinstance(other, JoinHash) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._digest)


@final
class JoinHashHash(Hidden):
    """`eh1(session id + join hash)`: shows a join hash to one session and to no other (C-13).

    Args:
        session_id: the id of the session (`dcpsid`) in which it was received.
        text: `eh1-` and 64 lower-case hex digits.

    Raises:
        InvalidType, InvalidValue: it is no hash hash; the message does not show it.
    """

    __slots__ = ("_session_id", "_text")

    def __init__(self, session_id: str, text: str) -> None:
        fault = _hash_fault("join_hash_hash", text)
        if fault is not None:
            del text
            raise fault
        self._session_id = session_id
        self._text = text

    def reveal(self) -> str:
        """The text: `eh1-` and 64 lower-case hex digits."""
        return self._text

    def proves(self, held: JoinHash) -> bool:
        """Whether it was made from the hash that a group holds, in constant time (C-15)."""
        return compare_digest(self._text, held.salted(self._session_id)._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JoinHashHash):
            return NotImplemented
        same_session = self._session_id == other._session_id
        return compare_digest(self._text, other._text) and same_session

    def __hash__(self) -> int:
        return hash((self._session_id, self._text))


def join_hash(salt: str, secret: str | JoinSecret) -> JoinHash:
    """The join hash of a secret: `eh1(salt + " " + secret)` (C-14).

    Args:
        salt: the join key, 1 to 255 code points (the official client takes an address text too).
        secret: the join secret, 1 to 255 code points.

    Raises:
        InvalidType, InvalidValue: one of them cannot be hashed; the message does not show it.
    """
    if isinstance(secret, JoinSecret):
        secret = secret.reveal()
    fault = text_fault("join_key", salt, 1) or text_fault("join_secret", secret, 1)
    if fault is not None:
        del secret
        raise fault
    # Joined, because a str's subclass may format itself as something else.
    message = " ".join((salt, secret)).encode()  # noqa: FLY002 - see above
    return JoinHash._of_digest(personal_message_digest(message))


def _hash_fault(field: str, text: object) -> InvalidType | InvalidValue | None:
    if not isinstance(text, str):
        return InvalidType(f"{field} must be a str, not {type_name(text)}")
    if _EH1.fullmatch(text) is None:
        return InvalidValue(
            f"{field} (a str of {len(text)} characters) is not a hash: give 'eh1-' and 64 "
            "lower-case hex digits, as join_hash() makes them"
        )
    return None
