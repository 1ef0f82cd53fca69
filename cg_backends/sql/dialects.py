"""What differs between the database systems: how a transaction begins, what an error means."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

import attrs

LONGEST_WAIT: Final = 1_000_000.0
"""Seconds; what every system can be told to wait, in milliseconds and 31 bits."""


class Fault(enum.Enum):
    """What an error of a database means for a transaction that was not being committed."""

    AGAIN = "it was undone for another's sake; the same may succeed at once"
    BUSY = "another's lock was waited for in vain"
    LOST = "there is no connection, or no longer"
    FULL = "the disk is full"
    READ_ONLY = "nothing can be written there, by this user at least"
    DAMAGED = "it is no database, or no longer"
    OTHER = "something else"


@attrs.frozen
class Dialect:
    """One system.

    Attributes:
        title: its name, for a person.
        extra: the extra of ours that brings its driver.
        connect_args: what its driver is told, for a wait of so many seconds.
        opening: what each new connection is told.
        writing: begins a transaction that reads what is there when it reads it.
        reading: begins one that reads what is there when it begins, and waits for nobody.
        making: what is said before tables are made, so that one program makes them; one that
            answers 0 has waited in vain.
        made: what is said afterwards.
        encoding: asks how texts are encoded, where that may be otherwise than in UTF-8.
        unreached: what to look after where there is no connection.
        faults: the meaning of its error codes.
        code: the code of its driver's error.
    """

    title: str
    extra: str
    connect_args: Callable[[float], dict[str, Any]]
    opening: Callable[[float], tuple[str, ...]]
    writing: tuple[str, ...]
    reading: tuple[str, ...]
    making: Callable[[float], tuple[str, ...]]
    made: tuple[str, ...]
    encoding: str | None
    unreached: str
    faults: dict[object, Fault]
    code: Callable[[BaseException], object]

    def fault(self, error: BaseException) -> Fault:
        """What an error of the driver means."""
        return self.faults.get(self.code(error), Fault.OTHER)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _whole(seconds: float) -> int:
    return max(1, round(seconds))


SQLITE: Final = Dialect(
    title="SQLite",
    extra="sql",
    # While it waits for a lock it hears no Ctrl-C, so it is to ask again every second. Whichever
    # thread has its turn uses the connection.
    connect_args=lambda seconds: {"timeout": min(seconds, 1.0), "check_same_thread": False},
    opening=lambda _: (
        # Who reads does not wait for who writes; what is committed is on the disk.
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    ),
    writing=("BEGIN IMMEDIATE",),
    reading=("BEGIN",),
    making=lambda _: ("BEGIN IMMEDIATE",),
    made=("COMMIT",),
    encoding=None,
    unreached="see that its folder is there, and that you may write to both",
    faults={
        5: Fault.BUSY,
        6: Fault.BUSY,
        8: Fault.READ_ONLY,
        11: Fault.DAMAGED,
        13: Fault.FULL,
        26: Fault.DAMAGED,
    },
    code=lambda error: getattr(error, "sqlite_errorcode", 0) & 0xFF,
)

_SERVER_UNREACHED: Final = "see that it runs, and that the url, the user and the password are right"

_MAKING: Final = "SHA1(CONCAT('computeGroups of ', DATABASE()))"

# What does not fit is an error, never cut off; and quotes are as SQLAlchemy takes them to be.
_MODES: Final = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"

MYSQL: Final = Dialect(
    title="MariaDB or MySQL",
    extra="mariadb",
    connect_args=lambda seconds: {
        "connect_timeout": _whole(seconds),
        "read_timeout": _whole(seconds) + 5,  # it says itself that a lock took too long
        "write_timeout": _whole(seconds),
        "charset": "utf8mb4",
        "sql_mode": _MODES,  # by the driver: SQLAlchemy looks at it before it lets us speak
    },
    opening=lambda seconds: (
        f"SET SESSION sql_mode = '{_MODES}'",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",  # as reading is to have it
        f"SET SESSION innodb_lock_wait_timeout = {_whole(seconds)}",
        f"SET SESSION lock_wait_timeout = {_whole(seconds)}",
    ),
    writing=("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION"),
    reading=("START TRANSACTION READ ONLY",),
    making=lambda seconds: (f"SELECT GET_LOCK({_MAKING}, {_whole(seconds)})",),
    made=(f"SELECT RELEASE_LOCK({_MAKING})",),
    encoding=None,  # each column has its own
    unreached=_SERVER_UNREACHED,
    faults={
        1020: Fault.AGAIN,  # changed since it was read
        1213: Fault.AGAIN,  # deadlock
        1317: Fault.AGAIN,  # KILL QUERY
        1205: Fault.BUSY,
        1021: Fault.FULL,
        1114: Fault.FULL,
        1036: Fault.READ_ONLY,
        1142: Fault.READ_ONLY,  # a right is lacking
        1290: Fault.READ_ONLY,
        1836: Fault.READ_ONLY,
        0: Fault.LOST,  # PyMySQL's: the connection was closed before
        1040: Fault.LOST,  # too many connections
        1053: Fault.LOST,  # shutting down
        1927: Fault.LOST,  # KILL
        2006: Fault.LOST,
        2013: Fault.LOST,
        2055: Fault.LOST,
        4031: Fault.LOST,  # idle for too long
    },
    code=lambda error: next(iter(error.args), None),
)

POSTGRESQL: Final = Dialect(
    title="PostgreSQL",
    extra="postgresql",
    connect_args=lambda seconds: {
        "connect_timeout": max(2, _whole(seconds)),  # the least it takes
        "tcp_user_timeout": _milliseconds(seconds),
    },
    opening=lambda seconds: (
        "SET client_encoding = 'UTF8'",
        f"SET lock_timeout = {_milliseconds(seconds)}",
    ),
    writing=("BEGIN ISOLATION LEVEL READ COMMITTED",),
    reading=("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",),
    making=lambda _: (
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "SELECT pg_advisory_xact_lock(hashtext('computeGroups'))",
    ),
    made=("COMMIT",),
    encoding="SHOW server_encoding",
    unreached=_SERVER_UNREACHED,
    faults={
        "40001": Fault.AGAIN,  # conflict
        "40P01": Fault.AGAIN,  # deadlock
        "57014": Fault.AGAIN,  # pg_cancel_backend
        "55P03": Fault.BUSY,
        "53100": Fault.FULL,
        "25006": Fault.READ_ONLY,
        "42501": Fault.READ_ONLY,  # a right is lacking
        "53300": Fault.LOST,  # too many connections
        "57P01": Fault.LOST,  # shutting down, or pg_terminate_backend
        "57P02": Fault.LOST,
        "57P03": Fault.LOST,
        "57P05": Fault.LOST,  # idle for too long
    },
    code=lambda error: getattr(error, "sqlstate", None) or getattr(error, "pgcode", None),
)

DIALECTS: Final = {"sqlite": SQLITE, "mysql": MYSQL, "postgresql": POSTGRESQL}
"""By SQLAlchemy's names."""
