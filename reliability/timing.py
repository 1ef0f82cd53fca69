"""Whether the time of a comparison of secrets tells anything of them.

Two classes of guesses are made in random order, and each is timed: alone, through the rules, and
through a live `cg serve`. Welch's t says whether the two classes take the same time (as in dudect,
Reparaz et al. 2017): above 10 they surely do not, below 4.5 nothing was found. What is found is
there; that nothing was found proves nothing. A comparison that stops at the first difference is
measured as well, to show that a leak would be seen, and two classes that nothing tells apart, to
show what is noise.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs

from benchmarks.report import Machine, table
from cg_backends.memory import World
from cg_backends.sync import SyncClient, connect
from cg_core import AddJob, Caller, Descriptor, Identity, JoinHash, JoinHashHash, Refused, join_hash
from tests.peers.live_service import cg_serve

SURELY: Final = 10.0
PERHAPS: Final = 4.5
# Percentiles of both classes together, above which none count.
_CROPS: Final = (50, 75, 90, 99, 100)
# Guesses are made before the first of them is timed: how one was made would show in its time.
_BATCH: Final = 1_000
_PERCENTILES: Final = ", ".join(map(str, _CROPS))
_HEADINGS: Final = (
    "where", "two classes", "measurements", "t", "crop", "median", "difference", "",
)  # fmt: skip
_FIRST, _LAST = 4, -1  # digits of a hash
_FIRST_AND_LAST: Final = "hash wrong in its first digit, in its last"
_JOB: Final = "P+Y4IApeFQLrYS2W7MkVg7"
_KEY: Final = "farm"
_SECRET: Final = "the secret of the farm"
_SESSION: Final = "a session of forty-two letters, as they are"
_OWNER: Final = Identity(b"\1" * 32)
_CALLER: Final = Identity(b"\2" * 32)

Clock: TypeAlias = Callable[[], int]
Work: TypeAlias = Callable[[Any], object]


@attrs.frozen
class Pair:
    """Two classes of guesses, and what is done with each of them.

    Attributes:
        place: where the time is taken.
        classes: what the two are.
        work: what is timed.
        make: makes what is worked with, of one class or the other (0 or 1). Each measurement has
            one of its own, for where an object lies in memory shows in the time that it takes.
        must_not: whether a difference would tell something of a secret that nothing else tells.
    """

    place: str
    classes: str
    work: Work
    make: Callable[[int, random.Random], Any]
    must_not: bool = True


@attrs.frozen
class Finding:
    """What was measured of a pair.

    Attributes:
        place: where.
        classes: what the two classes are.
        measurements: how many, of both classes.
        t: Welch's t, the largest over the crops; positive where the second class takes longer.
        crop: the percentile at which it was.
        median: nanoseconds of the first class.
        difference: of the medians, second minus first, in nanoseconds.
        must_not: see `Pair`.
    """

    place: str
    classes: str
    measurements: int
    t: float
    crop: int
    median: float
    difference: float
    must_not: bool

    @property
    def verdict(self) -> str:
        """What the t says."""
        if abs(self.t) > SURELY:
            return "they differ"
        return "they may differ" if abs(self.t) > PERHAPS else "nothing found"


def measure(
    pair: Pair, count: int, *, seed: int = 1, clock: Clock = time.perf_counter_ns
) -> Finding:
    """Time a pair.

    Args:
        pair: what.
        count: measurements, of both classes together.
        seed: of the order.
        clock: gives nanoseconds.
    """
    order = random.Random(seed)
    times: tuple[list[int], list[int]] = ([], [])
    work = pair.work
    for done in range(0, count, _BATCH):
        chosen = [order.getrandbits(1) for _ in range(min(_BATCH, count - done))]
        guesses = [pair.make(which, order) for which in chosen]
        for which, guess in zip(chosen, guesses, strict=True):
            begun = clock()
            work(guess)
            took = clock() - begun  # with nothing in between that depends on the class
            times[which].append(took)
    t, crop = _largest_t(times)
    first, second = map(_median, times)
    return Finding(pair.place, pair.classes, count, t, crop, first, second - first, pair.must_not)


def _largest_t(times: tuple[list[int], list[int]]) -> tuple[float, int]:
    pooled = sorted(times[0] + times[1])
    found = []
    for crop in _CROPS:
        most = pooled[max(len(pooled) * crop // 100 - 1, 0)]
        first, second = ([each for each in one if each <= most] for one in times)
        found.append((welch(first, second), crop))
    return max(found, key=lambda each: abs(each[0]))


def welch(first: Sequence[int], second: Sequence[int]) -> float:
    """Welch's t of two samples; infinite where both are constant and differ."""
    if min(len(first), len(second)) < 2:
        return 0.0
    means = [sum(each) / len(each) for each in (first, second)]
    error = 0.0
    for sample, mean in zip((first, second), means, strict=True):
        variance = sum((value - mean) ** 2 for value in sample) / (len(sample) - 1)
        error += variance / len(sample)
    difference = means[1] - means[0]
    if error == 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / math.sqrt(error)


