"""Join hashes: the official client's, compared in constant time, and good for one session each."""

from __future__ import annotations

import dis
import re
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from types import FunctionType
from typing import Any

import pytest
from Crypto.Hash import keccak
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_core import (
    Address,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JoinHash,
    JoinHashHash,
    JoinSecret,
    eh1,
    join_hash,
)
from tests.golden import golden
from tests.strategies import Masked, any_characters, join_keys, join_secrets, not_text, wrong_texts

GOLDEN = golden("hashing")
MARK = "Tr0ub4dor"
hashes = st.binary(min_size=32, max_size=32).map(lambda digest: JoinHash("eh1-" + digest.hex()))
session_ids = st.text(min_size=1)

# What the official client hashes and we refuse: without a secret there is no hash (C-14).
REFUSED = {
    "j6": "no secret",
    "j7": "no secret",
    "j8": "no secret (null)",
    "j9": "no secret (null)",
    "j10": "an empty secret",
    "j11": "a number",
    "j12": "a number",
    "j15": "NUL cannot be stored",
    "j17": "half of a surrogate pair cannot be stored",
    "j26": "neither key nor secret",
}
# What the official client salts and we do not take for a join hash.
NO_HASH = {"s5", "s6"}


def independent_eh1(text: str) -> str:
    message = text.encode()
    prefix = f"\x19Ethereum Signed Message:\n{len(message)}".encode()
    return "eh1-" + keccak.new(data=prefix + message, digest_bits=256).hexdigest()


@given(join_keys, join_secrets)
def test_a_join_hash_is_eh1_of_key_and_secret(key: str, secret: str) -> None:
    assert join_hash(key, secret).reveal() == independent_eh1(f"{key} {secret}")
    assert join_hash(key, JoinSecret(secret)) == join_hash(key, secret)


def test_public_vector() -> None:
    assert join_hash("scott", "tiger").reveal() == (
        "eh1-672937c2b944982e071185b888770f8b8ea67c11f56d545e403e0d513c609b87"
    )


@given(join_keys, wrong_texts(holding=MARK))
def test_a_wrong_secret_is_refused_by_name_and_not_repeated(key: str, wrong: str) -> None:
    for make in (lambda: join_hash(key, wrong), lambda: JoinSecret(wrong)):
        with pytest.raises((InvalidType, InvalidValue), match=r"^join_secret ") as caught:
            make()
        assert MARK not in str(caught.value)


@given(wrong_texts(holding=MARK), join_secrets)
def test_a_wrong_key_is_refused_by_name_and_not_repeated(wrong: str, secret: str) -> None:
    with pytest.raises((InvalidType, InvalidValue), match=r"^join_key ") as caught:
        join_hash(wrong, secret)
    assert MARK not in str(caught.value)


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_secret_there_is_no_hash(nothing: Any) -> None:
    with pytest.raises(InvalidArgument, match="join_secret"):
        join_hash("farm", nothing)
    with pytest.raises(InvalidArgument, match="join_secret"):
        JoinSecret(nothing)


@given(join_secrets)
def test_a_join_secret_gives_its_text_when_asked(secret: str) -> None:
    assert JoinSecret(secret).reveal() == secret


def test_a_str_of_another_class_is_hashed_by_its_characters() -> None:
    expected = join_hash("farm", "s3cret")
    assert join_hash(Masked("farm"), "s3cret") == expected
    assert join_hash("farm", Masked("s3cret")) == expected
    assert join_hash("farm", JoinSecret(Masked("s3cret"))) == expected
    assert type(JoinSecret(Masked("s3cret")).reveal()) is str


@given(hashes)
def test_a_join_hash_is_its_text(held: JoinHash) -> None:
    assert JoinHash(held.reveal()) == held
    assert JoinHash(held.reveal()).reveal() == held.reveal()
    assert hash(JoinHash(held.reveal())) == hash(held)


near_hashes = st.builds(
    lambda held, place, patch: held.reveal()[:place] + patch + held.reveal()[place + 1 :],
    hashes,
    st.integers(0, 68),
    st.text(any_characters, max_size=2),
)


KINDS: dict[str, Callable[[str], object]] = {
    "join_hash": JoinHash,
    "join_hash_hash": partial(JoinHashHash, "session"),
}
both_kinds = pytest.mark.parametrize(("field", "make"), KINDS.items())


@both_kinds
@given(text=near_hashes | st.text(any_characters))
def test_what_is_no_hash_is_refused_and_not_repeated(
    field: str, make: Callable[[str], object], text: str
) -> None:
    assume(re.match(r"eh1-[0-9a-f]{64}\Z", text) is None)
    messages = []
    for wrong in (text, "?" * len(text)):
        with pytest.raises(InvalidValue, match=f"^{field} ") as caught:
            make(wrong)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@both_kinds
@given(wrong=not_text)
def test_a_hash_is_a_text(field: str, make: Callable[[str], object], wrong: str) -> None:
    with pytest.raises(InvalidType, match=f"^{field} must be a str"):
        make(wrong)


@given(hashes, hashes, session_ids, session_ids)
def test_a_hash_hash_proves_its_hash_to_its_session_alone(
    held: JoinHash, other: JoinHash, session: str, other_session: str
) -> None:
    assume(held != other)
    assume(session != other_session)
    shown = held.salted(session)
    assert shown.reveal() == independent_eh1(session + held.reveal())
    assert JoinHashHash(session, shown.reveal()) == shown
    assert other.salted(session) != shown
    assert shown.proves(held)
    assert not shown.proves(other)
    assert not JoinHashHash(other_session, shown.reveal()).proves(held)


