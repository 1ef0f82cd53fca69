"""Where the service listens: `127.0.0.1:9800` as people write it, and its socket."""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import Final

from cg_core.errors import InvalidValue, NetworkError

# Connections that wait to be accepted; the system may hold it lower (somaxconn).
BACKLOG: Final = 1_024

_WRITTEN: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_EXAMPLE: Final = "give an address and a port, as in 127.0.0.1:9800 or [::1]:9800"


def parse_listen(text: str) -> tuple[str, int]:
    """Read an address to listen on: a host, or an IPv6 address in brackets, and a port.

    Args:
        text: such as `127.0.0.1:9800`, `localhost:9800`, `[::1]:9800`. Port 0 is any free one.

    Raises:
        InvalidValue: it is no such address.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise InvalidValue(f"{text!r} is no address to listen on; {_EXAMPLE}")
    port = int(found["port"])
    if port > 65_535:
        raise InvalidValue(f"there is no port {port}; give one from 0 to 65535")
    return found["ipv6"] or found["host"], port


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; whoever connects waits until a server accepts.

    Args:
        host: a name or an address of this machine; `0.0.0.0` is all of IPv4, `::` all there is.
        port: 0 is any free one.

    Raises:
        InvalidValue: the host is not this machine, or the port is none.
        NetworkError: the port is in use, or may not be used.
    """
    if not 0 <= port <= 65_535:
        raise InvalidValue(f"there is no port {port}; give one from 0 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise InvalidValue(f"{host!r} cannot be looked up; {_EXAMPLE}") from None
    family, kind, _, _, address = found[0]
    # Said to be TCP, or asyncio does not switch Nagle's delay off.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two programs have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _explained(error, host, port) from None
    return listener


def _explained(error: OSError, host: str, port: int) -> InvalidValue | NetworkError:
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidValue(f"{host!r} is not an address of this machine; {_EXAMPLE}")
    if error.errno == errno.EADDRINUSE:
        return NetworkError(
            f"port {port} of {host} is in use; end what uses it, or give another port"
        )
    if error.errno == errno.EACCES:
        return NetworkError(
            f"port {port} of {host} may not be used by this user; give one from 1024 upwards"
        )
    return NetworkError(f"cannot listen on port {port} of {host}: {error.strerror}")
