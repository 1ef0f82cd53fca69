"""The client's end: as the official client speaks, and what becomes of odd servers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core.errors import ComputeGroupsError, NetworkError, ProtocolError
from cg_core.framing import socketio
from cg_core.framing.client import PollingClient, WebSocketClient, polling_may_work, target
from cg_core.framing.connection import Closed, Opened
from cg_core.framing.http import HTTPRequest, HTTPResponse
from cg_core.framing.limits import Limits
from tests.core.framing.links import PollingLink, counter, events_of, run, texts
from tests.core.framing.recordings import dcp_text, dcp_texts, exchanges, own_headers, records

OFFICIAL_X_DCP = "nodejs release a9e7f7e03401b8d2862f565386a9389324636c8e"
HANDSHAKE = (
    '0{"sid":"abc","upgrades":["websocket"],"pingInterval":10100,"pingTimeout":60010,'
    '"maxPayload":1000}'
)
CONNECTED = '40{"sid":"def"}'


def polling(**settings: object) -> PollingClient:
    limits = Limits(**settings)  # type: ignore[arg-type] # each test gives its own
    return PollingClient("/", "python release 1.0", counter("t"), now=0.0, limits=limits)


def answered(client: PollingClient, request: HTTPRequest, body: str = "ok") -> list[HTTPRequest]:
    """What the client sends when a request of its has been answered so."""
    client.receive_response(request, HTTPResponse(200, (), body.encode()), 0.0)
    return client.requests_to_send()


def begun(client: PollingClient) -> tuple[HTTPRequest, HTTPRequest]:
    """The POST and the poll that a client sends after the handshake."""
    (poll,) = client.requests_to_send()
    (post, poll) = answered(client, poll, HANDSHAKE)
    assert (post.method, post.body, poll.method) == ("POST", b"40", "GET")
    return post, poll


def opened(client: PollingClient) -> HTTPRequest:
    """The poll of an open client that has nothing to say."""
    post, poll = begun(client)
    (poll,) = answered(client, poll, CONNECTED)
    (announcement,) = answered(client, post)
    assert answered(client, announcement) == []
    assert events_of(client) == [Opened()]
    return poll


def websocket(**settings: object) -> WebSocketClient:
    limits = Limits(**settings)  # type: ignore[arg-type] # each test gives its own
    return WebSocketClient("/", "python release 1.0", now=0.0, limits=limits)


def told(client: WebSocketClient, *messages: str) -> list[str]:
    """What the client sends when it is told all this."""
    for message in messages:
        client.receive_message(message, 0.0)
    return client.messages_to_send()


# The official client, replayed.


def test_by_websocket_it_says_what_the_official_client_says() -> None:
    recorded = records("a-websocket-compute-groups")
    client = WebSocketClient("/cg/", OFFICIAL_X_DCP, now=0.0)
    request = client.handshake_request()
    first = recorded[0]
    library = {"host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version"}
    assert (request.method, request.target) == (first["method"], first["path"])
    assert list(request.headers) == [
        (name, value) for name, value in first["headers"] if name.lower() not in library
    ]
    said, heard = [], []
    for record in recorded:
        if record["kind"] != "packet":
            continue
        text = dcp_text(record["data"])
        if record["from"] == "server":
            client.receive_message(record["data"], 0.0)
            heard += [] if text is None else [text]
        elif text is not None:
            client.send(text)
        said += client.messages_to_send()
    assert said == [
        record["data"]
        for record in recorded
        if record["kind"] == "packet" and record["from"] == "client"
    ]
    events = events_of(client)
    assert events[0] == Opened()
    assert texts(events) == heard
    assert events[-1] == Closed(None)  # then the official client closes the WebSocket, too


def test_by_long_polling_it_says_what_the_official_client_says() -> None:
    """Request for request, but that it polls no more after the goodbye."""
    name = "b-polling-compute-groups"
    recorded = exchanges(name)
    last_poll = max(number for number, each in recorded.items() if each.request.method == "GET")
    assert recorded[last_poll].response.body == b"6"
    client = PollingClient("/cg/", OFFICIAL_X_DCP, counter("t"), now=0.0)
    waiting: dict[str, HTTPRequest] = {}
    ours: dict[int, HTTPRequest] = {}
    heard: list[str] = []
    for record in records(name):
        number = record.get("exchange", 0)
        if number == last_poll:
            continue
        if record["kind"] == "http-request":
            theirs = recorded[number].request
            for text in dcp_texts(theirs.body):
                client.send(text)
            waiting |= {request.method: request for request in client.requests_to_send()}
            request = ours[number] = waiting.pop(theirs.method)
            assert request.body == theirs.body
            assert own_headers(request.headers) == own_headers(theirs.headers)
            assert (
                re.sub("t=[^&]*", "t=", request.target) == re.sub("t=[^&]*", "t=", theirs.target)
            )  # fmt: skip
        elif record["kind"] == "http-response":
            client.receive_response(ours[number], recorded[number].response, 0.0)
            heard += dcp_texts(recorded[number].response.body)
    assert client.requests_to_send() == []
    assert waiting == {}
    events = events_of(client)
    assert events[0] == Opened()
    assert texts(events) == heard
    assert events[-1] == Closed(None)


@pytest.mark.parametrize(
    ("transport", "given", "expected"),
    [
        ("websocket", {}, "/cg/dcp5/socketio/?EIO=4&transport=websocket"),
        ("websocket", {"sid": "x"}, "/cg/dcp5/socketio/?EIO=4&transport=websocket&sid=x"),
        (
            "polling",
            {"cache_breaker": "ojuib4vz", "sid": "x"},
            "/cg/dcp5/socketio/?EIO=4&transport=polling&t=ojuib4vz&sid=x",
        ),
    ],
)
def test_targets_are_the_official_ones(
    transport: str, given: dict[str, str], expected: str
) -> None:
    assert target("/cg/", transport, **given) == expected


# Requests.


@given(st.data(), st.lists(st.text(max_size=40), max_size=30))
def test_at_most_one_poll_and_one_post_are_under_way_and_posts_fit(
    data: st.DataObject, sent: list[str]
) -> None:
    link = PollingLink(Limits(body_size=300))
    waiting = [f"{{{text}" for text in sent]
    while link.steps() or waiting:
        if waiting and (not link.steps() or data.draw(st.booleans())):
            link.send_from_client(waiting.pop(0))
        else:
            steps = link.steps()
            steps[data.draw(st.integers(0, len(steps) - 1))]()
        under_way = link.outgoing + [request for request, _ in link.responses]
        posts = [request for request in under_way if request.method == "POST"]
        assert len(posts) <= 1
        assert len(under_way) - len(posts) <= 1
        assert all(len(post.body) <= 300 or b"\x1e" not in post.body for post in posts)
        assert all(post.body.count(b"\x1e") < 16 for post in posts)
    targets = [request.target for request in link.sent]
    assert len(set(targets)) == len(targets)  # so no cache answers


def test_what_waits_behind_a_post_goes_in_one_body() -> None:
    client = polling()
    opened(client)
    client.send("{1}")
    (post,) = client.requests_to_send()
    client.send("{2}")
    client.send("{3}")
    assert client.requests_to_send() == []
    (both,) = answered(client, post)
    assert [dcp_texts(each.body) for each in (post, both)] == [["{1}"], ["{2}", "{3}"]]


def test_a_post_fits_what_the_server_takes_and_one_packet_always_goes() -> None:
    client = polling()
    opened(client)
    sent = ["{a", "{" + 400 * "é", "{" + 500 * "é", "{b", "{c"]
    client.send("{first}")
    (post,) = client.requests_to_send()
    for text in sent:
        client.send(text)
    bodies = []
    while following := answered(client, post):
        (post,) = following
        bodies.append(post.body)
    assert [dcp_texts(body) for body in bodies] == [sent[:2], sent[2:3], sent[3:]]
    assert [len(body) <= 1000 for body in bodies] == [True, False, True]


@pytest.mark.parametrize("length", range(960, 976))
def test_a_post_of_two_packets_has_no_byte_too_many(length: int) -> None:
    client = polling()
    opened(client)
    client.send("{first}")
    (post,) = client.requests_to_send()
    client.send("{".ljust(length // 2))
    client.send("{".ljust(length - length // 2))
    (post,) = answered(client, post)
    assert len(post.body) <= 1000
    assert (b"\x1e" in post.body) == (length <= 966)


def test_a_body_has_as_many_packets_as_python_engineio_takes() -> None:
    client = polling()
    opened(client)
    for number in range(40):
        client.send(f"{{{number}")
    (post,) = client.requests_to_send()
    assert len(dcp_texts(post.body)) == 16


def test_responses_to_requests_of_another_life_are_ignored() -> None:
    client = polling()
    stale = HTTPRequest("GET", "/")
    client.receive_response(stale, HTTPResponse(500), 0.0)
    client.request_failed(stale, NetworkError("gone"))
    assert client.next_event() is None


def test_a_response_may_be_larger_than_a_post() -> None:
    """engine.io answers a poll with all that it has."""
    client = polling(body_size=300)
    answered(client, opened(client), "\x1e".join(40 * [f"4{socketio.message('{}')}"]))
    assert texts(events_of(client)) == 40 * ["{}"]


def test_whether_a_server_has_begun_as_one_of_engine_io_does() -> None:
    client = polling()
    begun = [client.has_handshake]
    (poll,) = client.requests_to_send()
    begun.append(client.has_handshake)
    answered(client, poll, HANDSHAKE)
    begun.append(client.has_handshake)
    client.close(0.0)
    begun.append(client.has_handshake)
    assert begun == [False, False, True, True]


@pytest.mark.parametrize("said", ["9", "<html>", CONNECTED, "0{}"])
def test_what_is_no_handshake_is_none(said: str) -> None:
    client = polling()
    (poll,) = client.requests_to_send()
    answered(client, poll, said)
    assert not client.has_handshake


# Ends.


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, ProtocolError), (400, ProtocolError), (499, ProtocolError), (500, NetworkError),
        (503, NetworkError),
    ],
)  # fmt: skip
def test_a_refused_handshake_closes(status: int, error: type[ComputeGroupsError]) -> None:
    client = polling()
    (poll,) = client.requests_to_send()
    client.receive_response(poll, HTTPResponse(status), 0.0)
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert type(closed.error) is error
    assert str(status) in str(closed.error)
    assert client.requests_to_send() == []
    assert client.next_deadline() is None


@pytest.mark.parametrize("which", [0, 1], ids=["post", "poll"])
def test_a_refused_request_of_a_known_connection_is_a_connection_lost(which: int) -> None:
    client = polling()
    client.receive_response(begun(client)[which], HTTPResponse(400), 0.0)
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert type(closed.error) is NetworkError


@pytest.mark.parametrize("which", [None, 0, 1], ids=["handshake", "post", "poll"])
def test_a_failed_request_closes_with_its_error(which: int | None) -> None:
    client = polling()
    (request,) = client.requests_to_send() if which is None else (begun(client)[which],)
    error = NetworkError("connection refused")
    client.request_failed(request, error)
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert repr(closed.error) == repr(error)


ODD_BEGINNINGS = [
    "", "9", "x", "1x", "40", CONNECTED, "2", "3", "5", "6", "4", "0", "0{}", "0[]", "0null",
    HANDSHAKE.replace("10100", "-1"),
    HANDSHAKE.replace("abc", "a b"),
    HANDSHAKE.replace("abc", "a\\r\\nX: y"),
    HANDSHAKE.replace("abc", ""),
]  # fmt: skip


@pytest.mark.parametrize("said", ODD_BEGINNINGS)
def test_a_server_that_does_not_begin_with_a_handshake_breaks_the_protocol(said: str) -> None:
    client = polling()
    (poll,) = client.requests_to_send()
    assert answered(client, poll, said) == []
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    # A server may always say goodbye.
    assert isinstance(closed.error, ProtocolError) or said.startswith("1")


ODD_LATER = [
    "", "9", HANDSHAKE, "3", "5", "4", "40", "44{}", "4x", "42", "42[]", "4/x,", "40/x,",
    '42["message",""]', '42["message","x"]', '42["message","E"]', '42["message"',
]  # fmt: skip


@pytest.mark.parametrize("said", ODD_LATER)
@pytest.mark.parametrize("begun", [(HANDSHAKE,), (HANDSHAKE, CONNECTED)], ids=["first", "later"])
def test_a_server_that_breaks_the_protocol_is_told_goodbye(
    said: str, begun: tuple[str, ...]
) -> None:
    if (said, begun) == ("40", (HANDSHAKE,)):
        return  # this is what it is to say
    client = websocket()
    told(client, *begun)
    events_of(client)
    goodbye = told(client, said)
    assert goodbye == (["41"] if len(begun) == 2 else [])
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, ProtocolError)
    assert told(client, CONNECTED, "2", '42["message","{}"]') == []
    client.receive_close()
    assert client.next_event() is None


def test_by_long_polling_the_goodbye_of_a_broken_protocol_ends_the_servers_part_too() -> None:
    client = polling()
    (goodbye,) = answered(client, opened(client), '42["message","x"]')
    assert goodbye.body == b"41\x1e1"
    assert events_of(client) == []
    assert answered(client, goodbye) == []
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, ProtocolError)


@pytest.mark.parametrize("body", [b"\xff", b"40\x1e", 301 * b"6"])
def test_an_unreadable_body_closes_at_once(body: bytes) -> None:
    client = polling(response_size=300)
    client.receive_response(opened(client), HTTPResponse(200, (), body), 0.0)
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, ProtocolError)
    assert client.requests_to_send() == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [('44{"message":"Invalid namespace"}', "Invalid namespace"), ('44"no"', "no"), ("44{}", "no")],
)
def test_a_refused_namespace_says_why(said: str, reason: str) -> None:
    client = websocket()
    told(client, HANDSHAKE, said)
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, ProtocolError)
    assert reason in str(closed.error)


@pytest.mark.parametrize("said", ["41", "1"])
def test_a_server_that_says_goodbye_closes_without_an_error(said: str) -> None:
    client = websocket()
    told(client, HANDSHAKE, CONNECTED, said)
    assert events_of(client) == [Opened(), Closed(None)]


def test_a_websocket_that_ends_without_a_goodbye_is_a_connection_lost() -> None:
    client = websocket()
    told(client, HANDSHAKE, CONNECTED)
    client.receive_close()
    (_, closed) = events_of(client)
    assert isinstance(closed, Closed)
    assert type(closed.error) is NetworkError


def test_binary_messages_noops_and_strange_events_are_ignored() -> None:
    client = websocket()
    told(client, HANDSHAKE, CONNECTED)
    client.receive_binary()
    assert told(client, "6", '42["other","{}"]', '42["message",1]', '43["x"]') == []
    assert events_of(client) == [Opened()]


def test_closing_before_anything_was_said_is_closing_at_once() -> None:
    for client in (polling(), websocket()):
        client.close(0.0)
        client.close(0.0)
        client.send("{}")
        assert events_of(client) == [Closed(None)]
        assert client.next_deadline() is None


# Time.


@pytest.mark.parametrize("make", [polling, websocket])
def test_a_connection_that_does_not_open_in_time_closes(
    make: Callable[[], PollingClient | WebSocketClient],
) -> None:
    client = make()
    assert client.next_deadline() == 45.0
    client.handle_timeout(44.9)
    assert client.next_event() is None
    client.handle_timeout(45.0)
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, NetworkError)
    assert closed.error.code == "ETIMEDOUT"
    assert client.next_deadline() is None


def test_a_ping_is_answered_and_puts_the_deadline_off() -> None:
    client = websocket()
    client.receive_message(HANDSHAKE, 1.0)
    client.receive_message(CONNECTED, 2.0)
    client.messages_to_send()
    assert client.next_deadline() == pytest.approx(1.0 + 10.1 + 60.01)
    client.receive_message("2", 50.0)
    assert client.messages_to_send() == ["3"]
    assert client.next_deadline() == pytest.approx(50.0 + 10.1 + 60.01)
    client.handle_timeout(120.0)
    client.handle_timeout(120.2)
    (_, closed) = events_of(client)
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, NetworkError)


def test_a_goodbye_that_nobody_answers_takes_only_so_long() -> None:
    link = PollingLink()
    run(link)
    link.client.close(100.0)
    link.client.close(103.0)  # once is enough
    (goodbye,) = link.client.requests_to_send()
    assert goodbye.body == b"41\x1e1"
    assert link.client.next_deadline() == 107.0
    link.client.handle_timeout(107.0)
    assert events_of(link.client) == [Closed(None)]


# Before polling is tried.


@pytest.mark.parametrize(
    ("status", "may"), [(400, True), (404, True), (200, True), (502, True), (503, False),
                        (429, False), (None, False)],
)  # fmt: skip
def test_polling_is_tried_where_something_spoke_http(status: int | None, may: bool) -> None:
    assert polling_may_work(status) is may
