"""All layers on top of each other, both ends: requests in, results out, over a network that fails.

The clients have real sessions over real framing, and so has the service, whose rules are real, too.
Between them are lists of what is under way. Everything may be cut before or after any message.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cg_core import (
    AddJob,
    AddJobResult,
    AddJobToGroups,
    ComputeGroupsError,
    CreateGroup,
    Identity,
    ListJobs,
    NetworkError,
    OutcomeUnknown,
    Refused,
    from_operation,
    from_reply,
    to_operation,
    to_reply,
)
from cg_core.framing import (
    Closed,
    ConnectionEvent,
    HTTPRequest,
    HTTPResponse,
    MessagesReady,
    Opened,
    PollingClient,
    ResponseReady,
    Server,
    TextReceived,
    WebSocketClient,
    WebSocketEnded,
)
from cg_core.session import (
    Instant,
    RandomIdentifiers,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    Role,
    Session,
    SessionClosed,
    Target,
    TransportDropped,
    TransportWanted,
)

FARM = CreateGroup("farm", join_key="farm", join_secret="s3cret")
UNSHRUNK = (Phase.explicit, Phase.generate)  # shrinking would take minutes
CLIENT, SERVICE = Identity(b"\1" * 32), Identity(b"\2" * 32)


class Network:
    """Who carries what; `now` is everybody's time."""

    def __init__(self) -> None:
        self.time = 0.0
        numbers = itertools.count()
        self.random_text = lambda: f"x{next(numbers):020}"
        self.service = Service(self)

    @property
    def now(self) -> Instant:
        return Instant(self.time, 1_800_000_000 + self.time)


