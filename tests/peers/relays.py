"""What may stand between a client and a service: TLS, and an HTTP proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import h11
from anyio.from_thread import start_blocking_portal

from tests.peers.listening import stop_accepting

CHUNK = 65_536


@contextmanager
def tls(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """TLS in front of a port of this machine; gives the port where it listens."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _both_ways(reader, writer, *await asyncio.open_connection("127.0.0.1", port))

    with _listening(relay, context) as here:
        yield here


@contextmanager
def http_proxy(seen: list[str]) -> Iterator[str]:
    """An HTTP proxy that passes no WebSocket through but in a tunnel; gives its URL.

    Args:
        seen: takes the method and target of each request.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = h11.Connection(h11.SERVER)
        while not isinstance(request := head.next_event(), h11.Request):
            head.receive_data(await reader.read(CHUNK))
        method, target = request.method.decode(), request.target.decode()
        seen.append(f"{method} {target}")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            far = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await _both_ways(reader, writer, *far)
            return
        host, _, path = target.removeprefix("http://").partition("/")
        name, _, port = host.partition(":")
        far_reader, far_writer = await asyncio.open_connection(name, int(port or 80))
        # What concerns this hop alone, the wish for a WebSocket among it, goes no further.
        hop = {b"connection", b"upgrade", b"proxy-connection", b"keep-alive"}
        headers = [each for each in request.headers if each[0] not in hop]
        lines = [f"{method} /{path} HTTP/1.1".encode(), *(b": ".join(each) for each in headers)]
        far_writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        while not isinstance(data := head.next_event(), h11.EndOfMessage):
            if isinstance(data, h11.Data):
                far_writer.write(bytes(data.data))
            else:
                head.receive_data(await reader.read(CHUNK))
        try:
            await _one_way(far_reader, writer)
        finally:
            await _end(far_writer)

    with _listening(serve) as here:
        yield f"http://127.0.0.1:{here}"


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def _listening(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # it is one
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.CancelledError, h11.RemoteProtocolError):
            pass  # one of the two ends has gone
        finally:
            await _end(writer)
            tasks.discard(task)

    async def start() -> asyncio.Server:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        return await asyncio.start_server(served, sock=listener, ssl=context)

    async def stop() -> None:
        await stop_accepting(server)
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with start_blocking_portal() as portal:
        server = portal.call(start)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            portal.call(stop)


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    ways = [
        asyncio.ensure_future(_one_way(reader, far_writer)),
        asyncio.ensure_future(_one_way(far_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await _end(far_writer)


async def _one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def _end(writer: asyncio.StreamWriter) -> None:
    # What was written arrives; nobody waits for TLS to say goodbye.
    with suppress(OSError):
        await writer.drain()
    writer.transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)  # its end comes in one of the loop's next rounds
