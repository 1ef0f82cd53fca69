"""What both ends of an Engine.IO connection share: namespace, texts, heartbeat, goodbye.

    OPENING   until the namespace "/" is connected: 40, answered by 40{"sid":...}
    OPEN      texts run both ways, in events named "message"
    CLOSING   the end is said (41); what is left to do is the transport's end
    CLOSED    nothing is received, nothing sent

A machine does no I/O: packets and `now` (seconds of a monotonic clock) in, events out. Nothing that
a peer says is raised: it is the error of the event `Closed`, which is the last one.
"""

from __future__ import annotations

import abc
import enum
from collections import deque
from typing import TypeAlias

import attrs

from cg_core.errors import ComputeGroupsError, NetworkError, ProtocolError
from cg_core.framing import socketio
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.framing.engineio import (
    Packet,
    PacketType,
    decode_packet,
    decode_payload,
    encode_packet,
    encode_payload,
)
from cg_core.framing.limits import Limits

# python-engineio takes no more packets in one body; dcp-client has no such limit.
_PACKETS_PER_BODY = 16


@attrs.frozen
class Opened:
    """The connection is open."""


@attrs.frozen
class TextReceived:
    """A text came; it may hold a join hash, so it is left out of the repr."""

    text: str = attrs.field(repr=False)


@attrs.frozen
class Closed:
    """The connection has ended; without an error where one of the two ends said goodbye."""

    error: ComputeGroupsError | None


Event: TypeAlias = Opened | TextReceived | Closed


