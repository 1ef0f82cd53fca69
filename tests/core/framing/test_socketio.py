"""Socket.IO packets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_core import ProtocolError
from cg_core.ecmascript_json import parse, stringify
from cg_core.framing import engineio
from cg_core.framing.socketio import (
    Packet,
    PacketType,
    decode_packet,
    encode_packet,
    message,
    message_text,
)
from tests.golden import DATA, golden

RESERVED = (
    "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"
)  # fmt: skip

any_text = st.text(st.characters())  # with lone surrogates
# As parse gives them: halves of a pair are one character, numbers are doubles.
joined_text = any_text.map(lambda text: json.loads(stringify(text)))
numbers = (st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)).map(
    lambda number: parse(stringify(number))
)
values = st.recursive(
    st.none() | st.booleans() | numbers | joined_text,
    lambda inner: st.lists(inner) | st.dictionaries(joined_text, inner),
    max_leaves=10,
)
objects = st.dictionaries(joined_text, values)
names = (joined_text | st.just("message")).filter(lambda name: name not in RESERVED) | numbers
events = st.builds(lambda name, rest: [name, *rest], names, st.lists(values, max_size=3))
namespaces = st.just("/") | st.text(st.characters(exclude_characters=",?")).map("/{}".format)
ids = st.none() | st.integers(0, 10**15 - 1)
counts = st.integers(0, 10**9)
packets = st.one_of(
    st.builds(Packet, st.just(PacketType.CONNECT), st.none() | objects, namespaces, ids),
    st.builds(Packet, st.just(PacketType.DISCONNECT), st.none(), namespaces, ids),
    st.builds(Packet, st.just(PacketType.CONNECT_ERROR), objects | joined_text, namespaces, ids),
    st.builds(Packet, st.just(PacketType.EVENT), events, namespaces, ids),
    st.builds(Packet, st.just(PacketType.ACK), st.lists(values), namespaces, ids),
    st.builds(Packet, st.just(PacketType.BINARY_EVENT), events, namespaces, ids, counts),
    st.builds(Packet, st.just(PacketType.BINARY_ACK), st.lists(values), namespaces, ids, counts),
)
BINARY = (PacketType.BINARY_EVENT, PacketType.BINARY_ACK)

ODD = {
    '42["message",{"a":1}]': "not a string",
    '42["message",5]': "not a string",
    '42["message"]': "no argument",
    '42["hello","x"]': "another event",
    '451-["message",{"_placeholder":true,"num":0}]': "binary",
}
RECORDED = [entry["text"][1:] for entry in golden("framing")["packets"] if entry["text"][0] == "4"]
TRANSCRIPTS = sorted((DATA / "transcripts").glob("*.jsonl"))


@pytest.fixture(scope="module")
def python_socketio() -> Any:
    """An implementation by others (python-socketio)."""
    return pytest.importorskip("socketio.packet")


@given(packets)
def test_a_packet_comes_back_from_its_text(packet: Packet) -> None:
    assert decode_packet(encode_packet(packet)) == packet


@given(packets)
def test_others_read_the_same_packet(python_socketio: Any, packet: Packet) -> None:
    theirs = python_socketio.Packet(encoded_packet=encode_packet(packet))
    assert theirs.packet_type == int(packet.type.value)
    assert (theirs.namespace or "/") == packet.namespace
    assert theirs.id == packet.id
    assert theirs.attachment_count == packet.attachments
    assert stringify(theirs.data) == stringify(packet.data)


@given(packets)
def test_others_write_the_same_packet(python_socketio: Any, packet: Packet) -> None:
    assume(packet.type not in BINARY)  # they count attachments, and there are none
    theirs = python_socketio.Packet(
        int(packet.type.value), packet.data, packet.namespace, packet.id, binary=False
    )
    assert decode_packet(theirs.encode()) == Packet(
        packet.type,
        None if packet.data is None else parse(json.dumps(packet.data)),
        packet.namespace,
        packet.id,
    )


@given(
    st.lists(
        st.sampled_from(
            [*"0123456", "51-", "/", "/a", ",", "12", "[", "]", '"message"', '"x"', "{}", "null"]
        )
    ).map("".join)
    | any_text
)
def test_any_text_is_a_packet_or_a_protocol_error(text: str) -> None:
    try:
        packet = decode_packet(text)
    except ProtocolError:
        return
    again = encode_packet(packet)
    assert encode_packet(decode_packet(again)) == again
    message_text(packet)


@pytest.mark.parametrize("text", RECORDED)
def test_recorded_packets_are_written_as_they_were_read(text: str) -> None:
    if text == '42["disconnect"]':
        with pytest.raises(ProtocolError, match="does not fit"):  # so did the official parser
            decode_packet(text)
    else:
        assert encode_packet(decode_packet(text)) == text


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_recorded_sessions_are_written_as_they_were_read(path: Any) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record.get("kind") != "packet":
            continue
        packet = engineio.decode_packet(record["data"])
        if packet.type is engineio.PacketType.MESSAGE and packet.data != '42["disconnect"]':
            assert encode_packet(decode_packet(packet.data)) == packet.data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "x",
        "\u0662[]",
        "2",
        "2[]",
        "2{}",
        "2null",
        "2[null]",
        "2[true]",
        "2[[]]",
        '2["x"',
        '2["x"]]',
        '2["x"] x',
        "2NaN",
        "2[NaN]",
        "0null",
        "0[]",
        '0"x"',
        "1{}",
        "1null",
        "3",
        "3{}",
        "4",
        "4[]",
        "4null",
        '5["x"]',
        '5-["x"]',
        '51["x"]',
        "6[]",
        '21-["x"]',
        "2" + "9" * 16 + '["x"]',
        "5" + "9" * 16 + '-["x"]',
        *(f'2["{name}"]' for name in RESERVED),
    ],
)
def test_what_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_packet(text)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(PacketType.CONNECT)),
        ('0{"sid":"a"}', Packet(PacketType.CONNECT, {"sid": "a"})),
        ("0/other,", Packet(PacketType.CONNECT, namespace="/other")),
        ("0/other", Packet(PacketType.CONNECT, namespace="/other")),
        ("0/,", Packet(PacketType.CONNECT)),
        ('4"no"', Packet(PacketType.CONNECT_ERROR, "no")),
        ('2/a,7["x"]', Packet(PacketType.EVENT, ["x"], "/a", 7)),
        ("2[5]", Packet(PacketType.EVENT, [5])),
        ("2[5.5]", Packet(PacketType.EVENT, [5.5])),
        ("30[]", Packet(PacketType.ACK, [], id=0)),
        ('512-/a,7["x"]', Packet(PacketType.BINARY_EVENT, ["x"], "/a", 7, 12)),
        ("60-[]", Packet(PacketType.BINARY_ACK, [])),
    ],
)
def test_the_parts_of_a_packet(text: str, packet: Packet) -> None:
    assert decode_packet(text) == packet


# --- the event "message"


@given(any_text)
def test_a_string_comes_back_from_its_event(text: str) -> None:
    assert message(text) == encode_packet(Packet(PacketType.EVENT, ["message", text]))
    assert message_text(decode_packet(message(text))) == json.loads(stringify(text))


@given(packets)
def test_only_an_event_message_with_a_string_is_heard(packet: Packet) -> None:
    heard = (
        packet.type is PacketType.EVENT
        and packet.namespace == "/"
        and isinstance(packet.data, list)
        and packet.data[0] == "message"
        and len(packet.data) > 1
        and isinstance(packet.data[1], str)
    )
    assert (message_text(packet) is not None) == heard


@pytest.mark.parametrize("text", ODD, ids=ODD.values())
def test_what_the_official_target_ignores_is_ignored(text: str) -> None:
    assert message_text(decode_packet(text[1:])) is None


def test_further_arguments_and_a_wish_for_an_acknowledgement_are_ignored() -> None:
    assert message_text(decode_packet('20["message","Tx",{"more":1}]')) == "Tx"


def test_another_namespace_is_ignored() -> None:
    assert message_text(decode_packet('2/other,["message","Tx"]')) is None


def test_a_cut_pair_is_written_as_javascript_writes_it() -> None:
    assert message("a\ud83d") == '2["message","a\\ud83d"]'
    assert message("\U0001f600") == '2["message","\U0001f600"]'


def test_a_repr_does_not_show_the_data() -> None:
    assert "eh1-" not in repr(decode_packet('2["message","eh1-"]'))


# --- hostile peers


@pytest.mark.parametrize(
    "text",
    [
        '2["message",' + "[" * 1_000_000,
        "2" + "[" * 1_000_000 + "]" * 1_000_000,
        "0" + '{"a":' * 500_000,
        "2" + "9" * 1_000_000,
        "5" + "9" * 1_000_000 + "-",
        "2/" + "a" * 1_000_000,
        '2["' + "\\u0000" * 500_000,
    ],
    ids=range(7),
)
def test_a_hostile_packet_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_packet(text)


def test_what_is_no_message_is_short() -> None:
    short, long = (f'0{{"a":"{"x" * length}"}}' for length in (9_992, 9_993))
    assert decode_packet(short).type is PacketType.CONNECT
    with pytest.raises(ProtocolError, match="too much data"):
        decode_packet(long)


def test_a_huge_number_is_no_number() -> None:
    assert message_text(decode_packet('2["message",' + "9" * 9_000 + "]")) is None


@given(st.text('"\\,]ua0\n', max_size=8))
def test_an_event_that_is_soon_read_is_read_as_any_other(rest: str) -> None:
    text = f'["message","{rest}'
    try:
        data = json.loads(text)
    except ValueError:
        with pytest.raises(ProtocolError):
            decode_packet(f"2{text}")
    else:
        assert decode_packet(f"2{text}").data == data
