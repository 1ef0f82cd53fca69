"""The rules of a session, one by one, and peers that break them (wire.md, Session)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from cg_core import (
    ClientClosed,
    Identity,
    NetworkError,
    Operation,
    OutcomeUnknown,
    ProtocolError,
)
from cg_core.ecmascript_json import stringify
from cg_core.sealed import seal, unseal
from cg_core.session import (
    Event,
    Instant,
    RandomIdentifiers,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    Role,
    Session,
    SessionClosed,
    SessionOpened,
    Settings,
    State,
    TransportDropped,
    TransportWanted,
)
from tests.core.session.link import body_of

CLIENT, SERVICE, STRANGER = (Identity(bytes([number]) * 32) for number in (1, 2, 3))


def at(seconds: float) -> Instant:
    return Instant(seconds, 1_800_000_000 + seconds)


def operation(_: str) -> Operation:
    return Operation("test", {})


def events_of(session: Session) -> list[Event]:
    return list(iter(session.next_event, None))


def state_of(session: Session) -> State:
    """Where it stands now: a type checker takes it that an attribute is what it was."""
    return session.state


class Pair:
    """Both ends of a session; what is said goes from one to the other by hand."""

    def __init__(
        self, settings: Settings | None = None, *, client_settings: Settings | None = None
    ) -> None:
        numbers = itertools.count()
        self.random_text: Callable[[], str] = lambda: f"{next(numbers):021}"
        self.client = Session(
            Role.INITIATOR,
            CLIENT,
            RandomIdentifiers(Role.INITIATOR, self.random_text),
            client_settings,
        )
        self.target = Session(
            Role.TARGET, SERVICE, RandomIdentifiers(Role.TARGET, self.random_text), settings
        )
        self.said: list[str] = []
        self.lost: str | None = None  # what arrives nowhere, by what is in it
        self.heard: list[Event] = []
        self.asked: list[Event] = []

    def flow(self, now: Instant) -> None:
        moved = True
        while moved:
            moved = False
            for one, other in ((self.client, self.target), (self.target, self.client)):
                for transport, text in one.data_to_send(now):
                    moved = True
                    self.said.append(text)
                    if self.lost is None or self.lost not in text:
                        other.receive(transport, text, now)
            self.heard += events_of(self.client)
            self.asked += events_of(self.target)

    def connect(self) -> None:
        self.client.start(at(0))
        self.open("first", at(0))

    def open(self, transport: str, now: Instant) -> None:
        self.last = transport
        self.target.transport_opened(transport, now)
        self.client.transport_opened(transport, now)
        self.flow(now)

    def resume(self, now: Instant) -> None:
        """The last transport is lost, and there is another one."""
        self.cut(self.last, now)
        self.open(f"{self.last}, again", now)

    def cut(self, transport: str, now: Instant) -> None:
        self.client.transport_lost(transport, now)
        self.target.transport_lost(transport, now)
        self.heard += events_of(self.client)
        self.asked += events_of(self.target)


def connected(settings: Settings | None = None, *, client_settings: Settings | None = None) -> Pair:
    pair = Pair(settings, client_settings=client_settings)
    pair.connect()
    assert pair.client.state is pair.target.state is State.ESTABLISHED
    pair.heard.clear()
    pair.asked.clear()
    return pair


# Peers that sign what they must not say


def good(pair: Pair, **other: Any) -> dict[str, Any]:
    """A request that the target would take, but for what a test changes."""
    nonce = body_of(next(text for text in reversed(pair.said) if '"NNt' in text))["nonce"]
    return {
        "id": "hostile",
        "type": "request",
        "payload": {
            "operation": "x",
            "allow": [],
            "validity": {"stamp": "s", "ttl": 120, "time": 1_800_000_000},
        },
        "auth": {},
        "dcpsid": pair.client.session_id,
        "time": 1,
        "ackToken": "AT",
        "nonce": nonce,
    } | other


def member(pair: Pair, **other: Any) -> dict[str, Any]:
    body = good(pair, **other)
    return {name: body[name] for name in body if name not in ("ackToken", "nonce")}


BATCH: dict[str, Any] = {"type": "batch"}
HOSTILE: dict[str, tuple[str, Callable[[Pair], Any]]] = {
    "the wrong nonce": ("DCPC-1026", lambda pair: good(pair, nonce="NNt0")),
    "the first nonce again": ("DCPC-1026", lambda pair: good(pair, nonce=None)),
    "no ack token": ("DCPC-1026", lambda pair: without(good(pair), "ackToken")),
    "another session's id": ("EDCPSID", lambda pair: good(pair, dcpsid="another")),
    "no session's id": ("EDCPSID", lambda pair: without(good(pair), "dcpsid")),
    "another session's id in a batch": (
        "EDCPSID",
        lambda pair: good(pair, **BATCH, payload=[member(pair, dcpsid="another")]),
    ),
    "no type": ("EINVAL", lambda pair: without(good(pair), "type")),
    "an unknown type": ("EINVAL", lambda pair: good(pair, type="x")),
    "no object": ("EINVAL", lambda pair: [good(pair)]),
    "no payload": ("EINVAL", lambda pair: good(pair, payload=None)),
    "an ack of nothing": (
        "EINVAL",
        lambda pair: {"type": "ack", "dcpsid": pair.client.session_id, "token": "x", "nonce": "y"},
    ),
    "an answer to nothing": (
        "EINVAL",
        lambda pair: good(pair, type="response", success=True),
    ),
    "a second connect": ("EINVAL", lambda pair: good(pair, payload={"operation": "connect"})),
    "an id that is in use": (
        "EINVAL",
        lambda pair: good(pair, **BATCH, payload=[member(pair), member(pair)]),
    ),
    "a batch in a batch": (
        "EINVAL",
        lambda pair: good(pair, **BATCH, payload=[member(pair, **BATCH, payload=[])]),
    ),
    "a batch of too many": (
        "EINVAL",
        lambda pair: good(pair, **BATCH, payload=[member(pair, id=str(n)) for n in range(101)]),
    ),
    "jsonData that is none": (
        "EINVAL",
        lambda pair: good(pair, payload={"operation": "x", "jsonData": "{"}),
    ),
}


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in body.items() if member != name}


@pytest.mark.parametrize(("code", "say"), HOSTILE.values(), ids=HOSTILE)
def test_a_peer_that_breaks_the_rules_is_told_and_the_session_ends(
    code: str, say: Callable[[Pair], Any]
) -> None:
    pair = connected()
    pair.target.receive("first", seal(CLIENT, stringify(say(pair))), at(1))
    texts = [text for _, text in pair.target.data_to_send(at(1))]
    close = body_of(texts[-1])
    assert close["payload"]["operation"] == "close"
    assert close["payload"]["data"] == code
    assert pair.target.state is State.CLOSING
    pair.target.handle_timeout(at(1 + Settings().close_timeout))
    closed = events_of(pair.target)[-1]
    assert isinstance(closed, SessionClosed)
    assert isinstance(closed.error, ProtocolError)
    assert closed.error.code == code
    assert closed.error.__traceback__ is None
    assert closed.error.__context__ is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[" * 100_000,
        json.dumps({"owner": CLIENT.address, "signature": {}, "body": {}}, separators=(",", ":")),
        seal(STRANGER, '{"type":"ack","token":"x","nonce":"y"}'),
        seal(CLIENT, '{"type":"ack","token":"x","nonce":"y"}').replace('"x"', '"z"'),
    ],
    ids=["nothing", "no members", "deep", "no signature", "a stranger's", "altered"],
)
def test_to_a_text_that_is_not_the_peers_nothing_is_said(text: str) -> None:
    pair = connected()
    pair.target.receive("first", text, at(1))
    assert pair.target.data_to_send(at(1)) == []
    dropped, closed = events_of(pair.target)
    assert dropped == TransportDropped("first")
    assert isinstance(closed, SessionClosed)
    assert isinstance(closed.error, ProtocolError)
    assert pair.target.next_deadline() is None


STRANGE: dict[str, tuple[str, str]] = {
    "nothing": ("EINVAL", ""),
    "no members": ("EINVAL", "{}"),
    "altered": (
        "EINVAL",
        seal(SERVICE, '{"type":"ack","token":"x","nonce":"y"}').replace('"x"', '"z"'),
    ),
    "another's": ("EADDRCHANGE", seal(STRANGER, '{"type":"ack","token":"x","nonce":"y"}')),
    "our own": ("EADDRCHANGE", seal(CLIENT, '{"type":"ack","token":"x","nonce":"y"}')),
}
strange = pytest.mark.parametrize(("code", "text"), STRANGE.values(), ids=STRANGE)


def hear_on_candidates(pair: Pair, text: str, *names: str) -> None:
    """The initiator connects so often, to somebody who says this."""
    for name in names:
        pair.client.transport_opened(name, at(3))
        pair.client.data_to_send(at(3))  # its last ack
        pair.client.receive(name, text, at(3))
        assert pair.client.data_to_send(at(3)) == []


@strange
def test_a_text_that_is_not_the_targets_costs_an_initiator_its_transport_only(
    code: str, text: str
) -> None:
    pair = connected()
    done = pair.client.request(operation, at(1))
    pair.flow(at(1))
    on_its_way = pair.client.request(operation, at(2))
    ((_, lost),) = pair.client.data_to_send(at(2))
    pair.client.receive("first", text, at(2))
    assert pair.client.data_to_send(at(2)) == []  # nothing is said to it
    assert events_of(pair.client) == [TransportDropped("first"), TransportWanted()]
    assert state_of(pair.client) is State.INTERRUPTED
    pair.client.receive("first", text, at(2))  # was on its way
    waiting = pair.client.request(operation, at(2))
    pair.target.transport_lost("first", at(2))
    pair.open("second", at(3))
    assert lost in pair.said
    asked = [event.id for event in pair.asked if isinstance(event, RequestReceived)]
    assert asked == [done, on_its_way, waiting]
    for request in asked:
        pair.target.respond(request, 1)
    pair.flow(at(4))
    assert pair.heard == [ResponseReceived(request, True, 1) for request in asked]
    assert state_of(pair.client) is State.ESTABLISHED


@strange
def test_where_nobody_is_the_target_three_times_in_a_row_an_initiator_gives_up(
    code: str, text: str
) -> None:
    pair = connected()
    sent = pair.client.request(operation, at(1))
    pair.flow(at(1))
    pair.client.receive("first", text, at(2))
    unsent = pair.client.request(operation, at(2))
    hear_on_candidates(pair, text, "second")
    assert state_of(pair.client) is State.INTERRUPTED
    assert not any(isinstance(event, RequestFailed) for event in events_of(pair.client))
    hear_on_candidates(pair, text, "third")
    assert state_of(pair.client) is State.CLOSED
    assert pair.client.next_deadline() is None
    *_, not_done, unknown, closed = events_of(pair.client)
    assert isinstance(not_done, RequestFailed)
    assert (not_done.id, type(not_done.error)) == (unsent, ProtocolError)
    assert not_done.error.code == code
    assert isinstance(unknown, RequestFailed)
    assert (unknown.id, type(unknown.error)) == (sent, OutcomeUnknown)
    assert unknown.error.message == (
        f"the session ended before it was answered ({not_done.error.message}); it was acted on "
        "once or not at all: look before you repeat it"
    )
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert (closed.error.message, closed.error.code) == (not_done.error.message, code)


@strange
def test_what_is_not_the_targets_is_counted_anew_after_a_message_of_its(
    code: str, text: str
) -> None:
    pair = connected()
    for number in range(4):
        hear_on_candidates(pair, text, f"one {number}", f"two {number}")
        pair.resume(at(3))  # a keepalive is answered
        assert state_of(pair.client) is State.ESTABLISHED
    hear_on_candidates(pair, text, "one", "two", "three")
    assert state_of(pair.client) is State.CLOSED


def test_it_is_not_counted_anew_after_an_ack_which_anyone_may_repeat() -> None:
    pair = connected()
    pair.lost = '"type":"response"'
    for _ in range(2):
        pair.client.receive(pair.last, "{}", at(2))
        assert state_of(pair.client) is State.INTERRUPTED
        pair.resume(at(2))
        assert state_of(pair.client) is State.ESTABLISHED
    pair.client.receive(pair.last, "{}", at(2))
    assert state_of(pair.client) is State.CLOSED


def test_an_initiator_that_closes_goes_on_likewise_and_gives_up_likewise() -> None:
    for times, state in ((2, State.CLOSING), (3, State.CLOSED)):
        pair = connected()
        pair.client.request(operation, at(1))
        pair.flow(at(1))
        pair.client.close(at(2))
        hear_on_candidates(pair, "{}", *map(str, range(times)))
        assert state_of(pair.client) is state


@strange
def test_before_there_is_a_session_once_is_enough(code: str, text: str) -> None:
    pair = Pair()
    pair.client = Session(
        Role.INITIATOR,
        CLIENT,
        RandomIdentifiers(Role.INITIATOR, pair.random_text),
        peer=SERVICE.address,
    )
    pair.client.start(at(0))
    pair.client.transport_opened("first", at(0))
    pair.client.data_to_send(at(0))
    pair.client.receive("first", text, at(0))
    assert pair.client.data_to_send(at(0)) == []
    _, dropped, closed = events_of(pair.client)
    assert dropped == TransportDropped("first")
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.code == code


def test_what_the_program_around_takes_for_anothers_counts_likewise() -> None:
    fault = ProtocolError("too long", code="ELONG")
    pair = connected()
    pair.cut("first", at(1))
    pair.client.distrust(fault)
    hear_on_candidates(pair, "{}", "second")
    assert state_of(pair.client) is State.INTERRUPTED
    pair.client.distrust(fault)
    assert state_of(pair.client) is State.CLOSED
    *_, closed = events_of(pair.client)
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.code == "ELONG"
    pair.client.distrust(fault)
    assert events_of(pair.client) == []


def test_what_the_program_around_takes_for_anothers_is_enough_before_there_is_a_session() -> None:
    pair = Pair()
    pair.client.start(at(0))
    pair.client.distrust(ProtocolError("too long", code="ELONG"))
    *_, closed = events_of(pair.client)
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.code == "ELONG"


def test_who_shows_up_at_a_target_harms_nobody_however_often() -> None:
    pair = connected()
    for number in range(9):
        pair.target.transport_opened(str(number), at(1))
        pair.target.receive(str(number), "{}", at(1))
        assert events_of(pair.target) == [TransportDropped(str(number))]
    assert pair.target.state is State.ESTABLISHED


@pytest.mark.parametrize("say", [value[1] for value in HOSTILE.values()], ids=HOSTILE)
def test_who_says_such_things_on_a_new_transport_harms_nobody(say: Callable[[Pair], Any]) -> None:
    pair = connected()
    body = say(pair)
    if not isinstance(body, dict) or body.get("nonce") != good(pair)["nonce"]:
        pair.target.transport_opened("other", at(1))
        pair.target.receive("other", seal(CLIENT, stringify(body)), at(1))
        assert TransportDropped("other") in events_of(pair.target)
        assert pair.target.state is State.ESTABLISHED


def test_a_notification_is_acked_and_that_is_all() -> None:
    pair = connected()
    body = good(pair, type="notification", payload={"data": 1})
    pair.target.receive("first", seal(CLIENT, stringify(body)), at(1))
    ((_, ack),) = pair.target.data_to_send(at(1))
    assert body_of(ack)["type"] == "ack"
    assert events_of(pair.target) == []


def test_a_session_begins_with_connect() -> None:
    pair = Pair()
    pair.target.transport_opened("first", at(0))
    body = good_first(operation="keepalive")
    pair.target.receive("first", seal(CLIENT, stringify(body)), at(0))
    assert pair.target.data_to_send(at(0)) == []
    assert pair.target.state is State.CLOSED


def good_first(operation: str) -> Any:
    payload = {"operation": operation, "data": {"version": "5.3.0", "sid": "s"}}
    return {"id": "1", "type": "request", "payload": payload, "ackToken": "a", "nonce": None}


def test_an_initiator_takes_nothing_but_the_answer_to_its_connect() -> None:
    pair = Pair()
    pair.client.start(at(0))
    pair.client.transport_opened("first", at(0))
    pair.client.data_to_send(at(0))
    body = good_first("keepalive")
    pair.client.receive("first", seal(SERVICE, stringify(body)), at(0))
    assert pair.client.state is State.CLOSED
    assert pair.client.data_to_send(at(0)) == []


# What is refused


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"payload": {"version": "6.0.0", "operation": "connect"}}, "EVERSION"),
        ({"payload": {}}, "EVERSION"),
        ({"success": False, "payload": {"message": "^6.0.0", "code": "EVERSION"}}, "EVERSION"),
        ({"success": False, "payload": {"message": "no"}}, "ECONNREFUSED"),
        ({"dcpsid": "another"}, "EDCPSID"),
    ],
)
def test_who_is_refused_gets_no_request(change: dict[str, Any], code: str) -> None:
    """wire.md, Where the official peer is wrong, 5."""
    pair = Pair()
    pair.client.start(at(0))
    waiting = pair.client.request(operation, at(0))
    pair.target.transport_opened("first", at(0))
    pair.client.transport_opened("first", at(0))
    for transport, text in pair.client.data_to_send(at(0)):
        pair.target.receive(transport, text, at(0))
    ack, response = (text for _, text in pair.target.data_to_send(at(0)))
    pair.client.receive("first", ack, at(0))
    pair.client.receive("first", seal(SERVICE, stringify(body_of(response) | change)), at(0))
    ((_, last),) = pair.client.data_to_send(at(0))
    assert body_of(last)["type"] == "ack"
    dropped, failed, closed = events_of(pair.client)[1:]
    assert dropped == TransportDropped("first")
    assert isinstance(failed, RequestFailed)
    assert failed.id == waiting
    assert failed.error.code == code
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.code == code


def test_a_service_whose_address_has_changed_is_not_talked_to() -> None:
    pair = Pair()
    pair.client = Session(
        Role.INITIATOR,
        CLIENT,
        RandomIdentifiers(Role.INITIATOR, pair.random_text),
        peer=STRANGER.address,
    )
    pair.connect()
    closed = pair.heard[-1]
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.code == "EADDRCHANGE"
    assert closed.error.message == (
        f"the peer has the address {SERVICE.address}, and not {STRANGER.address} as expected; make "
        "sure that it is the right one, and connect anew"
    )
    assert pair.client.data_to_send(at(0)) == []


@pytest.mark.parametrize(
    ("validity", "code"),
    [
        (None, "EINVAL"),
        ({"stamp": "", "ttl": 120, "time": 1_800_000_000}, "EINVAL"),
        ({"stamp": "s", "ttl": 120, "time": 1_800_000_700}, "ETIMETRAVEL"),
        ({"stamp": "s", "ttl": 120, "time": 1_799_999_000}, "EEXPIRED"),
    ],
)
def test_a_request_that_is_not_good_now_is_answered_so(validity: Any, code: str) -> None:
    pair = connected()
    body = good(pair, payload={"operation": "x", "allow": [], "validity": validity})
    pair.target.receive("first", seal(CLIENT, stringify(body)), at(0))
    ack, answer = (body_of(text) for _, text in pair.target.data_to_send(at(0)))
    assert ack["type"] == "ack"
    assert not answer["success"]
    assert list(answer["payload"]) == ["message", "name", "code", "origin"]
    assert answer["payload"]["code"] == code
    assert events_of(pair.target) == []
    assert pair.target.state is State.ESTABLISHED


# Transports and time


def test_the_waits_between_attempts_to_connect() -> None:
    pair = Pair(client_settings=Settings(connect_timeout=10_000))
    pair.client.start(at(0))
    seconds, waits = 0.0, []
    for _ in range(8):
        assert events_of(pair.client) == [TransportWanted()]
        pair.client.transport_failed(at(seconds))
        due = pair.client.next_deadline()
        assert due is not None
        waits.append(due - seconds)
        seconds = due
        pair.client.handle_timeout(at(seconds))
    assert waits == [0.5, 1.5, 3.5, 7.5, 15.5, 29, 29, 29]


def test_no_session_within_the_time_for_it_fails_what_was_never_sent() -> None:
    pair = Pair()
    pair.client.start(at(0))
    waiting = pair.client.request(operation, at(0))
    pair.client.transport_failed(at(1))
    pair.client.handle_timeout(at(60))
    failed, closed = events_of(pair.client)[-2:]
    assert isinstance(failed, RequestFailed)
    assert failed.id == waiting
    assert type(failed.error) is NetworkError
    assert isinstance(closed, SessionClosed)
    pair.client.transport_failed(at(61))  # too late for anything
    pair.client.transport_opened("late", at(61))
    assert events_of(pair.client) == [TransportDropped("late")]
    assert pair.client.next_deadline() is None


def test_a_connect_whose_answer_is_lost_after_its_ack_is_said_again() -> None:
    """wire.md, Where the official peer is wrong, 4: the official client hangs for good."""
    pair = Pair()
    pair.client.start(at(0))
    pair.target.transport_opened("first", at(0))
    pair.client.transport_opened("first", at(0))
    ((_, connect),) = pair.client.data_to_send(at(0))
    pair.target.receive("first", connect, at(0))
    (_, ack), _ = pair.target.data_to_send(at(0))
    pair.client.receive("first", ack, at(0))
    due = pair.client.next_deadline()
    assert due == Settings().proof_timeout
    pair.client.handle_timeout(at(due))
    assert TransportDropped("first") in events_of(pair.client)
    pair.client.transport_opened("second", at(31))
    assert pair.client.data_to_send(at(31)) == [("second", connect)]


def test_a_message_without_an_ack_counts_the_transport_as_dead() -> None:
    pair = connected()
    asked = pair.client.request(operation, at(1))
    ((_, lost),) = pair.client.data_to_send(at(1))
    pair.client.handle_timeout(at(1 + Settings().ack_timeout))
    assert events_of(pair.client) == [TransportDropped("first"), TransportWanted()]
    assert pair.client.state is State.INTERRUPTED
    pair.target.transport_lost("first", at(122))
    pair.open("second", at(122))
    assert lost in pair.said
    received = [event for event in pair.asked if isinstance(event, RequestReceived)]
    assert [event.id for event in received] == [asked]


def test_no_transport_is_wanted_while_the_peer_is_to_be_left_alone() -> None:
    pair = Pair()
    pair.client.start(at(0))
    pair.client.hold_off(7, at(1))
    pair.client.transport_failed(at(1))
    assert events_of(pair.client) == [TransportWanted()]  # the first
    pair.client.handle_timeout(at(7.75))
    assert events_of(pair.client) == []
    pair.client.handle_timeout(at(8))
    assert events_of(pair.client) == [TransportWanted()]
    pair.client.transport_failed(at(8))
    assert pair.client.next_deadline() == 8 + 1.5  # as ever


def test_a_session_that_is_lost_is_not_resumed_while_the_peer_is_to_be_left_alone() -> None:
    pair = connected()
    pair.client.hold_off(7, at(1))
    pair.cut("first", at(2))
    assert pair.heard == []
    assert pair.client.next_deadline() == 8
    pair.client.handle_timeout(at(8))
    assert events_of(pair.client) == [TransportWanted()]


def test_signs_of_life_that_are_acked_and_never_given_do_not_pile_up() -> None:
    pair = connected(client_settings=Settings(most_abandoned=3))
    pair.lost = '"type":"response"'
    for number in range(5):
        assert pair.client.state is State.ESTABLISHED
        pair.resume(at(number))
    assert sum('"operation":"keepalive"' in text for text in pair.said) >= 4
    (closed,) = (event for event in pair.heard if isinstance(event, SessionClosed))
    assert isinstance(closed.error, ProtocolError)
    assert closed.error.message.endswith("the peer leaves too many requests unanswered")


def test_signs_of_life_that_are_given_are_not_counted() -> None:
    pair = connected(client_settings=Settings(most_abandoned=0))
    for number in range(20):
        pair.resume(at(number))
    assert pair.client.state is State.ESTABLISHED


def test_a_sign_of_life_that_is_given_late_is_not_counted_any_more() -> None:
    pair = connected(client_settings=Settings(most_abandoned=3))
    for _ in range(5):
        pair.lost = '"type":"response"'
        for number in range(3):
            pair.resume(at(number))
        pair.lost = None
        pair.resume(at(3))
        assert pair.client.state is State.ESTABLISHED


def test_who_connects_and_is_not_answered_is_told_so() -> None:
    pair = Pair()
    pair.client.start(at(0))
    pair.client.transport_opened("first", at(0))
    waiting = pair.client.request(operation, at(0))
    pair.client.data_to_send(at(0))
    pair.client.handle_timeout(at(60))
    *_, failed, closed = events_of(pair.client)
    assert isinstance(failed, RequestFailed)
    assert (failed.id, type(failed.error), failed.error.code) == (
        waiting,
        NetworkError,
        "ETIMEDOUT",
    )
    assert failed.error.message == (
        "there was a connection, and nobody answered DCP's connect; is this a DCP service?"
    )
    assert isinstance(closed, SessionClosed)


def test_who_never_had_a_connection_is_not_told_that_nobody_answered() -> None:
    pair = Pair()
    pair.client.start(at(0))
    pair.client.handle_timeout(at(60))
    *_, closed = events_of(pair.client)
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.message == "there was no connection to the peer for too long"


@pytest.mark.parametrize(("initiator", "seconds"), [(True, 7_200), (False, 7_300)])
def test_who_waits_too_long_for_the_other_gives_up(initiator: bool, seconds: float) -> None:
    pair = connected()
    asked = pair.client.request(operation, at(1))
    pair.flow(at(1))
    pair.cut("first", at(2))
    session = pair.client if initiator else pair.target
    session.handle_timeout(at(2 + seconds))
    events = events_of(session)
    assert isinstance(events[-1], SessionClosed)
    assert isinstance(events[-1].error, NetworkError)
    assert events[-1].error.message == "there was no connection to the peer for too long"
    if initiator:
        failed = events[-2]
        assert isinstance(failed, RequestFailed)
        assert failed.id == asked
        assert isinstance(failed.error, OutcomeUnknown)


def test_so_many_transports_may_be_unproved_and_the_oldest_goes() -> None:
    pair = connected(Settings(most_candidates=2))
    for name in ("a", "b", "c"):
        pair.target.transport_opened(name, at(1))
    assert events_of(pair.target) == [TransportDropped("a")]


# Requests and answers


def test_what_is_queued_goes_in_batches_of_at_most_a_hundred_without_waiting() -> None:
    pair = connected()
    for _ in range(205):
        pair.client.request(operation, at(1))
    pair.flow(at(1))
    batches = [body_of(text)["payload"] for text in pair.said if '"type":"batch"' in text]
    assert [len(batch) for batch in batches] == [100, 100, 5]
    assert sum(isinstance(event, RequestReceived) for event in pair.asked) == 205


def test_a_request_that_acts_for_another_travels_alone_and_is_proved() -> None:
    pair = connected()
    pair.client.request(operation, at(1))
    pair.client.request(operation, at(1), join_identity=STRANGER)
    pair.client.request(operation, at(1))
    pair.flow(at(1))
    assert not any('"type":"batch"' in text for text in pair.said)
    received = [event for event in pair.asked if isinstance(event, RequestReceived)]
    assert [event.joins_as for event in received] == [
        frozenset(),
        frozenset({STRANGER.address}),
        frozenset(),
    ]


def test_a_request_is_encoded_for_the_session_that_signs_it() -> None:
    pair = Pair()
    pair.client.start(at(0))
    sessions: list[str] = []

    def for_session(session_id: str) -> Operation:
        sessions.append(session_id)
        return Operation("test", {"salted with": session_id})

    pair.client.request(for_session, at(0))
    assert sessions == []
    pair.open("first", at(0))
    assert sessions == [pair.client.session_id]


def test_a_late_answer_is_dropped_and_the_session_goes_on() -> None:
    pair = connected()
    asked = pair.client.request(operation, at(1), deadline=5)
    pair.flow(at(1))
    pair.client.handle_timeout(at(5))
    (failed,) = events_of(pair.client)
    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, OutcomeUnknown)
    pair.target.respond(asked, 1)
    pair.flow(at(6))
    assert pair.heard == []
    assert pair.client.state is State.ESTABLISHED


def test_a_deadline_before_sending_fails_what_was_never_sent() -> None:
    pair = connected()
    pair.cut("first", at(1))
    asked = pair.client.request(operation, at(1), deadline=5)
    pair.client.handle_timeout(at(5))
    failed = events_of(pair.client)[-1]
    assert isinstance(failed, RequestFailed)
    assert (failed.id, failed.error.code) == (asked, "ETIMEDOUT")
    assert not pair.client.abandon(asked, at(6))


def test_a_peer_that_answers_nothing_is_given_up() -> None:
    pair = connected(client_settings=Settings(most_abandoned=2))
    asked = [pair.client.request(operation, at(1)) for _ in range(4)]
    pair.flow(at(1))
    assert [pair.client.abandon(request, at(2)) for request in asked[:3]] == [True] * 3
    failed = events_of(pair.client)[-1]
    assert isinstance(failed, RequestFailed)
    assert failed.id == asked[3]
    assert isinstance(failed.error, OutcomeUnknown)
    assert pair.client.state is State.CLOSING
    with pytest.raises(ClientClosed):
        pair.client.request(operation, at(2))


def test_a_peer_that_asks_too_much_waits_for_its_ack() -> None:
    pair = connected(Settings(most_unanswered=2))
    for _ in range(5):
        pair.client.request(operation, at(1), join_identity=STRANGER)  # each alone
    pair.flow(at(1))
    received = [event.id for event in pair.asked if isinstance(event, RequestReceived)]
    assert len(received) == 3  # the third gets no ack
    for request in received:
        pair.target.respond(request, 1)
    pair.flow(at(2))
    assert sum(isinstance(event, RequestReceived) for event in pair.asked) == 5
    assert sum(isinstance(event, ResponseReceived) for event in pair.heard) == 3


def test_a_peer_that_comes_back_ever_again_without_taking_its_answers_is_given_up() -> None:
    pair = connected(Settings(most_unanswered=1))
    session_id = pair.client.session_id
    nonce = good(pair)["nonce"]
    for number in range(12):
        transport = f"transport {number}"
        pair.target.transport_opened(transport, at(number))
        body = good(pair, id=str(number), nonce=nonce, payload={"operation": "keepalive"})
        pair.target.receive(transport, seal(CLIENT, stringify(body)), at(number))
        pair.target.data_to_send(at(number))
        if pair.target.state is not State.ESTABLISHED:
            break
        pair.target.transport_lost(transport, at(number))
        acks = [body_of(text) for _, text in pair.target.data_to_send(at(number))]
        pair.target.transport_opened(f"next {number}", at(number))
        acks += [body_of(text) for _, text in pair.target.data_to_send(at(number))]
        nonce = next((ack["nonce"] for ack in acks if ack.get("messageId") == str(number)), nonce)
    assert session_id is not None
    assert pair.target.state is State.CLOSING
    assert number < 12


# The end


def test_a_session_that_closes_waits_for_its_answers() -> None:
    pair = connected()
    asked = pair.client.request(operation, at(1))
    pair.flow(at(1))
    pair.client.close(at(2))
    pair.client.close(at(2))
    pair.flow(at(2))
    assert pair.heard == []
    pair.target.respond(asked, 1)
    pair.flow(at(3))
    response, dropped, closed = pair.heard
    assert response == ResponseReceived(asked, True, 1)
    assert (dropped, closed) == (TransportDropped("first"), SessionClosed(None))
    assert pair.target.state is State.CLOSED
    pair.client.close(at(4))


def test_a_session_that_closes_says_so_even_if_an_answer_does_not_come() -> None:
    pair = connected()
    asked = pair.client.request(operation, at(1))
    pair.flow(at(1))
    pair.client.close(at(2))
    pair.client.handle_timeout(at(2 + Settings().close_timeout))
    pair.target.respond(asked, 1)  # too late
    pair.flow(at(9))
    failed = pair.heard[0]
    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, OutcomeUnknown)
    assert pair.heard[-1] == SessionClosed(None)
    assert pair.target.state is State.CLOSED


def test_a_session_that_closes_without_a_peer_ends_all_the_same() -> None:
    pair = connected()
    pair.cut("first", at(1))
    waiting = pair.client.request(operation, at(1))
    pair.client.close(at(2))
    pair.client.keepalive(at(2))
    for seconds in (9, 16):
        pair.client.handle_timeout(at(seconds))
    events = events_of(pair.client)
    failed = next(event for event in events if isinstance(event, RequestFailed))
    assert failed.id == waiting
    assert isinstance(failed.error, ClientClosed)
    assert events[-1] == SessionClosed(None)


def test_a_session_that_was_never_there_closes_at_once() -> None:
    pair = Pair()
    pair.client.start(at(0))
    pair.client.close(at(0))
    assert events_of(pair.client) == [TransportWanted(), SessionClosed(None)]
    assert pair.client.data_to_send(at(0)) == []


@pytest.mark.parametrize("code", ["EINVAL", 5, None])
def test_a_peer_that_closes_for_a_reason_is_heard(code: Any) -> None:
    pair = connected()
    payload = {"operation": "close", "data": code}
    body = good(pair, **BATCH, payload=[member(pair, payload=payload)] * 2)
    pair.target.receive("first", seal(CLIENT, stringify(body)), at(1))
    ((_, ack),) = pair.target.data_to_send(at(1))
    assert body_of(ack)["type"] == "ack"
    closed = events_of(pair.target)[-1]
    assert isinstance(closed, SessionClosed)
    assert isinstance(closed.error, ProtocolError)


def test_an_answer_to_a_peer_that_broke_the_protocol_goes_nowhere() -> None:
    """The program that makes it need not know."""
    pair = connected()
    asked = pair.client.request(operation, at(1))
    pair.flow(at(1))
    hostile = seal(CLIENT, stringify(good(pair, nonce="wrong")))
    pair.target.receive("first", hostile, at(2))
    assert pair.target.state is State.CLOSING
    pair.target.respond(asked, {})
    assert '"type":"response"' not in "".join(text for _, text in pair.target.data_to_send(at(2)))


def test_a_session_ends_for_its_first_reason() -> None:
    pair = connected()
    for body in (good(pair, nonce="wrong"), good(pair, payload={"operation": "close", "data": 5})):
        pair.target.receive("first", seal(CLIENT, stringify(body)), at(1))
    (*_, closed) = events_of(pair.target)
    assert isinstance(closed, SessionClosed)
    assert closed.error is not None
    assert closed.error.code == "DCPC-1026"


def test_what_the_peer_asks_of_a_session_that_closes_is_not_done() -> None:
    pair = connected()
    pair.target.close(at(1))
    pair.client.request(operation, at(1))
    pair.flow(at(1))
    assert not any(isinstance(event, RequestReceived) for event in pair.asked)
    assert pair.client.state is pair.target.state is State.CLOSED
    assert isinstance(pair.heard[0], (RequestFailed, TransportDropped))


def test_a_keepalive_is_answered_and_nobody_is_told() -> None:
    pair = connected()
    pair.client.keepalive(at(1))
    pair.flow(at(1))
    assert pair.heard == pair.asked == []
    assert any('"payload":{"success":true}' in text for text in pair.said)


def test_a_peer_that_is_away_is_asked_for_no_sign_of_life() -> None:
    pair = connected()
    pair.cut("first", at(1))
    pair.client.keepalive(at(1))
    pair.open("second", at(2))
    said = sum(text.count('"operation":"keepalive"') for text in pair.said)
    assert said == 1, "that of the resume"


def test_the_loss_of_a_transport_that_was_dropped_is_no_news() -> None:
    pair = connected()
    due = pair.client.next_deadline()
    pair.client.transport_lost("dropped before", at(1))
    assert events_of(pair.client) == []
    assert pair.client.next_deadline() == due


def test_what_comes_over_a_transport_that_was_dropped_is_nothing() -> None:
    pair = connected()
    body = stringify(good(pair))
    pair.cut("first", at(1))
    text = seal(CLIENT, body)
    pair.target.receive("first", text, at(1))
    pair.target.receive_sealed("first", unseal(text), at(1))
    assert pair.target.data_to_send(at(1)) == []
    assert events_of(pair.target) == []


def test_a_request_proves_who_connected_as_well_as_an_ack() -> None:
    pair = Pair()
    pair.lost = '"type":"ack"'
    pair.connect()
    assert pair.target.state is State.CONNECTING
    pair.target.receive("first", seal(CLIENT, stringify(good(pair))), at(1))
    opened, received = events_of(pair.target)
    assert isinstance(opened, SessionOpened)
    without_data = Operation("x", None)
    assert received == RequestReceived("hostile", without_data, CLIENT.address, frozenset())


def test_both_ends_say_when_the_session_is_there() -> None:
    pair = Pair()
    pair.connect()
    assert isinstance(pair.client.session_id, str)
    assert SessionOpened(pair.client.session_id, SERVICE.address) in pair.heard
    assert pair.asked == [SessionOpened(pair.client.session_id, CLIENT.address)]