class Service:
    """A target over a server: what a service does, but for the input and output."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.server = Server(network.random_text)
        self.target = Target(SERVICE, network.random_text)
        self.responses: dict[object, HTTPResponse] = {}
        self.ready: set[object] = set()
        self.ended: set[object] = set()
        self.asked: list[tuple[str, str, Any]] = []
        self.acted_on: Counter[tuple[str, str]] = Counter()

    def pump(self) -> None:
        """Move everything between the layers until nothing moves."""
        now = self.network.now
        moved = True
        while moved:
            moved = False
            while (event := self.server.next_event()) is not None:
                moved = True
                self.on_framing_event(event)
            for sid, text in self.target.data_to_send(now):
                moved = True
                self.server.send(str(sid), text)
            while (found := self.target.next_event()) is not None:
                moved = True
                self.on_session_event(*found)

    def on_framing_event(self, event: object) -> None:
        now = self.network.now
        match event:
            case ResponseReady(key, response):
                self.responses[key] = response
            case MessagesReady(key):
                self.ready.add(key)
            case WebSocketEnded(key):
                self.ended.add(key)
            case ConnectionEvent(sid, Opened()):
                self.target.transport_opened(sid, now)
            case ConnectionEvent(sid, TextReceived(text)):
                self.target.receive(sid, text, now)
            case ConnectionEvent(sid, Closed()):
                self.target.transport_lost(sid, now)

    def on_session_event(self, session_id: str | None, event: object) -> None:
        match event:
            case TransportDropped(transport):
                self.server.close(str(transport), self.network.time)
            case RequestReceived(id, operation):
                assert session_id is not None
                self.acted_on[session_id, id] += 1
                self.asked.append((session_id, id, operation))

    def answer(self) -> None:
        """Answer the oldest request, with what says which one it was."""
        session_id, id, operation = self.asked.pop(0)
        request: Any = from_operation(operation, session_id)
        outcome: Any
        match request:
            case CreateGroup(name):
                outcome = len(name)
            case ListJobs(group):
                outcome = Refused(f"no {group}", code="ETEST")
            case AddJobToGroups(groups=groups):
                outcome = tuple([AddJobResult(group.name) for group in groups])
        self.target.respond(session_id, id, to_reply(request, outcome))
        self.pump()


class Client:
    """A session over one connection after the other: what a backend does, but for the I/O."""

    def __init__(self, network: Network, *, polling: bool) -> None:
        self.network = network
        self.polling = polling
        self.session = Session(
            Role.INITIATOR, CLIENT, RandomIdentifiers(Role.INITIATOR, network.random_text)
        )
        self.connection: WebSocketClient | PollingClient | None = None
        self.number = 0
        self.is_open = False
        self.up: deque[Any] = deque()  # under way to the service
        self.down: deque[Any] = deque()  # and back
        self.waiting: list[HTTPRequest] = []  # that have arrived
        self.requests: dict[str, Any] = {}
        self.results: dict[str, Any] = {}
        self.is_closed = False
        self.session.start(network.now)
        self.pump()

    @property
    def key(self) -> str:
        return f"websocket {id(self)} {self.number}"

    def ask(self, request: Any) -> None:
        """A user makes a request."""
        call = partial(to_operation, request)
        self.requests[self.session.request(call, self.network.now)] = request
        self.pump()

    def pump(self) -> None:
        """Move everything between the layers until nothing moves."""
        now = self.network.now
        moved = True
        while moved:
            moved = False
            for transport, text in self.session.data_to_send(now):
                moved = True
                if transport == self.number and self.connection is not None:
                    self.connection.send(text)
            while (event := self.session.next_event()) is not None:
                moved = True
                self.on_session_event(event)
            while self.connection and (heard := self.connection.next_event()) is not None:
                moved = True
                self.on_framing_event(heard)
        if isinstance(self.connection, WebSocketClient):
            self.up.extend(self.connection.messages_to_send())
        elif isinstance(self.connection, PollingClient):
            self.up.extend(self.connection.requests_to_send())

    def on_session_event(self, event: object) -> None:
        match event:
            case TransportWanted():
                self.connect()
            case TransportDropped(transport):
                if transport == self.number and self.connection is not None:
                    self.connection.close(self.network.time)
            case ResponseReceived(id, success, payload):
                self.end(id, self.result_of(self.requests[id], payload, success=success))
            case RequestFailed(id, error):
                self.end(id, error)
            case SessionClosed():
                self.is_closed = True

    def result_of(self, request: Any, payload: Any, *, success: bool) -> Any:
        try:
            return from_reply(request, success, payload)
        except ComputeGroupsError as error:
            return error

    def end(self, id: str, result: Any) -> None:
        assert id not in self.results, "a request ends twice"
        self.results[id] = result

    def on_framing_event(self, event: object) -> None:
        now = self.network.now
        match event:
            case Opened():
                self.is_open = True
                self.session.transport_opened(self.number, now)
            case TextReceived(text):
                self.session.receive(self.number, text, now)
            case Closed():
                self.lose_connection()

    def lose_connection(self) -> None:
        self.connection = None
        if self.is_open:
            self.session.transport_lost(self.number, self.network.now)
        else:
            self.session.transport_failed(self.network.now)

    def connect(self) -> None:
        self.number += 1
        self.is_open = False
        self.up.clear()
        self.down.clear()
        time, server = self.network.time, self.network.service.server
        if self.polling:
            self.connection = PollingClient("/", "test", lambda: "t", now=time)
        else:
            client = WebSocketClient("/", "test", now=time)
            assert server.accept_websocket(self.key, client.handshake_request(), time) is None
            self.connection = client
            self.network.service.pump()
            self.take_messages()

    # The wire

    def steps(self) -> list[Any]:
        """What may arrive next."""
        steps: list[Any] = []
        if self.up:
            steps.append(self.arrive_up)
        if self.down:
            steps.append(self.arrive_down)
        return steps

    def arrive_up(self) -> None:
        service, thing = self.network.service, self.up.popleft()
        if isinstance(thing, HTTPRequest):
            service.server.receive_request(thing, thing, self.network.time)
            self.waiting.append(thing)
        else:
            service.server.receive_message(self.key, thing, self.network.time)
        service.pump()
        self.take_messages()

    def take_messages(self) -> None:
        """What the service has said since is under way."""
        service = self.network.service
        if self.key in service.ready:
            service.ready.discard(self.key)
            self.down.extend(service.server.messages_to_send(self.key))
            service.pump()
        if self.key in service.ended:
            service.ended.discard(self.key)
            self.down.append(None)
        for request in list(self.waiting):
            if request in service.responses:
                self.waiting.remove(request)
                self.down.append((request, service.responses.pop(request)))

    def arrive_down(self) -> None:
        thing = self.down.popleft()
        if isinstance(self.connection, WebSocketClient):
            if thing is None:
                self.connection.receive_close()
            else:
                self.connection.receive_message(thing, self.network.time)
        elif isinstance(self.connection, PollingClient) and thing is not None:
            request, response = thing
            self.connection.receive_response(request, response, self.network.time)
        self.pump()

    def cut(self, *, heard_here: bool, heard_there: bool) -> None:
        """The connection breaks; what is under way is lost; an end may hear of it, or not yet."""
        self.up.clear()
        self.down.clear()
        service = self.network.service
        if heard_there:
            service.server.websocket_closed(self.key)
            for request in self.waiting:
                service.server.request_cancelled(request)
            service.pump()
        self.waiting.clear()
        if heard_here and self.connection is not None:
            if isinstance(self.connection, WebSocketClient):
                self.connection.receive_close()
            else:
                self.lose_connection()
        self.pump()

    def handle_timeouts(self) -> None:
        self.session.handle_timeout(self.network.now)
        if self.connection is not None:
            self.connection.handle_timeout(self.network.time)
        self.pump()


def settle(network: Network, clients: list[Client]) -> None:
    """Let everything arrive, and time pass, on a network that works, until all requests end."""
    for _ in range(2_000):
        service = network.service
        steps = [step for client in clients for step in client.steps()]
        for step in steps:
            step()
        while service.asked:
            service.answer()
        for client in clients:
            client.take_messages()
        if not steps and not any(client.steps() for client in clients):
            if all(len(client.results) == len(client.requests) for client in clients):
                return
            due = [client.session.next_deadline() for client in clients]
            due += [client.connection.next_deadline() for client in clients if client.connection]
            due += [service.server.next_deadline(), service.target.next_deadline()]
            network.time = max(network.time, min(time for time in due if time is not None))
            service.server.handle_timeout(network.time)
            service.target.handle_timeout(network.now)
            service.pump()
            for client in clients:
                client.handle_timeouts()
                client.take_messages()
    raise AssertionError("requests are open, and nothing happens any more")


REQUESTS = (FARM, ListJobs("farm"), AddJob("farm", "P+Y4IApeFQLrYS2W7MkVg7", join_secret="s3cret"))


@pytest.mark.parametrize("polling", [False, True])
def test_requests_are_answered(polling: bool) -> None:
    network = Network()
    client = Client(network, polling=polling)
    for request in REQUESTS:
        client.ask(request)
    settle(network, [client])
    created, listed, added = client.results.values()
    assert created == 4
    assert isinstance(listed, Refused)
    assert listed.code == "ETEST"
    assert added is None


@pytest.mark.parametrize("polling", [False, True])
@given(data=st.data())
@settings(max_examples=60, phases=UNSHRUNK)
def test_each_request_is_acted_on_once_and_answered_once(
    polling: bool, data: st.DataObject
) -> None:
    """Whatever is cut, and whoever hears of it when: nothing is lost, nothing doubled."""
    network = Network()
    clients = [Client(network, polling=polling) for _ in range(2)]
    for _ in range(data.draw(st.integers(5, 60), "steps")):
        client = data.draw(st.sampled_from(clients), "client")
        actions: list[Any] = [*client.steps() * 3, partial(client.ask, FARM)]
        actions += [
            partial(client.cut, heard_here=True, heard_there=True),
            partial(client.cut, heard_here=True, heard_there=False),
            partial(client.cut, heard_here=False, heard_there=True),
        ]
        if network.service.asked:
            actions.append(network.service.answer)
        data.draw(st.sampled_from(actions), "action")()
        client.take_messages()
        network.time += data.draw(st.sampled_from([0.0, 0.0, 0.3, 2.0]), "seconds")
        network.service.server.handle_timeout(network.time)
        network.service.target.handle_timeout(network.now)
        network.service.pump()
        for each in clients:
            each.handle_timeouts()
            each.take_messages()
    settle(network, clients)
    assert set(network.service.acted_on.values()) <= {1}
    answers = 0
    for client in clients:
        for result in client.results.values():
            answers += result == 4
            # Where no session came about within the time for it, nothing was sent.
            assert result == 4 or (type(result) is NetworkError and client.is_closed)
    assert len(network.service.acted_on) == answers


@given(data=st.data())
@settings(max_examples=40, phases=UNSHRUNK)
def test_what_is_unknown_after_a_restart_was_done_once_or_not_at_all(data: st.DataObject) -> None:
    network = Network()
    client = Client(network, polling=False)
    client.ask(FARM)
    settle(network, [client])
    for _ in range(data.draw(st.integers(0, 4), "open requests")):
        client.ask(FARM)
    for _ in range(data.draw(st.integers(0, 12), "steps")):
        actions = client.steps()
        if network.service.asked:
            actions.append(network.service.answer)
        if actions:
            data.draw(st.sampled_from(actions), "action")()
        client.take_messages()
    before = network.service
    network.service = Service(network)  # the old one is gone, and all that it knew
    client.cut(heard_here=True, heard_there=False)
    settle(network, [client])
    done = {id for _, id in before.acted_on}
    for id, result in client.results.items():
        if not isinstance(result, ComputeGroupsError):
            assert id in done
        elif not isinstance(result, OutcomeUnknown):
            assert isinstance(result, NetworkError)
            assert id not in done
    assert set(before.acted_on.values()) == {1}
    assert not network.service.acted_on
