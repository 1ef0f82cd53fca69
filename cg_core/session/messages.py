"""DCP messages: what a sealed text says (wire.md, Messages).

    Ack           type, dcpsid, token, nonce, messageId
    Request       id, type, payload, auth, dcpsid, time, ackToken, nonce
    Response      id, type, success, payload, auth, dcpsid, time, ackToken, nonce
    Notification  id, type, payload, auth, dcpsid, time, ackToken, nonce
    Batch         id, type, payload, auth, dcpsid, time, ackToken, nonce

The classes have their members in the order in which they are written. What JavaScript leaves
undefined is ABSENT here and left out there. In a batch, messages have neither ackToken nor nonce.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeGuard

import attrs
import cattrs

from cg_core.ecmascript_json import JSONValue, parse
from cg_core.errors import InvalidType, invalid_message
from cg_core.json_shapes import JSONObject, strict, strict_converter, told
from cg_core.session.settings import MOST_IN_BATCH
from cg_core.signatures import Signature
from cg_core.text import type_name


class Absent(enum.Enum):
    """The type of ABSENT, which is not None: JSON has a null of its own."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False


ABSENT = Absent.ABSENT
"""What a member is that is not there."""


@attrs.frozen(kw_only=True)
class Validity:
    """When a request is good: once, from `time` on, for `ttl` (wire.md, Validity).

    Attributes:
        stamp: random text that no other request has.
        ttl: seconds; None where the peer gave none.
        time: seconds since 1970.
    """

    stamp: str
    ttl: float | None
    time: float


@attrs.frozen(kw_only=True)
class Grant:
    """What the owner of an address allows: that another acts for it, towards a third.

    Attributes:
        resource: the address that is acted for; it signs.
        guardian: the address that is to believe it, the service's.
        accessor: the address that acts.
    """

    resource: str
    guardian: str
    accessor: str


@attrs.frozen(kw_only=True)
class RequestPayload:
    """What a request asks. The data may hold a join hash, so it is left out of the repr.

    Attributes:
        operation: what is to be done.
        data: to what.
        allow: what `auth` signs for.
        validity: None where the peer gave none, or none that can be read.
    """

    operation: str
    data: Any = attrs.field(default=ABSENT, repr=False)
    allow: tuple[Grant, ...] = ()
    validity: Validity | None = None


@attrs.frozen(kw_only=True)
class NotificationPayload:
    """What a notification tells; it asks for nothing."""

    data: Any = attrs.field(default=ABSENT, repr=False)
    allow: tuple[Grant, ...] = ()
    validity: Validity | None = None


Auth: TypeAlias = Mapping[str, Signature]
"""Signatures of a request's payload, by the address that made each."""
NO_AUTH: Auth = MappingProxyType({})
"""As nearly all messages have it."""


@attrs.frozen(kw_only=True)
class Request:
    """A message that is answered by one response."""

    id: str
    type: str = attrs.field(default="request", init=False)
    payload: RequestPayload
    auth: Auth = attrs.field(default=NO_AUTH, repr=False)
    dcpsid: str | Absent = ABSENT
    time: float | Absent = ABSENT
    ack_token: str | Absent = ABSENT
    nonce: str | Absent | None = ABSENT


@attrs.frozen(kw_only=True)
class Response:
    """The answer to the request that has its id."""

    id: str
    type: str = attrs.field(default="response", init=False)
    success: bool
    payload: Any = attrs.field(default=ABSENT, repr=False)
    auth: Auth = attrs.field(default=NO_AUTH, repr=False)
    dcpsid: str | Absent = ABSENT
    time: float | Absent = ABSENT
    ack_token: str | Absent = ABSENT
    nonce: str | Absent | None = ABSENT


@attrs.frozen(kw_only=True)
class Notification:
    """A message that is not answered."""

    id: str
    type: str = attrs.field(default="notification", init=False)
    payload: NotificationPayload
    auth: Auth = attrs.field(default=NO_AUTH, repr=False)
    dcpsid: str | Absent = ABSENT
    time: float | Absent = ABSENT
    ack_token: str | Absent = ABSENT
    nonce: str | Absent | None = ABSENT


@attrs.frozen(kw_only=True)
class Batch:
    """Messages that travel as one, with one ack."""

    id: str
    type: str = attrs.field(default="batch", init=False)
    payload: tuple[Request | Response | Notification, ...]
    auth: Auth = attrs.field(default=NO_AUTH, repr=False)
    dcpsid: str | Absent = ABSENT
    time: float | Absent = ABSENT
    ack_token: str | Absent = ABSENT
    nonce: str | Absent | None = ABSENT


