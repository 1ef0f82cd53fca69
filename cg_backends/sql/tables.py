"""The tables, named as DCP's own are, with columns named as members are on the wire."""

from __future__ import annotations

from typing import Any, Final

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
)
from sqlalchemy.types import TypeEngine

from cg_backends.sql.columns import Amount, ExactText, UTCTime
from cg_core import Address, GroupRow, JobId, JoinHash, OpaqueId
from cg_core.json_shapes import camel_case
from cg_core.properties import AMOUNTS
from cg_core.text import LONGEST_TEXT

SCHEMA_VERSION: Final = 1
"""A store whose tables are of another version is left alone."""

_ADDRESS: Final = ExactText(42, Address)
_OPAQUE_ID: Final = ExactText(22, OpaqueId)
_JOB_ID: Final = ExactText(42, JobId)
_TEXT: Final = ExactText(LONGEST_TEXT)
# On SQLite this is the table's own row id.
_ROW_ID: Final = BigInteger().with_variant(Integer(), "sqlite")

_metadata = MetaData()
# MySQL's other engines have no transactions.
_OPTIONS: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}

store = Table(
    "computeGroupStore",
    _metadata,
    Column("schemaVersion", Integer, primary_key=True, autoincrement=False, key="schema_version"),
    Column("serviceAddress", _ADDRESS, key="service_address"),
    Column("lastGroupId", BigInteger, nullable=False, key="last_group_id"),
    Column("lastPosition", BigInteger, nullable=False, key="last_position"),
    **_OPTIONS,
)
"""One row. Whoever locks it is the one who writes; it says which ids and positions were given."""

_GROUP_COLUMNS: Final[dict[str, TypeEngine[Any]]] = {
    "id": _ROW_ID,
    "opaque_id": _OPAQUE_ID,
    "name": _TEXT,
    "description": _TEXT,
    "join_key": _TEXT,
    "join_hash": ExactText(68, JoinHash),
    "join_address": _ADDRESS,
    "owner": _ADDRESS,
    "created_at": UTCTime(),
    "deploy_access": ExactText(5),
    **{field: Amount() for field in AMOUNTS},
}
# A group without the first has no limit, credentials, or (the public one) owner.
_NULLABLE: Final = {"join_key", "join_hash", "join_address", "owner"}
GROUP_FIELDS: Final = tuple(field.name for field in attrs.fields(GroupRow))


def _group_column(field: str) -> Column[Any]:
    return Column(
        camel_case(field),
        _GROUP_COLUMNS.get(field, BigInteger()),
        key=field,
        primary_key=field == "id",
        autoincrement=False,
        nullable=field.startswith("max_") or field in _NULLABLE,
        unique=field in {"opaque_id", "join_key"},
        index=field == "owner",
    )


groups = Table("computeGroups", _metadata, *map(_group_column, GROUP_FIELDS), **_OPTIONS)

jobs = Table(
    "jobs",
    _metadata,
    Column("id", _JOB_ID, primary_key=True),
    Column("owner", _ADDRESS, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    **_OPTIONS,
)
"""Each job that was ever added, for good."""

memberships = Table(
    "computeGroupJobs",
    _metadata,
    Column(
        "computeGroupId",
        ForeignKey(groups.c.id, ondelete="CASCADE"),
        key="group_id",
        primary_key=True,
        autoincrement=False,
    ),
    Column("job", ForeignKey(jobs.c.id), key="job_id", primary_key=True),
    Column("position", BigInteger, nullable=False),
    # Said by the job, too; here so that no count passes by all jobs that ever were.
    Column("owner", _ADDRESS, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    **_OPTIONS,
)
"""The jobs in each group, in the order of their positions."""

Index(
    "computeGroupJobs_current",
    *(memberships.c[name] for name in ("group_id", "cancelled", "owner")),
)
Index("computeGroupJobs_job", memberships.c.job_id)

TABLES: Final = (store, groups, jobs, memberships)
"""In the order in which they are made."""
