"""Settings: the defaults, and what must hold between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg_core.session.settings import MOST_IN_BATCH, Settings
from cg_core.session.validity import LONGEST_TTL, SHORTEST_TTL

DEFAULTS = Settings()
failures = st.integers(0, 100) | st.integers(0, 10**9)


def test_the_waits_are_those_of_the_official_client() -> None:
    waits = [DEFAULTS.backoff(failures) for failures in range(9)]
    assert waits == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 29, 29, 29]


@given(failures, failures, st.floats(0, 1e6))
def test_a_wait_is_never_shorter_after_more_failures_nor_too_long(
    one: int, other: int, longest: float
) -> None:
    settings = Settings(longest_backoff=longest)
    fewer, more = sorted((one, other))
    assert 0 <= settings.backoff(fewer) <= settings.backoff(more) <= longest


def test_times_are_those_of_the_official_peers() -> None:
    assert DEFAULTS.connect_timeout == 60
    assert DEFAULTS.reconnect_timeout == 7200
    assert DEFAULTS.linger_time == 7300
    assert DEFAULTS.ack_timeout == 120
    assert DEFAULTS.close_timeout == 7
    assert DEFAULTS.ttl == 120
    assert 0.75 <= DEFAULTS.farewell_delay <= 1.25


def test_who_has_the_user_gives_up_first() -> None:
    assert DEFAULTS.reconnect_timeout < DEFAULTS.linger_time


def test_a_target_waits_until_an_initiator_can_have_seen_that_its_transport_is_dead() -> None:
    assert DEFAULTS.ack_timeout < DEFAULTS.unproved_linger_time < DEFAULTS.linger_time


def test_our_requests_live_as_long_as_we_say() -> None:
    assert SHORTEST_TTL <= DEFAULTS.ttl <= LONGEST_TTL


def test_a_batch_needs_no_fragments() -> None:
    """The last message that is put in may be long itself; the official peer takes 300 000."""
    assert DEFAULTS.batch_length < 300_000


def test_a_peer_that_is_slowed_down_can_have_sent_a_few_full_batches() -> None:
    assert DEFAULTS.most_unanswered > MOST_IN_BATCH
    assert DEFAULTS.most_abandoned > DEFAULTS.most_unanswered
