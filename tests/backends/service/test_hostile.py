"""Hostile clients of `cg serve`: it stays up, within its memory, and serves the honest ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import httpx
import pytest

from cg_backends.sync import connect
from cg_core import Client, Identity
from cg_core.ecmascript_json import stringify
from cg_core.framing import socketio
from cg_core.sealed import seal
from tests.peers.live_service import CGServe, cg_serve

HONEST: Final = Identity(b"\1" * 32)
HOSTILE: Final = Identity(b"\4" * 32)
TIMEOUT: Final = 30.0  # of what comes at once


@attrs.frozen
class Polling:
    """A client by polling, packet by packet."""

    http: httpx.Client
    sid: str

    def post(self, *packets: str) -> int:
        """Send packets; the status of the answer."""
        body = "\x1e".join(packets).encode()
        return self.http.post("", params={"sid": self.sid}, content=body).status_code

    def say(self, string: str) -> int:
        """Send a string of the DCP transport."""
        return self.post("4" + socketio.message(string))

    def is_over(self) -> bool:
        """Whether the service has ended the connection."""
        for _ in range(9):
            answer = self.http.get("", params={"sid": self.sid})
            if answer.status_code == 400 or {"41", "1"} & set(answer.text.split("\x1e")):
                return True
        return False


@contextmanager
def polling(service: CGServe) -> Iterator[Polling]:
    """A connection that is open."""
    query = {"EIO": "4", "transport": "polling"}
    url = f"{service.url}dcp5/socketio/"
    with httpx.Client(base_url=url, params=query, timeout=TIMEOUT) as http:
        client = Polling(http, json.loads(http.get("").text[1:])["sid"])
        assert client.post("40") == 200
        yield client


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CGServe]:
    folder = tmp_path_factory.mktemp("service")
    with cg_serve(folder, "--max-held", "20000000", "--max-unproved", "60") as running:
        yield running
        assert "ERROR" not in running.log
        assert running.stop() == 0


@pytest.fixture
def honest(service: CGServe) -> Iterator[Client]:
    with connect(service.url, identity=HONEST, idle_timeout=None) as client:
        client.list_groups()
        yield client
        client.list_groups()


def memory(service: CGServe) -> int:
    """What it takes, in bytes."""
    status = Path(f"/proc/{service.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def sealed(body: Any) -> str:
    return seal(HOSTILE, stringify(body))


CONNECT: Final[dict[str, Any]] = {
    "id": "1-2-" + "a" * 21,
    "type": "request",
    "payload": {
        "operation": "connect",
        "data": {"version": "5.3.0", "sid": "b" * 21},
        "allow": [],
        "validity": {"stamp": "c" * 21, "ttl": 120, "time": 1.8e9},
    },
    "auth": {},
    "time": 1.8e9,
    "ackToken": "ATi1-" + "d" * 21,
    "nonce": None,
}
GARBAGE: Final = {
    "no packet of Engine.IO": "9",
    "a packet that only a server sends": "0{}",
    "no packet of Socket.IO": "49",
    "another namespace": "40/admin,",
    "binary": "bAAAA",
    "an event without a string": '42["message",7]',
    "no string of the transport": "4" + socketio.message("Z"),
    "a header that is too long": "4" + socketio.message("EffffC{}"),
    "a piece without a number": "4" + socketio.message("E0002C{}"),
    "a text that is not sealed": "4" + socketio.message("{}"),
    "a depth that is too great": "4" + socketio.message('{"body":' + "[" * 100_000),
    "a signature that is none": "4" + socketio.message(sealed(CONNECT).replace('"v":2', '"v":9')),
    "a body that was altered": "4" + socketio.message(sealed(CONNECT).replace("1-2-", "1-3-")),
    "a body that is no message": "4" + socketio.message(sealed([1, 2, 3])),
    "no connect": "4" + socketio.message(sealed({**CONNECT, "type": "notification"})),
    "a session that nobody has": "4" + socketio.message(sealed({**CONNECT, "dcpsid": "x" * 42})),
    "a connect with a nonce": "4" + socketio.message(sealed({**CONNECT, "nonce": "NNi1"})),
}
IGNORED: Final = {"an event without a string", "binary"}


@pytest.mark.parametrize("label", GARBAGE)
def test_garbage_ends_its_own_connection_and_no_other(
    label: str, service: CGServe, honest: Client
) -> None:
    with polling(service) as hostile:
        assert hostile.post(GARBAGE[label]) == 200
        if label in IGNORED:
            assert hostile.post("3") == 200
        else:
            assert hostile.is_over()
        honest.list_groups()


def piece(number: int, total: int, text: str) -> str:
    header = json.dumps({"msgId": 1, "seq": number, "total": total})
    return f"E{len(header):04x}C{header}{text}"


def test_messages_that_are_never_finished_have_a_cap_together(
    service: CGServe, honest: Client
) -> None:
    before = memory(service)
    with ExitStack() as stack:
        crowd = [stack.enter_context(polling(service)) for _ in range(50)]
        for number in range(10):  # 150 MB in all, where 20 are held
            for hostile in crowd:
                hostile.say(piece(number, 30, "x" * 300_000))
            honest.list_groups()
        assert memory(service) - before < 100_000_000
        assert crowd[0].is_over()
    assert honest.create("large", description="d" * 255, join_key="large")


def test_who_never_says_whose_it_is_makes_room(service: CGServe, honest: Client) -> None:
    with ExitStack() as stack:
        crowd = [stack.enter_context(polling(service)) for _ in range(61)]
        honest.list_groups()
        assert crowd[0].is_over()
        with connect(service.url, identity=Identity(b"\5" * 32)) as newcomer:
            newcomer.list_groups()


def test_a_connect_that_is_repeated_costs_nothing_that_lasts(
    service: CGServe, honest: Client
) -> None:
    text = sealed(CONNECT)
    for _ in range(100):
        with polling(service) as hostile:
            assert hostile.say(text) == 200
    honest.list_groups()
    counted = httpx.get(f"{service.url}metrics").text
    assert "\ncompute_groups_sessions 1\n" in counted
