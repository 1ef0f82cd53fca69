"""What the remote backends know of httpx, and of any client of its shape.

Such a client's errors are told apart by the names of their classes, so that it need not be httpx.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

import httpx

from cg_backends.websocket import WebSocketFrames
from cg_core import ComputeGroupsError, InvalidType, InvalidValue, NetworkError, ProtocolError
from cg_core.framing import Headers, HTTPRequest, HTTPResponse
from cg_core.remote import Options, RequestConnection, WebSocket
from cg_core.remote.failures import CUT, NAME_UNKNOWN, NOT_TRUSTED, REDIRECTED, UNUSABLE
from cg_core.session import Instant
from cg_core.text import type_name

T = TypeVar("T")

CHUNK: Final = 65_536
"""Bytes to read at a time."""

_THIS_MACHINE: Final = ("all://localhost", "all://*.localhost", "all://127.0.0.1", "all://[::1]")
_WRONG_NAME: Final = 62  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH
_BROKEN: Final = ("RemoteProtocolError", "ReadError", "WriteError")
_CODES: Final = {
    # What no network says: the client is closed, or of another event loop, or knows no such URL.
    "TypeError": UNUSABLE,
    "ValueError": UNUSABLE,
    "RuntimeError": UNUSABLE,
    "TooManyRedirects": REDIRECTED,
    "UnsupportedProtocol": UNUSABLE,
    "InvalidURL": UNUSABLE,
    "LocalProtocolError": UNUSABLE,
    "TimeoutException": "ETIMEDOUT",
    **dict.fromkeys(_BROKEN, CUT),
}


def checked_client(http: T, *, asynchronous: bool) -> T:
    """An HTTP client for a backend of this kind, or None.

    Raises:
        InvalidType: it is one for backends of the other kind, or none at all.
        InvalidValue: it is closed.
    """
    if http is None:
        return http
    wanted = "httpx.AsyncClient" if asynchronous else "httpx.Client"
    if isinstance(http, type):
        raise InvalidType(f"http is the class {http.__name__}; pass a client: {http.__name__}()")
    if not callable(getattr(http, "stream", None)) or hasattr(http, "aclose") is not asynchronous:
        raise InvalidType(f"http must be an {wanted}, or of its shape, not {type_name(http)}")
    if getattr(http, "is_closed", False) is True:
        raise InvalidValue(f"http is an {wanted} that is closed; keep it open as long as this one")
    return http


def own_client(make: Callable[..., T], options: Options) -> T:
    """An httpx client of our own.

    Nothing is redirected (a request may hold secrets), and deadlines are the core's, not httpx's.
    What is on this machine is reached without a proxy, whatever the environment says: otherwise a
    join hash could leave it (C-13).

    Args:
        make: `httpx.Client` or `httpx.AsyncClient`.
        options: what the user chose.

    Raises:
        InvalidValue: the environment's proxies or certificates cannot be.
    """
    arguments: dict[str, Any] = {"mounts": dict.fromkeys(_THIS_MACHINE)}
    first = options.first_url
    if first.is_loopback:
        arguments["trust_env"] = False
        if options.url is not None and not first.is_encrypted:
            # Loading certificates costs 20 ms and more; this context has none, and trusts nobody.
            arguments["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return make(timeout=None, follow_redirects=False, **arguments)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise InvalidValue(
            f"no httpx client can be made in this environment ({type(error).__name__}: {error}); "
            "look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR, or pass a "
            "client as http="
        ) from None


def request_headers(headers: Headers) -> dict[str, str]:
    """The headers of a request, besides those that the client adds itself.

    A response is taken as it stands: a small one might unpack to one without end.
    """
    return {"Accept-Encoding": "identity", **dict(headers)}


def open_websocket(
    http: Any,
    websocket: WebSocket,
    frames: WebSocketFrames,
    timeout: float | None = None,
    **options: Any,
) -> Any:
    """A context manager, of the client's own kind, that asks for a WebSocket and gives the answer.

    Args:
        http: a sync or an asynchronous client.
        websocket: which one.
        frames: its.
        timeout: seconds for each step of it.
        options: others of the request.
    """
    headers = request_headers(websocket.headers) | frames.headers
    return http.stream(
        "GET", websocket.url, headers=headers, timeout=timeout, follow_redirects=False, **options
    )


def refusal_of(
    websocket: WebSocket, frames: WebSocketFrames, response: Any
) -> Callable[[Instant], None] | None:
    """What to call where a response opens no WebSocket; None where it does."""
    if response.status_code != 101:
        return partial(websocket.refused, response_head(response))
    if not frames.accepted(response.headers):
        place = websocket.url.partition("?")[0]
        fault = ProtocolError(f"{place} does not answer as a WebSocket does")
        return partial(websocket.failed, fault)
    return None


def response_head(response: Any, body: bytes = b"") -> HTTPResponse:
    """A response as the core takes it; the body is read by whoever has it."""
    return HTTPResponse(response.status_code, tuple(response.headers.items()), body)


class _Body(httpx.ByteStream):
    """A body in one piece. httpx's own is read by a generator, which a cancellation leaves open."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self._body)


