"""A network in virtual time: a service, a scheduler, and programs with remote clients.

A program does for its client what a backend does. What it sends is under way on a `Line` until
somebody lets it arrive, and so is what comes back. Any of it may be lost, refused, or late.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

from cg_core import (
    ChangeGroup,
    ComputeGroupsError,
    CreateGroup,
    Identity,
    NetworkError,
    ProtocolError,
    Refused,
    Request,
    from_operation,
    to_reply,
)
from cg_core.framing import (
    Closed,
    ConnectionEvent,
    HTTPRequest,
    HTTPResponse,
    Opened,
    ResponseReady,
    Server,
    ServerEvent,
    TextReceived,
    WebSocketEnded,
)
from cg_core.framing import MessagesReady as ServerHasMessages
from cg_core.operations import Operation
from cg_core.remote import (
    Call,
    CallEnded,
    Connection,
    ConnectionEnded,
    Event,
    MessagesReady,
    Options,
    RemoteClient,
    RequestConnection,
    RequestWanted,
    WebSocket,
    WebSocketWanted,
)
from cg_core.session import (
    Instant,
    RequestReceived,
    ResponseReceived,
    Settings,
    Target,
    TransportDropped,
)

CLIENT, SERVICE, OTHER_SERVICE = (Identity(bytes([n]) * 32) for n in (1, 2, 3))
URL = "http://127.0.0.1:9800/"
ORIGIN = "http://127.0.0.1:9800"
SCHEDULER = "https://scheduler.example.org/"
UNIX = 1_800_000_000.0
"""The service's clock at the beginning."""

Outcome: TypeAlias = (
    HTTPResponse | NetworkError | ProtocolError | Literal["works", "silence", "hangs up"]
)
"""What comes of an attempt: an answer in place of the service's, none, or what the service says."""


class Network:
    """Who carries what; `time` is everybody's.

    Attributes:
        websockets, requests, scheduler: what becomes of those that arrive from now on.
        wanted: the URLs of all WebSockets and requests so far, in order.
        acted_on: how often each request was acted on, by its name, by any service.
        service: the one that is there now.
    """

    def __init__(self, *, identity: Identity = SERVICE, settings: Settings | None = None) -> None:
        self.time = 0.0
        numbers = itertools.count()
        self.random_text = lambda: f"x{next(numbers):020}"
        self.websockets: Outcome = "works"
        self.requests: Outcome = "works"
        self.scheduler: Outcome = "silence"
        self.wanted: list[str] = []
        self.acted_on: Counter[str] = Counter()
        self.programs: list[Program] = []
        self.service = Service(self, identity, settings)

    @property
    def now(self) -> Instant:
        """The service's time."""
        return Instant(self.time, UNIX + self.time)

    def kinds(self) -> list[str]:
        """What was wanted, but for the requests of a connection that goes on."""
        return [
            "websocket"
            if "transport=websocket" in url
            else "scheduler"
            if "/etc/dcp-config.kvin?" in url
            else "polling"
            for url in self.wanted
            if "sid=" not in url
        ]

    def steps(self) -> list[Callable[[], None]]:
        """What may arrive next."""
        return [
            step
            for program in self.programs
            for line in program.lines.values()
            for step, queue in ((line.arrive_up, line.up), (line.arrive_down, line.down))
            if queue
        ]

    def let_arrive(self) -> None:
        """Let everything arrive that is under way, and all that comes of it; time stands still."""
        for _ in range(2_000):
            if not (steps := self.steps()):
                return
            for step in steps:
                step()
        raise AssertionError("it does not come to rest")

    def next_deadline(self) -> float:
        """When something is due, at whichever end."""
        times = [self.service.server.next_deadline(), self.service.target.next_deadline()]
        times += [program.client.next_deadline() for program in self.programs]
        return min((time for time in times if time is not None), default=math.inf)

    def advance_to(self, time: float) -> None:
        """Let time pass, during which nothing arrives."""
        self.time = max(self.time, time)
        self.service.handle_timeout()
        for program in self.programs:
            program.handle_timeout()

    def run(self, seconds: float = math.inf, *, until: Callable[[], bool] | None = None) -> None:
        """Let everything arrive at once and time pass: for so many seconds, or until it is so."""
        end = self.time + seconds
        for _ in range(20_000):
            self.let_arrive()
            if until is not None and until():
                return
            due = self.next_deadline()
            if due > end:
                self.advance_to(end)
                return
            assert due < math.inf, "nothing happens any more"
            self.advance_to(due)
        raise AssertionError("it does not come to rest")

    def cut(self, *, heard_here: bool = True, heard_there: bool = True) -> None:
        """All connections break; what is under way is lost; an end may hear of it, or never."""
        for program in self.programs:
            for line in program.lines.values():
                line.cut(heard_here=heard_here, heard_there=heard_there)
        self.service.pump()

    def restart(self, identity: Identity = SERVICE, *, heard: bool = True) -> None:
        """Another service takes the place of the one that was, which knows nothing of it."""
        self.cut(heard_here=heard, heard_there=False)
        self.service = Service(self, identity, self.service.settings)


