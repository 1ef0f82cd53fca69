"""The curve secp256k1: the one file that knows which library computes on it.

The library (coincurve) draws random bytes when it is imported, to blind its arithmetic against
side channels. No result depends on them.
"""

from __future__ import annotations

from coincurve import PrivateKey

PrivateScalar = PrivateKey
"""A private key made ready for use; making one costs a multiplication on the curve."""


def private_scalar(secret: bytes) -> PrivateScalar:
    """The private key that 32 bytes are.

    Raises:
        ValueError: the number is zero, or not below the order of the curve.
    """
    return PrivateKey(secret)


def public_key(scalar: PrivateScalar) -> bytes:
    """The public key of a private key: 64 bytes, x and y."""
    return scalar.public_key.format(compressed=False)[1:]
