"""The figures of all subjects, as `figures.json` and as the tables of `figures.md`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import attrs
from cattrs.preconf.json import make_converter

from benchmarks.measure import Breakdown, Curve, Figure, shown

LIBRARIES = (
    "attrs", "cattrs", "click", "coincurve", "eth-hash", "httpx", "safe-pysha3", "sqlalchemy",
    "trio", "uvicorn", "wsproto",
)  # fmt: skip
HEADINGS = ("work", "ours", "peer", "peer's", "ratio", "goal", "")
_ABOUT = """\
# Figures

`python -m benchmarks --report` wrote this. A ratio is the peer's value divided by ours, measured in
turn with it: above 1 is better than the peer. Where something grows, the peer is what its first
size promises for the others.
"""
_CONVERTER = make_converter()


@attrs.frozen
class Machine:
    """What was measured on.

    Attributes:
        kind: its processor.
        cpus: how many of them.
        versions: of Python, of the libraries, and of Node where it is there.
    """

    kind: str
    cpus: int
    versions: Mapping[str, str]

    @classmethod
    def this(cls) -> Machine:
        """The one that runs this."""
        versions = {platform.python_implementation(): platform.python_version()}
        versions |= {name: version(name) for name in LIBRARIES}
        if node := shutil.which("node"):
            run = subprocess.run([node, "--version"], capture_output=True, check=True, text=True)
            versions["Node.js"] = run.stdout.strip().removeprefix("v")
        return cls(_processor(), os.cpu_count() or 1, versions)

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{self.kind}, {self.cpus} CPUs; {versions}"


@attrs.frozen
class Subject:
    """What one subject gave.

    Attributes:
        name: of the subject.
        date: when it was measured.
        load: of the machine when it began, over the last 1, 5 and 15 minutes.
        quick: whether it was a smoke run, whose figures mean little.
        machine: where it was measured.
        figures: what it gave.
        breakdowns: what it sampled.
    """

    name: str
    date: str
    load: tuple[float, float, float]
    quick: bool
    machine: Machine
    figures: tuple[Figure | Curve, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()

    @classmethod
    def begun(cls, name: str, *, quick: bool) -> Subject:
        """One that is about to be measured."""
        date = datetime.now(UTC).date().isoformat()
        return cls(name, date, os.getloadavg(), quick, Machine.this())

    @property
    def taken(self) -> str:
        """When, and at what load."""
        smoke = "A smoke run, whose figures mean little. " if self.quick else ""
        load = ", ".join(f"{each:.2f}" for each in self.load)
        return f"{smoke}Taken on {self.date}, begun at load {load}."


@attrs.frozen
class Report:
    """Subjects, in the order in which they are shown."""

    subjects: tuple[Subject, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Report:
        """The report in a folder; an empty one, where there is none."""
        try:
            text = (folder / "figures.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls()
        return _CONVERTER.loads(text, cls)

    def write(self, folder: Path) -> None:
        """Write both files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = _CONVERTER.dumps(self, indent=1, ensure_ascii=False)
        (folder / "figures.json").write_text(text + "\n", encoding="utf-8")
        (folder / "figures.md").write_text(markdown(self), encoding="utf-8")

    def with_subject(self, subject: Subject, order: Sequence[str]) -> Report:
        """With this subject in the place of the one of its name; no others than those in order."""
        subjects = {each.name: each for each in self.subjects} | {subject.name: subject}
        return Report(tuple(subjects[name] for name in order if name in subjects))

    def families(self) -> Iterator[tuple[str, str, list[Curve]]]:
        """The curves of all subjects that have the same axes: a name of those, what grows, they."""
        curves = [each for of in self.subjects for each in of.figures if isinstance(each, Curve)]
        yield from families(curves)


def families(curves: Sequence[Curve]) -> Iterator[tuple[str, str, list[Curve]]]:
    """Curves that have the same axes: what is measured ("time", "memory"), what grows, and they."""

    def axes(each: Curve) -> tuple[str, str]:
        return ("time" if each.unit == "s" else "memory", each.size)

    for (measured, size), members in groupby(sorted(curves, key=axes), key=axes):
        yield measured, size, list(members)


def row(each: Figure | Curve) -> tuple[str, ...]:
    """The cells of a table under HEADINGS."""
    return (
        each.work, shown(each.value, each.unit), each.peer, shown(each.peer_value, each.unit),
        f"{each.ratio:.2f}", "" if each.goal is None else f"{each.goal:g}", verdict(each),
    )  # fmt: skip


def verdict(each: Figure | Curve) -> str:
    """Whether it is as good as wanted."""
    if each.goal is None:
        return ""
    return "reached" if each.ratio >= each.goal else "missed"


def markdown(report: Report) -> str:
    """The tables of all subjects."""
    machines = list(dict.fromkeys(str(each.machine) for each in report.subjects))
    parts = [_ABOUT]
    if len(machines) == 1:
        parts.append(f"Machine: {machines[0]}.\n")
    for subject in report.subjects:
        parts.append(f"## {subject.name}\n\n{subject.taken}\n")
        if len(machines) > 1:
            parts.append(f"Machine: {subject.machine}.\n")
        if subject.figures:
            parts.append(table(HEADINGS, map(row, subject.figures), left=(0, 2)))
        curves = [each for each in subject.figures if isinstance(each, Curve)]
        parts += [_points(size, members) for _, size, members in families(curves)]
        parts += map(_parts, subject.breakdowns)
    return "\n".join(parts)


def _points(size: str, curves: Sequence[Curve]) -> str:
    values = [dict(each.points) for each in curves]
    sizes = sorted({number for each in values for number in each})
    rows = (
        (
            f"{number:,}",
            *(
                shown(each[number], curve.unit) if number in each else ""
                for curve, each in zip(curves, values, strict=True)
            ),
        )
        for number in sizes
    )
    return table((size, *(each.work for each in curves)), rows, left=())


def _parts(each: Breakdown) -> str:
    time = shown(each.value, "s")
    headings = (f"{each.work}: {time}, {each.samples:,} samples", "time", "share")
    return table(headings, each.rows())


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = (0,)
) -> str:
    """A table of Markdown.

    Args:
        headings: of the columns.
        rows: their cells.
        left: the columns whose cells stand at the left; those of the others at the right.
    """
    marks = ["---" if number in left else "--:" for number in range(len(headings))]
    lines = [headings, marks, *([cell.replace("|", "\\|") for cell in cells] for cells in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _processor() -> str:
    # Linux says which; platform.processor() is empty there.
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{platform.machine()} ({next(models, platform.system())})"
