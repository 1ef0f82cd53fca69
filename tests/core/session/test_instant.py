"""Instants: the two clocks are not mixed up."""

from __future__ import annotations

import attrs
import pytest

from cg_core.session.instant import Instant


def test_the_monotonic_clock_comes_first() -> None:
    assert Instant(1.5, 1.8e9) == Instant(monotonic=1.5, unix=1.8e9)


def test_an_instant_stays_what_it_is() -> None:
    now = Instant(1.5, 1.8e9)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        now.unix = 0  # type: ignore[misc] # which is what is shown
