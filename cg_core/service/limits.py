"""What callers may make a service hold or do, and why just so much of it."""

from __future__ import annotations

from functools import partial

import attrs

from cg_core.framing import Limits
from cg_core.session import Capacity, Settings

REQUEST_VALUES = 100_000
"""Values of JSON in what a service is asked: of 2 400 groups to add a job to, times ten."""


@attrs.frozen(kw_only=True)
class ServiceLimits:
    """The caps of a service; those of its connections and of its sessions are in it."""

    connections: Limits = attrs.field(factory=partial(Limits, message_values=REQUEST_VALUES))
    capacity: Capacity = attrs.field(factory=Capacity)
    sessions: Settings = attrs.field(factory=Settings)

    # Calls per second of one caller, over a while, and at once. A store carries out some thousand
    # in a second, and no one is to have them all.
    calls_per_second: float = 1_000.0
    calls_at_once: int = 5_000

    # Callers whose calls are counted. Who is forgotten has been silent the longest.
    callers: int = 10_000

    # Calls that wait for the store, of all callers; one counts for as many as it names groups.
    # Beyond it the next are told Busy at once, rather than all of them after a long wait.
    waiting_calls: int = 20_000

    # UTF-16 code units of answers that have not been taken, of all callers: ten of the longest,
    # and in memory up to four times as many bytes. Beyond it, lists are told Busy.
    untaken_answers: int = 100_000_000

    # Stamps that are remembered, so that no call is replayed: of one caller, for how many callers,
    # and of all. 10 000 hold what comes in 12 minutes, the life of a stamp, at 14 calls a second;
    # who sends more must send them in order. A stamp takes some two hundred bytes.
    stamps: int = 10_000
    stamp_callers: int = 1_000
    stamps_in_all: int = 1_000_000
