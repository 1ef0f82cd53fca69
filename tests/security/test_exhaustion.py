"""The work that a peer makes us do grows as what it says does: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import pytest

from cg_core import (
    AddJobToGroups,
    Descriptor,
    Identity,
    ListJobs,
    Operation,
    ProtocolError,
    to_operation,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.framing import Limits, socketio
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.framing.engineio import decode_payload
from cg_core.operations import from_operation
from cg_core.remote.configuration import service_location
from cg_core.remote.wire_log import described
from cg_core.replies import from_reply
from cg_core.sealed import seal, unseal
from cg_core.session import Instant
from cg_core.session.messages import from_body
from tests.core.function_calls import calls_of

PEER: Final = Identity(b"\4" * 32)
NOW: Final = Instant(0.0, 1.8e9)
JOB: Final = "P+Y4IApeFQLrYS2W7MkVg7"


def work_of(call: Callable[[], object]) -> int:
    """How many functions a call calls, Python's own among them; it may be refused."""

    def refused_or_not() -> None:
        with suppress(ProtocolError):
            call()

    return calls_of(refused_or_not)


def body(**members: Any) -> dict[str, Any]:
    """A request, but for what a test makes of it."""
    payload: Any = {"operation": "listJobs", "data": {}, "allow": [], "validity": None}
    return {"id": "1", "type": "request", "payload": payload, "auth": {}} | members


def piece(seq: int, total: int, text: str = "x") -> str:
    header = f'{{"msgId":1,"seq":{seq},"total":{total}}}'
    return f"E{len(header):04x}C{header}{text}"


def in_pieces(number: int) -> None:
    transport = DCPTransport()
    for seq in reversed(range(number)):
        transport.receive(piece(seq, number))


def adding_to(number: int) -> AddJobToGroups:
    groups = [Descriptor(f"farm {each}", join_secret="s3cret") for each in range(number)]
    return AddJobToGroups(JOB, groups)


def adding_in_data(number: int) -> Operation:
    return to_operation(adding_to(number), "a session")


GRANT: Final = dict.fromkeys(("resource", "guardian", "accessor"), PEER.address)
GROWING: Final[dict[str, Callable[[int], Callable[[], object]]]] = {
    "arrays in a row": lambda n: lambda: stringify(parse(f"[{','.join(['[]'] * n)}]")),
    "deep arrays": lambda n: lambda: parse(f"[{','.join(['[' * 99 + ']' * 99] * n)}]"),
    "arrays without an end": lambda n: lambda: parse("[" * n * 100),
    "quotes": lambda n: lambda: parse('"\\"' * n * 100),
    "numbers": lambda n: lambda: stringify(parse(f"[{','.join(['1.5e-7'] * n)}]")),
    "digits": lambda n: lambda: stringify(parse("9" * n * 100)),
    "indices": lambda n: lambda: stringify({str(each): 1 for each in reversed(range(n))}),
    "the same member": lambda n: lambda: parse("{" + ",".join(['"a":1'] * n) + "}"),
    "a sealed text": lambda n: lambda: unseal(seal(PEER, stringify({"a": ["x"] * n}))),
    "one that nobody signed": lambda n: lambda: unseal(seal(PEER, "{}")[:-3] + "[1]" * n + "}"),
    "packets": lambda n: lambda: decode_payload("\x1e".join(["3"] * n), Limits(payload_packets=n)),
    "a Socket.IO head": lambda n: lambda: socketio.decode_packet("2" + "/" * n * 100),
    "an event": lambda n: lambda: socketio.decode_packet('2["message","' + "\\\\" * n + '"]'),
    "pieces": lambda n: lambda: in_pieces(min(n, 1_000)),
    "members of a batch": lambda n: lambda: from_body(body(type="batch", payload=[body()] * n)),
    "grants": lambda n: lambda: from_body(body(payload={"operation": "x", "allow": [GRANT] * n})),
    "signatures": lambda n: lambda: from_body(body(auth={str(each): {} for each in range(n)})),
    "a list of jobs": lambda n: lambda: from_reply(
        ListJobs("farm"), True, {"success": True, "payload": [JOB] * n}
    ),
    "groups to join": lambda n: partial(from_operation, adding_in_data(n), "a session"),
    "a scheduler's objects": lambda n: lambda: service_location(
        stringify({"_serializeVerId": "v9", "what": {"ctr": 0, "ps": {
            "scheduler": {"seen": n}, "others": {"arr": [{"ctr": 0, "ps": {}}] * n},
        }}})
    ),
    "a line of the log": lambda n: lambda: described(seal(PEER, stringify(body(id="x" * n)))),
}  # fmt: skip


@pytest.mark.parametrize("what", GROWING)
def test_work_grows_as_what_is_said_does(what: str) -> None:
    few, many = (work_of(GROWING[what](n)) for n in (200, 800))
    assert many <= 4.4 * few + 50


def test_work_that_grows_faster_would_be_seen() -> None:
    def square(n: int) -> Callable[[], object]:
        return lambda: [len(()) for _ in range(n) for _ in range(n)]

    few, many = (work_of(square(n)) for n in (200, 800))
    assert many > 4.4 * few + 50
