"""Operations: requests as they travel, and whatever else may come (C-2 to C-4, C-9, C-13)."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from traceback import TracebackException
from typing import Any, get_type_hints

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    AddJob,
    AddJobToGroups,
    BadCredentials,
    Caller,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    ComputeGroupsError,
    CreateGroup,
    Decision,
    DeleteGroup,
    Descriptor,
    GetGroup,
    GroupProperties,
    GroupRow,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JoinHash,
    ListGroups,
    ListJobs,
    MembershipRow,
    OpaqueId,
    Operation,
    RemoveAllJobs,
    RemoveJob,
    Request,
    Unsupported,
    from_operation,
    join_hash,
    to_operation,
)
from tests.core.arguments import METHODS, PROPERTIES
from tests.core.json_values import inmost_first, inside, is_of, json_values, replaced
from tests.core.naive_rows import NaiveRows
from tests.core.worlds import ALICE, BOB, JOBS, NOW, SECRETS, Situation, outcome, situations
from tests.golden import golden
from tests.strategies import creates, requests

SESSION = "the session"
JOB = "P+Y4IApeFQLrYS2W7MkVg7"
HASH = join_hash("farm", "s3cret")

OPERATIONS = {
    CreateGroup: "createGroup",
    ChangeGroup: "changeGroup",
    DeleteGroup: "deleteGroup",
    AddJob: "addJobToGroups",
    AddJobToGroups: "addJobToGroups",
    ListJobs: "listJobs",
    RemoveJob: "removeJob",
    RemoveAllJobs: "removeAllJobs",
    CancelJob: "cancelJob",
    CancelAllJobs: "cancelAllJobs",
    GetGroup: "getGroup",
    ListGroups: "listGroups",
}


def travelled(operation: Operation) -> Operation:
    """The operation as the other end parses it."""
    return Operation(operation.name, json.loads(json.dumps(operation.data)))


def over_the_wire(
    request: Request[Any], *, signed_in: str = SESSION, received_in: str = SESSION
) -> Request[Any]:
    return from_operation(travelled(to_operation(request, signed_in)), received_in)


def received(name: str, data: Any) -> Request[Any]:
    return from_operation(Operation(name, data), SESSION)


# A request is decided alike, whether it travelled or not.


def as_one(
    decision: Decision[Any] | tuple[type[ComputeGroupsError], str],
) -> Decision[Any] | tuple[type[ComputeGroupsError], str]:
    """What adding to a list of one group says, as adding to the group says it."""
    assert isinstance(decision, Decision)
    (result,) = decision.reply
    if result.refusal is not None:
        assert (decision.save, decision.erase) == ((), ())
        return type(result.refusal), result.refusal.message
    return attrs.evolve(decision, reply=None)


@settings(max_examples=500)
@given(situations())
def test_a_request_that_travelled_is_decided_as_the_one_that_did_not(situation: Situation) -> None:
    travelled = over_the_wire(situation.request)
    decision = outcome(travelled, situation.caller, situation.rows)
    if isinstance(situation.request, AddJob):
        decision = as_one(decision)
    assert decision == situation.outcome()


@settings(max_examples=300)
@given(requests)
def test_a_request_arrives_as_it_was_sent(request: Request[Any]) -> None:
    arrived = over_the_wire(request)
    if isinstance(request, AddJob):
        request = AddJobToGroups(request.job, [request.group])
    if isinstance(request, CreateGroup | ChangeGroup):
        assert arrived == request
    else:  # what shows a hash to one session is not the hash
        assert type(arrived) is type(request)
        assert to_operation(arrived, SESSION) == to_operation(request, SESSION)


@settings(max_examples=200)
@given(requests)
def test_what_is_sent_is_plain_json(request: Request[Any]) -> None:
    operation = to_operation(request, SESSION)
    assert operation.name == OPERATIONS[type(request)]
    assert travelled(operation).data == operation.data


@pytest.mark.parametrize("kind", METHODS.values(), ids=lambda kind: kind.__name__)
def test_each_request_has_its_operation(kind: Any) -> None:
    assert kind in OPERATIONS


def test_what_is_no_request_has_no_operation() -> None:
    for other in (None, "listJobs", ListJobs, Request[None]()):
        request: Any = other
        with pytest.raises(InvalidType, match="not one of the twelve requests"):
            to_operation(request, SESSION)


# C-13: a proof is good for one session.

KEYED = GroupRow(
    id=7,
    opaque_id=OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd"),
    name="farm",
    description="",
    join_key="farm",
    join_hash=HASH,
    owner=ALICE,
    created_at=NOW,
    deploy_access="join",
)


@given(
    st.text(),
    st.text(),
    st.sampled_from(
        [Descriptor("farm", join_hash=HASH), Descriptor(7, join_key="farm", join_secret="s3cret")]
    ),
)
def test_c13_a_proof_is_bad_credentials_in_any_other_session(
    one: str, other: str, shown: Descriptor
) -> None:
    assume(one != other)
    rows = NaiveRows([PUBLIC_GROUP, KEYED])
    request = AddJob(shown, JOBS[0])
    here = over_the_wire(request, signed_in=one, received_in=one)
    there = over_the_wire(request, signed_in=one, received_in=other)
    added = as_one(outcome(here, Caller(BOB), rows))
    assert isinstance(added, Decision)
    assert MembershipRow(7, JOBS[0]) in added.save
    refused = as_one(outcome(there, Caller(BOB), rows))
    assert isinstance(refused, tuple)
    assert refused[0] is BadCredentials


@given(situations())
def test_c13_an_add_sends_no_hash_that_another_session_could_use(situation: Situation) -> None:
    sent = json.dumps(to_operation(situation.request, SESSION).data)
    hashes = {group.join_hash.reveal() for group in situation.rows.groups if group.join_hash}
    hashes |= {join_hash(key, secret).reveal() for key in ("farm", "lab") for secret in SECRETS}
    if not isinstance(situation.request, CreateGroup | ChangeGroup):
        assert not [text for text in hashes if text in sent]
        assert '"joinHash"' not in sent


def test_c9_a_hash_hash_that_is_a_hash_proves_nothing() -> None:
    data = {"job": JOB, "cgArray": [{"joinKey": "farm", "joinHashHash": HASH.reveal()}]}
    rows = NaiveRows([PUBLIC_GROUP, KEYED])
    refused = as_one(outcome(received("addJobToGroups", data), Caller(ALICE), rows))
    assert isinstance(refused, tuple)
    assert refused[0] is BadCredentials


# What the official client sends.

RECORDED = golden("operations")
OFFICIAL_SESSION = RECORDED["session_id"]
DEMO = join_hash("demo", "s3")
DEMO2 = JoinHash(RECORDED["demo2_join_hash"])
OPAQUE_ID = OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd")

official: list[tuple[str, Request[Any]]] = [
    (
        "createGroup",
        CreateGroup(
            "name",
            description="desc",
            join_key="demo",
            join_secret="s3",
            deploy_fee=Decimal("0.1"),
            deploy_access="join",
        ),
    ),
    (
        "addJobToGroups",
        AddJobToGroups(
            JOB,
            [
                Descriptor.received(None, "demo", DEMO.salted(OFFICIAL_SESSION)),
                Descriptor.received(None, "demo2", DEMO2.salted(OFFICIAL_SESSION)),
            ],
        ),
    ),
    ("listJobs", ListJobs("demo")),
    ("listJobs", ListJobs(OPAQUE_ID)),
    ("removeJob", RemoveJob("demo", JOB)),
    ("removeAllJobs", RemoveAllJobs("demo")),
    (
        "changeGroup",
        ChangeGroup.received(
            Descriptor("demo"),
            name="new name",
            join_hash=join_hash("demo", "new secret"),
            deploy_fee=Decimal("0.0001"),
        ),
    ),
    ("deleteGroup", DeleteGroup("demo")),
    ("listJobs", ListJobs("refused")),
]
refused = ["addJobToGroups"] * 3  # an empty list, and the id "j", which no job has
named_by_key: tuple[str, Request[Any]] = (
    "createGroup",
    CreateGroup("demo2", join_key="demo2", join_hash=DEMO2, deploy_access="join"),
)


def test_all_that_was_recorded_is_looked_at() -> None:
    names = [name for name, _ in official] + refused + [named_by_key[0]]
    assert [recorded["operation"] for recorded in RECORDED["operations"]] == names


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (recorded, request)
        for recorded, (_, request) in zip(
            [*RECORDED["operations"][: len(official)], RECORDED["operations"][-1]],
            [*official, named_by_key],
            strict=True,
        )
    ],
)
def test_an_official_operation_is_understood(recorded: Any, expected: Request[Any]) -> None:
    operation = Operation(recorded["operation"], recorded["data"])
    assert from_operation(operation, OFFICIAL_SESSION) == expected


@pytest.mark.parametrize("recorded", RECORDED["operations"][len(official) : -1])
def test_an_official_operation_that_cannot_be_is_an_invalid_argument(recorded: Any) -> None:
    with pytest.raises(InvalidValue):
        from_operation(Operation(recorded["operation"], recorded["data"]), OFFICIAL_SESSION)


@pytest.mark.parametrize("place", [1, 2, 3, 4, 5, 7])
def test_we_send_what_the_official_client_sends(place: int) -> None:
    recorded = RECORDED["operations"][place]
    name, request = official[place]
    if name == "addJobToGroups":
        shown = [Descriptor("demo", join_secret="s3"), Descriptor("demo2", join_hash=DEMO2)]
        request = AddJobToGroups(JOB, shown)
    assert to_operation(request, OFFICIAL_SESSION) == Operation(name, recorded["data"])


@pytest.mark.parametrize("key", [{"joinKey": "public"}, {}])
@pytest.mark.parametrize("none", [{"joinHash": ""}, {"joinHashHash": ""}, {"joinHash": None}, {}])
def test_c6_the_official_descriptor_of_the_public_group_names_it(key: Any, none: Any) -> None:
    described = {"opaqueId": PUBLIC_GROUP.opaque_id, "id": 1, "name": "Public Compute Group"}
    data = {"job": JOB, "cgArray": [described | key | none]}
    request = received("addJobToGroups", data)
    decision = as_one(outcome(request, Caller(ALICE), NaiveRows()))
    assert isinstance(decision, Decision)
    assert MembershipRow(1, JOBS[0]) in decision.save


def test_c9_a_bare_join_address_proves_nothing() -> None:
    row = attrs.evolve(KEYED, join_key=None, join_hash=None, join_address=BOB)
    data = {"job": JOB, "cgArray": [{"id": OPAQUE_ID, "joinAddress": BOB[2:]}]}
    request = received("addJobToGroups", data)
    decision = as_one(outcome(request, Caller(ALICE), NaiveRows([PUBLIC_GROUP, row])))
    assert isinstance(decision, tuple)
    assert decision[0] is BadCredentials


def test_a_number_is_a_row_id_and_a_string_an_opaque_id() -> None:
    for id in (7, OPAQUE_ID):
        data = {"descriptor": {"id": id if isinstance(id, int) else str(id)}}
        assert received("listJobs", data) == ListJobs(id)
        with_key = {"descriptor": {"id": id, "joinKey": "farm"}}
        assert received("listJobs", with_key) == ListJobs(Descriptor(id, join_key="farm"))


def test_members_of_a_descriptor_that_are_not_known_are_ignored() -> None:
    data = {"descriptor": {"joinKey": "farm", "name": 5, "opaqueId": []}, "more": {}}
    assert received("listJobs", data) == ListJobs("farm")


# C-2, C-4: create.


def test_c2_a_create_without_a_name_takes_the_key_or_the_id_as_its_name() -> None:
    for descriptor, name in (
        ({"joinKey": "farm"}, "farm"),
        ({"joinKey": "farm", "id": OPAQUE_ID}, "farm"),
        ({"id": OPAQUE_ID, "joinAddress": BOB}, OPAQUE_ID),
    ):
        request = received("createGroup", {"joinDescriptor": descriptor})
        assert isinstance(request, CreateGroup)
        assert request.name == name
    assert received("createGroup", {"name": "farm"}) == CreateGroup("farm", deploy_access="join")
    nameless: list[Any] = [{}, {"joinDescriptor": {}}, {"description": "of nothing"}]
    for data in nameless:
        with pytest.raises(InvalidValue, match="name"):
            received("createGroup", data)


def test_c2_a_create_may_name_an_opaque_id_and_an_address_but_no_row_id() -> None:
    for address in (BOB, BOB[2:], BOB.lower()):
        data = {"joinDescriptor": {"id": OPAQUE_ID, "joinAddress": address}, "name": "farm"}
        expected = CreateGroup("farm", opaque_id=OPAQUE_ID, join_address=BOB, deploy_access="join")
        assert received("createGroup", data) == expected
    with pytest.raises(InvalidType, match="row id"):
        received("createGroup", {"joinDescriptor": {"id": 5}, "name": "farm"})


def test_c2_an_empty_join_hash_is_none_and_a_hash_without_a_key_is_an_error() -> None:
    data = {"joinDescriptor": {"joinKey": "farm", "joinHash": ""}}
    assert received("createGroup", data) == CreateGroup(
        "farm", join_key="farm", deploy_access="join"
    )
    with pytest.raises(InvalidValue):
        received("createGroup", {"name": "farm", "joinDescriptor": {"joinHash": HASH.reveal()}})


@given(creates())
def test_c4_our_create_always_says_deploy_access_and_no_other_default(request: CreateGroup) -> None:
    sent = to_operation(request, SESSION).data["otherProperties"]
    assert sent["deployAccess"] == request.properties.deploy_access
    assert len(sent) == 1 + sum(
        getattr(request.properties, field.name) != field.default
        for field in attrs.fields(GroupProperties)
        if field.name != "deploy_access"
    )


WIRE_NAMES = {
    "commission_rate": "commissionRate",
    "deploy_fee": "deployFee",
    "add_job_fee": "addJobFee",
    "max_total_payment": "maxTotalPayment",
    "max_concurrent_escrow": "maxConcurrentEscrow",
    "max_concurrent_jobs": "maxConcurrentJobs",
    "max_concurrent_workers": "maxConcurrentWorkers",
    "max_concurrent_sandboxes": "maxConcurrentSandboxes",
    "max_concurrent_cpus": "maxConcurrentCPUs",
    "max_concurrent_gpus": "maxConcurrentGPUs",
    "deploy_access": "deployAccess",
}


@given(st.fixed_dictionaries(PROPERTIES))
def test_c4_properties_have_the_official_names_and_amounts_are_plain_strings(
    properties: dict[str, Any],
) -> None:
    for request, member in (
        (CreateGroup("farm", **properties), "otherProperties"),
        (ChangeGroup("farm", **properties), "newDescriptor"),
    ):
        sent = to_operation(request, SESSION).data[member]
        assert set(sent) <= set(WIRE_NAMES.values())
        assert member == "otherProperties" or set(sent) == set(WIRE_NAMES.values())
        for field, name in WIRE_NAMES.items():
            if isinstance(getattr(GroupProperties(**properties), field), Decimal) and name in sent:
                assert re.fullmatch(r"[0-9]{1,20}([.][0-9]{1,18})?", sent[name])
                assert Decimal(sent[name]) == properties[field]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (0, "0"), (3, "3"), (0.1, "0.1"), (1e-7, "0.0000001"), (1e16, "10000000000000000"),
        (2.5, "2.5"), ("0.1", "0.1"), ("12345678901234567890.123456789012345678", None),
        ("1e3", "1000"), ("2.50", "2.5"),
    ],
)  # fmt: skip
def test_c4_an_amount_is_read_exactly_from_a_number_or_a_string(said: Any, meant: Any) -> None:
    request = received("createGroup", {"name": "farm", "otherProperties": {"deployFee": said}})
    assert isinstance(request, CreateGroup)
    assert request.properties.deploy_fee == Decimal(said if meant is None else meant)


@pytest.mark.parametrize(
    "said",
    ["", "x", "NaN", "Infinity", "-1", -1, "1_000", " 1", "\uff11", "0x10", "1e999999999", 1e20,
     1e-19, True, None, [], {}, float("inf"), float("nan"), 10**20, "1" * 10_000],
)  # fmt: skip
@pytest.mark.parametrize("name", ["createGroup", "changeGroup"])
def test_c4_what_is_no_amount_is_an_error(said: Any, name: str) -> None:
    data = {"name": "farm", "otherProperties": {"deployFee": said},
            "descriptor": {"id": 7}, "newDescriptor": {"deployFee": said}}  # fmt: skip
    with pytest.raises(InvalidArgument):
        received(name, data)


# C-3: change.


@pytest.mark.parametrize("name", ["createGroup", "changeGroup"])
@pytest.mark.parametrize(
    "unknown",
    ["deployfee", "deploy_fee", "join_secret", "joinSecret", "opaqueId", "opaque_id", "owner",
     "id", "createdAt", "group", "self", "cls", "made", "properties", "__class__", ""],
)  # fmt: skip
def test_c3_an_unknown_property_is_an_error(name: str, unknown: str) -> None:
    data = {
        "joinDescriptor": {"joinKey": "farm"}, "otherProperties": {unknown: "1"},
        "descriptor": {"id": 7}, "newDescriptor": {unknown: "1"},
    }  # fmt: skip
    with pytest.raises(InvalidArgument):
        received(name, data)


@pytest.mark.parametrize("known", ["name", "description", "joinKey", "joinHash", "joinAddress"])
def test_c2_what_a_create_says_elsewhere_is_no_other_property(known: str) -> None:
    data = {"joinDescriptor": {"joinKey": "farm"}, "otherProperties": {known: "1"}}
    with pytest.raises(InvalidArgument):
        received("createGroup", data)


@pytest.mark.parametrize("hash", [5, True, 1.5, [], {}, "", "eh1-", HASH.reveal().upper()])
def test_c3_a_join_hash_that_is_none_changes_nothing(hash: Any) -> None:
    data = {"descriptor": {"joinKey": "farm"}, "newDescriptor": {"joinHash": hash}}
    with pytest.raises(InvalidArgument):
        received("changeGroup", data)


def test_c3_a_join_hash_may_come_without_its_key_and_a_key_without_its_hash() -> None:
    group = {"joinKey": "farm"}
    for change, given_fields in (
        ({"joinHash": HASH.reveal()}, {"join_hash": HASH}),
        ({"joinKey": "lab"}, {"join_key": "lab"}),
        ({"joinKey": None}, {"join_key": None}),
        ({"joinKey": None, "joinHash": None}, {"join_key": None, "join_hash": None}),
        ({"joinAddress": None}, {"join_address": None}),
        ({"joinAddress": BOB[2:]}, {"join_address": BOB}),
        ({"maxConcurrentCPUs": None}, {"max_concurrent_cpus": None}),
    ):
        request = received("changeGroup", {"descriptor": group, "newDescriptor": change})
        assert isinstance(request, ChangeGroup)
        assert request.changes.given() == given_fields


def test_c3_nothing_to_change_is_an_error() -> None:
    with pytest.raises(InvalidValue, match="nothing is to change"):
        received("changeGroup", {"descriptor": {"id": 7}, "newDescriptor": {}})


# Whatever may come.

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from([1, 2**63, "farm", JOB, str(OPAQUE_ID), str(BOB), "public", "join", "0.1"]),
    st.just(HASH.reveal()),
)
members = st.sampled_from(
    ["descriptor", "newDescriptor", "joinDescriptor", "otherProperties", "cgArray", "job", "id",
     "joinKey", "joinHash", "joinHashHash", "joinAddress", "name", "description", "deployFee",
     "maxConcurrentJobs", "deployAccess", "join_hash", "group", "self", "cls"]
)  # fmt: skip
any_json = json_values(scalars, members)
operation_names = st.sampled_from(sorted(set(OPERATIONS.values())))


@st.composite
def spoilt_operations(draw: st.DrawFn) -> Operation:
    """An operation of which one part was replaced, or that has one part too many."""
    operation = travelled(to_operation(draw(requests), SESSION))
    path = draw(st.sampled_from(inmost_first(operation.data)))
    if draw(st.booleans()):
        path = (*path[:-1], draw(members))
    try:
        return attrs.evolve(operation, data=replaced(operation.data, path, draw(any_json)))
    except (TypeError, IndexError):  # that member does not fit in there
        return operation


def check_what_comes_of(operation: Operation) -> None:
    """A request with all parts of their types, or an error that is the sender's fault."""
    try:
        request = from_operation(operation, SESSION)
    except (InvalidArgument, Unsupported):
        return
    assert is_of(request, type(request))
    for name, value in request.changes.given().items() if isinstance(request, ChangeGroup) else ():
        assert is_of(value, get_type_hints(GroupRow)[name])
    if isinstance(request, AddJobToGroups):
        assert all(is_of(group, Descriptor) for group in request.groups)
    rows = NaiveRows([PUBLIC_GROUP, KEYED])
    decision = outcome(request, Caller(ALICE), rows)  # raises what is no ComputeGroupsError
    if isinstance(decision, Decision):
        rows.apply(decision)
        outcome(AddJob("farm", JOB, join_secret="s3cret"), Caller(ALICE), rows)


