"""One session over one connection after the other: which is opened, and what its end means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_core import NetworkError, OutcomeUnknown, ProtocolError
from cg_core.framing import HTTPResponse
from cg_core.remote import CallEnded, ConnectionEnded, RequestConnection, RequestWanted
from cg_core.remote.failures import CUT, NAME_UNKNOWN, NOT_TRUSTED, REDIRECTED, UNUSABLE
from cg_core.sealed import seal
from tests.core.remote.network import SCHEDULER, SERVICE, URL, Network, Outcome, Program

BOTH = [None, "websocket", "polling"]
LET_POLL = [200, 301, 400, 401, 403, 404, 407, 426, 500, 502, 504]
RESET = NetworkError("nobody listens", code="ECONNREFUSED")
NO_WEBSOCKET: list[NetworkError | ProtocolError] = [
    NetworkError("cut", code=CUT),
    ProtocolError("this does not answer as a WebSocket does"),
]
FINAL = [
    NetworkError("...", code=code) for code in (NAME_UNKNOWN, NOT_TRUSTED, REDIRECTED, UNUSABLE)
]


def started(transport: str | None = None, **options: Any) -> tuple[Network, Program]:
    network = Network()
    return network, Program(network, transport=transport, **options)


def busy(seconds: str, status: int = 503) -> HTTPResponse:
    """The answer of somebody who asks to be left alone for so long."""
    return HTTPResponse(status, (("Retry-After", seconds),))


def published(url: str) -> HTTPResponse:
    """A scheduler's answer."""
    value: Any = {"ctr": 18, "arg": url}
    for name in ("location", "computeGroups", "services", "scheduler"):
        value = {"ctr": 0, "ps": {name: value}}
    return HTTPResponse(200, (), json.dumps({"_serializeVerId": "v8", "what": value}).encode())


# Which connection is opened.


@pytest.mark.parametrize("transport", BOTH)
def test_what_works_is_used_to_the_end(transport: str | None) -> None:
    network, program = started(transport)
    assert [program.ask() for _ in range(3)] == [1, 2, 3]
    assert network.kinds() == [transport or "websocket"]
    assert network.time == 0


@pytest.mark.parametrize("status", LET_POLL)
def test_polling_where_http_answers_without_a_websocket(status: int) -> None:
    network, program = started()
    network.websockets = HTTPResponse(status)
    assert program.ask() == 1
    assert network.kinds() == ["websocket", "polling"]
    assert network.time == 0
    assert f"= no WebSocket: HTTP status {status}" in program.notes


@pytest.mark.parametrize("status", [429, 503])
def test_no_polling_where_there_is_too_much_to_do(status: int) -> None:
    network, program = started()
    network.websockets = HTTPResponse(status)
    error = program.ask()
    assert (type(error), error.code) == (NetworkError, "EBUSY")
    assert set(network.kinds()) == {"websocket"}


@pytest.mark.parametrize("websockets", ["silence", "hangs up"])
def test_polling_where_a_websocket_opens_and_carries_nothing(websockets: Outcome) -> None:
    network, program = started(connect_timeout=8)
    network.websockets = websockets
    assert program.ask() == 1
    assert network.kinds() == ["websocket", "polling"]
    assert network.time == (4 if websockets == "silence" else 0)
    assert "= the WebSocket carries nothing" in program.notes


def test_polling_where_a_websocket_speaks_another_language() -> None:
    network, program = started()
    call = program.call()
    (line,) = program.live
    line.websocket.receive_message("<html>", program.now)
    assert program.finish(call) == 1
    assert network.kinds() == ["websocket", "polling"]


@pytest.mark.parametrize("fault", NO_WEBSOCKET, ids=lambda fault: fault.code)
def test_polling_where_somebody_would_not_have_a_websocket(
    fault: NetworkError | ProtocolError,
) -> None:
    network, program = started()
    network.websockets = fault
    assert program.ask() == 1
    # A cut may be an accident: the second time it is none.
    tried = 1 if isinstance(fault, ProtocolError) else 2
    assert network.kinds() == ["websocket"] * tried + ["polling"]
    assert network.time == (tried - 1) * 0.5
    assert f"= no WebSocket: {fault.message}" in program.notes
    network.cut()
    assert program.ask() == 2
    assert network.kinds() == ["websocket"] * tried + ["polling", "polling"]


