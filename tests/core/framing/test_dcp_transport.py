"""DCP's transport: announcements, pieces, acks."""

from __future__ import annotations

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cg_core import ProtocolError
from cg_core.framing import engineio, socketio
from cg_core.framing.dcp_transport import DCPTransport
from cg_core.framing.limits import Limits
from tests.golden import DATA, golden

CASES = golden("framing")["transport"]
TRANSCRIPTS = [
    path
    for path in sorted((DATA / "transcripts").glob("*.jsonl"))
    if not path.stem.startswith("n")  # made by hand, and wrong on purpose
]
ANNOUNCEMENT = (
    'E0000P{"canOoo":true,"canAck":true,"wantsConcat":true,"wantsAck":false,'
    '"rxMaxFragmentSize":300000,"rxMaxFragmentCount":0,"pingInterval":10100,"hasAnnounced":true}'
)

characters = st.sampled_from(["a", "é", "漢", "\U0001f600", "\ud83d", "\ude00"]) | st.characters()
# What begins with "{" may also go whole; the rest is anything.
sealed_texts = st.text(characters).map("{{{}".format)
sizes = st.integers(1, 12)


def units(text: str) -> list[int]:
    """The text as JavaScript holds it."""
    data = text.encode("utf-16-le", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2)]


def as_received(text: str) -> str:
    """The text, with the halves of a pair made one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def sender(size: float, count: int = 0, **more: object) -> DCPTransport:
    """An end that knows what its peer takes."""
    transport = DCPTransport()
    members = {"rxMaxFragmentSize": size, "rxMaxFragmentCount": count, **more}
    assert transport.receive("E0000P" + json.dumps(members)) == []
    transport.strings_to_send()
    return transport


def strings(size: int, *texts: str) -> list[list[str]]:
    """The strings in which each text is sent."""
    transport = sender(size)
    sent = []
    for text in texts:
        transport.send(text)
        sent.append(transport.strings_to_send())
    return sent


def piece(header: str, payload: str = "x") -> str:
    return f"E{len(header):04x}C{header}{payload}"


def part(msg_id: int, seq: int, total: int, payload: str = "x") -> str:
    return piece(json.dumps({"msgId": msg_id, "seq": seq, "total": total}), payload)


# --- sending


def test_the_announcement_comes_first_and_once() -> None:
    transport = DCPTransport()
    transport.send("{}")
    assert transport.strings_to_send() == [ANNOUNCEMENT, "{}"]
    assert transport.strings_to_send() == []


def test_the_announcement_says_how_long_a_piece_may_be() -> None:
    (announcement,) = DCPTransport(Limits(fragment_length=7)).strings_to_send()
    assert '"rxMaxFragmentSize":7,"rxMaxFragmentCount":0,' in announcement


@given(sealed_texts, sizes)
@example("{\U0001f600", 2)
def test_a_text_is_cut_as_javascript_cuts_it(text: str, size: int) -> None:
    whole = units(text)
    ((*sent,),) = strings(size, text)
    if len(whole) <= size:
        assert sent == [text]
        return
    total = -(-len(whole) // size)
    for seq, string in enumerate(sent):
        header = f'{{"msgId":2,"seq":{seq},"total":{total}}}'
        assert string.startswith(f"E{len(header):04x}C{header}")
        assert units(string[6 + len(header) :]) == whole[seq * size : (seq + 1) * size]
    assert len(sent) == total


@given(st.lists(sealed_texts), sizes)
def test_texts_that_were_cut_are_joined_again(texts: list[str], size: int) -> None:
    receiver = DCPTransport()
    received = [
        text
        for sent in strings(size, *texts)
        for string in sent
        for text in receiver.receive(string)
    ]
    assert [as_received(text) for text in received] == [as_received(text) for text in texts]


def test_before_the_announcement_a_peer_takes_a_hundred_pieces_of_a_million() -> None:
    transport = DCPTransport()
    transport.send("{" * 1_000_000)
    transport.send("{" * 1_000_001)
    announcement, whole, first, second = transport.strings_to_send()
    assert (announcement, len(whole)) == (ANNOUNCEMENT, 1_000_000)
    assert [len(first), len(second)] == [6 + 29 + 1_000_000, 6 + 29 + 1]
    with pytest.raises(ProtocolError, match="needs 101 pieces"):
        transport.send("{" * 100_000_001)


@pytest.mark.parametrize(
    ("count", "taken"), [(0, 1000), (1, 1), (3, 3), (1000, 1000), (9999, 1000)]
)
def test_a_text_goes_in_as_many_pieces_as_the_peer_takes_or_not_at_all(
    count: int, taken: int
) -> None:
    transport = sender(10, count)
    transport.send("{" * 10 * taken)
    assert len(transport.strings_to_send()) == taken
    with pytest.raises(ProtocolError, match=f"needs {taken + 1} pieces of 10 characters"):
        transport.send("{" * (10 * taken + 1))
    assert transport.strings_to_send() == []
    transport.send("{" * 10)  # the connection goes on
    assert transport.strings_to_send() == ["{" * 10]


def test_a_peer_that_wants_no_pieces_gets_none() -> None:
    transport = sender(1, 1, wantsConcat=False)
    transport.send("{" * 1000)
    assert transport.strings_to_send() == ["{" * 1000]


def test_the_pieces_of_each_text_have_a_number_of_their_own() -> None:
    transport = sender(4)
    for text in ("{}", "{12345", "{12345"):
        transport.send(text)
    found = [re.findall('"msgId":([0-9]+)', string) for string in transport.strings_to_send()]
    assert found == [[], ["3"], ["3"], ["4"], ["4"]]


# --- receiving pieces


@given(st.lists(sealed_texts, max_size=5), sizes, st.randoms(use_true_random=False))
def test_texts_come_in_the_order_of_their_first_pieces_whatever_comes_between(
    texts: list[str], size: int, random: Any
) -> None:
    queue = [(at, string) for at, sent in enumerate(strings(size, *texts)) for string in sent]
    random.shuffle(queue)
    receiver = DCPTransport()
    order: list[int] = []
    missing = [[at for at, _ in queue].count(each) for each in range(len(texts))]
    delivered = 0
    for at, string in queue:
        if at not in order:
            order.append(at)
        missing[at] -= 1
        found = receiver.receive(string)
        due = []
        while delivered < len(order) and missing[order[delivered]] == 0:
            due.append(texts[order[delivered]])
            delivered += 1
        assert [as_received(text) for text in found] == [as_received(text) for text in due]
    assert delivered == len(texts)


@given(sealed_texts, sizes, st.data())
def test_a_piece_that_is_repeated_is_taken_once(text: str, size: int, data: st.DataObject) -> None:
    ((*sent,),) = strings(size, text)
    *earlier, last = sent
    again = data.draw(st.lists(st.sampled_from(earlier))) if earlier else []
    receiver = DCPTransport()
    assert [receiver.receive(string) for string in [*earlier, *again]] == [[]] * len(
        earlier + again
    )
    assert [as_received(each) for each in receiver.receive(last)] == [as_received(text)]


def test_a_repeated_piece_does_not_count_twice() -> None:
    receiver = DCPTransport(Limits(message_length=3, held_length=3))
    for _ in range(10):
        assert receiver.receive(part(1, 0, 2, "x")) == []
    assert receiver.receive(part(1, 1, 2, "yz")) == ["xyz"]


def test_the_halves_of_a_cut_pair_are_one_character_again() -> None:
    receiver = DCPTransport()
    assert receiver.receive(part(1, 1, 3, "")) == []
    assert receiver.receive(part(1, 2, 3, "\ude00b")) == []
    assert receiver.receive(part(1, 0, 3, "a\ud83d")) == ["a\U0001f600b"]


def test_a_finished_text_waits_for_an_older_one() -> None:
    receiver = DCPTransport()
    assert receiver.receive(part(1, 1, 2, "b")) == []
    assert receiver.receive("{}") == []
    assert receiver.receive(piece('{"msgId":"x","seq":0,"total":1}', "c")) == []
    assert receiver.receive("E0000O{ooo}") == ["{ooo}"]
    assert receiver.receive(part(1, 0, 2, "a")) == ["ab", "{}", "c"]


def test_nothing_is_held_of_a_text_that_was_delivered() -> None:
    receiver = DCPTransport(Limits(held_length=3, unfinished_messages=1))
    for payload in ("ab", "cd", "ef"):
        assert receiver.receive(part(1, 1, 2, payload[1])) == []
        assert receiver.receive(part(1, 0, 2, payload[0])) == [payload]
        assert receiver.receive("{}") == ["{}"]


def test_a_header_has_its_length_in_either_case_and_may_have_spaces() -> None:
    header = '{ "msgId": 1, "seq": 0,\n "total": 1, "x": "' + "x" * 127 + '"}'
    assert len(header) == 0xAC
    assert DCPTransport().receive(f"E00ACC{header}{{}}") == ["{}"]
    assert DCPTransport().receive(f"E00acC{header}{{}}") == ["{}"]


@pytest.mark.parametrize(
    "string", ["T", "Thello", "A", "A0000-ACK", "E0000Z", "E00ffZx", "E0000\n"]
)
def test_what_does_not_matter_is_ignored(string: str) -> None:
    assert DCPTransport().receive(string) == []


def test_an_out_of_order_text_may_have_a_header() -> None:
    assert DCPTransport().receive("E0003Oabc{}") == ["{}"]


WRONG = [
    "",
    "x",
    " {}",
    "e0000O{}",
    "[]",
    "\ud800",
    "E",
    "E0000",
    "E 1dC{}",
    "E+01dC{}",
    "Ezzzz{}",
    "E0003Cxyzrest",
    "E0000C{}",
    "E0000C",
    piece("{}"),
    piece("[]"),
    piece("null"),
    piece("[" * 0xFFFF),
    piece('{"msgId":1,"seq":0}'),
    piece('{"msgId":1,"total":1}'),
    piece('{"seq":0,"total":1}'),
    piece('{"msgId":1.5,"seq":0,"total":1}'),
    piece('{"msgId":1e400,"seq":0,"total":1}'),
    piece('{"msgId":null,"seq":0,"total":1}'),
    piece('{"msgId":[],"seq":0,"total":1}'),
    piece('{"msgId":1,"seq":"0","total":1}'),
    piece('{"msgId":1,"seq":false,"total":1}'),
    piece('{"msgId":1,"seq":0.0,"total":1}'),
    piece('{"msgId":1,"seq":0,"total":true}'),
    piece('{"msgId":1,"seq":0,"total":1e3}'),
    piece('{"msgId":1,"seq":0,"total":1' + "0" * 1000 + "}"),
    piece('{"msgId":"é","seq":0,"total":1}'),
    part(1, 0, 0),
    part(1, -1, 1),
    part(1, 1, 1),
    part(1, 2, 1),
    part(1, 0, 1001),
    part(1, 0, 1_000_000),
    part(1, 0, 2, "x" * 300_001),
    part(1, 0, 2, "\U0001f600" * 150_001),
    "{" * 10_000_001,
    "E0000O" + "{" * 10_000_001,
    "E0000P",
    "E0000P[]",
    "E0000P" + "[" * 1_000_000,
]


@pytest.mark.parametrize("string", WRONG, ids=lambda string: ascii(string[:40]))
def test_what_is_wrong_is_a_protocol_error(string: str) -> None:
    with pytest.raises(ProtocolError):
        DCPTransport().receive(string)


@pytest.mark.parametrize(
    ("strings", "match"),
    [
        ((part(1, 0, 2), part(1, 1, 3)), "disagree about their number"),
        ((part(1, 0, 2, "x"), part(1, 0, 2, "y")), "twice"),
    ],
)
def test_pieces_must_agree(strings: tuple[str, str], match: str) -> None:
    receiver = DCPTransport()
    receiver.receive(strings[0])
    with pytest.raises(ProtocolError, match=match):
        receiver.receive(strings[1])


prefixes = st.sampled_from(
    ["{", "E", "E0000P", "E0000O", "E001dC", "E0002C{}", part(1, 0, 2), part(1, 1, 2), "A", "T", ""]
)


@given(st.lists(st.tuples(prefixes, st.text(characters)).map("".join)))
def test_any_strings_give_texts_or_a_protocol_error(strings: list[str]) -> None:
    receiver = DCPTransport()
    for string in strings:
        try:
            receiver.receive(string)
        except ProtocolError:
            return


# --- limits


def test_a_message_is_as_long_as_allowed() -> None:
    limits = Limits(message_length=4, fragment_length=3)
    receiver = DCPTransport(limits)
    assert receiver.receive("{\U0001f600}") == ["{\U0001f600}"]
    assert receiver.receive("E0000O{\U0001f600}") == ["{\U0001f600}"]
    receiver.receive(part(1, 0, 3, "abc"))
    receiver.receive(part(1, 1, 3, "d"))
    with pytest.raises(ProtocolError, match="5 characters came where 4 are taken"):
        receiver.receive(part(1, 2, 3, "e"))
    with pytest.raises(ProtocolError, match="5 characters came where 4 are taken"):
        DCPTransport(limits).receive("{\U0001f600x}")
    with pytest.raises(ProtocolError, match="5 characters came where 4 are taken"):
        DCPTransport(limits).receive("E0000O{\U0001f600x}")


def test_so_much_is_held_as_allowed() -> None:
    receiver = DCPTransport(Limits(held_length=10))
    receiver.receive(part(1, 0, 2, "12345"))
    receiver.receive("{2345")
    assert receiver.receive(part(1, 1, 2, "")) == ["12345", "{2345"]
    receiver.receive(part(2, 0, 2, "12345"))
    receiver.receive("{2345")
    with pytest.raises(ProtocolError, match="11 characters came where 10"):
        receiver.receive(part(3, 0, 2, "x"))


def test_so_many_messages_are_unfinished_as_allowed() -> None:
    receiver = DCPTransport(Limits(unfinished_messages=2))
    receiver.receive(part(1, 0, 2))
    receiver.receive("{}")
    with pytest.raises(ProtocolError, match="2 messages are unfinished"):
        receiver.receive("{}")


def pieces_held(payload: str) -> int:
    """How many pieces are taken of a peer that finishes no message."""
    receiver = DCPTransport()
    for taken in range(1_000_000):
        message, seq = divmod(taken, 999)
        try:
            receiver.receive(part(message, seq, 1000, payload))
        except ProtocolError:
            return taken
    return 1_000_000


@pytest.mark.parametrize(
    ("length", "pieces"), [(0, 16 * 999), (1, 16 * 999), (300_000, 33), (12_000, 833)]
)
def test_a_peer_that_never_finishes_is_stopped_early(length: int, pieces: int) -> None:
    assert pieces_held("x" * length) == pieces


def test_many_tiny_pieces_take_little_memory() -> None:
    receiver = DCPTransport()
    tracemalloc.start()
    try:
        for message in range(16):
            for seq in range(999):
                receiver.receive(part(message, seq, 1000, "é" + str(seq)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    with pytest.raises(ProtocolError):
        receiver.receive(part(16, 0, 1000))


# --- the announcement of the peer


def test_announcements_are_merged() -> None:
    transport = sender(100, 3)
    transport.receive('E0000P{"rxMaxFragmentSize":2}')
    transport.send("{2345")
    assert len(transport.strings_to_send()) == 3
    with pytest.raises(ProtocolError, match="needs 4 pieces"):
        transport.send("{234567")
    transport.receive('E0000P{"wantsConcat":false,"unknown":[]}')
    transport.send("{234567")
    assert transport.strings_to_send() == ["{234567"]


@pytest.mark.parametrize("size", [1.5, 300_000, 2**53 - 1, 1e21, 1e308])
def test_any_size_that_helps_is_taken(size: float) -> None:
    transport = sender(size)
    transport.send("{2")
    assert len(transport.strings_to_send()) == (2 if size < 2 else 1)


@pytest.mark.parametrize(
    "members",
    [
        '"rxMaxFragmentSize":0',
        '"rxMaxFragmentSize":0.5',
        '"rxMaxFragmentSize":-1',
        '"rxMaxFragmentSize":1e400',
        '"rxMaxFragmentSize":null',
        '"rxMaxFragmentSize":"300000"',
        '"rxMaxFragmentSize":true',
        '"rxMaxFragmentCount":-1',
        '"rxMaxFragmentCount":[]',
        '"wantsConcat":1',
        '"wantsAck":"false"',
        '"canOoo":null',
        '"hasAnnounced":{}',
        '"pingInterval":"10100"',
    ],
)
def test_an_announcement_that_makes_no_sense_is_refused(members: str) -> None:
    transport = sender(2)
    with pytest.raises(ProtocolError):
        transport.receive(f"E0000P{{{members}}}")


# --- acks


def test_a_peer_that_wants_acks_gets_one_for_each_string() -> None:
    """Its pieces count one by one: it holds back the next ones until they are acknowledged."""
    transport = sender(100)
    transport.receive('E0000P{"wantsAck":true}')
    assert transport.strings_to_send() == ["A0000-ACK"]
    for string in ("{}", part(1, 0, 2), part(1, 1, 2), "E0000O{}", "E0000Zx"):
        transport.receive(string)
        assert transport.strings_to_send() == ["A0000-ACK"]
    for string in ("A0000-ACK", "Tx"):
        transport.receive(string)
        assert transport.strings_to_send() == []
    transport.receive('E0000P{"wantsAck":false}')
    transport.receive("{}")
    assert transport.strings_to_send() == []


# --- golden


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_our_end_does_as_the_recorded_target_did(case: dict[str, Any]) -> None:
    ours, peer = DCPTransport(), DCPTransport()
    recorded = []
    try:
        for who, string in case["events"]:
            if who == "initiator":
                for text in ours.receive(string):
                    assert json.loads(text)["owner"]
            else:
                recorded.append(string)
                for text in peer.receive(string):
                    ours.send(text)
    except ProtocolError:
        assert case["disconnected"]
    else:
        if "does not fit" in case["case"]:
            with pytest.raises(ProtocolError, match="and 2 may be sent"):
                ours.send("{" * 600)
        else:
            assert not case["disconnected"]
        assert ours.strings_to_send() == recorded


def events(path: Path) -> list[tuple[int, str, str]]:
    """Connection, sender and string of each event "message" of a transcript."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record.get("kind") == "packet" and record["data"].startswith("42"):
            packet = engineio.decode_packet(record["data"])
            text = socketio.message_text(socketio.decode_packet(packet.data))
            assert text is not None
            # Long-polling has a TCP connection for each request, and one session after another.
            connection = record["conn"] if record["transport"] == "websocket" else 0
            found.append((connection, record["from"], text))
    return found


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_our_end_sends_what_the_recorded_ends_sent(path: Path) -> None:
    found = events(path)
    for connection, who in {(connection, who) for connection, who, _ in found}:
        theirs = [text for each, by, text in found if (each, by) == (connection, who)]
        others = [text for each, by, text in found if each == connection and by != who]
        ours, reader = DCPTransport(), DCPTransport()
        for string in others:
            if string.startswith("E0000P"):
                ours.receive(string)
        for string in theirs:
            for text in reader.receive(string):
                assert json.loads(text)["owner"]
                ours.send(text)
        plain = [text for text in theirs if text[:1] in ("{", "E") and "E0000P" not in text[:6]]
        sent = [text for text in ours.strings_to_send() if text[:1] in ("{", "E")]
        assert [text for text in sent if "E0000P" not in text[:6]] == plain
