"""Delivery: each message is taken once and in order, whatever is lost or comes again."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_core import Identity
from cg_core.sealed import unseal
from cg_core.session.delivery import Arrival, Delivery, OnDeck
from cg_core.session.identifiers import RandomIdentifiers, Role
from cg_core.session.instant import Instant
from cg_core.session.message_texts import member_text
from cg_core.session.messages import (
    ABSENT,
    Absent,
    Ack,
    Batch,
    Numbered,
    Request,
    RequestPayload,
    Response,
    from_body,
)

IDENTITY = Identity(b"\1" * 32)
NOW = Instant(monotonic=5.0, unix=1.8e9)


def delivery(role: Role = Role.INITIATOR, nonce: str | None = None) -> Delivery:
    numbers = itertools.count(1)
    identifiers = RandomIdentifiers(role, lambda: f"{next(numbers):021}")
    return Delivery(IDENTITY, identifiers, nonce=nonce)


def read(text: str) -> Numbered | Ack:
    sealed = unseal(text)
    assert sealed.owner == IDENTITY.address
    return from_body(sealed.body)


def numbered(text: str) -> Numbered:
    message = read(text)
    assert not isinstance(message, Ack)
    return message


def ack(text: str) -> Ack:
    message = read(text)
    assert isinstance(message, Ack)
    return message


def response(id: str, token: Any = "t", nonce: Any = None, success: bool = True) -> Response:
    return Response(id=id, success=success, ack_token=token, nonce=nonce)


# What may happen next: a message is sent, or any message or ack that was ever sent comes: late, or
# repeated since it was lost, or replayed by somebody.
steps = st.lists(
    st.one_of(
        st.just(("send", 0)),
        st.tuples(st.sampled_from(["message", "ack"]), st.integers(0, 9)),
        st.tuples(st.sampled_from(["last message", "last ack"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(steps)
def test_each_message_is_taken_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    sender, receiver = delivery(Role.INITIATOR), delivery(Role.TARGET)
    messages: list[str] = []
    acks: list[str] = []
    acked = 0
    for step, place in steps:
        if step == "send" and sender.on_deck is None:
            assert acked == len(messages)
            sender.send("a", Response(id=f"id {acked}", success=True), NOW)
            ((_, text),) = sender.take_texts()
            messages.append(text)
        elif step.endswith("message") and messages:
            number = len(messages) - 1 if step.startswith("last") else place % len(messages)
            message = numbered(messages[number])
            arrival = receiver.judge(message)
            if arrival is Arrival.FRESH:
                assert number == len(acks)
                receiver.accept(message)
                receiver.pay_ack(["b"])
                receiver.pay_ack(["b"])  # there is nothing more to pay
                ((transport, text),) = receiver.take_texts()
                assert transport == "b"
                acks.append(text)
            elif arrival is Arrival.DUPLICATE:
                assert number == len(acks) - 1
                receiver.repeat_ack("c")
                assert receiver.take_texts() == [("c", acks[number])]
            else:
                assert number < len(acks) - 1
        elif step.endswith("ack") and acks:
            number = len(acks) - 1 if step.startswith("last") else place % len(acks)
            arrival = sender.take_ack(ack(acks[number]))
            if arrival is Arrival.FRESH:
                assert number == acked
                assert sender.on_deck is None
                acked += 1
            elif arrival is Arrival.DUPLICATE:
                assert number == acked - 1
            else:
                assert number < acked - 1
    assert acked <= len(acks) <= len(messages) <= acked + 1
    nonces = [numbered(text).nonce for text in messages]
    assert nonces[:1] in ([], [None])
    assert nonces[1:] == [ack(text).nonce for text in acks][: len(nonces[1:])]
    assert len(set(nonces)) == len(nonces)


def test_a_message_gets_what_the_delivery_knows() -> None:
    sender = delivery()
    sender.session_id = "session"
    sender.send("a", Response(id="i", success=True), NOW)
    ((transport, text),) = sender.take_texts()
    assert transport == "a"
    assert read(text) == Response(
        id="i",
        success=True,
        dcpsid="session",
        time=NOW.unix,
        ack_token=f"ATi1-{1:021}",
        nonce=None,
    )
    assert sender.on_deck == OnDeck("i", f"ATi1-{1:021}", text)
    assert sender.take_texts() == []


def test_a_batch_has_the_texts_of_its_members() -> None:
    sender = delivery()
    payload = RequestPayload(operation="o", data=[1])
    members = (Request(id="i", payload=payload), Response(id="j", success=True))
    texts = [member_text(member) for member in members]
    sender.send("a", Batch(id="b", payload=()), NOW, members=texts)
    ((_, text),) = sender.take_texts()
    batch = read(text)
    assert isinstance(batch, Batch)
    assert batch.payload == members


def test_an_ack_returns_the_token_and_brings_a_nonce() -> None:
    receiver = delivery(Role.TARGET)
    before = receiver.has_received
    receiver.accept(response("i"))
    assert (before, receiver.has_received) == (False, True)
    receiver.pay_ack(["a"])
    ((_, text),) = receiver.take_texts()
    assert read(text) == Ack(token="t", nonce=f"NNt1-{1:021}", message_id="i")


def test_who_has_received_nothing_acknowledges_nothing() -> None:
    receiver = delivery()
    receiver.pay_ack(["a"])
    receiver.repeat_ack("a")
    assert receiver.take_texts() == []


def test_an_ack_is_signed_anew_only_to_add_the_session_that_it_went_without() -> None:
    receiver = delivery(Role.TARGET)
    receiver.accept(response("i"))
    receiver.session_id = "session"  # it begins with the answer to this very message
    receiver.pay_ack(["a"])
    receiver.repeat_ack("b")
    receiver.repeat_ack("c")
    (_, first), (_, second), (_, third) = receiver.take_texts()
    assert ack(first).dcpsid is ABSENT
    assert ack(second) == attrs.evolve(ack(first), dcpsid="session")
    assert third == second


def test_an_ack_that_is_owed_is_not_given_before_it_is_paid() -> None:
    """Who waits for it sends nothing more; nor does it help to send the message again."""
    receiver = delivery(Role.TARGET)
    receiver.accept(response("i"))
    owes = [receiver.owes_ack]
    receiver.repeat_ack("a")
    assert receiver.take_texts() == []
    receiver.pay_ack(["a"])
    assert [*owes, receiver.owes_ack] == [True, False]
    ((_, first),) = receiver.take_texts()
    receiver.accept(response("j", "u", ack(first).nonce))
    assert receiver.judge(response("j", "u", ack(first).nonce)) is Arrival.DUPLICATE
    receiver.repeat_ack("b")
    assert receiver.take_texts() == [("b", first)]
    receiver.pay_ack(["a"])
    ((_, second),) = receiver.take_texts()
    assert ack(second).token == "u"
    receiver.repeat_ack("b")
    assert receiver.take_texts() == [("b", second)]


def test_an_ack_goes_to_whoever_is_to_have_it() -> None:
    receiver = delivery(Role.TARGET)
    receiver.accept(response("i"))
    receiver.pay_ack(["a", "b"])
    (first, second) = receiver.take_texts()
    assert (first[0], second[0]) == ("a", "b")
    assert first[1] == second[1]


def test_on_another_transport_the_message_on_deck_is_sent_again_as_it_is() -> None:
    sender = delivery()
    assert not sender.repeat("a"), "there is nothing yet"
    sender.send("a", Response(id="i", success=True), NOW)
    (sent,) = sender.take_texts()
    assert not sender.repeat("a"), "it is there already"
    assert sender.take_texts() == []
    assert sender.repeat("b")
    assert not sender.repeat("b")
    assert sender.take_texts() == [("b", sent[1])]
    assert sender.take_ack(Ack(token=f"ATi1-{1:021}", nonce="n")) is Arrival.FRESH
    assert not sender.repeat("c"), "it has its ack"
    assert sender.take_texts() == []


def test_a_text_that_was_signed_elsewhere_waits_for_its_ack_here() -> None:
    """A connect is the same on each transport, as if it were the first."""
    first, second = delivery(), delivery()
    first.send("a", Response(id="i", success=True), NOW)
    assert first.on_deck is not None
    second.send_again("b", first.on_deck)
    ((_, text),) = first.take_texts()
    assert second.take_texts() == [("b", text)]
    assert second.take_ack(Ack(token=first.on_deck.token, nonce="n")) is Arrival.FRESH


def test_the_session_id_is_absent_before_there_is_one() -> None:
    sender = delivery()
    before: str | Absent = sender.dcpsid
    sender.session_id = "session"
    assert (before, sender.dcpsid) == (ABSENT, "session")


@pytest.mark.parametrize("nonce", [None, "n"])
def test_a_first_nonce_may_be_given(nonce: str | None) -> None:
    """To say farewell in a session that is not known, with the nonce that its initiator gave."""
    sender = delivery(nonce=nonce)
    sender.send("a", Response(id="i", success=True), NOW)
    ((_, text),) = sender.take_texts()
    assert numbered(text).nonce == nonce


@pytest.mark.parametrize(("token", "nonce"), [("t", ABSENT), ("t", "x"), ("t", ""), (ABSENT, None)])
def test_a_first_message_needs_the_nonce_null_and_a_token(token: Any, nonce: Any) -> None:
    assert delivery().judge(response("i", "t", None)) is Arrival.FRESH
    assert delivery().judge(response("i", token, nonce)) is Arrival.UNEXPECTED


@pytest.mark.parametrize(("token", "nonce"), [("u", None), ("u", ABSENT), ("u", "x"), (ABSENT, 0)])
def test_a_later_message_needs_the_nonce_of_the_ack_and_a_token(token: Any, nonce: Any) -> None:
    receiver = delivery(Role.TARGET)
    receiver.accept(response("i"))
    expected = f"NNt1-{1:021}"
    assert receiver.judge(response("j", "u", expected)) is Arrival.FRESH
    assert receiver.judge(response("j", token, expected if nonce == 0 else nonce)) is (
        Arrival.UNEXPECTED
    )


@pytest.mark.parametrize("nonce", [None, "n", ABSENT])
@pytest.mark.parametrize("token", ["t", "other", ABSENT])
def test_a_duplicate_is_known_by_its_id_whatever_else_it_says(nonce: Any, token: Any) -> None:
    receiver = delivery()
    receiver.accept(response("i"))
    assert receiver.judge(response("i", token, nonce, success=False)) is Arrival.DUPLICATE


@pytest.mark.parametrize("token", ["", "t", "other"])
def test_an_ack_of_nothing_changes_nothing(token: str) -> None:
    sender = delivery()
    assert sender.take_ack(Ack(token=token, nonce="bad")) is Arrival.UNEXPECTED
    sender.send("a", Response(id="i", success=True), NOW)
    assert sender.take_ack(Ack(token=token, nonce="bad")) is Arrival.UNEXPECTED
    assert sender.on_deck is not None
    ((_, text),) = sender.take_texts()
    assert numbered(text).nonce is None


def test_a_duplicate_ack_does_not_change_the_nonce() -> None:
    sender = delivery()
    sender.send("a", Response(id="i", success=True), NOW)
    token = f"ATi1-{1:021}"
    assert sender.take_ack(Ack(token=token, nonce="n")) is Arrival.FRESH
    assert sender.take_ack(Ack(token=token, nonce="bad")) is Arrival.DUPLICATE
    sender.send("a", Response(id="j", success=True), NOW)
    assert sender.take_ack(Ack(token=token, nonce="bad")) is Arrival.DUPLICATE
    (_, (_, text)) = sender.take_texts()
    assert numbered(text).nonce == "n"
    assert sender.on_deck is not None


def test_the_text_on_deck_is_not_shown() -> None:
    assert "hush" not in repr(OnDeck("i", "t", "hush"))
