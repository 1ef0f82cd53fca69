"""What has become of many jobs, one by one: told to people, or to programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import click

from cg_backends.cli.calls import Answer, Work, concerns_one_job
from cg_backends.cli.ending import error_to_json, exit_code, note_done
from cg_backends.cli.names import group_to_json, told
from cg_backends.cli.place import Place
from cg_backends.cli.printable import printable
from cg_backends.cli.wording import worded
from cg_core import ComputeGroupsError, GroupName, JobId, OutcomeUnknown, Refused

_MOST_LINES: Final = 20  # for people; programs get all


def report(
    work: Work, jobs: Sequence[JobId], group: GroupName, done: str, where: str, place: Place
) -> None:
    """Tell what has become of jobs, and end as that demands.

    Args:
        work: a request for each job.
        jobs: they, in order.
        group: the group that they were to be added to, ...
        done: what has become of a job if all went well: `added`, ...
        where: what stands between that and the group: `to`, ...
        place: where it was done.

    Raises:
        ComputeGroupsError: what stopped the work, or else the first refusal.
        KeyboardInterrupt: Ctrl-C stopped it.
    """
    pairs = list(zip(jobs, work.answers, strict=True))
    summary = _summary(work, done, f"{where} {told(group)}")
    note_done(summary)
    if place.as_json:
        items = [_item(job, answer, done) for job, answer in pairs]
        click.echo(json.dumps({"group": group_to_json(group), "jobs": items}, indent=2))
    errors = [(job, answer.error) for job, answer in pairs if answer and answer.error]
    if len(jobs) > 1:
        lines = list(_lines(errors))
        for line in lines[:_MOST_LINES]:
            place.note(line)
        if len(lines) > _MOST_LINES:
            place.note(f"... and {len(lines) - _MOST_LINES} more, which --json lists.")
    if work.is_interrupted:
        raise KeyboardInterrupt(summary)
    decisive = decisive_error(error for _, error in errors)
    if decisive is not None and (place.as_json or len(jobs) == 1):
        raise decisive
    place.note(f"{summary[0].upper()}{summary[1:]}.")
    if decisive is not None:
        raise click.exceptions.Exit(exit_code(decisive) or 1)


def decisive_error(errors: Iterable[ComputeGroupsError]) -> ComputeGroupsError | None:
    """What the exit code is to tell: an unknown outcome, else what stopped the rest, else any."""
    found = list(errors)
    weights = [(isinstance(each, OutcomeUnknown), not concerns_one_job(each)) for each in found]
    return found[weights.index(max(weights))] if found else None


def _lines(errors: Sequence[tuple[JobId, ComputeGroupsError]]) -> Iterator[str]:
    # What befell all alike is said once.
    together: Counter[str] = Counter()
    for job, error in errors:
        text = f"{printable(worded(error.message))} ({printable(error.name)})"
        if concerns_one_job(error) or isinstance(error, OutcomeUnknown):
            yield f"{job}: {text}"
        else:
            together[text] += 1
    for text, count in together.items():
        yield f"{count} job{'s' * (count > 1)}: {text}"


def _summary(work: Work, done: str, where: str) -> str:
    counts = Counter(_outcome(answer, done) for answer in work.answers)
    total = len(work.answers)
    number = str(total) if counts[done] == total else f"{counts[done]} of {total}"
    rest = [f"{count} {outcome}" for outcome, count in counts.items() if outcome != done]
    jobs = "job" if total == 1 else "jobs"
    return "; ".join([f"{done} {number} {jobs} {where}", *([", ".join(rest)] if rest else [])])


def _item(job: JobId, answer: Answer | None, done: str) -> dict[str, object]:
    item: dict[str, object] = {"job": job, "outcome": _outcome(answer, done)}
    if answer is not None and answer.error is not None:
        item["error"] = error_to_json(answer.error)
    return item


def _outcome(answer: Answer | None, done: str) -> str:
    match answer and answer.error:
        case None:
            return done if answer else "not tried"
        case Refused():
            return "refused"
        case OutcomeUnknown():
            return "unknown"
        case _:
            return "failed"
