"""The ids, tokens and nonces of a session (wire.md, observations on identifiers)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol


class Role(enum.Enum):
    """Which end of a session: who opened it, or who was called."""

    INITIATOR = "i"
    TARGET = "t"


class Identifiers(Protocol):
    """Where a session takes its ids from. All of them are unique; most are secret until used."""

    def message_id(self) -> str:
        """The id of a message."""

    def ack_token(self) -> str:
        """What the ack of a message must return."""

    def nonce(self) -> str:
        """What the peer's next message must carry."""

    def stamp(self) -> str:
        """What makes a request one of a kind."""

    def session_part(self) -> str:
        """One end's half of a session's id."""


class RandomIdentifiers:
    """Identifiers as dcp-client makes them, of counters and random text.

    Args:
        role: the end that they are for.
        random_text: gives 21 new random characters of 0-9 a-z A-Z at each call. They must not be
            guessed, so they come from the operating system's source.
        connection: a number for the session, which shows in its messages' ids.
    """

    __slots__ = ("_connection", "_messages", "_nonces", "_random_text", "_role", "_tokens")

    def __init__(self, role: Role, random_text: Callable[[], str], *, connection: int = 1) -> None:
        self._role = role.value
        self._random_text = random_text
        self._connection = connection
        self._messages = self._tokens = self._nonces = 0

    def message_id(self) -> str:
        """`<connection>-<message>-<random>`."""
        self._messages += 1
        return f"{self._connection}-{self._messages}-{self._random_text()}"

    def ack_token(self) -> str:
        """`AT<role><number>-<random>`."""
        self._tokens += 1
        return f"AT{self._role}{self._tokens}-{self._random_text()}"

    def nonce(self) -> str:
        """`NN<role><number>-<random>`."""
        self._nonces += 1
        return f"NN{self._role}{self._nonces}-{self._random_text()}"

    def stamp(self) -> str:
        """Random text."""
        return self._random_text()

    def session_part(self) -> str:
        """Random text."""
        return self._random_text()
