"""A client whose texts are kept, to be said again by whoever has overheard them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import attrs
import httpx

from cg_backends.random_text import random_text
from cg_core import Identity, Request, to_operation
from cg_core.framing import socketio
from cg_core.sealed import unseal
from cg_core.session import (
    Instant,
    RandomIdentifiers,
    RequestFailed,
    ResponseReceived,
    Role,
    Session,
)

TIMEOUT: Final = 30.0
_MOST_POLLS: Final = 20


@attrs.define
class Line:
    """A connection by polling that says texts, whosever they are."""

    http: httpx.Client
    sid: str

    def post(self, packet: str) -> int:
        """Send a packet; the HTTP status."""
        query = {"sid": self.sid}
        return self.http.post("", params=query, content=packet.encode()).status_code

    def say(self, text: str) -> int:
        """Say a sealed text."""
        return self.post("4" + socketio.message(text))

    def poll(self) -> list[str] | None:
        """The packets of one poll; None where the connection is over."""
        answer = self.http.get("", params={"sid": self.sid})
        return answer.text.split("\x1e") if answer.status_code == 200 else None

    def heard(self) -> list[str]:
        """The sealed texts that come until the service ends the connection."""
        texts: list[str] = []
        for _ in range(_MOST_POLLS):
            packets = self.poll()
            texts += texts_of(packets or [])
            if packets is None or {"41", "1"} & set(packets):
                return texts
        raise AssertionError("the connection does not end")


def texts_of(packets: list[str]) -> list[str]:
    """The sealed texts in packets."""
    strings = [json.loads(each[2:])[1] for each in packets if each.startswith("42")]
    return [string for string in strings if string.startswith("{")]


@contextmanager
def line(url: str) -> Iterator[Line]:
    """A connection that is open."""
    query = {"EIO": "4", "transport": "polling"}
    with httpx.Client(base_url=f"{url}dcp5/socketio/", params=query, timeout=TIMEOUT) as http:
        made = Line(http, json.loads(http.get("").text[1:])["sid"])
        assert made.post("40") == 200
        yield made


@attrs.define
class Overheard:
    """A session of an honest client, and all that it has said.

    Attributes:
        line: its connection.
        session: its session.
        texts: what it has said, in order.
        answers: what has come of its requests.
    """

    line: Line
    session: Session
    texts: list[str] = attrs.field(factory=list)
    answers: list[object] = attrs.field(factory=list)

    def ask(self, request: Request[Any]) -> object:
        """Make a call; its answer, as it came."""
        id = self.session.request(partial(to_operation, request), _now())
        while True:
            for event in iter(self.session.next_event, None):
                if isinstance(event, ResponseReceived | RequestFailed):
                    self.answers.append(event)
                    if event.id == id:
                        return event.error if isinstance(event, RequestFailed) else event.payload
            self.pump()

    def pump(self) -> None:
        """Say what there is to say; hear what comes."""
        said = self.session.data_to_send(_now())
        for _, text in said:
            self.texts.append(text)
            assert self.line.say(text) == 200
        if not said:
            packets = self.line.poll()
            assert packets is not None
            if "2" in packets:
                self.line.post("3")
            for text in texts_of(packets):
                self.session.receive("line", text, _now())


@contextmanager
def overheard(url: str, identity: Identity) -> Iterator[Overheard]:
    """A client that has connected."""
    with line(url) as made:
        session = Session(Role.INITIATOR, identity, RandomIdentifiers(Role.INITIATOR, random_text))
        session.start(_now())
        session.next_event()
        session.transport_opened("line", _now())
        client = Overheard(made, session)
        while session.session_id is None:
            client.pump()
        yield client


def kind(text: str) -> str:
    """What a text is: ack, request, ..."""
    body = unseal(text).body
    assert isinstance(body, dict)
    return str(body["type"])


def _now() -> Instant:
    return Instant(time.monotonic(), time.time())
