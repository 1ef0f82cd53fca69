"""A store's rows in plain lists, searched from end to end: too simple to be wrong.

The core's tests run the rules on it, and other stores are compared with it.
"""

from __future__ import annotations

from typing import TypeVar

import attrs

from cg_core import (
    PUBLIC_GROUP,
    Address,
    Decision,
    GroupName,
    GroupRow,
    JobId,
    JobRow,
    MembershipRow,
    OpaqueId,
    Row,
)

T = TypeVar("T")
IdentifiedRow = TypeVar("IdentifiedRow", GroupRow, JobRow)


@attrs.define
class NaiveRows:
    """The rows, as lists. `NaiveRows()` holds the public group alone.

    Attributes:
        groups: the groups, in any order.
        jobs: all jobs that were ever added.
        memberships: in the order in which jobs joined, over all groups.
        deleted: the groups that were deleted; their ids are not given again.
    """

    groups: list[GroupRow] = attrs.field(factory=lambda: [PUBLIC_GROUP])
    jobs: list[JobRow] = attrs.field(factory=list)
    memberships: list[MembershipRow] = attrs.field(factory=list)
    deleted: list[GroupRow] = attrs.field(factory=list)

    def group(self, name: GroupName) -> GroupRow | None:
        for group in self.groups:
            if isinstance(name, OpaqueId):
                found = group.opaque_id == name
            elif isinstance(name, str):
                found = group.join_key == name
            else:
                found = group.id == name
            if found:
                return group
        return None

    def groups_owned_by(self, owner: Address) -> tuple[GroupRow, ...]:
        own = [group for group in self.groups if group.owner == owner]
        return tuple(sorted(own, key=lambda group: group.id))

    def job(self, id: JobId) -> JobRow | None:
        for job in self.jobs:
            if job.id == id:
                return job
        return None

    def is_member(self, membership: MembershipRow) -> bool:
        return membership in self.memberships

    def current_jobs(self, group_id: int) -> tuple[JobRow, ...]:
        members = [self.job(row.job_id) for row in self.memberships if row.group_id == group_id]
        return tuple(job for job in members if job is not None and not job.cancelled)

    def count_current_jobs(self, group_id: int) -> int:
        return len(self.current_jobs(group_id))

    def count_current_jobs_of(self, group_id: int, owner: Address) -> int:
        return len([job for job in self.current_jobs(group_id) if job.owner == owner])

    def unused_group_id(self) -> int:
        return max([PUBLIC_GROUP.id] + [group.id for group in self.groups + self.deleted]) + 1

    def unused_opaque_id(self) -> OpaqueId:
        used = [group.opaque_id for group in self.groups + self.deleted]
        return next(id for id in map(_opaque_id, range(len(used) + 1)) if id not in used)

    def apply(self, decision: Decision[T]) -> T:
        """Write what was decided; the reply."""
        for row in decision.save:
            self._save(row)
        for erased in decision.erase:
            self._erase(erased)
        return decision.reply

    def copy(self) -> NaiveRows:
        """The same rows, in lists of their own."""
        return NaiveRows(self.groups[:], self.jobs[:], self.memberships[:], self.deleted[:])

    def _save(self, row: Row) -> None:
        if isinstance(row, MembershipRow):
            assert row not in self.memberships
            self.memberships.append(row)
        elif isinstance(row, JobRow):
            _put(self.jobs, row)
        else:
            _put(self.groups, row)

    def _erase(self, row: GroupRow | MembershipRow) -> None:
        if isinstance(row, MembershipRow):
            self.memberships.remove(row)
        else:
            self.groups.remove(row)
            self.deleted.append(row)
            self.memberships = [kept for kept in self.memberships if kept.group_id != row.id]


def _put(rows: list[IdentifiedRow], row: IdentifiedRow) -> None:
    for place, before in enumerate(rows):
        if before.id == row.id:
            rows[place] = row
            return
    rows.append(row)


def _opaque_id(number: int) -> OpaqueId:
    return OpaqueId(f"{number:022}")
