"""Peers that others wrote, run under Node. Each ends with its `with` block.

    official_target    dcp-client's Target, which asks us for its answers
    official_client    dcp-client's client of compute groups
    official_protocol  dcp-client's protocol, spoken as nobody should
    socketio_server    a Socket.IO server that passes texts on

A test that starts one is skipped where there is no Node (with --all-peers it fails).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Any

import attrs

from cg_core import Address, ComputeGroupsError, Operation
from cg_core.ecmascript_json import JSONValue
from tests.peers.node_process import PATIENCE, NodeProcess, node_process
from tests.peers.rules import Answer


@attrs.frozen
class OfficialTarget:
    """dcp-client's Target, running.

    Attributes:
        url: the location of the service.
        address: the address of its key.
        kill: ends it at once (SIGKILL).
    """

    url: str
    address: Address
    kill: Callable[[], None]


@contextmanager
def official_target(
    answer: Answer | None = None,
    *,
    private_key: str,
    port: int = 0,
    polling: bool = False,
    fixed: JSONValue = None,
) -> Iterator[OfficialTarget]:
    """dcp-client's Target on 127.0.0.1.

    Args:
        answer: gives the answers, one after the other, in a thread of its own. A
            ComputeGroupsError refuses the request in the session; any other error is raised when
            the block ends.
        private_key: the Target's identity, 64 hex digits.
        port: where it listens; 0 is any free port.
        polling: whether it serves HTTP long-polling besides WebSockets, which the published one
            cannot.
        fixed: in place of `answer`, what it answers to each request, without asking.
    """

    def respond(process: NodeProcess, request: Any) -> None:
        assert answer is not None
        operation = Operation(request["operation"], request.get("data"))
        joins_as = frozenset(map(Address, request["joinsAs"]))
        response: dict[str, JSONValue] = {"id": request["id"]}
        try:
            caller = Address(request["caller"])
            response["payload"] = answer(operation, request["sessionId"], caller, joins_as)
        except ComputeGroupsError as error:
            names = ("message", "code", "name")
            response["error"] = {name: getattr(error, name) for name in names}
        process.write(response)

    options = ["--port", str(port), *(["--keep-404-away"] if polling else [])]
    if fixed is not None:
        options += ["--fixed", json.dumps(fixed)]
    with node_process(
        "official_target.js", *options, private_key=private_key, handle=respond
    ) as process:
        greeting = process.greeting.result()
        yield OfficialTarget(greeting["url"], Address(greeting["address"]), process.kill)


class OfficialError(Exception):
    """The official client failed, or was refused.

    Attributes:
        message: its message.
        code: its code, where it has one.
        returned: whether a function of dcp/compute-groups returned it; else it was thrown.
    """

    def __init__(self, message: str, code: str | None, *, returned: bool = False) -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code
        self.returned = returned


@attrs.frozen
class Load:
    """How long calls took.

    Attributes:
        median: milliseconds.
        p99: milliseconds; of a hundred calls, one took longer.
        calls_per_second: all of them, over the time from the first to the last.
    """

    median: float
    p99: float
    calls_per_second: float


class OfficialScript:
    """A script whose functions are called, by several threads if need be."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._calls: dict[int, Future[Any]] = {}
        self._process: NodeProcess | None = None
        self._has_ended = False

    def start(self, method: str, *args: JSONValue) -> Future[Any]:
        """Begin a call of a function of the script.

        Returns:
            What the function gave, or an OfficialError.
        """
        assert self._process is not None
        id = next(self._ids)
        call: Future[Any] = Future()
        self._calls[id] = call
        self._process.write({"id": id, "method": method, "args": list(args)})
        if self._has_ended:
            self.ended()
        return call

    def call(self, method: str, *args: JSONValue) -> Any:
        """As `start`, and wait for the result."""
        return self.start(method, *args).result(PATIENCE)

    def started(self, process: NodeProcess) -> None:
        """The script runs."""
        self._process = process

    def answered(self, _: NodeProcess, answer: Any) -> None:
        """A call has come to an end."""
        call = self._calls.pop(answer["id"])
        if "error" in answer:
            error = answer["error"]
            call.set_exception(
                OfficialError(
                    error["message"], error.get("code"), returned=error.get("returned", False)
                )
            )
        else:
            call.set_result(answer.get("result"))

    def ended(self) -> None:
        """The script runs no more; nobody waits in vain."""
        self._has_ended = True
        while self._calls:
            _, call = self._calls.popitem()
            call.set_exception(RuntimeError("the official client has ended"))


