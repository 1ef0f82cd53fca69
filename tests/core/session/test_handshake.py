"""Connecting: both ends find one another, or say why not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import Address, Busy, ProtocolError
from cg_core.session.handshake import answer_connect, connect_data, session_id_of
from cg_core.session.messages import ABSENT, Request, Response, from_body
from cg_core.session.versions import is_compatible
from tests.core.json_values import json_values
from tests.core.test_ecmascript_json import values
from tests.transcripts import NAMES, load

parts = st.text(min_size=1, max_size=64)
versions = st.sampled_from(["5.2.0", "5.3.0", "5.99.0", "5.1.9", "6.0.0", "5.3.0-beta", "", "x"])


def response(payload: Any, dcpsid: Any, *, success: bool = True) -> Response:
    return Response(id="i", success=success, payload=payload, dcpsid=dcpsid)


def refusal(payload: Any, dcpsid: Any = "sidid", *, success: bool = True) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        session_id_of(response(payload, dcpsid, success=success), "sid")
    return caught.value


@given(parts, parts)
def test_both_ends_have_the_same_session(sid: str, own_part: str) -> None:
    answer = answer_connect(connect_data(sid), own_part)
    assert answer.refusal is None
    assert answer.session_id == sid + own_part
    assert session_id_of(response(answer.payload, answer.session_id), sid) == sid + own_part


@given(parts, versions)
def test_both_ends_agree_about_the_version(sid: str, version: str) -> None:
    """Who refuses says so, in a form that the other understands."""
    answer = answer_connect({"sid": sid, "version": version}, "own")
    told = response(answer.payload, answer.session_id, success=answer.refusal is None)
    if is_compatible(version):
        assert session_id_of(told, sid) == f"{sid}own"
        assert session_id_of(response({"version": version}, f"{sid}own"), sid) == f"{sid}own"
    else:
        assert answer.refusal is not None
        assert answer.refusal.code == "EVERSION"
        for answered in (told, response({"version": version}, f"{sid}own")):
            with pytest.raises(ProtocolError) as caught:
                session_id_of(answered, sid)
            assert caught.value.code == "EVERSION"


anything = values | json_values(
    st.sampled_from(["sid", "5.3.0", "5.0.0", "", 5, True, None, "x" * 65]),
    st.sampled_from(["sid", "version", "message", "code"]),
)


@given(anything)
def test_any_data_is_answered_or_a_protocol_error(data: Any) -> None:
    try:
        answer = answer_connect(data, "own")
    except ProtocolError as error:
        assert error.code == "EINVAL"  # noqa: PT017 - or there is an answer
    else:
        assert answer.session_id == f"{data['sid']}own"
        assert (answer.refusal is None) is is_compatible(data.get("version"))


@given(
    st.booleans(), st.just(ABSENT) | anything, st.just(ABSENT) | st.sampled_from(["sid", "sid2"])
)
def test_any_response_is_a_session_or_a_protocol_error(
    success: bool, payload: Any, dcpsid: Any
) -> None:
    try:
        session_id = session_id_of(response(payload, dcpsid, success=success), "sid")
    except ProtocolError as error:
        told = error
        assert told.code in ("EVERSION", "EDCPSID", "ECONNREFUSED")
        assert told.message.isascii()
        assert len(told.message) < 300
    else:
        assert success
        assert session_id == "sid2"


def test_whose_a_session_is_is_compared_where_it_is_said() -> None:
    own, other = (Address.from_bytes(bytes([number]) * 20) for number in (1, 2))
    for peer in (None, own):
        answer = answer_connect(connect_data("sid"), "own", peer=peer)
        told = response(answer.payload, answer.session_id)
        assert session_id_of(told, "sid", own) == "sidown"
    answer = answer_connect(connect_data("sid"), "own", peer=other)
    with pytest.raises(ProtocolError, match="another's") as caught:
        session_id_of(response(answer.payload, answer.session_id), "sid", own)
    assert caught.value.code == "EDCPSID"


def test_who_finds_no_room_is_told_so_as_of_any_error() -> None:
    busy = Busy("come back later")
    answer = answer_connect(connect_data("sid"), "own", busy)
    told = {"message": "come back later", "code": busy.code, "name": "Busy"}
    assert (answer.session_id, answer.payload, answer.refusal) == ("sidown", told, busy)


@pytest.mark.parametrize("data", [None, [], "sid", 5, {}, {"sid": None}, {"sid": 5}, {"sid": ""}])
def test_a_connect_without_a_sid_is_refused(data: Any) -> None:
    with pytest.raises(ProtocolError, match="a connect needs a sid") as caught:
        answer_connect(data, "own")
    assert caught.value.code == "EINVAL"


@pytest.mark.parametrize(("length", "taken"), [(1, True), (64, True), (65, False), (10**6, False)])
def test_neither_end_keeps_a_long_id(length: int, taken: bool) -> None:
    part, data = "x" * length, {"sid": "x" * length, "version": "5.3.0"}
    answered = response(data, "sid" + part)
    if taken:
        assert answer_connect(data, "own").session_id == f"{part}own"
        assert session_id_of(answered, "sid") == "sid" + part
    else:
        with pytest.raises(ProtocolError):
            answer_connect(data, "own")
        with pytest.raises(ProtocolError):
            session_id_of(answered, "sid")


@pytest.mark.parametrize("dcpsid", [ABSENT, "", "si", "other", "SIDid", " sidid", "sid"])
def test_an_id_that_is_not_ours_with_more_is_foreign(dcpsid: Any) -> None:
    assert refusal({"version": "5.3.0"}, dcpsid).code == "EDCPSID"


@pytest.mark.parametrize(
    ("payload", "code", "told"),
    [
        (
            {"message": "^5.2.0", "code": "EVERSION"},
            "EVERSION",
            "the peer takes another version ('^5.2.0'); this is 5.3.0; update the older of the two",
        ),
        (
            {"message": "no \u2603", "code": "E\n"},
            "ECONNREFUSED",
            r"the peer refused to connect: 'no \u2603'",
        ),
        ({"message": 5}, "ECONNREFUSED", "the peer refused to connect: it does not say why"),
        (None, "ECONNREFUSED", "the peer refused to connect: it does not say why"),
        (ABSENT, "ECONNREFUSED", "the peer refused to connect: it does not say why"),
    ],
)
def test_what_the_user_is_told_of_a_refusal(payload: Any, code: str, told: str) -> None:
    error = refusal(payload, success=False)
    assert (error.code, error.message) == (code, told)


@pytest.mark.parametrize("code", ["EVERSION", "ENO"])
def test_the_user_is_told_the_beginning_only(code: str) -> None:
    error = refusal({"message": "x" * 10_000, "code": code}, success=False)
    assert 200 < len(error.message) < 300
    assert len(refusal({"version": "x" * 10_000}).message) < 120


def test_a_refusal_for_the_version_need_not_say_more() -> None:
    error = refusal({"code": "EVERSION"}, success=False)
    assert error.code == "EVERSION"
    assert "5.3.0" in error.message


@pytest.mark.parametrize(
    ("version", "shown"),
    [("4.1.0", "'4.1.0'"), ("5\n", r"'5\n'"), (None, "unknown"), (5, "unknown"), ([], "unknown")],
)
def test_what_the_user_is_told_of_a_version(version: Any, shown: str) -> None:
    expected = f"the peer's version is {shown}; ^5.2.0 is needed; update the older of the two"
    assert refusal({"version": version}).message == expected
    answer = answer_connect({"sid": "sid", "version": version}, "own")
    assert answer.refusal is not None
    assert answer.refusal.message == expected


# Recorded: connects and their answers; hand-made ones (n1, n2, n3, o1) are wrong on purpose.
OFFICIAL = sorted(set(NAMES) - {"n1", "n2", "n3", "o1", "m1", "m2"})


@pytest.mark.parametrize("name", OFFICIAL)
def test_recorded_connects_are_ours_and_are_answered_alike(name: str) -> None:
    sids: dict[str, str] = {}
    for text in load(name).texts:
        message = from_body(text.body) if text.body.get("nonce", "") is None else None
        if isinstance(message, Request) and message.payload.operation == "connect":
            data: Any = message.payload.data
            sids[message.id] = data["sid"]
            assert list(connect_data(data["sid"]).items()) == list(data.items())
        elif isinstance(message, Response):
            sid, session_id = sids[message.id], message.dcpsid
            assert isinstance(session_id, str)
            assert session_id_of(message, sid) == session_id
            answer = answer_connect(connect_data(sid), session_id.removeprefix(sid))
            assert (answer.session_id, answer.payload) == (session_id, message.payload)
            assert list(answer.payload) == list(message.payload)
    assert bool(sids) is (name not in {"b2", "m5"})


def connected(name: str) -> tuple[Any, Response]:
    """The data of a connect, and its answer."""
    messages = [from_body(text.body) for text in load(name).texts]
    request = next(message for message in messages if isinstance(message, Request))
    answers = [message for message in messages if isinstance(message, Response)]
    return request.payload.data, next(each for each in answers if each.id == request.id)


def test_the_recorded_target_refuses_a_version_as_ours_does() -> None:
    data, told = connected("m1")
    answer = answer_connect(data, "own")
    assert answer.refusal is not None
    assert answer.refusal.code == "EVERSION"
    assert (told.success, told.payload) == (False, answer.payload)
    with pytest.raises(ProtocolError) as caught:
        session_id_of(told, data["sid"])
    assert caught.value.code == "EVERSION"


def test_the_recorded_client_refuses_a_version_as_ours_does() -> None:
    data, told = connected("m2")
    assert told.success
    with pytest.raises(ProtocolError) as caught:
        session_id_of(told, data["sid"])
    assert caught.value.code == "EVERSION"
