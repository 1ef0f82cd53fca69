"""The judge: holds what the store has in the end against what each chapter may have left."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import attrs

from cg_core import PUBLIC_GROUP, GroupRow, JobRow, MembershipRow, Row
from reliability.faults.chapters import Chapter, chapter_of
from reliability.faults.possible import Facts, GroupFacts
from reliability.faults.record import Finding, Wrong


@attrs.frozen
class Fates:
    """What became of calls that ended as unknown.

    Attributes:
        done: they were done, once.
        not_done: they were not.
        no_trace: nobody can tell, since it makes no difference.
    """

    done: int = 0
    not_done: int = 0
    no_trace: int = 0

    def __add__(self, other: Fates) -> Fates:
        return Fates(
            self.done + other.done, self.not_done + other.not_done, self.no_trace + other.no_trace
        )


@attrs.frozen
class Judgement:
    """What the store was found to hold.

    Attributes:
        findings: what is wrong with it.
        fates: of the calls that ended as unknown, in the chapters that agree with it.
        groups, jobs, memberships: how many rows it has.
    """

    findings: tuple[Finding, ...]
    fates: Fates
    groups: int
    jobs: int
    memberships: int


def judge(chapters: Iterable[Chapter], rows: Iterable[Row]) -> Judgement:
    """Hold all rows of a store against all chapters."""
    rows = list(rows)
    found = by_chapter(rows)
    findings: list[Finding] = []
    fates = Fates()
    ids: defaultdict[int, set[str]] = defaultdict(set)
    for chapter in chapters:
        ends = chapter.possible.at_the_end()
        left = found.pop(chapter.number, Facts())
        if (became := ends.get(left)) is None:
            findings += differences(chapter.number, list(ends), left)
        else:
            number = Counter(became.values())
            fates += Fates(
                number[frozenset([True])], number[frozenset([False])],
                number[frozenset([True, False])],
            )  # fmt: skip
        for label, told in chapter.rows.items():
            for id in told:
                ids[id].add(label)
            if len(told) > 1:
                findings.append(Finding("duplicate", f"group {label} has the row ids {told}"))
    findings += [
        Finding("contradiction", f"row id {id} was told of the groups {labels}")
        for id, labels in ids.items()
        if len(labels) > 1
    ]
    findings += [
        finding
        for number, left in found.items()
        for finding in differences(number, [Facts()], left)
    ]
    kinds = Counter(map(type, rows))
    return Judgement(tuple(findings), fates, kinds[GroupRow], kinds[JobRow], kinds[MembershipRow])


def by_chapter(rows: Iterable[Row]) -> dict[int | None, Facts]:
    """What a store holds of each chapter; None: of none."""
    split: defaultdict[int | None, list[Row]] = defaultdict(list)
    for row in rows:
        if row != PUBLIC_GROUP:
            split[chapter_of(_name(row))].append(row)
    return {number: facts_of(some) for number, some in split.items()}


def _name(row: Row) -> str:
    match row:
        case GroupRow():
            return row.name
        case JobRow():
            return row.id
        case MembershipRow():
            return row.job_id


def facts_of(rows: Sequence[Row]) -> Facts:
    """What some rows say."""
    groups = {row.id: row for row in rows if isinstance(row, GroupRow)}
    jobs = {row.id: row for row in rows if isinstance(row, JobRow)}
    members: defaultdict[int, list[str]] = defaultdict(list)
    for row in rows:
        if isinstance(row, MembershipRow):
            members[row.group_id].append(row.job_id)

    cancelled = {id for id, job in jobs.items() if job.cancelled}

    def split(group_id: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        ids = members.pop(group_id, [])
        return (
            tuple([id for id in ids if id not in cancelled]),
            tuple(sorted([id for id in ids if id in cancelled])),
        )

    facts = Facts(
        tuple([_group_facts(row, *split(id)) for id, row in sorted(groups.items())]),
        split(PUBLIC_GROUP.id),
        frozenset([(str(job.id), str(job.owner), job.cancelled) for job in jobs.values()]),
    )
    # Whatever is left is in no group that is there.
    strays = [_no_group(f"of row id {id}, which is not there", *split(id)) for id in [*members]]
    return attrs.evolve(facts, groups=(*facts.groups, *strays))


def _no_group(label: str, jobs: tuple[str, ...], cancelled: tuple[str, ...]) -> GroupFacts:
    return GroupFacts(label, None, None, None, None, None, None, jobs, cancelled)


def _group_facts(row: GroupRow, jobs: tuple[str, ...], cancelled: tuple[str, ...]) -> GroupFacts:
    hash = None if row.join_hash is None else row.join_hash.reveal()
    return GroupFacts(
        row.name, row.join_key, hash, row.description, row.max_concurrent_jobs, row.deploy_access,
        None if row.owner is None else str(row.owner), jobs, cancelled,
    )  # fmt: skip


def differences(number: int | None, wanted: list[Facts], found: Facts) -> list[Finding]:
    """Why what was found is none of what was wanted."""
    traits, of_wanted = Counter(_traits(found)), [Counter(_traits(each)) for each in wanted]
    certain, conceivable = of_wanted[0].copy(), Counter[str]()
    for each in of_wanted:
        certain &= each
        conceivable |= each
    findings = [Finding("loss", f"chapter {number}: {trait}") for trait in certain - traits]
    for trait in traits - conceivable:
        kind: Wrong = "duplicate" if conceivable[trait] else "ghost"
        findings.append(Finding(kind, f"chapter {number}: {trait}"))
    if not findings:
        what = f"chapter {number}: {found}, where only {wanted} can be"
        findings.append(Finding("contradiction", what))
    return findings


def _traits(facts: Facts) -> Iterator[str]:
    # Each a sentence about one thing.
    for group in facts.groups:
        yield f"there is group {group.label}"
        for field in ("key", "hash", "description", "limit", "access", "owner"):
            yield f"group {group.label} has the {field} {getattr(group, field)}"
        yield from _of_members(group.label, group.jobs, group.cancelled)
    yield from _of_members("public", *facts.public)
    for id, owner, is_cancelled in facts.jobs:
        yield f"there is job {id}"
        yield f"job {id} is {owner}'s"
        yield f"job {id} is {'cancelled' if is_cancelled else 'not cancelled'}"


def _of_members(label: str, jobs: Iterable[str], cancelled: Iterable[str]) -> Iterator[str]:
    for job in jobs:
        yield f"group {label} has job {job}"
    for job in cancelled:
        yield f"group {label} had job {job} when it was cancelled"
