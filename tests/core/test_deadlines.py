"""Deadlines: the same as those of a dict that is searched, at less cost."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cg_core.deadlines import Deadlines
from tests.core.reachable import reachable

keys = st.integers(0, 5).map(lambda number: f"key-{number}")
times = st.integers(0, 20) | st.floats(0, 20)


class DeadlinesAndDict(RuleBasedStateMachine):
    """Deadlines, and a dict of them."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: Deadlines[Hashable] = Deadlines()
        self.dict: dict[Hashable, float] = {}

    def give(self, key: Hashable, time: float) -> None:
        self.deadlines.set(key, time)
        self.dict[key] = time

    @rule(key=keys, time=times)
    def set(self, key: str, time: float) -> None:
        self.give(key, time)

    @rule(key=keys)
    def take_away(self, key: str) -> None:
        self.deadlines.set(key, None)
        self.dict.pop(key, None)

    @precondition(lambda self: self.dict)
    @rule(data=st.data(), sooner=st.booleans(), by=st.integers(1, 5))
    def move(self, data: st.DataObject, sooner: bool, by: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.dict, key=str)))
        self.give(key, self.dict[key] + (-by if sooner else by))

    @rule(now=times)
    def take_due(self, now: float) -> None:
        found = list(self.deadlines.due(now))
        assert {key for key, time in self.dict.items() if time <= now} == set(found)
        due = [self.dict.pop(key) for key in found]
        assert due == sorted(due)

    @rule(now=times, moved=keys, time=times.map(lambda time: time + 21))
    def move_while_taking(self, now: float, moved: str, time: float) -> None:
        """What is done for one that is due moves another, which is then not due any more."""
        for key in self.deadlines.due(now):
            assert self.dict.pop(key) <= now
            self.give(moved, time)
        assert not [key for key, time in self.dict.items() if time <= now]

    @rule(now=times)
    def take_one(self, now: float) -> None:
        """The others stay."""
        earliest = min(self.dict.values(), default=math.inf)
        found = next(self.deadlines.due(now), None)
        assert (found is None) is (earliest > now)
        if found is not None:
            assert self.dict.pop(found) == earliest

    @invariant()
    def both_are_the_same(self) -> None:
        assert len(self.deadlines) == len(self.dict)
        assert self.deadlines.next() == min(self.dict.values(), default=None)
        some = {key: time for key, time in self.dict.items() if str(key) < "key-3"}
        found = self.deadlines.next_of(lambda key: str(key) < "key-3")
        assert found == min(some.values(), default=None)


TestDeadlinesAreThoseOfADict = DeadlinesAndDict.TestCase
TestDeadlinesAreThoseOfADict.settings = settings(stateful_step_count=40)


def test_nothing_is_due_where_there_is_nothing() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next() is None
    assert list(deadlines.due(math.inf)) == []
    deadlines.set("a", None)
    assert len(deadlines) == 0


def test_keys_need_no_order() -> None:
    deadlines: Deadlines[Any] = Deadlines()
    several = [None, 1, "a", (1, "a"), object(), frozenset()]
    for key in several:
        deadlines.set(key, 5)
    assert list(deadlines.due(4.999)) == []
    assert set(deadlines.due(5)) == set(several)


def test_one_that_was_taken_is_not_due_again() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for time in (9, 7, 5, 3):
        deadlines.set("a", time)
    assert list(deadlines.due(10)) == ["a"]
    assert list(deadlines.due(10)) == []
    deadlines.set("a", 7)
    assert list(deadlines.due(10)) == ["a"]


@pytest.mark.parametrize("earlier", [None, 5])
def test_one_that_never_comes_is_waited_for_by_nobody(earlier: float | None) -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", earlier)
    deadlines.set("a", math.inf)
    assert deadlines.next() is None


def held(deadlines: Deadlines[str]) -> int:
    return reachable(deadlines, lambda each: isinstance(each, str) and each.startswith("key-"))


# How often a key's deadline is set, and to what.
moves = st.lists(st.tuples(keys, st.none() | st.integers(0, 1_000)), min_size=100, max_size=300)


@given(moves)
def test_after_many_moves_all_is_still_there_and_not_more(
    moves: list[tuple[str, float | None]],
) -> None:
    deadlines: Deadlines[str] = Deadlines()
    expected: dict[str, float] = {}
    for key, time in moves:
        deadlines.set(key, time)
        expected.pop(key, None)
        if time is not None:
            expected[key] = time
        assert held(deadlines) <= 4 * len(deadlines) + 100
        assert deadlines.next() == min(expected.values(), default=None)
    assert [expected[key] for key in deadlines.due(1_000)] == sorted(expected.values())


@pytest.mark.parametrize("time", [5, 4, 6])
def test_one_that_was_away_for_long_comes_again(time: float) -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("key-a", 5)
    deadlines.set("key-a", None)
    for number in range(100):
        deadlines.set(f"key-{number}", 7)
        deadlines.set(f"key-{number}", None)
    deadlines.set("key-a", time)
    assert deadlines.next() == time
    assert list(deadlines.due(time)) == ["key-a"]


def test_one_stays_while_others_come_and_go() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("key-a", 9)
    for number in range(100):
        deadlines.set(f"key-{number}", 7)
        deadlines.set(f"key-{number}", None)
    assert list(deadlines.due(9)) == ["key-a"]


@pytest.mark.parametrize(
    "step", [1, -1, 0], ids=["later and later", "sooner and sooner", "away and again"]
)
def test_memory_does_not_grow_with_time(step: int) -> None:
    deadlines: Deadlines[str] = Deadlines()
    for number in range(10_000):
        deadlines.set("key-a", 1e6 + step * number)
        deadlines.set(f"key-{number}", 1e6)
        if step == 0:
            deadlines.set("key-a", None)
        deadlines.set(f"key-{number}", None)
    assert len(deadlines) == abs(step)
    assert held(deadlines) <= 100


def test_moving_a_deadline_to_a_later_time_costs_no_memory_at_all() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("key-a", 0)
    before = held(deadlines)
    for time in range(20):
        deadlines.set("key-a", time)
    assert held(deadlines) == before


def test_memory_does_not_grow_when_deadlines_come() -> None:
    """Each is set far off, is lowered, and comes, as those of a session do."""
    deadlines: Deadlines[str] = Deadlines()
    for number in range(1_000):
        deadlines.set("key-a", 1e6)
        deadlines.set("key-a", number)
        assert list(deadlines.due(number)) == ["key-a"]
    assert held(deadlines) <= 100
