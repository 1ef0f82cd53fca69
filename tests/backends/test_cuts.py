"""Calls while the network fails, on each remote backend and over each transport.

Wherever a connection breaks, a call ends with its right answer, since its session is resumed, and
nothing is done twice (C-21). Where there is no answer any more, its error says what is known.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count, product
from typing import Any, Final, TypeAlias

import attrs
import pytest

import cg_backends.sync
import cg_core.remote.client
from cg_backends.conformance import ALICE
from cg_backends.memory import World
from cg_core import Client, Group, GroupNotFound, OpaqueId, OutcomeUnknown
from cg_core.remote import TransportName
from cg_core.session import Settings
from tests.backends.farm import Farm, job
from tests.backends.remote import BACKENDS, client_in, event_loop
from tests.peers.in_process import InProcess, in_process
from tests.peers.proxy import BOTH, AtMessage, Cut, Direction, Link, Plan, Refuse, Stall, proxy
from tests.peers.rules import rules

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER
HUNG: Final = 30  # seconds after which a test that waits has failed

Connect: TypeAlias = Callable[..., Client]


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connects by a backend, by any transport."""
    with event_loop(request.param) as loop:
        yield partial(client_in, loop, request.param, identity=ALICE)


@pytest.fixture
def connect(backend: Connect, transport: TransportName) -> Connect:
    """Connects by a backend and a transport."""
    return partial(backend, transport=transport)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    # Between two attempts to connect.
    backoff = Settings.backoff
    monkeypatch.setattr(Settings, "backoff", lambda self, failures: backoff(self, failures) / 50)


