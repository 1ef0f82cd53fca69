"""Calls: each ends once, and as what it is: answered, of unknown outcome, or never sent."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from typing import Any, Literal

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cg_core import Identity, NetworkError, Operation, OutcomeUnknown
from cg_core.deadlines import Deadlines
from cg_core.session.calls import Call, Calls
from cg_core.session.events import Event, RequestFailed, ResponseReceived
from cg_core.session.messages import ABSENT, Response, Validity

VALIDITY = Validity(stamp="s", ttl=120, time=5)


def operation(session_id: str) -> Operation:
    return Operation("hush", session_id)


def call(id: str, *, own: bool = False, join_identity: Identity | None = None) -> Call:
    return Call(id, operation, VALIDITY, join_identity=join_identity, own=own)


class Machine:
    """Calls, with what a session has around them."""

    def __init__(self) -> None:
        self.deadlines: Deadlines[Hashable] = Deadlines()
        self.events: deque[Event] = deque()
        self.calls = Calls(self.deadlines, self.events)

    def take_events(self) -> list[Any]:
        found = list(self.events)
        self.events.clear()
        return found


@attrs.define
class Asked:
    """What a naive list remembers of a call."""

    call: Call
    deadline: float | None
    place: Literal["unsent", "sent", "abandoned", "over"] = "unsent"


places = st.integers(0, 99)


class CallsAndList(RuleBasedStateMachine):
    """Calls, and a list of all that were ever asked."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.calls = self.machine.calls
        self.asked: dict[str, Asked] = {}

    def at(self, *places: str) -> list[Asked]:
        return [each for each in self.asked.values() if each.place in places]

    def told(self, *expected: ResponseReceived | tuple[str, type[Exception]]) -> None:
        """Nothing but these events came: answers, and what failed with which error."""
        found = [
            (event.id, type(event.error)) if isinstance(event, RequestFailed) else event
            for event in self.machine.take_events()
        ]
        assert found == list(expected)

    @rule(own=st.booleans(), deadline=st.none() | st.integers(0, 100), sent=st.booleans())
    def ask(self, own: bool, deadline: int | None, sent: bool) -> None:
        id = f"{len(self.asked)}"
        self.asked[id] = Asked(call(id, own=own), None if own else deadline)
        self.calls.add(self.asked[id].call, self.asked[id].deadline)
        if sent:
            self.send(-1)
        self.told()

    @precondition(lambda self: self.at("unsent"))
    @rule(place=places)
    def send_one(self, place: int) -> None:
        self.send(place)
        self.told()

    def send(self, place: int) -> None:
        unsent = self.at("unsent")
        asked = unsent[place % len(unsent)]
        self.calls.sent(asked.call)
        asked.place = "sent"

    @precondition(lambda self: self.at("sent", "abandoned"))
    @rule(place=places)
    def answer(self, place: int) -> None:
        open_ones = self.at("sent", "abandoned")
        asked = open_ones[place % len(open_ones)]
        id = asked.call.id
        assert self.calls.answered(Response(id=id, success=True, payload=id))
        tells = asked.place == "sent" and not asked.call.own
        self.told(*[ResponseReceived(id, success=True, payload=id)] * tells)
        asked.place = "over"

    @rule()
    def answer_what_was_not_asked(self) -> None:
        for id in ("another", *(asked.call.id for asked in self.at("unsent", "over"))):
            assert not self.calls.answered(Response(id=id, success=True))
        self.told()

    @precondition(lambda self: self.at("unsent", "sent"))
    @rule(place=places)
    def abandon(self, place: int) -> None:
        open_ones = self.at("unsent", "sent")
        asked = open_ones[place % len(open_ones)]
        assert self.calls.abandon(asked.call.id) is (asked.place == "sent")
        asked.place = "abandoned" if asked.place == "sent" else "over"
        self.told()

    @rule()
    def abandon_what_is_none(self) -> None:
        for id in ("another", *(asked.call.id for asked in self.at("abandoned", "over"))):
            assert not self.calls.abandon(id)
        self.told()

    def waiting(self) -> list[Asked]:
        return [asked for asked in self.at("unsent", "sent") if asked.deadline is not None]

    @precondition(lambda self: self.waiting())
    @rule(place=places)
    def time_out(self, place: int) -> None:
        waiting = self.waiting()
        asked = waiting[place % len(waiting)]
        self.machine.deadlines.set(asked.call.id, None)  # it was taken out when it was due
        self.calls.time_out(asked.call.id)
        self.told((asked.call.id, OutcomeUnknown if asked.place == "sent" else NetworkError))
        asked.place = "abandoned" if asked.place == "sent" else "over"

    @precondition(lambda self: len(self.at("unsent")) > 1)
    @rule()
    def fail_unsent(self) -> None:
        self.calls.fail_unsent(NetworkError("not sent"))
        for asked in (failed := self.at("unsent")):
            asked.place = "over"
        self.told(*[(each.call.id, NetworkError) for each in failed if not each.call.own])

    @precondition(lambda self: len(self.at("sent", "abandoned")) > 2)
    @rule()
    def fail_sent(self) -> None:
        self.calls.fail_sent("lost")
        awaited = [asked for asked in self.at("sent") if not asked.call.own]
        for asked in self.at("sent", "abandoned"):
            asked.place = "over"
        self.told(*[(asked.call.id, OutcomeUnknown) for asked in awaited])

    @invariant()
    def open_ones_are_the_same(self) -> None:
        open_ones = {each.call.id for each in self.at("unsent", "sent", "abandoned")}
        assert {id for id in self.asked if id in self.calls} == open_ones
        assert self.calls.awaited == sum(not each.call.own for each in self.at("sent"))
        assert self.calls.abandoned == len(self.at("abandoned"))

    @invariant()
    def deadlines_are_those_of_calls_that_wait(self) -> None:
        deadlines = [each.deadline for each in self.waiting() if each.deadline is not None]
        assert len(self.machine.deadlines) == len(deadlines)
        assert self.machine.deadlines.next() == min(deadlines, default=None)


