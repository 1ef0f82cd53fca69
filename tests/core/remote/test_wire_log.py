"""What a log says of messages: enough to follow them, and no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cg_core import Identity
from cg_core.ecmascript_json import stringify
from cg_core.remote.wire_log import described
from cg_core.sealed import seal
from tests.core.json_values import json_values, paths, replaced
from tests.strategies import any_characters

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(any_characters)
names = st.sampled_from(["type", "id", "payload", "operation", "data", "jsonData", "success"])

IDENTITY = Identity(b"\1" * 32)
REQUEST = {
    "id": "id-of-request",
    "type": "request",
    "payload": {"operation": "createGroup", "data": {"joinHash": "eh1-5ec4e7"}},
    "auth": {},
    "dcpsid": "5ec4e7sid",
    "time": 1.5,
    "ackToken": "5ec4e7token",
    "nonce": "5ec4e7nonce",
}
ANSWER = REQUEST | {"type": "response", "success": True, "payload": "5ec4e7"}
FAILED = ANSWER | {"success": False}
TOLD = REQUEST | {"type": "notification", "payload": {"data": "5ec4e7"}}
ACK = {
    "type": "ack",
    "dcpsid": "5ec4e7sid",
    "token": "5ec4e7token",
    "nonce": "5ec4e7nonce",
    "messageId": "id-of-request",
}


def member(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("ackToken", "nonce")}


BATCH = REQUEST | {
    "type": "batch",
    "id": "id-of-batch",
    "payload": [member(REQUEST), member(ANSWER), member(FAILED), member(TOLD)],
}
GOOD = [
    (REQUEST, "request createGroup id-of-request"),
    (ANSWER, "response id-of-request: success"),
    (FAILED, "response id-of-request: failure"),
    (TOLD, "notification id-of-request"),
    (ACK, "ack of id-of-request"),
    (
        BATCH,
        (
            "batch id-of-batch of 4: request createGroup id-of-request; "
            "response id-of-request: success; response id-of-request: failure; "
            "notification id-of-request"
        ),
    ),
]


@pytest.mark.parametrize(("body", "line"), GOOD)
def test_its_kind_its_id_its_size(body: Any, line: str) -> None:
    text = seal(IDENTITY, stringify(body))
    assert described(text) == f"{line}, {len(text)} characters"
    assert "5ec4e7" not in described(text)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '{"body":1}', '{"body":{"type":"5ec4e7"}}', "5ec4e7", "\n"],
)
def test_what_is_no_message(text: str) -> None:
    assert described(text) == f"a text that is no message, {len(text)} characters"


@given(st.data(), st.sampled_from([body for body, _ in GOOD]), json_values(scalars, names))
def test_one_line_whatever_a_peer_says_and_wherever(data: Any, body: Any, value: Any) -> None:
    """Nothing raises, nothing breaks the line, nothing is long, no secret shows."""
    mutated = replaced(body, data.draw(st.sampled_from(list(paths(body)))), value)
    text = json.dumps({"owner": "", "signature": {}, "body": mutated})
    line = described(text)
    assert line.isprintable()
    assert line.endswith(f", {len(text)} characters")
    assert len(line) < 1_500
    assert "5ec4e7" not in line


@given(st.text(any_characters))
@example("x" * 10_000)
def test_ids_are_escaped_and_cut(id: str) -> None:
    line = described(json.dumps({"body": REQUEST | {"id": id}}))
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 250
