"""The server's part in one connection: its upgrade, its heartbeat, its end, its caps."""

from __future__ import annotations

import pytest

from cg_core.errors import NetworkError, ProtocolError
from cg_core.framing import socketio
from cg_core.framing.client import target
from cg_core.framing.connection import Closed, Event, Opened, TextReceived
from cg_core.framing.http import HTTPRequest, HTTPResponse
from cg_core.framing.limits import Limits
from tests.core.framing.links import ServerSide


class Visitor(ServerSide):
    """A client made by hand, request by request."""

    def __init__(self, **settings: int) -> None:
        super().__init__(Limits(**settings))
        self.sid = ""
        assert self.poll().startswith('0{"sid":"id0"')
        self.sid = "id0"

    def where(self, transport: str = "polling") -> str:
        return target("/", transport, sid=self.sid)

    def poll(self) -> str:
        """The body that a poll brings at once, or "(waits)"."""
        number = self.request(HTTPRequest("GET", self.where()))
        return self.body_of(number)

    def body_of(self, number: int) -> str:
        return self.answered[number].body.decode() if number in self.answered else "(waits)"

    def post(self, body: str) -> HTTPResponse:
        return self.answered[self.request(HTTPRequest("POST", self.where(), (), body.encode()))]

    def probe(self, key: str) -> HTTPResponse | None:
        request = HTTPRequest("GET", self.where("websocket"))
        return self.server.accept_websocket(key, request, self.now)

    def say(self, key: str, *messages: str) -> list[str]:
        """What a WebSocket has to say after this."""
        for message in messages:
            self.server.receive_message(key, message, self.now)
            self.pump()
        said = self.server.messages_to_send(key)
        self.pump()
        return said

    def wait(self, until: float) -> None:
        self.now = until
        self.server.handle_timeout(until)
        self.pump()

    def is_known(self) -> bool:
        return self.post("6").status == 200


def opened(**settings: int) -> Visitor:
    """A visitor whose connection is open, and has nothing to hear."""
    visitor = Visitor(**settings)
    visitor.post("40")
    assert visitor.poll().startswith('40{"sid":"id1"}\x1e42["message","E0000P{')
    assert visitor.at_server == [Opened()]
    return visitor


def error_of(events: list[Event]) -> object:
    """The class of the error with which the last event closes."""
    assert isinstance(events[-1], Closed)
    return type(events[-1].error)


MESSAGE = f"4{socketio.message('{}')}"


# The upgrade.


def test_a_poll_that_waits_is_let_go_when_the_probe_comes_and_no_later_one_waits() -> None:
    visitor = opened()
    assert visitor.poll() == "(waits)"
    assert visitor.probe("ws") is None
    assert visitor.body_of(max(visitor.requests)) == "(waits)"
    assert visitor.say("ws", "2probe") == ["3probe"]
    assert visitor.body_of(max(visitor.requests)) == "6"
    assert visitor.poll() == "6"


def test_texts_go_by_polling_until_the_last_packet_of_the_upgrade_and_then_by_websocket() -> None:
    visitor = opened()
    visitor.probe("ws")
    assert visitor.say("ws", "2probe") == ["3probe"]
    visitor.send_from_server("{1}")
    assert visitor.say("ws") == []
    assert visitor.poll() == f"4{socketio.message('{1}')}"
    visitor.send_from_server("{2}")
    assert visitor.say("ws", "5") == [f"4{socketio.message('{2}')}"]
    visitor.send_from_server("{3}")
    assert visitor.say("ws", MESSAGE) == [f"4{socketio.message('{3}')}"]
    assert visitor.at_server == [Opened(), TextReceived("{}")]


def test_after_the_upgrade_polling_has_no_place() -> None:
    visitor = opened()
    visitor.probe("ws")
    visitor.say("ws", "2probe", "5")
    assert '"code":3' in visitor.poll()
    assert visitor.post(MESSAGE).status == 400
    refusal = visitor.probe("again")
    assert refusal is not None
    assert refusal.status == 400
    assert visitor.at_server == [Opened()]


def test_one_probe_at_a_time() -> None:
    visitor = opened()
    assert visitor.probe("ws") is None
    refusal = visitor.probe("again")
    assert refusal is not None
    assert refusal.status == 400


def test_other_methods_have_no_place() -> None:
    visitor = opened()
    for method in ("PUT", "HEAD", "DELETE"):
        number = visitor.request(HTTPRequest(method, visitor.where()))
        assert visitor.answered[number].status == 400
    post = HTTPRequest("POST", visitor.where("websocket"))
    refusal = visitor.server.accept_websocket("ws", post, 0.0)
    assert refusal is not None
    assert refusal.status == 400
    assert visitor.at_server == [Opened()]


