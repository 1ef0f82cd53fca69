"""Events: what they show of themselves, in a log, is no secret."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from cg_core import Address, Operation, ProtocolError
from cg_core.session.events import (
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    SessionClosed,
    SessionOpened,
    TransportDropped,
    TransportWanted,
)

CALLER = Address.from_bytes(b"\1" * 20)
OPERATION = Operation("o", {"joinHash": "hush"})
SET = frozenset({CALLER})
EVENTS: list[tuple[Any, str]] = [
    (TransportWanted(), "TransportWanted()"),
    (TransportDropped("t"), "TransportDropped(transport='t')"),
    (
        SessionOpened("d", CALLER),
        f"SessionOpened(session_id='d', peer={CALLER!r}, clock_offset=None)",
    ),
    (
        RequestReceived("i", OPERATION, CALLER, SET),
        f"RequestReceived(id='i', operation={OPERATION!r}, caller={CALLER!r}, joins_as={SET!r})",
    ),
    (
        ResponseReceived("i", success=True, payload={"joinHash": "hush"}),
        "ResponseReceived(id='i', success=True)",
    ),
    (
        RequestFailed("i", ProtocolError("m")),
        "RequestFailed(id='i', error=ProtocolError('m'))",
    ),
    (SessionClosed(None), "SessionClosed(error=None)"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "shown"), EVENTS, ids=lambda each: type(each).__name__)
def test_an_event_shows_no_secret(event: Any, shown: str) -> None:
    assert repr(event) == shown
    assert "hush" not in shown


@pytest.mark.parametrize("event", [event for event, _ in EVENTS])
def test_an_event_stays_what_it_is(event: Any) -> None:
    for name in [field.name for field in attrs.fields(type(event))] or ["anything"]:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(event, name, None)
