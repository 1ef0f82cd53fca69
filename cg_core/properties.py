"""The optional properties that DCP 5 gives a group (C-4): one table, for create and for change."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypedDict

import attrs

from cg_core.errors import InvalidType, InvalidValue
from cg_core.identifiers import checked_integer
from cg_core.text import type_name

DeployAccess: TypeAlias = Literal["owner", "join"]

INTEGER_DIGITS = 20
FRACTION_DIGITS = 18
"""The most digits of an amount, before and behind the point (C-4)."""


@attrs.frozen(kw_only=True)
class GroupProperties:
    """What DCP 5 adds to a group (C-4). None means no limit.

    Attributes:
        commission_rate: the owner's share of payments, 0 <= rate < 1.
        deploy_fee: what deploying a job to the group costs.
        add_job_fee: what adding a job to the group costs.
        max_total_payment: the most that may be paid in all.
        max_concurrent_escrow: the most that may be held in escrow at once.
        max_concurrent_jobs: the most jobs in the group at once.
        max_concurrent_workers, max_concurrent_sandboxes, max_concurrent_cpus,
        max_concurrent_gpus: the most of each at work at once.
        deploy_access: who may add jobs: `"owner"`, or whoever can `"join"` (C-8).
    """

    commission_rate: Decimal = Decimal(0)
    deploy_fee: Decimal = Decimal(0)
    add_job_fee: Decimal = Decimal(0)
    max_total_payment: Decimal | None = None
    max_concurrent_escrow: Decimal | None = None
    max_concurrent_jobs: int | None = None
    max_concurrent_workers: int | None = None
    max_concurrent_sandboxes: int | None = None
    max_concurrent_cpus: int | None = None
    max_concurrent_gpus: int | None = None
    deploy_access: DeployAccess = "owner"


class PropertyArguments(TypedDict, total=False):
    """`GroupProperties` as keyword arguments: those that are given."""

    commission_rate: Decimal | int
    deploy_fee: Decimal | int
    add_job_fee: Decimal | int
    max_total_payment: Decimal | int | None
    max_concurrent_escrow: Decimal | int | None
    max_concurrent_jobs: int | None
    max_concurrent_workers: int | None
    max_concurrent_sandboxes: int | None
    max_concurrent_cpus: int | None
    max_concurrent_gpus: int | None
    deploy_access: DeployAccess


def _amount(field: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise InvalidType(
            f"{field} must be a Decimal or an int, not {type_name(value)}; "
            "a float is not exact, so write Decimal('0.1')"
        )
    if isinstance(value, int):
        # Compared before it is converted: turning a huge int into digits is slow.
        if not 0 <= value < 10**INTEGER_DIGITS:
            raise InvalidValue(_amount_rule(field))
        return Decimal(value)
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise InvalidValue(f"{field} (a Decimal) is not a number")
    if not any(digits):
        return Decimal(0)
    # Trailing zeros say nothing, so 1E+2 and 100.00 are one amount, on every database.
    zeros = next(count for count, digit in enumerate(reversed(digits)) if digit)
    digits, exponent = digits[: len(digits) - zeros], exponent + zeros
    if sign or exponent < -FRACTION_DIGITS or len(digits) + exponent > INTEGER_DIGITS:
        raise InvalidValue(_amount_rule(field))
    if exponent > 0:
        digits, exponent = digits + (0,) * exponent, 0
    return Decimal((0, digits, exponent))


def _amount_rule(field: str) -> str:
    return (
        f"{field} must be from 0, with at most {INTEGER_DIGITS} digits before the point "
        f"and {FRACTION_DIGITS} behind it"
    )


def _rate(field: str, value: Any) -> Decimal:
    rate = _amount(field, value)
    if rate >= 1:
        raise InvalidValue(f"{field} must be less than 1: it is a share, as 0.05 for 5 %")
    return rate


def _amount_limit(field: str, value: Any) -> Decimal | None:
    return None if value is None else _amount(field, value)


def _count_limit(field: str, value: Any) -> int | None:
    return None if value is None else checked_integer(field, value, least=0)


def _access(field: str, value: Any) -> DeployAccess:
    if not isinstance(value, str):
        raise InvalidType(f"{field} must be a str, not {type_name(value)}")
    if value == "owner":
        return "owner"
    if value == "join":
        return "join"
    raise InvalidValue(f"{field} (a str) must be 'owner' or 'join'")


_CHECKS: Mapping[str, Callable[[str, Any], object]] = MappingProxyType(
    {
        "commission_rate": _rate,
        "deploy_fee": _amount,
        "add_job_fee": _amount,
        "max_total_payment": _amount_limit,
        "max_concurrent_escrow": _amount_limit,
        "max_concurrent_jobs": _count_limit,
        "max_concurrent_workers": _count_limit,
        "max_concurrent_sandboxes": _count_limit,
        "max_concurrent_cpus": _count_limit,
        "max_concurrent_gpus": _count_limit,
        "deploy_access": _access,
    }
)


AMOUNTS = frozenset(
    field for field, check in _CHECKS.items() if check in (_rate, _amount, _amount_limit)
)
"""The properties that are amounts: JSON strings on the wire."""

_AMOUNT_TEXT = re.compile("-?[0-9]{1,64}(?:[.][0-9]{1,64})?(?:[eE][+-]?[0-9]{1,3})?")


def amount_from_text(field: str, text: str) -> Decimal:
    """The amount that a text says exactly: a number as JSON writes it (C-4).

    Raises:
        InvalidValue: it says none, or at such a length that reading it would be work.
    """
    if _AMOUNT_TEXT.fullmatch(text) is None:
        raise InvalidValue(f"{field} (a str) is not a decimal number, as '0.1'")
    return Decimal(text)


def checked_properties(given: PropertyArguments) -> dict[str, Any]:
    """The properties that were given, each checked and in its one exact form.

    Raises:
        InvalidType: a name that is no property, or a value of the wrong type.
        InvalidValue: a value out of range.
    """
    for field in given:
        if field not in _CHECKS:
            del given  # a misspelt join_secret may be in it (C-13)
            raise _unknown(field)
    return {field: _CHECKS[field](field, value) for field, value in given.items()}


def _unknown(field: str) -> InvalidType:
    near = get_close_matches(field, [*_CHECKS, *_OTHER_ARGUMENTS], n=1)
    mend = f"did you mean {near[0]}?" if near else f"they are {', '.join(_CHECKS)}"
    return InvalidType(f"{field!a:.40} is not a property of a group; {mend}")


# What else create and change take by name, for suggestions.
_OTHER_ARGUMENTS = ("name", "description", "join_key", "join_secret", "join_hash", "join_address")
