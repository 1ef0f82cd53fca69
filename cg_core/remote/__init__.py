"""A client of a service far away, as a machine without I/O: what the remote backends run.

`RemoteClient` takes requests and gives results; in between it says which WebSocket to open, which
HTTP request to make, what to send and when to look at the clock again. All that a backend adds is
the doing (docs/writing_a_backend.md).
"""

from cg_core.remote.client import RemoteClient
from cg_core.remote.connections import Connection, RequestConnection, WebSocket
from cg_core.remote.events import (
    Call,
    CallEnded,
    ConnectionEnded,
    Event,
    MessagesReady,
    RequestWanted,
    WebSocketWanted,
)
from cg_core.remote.options import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    Options,
    TransportName,
    checked_identity,
)
from cg_core.remote.service_url import ServiceURL

__all__ = [
    "CALL_TIMEOUT",
    "CONNECT_TIMEOUT",
    "IDLE_TIMEOUT",
    "Call",
    "CallEnded",
    "Connection",
    "ConnectionEnded",
    "Event",
    "MessagesReady",
    "Options",
    "RemoteClient",
    "RequestConnection",
    "RequestWanted",
    "ServiceURL",
    "TransportName",
    "WebSocket",
    "WebSocketWanted",
    "checked_identity",
]
