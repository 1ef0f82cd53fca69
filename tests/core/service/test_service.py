"""The service, called by real clients in virtual time, and by whoever else comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_core import (
    AddJob,
    AddJobResult,
    AddJobToGroups,
    BadCredentials,
    Busy,
    CancelAllJobs,
    ComputeGroupsError,
    CreateGroup,
    Descriptor,
    DuplicateJoinKey,
    GetGroup,
    Group,
    GroupNotFound,
    InvalidType,
    InvalidValue,
    JobId,
    JoinHash,
    LimitReached,
    ListGroups,
    ListJobs,
    NetworkError,
    NotOwner,
    OpaqueId,
    Operation,
    OutcomeUnknown,
    Refused,
    RemoveAllJobs,
    Unsupported,
    to_reply,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.framing import (
    HTTPRequest,
    HTTPResponse,
    Limits,
    MessagesReady,
    ResponseReady,
    WebSocketEnded,
)
from cg_core.identity import Identity
from cg_core.remote import ServiceURL
from cg_core.sealed import seal, unseal
from cg_core.service import (
    Answered,
    Service,
    ServiceLimits,
    SessionBegan,
    SessionEnded,
    Stopped,
    StoreFailed,
)
from cg_core.service import service as module
from cg_core.session import Capacity, Settings
from tests.core.remote.network import CLIENT, SERVICE, URL, group, name_of, outcome_of
from tests.core.service.network import (
    OTHER,
    POLLING,
    THIRD,
    WEBSOCKET,
    Network,
    Program,
    Served,
    at,
    random_texts,
)
from tests.strategies import any_characters

TRANSPORTS = ["websocket", "polling"]
JOB = "P+Y4IApeFQLrYS2W7MkVg7"
GONE = 20.0
"""Seconds in which sessions end, whatever the other end does: twice the time to close, and more."""


def started(
    transport: str | None = None, limits: ServiceLimits | None = None, **options: Any
) -> tuple[Network, Served, Program]:
    network = Network(limits)
    return network, network.served, Program(network, transport=transport, **options)


def jobs(count: int) -> tuple[JobId, ...]:
    return tuple(JobId(f"{number:022}") for number in range(count))


# Calls.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_call_is_executed_and_answered(transport: str) -> None:
    network, served, program = started(transport)
    assert program.ask() == 1
    (execute,) = served.executed
    assert execute.request == group(1)
    assert execute.caller.address == CLIENT.address
    began, answered = served.events
    assert isinstance(began, SessionBegan)
    assert began == SessionBegan(began.session, CLIENT.address)
    assert answered == Answered(began.session, CLIENT.address, "createGroup", "done", 0.0)
    program.close()
    network.run(GONE)
    assert served.events[2:] == [SessionEnded(began.session, CLIENT.address, None)]
    assert network.kinds() == [transport]


def test_it_says_whose_a_session_is() -> None:
    _, served, program = started()
    program.ask()
    bodies: list[Any] = [unseal(text).body for text in served.texts]
    (connected,) = (body for body in bodies if "version" in body.get("payload", {}))
    assert connected["payload"]["peer"] == CLIENT.address


def test_a_refusal_is_told_as_the_operation_tells_it() -> None:
    network, served, program = started()
    told: list[object] = []
    served.core._target.respond = lambda *given: told.append(given[2])  # type: ignore[method-assign] # to listen in
    served.gives(NotOwner("no"))
    program.call()
    network.let_arrive()
    assert told == [to_reply(group(1), NotOwner("no"))]


def test_a_path_of_its_own() -> None:
    url = ServiceURL.parse("http://127.0.0.1:9800/some/where")
    network = Network(url=url)
    assert Program(network, url=str(url)).ask() == 1
    elsewhere = Program(network).ask()
    assert "404" in elsewhere.message
    assert network.served.get("/some/where/health").status == 200


def test_a_client_finds_it_as_it_finds_a_scheduler() -> None:
    network = Network()
    program = Program(network, url=None, scheduler=URL)  # type: ignore[arg-type] # no URL
    assert program.ask() == 1
    assert network.kinds() == ["scheduler", "websocket"]


def test_addresses_that_the_caller_may_act_for_are_told() -> None:
    _, served, program = started(join_identity=OTHER)
    served.gives((AddJobResult("farm"),))
    assert program.ask(AddJob("farm", JOB)) is None
    assert served.executed[0].caller.join_addresses == {OTHER.address}


RESULTS = st.sampled_from(
    [
        None,
        NotOwner("it is another's"),
        BadCredentials("wrong"),
        DuplicateJoinKey("in use"),
        GroupNotFound("there is none"),
        LimitReached("too many"),
        Busy("later"),
        Unsupported("no"),
        Refused("for reasons of its own", code="EOWN"),
        InvalidValue("not like this"),
        InvalidType("not this"),
        NetworkError("no connection to the database"),
        OutcomeUnknown("the database was lost in the midst of it"),
    ]
)
"""What comes of a call; None stands for its result."""


def check(outcome: Any, expected: ComputeGroupsError | None, number: int) -> None:
    if expected is None:
        assert outcome == number
    else:
        message = expected.message
        if isinstance(expected, Busy | NetworkError | OutcomeUnknown):
            message = outcome.message
            assert message.startswith("the service's database")  # and no more is told of it
        told = (type(outcome), outcome.message, outcome.code)
        assert told == (type(expected), message, expected.code)


@given(
    st.lists(RESULTS, min_size=1, max_size=25),
    st.sampled_from(TRANSPORTS),
    st.booleans(),
    st.data(),
)
def test_each_call_is_executed_once_and_answered_by_what_came_of_it(
    results: list[ComputeGroupsError | None], transport: str, at_once: bool, data: st.DataObject
) -> None:
    network, served, program = started(transport)
    served.executes = at_once
    served.outcome = lambda request: _result(results, name_of(request))
    calls = [program.call() for _ in results]
    network.let_arrive()
    while served.waiting:  # in any order, some together
        some = st.lists(st.sampled_from([*served.waiting]), min_size=1, unique=True)
        served.execute(*data.draw(some))
    program.finish(*calls)
    for number, (call, expected) in enumerate(zip(calls, results, strict=True), 1):
        check(program.outcome(call), expected, number)
    assert network.acted_on == {f"group {number}": 1 for number in range(1, len(results) + 1)}
    told = ["done" if each is None else type(each).__name__ for each in results]
    assert sorted(served.outcomes()) == sorted(told)


def _result(results: list[ComputeGroupsError | None], name: str) -> Any:
    number = int(name.removeprefix("group "))
    error = results[number - 1]
    return number if error is None else error


@settings(max_examples=60)
@given(st.sampled_from(TRANSPORTS), st.data())
def test_whatever_the_network_does_no_call_is_executed_twice_or_answered_wrongly(
    transport: str, data: st.DataObject
) -> None:
    network, served, program = started(transport)
    served.executes = False
    for _ in range(data.draw(st.integers(1, 40))):
        doing = data.draw(st.sampled_from(["call", "arrive", "arrive", "execute", "cut", "wait"]))
        if doing == "call" and len(program.calls) < 10:
            program.call()
        elif doing == "arrive" and (steps := network.steps()):
            data.draw(st.sampled_from(steps))()
        elif doing == "execute" and served.waiting:
            served.execute(data.draw(st.sampled_from([*served.waiting])))
        elif doing == "cut":
            network.cut(heard_here=data.draw(st.booleans()), heard_there=data.draw(st.booleans()))
        elif doing == "wait":
            network.advance_to(min(network.next_deadline(), network.time + 30))
    served.executes = True
    served.pump()
    if program.calls:
        program.finish(*program.calls)
    program.close()
    network.run(GONE)
    assert served.core._target.untaken == sum(
        session.untaken for session in served.core._target._sessions.values()
    )
    for number, call in enumerate(program.calls, 1):
        outcome = program.outcome(call)
        times = network.acted_on[f"group {number}"]
        assert times <= 1
        assert (
            isinstance(outcome, OutcomeUnknown)
            or (outcome, times) == (number, 1)
            or (isinstance(outcome, NetworkError) and times == 0)
        )


@pytest.mark.parametrize(
    ("operation", "named", "error"),
    [
        (Operation("makeCoffee", {}), "unknown", Unsupported),
        (Operation("x" * 255, {}), "unknown", Unsupported),
        (Operation("listJobs", {"descriptor": 5}), "listJobs", InvalidValue),
        (Operation("listJobs", None), "listJobs", InvalidType),
    ],
)
def test_what_is_no_request_is_refused_and_counted(
    operation: Operation,
    named: str,
    error: type[ComputeGroupsError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, served, program = started()
    with monkeypatch.context() as patch:
        patch.setattr("cg_core.remote.client.to_operation", lambda *_: operation)
        assert type(program.ask()) is error
    (answered,) = served.all_of(Answered)
    assert (answered.operation, answered.outcome) == (named, error.__name__)
    assert not served.executed
    assert program.ask() == 2


# Who calls too often, and who waits.


def test_who_calls_too_often_is_told_so_and_others_go_on() -> None:
    network, served, program = started(
        limits=ServiceLimits(calls_per_second=2.0, calls_at_once=3), idle_timeout=None
    )
    calls = [program.call() for _ in range(4)]
    error = program.finish(*calls)
    assert type(error) is Busy
    assert error.message == f"{CLIENT.address} makes more than 2 calls a second; make fewer"
    assert [program.outcome(call) for call in calls[:3]] == [1, 2, 3]
    assert Program(network, OTHER).ask() == 1
    network.run(1.0)
    assert program.ask() == 5
    assert sorted(served.outcomes()) == ["Busy", *["done"] * 5]
    assert network.acted_on["group 4"] == 0


def test_where_too_much_waits_for_the_store_the_next_are_told_so() -> None:
    network, served, program = started(limits=ServiceLimits(waiting_calls=2))
    with served.held():
        first = [program.call(), program.call()]
        error = program.ask()
        assert type(error) is Busy
        assert error.message == "too many calls wait for the store; come back later"
        assert served.sample("requests_waiting") == 2
    program.finish(*first)
    assert served.sample("requests_waiting") == 0
    assert program.ask() == 4
    assert network.acted_on["group 3"] == 0


def test_a_call_waits_for_as_many_as_it_names_groups() -> None:
    network, served, program = started(limits=ServiceLimits(waiting_calls=5))
    served.outcome = lambda request: (
        tuple(AddJobResult(each.name) for each in request.groups)
        if isinstance(request, AddJobToGroups)
        else 7
    )
    with served.held():
        first = program.call(AddJobToGroups(JOB, [f"farm {n}" for n in range(6)]))
        assert type(program.ask()) is Busy
    assert len(program.finish(first)) == 6
    assert program.ask() == 7
    assert network.acted_on == {JOB: 1, "group 3": 1}


# Answers that are too long, or too many.

SMALL = ServiceLimits(connections=Limits(message_length=20_000))
LONGEST = 20_000 - 2 * 2_000 - 2_000


def a_group(name: str) -> Group:
    return Group(
        id=2,
        opaque_id=OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd"),
        name=name,
        description=name,
        join_key=name,
        owner=CLIENT.address,
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_list_is_told_as_long_as_it_fits(transport: str) -> None:
    _, served, program = started(transport, SMALL)
    most = (LONGEST - units(stringify(to_reply(ListJobs("farm"), ()))) + 1) // 25
    served.gives(jobs(most))
    assert program.ask(ListJobs("farm")) == jobs(most)
    served.gives(jobs(most + 1))
    error = program.ask(ListJobs("farm"))
    assert type(error) is LimitReached
    assert str(LONGEST) in error.message
    assert served.outcomes() == ["done", "LimitReached"]
    assert program.ask(GetGroup("farm")) is not None


@pytest.mark.parametrize("request_", [CancelAllJobs("farm"), RemoveAllJobs("farm")])
def test_what_was_done_is_said_to_be_done_though_it_is_too_much_to_tell(request_: Any) -> None:
    _, served, program = started(limits=SMALL)
    served.gives(jobs(10_001))
    assert program.ask(request_) is None
    served.gives(jobs(10))
    assert program.ask(request_) == jobs(10)
    assert served.outcomes() == ["done", "done"]


def test_few_groups_with_long_names_are_too_long_too() -> None:
    """The length counts as it is sent, and in UTF-16 code units."""
    _, served, program = started(limits=SMALL)
    for name in ("\1" * 255, "\U0001f600" * 255, "ä" * 255):
        one = units(stringify(to_reply(ListGroups(), (a_group(name),))))
        served.gives((a_group(name),) * (LONGEST // one))
        assert len(program.ask(ListGroups())) == LONGEST // one
        served.gives((a_group(name),) * (LONGEST // one + 5))
        assert type(program.ask(ListGroups())) is LimitReached


@given(st.lists(st.sampled_from(["\U0001f600", "a", '"']), max_size=25), st.booleans())
def test_no_message_is_longer_than_messages_are(names: list[str], last: bool) -> None:
    """Also where the longest of answers shares its message with others."""
    network, served, program = started(limits=SMALL)
    longest = (LONGEST - 40) // 25
    answers: list[Any] = [a_group(name * 255) for name in names]
    answers.insert(len(answers) if last else 0, jobs(longest))
    served.outcome = lambda request: answers.pop(0)
    with served.held():
        calls = [program.call(GetGroup("farm")) for _ in names]
        calls.insert(len(calls) if last else 0, program.call(ListJobs("farm")))
        network.let_arrive()
        answers.sort(key=lambda each: isinstance(each, tuple))
        order = sorted(served.waiting.values(), key=lambda each: isinstance(each.request, ListJobs))
        ids = [each.id for each in order]
        served.core.executed(
            [(id, answer) for id, answer in zip(ids, answers, strict=True)], network.now
        )
        served.waiting.clear()
    program.finish(*calls)
    assert max(map(units, served.texts)) <= 20_000


@pytest.mark.parametrize("character", ["\1", "\U0001f600", "\\", '"', "ä", "a"])
def test_an_answer_for_many_groups_always_fits(character: str) -> None:
    key = character * 255
    wrong = BadCredentials(
        f"the credentials for {Descriptor(key)} are missing or wrong; give its join_key and, where "
        "it has one, its join_secret"
    )
    one = to_reply(AddJobToGroups(JOB, [key]), (AddJobResult(key, wrong),))
    payload = one["payload"]
    assert units(stringify(payload)) < module._LONGEST_RESULT


def test_a_call_may_name_so_many_groups() -> None:
    _, served, program = started(limits=SMALL)
    served.outcome = lambda request: tuple(AddJobResult(each.name) for each in request.groups)  # type: ignore[attr-defined]
    most = LONGEST // module._LONGEST_RESULT
    assert len(program.ask(AddJobToGroups(JOB, range(2, 2 + most)))) == most
    error = program.ask(AddJobToGroups(JOB, range(2, 3 + most)))
    assert type(error) is LimitReached
    assert (
        error.message == f"the call names {most + 1} groups, and {most} is the most; make several"
    )
    assert len(served.executed) == 1


def test_one_group_may_be_named_however_short_messages_are() -> None:
    limits = ServiceLimits(connections=Limits(message_length=7_000))
    _, served, program = started(limits=limits)
    served.gives((AddJobResult("farm"),))
    assert program.ask(AddJobToGroups(JOB, ["farm"])) == (AddJobResult("farm"),)


FEW = ServiceLimits(untaken_answers=650)
"""So that two lists of ten jobs may wait, and no third."""


def untaken(program: Program, served: Served, *requests: Any, count: int = 10) -> list[Any]:
    """Calls that are answered by lists of jobs, the answers on their way."""
    with served.held():
        calls = [program.call(request) for request in requests]
        program.network.let_arrive()
        served.gives(jobs(count))
        for id in tuple(served.waiting):  # one after the other: the first is sent, the rest waits
            served.execute(id)
    return calls


@pytest.mark.parametrize("request_", [ListJobs("farm"), CancelAllJobs("farm")])
def test_a_refusal_is_always_told(request_: Any) -> None:
    _, served, program = started(limits=ServiceLimits(untaken_answers=10))
    served.gives(NotOwner("no"))
    assert type(program.ask(request_)) is NotOwner


def test_an_answer_that_does_not_grow_is_told_whatever_waits() -> None:
    _, _, program = started(limits=ServiceLimits(untaken_answers=10))
    assert program.ask(group(1)) == 1


def test_where_too_many_answers_wait_lists_are_refused_and_what_was_done_is_said_to_be() -> None:
    network, served, program = started(limits=FEW)
    farm = "farm"
    calls = untaken(
        program, served, ListJobs(farm), ListJobs(farm), ListJobs(farm), CancelAllJobs(farm)
    )
    outcomes = [program.finish(call) for call in calls]
    assert outcomes[:2] == [jobs(10), jobs(10)]
    assert type(outcomes[2]) is Busy
    assert outcomes[2].message == "too many answers wait to be taken; come back later"
    assert outcomes[3] is None
    assert program.ask(ListJobs(farm)) == jobs(10)  # they have been taken
    assert served.core._target.untaken == 0
    served.gives(NotOwner("no"))
    refused = untaken(program, served, ListJobs(farm), ListJobs(farm))
    program.finish(*refused)
    program.close()
    network.run(GONE)
    assert served.core._target.untaken == 0
    assert not served.core._target._untaken


def test_who_is_away_and_has_most_to_take_makes_room_for_the_answers_of_others() -> None:
    network, served, little = started(limits=FEW)
    much, other = Program(network, OTHER), Program(network, THIRD)
    sessions = []
    for program in (little, much):
        served.gives(())
        program.ask(ListJobs("farm"))
        sessions.append(served.all_of(SessionBegan)[-1].session)
    untaken(little, served, ListJobs("farm"), count=1)
    little.cut(heard_here=False)
    untaken(much, served, ListJobs("farm"), ListJobs("farm"))
    much.cut(heard_here=False)
    served.gives(jobs(10))
    assert other.ask(ListJobs("farm")) == jobs(10)
    (ended,) = served.all_of(SessionEnded)
    assert (ended.session, type(ended.error)) == (sessions[1], Busy)
    assert type(much.finish(*much.calls[1:])) is OutcomeUnknown


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_answers_that_nobody_will_take_are_let_go(transport: str, is_signed: bool) -> None:
    """Who signs what breaks the protocol is told so, behind the answer that is under way."""
    network, served, program = started(transport, FEW)
    untaken(program, served, ListJobs("farm"), ListJobs("farm"))
    target = served.core._target
    both = target.untaken
    ((session_id, _),) = target._sessions.items()
    wrong: Any = {"type": "request", "id": "1", "payload": {"operation": "x"}, "ackToken": "a"}
    wrong |= {"dcpsid": session_id, "nonce": "wrong"}
    sid = next(iter(served.core._framing._connections))
    target.receive(sid, seal(CLIENT, stringify(wrong)) if is_signed else "{}", network.now)
    served.handle_timeout()
    assert target.untaken == (both / 2 if is_signed else 0)
    network.run(GONE)
    assert target.untaken == 0
    assert len(served.all_of(SessionEnded)) == 1


def test_as_many_stamps_are_remembered_as_the_limits_say() -> None:
    network, served, program = started(limits=ServiceLimits(stamps=3, stamp_callers=1))
    for _ in range(5):
        program.ask()
    callers = served.core._target._stamps._callers
    assert len(callers[CLIENT.address].seen) == 3
    Program(network, OTHER).ask()
    assert list(callers) == [OTHER.address]


def test_of_all_callers_together_too() -> None:
    network, served, program = started(limits=ServiceLimits(stamps_in_all=3))
    for _ in range(2):
        program.ask()
        Program(network, OTHER).ask()
    assert sum(len(each.seen) for each in served.core._target._stamps._callers.values()) <= 3


# Too many sessions, connections; the end.


def refusals(served: Served) -> list[HTTPResponse]:
    return [served.get(POLLING), _websocket(served, WEBSOCKET), served.get(f"{POLLING}&sid=")]


def _websocket(served: Served, target: str) -> Any:
    request = HTTPRequest("GET", target)
    return served.core.accept_websocket(object(), request, served.network.now)


def assert_overloaded(served: Served, reason: str) -> None:
    for refusal in refusals(served):
        assert (refusal.status, refusal.header("Retry-After")) == (503, "10")
    page = served.get("/metrics").body.decode()
    assert f'compute_groups_connections_refused_total{{reason="{reason}"}} 3\n' in page


def test_where_there_are_as_many_sessions_as_there_may_be() -> None:
    network, served, program = started(
        limits=ServiceLimits(capacity=Capacity(sessions=1)), idle_timeout=None
    )
    program.ask()
    assert_overloaded(served, "sessions")
    error = Program(network, OTHER).ask()
    assert (type(error), error.code) == (NetworkError, "EBUSY")
    assert program.ask() == 2


def test_where_there_are_as_many_connections_as_there_may_be() -> None:
    _, served, program = started(
        limits=ServiceLimits(connections=Limits(connections=1)), idle_timeout=None
    )
    program.ask()
    assert_overloaded(served, "connections")
    assert program.ask() == 2


@pytest.mark.parametrize("heard_there", [True, False])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_is_away_can_come_back_though_it_is_full(transport: str, heard_there: bool) -> None:
    """Where the service has not heard that the connection is gone, it is told so by its pings."""
    network, served, program = started(
        transport,
        ServiceLimits(capacity=Capacity(sessions=2)),
        timeout=None,
        idle_timeout=None,
    )
    other = Program(network, OTHER, idle_timeout=None)
    program.ask()
    other.ask()
    with served.held():
        call = program.call()
        network.let_arrive()
        program.cut(heard_there=heard_there)
    assert program.finish(call) == 2
    assert network.time < 100
    assert served.all_of(SessionEnded) == []
    assert other.ask() == 2


def test_a_stopping_service_answers_what_it_took_and_takes_nobody_any_more() -> None:
    network, served, program = started(idle_timeout=None)
    with served.held():
        call = program.call()
        network.let_arrive()
        network.stop()
        network.let_arrive()
        assert served.all_of(Stopped) == []
        assert_overloaded(served, "stopping")
        health = served.get("/health")
        assert health.status == 503
        assert parse(health.body.decode()) == {"status": "stopping", "address": SERVICE.address}
    assert program.finish(call) == 1
    network.run(GONE)
    assert served.all_of(Stopped) == [Stopped()]
    assert served.all_of(SessionEnded)[0].error is None
    assert served.core.next_deadline() is None
    assert len(served.core._framing) == 0


def test_without_a_session_it_stops_at_once_and_once() -> None:
    network, served, _ = started()
    network.stop()
    assert served.events == [Stopped()]
    network.stop()
    network.run(1.0, until=lambda: True)
    assert served.events == [Stopped()]
    assert served.core.next_deadline() is None


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_stops_though_the_store_does_not_answer(transport: str) -> None:
    network, served, program = started(transport)
    served.executes = False
    call = program.call()
    network.let_arrive()
    network.stop()
    network.stop()
    network.advance_to(7.0)
    network.run(GONE, until=lambda: bool(served.all_of(Stopped)))
    assert network.time <= GONE
    assert type(program.finish(call)) is OutcomeUnknown
    served.execute()  # too late
    network.run(GONE)
    assert served.all_of(Stopped) == [Stopped()]
    assert served.outcomes() == ["done"]


def test_it_stops_though_a_client_never_acks() -> None:
    network, served, program = started(idle_timeout=None)
    program.ask()
    network.stop()
    for _ in range(10):
        served.network.time += 2
        served.handle_timeout()  # nothing arrives
    assert served.all_of(Stopped) == [Stopped()]


def test_who_has_said_nothing_when_it_stops_begins_nothing() -> None:
    network, served, program = started("websocket", idle_timeout=None)
    program.ask()
    opening, silent = Program(network, OTHER), Program(network, THIRD)
    for each in (opening, silent):
        each.call()
    _arrive(silent, until=lambda: bool(served.core._target._strangers))
    _arrive(opening, until=lambda: len(served.core._framing) == 3)
    assert len(served.core._target._strangers) == 1
    with served.held():
        program.call()
        _arrive(program, until=lambda: bool(served.waiting))
        network.stop()
        network.let_arrive()
        assert served.all_of(Stopped) == []
    network.run(GONE, until=lambda: bool(served.all_of(Stopped)))
    assert served.all_of(SessionBegan) == [SessionBegan(served.events[0].session, CLIENT.address)]  # type: ignore[union-attr] # the first began
    for each in (opening, silent):
        error = each.finish(*each.calls)
        assert (type(error), error.code) == (NetworkError, "EBUSY")
    assert len(served.executed) == 2


def _arrive(program: Program, until: Any) -> None:
    while not until():
        (line,) = program.lines.values()
        line.arrive_up() if line.up else line.arrive_down()


def test_a_connection_that_breaks_before_it_says_anything_is_forgotten() -> None:
    network, served, program = started("websocket")
    program.call()
    _arrive(program, until=lambda: bool(served.core._target._strangers))
    network.cut()
    assert not served.core._target._strangers
    assert program.finish(*program.calls) == 1


def test_a_connection_that_is_not_open_when_it_stops_is_not_waited_for() -> None:
    network, served, program = started("websocket")
    program.call()
    _arrive(program, until=lambda: len(served.core._framing) == 1)
    network.stop()
    assert served.all_of(Stopped) == [Stopped()]
    network.time += 10
    served.handle_timeout()  # and nothing arrives
    assert len(served.core._framing) == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_goes_away_is_heard_to(transport: str) -> None:
    _, served, program = started(transport, idle_timeout=None)
    program.ask()
    assert len(served.core._framing) == 1
    program.cut()
    assert len(served.core._framing) == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_connection_that_another_takes_the_place_of_is_ended(transport: str) -> None:
    network, served, program = started(transport, idle_timeout=None)
    program.ask()
    program.cut(heard_there=False)
    program.ask()
    network.run(10.0)
    assert len(served.core._framing) == 1


# What is told.


def test_what_befell_the_store_is_told_once_and_nobody_elses_business() -> None:
    network, served, program = started()
    with pytest.raises(NetworkError) as raised:
        raise NetworkError("the database at 192.0.2.7 is gone")
    of_the_store = raised.value
    full = OutcomeUnknown("its disk is full")
    served.outcome = lambda request: full if name_of(request) == "group 3" else of_the_store
    with served.held():
        calls = [program.call() for _ in range(3)]
        network.let_arrive()
    told = [program.finish(call) for call in calls]
    assert [type(error) for error in told] == [NetworkError, NetworkError, OutcomeUnknown]
    assert not [error for error in told if "192.0.2.7" in str(error) or "disk" in str(error)]
    failed = [event.error for event in served.all_of(StoreFailed)]
    assert [error.message for error in failed] == [of_the_store.message, full.message]
    assert [error.__traceback__ for error in failed] == [None, None], "frames hold what was asked"


def test_how_it_is() -> None:
    network, served, program = started(idle_timeout=None)

    def health() -> tuple[int, object]:
        told = served.get("/health")
        return told.status, json.loads(told.body)["status"]

    assert health() == (200, "ok")
    for outcome, found in {
        NetworkError("no database"): (503, "the store fails"),
        NotOwner("no"): (200, "ok"),
        OutcomeUnknown("lost"): (503, "the store fails"),
    }.items():
        served.gives(outcome)
        program.ask()
        assert health() == found
    network.run(29.0)
    assert health() == (503, "the store fails")
    network.run(1.0)
    assert health() == (200, "ok")  # for all that is known


def test_what_was_counted() -> None:
    network, served, program = started("polling", idle_timeout=None)
    with served.held():
        call = program.call()
        network.let_arrive()
        network.run(2.0)
    program.finish(call)
    Program(network, OTHER).ask()
    served.get(f"{POLLING}&sid=none")
    served.get("/dcp5/socketio/?transport=none")
    found = {
        name: served.sample(name)
        for name in (
            "connections", "connections_total", "sessions", "sessions_total",
            "requests_waiting", "request_seconds_count", "request_seconds_sum",
        )
    }  # fmt: skip
    assert list(found.values()) == [2, 2, 2, 2, 0, 2, 2.0]
    assert served.all_of(Answered)[0].seconds == 2.0


def test_nothing_is_due_where_nobody_is() -> None:
    network, served, program = started("websocket")
    assert served.core.next_deadline() is None
    program.call()
    _arrive(program, until=lambda: bool(served.core._target._strangers))
    times = served.core._framing.next_deadline(), served.core._target.next_deadline()
    assert None not in times
    assert times[0] != times[1]
    assert served.core.next_deadline() == min(time for time in times if time is not None)
    program.finish(*program.calls)
    program.close()
    network.run(60.0)
    assert served.core.next_deadline() is None


def test_no_event_and_no_page_shows_a_secret() -> None:
    network, served, program = started(join_identity=OTHER)
    shown: list[str] = []
    note = served._do

    def noted(event: Any) -> None:
        shown.append(repr(event))
        note(event)

    served._do = noted  # type: ignore[method-assign] # to listen in
    program.ask(group(1))
    session_id = next(iter(served.core._peers))
    served.gives((AddJobResult("farm", BadCredentials("wrong")),))
    program.ask(AddJob("farm", JOB, join_secret="s3cret"))
    served.outcome = outcome_of
    program.ask(GetGroup("farm"))  # which is refused
    shown += [
        served.get(path, Host="127.0.0.1").body.decode()
        for path in ("/health", "/metrics", "/etc/dcp-config.kvin")
    ]
    program.close()
    network.run(GONE)
    create, add = group(1), AddJob("farm", JOB, join_secret="s3cret")
    assert create.join_hash is not None
    assert isinstance(add.group.proof, JoinHash)
    secrets = [create.join_hash.reveal(), add.group.proof.reveal(), "s3cret"]
    secrets.append(add.group.proof.salted(session_id).reveal())
    secrets += [(bytes([n]) * 32).hex() for n in (1, 2, 4)]
    secrets.append(session_id[:9])
    assert shown
    assert not [secret for secret in secrets for text in shown if secret in text]
    assert any(f"session='{session_id[-8:]}'" in text for text in shown)


# Whoever comes.

METHODS = st.sampled_from(["GET", "POST", "OPTIONS", "HEAD", "PUT", "", "get", "GET "])
TARGETS = st.one_of(
    st.sampled_from(
        [
            POLLING, WEBSOCKET, "/dcp5/socketio/", "/dcp5/socketio", "/", "", "*", "/health",
            "/metrics", "/etc/dcp-config.kvin", "/dcp5/socketio/?EIO=3&transport=polling",
            "/dcp5/socketio/?EIO=4&transport=polling&sid=none", f"{POLLING}&sid=", f"{POLLING}&sid",
            "http://127.0.0.1/health", "/dcp5/socketio/?transport=websocket",
        ]
    ),
    st.text(any_characters, max_size=20),
    st.text(any_characters, max_size=20).map("/dcp5/socketio/?{}".format),
)  # fmt: skip
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Host", "X-DCP", "Access-Control-Request-Headers", "Origin"]),
        st.text(any_characters, max_size=20),
    ),
    max_size=3,
)
PACKETS = st.one_of(
    st.sampled_from(
        ["40", "3", "2probe", "5", "1", "41", "6", "", "40/x,", '42["message"]', "0{}"]
    ),
    st.text(any_characters, max_size=20),
    st.text(any_characters, max_size=20).map(lambda text: f'42["message",{json.dumps(text)}]'),
    st.sampled_from(["{}", "E0000P{}", '{"owner":"0x","signature":{},"body":{}}']).map(
        lambda text: f'42["message",{json.dumps(text)}]'
    ),
)
BODIES = st.one_of(
    st.lists(PACKETS, max_size=4).map(
        lambda packets: "\x1e".join(packets).encode("utf-8", "replace")
    ),
    st.binary(max_size=20),
    st.just(b"x" * 5_000),
)
DOCUMENTED = {200, 204, 400, 404, 405, 413, 503}
FOR_GARBAGE = ServiceLimits(connections=Limits(body_size=4_096, connections=5))


class Anyone:
    """Who sends what comes to mind, and notes what is answered."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.service = Service(SERVICE, random_texts(), limits=FOR_GARBAGE)
        self.time = 0.0
        self.unanswered: set[object] = set()
        self._draw = draw
        self._sids: list[str] = []
        self._websockets: list[object] = []

    def asks(self, *, known: bool) -> None:
        """A request, perhaps of a connection that there is."""
        target = self._draw(TARGETS)
        if known and self._sids:
            target = f"{POLLING}&sid={self._draw(st.sampled_from(self._sids))}"
        headers, body = tuple(self._draw(HEADERS)), self._draw(BODIES)
        key = object()
        self.unanswered.add(key)
        request = HTTPRequest(self._draw(METHODS), target, headers, body)
        self.service.receive_request(key, request, at(self.time))

    def wants_a_websocket(self) -> None:
        targets = TARGETS | st.sampled_from([WEBSOCKET, *self._upgrades()])
        request = HTTPRequest("GET", self._draw(targets), tuple(self._draw(HEADERS)))
        key = object()
        refusal = self.service.accept_websocket(key, request, at(self.time))
        if refusal is None:
            self._websockets.append(key)
        else:
            assert refusal.status in DOCUMENTED

    def _upgrades(self) -> list[str]:
        return [f"{WEBSOCKET}&sid={sid}" for sid in self._sids]

    def sends_a_message(self) -> None:
        if self._websockets:
            key = self._draw(st.sampled_from(self._websockets))
            self.service.receive_message(key, self._draw(PACKETS), at(self.time))

    def goes_away(self) -> None:
        for key in self._websockets[-1:]:
            self.service.websocket_closed(key, at(self.time))
        for key in tuple(self.unanswered)[:1]:
            self.service.request_cancelled(key, at(self.time))
            self.unanswered.discard(key)

    def waits(self, seconds: float) -> None:
        self.time += seconds
        self.service.handle_timeout(at(self.time))

    def listens(self) -> None:
        while (event := self.service.next_event()) is not None:
            if isinstance(event, ResponseReady):
                assert event.response.status in DOCUMENTED
                self.unanswered.remove(event.key)
                self._sids += _sids(event.response)
            else:
                assert isinstance(event, MessagesReady | WebSocketEnded)
        for key in self._websockets:
            self.service.messages_to_send(key, at(self.time))


