"""The benchmarks run; what they measure is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import start
from benchmarks.__main__ import SUBJECTS
from benchmarks.measure import Curve, Figure
from benchmarks.plots import drawings
from benchmarks.report import Machine, Report, Subject, markdown
from tests.peers.node_process import missing

ROOT = Path(__file__).parent.parent
OF_NODE = {"calls", "service"}  # what has no figures without it
PLOTS = (
    "ratios",
    "where_the_time_goes",
    "time_by_groups",
    "time_by_jobs_in_a_group",
    "time_by_characters_of_a_message",
    "time_by_sessions",
    "memory_by_sessions",
)


def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--report", str(tmp_path)],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    report = Report.read(tmp_path)
    assert [subject.name for subject in report.subjects] == list(SUBJECTS)
    with_node = missing() is None
    for subject in report.subjects:
        found = subject.figures or subject.breakdowns
        assert found or (subject.name in OF_NODE and not with_node), subject.name
        for each in subject.figures:
            assert each.value > 0, each
            assert each.ratio > 0, each
    drawn = {name for name, _ in drawings(report)}
    assert drawn.issuperset(PLOTS)
    assert drawn.issuperset(("time_of_a_call", "calls_a_second")) or not with_node
    for name in drawn:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (tmp_path / f"{name}.svg").read_text()
    assert (tmp_path / "figures.md").read_text() == markdown(report)


def test_who_took_less_than_its_libraries_did_has_a_figure_above_zero() -> None:
    """As may be on a busy machine."""
    ours = ("cg --version", "cg --help", "cg hash", "cg list-jobs, store", "cg list-jobs, service")
    names = (*ours, start.IMPORT_CORE, start.BARE, *(f"import {each}" for each in start.IMPORTS))
    taken = dict.fromkeys(names, 0.1) | {"store's libraries": 0.3, "service's libraries": 0.05}
    figures = start._figures({name: start.Program([]) for name in names}, [taken, taken])
    beyond = {each.work: each for each in figures if "'s libraries" in each.work}
    store = beyond["cg list-jobs, store, beyond the store's libraries"]
    service = beyond["cg list-jobs, service, beyond the service's libraries"]
    assert store.value == start.LEAST
    assert store.ratio > 0
    assert service.value == pytest.approx(0.05)
    assert service.ratio == pytest.approx(3)


def test_an_unknown_subject_is_refused_by_name() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "weather"],
        check=False, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2
    assert "no such subject: weather" in run.stderr


def test_a_run_of_one_subject_replaces_it_and_keeps_the_others(tmp_path: Path) -> None:
    before = Report((subject("a", 2.0, date="2026-01-01"), subject("b", 3.0, date="2026-01-01")))
    before.write(tmp_path)
    again = subject("b", 0.5, date="2026-02-02")
    report = Report.read(tmp_path).with_subject(again, ("a", "b"))
    assert report == Report((before.subjects[0], again))
    text = markdown(report)
    assert "Taken on 2026-01-01" in text
    assert "| work of a | 1.00 s | peer 1.0 | 2.00 s | 2.00 | 1 | reached |" in text
    assert "Taken on 2026-02-02" in text
    assert "| work of b | 1.00 s | peer 1.0 | 500.00 ms | 0.50 | 1 | missed |" in text
    assert text.count("Machine: ") == 1


def subject(name: str, ratio: float, *, date: str) -> Subject:
    found = Figure(f"work of {name}", 1.0, "peer 1.0", ratio, ratio, goal=1)
    curve = Curve(f"curve of {name}", "sizes", ((1, 1.0), (10, 1.5)), "B", "linear")
    machine = Machine("a machine", 2, {"CPython": "3.11"})
    return Subject(name, date, (0.0, 0.1, 0.2), False, machine, (found, curve))


@pytest.mark.parametrize(
    ("expected", "values", "ratio"),
    [
        ("flat", (2.0, 4.0, 2.5), 0.5),
        ("flat", (2.0, 1.0, 1.0), 2.0),
        ("linear", (2.0, 10.0, 400.0), 0.5),
        ("linear", (2.0, 99.0, 100.0), 2.0),
    ],
)
def test_a_curve_is_held_against_what_its_first_size_promises(
    expected: str, values: tuple[float, ...], ratio: float
) -> None:
    points = tuple(zip((1, 10, 100), values, strict=True))
    curve = Curve("work", "sizes", points, expected="flat" if expected == "flat" else "linear")
    assert curve.ratio == ratio
