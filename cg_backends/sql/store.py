"""The durable store: the rules of the core, carried out in a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection

from cg_backends.local import (
    AnyIdentity,
    Dump,
    State,
    caller_of,
    random_opaque_ids,
    utc_now,
)
from cg_backends.sql.clients import AsyncStoreClient, StoreClient
from cg_backends.sql.database import Database, Failed
from cg_backends.sql.dialects import LONGEST_WAIT
from cg_backends.sql.rows import SQLRows, dumped
from cg_backends.sql.turns import Asked, Turns
from cg_backends.sql.urls import Location
from cg_core import (
    READS,
    Address,
    Caller,
    ClientClosed,
    ComputeGroupsError,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    OpaqueId,
    OutcomeUnknown,
    Refused,
    Request,
    Row,
    Terms,
    decide,
)
from cg_core.text import type_name

T = TypeVar("T")

DEFAULT_URL: Final = "sqlite:///compute-groups.db"
TIMEOUT: Final = 30.0
MOST_AT_ONCE: Final = 100
"""Requests in one transaction: more would save little, and others wait for it."""


class Store:
    """Groups, jobs and memberships in a database, shared by all who connect to it.

    It may be used from several threads; what they ask at the same time is carried out in one
    transaction, and answered when that is committed. Several stores, of one program or of many,
    may use one database. It is reached at the first request.

    Args:
        url: where the database is.
        clock: gives the time, with its zone.
        opaque_ids: gives opaque ids for new groups; those in use are passed over.
        public_group: whether there is a public group (C-6).
        terms: what is allowed beyond the rules.
        timeout: seconds that a transaction may wait for others and for the database; None for no
            end.

    Raises:
        InvalidType, InvalidValue: an argument cannot be.
        ModuleNotFoundError: the database's driver is not installed; the message tells how.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        clock: Callable[[], datetime] | None = None,
        opaque_ids: Iterator[OpaqueId | str] | None = None,
        public_group: bool = True,
        terms: Terms | None = None,
        timeout: float | None = TIMEOUT,
    ) -> None:
        self._clock = clock or utc_now
        self._opaque_ids = opaque_ids or random_opaque_ids()
        self._public_group = public_group
        self._terms = terms or Terms()
        self._database = Database(Location.parse(url), _seconds(timeout))
        self._lock = threading.Lock()  # held through a transaction
        self._turns = Turns(self._carry_out, MOST_AT_ONCE)
        self._is_closed = False

    def execute(self, request: Request[T], caller: Caller) -> T:
        """Carry out a request: all of it, or on an error nothing.

        Raises:
            Refused, InvalidArgument: as the rules decide.
            Busy: others kept the database locked for too long.
            NetworkError: the database cannot be reached, or written to.
            OutcomeUnknown: the connection was lost in the middle of the commit.
        """
        asked = Asked(request, caller)
        self._turns.answer(asked)
        result: T = asked.result()
        return result

    def execute_all(self, requests: Iterable[tuple[Request[Any], Caller]]) -> list[Any]:
        """Carry out requests, in their order, in one transaction.

        Returns:
            For each its reply, or the error that `execute` would raise.
        """
        asked = [Asked(request, caller) for request, caller in requests]
        if asked:
            self._carry_out(asked)
        return [each.outcome for each in asked]

    def state(self) -> State:
        """All that the store holds, as it stands."""
        return self._transact(lambda rows: rows.state(), writes=False)

    def claim(self, address: Address) -> None:
        """Say under which address a service serves this store; once said, it stays so.

        Raises:
            InvalidValue: another service has claimed it.
        """
        held = self._transact(lambda rows: rows.claimed(address), writes=True)
        if held != address:
            raise InvalidValue(
                f"{self._database.place} belongs to the service {held}, and this one is {address}: "
                "start it with the identity of that one, or give it a database of its own"
            )

    def dump(self) -> Dump:
        """All rows as they stand now, for an archive; reading them holds up nobody."""
        self._require_open()
        items = self._dumped()
        last_group_id: Any = next(items)
        rows: Any = items
        return Dump(last_group_id, rows)

    def load(self, dump: Dump) -> None:
        """Take in all rows of an archive, or none of them.

        Raises:
            InvalidValue: the store has groups or jobs.
        """
        self._transact(lambda rows: rows.load(dump, self._database.place), writes=True)

    def connect(
        self, identity: AnyIdentity | None = None, *, join_identity: AnyIdentity | None = None
    ) -> StoreClient:
        """A sync client of this store, for one caller; closing it leaves the store open."""
        return StoreClient(self, caller_of(identity, join_identity))

    def connect_async(
        self, identity: AnyIdentity | None = None, *, join_identity: AnyIdentity | None = None
    ) -> AsyncStoreClient:
        """An async client of this store, for one caller; closing it leaves the store open."""
        return AsyncStoreClient(self, caller_of(identity, join_identity))

    def close(self) -> None:
        """Refuse further requests, when those that are being carried out are answered."""
        with self._lock:
            self._is_closed = True
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _carry_out(self, asked: Sequence[Asked]) -> None:
        with self._lock:
            self._answer(asked)

    def _answer(self, asked: Sequence[Asked]) -> None:
        """Answer requests, in one transaction if possible."""
        failed = self._failed(asked)
        if failed is None:
            return
        for each in asked:
            if len(asked) > 1 and (
                not failed.is_for_all
                or (isinstance(failed.error, OutcomeUnknown) and not _writes(each))
            ):
                self._answer([each])
            else:
                each.answer(failed.copy_of_error())

    def _failed(self, asked: Sequence[Asked]) -> Failed | None:
        """Answer requests in one transaction; or say why that cannot be."""
        work = partial(self._outcomes, asked)
        try:
            outcomes = self._in_transaction(work, writes=any(map(_writes, asked)))
        except Failed as failed:
            return failed
        except ComputeGroupsError as error:  # the store is closed, or the database is not ours
            return Failed(error.bare(), is_for_all=True)
        except Exception as error:
            return Failed(error, is_for_all=False)
        except BaseException:
            # Ctrl-C in this thread. Another one carries out what others asked, unless that is done.
            if self._database.is_committing:
                for each in asked:
                    each.answer(OutcomeUnknown(_INTERRUPTED))
            raise
        for each, outcome in zip(asked, outcomes, strict=True):
            each.answer(outcome)
        return None

    def _outcomes(self, asked: Sequence[Asked], rows: SQLRows) -> list[Any]:
        return [self._outcome(each, rows) for each in asked]

    def _outcome(self, asked: Asked, rows: SQLRows) -> Any:
        try:
            decision = decide(asked.request, asked.caller, rows, self._clock(), self._terms)
        except (Refused, InvalidArgument) as error:
            return error.with_traceback(None)  # which would keep the rows
        rows.write(decision)
        return decision.reply

    def _transact(self, work: Callable[[SQLRows], T], *, writes: bool) -> T:
        with self._lock:
            try:
                return self._in_transaction(work, writes=writes)
            except Failed as failed:
                error = failed.error
        raise error

    def _in_transaction(self, work: Callable[[SQLRows], T], *, writes: bool) -> T:
        self._require_open()

        def done(connection: Connection) -> T:
            rows = SQLRows(connection, self._opaque_ids, public_group=self._public_group)
            if not writes:
                return work(rows)
            rows.lock(self._database.place)
            result = work(rows)
            rows.write_down()
            return result

        return self._database.transact(done, writes=writes)

    def _require_open(self) -> None:
        if self._is_closed:
            raise ClientClosed("this store is closed; make another one")

    def _dumped(self) -> Iterator[int | Row]:
        """The last row id that was given, then all rows."""
        try:
            with self._database.snapshot() as connection:
                yield from dumped(connection)
        except Failed as failed:
            error = failed.error
        else:
            return
        raise error


_INTERRUPTED: Final = (
    "the program was interrupted in the middle of the commit, so what was asked for was done as a "
    "whole or not at all; look before you repeat it"
)


def _writes(asked: Asked) -> bool:
    return type(asked.request) not in READS


def _seconds(timeout: float | None) -> float:
    if timeout is None:
        return LONGEST_WAIT
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise InvalidType(f"timeout must be seconds or None, not {type_name(timeout)}")
    if not timeout > 0:
        raise InvalidValue(f"timeout must be more than 0 seconds, not {timeout!a:.40}")
    return float(min(timeout, LONGEST_WAIT))
