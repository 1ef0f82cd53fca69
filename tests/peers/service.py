"""The session side of a service, as all peers written in Python have it: texts in, texts out.

A peer says which transports there are and what came over them, and is told what to send. All of it
happens in one asyncio loop, and so do the answers.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
import string
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeAlias, TypedDict, Unpack

from cg_core import Address, ComputeGroupsError, Identity, Operation, ProtocolError
from cg_core.ecmascript_json import parse, stringify
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.sealed import seal
from cg_core.session import (
    Event,
    Instant,
    RequestReceived,
    SessionClosed,
    SessionOpened,
    Settings,
    Target,
    Transport,
    TransportDropped,
)

Answer: TypeAlias = Callable[[Operation, str, Address, frozenset[Address]], Any]
"""(operation, session id, caller, joins_as) -> payload. It refuses by raising ComputeGroupsError.

A payload that is not there yet is an awaitable, or a `concurrent.futures.Future`: a test completes
that one from its own thread.
"""

_HUNG = 30  # seconds after which a test that waits has failed
IDENTITY = Identity(b"\2" * 32)


def random_text() -> str:
    """21 characters, as Target and Server want them."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(21))


def now() -> Instant:
    """What the clocks say; the monotonic one is the loop's, too."""
    return Instant(time.monotonic(), time.time())


class Timer:
    """Calls back when a deadline has come; the last one that was set counts."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline: float | None) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if deadline is not None:
            self._handle = asyncio.get_running_loop().call_at(deadline, self._callback)


class Options(TypedDict, total=False):
    """What any peer may be given.

    identity: whose name it signs with.
    settings: times and caps of the sessions.
    said_as: what is said, properly signed, in place of each body: for a service that misbehaves.
    """

    identity: Identity
    settings: Settings | None
    said_as: Callable[[dict[str, Any]], dict[str, Any]]


class Service:
    """All sessions of a service.

    Args:
        answer: what it answers.
        send: sends a text by a transport.
        drop: closes a transport, after what was sent.
        options: see `Options`.

    Attributes:
        acted_on: how often each request, (session id, request id), was given to `answer`.
        opened: the ids of the sessions there have been, in order.
        closed: those that have ended.
        failures: what went wrong in `answer`, or anywhere in the peer; a test is to see it.
    """

    def __init__(
        self,
        answer: Answer,
        send: Callable[[Transport, str], None],
        drop: Callable[[Transport], None],
        **options: Unpack[Options],
    ) -> None:
        self.identity = options.get("identity", IDENTITY)
        self.acted_on: Counter[tuple[str, str]] = Counter()
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.failures: list[Exception] = []
        self._answer = answer
        self._send = send
        self._drop = drop
        self._said_as = options.get("said_as")
        self._target = Target(self.identity, random_text, options.get("settings"))
        self._timer = Timer(self._handle_timeout)
        self._late: set[asyncio.Task[None]] = set()
        self._no_session = asyncio.Event()
        self._closing = threading.Condition()

    def transport_opened(self, transport: Transport) -> None:
        """Somebody has connected."""
        self._target.transport_opened(transport, now())
        self._settle()

    def receive(self, transport: Transport, text: str) -> None:
        """Take a text."""
        self._target.receive(transport, text, now())
        self._settle()

    def transport_lost(self, transport: Transport) -> None:
        """A transport is gone."""
        self._target.transport_lost(transport, now())
        self._settle()

    async def say_goodbye(self) -> None:
        """End all sessions, as a service does that is shut down, and wait until they have ended."""
        self._target.close_all(now())
        self._no_session.clear()
        self._settle()
        await self._no_session.wait()

    def wait_closed(self, count: int) -> None:
        """Wait, in the test's thread, until so many sessions have ended."""
        with self._closing:
            if not self._closing.wait_for(lambda: len(self.closed) >= count, _HUNG):
                raise TimeoutError(f"{len(self.closed)} sessions of {count} ended in {_HUNG} s")

    def end(self) -> None:
        """Do nothing more."""
        self._timer.set(None)
        for task in self._late:
            task.cancel()

    def _handle_timeout(self) -> None:
        self._target.handle_timeout(now())
        self._settle()

    def _settle(self) -> None:
        while True:
            for transport, text in self._target.data_to_send(now()):
                self._send(transport, self._said(text))
            found = self._target.next_event()
            if found is None:
                break
            self._on_event(*found)
        if not len(self._target):
            self._no_session.set()
        self._timer.set(self._target.next_deadline())

    def _said(self, text: str) -> str:
        if self._said_as is None:
            return text
        sealed: Any = parse(text)
        return seal(self.identity, stringify(self._said_as(sealed["body"])))

    def _on_event(self, session_id: str | None, event: Event) -> None:
        if isinstance(event, TransportDropped):
            self._drop(event.transport)
            return
        assert session_id is not None  # as Target has it
        match event:
            case SessionOpened():
                self.opened.append(session_id)
            case SessionClosed():
                with self._closing:
                    self.closed.append(session_id)
                    self._closing.notify_all()
            case RequestReceived():
                self.acted_on[session_id, event.id] += 1
                self._act(session_id, event)

    def _act(self, session_id: str, asked: RequestReceived) -> None:
        try:
            payload = self._answer(asked.operation, session_id, asked.caller, asked.joins_as)
        except Exception as error:  # whatever a test's function raises
            self._fail(session_id, asked.id, error)
            return
        if isinstance(payload, Future):
            payload = asyncio.wrap_future(payload)
        if inspect.isawaitable(payload):
            task = asyncio.ensure_future(self._answer_late(session_id, asked.id, payload))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            self._target.respond(session_id, asked.id, payload)

    async def _answer_late(self, session_id: str, id: str, payload: Awaitable[Any]) -> None:
        try:
            self._target.respond(session_id, id, await payload)
        except Exception as error:
            self._fail(session_id, id, error)
        self._settle()

    def _fail(self, session_id: str, id: str, error: Exception) -> None:
        if not isinstance(error, ComputeGroupsError):
            self.failures.append(error)
            error = ComputeGroupsError("the peer of the test has failed")
        self._target.refuse(session_id, id, error)


