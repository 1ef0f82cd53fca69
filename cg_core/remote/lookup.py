"""Asking a scheduler where its service of compute groups is."""

from __future__ import annotations

import math
from collections import deque

import attrs

from cg_core.errors import ComputeGroupsError, InvalidArgument, NetworkError, ProtocolError
from cg_core.framing import Closed, HTTPRequest, HTTPResponse
from cg_core.remote.configuration import service_location
from cg_core.remote.failures import of_answer
from cg_core.remote.service_url import ServiceURL

# At the root, whatever the scheduler's path, and with a version, without which it would answer with
# source code. So asks dcp-client.
_CONFIGURATION = "/etc/dcp-config.kvin"
_VERSION = "?ver=2.1.0"


@attrs.frozen
class Located:
    """The scheduler has told where the service is."""

    url: ServiceURL


class Lookup:
    """One request to a scheduler, with the face of a connection that never opens.

    Args:
        scheduler: where to ask.
        deadline: when to give up.
    """

    def __init__(self, scheduler: ServiceURL, deadline: float) -> None:
        self._url = f"{scheduler.origin}{_CONFIGURATION}"
        self._request: HTTPRequest | None = HTTPRequest("GET", _CONFIGURATION + _VERSION)
        self._deadline: float | None = deadline
        self._events: deque[Located | Closed] = deque()

    poll_time = math.inf

    def requests_to_send(self) -> list[HTTPRequest]:
        """The request, once."""
        request, self._request = self._request, None
        return [] if request is None else [request]

    def receive_response(self, request: HTTPRequest, response: HTTPResponse, now: float) -> None:  # noqa: ARG002 # as the others
        """Take the response."""
        try:
            if response.status != 200:
                raise of_answer(self._url, "the scheduler's configuration", response)
            url = _service_url(self._url, response.body)
        except ComputeGroupsError as error:
            self._end(Closed(error.bare()))
        else:
            self._end(Located(url))

    def request_failed(self, request: HTTPRequest, error: ComputeGroupsError) -> None:  # noqa: ARG002 # as the others
        """Take it that there is no response."""
        self._end(Closed(error))

    def close(self, now: float) -> None:  # noqa: ARG002 # as the others
        """Nobody needs the answer any more."""
        self._end(Closed(None))

    def next_event(self) -> Located | Closed | None:
        """What came of it, once."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When to call `handle_timeout`."""
        return self._deadline

    def handle_timeout(self, now: float) -> None:
        """Give up, if it is time."""
        if self._deadline is not None and self._deadline <= now:
            self._end(Closed(NetworkError(f"{self._url} did not answer in time", code="ETIMEDOUT")))

    def _end(self, event: Located | Closed) -> None:
        if self._deadline is not None:
            self._deadline = None
            self._events.append(event)


def _service_url(url: str, body: bytes) -> ServiceURL:
    try:
        return ServiceURL.parse(service_location(body.decode()), "services.computeGroups.location")
    except UnicodeDecodeError:
        raise ProtocolError(f"{url} is not UTF-8") from None
    except (InvalidArgument, ProtocolError) as error:
        raise ProtocolError(f"{url}: {error.message}") from None
