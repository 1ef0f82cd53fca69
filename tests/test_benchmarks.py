"""The benchmarks run; what they measure is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.peers.node_process import missing

ROOT = Path(__file__).parent.parent


def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", str(report)],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    figures = json.loads(report.read_text())["figures"]
    works = " ".join(figure["work"] for figure in figures)
    for work in (
        "join_hash",
        "ListJobs",
        "AddJob",
        "CreateGroup",
        "add_job",
        "list_jobs",
        "exchange",
        "idle session",
        "packets",
        "DCP transport",
        "import",
        "cg list-jobs",
        *(["sync, websocket, 1 caller", "service over sqlite"] if missing() is None else []),
    ):
        assert work in works
    assert all(figure["value"] > 0 and figure["ratio"] > 0 for figure in figures)


def test_an_unknown_subject_is_refused_by_name() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "weather"],
        check=False, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2
    assert "no such subject: weather" in run.stderr
