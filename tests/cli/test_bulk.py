"""What is told of many jobs adds up, whatever became of each."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import click
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cg_backends.cli.application import cg
from cg_backends.cli.bulk import decisive_error, report
from cg_backends.cli.calls import Answer, Work
from cg_backends.cli.ending import exit_code
from cg_backends.cli.place import Place
from cg_core import (
    BadCredentials,
    ComputeGroupsError,
    JobId,
    JobNotFound,
    LimitReached,
    NetworkError,
    NotOwner,
    OutcomeUnknown,
    ProtocolError,
    RemoveJob,
)
from tests.cli.in_process import Recorder
from tests.cli.test_jobs import job

KINDS: dict[type[ComputeGroupsError], str] = {
    JobNotFound: "refused",
    NotOwner: "refused",
    BadCredentials: "refused",
    LimitReached: "refused",
    OutcomeUnknown: "unknown",
    NetworkError: "failed",
    ProtocolError: "failed",
}

errors = st.builds(
    lambda kind, message: kind(message),
    st.sampled_from([*KINDS]),
    st.text(st.characters(), max_size=5),
)
answers = st.one_of(st.none(), st.just(Answer()), errors.map(lambda error: Answer(error=error)))
many_answers = st.lists(answers, min_size=1, max_size=60)


def outcome(answer: Answer | None) -> str:
    if answer is None:
        return "not tried"
    return "added" if answer.error is None else KINDS[type(answer.error)]


def told(
    answers: list[Answer | None], *, as_json: bool, is_interrupted: bool = False
) -> tuple[str, list[str], BaseException | None]:
    """What is on stdout, the lines of stderr, and how it ended."""
    jobs = [JobId(job(number)) for number in range(len(answers))]
    work = Work([RemoveJob("farm", each) for each in jobs])
    work.answers[:] = answers
    work.is_interrupted = is_interrupted
    stdout, stderr = StringIO(), StringIO()
    ended: BaseException | None = None
    with click.Context(cg), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            report(work, jobs, "farm", "added", "to", Place(Recorder(), as_json))
        except (ComputeGroupsError, click.exceptions.Exit, KeyboardInterrupt) as error:
            ended = error
    return stdout.getvalue(), stderr.getvalue().splitlines(), ended


def counts(summary: str) -> Counter[str]:
    """What a summary says, by outcome."""
    match = re.fullmatch(
        r'[Aa]dded (?P<added>\d+)(?: of (?P<total>\d+))? jobs? to the group "farm"'
        r"(?:; (?P<rest>.*?))?\.?",
        summary,
    )
    assert match is not None, summary
    rest = match["rest"].split(", ") if match["rest"] else []
    found = {what: int(number) for number, _, what in (each.partition(" ") for each in rest)}
    assert all(found.values())
    assert len(found) == len(rest)
    found["added"] = int(match["added"])
    assert sum(found.values()) == int(match["total"] or match["added"])
    return Counter(found)


@settings(max_examples=200)
@given(many_answers)
@example([Answer()])
@example([None])
@example([Answer(error=JobNotFound("a\nb")) for _ in range(21)])
def test_for_people_the_counts_add_up_and_no_more_than_a_screen_is_told(
    answers: list[Answer | None],
) -> None:
    stdout, lines, ended = told(answers, as_json=False)
    assert stdout == ""
    assert all(line.isprintable() for line in lines)
    errors = [answer.error for answer in answers if answer and answer.error]
    if len(answers) == 1 and errors:
        assert (lines, ended) == ([], errors[0])
        return
    expected = Counter(map(outcome, answers))
    assert +counts(lines[-1]) == expected
    assert lines[-1].startswith("Added ")
    assert lines[-1].endswith(".")
    assert len(lines) <= 22
    if errors:
        assert isinstance(ended, click.exceptions.Exit)
        decisive = decisive_error(errors)
        assert decisive is not None
        assert ended.exit_code == exit_code(decisive) != 0
    else:
        assert ended is None


@settings(max_examples=200)
@given(many_answers)
def test_for_programs_each_job_is_told(answers: list[Answer | None]) -> None:
    stdout, lines, ended = told(answers, as_json=True)
    assert lines == []
    answer = json.loads(stdout)
    assert answer["group"] == {"joinKey": "farm"}
    for number, (item, one) in enumerate(zip(answer["jobs"], answers, strict=True)):
        expected: dict[str, Any] = {"job": job(number), "outcome": outcome(one)}
        if one and one.error:
            error = one.error
            expected["error"] = {"name": error.name, "code": error.code, "message": error.message}
        assert item == expected
    assert ended is decisive_error(one.error for one in answers if one and one.error)


@settings(max_examples=60)
@given(many_answers, st.booleans())
def test_ctrl_c_tells_what_was_done(answers: list[Answer | None], as_json: bool) -> None:
    stdout, _, ended = told(answers, as_json=as_json, is_interrupted=True)
    assert isinstance(ended, KeyboardInterrupt)
    (summary,) = ended.args
    assert +counts(summary) == Counter(map(outcome, answers))
    assert bool(stdout) == as_json


@given(st.lists(errors, max_size=8))
def test_the_exit_code_tells_an_unknown_outcome_then_what_stopped_the_rest(
    errors: list[ComputeGroupsError],
) -> None:
    decisive = decisive_error(errors)
    if not errors:
        assert decisive is None
        return
    unknown = [error for error in errors if isinstance(error, OutcomeUnknown)]
    stopping = [error for error in errors if not isinstance(error, NotOwner | JobNotFound)]
    assert decisive is (unknown or stopping or errors)[0]


@pytest.mark.parametrize("count", [20, 21, 22])
def test_twenty_refusals_are_told_and_of_the_rest_how_many(count: int) -> None:
    refusals: list[Answer | None] = [Answer(error=JobNotFound("no")) for _ in range(count)]
    _, lines, _ = told([Answer(), *refusals], as_json=False)
    assert lines[:20] == [f"{job(number)}: no (JobNotFound)" for number in range(1, 21)]
    more = f"... and {count - 20} more, which --json lists."
    assert lines[20:-1] == ([more] if count > 20 else [])


def test_what_befalls_all_is_said_once_for_each_message() -> None:
    full, lost = Answer(error=LimitReached("full")), Answer(error=NetworkError("lost"))
    _, lines, _ = told([full, None, lost, full], as_json=False)
    assert lines == [
        "2 jobs: full (LimitReached)",
        "1 job: lost (NetworkError)",
        'Added 0 of 4 jobs to the group "farm"; 2 refused, 1 not tried, 1 failed.',
    ]