@pytest.mark.parametrize(
    "said",
    [["5"], ["2"], ["40"], ["2probe", "2probe"], ["2probe", "6"], ["2probe", MESSAGE], [""], ["9"]],
    ids=str,
)
def test_a_probe_that_says_something_else_is_closed_and_polling_goes_on(said: list[str]) -> None:
    visitor = opened()
    visitor.probe("ws")
    assert visitor.say("ws", *said) == []
    assert visitor.ended == {"ws"}
    assert visitor.poll() == "(waits)"
    visitor.post(MESSAGE)
    assert visitor.at_server == [Opened(), TextReceived("{}")]
    assert visitor.say("ws", "2probe", MESSAGE) == []  # its key means nothing any more
    assert visitor.probe("another") is None


@pytest.mark.parametrize("said", [[], ["2probe"]], ids=str)
def test_a_probe_has_ten_seconds(said: list[str]) -> None:
    visitor = opened()
    visitor.probe("ws")
    visitor.say("ws", *said)
    assert visitor.server.next_deadline() == 10.0
    visitor.wait(9.9)
    assert visitor.ended == set()
    visitor.wait(10.0)
    assert visitor.ended == {"ws"}
    assert visitor.poll() == "(waits)"
    visitor.wait(10.1)
    assert visitor.body_of(max(visitor.requests)) == "2"


def test_a_probe_has_its_time_whatever_else_is_due() -> None:
    visitor = opened()
    visitor.wait(9.9)
    visitor.probe("ws")
    visitor.say("ws", "2probe")
    visitor.wait(10.1)  # a ping is due
    assert visitor.say("ws", "5") == ["2"]
    assert visitor.ended == set()


def test_a_probe_that_is_closed_is_forgotten() -> None:
    visitor = opened()
    visitor.probe("ws")
    visitor.say("ws", "2probe")
    visitor.server.websocket_closed("ws")
    visitor.pump()
    assert visitor.ended == set()
    assert visitor.poll() == "(waits)"
    assert visitor.at_server == [Opened()]


def test_a_probe_does_not_inherit_the_answer_to_another() -> None:
    visitor = opened()
    visitor.probe("ws")
    visitor.server.receive_message("ws", "2probe", 0.0)
    visitor.server.websocket_closed("ws")
    assert visitor.probe("another") is None
    assert visitor.say("another") == []


def test_a_probe_ends_with_its_connection() -> None:
    visitor = opened()
    visitor.probe("ws")
    visitor.post("1")
    assert visitor.ended == {"ws"}


# The heartbeat.


def test_a_ping_goes_after_each_interval_and_must_be_answered() -> None:
    visitor = opened()
    assert visitor.server.next_deadline() == 10.1
    assert visitor.poll() == "(waits)"
    visitor.wait(10.0)
    assert visitor.body_of(max(visitor.requests)) == "(waits)"
    visitor.wait(10.1)
    assert visitor.body_of(max(visitor.requests)) == "2"
    assert visitor.server.next_deadline() == pytest.approx(10.1 + 60.01)
    visitor.now = 12.0
    assert visitor.post("3").status == 200
    assert visitor.server.next_deadline() == pytest.approx(22.1)
    visitor.wait(22.1)
    assert visitor.at_server == [Opened()]
    assert visitor.poll() == "2"
    visitor.wait(22.1 + 60.02)
    assert error_of(visitor.at_server) is NetworkError
    assert visitor.server.next_deadline() is None
    assert not visitor.is_known()


def test_a_connection_must_open_in_time() -> None:
    visitor = Visitor()
    for time in (10.1, 20.0, 45.0):
        assert visitor.at_server == []
        visitor.wait(time)
    assert error_of(visitor.at_server) is NetworkError
    assert not visitor.is_known()


# The end.


def test_a_websocket_that_ends_is_a_connection_lost() -> None:
    visitor = ServerSide()
    assert (
        visitor.server.accept_websocket(1, HTTPRequest("GET", target("/", "websocket")), 0) is None
    )
    visitor.server.receive_message(1, "40", 0.0)
    visitor.server.websocket_closed(1)
    visitor.server.websocket_closed(1)
    visitor.pump()
    assert visitor.at_server[0] == Opened()
    assert error_of(visitor.at_server) is NetworkError
    assert visitor.ended == set()
    assert visitor.server.messages_to_send(1) == []


def test_a_websocket_on_which_no_ping_is_answered_is_closed() -> None:
    visitor = Visitor()
    visitor.server.accept_websocket("ws", HTTPRequest("GET", target("/", "websocket")), 0.0)
    visitor.server.receive_message("ws", "40", 0.0)
    visitor.wait(10.1)
    visitor.wait(80.0)
    assert visitor.ended == {"ws"}
    assert error_of(visitor.at_server) is NetworkError


def test_what_comes_before_the_namespace_breaks_the_protocol_by_websocket_too() -> None:
    visitor = ServerSide()
    visitor.server.accept_websocket("ws", HTTPRequest("GET", target("/", "websocket")), 0.0)
    visitor.server.messages_to_send("ws")
    visitor.server.receive_message("ws", MESSAGE, 0.0)
    visitor.pump()
    assert error_of(visitor.at_server) is ProtocolError
    assert visitor.ended == set()
    assert visitor.server.messages_to_send("ws") == ["6", "1"]
    visitor.pump()
    assert visitor.ended == {"ws"}
    assert visitor.server.next_deadline() is None


