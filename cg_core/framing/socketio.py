"""Socket.IO 5 packets (its protocol document, revision 5), each the data of an Engine.IO message.

    type digit [attachments "-"] [namespace ","] [id] [JSON]
    2["message","text"]      the event that carries DCP
    451-["message",...]      within its Engine.IO packet; the attachments of it follow as binary

What is refused here is what the official parser refuses, and events without a name.
"""

from __future__ import annotations

import enum
import json
import re

import attrs

from cg_core.ecmascript_json import JSONValue, parse, stringify
from cg_core.errors import ProtocolError

_EVENT = "message"
_MESSAGE_AND_STRING = f'["{_EVENT}","'
# Characters of any other packet's data: to read it takes a microsecond for each of its values.
_LONGEST_OTHER = 10_000
_read_json = json.JSONDecoder().raw_decode
_RESERVED = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
# A number may have as many digits as JavaScript can count with.
_HEAD = re.compile("([0-6])(?:(?<=[56])([0-9]{1,15})-)?(?:(/[^,]*),?)?([0-9]{1,15})?", re.ASCII)


class PacketType(enum.Enum):
    """What a packet is for; the value is its first character."""

    CONNECT = "0"
    DISCONNECT = "1"
    EVENT = "2"
    ACK = "3"
    CONNECT_ERROR = "4"
    BINARY_EVENT = "5"
    BINARY_ACK = "6"


_TYPES = {each.value: each for each in PacketType}
_BINARY = (PacketType.BINARY_EVENT, PacketType.BINARY_ACK)


@attrs.frozen
class Packet:
    """A packet.

    Attributes:
        type: what it is for.
        data: its JSON value, None where there is none (null is never one); it may hold a join
            hash, so it is left out of the repr.
        namespace: for whom it is.
        id: the number by which it wants to be acknowledged, or acknowledges.
        attachments: how many binary messages belong to it.
    """

    type: PacketType
    data: JSONValue = attrs.field(default=None, repr=False)
    namespace: str = "/"
    id: int | None = None
    attachments: int = 0


def encode_packet(packet: Packet) -> str:
    """The text of a packet."""
    attachments = f"{packet.attachments}-" if packet.type in _BINARY else ""
    namespace = "" if packet.namespace == "/" else f"{packet.namespace},"
    id = "" if packet.id is None else str(packet.id)
    data = "" if packet.data is None else stringify(packet.data)
    return f"{packet.type.value}{attachments}{namespace}{id}{data}"


def decode_packet(text: str) -> Packet:
    """The packet of a text.

    Raises:
        ProtocolError: it is none, or its data does not fit its type.
    """
    head = _HEAD.match(text)
    if head is None:
        raise ProtocolError("a Socket.IO packet must begin with a digit from 0 to 6")
    kind, attachments, namespace, id = head.groups()
    packet_type = _TYPES[kind]
    if packet_type in _BINARY and attachments is None:
        raise ProtocolError("a binary Socket.IO packet must say how many attachments it has")
    json_text = text[head.end() :]
    data = _message_event(json_text)
    if data is None and len(json_text) > _LONGEST_OTHER:
        raise ProtocolError("a Socket.IO packet that is no message has too much data")
    data = data or (parse(json_text) if json_text else None)
    if not _fits(packet_type, data, present=bool(json_text)):
        raise ProtocolError(f"a Socket.IO packet {packet_type.name} has data that does not fit it")
    return Packet(
        packet_type,
        data,
        namespace or "/",
        None if id is None else int(id),
        int(attachments or 0),
    )


def _message_event(json_text: str) -> JSONValue | None:
    # What nearly all packets have, read soon: brackets within its one string do not nest.
    if not json_text.startswith(_MESSAGE_AND_STRING):
        return None
    try:
        string, end = _read_json(json_text, len(_MESSAGE_AND_STRING) - 1)
    except ValueError:
        return None
    return [_EVENT, string] if json_text[end:] == "]" else None


def message(text: str) -> str:
    """The packet of the event that carries a string of DCP's transport."""
    return f'2["{_EVENT}",{stringify(text)}]'


def message_text(packet: Packet) -> str | None:
    """The string of DCP's transport that a packet carries; None where it is to be ignored."""
    if packet.type is PacketType.EVENT and packet.namespace == "/":
        match packet.data:
            # What follows the string is ignored, and so is a wish for an acknowledgement.
            case [name, str(text), *_] if name == _EVENT:
                return text
    return None


def _fits(packet_type: PacketType, data: JSONValue, *, present: bool) -> bool:
    match packet_type:
        case PacketType.CONNECT:
            return isinstance(data, dict) or not present
        case PacketType.DISCONNECT:
            return not present
        case PacketType.CONNECT_ERROR:
            return isinstance(data, dict | str)
        case PacketType.ACK | PacketType.BINARY_ACK:
            return isinstance(data, list)
    return isinstance(data, list) and bool(data) and _is_name(data[0])  # an event


def _is_name(first: JSONValue) -> bool:
    if isinstance(first, str):
        return first not in _RESERVED
    return isinstance(first, int | float) and not isinstance(first, bool)
