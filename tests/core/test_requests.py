"""The twelve requests are checked as they are made (C-1 to C-4, C-7, C-13, C-17)."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cg_core
from cg_core import (
    KEEP,
    AddJob,
    AddJobToGroups,
    ChangeGroup,
    CreateGroup,
    Descriptor,
    GroupProperties,
    GroupRow,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JobId,
    JoinHash,
    JoinSecret,
    ListJobs,
    OpaqueId,
    Request,
    join_hash,
)
from tests.core.arguments import (
    METHODS,
    PROPERTIES,
    Arguments,
    arguments_of_wrong_type,
    arguments_of_wrong_value,
    right_arguments,
    with_arguments,
)
from tests.strategies import (
    addresses,
    descriptors,
    group_names,
    job_ids,
    join_keys,
    join_secrets,
    row_ids,
    texts,
)

JOB = "P+Y4IApeFQLrYS2W7MkVg7"
HASH = join_hash("farm", "s3cret")


@settings(max_examples=300)
@given(st.sampled_from(list(METHODS.values())), st.data())
def test_right_arguments_make_a_request_that_never_changes(
    request_class: Any, data: st.DataObject
) -> None:
    arguments = data.draw(right_arguments(request_class))
    request = request_class(**arguments)
    assert request == request_class(**arguments)
    assert hash(request) == hash(request_class(**arguments))
    for field in attrs.fields(request_class):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(request, field.name, None)


@settings(max_examples=300)
@given(with_arguments, st.data())
def test_an_argument_of_a_wrong_type_is_InvalidType(  # noqa: N802 - the name of the class
    request_class: type[Request[Any]], data: st.DataObject
) -> None:
    arguments = data.draw(arguments_of_wrong_type(request_class))
    with pytest.raises(TypeError) as refusal:
        request_class(**arguments)
    assert type(refusal.value) is InvalidType


@settings(max_examples=300)
@given(with_arguments, st.data())
def test_an_argument_that_cannot_be_is_InvalidValue(  # noqa: N802 - the name of the class
    request_class: type[Request[Any]], data: st.DataObject
) -> None:
    arguments = data.draw(arguments_of_wrong_value(request_class))
    with pytest.raises(ValueError, match=r".+") as refusal:
        request_class(**arguments)
    assert type(refusal.value) is InvalidValue


@settings(max_examples=200)
@given(with_arguments, st.data())
def test_c17_arguments_are_checked_with_the_validators_of_attrs_switched_off(
    request_class: type[Request[Any]], data: st.DataObject
) -> None:
    arguments = data.draw(
        arguments_of_wrong_type(request_class) | arguments_of_wrong_value(request_class)
    )
    with attrs.validators.disabled(), pytest.raises(InvalidArgument):
        request_class(**arguments)


@given(
    job_ids,
    st.one_of(
        st.binary(min_size=1),
        st.dictionaries(texts, texts, min_size=1),
        st.sets(texts, min_size=1),
        st.lists(texts, min_size=1).map(iter),
    ),
)
def test_what_has_no_order_or_is_no_list_is_no_list_of_groups(job: JobId, groups: Any) -> None:
    with pytest.raises(InvalidType):
        AddJobToGroups(job, groups)


def keywords_but(*known: str) -> st.SearchStrategy[str]:
    words = st.from_regex(r"[a-z_]{1,20}", fullmatch=True) | st.text(max_size=20)
    return words.filter(lambda word: word not in known and word != "self")


@given(
    st.sampled_from(["create", "change_group"]).map(METHODS.__getitem__),
    keywords_but(*attrs.fields_dict(GroupRow), "join_secret", "opaque_id", "group"),
    st.text(),
)
def test_c3_an_unknown_property_is_InvalidType_that_names_it(  # noqa: N802
    request_class: Any, keyword: str, value: str
) -> None:
    with pytest.raises(InvalidType) as refusal:
        request_class("farm", **{keyword: value})
    assert keyword in refusal.value.message or ascii(keyword)[:40] in refusal.value.message


def test_a_misspelt_property_is_told_the_right_one() -> None:
    with pytest.raises(InvalidType, match="did you mean max_concurrent_jobs"):
        CreateGroup("farm", max_concurent_jobs=3)  # type: ignore[call-arg] # misspelt on purpose


# C-2, C-3, C-9, C-13: credentials.


@given(texts, join_keys, join_secrets)
def test_c13_a_secret_is_hashed_at_the_door(name: str, key: str, secret: str) -> None:
    held = join_hash(key, secret)
    for same in (
        CreateGroup(name, join_key=key, join_secret=secret),
        CreateGroup(name, join_key=key, join_secret=JoinSecret(secret)),
        CreateGroup(name, join_key=key, join_hash=held),
        CreateGroup(name, join_key=key, join_hash=held.reveal()),
    ):
        assert same.join_hash == held
        assert [field.name for field in attrs.fields(type(same))] == [
            "name", "description", "join_key", "join_hash", "join_address", "opaque_id",
            "properties",
        ]  # fmt: skip


ways_to_show_a_secret = st.fixed_dictionaries(
    {}, optional={"join_secret": join_secrets, "join_hash": st.just(HASH)}
).filter(bool)


@given(ways_to_show_a_secret)
def test_c2_a_secret_or_hash_without_a_key_is_an_error(shown: Arguments) -> None:
    with pytest.raises(InvalidValue):
        CreateGroup("farm", **shown)
    with pytest.raises(InvalidValue):
        AddJob(5, JOB, **shown)
    with pytest.raises(InvalidValue):
        Descriptor(5, **shown)


@given(join_keys.filter(lambda key: key != "public"), join_secrets)
def test_a_secret_and_a_hash_at_once_are_an_error(key: str, secret: str) -> None:
    both: Arguments = {"join_key": key, "join_secret": secret, "join_hash": HASH}
    for make in (
        lambda: CreateGroup("farm", **both),
        lambda: ChangeGroup(5, **both),
        lambda: AddJob(5, JOB, **both),
    ):
        with pytest.raises(InvalidValue, match="two ways to say one thing"):
            make()


@given(group_names, join_keys, join_secrets)
def test_c3_join_key_and_join_secret_change_together(group: Any, key: str, secret: str) -> None:
    for alone in (
        {"join_key": key},
        {"join_key": None},
        {"join_secret": secret},
        {"join_secret": None},
        {"join_hash": HASH},
        {"join_hash": None},
        {"join_key": None, "join_secret": secret},
        {"join_key": None, "join_hash": HASH},
    ):
        arguments: Arguments = {**alone, "name": "so that there is something to change"}
        with pytest.raises(InvalidValue):
            ChangeGroup(group, **arguments)


@given(group_names, join_keys, join_secrets)
def test_c3_none_ends_joining_by_key_or_by_secret(group: Any, key: str, secret: str) -> None:
    ended = ChangeGroup(group, join_key=None, join_secret=None).changes
    assert ended.given() == {"join_key": None, "join_hash": None}
    assert ended == ChangeGroup(group, join_key=None, join_hash=None).changes
    by_key_alone = ChangeGroup(group, join_key=key, join_secret=None).changes
    assert by_key_alone.given() == {"join_key": key, "join_hash": None}
    both = ChangeGroup(group, join_key=key, join_secret=secret).changes
    assert both.given() == {"join_key": key, "join_hash": join_hash(key, secret)}


@given(addresses)
def test_c3_none_removes_the_join_address(address: str) -> None:
    assert ChangeGroup(5, join_address=None).changes.given() == {"join_address": None}
    assert ChangeGroup(5, join_address=address.lower()).changes.join_address == address


@pytest.mark.parametrize(
    "field",
    ["name", "description", "commission_rate", "deploy_fee", "add_job_fee", "deploy_access"],
)
def test_c3_none_elsewhere_is_an_error(field: str) -> None:
    arguments: Arguments = {field: None}
    with pytest.raises(InvalidType):
        ChangeGroup(5, **arguments)


@pytest.mark.parametrize("field", [name for name in PROPERTIES if name.startswith("max_")])
def test_c3_none_is_no_limit(field: str) -> None:
    arguments: Arguments = {field: None}
    assert ChangeGroup(5, **arguments).changes.given() == {field: None}


@given(group_names)
def test_c3_nothing_to_change_is_an_error(group: Any) -> None:
    for nothing in ({}, {"name": KEEP}, {"join_key": KEEP, "join_secret": KEEP}):
        arguments: Arguments = {**nothing}
        with pytest.raises(InvalidValue, match="nothing is to change"):
            ChangeGroup(group, **arguments)


@given(right_arguments(ChangeGroup))
def test_c3_what_is_not_given_stays(arguments: Arguments) -> None:
    changed = ChangeGroup(**arguments).changes.given()
    credentials = {"join_key", "join_hash"} if "join_key" in arguments else set()
    assert changed.keys() == arguments.keys() - {"group", "join_secret"} | credentials


def test_c3_over_a_session_a_hash_may_come_without_its_key() -> None:
    group = Descriptor("farm")
    received = ChangeGroup.received(group, join_hash=HASH.reveal())
    assert received.changes.given() == {"join_hash": HASH}
    assert ChangeGroup.received(group, join_hash=HASH) == received
    assert ChangeGroup.received(group, join_key="k").changes.given() == {"join_key": "k"}
    assert ChangeGroup.received(group, join_key=None).changes.given() == {"join_key": None}


@pytest.mark.parametrize("key", ["", "x" * 256, "\0", "\ud800", 5, JobId(JOB)])
def test_c17_a_join_key_is_checked_over_a_session_too(key: Any) -> None:
    with pytest.raises(InvalidArgument):
        ChangeGroup.received(Descriptor("farm"), join_key=key)


# C-4: properties.


def test_c4_a_group_is_its_owners_alone_unless_told_otherwise() -> None:
    assert CreateGroup("farm").properties.deploy_access == "owner"
    assert CreateGroup("farm", deploy_access="join").properties.deploy_access == "join"
    assert ChangeGroup(5, name="farm").changes.given() == {"name": "farm"}


@given(right_arguments(CreateGroup))
def test_c4_properties_are_held_as_given(arguments: Arguments) -> None:
    given_properties = {name: value for name, value in arguments.items() if name in PROPERTIES}
    assert CreateGroup(**arguments).properties == GroupProperties(**given_properties)


# Jobs and lists of groups.


@given(descriptors(), job_ids)
def test_add_job_takes_a_descriptor_with_its_credentials(shown: Descriptor, job: JobId) -> None:
    assert AddJob(shown, job).group is shown
    for more in ({"join_key": "farm"}, {"join_secret": "s3cret"}, {"join_hash": HASH}):
        arguments: Arguments = {**more}
        with pytest.raises(InvalidValue, match="give it no others"):
            AddJob(shown, job, **arguments)


@given(job_ids, st.lists(group_names | descriptors(), min_size=1, max_size=5))
def test_groups_keep_their_order(job: JobId, groups: list[Any]) -> None:
    request = AddJobToGroups(job, groups)
    assert request.groups == tuple(
        group if isinstance(group, Descriptor) else Descriptor(group) for group in groups
    )
    assert request == AddJobToGroups(job, tuple(groups))


@given(row_ids, job_ids)
def test_c7_a_job_is_named_by_text_or_by_its_own_class(group: int, job: JobId) -> None:
    assert AddJob(group, str(job)) == AddJob(group, job)
    assert AddJob(group, job).job == job
    assert type(AddJob(group, str(job)).job) is JobId


# The classes.


def test_there_are_twelve_requests_and_all_are_exported() -> None:
    def kinds(base: type[Request[Any]]) -> set[type[Request[Any]]]:
        below = base.__subclasses__()
        return {base}.union(*(kinds(kind) for kind in below)) if below else {base}

    defined = {kind for kind in kinds(Request) if kind.__module__ == "cg_core.requests"}
    exported = {kind for kind in defined if kind.__name__ in cg_core.__all__} - {Request}
    assert exported == {kind for kind in defined - {Request} if kind.__name__[0] != "_"}
    assert exported == set(METHODS.values())
    assert len(exported) == 12


@pytest.mark.parametrize("request_class", METHODS.values(), ids=lambda kind: kind.__name__)
def test_docstrings_tell_of_each_argument_and_of_errors(request_class: Any) -> None:
    doc = request_class.__doc__ or ""
    for name in attrs.fields_dict(request_class):
        if name != "changes":
            assert f"    {name}: " in doc or f"**{name}: " in doc
    assert "Raises:" in doc


@given(st.sampled_from([ListJobs(5), ListJobs(OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd")),
                        AddJob("farm", JOB)]))  # fmt: skip
def test_a_request_without_a_secret_pickles(request: Request[Any]) -> None:
    assert pickle.loads(pickle.dumps(request)) == request


def test_c13_a_request_with_a_hash_does_not_pickle() -> None:
    request = CreateGroup("farm", join_key="farm", join_hash=HASH)
    assert isinstance(request.join_hash, JoinHash)
    with pytest.raises(InvalidType):
        pickle.dumps(request)