class _Once(AsyncIterator[bytes]):
    def __init__(self, body: bytes) -> None:
        self._left = [body]

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


async def make_request(
    http: Any, connection: RequestConnection, request: HTTPRequest
) -> Callable[[Instant], None]:
    """Make a request with an asynchronous client; gives what to call to report what came of it."""
    url = connection.url(request)
    headers = request_headers(request.headers)
    try:
        made = http.build_request(
            request.method, url, headers=headers, content=request.body, timeout=None
        )
        if isinstance(made.stream, httpx.ByteStream):
            made.stream = _Body(request.body)
        response = await http.send(made, stream=True, follow_redirects=False)
        body = bytearray()
        try:
            async for chunk in response.aiter_raw(CHUNK):
                if not response.is_closed:
                    body += chunk
                    # Nobody reads on after that. To break would leave generators to the collector.
                    if len(body) > connection.response_size:
                        await response.aclose()
        except Exception:
            if not response.is_closed:
                raise
        finally:
            await response.aclose()
    except Exception as error:  # a client of any make
        return partial(connection.request_failed, request, network_error(error, url))
    return partial(connection.receive_response, request, response_head(response, bytes(body)))


def network_error(error: Exception, url: str) -> ComputeGroupsError:
    """What an error of the HTTP client means; the core decides what comes of it.

    The error itself is not chained: its frames hold what was sent.

    Args:
        error: whatever the client raised.
        url: where the request went.
    """
    place = url.partition("?")[0]
    for cause in _causes(error):
        match cause:
            case ssl.SSLEOFError():
                return NetworkError(f"{place}: the connection was cut", code=CUT)
            case ssl.SSLError():
                return NetworkError(
                    f"TLS with {place} failed: {cause}; {_tls_advice(cause)}", code=NOT_TRUSTED
                )
            case socket.gaierror() if cause.errno != socket.EAI_AGAIN:
                return NetworkError(
                    f"the host's name in {place} is not known: {cause.strerror}", code=NAME_UNKNOWN
                )
            case ConnectionRefusedError():
                return NetworkError(f"nobody listens at {place}", code="ECONNREFUSED")
    names = [kind.__name__ for kind in type(error).__mro__]
    what = f"{names[0]}: {error}" if str(error) else names[0]
    if names[0] == "PoolTimeout":
        what = "PoolTimeout: the httpx client has no free connection; raise its limits"
    elif names[0] == "RemoteProtocolError" and str(error).startswith("illegal"):
        what = "what listens there does not speak HTTP"  # the error quotes it
    elif names[0] in _BROKEN:
        what = "the connection broke"
    code = next((_CODES[name] for name in names if name in _CODES), "EIO")
    return NetworkError(f"{place}: {what}", code=code)


def _tls_advice(error: ssl.SSLError) -> str:
    if error.reason == "WRONG_VERSION_NUMBER":
        return "what is there does not speak TLS, it seems: is it http://, or another port?"
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == _WRONG_NAME:
        return "connect by a name that is in the certificate"
    return "to trust a CA of your own, pass an httpx client that does as http="


def would_block(error: Exception) -> bool:
    """Whether an error of a read that may not wait only says that nothing has come."""
    return any(
        isinstance(cause, BlockingIOError | ssl.SSLWantReadError) for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    # The error and what led to it; where several addresses were tried, the first one's error.
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        else:
            error = error.__cause__ or error.__context__
