"""What a remote client asks of the program around it, and what it tells."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs

from cg_core.errors import ComputeGroupsError
from cg_core.framing import HTTPRequest
from cg_core.remote.connections import Connection, RequestConnection, WebSocket
from cg_core.requests import Request


@attrs.frozen(eq=False)
class Call:
    """A request that somebody waits for; it is its own name.

    Attributes:
        request: what is asked.
        deadline: when to give up, on the monotonic clock; infinity for never.
    """

    request: Request[Any]
    deadline: float


@attrs.frozen
class WebSocketWanted:
    """Open a WebSocket, and report to `websocket` what comes of it."""

    websocket: WebSocket


@attrs.frozen
class MessagesReady:
    """There is something in `websocket.messages_to_send()`; told again until it is taken out."""

    websocket: WebSocket


@attrs.frozen
class RequestWanted:
    """Make an HTTP request, beside those that run, and report to `connection` what comes of it."""

    connection: RequestConnection
    request: HTTPRequest


@attrs.frozen
class ConnectionEnded:
    """A connection is over: send what there still is, within some seconds, and let go of it.

    Attributes:
        connection: a WebSocket is to be closed, a request that still runs to be cancelled.
        grace: seconds; 0 where nothing would come of it.
    """

    connection: Connection
    grace: float


@attrs.frozen
class CallEnded:
    """A call has its result, or the error to raise.

    Attributes:
        call: which one.
        result: what the request gives, where there is no error.
        error: a refusal, or what went wrong on the way.
    """

    call: Call
    result: Any = attrs.field(repr=False)
    error: ComputeGroupsError | None


Event: TypeAlias = WebSocketWanted | MessagesReady | RequestWanted | ConnectionEnded | CallEnded
