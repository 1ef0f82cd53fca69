"""What a service asks the program around it to do, and tells it."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs

from cg_core.addresses import Address
from cg_core.errors import ComputeGroupsError
from cg_core.framing import MessagesReady, ResponseReady, WebSocketEnded
from cg_core.ownership import Caller
from cg_core.requests import Request


@attrs.frozen
class Execute:
    """Carry out a request, and tell `executed` what came of it.

    Attributes:
        id: names it there.
        request: what is asked.
        caller: who asks.
    """

    id: int
    request: Request[Any]
    caller: Caller


@attrs.frozen
class SessionBegan:
    """A session was opened.

    Attributes:
        session: the last letters of its id, which we drew, by which logs tell sessions apart.
        peer: whose it is.
    """

    session: str
    peer: Address


@attrs.frozen
class SessionEnded:
    """A session is over.

    Attributes:
        session: as it was when it began.
        peer: whose it was.
        error: why, or None if one of the two ends wished it.
    """

    session: str
    peer: Address
    error: ComputeGroupsError | None


@attrs.frozen
class Answered:
    """A request was answered.

    Attributes:
        session: as it was when it began.
        caller: who asked.
        operation: what was asked; "unknown" if there is no such thing.
        outcome: "done", or the name of the error.
        seconds: how long it took, from its arrival.
    """

    session: str
    caller: Address
    operation: str
    outcome: str
    seconds: float


@attrs.frozen
class StoreFailed:
    """The store could not carry a request out; callers are told no more than that.

    Attributes:
        error: what befell it.
    """

    error: ComputeGroupsError


@attrs.frozen
class Stopped:
    """All sessions have ended, as `stop` wished; the connections may go."""


ServiceEvent: TypeAlias = (
    ResponseReady
    | MessagesReady
    | WebSocketEnded
    | Execute
    | SessionBegan
    | SessionEnded
    | Answered
    | StoreFailed
    | Stopped
)
