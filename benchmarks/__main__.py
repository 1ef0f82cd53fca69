"""`python -m benchmarks`: measure all, print a table; `--report FOLDER` keeps it, with plots."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import attrs
from rich.console import Console
from rich.table import Table

from benchmarks import (
    calls,
    framing,
    growth,
    hashing,
    memory,
    plots,
    polling,
    profile,
    requests,
    service,
    session,
    start,
    store,
)
from benchmarks.measure import Breakdown, Curve, Figure
from benchmarks.report import HEADINGS, Report, Subject, row

SUBJECTS = {
    "hashing": hashing,
    "requests": requests,
    "session": session,
    "framing": framing,
    "memory": memory,
    "store": store,
    "calls": calls,
    "polling": polling,
    "service": service,
    "start": start,
    "growth": growth,
    "profile": profile,
}


def measured(name: str, *, quick: bool) -> Subject:
    """Measure a subject; each figure is named on stderr as it comes."""
    subject = Subject.begun(name, quick=quick)
    figures: list[Figure | Curve] = []
    breakdowns: list[Breakdown] = []
    for each in SUBJECTS[name].figures(quick=quick):
        if isinstance(each, Breakdown):
            breakdowns.append(each)
            print(f"{name}: {each.work}", file=sys.stderr)
        else:
            figures.append(each)
            print(f"{name}: {each.work}: {each.ratio:.2f}", file=sys.stderr)
    return attrs.evolve(subject, figures=tuple(figures), breakdowns=tuple(breakdowns))


def table(subject: Subject) -> Table:
    """A subject, for the terminal."""
    lines = Table(title=subject.name, caption=subject.taken, title_justify="left")
    for heading in HEADINGS:
        left = heading in ("work", "peer")
        lines.add_column(heading, justify="left" if left else "right", no_wrap=not left)
    for each in subject.figures:
        lines.add_row(*row(each))
    for breakdown in subject.breakdowns:
        for part, time, share in breakdown.rows():
            lines.add_row(f"{breakdown.work}: {part}", time, "", "", share)
    return lines


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write the report there")
    parser.add_argument("--quick", action="store_true", help="a smoke run: the figures mean little")
    given = parser.parse_args()
    unknown = set(given.subjects) - set(SUBJECTS)
    if unknown:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    report = Report() if given.report is None else Report.read(given.report)
    console = Console(width=150)
    for name in given.subjects or SUBJECTS:
        subject = measured(name, quick=given.quick)
        console.print(table(subject))
        report = report.with_subject(subject, tuple(SUBJECTS))
        if given.report is not None:
            report.write(given.report)  # at once: what comes may fail
    if report.subjects:
        console.print(f"Machine: {report.subjects[-1].machine}")
    if given.report is not None:
        plots.write(report, given.report)


if __name__ == "__main__":
    main()
