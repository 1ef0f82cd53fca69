"""`cg serve` under many clients, beside the official Target under the same ones.

The service and its database, the Target, and the clients each have a process. The Target
asks the rules of this project for its answers, over a world in memory; the service has a database.
Needs Node for the Target; without it there are no figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import attrs

from benchmarks.measure import Figure, figure
from benchmarks.remote import Load, compared
from cg_backends.memory import World
from tests.peers.databases import SYSTEMS, new_url
from tests.peers.live_service import CGServe, cg_serve
from tests.peers.node import official_target
from tests.peers.node_process import missing
from tests.peers.rules import rules

ROOT = Path(__file__).parent.parent
ROUNDS = 3
CALLS = 2_000  # of all clients together


def figures(*, quick: bool) -> Iterator[Figure]:
    """Calls of 1, 50 and 500 clients; the start; an idle session."""
    if missing() is not None:
        print(f"service: left out, {missing()}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield from _start(Path(folder), 1 if quick else ROUNDS)
        for database in ("sqlite",) if quick else ("sqlite", "mariadb"):
            if database in SYSTEMS and SYSTEMS[database].missing():
                print(f"service: {database} is not installed", file=sys.stderr)
                continue
            for clients in (1,) if quick else (1, 50, 500):
                for work in ("add_job", "list_jobs"):
                    calls = 2 if quick else max(CALLS // 4 // clients, 4)
                    rounds = [
                        _round(Path(folder), database, clients, work, calls)
                        for _ in range(1 if quick else ROUNDS)
                    ]
                    who = "1 client" if clients == 1 else f"{clients} clients"
                    for each in compared(f"service over {database}, {work}", 1, rounds):
                        yield _named(each, who)
        yield _idle(Path(folder), 5 if quick else 500)


def _named(found: Figure, who: str) -> Figure:
    return attrs.evolve(found, work=found.work.replace("1 caller", who))


def _round(folder: Path, database: str, clients: int, work: str, calls: int) -> tuple[Load, Load]:
    with serving(folder, database) as service:
        ours = crowd(service.url, clients, work, calls)
    with official_target(rules(World()), private_key="02" * 32) as target:
        return ours, crowd(target.url, clients, work, calls)


@contextmanager
def serving(folder: Path, database: str = "sqlite") -> Iterator[CGServe]:
    """A service over a new database."""
    options = ["--log-level", "WARNING", "--identity", f"{folder}/service.keystore"]
    with cg_serve(folder, *options, CG_STORE=new_url(database, folder)) as running:
        yield running


def crowd(url: str, clients: int, work: str, calls: int) -> Load:
    """A run of a crowd."""
    command = [sys.executable, "-m", "benchmarks.crowd", url, str(clients), work, str(calls)]
    run = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    found = json.loads(run.stdout)
    times = sorted(found["times"])
    p99 = quantiles(times, n=100)[98] if len(times) > 1 else times[0]
    return Load(median(times), p99, found["seconds"] / len(times))


def _start(folder: Path, times: int) -> Iterator[Figure]:
    rounds = []
    for _ in range(times):
        begun = time.perf_counter()
        with serving(folder):
            ours = time.perf_counter() - begun
        begun = time.perf_counter()
        with official_target(rules(World()), private_key="02" * 32):
            rounds.append((ours, time.perf_counter() - begun))
    yield figure("start of the service", "start of the Target", rounds, None)


def _idle(folder: Path, clients: int) -> Figure:
    # What a session costs with its WebSocket, in the process of the service.
    sizes = []
    with serving(folder) as service, ExitStack() as stack:
        for count in (1, clients):
            command = [sys.executable, "-m", "benchmarks.crowd", service.url, str(count)]
            idle = stack.enter_context(
                subprocess.Popen(
                    [*command, "list_jobs", "0"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                )
            )  # fmt: skip
            assert idle.stdout is not None
            assert idle.stdout.readline() == "connected\n"
            sizes.append(_memory(service.pid))
            idle.kill()
    used = max(sizes[1] - sizes[0], 1) / clients
    allowed = 50_000.0
    return Figure(
        "idle session of the service, with its WebSocket", used, "what is allowed", allowed,
        allowed / used, 1, "B",
    )  # fmt: skip


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * float(next(line for line in lines if line.startswith("VmRSS")).split()[1])
