"""What a failure means, and whether another attempt may help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import ComputeGroupsError, NetworkError, OutcomeUnknown, ProtocolError
from cg_core.framing import HTTPResponse
from cg_core.remote.failures import (
    CUT,
    NAME_UNKNOWN,
    NOT_TRUSTED,
    REDIRECTED,
    UNUSABLE,
    is_final,
    of_answer,
    retry_after,
)
from tests.strategies import any_characters

URL = "https://example.org/"


def answer(status: int, location: str | None = None) -> ComputeGroupsError:
    headers = () if location is None else (("location", location),)
    return of_answer(URL, "a WebSocket", HTTPResponse(status, headers))


@pytest.mark.parametrize("code", [NAME_UNKNOWN, NOT_TRUSTED, REDIRECTED, UNUSABLE])
def test_what_another_attempt_will_not_mend(code: str) -> None:
    assert is_final(NetworkError("...", code=code))


@pytest.mark.parametrize(
    "code", [None, "EIO", "EBUSY", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "other"]
)
def test_what_another_attempt_may_mend(code: str | None) -> None:
    assert not is_final(NetworkError("...", code=code))


@pytest.mark.parametrize("kind", [ProtocolError, ComputeGroupsError, OutcomeUnknown])
def test_what_is_no_failure_of_the_network_is_final(kind: type[ComputeGroupsError]) -> None:
    assert is_final(kind("..."))


def test_the_codes_are_those_of_node() -> None:
    assert (NAME_UNKNOWN, CUT) == ("ENOTFOUND", "ECONNRESET")
    assert len({NAME_UNKNOWN, NOT_TRUSTED, REDIRECTED, UNUSABLE}) == 4


@given(st.integers(100, 599))
def test_any_status(status: int) -> None:
    error = answer(status)
    assert f"{URL} answered with HTTP status {status} in place of a WebSocket: " in error.message
    # Who is overloaded or broken may be well again; who moved or knows nothing of us stays so.
    assert is_final(error) is (status < 500 and status != 429)
    transient_or_moved = status >= 500 or status == 429 or 300 <= status < 400
    assert type(error) is (NetworkError if transient_or_moved else ProtocolError)
    assert (error.code == REDIRECTED) is (300 <= status < 400)
    assert (error.code == "EBUSY") is (status in (429, 503))


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (200, "is the path of the URL right"),
        (399, "connect to the URL where the service is"),
        (400, "is the path of the URL right"),
        (404, "is the path of the URL right"),
        (401, "access is denied"),
        (403, "access is denied"),
        (407, "the HTTP proxy wants credentials"),
        (429, "too much to do"),
        (499, "is the path of the URL right"),
        (500, "is not well"),
        (502, "is not well"),
        (503, "too much to do"),
    ],
)
def test_what_to_do_about_it(status: int, hint: str) -> None:
    assert hint in answer(status).message


def test_where_a_redirect_leads() -> None:
    assert "a redirect to 'https://example.org/there'; connect to" in (
        answer(301, "https://example.org/there").message
    )
    assert "a redirect; connect to" in answer(308).message
    assert "a redirect; connect to" in answer(308, "").message
    assert "there" not in answer(404, "https://example.org/there").message


@given(st.text(any_characters, max_size=1_000))
def test_where_a_redirect_leads_is_on_one_line_and_not_long(location: str) -> None:
    message = answer(302, location).message
    assert message.isprintable()
    assert len(message) < 400


# When to come back.


def busy(asked: str | None, status: int = 503) -> HTTPResponse:
    return HTTPResponse(status, () if asked is None else (("retry-after", asked),))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("0", 0), ("1", 1), ("007", 7), ("300", 300), ("301", 300), ("999999999", 300)],
)
def test_for_how_long_a_service_asks_to_be_left_alone(
    status: int, asked: str, seconds: float
) -> None:
    assert retry_after(busy(asked, status)) == seconds


@pytest.mark.parametrize(
    "asked",
    [None, "", " 7", "7 ", "7\n", "+7", "-7", "7.5", "1e2", "0x7", "7, 7", "7_0", "\u0667", "soon",
     "Wed, 21 Oct 2026 07:28:00 GMT"],
)  # fmt: skip
def test_what_is_no_number_of_seconds_is_not_waited_for(asked: str | None) -> None:
    assert retry_after(busy(asked)) == 0


@given(st.integers(100, 599))
def test_only_who_has_too_much_to_do_is_left_alone(status: int) -> None:
    assert retry_after(busy("7", status)) == (7 if status in (429, 503) else 0)


@given(st.text(any_characters) | st.integers().map(str))
def test_whatever_is_asked_for_nobody_is_kept_away_for_long(asked: str) -> None:
    assert 0 <= retry_after(busy(asked)) <= 300


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_service_asks_for_is_shown(status: int) -> None:
    def message(asked: str | None) -> str:
        return of_answer(URL, "a connection", busy(asked, status)).message

    assert message("7").endswith("; it asks to come back later (Retry-After: '7')")
    assert "Retry-After: 'Wed, 21 Oct" in message("Wed, 21 Oct 2026 07:28:00 GMT")
    assert message(None).endswith("the service has too much to do")
    assert message("").endswith("the service has too much to do")


def test_it_is_shown_of_those_alone_who_have_too_much_to_do() -> None:
    assert "Retry-After" not in of_answer(URL, "a connection", busy("7", 500)).message


@given(st.text(any_characters, max_size=1_000))
def test_it_is_shown_on_one_line_and_not_long(asked: str) -> None:
    message = of_answer(URL, "a WebSocket", busy(asked)).message
    assert message.isprintable()
    assert len(message) < 200
