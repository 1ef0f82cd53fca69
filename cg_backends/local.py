"""Clients of a place in this process: of a world in memory, of a durable store."""

from __future__ import annotations

import abc
import secrets
import string
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Generic, Protocol, Self, TypeAlias, TypeVar

import attrs

from cg_backends.misuse import not_open, used_before
from cg_core import (
    Address,
    AsyncClient,
    Caller,
    Client,
    ClientClosed,
    Group,
    Identity,
    InvalidArgument,
    JobRow,
    MembershipRow,
    Request,
    Row,
)

T = TypeVar("T")

AnyIdentity: TypeAlias = Identity | Address | str
"""Who calls: here an address will do, since nothing is signed."""

DEFAULT_CALLER: Final = Address("0xca11e4000000000000000000000000000000ca11")
"""The caller of a client that was made for nobody in particular."""


@attrs.frozen
class State:
    """What a place holds, for assertions.

    Attributes:
        groups: by row id, without the public group.
        jobs: every job that was ever added, in the order of their first add.
        memberships: by group, in the order in which the jobs joined; without cancelled jobs.
    """

    groups: tuple[Group, ...]
    jobs: tuple[JobRow, ...]
    memberships: tuple[MembershipRow, ...]


@attrs.frozen
class Dump:
    """All that a place holds, for an archive.

    Attributes:
        last_group_id: the last row id that was given to a group.
        rows: groups (without the public one), then jobs, then memberships by group, each in the
            order in which they came. To be gone through once, where they were read from a place.
    """

    last_group_id: int
    rows: Iterable[Row]


class Place(Protocol):
    """Where requests are carried out."""

    def execute(self, request: Request[T], caller: Caller) -> T:
        """Carry out a request: all of it, or on an error nothing."""


P = TypeVar("P", bound=Place)


class LocalClient(Client, Generic[P]):
    """A client of a place. It may be used from several threads."""

    def __init__(self, place: P, caller: Caller) -> None:
        self._place = place
        self._caller = caller
        self._closed = False

    def call(self, request: Request[T]) -> T:
        """Carry out a request, at once; see `Client.call`."""
        _require_open(self._closed)
        return self._place.execute(request, self._caller)

    def close(self) -> None:
        """Refuse further calls; the place stays."""
        self._closed = True


class AsyncLocalClient(AsyncClient, Generic[P]):
    """A client of a place, under asyncio and under trio."""

    def __init__(self, place: P, caller: Caller) -> None:
        # Here, so that who is synchronous need not wait for it. Under asyncio and trio alike it
        # lets others run, and is where a call can be cancelled.
        from anyio.lowlevel import checkpoint  # noqa: PLC0415

        self._place = place
        self._caller = caller
        self._is_entered = self._closed = False
        self._checkpoint = checkpoint

    async def __aenter__(self) -> Self:
        # As the backends that go over a network, so that a test fails where they would.
        if self._is_entered:
            raise used_before()
        self._is_entered = True
        return self

    async def call(self, request: Request[T]) -> T:
        """Carry out a request, unless the call is cancelled first; see `AsyncClient.call`."""
        await self._checkpoint()
        _require_open(self._closed)
        if not self._is_entered:
            raise not_open()
        return await self._execute(request)

    @abc.abstractmethod
    async def _execute(self, request: Request[T]) -> T:
        """Carry out a request in the place."""

    async def aclose(self) -> None:
        """Refuse further calls; the place stays."""
        self._closed = True
        await self._checkpoint()


def caller_of(identity: AnyIdentity | None, join_identity: AnyIdentity | None) -> Caller:
    """The caller that a client is made for."""
    fault: InvalidArgument
    try:
        address = DEFAULT_CALLER if identity is None else _address("identity", identity)
        if join_identity is None:
            return Caller(address)
        return Caller(address, frozenset({_address("join_identity", join_identity)}))
    except InvalidArgument as error:
        fault = error
    finally:
        del identity, join_identity  # somebody may take a private key for an address (C-13)
    raise fault.with_traceback(None)


def _address(field: str, identity: AnyIdentity) -> Address:
    return identity.address if isinstance(identity, Identity) else Address(identity, field)


def _require_open(closed: bool) -> None:  # noqa: FBT001
    if closed:
        raise ClientClosed("this client is closed; make the call before it closes, or connect anew")


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def random_opaque_ids() -> Iterator[str]:
    """Opaque ids for new groups, without end."""
    alphabet = string.ascii_letters + string.digits
    while True:
        yield "".join(secrets.choice(alphabet) for _ in range(22))
