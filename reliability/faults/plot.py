"""The plot of a trial: calls answered in each second, and below when which fault struck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Final

from matplotlib.figure import Figure as Drawing

from benchmarks.plots import BLUE, FAINT, NUMBERS, ORANGE
from reliability.faults.report import Report

_MOST_POINTS: Final = 300


def drawings(report: Report) -> Iterator[tuple[str, Drawing]]:
    """The drawing with the name of its file."""
    yield "faults", drawn(report)


def drawn(report: Report) -> Drawing:
    """Answers a second above, connections struck a second and all other faults below."""
    kinds = sorted({fault.kind for fault in report.others})
    drawing = Drawing(figsize=(12, 6 + 0.3 * len(kinds)), layout="constrained")
    above, middle, below = drawing.subplots(
        3, 1, sharex=True, height_ratios=[4, 1.5, 0.6 + 0.4 * len(kinds)]
    )
    above.plot(*_thinned(report.answers), color=BLUE, linewidth=0.8)
    above.set_title("Calls answered in a second", pad=10)
    middle.plot(*_thinned(report.struck), color=ORANGE, linewidth=0.8)
    middle.set_title("Connections struck in a second", pad=10)
    for place, kind in enumerate(kinds):
        spans = [
            (fault.at, max(fault.seconds, report.seconds / 600))  # or it could not be seen
            for fault in report.others
            if fault.kind == kind
        ]
        below.broken_barh(spans, (place - 0.35, 0.7), color=ORANGE)
    below.set_yticks(range(len(kinds)), kinds, fontsize=10)
    below.set_ylim(len(kinds) - 0.5, -0.5)
    below.set_title("Other faults", pad=10)
    below.set_xlabel("seconds from the beginning")
    for axes in (above, middle, below):
        axes.grid(axis="x", color=FAINT)
        axes.set_axisbelow(True)
        axes.set_xlim(0, report.seconds)
        axes.xaxis.set_major_formatter(NUMBERS)
    for axes in (above, middle):
        axes.set_ylim(bottom=0)
    return drawing


def _thinned(each_second: Sequence[int]) -> tuple[list[int], list[float]]:
    # Seconds, and values; means of some seconds where there are too many to be seen.
    together = 1 + len(each_second) // _MOST_POINTS
    places = range(0, len(each_second), together)
    return [*places], [mean(each_second[place : place + together]) for place in places]
