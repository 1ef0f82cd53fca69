"""`python -m fuzz TARGET --seconds 60`: what makes a target raise is told, and kept in a file."""

# ruff: noqa: PLC0415 - what is imported within `instrument_imports` is measured

from __future__ import annotations

import argparse
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import atheris  # type: ignore[import-untyped] # it has none


def main() -> None:
    """Fuzz one target, or name them."""
    with atheris.instrument_imports(include=["cg_core", "cg_backends", "fuzz"]):
        from fuzz.targets import TARGETS
    from fuzz.seeds import seeds

    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    names = ", ".join(TARGETS)
    parser.add_argument("target", choices=TARGETS, metavar="TARGET", help=names)
    parser.add_argument("--seconds", type=int, default=60, help="how long; 0 is without end")
    parser.add_argument(
        "--corpus", type=Path, help="a folder that keeps what was found of interest"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = given.corpus or Path(folder, "corpus")
        begin_with = Path(folder, "seeds")
        for each in (corpus, begin_with):
            each.mkdir(parents=True, exist_ok=True)
        for seed in seeds(given.target):
            (begin_with / sha256(seed).hexdigest()).write_bytes(seed)
        options = [
            f"-max_total_time={given.seconds}", "-timeout=20", "-rss_limit_mb=4096",
            "-max_len=100000", f"-artifact_prefix={given.target}-", str(corpus), str(begin_with),
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *options], TARGETS[given.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
