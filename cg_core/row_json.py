"""A store's rows as JSON, for archives: each an object with one member, which says what it is.

    {"group": {"id": 2, "opaqueId": ..., "joinHash": ..., ...}}
    {"job": {"id": "P+Y4IApeFQLrYS2W7MkVg7", "owner": "0x...", "cancelled": false}}
    {"membership": {"computeGroupId": 2, "job": "P+Y4IApeFQLrYS2W7MkVg7"}}

A group is here with its join hash: such text is as secret as the hash is (C-13).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs
import cattrs

from cg_core.addresses import Address
from cg_core.errors import InvalidArgument, InvalidValue
from cg_core.exact_numbers import integer_from_wire, to_wire
from cg_core.group_json import group_to_json, structure_groups
from cg_core.groups import PUBLIC_GROUP, Group, GroupRow
from cg_core.identifiers import JobId, checked_integer
from cg_core.join_hashes import JoinHash
from cg_core.json_shapes import JSONObject, strict, strict_converter, told
from cg_core.rows import JobRow, MembershipRow, Row


def row_to_json(row: Row) -> JSONObject:
    """The JSON object of a row."""
    if isinstance(row, GroupRow):
        held = None if row.join_hash is None else row.join_hash.reveal()
        return {"group": {**group_to_json(row), "joinHash": held}}
    if isinstance(row, JobRow):
        return {"job": {"id": str(row.id), "owner": str(row.owner), "cancelled": row.cancelled}}
    return {"membership": {"computeGroupId": to_wire(row.group_id), "job": str(row.job_id)}}


def row_from_json(value: Any) -> Row:
    """The row that a JSON value is.

    Raises:
        InvalidValue: it is none. Neither the message nor the traceback shows any of it.
    """
    try:
        return _row(value)
    except InvalidArgument as error:
        fault = error.message
    except cattrs.BaseValidationError as error:
        fault = told(error, "group")
    finally:
        del value
    raise InvalidValue(fault)


def _row(value: Any) -> Row:
    kinds = strict(value, dict)
    kind = next(iter(kinds), "")
    if len(kinds) != 1 or kind not in _READ:
        raise InvalidValue(f"expected an object with one member, {', '.join(_READ)}")
    return _READ[kind](strict(kinds[kind], dict))


def _group(members: JSONObject) -> GroupRow:
    names = {*_GROUP_MEMBERS, "joinHash"}
    _require_members(members, names)
    held = members["joinHash"]
    shown = _converter.structure({name: members[name] for name in _GROUP_MEMBERS}, Group)
    if shown.owner is None:
        raise InvalidValue("owner is null; every group but the public one has an owner")
    if shown.id == PUBLIC_GROUP.id:
        raise InvalidValue("id is that of the public group, which no archive holds")
    if held is not None and shown.join_key is None:
        raise InvalidValue("joinHash without joinKey: the key is the salt of it")
    fields = {field.name: getattr(shown, field.name) for field in attrs.fields(Group)}
    return GroupRow(**fields, join_hash=None if held is None else JoinHash(held))


def _job(members: JSONObject) -> JobRow:
    _require_members(members, {"id", "owner", "cancelled"})
    return JobRow(
        JobId(members["id"]),
        Address(members["owner"], "owner"),
        cancelled=strict(members["cancelled"], bool),
    )


def _membership(members: JSONObject) -> MembershipRow:
    _require_members(members, {"computeGroupId", "job"})
    group_id = integer_from_wire(members["computeGroupId"])
    return MembershipRow(
        checked_integer("computeGroupId", group_id, least=1), JobId(members["job"])
    )


def _require_members(members: JSONObject, names: set[str]) -> None:
    if lacking := names - members.keys():
        raise InvalidValue(f"it lacks {min(lacking)}")
    if unknown := members.keys() - names:
        raise InvalidValue(f"it has a member {min(unknown)!a:.40}, which is not known")


_READ: Mapping[str, Callable[[JSONObject], Row]] = MappingProxyType(
    {"group": _group, "job": _job, "membership": _membership}
)
_GROUP_MEMBERS = tuple(group_to_json(PUBLIC_GROUP))
_converter = strict_converter()
structure_groups(_converter)
