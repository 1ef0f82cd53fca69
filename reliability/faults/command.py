"""A long workload through the live stack while all that it stands on fails, and then a judge.

Clients of all backends call a `cg serve` through a proxy. Connections are cut, silenced,
half-opened and refused; the service is stopped, killed and paused; so is its database; its disk is
filled; clocks are moved. Every call must end as the documentation says, and the store must hold
what was answered.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks.plots import save
from reliability.faults.plot import drawings
from reliability.faults.report import Report, markdown
from reliability.faults.trial import Settings, try_out
from tests.peers.databases import DATABASES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a run can be told."""
    parser.add_argument("--faults", type=int, metavar="N", help="how many are to take effect")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what they are drawn from")
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help="of the service")


def run(given: argparse.Namespace) -> int:
    """Try it out, and tell what came of it; 1 where anything was wrong."""
    trial = try_out(settings(given))
    report = Report.of(trial)
    print(markdown(report))
    if given.report is not None:
        report.write(given.report)
        save(drawings(report), given.report, dpi=72)
    for finding in report.findings:
        print(f"WRONG: {finding.kind}: {finding.told}", file=sys.stderr)
    return 1 if report.findings else 0


def settings(given: argparse.Namespace) -> Settings:
    """How the trial is to be. A smoke run has few actors, and calls that are soon given up."""
    drawn_from: dict[str, Any] = {"seed": given.seed, "database": given.database}
    if given.quick:
        return Settings(
            **drawn_from, faults=given.faults or 100, quick=True, pairs=10, actors=3, pause=0.1,
            a_second=16, timeouts=(2.0, 4.0, 6.0),
        )  # fmt: skip
    return Settings(
        **drawn_from, faults=given.faults or 10_000, quick=False, pairs=60, actors=3, pause=0.5,
        a_second=12, timeouts=(3.0, 8.0, 15.0, 30.0),
    )  # fmt: skip
