"""HTTP values, and engine.io's answers (which the server's tests compare with recorded ones)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core.framing.http import HTTPRequest, HTTPResponse, answer, preflight, refusal

tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1)


@given(st.dictionaries(tokens, tokens | st.just("")), st.sampled_from(["/", "/a/b/"]))
def test_a_query_is_read_as_it_was_written(parameters: dict[str, str], path: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    request = HTTPRequest("GET", f"{path}?{query}")
    assert {name: request.query[name] for name in parameters} == parameters
    assert request.query.keys() - parameters.keys() <= {""}


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/", {"": ""}),
        ("/?", {"": ""}),
        ("/?a", {"a": ""}),
        ("/?a=1&a=2", {"a": "2"}),
        ("/?a=b=c?d", {"a": "b=c?d"}),
    ],
)
def test_odd_queries_have_a_reading(target: str, query: dict[str, str]) -> None:
    assert HTTPRequest("GET", target).query == query


def test_headers_are_found_whatever_their_case() -> None:
    request = HTTPRequest("GET", "/", (("X-DCP", "a"), ("x-dcp", "b")))
    assert request.header("x-Dcp") == "a"
    assert request.header("Origin") is None


def test_bodies_are_not_shown() -> None:
    assert "s3cret" not in repr(HTTPRequest("POST", "/", (), b"s3cret"))
    assert "s3cret" not in repr(HTTPResponse(200, (), b"s3cret"))


@given(st.integers(200, 599), st.binary(max_size=9))
def test_an_answer_says_its_length_and_that_all_may_see_it(status: int, body: bytes) -> None:
    response = answer(status, ("A", "b"), body=body)
    headers = dict(response.headers)
    assert (response.status, response.body) == (status, body)
    assert headers["Content-Length"] == str(len(body))
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["A"] == "b"
    assert (headers.get("cache-control") == "no-store") == (status == 200)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 5])
def test_a_refusal_says_why(code: int) -> None:
    response = refusal(code)
    assert response.status == 400
    assert json.loads(response.body)["code"] == code
    assert response.header("content-type") == "application/json"


@pytest.mark.parametrize("asked", [None, "x-dcp"])
def test_a_browser_may_send_the_headers_that_it_asks_for(asked: str | None) -> None:
    headers = () if asked is None else (("access-control-request-headers", asked),)
    allowed = dict(preflight(HTTPRequest("OPTIONS", "/", headers)).headers)
    assert allowed.get("Access-Control-Allow-Headers") == asked
    assert ("Access-Control-Allow-Headers" in allowed) == (asked is not None)
