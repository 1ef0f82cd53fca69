"""The texts of messages, to the letter as they are signed (wire.md, Messages).

Members are written in the order of the classes. In a batch, what JavaScript takes for true in
`payload.data` is written as its JSON text, `payload.jsonData`, behind the other members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from cg_core.ecmascript_json import object_text, string_text, stringify
from cg_core.json_shapes import camel_case
from cg_core.session.messages import (
    ABSENT,
    Ack,
    Auth,
    Batch,
    Grant,
    Message,
    Notification,
    NotificationPayload,
    Numbered,
    Request,
    RequestPayload,
    Response,
    Validity,
    is_truthy,
)


def body_text(message: Numbered | Ack) -> str:
    """The text of a message.

    Raises:
        ProtocolError: a payload is nested too deeply.
    """
    if isinstance(message, Batch):
        return batch_text(message, [member_text(member) for member in message.payload])
    return _text(message)


def member_text(message: Message) -> str:
    """The text of a message in a batch."""
    return _text(message, payload=_packed(message.payload))


def batch_text(batch: Batch, members: Sequence[str]) -> str:
    """The text of a batch whose members are printed already; its own payload is not looked at."""
    return _text(batch, payload=f"[{','.join(members)}]")


def payload_text(payload: RequestPayload) -> str:
    """The text of a request's payload, which authorization signs."""
    return _text(payload)


def _packed(payload: Any) -> str | None:
    # The text of a payload in a batch, None where it is as it is alone.
    if isinstance(payload, (RequestPayload, NotificationPayload)):
        data = payload.data
        others = _text(attrs.evolve(payload, data=ABSENT))
    elif isinstance(payload, dict):
        data = payload.get("data")
        others = stringify({name: value for name, value in payload.items() if name != "data"})
    else:
        return None
    if not is_truthy(data):
        return None
    separator = "" if others == "{}" else ","
    return f'{others[:-1]}{separator}"jsonData":{string_text(stringify(data))}}}'


def _text(value: Any, *, payload: str | None = None) -> str:
    members = []
    for name, prefix, text_of in _MEMBERS[type(value)]:
        if name == "payload" and payload is not None:
            members.append(prefix + payload)
        elif (member := getattr(value, name)) is not ABSENT:
            members.append(prefix + text_of(member))
    return f"{{{','.join(members)}}}"


def _payload(payload: Any) -> str:
    is_ours = isinstance(payload, (RequestPayload, NotificationPayload))
    return _text(payload) if is_ours else stringify(payload)


def _validity(validity: Validity | None) -> str:
    return "null" if validity is None else _text(validity)


def _grants(grants: tuple[Grant, ...]) -> str:
    return f"[{','.join(map(_text, grants))}]"


def _auth(auth: Auth) -> str:
    return object_text({name: signature.json_text() for name, signature in auth.items()})


_Member: TypeAlias = tuple[str, str, Callable[[Any], str]]

# How members are written that are no plain strings.
_TEXTS: Mapping[str, Callable[[Any], str]] = {
    "allow": _grants,
    "auth": _auth,
    "data": stringify,
    "nonce": stringify,
    "payload": _payload,
    "stamp": stringify,
    "success": stringify,
    "time": stringify,
    "ttl": stringify,
    "validity": _validity,
}
_MEMBERS: Mapping[type, tuple[_Member, ...]] = {
    shape: tuple(
        (field.name, f'"{camel_case(field.name)}":', _TEXTS.get(field.name, string_text))
        for field in attrs.fields(shape)
    )
    for shape in (
        Ack, Batch, Grant, Notification, NotificationPayload, Request, RequestPayload, Response,
        Validity,
    )
}  # fmt: skip
