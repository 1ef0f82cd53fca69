"""JSON as ECMAScript reads and prints it: `JSON.stringify(JSON.parse(text))` (ECMA-262, 25.5).

Signatures are made over the text that JavaScript would print for what it parsed, to the byte:
number forms, escapes, the order of integer-like keys. `parse` and `stringify` are that pair.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring
from typing import Any, NoReturn, TypeAlias

from cg_core.errors import invalid_message

JSONValue: TypeAlias = "dict[str, JSONValue] | list[JSONValue] | str | int | float | bool | None"
"""What JSON can say. Integers that no double holds are kept as they are written."""

_LARGEST_SAFE_INTEGER = 2**53 - 1  # all integers up to it are doubles
_SURROGATE = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")
_ARRAY_INDEX = re.compile("0|[1-9][0-9]{0,9}")
_LARGEST_ARRAY_INDEX = 2**32 - 2
# DCP's own messages nest six deep. Python's reader recurses in C, where its recursion limit alone
# stands between a long row of brackets and the end of the process; any library may have raised it.
_DEEPEST = 200
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_NEITHER_QUOTE_NOR_BRACKET = bytes(set(range(256)) - set(b'"[]{}'))
_USUAL_DEPTH = 8


def parse(text: str, *, depth: int = 0) -> JSONValue:
    """The value of a JSON text; a repeated key has its first place and its last value.

    Args:
        text: the text; fractions beyond the doubles become infinite, as in JavaScript.
        depth: how deep it is nested itself, in the text that it is a part of.

    Raises:
        ProtocolError: it is no JSON, or nested more than 200 deep.
    """
    if _may_be_too_deep(text, depth) and _is_too_deep(text, depth):
        raise invalid_message("this JSON is nested too deeply")
    try:
        value: JSONValue = _decode(text)
    except ValueError as error:
        raise invalid_message(f"this is not JSON: {error}") from None
    except RecursionError:  # whoever calls stands near the limit
        raise invalid_message("this JSON is nested too deeply") from None
    return value


def stringify(value: JSONValue) -> str:
    """The text that `JSON.stringify` gives: no white space, members in JavaScript's order.

    Raises:
        ProtocolError: the value is nested beyond what Python can follow.
    """
    pieces: list[str] = []
    try:
        _write(value, pieces.append)
    except RecursionError:
        raise invalid_message("this value is nested too deeply") from None
    return _without_surrogates("".join(pieces))


def _may_be_too_deep(text: str, depth: int) -> bool:
    # Nearly all texts are not, which is soon seen: they have few brackets, or the brackets outside
    # of strings are gone when pairs are taken out. A stray escape ends the reading anyway.
    most = _DEEPEST - depth
    if text.count("[") + text.count("{") <= most:
        return False
    left = text.encode(errors="replace").replace(rb"\\", b"").replace(rb"\"", b"")
    left = left.translate(None, _NEITHER_QUOTE_NOR_BRACKET).replace(b'""', b"")
    left = b"".join(left.split(b'"')[::2])
    for _ in range(_USUAL_DEPTH):
        left = left.replace(b"{}", b"").replace(b"[]", b"")
    return len(left) > most


def _is_too_deep(text: str, depth: int) -> bool:
    for found in _STRING_OR_BRACKET.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
                if depth > _DEEPEST:
                    return True
            case "]" | "}":
                depth -= 1
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


_decoder = json.JSONDecoder(parse_constant=_no_constant)
_decoder_to_doubles = json.JSONDecoder(parse_int=float, parse_constant=_no_constant)


def _decode(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # An integer of more digits than Python takes: to JavaScript, one more double.
        return _decoder_to_doubles.decode(text)


def _write(value: JSONValue, append: Callable[[str], None]) -> None:
    # A plain function: a recursive closure would leave garbage behind at every call.
    if isinstance(value, dict):
        separator = "{"
        for key in _ordered(value):
            member = value[key]
            if type(member) is str:  # most are, and need no call of their own
                append(f"{separator}{encode_basestring(key)}:{encode_basestring(member)}")
            else:
                append(f"{separator}{encode_basestring(key)}:")
                _write(member, append)
            separator = ","
        append("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        separator = "["
        for item in value:
            append(separator)
            _write(item, append)
            separator = ","
        append("]" if value else "[]")
    else:
        append(_scalar(value))


def _scalar(value: str | float | None) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value)


def number_text(value: float) -> str:
    """The text of a number; infinite, it is null."""
    if isinstance(value, int) and -_LARGEST_SAFE_INTEGER <= value <= _LARGEST_SAFE_INTEGER:
        return str(value)
    return _number(_as_double(value))


def string_text(text: str) -> str:
    """The text of a string, in quotes."""
    return _without_surrogates(encode_basestring(text))


def _without_surrogates(text: str) -> str:
    # No two strings touch, so a pair is a pair in the text of many strings, too.
    return text if text.isascii() else _SURROGATE.sub(_pair_or_escape, text)


def _pair_or_escape(match: re.Match[str]) -> str:
    found = match.group()
    if len(found) == 2:
        return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    return f"\\u{ord(found):04x}"


def object_text(texts: dict[str, str]) -> str:
    """The text of an object, from the texts of its members."""
    members = ",".join([f"{string_text(name)}:{texts[name]}" for name in _ordered(texts)])
    return f"{{{members}}}"


def _ordered(value: dict[str, Any]) -> Iterable[str]:
    # The keys in JavaScript's order: array indices first, ascending, the others as they came.
    for key in value:
        if key < ":" and _is_array_index(key):  # digits come just before the colon
            indices = sorted(filter(_is_array_index, value), key=int)
            return indices + [key for key in value if not _is_array_index(key)]
    return value


def _is_array_index(key: str) -> bool:
    return _ARRAY_INDEX.fullmatch(key) is not None and int(key) <= _LARGEST_ARRAY_INDEX


def _as_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf  # below them, too: either is null


def _number(value: float) -> str:
    """The text of a number (ECMA-262, Number::toString): the shortest digits that give it back."""
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    text = repr(value)
    if "e" not in text:
        # Python prints plainly from 1e-4 to 1e16, where JavaScript does so, too.
        return text.removesuffix(".0")
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "")
    point = int(exponent) + 1  # where the point stands, counted from before the first digit
    if len(digits) <= point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"
