"""Our requests, from when they are asked until they are answered or given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

import attrs

from cg_core.deadlines import Deadlines
from cg_core.errors import ComputeGroupsError, NetworkError, OutcomeUnknown
from cg_core.identity import Identity
from cg_core.operations import Operation
from cg_core.session.events import Event, RequestFailed, ResponseReceived
from cg_core.session.messages import ABSENT, Response, Validity

UNKNOWN = "it was acted on once or not at all: look before you repeat it"
"""What to make of it that the outcome of a request is unknown (C-21)."""


@attrs.define
class Call:
    """A request of ours.

    Attributes:
        id: the id of its message.
        operation: gives the operation for a session's id; a request is encoded when it is signed,
            for the session that it is signed in (C-13).
        validity: when it is good; it counts from when it was asked.
        join_identity: whose address it is to act for, besides (C-9).
        own: the session's own, of whose answer nobody is told.
        sent: whether it was signed, so that it may be acted on.
        abandoned: whether nobody waits for it any more.
    """

    id: str
    operation: Callable[[str], Operation] = attrs.field(repr=False)
    validity: Validity
    join_identity: Identity | None = None
    own: bool = False
    sent: bool = False
    abandoned: bool = False


class Calls:
    """The requests that are open.

    Args:
        deadlines: the session's; a request's is under its id.
        events: the session's.

    Attributes:
        awaited: how many were sent and have somebody who waits for the answer.
        abandoned: how many were sent and have nobody.
    """

    __slots__ = ("_deadlines", "_events", "_open", "abandoned", "awaited")

    def __init__(self, deadlines: Deadlines[Hashable], events: deque[Event]) -> None:
        self._deadlines = deadlines
        self._events = events
        self._open: dict[str, Call] = {}
        self.awaited = 0
        self.abandoned = 0

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._open

    def add(self, call: Call, deadline: float | None = None) -> None:
        """A request is asked."""
        self._open[call.id] = call
        self._deadlines.set(call.id, deadline)

    def sent(self, call: Call) -> None:
        """A request is signed."""
        call.sent = True
        self.awaited += not call.own

    def answered(self, response: Response) -> bool:
        """A response has come.

        Returns:
            Whether it is for a request that was sent and is open.
        """
        call = self._open.get(response.id)
        if call is None or not call.sent:
            return False
        del self._open[call.id]
        if call.abandoned:
            self.abandoned -= 1  # too late
        elif not call.own:
            self.awaited -= 1
            self._deadlines.set(call.id, None)
            payload = None if response.payload is ABSENT else response.payload
            self._events.append(ResponseReceived(call.id, response.success, payload))
        return True

    def abandon(self, call_id: str) -> bool:
        """Nobody waits for a request any more.

        Returns:
            Whether it was sent, so that it may be acted on and an answer may still come.
        """
        call = self._open.get(call_id)
        if call is None or call.abandoned:
            return False
        self._deadlines.set(call_id, None)
        if not call.sent:
            del self._open[call_id]
            return False
        call.abandoned = True
        self.awaited -= not call.own
        self.abandoned += 1
        return True

    def time_out(self, call_id: str) -> None:
        """The deadline of a request has come."""
        error: ComputeGroupsError
        if self.abandon(call_id):
            error = OutcomeUnknown(f"no answer came in time; {UNKNOWN}")
        else:
            error = NetworkError("the time was up before it could be sent", code="ETIMEDOUT")
        self._events.append(RequestFailed(call_id, error))

    def fail_unsent(self, error: ComputeGroupsError) -> None:
        """Nothing more is sent: it may go over another session."""
        for call in list(self._open.values()):
            if not call.sent:
                self._fail(call, error)

    def fail_sent(self, why: str) -> None:
        """Nothing more is answered: whatever was sent may have been acted on."""
        for call in list(self._open.values()):
            if call.sent:
                self._fail(call, OutcomeUnknown(f"{why}; {UNKNOWN}"))
        self.awaited = self.abandoned = 0

    def _fail(self, call: Call, error: ComputeGroupsError) -> None:
        del self._open[call.id]
        self._deadlines.set(call.id, None)
        if not call.own and not call.abandoned:
            self._events.append(RequestFailed(call.id, error.bare()))
