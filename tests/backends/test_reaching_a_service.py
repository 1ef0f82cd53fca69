"""The ways to a service, and what is said where there is none: all three backends, called alike."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs
import httpx
import pytest
import trustme

from cg_backends.conformance import ALICE, BOB, CAROL, JOB
from cg_backends.http import CHUNK
from cg_backends.keystores import save_identity
from cg_backends.memory import World
from cg_core import (
    Client,
    ComputeGroupsError,
    InvalidType,
    InvalidValue,
    NetworkError,
    ProtocolError,
    Refused,
)
from cg_core.ecmascript_json import JSONValue, stringify
from cg_core.framing import HTTPResponse
from cg_core.remote import TransportName
from tests.backends.remote import BACKENDS, TRANSPORTS, client_in, event_loop
from tests.core.test_secrecy import error_of
from tests.peers.hostile_server import Talk, hostile_server
from tests.peers.in_process import in_process
from tests.peers.relays import http_proxy, tls
from tests.peers.rules import rules


class Connect(Protocol):
    def __call__(self, url: str | None = None, **options: Any) -> Client: ...


@attrs.frozen
class Caller:
    """Makes clients of one backend, and httpx clients for it."""

    connect: Connect
    http: Callable[..., Any]


@pytest.fixture
def caller(backend: str) -> Iterator[Caller]:
    with event_loop(backend) as loop, ExitStack() as clients:

        def connect(url: str | None = None, **options: Any) -> Client:
            options.setdefault("identity", ALICE)
            return clients.enter_context(client_in(loop, backend, url, **options))

        def http(**given: Any) -> httpx.Client | httpx.AsyncClient:
            if loop is None:
                return clients.enter_context(httpx.Client(**given))
            client = loop.call(lambda: httpx.AsyncClient(**given))
            clients.callback(lambda: loop.call(client.aclose))
            return client

        yield Caller(connect, http)


def works(groups: Client) -> bool:
    """A call through and back; the client is closed, while there is whom to tell."""
    with groups:
        return groups.list_groups() == ()


def fault_of(groups: Client) -> ComputeGroupsError:
    """The error of a call that cannot succeed."""
    error = error_of(groups.list_groups)
    assert isinstance(error, ComputeGroupsError)
    return error


def last_fault(caller: Caller, url: str, **options: Any) -> ComputeGroupsError:
    """The error of a call for which connections are tried until its time is over.

    On a busy machine none may have been tried to the end by then: it is given more time.
    """
    for seconds in (0.5, 2.0):
        error = fault_of(caller.connect(url, connect_timeout=seconds, **options))
        if error.code != "ETIMEDOUT":
            return error
    return fault_of(caller.connect(url, connect_timeout=20.0, **options))


# Ways


@contextmanager
def behind_tls(port: int) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A URL with TLS, and a context that trusts it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with tls(port, context) as here:
        yield f"https://localhost:{here}/", trusting


def test_tls_with_a_ca_of_ones_own(caller: Caller, transport: TransportName) -> None:
    world = World()
    with in_process(rules(world)) as peer, behind_tls(peer.port) as (url, context):
        http = caller.http(verify=context)
        groups = caller.connect(url, http=http, transport=transport)
        farm = groups.create("farm", join_key="farm", join_secret="s3cret")
        jobs = [f"{number:022}" for number in range(2 * CHUNK // 25)]
        here = world.connect(ALICE.address)
        for job in jobs:  # an answer of several TLS records, and of more than one reading
            here.add_job(farm, job, join_key="farm", join_secret="s3cret")
        assert list(groups.list_jobs(farm)) == jobs
        groups.close()
        assert not http.is_closed


def test_a_certificate_that_is_not_trusted(caller: Caller) -> None:
    with in_process(rules(World())) as peer, behind_tls(peer.port) as (url, _):
        error = fault_of(caller.connect(url))
        assert (type(error), error.code) == (NetworkError, "ECERT")
        assert "http=" in str(error)
        assert peer.service.opened == []


def test_a_certificate_for_another_name(caller: Caller) -> None:
    with in_process(rules(World())) as peer, behind_tls(peer.port) as (url, context):
        elsewhere = url.replace("localhost", "127.0.0.1")
        error = fault_of(caller.connect(elsewhere, http=caller.http(verify=context)))
        assert error.code == "ECERT"


def test_a_proxy_that_lets_no_websocket_through(caller: Caller) -> None:
    seen: list[str] = []
    with in_process(rules(World())) as peer, http_proxy(seen) as proxy:
        http = caller.http(proxy=proxy)
        assert works(caller.connect(peer.url, http=http))
        assert any("transport=websocket" in each for each in seen)
        assert any(each.startswith("POST") for each in seen)


def test_only_a_websocket_behind_such_a_proxy(caller: Caller) -> None:
    with in_process(rules(World())) as peer, http_proxy([]) as proxy:
        http = caller.http(proxy=proxy)
        error = fault_of(caller.connect(peer.url, http=http, transport="websocket"))
        assert isinstance(error, ProtocolError)
        assert "HTTP status 400" in str(error)


def test_a_tunnel_through_a_proxy(caller: Caller) -> None:
    seen: list[str] = []
    with (
        in_process(rules(World())) as peer,
        behind_tls(peer.port) as (url, context),
        http_proxy(seen) as proxy,
    ):
        http = caller.http(proxy=proxy, verify=context)
        assert works(caller.connect(url, http=http, transport="websocket"))
        assert len(seen) == 1
        assert seen[0].startswith("CONNECT localhost")


def test_headers_of_the_users_client(caller: Caller, transport: TransportName) -> None:
    with in_process(rules(World())) as peer:
        http = caller.http(headers={"X-Team": "render"})
        assert works(caller.connect(peer.url, http=http, transport=transport))
        assert {request.header("x-team") for request in peer.requests} == {"render"}
        assert all(
            (request.header("x-dcp") or "").startswith("python ") for request in peer.requests
        )


def test_a_client_of_the_other_kind(caller: Caller) -> None:
    is_async = hasattr(caller.http(), "aclose")
    for wrong in (httpx.Client() if is_async else httpx.AsyncClient(), "http://proxy"):
        with pytest.raises(InvalidType, match="http must be"):
            caller.connect("http://127.0.0.1:9/", http=wrong)


# The scheduler


def configuration(location: str) -> HTTPResponse:
    """What a scheduler publishes."""
    service: JSONValue = {"ctr": 0, "ps": {"location": {"ctr": 18, "ps": {}, "arg": location}}}
    services: JSONValue = {"ctr": 0, "ps": {"computeGroups": service}}
    scheduler: JSONValue = {"ctr": 0, "ps": {"services": services}}
    text = stringify({"_serializeVerId": "v9", "what": {"ctr": 0, "ps": {"scheduler": scheduler}}})
    return HTTPResponse(200, (("Content-Type", "text/plain"),), text.encode())


def test_a_scheduler_tells_where_the_service_is(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_process(rules(World())) as peer, in_process(rules(World())) as scheduler:
        scheduler.instead = configuration(peer.url)
        assert works(caller.connect(scheduler=scheduler.url))
        (asked,) = scheduler.requests
        assert (asked.method, asked.target) == ("GET", "/etc/dcp-config.kvin?ver=2.1.0")

        monkeypatch.setenv("DCP_SCHEDULER_LOCATION", scheduler.url)
        assert works(caller.connect())
        assert works(caller.connect(peer.url))
        assert len(scheduler.requests) == 2


def test_a_scheduler_that_tells_nothing(caller: Caller) -> None:
    with in_process(rules(World())) as scheduler:
        for answer, said in (
            (HTTPResponse(200, (), b"{}"), "not KVIN"),
            (HTTPResponse(404), "HTTP status 404"),
            (configuration("ftp://x/"), "services.computeGroups.location"),
        ):
            scheduler.instead = answer
            error = fault_of(caller.connect(scheduler=scheduler.url))
            assert isinstance(error, ProtocolError)
            assert said in str(error)


def test_neither_a_url_nor_a_scheduler(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DCP_SCHEDULER_LOCATION", raising=False)
    with pytest.raises(InvalidValue, match="DCP_SCHEDULER_LOCATION"):
        caller.connect()


# Who calls


def test_the_identity_that_dcp_keeps(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DCP_RESOURCE_DIR", str(tmp_path))
    with in_process(rules(World())) as peer:
        with pytest.raises(InvalidValue, match="save_identity"):
            caller.connect(peer.url, identity=None).list_groups()
        save_identity(BOB, tmp_path / "id.keystore")
        with caller.connect(peer.url, identity=None) as groups:
            groups.create("farm")
            (group,) = groups.list_groups()
            assert group.owner == BOB.address


@pytest.mark.parametrize("name", ["identity", "join_identity"])
def test_a_key_in_place_of_an_identity_does_not_show(caller: Caller, name: str) -> None:
    key = "7e" * 32
    error = error_of(lambda: caller.connect("http://127.0.0.1:9/", **{name: key}))
    assert isinstance(error, InvalidType)
    assert name in str(error)
    below = error.__traceback__
    while below is not None and not below.tb_frame.f_code.co_filename.endswith("conformance.py"):
        if "cg_" in below.tb_frame.f_code.co_filename:
            assert key not in [v for v in below.tb_frame.f_locals.values() if isinstance(v, str)]
        below = below.tb_next


# What goes wrong


def test_nobody_listens(caller: Caller) -> None:
    with in_process(rules(World())) as peer:
        url = peer.url
    error = last_fault(caller, url)
    assert (type(error), error.code) == (NetworkError, "ECONNREFUSED")
    assert "nobody listens" in str(error)
    assert "attempt" in str(error)


def answering(answer: bytes) -> AbstractContextManager[str]:
    """The URL of what answers anything with some bytes, and hangs up."""

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(answer)

    return hostile_server(script)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\xff\xfe\0\r\n\r\n", "what listens there does not speak HTTP"),
        (b"220 mail.example ESMTP\r\n\r\n", "what listens there does not speak HTTP"),
        (b"", "the connection broke"),
    ],
    ids=["bytes", "mail", "nothing"],
)
def test_what_speaks_otherwise_is_not_quoted(
    caller: Caller, transport: TransportName, answer: bytes, said: str
) -> None:
    with answering(answer) as url:
        error = last_fault(caller, url, transport=transport)
    assert isinstance(error, NetworkError)
    assert str(error).endswith(f": {said} [NetworkError ECONNRESET]")


@pytest.mark.parametrize("transport", [*TRANSPORTS, None])
@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (HTTPResponse(200, (), b"<html>It works!</html>"), ProtocolError, "DCP service"),
        (HTTPResponse(404, (), b"not here"), ProtocolError, "HTTP status 404"),
        (HTTPResponse(403), ProtocolError, "access is denied"),
        (HTTPResponse(301, (("Location", "https://a.example/"),)), NetworkError, "a.example"),
        (HTTPResponse(502), NetworkError, "HTTP status 502"),
        (HTTPResponse(503), NetworkError, "too much to do"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, HTTPResponse) else None,
)
def test_it_is_no_dcp_service(
    caller: Caller, transport: str | None, answer: HTTPResponse, kind: type[Exception], said: str
) -> None:
    with in_process(rules(World())) as peer:
        peer.instead = answer
        error = last_fault(caller, peer.url, transport=transport)
    assert type(error) is kind
    assert said in str(error)


def test_redirects_without_end(caller: Caller) -> None:
    with in_process(rules(World())) as peer:
        peer.instead = HTTPResponse(302, (("Location", "/again"),))
        http = caller.http(follow_redirects=True)
        error = fault_of(caller.connect(peer.url, http=http, transport="polling"))
    assert (type(error), error.code) == (NetworkError, "EREDIRECT")


def test_a_version_that_does_not_go_together(caller: Caller) -> None:
    def older(body: dict[str, Any]) -> dict[str, Any]:
        if body.get("type") == "response" and "version" in (body.get("payload") or {}):
            return body | {"payload": body["payload"] | {"version": "4.9.0"}}
        return body

    with in_process(rules(World()), said_as=older) as peer:
        error = fault_of(caller.connect(peer.url))
    assert (type(error), error.code) == (ProtocolError, "EVERSION")


def test_a_service_that_is_not_the_expected_one(caller: Caller) -> None:
    with in_process(rules(World())) as peer:
        error = fault_of(caller.connect(peer.url, service_address=CAROL.address))
    assert (type(error), error.code) == (ProtocolError, "EADDRCHANGE")


def test_our_clock_is_off(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    with in_process(rules(World())) as peer:
        groups = caller.connect(peer.url)
        for each in BACKENDS.values():
            clock = type("Clock", (), {"time": lambda: real() - 3600, "monotonic": time.monotonic})
            monkeypatch.setattr(each, "time", clock)
        error = fault_of(groups)
        groups.close()
    assert isinstance(error, Refused)
    assert error.code == "EEXPIRED"
    assert "-3600 s off" in str(error)


# What the log says


def test_the_log_shows_messages_and_no_secrets(
    caller: Caller, transport: TransportName, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with in_process(rules(World())) as peer:
        groups = caller.connect(peer.url, transport=transport)
        farm = groups.create("farm", join_key="farm", join_secret="op3n sesame")
        groups.add_job(farm, JOB, join_key="farm", join_secret="op3n sesame")
        error_of(lambda: groups.add_job(farm, JOB, join_key="farm", join_secret="op3n wrong"))
        groups.close()
    ours = [record.getMessage() for record in caplog.records if record.name == "cg.wire"]
    for said in ("request connect", "request createGroup", "response", "ack of", "characters"):
        assert any(said in line for line in ours)
    assert not any("\n" in line for line in ours)
    everything = "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    for secret in ("op3n", "eh1-", "01" * 16, "\\x01" * 16):  # join secrets, hashes, Alice's key
        assert secret not in everything
