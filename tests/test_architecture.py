"""The house's own rules: `cg_core` is pure, and imports run one way (docs/architecture.md)."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = {
    ".".join(path.relative_to(ROOT / "cg_core").with_suffix("").parts): path
    for path in sorted((ROOT / "cg_core").glob("**/*.py"))
}
BACKENDS = sorted((ROOT / "cg_backends").glob("**/*.py"))

# From the ground up: a module imports only from the lines above its own.
FLOORS = (
    {"deadlines", "errors", "secp256k1"},
    {"ecmascript_json", "hashing", "hidden", "text"},
    {"addresses", "join_hashes", "json_shapes"},
    {"identifiers", "identity"},
    {"properties", "results", "signatures", "terms"},
    {"exact_numbers", "groups", "sealed"},
    {"descriptors", "rows"},
    {"group_json", "ownership", "requests"},
    {"clients", "operations", "row_json", "rules"},
    {"replies"},
    {
        f"session.{name}"
        for name in ("identifiers", "instant", "settings", "transitions", "versions")
    },
    {"session.messages"},
    {"session.message_texts"},
    {f"session.{name}" for name in ("authorization", "events", "handshake", "places", "validity")},
    {f"session.{name}" for name in ("calls", "delivery", "transports")},
    {"session.outgoing"},
    {"session.session"},
    {"session.target"},
    {"session.__init__"},
    {"framing.http", "framing.limits"},
    {"framing.engineio", "framing.socketio"},
    {"framing.dcp_transport"},
    {"framing.connection"},
    {"framing.client", "framing.server_connection"},
    {"framing.server"},
    {"framing.__init__"},
    {"remote.configuration", "remote.failures", "remote.service_url", "remote.wire_log"},
    {"remote.lookup", "remote.options"},
    {"remote.connections"},
    {"remote.events"},
    {"remote.link"},
    {"remote.client"},
    {"remote.__init__"},
    {f"service.{name}" for name in ("events", "limits", "metrics", "pages", "rates")},
    {"service.service"},
    {"service.__init__"},
    {"__init__"},
)
# What several backends share, from the ground up, then the backends.
BACKEND_FLOORS = (
    {"misuse", "new_files", "random_text", "read_deadline", "websocket"},
    {"http", "keystore_files", "local"},
    {"archive", "keystores"},
    {"remote"},
    {"asyncio", "memory", "service", "sql", "sync", "trio"},
)
# Those that are packages, each from the ground up.
PACKAGE_FLOORS = {
    "sql": (
        {"columns", "dialects", "turns"},
        {"tables", "urls"},
        {"rows"},
        {"schema"},
        {"database"},
        {"clients"},
        {"store"},
        {"__init__"},
    ),
    "service": (
        {"__init__", "asgi", "listening", "log", "socket_limits"},
        {"execution", "protocols"},
        {"open_files"},
        {"application", "http_server"},
        {"running"},
    ),
    "cli": (
        {"completions", "demo", "interrupts", "printable", "progress", "secret_input", "wording"},
        {"caller", "calls", "commands", "ending", "names", "shown"},
        {"service_calls", "store_calls"},
        {"place"},
        {"bulk", "options", "serving"},
        {"credentials", "property_options"},
        {"groups", "identities", "jobs", "serve"},
        {"application"},
        {"__init__"},
        {"__main__"},
    ),
}
FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(?: .*\n|\n)+", re.MULTILINE)
# What carries texts knows nothing of what they say.
FRAMING_STANDS_ON = {"deadlines", "ecmascript_json", "errors", "json_shapes", "text"}

# What the core may import. Everything here computes; nothing here reaches out.
PURE = {
    "__future__", "abc", "attrs", "cattrs", "collections", "datetime", "decimal", "difflib",
    "enum", "functools", "heapq", "hmac", "inspect", "json", "math", "re", "types", "typing",
}  # fmt: skip
# Libraries that reach out when they are imported, each kept in the one file that needs it:
# eth-hash reads its own version (importlib.metadata), coincurve draws a blinding seed.
KEPT_IN_ONE_FILE = {"eth_hash": "hashing", "coincurve": "secp256k1"}

IMPURE_BUILTINS = {"breakpoint", "compile", "eval", "exec", "globals", "input", "open", "print"}
IMPURE_METHODS = {"fromtimestamp", "now", "today", "utcnow"}


def imported(source: str) -> Iterator[str]:
    """The modules that a source text imports, wherever in it, by their full names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for name in node.names:
                inner = f"{module}.{name.name}"
                is_module = (ROOT / inner.replace(".", "/")).with_suffix(".py").exists()
                yield inner if is_module or inner.removeprefix("cg_core.") in CORE else module


