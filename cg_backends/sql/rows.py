"""What the rules read (`cg_core.Rows`) and what they decide to write, as statements."""

# ruff: noqa: D102 - what the rules read is told of in cg_core.Rows

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Final, TypeAlias

import attrs
from sqlalchemy import (
    Connection,
    Executable,
    Select,
    bindparam,
    delete,
    false,
    func,
    insert,
    literal,
    select,
    update,
)

from cg_backends.local import Dump, State
from cg_backends.sql.tables import GROUP_FIELDS, SCHEMA_VERSION, groups, jobs, memberships, store
from cg_core import (
    PUBLIC_GROUP,
    Address,
    Decision,
    GroupName,
    GroupRow,
    InvalidValue,
    JobId,
    JobRow,
    MembershipRow,
    OpaqueId,
    Row,
)
from cg_core.identifiers import checked_integer

Values: TypeAlias = dict[str, Any]

# Made once: SQLAlchemy keeps what it made of them.
_GROUPS: Final = select(*[groups.c[field] for field in GROUP_FIELDS])
_GROUP_BY: Final = {
    field: _GROUPS.where(groups.c[field] == bindparam("value"))
    for field in ("id", "opaque_id", "join_key")
}
_GROUPS_OWNED_BY: Final = _GROUPS.where(groups.c.owner == bindparam("owner")).order_by(groups.c.id)
_JOBS: Final = select(jobs.c.id, jobs.c.owner, jobs.c.cancelled)
_JOB: Final = _JOBS.where(jobs.c.id == bindparam("id"))
_OF_GROUP: Final = memberships.c.group_id == bindparam("group_id")
_OF_JOB: Final = memberships.c.job_id == bindparam("of_job")
_CURRENT: Final = memberships.c.cancelled == false()  # `is` finds no index on MariaDB
_IS_MEMBER: Final = select(literal(1)).where(_OF_GROUP, _OF_JOB)
_CURRENT_JOBS: Final = (
    select(memberships.c.job_id, memberships.c.owner)
    .where(_OF_GROUP, _CURRENT)
    .order_by(memberships.c.position)
)
_COUNT: Final = select(func.count()).where(_OF_GROUP, _CURRENT)
_COUNT_OF_OWNER: Final = _COUNT.where(memberships.c.owner == bindparam("owner"))

_INSERT_GROUP: Final = insert(groups)
_UPDATE_GROUP: Final = update(groups).where(groups.c.id == bindparam("of_id"))
_DELETE_GROUP: Final = delete(groups).where(groups.c.id == bindparam("of_id"))
_INSERT_JOB: Final = insert(jobs)
_CANCEL_JOB: Final = update(jobs).where(jobs.c.id == bindparam("of_job")).values(cancelled=True)
_CANCEL_MEMBERSHIPS: Final = update(memberships).where(_OF_JOB).values(cancelled=True)
_INSERT_MEMBERSHIP: Final = insert(memberships).from_select(
    ["group_id", "job_id", "position", "owner", "cancelled"],
    select(
        bindparam("group_id", type_=memberships.c.group_id.type),
        jobs.c.id,
        bindparam("position", type_=memberships.c.position.type),
        jobs.c.owner,
        jobs.c.cancelled,
    ).where(jobs.c.id == bindparam("of_job")),
)
_DELETE_MEMBERSHIP: Final = delete(memberships).where(_OF_GROUP, _OF_JOB)

_ALL_GROUPS: Final = _GROUPS.where(groups.c.id != PUBLIC_GROUP.id).order_by(groups.c.id)
_ALL_JOBS: Final = _JOBS.order_by(jobs.c.position)
_ALL_MEMBERSHIPS: Final = select(memberships.c.group_id, memberships.c.job_id).order_by(
    memberships.c.group_id, memberships.c.position
)
_ALL_CURRENT: Final = _ALL_MEMBERSHIPS.where(_CURRENT)

_LOCK: Final = select(
    store.c.schema_version, store.c.last_group_id, store.c.last_position
).with_for_update()
_WRITE_DOWN: Final = update(store)
_SERVICE: Final = select(store.c.service_address)
_LAST_GROUP_ID: Final = select(store.c.last_group_id)


def require_version(version: int, place: str) -> None:
    """Leave alone what another version of this library made.

    Raises:
        InvalidValue: it is another version.
    """
    if version != SCHEMA_VERSION:
        raise InvalidValue(
            f"{place} has tables of version {version}, and this library knows version "
            f"{SCHEMA_VERSION}; use the library that made them, or export there and import here"
        )


