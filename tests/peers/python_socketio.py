"""A DCP service over python-socketio: an Engine.IO and a Socket.IO that are not ours."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Any, Unpack

import socketio

from tests.peers.asgi import SOCKETIO, ASGIPeer, Message, Receive, Send, serving
from tests.peers.service import Answer, Options, SocketService


def python_socketio(
    answer: Answer,
    *,
    path: str = "/",
    port: int = 0,
    transports: tuple[str, ...] = ("polling", "websocket"),
    **options: Unpack[Options],
) -> AbstractContextManager[PythonSocketIO]:
    """A service that is up within a `with`.

    Args:
        answer: what it answers.
        path: its path, with a slash at both ends.
        port: where it listens; 0 for any port that is free.
        transports: those that it serves.
        options: see `Options`.
    """
    return serving(PythonSocketIO(answer, path, transports, **options), port)


class PythonSocketIO(ASGIPeer):
    """Serves what python-socketio serves; what comes by its events "message" goes to the sessions.

    Attributes:
        transports: by which transport each socket came, in order.
    """

    def __init__(
        self, answer: Answer, path: str, transports: tuple[str, ...], **options: Unpack[Options]
    ) -> None:
        super().__init__(path)
        self.transports: list[str] = []
        self._sockets = SocketService(answer, self._emit, self._disconnect, **options)
        self.service = self._sockets.service
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_send: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self._socketio = socketio.AsyncServer(
            async_mode="asgi",
            always_connect=True,  # DCP's announcement is sent as soon as there is a connection
            async_handlers=False,  # or events would overtake each other
            monitor_clients=False,  # it leaves a task behind, and our clients need no watching
            max_http_buffer_size=4_000_000,
            transports=list(transports),
        )
        self._socketio.on("connect", self._on_connect)
        self._socketio.on("message", self._on_message)
        self._socketio.on("disconnect", self._on_disconnect)
        self._asgi = socketio.ASGIApp(self._socketio, socketio_path=f"{path}{SOCKETIO}")

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        if not self._tasks:
            self._start_task(self._send_all())
        await self._asgi(scope, receive, send)

    def _on_connect(self, sid: str, environ: dict[str, Any]) -> None:
        self.transports.append(self._socketio.transport(sid))
        self._sockets.connected(sid)

    def _on_message(self, sid: str, string: str) -> None:
        self._sockets.receive(sid, string)

    def _on_disconnect(self, sid: str, reason: str) -> None:
        self._sockets.disconnected(sid)

    def _emit(self, sid: str, string: str) -> None:
        self._to_send.put_nowait((sid, string))

    def _disconnect(self, sid: str) -> None:
        self._to_send.put_nowait((sid, None))

    async def _send_all(self) -> None:
        # One after the other, in order: to emit is to put into a queue there.
        while True:
            sid, string = await self._to_send.get()
            if string is None:
                # It waits for the client to take all that was sent.
                self._start_task(self._socketio.disconnect(sid))
            else:
                await self._socketio.emit("message", string, to=sid)

    def _start_task(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
