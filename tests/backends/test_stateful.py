"""Whatever callers do, in whatever order: each store of ours answers as the naive model does.

`pytest --hypothesis-show-statistics` tells how often each request succeeds, and how it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeAlias

import attrs
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)

from cg_backends.memory import State, World
from cg_backends.sql import Store
from cg_core import (
    AddJobResult,
    Address,
    Client,
    Descriptor,
    GroupName,
    OpaqueId,
    Refused,
    join_hash,
)
from tests.backends.model import Hashed, Model, Name, Record, Shown
from tests.peers.databases import empty_url

# A small universe, so that paths cross: few callers, keys, secrets and jobs, and many steps.
DOOR = Address("0x0707070707070707070707070707070707070707")
ALICE = Address("0x8e077691A9f7152F7F709479233d06FA5273c15d")
BOB = Address("0x048069904c28b50Aa584B07a450CBF675272c593")
CAROL = Address("0xca11e4000000000000000000000000000000ca11")
JOBS = ["P+Y4IApeFQLrYS2W7MkVg7", "Q+Y4IApeFQLrYS2W7MkVg8", "R+Y4IApeFQLrYS2W7MkVg9", str(DOOR)]
KEYS = ["farm", "lab", "pool", "studio", "public"]
SECRETS = ["tiger", "lion"]
OPAQUE_IDS = [OpaqueId(f"{number:022}") for number in range(100)]

GROUP_REQUESTS = ["list_jobs", "get_group", "delete_group", "remove_all_jobs", "cancel_all_jobs"]


@attrs.frozen
class Person:
    """Who calls, and for which other address with the proof to act for it."""

    address: Address
    join_identity: Address | None = None

    @property
    def joins_as(self) -> set[str]:
        return {str(each) for each in (self.address, self.join_identity) if each}


PEOPLE = [Person(ALICE), Person(BOB), Person(BOB, join_identity=DOOR), Person(CAROL)]

anybody = st.sampled_from(PEOPLE)
# Owners call more often than others, for jobs that are there, so that much is allowed.
callers = st.sampled_from(["group's owner"] * 3 + ["job's owner"] * 2 + PEOPLE)
jobs_to_end = st.sampled_from(["job of the group"] * 3 + JOBS)
ways = st.sampled_from(["id", "opaque_id", "join_key"])
jobs = st.sampled_from(JOBS)
keys = st.none() | st.sampled_from(KEYS)
hashes = st.none() | st.tuples(st.sampled_from(KEYS), st.sampled_from(SECRETS))
showings = st.sampled_from(
    ["right", "right", "right", "nothing", "key alone", "wrong secret", "wrong key"]
)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "join_address": st.sampled_from([None, DOOR, CAROL]),
    "max_concurrent_jobs": st.sampled_from([None, 0, 1, 1, 2]),
    "max_concurrent_cpus": st.sampled_from([None, 2**63 - 1]),
    "deploy_access": st.sampled_from(["owner", "join", "join"]),
}
new_groups = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["render farm", "n" * 255]),
        "description": st.sampled_from([None, "", "frames"]),
        "join_key": keys,
        "hashed": hashes,
        "opaque_id": st.sampled_from([None] * 8 + OPAQUE_IDS[:4]),
    },
    optional=OPTIONAL,
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("night shift"),
        "description": st.just("no frames"),
        "credentials": st.tuples(keys, hashes),
        **OPTIONAL,
    },
).filter(bool)
UNSET: dict[str, Any] = {
    "join_address": None,
    "commission_rate": 0,
    "deploy_fee": 0,
    "add_job_fee": 0,
    "max_total_payment": None,
    "max_concurrent_escrow": None,
    "max_concurrent_jobs": None,
    "max_concurrent_workers": None,
    "max_concurrent_sandboxes": None,
    "max_concurrent_cpus": None,
    "max_concurrent_gpus": None,
    "deploy_access": "owner",
}

Caller: TypeAlias = Person | str
Given: TypeAlias = dict[str, Any]


class PlaceAndModel(RuleBasedStateMachine):
    """A place and the model of it; each rule does one thing to both."""

    groups: Bundle[int] = Bundle("groups")
    database: ClassVar[str | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 12, 31, 23, tzinfo=UTC)
        self.left = ExitStack()
        self.place = self.new_place(clock=lambda: self.now, opaque_ids=iter(OPAQUE_IDS))
        self.state = self.place.state()
        self.model = Model(iter(OPAQUE_IDS))
        # Every group that ever was, by its row id: its owner and its opaque id.
        self.owners: dict[int, Person] = {}
        self.opaque_ids: dict[int, str] = {}

    def new_place(self, **options: Any) -> World | Store:
        if self.database is None:
            return World(**options)
        folder = Path(self.left.enter_context(TemporaryDirectory()))
        return self.left.enter_context(Store(empty_url(self.database, folder), **options))

    def teardown(self) -> None:
        self.left.close()

    @initialize(target=groups, caller=anybody, some=st.lists(new_groups, min_size=2, max_size=2))
    def begin(self, caller: Person, some: list[Given]) -> MultipleResults[int]:
        self.owners[1], self.opaque_ids[1] = caller, "WHhetL7mj1w1mw1XV6dxyC"
        made = [id for given in some if (id := self.created(caller, given))]
        for id, job in product(made, JOBS[:2]):
            self.add_job(id, "id", "group's owner", job, "right")
        return multiple(1, *made)

    @precondition(lambda self: len(self.model.groups) <= 4)  # few, so that paths cross
    @rule(target=groups, caller=anybody, given=new_groups)
    def create(self, caller: Person, given: Given) -> int | MultipleResults[int]:
        return self.created(caller, given) or multiple()

    def created(self, caller: Person, given: Given) -> int | None:
        key, hashed = given["join_key"], given.pop("hashed")
        hashed = hashed if key else None
        made = self.both(
            caller,
            "create",
            lambda client: client.create(**given, **proof(key, hashed)),
            lambda address: self.model.create(
                address, self.now, hashed=hashed, **{**UNSET, **given}
            ),
        )
        if not isinstance(made, int):
            return None
        assert made not in self.owners, "an id is never given twice"
        self.owners[made] = caller
        self.opaque_ids[made] = self.model.find(("id", made))["opaque_id"]
        return made

    @rule(group=groups, way=ways, caller=callers, given=changes)
    def change_group(self, group: int, way: str, caller: Caller, given: Given) -> None:
        arguments, expected = dict(given), dict(given)
        if "credentials" in given:
            key, hashed = given["credentials"]
            hashed = hashed if key else None
            del arguments["credentials"], expected["credentials"]
            arguments |= {"join_key": key, **(proof(key, hashed) or {"join_secret": None})}
            expected |= {"join_key": key, "hashed": hashed}
        name = self.named(group, way)
        self.both(
            self.person(caller, group),
            "change_group",
            lambda client: client.change_group(called(name), **arguments),
            lambda address: self.model.change_group(address, name, **expected),
        )

    @rule(group=groups, way=ways, caller=callers, request=st.sampled_from(GROUP_REQUESTS))
    def request_of_a_group(self, group: int, way: str, caller: Caller, request: str) -> None:
        name = self.named(group, way)
        self.both(
            self.person(caller, group),
            request,
            lambda client: getattr(client, request)(called(name)),
            lambda address: getattr(self.model, request)(address, name),
        )

    @rule(
        group=groups,
        way=ways,
        caller=callers,
        job=jobs_to_end,
        request=st.sampled_from(["remove_job", "cancel_job"]),
    )
    def request_of_a_job(
        self, group: int, way: str, caller: Caller, job: str, request: str
    ) -> None:
        name = self.named(group, way)
        if job == "job of the group":
            job = next(iter(self.record(group)["jobs"]), JOBS[0])
        self.both(
            self.person(caller, group, job),
            request,
            lambda client: getattr(client, request)(called(name), job),
            lambda address: getattr(self.model, request)(address, name, job),
        )

    @rule(group=groups, way=ways, caller=callers, job=jobs, showing=showings)
    def add_job(self, group: int, way: str, caller: Caller, job: str, showing: str) -> None:
        shown = self.shown(group, way, showing)
        person = self.person(caller, group, job)
        self.both(
            person,
            "add_job",
            lambda client: client.add_job(called(shown.name), job, **credentials(shown)),
            lambda address: self.model.add_job(address, person.joins_as, job, shown),
        )

    @rule(
        caller=callers,
        job=jobs,
        entries=st.lists(st.tuples(groups, ways, showings), min_size=1, max_size=4),
    )
    def add_job_to_groups(
        self, caller: Caller, job: str, entries: list[tuple[int, str, str]]
    ) -> None:
        shown = [self.shown(*entry) for entry in entries]
        person = self.person(caller, entries[0][0], job)
        descriptors = [Descriptor(called(each.name), **credentials(each)) for each in shown]
        answers = self.both(
            person,
            "add_job_to_groups",
            lambda client: client.add_job_to_groups(job, descriptors),
            lambda address: self.model.add_job_to_groups(address, person.joins_as, job, shown),
        )
        for _, refusal in answers:
            event(f"one of add_job_to_groups: {refusal.__name__ if refusal else 'done'}")
        added = [
            entry[0] for entry, (_, refusal) in zip(entries, answers, strict=True) if not refusal
        ]
        if len(added) > len(set(added)):
            event("add_job_to_groups: the same group twice, done")

    def both(
        self,
        person: Person,
        request: str,
        ask: Callable[[Client], object],
        expect: Callable[[str], object],
    ) -> Any:
        """Do one thing to the place and to the model: the same answer, and the same state."""
        self.now += timedelta(hours=1)
        client = self.place.connect(person.address, join_identity=person.join_identity)
        before = self.state
        answer = answer_of(lambda: ask(client))
        own_groups = plain(client.list_groups())
        after = self.state = self.place.state()
        refused = isinstance(answer, type)
        event(f"{request}: {answer.__name__ if refused else 'done'}")

        assert answer == answer_of(lambda: expect(person.address))
        assert own_groups == self.model.list_groups(person.address)
        assert plain(after) == self.model.state()
        assert not refused or after == before, "a refused request changes nothing"
        require_ownership(before, after, person.address)
        return answer

    def person(self, caller: Caller, group: int, job: str | None = None) -> Person:
        if isinstance(caller, Person):
            return caller
        if caller == "job's owner" and job in self.model.jobs:
            return Person(self.model.jobs[job]["owner"])
        return self.owners[group]

    def named(self, group: int, way: str) -> Name:
        """A group's name; it may be gone with the group, or with its key."""
        if way == "id":
            return ("id", group)
        if way == "opaque_id":
            return ("opaque_id", self.opaque_ids[group])
        return ("join_key", self.record(group)["join_key"] or "lab")

    def record(self, group: int) -> Record:
        gone: Record = {"join_key": None, "hashed": None, "jobs": []}
        return next((each for each in self.model.groups if each["id"] == group), gone)

    def shown(self, group: int, way: str, showing: str) -> Shown:
        """A group, and what is shown to be let in; a name that is a key is shown already."""
        name = self.named(group, way)
        record = self.record(group)
        key, hashed = record["join_key"], record["hashed"]
        if key == "public" and showing == "wrong key":
            showing = "wrong secret"  # the public group's id with another's key is no request
        match showing:
            case "nothing":
                key, hashed = None, None
            case "key alone":
                hashed = None
            case "wrong secret":
                key = key or "farm"
                hashed = (key, "guess")
            case "wrong key":
                key = "lab" if key == "farm" else "farm"
                hashed = (key, "tiger")
        return Shown(name, None if way == "join_key" else key, hashed)


