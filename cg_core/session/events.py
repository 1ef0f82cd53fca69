"""What a session tells the program around it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

import attrs

from cg_core.addresses import Address
from cg_core.ecmascript_json import JSONValue
from cg_core.errors import ComputeGroupsError
from cg_core.operations import Operation

Transport: TypeAlias = Hashable
"""What the program calls one of its connections; the session only compares it."""


@attrs.frozen
class TransportWanted:
    """Open a transport now, and say `transport_opened` or `transport_failed` (initiator)."""


@attrs.frozen
class TransportDropped:
    """Close this transport, after what there is to send; the session has no use for it."""

    transport: Transport


@attrs.frozen
class SessionOpened:
    """The session is there.

    Attributes:
        session_id: its id (`dcpsid`).
        peer: the address of the peer, which is the same for the whole session.
        clock_offset: seconds by which the peer's clock was ahead of ours; None where it did not
            say its time.
    """

    session_id: str
    peer: Address
    clock_offset: float | None = attrs.field(default=None, eq=False)


@attrs.frozen
class RequestReceived:
    """The peer asks for something; answer with `respond` or `refuse`.

    Attributes:
        id: names the request in the answer.
        operation: what is asked.
        caller: the peer's address.
        joins_as: further addresses that it was proved to act for (C-9).
    """

    id: str
    operation: Operation
    caller: Address
    joins_as: frozenset[Address]


@attrs.frozen
class ResponseReceived:
    """The peer has answered.

    Attributes:
        id: the request's, as `request` gave it.
        success: what the peer's session said; a service may refuse in the payload besides.
        payload: the answer, or the error; None where there is none.
    """

    id: str
    success: bool
    payload: JSONValue = attrs.field(repr=False)


@attrs.frozen
class RequestFailed:
    """A request has no answer and will have none.

    Attributes:
        id: the request's, as `request` gave it.
        error: OutcomeUnknown if it was sent, so that it may have been acted on; another error if
            it was not, so that it may go over another session (C-21).
    """

    id: str
    error: ComputeGroupsError


@attrs.frozen
class SessionClosed:
    """The session has ended.

    Attributes:
        error: why, or None if one of the two ends wished it.
    """

    error: ComputeGroupsError | None


Event: TypeAlias = (
    TransportWanted
    | TransportDropped
    | SessionOpened
    | RequestReceived
    | ResponseReceived
    | RequestFailed
    | SessionClosed
)