def _median(values: Sequence[int]) -> float:
    return float(sorted(values)[len(values) // 2]) if values else math.nan


# What is measured.


def wrong_in(right: str, *places: int) -> Callable[[int, random.Random], str]:
    """Makes hashes that are wrong in one digit, of each class in another place."""

    def make(which: int, choice: random.Random) -> str:
        digits = list(right)
        wrong = [digit for digit in "0123456789abcdef" if digit != digits[places[which]]]
        digits[places[which]] = choice.choice(wrong)
        return "".join(digits)

    return make


def stops_early(one: str, other: str) -> bool:
    """Whether two texts are alike, found out as nobody should."""
    for mine, yours in zip(one, other, strict=True):  # noqa: SIM110 - `all` would be a frame less
        if mine != yours:
            return False
    return True


def alone() -> Iterator[Pair]:
    """The comparisons alone."""
    held = join_hash(_KEY, _SECRET)
    right = held.reveal()
    yield Pair(
        "a comparison that stops early", _FIRST_AND_LAST, partial(stops_early, right),
        wrong_in(right, _FIRST, _LAST), must_not=False,
    )  # fmt: skip

    def prove(guess: JoinHash | JoinHashHash) -> bool:
        return guess.proves(held)

    yield from _pairs_of_hashes("JoinHash.proves", prove, right, JoinHash)
    right = held.salted(_SESSION).reveal()
    yield from _pairs_of_hashes(
        "JoinHashHash.proves", prove, right, partial(JoinHashHash, _SESSION)
    )


def _pairs_of_hashes(
    place: str, work: Work, right: str, guess: Callable[[str], object]
) -> Iterator[Pair]:
    def pair(classes: str, places: tuple[int, int], *, must_not: bool) -> Pair:
        text = wrong_in(right, *places)
        return Pair(place, classes, work, lambda *which: guess(text(*which)), must_not)

    yield pair(_FIRST_AND_LAST, (_FIRST, _LAST), must_not=True)
    yield pair("both wrong in the last: the noise", (_LAST, _LAST), must_not=False)


def through_the_rules() -> Iterator[Pair]:
    """Calls that are refused, in memory."""
    world = World()
    world.connect(_OWNER).create("a farm", join_key=_KEY, join_secret=_SECRET, deploy_access="join")
    caller = Caller(_CALLER.address)

    call = _refused(lambda request: world.execute(request, caller))
    held = join_hash(_KEY, _SECRET)
    yield from _calls("the rules, in memory", call, held.salted(_SESSION).reveal(), _SESSION)


def through_a_service(client: SyncClient) -> Iterator[Pair]:
    """Calls that are refused, by a live service.

    Args:
        client: with a session.
    """
    call = _refused(client.call)
    client.list_groups()  # so that there is a session
    # Nobody but this attacker needs its session's id, so no method gives it.
    session_id = client._machine._links[-1].session.session_id
    assert session_id is not None
    right = join_hash(_KEY, _SECRET).salted(session_id).reveal()
    yield from _calls("a live service, over loopback", call, right, session_id)


def _refused(execute: Callable[[AddJob], object]) -> Work:
    def call(request: AddJob) -> None:
        try:
            execute(request)
        except Refused:
            return
        raise AssertionError("a guess was right")

    return call


def _calls(place: str, call: Work, right: str, session_id: str) -> Iterator[Pair]:
    def request(text: str | None, join_key: str = _KEY) -> AddJob:
        proof = None if text is None else JoinHashHash(session_id, text)
        return AddJob(Descriptor.received(None, join_key, proof), _JOB)

    wrong = wrong_in(right, _LAST, _LAST)

    def missing_or_wrong(which: int, choice: random.Random) -> AddJob:
        text = wrong(which, choice)
        return request(text if which else None)

    def no_such_key_or_wrong(which: int, choice: random.Random) -> AddJob:
        return request(wrong(which, choice), _KEY if which else f"{_KEY} no")

    yield from _pairs_of_hashes(place, call, right, request)
    yield Pair(place, "credentials missing, wrong", call, missing_or_wrong, must_not=False)
    yield Pair(place, "no such join key, wrong hash", call, no_such_key_or_wrong, must_not=False)


@contextmanager
def _service() -> Iterator[SyncClient]:
    rates = ("--calls-per-second", "1e9", "--calls-at-once", "1000000000", "--stamps", "1000000")
    with (
        tempfile.TemporaryDirectory() as folder,
        cg_serve(Path(folder), *rates) as service,
        connect(service.url, identity=_OWNER) as owner,
        connect(service.url, identity=_CALLER, idle_timeout=None) as client,
    ):
        owner.create("a farm", join_key=_KEY, join_secret=_SECRET, deploy_access="join")
        assert isinstance(client, SyncClient)
        yield client


# The command.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this subject."""
    parser.add_argument(
        "--measurements", type=int, help="of a comparison alone; of calls fewer [1000000]"
    )
    parser.add_argument("--seed", type=int, default=1)


def run(given: argparse.Namespace) -> int:
    """Measure, and tell; 0 if the leak that is one was seen, and no other that must not be."""
    count = given.measurements or (4_000 if given.quick else 1_000_000)
    findings = list(_found(count, given.seed))
    text = markdown(findings, quick=given.quick)
    print(text)
    if given.report is not None:
        given.report.mkdir(parents=True, exist_ok=True)
        (given.report / "timing.md").write_text(text, encoding="utf-8")
        told = {"quick": given.quick, "findings": [attrs.asdict(each) for each in findings]}
        (given.report / "timing.json").write_text(json.dumps(told, indent=1) + "\n")
    leaks = [each for each in findings if each.must_not and abs(each.t) > SURELY]
    for each in leaks:
        print(f"FAILED: {each.place}: {each.classes}: t = {each.t:.1f}", file=sys.stderr)
    if abs(findings[0].t) <= SURELY:
        print("FAILED: a comparison that stops early was not found out", file=sys.stderr)
        return 1
    return 1 if leaks else 0


def _found(count: int, seed: int) -> Iterator[Finding]:
    for pair in alone():
        yield measure(pair, count, seed=seed)
    for pair in through_the_rules():
        yield measure(pair, max(count // 5, 100), seed=seed)
    with _service() as client:
        for pair in through_a_service(client):
            yield measure(pair, max(count // 50, 100), seed=seed)


def markdown(findings: Sequence[Finding], *, quick: bool) -> str:
    """The report."""
    smoke = "A smoke run, whose figures mean little. " if quick else ""
    date = datetime.now(UTC).date().isoformat()
    rows = (
        (
            each.place, each.classes, f"{each.measurements:,}", f"{each.t:+.1f}",
            f"{each.crop} %", f"{each.median / 1000:.2f} µs", f"{each.difference:+.0f} ns",
            each.verdict,
        )
        for each in findings
    )  # fmt: skip
    return f"""\
# What times tell of secrets

`python -m reliability timing --report` wrote this. Two classes of guesses, in random
order; Welch's t of their times, the largest over crops at percentiles {_PERCENTILES}.
Above {SURELY:g} the two differ surely, below {PERHAPS:g} nothing was found. The first
line is a comparison that leaks, to show that it would be seen; two classes that are alike
show what is noise here. That a join key is taken is told by the answer itself, so its
time tells nothing more.

{smoke}Taken on {date}, on {Machine.this()}.

{table(_HEADINGS, rows, left=(0, 1, 7))}"""
