"""Ctrl-C: wherever it comes in a sync client's call, the client can go on being used.

Python delivers a signal where a function begins, or has returned, or where one that waits is woken.
So these are the points at which the sweeps interrupt a call; between two lines it may not come.
The asynchronous clients leave it to their event loops; so a program hears of it, and nothing else.
"""

from __future__ import annotations

import faulthandler
import inspect
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import attrs
import httpcore
import httpx
import pytest
import trio

import cg_backends
import cg_backends.trio
import cg_core
from cg_backends.conformance import ALICE
from cg_backends.sync import connect
from cg_core import Client, OutcomeUnknown
from cg_core.remote import TransportName, client
from tests.backends.farm import Farm, job
from tests.backends.leftovers import nothing_left
from tests.peers.in_process import in_process

HUNG = 60  # seconds after which a test that waits has failed
PACKAGES = tuple(
    str(Path(str(package.__file__)).parent) for package in (cg_backends, cg_core, httpcore, httpx)
)
# httpcore's lock is released by a function: interrupted there, its pool is locked for good.
LOCKS = "httpcore/_synchronization.py"
WAITING = {"acquire", "connect", "poll", "recv", "select", "send", "sendall"}


# httpcore, interrupted between opening a connection and taking account of it, leaves it to be
# collected.
UNCLOSED = "unclosed <socket.socket"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost with an interruption is missed when its ack is due."""
    monkeypatch.setattr(client, "_ACK_TIMEOUT", 1.0)


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """A deadlock ends the run, and shows where everybody stood."""
    faulthandler.dump_traceback_later(2 * HUNG, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@attrs.define
class Interruption:
    """A KeyboardInterrupt at one of the points of what this thread does.

    Attributes:
        left: how many points are to be passed before.
        come: raises it.
        has_come: whether it was raised.
    """

    left: int
    come: Callable[[], object]
    has_come: bool = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            is_point = argument.__name__ in WAITING
        else:
            file = frame.f_code.co_filename
            is_point = file.startswith(PACKAGES) and not file.endswith(LOCKS)
            if event == "call":  # a generator is "called" when it is closed, too
                is_point = is_point and not frame.f_code.co_flags & inspect.CO_GENERATOR
            elif event != "c_return":
                is_point = False
        if is_point:
            if self.left == 0:
                self.has_come = True
                self.come()
            self.left -= 1


def interrupt() -> NoReturn:
    """What Python's own handler does."""
    raise KeyboardInterrupt


@contextmanager
def interrupted(point: int, come: Callable[[], object] = interrupt) -> Iterator[Interruption]:
    """Interrupt what this thread does, at a point; nobody else hears of it."""
    interruption = Interruption(point, come)
    was_raised = False
    sys.setprofile(interruption)
    try:
        yield interruption
    except KeyboardInterrupt:
        was_raised = True
    finally:
        sys.setprofile(None)
    assert was_raised is interruption.has_come


def points_of(farm: Farm, transport: TransportName, *, is_first: bool) -> int:
    """How many points a call has, about: sometimes it waits more often."""
    most = 10**9
    with (
        in_process(farm.answer, ping_interval=1) as peer,
        connect(peer.url, identity=ALICE, transport=transport) as groups,
    ):
        if not is_first:
            groups.list_jobs(farm.group)
        with interrupted(most) as interruption:
            groups.list_jobs(farm.group)
    return most - interruption.left


# Each point has a client of its own: connections that break again and again are not made at once.


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "later"])
def test_a_client_whose_call_is_interrupted_goes_on(
    transport: TransportName, is_first: bool
) -> None:
    farm = Farm()
    points = points_of(farm, transport, is_first=is_first)
    with nothing_left(UNCLOSED):
        with in_process(farm.answer, ping_interval=1) as peer:
            for point in sorted(random.Random(1).sample(range(points), min(points, 120))):
                is_done = False
                with connect(peer.url, identity=ALICE, transport=transport, timeout=None) as groups:
                    if not is_first:
                        groups.list_jobs(farm.group)
                    with interrupted(point):
                        groups.add_job(farm.group, job(point), join_key="farm")
                        is_done = True
                    jobs = groups.list_jobs(farm.group)
                    assert set(jobs) <= set(farm.added)
                    assert job(point) in jobs or not is_done
        assert set(peer.acted_on.values()) == {1}
        assert set(farm.added.values()) == {1}


