"""A moment on the two clocks that a session goes by."""

from __future__ import annotations

import attrs


@attrs.frozen
class Instant:
    """What a backend reads from its two clocks.

    Attributes:
        monotonic: seconds of a clock that never jumps; deadlines are in it.
        unix: seconds since 1970 (UTC); messages carry it.
    """

    monotonic: float
    unix: float
