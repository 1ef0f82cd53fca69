"""Settings for all tests; the examples in the documentation are tests, too."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.sybil import SybilCollection

CALLING_A_SERVICE = ["docs/remote.md", "docs/writing_a_backend.md"]


def start_services(namespace: dict[str, Any]) -> None:
    """What the examples need that call one: `url`, and more of them, empty."""
    from cg_backends.memory import World  # noqa: PLC0415 # other tests do not need these
    from tests.peers.in_process import in_process  # noqa: PLC0415
    from tests.peers.rules import rules  # noqa: PLC0415

    services = namespace["services"] = ExitStack()

    def url_of_an_empty_service() -> str:
        return services.enter_context(in_process(rules(World()))).url

    namespace["url_of_an_empty_service"] = url_of_an_empty_service
    namespace["url"] = url_of_an_empty_service()


def stop_services(namespace: dict[str, Any]) -> None:
    namespace["services"].close()


pytest_collect_file = SybilCollection(
    [
        Sybil(
            parsers=[PythonCodeBlockParser()],
            patterns=["README.md", "docs/*.md"],
            excludes=CALLING_A_SERVICE,
        ),
        Sybil(
            parsers=[PythonCodeBlockParser()],
            patterns=CALLING_A_SERVICE,
            setup=start_services,
            teardown=stop_services,
        ),
    ]
).pytest()

# The same examples in every run: no test passes here and fails there. `--hypothesis-profile
# explore` looks further, for a developer who wants to find more.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile("same")


def pytest_configure() -> None:
    # A worker of xdist ignores Ctrl-C, which tests send to themselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-peers",
        action="store_true",
        help="fail where a test is skipped because a peer (a database, Node, ...) is missing",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--all-peers"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though --all-peers was given: {report.longrepr}"
    return report
