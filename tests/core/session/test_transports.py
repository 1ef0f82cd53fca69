"""Transports: one in use, the others on trial, and new ones at ever longer intervals."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from cg_core.deadlines import Deadlines
from cg_core.session.events import Event, TransportDropped, TransportWanted
from cg_core.session.identifiers import Role
from cg_core.session.settings import Settings
from cg_core.session.transports import Transports, TransportTimer

SETTINGS = Settings(most_candidates=2)
WAITS = [0, 0.5, 1.5, 3.5, 7.5, 15.5]


class Machine:
    """Transports, with what a session has around them."""

    def __init__(self, role: Role, settings: Settings = SETTINGS) -> None:
        self.deadlines: Deadlines[Hashable] = Deadlines()
        self.events: deque[Event] = deque()
        self.transports = Transports(role, settings, self.deadlines, self.events)

    def take_events(self) -> list[Event]:
        found = list(self.events)
        self.events.clear()
        return found


places = st.integers(0, 99)
booleans = st.booleans()


class TransportsAndList(RuleBasedStateMachine):
    """Transports, and what they are as plainly as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.opened = 0
        self.current: str | None = None
        self.candidates: list[str] = []
        self.failures = 0
        self.not_before = 0.0
        self.deadlines: dict[Hashable, float] = {}
        self.events: list[Event] = []

    @initialize(role=st.sampled_from(Role))
    def begin(self, role: Role) -> None:
        self.machine = Machine(role)
        self.transports = self.machine.transports
        self.initiates = role is Role.INITIATOR
        self.proved_at, self.short_lived = 0.0, 0

    @property
    def known(self) -> list[str]:
        return self.candidates if self.current is None else [self.current, *self.candidates]

    def opened_one(self) -> str:
        self.opened += 1
        name = f"T{self.opened}"
        self.deadlines[name,] = self.now + 30
        return name

    def forgotten(self, transport: str) -> None:
        self.deadlines.pop((transport,), None)
        self.candidates = [each for each in self.candidates if each != transport]
        if self.current == transport:
            self.current = None

    def dropped(self, transport: str) -> None:
        self.forgotten(transport)
        self.events.append(TransportDropped(transport))

    def wanted(self) -> None:
        wait = WAITS[self.failures] if self.failures < len(WAITS) else 29
        wait = max(wait, self.not_before - self.now)
        self.failures += 1
        if wait:
            self.deadlines[TransportTimer.WANT] = self.now + wait
        else:
            self.events.append(TransportWanted())

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(seconds=st.integers(0, 60))
    def hold_off(self, seconds: int) -> None:
        self.transports.not_before = self.not_before = self.now + seconds

    @rule()
    def start(self) -> None:
        self.transports.start(self.now)
        self.deadlines[TransportTimer.GIVE_UP] = self.now + 60
        self.wanted()

    @rule()
    def want(self) -> None:
        self.transports.want(self.now)
        self.wanted()

    @precondition(lambda self: self.current is None)
    @rule()
    def use(self) -> None:
        self.current = self.opened_one()
        self.transports.use(self.current, self.now)

    @rule()
    def add(self) -> None:
        name = self.opened_one()
        self.transports.add(name, self.now)
        if len(self.candidates) == SETTINGS.most_candidates:
            self.dropped(self.candidates[0])
        self.candidates.append(name)

    @precondition(lambda self: self.known)
    @rule(place=places)
    def prove(self, place: int) -> None:
        chosen = self.known[place % len(self.known)]
        assert self.transports.prove(chosen, self.now) is (chosen in self.candidates)
        for other in self.known:
            if other != chosen:
                self.dropped(other)
        self.forgotten(chosen)
        self.current, self.proved_at = chosen, self.now
        if self.short_lived < 10:
            self.failures = 0
        self.deadlines.pop(TransportTimer.GIVE_UP, None)

    @precondition(lambda self: self.known)
    @rule(place=places, connecting=booleans)
    def lose(self, place: int, connecting: bool) -> None:
        chosen = self.known[place % len(self.known)]
        was_current = chosen == self.current
        assert self.transports.lost(chosen, self.now, connecting=connecting) is was_current
        self.forgotten(chosen)
        if was_current:
            self.short_lived = self.short_lived + 1 if self.now - self.proved_at < 1 else 0
        if was_current and not (self.initiates and connecting):
            patience = 7200 if self.initiates else 150 if connecting else 7300
            self.deadlines[TransportTimer.GIVE_UP] = self.now + patience
        if self.initiates:
            self.wanted()

    @precondition(lambda self: self.known)
    @rule(place=places)
    def drop(self, place: int) -> None:
        chosen = self.known[place % len(self.known)]
        self.transports.drop(chosen)
        self.dropped(chosen)

    @rule()
    def drop_all(self) -> None:
        self.transports.drop_all()
        for each in self.known:
            self.dropped(each)

    @invariant()
    def all_is_the_same(self) -> None:
        assert self.machine.take_events() == self.events
        self.events.clear()
        assert self.transports.current == self.current
        names = {f"T{number}" for number in range(self.opened + 2)}
        assert {name for name in names if name in self.transports} == set(self.known)
        assert {name for name in names if self.transports.is_candidate(name)} == set(
            self.candidates
        )

    @invariant()
    def deadlines_are_the_same(self) -> None:
        assert len(self.machine.deadlines) == len(self.deadlines)
        assert self.machine.deadlines.next() == min(self.deadlines.values(), default=None)

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            assert set(self.machine.deadlines.due(1e9)) == self.deadlines.keys()


