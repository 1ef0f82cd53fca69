"""What carries the texts of a session: DCP's transport over Socket.IO 5 over Engine.IO 4 (wire.md).

A client's connection is a `WebSocketClient` or a `PollingClient`; a service has one `Server` for
all of its connections. None of them opens a socket or reads a clock.
"""

from cg_core.framing.client import PollingClient, WebSocketClient, polling_may_work
from cg_core.framing.connection import Closed, Connection, Event, Opened, TextReceived
from cg_core.framing.http import Headers, HTTPRequest, HTTPResponse
from cg_core.framing.limits import Limits
from cg_core.framing.server import Server
from cg_core.framing.server_connection import (
    ConnectionEvent,
    MessagesReady,
    ResponseReady,
    ServerEvent,
    WebSocketEnded,
)

__all__ = [
    "Closed",
    "Connection",
    "ConnectionEvent",
    "Event",
    "HTTPRequest",
    "HTTPResponse",
    "Headers",
    "Limits",
    "MessagesReady",
    "Opened",
    "PollingClient",
    "ResponseReady",
    "Server",
    "ServerEvent",
    "TextReceived",
    "WebSocketClient",
    "WebSocketEnded",
    "polling_may_work",
]