@pytest.mark.parametrize("fault", NO_WEBSOCKET, ids=lambda fault: fault.code)
def test_a_session_goes_on_by_polling_where_somebody_would_not_have_another_websocket(
    fault: Outcome,
) -> None:
    network, program = started()
    program.ask()
    network.websockets = fault
    network.cut()
    assert program.ask() == 2
    assert network.kinds() == ["websocket", "websocket", "polling"]
    assert network.time == 0


def test_who_wants_a_websocket_alone_tries_again_where_it_was_cut() -> None:
    network, program = started("websocket")
    network.websockets = NO_WEBSOCKET[0]
    call = program.call()
    network.run(1)
    assert network.kinds() == ["websocket", "websocket"]
    network.websockets = "works"
    assert program.finish(call) == 1
    assert set(network.kinds()) == {"websocket"}


def test_who_wants_a_websocket_alone_is_told_at_once_where_there_is_none() -> None:
    network, program = started("websocket")
    network.websockets = NO_WEBSOCKET[1]
    error = program.ask()
    assert (type(error), error.message) == (
        ProtocolError,
        "this does not answer as a WebSocket does",
    )
    assert network.kinds() == ["websocket"]
    assert network.time == 0


@pytest.mark.parametrize(
    ("connect_timeout", "waits"), [(6, 3.0), (20, 10.0), (80, 40.0), (200, 45.0), (None, 45.0)]
)
def test_half_of_the_time_is_left_for_polling(connect_timeout: float | None, waits: float) -> None:
    network, program = started(connect_timeout=connect_timeout)
    network.websockets = "silence"
    program.call()
    network.run(until=lambda: network.kinds() == ["websocket", "polling"])
    assert network.time == waits


def test_it_polls_to_the_end_of_the_session_and_not_longer() -> None:
    network, program = started()
    network.websockets = HTTPResponse(400)
    program.ask()
    network.websockets = "works"
    network.cut()
    assert program.ask() == 2
    assert network.kinds() == ["websocket", "polling", "polling"]
    network.requests = RESET
    network.cut()
    network.run(3)
    network.requests = "works"
    assert program.ask() == 3
    assert set(network.kinds()[3:]) == {"polling"}
    network.run(60)
    assert program.ask() == 4
    assert network.kinds()[-1] == "websocket"


@pytest.mark.parametrize("requests", [RESET, HTTPResponse(500), HTTPResponse(503), "hangs up"])
def test_where_polling_fails_too_it_begins_with_a_websocket_again(requests: Outcome) -> None:
    network, program = started()
    network.websockets = HTTPResponse(404)
    network.requests = requests
    call = program.call()
    network.run(1)
    assert network.kinds() == ["websocket", "polling"] * 2
    network.websockets = "works"
    assert program.finish(call) == 1
    assert network.kinds() == ["websocket", "polling"] * 2 + ["websocket"]


def test_a_session_may_go_on_by_polling() -> None:
    network, program = started()
    program.ask()
    network.websockets, network.requests = HTTPResponse(400), RESET
    network.cut()
    network.run(1)
    assert network.kinds() == ["websocket"] + ["websocket", "polling"] * 2
    network.requests = "works"
    assert program.ask() == 2
    network.websockets = "works"
    before = len(network.wanted)
    network.cut()
    assert program.ask() == 3
    assert network.kinds()[-1] == "polling"
    assert not any("transport=websocket" in url for url in network.wanted[before:])


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("answer", [HTTPResponse(400), "hangs up", "silence", RESET])
def test_a_forced_transport_is_the_only_one(transport: str, answer: Outcome) -> None:
    network, program = started(transport)
    network.websockets = network.requests = answer
    assert isinstance(program.ask(), NetworkError | ProtocolError)
    network.websockets = network.requests = "works"
    assert program.ask() == 2
    network.cut()
    network.websockets = network.requests = answer
    program.call()
    network.run(5)
    assert set(network.kinds()) == {transport}


