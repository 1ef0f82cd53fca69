"""Where the time of one call goes: both machines of the core, sampled while they call each other.

No sockets, no threads: a client's machine and a service's, over a WebSocket that is two lists. A
timer of the processor time interrupts a thousand times a second, and what was running is counted.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import cg_core
from benchmarks.measure import Breakdown, Work, calls_for, time_of
from benchmarks.session import Pair
from cg_backends.memory import World
from cg_backends.random_text import random_text
from cg_core import Identity, ListJobs
from cg_core.framing import HTTPRequest
from cg_core.remote import CallEnded, Options, RemoteClient, WebSocket, WebSocketWanted
from cg_core.service import Execute, Service, ServiceLimits
from cg_core.session import Instant

CLIENT, SERVICE = Identity(b"\1" * 32), Identity(b"\2" * 32)
NO_LIMITS = ServiceLimits(calls_per_second=1e9, calls_at_once=10**9)
INTERVAL = 0.001  # seconds of processor time
SECONDS = 8.0

# Whose a sample is: the innermost file that is named here, or is in a folder that is.
STAGES = {
    "secp256k1.py": "the curve",
    "hashing.py": "keccak",
    "addresses.py": "keccak",
    "signatures.py": "texts of signatures",
    "sealed.py": "texts of signatures",
    "ecmascript_json.py": "JSON",
    "session/messages.py": "messages",
    "session/message_texts.py": "messages",
    "session": "the session's steps",
    "framing": "framing",
    "operations.py": "requests and replies",
    "replies.py": "requests and replies",
    "requests.py": "requests and replies",
    "rules.py": "the rules",
    "remote": "the client",
    "service": "the service",
}
OTHER = "what is around"
CORE = Path(cg_core.__file__).parent


def figures(*, quick: bool) -> Iterator[Breakdown]:
    """An exchange of sessions; one call at a time, and a hundred in each batch."""
    seconds = SECONDS / 40 if quick else SECONDS
    exchange = partial(Pair().exchange, 1)
    yield _breakdown("one exchange, both ends of a session", exchange, 1, seconds)
    for at_once, title in ((1, "one call alone"), (100, "one call of a hundred at once")):
        calls = partial(Wire().calls, at_once)
        yield _breakdown(f"{title}, both machines without sockets", calls, at_once, seconds)


def _breakdown(title: str, work: Work, calls: int, seconds: float) -> Breakdown:
    each = time_of(work, calls_for(work, seconds / 8)) / calls
    found: Counter[str] = Counter()
    with sampled(found):
        begun = time.process_time()
        while time.process_time() - begun < seconds:
            work()
    samples = found.total()
    parts = tuple((stage, each * count / samples) for stage, count in found.most_common())
    return Breakdown(title, parts, samples)


class Wire:
    """A client and a service, joined by a WebSocket without a network."""

    def __init__(self) -> None:
        self._world = World()
        self._world.connect(CLIENT).create("farm", join_key="farm")
        self._service = Service(SERVICE, random_text, limits=NO_LIMITS)
        options = Options("http://127.0.0.1:9800/")
        self._client = RemoteClient(options, CLIENT, x_dcp="", random_text=random_text)
        self._websocket: WebSocket | None = None
        self.calls(1)

    def calls(self, count: int) -> None:
        """So many calls at once, until all are answered."""
        for _ in range(count):
            self._client.call(ListJobs("farm"), _now())
        ended = 0
        while ended < count:
            ended += self._turn_of_client()
            if self._websocket is not None:
                self._turn_of_service(self._websocket)

    def _turn_of_client(self) -> int:
        ended = 0
        while (event := self._client.next_event()) is not None:
            if isinstance(event, CallEnded):
                assert event.error is None
                ended += 1
            elif isinstance(event, WebSocketWanted):
                self._websocket = event.websocket
                target = event.websocket.url.removeprefix("http://127.0.0.1:9800")
                request = HTTPRequest("GET", target, tuple(event.websocket.headers), b"")
                assert self._service.accept_websocket("w", request, _now()) is None
        return ended

    def _turn_of_service(self, websocket: WebSocket) -> None:
        for message in websocket.messages_to_send():
            self._service.receive_message("w", message, _now())
        outcomes = []
        while (event := self._service.next_event()) is not None:
            if isinstance(event, Execute):
                outcomes.append((event.id, self._world.execute(event.request, event.caller)))
        if outcomes:
            self._service.executed(outcomes, _now())
        for message in self._service.messages_to_send("w", _now()):
            websocket.receive_message(message, _now())


def _now() -> Instant:
    return Instant(time.monotonic(), time.time())


@contextmanager
def sampled(found: Counter[str]) -> Iterator[None]:
    """Count the stages that run within the block."""

    def count(_: int, frame: FrameType | None) -> None:
        found[_stage(frame)] += 1

    before = signal.signal(signal.SIGPROF, count)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _stage(frame: FrameType | None) -> str:
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(CORE):
            names = path.relative_to(CORE).parts
            for name in ("/".join(names), names[0]):
                if name in STAGES:
                    return STAGES[name]
        frame = frame.f_back
    return OTHER