@attrs.frozen(kw_only=True)
class Ack:
    """Says that a message has come, and with which nonce the next one must come."""

    type: str = attrs.field(default="ack", init=False)
    dcpsid: str | Absent = ABSENT
    token: str
    nonce: str
    message_id: str | Absent = ABSENT


Message: TypeAlias = Request | Response | Notification
"""What may be in a batch."""
Numbered: TypeAlias = Message | Batch
"""What is acknowledged."""


def from_body(body: JSONValue) -> Numbered | Ack:
    """The message that a body is.

    Raises:
        ProtocolError: it is none (EINVAL).
    """
    if not isinstance(body, dict):
        raise invalid_message(f"a message must be an object, not {type_name(body)}")
    kind = body.get("type")
    if not isinstance(kind, str) or (shape := _SHAPES.get(kind)) is None:
        raise invalid_message("the message has no type that is known")
    try:
        message: Numbered | Ack = _json.structure(_unpacked(body), shape)
    except cattrs.BaseValidationError as error:
        raise invalid_message(told(error, kind)) from None
    return message


_SHAPES: Mapping[str, type[Any]] = {
    "request": Request,
    "response": Response,
    "notification": Notification,
    "batch": Batch,
    "ack": Ack,
}
_IN_BATCH = {kind: shape for kind, shape in _SHAPES.items() if kind not in ("batch", "ack")}


def _unpacked(body: JSONObject) -> JSONObject:
    # jsonData turned back into data. It is taken in single messages, too.
    payload = body.get("payload")
    if not isinstance(payload, dict) or not is_truthy(payload.get("jsonData")):
        return body
    text = payload["jsonData"]
    if not isinstance(text, str):
        raise invalid_message(f"jsonData must be a string, not {type_name(text)}")
    others = {name: value for name, value in payload.items() if name not in ("data", "jsonData")}
    return body | {"payload": others | {"data": parse(text)}}


def is_truthy(value: Any) -> bool:
    """Whether JavaScript takes a JSON value for true: empty objects and arrays are."""
    return bool(value) or isinstance(value, (dict, list))


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _validity(value: Any, _: Any) -> Validity | None:
    # What cannot be read is no validity: the request is answered so, and the session goes on.
    if not isinstance(value, dict):
        return None
    stamp, time, ttl = value.get("stamp"), value.get("time"), value.get("ttl")
    if not isinstance(stamp, str) or not _is_number(time):
        return None
    return Validity(stamp=stamp, ttl=ttl if _is_number(ttl) else None, time=time)


def _members(value: Any, _: Any) -> tuple[Message, ...]:
    members = strict(value, list)
    if len(members) > MOST_IN_BATCH:
        raise invalid_message(
            f"a batch of {len(members)} messages; at most {MOST_IN_BATCH} are taken"
        )
    return tuple(_member(member) for member in members)


def _member(value: Any) -> Message:
    kind = strict(value, dict).get("type")
    shape = _IN_BATCH.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise invalid_message("a batch may hold requests, responses and notifications only")
    message: Message = _json.structure(_unpacked(value), shape)
    return message


def _auth(value: Any, _: Any) -> Auth:
    signatures = strict(value, dict)
    if not signatures:
        return NO_AUTH
    return {name: Signature.from_json(signature) for name, signature in signatures.items()}


_LONGEST_NAME = 255  # characters of an id, a nonce, an address, ...: some are kept for hours


def _name(value: Any, *types: type) -> Any:
    strict(value, str, *types)
    if value is not None and len(value) > _LONGEST_NAME:
        raise InvalidType(f"expected at most {_LONGEST_NAME} characters, not {len(value)}")
    return value


_json = strict_converter()
_json.register_structure_hook(str, lambda value, _: _name(value))
_json.register_structure_hook(str | Absent, lambda value, _: _name(value))
_json.register_structure_hook(float | Absent, lambda value, _: strict(value, float, int))
_json.register_structure_hook(str | Absent | None, lambda value, _: _name(value, type(None)))
_json.register_structure_hook(Validity | None, _validity)
_json.register_structure_hook_func(lambda kind: kind == Auth, _auth)
_json.register_structure_hook_func(
    lambda kind: kind == tuple[Request | Response | Notification, ...], _members
)
_json.register_structure_hook_func(
    lambda kind: kind == tuple[Grant, ...],
    lambda value, _: tuple([_json.structure(each, Grant) for each in strict(value, list)]),
)
