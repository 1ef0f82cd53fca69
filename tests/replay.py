"""Recorded sessions again, with our machines in the place of one of the two ends.

What the other end said comes as it was recorded. What our end calls its messages, which nonces it
gives and when it signs are arguments of the machine, so they can be what was recorded, too. A
session is replayed once with made-up identifiers, which shows which text of ours is which of the
recording, and then with the identifiers and times of those: see `replayed`.

The other end is played by a stand-in that has its key. It says what was recorded, to the letter, as
long as our end goes the way of the official one. Where ours goes another, the stand-in keeps up the
conversation: it acks what was never recorded, does not ack what was not sent, does not answer what
was not asked, and seals anew what has to name another token, nonce, id or session.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeAlias

import attrs

from cg_core import Address, ComputeGroupsError, Identity, ProtocolError
from cg_core.ecmascript_json import parse, stringify
from cg_core.errors import ClientClosed, Refused
from cg_core.operations import Operation
from cg_core.sealed import seal, unseal
from cg_core.session.events import (
    Event,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    SessionClosed,
    SessionOpened,
    TransportDropped,
    TransportWanted,
)
from cg_core.session.identifiers import Role
from cg_core.session.instant import Instant
from cg_core.session.messages import ABSENT
from cg_core.session.session import Session
from cg_core.session.settings import Settings
from cg_core.session.target import Target
from cg_core.session.validity import StampMemory
from tests.golden import golden
from tests.transcripts import Connection, Side, load

Body: TypeAlias = dict[str, Any]
Key: TypeAlias = Hashable
"""What a text is, whatever identifiers it has: the same for ours and for the recorded one."""

IDENTITIES = {
    identity.address: identity
    for identity in (Identity(key["private_key"]) for key in golden("signing")["keys"])
}
"""All who sign in the recordings."""
SIDES: Mapping[Role, tuple[Side, Side]] = {
    Role.INITIATOR: ("client", "server"),
    Role.TARGET: ("server", "client"),
}
"""Our side and the other, by our role."""
SECOND_PROCESS = {"g1": 2, "g2": 2, "m3": 2}
"""Where the target was restarted, and the first connection to the new one."""
FULL = 20
"""Messages in a batch: where there are so many, the next were waiting, too."""
AS_OFFICIAL = Settings(most_in_batch=FULL)
SETTINGS = {
    "o2": attrs.evolve(AS_OFFICIAL, ack_timeout=2),
    "m5": attrs.evolve(AS_OFFICIAL, connect_timeout=6),
}
"""Where the official client was configured."""
DELIVERED_LATER = {("n3", 206): (209, 4.487)}
"""Lines and times of what was complete, and had to wait for an older message that was not."""
LONG_AFTER = 10.0  # seconds: longer than anything that is waited for when all is said


# What was recorded


@attrs.frozen
class Said:
    """The other end says something: a sealed text, or (without a body) what is none."""

    line: int
    t: float
    transport: int
    text: str = attrs.field(repr=False)
    body: Body | None = attrs.field(repr=False)


@attrs.frozen
class Opened:
    """A connection is there."""

    line: int
    t: float
    transport: int


@attrs.frozen
class Ended:
    """A connection is over."""

    line: int
    t: float
    transport: int


@attrs.frozen
class NotOpened:
    """A connection was tried in vain."""

    line: int
    t: float


@attrs.frozen
class Closed:
    """The program calls close(), and no text tells of it."""

    line: int
    t: float


@attrs.frozen
class Recorded:
    """A text of the end whose place we take."""

    line: int
    t: float
    text: str = attrs.field(repr=False)
    body: Body = attrs.field(repr=False)
    transport: int


Happening: TypeAlias = Said | Opened | Ended | NotOpened | Closed | Recorded


@attrs.frozen
class Life:
    """One session, or the attempt at one, from its first connection to the end of its last.

    Attributes:
        number: of its first connection.
        identity: of the end whose place we take.
        known_peer: the address that our end knows from a session before, if any.
        happenings: in order.
        hung_up: whether the end whose place we take disconnected.
    """

    name: str
    role: Role
    number: int
    identity: Identity
    known_peer: Address | None
    happenings: tuple[Happening, ...] = attrs.field(repr=False)
    hung_up: bool

    @property
    def texts(self) -> list[Recorded]:
        """What the end said whose place we take."""
        return [each for each in self.happenings if isinstance(each, Recorded)]

    @property
    def begins_with_connect(self) -> bool:
        """Whether it is the attempt at a session of its own."""
        first = next((each for each in self.happenings if isinstance(each, Said)), None)
        return self.role is Role.INITIATOR or (first is not None and _connects(first.body))

    @property
    def resumes(self) -> bool:
        """Whether it has several connections."""
        return sum(isinstance(each, Opened) for each in self.happenings) > 1

    @property
    def second_process(self) -> bool:
        """Whether the target had been restarted before."""
        return self.number >= SECOND_PROCESS.get(self.name, 1_000)


def lives(name: str, role: Role) -> list[Life]:
    """The sessions of a recording, as one of the two ends has them."""
    transcript = load(name)
    groups: list[list[Connection]] = []
    connects: set[str] = set()
    known: dict[str, list[Connection]] = {}  # the target's sessions
    for connection in transcript.connections:
        if not any((frame.message or "").startswith("{") for frame in connection.frames):
            continue
        texts = [frame.sealed for frame in connection.frames if frame.sealed is not None]
        first = next((text.body for text in texts if text.sender == "client"), {})
        if connection.number == SECOND_PROCESS.get(name):
            known.clear()
        if role is Role.INITIATOR:
            group = groups[-1] if groups and not _connects(first) else None
            if _connects(first) and first["id"] in connects:
                group = groups[-1]
            connects.add(first.get("id", ""))
        else:
            group = known.get(first.get("dcpsid", ""))
        if group is None:
            groups.append(group := [])
        group.append(connection)
        for text in texts:
            if text.sender == "server" and "dcpsid" in text.body and _connects(first):
                known[text.body["dcpsid"]] = group
    return [_life(name, role, group, is_first=group is groups[0]) for group in groups]


def _life(name: str, role: Role, connections: list[Connection], *, is_first: bool) -> Life:
    header = load(name).header
    ours, _ = SIDES[role]
    happenings: list[Happening] = []
    hung_up = False
    identity = header.client if role is Role.INITIATOR else header.target
    for connection in connections:
        opening = connection.frames[0]
        happenings.append(Opened(opening.line, opening.t, connection.number))
        for frame in connection.frames:
            text = frame.sealed
            hung_up |= frame.sender == ours and frame.packet == "41"
            if text is not None and text.sender == ours:
                identity = IDENTITIES[Address(text.owner)]
                happenings.append(
                    Recorded(text.line, text.t, text.text, text.body, connection.number)
                )
            elif text is not None and text.delivered:
                line, t = DELIVERED_LATER.get((name, text.line), (text.line, text.t))
                happenings.append(Said(line, t, connection.number, text.text, text.body))
            elif text is None and (message := frame.message or "").startswith("{"):
                happenings.append(Said(frame.line, frame.t, connection.number, message, None))
        if connection.ended is not None:
            ended = connection.ended
            happenings.append(Ended(ended.line, ended.t, connection.number))
    if role is Role.INITIATOR:
        happenings += _without_texts(name)
    peer = header.target.address if role is Role.INITIATOR and not is_first else None
    happenings.sort(key=lambda each: (each.t, each.line))
    return Life(name, role, connections[0].number, identity, peer, tuple(happenings), hung_up)


def _without_texts(name: str) -> Iterator[Happening]:
    transcript = load(name)
    for t in transcript.refused:
        yield NotOpened(0, t)
    for event in transcript.events:
        if event.text == "calls close() while disconnected":
            yield Closed(event.line, event.t)


def _connects(body: Body | None) -> bool:
    payload = (body or {}).get("payload")
    return isinstance(payload, dict) and payload.get("operation") == "connect"


def members_of(body: Body) -> list[Body]:
    """What a numbered message says: of a batch, its messages."""
    payload = body.get("payload")
    if body.get("type") != "batch":
        return [body]
    return [each for each in payload if isinstance(each, dict)] if isinstance(payload, list) else []


def data_of(payload: Any) -> Any:
    """The data of a payload, in whichever form; ABSENT if there is none."""
    if not isinstance(payload, dict):
        return ABSENT
    return parse(payload["jsonData"]) if "jsonData" in payload else payload.get("data", ABSENT)


def answer_of(response: Body) -> Any:
    """The payload of a response as the program gave it, and gets it; None if there is none."""
    payload: Any = response.get("payload")
    if not isinstance(payload, dict) or "jsonData" not in payload:
        return payload
    others = {name: value for name, value in payload.items() if name != "jsonData"}
    return others | {"data": data_of(payload)}


class Keys:
    """Tells what texts are. Ids that our end was given stay; what it named itself is counted."""

    def __init__(self, given: Iterable[str]) -> None:
        self._given = frozenset(given)
        self._counted: defaultdict[Key, dict[str, int]] = defaultdict(dict)

    def of(self, body: Body) -> Key:
        """What a text is; a text that is sent again is what it was."""
        if body["type"] == "ack":
            return ("ack", body.get("token"))
        members = frozenset(self.of_member(member) for member in members_of(body))
        return (members, self._count(members, body["ackToken"]))

    def of_member(self, body: Body) -> Key:
        """What a message is."""
        if body["type"] == "response" or body["id"] in self._given:
            return (body["type"] == "response", body.get("id"))
        operation = body["payload"]["operation"]
        return (operation, self._count(operation, body["id"]))

    def _count(self, what: Key, name: str) -> int:
        return self._counted[what].setdefault(name, len(self._counted[what]))


# Our end


class End(Protocol):
    """Our end of a life: a `Session`, or a `Target`."""

    def start(self, now: Instant) -> None: ...
    def opened(self, transport: int, now: Instant) -> None: ...
    def not_opened(self, now: Instant) -> None: ...
    def lost(self, transport: int, now: Instant) -> None: ...
    def receive(self, transport: int, text: str, now: Instant) -> None: ...
    def request(self, body: Body, now: Instant) -> None: ...
    def keepalive(self, body: Body, now: Instant) -> None: ...
    def respond(self, id: str, payload: Any) -> None: ...
    def refuse(self, id: str, error: ComputeGroupsError) -> None: ...
    def close(self, now: Instant) -> None: ...
    def texts(self, now: Instant) -> list[tuple[Any, str]]: ...
    def events(self) -> list[Event]: ...
    def next_deadline(self) -> float | None: ...
    def handle_timeout(self, now: Instant) -> None: ...


class PlannedIdentifiers:
    """Made-up identifiers, each replaced by the one that the plan has for it.

    Attributes:
        given: id and stamp for the next request.
        made: what was made up.
    """

    def __init__(self, plan: Mapping[str, str], session_part: str | None) -> None:
        self._plan = plan
        self._session_part = session_part
        self._numbers: Counter[str] = Counter()
        self.given: tuple[str, str] | None = None
        self.made: list[str] = []

    def _make(self, kind: str) -> str:
        self._numbers[kind] += 1
        made = f"{kind} {self._numbers[kind]}"
        self.made.append(made)
        return self._plan.get(made, made)

    def message_id(self) -> str:
        if self.given is None:
            return self._make("id")
        id, self.given = self.given[0], None
        return id

    def ack_token(self) -> str:
        return self._make("token")

    def nonce(self) -> str:
        return self._make("nonce")

    def stamp(self) -> str:
        return self._make("stamp") if self.given is None else self.given[1]

    def session_part(self) -> str:
        return self._session_part or self._make("part")


class SessionEnd:
    """One `Session`."""

    def __init__(
        self, life: Life, identifiers: PlannedIdentifiers, stamps: StampMemory | None
    ) -> None:
        self._identifiers = identifiers
        self._session = Session(
            life.role,
            life.identity,
            identifiers,
            SETTINGS.get(life.name, AS_OFFICIAL),
            peer=life.known_peer,
            stamps=stamps,
        )
        self._waits_for_text = life.role is Role.TARGET
        self._silent: set[int] = set()

    def start(self, now: Instant) -> None:
        if not self._waits_for_text:
            self._session.start(now)

    def opened(self, transport: int, now: Instant) -> None:
        if self._waits_for_text:  # whose it is shows in its first text
            self._silent.add(transport)
        else:
            self._session.transport_opened(transport, now)

    def not_opened(self, now: Instant) -> None:
        self._session.transport_failed(now)

    def lost(self, transport: int, now: Instant) -> None:
        self._session.transport_lost(transport, now)

    def receive(self, transport: int, text: str, now: Instant) -> None:
        if transport in self._silent:
            self._silent.remove(transport)
            self._session.transport_opened(transport, now)
        self._session.receive(transport, text, now)

    def request(self, body: Body, now: Instant) -> None:
        payload = body["payload"]
        operation = Operation(payload["operation"], data_of(payload))
        resources = [IDENTITIES[Address(grant["resource"])] for grant in payload["allow"]]
        self._give(body)
        try:
            self._session.request(
                lambda _: operation, now, join_identity=resources[0] if resources else None
            )
        except ClientClosed:
            self._identifiers.given = None

    def keepalive(self, body: Body, now: Instant) -> None:
        self._give(body)
        self._session.keepalive(now)
        self._identifiers.given = None

    def _give(self, body: Body) -> None:
        stamp = body["payload"].get("validity", {}).get("stamp")
        self._identifiers.given = (body["id"], stamp or self._identifiers.stamp())

    def respond(self, id: str, payload: Any) -> None:
        self._session.respond(id, payload)

    def refuse(self, id: str, error: ComputeGroupsError) -> None:
        self._session.refuse(id, error)

    def close(self, now: Instant) -> None:
        self._session.close(now)

    def texts(self, now: Instant) -> list[tuple[Any, str]]:
        return self._session.data_to_send(now)

    def events(self) -> list[Event]:
        return list(iter(self._session.next_event, None))

    def next_deadline(self) -> float | None:
        return self._session.next_deadline()

    def handle_timeout(self, now: Instant) -> None:
        self._session.handle_timeout(now)


class TargetEnd:
    """A session of a `Target`, which asks for nothing itself.

    Args:
        target: has all sessions of a recording, or of one process in it.
        others: the ids of the sessions before.
    """

    def __init__(self, target: Target, others: set[str]) -> None:
        self._target = target
        self._others = others
        self.session_id = ""

    def start(self, now: Instant) -> None:
        pass

    def opened(self, transport: int, now: Instant) -> None:
        self._target.transport_opened(transport, now)

    def not_opened(self, now: Instant) -> None:
        pass

    def lost(self, transport: int, now: Instant) -> None:
        self._target.transport_lost(transport, now)

    def receive(self, transport: int, text: str, now: Instant) -> None:
        self._target.receive(transport, text, now)

    def request(self, body: Body, now: Instant) -> None:
        pass

    def keepalive(self, body: Body, now: Instant) -> None:
        pass

    def respond(self, id: str, payload: Any) -> None:
        self._target.respond(self.session_id, id, payload)

    def refuse(self, id: str, error: ComputeGroupsError) -> None:
        self._target.refuse(self.session_id, id, error)

    def close(self, now: Instant) -> None:
        self._target.close(self.session_id, now)

    def texts(self, now: Instant) -> list[tuple[Any, str]]:
        return self._target.data_to_send(now)

    def events(self) -> list[Event]:
        events = []
        for session_id, event in iter(self._target.next_event, None):
            if session_id is not None and session_id not in self._others:
                self.session_id = session_id
                self._others.add(session_id)
            if session_id in (None, self.session_id):
                events.append(event)
        return events

    def next_deadline(self) -> float | None:
        return self._target.next_deadline()

    def handle_timeout(self, now: Instant) -> None:
        self._target.handle_timeout(now)


# The replay


@attrs.frozen
class Plan:
    """What a first replay has found for the second.

    Attributes:
        identifiers: the recorded identifier for each that was made up.
        times: when to sign, seconds since 1970, by the number of the call.
        nonces: what an ack from the other end brings, by its number; as recorded, if not here.
    """

    identifiers: Mapping[str, str] = attrs.field(factory=dict)
    times: Mapping[int, float] = attrs.field(factory=dict)
    nonces: Mapping[int, str] = attrs.field(factory=dict)


@attrs.frozen
class Sent:
    """A text of ours.

    Attributes:
        line: of what had happened before.
        again: how many times it was sent before, on the same transport.
    """

    line: int
    transport: int
    text: str = attrs.field(repr=False)
    body: Body = attrs.field(repr=False)
    key: Key
    again: int


@attrs.frozen(order=True)
class Difference:
    """A place where our end does not say what was recorded.

    Attributes:
        line: of the recorded text; of what had happened before, where there is none.
        kind: "altered", "left out", "added", "moved" (behind what was recorded later).
        members: which members differ, in dotted notation; what was added.
    """

    line: int
    kind: Literal["altered", "left out", "added", "moved"]
    members: frozenset[str]


class StandIn:
    """The other end: says what was recorded, in words that fit what our end has said.

    Args:
        life: what was recorded.
        plan: see `Plan`.
        given: the ids that our end is given for its requests.

    Attributes:
        recorded: what our end should say, and what each text is.
        acks: of each ack, how many texts of ours had come before, and the recorded token, or None.
        changed: the lines of what is not said, or not to the letter.
    """

    def __init__(self, life: Life, plan: Plan, given: Iterable[str]) -> None:
        self._plan = plan
        texts = life.texts
        keys = Keys(given)
        self.recorded = [(text, keys.of(text.body)) for text in texts]
        self._keys = {key for _, key in self.recorded}
        self._key_of_token = {
            text.body["ackToken"]: key for text, key in self.recorded if "ackToken" in text.body
        }
        self._key_of_id = {
            member["id"]: keys.of_member(member)
            for text in texts
            for member in members_of(text.body)
            if member["type"] in ("request", "notification")
        }
        # Whose ack brought a nonce first. (Where a text is sent again, so is its nonce.)
        self._token_of_nonce = {
            text.body["nonce"]: text.body.get("token")
            for text in reversed(texts)
            if text.body["type"] == "ack"
        }
        self._session_id = _session_id(life)
        self._identity = IDENTITIES[_other_address(life)]
        self._our_keys = Keys(given)
        self._our_session_id: str | None = None
        self._our_tokens: dict[Key, str] = {}
        self._our_ids: dict[Key, str] = {}
        self._our_nonces: dict[str | None, str] = {}
        self._last_nonce = ""
        self._on_deck: Body | None = None
        self._held: dict[Key, Said] = {}  # acks of what our end has not said yet
        self.acks: list[tuple[int, str | None]] = []
        self.changed: list[int] = []
        self._heard = 0

    def hear(self, body: Body) -> Key:
        """Take note of a text of ours."""
        self._heard += 1
        key = self._our_keys.of(body)
        if body["type"] == "ack":
            self._our_nonces.setdefault(body["token"], body["nonce"])
            self._last_nonce = body["nonce"]
            return key
        self._our_session_id = body.get("dcpsid", self._our_session_id)
        self._our_tokens.setdefault(key, body["ackToken"])
        self._our_ids |= {
            self._our_keys.of_member(member): member["id"]
            for member in members_of(body)
            if member["type"] == "request"
        }
        self._on_deck = body
        return key

    def ids_of_ours(self) -> dict[str, str]:
        """The recorded id of each request that our end made."""
        return {
            self._our_ids[key]: id for id, key in self._key_of_id.items() if key in self._our_ids
        }

    def ack_of_the_unrecorded(self) -> str | None:
        """The ack of what our end has on deck, where the recording has none, or had it before."""
        body = self._on_deck
        if body is None:
            return None
        key = self._our_keys.of(body)
        if key in self._held:
            return self.words(self._held.pop(key))
        if key in self._keys:
            return None
        ack = {"type": "ack", "dcpsid": self._our_session_id, "token": body["ackToken"],
               "nonce": self._nonce(None, f"unrecorded {len(self.acks)}"),
               "messageId": body["id"]}  # fmt: skip
        self._on_deck = None
        return self._seal(ack)

    def words(self, said: Said) -> str | None:
        """A recorded text, as it fits; None where it would answer what was never said."""
        if said.body is None:
            return said.text
        try:
            owner = unseal(said.text).owner
        except ProtocolError:
            return said.text  # it is to be refused as it is
        body = copy.deepcopy(said.body)
        for each in (body, *members_of(body)):
            if self._our_session_id is not None and each.get("dcpsid", "") == self._session_id:
                each["dcpsid"] = self._our_session_id
        fits = self._acks(body, said) if body["type"] == "ack" else self._answers(body)
        if fits and body == said.body:
            return said.text
        self.changed.append(said.line)
        return self._seal(body, owner) if fits else None

    def _acks(self, body: Body, said: Said) -> bool:
        """Name the token of our text, in its ack."""
        key = self._key_of_token.get(body.get("token", ""))
        if key is not None and key not in self._our_tokens:
            self._held[key] = said
            return False
        if key is not None:
            if isinstance(body.get("nonce"), str):
                body["nonce"] = self._nonce(body["token"], body["nonce"])
            body["token"] = self._our_tokens[key]
        if self._on_deck is not None and body.get("token") == self._on_deck["ackToken"]:
            self._on_deck = None
        return True

    def _answers(self, body: Body) -> bool:
        """Name our nonce, and our requests in the answers to them; leave out other answers."""
        if body.get("nonce") in self._token_of_nonce:
            token = self._token_of_nonce[body["nonce"]]
            body["nonce"] = self._our_nonces.get(token, self._last_nonce)
        unasked = []
        for member in members_of(body):
            if member.get("type") == "response" and member.get("id") in self._key_of_id:
                key = self._key_of_id[member["id"]]
                if key in self._our_ids:
                    member["id"] = self._our_ids[key]
                else:
                    unasked.append(member)
        if unasked and body["type"] == "batch":
            body["payload"] = [each for each in body["payload"] if each not in unasked]
        return not unasked or (body["type"] == "batch" and bool(body["payload"]))

    def _nonce(self, token: str | None, recorded: str) -> str:
        self.acks.append((self._heard, token))
        return self._plan.nonces.get(len(self.acks), recorded)

    def _seal(self, body: Body, owner: Address | None = None) -> str:
        return seal(IDENTITIES[owner] if owner else self._identity, stringify(body))


def _session_id(life: Life) -> str | None:
    if not life.begins_with_connect:
        return None
    for each in life.happenings:
        body = each.body if isinstance(each, (Said, Recorded)) else None
        if body is not None and body.get("type") == "response" and "dcpsid" in body:
            session_id: str = body["dcpsid"]
            return session_id
    return None


def _other_address(life: Life) -> Address:
    header = load(life.name).header
    return header.client_address if life.role is Role.TARGET else header.target_address


def _session_part(life: Life) -> str | None:
    """Our half of the session's id."""
    for each in life.happenings:
        if isinstance(each, (Said, Recorded)) and _connects(each.body):
            assert each.body is not None
            data = data_of(each.body["payload"])
            sid: str = data.get("sid", "") if isinstance(data, dict) else ""
            if life.role is Role.INITIATOR:
                return sid
            session_id = _session_id(life)
            return session_id.removeprefix(sid) if session_id else None
    return None


def given_ids(life: Life) -> Iterator[str]:
    """The ids of requests that the program made; a session makes the others itself."""
    for text in life.texts:
        for member in members_of(text.body):
            if member["type"] in ("request", "notification") and not _is_own(life, member):
                yield member["id"]


def _is_own(life: Life, member: Body) -> bool:
    own = member["payload"].get("operation") in ("connect", "close")
    return own or (life.role is Role.INITIATOR and _asks_for_life(life, member))


def _is_called_close(member: Body) -> bool:
    # A session that closes itself says with which error.
    payload = member["payload"]
    return bool(payload["operation"] == "close" and data_of(payload) == "EPIPE")


def _asks_for_life(life: Life, message: Body) -> bool:
    """Whether it is the keepalive that an end sends of its own accord on a new connection."""
    if not life.resumes or message["type"] != "request":
        return False
    payload = message["payload"]
    return bool(payload.get("operation") == "keepalive" and data_of(payload) is ABSENT)


class Replay:
    """One life, with our end in it.

    Attributes:
        sent: what our end said.
        opened: whether there was a session.
        ended: whether it ended.
        error: of the session's end, if there was one.
        dropped: the transports that our end dropped.
        unwanted: the lines where a connection came that our end had not asked for.
        requests: what the peer asked, as the program is told.
        answers: what the peer answered, as the program is told, by request.
        failures: why there is no answer, by request.
    """

    def __init__(
        self,
        life: Life,
        plan: Plan | None = None,
        end: End | None = None,
        stamps: StampMemory | None = None,
    ) -> None:
        self.life = life
        plan = plan or Plan()
        self._times = plan.times
        self._identifiers = PlannedIdentifiers(plan.identifiers, _session_part(life))
        self._end: End = SessionEnd(life, self._identifiers, stamps) if end is None else end
        self._runs_on = end is None
        self._given = frozenset(given_ids(life))
        self._stand_in = StandIn(life, plan, self._given)
        self._calls = 0
        self._call_of_made: dict[str, int] = {}
        self._fed: set[str] = set()
        self._open: Counter[str] = Counter()
        self._alive: set[int] = set()
        self._times_sent: Counter[Key] = Counter()
        self._wanted = 0
        self._began = _began(life.name)
        self._line, self._t = 0, 0.0
        self.sent: list[Sent] = []
        self.opened = self.ended = False
        self.error: ComputeGroupsError | None = None
        self.dropped: set[int] = set()
        self.unwanted: list[int] = []
        self.requests: list[RequestReceived] = []
        self.answers: dict[str, ResponseReceived] = {}
        self.failures: dict[str, ComputeGroupsError] = {}

    def run(self) -> Replay:
        """Let everything happen, in order."""
        happenings = self.life.happenings
        for place, happening in enumerate(happenings):
            self._pass_time(happening.t)
            if not isinstance(happening, Recorded):
                self._line = happening.line
            if place == 0:
                self._start()
            self._happen(happening)
            following = happenings[place + 1] if place + 1 < len(happenings) else None
            if not isinstance(following, Recorded):
                self._flush()
        if self._runs_on:
            self._pass_time(self._t + LONG_AFTER)
        return self

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Opened():
                self._open_transport(happening.transport)
            case NotOpened():
                self._wanted = 0
                self._end.not_opened(self._now())
            case Ended(transport=transport) if transport in self._alive:
                self._alive.remove(transport)
                self._end.lost(transport, self._now())
            case Said(transport=transport) if transport in self._alive:
                words = self._stand_in.words(happening)
                if words is not None:
                    self._end.receive(transport, words, self._now())
            case Closed():
                self._end.close(self._now())
            case Recorded():
                self._call(happening)
        self._events()

    def _open_transport(self, transport: int) -> None:
        if self.ended:
            return
        if self.life.role is Role.INITIATOR:
            if not self._wanted:
                self.unwanted.append(self._line)
            self._wanted = 0
        self._alive.add(transport)
        self._end.opened(transport, self._now())
        self._ask_for_life(transport)

    def _start(self) -> None:
        self._end.start(self._now())
        self._events()
        numbered = [text.body for text in self.life.texts if "ackToken" in text.body]
        if self.life.role is Role.INITIATOR and not self.life.resumes:
            for body in numbered[1:2]:  # the first behind connect: it was asked before
                for member in members_of(body):
                    if member.get("id") in self._given:
                        self._ask(member)

    # What the program calls: as the recorded texts tell

    def _call(self, recorded: Recorded) -> None:
        numbered = [text for text in self.life.texts if "ackToken" in text.body]
        for text in itertools.dropwhile(lambda text: text is not recorded, numbered):
            self._call_for(text.body)
            if len(members_of(text.body)) < FULL:
                return

    def _call_for(self, body: Body) -> None:
        for member in members_of(body):
            if member["type"] == "response":
                self._answer(member)
            elif member["id"] in self._given:
                self._ask(member)
            elif _is_called_close(member) and self.life.begins_with_connect and not self.ended:
                self._end.close(self._now())

    def _ask_for_life(self, transport: int) -> None:
        # The official target asks for a sign of life as soon as somebody resumes a session.
        for text in self.life.texts:
            if text.transport == transport and self.life.role is Role.TARGET:
                for member in members_of(text.body):
                    if _asks_for_life(self.life, member):
                        self._ask(member)

    def _ask(self, member: Body) -> None:
        if member["id"] in self._fed:
            return
        self._fed.add(member["id"])
        time = (member["payload"].get("validity") or {}).get("time")
        now = self._now(time if isinstance(time, (int, float)) else None)
        if member["type"] == "notification":
            self._end.keepalive(member, now)  # it takes the place of what we do not send
        else:
            self._end.request(member, now)

    def _answer(self, response: Body) -> None:
        id = response.get("id", "")
        if not self._open[id]:
            return
        self._open[id] -= 1
        payload = answer_of(response)
        if response["success"]:
            self._end.respond(id, payload)
        else:
            error = Refused(payload["message"], name=payload.get("name"), code=payload.get("code"))
            self._end.refuse(id, error)

    # What our end says

    def _flush(self) -> None:
        while True:
            now = self._now()
            for transport, text in self._end.texts(now):
                self._take(transport, text)
            self._events()
            ack = self._stand_in.ack_of_the_unrecorded()
            if ack is None:
                return
            transport = self.sent[-1].transport
            if transport in self._alive:
                self._end.receive(transport, ack, self._now())
                self._events()

    def _take(self, transport: int, text: str) -> None:
        sealed = unseal(text)
        assert sealed.owner == self.life.identity.address
        assert isinstance(sealed.body, dict)
        key = self._stand_in.hear(sealed.body)
        again = self._times_sent[key, transport]
        self._times_sent[key, transport] += 1
        self.sent.append(Sent(self._line, transport, text, sealed.body, key, again))

    def _events(self) -> None:
        for event in self._end.events():
            match event:
                case RequestReceived():
                    self._open[event.id] += 1
                    self.requests.append(event)
                case ResponseReceived():
                    assert event.id not in self.answers
                    self.answers[event.id] = event
                case RequestFailed():
                    assert event.id not in self.answers | self.failures
                    self.failures[event.id] = event.error
                case TransportWanted():
                    self._wanted += 1
                case TransportDropped(transport=transport):
                    assert isinstance(transport, int)
                    self.dropped.add(transport)
                    self._alive.discard(transport)
                case SessionClosed(error=error):
                    self.ended, self.error = True, error
                case SessionOpened():
                    self.opened = True

    # Time

    def _now(self, unix: float | None = None) -> Instant:
        self._calls += 1
        for made in self._identifiers.made[len(self._call_of_made) :]:
            self._call_of_made[made] = self._calls - 1
        if unix is None:
            unix = self._times.get(self._calls, self._began + self._t)
        return Instant(self._t, unix)

    def _pass_time(self, until: float) -> None:
        while (deadline := self._end.next_deadline()) is not None and deadline <= until:
            self._t = max(self._t, deadline)
            self._end.handle_timeout(self._now())
            self._events()
            self._flush()
        self._t = max(self._t, until)

    # What comes of it

    @property
    def changed(self) -> list[int]:
        """The lines of what the other end does not say, or not to the letter."""
        return self._stand_in.changed

    def pairs(self) -> list[tuple[Sent, Recorded | None]]:
        """The texts of ours, each with the recorded one that it is, if any."""
        theirs: dict[Key, list[Recorded]] = defaultdict(list)
        for text, key in self._stand_in.recorded:
            theirs[key, text.transport].append(text)
        return [
            (sent, next(iter(theirs[sent.key, sent.transport][sent.again :]), None))
            for sent in self.sent
        ]

    def plan(self) -> Plan:
        """What another replay needs to say what was recorded."""
        identifiers: dict[str, str] = {}
        signed: dict[int, float] = {}
        asked: dict[int, float] = {}
        self._now()
        calls = self._call_of_made
        for sent, recorded in self.pairs():
            if recorded is None or sent.again:
                continue
            for ours, theirs in _counterparts(sent.body, recorded.body):
                for place in (("id",), ("ackToken",), ("nonce",), ("payload", "validity", "stamp")):
                    made, known = _at(ours, place), _at(theirs, place)
                    if made in calls and isinstance(known, str):
                        identifiers[made] = known
                    if made in calls and place == ("ackToken",):
                        signed[calls[made]] = theirs["time"]
                    if made in calls and place[-1] == "stamp":
                        asked[calls[made]] = theirs["payload"]["validity"]["time"]
        identifiers |= self._stand_in.ids_of_ours()
        return Plan(identifiers, asked | signed, dict(self._nonces_by_ack()))

    def _nonces_by_ack(self) -> Iterator[tuple[int, str]]:
        # Where a message of ours is not the one that was recorded as the next, the ack before it
        # brings the nonce that it was recorded with.
        numbered = [(sent, recorded) for sent, recorded in self.pairs() if "time" in sent.body]
        tokens = [text.body["ackToken"] for text in self.life.texts if "ackToken" in text.body]
        following = dict(pairwise(dict.fromkeys(tokens)))
        acked: set[str | None] = set()
        for number, (heard, token) in enumerate(self._stand_in.acks, start=1):
            if token is not None and token in acked:
                continue  # its nonce is known
            acked.add(token)
            before = {sent.body.get("ackToken") for sent in self.sent[:heard]}
            later = (pair for pair in numbered if pair[0].body["ackToken"] not in before)
            _, recorded = next(later, (None, None))
            if recorded is not None and recorded.body["ackToken"] != following.get(token or ""):
                nonce = recorded.body["nonce"]
                if isinstance(nonce, str):
                    yield number, nonce

    def differences(self) -> Iterator[Difference]:
        """Where our end does not say what was recorded, byte for byte and in the same order."""
        pairs = self.pairs()
        said = {recorded.line for _, recorded in pairs if recorded is not None}
        for text, _ in self._stand_in.recorded:
            if text.line not in said:
                yield Difference(text.line, "left out", frozenset())
        latest = 0
        for sent, recorded in pairs:
            if recorded is None:
                yield Difference(sent.line, "added", frozenset({_title(sent.body)}))
                continue
            if recorded.line < latest:
                yield Difference(recorded.line, "moved", frozenset())
            latest = max(latest, recorded.line)
            if sent.text != recorded.text:
                members = frozenset(_differing_in_texts(sent.body, recorded.body))
                yield Difference(recorded.line, "altered", members)


