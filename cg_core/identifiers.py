"""What names a group or a job: row ids, opaque ids, job ids (C-1, C-7)."""

from __future__ import annotations

import re
from typing import Self, TypeAlias, final

from cg_core.addresses import Address
from cg_core.errors import InvalidType, InvalidValue
from cg_core.text import type_name

LARGEST_INTEGER = 2**63 - 1
"""The largest row id or count: what a signed 64-bit column holds on every database."""

_OPAQUE_ID = re.compile("[A-Za-z0-9]{22}")
_JOB_ID = re.compile("[A-Za-z0-9+/]{22}")


@final
class OpaqueId(str):
    """The opaque id of a group: 22 characters A-Z, a-z, 0-9 (C-1).

    A plain str names a group by its join key; this class tells the two apart.

    Args:
        text: the 22 characters.
        field: what messages call it.

    Raises:
        InvalidType: it is not a str, or it is an id of another kind.
        InvalidValue: it is not 22 such characters.
    """

    __slots__ = ()

    def __new__(cls, text: str, field: str = "opaque_id") -> Self:  # noqa: D102 - the class tells
        if isinstance(text, cls):
            return text
        if not isinstance(text, str) or isinstance(text, (Address, JobId)):
            raise InvalidType(f"{field} must be a str or an OpaqueId, not {type_name(text)}")
        text = str.__str__(text)
        if _OPAQUE_ID.fullmatch(text) is None:
            raise InvalidValue(
                f"{field} (a str of {len(text)} characters) is not an opaque id: "
                "give 22 characters A-Z, a-z, 0-9"
            )
        return str.__new__(cls, text)


@final
class JobId(str):
    """The id of a job: 22 characters of the base64 alphabet, or an Ethereum address (C-7).

    Raises:
        InvalidType: it is not a str, or it is the opaque id of a group.
        InvalidValue: it is neither of the two, or an address with a wrong checksum.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class tells
        if isinstance(text, cls):
            return text
        if not isinstance(text, str) or isinstance(text, OpaqueId):
            raise InvalidType(f"job must be a str or a JobId, not {type_name(text)}")
        text = str.__str__(text)
        if _JOB_ID.fullmatch(text) is not None:
            return str.__new__(cls, text)
        if len(text) in (40, 42):
            return str.__new__(cls, Address(text, "job"))
        raise InvalidValue(
            f"job (a str of {len(text)} characters) is not a job id: give 22 characters of the "
            "base64 alphabet, or an Ethereum address"
        )


GroupId: TypeAlias = int | OpaqueId
"""What `create` returns: a row id, or the opaque id where a foreign service gives one."""

GroupName: TypeAlias = int | OpaqueId | str
"""How a call names a group: row id, opaque id, or (any other str) join key."""


def checked_integer(field: str, value: int, *, least: int) -> int:
    """An integer that every database keeps.

    Raises:
        InvalidType: it is not an int (a bool is none).
        InvalidValue: it is below `least` or above `LARGEST_INTEGER`.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidType(f"{field} must be an int, not {type_name(value)}")
    if not least <= value <= LARGEST_INTEGER:
        raise InvalidValue(f"{field} (an int) must be from {least} to 2^63 - 1")
    return int(value)
