"""What a failure means, and whether another attempt may help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import ComputeGroupsError, NetworkError, OutcomeUnknown, ProtocolError
from cg_core.framing import HTTPResponse
from cg_core.remote.failures import (
    NAME_UNKNOWN,
    NOT_TRUSTED,
    REDIRECTED,
    UNUSABLE,
    is_final,
    of_answer,
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
    assert NAME_UNKNOWN == "ENOTFOUND"
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
