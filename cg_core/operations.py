"""Operations: what a request is called on the wire, and the data in which it travels (wire.md).

    request  --to_operation(request, session_id)--->  Operation(name, data)
    request  <--from_operation(operation, session_id)--  Operation(name, data)

Data is what JSON can say. The classes below have its shapes; cattrs turns the one into the other,
strictly. Members that are not known are ignored, as the official peers do, but for the properties
of a group, where a misspelt limit would be no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn

from cg_core.descriptors import Descriptor, checked_join_key
from cg_core.errors import InvalidArgument, InvalidType, InvalidValue, Unsupported
from cg_core.exact_numbers import integer_from_wire, property_from_wire, to_wire
from cg_core.groups import CHANGEABLE
from cg_core.identifiers import OpaqueId, checked_integer
from cg_core.join_hashes import JoinHash, JoinHashHash
from cg_core.json_shapes import (
    JSONObject,
    camel_case,
    renamed,
    strict,
    strict_converter,
    told,
)
from cg_core.properties import GroupProperties
from cg_core.requests import (
    AddJob,
    AddJobToGroups,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroups,
    ListJobs,
    RemoveAllJobs,
    RemoveJob,
    Request,
)
from cg_core.text import type_name


@attrs.frozen
class Operation:
    """A request in its wire form.

    Attributes:
        name: the operation, as `listJobs`.
        data: its data, an object; of a received one it is what came. It may hold a join hash, so
            it is left out of the repr.
    """

    name: str
    data: Any = attrs.field(repr=False)


def to_operation(request: Request[Any], session_id: str) -> Operation:
    """The wire form of a request.

    Args:
        request: one of the twelve, as a caller made it.
        session_id: the id of the session that will carry it (`dcpsid`); it salts join hashes, so
            a request is encoded anew for each session (C-13).

    Raises:
        InvalidType: it is no request.
    """
    name = operation_name(request)
    _, shape = _OPERATIONS[type(request)]
    return Operation(name, _json.unstructure(shape.of(request, session_id)))


def operation_name(request: Request[Any]) -> str:
    """What a request is called on the wire.

    Raises:
        InvalidType: it is no request.
    """
    known = _OPERATIONS.get(type(request))
    if known is None:
        raise InvalidType(f"{type_name(request)} is not one of the twelve requests")
    return known[0]


def from_operation(operation: Operation, session_id: str) -> Request[Any]:
    """The request that came over a session.

    Args:
        operation: as received; its data is anybody's guess.
        session_id: the id of the session that carried it.

    Raises:
        Unsupported: there is no such operation.
        InvalidType, InvalidValue: its data is not as it must be.
    """
    if not isinstance(operation.name, str):
        raise InvalidType(f"operation must be a string, not {type_name(operation.name)}")
    known = _REQUESTS.get(operation.name)
    if known is None:
        raise Unsupported(f"there is no operation {operation.name!a:.40}")
    request_class, shape = known
    fault: InvalidArgument
    try:
        data = _json.structure(operation.data, shape)
        request: Request[Any] = data.request(request_class, session_id)
    except InvalidArgument as error:
        fault = error
    except cattrs.BaseValidationError as error:
        fault = InvalidValue(told(error, operation.name))
    else:
        return request
    try:
        # Without the frames below and out of their context: they saw the data.
        raise fault.with_traceback(None)
    finally:
        del fault  # an error that its own traceback leads to would be garbage for a while


@attrs.frozen(kw_only=True)
class _Descriptor:
    """`{joinKey, id, joinHash, joinHashHash, joinAddress}`, each where it is needed."""

    join_key: str | None = None
    id: int | str | None = None
    join_hash: str | None = attrs.field(default=None, repr=False)
    join_hash_hash: str | None = attrs.field(default=None, repr=False)
    join_address: str | None = None

    @classmethod
    def of(cls, descriptor: Descriptor, session_id: str) -> _Descriptor:
        proof = descriptor.proof
        if isinstance(proof, JoinHash):
            proof = proof.salted(session_id)
        return cls(
            join_key=descriptor.join_key,
            id=to_wire(descriptor.id),
            join_hash_hash=None if proof is None else proof.reveal(),
        )

    def descriptor(self, session_id: str) -> Descriptor:
        id = integer_from_wire(self.id)
        if isinstance(id, str):
            id = OpaqueId(id)
        elif id is not None:
            checked_integer("id", id, least=1)
        key = None if self.join_key is None else checked_join_key(self.join_key)
        # "" is how official descriptors say that there is none.
        proof = JoinHashHash(session_id, self.join_hash_hash) if self.join_hash_hash else None
        return Descriptor.received(id, key, proof)


@attrs.frozen
class _Nothing:
    """The shape `{}`."""

    @classmethod
    def of(cls, request: Request[Any], session_id: str) -> _Nothing:
        return cls()

    def request(self, request_class: Callable[[], Request[Any]], session_id: str) -> Request[Any]:
        return request_class()


@attrs.frozen
class _OfGroup:
    """The shape `{descriptor}`."""

    descriptor: _Descriptor

    @classmethod
    def of(cls, request: Any, session_id: str) -> _OfGroup:
        return cls(_Descriptor.of(request.group, session_id))

    def request(self, request_class: Callable[..., Request[Any]], session_id: str) -> Request[Any]:
        return request_class(self.descriptor.descriptor(session_id))


@attrs.frozen
class _OfJob:
    """The shape `{job, descriptor}`."""

    job: str
    descriptor: _Descriptor

    @classmethod
    def of(cls, request: Any, session_id: str) -> _OfJob:
        return cls(str(request.job), _Descriptor.of(request.group, session_id))

    def request(self, request_class: Callable[..., Request[Any]], session_id: str) -> Request[Any]:
        return request_class(self.descriptor.descriptor(session_id), self.job)


@attrs.frozen
class _OfJobInGroups:
    """The shape `{job, cgArray}`."""

    job: str
    cg_array: tuple[_Descriptor, ...]

    @classmethod
    def of(cls, request: AddJob | AddJobToGroups, session_id: str) -> _OfJobInGroups:
        groups = request.groups if isinstance(request, AddJobToGroups) else (request.group,)
        return cls(str(request.job), tuple(_Descriptor.of(group, session_id) for group in groups))

    def request(self, request_class: object, session_id: str) -> AddJobToGroups:
        return AddJobToGroups(
            self.job, tuple(group.descriptor(session_id) for group in self.cg_array)
        )


@attrs.frozen
class _OfNewGroup:
    """The shape `{joinDescriptor, name, description, otherProperties}`."""

    join_descriptor: _Descriptor = _Descriptor()
    name: str | None = None
    description: str | None = None
    other_properties: JSONObject = attrs.field(factory=dict, repr=False)

    @classmethod
    def of(cls, request: CreateGroup, session_id: str) -> _OfNewGroup:
        defaults = GroupProperties()
        other = {
            field.name: getattr(request.properties, field.name)
            for field in attrs.fields(GroupProperties)
            # A create without deploy_access makes a "join" group, so it is always said (C-4).
            if field.name == "deploy_access"
            or getattr(request.properties, field.name) != getattr(defaults, field.name)
        }
        return cls(
            _Descriptor(
                join_key=request.join_key,
                id=request.opaque_id,
                join_hash=None if request.join_hash is None else request.join_hash.reveal(),
                join_address=request.join_address,
            ),
            request.name,
            request.description,
            _properties_to_wire(other),
        )

    def request(self, request_class: object, session_id: str) -> CreateGroup:
        given = self.join_descriptor
        if isinstance(given.id, int):
            raise InvalidType("joinDescriptor.id must be a str: the store gives the row id")
        name = self.name
        if name is None:
            name = given.join_key or given.id
        if name is None:
            raise InvalidValue("createGroup needs a name, a join key or an id")
        return CreateGroup(
            name,
            description=self.description,
            join_key=given.join_key,
            join_hash=given.join_hash or None,
            join_address=given.join_address,
            opaque_id=given.id,
            **{"deploy_access": "join", **_from_wire(self.other_properties, _PROPERTIES)},
        )


@attrs.frozen
class _OfChanges:
    """The shape `{descriptor, newDescriptor}`."""

    descriptor: _Descriptor
    new_descriptor: JSONObject = attrs.field(repr=False)

    @classmethod
    def of(cls, request: ChangeGroup, session_id: str) -> _OfChanges:
        return cls(
            _Descriptor.of(request.group, session_id),
            _properties_to_wire(request.changes.given()),
        )

    def request(self, request_class: object, session_id: str) -> ChangeGroup:
        return ChangeGroup.received(
            self.descriptor.descriptor(session_id), **_from_wire(self.new_descriptor, _CHANGES)
        )


_OPERATIONS: Mapping[type[Request[Any]], tuple[str, Any]] = MappingProxyType(
    {
        CreateGroup: ("createGroup", _OfNewGroup),
        ChangeGroup: ("changeGroup", _OfChanges),
        DeleteGroup: ("deleteGroup", _OfGroup),
        # There is one operation for both; adding to one group is adding to a list of one.
        AddJob: ("addJobToGroups", _OfJobInGroups),
        AddJobToGroups: ("addJobToGroups", _OfJobInGroups),
        ListJobs: ("listJobs", _OfGroup),
        RemoveJob: ("removeJob", _OfJob),
        RemoveAllJobs: ("removeAllJobs", _OfGroup),
        CancelJob: ("cancelJob", _OfJob),
        CancelAllJobs: ("cancelAllJobs", _OfGroup),
        GetGroup: ("getGroup", _OfGroup),
        ListGroups: ("listGroups", _Nothing),
    }
)
_REQUESTS: Mapping[str, tuple[Any, Any]] = MappingProxyType(
    {
        name: (request_class, shape)
        for request_class, (name, shape) in _OPERATIONS.items()
        if request_class is not AddJob
    }
)


_PROPERTIES = {camel_case(field.name): field.name for field in attrs.fields(GroupProperties)}
_CHANGES = _PROPERTIES | {camel_case(field): field for field in CHANGEABLE}


def _properties_to_wire(properties: Mapping[str, Any]) -> JSONObject:
    return {camel_case(field): _to_wire(value) for field, value in properties.items()}


def _to_wire(value: Any) -> Any:
    return value.reveal() if isinstance(value, JoinHash) else to_wire(value)


def _from_wire(properties: JSONObject, fields: Mapping[str, str]) -> Any:
    arguments = {}
    for name, value in properties.items():
        field = fields.get(name)
        if field is None:
            raise InvalidType(f"{name!a:.40} is none of {', '.join(fields)}")
        arguments[field] = property_from_wire(field, value)
    return arguments


_json = strict_converter()


def _unstructure_shape(shape: type[Any]) -> Callable[[Any], JSONObject]:
    return make_dict_unstructure_fn(shape, _json, _cattrs_omit_if_default=True, **renamed(shape))


_json.register_unstructure_hook_factory(attrs.has, _unstructure_shape)
_json.register_structure_hook_func(
    lambda kind: kind == tuple[_Descriptor, ...],
    lambda value, _: tuple(_json.structure(each, _Descriptor) for each in strict(value, list)),
)
