"""Calls over the network: our clients and the official one, each against the official Target.

Each client has a process of its own, and so has the Target; the answers come from here, for all.
Needs Node; without it there are no figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import attrs

from benchmarks.load import BACKENDS, GROUP
from benchmarks.measure import Figure, figure
from cg_backends.memory import World
from cg_core import Identity
from tests.peers.node import OfficialClient, official_client, official_target
from tests.peers.node_process import missing
from tests.peers.rules import rules

CLIENT_KEY, TARGET_KEY = "01" * 32, "02" * 32
ROUNDS = 5


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


TIMES = {
    "median": "a call, median",
    "p99": "a call, 99th percentile",
    "each": "all calls, each",
}


def figures(*, quick: bool) -> Iterator[Figure]:
    """One call after the other, and many at once, by WebSocket and by long-polling."""
    if missing() is not None:
        print(f"remote: left out, {missing()}", file=sys.stderr)
        return
    world = World()
    world.connect(Identity(CLIENT_KEY)).create("farm", join_key=GROUP)
    for transport in ("websocket",) if quick else ("websocket", "polling"):
        with (
            official_target(
                rules(world), private_key=TARGET_KEY, polling=transport == "polling"
            ) as target,
            official_client(target.url, private_key=CLIENT_KEY, transports=[transport]) as client,
        ):
            run = partial(runs, client, transport, target.url)
            run(2 if quick else 200, 1)  # Node compiles what it sees often
            for at_once in (1,) if quick else (1, 20, 200):
                calls = 3 if quick else 50 if at_once == 1 else 10 * at_once
                rounds = [run(calls, at_once) for _ in range(1 if quick else ROUNDS)]
                for number, backend in enumerate(BACKENDS, 1):
                    pairs = [(each[number], each[0]) for each in rounds]
                    yield from compared(f"{backend}, {transport}", at_once, pairs)


def runs(client: OfficialClient, transport: str, url: str, calls: int, at_once: int) -> list[Load]:
    """A run of the official client, and then of each of ours."""
    found = client.load("listJobs", {"joinKey": GROUP}, calls=calls, at_once=at_once)
    theirs = Load(found.median / 1000, found.p99 / 1000, 1 / found.calls_per_second)
    return [theirs, *(load(each, transport, url, calls, at_once) for each in BACKENDS)]


def compared(what: str, at_once: int, pairs: list[tuple[Load, Load]]) -> Iterator[Figure]:
    """The figures of some rounds, each of which gave one for us and one for the official client."""
    callers = "1 caller" if at_once == 1 else f"{at_once} callers"
    for name, title in TIMES.items():
        rounds = [(getattr(ours, name), getattr(theirs, name)) for ours, theirs in pairs]
        yield figure(f"{what}, {callers}: {title}", "dcp-client 5.6.1", rounds, None)


def load(backend: str, transport: str, url: str, calls: int, at_once: int) -> Load:
    """A run of one of our clients."""
    command = ["-m", "benchmarks.load", backend, transport, url, str(calls), str(at_once)]
    run = subprocess.run(
        [sys.executable, *command],
        input=CLIENT_KEY, capture_output=True, check=True, text=True,
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    found = json.loads(run.stdout)
    times = sorted(found["times"])
    return Load(median(times), quantiles(times, n=100)[98], found["seconds"] / calls)
