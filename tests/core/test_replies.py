"""Replies: what a client of a service gets is what a local backend gives (Errors, C-13, C-18)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from traceback import TracebackException
from typing import Any, get_args

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cg_core import (
    PUBLIC_GROUP,
    AddJob,
    AddJobResult,
    AddJobToGroups,
    Address,
    BadCredentials,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    ComputeGroupsError,
    CreateGroup,
    DeleteGroup,
    Descriptor,
    GetGroup,
    Group,
    GroupNotFound,
    GroupRow,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JobId,
    JobNotFound,
    ListGroups,
    ListJobs,
    NotFound,
    NotOwner,
    OpaqueId,
    Operation,
    ProtocolError,
    Refused,
    RemoveAllJobs,
    RemoveJob,
    Request,
    Unsupported,
    decide,
    from_operation,
    join_hash,
    to_operation,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.errors import error_from_answer
from cg_core.properties import checked_properties
from cg_core.replies import from_reply, to_reply
from tests.core.arguments import METHODS
from tests.core.json_values import inmost_first, inside, is_of, json_values, paths, replaced
from tests.core.worlds import ALICE, BOB, NOW, Situation, situations
from tests.golden import golden
from tests.strategies import (
    addresses,
    descriptions,
    job_ids,
    join_keys,
    opaque_ids,
    properties,
    requests,
    row_ids,
    texts,
    times,
)

SESSION = "the session"
JOB = "P+Y4IApeFQLrYS2W7MkVg7"
OTHER_JOB = "Q+Y4IApeFQLrYS2W7MkVg8"
OPAQUE_ID = OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd")
HASH = join_hash("farm", "s3cret")


def outcome(call: Callable[[], Any]) -> Any:
    """What a call comes to: its result, or all that its error says."""
    try:
        result = call()
    except ComputeGroupsError as error:
        return said(error)
    return result, refusals_in(result)


def refusals_in(result: Any) -> list[Any]:
    """All that the refusals in a result say: results are equal whose refusals differ in class."""
    results = result if isinstance(result, tuple) else ()
    refused = [each.refusal for each in results if isinstance(each, AddJobResult)]
    return [refusal and said(refusal) for refusal in refused]


def said(error: ComputeGroupsError) -> tuple[type[ComputeGroupsError], str, str, str]:
    return type(error), error.message, error.code, error.name


def travelled(payload: Any) -> Any:
    """A payload as the other end parses it."""
    return parse(stringify(payload))


def payload_of(situation: Situation, request: Request[Any]) -> Any:
    """What a service answers: it knows the request that it received."""
    try:
        decision = decide(request, situation.caller, situation.rows, NOW)
    except (InvalidArgument, Refused) as error:
        return to_reply(request, error)
    return to_reply(request, decision.reply)


def received(request: Request[Any]) -> Request[Any]:
    """The request as it comes out of a session."""
    operation = to_operation(request, SESSION)
    return from_operation(Operation(operation.name, travelled(operation.data)), SESSION)


# A client of a service and one of a local backend get the same.


@settings(max_examples=500)
@given(situations())
def test_c18_a_service_answers_what_a_local_backend_answers(situation: Situation) -> None:
    request = situation.request
    local = outcome(lambda: decide(request, situation.caller, situation.rows, NOW).reply)
    for served in (request, received(request)):
        payload = travelled(payload_of(situation, served))
        assert outcome(lambda: from_reply(request, True, payload)) == local  # noqa: B023 - called at once


groups = st.builds(
    lambda given, **fields: Group(**fields, **given),
    properties.map(checked_properties),  # type: ignore[arg-type] # any of them
    id=row_ids,
    opaque_id=opaque_ids,
    name=texts,
    description=descriptions,
    join_key=st.none() | join_keys,
    join_address=st.none() | addresses,
    owner=st.none() | addresses,
    created_at=times.map(lambda time: time.replace(fold=0)),  # UTC has none
)
jobs = st.lists(job_ids).map(tuple)
refusal_classes: list[type[Refused]] = [Refused, *Refused.__subclasses__(), GroupNotFound]
nothing = st.none()
errors = st.builds(
    lambda kind, message: kind(message),
    st.sampled_from([*refusal_classes, JobNotFound, InvalidArgument, InvalidType, InvalidValue]),
    st.text(st.characters(), min_size=1),
) | st.builds(
    lambda message, code, name: Refused(message, code=code, name=name),
    texts,
    st.sampled_from(["ETIMETRAVEL", "EDUP", "DCPC-1026"]) | texts,
    st.sampled_from(["DCPError", "Error"]) | texts,
).filter(lambda error: type(error_from_answer("", name=error.name, code=error.code)) is Refused)
refusals = errors.filter(lambda error: isinstance(error, Refused))

RESULTS: dict[type[Request[Any]], st.SearchStrategy[Any]] = {
    CreateGroup: row_ids | opaque_ids,
    ChangeGroup: nothing,
    DeleteGroup: nothing,
    AddJob: nothing,
    ListJobs: jobs,
    RemoveJob: nothing,
    RemoveAllJobs: jobs | nothing,
    CancelJob: nothing,
    CancelAllJobs: jobs | nothing,
    GetGroup: groups,
    ListGroups: st.lists(groups, max_size=3).map(tuple),
}


@st.composite
def answered_requests(draw: st.DrawFn) -> tuple[Request[Any], Any]:
    """A request, and any result that its type allows."""
    request = draw(requests)
    if not isinstance(request, AddJobToGroups):
        return request, draw(RESULTS[type(request)])
    each = [AddJobResult(group.name, draw(nothing | refusals)) for group in request.groups]
    return request, tuple(each)


@settings(max_examples=300)
@given(answered_requests())
def test_a_result_arrives_as_it_was_given(answered: tuple[Request[Any], Any]) -> None:
    request, result = answered
    arrived = from_reply(request, True, travelled(to_reply(request, result)))
    assert arrived == result
    assert type(arrived) is type(result)
    assert repr(arrived) == repr(result)
    assert refusals_in(arrived) == refusals_in(result)


@given(requests, errors)
def test_an_error_arrives_as_it_was_raised(request: Request[Any], error: Any) -> None:
    payload = to_reply(request, error)
    assert list(payload) == ["success", "message", "code", "name"]
    assert outcome(lambda: from_reply(request, True, travelled(payload))) == said(error)


@given(requests, errors, st.text())
def test_an_error_of_the_session_arrives_alike(
    request: Request[Any], error: Any, origin: str
) -> None:
    told = {"message": error.message, "code": error.code, "name": error.name}
    payload = {"stack": "Error: ..."} | told | {"origin": origin}
    assert outcome(lambda: from_reply(request, False, travelled(payload))) == said(error)


@given(st.one_of(*(st.just(kind) for kind in METHODS.values())))
def test_each_request_has_a_reply(kind: type[Request[Any]]) -> None:
    assert kind in RESULTS or kind is AddJobToGroups


@pytest.mark.parametrize("other", [None, "listJobs", ListJobs, Request[None]()])
def test_what_is_no_request_has_no_reply(other: Any) -> None:
    with pytest.raises(InvalidType, match="not one of the twelve requests"):
        to_reply(other, None)
    with pytest.raises(InvalidType, match="not one of the twelve requests"):
        from_reply(other, True, {"success": True})


# What was recorded between the official client and its Target.

RECORDED = {
    (reply["operation"], place): reply for place, reply in enumerate(golden("replies")["replies"])
}
DEMO = Descriptor.received(None, "demo", None)
BY_ADDRESS = Descriptor.received(OPAQUE_ID, None, None)
NOT_OWNER = NotOwner("Not the owner of the compute group")

official: dict[tuple[str, int], tuple[Request[Any], Any]] = {
    ("createGroup", 0): (CreateGroup("name"), OPAQUE_ID),
    ("addJobToGroups", 1): (
        AddJobToGroups(JOB, ["demo", "demo2"]),
        (AddJobResult("demo"), AddJobResult("demo2")),
    ),
    ("listJobs", 2): (ListJobs("demo"), (JobId(JOB), JobId(OTHER_JOB))),
    ("removeJob", 3): (RemoveJob("demo", JOB), None),
    ("removeAllJobs", 4): (RemoveAllJobs("demo"), (JobId(JOB),)),
    ("listJobs", 21): (ListJobs("refused"), NOT_OWNER),
    ("listJobs", 22): (ListJobs(OPAQUE_ID), (JobId(JOB), JobId(OTHER_JOB))),
    ("addJobToGroups", 24): (AddJobToGroups(JOB, ["public"]), (AddJobResult("public"),)),
    ("createGroup", 26): (CreateGroup("demo2"), OPAQUE_ID),
}
# What the recorded Target says and our service does not, or the other way.
otherwise: dict[tuple[str, int], tuple[Request[Any], Any]] = {
    # It says which group; nobody asks.
    ("changeGroup", 5): (ChangeGroup("demo", name="new name"), None),
    ("deleteGroup", 6): (DeleteGroup("demo"), None),
    # No list of groups can be empty here; to the official client this means all of them.
    ("addJobToGroups", 23): (
        AddJobToGroups(JOB, ["demo"]),
        (AddJobResult("demo", assumed=True),),
    ),
    # It names no group that was named by its id.
    ("addJobToGroups", 25): (AddJobToGroups(JOB, [BY_ADDRESS]), (AddJobResult(OPAQUE_ID),)),
}
failed: dict[tuple[str, int], Refused] = {
    ("error-plain", 7): Refused("plain error"),
    ("error-code", 8): Refused("error with a code", code="ECODE"),
    ("error-type", 9): Refused("a TypeError"),
    ("error-dcp", 10): Refused("a DCPError", code="EDCPX", name="DCPError"),
    ("error-payload", 11): Refused("an ErrorPayload", code="EPAYLOAD"),
    ("error-payload-nocode", 12): Refused("an ErrorPayload without code"),
    ("success-false", 13): NotFound("refused by the service"),
    ("no-such-operation", 20): Refused("unknown operation no-such-operation"),
}
odd = [(f"respond-{what}", place) for place, what in enumerate(
    ["undefined", "null", "string", "number", "false", "array"], start=14)]  # fmt: skip


def test_all_that_was_recorded_is_looked_at() -> None:
    assert set(RECORDED) == {*official, *otherwise, *failed, *odd}


def recorded_outcome(place: tuple[str, int], request: Request[Any]) -> Any:
    recorded = RECORDED[place]
    return outcome(lambda: from_reply(request, recorded["success"], recorded.get("payload")))


@pytest.mark.parametrize("place", [*official, *otherwise])
def test_an_official_reply_is_understood(place: tuple[str, int]) -> None:
    request, expected = (official | otherwise)[place]
    is_refusal = isinstance(expected, Refused)
    answer = said(expected) if is_refusal else (expected, refusals_in(expected))
    assert recorded_outcome(place, request) == answer


@pytest.mark.parametrize("place", official)
def test_we_reply_as_the_official_target_does(place: tuple[str, int]) -> None:
    request, result = official[place]
    ours = to_reply(request, result)
    if isinstance(result, Refused):
        assert ours.pop("name") == "NotOwner"  # which it leaves out
    assert stringify(ours) == stringify(RECORDED[place]["payload"])


@pytest.mark.parametrize("place", failed)
@given(requests)
def test_an_official_error_is_kept(place: tuple[str, int], request: Request[Any]) -> None:
    assert recorded_outcome(place, request) == said(failed[place])


@pytest.mark.parametrize("place", odd)
@given(requests)
def test_an_odd_payload_is_a_protocol_error_or_says_that_all_was_added(
    place: tuple[str, int], request: Request[Any]
) -> None:
    adds = isinstance(request, AddJob | AddJobToGroups)
    if adds and place[0] in ("respond-undefined", "respond-null"):
        assert recorded_outcome(place, request)[0] is not ProtocolError
    else:
        assert recorded_outcome(place, request)[0] is ProtocolError


# How things look on the wire.


def test_a_group_on_the_wire() -> None:
    group = attrs.evolve(PUBLIC_GROUP.shown(), owner=ALICE, created_at=NOW.replace(microsecond=7))
    assert to_reply(GetGroup(1), group) == {
        "success": True,
        "payload": {
            "id": 1,
            "opaqueId": "WHhetL7mj1w1mw1XV6dxyC",
            "name": "Public Compute Group (open access)",
            "description": "Anyone may add a job, without credentials",
            "joinKey": "public",
            "joinAddress": None,
            "owner": str(ALICE),
            "createdAt": "2026-11-23T21:00:00.000007Z",
            "commissionRate": "0",
            "deployFee": "0",
            "addJobFee": "0",
            "maxTotalPayment": None,
            "maxConcurrentEscrow": None,
            "maxConcurrentJobs": None,
            "maxConcurrentWorkers": None,
            "maxConcurrentSandboxes": None,
            "maxConcurrentCPUs": None,
            "maxConcurrentGPUs": None,
            "deployAccess": "join",
        },
    }


@given(answered_requests())
def test_a_reply_is_plain_json(answered: tuple[Request[Any], Any]) -> None:
    payload = to_reply(*answered)
    assert json.loads(json.dumps(payload)) == payload
    for path in paths(payload):
        assert type(inside(payload, path)) in (dict, list, str, int, bool, type(None))


NO = NotOwner("not yours")
NEITHER = BadCredentials("nor this")


@pytest.mark.parametrize(
    ("request_", "result", "payload"),
    [
        (CreateGroup("x"), 7, {"success": True, "payload": 7}),
        (CreateGroup("x"), 2**63 - 1, {"success": True, "payload": "9223372036854775807"}),
        (ChangeGroup(7, name="x"), None, {"success": True}),
        (DeleteGroup(7), None, {"success": True}),
        (ListJobs(7), (), {"success": True, "payload": []}),
        (RemoveJob(7, JOB), None, {"success": True, "payload": JOB}),
        (CancelJob(7, JOB), None, {"success": True, "payload": JOB}),
        (RemoveAllJobs(7), (JobId(JOB),), {"success": True, "payload": [JOB]}),
        (CancelAllJobs(7), None, {"success": True}),
        (AddJob(7, JOB), None, {"success": True, "payload": [{"id": 7, "success": True}]}),
        (
            AddJobToGroups(JOB, [Descriptor(OPAQUE_ID, join_key="farm"), "lab"]),
            (AddJobResult(OPAQUE_ID, NO), AddJobResult("lab")),
            {
                "success": True,
                "payload": [
                    {"id": OPAQUE_ID, "success": False, "message": "not yours", "code": "EPERM",
                     "name": "NotOwner"},
                    {"joinKey": "lab", "success": True},
                ],
            },
        ),
        (
            AddJobToGroups(JOB, [7, "lab"]),
            (AddJobResult(7, NO), AddJobResult("lab", NEITHER)),
            {
                "success": False, "message": "not yours", "code": "EPERM", "name": "NotOwner",
                "payload": [
                    {"id": 7, "success": False, "message": "not yours", "code": "EPERM",
                     "name": "NotOwner"},
                    {"joinKey": "lab", "success": False, "message": "nor this", "code": "EACCES",
                     "name": "BadCredentials"},
                ],
            },
        ),
    ],
)  # fmt: skip
def test_a_result_on_the_wire(request_: Request[Any], result: Any, payload: Any) -> None:
    assert stringify(to_reply(request_, result)) == stringify(payload)
    assert from_reply(request_, True, payload) == result


# What foreign services leave out.

TWO = AddJobToGroups(JOB, [Descriptor(7, join_key="farm"), "lab"])


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {"success": True},
        {"success": True, "payload": None},
        {"success": True, "payload": []},
    ],
)
def test_silence_means_that_all_groups_took_the_job_and_is_marked(payload: Any) -> None:
    assumed = (AddJobResult(7, assumed=True), AddJobResult("lab", assumed=True))
    assert from_reply(TWO, True, payload) == assumed
    outcome_of_one: None = from_reply(AddJob(7, JOB), True, payload)
    assert outcome_of_one is None


@pytest.mark.parametrize(
    "first",
    [{}, {"id": None}, {"id": 7}, {"joinKey": "farm"}, {"id": 7, "joinKey": "farm"},
     {"id": 7, "joinKey": "no key of its"}],
)  # fmt: skip
@pytest.mark.parametrize("second", [{}, {"joinKey": "lab"}, {"joinKey": "lab", "id": OPAQUE_ID}])
def test_answers_stand_in_order_whether_or_not_they_name_their_group(
    first: Any, second: Any
) -> None:
    refusal = {"success": False, "message": "full", "code": "EDQUOT"}
    payload = {"success": True, "payload": [first | refusal, second | {"success": True}]}
    one, other = from_reply(TWO, True, payload)
    assert (one.group, one.added, other) == (7, False, AddJobResult("lab"))
    assert one.refusal is not None
    assert said(one.refusal) == said(error_from_answer("full", code="EDQUOT"))


@pytest.mark.parametrize(
    "answers",
    [
        [{"success": True}],
        [{"success": True}] * 3,
        [{"joinKey": "lab", "success": True}, {"joinKey": "farm", "success": True}],
        [{"id": 8, "success": True}, {"success": True}],
        [{"id": "7", "success": True}, {"success": True}],
        [{"success": True}, {"id": 7, "success": True}],
        [{"success": True}, {"joinKey": "", "success": True}],
        [{"success": True}, {}],
        [{"success": True}, {"success": "true"}],
        [{"success": True}, True],
        {"farm": True, "lab": True},
        "all",
        0,
        False,
    ],
)
def test_answers_that_are_not_one_for_each_group_are_a_protocol_error(answers: Any) -> None:
    with pytest.raises(ProtocolError, match="reply to addJobToGroups"):
        from_reply(TWO, True, {"success": True, "payload": answers})


def test_one_refusal_is_raised_wherever_it_stands() -> None:
    told = {"success": False, "message": "not yours", "code": "EPERM"}
    for payload in (
        told,
        told | {"payload": []},
        told | {"payload": "of no use"},
        told | {"payload": [{"joinKey": "farm"} | told]},
        {"success": False, "payload": [{"joinKey": "farm"} | told]},
        {"success": True, "payload": [{"joinKey": "farm"} | told]},
    ):
        with pytest.raises(NotOwner, match="not yours"):
            from_reply(AddJob("farm", JOB), True, payload)


def test_a_refusal_of_all_groups_in_one_is_raised() -> None:
    with pytest.raises(InvalidValue, match="cgArray"):
        from_reply(TWO, True, {"success": False, "message": "cgArray is empty", "code": "EINVAL"})


def test_an_argument_that_is_wrong_for_one_group_is_a_refusal_there() -> None:
    wrong = {"success": False, "message": "id?", "code": "EINVAL"}
    results = from_reply(TWO, True, {"success": True, "payload": [wrong, {"success": True}]})
    assert refusals_in(results) == [(Refused, "id?", "EINVAL", "InvalidValue"), None]
    with pytest.raises(InvalidValue, match="id"):
        from_reply(AddJob(7, JOB), True, {"success": False, "payload": [wrong]})


@pytest.mark.parametrize("kind", [RemoveAllJobs, CancelAllJobs])
def test_a_service_need_not_say_which_jobs_it_ended(kind: Any) -> None:
    for payload in ({"success": True}, {"success": True, "payload": None}):
        assert from_reply(kind(7), True, payload) is None


@given(requests, st.sampled_from([None, ""]))
def test_a_refusal_may_give_no_reason(request: Request[Any], silence: Any) -> None:
    mute = {"message": silence, "code": silence, "name": silence}
    for success, payload in ((False, {}), (False, mute), (True, {"success": False} | mute)):
        refused = outcome(lambda: from_reply(request, success, payload))  # noqa: B023 - called at once
        assert refused == said(Refused("the service gave no reason"))


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (CancelJob(7, JOB), "cancelJob"),
        (CancelAllJobs(7), "cancelAllJobs"),
        (GetGroup(7), "getGroup"),
        (ListGroups(), "listGroups"),
        (AddJob(7, JOB), "addJobToGroups"),
    ],
)
def test_an_operation_that_a_service_does_not_know_is_unsupported(
    request_: Request[Any], name: str
) -> None:
    def told(message: str, **more: str) -> ComputeGroupsError:
        with pytest.raises(Refused) as refusal:
            from_reply(request_, False, {"message": message, "origin": BOB, **more})
        assert refusal.value.message == message
        return refusal.value

    for message in (f"unknown operation {name}", f"Unsupported operation: {name}"):
        assert type(told(message)) is Unsupported
        assert said(told(message, name="Error")) == (Unsupported, message, "ENOSYS", "Error")
        # What else it says counts for more.
        assert said(told(message, code="EDCPX")) == (Refused, message, "EDCPX", "Refused")
        assert type(told(message, code="EPERM")) is NotOwner
        assert type(told(message, name="NotOwner")) is NotOwner
    assert type(told("no", code="ENOSYS")) is Unsupported
    # Of something else, or with more to it, perhaps after something was done.
    for message in (
        "unknown operation other",
        f"unknown operation {name.lower()}",
        f"{name}: unknown operation",
        f"{name}: no such job",
        f"unknown operation {name} in state 3",
        f"could not commit: unknown operation {name}",
        f"unknown operation {name}Later",
    ):
        assert type(told(message)) is Refused


def test_codes_that_are_not_known_are_kept_and_shown() -> None:
    payload = {"message": "from the future", "code": "ETIMETRAVEL", "origin": BOB}
    with pytest.raises(Refused) as refusal:
        from_reply(ListJobs(7), False, payload)
    assert str(refusal.value) == "from the future [Refused ETIMETRAVEL]"


# Whatever may come.

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from([1, 7, 2**63, "farm", JOB, OPAQUE_ID[:], BOB[:], "join", "0.1", "EPERM"]),
    st.sampled_from(["2026-02-30T00:00:00Z", "2026-11-23T21:00:00Z", "2026-11-23", "0000-01-01T"]),
    st.just(HASH.reveal()),
)
members = st.sampled_from(
    ["success", "payload", "message", "code", "name", "id", "joinKey", "joinAddress", "owner",
     "opaqueId", "description", "createdAt", "deployFee", "maxConcurrentJobs", "deployAccess"]
)  # fmt: skip
any_json = json_values(scalars, members)

Received = tuple[Request[Any], bool, Any]


@st.composite
def spoilt_replies(draw: st.DrawFn) -> Received:
    """A reply of which one part was replaced, or that has one part too many."""
    request, result = draw(answered_requests())
    payload = travelled(to_reply(request, draw(st.just(result) | errors)))
    path = draw(st.sampled_from(inmost_first(payload)))
    if draw(st.booleans()):
        path = (*path[:-1], draw(members))
    with suppress(TypeError, IndexError):  # that member does not fit in there
        payload = replaced(payload, path, draw(any_json))
    return request, draw(st.sampled_from([True, True, False])), payload


any_replies: st.SearchStrategy[Received] = st.tuples(
    requests,
    st.booleans(),
    any_json | st.builds(lambda payload: {"success": True, "payload": payload}, any_json),
)


def is_result_of(request: Request[Any], result: Any) -> bool:
    """Whether a result is of its request's type, all the way down."""
    if isinstance(request, AddJobToGroups):
        names = [group.name for group in request.groups]
        return [each.group for each in result] == names and all(
            is_of(each, AddJobResult) for each in result
        )
    (kind,) = get_args(type(request).__orig_bases__[0])  # type: ignore[attr-defined] # generic
    if isinstance(result, tuple):
        item = {Group: Group}.get(get_args(kind)[0], JobId)
        return is_of(result, kind) and all(is_of(each, item) for each in result)
    return result is None if kind is type(None) else is_of(result, kind)


