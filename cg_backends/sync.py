"""The sync backend: compute groups of a service, over httpx, without a thread of its own.

    from cg_backends.sync import connect

    with connect("http://127.0.0.1:9800/", identity=identity) as groups:
        farm = groups.create("render farm", join_key="farm", join_secret="s3cret")

No rule of the protocol is here: `cg_core.remote` says what to do, and the threads that wait for
their calls do it. One of them attends to the WebSocket, for all; each HTTP request is made by
whichever is free. Between two calls nobody does anything: what became of the connection meanwhile
is seen at the next call.
"""

from __future__ import annotations

import math
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar, cast

import attrs
import httpx

from cg_backends.http import (
    CHUNK,
    checked_client,
    network_error,
    open_websocket,
    own_client,
    refusal_of,
    request_headers,
    response_head,
    would_block,
)
from cg_backends.keystores import find_identity
from cg_backends.read_deadline import ReadDeadline
from cg_backends.remote import default_scheduler, remote_client
from cg_backends.websocket import WebSocketFrames
from cg_core import (
    Address,
    Client,
    ClientClosed,
    ComputeGroupsError,
    Identity,
    NetworkError,
    OutcomeUnknown,
    Request,
)
from cg_core.framing import HTTPRequest
from cg_core.remote import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    Call,
    CallEnded,
    Connection,
    ConnectionEnded,
    MessagesReady,
    Options,
    RequestConnection,
    RequestWanted,
    TransportName,
    WebSocket,
    WebSocketWanted,
    checked_identity,
)
from cg_core.session import Instant
from cg_core.session.calls import UNKNOWN

T = TypeVar("T")
Job = Callable[[], None]

# Seconds for a write. The kernel takes what a session sends at once, unless the peer is stuck.
_WRITE_TIME = 5.0

_Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


@attrs.define(eq=False)
class _Socket:
    """A WebSocket that is wanted, open, or about to be closed.

    Attributes:
        websocket: the core's name for it.
        frames: touched by who holds the lock.
        stream: httpx's, None until it is open; touched by who attends.
        held: what is to be closed with it.
        is_lost: whether nothing more is to be said.
        has_unread: whether TLS may hold some back of what has come; touched by who attends.
    """

    websocket: WebSocket
    frames: WebSocketFrames = attrs.field(factory=WebSocketFrames)
    stream: Any = None
    held: ExitStack = attrs.field(factory=ExitStack)
    is_lost: bool = False
    has_unread: bool = False

    def has_unsent(self) -> bool:
        """Whether there is something to write, and where."""
        self.frames.send(self.websocket.messages_to_send())
        return self.frames.has_data_to_send and self.stream is not None

    def fileno(self) -> int:
        """What to wait for; -1 where somebody has closed it."""
        found: socket.socket = self.stream.get_extra_info("socket")
        return found.fileno()

    def write(self, data: bytes, timeout: float) -> bool:
        """Write; whether it could be."""
        try:
            if data:
                self.stream.write(data, timeout=timeout)
        except Exception:  # however it ended, it has ended
            return False
        return True

    def read(self) -> bytes | None:
        """What has come: nothing is None, the end is empty."""
        data: bytes = b""
        self.has_unread = False
        try:
            more = data = self.stream.read(CHUNK, timeout=0)
            if self.websocket.url.startswith("https:"):
                while more and len(data) < CHUNK:  # each read gives a record of TLS
                    more = self.stream.read(CHUNK, timeout=0)
                    data += more
                self.has_unread = bool(more)
        except Exception as error:  # however it ended, it has ended
            return (data or None) if would_block(error) else data
        return data


class _Intact:
    """Keeps account of whether what was begun within the lock was brought to its end.

    It stands behind the lock in a `with`: the interpreter lets nobody be interrupted between a
    lock and its release, but in a `with` of Python's own it does.
    """

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._is_whole = True

    def __enter__(self) -> None:
        if not self._is_whole:
            self._client._start_anew()
        self._is_whole = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        self._is_whole = kind is None or issubclass(kind, ComputeGroupsError)


