"""The caps of a service: what their reasons say is so."""

from __future__ import annotations

import sys
import tracemalloc

import attrs
import pytest

from cg_core import Identity, JobId
from cg_core.framing import Limits
from cg_core.service import ServiceLimits
from cg_core.service.limits import REQUEST_VALUES
from cg_core.session import Capacity, Settings, StampMemory
from cg_core.session.messages import Validity
from cg_core.session.validity import DEFAULT_TTL, SLACK

LIMITS = ServiceLimits()


def test_those_of_connections_and_sessions_are_their_own() -> None:
    assert LIMITS.connections == Limits(message_values=REQUEST_VALUES)
    assert LIMITS.capacity == Capacity()
    assert LIMITS.sessions == Settings()


def test_they_do_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        LIMITS.stamps = 1  # type: ignore[misc] # that is the point


def test_stamps_hold_what_comes_in_their_life() -> None:
    assert LIMITS.stamps // (DEFAULT_TTL + SLACK) in (13, 14)


def test_what_a_stamp_takes() -> None:
    stamps = StampMemory(most_stamps=LIMITS.stamps, most_callers=1)
    caller = Identity(b"\1" * 32).address
    tracemalloc.start()
    for number in range(LIMITS.stamps):
        stamps.take(caller, Validity(stamp=f"{number:021}", ttl=120.0, time=float(number)), 0.0)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / LIMITS.stamps < 300


def test_what_a_character_of_an_answer_takes() -> None:
    job = str(JobId("P+Y4IApeFQLrYS2W7MkVg7"))
    in_a_list = sys.getsizeof(job) + sys.getsizeof([None] * 1_000) / 1_000
    assert in_a_list / len(f'"{job}",') < 4


def test_ten_of_the_longest_answers_may_wait() -> None:
    assert LIMITS.untaken_answers == 10 * LIMITS.connections.message_length


def test_one_caller_does_not_fill_the_queue_at_once() -> None:
    assert LIMITS.calls_at_once < LIMITS.waiting_calls / 2
