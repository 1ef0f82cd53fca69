"""What a peer may make us hold or do, and why just so much of it."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """The caps of the framing.

    Lengths of text are in UTF-16 code units, as everywhere in DCP; sizes are in bytes, times in
    seconds.
    """

    # The longest text of a service is the answer to listJobs: 25 characters for each job, so this
    # is a group of 400 000 jobs.
    message_length: int = 10_000_000

    # Values of JSON in one text (its commas and brackets, those in strings too). To parse and print
    # again takes a microsecond for each, or three, before a text is acted on. A service's answer
    # may be all commas; what a service is asked has some ten thousand (`ServiceLimits`).
    message_values: int = 10_000_000

    # What dcp-client announces. A piece that is longer is an error there, too.
    fragment_length: int = 300_000

    # The longest message has 34 pieces. A peer may cut smaller ones, but a piece costs us some
    # hundred bytes, so not a million of them. It bounds what we send likewise: a peer that
    # announces a piece length of 1 would have us send forty times the text.
    fragment_count: int = 1_000

    # A peer has one message and one ack on their way (wire.md, Messages).
    unfinished_messages: int = 16

    # The longest message, and what may come between its pieces.
    held_length: int = 12_000_000

    # A peer that has not seen our announcement yet takes 1 000 000 characters for granted. Sealed
    # text at most doubles as a JSON string, and has at most 3 bytes of UTF-8 for a character.
    packet_length: int = 4_000_000

    # Bytes of an HTTP body, announced as maxPayload: one packet of the above, or several.
    body_size: int = 4_000_000

    # All pieces of one message may come in one body.
    payload_packets: int = 1_000

    # From the handshake, or the wish for it, to the namespace: socket.io's connectTimeout.
    opening_time: float = 45.0

    # From the goodbye to the transport's end. dcp-client waits 7 seconds for a session to close.
    closing_time: float = 7.0

    # From the WebSocket of an upgrade to its last packet: engine.io's upgradeTimeout.
    upgrade_time: float = 10.0

    # Bytes that wait for a peer that does not read. DCP has one message and one ack on their way,
    # and a message of the greatest length has at most 3 bytes a character.
    queue_size: int = 32_000_000

    # Bytes of a response. engine.io puts its whole queue into one, whatever the size; ours does
    # not, but this is what it would have in its queue.
    response_size: int = 32_000_000

    # Characters that are held of unfinished messages, and wait to be taken, on all connections of a
    # service. Ten of the longest messages; for more than that the one that has held something for
    # the longest goes: an honest peer is through with a message in seconds.
    held_in_all: int = 100_000_000

    # Connections at a time. Each costs a few kilobytes here, and a socket or two; for more than
    # this a service has several processes.
    connections: int = 10_000


DEFAULT_LIMITS = Limits()
