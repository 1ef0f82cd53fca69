"""The in-memory backend: the rules of the core, carried out on dicts.

For tests and for trying things out. It refuses what a service would refuse, with the same errors.

    from cg_backends.memory import connect

    with connect() as groups:
        farm = groups.create("render farm", join_key="farm", join_secret="s3cret")

`connect()` begins with an empty world. `connect(url)` finds the world of that URL, as a program
that was written for a service expects. A `World` of one's own serves several callers.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import TypeVar

from cg_backends.local import (
    DEFAULT_CALLER,
    AnyIdentity,
    AsyncLocalClient,
    Dump,
    LocalClient,
    State,
    caller_of,
    random_opaque_ids,
    utc_now,
)
from cg_core import (
    PUBLIC_GROUP,
    Address,
    Caller,
    Decision,
    GroupName,
    GroupRow,
    InvalidType,
    InvalidValue,
    JobId,
    JobRow,
    MembershipRow,
    OpaqueId,
    Request,
    Row,
    Terms,
    decide,
)
from cg_core.identifiers import checked_integer

__all__ = [
    "DEFAULT_CALLER",
    "AnyIdentity",
    "AsyncMemoryClient",
    "MemoryClient",
    "State",
    "World",
    "connect",
    "connect_async",
    "forget_worlds",
]

T = TypeVar("T")


class World:
    """Groups, jobs and memberships in memory, shared by the callers that connect to it.

    It may be used from several threads; each request is carried out alone.

    Args:
        clock: gives the time, with its zone.
        group_ids: gives row ids for new groups; those that are not above the last are passed over.
        opaque_ids: gives opaque ids for new groups; those in use are passed over.
        public_group: whether there is a public group (C-6).
        terms: what is allowed beyond the rules.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] | None = None,
        group_ids: Iterator[int] | None = None,
        opaque_ids: Iterator[OpaqueId | str] | None = None,
        public_group: bool = True,
        terms: Terms | None = None,
    ) -> None:
        self._clock = clock or utc_now
        self._terms = terms or Terms()
        self._rows = _Tables(group_ids or count(2), opaque_ids or random_opaque_ids())
        self._lock = threading.Lock()
        if public_group:
            self._rows.save(PUBLIC_GROUP)

    def execute(self, request: Request[T], caller: Caller) -> T:
        """Carry out a request: all of it, or on an error nothing.

        Raises:
            Refused, InvalidArgument: as the rules decide.
        """
        with self._lock:
            decision: Decision[T] = decide(request, caller, self._rows, self._clock(), self._terms)
            for row in decision.save:
                self._rows.save(row)
            for row in decision.erase:
                self._rows.erase(row)
        return decision.reply

    def state(self) -> State:
        """All that the world holds, as it stands."""
        with self._lock:
            return self._rows.state()

    def dump(self) -> Dump:
        """All rows as they stand now, for an archive."""
        with self._lock:
            return self._rows.dump()

    def load(self, dump: Dump) -> None:
        """Take in all rows of an archive, or none of them.

        Raises:
            InvalidValue: the world has groups or jobs.
        """
        with self._lock:
            self._rows = self._rows.loaded(dump)

    def connect(
        self,
        identity: AnyIdentity | None = None,
        *,
        join_identity: AnyIdentity | None = None,
    ) -> MemoryClient:
        """A sync client of this world, for one caller; see `connect` of this module."""
        return MemoryClient(self, caller_of(identity, join_identity))

    def connect_async(
        self,
        identity: AnyIdentity | None = None,
        *,
        join_identity: AnyIdentity | None = None,
    ) -> AsyncMemoryClient:
        """An async client of this world, for one caller; see `connect_async` of this module."""
        return AsyncMemoryClient(self, caller_of(identity, join_identity))


class MemoryClient(LocalClient[World]):
    """A client of a `World`. It may be used from several threads."""

    @property
    def world(self) -> World:
        """The world, for a look at all that it holds."""
        return self._place


class AsyncMemoryClient(AsyncLocalClient[World]):
    """A client of a `World`, under asyncio and under trio."""

    @property
    def world(self) -> World:
        """The world, for a look at all that it holds."""
        return self._place

    async def _execute(self, request: Request[T]) -> T:
        return self.world.execute(request, self._caller)


