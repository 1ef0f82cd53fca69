"""The remote backends conform, against our service and against what others wrote (C-18).

Each runs all cases over each transport against our service, over a store in SQLite. Against the
official Target each runs all cases over one transport and a selection over the other; by polling
also a selection against servers that know nothing but Socket.IO.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from itertools import count, product
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import attrs
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

import cg_backends.asyncio
from cg_backends.conformance import ALICE, CASES, CODES
from cg_backends.memory import World
from cg_backends.sql import Store
from cg_core import Caller, Client, Identity, JobId, Refused, Request
from cg_core.remote import TransportName
from tests.backends.remote import BACKENDS, TRANSPORTS, client_in, client_of, event_loop
from tests.core.arguments import METHODS
from tests.peers.in_process import in_process
from tests.peers.live_service import live_service
from tests.peers.node import official_target, socketio_server
from tests.peers.python_socketio import python_socketio
from tests.peers.rules import Answer, rules
from tests.peers.service import SocketService

T = TypeVar("T")


# The peers


@contextmanager
def official(answer: Answer) -> Iterator[str]:
    """dcp-client's Target."""
    with official_target(answer, private_key=secrets.token_hex(32), polling=True) as peer:
        yield peer.url


@contextmanager
def on_python_socketio(answer: Answer) -> Iterator[str]:
    """Our sessions on python-socketio."""
    with python_socketio(answer) as peer:
        yield peer.url
    assert set(peer.acted_on.values()) == {1}
    assert set(peer.transports) == {"polling"}


@contextmanager
def on_node_socketio(answer: Answer) -> Iterator[str]:
    """Our sessions on Node's Socket.IO."""
    with start_blocking_portal() as portal:
        sockets = SocketService(
            answer,
            emit=lambda socket, text: server.send(socket, text),  # noqa: PLW0108 - is there later
            disconnect=lambda socket: server.close(socket),  # noqa: PLW0108
        )
        with socketio_server(
            on_open=partial(portal.call, sockets.connected),
            on_text=partial(portal.call, sockets.receive),
            on_closed=partial(portal.call, sockets.disconnected),
        ) as server:
            yield server.url
        portal.call(sockets.service.end)
    assert sockets.service.failures == []
    assert set(sockets.service.acted_on.values()) == {1}


FOREIGN: Final[dict[str, Callable[[Answer], AbstractContextManager[str]]]] = {
    "official": official,
    "python-socketio": on_python_socketio,
    "node-socketio": on_node_socketio,
}


class Peer(Protocol):
    """What is called."""

    url: str

    def begin(self) -> None:
        """Empty it, for the next case."""


class ForeignPeer:
    """What others wrote. It answers what our rules say, over a world."""

    def __init__(self, name: str, running: ExitStack) -> None:
        self.begin()
        self.url = running.enter_context(FOREIGN[name](self._answered))

    def begin(self) -> None:
        self._answer = rules(World())

    def _answered(self, *asked: Any) -> Any:
        return self._answer(*asked)


