"""The DCP session: numbered, signed and acknowledged messages between two ends (wire.md).

`Session` is one end of one session, `Target` all sessions of a target. Neither reads a clock, draws
a random number or knows what carries its texts.
"""

from cg_core.session.events import (
    Event,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    SessionClosed,
    SessionOpened,
    Transport,
    TransportDropped,
    TransportWanted,
)
from cg_core.session.identifiers import Identifiers, RandomIdentifiers, Role
from cg_core.session.instant import Instant
from cg_core.session.places import Capacity
from cg_core.session.session import Session
from cg_core.session.settings import Settings
from cg_core.session.target import Target
from cg_core.session.transitions import TRANSITIONS, Input, State
from cg_core.session.validity import StampMemory

__all__ = [
    "TRANSITIONS",
    "Capacity",
    "Event",
    "Identifiers",
    "Input",
    "Instant",
    "RandomIdentifiers",
    "RequestFailed",
    "RequestReceived",
    "ResponseReceived",
    "Role",
    "Session",
    "SessionClosed",
    "SessionOpened",
    "Settings",
    "StampMemory",
    "State",
    "Target",
    "Transport",
    "TransportDropped",
    "TransportWanted",
]
