"""What a trial gave: `faults.json`, and `faults.md`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Final

import attrs
from cattrs.preconf.json import make_converter

from benchmarks.report import Machine, table
from reliability.faults.judgement import Fates
from reliability.faults.record import Fault, Finding
from reliability.faults.trial import Settings, Trial

_CONVERTER: Final = make_converter()
_PERCENTILES: Final = (50, 90, 99, 100)


@attrs.frozen(kw_only=True)
class Report:
    """A trial, in figures.

    Attributes:
        date: when it was.
        load: of the machine when it ended, over the last 1, 5 and 15 minutes.
        machine: where it was.
        settings: how it was to be.
        seconds: how long faults went on.
        disk: what the store's files were on; empty where it was not filled.
        sessions: how many clients there were.
        ends: how many calls ended how.
        times: percentiles of the time of an answered call, in seconds.
        healing: percentiles of the time from the end of a fault of the service, or of what it
            stands on, to the next answered call.
        answers: how many calls were answered in each second.
        struck: how many connections were struck in each second.
        connections: how many were struck how.
        others: all other faults that took effect.
        unknown: what became of the calls that ended as unknown.
        rows: groups, jobs and memberships that the store held in the end.
        findings: what was wrong.
    """

    date: str
    load: tuple[float, float, float]
    machine: Machine
    settings: Settings
    seconds: float
    disk: str
    sessions: int
    ends: Mapping[str, int]
    times: Mapping[str, float]
    healing: Mapping[str, float]
    answers: tuple[int, ...]
    struck: tuple[int, ...]
    connections: Mapping[str, int]
    others: tuple[Fault, ...]
    unknown: Fates
    rows: tuple[int, int, int]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> int:
        """How many took effect."""
        return sum(self.connections.values()) + len(self.others)

    @classmethod
    def of(cls, trial: Trial) -> Report:
        """The report of a trial that has just ended."""
        record, judgement = trial.record, trial.judgement
        others = tuple([fault for fault in record.faults if fault.healed is not None])
        connections = [fault for fault in record.faults if fault.healed is None]
        return cls(
            date=datetime.now(UTC).date().isoformat(),
            load=os.getloadavg(),
            machine=Machine.this(),
            settings=trial.settings,
            seconds=trial.seconds,
            disk=trial.disk,
            sessions=trial.sessions,
            ends=dict(record.ends.most_common()),
            times=_percentiles(record.times),
            healing=_percentiles([fault.healed or 0.0 for fault in others]),
            answers=_each_second(record.answered, trial.seconds),
            struck=_each_second([fault.at for fault in connections], trial.seconds),
            connections=Counter(fault.kind for fault in connections),
            others=others,
            unknown=judgement.fates,
            rows=(judgement.groups, judgement.jobs, judgement.memberships),
            findings=(*record.findings, *judgement.findings),
        )

    @classmethod
    def read(cls, folder: Path) -> Report:
        """The one in a folder."""
        return _CONVERTER.loads((folder / "faults.json").read_text(encoding="utf-8"), cls)

    def write(self, folder: Path) -> None:
        """Write both files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = _CONVERTER.dumps(self, ensure_ascii=False)
        (folder / "faults.json").write_text(text + "\n", encoding="utf-8")
        (folder / "faults.md").write_text(markdown(self), encoding="utf-8")


def markdown(report: Report) -> str:
    """The report as a page."""
    settings, unknown = report.settings, report.unknown
    groups, jobs, memberships = report.rows
    command = f"python -m reliability faults --database {settings.database} --seed {settings.seed}"
    smoke = " A smoke run, whose figures mean little." if settings.quick else ""
    disk = f" The store's disk was {report.disk}." if report.disk else ""
    return f"""\
# Faults

`{command}` wrote this on {report.date}, at load {report.load[0]:.2f}.{smoke}

Machine: {report.machine}.

{report.faults:,} faults took effect in {report.seconds / 60:.1f} minutes, on {report.sessions} \
sessions, which {settings.pairs * settings.actors} actors shared. {sum(report.ends.values()):,} \
calls were made, and each of them ended.{disk}

## What was wrong

{_wrong(report.findings)}
The store held {groups:,} groups, {jobs:,} jobs and {memberships:,} memberships.

## Calls of unknown outcome that might write

{unknown.done:,} were done, once; {unknown.not_done:,} were not; for {unknown.no_trace:,} it makes \
no difference.

## Faults that took effect

{table(("fault", "times", "seconds, longest"), _faults(report))}
## How calls ended

{table(("end", "calls"), ((how, f"{each:,}") for how, each in report.ends.items()))}
## Times

{table(("seconds", *report.times), _times(report))}"""


def _wrong(findings: Sequence[Finding]) -> str:
    number = Counter(finding.kind for finding in findings)
    told = "".join(f"- {finding.kind}: {finding.told}\n" for finding in findings)
    rest = len(findings) - number["loss"] - number["duplicate"] - number["ghost"]
    return (
        f"{number['loss']} losses (answered, and not there), {number['duplicate']} duplicates "
        f"(done twice), {number['ghost']} ghosts (there, and nobody was told so), {rest} of other "
        f"kinds.\n\n{told}"
    )


def _faults(report: Report) -> Iterator[tuple[str, str, str]]:
    for kind, times in sorted(report.connections.items()):
        yield kind, f"{times:,}", ""
    for kind in sorted({fault.kind for fault in report.others}):
        seconds = [fault.seconds for fault in report.others if fault.kind == kind]
        yield kind, f"{len(seconds):,}", f"{max(seconds):.1f}"


def _times(report: Report) -> Iterator[tuple[str, ...]]:
    for name, values in (
        ("of an answered call", report.times),
        ("from the end of a fault that is none of a connection to the next answer", report.healing),
    ):
        yield name, *(f"{value:.3f}" for value in values.values())


def _each_second(times: Iterable[float], seconds: float) -> tuple[int, ...]:
    number = Counter(map(int, times))
    return tuple([number[second] for second in range(int(seconds) + 1)])


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cuts = [min(values), *quantiles(values, n=100, method="inclusive"), max(values)]
    return {"longest" if each == 100 else f"{each} %": cuts[each] for each in _PERCENTILES}
