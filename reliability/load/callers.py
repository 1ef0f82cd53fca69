"""What the callers of a load do, and what each of their calls is to answer.

They come in pairs: each of both has groups, and is the other's guest, or is sent away. All that a
pair names is its own, and it makes one call at a time, so each answer is known before it comes:
it is that of the naive model of the contract which the backends are tested with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from random import Random
from typing import Any, Final

import attrs

from cg_core import (
    AddJobResult,
    Address,
    AsyncClient,
    ComputeGroupsError,
    Descriptor,
    Group,
    GroupName,
    OpaqueId,
    Refused,
)
from tests.backends.model import Model, Name, Record, Shown

# The books stay small: a group that is full says LimitReached, and who has enough groups deletes.
MOST_GROUPS: Final = 3  # of a caller
LIMITS: Final = (3, 20)  # jobs of a group
WEIGHTS: Final = {
    "add_job": 30, "list_jobs": 18, "add_job_to_groups": 8, "remove_job": 8, "get_group": 8,
    "list_groups": 6, "change_group": 6, "create": 6, "delete_group": 5, "cancel_job": 4,
    "remove_all_jobs": 2, "cancel_all_jobs": 2,
}  # fmt: skip
_SHOWN: Final = (
    "id", "opaque_id", "name", "description", "join_key", "join_address", "owner",
    "max_concurrent_jobs", "deploy_access",
)  # fmt: skip


@attrs.frozen
class Caller:
    """One of a pair.

    Attributes:
        client: its client.
        address: who it is.
        door: a second address that its client proves to have, if it has one.
    """

    client: AsyncClient
    address: Address
    door: Address | None = None

    @property
    def joins_as(self) -> set[str]:
        return {each for each in (self.address, self.door) if each is not None}


@attrs.frozen
class Call:
    """A call that is about to be made.

    Attributes:
        caller: who makes it.
        method: of the client.
        arguments: its arguments.
        named: those that are given by name.
        expect: has the model do the same; gives its answer, or raises its refusal.
    """

    caller: Caller
    method: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    expect: Callable[[], Any]


@attrs.frozen
class Told:
    """What came of a call.

    Attributes:
        outcome: "done", or the class of the error.
        finding: what should not have been, if there was anything.
    """

    outcome: str
    finding: str | None = None


class Pair:
    """Two callers, and the model of what both have done.

    Args:
        number: of the pair, by which its groups and jobs differ from all others.
        callers: the two.
        seed: what they do depends on it, and on the number.
    """

    def __init__(self, number: int, callers: tuple[Caller, Caller], seed: int) -> None:
        self.random = Random(f"{seed} {number}")
        self._number = number
        self._callers = callers
        self._count = count()
        self._model = Model(iter(()))
        self._model.groups.clear()  # the public group is everybody's

    def draw(self) -> Call:
        """Choose a call; nothing is done yet."""
        caller = self.random.choice(self._callers)
        (method,) = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        owned = len(self._model.list_groups(caller.address))
        if not owned or (method == "create" and owned >= MOST_GROUPS):
            method = "delete_group" if owned else "create"
        special: dict[str, Callable[[Caller], Call]] = {
            "create": self._create,
            "change_group": self._change_group,
            "add_job": self._add_job,
            "add_job_to_groups": self._add_job_to_groups,
            "list_groups": partial(self._alike, "list_groups"),
        }
        if method in special:
            return special[method](caller)
        group = self._a_group(caller)
        job = [self._a_job(group)] if method in ("remove_job", "cancel_job") else []
        return self._alike(method, caller, self._a_name(group), *job)

    async def make(self, call: Call) -> Told:
        """Make a call, and hold its answer against what it should be."""
        expected: object
        try:
            expected = _plain(call.expect())
        except Refused as refusal:
            expected = type(refusal)
        try:
            method = getattr(call.caller.client, call.method)
            found = _plain(await method(*call.arguments, **call.named))
        except ComputeGroupsError as error:
            outcome = type(error).__name__
            return Told(
                outcome, None if type(error) is expected else _finding(call, expected, error)
            )
        if call.method == "create" and isinstance(expected, int):
            expected = self._take_id(expected, found)
        elif call.method == "delete_group":
            self._forget_jobs()
        return Told("done", None if found == expected else _finding(call, expected, found))

    def audit(self) -> Iterator[Call]:
        """The calls that show whether all is there at the end; they leave nothing behind."""
        for caller in self._callers:
            yield self._alike("list_groups", caller)
            for group in self._model.list_groups(caller.address):
                yield self._alike("list_jobs", caller, ("id", group["id"]))
                yield self._alike("delete_group", caller, ("id", group["id"]))
            yield self._alike("list_groups", caller)

    # The calls

    def _alike(self, method: str, caller: Caller, *arguments: Any) -> Call:
        # One that the model takes as the client does: the group's name, the job.
        called = tuple(_called(each) if isinstance(each, tuple) else each for each in arguments)
        expect = partial(getattr(self._model, method), caller.address, *arguments)
        return Call(caller, method, called, {}, expect)

    def _create(self, caller: Caller) -> Call:
        key, secret = self._new_credentials()
        given: dict[str, Any] = {
            "name": f"group of pair {self._number}",
            "description": "work",
            "join_key": key,
            "join_address": self._an_address(),
            "max_concurrent_jobs": self.random.choice(LIMITS),
            "deploy_access": self.random.choice(("owner", "join", "join")),
            "opaque_id": self._new_id(),
        }
        expected = given | _hashed(key, secret)
        expect = partial(self._model.create, caller.address, datetime.now(UTC), **expected)
        return Call(caller, "create", (), given | {"join_secret": secret}, expect)

    def _change_group(self, caller: Caller) -> Call:
        name = self._a_name(self._a_group(caller))
        changes: dict[str, Any] = self.random.choice(
            (
                {"name": f"renamed {next(self._count)}"},
                {"description": "", "max_concurrent_jobs": self.random.choice(LIMITS)},
                {"deploy_access": self.random.choice(("owner", "join"))},
                {"join_address": self._an_address()},
            )
        )
        expected = changes
        if self.random.random() < 0.3:
            key, secret = self._new_credentials()
            changes = {"join_key": key, "join_secret": secret}
            expected = {"join_key": key} | _hashed(key, secret)
        expect = partial(self._model.change_group, caller.address, name, **expected)
        return Call(caller, "change_group", (_called(name),), changes, expect)

    def _add_job(self, caller: Caller) -> Call:
        group = self._a_group(caller)
        shown, job = self._shown(group), self._a_job(group, new=0.7)
        expect = partial(self._model.add_job, caller.address, caller.joins_as, job, shown)
        return Call(caller, "add_job", (_called(shown.name), job), _credentials(shown), expect)

    def _add_job_to_groups(self, caller: Caller) -> Call:
        groups = [self._a_group(caller) for _ in range(self.random.randint(1, 4))]
        shown, job = [self._shown(each) for each in groups], self._a_job(groups[0], new=0.7)
        descriptors = [Descriptor(_called(each.name), **_credentials(each)) for each in shown]
        expect = partial(self._model.add_job_to_groups, caller.address, caller.joins_as, job, shown)
        return Call(caller, "add_job_to_groups", (job, descriptors), {}, expect)

    # What they are about

    def _a_group(self, caller: Caller) -> Record:
        # The caller's own ones more often.
        own = [each for each in self._model.groups if each["owner"] == caller.address]
        return self.random.choice([*self._model.groups, *own])

    def _a_name(self, group: Record) -> Name:
        # Now and then of none that there is.
        if self.random.random() < 0.03:
            return "join_key", f"no group of pair {self._number}"
        way = self.random.choice(("id", "opaque_id", "join_key"))
        return ("id", group["id"]) if group[way] is None else (way, group[way])

    def _a_job(self, group: Record, new: float = 0.1) -> str:
        known = [*group["jobs"], *group["cancelled"][:3]]
        if not known or self.random.random() < new:
            return self._new_id()
        return str(self.random.choice(known))

    def _new_id(self) -> str:
        return f"{self._number:06}{next(self._count):016}"

    def _an_address(self) -> Address | None:
        first, second = self._callers
        return self.random.choice((None, None, first.address, second.address, second.door))

    def _new_credentials(self) -> tuple[str | None, str | None]:
        # Now and then a key that is taken.
        key = f"pair {self._number}, key {next(self._count)}"
        taken = [each["join_key"] for each in self._model.groups if each["join_key"]]
        if taken and self.random.random() < 0.1:
            key = self.random.choice(taken)
        secret = f"secret {next(self._count)}"
        return self.random.choice(((key, secret), (key, secret), (key, None), (None, None)))

    def _shown(self, group: Record) -> Shown:
        (way, value), key, hashed = self._a_name(group), group["join_key"], group["hashed"]
        match self.random.choice(("right",) * 7 + ("nothing", "key alone", "wrong secret")):
            case "nothing":
                key, hashed = None, None
            case "key alone":
                hashed = None
            case "wrong secret":
                key = key or "another key"
                hashed = (key, "a guess")
        if way == "join_key":
            return Shown((way, value), None, hashed if value == key else None)
        return Shown((way, value), key, hashed)

    # What becomes of the model

    def _take_id(self, least: int, found: object) -> int:
        # The service gives ids to the groups of all, none of them twice.
        if not isinstance(found, int) or found < least:
            return least
        self._model.groups[-1]["id"] = self._model.last_id = found
        return found

    def _forget_jobs(self) -> None:
        # Those that no call will name again, so that the model does not grow.
        lists = [each[kind] for each in self._model.groups for kind in ("jobs", "cancelled")]
        kept = {job for each in lists for job in each}
        self._model.jobs = {job: each for job, each in self._model.jobs.items() if job in kept}


def _called(name: Name) -> GroupName:
    way, value = name
    return OpaqueId(str(value)) if way == "opaque_id" else value


def _hashed(key: str | None, secret: str | None) -> Record:
    return {"hashed": None if secret is None else (key, secret)}


def _credentials(shown: Shown) -> dict[str, Any]:
    secret = None if shown.hashed is None else shown.hashed[1]
    return {"join_key": shown.key, "join_secret": secret}


def _finding(call: Call, expected: object, found: object) -> str:
    # Without the arguments given by name, among which are secrets.
    shown = ", ".join(map(repr, call.arguments))
    told = expected.__name__ if isinstance(expected, type) else repr(expected)
    return f"{call.caller.address}: {call.method}({shown}): expected {told}, got {found!r}"


def _plain(answer: object) -> object:
    # The client's answers and the model's, alike.
    match answer:
        case AddJobResult(group, refusal):
            return group, type(refusal) if refusal else None
        case (str() | int(), None | type()):
            return answer  # the model's for one of many groups
        case tuple() | list():
            return [_plain(each) for each in answer]
        case Group():
            return {field: getattr(answer, field) for field in _SHOWN}
        case dict():
            return {field: answer[field] for field in _SHOWN}
        case _:
            return answer
