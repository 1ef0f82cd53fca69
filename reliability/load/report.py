"""A run of the load as `load.json`, as the tables of `load.md`, and as plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.measure import shown
from benchmarks.plots import save
from benchmarks.report import table
from reliability.load.figures import (
    LEAST_CALLS,
    LET_IN,
    LOAD,
    PHASES,
    PROMPT,
    STEADY,
    Latencies,
    Run,
)
from reliability.load.plots import drawings

_LATENCY = """\
A latency is the time from when a call was due, which was set before the call ahead of it was made,
to when its caller had the answer: what a call waits because its caller is still busy, or the
callers' process is, counts as well, so no stall hides the calls that it put off. (A pair of
callers makes one call at a time, each a random half to one and a half of the interval after the
one before.) Callers and service share the machine. `late` is the part of it in which a call was
due and not made yet, at most.
"""
_STEADY = f"""\
Memory (resident) is judged in the second half of the load, if each caller has made {LEAST_CALLS}
calls: before, books and the allocator still fill, those of the callers for longer, whose process
has all clients and the books of all. The growth is the median slope between all pairs of seconds
(Theil and Sen) times that time; it is steady if that is at most {STEADY:.0%} of the median. The
service remembers each call for twelve minutes, up to `--stamps` of each caller; it is given so few
that they are all there after a sixth of the load, or it would grow as it is meant to.
"""
_PLACES = f"""\
Who finds no place is to be told so within {PROMPT:g} s. A session counts from its first signed
message: who is on the way there when the last place is taken gets in besides.
"""


def write(run: Run, folder: Path) -> None:
    """Write all of it into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    run.write(folder)
    (folder / "load.md").write_text(markdown(run), encoding="utf-8")
    save(drawings(run), folder)


def markdown(run: Run) -> str:
    """The tables."""
    asked = run.settings
    smoke = "A smoke run, whose figures mean little. " if asked.quick else ""
    load = ", ".join(f"{each:.2f}" for each in run.load)
    again = "not let in" if run.let_in_again is None else f"in after {shown(run.let_in_again, 's')}"
    how = (
        f"{asked.sessions} sessions ({asked.polling} poll, the others have a WebSocket), each "
        f"with {asked.rate:g} calls a second, for {asked.seconds} s (seed {asked.seed}); then "
        f"{asked.newcomers} newcomers, {asked.together} at a time. `cg serve --max-sessions "
        f"{asked.cap} --stamps {asked.stamps}` over {asked.database}, which had "
        f"{shown(run.database_size, 'B')} in the end. All callers were in after "
        f"{shown(run.connecting, 's')}.\n"
    )
    spread = ("calls", "median", "p99", "p99.9", "max")
    operations = ((name, f"{each.calls:,}", *_times(each)) for name, each in run.operations.items())
    return "\n".join(
        [
            "# Load\n\n`python -m reliability load --report FOLDER` wrote this.\n",
            *_verdict(run),
            f"{smoke}Taken on {run.date}, begun at load {load}. Machine: {run.machine}.\n",
            how,
            f"## Latencies\n\n{_LATENCY}",
            table(("", "s", "sessions", "calls/s", *spread, "late"), _phases(run)),
            "Under load, by operation:\n",
            table(("", *spread), operations),
            "## Answers\n\nUnder load; by what the callers had done before, all were due.\n",
            table(*_answers(run)),
            f"## Memory and processors\n\n{_STEADY}",
            table(
                ("", "median", "growth", "growth for each call", "steady", "processors"),
                _processes(run),
            ),
            f"## Newcomers\n\n{_PLACES}When they had gone, one more was {again}.\n",
            table(("told", "how many", "median", "p99", "max"), _newcomers(run)),
        ]
    )


def _verdict(run: Run) -> Iterator[str]:
    if run.interrupted:
        yield "**Interrupted**: what stands here is what there was until then.\n"
    if run.findings:
        yield f"**Failed**: {len(run.findings)} findings.\n"
        yield "".join(f"- at {each.at:.1f} s: {each.what}\n" for each in run.findings)
    elif not run.interrupted:
        yield (
            "**Passed**: every answer and every refusal was the one that was due; no session was "
            "begun anew; who found no place was told so.\n"
        )


def _phases(run: Run) -> Iterator[tuple[str, ...]]:
    for phase in PHASES:
        seconds = run.of_phases(phase)
        if seconds:
            found = run.phases[phase]
            yield (
                phase, f"{len(seconds)}", f"{max(each.sessions for each in seconds):,}",
                f"{found.calls / len(seconds):.0f}", f"{found.calls:,}", *_times(found),
                shown(max(each.late for each in seconds), "s"),
            )  # fmt: skip


def _answers(run: Run) -> tuple[Sequence[str], Iterator[tuple[str, ...]]]:
    kinds = sorted({kind for each in run.outcomes.values() for kind in each} - {"done"})
    kinds = ["done", *kinds]
    rows = (
        (name, *(f"{run.outcomes[name].get(kind, 0):,}" for kind in kinds))
        for name in sorted(run.outcomes)
    )
    return ("", *kinds), rows


def _processes(run: Run) -> Iterator[tuple[str, ...]]:
    seconds = run.of_phases(LOAD)
    if not seconds:
        return
    for process, memory, cpu in (
        ("service", "memory", "cpu"),
        ("callers", "callers_memory", "callers_cpu"),
    ):
        used = f"{fmean(getattr(each, cpu) for each in seconds):.2f}"
        trend = run.trend(memory)
        if trend is None:
            yield process, shown(getattr(seconds[-1], memory), "B"), "", "", "not judged", used
        else:
            growth, each = f"{trend.growth / 1e6:+.2f} MB", f"{trend.growth_of_a_call:+.1f} B"
            steady = "yes" if trend.is_steady else "NO"
            yield process, shown(trend.median, "B"), growth, each, steady, used


def _newcomers(run: Run) -> Iterator[tuple[str, ...]]:
    told = sorted({each.outcome for each in run.newcomers}, key=lambda each: (each != LET_IN, each))
    for outcome in told:
        times = [each.seconds for each in run.newcomers if each.outcome == outcome]
        found = Latencies.of(times)
        longest = (shown(each, "s") for each in (found.median, found.p99, found.longest))
        yield outcome, f"{len(times):,}", *longest


def _times(found: Latencies) -> Iterator[str]:
    for each in (found.median, found.p99, found.p999, found.longest):
        yield shown(each, "s")