def check_what_comes_of(reply: Received) -> None:
    request, success, payload = reply
    try:
        result = from_reply(request, success, payload)
    except (Refused, InvalidArgument, ProtocolError):
        return
    assert success
    assert is_result_of(request, result)
    again = from_reply(request, True, travelled(to_reply(request, result)))
    if isinstance(request, AddJobToGroups):
        result = tuple(attrs.evolve(each, assumed=False) for each in result)
    assert again == result


@settings(max_examples=500)
@given(spoilt_replies())
def test_a_spoilt_reply_is_a_result_or_a_documented_error(reply: Received) -> None:
    check_what_comes_of(reply)


@settings(max_examples=300)
@given(any_replies)
def test_any_json_is_a_result_or_a_documented_error(reply: Received) -> None:
    check_what_comes_of(reply)


@given(requests.filter(lambda request: not isinstance(request, AddJob | AddJobToGroups)), any_json)
def test_success_that_is_not_said_is_no_success(request: Request[Any], payload: Any) -> None:
    assume(not (isinstance(payload, dict) and isinstance(payload.get("success"), bool)))
    with pytest.raises(ProtocolError):
        from_reply(request, True, payload)


def test_a_group_that_lacks_a_member_is_a_protocol_error() -> None:
    whole = to_reply(GetGroup(1), PUBLIC_GROUP.shown())
    for member in whole["payload"]:
        lacking = {name: value for name, value in whole["payload"].items() if name != member}
        with pytest.raises(ProtocolError, match=f"the group lacks {member}$"):
            from_reply(GetGroup(1), True, {"success": True, "payload": lacking})


