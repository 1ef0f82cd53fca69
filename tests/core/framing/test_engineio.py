"""Engine.IO packets, payloads and the handshake."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cg_core import ProtocolError
from cg_core.framing.engineio import (
    Handshake,
    Packet,
    PacketType,
    decode_packet,
    decode_payload,
    encode_packet,
    encode_payload,
)
from cg_core.framing.limits import DEFAULT_LIMITS, Limits
from tests.golden import golden

any_text = st.text(st.characters())  # with lone surrogates
types = st.sampled_from(PacketType)
json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(json.dumps)
packets = st.builds(Packet, types, any_text | json_texts)
payload_packets = st.builds(
    Packet, types, st.text(st.characters(exclude_characters="\x1e")) | json_texts
)
payloads = st.lists(payload_packets, min_size=1)
numbers = st.integers(1, 10**12)
handshakes = st.builds(
    Handshake,
    any_text,
    st.lists(any_text).map(tuple),
    numbers.map(lambda milliseconds: milliseconds / 1000),
    numbers.map(lambda milliseconds: milliseconds / 1000),
    numbers,
)
RECORDED = [entry["text"] for entry in golden("framing")["packets"]]
HANDSHAKE: dict[str, Any] = {
    "sid": "s", "upgrades": [], "pingInterval": 10100, "pingTimeout": 60010, "maxPayload": 1000
}  # fmt: skip


@pytest.fixture(scope="module")
def python_engineio() -> Any:
    """An implementation by others (python-engineio)."""
    return pytest.importorskip("engineio.payload")


# --- packets


@given(packets)
def test_a_packet_comes_back_from_its_text(packet: Packet) -> None:
    assert decode_packet(encode_packet(packet)) == packet


@given(any_text)
def test_a_text_is_a_packet_if_it_begins_with_a_type(text: str) -> None:
    if text[:1] in set("0123456"):
        assert encode_packet(decode_packet(text)) == text
    else:
        with pytest.raises(ProtocolError, match="Engine"):
            decode_packet(text)


@pytest.mark.parametrize("text", ["", "7", "b", "bAAAA", "-1", "\u0661", " 4", '{"a":1}'])
def test_what_does_not_begin_with_a_type_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="digit from 0 to 6"):
        decode_packet(text)


@given(payloads)
def test_others_read_and_write_the_same_packets(
    python_engineio: Any, packets: list[Packet]
) -> None:
    class Payload(python_engineio.Payload):  # type: ignore[misc] # it has no types
        max_decode_packets = DEFAULT_LIMITS.payload_packets

    text = encode_payload(packets)
    theirs = Payload(encoded_payload=text).packets
    assert [packet.packet_type for packet in theirs] == [int(each.type.value) for each in packets]
    for their, our in zip(theirs, packets, strict=True):
        # It reads what looks like JSON.
        assert their.data == our.data or repr(their.data) == repr(json.loads(our.data))
    parts = [python_engineio.packet.Packet(int(each.type.value), each.data) for each in packets]
    assert python_engineio.Payload(parts).encode() == text


@pytest.mark.parametrize("text", RECORDED)
def test_recorded_packets_are_written_as_they_were_read(text: str) -> None:
    assert encode_packet(decode_packet(text)) == text


def test_a_repr_does_not_show_the_data() -> None:
    assert "eh1-" not in repr(decode_packet("42eh1-"))


# --- payloads


@given(payloads)
def test_packets_come_back_from_their_payload(packets: list[Packet]) -> None:
    assert decode_payload(encode_payload(packets), DEFAULT_LIMITS) == tuple(packets)


@given(payloads, st.data())
def test_binary_packets_are_left_out(packets: list[Packet], data: st.DataObject) -> None:
    texts = [encode_packet(packet) for packet in packets]
    for at in data.draw(st.lists(st.integers(0, len(texts)))):
        texts.insert(at, "bAAAA")
    assert decode_payload("\x1e".join(texts), DEFAULT_LIMITS) == tuple(packets)


@given(st.text(st.sampled_from("0123456789b\x1e\x1e{}x\ud800")) | any_text)
def test_any_body_gives_packets_or_a_protocol_error(text: str) -> None:
    try:
        packets = decode_payload(text, DEFAULT_LIMITS)
    except ProtocolError:
        return
    assert encode_payload(packets) == "\x1e".join(
        part for part in text.split("\x1e") if part[0] != "b"
    )


def test_a_body_has_as_many_packets_as_allowed() -> None:
    limits = Limits(payload_packets=3)
    assert len(decode_payload("2\x1e2\x1e2", limits)) == 3
    with pytest.raises(ProtocolError, match="more than 3 packets"):
        decode_payload("2\x1e2\x1e2\x1e2", limits)
    with pytest.raises(ProtocolError, match="more than 1000 packets"):
        decode_payload("\x1e" * 4_000_000, DEFAULT_LIMITS)


def test_a_packet_is_as_long_as_allowed() -> None:
    limits = Limits(packet_length=3)
    assert len(decode_payload("4ab\x1e4ab", limits)) == 2
    with pytest.raises(ProtocolError, match="longer than 3"):
        decode_payload("2\x1e4abc", limits)


# --- the handshake


@given(handshakes)
@example(Handshake("s", (), 1.001, 1.001, 1))  # 1000.9999999999999 milliseconds
def test_a_handshake_comes_back_from_its_text(handshake: Handshake) -> None:
    # A lone half beside its other half is one character when it comes back.
    joined = json.loads(json.dumps(attrs.asdict(handshake)))
    expected = Handshake(**{**joined, "upgrades": tuple(joined["upgrades"])})
    assert Handshake.decode(handshake.encode()) == expected


def test_recorded_handshakes_are_written_as_they_were_read() -> None:
    recorded = [text[1:] for text in RECORDED if text.startswith("0")]
    assert len(recorded) == 2
    for text in recorded:
        handshake = Handshake.decode(text)
        assert handshake.encode() == text
        assert (handshake.ping_interval, handshake.ping_timeout) == (10.1, 60.01)


def test_a_server_that_says_no_payload_size_takes_a_million_bytes() -> None:
    del (handshake := dict(HANDSHAKE))["maxPayload"]
    assert Handshake.decode(json.dumps(handshake)).max_payload == 1_000_000


@pytest.mark.parametrize("member", ["pingInterval", "pingTimeout", "maxPayload"])
@pytest.mark.parametrize("value", ["0", "-1", "1e400", "null", "true", '"5"'])
def test_a_handshake_has_positive_numbers(member: str, value: str) -> None:
    text = json.dumps({**HANDSHAKE, member: "HERE"}).replace('"HERE"', value)
    with pytest.raises(ProtocolError):
        Handshake.decode(text)


@given(any_text | json_texts)
def test_any_handshake_is_one_or_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        Handshake.decode(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"sid":' * 100_000, "9" * 1_000_000])
def test_a_hostile_handshake_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        Handshake.decode(text)
