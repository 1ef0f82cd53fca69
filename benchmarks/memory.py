"""The in-memory backend as its groups grow: a world of 1 group against worlds of up to 10^6.

Each world lives in a process of its own, so that none pays for another's garbage collection; they
are asked in turn. `python -m benchmarks.memory GROUPS` is such a process: for each line on its
standard input it measures and prints the seconds for one call of each kind, as JSON.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import count, cycle

from benchmarks.measure import ROUNDS, Curve, Figure, curve, figure, time_of
from cg_backends.memory import World

JOBS_LISTED = 10
CALLS = 20_000
SIZES = tuple(10**power for power in range(7))
WITH_A_GOAL = (1_000, 1_000_000)


def job_name(number: int) -> str:
    """The job id with that number."""
    return f"{number:022d}"


def serve(groups: int, calls: int) -> None:
    """Build a world and measure on demand."""
    client = World().connect()
    for number in range(groups):
        client.create("a group", join_key=f"key {number}")
    chosen = random.Random(1)
    keys = [f"key {chosen.randrange(groups)}" for _ in range(1_000)]
    fresh_jobs = map(job_name, count())
    for key in ("key 0", *keys):
        for _ in range(JOBS_LISTED):
            client.add_job(key, next(fresh_jobs))
    listed = client.create("the listed group", join_key="listed")
    for _ in range(JOBS_LISTED):
        client.add_job("listed", next(fresh_jobs))
    turns = cycle(keys)
    for _ in sys.stdin:
        add = time_of(lambda: client.add_job(next(turns), next(fresh_jobs)), calls)
        listing = time_of(lambda: client.list_jobs(listed), calls)
        print(json.dumps({"add_job": add, "list_jobs": listing}), flush=True)


def figures(*, quick: bool) -> Iterator[Figure | Curve]:
    """add_job to groups at random, and list_jobs of a group with 10 jobs."""
    sizes = SIZES[:4] if quick else SIZES
    calls = CALLS // 100 if quick else CALLS
    workers = {
        size: subprocess.Popen(
            [sys.executable, "-m", "benchmarks.memory", str(size), str(calls)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for size in sizes
    }

    def ask(size: int) -> dict[str, float]:
        worker = workers[size]
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
        answer: dict[str, float] = json.loads(worker.stdout.readline())
        return answer

    try:
        for size in sizes:
            ask(size)  # the warm-up, once the world is built
        rounds = [{size: ask(size) for size in sizes} for _ in range(ROUNDS)]
        for call in ("add_job", "list_jobs"):
            for size in [each for each in WITH_A_GOAL if each in sizes]:
                pairs = [(measured[size][call], measured[1][call]) for measured in rounds]
                work = f"in memory, {size:,} groups: {call}"
                yield figure(work, "the same with 1 group", pairs, goal=0.8)
            of_call = [{size: each[size][call] for size in sizes} for each in rounds]
            yield curve(f"{call} in memory", "groups", of_call, expected="flat")
    finally:
        for worker in workers.values():
            worker.communicate()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
