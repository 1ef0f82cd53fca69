"""Settings for all tests."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: no test passes here and fails there. `--hypothesis-profile
# explore` looks further, for a developer who wants to find more.
settings.register_profile("same", derandomize=True, deadline=None)
# For whoever runs the same tests again on another Python: the examples were seen to pass on one.
settings.register_profile("few", derandomize=True, deadline=None, max_examples=20)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile("same")


def pytest_configure() -> None:
    # A worker of xdist ignores Ctrl-C, which tests send to themselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for processes and for databases."""
    return (os.cpu_count() or 1) + 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-peers",
        action="store_true",
        help="fail where a test is skipped because a peer (a database, Node, ...) is missing",
    )


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `tempfile` makes its files, so that a test leaves none behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--all-peers"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though --all-peers was given: {report.longrepr}"
    return report