@attrs.define
class Numbers:
    """Which row ids and positions were given: each is above all before it."""

    last_group_id: int
    last_position: int

    def next_position(self) -> int:
        """The end of every list."""
        self.last_position += 1
        return self.last_position


class SQLRows:
    """The rows as one transaction sees them; see `cg_core.Rows`.

    Nobody else changes what it sees, so what was read is not read again.

    Args:
        connection: in a transaction.
        opaque_ids: gives opaque ids for new groups.
        public_group: whether there is a public group.
    """

    def __init__(
        self, connection: Connection, opaque_ids: Iterator[OpaqueId | str], *, public_group: bool
    ) -> None:
        self._connection = connection
        self._opaque_ids = opaque_ids
        self._public_group = PUBLIC_GROUP if public_group else None
        self._numbers = Numbers(0, 0)
        self._groups: dict[tuple[str, GroupName], GroupRow | None] = {}
        self._jobs: dict[JobId, JobRow | None] = {}
        self._current_jobs: dict[int, tuple[JobRow, ...]] = {}

    def lock(self, place: str) -> None:
        """Wait until nobody else writes, and see to it that nobody does until the end."""
        version, *given = self._connection.execute(_LOCK).one()
        require_version(version, place)  # somebody may have made it another in the meantime
        self._numbers, self._given = Numbers(*given), Numbers(*given)

    def group(self, name: GroupName) -> GroupRow | None:
        if isinstance(name, OpaqueId):
            field = "opaque_id"
        else:
            field = "join_key" if isinstance(name, str) else "id"
        if name == getattr(PUBLIC_GROUP, field):
            return self._public_group  # the library's own, whatever the table says
        key = (field, name)
        if key not in self._groups:
            row = self._connection.execute(_GROUP_BY[field], {"value": name}).first()
            self._groups[key] = None if row is None else group_row(row)
        return self._groups[key]

    def groups_owned_by(self, owner: Address) -> tuple[GroupRow, ...]:
        return tuple(map(group_row, self._connection.execute(_GROUPS_OWNED_BY, {"owner": owner})))

    def job(self, id: JobId) -> JobRow | None:
        if id not in self._jobs:
            row = self._connection.execute(_JOB, {"id": id}).first()
            self._jobs[id] = None if row is None else JobRow(*row)
        return self._jobs[id]

    def is_member(self, membership: MembershipRow) -> bool:
        if self.job(membership.job_id) is None:
            return False
        return self._connection.execute(_IS_MEMBER, _names(membership)).first() is not None

    def current_jobs(self, group_id: int) -> tuple[JobRow, ...]:
        if group_id not in self._current_jobs:
            rows = self._connection.execute(_CURRENT_JOBS, {"group_id": group_id})
            self._current_jobs[group_id] = tuple([JobRow(id, owner) for id, owner in rows])
        return self._current_jobs[group_id]

    def count_current_jobs(self, group_id: int) -> int:
        return self._count(_COUNT, {"group_id": group_id})

    def count_current_jobs_of(self, group_id: int, owner: Address) -> int:
        return self._count(_COUNT_OF_OWNER, {"group_id": group_id, "owner": owner})

    def _count(self, statement: Select[Any], values: Values) -> int:
        count: int = self._connection.execute(statement, values).scalar_one()
        return count

    def unused_group_id(self) -> int:
        return checked_integer("the last row id", self._numbers.last_group_id + 1, least=1)

    def unused_opaque_id(self) -> OpaqueId:
        for id in map(OpaqueId, self._opaque_ids):
            if self.group(id) is None and id != PUBLIC_GROUP.opaque_id:
                return id
        raise InvalidValue("the source of opaque ids is used up; give the store a longer one")

    def write(self, decision: Decision[Any]) -> None:
        """Write what was decided."""
        if decision.save or decision.erase:
            self._current_jobs.clear()
        for kind, rows in groupby(decision.save, type):
            _SAVE[kind](self, list(rows))
        for kind, rows in groupby(decision.erase, type):
            _ERASE[kind](self, list(rows))

    def write_down(self) -> None:
        """Write down which row ids and positions were given."""
        if self._numbers != self._given:
            given = self._numbers
            self._connection.execute(
                _WRITE_DOWN,
                {"last_group_id": given.last_group_id, "last_position": given.last_position},
            )

    def state(self) -> State:
        """All there is."""
        read = self._connection.execute
        return State(
            groups=tuple(group_row(row).shown() for row in read(_ALL_GROUPS)),
            jobs=tuple(JobRow(*row) for row in read(_ALL_JOBS)),
            memberships=tuple(MembershipRow(*row) for row in read(_ALL_CURRENT)),
        )

    def claimed(self, address: Address) -> Address:
        """Whom the store belongs to: this address, if there was none."""
        held: Address | None = self._connection.execute(_SERVICE).scalar()
        if held is None:
            self._connection.execute(_WRITE_DOWN, {"service_address": address})
        return held or address

    def load(self, dump: Dump, place: str) -> None:
        """Insert all rows of a dump where there are none."""
        for statement in (_ALL_GROUPS, _ALL_JOBS):
            if self._connection.execute(statement.limit(1)).first() is not None:
                raise InvalidValue(f"{place} has groups or jobs; import into one that has none")
        self._numbers.last_group_id = max(self._numbers.last_group_id, dump.last_group_id)
        for kind, rows in groupby(dump.rows, type):
            while some := list(islice(rows, _AT_ONCE)):
                self._each(_INSERT[kind], [self._values(row) for row in some])

    def _values(self, row: Row) -> Values:
        match row:
            case GroupRow():
                return group_values(row)
            case JobRow():
                position = self._numbers.next_position()
                names = {"id": row.id, "owner": row.owner, "cancelled": row.cancelled}
                return names | {"position": position}
            case MembershipRow():
                return {**_names(row), "position": self._numbers.next_position()}

    def _save_groups(self, rows: Sequence[GroupRow]) -> None:
        self._groups.clear()
        for row in rows:
            values = group_values(row)
            if row.id > self._numbers.last_group_id:
                self._numbers.last_group_id = row.id
                self._connection.execute(_INSERT_GROUP, values)
            else:
                self._connection.execute(_UPDATE_GROUP, {"of_id": values.pop("id"), **values})

    def _save_jobs(self, rows: Sequence[JobRow]) -> None:
        self._jobs |= {row.id: row for row in rows}
        # A job that is saved again is one that was cancelled.
        new = [self._values(row) for row in rows if not row.cancelled]
        ended = [{"of_job": row.id} for row in rows if row.cancelled]
        self._each(_INSERT_JOB, new)
        self._each(_CANCEL_JOB, ended)
        self._each(_CANCEL_MEMBERSHIPS, ended)

    def _save_memberships(self, rows: Sequence[MembershipRow]) -> None:
        self._each(_INSERT_MEMBERSHIP, list(map(self._values, rows)))

    def _erase_groups(self, rows: Sequence[GroupRow]) -> None:
        self._groups.clear()
        self._each(_DELETE_GROUP, [{"of_id": row.id} for row in rows])

    def _erase_memberships(self, rows: Sequence[MembershipRow]) -> None:
        self._each(_DELETE_MEMBERSHIP, list(map(_names, rows)))

    def _each(self, statement: Executable, values: list[Values]) -> None:
        if values:
            self._connection.execute(statement, values if len(values) > 1 else values[0])


