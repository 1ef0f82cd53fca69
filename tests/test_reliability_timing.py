"""The measuring of times: a leak is found, and none where none is; by counted work."""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path

import attrs
import pytest

from cg_core import JoinHash, JoinHashHash, join_hash
from reliability import timing
from reliability.timing import (
    SURELY,
    Pair,
    alone,
    measure,
    stops_early,
    through_the_rules,
    welch,
    wrong_in,
)

HELD = join_hash("farm", "s3cret").reveal()


class Counted(str):
    """A text that counts how many of its characters are looked at."""

    __slots__ = ()
    looked_at = 0

    def __iter__(self):  # type: ignore[no-untyped-def] # a generator of characters
        for each in str.__iter__(self):
            type(self).looked_at += 1
            yield each


def looks_at_all(one: str, other: str) -> bool:
    return sum(mine != yours for mine, yours in zip(one, other, strict=True)) == 0


def found(compare: Callable[[str, str], bool]) -> timing.Finding:
    held = Counted(HELD)
    pair = Pair("here", "first, last", lambda guess: compare(held, guess), wrong_in(HELD, 4, -1))
    return measure(pair, 1_000, clock=lambda: Counted.looked_at)


def test_a_comparison_that_stops_early_is_found_out() -> None:
    finding = found(stops_early)
    assert finding.t > SURELY
    assert finding.difference == 63  # of 64 digits it looks at one, or at all
    assert finding.verdict == "they differ"


def test_one_that_looks_at_all_is_not() -> None:
    finding = found(looks_at_all)
    assert (finding.t, finding.difference, finding.verdict) == (0, 0, "nothing found")
    assert finding.median == len(HELD)


def test_a_leak_in_a_few_of_many_is_found_between_what_is_noise() -> None:
    """One of a hundred takes much longer, whatever the class: it is cropped."""
    steps = iter(range(10**9))
    now = 0

    def clock() -> int:
        return now

    def work(cost: int) -> None:
        nonlocal now
        number = next(steps)
        now += 1_000 + number * 7_919 % 101 + cost + 10**7 * (number % 100 == 0)

    leaks = measure(Pair("here", "two", work, lambda which, _: 20 * which), 20_000, clock=clock)
    even = measure(Pair("here", "two", work, lambda *_: 0), 20_000, clock=clock)
    assert (leaks.t > SURELY, leaks.crop < 100) == (True, True)
    assert abs(even.t) < timing.PERHAPS


def test_each_measurement_has_an_object_of_its_own() -> None:
    """Where one lies in memory shows in its time, and would pass for what its class shows."""
    for pair in (*alone(), *through_the_rules()):
        made: list[object] = []
        kept = attrs.evolve(pair, work=made.append)
        measure(kept, 200)
        assert len({id(each) for each in made}) == 200
        texts = [each.reveal() for each in made if isinstance(each, JoinHashHash)]
        assert len({id(text) for text in texts}) == len(texts)


def test_a_pair_is_wrong_where_it_says() -> None:
    choice = random.Random(3)
    for pair in [*alone()][1:]:
        places = (4, 67) if pair.must_not else (67, 67)
        for which in (0, 1):
            made = [pair.make(which, choice).reveal() for _ in range(50)]
            at = [at for at in range(68) if len({text[at] for text in made}) > 1]
            assert at == [places[which]], (pair.place, pair.classes)


@pytest.mark.parametrize("places", [(4, 67), (67, 67)])
def test_the_classes_differ_from_what_is_right_in_one_digit_each(places: tuple[int, int]) -> None:
    choice = random.Random(3)
    make = wrong_in(HELD, *places)
    for which in (0, 1):
        for _ in range(50):
            guess = make(which, choice)
            assert [at for at in range(68) if guess[at] != HELD[at]] == [places[which]]
            assert not JoinHash(guess).proves(JoinHash(HELD))
            assert not compare_digest(guess, HELD)


@pytest.mark.parametrize(
    ("first", "second", "t"),
    [
        ([1, 2, 3], [4, 5, 6], 3 / math.sqrt(2 / 3)),
        ([4, 5, 6], [1, 2, 3], -3 / math.sqrt(2 / 3)),
        ([1, 2, 3, 4], [1, 2, 3, 4], 0.0),
        ([5, 5], [5, 5, 5], 0.0),
        ([5, 5], [6, 6], math.inf),
        ([5], [6, 6], 0.0),
    ],
)
def test_welch(first: list[int], second: list[int], t: float) -> None:
    assert welch(first, second) == pytest.approx(t)


def test_a_run_tells_of_all_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    timing.add_arguments(parser)
    given = parser.parse_args(["--measurements", "400"])
    given.quick, given.report = True, tmp_path / "report"
    timing.run(given)  # what it finds is for a calm machine
    told = json.loads((tmp_path / "report" / "timing.json").read_text())
    places = [each["place"] for each in told["findings"]]
    assert len(places) == 13
    assert {"JoinHash.proves", "JoinHashHash.proves", "the rules, in memory"} < set(places)
    text = (tmp_path / "report" / "timing.md").read_text()
    assert text in capsys.readouterr().out
    assert text.count("\n| ") == 15  # with the two lines of the heading


@pytest.mark.parametrize(
    ("ts", "status"),
    [([99.0, 1.0], 0), ([99.0, 11.0], 1), ([99.0, -11.0], 1), ([9.0, 1.0], 1)],
)
def test_it_fails_where_a_leak_was_found_or_none_would_be(
    ts: list[float], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        timing.Finding("here", "two", 9, t, 90, 1.0, 0.0, number > 0) for number, t in enumerate(ts)
    ]
    monkeypatch.setattr(timing, "_found", lambda *_: iter(findings))
    given = argparse.Namespace(quick=True, report=None, measurements=None, seed=1)
    assert timing.run(given) == status
