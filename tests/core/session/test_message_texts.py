"""The texts of messages: written as the official peer writes them, and read back the same."""

from __future__ import annotations

import copy
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core.ecmascript_json import parse, stringify
from cg_core.session.message_texts import batch_text, body_text, member_text, payload_text
from cg_core.session.messages import (
    ABSENT,
    Ack,
    Batch,
    Grant,
    Message,
    Notification,
    NotificationPayload,
    Numbered,
    Request,
    RequestPayload,
    Response,
    Validity,
    from_body,
)
from cg_core.signatures import Signature
from tests.core.test_ecmascript_json import values

# What can be parsed: halves of a pair that stand together are one character there.
json = values.map(lambda value: parse(stringify(value)))
texts = st.text(st.characters(codec="utf-8")) | st.sampled_from(["\ud83d", "\0", '"', "data", "5"])
times = st.floats(0, 2e9) | st.integers(0, 2**40)
optional_texts = st.just(ABSENT) | texts
signatures = st.builds(
    lambda rs, v: Signature(rs + bytes([v])), st.binary(min_size=64, max_size=64), st.integers(0, 1)
)
auths = st.dictionaries(texts, signatures, max_size=2)
grants = st.lists(st.builds(Grant, resource=texts, guardian=texts, accessor=texts), max_size=2)
validities = st.builds(Validity, stamp=texts, ttl=st.none() | st.floats(-1, 1e6), time=times)
payloads = st.builds(
    RequestPayload,
    operation=texts,
    data=st.just(ABSENT) | json,
    allow=grants.map(tuple),
    validity=st.none() | validities,
)
notification_payloads = st.builds(
    NotificationPayload,
    data=st.just(ABSENT) | json,
    allow=grants.map(tuple),
    validity=st.none() | validities,
)


def is_free_of_json_data(payload: Any) -> bool:
    """The name is the wire's: who has it as a member in an answer of their own reads it changed."""
    return not isinstance(payload, dict) or "jsonData" not in payload


answers = st.one_of(
    st.just(ABSENT), json, st.fixed_dictionaries({"success": st.booleans(), "data": json})
).filter(is_free_of_json_data)
of_members: dict[str, st.SearchStrategy[Any]] = {
    "id": texts, "auth": auths, "dcpsid": optional_texts, "time": st.just(ABSENT) | times,
}  # fmt: skip
of_numbered = of_members | {"ack_token": optional_texts, "nonce": st.none() | optional_texts}


def messages(of_all: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Message]:
    return st.one_of(
        st.builds(Request, payload=payloads, **of_all),
        st.builds(Response, success=st.booleans(), payload=answers, **of_all),
        st.builds(Notification, payload=notification_payloads, **of_all),
    )


members = messages(of_members)
batches = st.builds(Batch, payload=st.lists(members, max_size=4).map(tuple), **of_numbered)
acks = st.builds(Ack, dcpsid=optional_texts, token=texts, nonce=texts, message_id=optional_texts)
any_messages: st.SearchStrategy[Numbered | Ack] = st.one_of(messages(of_numbered), batches, acks)


@given(any_messages)
def test_what_is_written_is_read(message: Numbered | Ack) -> None:
    text = body_text(message)
    again = from_body(parse(text))
    assert again == message
    assert body_text(again) == text, "equal values may still be of other types: 1 and true"


@given(any_messages)
def test_writing_leaves_the_message_as_it_is(message: Numbered | Ack) -> None:
    before = copy.deepcopy(message)
    body_text(message)
    assert message == before


@given(any_messages)
def test_a_body_is_written_as_javascript_writes_it(message: Numbered | Ack) -> None:
    text = body_text(message)
    assert stringify(parse(text)) == text


@given(batches)
def test_a_batch_is_its_members(batch: Batch) -> None:
    texts = [member_text(member) for member in batch.payload]
    assert batch_text(attrs.evolve(batch, payload=()), texts) == body_text(batch)
    body = parse(body_text(batch))
    assert isinstance(body, dict)
    assert body["payload"] == [parse(text) for text in texts]


