"""The recorded connections of the official peers, as the tests replay them."""

from __future__ import annotations

import json
from typing import Any

import attrs

from cg_core.framing import engineio, socketio
from cg_core.framing.http import HTTPRequest, HTTPResponse
from tests.golden import DATA


@attrs.frozen
class Exchange:
    """A recorded HTTP request, and its response."""

    request: HTTPRequest
    response: HTTPResponse


def records(name: str) -> list[dict[str, Any]]:
    """What went over the wire, in order: the records of one transcript, without its head."""
    lines = (DATA / "transcripts" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = ("packet", "http-request", "http-response", "ws-control")
    return [record for record in map(json.loads, lines[1:]) if record["kind"] in kinds]


def exchanges(name: str) -> dict[int, Exchange]:
    """The HTTP exchanges of a transcript, with their bodies, by number."""
    found = records(name)
    bodies: dict[tuple[str, int], str] = {}
    for record in found:
        if record["kind"] == "packet" and "exchange" in record:
            key = (record["from"], record["exchange"])
            bodies[key] = f"{bodies[key]}\x1e{record['data']}" if key in bodies else record["data"]
    responses = {
        record["exchange"]: HTTPResponse(
            record["status"],
            tuple(map(tuple, record["headers"])),
            bodies.get(("server", record["exchange"]), record.get("body", "")).encode(),
        )
        for record in found
        if record["kind"] == "http-response"
    }
    return {
        record["exchange"]: Exchange(
            HTTPRequest(
                record["method"],
                record["path"],
                tuple(map(tuple, record["headers"])),
                bodies.get(("client", record["exchange"]), "").encode(),
            ),
            responses[record["exchange"]],
        )
        for record in found
        if record["kind"] == "http-request"
    }


def dcp_text(packet: str) -> str | None:
    """The text that a session sent in an Engine.IO packet; None: the framing's own."""
    if packet.startswith("42"):
        text = socketio.message_text(socketio.decode_packet(packet[1:]))
        return text if text is not None and text.startswith("{") else None
    return None


def dcp_texts(body: bytes) -> list[str]:
    """The texts that a session sent in a body."""
    return [text for text in map(dcp_text, body.decode().split("\x1e")) if text is not None]


def sids(name: str) -> list[str]:
    """The ids that the server gave: Engine.IO's and Socket.IO's."""
    packets = [record["data"] for record in records(name) if record["kind"] == "packet"]
    engine = next(data for data in packets if data.startswith("0"))
    socket = next(data for data in packets if data.startswith("40{"))
    return [engineio.Handshake.decode(engine[1:]).sid, str(json.loads(socket[2:])["sid"])]


# Of the HTTP libraries, not of the framing.
_LIBRARIES_OWN = {"host", "connection", "date", "user-agent", "accept", "content-length",
                  "transfer-encoding"}  # fmt: skip


def own_headers(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """The headers that are the framing's to give; names in lower case."""
    return [(name.lower(), value) for name, value in headers if name.lower() not in _LIBRARIES_OWN]
