"""The server's part in one connection: it polls, or has a WebSocket, or changes to one.

The upgrade: the client opens a WebSocket for a connection that polls, says 2probe and hears 3probe.
From then on no poll waits, so that the client can let its last one end. With 5 the WebSocket takes
over; whatever waits is sent by it. Until then it is a probe, and polling does not care what becomes
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, TypeAlias

import attrs

from cg_core.errors import ComputeGroupsError, NetworkError, ProtocolError
from cg_core.framing import socketio
from cg_core.framing.connection import Connection, Event, State
from cg_core.framing.engineio import Handshake, Packet, PacketType, encode_packet
from cg_core.framing.http import HTML, TEXT, HTTPResponse, answer
from cg_core.framing.limits import Limits

Key: TypeAlias = Hashable

_PROBE: Final = encode_packet(Packet(PacketType.PING, "probe"))
_PROBED: Final = encode_packet(Packet(PacketType.PONG, "probe"))
_UPGRADE: Final = encode_packet(Packet(PacketType.UPGRADE))
_NOOP: Final = encode_packet(Packet(PacketType.NOOP)).encode()


@attrs.frozen
class ResponseReady:
    """The answer to a request."""

    key: Key
    response: HTTPResponse


@attrs.frozen
class MessagesReady:
    """A WebSocket has messages to send; said once until they are taken out."""

    key: Key


@attrs.frozen
class WebSocketEnded:
    """A WebSocket is to be closed; its key means nothing any more."""

    key: Key


@attrs.frozen
class ConnectionEvent:
    """Something happened on a connection. Each has one `Closed`, opened or not."""

    sid: str
    event: Event


ServerEvent: TypeAlias = ResponseReady | MessagesReady | WebSocketEnded | ConnectionEvent


class ServerConnection(Connection):
    """The server's part in a connection.

    Args:
        handshake: what the client is told first; with upgrades, it begins by long-polling.
        random_text: gives the id that the connection has for Socket.IO.
        emit: takes what there is to do or to know.
        limits: the caps.
        now: the time.
    """

    def __init__(
        self,
        handshake: Handshake,
        random_text: Callable[[], str],
        emit: Callable[[ServerEvent], None],
        limits: Limits,
        now: float,
    ) -> None:
        super().__init__(limits, now)
        self.sid = handshake.sid
        self._handshake = handshake
        self._random_text = random_text
        self._emit = emit
        self._poll: Key | None = None
        self._websocket: Key | None = None
        self._has_called = False
        self._probe: Key | None = None
        self._probe_answers: list[str] = []
        self._is_probed = False
        self._upgrade: float | None = None
        self._is_pinged = False
        self._ends_with_queue = False
        self._heartbeat = now + handshake.ping_interval
        self._write(PacketType.OPEN, handshake.encode())

    def has_ended(self) -> bool:
        """Whether there is nothing more to come, and nothing to take."""
        return self._state is State.CLOSED

    def evict(self) -> None:
        """End it without a word: what it holds is too much."""
        self._end(NetworkError("what the connection held was too much, beside others"))

    def takes(self, transport: str, method: str) -> bool:
        """Whether a request has a place here."""
        if transport == "polling":
            return self._websocket is None and method in ("GET", "POST")
        return self._websocket is None and self._probe is None and method == "GET"

    def receive_poll(self, key: Key) -> None:
        """Take a poll, to be answered when there is something to say."""
        if self._poll is None:
            self._poll = key
        else:
            self._emit(ResponseReady(key, answer(400)))
            self._end(ProtocolError("two polls at once"))

    def receive_post(self, key: Key, body: bytes, now: float) -> None:
        """Take the packets of a POST."""
        self._receive_body(body, self._limits.body_size, now)
        # What the packets led to is not told here: a body that makes no sense is "ok", too.
        is_taken = len(body) <= self._limits.body_size
        done = answer(200, HTML, body=b"ok") if is_taken else answer(413)
        self._emit(ResponseReady(key, done))

    def poll_cancelled(self) -> None:
        """Take the end of a poll that waits."""
        self._poll = None
        self._end(NetworkError("the client went away from its poll"))

    def receive_websocket(self, key: Key, now: float) -> None:
        """Take a WebSocket: the connection's own, or one to which it may change."""
        if self._handshake.upgrades:
            self._probe = key
            self._upgrade = now + self._limits.upgrade_time
        else:
            self._websocket = key

    def receive_message(self, key: Key, text: str, now: float) -> None:
        """Take a text message of a WebSocket."""
        if key != self._probe:
            self._receive_text(text, now)
        elif text == _PROBE and not self._is_probed:
            self._is_probed = True
            self._probe_answers.append(_PROBED)
            self._emit(MessagesReady(key))
        elif text == _UPGRADE and self._is_probed:
            self._websocket = self._forget_probe()
        else:
            self._drop_probe()

    def messages_to_send(self, key: Key) -> list[str]:
        """Take out what is to be sent by a WebSocket."""
        if key == self._probe:
            messages, self._probe_answers = self._probe_answers, []
            return messages
        self._has_called = False
        messages = self._take_messages()
        if self._ends_with_queue:
            self._end(None)
        return messages

    def websocket_closed(self, key: Key) -> None:
        """Take the end of a WebSocket."""
        if key == self._probe:
            self._forget_probe()
        else:
            self._websocket = None
            self._end(NetworkError("the WebSocket was closed"))

    def handle_timeout(self, now: float) -> None:
        """Do what is due; too early a call does nothing."""
        if self._upgrade is not None and self._upgrade <= now:
            self._drop_probe()
        super().handle_timeout(now)

    def settle(self) -> None:
        """Say what has happened and what there is to send."""
        while (event := self.next_event()) is not None:
            self._emit(ConnectionEvent(self.sid, event))
        if self._poll is not None and (self._packets or self._is_probed):
            body = self._take_body(self._limits.body_size) or _NOOP
            self._emit(ResponseReady(self._poll, answer(200, TEXT, body=body)))
            self._poll = None
            if self._ends_with_queue and not self._packets:
                self._end(None)
        if self._state is State.CLOSED:
            self._drop_probe()
            if self._websocket is not None:
                self._emit(WebSocketEnded(self._websocket))
        elif self._websocket is not None and self._packets and not self._has_called:
            self._has_called = True
            self._emit(MessagesReady(self._websocket))

    def _times(self) -> tuple[float | None, ...]:
        return (*super()._times(), self._upgrade)

    def _beat(self, now: float) -> None:
        if self._is_pinged:
            self._end(NetworkError("the client did not answer a ping in time"))
        else:
            self._is_pinged = True
            self._heartbeat = now + self._handshake.ping_timeout
            self._write(PacketType.PING)

    def _role_packet(self, packet: Packet, now: float) -> None:
        if packet.type is not PacketType.PONG:
            raise ProtocolError(f"a client does not send {packet.type.name} here")
        self._is_pinged = False
        self._heartbeat = now + self._handshake.ping_interval

    def _connecting(self, packet: socketio.Packet) -> None:
        if packet.type is not socketio.PacketType.CONNECT:
            raise ProtocolError("the client speaks before it has connected")
        sid = self._random_text()
        self._write_message(socketio.Packet(socketio.PacketType.CONNECT, {"sid": sid}))
        self._open()

    def _part(self, error: ComputeGroupsError | None, now: float) -> None:
        if self._state is State.OPENING:
            # So engine.io tells a poll that comes after the end.
            self._packets.extend((Packet(PacketType.NOOP), Packet(PacketType.CLOSE)))
            self._ends_with_queue = True
        super()._part(error, now)

    def _leave(self, error: ComputeGroupsError | None, now: float) -> None:
        self._linger(error, now)
        self._tell(error)

    def _closed_by_peer(self) -> None:
        # The poll that waits is let go.
        self._packets.append(Packet(PacketType.NOOP))
        self._end(None)

    def _end(self, error: ComputeGroupsError | None) -> None:
        if not self._packets:  # so there may be a poll that waits
            self._packets.append(Packet(PacketType.CLOSE))
        super()._end(error)

    def _drop_probe(self) -> None:
        if self._probe is not None:
            self._emit(WebSocketEnded(self._forget_probe()))

    def _forget_probe(self) -> Key | None:
        probe, self._probe = self._probe, None
        self._probe_answers = []
        self._is_probed = False
        self._upgrade = None
        return probe
