"""How many connections the system lets us have."""

from __future__ import annotations

import logging
from contextlib import suppress

import attrs

from cg_backends.service.protocols import SPARE_CONNECTIONS
from cg_backends.service.socket_limits import SocketLimits

# Databases, logs, the event loop, and what the rest of the program has open.
_OTHER_FILES = 200

_log = logging.getLogger("cg.service")


def connections_possible(limits: SocketLimits) -> SocketLimits:
    """The limits, with no more connections than the process may have open files.

    The soft limit of open files (RLIMIT_NOFILE) is raised as far as needed, and the hard one lets.
    """
    try:
        import resource  # noqa: PLC0415 # Unix has it
    except ImportError:
        return limits
    others = SPARE_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.connections + others
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return limits
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with suppress(OSError, ValueError):  # macOS has a limit beside the hard one
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft >= needed:
        return limits
    possible = max(soft - others, 1)
    _log.warning(
        "room for %d connections, opening and closing ones among them, instead of %d: the system "
        "allows %d open files; to have more, raise that limit (ulimit -Hn, or LimitNOFILE= of "
        "systemd)",
        possible,
        limits.connections,
        soft,
    )
    return attrs.evolve(limits, connections=possible)
