"""The wheel and the sdist, built of a tree with nothing from the network."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import attrs


@attrs.frozen
class Distribution:
    """What is published of a version."""

    wheel: Path
    sdist: Path


def build(tree: Path, folder: Path) -> Distribution:
    """Build both, as any frontend does, but with the hatchling that is here."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, check=True, cwd=tree, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Distribution(wheel, sdist)


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack an sdist; the folder with all that is in it is returned."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")
