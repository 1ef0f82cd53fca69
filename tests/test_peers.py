"""The peers under Node: what they pass on is what was said, and they fail where they should."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from queue import Queue

import attrs
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cg_backends.memory import World
from cg_core import (
    Address,
    Identity,
    Operation,
    Unsupported,
)
from cg_core.ecmascript_json import JSONValue, parse, stringify
from tests.core.json_values import json_values
from tests.peers import node_process
from tests.peers.node import (
    OfficialClient,
    OfficialError,
    OfficialTarget,
    SocketIOServer,
    official_client,
    official_target,
    socketio_server,
)
from tests.peers.rules import rules

TARGET = "11" * 32
OWNER = "22" * 32
MEMBER = "33" * 32
STRANGER = "44" * 32
JOB = "P+Y4IApeFQLrYS2W7MkVg7"
OTHER_JOB = "Q+Y4IApeFQLrYS2W7MkVg8"
FARM: JSONValue = {"joinKey": "farm"}
CREDENTIALS: JSONValue = {"joinKey": "farm", "joinSecret": "s3cret"}
TIMEOUT = 60.0  # of what comes at once, so that a fault is no endless wait


def echo(
    operation: Operation, session_id: str, caller: Address, joins_as: frozenset[Address]
) -> JSONValue:
    """Answers with what was asked."""
    match operation.name:
        case "echo":
            return operation.data  # type: ignore[no-any-return] # it came as JSON
        case "who":
            return {"session": session_id, "caller": caller, "joinsAs": [*sorted(joins_as)]}
        case _:
            raise Unsupported(f"there is no operation {operation.name}")


@pytest.fixture(scope="module")
def target() -> Iterator[OfficialTarget]:
    with official_target(echo, private_key=TARGET) as running:
        yield running


@pytest.fixture(scope="module")
def client(target: OfficialTarget) -> Iterator[OfficialClient]:
    with official_client(target.url, private_key=OWNER) as running:
        yield running


# The official client and the official Target, with our rules behind it.


def test_the_official_client_makes_each_of_its_calls() -> None:
    world = World()
    with (
        official_target(rules(world), private_key=TARGET) as target,
        official_client(target.url, private_key=OWNER) as owner,
    ):
        created = owner.call("createGroup", CREDENTIALS, "render farm", "", {"deployFee": 0.5})
        assert created == {"success": True, "payload": 2}
        limits: JSONValue = {"name": "farm of many", "maxConcurrentJobs": 2}
        assert owner.call("changeGroup", FARM, limits) == {"success": True}
        for job in (JOB, OTHER_JOB):
            added = owner.call("addJobToGroups", job, [CREDENTIALS])
            assert added == {"success": True, "payload": [{"joinKey": "farm", "success": True}]}
        listed = owner.call("listJobs", FARM)
        assert listed == {"success": True, "payload": [JOB, OTHER_JOB]}

        (group,) = world.state().groups
        assert (group.name, group.owner) == ("farm of many", owner.address)
        assert (group.deploy_fee, group.max_concurrent_jobs) == (Decimal("0.5"), 2)

        assert owner.call("removeJob", JOB, FARM) == {"success": True, "payload": JOB}
        assert owner.call("removeAllJobs", FARM) == {"success": True, "payload": [OTHER_JOB]}
        assert owner.call("deleteGroup", FARM) == {"success": True}
        assert world.state().groups == ()


def test_the_rules_refuse_the_official_client() -> None:
    world = World()
    with (
        official_target(rules(world), private_key=TARGET) as target,
        official_client(target.url, private_key=STRANGER) as stranger,
    ):
        farm = world.connect(Identity(OWNER)).create(
            "farm", join_key="farm", join_secret="s3cret", deploy_access="join"
        )
        before = world.state()
        wrong: JSONValue = {"joinKey": "farm", "joinSecret": "guess"}
        for call, code in (
            (("deleteGroup", FARM), "EPERM"),
            (("listJobs", {"joinKey": "no such"}), "ENOENT"),
            (("createGroup", CREDENTIALS, "farm"), "ER_DUP_ENTRY"),
            (("addJobToGroups", JOB, [wrong]), "EACCES"),
        ):
            with pytest.raises(OfficialError) as refusal:
                stranger.call(*call)
            assert refusal.value.code == code
        assert world.state() == before

        # These are refused in the session.
        success, payload = stranger.request("noSuchThing", {})
        assert (success, payload["code"], payload["name"]) == (False, "ENOSYS", "Unsupported")
        success, payload = stranger.request("listJobs", {"descriptor": farm})
        assert (success, payload["code"]) == (False, "EINVAL")
        assert payload["origin"] == target.address


def test_a_signature_of_the_join_address_lets_in() -> None:
    world = World()
    member = Identity(MEMBER).address
    world.connect(Identity(OWNER)).create("lab", join_address=member, deploy_access="join")
    (lab,) = world.state().groups
    data: JSONValue = {"job": JOB, "cgArray": [{"id": lab.opaque_id, "joinAddress": member}]}
    with (
        official_target(rules(world), private_key=TARGET) as target,
        official_client(target.url, private_key=STRANGER) as stranger,
    ):
        for keys in ((), (OWNER,)):
            success, payload = stranger.request("addJobToGroups", data, joins_as=keys)
            assert (success, payload["success"], payload["code"]) == (True, False, "EACCES")
        success, payload = stranger.request("addJobToGroups", data, joins_as=(OWNER, MEMBER))
        assert (success, payload["success"]) == (True, True)
    assert [row.job_id for row in world.state().memberships] == [JOB]


# What passes through.

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**25), 10**25)
scalars = st.none() | st.booleans() | numbers | st.text(st.characters())


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=json_values(scalars, st.sampled_from(["__proto__", "7", "id", "success", "\u2028"])))
def test_data_and_payloads_pass_as_javascript_has_them(
    client: OfficialClient, data: JSONValue
) -> None:
    success, payload = client.request("echo", data)
    assert success
    assert stringify(payload) == stringify(parse(stringify(data)))


def test_a_request_says_who_asks(client: OfficialClient) -> None:
    _, plain = client.request("who", None)
    _, proved = client.request("who", None, joins_as=(MEMBER, STRANGER))
    assert plain["caller"] == client.address == Identity(OWNER).address
    assert re.fullmatch("[0-9a-zA-Z]{42}", plain["session"])
    assert proved["session"] == plain["session"]
    assert plain["joinsAs"] == []
    _, for_another = client.request(
        "who", None, joins_as=(MEMBER,), guardian=Identity(STRANGER).address
    )
    assert for_another["joinsAs"] == []
    assert proved["joinsAs"] == sorted(Identity(key).address for key in (MEMBER, STRANGER))


def test_each_of_many_requests_at_once_gets_its_own_answer(client: OfficialClient) -> None:
    calls = [client.start("request", "echo", number) for number in range(100)]
    assert [call.result(TIMEOUT)["payload"] for call in calls] == list(range(100))


def test_load_makes_so_many_calls() -> None:
    asked = []

    def counted(operation: Operation, *_: object) -> JSONValue:
        asked.append(operation.name)
        return {"success": True, "payload": []}

    with (
        official_target(counted, private_key=TARGET) as target,
        official_client(target.url, private_key=OWNER) as client,
    ):
        for load in (
            client.load("listJobs", FARM, calls=7, at_once=3),
            client.load("request", "echo", {}, calls=5, at_once=10),
        ):
            assert 0 < load.median <= load.p99
            assert load.calls_per_second > 0
        with pytest.raises(OfficialError, match="Insufficient information"):
            client.load("listJobs", {}, calls=2, at_once=1)
    assert asked == ["listJobs"] * 7 + ["echo"] * 5


# Transports and ends.


def test_the_official_peers_talk_by_polling_alone() -> None:
    with (
        official_target(echo, private_key=TARGET, polling=True) as target,
        official_client(target.url, private_key=OWNER, transports=["polling"]) as client,
    ):
        assert client.request("echo", "by polling") == (True, "by polling")


def test_the_official_client_keeps_to_its_transports() -> None:
    texts: Queue[str] = Queue()
    with (
        socketio_server(transports=["polling"], on_text=lambda _, text: texts.put(text)) as server,
        official_client(server.url, private_key=OWNER, transports=["polling"]) as client,
    ):
        client.start("request", "echo", "unheard")
        assert texts.get(timeout=TIMEOUT).startswith("E0000P{")


def test_the_published_target_dies_of_polling() -> None:
    with (  # noqa: PT012 - it dies within
        pytest.raises(RuntimeError, match=r"official_target\.js ended with status"),
        official_target(echo, private_key=TARGET) as target,
        http_client(target.url) as http,
    ):
        session = json.loads(http.get("").text[1:])["sid"]
        assert http.get("", params={"sid": session}).status_code == 404
        with pytest.raises(httpx.TransportError):
            http.post("", params={"sid": session}, content="40")


def test_a_killed_target_can_be_replaced_at_its_place() -> None:
    asked: Queue[str] = Queue()

    def silent(operation: Operation, *_: object) -> JSONValue:
        asked.put(operation.name)
        killed.kill()
        return None  # to nobody

    with official_target(silent, private_key=TARGET) as killed:
        with official_client(killed.url, private_key=OWNER) as client:
            lost = client.start("request", "echo", "lost")
            assert asked.get(timeout=TIMEOUT) == "echo"
            assert not lost.done()
        with pytest.raises(RuntimeError, match="the official client has ended"):
            lost.result(TIMEOUT)
        with pytest.raises(RuntimeError, match="the official client has ended"):
            client.call("request", "echo", "too late")
    with (
        official_target(echo, private_key=TARGET, port=port_of(killed)) as again,
        official_client(again.url, private_key=OWNER) as client,
    ):
        assert (again.url, again.address) == (killed.url, killed.address)
        assert client.request("echo", "found") == (True, "found")


def http_client(url: str) -> httpx.Client:
    """Of Engine.IO's polling at a service."""
    query = {"EIO": "4", "transport": "polling"}
    return httpx.Client(base_url=f"{url}dcp5/socketio/", params=query, timeout=TIMEOUT)