def test_the_calls_of_other_threads_end(transport: TransportName) -> None:
    farm = Farm()
    points = points_of(farm, transport, is_first=False)
    with nothing_left(UNCLOSED):
        with in_process(farm.answer, ping_interval=1) as peer:
            for point in sorted(random.Random(3).sample(range(points), min(points, 80))):
                results: list[object] = []
                with connect(peer.url, identity=ALICE, transport=transport, timeout=None) as groups:
                    groups.list_jobs(farm.group)

                    def call(groups: Client = groups, results: list[object] = results) -> None:
                        try:
                            results.append(groups.list_jobs(farm.group))
                        except OutcomeUnknown as error:
                            results.append(error)

                    threads = [threading.Thread(target=call) for _ in range(2)]
                    for thread in threads:
                        thread.start()
                    with interrupted(point):
                        groups.add_job(farm.group, job(point), join_key="farm")
                    for thread in threads:
                        thread.join()
                    assert len(results) == 2
                    assert set(groups.list_jobs(farm.group)) <= set(farm.added)
        assert set(peer.acted_on.values()) == {1}


def test_an_interrupted_end_may_be_ended_again(transport: TransportName) -> None:
    farm = Farm()
    with nothing_left(UNCLOSED), in_process(farm.answer, ping_interval=1) as peer:
        points = 10**9
        for point in (points, *random.Random(4).sample(range(1_000), 60)):
            groups = connect(peer.url, identity=ALICE, transport=transport)
            groups.list_jobs(farm.group)
            with interrupted(point):
                groups.close()
            groups.close()


def test_a_trio_program_is_interrupted_and_none_of_its_clients_tasks(
    transport: TransportName,
) -> None:
    farm = Farm()
    most = 10**9

    with nothing_left(UNCLOSED), in_process(farm.answer) as peer:

        async def main() -> None:
            async with cg_backends.trio.connect(
                peer.url, identity=ALICE, transport=transport
            ) as groups:
                await groups.list_jobs(farm.group)

        def run(point: int) -> int:
            """Interrupt it as a terminal does: trio has a handler of its own."""
            with interrupted(point, lambda: signal.raise_signal(signal.SIGINT)) as interruption:
                trio.run(main)  # what comes out in a group is not caught
            return point - interruption.left

        for point in random.Random(5).sample(range(run(most)), 60):
            run(point)


PROGRAM = """
import sys
from cg_core import Identity

backend, url, transport, group = sys.argv[1:]
options = {"identity": Identity(b"\\1" * 32), "transport": transport, "timeout": None}
if backend == "sync":
    from cg_backends.sync import connect

    with connect(url, **options) as groups:
        groups.list_jobs(int(group))
else:
    async def main():
        async with connect(url, **options) as groups:
            await groups.list_jobs(int(group))

    if backend == "asyncio":
        import asyncio
        from cg_backends.asyncio import connect

        asyncio.run(main())
    else:
        import trio
        from cg_backends.trio import connect

        trio.run(main)
"""


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_a_program_that_waits_for_an_answer_ends_at_once(
    backend: str, transport: TransportName
) -> None:
    farm = Farm()
    arrived = threading.Event()
    farm.hold = arrived.set
    with in_process(farm.answer, ping_interval=1) as peer:
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, backend, peer.url, transport,
             str(farm.group)],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # with SIGINT as a terminal's programs have it
        ) as program:  # fmt: skip
            assert arrived.wait(HUNG)
            program.send_signal(signal.SIGINT)
            _, complaints = program.communicate(timeout=HUNG)
        assert program.returncode == -signal.SIGINT, complaints
        assert complaints.rstrip().endswith("KeyboardInterrupt")
        assert "Warning" not in complaints
        assert "ignored" not in complaints
