"""The framing: what it costs to wrap a text and unwrap it, and to cut a long one and join it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version

from engineio.packet import Packet as EngineIOPacket
from socketio.packet import Packet as SocketIOPacket

from benchmarks.measure import Figure, compare
from benchmarks.session import BODY, CLIENT
from cg_core.ecmascript_json import stringify
from cg_core.framing import socketio
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.framing.engineio import Packet, PacketType, decode_packet, encode_packet
from cg_core.sealed import seal

LONG = "{" + "x" * 9_999_999
PIECE = 300_000


def figures(*, quick: bool) -> Iterator[Figure]:
    """A sealed text through the packets of both layers; 10 MB through the DCP transport."""
    text = seal(CLIENT, stringify(BODY))
    yield compare(
        f"Engine.IO and Socket.IO packets, {len(text)} characters, to and fro",
        partial(through_our_packets, text),
        ", ".join(f"{name} {version(name)}" for name in ("python-engineio", "python-socketio")),
        partial(through_their_packets, text),
        goal=None,
        quick=quick,
    )
    yield compare(
        "DCP transport, 10 MB cut and joined",
        cut_and_joined,
        "str sliced and joined",
        lambda: "".join([LONG[start : start + PIECE] for start in range(0, len(LONG), PIECE)]),
        goal=None,
        quick=quick,
    )


def through_our_packets(text: str) -> None:
    """Written and read once."""
    packet = encode_packet(Packet(PacketType.MESSAGE, socketio.message(text)))
    assert socketio.message_text(socketio.decode_packet(decode_packet(packet).data)) == text


def through_their_packets(text: str) -> None:
    """The same."""
    inner = SocketIOPacket(packet_type=2, data=["message", text]).encode()
    packet = EngineIOPacket(packet_type=4, data=inner).encode()
    assert SocketIOPacket(encoded_packet=EngineIOPacket(encoded_packet=packet).data).data[1] == text


def cut_and_joined() -> None:
    """From one end to the other."""
    sender, receiver = DCPTransport(), DCPTransport()
    for string in receiver.strings_to_send():
        sender.receive(string)
    sender.send(LONG)
    received = [text for string in sender.strings_to_send() for text in receiver.receive(string)]
    assert received == [LONG]
