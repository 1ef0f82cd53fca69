"""Text that people give: names, descriptions, join keys (C-1)."""

from __future__ import annotations

import re

from cg_core.errors import InvalidType, InvalidValue

LONGEST_TEXT = 255
"""Code points in a name, a description, a join key or a join secret (C-1)."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def type_name(value: object) -> str:
    """How messages name the type of a wrong value; the value itself is never shown (C-13)."""
    return "None" if value is None else type(value).__name__


def text_fault(field: str, value: object, shortest: int) -> InvalidType | InvalidValue | None:
    """What is wrong with a text, or None. Returned, so that no traceback holds a secret's frame."""
    if type(value) is str and value.isascii() and "\0" not in value:
        if shortest <= len(value) <= LONGEST_TEXT:
            return None  # nearly all texts, quickly
    elif not isinstance(value, str):
        return InvalidType(f"{field} must be a str, not {type_name(value)}")
    value = str.__str__(value)  # what a subclass says of itself does not count
    if not shortest <= len(value) <= LONGEST_TEXT:
        return InvalidValue(
            f"{field} (a str) has {len(value)} characters; give {shortest} to {LONGEST_TEXT}"
        )
    bad = _UNSTORABLE.search(value)
    if bad is not None:
        what = "NUL" if bad.group() == "\0" else "half of a surrogate pair"
        return InvalidValue(f"{field} (a str) holds {what} at position {bad.start()}; take it out")
    return None


def checked_text(field: str, value: str, *, shortest: int = 1) -> str:
    """A text that every database keeps exactly (C-1).

    Args:
        field: the argument's name, for the message.
        value: the text.
        shortest: the least number of code points; the most is `LONGEST_TEXT`.

    Raises:
        InvalidType: it is not a str.
        InvalidValue: too short, too long, or with NUL or a lone surrogate in it.
    """
    fault = text_fault(field, value, shortest)
    if fault is not None:
        raise fault
    return str.__str__(value)
