"""What a client at the other end of a socket may make us hold or wait for, and why just so much."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class SocketLimits:
    """The caps below the application. Sizes are in bytes, times in seconds."""

    # TCP connections at a time. A peer has one WebSocket, or two connections while it polls, and
    # the framing takes 10 000 peers. Beyond it a client is told to come again.
    connections: int = 20_000

    # From the accept, or from a request's first byte, to the end of its head: what honest clients
    # send in one piece. Apache gives as much.
    head_time: float = 20.0

    # From the head to the end of the body. The largest one, at 40 kB in a second.
    body_time: float = 100.0

    # Between a response and the next request. Longer than clients and proxies keep a connection
    # (nginx: 60), so that it is they who close, and no request meets a closed door.
    keep_alive_time: float = 75.0

    # In which a peer must take something of what waits for it. A slow line takes a little all the
    # time; who takes nothing has stopped to read, or has gone.
    write_time: float = 60.0

    # From a refusal to the end. A client that is still sending would lose the refusal if we closed
    # at once.
    refusal_time: float = 2.0

    # The head of a request that is not whole yet: h11's and Node's own cap.
    head_size: int = 16_384

    # What Engine.IO announces as maxPayload. It must be declared: a body of unknown size is
    # refused, which no client of DCP sends, and whose tiny chunks would cost us much CPU.
    body_size: int = 4_000_000

    # A message of a WebSocket: as much as the framing takes in one packet.
    message_size: int = 4_000_000

    # Bodies and messages that are not whole yet, of all connections. Sixty of the largest at a
    # time; beyond it the connection that holds most of it ends.
    unfinished_size: int = 256_000_000


DEFAULT_SOCKET_LIMITS: Final = SocketLimits()
