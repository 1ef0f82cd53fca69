"""`cg serve` under many clients: beside itself with a commit for each call, and beside the Target.

The services, the Target and the clients each have a process. The Target asks the rules of this
project for its answers, over a world in memory; the service has a database, and what it commits
reaches the disk. Needs Node; without it there are no figures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.calls import NO_LIMITS, Load, installed
from benchmarks.idle_sessions import connected, resident
from benchmarks.measure import Figure, figure
from cg_backends.memory import World
from tests.peers.databases import new_url
from tests.peers.live_service import CGServe, cg_serve
from tests.peers.node import official_target, socketio_server
from tests.peers.node_process import missing
from tests.peers.rules import rules

ROOT = Path(__file__).parent.parent
ROUNDS = 5
CALLS = 2_000  # of all clients together
SESSIONS = (100, 500)  # there before, and then more: what those take
ALLOWED = 40_000.0  # bytes


def figures(*, quick: bool) -> Iterator[Figure]:
    """Durable writes; calls of 1, 50 and 500 clients; the start; an idle session."""
    if missing() is not None:
        print(f"service: left out, {missing()}", file=sys.stderr)
        return
    rounds = 1 if quick else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _durable(folder, rounds, quick=quick)
        yield from _crowds(folder, rounds, quick=quick)
        yield _start(folder, rounds)
        yield from _idle(folder, (2, 5) if quick else SESSIONS)


@contextmanager
def serving(folder: Path, module: str = "cg_backends.cli") -> Iterator[CGServe]:
    """A service over a new SQLite database; what it commits is on the disk."""
    options = ["--log-level", "WARNING", "--identity", f"{folder}/service.keystore", *NO_LIMITS]
    store = new_url("sqlite", folder)
    with cg_serve(folder, *options, module=module, CG_STORE=store) as running:
        yield running


def _durable(folder: Path, rounds: int, *, quick: bool) -> Iterator[Figure]:
    clients = 3 if quick else 50
    with serving(folder) as together, serving(folder, "benchmarks.one_at_a_time") as alone:
        for at_once in (1, 10):
            calls = 10 if quick else CALLS * at_once // clients

            def each(service: CGServe) -> float:
                return crowd(service.url, clients, "add_job", calls, at_once).each  # noqa: B023 - at once

            pairs = [(each(together), each(alone)) for _ in range(rounds)]
            how = "each one call after the other" if at_once == 1 else f"each {at_once} at once"
            yield figure(
                f"{clients} clients add jobs, {how}: time for each job",
                "the same, a commit for each call", pairs, 3,
            )  # fmt: skip


def _crowds(folder: Path, rounds: int, *, quick: bool) -> Iterator[Figure]:
    peer = f"the Target of {installed('dcp-client')}, same clients"
    for clients in (2,) if quick else (1, 50, 500):
        for work in ("add_job", "list_jobs"):
            calls = 2 if quick else max(CALLS // 4 // clients, 4)
            found = [_beside_target(folder, clients, work, calls) for _ in range(rounds)]
            who = "1 client" if clients == 1 else f"{clients} clients"
            for what, title in (("median", "a call"), ("each", "time for each")):
                pairs = [(getattr(ours, what), getattr(theirs, what)) for ours, theirs in found]
                yield figure(f"{work}, {who}: {title}", peer, pairs, None)


def _beside_target(folder: Path, clients: int, work: str, calls: int) -> tuple[Load, Load]:
    with serving(folder) as service:
        ours = crowd(service.url, clients, work, calls)
    with official_target(rules(World()), private_key="02" * 32) as target:
        return ours, crowd(target.url, clients, work, calls)


def crowd(url: str, clients: int, work: str, calls: int, at_once: int = 1) -> Load:
    """A run of a crowd."""
    command = [sys.executable, "-m", "benchmarks.crowd", url, str(clients), work, str(calls)]
    run = subprocess.run(
        [*command, "--at-once", str(at_once)],
        capture_output=True, check=True, text=True, cwd=ROOT,
    )  # fmt: skip
    return Load.printed(run.stdout)


def _start(folder: Path, times: int) -> Figure:
    rounds = []
    for _ in range(times):
        begun = time.perf_counter()
        with serving(folder):
            ours = time.perf_counter() - begun
        begun = time.perf_counter()
        with official_target(rules(World()), private_key="02" * 32):
            rounds.append((ours, time.perf_counter() - begun))
    peer = f"the Target of {installed('dcp-client')}, without a store"
    return figure("from the command to a service that listens", peer, rounds, None)


def _idle(folder: Path, sessions: tuple[int, int]) -> Iterator[Figure]:
    with serving(folder) as service:
        ours = _growth(service.pid, sessions, "benchmarks.crowd", service.url, "list_jobs", "0")
    with socketio_server(transports=["websocket"]) as server:
        theirs = _growth(server.pid, sessions, "benchmarks.idle_sockets", server.url)
    work = "an idle session of DCP with its WebSocket"
    yield Figure(work, ours, "what is allowed", ALLOWED, ALLOWED / ours, 1, "B")
    peer = f"{installed('socket.io')} on Node, a WebSocket without a session"
    yield Figure(work, ours, peer, theirs, theirs / ours, None, "B")


def _growth(pid: int, sessions: tuple[int, int], module: str, url: str, *arguments: str) -> float:
    # Bytes for each of those that come to the first.
    sizes = []
    with ExitStack() as stack:
        for count in sessions:
            stack.enter_context(connected(module, url, str(count), *arguments))
            sizes.append(resident(pid))
    return max(sizes[1] - sizes[0], 1.0) / sessions[1]