def port_of(target: OfficialTarget) -> int:
    port = httpx.URL(target.url).port
    assert port is not None
    return port


def test_a_port_that_is_taken_is_an_error(target: OfficialTarget) -> None:
    with (
        pytest.raises(RuntimeError, match=r"official_target\.js ended with status 1"),
        official_target(echo, private_key=TARGET, port=port_of(target)),
    ):
        pass


def test_a_fault_in_an_answer_is_raised_at_the_end() -> None:
    asked: Queue[str] = Queue()

    def faulty(operation: Operation, *_: object) -> JSONValue:
        asked.put(operation.name)
        raise ZeroDivisionError

    with (  # noqa: PT012 - it is raised by the end of the block
        pytest.raises(ZeroDivisionError),
        official_target(faulty, private_key=TARGET) as target,
        official_client(target.url, private_key=OWNER) as client,
    ):
        client.start("request", "echo", None)
        asked.get(timeout=TIMEOUT)


def test_without_node_a_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    reason = node_process.missing.__wrapped__()
    assert reason == "Node.js and npm are not installed"
    monkeypatch.setattr(node_process, "missing", lambda: reason)
    with pytest.raises(pytest.skip.Exception, match="Node"), socketio_server():
        pass


# The Socket.IO server.


@attrs.frozen
class Polling:
    """A Socket.IO client by polling, packet by packet."""

    http: httpx.Client
    session: str

    def receive(self) -> list[str]:
        return self.http.get("", params={"sid": self.session}).text.split("\x1e")

    def send(self, packet: str) -> None:
        assert self.http.post("", params={"sid": self.session}, content=packet).text == "ok"


