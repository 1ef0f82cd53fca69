"""The plots of a report, each as PNG and as SVG; the same report gives the same files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.typing import RcKeyType

from benchmarks.measure import Breakdown, Curve, Figure, Unit, shown
from benchmarks.report import Report, verdict

# Blue and orange are told apart by all eyes; hatching, marks and dashes tell besides.
BLUE, ORANGE, GREY, FAINT = "#2b6cb0", "#dd6b20", "#718096", "#e2e8f0"
LINES = ((BLUE, "o"), (ORANGE, "s"), ("#2f855a", "^"), ("#805ad5", "D"), (GREY, "v"))
NUMBERS = FuncFormatter(lambda value, _: f"{value:,.12g}")
SECONDS = FuncFormatter(lambda value, _: _round(value, "s"))
BYTES = FuncFormatter(lambda value, _: _round(value, "B"))
STYLE: dict[RcKeyType, Any] = {
    "font.size": 13,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 15,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "hatch.linewidth": 1.2,
    "svg.hashsalt": "compute-groups",  # or the ids in an SVG are random
}


def write(report: Report, folder: Path) -> list[Path]:
    """Draw all that a report has something for; the files."""
    return save(drawings(report), folder)


def save(named: Iterable[tuple[str, Drawing]], folder: Path, *, dpi: int = 110) -> list[Path]:
    """Write drawings into a folder, each by its name; they are made as they are taken."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with mpl.rc_context(STYLE):
        for name, drawing in named:
            FigureCanvasAgg(drawing)
            for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
                file = folder / (name + suffix)
                drawing.savefig(file, dpi=dpi, bbox_inches="tight", metadata=metadata)
                files.append(file)
    return files


def drawings(report: Report) -> Iterator[tuple[str, Drawing]]:
    """Each drawing with the name of its file."""
    with_a_goal = [
        (each, each.goal) for of in report.subjects for each in of.figures if each.goal is not None
    ]
    if with_a_goal:
        yield "ratios", ratios(with_a_goal)
    for subject in report.subjects:
        if subject.name == "calls":
            yield from calls(subject.figures)
        if subject.breakdowns:
            yield "where_the_time_goes", breakdowns(subject.breakdowns)
    for measured, size, curves in report.families():
        yield f"{measured}_by_{size.replace(' ', '_')}", growth(measured, size, curves)


def ratios(figures: Sequence[tuple[Figure | Curve, float]]) -> Drawing:
    """A bar for each ratio, and a mark where its goal is."""
    drawing = Drawing(figsize=(14, 1.6 + 0.62 * len(figures)), layout="constrained")
    axes = drawing.add_subplot()
    for place, (each, goal) in enumerate(figures):
        reached = verdict(each) == "reached"
        axes.barh(
            place, each.ratio - 1, left=1, height=0.6, edgecolor=BLUE if reached else ORANGE,
            color=BLUE if reached else "white", hatch="" if reached else "////",
        )  # fmt: skip
        axes.plot(goal, place, "|", color="black", markersize=20, markeredgewidth=2.5)
        mark = "✓" if reached else "✗ missed"
        axes.annotate(
            f"{each.ratio:.2f} {mark}", (max(each.ratio, goal, 1), place),
            xytext=(8, 0), textcoords="offset points", va="center",
        )  # fmt: skip
    axes.set_yticks(range(len(figures)), [_label(each) for each, _ in figures])
    axes.set_ylim(len(figures) - 0.5, -0.5)  # the first is the uppermost
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.4), high * 2.5)  # room for what stands behind the bars
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(NUMBERS)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=FAINT)
    axes.set_axisbelow(True)
    axes.set_xlabel("times as good as the peer, which is at 1")
    axes.set_title("Ratios that have a goal", pad=16)
    drawing.legend(
        handles=[
            Patch(facecolor=BLUE, edgecolor=BLUE, label="goal reached"),
            Patch(facecolor="white", edgecolor=ORANGE, hatch="////", label="goal missed"),
            Line2D([], [], color="black", marker="|", markersize=15, markeredgewidth=2.5,
                   linestyle="", label="goal"),
        ],
        loc="outside upper right", ncols=3, frameon=False,
    )  # fmt: skip
    return drawing


def calls(figures: Sequence[Figure | Curve]) -> Iterator[tuple[str, Drawing]]:
    """One call alone, and calls a second of many callers at once."""
    for how, members in groupby(figures, key=lambda each: each.work.partition(": ")[0]):
        if "at once" in how:
            yield "calls_a_second", _bars(f"Calls a second, {how.split(',')[0]}", "1/s", members)
        else:
            yield "time_of_a_call", _bars(f"Time of a call, {how}", "s", members)