def called(name: Name) -> GroupName:
    """A name as a client takes it."""
    way, value = name
    return OpaqueId(str(value)) if way == "opaque_id" else value


def proof(salt: object, hashed: Hashed) -> Given:
    """Arguments that give a hash: by the secret, where the key is its salt."""
    if hashed is None:
        return {}
    return {"join_secret": hashed[1]} if hashed[0] == salt else {"join_hash": join_hash(*hashed)}


def credentials(shown: Shown) -> Given:
    way, value = shown.name
    salt = value if way == "join_key" else shown.key
    return {"join_key": shown.key, **proof(salt, shown.hashed)}


def answer_of(call: Callable[[], object]) -> Any:
    """The answer, in plain values, or the class of the refusal."""
    try:
        return plain(call())
    except Refused as refusal:
        return type(refusal)


def plain(value: Any) -> Any:
    if isinstance(value, AddJobResult):
        return value.group, type(value.refusal) if value.refusal else None
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if attrs.has(type(value)):
        return {
            field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))
        }
    return value


def require_ownership(before: State, after: State, caller: Address) -> None:
    """What a caller changed was the caller's to change, whatever the model thinks of it."""
    groups, groups_now = ({group.id: group for group in each.groups} for each in (before, after))
    for id in groups.keys() | groups_now.keys():
        was, now = groups.get(id), groups_now.get(id)
        if was != now:
            assert {each.owner for each in (was, now) if each} == {caller}

    jobs, jobs_now = ({job.id: job for job in each.jobs} for each in (before, after))
    assert jobs.keys() <= jobs_now.keys()
    assert all(jobs_now[id].owner == job.owner for id, job in jobs.items())
    assert all(jobs_now[id].cancelled for id, job in jobs.items() if job.cancelled)
    assert all(jobs_now[id].owner == caller for id in jobs_now.keys() - jobs.keys())

    left = set(before.memberships) - set(after.memberships)
    for membership in left:
        group, job = groups.get(membership.group_id), jobs[membership.job_id]
        owned = caller in (job.owner, group and group.owner)
        # A job that is cancelled in one group leaves the others, whosever they are.
        elsewhere = any(
            caller == groups[other.group_id].owner
            for other in left
            if other.job_id == job.id and other.group_id in groups
        )
        assert owned or (jobs_now[job.id].cancelled and elsewhere)
    for membership in set(after.memberships) - set(before.memberships):
        assert jobs_now[membership.job_id].owner == caller


class MemoryAndModel(PlaceAndModel):
    pass


class SQLiteAndModel(PlaceAndModel):
    database = "sqlite"


class MariaDBAndModel(PlaceAndModel):
    database = "mariadb"


class PostgreSQLAndModel(PlaceAndModel):
    database = "postgresql"


TestMemoryAnswersAsTheModel = MemoryAndModel.TestCase
TestSQLiteAnswersAsTheModel = SQLiteAndModel.TestCase
TestMariaDBAnswersAsTheModel = MariaDBAndModel.TestCase
TestPostgreSQLAnswersAsTheModel = PostgreSQLAndModel.TestCase
TestMemoryAnswersAsTheModel.settings = settings(max_examples=2 * settings().max_examples)
# The rules are the same; what a database does with their rows is seen in few runs.
TestSQLiteAnswersAsTheModel.settings = settings(max_examples=settings().max_examples)
TestMariaDBAnswersAsTheModel.settings = settings(max_examples=settings().max_examples // 10)
TestPostgreSQLAnswersAsTheModel.settings = settings(max_examples=settings().max_examples // 10)
