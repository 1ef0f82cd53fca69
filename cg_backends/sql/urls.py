"""Where a database is: URLs, read. None is shown as it stands: there may be a password in it."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Final

import attrs
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from cg_backends.sql.dialects import DIALECTS, Dialect
from cg_core import InvalidType, InvalidValue
from cg_core.text import type_name

_log = logging.getLogger("cg.store")

_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_EXAMPLES: Final = (
    "sqlite:///compute-groups.db, mariadb://user:password@host/database or "
    "postgresql://user:password@host/database"
)


@attrs.frozen
class Location:
    """Where a database is.

    Attributes:
        place: its system, host and name, for a person.
        dialect: its system.
    """

    place: str
    dialect: Dialect
    _url: URL = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Location:
        """The location that a URL says.

        Raises:
            InvalidType, InvalidValue: it says none; the message does not show it.
            ModuleNotFoundError: the driver is not there; the message tells what to install.
        """
        url = _url(text)
        dialect = DIALECTS[url.get_backend_name()]
        if dialect is DIALECTS["sqlite"]:
            _require_plain_file(url)
            return cls(f"the SQLite file {url.database}", dialect, url)
        if not url.database:
            raise InvalidValue(f"the url names no database; write it as {_EXAMPLES}")
        if "@" in (url.host or ""):
            raise InvalidValue("the url has an @ too many: in a password, write %40 for it")
        host = url.host or url.query.get("unix_socket") or url.query.get("host") or "localhost"
        port = f":{url.port}" if url.port else ""
        return cls(f"the {dialect.title} database {url.database} at {host}{port}", dialect, url)

    def engine(self, timeout: float) -> Engine:
        """What makes connections. They begin and end their transactions only when told to."""
        engine = create_engine(
            self._url,
            connect_args=self.dialect.connect_args(timeout),
            isolation_level="AUTOCOMMIT",  # we say when a transaction begins, and how
            poolclass=NullPool,
            hide_parameters=True,  # there are join hashes among them
        )

        @event.listens_for(engine, "connect")
        def open_connection(connection: DBAPIConnection, _: object) -> None:
            try:
                cursor = connection.cursor()
                for statement in self.dialect.opening(timeout):
                    cursor.execute(statement)
                cursor.close()
            except BaseException:
                connection.close()  # old versions of SQLAlchemy leave that to the garbage collector
                raise

        return engine

    def make_file(self) -> None:
        """Have a SQLite file that is not there yet be its owner's alone: it will hold join hashes.

        Raises:
            OSError: it cannot be made.
        """
        if self.dialect is DIALECTS["sqlite"]:
            path = Path(str(self._url.database))
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            mode = os.fstat(descriptor).st_mode
            os.close(descriptor)
            # On Windows the mode says nothing about others.
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                _log.warning(
                    "others than its owner may read %s, with its join hashes; run: chmod 600 %s",
                    path,
                    path,
                )


def shown_url(text: str) -> str:
    """A URL that `Location` takes, without its password, which may be in the query, too."""
    return make_url(text).set(query={}).render_as_string(hide_password=True)


def _url(text: str) -> URL:
    if not isinstance(text, str):
        raise InvalidType(f"url must be a str, not {type_name(text)}")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        url = None
    if url is None:
        raise InvalidValue(f"the url cannot be read; write it as {_EXAMPLES}")
    backend = url.get_backend_name()
    if backend in ("http", "https", "ws", "wss"):
        raise InvalidValue(
            "the url is that of a service, which cg_backends.sync, .asyncio and .trio call; "
            f"that of a database is {_EXAMPLES}"
        )
    if backend not in _DRIVERS:
        raise InvalidValue(f"the url names no database system; write it as {_EXAMPLES}")
    usual = _DRIVERS[backend]
    if "+" not in url.drivername:
        return _with_driver(url.set(drivername=usual))
    system = usual.partition("+")[0]
    return _with_driver(url.set(drivername=f"{system}+{url.drivername.partition('+')[2]}"))


def _with_driver(url: URL) -> URL:
    """The URL, if its driver is installed and can be called synchronously."""
    name = url.get_driver_name()
    try:
        dialect = url.get_dialect()
    except (NoSuchModuleError, AttributeError, ValueError):  # what SQLAlchemy makes of odd names
        dialect = None
    if dialect is None:
        raise InvalidValue(f"SQLAlchemy knows no driver {name!a:.40}; leave it away for ours")
    if dialect.is_async:
        raise InvalidValue(
            f"the driver {name} is an asynchronous one; leave it away for ours, which never keeps "
            "an event loop waiting either"
        )
    try:
        dialect.import_dbapi()
    except ImportError as error:
        missing = error.name or name
    else:
        return url
    backend = url.get_backend_name()
    mend = f"pip install 'compute-groups[{DIALECTS[backend].extra}]'"
    if url.drivername != _DRIVERS[backend]:
        mend = f"install it, or take {name} out of the url, and {mend}"
    raise ModuleNotFoundError(f"this database needs {missing}: {mend}", name=missing)


def _require_plain_file(url: URL) -> None:
    name = url.database or ""
    if name in ("", ":memory:") or name.startswith("file:") or url.host:
        raise InvalidValue(
            "the url names no file; write sqlite:///name.db, or sqlite:////folder/name.db from the "
            "root. What need not last is in cg_backends.memory"
        )
