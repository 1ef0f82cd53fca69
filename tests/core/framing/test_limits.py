"""The caps fit together: what one of them lets in, the others do not keep out."""

from __future__ import annotations

import attrs
import pytest

from cg_core.framing import engineio, socketio
from cg_core.framing.limits import DEFAULT_LIMITS, Limits


def test_the_longest_message_fits_into_pieces_and_is_held() -> None:
    limits = DEFAULT_LIMITS
    assert limits.message_length <= limits.fragment_length * limits.fragment_count
    assert limits.message_length + limits.fragment_length <= limits.held_length


@pytest.mark.parametrize("character", ['"', "漢", "\x7f"])
def test_a_text_that_goes_by_the_defaults_of_a_peer_fits_into_a_packet_and_a_body(
    character: str,
) -> None:
    """A peer that has not seen our announcement sends a million characters at once."""
    packet = engineio.Packet(engineio.PacketType.MESSAGE, socketio.message(character * 1_000_000))
    text = engineio.encode_packet(packet)
    assert len(text) <= DEFAULT_LIMITS.packet_length
    assert len(text.encode()) <= DEFAULT_LIMITS.body_size


def test_limits_do_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        DEFAULT_LIMITS.message_length = 1  # type: ignore[misc] # that is the point
    assert Limits(message_length=1) == attrs.evolve(DEFAULT_LIMITS, message_length=1)
