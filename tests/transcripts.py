"""Recorded sessions of the official client and its Target, in the form that tests replay.

Each file in tests/data/transcripts is what a proxy between the two saw: a header, then a line for
each thing that happened, in order. Here the packets are put to their Engine.IO connections, and the
fragments of a message are joined. Packets are read with json alone, and leniently: a mistake in the
code under test must not be made here, too.
"""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

import attrs

from cg_core import Address, Identity
from tests.golden import DATA

Side: TypeAlias = Literal["client", "server"]
Transport: TypeAlias = Literal["websocket", "polling"]
Source: TypeAlias = Literal["client-app", "target-app", "harness"]

FOLDER = DATA / "transcripts"
NAMES = tuple(sorted(path.stem.partition("-")[0] for path in FOLDER.glob("*.jsonl")))

_EVENT = re.compile(r"42\d*(\[.*)", re.DOTALL)
_EXTENDED = re.compile("E([0-9a-fA-F]{4})([CO])")


@attrs.frozen
class Header:
    """Who took part.

    Attributes:
        target_address: the target's own, but in m3, where a second target takes the place of the
            first: there it is the second's, whose key is k9 of the golden signatures.
    """

    scenario: str
    notes: tuple[str, ...]
    client: Identity
    target: Identity
    client_address: Address
    target_address: Address
    client_options: dict[str, Any]
    target_options: dict[str, Any]


@attrs.frozen
class SealedText:
    """A sealed text as it was sent, once for each time that it was sent.

    Attributes:
        line, t: those of the packet that completed it.
        connection: the number of its Engine.IO connection.
        delivered: whether the proxy passed it on.
        owner: as written, which may be nonsense in the recordings of hand-made peers.
    """

    line: int
    t: float
    sender: Side
    connection: int
    delivered: bool
    text: str = attrs.field(repr=False)
    body: dict[str, Any]
    owner: str


@attrs.frozen
class Frame:
    """One Engine.IO packet.

    Attributes:
        line: its line in the file, which orders all that happened.
        t: seconds since the recording began.
        dropped: the proxy kept it, and cut the connection.
        message: the string, where it is a socket.io event "message" with a string.
        sealed: the sealed text, where the message is one or completes one.
    """

    line: int
    t: float
    sender: Side
    transport: Transport
    dropped: bool
    packet: str = attrs.field(repr=False)
    message: str | None = attrs.field(repr=False)
    sealed: SealedText | None


@attrs.frozen
class Ending:
    """The first sign that a connection is over.

    Attributes:
        by: which side, or the proxy.
        how: "packet 1" (polling) or "close frame" (WebSocket) where it was closed properly, else
            how the TCP connection ended: "FIN", "cut by the harness proxy".
    """

    line: int
    t: float
    by: Literal["client", "server", "proxy"]
    how: str


@attrs.frozen
class Connection:
    """An Engine.IO connection: one WebSocket, or all requests with one sid.

    Attributes:
        number: its place among the connections, from 1.
        transport: the one that it began with; where it was upgraded, the frames tell.
        ended: None where the recording stopped before.
    """

    number: int
    transport: Transport
    frames: tuple[Frame, ...]
    ended: Ending | None


@attrs.frozen
class Event:
    """What a program called or saw, or what the harness did."""

    line: int
    t: float
    source: Source
    text: str
    data: Any = None


@attrs.frozen
class Transcript:
    """One recorded session, or several.

    Attributes:
        refused: when the client tried in vain to open a TCP connection.
    """

    name: str
    header: Header
    connections: tuple[Connection, ...]
    events: tuple[Event, ...]
    texts: tuple[SealedText, ...]
    refused: tuple[float, ...]


@functools.cache
def load(name: str) -> Transcript:
    """A recording by the first word of its file's name, like "f2b" (see NAMES)."""
    (path,) = FOLDER.glob(f"{name}-*.jsonl")
    with path.open(encoding="utf-8") as file:
        header, *lines = map(json.loads, file)
    recording = _Recording()
    for number, line in enumerate(lines, start=2):
        recording.add(number, line)
    return Transcript(
        name,
        _header(header),
        recording.connections(),
        tuple(recording.events),
        tuple(recording.texts),
        tuple(recording.opening.values()),
    )


def _header(header: dict[str, Any]) -> Header:
    client, target = (Identity(header[peer]["private_key"]) for peer in ("client", "target"))
    return Header(
        scenario=header["scenario"],
        notes=tuple(header["notes"]),
        client=client,
        target=target,
        client_address=client.address,
        target_address=Address(header["target"].get("address", target.address)),
        client_options=header["client"]["options"],
        target_options=header["target"]["options"],
    )