def _sids(response: HTTPResponse) -> list[str]:
    if not response.body.startswith(b"0{"):
        return []
    return [json.loads(response.body.split(b"\x1e")[0][1:])["sid"]]


@settings(max_examples=200)
@given(st.data())
def test_garbage_gets_documented_answers(data: st.DataObject) -> None:
    anyone = Anyone(data.draw)
    doings: list[Callable[[], None]] = [
        lambda: anyone.asks(known=False),
        lambda: anyone.asks(known=True),
        anyone.wants_a_websocket,
        anyone.sends_a_message,
        anyone.goes_away,
        lambda: anyone.waits(data.draw(st.sampled_from([1, 11, 100]))),
    ]
    for doing in data.draw(st.lists(st.sampled_from(doings), min_size=1, max_size=15)):
        doing()
        anyone.listens()
    for _ in range(5):  # who proves nothing does not stay
        anyone.waits(100)
        anyone.listens()
    assert not anyone.unanswered
    assert anyone.service.next_deadline() is None
    assert len(anyone.service._framing) == 0


def test_a_connect_that_is_refused_leaves_nothing() -> None:
    """A session of a peer that has as many as it may, which is told so."""
    network, served, program = started(
        limits=ServiceLimits(capacity=Capacity(sessions_per_peer=1)), idle_timeout=None
    )
    program.ask()
    error = Program(network).ask()
    assert type(error) is Busy
    assert f"{CLIENT.address} has 1 sessions" in error.message
    assert served.sample("sessions") == 1
    assert len(served.all_of(SessionBegan)) == 1
    assert served.all_of(SessionEnded) == []


