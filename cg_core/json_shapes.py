"""JSON objects in the shapes of attrs classes: cattrs, with strict types.

Members are called in camelCase what the fields are called. Those that are not known are ignored, as
the official peers do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.v import format_exception

from cg_core.ecmascript_json import stringify
from cg_core.errors import ComputeGroupsError, InvalidType, ProtocolError
from cg_core.text import type_name

T = TypeVar("T")

JSONObject: TypeAlias = dict[str, Any]


def from_json(value: Any, shape: type[T]) -> T:
    """The object of a class that a JSON value is.

    Raises:
        ProtocolError: it is no object, or a member of it is missing or has the wrong type.
    """
    try:
        return _converter.structure(value, shape)
    except InvalidType as error:
        raise ProtocolError(error.message) from None
    except cattrs.BaseValidationError as error:
        raise ProtocolError(told(error, "")) from None


def to_json(value: attrs.AttrsInstance) -> JSONObject:
    """The JSON object of an object: all its fields, in their order."""
    members: JSONObject = _converter.unstructure(value)
    return members


def json_text(value: attrs.AttrsInstance) -> str:
    """The JSON text of an object."""
    return stringify(to_json(value))


def camel_case(field: str) -> str:
    """The member that a field is called on the wire, as `maxConcurrentCPUs`."""
    first, *others = field.split("_")
    return first + "".join(_CAPITALS.get(word, word.capitalize()) for word in others)


_CAPITALS = {"cpus": "CPUs", "gpus": "GPUs"}


def strict(value: Any, *types: type) -> Any:
    """The value, if it is of one of the types: cattrs would turn one into another without a word.

    Raises:
        InvalidType: it is of none; `True` is no number.
    """
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        expected = " or ".join(dict.fromkeys(_JSON_NAMES[expected] for expected in types))
        raise InvalidType(f"expected {expected}, not {type_name(value)}")
    return value


_JSON_NAMES = {
    str: "a string", int: "an integer", float: "a number", bool: "a boolean", dict: "an object",
    list: "an array", type(None): "null",
}  # fmt: skip


def strict_converter() -> cattrs.Converter:
    """A converter that takes JSON for the shapes of attrs classes, each value of its own type."""
    converter = cattrs.Converter(detailed_validation=True)
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, strict)
    converter.register_structure_hook(float, _finite)
    converter.register_structure_hook(int | str, lambda value, _: strict(value, int, str))
    converter.register_structure_hook(
        int | str | None, lambda value, _: value if value is None else strict(value, int, str)
    )
    converter.register_structure_hook_func(
        lambda kind: kind == tuple[str, ...],
        lambda value, _: tuple([strict(each, str) for each in strict(value, list)]),
    )
    converter.register_structure_hook_func(
        lambda kind: kind == JSONObject, lambda value, _: strict(value, dict)
    )
    converter.register_structure_hook_factory(
        attrs.has,
        lambda shape: _strict_object(make_dict_structure_fn(shape, converter, **renamed(shape))),
    )
    converter.register_unstructure_hook_factory(
        attrs.has, lambda shape: make_dict_unstructure_fn(shape, converter, **renamed(shape))
    )
    return converter


def renamed(shape: type[Any]) -> dict[str, Any]:
    """For cattrs: what the fields of a shape are called."""
    return {field.name: override(rename=camel_case(field.name)) for field in attrs.fields(shape)}


def _strict_object(structure: Callable[[Any, Any], T]) -> Callable[[Any, Any], T]:
    return lambda value, shape: structure(strict(value, dict), shape)


def _finite(value: Any, _: Any) -> float:
    number: float = strict(value, float, int)
    if math.isinf(number):
        raise InvalidType("expected a number that a double can hold")
    return number


def told(error: cattrs.BaseValidationError, where: str) -> str:
    """What was wrong with a value that a converter refused; the value itself is never shown.

    Args:
        error: of the converter.
        where: what the value is called; what is wrong in it stands behind a dot.
    """
    faults = []
    for fault in cattrs.transform_error(error, where, _told_of_one)[:_FAULTS_TOLD]:
        what, _, place = fault.rpartition(" @ ")
        place = place.lstrip(".")
        faults.append(f"{place} {what}" if what == _MISSING else f"{place}: {what}")
    return "; ".join(faults)


_MISSING = "is missing"
_FAULTS_TOLD = 3  # of data that may be wrong a million times over


def _told_of_one(error: BaseException, kind: type | None) -> str:
    if isinstance(error, KeyError):
        return _MISSING
    return error.message if isinstance(error, ComputeGroupsError) else format_exception(error, kind)


_converter = strict_converter()
