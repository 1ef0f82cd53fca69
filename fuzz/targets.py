"""What is fuzzed: functions of bytes that raise nothing, whatever the bytes are.

Each takes what a peer, a scheduler or a file may say, and lets pass only the errors that the
function under test documents. What was read is written again, and reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Final

from cg_backends.sql.urls import Location
from cg_core import (
    AddJob,
    AddJobToGroups,
    CancelAllJobs,
    ComputeGroupsError,
    CreateGroup,
    Identity,
    InvalidArgument,
    JobId,
    ListGroups,
    ListJobs,
    Operation,
    ProtocolError,
    Refused,
    Request,
    from_operation,
    from_reply,
    to_operation,
)
from cg_core.ecmascript_json import JSONValue, parse, stringify
from cg_core.framing import (
    HTTPRequest,
    HTTPResponse,
    PollingClient,
    Server,
    WebSocketClient,
    socketio,
)
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.framing.engineio import decode_packet, decode_payload, encode_packet
from cg_core.framing.limits import Limits
from cg_core.remote import Options, RemoteClient, RequestWanted, WebSocket, WebSocketWanted
from cg_core.remote.configuration import service_location
from cg_core.remote.service_url import ServiceURL
from cg_core.row_json import row_from_json, row_to_json
from cg_core.sealed import seal, unseal
from cg_core.service import Execute, Service
from cg_core.session import Instant, RandomIdentifiers, Role, Session
from cg_core.session.message_texts import body_text
from cg_core.session.messages import from_body

OURS, THEIRS = Identity(b"\1" * 32), Identity(b"\2" * 32)
JOB: Final = JobId("P+Y4IApeFQLrYS2W7MkVg7")
REQUESTS: Final[tuple[Request[Any], ...]] = (
    ListJobs("farm"),
    ListGroups(),
    CreateGroup("farm"),
    AddJob("farm", JOB),
    AddJobToGroups(JOB, ["farm", 7]),
    CancelAllJobs("farm"),
)
OPTIONS: Final = Options("http://127.0.0.1:9800/")
LONGEST: Final = 40  # lines, of which each is said to a machine


def ecmascript_json(data: bytes) -> None:
    """A JSON text."""
    with suppress(ProtocolError):
        text = stringify(parse(_text(data)))
        assert stringify(parse(text)) == text


def sealed(data: bytes) -> None:
    """A sealed text."""
    with suppress(ProtocolError):
        found = unseal(_text(data))
        assert unseal(seal(OURS, stringify(found.body))).owner == OURS.address


def message(data: bytes) -> None:
    """The body of a message."""
    with suppress(ProtocolError):
        text = body_text(from_body(parse(_text(data))))
        assert body_text(from_body(parse(text))) == text


def operation(data: bytes) -> None:
    """An operation: its name, a line break, its data."""
    name, _, rest = _text(data).partition("\n")
    with suppress(ProtocolError, Refused, InvalidArgument):
        request = from_operation(Operation(name, parse(rest)), "session")
        with suppress(InvalidArgument):  # what a session proved cannot be said again
            to_operation(request, "session")


def reply(data: bytes) -> None:
    """The reply to each request."""
    with suppress(ProtocolError):
        payload = parse(_text(data))
        for request in REQUESTS:
            for success in (True, False):
                with suppress(ComputeGroupsError):
                    from_reply(request, success, payload)


def engineio(data: bytes) -> None:
    """A packet, and the packets of a body."""
    with suppress(ProtocolError):
        packet = decode_packet(_text(data))
        assert decode_packet(encode_packet(packet)) == packet
    with suppress(ProtocolError):
        decode_payload(_text(data), Limits())


def socketio_packet(data: bytes) -> None:
    """A Socket.IO packet."""
    with suppress(ProtocolError):
        packet = socketio.decode_packet(_text(data))
        again = socketio.decode_packet(socketio.encode_packet(packet))
        assert again.type is packet.type
        assert stringify(again.data) == stringify(packet.data)


def dcp_transport(data: bytes) -> None:
    """The strings of DCP's transport, one on each line."""
    transport = DCPTransport()
    with suppress(ProtocolError):
        for line in _lines(data):
            transport.receive(line)
            with suppress(ProtocolError):
                transport.send(line)
            transport.strings_to_send()
            assert transport.held >= 0


def clients(data: bytes) -> None:
    """What a server says to a WebSocket's client, and to one that polls."""
    websocket = WebSocketClient("/", "x", now=0)
    polling = PollingClient("/", "x", lambda: "t", now=0)
    for second, line in enumerate(_lines(data)):
        websocket.receive_message(line, second)
        websocket.send("{}")
        websocket.messages_to_send()
        for request in polling.requests_to_send():
            body = line.encode(errors="replace")
            polling.receive_response(request, HTTPResponse(200, (), body), second)
        polling.send("{}")
        for each in (websocket, polling):
            each.handle_timeout(second)
            while each.next_event():
                pass


def server(data: bytes) -> None:
    """Requests of HTTP and messages of a WebSocket: a target, a line break, what is said."""
    numbers = count()
    machine = Server(lambda: f"{next(numbers)}")
    machine.accept_websocket("w", HTTPRequest("GET", "/?EIO=4&transport=websocket", (), b""), 0)
    lines = _lines(data)
    for second, (target, said) in enumerate(zip(lines[::2], lines[1::2], strict=False)):
        for method in ("GET", "POST", "OPTIONS"):
            request = HTTPRequest(method, target, (), said.encode(errors="replace"))
            machine.receive_request(f"{method}{second}", request, second)
        machine.receive_message("w", said, second)
        machine.messages_to_send("w")
        machine.handle_timeout(second)
        while machine.next_event():
            pass


