"""What a service tells by plain HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core.ecmascript_json import JSONValue, parse
from cg_core.framing import HTTPRequest, HTTPResponse
from cg_core.remote.configuration import service_location
from cg_core.remote.service_url import ServiceURL
from cg_core.service.pages import Pages, configuration
from tests.golden import DATA
from tests.strategies import any_characters

SERVICE = ServiceURL.parse("https://computegroups.example.org/service/")

hosts = st.sampled_from(
    ["127.0.0.1", "localhost", "Example.ORG", "[::1]", "[FE80::1]", "bücher.example"]
)
ports = st.just("") | st.integers(0, 65_535).map(":{}".format)
paths = st.text(any_characters, max_size=30).filter(
    lambda text: not any(c.isspace() or c < " " or "\x7f" <= c < "\xa0" or c in "?#@" for c in text)
)
urls = st.builds(
    "{}://{}{}/{}".format, st.sampled_from(["http", "https", "HTTP"]), hosts, ports, paths
).map(ServiceURL.parse)


def pages(url: ServiceURL | None = None, *, is_well: bool = True) -> Pages:
    def health(now: float) -> tuple[dict[str, JSONValue], bool]:
        return {"status": "so", "now": now}, is_well

    return Pages(url, health, lambda: "counted 1\n")


def answer(pages: Pages, target: str, method: str = "GET", **headers: str) -> HTTPResponse:
    return pages.answer(HTTPRequest(method, target, tuple(headers.items())), 5.0)


@given(urls)
def test_a_configuration_is_read_as_it_was_meant(url: ServiceURL) -> None:
    assert service_location(configuration(url)) == str(url)
    assert ServiceURL.parse(service_location(configuration(url))) == url


def test_the_configuration_is_the_one_that_the_official_client_was_tried_with() -> None:
    """tests/peers has it read the same file."""
    expected = (DATA / "kvin" / "minimal.kvin").read_text(encoding="utf-8")
    assert configuration(SERVICE) == expected.rstrip("\n")


def location(response: HTTPResponse) -> str:
    assert response.status == 200
    return service_location(response.body.decode())


@pytest.mark.parametrize("host", ["elsewhere.example", "", "no host"])
def test_the_url_that_was_given_is_told_whatever_the_client_called(host: str) -> None:
    told = answer(pages(SERVICE), "/etc/dcp-config.kvin", Host=host)
    assert location(told) == str(SERVICE)
    assert location(answer(pages(SERVICE), "/etc/dcp-config.kvin")) == str(SERVICE)
    assert told.header("Content-Type") == "text/plain; charset=UTF-8"
    assert told.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("host", ["127.0.0.1:9800", "groups.example.org", "[::1]:80"])
def test_without_one_the_client_is_told_what_it_called(host: str) -> None:
    for name in ("Host", "host", "HOST"):
        told = answer(pages(), "/etc/dcp-config.kvin?x=1", **{name: host})
        assert location(told) == f"http://{host}/"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "/",
        "a/",
        "a/b",
        "a b",
        "a:b",
        "a:65536",
        "a?b",
        "a#b",
        "user@a",
        "[",
        "a\\b",
        "\r\nx: y",
    ],
)
def test_a_host_that_is_none_is_a_bad_request(host: str) -> None:
    assert answer(pages(), "/etc/dcp-config.kvin", Host=host).status == 400


def test_no_host_is_a_bad_request() -> None:
    assert answer(pages(), "/etc/dcp-config.kvin").status == 400


@given(st.text(any_characters, max_size=20))
def test_whatever_the_host_it_is_told_or_refused(host: str) -> None:
    told = answer(pages(), "/etc/dcp-config.kvin", Host=host)
    assert told.status in (200, 400)
    if told.status == 200:
        assert location(told) == f"http://{host.lower()}/"


@pytest.mark.parametrize("is_well", [True, False])
def test_health(is_well: bool) -> None:
    told = answer(pages(is_well=is_well), "/health")
    assert told.status == (200 if is_well else 503)
    assert parse(told.body.decode()) == {"status": "so", "now": 5}
    assert told.header("Content-Type") == "application/json"


def test_metrics() -> None:
    told = answer(pages(), "/metrics")
    assert (told.status, told.body) == (200, b"counted 1\n")
    assert told.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"


def test_pages_are_under_the_path_of_the_url_and_the_configuration_where_schedulers_have_it() -> (
    None
):
    found: dict[str, Any] = {
        path: answer(pages(SERVICE), path).status
        for path in (
            "/service/health", "/service/metrics", "/etc/dcp-config.kvin",
            "/health", "/metrics", "/service/etc/dcp-config.kvin",
        )
    }  # fmt: skip
    assert list(found.values()) == [200, 200, 200, 404, 404, 404]


@given(st.text(any_characters, max_size=20))
def test_there_are_no_others(path: str) -> None:
    assert answer(pages(), f"/{path}").status in (200, 404)
    assert answer(pages(), path).status == 404


@pytest.mark.parametrize("path", ["/health", "/metrics", "/etc/dcp-config.kvin"])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS", "get", ""])
def test_pages_are_only_read(path: str, method: str) -> None:
    told = answer(pages(), path, method)
    assert (told.status, told.header("Allow"), told.body) == (405, "GET", b"")