# Attempts that fail.


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("error", FINAL, ids=lambda error: error.code)
def test_what_another_attempt_will_not_mend_is_told_at_once(
    transport: str | None, error: NetworkError
) -> None:
    network, program = started(transport)
    network.websockets = network.requests = error
    calls = [program.call(), program.call()]
    program.finish(*calls)
    for call in calls:
        assert program.outcome(call).code == error.code
        assert program.outcome(call).message == error.message
    assert network.time == 0
    assert len(network.kinds()) == 1
    assert program.live == []
    network.websockets = network.requests = "works"
    assert program.ask() == 3  # a new call tries anew


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 407])
def test_an_answer_of_something_else(transport: str | None, status: int) -> None:
    network, program = started(transport)
    network.websockets = network.requests = HTTPResponse(status, (), b"<html>")
    error = program.ask()
    assert isinstance(error, ProtocolError) or error.code == REDIRECTED
    assert URL in error.message
    assert network.time == 0
    if status == 200 and transport != "websocket":
        assert "is no DCP service, it seems; is the path of the URL right? (" in error.message
    else:
        what = "a WebSocket" if transport == "websocket" else "a connection"
        assert f"HTTP status {status} in place of {what}:" in error.message


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("answer", [RESET, HTTPResponse(503), HTTPResponse(500), "hangs up"])
def test_what_may_mend_is_tried_until_the_time_is_up(
    transport: str | None, answer: Outcome
) -> None:
    network, program = started(transport)
    network.websockets = network.requests = answer
    error = program.ask()
    assert type(error) is NetworkError
    assert error.message.startswith(f"no connection to {URL} (4 attempts): ")
    assert network.time == 10
    polls = transport is None and answer not in (RESET, HTTPResponse(503))
    assert len(network.kinds()) == (8 if polls else 4)
    match answer:
        case NetworkError():
            assert (error.message[-14:], error.code) == ("nobody listens", "ECONNREFUSED")
        case HTTPResponse(status):
            assert f"HTTP status {status}" in error.message
        case _:
            assert "closed" in error.message or "no response" in error.message


def test_attempts_come_after_longer_and_longer_waits() -> None:
    network, program = started(connect_timeout=60)
    network.websockets = RESET
    program.call()
    times = []
    for count in range(1, 7):
        network.run(until=lambda: len(network.wanted) == count)  # noqa: B023 # it is called at once
        times.append(network.time)
    assert times == [0, 0.5, 2, 5.5, 13, 28.5]


@pytest.mark.parametrize("transport", BOTH)
def test_a_service_that_never_answers(transport: str | None) -> None:
    network, program = started(transport)
    network.websockets = network.requests = "silence"
    error = program.ask()
    assert network.time == 10
    assert type(error) is NetworkError
    assert error.message.startswith(f"no connection to {URL} (")
    assert "did not open in time" in error.message


def test_one_attempt_is_one() -> None:
    network, program = started("websocket", timeout=0.25)
    network.websockets = RESET
    error = program.ask()
    assert error.message == f"no connection to {URL} (1 attempt): nobody listens"


@pytest.mark.parametrize("answer", [*FINAL, RESET, HTTPResponse(404), HTTPResponse(503), "silence"])
@pytest.mark.parametrize("transport", BOTH)
def test_after_a_session_was_there_everything_is_tried_again(
    transport: str | None, answer: Outcome
) -> None:
    network, program = started(transport, idle_timeout=None)
    program.ask()
    network.websockets = network.requests = answer
    network.cut()
    call = program.call()
    network.run(30)
    assert call not in program.ended
    network.websockets = network.requests = "works"
    assert program.finish(call) == 2


def test_what_stood_in_the_way_of_a_session_that_was_there() -> None:
    network, program = started("websocket", timeout=20)
    program.ask()
    network.websockets = RESET
    network.cut()
    network.let_arrive()
    error = program.ask()
    assert type(error) is NetworkError
    assert error.message.startswith(f"no connection to {URL} (")
    assert "attempts): nobody listens" in error.message
    assert network.time == 20


def test_attempts_are_counted_anew_after_a_connection() -> None:
    network, program = started("websocket", timeout=0.25)
    network.websockets = RESET
    program.ask()
    network.websockets = "works"
    network.run(1)
    network.websockets = RESET
    network.cut()
    assert "(2 attempts)" not in program.ask().message
    program.ask()
    network.websockets = "works"
    network.run(30)
    assert program.ask() == 4


def test_a_peer_that_closes_before_it_is_open() -> None:
    network, program = started("websocket")
    call = program.call()
    (line,) = program.live
    line.websocket.receive_message("1", program.now)
    program.turn()
    assert f"= no connection: {URL} closed the connection before it was open" in program.notes
    assert program.finish(call) == 1
    assert network.time == 0.5


