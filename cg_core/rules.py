"""What each request does: (request, caller, rows, now, terms) -> rows to write, and reply (C-19).

Pure functions. Who may is asked of `ownership`; a refusal is raised, and then nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs

from cg_core.descriptors import Descriptor, named
from cg_core.errors import DuplicateJoinKey, InvalidType, InvalidValue, LimitReached, Refused
from cg_core.groups import KEEP, PUBLIC_GROUP, Group, GroupRow
from cg_core.identifiers import GroupId, JobId, OpaqueId
from cg_core.ownership import (
    Caller,
    group_to_join,
    job_not_found,
    job_to_end,
    owned_group,
    require_addable,
    require_creator,
)
from cg_core.properties import GroupProperties
from cg_core.requests import (
    AddJob,
    AddJobToGroups,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroups,
    ListJobs,
    RemoveAllJobs,
    RemoveJob,
    Request,
)
from cg_core.results import AddJobResult
from cg_core.rows import Decision, JobRow, MembershipRow, Rows
from cg_core.terms import FREE_TERMS, Terms
from cg_core.text import LONGEST_TEXT, type_name

T = TypeVar("T")

READS: Final = frozenset({GetGroup, ListGroups, ListJobs})
"""The requests that never write anything."""


def decide(
    request: Request[T], caller: Caller, rows: Rows, now: datetime, terms: Terms = FREE_TERMS
) -> Decision[T]:
    """What a request comes to.

    Args:
        request: one of the twelve.
        caller: who sent it.
        rows: the store's rows as they stand.
        now: the time, with its zone.
        terms: what the store's keeper allows.

    Raises:
        Refused: the rules say no, and nothing is to be written (C-16).
        InvalidArgument: the request cannot be carried out on the group that it names.
    """
    rule = _RULES.get(type(request))
    if rule is None:
        raise InvalidType(f"{type_name(request)} is not one of the twelve requests")
    decision: Decision[T] = rule(request, caller, rows, now, terms)
    return decision


def _create_group(
    request: CreateGroup, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[GroupId]:
    require_creator(caller, terms)
    if now.utcoffset() is None:
        raise InvalidValue("now must say its time zone; give datetime.now(UTC)")
    created_at = now.astimezone(UTC).replace(fold=0)  # in UTC no hour comes twice
    for name in (request.join_key, request.opaque_id):
        if name is not None:
            _require_free(rows, name)
    properties = attrs.fields(GroupProperties)
    group = GroupRow(
        id=rows.unused_group_id(),
        opaque_id=request.opaque_id or rows.unused_opaque_id(),
        name=request.name,
        description=(
            f"{request.name}, created on {created_at:%Y-%m-%d}"[:LONGEST_TEXT]
            if request.description is None
            else request.description
        ),
        join_key=request.join_key,
        join_hash=request.join_hash,
        join_address=request.join_address,
        owner=caller.address,
        created_at=created_at,
        **{field.name: getattr(request.properties, field.name) for field in properties},
    )
    return Decision(group.id, save=(group,))


def _change_group(
    request: ChangeGroup, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[None]:
    group = owned_group(rows, request.group, caller)
    # Over a session one may come without the other (C-3).
    key, held = request.changes.join_key, request.changes.join_hash
    if held is None and key is KEEP:
        raise InvalidValue(
            "joinHash null without joinKey: say what lets in instead, with joinKey beside it"
        )
    if key is not KEEP and held is KEEP and group.join_hash is not None:
        raise InvalidValue(
            "joinKey without joinHash: the group has a hash, and its join key is the salt of it; "
            "send both"
        )
    changed = group.changed(request.changes)
    if changed.join_hash is not None and changed.join_key is None:
        raise InvalidValue("joinHash without joinKey: the group has no join key; send both")
    if changed.join_key is not None and changed.join_key != group.join_key:
        _require_free(rows, changed.join_key)
    return Decision(None, save=(changed,))


def _delete_group(
    request: DeleteGroup, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[None]:
    return Decision(None, erase=(owned_group(rows, request.group, caller),))


def _add_job(
    request: AddJob, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[None]:
    save: dict[JobRow | MembershipRow, None] = {}
    _let_in(request.group, request.job, caller, rows, terms, save)
    return Decision(None, save=tuple(save))


def _add_job_to_groups(
    request: AddJobToGroups, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[tuple[AddJobResult, ...]]:
    save: dict[JobRow | MembershipRow, None] = {}
    results = []
    for descriptor in request.groups:
        try:
            _let_in(descriptor, request.job, caller, rows, terms, save)
        except Refused as refusal:
            # Kept in a result, a traceback would keep the rows.
            results.append(AddJobResult(descriptor.name, refusal.with_traceback(None)))
        else:
            results.append(AddJobResult(descriptor.name))
    return Decision(tuple(results), save=tuple(save))


def _let_in(
    descriptor: Descriptor,
    job_id: JobId,
    caller: Caller,
    rows: Rows,
    terms: Terms,
    save: dict[JobRow | MembershipRow, None],
) -> None:
    # Adds to `save` what is new: the job, at its first add, and its membership.
    group = group_to_join(rows, descriptor, caller)
    job = rows.job(job_id)
    require_addable(job, caller)
    membership = MembershipRow(group.id, job_id)
    if rows.is_member(membership):
        return
    _require_room(rows, group, descriptor)
    _require_public_room(rows, group, caller, terms)
    if job is None:
        save[JobRow(job_id, caller.address)] = None
    save[membership] = None


def _list_jobs(
    request: ListJobs, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[tuple[JobId, ...]]:
    group = owned_group(rows, request.group, caller)
    return Decision(tuple([job.id for job in rows.current_jobs(group.id)]))


def _remove_job(
    request: RemoveJob, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[None]:
    group, job = job_to_end(rows, request.group, request.job, caller)
    if job.cancelled:
        raise job_not_found(request.group, request.job)
    return Decision(None, erase=(MembershipRow(group.id, job.id),))


def _remove_all_jobs(
    request: RemoveAllJobs, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[tuple[JobId, ...]]:
    group = owned_group(rows, request.group, caller)
    jobs = tuple(job.id for job in rows.current_jobs(group.id))
    return Decision(jobs, erase=tuple(MembershipRow(group.id, job) for job in jobs))


def _cancel_job(
    request: CancelJob, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[None]:
    _, job = job_to_end(rows, request.group, request.job, caller)
    return Decision(None, save=() if job.cancelled else (_cancelled(job),))


def _cancel_all_jobs(
    request: CancelAllJobs, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[tuple[JobId, ...]]:
    group = owned_group(rows, request.group, caller)
    jobs = rows.current_jobs(group.id)
    return Decision(tuple(job.id for job in jobs), save=tuple(_cancelled(job) for job in jobs))


def _get_group(
    request: GetGroup, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[Group]:
    return Decision(owned_group(rows, request.group, caller).shown())


def _list_groups(
    request: ListGroups, caller: Caller, rows: Rows, now: datetime, terms: Terms
) -> Decision[tuple[Group, ...]]:
    return Decision(tuple(group.shown() for group in rows.groups_owned_by(caller.address)))


_RULES: Mapping[type, Callable[[Any, Caller, Rows, datetime, Terms], Decision[Any]]] = (
    MappingProxyType(
        {
            CreateGroup: _create_group,
            ChangeGroup: _change_group,
            DeleteGroup: _delete_group,
            AddJob: _add_job,
            AddJobToGroups: _add_job_to_groups,
            ListJobs: _list_jobs,
            RemoveJob: _remove_job,
            RemoveAllJobs: _remove_all_jobs,
            CancelJob: _cancel_job,
            CancelAllJobs: _cancel_all_jobs,
            GetGroup: _get_group,
            ListGroups: _list_groups,
        }
    )
)


def _require_free(rows: Rows, name: str | OpaqueId) -> None:
    # The names of the public group are taken where there is none, too (C-6).
    public = PUBLIC_GROUP.opaque_id if isinstance(name, OpaqueId) else PUBLIC_GROUP.join_key
    if name == public or rows.group(name) is not None:
        raise DuplicateJoinKey(f"there is a {named(name)} already; choose another")


def _require_room(rows: Rows, group: GroupRow, descriptor: Descriptor) -> None:
    most = group.max_concurrent_jobs
    if most is not None and rows.count_current_jobs(group.id) >= most:
        raise LimitReached(f"{descriptor} has {most} jobs, which is its max_concurrent_jobs")


def _require_public_room(rows: Rows, group: GroupRow, caller: Caller, terms: Terms) -> None:
    most = terms.public_jobs_per_caller
    if group.id != PUBLIC_GROUP.id or most is None:
        return
    if rows.count_current_jobs_of(group.id, caller.address) >= most:
        raise LimitReached(
            f"{caller.address} has {most} jobs in the public group, which is the limit"
        )


def _cancelled(job: JobRow) -> JobRow:
    return attrs.evolve(job, cancelled=True)