_SAVE: Final[dict[type, Callable[[SQLRows, Any], None]]] = {
    GroupRow: SQLRows._save_groups,
    JobRow: SQLRows._save_jobs,
    MembershipRow: SQLRows._save_memberships,
}
_ERASE: Final[dict[type, Callable[[SQLRows, Any], None]]] = {
    GroupRow: SQLRows._erase_groups,
    MembershipRow: SQLRows._erase_memberships,
}


_INSERT: Final = {
    GroupRow: _INSERT_GROUP,
    JobRow: _INSERT_JOB,
    MembershipRow: _INSERT_MEMBERSHIP,
}
_AT_ONCE: Final = 500  # rows


def dumped(connection: Connection) -> Iterator[int | Row]:
    """The last row id that was given, then all rows, a few at a time."""
    yield connection.execute(_LAST_GROUP_ID).scalar_one()
    few = connection.execution_options(yield_per=_AT_ONCE)
    yield from map(group_row, few.execute(_ALL_GROUPS))
    yield from (JobRow(*row) for row in few.execute(_ALL_JOBS))
    yield from (MembershipRow(*row) for row in few.execute(_ALL_MEMBERSHIPS))


def group_row(row: Sequence[Any]) -> GroupRow:
    """A group's row, from its columns in their order."""
    return GroupRow(**dict(zip(GROUP_FIELDS, row, strict=True)))


def group_values(row: GroupRow) -> Values:
    """A group's columns."""
    return {field: getattr(row, field) for field in GROUP_FIELDS}


def _names(membership: MembershipRow) -> Values:
    return {"group_id": membership.group_id, "of_job": membership.job_id}