class Restless:
    """A service that begins anew for each run: at the same time, with the same ids to give."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> World:
        self.world = World(
            clock=lambda: datetime(2025, 1, 1, tzinfo=UTC),
            opaque_ids=(OpaqueId(f"{number:022}") for number in count()),
        )
        self._answer = rules(self.world)
        return self.world

    def answer(self, *asked: Any) -> Any:
        return self._answer(*asked)


# A peer whose waits are short. Its pings end a poll in which the sync backend's last thread sits
# while the poll's connection is given up.
quick = partial(in_process, settings=Settings(farewell_delay=0.01), ping_interval=0.3)


@contextmanager
def at_once(number: int) -> Iterator[Callable[..., list[Any]]]:
    """Calls functions at once, in threads; tells what each returned, in order."""
    with ThreadPoolExecutor(number) as threads:
        yield lambda function, *arguments: list(threads.map(function, *arguments))


@pytest.fixture(scope="module")
def three_at_once() -> Iterator[Callable[..., list[Any]]]:
    with at_once(3) as call:
        yield call


CREDENTIALS: Final[dict[str, Any]] = {"join_key": "farm", "join_secret": "s3cret"}
REQUESTS: Final = 9
"""How many a workload asks for."""


def workload(groups: Client, at_once: Callable[..., list[Any]]) -> list[object]:
    """Calls of all kinds, and what they tell."""
    farm = groups.create("render farm", **CREDENTIALS)
    told: list[object] = [farm]
    told.append(groups.add_job(farm, job(0), **CREDENTIALS))
    told.append(groups.list_jobs(farm))
    with pytest.raises(GroupNotFound):
        groups.list_jobs("nobody's")
    told += at_once(lambda number: groups.add_job(farm, job(number), **CREDENTIALS), (1, 2, 3))
    told.append(frozenset(groups.list_jobs(farm)))  # the three came in any order
    told.append(groups.list_groups())
    return told


def holds(world: World) -> tuple[tuple[Group, ...], frozenset[Any], frozenset[Any]]:
    """What a world holds, whoever came first."""
    state = world.state()
    return state.groups, frozenset(state.jobs), frozenset(state.memberships)


@attrs.frozen
class Bench:
    """Runs the workload over a network that fails, and holds it against a run without one."""

    connect: Connect
    service: Restless
    peer: InProcess
    at_once: Callable[..., list[Any]]

    def run(self, *at_messages: AtMessage, plans: Mapping[int, Plan] | None = None) -> Link:
        """One workload; tells over what it went."""
        with self.service.begin().connect(ALICE) as groups:
            expected = workload(groups, self.at_once), holds(self.service.world)
        world = self.service.begin()
        self.peer.acted_on.clear()
        before = len(self.peer.service.opened)
        with proxy(self.peer.port, plans, at_messages) as link:
            with self.connect(link.url(), timeout=HUNG / 2) as groups:
                told = workload(groups, self.at_once)
            assert (told, holds(world)) == expected
        assert set(self.peer.acted_on.values()) == {1}
        assert len(self.peer.acted_on) == REQUESTS
        assert len(self.peer.service.opened) - before == 1
        return link


@pytest.fixture
def bench(connect: Connect, three_at_once: Callable[..., list[Any]]) -> Iterator[Bench]:
    service = Restless()
    with quick(service.answer) as peer:
        yield Bench(connect, service, peer, three_at_once)


def messages(link: Link, direction: Direction) -> int:
    return sum(len(each.boundaries(direction)) for each in link.connections)


# Cuts

PLACES: Final[dict[str, Callable[[int], int]]] = {
    "after its first byte": lambda length: 1,
    "in its middle": lambda length: length // 2,
    "before its last byte": lambda length: length - 1,
    "at its end": lambda length: length,
}


def places(number: int, *, polls: bool) -> Iterator[tuple[str, bool]]:
    """Where to cut within a message, and whether by an RST.

    Every second message is cut by an RST, the others by a FIN, at all places. Over polling, which
    has more messages, each is cut at two of the eight in turn: a request or response and the next
    one are cut alike, the two after them at the other places, and so on.
    """
    every, turn = (4, (0, 3, 1, 2)[number // 2 % 4]) if polls else (2, number % 2)
    for which, cut in enumerate(product(PLACES, (False, True))):
        if which % every == turn:
            yield cut


@pytest.mark.parametrize("direction", Direction)
def test_wherever_a_connection_is_cut_all_is_done_once(bench: Bench, direction: Direction) -> None:
    """How many messages there are is not the same in each run, so the last cuts may find none."""
    clean = bench.run()
    made = 0
    for number in count():
        before = made
        for place, reset in places(number, polls=len(clean.connections) > 1):
            try:
                link = bench.run(AtMessage(number, Cut(direction, reset=reset), PLACES[place]))
            except BaseException as error:
                how = "reset" if reset else "ended"
                error.add_note(f"message {number}, {place}, {direction.value}: {how}")
                raise
            made += not link.at_messages
        if made == before:
            break
    assert number >= messages(clean, direction) - 4


@pytest.mark.parametrize("direction", Direction)
def test_a_cut_while_a_transport_is_chosen(
    backend: Connect, three_at_once: Callable[..., list[Any]], direction: Direction
) -> None:
    """The WebSocket, or polling where it broke after an answer: either does all, once."""
    service = Restless()
    with quick(service.answer) as peer:
        bench = Bench(backend, service, peer, three_at_once)
        for number, place, reset in product(range(4), PLACES, [False, True]):
            link = bench.run(AtMessage(number, Cut(direction, reset=reset), PLACES[place]))
            assert not link.at_messages


def test_a_connection_that_does_not_come_about_is_tried_again(bench: Bench) -> None:
    for plan in (Refuse(), Cut(TO_CLIENT, 0), Cut(TO_SERVER, 0, reset=True)):
        link = bench.run(plans={0: plan, 1: plan})
        assert [len(each.data(TO_CLIENT)) > 0 for each in link.connections[:3]] == [0, 0, 1]


def test_several_cuts_in_a_row(bench: Bench) -> None:
    """The second and the third also while the session is being resumed."""
    made = 0
    for seed in range(8):
        draw = random.Random(seed)
        cuts = [
            AtMessage(
                draw.randrange(15 if first else 5),
                Cut(draw.choice(tuple(Direction)), reset=draw.random() < 0.5),
                draw.choice(tuple(PLACES.values())),
            )
            for first in ([True, False], [True, False, False])[seed % 2]
        ]
        made += len(cuts) - len(bench.run(*cuts).at_messages)
    assert made == 20


def test_many_calls_at_once_through_a_cut(connect: Connect) -> None:
    service = Restless()
    with quick(service.answer) as peer, at_once(20) as call:
        for number, reset in product((9, 10, 11), (False, True)):
            world = service.begin()
            peer.acted_on.clear()
            at = AtMessage(number, Cut(TO_CLIENT, reset=reset))
            with (
                proxy(peer.port, at_messages=[at]) as link,
                connect(link.url(), timeout=HUNG / 2) as groups,
            ):
                farm = groups.create("render farm", join_key="farm")
                assert link.at_messages
                call(partial(groups.add_job, farm, join_key="farm"), map(job, range(20)))
                assert not link.at_messages
            assert {row.job_id for row in world.state().memberships} == set(map(job, range(20)))
            assert set(peer.acted_on.values()) == {1}
            assert len(peer.acted_on) == 21


# Silence: nothing arrives any more, and nobody says so

SILENCES: Final = (BOTH, frozenset([TO_CLIENT]), frozenset([TO_SERVER]))


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits a moment for an ack, instead of 20 seconds, or for a write, of 5."""
    monkeypatch.setattr(cg_core.remote.client, "_ACK_TIMEOUT", 0.15)
    monkeypatch.setattr(cg_backends.sync, "_WRITE_TIME", 0.15)


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("silence", SILENCES, ids=["both", "to client", "to server"])
def test_silence_is_noticed_and_another_connection_made(
    connect: Connect, three_at_once: Callable[..., list[Any]], silence: frozenset[Direction]
) -> None:
    """By an ack that does not come, or by pings that do not."""
    service = Restless()
    with quick(service.answer, ping_interval=0.1, ping_timeout=0.3) as peer:
        bench = Bench(connect, service, peer, three_at_once)
        for direction in Direction:
            link = bench.run(AtMessage(9, Stall(direction, stalled=silence)))
            assert not link.at_messages
            assert len(link.connections) > 1


# A service that restarts, and knows nothing of the sessions that were


def test_a_service_that_restarts_in_the_midst_of_a_call(connect: Connect) -> None:
    farm = Farm()
    arrived = threading.Event()
    with quick(farm.answer) as peer:
        port = peer.port
        groups = connect(peer.url, timeout=HUNG)
        groups.list_jobs(farm.group)
        farm.hold = arrived.set

        def add(number: int) -> BaseException | None:
            try:
                groups.add_job(farm.group, job(number), join_key="farm")
            except OutcomeUnknown as error:
                return error
            return None

        with ThreadPoolExecutor(1) as thread:
            told = thread.submit(add, 1)
            assert arrived.wait(HUNG)
            peer.kill()
            farm.hold = None
            with quick(farm.answer, port=port):
                assert isinstance(told.result(HUNG), OutcomeUnknown)
                assert add(2) is None
                assert farm.added == {job(1): 1, job(2): 1}
                groups.close()
