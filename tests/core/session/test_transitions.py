"""Transitions: the table is whole, leads to an end from everywhere, and never back."""

from __future__ import annotations

import itertools

import pytest

from cg_core import Identity, Operation
from cg_core.session import (
    Instant,
    RandomIdentifiers,
    Role,
    Session,
    Settings,
    State,
)
from cg_core.session.transitions import TRANSITIONS, Input

S, I = State, Input  # noqa: E741 - as in the table

# What cannot come where the table has nothing. From CLOSED nothing leads.
IMPOSSIBLE = {
    (S.CONNECTING, I.CLOSE_ACKED): "who has no session has not said close",
    (S.CONNECTING, I.CLOSED_BY_PEER): "what a peer says in a session proves it first",
    (S.ESTABLISHED, I.CLOSE_ACKED): "close is said in CLOSING only",
    (S.ESTABLISHED, I.REFUSED): "version and address are looked at before",
    (S.ESTABLISHED, I.GAVE_UP): "the timers run where there is no transport, or in CLOSING",
    (S.INTERRUPTED, I.CLOSE_ACKED): "close is said in CLOSING only",
    (S.INTERRUPTED, I.LOST): "there is no transport to lose but candidates",
    (S.INTERRUPTED, I.CLOSED_BY_PEER): "what a candidate says in a session proves it first",
    (S.INTERRUPTED, I.REFUSED): "version and address are looked at before",
    (S.CLOSING, I.CLOSE): "it was asked before, and nothing is to be done again",
    (S.CLOSING, I.REFUSED): "version and address are looked at before",
}
PAIRS = [(state, moved_by) for state in TRANSITIONS for moved_by in TRANSITIONS[state]]


def test_every_pair_is_in_the_table_or_impossible() -> None:
    absent = set(itertools.product(set(State) - {S.CLOSED}, Input)) - set(PAIRS)
    assert absent == IMPOSSIBLE.keys()


def test_closed_is_the_end() -> None:
    assert TRANSITIONS.keys() == set(State) - {S.CLOSED}


def reached(state: State, *, without: Input | None = None) -> set[State]:
    """The states to which a state leads, itself among them."""
    found, new = {state}, [state]
    while new:
        table = TRANSITIONS.get(new.pop(), {})
        for moved_by, then in table.items():
            if moved_by is not without and then not in found:
                found.add(then)
                new.append(then)
    return found


def test_every_state_is_reached() -> None:
    assert reached(S.CONNECTING) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_state_leads_to_the_end(state: State) -> None:
    assert S.CLOSED in reached(state)


def leading_to(state: State) -> set[tuple[State, Input]]:
    return {(before, by) for before, by in PAIRS if TRANSITIONS[before][by] is state}


def test_connecting_is_left_for_good() -> None:
    assert leading_to(S.CONNECTING) == {(S.CONNECTING, I.LOST)}


def test_only_proof_establishes() -> None:
    assert leading_to(S.ESTABLISHED) == {
        (state, I.PROVED) for state in (S.CONNECTING, S.ESTABLISHED, S.INTERRUPTED)
    }


def test_only_what_is_established_is_interrupted_and_only_by_a_loss() -> None:
    assert leading_to(S.INTERRUPTED) <= {(S.ESTABLISHED, I.LOST), (S.INTERRUPTED, I.LOST)}
    assert TRANSITIONS[S.ESTABLISHED][I.LOST] is S.INTERRUPTED


def test_who_closes_does_not_change_their_mind() -> None:
    assert reached(S.CLOSING) == {S.CLOSING, S.CLOSED}


@pytest.mark.parametrize("state", TRANSITIONS)
def test_what_the_peer_did_not_sign_is_not_answered(state: State) -> None:
    """Not even with a close, for which there would be CLOSING."""
    assert TRANSITIONS[state].get(I.UNVERIFIED, S.CLOSED) is S.CLOSED


@pytest.mark.parametrize("moved_by", [I.CLOSED_BY_PEER, I.CLOSE_ACKED, I.REFUSED, I.GAVE_UP])
def test_what_ends_a_session_ends_it_at_once(moved_by: Input) -> None:
    assert {TRANSITIONS[state].get(moved_by, S.CLOSED) for state in TRANSITIONS} == {S.CLOSED}


def test_closing_a_session_that_was_ever_established_takes_leave() -> None:
    """The peer is told, so that it does not wait for hours."""
    for state in (S.ESTABLISHED, S.INTERRUPTED):
        assert TRANSITIONS[state][I.CLOSE] is S.CLOSING


NOW = Instant(monotonic=0, unix=1.8e9)


def test_giving_up_too_many_requests_while_interrupted_breaks_the_session() -> None:
    """The same as while established, where the peer can be told at once."""
    numbers = itertools.count(1)

    def end(role: Role) -> Session:
        identifiers = RandomIdentifiers(role, lambda: f"{next(numbers):021}")
        identity = Identity(bytes([1 + (role is Role.TARGET)]) * 32)
        return Session(role, identity, identifiers, Settings(most_abandoned=0))

    initiator, target = end(Role.INITIATOR), end(Role.TARGET)
    initiator.start(NOW)
    for session in (initiator, target):
        session.transport_opened("t", NOW)
    request = initiator.request(lambda _: Operation("echo", None), NOW)
    for _ in range(5):  # connect, its answer, the request, the acks
        for session, other in ((initiator, target), (target, initiator)):
            for _, text in session.data_to_send(NOW):
                other.receive("t", text, NOW)
    states = [initiator.state]
    initiator.transport_lost("t", NOW)
    states.append(initiator.state)
    assert initiator.abandon(request, NOW)
    assert [*states, initiator.state] in (
        [S.ESTABLISHED, S.INTERRUPTED, S.CLOSING],
        [S.ESTABLISHED, S.INTERRUPTED, S.CLOSED],
    )
