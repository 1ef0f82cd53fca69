"""Web pages, and proxies with another mind of where a request ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from tests.peers.live_service import LiveService, live_service

POLL: Final = "dcp5/socketio/?EIO=4&transport=polling"
UPGRADE: Final = "dcp5/socketio/?EIO=4&transport=websocket"
PAGES: Final = (POLL, "health", "metrics", "etc/dcp-config.kvin")


@pytest.fixture(scope="module")
def service() -> Iterator[LiveService]:
    with live_service() as running:
        yield running


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example", "localhost:9800"])
def test_a_page_of_another_site_may_read_what_anybody_may_and_has_nothing_to_show(
    page: str, host: str, service: LiveService
) -> None:
    """Whoever has a name point to this machine (DNS rebinding) gains nothing by it.

    Nothing is kept in the browser: no cookie is set, none is asked for, and no answer may be read
    by a page that sends what the browser has.
    """
    headers = {"Host": host, "Origin": "https://evil.example", "Cookie": "session=1"}
    answer = httpx.get(service.url + page, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"].partition(";")[0] in {"text/plain", "application/json"}
    assert not {"server", "x-powered-by"} & set(answer.headers)


@pytest.mark.parametrize("private", [False, True])
def test_a_browser_that_asks_first_is_given_leave_without_credentials(
    private: bool, service: LiveService
) -> None:
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-dcp",
    }
    if private:  # a page of the Internet that calls this machine (Private Network Access)
        asked["Access-Control-Request-Private-Network"] = "true"
    answer = httpx.options(service.url + POLL, headers=asked)
    assert answer.status_code == 204
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Allow-Private-Network" not in answer.headers


def said(service: LiveService, data: bytes) -> bytes:
    """What the service answers until it closes, or waits for more."""
    with socket.create_connection(("127.0.0.1", service.port), 10) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        heard = b""
        while more := peer.recv(65_536):
            heard += more
        return heard


HEAD: Final = b"POST /dcp5/socketio/?EIO=4&transport=polling&sid=none HTTP/1.1\r\nHost: here\r\n"
SMUGGLED: Final = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Content-Length : 5\r\n",
        b"Content\x00-Length: 5\r\n",
        b"Host: another\r\n",
    ],
)
def test_a_request_that_may_end_in_two_places_is_refused_and_nothing_behind_it_read(
    fields: bytes, service: LiveService
) -> None:
    heard = said(service, HEAD + fields + b"\r\n" + b"0\r\n\r\n" + SMUGGLED)
    assert heard.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))
    assert heard.count(b"HTTP/1.1") == 1
    assert b'"status":"ok"' not in heard


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello" + SMUGGLED, 2),
        (HEAD + b"Content-Length: 5, 5\r\n\r\nhello" + SMUGGLED, 2),
        (HEAD + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED, 2),
        (HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 5\n\nhello" + SMUGGLED, 2),
        (b"GET /health HTTP/1.0\r\n\r\n", 1),
        (b"GET http://evil.example/health HTTP/1.1\r\nHost: here\r\n\r\n", 1),
        (b"GET //evil.example/..;/health HTTP/1.1\r\nHost: here\r\n\r\n", 1),
    ],
)
def test_one_that_ends_in_one_place_ends_there(
    data: bytes, answers: int, service: LiveService
) -> None:
    assert said(service, data).count(b"HTTP/1.1") == answers


@pytest.mark.parametrize("head", [b"X: " + b"a" * 60_000, b"X: a\r\n" * 10_000])
def test_a_head_has_a_cap_however_it_is_made_up(head: bytes, service: LiveService) -> None:
    heard = said(service, b"GET /health HTTP/1.1\r\nHost: here\r\n" + head + b"\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 431")


def test_a_websocket_of_another_origin_is_an_unproved_connection_like_any_other(
    service: LiveService,
) -> None:
    lines = [
        f"GET /{UPGRADE} HTTP/1.1",
        "Host: evil.example",
        "Origin: https://evil.example",
        "Cookie: session=1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
    ]
    heard = said(service, "\r\n".join([*lines, "", ""]).encode())
    assert heard.startswith(b"HTTP/1.1 101")
    assert b"Set-Cookie" not in heard
