"""Calls by WebSocket: our clients and the official one, each with our service and the Target.

Each client has a process of its own, and so have `cg serve` (over SQLite) and the official Target,
which answers by itself, from nothing. All take turns. Needs Node; without it there are no figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import attrs

from benchmarks.load import BACKENDS, GROUP
from benchmarks.measure import Figure, figure
from cg_backends import sync
from cg_core import Identity
from cg_core.ecmascript_json import JSONValue
from tests.peers.live_service import cg_serve
from tests.peers.node import OfficialClient, official_client, official_target
from tests.peers.node_process import HERE, missing

ROOT = Path(__file__).parent.parent
CLIENT_KEY, TARGET_KEY = "01" * 32, "02" * 32
ROUNDS = 5
MANY = 200
# One caller makes more calls than a service that is not told so would take: 1000 a second.
NO_LIMITS = ("--calls-per-second", "1000000", "--calls-at-once", "1000000")
# Calls in a round, of the official client or Target, and of ours with ours: alone, and 200 at once.
CALLS = {1: (50, 500), MANY: (2_000, 40_000)}
WARM_UP = 2_000
# How many times less time: alone, and 200 at once.
OURS: Mapping[str, Mapping[int, float | None]] = {
    "sync": {1: 50, MANY: None},
    "asyncio": {1: 60, MANY: 50},
    "trio": {1: 60, MANY: None},
}
WITH_TARGET = {1: 2, MANY: 1}
WITH_OUR_SERVICE = {1: 1, MANY: 1}


@attrs.frozen
class Load:
    """What one run of a client gave, in seconds.

    Attributes:
        median: of the times of the calls.
        p99: the 99th percentile of them.
        each: the time of all of them, divided by their number.
    """

    median: float
    p99: float
    each: float

    @classmethod
    def printed(cls, output: str) -> Load:
        """What a process of ours printed: the times of its calls, and the time of all of them."""
        found = json.loads(output)
        times = sorted(found["times"])
        p99 = quantiles(times, n=100)[98] if len(times) > 1 else times[0]
        return cls(median(times), p99, found["seconds"] / len(times))


def installed(package: str, place: Path = HERE) -> str:
    """The name and version of one of Node's packages."""
    about = (place / "node_modules" / package / "package.json").read_text(encoding="utf-8")
    return f"{package} {json.loads(about)['version']}"


def figures(*, quick: bool) -> Iterator[Figure]:
    """One call after the other, and 200 at once."""
    if missing() is not None:
        print(f"calls: left out, {missing()}", file=sys.stderr)
        return
    nothing: JSONValue = {"success": True, "payload": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        cg_serve(Path(folder), "--log-level", "WARNING", *NO_LIMITS) as service,
        official_target(private_key=TARGET_KEY, fixed=nothing) as target,
        official_client(target.url, private_key=CLIENT_KEY, transports=["websocket"]) as one,
        official_client(service.url, private_key=CLIENT_KEY, transports=["websocket"]) as other,
    ):
        with sync.connect(service.url, identity=Identity(CLIENT_KEY)) as groups:
            groups.create("farm", join_key=GROUP)
        for each in (one, other):
            # Node compiles what it sees often: before that, a call alone takes it a third longer.
            _official(each, *((2, 1) if quick else (WARM_UP, MANY)))
        for at_once, (few, many) in CALLS.items():
            if quick:
                at_once, few, many = min(at_once, 5), 5, 5  # noqa: PLW2901 - a smoke run
            runs: dict[str, Callable[[], Load]] = {
                "official": partial(_official, one, few, at_once),
                "official, ours": partial(_official, other, few, at_once),
            }
            for backend in BACKENDS:
                runs[backend] = partial(load, backend, service.url, many, at_once)
                runs[f"{backend}, Target"] = partial(load, backend, target.url, few, at_once)
            rounds = [
                {name: run() for name, run in runs.items()} for _ in range(1 if quick else ROUNDS)
            ]
            yield from _compared(rounds, at_once)


def _compared(rounds: list[dict[str, Load]], at_once: int) -> Iterator[Figure]:
    alone = at_once == 1
    how = "one call after the other" if alone else f"{at_once} calls at once, each"
    goals = 1 if alone else MANY
    peer = f"{installed('dcp-client')} and its Target"

    def compared(work: str, ours: str, goal: float | None) -> Figure:
        pairs = [(_time(each[ours], at_once), _time(each["official"], at_once)) for each in rounds]
        return figure(f"{how}: {work}", peer, pairs, goal)

    for backend in BACKENDS:
        yield compared(f"{backend}, our service", backend, OURS[backend][goals])
    for backend in BACKENDS:
        yield compared(f"{backend}, the official Target", f"{backend}, Target", WITH_TARGET[goals])
    yield compared("dcp-client, our service", "official, ours", WITH_OUR_SERVICE[goals])


def _time(found: Load, at_once: int) -> float:
    return found.median if at_once == 1 else found.each


def _official(client: OfficialClient, calls: int, at_once: int) -> Load:
    found = client.load("listJobs", {"joinKey": GROUP}, calls=calls, at_once=at_once)
    return Load(found.median / 1000, found.p99 / 1000, 1 / found.calls_per_second)


def load(backend: str, url: str, calls: int, at_once: int) -> Load:
    """A run of one of our clients."""
    command = ["-m", "benchmarks.load", backend, "websocket", url, str(calls), str(at_once)]
    run = subprocess.run(
        [sys.executable, *command],
        input=CLIENT_KEY, capture_output=True, check=True, text=True, cwd=ROOT,
    )  # fmt: skip
    return Load.printed(run.stdout)
