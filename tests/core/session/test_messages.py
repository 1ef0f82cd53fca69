"""Messages: what is written is read, to the letter, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import ProtocolError
from cg_core.ecmascript_json import parse, stringify
from cg_core.session.message_texts import body_text, member_text
from cg_core.session.messages import (
    ABSENT,
    Batch,
    Message,
    Notification,
    NotificationPayload,
    Request,
    RequestPayload,
    Response,
    Validity,
    from_body,
)
from cg_core.session.settings import MOST_IN_BATCH
from tests.core.json_values import json_values, paths, replaced
from tests.core.session.test_message_texts import SIGNATURE, WRITTEN, json
from tests.transcripts import NAMES, load


def request_of(**payload: Any) -> dict[str, Any]:
    return {"id": "i", "type": "request", "payload": {"operation": "o"} | payload}


def data_of(body: dict[str, Any]) -> Any:
    message = from_body(body)
    assert isinstance(message, Request)
    return message.payload.data


@given(json)
def test_json_data_wins_over_data(data: Any) -> None:
    assert data_of(request_of(data="other", jsonData=stringify(data))) == data
    assert data_of(request_of(jsonData=stringify(data), data="other")) == data
    batch: Any = {"id": "b", "type": "batch", "payload": [request_of(jsonData=stringify(data))]}
    found = from_body(batch)
    assert isinstance(found, Batch)
    assert isinstance(found.payload[0], Request)
    assert found.payload[0].payload.data == data


def test_json_data_that_is_read_stands_last() -> None:
    answer: Any = {"data": 0, "more": 1, "jsonData": "[2]", "most": 3}
    found = from_body({"id": "i", "type": "response", "success": True, "payload": answer})
    assert isinstance(found, Response)
    assert list(found.payload.items()) == [("more", 1), ("most", 3), ("data", [2])]


@pytest.mark.parametrize("json_data", ["", None, 0, False])
def test_falsy_json_data_is_none(json_data: Any) -> None:
    assert data_of(request_of(jsonData=json_data)) is ABSENT
    assert data_of(request_of(data=5, jsonData=json_data)) == 5


@pytest.mark.parametrize(
    "json_data",
    ["{not json", " ", "1 2", "NaN", "undefined", "[" * 100_000, 1, True, [1], {"a": 1}, [], {}],
    ids=lambda value: repr(value)[:20],
)
def test_json_data_that_is_no_json_text_is_refused(json_data: Any) -> None:
    single = request_of(jsonData=json_data)
    answer = {"id": "i", "type": "response", "success": True, "payload": {"jsonData": json_data}}
    for body in (single, answer, {"id": "b", "type": "batch", "payload": [single]}):
        assert refusal(body) is not None


def refusal(body: Any) -> str | None:
    """The message with which a body is refused, or None if it is taken."""
    try:
        from_body(body)
    except ProtocolError as error:
        if error.code != "EINVAL":
            raise
        return error.message
    return None


hushed = json_values(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from(["hush-1", "hush-2", "request", "batch", "{hush", '"hush\\x"', "[hush]"]),
    st.sampled_from(
        [
            "id",
            "type",
            "payload",
            "auth",
            "time",
            "nonce",
            "data",
            "jsonData",
            "r",
            "s",
            "v",
            "hush",
        ]
    ),
)
BODIES = [parse(text) for _, text in WRITTEN]


@given(hushed)
def test_any_json_value_is_a_message_or_refused_and_not_told(body: Any) -> None:
    assert "hush" not in (refusal(body) or "")


@given(st.sampled_from(BODIES), hushed, st.data())
def test_a_message_with_anything_in_it_is_a_message_or_refused_and_not_told(
    body: Any, new: Any, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(paths(body))))
    told = refusal(replaced(body, path, new))
    assert "hush" not in (told or "")
    assert len(told or "") < 1_000


def test_a_message_that_is_wrong_in_all_places_is_told_in_short() -> None:
    body = {"type": "response", "id": 1, "success": 1, "time": "", "ackToken": 1, "nonce": 1}
    told = refusal(body)
    assert told is not None
    assert told.count("expected") == 3


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "a message must be an object, not None"),
        ([], "a message must be an object, not list"),
        ({}, "the message has no type that is known"),
        ({"type": 5}, "the message has no type that is known"),
        ({"type": ["ack"]}, "the message has no type that is known"),
        ({"type": "hello"}, "the message has no type that is known"),
        ({"type": "ack", "token": "t"}, "ack.nonce is missing"),
        ({"type": "response", "id": "i"}, "response.success is missing"),
        ({"type": "request", "id": "i"}, "request.payload is missing"),
        (
            {"type": "ack", "token": 5, "nonce": "n"},
            "ack.token: expected a string, not int",
        ),
        (
            request_of(allow=[{"resource": "r", "guardian": 1, "accessor": "a"}]),
            "request.payload.allow.guardian: expected a string, not int",
        ),
    ],
)  # fmt: skip
def test_what_is_told(body: Any, told: str) -> None:
    message = refusal(body)
    assert message is not None
    assert message.endswith(told)


# Where a value of another type stands, nothing is guessed: no text is a number, no number a text.
WRONG: list[tuple[str, list[Any]]] = [
    ("id", [None, 1, True, [], {}]),
    ("success", [None, 0, 1, "true", []]),
    ("dcpsid", [None, 1, False, []]),
    ("time", [None, True, "1", "1e3", []]),
    ("ackToken", [None, 1, False, []]),
    ("nonce", [1, False, True, [], {}]),
    ("auth", [None, [], "x", 1, {"r": None}, {"r": "0x"}, {"r": {}}]),
]


@pytest.mark.parametrize(("member", "value"), [(name, bad) for name, all in WRONG for bad in all])
def test_types_are_strict(member: str, value: Any) -> None:
    body = {"id": "i", "type": "response", "success": True, "payload": 1}
    assert refusal(body) is None
    assert refusal(body | {member: value}) is not None
    batch = {"id": "b", "type": "batch", "payload": [body | {member: value}]}
    assert refusal(batch) is not None
    if member != "success":
        assert refusal(batch | {"payload": []}) is None
        assert refusal(batch | {"payload": [], member: value}) is not None


@pytest.mark.parametrize(
    "payload", [None, [], "x", 1, {}, {"operation": None}, {"operation": 5}, {"operation": ["o"]},
                {"operation": "o", "allow": None}, {"operation": "o", "allow": {}},
                {"operation": "o", "allow": [None]}, {"operation": "o", "allow": [{}]}]
)  # fmt: skip
def test_a_request_that_asks_nothing_is_refused(payload: Any) -> None:
    assert refusal({"id": "i", "type": "request", "payload": payload}) is not None


# A request whose validity cannot be read is answered so; it does not end the session.
@pytest.mark.parametrize(
    "validity",
    [None, 5, "x", [], {}, {"stamp": "s"}, {"time": 5}, {"stamp": 5, "time": 5},
     {"stamp": "s", "time": "5"}, {"stamp": "s", "time": True}, {"stamp": "s", "time": None}],
)  # fmt: skip
def test_a_validity_that_cannot_be_read_is_none(validity: Any) -> None:
    message = from_body(request_of(validity=validity))
    assert isinstance(message, Request)
    assert message.payload.validity is None


@pytest.mark.parametrize("ttl", [None, "120", True, [], {}])
def test_a_ttl_that_cannot_be_read_is_none(ttl: Any) -> None:
    message = from_body(request_of(validity={"stamp": "s", "time": 5, "ttl": ttl}))
    assert isinstance(message, Request)
    assert message.payload.validity == Validity(stamp="s", ttl=None, time=5)


def test_unknown_members_are_ignored() -> None:
    for body in BODIES:
        assert isinstance(body, dict)
        assert from_body(body | {"more": [1]}) == from_body(body)


def test_at_most_so_many_messages_are_taken_in_a_batch() -> None:
    member = {"id": "i", "type": "response", "success": True}
    batch: Any = {"id": "b", "type": "batch", "payload": [member] * MOST_IN_BATCH}
    found = from_body(batch)
    assert isinstance(found, Batch)
    assert len(found.payload) == MOST_IN_BATCH
    told = refusal(batch | {"payload": [member] * (MOST_IN_BATCH + 1)})
    assert told == "batch.payload: a batch of 101 messages; at most 100 are taken"


@pytest.mark.parametrize(
    "member", [None, 5, [], {}, {"type": ["request"]},
               {"type": "ack", "token": "t", "nonce": "n"},
               {"type": "batch", "id": "c", "payload": []}]
)  # fmt: skip
def test_a_batch_holds_messages_only(member: Any) -> None:
    assert refusal({"id": "b", "type": "batch", "payload": [member]}) is not None


@pytest.mark.parametrize("payload", [None, {}, "x", 0])
def test_a_batch_is_an_array(payload: Any) -> None:
    assert refusal({"id": "b", "type": "batch", "payload": payload}) is not None


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


DEEP = nested(10_000)


@pytest.mark.parametrize(
    "message",
    [
        Request(id="i", payload=RequestPayload(operation="o", data=DEEP)),
        Notification(id="i", payload=NotificationPayload(data=DEEP)),
        Response(id="i", success=True, payload=DEEP),
        Response(id="i", success=True, payload={"data": DEEP}),
    ],
    ids=["request", "notification", "response", "response with data"],
)
def test_what_is_nested_too_deeply_is_a_protocol_error(message: Message) -> None:
    """One of ours: the caller is told, and nothing is torn."""
    for write in (body_text, member_text):
        with pytest.raises(ProtocolError, match="nested too deeply"):
            write(message)


def test_deep_json_data_is_a_protocol_error() -> None:
    told = refusal(request_of(jsonData="[" * 100_000 + "]" * 100_000))
    assert told == "this JSON is nested too deeply"


def test_secrets_are_not_shown() -> None:
    payload, auth = RequestPayload(operation="o", data="hush"), {"hush": SIGNATURE}
    request = Request(id="i", payload=payload, auth=auth)
    told = NotificationPayload(data="hush")
    notification = Notification(id="i", payload=told, auth=auth)
    response = Response(id="i", success=True, payload="hush", auth=auth)
    batch = Batch(id="b", payload=(request, response), auth=auth)
    assert "hush" not in repr((request, notification, response, batch))


def test_a_name_is_not_long() -> None:
    body: Any = request_of(operation="o")
    assert refusal(body | {"id": "i" * 255}) is None
    assert refusal(body | {"id": "i" * 256}) is not None


def test_absent_is_not_there() -> None:
    assert not ABSENT
    assert ABSENT is not None


# The recorded texts that are not read, by file and line.
NOT_READ = {
    ("f2b", 48): "a nonce that is false: the official Target's race (its session is lost)",
    ("f2b", 50): "the same nonce, used",
    ("n1", 176): "hand-made: a request without an id",
    ("n1", 178): "its ack: without a token",
    ("n1", 179): "its response: without an id",
    ("n2", 462): "hand-made: a response without success",
    ("n2", 489): "hand-made: a batch in a batch",
    ("n2", 546): "hand-made: a batch that is no array",
    ("n2", 574): "hand-made: a batch in a batch, after a request",
    ("n2", 720): "hand-made: an unknown type",
    ("n2", 775): "hand-made: a request without a payload",
    ("n2", 802): "hand-made: jsonData that is no JSON",
    ("n2", 1002): "hand-made: a request without an id",
    ("n2", 1005): "its response: without an id",
    ("n2", 1033): "an ack without a token, of a hand-made message without one",
    ("o1", 206): "hand-made: an ack without a nonce",
    ("o1", 331): "a time that is null: the client follows the clock of a target that has none",
    ("o1", 359): "the same",
    ("o1", 944): "the same",
    ("o1", 974): "hand-made: a response without success",
}
# Those that are read, and that we would write in another way.
WRITTEN_OTHERWISE = {
    ("i", 76): "a ttl that is no number",
    ("i", 129): "a stamp that is no text",
    ("i", 152): "a time of validity that is no number",
    ("i", 159): "a time of validity that is null",
    ("j", 74): "a member of its own in a request's payload",
    ("k", 59): "a member of its own in a request's payload",
    ("n1", 327): "jsonData in a single message",
    ("n2", 604): "hand-made: data, not jsonData, in a batch",
    ("n2", 632): "hand-made: data, not jsonData, in a batch",
    ("n2", 829): "data and jsonData",
    ("n2", 857): "jsonData that is empty",
    ("n2", 940): "hand-made: no validity",
    ("n2", 973): "hand-made: no allow and no auth",
    ("n2", 1084): "hand-made: data, not jsonData, in a batch",
    ("o1", 1275): "hand-made: no auth",
    ("o1", 1282): "hand-made: no auth",
    ("o1", 1316): "hand-made: one more member",
    ("o1", 1324): "hand-made: one more member",
}


@pytest.mark.parametrize("name", NAMES)
def test_each_recorded_body_is_read_and_written_to_the_letter(name: str) -> None:
    for text in load(name).texts:
        place = (name, text.line)
        told = refusal(text.body)
        assert (told is None) is (place not in NOT_READ), (place, told)
        if told is None:
            same = body_text(from_body(text.body)) == stringify(text.body)
            assert same is (place not in WRITTEN_OTHERWISE), place


def test_every_exception_is_a_recorded_text() -> None:
    recorded = {(name, text.line) for name in NAMES for text in load(name).texts}
    assert recorded >= NOT_READ.keys() | WRITTEN_OTHERWISE.keys()
    assert not NOT_READ.keys() & WRITTEN_OTHERWISE.keys()
