"""Rows: what a store keeps, what the rules read of it, and what they decide to write (C-19)."""

from __future__ import annotations

from typing import Generic, Protocol, TypeAlias, TypeVar

import attrs

from cg_core.addresses import Address
from cg_core.groups import GroupRow
from cg_core.identifiers import GroupName, JobId, OpaqueId

T_co = TypeVar("T_co", covariant=True)


@attrs.frozen
class JobRow:
    """A job, from its first add for good (C-10)."""

    id: JobId
    owner: Address
    cancelled: bool = False


@attrs.frozen
class MembershipRow:
    """A job in a group. It outlasts the job's cancellation, and ends by remove or delete."""

    group_id: int
    job_id: JobId


Row: TypeAlias = GroupRow | JobRow | MembershipRow


class Rows(Protocol):
    """A store's rows as they stand at one instant: in one transaction, under one lock.

    The rules ask for the rows that they need, and for nothing else.
    """

    def group(self, name: GroupName) -> GroupRow | None:
        """The group with this row id (int), opaque id (OpaqueId) or join key (any other str)."""

    def groups_owned_by(self, owner: Address) -> tuple[GroupRow, ...]:
        """The groups of an owner, in the order of their row ids."""

    def job(self, id: JobId) -> JobRow | None:
        """The job, cancelled or not."""

    def is_member(self, membership: MembershipRow) -> bool:
        """Whether there is this membership, of a cancelled job too."""

    def current_jobs(self, group_id: int) -> tuple[JobRow, ...]:
        """The jobs of a group that are not cancelled, in the order in which they joined."""

    def count_current_jobs(self, group_id: int) -> int:
        """How many they are."""

    def count_current_jobs_of(self, group_id: int, owner: Address) -> int:
        """How many of them are this owner's."""

    def unused_group_id(self) -> int:
        """A row id that no group has or ever had."""

    def unused_opaque_id(self) -> OpaqueId:
        """An opaque id that no group has."""


@attrs.frozen
class Decision(Generic[T_co]):
    """What a request comes to: its reply, and the rows to write with it, all or none.

    Attributes:
        reply: the request's result.
        save: rows to insert, or to put in the place of the row with the same key. A new
            membership goes to the end of its group's list.
        erase: rows to delete. A group takes its memberships with it; a job is for good.
    """

    reply: T_co
    save: tuple[Row, ...] = ()
    erase: tuple[GroupRow | MembershipRow, ...] = ()