@settings(max_examples=500)
@given(spoilt_operations())
def test_a_spoilt_operation_is_an_invalid_argument_or_a_request(operation: Operation) -> None:
    check_what_comes_of(operation)


@settings(max_examples=300)
@given(operation_names, any_json)
def test_any_json_is_an_invalid_argument_or_a_request(name: str, data: Any) -> None:
    check_what_comes_of(Operation(name, data))


@given(st.text() | st.sampled_from(["addJob", "create", "ListJobs", "keepalive", "__class__"]))
def test_an_unknown_operation_is_unsupported(name: str) -> None:
    assume(name not in OPERATIONS.values())
    with pytest.raises(Unsupported, match="there is no operation"):
        received(name, {})


@given(any_json.filter(lambda value: not isinstance(value, str)))
def test_an_operation_whose_name_is_no_text_is_an_invalid_argument(name: Any) -> None:
    with pytest.raises(InvalidType):
        received(name, {})


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("listJobs", None, "expected an object, not None"),
        ("listJobs", {}, "descriptor"),
        ("listJobs", {"descriptor": []}, "expected an object, not list"),
        ("listJobs", {"descriptor": {}}, "names no group"),
        ("listJobs", {"descriptor": {"id": 1.0}}, "an integer or a string, not float"),
        ("listJobs", {"descriptor": {"id": True}}, "an integer or a string, not bool"),
        ("listJobs", {"descriptor": {"id": 0}}, "id"),
        ("listJobs", {"descriptor": {"id": "short"}}, "22 characters"),
        ("listJobs", {"descriptor": {"joinKey": 5}}, "a string, not int"),
        ("listJobs", {"descriptor": {"joinKey": ""}}, "join_key"),
        ("removeJob", {"descriptor": {"id": 7}}, "job"),
        ("removeJob", {"descriptor": {"id": 7}, "job": "j"}, "job"),
        ("addJobToGroups", {"job": JOB, "cgArray": []}, "at least one group"),
        ("addJobToGroups", {"job": JOB, "cgArray": {}}, "array"),
        ("addJobToGroups", {"job": JOB, "cgArray": "farm"}, "array"),
        ("addJobToGroups", {"job": JOB, "cgArray": [{"joinKey": "farm", "joinHashHash": "eh1-"}]},
         "is not a hash"),
        ("listGroups", [], "expected an object, not list"),
    ],
)  # fmt: skip
def test_an_invalid_argument_says_what_was_wrong(name: str, data: Any, told: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(told)):
        received(name, data)


