"""What a service tells: nothing that was sent, and nothing that lets anyone in."""

from __future__ import annotations

from typing import get_args

import attrs
import pytest

from cg_core import AddJob, Caller, CreateGroup, Identity
from cg_core.service import Answered, Execute, ServiceEvent, SessionBegan, SessionEnded, Stopped

ADDRESS = Identity(b"\1" * 32).address
SECRETS = ("s3cret", "eh1-")


def test_which_they_are() -> None:
    named = {event.__name__ for event in get_args(ServiceEvent)}
    assert named == {
        "Answered", "Execute", "MessagesReady", "ResponseReady", "SessionBegan", "SessionEnded",
        "Stopped", "StoreFailed", "WebSocketEnded",
    }  # fmt: skip


@pytest.mark.parametrize("event", get_args(ServiceEvent))
def test_they_do_not_change(event: type[attrs.AttrsInstance]) -> None:
    assert attrs.has(event)
    assert event.__setattr__ is not object.__setattr__


@pytest.mark.parametrize("event", [Answered, SessionBegan, SessionEnded, Stopped])
def test_what_is_for_logs_has_no_room_for_data(event: type[attrs.AttrsInstance]) -> None:
    for field in attrs.fields(event):
        assert field.type in ("str", "float", "Address", "ComputeGroupsError | None")


@pytest.mark.parametrize(
    "request_",
    [
        CreateGroup("farm", join_key="farm", join_secret="s3cret"),
        AddJob("farm", "P+Y4IApeFQLrYS2W7MkVg7", join_key="farm", join_secret="s3cret"),
    ],
)
def test_what_is_asked_for_shows_no_secret(request_: CreateGroup | AddJob) -> None:
    shown = repr(Execute(1, request_, Caller(ADDRESS)))
    assert not any(secret in shown for secret in SECRETS)
