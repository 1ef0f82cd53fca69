"""What a group is (C-1), what of it can change (C-3), and the public group (C-6)."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from cg_core.addresses import Address
from cg_core.identifiers import OpaqueId
from cg_core.join_hashes import JoinHash
from cg_core.properties import GroupProperties


@attrs.frozen(kw_only=True)
class Group(GroupProperties):
    """A group as its owner sees it. The join hash is held and never shown (C-1, C-13).

    Attributes:
        id: the row id, given by the store and never reused.
        opaque_id: the other id, 22 characters.
        name: 1 to 255 code points.
        description: 0 to 255 code points.
        join_key: the "user name" of the group, unique, or None.
        join_address: the address whose signature lets in, or None.
        owner: who made it; None for the public group.
        created_at: when, in UTC.
    """

    id: int
    opaque_id: OpaqueId
    name: str
    description: str
    join_key: str | None = None
    join_address: Address | None = None
    owner: Address | None
    created_at: datetime


class Keep(enum.Enum):
    """The mark of an argument that was not given: what it would change stays as it is (C-3)."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep.KEEP


@attrs.frozen(kw_only=True)
class GroupChanges:
    """What changes in a group; KEEP stands for what does not (C-3).

    Attributes:
        name, description, join_key, join_hash, join_address: as in `GroupRow`.
        properties: the properties of DCP 5 that change, by name, with their new values.
    """

    name: str | Keep = KEEP
    description: str | Keep = KEEP
    join_key: str | Keep | None = KEEP
    join_hash: JoinHash | Keep | None = KEEP
    join_address: Address | Keep | None = KEEP
    properties: tuple[tuple[str, object], ...] = ()

    def given(self) -> dict[str, Any]:
        """The fields of `GroupRow` that change, with their new values."""
        own = ((field, getattr(self, field)) for field in CHANGEABLE)
        return {field: value for field, value in own if value is not KEEP} | dict(self.properties)


CHANGEABLE: Final = tuple(
    field.name for field in attrs.fields(GroupChanges) if field.name != "properties"
)
"""What of a group can change, beside its properties."""


@attrs.frozen(kw_only=True)
class GroupRow(Group):
    """A group as a store holds it: with its join hash, which hides itself."""

    join_hash: JoinHash | None = None

    @property
    def has_credentials(self) -> bool:
        """Whether there is something to show before a job is let in (C-8)."""
        return self.join_key is not None or self.join_address is not None

    def changed(self, changes: GroupChanges) -> GroupRow:
        """The row after a change."""
        return attrs.evolve(self, **changes.given())

    def shown(self) -> Group:
        """The group without its hash."""
        return Group(**{field.name: getattr(self, field.name) for field in attrs.fields(Group)})


PUBLIC_GROUP: Final = GroupRow(
    id=1,
    opaque_id=OpaqueId("WHhetL7mj1w1mw1XV6dxyC"),
    name="Public Compute Group (open access)",
    description="Anyone may add a job, without credentials",
    join_key="public",
    owner=None,
    created_at=datetime(1970, 1, 1, tzinfo=UTC),
    deploy_access="join",
)
"""The predefined group: anyone may add a job, nobody may list, change or delete it (C-6)."""
