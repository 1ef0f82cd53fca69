"""The durable backend: the rules of the core, carried out in an SQL database.

    from cg_backends.sql import connect

    with connect("sqlite:///farm.db") as groups:
        farm = groups.create("render farm", join_key="farm", join_secret="s3cret")

Without a URL the database is the file compute-groups.db, here. `mariadb://user:password@host/name`
(or `mysql://`) and `postgresql://user:password@host/name` are the others. A `Store` of one's own
serves several callers. The tables are made at the first request.
"""

from __future__ import annotations

try:
    import sqlalchemy  # noqa: F401 # the rest of this package needs it
except ModuleNotFoundError as error:
    if error.name != "sqlalchemy":
        raise
    raise ModuleNotFoundError(
        "the durable store needs SQLAlchemy: pip install 'compute-groups[sql]'", name="sqlalchemy"
    ) from None

from cg_backends.local import DEFAULT_CALLER, AnyIdentity, State, caller_of
from cg_backends.sql.clients import AsyncStoreClient, StoreClient
from cg_backends.sql.store import DEFAULT_URL, TIMEOUT, Store

__all__ = [
    "DEFAULT_CALLER",
    "DEFAULT_URL",
    "AnyIdentity",
    "AsyncStoreClient",
    "State",
    "Store",
    "StoreClient",
    "connect",
    "connect_async",
]


def connect(
    url: str = DEFAULT_URL,
    *,
    identity: AnyIdentity | None = None,
    join_identity: AnyIdentity | None = None,
    timeout: float | None = TIMEOUT,
    scheduler: object = None,  # noqa: ARG001 - as the six below
    connect_timeout: object = None,  # noqa: ARG001
    idle_timeout: object = None,  # noqa: ARG001
    http: object = None,  # noqa: ARG001
    transport: object = None,  # noqa: ARG001
    insecure: object = None,  # noqa: ARG001
    service_address: object = None,  # noqa: ARG001
) -> StoreClient:
    """A sync client with a store of its own, and the parameters of the backends over a network.

    Args:
        url: where the database is.
        identity: the caller; an address will do, since nothing is signed.
        join_identity: another identity, or its address, that groups may let in (C-9).
        timeout: seconds that a transaction may wait for others and for the database; None for no
            end.
        scheduler: taken, so that one line swaps this backend in, and not needed.
        connect_timeout: likewise.
        idle_timeout: likewise.
        http: likewise.
        transport: likewise.
        insecure: likewise.
        service_address: likewise.
    """
    caller = caller_of(identity, join_identity)
    return StoreClient(Store(url, timeout=timeout), caller, closes_store=True)


def connect_async(
    url: str = DEFAULT_URL,
    *,
    identity: AnyIdentity | None = None,
    join_identity: AnyIdentity | None = None,
    timeout: float | None = TIMEOUT,
    scheduler: object = None,  # noqa: ARG001 - as the six below
    connect_timeout: object = None,  # noqa: ARG001
    idle_timeout: object = None,  # noqa: ARG001
    http: object = None,  # noqa: ARG001
    transport: object = None,  # noqa: ARG001
    insecure: object = None,  # noqa: ARG001
    service_address: object = None,  # noqa: ARG001
) -> AsyncStoreClient:
    """An async client, for asyncio and trio; the parameters are those of `connect`."""
    caller = caller_of(identity, join_identity)
    return AsyncStoreClient(Store(url, timeout=timeout), caller, closes_store=True)
