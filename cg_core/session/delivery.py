"""One message on its way at a time, in each direction: signed, acknowledged, repeated (wire.md).

A message carries an ack token, and the nonce that the last ack from the peer brought. Its ack
returns the token and brings the nonce of the next. The first nonce is null. What is repeated is the
text that was sent; an ack alone is signed anew, once, to add the id of a session that it was sent
without.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

import attrs

from cg_core.identity import Identity
from cg_core.sealed import seal
from cg_core.session.events import Transport
from cg_core.session.identifiers import Identifiers
from cg_core.session.instant import Instant
from cg_core.session.message_texts import body_text, content_text, numbering_text
from cg_core.session.messages import ABSENT, Absent, Ack, Numbered


@attrs.frozen
class OnDeck:
    """A message that was sent and not acknowledged yet.

    Attributes:
        message_id: the message's.
        token: what its ack returns.
        text: sealed; sent again as it is.
    """

    message_id: str
    token: str
    text: str = attrs.field(repr=False)


class Arrival(enum.Enum):
    """What a message, or an ack, that came is to the delivery."""

    FRESH = "fresh"
    """The next message, or the ack of the message on deck."""
    DUPLICATE = "duplicate"
    """The last one again."""
    UNEXPECTED = "unexpected"
    """A message without the nonce, or an ack of nothing that is on deck."""


class Delivery:
    """The delivery of one session, whichever transport carries it.

    Args:
        identity: who signs.
        identifiers: where tokens and nonces come from.
        nonce: the nonce for the first message, where it is not null.

    Attributes:
        session_id: what all messages carry, as soon as there is one.
        on_deck: the message that waits for its ack.
    """

    __slots__ = (
        "_ack", "_expected", "_identifiers", "_identity", "_last_id", "_last_token", "_nonce",
        "_owed_ack", "_texts", "_transport", "on_deck", "session_id",
    )  # fmt: skip

    def __init__(
        self, identity: Identity, identifiers: Identifiers, *, nonce: str | None = None
    ) -> None:
        self.session_id: str | None = None
        self._identity = identity
        self._identifiers = identifiers
        self._texts: list[tuple[Transport, str]] = []
        # What we send.
        self.on_deck: OnDeck | None = None
        self._transport: Transport | None = None  # where the message on deck was sent last
        self._nonce = nonce
        self._last_token: str | None = None
        # What we receive.
        self._last_id: str | None = None
        self._expected: str | None = None
        self._ack: Ack | None = None  # the last that was sent
        self._owed_ack: Ack | None = None

    @property
    def dcpsid(self) -> str | Absent:
        """The session's id as messages say it."""
        return ABSENT if self.session_id is None else self.session_id

    @property
    def has_received(self) -> bool:
        """Whether a message of the peer was ever taken."""
        return self._last_id is not None

    @property
    def owes_ack(self) -> bool:
        """Whether a message of the peer waits for its ack."""
        return self._owed_ack is not None

    def take_texts(self) -> list[tuple[Transport, str]]:
        """Take out the texts that are to be sent, each with its transport, in order."""
        texts, self._texts = self._texts, []
        return texts

    def send(
        self, transport: Transport, message: Numbered, now: Instant, *, members: Sequence[str] = ()
    ) -> None:
        """Sign a message and send it; nothing may be on deck.

        Args:
            transport: where to.
            message: without what the delivery gives it: dcpsid, time, ackToken, nonce.
            now: the time that it carries.
            members: the texts of a batch's members.
        """
        token = self._identifiers.ack_token()
        body = content_text(message, members) + numbering_text(
            self.dcpsid, now.unix, token, self._nonce
        )
        self.send_again(transport, OnDeck(message.id, token, seal(self._identity, body)))

    def send_again(self, transport: Transport, on_deck: OnDeck) -> None:
        """Send a text that is signed, and wait for its ack."""
        self.on_deck, self._transport = on_deck, transport
        self._texts.append((transport, on_deck.text))

    def repeat(self, transport: Transport) -> bool:
        """Send the message on deck again, if it was sent on another transport; whether it was."""
        if self.on_deck is None or self._transport == transport:
            return False
        self.send_again(transport, self.on_deck)
        return True

    def take_ack(self, ack: Ack) -> Arrival:
        """Take an ack; one of the message on deck makes room for the next message."""
        if self.on_deck is not None and ack.token == self.on_deck.token:
            self.on_deck, self._last_token, self._nonce = None, ack.token, ack.nonce
            return Arrival.FRESH
        return Arrival.DUPLICATE if ack.token == self._last_token else Arrival.UNEXPECTED

    def judge(self, message: Numbered) -> Arrival:
        """What a message is. A duplicate is known by its id, whatever else it says."""
        if message.id == self._last_id:
            return Arrival.DUPLICATE
        fresh = message.nonce == self._expected and message.ack_token is not ABSENT
        return Arrival.FRESH if fresh else Arrival.UNEXPECTED

    def accept(self, message: Numbered) -> None:
        """Take a fresh message; from now on an ack is owed for it."""
        assert message.ack_token is not ABSENT  # it was judged
        self._last_id, self._expected = message.id, self._identifiers.nonce()
        self._owed_ack = Ack(
            dcpsid=self.dcpsid,
            token=message.ack_token,
            nonce=self._expected,
            message_id=message.id,
        )

    def pay_ack(self, transports: Iterable[Transport]) -> None:
        """Send the ack that is owed, if one is."""
        if self._owed_ack is not None:
            self._ack, self._owed_ack = self._owed_ack, None
            text = seal(self._identity, body_text(self._ack))
            self._texts += [(transport, text) for transport in transports]

    def repeat_ack(self, transport: Transport) -> None:
        """Send the last ack again, if there is one; not the one that is owed."""
        if self._ack is None:
            return
        if self._ack.dcpsid is ABSENT:
            self._ack = attrs.evolve(self._ack, dcpsid=self.dcpsid)
        self._texts.append((transport, seal(self._identity, body_text(self._ack))))
