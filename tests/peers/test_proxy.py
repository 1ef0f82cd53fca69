"""The proxy passes what it is to pass, to the byte, and breaks what it is to break."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from unittest.mock import patch

import h11
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Message, Request, TextMessage

from tests.peers.in_process import in_process
from tests.peers.listening import stop_accepting
from tests.peers.proxy import BOTH, Cut, Direction, Link, Plan, Refuse, Stall, proxy

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER
HUNG = 30  # seconds after which a test that waits has failed
LONG = bytes(range(256)) * 4096


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HUNG)
        yield listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


class Pair:
    """A client, the proxy, a server."""

    def __init__(self, listener: socket.socket, link: Link) -> None:
        self.client = socket.create_connection(("127.0.0.1", link.port), HUNG)
        self.server, _ = listener.accept()
        self.server.settimeout(HUNG)

    def close(self) -> None:
        self.client.close()
        self.server.close()


@contextmanager
def one_connection(plan: Plan | None = None) -> Iterator[tuple[Pair, Link]]:
    with (
        listening() as listener,
        proxy(port_of(listener), {} if plan is None else {0: plan}) as link,
        closing(Pair(listener, link)) as pair,
    ):
        yield pair, link


def all_of(end: socket.socket) -> bytes:
    """What comes until there is a FIN."""
    data = b""
    while more := end.recv(65536):
        data += more
    return data


def exactly(end: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = end.recv(count - len(data))
        assert more, "there is an end where there should be more"
        data += more
    return data


def is_silent(end: socket.socket) -> bool:
    """Whether nothing has come, not even an end."""
    end.setblocking(False)
    try:
        end.recv(1)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        end.settimeout(HUNG)


def is_reset(end: socket.socket) -> bool:
    try:
        all_of(end)
    except ConnectionResetError:
        return True
    return False


def fill(sender: socket.socket) -> int:
    """Send until nobody takes any more, and say how much was taken."""
    sent = 0
    sender.settimeout(0.2)
    with suppress(TimeoutError):
        while True:
            sent += sender.send(LONG)
            assert sent < 256 * len(LONG), "nothing holds the sender up"
    sender.settimeout(HUNG)
    return sent


def ends(pair: Pair, direction: Direction) -> tuple[socket.socket, socket.socket]:
    """Who sends in a direction, who receives."""
    if direction is TO_CLIENT:
        return pair.server, pair.client
    return pair.client, pair.server


def test_everything_passes() -> None:
    with one_connection() as (pair, link):
        for direction in Direction:
            sender, receiver = ends(pair, direction)
            thread = threading.Thread(target=sender.sendall, args=(LONG,))
            thread.start()
            assert exactly(receiver, len(LONG)) == LONG
            thread.join()
            assert link.connections[0].data(direction) == LONG
            assert link.connections[0].carried(direction) == len(LONG)


def test_a_slow_reader_slows_the_sender_down() -> None:
    with one_connection() as (pair, _):
        sent = fill(pair.server)
        assert len(exactly(pair.client, sent)) == sent


@pytest.mark.parametrize("direction", Direction)
def test_an_end_passes_and_the_other_direction_goes_on(direction: Direction) -> None:
    with one_connection() as (pair, link):
        sender, receiver = ends(pair, direction)
        sender.sendall(b"one")
        sender.shutdown(socket.SHUT_WR)
        assert all_of(receiver) == b"one"
        receiver.sendall(b"two")
        receiver.close()
        assert all_of(sender) == b"two"
        sender.close()
        link.wait_closed(0)


@pytest.mark.parametrize("direction", Direction)
def test_a_reset_passes(direction: Direction) -> None:
    with one_connection() as (pair, link):
        sender, receiver = ends(pair, direction)
        receiver.sendall(b"x")
        exactly(sender, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sender.close()
        assert is_reset(receiver)
        link.wait_closed(0)


@pytest.mark.parametrize("reset", [False, True])
@given(direction=st.sampled_from(Direction), after=st.integers(1, 12), data=st.data())
@settings(max_examples=40)
def test_a_connection_is_cut_after_so_many_bytes(
    reset: bool, direction: Direction, after: int, data: st.DataObject
) -> None:
    """However the bytes are cut into writes."""
    text = b"0123456789ab"
    cut_at = data.draw(st.integers(0, len(text)))
    with one_connection(Cut(direction, after, reset=reset)) as (pair, link):
        sender, receiver = ends(pair, direction)
        sender.sendall(text[:cut_at])
        received = exactly(receiver, min(after, cut_at))
        if cut_at < after:
            sender.sendall(text[cut_at:])
            received += exactly(receiver, after - cut_at)
        assert received == text[:after]
        for end in (sender, receiver):
            if reset:
                assert is_reset(end)
            else:
                assert all_of(end) == b""
            end.close()
        assert link.wait_closed(0).carried(direction) == after
        assert link.connections[0].data(direction) == text[:after]


def test_a_connection_may_end_before_any_byte() -> None:
    with one_connection(Cut(TO_CLIENT, 0)) as (pair, _):
        assert all_of(pair.client) == all_of(pair.server) == b""


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("heard_by", Direction)
def test_one_end_may_not_hear_of_it(heard_by: Direction, reset: bool) -> None:
    plan = Cut(TO_SERVER, 3, reset=reset, heard_by=frozenset([heard_by]))
    with one_connection(plan) as (pair, link):
        pair.client.sendall(b"abcdef")
        assert exactly(pair.server, 3) == b"abc"
        other, hearing = ends(pair, heard_by)
        if reset:
            assert is_reset(hearing)
        else:
            assert all_of(hearing) == b""
        hearing.close()
        if heard_by is TO_CLIENT:
            link.wait_closed(0)
        assert is_silent(other)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_stalled_connection_is_silent_both_ways(direction: Direction, after: int) -> None:
    with one_connection(Stall(direction, after)) as (pair, link):
        sender, receiver = ends(pair, direction)
        sender.sendall(b"abcdef")
        assert exactly(receiver, after) == b"abcdef"[:after]
        for end in (pair.server, pair.client):
            end.sendall(b"more")
        pair.client.shutdown(socket.SHUT_WR)
        link.wait_closed(0)  # the proxy has seen it, and so all that came before
        assert is_silent(pair.server)
        assert link.connections[0].carried(direction) == after


def test_one_direction_may_be_stalled_alone() -> None:
    plan = Stall(TO_SERVER, 2, frozenset([TO_SERVER]))
    with one_connection(plan) as (pair, link):
        pair.client.sendall(b"abcd")
        assert exactly(pair.server, 2) == b"ab"
        pair.server.sendall(b"answer")
        assert exactly(pair.client, 6) == b"answer"
        pair.server.close()
        assert all_of(pair.client) == b""
        assert link.connections[0].data(TO_SERVER) == b"ab"


def meets_a_reset(link: Link) -> bool:
    """Whether a client that connects is reset: while it still connects, or right after."""
    try:
        with closing(socket.create_connection(("127.0.0.1", link.port), HUNG)) as client:
            return is_reset(client)
    except ConnectionResetError:
        return True


def test_a_connection_may_be_reset_before_any_byte() -> None:
    plan = Cut(TO_CLIENT, 0, reset=True)
    with listening() as listener, proxy(port_of(listener), {0: plan}) as link:
        assert meets_a_reset(link)
        with closing(listener.accept()[0]) as server:  # which has seen somebody come
            assert is_reset(server)
        link.wait_closed(0)


def test_a_refused_connection_never_reaches_the_server() -> None:
    with listening() as listener, proxy(port_of(listener), {0: Refuse()}) as link:
        assert meets_a_reset(link)
        assert link.wait_closed(0).is_struck
        with closing(Pair(listener, link)) as pair:  # the server's first
            pair.client.sendall(b"x")
            assert exactly(pair.server, 1) == b"x"


def test_where_no_server_is_the_client_is_reset() -> None:
    with listening() as listener:
        port = port_of(listener)
    with proxy(port) as link:
        assert meets_a_reset(link)


def test_plans_are_for_connections_in_order() -> None:
    with listening() as listener, proxy(port_of(listener), {1: Cut(TO_SERVER, 1)}) as link:
        for number, cut in enumerate([False, True, False]):
            with closing(Pair(listener, link)) as pair:
                assert link.wait_made(number) is link.connections[number]
                pair.client.sendall(b"abc")
                assert exactly(pair.server, 1) == b"a"
                if cut:
                    assert all_of(pair.client) == b""
                else:
                    assert exactly(pair.server, 2) == b"bc"
        assert [each.carried(TO_SERVER) for each in link.connections] == [3, 1, 3]
        assert [each.number for each in link.connections] == [0, 1, 2]


def test_a_plan_may_come_later() -> None:
    with one_connection() as (pair, link):
        pair.client.sendall(b"abc")
        exactly(pair.server, 3)
        link.plans[0] = Cut(TO_SERVER, link.connections[0].carried(TO_SERVER) + 2)
        pair.client.sendall(b"defgh")
        assert all_of(pair.server) == b"de"


def test_a_plan_made_at_once_by_who_got_a_byte_is_for_the_next_one() -> None:
    with one_connection() as (pair, link):
        end = link.connections[0]._ends[TO_CLIENT]
        write = end.transport.write

        def write_and_plan(data: bytes) -> None:
            write(data)
            link.plans[0] = Cut(TO_CLIENT, link.connections[0].carried(TO_CLIENT))

        with patch.object(end, "transport", wraps=end.transport, write=write_and_plan):
            pair.server.sendall(b"abc")
            assert exactly(pair.client, 3) == b"abc"
            pair.client.sendall(b"defgh")
            assert exactly(pair.server, 5) == b"defgh"
            assert all_of(pair.server) == all_of(pair.client) == b""


@pytest.mark.parametrize("reset", [False, True])
def test_everything_is_cut_now(reset: bool) -> None:
    with (
        listening() as listener,
        proxy(port_of(listener)) as link,
        closing(Pair(listener, link)) as first,
        closing(Pair(listener, link)) as second,
    ):
        link.cut(reset=reset)
        for end in (first.client, first.server, second.client, second.server):
            assert is_reset(end) if reset else all_of(end) == b""
        with closing(Pair(listener, link)) as later:
            later.client.sendall(b"x")
            assert exactly(later.server, 1) == b"x"


def test_everything_is_stalled_now_and_can_be_cut_then() -> None:
    with one_connection() as (pair, link):
        link.stall()
        pair.client.sendall(b"x")
        link.cut(heard_by=frozenset([TO_CLIENT]))
        assert all_of(pair.client) == b""
        pair.client.close()
        link.wait_closed(0)
        assert is_silent(pair.server)
        link.cut(heard_by=BOTH)
        assert all_of(pair.server) == b""


def test_a_stalled_direction_does_not_hold_up_who_sends() -> None:
    """What a slow reader left to wait is let go of."""
    with one_connection() as (pair, link):
        fill(pair.server)
        link.stall()
        pair.server.sendall(LONG)
        pair.server.sendall(LONG)


@pytest.mark.parametrize("plan", [None, Cut(TO_SERVER, 4), Stall(TO_SERVER, 4)])
def test_a_connection_tells_whether_its_plan_came_to_pass(plan: Plan | None) -> None:
    with one_connection(plan) as (pair, link):
        connection = link.connections[0]
        pair.client.sendall(b"one")
        assert exactly(pair.server, 3) == b"one"
        assert (connection.is_open, connection.is_struck) == (True, False)
        pair.client.sendall(b"two")
        assert exactly(pair.server, 1) == b"t"
        pair.close()
        link.wait_closed(0)
        assert (connection.is_open, connection.is_struck) == (False, plan is not None)


def test_what_was_carried_may_be_counted_and_not_kept() -> None:
    with (
        listening() as listener,
        proxy(port_of(listener), {0: Cut(TO_SERVER, 6)}, keeps_data=False) as link,
        closing(Pair(listener, link)) as pair,
    ):
        pair.client.sendall(b"eight...")
        assert all_of(pair.server) == b"eight."
        assert link.connections[0].carried(TO_SERVER) == 6
        assert link.connections[0].data(TO_SERVER) == b""


def test_nothing_is_left_behind() -> None:
    before = threading.enumerate()
    with one_connection() as (pair, link):
        pair.client.sendall(b"x")
        exactly(pair.server, 1)
        port = link.port
    assert threading.enumerate() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("rounds", range(6))
def test_who_was_accepted_is_not_forgotten(rounds: int) -> None:
    """However far the loop is with a connection when listening ends."""
    made: list[asyncio.BaseTransport] = []

    class Made(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

    async def listen(port: socket.socket) -> socket.socket:
        server = await asyncio.get_running_loop().create_server(Made, sock=port)
        client = socket.create_connection(port.getsockname(), HUNG)
        for _ in range(rounds):
            await asyncio.sleep(0)
        await stop_accepting(server)
        for transport in made:
            transport.close()
        return client

    with closing(asyncio.run(listen(socket.create_server(("127.0.0.1", 0))))) as client:
        if made:
            assert all_of(client) == b""
        else:
            assert is_reset(client)


# Boundaries


@given(bodies=st.lists(st.binary(max_size=300), max_size=5), surplus=st.binary(max_size=5))
@settings(max_examples=15)
def test_boundaries_of_http_messages(bodies: list[bytes], surplus: bytes) -> None:
    """Of requests with a length, and of responses in chunks."""
    for direction in Direction:
        sender = h11.Connection(h11.CLIENT if direction is TO_SERVER else h11.SERVER)
        expected, text = [], b""
        for body in bodies:
            text += http_message(sender, body)
            expected.append(len(text))
        sent = text + (surplus if direction is TO_SERVER else b"")
        with one_connection() as (pair, link):
            source, sink = ends(pair, direction)
            source.sendall(sent)
            exactly(sink, len(sent))
            assert link.connections[0].boundaries(direction) == expected


def http_message(sender: h11.Connection, body: bytes) -> bytes:
    head: h11.Request | h11.Response
    if sender.our_role is h11.CLIENT:
        length = [("Host", "x"), ("Content-Length", str(len(body)))]
        head = h11.Request(method="POST", target="/", headers=length)
    else:
        if sender.their_state is h11.IDLE:
            sender.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while sender.next_event() not in (h11.NEED_DATA, h11.PAUSED):
            pass
        head = h11.Response(status_code=200, headers=[("Transfer-Encoding", "chunked")])
    text = b""
    for event in (head, h11.Data(data=body), h11.EndOfMessage()):
        text += sender.send(event) or b""
    if sender.our_role is h11.CLIENT:
        answers = h11.Connection(h11.SERVER)
        answers.receive_data(text)
        while not isinstance(answers.next_event(), h11.EndOfMessage):
            pass
        answer = h11.Response(status_code=200, headers=[("Content-Length", "0")])
        sender.receive_data(
            (answers.send(answer) or b"") + (answers.send(h11.EndOfMessage()) or b"")
        )
        while not isinstance(sender.next_event(), h11.EndOfMessage):
            pass
    sender.start_next_cycle()
    return text


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_boundaries_of_websocket_frames(length: int) -> None:
    client, server = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    request = client.send(Request(host="x", target="/"))
    server.receive_data(request)
    list(server.events())
    answer = server.send(AcceptConnection())
    client.receive_data(answer)
    list(client.events())
    texts = {TO_SERVER: (client, request), TO_CLIENT: (server, answer)}
    with one_connection() as (pair, link):
        for direction, (sender, head) in texts.items():
            expected, text = [len(head)], head
            for _ in range(2):
                text += sender.send(Message(data="x" * length))
                expected.append(len(text))
            text += b"\x81\x05abcd"  # the beginning of one more
            source, sink = ends(pair, direction)
            source.sendall(text)
            exactly(sink, len(text))
            assert link.connections[0].boundaries(direction) == expected


def test_boundaries_where_a_service_is() -> None:
    """By a service's own bytes: a poll that opens a connection, and a WebSocket."""
    with in_process(lambda *_: None) as peer, proxy(peer.port) as link:
        path = "/dcp5/socketio/?EIO=4&transport="
        httpx.get(link.url(f"{path}polling"), trust_env=False)
        with closing(socket.create_connection(("127.0.0.1", link.port), HUNG)) as raw:
            client = WSConnection(ConnectionType.CLIENT)
            raw.sendall(client.send(Request(host="x", target=f"{path}websocket")))
            texts: list[str] = []
            while not texts:
                client.receive_data(raw.recv(65536))
                texts = [each.data for each in client.events() if isinstance(each, TextMessage)]
        polled, websocket = link.wait_closed(0), link.wait_closed(1)
        for each, messages in ((polled, 1), (websocket, 2)):
            for direction in Direction:
                found = each.boundaries(direction)
                count = messages if direction is TO_CLIENT else 1
                assert len(found) == count
                assert found[-1] == each.carried(direction)