@pytest.mark.parametrize(
    ("request_", "payload", "told"),
    [
        (ListJobs(7), None, "expected an object, not None"),
        (ListJobs(7), [], "expected an object, not list"),
        (ListJobs(7), {}, "reply.success is missing"),
        (ListJobs(7), {"success": 1}, "reply.success: expected a boolean, not int"),
        (ListJobs(7), {"success": True}, "expected an array, not None"),
        (ListJobs(7), {"success": True, "payload": ["j"]}, "job (a str of 1 characters)"),
        (ListJobs(7), {"success": True, "payload": [5]}, "job must be a str or a JobId, not int"),
        (ListJobs(7), {"success": False, "message": 5}, "message: expected a string, not int"),
        (CreateGroup("x"), {"success": True}, "expected an integer or a string, not None"),
        (CreateGroup("x"), {"success": True, "payload": True}, "a string, not bool"),
        (CreateGroup("x"), {"success": True, "payload": 1.5}, "a string, not float"),
        (CreateGroup("x"), {"success": True, "payload": 0}, "id (an int) must be from 1"),
        (CreateGroup("x"), {"success": True, "payload": "7"}, "is not an opaque id"),
        (RemoveAllJobs(7), {"success": True, "payload": 3}, "expected an array, not int"),
        (TWO, {"success": True, "payload": [{"success": True}]}, "for 1 groups, not for 2"),
        (TWO, {"success": True, "payload": [{"success": True, "id": 8}, {"success": True}]},
         "in the place of group 7 it answers for another"),
        (ListGroups(), {"success": True, "payload": {}}, "expected an array, not dict"),
        (ListGroups(), {"success": True, "payload": [7]}, "expected an object, not int"),
    ],
)  # fmt: skip
def test_a_protocol_error_says_what_was_wrong(
    request_: Request[Any], payload: Any, told: str
) -> None:
    with pytest.raises(ProtocolError, match=re.escape(told)):
        from_reply(request_, True, payload)


