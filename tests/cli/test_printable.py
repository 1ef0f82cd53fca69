"""Nothing that others wrote moves the cursor, turns letters, or breaks a line."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_backends.cli.printable import printable

any_text = st.text(st.characters())  # with halves of surrogate pairs


@given(any_text)
def test_what_comes_out_can_be_printed(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()  # which fails for half of a surrogate pair


@given(any_text)
def test_what_can_be_printed_stays_as_it_is(text: str) -> None:
    text = "".join(filter(str.isprintable, text))
    assert printable(text) == text


@given(any_text, any_text)
def test_each_letter_is_shown_for_itself(one: str, other: str) -> None:
    assert printable(one + other) == printable(one) + printable(other)


@given(st.characters())
def test_what_is_escaped_is_as_python_would_write_it(letter: str) -> None:
    shown = printable(letter)
    assert shown == letter or ast.literal_eval(f"'{shown}'") == letter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("a\tb\r\nc\x07\x7f\0", r"a\tb\r\nc\x07\x7f\x00"),
        ("\u202eright to left\u2028", r"\u202eright to left\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("\udcff", r"\udcff"),
        ("\u00fc \u65e5\u672c \U0001f69c", "\u00fc \u65e5\u672c \U0001f69c"),
    ],
    ids=ascii,
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown
