"""The recordings are whole, and all their texts are what our code reads and signs."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from cg_core import Address, Identity, ProtocolError
from cg_core.ecmascript_json import stringify
from cg_core.sealed import seal, unseal
from tests.golden import golden
from tests.transcripts import NAMES, SealedText, load

# How many packets, and how many events, the recorder says that it wrote.
COUNTS = {
    "a": (48, 47), "b": (50, 47), "b2": (6, 13), "c": (51, 160), "d": (104, 94), "e1": (50, 73),
    "e2": (67, 66), "e3": (31, 16), "f1": (37, 29), "f2": (38, 29), "f2b": (31, 27),
    "f3": (36, 28), "f4": (38, 28), "f5": (37, 28), "f6": (40, 28), "f7": (39, 29), "f8": (36, 32),
    "f9": (22, 19), "f10": (23, 21), "f11": (19, 14), "f12": (25, 20), "f13": (40, 29),
    "f14": (37, 34), "f15": (35, 38), "f16": (17, 23), "g1": (39, 39), "g2": (41, 42),
    "h1": (28, 23), "h2": (21, 19), "h3": (26, 27), "h4": (21, 21), "i": (110, 100), "j": (40, 34),
    "k": (36, 34), "l": (24, 24), "m1": (11, 10), "m2": (11, 10), "m3": (27, 27), "m4": (28, 16),
    "m5": (0, 20), "n1": (218, 126), "n2": (548, 363), "n3": (321, 177), "o1": (701, 440),
    "o2": (17, 11),
}  # fmt: skip

# The key of the second target in m3, which also signs what a stranger sends elsewhere.
OTHER = Identity(next(key["private_key"] for key in golden("signing")["keys"] if key["id"] == "k9"))

# The texts, by file and line, that were made to be wrong, or not as the official client makes them.
REFUSED = {
    ("n1", 12): "v is flipped",
    ("n1", 31): "another key than the owner's",
    ("n1", 72): "the owner has a wrong checksum",
    ("n2", 913): "the signature is of another body",
    ("o1", 1165): "the body was changed after it was signed",
}
WRITTEN_OTHERWISE = {
    ("n1", 50): "the owner in lower case",
    ("n1", 110): "one more member in the envelope",
    ("n1", 132): "another order of the members",
    ("n1", 436): "v as 0 or 1",
}
STRANGERS = {
    ("n2", 886): "a request of another owner",
    ("o1", 841): "an ack of another owner",
    ("o1", 1198): "a response of another owner",
}


def text_at(name: str, line: int) -> SealedText:
    (text,) = (text for text in load(name).texts if text.line == line)
    return text


def test_every_recording_is_here() -> None:
    assert set(NAMES) == set(COUNTS)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_was_recorded_is_left_out(name: str) -> None:
    transcript = load(name)
    packets = sum(len(connection.frames) for connection in transcript.connections)
    assert (packets, len(transcript.events)) == COUNTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_all_is_in_order(name: str) -> None:
    transcript = load(name)
    for places in (
        [frame.line for connection in transcript.connections for frame in connection.frames[:1]],
        *([frame.line for frame in connection.frames] for connection in transcript.connections),
        [event.line for event in transcript.events],
        [text.line for text in transcript.texts],
    ):
        assert all(earlier < later for earlier, later in pairwise(places))


@pytest.mark.parametrize("name", NAMES)
def test_the_texts_are_those_of_the_frames(name: str) -> None:
    transcript = load(name)
    of_frames = [
        frame.sealed
        for connection in transcript.connections
        for frame in connection.frames
        if frame.sealed is not None
    ]
    assert sorted(of_frames, key=lambda text: text.line) == list(transcript.texts)
    for connection in transcript.connections:
        for frame in connection.frames:
            if (text := frame.sealed) is not None:
                assert (text.line, text.t, text.sender) == (frame.line, frame.t, frame.sender)
                assert text.connection == connection.number
                assert (text.delivered, frame.dropped) in {(True, False), (False, True)}


@pytest.mark.parametrize("name", NAMES)
def test_each_text_is_signed_by_its_owner_who_is_a_party(name: str) -> None:
    header = load(name).header
    parties = {"client": [header.client_address], "server": [header.target_address]}
    if name == "m3":
        parties["server"].append(header.target.address)  # the first of its two targets
    for text in load(name).texts:
        if (name, text.line) not in REFUSED:
            opened = unseal(text.text)
            assert (opened.owner, opened.body) == (Address(text.owner), text.body)
            is_party = opened.owner in parties[text.sender]
            assert is_party is ((name, text.line) not in STRANGERS)


@pytest.mark.parametrize("name", NAMES)
def test_each_text_is_sealed_again_to_the_letter(name: str) -> None:
    header = load(name).header
    identities = {signer.address: signer for signer in (header.client, header.target, OTHER)}
    for text in load(name).texts:
        if (name, text.line) not in REFUSED:
            again = seal(identities[unseal(text.text).owner], stringify(text.body))
            assert (again == text.text) is ((name, text.line) not in WRITTEN_OTHERWISE)


@pytest.mark.parametrize(("name", "line"), REFUSED)
def test_a_text_that_was_made_to_be_wrong_is_refused(name: str, line: int) -> None:
    with pytest.raises(ProtocolError):
        unseal(text_at(name, line).text)


@pytest.mark.parametrize(("name", "line"), WRITTEN_OTHERWISE | STRANGERS)
def test_every_exception_is_a_text(name: str, line: int) -> None:
    assert text_at(name, line).sender == ("server" if name == "o1" else "client")


def test_the_texts_are_as_many_as_their_recorder_verified() -> None:
    # It left out the recordings of a hand-made client, and what is refused.
    assert (
        sum(
            (name, text.line) not in REFUSED
            for name in set(NAMES) - {"n1", "n2", "n3"}
            for text in load(name).texts
        )
        == 1475
    )


def test_a_dropped_packet_is_the_last_before_the_cut() -> None:
    dropped = {}
    for name in NAMES:
        for connection in load(name).connections:
            for frame in connection.frames:
                if frame.dropped:
                    assert frame == connection.frames[-1]
                    assert connection.ended is not None
                    assert connection.ended.by == "proxy"
                    dropped[name] = (connection.number, frame.sender)
    from_client, from_server = (1, "client"), (1, "server")
    assert dropped == {
        "f3": from_client, "f4": from_server, "f5": from_client, "f6": from_server,
        "f8": from_client, "f9": from_client, "f10": from_server, "f11": from_server,
        "f12": from_client,
    }  # fmt: skip


def test_fragments_are_joined_and_so_are_surrogates() -> None:
    senders = {
        name: [text.sender for text in load(name).texts if len(text.text) > 300_000]
        for name in ("h1", "h2", "h3", "h4")
    }
    assert senders == {
        "h1": ["client", "server"], "h2": ["server"], "h3": ["client", "client"], "h4": ["client"],
    }  # fmt: skip
    messages = [frame.message or " " for frame in load("h3").connections[0].frames]
    assert any("\ud800" <= message[-1] <= "\udbff" for message in messages)
    joined = "".join(text.text for text in load("h3").texts)
    assert re.search("[\ud800-\udfff]", joined) is None


def test_pieces_of_every_form_are_joined() -> None:
    requests = Counter(
        text.connection for text in load("n3").texts if text.body["type"] == "request"
    )
    assert requests[6] == 2, "connect, and a request in pieces, the last one first"
    assert requests[7] == 2, "upper-case hex, white space in the header, msgId a string"
    assert requests[8] == 3, "two requests, their pieces in turns"
    assert requests[12] == 2, "a request out of order (O)"


def test_transports() -> None:
    first = {name: {one.transport for one in load(name).connections} for name in NAMES}
    assert {name for name, transports in first.items() if "polling" in transports} == {
        "b", "b2", "f13", "j",
    }  # fmt: skip
    for name in ("b", "b2", "f13"):
        frames = [frame for one in load(name).connections for frame in one.frames]
        assert {frame.transport for frame in frames} == {"polling"}
    (upgraded,) = load("j").connections
    (upgrade,) = (place for place, frame in enumerate(upgraded.frames) if frame.packet == "5")
    assert {frame.transport for frame in upgraded.frames[upgrade:]} == {"websocket"}


def test_endings() -> None:
    assert {name: [one.ended and one.ended.how for one in load(name).connections]
            for name in ("b", "e3", "f1", "f3", "f13", "o2")} == {
        "b": ["packet 1"],
        "e3": ["close frame", None],  # the recording stops while the connection is in use
        "f1": ["FIN", "close frame"],
        "f3": ["cut by the harness proxy", "close frame"],
        "f13": ["FIN", "packet 1"],
        "o2": ["close frame", None],
    }  # fmt: skip


def test_attempts_in_vain() -> None:
    refused = {name: load(name).refused for name in NAMES if load(name).refused}
    assert refused == {
        "b2": (0.703,),
        "f14": (0.931, 1.437),
        "f15": (0.884, 1.388),
        "f16": (0.921,),
        "g1": (1.106, 1.611),
        "g2": (1.076, 1.58),
        "m5": (0.49, 0.999, 2.505, 4.514, 6.519),
    }