@pytest.mark.parametrize("payload", [["x"] * 100_000, [5] * 100_000, [{}] * 100_000])
@pytest.mark.parametrize("request_", [ListJobs(7), ListGroups(), TWO, CancelAllJobs(7)])
def test_of_many_faults_a_few_are_told(request_: Request[Any], payload: Any) -> None:
    with pytest.raises(ProtocolError) as error:
        from_reply(request_, True, {"success": True, "payload": payload})
    assert len(error.value.message) < 1_000


# C-13: no reply holds a hash, and a hash that a reply holds shows nowhere.


@given(situations())
def test_c13_no_reply_holds_a_hash(situation: Situation) -> None:
    sent = stringify(payload_of(situation, situation.request))
    hashes = [group.join_hash.reveal() for group in situation.rows.groups if group.join_hash]
    assert not [text for text in hashes if text in sent]
    assert "Hash" not in sent


def test_c13_a_row_in_place_of_a_group_is_sent_without_its_hash() -> None:
    row = attrs.evolve(PUBLIC_GROUP, join_hash=HASH)
    assert isinstance(row, GroupRow)
    assert to_reply(GetGroup(1), row) == to_reply(GetGroup(1), PUBLIC_GROUP.shown())
    assert to_reply(ListGroups(), (row,))["payload"] == [to_reply(GetGroup(1), row)["payload"]]