@contextmanager
def polling(server: SocketIOServer) -> Iterator[Polling]:
    with http_client(server.url) as http:
        handshake = json.loads(http.get("").text.removeprefix("0"))
        assert (handshake["pingInterval"], handshake["pingTimeout"]) == (10100, 60010)
        client = Polling(http, handshake["sid"])
        client.send("40")
        assert client.receive()[0].startswith("40{")
        yield client


def test_texts_pass_both_ways_through_the_socketio_server() -> None:
    events: Queue[tuple[str, ...]] = Queue()
    with (
        socketio_server(
            on_open=lambda socket: events.put(("open", socket)),
            on_text=lambda socket, text: events.put(("text", socket, text)),
            on_closed=lambda socket: events.put(("closed", socket)),
        ) as server,
        polling(server) as client,
    ):
        kind, socket = events.get(timeout=TIMEOUT)
        assert kind == "open"
        for text in (
            "",
            "plain",
            'E0000P{"canOoo":true}',
            "\u2028\r\n\0\x1e\u00e9",
            "\ud83d",
            "\U0001f600",
        ):
            packet = f"42{json.dumps(['message', text])}"
            client.send(packet)
            assert events.get(timeout=TIMEOUT) == ("text", socket, text)
            server.send(socket, text)
            (received,) = client.receive()
            assert received[:2] == "42"
            assert json.loads(received[2:]) == ["message", text]
        client.send('42["other","unheard"]')
        client.send('42["message",{"no":"text"}]')
        client.send('42["message","heard"]')
        assert events.get(timeout=TIMEOUT) == ("text", socket, "heard")
        server.close(socket)
        assert events.get(timeout=TIMEOUT) == ("closed", socket)
        assert client.receive() == ["41"]
        assert client.receive()[-1] == "1"  # and not the namespace alone
        server.send(socket, "to nobody")


def test_the_socketio_server_serves_the_transports_that_it_is_told() -> None:
    with (
        socketio_server(transports=["websocket"]) as server,
        http_client(server.url) as http,
    ):
        assert http.get("").json() == {"code": 0, "message": "Transport unknown"}
