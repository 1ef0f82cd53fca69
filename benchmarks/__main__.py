"""`python -m benchmarks`: measure all, print a table; `--json FILE` keeps the figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import attrs
from rich.console import Console
from rich.table import Table

from benchmarks import (
    framing,
    hashing,
    imports,
    memory,
    remote,
    requests,
    service,
    session,
    start,
    store,
)
from benchmarks.measure import Figure

SUBJECTS = {
    "hashing": hashing,
    "requests": requests,
    "memory": memory,
    "store": store,
    "session": session,
    "framing": framing,
    "remote": remote,
    "service": service,
    "imports": imports,
    "start": start,
}
LIBRARIES = ("attrs", "cattrs", "coincurve", "eth-hash", "safe-pysha3")


def machine() -> str:
    """The machine and its load, for the head of the report."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {load}; "
        f"{platform.python_implementation()} {platform.python_version()}; {libraries}"
    )


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--quick", action="store_true", help="a smoke run: the figures mean little")
    given = parser.parse_args()
    unknown = set(given.subjects) - set(SUBJECTS)
    if unknown:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    about = machine()

    def measured() -> Iterator[Figure]:
        for subject in given.subjects or SUBJECTS:
            yield from SUBJECTS[subject].figures(quick=given.quick)

    table = Table(caption=about, caption_justify="left")
    for heading in ("work", "one call", "a second", "peer", "peer's", "ratio", "goal"):
        table.add_column(heading, justify="left" if heading in ("work", "peer") else "right")
    figures = []
    for each in measured():
        figures.append(each)
        print(f"{each.work}: {each.ratio:.2f}", file=sys.stderr)
        table.add_row(
            each.work, each.shown(each.value),
            f"{1 / each.value:,.0f}" if each.unit == "s" else "", each.peer,
            each.shown(each.peer_value), f"{each.ratio:.2f}",
            "" if each.goal is None else f"≥ {each.goal}",
        )  # fmt: skip
    Console(width=150).print(table)
    if given.json is not None:
        report = {"machine": about, "figures": [attrs.asdict(each) for each in figures]}
        given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
