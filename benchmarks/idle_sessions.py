"""A live `cg serve` with more and more sessions that are idle: what they take, and whom they slow.

There is a service for each number of sessions, and all are asked in turn.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.measure import Curve, curve, grow
from cg_backends import sync
from cg_core import Client, Identity
from tests.peers.live_service import cg_serve

ROOT = Path(__file__).parent.parent
# Of fewer than a hundred, what the system hands out at a time says more than what they take.
SIZES = (1, 10, 100, 500, 1_000, 2_000)
LEAST_WEIGHED = 100
CALLER = Identity(b"\7" * 32)


def figures_of_sessions(*, quick: bool) -> Iterator[Curve]:
    """Memory for each session, and a call of one further client."""
    sizes, least_weighed = ((1, 5), 1) if quick else (SIZES, LEAST_WEIGHED)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        clients, taken = {}, {}
        for size in sizes:
            folder = Path(name, str(size))
            folder.mkdir()
            clients[size], taken[size] = stack.enter_context(crowded(folder, size))
        weighed = {size: each for size, each in taken.items() if size >= least_weighed}
        yield curve(
            "an idle session of the service", "sessions", [weighed], expected="flat", unit="B"
        )
        calls = {size: partial(client.list_jobs, "farm") for size, client in clients.items()}
        yield grow(
            "list_jobs over WebSocket, beside idle sessions", "sessions", calls,
            expected="flat", quick=quick,
        )  # fmt: skip


@contextmanager
def crowded(folder: Path, sessions: int) -> Iterator[tuple[Client, float]]:
    """A service with idle sessions: a client of it, and the bytes that each session takes."""
    store = f"sqlite:///{folder / 'farm.db'}"
    with (
        cg_serve(folder, "--log-level", "WARNING", CG_STORE=store) as service,
        sync.connect(service.url, identity=CALLER) as client,
    ):
        client.create("farm", join_key="farm")
        client.list_jobs("farm")
        before = resident(service.pid)
        with connected("benchmarks.crowd", service.url, str(sessions), "list_jobs", "0"):
            yield client, max(resident(service.pid) - before, 1.0) / sessions


@contextmanager
def connected(module: str, *arguments: str) -> Iterator[None]:
    """What a module connects, in a process of its own, from when it says that it is connected."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "connected\n"
            yield
        finally:
            process.kill()


def resident(pid: int) -> float:
    """Bytes of memory that a process has."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * float(next(line for line in lines if line.startswith("VmRSS")).split()[1])
