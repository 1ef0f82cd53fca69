"""What a peer may make us do and hold, and what nobody even reads; counted, not timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs
import pytest

from cg_backends.random_text import random_text
from cg_core import (
    Busy,
    Identity,
    JobId,
    ListJobs,
    ProtocolError,
    to_operation,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.framing import Limits, socketio
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.sealed import seal, unseal
from cg_core.service import ServiceLimits
from cg_core.session import Instant, Target
from cg_core.session.authorization import authorized, proved_addresses
from cg_core.session.message_texts import payload_text
from cg_core.session.messages import Request, RequestPayload, from_body
from cg_core.signatures import Signature
from tests.core.remote.network import CLIENT
from tests.core.service.network import Network, Program, Served
from tests.security.test_exhaustion import PEER, adding_to, body, piece

NOW: Final = Instant(0.0, 1.8e9)


# What is not even looked at.


@contextmanager
def nobody_reads() -> Iterator[None]:
    """Within it, parsing or printing JSON is a failure."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("parse", "stringify"):
            for module in ("sealed", "framing.socketio", "session.messages"):
                owner = f"cg_core.{module}.{name}"
                patch.setattr(owner, _fail, raising=False)
        yield


def _fail(*_: object, **__: object) -> object:
    raise AssertionError("it was read")


def nested(length: int) -> str:
    """What takes the longest to read: a microsecond for each of its characters."""
    return f"[{','.join(['[' * 99 + ']' * 99] * (length // 199))}]"


def test_a_long_text_that_nobody_has_signed_is_not_read() -> None:
    text = seal(PEER, "{}")[:-3] + nested(100_000) + "}"
    with nobody_reads(), pytest.raises(ProtocolError, match="not signed by its owner"):
        unseal(text)
    signed = seal(PEER, stringify(parse(nested(100_000))))
    assert stringify(unseal(signed).body) == nested(100_000)


def test_a_long_text_with_two_readings_is_refused_though_it_is_signed() -> None:
    with pytest.raises(ProtocolError, match="two readings"):
        unseal(seal(PEER, f'{{"a":1.0,"b":"{"x" * 30_000}"}}'))


def test_a_stranger_begins_with_a_short_text() -> None:
    target = Target(Identity(b"\2" * 32), random_text)
    target.transport_opened("link", NOW)
    with nobody_reads():
        target.receive("link", seal(PEER, f'["{"x" * 10_000}"]'), NOW)
    assert target.next_event() is not None  # it was dropped


def test_a_large_packet_that_is_no_message_is_not_read() -> None:
    with nobody_reads(), pytest.raises(ProtocolError, match="too much data"):
        socketio.decode_packet(f'2["other",{nested(20_000)}]')


@pytest.mark.parametrize("cut", [False, True])
def test_a_text_of_too_many_values_is_not_given(cut: bool) -> None:
    limits = Limits(message_values=100)
    text = '{"a":[' + ",".join("1" * 99) + "]}"
    assert text.count(",") + text.count("[") + text.count("{") == 100

    def heard(text: str) -> list[str]:
        transport = DCPTransport(limits)
        if not cut:
            return transport.receive(text)
        transport.receive(piece(0, 2, text[:50]))
        return transport.receive(piece(1, 2, text[50:]))

    assert heard(text) == [text]
    with pytest.raises(ProtocolError, match="101 values came where 100 are taken"):
        heard(text.replace("[", "[0,"))


def test_a_service_takes_fewer_than_it_gives() -> None:
    assert ServiceLimits().connections.message_values < Limits().message_values
    longest = to_operation(adding_to(2_400), "a session")
    text = stringify(longest.data)
    assert 10 * sum(map(text.count, ",[{")) <= ServiceLimits().connections.message_values


@pytest.mark.parametrize("grants", [16, 17])
def test_more_grants_than_anybody_needs_prove_nothing(grants: int) -> None:
    payload = RequestPayload(operation="x", allow=(), validity=None)
    given, auth = authorized(
        payload, resource=PEER, guardian=CLIENT.address, accessor=CLIENT.address
    )
    allow = given.allow * grants
    text = payload_text(attrs.evolve(given, allow=allow))
    signature = Signature.of(PEER, text)
    request = Request(
        id="1", payload=attrs.evolve(given, allow=allow), auth=dict.fromkeys(auth, signature)
    )
    proved = proved_addresses(request, guardian=CLIENT.address, accessor=CLIENT.address)
    assert proved == (frozenset({PEER.address}) if grants <= 16 else frozenset())


# What is kept.


@pytest.mark.parametrize("member", ["id", "dcpsid", "ackToken", "nonce"])
def test_names_that_are_kept_are_short(member: str) -> None:
    from_body(body(**{member: "x" * 255}))
    with pytest.raises(ProtocolError, match="255"):
        from_body(body(**{member: "x" * 256}))


@pytest.mark.parametrize("member", ["dcpsid", "token", "nonce", "messageId"])
def test_names_in_an_ack_are_short(member: str) -> None:
    ack: Any = {"type": "ack", "dcpsid": "a", "token": "b", "nonce": "c", "messageId": "d"}
    from_body(ack | {member: "x" * 255})
    with pytest.raises(ProtocolError, match="255"):
        from_body(ack | {member: "x" * 256})


# What is done for one caller.


def ten_calls() -> tuple[Served, Program]:
    """A service of which a caller may ask ten at once, and then one each second."""
    network = Network(ServiceLimits(calls_per_second=1.0, calls_at_once=10))
    return network.served, Program(network, transport=None)


def test_a_call_counts_for_as_many_as_it_names_groups() -> None:
    _, program = ten_calls()
    assert type(program.ask(adding_to(8))) is not Busy
    assert type(program.ask(adding_to(3))) is Busy
    assert type(program.ask(adding_to(2))) is not Busy
    assert type(program.ask()) is Busy


def test_a_call_of_more_groups_than_calls_may_come_at_once_can_be_made() -> None:
    _, program = ten_calls()
    assert type(program.ask(adding_to(30))) is not Busy


def test_a_long_answer_counts_for_many_calls() -> None:
    served, program = ten_calls()
    served.gives(tuple(JobId(f"{number:022}") for number in range(1_000)))
    assert type(program.ask(ListJobs("farm"))) is not Busy
    error = program.ask(ListJobs("farm"))
    assert type(error) is Busy
    assert CLIENT.address in error.message
