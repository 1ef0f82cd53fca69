"""Groups as JSON: exact, checked member by member, without a hash (C-1, C-4, C-13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import cattrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import PUBLIC_GROUP, Address, Group, InvalidArgument, JoinHash, join_hash
from cg_core.ecmascript_json import parse, stringify
from cg_core.group_json import group_to_json, structure_groups
from cg_core.json_shapes import strict_converter, told
from tests.core.worlds import ALICE, NOW
from tests.strategies import amounts, counts, times

converter = strict_converter()
structure_groups(converter)

GROUP = attrs.evolve(PUBLIC_GROUP.shown(), owner=ALICE)
OBJECT = group_to_json(GROUP)


def read(value: Any) -> Group:
    group: Group = converter.structure(value, Group)
    return group


def travelled(group: Group) -> Group:
    return read(parse(stringify(group_to_json(group))))


@given(amounts, counts)
def test_c4_amounts_and_counts_are_exact(amount: Decimal, count: int) -> None:
    group = attrs.evolve(GROUP, deploy_fee=amount, max_concurrent_gpus=count)
    assert travelled(group) == group


@given(st.sampled_from([10**15 - 1, 10**15, 2**53 - 1, 2**53 + 1, 2**63 - 1]))
def test_integers_that_a_double_does_not_hold_are_exact(number: int) -> None:
    group = attrs.evolve(GROUP, id=number, max_concurrent_jobs=number)
    assert travelled(group) == group


@given(times, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
def test_the_time_is_exact_and_in_utc(time: datetime, offset: timedelta) -> None:
    elsewhere = attrs.evolve(GROUP, created_at=time.astimezone(timezone(offset)))
    assert travelled(elsewhere).created_at == time
    assert travelled(elsewhere).created_at.tzinfo is UTC
    text = group_to_json(elsewhere)["createdAt"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.]\d{6}Z", text)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("2026-11-23T21:00:00Z", 0), ("2026-11-23T21:00:00.25Z", 250_000),
     ("2026-11-23T21:00:00.000Z", 0), ("2026-11-23T21:00:00.000001Z", 1)],
)  # fmt: skip
def test_a_time_may_leave_digits_out(text: str, microsecond: int) -> None:
    assert read(OBJECT | {"createdAt": text}).created_at == NOW.replace(microsecond=microsecond)


def test_c13_a_row_shows_no_hash() -> None:
    hash = join_hash("public", "s3cret")
    row = attrs.evolve(PUBLIC_GROUP, join_hash=hash)
    assert group_to_json(row) == group_to_json(PUBLIC_GROUP.shown())
    assert hash.reveal() not in stringify(group_to_json(row))


def test_members_that_are_not_known_are_ignored() -> None:
    assert read(OBJECT | {"joinHash": join_hash("a", "b").reveal(), "colour": "red"}) == GROUP
    assert not any(isinstance(value, JoinHash) for value in attrs.astuple(read(OBJECT)))


def test_an_address_has_one_form() -> None:
    assert read(OBJECT | {"owner": ALICE[2:].lower()}).owner == Address(ALICE)


def fault(call: Callable[[], Any]) -> str:
    try:
        call()
    except InvalidArgument as error:
        return error.message
    except cattrs.BaseValidationError as error:
        return told(error, "group")
    pytest.fail("that was read")


@pytest.mark.parametrize("member", OBJECT)
def test_each_member_must_be_there_and_of_its_type(member: str) -> None:
    lacking = {name: value for name, value in OBJECT.items() if name != member}
    assert fault(lambda: read(lacking)) == f"the group lacks {member}"
    no_values: list[Any] = [float("nan"), True, [], {}, -1, "\0"]
    for wrong in no_values:
        told_of = fault(lambda: read(OBJECT | {member: wrong}))  # noqa: B023 - called at once
        assert told_of.startswith("group.")


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        *((member, None) for member in ("id", "opaqueId", "name", "description", "createdAt",
                                        "commissionRate", "deployFee", "deployAccess")),
        ("id", 0), ("id", 2**63), ("id", "7"), ("opaqueId", "short"), ("name", "x" * 256),
        ("name", "\ud800"), ("description", "x" * 256), ("joinKey", "\0"), ("joinAddress", "0x"),
        ("owner", ALICE.swapcase()), ("commissionRate", "1"), ("deployFee", "-1"),
        ("maxTotalPayment", "1e400"), ("maxConcurrentJobs", "7"), ("deployAccess", "all"),
        ("createdAt", "2026-11-23"), ("createdAt", "2026-02-30T00:00:00Z"),
        ("createdAt", "0000-01-01T00:00:00Z"), ("createdAt", "2026-11-23T21:00:00"),
        ("createdAt", "2026-11-23T21:00:00+00:00"), ("createdAt", "2026-11-23T21:00:00.1234567Z"),
        ("createdAt", "2026-11-23T21:00:00Z\n"), ("createdAt", "2026-11-23T21:00:60Z"),
        ("createdAt", "\uff12026-11-23T21:00:00Z"),
    ],
)  # fmt: skip
def test_each_member_is_checked(member: str, wrong: Any) -> None:
    assert fault(lambda: read(OBJECT | {member: wrong})) != ""


@pytest.mark.parametrize("wrong", [None, [], "group", 7, True])
def test_what_is_no_object_is_no_group(wrong: Any) -> None:
    assert fault(lambda: read(wrong)).startswith("expected an object, not")