class SocketService:
    """A service over Socket.IO by somebody else: what the events "message" carry, in and out.

    Args:
        answer: what it answers.
        emit: sends a string by a socket, as an event.
        disconnect: closes a socket, after what was sent.
        options: see `Options`.

    Attributes:
        service: its sessions.
    """

    def __init__(
        self,
        answer: Answer,
        emit: Callable[[str, str], None],
        disconnect: Callable[[str], None],
        **options: Unpack[Options],
    ) -> None:
        self.service = Service(answer, self._send, self._drop, **options)
        self._emit = emit
        self._disconnect = disconnect
        self._sockets: dict[str, DCPTransport] = {}

    def connected(self, socket: str) -> None:
        """A socket has connected."""
        self._sockets[socket] = DCPTransport()
        self._flush(socket)
        self.service.transport_opened(socket)

    def receive(self, socket: str, string: str) -> None:
        """Take the string of an event."""
        if (dcp := self._sockets.get(socket)) is None:
            return  # it was dropped, and this was on its way
        try:
            texts = dcp.receive(string)
        except ProtocolError:
            self._drop(socket)
            self.service.transport_lost(socket)
            return
        self._flush(socket)
        for text in texts:
            self.service.receive(socket, text)

    def disconnected(self, socket: str) -> None:
        """A socket is gone."""
        if self._sockets.pop(socket, None) is not None:
            self.service.transport_lost(socket)

    def _send(self, transport: Transport, text: str) -> None:
        if (dcp := self._sockets.get(str(transport))) is not None:
            dcp.send(text)
            self._flush(str(transport))

    def _flush(self, socket: str) -> None:
        for each in self._sockets[socket].strings_to_send():
            self._emit(socket, each)

    def _drop(self, transport: Transport) -> None:
        if self._sockets.pop(str(transport), None) is not None:
            self._disconnect(str(transport))
