"""The life of a session, as a table; the diagram in the documentation is drawn from it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class State(enum.Enum):
    """Where a session stands."""

    CONNECTING = "connecting"
    """The initiator waits for the answer to its connect; the target, for a sign that it came."""
    ESTABLISHED = "established"
    """Requests and responses go both ways."""
    INTERRUPTED = "interrupted"
    """The transport is lost; what is to be sent waits for another."""
    CLOSING = "closing"
    """No new requests are taken; open answers, then the ack of our close, are waited for."""
    CLOSED = "closed"
    """The end; nothing is sent or taken any more."""


class Input(enum.Enum):
    """What moves a session from one state to the next."""

    PROVED = "the peer proved itself"
    """By the answer to connect, or on a new transport by a message that only it can send."""
    LOST = "the transport was lost"
    CLOSE = "the user closes"
    CLOSE_ACKED = "the peer acked our close"
    CLOSED_BY_PEER = "the peer closes"
    BROKEN = "the peer broke the protocol"
    UNVERIFIED = "a text is not the peer's"
    """Nothing is signed in answer to it, not even a close."""
    REFUSED = "version or address do not match"
    GAVE_UP = "the time is up"


S, I = State, Input  # noqa: E741 - the table is to be read at a glance

TRANSITIONS: Mapping[State, Mapping[Input, State]] = MappingProxyType(
    {
        S.CONNECTING: {
            I.PROVED: S.ESTABLISHED,
            I.LOST: S.CONNECTING,
            I.CLOSE: S.CLOSED,
            I.BROKEN: S.CLOSED,
            I.UNVERIFIED: S.CLOSED,
            I.REFUSED: S.CLOSED,
            I.GAVE_UP: S.CLOSED,
        },
        S.ESTABLISHED: {
            I.PROVED: S.ESTABLISHED,
            I.LOST: S.INTERRUPTED,
            I.CLOSE: S.CLOSING,
            I.CLOSED_BY_PEER: S.CLOSED,
            I.BROKEN: S.CLOSING,
            I.UNVERIFIED: S.CLOSED,
        },
        S.INTERRUPTED: {
            I.PROVED: S.ESTABLISHED,
            I.CLOSE: S.CLOSING,
            I.BROKEN: S.CLOSING,
            I.UNVERIFIED: S.CLOSED,
            I.GAVE_UP: S.CLOSED,
        },
        S.CLOSING: {
            I.PROVED: S.CLOSING,
            I.LOST: S.CLOSING,
            I.CLOSE_ACKED: S.CLOSED,
            I.CLOSED_BY_PEER: S.CLOSED,
            I.BROKEN: S.CLOSED,
            I.UNVERIFIED: S.CLOSED,
            I.GAVE_UP: S.CLOSED,
        },
    }
)
"""From each state, by each input that can come in it, to the next. From CLOSED nothing leads."""