def session(data: bytes) -> None:
    """What a peer signs, and says with the right nonce: a body on each line, to either end.

    `$sid` stands for the session's id, `$nonce` for the nonce that is expected, `$id` for the id of
    a request of ours, `$token` for the token of what is on deck.
    """
    for role in Role:
        machine = _session(role)
        for second, line in enumerate(_lines(data)):
            _say(machine, line, second)
            machine.handle_timeout(Instant(second * 10, second * 10))
            while machine.next_event():
                pass


def _session(role: Role) -> Session:
    machine = Session(role, OURS, RandomIdentifiers(role, _numbered()))
    if role is Role.INITIATOR:
        machine.start(Instant(0, 0))
    machine.transport_opened("t", Instant(0, 0))
    with suppress(ComputeGroupsError):
        machine.request(lambda _: Operation("o", {}), Instant(0, 0))
    return machine


def _say(machine: Session, line: str, second: int) -> None:
    now = Instant(second * 10, second * 10)
    delivery = machine._delivery
    on_deck = delivery.on_deck
    known: dict[str, JSONValue] = {
        "$sid": machine.session_id,
        "$nonce": delivery._expected,
        "$token": None if on_deck is None else on_deck.token,
        "$id": next(iter(machine._calls._open), None),
    }
    for name, value in known.items():
        line = line.replace(f'"{name}"', stringify(value))
    with suppress(ProtocolError):
        machine.receive("t", seal(THEIRS, stringify(parse(line))), now)
    machine.data_to_send(now)


def service(data: bytes) -> None:
    """What clients say to a service, under a key of theirs: a body on each line, not in order."""
    machine = Service(OURS, _numbered())
    target = "/dcp5/socketio/?EIO=4&transport=websocket"
    machine.accept_websocket("w", HTTPRequest("GET", target, (), b""), Instant(0, 0))
    machine.receive_message("w", "40", Instant(0, 0))
    for second, line in enumerate(_lines(data)):
        now = Instant(second, second)
        machine.receive_message("w", line, now)
        with suppress(ProtocolError):
            text = seal(THEIRS, stringify(parse(line)))
            machine.receive_message("w", f"4{socketio.message(text)}", now)
        body = line.encode(errors="replace")
        machine.receive_request(second, HTTPRequest("GET", f"/{second}", (), body), now)
        machine.handle_timeout(now)
        while (event := machine.next_event()) is not None:
            if isinstance(event, Execute):
                machine.executed([(event.id, Refused("no"))], now)
        machine.messages_to_send("w", now)


def remote(data: bytes) -> None:
    """What a network brings a client with a call, a thing on each line, by its first character.

    `m` a message of the WebSocket, `c` its end, `r` a response in its place, `p` to a request.
    """
    machine = RemoteClient(OPTIONS, OURS, x_dcp="x", random_text=_numbered())
    machine.call(ListGroups(), Instant(0, 0))
    websockets: list[WebSocket] = []
    requests: list[RequestWanted] = []
    for second, line in enumerate(_lines(data)):
        now = Instant(second, second)
        while (event := machine.next_event()) is not None:
            if isinstance(event, WebSocketWanted):
                websockets.append(event.websocket)
            elif isinstance(event, RequestWanted):
                requests.append(event)
        said = line[1:]
        response = HTTPResponse(200 + len(said) % 400, (), said.encode(errors="replace"))
        match line[:1]:
            case "m" if websockets:
                websockets[-1].receive_message(said, now)
                websockets[-1].messages_to_send()
            case "c" if websockets:
                websockets[-1].closed(now)
            case "r" if websockets:
                websockets[-1].refused(response, now)
            case "p" if requests:
                asked = requests.pop()
                answer = HTTPResponse(200, (), response.body)
                asked.connection.receive_response(asked.request, answer, now)
        machine.handle_timeout(now)


def configuration(data: bytes) -> None:
    """What a scheduler publishes."""
    with suppress(ProtocolError):
        service_location(_text(data))


def row(data: bytes) -> None:
    """A row of an archive."""
    with suppress(ComputeGroupsError):
        found = row_from_json(parse(_text(data)))
        assert row_from_json(row_to_json(found)) == found


def urls(data: bytes) -> None:
    """The URL of a service, and of a database."""
    with suppress(InvalidArgument):
        found = ServiceURL.parse(_text(data))
        assert ServiceURL.parse(str(found)) == found
        assert found.is_private in (True, False)
    with suppress(InvalidArgument, ModuleNotFoundError):
        Location.parse(_text(data))


def _numbered() -> Callable[[], str]:
    # In place of random text, so that a finding is found again.
    numbers = count()
    return lambda: f"{next(numbers):021d}"


def _text(data: bytes) -> str:
    # With lone surrogates, where it is no UTF-8: JSON can say them, too.
    return data.decode("utf-8", "surrogateescape")


def _lines(data: bytes) -> list[str]:
    return _text(data).split("\n")[:LONGEST]


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    each.__name__: each
    for each in (
        ecmascript_json,
        sealed,
        message,
        operation,
        reply,
        engineio,
        socketio_packet,
        dcp_transport,
        clients,
        server,
        session,
        service,
        remote,
        configuration,
        row,
        urls,
    )
}
