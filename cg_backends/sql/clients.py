"""Clients of a durable store, for one caller each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

import anyio
from anyio.to_thread import run_sync

from cg_backends.local import AsyncLocalClient, LocalClient
from cg_core import Caller, Request

if TYPE_CHECKING:
    from cg_backends.sql.store import Store

T = TypeVar("T")

_MOST_THREADS = 40
"""That wait for one client: what they ask, they ask together."""


class StoreClient(LocalClient["Store"]):
    """A client of a `Store`. It may be used from several threads.

    Args:
        store: the store.
        caller: who calls.
        closes_store: whether closing the client closes the store.
    """

    def __init__(self, store: Store, caller: Caller, *, closes_store: bool = False) -> None:
        super().__init__(store, caller)
        self._closes_store = closes_store

    @property
    def store(self) -> Store:
        """The store, for a look at all that it holds."""
        return self._place

    def close(self) -> None:
        """Refuse further calls; the data stays."""
        super().close()
        if self._closes_store:
            self.store.close()


class AsyncStoreClient(AsyncLocalClient["Store"]):
    """A client of a `Store`, under asyncio and under trio. The event loop never waits for it.

    Args:
        store: the store.
        caller: who calls.
        closes_store: whether closing the client closes the store.
    """

    def __init__(self, store: Store, caller: Caller, *, closes_store: bool = False) -> None:
        super().__init__(store, caller)
        self._closes_store = closes_store

    @property
    def store(self) -> Store:
        """The store, for a look at all that it holds."""
        return self._place

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        # Of its own: who waits for a database keeps no thread from other work.
        self._threads = anyio.CapacityLimiter(_MOST_THREADS)
        return self

    async def _execute(self, request: Request[T]) -> T:
        # Who is cancelled leaves; the thread ends what it has begun, as a whole or not at all.
        return await run_sync(
            self.store.execute,
            request,
            self._caller,
            abandon_on_cancel=True,
            limiter=self._threads,
        )

    async def aclose(self) -> None:
        """Refuse further calls; the data stays."""
        await super().aclose()
        if self._closes_store:
            with anyio.CancelScope(shield=True):
                await run_sync(self.store.close)
