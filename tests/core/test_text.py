"""Texts that people give: kept exactly, or refused by name without being repeated (C-1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import InvalidType, InvalidValue
from cg_core.text import LONGEST_TEXT, checked_text, text_fault, type_name
from tests.strategies import Masked, any_characters, not_text, texts, wrong_texts

MARK = "Tr0ub4dor"
fields = st.sampled_from(["name", "description", "join_key"])


@given(texts)
def test_storable_text_is_kept_exactly(text: str) -> None:
    assert checked_text("name", text) == text


@given(st.text(any_characters, max_size=300), st.integers(0, 2))
def test_text_is_refused_exactly_where_it_cannot_be_stored(text: str, shortest: int) -> None:
    storable = "\0" not in text and text == text.encode(errors="replace").decode()
    fault = text_fault("name", text, shortest)
    assert (fault is None) == (storable and shortest <= len(text) <= 255)


@given(fields, wrong_texts(holding=MARK))
def test_wrong_text_is_refused_by_name_and_not_repeated(field: str, wrong: str) -> None:
    with pytest.raises((InvalidType, InvalidValue), match=field) as caught:
        checked_text(field, wrong)
    assert MARK not in str(caught.value)


@given(fields, not_text)
def test_what_is_no_text_is_an_invalid_type(field: str, wrong: str) -> None:
    with pytest.raises(InvalidType, match=f"{field} must be a str"):
        checked_text(field, wrong)


@pytest.mark.parametrize("character", ["a", "é", "漢", "😀", "\x7f", "\ufffe", "\U0010ffff"])
def test_length_is_counted_in_code_points(character: str) -> None:
    assert LONGEST_TEXT == 255
    assert checked_text("name", character * 255) == character * 255
    with pytest.raises(InvalidValue, match=r"name .* has 256 characters; give 1 to 255"):
        checked_text("name", character * 256)


def test_only_a_text_that_may_be_empty_may_be_empty() -> None:
    assert checked_text("description", "", shortest=0) == ""
    with pytest.raises(InvalidValue, match=r"name .* has 0 characters; give 1 to 255"):
        checked_text("name", "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ab\0", "NUL at position 2"),
        ("\ud800", "half of a surrogate pair at position 0"),
        ("a\udfff\0", "half of a surrogate pair at position 1"),
    ],
)
def test_the_message_says_what_to_take_out(text: str, what: str) -> None:
    with pytest.raises(InvalidValue, match=f"name .* holds {what}; take it out"):
        checked_text("name", text)


def test_a_str_of_another_class_becomes_a_plain_str_of_the_same_characters() -> None:
    checked = checked_text("name", Masked("farm"))
    assert (type(checked), checked) == (str, "farm")


@pytest.mark.parametrize("text", ["", "x" * 256, "x\0", "\ud800"])
def test_what_a_str_of_another_class_says_of_itself_does_not_count(text: str) -> None:
    with pytest.raises(InvalidValue):
        checked_text("name", Masked(text))


@pytest.mark.parametrize(("value", "name"), [(None, "None"), (1, "int"), (Masked("x"), "Masked")])
def test_a_type_is_named_as_people_know_it(value: object, name: str) -> None:
    assert type_name(value) == name