@functools.cache
def replayed(name: str, role: Role) -> list[Replay]:
    """A recording's sessions with a `Session` in each that says, where it can, what was recorded.

    What does not begin with connect is no session, and left out.
    """
    replays = []
    memories = StampMemory(), StampMemory()
    for life in lives(name, role):
        if life.begins_with_connect:
            first = Replay(life, stamps=memories[0]).run()
            second = Replay(life, first.plan(), stamps=memories[1]).run()
            assert [sent.key for sent in first.sent] == [sent.key for sent in second.sent]
            replays.append(second)
    return replays


@functools.cache
def replayed_by_target(name: str) -> list[Replay]:
    """A recording's sessions with a `Target` that has them all, and makes its own identifiers."""
    replays: list[Replay] = []
    numbers = itertools.count()
    target: Target | None = None
    others: set[str] = set()
    for life in lives(name, Role.TARGET):
        if target is None or (life.second_process and not replays[-1].life.second_process):
            target = Target(life.identity, lambda: f"{next(numbers):021d}", AS_OFFICIAL)
        replays.append(Replay(life, end=TargetEnd(target, others)).run())
    return replays


def _counterparts(ours: Body, theirs: Body) -> Iterator[tuple[Body, Body]]:
    """Two texts, and the members of two batches, each with the one that it is."""
    yield ours, theirs
    if ours["type"] == theirs["type"] == "batch":
        left = members_of(theirs)
        for member in members_of(ours):
            for wanted in (_by_id, _by_operation):
                found = [each for each in left if wanted(each) == wanted(member)]
                if found:
                    left.remove(found[0])
                    yield member, found[0]
                    break


