"""A TCP proxy on loopback that breaks connections where a test says so, at an exact byte.

with proxy(peer.port) as link:
    ...                                        # a run over link.url("/")
    ends = link.connections[0].boundaries(Direction.TO_CLIENT)
with proxy(peer.port, {0: Cut(Direction.TO_CLIENT, ends[3])}) as link:
    ...                                        # the first connection breaks, later ones pass

Where the bytes are not the same in each run, `AtMessage` finds the place by counting messages.
"""

from __future__ import annotations

import asyncio
import enum
import re
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import accumulate
from typing import Final, TypeAlias

import attrs
import h11
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.peers.listening import stop_accepting

_HUNG: Final = 30  # seconds after which a test that waits has failed
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
# What says that frames of a WebSocket follow, of a request and of its answer.
_UPGRADE: Final = re.compile(rb"\r\nupgrade: websocket\r\n", re.IGNORECASE)
_WISH: Final = h11.Request(
    method="GET",
    target="/",
    headers=[("Host", "x"), ("Connection", "Upgrade"), ("Upgrade", "websocket")],
)


class Direction(enum.Enum):
    """Which way bytes go."""

    TO_CLIENT = "to client"
    TO_SERVER = "to server"


BOTH: Final = frozenset(Direction)


@attrs.frozen
class Cut:
    """The connection breaks as soon as so many bytes went in a direction.

    Attributes:
        direction: of the bytes that are counted.
        after: how many of them still arrive.
        reset: whether the ends get an RST; else they get a FIN.
        heard_by: the ends that hear of it: the client (TO_CLIENT), the server. For the other one,
            nothing arrives any more.
    """

    direction: Direction
    after: int = 0
    reset: bool = False
    heard_by: frozenset[Direction] = BOTH


@attrs.frozen
class Stall:
    """Nothing arrives any more, FIN included, as soon as so many bytes went in a direction.

    Attributes:
        direction: of the bytes that are counted.
        after: how many of them still arrive.
        stalled: where nothing arrives any more.
    """

    direction: Direction
    after: int = 0
    stalled: frozenset[Direction] = BOTH


@attrs.frozen
class Refuse:
    """The client's connection is reset at once; the server never hears of it."""


Plan: TypeAlias = Cut | Stall | Refuse


@attrs.frozen
class AtMessage:
    """A plan for the connection that comes to carry a certain message: HTTP's, or a frame.

    Attributes:
        number: which message of those in the plan's direction, over all connections, from 0; they
            are counted from the `AtMessage` before this one.
        plan: what happens then; its `after` is found by this.
        arriving: from the message's length to how many bytes of it still arrive.
    """

    number: int
    plan: Cut | Stall
    arriving: Callable[[int], int] = int


class Carried:
    """One connection, and what it has carried.

    Attributes:
        number: of the connection, from 0.
        is_open: whether the client has not closed it, nor got an RST.
        is_struck: whether its plan has come to pass.
    """

    def __init__(self, number: int, link: Link) -> None:
        self.number = number
        self.is_open = True
        self.is_struck = False
        self._link = link
        self._count: Counter[Direction] = Counter()
        self._data = {direction: bytearray() for direction in Direction}
        self._ends: dict[Direction, _End] = {}  # by the direction of what is written to them
        self._silent: frozenset[Direction] = frozenset()
        self._broken: Cut | None = None
        self._messages = {direction: _Messages(direction) for direction in Direction}

    def carried(self, direction: Direction) -> int:
        """How many bytes have been passed on."""
        return self._count[direction]

    def data(self, direction: Direction) -> bytes:
        """The bytes that have been passed on, where the link keeps them."""
        return bytes(self._data[direction])

    def boundaries(self, direction: Direction) -> list[int]:
        """After how many bytes each HTTP message, or WebSocket frame, has ended."""
        ends = accumulate(map(len, _Messages(direction).split(self.data(direction))))
        return list(ends)

    # In the loop

    def _add(self, end: _End) -> None:
        self._ends[end.towards] = end
        client = self._ends[Direction.TO_CLIENT]
        if end is client:
            self._link._tell("made", self.number)
            if isinstance(self._link.plans.get(self.number), Refuse):
                self.is_struck = True
                client.finish(reset=True)
            else:
                client.transport.pause_reading()  # until there is where to send it
                self._link._connect(self)
        else:
            client.transport.resume_reading()
            self._follow(self._plan())
            if self._broken is not None:
                self._cut(self._broken)

    def _unreachable(self) -> None:
        self._ends[Direction.TO_CLIENT].finish(reset=True)

    def _receive(self, direction: Direction, data: bytes) -> None:
        messages = self._messages[direction]
        if not self._link.at_messages:
            self._pass_on(direction, messages.take_rest() + data)
            return
        for message in messages.split(data):
            if direction not in self._silent:
                self._link._count(self, direction, len(message))
            self._pass_on(direction, message)

    def _pass_on(self, direction: Direction, data: bytes) -> None:
        if direction in self._silent:
            return
        plan = self._plan()  # once: who is told something may make another, for the next byte
        if plan is not None and plan.direction is direction:
            data = data[: max(0, plan.after - self.carried(direction))]
        self._count[direction] += len(data)
        if self._link.keeps_data:
            self._data[direction] += data
        self._ends[direction].transport.write(data)
        self._follow(plan)

    def _plan(self) -> Cut | Stall | None:
        plan = self._link.plans.get(self.number)
        return None if isinstance(plan, Refuse) else plan

    def _follow(self, plan: Cut | Stall | None) -> None:
        if plan is None or self.carried(plan.direction) < plan.after:
            return
        self.is_struck = True
        if isinstance(plan, Stall):
            self._silence(plan.stalled)
        else:
            self._cut(plan)

    def _silence(self, directions: frozenset[Direction]) -> None:
        self._silent |= directions
        for end in self._ends.values():  # one that waits for a slow reader would wait for good
            end.transport.resume_reading()

    def _cut(self, how: Cut) -> None:
        self._silence(BOTH)
        self._broken = how  # also for the server's end, which may be about to come
        for direction in how.heard_by & self._ends.keys():
            self._ends[direction].finish(reset=how.reset)

    def _finished(self, direction: Direction, *, reset: bool) -> None:
        # What comes in this direction has an end.
        if direction not in self._silent and direction in self._ends:
            self._ends[direction].finish(reset=reset)

    def _pause(self, direction: Direction, *, paused: bool) -> None:
        sender = self._ends[_other(direction)].transport
        if paused:
            sender.pause_reading()
        else:
            sender.resume_reading()

    def _abort(self) -> None:
        for end in self._ends.values():
            end.transport.abort()