class Service:
    """A target over a server.

    Attributes:
        answers: whether it answers at once what it acts on; else `answer` does.
        outcome: gives the result, or the refusal, of a request.
        twist: gives what is really sent in place of a text of the session.
        amend: gives what is really sent in place of the body of a response.
        asked: what was acted on and not answered.
        callers: who asked, besides the caller, by C-9: one for each request.
        told: what clients answered to what it asked them.
    """

    def __init__(self, network: Network, identity: Identity, settings: Settings | None) -> None:
        self.settings = settings
        self.answers = True
        self.outcome: Callable[[Request[Any]], Any] = outcome_of
        self.twist: Callable[[str], list[str]] = lambda text: [text]
        self.amend: Callable[[bytes], bytes] = lambda body: body
        self.asked: deque[tuple[str, str, Operation]] = deque()
        self.callers: list[set[str]] = []
        self.told: list[ResponseReceived] = []
        self.server = Server(network.random_text)
        self.target = Target(identity, network.random_text, settings)
        self._network = network

    def pump(self) -> None:
        """Move everything between the layers until nothing moves."""
        now = self._network.now
        moved = True
        while moved:
            moved = False
            while (event := self.server.next_event()) is not None:
                moved = True
                self._on_framing_event(event)
            for sid, text in self.target.data_to_send(now):
                moved = True
                for each in self.twist(text):
                    self.server.send(str(sid), each)
            while (found := self.target.next_event()) is not None:
                moved = True
                self._on_session_event(*found)

    def handle_timeout(self) -> None:
        """Do what is due."""
        self.server.handle_timeout(self._network.time)
        self.target.handle_timeout(self._network.now)
        self.pump()

    def answer(self) -> None:
        """Answer what was asked first."""
        session_id, id, operation = self.asked.popleft()
        request: Any = from_operation(operation, session_id)
        self.target.respond(session_id, id, to_reply(request, self.outcome(request)))
        self.pump()

    def ask_clients(self, times: int) -> None:
        """Ask all clients for something so often, as no service should."""
        for session in self.target._sessions.values():
            for _ in range(times):
                session.request(lambda _: Operation("news", {}), self._network.now)
            self.target._collect(session)
        self.pump()

    def _on_framing_event(self, event: ServerEvent) -> None:
        now = self._network.now
        match event:
            case ResponseReady(Exchange() as exchange, response):
                body = self.amend(response.body)
                exchange.answered(HTTPResponse(response.status, response.headers, body))
            case ServerHasMessages(Line() as line):
                for text in self.server.messages_to_send(line):
                    line.tell(partial(line.websocket.receive_message, text))
            case WebSocketEnded(Line() as line):
                line.tell(line.websocket.closed)
            case ConnectionEvent(sid, Opened()):
                self.target.transport_opened(sid, now)
            case ConnectionEvent(sid, TextReceived(text)):
                self.target.receive(sid, text, now)
            case ConnectionEvent(sid, Closed()):
                self.target.transport_lost(sid, now)

    def _on_session_event(self, session_id: str | None, event: object) -> None:
        match event:
            case TransportDropped(transport):
                self.server.close(str(transport), self._network.time)
            case RequestReceived(id, operation, _, joins_as):
                assert session_id is not None  # a request comes over a session
                self._network.acted_on[name_of(from_operation(operation, session_id))] += 1
                self.callers.append(set(joins_as))
                self.asked.append((session_id, id, operation))
                if self.answers:
                    self.answer()
            case ResponseReceived():
                self.told.append(event)


def name_of(request: Any) -> str:
    """What tells a request from others in these tests."""
    if isinstance(request, CreateGroup):
        return request.name
    if isinstance(request, ChangeGroup):
        return str(request.changes.given()["name"])
    return str(getattr(request, "job", "other"))


def outcome_of(request: Request[Any]) -> Any:
    """A group's id is its number; nothing else is allowed."""
    if isinstance(request, CreateGroup):
        return int(request.name.removeprefix("group "))
    return Refused("this service makes groups", code="ETEST")


