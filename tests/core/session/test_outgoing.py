"""Outgoing: what is queued goes in order, as much as fits, and what is unwanted never."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_core import Identity, Operation
from cg_core.deadlines import Deadlines
from cg_core.session.calls import Call, Calls
from cg_core.session.events import Event
from cg_core.session.message_texts import member_content_text
from cg_core.session.messages import (
    Message,
    Request,
    RequestPayload,
    Response,
    Validity,
)
from cg_core.session.outgoing import Item, Outgoing
from cg_core.session.settings import MOST_IN_BATCH, Settings
from tests.core.reachable import reachable

ALONE = Identity(b"\1" * 32)
VALIDITY = Validity(stamp="s", ttl=120, time=5)
NUMBERING = ',"dcpsid":"s","time":5}'


class Machine:
    """A queue, and the list of all that it made a message."""

    def __init__(self, batch_length: int = 10_000) -> None:
        deadlines: Deadlines[Hashable] = Deadlines()
        events: deque[Event] = deque()
        self.calls = Calls(deadlines, events)
        self.outgoing = Outgoing(self.calls, Settings(batch_length=batch_length))
        self.made: list[str] = []

    def call(self, id: str, join_identity: Identity | None = None) -> Call:
        made = Call(id, lambda _: Operation("o", None), VALIDITY, join_identity)
        self.calls.add(made)
        return made

    def message(self, item: Item) -> Message:
        self.made.append(item.id)
        if isinstance(item, Response):
            return item
        self.calls.sent(item)
        return Request(id=item.id, payload=RequestPayload(operation="o"))

    def take(self) -> Message | list[str] | None:
        return self.outgoing.take(self.message, lambda: NUMBERING)


def response(id: str, length: int = 0) -> Response:
    return Response(id=id, success=True, payload="x" * length)


Queued = tuple[str, bool, str]
"""The id of an item, whether it goes alone, and its text in a batch."""

kinds = st.sampled_from(["call", "call", "response", "alone", "unwanted", "first"])
items = st.tuples(kinds, st.integers(0, 300))


def put(machine: Machine, queue: list[Queued], id: str, kind: str, length: int) -> None:
    """Queue the same in both."""
    item: Item
    if kind == "response":
        item = response(id, length)
        text = member_content_text(item) + NUMBERING
    else:
        item = machine.call(id, ALONE if kind == "alone" else None)
        request = Request(id=id, payload=RequestPayload(operation="o"))
        text = member_content_text(request) + NUMBERING
    if kind == "first":
        machine.outgoing.append_first(item)
        queue.insert(0, (id, False, text))
        return
    machine.outgoing.append(item)
    if kind == "unwanted":
        machine.calls.abandon(id)
    else:
        queue.append((id, kind == "alone", text))


def taken_out(queue: list[Queued], batch_length: int) -> list[Queued]:
    """What goes next."""
    found: list[Queued] = []
    while queue and len(found) < MOST_IN_BATCH:
        alone = queue[0][1]
        full = sum(len(text) for _, _, text in found) > batch_length
        if found and (alone or full):
            break
        found.append(queue.pop(0))
        if alone:
            break
    return found


@settings(max_examples=300)
@given(st.lists(st.lists(items, max_size=30), max_size=4), st.integers(0, 3_000))
def test_what_goes_is_what_a_naive_queue_lets_go(
    rounds: list[list[tuple[str, int]]], batch_length: int
) -> None:
    machine = Machine(batch_length)
    queue: list[Queued] = []
    for number, round_ in enumerate(rounds):
        for place, (kind, length) in enumerate(round_):
            put(machine, queue, f"{number}-{place}", kind, length)
        expected = taken_out(queue, batch_length)
        machine.made.clear()
        load = machine.take()
        assert machine.made == [id for id, _, _ in expected]
        if isinstance(load, list):
            assert load == [text for _, _, text in expected]
            assert len(load) > 1
        else:
            assert machine.made == ([] if load is None else [load.id])


def test_an_empty_queue_gives_nothing() -> None:
    machine = Machine()
    assert machine.take() is None
    machine.outgoing.append(response("1"))
    machine.outgoing.clear()
    assert machine.take() is None


@pytest.mark.parametrize(
    ("queued", "loads"), [(1, [1]), (100, [100]), (101, [100, 1]), (200, [100, 100])]
)
def test_a_batch_holds_at_most_a_hundred(queued: int, loads: list[int]) -> None:
    machine = Machine()
    for number in range(queued):
        machine.outgoing.append(response(f"{number}"))
    found = []
    while (load := machine.take()) is not None:
        found.append(len(load) if isinstance(load, list) else 1)
    assert found == loads


def test_who_acts_for_another_address_travels_alone() -> None:
    """A batch's members are not signed one by one (C-9)."""
    machine = Machine()
    for id, identity in (("1", None), ("2", ALONE), ("3", ALONE), ("4", None), ("5", None)):
        machine.outgoing.append(machine.call(id, identity))
    found = []
    while machine.take() is not None:
        found.append(list(machine.made))
        machine.made.clear()
    assert found == [["1"], ["2"], ["3"], ["4", "5"]]


def test_one_long_message_is_not_cut_and_ends_its_batch() -> None:
    machine = Machine(batch_length=1_000)
    for id, length in (("1", 0), ("2", 50_000), ("3", 0), ("4", 0)):
        machine.outgoing.append(response(id, length))
    first, second = machine.take(), machine.take()
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert machine.made == ["1", "2", "3", "4"]
    assert [len(first), len(second)] == [2, 2]


def test_what_nobody_wants_is_not_kept() -> None:
    """Requests that are given up while there is no transport, for hours."""
    machine = Machine()
    for number in range(1_000):
        machine.outgoing.append(machine.call(f"{number}"))
        machine.calls.abandon(f"{number}")
    assert reachable(machine.outgoing, lambda held: isinstance(held, Call)) < 100