def impurities(module: str, source: str) -> list[str]:
    """What in the source of a core module is not pure."""
    found = []
    for name in imported(source):
        top = name.partition(".")[0]
        home = KEPT_IN_ONE_FILE.get(top)
        if top not in PURE and top != "cg_core" and home != module:
            found.append(f"imports {name}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id in IMPURE_BUILTINS | {"__import__"}:
            found.append(f"uses {node.id}")
        if isinstance(node, ast.Attribute) and node.attr in IMPURE_METHODS:
            found.append(f"calls .{node.attr}")
    return found


def climbs(module: str, source: str) -> list[str]:
    """The imports of a core module that do not run from an upper floor to a lower one."""
    below: set[str] = set().union(*FLOORS[: [module in floor for floor in FLOORS].index(True)])
    names = (name.removeprefix("cg_core").removeprefix(".") for name in imported(source)
             if name.startswith(("cg_core", ".")))  # fmt: skip
    packages = ("framing", "remote", "service", "session")
    modules = [f"{name}.__init__" if name in packages else name for name in names]
    return [name for name in modules if name not in below]


def test_every_core_module_has_its_floor() -> None:
    assert set(CORE) == set().union(*FLOORS)


@pytest.mark.parametrize("module", CORE)
def test_core_is_pure(module: str) -> None:
    assert impurities(module, CORE[module].read_text()) == []


@pytest.mark.parametrize("module", [name for name in CORE if name.startswith("framing")])
def test_framing_knows_nothing_of_what_it_carries(module: str) -> None:
    names = {name.removeprefix("cg_core.") for name in imported(CORE[module].read_text())
             if name.startswith("cg_core.") and not name.startswith("cg_core.framing")}  # fmt: skip
    assert names <= FRAMING_STANDS_ON


@pytest.mark.parametrize("module", CORE)
def test_core_imports_run_one_way(module: str) -> None:
    assert climbs(module, CORE[module].read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os", "imports os"),
        ("import cg_backends.memory", "imports cg_backends.memory"),
        ("def f():\n    from time import monotonic", "imports time"),
        ("import coincurve", "imports coincurve"),
        ("from . import text", "imports ."),
        ("print(1)", "uses print"),
        ("__import__('os')", "uses __import__"),
        ("from datetime import datetime\nx = datetime.now", "calls .now"),
    ],
)
def test_impurity_is_found(source: str, found: str) -> None:
    assert impurities("text", source) == [found]


@pytest.mark.parametrize("source", ["from cg_core.rules import decide", "import cg_core"])
def test_climbing_is_found(source: str) -> None:
    assert climbs("text", source) != []