def group(number: int) -> CreateGroup:
    """A request with a secret, and a name of its own."""
    return CreateGroup(f"group {number}", join_key="farm", join_secret="s3cret")


class Line:
    """What is under way on one connection, each way."""

    def __init__(self, program: Program, connection: Connection) -> None:
        self.program = program
        self.connection = connection
        self.up: deque[Callable[[], None]] = deque()
        self.down: deque[Callable[[Instant], None]] = deque()
        self.exchanges: list[Exchange] = []  # that have no response yet
        self.service: Service | None = None  # which took the WebSocket
        self.is_over = False  # the client has let go of it
        self.is_dead = False

    @property
    def websocket(self) -> WebSocket:
        """The connection, which is one."""
        assert isinstance(self.connection, WebSocket)
        return self.connection

    def send(self, arrival: Callable[[], None]) -> None:
        """Something is under way to the service."""
        if not self.is_dead:
            self.up.append(arrival)

    def tell(self, report: Callable[[Instant], None]) -> None:
        """Something is under way to the program."""
        if not self.is_dead:
            self.down.append(report)

    def arrive_up(self) -> None:
        """The first thing arrives."""
        if self.up:  # it was cut meanwhile, if not
            self.up.popleft()()
            self.program.network.service.pump()

    def arrive_down(self) -> None:
        """The first thing arrives."""
        if self.down:
            self.down.popleft()(self.program.now)
            self.program.turn()

    def cut(self, *, heard_here: bool, heard_there: bool) -> None:
        """It breaks."""
        server = self.program.network.service.server
        has_begun = not self.up or self.service is not None
        self.up.clear()
        self.down.clear()
        if heard_here and not self.is_dead:
            failure = NetworkError("reset by peer", code="ECONNRESET")
            if isinstance(self.connection, WebSocket):
                websocket = self.connection
                self.tell(websocket.closed if has_begun else partial(websocket.failed, failure))
            for exchange in self.exchanges:
                self.tell(partial(exchange.connection.request_failed, exchange.request, failure))
        if heard_there:
            self._leave(server)
        self.is_dead = True

    def open(self) -> None:
        """The wish for a WebSocket arrives."""
        network = self.program.network
        match network.websockets:
            case "works":
                target = self.websocket.url.removeprefix(ORIGIN)
                request = HTTPRequest("GET", target, self.websocket.headers)
                assert network.service.server.accept_websocket(self, request, network.time) is None
                self.service = network.service
            case HTTPResponse() as response:
                self.tell(partial(self.websocket.refused, response))
            case NetworkError() | ProtocolError() as error:
                self.tell(partial(self.websocket.failed, error))
            case "hangs up":
                self.tell(self.websocket.closed)

    def message(self, text: str) -> None:
        """A message of the WebSocket arrives."""
        if self.service is not None:
            self.service.server.receive_message(self, text, self.program.network.time)

    def let_go(self, grace: float) -> None:
        """The client wants no more of it."""
        assert not self.is_over, "a connection ends once"
        self.is_over = True
        if grace and isinstance(self.connection, WebSocket):
            for text in self.connection.messages_to_send():
                self.send(partial(self.message, text))
        self.send(lambda: self._leave(self.program.network.service.server))

    def _leave(self, server: Server) -> None:
        server.websocket_closed(self)
        for exchange in self.exchanges:
            server.request_cancelled(exchange)


class Exchange:
    """A request that waits for its response."""

    def __init__(self, line: Line, connection: RequestConnection, request: HTTPRequest) -> None:
        self.line = line
        self.connection = connection
        self.request = request
        line.exchanges.append(self)

    def arrive(self) -> None:
        """The request arrives."""
        network = self.line.program.network
        is_lookup = self.request.path == "/etc/dcp-config.kvin"
        match network.scheduler if is_lookup else network.requests:
            case "works":
                network.service.server.receive_request(self, self.request, network.time)
            case HTTPResponse() as response:
                self.answered(response)
            case NetworkError() as error:
                self._failed(error)
            case "hangs up":
                self._failed(NetworkError("no response", code="ECONNRESET"))

    def answered(self, response: HTTPResponse) -> None:
        """The response is under way, if there was none yet."""
        self._end(partial(self.connection.receive_response, self.request, response))

    def _failed(self, error: NetworkError) -> None:
        self._end(partial(self.connection.request_failed, self.request, error))

    def _end(self, report: Callable[[Instant], None]) -> None:
        if self in self.line.exchanges:
            self.line.exchanges.remove(self)
            self.line.tell(report)


