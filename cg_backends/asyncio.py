"""The asyncio backend: compute groups of a service, over httpx.

    from cg_backends.asyncio import connect

    async with connect("http://127.0.0.1:9800/", identity=identity) as groups:
        farm = await groups.create("render farm", join_key="farm", join_secret="s3cret")

No rule of the protocol is here: `cg_core.remote` says what to do, and this does it, with a task for
each WebSocket and each HTTP request, and a timer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Self, TypeVar

import httpx

from cg_backends.http import (
    CHUNK,
    checked_client,
    make_request,
    network_error,
    open_websocket,
    own_client,
    refusal_of,
)
from cg_backends.keystores import find_identity
from cg_backends.misuse import not_open, open_elsewhere, used_before, wrong_library
from cg_backends.remote import default_scheduler, remote_client
from cg_backends.websocket import WebSocketFrames
from cg_core import Address, AsyncClient, Identity, Request
from cg_core.framing import HTTPRequest
from cg_core.remote import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    Call,
    CallEnded,
    Connection,
    ConnectionEnded,
    MessagesReady,
    Options,
    RemoteClient,
    RequestConnection,
    RequestWanted,
    TransportName,
    WebSocket,
    WebSocketWanted,
    checked_identity,
)
from cg_core.session import Instant

T = TypeVar("T")


class AsyncioClient(AsyncClient):
    """A client of a service. Tasks may use it at once: they share one session."""

    def __init__(
        self, options: Options, identity: Identity | None, http: httpx.AsyncClient | None
    ) -> None:
        self._options = options
        self._identity = identity
        self._is_own_http = http is None
        self._http = http or own_client(httpx.AsyncClient, options)
        self._is_entered = False
        self._machine: RemoteClient | None = None
        self._over = asyncio.Event()
        self._answers: dict[Call, asyncio.Future[CallEnded]] = {}
        self._sockets: dict[Connection, tuple[WebSocketFrames, asyncio.Event]] = {}
        self._tasks: defaultdict[Connection, set[asyncio.Task[None]]] = defaultdict(set)
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf

    async def __aenter__(self) -> Self:
        if asyncio._get_running_loop() is None:
            raise wrong_library("asyncio")
        if self._is_entered:
            raise used_before()
        self._is_entered = True
        identity = self._identity
        if identity is None:
            identity = await asyncio.to_thread(find_identity)  # key derivation takes a while
        self._loop = asyncio.get_running_loop()
        self._machine = remote_client(self._options, identity)
        return self

    async def call(self, request: Request[T]) -> T:
        """Carry out a request; see `AsyncClient.call`.

        A call that is cancelled may have been acted on; the session stays as it should be.
        """
        machine = self._opened_here()
        call = machine.call(request, self._now())
        answer = self._answers[call] = self._loop.create_future()
        self._turn()
        try:
            ended = await answer
        finally:
            if self._answers.pop(call, None) is not None:
                machine.cancel(call, self._now())
                self._turn()
        if ended.error is not None:
            raise ended.error
        result: T = ended.result
        return result

    async def aclose(self) -> None:
        """Say goodbye, and let go of everything; at once, where this is cancelled."""
        if self._machine is not None:
            self._opened_here()
        try:
            if self._machine is not None:
                self._machine.close(self._now())
                self._turn()
                await self._over.wait()
        finally:
            await _whatever_comes(self._let_go())

    async def _let_go(self) -> None:
        if self._machine is not None:
            self._machine.abort(self._now())
            self._turn()
        if tasks := [task for tasks in self._tasks.values() for task in tasks]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if self._is_own_http:
            await self._http.aclose()

    # The machine, and what it asks for

    def _opened(self) -> RemoteClient:
        if self._machine is None:
            raise not_open()
        return self._machine

    def _opened_here(self) -> RemoteClient:
        machine = self._opened()
        if asyncio._get_running_loop() is not self._loop:
            raise open_elsewhere()
        return machine

    def _now(self) -> Instant:
        return Instant(self._loop.time(), time.time())

    def _turn(self) -> None:
        machine = self._opened()
        while (event := machine.next_event()) is not None:
            match event:
                case CallEnded(call):
                    answer = self._answers.pop(call, None)
                    if answer is not None and not answer.done():
                        answer.set_result(event)
                case WebSocketWanted(websocket):
                    frames, ready = self._sockets[websocket] = (WebSocketFrames(), asyncio.Event())
                    self._run(websocket, self._carry(websocket, frames, ready))
                case MessagesReady(websocket):
                    self._sockets[websocket][1].set()
                case RequestWanted(connection, request):
                    self._run(connection, self._request(connection, request))
                case ConnectionEnded(connection, grace):
                    self._end(connection, grace)
        deadline = machine.next_deadline()
        if deadline < self._alarm_at:
            self._set_alarm(deadline)
        if machine.is_over and not any(self._tasks.values()):
            self._set_alarm(math.inf)
            self._over.set()

    def _set_alarm(self, deadline: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = deadline
        self._alarm = None if deadline == math.inf else self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, math.inf
        self._opened().handle_timeout(self._now())
        self._turn()

    # What runs

    def _run(self, connection: Connection, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks[connection].add(task)
        task.add_done_callback(partial(self._done, connection))

    def _done(self, connection: Connection, task: asyncio.Task[None]) -> None:
        self._tasks[connection].discard(task)
        if not self._tasks[connection]:
            del self._tasks[connection]
        if not task.cancelled() and (bug := task.exception()) is not None:
            for answer in self._answers.values():
                answer.set_exception(bug)
        self._turn()

    def _end(self, connection: Connection, grace: float) -> None:
        if isinstance(connection, WebSocket):
            frames, ready = self._sockets.pop(connection)
            frames.send(connection.messages_to_send())
            frames.close()
            ready.set()
        for task in self._tasks[connection]:
            self._loop.call_later(grace, task.cancel)

    async def _carry(
        self, websocket: WebSocket, frames: WebSocketFrames, ready: asyncio.Event
    ) -> None:
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(
                    open_websocket(self._http, websocket, frames)
                )
            except Exception as error:  # a client of any make
                websocket.failed(network_error(error, websocket.url), self._now())
                return
            if (refusal := refusal_of(websocket, frames, response)) is not None:
                refusal(self._now())
            else:
                stream = response.extensions["network_stream"]
                reading = asyncio.create_task(self._read(websocket, frames, ready, stream))
                try:
                    await self._write(websocket, frames, ready, stream)
                finally:
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)
                    websocket.closed(self._now())

    async def _read(
        self, websocket: WebSocket, frames: WebSocketFrames, ready: asyncio.Event, stream: Any
    ) -> None:
        while frames.is_open:
            try:
                data = await stream.read(CHUNK)
            except Exception:  # however it ended, it has ended
                data = b""
            for text in frames.receive_data(data):
                websocket.receive_message(text, self._now())
            ready.set()  # there may be a pong to send, or nothing more to do
            self._turn()

    async def _write(
        self, websocket: WebSocket, frames: WebSocketFrames, ready: asyncio.Event, stream: Any
    ) -> None:
        while True:
            frames.send(websocket.messages_to_send())
            if data := frames.data_to_send():
                try:
                    await stream.write(data)
                except Exception:  # however it ended, it has ended
                    return
            elif frames.is_open:
                await ready.wait()
                ready.clear()
            else:
                return

    async def _request(self, connection: RequestConnection, request: HTTPRequest) -> None:
        report = await make_request(self._http, connection, request)
        report(self._now())


async def _whatever_comes(work: Coroutine[Any, Any, None]) -> None:
    # Done to its end; who was cancelled meanwhile hears of it then.
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


def connect(
    url: str | None = None,
    *,
    identity: Identity | None = None,
    join_identity: Identity | None = None,
    scheduler: str | None = None,
    timeout: float | None = CALL_TIMEOUT,
    connect_timeout: float | None = CONNECT_TIMEOUT,
    idle_timeout: float | None = IDLE_TIMEOUT,
    http: httpx.AsyncClient | None = None,
    transport: TransportName | None = None,
    insecure: bool = False,
    service_address: Address | str | None = None,
) -> AsyncioClient:
    """A client of a service, to be used in an `async with`; it connects at its first call.

    Args:
        url: the service's URL: `http://127.0.0.1:9800/`.
        identity: who signs; without one, the keystore `id` where DCP keeps them.
        join_identity: another identity, whose address groups may let in (C-9).
        scheduler: without a url, the URL of a scheduler that tells it; without either, the
            environment's `DCP_SCHEDULER_LOCATION`.
        timeout: seconds for each call; None for no end.
        connect_timeout: seconds for a session to come about; None for no end.
        idle_timeout: seconds after the last call until the session is closed; None leaves it open.
        http: an httpx client of yours, for TLS, proxies and headers; it is not closed.
        transport: the only one to use; None takes a WebSocket, and polls where there is none.
        insecure: whether join hashes may go unencrypted over a network (C-13).
        service_address: the address that the service must have; None takes the first one's.

    Raises:
        InvalidArgument: one of them cannot be.
    """
    try:
        checked_client(http, asynchronous=True)
        options = Options(
            url,
            scheduler=default_scheduler(url, scheduler),
            join_identity=join_identity,
            timeout=timeout,
            connect_timeout=connect_timeout,
            idle_timeout=idle_timeout,
            transport=transport,
            insecure=insecure,
            service_address=service_address,
        )
        return AsyncioClient(options, checked_identity("identity", identity), http)
    finally:
        del identity, join_identity  # somebody may take a private key for one (C-13)