class _End(asyncio.Protocol):
    # One of the two sockets of a connection; the client's is written to TO_CLIENT.

    transport: asyncio.Transport

    def __init__(self, connection: Carried, towards: Direction) -> None:
        self.towards = towards
        self._connection = connection
        self._has_said_all = False
        self._has_heard_all = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._connection._add(self)

    def data_received(self, data: bytes) -> None:
        self._connection._receive(_other(self.towards), data)

    def eof_received(self) -> bool:
        self._has_heard_all = True
        self._connection._finished(_other(self.towards), reset=False)
        self._close_when_done()
        return True  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection._finished(_other(self.towards), reset=exc is not None)
        if self.towards is Direction.TO_CLIENT:
            self._connection.is_open = False
            self._connection._link._tell("closed", self._connection.number)

    def pause_writing(self) -> None:
        self._connection._pause(self.towards, paused=True)

    def resume_writing(self) -> None:
        self._connection._pause(self.towards, paused=False)

    def finish(self, *, reset: bool) -> None:
        if self.transport.is_closing():
            return
        if reset:
            connected = self.transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()
        elif not self._has_said_all:
            # Not closed: a socket that is closed with bytes unread sends an RST.
            self._has_said_all = True
            self.transport.write_eof()
            self._close_when_done()

    def _close_when_done(self) -> None:
        is_silent = self.towards in self._connection._silent
        if self._has_heard_all and (self._has_said_all or is_silent):
            self.transport.close()


