"""Two processes, one database, one balancer; one of them dies (C-20)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
import pytest

from cg_backends.sync import connect
from cg_core import Client, Identity, OutcomeUnknown
from tests.peers.balancer import balancer
from tests.peers.databases import SYSTEMS, locked, new_url
from tests.peers.live_service import CGServe, cg_serve

CLIENTS: Final = 8
PATIENCE: Final = 60  # seconds


def metric(process: CGServe, name: str) -> int:
    """What a process has counted."""
    lines = httpx.get(f"{process.url}metrics").text.splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"compute_groups_{name} "))
    return int(value)


@pytest.mark.parametrize("database", SYSTEMS)
def test_a_process_dies_and_the_other_goes_on(database: str, tmp_path: Path) -> None:
    url = new_url(database, tmp_path)
    options = ["--identity", f"{tmp_path}/service.keystore"]
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(cg_serve(tmp_path, *options, CG_STORE=url)) for _ in range(2)
        )
        assert one.address == two.address
        ports = [int(each.url.rpartition(":")[2].rstrip("/")) for each in (one, two)]
        here = stack.enter_context(balancer(tmp_path, ports))

        of_one: dict[int, Client] = {}
        of_two: dict[int, Client] = {}
        for number in range(2, 2 + CLIENTS):
            # Each from an address of its own, and over its own transport.
            source = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
            client = stack.enter_context(
                connect(
                    here,
                    identity=Identity(bytes([number]) * 32),
                    transport="websocket" if number % 4 < 2 else "polling",
                    http=stack.enter_context(httpx.Client(transport=source)),
                    idle_timeout=None,
                )
            )
            before = metric(one, "sessions")
            client.create("first", join_key=f"first {number}")
            (of_one if metric(one, "sessions") > before else of_two)[number] = client
        assert of_one
        assert of_two

        with ThreadPoolExecutor(CLIENTS) as threads:
            with locked(url):
                calls = {
                    number: threads.submit(client.create, "second", join_key=f"second {number}")
                    for number, client in (of_one | of_two).items()
                }
                for process, clients in ((one, of_one), (two, of_two)):
                    while metric(process, "requests_waiting") < len(clients):
                        pass
                one.kill()
            for number in of_two:
                assert calls[number].result(PATIENCE)
            for number in of_one:
                with pytest.raises(OutcomeUnknown):
                    calls[number].result(PATIENCE)
        for number, each in (of_one | of_two).items():
            found = [group.name for group in each.list_groups()]
            assert found[0] == "first"
            assert number in of_one or found == ["first", "second"]
            each.create("third", join_key=f"third {number}")
        assert metric(two, "sessions") == CLIENTS


def test_a_process_with_another_identity_does_not_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with cg_serve(tmp_path, "--store", url) as one:
        pass
    another = tmp_path / "another.keystore"
    with (
        pytest.raises(RuntimeError, match=f"(?s)ended with 2.*{one.address}"),
        cg_serve(tmp_path, "--store", url, "--identity", str(another)),
    ):
        pass
    assert not another.exists()
