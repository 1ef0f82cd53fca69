"""Hypothesis strategies for what people and peers may give, shared by all tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from cg_core import (
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
    timezones=st.just(UTC),  # noqa: DTZ001 - hypothesis adds the zone
)

amounts = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(0, 10**20 - 1),
    st.integers(-18, 0),
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
    key = None if is_key else draw(st.none() | join_keys)
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
