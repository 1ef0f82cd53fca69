"""HTTP as the machines see it: whole requests and responses, and engine.io's own answers."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from cg_core.ecmascript_json import stringify

Headers: TypeAlias = tuple[tuple[str, str], ...]

TEXT: Final = ("Content-Type", "text/plain; charset=UTF-8")
HTML: Final = ("Content-Type", "text/html")
JSON: Final = ("Content-Type", "application/json")
_NO_STORE: Final = ("cache-control", "no-store")
# Nothing here depends on cookies, so pages of any origin may come, as to the official service.
_CORS: Final = ("Access-Control-Allow-Origin", "*")
_RETRY_AFTER: Final = "10"  # seconds; a session's next attempts come after 0.5, 1.5, 3.5, ...

_ERRORS: Final = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    5: "Unsupported protocol version",
}


@attrs.frozen
class HTTPRequest:
    """A request.

    Attributes:
        method: GET, POST, ...
        target: path and query, as on the request line.
        headers: those that matter; Host, Connection and the like are the HTTP library's.
        body: may hold a join hash, so it is left out of the repr.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path, as it stands."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, as they stand: those of Engine.IO need no escapes."""
        parameters = self.target.partition("?")[2].split("&")
        return {name: value for name, _, value in (each.partition("=") for each in parameters)}

    def header(self, name: str) -> str | None:
        """The value of a header, None without it. Names are compared as HTTP does."""
        return _header(self.headers, name)


@attrs.frozen
class HTTPResponse:
    """A response; its body, too, is left out of the repr."""

    status: int
    headers: Headers = ()
    body: bytes = attrs.field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The value of a header, None without it. Names are compared as HTTP does."""
        return _header(self.headers, name)


def _header(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name.lower()), None)


def answer(status: int, *headers: tuple[str, str], body: bytes = b"") -> HTTPResponse:
    """An answer with engine.io's headers."""
    length = ("Content-Length", str(len(body)))
    last = (_NO_STORE,) if status == 200 else ()
    return HTTPResponse(status, (_CORS, *headers, length, *last), body)


def refusal(code: int) -> HTTPResponse:
    """The answer to a request that has no place here, by engine.io's code for why."""
    return answer(400, JSON, body=stringify({"code": code, "message": _ERRORS[code]}).encode())


def overloaded() -> HTTPResponse:
    """The answer where there is no room for another connection."""
    return answer(503, ("Retry-After", _RETRY_AFTER))


def preflight(request: HTTPRequest) -> HTTPResponse:
    """The answer to a browser that asks what it may send."""
    vary = "Access-Control-Request-Headers"
    asked = request.header(vary)
    allowed = (("Access-Control-Allow-Headers", asked),) if asked else ()
    return answer(204, ("Access-Control-Allow-Methods", "GET,POST"), ("Vary", vary), *allowed)
