"""Texts of others on a terminal: what would move its cursor or turn its letters is escaped."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""A text on one line, without control characters: ESC is shown as `\x1b`.

    Args:
        text: a name, a message of a service, ...: anybody may have written it.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