@pytest.mark.parametrize("status", [301, 400, 404, 407, 500])
def test_an_answer_of_something_else_after_the_handshake_may_mend(status: int) -> None:
    """A service that restarts, or another one behind the same proxy, does not know who polls."""
    network, program = started("polling")
    call = program.call()
    (line,) = program.live
    line.arrive_up()
    line.arrive_down()
    network.requests = HTTPResponse(status)
    network.let_arrive()
    told = f"the server answered with the HTTP status {status}"
    assert program.notes[-1] == f"= no connection: {told}"
    assert call not in program.ended
    network.requests = "works"
    assert program.finish(call) == 1
    assert network.kinds() == ["polling", "polling"]
    assert network.time == 0.5


def test_an_answer_of_something_else_after_the_handshake_is_of_the_network() -> None:
    network, program = started("polling", timeout=0.25)
    call = program.call()
    (line,) = program.live
    line.arrive_up()
    line.arrive_down()
    network.requests = HTTPResponse(400)
    error = program.finish(call)
    assert (type(error), error.message) == (
        NetworkError,
        f"no connection to {URL} (1 attempt): the server answered with the HTTP status 400",
    )


# What a call is told that was never sent.


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_who_takes_connections_and_never_answers(transport: str) -> None:
    network, program = started(transport)
    network.service.twist = lambda _: []
    error = program.ask()
    assert (type(error), error.code, network.time) == (NetworkError, "ETIMEDOUT", 10)
    assert error.message == (
        f"no session with {URL}: there was a connection, and nobody answered DCP's connect; is "
        "this a DCP service?"
    )
    network.service.twist = lambda text: [text]
    assert program.ask() == 2


@pytest.mark.parametrize("transport", BOTH)
def test_with_whom_there_was_no_session_when_the_time_was_up(transport: str | None) -> None:
    network, program = started(transport, timeout=3)
    network.websockets = network.requests = "silence"
    error = program.ask()
    assert (type(error), error.code, network.time) == (NetworkError, "ETIMEDOUT", 3)
    assert error.message == f"no session with {URL}: the time was up before it could be sent"


def test_with_which_scheduler_there_was_nothing_when_the_time_was_up() -> None:
    network, program = asking("silence", timeout=3)
    error = program.ask()
    assert (error.code, network.time) == ("ETIMEDOUT", 3)
    assert error.message.startswith(f"no session with {SCHEDULER}: the time was up")


def test_who_breaks_connections_before_there_is_a_session() -> None:
    network, program = started("websocket", timeout=0.25)
    call = program.call()
    while "= connected" not in program.notes:
        network.steps()[0]()
    network.cut()
    error = program.finish(call)
    assert type(error) is NetworkError
    assert error.message == (
        f"no connection to {URL} (1 attempt): {URL} broke the connection: the WebSocket was closed"
    )


# Services that ask to be left alone.


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("status", [429, 503])
def test_who_asks_to_be_left_alone_is_left_alone(transport: str | None, status: int) -> None:
    network, program = started(transport, connect_timeout=60)
    network.websockets = network.requests = busy("7", status)
    call = program.call()
    network.run(6.99)
    assert len(network.kinds()) == 1
    network.run(0.01)
    network.let_arrive()
    assert len(network.kinds()) == 2
    network.websockets = network.requests = "works"
    assert program.finish(call) == 1
    assert network.time == 14


def test_who_lets_poll_may_ask_to_be_left_alone() -> None:
    network, program = started(connect_timeout=60)
    network.websockets, network.requests = HTTPResponse(404), busy("7")
    call = program.call()
    network.run(6.99)
    assert network.kinds() == ["websocket", "polling"]
    network.requests = "works"
    assert program.finish(call) == 1
    assert (network.time, network.kinds()) == (7, ["websocket", "polling"] * 2)