class State(enum.Enum):
    """How far a connection is."""

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Connection(abc.ABC):
    """One end of a connection, whatever carries its packets.

    Args:
        limits: the caps.
        now: the time.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._state = State.OPENING
        self._error: ComputeGroupsError | None = None
        self._events: deque[Event] = deque()
        self._told = False
        self._packets: deque[Packet] = deque()
        self._queued = 0
        self._dcp = DCPTransport(limits)
        self._heartbeat: float | None = None
        self._phase: float | None = now + limits.opening_time

    def send(self, text: str) -> None:
        """Send a text; it waits until the connection is open, and goes nowhere when it has ended.

        A text that the peer does not take (it announces so) ends the connection.
        """
        if self._is_active():
            try:
                self._dcp.send(text)
            except ProtocolError as error:
                self._end(error)
            self._flush()

    def close(self, now: float) -> None:
        """Say goodbye; what was sent before goes first, where the connection is open."""
        if self._is_active():
            self._part(None, now)

    @property
    def held(self) -> int:
        """Characters of what has not wholly come, and of what the peer has not taken."""
        return 0 if self._state is State.CLOSED else self._queued + self._dcp.held

    def next_event(self) -> Event | None:
        """The next event, or None: nothing more has happened."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is to be called; None: not before something else happens."""
        return min([time for time in self._times() if time is not None], default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due; too early a call does nothing."""
        if self._phase is not None and self._phase <= now:
            self._end(NetworkError("the connection did not open in time", code="ETIMEDOUT"))
        elif self._heartbeat is not None and self._heartbeat <= now:
            self._beat(now)

    def _is_active(self) -> bool:
        return self._state in (State.OPENING, State.OPEN)

    @abc.abstractmethod
    def _beat(self, now: float) -> None:
        """Do what the heartbeat's deadline is for."""

    @abc.abstractmethod
    def _connecting(self, packet: socketio.Packet) -> None:
        """Take a packet of the namespace that is not connected yet."""

    @abc.abstractmethod
    def _role_packet(self, packet: Packet, now: float) -> None:
        """Take an Engine.IO packet that only one of the two roles may send."""

    @abc.abstractmethod
    def _leave(self, error: ComputeGroupsError | None, now: float) -> None:
        """See to the transport's end, the goodbye being said."""

    def _times(self) -> tuple[float | None, ...]:
        return (self._heartbeat, self._phase)

    def _receive_body(self, body: bytes, size: int, now: float) -> None:
        # A body that cannot be read ends the connection at once, as it does in engine.io.
        if len(body) > size:
            self._end(ProtocolError(f"a body has more than {size} bytes"))
            return
        try:
            packets = decode_payload(body.decode(), self._limits)
        except UnicodeDecodeError:
            self._end(ProtocolError("a body is not UTF-8"))
        except ProtocolError as error:
            self._end(error)
        else:
            for packet in packets:
                self._receive(packet, now)

    def _receive_text(self, text: str, now: float) -> None:
        if len(text) > self._limits.packet_length:
            too_long = f"a packet is longer than {self._limits.packet_length} characters"
            self._fail(ProtocolError(too_long), now)
            return
        try:
            packet = decode_packet(text)
        except ProtocolError as error:
            self._fail(error, now)
        else:
            self._receive(packet, now)

    def _receive(self, packet: Packet, now: float) -> None:
        if packet.type is PacketType.CLOSE:
            self._closed_by_peer()
        elif self._is_active():
            try:
                self._act(packet, now)
            except ProtocolError as error:
                self._fail(error, now)

    def _closed_by_peer(self) -> None:
        self._end(None)

    def _act(self, packet: Packet, now: float) -> None:
        if packet.type is PacketType.MESSAGE:
            inner = socketio.decode_packet(packet.data)
            if inner.namespace != "/":
                # socket.io answers a CONNECT with a CONNECT_ERROR; no peer of DCP sends one.
                raise ProtocolError("a packet is for another namespace")
            if self._state is State.OPENING:
                self._connecting(inner)
            elif inner.type is socketio.PacketType.DISCONNECT:
                self._leave(None, now)
            elif inner.type in (socketio.PacketType.CONNECT, socketio.PacketType.CONNECT_ERROR):
                raise ProtocolError("the namespace is connected already")
            elif (string := socketio.message_text(inner)) is not None:
                self._events.extend(map(TextReceived, self._dcp.receive(string)))
                self._flush()
        elif packet.type is not PacketType.NOOP:
            self._role_packet(packet, now)

    def _open(self) -> None:
        self._state = State.OPEN
        self._phase = None
        self._events.append(Opened())
        self._flush()

    def _fail(self, error: ProtocolError, now: float) -> None:
        if self._is_active():
            self._part(error, now)

    def _part(self, error: ComputeGroupsError | None, now: float) -> None:
        if self._state is State.OPEN:
            self._write_message(socketio.Packet(socketio.PacketType.DISCONNECT))
        self._leave(error, now)

    def _linger(self, error: ComputeGroupsError | None, now: float) -> None:
        if self._state is not State.CLOSED:  # as it is where the goodbye did not fit any more
            self._state = State.CLOSING
            self._error = error
            self._heartbeat = None
            self._phase = now + self._limits.closing_time

    def _end(self, error: ComputeGroupsError | None) -> None:
        if self._state is not State.CLOSED:
            self._tell(self._error if self._state is State.CLOSING else error)
            self._state = State.CLOSED
            self._heartbeat = self._phase = None

    def _tell(self, error: ComputeGroupsError | None) -> None:
        if not self._told:
            self._told = True
            self._events.append(Closed(None if error is None else error.bare()))

    def _flush(self) -> None:
        if self._state is State.OPEN:
            for string in self._dcp.strings_to_send():
                self._write(PacketType.MESSAGE, socketio.message(string))

    def _write_message(self, packet: socketio.Packet) -> None:
        self._write(PacketType.MESSAGE, socketio.encode_packet(packet))

    def _write(self, packet_type: PacketType, data: str = "") -> None:
        self._queued += _size(data)
        if self._queued > self._limits.queue_size:
            self._end(NetworkError("the peer does not read what it is sent"))
        else:
            self._packets.append(Packet(packet_type, data))

    def _take_messages(self) -> list[str]:
        """Take all packets out of the queue, as WebSocket messages."""
        messages = [encode_packet(packet) for packet in self._packets]
        self._packets.clear()
        self._queued = 0
        return messages

    def _take_body(self, size: int) -> bytes:
        """Take packets out of the queue, as many as fit into a body, and one in any case."""
        packets: list[Packet] = []
        while self._packets and len(packets) < _PACKETS_PER_BODY:
            taken = _size(self._packets[0].data)
            size -= taken
            if packets and size < 0:
                break
            self._queued -= taken
            packets.append(self._packets.popleft())
        return encode_payload(packets).encode()


def _size(data: str) -> int:
    # In bytes, with the type and a separator.
    return 2 + (len(data) if data.isascii() else len(data.encode()))
