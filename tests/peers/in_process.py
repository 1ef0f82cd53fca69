"""A DCP service of our own, in the test process: our Server and Target under ASGI on uvicorn."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from typing import Unpack

from cg_core.framing import (
    Closed,
    ConnectionEvent,
    HTTPRequest,
    HTTPResponse,
    Limits,
    MessagesReady,
    Opened,
    ResponseReady,
    Server,
    ServerEvent,
    TextReceived,
    WebSocketEnded,
)
from cg_core.session import Transport
from tests.peers.asgi import SOCKETIO, ASGIPeer, Message, Receive, Send, serving
from tests.peers.service import Answer, Options, Service, Timer, random_text


def in_process(
    answer: Answer,
    *,
    path: str = "/",
    port: int = 0,
    limits: Limits | None = None,
    ping_interval: float = 10.1,
    ping_timeout: float = 60.01,
    **options: Unpack[Options],
) -> AbstractContextManager[InProcess]:
    """A service that is up within a `with`.

    Args:
        answer: what it answers.
        path: its path, with a slash at both ends.
        port: where it listens; 0 for any port that is free.
        limits: the caps of the framing.
        ping_interval: seconds between its pings.
        ping_timeout: seconds in which a ping must be answered.
        options: see `Options`.
    """
    peer = InProcess(answer, path, limits or Limits(), ping_interval, ping_timeout, **options)
    return serving(peer, port)


class InProcess(ASGIPeer):
    """Serves polling, WebSockets, and the upgrade from the one to the other.

    Attributes:
        requests: all requests, those for WebSockets included, in order.
        refuse_websockets: the HTTP status with which WebSockets are refused, polling being served:
            400 as behind a proxy that drops the header Upgrade, 403, 404, ...
        instead: the answer to everything, as of something that is no DCP service.
    """

    def __init__(
        self,
        answer: Answer,
        path: str,
        limits: Limits,
        ping_interval: float,
        ping_timeout: float,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(path)
        self.requests: list[HTTPRequest] = []
        self.refuse_websockets: int | None = None
        self.instead: HTTPResponse | None = None
        self.service = Service(answer, self._send_text, self._drop, **options)
        self._framing = Server(
            random_text, limits, ping_interval=ping_interval, ping_timeout=ping_timeout
        )
        self._timer = Timer(self._handle_timeout)
        self._responses: dict[object, asyncio.Future[HTTPResponse]] = {}
        self._websockets: dict[object, _WebSocket] = {}

    async def _end(self) -> None:
        await super()._end()
        self._timer.set(None)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        target = scope["raw_path"].decode()
        if scope["query_string"]:
            target += f"?{scope['query_string'].decode()}"
        headers = tuple((name.decode(), value.decode()) for name, value in scope["headers"])
        if scope["type"] == "websocket":
            await receive()  # that it wishes to connect
            request = HTTPRequest("GET", target, headers)
            self.requests.append(request)
            await self._serve_websocket(request, receive, send)
        elif (body := await _whole_body(receive)) is not None:
            request = HTTPRequest(scope["method"], target, headers, body)
            self.requests.append(request)
            if (response := await self._respond(request, receive)) is not None:
                await _send_response(send, "http", response)

    def _refusal(self, request: HTTPRequest) -> HTTPResponse | None:
        if self.instead is not None:
            return self.instead
        here = request.target.partition("?")[0] == f"{self.path}{SOCKETIO}/"
        return None if here else HTTPResponse(404)

    async def _respond(self, request: HTTPRequest, receive: Receive) -> HTTPResponse | None:
        # None where the client went away before there was an answer.
        if (refusal := self._refusal(request)) is not None:
            return refusal
        key = object()
        answered: asyncio.Future[HTTPResponse] = asyncio.get_running_loop().create_future()
        self._responses[key] = answered
        self._framing.receive_request(key, request, _now())
        self._pump()
        # What can still come from the client is that it goes away.
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                return answered.result()
            self._framing.request_cancelled(key)
            self._pump()
            return None
        finally:
            gone.cancel()
            del self._responses[key]

    async def _serve_websocket(self, request: HTTPRequest, receive: Receive, send: Send) -> None:
        key = object()
        refusal = self._refusal(request)
        if refusal is None and self.refuse_websockets is not None:
            refusal = HTTPResponse(self.refuse_websockets)
        if refusal is None:
            refusal = self._framing.accept_websocket(key, request, _now())
        if refusal is not None:
            await _send_response(send, "websocket.http", refusal)
            return
        websocket = self._websockets[key] = _WebSocket()
        writer: asyncio.Task[None] | None = None
        try:
            await send({"type": "websocket.accept"})
            writer = asyncio.ensure_future(self._write(key, websocket, send))
            self._pump()
            while (message := await receive())["type"] == "websocket.receive":
                if (text := message.get("text")) is not None:
                    self._framing.receive_message(key, text, _now())
                    self._pump()
        finally:
            if writer is not None:
                writer.cancel()
            del self._websockets[key]
            self._framing.websocket_closed(key)
            self._pump()

    async def _write(self, key: object, websocket: _WebSocket, send: Send) -> None:
        try:
            while not websocket.is_ended:
                await websocket.called.wait()
                websocket.called.clear()
                for message in self._framing.messages_to_send(key):
                    await send({"type": "websocket.send", "text": message})
                self._pump()
            await send({"type": "websocket.close"})
        except OSError:
            pass  # the client has gone, as the reader hears, too

    def _pump(self) -> None:
        while (event := self._framing.next_event()) is not None:
            self._on_event(event)
        self._timer.set(self._framing.next_deadline())

    def _on_event(self, event: ServerEvent) -> None:
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
            case ConnectionEvent(sid, Opened()):
                self.service.transport_opened(sid)
            case ConnectionEvent(sid, TextReceived(text)):
                self.service.receive(sid, text)
            case ConnectionEvent(sid, Closed()):
                self.service.transport_lost(sid)

    def _handle_timeout(self) -> None:
        self._framing.handle_timeout(_now())
        self._pump()

    # What the sessions say

    def _send_text(self, transport: Transport, text: str) -> None:
        self._framing.send(str(transport), text)
        self._soon()

    def _drop(self, transport: Transport) -> None:
        self._framing.close(str(transport), _now())
        self._soon()

    def _soon(self) -> None:
        # Sessions speak while their events are moved, or by themselves; the latter needs this.
        self._timer.set(_now())


class _WebSocket:
    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.is_ended = False


async def _whole_body(receive: Receive) -> bytes | None:
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)
    return None  # the client has gone


async def _send_response(send: Send, kind: str, response: HTTPResponse) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": f"{kind}.response.start", "status": response.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": response.body})


def _now() -> float:
    return time.monotonic()
