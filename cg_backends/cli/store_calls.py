"""Work carried out in a store: many requests in a transaction."""

from __future__ import annotations

from typing import Final

import attrs

from cg_backends.cli.calls import Answer, Work
from cg_backends.sql import Store
from cg_backends.sql.store import TIMEOUT
from cg_core import Caller

_TOGETHER: Final = 100  # requests in a transaction


@attrs.frozen
class StoreExecutor:
    """Carries work out in a store.

    Attributes:
        url: where the database is.
        caller: who calls.
        timeout: seconds for each transaction.
    """

    url: str = attrs.field(repr=False)  # a password may be in it
    caller: Caller
    timeout: float = TIMEOUT

    def carry_out(self, work: Work) -> None:
        """See `Executor`."""
        with Store(self.url, timeout=self.timeout) as store:
            while batch := work.take(_TOGETHER):
                outcomes = store.execute_all([(request, self.caller) for _, request in batch])
                for (index, _), outcome in zip(batch, outcomes, strict=True):
                    work.answer(index, Answer.of(outcome))
