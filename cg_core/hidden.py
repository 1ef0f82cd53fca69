"""Values that hide themselves: secrets, hashes that suffice to join, private keys (C-13)."""

from __future__ import annotations

from typing import NoReturn, Self

from cg_core.errors import InvalidType


class Hidden:
    """A value that shows nothing of itself in repr, str, format, logs and tracebacks.

    It is immutable by habit, so copies are the value itself; pickling one raises.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} hidden>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise InvalidType(
            f"a {type(self).__name__} does not pickle, because it is a secret; "
            "send what it is made from by a way of your own"
        )
