"""Small worlds, and requests that hit in them: few callers, keys, secrets, groups and jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any, Final

import attrs
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    AddJob,
    AddJobToGroups,
    Address,
    Caller,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    ComputeGroupsError,
    CreateGroup,
    Decision,
    DeleteGroup,
    Descriptor,
    GetGroup,
    GroupName,
    GroupRow,
    JobId,
    JobRow,
    ListGroups,
    ListJobs,
    MembershipRow,
    OpaqueId,
    RemoveAllJobs,
    RemoveJob,
    Request,
    decide,
    join_hash,
)
from tests.core.arguments import METHODS
from tests.core.naive_rows import NaiveRows

ALICE: Final = Address("0x8e077691A9f7152F7F709479233d06FA5273c15d")
BOB: Final = Address("0x048069904c28b50Aa584B07a450CBF675272c593")
CAROL: Final = Address("0x132237d838Ee32d5F6e856532a0e691D8179A00B")
KEYS: Final = ("farm", "lab", "mill")
SECRETS: Final = ("s3cret", "tiger")
JOBS: Final = (JobId("P+Y4IApeFQLrYS2W7MkVg7"), JobId("Q+Y4IApeFQLrYS2W7MkVg8"), JobId(CAROL))
NOW: Final = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)

# Hypothesis likes the simplest choice, so a choice that hits is the first of those that it has.
likely = st.sampled_from([True, True, False])
people = st.sampled_from([ALICE, ALICE, BOB, CAROL])
callers = st.builds(Caller, people, st.frozensets(people, max_size=2))
jobs = st.sampled_from(JOBS)
keys = st.sampled_from(KEYS)
secrets = st.sampled_from(SECRETS)
properties: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "description": st.sampled_from(["", "of the film"]),
        "join_address": st.none() | people,
        "deploy_fee": st.sampled_from([Decimal("0.1"), Decimal(0), Decimal(10**19), 3]),
        "max_total_payment": st.none() | st.just(Decimal("0.000000000000000001")),
        "max_concurrent_jobs": st.none() | st.integers(0, 2),
        "deploy_access": st.sampled_from(["owner", "join"]),
    },
)

kinds: st.SearchStrategy[type[Request[Any]]] = st.sampled_from(list(METHODS.values()))


@st.composite
def worlds(draw: st.DrawFn) -> NaiveRows:
    """Rows of the public group and up to three others, with jobs of all sorts in them."""
    rows = NaiveRows()
    for number, key in enumerate(KEYS[: draw(st.sampled_from([2, 3, 1]))], start=2):
        has_key = draw(likely)
        secret = draw(st.none() | secrets) if has_key else None
        group = GroupRow(
            id=number,
            opaque_id=OpaqueId(f"group{number:017}"),
            name=f"group {number}",
            description="",
            join_key=key if has_key else None,
            join_hash=None if secret is None else join_hash(key, secret),
            join_address=draw(st.none() | people),
            owner=draw(people),
            created_at=NOW,
            deploy_access=draw(st.sampled_from(["owner", "join"])),
            max_concurrent_jobs=draw(st.sampled_from([1, None, 2, 0])),
        )
        rows.groups.append(group)
    for job in JOBS[: draw(st.sampled_from([1, 2, 3]))]:
        rows.jobs.append(JobRow(job, draw(people), cancelled=draw(st.booleans())))
    for place, row in product(rows.groups, rows.jobs):
        if draw(st.booleans()):
            rows.memberships.append(MembershipRow(place.id, row.id))
    return rows


def names_in(rows: NaiveRows) -> st.SearchStrategy[GroupName]:
    """Names of groups: of each group all its names, and a few that nothing has."""
    newest = rows.groups[-1]
    likely_names = st.sampled_from([newest.id, newest.opaque_id, newest.join_key or newest.id])
    ids = [id for group in rows.groups for id in (group.id, group.opaque_id)]
    unknown = [99, OpaqueId("nothingHasThisOpaqueId"), "nobody's key"]
    return likely_names | likely_names | st.sampled_from([*ids, *KEYS, "public", *unknown])


@st.composite
def descriptors_in(draw: st.DrawFn, rows: NaiveRows) -> Descriptor:
    """Descriptors with credentials, more often right than not."""
    group = draw(st.sampled_from(rows.groups[::-1]))
    if draw(likely):
        ids: list[GroupName] = [group.opaque_id, group.id]
        name = draw(st.sampled_from(ids))
        return Descriptor(name, join_key=group.join_key, join_hash=group.join_hash)
    name = draw(names_in(rows))
    secret = draw(st.none() | secrets)
    if isinstance(name, str) and not isinstance(name, OpaqueId):
        return Descriptor(name, join_secret=secret)
    if name in (PUBLIC_GROUP.id, PUBLIC_GROUP.opaque_id):
        return Descriptor(name)
    key = draw(st.sampled_from([group.join_key, *KEYS, None]))
    return Descriptor(name, join_key=key, join_secret=None if key is None else secret)


@st.composite
def creates_in(draw: st.DrawFn, rows: NaiveRows) -> CreateGroup:
    """Creates of which some ask for a key or an id that is in use."""
    given: dict[str, Any] = draw(properties)
    given["join_key"] = draw(st.none() | keys | st.sampled_from(["public", "free"]))
    if given["join_key"] is not None:
        given["join_secret"] = draw(st.none() | secrets)
    used = st.sampled_from([group.opaque_id for group in rows.groups])
    given["opaque_id"] = draw(st.none() | used | st.just(OpaqueId("freeOpaqueId0123456789")))
    return CreateGroup("name", **given)


@st.composite
def changes_in(draw: st.DrawFn, rows: NaiveRows) -> ChangeGroup:
    """Changes of which some ask for a key that is in use."""
    given: dict[str, Any] = {"name": "new name", **draw(properties)}
    if draw(st.booleans()):
        given["join_key"] = draw(st.none() | keys | st.sampled_from(["public", "free"]))
        given["join_secret"] = None if given["join_key"] is None else draw(st.none() | secrets)
    return ChangeGroup(draw(names_in(rows)), **given)


def requests_of(kind: type[Request[Any]], rows: NaiveRows) -> st.SearchStrategy[Request[Any]]:
    """Requests of one kind, about the groups and jobs of a world."""
    groups = descriptors_in(rows)
    names = names_in(rows) | groups
    of_kind: dict[type[Request[Any]], st.SearchStrategy[Request[Any]]] = {
        CreateGroup: creates_in(rows),
        ChangeGroup: changes_in(rows),
        DeleteGroup: st.builds(DeleteGroup, names),
        AddJob: st.builds(AddJob, groups, jobs),
        AddJobToGroups: st.builds(AddJobToGroups, jobs, st.lists(groups, min_size=1, max_size=4)),
        ListJobs: st.builds(ListJobs, names),
        RemoveJob: st.builds(RemoveJob, names, jobs),
        RemoveAllJobs: st.builds(RemoveAllJobs, names),
        CancelJob: st.builds(CancelJob, names, jobs),
        CancelAllJobs: st.builds(CancelAllJobs, names),
        GetGroup: st.builds(GetGroup, names),
        ListGroups: st.just(ListGroups()),
    }
    return of_kind[kind]


@attrs.frozen
class Situation:
    """A request, who sends it, and the world that it comes to."""

    rows: NaiveRows
    caller: Caller
    request: Request[Any]

    def outcome(self) -> Decision[Any] | tuple[type[ComputeGroupsError], str]:
        """What is decided: the decision, or the class and the message of the refusal."""
        return outcome(self.request, self.caller, self.rows)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Any of the twelve requests in any small world, from anybody."""
    kind = draw(kinds)
    rows = draw(worlds())
    owners = [Caller(group.owner) for group in reversed(rows.groups) if group.owner is not None]
    return Situation(rows, draw(st.sampled_from(owners) | callers), draw(requests_of(kind, rows)))


def outcome(
    request: Request[Any], caller: Caller, rows: NaiveRows
) -> Decision[Any] | tuple[type[ComputeGroupsError], str]:
    """What is decided: the decision, or the class and the message of the refusal."""
    try:
        return decide(request, caller, rows, NOW)
    except ComputeGroupsError as refusal:
        return type(refusal), refusal.message
