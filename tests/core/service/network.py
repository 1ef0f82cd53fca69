"""The network of the remote client's tests, with the service itself in the place of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from cg_core import Identity, Request
from cg_core.framing import (
    HTTPRequest,
    HTTPResponse,
    MessagesReady,
    ResponseReady,
    WebSocketEnded,
)
from cg_core.remote import Options, RemoteClient
from cg_core.remote.service_url import ServiceURL
from cg_core.service import Answered, Execute, Service, ServiceEvent, ServiceLimits
from cg_core.session import Instant
from tests.core.remote import network
from tests.core.remote.network import CLIENT, SERVICE, URL, Exchange, Line, name_of, outcome_of

OTHER, THIRD = (Identity(bytes([n]) * 32) for n in (4, 5))
POLLING: Final = "/dcp5/socketio/?EIO=4&transport=polling"
WEBSOCKET: Final = "/dcp5/socketio/?EIO=4&transport=websocket"


class Network(network.Network):
    """Programs, and a service.

    Args:
        limits: the service's.
        url: the service's.
    """

    served: Served

    def __init__(self, limits: ServiceLimits | None = None, url: ServiceURL | None = None) -> None:
        super().__init__()
        self.scheduler = "works"
        self.served = self.service = Served(self, limits, url)

    def stop(self) -> None:
        """The service is told to stop."""
        self.served.core.stop(self.now)
        self.served.pump()


class Served(network.Service):
    """The service, and a store that a test has in its hands.

    Attributes:
        core: the service.
        executes: whether the store answers at once; else `execute` does.
        outcome: gives the result of a request, or the error.
        waiting: what the store was asked for and has not answered.
        executed: all that it was ever asked for.
        events: what the service told, but for what it asked for.
        responses: the answers to requests that a test has made itself, by their keys.
        texts: the texts that the service has sent.
    """

    def __init__(
        self, network: Network, limits: ServiceLimits | None, url: ServiceURL | None
    ) -> None:
        super().__init__(network, SERVICE, None)
        self.core = Service(SERVICE, network.random_text, url=url, limits=limits)
        self.executes = True
        self.outcome: Callable[[Request[Any]], object] = outcome_of
        self.waiting: dict[int, Execute] = {}
        self.executed: list[Execute] = []
        self.events: list[ServiceEvent] = []
        self.responses: dict[object, HTTPResponse] = {}
        self.texts: list[str] = []
        self.network = network
        self.server: Any = _Face(self)
        self.target: Any = _NothingDue()
        send = self.core._framing.send

        def noted(sid: str, text: str) -> None:
            self.texts.append(text)
            send(sid, text)

        self.core._framing.send = noted  # type: ignore[method-assign] # to listen in

    def pump(self) -> None:
        """Do what the service asks for."""
        while True:
            while (event := self.core.next_event()) is not None:
                self._do(event)
            if not (self.executes and self.waiting):
                return
            self.execute()

    def _do(self, event: ServiceEvent) -> None:
        match event:
            case ResponseReady(Exchange() as exchange, response):
                exchange.answered(response)
            case ResponseReady(key, response):
                assert key not in self.responses, "a request is answered twice"
                self.responses[key] = response
            case MessagesReady(Line() as line):
                for text in self.core.messages_to_send(line, self.network.now):
                    line.tell(partial(line.websocket.receive_message, text))
            case WebSocketEnded(Line() as line):
                line.tell(line.websocket.closed)
            case Execute():
                self.waiting[event.id] = event
                self.executed.append(event)
                self.network.acted_on[name_of(event.request)] += 1
            case _:
                self.events.append(event)

    def handle_timeout(self) -> None:
        """Do what is due."""
        self.core.handle_timeout(self.network.now)
        self.pump()

    def execute(self, *ids: int) -> None:
        """The store answers: all that waits, or some of it."""
        asked = [self.waiting.pop(id) for id in ids or tuple(self.waiting)]
        outcomes = [(each.id, self.outcome(each.request)) for each in asked]
        self.core.executed(outcomes, self.network.now)
        self.pump()

    def gives(self, outcome: object) -> None:
        """From now on this is what comes of each request."""
        self.outcome = lambda _: outcome

    def get(self, target: str, method: str = "GET", **headers: str) -> HTTPResponse:
        """The answer to a request, which has one at once."""
        key = object()
        request = HTTPRequest(method, target, tuple(headers.items()))
        self.core.receive_request(key, request, self.network.now)
        self.pump()
        return self.responses[key]

    def sample(self, name: str) -> float:
        """A number from the page of metrics."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(f"compute_groups_{name} "):
                return float(line.split(" ")[1])
        raise AssertionError(f"there is no {name}")

    def all_of(self, kind: type[Any]) -> list[Any]:
        """The events of one class, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def outcomes(self) -> list[str]:
        """How each answered request ended, in order."""
        return [event.outcome for event in self.all_of(Answered)]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it the store does not answer; it does at the end."""
        self.executes = False
        yield
        self.executes = True
        self.pump()


class _Face:
    # The service as lines and exchanges see it, who know the time by themselves.
    def __init__(self, served: Served) -> None:
        self._core = served.core
        self._network = served.network

    def next_deadline(self) -> float | None:
        return self._core.next_deadline()

    def receive_request(self, key: object, request: HTTPRequest, _: float) -> None:
        headers = (*request.headers, ("Host", "127.0.0.1:9800"))
        whole = HTTPRequest(request.method, request.target, headers, request.body)
        self._core.receive_request(key, whole, self._network.now)

    def request_cancelled(self, key: object) -> None:
        self._core.request_cancelled(key, self._network.now)

    def accept_websocket(self, line: Line, request: HTTPRequest, _: float) -> None:
        refusal = self._core.accept_websocket(line, request, self._network.now)
        if refusal is not None:
            line.tell(partial(line.websocket.refused, refusal))

    def receive_message(self, key: object, text: str, _: float) -> None:
        self._core.receive_message(key, text, self._network.now)

    def websocket_closed(self, key: object) -> None:
        self._core.websocket_closed(key, self._network.now)


class _NothingDue:
    def next_deadline(self) -> None:
        """Sessions are the service's own business here."""


class Program(network.Program):
    """A program; whose it is may be chosen."""

    def __init__(
        self, network: Network, identity: Identity = CLIENT, url: str = URL, **options: Any
    ) -> None:
        super().__init__(network, url, **options)
        self.client = RemoteClient(
            Options(url, **options),
            identity,
            x_dcp="python release test",
            random_text=network.random_text,
            note=self.notes.append,
        )

    def cut(self, *, heard_here: bool = True, heard_there: bool = True) -> None:
        """Its connections break."""
        for line in self.lines.values():
            line.cut(heard_here=heard_here, heard_there=heard_there)
        self.network.service.pump()


def at(seconds: float) -> Instant:
    """A time."""
    return Instant(seconds, network.UNIX + seconds)


def random_texts() -> Callable[[], str]:
    """Ids in place of random ones."""
    numbers = itertools.count()
    return lambda: f"{next(numbers):021}"
