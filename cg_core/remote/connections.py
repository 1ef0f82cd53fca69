"""A link's connections, as the program around sees them: it reports to them what the network did.

A report that comes when the connection is over already says nothing.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from cg_core.errors import ComputeGroupsError
from cg_core.framing import HTTPRequest, HTTPResponse, PollingClient, WebSocketClient
from cg_core.remote.lookup import Lookup
from cg_core.session import Instant


class Owner(Protocol):
    """Who has connections: a link."""

    def heard(self, connection: Connection, now: Instant) -> None:
        """Something came."""

    def websocket_refused(self, websocket: WebSocket, response: HTTPResponse, now: Instant) -> None:
        """An HTTP answer came that opens no WebSocket."""

    def websocket_failed(
        self, websocket: WebSocket, error: ComputeGroupsError, now: Instant
    ) -> None:
        """No answer came."""

    def receive_response(
        self,
        connection: RequestConnection,
        request: HTTPRequest,
        response: HTTPResponse,
        now: Instant,
    ) -> None:
        """A response came."""


class WebSocket:
    """A WebSocket that is wanted, or open.

    Attributes:
        url: where to open it: `http://...` or `https://...`, with its query.
        headers: those to send besides WebSocket's own.
    """

    def __init__(self, owner: Owner, origin: str, machine: WebSocketClient) -> None:
        request = machine.handshake_request()
        self.url = f"{origin}{request.target}"
        self.headers = request.headers
        self.machine = machine
        self.opened = False
        self._owner = owner

    def refused(self, response: HTTPResponse, now: Instant) -> None:
        """An HTTP answer came that opens no WebSocket."""
        self._owner.websocket_refused(self, response, now)

    def failed(self, error: ComputeGroupsError, now: Instant) -> None:
        """No answer came: see `failures` for the codes."""
        self._owner.websocket_failed(self, error, now)

    def receive_message(self, text: str, now: Instant) -> None:
        """A text message came."""
        self.machine.receive_message(text, now.monotonic)
        self._owner.heard(self, now)

    def closed(self, now: Instant) -> None:
        """The WebSocket has ended, by whomever."""
        self.machine.receive_close()
        self._owner.heard(self, now)

    def messages_to_send(self) -> list[str]:
        """Take out the text messages to send, in order."""
        return self.machine.messages_to_send()


class RequestConnection:
    """A connection that is made of HTTP requests: long-polling, or a question to a scheduler.

    Attributes:
        response_size: how many bytes of a response are taken; longer ones may be cut behind it.
    """

    def __init__(
        self, owner: Owner, origin: str, machine: PollingClient | Lookup, *, response_size: int
    ) -> None:
        self.response_size = response_size
        self.machine = machine
        self.opened = False
        self._origin = origin
        self._owner = owner

    @property
    def poll_time(self) -> float:
        """Seconds in which a GET is answered where the peer lives; infinity where nobody knows."""
        return self.machine.poll_time

    def url(self, request: HTTPRequest) -> str:
        """Where to send a request: `http://...` or `https://...`."""
        return f"{self._origin}{request.target}"

    def receive_response(self, request: HTTPRequest, response: HTTPResponse, now: Instant) -> None:
        """A response came, whatever its status."""
        self._owner.receive_response(self, request, response, now)

    def request_failed(self, request: HTTPRequest, error: ComputeGroupsError, now: Instant) -> None:
        """No response came: see `failures` for the codes."""
        self.machine.request_failed(request, error)
        self._owner.heard(self, now)


Connection: TypeAlias = WebSocket | RequestConnection
