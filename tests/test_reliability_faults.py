"""The harness of faults runs; and where something is wrong, its judge finds it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_backends.memory import World
from cg_core import (
    Address,
    Caller,
    CreateGroup,
    GroupRow,
    JobId,
    JobRow,
    MembershipRow,
    OpaqueId,
    Refused,
    Row,
)
from reliability.faults import command as faults
from reliability.faults.chapters import Chapter, chapter_of
from reliability.faults.judgement import Fates, Judgement, judge
from reliability.faults.possible import Step
from reliability.faults.record import Fault, Record
from reliability.faults.report import Report, markdown
from reliability.faults.surroundings import KINDS
from reliability.faults.trial import Settings, Trial

SLOW: Final = {"database paused for longer than a call may wait"}
ROOT: Final = Path(__file__).parent.parent
OWNER: Final = Address("0x8e077691A9f7152F7F709479233d06FA5273c15d")
DEPLOYER: Final = Address("0x048069904c28b50Aa584B07a450CBF675272c593")
ANSWERED: Final = ("answered",)
ALL_ENDS: Final = (*ANSWERED * 6, "not done", "unknown: done", "unknown: not", "unknown: late")

seeds = st.integers(0, 2**32)


# The judge, without a network


class Story:
    """Chapters told to a world in memory, whose calls end as is drawn.

    Attributes:
        world: where they are carried out, or not.
        chapters: the chapters.
        draw: what is drawn from.
        late: what will be done before the next call of its client.
        done, not_done: how many calls of unknown outcome were, or were not.
    """

    def __init__(self, seed: int, ends: tuple[str, ...] = ALL_ENDS) -> None:
        self.world = World()
        self.chapters: list[Chapter] = []
        self.draw = Random(seed)
        self.late: list[Step] = []
        self.done = self.not_done = 0
        for number in range(2):
            self.chapters.append(Chapter(number, self.draw, OWNER, DEPLOYER))
            for _ in range(20):
                self.tell(self.next_step(), self.draw.choice(ends))

    def next_step(self) -> Step:
        return self.chapters[-1].next_step()

    def tell(self, step: Step, end: str) -> None:
        """Make a call, which ends so. What the world says agrees with the chapter."""
        possible = self.chapters[-1].possible
        for each in [late for late in self.late if late.client == step.client]:
            self.late.remove(each)
            self.outcome(each)
        if end == "answered":
            assert possible.answered(step, self.outcome(step))
        elif end.startswith("unknown"):
            possible.unanswered(step)
            if end == "unknown: done":
                self.outcome(step)
            elif end == "unknown: late":
                self.late.append(step)
            if step.writes:
                self.done += end != "unknown: not"
                self.not_done += end == "unknown: not"

    def outcome(self, step: Step) -> object:
        """Carry it out."""
        try:
            return step.told(self.world.execute(step.request, Caller(Address(step.client))))
        except Refused as refusal:
            return type(refusal)

    def come_to_an_end(self) -> None:
        """What is late comes."""
        for each in self.late:
            self.outcome(each)

    def rows(self) -> list[Row]:
        """All that the world holds."""
        return list(self.world.dump().rows)

    def judged(self, rows: list[Row] | None = None) -> Judgement:
        """What the judge says; of other rows, where they are given."""
        return judge(self.chapters, self.rows() if rows is None else rows)


def kinds(judgement: Judgement) -> set[str]:
    return {finding.kind for finding in judgement.findings}


@given(seeds)
def test_an_honest_store_agrees_whatever_becomes_of_calls(seed: int) -> None:
    story = Story(seed)
    assert story.judged().findings == ()  # what is late may come or not
    story.come_to_an_end()
    assert story.judged().findings == ()


@given(seeds)
def test_what_became_of_unknown_calls_is_counted(seed: int) -> None:
    story = Story(seed)
    story.come_to_an_end()
    fates = story.judged().fates
    assert fates.done <= story.done
    assert fates.not_done <= story.not_done
    assert fates.done + fates.not_done + fates.no_trace == story.done + story.not_done


def test_fates_are_told_where_they_can_be() -> None:
    fates = Fates()
    for seed in range(50):
        story = Story(seed)
        story.come_to_an_end()
        fates += story.judged().fates
    assert fates.done > 50
    assert fates.not_done > 50


@given(seeds)
def test_what_is_answered_and_not_done_is_a_loss(seed: int) -> None:
    story = Story(seed)
    step = create(story)
    assume(story.chapters[-1].possible.answered(step, None))  # its key may be in use
    assert kinds(story.judged()) == {"loss"}


@given(seeds)
def test_what_is_done_twice_is_a_duplicate(seed: int) -> None:
    story = Story(seed)
    while (step := create(story)).request.join_key or step.request.opaque_id:
        story.tell(step, "answered")
    story.tell(step, "answered")
    story.outcome(step)
    assert kinds(story.judged()) == {"duplicate"}


@given(seeds)
def test_what_is_said_not_to_be_done_and_is_done_is_a_ghost(seed: int) -> None:
    story = Story(seed)
    step = create(story)
    assume(story.outcome(step) is None)  # its key may be in use
    story.tell(step, "not done")
    assert kinds(story.judged()) == {"ghost"}


@given(seeds)
def test_what_is_done_after_a_later_answer_is_a_ghost(seed: int) -> None:
    story = Story(seed)
    step = create(story)
    story.tell(step, "unknown: not")
    story.tell(next(story.chapters[-1].looks()), "answered")
    assume(story.outcome(step) is None)
    assert "ghost" in kinds(story.judged())


@given(seeds)
def test_an_answer_that_cannot_be_is_seen_at_once(seed: int) -> None:
    story = Story(seed, ANSWERED)
    for look in story.chapters[-1].looks():
        right: Any = story.outcome(look)
        if right:
            assert not story.chapters[-1].possible.answered(look, right[1:])
            return
    assume(False)  # there was nothing to tell


def create(story: Story) -> Any:
    """The next call that makes a group."""
    while not isinstance((step := story.next_step()).request, CreateGroup):
        story.tell(step, "answered")
    return step


# Rows that are not as they were answered

Harm = Callable[[list[Row], Random], list[Row]]


def without(kind: type[Row]) -> Harm:
    def harm(rows: list[Row], draw: Random) -> list[Row]:
        lost = one(rows, kind, draw)
        return [row for row in rows if row != lost]

    return harm


def twice(kind: type[Row]) -> Harm:
    return lambda rows, draw: [*rows, one(rows, kind, draw)]


def made_again(rows: list[Row], draw: Random) -> list[Row]:
    group: Any = one(rows, GroupRow, draw)
    return [*rows, attrs.evolve(group, id=10_000, opaque_id=OpaqueId("A" * 22), join_key=None)]


def another_owner(rows: list[Row], draw: Random) -> list[Row]:
    job: Any = one(rows, JobRow, draw)
    other = DEPLOYER if job.owner == OWNER else OWNER
    return list(replaced(rows, job, attrs.evolve(job, owner=other)))


def cancelled(rows: list[Row], draw: Random) -> list[Row]:
    job: Any = one(rows, JobRow, draw)
    return list(replaced(rows, job, attrs.evolve(job, cancelled=not job.cancelled)))


def described_otherwise(rows: list[Row], draw: Random) -> list[Row]:
    group: Any = one(rows, GroupRow, draw)
    return list(replaced(rows, group, attrs.evolve(group, description="?")))


def a_job_of_nobody(rows: list[Row], draw: Random) -> list[Row]:
    return [*rows, JobRow(JobId("P+Y4IApeFQLrYS2W7MkVg7"), OWNER)]


def replaced(rows: list[Row], one: Row, other: Row) -> Iterator[Row]:
    return (other if row is one else row for row in rows)


def one(rows: list[Row], kind: type[Row], draw: Random) -> Row:
    some = [row for row in rows if isinstance(row, kind)]
    assume(some)
    return draw.choice(some)


HARMS: Final[dict[str, tuple[Harm, set[str]]]] = {
    "a lost group": (without(GroupRow), {"loss"}),
    "a lost job": (without(JobRow), {"loss"}),
    "a lost membership": (without(MembershipRow), {"loss"}),
    "a job that is in a group twice": (twice(MembershipRow), {"duplicate"}),
    "a group that is there twice": (made_again, {"duplicate"}),
    "a job of another owner": (another_owner, {"loss", "ghost"}),
    "a cancellation that was not asked for, or one that is lost": (cancelled, {"loss", "ghost"}),
    "a change that was not asked for": (described_otherwise, {"loss", "ghost"}),
    "a job that nobody added": (a_job_of_nobody, {"ghost"}),
}


@pytest.mark.parametrize("name", HARMS)
@given(seed=seeds)
def test_harm_is_found(name: str, seed: int) -> None:
    harm, expected = HARMS[name]
    story = Story(seed, ANSWERED)
    assert expected <= kinds(story.judged(harm(story.rows(), story.draw)))


@given(seeds)
def test_another_order_of_jobs_is_found(seed: int) -> None:
    story = Story(seed, ANSWERED)
    rows = story.rows()
    memberships = [row for row in rows if isinstance(row, MembershipRow)]
    lives = {row.id for row in rows if isinstance(row, JobRow) and not row.cancelled}
    for first, second in pairwise(memberships):
        in_one_list = first.group_id == second.group_id and (
            chapter_of(first.job_id) == chapter_of(second.job_id)
        )
        if in_one_list and {first.job_id, second.job_id} <= lives:
            swapped: dict[Row, Row] = {first: second, second: first}
            other = [swapped.get(row, row) for row in rows]
            assert kinds(story.judged(other)) == {"contradiction"}
            return
    assume(False)  # no group has two jobs


# What it tells


def trial(record: Record, *findings: Any) -> Trial:
    settings = Settings(
        seed=1, faults=2, database="sqlite", quick=True, pairs=1, actors=1, pause=1.0,
        a_second=1.0, timeouts=(1.0,),
    )  # fmt: skip
    return Trial(settings, 3.0, "a disk", 2, record, Judgement(findings, Fates(3, 2, 1), 4, 5, 6))


def recorded() -> Record:
    record = Record()
    record.faults += [Fault("connection reset", 0.5), Fault("service killed", 1.0, 0.5, 0.1)]
    for _ in range(3):
        record.end("answer", record.now(), answered=True)
    record.end("OutcomeUnknown", record.now(), answered=False)
    return record


def test_a_report_is_written_and_read(tmp_path: Path) -> None:
    report = Report.of(trial(recorded()))
    report.write(tmp_path)
    assert Report.read(tmp_path) == report
    assert report.faults == 2
    text = (tmp_path / "faults.md").read_text()
    assert text == markdown(report)
    assert "2 faults took effect" in text
    assert "| service killed | 1 | 0.5 |" in text
    assert "3 were done, once; 2 were not; for 1 it makes no difference" in text
    assert "0 losses" in text


@pytest.mark.parametrize("wrong", [(), ("loss",)])
def test_whatever_is_wrong_is_told_and_ends_with_1(
    wrong: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = recorded()
    for kind in wrong:
        record.found(kind, "a job is gone")
    monkeypatch.setattr(faults, "try_out", lambda settings: trial(record))
    parser = argparse.ArgumentParser()
    faults.add_arguments(parser)
    given = parser.parse_args([], argparse.Namespace(report=None, quick=True))
    assert faults.run(given) == len(wrong)
    assert ("WRONG: loss: a job is gone" in capsys.readouterr().err) == bool(wrong)


def test_a_quick_run_strikes_with_everything_and_finds_nothing_wrong(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "reliability", "faults", "--quick", "--report", str(tmp_path)],
        check=False, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = Report.read(tmp_path)
    assert report.faults >= report.settings.faults
    assert {fault.kind for fault in report.others} >= KINDS.keys() - SLOW
    assert report.findings == ()
    assert (tmp_path / "faults.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "faults.svg").read_text()