@given(hashes, hashes)
def test_a_hash_proves_itself_alone(held: JoinHash, other: JoinHash) -> None:
    assume(held != other)
    assert held.proves(JoinHash(held.reveal()))
    assert not held.proves(other)


@given(hashes, session_ids)
def test_equal_hashes_are_equal_and_nothing_else_is(held: JoinHash, session: str) -> None:
    shown = held.salted(session)
    assert shown == held.salted(session)
    assert hash(shown) == hash(held.salted(session))
    assert shown != held.salted(session + "x")
    assert shown != JoinHashHash(session + "x", shown.reveal())
    assert held != held.reveal()
    assert shown != shown.reveal()
    assert len({held, shown, held.reveal(), shown.reveal()}) == 4


@pytest.mark.parametrize("proves", [JoinHash.proves, JoinHashHash.proves])
def test_hashes_are_compared_in_constant_time(proves: FunctionType) -> None:
    """Timing shows little and differs by machine; what is called does not (C-15)."""
    steps = list(dis.get_instructions(proves))
    assert "compare_digest" in {step.argval for step in steps}
    assert "COMPARE_OP" not in {step.opname for step in steps}


def salt_and_secret(entry: dict[str, Any]) -> tuple[Any, Any]:
    details = entry["details"]
    salt = details.get("joinKey") or details.get("joinAddress")
    if entry["id"] == "j23":
        salt = Address(salt)  # the official client's entry gives an Address, too
    return salt, entry.get("joinSecret_argument", details.get("joinSecret"))


@pytest.mark.parametrize("entry", GOLDEN["join_hash"], ids=itemgetter("id"))
def test_golden_join_hash(entry: dict[str, Any]) -> None:
    assert eh1(entry["hashed_text"]) == entry["result"]
    salt, secret = salt_and_secret(entry)
    if entry["id"] in REFUSED:
        with pytest.raises(InvalidArgument):
            join_hash(salt, secret)
    else:
        assert f"{salt} {secret}" == entry["hashed_text"]
        assert join_hash(salt, secret).reveal() == entry["result"]
        assert join_hash(salt, JoinSecret(secret)).reveal() == entry["result"]


@pytest.mark.parametrize("entry", GOLDEN["join_hash_hash"], ids=itemgetter("id"))
def test_golden_join_hash_hash(entry: dict[str, Any]) -> None:
    session = entry.get("dcpsid", "")
    assert session + entry["joinHash"] == entry["hashed_text"]
    assert eh1(entry["hashed_text"]) == entry["result"]
    if entry["id"] in NO_HASH:
        with pytest.raises(InvalidValue):
            JoinHash(entry["joinHash"])
    else:
        held = JoinHash(entry["joinHash"])
        assert held.salted(session).reveal() == entry["result"]
        assert JoinHashHash(session, entry["result"]).proves(held)


def configured_groups(config: dict[str, Any]) -> list[dict[str, Any]]:
    groups = config.get("computeGroups", [])
    groups = list(groups.values() if isinstance(groups, dict) else groups)
    if not (config.get("leaveGlobalGroup") or config.get("leavePublicGroup")):
        groups.append({"joinKey": "public", "joinHash": ""})
    return groups


def hash_of(group: dict[str, Any]) -> JoinHash:
    if group["joinKey"] == "public":
        return JoinHash(eh1("public undefined"))  # here it has none (C-6)
    if "joinHash" in group:
        return JoinHash("".join(group["joinHash"].split()))  # white space is for people to take out
    return join_hash(group["joinKey"], group["joinSecret"])


@pytest.mark.parametrize("entry", GOLDEN["worker_compute_groups"], ids=itemgetter("label"))
def test_golden_hash_hashes_that_a_worker_shows(entry: dict[str, Any]) -> None:
    groups = configured_groups(entry["workerConfig"])
    if "error" in entry:  # the official worker refuses the address before it hashes anything
        assert [set(group) for group in groups] == [{"joinAddress", "joinSecret"}]
    elif "request" in entry:  # nothing is hashed
        assert groups == entry["result"]
    else:
        session = entry["dcpsid"]
        shown = [
            {
                "joinKey": group["joinKey"],
                "joinHashHash": hash_of(group).salted(session).reveal(),
            }
            for group in groups
        ]
        assert shown == entry["result"]


def test_an_address_may_be_the_salt() -> None:
    address = "0xc15053fc30d4bdf91e2e0bba79578f8b649e55ea"
    assert join_hash(address, "x").reveal() == eh1(f"{address} x")


@pytest.mark.parametrize(
    "form", ["", "{}", "eh0-{}", "EH1-{}", " eh1-{}", "eh1-{}\n", "eh1- {}", "eh1-{}0", "eh1-0x{}"]
)
def test_nearly_a_hash_is_no_hash(form: str) -> None:
    for digits in ("a" * 64, "A" * 64):
        with pytest.raises(InvalidValue):
            JoinHash(form.format(digits))
    with pytest.raises(InvalidValue):
        JoinHash("eh1-" + "a" * 63 + "A")


def test_what_is_shown_is_compared_with_its_like_alone() -> None:
    shown = JoinHash("eh1-" + "0" * 64).salted("session")
    assert shown.__eq__("eh1-" + "0" * 64) is NotImplemented
    assert (shown == shown.reveal()) is False
