"""Servers that mean harm: whatever they say, and however much, a call ends, in time and as told."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final

import pytest

from cg_backends.conformance import ALICE
from cg_backends.http import CHUNK
from cg_backends.sync import _Socket
from cg_backends.websocket import WebSocketFrames
from cg_core import ComputeGroupsError, NetworkError, ProtocolError
from tests.backends.remote import client_of
from tests.core.test_secrecy import error_of
from tests.peers.hostile_server import Talk, hostile_server

TIME: Final = 0.15  # seconds of a call; a server that never stops takes them all
OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HANDSHAKE: Final = (
    b'0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
)


def frame(opcode: int, data: bytes = b"", *, is_last: bool = True) -> bytes:
    """A frame of a WebSocket, as servers send them."""
    first = opcode | (0x80 if is_last else 0)
    if len(data) < 126:
        return struct.pack("!BB", first, len(data)) + data
    if len(data) < 65_536:
        return struct.pack("!BBH", first, 126, len(data)) + data
    return struct.pack("!BBQ", first, 127, len(data)) + data


BOMB: Final = gzip.compress(b"0" * 10_000_000)
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HTTP: Final[dict[str, tuple[bytes, bytes]]] = {  # said once; said without end
    "a body without end": (
        CHUNKED,
        b"ffff\r\n" + b"x" * 65535 + b"\r\n",
    ),
    "a body in tiny pieces": (OK + b"Content-Length: 900000000\r\n\r\n", b"x"),
    "tiny chunks": (CHUNKED, b"1\r\nx\r\n"),
    "a chunk with a long extension": (CHUNKED + b"1;", b"x" * 999),
    "trailers without end": (CHUNKED + b"0\r\n", b"a: b\r\n"),
    "headers without end": (OK, b"a: b\r\n"),
    "a header without end": (OK + b"a: ", b"b"),
    "a status line without end": (b"HTTP/1.1 200 ", b"O"),
    "empty lines": (b"", b"\r\n"),
    "hints without end": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "continue without end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
ONCE: Final = {
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n",
    "a length that is no number": OK + b"Content-Length: many\r\n\r\n",
    "a chunk of no size": CHUNKED + b"zz\r\n",
    "less than was promised": OK + b"Content-Length: 99\r\n\r\n" + HANDSHAKE,
    "a packed body": OK
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    + BOMB,
    "another protocol's version": b"HTTP/9.9 200 OK\r\n\r\n",
    "a status that is none": b"HTTP/1.1 999 Whatever\r\nContent-Length: 0\r\n\r\n",
    "an upgrade that nobody asked for": b"HTTP/1.1 101 Switching\r\n"
    b"Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "control characters in a header": OK + b"a: \x1b[31m\0\r\n\r\n",
}
FLOODS: Final = {  # after the handshake
    "pings": frame(PING, b"x" * 125),
    "pongs": frame(PONG, b"x"),
    "binary messages": frame(BINARY, b"x" * 999),
    "empty binary frames": frame(BINARY, is_last=False) + frame(CONTINUED),
    "Engine.IO's pings": frame(TEXT, b"2"),
    "Engine.IO's noops": frame(TEXT, b"6"),
    "events that mean nothing": frame(TEXT, b'42["other",1]'),
    "acks of nothing": frame(TEXT, b"431[]"),
}
ENDLESS_MESSAGES: Final = {
    "empty pieces": (TEXT, b""),
    "tiny pieces": (TEXT, b"x"),
    "large pieces": (TEXT, b"x" * 60_000),
    "pieces that are binary": (BINARY, b"x" * 60_000),
}
BROKEN_FRAMES: Final = {
    "an opcode that is none": frame(3),
    "bits that are reserved": b"\xf1\x00",
    "a masked frame": b"\x81\x81\0\0\0\0x",
    "no UTF-8": frame(TEXT, b"\xff\xfe"),
    "half a surrogate pair": frame(TEXT, b"\xed\xa0\x80"),
    "a piece of nothing": frame(CONTINUED, b"x"),
    "a long ping": frame(PING, b"x" * 126),
    "a ping in pieces": frame(PING, b"x", is_last=False),
    "a message within another": frame(TEXT, b"x", is_last=False) + frame(TEXT, b"y"),
    "a length in more bytes than it needs": b"\x81\x7e\x00\x01x",
    "a length beyond all": b"\x81\x7f" + b"\xff" * 8,
    "a close of one byte": frame(CLOSE, b"x"),
    "a close with a code that is none": frame(CLOSE, b"\0\0"),
    "a close with no UTF-8": frame(CLOSE, b"\x03\xe8\xff"),
    "a message after the close": frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"2"),
    "a packet that is none": frame(TEXT, b"hello"),
    "an empty packet": frame(TEXT),
    "a namespace of its own": frame(TEXT, b"40/admin,{}"),
    "a packet with parts to follow": frame(TEXT, b'451-["message",{"_placeholder":true,"num":0}]'),
    "deep JSON": frame(TEXT, b"42" + b"[" * 60_000),
}
HANDSHAKES: Final = {
    name: HANDSHAKE.replace(*change)
    for name, change in {
        "no time between pings": (b"25000", b"0"),
        "a negative time": (b"25000", b"-1"),
        "a time beyond all": (b"25000", b"1e308"),
        "a time that is too large for a number": (b"25000", b"1e999"),
        "a tiny time": (b"25000", b"1e-300"),
        "no body at all": (b"1000000", b"0"),
        "a body of half a byte": (b"1000000", b"0.5"),
        "bodies beyond all": (b"1000000", b"9" * 400),
        "a long id": (b'"s"', b'"' + b"s" * 500_000 + b'"'),
        "an id that breaks lines": (b'"s"', b'"a\\r\\nX: y"'),
        "an id that is a path": (b'"s"', b'"../../?&#%00"'),
        "an empty id": (b'"s"', b'""'),
        "half a surrogate pair": (b'"s"', b'"\\ud800"'),
    }.items()
}


def ends(backend: str, transport: str, script: Callable[[Talk], None]) -> ComputeGroupsError:
    """How a call ends that meets such a server; it does, the client too, and the server sees it."""
    with hostile_server(script) as url:
        options = {"timeout": TIME, "connect_timeout": TIME, "transport": transport}
        with client_of(backend, url, identity=ALICE, **options) as groups:
            error = error_of(groups.list_groups)
    assert isinstance(error, NetworkError | ProtocolError), repr(error)
    assert len(str(error)) < 1_000
    assert str(error).isprintable()
    return error


@pytest.mark.parametrize("lie", HTTP)
def test_an_answer_without_an_end(backend: str, transport: str, lie: str) -> None:
    first, then = HTTP[lie]

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(first)
        talk.say_without_end(then)

    ends(backend, transport, script)


@pytest.mark.parametrize("lie", ONCE)
def test_an_answer_that_is_none(backend: str, transport: str, lie: str) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(ONCE[lie])

    ends(backend, transport, script)


@pytest.mark.parametrize("lie", HANDSHAKES)
def test_a_handshake_that_cannot_be(backend: str, transport: str, lie: str) -> None:
    def script(talk: Talk) -> None:
        _shake_hands(talk, transport, HANDSHAKES[lie])
        talk.wait_for_the_end()

    ends(backend, transport, script)


@pytest.mark.parametrize("lie", FLOODS)
def test_messages_without_end(backend: str, lie: str) -> None:
    def script(talk: Talk) -> None:
        _shake_hands(talk, "websocket", HANDSHAKE)
        talk.say_without_end(FLOODS[lie] * 1_000)

    ends(backend, "websocket", script)


@pytest.mark.parametrize("lie", ENDLESS_MESSAGES)
def test_a_message_without_an_end(backend: str, lie: str) -> None:
    opcode, piece = ENDLESS_MESSAGES[lie]

    def script(talk: Talk) -> None:
        _shake_hands(talk, "websocket", HANDSHAKE)
        talk.say(frame(opcode, piece, is_last=False))
        talk.say_without_end(frame(CONTINUED, piece, is_last=False))

    ends(backend, "websocket", script)


@pytest.mark.parametrize("lie", BROKEN_FRAMES)
def test_what_is_no_message(backend: str, lie: str) -> None:
    def script(talk: Talk) -> None:
        _shake_hands(talk, "websocket", HANDSHAKE)
        talk.say(BROKEN_FRAMES[lie])
        talk.wait_for_the_end()

    ends(backend, "websocket", script)


def test_a_server_that_pings_and_does_not_read_gets_one_pong() -> None:
    frames = WebSocketFrames()
    for _ in range(100):
        assert not list(frames.receive_data(frame(PING, b"x" * 125) * 100))
    last = b"the last one"
    assert not list(frames.receive_data(frame(PING, last)))
    sent = frames.data_to_send()
    assert len(sent) == 2 + 4 + len(last)  # head, mask, data


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_empty_pieces_of_a_message_are_not_kept(opcode: int) -> None:
    frames = WebSocketFrames()
    assert not list(frames.receive_data(frame(opcode, is_last=False)))
    pieces = frame(CONTINUED, is_last=False) * 1_000
    tracemalloc.start()
    try:
        for _ in range(10):
            assert not list(frames.receive_data(pieces))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < len(pieces)


def test_what_is_poured_through_tls_is_taken_in_turns() -> None:
    class Spring:
        def read(self, size: int, timeout: float) -> bytes:
            return b"x" * 16_384

    each = _Socket(SimpleNamespace(url="https://a.example/"), stream=Spring())  # type: ignore[arg-type] # all that it looks at
    data = each.read()
    assert data is not None
    assert len(data) == CHUNK
    assert each.has_unread


def _shake_hands(talk: Talk, transport: str, handshake: bytes) -> None:
    head = talk.hear()
    if transport == "websocket":
        talk.accept_websocket(head)
        talk.say(frame(TEXT, handshake))
    else:
        talk.say(OK + b"Content-Length: %d\r\n\r\n" % len(handshake) + handshake)
