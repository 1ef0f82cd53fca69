"""Arguments for the twelve requests, right ones and wrong ones, by the names of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs
from hypothesis import strategies as st

from cg_core import (
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
    GroupProperties,
    JobId,
    JoinHash,
    JoinSecret,
    Keep,
    ListGroups,
    ListJobs,
    RemoveAllJobs,
    RemoveJob,
    Request,
    join_hash,
)
from tests.strategies import (
    addresses,
    amounts,
    anything,
    counts,
    descriptions,
    descriptors,
    group_names,
    job_ids,
    join_keys,
    join_secrets,
    opaque_ids,
    rates,
    row_ids,
    texts,
)

METHODS: Final[Mapping[str, type[Request[Any]]]] = {
    "create": CreateGroup,
    "change_group": ChangeGroup,
    "delete_group": DeleteGroup,
    "add_job": AddJob,
    "add_job_to_groups": AddJobToGroups,
    "list_jobs": ListJobs,
    "remove_job": RemoveJob,
    "remove_all_jobs": RemoveAllJobs,
    "cancel_job": CancelJob,
    "cancel_all_jobs": CancelAllJobs,
    "get_group": GetGroup,
    "list_groups": ListGroups,
}
"""The methods of a client, and the request that each sends (contract, Public API)."""

Arguments = dict[str, Any]


# Credentials for the public group are dropped, whatever they are (C-6).
def _is_private(name: Any) -> bool:
    return name not in (PUBLIC_GROUP.id, PUBLIC_GROUP.opaque_id, PUBLIC_GROUP.join_key)


private_names = group_names.filter(_is_private)
_private_ids = (row_ids | opaque_ids).filter(_is_private)

PROPERTIES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "commission_rate": rates,
    "deploy_fee": amounts | st.integers(0, 10**20 - 1),
    "add_job_fee": amounts,
    "max_total_payment": amounts | st.none(),
    "max_concurrent_escrow": amounts | st.none(),
    "max_concurrent_jobs": counts | st.none(),
    "max_concurrent_workers": counts | st.none(),
    "max_concurrent_sandboxes": counts | st.none(),
    "max_concurrent_cpus": counts | st.none(),
    "max_concurrent_gpus": counts | st.none(),
    "deploy_access": st.sampled_from(["owner", "join"]),
}
assert set(PROPERTIES) == {field.name for field in attrs.fields(GroupProperties)}

_secrets = join_secrets | join_secrets.map(JoinSecret)
_group: dict[str, st.SearchStrategy[Any]] = {"group": private_names}

# What must be given, and what may be given. The join key and the secret come together here.
_REQUIRED: Final[dict[type[Request[Any]], dict[str, st.SearchStrategy[Any]]]] = {
    CreateGroup: {"name": texts, "join_key": join_keys, "join_secret": _secrets},
    ChangeGroup: {**_group, "name": texts, "join_key": join_keys, "join_secret": _secrets},
    DeleteGroup: _group,
    AddJob: {"group": _private_ids, "job": job_ids, "join_key": join_keys, "join_secret": _secrets},
    AddJobToGroups: {
        "job": job_ids,
        "groups": st.lists(private_names | descriptors(), min_size=1, max_size=3),
    },
    ListJobs: _group,
    RemoveJob: {**_group, "job": job_ids},
    RemoveAllJobs: _group,
    CancelJob: {**_group, "job": job_ids},
    CancelAllJobs: _group,
    GetGroup: _group,
    ListGroups: {},
}
_OPTIONAL: Final[dict[type[Request[Any]], dict[str, st.SearchStrategy[Any]]]] = {
    CreateGroup: {
        "description": descriptions | st.none(),
        "join_address": addresses | st.none(),
        "opaque_id": opaque_ids | st.none(),
        **PROPERTIES,
    },
    ChangeGroup: {
        "description": descriptions,
        "join_address": addresses | st.none(),
        **PROPERTIES,
    },
}


def full_arguments(request: type[Request[Any]]) -> st.SearchStrategy[Arguments]:
    """Arguments that a request takes, credentials among them wherever it has such parameters."""
    return st.fixed_dictionaries(_REQUIRED[request], optional=_OPTIONAL.get(request, {}))


@st.composite
def right_arguments(draw: st.DrawFn, request: type[Request[Any]]) -> Arguments:
    """Arguments that a request takes, with credentials of every kind, or without."""
    given: Arguments = draw(full_arguments(request))
    if "join_secret" in given:
        given |= draw(
            st.sampled_from(
                [
                    {},
                    {"join_secret": None},
                    {"join_key": None, "join_secret": None},
                    {"join_secret": ..., "join_hash": join_hash(given["join_key"], "secret")},
                    {"join_secret": ..., "join_hash": join_hash("salt", "secret").reveal()},
                    {"join_key": ..., "join_secret": ...},
                ]
            )
        )
    return {name: value for name, value in given.items() if value is not ...}


# A value of any type, and what people mix up: ids of one kind with ids of another, and so on.
_anything = st.one_of(
    anything,
    addresses,
    job_ids,
    opaque_ids,
    st.sampled_from([Descriptor("farm"), JoinSecret("tiger"), join_hash("scott", "tiger")]),
)


def _not(*types: type) -> st.SearchStrategy[Any]:
    # A bool is an int to Python, and is none to us.
    return _anything.filter(lambda value: isinstance(value, bool) or not isinstance(value, types))


_none = type(None)
_amount_types = _not(Decimal, int)
_amount_or_none_types = _not(Decimal, int, _none)
_count_types = _not(int, _none)
_group_types = _not(int, str, Descriptor) | addresses | job_ids

WRONG_TYPES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "group": _group_types,
    "groups": _not(str, bytes, list, tuple, dict)
    | texts
    | st.lists(_group_types, min_size=1, max_size=3)
    | st.builds(lambda name, wrong: [name, wrong], group_names, _group_types),
    "job": _not(str) | opaque_ids,
    "name": _not(str, Keep),
    "description": _not(str, _none, Keep),
    "join_key": _not(str, _none, Keep) | addresses | job_ids | opaque_ids,
    "join_secret": _not(str, _none, Keep, JoinSecret),
    "join_hash": _not(str, _none, Keep, JoinHash),
    "join_address": _not(str, _none, Keep),
    "opaque_id": _not(str, _none) | addresses | job_ids,
    "commission_rate": _amount_types,
    "deploy_fee": _amount_types,
    "add_job_fee": _amount_types,
    "max_total_payment": _amount_or_none_types,
    "max_concurrent_escrow": _amount_or_none_types,
    "max_concurrent_jobs": _count_types,
    "max_concurrent_workers": _count_types,
    "max_concurrent_sandboxes": _count_types,
    "max_concurrent_cpus": _count_types,
    "max_concurrent_gpus": _count_types,
    "deploy_access": _not(str),
}
"""For each parameter values of other types than its own; ids of other kinds count as such."""
# (None and KEEP are right for some requests and wrong for others; see test_requests.)


def _with_one(bad: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda before, one, after: before + one + after, st.text(max_size=9), bad,
                     st.text(max_size=9))  # fmt: skip


_unstorable = _with_one(st.just("\0") | st.characters(categories=["Cs"]))
_too_long = st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=3), st.integers(256, 300)
)
_no_texts = st.just("") | _too_long | _unstorable
_no_descriptions = _too_long | _unstorable
_no_integers = st.integers(max_value=-1) | st.integers(min_value=2**63)
_no_amounts = st.one_of(
    st.integers(max_value=-1),
    st.integers(min_value=10**20),
    amounts.filter(bool).map(lambda amount: -amount),
    amounts.map(lambda amount: amount + 10**20),
    st.integers(1, 9).map(lambda digit: Decimal(digit).scaleb(-19)),
    st.integers(1, 9).map(lambda digit: Decimal(f"{digit}E+999999")),
    st.sampled_from([Decimal(text) for text in ("NaN", "sNaN", "-NaN7", "Infinity", "-Infinity")]),
)


def _mistyped(address: Address) -> str:
    return "0x" + address[2:].swapcase()


_no_addresses = st.one_of(
    addresses.filter(lambda address: _mistyped(address)[2:] not in
                     (address[2:].lower(), address[2:].upper())).map(_mistyped),
    addresses.map(lambda address: address[:-1]),
    addresses.map(lambda address: address + "0"),
    addresses.map(lambda address: "0X" + address[2:]),
    addresses.map(lambda address: f" {address}"),
    addresses.map(lambda address: f"{address}\n"),
    st.text(),
)  # fmt: skip
_no_hashes = st.one_of(
    st.builds(join_hash, join_keys, join_secrets)
    .map(JoinHash.reveal)
    .flatmap(
        lambda text: st.sampled_from(
            [text[:-1], text + "0", text.upper(), text[4:], "eh0" + text[3:], f"{text}\n"]
        )
    ),
    st.text(),
)


def _is_job_id(text: str) -> bool:
    try:
        JobId(text)
    except ValueError:
        return False
    return True


WRONG_VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "group": _no_texts | _no_integers | st.just(0),
    "groups": st.just([]) | st.just(()) | st.lists(_no_texts, min_size=1, max_size=3),
    "job": (_no_addresses | st.from_regex(r"[A-Za-z0-9+/_=-]{20,24}", fullmatch=True)).filter(
        lambda text: not _is_job_id(text)
    ),
    "name": _no_texts,
    "description": _no_descriptions,
    "join_key": _no_texts,
    "join_secret": _no_texts,
    "join_hash": _no_hashes,
    "join_address": _no_addresses | opaque_ids,
    "opaque_id": st.text() | st.from_regex(r"[A-Za-z0-9]{21}[+/ \n]", fullmatch=True),
    "commission_rate": _no_amounts | amounts.filter(lambda rate: rate >= 1),
    "deploy_fee": _no_amounts,
    "add_job_fee": _no_amounts,
    "max_total_payment": _no_amounts,
    "max_concurrent_escrow": _no_amounts,
    "max_concurrent_jobs": _no_integers,
    "max_concurrent_workers": _no_integers,
    "max_concurrent_sandboxes": _no_integers,
    "max_concurrent_cpus": _no_integers,
    "max_concurrent_gpus": _no_integers,
    "deploy_access": st.text() | st.sampled_from(["Owner", "owner ", "none"]),
}
"""For each parameter values of its type that cannot be."""


def _instead(given: Arguments, parameter: str, value: Any) -> Arguments:
    # So that the one wrong argument is all that is wrong.
    if parameter == "join_hash":
        given = {name: given[name] for name in given if name != "join_secret"}
    return given | {parameter: value}


@st.composite
def _wrong_calls(
    draw: st.DrawFn, wrong: dict[str, st.SearchStrategy[Any]], request: type[Request[Any]]
) -> Arguments:
    given: Arguments = draw(full_arguments(request))
    mistakable = set(_REQUIRED[request]) | set(_OPTIONAL.get(request, {}))
    if "join_secret" in mistakable:
        mistakable.add("join_hash")
    parameter = draw(st.sampled_from(sorted(mistakable)))
    return _instead(given, parameter, draw(wrong[parameter]))


def arguments_of_wrong_type(request: type[Request[Any]]) -> st.SearchStrategy[Arguments]:
    """Arguments for a request, of which one has a type that it must not have."""
    return _wrong_calls(WRONG_TYPES, request)


def arguments_of_wrong_value(request: type[Request[Any]]) -> st.SearchStrategy[Arguments]:
    """Arguments for a request, of which one has a value that cannot be."""
    return _wrong_calls(WRONG_VALUES, request)


with_arguments = st.sampled_from([kind for kind in METHODS.values() if kind is not ListGroups])
"""The requests that can be made in a wrong way."""
