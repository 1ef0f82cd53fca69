"""What both ends share, whatever the link: texts, goodbyes, odd peers, caps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core.errors import NetworkError, ProtocolError
from cg_core.framing.client import target
from cg_core.framing.connection import Closed, Opened, TextReceived
from cg_core.framing.http import HTTPRequest, HTTPResponse
from cg_core.framing.limits import Limits
from tests.core.framing.links import (
    LINKS,
    Link,
    PollingLink,
    WebSocketLink,
    dcp_texts,
    events_of,
    run,
    texts,
)

END_TO_END = {"polling": PollingLink, "websocket": WebSocketLink}
links = pytest.mark.parametrize("make", LINKS.values(), ids=LINKS)
ends = pytest.mark.parametrize("make", END_TO_END.values(), ids=END_TO_END)


def play(link: Link, data: st.DataObject, sendings: list[tuple[str, str]]) -> None:
    """Let things happen in any order, the sending of texts among them."""
    waiting = list(reversed(sendings))
    while True:
        steps = link.steps()
        may_send = waiting and (waiting[-1][0] == "client" or Opened() in link.at_server)
        choices = len(steps) + bool(may_send)
        if not choices:
            return
        choice = data.draw(st.integers(0, choices - 1))
        if choice < len(steps):
            steps[choice]()
        else:
            side, text = waiting.pop()
            (link.send_from_client if side == "client" else link.send_from_server)(text)


sendings = st.lists(st.tuples(st.sampled_from(["client", "server"]), dcp_texts), max_size=12)


@links
@given(st.data(), sendings)
def test_all_texts_arrive_once_in_order_both_ways(
    make: Callable[[Limits], Link], data: st.DataObject, sendings: list[tuple[str, str]]
) -> None:
    link = make(Limits(fragment_length=9))  # so most of them travel in pieces
    play(link, data, sendings)
    assert texts(link.at_server) == [text for side, text in sendings if side == "client"]
    assert texts(link.at_client) == [text for side, text in sendings if side == "server"]
    assert link.at_client[0] == link.at_server[0] == Opened()
    assert not any(isinstance(event, Closed) for event in link.at_client + link.at_server)


@ends
@given(st.data(), sendings, st.sampled_from(["client", "server"]))
def test_what_was_sent_before_a_goodbye_arrives_and_both_ends_close_without_an_error(
    make: Callable[[], PollingLink | WebSocketLink],
    data: st.DataObject,
    sendings: list[tuple[str, str]],
    closer: str,
) -> None:
    link = make()
    play(link, data, [sending for sending in sendings if sending[0] == closer])
    for side, text in sendings:
        (link.send_from_client if side == "client" else link.send_from_server)(text)
    if closer == "client":
        link.client.close(link.now)
        link.move()
    else:
        link.server.close(link.sid, link.now)
        link.pump()
    play(link, data, [])
    assert link.at_client[-1] == link.at_server[-1] == Closed(None)
    assert link.at_client.count(Closed(None)) == link.at_server.count(Closed(None)) == 1
    sent = [text for side, text in sendings if side == closer]
    arrived = texts(link.at_server if closer == "client" else link.at_client)
    assert arrived == sent + sent
    assert link.server.next_deadline() is None
    assert link.client.next_deadline() is None


# Peers that say anything.

packets = st.one_of(
    st.text(st.characters(), max_size=20),
    st.tuples(
        st.sampled_from(["0", "1", "2", "3", "4", "40", "41", "42", "43", "44", "45", "5", "6"]),
        st.sampled_from(["", "{}", "[]", '["message","{}"]', '["message","E0000O{"]', "probe"])
        | st.text(st.characters(), max_size=10),
    ).map("".join),
)


@given(st.lists(packets, max_size=6), st.booleans())
def test_whatever_a_server_says_closes_the_client_at_most_once(
    said: list[str], is_open: bool
) -> None:
    link = WebSocketLink()
    if is_open:
        run(link)
    for message in said:
        link.client.receive_message(message, link.now)
        link.client.messages_to_send()
    closed = [event for event in events_of(link.client) if isinstance(event, Closed)]
    assert all(isinstance(each.error, ProtocolError | None) for each in closed)
    assert (link.client.next_deadline() is None) == bool(closed)
    assert len(closed) <= 1


bodies = st.one_of(
    st.binary(max_size=30), st.lists(packets, max_size=4).map("\x1e".join).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
)  # fmt: skip


@given(st.lists(bodies, max_size=6), st.sampled_from([200, 200, 200, 500]), st.integers(0, 5))
def test_whatever_responses_come_close_the_client_at_most_once(
    said: list[bytes], status: int, opening: int
) -> None:
    link = PollingLink()
    for _ in range(opening):
        link.steps()[0]()
    requests = [*link.outgoing, *(request for request, _ in link.responses)]
    events = list(link.at_client)
    for body in said:
        for request in requests:
            link.client.receive_response(request, HTTPResponse(status, (), body), link.now)
        requests = link.client.requests_to_send() or requests
    events += events_of(link.client)
    closed = [event for event in events if isinstance(event, Closed)]
    assert all(isinstance(each.error, ProtocolError | NetworkError | None) for each in closed)
    assert (link.client.next_deadline() is None) == bool(closed)
    assert len(closed) <= 1


@given(st.lists(packets, max_size=6), st.booleans())
def test_whatever_a_client_says_closes_its_connection_at_most_once(
    said: list[str], is_open: bool
) -> None:
    link = WebSocketLink()
    if is_open:
        run(link)
    for message in said:
        link.server.receive_message("ws", message, link.now)
        link.pump()
        link.server.messages_to_send("ws")
    closed = [event for event in link.at_server if isinstance(event, Closed)]
    assert all(isinstance(each.error, ProtocolError | None) for each in closed)
    assert len(closed) <= 1


@given(st.lists(bodies, max_size=6), st.integers(0, 8))
def test_whatever_is_posted_closes_a_connection_at_most_once(
    said: list[bytes], opening: int
) -> None:
    link = PollingLink()
    for _ in range(opening):
        if steps := link.steps():
            steps[0]()
    where = target("/", "polling", sid="id0")
    for body in said:
        number = link.request(HTTPRequest("POST", where, (), body))
        assert link.answered[number].status in (200, 400)
    closed = [event for event in link.at_server if isinstance(event, Closed)]
    assert all(isinstance(each.error, ProtocolError | None) for each in closed)
    assert len(closed) <= 1


@ends
def test_a_text_for_which_the_peer_has_no_room_ends_the_connection(
    make: Callable[[], PollingLink | WebSocketLink],
) -> None:
    """It announced pieces so small and few that the text does not fit."""
    link = make()
    run(link)
    announcement = 'E0000P{"rxMaxFragmentSize":10,"rxMaxFragmentCount":2}'
    link.client._dcp.receive(announcement)  # as if the server had said so
    link.send_from_client("{" + 100 * "a")
    (*_, closed) = link.at_client
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, ProtocolError)


@ends
def test_a_packet_that_is_too_long_breaks_the_protocol(
    make: Callable[[Limits], PollingLink | WebSocketLink],
) -> None:
    link = make(Limits(packet_length=400))
    run(link)
    link.send_from_client("{" + 500 * "a")
    run(link)
    (*_, closed) = link.at_server
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, ProtocolError)


@ends
def test_a_peer_that_does_not_read_is_given_up(
    make: Callable[[Limits], PollingLink | WebSocketLink],
) -> None:
    link = make(Limits(queue_size=1_000))
    run(link)
    for _ in range(9):
        link.client.send("{" + 200 * "a")
    link.client.close(0.0)
    (closed,) = events_of(link.client)
    assert isinstance(closed, Closed)
    assert type(closed.error) is NetworkError
    assert link.client.next_deadline() is None
    assert link.client.held == 0


def test_a_goodbye_for_which_there_is_no_room_ends_the_connection_all_the_same() -> None:
    link = PollingLink(Limits(queue_size=300))
    client = link.client
    run(link)
    client.send("{" + (300 - 2 - len('42["message","{"]') + 1) * "a")
    assert events_of(client) == []
    client.close(0.0)
    (closed,) = events_of(client)
    assert isinstance(closed, Closed)
    assert type(closed.error) is NetworkError
    assert client.next_deadline() is None
    assert client.requests_to_send() == []


def test_a_text_that_came_is_not_shown() -> None:
    assert "eh1-" not in repr(TextReceived("eh1-"))
