"""JSON as JavaScript reads and prints it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from decimal import Decimal
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import ProtocolError, ecmascript_json
from cg_core.ecmascript_json import object_text, parse, stringify
from tests.golden import golden

CASES = golden("ecmascript_json")["cases"]

doubles = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters())  # lone surrogates are characters, too
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | doubles | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.integers(0).map(str), inner),
    max_leaves=20,
)


def test_all_golden_cases_are_here() -> None:
    assert len(CASES) == 483


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ProtocolError, match="not JSON"):
            parse(case["text"])
    else:
        assert stringify(parse(case["text"])) == case["result"]


@given(values)
def test_what_is_printed_is_read_and_printed_again_the_same(value: Any) -> None:
    text = stringify(value)
    assert stringify(parse(text)) == text


@given(values)
def test_what_is_printed_is_json_of_the_same_value(value: Any) -> None:
    """The standard library reads what we print; but for halves that become a pair, it is equal."""
    text = stringify(value)
    assert text == text.encode(errors="strict").decode()
    assert stringify(json.loads(text)) == text


@given(doubles)
def test_a_number_is_printed_shortest_and_gives_itself_back(value: float) -> None:
    text = stringify(value)
    assert float(text) == value
    digits = len(Decimal(text).normalize().as_tuple().digits)
    assert digits == len(Decimal(repr(value)).normalize().as_tuple().digits)
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)
    assert not text.endswith(".0")


@given(st.integers(-(2**53), 2**53))
def test_an_integer_that_a_double_holds_is_printed_as_it_is(value: int) -> None:
    assert stringify(value) == str(value)
    assert stringify(float(value)) == str(value)
    assert parse(str(value)) == value


@given(st.integers())
def test_a_larger_integer_is_the_nearest_double(value: int) -> None:
    assert stringify(value) == stringify(float(value))


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_null(value: float) -> None:
    assert stringify(value) == "null"


@given(st.dictionaries(texts | st.integers(0, 2**33).map(str), st.integers(0, 9)))
def test_array_indices_come_first_and_ascending_the_others_as_they_came(
    value: dict[str, Any],
) -> None:
    def is_index(key: str) -> bool:
        return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < 2**32 - 1

    indices = sorted((key for key in value if is_index(key)), key=int)
    others = [key for key in value if not is_index(key)]
    expected = {key: value[key] for key in [*indices, *others]}
    assert stringify(value) == stringify_in_given_order(expected)
    assert object_text({key: str(number) for key, number in value.items()}) == stringify(value)


def stringify_in_given_order(value: dict[str, int]) -> str:
    return "{" + ",".join(f"{stringify(key)}:{number}" for key, number in value.items()) + "}"


@given(texts)
def test_a_text_keeps_its_utf16_code_units(text: str) -> None:
    """Two halves of a pair are the pair, whether they came as one or as two."""
    read = parse(stringify(text))
    assert isinstance(read, str)
    units = [part.encode("utf-16-le", "surrogatepass") for part in (read, text)]
    assert units[0] == units[1]


def test_two_halves_that_stand_together_are_printed_as_the_pair() -> None:
    assert stringify("\ud83d" + "\ude00") == '"\N{GRINNING FACE}"'
    assert stringify("\ude00" + "\ud83d") == r'"\ude00\ud83d"'


@given(st.text())
def test_garbage_is_a_value_or_a_protocol_error(text: str) -> None:
    try:
        value = parse(text)
    except ProtocolError:
        return
    assert stringify(value) == stringify(parse(stringify(value)))


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "\ufeff1", "1,", "", "{1:2}"])
def test_what_javascript_refuses_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        parse(text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_nested_too_deeply_is_refused(opening: str) -> None:
    with pytest.raises(ProtocolError, match="nested too deeply"):
        parse(opening * 100_000)


def nested(text: str, depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + text + closing * depth


def test_the_deepest_text_that_is_taken() -> None:
    text = nested('"[[[",' * 300 + "[],{}", 199)
    assert stringify(parse(text)) == text
    with pytest.raises(ProtocolError, match="nested too deeply"):
        parse(f"[[{text}]]")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    objects = '{"\ud800":' * 20 + "1" + "}" * 20
    arrays = "[" * 20 + "1" + "]" * 20
    text = f"[{','.join([objects, arrays] * 20)}]"
    assert parse(text) == json.loads(text)


@given(st.lists(st.tuples(st.sampled_from("[{"), st.text('[]{}"\\a', max_size=5)), min_size=1))
def test_brackets_in_strings_close_nothing(levels: list[tuple[str, str]]) -> None:
    begun = [
        f"[{json.dumps(content)}," if opening == "[" else f"{{{json.dumps(content)}:"
        for opening, content in levels
    ]
    with pytest.raises(ProtocolError, match="nested too deeply"):
        parse("".join(begun) * 201)


@given(st.text('[]{}"\\a', max_size=30))
def test_brackets_in_strings_do_not_count(content: str) -> None:
    text = json.dumps([content] * 201)
    assert parse(text) == [content] * 201


def test_depth_is_capped_where_the_recursion_limit_is_not() -> None:
    """In a process of its own, since without the cap it would be the end of it."""
    program = """
import sys
from cg_core import ProtocolError, ecmascript_json
from cg_core.ecmascript_json import parse
sys.setrecursionlimit(10**6)
for text in ("[" * 10**6, '{"a":' * 10**6, '"' * 10**6 + "[" * 10**6):
    try:
        parse(text)
    except ProtocolError:
        print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "refused\n" * 3


@pytest.mark.parametrize("unit", ['\\"', '"', '"\\', "[", '["'])
def test_depth_is_found_in_linear_time(unit: str) -> None:
    """Quadratic time would take hours."""
    with pytest.raises(ProtocolError):
        parse('"' + unit * 2_000_000 + "[" * 201)


def test_a_caller_near_the_recursion_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_it(text: str) -> NoReturn:
        raise RecursionError

    monkeypatch.setattr(ecmascript_json, "_decode", raise_it)  # CPython's versions count otherwise
    with pytest.raises(ProtocolError, match="nested too deeply"):
        parse("[]")


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    value: Any = None
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ProtocolError, match="nested too deeply"):
        stringify(value)
    while value:  # taken apart by hand: Python would do it by recursion
        value = value.pop()


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("digits", [310, 4_300, 4_301, 100_000])
def test_an_integer_beyond_the_doubles_is_printed_as_null(sign: str, digits: int) -> None:
    assert stringify(parse(f"[{sign}{'1' * digits},1]")) == "[null,1]"


@pytest.mark.parametrize("digits", [16, 5_000])
def test_a_number_of_many_digits_is_read_as_a_double(digits: int) -> None:
    value = parse("1" * digits)
    assert value == (math.inf if digits > 308 else float("1" * digits))
