"""DCP's own transport: announcement, pieces and acks, as the strings of the event "message".

    {...}                                     a whole text
    E001dC{"msgId":2,"seq":0,"total":3}...    a piece of one
    E0000O{...}                               a whole text, out of order
    E0000P{"rxMaxFragmentSize":300000,...}    an announcement: what its sender takes
    A0000-ACK                                 for each "{" and "E", to a peer that wants it
    T...                                      debug text

After "E" comes the length of the header (four hexadecimal digits), the letter, the header.
Lengths are in UTF-16 code units, as JavaScript counts: a character beyond the Basic Multilingual
Plane has two, and a cut may leave its halves in two pieces.
"""

from __future__ import annotations

import re

import attrs

from cg_core.ecmascript_json import parse
from cg_core.errors import ProtocolError
from cg_core.framing.limits import DEFAULT_LIMITS, Limits
from cg_core.json_shapes import from_json, json_text, to_json
from cg_core.text import type_name

_PIECE_COST = 300  # characters that would take as much memory as a piece does beside its text
_ACK = "A0000-ACK"
_EXTENDED = re.compile("E([0-9a-fA-F]{4})(.)", re.DOTALL)
_UTF_16 = "utf-16-le"
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")
_PAIR_IN_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class DCPTransport:
    """One end of a connection; both are alike. Its announcement is the first thing to send.

    Args:
        limits: what is taken from the peer.
    """

    __slots__ = ("_held_length", "_incoming", "_limits", "_message_id", "_peer", "_to_send")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._peer = _Announcement()
        self._message_id = 1  # the announcement counts
        self._to_send = [f"E0000P{json_text(_Announcement.of(limits))}"]
        # In the order of their first pieces, by msgId; a whole text, which may have to wait for
        # the unfinished one at the head, has an object of its own as its key.
        self._incoming: dict[object, _Message] = {}
        self._held_length = 0

    def send(self, text: str) -> None:
        """Send a sealed text; in pieces, where the peer takes none as long.

        Raises:
            ProtocolError: the peer takes too few pieces, or too short ones; nothing is sent.
        """
        size = int(self._peer.rx_max_fragment_size)
        total = -(-_length(text) // size)
        if total <= 1 or not self._peer.wants_concat:
            self._message_id += 1
            self._to_send.append(text)
            return
        # A peer that says 0 takes any number of them, but we do not make any number.
        most = self._limits.fragment_count
        most = min(int(self._peer.rx_max_fragment_count) or most, most)
        if total > most:
            raise ProtocolError(
                f"the text needs {total} pieces of {size} characters, and {most} may be sent"
            )
        self._message_id += 1
        for seq, piece in enumerate(_cut(text, size)):
            header = json_text(_Header(self._message_id, seq, total))
            self._to_send.append(f"E{len(header):04x}C{header}{piece}")

    @property
    def held(self) -> int:
        """Characters of texts that are not complete, or wait for others; what a piece costs too."""
        if not self._incoming:
            return 0
        pieces = sum(len(message.pieces) for message in self._incoming.values())
        return self._held_length + _PIECE_COST * pieces

    def strings_to_send(self) -> list[str]:
        """Take out what is to be sent, in order, each as one event."""
        strings, self._to_send = self._to_send, []
        return strings

    def receive(self, string: str) -> list[str]:
        """Take the string of an event.

        Returns:
            The texts that are now complete and wait for no other, in the order of their first
            pieces.

        Raises:
            ProtocolError: the peer broke the protocol, or a limit: drop the connection.
        """
        match string[:1]:
            case "{":
                texts = self._receive_whole(string)
            case "E":
                texts = self._receive_extended(string)
            case "A" | "T":
                return []  # we ask for no acks, and debug text is for people
            case _:
                raise ProtocolError("a string of the DCP transport must begin with {, E, A or T")
        if self._peer.wants_ack:
            self._to_send.append(_ACK)
        return texts

    def _receive_whole(self, string: str) -> list[str]:
        length = _length(string)
        if self._incoming:
            self._hold(string, length, object(), 0, 1)
            return self._take_finished()
        self._check_length(length, min(self._limits.message_length, self._limits.held_length))
        return [self._checked(_with_whole_pairs(string))]

    def _receive_extended(self, string: str) -> list[str]:
        head = _EXTENDED.match(string)
        if head is None:
            raise ProtocolError("E must be followed by four hexadecimal digits and a letter")
        end = head.end() + int(head[1], 16)
        # Headers are in ASCII (see below), where code units and code points are the same.
        header, payload = string[head.end() : end], string[end:]
        match head[2]:
            case "C":
                self._receive_piece(header, payload)
                return self._take_finished()
            case "P":
                self._peer = self._peer.merged(payload)
            case "O":
                self._check_length(_length(payload), self._limits.message_length)
                return [self._checked(payload)]
        return []  # letters to come

    def _receive_piece(self, header: str, piece: str) -> None:
        if not header.isascii():
            raise ProtocolError("the header of a piece must be in ASCII")
        part = from_json(parse(header), _Header)
        if not 0 <= part.seq < part.total <= self._limits.fragment_count:
            raise ProtocolError(
                f"a piece must have 0 <= seq < total <= {self._limits.fragment_count}"
            )
        length = _length(piece)
        self._check_length(length, self._limits.fragment_length)
        self._hold(piece, length, part.msg_id, part.seq, part.total)

    def _hold(self, piece: str, length: int, key: object, seq: int, total: int) -> None:
        message = self._incoming.get(key)
        if message is None:
            if len(self._incoming) >= self._limits.unfinished_messages:
                raise ProtocolError(f"{len(self._incoming)} messages are unfinished or wait")
            message = self._incoming[key] = _Message(total)
        if message.total != total:
            raise ProtocolError("the pieces of a message disagree about their number")
        if seq in message.pieces:
            if message.pieces[seq] != piece:
                raise ProtocolError("a piece came twice, and not the same")
            return
        message.pieces[seq] = piece
        message.length += length
        self._held_length += length
        self._check_length(message.length, self._limits.message_length)
        self._check_length(self._held_length, self._limits.held_length)

    def _take_finished(self) -> list[str]:
        texts = []
        for key, message in list(self._incoming.items()):
            if len(message.pieces) < message.total:
                break
            del self._incoming[key]
            self._held_length -= message.length
            texts.append(self._checked(message.text()))
        return texts

    def _checked(self, text: str) -> str:
        most = self._limits.message_values
        if len(text) > most and (values := sum(map(text.count, ",[{"))) > most:
            raise ProtocolError(f"{values} values came where {most} are taken")
        return text

    @staticmethod
    def _check_length(length: int, longest: int) -> None:
        if length > longest:
            raise ProtocolError(f"{length} characters came where {longest} are taken")


@attrs.frozen
class _Announcement:
    # What a peer takes; the defaults are what is taken for granted of one that has not said it.
    # JSON has one type of number, so all of them are float.
    can_ooo: bool = False
    can_ack: bool = False
    wants_concat: bool = True
    wants_ack: bool = False
    rx_max_fragment_size: float = 1_000_000
    rx_max_fragment_count: float = 100
    ping_interval: float = 10_100  # said by dcp-client, and read by nobody
    has_announced: bool = False

    @classmethod
    def of(cls, limits: Limits) -> _Announcement:
        # No limit of the count, as dcp-client says: told of one, a Target that has to exceed it
        # ends its process, where it can otherwise lose the connection.
        return cls(
            can_ooo=True,
            can_ack=True,
            rx_max_fragment_size=limits.fragment_length,
            rx_max_fragment_count=0,
            has_announced=True,
        )

    def merged(self, text: str) -> _Announcement:
        # It may be partial, and repeated.
        value = parse(text)
        if not isinstance(value, dict):
            raise ProtocolError(f"an announcement must be an object, not {type_name(value)}")
        peer = from_json(to_json(self) | value, _Announcement)
        if peer.rx_max_fragment_size < 1 or peer.rx_max_fragment_count < 0:
            # No text could ever be sent to it. A size too small to be of use is left to send().
            raise ProtocolError("an announcement must have a positive size, and no negative count")
        return peer


@attrs.frozen
class _Header:
    # Of a piece.
    msg_id: int | str
    seq: int
    total: int


@attrs.define
class _Message:
    total: int
    length: int = 0
    pieces: dict[int, str] = attrs.field(factory=dict)

    def text(self) -> str:
        return _with_whole_pairs("".join([self.pieces[seq] for seq in range(self.total)]))


def _length(text: str) -> int:
    # In code units.
    return len(text) if text.isascii() else len(text) + len(_BEYOND_BMP.findall(text))


def _cut(text: str, size: int) -> list[str]:
    if text.isascii():
        return [text[start : start + size] for start in range(0, len(text), size)]
    units = text.encode(_UTF_16, "surrogatepass")
    return [
        units[start : start + 2 * size].decode(_UTF_16, "surrogatepass")
        for start in range(0, len(units), 2 * size)
    ]


def _with_whole_pairs(text: str) -> str:
    return text if text.isascii() else _PAIR_IN_HALVES.sub(_whole, text)


def _whole(pair: re.Match[str]) -> str:
    return pair.group().encode(_UTF_16, "surrogatepass").decode(_UTF_16)
