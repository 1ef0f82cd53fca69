"""What is seen of a service under load, second by second."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.idle_sessions import resident
from benchmarks.report import Machine
from cg_backends import sync
from cg_core import ComputeGroupsError, Identity
from reliability.load.figures import (
    LET_IN,
    LOAD,
    Finding,
    Latencies,
    Newcomer,
    Run,
    Second,
    Settings,
    disorderly,
    unsteady,
)
from tests.peers.live_service import CGServe

_PROGRESS: Final = 10  # seconds from one line of progress to the next
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """The run cannot go on."""


class Process:
    """What a process takes.

    Args:
        pid: its id.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = self._used()

    @property
    def memory(self) -> int:
        """Bytes that it has."""
        return int(resident(self._pid))

    def cpu(self) -> float:
        """Processors that it had since this was asked before; 1.0 is a whole one."""
        (begun, before), (now, used) = self._before, self._used()
        self._before = now, used
        return round((used - before) / (now - begun), 3)

    def _used(self) -> tuple[float, float]:
        # Behind the command's name, which may hold anything, the 12th and 13th are the times.
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return time.monotonic(), (int(fields[11]) + int(fields[12])) / _TICKS


class Recording:
    """What has been seen so far.

    Args:
        settings: of the run.

    Attributes:
        interrupted: whether it was ended before its time.
        database_size: bytes of the database at its end.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.interrupted = False
        self.database_size = 0
        self._date, self._load = datetime.now(UTC).date().isoformat(), os.getloadavg()
        self._origin = time.monotonic()
        self._connecting = 0.0
        self._let_in_again: float | None = None
        self._seconds: list[Second] = []
        self._by_phase: defaultdict[str, list[float]] = defaultdict(list)
        self._by_operation: defaultdict[str, list[float]] = defaultdict(list)
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._newcomers: list[Newcomer] = []
        self._findings: list[Finding] = []

    def begin(self, service: CGServe, callers: subprocess.Popen[str]) -> None:
        """Wait until all callers are in."""
        assert callers.stdout is not None
        self._lines = callers.stdout
        self._url = service.url
        self._service, self._callers = Process(service.pid), Process(callers.pid)
        began = self._origin
        self._origin = self._line()["at"]
        self._connecting = self._origin - began
        _say(f"{self.settings.sessions} callers are in, after {self._connecting:.1f} s")

    def go_on(self, phase: str, seconds: int) -> None:
        """Record some seconds."""
        for _ in range(seconds):
            line = self._line()
            latencies = self._take(line, phase)
            sessions = self._counted("sessions")
            second = Second(
                at=round(line["at"] - self._origin, 3),
                phase=phase,
                latencies=Latencies.of(latencies),
                late=round(line["late"], 6),
                memory=self._service.memory,
                callers_memory=self._callers.memory,
                cpu=self._service.cpu(),
                callers_cpu=self._callers.cpu(),
                sessions=sessions,
            )
            self._seconds.append(second)
            if len(self._seconds) % _PROGRESS == 0:
                self._tell(second)

    def find(self, what: str) -> None:
        """Note what should not have been."""
        _say(f"FOUND: {what}")
        self._findings.append(Finding(round(time.monotonic() - self._origin, 3), what))

    def expect_begun(self, sessions: int) -> None:
        """See that no more sessions were begun than there are clients."""
        begun = self._counted("sessions_total")
        if begun != sessions:
            self.find(f"{begun} sessions were begun by {sessions} clients")

    def take_newcomers(self, told: Path) -> int:
        """Take what newcomers were told since, from the lines of a file; how many there were."""
        whole, _, _ = told.read_text().rpartition("\n")
        for text in whole.splitlines()[len(self._newcomers) :]:
            each = json.loads(text)
            at = round(each["at"] - self._origin, 3)
            self._newcomers.append(Newcomer(at, each["seconds"], each["outcome"]))
        return len(self._newcomers)

    def judge_newcomers(self) -> None:
        """See that they were told in order who may stay."""
        for what in disorderly(self._newcomers, self.settings):
            self.find(what)

    def wait_for_places(self, phase: str, most: int) -> None:
        """Record until there are no more sessions than callers, for so many seconds at most."""
        for _ in range(most):
            if self._counted("sessions") <= self.settings.sessions:
                return
            self.go_on(phase, 1)
        self.find(f"{most} s after the newcomers had gone their sessions were still there")

    def let_one_in(self, service: CGServe, identity: Identity) -> None:
        """See that one more is let in."""
        begun = time.monotonic()
        try:
            with sync.connect(service.url, identity=identity) as client:
                client.list_groups()
        except ComputeGroupsError as error:
            self.find(f"a newcomer was not let in when there were places again: {error!r}")
        else:
            self._let_in_again = round(time.monotonic() - begun, 6)
        let_in = sum(each.outcome == LET_IN for each in self._newcomers)
        self.expect_begun(self.settings.sessions + let_in + 1)

    def end(self, callers: subprocess.Popen[str]) -> None:
        """Have the callers look through their books, delete all, and go."""
        assert callers.stdin is not None
        callers.stdin.close()
        for text in self._lines:
            self._take(json.loads(text), "audit")
        if callers.wait():
            self.find(f"the callers' process ended with {callers.returncode}")
        if left := self._counted("sessions"):
            self.find(f"{left} sessions are left when all have gone")

    def look_at(self, service: CGServe) -> None:
        """Stop the service, and see whether it has anything to complain of."""
        if status := service.stop():
            self.find(f"the service ended with {status}")
        for line in re.findall(
            r"^\S+ (?:ERROR|CRITICAL) .*|^Traceback.*", service.log, re.MULTILINE
        ):
            self.find(f"the service's log: {line}")

    def run(self) -> Run:
        """All of it."""
        for what in unsteady([each for each in self._seconds if each.phase == LOAD]):
            self.find(what)
        return Run(
            date=self._date,
            load=self._load,
            machine=Machine.this(),
            settings=self.settings,
            interrupted=self.interrupted,
            connecting=round(self._connecting, 3),
            let_in_again=self._let_in_again,
            seconds=tuple(self._seconds),
            phases={name: Latencies.of(each) for name, each in self._by_phase.items()},
            operations={
                name: Latencies.of(each) for name, each in sorted(self._by_operation.items())
            },
            outcomes={name: dict(sorted(each.items())) for name, each in self._outcomes.items()},
            newcomers=tuple(self._newcomers),
            database_size=self.database_size,
            findings=tuple(self._findings),
        )

    def _take(self, line: dict[str, Any], phase: str) -> list[float]:
        # What calls took, wherever it is counted.
        latencies: list[float] = []
        for operation, outcome, seconds in line["calls"]:
            latencies += seconds
            if phase == LOAD:
                self._by_operation[operation] += seconds
                self._outcomes[operation][outcome] += len(seconds)
        self._by_phase[phase] += latencies
        for what in line["findings"]:
            self.find(what)
        return latencies

    def _line(self) -> dict[str, Any]:
        text = self._lines.readline()
        if not text:
            raise Broken("the callers' process has ended")
        line: dict[str, Any] = json.loads(text)
        return line

    def _counted(self, what: str) -> int:
        # What the service counts, as it tells everybody.
        try:
            with urllib.request.urlopen(f"{self._url}metrics", timeout=60) as answer:
                text = answer.read().decode()
        except OSError as error:
            raise Broken(f"the service does not tell what it counts: {error}") from error
        found = re.search(rf"^compute_groups_{what} (\d+)$", text, re.MULTILINE)
        assert found is not None, text
        return int(found[1])

    def _tell(self, second: Second) -> None:
        _say(
            f"{second.at:6.0f} s, {second.phase}: {second.sessions} sessions, "
            f"{second.latencies.calls} calls/s, median {second.latencies.median * 1e3:.1f} ms, "
            f"p99 {second.latencies.p99 * 1e3:.1f} ms, {second.memory / 1e6:.1f} MB, "
            f"{second.cpu:.0%} of a processor"
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