def test_of_many_faults_a_few_are_told() -> None:
    descriptor = dict.fromkeys(["id", "joinKey", "joinHash", "joinHashHash", "joinAddress"], 1.5)
    with pytest.raises(InvalidArgument) as refusal:
        received("createGroup", {"name": 5, "description": 5, "joinDescriptor": descriptor})
    assert len(refusal.value.message.split("; ")) == 3
    many = {"job": JOB, "cgArray": [5] * 10_000}
    with pytest.raises(InvalidArgument) as refusal:
        received("addJobToGroups", many)
    assert len(refusal.value.message) < 1_000


# C-13: what is received shows nowhere.

HIDDEN = join_hash("farm", "of no other member").reveal()


@st.composite
def spoilt_operations_with_a_hash(draw: st.DrawFn) -> Operation:
    """Operations with a hash wherever one may be put, and with something wrong besides."""
    operation = draw(spoilt_operations())
    data = operation.data
    for path in inmost_first(data):
        if path and path[-1] in ("joinHash", "joinHashHash"):
            data = replaced(data, path, HIDDEN)
    for path in inmost_first(data):
        if not isinstance(inside(data, path), dict):
            continue
        hidden = draw(st.sampled_from(["joinHash", "joinHashHash", "joinSecret"]))
        data = replaced(data, (*path, hidden), HIDDEN)
    return attrs.evolve(operation, data=data)


@settings(max_examples=300)
@given(spoilt_operations_with_a_hash())
def test_c13_no_error_shows_a_hash_in_message_or_traceback(operation: Operation) -> None:
    assert HIDDEN not in repr(operation) + str(operation)
    error = refusal_of(operation)
    if error is None:
        return
    assert error.__context__ is None
    assert error.__cause__ is None
    shown = TracebackException(type(error), error, error.__traceback__, capture_locals=True)
    assert HIDDEN not in "".join(shown.format()) + repr(error) + str(error)


def refusal_of(operation: Operation) -> ComputeGroupsError | None:
    try:
        from_operation(operation, SESSION)
    except ComputeGroupsError as error:
        return error
    return None


def test_c13_an_operation_hides_its_data() -> None:
    operation = to_operation(CreateGroup("farm", join_key="farm", join_hash=HASH), SESSION)
    assert operation.data["joinDescriptor"]["joinHash"] == HASH.reveal()
    assert repr(operation) == "Operation(name='createGroup')"