def connect(
    url: str | None = None,
    *,
    identity: AnyIdentity | None = None,
    join_identity: AnyIdentity | None = None,
    world: World | None = None,
    scheduler: str | None = None,
    timeout: object = None,  # noqa: ARG001 - as the six below
    connect_timeout: object = None,  # noqa: ARG001
    idle_timeout: object = None,  # noqa: ARG001
    http: object = None,  # noqa: ARG001
    transport: object = None,  # noqa: ARG001
    insecure: object = None,  # noqa: ARG001
    service_address: object = None,  # noqa: ARG001
) -> MemoryClient:
    """A sync client, with the parameters of the backends that go over a network.

    Args:
        url: whose world to use: each URL has one, for the life of the process. Without a URL, and
            without a scheduler's, the client gets an empty world of its own.
        identity: the caller; an address will do, since nothing is signed.
        join_identity: another identity, or its address, that groups may let in (C-9).
        world: the world to use, whatever the URL.
        scheduler: without a url, whose world to use: that of this URL.
        timeout: taken, so that one line swaps this backend in, and not needed.
        connect_timeout: likewise.
        idle_timeout: likewise.
        http: likewise.
        transport: likewise.
        insecure: likewise.
        service_address: likewise.
    """
    return MemoryClient(_world(url, scheduler, world), caller_of(identity, join_identity))


def connect_async(
    url: str | None = None,
    *,
    identity: AnyIdentity | None = None,
    join_identity: AnyIdentity | None = None,
    world: World | None = None,
    scheduler: str | None = None,
    timeout: object = None,  # noqa: ARG001 - as the six below
    connect_timeout: object = None,  # noqa: ARG001
    idle_timeout: object = None,  # noqa: ARG001
    http: object = None,  # noqa: ARG001
    transport: object = None,  # noqa: ARG001
    insecure: object = None,  # noqa: ARG001
    service_address: object = None,  # noqa: ARG001
) -> AsyncMemoryClient:
    """An async client, for asyncio and trio; the parameters are those of `connect`."""
    return AsyncMemoryClient(_world(url, scheduler, world), caller_of(identity, join_identity))


def forget_worlds() -> None:
    """Empty the worlds that were found by URL: the next client of each begins anew."""
    _worlds.clear()


_worlds: dict[str, World] = {}


def _world(url: str | None, scheduler: str | None, world: World | None) -> World:
    if world is not None:
        return world
    field, where = ("scheduler", scheduler) if url is None else ("url", url)
    if where is None:
        return World()
    if not isinstance(where, str):
        raise InvalidType(f"{field} must be a str, not {type(where).__name__}")
    return _worlds.setdefault(where.rstrip("/"), World())


