"""What is published: a wheel and an sdist that hold what they should and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from tests.distribution import Distribution, build, unpack
from tests.installed import PYTHONS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIST_INFO = f"compute_groups-{PROJECT['version']}.dist-info"

# What lies about where people work, whether git ignores it or not, and is nobody else's.
LEFTOVERS = {
    ".coverage", ".hypothesis/x", ".idea/x.md", ".venv/lib/python3.11/site-packages/tests/x.py",
    "build/lib/cg_core/x.py", "cg_core/__pycache__/x.cpython-311.pyc", "dist/x.whl", "id.keystore",
    "tests/__pycache__/x.cpython-311.pyc", "tests/peers/node_modules/x/README.md",
    "work/cg_core/x.py", "work/notes.md", "work/tests/x.py",
}  # fmt: skip


@pytest.fixture(scope="module")
def repository() -> set[str]:
    """The files of the repository, those that are yet to be added among them."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone of the repository")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    return {name for name in listed.split("\0")[:-1] if (ROOT / name).exists()}


def workplace(folder: Path, files: Iterable[str], leftovers: Iterable[str] = ()) -> Path:
    """A copy of the repository, and what is left of somebody's work in it."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name in leftovers:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left over")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, repository: set[str]) -> Distribution:
    tree = workplace(tmp_path_factory.mktemp("tree"), repository, LEFTOVERS)
    return build(tree, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, built: Distribution) -> Path:
    """What the sdist becomes."""
    return unpack(built.sdist, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture(scope="module")
def metadata(built: Distribution) -> Metadata:
    with zipfile.ZipFile(built.wheel) as archive:
        return Metadata.from_email(archive.read(f"{DIST_INFO}/METADATA"), validate=True)


# What is in them.


def test_a_wheel_has_the_two_packages(built: Distribution, repository: set[str]) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = archive.namelist()
    packages = {name for name in repository if name.startswith(("cg_core/", "cg_backends/"))}
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert packages >= {"cg_core/py.typed", "cg_backends/py.typed"}
    assert sorted(names) == sorted(packages | {f"{DIST_INFO}/{name}" for name in about})


def test_an_sdist_has_the_repository(unpacked: Path, repository: set[str]) -> None:
    files = {str(path.relative_to(unpacked)) for path in unpacked.glob("**/*") if path.is_file()}
    of_the_repository_alone = {".ci/run"}
    assert files == repository - of_the_repository_alone | {"PKG-INFO"}


def test_an_sdist_makes_the_same_again(built: Distribution, unpacked: Path, tmp_path: Path) -> None:
    again = build(unpacked, tmp_path)
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_whoever_builds_them_gets_the_same_bytes(
    built: Distribution, repository: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere, later, with other habits."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    tree = workplace(tmp_path / "somewhere else", repository)
    for path in tree.glob("**/*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (2_000_000_000, 2_000_000_000))
    again = build(tree, tmp_path)
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


# What is said about them.


def test_the_metadata_is_what_an_index_takes(metadata: Metadata) -> None:
    """It was validated as it was read; a classifier that is unknown ends the build."""
    assert metadata.name == PROJECT["name"]
    assert (metadata.license_expression, metadata.license_files) == ("MIT", ["LICENSE"])
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(metadata.provides_extra or ()) == set(PROJECT["optional-dependencies"])


def test_it_is_for_the_pythons_that_it_is_tested_on(metadata: Metadata) -> None:
    minor = "Programming Language :: Python :: 3."
    classifiers = {each for each in metadata.classifiers or () if each.startswith(minor)}
    assert classifiers == {f"Programming Language :: Python :: {python}" for python in PYTHONS}
    assert str(metadata.requires_python) == f">={PYTHONS[0]}"
