"""Clients that are used as they must not be: each is told so at once, and nothing breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
import trio

import cg_backends.asyncio
import cg_backends.sync
import cg_backends.trio
from cg_backends.conformance import ALICE
from cg_backends.memory import World
from cg_core import (
    AsyncClient,
    ClientClosed,
    InvalidType,
    InvalidValue,
    NetworkError,
    OutcomeUnknown,
    ProtocolError,
)
from cg_core.remote import TransportName
from tests.backends.remote import BACKENDS, client_of
from tests.backends.runtimes import Runtime
from tests.peers.in_process import in_process
from tests.peers.relays import http_proxy
from tests.peers.rules import rules

NOWHERE = "http://127.0.0.1:1/"
Main = Callable[[], Coroutine[Any, Any, Any]]
RUN: dict[str, Callable[[Main], Any]] = {
    "asyncio": lambda main: asyncio.run(main()),
    "trio": trio.run,
}


# An asynchronous client has one `async with`, in one event loop


@pytest.mark.parametrize("is_nested", [False, True], ids=["afterwards", "within"])
def test_a_client_is_entered_once(runtime: Runtime, is_nested: bool) -> None:
    with in_process(rules(World())) as peer:

        async def enter(groups: AsyncClient) -> None:
            with pytest.raises(ClientClosed, match="connect anew"):
                await groups.__aenter__()

        async def main() -> None:
            groups = runtime.connect(peer.url, identity=ALICE)
            async with groups:
                if is_nested:
                    await enter(groups)
                assert await groups.list_groups() == ()
            await enter(groups)

        runtime.run(main)


def test_a_client_is_used_in_its_own_event_loop(runtime: Runtime) -> None:
    with in_process(rules(World())) as peer:

        async def main() -> None:
            async with runtime.connect(peer.url, identity=ALICE) as groups:

                def elsewhere() -> None:
                    for method in (groups.list_groups, groups.aclose):
                        with pytest.raises(ClientClosed, match="another event loop"):
                            RUN[runtime.name](method)

                for _ in range(2):  # before there is a session, and with one
                    if runtime.name == "trio":
                        await trio.to_thread.run_sync(elsewhere)
                    else:
                        await asyncio.to_thread(elsewhere)
                    assert await groups.list_groups() == ()

        runtime.run(main)


@pytest.mark.parametrize(
    ("connect", "other"),
    [(cg_backends.asyncio.connect, "trio"), (cg_backends.trio.connect, "asyncio")],
)
def test_a_client_of_another_library_than_runs(connect: Callable[..., Any], other: str) -> None:
    async def main() -> None:
        async with connect(NOWHERE, identity=ALICE):
            raise AssertionError

    with pytest.raises(ClientClosed, match=r"cg_backends\.asyncio or cg_backends\.trio"):
        RUN[other](main)


# httpx clients, the user's or our own


def kind_of(backend: str) -> type[httpx.Client | httpx.AsyncClient]:
    return httpx.Client if backend == "sync" else httpx.AsyncClient


def test_a_class_in_place_of_a_client(backend: str) -> None:
    kind = kind_of(backend)
    with pytest.raises(InvalidType, match=rf"pass a client: {kind.__name__}\(\)"):
        BACKENDS[backend].connect(NOWHERE, identity=ALICE, http=kind)


def test_an_http_client_that_is_closed_already(backend: str) -> None:
    http = kind_of(backend)()
    if isinstance(http, httpx.Client):
        http.close()
    else:
        asyncio.run(http.aclose())
    with pytest.raises(InvalidValue, match="closed"):
        BACKENDS[backend].connect(NOWHERE, identity=ALICE, http=http)


def test_an_http_client_that_is_closed_too_early(transport: TransportName) -> None:
    with in_process(rules(World())) as peer, httpx.Client() as http:
        options: dict[str, Any] = {"identity": ALICE, "transport": transport, "http": http}
        with cg_backends.sync.connect(peer.url, timeout=0.5, **options) as groups:
            assert groups.list_groups() == ()
            http.close()
            with pytest.raises((NetworkError, OutcomeUnknown), match="client has been closed"):
                groups.list_groups()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("HTTPS_PROXY", "foo://x"),
        ("HTTP_PROXY", "http://[::1"),
        ("SSL_CERT_FILE", "/nope"),
    ],
)
def test_an_environment_that_httpx_cannot_use(
    backend: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidValue, match=name):
        BACKENDS[backend].connect("https://example.org/", identity=ALICE)
    with in_process(rules(World())) as peer, client_of(backend, peer.url, identity=ALICE) as groups:
        assert groups.list_groups() == ()


def test_what_is_on_this_machine_is_reached_without_a_proxy(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traffic is not encrypted, since nobody else can read it: so it must not leave (C-13)."""
    seen: list[str] = []
    with in_process(rules(World())) as peer, http_proxy(seen) as proxy:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with client_of(backend, peer.url, identity=ALICE) as groups:
            groups.create("farm", join_key="farm", join_secret="s3cret")
        with (
            client_of(backend, None, scheduler=peer.url, identity=ALICE) as groups,
            pytest.raises(ProtocolError, match="404"),
        ):
            groups.list_groups()
        assert seen == []


def test_a_scheduler_in_the_environment_that_is_no_url(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DCP_SCHEDULER_LOCATION", "nonsense")
    with pytest.raises(InvalidValue, match="DCP_SCHEDULER_LOCATION must be like http"):
        BACKENDS[backend].connect(identity=ALICE)
