"""What calls give back, beyond ids: the answer for each group of `add_job_to_groups`."""

from __future__ import annotations

import attrs

from cg_core.errors import Refused
from cg_core.identifiers import GroupName


def _kind_of(refusal: Refused | None) -> tuple[str, str, str] | None:
    return None if refusal is None else (refusal.name, refusal.code, refusal.message)


@attrs.frozen
class AddJobResult:
    """What became of the job in one group.

    Attributes:
        group: the group, by the id or join key that the call gave.
        refusal: why the job is not in the group, or None if it is.
        assumed: the service answered without naming the groups, which means all of them.
    """

    group: GroupName
    refusal: Refused | None = attrs.field(default=None, eq=_kind_of)
    assumed: bool = False

    @property
    def added(self) -> bool:
        """Whether the job is in the group now."""
        return self.refusal is None