class _Tables:
    """The tables, each a dict; what the rules read (`cg_core.Rows`) and what is written."""

    def __init__(self, group_ids: Iterator[int], opaque_ids: Iterator[OpaqueId | str]) -> None:
        self._group_ids = group_ids
        self._opaque_ids = opaque_ids
        self._last_group_id = PUBLIC_GROUP.id
        self._groups: dict[int, GroupRow] = {}
        self._id_of_opaque_id: dict[OpaqueId, int] = {}
        self._id_of_join_key: dict[str, int] = {}
        self._ids_of_owner: defaultdict[Address, dict[int, None]] = defaultdict(dict)
        self._jobs: dict[JobId, JobRow] = {}
        # Memberships from both sides; the counts are of the jobs that are not cancelled.
        self._jobs_of_group: defaultdict[int, dict[JobId, None]] = defaultdict(dict)
        self._groups_of_job: defaultdict[JobId, set[int]] = defaultdict(set)
        self._current: defaultdict[int, int] = defaultdict(int)

    def group(self, name: GroupName) -> GroupRow | None:
        if isinstance(name, OpaqueId):
            id = self._id_of_opaque_id.get(name)
        elif isinstance(name, str):
            id = self._id_of_join_key.get(name)
        else:
            id = name
        return None if id is None else self._groups.get(id)

    def groups_owned_by(self, owner: Address) -> tuple[GroupRow, ...]:
        return tuple(self._groups[id] for id in self._ids_of_owner.get(owner, ()))

    def job(self, id: JobId) -> JobRow | None:
        return self._jobs.get(id)

    def is_member(self, membership: MembershipRow) -> bool:
        return membership.group_id in self._groups_of_job.get(membership.job_id, ())

    def current_jobs(self, group_id: int) -> tuple[JobRow, ...]:
        rows = (self._jobs[id] for id in self._jobs_of_group.get(group_id, ()))
        return tuple([row for row in rows if not row.cancelled])

    def count_current_jobs(self, group_id: int) -> int:
        return self._current.get(group_id, 0)

    def count_current_jobs_of(self, group_id: int, owner: Address) -> int:
        return sum(job.owner == owner for job in self.current_jobs(group_id))

    def unused_group_id(self) -> int:
        for id in self._group_ids:
            if checked_integer("group_ids", id, least=1) > self._last_group_id:
                return id
        raise InvalidValue("the source of group ids is used up; give the world a longer one")

    def unused_opaque_id(self) -> OpaqueId:
        for id in map(OpaqueId, self._opaque_ids):
            if id not in self._id_of_opaque_id:
                return id
        raise InvalidValue("the source of opaque ids is used up; give the world a longer one")

    def save(self, row: Row) -> None:
        match row:
            case GroupRow():
                self._save_group(row)
            case JobRow():
                self._save_job(row)
            case MembershipRow():
                self._jobs_of_group[row.group_id][row.job_id] = None
                self._groups_of_job[row.job_id].add(row.group_id)
                if not self._jobs[row.job_id].cancelled:
                    self._current[row.group_id] += 1

    def _save_group(self, row: GroupRow) -> None:
        before = self._groups.get(row.id)
        if before is None:
            self._last_group_id = row.id
            self._id_of_opaque_id[row.opaque_id] = row.id
            if row.owner is not None:
                self._ids_of_owner[row.owner][row.id] = None
        elif before.join_key is not None:
            del self._id_of_join_key[before.join_key]
        if row.join_key is not None:
            self._id_of_join_key[row.join_key] = row.id
        self._groups[row.id] = row

    def _save_job(self, row: JobRow) -> None:
        if row.cancelled:
            for group_id in self._groups_of_job.get(row.id, ()):
                self._current[group_id] -= 1
        self._jobs[row.id] = row

    def erase(self, row: GroupRow | MembershipRow) -> None:
        match row:
            case GroupRow():
                self._erase_group(row)
            case MembershipRow():
                del self._jobs_of_group[row.group_id][row.job_id]
                self._groups_of_job[row.job_id].discard(row.group_id)
                self._current[row.group_id] -= 1

    def _erase_group(self, row: GroupRow) -> None:
        del self._groups[row.id]
        del self._id_of_opaque_id[row.opaque_id]
        if row.join_key is not None:
            del self._id_of_join_key[row.join_key]
        if row.owner is not None:
            del self._ids_of_owner[row.owner][row.id]
        for job_id in self._jobs_of_group.pop(row.id, ()):
            self._groups_of_job[job_id].discard(row.id)
        self._current.pop(row.id, None)

    def state(self) -> State:
        groups = (row for row in self._groups.values() if row.id != PUBLIC_GROUP.id)
        return State(
            groups=tuple(row.shown() for row in groups),
            jobs=tuple(self._jobs.values()),
            memberships=tuple(
                MembershipRow(group_id, job_id)
                for group_id in sorted(self._jobs_of_group)
                for job_id in self._jobs_of_group[group_id]
                if not self._jobs[job_id].cancelled
            ),
        )

    def dump(self) -> Dump:
        memberships = (
            MembershipRow(group_id, job_id)
            for group_id in sorted(self._jobs_of_group)
            for job_id in self._jobs_of_group[group_id]
        )
        groups = (row for row in self._groups.values() if row.id != PUBLIC_GROUP.id)
        return Dump(self._last_group_id, (*groups, *self._jobs.values(), *memberships))

    def loaded(self, dump: Dump) -> _Tables:
        if self._jobs or self._groups.keys() - {PUBLIC_GROUP.id}:
            raise InvalidValue("this world has groups or jobs; import into a new one")
        tables = _Tables(self._group_ids, self._opaque_ids)
        for row in (*self._groups.values(), *dump.rows):
            tables.save(row)
        tables._last_group_id = max(self._last_group_id, dump.last_group_id)
        return tables
