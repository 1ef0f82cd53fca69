"""What a remote client asks and tells, as values."""

from __future__ import annotations

import attrs
import pytest

from cg_core import CreateGroup, GroupNotFound, ListJobs
from cg_core.remote import Call, CallEnded
from tests.core.remote.network import Network, Program


def test_a_call_is_its_own_name() -> None:
    one, other = Call(ListJobs("farm"), 1.0), Call(ListJobs("farm"), 1.0)
    assert one != other
    assert len({one, other, one}) == 2


def test_they_are_frozen() -> None:
    call = Call(ListJobs("farm"), 1.0)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        call.deadline = 2.0  # type: ignore[misc] # that is the test


def test_no_secret_and_no_result_in_a_repr() -> None:
    request = CreateGroup("farm", join_key="farm", join_secret="s3cret")
    assert request.join_hash is not None
    call = Call(request, 1.0)
    shown = repr(
        [call, CallEnded(call, "a result", None), CallEnded(call, None, GroupNotFound("no"))]
    )
    assert "s3cret" not in shown
    assert request.join_hash.reveal() not in shown
    assert "a result" not in shown
    assert "GroupNotFound" in shown


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_what_a_backend_is_asked_has_no_secret_in_its_repr(transport: str) -> None:
    program = Program(Network(), transport=transport)
    program.ask()
    shown = repr([each for each in program.events if not isinstance(each, CallEnded)])
    assert "eh1-" not in shown
    assert "group 1" not in shown
    assert ("RequestWanted" in shown) is (transport == "polling")
