"""Asking a scheduler: one request, and one thing that comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import ComputeGroupsError, NetworkError, ProtocolError
from cg_core.framing import Closed, HTTPResponse
from cg_core.remote import ServiceURL
from cg_core.remote.lookup import Located, Lookup

SCHEDULER = ServiceURL.parse("https://scheduler.example.org/path/")
WHERE = "https://scheduler.example.org/etc/dcp-config.kvin"
URL = "https://computegroups.example.org/service/"


def published(location: Any, *, service: str = "computeGroups") -> HTTPResponse:
    """A scheduler's answer."""
    value = {"ctr": 18, "arg": location}
    for name in ("location", service, "services", "scheduler"):
        value = {"ctr": 0, "ps": {name: value}}
    return HTTPResponse(200, (), json.dumps({"_serializeVerId": "v8", "what": value}).encode())


def answered(response: HTTPResponse) -> Located | Closed | None:
    """What comes of a response."""
    lookup = Lookup(SCHEDULER, 5.0)
    (request,) = lookup.requests_to_send()
    lookup.receive_response(request, response, 1.0)
    event = lookup.next_event()
    assert lookup.next_event() is None
    assert lookup.next_deadline() is None
    return event


def error_of(response: HTTPResponse) -> ComputeGroupsError:
    """What is wrong with a response."""
    match answered(response):
        case Closed(ComputeGroupsError() as error):
            return error
        case other:
            raise AssertionError(other)


def test_it_asks_once_and_there() -> None:
    lookup = Lookup(SCHEDULER, 5.0)
    (request,) = lookup.requests_to_send()
    assert (request.method, request.target) == ("GET", "/etc/dcp-config.kvin?ver=2.1.0")
    assert request.body == b""
    assert lookup.requests_to_send() == []
    assert lookup.next_event() is None


def test_where_the_service_is() -> None:
    assert answered(published(URL)) == Located(ServiceURL.parse(URL))


def test_a_status_that_is_no_answer() -> None:
    error = error_of(HTTPResponse(503, (), published(URL).body))
    assert error.code == "EBUSY"
    assert f"{WHERE} answered with HTTP status 503 in place of" in error.message
    assert "the scheduler's configuration" in error.message
    assert isinstance(error_of(HTTPResponse(404)), ProtocolError)
    assert error_of(HTTPResponse(302)).code == "EREDIRECT"


def test_what_is_not_utf_8() -> None:
    assert error_of(HTTPResponse(200, (), b"\xff")).message == f"{WHERE} is not UTF-8"


def test_what_is_no_configuration() -> None:
    error = error_of(HTTPResponse(200, (), b"{"))
    assert isinstance(error, ProtocolError)
    assert error.message.startswith(f"{WHERE}: the scheduler's configuration is not")


def test_a_scheduler_without_the_service() -> None:
    error = error_of(published(URL, service="other"))
    assert isinstance(error, ProtocolError)
    assert "no services.computeGroups" in error.message


@pytest.mark.parametrize("location", ["", "ftp://example.org/", "http://a b/", "x"])
def test_a_location_that_is_no_url_is_the_schedulers_fault(location: str) -> None:
    error = error_of(published(location))
    assert type(error) is ProtocolError
    assert error.message.startswith(f"{WHERE}: services.computeGroups.location must be like")


def test_a_failure_is_passed_on() -> None:
    lookup = Lookup(SCHEDULER, 5.0)
    (request,) = lookup.requests_to_send()
    failure = NetworkError("no such name", code="ENOTFOUND")
    lookup.request_failed(request, failure)
    assert lookup.next_event() == Closed(failure)
    assert lookup.next_deadline() is None


def test_it_gives_up_in_time_and_not_before() -> None:
    lookup = Lookup(SCHEDULER, 5.0)
    assert lookup.next_deadline() == 5.0
    lookup.handle_timeout(4.999)
    assert lookup.next_event() is None
    lookup.handle_timeout(5.0)
    match lookup.next_event():
        case Closed(NetworkError() as error):
            assert error.message == f"{WHERE} did not answer in time"
            assert error.code == "ETIMEDOUT"
        case other:
            raise AssertionError(other)
    assert lookup.next_deadline() is None
    lookup.handle_timeout(6.0)
    assert lookup.next_event() is None


def test_when_nobody_needs_it() -> None:
    lookup = Lookup(SCHEDULER, 5.0)
    lookup.close(1.0)
    assert lookup.next_event() == Closed(None)
    assert lookup.next_deadline() is None


def test_an_error_leads_to_no_frame() -> None:
    """The body is in the frames that made it."""
    error = error_of(published("x"))
    assert error.__traceback__ is None
    assert error.__context__ is None


@given(st.lists(st.sampled_from(["answer", "fail", "close", "late"]), min_size=1))
def test_one_thing_comes_of_it(things: list[str]) -> None:
    lookup = Lookup(SCHEDULER, 5.0)
    (request,) = lookup.requests_to_send()
    for thing in things:
        match thing:
            case "answer":
                lookup.receive_response(request, published(URL), 1.0)
            case "fail":
                lookup.request_failed(request, NetworkError("..."))
            case "close":
                lookup.close(1.0)
            case "late":
                lookup.handle_timeout(9.0)
    first = lookup.next_event()
    assert isinstance(first, Located) is (things[0] == "answer")
    assert lookup.next_event() is None


@given(st.integers(100, 599), st.binary() | st.text().map(str.encode))
def test_whatever_a_scheduler_says(status: int, body: bytes) -> None:
    error = error_of(HTTPResponse(status, (), body))
    assert isinstance(error, ProtocolError | NetworkError)
    assert error.message.isprintable()
    assert len(error.message) < 600
