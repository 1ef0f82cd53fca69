"""A server on loopback that says whatever a test has it say, and as much of it as is taken."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from h11 import LocalProtocolError
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from tests.peers.live_service import PATIENCE

_CHUNK = 65_536
_TOO_MUCH = 1_000_000_000  # bytes: who takes so many takes any number


class Talk:
    """One connection; its methods raise OSError as soon as the client has gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._said = 0

    def hear(self) -> bytes:
        """The head of a request, and what came with it."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := self._connection.recv(_CHUNK)):
                raise ConnectionError
            head += data
        return head

    def accept_websocket(self, head: bytes) -> None:
        """Answer the wish for a WebSocket as it should be."""
        server = WSConnection(ConnectionType.SERVER)
        with suppress(LocalProtocolError):
            server.receive_data(head)
        assert isinstance(next(server.events()), Request)
        self.say(server.send(AcceptConnection()))

    def say(self, data: bytes) -> None:
        """Send."""
        self._connection.sendall(data)
        self._said += len(data)

    def say_without_end(self, data: bytes) -> None:
        """Send it again and again, until the client has gone."""
        while self._said < _TOO_MUCH:
            self.say(data)
        raise AssertionError("the client takes anything")

    def wait_for_the_end(self) -> None:
        """Say nothing more; the client is to go."""
        while self._connection.recv(_CHUNK):
            pass


@contextmanager
def hostile_server(script: Callable[[Talk], None]) -> Iterator[str]:
    """The URL of a server that does with each connection what a script says, then closes it.

    At the end it waits until all clients have gone, and tells what went wrong in a script.
    """
    faults: list[BaseException] = []
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            try:
                script(Talk(connection))
            except AssertionError as fault:
                faults.append(fault)

    def accept() -> None:
        with suppress(OSError):  # it is closed
            while True:
                connection, _ = server.accept()
                connection.settimeout(PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threads.append(threading.Thread(target=talk, args=(connection,)))
                threads[-1].start()

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for each in threads:
                each.join()
    assert faults == []