def test_a_short_wait_does_not_shorten_the_own_ones() -> None:
    network, program = started("websocket", connect_timeout=60)
    network.websockets = busy("1")
    program.call()
    times = []
    for count in range(1, 6):
        network.run(until=lambda: len(network.wanted) == count)  # noqa: B023 # it is called at once
        times.append(network.time)
    assert times == [0, 1, 2.5, 6, 13.5]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_session_that_was_there_leaves_it_alone_likewise(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.websockets = network.requests = busy("7")
    network.cut()
    call = program.call()
    network.run(6.99)
    assert len(network.kinds()) == 2
    network.websockets = network.requests = "works"
    assert program.finish(call) == 2
    assert (network.time, len(network.kinds())) == (7, 3)


def test_who_asks_so_in_the_middle_of_polling_is_left_alone() -> None:
    network, program = started("polling")
    program.ask()
    network.requests = busy("7")
    call = program.call()
    network.run(6.99)
    assert "= disconnected: the server answered with the HTTP status 503" in program.notes
    assert network.kinds() == ["polling"]
    network.requests = "works"
    assert program.finish(call) == 2
    assert (network.time, network.kinds()) == (7, ["polling", "polling"])
    assert network.acted_on["group 2"] == 1


@pytest.mark.parametrize("transport", BOTH)
def test_a_wait_that_is_too_long_for_who_waits_is_told_at_once(transport: str | None) -> None:
    network, program = started(transport)
    network.websockets = network.requests = busy("11")
    error = program.ask()
    assert (type(error), error.code, network.time) == (NetworkError, "EBUSY", 0)
    assert error.message.startswith(f"{URL} answered with HTTP status 503 in place of ")
    assert error.message.endswith("; it asks to come back later (Retry-After: '11')")
    assert len(network.kinds()) == 1
    network.websockets = network.requests = "works"
    assert program.ask() == 2


def test_a_wait_that_is_too_long_is_measured_from_the_first_attempt() -> None:
    network, program = started("websocket")
    network.websockets = RESET
    call = program.call()
    network.run(5.4)
    network.websockets = busy("5")
    error = program.finish(call)
    assert (error.code, network.time) == ("EBUSY", 5.5)
    assert error.message.startswith(f"{URL} answered with HTTP status 503")


def test_a_wait_that_is_not_too_long_is_waited_for() -> None:
    network, program = started("websocket")
    network.websockets = busy("10")
    call = program.call()
    network.run(9.9)
    assert call not in program.ended
    error = program.finish(call)
    assert (error.code, network.time) == ("EBUSY", 10)


def test_who_has_no_end_of_time_waits_but_not_for_hours() -> None:
    network, program = started("websocket", connect_timeout=None, timeout=None)
    network.websockets = busy("99999")
    call = program.call()
    network.run(299)
    assert len(network.kinds()) == 1
    network.websockets = "works"
    assert program.finish(call) == 1
    assert network.time == 300


def test_a_session_that_was_there_is_not_given_up_for_a_long_wait() -> None:
    network, program = started("websocket", idle_timeout=None)
    program.ask()
    network.websockets = busy("100")
    network.cut()
    network.let_arrive()
    error = program.ask()
    assert (error.code, network.time) == ("EBUSY", 60)
    assert error.message.startswith(f"no connection to {URL} (")
    assert "(Retry-After: '100')" in error.message
    network.websockets = "works"
    assert program.ask() == 3
    assert network.time == 100
    assert len(network.service.target) == 1


@pytest.mark.parametrize("asked", ["soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_who_does_not_say_for_how_many_seconds_is_asked_again_as_ever(asked: str) -> None:
    network, program = started("websocket")
    network.websockets = busy(asked)
    call = program.call()
    network.run(0.5)
    network.websockets = "works"
    assert program.finish(call) == 1
    assert network.time == 2


# The end of a connection.


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("heard_there", [True, False])
def test_a_connection_that_is_lost_is_replaced_within_the_session(
    transport: str, heard_there: bool
) -> None:
    network, program = started(transport)
    program.ask()
    network.service.answers = False
    call = program.call()
    network.let_arrive()
    network.cut(heard_there=heard_there)
    network.let_arrive()
    network.service.answer()
    assert program.finish(call) == 2
    assert network.acted_on["group 2"] == 1
    assert network.kinds() == [transport, transport]
    assert program.graces[0] == 0


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_connection_that_is_dead_unheard_is_replaced_within_a_call(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    network.cut(heard_here=False, heard_there=False)
    network.run(1)
    assert program.ask() == 2
    assert network.time <= 22
    assert program.graces[0] == 0  # no goodbye would arrive
    assert network.acted_on["group 2"] == 1


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_goodbye_has_a_second(transport: str) -> None:
    network, program = started(transport)
    program.ask()
    program.close()
    network.let_arrive()
    assert program.graces == [1.0]
    assert len(network.service.target) == 0
    assert program.notes[-1] == "= disconnected: goodbye"


def test_a_later_status_is_the_end_of_a_connection_and_not_of_the_session() -> None:
    network, program = started("polling")
    program.ask()
    network.requests = HTTPResponse(404)
    call = program.call()
    network.let_arrive()
    assert "= disconnected: the server answered with the HTTP status 404" in program.notes
    network.requests = "works"
    assert program.finish(call) == 2
    assert network.acted_on["group 2"] == 1


def amend_once(network: Network, what: bytes, more: bytes) -> None:
    """The next body with something in it has something more."""

    def amend(body: bytes) -> bytes:
        if what not in body:
            return body
        network.service.amend = lambda body: body
        return body + more

    network.service.amend = amend


# Engine.IO's close; Socket.IO's goodbye before it.
GOODBYES = [b"\x1e1", b"\x1e41\x1e1"]


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("what", [rb"type\":\"response", rb"type\":\"ack"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_connection_may_end_in_one_body_with_a_message(
    goodbye: bytes, what: bytes, is_first: bool
) -> None:
    network, program = started("polling")
    if not is_first:
        program.ask()
    amend_once(network, what, goodbye)
    assert program.ask() == len(program.calls)
    network.run(5)
    assert "= disconnected: goodbye" in program.notes
    assert program.ask() == len(program.calls)
    assert max(network.acted_on.values()) == 1
    assert network.kinds() == ["polling", "polling"]


@pytest.mark.parametrize("goodbye", GOODBYES)
def test_a_connection_may_end_in_one_body_with_the_last_ack(goodbye: bytes) -> None:
    network, program = started("polling")
    program.ask()
    amend_once(network, rb"type\":\"ack", goodbye)
    program.close()
    network.run(until=lambda: program.client.is_over)
    assert network.time == 0
    assert program.live == []


@pytest.mark.parametrize("goodbye", GOODBYES)
def test_a_connection_may_end_in_one_body_with_the_close_of_the_session(goodbye: bytes) -> None:
    network, program = started("polling")
    program.ask()
    amend_once(network, b"close", goodbye)
    network.service.target.close_all(network.now)
    network.service.pump()
    network.run(3)
    assert program.live == []
    assert program.ask() == 2
    assert network.kinds() == ["polling", "polling"]


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("text", ["{}", seal(SERVICE, '{"type":"nonsense"}')])
def test_a_connection_may_end_in_one_body_with_what_ends_more(text: str, goodbye: bytes) -> None:
    network, program = started("polling")
    program.ask()
    nonsense = b'\x1e42["message",' + json.dumps(text).encode() + b"]"
    amend_once(network, b"response", nonsense + goodbye)
    assert program.ask() == 2
    network.run(3)
    assert program.ask() == 3
    assert max(network.acted_on.values()) == 1


@pytest.mark.parametrize("transport", BOTH)
def test_who_closes_while_connecting_waits_for_nothing(transport: str | None) -> None:
    network, program = started(transport)
    network.websockets = network.requests = "silence"
    program.call()
    network.run(1)
    program.close()
    assert program.client.is_over
    assert program.live == []
    assert program.graces == [0]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_what_is_told_of_a_connection_that_has_ended_says_nothing(transport: str) -> None:
    network, program = started(transport)
    call = program.call()
    lines = program.live
    network.websockets = network.requests = HTTPResponse(503)
    network.let_arrive()
    assert all(line.is_over for line in lines)
    before = (len(network.wanted), len(program.notes), program.client.next_deadline())
    for line in lines:
        connection = line.connection
        if isinstance(connection, RequestConnection):
            (request,) = [
                each.request for each in program.events if isinstance(each, RequestWanted)
            ]
            for status in (200, 503):
                connection.receive_response(request, HTTPResponse(status), program.now)
            connection.request_failed(request, FINAL[0], program.now)
        else:
            connection.refused(HTTPResponse(404), program.now)
            connection.failed(FINAL[0], program.now)
            connection.receive_message("0{}", program.now)
            connection.closed(program.now)
    program.turn()
    assert before == (len(network.wanted), len(program.notes), program.client.next_deadline())
    network.websockets = network.requests = "works"
    assert program.finish(call) == 1


# A scheduler.


def asking(answer: Outcome, **options: Any) -> tuple[Network, Program]:
    network = Network()
    network.scheduler = answer
    return network, Program(network, None, scheduler=SCHEDULER, **options)


def test_the_scheduler_is_asked_first_and_once() -> None:
    network, program = asking(published(URL))
    assert program.ask() == 1
    assert network.kinds() == ["scheduler", "websocket"]
    assert network.wanted[0] == "https://scheduler.example.org/etc/dcp-config.kvin?ver=2.1.0"
    (lookup,) = [each for each in program.events if isinstance(each, RequestWanted)]
    assert 100_000 < lookup.connection.response_size < 10_000_000
    assert program.graces == [0]
    network.cut()
    assert program.ask() == 2
    network.run(60)
    assert program.ask() == 3
    assert network.kinds() == ["scheduler", "websocket", "websocket", "websocket"]
    assert f"= the service is at {URL}" in program.notes


def test_the_service_is_polled_where_the_scheduler_says() -> None:
    network, program = asking(published(URL), transport="polling")
    assert program.ask() == 1
    assert network.kinds() == ["scheduler", "polling"]


@pytest.mark.parametrize(
    "answer", [*FINAL, HTTPResponse(404), HTTPResponse(301), HTTPResponse(200), published("ftp:")]
)
def test_a_scheduler_that_will_not_tell(answer: Outcome) -> None:
    network, program = asking(answer)
    error = program.ask()
    assert isinstance(error, ProtocolError) or error.code in [each.code for each in FINAL]
    assert network.time == 0
    assert network.kinds() == ["scheduler"]
    network.scheduler = published(URL)
    assert program.ask() == 2


@pytest.mark.parametrize("answer", [RESET, HTTPResponse(503), "silence"])
def test_a_scheduler_that_may_tell_later(answer: Outcome) -> None:
    network, program = asking(answer)
    call = program.call()
    network.run(5)
    assert call not in program.ended
    network.scheduler = published(URL)
    assert program.finish(call) == 1
    assert network.kinds() == ["scheduler"] * (len(network.kinds()) - 1) + ["websocket"]


def test_a_scheduler_that_never_tells() -> None:
    network, program = asking(RESET)
    error = program.ask()
    assert error.message == f"no connection to {SCHEDULER} (4 attempts): nobody listens"
    assert (error.code, network.time) == ("ECONNREFUSED", 10)


def test_a_scheduler_that_is_silent() -> None:
    network, program = asking("silence")
    error = program.ask()
    assert "did not answer in time" in error.message
    assert network.time == 10


# Whatever a peer says.

packets = st.one_of(
    st.text(),
    st.sampled_from(["1", "2", "3", "6", "40", "41", "40{}", "42", "0", "0{}", "b", "\x1e", "5"]),
    st.sampled_from([
        '0{"sid":"abc","upgrades":[],"pingInterval":10100,"pingTimeout":60010,"maxPayload":99}',
        '40{"sid":"def"}',
        '44{"message":"no\\n"}',
        '42["message","0{}"]',
    ]),
    st.text().map(lambda text: f'42["message",{json.dumps(text)}]'),
)  # fmt: skip


@pytest.mark.parametrize("transport", BOTH)
@given(data=st.data())
@settings(max_examples=60)
def test_nothing_that_a_peer_says_raises_and_the_next_call_succeeds(
    transport: str | None, data: st.DataObject
) -> None:
    network, program = started(transport)
    if data.draw(st.booleans(), "there was a session"):
        program.ask()
    call = program.call()
    for _ in range(data.draw(st.integers(1, 8), "steps")):
        for line in program.live:
            connection = line.connection
            if not isinstance(connection, RequestConnection):
                connection.receive_message(data.draw(packets, "packet"), program.now)
            elif line.exchanges:
                exchange = data.draw(st.sampled_from(line.exchanges), "request")
                body = data.draw(st.binary() | st.lists(packets).map("\x1e".join).map(encoded))
                status = data.draw(st.sampled_from([200, 200, 200, 404, 503]), "status")
                exchange.answered(HTTPResponse(status, (), body))
            line.arrive_down()
            program.turn()
        if data.draw(st.booleans(), "go on"):
            network.run(data.draw(st.sampled_from([0.1, 1.0]), "seconds"))
        assert all("\n" not in note for note in program.notes)
    outcome = program.finish(call)
    assert outcome == len(program.calls) or isinstance(
        outcome, NetworkError | ProtocolError | OutcomeUnknown
    )
    assert network.acted_on[f"group {len(program.calls)}"] <= 1
    network.cut()
    assert program.ask() == len(program.calls)
    program.abort()
    ends = [each for each in program.events if isinstance(each, CallEnded | ConnectionEnded)]
    assert len(ends) == len(program.calls) + len(network.kinds())


def encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