class OfficialClient(OfficialScript):
    """dcp-client as a client; see `official_client`.

    It has the functions of dcp/compute-groups, and those of the script.

    Attributes:
        address: the address of its key.
    """

    address: Address

    def request(
        self,
        operation: str,
        data: JSONValue,
        *,
        joins_as: Sequence[str] = (),
        guardian: Address | None = None,
    ) -> tuple[bool, Any]:
        """Any request, over a connection that this method has to itself.

        Args:
            operation: its name.
            data: its data.
            joins_as: private keys that authorize it (C-9).
            guardian: the address of the service to which they do; of this one if not given.

        Returns:
            `success` and `payload` of the response.
        """
        response = self.call("request", operation, data, list(joins_as), guardian)
        return response["success"], response.get("payload")

    def load(self, method: str, *args: JSONValue, calls: int, at_once: int) -> Load:
        """Make so many calls of one kind, so many of them at once."""
        found = self.start("load", method, list(args), calls, at_once).result()
        return Load(found["median"], found["p99"], found["callsPerSecond"])

    def started(self, process: NodeProcess) -> None:
        """The client runs."""
        super().started(process)
        self.address = Address(process.greeting.result()["address"])


@contextmanager
def official_client(
    url: str | None = None,
    *,
    private_key: str,
    scheduler: str | None = None,
    transports: Sequence[str] = (),
) -> Iterator[OfficialClient]:
    """dcp-client as a client of a service.

    Args:
        url: the location of the service.
        private_key: the client's identity, 64 hex digits.
        scheduler: without a url, the location of the scheduler that tells it; without either, the
            client's method `moveTo` does.
        transports: "websocket" and "polling", in the order in which it is to try them; its own
            order if not given.
    """
    client = OfficialClient()
    options = [f"--transport={transport}" for transport in transports]
    if url is not None:
        options.append(f"--url={url}")
    elif scheduler is not None:
        options.append(f"--scheduler={scheduler}")
    with node_process(
        "official_client.js",
        *options,
        private_key=private_key,
        handle=client.answered,
        ended=client.ended,
    ) as process:
        client.started(process)
        yield client


@contextmanager
def official_protocol() -> Iterator[OfficialScript]:
    """dcp-client's protocol, spoken as nobody should; its functions are in official_protocol.js."""
    script = OfficialScript()
    with node_process(
        "official_protocol.js", handle=script.answered, ended=script.ended
    ) as process:
        script.started(process)
        yield script


class SocketIOServer:
    """A Socket.IO server; see `socketio_server`.

    Attributes:
        url: the location of the service.
        pid: of its process.
        kill: ends it at once (SIGKILL).
    """

    def __init__(self, process: NodeProcess) -> None:
        self._process = process
        self.url: str = process.greeting.result()["url"]
        self.pid = process.pid
        self.kill = process.kill

    def send(self, socket: str, text: str) -> None:
        """Send a text to a client."""
        self._process.write({"socket": socket, "text": text})

    def close(self, socket: str) -> None:
        """Disconnect a client."""
        self._process.write({"socket": socket, "close": True})


@contextmanager
def socketio_server(
    *,
    on_open: Callable[[str], None] = lambda _: None,
    on_text: Callable[[str, str], None] = lambda *_: None,
    on_closed: Callable[[str], None] = lambda _: None,
    port: int = 0,
    transports: Sequence[str] = (),
    ping_interval: float = 10.1,
    ping_timeout: float = 60.01,
) -> Iterator[SocketIOServer]:
    """Node's Socket.IO server on 127.0.0.1, with the options of the official Target.

    Args:
        on_open: is called with each new client's id, in a thread of its own; an error that one of
            these three raises is raised when the block ends.
        on_text: is called with a client's id and each text that it sent as a `message`.
        on_closed: is called with the id of a client that is gone.
        port: where it listens; 0 is any free port.
        transports: "websocket" and "polling", those that it serves; both if not given.
        ping_interval: seconds between its pings.
        ping_timeout: seconds that it waits for each pong.
    """

    def pass_on(_: NodeProcess, event: Any) -> None:
        if "text" in event:
            on_text(event["socket"], event["text"])
        elif "open" in event:
            on_open(event["socket"])
        else:
            on_closed(event["socket"])

    options = [
        f"--port={port}",
        f"--ping-interval={ping_interval * 1000:.0f}",
        f"--ping-timeout={ping_timeout * 1000:.0f}",
        *(f"--transport={transport}" for transport in transports),
    ]
    with node_process("socketio_server.js", *options, handle=pass_on) as process:
        yield SocketIOServer(process)
