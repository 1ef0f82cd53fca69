"""The terms on which a store's keeper lets others use it, beyond the rules of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from cg_core.addresses import Address
from cg_core.identifiers import checked_integer


def _addresses(addresses: Iterable[Address] | None) -> frozenset[Address] | None:
    return None if addresses is None else frozenset(map(Address, addresses))


def _count(count: int | None) -> int | None:
    return None if count is None else checked_integer("public_jobs_per_caller", count, least=0)


@attrs.frozen(kw_only=True)
class Terms:
    """What a keeper allows.

    Attributes:
        creators: who may create groups; None: whoever can sign.
        public_jobs_per_caller: the most jobs that one caller may have in the public group, which
            takes jobs from anyone (C-6); None: no limit.
    """

    creators: frozenset[Address] | None = attrs.field(default=None, converter=_addresses)
    public_jobs_per_caller: int | None = attrs.field(default=None, converter=_count)


FREE_TERMS: Final = Terms()
"""Whatever the rules allow."""
