"""The curve secp256k1: the one file that knows which library computes on it.

The library (coincurve) draws random bytes when it is imported, to blind its arithmetic against
side channels. No result depends on them.
"""

from __future__ import annotations

from coincurve import PrivateKey, PublicKey

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


def sign(scalar: PrivateScalar, digest: bytes) -> bytes:
    """The recoverable signature of a 32-byte digest: r, s (the lower one), recovery id; 65 bytes.

    The same key and digest give the same signature (RFC 6979).
    """
    return scalar.sign_recoverable(digest, hasher=None)


def recover(signature: bytes, digest: bytes) -> bytes:
    """The public key (64 bytes, x and y) whose owner made a 65-byte signature of a digest.

    Raises:
        ValueError: no key made it.
    """
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception as error:  # coincurve knows no narrower one
        raise ValueError(str(error)) from None
    return key.format(compressed=False)[1:]
