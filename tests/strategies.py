"""Hypothesis strategies for what people and peers may give, shared by all tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from cg_core import (
    KEEP,
    PUBLIC_GROUP,
    AddJob,
    AddJobToGroups,
    Address,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    CreateGroup,
    DeleteGroup,
    Descriptor,
    GetGroup,
    JobId,
    ListGroups,
    ListJobs,
    OpaqueId,
    RemoveAllJobs,
    RemoveJob,
)

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

storable_characters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(storable_characters, min_size=1, max_size=255)
descriptions = st.text(storable_characters, max_size=255)
join_keys = texts
join_secrets = texts
addresses = st.binary(min_size=20, max_size=20).map(Address.from_bytes)
opaque_ids = st.text(ALPHANUMERIC, min_size=22, max_size=22).map(OpaqueId)
job_ids = st.one_of(
    st.text(ALPHANUMERIC + "+/", min_size=22, max_size=22).map(JobId), addresses.map(JobId)
)
row_ids = st.integers(1, 2**63 - 1)
group_names: st.SearchStrategy[Any] = st.one_of(row_ids, opaque_ids, join_keys)
times = st.datetimes(
    datetime(1970, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.just(UTC),
)

any_characters = st.characters()
"""With NUL and the halves of surrogate pairs, which cannot be stored."""
anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([-1, 2**63, 10**20, 10**100, -(10**4_000), 10**4_000]),
        st.floats(),
        st.complex_numbers(),
        st.decimals(),
        st.sampled_from(["sNaN", "-Infinity", "1E+999999", "-1E-999999", "NaN123"]).map(Decimal),
        st.fractions(),
        st.text(any_characters),
        st.binary(),
        st.dates(),
        st.uuids(),
        st.sampled_from([object(), object, print, KEEP, ...]),
    ),
    lambda values: st.one_of(
        st.lists(values),
        st.lists(values).map(tuple),
        st.dictionaries(st.text(any_characters), values),
    ),
    max_leaves=4,
)
"""Any value that a program may give by mistake."""
not_text = anything.filter(lambda value: not isinstance(value, str))


class Masked(str):
    """A text that says something else of itself, as a member of a (str, Enum) does."""

    __slots__ = ()

    def __str__(self) -> str:
        return "masked"

    def __format__(self, spec: str) -> str:
        return "masked"

    def __len__(self) -> int:
        return len("masked")

    def isascii(self) -> bool:
        return True


def wrong_texts(holding: str) -> st.SearchStrategy[Any]:
    """What is no storable text, each with a text somewhere in it that must not be shown."""
    unstorable = st.tuples(
        st.text(any_characters, max_size=9), st.sampled_from("\0\ud800\udbff\udc00\udfff")
    ).map("".join)
    return st.one_of(
        unstorable.map(lambda bad: bad + holding),
        unstorable.map(lambda bad: holding + bad),
        st.integers(256, 2_000).map(lambda length: holding.ljust(length, "x")),
        st.sampled_from([holding.encode(), bytearray(holding.encode()), Exception(holding)]),
        st.lists(st.just(holding), min_size=1),
        st.dictionaries(st.just(holding), anything, min_size=1),
    )


amounts = st.builds(
    lambda whole, fraction: Decimal(f"{whole}.{fraction}"),
    st.integers(0, 10**20 - 1),
    st.text("0123456789", min_size=1, max_size=18),
)
rates = st.decimals(0, 1, places=18, allow_nan=False).filter(lambda rate: rate < 1)
counts = st.integers(0, 2**63 - 1)
properties: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "commission_rate": rates,
        "deploy_fee": amounts,
        "add_job_fee": amounts,
        "max_total_payment": st.none() | amounts,
        "max_concurrent_escrow": st.none() | amounts,
        "max_concurrent_jobs": st.none() | counts,
        "max_concurrent_workers": st.none() | counts,
        "max_concurrent_sandboxes": st.none() | counts,
        "max_concurrent_cpus": st.none() | counts,
        "max_concurrent_gpus": st.none() | counts,
        "deploy_access": st.sampled_from(["owner", "join"]),
    },
)


@st.composite
def creates(draw: st.DrawFn) -> CreateGroup:
    """Any well-formed create."""
    given: dict[str, Any] = draw(properties)
    if draw(st.booleans()):
        given["join_key"] = draw(join_keys)
        if draw(st.booleans()):
            given["join_secret"] = draw(join_secrets)
    given["description"] = draw(st.none() | descriptions)
    given["join_address"] = draw(st.none() | addresses)
    given["opaque_id"] = draw(st.none() | opaque_ids)
    return CreateGroup(draw(texts), **given)


@st.composite
def changes(draw: st.DrawFn, names: st.SearchStrategy[Any] = group_names) -> ChangeGroup:
    """Any well-formed change."""
    given: dict[str, Any] = draw(properties)
    if draw(st.booleans()):
        given["join_key"] = draw(st.none() | join_keys)
        given["join_secret"] = None if given["join_key"] is None else draw(st.none() | join_secrets)
    if draw(st.booleans()):
        given["description"] = draw(descriptions)
    if draw(st.booleans()):
        given["join_address"] = draw(st.none() | addresses)
    if not given or draw(st.booleans()):
        given["name"] = draw(texts)
    return ChangeGroup(draw(names), **given)


@st.composite
def descriptors(draw: st.DrawFn) -> Descriptor:
    """Any well-formed descriptor."""
    group = draw(group_names)
    is_key = isinstance(group, str) and not isinstance(group, OpaqueId)
    is_public = group in (PUBLIC_GROUP.id, PUBLIC_GROUP.opaque_id)  # no other key may stand by it
    key = None if is_key or is_public else draw(st.none() | join_keys)
    secret = draw(st.none() | join_secrets) if is_key or key is not None else None
    return Descriptor(group, join_key=key, join_secret=secret)


requests = st.one_of(
    creates(),
    changes(),
    st.builds(AddJob, descriptors(), job_ids),
    st.builds(AddJobToGroups, job_ids, st.lists(descriptors(), min_size=1, max_size=5)),
    *(st.builds(kind, group_names) for kind in (DeleteGroup, ListJobs, GetGroup)),
    *(st.builds(kind, group_names) for kind in (RemoveAllJobs, CancelAllJobs)),
    *(st.builds(kind, group_names, job_ids) for kind in (RemoveJob, CancelJob)),
    st.just(ListGroups()),
)
"""Any well-formed request, each of the twelve."""
