"""The durable store of one writer, beside bare SQLAlchemy Core doing the same statements in SQLite.

Then many requests in one transaction, beside as many transactions: in SQLite, and in the servers
that are installed on this machine. What is committed reaches the disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from itertools import chain, count, islice
from pathlib import Path

from sqlalchemy import (
    NullPool,
    bindparam,
    column,
    create_engine,
    event,
    insert,
    select,
    table,
    update,
)

from benchmarks.measure import Figure, compare
from cg_backends.sql import Store
from cg_core import AddJob, Address, Caller, CreateGroup, GetGroup
from tests.peers.databases import SYSTEMS, server

ADDRESS = Address("0x8e077691A9f7152F7F709479233d06FA5273c15d")
CALLER = Caller(ADDRESS)
KEY, SECRET = "farm", "s3cret"
READY = 10_000
TOGETHER = 50


def figures(*, quick: bool) -> Iterator[Figure]:
    """One writer; then many together."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = Farm(stack.enter_context(Store(f"sqlite:///{folder}/ours.db")))
        with Store(f"sqlite:///{folder}/bare.db") as made:
            Farm(made)
        bare = Bare(folder / "bare.db")
        stack.callback(bare.close)
        core = f"SQLAlchemy {version('sqlalchemy')} Core, the same statements"
        yield compare("SQLite: add_job", ours.add_job, core, bare.add_job, goal=0.8, quick=quick)
        yield compare(
            "SQLite: get_group", ours.get_group, core, bare.get_group, goal=None, quick=quick
        )
        urls = {"SQLite": f"sqlite:///{folder}/many.db"}
        for system in SYSTEMS.values():
            if system.missing() is None:
                running = stack.enter_context(server(system, durable=True))
                urls[system.title] = running.url(running.new_database())
        for name, url in urls.items():
            many = Farm(stack.enter_context(Store(url)))
            yield compare(
                f"{name}: {TOGETHER} jobs added in one transaction", many.add_together,
                "the same store, a transaction for each", many.add_in_turn, goal=None, quick=quick,
            )  # fmt: skip


class Farm:
    """A store with a group in it, to which jobs are added: the store's work is timed.

    The first requests are made beforehand.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        store.execute(CreateGroup("farm", join_key=KEY, join_secret=SECRET), CALLER)
        more = (AddJob(KEY, f"{number:022d}", join_secret=SECRET) for number in count())
        self._requests = chain(list(islice(more, READY)), more)

    def add_job(self) -> None:
        self._store.execute(next(self._requests), CALLER)

    def get_group(self) -> None:
        self._store.execute(GetGroup(KEY), CALLER)

    def add_in_turn(self) -> None:
        for _ in range(TOGETHER):
            self.add_job()

    def add_together(self) -> None:
        self._store.execute_all([(each, CALLER) for each in islice(self._requests, TOGETHER)])


# The statements of the store, on columns without types of ours.
_COUNTERS = table(
    "computeGroupStore", column("schemaVersion"), column("lastGroupId"), column("lastPosition")
)
_GROUPS = table(
    "computeGroups",
    *map(
        column,
        (
            "commissionRate", "deployFee", "addJobFee", "maxTotalPayment", "maxConcurrentEscrow",
            "maxConcurrentJobs", "maxConcurrentWorkers", "maxConcurrentSandboxes",
            "maxConcurrentCPUs", "maxConcurrentGPUs", "deployAccess", "id", "opaqueId", "name",
            "description", "joinKey", "joinAddress", "owner", "createdAt", "joinHash",
        ),
    ),
)  # fmt: skip
_JOBS = table("jobs", *map(column, ("id", "owner", "cancelled", "position")))
_MEMBERSHIPS = table(
    "computeGroupJobs", *map(column, ("computeGroupId", "job", "position", "owner", "cancelled"))
)
_READ_COUNTERS = select(_COUNTERS)
_READ_GROUP = select(_GROUPS).where(_GROUPS.c.joinKey == bindparam("key"))
_READ_JOB = select(_JOBS.c.id, _JOBS.c.owner, _JOBS.c.cancelled).where(
    _JOBS.c.id == bindparam("job")
)
_INSERT_JOB = insert(_JOBS)
_INSERT_MEMBERSHIP = insert(_MEMBERSHIPS).from_select(
    ["computeGroupId", "job", "position", "owner", "cancelled"],
    select(
        bindparam("group"), _JOBS.c.id, bindparam("position"), _JOBS.c.owner, _JOBS.c.cancelled
    ).where(_JOBS.c.id == bindparam("of_job")),
)
_WRITE_COUNTERS = update(_COUNTERS).values(
    lastGroupId=bindparam("group"), lastPosition=bindparam("position")
)


class Bare:
    """What `Store` says to SQLite for a request, said without it; nothing is checked or decided."""

    def __init__(self, path: Path) -> None:
        engine = create_engine(
            f"sqlite:///{path}", isolation_level="AUTOCOMMIT", poolclass=NullPool
        )

        @event.listens_for(engine, "connect")
        def opened(connection: object, _: object) -> None:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined] # sqlite3's

        self._connection = engine.connect()
        self._numbers = count()

    def close(self) -> None:
        self._connection.close()

    def add_job(self) -> None:
        execute, job = self._connection.execute, f"{next(self._numbers):022d}"
        self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        _, group, position = execute(_READ_COUNTERS).one()
        assert execute(_READ_GROUP, {"key": KEY}).first() is not None
        assert execute(_READ_JOB, {"job": job}).first() is None
        new_job = {"id": job, "owner": ADDRESS, "cancelled": False, "position": position + 1}
        execute(_INSERT_JOB, new_job)
        execute(_INSERT_MEMBERSHIP, {"group": group, "position": position + 2, "of_job": job})
        execute(_WRITE_COUNTERS, {"group": group, "position": position + 2})
        self._connection.commit()

    def get_group(self) -> None:
        self._connection.exec_driver_sql("BEGIN")
        assert self._connection.execute(_READ_GROUP, {"key": KEY}).first() is not None
        self._connection.commit()
