"""The texts of messages, to the letter as they are signed (wire.md, Messages).

Members are written in the order of the classes. In a batch, what JavaScript takes for true in
`payload.data` is written as its JSON text, `payload.jsonData`, behind the other members.

The text of a numbered message has two parts: what it says, and what the delivery gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cg_core.ecmascript_json import number_text, object_text, string_text, stringify
from cg_core.session.messages import (
    ABSENT,
    Absent,
    Ack,
    Auth,
    Batch,
    Grant,
    Message,
    NotificationPayload,
    Numbered,
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
    if isinstance(message, Ack):
        return _ack(message)
    if isinstance(message, Batch):
        return batch_text(message, [member_text(member) for member in message.payload])
    return content_text(message) + _own_numbering(message)


def member_text(message: Message) -> str:
    """The text of a message in a batch."""
    return member_content_text(message) + _own_numbering(message)


def batch_text(batch: Batch, members: Sequence[str]) -> str:
    """The text of a batch whose members are printed already; its own payload is not looked at."""
    return content_text(batch, members) + _own_numbering(batch)


def payload_text(payload: RequestPayload) -> str:
    """The text of a request's payload, which authorization signs."""
    return _asked(payload, payload.data)


def content_text(message: Numbered, members: Sequence[str] = ()) -> str:
    """The first part of a message's text: what it says.

    Args:
        message: its numbering is not looked at, nor the payload of a batch.
        members: the texts of a batch's members.
    """
    if isinstance(message, Batch):
        return _content(message, f"[{','.join(members)}]")
    return _content(message, _payload(message.payload))


def member_content_text(message: Message) -> str:
    """The first part of the text of a message in a batch."""
    return _content(message, _packed(message.payload))


def numbering_text(
    dcpsid: str | Absent,
    time: float | Absent,
    ack_token: str | Absent,
    nonce: str | Absent | None,
) -> str:
    """The second part of a message's text: what the delivery gives it."""
    text = "" if dcpsid is ABSENT else f',"dcpsid":{string_text(dcpsid)}'
    if time is not ABSENT:
        text += f',"time":{number_text(time)}'
    if ack_token is not ABSENT:
        text += f',"ackToken":{string_text(ack_token)}'
    if nonce is not ABSENT:
        text += f',"nonce":{"null" if nonce is None else string_text(nonce)}'
    return text + "}"


def _own_numbering(message: Numbered) -> str:
    return numbering_text(message.dcpsid, message.time, message.ack_token, message.nonce)


def _content(message: Numbered, payload: str | None) -> str:
    text = f'{{"id":{string_text(message.id)},"type":"{message.type}",'
    if isinstance(message, Response):
        text += f'"success":{"true" if message.success else "false"},'
    if payload is not None:
        text += f'"payload":{payload},'
    return f'{text}"auth":{_auth(message.auth)}'


def _ack(ack: Ack) -> str:
    dcpsid = "" if ack.dcpsid is ABSENT else f'"dcpsid":{string_text(ack.dcpsid)},'
    message_id = "" if ack.message_id is ABSENT else f',"messageId":{string_text(ack.message_id)}'
    token, nonce = string_text(ack.token), string_text(ack.nonce)
    return f'{{"type":"ack",{dcpsid}"token":{token},"nonce":{nonce}{message_id}}}'


def _payload(payload: Any) -> str | None:
    if isinstance(payload, (RequestPayload, NotificationPayload)):
        return _asked(payload, payload.data)
    return None if payload is ABSENT else stringify(payload)


def _packed(payload: Any) -> str | None:
    # The text of a payload in a batch.
    if isinstance(payload, (RequestPayload, NotificationPayload)):
        data = payload.data
        if not is_truthy(data):
            return _asked(payload, data)
        others = _asked(payload, ABSENT)
    elif isinstance(payload, dict) and is_truthy(payload.get("data")):
        data = payload["data"]
        others = stringify({name: value for name, value in payload.items() if name != "data"})
    else:
        return _payload(payload)
    separator = "" if others == "{}" else ","
    return f'{others[:-1]}{separator}"jsonData":{string_text(stringify(data))}}}'


def _asked(payload: RequestPayload | NotificationPayload, data: Any) -> str:
    text = "{"
    if isinstance(payload, RequestPayload):
        text += f'"operation":{string_text(payload.operation)},'
    if data is not ABSENT:
        text += f'"data":{stringify(data)},'
    grants = ",".join(map(_grant, payload.allow))
    return f'{text}"allow":[{grants}],"validity":{_validity(payload.validity)}}}'


def _grant(grant: Grant) -> str:
    resource, guardian = string_text(grant.resource), string_text(grant.guardian)
    accessor = string_text(grant.accessor)
    return f'{{"resource":{resource},"guardian":{guardian},"accessor":{accessor}}}'


def _validity(validity: Validity | None) -> str:
    if validity is None:
        return "null"
    stamp, ttl, time = map(stringify, (validity.stamp, validity.ttl, validity.time))
    return f'{{"stamp":{stamp},"ttl":{ttl},"time":{time}}}'


def _auth(auth: Auth) -> str:
    if not auth:
        return "{}"  # of nearly all messages
    return object_text({name: signature.json_text() for name, signature in auth.items()})
