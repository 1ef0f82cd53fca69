"""What an install can do with the extras that it has, and which extra it asks for otherwise.

An install is a folder with the wheel, and with what that asks for, and not a package more.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import attrs
import pytest
from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.distribution import build

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOR_WHO_WORKS_ON_IT = {"benchmarks", "docs", "fuzz", "test"}
LEFT_OUT = {"..", "__pycache__"}  # programs, and what pip compiles
EXTRAS = sorted({"", *PROJECT["optional-dependencies"]} - FOR_WHO_WORKS_ON_IT)

CG = "from cg_backends.cli import main; sys.argv[1:] = "


@attrs.frozen
class Feature:
    """Something that the package does.

    Attributes:
        program: needs it.
        extras: bring it.
        status: of the program where it is there.
    """

    program: str
    extras: list[str]
    status: int = 0


FEATURES = {
    "memory": Feature("from cg_backends.memory import connect; connect().create('farm')", []),
    "clients": Feature("from cg_backends import asyncio, sync, trio", []),
    "keystores": Feature(
        "from cg_core import Identity; from cg_backends.keystores import save_identity;"
        "save_identity(Identity('0x' + '01' * 32), 'id.keystore')",
        ["keystore"],
    ),
    "SQLite": Feature("from cg_backends.sql import connect; connect().create('farm')", ["sql"]),
    "MariaDB": Feature(
        "from cg_backends.sql import Store; Store('mariadb://keeper@127.0.0.1/farm')",
        ["sql", "mariadb"],
    ),
    "PostgreSQL": Feature(
        "from cg_backends.sql import Store; Store('postgresql://keeper@127.0.0.1/farm')",
        ["sql", "postgresql"],
    ),
    "cg": Feature(f"{CG} ['demo']; main()", ["cli"]),
    # It comes as far as to its store, for which there is no folder.
    "cg serve": Feature(
        f"{CG} ['serve', '--store', 'sqlite:///none/farm.db']; main()", ["cli", "service"], status=4
    ),
}


@attrs.frozen
class Install:
    """What pip would install.

    Attributes:
        folder: where it lies.
        extras: those that were asked for, and those that they ask for.
    """

    folder: Path
    extras: set[str]

    def run(self, program: str, home: Path) -> subprocess.CompletedProcess[str]:
        """Run a program that has the standard library and this, and nothing else."""
        begin = f"import sys; sys.path.append({str(self.folder)!r})\n"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", begin + program],
            check=False, capture_output=True, text=True, cwd=home, env={"HOME": str(home)},
        )  # fmt: skip


def included(extra: str) -> set[str]:
    """An extra and those that it asks for."""
    asked = map(Requirement, PROJECT["optional-dependencies"].get(extra, ()))
    below = [each for wanted in asked if wanted.name == PROJECT["name"] for each in wanted.extras]
    return {extra}.union(*map(included, below))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("built")).wheel


def needed(metadata: RawMetadata, extra: str) -> set[str]:
    """The distributions that ours asks for with an extra, and those that these ask for."""
    ours = metadata["name"]
    pending, found = {(ours, ""), (ours, extra)}, set[tuple[str, str]]()
    while pending:
        name, extra = pending.pop()
        found.add((name, extra))
        asked = metadata["requires_dist"] if name == ours else distribution(name).requires
        for wanted in map(Requirement, asked or ()):
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                normal = canonicalize_name(wanted.name)
                pending |= {(normal, each) for each in ("", *wanted.extras)} - found
    return {name for name, _ in found} - {ours}


@pytest.fixture(scope="module", params=EXTRAS, ids=lambda extra: extra or "none")
def install(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path
) -> Install:
    folder = tmp_path_factory.mktemp("install")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    (metadata,) = folder.glob("*.dist-info/METADATA")
    for name in needed(parse_email(metadata.read_bytes())[0], request.param):
        for top in {file.parts[0] for file in distribution(name).files or ()} - LEFT_OUT:
            (folder / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    return Install(folder, included(request.param))


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_works_or_names_the_extra_that_brings_it(
    install: Install, feature: str, tmp_path: Path
) -> None:
    wanted = FEATURES[feature]
    run = install.run(wanted.program, tmp_path)
    lacking = [extra for extra in wanted.extras if extra not in install.extras]
    *_, said_last = ["", *run.stderr.splitlines()]  # above it, source lines may be shown
    said = re.findall(r"pip install 'compute-groups\[(\w+)\]'", said_last)
    assert said == lacking[:1], run.stderr
    assert (run.returncode == wanted.status) == (not lacking), run.stderr
