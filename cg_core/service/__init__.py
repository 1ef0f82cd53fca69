"""The service: all connections and sessions, their caps, and what they ask of a store."""

from cg_core.service.events import (
    Answered,
    Execute,
    ServiceEvent,
    SessionBegan,
    SessionEnded,
    Stopped,
    StoreFailed,
)
from cg_core.service.limits import ServiceLimits
from cg_core.service.service import Service

__all__ = [
    "Answered",
    "Execute",
    "Service",
    "ServiceEvent",
    "ServiceLimits",
    "SessionBegan",
    "SessionEnded",
    "Stopped",
    "StoreFailed",
]