TestCallsAreThoseOfANaiveList = CallsAndList.TestCase
TestCallsAreThoseOfANaiveList.settings = settings(stateful_step_count=40)


def test_an_answer_is_told_as_it_came() -> None:
    machine = Machine()
    answers: list[tuple[str, bool, Any, Any]] = [
        ("1", True, {"a": 1}, {"a": 1}), ("2", False, [], []), ("3", True, ABSENT, None),
    ]  # fmt: skip
    for id, success, payload, told in answers:
        asked = call(id)
        machine.calls.add(asked)
        machine.calls.sent(asked)
        assert machine.calls.answered(Response(id=id, success=success, payload=payload))
        assert machine.take_events() == [ResponseReceived(id, success=success, payload=told)]
        assert not machine.calls.answered(Response(id=id, success=success, payload=payload))
        assert machine.take_events() == []


def test_what_is_answered_is_not_due_any_more() -> None:
    machine = Machine()
    asked = call("1")
    machine.calls.add(asked, 5)
    machine.calls.sent(asked)
    assert list(machine.deadlines.due(4)) == []
    assert machine.calls.answered(Response(id="1", success=True))
    assert list(machine.deadlines.due(6)) == []


def test_what_cannot_have_been_sent_has_no_answer() -> None:
    machine = Machine()
    machine.calls.add(call("1"))
    assert not machine.calls.answered(Response(id="1", success=True))
    assert "1" in machine.calls


def test_the_sessions_own_call_may_be_abandoned_like_any_other() -> None:
    machine = Machine()
    own = call("1", own=True)
    machine.calls.add(own)
    machine.calls.sent(own)
    assert machine.calls.awaited == 0
    assert machine.calls.abandon("1")
    assert not machine.calls.abandon("1")
    assert (machine.calls.awaited, machine.calls.abandoned) == (0, 1)
    assert machine.calls.answered(Response(id="1", success=True))
    assert (machine.calls.awaited, machine.calls.abandoned) == (0, 0)
    assert machine.take_events() == []


ADVICE = "; it was acted on once or not at all: look before you repeat it"


def test_what_was_sent_ends_as_unknown_with_the_reason_and_with_advice() -> None:
    machine = Machine()
    asked = call("1")
    machine.calls.add(asked)
    machine.calls.sent(asked)
    machine.calls.fail_sent("the ship has sunk")
    (event,) = machine.take_events()
    assert isinstance(event.error, OutcomeUnknown)
    assert event.error.message == f"the ship has sunk{ADVICE}"


def test_what_was_sent_and_is_not_answered_in_time_ends_as_unknown_with_advice() -> None:
    machine = Machine()
    asked = call("1")
    machine.calls.add(asked, 5)
    machine.calls.sent(asked)
    machine.calls.time_out("1")
    (event,) = machine.take_events()
    assert isinstance(event.error, OutcomeUnknown)
    assert event.error.message == f"no answer came in time{ADVICE}"


def test_what_was_not_sent_ends_with_the_error_that_is_given() -> None:
    machine = Machine()
    machine.calls.add(call("1"))
    machine.calls.fail_unsent(NetworkError("the port is closed", code="ECONNREFUSED"))
    (event,) = machine.take_events()
    assert isinstance(event.error, NetworkError)
    assert (event.error.message, event.error.code) == ("the port is closed", "ECONNREFUSED")


def test_a_call_with_no_deadline_waits_for_ever() -> None:
    machine = Machine()
    machine.calls.add(call("1"))
    assert list(machine.deadlines.due(math.inf)) == []


def test_the_operation_is_not_shown() -> None:
    """It may hold a request, which may hold a hash."""
    assert "operation" not in repr(call("1"))
    assert operation("d").name not in repr(call("1", join_identity=Identity(b"\1" * 32)))
