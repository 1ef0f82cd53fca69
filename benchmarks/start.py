"""How long `cg` takes, from the start of its process to the end, beside the official programs.

In each round all processes run in turn. The official programs are looked for where the environment
says; one that is missing, or does not do its work, is named and left out:

    BENCHMARK_DCP_UTIL     the folder in which `npm install dcp-util` has run
    BENCHMARK_DCP_PYTHON   the Python into which `pip install dcp` has installed
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles

import attrs

from benchmarks.measure import Figure, figure
from cg_backends import sql, sync
from cg_backends.keystores import new_identity, save_identity
from cg_core import Client
from tests.peers.live_service import cg_serve

ROUNDS = 15
ALLOWED = 0.150  # seconds
PATIENCE = 60.0  # seconds until a program has failed

JOBS = [f"{number:022d}" for number in range(10)]
SECRET = "s3cret"
JOIN_HASH = "eh1-588cdf5a03517b5f71d35b48fcf1c516485891334e8ba7165dd3fbb7571509e1"

BARE = "python -c pass"
IMPORTS = ("click", "cg_core", "sqlalchemy", "cg_backends.sql", "cg_backends.asyncio")
# What `cg list-jobs` uses. httpx imports httpcore and anyio when it is first used.
STORE_NEEDS = "attrs, click, eth_hash.backends.pysha3, sqlalchemy.dialects.sqlite, sqlite3"
SERVICE_NEEDS = (
    "anyio, asyncio, attrs, cattrs.gen, cattrs.v, click, coincurve, eth_hash.backends.pysha3, "
    "eth_keyfile, httpcore, httpx, wsproto.connection"
)
PEERS = (
    ("cg --version", "cg-utility --version"),
    ("cg --help", "cg-utility --help"),
    ("cg hash", "cg-utility hash"),
    ("cg list-jobs, service", "cg-utility listJobs"),
    ("cg list-jobs, service", "dcp.init()"),
    ("cg list-jobs, store", "dcp.init()"),
)


@attrs.frozen
class Program:
    """A program to be timed.

    Attributes:
        command: what runs it.
        says: what its output holds, if it has done its work.
        environment: its own part of the environment.
    """

    command: Sequence[str]
    says: str = ""
    environment: Mapping[str, str] = attrs.field(factory=dict)

    def seconds(self, environment: Mapping[str, str]) -> float:
        """Run it; the time from its start to its end.

        Raises:
            RuntimeError: it has not done its work.
        """
        begun = time.perf_counter()
        run = subprocess.run(
            self.command, env={**environment, **self.environment},
            stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True, timeout=PATIENCE,
        )  # fmt: skip
        taken = time.perf_counter() - begun
        if run.returncode != 0 or self.says not in run.stdout:
            raise RuntimeError(f"it ended with {run.returncode}: {run.stdout}{run.stderr}")
        return taken


def figures(*, quick: bool) -> Iterator[Figure]:
    """The commands against what they may take, the imports, the official programs."""
    with tempfile.TemporaryDirectory() as name:
        folder, of_service = Path(name, "caller"), Path(name, "service")
        folder.mkdir()
        of_service.mkdir()
        with cg_serve(of_service) as service:
            _make_groups(folder, service.url)
            environment = {
                "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder),
                "DCP_RESOURCE_DIR": str(folder), "DCP_ETCDIR": str(folder),
            }  # fmt: skip
            programs = _ours(service.url)
            for each in programs.values():
                each.seconds(environment)  # its files are read once, and compiled
            programs |= dict(_working(_official(service.url), environment))
            rounds = [
                {name: each.seconds(environment) for name, each in programs.items()}
                for _ in range(2 if quick else ROUNDS)
            ]
    yield from _figures(rounds)


def _make_groups(folder: Path, url: str) -> None:
    # The same group and jobs in the store and on the service.
    identity = new_identity()
    save_identity(identity, folder / "id.keystore")

    def make(groups: Client) -> None:
        farm = groups.create("render farm", join_key="farm", join_secret=SECRET)
        for job in JOBS:
            groups.add_job(farm, job, join_key="farm", join_secret=SECRET)

    with sql.connect(
        f"sqlite:///{folder / 'compute-groups.db'}", identity=identity.address
    ) as store:
        make(store)
    with sync.connect(url, identity=identity) as service:
        make(service)


def _ours(url: str) -> dict[str, Program]:
    cg = shutil.which("cg", path=sysconfig.get_path("scripts"))
    if cg is None:
        raise RuntimeError("the command cg is not installed: pip install -e '.[test]'")
    imports = {f"import {each}": f"import {each}" for each in IMPORTS}
    needs = {"store's libraries": STORE_NEEDS, "service's libraries": SERVICE_NEEDS}
    code = {BARE: "pass", **imports, **{name: f"import {each}" for name, each in needs.items()}}
    return {
        "cg --version": Program([cg, "--version"], version("compute-groups")),
        "cg --help": Program([cg, "--help"], "Usage: "),
        "cg hash": Program(
            [cg, "hash", "farm", "--join-secret-env", "SECRET"], JOIN_HASH, {"SECRET": SECRET}
        ),
        "cg list-jobs, store": Program([cg, "list-jobs", "farm"], JOBS[-1]),
        "cg list-jobs, service": Program([cg, "list-jobs", "farm", "--service", url], JOBS[-1]),
        **{name: Program([sys.executable, "-c", each]) for name, each in code.items()},
    }


def _official(url: str) -> dict[str, Program]:
    found = {}
    if util := _place("BENCHMARK_DCP_UTIL"):
        cg_utility = str(util.absolute() / "node_modules" / ".bin" / "cg-utility")
        # No configuration is fetched. dcp-client 4.4, which comes with it, adds no path of its own.
        location = f'{{services: {{computeGroups: {{location: new URL("{url}dcp5/socketio")}}}}}}'
        environment = {"DCP_CONFIG_LOCATION": "", "DCP_CONFIG_SCHEDULER": location}
        calls = {
            "--version": (["--version"], "."),
            "--help": (["--help"], "listJobs"),
            "hash": (["hash", "farm", SECRET], JOIN_HASH),
            "listJobs": (["listJobs", "--joinKey", "farm", "--json"], JOBS[-1]),
        }
        for name, (arguments, says) in calls.items():
            command = [cg_utility, *arguments]
            found[f"cg-utility {name}"] = Program(command, says, environment)
    if python := _place("BENCHMARK_DCP_PYTHON"):
        environment = {"DCP_CONFIG_LOCATION": "data:,({})"}  # an empty one, from no network
        found["dcp.init()"] = Program(
            [str(python.absolute()), "-c", "import dcp; dcp.init()"], environment=environment
        )
    return found


def _place(variable: str) -> Path | None:
    if place := os.environ.get(variable):
        return Path(place)
    print(f"start: {variable} is not set; what it names is left out", file=sys.stderr)
    return None


def _working(
    programs: Mapping[str, Program], environment: Mapping[str, str]
) -> Iterator[tuple[str, Program]]:
    for name, program in programs.items():
        try:
            program.seconds(environment)
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"start: {name} is left out: {error}", file=sys.stderr)
        else:
            yield name, program


def _figures(rounds: Sequence[Mapping[str, float]]) -> Iterator[Figure]:
    def pairs(work: str, peer: str) -> list[tuple[float, float]]:
        return [(each[work], each[peer]) for each in rounds]

    for work in ("cg --version", "cg --help", "cg hash"):
        allowed = [(each[work], ALLOWED) for each in rounds]
        yield from _spread(work, "what is allowed", allowed, goal=1)
    for place in ("store", "service"):
        work, libraries = f"cg list-jobs, {place}", f"{place}'s libraries"
        beyond = [(each[work] - each[libraries], ALLOWED) for each in rounds]
        yield from _spread(f"{work}: beyond its libraries", "what is allowed", beyond, goal=1)
        yield from _spread(work, f"import of the {libraries}", pairs(work, libraries))
    for each in IMPORTS:
        yield from _spread(f"import {each}", BARE, pairs(f"import {each}", BARE))
    for work, peer in PEERS:
        if peer in rounds[0]:
            yield from _spread(work, peer, pairs(work, peer))


def _spread(
    work: str, peer: str, rounds: Sequence[tuple[float, float]], goal: float | None = None
) -> Iterator[Figure]:
    # Half of the runs are between the quartiles.
    yield figure(f"{work}: median", peer, rounds, goal)
    quartiles = [quantiles(times, n=4, method="inclusive") for times in zip(*rounds, strict=True)]
    for number, title in ((0, "first quartile"), (2, "third quartile")):
        yield figure(f"{work}: {title}", peer, [(quartiles[0][number], quartiles[1][number])], None)
