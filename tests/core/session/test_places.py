"""Who has a place, who makes room for whom, and who is refused."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cg_core import Address, Busy, Identity
from cg_core.session.places import Capacity, Places
from tests.core.reachable import reachable

PEERS = [Identity(bytes([number]) * 32).address for number in (1, 2, 3)]
SMALL = Capacity(sessions=4, sessions_per_peer=2, unproved=3)


class Naive:
    """The same in lists that are looked through from front to end."""

    def __init__(self) -> None:
        self.sessions: list[tuple[int, Address]] = []
        self.away: list[int] = []
        self.unproved: list[int] = []

    def own(self, peer: Address) -> list[int]:
        return [key for key, other in self.sessions if other == peer]

    def is_refused(self, peer: Address) -> bool:
        if len(self.sessions) >= 4 and not self.away:
            return True
        return len(self.own(peer)) >= 2 and not set(self.own(peer)) & set(self.away)

    def left(self, key: int) -> None:
        self.sessions = [each for each in self.sessions if each[0] != key]
        self.away = [each for each in self.away if each != key]
        self.unproved = [each for each in self.unproved if each != key]


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, Any]]:
    kinds = st.sampled_from(["came", "proved", "proved", "away", "back", "left"])
    return draw(st.lists(st.tuples(kinds, st.integers(0, 30)), max_size=60))


@given(steps())
def test_places_are_as_in_lists(steps: list[tuple[str, Any]]) -> None:
    places, naive = Places(SMALL), Naive()
    keys = iter(range(1000))
    for step, number in steps:
        peer = PEERS[number % 3]
        taken = [key for key, _ in naive.sessions]
        some = taken[number % len(taken)] if taken else None
        match step:
            case "came":
                key = next(keys)
                naive.unproved.append(key)
                gone = list(places.came(key))
                assert gone == naive.unproved[:-3]
                naive.unproved = naive.unproved[-3:]
            case "proved":
                refusal = places.refusal(peer)
                assert (refusal is not None) == naive.is_refused(peer)
                if refusal is not None:
                    assert isinstance(refusal, Busy)
                    continue
                key = naive.unproved[0] if naive.unproved else next(keys)
                naive.left(key)
                naive.sessions.append((key, peer))
                for sent_away in places.proved(key, peer):
                    assert sent_away in naive.away
                    mine = [each for each in naive.own(peer) if each in naive.away]
                    too_many = len(naive.own(peer)) > 2
                    assert too_many or len(naive.sessions) > SMALL.sessions
                    assert sent_away == (mine[0] if too_many else naive.away[0])
                    naive.left(int(str(sent_away)))
                    places.left(sent_away)
            case "away" if some is not None:
                places.stands(some, away=True)
                naive.away += [] if some in naive.away else [some]
            case "back" if some is not None:
                places.stands(some, away=False)
                naive.away = [each for each in naive.away if each != some]
            case "left" if some is not None:
                places.left(some)
                naive.left(some)
        assert len(places) == len(naive.sessions) <= SMALL.sessions
        assert all(len(naive.own(peer)) <= SMALL.sessions_per_peer for peer in PEERS)
        assert places.is_full == (len(naive.sessions) >= 4 and not naive.away)


def test_what_has_no_place_is_neither_there_nor_away() -> None:
    places = Places(SMALL)
    places.stands("farewell", away=True)
    assert len(places) == 0
    for number in range(SMALL.sessions):
        assert list(places.proved(number, PEERS[number % 3])) == []
    assert places.is_full, "nobody is away who has a place"
    places.left("farewell")


def test_one_makes_room_and_nobody_who_is_back() -> None:
    places = Places(SMALL)
    for number in range(2):
        assert list(places.proved(number, PEERS[0])) == []
        places.stands(number, away=True)
    assert list(places.proved(2, PEERS[0])) == [0]
    places.left(0)
    places.stands(1, away=False)
    assert places.refusal(PEERS[0]) is not None


def test_who_has_left_takes_no_memory() -> None:
    places = Places(SMALL)
    list(places.proved("one", PEERS[0]))
    assert reachable(places, lambda held: held == PEERS[0])
    places.left("one")
    assert not reachable(places, lambda held: held == PEERS[0])


def test_places_taken_at_once_are_more_than_there_are_only_as_long_as_nobody_leaves() -> None:
    """Who was told that there is room has it, though others came between."""
    places = Places(Capacity(sessions=1, sessions_per_peer=1))
    assert [list(places.proved(number, PEERS[number])) for number in range(3)] == [[], [], []]
    assert places.is_full
    places.stands(1, away=True)
    assert places.refusal(PEERS[1]) is None
    (gone, *_) = places.proved("new", PEERS[1])
    assert gone == 1
    places.left(gone)
    assert "come back later" in str(places.refusal(PEERS[2]))


def test_a_peer_is_told_that_it_has_too_many() -> None:
    places = Places(Capacity(sessions_per_peer=1))
    list(places.proved("one", PEERS[0]))
    assert f"{PEERS[0]} has 1 sessions" in str(places.refusal(PEERS[0]))
    assert places.refusal(PEERS[1]) is None
