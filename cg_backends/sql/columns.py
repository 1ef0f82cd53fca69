"""Column types that keep values exactly, on every database: text, amounts, times."""

# ruff: noqa: ARG002 - SQLAlchemy names what its methods are given

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import VARBINARY, DateTime, Dialect, Numeric, String, TypeDecorator
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.types import TypeEngine

from cg_core import JoinHash
from cg_core.properties import FRACTION_DIGITS, INTEGER_DIGITS


class ExactText(TypeDecorator[Any]):
    """Text that is compared by code point: letter case, accents and trailing spaces count (C-1).

    Args:
        length: the most code points.
        kind: the class of the values.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int, kind: Callable[[str], Any] = str) -> None:
        super().__init__(length)
        self.length = length
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """MySQL's collations disregard this or that, MariaDB's and MySQL's differ; bytes do not."""
        kinds: dict[str, TypeEngine[Any]] = {
            "mysql": VARBINARY(4 * self.length),
            "postgresql": String(self.length, collation="C"),
        }
        return dialect.type_descriptor(kinds.get(dialect.name, String(self.length)))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """A value as the database gets it."""
        if value is None:
            return None
        text = value.reveal() if isinstance(value, JoinHash) else str.__str__(value)
        return text.encode() if dialect.name == "mysql" else text

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """What the database gave, as a value."""
        if value is None:
            return None
        return self.kind(value.decode() if isinstance(value, bytes) else value)


class Amount(TypeDecorator[Decimal]):
    """An amount, exactly, in the one form that the core gives it (C-4)."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite has no decimal numbers: there it is text."""
        digits = INTEGER_DIGITS + FRACTION_DIGITS
        exact: TypeEngine[Any] = (
            String(digits + 1) if dialect.name == "sqlite" else Numeric(digits, FRACTION_DIGITS)
        )
        return dialect.type_descriptor(exact)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """A value as the database gets it."""
        return format(value, "f") if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """What the database gave; it fills up with zeros, which say nothing."""
        if value is None:
            return None
        text = format(Decimal(value), "f")
        return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


class UTCTime(TypeDecorator[datetime]):
    """A time in UTC, to the microsecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Without a zone, which each database understands in a way of its own."""
        kind: TypeEngine[Any] = DATETIME(fsp=6) if dialect.name == "mysql" else DateTime()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """A value as the database gets it."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the database gave, with its zone."""
        return None if value is None else value.replace(tzinfo=UTC)
