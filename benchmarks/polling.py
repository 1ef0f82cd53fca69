"""One call by long-polling alone: our clients beside python-socketio's, of the same service.

python-socketio's clients carry DCP's session as ours do, by the same core: the difference is what
makes the HTTP requests. Each client has a process of its own:
`python -m benchmarks.polling CLIENT URL CALLS` prints the seconds for one call.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import socketio
import trio

import cg_backends.asyncio
import cg_backends.sync
import cg_backends.trio
from benchmarks.measure import Figure, Work, figure, time_of
from cg_backends.random_text import random_text
from cg_core import AsyncClient, Identity, ListJobs, to_operation
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.session import (
    Instant,
    RandomIdentifiers,
    ResponseReceived,
    Role,
    Session,
    SessionOpened,
)
from tests.peers.live_service import cg_serve

ROOT = Path(__file__).parent.parent
ROUNDS = 5
CALLS, WARM_UP = 300, 20
IDENTITY = Identity(b"\1" * 32)
GROUP = "farm"
PATH = "dcp5/socketio"
# Ours, the peer, and the library that makes the peer's requests.
PAIRS = (
    ("asyncio", "socketio.AsyncClient", "aiohttp"),
    ("trio", "socketio.AsyncClient", "aiohttp"),
    ("sync", "socketio.Client", "requests"),
)


def figures(*, quick: bool) -> Iterator[Figure]:
    """Each of our clients beside the one of python-socketio that is of its kind."""
    names = list(dict.fromkeys(name for ours, theirs, _ in PAIRS for name in (ours, theirs)))
    with tempfile.TemporaryDirectory() as folder, cg_serve(Path(folder)) as service:
        with cg_backends.sync.connect(service.url, identity=IDENTITY) as groups:
            groups.create(GROUP, join_key=GROUP)
        rounds = [
            {name: _seconds(name, service.url, 3 if quick else CALLS) for name in names}
            for _ in range(1 if quick else ROUNDS)
        ]
    for ours, theirs, library in PAIRS:
        peer = (
            f"{theirs} of python-socketio {version('python-socketio')}, "
            f"{library} {version(library)}"
        )
        pairs = [(each[ours], each[theirs]) for each in rounds]
        yield figure(
            f"one call by long-polling: {ours}", peer, pairs, None if ours == "trio" else 1
        )


def _seconds(client: str, url: str, calls: int) -> float:
    command = [sys.executable, "-m", "benchmarks.polling", client, url, str(calls)]
    run = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    return float(run.stdout)


class Speech:
    """DCP's session and transport, for whoever carries the strings of the event `message`."""

    def __init__(self) -> None:
        identifiers = RandomIdentifiers(Role.INITIATOR, random_text)
        self._session = Session(Role.INITIATOR, IDENTITY, identifiers)
        self._dcp = DCPTransport()
        self._session.start(_now())

    def opened(self) -> None:
        """The carrier has connected."""
        self._session.transport_opened("polling", _now())

    def request(self) -> None:
        """Ask for something."""
        self._session.request(partial(to_operation, ListJobs(GROUP)), _now())

    def receive(self, string: str) -> None:
        """Take a string."""
        for text in self._dcp.receive(string):
            self._session.receive("polling", text, _now())

    def strings_to_send(self) -> list[str]:
        """Take out what is to be sent."""
        for _, text in self._session.data_to_send(_now()):
            self._dcp.send(text)
        return self._dcp.strings_to_send()

    def has_answer(self) -> bool:
        """Whether the session has opened, or a response has come, since this was asked."""
        found = False
        while (event := self._session.next_event()) is not None:
            found |= isinstance(event, SessionOpened | ResponseReceived)
        return found


def _now() -> Instant:
    return Instant(time.monotonic(), time.time())


def with_socketio(url: str, calls: int) -> float:
    """Seconds for one call by python-socketio's client."""
    client, speech, answered = socketio.Client(), Speech(), threading.Event()
    turn = threading.Lock()

    def settle() -> None:
        for string in speech.strings_to_send():
            client.emit("message", string)
        if speech.has_answer():
            answered.set()

    def received(string: str) -> None:
        with turn:
            speech.receive(string)
            settle()

    def after(begin: Callable[[], None]) -> None:
        answered.clear()
        with turn:
            begin()
            settle()
        answered.wait()

    client.on("message", received)
    client.connect(url, transports=["polling"], socketio_path=PATH)
    after(speech.opened)
    found = _timed(lambda: after(speech.request), calls)
    client.eio.disconnect(abort=True)  # else it waits about ten seconds for its poll
    return found


async def with_socketio_async(url: str, calls: int) -> float:
    """Seconds for one call by python-socketio's client for asyncio."""
    client, speech, answered = socketio.AsyncClient(), Speech(), asyncio.Event()

    async def settle() -> None:
        for string in speech.strings_to_send():
            await client.emit("message", string)
        if speech.has_answer():
            answered.set()

    async def received(string: str) -> None:
        speech.receive(string)
        await settle()

    async def after(begin: Callable[[], None]) -> None:
        answered.clear()
        begin()
        await settle()
        await answered.wait()

    client.on("message", received)
    await client.connect(url, transports=["polling"], socketio_path=PATH)
    await after(speech.opened)
    found = await _timed_async(lambda: after(speech.request), calls)
    await client.disconnect()
    return found


def ours(url: str, calls: int) -> float:
    """Seconds for one call by our sync client."""
    with cg_backends.sync.connect(url, identity=IDENTITY, transport="polling") as groups:
        return _timed(lambda: groups.list_jobs(GROUP), calls)


async def ours_async(client: AsyncClient, calls: int) -> float:
    """Seconds for one call by one of our others."""
    async with client as groups:
        return await _timed_async(lambda: groups.list_jobs(GROUP), calls)


def _timed(call: Work, calls: int) -> float:
    time_of(call, WARM_UP)
    return time_of(call, calls)


async def _timed_async(call: Callable[[], Awaitable[object]], calls: int) -> float:
    for _ in range(WARM_UP):
        await call()
    begun = time.perf_counter()
    for _ in range(calls):
        await call()
    return (time.perf_counter() - begun) / calls


def main() -> None:
    """Make the calls."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling", description=__doc__)
    parser.add_argument("client", choices=sorted({name for pair in PAIRS for name in pair[:2]}))
    parser.add_argument("url")
    parser.add_argument("calls", type=int)
    given = parser.parse_args()
    url, calls = given.url, given.calls
    match given.client:
        case "socketio.Client":
            found = with_socketio(url, calls)
        case "socketio.AsyncClient":
            found = asyncio.run(with_socketio_async(url, calls))
        case "sync":
            found = ours(url, calls)
        case "asyncio":
            client = cg_backends.asyncio.connect(url, identity=IDENTITY, transport="polling")
            found = asyncio.run(ours_async(client, calls))
        case _:
            other = cg_backends.trio.connect(url, identity=IDENTITY, transport="polling")
            found = trio.run(ours_async, other, calls)
    print(found)


if __name__ == "__main__":
    main()
