"""Join hashes against the bare keccak of the backend over the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version

from eth_hash.backends.pysha3 import keccak256

from benchmarks.measure import Figure, compare
from cg_core import join_hash

CASES = {
    "11 characters": ("scott", "tiger"),
    "64 characters": ("render farm", "s" * 52),
    "255 characters": ("render farm", "s" * 243),
}


def figures(*, quick: bool) -> Iterator[Figure]:
    """A key and a secret of three lengths."""
    for length, (key, secret) in CASES.items():
        text = f"{key} {secret}".encode()
        message = b"\x19Ethereum Signed Message:\n%d%b" % (len(text), text)
        yield compare(
            f"join_hash, {length}",
            partial(join_hash, key, secret),
            f"bare keccak, safe-pysha3 {version('safe-pysha3')}",
            partial(keccak256, message),
            goal=0.8,
            quick=quick,
        )