# What each class is called on the wire, and in which order (observations on message forms).
SIGNATURE = Signature(bytes(range(64)) + b"\1")
VALIDITY = Validity(stamp="s", ttl=120, time=5)
GRANT = Grant(resource="r", guardian="g", accessor="a")
FULL: dict[str, Any] = {
    "auth": {"r": SIGNATURE}, "dcpsid": "d", "time": 1.5, "ack_token": "t", "nonce": "n",
}  # fmt: skip
PAYLOAD = RequestPayload(operation="o", data=[1], allow=(GRANT,), validity=VALIDITY)
NOTICE = NotificationPayload(data=0, allow=(GRANT,), validity=VALIDITY)
REQUEST = Request(id="i", payload=PAYLOAD, **FULL)
MEMBER = Request(id="j", payload=PAYLOAD, dcpsid="d", time=2)

ALLOW = '"allow":[{"resource":"r","guardian":"g","accessor":"a"}]'
ALLOWED = ALLOW + ',"validity":{"stamp":"s","ttl":120,"time":5}'
AUTH = '"auth":{"r":' + SIGNATURE.json_text() + "}"
END = AUTH + ',"dcpsid":"d","time":1.5,"ackToken":"t","nonce":"n"}'
MEMBER_TEXT = (
    f'{{"id":"j","type":"request","payload":{{"operation":"o",{ALLOWED},"jsonData":"[1]"}},'
    '"auth":{},"dcpsid":"d","time":2}'
)
REQUEST_PAYLOAD = f'{{"operation":"o","data":[1],{ALLOWED}}}'
EMPTY_PAYLOAD = '{"operation":"o","allow":[],"validity":null}'
WRITTEN: list[tuple[Numbered | Ack, str]] = [
    (REQUEST, f'{{"id":"i","type":"request","payload":{REQUEST_PAYLOAD},{END}'),
    (
        Response(id="i", success=True, payload=None, **FULL),
        f'{{"id":"i","type":"response","success":true,"payload":null,{END}',
    ),
    (
        Notification(id="i", payload=NOTICE, **FULL),
        f'{{"id":"i","type":"notification","payload":{{"data":0,{ALLOWED}}},{END}',
    ),
    (
        Batch(id="i", payload=(MEMBER,), **FULL),
        f'{{"id":"i","type":"batch","payload":[{MEMBER_TEXT}],{END}',
    ),
    (
        Ack(dcpsid="d", token="t", nonce="n", message_id="i"),
        '{"type":"ack","dcpsid":"d","token":"t","nonce":"n","messageId":"i"}',
    ),
    (Ack(token="t", nonce="n"), '{"type":"ack","token":"t","nonce":"n"}'),
    (
        Request(id="i", payload=RequestPayload(operation="o"), nonce=None),
        f'{{"id":"i","type":"request","payload":{EMPTY_PAYLOAD},"auth":{{}},"nonce":null}}',
    ),
    (Response(id="i", success=False), '{"id":"i","type":"response","success":false,"auth":{}}'),
]


@pytest.mark.parametrize(("message", "text"), WRITTEN, ids=lambda each: type(each).__name__)
def test_members_stand_in_the_order_of_the_official_peer(
    message: Numbered | Ack, text: str
) -> None:
    assert body_text(message) == text
    assert from_body(parse(text)) == message


def test_the_payload_that_is_signed_is_the_one_that_is_sent() -> None:
    assert payload_text(PAYLOAD) == REQUEST_PAYLOAD


# In a batch, `data` is written as its JSON text: where JavaScript takes it for true.
@pytest.mark.parametrize("data", [None, 0, 0.0, -0.0, False, ""])
def test_falsy_data_stays_data_in_a_batch(data: Any) -> None:
    request = Request(id="i", payload=RequestPayload(operation="o", data=data))
    assert f'"data":{stringify(data)},"allow"' in member_text(request)
    assert "jsonData" not in member_text(request)


@pytest.mark.parametrize("data", [1, -1.5, True, "0", " ", [0], {"a": None}, [], {}])
def test_other_data_becomes_its_text_in_a_batch(data: Any) -> None:
    for message in (
        Request(id="i", payload=RequestPayload(operation="o", data=data)),
        Response(id="i", success=True, payload={"data": data, "more": 1}),
        Response(id="i", success=True, payload={"data": data}),
        Notification(id="i", payload=NotificationPayload(data=data)),
    ):
        body = parse(member_text(message))
        assert isinstance(body, dict)
        assert isinstance(body["payload"], dict)
        assert "data" not in body["payload"]
        assert list(body["payload"])[-1] == "jsonData"
        assert body["payload"]["jsonData"] == stringify(data)