def test_what_comes_before_the_namespace_is_told_to_the_next_poll_and_forgotten() -> None:
    visitor = Visitor()
    visitor.post(MESSAGE)
    assert error_of(visitor.at_server) is ProtocolError
    assert visitor.is_known()
    assert visitor.poll() == "6\x1e1"
    assert not visitor.is_known()
    assert visitor.server.next_deadline() is None


def test_a_client_that_breaks_the_protocol_is_told_goodbye_and_has_seven_seconds() -> None:
    visitor = opened()
    assert visitor.poll() == "(waits)"
    waiting = max(visitor.requests)
    visitor.post('42["message","x"]')
    assert error_of(visitor.at_server) is ProtocolError
    assert visitor.body_of(waiting) == "41"
    assert visitor.post(MESSAGE).body == b"ok"
    assert len(visitor.at_server) == 2
    assert visitor.poll() == "(waits)"
    waiting = max(visitor.requests)
    assert visitor.server.next_deadline() == 7.0
    visitor.wait(7.0)
    assert visitor.body_of(waiting) == "1"
    assert not visitor.is_known()


def test_an_unreadable_body_ends_a_connection_at_once() -> None:
    for body in (b"\xff", b"40\x1e", b"9"):
        visitor = opened()
        number = visitor.request(HTTPRequest("POST", visitor.where(), (), body))
        assert visitor.answered[number].body == b"ok"
        assert error_of(visitor.at_server) is ProtocolError
        assert not visitor.is_known()


def test_a_poll_whose_client_went_away_ends_its_connection() -> None:
    visitor = opened()
    assert visitor.poll() == "(waits)"
    waiting = max(visitor.requests)
    for _ in range(2):
        visitor.server.request_cancelled(waiting)
        visitor.pump()
    assert waiting not in visitor.answered
    assert error_of(visitor.at_server) is NetworkError
    assert not visitor.is_known()


def test_a_request_that_was_answered_cannot_be_cancelled() -> None:
    visitor = opened()
    visitor.server.request_cancelled(max(visitor.answered))
    assert visitor.is_known()


def test_texts_and_goodbyes_to_whom_is_not_there_go_nowhere() -> None:
    visitor = opened()
    visitor.server.send("nobody", "{}")
    visitor.server.close("nobody", 0.0)
    visitor.server.receive_message("nobody", MESSAGE, 0.0)
    visitor.server.websocket_closed("nobody")
    assert visitor.server.messages_to_send("nobody") == []
    assert visitor.server.next_event() is None


# Caps.


def test_a_body_that_is_too_large_is_refused_and_ends_the_connection() -> None:
    visitor = opened(body_size=300)
    assert visitor.post("6" * 301).status == 413
    assert error_of(visitor.at_server) is ProtocolError
    assert not visitor.is_known()


def test_a_body_may_be_as_large_as_the_cap() -> None:
    visitor = opened(body_size=300)
    assert visitor.post("6".ljust(300)).status == 200
    assert visitor.is_known()


def test_an_answer_to_a_poll_has_no_more_than_fits() -> None:
    visitor = opened(body_size=300)
    for number in range(3):
        visitor.send_from_server(f"{{{number}{'é' * 60}")
    assert [visitor.poll().count("message") for _ in range(2)] == [2, 1]


def test_a_client_that_does_not_read_is_dropped_before_its_queue_grows() -> None:
    visitor = opened(queue_size=1_000)
    for _ in range(9):
        visitor.send_from_server("{" + 100 * "a")
    assert error_of(visitor.at_server) is NetworkError
    assert not visitor.is_known()


def test_a_goodbye_that_does_not_fit_into_the_queue_ends_the_connection_at_once() -> None:
    visitor = opened(queue_size=1_000)
    visitor.send_from_server("{".ljust(1_000 - 2 - len(socketio.message("")), "a"))
    assert visitor.at_server == [Opened()]
    visitor.server.close("id0", 0.0)
    visitor.pump()
    assert error_of(visitor.at_server) is NetworkError
    assert not visitor.is_known()


def test_the_queue_is_as_long_as_what_waits_in_it() -> None:
    visitor = opened(queue_size=1_000)
    for _ in range(30):
        visitor.send_from_server("{" + 100 * "a")
        visitor.poll()
    visitor.probe("ws")
    visitor.say("ws", "2probe", "5")
    for _ in range(30):
        visitor.send_from_server("{" + 100 * "a")
        visitor.say("ws")
    assert visitor.at_server == [Opened()]


def test_beyond_the_cap_a_handshake_is_told_when_to_come_again() -> None:
    visitor = Visitor(connections=1)
    for transport in ("polling", "websocket"):
        request = HTTPRequest("GET", target("/", transport))
        if transport == "polling":
            response = visitor.answered[visitor.request(request)]
        else:
            refused = visitor.server.accept_websocket("ws", request, 0.0)
            assert refused is not None
            response = refused
        assert response.status == 503
        assert dict(response.headers)["Retry-After"] == "10"
    visitor.post("1")
    visitor.sid = ""
    assert visitor.poll().startswith("0{")
