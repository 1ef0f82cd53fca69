"""Engine.IO 4 (revision 4 of its protocol document): packets, payloads, the handshake.

    packet     type digit, data: 2probe
    payload    packet [0x1e packet]...: the body of a poll's answer, or of a POST
    handshake  {"sid","upgrades","pingInterval","pingTimeout","maxPayload"}: data of the open packet

Binary packets are no part of DCP: nothing that a peer says in one is ever heard.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

from cg_core.ecmascript_json import parse
from cg_core.errors import ProtocolError
from cg_core.framing.limits import Limits
from cg_core.json_shapes import from_json, json_text

_SEPARATOR = "\x1e"  # never within a packet: JSON text has no control characters
_BINARY = "b"


class PacketType(enum.Enum):
    """What a packet is for; the value is its first character."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


@attrs.frozen
class Packet:
    """A packet of text.

    Attributes:
        type: what it is for.
        data: the rest; it may hold a join hash, so it is left out of the repr.
    """

    type: PacketType
    data: str = attrs.field(default="", repr=False)


def encode_packet(packet: Packet) -> str:
    """The text of a packet: one WebSocket message, or a part of a payload."""
    return packet.type.value + packet.data


def decode_packet(text: str) -> Packet:
    """The packet of a text.

    Raises:
        ProtocolError: it does not begin with a packet type.
    """
    packet_type = _TYPES.get(text[:1])
    if packet_type is None:
        raise ProtocolError("an Engine.IO packet must begin with a digit from 0 to 6")
    return Packet(packet_type, text[1:])


def encode_payload(packets: Iterable[Packet]) -> str:
    """The body that carries packets by long-polling."""
    return _SEPARATOR.join(map(encode_packet, packets))


def decode_payload(text: str, limits: Limits) -> tuple[Packet, ...]:
    """The packets of a body. Binary ones are left out, as WebSocket's binary messages are.

    Raises:
        ProtocolError: one of them is no packet, or they are too many, or too long.
    """
    # Counted before anything is made of them.
    if text.count(_SEPARATOR) >= limits.payload_packets:
        raise ProtocolError(f"a body has more than {limits.payload_packets} packets")
    texts = text.split(_SEPARATOR)
    if any(len(each) > limits.packet_length for each in texts):
        raise ProtocolError(f"a packet is longer than {limits.packet_length} characters")
    return tuple(decode_packet(each) for each in texts if not each.startswith(_BINARY))


@attrs.frozen
class Handshake:
    """What the server says first.

    Attributes:
        sid: the id of the Engine.IO connection.
        upgrades: the transports to which the client may change.
        ping_interval: seconds between the server's pings.
        ping_timeout: seconds after which a ping, or its pong, is missed.
        max_payload: bytes that the server takes in one body.
    """

    sid: str
    upgrades: tuple[str, ...]
    ping_interval: float
    ping_timeout: float
    max_payload: int

    def encode(self) -> str:
        """The data of the open packet."""
        return json_text(
            _WireHandshake(
                self.sid,
                self.upgrades,
                round(self.ping_interval * 1000),
                round(self.ping_timeout * 1000),
                self.max_payload,
            )
        )

    @classmethod
    def decode(cls, text: str) -> Handshake:
        """The handshake in the data of an open packet.

        Raises:
            ProtocolError: it is no JSON object with these members, or a number is not positive.
        """
        wire = from_json(parse(text), _WireHandshake)
        if min(wire.ping_interval, wire.ping_timeout, wire.max_payload) <= 0:
            raise ProtocolError("pingInterval, pingTimeout and maxPayload must be positive")
        return cls(
            wire.sid,
            wire.upgrades,
            wire.ping_interval / 1000,
            wire.ping_timeout / 1000,
            wire.max_payload,
        )


@attrs.frozen
class _WireHandshake:
    # Milliseconds.
    sid: str
    upgrades: tuple[str, ...]
    ping_interval: float
    ping_timeout: float
    # Servers before Engine.IO 6 do not say it; this is what they take.
    max_payload: int = 1_000_000


_TYPES = {each.value: each for each in PacketType}
