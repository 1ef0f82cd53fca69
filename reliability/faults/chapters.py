"""What an actor asks for: chapters of some dozen calls, each about groups and jobs of its own.

What a chapter makes has its number in it, in the name of each group and the id of each job, so that
the store's rows can be told apart, and a group that is made twice is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from typing import Any, Final

import attrs

from cg_core import (
    AddJob,
    AddJobResult,
    AddJobToGroups,
    Address,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    CreateGroup,
    DeleteGroup,
    Descriptor,
    GetGroup,
    Group,
    GroupName,
    ListGroups,
    ListJobs,
    OpaqueId,
    RemoveAllJobs,
    RemoveJob,
    Request,
)
from reliability.faults.possible import PUBLIC, Possibilities, Step
from tests.backends.model import Hashed, Model, Name, Record, Shown

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)  # the model wants a time, and nobody looks at it
_MOST_GROUPS: Final = 4
_SECRETS: Final = ("tiger", "lion")


def chapter_of(text: str) -> int | None:
    """The number of the chapter that made this name or id; None where none did."""
    return int(text[1:9]) if text[1:9].isdecimal() else None


@attrs.frozen
class _Named:
    # A group as it is believed to be, what the model calls it, and what a call calls it.
    group: Record
    name: Name
    called: GroupName


class Chapter:
    """A chapter: its steps, drawn as it goes, and what may have come of them.

    Args:
        number: of the chapter, at most eight digits.
        draw: what it is drawn from.
        owner: of its groups.
        deployer: of most of its jobs.

    Attributes:
        possible: what its part of the store may hold.
        rows: the row ids that were told of each group, by its name.
    """

    def __init__(self, number: int, draw: Random, owner: Address, deployer: Address) -> None:
        self.number = number
        self.possible = Possibilities()
        self.rows: dict[str, set[int]] = {}
        self._draw = draw
        self._owner = owner
        self._deployer = deployer
        self._made = 0
        self._jobs: list[str] = []
        self._by_opaque_id: set[str] = set()

    def next_step(self) -> Step:
        """The next call."""
        groups = self._groups()
        if not groups or (len(groups) < _MOST_GROUPS and self._draw.random() < 0.12):
            return self._create()
        named = [found for group in groups if (found := self._named(group)) is not None]
        if not named:
            return self._list_groups()
        (way,) = self._draw.choices(list(_WAYS), list(_WAYS.values()))
        return way(self, self._draw.choice(named))

    def looks(self) -> Iterator[Step]:
        """The calls that tell all that can be told."""
        yield self._list_groups()
        for group in self._groups():
            if (named := self._named(group)) is not None:
                yield self._list_jobs(named)

    # Groups

    def _create(self) -> Step:
        label, key, hashed = self._new("g"), None, None
        if self._draw.random() < 0.8:
            taken = [group["join_key"] for group in self._groups() if group["join_key"]]
            key = self._draw.choice([*taken, *[self._new("k")] * 5])
            hashed = (key, self._draw.choice(_SECRETS)) if self._draw.random() < 0.7 else None
        given: dict[str, Any] = {
            "name": label,
            "description": self._new("d"),
            "join_key": key,
            "max_concurrent_jobs": self._draw.choice([None, None, 3]),
            "deploy_access": self._draw.choice(["owner", "join", "join"]),
        }
        asked = dict(given)
        if hashed is not None:
            asked["join_secret"] = hashed[1]
        if self._draw.random() < 0.25:
            self._by_opaque_id.add(label)
            asked["opaque_id"] = label

        def work(model: Model) -> None:
            # There the name is the opaque id, too.
            more: Record = {"opaque_id": label, "hashed": hashed, "join_address": None}
            model.create(self._owner, _EPOCH, **given, **more)

        return self._ask(CreateGroup(**asked), work, lambda row_id: self._learn(label, row_id))

    def _change(self, of: _Named) -> Step:
        given: Record = {"description": self._new("d")}
        asked = dict(given)
        if self._draw.random() < 0.3:
            key, secret = self._new("k"), self._draw.choice(_SECRETS)
            given |= {"join_key": key, "hashed": (key, secret)}
            asked |= {"join_key": key, "join_secret": secret}
        return self._ask(
            ChangeGroup(of.called, **asked),
            lambda model: model.change_group(self._owner, of.name, **given),
        )

    def _delete(self, of: _Named) -> Step:
        return self._ask(
            DeleteGroup(of.called), lambda model: model.delete_group(self._owner, of.name)
        )

    def _get(self, of: _Named) -> Step:
        return self._ask(
            GetGroup(of.called),
            lambda model: _of_record(model.get_group(self._owner, of.name)),
            self._seen,
        )

    def _list_groups(self, _: _Named | None = None) -> Step:
        return self._ask(
            ListGroups(),
            lambda model: [_of_record(group) for group in model.list_groups(self._owner)],
            # The owner has groups of other chapters.
            lambda groups: [
                self._seen(group) for group in groups if chapter_of(group.name) == self.number
            ],
        )

    # Jobs

    def _add(self, to: _Named) -> Step:
        job, client, shown = self._job(), self._joiner(to.group), self._shown(to)
        return self._ask(
            AddJob(to.called, job, **_credentials(shown)),
            lambda model: model.add_job(client, {client}, job, shown),
            by=client,
        )

    def _add_to_groups(self, first: _Named) -> Step:
        job, client = self._job(), self._joiner(first.group)
        named = [found for group in self._groups() if (found := self._named(group)) is not None]
        to = [first, *self._draw.sample(named, self._draw.randrange(min(3, len(named) + 1)))]
        shown = [self._shown(each) for each in to]
        some = [
            Descriptor(each.called, **_credentials(showing))
            for each, showing in zip(to, shown, strict=True)
        ]

        def work(model: Model) -> list[object]:
            results = model.add_job_to_groups(client, {client}, job, shown)
            return [refusal for _, refusal in results]

        return self._ask(AddJobToGroups(job, some), work, _refusals, by=client)

    def _add_to_public(self, _: _Named) -> Step:
        job, shown = self._job(), Shown(("opaque_id", PUBLIC), None, None)
        return self._ask(
            AddJob("public", job),
            lambda model: model.add_job(self._deployer, {self._deployer}, job, shown),
            by=self._deployer,
        )

    def _list_jobs(self, of: _Named) -> Step:
        return self._ask(
            ListJobs(of.called), lambda model: model.list_jobs(self._owner, of.name), _texts
        )

    def _remove(self, of: _Named) -> Step:
        job, client = self._job_in(of.group), self._draw.choice([self._owner, self._deployer])
        return self._ask(
            RemoveJob(of.called, job),
            lambda model: model.remove_job(client, of.name, job),
            by=client,
        )

    def _cancel(self, of: _Named) -> Step:
        job, client = self._job_in(of.group), self._draw.choice([self._owner, self._deployer])
        return self._ask(
            CancelJob(of.called, job),
            lambda model: model.cancel_job(client, of.name, job),
            by=client,
        )

    def _remove_all(self, of: _Named) -> Step:
        return self._ask(
            RemoveAllJobs(of.called),
            lambda model: model.remove_all_jobs(self._owner, of.name),
            _texts,
        )

    def _cancel_all(self, of: _Named) -> Step:
        return self._ask(
            CancelAllJobs(of.called),
            lambda model: model.cancel_all_jobs(self._owner, of.name),
            _texts,
        )

    # What steps are made of

    def _ask(
        self,
        request: Request[Any],
        work: Callable[[Model], object],
        told: Callable[[Any], object] = lambda _: None,
        *,
        by: Address | None = None,
    ) -> Step:
        return Step(by or self._owner, request, work, told)

    def _new(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self.number:08}x{self._made:012}"

    def _groups(self) -> list[Record]:
        # As they are in one of the possible states; any will do.
        _, *own = self.possible.states[0].model.groups
        return own

    def _named(self, group: Record) -> _Named | None:
        # By a name that can be known.
        label, ways = group["opaque_id"], list[_Named]()
        name = ("opaque_id", label)
        ways += [_Named(group, name, id) for id in self.rows.get(label, ())]
        if label in self._by_opaque_id:
            ways.append(_Named(group, name, OpaqueId(label)))
        if (key := group["join_key"]) is not None:
            ways.append(_Named(group, ("join_key", key), key))
        return self._draw.choice(ways) if ways else None

    def _job(self) -> str:
        if not self._jobs or self._draw.random() < 0.7:
            self._jobs.append(self._new("j"))
        return self._draw.choice(self._jobs[-4:])

    def _job_in(self, group: Record) -> str:
        there: list[str] = group["jobs"]
        return self._draw.choice(there) if there and self._draw.random() < 0.9 else self._job()

    def _joiner(self, group: Record) -> Address:
        owner_only = group["deploy_access"] == "owner" or group["join_key"] is None
        return self._owner if owner_only and self._draw.random() < 0.9 else self._deployer

    def _shown(self, to: _Named) -> Shown:
        key: str | None = to.group["join_key"]
        hashed: Hashed = to.group["hashed"]
        if hashed is not None and self._draw.random() < 0.1:
            hashed = (hashed[0], "mouse")
        return Shown(to.name, key, hashed if key else None)

    def _seen(self, group: Group) -> object:
        self._learn(group.name, group.id)
        return (
            group.name, group.description, group.join_key, group.max_concurrent_jobs,
            group.deploy_access,
        )  # fmt: skip

    def _learn(self, label: str, id: Any) -> None:
        self.rows.setdefault(label, set()).add(id)


_WAYS: Final[Mapping[Callable[[Chapter, _Named], Step], int]] = MappingProxyType(
    {
        Chapter._add: 34,
        Chapter._add_to_groups: 8,
        Chapter._add_to_public: 4,
        Chapter._list_jobs: 10,
        Chapter._list_groups: 5,
        Chapter._get: 4,
        Chapter._change: 8,
        Chapter._remove: 10,
        Chapter._cancel: 7,
        Chapter._remove_all: 3,
        Chapter._cancel_all: 2,
        Chapter._delete: 3,
    }
)
"""What is asked of a group, and how often."""


def _of_record(group: Record) -> object:
    return (
        group["name"], group["description"], group["join_key"], group["max_concurrent_jobs"],
        group["deploy_access"],
    )  # fmt: skip


def _credentials(shown: Shown) -> dict[str, Any]:
    secret = {} if shown.hashed is None else {"join_secret": shown.hashed[1]}
    return {} if shown.key is None else {"join_key": shown.key, **secret}


def _texts(jobs: Iterable[object]) -> list[str]:
    return list(map(str, jobs))


def _refusals(results: Iterable[AddJobResult]) -> list[object]:
    return [None if each.refusal is None else type(each.refusal) for each in results]
