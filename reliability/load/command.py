"""Hundreds of sessions at once for minutes, then more until the service refuses.

A live `cg serve`, and callers in a process of their own who make all calls there are. It fails
where an answer was wrong, an error was not the one that the contract names for that call, a session
had to be begun anew, memory grew, or newcomers for whom there was no place were not told so in
order while the callers went on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Final, TypeAlias

from cg_core import Identity
from reliability.load.figures import COMING, FULL, GOING, GONE, LOAD, POLLING, Run, Settings
from reliability.load.recording import Broken, Recording
from reliability.load.report import markdown, write
from tests.peers.databases import DATABASES, new_url
from tests.peers.live_service import CGServe, cg_serve

ROOT: Final = Path(__file__).parents[2]
LAST: Final = Identity((3_000_000).to_bytes(32, "big"))
PATIENCE: Final = 30  # seconds until the service has noticed who has gone

Serve: TypeAlias = Callable[..., AbstractContextManager[CGServe]]
"""Starts a service: (folder, *options, **environment)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this subject."""
    parser.add_argument("--sessions", type=int, help="of callers, an even number [500]")
    parser.add_argument("--seconds", type=int, help="under load [600]")
    parser.add_argument("--rate", type=float, default=1.0, help="calls a second of each [1.0]")
    parser.add_argument("--cap", type=int, help="sessions the service takes [4 times as many]")
    parser.add_argument("--stamps", type=int, help="the service's option [a sixth of the calls]")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--seed", type=int, default=1)


def run(given: argparse.Namespace) -> int:
    """Run it, and tell; 0 if all was as it should be."""
    found = measured(settings_of(given))
    print(markdown(found))
    if given.report is not None:
        write(found, given.report)
    if found.findings:
        print(f"FAILED: {len(found.findings)} findings, see above", file=sys.stderr)
        return 1
    return 130 if found.interrupted else 0


def settings_of(given: argparse.Namespace) -> Settings:
    """What was asked for, and what follows from it."""
    sessions = given.sessions or (20 if given.quick else 500)
    seconds = given.seconds or (3 if given.quick else 600)
    cap = given.cap or (sessions + 5 if given.quick else 4 * sessions)
    if sessions % 2 or cap < sessions:
        raise SystemExit("sessions must be an even number, and no more than the cap")
    return Settings(
        sessions=sessions,
        polling=-(-sessions // POLLING),
        seconds=seconds,
        rate=given.rate,
        cap=cap,
        newcomers=cap - sessions + -(-cap // 5),  # 20 % beyond the cap
        together=2 if given.quick else 20,
        stamps=given.stamps or max(10, int(given.rate * seconds / 6)),
        database=given.database,
        seed=given.seed,
        quick=given.quick,
    )


def measured(settings: Settings, serve: Serve = cg_serve) -> Run:
    """Run it.

    Args:
        settings: how.
        serve: what starts the service.
    """
    recording = Recording(settings)
    try:
        with tempfile.TemporaryDirectory() as folder:
            _record(recording, Path(folder), serve)
    except KeyboardInterrupt:
        recording.interrupted = True
    except Broken as error:
        recording.find(str(error))
    return recording.run()


def _record(recording: Recording, folder: Path, serve: Serve) -> None:
    settings = recording.settings
    store = new_url(settings.database, folder)
    options = ("--max-sessions", str(settings.cap), "--stamps", str(settings.stamps))
    arguments = (settings.sessions // 2, settings.rate, settings.seed)
    with (
        serve(folder, *options, CG_STORE=store) as service,
        _process("reliability.load.generator", service.url, *arguments) as callers,
    ):
        recording.begin(service, callers)
        recording.go_on(LOAD, settings.seconds)
        recording.expect_begun(settings.sessions)
        _refuse(recording, service, folder)
        recording.end(callers)
        recording.look_at(service)
        if settings.database == "sqlite":
            recording.database_size = Path(store.removeprefix("sqlite:///")).stat().st_size


def _refuse(recording: Recording, service: CGServe, folder: Path) -> None:
    # More come than there are places for, stay, and go; then one more.
    settings = recording.settings
    a_while = 1 if settings.quick else 10
    arguments = (service.url, settings.newcomers, settings.together)
    told = folder / "newcomers"
    with (
        told.open("w") as stdout,
        _process("reliability.load.newcomers", *arguments, stdout=stdout) as newcomers,
    ):
        while recording.take_newcomers(told) < settings.newcomers:
            if newcomers.poll() is not None:
                raise Broken("the newcomers' process has ended")
            recording.go_on(COMING, 1)
        recording.go_on(FULL, a_while)
        recording.judge_newcomers()
        assert newcomers.stdin is not None
        newcomers.stdin.close()
        while newcomers.poll() is None:
            recording.go_on(GOING, 1)
    recording.wait_for_places(GOING, PATIENCE)
    recording.let_one_in(service, LAST)
    recording.go_on(GONE, a_while)


@contextmanager
def _process(
    module: str, *arguments: object, stdout: int | IO[str] = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    # In a session of its own: Ctrl-C is for us, who then end it.
    with subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=stdout, text=True, cwd=ROOT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
