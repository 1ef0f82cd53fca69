"""The version check: which implementations of the session may talk to each other (wire.md)."""

from __future__ import annotations

import re

VERSION = "5.3.0"
"""The version that we say."""
COMPATIBLE = "^5.2.0"
"""The versions that we take: this one and later ones, before 6."""

_NUMBER = "(0|[1-9][0-9]*)"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
# White space around it is trimmed; a pre-release is outside every range without one.
_RELEASE = re.compile(rf"\s*v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:\+{_IDENTIFIERS})?\s*", re.ASCII)
_LONGEST = 256
_LARGEST = 2**53 - 1


def is_compatible(version: object) -> bool:
    """Whether a peer of this version may be talked to: `^5.2.0`, as semver reads it."""
    if not isinstance(version, str) or len(version) > _LONGEST:
        return False
    match = _RELEASE.fullmatch(version)
    if match is None:
        return False
    major, minor, patch = map(int, match.groups())
    return major == 5 and 2 <= minor <= _LARGEST and patch <= _LARGEST
