"""The tables: made at first use, and left alone where they are not ours."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from cg_backends.sql.dialects import Dialect
from cg_backends.sql.rows import group_values, require_version
from cg_backends.sql.tables import SCHEMA_VERSION, TABLES, groups, store
from cg_core import PUBLIC_GROUP, Busy, InvalidValue

_VERSION: Final = select(store.c.schema_version)
_PUBLIC_GROUP: Final = select(groups.c.id).where(groups.c.id == PUBLIC_GROUP.id)


def require_schema(connection: Connection, dialect: Dialect, place: str, timeout: float) -> None:
    """Make the tables, unless they are there; two programs may begin at once.

    Raises:
        InvalidValue: there are tables of another version, or another program's. None is touched.
        Busy: somebody else has been making them for too long.
    """
    version = _version(connection, place)
    if version is None:
        _make(connection, dialect, place, timeout)
    else:
        require_version(version, place)


def _version(connection: Connection, place: str) -> int | None:
    """The version of the tables; None where they are not there, or not complete yet."""
    try:
        return _read_version(connection)
    except DBAPIError:
        looked_at = inspect(connection)
        if not looked_at.has_table(store.name):
            return None
        columns = {column["name"] for column in looked_at.get_columns(store.name)}
        if store.c.schema_version.name not in columns:
            raise _not_ours(place, store.name) from None
    # Another program has made it in the meantime. If that was not the reason, it is told now.
    return _read_version(connection)


def _read_version(connection: Connection) -> int | None:
    version: int | None = connection.execute(_VERSION).scalar()
    return version


def _make(connection: Connection, dialect: Dialect, place: str, timeout: float) -> None:
    for statement in dialect.making(timeout):
        result = connection.execute(text(statement))
        if result.returns_rows and result.scalar() == 0:
            raise Busy(f"{place} is being made by another program; try again")
    if not _is_made(connection, place):
        _require_encoding(connection, dialect, place)
        _create(connection)
    for statement in dialect.made:
        connection.execute(text(statement))


def _is_made(connection: Connection, place: str) -> bool:
    """Whether another program made the tables a moment ago."""
    looked_at = inspect(connection)
    if looked_at.has_table(store.name):
        return _read_version(connection) is not None
    for table in TABLES:
        if looked_at.has_table(table.name):
            raise _not_ours(place, table.name)
    return False


def _create(connection: Connection) -> None:
    # Where making a table is a transaction of its own, who was stopped halfway goes on here. The
    # row of the store comes last: then all is there.
    for table in TABLES:
        table.create(connection, checkfirst=True)
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    if connection.execute(_PUBLIC_GROUP).scalar() is None:
        connection.execute(insert(groups), group_values(PUBLIC_GROUP))
    given = {"last_group_id": PUBLIC_GROUP.id, "last_position": 0}
    connection.execute(insert(store), {"schema_version": SCHEMA_VERSION, **given})


def _require_encoding(connection: Connection, dialect: Dialect, place: str) -> None:
    if dialect.encoding is not None:
        encoding = connection.execute(text(dialect.encoding)).scalar()
        if encoding != "UTF8":
            raise InvalidValue(
                f"{place} is encoded in {encoding}, which has not all characters; create one with "
                "ENCODING 'UTF8'"
            )


def _not_ours(place: str, table: str) -> InvalidValue:
    return InvalidValue(
        f"{place} has a table {table} of another program; give the store a database of its own"
    )