class _Recording:
    # The lines of a file, each put in its place. The file numbers TCP connections, of which polling
    # uses one for each request.

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.texts: list[SealedText] = []
        self.opening: dict[int, float] = {}  # TCP connection -> when it was tried
        self._frames: list[list[Frame]] = []  # by Engine.IO connection
        self._endings: dict[int, Ending] = {}
        self._numbers: dict[int | str, int] = {}  # TCP connection or sid -> Engine.IO connection
        self._in_use: set[int] = set()  # TCP connections whose end is that of a transport
        self._fragments: defaultdict[tuple[int, Side, int | str], dict[int, str]] = defaultdict(
            dict
        )

    def connections(self) -> tuple[Connection, ...]:
        return tuple(
            Connection(number, frames[0].transport, tuple(frames), self._endings.get(number))
            for number, frames in enumerate(self._frames, start=1)
        )

    def add(self, place: int, line: dict[str, Any]) -> None:
        match line["kind"]:
            case "app" | "note":
                text = line.get("event") or line["text"]
                event = Event(place, line["t"], line["from"], text, line.get("data"))
                self.events.append(event)
            case "packet":
                self._packet(place, line)
            case "packet-binary":
                pass  # the only one, in n3, is nothing to DCP
            case "tcp-open" | "http-request" | "http-response":
                self._http(line)
            case "ws-control":
                self._end(place, line, "close frame")
            case "tcp-close":
                if line["conn"] in self._in_use:
                    self._end(place, line, line["how"])
            case kind:
                raise ValueError(f"line {place} is of an unknown kind, {kind}")

    def _http(self, line: dict[str, Any]) -> None:
        connection: int = line["conn"]
        if line["kind"] == "tcp-open":
            self.opening[connection] = line["t"]
        elif line["kind"] == "http-request":
            self._in_use.add(connection)
            for sid in parse_qs(urlsplit(line["path"]).query).get("sid", []):
                self._numbers[connection] = self._numbers[sid]
                del self.opening[connection]
        else:
            self.opening.pop(connection, None)
            if line["status"] != 101:  # an answered request has no more use for it
                self._in_use.discard(connection)

    def _packet(self, place: int, line: dict[str, Any]) -> None:
        packet: str = line["data"]
        if packet.startswith("0{"):
            self._frames.append([])
            sid = json.loads(packet[1:])["sid"]
            self._numbers[sid] = self._numbers[line["conn"]] = len(self._frames)
        number = self._numbers[line["conn"]]
        sender: Side = line["from"]
        dropped = "dropped" in line  # a reason, where it was
        message = _message(packet)
        sealed = None
        if message is not None and (text := self._whole(message, number, sender)) is not None:
            match _object(text):
                case {"owner": str(owner), "signature": _, "body": dict(body)}:
                    sealed = SealedText(
                        place, line["t"], sender, number, not dropped, text, body, owner
                    )
                    self.texts.append(sealed)
        frame = Frame(place, line["t"], sender, line["transport"], dropped, packet, message, sealed)
        self._frames[number - 1].append(frame)
        if packet == "1":
            self._end(place, line, "packet 1")

    def _whole(self, message: str, number: int, sender: Side) -> str | None:
        # The text that a message is, or that it completes.
        found = _EXTENDED.match(message)
        if found is None:
            return message
        end_of_header = found.end() + int(found[1], 16)
        header, text = message[found.end() : end_of_header], message[end_of_header:]
        if found[2] == "O":
            return text
        match _object(header):
            case {"msgId": int(id) | str(id), "seq": int(seq), "total": int(total)} if seq < total:
                fragments = self._fragments[number, sender, id]
                fragments[seq] = text
                if len(fragments) == total:
                    return _joined(fragments[place] for place in sorted(fragments))
        return None

    def _end(self, place: int, line: dict[str, Any], how: str) -> None:
        number = self._numbers.get(line["conn"])
        if number is not None:
            self._endings.setdefault(number, Ending(place, line["t"], line["from"], how))


def _message(packet: str) -> str | None:
    found = _EVENT.fullmatch(packet)
    match json.loads(found[1]) if found else None:
        case ["message", str(message), *_]:
            return message
    return None


def _joined(texts: Iterator[str]) -> str:
    # A cut may fall between the halves of a surrogate pair: put together they are one character.
    return "".join(texts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _object(text: str) -> dict[str, Any]:
    # What hand-made peers send may be anything; an object begins at once, without white space.
    try:
        value = json.loads(text) if text.startswith("{") else {}
    except ValueError:
        value = {}
    assert isinstance(value, dict)
    return value