class Program:
    """A program with a remote client; it notes what comes of its calls.

    Args:
        network: where it is.
        url: the service's.
        clock: by how much its clock is wrong, in seconds.
        listens: whether it says that it takes what comes between calls.
        options: see `Options`.

    Attributes:
        calls: all calls, in order.
        ended: those that have ended, and how.
        cancelled: those that nobody waits for.
        notes: lines of the log.
        events: all that the client asked and told.
        graces: what it gave to connections that ended.
    """

    def __init__(
        self,
        network: Network,
        url: str | None = URL,
        *,
        clock: float = 0.0,
        listens: bool = True,
        **options: Any,
    ) -> None:
        self.network = network
        self.clock = clock
        self.notes: list[str] = []
        self.events: list[Event] = []
        self.lines: dict[Connection, Line] = {}
        self.calls: list[Call] = []
        self.ended: dict[Call, CallEnded] = {}
        self.cancelled: set[Call] = set()
        self.graces: list[float] = []
        self.client = RemoteClient(
            Options(url, **options),
            CLIENT,
            x_dcp="python release test",
            random_text=network.random_text,
            listens=listens,
            note=self.notes.append,
        )
        network.programs.append(self)

    @property
    def now(self) -> Instant:
        """The program's time."""
        return Instant(self.network.time, UNIX + self.clock + self.network.time)

    @property
    def open_calls(self) -> list[Call]:
        """Calls that somebody waits for."""
        return [x for x in self.calls if x not in self.ended and x not in self.cancelled]

    @property
    def live(self) -> list[Line]:
        """Connections that the client has not let go of."""
        return [line for line in self.lines.values() if not line.is_over]

    def call(self, request: Request[Any] | None = None) -> Call:
        """Make a call; without a request, one that no other call makes."""
        call = self.client.call(request or group(len(self.calls) + 1), self.now)
        self.calls.append(call)
        self.turn()
        return call

    def cancel(self, call: Call) -> None:
        """Wait for it no more."""
        self.cancelled.add(call)
        self.client.cancel(call, self.now)
        self.turn()

    def close(self) -> None:
        """Say goodbye."""
        self.client.close(self.now)
        self.turn()

    def abort(self) -> None:
        """Let go of everything."""
        self.client.abort(self.now)
        self.turn()

    def handle_timeout(self) -> None:
        """Do what is due."""
        self.client.handle_timeout(self.now)
        self.turn()
        assert self.client.next_deadline() > self.network.time, "what was due is still due"

    def finish(self, *calls: Call) -> Any:
        """Run until these calls have ended; the outcome of the last."""
        self.network.run(until=lambda: all(call in self.ended for call in calls))
        return self.outcome(calls[-1])

    def ask(self, request: Request[Any] | None = None) -> Any:
        """Make a call and wait for its outcome: the result, or the error."""
        return self.finish(self.call(request))

    def outcome(self, call: Call) -> Any:
        """The result of a call that has ended, or its error."""
        ended = self.ended[call]
        return ended.result if ended.error is None else ended.error

    def turn(self) -> None:  # noqa: C901 # a case for each event
        """Do what the client asks for."""
        while (event := self.client.next_event()) is not None:
            self.events.append(event)
            match event:
                case WebSocketWanted(websocket):
                    self.network.wanted.append(websocket.url)
                    line = self.lines[websocket] = Line(self, websocket)
                    line.send(line.open)
                case RequestWanted(connection, request):
                    self.network.wanted.append(connection.url(request))
                    if connection not in self.lines:
                        self.lines[connection] = Line(self, connection)
                    line = self.lines[connection]
                    assert not line.is_over, "a request after the end of its connection"
                    line.send(Exchange(line, connection, request).arrive)
                case MessagesReady(websocket):
                    line = self.lines[websocket]
                    assert not line.is_over, "messages after the end of their connection"
                    for text in websocket.messages_to_send():
                        line.send(partial(line.message, text))
                case ConnectionEnded(connection, grace):
                    self.graces.append(grace)
                    if connection in self.lines:  # else not a single request was made
                        self.lines[connection].let_go(grace)
                case CallEnded(call, result, error):
                    assert call not in self.ended, "a call ends twice"
                    assert call not in self.cancelled, "nobody waits for it"
                    assert result is None or error is None
                    assert error is None or isinstance(error, ComputeGroupsError)
                    assert self.network.time <= call.deadline
                    self.ended[call] = event
        for connection, line in tuple(self.lines.items()):
            if line.is_over and not line.up and not line.down:
                del self.lines[connection]
