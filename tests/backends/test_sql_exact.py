"""What comes back is what was given: by code point, to the last digit, to the microsecond."""

# ruff: noqa: RUF001 - letters that look alike are what this is about

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cg_backends.conformance import ALICE, JOB
from cg_backends.local import Dump
from cg_backends.memory import World
from cg_backends.sql import Store
from cg_core import (
    Caller,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    Group,
    GroupNotFound,
    InvalidValue,
    JobId,
    OpaqueId,
)
from tests.peers.databases import DATABASES, empty_url
from tests.strategies import creates, times

CALLER = Caller(ALICE.address)


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with Store(empty_url(request.param, tmp_path)) as made:
        yield made


# Pairs and more that one collation or another takes for one text.
ALIKE = {
    "case": ["farm", "Farm", "FARM"],
    "trailing spaces": ["farm", "farm ", "farm  ", "farm\t", "farm\u00a0", "farm\u3000"],
    "leading spaces": ["farm", " farm"],
    "accents": ["a", "á", "à", "ä", "ą"],
    "compositions": [unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")],
    "widths": ["A", "Ａ"],
    "ligatures": ["ss", "ß", "ẞ", "ſs"],
    "dotless": ["i", "ı", "İ", "I"],
    "astral": ["😀", "😁", "𝒜", "\U0010ffff", "\U0010fffe", "\uffff", "�"],
    "nothing to see": ["ab", "a\u200bb", "a\u00adb", "a\x01b", "a\x7fb"],
    "digits": ["1", "１", "①", "01", "1.0"],
    "wildcards": ["%", "_", "\\", "a%", "a\\_", "'", "''", '"', "`", ":a", "%s", "%(a)s", "{a}"],
    "long": ["é" * 255, "é" * 254 + "e", "😀" * 255, "😀" * 254 + "😁"],
}


@pytest.mark.parametrize("alike", ALIKE.values(), ids=ALIKE)
def test_join_keys_compare_by_code_point(alike: list[str], store: Store) -> None:
    client = store.connect(ALICE)
    made = {key: client.create(key, description=key, join_key=key) for key in alike}
    assert len(set(made.values())) == len(alike)
    for key in alike:
        group = client.get_group(key)
        assert (group.id, group.name, group.description, group.join_key) == (made[key], *[key] * 3)
    assert [group.join_key for group in client.list_groups()] == alike
    for key in alike:
        client.delete_group(key)
        with pytest.raises(GroupNotFound):
            client.get_group(key)


def test_ids_compare_by_code_point(store: Store) -> None:
    client = store.connect(ALICE)
    ids = [OpaqueId("a" * 22), OpaqueId("A" * 22), OpaqueId("a" * 21 + "A")]
    made = [store.execute(CreateGroup("farm", opaque_id=id), CALLER) for id in ids]
    assert [client.get_group(id).id for id in ids] == made
    jobs = [JobId("a" * 22), JobId("A" * 22), JobId("a" * 21 + "A")]
    for job in jobs:
        client.add_job("public", job)
    client.cancel_job("public", jobs[0])
    assert [job.cancelled for job in store.state().jobs] == [True, False, False]


def test_opaque_ids_in_use_are_passed_over(tmp_path: Path) -> None:
    ids = map(OpaqueId, ["a" * 22, "WHhetL7mj1w1mw1XV6dxyC", "a" * 22, "b" * 22])
    url = empty_url("sqlite", tmp_path)
    for public_group in (True, False):
        with Store(url, opaque_ids=ids, public_group=public_group) as store:
            store.connect(ALICE).create("farm")
    assert [group.opaque_id for group in store_state(url)] == ["a" * 22, "b" * 22]
    with Store(url, opaque_ids=ids) as store, pytest.raises(InvalidValue, match="used up"):
        store.connect(ALICE).create("farm")


def store_state(url: str) -> tuple[Group, ...]:
    with Store(url) as store:
        return store.state().groups


def test_a_join_key_that_looks_like_an_opaque_id_is_none(store: Store) -> None:
    client = store.connect(ALICE)
    for key in ("WHhetL7mj1w1mw1XV6dxyC", "2", "1"):
        farm = client.create("farm", join_key=key)
        assert client.get_group(key).id == farm
        client.add_job(key, JOB)
        client.remove_job(key, JOB)


@pytest.mark.parametrize("name", DATABASES)
def test_any_group_comes_back_as_it_came_from_memory(name: str, tmp_path: Path) -> None:
    now = [datetime.now(UTC)]
    with Store(empty_url(name, tmp_path), clock=lambda: now[0]) as store:

        @settings(max_examples=settings().max_examples // (1 if name == "sqlite" else 3))
        @given(creates(), times, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
        def comes_back(create: CreateGroup, moment: datetime, offset: timedelta) -> None:
            now[0] = moment.astimezone(timezone(offset))
            assume(create.join_key != "public")
            shown = []
            for place in (World(clock=lambda: now[0]), store):
                made = place.execute(create, CALLER)
                group = place.execute(GetGroup(made), CALLER)
                place.execute(DeleteGroup(made), CALLER)
                assert create.opaque_id in (None, group.opaque_id)
                shown.append(attrs.evolve(group, id=1, opaque_id=OpaqueId("a" * 22)))
            assert shown[0] == shown[1]
            # Equal amounts may be written in several ways, of which one is ours.
            assert repr(shown[0]) == repr(shown[1])
            assert shown[1].created_at.tzinfo is UTC

        comes_back()


AMOUNTS = [
    "0",
    "0.1",
    "1",
    "100",
    "1.10",
    "1E+2",
    "0.000000000000000001",
    "10000000000000000000",
    "99999999999999999999.999999999999999999",
]


@pytest.mark.parametrize("amount", [Decimal(text) for text in AMOUNTS], ids=AMOUNTS)
def test_amounts_are_exact(amount: Decimal, store: Store) -> None:
    client = store.connect(ALICE)
    farm = client.create("farm", deploy_fee=amount, max_total_payment=amount)
    group = client.get_group(farm)
    assert group.deploy_fee == group.max_total_payment == amount
    assert str(group.deploy_fee) == str(
        CreateGroup("farm", deploy_fee=amount).properties.deploy_fee
    )
    client.change_group(farm, max_total_payment=None, add_job_fee=amount)
    assert client.get_group(farm).max_total_payment is None
    assert client.get_group(farm).add_job_fee == amount


@pytest.mark.parametrize("count", [0, 2**31, 2**53 + 1, 2**63 - 1])
def test_counts_are_exact(count: int, store: Store) -> None:
    client = store.connect(ALICE)
    farm = client.create("farm", max_concurrent_jobs=count, max_concurrent_cpus=count)
    group = client.get_group(farm)
    assert (group.max_concurrent_jobs, group.max_concurrent_cpus) == (count, count)


def test_the_last_row_id_of_all_is_given_and_none_after_it(store: Store) -> None:
    store.load(Dump(2**63 - 2, ()))
    client = store.connect(ALICE)
    last = client.create("the last")
    assert last == 2**63 - 1
    assert client.get_group(last).id == last
    with pytest.raises(InvalidValue, match="row id"):
        client.create("one too many")
    client.delete_group(last)
    with pytest.raises(InvalidValue, match="row id"):
        client.create("one too many")
