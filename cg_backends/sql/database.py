"""Transactions: begun, carried out, committed, and begun again where that may help."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

import attrs
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cg_backends.sql.dialects import Fault
from cg_backends.sql.schema import require_schema
from cg_backends.sql.urls import Location
from cg_core import Busy, ComputeGroupsError, NetworkError, OutcomeUnknown

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.01  # seconds
_LONGEST_PAUSE: Final = 0.5

# What surely undid a transaction, even where it was being committed.
_UNDONE: Final = {Fault.AGAIN, Fault.BUSY, Fault.FULL}


class Failed(Exception):
    """A transaction could not be carried out.

    Attributes:
        error: what is told to who asked for it.
        is_for_all: whether any other transaction would have come to the same.
    """

    def __init__(self, error: Exception, *, is_for_all: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.is_for_all = is_for_all

    def copy_of_error(self) -> Exception:
        """The error for one of those who asked; each may raise it in a thread of its own."""
        return self.error.bare() if isinstance(self.error, ComputeGroupsError) else self.error


@attrs.frozen
class _Trouble:
    """What happened to an attempt.

    Attributes:
        fault: what it means.
        told: more about it, in which there is nothing of a statement or a password.
        was_committing: whether that was while what it wrote was being committed.
    """

    fault: Fault
    told: str
    was_committing: bool = False


class Database:
    """A database, and one connection to it: one transaction at a time.

    Args:
        location: where it is.
        timeout: how many seconds a transaction may wait, all attempts at it together.

    Attributes:
        place: where it is, for a person.
        is_committing: whether the last transaction came to where what it wrote was committed.
    """

    def __init__(self, location: Location, timeout: float) -> None:
        self.place = location.place
        self.is_committing = False
        self._location = location
        self._timeout = timeout
        self._engine = location.engine(timeout)
        self._connection: Connection | None = None
        self._was_reached = False

    def transact(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """Do some work in a transaction; anew, where that may help, until the time is over.

        Raises:
            Failed: it could not be carried out. Nothing was done, unless its error is
                `OutcomeUnknown`.
        """
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        while isinstance(result := self._attempt(work, writes=writes), _Trouble):
            failed = self._failed(result)
            if failed is not None:
                raise failed
            if time.monotonic() + pause > deadline:
                raise Failed(self._given_up(result), is_for_all=True)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return result

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection besides, on which all is seen as it stands now, for as long as one likes.

        Raises:
            Failed: it did not come about, or was lost.
        """
        other = Database(self._location, self._timeout)
        try:
            connection = other._begun(self._location.dialect.reading)
            yield connection
        except _ERRORS as error:
            trouble = other._trouble(error)
        else:
            return
        finally:
            other.close()
        failed = self._failed(trouble)
        raise failed or Failed(self._given_up(trouble), is_for_all=True)

    def close(self) -> None:
        """Let go of the connection; the next transaction makes another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Whatever state it is in: what was not committed is undone by its end.
            with suppress(DBAPIError):
                connection.invalidate()
            connection.close()

    def _attempt(self, work: Callable[[Connection], T], *, writes: bool) -> T | _Trouble:
        dialect = self._location.dialect
        self.is_committing = is_done = False
        try:
            connection = self._begun(dialect.writing if writes else dialect.reading)
            result = work(connection)
            self.is_committing = writes
            connection.commit()
        except _ERRORS as error:
            return self._trouble(error)
        else:
            is_done = True
            return result
        finally:
            if not is_done:
                self.close()

    def _begun(self, statements: tuple[str, ...]) -> Connection:
        """The connection, with a transaction begun."""
        if self._connection is None:
            self._location.make_file()
            self._connection = self._engine.connect()
            require_schema(
                self._connection, self._location.dialect, self.place, timeout=self._timeout
            )
            self._was_reached = True
        for statement in statements:
            self._connection.exec_driver_sql(statement)
        return self._connection

    def _trouble(self, error: DBAPIError | OSError | UnicodeDecodeError) -> _Trouble:
        if isinstance(error, UnicodeDecodeError):
            return _Trouble(Fault.DAMAGED, "what it holds is no text")
        if isinstance(error, OSError):
            return _Trouble(Fault.LOST, error.strerror or type(error).__name__)
        cause = error.orig or error
        fault = self._location.dialect.fault(cause)
        if self._connection is None:
            # No statement was on its way: the driver's text is about the connection alone.
            kind = Fault.LOST if fault is Fault.OTHER else fault
            return _Trouble(kind, " ".join(str(cause).split()))
        if error.connection_invalidated:
            fault = Fault.LOST
        told = "the connection was lost"
        if fault is not Fault.LOST:
            told = f"error {self._location.dialect.code(cause)}"
        return _Trouble(fault, told, was_committing=self.is_committing)

    def _failed(self, trouble: _Trouble) -> Failed | None:
        """What comes of an attempt for good; None where another one may succeed."""
        if trouble.was_committing and trouble.fault not in _UNDONE:
            return Failed(
                OutcomeUnknown(
                    f"{self.place}: {trouble.told} in the middle of the commit, so what was asked "
                    "for was done as a whole or not at all; look before you repeat it"
                ),
                is_for_all=True,
            )
        match trouble.fault:
            case Fault.AGAIN | Fault.BUSY:
                return None
            case Fault.LOST if self._was_reached:
                return None
            case Fault.LOST:
                return Failed(self._given_up(trouble), is_for_all=True)
        # Some of what was asked for together may be possible alone: to read, on a full disk.
        mend = _MEND[trouble.fault]
        told = f"{self.place} {mend} ({trouble.told})"
        return Failed(NetworkError(told), is_for_all=False)

    def _given_up(self, trouble: _Trouble) -> Busy | NetworkError:
        if trouble.fault is Fault.LOST:
            return NetworkError(
                f"{self.place} cannot be reached: {trouble.told}; "
                f"{self._location.dialect.unreached}"
            )
        return Busy(
            f"{self.place} was in use by others for {self._timeout:g} seconds; try again, or find "
            "out who keeps it locked"
        )


# sqlite3 raises UnicodeDecodeError in place of an error of its own, which quotes what is damaged.
_ERRORS: Final = (DBAPIError, OSError, UnicodeDecodeError)
_MEND: Final = {
    Fault.FULL: "has no room left, and nothing was written; make some, then call again",
    Fault.READ_ONLY: "cannot be written to; give this user the right to, or another database",
    Fault.DAMAGED: "is damaged, or something else than a database; restore it from a backup",
    Fault.OTHER: "refused a statement, and nothing was written; its own log may say more",
}
