"""The trio backend: compute groups of a service, over httpx.

    from cg_backends.trio import connect

    async with connect("http://127.0.0.1:9800/", identity=identity) as groups:
        farm = await groups.create("render farm", join_key="farm", join_secret="s3cret")

No rule of the protocol is here: `cg_core.remote` says what to do, and this does it, with a task for
each WebSocket and each HTTP request, and one that watches the clock. None of that is stopped by
Ctrl-C where it stands: trio raises it in the program's main task, where that waits.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs
import httpx
import trio
from trio.lowlevel import ParkingLot, enable_ki_protection

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


@attrs.define
class _Answer:
    """Where a task waits for the end of its call."""

    ended: CallEnded | None = None
    arrived: trio.Event = attrs.field(factory=trio.Event)


class TrioClient(AsyncClient):
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
        self._over = trio.Event()
        self._answers: dict[Call, _Answer] = {}
        self._sockets: dict[Connection, tuple[WebSocketFrames, ParkingLot]] = {}
        self._scopes: defaultdict[Connection, set[trio.CancelScope]] = defaultdict(set)
        self._alarm = trio.CancelScope()

    @enable_ki_protection
    async def __aenter__(self) -> Self:
        if not trio.lowlevel.in_trio_run():
            raise wrong_library("trio")
        if self._is_entered:
            raise used_before()
        self._is_entered = True
        self._loop = trio.lowlevel.current_trio_token()
        identity = self._identity
        if identity is None:
            identity = await trio.to_thread.run_sync(find_identity)  # key derivation takes a while
        self._nurseries = trio.open_nursery()
        self._nursery = await self._nurseries.__aenter__()
        self._machine = remote_client(self._options, identity)
        self._nursery.start_soon(self._keep_time)
        return self

    @enable_ki_protection
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.aclose()
        finally:
            # Not told of the body's error, which would come out in a group.
            await self._nurseries.__aexit__(None, None, None)

    @enable_ki_protection
    async def call(self, request: Request[T]) -> T:
        """Carry out a request; see `AsyncClient.call`.

        A call that is cancelled may have been acted on; the session stays as it should be.
        """
        machine = self._opened_here()
        call = machine.call(request, self._now())
        answer = self._answers[call] = _Answer()
        self._turn()
        try:
            await answer.arrived.wait()
        finally:
            if self._answers.pop(call, None) is not None:
                machine.cancel(call, self._now())
                self._turn()
        assert answer.ended is not None  # it has arrived
        if answer.ended.error is not None:
            raise answer.ended.error
        result: T = answer.ended.result
        return result

    @enable_ki_protection
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
            with trio.CancelScope(shield=True):
                await self._let_go()

    async def _let_go(self) -> None:
        if self._machine is not None:
            self._machine.abort(self._now())
            self._turn()
            for scopes in self._scopes.values():
                for scope in scopes:
                    scope.cancel()
            await self._over.wait()
        if self._is_own_http:
            await self._http.aclose()

    # The machine, and what it asks for

    def _opened(self) -> RemoteClient:
        if self._machine is None:
            raise not_open()
        return self._machine

    def _opened_here(self) -> RemoteClient:
        machine = self._opened()
        if not trio.lowlevel.in_trio_run() or (
            trio.lowlevel.current_trio_token() is not self._loop
        ):
            raise open_elsewhere()
        return machine

    def _now(self) -> Instant:
        return Instant(trio.current_time(), time.time())

    def _turn(self) -> None:
        machine = self._opened()
        while (event := machine.next_event()) is not None:
            match event:
                case CallEnded(call):
                    answer = self._answers.pop(call, None)
                    if answer is not None:
                        answer.ended = event
                        answer.arrived.set()
                case WebSocketWanted(websocket):
                    frames, ready = self._sockets[websocket] = (WebSocketFrames(), ParkingLot())
                    self._run(websocket, self._carry, frames, ready)
                case MessagesReady(websocket):
                    self._sockets[websocket][1].unpark_all()
                case RequestWanted(connection, request):
                    self._run(connection, self._request, request)
                case ConnectionEnded(connection, grace):
                    self._end(connection, grace)
        self._alarm.deadline = machine.next_deadline()
        if machine.is_over and not any(self._scopes.values()):
            self._alarm.cancel()
            self._over.set()

    @enable_ki_protection
    async def _keep_time(self) -> None:
        while not self._over.is_set():
            with trio.CancelScope(deadline=self._opened().next_deadline()) as self._alarm:
                await trio.sleep_forever()
            self._opened().handle_timeout(self._now())
            self._turn()

    # What runs

    def _run(self, connection: Any, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        scope = trio.CancelScope()
        self._scopes[connection].add(scope)
        self._nursery.start_soon(self._within, scope, connection, work, *arguments)

    @enable_ki_protection
    async def _within(
        self,
        scope: trio.CancelScope,
        connection: Any,
        work: Callable[..., Awaitable[None]],
        *arguments: Any,
    ) -> None:
        try:
            with scope:
                await work(connection, *arguments)
        finally:
            self._scopes[connection].discard(scope)
            if not self._scopes[connection]:
                del self._scopes[connection]
            self._turn()

    def _end(self, connection: Connection, grace: float) -> None:
        if isinstance(connection, WebSocket):
            frames, ready = self._sockets.pop(connection)
            frames.send(connection.messages_to_send())
            frames.close()
            ready.unpark_all()
        for scope in self._scopes[connection]:
            scope.deadline = trio.current_time() + grace

    async def _carry(
        self, websocket: WebSocket, frames: WebSocketFrames, ready: ParkingLot
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
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._read, websocket, frames, ready, stream)
                        await self._write(websocket, frames, ready, stream)
                        nursery.cancel_scope.cancel()
                finally:
                    websocket.closed(self._now())

    @enable_ki_protection
    async def _read(
        self, websocket: WebSocket, frames: WebSocketFrames, ready: ParkingLot, stream: Any
    ) -> None:
        while frames.is_open:
            try:
                data = await stream.read(CHUNK)
            except Exception:  # however it ended, it has ended
                data = b""
            for text in frames.receive_data(data):
                websocket.receive_message(text, self._now())
            ready.unpark_all()  # there may be a pong to send, or nothing more to do
            self._turn()

    async def _write(
        self, websocket: WebSocket, frames: WebSocketFrames, ready: ParkingLot, stream: Any
    ) -> None:
        while True:
            frames.send(websocket.messages_to_send())
            if data := frames.data_to_send():
                try:
                    await stream.write(data)
                except Exception:  # however it ended, it has ended
                    return
            elif frames.is_open:
                await ready.park()
            else:
                return

    async def _request(self, connection: RequestConnection, request: HTTPRequest) -> None:
        report = await make_request(self._http, connection, request)
        report(self._now())


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
) -> TrioClient:
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
        return TrioClient(options, checked_identity("identity", identity), http)
    finally:
        del identity, join_identity  # somebody may take a private key for one (C-13)
