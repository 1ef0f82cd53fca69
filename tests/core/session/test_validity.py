"""Validity: a request is taken once, however little is remembered."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cg_core import Address, Refused
from cg_core.session.messages import Request, Validity, from_body
from cg_core.session.validity import (
    DEFAULT_TTL,
    LONGEST_TTL,
    SHORTEST_TTL,
    SLACK,
    StampMemory,
)
from tests.core.reachable import reachable
from tests.transcripts import load

CALLERS = [Address.from_bytes(bytes([number]) * 20) for number in range(1, 4)]
CALLER = CALLERS[0]


class Attempt(NamedTuple):
    """A request, and when it comes."""

    caller: Address
    validity: Validity
    now: float


def validity(stamp: str = "s", ttl: float | None = 120, time: float = 0) -> Validity:
    return Validity(stamp=stamp, ttl=ttl, time=time)


def expiry(validity: Validity) -> float:
    """When a request expires, as wire.md has it."""
    ttl = validity.ttl or 120
    return validity.time + (15 if ttl < 15 else min(ttl, 600))


def code(refused: Refused | None) -> str | None:
    return None if refused is None else refused.code


class NaiveMemory:
    """Remembers each request for good."""

    def __init__(self) -> None:
        self.taken: dict[tuple[Address, str], list[float]] = {}

    def take(self, caller: Address, validity: Validity, now: float) -> str | None:
        if validity.time > now + 600:
            return "ETIMETRAVEL"
        if expiry(validity) < now - 600:
            return "EEXPIRED"
        lives = self.taken.setdefault((caller, validity.stamp), [])
        if any(life >= now - 600 for life in lives):
            return "EDUP"
        lives.append(expiry(validity))
        return None


# Whole seconds near one another, so that stamps, lives and limits meet.
validities = st.builds(
    Validity,
    stamp=st.sampled_from("abcdefgh"),
    ttl=st.sampled_from([None, -5, 0, 1, 15, 16, 120, 600, 601, 99_999]),
    time=st.integers(0, 30).map(lambda step: step * 60),
)
times = st.integers(0, 30).map(lambda step: step * 60) | st.integers(0, 1_800)
attempts = st.lists(
    st.builds(Attempt, st.sampled_from(CALLERS), validities, times), min_size=1, max_size=30
)
in_time = attempts.map(lambda attempts: sorted(attempts, key=lambda attempt: attempt.now))
caps = st.integers(0, 4)
MANY = settings(max_examples=400)


@MANY
@given(in_time)
def test_who_has_room_remembers_all(attempts: list[Attempt]) -> None:
    memory, naive = StampMemory(), NaiveMemory()
    for attempt in attempts:
        assert code(memory.take(*attempt)) == naive.take(*attempt)


@MANY
@given(in_time, caps)
def test_who_has_no_room_refuses_more_and_only_what_is_old(
    attempts: list[Attempt], most: int
) -> None:
    """What the naive one takes is refused only if more than fits is remembered and lives longer.

    A stamp may come again in another request, which lives longer: its owner signed it, twice.
    """
    memory, naive = StampMemory(most_stamps=most), NaiveMemory()
    taken: list[Attempt] = []
    for attempt in attempts:
        answer = code(memory.take(*attempt))
        own = [earlier for earlier in taken if earlier.caller == attempt.caller]
        if answer is None:
            assert naive.take(*attempt) in (None, "EDUP")
            assert all(
                expiry(earlier.validity) < expiry(attempt.validity)
                for earlier in own
                if earlier.validity.stamp == attempt.validity.stamp
                and expiry(earlier.validity) >= attempt.now - 600
            )
            taken.append(attempt)
        elif answer == "EEXPIRED" and expiry(attempt.validity) >= attempt.now - 600:
            older = [each for each in own if expiry(each.validity) >= expiry(attempt.validity)]
            assert len(older) > most
        else:
            assert naive.take(*attempt) == answer


@MANY
@given(in_time, caps)
def test_nothing_is_taken_twice(attempts: list[Attempt], most: int) -> None:
    memory = StampMemory(most_stamps=most)
    taken = [attempt[:2] for attempt in attempts if memory.take(*attempt) is None]
    assert len(set(taken)) == len(taken)


@MANY
@given(attempts, caps)
@example(
    [
        Attempt(CALLER, validity("a", 15, 0), 0),
        Attempt(CALLER, validity("b", 15, 900), 900),
        Attempt(CALLER, validity("a", 15, 0), 0),
    ],
    4,
)
def test_nothing_is_taken_twice_even_if_the_clock_jumps_back(
    attempts: list[Attempt], most: int
) -> None:
    memory = StampMemory(most_stamps=most)
    taken = [attempt[:2] for attempt in attempts if memory.take(*attempt) is None]
    assert len(set(taken)) == len(taken)


@given(in_time, caps)
def test_one_caller_is_nothing_to_another(attempts: list[Attempt], most: int) -> None:
    together = StampMemory(most_stamps=most)
    apart = {caller: StampMemory(most_stamps=most) for caller in CALLERS}
    for attempt in attempts:
        assert code(together.take(*attempt)) == code(apart[attempt.caller].take(*attempt))


def remembered(memory: StampMemory) -> int:
    return reachable(memory, lambda held: isinstance(held, str) and held.startswith("stamp-"))


@pytest.mark.parametrize(("most_stamps", "most_callers"), [(10, 5), (0, 1), (1_000, 1)])
def test_memory_is_bounded(most_stamps: int, most_callers: int) -> None:
    memory = StampMemory(most_stamps=most_stamps, most_callers=most_callers)
    for number in range(3_000):
        caller = Address.from_bytes((number % 50 + 1).to_bytes(20))
        # Some come in order of their expiry, some not.
        request = validity(f"stamp-{number}", 15 + number * 7 % 500)
        memory.take(caller, request, 0)
    # Each is held twice: by its text, and by its expiry.
    assert remembered(memory) <= 2 * most_stamps * most_callers


def test_what_has_expired_is_no_longer_remembered() -> None:
    memory = StampMemory()
    for number in range(1_000):
        memory.take(CALLER, validity(f"stamp-{number}", 15), 0)
    assert remembered(memory) >= 1_000
    memory.take(CALLER, validity("stamp-last", 15, 615), 615)
    assert remembered(memory) >= 1_000, "good to the last second"
    memory.take(CALLER, validity("stamp-later", 15, 615), 615.5)
    assert remembered(memory) <= 2 * 2


def test_the_caller_longest_unheard_of_is_forgotten() -> None:
    memory = StampMemory(most_callers=2)
    one, two, three = CALLERS

    def take(caller: Address, stamp: str) -> str | None:
        return code(memory.take(caller, validity(stamp), 0))

    assert [take(one, "a"), take(two, "a"), take(one, "b"), take(three, "a")] == [None] * 4
    assert [take(one, "a"), take(three, "a")] == ["EDUP", "EDUP"]
    assert take(two, "a") is None


@given(st.lists(st.tuples(st.sampled_from(CALLERS), st.integers(0, 4)), max_size=40))
def test_the_stamps_of_all_have_a_cap(asked: list[tuple[Address, int]]) -> None:
    """Beyond it callers are forgotten, those first of whom nothing was heard the longest."""
    memory = StampMemory(most_stamps=3, most_in_all=4)
    known: dict[Address, set[str]] = {}
    for caller, number in asked:
        stamp = f"stamp-{number}"
        stamps = known.pop(caller, set())
        known[caller] = stamps
        found = code(memory.take(caller, validity(stamp, 100 + number), 0))
        assert (found == "EDUP") is (stamp in stamps)
        stamps.clear()
        stamps.update(memory._callers[caller].seen)
        while len(known) > 1 and sum(map(len, known.values())) > 4:
            del known[next(iter(known))]
        assert list(memory._callers) == list(known)
        assert remembered(memory) == 2 * sum(map(len, known.values()))


@pytest.mark.parametrize(
    ("ttl", "lives"),
    [
        (None, DEFAULT_TTL), (0, DEFAULT_TTL), (0.0, DEFAULT_TTL), (-5, SHORTEST_TTL),
        (1, SHORTEST_TTL), (15, 15), (15.5, 15.5), (600, 600), (600.5, LONGEST_TTL),
        (99_999, LONGEST_TTL), (math.inf, LONGEST_TTL), (-math.inf, SHORTEST_TTL),
    ],
)  # fmt: skip
def test_how_long_a_request_is_good(ttl: float | None, lives: float) -> None:
    request = validity("s", ttl, 1_000)
    assert StampMemory().take(CALLER, request, 1_000 + lives + SLACK) is None
    assert code(StampMemory().take(CALLER, request, 1_000.25 + lives + SLACK)) == "EEXPIRED"
    assert StampMemory().take(CALLER, request, 1_000 - SLACK) is None
    assert code(StampMemory().take(CALLER, request, 999.75 - SLACK)) == "ETIMETRAVEL"


def test_the_limits_are_those_of_the_official_peer() -> None:
    assert (SHORTEST_TTL, DEFAULT_TTL, LONGEST_TTL, SLACK) == (15, 120, 600, 600)


@pytest.mark.parametrize(
    "request_validity",
    [
        None,
        validity(""),
        validity("x" * 65),
        validity(time=math.inf),
        validity(time=-math.inf),
        validity(time=math.nan),
    ],
)
def test_what_cannot_be_judged_is_invalid(request_validity: Validity | None) -> None:
    assert code(StampMemory().take(CALLER, request_validity, 0)) == "EINVAL"


def test_a_stamp_may_be_long() -> None:
    memory = StampMemory()
    assert [code(memory.take(CALLER, validity("x" * 64), 0)) for _ in range(2)] == [None, "EDUP"]


@given(st.floats(allow_nan=False), st.floats(-1e9, 1e9))
def test_any_time_is_judged(time: float, now: float) -> None:
    refused = StampMemory().take(CALLER, validity(time=time), now)
    assert code(refused) in (None, "EINVAL", "ETIMETRAVEL", "EEXPIRED")


def test_who_has_a_wrong_clock_is_told_by_how_much() -> None:
    early = StampMemory().take(CALLER, validity(time=1_000), 5)
    late = StampMemory().take(CALLER, validity(time=5), 1_000)
    assert "future, by 995 s" in str(early)
    assert "expired 875 s ago" in str(late)


def test_a_refused_request_is_not_remembered() -> None:
    memory = StampMemory()
    assert code(memory.take(CALLER, validity(time=1_000), 0)) == "ETIMETRAVEL"
    assert memory.take(CALLER, validity(time=1_000), 1_000) is None


# The official Target takes a number as a stamp, and finds it again in the text of it. Ours does
# not: a stamp is a text.
DIFFERENT = {129: ("EINVAL", None), 137: (None, "EDUP")}


def answered(payload: Any) -> str | None:
    return None if payload["success"] else payload["payload"]["code"]


def test_recorded_requests_are_judged_as_the_official_target_does() -> None:
    texts = load("i").texts
    responses = {text.body["id"]: text.body for text in texts if text.body["type"] == "response"}
    memory = StampMemory()
    codes = []
    for text in texts:
        message = from_body(text.body)
        if isinstance(message, Request) and message.payload.operation == "echo":
            response = responses[message.id]
            ours = code(memory.take(CALLER, message.payload.validity, response["time"]))
            theirs = answered(response)
            assert (ours, theirs) == DIFFERENT.get(text.line, (ours, ours))
            codes.append(ours)
    assert len(codes) == 20
    assert set(codes) == {None, "EINVAL", "EEXPIRED", "ETIMETRAVEL", "EDUP"}
