"""The client's end of a connection, by WebSocket or by long-polling.

dcp-client takes a WebSocket first and, where it gets none, polls to the end: so there is no upgrade
here. A backend moves what the machine gives it, until `Closed` comes:

    WebSocketClient   `messages_to_send` out, `receive_message` in
    PollingClient     `requests_to_send` out, `receive_response` in; requests run side by side
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from cg_core.errors import ComputeGroupsError, NetworkError, ProtocolError
from cg_core.framing import socketio
from cg_core.framing.connection import Connection, State
from cg_core.framing.engineio import Handshake, Packet, PacketType
from cg_core.framing.http import Headers, HTTPRequest, HTTPResponse
from cg_core.framing.limits import DEFAULT_LIMITS, Limits

# Seconds that a ping may be on its way.
_PING_TIME = 5.0
_SID = re.compile("[A-Za-z0-9_.~-]{1,100}")


def target(path: str, transport: str, *, cache_breaker: str = "", sid: str = "") -> str:
    """The target of a request, its parameters in dcp-client's order.

    Args:
        path: the path of the service, with a slash at its end.
        transport: polling or websocket.
        cache_breaker: a text that no other request has.
        sid: the connection, once it has an id.
    """
    parameters = {"EIO": "4", "transport": transport, "t": cache_breaker, "sid": sid}
    query = "&".join([f"{name}={value}" for name, value in parameters.items() if value])
    return f"{path}dcp5/socketio/?{query}"


def polling_may_work(status: int | None) -> bool:
    """Whether to poll where no WebSocket was had.

    Args:
        status: the HTTP status that came in place of 101, None where there was no answer.

    Returns:
        True where something spoke HTTP: a proxy may let everything through but WebSockets. False
        where the service is busy (429, 503) or not there: polling would fare no better.
    """
    return status is not None and status not in (429, 503)


class _Client(Connection):
    """The client's part in a connection."""

    def __init__(
        self, path: str, x_dcp: str, *, now: float, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(limits, now)
        self._path = path
        self._headers: Headers = (("X-DCP", x_dcp),)
        self._handshake: Handshake | None = None

    def _beat(self, now: float) -> None:  # noqa: ARG002 # the server's part needs it
        self._end(NetworkError("the server has not been heard of for too long"))

    def _role_packet(self, packet: Packet, now: float) -> None:
        if packet.type is PacketType.OPEN and self._handshake is None:
            handshake = Handshake.decode(packet.data)
            if _SID.fullmatch(handshake.sid) is None:  # it goes into the target of each request
                raise ProtocolError("the server gave an id that is none")
            self._handshake = handshake
            self._await_ping(handshake, now)
            self._write_message(socketio.Packet(socketio.PacketType.CONNECT))
        elif packet.type is PacketType.PING and self._handshake is not None:
            self._await_ping(self._handshake, now)
            self._write(PacketType.PONG)
        else:
            raise ProtocolError(f"a server does not send {packet.type.name} here")

    def _connecting(self, packet: socketio.Packet) -> None:
        if packet.type is socketio.PacketType.CONNECT_ERROR:
            raise ProtocolError(f"the server refuses the namespace: {_reason(packet)!a:.200}")
        if packet.type is not socketio.PacketType.CONNECT or self._handshake is None:
            raise ProtocolError("the server speaks before it has answered")
        self._open()

    def _await_ping(self, handshake: Handshake, now: float) -> None:
        self._heartbeat = now + handshake.ping_interval + handshake.ping_timeout


class WebSocketClient(_Client):
    """A connection that is one WebSocket.

    When `Closed` comes, what `messages_to_send` still gives is to be sent, and the WebSocket to be
    closed.

    Args:
        path: the path of the service, with a slash at its end.
        x_dcp: the header X-DCP: platform, build, version.
        now: the time; the WebSocket may be open already, or not yet.
        limits: the caps.
    """

    def handshake_request(self) -> HTTPRequest:
        """The request by which the WebSocket is opened, but for WebSocket's own headers."""
        return HTTPRequest("GET", target(self._path, "websocket"), self._headers)

    def receive_message(self, text: str, now: float) -> None:
        """Take a text message."""
        self._receive_text(text, now)

    def receive_binary(self) -> None:
        """Take a binary message, and ignore it: DCP has none."""

    def receive_close(self) -> None:
        """Take the end of the WebSocket, whoever caused it."""
        self._end(NetworkError("the WebSocket was closed"))

    @property
    def has_messages_to_send(self) -> bool:
        """Whether `messages_to_send` would give any."""
        return bool(self._packets)

    def messages_to_send(self) -> list[str]:
        """Take out the text messages to send, in order."""
        return self._take_messages()

    def _leave(
        self,
        error: ComputeGroupsError | None,
        now: float,  # noqa: ARG002 # long-polling needs it
    ) -> None:
        self._end(error)


class PollingClient(_Client):
    """A connection of many HTTP requests, at most one GET and one POST at a time.

    The GET waits for what the server has to say. When `Closed` comes, requests that still run are
    to be cancelled.

    Args:
        path: the path of the service, with a slash at its end.
        x_dcp: the header X-DCP: platform, build, version.
        cache_breaker: gives a text of a few letters and digits, another one each time.
        now: the time.
        limits: the caps.
    """

    def __init__(
        self,
        path: str,
        x_dcp: str,
        cache_breaker: Callable[[], str],
        *,
        now: float,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(path, x_dcp, now=now, limits=limits)
        self._cache_breaker = cache_breaker
        self._get: HTTPRequest | None = None
        self._post: HTTPRequest | None = None

    @property
    def has_handshake(self) -> bool:
        """Whether the server has begun as one of Engine.IO does."""
        return self._handshake is not None

    @property
    def poll_time(self) -> float:
        """Seconds in which a peer that lives answers a GET: it pings. Infinity at first."""
        return math.inf if self._handshake is None else self._handshake.ping_interval + _PING_TIME

    def requests_to_send(self) -> list[HTTPRequest]:
        """The requests to send now, each of them whole, in any order."""
        requests = []
        if (
            self._handshake
            and self._post is None
            and self._packets
            and self._state is not State.CLOSED
        ):
            self._post = self._request("POST", self._take_body(self._handshake.max_payload))
            requests.append(self._post)
        if self._get is None and self._is_active():
            self._get = self._request("GET")
            requests.append(self._get)
        return requests

    def receive_response(self, request: HTTPRequest, response: HTTPResponse, now: float) -> None:
        """Take the response to a request."""
        if request is not self._get and request is not self._post:
            return
        if response.status != 200:
            self._end(self._refusal(response))
        elif request is self._get:
            self._get = None
            self._receive_body(response.body, self._limits.response_size, now)
            if self._handshake is None:
                self._end(ProtocolError("the server did not begin with a handshake"))
        else:
            self._post = None
            if self._state is State.CLOSING and not self._packets:
                self._end(None)

    def request_failed(self, request: HTTPRequest, error: ComputeGroupsError) -> None:
        """Take it that a request got no response; whether it arrived is not known."""
        if request is self._get or request is self._post:
            self._end(error)

    def _request(self, method: str, body: bytes = b"") -> HTTPRequest:
        sid = self._handshake.sid if self._handshake else ""
        headers = self._headers
        if method == "POST":
            headers += (("Content-Type", "text/plain;charset=UTF-8"),)
        here = target(self._path, "polling", cache_breaker=self._cache_breaker(), sid=sid)
        return HTTPRequest(method, here, headers, body)

    def _refusal(self, response: HTTPResponse) -> ComputeGroupsError:
        # A refused handshake is a service of another kind; later, it is a connection forgotten.
        kind = ProtocolError if not self._handshake and response.status < 500 else NetworkError
        return kind(f"the server answered with the HTTP status {response.status}")

    def _leave(self, error: ComputeGroupsError | None, now: float) -> None:
        if self._handshake is None:
            self._end(error)
        else:
            self._linger(error, now)
            self._write(PacketType.CLOSE)


def _reason(packet: socketio.Packet) -> str:
    match packet.data:
        case {"message": str(message)} | str(message):
            return message
    return "no reason given"