TestTransportsAreThoseOfANaiveList = TransportsAndList.TestCase
TestTransportsAreThoseOfANaiveList.settings = settings(stateful_step_count=40)


def test_none_is_no_transport() -> None:
    transports = Machine(Role.TARGET).transports
    assert transports.current is None
    assert None not in transports


def test_any_name_will_do() -> None:
    """Also one that is false."""
    machine = Machine(Role.TARGET)
    names: list[Any] = [0, "", (), frozenset()]
    machine.transports.use(names[0], 0)
    for name in names[1:3]:
        machine.transports.add(name, 0)
    assert [name in machine.transports for name in names] == [True, True, True, False]
    machine.transports.drop_all()
    assert machine.take_events() == [TransportDropped(name) for name in names[:3]]


def test_a_new_transport_is_wanted_after_ever_longer_waits() -> None:
    machine = Machine(Role.INITIATOR)
    waits: list[float | None] = []
    for _ in range(9):
        machine.transports.want(100)
        waits.append(machine.deadlines.next())
        assert machine.take_events() == [TransportWanted()] * (waits[-1] is None)
    assert waits == [None, *(100 + wait for wait in [0.5, 1.5, 3.5, 7.5, 15.5, 29, 29, 29])]


def test_a_peer_that_is_gone_at_once_time_and_again_is_waited_for() -> None:
    machine = Machine(Role.INITIATOR)
    transports, now = machine.transports, 100.0
    transports.want(now)
    waits = []
    for number in range(14):
        transports.use(number, now)
        transports.prove(number, now)
        transports.lost(number, now + 0.5, connecting=False)
        due = machine.deadlines.due(now + 1_000)
        waits.append([key is TransportTimer.WANT for key in due].count(True))
        now += 100
    assert waits == [0] * 10 + [1] * 4
    transports.use("steady", now)
    transports.prove("steady", now)
    transports.lost("steady", now + 1, connecting=False)
    transports.use("again", now + 2)
    transports.prove("again", now + 2)
    machine.take_events()
    transports.lost("again", now + 2.5, connecting=False)
    assert machine.take_events() == [TransportWanted()]


def test_no_transport_is_wanted_before_it_may_be() -> None:
    machine = Machine(Role.INITIATOR)
    transports = machine.transports
    transports.not_before = 107
    transports.want(100)
    assert (machine.take_events(), machine.deadlines.next()) == ([], 107)
    transports.want(106.75)  # the longer one of the two waits
    assert (machine.take_events(), machine.deadlines.next()) == ([], 107.25)


def test_a_transport_is_wanted_at_once_when_it_may_be() -> None:
    machine = Machine(Role.INITIATOR)
    machine.transports.not_before = 107
    machine.transports.want(107)
    assert (machine.take_events(), machine.deadlines.next()) == ([TransportWanted()], None)


@pytest.mark.parametrize(
    ("role", "connecting", "patience"),
    [
        (Role.INITIATOR, True, None),  # its time to connect goes on
        (Role.INITIATOR, False, SETTINGS.reconnect_timeout),
        (Role.TARGET, True, SETTINGS.unproved_linger_time),
        (Role.TARGET, False, SETTINGS.linger_time),
    ],
)
def test_how_long_a_lost_transport_is_waited_for(
    role: Role, connecting: bool, patience: float | None
) -> None:
    machine = Machine(role)
    machine.transports.use("t", 5)
    assert machine.transports.lost("t", 100, connecting=connecting)
    assert machine.deadlines.next() == (None if patience is None else 100 + patience)


def test_a_cap_of_none_still_lets_one_in() -> None:
    machine = Machine(Role.TARGET, Settings(most_candidates=0))
    for name in ("a", "b"):
        machine.transports.add(name, 0)
        assert machine.transports.is_candidate(name)
    assert machine.take_events() == [TransportDropped("a")]