@pytest.mark.parametrize("path", BACKENDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_backend_imports_another(path: Path) -> None:
    """What they have in common stands below them; the command line and the fixtures stand above."""
    users = {ROOT / "cg_backends/pytest_plugin.py", *(ROOT / "cg_backends/cli").glob("*.py")}
    module = path.relative_to(ROOT / "cg_backends").with_suffix("").parts[0]
    below: set[str] = set().union(*BACKEND_FLOORS[: _floor_of(module)])
    others = {
        name.removeprefix("cg_backends.")
        for name in imported(path.read_text())
        if name.startswith("cg_backends") and not name.startswith(f"cg_backends.{module}.")
    }
    assert path in users or others <= below


@pytest.mark.parametrize("package", PACKAGE_FLOORS)
def test_imports_within_a_backend_run_one_way(package: str) -> None:
    below: set[str] = set()
    for floor in PACKAGE_FLOORS[package]:
        for module in floor:
            source = (ROOT / f"cg_backends/{package}/{module}.py").read_text()
            names = {
                name.removeprefix(f"cg_backends.{package}.")
                for name in imported(FOR_TYPES.sub("", source))
                if name.startswith(f"cg_backends.{package}.")
            }
            assert names <= below
        below |= floor
    assert below == {path.stem for path in (ROOT / "cg_backends" / package).glob("*.py")}


def _floor_of(module: str) -> int:
    return next((n for n, floor in enumerate(BACKEND_FLOORS) if module in floor), 0)


def test_each_core_module_has_its_tests() -> None:
    folder = ROOT / "tests/core"
    tests = {
        ".".join(path.relative_to(folder).with_suffix("").parts).replace("test_", "")
        for path in folder.glob("**/test_*.py")
    }
    assert {module for module in CORE if not module.endswith("__init__")} <= tests


IMPORT_PROBE = """
import os, sys, json
drawn_by = []
urandom = os.urandom
def watched(size):
    drawn_by.append(sys._getframe(1).f_globals["__name__"].partition(".")[0])
    return urandom(size)
os.urandom = watched
import attrs, cattrs, eth_hash.backends.pysha3
libraries = set(sys.modules)
import coincurve
libraries_and_curve = set(sys.modules)
import cg_core
print(json.dumps({
    "drawn_by": sorted(set(drawn_by)),
    "loaded": sorted(sys.modules),
    "beyond_libraries": sorted(set(sys.modules) - libraries_and_curve),
}))
"""


def fresh_interpreter(program: str) -> dict[str, list[str]]:
    # Without coverage, which would load and touch what it needs itself.
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        capture_output=True, check=True, cwd=ROOT, env=environment, text=True,
    )  # fmt: skip
    report: dict[str, list[str]] = json.loads(run.stdout)
    return report


def test_importing_the_core_loads_nothing_that_reaches_out() -> None:
    report = fresh_interpreter(IMPORT_PROBE)
    reaching_out = {
        "anyio", "asyncio", "cg_backends", "concurrent", "http", "httpcore", "httpx", "logging",
        "multiprocessing", "secrets", "sqlite3", "ssl", "subprocess", "trio", "uuid", "wsproto",
    }  # fmt: skip
    assert reaching_out.isdisjoint(report["loaded"])
    # heapq is difflib's, the two others are decimal's.
    # socket, random, select and tempfile come with eth-hash's look at its own version, and only so.
    beyond = {name for name in report["beyond_libraries"] if not name.startswith("cg_core")}
    assert {name.partition(".")[0] for name in beyond} <= PURE | {
        "_decimal",
        "numbers",
        "_heapq",
        "heapq",
    }


def test_only_the_curve_library_draws_random_bytes_at_import() -> None:
    assert fresh_interpreter(IMPORT_PROBE)["drawn_by"] == ["coincurve"]


USE_PROBE = """
import json, sys
import cg_core
from cg_backends.memory import World
groups = World().connect()
events = []
armed = True
sys.addaudithook(lambda event, args: events.append(event) if armed else None)
cg_core.Identity(b"\\1" * 32)
for request in (
    cg_core.CreateGroup("farm", join_key="farm", join_secret="s3cret", deploy_fee=1),
    cg_core.AddJob("farm", "P+Y4IApeFQLrYS2W7MkVg7", join_secret="s3cret"),
    cg_core.ListJobs("farm"),
):
    cg_core.from_operation(cg_core.to_operation(request, "session"), "session")
    groups.call(request)
armed = False
print(json.dumps({"events": events}))
"""
# Python's own: cattrs compiles a function for each class on its first use.
COMPUTING = {"builtins.id", "code.__new__", "compile", "exec", "import", "object.__getattr__"}


def test_using_the_core_touches_nothing_outside() -> None:
    """Python tells every file, socket, process and so on that is touched to its audit hooks."""
    assert set(fresh_interpreter(USE_PROBE)["events"]) <= COMPUTING
