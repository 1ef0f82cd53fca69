"""Times and caps of a session, each with its reason."""

from __future__ import annotations

import attrs

MOST_IN_BATCH = 100
"""Messages taken in one batch, so that one ack is not worth an unbounded number of requests. It is
five times what dcp-client sends; itself it takes any number."""


@attrs.frozen(kw_only=True)
class Settings:
    """Times (seconds) and caps of a session. The defaults are dcp-client's where it has one.

    Attributes:
        connect_timeout: how long an initiator tries to get a session.
        reconnect_timeout: how long an initiator tries to resume one; a little less than targets
            linger, so that who gives up first is the one who has the user.
        linger_time: how long a target keeps a session without a transport.
        unproved_linger_time: the same, where the initiator never showed that it got the answer to
            its connect. Longer than it takes an initiator to see that its transport is dead, so
            that what it has sent since is not lost.
        longest_backoff: the longest wait between two attempts to connect.
        ack_timeout: how long a message may wait for its ack before its transport counts as dead.
        proof_timeout: how long a transport may take to prove whose it is. Generous for a slow
            network, short against those who only hold a place.
        close_timeout: how long a session that is to close waits for answers, and then for the ack.
        farewell_delay: how long a target waits before it says that it does not know a session;
            it slows down who guesses, and who comes back again and again.
        ttl: for how long the requests that we make are good.
        most_candidates: transports that may be in the course of proving themselves.
        most_unanswered: requests taken and not answered yet; beyond it no ack is given, so that
            the peer, which may send one message at a time, waits.
        most_abandoned: requests given up by their callers, which the peer may still answer. A
            peer that owes so many is not answering.
        most_in_batch: messages that are put into a batch; dcp-client puts 20.
        names_peer: whether a target says, in its answer to a connect, whose the session is. Our
            service does; dcp-client's Target does not.
        batch_length: characters of a batch beyond which no further message is put into it, so
            that small messages together never need fragments.
    """

    connect_timeout: float = 60
    reconnect_timeout: float = 7200
    linger_time: float = 7300
    unproved_linger_time: float = 150
    longest_backoff: float = 29
    ack_timeout: float = 120
    proof_timeout: float = 30
    close_timeout: float = 7
    farewell_delay: float = 1
    ttl: int = 120
    most_candidates: int = 4
    most_unanswered: int = 400
    most_abandoned: int = 1_000
    most_in_batch: int = MOST_IN_BATCH
    names_peer: bool = False
    batch_length: int = 200_000

    def backoff(self, failures: int) -> float:
        """The wait before the next attempt to connect: 0, 0.5, 1.5, 3.5, ... seconds."""
        return min(0.5 * (2.0 ** min(failures, 32) - 1), self.longest_backoff)
