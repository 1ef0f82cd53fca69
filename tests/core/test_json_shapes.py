"""JSON objects in the shapes of attrs classes, strictly."""

from __future__ import annotations

import math
from typing import Any

import attrs
import cattrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import InvalidType, ProtocolError
from cg_core.json_shapes import (
    JSONObject,
    camel_case,
    from_json,
    json_text,
    strict,
    strict_converter,
    to_json,
    told,
)


@attrs.frozen
class Example:
    is_true: bool
    an_int: int
    a_number: float
    a_text: str
    int_or_text: int | str
    some_texts: tuple[str, ...]
    left_out: int = 5


FITTING: dict[str, Any] = {
    "isTrue": True, "anInt": 1, "aNumber": 1.5, "aText": "a", "intOrText": "1", "someTexts": ["a"]
}  # fmt: skip
examples = st.builds(
    Example,
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    st.text(),
    st.integers() | st.text(),
    st.lists(st.text()).map(tuple),
    st.integers(),
)


@given(examples)
def test_an_object_comes_back_from_its_members(example: Example) -> None:
    assert from_json(to_json(example), Example) == example


def test_members_are_in_camel_case_and_in_order() -> None:
    text = '{"isTrue":true,"anInt":1,"aNumber":1.5,"aText":"a","intOrText":"1",'
    assert json_text(from_json(FITTING, Example)) == f'{text}"someTexts":["a"],"leftOut":5}}'


def test_members_that_are_not_known_are_ignored() -> None:
    assert from_json({**FITTING, "more": 1}, Example) == from_json(FITTING, Example)


@pytest.mark.parametrize("member", FITTING)
def test_a_missing_member_is_named(member: str) -> None:
    value = {name: value for name, value in FITTING.items() if name != member}
    with pytest.raises(ProtocolError, match="missing"):
        from_json(value, Example)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("isTrue", 1),
        ("isTrue", "true"),
        ("anInt", True),
        ("anInt", 1.0),
        ("anInt", "1"),
        ("aNumber", False),
        ("aNumber", math.inf),
        ("aNumber", -math.inf),
        ("aNumber", "1"),
        ("aText", 1),
        ("aText", None),
        ("intOrText", 1.5),
        ("intOrText", True),
        ("intOrText", ["a"]),
        ("someTexts", "a"),
        ("someTexts", [1]),
        ("someTexts", {"a": "b"}),
    ],
)
def test_no_type_is_taken_for_another(member: str, value: Any) -> None:
    with pytest.raises(ProtocolError, match="expected"):
        from_json({**FITTING, member: value}, Example)


@pytest.mark.parametrize("value", [None, 1, "text", [], [FITTING]])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(ProtocolError, match="expected an object"):
        from_json(value, Example)


@pytest.mark.parametrize(
    ("field", "member"),
    [("name", "name"), ("join_hash_hash", "joinHashHash"), ("cg_array", "cgArray"),
     ("max_concurrent_jobs", "maxConcurrentJobs"), ("max_concurrent_cpus", "maxConcurrentCPUs"),
     ("max_concurrent_gpus", "maxConcurrentGPUs")],
)  # fmt: skip
def test_a_member_has_its_official_name(field: str, member: str) -> None:
    assert camel_case(field) == member


@attrs.frozen
class Shape:
    """Of each kind one member."""

    some_text: str
    yes: bool
    id: int | str | None
    more: JSONObject
    anything: Any = None


RIGHT: dict[str, Any] = {"someText": "x", "yes": True, "id": 1, "more": {"a": []}}


def test_an_object_is_read_by_its_members_names() -> None:
    converter = strict_converter()
    expected = Shape("x", yes=True, id=1, more={"a": []})
    assert converter.structure(RIGHT | {"unknown": 5}, Shape) == expected
    assert converter.structure(RIGHT | {"id": None}, Shape).id is None
    assert converter.structure(RIGHT | {"id": "1"}, Shape).id == "1"
    assert converter.structure(RIGHT | {"anything": 1.5}, Shape).anything == 1.5


@pytest.mark.parametrize(
    ("member", "wrong", "fault"),
    [
        ("someText", 5, "shape.some_text: expected a string, not int"),
        ("someText", None, "shape.some_text: expected a string, not None"),
        ("someText", True, "shape.some_text: expected a string, not bool"),
        ("yes", 1, "shape.yes: expected a boolean, not int"),
        ("yes", "true", "shape.yes: expected a boolean, not str"),
        ("id", 1.0, "shape.id: expected an integer or a string, not float"),
        ("id", False, "shape.id: expected an integer or a string, not bool"),
        ("more", [], "shape.more: expected an object, not list"),
    ],
)
def test_no_value_becomes_one_of_another_type(member: str, wrong: Any, fault: str) -> None:
    with pytest.raises(cattrs.BaseValidationError) as refused:
        strict_converter().structure(RIGHT | {member: wrong}, Shape)
    assert told(refused.value, "shape") == fault


def test_of_many_faults_a_few_are_told() -> None:
    with pytest.raises(cattrs.BaseValidationError) as refused:
        strict_converter().structure({"yes": "secret"}, Shape)
    message = told(refused.value, "shape")
    assert message.count(";") == 2
    assert message.startswith("shape.some_text is missing")
    assert "secret" not in message


@pytest.mark.parametrize("wrong", [None, [], "x", 5])
def test_what_is_no_object_is_an_error(wrong: Any) -> None:
    with pytest.raises(InvalidType, match="expected an object"):
        strict_converter().structure(wrong, Shape)


def test_strict_takes_the_named_types_alone() -> None:
    assert strict([1], list) == [1]
    assert strict(True, bool) is True
    with pytest.raises(InvalidType, match="expected an integer, not bool"):
        strict(True, int)
    with pytest.raises(InvalidType, match="expected an array, not tuple"):
        strict((), list)
