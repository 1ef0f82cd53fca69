"""What tests of the remote backends are run over: each backend, each transport, each event loop."""

from __future__ import annotations

import pytest

from cg_core.remote import TransportName
from tests.backends.remote import BACKENDS, TRANSPORTS
from tests.backends.runtimes import RUNTIMES, Runtime


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> TransportName:
    name: TransportName = request.param
    return name


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return RUNTIMES[request.param]
