"""What clients do to the sockets of a service, and that it is there for the others throughout."""

from __future__ import annotations

import asyncio
import gc
import logging
import queue
import select
import socket
import ssl
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st

from cg_backends.service.asgi import Message, Receive, Scope, Send, whole_body
from cg_backends.service.http_server import HTTPServer
from cg_backends.service.listening import listen
from cg_backends.service.protocols import SPARE_CONNECTIONS
from cg_backends.service.socket_limits import SocketLimits
from tests.backends.leftovers import nothing_left

HUNG = 30  # seconds after which a test that waits has failed
SOON = 0.2  # of a limit, seconds
LARGE = 1_000_000  # more than the buffers of the server's socket and a small one
SECRET = "s3cret-sid"

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
UPGRADE = (
    b"GET /echo?sid=" + SECRET.encode() + b" HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def post(body: bytes, path: str = "/", *, length: int | None = None, more: str = "") -> bytes:
    declared = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {declared}\r\n{more}\r\n"
    return head.encode() + body


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """A client's frame, by default of a whole text message; the mask is 0."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = bytes([0x80 | 126]) + size.to_bytes(2)
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8)
    return bytes([first]) + length + bytes(4) + payload


SAYINGS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([GET, GET[:-2], UPGRADE, post(b"body"), post(b"", length=10), b"\r\n"]),
    st.builds(frame, st.binary(max_size=200), st.integers(0, 255)),
)


class Application:
    """Echoes bodies and messages; other paths do what their names say.

    Attributes:
        seen: what became of requests, in order.
        largest_piece: of a body, in bytes.
    """

    def __init__(self) -> None:
        self.seen: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.largest_piece = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"][1:]
        if scope["type"] == "websocket":
            await self._serve_websocket(path, receive, send)
            return
        if path == "fail":
            raise ValueError(SECRET)
        body = b"early" if path == "early" else await whole_body(self._measured(receive))
        if body is None:
            self.seen.put("no body")
        elif path in {"poll", "cling"}:
            self.seen.put("polls")
            await self._poll(path, receive)
        elif path == "slow":
            self.seen.put("runs")
            await self._until_no_more_come(scope["server"][1])
            await self._respond(send, b"done")
        else:
            await self._respond(send, bytes(LARGE) if path == "large" else body)
            if path in {"large", "note"}:
                await receive()
                self.seen.put("over")

    def _measured(self, receive: Receive) -> Receive:
        async def measured() -> Message:
            message = await receive()
            self.largest_piece = max(self.largest_piece, len(message.get("body", b"")))
            return message

        return measured

    async def _poll(self, path: str, receive: Receive) -> None:
        await receive()
        if path == "cling":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.seen.put("clings")
            await asyncio.Event().wait()
        self.seen.put("over")

    async def _until_no_more_come(self, port: int) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.transport.abort()
            await asyncio.sleep(0)

    async def _respond(self, send: Send, body: bytes) -> None:
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _serve_websocket(self, path: str, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if path == "flood":
            with suppress(OSError):
                while True:
                    await send({"type": "websocket.send", "text": "x" * 1_000_000})
        while (message := await receive())["type"] == "websocket.receive":
            if path == "fail":
                raise ValueError(message["text"])
            if path == "note":
                self.seen.put(message["text"])
                continue
            await send({"type": "websocket.send", "text": message["text"]})
        self.seen.put("over")


class Peer:
    """A client, at the level of its socket."""

    def __init__(self, port: int, *, small: bool = False) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(HUNG)
        if small:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._socket.connect(("127.0.0.1", port))
        self._read = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next response."""
        head = self._until(b"\r\n\r\n").decode()
        first, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        body = self._exactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    def status(self) -> int:
        return self.response()[0]

    def upgraded(self, path: str = "echo") -> Peer:
        self.send(UPGRADE.replace(b"echo", path.encode()))
        assert self.status() == 101
        return self

    def message(self) -> tuple[int, bytes]:
        """The opcode and the payload of the next frame."""
        first, size = self._exactly(2)
        if size == 126:
            size = int.from_bytes(self._exactly(2))
        elif size == 127:
            size = int.from_bytes(self._exactly(8))
        return first & 0x0F, self._exactly(size)

    def close_code(self) -> int:
        """The code of the next frame, which is to be a close frame."""
        opcode, payload = self.message()
        assert opcode == 8
        return int.from_bytes(payload[:2])

    def rest(self) -> bytes:
        """All that comes until the connection ends."""
        with suppress(ConnectionError):
            while data := self._socket.recv(65_536):
                self._read += data
        rest, self._read = self._read, b""
        return rest

    def drip(self, piece: bytes = b"x") -> None:
        """Send a piece, and again, until the server says or does something."""
        for _ in range(100 * HUNG):
            if select.select([self._socket], [], [], 0.01)[0]:
                return
            self.send(piece)
        pytest.fail("it goes on for ever")

    def pour(self, piece: bytes) -> None:
        """Send all the time, and read nothing, until the connection ends."""
        with suppress(ConnectionError):
            while True:
                self.send(piece)

    def takes(self, size: int) -> None:
        """Have so many bytes, or more, of what comes next."""
        while len(self._read) < size:
            self._receive()

    def close(self) -> None:
        self._socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._read:
            self._receive()
        found, _, self._read = self._read.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        self.takes(size)
        found, self._read = self._read[:size], self._read[size:]
        return found

    def _receive(self) -> None:
        data = self._socket.recv(65_536)
        assert data, "it has ended"
        self._read += data


class Serving:
    """A server that is up, in a thread of its own."""

    def __init__(self, portal: BlockingPortal, limits: SocketLimits) -> None:
        self.application = Application()
        self.server = HTTPServer(self.application, limits)
        listener = listen("127.0.0.1", 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        self.port: int = listener.getsockname()[1]
        self.faults: list[dict[str, Any]] = []
        self._portal = portal
        self._peers: list[Peer] = []
        portal.call(self._start, listener)

    def peer(self, *, small: bool = False) -> Peer:
        peer = Peer(self.port, small=small)
        self._peers.append(peer)
        return peer

    def stop(self, grace: float) -> None:
        self._portal.call(self.server.stop, grace)

    def stopping(self, grace: float) -> Future[None]:
        return self._portal.start_task_soon(self.server.stop, grace)

    def comes_to(self, connections: int) -> None:
        """Wait until so many are open."""
        give_up = time.monotonic() + HUNG
        while self._portal.call(self._connections) != connections:
            assert time.monotonic() < give_up

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
        self.stop(0)

    def let_time_pass(self) -> None:
        """As much as `head_time`."""
        with closing(Peer(self.port)) as silent:
            assert silent.rest() == b""

    def serves(self) -> bool:
        """Whether somebody honest is served."""
        with closing(Peer(self.port)) as peer:
            peer.send(GET)
            return peer.status() == 200

    async def _start(self, listener: socket.socket) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: self.faults.append(fault))
        await self.server.start(listener)

    async def _connections(self) -> int:
        return self.server.connections


@contextmanager
def serving(*, connections: int = 500, **limits: Any) -> Iterator[Serving]:
    """A server in whose event loop nothing goes wrong, and of which nothing is left."""
    with nothing_left(), start_blocking_portal() as portal:
        up = Serving(portal, SocketLimits(connections=connections, **limits))
        try:
            yield up
        finally:
            up.close()
        assert not up.faults, up.faults
        assert up.server._connections.unfinished == 0


def test_requests_and_websockets_are_served() -> None:
    with serving() as up:
        http, websocket = up.peer(), up.peer().upgraded()
        for text in (b"first", b"second"):
            http.send(post(text))
            assert http.response() == (200, {"content-length": str(len(text))}, text)
            websocket.send(frame(text))
            assert websocket.message() == (1, text)


def test_requests_that_come_at_once_are_answered_in_order() -> None:
    with serving() as up:
        peer = up.peer()
        peer.send(b"".join(post(b"%d" % number) for number in range(1_000)))
        assert [peer.response()[2] for _ in range(1_000)] == [b"%d" % n for n in range(1_000)]


def test_largest_body_and_message_pass() -> None:
    largest = bytes(range(97, 123)) * 40_000
    with serving(body_size=len(largest), message_size=len(largest)) as up:
        http, websocket = up.peer(), up.peer().upgraded()
        http.send(post(largest))
        websocket.send(frame(largest))
        assert http.response()[2] == largest
        assert up.application.largest_piece <= 65_536 + 16_384  # what is held, and a read
        assert websocket.message() == (1, largest)


def test_nagles_delay_is_off() -> None:
    with serving() as up:
        up.peer().upgraded()
        (connection,) = up.server._connections.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# Clients that let us wait


def test_silent_connection_is_closed() -> None:
    with serving(head_time=SOON) as up:
        assert up.peer().rest() == b""


def test_slow_head_is_refused() -> None:
    with serving(head_time=SOON) as up:
        peer = up.peer()
        peer.send(b"GET / HTTP/1.1\r\nHost: ")
        peer.drip()
        assert peer.status() == 408


def test_slow_head_of_a_later_request_is_refused() -> None:
    with serving(head_time=SOON) as up:
        peer = up.peer()
        peer.send(GET)
        assert peer.status() == 200
        peer.drip()
        assert peer.status() == 408


def test_half_a_websocket_handshake_is_refused() -> None:
    with serving(head_time=SOON) as up:
        peer = up.peer()
        peer.send(UPGRADE[:-2])
        assert peer.status() == 408


def test_slow_body_is_refused_and_no_longer_waited_for() -> None:
    with serving(body_time=SOON, refusal_time=2 * HUNG) as up:
        peer = up.peer()
        peer.send(post(b"", length=1_000_000))
        peer.drip()
        assert peer.status() == 408
        assert up.application.seen.get(timeout=HUNG) == "no body"


def test_slow_body_of_a_request_that_has_its_answer_ends_the_connection() -> None:
    with serving(body_time=SOON) as up:
        peer = up.peer()
        peer.send(post(b"", "/early", length=1_000_000))
        assert peer.status() == 200
        with suppress(ConnectionError):
            peer.drip()
        assert peer.rest() == b""


def test_idle_connection_is_closed() -> None:
    with serving(keep_alive_time=SOON) as up:
        peer = up.peer()
        peer.send(GET)
        assert peer.status() == 200
        assert peer.rest() == b""


def test_idle_connection_is_closed_after_a_body_that_nobody_read() -> None:
    with serving(keep_alive_time=SOON) as up:
        peer = up.peer()
        peer.send(post(b"", "/early", length=1))
        assert peer.status() == 200
        peer.send(b"x")
        assert peer.rest() == b""


def test_long_poll_is_waited_for() -> None:
    with serving(head_time=SOON, body_time=SOON, keep_alive_time=SOON, write_time=SOON) as up:
        peer = up.peer()
        peer.send(post(b"", "/poll"))
        assert up.application.seen.get(timeout=HUNG) == "polls"
        up.let_time_pass()
        assert up.application.seen.empty()
        peer.close()
        assert up.application.seen.get(timeout=HUNG) == "over"


def test_last_of_pings_is_answered() -> None:
    with serving() as up:
        peer = up.peer().upgraded()
        peer.send(frame(b"first", first=0x89) + frame(b"last", first=0x89) + frame(b"x"))
        assert peer.message() == (0x0A, b"last")
        assert peer.message() == (1, b"x")


def test_ping_before_the_end_is_not_answered() -> None:
    with serving() as up:
        peer = up.peer().upgraded()
        peer.send(frame(b"last", first=0x89) + frame(b"\x03\xe8", first=0x88))
        assert peer.close_code() == 1000


# Clients that do not read


def test_response_that_nobody_reads_is_given_up() -> None:
    with serving(write_time=SOON) as up:
        up.peer(small=True).send(post(b"", "/large"))
        assert up.application.seen.get(timeout=HUNG) == "over"
        up.comes_to(0)


def test_last_response_that_nobody_reads_is_given_up() -> None:
    with serving(write_time=SOON) as up:
        up.peer(small=True).send(post(bytes(60_000), "/note", more="Connection: close\r\n"))
        assert up.application.seen.get(timeout=HUNG) == "over"
        up.comes_to(0)


def test_response_that_is_read_slowly_is_sent_whole() -> None:
    with serving(write_time=5 * SOON, head_time=SOON) as up:
        peer = up.peer(small=True)
        peer.send(post(b"", "/large"))
        for tenth in range(1, 9):
            peer.takes(tenth * LARGE // 10)
            up.let_time_pass()
        assert len(peer.response()[2]) == LARGE


def test_messages_that_nobody_reads_are_given_up() -> None:
    with serving(write_time=SOON) as up:
        up.peer(small=True).upgraded("flood")
        assert up.application.seen.get(timeout=HUNG) == "over"


def test_pongs_that_nobody_reads_are_given_up() -> None:
    with serving(write_time=SOON) as up:
        peer = up.peer(small=True).upgraded()
        peer.pour(frame(bytes(125), first=0x89) * 500)
        assert up.application.seen.get(timeout=HUNG) == "over"


def test_pongs_that_nobody_reads_are_not_piled_up() -> None:
    with serving() as up:
        peer = up.peer(small=True).upgraded("note")
        peer.send(frame(bytes(125), first=0x89) * 20_000 + frame(b"all"))
        assert up.application.seen.get(timeout=HUNG) == "all"
        (connection,) = up.server._connections.connections
        assert connection.transport.get_write_buffer_size() < 1_000


def test_websocket_after_a_response_that_nobody_reads_is_given_up() -> None:
    with serving(write_time=SOON) as up:
        up.peer(small=True).send(post(b"", "/large") + UPGRADE)
        assert up.application.seen.get(timeout=HUNG) == "over"
        up.comes_to(0)


def test_websocket_after_a_response_that_is_read_late_goes_on() -> None:
    with serving(write_time=SOON, head_time=5 * SOON) as up:
        peer = up.peer(small=True)
        peer.send(post(b"", "/large") + UPGRADE)
        assert len(peer.response()[2]) == LARGE
        assert peer.status() == 101
        up.let_time_pass()
        peer.send(frame(b"x"))
        assert peer.message() == (1, b"x")


# Clients that send too much


def test_endless_head_is_refused() -> None:
    with serving(head_size=1_000) as up:
        peer = up.peer()
        peer.send(b"GET / HTTP/1.1\r\nCookie: " + bytes(2_000).replace(b"\0", b"x"))
        assert peer.status() == 431


def test_large_body_is_refused_before_it_comes() -> None:
    with serving(body_size=1_000) as up:
        peer = up.peer()
        peer.send(post(b"", length=1_001))
        assert peer.status() == 413


def test_refusal_is_heard_by_who_sends_first_and_reads_then() -> None:
    with serving(body_size=1_000) as up:
        peer = up.peer()
        peer.send(post(bytes(LARGE)))
        assert peer.status() == 413


def test_refused_client_that_goes_on_is_cut_off() -> None:
    with serving(body_size=1_000, refusal_time=SOON) as up:
        peer = up.peer()
        peer.send(post(b"", length=1_001))
        peer.pour(bytes(1_000))
        up.comes_to(0)


def test_body_of_unknown_size_is_refused() -> None:
    with serving() as up:
        peer = up.peer()
        peer.send(GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        assert peer.status() == 411


@pytest.mark.parametrize(
    "frames",
    [frame(bytes(1_001)), frame(bytes(600), first=0x01) + frame(bytes(600), first=0x00)],
    ids=["in one frame", "in fragments"],
)
def test_large_message_is_refused(frames: bytes) -> None:
    with serving(message_size=1_000) as up:
        peer = up.peer().upgraded()
        peer.send(frames)
        assert peer.close_code() == 1009
        assert up.application.seen.get(timeout=HUNG) == "over"


def test_who_holds_most_of_what_is_unfinished_goes_first() -> None:
    with serving(unfinished_size=100_000, refusal_time=SOON) as up:
        small, large, larger = up.peer(), up.peer(), up.peer()
        small.send(post(b"x" * 10_000, length=10_001))
        large.send(post(bytes(35_000), length=75_001))
        larger.send(post(bytes(60_000), length=1_000_000))
        status, headers, _ = larger.response()
        assert (status, headers["retry-after"]) == (503, "10")
        large.send(bytes(40_000))
        small.send(b"x")
        assert small.response()[2] == b"x" * 10_001
        large.send(b"x")
        assert len(large.response()[2]) == 75_001
        assert larger.rest() == b""


def test_unfinished_messages_count_likewise() -> None:
    with serving(unfinished_size=100_000) as up:
        small, large = up.peer().upgraded(), up.peer().upgraded()
        small.send(frame(b"x" * 10_000, first=0x01))
        large.send(frame(b"x" * 100_000, first=0x01))
        assert large.rest() == b""
        small.send(frame(b"x", first=0x80))
        assert small.message() == (1, b"x" * 10_001)


def test_nothing_is_kept_of_who_has_gone() -> None:
    with serving() as up:
        silent, idle, sending, websocket = up.peer(), up.peer(), up.peer(), up.peer().upgraded()
        reading = up.peer(small=True)
        idle.send(GET)
        assert idle.status() == 200
        sending.send(post(b"", length=10_000))
        reading.send(post(b"", "/large"))
        assert up.application.seen.get(timeout=HUNG) == "over"
        peers = [silent, idle, sending, websocket, reading]
        up.comes_to(len(peers))
        kept = [weakref.ref(each) for each in up.server._connections.connections]
        for peer in peers:
            peer.close()
        up.comes_to(0)
        gc.collect()
        assert [each() for each in kept] == [None] * len(peers)


# Clients that speak otherwise


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\0\1\2\3" * 10, 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (GET[:-2] + b"Content-Length: x\r\n\r\n", 400),
        (GET[:-2] + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (GET[:-2] + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"CONNECT there:25 HTTP/1.1\r\nHost: there:25\r\n\r\n", 501),
        (UPGRADE.replace(b"Key:", b"Clef:"), 400),
        (UPGRADE.replace(b"Version: 13", b"Version: 12"), 426),
        (UPGRADE.replace(b"GET", b"PUT"), 400),
    ],
)
def test_what_is_no_request_is_refused(said: bytes, status: int) -> None:
    with serving() as up:
        peer = up.peer()
        peer.send(said)
        assert peer.status() == status
        assert up.serves()


def test_tls_is_refused() -> None:
    with serving() as up:
        context = ssl.create_default_context()
        plain = socket.create_connection(("127.0.0.1", up.port), HUNG)
        with plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="here")
        assert up.serves()


@pytest.mark.parametrize(
    "frames",
    [
        frame(b"\xff"),
        frame(b"x", first=0xF1),
        frame(b"x", first=0x83),
        frame(b"x", first=0x80),
        frame(bytes(126), first=0x89),
        b"\x81\x01x",
    ],
    ids=["no UTF-8", "reserved bits", "unknown", "continues nothing", "long ping", "no mask"],
)
def test_what_is_no_frame_ends_the_websocket(frames: bytes) -> None:
    with serving() as up:
        peer = up.peer().upgraded()
        peer.send(frames)
        assert peer.rest() == b""
        assert up.application.seen.get(timeout=HUNG) == "over"


def test_whatever_is_said_hurts_nobody() -> None:
    with serving() as up:

        @given(st.lists(SAYINGS, max_size=8))
        def say(said: list[bytes]) -> None:
            with closing(Peer(up.port)) as peer, suppress(ConnectionError):
                for each in said:
                    peer.send(each)
            assert up.serves()
            assert not up.faults

        say()


# Many clients


def test_beyond_the_cap_clients_are_told_to_come_again() -> None:
    with serving(connections=2) as up:
        first, second = up.peer().upgraded(), up.peer()
        second.send(GET)
        assert second.status() == 200
        third = up.peer()
        third.send(GET)
        status, headers, _ = third.response()
        assert (status, headers["retry-after"]) == (503, "10")
        first.close()
        third.close()
        up.comes_to(1)
        assert up.serves()


def test_far_beyond_the_cap_they_are_closed_without_a_word() -> None:
    with serving(connections=1, refusal_time=HUNG) as up:
        peers = [up.peer() for _ in range(1 + SPARE_CONNECTIONS)]
        up.comes_to(len(peers))
        assert up.peer().rest() == b""
        assert peers[-1].status() == 503


def test_others_are_served_meanwhile() -> None:
    a_while = 5 * SOON
    with serving(
        head_time=a_while,
        body_time=a_while,
        keep_alive_time=a_while,
        write_time=a_while,
        refusal_time=a_while,
    ) as up:
        honest, websocket = up.peer(), up.peer().upgraded()
        hostile: list[tuple[bytes, ...]] = [
            (),
            (GET[:-2],),
            (post(b"", length=1_000),),
            (post(b"", "/large"),),
            (UPGRADE[:-2],),
            (UPGRADE, frame(b"x", first=0x01)),
            (b"\0" * 100,),
        ]
        for said in 20 * hostile:
            peer = up.peer(small=True)
            for each in said:
                peer.send(each)
            honest.send(post(b"x"))
            websocket.send(frame(b"x"))
            assert honest.response()[2] == b"x"
            assert websocket.message() == (1, b"x")
        # Only the WebSockets are left: of those the framing knows which have died.
        up.comes_to(1 + 20)
        websocket.send(frame(b"x"))
        assert websocket.message() == (1, b"x")
        assert up.serves()


# The end


def test_stopping_ends_what_is_pending() -> None:
    with serving() as up:
        poll, websocket, idle = up.peer(), up.peer().upgraded(), up.peer()
        poll.send(post(b"", "/poll"))
        assert up.application.seen.get(timeout=HUNG) == "polls"
        idle.send(GET)
        assert idle.status() == 200
        up.stop(SOON)
        assert [poll.rest(), websocket.rest(), idle.rest()] == [b""] * 3
        assert {up.application.seen.get(timeout=HUNG) for _ in range(2)} == {"over"}
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", up.port), HUNG)


def test_stopping_lets_end_what_ends() -> None:
    with serving() as up:
        slow, websocket = up.peer(), up.peer().upgraded()
        slow.send(post(b"", "/slow"))
        assert up.application.seen.get(timeout=HUNG) == "runs"
        stopping = up.stopping(HUNG)
        assert slow.response()[2] == b"done"
        assert slow.rest() == b""
        websocket.send(frame(b"x"))
        assert websocket.message() == (1, b"x")
        websocket.send(frame(b"\x03\xe8", first=0x88))
        assert websocket.close_code() == 1000
        websocket.close()
        stopping.result(HUNG)


def test_stopping_lets_be_read_what_was_answered() -> None:
    with serving() as up:
        peer = up.peer(small=True)
        peer.send(post(bytes(60_000), "/note"))
        assert up.application.seen.get(timeout=HUNG) == "over"
        stopping = up.stopping(2 * HUNG)
        assert len(peer.response()[2]) == 60_000
        stopping.result(HUNG)


def test_stopping_does_not_wait_for_who_clings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cg_backends.service.http_server._ENDING_TIME", SOON)
    with serving() as up:
        up.peer().send(post(b"", "/cling"))
        assert up.application.seen.get(timeout=HUNG) == "polls"
        up.stop(0)
        assert up.application.seen.get(timeout=HUNG) == "clings"


def test_stopping_twice_or_never_started_is_nothing() -> None:
    async def stop_only() -> None:
        await HTTPServer(Application()).stop(0)

    asyncio.run(stop_only())
    with serving() as up:
        up.stop(0)
        up.stop(0)


# What is written down


def test_log_has_no_data(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    with serving() as up:
        websocket = up.peer().upgraded()
        websocket.send(frame(SECRET.encode()))
        assert websocket.message() == (1, SECRET.encode())
        for said in (post(SECRET.encode(), f"/{SECRET}"), SECRET.encode() + b"\r\n\r\n"):
            peer = up.peer()
            peer.send(said)
            assert peer.status() in {200, 400}
        up.stop(SOON)
    assert SECRET not in caplog.text
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_failure_of_the_application_is_logged_without_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(1)
    with serving() as up:
        peer, websocket = up.peer(), up.peer().upgraded("fail")
        peer.send(post(b"", "/fail"))
        assert peer.status() == 500
        websocket.send(frame(SECRET.encode()))
        assert websocket.rest() == b""
        assert up.serves()
    assert SECRET not in caplog.text
    failures = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each.name for each in failures] == ["cg.service"] * 2
    assert all("ValueError" in each.getMessage() for each in failures)
    assert all("__call__" in each.getMessage() for each in failures)
