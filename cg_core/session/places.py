"""Who has a place among the sessions of a target, and who makes room for whom.

A session counts from the first message that carries its id: a connect that somebody repeats locks
nobody out. Where there are too many, who has been away the longest makes room, and nobody is sent
away who is there; a newcomer for whom there is no room is refused.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import attrs

from cg_core.addresses import Address
from cg_core.errors import Busy


@attrs.frozen(kw_only=True)
class Capacity:
    """How many there may be.

    Attributes:
        sessions: sessions in all. An idle one takes some ten kilobytes. Whoever connected while
            there was room is let in, so those that come at once may be more: by `unproved` at most.
        sessions_per_peer: sessions of one peer. A program has one for each client that it makes,
            and one may linger for each time that it was killed.
        unproved: of transports that have not said whose they are, and of sessions whose initiator
            has not shown that it got the answer to its connect. They need no key to come by, so
            they only pass through: where there are too many, the one that has waited the longest
            goes.
    """

    sessions: int = 10_000
    sessions_per_peer: int = 1_000
    unproved: int = 2_000


class Places:
    """The places of a target; sessions and transports are what the target calls them.

    Args:
        capacity: how many there are.
    """

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._peers: dict[Hashable, Address] = {}
        self._of_peer: dict[Address, dict[Hashable, None]] = {}
        self._away: dict[Hashable, None] = {}  # who has been away the longest is the first
        self._unproved: dict[Hashable, None] = {}

    def __len__(self) -> int:
        """How many sessions have a place."""
        return len(self._peers)

    @property
    def is_full(self) -> bool:
        """Whether a newcomer finds no room, and nobody is away who might come back."""
        return len(self._peers) >= self._capacity.sessions and not self._away

    def refusal(self, peer: Address) -> Busy | None:
        """Why there is no room for another session of a peer; None where there is."""
        if self.is_full:
            return Busy("the service has as many sessions as it can; come back later")
        own, most = self._of_peer.get(peer, {}), self._capacity.sessions_per_peer
        if len(own) >= most and not any(key in self._away for key in own):
            return Busy(
                f"{peer} has {most} sessions, which is the most it may have: use one client for "
                "many calls, and close those that are not needed"
            )
        return None

    def came(self, key: Hashable) -> Iterator[Hashable]:
        """Somebody has come who has proved nothing yet.

        Returns:
            Who has to go for it: those who came first.
        """
        self._unproved[key] = None
        while len(self._unproved) > self._capacity.unproved:
            first = next(iter(self._unproved))
            del self._unproved[first]
            yield first

    def proved(self, session: Hashable, peer: Address) -> Iterator[Hashable]:
        """A session has a place from now on.

        Returns:
            Which have to go for it: those that have been away the longest.
        """
        self._unproved.pop(session, None)
        self._peers[session] = peer
        own = self._of_peer.setdefault(peer, {})
        own[session] = None
        if len(own) > self._capacity.sessions_per_peer:
            yield from [key for key in own if key in self._away][:1]
        if len(self._peers) > self._capacity.sessions and self._away:
            yield next(iter(self._away))

    def stands(self, session: Hashable, *, away: bool) -> None:
        """Whether a session that has a place is there, or away without a transport."""
        if not away:
            self._away.pop(session, None)
        elif session in self._peers:
            self._away.setdefault(session)

    def left(self, key: Hashable) -> None:
        """A session, or somebody who has proved nothing, is gone."""
        self._unproved.pop(key, None)
        self._away.pop(key, None)
        peer = self._peers.pop(key, None)
        if peer is not None:
            own = self._of_peer[peer]
            del own[key]
            if not own:
                del self._of_peer[peer]
