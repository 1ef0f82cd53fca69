"""No more connections are taken than the system gives sockets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import pytest

from cg_backends.service.open_files import connections_possible
from cg_backends.service.socket_limits import SocketLimits

resource = pytest.importorskip("resource", reason="this system has no limit of open files")

WANTED = SocketLimits(connections=1_000)
UNLIMITED = -1
System = Callable[[int, int], list[tuple[int, int]]]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    """Makes the system one of these two limits; what is set then is in the list."""

    def with_limits(soft: int, hard: int) -> list[tuple[int, int]]:
        done: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: done.append(limits))
        return done

    return with_limits


@pytest.mark.parametrize("soft", [1_300, 20_000, UNLIMITED])
def test_enough_is_left_as_it_is(system: System, soft: int) -> None:
    done = system(soft, UNLIMITED)
    assert connections_possible(WANTED) == WANTED
    assert done == []


@pytest.mark.parametrize("hard", [1_300, 20_000, UNLIMITED])
def test_soft_limit_is_raised_as_far_as_needed(system: System, hard: int) -> None:
    done = system(256, hard)
    assert connections_possible(WANTED) == WANTED
    assert done == [(1_300, hard)]


def test_hard_limit_is_kept_to_and_told(system: System, caplog: pytest.LogCaptureFixture) -> None:
    done = system(256, 1_000)
    assert connections_possible(WANTED) == SocketLimits(connections=700)
    assert done == [(1_000, 1_000)]
    ((_, level, message),) = caplog.record_tuples
    assert level == logging.WARNING
    assert message.startswith("room for 700 connections, ")


def test_some_connection_is_always_possible(system: System) -> None:
    system(100, 100)
    assert connections_possible(WANTED).connections == 1


def test_system_may_refuse_to_raise_it(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, __: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    system(400, UNLIMITED)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert connections_possible(WANTED).connections == 100


def test_system_without_such_a_limit_gives_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert connections_possible(WANTED) == WANTED
