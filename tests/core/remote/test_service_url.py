"""The URL of a service: read, printed, judged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import InvalidType, InvalidValue
from cg_core.remote import ServiceURL
from tests.strategies import any_characters

schemes = st.sampled_from(["http", "https"])
hosts = st.sampled_from(["127.0.0.1", "Example.ORG", "localhost", "[::1]", "[FE80::1]", "10.1.2.3"])
ports = st.none() | st.integers(0, 65_535)
paths = st.sampled_from(["", "/", "/path", "/path/", "/a//b", "/%2e/", "/a:b/c;d=e"])

LOOPBACK = [
    "http://localhost",
    "http://LOCALHOST:80/",
    "http://localhost.:80/",
    "http://me.localhost/",
    "http://127.0.0.1:9800",
    "http://127.255.3.4/",
    "http://[::1]/",
    "http://[::1]:9800/x",
]
ELSEWHERE = [
    "http://example.org/",
    "http://localhost.example.org/",
    "http://mylocalhost/",
    "http://localhost..example/",
    "http://127.0.0.1.example.org/",
    "http://127.example.org/",
    "http://227.0.0.1/",
    "http://1127.0.0.1/",
    "http://[::2]:1/",
    "http://[::1:1]/",
    "http://example.org/localhost",
    "http://example.org:80/[::1]",
]
WRONG = [
    "",
    "example.org",
    "example.org:9800",
    "//example.org/",
    "ftp://example.org/",
    "ws://example.org/",
    "HTTPX://example.org/",
    "http:example.org",
    "http://",
    "http:///path",
    "http://:80/",
    "http://example.org:/",
    "http://example.org:123456/",
    "http://example.org:65536/",
    "http://example.org:80a/",
    "http://example.org:-1/",
    "http://[::1/",
    "http://[x]/",
    "http://[]/",
    "http://::1/",
    "http://example.org/?query",
    "http://example.org?query",
    "http://example.org/#fragment",
    "http://example.org/a path",
    "http://example.org/\nHost: x",
    "http://exa\tmple.org/",
    "http://example.org\\path",
    " http://example.org/",
    "http://example.org/ ",
    "http://example.org/\n",
]


@given(schemes, hosts, ports, paths)
def test_its_parts(scheme: str, host: str, port: int | None, path: str) -> None:
    origin = f"{scheme}://{host}" + ("" if port is None else f":{port}")
    url = ServiceURL.parse(origin + path)
    assert url.origin == origin.lower()
    assert url.path in (path, f"{path}/")
    assert url.path.startswith("/")
    assert url.path.endswith("/")
    assert str(url) == url.origin + url.path
    assert ServiceURL.parse(str(url)) == url
    assert url.is_encrypted is (scheme == "https")
    assert url.is_private is (url.is_encrypted or url.is_loopback)


def test_scheme_and_host_may_be_in_capitals() -> None:
    assert str(ServiceURL.parse("HTTPS://Example.ORG/Path")) == "https://example.org/Path/"


@pytest.mark.parametrize("prefix", ["", "0x"])
def test_a_private_key_by_mistake_does_not_show(prefix: str) -> None:
    with pytest.raises(InvalidValue, match="looks like a private key") as caught:
        ServiceURL.parse(prefix + "c0ffee01" * 8)
    assert "c0ffee" not in str(caught.value)


@pytest.mark.parametrize("url", LOOPBACK)
def test_on_this_machine(url: str) -> None:
    assert ServiceURL.parse(url).is_loopback
    assert not ServiceURL.parse(url).is_encrypted
    assert ServiceURL.parse(url).is_private


@pytest.mark.parametrize("url", ELSEWHERE)
def test_on_another_machine(url: str) -> None:
    assert not ServiceURL.parse(url).is_loopback
    assert not ServiceURL.parse(url).is_private
    assert ServiceURL.parse(url.replace("http:", "https:")).is_private


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_url_is_shown_and_told_how_to_mend(url: str) -> None:
    with pytest.raises(InvalidValue, match="must be like http://") as caught:
        ServiceURL.parse(url, "scheduler")
    assert caught.value.message.startswith("scheduler must")
    assert ascii(url) in caught.value.message


@pytest.mark.parametrize("url", ["http://me:hunter2@example.org/", "me:hunter2@example.org", "@"])
def test_a_password_is_not_shown(url: str) -> None:
    with pytest.raises(InvalidValue, match="no user or password") as caught:
        ServiceURL.parse(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", [None, 80, b"http://example.org/", ["http://example.org/"]])
def test_what_is_no_text(url: Any) -> None:
    with pytest.raises(InvalidType, match="url must be a str, not"):
        ServiceURL.parse(url)


@given(st.text(any_characters) | st.text(any_characters).map("http://x/{}".format))
def test_any_text_is_a_url_or_an_error_of_bounded_length_on_one_line(text: str) -> None:
    try:
        url = ServiceURL.parse(text)
    except InvalidValue as error:
        message = error.message
    else:
        message = ""
        assert text.startswith(("http://", "https://"))
        assert not set("?#@ \n\r\t") & set(str(url))
    assert len(message) < 400
    assert message.isprintable()


def test_what_a_url_is_cannot_break_a_line_or_drive_a_terminal() -> None:
    """A scheduler names one, and it is written to logs."""
    for text in ("http://example.org/\x1b[31m", "http://example.org/\0", "http://exa\x7fmple.org/"):
        with pytest.raises(InvalidValue):
            ServiceURL.parse(text)
