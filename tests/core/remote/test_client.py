"""Calls over sessions that come and go: each ends once, and is acted on at most once (C-21)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cg_core import (
    AddJob,
    AddJobResult,
    AddJobToGroups,
    ChangeGroup,
    ClientClosed,
    GroupNotFound,
    Identity,
    InvalidValue,
    ListGroups,
    ListJobs,
    NetworkError,
    OutcomeUnknown,
    ProtocolError,
    Refused,
    Unsupported,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.framing import HTTPResponse
from cg_core.remote import ConnectionEnded, WebSocketWanted
from cg_core.sealed import seal, unseal
from tests.core.json_values import json_values, paths, replaced
from tests.core.remote.network import (
    CLIENT,
    ORIGIN,
    OTHER_SERVICE,
    SCHEDULER,
    SERVICE,
    URL,
    Network,
    Outcome,
    Program,
    group,
)
from tests.core.remote.test_link import NO_WEBSOCKET, RESET, amend_once, busy, published

JOB = "P+Y4IApeFQLrYS2W7MkVg7"
FAR = "http://compute.example.org/"
FAR_SCHEDULER = "http://scheduler.example.org/"
ADVICE = "; it was acted on once or not at all: look before you repeat it"
TRANSPORTS = ["websocket", "polling"]
# After its close timeout a session stops to wait for answers; after another one, for the ack.
CLOSING = 5


def started(transport: str | None = None, **options: Any) -> tuple[Network, Program]:
    network = Network()
    return network, Program(network, transport=transport, **options)


def shut(network: Network, program: Program) -> None:
    """The last breath of a client."""
    network.run(until=lambda: program.client.is_over)


# What a call ends with.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_results_and_refusals_are_those_of_the_service(transport: str) -> None:
    network, program = started(transport)
    assert program.ask() == 1
    assert isinstance(program.ask(AddJob("farm", JOB)), Unsupported | Refused)
    network.service.outcome = lambda _: GroupNotFound("there is no farm")
    error = program.ask()
    assert (type(error), error.message) == (GroupNotFound, "there is no farm")
    assert error.__traceback__ is None


def test_one_session_serves_calls_side_by_side_in_any_order() -> None:
    network, program = started()
    network.service.answers = False
    calls = [program.call() for _ in range(5)]
    network.let_arrive()
    assert not program.ended
    network.service.asked.rotate(2)
    while network.service.asked:
        network.service.answer()
    program.finish(*calls)
    assert [program.outcome(call) for call in calls] == [1, 2, 3, 4, 5]
    assert len(network.kinds()) == 1
    assert len(network.service.target) == 1


def test_a_reply_that_makes_no_sense_is_an_error_of_its_call_alone() -> None:
    network, program = started()
    network.service.answers = False
    call = program.call()
    network.let_arrive()
    session_id, id, _ = network.service.asked.popleft()
    network.service.target.respond(session_id, id, {"success": True, "payload": "s3cret"})
    network.service.pump()
    error = program.finish(call)
    assert type(error) is ProtocolError
    assert "reply to createGroup is not as it must be" in error.message
    network.service.answers = True
    assert program.ask() == 2
    assert len(network.kinds()) == 1


@pytest.mark.parametrize(
    ("clock", "code", "off"), [(900, "ETIMETRAVEL", "+900 s"), (-1000, "EEXPIRED", "-1000 s")]
)
def test_a_wrong_clock_is_told(clock: float, code: str, off: str) -> None:
    network = Network()
    program = Program(network, clock=clock)
    error = program.ask()
    assert (type(error), error.code) == (Refused, code)
    assert f"set this machine's clock, which is {off} off" in error.message
    assert not network.acted_on


@pytest.mark.parametrize("code", ["ETIMETRAVEL", "EEXPIRED", "EPERM"])
def test_a_hint_without_a_time_to_tell(code: str) -> None:
    """Services of old do not say their time."""
    network, program = started()

    def without_time(text: str) -> list[str]:
        body: Any = unseal(text).body
        body.pop("time", None)
        return [seal(SERVICE, stringify(body))]

    network.service.twist = without_time
    network.service.outcome = lambda _: Refused("no", code=code, name="Special")
    error = program.ask()
    assert (type(error), error.code) == (type(error), code)
    if code == "EPERM":
        assert error.message == "no"
    else:
        assert error.message.endswith("set this machine's clock")
        assert error.name == "Special"


@pytest.mark.parametrize("clock", [-299, 0, 299])
def test_a_request_that_was_too_late_by_a_right_clock_is_to_be_made_again(clock: float) -> None:
    network = Network()
    program = Program(network, clock=clock)
    network.service.outcome = lambda _: Refused("too late", code="EEXPIRED", name="Special")
    error = program.ask()
    assert (type(error), error.code, error.name) == (Refused, "EEXPIRED", "Special")
    assert error.message == (
        "too late; nothing was done: the request was too long on its way; make the call again"
    )


@pytest.mark.parametrize(("clock", "off"), [(-300, "-300 s"), (300, "+300 s")])
def test_a_request_that_was_too_late_by_a_wrong_clock_is_the_clocks_fault(
    clock: float, off: str
) -> None:
    network = Network()
    program = Program(network, clock=clock)
    network.service.outcome = lambda _: Refused("too late", code="EEXPIRED")
    assert program.ask().message == (
        "too late; by the service's clock this is not the time: set this machine's clock, which is "
        f"{off} off"
    )


def test_a_request_that_came_before_its_time_by_a_right_clock() -> None:
    network, program = started()
    network.service.outcome = lambda _: Refused("too early", code="ETIMETRAVEL")
    assert program.ask().message == (
        "too early; by the service's clock this is not the time: set this machine's clock"
    )


@pytest.mark.parametrize("time", [10**400, -(10**400), 1e308, 0, -1.5])
def test_a_time_that_is_none(time: float) -> None:
    network, program = started()

    def with_time(text: str) -> list[str]:
        body: Any = unseal(text).body
        return [seal(SERVICE, stringify(body | {"time": time} if "time" in body else body))]

    network.service.twist = with_time
    network.service.outcome = lambda _: Refused("no", code="EEXPIRED")
    assert isinstance(program.ask(), Refused | ProtocolError)


def test_a_service_of_another_version() -> None:
    network, program = started()

    def older(text: str) -> list[str]:
        body: Any = unseal(text).body
        if body["type"] == "response":
            body["payload"]["version"] = "4.9.0"
        return [seal(SERVICE, stringify(body))]

    network.service.twist = older
    error = program.ask()
    assert (type(error), error.code) == (ProtocolError, "EVERSION")
    assert network.time == 0
    assert not network.acted_on


# When a call ends.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_call_that_was_sent_ends_as_unknown_when_its_time_is_up(transport: str) -> None:
    network, program = started(transport, timeout=7)
    network.service.answers = False
    call = program.call()
    network.run(6.99)
    assert call not in program.ended
    error = program.finish(call)
    assert (type(error), error.message) == (OutcomeUnknown, f"no answer came in time{ADVICE}")
    assert network.time == 7
    network.service.answer()  # too late, and no harm
    network.service.answers = True
    assert program.ask() == 2


def test_a_call_that_could_not_be_sent_ends_as_not_done() -> None:
    network, program = started(timeout=7, connect_timeout=60)
    network.websockets = "silence"
    network.requests = "silence"
    error = program.ask()
    assert (type(error), error.code, network.time) == (NetworkError, "ETIMEDOUT", 7)
    network.websockets = "works"
    network.run(200)
    assert not network.acted_on


@pytest.mark.parametrize(
    ("timeout", "waits"), [(3, 5), (15, 5), (30, 10), (45, 15), (60, 20), (600, 20), (None, 20)]
)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_dead_connection_is_found_in_a_third_of_a_calls_time(
    transport: str, timeout: float | None, waits: float
) -> None:
    network, program = started(transport, timeout=timeout, idle_timeout=None)
    program.ask()
    network.cut(heard_here=False, heard_there=False)
    program.call()
    network.run(until=lambda: len(network.kinds()) == 2)
    assert network.time == waits


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_session_that_ends_has_its_time_while_another_is_in_use(transport: str) -> None:
    network, program = started(transport, idle_timeout=1)
    program.ask()
    network.cut(heard_here=False, heard_there=False)
    network.run(2)  # its close is never acknowledged
    program.call()
    times = [link.next_deadline() for link in program.client._links]
    assert len(times) == 2
    assert program.client.next_deadline() == min(time for time in times if time is not None)
    times = [link.next_deadline(of_calls=False) for link in program.client._links]
    assert program.client.next_deadline(of_calls=False) == min(
        time for time in times if time is not None
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_due_without_calls_does_not_count_theirs(transport: str) -> None:
    network, program = started(transport, timeout=5)
    program.ask()
    network.service.answers = False
    program.call()
    network.let_arrive()
    network.run(4)
    assert program.client.next_deadline() == 5
    assert program.client.next_deadline(of_calls=False) > 5


def test_a_call_without_an_end() -> None:
    network, program = started(timeout=None, connect_timeout=None)
    network.websockets = RESET
    call = program.call()
    assert call.deadline == math.inf
    network.run(5_000)
    assert call not in program.ended
    network.websockets = "works"
    assert program.finish(call) == 1


def test_each_call_has_its_own_time() -> None:
    network, program = started(timeout=10, connect_timeout=None)
    network.websockets = RESET
    calls = []
    for _ in range(3):
        calls.append(program.call())
        network.run(3)
    for place, call in enumerate(calls):
        program.finish(call)
        assert network.time == call.deadline == 10 + 3 * place


def test_a_cancelled_call_that_was_not_sent_is_never_sent() -> None:
    network, program = started()
    network.service.answers = False
    first = program.call()
    program.cancel(first)
    program.cancel(first)  # once more does nothing
    assert program.ask(ListJobs("farm")) or True if network.service.answers else True
    network.run(5)
    assert network.acted_on["group 1"] == 0
    assert first not in program.ended


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_cancelled_call_leaves_the_session_usable(transport: str) -> None:
    network, program = started(transport)
    network.service.answers = False
    call = program.call()
    network.let_arrive()
    program.cancel(call)
    network.service.answer()  # it is dropped quietly
    network.service.answers = True
    assert program.ask() == 2
    assert call not in program.ended
    assert network.acted_on == {"group 1": 1, "group 2": 1}
    assert len(network.kinds()) == 1


def test_a_call_that_has_ended_may_be_cancelled() -> None:
    _, program = started()
    call = program.call()
    program.finish(call)
    program.client.cancel(call, program.now)
    assert program.ask() == 2


# Idle.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_idle_session_is_closed_in_time_and_the_next_call_opens_another(transport: str) -> None:
    network, program = started(transport, idle_timeout=5)
    network.run(3)
    program.ask()
    network.run(4)
    program.ask()
    network.run(4.99)
    assert len(network.service.target) == 1
    assert len(program.live) == 1
    assert program.client.next_deadline() == 3 + 4 + 5
    network.run(0.01)
    network.let_arrive()
    assert len(network.service.target) == 0
    assert program.live == []
    assert program.client.next_deadline() == math.inf
    assert not program.client.is_over
    assert program.ask() == 3
    assert network.kinds() == [transport, transport]


def test_the_ids_of_messages_begin_with_the_number_of_their_session() -> None:
    network, program = started(idle_timeout=1)
    for number in (1, 2, 3):
        program.notes.clear()
        program.ask()
        network.run(5)
        ids = [note.split()[3] for note in program.notes if note.startswith("> request ")]
        assert {id.partition("-")[0] for id in ids} == {str(number)}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_session_with_an_open_call_is_never_idle(transport: str) -> None:
    network, program = started(transport, idle_timeout=1)
    program.ask()
    network.service.answers = False
    call = program.call()
    network.run(50)
    assert len(network.service.target) == 1
    network.service.answer()
    assert program.finish(call) == 2
    assert len(network.kinds()) == 1


def test_a_cancelled_call_counts_as_the_last() -> None:
    network, program = started(idle_timeout=5)
    network.service.answers = False
    call = program.call()
    network.run(20)
    program.cancel(call)
    network.run(4.9)
    assert len(program.live) == 1
    network.run(10)
    assert program.live == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_session_may_stay_open(transport: str) -> None:
    network, program = started(transport, idle_timeout=None)
    program.ask()
    network.run(3_600)
    assert len(network.service.target) == 1
    assert program.ask() == 2
    assert len(network.kinds()) == 1


def test_nothing_is_opened_before_the_first_call() -> None:
    network, program = started()
    network.run(100)
    assert network.wanted == []
    assert program.client.next_deadline() == math.inf
    program.close()
    assert program.client.is_over


# Services that ask, where they are to answer.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_service_that_asks_for_something_is_refused(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.service.ask_clients(1)
    network.let_arrive()
    (told,) = network.service.told
    assert not told.success
    assert told.payload == {
        "message": "a client serves no requests",
        "name": "Unsupported",
        "code": "ENOSYS",
        "origin": CLIENT.address,
    }
    program.close()
    shut(network, program)
    assert network.time == 0  # it owes nothing


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_however_much_a_service_asks_calls_are_answered(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.service.ask_clients(900)  # more than may go unanswered
    network.let_arrive()
    assert [program.ask(), program.ask()] == [2, 3]
    assert len(network.service.told) == 900
    assert network.time == 0
    assert len(network.kinds()) == 1


# The end.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_close_waits_for_answers(transport: str) -> None:
    network, program = started(transport)
    network.service.answers = False
    call = program.call()
    network.let_arrive()
    program.close()
    network.run(1)
    assert not program.client.is_over
    network.service.answer()
    shut(network, program)
    assert program.outcome(call) == 1
    assert network.time == 1
    assert len(network.service.target) == 0
    with pytest.raises(ClientClosed, match="this client is closed"):
        program.call()


# Who does not listen between calls


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("lapse", [0.9, 1.1])
@pytest.mark.parametrize("listens", [True, False])
def test_after_a_lapse_who_did_not_listen_asks_for_a_sign_of_life_before_it_signs_a_call(
    transport: str, lapse: float, listens: bool
) -> None:
    network = Network()
    program = Program(network, transport=transport, listens=listens)
    program.ask()
    network.restart(heard=False)  # a cut that is not heard of, as by who does not listen
    network.run(lapse)
    program.notes.clear()
    call = program.call()
    error = program.finish(call)
    if listens or lapse < 1:
        assert isinstance(error, OutcomeUnknown)
        assert network.acted_on == {"group 1": 1}
    else:
        assert error == 2
        assert network.acted_on == {"group 1": 1, "group 2": 1}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_whatever_came_is_a_sign_of_life(transport: str) -> None:
    network = Network()
    program = Program(network, transport=transport, listens=False)
    program.ask()
    network.run(0.8)
    program.ask()
    network.run(0.8)
    program.notes.clear()
    program.ask()
    assert not [note for note in program.notes if "request keepalive" in note]


def test_a_sign_of_life_is_asked_for_once() -> None:
    network = Network()
    program = Program(network, listens=False)
    program.ask()
    network.run(2)
    program.notes.clear()
    program.finish(program.call())
    program.finish(program.call())
    asked = [note for note in program.notes if "request keepalive" in note]
    assert len(asked) == 1
    network.service.answers = False
    waiting = program.call()
    network.run(2)  # somebody listens as long as a call is open
    program.call()
    network.let_arrive()
    assert [note for note in program.notes if "request keepalive" in note] == asked
    assert waiting not in program.ended


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_outcome_that_is_unknown_says_why_there_is_no_connection(transport: str) -> None:
    network, program = started(transport, timeout=30)
    program.ask()
    network.service.answers = False
    call = program.call()
    network.let_arrive()
    network.websockets = network.requests = RESET
    network.cut()
    error = program.finish(call)
    assert isinstance(error, OutcomeUnknown)
    assert f"{ADVICE} (there is no connection now: " in error.message
    assert RESET.message in error.message


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("is_asked", [True, False])
def test_a_silent_service_does_not_hold_up_the_close(transport: str, is_asked: bool) -> None:
    network, program = started(transport)
    program.ask()
    network.service.answers = False
    if is_asked:
        program.call()
    network.let_arrive()
    network.cut(heard_here=False, heard_there=False)
    network.websockets = network.requests = "silence"
    program.close()
    start = network.time
    shut(network, program)
    assert network.time - start <= CLOSING
    if is_asked:
        error = program.outcome(program.calls[1])
        assert isinstance(error, OutcomeUnknown)
        assert error.message.endswith(ADVICE)


def test_a_close_before_there_is_a_session() -> None:
    network, program = started()
    call = program.call()
    program.close()
    assert isinstance(program.outcome(call), ClientClosed)
    assert program.client.is_over
    network.run(100)
    assert not network.acted_on


def test_a_call_that_waits_for_a_connection_is_not_moved_when_the_client_closes() -> None:
    network, program = started()
    program.ask()
    network.websockets = RESET
    network.cut()
    network.let_arrive()
    call = program.call()
    program.close()
    assert isinstance(program.outcome(call), ClientClosed)
    shut(network, program)
    assert network.kinds().count("websocket") == len(network.kinds())
    assert network.acted_on == {"group 1": 1}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_abort_ends_everything_at_once(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.service.answers = False
    sent = program.call()
    network.let_arrive()
    network.websockets = network.requests = "silence"
    network.cut()
    network.let_arrive()
    unsent = program.call()
    assert len(program.live) == 1
    program.abort()
    assert program.client.is_over
    assert program.live == []
    assert program.graces == [0, 0]
    error = program.outcome(sent)
    assert isinstance(error, OutcomeUnknown)
    assert error.message == f"the client was closed before the answer came{ADVICE}"
    assert isinstance(program.outcome(unsent), ClientClosed)
    program.abort()
    program.close()
    network.websockets = network.requests = "works"
    network.run(100)
    assert network.acted_on == {"group 1": 1, "group 2": 1}
    with pytest.raises(ClientClosed):
        program.call()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_network_reports_after_a_close_and_an_abort_is_nothing(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.service.answers = False
    call = program.call()
    network.let_arrive()
    program.close()
    network.let_arrive()
    (line,) = program.live
    waiting = list(line.exchanges)
    program.abort()
    assert isinstance(program.outcome(call), OutcomeUnknown)
    before = len(program.events)
    if transport == "websocket":
        line.websocket.receive_message("2", program.now)
        line.websocket.closed(program.now)
    for exchange in waiting:
        exchange.connection.receive_response(exchange.request, HTTPResponse(200), program.now)
        exchange.connection.request_failed(exchange.request, RESET, program.now)
    program.turn()
    assert len(program.events) == before
    assert program.client.is_over


@pytest.mark.parametrize("how", ["close", "abort", "close, then abort", "abort, then close"])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("is_asked", [True, False])
def test_nothing_is_due_after_the_end(transport: str, how: str, is_asked: bool) -> None:
    network, program = started(transport)
    program.ask()
    if is_asked:
        network.service.answers = False
        program.call()
    network.let_arrive()
    for step in how.split(", then "):
        getattr(program, step)()
    shut(network, program)
    assert program.client.next_deadline() == math.inf


# Sessions that are lost.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_after_a_restart_what_was_sent_is_unknown_and_the_rest_moves_on(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.service.answers = False
    sent = program.call()
    network.let_arrive()
    network.restart()
    network.let_arrive()
    unsent = program.call()
    assert program.finish(sent, unsent) == 3
    error = program.outcome(sent)
    assert isinstance(error, OutcomeUnknown)
    assert error.message.startswith("the session ended before it was answered")
    assert error.message.endswith(ADVICE)
    assert network.acted_on == {"group 1": 1, "group 2": 1, "group 3": 1}


def broken_sessions() -> tuple[Network, Program]:
    """A service that ends each session as soon as it is there, before anything is asked."""
    network, program = started("polling")
    said = json.dumps(seal(SERVICE, '{"type":"nonsense"}')).encode()  # its own, and no message

    def broken(body: bytes) -> bytes:
        return body + b'\x1e42["message",' + said + b"]" if b"response" in body else body

    network.service.amend = broken
    return network, program


def test_a_service_that_breaks_all_sessions_is_not_asked_forever() -> None:
    network, program = broken_sessions()
    error = program.ask()
    assert type(error) is ProtocolError
    assert network.kinds() == ["polling"] * 4
    assert not network.acted_on
    network.run(100)
    assert network.kinds() == ["polling"] * 4
    network.service.amend = lambda body: body
    assert program.ask() == 2


def test_a_service_that_breaks_some_sessions() -> None:
    network, program = broken_sessions()
    call = program.call()
    while len(network.kinds()) < 4:
        network.steps()[0]()
    network.service.amend = lambda body: body
    assert program.finish(call) == 1
    assert network.kinds() == ["polling"] * 4
    assert network.acted_on == {"group 1": 1}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_another_address_later_gets_nothing(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    assert program.client.service_address == SERVICE.address
    network.run(60)
    network.restart(OTHER_SERVICE)
    error = program.ask()
    assert (type(error), error.code) == (ProtocolError, "EADDRCHANGE")
    assert program.client.service_address == SERVICE.address
    assert network.acted_on == {"group 1": 1}
    assert network.time == 60
    network.restart()
    assert program.ask() == 3


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_another_address_in_the_place_of_a_lost_session_gets_nothing(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.service.answers = False
    sent = program.call()
    network.let_arrive()
    network.restart(OTHER_SERVICE)
    network.let_arrive()
    unsent = program.call()
    error = program.finish(sent, unsent)
    reason = f"the peer has the address {OTHER_SERVICE.address}, and not {SERVICE.address} as"
    assert (type(error), error.code) == (ProtocolError, "EADDRCHANGE")
    assert error.message.startswith(reason)
    error = program.outcome(sent)
    assert type(error) is OutcomeUnknown
    assert error.message.startswith(f"the session ended before it was answered ({reason}")
    assert error.message.endswith(f"){ADVICE}")
    assert network.time <= 5
    assert network.acted_on == {"group 1": 1, "group 2": 1}
    assert program.client.service_address == SERVICE.address
    network.restart()
    assert program.ask() == 4


# Texts that are not the service's.

STRANGE: dict[str, Any] = {
    "EINVAL": lambda _: "{}",
    "EADDRCHANGE": lambda text: seal(OTHER_SERVICE, stringify(unseal(text).body)),
}


@pytest.mark.parametrize("code", STRANGE)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_text_that_is_not_the_services_costs_a_connection_and_no_call(
    transport: str, times: int, code: str
) -> None:
    network, program = started(transport)
    program.ask()
    network.service.twist = lambda text: [
        STRANGE[code](text) if len(network.kinds()) <= times else text
    ]
    assert program.ask() == 2
    assert program.ask() == 3
    assert network.acted_on == {"group 1": 1, "group 2": 1, "group 3": 1}
    assert network.kinds() == [transport] * (1 + times)
    assert network.time < 2
    assert len(network.service.target) == 1  # the same session


@pytest.mark.parametrize("code", STRANGE)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_where_nothing_is_the_services_any_more_the_call_ends_with_the_reason(
    transport: str, code: str
) -> None:
    network, program = started(transport)
    program.ask()
    network.service.twist = lambda text: [STRANGE[code](text)]
    error = program.ask()
    assert type(error) is OutcomeUnknown
    reason = "the sealed text has no owner" if code == "EINVAL" else "the peer has the address"
    assert error.message.startswith(f"the session ended before it was answered ({reason}")
    assert error.message.endswith(f"){ADVICE}")
    assert network.time < 5
    assert network.acted_on["group 2"] <= 1
    error = program.ask()
    assert (type(error), error.code) == (ProtocolError, code)
    network.service.twist = lambda text: [text]
    assert program.ask() == 4


# Answers that are too long.

TOO_LONG = "{" + 10_000_000 * "x"
REFUSED = "10000001 characters came where 10000000 are taken"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_answer_that_is_too_long_each_time_ends_the_session_with_the_reason(
    transport: str,
) -> None:
    network, program = started(transport)
    program.ask()
    network.service.twist = lambda text: [TOO_LONG if '"type":"response"' in text else text]
    error = program.ask()
    assert type(error) is OutcomeUnknown
    assert error.message == f"the session ended before it was answered ({REFUSED}){ADVICE}"
    assert len(network.kinds()) == 3  # and no other for a session that has ended
    assert network.time < 5
    network.service.twist = lambda text: [text]
    assert program.ask() == 3
    assert network.acted_on == {"group 1": 1, "group 2": 1, "group 3": 1}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_answer_that_was_too_long_once_comes_again(transport: str) -> None:
    network, program = started(transport)
    program.ask()

    def once(text: str) -> list[str]:
        network.service.twist = lambda text: [text]
        return [TOO_LONG]

    network.service.twist = once
    assert program.ask() == 2
    assert network.acted_on["group 2"] == 1
    assert network.kinds() == [transport] * 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_says_too_much_before_there_is_a_session_is_no_service(transport: str) -> None:
    network, program = started(transport)
    network.service.twist = lambda _: [TOO_LONG]
    error = program.ask()
    assert type(error) is ProtocolError
    assert error.message == (
        f"{URL} is no DCP service, it seems; is the path of the URL right? ({REFUSED})"
    )
    assert network.time == 0
    assert network.kinds() == [transport]


def test_an_address_may_be_asked_for() -> None:
    network = Network()
    program = Program(network, service_address=OTHER_SERVICE.address)
    assert program.client.service_address == OTHER_SERVICE.address
    assert program.ask().code == "EADDRCHANGE"
    assert Program(network, service_address=SERVICE.address).ask() == 1
    assert network.acted_on == {"group 1": 1}


# Secrets.

HARMFUL: list[Any] = [
    group(1),
    ChangeGroup("farm", name="group 1", join_key="farm", join_secret="s3cret"),
]
HARMLESS: list[Any] = [
    ListGroups(),
    AddJob("farm", JOB, join_key="farm", join_secret="s3cret"),
    ChangeGroup("farm", name="group 1"),
    ChangeGroup("farm", name="group 1", join_key=None, join_secret=None),
]


@pytest.mark.parametrize("request_", HARMFUL)
def test_a_join_hash_does_not_go_unencrypted_over_a_network(request_: Any) -> None:
    network = Network()
    program = Program(network, FAR)
    with pytest.raises(
        InvalidValue, match=r"unencrypted.*use https, or say insecure=True"
    ) as error:
        program.call(request_)
    assert FAR in error.value.message
    assert network.wanted == []


@pytest.mark.parametrize("url", ["https://compute.example.org/", ORIGIN, "http://[::1]/"])
@pytest.mark.parametrize("request_", HARMFUL)
def test_it_goes_where_nobody_can_read_it(request_: Any, url: str) -> None:
    Program(Network(), url).call(request_)


@pytest.mark.parametrize("request_", HARMFUL)
def test_it_goes_where_the_user_says_so(request_: Any) -> None:
    Program(Network(), FAR, insecure=True).call(request_)


@pytest.mark.parametrize("request_", HARMLESS)
def test_other_requests_go_anywhere(request_: Any) -> None:
    Program(Network(), FAR).call(request_)


def test_where_the_scheduler_names_a_place_that_is_not_safe() -> None:
    network = Network()
    network.scheduler = published(FAR)
    program = Program(network, None, scheduler=SCHEDULER)
    harmful, harmless = [program.call(each) for each in HARMFUL], program.call(ListGroups())
    network.let_arrive()
    for call in harmful:
        error = program.outcome(call)
        assert isinstance(error, InvalidValue)
        assert FAR in error.message
    assert isinstance(program.outcome(harmless), Refused)  # it went there
    with pytest.raises(InvalidValue):  # now it is known
        program.call(HARMFUL[0])
    assert program.calls == [*harmful, harmless]


def test_where_the_scheduler_names_a_place_that_is_safe() -> None:
    network = Network()
    network.scheduler = published(f"{ORIGIN}/")
    program = Program(network, None, scheduler=SCHEDULER)
    assert program.ask() == 1


@pytest.mark.parametrize("named", ["https://compute.example.org/", f"{ORIGIN}/"])
def test_where_a_safe_place_is_named_by_whomever_is_on_the_way(named: str) -> None:
    """Who can change what the scheduler says can have the hash sent to a place of their own."""
    network = Network()
    network.scheduler = published(named)
    program = Program(network, None, scheduler=FAR_SCHEDULER)
    harmful, harmless = [program.call(each) for each in HARMFUL], program.call(ListGroups())
    network.let_arrive()
    for call in harmful:
        error = program.outcome(call)
        assert isinstance(error, InvalidValue)
        assert error.message == (
            f"a join secret's hash would go to {named}, of which {FAR_SCHEDULER} told unencrypted: "
            "anyone may have, and whoever reads it can join; use https, or say insecure=True"
        )
    assert isinstance(program.outcome(harmless), Refused)
    assert network.acted_on == {"other": 1}
    with pytest.raises(InvalidValue, match="told unencrypted"):
        program.call(HARMFUL[0])


def test_where_neither_the_scheduler_nor_the_place_is_safe() -> None:
    network = Network()
    network.scheduler = published(FAR)
    program = Program(network, None, scheduler=FAR_SCHEDULER)
    call = program.call()
    network.let_arrive()
    error = program.outcome(call)
    assert isinstance(error, InvalidValue)
    assert f"would go to {FAR} unencrypted, and" in error.message


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_known_of_a_place_counts_before_there_is_a_session(transport: str) -> None:
    network = Network()
    network.scheduler = published(FAR)
    program = Program(network, None, scheduler=SCHEDULER, transport=transport)
    program.call(ListGroups())
    while network.kinds() != ["scheduler", transport]:
        network.steps()[0]()
    with pytest.raises(InvalidValue, match="unencrypted"):
        program.call(HARMFUL[0])


def test_what_is_known_of_a_place_is_not_forgotten_while_it_is_in_use() -> None:
    """Where a link that never came to be ends late, beside one that did."""
    network = Network()
    network.scheduler = published(FAR)
    program = Program(
        network,
        None,
        scheduler=SCHEDULER,
        transport="polling",
        service_address=OTHER_SERVICE.address,
    )
    first = program.call(ListGroups())
    while first not in program.ended:
        network.steps()[0]()
    (line,) = program.live  # its goodbye is on its way
    network.restart(OTHER_SERVICE, heard=False)
    second = program.call(ListGroups())
    network.run(0.5)
    assert isinstance(program.outcome(second), Refused)
    network.run(3)
    assert line.is_over
    program.ask(ListGroups())
    with pytest.raises(InvalidValue, match="unencrypted"):
        program.call(HARMFUL[0])


def test_an_unsafe_place_where_there_was_never_a_session_may_be_another_by_now() -> None:
    network = Network()
    network.scheduler = published(FAR)
    network.websockets = RESET
    program = Program(network, None, scheduler=SCHEDULER, transport="websocket")
    assert isinstance(program.ask(ListGroups()), NetworkError)
    network.scheduler = published(f"{ORIGIN}/")
    network.websockets = "works"
    assert program.ask() == 2


@pytest.mark.parametrize("scheduler", [SCHEDULER, "http://localhost/", "http://127.0.0.1:9700/"])
def test_who_asks_a_scheduler_that_nobody_can_listen_to_may_send_it(scheduler: str) -> None:
    network = Network()
    network.scheduler = published("https://compute.example.org/")
    assert Program(network, None, scheduler=scheduler).ask() == 1


def test_who_says_so_may_send_it_wherever_anyone_names() -> None:
    for named in ("https://compute.example.org/", FAR):
        network = Network()
        network.scheduler = published(named)
        assert Program(network, None, scheduler=FAR_SCHEDULER, insecure=True).ask() == 1


# A scheduler that is asked again.


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_scheduler_is_asked_again_where_there_was_never_a_session(transport: str) -> None:
    network = Network()
    network.scheduler = published(URL)
    network.websockets = network.requests = RESET
    program = Program(network, None, scheduler=SCHEDULER, transport=transport)
    assert isinstance(program.ask(), NetworkError)
    assert network.kinds().count("scheduler") == 1
    network.scheduler = published("http://127.0.0.2:9800/")
    network.websockets = network.requests = "works"
    assert program.ask() == 2
    assert network.kinds()[-2:] == ["scheduler", transport]
    assert network.wanted[-1].startswith("http://127.0.0.2:9800/")


def test_the_scheduler_is_asked_again_where_the_service_is_another() -> None:
    network = Network()
    network.scheduler = published(URL)
    program = Program(network, None, scheduler=SCHEDULER, service_address=OTHER_SERVICE.address)
    assert program.ask().code == "EADDRCHANGE"
    network.restart(OTHER_SERVICE)
    assert program.ask() == 2
    assert network.kinds() == ["scheduler", "websocket"] * 2


def test_the_scheduler_is_not_asked_again_where_there_was_a_session() -> None:
    network = Network()
    network.scheduler = published(URL)
    program = Program(network, None, scheduler=SCHEDULER)
    program.ask()
    network.run(60)
    network.scheduler = RESET
    assert program.ask() == 2
    assert network.kinds() == ["scheduler", "websocket", "websocket"]


def test_the_join_identity_is_shown_with_jobs_alone() -> None:
    joiner = Identity(b"\7" * 32)
    network, program = started(join_identity=joiner)
    network.service.outcome = lambda request: (
        tuple(AddJobResult(each.name) for each in request.groups)
        if isinstance(request, AddJobToGroups)
        else 1
    )
    for request in (group(1), AddJob("farm", JOB), AddJobToGroups(JOB, ["farm"]), ListJobs("farm")):
        program.ask(request)
    jobs, others = {joiner.address}, set[str]()
    assert network.service.callers == [others, jobs, jobs, others]


def strings(value: Any) -> Iterator[tuple[str, str]]:
    """All strings in a JSON value, also in JSON texts in it, each with its name."""
    match value:
        case dict():
            for name, inner in value.items():
                for place, text in strings(inner):
                    yield place or name, text
        case list():
            for inner in value:
                yield from strings(inner)
        case str():
            yield "", value


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_secret_is_logged(transport: str) -> None:
    network, program = started(transport, join_identity=Identity(b"\7" * 32))
    texts: list[str] = []
    receive = network.service.target.receive

    def listening(sid: Any, text: str, now: Any) -> None:
        texts.append(text)
        receive(sid, text, now)

    def speaking(text: str) -> list[str]:
        texts.append(text)
        return [text]

    network.service.target.receive = listening  # type: ignore[assignment, method-assign] # it looks on
    network.service.twist = speaking
    program.ask()
    program.ask(AddJob("farm", JOB, join_key="farm", join_secret="s3cret"))
    network.cut()
    program.ask()
    network.run(60)
    log = "\n".join(program.notes)
    kinds = {
        "ack",
        "request",
        "response",
        "createGroup",
        "keepalive",
        "connect",
        "close",
        "success",
    }
    kinds |= {"addJobToGroups", "addJob"}
    seen = set()
    for text in texts:
        for name, string in strings(parse(text)):
            seen.add(name)
            if name not in ("id", "messageId") and string not in kinds and len(string) > 3:
                assert string not in log, name
    assert {"nonce", "ackToken", "token", "joinHash", "joinHashHash", "stamp"} <= seen
    assert "s3cret" not in log
    assert len(log.splitlines()) == len(program.notes) > 20
    assert log.isascii()


def test_a_log_line_is_one_line() -> None:
    _, program = started("websocket")
    call = program.call()
    (line,) = program.live
    handshake = {"sid": "a", "upgrades": [], "pingInterval": 9, "pingTimeout": 9, "maxPayload": 9}
    line.websocket.receive_message("0" + json.dumps(handshake), program.now)
    reason = {"message": "no\n= connected\x1b[2J" + "x" * 10_000}
    line.websocket.receive_message("44" + json.dumps(reason), program.now)
    program.turn()
    assert all(note.isprintable() and len(note) < 1_000 for note in program.notes)
    error = program.finish(call)
    assert isinstance(error, ProtocolError)
    assert len(error.message) < 1_000


def test_without_a_log_nothing_is_described() -> None:
    network = Network()
    program = Program(network)
    quiet = Program(network)
    quiet.client._note = None
    assert (program.ask(), quiet.ask()) == (1, 1)
    assert program.notes
    assert not quiet.notes


# A peer that owns the right key, and says wrong things.

scalars = st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | st.text()
members = st.sampled_from(["type", "id", "payload", "operation", "data", "success", "nonce"])


@pytest.mark.parametrize("transport", TRANSPORTS)
@given(data=st.data())
@settings(max_examples=40)
def test_nothing_that_a_service_signs_raises(transport: str, data: st.DataObject) -> None:
    network, program = started(transport, timeout=30)
    if data.draw(st.booleans(), "there was a session"):
        program.ask()
    is_over = False

    def twisted(text: str) -> list[str]:
        if is_over or not data.draw(st.booleans(), "twist"):
            return [text]
        body: Any = unseal(text).body
        place = data.draw(st.sampled_from(list(paths(body))[1:]), "place")
        value = data.draw(json_values(scalars, members), "value")
        return [seal(SERVICE, stringify(replaced(body, place, value)))]

    network.service.twist = twisted
    calls = [program.call() for _ in range(2)]
    program.finish(*calls)
    is_over = True
    for call in calls:
        name = f"group {program.calls.index(call) + 1}"
        outcome = program.outcome(call)
        assert network.acted_on[name] <= 1
        if isinstance(outcome, NetworkError):
            assert network.acted_on[name] == 0
    network.run(60)
    assert program.ask() == len(program.calls)


# Any history.


class Histories(RuleBasedStateMachine):
    """Calls, and a network that does its worst."""

    transport: str | None = None

    @initialize(idle_timeout=st.sampled_from([0.5, 10.0, None]))
    def start(self, idle_timeout: float | None) -> None:
        self.network = Network()
        self.program = Program(self.network, transport=self.transport, idle_timeout=idle_timeout)
        self.is_restarted = self.is_garbled = False

    def teardown(self) -> None:
        if hasattr(self, "program"):
            self.mend()
            if not self.program.client._closed:
                self.next_call_succeeds()
                self.program.close()
            start = self.network.time
            shut(self.network, self.program)
            assert self.network.time - start <= 2 * 2 + 7
            assert not self.program.open_calls
            assert not self.program.live
            self.nothing_is_amiss()
            kinds = [type(each) for each in self.program.events]
            ends = kinds.count(ConnectionEnded)
            assert kinds.count(WebSocketWanted) <= ends == len(self.network.kinds())

    def mend(self) -> None:
        network = self.network
        network.websockets = network.requests = "works"
        network.service.twist = lambda text: [text]
        network.service.amend = lambda body: body
        network.service.answers = True
        while network.service.asked:
            network.service.answer()

    def next_call_succeeds(self) -> None:
        # What is still under way may spoil a session that is just coming about.
        may_fail = any(not link.established for link in self.program.client._links)
        outcome = self.program.ask()
        if may_fail and isinstance(outcome, NetworkError | ProtocolError):
            outcome = self.program.ask()
        if isinstance(outcome, OutcomeUnknown):
            # It went, unheard, to a service that had forgotten the session; or once too often
            # there was a text that was not the service's.
            assert self.is_restarted or self.is_garbled
            outcome = self.program.ask()
        assert outcome == len(self.program.calls)

    @precondition(lambda self: not self.program.client._closed)
    @rule()
    def call(self) -> None:
        self.program.call()

    @precondition(lambda self: self.program.open_calls)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.program.cancel(data.draw(st.sampled_from(self.program.open_calls)))

    @rule(data=st.data(), times=st.integers(1, 6))
    def something_arrives(self, data: st.DataObject, times: int) -> None:
        for _ in range(times):
            if steps := self.network.steps():
                data.draw(st.sampled_from(steps))()

    @rule()
    def all_arrives(self) -> None:
        self.network.let_arrive()

    @rule(seconds=st.sampled_from([0.3, 2.0, 11.0, 25.0]))
    def time_passes(self, seconds: float) -> None:
        self.network.run(seconds)

    @rule(seconds=st.sampled_from([0.3, 2.0, 11.0]))
    def time_passes_and_nothing_arrives(self, seconds: float) -> None:
        end = self.network.time + seconds
        while (due := self.network.next_deadline()) < end:
            self.network.advance_to(due)
        self.network.advance_to(end)

    @rule(answers=st.booleans())
    def service_answers_or_waits(self, answers: bool) -> None:
        self.network.service.answers = answers

    @precondition(lambda self: self.network.service.asked)
    @rule()
    def service_answers_one(self) -> None:
        self.network.service.answer()

    @rule(here=st.booleans(), there=st.booleans())
    def cut(self, here: bool, there: bool) -> None:
        self.network.cut(heard_here=here, heard_there=there)

    @rule(text=st.sampled_from(["{}", seal(OTHER_SERVICE, '{"type":"nonsense"}')]))
    def a_text_is_garbled(self, text: str) -> None:
        service = self.network.service

        def twist(_: str) -> list[str]:
            service.twist = lambda text: [text]
            return [text]

        service.twist = twist
        self.is_garbled = True

    @rule(what=st.sampled_from([b"response", b"ack", b"message"]))
    def a_body_ends_a_connection(self, what: bytes) -> None:
        amend_once(self.network, what, b"\x1e1")

    @rule(heard=st.booleans())
    def restart(self, heard: bool) -> None:
        self.network.restart(heard=heard)
        self.is_restarted = True

    @rule(
        websockets=st.sampled_from([
            *["works", RESET, "silence", "hangs up", *map(HTTPResponse, (400, 404, 502, 503))],
            *[busy("4"), busy("30"), *NO_WEBSOCKET],
        ]),
        requests=st.sampled_from([
            *["works", "works", RESET, "silence", "hangs up", *map(HTTPResponse, (500, 503))],
            *[busy("4"), busy("30")],
        ]),
    )  # fmt: skip
    def weather(self, websockets: Outcome, requests: Outcome) -> None:
        self.network.websockets, self.network.requests = websockets, requests

    @rule(seconds=st.just(30.0))
    def all_is_well_for_a_while(self, seconds: float) -> None:
        self.mend()
        self.network.run(seconds)

    @precondition(lambda self: len(self.program.calls) > 3)
    @rule(is_rude=st.booleans())
    def leave(self, is_rude: bool) -> None:
        if is_rude:
            self.program.abort()
            assert self.program.client.is_over
            assert not self.program.open_calls
        else:
            self.program.close()

    @invariant()
    def nothing_is_amiss(self) -> None:
        if not hasattr(self, "program"):
            return
        network, program = self.network, self.program
        assert not network.acted_on or max(network.acted_on.values()) == 1
        for number, call in enumerate(program.calls, 1):
            if call in program.ended:
                outcome = program.outcome(call)
                acted_on = network.acted_on[f"group {number}"]
                if outcome == number:
                    assert acted_on == 1
                elif not isinstance(outcome, OutcomeUnknown):
                    assert isinstance(outcome, NetworkError | ProtocolError | ClientClosed)
                    assert acted_on == 0
            elif call not in program.cancelled:
                assert network.time < call.deadline
                assert program.client.next_deadline() <= call.deadline


class WebSocketHistories(Histories):
    transport = "websocket"


class PollingHistories(Histories):
    transport = "polling"


STEPS = settings(
    max_examples=60,
    stateful_step_count=40,
    phases=(Phase.explicit, Phase.generate),  # shrinking would take minutes
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyHistory = Histories.TestCase
TestAnyHistoryOfWebSockets = WebSocketHistories.TestCase
TestAnyHistoryOfPolling = PollingHistories.TestCase
TestAnyHistory.settings = STEPS
TestAnyHistoryOfWebSockets.settings = STEPS
TestAnyHistoryOfPolling.settings = STEPS
