"""Work that is counted, and not timed: how many functions something calls."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection
from types import FrameType

OF_PYTHON = frozenset({"call"})
ALL = frozenset({"call", "c_call"})


def calls_of(action: Callable[[], object], kinds: Collection[str] = ALL) -> int:
    """How many functions an action calls.

    Args:
        action: what is done.
        kinds: which are counted: ALL, or those that are written in Python, OF_PYTHON.
    """
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in kinds

    before = sys.getprofile()
    gc.disable()  # what it would call belongs to others
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
        gc.enable()
    return calls
