"""How fast each caller may call, against a bucket that leaks."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cg_core import Address
from cg_core.service.rates import Rates
from tests.core.reachable import reachable

ALICE, BOB, *OTHERS = (Address.from_bytes(bytes([n]) * 20) for n in range(1, 20))

calls = st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.integers(0, 12)), max_size=60)


class Bucket:
    """A caller's bucket: each call pours one in, and so many leak out a second."""

    def __init__(self, per_second: int, at_once: int) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._level = Fraction(0)
        self._time = Fraction(0)

    def take(self, now: Fraction) -> bool:
        self._level = max(Fraction(0), self._level - (now - self._time) * self._per_second)
        self._time = now
        if self._level + 1 > self._at_once:
            return False
        self._level += 1
        return True


@given(calls, st.integers(1, 1_000), st.integers(1, 10), st.sampled_from([0, 10**3, 10**7]))
def test_each_caller_has_a_bucket_that_leaks(
    calls: list[tuple[Address, int]], per_second: int, at_once: int, begin: int
) -> None:
    rates = Rates(per_second, at_once, most_callers=2)
    buckets = {caller: Bucket(per_second, at_once) for caller in (ALICE, BOB)}
    steps = 0
    for caller, wait in calls:
        steps += wait
        now = begin + Fraction(steps, per_second)  # so many calls' time
        assert rates.take(caller, float(now)) is buckets[caller].take(now)


@given(
    st.lists(st.floats(0, 0.3), min_size=1, max_size=60),
    st.floats(0.5, 2_000),
    st.integers(1, 10),
)
def test_whenever_they_come_never_more_than_so_many_are_taken(
    waits: list[float], per_second: float, at_once: int
) -> None:
    rates = Rates(per_second, at_once, most_callers=1)
    now = 0.0
    taken: list[float] = []
    for wait in waits:
        now += wait
        if rates.take(ALICE, now):
            taken.append(now)
    for first, begin in enumerate(taken):
        for last, end in enumerate(taken[first:], first):
            # One more for the call that begins the time, and rounding.
            assert last - first < at_once + (end - begin) * per_second + 1


@given(st.floats(0.5, 2_000), st.integers(1, 10), st.floats(0, 1e8))
def test_who_keeps_to_the_rate_is_never_refused(
    per_second: float, at_once: int, begin: float
) -> None:
    rates = Rates(per_second, at_once, most_callers=1)
    assert all(rates.take(ALICE, begin) for _ in range(at_once))
    assert not rates.take(ALICE, begin)
    assert all(rates.take(ALICE, begin + number / per_second) for number in range(1, 50))


def test_the_one_who_was_silent_the_longest_is_forgotten() -> None:
    rates = Rates(1, 1, most_callers=2)
    assert rates.take(ALICE, 0.0)
    assert rates.take(BOB, 0.0)
    assert not rates.take(ALICE, 0.1)  # who was refused has not been silent
    assert rates.take(OTHERS[0], 0.2)
    assert not rates.take(ALICE, 0.3)
    assert rates.take(BOB, 0.3)  # forgotten, and begun anew


def test_memory_is_bounded() -> None:
    rates = Rates(1, 1, most_callers=5)
    for caller in OTHERS:
        rates.take(caller, 0.0)
    assert reachable(rates, lambda held: isinstance(held, Address)) == 5


def test_there_may_be_no_rate_at_all() -> None:
    rates = Rates(math.inf, 1, most_callers=1)
    assert all(rates.take(ALICE, 0.0) for _ in range(100))
