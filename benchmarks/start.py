"""How long programs take from their start: to their end, or to the first answer of a service.

In each round all processes run in turn, ours and the official ones. dcp-client's program is left
out where there is no Node. Others are looked for where the environment says; one that is missing,
or does not do its work, is named and left out:

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
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import attrs

from benchmarks.calls import installed
from benchmarks.measure import Figure, figure
from cg_backends import sql, sync
from cg_backends.keystores import save_identity
from cg_core import Client, Identity
from cg_core.ecmascript_json import JSONValue
from tests.peers.live_service import cg_serve
from tests.peers.node import official_target
from tests.peers.node_process import HERE, missing

ROUNDS = 15
ALLOWED = 0.150  # seconds
CORE_ALLOWED = 0.025  # seconds
LEAST = 1e-6  # seconds; on a busy machine a program may take less than its libraries did
PATIENCE = 60.0  # seconds until a program has failed

JOBS = [f"{number:022d}" for number in range(10)]
SECRET = "s3cret"
JOIN_HASH = "eh1-588cdf5a03517b5f71d35b48fcf1c516485891334e8ba7165dd3fbb7571509e1"

BARE, BARE_NODE = "python -c pass", "node -e 0"
IMPORTS = ("click", "cg_core", "sqlalchemy", "cg_backends.sql", "cg_backends.asyncio")
# What `cg list-jobs` uses. httpx imports httpcore and anyio when it is first used.
STORE_NEEDS = "attrs, click, eth_hash.backends.pysha3, sqlalchemy.dialects.sqlite, sqlite3"
SERVICE_NEEDS = (
    "anyio, asyncio, attrs, cattrs.gen, cattrs.v, click, coincurve, eth_hash.backends.pysha3, "
    "eth_keyfile, httpcore, httpx, wsproto.connection"
)
IMPORT_CORE = "import cg_core, beyond its libraries"
IMPORT_CORE_CODE = """
import time
import attrs, cattrs, cattrs.gen, cattrs.v, coincurve, eth_hash.backends.pysha3
begun = time.perf_counter()
import cg_core
print(time.perf_counter() - begun)
"""
# The same program three times: a WebSocket, one call, its answer.
PRIVATE_KEY = "01" * 32
SYNC_CALL = f"""
import sys
from cg_backends.sync import connect
from cg_core import Identity

identity = Identity("{PRIVATE_KEY}")
with connect(sys.argv[1], identity=identity, transport="websocket") as groups:
    print(groups.list_jobs("farm"), flush=True)
"""
ASYNCIO_CALL = f"""
import asyncio, sys
from cg_backends.asyncio import connect
from cg_core import Identity

async def main():
    identity = Identity("{PRIVATE_KEY}")
    async with connect(sys.argv[1], identity=identity, transport="websocket") as groups:
        print(await groups.list_jobs("farm"), flush=True)

