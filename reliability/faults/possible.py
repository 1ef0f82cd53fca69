"""What a part of the store may hold, as far as its one user can tell: a set of possible states.

An answer leaves those states that would have given it. A call of unknown outcome may be done at
once, later, or never: so every state lives on, and the step is open in each. The calls of one
client are carried out in the order in which they were made, so an answer to a later one closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any, Final

import attrs

from cg_core import READS, Refused, Request, join_hash
from tests.backends.model import Hashed, Model, Record

PUBLIC: Final = "WHhetL7mj1w1mw1XV6dxyC"


@attrs.frozen(eq=False)
class Step:
    """A call, and what it is to the model.

    Attributes:
        client: who makes it.
        request: what is asked for.
        work: does it to a model, and gives the result, in the model's terms.
        told: puts a result of the service into the model's terms.
    """

    client: str
    request: Request[Any]
    work: Callable[[Model], object]
    told: Callable[[Any], object]

    @property
    def writes(self) -> bool:
        """Whether it may leave a trace."""
        return type(self.request) not in READS

    def outcome(self, model: Model) -> object:
        """Its result in a model, or the class of the refusal."""
        try:
            return self.work(model)
        except Refused as refusal:
            return type(refusal)


@attrs.frozen
class GroupFacts:
    """All that is to be known of a group, but what the store draws.

    Its jobs are in their order; those that were cancelled in it are sorted.
    """

    label: str
    key: str | None
    hash: str | None
    description: str | None
    limit: int | None
    access: str | None
    owner: str | None
    jobs: tuple[str, ...]
    cancelled: tuple[str, ...]


@attrs.frozen
class Facts:
    """All that is to be known of a part of a store: groups in order, and jobs.

    Attributes:
        groups: in the order in which they came.
        public: the jobs in the public group, in their order, and those cancelled there.
        jobs: with their owners, and whether they are cancelled.
    """

    groups: tuple[GroupFacts, ...] = ()
    public: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    jobs: frozenset[tuple[str, str, bool]] = frozenset()


@attrs.frozen(eq=False)
class State:
    """One of the states that may be.

    Attributes:
        model: what the store holds.
        still_open: steps of unknown outcome that may be done yet, by their numbers, in order.
        fates: whether steps that were open were done; both, where it leaves no trace.
    """

    model: Model
    still_open: Mapping[int, Step]
    fates: Mapping[int, frozenset[bool]]

    def closed(self, client: str) -> State:
        """The state in which nothing of a client's may be done any more."""
        return self._without([n for n, step in self.still_open.items() if step.client == client])

    def with_open_done(self, number: int) -> State:
        """The state in which an open step was done, so that its client's earlier ones are over."""
        step, model = self.still_open[number], copied(self.model)
        step.outcome(model)
        earlier = [
            n for n, each in self.still_open.items() if n < number and each.client == step.client
        ]
        over = self._without(earlier)
        left = {n: each for n, each in over.still_open.items() if n != number}
        return State(model, left, {**over.fates, number: frozenset([True])})

    def _without(self, numbers: Collection[int]) -> State:
        # These were not done, and will not be.
        left = {n: step for n, step in self.still_open.items() if n not in numbers}
        return State(self.model, left, {**self.fates, **dict.fromkeys(numbers, frozenset([False]))})


class Possibilities:
    """The states that may be, from an empty store on.

    Attributes:
        states: at least one, each different from the others.
    """

    def __init__(self) -> None:
        self.states = [State(Model(iter(())), {}, {})]
        self._numbers = 0

    def answered(self, step: Step, outcome: object) -> bool:
        """A step had this outcome.

        Returns:
            Whether any state agrees. If not, they are as before, and the step is open.
        """
        left = []
        for state in self.conceivable():
            model = copied(state.model)
            if step.outcome(model) == outcome:
                left.append(State(model, state.still_open, state.fates).closed(step.client))
        if left:
            self.states = merged(left)
        else:
            self.unanswered(step)
        return bool(left)

    def unanswered(self, step: Step) -> None:
        """A step may be done, or may not."""
        if step.writes:
            self._numbers += 1
            self.states = [
                attrs.evolve(state, still_open={**state.still_open, self._numbers: step})
                for state in self.states
            ]

    def conceivable(self) -> list[State]:
        """The states that may be by now, since any of the open steps may have been done."""
        found, new = list(self.states), list(self.states)
        while new:
            new = [state.with_open_done(number) for state in new for number in state.still_open]
            found += new
        return merged(found)

    def at_the_end(self) -> dict[Facts, Mapping[int, frozenset[bool]]]:
        """What the store may hold when nothing more can come, and what became of each open step."""
        ends = self.conceivable()
        for client in {step.client for state in ends for step in state.still_open.values()}:
            ends = [state.closed(client) for state in ends]
        return {facts(state.model): state.fates for state in merged(ends)}


def merged(states: Iterable[State]) -> list[State]:
    """Each state once: those that hold the same, and have the same open, are one."""
    found: dict[tuple[Facts, tuple[int, ...]], State] = {}
    for state in states:
        key = (facts(state.model), tuple(state.still_open))
        if (same := found.get(key)) is not None:
            fates = {
                number: same.fates.get(number, frozenset()) | state.fates.get(number, frozenset())
                for number in {*same.fates, *state.fates}
            }
            state = State(state.model, state.still_open, fates)  # noqa: PLW2901 - the two are one
        found[key] = state
    return list(found.values())


def copied(model: Model) -> Model:
    """A model of the same, to be changed."""
    copy = Model(iter(()))
    copy.last_id = model.last_id
    copy.jobs = {id: dict(job) for id, job in model.jobs.items()}
    copy.groups = [
        {**group, "jobs": [*group["jobs"]], "cancelled": [*group["cancelled"]]}
        for group in model.groups
    ]
    return copy


def facts(model: Model) -> Facts:
    """What a model holds."""
    public, *own = model.groups
    return Facts(
        tuple([_group_facts(group) for group in own]),
        (tuple(public["jobs"]), tuple(sorted(public["cancelled"]))),
        frozenset([(id, job["owner"], job["cancelled"]) for id, job in model.jobs.items()]),
    )


def _group_facts(group: Record) -> GroupFacts:
    return GroupFacts(
        group["opaque_id"], group["join_key"], hash_text(group["hashed"]), group["description"],
        group["max_concurrent_jobs"], group["deploy_access"], group["owner"],
        tuple(group["jobs"]), tuple(sorted(group["cancelled"])),
    )  # fmt: skip


@cache
def hash_text(hashed: Hashed) -> str | None:
    """The join hash of a salt and a secret."""
    return None if hashed is None else join_hash(*hashed).reveal()