class Link:
    """The proxy. Connections are numbered from 0, in the order in which clients came.

    Attributes:
        port: where it listens, on 127.0.0.1.
        plans: what becomes of a connection, by its number; all others pass. A plan for one that is
            there already counts from its beginning, and works when the next byte comes.
        at_messages: those that are still to come, in order. As long as there are any, messages are
            passed on when they are whole.
        connections: those that there are, and those that there have been.
        keeps_data: whether they keep what they have carried.
    """

    def __init__(
        self,
        portal: BlockingPortal,
        to_port: int,
        plans: Mapping[int, Plan],
        at_messages: Iterable[AtMessage],
        *,
        keeps_data: bool,
    ) -> None:
        self.port = 0
        self.plans: dict[int, Plan] = dict(plans)
        self.at_messages = deque(at_messages)
        self.connections: list[Carried] = []
        self.keeps_data = keeps_data
        self._portal = portal
        self._to_port = to_port
        self._happened = threading.Condition()
        self._seen: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counted: Counter[Direction] = Counter()

    def url(self, path: str = "/") -> str:
        """A service's URL, through this proxy.

        Args:
            path: its path, with a slash at both ends.
        """
        return f"http://127.0.0.1:{self.port}{path}"

    def cut(self, *, reset: bool = False, heard_by: frozenset[Direction] = BOTH) -> None:
        """Break all connections that there are, as `Cut` does."""
        self._portal.call(self._cut, Cut(Direction.TO_CLIENT, 0, reset, heard_by))

    def stall(self, stalled: frozenset[Direction] = BOTH) -> None:
        """Let nothing arrive any more on all connections that there are, as `Stall` does."""
        self._portal.call(self._stall, stalled)

    def wait_made(self, number: int) -> Carried:
        """Wait until a client has made the connection of this number."""
        return self._wait("made", number)

    def wait_closed(self, number: int) -> Carried:
        """Wait until a client has closed the connection of this number, or has got an RST."""
        return self._wait("closed", number)

    def _wait(self, happening: str, number: int) -> Carried:
        with self._happened:
            if not self._happened.wait_for(lambda: (happening, number) in self._seen, _HUNG):
                raise TimeoutError(f"connection {number} was not {happening} within {_HUNG} s")
        return self.connections[number]

    # In the loop

    @asynccontextmanager
    async def _up(self) -> AsyncIterator[None]:
        listener = await asyncio.get_running_loop().create_server(self._accept, "127.0.0.1")
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            await stop_accepting(listener)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for connection in self.connections:
                connection._abort()
            await asyncio.sleep(0)  # sockets are closed in the loop's next round

    def _accept(self) -> _End:
        connection = Carried(len(self.connections), self)
        self.connections.append(connection)
        return _End(connection, Direction.TO_CLIENT)

    def _connect(self, connection: Carried) -> None:
        task = asyncio.ensure_future(self._connect_to_server(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_to_server(self, connection: Carried) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: _End(connection, Direction.TO_SERVER), "127.0.0.1", self._to_port
            )
        except OSError:
            connection._unreachable()

    def _count(self, connection: Carried, direction: Direction, length: int) -> None:
        # A message of a connection is about to be passed on.
        if not self.at_messages:
            return
        at = self.at_messages[0]
        if at.plan.direction is direction and self._counted[direction] == at.number:
            after = connection.carried(direction) + at.arriving(length)
            self.plans[connection.number] = attrs.evolve(at.plan, after=after)
            self.at_messages.popleft()
            self._counted.clear()
        else:
            self._counted[direction] += 1

    async def _cut(self, how: Cut) -> None:
        for connection in self.connections:
            connection._cut(how)
        await asyncio.sleep(0)  # sockets are closed in the loop's next round

    async def _stall(self, stalled: frozenset[Direction]) -> None:
        for connection in self.connections:
            connection._silence(stalled)

    def _tell(self, happening: str, number: int) -> None:
        with self._happened:
            self._seen.add((happening, number))
            self._happened.notify_all()


@contextmanager
def proxy(
    to_port: int,
    plans: Mapping[int, Plan] | None = None,
    at_messages: Iterable[AtMessage] = (),
    *,
    keeps_data: bool = True,
) -> Iterator[Link]:
    """A proxy that is up within a `with`.

    Args:
        to_port: where the service listens, on 127.0.0.1. Where nobody does, clients get an RST.
        plans: what becomes of which connection, by its number; see `Link`.
        at_messages: what happens where, one after the other.
        keeps_data: whether connections keep what they have carried: not in a run of hours.
    """
    with start_blocking_portal() as portal:
        link = Link(portal, to_port, plans or {}, at_messages, keeps_data=keeps_data)
        with portal.wrap_async_context_manager(link._up()):
            yield link


def _other(direction: Direction) -> Direction:
    return Direction.TO_SERVER if direction is Direction.TO_CLIENT else Direction.TO_CLIENT


class _Messages:
    # What goes over a connection in one direction, message by message.

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._end_of = _http_end
        self._rest = b""

    def split(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        while self._rest and (length := self._end_of(self._rest, self._direction)) is not None:
            message, self._rest = self._rest[:length], self._rest[length:]
            if self._end_of is _http_end and _UPGRADE.search(message):
                self._end_of = _frame_end
            yield message

    def take_rest(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest


def _http_end(data: bytes, direction: Direction) -> int | None:
    if direction is Direction.TO_SERVER:
        connection = h11.Connection(h11.SERVER)
    else:
        connection = h11.Connection(h11.CLIENT)
        connection.send(_WISH)
        connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    event: object = None
    # What is paused has changed to WebSocket's protocol.
    while not isinstance(event, h11.EndOfMessage) and event is not h11.PAUSED:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            return None
    return len(data) - len(connection.trailing_data[0])


def _frame_end(data: bytes, direction: Direction) -> int | None:
    if len(data) < 2:
        return None
    length = data[1] & 0x7F
    extra = {126: 2, 127: 8}.get(length, 0)
    if extra:
        length = int.from_bytes(data[2 : 2 + extra], "big")
    end = 2 + extra + (4 if data[1] & 0x80 else 0) + length
    return end if end <= len(data) else None