def test_a_session_that_is_lost_is_told() -> None:
    network, served, program = started(
        limits=ServiceLimits(sessions=Settings(linger_time=50)), idle_timeout=None
    )
    program.ask()
    program.cut()
    program.client.abort(network.now)
    program.turn()
    network.run(60.0)
    (ended,) = served.all_of(SessionEnded)
    assert type(ended.error) is NetworkError
    assert served.sample("sessions") == 0


def test_requests_of_a_browser() -> None:
    _, served, _ = started()
    told = served.get(POLLING, "OPTIONS")
    assert told.status == 204
    network = served.network
    assert isinstance(network, Network)
    network.stop()
    assert served.get(POLLING, "OPTIONS").status == 204


def test_the_identity_is_the_services() -> None:
    service = Service(Identity(b"\7" * 32), random_texts())
    service.receive_request("health", HTTPRequest("GET", "/health"), at(0))
    event = service.next_event()
    assert isinstance(event, ResponseReady)
    assert json.loads(event.response.body)["address"] == Identity(b"\7" * 32).address
    assert service.next_event() is None


def test_a_group_may_be_made_by_anyone_who_is_there() -> None:
    network, served, _ = started()
    for number, identity in enumerate((CLIENT, OTHER, THIRD), 1):
        program = Program(network, identity)
        assert program.ask(CreateGroup(f"group {number}")) == number
    assert [each.caller.address for each in served.executed] == [
        CLIENT.address, OTHER.address, THIRD.address,
    ]  # fmt: skip
