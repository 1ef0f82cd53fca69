"""Why there is no connection: what it means, and whether another attempt may help.

A backend reports what the network did as a `NetworkError` with one of the codes below, the codes
that Node has for the same. An HTTP answer in place of a connection is judged here.
"""

from __future__ import annotations

import re
from typing import Final

from cg_core.errors import ComputeGroupsError, NetworkError, ProtocolError
from cg_core.framing import HTTPResponse

NAME_UNKNOWN: Final = "ENOTFOUND"
NOT_TRUSTED: Final = "ECERT"
"""TLS failed: the certificate, the host's name in it, or the version."""
REDIRECTED: Final = "EREDIRECT"
CUT: Final = "ECONNRESET"
"""A connection was made, and cut before there was an answer."""
UNUSABLE: Final = "EUSAGE"
"""The HTTP client cannot make such a request, wherever it goes."""

_FINAL: Final = {NAME_UNKNOWN, NOT_TRUSTED, REDIRECTED, UNUSABLE}
_OVERLOADED: Final = (429, 503)
_SECONDS: Final = re.compile("[0-9]{1,9}")
_LONGEST_WAIT: Final = 300.0  # seconds; nobody is kept away for longer


def is_final(error: ComputeGroupsError) -> bool:
    """Whether another attempt would fail alike: who waits for it is told at once."""
    return not isinstance(error, NetworkError) or error.code in _FINAL


def retry_after(response: HTTPResponse) -> float:
    """For how many seconds an answer asks not to come back (RFC 9110, 10.2.3); 0 where it does not.

    (A date in place of seconds is shown to the user, and the session's own waits must do.)
    """
    asked = response.header("Retry-After") or ""
    if response.status not in _OVERLOADED or _SECONDS.fullmatch(asked) is None:
        return 0.0
    return min(float(asked), _LONGEST_WAIT)


def of_answer(url: str, what: str, response: HTTPResponse) -> ComputeGroupsError:
    """What an HTTP answer means that came in place of what was asked for.

    Args:
        url: what was asked.
        what: what was asked for.
        response: the answer.
    """
    status = response.status
    answered = f"{url} answered with HTTP status {status} in place of {what}"
    if 300 <= status < 400:
        there = response.header("Location")
        where = f" to {there!a:.200}" if there else ""
        return NetworkError(
            f"{answered}: a redirect{where}; connect to the URL where the service is",
            code=REDIRECTED,
        )
    if status in _OVERLOADED:
        asked = response.header("Retry-After")
        wait = f"; it asks to come back later (Retry-After: {asked!a:.40})" if asked else ""
        return NetworkError(f"{answered}: the service has too much to do{wait}", code="EBUSY")
    if status >= 500:
        return NetworkError(f"{answered}: the service, or a proxy before it, is not well")
    if status == 407:
        return ProtocolError(f"{answered}: the HTTP proxy wants credentials")
    if status in (401, 403):
        return ProtocolError(f"{answered}: access is denied; does a proxy want credentials?")
    return ProtocolError(f"{answered}: this is no DCP service; is the path of the URL right?")
