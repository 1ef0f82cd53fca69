"""What a log may say of a message: its kind, its id, its size, and no secret."""

from __future__ import annotations

from typing import Final

from cg_core.ecmascript_json import parse
from cg_core.errors import ProtocolError
from cg_core.session.messages import Ack, Batch, Message, Notification, Numbered, Request, from_body

_LONGEST: Final = 80


def described(text: str) -> str:
    """A sealed text in a few words, on one line."""
    try:
        value = parse(text)
        body = value.get("body") if isinstance(value, dict) else None
        what = _message(from_body(body))
    except ProtocolError:
        what = "a text that is no message"
    return f"{what}, {len(text)} characters"


def _message(message: Numbered | Ack) -> str:
    match message:
        case Ack():
            return f"ack of {_shown(message.message_id)}"
        case Batch():
            members = "; ".join(_message(member) for member in message.payload)
            return f"batch {_shown(message.id)} of {len(message.payload)}: {members}"
    return _member(message)


def _member(message: Message) -> str:
    match message:
        case Request():
            return f"request {_shown(message.payload.operation)} {_shown(message.id)}"
        case Notification():
            return f"notification {_shown(message.id)}"
    verdict = "success" if message.success else "failure"
    return f"response {_shown(message.id)}: {verdict}"


def _shown(name: object) -> str:
    # A peer chooses it: no line breaks, nothing long.
    return f"{name!a:.{_LONGEST}}".strip("'") if isinstance(name, str) else "?"