@st.composite
def replies_with_a_hash(draw: st.DrawFn) -> Received:
    """Replies with a hash wherever one may be put, and with something wrong besides."""
    request, success, payload = draw(spoilt_replies())
    objects = [path for path in paths(payload) if isinstance(inside(payload, path), dict)]
    for path in reversed(objects):  # the inner ones first
        for member in draw(st.sets(members | st.just("joinHash"), max_size=3)):
            text = draw(st.sampled_from(["{}", "no: {}!", "{0}{0}"])).format(HASH.reveal())
            payload = replaced(payload, (*path, member), text)
    return request, success, payload


@settings(max_examples=500)
@given(replies_with_a_hash())
def test_c13_no_error_shows_a_hash_in_message_or_traceback(reply: Received) -> None:
    error = error_of(reply)
    if error is None:
        return
    assert error.__context__ is None
    assert error.__cause__ is None
    assert error.__traceback__ is not None
    below = error.__traceback__.tb_next  # the frame above has the reply, of course
    shown = TracebackException(type(error), error, below, capture_locals=True)
    printed = "".join(shown.format()) + repr(error) + str(error) + error.name + error.code
    assert HASH.reveal() not in printed


def error_of(reply: Received) -> ComputeGroupsError | None:
    try:
        from_reply(*reply)
    except ComputeGroupsError as error:
        return error
    return None


def test_c13_a_refusal_that_quotes_a_hash_is_told_without_it() -> None:
    for text in (HASH.reveal(), HASH.reveal().upper()):
        payload = {"success": False, "message": f"{text} is wrong", "code": text, "name": text}
        with pytest.raises(Refused) as refusal:
            from_reply(ListJobs(7), True, payload)
        assert said(refusal.value) == (Refused, "eh1-... is wrong", "eh1-...", "eh1-...")


def test_c13_a_refused_group_holds_no_frame_of_the_reply() -> None:
    payload = {"success": True, "payload": [{"success": False, "message": "no"}, {"success": True}]}
    refusal = from_reply(TWO, True, payload)[0].refusal
    assert refusal is not None
    assert refusal.__traceback__ is None


def test_an_address_of_a_reply_is_in_its_one_form() -> None:
    payload = to_reply(GetGroup(1), attrs.evolve(PUBLIC_GROUP.shown(), owner=ALICE))
    payload["payload"]["owner"] = ALICE[2:].lower()
    assert from_reply(GetGroup(1), True, payload).owner == Address(ALICE)