class OurService:
    """Our service, over a store in SQLite."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._files = count()
        self._stores = running.enter_context(ExitStack())
        self.begin()
        self.url = running.enter_context(live_service(self)).url

    def begin(self) -> None:
        self._stores.close()
        url = f"sqlite:///{self._folder}/{next(self._files)}.db"
        self._store = self._stores.enter_context(Store(url))

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
        return self._store.execute_all(asked)


# Each case, where it is to run


SELECTION: Final = (
    "create_keeps_what_it_is_given_exactly",
    "create_refuses_a_join_key_in_use_and_makes_nothing",
    "change_group_changes_what_is_given_and_nothing_else",
    "jobs_of_a_deleted_group_live_on",
    "an_opaque_id_and_a_join_key_of_one_text_are_two_names",
    "list_groups_gives_the_callers_own_oldest_first",
    "no_call_gives_a_join_hash_back",
    "missing_wrong_key_and_wrong_secret_answer_alike",
    "a_join_hash_stands_wherever_a_join_secret_does: JoinSecret",
    "a_join_address_lets_in_who_is_it_or_proves_to_act_for_it",
    "refusals_come_in_their_order",
    "add_job_to_groups_answers_for_each_group_in_order",
    "remove_job_ends_the_membership_and_nothing_else",
    "a_job_that_is_not_in_the_group_is_not_found",
    "cancel_job_ends_the_job_everywhere_and_for_good",
    "remove_all_jobs_takes_out_the_current_jobs_and_cancels_none",
    "cancel_all_jobs_cancels_the_current_jobs_whosever_they_are",
    "a_wrong_value_is_told_before_anything_changes: create, secret without key",
    "calls_that_only_do_return_none",
    "a_closed_client_carries_nothing_out",
)
"""Each method and each refusal."""


def places() -> Iterator[tuple[str, TransportName, str, str]]:
    """(backend, transport, peer, case); against the official one as on a chessboard."""
    for (row, backend), (column, transport) in product(enumerate(BACKENDS), enumerate(TRANSPORTS)):
        cases = {
            "ours": tuple(CASES),
            "official": tuple(CASES) if (row + column) % 2 else SELECTION,
        }
        if transport == "polling":
            cases |= {"python-socketio": SELECTION, "node-socketio": SELECTION}
        for peer, names in cases.items():
            for name in names:
                yield backend, transport, peer, name


@attrs.frozen
class RemoteBackend:
    """A service, and clients of one kind."""

    url: str
    loop: BlockingPortal | None
    name: str
    transport: TransportName
    clients: ExitStack

    def connect(self, identity: Identity, *, join_identity: Identity | None = None) -> Client:
        client = client_in(
            self.loop,
            self.name,
            self.url,
            identity=identity,
            join_identity=join_identity,
            transport=self.transport,
        )
        return self.clients.enter_context(client)


@pytest.fixture(scope="module")
def peer_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Peer]]:
    """Gives a peer that runs until the last case is over."""
    with ExitStack() as running:

        @cache
        def peer_of(name: str) -> Peer:
            if name == "ours":
                return OurService(tmp_path_factory.mktemp("stores"), running)
            return ForeignPeer(name, running)

        yield peer_of


@pytest.fixture(scope="module")
def loop_of() -> Iterator[Callable[[str], BlockingPortal | None]]:
    """Gives the event loop that a backend runs in, until the last case is over."""
    with ExitStack() as running:
        yield cache(lambda backend: running.enter_context(event_loop(backend)))


@pytest.mark.parametrize(("backend", "transport", "peer", "case"), tuple(places()))
def test_conforms(
    backend: str,
    transport: TransportName,
    peer: str,
    case: str,
    peer_of: Callable[[str], Peer],
    loop_of: Callable[[str], BlockingPortal | None],
) -> None:
    called = peer_of(peer)
    called.begin()
    with ExitStack() as clients:
        CASES[case](RemoteBackend(called.url, loop_of(backend), backend, transport, clients))


# That these are tests of what they claim


class RecordedWorld(World):
    """A world of which is kept what it was asked for, and how it refused."""

    def __init__(self, seen: set[type]) -> None:
        super().__init__()
        self._seen = seen

    def execute(self, request: Request[T], caller: Caller) -> T:
        self._seen.add(type(request))
        try:
            return super().execute(request, caller)
        except Refused as refusal:
            self._seen.add(type(refusal))
            raise


def test_the_selection_has_each_method_and_each_refusal() -> None:
    seen: set[type] = set()
    for name in SELECTION:
        CASES[name](RecordedWorld(seen))
    assert seen == {*METHODS.values(), *CODES}


def test_each_backend_meets_each_peer_over_each_transport() -> None:
    met = Counter(place[:3] for place in places())
    assert set(met.values()) == {len(CASES), len(SELECTION)}
    for backend, transport in product(BACKENDS, TRANSPORTS):
        peers = {peer for where, by, peer in met if (where, by) == (backend, transport)}
        foreign = set(FOREIGN) if transport == "polling" else {"official"}
        assert peers == {"ours", *foreign}
        assert met[backend, transport, "ours"] == len(CASES)
    for peer in ("official", "ours"):
        assert {by for _, by, whom in met if whom == peer} == set(TRANSPORTS)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_transport_is_the_one_that_is_used(backend: str, transport: TransportName) -> None:
    with in_process(rules(World())) as peer:
        with client_of(backend, peer.url, identity=ALICE, transport=transport) as alice:
            assert alice.list_groups() == ()
        assert peer.requests
        assert all(f"transport={transport}" in request.target for request in peer.requests)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_official_target_takes_a_hundred_requests_in_one_batch(
    transport: TransportName, caplog: pytest.LogCaptureFixture
) -> None:
    """dcp-client sends at most 20 in one itself."""
    answer = rules(World())

    async def calls(url: str) -> list[tuple[JobId, ...]]:
        async with cg_backends.asyncio.connect(url, identity=ALICE, transport=transport) as alice:
            await alice.create("farm", join_key="farm")
            return await asyncio.gather(*[alice.list_jobs("farm") for _ in range(150)])

    with caplog.at_level("DEBUG", "cg.wire"), official(answer) as url:
        assert asyncio.run(calls(url)) == [()] * 150
    assert any("> batch" in line and " of 100: " in line for line in caplog.messages)
