"""The plots of a run of the load, each as PNG and as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from benchmarks.plots import BLUE, BYTES, FAINT, GREY, NUMBERS, ORANGE, SECONDS
from reliability.load.figures import COMING, FULL, GOING, GONE, LET_IN, LOAD, Run, Second

REFUSING = (COMING, FULL, GOING, GONE)
BEFORE = 30  # seconds of load that are drawn before the newcomers come


def drawings(run: Run) -> Iterator[tuple[str, Drawing]]:
    """Each drawing with the name of its file."""
    load = run.of_phases(LOAD)
    if load:
        yield "load_latency", latency(load)
        yield "load_calls", calls(load)
        yield "load_memory", memory(run)
    if run.of_phases(*REFUSING):
        yield "load_refusal", refusal(run)


def latency(seconds: Sequence[Second]) -> Drawing:
    """The latencies of each second."""
    drawing, (axes,) = _panels("Latency under load, of the calls answered in each second")
    _latencies(axes, seconds)
    return drawing


def calls(seconds: Sequence[Second]) -> Drawing:
    """Calls answered, and the processors used for them."""
    drawing, (upper, lower) = _panels("Calls a second", "Processors used (1 is a whole one)")
    at = [each.at for each in seconds]
    _line(upper, at, [each.latencies.calls for each in seconds], BLUE)
    _line(lower, at, [each.cpu for each in seconds], BLUE, label="service")
    _line(lower, at, [each.callers_cpu for each in seconds], ORANGE, "--", label="callers")
    for axes in (upper, lower):
        axes.set_ylim(bottom=0)
    lower.legend(frameon=False, ncols=2)
    return drawing


def memory(run: Run) -> Drawing:
    """Memory from the beginning to the end, and the trend that is judged."""
    drawing, (axes,) = _panels("Memory")
    at = [each.at for each in run.seconds]
    _line(axes, at, [each.memory for each in run.seconds], BLUE, label="service")
    _line(axes, at, [each.callers_memory for each in run.seconds], ORANGE, "--", label="callers")
    load = run.of_phases(LOAD)
    for process in ("memory", "callers_memory"):
        if (trend := run.trend(process)) is not None:
            ends = (trend.median - trend.growth / 2, trend.median + trend.growth / 2)
            judged = (load[len(load) // 3].at, load[-1].at)
            label = None if process == "memory" else "trend that is judged"
            axes.plot(judged, ends, color="black", linewidth=1.2, label=label)
    axes.axvline(load[-1].at, color=GREY, linestyle=":", label="newcomers come")
    axes.yaxis.set_major_formatter(BYTES)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=2)
    return drawing


def refusal(run: Run) -> Drawing:
    """The callers' latencies while newcomers come, are refused, and go; and the sessions."""
    drawing, (upper, lower) = _panels(
        "Latency of the callers who are in", "Sessions, and newcomers who are told"
    )
    seconds = [*run.of_phases(LOAD)[-BEFORE:], *run.of_phases(*REFUSING)]
    _latencies(upper, seconds)
    _line(lower, [each.at for each in seconds], [each.sessions for each in seconds], BLUE)
    lower.axhline(run.settings.cap, color="black", linestyle="--", linewidth=1.2)
    lower.annotate(
        "cap", (seconds[0].at, run.settings.cap), xytext=(0, 5), textcoords="offset points"
    )
    refused = [each.at for each in run.newcomers if each.outcome != LET_IN]
    if refused:
        height = [run.settings.cap * 1.12] * len(refused)
        lower.plot(refused, height, "|", color=ORANGE, markersize=12, label="refused")
        lower.legend(frameon=False, loc="lower right")
    lower.set_ylim(0, run.settings.cap * 1.25)
    return drawing


def _panels(*titles: str) -> tuple[Drawing, list[Axes]]:
    drawing = Drawing(figsize=(12, 1 + 4.2 * len(titles)), layout="constrained")
    found = list(drawing.subplots(len(titles), 1, squeeze=False, sharex=True)[:, 0])
    for axes, title in zip(found, titles, strict=True):
        axes.set_title(title, pad=12)
        axes.grid(color=FAINT)
        axes.set_axisbelow(True)
        axes.yaxis.set_major_formatter(NUMBERS)
    found[-1].set_xlabel("seconds")
    return drawing, found


def _latencies(axes: Axes, seconds: Sequence[Second]) -> None:
    at = [each.at for each in seconds]
    for name, color, style in (
        ("longest", GREY, ":"),
        ("p99", ORANGE, "--"),
        ("median", BLUE, "-"),
    ):
        # A second without an answer has none: there the line is broken.
        y = [getattr(each.latencies, name) or nan for each in seconds]
        _line(axes, at, y, color, style, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(SECONDS)
    axes.legend(frameon=False, ncols=3)


def _line(
    axes: Axes, x: Sequence[float], y: Sequence[float], color: str, style: str = "-", **options: Any
) -> None:
    axes.plot(x, y, color=color, linestyle=style, linewidth=1.5, **options)
