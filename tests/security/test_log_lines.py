"""What peers choose is no line of its own, in logs, on terminals, in metrics."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_backends.cli.ending import error_to_json
from cg_backends.cli.printable import printable
from cg_core import BadCredentials, Identity, Operation
from cg_core.ecmascript_json import stringify
from cg_core.framing import HTTPResponse
from cg_core.remote.failures import of_answer
from cg_core.remote.wire_log import described
from cg_core.sealed import seal
from cg_core.service.metrics import Metrics
from tests.core.service.network import Network, Program

PEER: Final = Identity(b"\4" * 32)
HARMFUL: Final = (
    "\nINFO all is well", "\r\n", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x9b31m", "\x00",
    "\x08\x08",
    "\u2028", "\u2029", "\x85", "\u202egnp.exe", "\u2066", "\ufeff", "\u200b", "\x7f",
)  # fmt: skip
harmful = st.lists(st.sampled_from(HARMFUL) | st.text(max_size=3), min_size=1, max_size=6).map(
    "".join
)


def is_a_line(text: str) -> bool:
    """Whether it is one line, on which no character is any but itself."""
    return text.isprintable() and len(text.splitlines()) <= 1


def test_these_tests_would_see_what_does_harm() -> None:
    assert [text for text in HARMFUL if is_a_line(text)] == []


@given(harmful)
def test_on_a_terminal_it_is_escaped(text: str) -> None:
    assert is_a_line(printable(text))
    assert printable(printable(text)) == printable(text)
    assert is_a_line(json.dumps(error_to_json(BadCredentials(text))))


@given(harmful, harmful)
def test_in_what_a_client_notes_of_the_wire_it_is_escaped(text: str, other: str) -> None:
    payload: Any = {"operation": text[:200], "data": {}, "allow": [], "validity": None}
    body: Any = {"id": other[:200], "type": "request", "payload": payload, "auth": {}}
    assert is_a_line(described(seal(PEER, stringify(body))))
    headers = (("Location", text), ("Retry-After", text))
    for status in (302, 503):
        answer = HTTPResponse(status, headers)
        assert is_a_line(of_answer("http://127.0.0.1/", "a WebSocket", answer).message)


SAMPLE: Final = re.compile(r'compute_groups_[a-z_]+({([a-z]+="[A-Za-z0-9_.+]*",?)+})? \S+')


@pytest.mark.parametrize("name", [*HARMFUL, 'x"} 1\ncompute_groups_sessions 9\n#', "listJobs"])
def test_in_metrics_no_name_is_a_peers(name: str) -> None:
    network = Network()
    program = Program(network, transport=None)
    with pytest.MonkeyPatch.context() as patch:
        for data in ({}, {"descriptor": {"joinKey": name}}, {"descriptor": name}):
            operation = Operation(name, data)
            patch.setattr("cg_core.remote.client.to_operation", lambda *_, it=operation: it)
            program.ask()
    page = network.served.get("/metrics").body.decode()
    for line in page.splitlines():
        assert line.startswith("# ") or SAMPLE.fullmatch(line), line
    assert Metrics().exposition(connections=0, sessions=0, waiting=0).isascii()
