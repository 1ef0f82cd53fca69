"""How it grows: the jobs of a group, the groups of a store, the length of a message, sessions.

The groups of a world in memory have a subject of their own (memory.py).
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.idle_sessions import figures_of_sessions
from benchmarks.measure import Curve, grow
from benchmarks.memory import JOBS_LISTED, job_name
from benchmarks.session import CLIENT
from cg_backends.memory import World
from cg_backends.sql import Store
from cg_core import AddJob, Caller, CreateGroup, ListJobs, RemoveJob, Request
from cg_core.ecmascript_json import JSONValue, stringify
from cg_core.framing import socketio
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.framing.engineio import Packet, PacketType, decode_packet, encode_packet
from cg_core.sealed import seal, unseal

Place: TypeAlias = World | Store

CALLER = Caller(CLIENT.address)
LENGTH_OF_AN_ID = len(f'"{job_name(0)}",')
AT_A_TIME = 1_000  # requests in a transaction, while a store is filled


def figures(*, quick: bool) -> Iterator[Curve]:
    """First what stays within this process, then a live service."""
    jobs, groups = powers(1, 100 if quick else 100_000), powers(1, 100 if quick else 10_000)
    yield from by_jobs("in memory", {size: World() for size in jobs}, quick=quick)
    with stores(jobs) as filled:
        yield from by_jobs("in SQLite", filled, quick=quick)
    with stores(groups) as filled:
        yield from by_groups("in SQLite", filled, quick=quick)
    yield from by_characters(powers(1_000, 10_000 if quick else 10_000_000), quick=quick)
    yield from figures_of_sessions(quick=quick)


def powers(first: int, last: int) -> list[int]:
    """The first size, ten times as much, and so on."""
    sizes = [first]
    while sizes[-1] < last:
        sizes.append(sizes[-1] * 10)
    return sizes


@contextmanager
def stores(sizes: Iterable[int]) -> Iterator[dict[int, Store]]:
    """A new store for each size."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        urls = {size: f"sqlite:///{Path(folder, f'{size}.db')}" for size in sizes}
        yield {size: stack.enter_context(Store(url)) for size, url in urls.items()}


def by_jobs(where: str, places: Mapping[int, Place], *, quick: bool) -> Iterator[Curve]:
    """A place for each number of jobs, which are in one group."""
    adding, listing = {}, {}
    for size, place in places.items():
        jobs = map(job_name, range(size + 1))
        carry_out(place, [CreateGroup("farm", join_key="farm")])
        carry_out(place, (AddJob("farm", next(jobs)) for _ in range(size)))
        # The group has its size again after each call.
        one = next(jobs)
        adding[size] = partial(execute, place, AddJob("farm", one), RemoveJob("farm", one))
        listing[size] = partial(execute, place, ListJobs("farm"))
    grows = "jobs in a group"
    work = f"add_job and remove_job {where}"
    yield grow(work, grows, adding, expected="flat", quick=quick)
    yield grow(f"list_jobs {where}", grows, listing, expected="linear", quick=quick)


def by_groups(where: str, stores: Mapping[int, Store], *, quick: bool) -> Iterator[Curve]:
    """As in memory.py: add_job to groups at random, and list_jobs of a group with 10 jobs."""
    jobs = map(job_name, count())
    adding, listing = {}, {}
    for size, store in stores.items():
        keys = [f"key {number}" for number in range(size)]
        carry_out(store, (CreateGroup("a group", join_key=key) for key in (*keys, "listed")))
        carry_out(store, (AddJob("listed", next(jobs)) for _ in range(JOBS_LISTED)))
        turns = cycle(random.Random(1).choices(keys, k=1_000))

        def add(store: Store = store, turns: Iterator[str] = turns) -> None:
            store.execute(AddJob(next(turns), next(jobs)), CALLER)

        adding[size] = add
        listing[size] = partial(execute, store, ListJobs("listed"))
    yield grow(f"add_job {where}", "groups", adding, expected="flat", quick=quick)
    yield grow(f"list_jobs {where}", "groups", listing, expected="flat", quick=quick)


def execute(place: Place, *requests: Request[Any]) -> None:
    """One after the other."""
    for request in requests:
        place.execute(request, CALLER)


def carry_out(place: Place, requests: Iterable[Request[Any]]) -> None:
    """Fill a place; a store, in few transactions."""
    if isinstance(place, World):
        execute(place, *requests)
        return
    asked = ((request, CALLER) for request in requests)
    while some := list(islice(asked, AT_A_TIME)):
        for outcome in place.execute_all(some):
            if isinstance(outcome, Exception):
                raise outcome


def by_characters(sizes: list[int], *, quick: bool) -> Iterator[Curve]:
    """A message with the ids of more and more jobs."""
    bodies = {size: body(size) for size in sizes}
    sealed = {size: seal(CLIENT, text) for size, text in bodies.items()}
    for work, works in (
        ("seal", {size: partial(seal, CLIENT, text) for size, text in bodies.items()}),
        ("unseal", {size: partial(unseal, text) for size, text in sealed.items()}),
        ("framing", {size: partial(to_the_other_end, text) for size, text in bodies.items()}),
    ):
        yield grow(work, "characters of a message", works, expected="linear", quick=quick)


def body(characters: int) -> str:
    """The text of a body, exactly so long."""
    ids: list[JSONValue] = [
        job_name(number) for number in range((characters - 100) // LENGTH_OF_AN_ID)
    ]
    text = stringify({"payload": ids, "rest": ""})
    return text[:-2] + "." * (characters - len(text)) + text[-2:]


def to_the_other_end(text: str) -> None:
    """Through both layers of packets and DCP's transport, in pieces where it is long."""
    sender, receiver = DCPTransport(), DCPTransport()
    for string in receiver.strings_to_send():
        sender.receive(string)
    sender.send(text)
    received = []
    for string in sender.strings_to_send():
        packet = encode_packet(Packet(PacketType.MESSAGE, socketio.message(string)))
        carried = socketio.message_text(socketio.decode_packet(decode_packet(packet).data))
        assert carried is not None
        received += receiver.receive(carried)
    assert received == [text]
