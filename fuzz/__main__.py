"""`python -m fuzz TARGET --seconds 60`: what makes a target raise is told, and kept in a file."""

# ruff: noqa: PLC0415 - what is imported within `instrument_imports` is measured

from __future__ import annotations

import argparse
import sys
from hashlib import sha1
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
        "--corpus", type=Path, metavar="FOLDER",
        help="where the seeds are, and what was found of interest [.fuzz/TARGET]",
    )  # fmt: skip
    given = parser.parse_args()
    corpus = given.corpus or Path(".fuzz", given.target)
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds(given.target):
        (corpus / sha1(seed).hexdigest()).write_bytes(seed)  # named as libFuzzer does
    options = [
        f"-max_total_time={given.seconds}", "-timeout=20", "-rss_limit_mb=4096",
        "-max_len=100000", f"-artifact_prefix={given.target}-", str(corpus),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], TARGETS[given.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