class SyncClient(Client):
    """A client of a service. Threads may use it at once: they share one session."""

    def __init__(
        self, options: Options, identity: Identity | None, http: httpx.Client | None
    ) -> None:
        self._process = os.getpid()
        self._options = options
        self._identity = find_identity() if identity is None else identity
        self._is_own_http = http is None
        self._http = http or own_client(httpx.Client, options)
        self._lock = threading.Lock()
        self._intact = _Intact(self)
        # All below is touched by who holds the lock.
        self._machine = remote_client(options, self._identity, listens=False)
        self._working: set[int] = set()  # the threads that do a job
        self._open: set[object] = set()  # calls
        self._ended: dict[object, CallEnded] = {}
        self._waiting: dict[object, threading.Lock] = {}  # who waits, each for a lock to open
        self._requests: deque[tuple[RequestConnection, HTTPRequest]] = deque()
        self._sockets: dict[WebSocket, _Socket] = {}
        self._attendant: int | None = None  # the thread that attends to the sockets
        self._read_deadline = ReadDeadline()
        self._waker, self._wakened = socket.socketpair()
        self._waker.settimeout(0)
        self._is_closed = False

    def call(self, request: Request[T]) -> T:
        """Carry out a request; see `Client.call`.

        A call that is interrupted may have been acted on; the client can go on being used.
        """
        if os.getpid() != self._process:
            raise ClientClosed("this client was made before a fork; connect anew in each process")
        call = ended = None
        try:
            with self._lock, self._intact:
                self._catch_up()
                call = self._machine.call(request, self._now())
                self._open.add(call)
                self._turn()
            self._work_until(lambda: call in self._ended, call, call.deadline)
        finally:
            try:
                ended = self._leave(call)
            except BaseException:  # an interruption; what it cut short is done again
                self._leave(call)
                raise
        assert ended is not None  # or something was raised
        if ended.error is not None:
            raise ended.error
        result: T = ended.result
        return result

    def close(self) -> None:
        """Say goodbye, and let go of everything. Closing again does nothing."""
        if os.getpid() != self._process:
            return  # the session is that of the process before the fork
        closing = object()
        try:
            with self._lock, self._intact:
                self._catch_up()
                self._machine.close(self._now())
                self._turn()
            self._work_until(lambda: self._machine.is_over and not self._sockets, closing)
        finally:
            try:
                self._leave(closing, closes=True)
            except BaseException:  # as above
                self._leave(closing, closes=True)
                raise
            if self._is_own_http:
                self._http.close()

    def _leave(self, waiter: object, *, closes: bool = False) -> CallEnded | None:
        # Done again where it was interrupted.
        with self._lock, self._intact:
            self._check_own_job()
            self._waiting.pop(waiter, None)
            ended = self._ended.pop(waiter, None)
            if waiter in self._open:
                self._open.discard(waiter)
                if ended is None:
                    self._machine.cancel(cast(Call, waiter), self._now())
            if closes:
                self._is_closed = True
                self._machine.abort(self._now())
                for each in self._sockets.values():
                    each.is_lost = True
            self._turn()
            if self._attendant is None:  # or it does this when it leaves
                self._leave_sockets()
                if self._is_closed:
                    self._waker.close()
                    self._wakened.close()
            if self._attendant is None or self._requests:
                self._ring_one()  # somebody else has to mind the clock, or do what is to be done
        return ended

    # The machine, and what it asks for

    def _now(self) -> Instant:
        return Instant(time.monotonic(), time.time())

    def _check_own_job(self) -> None:
        if threading.get_ident() in self._working:  # it was interrupted, and has reported nothing
            self._start_anew()

    def _end_job(self) -> None:
        self._working.discard(threading.get_ident())
        if self._attendant == threading.get_ident():
            self._attendant = None

    def _start_anew(self) -> None:
        # Somebody was interrupted in the midst of it: nobody can say what became of the calls.
        known = self._machine.service_address
        self._machine = remote_client(self._options, self._identity, listens=False)
        self._machine.service_address = known
        for call in self._open - self._ended.keys():
            error = OutcomeUnknown(
                f"another call was interrupted, and this one's session with it; {UNKNOWN}"
            )
            self._ended[call] = CallEnded(cast(Call, call), None, error)
        for waiter in tuple(self._waiting):
            self._ring(waiter)
        for each in self._sockets.values():
            each.is_lost = True
        self._requests.clear()
        self._end_job()
        if self._attendant not in self._working:  # it was interrupted before it was counted
            self._attendant = None
        self._wake()  # who attends to them still
        if self._is_closed:
            self._machine.abort(self._now())

    def _catch_up(self) -> None:
        # What came since the last call is taken before the clock is looked at: pings, or an end.
        self._check_own_job()
        if self._attendant is None:
            self._leave_sockets()
            if opened := self._opened():
                for each, data in self._listen(opened, 0).items():
                    self._receive(each, data)
        self._machine.handle_timeout(self._now())

    def _turn(self) -> None:
        while (event := self._machine.next_event()) is not None:
            match event:
                case CallEnded(call):
                    if call in self._open:
                        self._ended[call] = event
                        self._ring(call)
                case WebSocketWanted(websocket):
                    self._sockets[websocket] = _Socket(websocket)
                case MessagesReady():
                    self._wake()
                case RequestWanted(connection, request):
                    # What is to be said goes before the request that waits for an answer.
                    put = (
                        self._requests.append
                        if request.method == "GET"
                        else self._requests.appendleft
                    )
                    put((connection, request))
                    self._ring_one()
                case ConnectionEnded(connection, grace):
                    self._end(connection, grace)

    def _end(self, connection: Connection, grace: float) -> None:
        if isinstance(connection, WebSocket):
            each = self._sockets[connection]
            each.frames.send(connection.messages_to_send())
            each.frames.close()
            each.is_lost |= not grace
            self._wake()
        else:
            # (One that is being made ends by its own time.)
            self._requests = deque(item for item in self._requests if item[0] is not connection)

    # Threads

    def _work_until(
        self, is_done: Callable[[], bool], waiter: object, until: float = math.inf
    ) -> None:
        """Do what is to be done, or wait while others do it.

        Args:
            is_done: whether there is no more to do for the one who waits.
            waiter: a name for the one who waits.
            until: when the time of the one who waits is over.
        """
        while True:
            bell = job = None
            with self._lock, self._intact:
                self._waiting.pop(waiter, None)
                self._machine.handle_timeout(self._now())
                self._turn()
                if self._attendant is None:
                    self._leave_sockets()
                if not (done := is_done()):
                    job = self._take_job(until)
                elif not self._waiting:
                    job = self._take_last_words(until)
                if job is not None:
                    self._working.add(threading.get_ident())
                elif not done:
                    bell = self._waiting[waiter] = threading.Lock()
                    bell.acquire()
                patience = self._patience()
            if job is not None:
                job()
            elif bell is not None:
                bell.acquire(timeout=-1 if patience is None else patience)
            else:
                return

    def _take_job(self, until: float) -> Job | None:
        wanted = any(each.stream is None for each in self._sockets.values())
        if (self._requests or (wanted and self._attendant is None)) and self._leave_to_other(until):
            return None
        if self._requests:
            connection, request = self._requests.popleft()
            if self._requests or (self._attendant is None and self._sockets):
                self._ring_one()
            # (Nobody can end it before its time. Where the peer lives, a ping would.)
            until = min(until, time.monotonic() + connection.poll_time)
            timeout = self._patience(until, of_calls=False)
            return partial(self._make_request, connection, request, timeout)
        if self._attendant is not None:
            return None
        for each in self._sockets.values():
            if each.stream is None:
                self._attendant = threading.get_ident()
                return partial(self._open_socket, each, self._patience(until, of_calls=False))
        return self._attendance(self._patience()) if self._sockets else None

    def _leave_to_other(self, until: float) -> bool:
        # What may take long is for the one who has the most time: its end would break it off.
        calls = [waiter for waiter in self._waiting if isinstance(waiter, Call)]
        longest = max(calls, key=attrgetter("deadline"), default=None)
        if longest is None or longest.deadline <= until:
            return False
        self._ring(longest)
        return True

    def _leave_sockets(self) -> None:
        for each in tuple(self._sockets.values()):
            if each.is_lost or not (each.frames.is_open or each.has_unsent()):
                each.held.close()
                del self._sockets[each.websocket]

    def _take_last_words(self, until: float) -> Job | None:
        # Nobody may come to send them for a long while: above all the ack of what was just told.
        if self._requests and self._requests[0][1].method != "GET":
            connection, request = self._requests.popleft()
            timeout = min(_WRITE_TIME, _left(until))
            return partial(self._make_request, connection, request, timeout)
        unsent = any(each.has_unsent() for each in self._sockets.values())
        return self._attendance(0) if unsent and self._attendant is None else None

    def _attendance(self, timeout: float | None) -> Job:
        self._attendant = threading.get_ident()
        if not all(each.frames.is_open for each in self._opened()):
            timeout = 0  # where goodbye was said, nothing is waited for
        writes = [
            (each, each.frames.data_to_send() if each.has_unsent() else b"")
            for each in self._opened()
        ]
        return partial(self._attend, writes, timeout)

    def _opened(self) -> list[_Socket]:
        return [each for each in self._sockets.values() if each.stream is not None]

    def _patience(self, until: float = math.inf, *, of_calls: bool = True) -> float | None:
        # How long nothing needs to be done but what comes by itself. For the sake of another's call
        # nothing is broken off that all may need: whoever waits minds the time of its own.
        due = min(until, self._machine.next_deadline(of_calls=of_calls))
        return None if due == math.inf else _left(due)

    def _ring(self, waiter: object) -> None:
        # (It is one of those who wait until it has the lock: who was rung comes.)
        bell = self._waiting.get(waiter)
        if bell is not None and bell.locked():
            bell.release()

    def _ring_one(self) -> None:
        # One of those who wait is to see what there is to do.
        for waiter, bell in self._waiting.items():
            if bell.locked():
                self._ring(waiter)
                return

    def _wake(self) -> None:
        # There is something to send: the thread that listens is to look up.
        if self._attendant not in (None, threading.get_ident()):
            with suppress(BlockingIOError):  # it has enough to wake up by
                self._waker.send(b"!")

    # Jobs, without the lock

    def _make_request(
        self, connection: RequestConnection, request: HTTPRequest, timeout: float | None
    ) -> None:
        url = connection.url(request)
        give_up_at = _from_now(timeout)
        answer = None
        error: ComputeGroupsError = NetworkError("the request was interrupted")
        try:
            with (
                self._read_deadline.at(give_up_at),
                self._http.stream(
                    request.method,
                    url,
                    headers=request_headers(request.headers),
                    content=request.body,
                    timeout=timeout,
                    follow_redirects=False,
                    **self._read_deadline.options,
                ) as response,
            ):
                body = bytearray()
                for chunk in response.iter_raw(CHUNK):
                    body += chunk
                    if len(body) > connection.response_size:
                        break
                answer = response_head(response, bytes(body))
        except Exception as fault:  # a client of any make
            error = network_error(fault, url)
        finally:
            with self._lock, self._intact:
                self._end_job()
                self._machine.handle_timeout(self._now())
                if answer is None or time.monotonic() > give_up_at:
                    connection.request_failed(request, error, self._now())
                else:
                    connection.receive_response(request, answer, self._now())
                self._turn()

    def _open_socket(self, each: _Socket, timeout: float | None) -> None:
        websocket = each.websocket
        give_up_at = _from_now(timeout)
        report: Callable[[Instant], None] | None = websocket.closed
        first: bytes | None = None
        try:
            with self._read_deadline.at(give_up_at):
                response = each.held.enter_context(
                    open_websocket(
                        self._http, websocket, each.frames, timeout, **self._read_deadline.options
                    )
                )
            refusal = refusal_of(websocket, each.frames, response)
            if refusal is None:
                each.stream = response.extensions["network_stream"]
                first = each.read()  # what nobody can see from outside
            report = refusal
        except Exception as fault:  # a client of any make
            report = partial(websocket.failed, network_error(fault, websocket.url))
        finally:
            with self._lock, self._intact:
                self._end_job()
                self._machine.handle_timeout(self._now())
                if report is not None:
                    report(self._now())
                self._receive(each, first)
                self._turn()

    def _attend(self, writes: list[tuple[_Socket, bytes]], timeout: float | None) -> None:
        # Where this is interrupted, nobody knows what was read: all of them are given up.
        received: Mapping[_Socket, bytes | None] = {each: b"" for each, _ in writes}
        write_time = _WRITE_TIME if timeout is None else min(_WRITE_TIME, timeout)
        try:
            alive = [each for each, data in writes if each.write(data, write_time)]
            heard = self._listen(alive, timeout if len(alive) == len(writes) else 0)
            received = {each: heard[each] if each in alive else b"" for each, _ in writes}
        finally:
            with self._lock, self._intact:
                self._end_job()
                for each, data in received.items():
                    self._receive(each, data)
                self._turn()

    def _listen(self, sockets: list[_Socket], timeout: float | None) -> dict[_Socket, bytes | None]:
        received: dict[_Socket, bytes | None] = dict.fromkeys(sockets)
        if any(each.has_unread for each in sockets):
            timeout = 0
        with _Selector() as selector:
            selector.register(self._wakened, selectors.EVENT_READ)
            for each in sockets:
                if each.fileno() < 0:
                    received[each], timeout = b"", 0
                else:
                    selector.register(each, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(timeout)]
        if self._wakened in ready:
            self._wakened.recv(CHUNK)
        ready += [each for each in sockets if each.has_unread]
        return received | {each: each.read() for each in sockets if each in ready}

    def _receive(self, each: _Socket, data: bytes | None) -> None:
        if data is not None and not each.is_lost:
            for text in each.frames.receive_data(data):
                each.websocket.receive_message(text, self._now())
            if not each.frames.is_open:
                each.websocket.closed(self._now())
            each.is_lost |= not data


