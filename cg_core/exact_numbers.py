"""Amounts and long integers in JSON, exactly: the numbers of JavaScript are doubles."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import attrs

from cg_core.properties import AMOUNTS, GroupProperties, amount_from_text

_FIRST_INEXACT = 2**53
_LONG_INTEGER = re.compile("[1-9][0-9]{15,18}")
_COUNTS = {field.name for field in attrs.fields(GroupProperties)} - AMOUNTS - {"deploy_access"}


def to_wire(value: Any) -> Any:
    """A number or text as JSON says it exactly: amounts, and integers of many digits, as text."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        return value if value < _FIRST_INEXACT else str(value)
    return str(value) if isinstance(value, str) else value


def integer_from_wire(value: Any) -> Any:
    """An integer from its digits, where it has many; whatever else it is is for checks to judge."""
    long = isinstance(value, str) and _LONG_INTEGER.fullmatch(value) is not None
    return int(value) if long else value


def property_from_wire(field: str, value: Any) -> Any:
    """A property's value (C-4) as it was meant: an amount or an integer, where it is one.

    Raises:
        InvalidValue: a text says no amount. All else is for `checked_properties` to judge.
    """
    if field in _COUNTS:
        return integer_from_wire(value)
    if field not in AMOUNTS:
        return value
    # A float's shortest digits are the text that JavaScript printed for it.
    text = repr(value) if isinstance(value, float) else value
    return amount_from_text(field, text) if isinstance(text, str) else value
