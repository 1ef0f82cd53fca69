"""What a user may choose about a remote client."""

from __future__ import annotations

import math
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import Address, Identity, InvalidType, InvalidValue
from cg_core.remote import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    Options,
    ServiceURL,
    checked_identity,
)

URL = "http://127.0.0.1:9800/"
IDENTITY = Identity(b"\1" * 32)
TIMES = ["timeout", "connect_timeout", "idle_timeout"]


def test_what_is_not_chosen() -> None:
    options = Options(URL)
    assert options.url == ServiceURL.parse(URL)
    assert options.scheduler is None
    assert options.join_identity is None
    assert (options.timeout, options.connect_timeout) == (CALL_TIMEOUT, CONNECT_TIMEOUT)
    assert options.idle_timeout == IDLE_TIMEOUT
    assert (CALL_TIMEOUT, CONNECT_TIMEOUT, IDLE_TIMEOUT) == (60.0, 10.0, 10.0)
    assert options.transport is None
    assert options.insecure is False
    assert options.service_address is None


def test_what_is_chosen() -> None:
    options = Options(
        scheduler="https://scheduler.example.org",
        join_identity=IDENTITY,
        timeout=1,
        connect_timeout=2.5,
        idle_timeout=None,
        transport="polling",
        insecure=True,
        service_address=IDENTITY.address.lower(),
    )
    assert options.url is None
    assert str(options.scheduler) == "https://scheduler.example.org/"
    assert options.join_identity is IDENTITY
    assert (options.timeout, options.connect_timeout) == (1.0, 2.5)
    assert options.idle_timeout == math.inf
    assert options.transport == "polling"
    assert options.insecure is True
    assert options.service_address == IDENTITY.address
    assert isinstance(options.service_address, Address)


def test_a_service_or_a_scheduler_must_be_named() -> None:
    with pytest.raises(InvalidValue, match="needs the url of a service, or a scheduler"):
        Options()


def test_what_is_called_first() -> None:
    scheduler = "https://scheduler.example.org/"
    assert Options(URL).first_url == ServiceURL.parse(URL)
    assert Options(scheduler=scheduler).first_url == ServiceURL.parse(scheduler)


@pytest.mark.parametrize("transport", [None, "websocket", "polling"])
def test_transports(transport: Any) -> None:
    assert Options(URL, transport=transport).transport == transport


@pytest.mark.parametrize("transport", ["", "WebSocket", "http", "x\n" * 200, 1, True, []])
def test_what_is_no_transport(transport: Any) -> None:
    with pytest.raises(InvalidValue, match='must be "websocket", "polling" or None') as caught:
        Options(URL, transport=transport)
    assert len(caught.value.message) < 200
    assert caught.value.message.isprintable()


@given(st.sampled_from(TIMES), st.floats(min_value=0, exclude_min=True) | st.integers(min_value=1))
def test_any_time_may_be_chosen(name: str, seconds: float) -> None:
    """No time is too long; one that no float holds is no end."""
    given: dict[str, Any] = {name: seconds}
    chosen = getattr(Options(URL, **given), name)
    assert isinstance(chosen, float)
    assert chosen == pytest.approx(seconds)


@pytest.mark.parametrize("name", TIMES)
def test_no_end(name: str) -> None:
    assert getattr(Options(URL, **{name: None}), name) == math.inf  # type: ignore[arg-type] # one of them


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("seconds", [0, 0.0, -1, -0.001, -math.inf, math.nan])
def test_what_is_no_time_to_wait(name: str, seconds: Any) -> None:
    with pytest.raises(InvalidValue, match=f"{name} must be more than 0 seconds, not"):
        Options(URL, **{name: seconds})


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("seconds", ["10", True, False, b"1", [], 1j])
def test_what_is_no_number(name: str, seconds: Any) -> None:
    with pytest.raises(InvalidType, match=f"{name} must be seconds or None, not"):
        Options(URL, **{name: seconds})


def test_any_number_of_seconds_is_an_error_of_ours_or_taken() -> None:
    assert Options(URL, timeout=10**400).timeout == math.inf


@pytest.mark.parametrize("url", ["example.org", 1, ""])
def test_urls_are_checked(url: Any) -> None:
    with pytest.raises((InvalidValue, InvalidType), match=r"^url must"):
        Options(url)
    with pytest.raises((InvalidValue, InvalidType), match=r"^scheduler must"):
        Options(scheduler=url)


def test_a_url_and_a_scheduler_that_tells_one_are_too_much() -> None:
    with pytest.raises(InvalidValue, match="give one"):
        Options(URL, scheduler=URL)


@pytest.mark.parametrize("insecure", ["no", 1, None])
def test_what_is_secure_is_not_given_up_by_mistake(insecure: Any) -> None:
    with pytest.raises(InvalidType, match=r"insecure must be True or False"):
        Options(URL, insecure=insecure)


@pytest.mark.parametrize("address", ["0x12", "", 5])
def test_the_address_is_checked(address: Any) -> None:
    with pytest.raises((InvalidValue, InvalidType), match="service_address"):
        Options(URL, service_address=address)


def test_an_identity_is_one_or_none() -> None:
    assert checked_identity("identity", None) is None
    assert checked_identity("identity", IDENTITY) is IDENTITY


@pytest.mark.parametrize("key", ["5ec4e7" * 10 + "abcd", b"5ec4e7" * 5 + b"ab", 0x5EC4E7])
def test_what_may_be_a_private_key_is_not_shown(key: Any) -> None:
    with pytest.raises(InvalidType, match="join_identity must be an Identity or None, not") as told:
        Options(URL, join_identity=key)
    assert "5ec4e7" not in str(told.value).lower()
    assert str(0x5EC4E7) not in str(told.value)
    (_, *frames) = traceback.walk_tb(told.tb)  # the first is ours
    assert len(frames) == 2
    for frame, _ in frames:
        assert key not in frame.f_locals.values()


def test_no_key_in_the_repr() -> None:
    shown = repr(Options(URL, join_identity=IDENTITY))
    assert IDENTITY.reveal().hex() not in shown
    assert IDENTITY.address in shown
