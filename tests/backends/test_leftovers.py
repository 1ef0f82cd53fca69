"""When a client's block is over nothing is left of it, however it ended."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx
import pytest

import cg_backends.sync
from cg_backends.conformance import ALICE
from cg_core import AsyncClient, ClientClosed
from cg_core.remote import TransportName, client
from tests.backends.farm import Farm
from tests.backends.leftovers import nothing_left, sockets_to
from tests.backends.runtimes import Runtime
from tests.peers.in_process import InProcess, in_process
from tests.peers.proxy import Link, proxy

ENDINGS = (
    "normal",
    "error",
    "unused",
    "closed before",
    "dead peer",
    "stalled peer",
    "dead at first",
)


@pytest.fixture(autouse=True)
def short_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_CLOSE_TIMEOUT", 0.1)


def bring_about(ending: str, peer: InProcess, link: Link) -> None:
    """What happens to a client in the midst of its life."""
    if ending == "error":
        raise ZeroDivisionError
    if ending == "dead peer":
        peer.kill()
    if ending == "stalled peer":
        link.stall()


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_asynchronous_client_leaves_nothing(
    runtime: Runtime, transport: TransportName, ending: str
) -> None:
    farm = Farm()

    async def live(groups: AsyncClient, peer: InProcess, link: Link) -> None:
        if ending == "dead at first":
            peer.kill()
        async with groups:
            if ending not in ("unused", "dead at first"):
                await groups.list_jobs(farm.group)
            bring_about(ending, peer, link)
            if ending == "closed before":
                await groups.aclose()

    with nothing_left(), in_process(farm.answer) as peer, proxy(peer.port) as link:

        async def main() -> None:
            before = runtime.tasks()
            groups = runtime.connect(link.url(), identity=ALICE, transport=transport)
            with suppress(ZeroDivisionError):
                await live(groups, peer, link)
            assert runtime.tasks() == before
            assert sockets_to(link.port) == 0
            await groups.aclose()
            with pytest.raises(ClientClosed):
                await groups.list_jobs(farm.group)

        runtime.run(main, debug=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_sync_client_leaves_nothing(transport: TransportName, ending: str) -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer, proxy(peer.port) as link:
        options: dict[str, Any] = {"identity": ALICE, "transport": transport}
        groups = cg_backends.sync.connect(link.url(), **options)
        if ending == "dead at first":
            peer.kill()
        with suppress(ZeroDivisionError), groups:
            if ending not in ("unused", "dead at first"):
                groups.list_jobs(farm.group)
            bring_about(ending, peer, link)
            if ending == "closed before":
                groups.close()
        assert sockets_to(link.port) == 0
        groups.close()
        with pytest.raises(ClientClosed):
            groups.list_jobs(farm.group)


def test_a_client_that_is_cancelled_while_it_waits_leaves_nothing(
    runtime: Runtime, transport: TransportName
) -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer:

        async def main() -> None:
            before = runtime.tasks()
            arrived = runtime.bell()
            farm.hold = arrived.ring

            async def live() -> None:
                async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                    await groups.list_jobs(farm.group)

            await runtime.until(live, arrived.wait)
            assert runtime.tasks() == before
            assert sockets_to(peer.port) == 0

        runtime.run(main, debug=True)


def test_a_client_that_connects_in_vain_leaves_nothing(
    runtime: Runtime, transport: TransportName
) -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer:

        async def main() -> None:
            before = runtime.tasks()
            begun = runtime.bell()

            async def live() -> None:
                async with runtime.connect(peer.url, identity=ALICE, transport=transport) as groups:
                    peer.kill()
                    begun.ring()
                    await groups.list_jobs(farm.group)

            await runtime.until(live, begun.wait)
            assert runtime.tasks() == before

        runtime.run(main, debug=True)


def test_an_asynchronous_client_is_used_within_its_block(runtime: Runtime) -> None:
    with nothing_left():

        async def main() -> None:
            groups = runtime.connect("http://127.0.0.1:1/", identity=ALICE)
            with pytest.raises(ClientClosed, match="async with"):
                await groups.list_jobs(1)
            await groups.aclose()

        runtime.run(main)


def test_a_given_asynchronous_http_client_stays_open(runtime: Runtime) -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer:

        async def main() -> None:
            async with httpx.AsyncClient() as http:
                async with runtime.connect(
                    peer.url, identity=ALICE, transport="polling", http=http
                ) as groups:
                    await groups.list_jobs(farm.group)
                assert not http.is_closed
                assert sockets_to(peer.port) > 0  # kept for its next request
            assert sockets_to(peer.port) == 0

        runtime.run(main)


def test_a_given_http_client_stays_open() -> None:
    farm = Farm()
    with nothing_left(), in_process(farm.answer) as peer, httpx.Client() as http:
        options: dict[str, Any] = {"identity": ALICE, "transport": "polling", "http": http}
        with cg_backends.sync.connect(peer.url, **options) as groups:
            groups.list_jobs(farm.group)
        assert not http.is_closed
        assert sockets_to(peer.port) > 0  # kept for its next request