asyncio.run(main())
"""
OFFICIAL_CALL = f"""
async function main() {{
  await require('dcp-client').init({{ parseArgv: false, reportErrors: false }});
  const {{ DcpURL }} = require('dcp/dcp-url');
  const wallet = require('dcp/wallet');
  const location = new DcpURL(process.argv[1]);
  wallet.addId(await new wallet.Keystore('{PRIVATE_KEY}', ''));
  dcpConfig.dcp.connectionOptions.default.socketio = {{ transports: ['websocket'] }};
  dcpConfig.scheduler.services = {{ computeGroups: {{ location }} }};
  console.log(JSON.stringify(await require('dcp/compute-groups').listJobs({{ joinKey: 'farm' }})));
  process.exit(0);
}}
main();
"""
CALLS = {"asyncio": ASYNCIO_CALL, "sync": SYNC_CALL}
OFFICIAL_ANSWER = "listJobs of a new process"
PEERS = (
    ("cg --version", "cg-utility --version"),
    ("cg --help", "cg-utility --help"),
    ("cg hash", "cg-utility hash"),
    ("cg list-jobs, service", "cg-utility listJobs"),
    ("cg list-jobs, service", "dcp.init()"),
    ("cg list-jobs, store", "dcp.init()"),
)
ANSWERS = tuple(f"list_jobs of a new process, until its answer: {each}" for each in CALLS)
OF_NODE = ((BARE, BARE_NODE, None), *((each, OFFICIAL_ANSWER, 2) for each in ANSWERS))


@attrs.frozen
class Program:
    """A program to be timed.

    Attributes:
        command: what runs it.
        says: what its output holds, if it has done its work.
        environment: its own part of the environment.
        made_by: what it belongs to, with its version, if it is not ours.
        times_itself: whether its output is the seconds that count.
    """

    command: Sequence[str]
    says: str = ""
    environment: Mapping[str, str] = attrs.field(factory=dict)
    made_by: str = ""
    times_itself: bool = False

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
        self._require_done(run.returncode, run.stdout, run.stderr)
        return float(run.stdout) if self.times_itself else taken

    def _require_done(self, status: int, output: str, errors: str) -> None:
        if status != 0 or self.says not in output:
            raise RuntimeError(f"it ended with {status}: {output}{errors}")


@attrs.frozen
class Answering(Program):
    """A program that is timed until its first line, which is its answer."""

    def seconds(self, environment: Mapping[str, str]) -> float:
        """Run it; the time from its start to its answer."""
        begun = time.perf_counter()
        with subprocess.Popen(
            self.command, env={**environment, **self.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as run:  # fmt: skip
            assert run.stdout is not None
            answer = run.stdout.readline()
            taken = time.perf_counter() - begun
            _, errors = run.communicate(timeout=PATIENCE)
        self._require_done(run.returncode, answer, errors)
        return taken


def figures(*, quick: bool) -> Iterator[Figure]:
    """The commands and imports against what they may take, and beside the official programs."""
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory())
        folder, of_service = Path(name, "caller"), Path(name, "service")
        folder.mkdir()
        of_service.mkdir()
        service = stack.enter_context(cg_serve(of_service))
        _make_groups(folder, service.url)
        environment = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder),
            "DCP_RESOURCE_DIR": str(folder), "DCP_ETCDIR": str(folder),
        }  # fmt: skip
        programs = _ours(service.url)
        for each in programs.values():
            each.seconds(environment)  # its files are read once, and compiled
        peers = {**_of_node(stack), **_official(service.url)}
        programs |= dict(_working(peers, environment))
        rounds = [
            {name: each.seconds(environment) for name, each in programs.items()}
            for _ in range(2 if quick else ROUNDS)
        ]
    yield from _figures(programs, rounds)


def _make_groups(folder: Path, url: str) -> None:
    # The same group and jobs in the store and on the service.
    identity = Identity(PRIVATE_KEY)
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
    needs = {
        "store's libraries": STORE_NEEDS,
        "service's libraries": SERVICE_NEEDS,
    }
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
        IMPORT_CORE: Program([sys.executable, "-c", IMPORT_CORE_CODE], times_itself=True),
        **{
            name: Answering([sys.executable, "-c", each, url], JOBS[-1])
            for name, each in zip(ANSWERS, CALLS.values(), strict=True)
        },
    }


def _of_node(stack: ExitStack) -> dict[str, Program]:
    if (reason := missing()) is not None:
        print(f"start: Node's are left out, {reason}", file=sys.stderr)
        return {}
    jobs: list[JSONValue] = [*JOBS]
    target = stack.enter_context(
        official_target(private_key="02" * 32, fixed={"success": True, "payload": jobs})
    )
    environment = {"DCP_CONFIG_LOCATION": "", "NODE_PATH": str(HERE / "node_modules")}
    run = subprocess.run(["node", "--version"], capture_output=True, check=True, text=True)
    node = f"Node {run.stdout.strip().removeprefix('v')}"
    return {
        BARE_NODE: Program(["node", "-e", "0"], made_by=node),
        OFFICIAL_ANSWER: Answering(
            ["node", "-e", OFFICIAL_CALL, target.url], JOBS[-1], environment,
            f"{installed('dcp-client')} and its Target",
        ),
    }  # fmt: skip


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
        made_by = installed("dcp-util", util)
        for name, (arguments, says) in calls.items():
            command = [cg_utility, *arguments]
            found[f"cg-utility {name}"] = Program(command, says, environment, made_by)
    if python := _place("BENCHMARK_DCP_PYTHON"):
        environment = {"DCP_CONFIG_LOCATION": "data:,({})"}  # an empty one, from no network
        command = [str(python.absolute()), "-c"]
        run = subprocess.run(
            [*command, "import importlib.metadata as about; print(about.version('dcp'))"],
            capture_output=True, check=False, text=True,
        )  # fmt: skip
        found["dcp.init()"] = Program(
            [*command, "import dcp; dcp.init()"],
            environment=environment, made_by=f"dcp {run.stdout.strip()}",
        )  # fmt: skip
    return found


def _place(variable: str) -> Path | None:
    place = os.environ.get(variable)
    if place and Path(place).exists():
        return Path(place)
    why = f"names nothing: {place}" if place else "is not set"
    print(f"start: {variable} {why}; its programs are left out", file=sys.stderr)
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


def _figures(
    programs: Mapping[str, Program], rounds: Sequence[Mapping[str, float]]
) -> Iterator[Figure]:
    def compared(work: str, peer: str, goal: float | None = None) -> Figure:
        made_by = programs[peer].made_by
        shown = f"{peer} ({made_by})" if made_by else peer
        return figure(work, shown, [(each[work], each[peer]) for each in rounds], goal)

    def allowed(work: str, most: float, libraries: str = "") -> Figure:
        beyond = [max(each[work] - each.get(libraries, 0.0), LEAST) for each in rounds]
        named = f"{work}, beyond the {libraries}" if libraries else work
        return figure(named, "what is allowed", [(each, most) for each in beyond], 1)

    for work in ("cg --version", "cg --help", "cg hash"):
        yield allowed(work, ALLOWED)
    for place in ("store", "service"):
        yield allowed(f"cg list-jobs, {place}", ALLOWED, f"{place}'s libraries")
    yield allowed(IMPORT_CORE, CORE_ALLOWED)
    for each in IMPORTS:
        yield compared(f"import {each}", BARE)
    for work, peer, goal in (*OF_NODE, *((work, peer, None) for work, peer in PEERS)):
        if peer in programs:
            yield compared(work, peer, goal)