def _by_id(member: Body) -> tuple[bool, str]:
    return (member["type"] == "response", member.get("id", ""))


def _by_operation(member: Body) -> Key:
    return member["payload"].get("operation") if member["type"] == "request" else None


def _at(value: Any, place: Iterable[str]) -> Any:
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _title(body: Body) -> str:
    """What a text is, for who reads."""
    if body["type"] == "batch":
        return f"batch of {', '.join(map(_title, body['payload']))}"
    if body["type"] == "request":
        operation: str = body["payload"]["operation"]
        return operation
    kind: str = body["type"]
    return kind


def _differing_in_texts(ours: Body, theirs: Body) -> Iterator[str]:
    order = [_by_id(member) for member in members_of(theirs)]
    our_order = [_by_id(member) for member in members_of(ours)]
    if order != our_order and sorted(order) == sorted(our_order):
        yield "order"
        in_order = sorted(ours["payload"], key=lambda member: order.index(_by_id(member)))
        ours = ours | {"payload": in_order}
    yield from _differing(ours, theirs)


def _differing(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """The places of the members that differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in dict.fromkeys([*ours, *theirs]):
            if name not in ours or name not in theirs:
                yield f"{place}.{name}".lstrip(".")
            else:
                yield from _differing(ours[name], theirs[name], f"{place}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for our, their in zip(ours, theirs, strict=True):
            yield from _differing(our, their, f"{place}[]")
    elif ours != theirs or type(ours) is not type(theirs):
        yield place.lstrip(".")


@functools.cache
def _began(name: str) -> float:
    """When a recording began, seconds since 1970."""
    texts = (text for text in load(name).texts if "time" in text.body)
    return next((text.body["time"] - text.t for text in texts), 0.0)