def _bars(title: str, unit: str, figures: Iterable[Figure | Curve]) -> Drawing:
    # The peers first, each of them once.
    theirs, ours = {}, {}
    for each in figures:
        theirs[each.peer] = each.peer_value
        ours[each.work.partition(": ")[2]] = each.value
    drawing = Drawing(figsize=(12, 1.6 + 0.6 * len(theirs | ours)), layout="constrained")
    axes = drawing.add_subplot()
    for place, (name, value) in enumerate((theirs | ours).items()):
        length = value if unit == "s" else 1 / value
        axes.barh(
            place, length, height=0.6, edgecolor=GREY if name in theirs else BLUE,
            color="white" if name in theirs else BLUE, hatch="..." if name in theirs else "",
        )  # fmt: skip
        axes.annotate(
            shown(value, "s") if unit == "s" else f"{length:,.0f}", (length, place),
            xytext=(6, 0), textcoords="offset points", va="center",
        )  # fmt: skip
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(10 ** floor(log10(low)), high * 1.6)  # room for the numbers
    axes.set_yticks(range(len(theirs | ours)), [*theirs, *ours])
    axes.set_ylim(len(theirs | ours) - 0.5, -0.5)
    axes.grid(axis="x", color=FAINT)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(SECONDS if unit == "s" else NUMBERS)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title, pad=16)
    return drawing


def breakdowns(of: Sequence[Breakdown]) -> Drawing:
    """A bar for each part of each."""
    drawing = Drawing(figsize=(12, 1.2 + 0.5 * sum(len(each.parts) + 2 for each in of)))
    drawing.set_layout_engine("constrained")
    heights = [len(each.parts) for each in of]
    subplots = drawing.subplots(len(of), 1, squeeze=False, height_ratios=heights)
    for axes, each in zip(subplots[:, 0], of, strict=True):
        for place, (_, time, share) in enumerate(each.rows()):
            seconds = each.parts[place][1]
            axes.barh(place, seconds, height=0.6, color=BLUE)
            axes.annotate(
                f"{time}, {share}", (seconds, place), xytext=(6, 0), textcoords="offset points",
                va="center",
            )  # fmt: skip
        axes.set_yticks(range(len(each.parts)), [part for part, _ in each.parts])
        axes.set_ylim(len(each.parts) - 0.5, -0.5)
        axes.set_xlim(0, each.parts[0][1] * 1.25)  # room for the numbers
        axes.xaxis.set_major_formatter(SECONDS)
        axes.grid(axis="x", color=FAINT)
        axes.set_axisbelow(True)
        axes.set_title(f"{each.work}: {shown(each.value, 's')}", pad=12)
    return drawing


def growth(measured: str, size: str, curves: Sequence[Curve]) -> Drawing:
    """Values over sizes, each with a dashed line of what its first one promises."""
    drawing = Drawing(figsize=(10, 6.5), layout="constrained")
    axes = drawing.add_subplot()
    for number, curve in enumerate(curves):
        color, marker = LINES[number % len(LINES)]
        sizes = [size for size, _ in curve.points]
        axes.plot(
            sizes, [value for _, value in curve.points], color=color, marker=marker, markersize=8,
            linewidth=2, label=curve.work,
        )  # fmt: skip
        expected = [curve.expected_at(size) for size in sizes]
        axes.plot(sizes, expected, color=color, linestyle="--", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # Whole powers of ten: so they have numbers, and what is flat looks flat.
    axes.set_ylim(10 ** floor(log10(low)), 10 ** ceil(log10(high)))
    axes.xaxis.set_major_formatter(NUMBERS)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator())
    axes.yaxis.set_major_formatter(SECONDS if curves[0].unit == "s" else BYTES)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color=FAINT)
    axes.set_axisbelow(True)
    axes.set_xlabel(size)
    axes.set_title(f"{measured.capitalize()} by {size}", pad=16)
    handles, _ = axes.get_legend_handles_labels()
    promised = Line2D(
        [], [], color="black", linestyle="--", linewidth=1.2, label="what the first size promises"
    )
    drawing.legend(
        handles=[*handles, promised], loc="outside lower center", ncols=2, frameon=False,
    )  # fmt: skip
    return drawing


def _label(each: Figure | Curve) -> str:
    return "\n".join([*textwrap.wrap(each.work, 64), *textwrap.wrap(f"({each.peer})", 64)])


def _round(value: float, unit: Unit) -> str:
    number, symbol = shown(value, unit).split()
    return f"{float(number):g} {symbol}"
