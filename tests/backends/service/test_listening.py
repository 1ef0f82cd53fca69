"""Addresses to listen on, and sockets that do."""

from __future__ import annotations

import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_backends.service.listening import listen, parse_listen
from cg_core import InvalidValue, NetworkError

PORTS = st.integers(0, 65_535)


@given(st.ip_addresses(v=4).map(str) | st.from_regex(r"[a-z0-9.-]+", fullmatch=True), PORTS)
def test_hosts_are_read_as_written(host: str, port: int) -> None:
    assert parse_listen(f"{host}:{port}") == (host, port)


@given(st.ip_addresses(v=6).map(str), PORTS)
def test_ipv6_addresses_stand_in_brackets(host: str, port: int) -> None:
    assert parse_listen(f"[{host}]:{port}") == (host, port)
    with pytest.raises(InvalidValue):
        parse_listen(f"{host}:{port}")


WRONG = (
    "", "9800", ":9800", "localhost", "localhost:", "localhost:http", "[]:1", "http://here:1",
    "127.0.0.1:9800/", "127.0.0.1:-1", "127.0.0.1: 1", "127.0.0.1:\u0661", "here:1\n",
)  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_address_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"as in 127\.0\.0\.1:9800 or \[::1\]:9800"):
        parse_listen(text)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_ports_end_at_65535(port: int) -> None:
    with pytest.raises(InvalidValue, match="from 0 to 65535"):
        listen("127.0.0.1", port)
    with pytest.raises(InvalidValue):
        parse_listen(f"127.0.0.1:{port}")


def test_port_0_is_any_free_one() -> None:
    with listen("127.0.0.1", 0) as one, listen("127.0.0.1", 0) as other:
        ports = {each.getsockname()[1] for each in (one, other)}
        assert len(ports - {0}) == 2


def test_who_connects_waits_to_be_accepted() -> None:
    with listen("localhost", 0) as listener:
        socket.create_connection(listener.getsockname()[:2], timeout=30).close()


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_all_of_ipv6_is_all_of_ipv4_too() -> None:
    try:
        listener = listen("::", 0)
    except InvalidValue:
        pytest.skip("this machine has no IPv6")
    with listener:
        for host in ("::1", "127.0.0.1"):
            socket.create_connection((host, listener.getsockname()[1]), timeout=30).close()


def test_port_in_use_is_named() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(NetworkError, match=f"port {port} of 127.0.0.1 is in use"):
            listen("127.0.0.1", port)


def test_port_is_free_as_soon_as_its_connections_have_ended() -> None:
    with listen("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        client = socket.create_connection(address, timeout=30)
        listener.accept()[0].close()  # first, so what remains of the connection is here
        client.close()
    listen(*address).close()


@pytest.mark.parametrize("host", ["", "no such host", "192.0.2.1", "x" * 64])
def test_host_is_to_be_this_machine(host: str) -> None:
    with pytest.raises(InvalidValue, match=r"as in 127\.0\.0\.1:9800"):
        listen(host, 0)


@pytest.mark.parametrize(
    ("number", "told"), [(errno.EACCES, "from 1024 upwards"), (errno.ENOBUFS, "cannot listen")]
)
def test_what_the_system_refuses_is_told(
    number: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, __: object) -> None:
        raise OSError(number, "because")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(NetworkError, match=told):
        listen("127.0.0.1", 0)
