"""Identifiers: unlike one another, and like those of the official peer."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core.session.identifiers import Identifiers, RandomIdentifiers, Role
from tests.transcripts import NAMES, load

RANDOM = "[0-9a-zA-Z]{21}"
FORMS = {
    "message_id": f"[0-9]+-[0-9]+-{RANDOM}",
    "ack_token": f"AT[it][0-9]+-{RANDOM}",
    "nonce": f"NN[it][0-9]+-{RANDOM}",
    "stamp": RANDOM,
    "session_part": RANDOM,
}
KINDS = tuple(FORMS)
calls = st.lists(st.sampled_from(KINDS))


def counted(role: Role = Role.INITIATOR, connection: int = 1) -> RandomIdentifiers:
    numbers = itertools.count(1)
    return RandomIdentifiers(role, lambda: f"{next(numbers):021}", connection=connection)


def drawn(identifiers: Identifiers, kind: str) -> str:
    found = getattr(identifiers, kind)()
    assert isinstance(found, str)
    return found


@given(calls, st.sampled_from(Role))
def test_all_have_the_official_form_and_none_is_like_another(calls: list[str], role: Role) -> None:
    identifiers = counted(role, connection=12)
    found = [drawn(identifiers, kind) for kind in calls]
    for kind, identifier in zip(calls, found, strict=True):
        assert re.fullmatch(FORMS[kind], identifier)
    assert len(set(found)) == len(found)


@given(calls)
def test_each_has_random_text_of_its_own(calls: list[str]) -> None:
    """Who has seen all that went before cannot guess the next one."""
    identifiers = counted()
    for number, kind in enumerate(calls, start=1):
        assert drawn(identifiers, kind).endswith(f"{number:021}")


@given(calls)
def test_message_ids_tokens_and_nonces_do_not_depend_on_luck(calls: list[str]) -> None:
    identifiers = RandomIdentifiers(Role.TARGET, lambda: "x" * 21)
    counted = [drawn(identifiers, kind) for kind in calls if kind in KINDS[:3]]
    assert len(set(counted)) == len(counted)


def test_they_tell_the_end_and_the_connection() -> None:
    random = f"{1:021}"
    assert counted(connection=7).message_id() == f"7-1-{random}"
    for role, letter in ((Role.INITIATOR, "i"), (Role.TARGET, "t")):
        assert counted(role).ack_token() == f"AT{letter}1-{random}"
        assert counted(role).nonce() == f"NN{letter}1-{random}"


# Hand-made messages have others, on purpose; n1, n2, n3 and o1 are full of them.
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"n1", "n2", "n3", "o1"}))
def test_the_form_is_that_of_the_recorded_ones(name: str) -> None:
    for text in load(name).texts:
        body = text.body
        for member, kind in (
            ("id", "message_id"), ("messageId", "message_id"), ("ackToken", "ack_token"),
            ("token", "ack_token"), ("nonce", "nonce"),
        ):  # fmt: skip
            if body.get(member):  # a nonce may be null, and was false in f2b
                assert re.fullmatch(FORMS[kind], body[member])
        if "dcpsid" in body:
            assert re.fullmatch(RANDOM * 2, body["dcpsid"])
