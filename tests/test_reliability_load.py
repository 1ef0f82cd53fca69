"""The load: a run gives a whole report, and a service that misbehaves makes it fail."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import attrs
import pytest

from cg_backends.memory import World
from cg_core import Address
from reliability.load.callers import WEIGHTS, Caller, Pair
from reliability.load.command import measured
from reliability.load.figures import (
    LET_IN,
    LOAD,
    PHASES,
    Latencies,
    Newcomer,
    Run,
    Second,
    Settings,
    disorderly,
    unsteady,
)
from reliability.load.plots import drawings
from reliability.load.recording import Recording
from reliability.load.report import markdown
from tests.peers.live_service import CGServe, cg_serve

DOOR = Address("0x0707070707070707070707070707070707070707")
ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "reliability", "load", "--quick"]
FEW = Settings(
    sessions=4,
    polling=1,
    seconds=1,
    rate=2.0,
    cap=5,
    newcomers=2,
    together=1,
    stamps=100,
    database="sqlite",
    seed=1,
    quick=True,
)


def test_a_quick_run_passes_and_gives_a_whole_report(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, "--report", str(tmp_path)],
        check=False, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    run = Run.read(tmp_path)
    assert markdown(run) == (tmp_path / "load.md").read_text() == ended.stdout.removesuffix("\n")
    assert "**Passed**" in markdown(run)
    assert list(run.phases) == [*PHASES, "audit"]
    assert len(run.of_phases(LOAD)) == run.settings.seconds
    assert len(run.newcomers) == run.settings.newcomers
    assert run.let_in_again
    called = sum(each.latencies.calls for each in run.of_phases(LOAD))
    assert called == run.phases[LOAD].calls == sum(each.calls for each in run.operations.values())
    assert called == sum(sum(each.values()) for each in run.outcomes.values()) > 0
    drawn = [name for name, _ in drawings(run)]
    assert drawn == ["load_latency", "load_calls", "load_memory", "load_refusal"]
    for name in drawn:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (tmp_path / f"{name}.svg").read_text()


def test_ctrl_c_ends_a_run_and_what_there_is_is_written(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--seconds", "10000", "--report", str(tmp_path)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert "callers are in" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130
    assert Run.read(tmp_path).interrupted
    assert "**Interrupted**" in (tmp_path / "load.md").read_text()


# A service that misbehaves

LIAR = """
from cg_core import ListGroups
from cg_core.service import service

def to_reply(request, outcome, honestly=service.to_reply):
    return honestly(request, () if type(request) is ListGroups else outcome)

service.to_reply = to_reply

from cg_backends.cli import main
main()
"""


def test_a_wrong_answer_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "liar.py").write_text(LIAR)
    run = measured(FEW, partial(cg_serve, module="liar", PYTHONPATH=f"{tmp_path}:{ROOT}"))
    assert run.findings
    assert all("list_groups(): expected [{" in each.what for each in run.findings)
    assert "**Failed**" in markdown(run)


def test_an_error_that_was_not_due_fails_the_run() -> None:
    def hasty(folder: Path, *options: str, **environment: str) -> AbstractContextManager[CGServe]:
        few = ("--calls-at-once", "2", "--calls-per-second", "0.01")
        return cg_serve(folder, *options, *few, **environment)

    run = measured(FEW, hasty)
    assert run.findings
    assert all("got Busy(" in each.what for each in run.findings)


def test_a_session_begun_anew_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(FEW)
    monkeypatch.setattr(recording, "_counted", {"sessions_total": 5}.get)
    recording.expect_begun(5)
    recording.expect_begun(4)
    (found,) = recording.run().findings
    assert found.what == "5 sessions were begun by 4 clients"


# What is expected, and what is judged by figures


def test_what_is_expected_is_what_the_rules_say() -> None:
    """And all there is to call is called, with every refusal that there can be."""
    world, told = World(), Counter[tuple[str, str]]()

    async def caller(number: int, door: Address | None = None) -> Caller:
        address = Address.from_bytes(number.to_bytes(20, "big"))
        client = world.connect_async(address, join_identity=door)
        return Caller(await client.__aenter__(), address, door)

    async def call() -> None:
        pairs = [
            Pair(number, (await caller(2 * number), await caller(2 * number + 1, DOOR)), seed=1)
            for number in range(3)
        ]
        for pair in 1_000 * pairs:
            made = pair.draw()
            found = await pair.make(made)
            assert found.finding is None
            told[made.method, found.outcome] += 1
        for pair in pairs:
            for made in pair.audit():
                assert (await pair.make(made)).finding is None

    asyncio.run(call())
    assert not world.state().groups
    assert {method for method, outcome in told if outcome == "done"} == set(WEIGHTS)
    assert {outcome for _, outcome in told} == {
        "done", "BadCredentials", "DuplicateJoinKey", "GroupNotFound", "JobCancelled",
        "JobNotFound", "LimitReached", "NotOwner",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("growth", "seconds", "steady"),
    [
        (lambda second: 0.0, 600, True),
        (lambda second: 5e6 * (second > 500), 600, True),  # one step
        (lambda second: 1e6 * (second % 3), 600, True),
        (lambda second: 60e6 * min(second / 300, 1), 600, True),  # until half of it
        (lambda second: -1e5 * second, 600, True),
        (lambda second: 1e4 * second, 600, True),  # 3 %
        (lambda second: 2e4 * second, 600, False),
        (lambda second: 2e4 * second + 1e6 * (second % 3), 600, False),
        (lambda second: 1e6 * second, 499, True),  # too short to say
    ],
)
def test_memory_that_goes_on_growing_is_not_steady(
    growth: Callable[[int], float], seconds: int, steady: bool
) -> None:
    a_call_of_each = Latencies.of([0.1] * 500)
    flat = Second(0.0, LOAD, a_call_of_each, 0.0, 10**8, 10**8, 0.5, 0.5, sessions=500)
    grown = [10**8 + round(growth(each)) for each in range(seconds)]
    service = [attrs.evolve(flat, at=float(at), memory=each) for at, each in enumerate(grown)]
    callers = [
        attrs.evolve(flat, at=float(at), callers_memory=each) for at, each in enumerate(grown)
    ]
    assert [bool(list(unsteady(each))) for each in (service, callers)] == 2 * [not steady]


def test_newcomers_are_told_in_order() -> None:
    def told(*outcomes: str, seconds: float = 0.1) -> list[str]:
        return list(disorderly([Newcomer(1.0, seconds, each) for each in outcomes], settings))

    settings = attrs.evolve(FEW, sessions=4, cap=6, together=2, quick=False)
    busy = "NetworkError EBUSY"
    assert not told(LET_IN, LET_IN, busy, "Busy EBUSY")
    assert not told(LET_IN, LET_IN, LET_IN, busy)  # two came at a time
    assert told(LET_IN, busy) == ["1 newcomers were let in, and there were 2 places"]
    assert told(*4 * [LET_IN]) == ["4 newcomers were let in, and there were 2 places"]
    assert told(LET_IN, LET_IN, "OutcomeUnknown EOUTCOME") == [
        "a newcomer was told OutcomeUnknown EOUTCOME"
    ]
    assert told(LET_IN, LET_IN, busy, seconds=6.0) == [
        "a newcomer was told NetworkError EBUSY after 6.0 s only"
    ]
