"""What fuzzing begins with: what the official client and Target said in recorded sessions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from cg_core.ecmascript_json import stringify
from tests.golden import DATA, golden
from tests.transcripts import NAMES, Transcript, load

MOST = 200


def seeds(target: str) -> Iterator[bytes]:
    """Some inputs of a target."""
    for text in islice(_texts(target), MOST):
        yield text.encode(errors="replace")  # half a surrogate pair is no UTF-8


def _texts(target: str) -> Iterator[str]:
    match target:
        case "configuration":
            yield (DATA / "kvin" / "minimal.kvin").read_text(encoding="utf-8")
        case "row":
            yield '{"job":{"id":"P+Y4IApeFQLrYS2W7MkVg7","owner":"0x' + "1" * 40 + '"}}'
        case "urls":
            yield from ("http://127.0.0.1:9800/", "https://[::1]/a/b", "sqlite:///farm.db")
            yield "mariadb://user:password@host:3306/database"
        case "operation":
            for entry in golden("operations")["operations"]:
                yield f"{entry['operation']}\n{stringify(entry['data'])}"
        case _:
            for name in NAMES:
                yield from _of_recording(target, load(name))


def _of_recording(target: str, recording: Transcript) -> Iterator[str]:
    frames = [frame for connection in recording.connections for frame in connection.frames]
    match target:
        case "sealed":
            yield from (each.text for each in recording.texts)
        case "engineio" | "clients":
            yield from (frame.packet for frame in frames)
            yield "\n".join(frame.packet for frame in frames if frame.sender == "server")
        case "remote":
            packets = [frame.packet for frame in frames if frame.sender == "server"]
            yield "\n".join(f"m{each}" for each in packets)
            yield "\n".join(["r", *(f"p{each}" for each in packets)])
        case "socketio_packet":
            yield from (frame.packet[1:] for frame in frames if frame.packet.startswith("4"))
        case "dcp_transport":
            yield "\n".join(frame.message for frame in frames if frame.message is not None)
        case "server":
            for frame in frames:
                yield f"/?EIO=4&transport=polling&sid=0\n{frame.packet}"
        case "session" | "service":
            for sender in ("client", "server"):
                said = [each.body for each in recording.texts if each.sender == sender]
                yield "\n".join(stringify(_named(body)) for body in said)
        case _:
            yield from (stringify(each.body) for each in recording.texts)


def _named(body: dict[str, Any]) -> dict[str, Any]:
    # What is another one in each session, by the names that the target knows.
    names = {"dcpsid": "$sid", "nonce": "$nonce", "token": "$token"}
    if body.get("type") == "response":
        names["id"] = "$id"
    return body | {name: value for name, value in names.items() if name in body}
