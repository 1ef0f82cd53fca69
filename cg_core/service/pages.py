"""What a service tells by plain HTTP: where it is, how it is, what it has counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cg_core.ecmascript_json import JSONValue, stringify
from cg_core.errors import InvalidArgument
from cg_core.framing import HTTPRequest, HTTPResponse
from cg_core.framing.http import JSON, TEXT, answer
from cg_core.remote.service_url import ServiceURL

_METRICS: Final = ("Content-Type", "text/plain; version=0.0.4; charset=utf-8")


class Pages:
    """The pages of a service.

    Args:
        url: where clients find it; what they called if not given.
        health: gives how it is at a time, and whether that is well.
        metrics: gives what it has counted, as Prometheus reads it.
    """

    def __init__(
        self,
        url: ServiceURL | None,
        health: Callable[[float], tuple[dict[str, JSONValue], bool]],
        metrics: Callable[[], str],
    ) -> None:
        path = "/" if url is None else url.path
        self._url = url
        self._health = health
        self._metrics = metrics
        self._pages: dict[str, Callable[[HTTPRequest, float], HTTPResponse]] = {
            "/etc/dcp-config.kvin": self._configuration,  # as a scheduler has it
            f"{path}health": self._healthy,
            f"{path}metrics": self._counted,
        }

    def answer(self, request: HTTPRequest, now: float) -> HTTPResponse:
        """The page that a request asks for, or that there is none."""
        page = self._pages.get(request.path)
        if page is None:
            return answer(404)
        return page(request, now) if request.method == "GET" else answer(405, ("Allow", "GET"))

    def _configuration(self, request: HTTPRequest, _: float) -> HTTPResponse:
        url = self._url or _called(request)
        if url is None:
            return answer(400)
        return answer(200, TEXT, body=configuration(url).encode())

    def _healthy(self, _: HTTPRequest, now: float) -> HTTPResponse:
        health, is_well = self._health(now)
        return answer(200 if is_well else 503, JSON, body=stringify(health).encode())

    def _counted(self, _: HTTPRequest, __: float) -> HTTPResponse:
        return answer(200, _METRICS, body=self._metrics().encode())


def _called(request: HTTPRequest) -> ServiceURL | None:
    # What the client called us. Who says that we are another host tells nobody but itself.
    host = request.header("Host") or ""
    try:
        url = ServiceURL.parse(f"http://{host}", "Host")
    except InvalidArgument:
        return None
    return None if "/" in host else url


def configuration(service: ServiceURL) -> str:
    """What a scheduler would publish (KVIN): where the service is.

    dcp-client 5 looks besides for the version that it is to have, and goes without the rest.
    """
    location: JSONValue = {"ctr": "dcpUrl$$DcpURL", "ps": {}, "arg": str(service)}
    compatibility: JSONValue = {"raw": {"minimum": {"dcp": "^5.0.0"}}}
    services = _object(computeGroups=_object(location=location))
    scheduler = _object(compatibility=compatibility, services=services)
    return stringify({"_serializeVerId": "v9", "what": _object(scheduler=scheduler)})


def _object(**properties: JSONValue) -> JSONValue:
    return {"ctr": 0, "ps": properties}