def _from_now(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.001)


def connect(
    url: str | None = None,
    *,
    identity: Identity | None = None,
    join_identity: Identity | None = None,
    scheduler: str | None = None,
    timeout: float | None = CALL_TIMEOUT,
    connect_timeout: float | None = CONNECT_TIMEOUT,
    idle_timeout: float | None = IDLE_TIMEOUT,
    http: httpx.Client | None = None,
    transport: TransportName | None = None,
    insecure: bool = False,
    service_address: Address | str | None = None,
) -> SyncClient:
    """A client of a service, to be used in a `with`; it connects at its first call.

    Args:
        url: the service's URL: `http://127.0.0.1:9800/`.
        identity: who signs; without one, the keystore `id` where DCP keeps them.
        join_identity: another identity, whose address groups may let in (C-9).
        scheduler: without a url, the URL of a scheduler that tells it; without either, the
            environment's `DCP_SCHEDULER_LOCATION`.
        timeout: seconds for each call; None for no end.
        connect_timeout: seconds for a session to come about; None for no end.
        idle_timeout: seconds after the last call until the session is closed; None leaves it open.
        http: an httpx client of yours, for TLS, proxies and headers; it is not closed.
        transport: the only one to use; None takes a WebSocket, and polls where there is none.
        insecure: whether join hashes may go unencrypted over a network (C-13).
        service_address: the address that the service must have; None takes the first one's.

    Raises:
        InvalidArgument: one of them cannot be.
    """
    try:
        checked_client(http, asynchronous=False)
        options = Options(
            url,
            scheduler=default_scheduler(url, scheduler),
            join_identity=join_identity,
            timeout=timeout,
            connect_timeout=connect_timeout,
            idle_timeout=idle_timeout,
            transport=transport,
            insecure=insecure,
            service_address=service_address,
        )
        return SyncClient(options, checked_identity("identity", identity), http)
    finally:
        del identity, join_identity  # somebody may take a private key for one (C-13)
