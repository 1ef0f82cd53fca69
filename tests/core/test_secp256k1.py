"""The curve: the library's keys are those of the textbook."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cg_core.secp256k1 import private_scalar, public_key

# SEC 2, section 2.4.1.
PRIME = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
GENERATOR = (
    0x79BE667E_F9DCBBAC_55A06295_CE870B07_029BFCDB_2DCE28D9_59F2815B_16F81798,
    0x483ADA77_26A3C465_5DA4FBFC_0E1108A8_FD17B448_A6855419_9C47D08F_FB10D4B8,
)
Point = tuple[int, int]


def total(a: Point | None, b: Point | None) -> Point | None:
    """The sum of two points; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % PRIME == 0:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, PRIME) % PRIME
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, PRIME) % PRIME
    x = (slope * slope - a[0] - b[0]) % PRIME
    return x, (slope * (a[0] - x) - a[1]) % PRIME


def multiple(number: int) -> Point | None:
    """So many times the generator."""
    found: Point | None = None
    doubled: Point | None = GENERATOR
    for bit in reversed(f"{number:b}"):
        if bit == "1":
            found = total(found, doubled)
        doubled = total(doubled, doubled)
    return found


@given(st.integers(1, ORDER - 1))
@example(1)
@example(2)
@example(ORDER - 1)
def test_a_public_key_is_so_many_times_the_generator(number: int) -> None:
    point = multiple(number)
    assert point is not None
    x, y = point
    assert public_key(private_scalar(number.to_bytes(32))) == x.to_bytes(32) + y.to_bytes(32)


@given(st.integers(ORDER, 2**256 - 1))
@example(0)
@example(ORDER)
@example(2**256 - 1)
def test_a_number_off_the_curve_is_no_private_key(number: int) -> None:
    with pytest.raises(ValueError, match="greater than 0 and less than"):
        private_scalar(number.to_bytes(32))
