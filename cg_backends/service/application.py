"""A service as an ASGI application: it moves bytes, reads the clock, and has the store do its work.

What is refused, answered, or given up is decided by `cg_core.service`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

from cg_backends.service.asgi import Message, Receive, Scope, Send, whole_body
from cg_backends.service.execution import Execution, Store
from cg_backends.service.log import log_event
from cg_core.framing import (
    HTTPRequest,
    HTTPResponse,
    MessagesReady,
    ResponseReady,
    WebSocketEnded,
)
from cg_core.service import (
    Answered,
    Execute,
    Service,
    ServiceEvent,
    SessionBegan,
    SessionEnded,
    Stopped,
    StoreFailed,
)
from cg_core.session import Instant

# A WebSocket's own close frame: the goodbye was said within.
_NORMAL_CLOSURE: Final = 1000


class Application:
    """A service. It lives in one event loop.

    Args:
        service: what decides.
        store: what carries requests out.
    """

    def __init__(self, service: Service, store: Store) -> None:
        self._service = service
        self._execution = Execution(store, self._executed)
        self._timer: asyncio.TimerHandle | None = None
        self._responses: dict[object, asyncio.Future[HTTPResponse]] = {}
        self._websockets: dict[object, _WebSocket] = {}
        self._stopped = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or a WebSocket."""
        if scope["type"] == "websocket":
            await self._serve_websocket(_request(scope, "GET"), receive, send)
        elif scope["type"] == "http":
            body = await whole_body(receive)
            if body is not None:
                request = _request(scope, scope["method"], body)
                response = await self._respond(request, receive)
                if response is not None:
                    await _send_response(send, "http", response)

    async def stop(self, seconds: float) -> None:
        """Answer what was taken, say goodbye to all, and take nobody any more.

        Args:
            seconds: how long that may take.
        """
        self._service.stop(_now())
        self._pump()
        with suppress(TimeoutError):  # who does not take the goodbye goes without
            await asyncio.wait_for(self._stopped.wait(), seconds)
        await self._execution.end()
        if self._timer is not None:
            self._timer.cancel()

    # HTTP

    async def _respond(self, request: HTTPRequest, receive: Receive) -> HTTPResponse | None:
        # None where the client went away before there was an answer.
        key = object()
        answered: asyncio.Future[HTTPResponse] = asyncio.get_running_loop().create_future()
        self._responses[key] = answered
        gone: asyncio.Future[Message] | None = None
        try:
            self._service.receive_request(key, request, _now())
            self._pump()
            if not answered.done():  # a poll; what can still come is that the client goes away
                gone = asyncio.ensure_future(receive())
                await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
            return answered.result() if answered.done() else None
        finally:
            del self._responses[key]
            if gone is not None:
                gone.cancel()
            if not answered.done():
                self._service.request_cancelled(key, _now())
                self._pump()

    # WebSockets

    async def _serve_websocket(self, request: HTTPRequest, receive: Receive, send: Send) -> None:
        await receive()  # that it wishes to connect
        key = object()
        refusal = self._service.accept_websocket(key, request, _now())
        if refusal is not None:
            await _send_response(send, "websocket.http", refusal)
            return
        websocket = self._websockets[key] = _WebSocket()
        writer = None
        try:
            await send({"type": "websocket.accept"})
            writer = asyncio.ensure_future(self._write(key, websocket, send))
            self._pump()
            while (message := await receive())["type"] == "websocket.receive":
                if (text := message.get("text")) is not None:
                    self._service.receive_message(key, text, _now())
                    self._pump()
        finally:
            del self._websockets[key]
            if writer is not None:
                writer.cancel()
            self._service.websocket_closed(key, _now())
            self._pump()

    async def _write(self, key: object, websocket: _WebSocket, send: Send) -> None:
        try:
            while not websocket.is_ended:
                await websocket.called.wait()
                websocket.called.clear()
                for message in self._service.messages_to_send(key, _now()):
                    await send({"type": "websocket.send", "text": message})
                self._pump()
            await send({"type": "websocket.close", "code": _NORMAL_CLOSURE})
        except OSError:
            pass  # the client has gone, as the reader hears, too

    # What the service says

    def _pump(self) -> None:
        while (event := self._service.next_event()) is not None:
            self._on_event(event)
        self._execution.start()
        self._set_timer()

    def _on_event(self, event: ServiceEvent) -> None:
        match event:
            case ResponseReady(key, response):
                if (answered := self._responses.get(key)) is not None:
                    answered.set_result(response)
            case MessagesReady(key):
                if (websocket := self._websockets.get(key)) is not None:
                    websocket.called.set()
            case WebSocketEnded(key):
                if (websocket := self._websockets.get(key)) is not None:
                    websocket.is_ended = True
                    websocket.called.set()
            case Execute():
                self._execution.add(event)
            case SessionBegan() | SessionEnded() | Answered() | StoreFailed():
                log_event(event)
            case Stopped():
                self._stopped.set()

    def _executed(self, outcomes: list[tuple[int, object]]) -> None:
        self._service.executed(outcomes, _now())
        self._pump()

    def _set_timer(self) -> None:
        deadline = self._service.next_deadline()
        if deadline is None:
            return
        if self._timer is not None:
            if not self._timer.cancelled() and self._timer.when() <= deadline:
                return  # it comes too early, does nothing, and is set again
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._handle_timeout)

    def _handle_timeout(self) -> None:
        self._timer = None
        self._service.handle_timeout(_now())
        self._pump()


class _WebSocket:
    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.is_ended = False


def _request(scope: Scope, method: str, body: bytes = b"") -> HTTPRequest:
    # Engine.IO's targets and headers are ASCII; what is not finds no connection.
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += f"?{scope['query_string'].decode('latin-1')}"
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    return HTTPRequest(method, target, headers, body)


async def _send_response(send: Send, kind: str, response: HTTPResponse) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    await send({"type": f"{kind}.response.start", "status": response.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": response.body})


def _now() -> Instant:
    return Instant(time.monotonic(), time.time())
