"""A WebSocket's frames for the stream that httpx gives after an upgrade; no I/O here.

wsproto makes and reads the frames. It draws random masks, so it has no place in the core.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, generate_accept_token, generate_nonce

from cg_core.framing import Limits

# No packet is longer; what a peer sends beyond is not kept.
_LONGEST: Final = Limits().packet_length


class WebSocketFrames:
    """One WebSocket, client's end.

    Attributes:
        headers: those that ask for the upgrade.
        is_open: whether neither end has closed.
    """

    def __init__(self) -> None:
        self._nonce = generate_nonce()
        self._connection = Connection(ConnectionType.CLIENT)
        self._parts: list[str] = []
        self._length = 0
        self._to_send: list[bytes] = []
        self._ping: Ping | None = None  # the last one, which is to be answered
        self.is_open = True
        self.headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": self._nonce.decode(),
            "Sec-WebSocket-Version": "13",
        }

    def accepted(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers of a 101 answer are a WebSocket's, and to our key (RFC 6455, 4.1)."""
        expected = generate_accept_token(self._nonce).decode()
        return (
            headers.get("upgrade", "").lower() == "websocket"
            and headers.get("sec-websocket-accept", "").strip() == expected
        )

    def send(self, texts: list[str]) -> None:
        """Send text messages."""
        if self._connection.state is ConnectionState.OPEN:
            self._to_send += [self._connection.send(TextMessage(data=text)) for text in texts]

    def close(self) -> None:
        """Say goodbye; what was sent before goes first."""
        self.is_open = False
        if self._connection.state is ConnectionState.OPEN:
            self._to_send.append(self._connection.send(CloseConnection(code=1000)))

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would give any."""
        return bool(self._to_send) or self._ping is not None

    def data_to_send(self) -> bytes:
        """Take out the bytes to send."""
        if self._ping is not None:
            self._answer(self._ping.response())
            self._ping = None
        data = b"".join(self._to_send)
        self._to_send.clear()
        return data

    def receive_data(self, data: bytes) -> Iterator[str]:
        """Take bytes, and give the text messages that are whole; no bytes are the end."""
        if not self.is_open:
            return
        self._connection.receive_data(data or None)
        for event in self._connection.events():
            match event:
                case TextMessage():
                    self._length += len(event.data)
                    if self._length > _LONGEST:
                        self.close()
                        return
                    yield from self._whole(event)
                case BytesMessage():
                    pass  # DCP has none
                case Ping():
                    # Who does not read is not to have us pile up pongs (RFC 6455, 5.5.3).
                    self._ping = event
                case CloseConnection():
                    self.is_open = False
                    if self._connection.state is ConnectionState.REMOTE_CLOSING:
                        self._answer(event.response())

    def _whole(self, event: TextMessage) -> Iterator[str]:
        if event.data:  # of pieces of nothing there may be any number
            self._parts.append(event.data)
        if event.message_finished:
            yield "".join(self._parts)
            self._parts.clear()
            self._length = 0

    def _answer(self, event: CloseConnection | object) -> None:
        try:
            self._to_send.append(self._connection.send(event))  # type: ignore[arg-type] # wsproto's
        except LocalProtocolError:
            self.is_open = False  # it has broken the protocol, or closed meanwhile
