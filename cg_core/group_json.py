"""A group as JSON: members in camelCase, amounts as text, the time in ISO 8601. Never a hash."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from cg_core.addresses import Address
from cg_core.descriptors import checked_join_key
from cg_core.errors import InvalidValue
from cg_core.exact_numbers import integer_from_wire, property_from_wire, to_wire
from cg_core.groups import Group
from cg_core.identifiers import OpaqueId, checked_integer
from cg_core.json_shapes import JSONObject, camel_case, strict
from cg_core.properties import checked_properties
from cg_core.text import checked_text


def group_to_json(group: Group) -> JSONObject:
    """The group's JSON object. It has the fields of `Group` alone: a row has a hash besides."""
    fields = [field.name for field in attrs.fields(Group)]
    return {camel_case(field): _to_json(getattr(group, field)) for field in fields}


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).isoformat(timespec="microseconds")
        return utc.replace("+00:00", "Z")
    return to_wire(value)


def structure_groups(converter: cattrs.Converter) -> None:
    """Have a converter make groups of their JSON objects, with every member checked (C-1, C-4)."""

    def make(_: type[Group]) -> Callable[[Any, Any], Group]:
        # At the first group: a program that asks for none does not wait for it.
        members = {field.name: _member(field.name) for field in attrs.fields(Group)}
        structure = make_dict_structure_fn(Group, converter, **members)
        names = {camel_case(field) for field in members}

        def structure_group(value: Any, kind: type[Group]) -> Group:
            lacking = names - strict(value, dict).keys()
            if lacking:  # a default would be half an answer
                raise InvalidValue(f"the group lacks {min(lacking)}")
            return structure(value, kind)

        return structure_group

    converter.register_structure_hook_factory(lambda kind: kind is Group, make)


def _member(field: str) -> Any:
    read = _MEMBERS.get(field) or _property(field)
    return override(rename=camel_case(field), struct_hook=lambda value, _: read(value))


def _property(field: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        given: Any = {field: property_from_wire(field, value)}
        return checked_properties(given)[field]

    return read


def _moment(text: Any) -> datetime:
    if _MOMENT.fullmatch(strict(text, str)) is not None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # there is no 30 February
    raise InvalidValue("it must be a time in UTC, as 2026-11-23T21:00:00.000000Z")


_MOMENT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,6})?Z")


def _address(text: Any) -> Address | None:
    return None if text is None else Address(text)


# How the members are read that are no properties.
_MEMBERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "id": lambda value: checked_integer("id", integer_from_wire(value), least=1),
        "opaque_id": OpaqueId,
        "name": lambda name: checked_text("name", name),
        "description": lambda text: checked_text("description", text, shortest=0),
        "join_key": lambda key: None if key is None else checked_join_key(key),
        "join_address": _address,
        "owner": _address,
        "created_at": _moment,
    }
)
