"""The session: whole exchanges between both ends, without I/O, against their cryptography alone."""

from __future__ import annotations

import json
import platform
import tracemalloc
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from itertools import count

from benchmarks.measure import Figure, compare
from cg_core import Address, Identity, ListJobs, to_operation
from cg_core.ecmascript_json import JSONValue, parse, stringify
from cg_core.hashing import personal_message_digest
from cg_core.sealed import seal, unseal
from cg_core.secp256k1 import recover
from cg_core.session import (
    Instant,
    RandomIdentifiers,
    RequestReceived,
    ResponseReceived,
    Role,
    Session,
)

LETTERS = str.maketrans("0123456789", "aBcDeFgHiJ")  # like random text, which has few long numbers
BEGUN = 1_800_000_000.123
# Time goes on, or the target would soon have more stamps to remember than it does, and refuse.
BETWEEN_EXCHANGES = 0.0717
CLIENT, SERVICE = Identity(b"\1" * 32), Identity(b"\2" * 32)
COINCURVE = f"coincurve {version('coincurve')}"
PYTHON = f"{platform.python_implementation()} {platform.python_version()}"
# A request like what `list_jobs` sends, signed.
BODY: JSONValue = {
    "id": "1-7-YQfOiVZVeYz6WU6ThJUPP",
    "type": "request",
    "payload": {
        "operation": "listJobs",
        "data": {"descriptor": {"joinKey": "render farm"}},
        "allow": [],
        "validity": {"stamp": "YXpYiNF1UbSU2ygmQr82O", "ttl": 120, "time": 1795463392.012},
    },
    "auth": {},
    "dcpsid": "b2UpJoTbVBzSNWXtCZf9Aw4pOGOd8PZLtoCkttkozS",
    "time": 1795463392.1316252,
    "ackToken": "ATi1-wPcbEXVD683nikP8LozJS",
    "nonce": "NNt1-7Sild5dlP2HkKy8s3AClA",
}


def figures(*, quick: bool) -> Iterator[Figure]:
    """Exchanges, sealed text, JSON, and what an idle session holds."""
    for size, goal in ((1, 0.6), (20, None)):
        pair = Pair()
        yield compare(
            f"exchange of {size} request{'s' * (size > 1)}: request, ack, response, ack; both ends",
            partial(pair.exchange, size),
            f"signing and recovering 4 texts, {COINCURVE}",
            partial(cryptography, pair.texts_of_an_exchange(size)),
            goal=goal,
            quick=quick,
        )
    text = stringify(BODY)
    sealed = seal(CLIENT, text)
    digest = personal_message_digest(text.encode())
    signature = CLIENT.sign(digest)
    yield compare(
        f"seal, {len(sealed)} characters",
        partial(seal, CLIENT, text),
        f"hashing and signing, {COINCURVE}",
        lambda: CLIENT.sign(personal_message_digest(text.encode())),
        goal=None,
        quick=quick,
    )
    yield compare(
        f"unseal, {len(sealed)} characters",
        partial(unseal, sealed),
        f"hashing and recovering, {COINCURVE}",
        lambda: recover(signature, personal_message_digest(text.encode())),
        goal=None,
        quick=quick,
    )
    yield compare(
        f"parse and stringify, {len(text)} characters",
        lambda: stringify(parse(text)),
        f"json.loads and json.dumps, {PYTHON}",
        lambda: json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")),
        goal=None,
        quick=quick,
    )
    yield idle_sessions(20 if quick else 1_000)


class Pair:
    """Two ends of one session, joined by nothing."""

    def __init__(self) -> None:
        numbers = count()

        def random_text() -> str:
            return f"{next(numbers):021}".translate(LETTERS)

        self.initiator = Session(
            Role.INITIATOR, CLIENT, RandomIdentifiers(Role.INITIATOR, random_text)
        )
        self.target = Session(Role.TARGET, SERVICE, RandomIdentifiers(Role.TARGET, random_text))
        self.texts: list[str] = []
        self.now = Instant(0, BEGUN)
        self.initiator.start(self.now)
        self.target.transport_opened("link", self.now)
        self.initiator.transport_opened("link", self.now)
        self.flow()
        while self.initiator.next_event() or self.target.next_event():
            pass

    def flow(self) -> None:
        """Carry texts to and fro until there are none."""
        moved = True
        while moved:
            moved = False
            for sender, receiver in (
                (self.initiator, self.target),
                (self.target, self.initiator),
            ):
                for transport, text in sender.data_to_send(self.now):
                    moved = True
                    self.texts.append(text)
                    receiver.receive(transport, text, self.now)

    def exchange(self, size: int) -> None:
        """Ask, answer, and see the answers."""
        self.texts.clear()
        monotonic = self.now.monotonic + BETWEEN_EXCHANGES
        self.now = Instant(monotonic, BEGUN + monotonic)
        for _ in range(size):
            self.initiator.request(partial(to_operation, ListJobs("render farm")), self.now)
        self.flow()
        while isinstance(event := self.target.next_event(), RequestReceived):
            self.target.respond(event.id, {"success": True, "payload": ["P+Y4IApeFQLrYS2W7MkVg7"]})
        self.flow()
        for _ in range(size):
            event = self.initiator.next_event()
            assert isinstance(event, ResponseReceived)
            assert event.success

    def texts_of_an_exchange(self, size: int) -> list[bytes]:
        """What is signed in an exchange."""
        self.exchange(size)
        return [stringify(unseal(text).body).encode() for text in self.texts]


def cryptography(bodies: list[bytes]) -> None:
    """What an exchange cannot do without: each text is signed once and verified once."""
    for body in bodies:
        signature = CLIENT.sign(personal_message_digest(body))
        Address.of_public_key(recover(signature, personal_message_digest(body)))


def idle_sessions(sessions: int) -> Figure:
    """Bytes that one end of a session holds after a few exchanges, both ends' mean."""
    Pair().exchange(20)
    tracemalloc.start()
    held = []
    for _ in range(sessions):
        pair = Pair()
        pair.exchange(20)
        pair.exchange(1)
        pair.texts.clear()
        held.append(pair)
    size = tracemalloc.get_traced_memory()[0] / len(held) / 2
    tracemalloc.stop()
    return Figure(
        work="idle session, one end",
        value=size,
        peer="what is allowed",
        peer_value=10_000,
        ratio=10_000 / size,
        goal=1,
        unit="B",
    )
