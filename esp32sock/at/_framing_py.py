"""Framing of the AT stream in pure Python; `_speedups/_framing_c.pyx` is the compiled build, part for part.

Theory of operation
===================

What a module sends is text lines, prompts and payload blocks, run together (at-dialects 3.1):

    \\r\\nOK\\r\\n  \\r\\n>  0,CLOSED\\r\\n  \\r\\n+IPD,0,5:hello\\r\\n  +CIPRECVDATA:3,abc\\r\\nOK\\r\\n

`receive_data` only stores. `next_frame` reads on up to and including the next *text* token and returns it: a
`Line`, `PROMPT`, or `NEED_DATA` when everything stored is used up. Payload found on the way goes into
the buffer of its link and makes no object. Since it stops at each text token, the caller can empty a buffer
between `0,CLOSED` and the first byte of the next owner of link 0.

The reader is always in one of five states:

    text          in a line; `_line` holds what came of it in earlier pieces, `_candidate` where in it a
                  header may have begun that the end of the piece cut
    header found  `_header` is parsed, the text before it was delivered; its block begins with the next call
    block         `_missing` bytes of payload are outstanding; text cannot occur
    counted       `_missing` bytes are outstanding that belong to the line, whatever they are
    passthrough   every byte is payload

and a sixth, failed, from which only `reset` leads back.

Invariants
==========

- Payload is never read as text: that of unknown ids and unowned links is counted and dropped, that of other
  features (COUNTED_LINES: MQTT, HTTP, BLE ...) stays in its line, which ends behind it.
- The frames, the buffers and the counters do not depend on how the input was cut.
- Work is linear: a byte is looked at when it comes; those of a cut header, at most MAX_HEADER_BYTES or
  MAX_COUNTED_HEADER_BYTES, again with each piece that continues it. `examined_bytes` counts, and a test holds
  it to that.
- Memory is bounded: a line by `max_line_bytes` and the longest header, a counted line by `max_block_bytes`
  more, a link by `max_link_bytes`. Input that is stored and not read is the caller's to bound: read to
  NEED_DATA before storing more.
- Any bytes give frames or RemoteProtocolError; any other exception is a bug here.
- received_bytes(link) = bytes taken + buffered(link) + a partial datagram + discarded_bytes(link).

What may begin a block, and where
=================================

A header may begin anywhere in text: behind a prompt, in an echo, in an unfinished line (at-dialects 3.1 rule
4, 3.2). The one exception is an open double-quoted string of the current line, or an access point called
`+IPD,0,900:` would swallow what follows it in a scan (`+CWLAP:(3,"+IPD,0,900:",-40)`). `\\"` does not
close such a string; the end of the line does. What looks like a header and is none (`+IPD,abc`) is text. The
topic of a `+MQTTSUBRECV` is not escaped: one that holds `",<number>,` is cut there.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from esp32sock._constants import (
    COUNTED_LINES,
    DATAGRAM,
    DATAGRAM_OVERHEAD_BYTES,
    DISCARD,
    ESCAPE_SEQUENCE,
    LIMIT_CEILING,
    LINKS,
    MAX_BLOCK_BYTES,
    MAX_COUNTED_HEADER_BYTES,
    MAX_DATAGRAM_BYTES,
    MAX_HEADER_BYTES,
    MAX_LINE_BYTES,
    MAX_LINK_BYTES,
    NEED_DATA,
    PLAIN_HOST,
    PROMPT,
    STREAM,
    Token,
)
from esp32sock.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_CR: Final = 0x0D
_LF: Final = 0x0A
_SPACE: Final = 0x20
_QUOTE: Final = 0x22
_PLUS: Final = 0x2B
_GREATER: Final = 0x3E
_BACKSLASH: Final = 0x5C


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text without its CR LF, or the text that a payload block broke off.

    `follows` is the link whose payload ended directly before this text, with no CR LF between, or None.
    """

    text: bytes
    follows: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One CIPSEND: the command line, and the payload to write when the prompt has come."""

    header: bytes
    payload: memoryview


class _Header(NamedTuple):
    link: int | None  # None: of no link
    length: int
    host: str | None
    port: int
    raw: bytes
    counted: bool = False  # the bytes belong to the line


# The shapes of a header (at-dialects 7.6, 7.7). Up to 1.2 the address is bare, from 2.0 on quoted, and only
# then can it be IPv6.
_QUAD: Final = rb"[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}"
_ADDRESS: Final = rb'(?:"(?P<quoted>[0-9A-Fa-f.:]{1,45})"|(?P<bare>' + _QUAD + rb")),(?P<port>[0-9]{1,5})"
_IPD_MUX: Final = rb"[+]IPD,(?P<link>[0-9]+),(?P<length>[0-9]+)(?:," + _ADDRESS + rb")?:"
_IPD_SINGLE: Final = rb"[+]IPD,(?P<length>[0-9]+)(?:," + _ADDRESS + rb")?:"
_RECVDATA: Final = re.compile(rb"[+]CIPRECVDATA(?::(?P<length>[0-9]+),|,(?P<length_old>[0-9]+):)")
_RECVDATA_PEER: Final = re.compile(rb"[+]CIPRECVDATA:(?P<length>[0-9]+)," + _ADDRESS + rb",")

_IPD: Final = (re.compile(_IPD_SINGLE), re.compile(_IPD_MUX))  # by mux
# How blocks mostly begin, in one match. At most two blank lines: a thousand with no header behind them would
# be looked at a thousand times.
_BLANK_LINES_THEN_IPD: Final = tuple(
    re.compile(rb"(?:\r\n){0,2}(?P<header>" + shape + rb")") for shape in (_IPD_SINGLE, _IPD_MUX)
)


def _beginnings(*shapes: list[bytes]) -> re.Pattern[bytes]:
    """A pattern for what the end of the data may leave of these shapes, each a list of atoms."""
    patterns = []
    for atoms in shapes:
        pattern = rb"\Z"
        for atom in reversed(atoms):
            pattern = rb"(?:\Z|" + atom + pattern + rb")"
        patterns.append(pattern)
    return re.compile(b"|".join(patterns))


def _letters(word: str) -> list[bytes]:
    return [b"[" + letter.encode() + b"]" for letter in word]


def _beginning_of_header(*, mux: bool, recvdata_has_peer: bool) -> re.Pattern[bytes]:
    number, group, comma = rb"[0-9]+", rb"[0-9]{1,3}", b","
    port = rb"[0-9]{1,5}"
    quoted = [comma, b'"', rb"[0-9A-Fa-f.:]{1,45}", b'"', comma, port]
    bare = [comma, *[group, b"[.]"] * 3, group, comma, port]
    ipd = [*_letters("+IPD,"), *([number, comma] if mux else []), number]
    recvdata = [*_letters("+CIPRECVDATA:"), number]
    with_address = [[*ipd, *quoted], [*ipd, *bare]]
    if recvdata_has_peer:
        with_address += [[*recvdata, *quoted], [*recvdata, *bare]]
    return _beginnings(ipd, recvdata, [*_letters("+CIPRECVDATA,"), number], *with_address)


_BEGINNING: Final = {
    (mux, peer): _beginning_of_header(mux=mux, recvdata_has_peer=peer)
    for mux in (False, True)
    for peer in (False, True)
}

_FIELDS: Final = {  # of a counted line, each as atoms
    "n": [rb"[0-9]+", b","],
    "o": [rb"[0-9]*", b","],
    "q": [b'"', rb'[^"\r\n]*', b'"', b","],
    "k": [b'"', rb'[^"\r\n+\\]*', b'"', b","],
    "l": [rb"(?P<length>[0-9]+)", b","],
}
_COUNTED_ATOMS: Final = [
    (re.escape(word).encode(), [atom for field in fields for atom in _FIELDS[field]])
    for word, fields in COUNTED_LINES
]
_COUNTED: Final = [re.compile(b"".join([word, *atoms])) for word, atoms in _COUNTED_ATOMS]
_COUNTED_BEGINNING: Final = _beginnings(
    *[
        [*_letters(word), *(atom.replace(b"?P<length>", b"?:") for atom in atoms)]
        for (word, _), (_, atoms) in zip(COUNTED_LINES, _COUNTED_ATOMS, strict=True)
    ]
)

_PLAIN_STOP: Final = re.compile(rb'\r\n|[+"]')
_QUOTED_STOP: Final = re.compile(rb'\r\n|"|\\["\\]')


class _Cut(Enum):
    """The data ends in what may become a header."""

    CUT = "CUT"


class _Link:
    """What is known and kept of one link."""

    __slots__ = (
        "blocks", "datagram_bytes", "datagrams", "discarded_bytes", "overflowed", "partial", "peer",
        "received_bytes", "sink", "stream",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sink = DISCARD
        self.overflowed = False
        self.peer: tuple[str, int] | None = None
        self.stream = bytearray()
        self.datagrams: deque[tuple[str | None, int, bytes]] = deque()
        self.datagram_bytes = 0  # payload of the complete ones
        self.partial = bytearray()  # of the datagram being received
        self.blocks = 0
        self.received_bytes = 0
        self.discarded_bytes = 0

    def buffered(self) -> int:
        return self.datagram_bytes if self.sink == DATAGRAM else len(self.stream)

    def drop_partial(self) -> None:
        self.discarded_bytes += len(self.partial)
        self.partial.clear()

    def drop_everything(self) -> None:
        self.drop_partial()
        self.discarded_bytes += self.buffered()
        self.stream.clear()
        self.datagrams.clear()
        self.datagram_bytes = 0


class Demux:
    """Separates what a module sends into lines, prompts and the payload of each link."""

    __slots__ = (
        "_block_host", "_block_link", "_block_port", "_block_sink", "_candidate", "_counted",
        "_counted_bytes", "_escaped", "_examined", "_failure", "_follows", "_header", "_line", "_links",
        "_max_block_bytes", "_max_line_bytes", "_max_link_bytes", "_missing", "_mux", "_passthrough",
        "_piece", "_pos", "_prompt_expected", "_queue", "_quoted", "_recvdata_has_peer", "_recvdata_link",
        "_space_may_follow", "_stray_bytes",
    )  # fmt: skip

    # Text
    _line: bytearray
    _candidate: int | None  # index in _line
    _counted: bool  # the missing bytes belong to the line,
    _counted_bytes: int  # which holds, or will hold, so many that no limit of a line applies to
    _quoted: bool  # in an open double-quoted string,
    _escaped: bool  # and behind its backslash
    _follows: int | None
    _prompt_expected: bool
    _space_may_follow: bool
    # Payload
    _header: _Header | None
    _missing: int
    _block_link: int | None
    _block_sink: int  # what the block's link was when it began; DISCARD since if that changed
    _block_host: str | None
    _block_port: int
    _recvdata_link: int | None
    _passthrough: int | None
    _failure: str | None

    def __init__(
        self,
        *,
        mux: bool = True,
        recvdata_has_peer: bool = False,
        max_block_bytes: int = MAX_BLOCK_BYTES,
        max_line_bytes: int = MAX_LINE_BYTES,
        max_link_bytes: int = MAX_LINK_BYTES,
    ) -> None:
        self._mux = bool(mux)
        self._recvdata_has_peer = bool(recvdata_has_peer)
        self._max_block_bytes = _checked_limit("max_block_bytes", max_block_bytes)
        self._max_line_bytes = _checked_limit("max_line_bytes", max_line_bytes)
        self._max_link_bytes = _checked_limit("max_link_bytes", max_link_bytes)
        self._links = tuple(_Link() for _ in range(LINKS))
        self._stray_bytes = 0
        self._examined = 0
        self._piece = b""
        self._pos = 0
        self._queue: deque[bytes] = deque()
        self._line = bytearray()
        self.reset()

    # Settings by the caller

    @property
    def mux(self) -> bool:
        """AT+CIPMUX: the first field of a +IPD header is a link id. Without it all payload is link 0's."""
        return self._mux

    @mux.setter
    def mux(self, value: bool) -> None:
        self._mux = bool(value)

    @property
    def recvdata_has_peer(self) -> bool:
        """An address may stand in +CIPRECVDATA (AT+CIPDINFO=1). It looks like data, so this must be set."""
        return self._recvdata_has_peer

    @recvdata_has_peer.setter
    def recvdata_has_peer(self, value: bool) -> None:
        self._recvdata_has_peer = bool(value)

    def expect_prompt(self) -> None:
        """From now on a `>` at the start of a line is the prompt, once."""
        self._prompt_expected = True

    def cancel_prompt(self) -> None:
        """A `>` is text again."""
        self._prompt_expected = False

    @property
    def prompt_expected(self) -> bool:
        """A prompt is expected and has not come."""
        return self._prompt_expected

    def expect_recvdata(self, link_id: int | None) -> None:
        """Payload of +CIPRECVDATA goes to this link, until the next call; None: it is stray."""
        self._recvdata_link = None if link_id is None else _checked_link(link_id)

    def enter_passthrough(self, link_id: int) -> None:
        """All that is read from here on is payload of this link. An unfinished line is dropped.

        LocalProtocolError: a block is being received, or the link takes datagrams (these need borders).
        """
        link_id = _checked_link(link_id)
        if self._header is not None or self._missing:
            raise LocalProtocolError("cannot enter passthrough in the middle of a block")
        if self._links[link_id].sink == DATAGRAM:
            raise LocalProtocolError(f"cannot enter passthrough: link {link_id} takes datagrams")
        self._forget_text()
        self._passthrough = link_id

    def leave_passthrough(self) -> None:
        """What is read from here on is text again."""
        self._passthrough = None

    @property
    def passthrough(self) -> int | None:
        """The link that is in passthrough, if one is."""
        return self._passthrough

    def set_sink(self, link_id: int, kind: int) -> None:
        """Gives the link a new owner. What is buffered, and the rest of a block under way, is dropped."""
        link_id = _checked_link(link_id)
        if kind not in (DISCARD, STREAM, DATAGRAM):
            raise LocalProtocolError(f"sink {kind!r} is none of DISCARD, STREAM, DATAGRAM")
        if kind == DATAGRAM and self._passthrough == link_id:
            raise LocalProtocolError(f"link {link_id} is in passthrough and cannot take datagrams")
        link = self._links[link_id]
        link.drop_everything()
        link.sink = kind
        link.overflowed = False
        link.peer = None
        if self._block_link == link_id:
            self._block_sink = DISCARD

    # Input and frames

    def receive_data(self, data: ReadableBuffer) -> None:
        """Stores bytes from the module. They must not change before `next_frame` says NEED_DATA.

        RemoteProtocolError: an earlier one, repeated until `reset`.
        """
        if self._failure is not None:
            raise RemoteProtocolError(self._failure)
        with memoryview(data) as view:
            if not view.c_contiguous:
                raise BufferError("memoryview: underlying buffer is not C-contiguous")
            piece = bytes(view)
        if not piece:
            return
        if self._pos < len(self._piece) or self._queue:
            self._queue.append(piece)
        else:
            self._piece, self._pos = piece, 0

    def next_frame(self) -> Line | Token:
        """Reads up to and including the next text token; payload before it goes to its links.

        RemoteProtocolError: a block or line too long to be true. It is repeated until `reset`, and what was
        stored but not read is dropped.
        """
        if self._failure is not None:
            raise RemoteProtocolError(self._failure)
        while True:
            if self._header is not None:
                self._begin_block(self._header)
            if self._pos == len(self._piece) and not self._next_piece():
                return NEED_DATA
            if self._passthrough is not None:
                self._deliver(self._passthrough, self._links[self._passthrough].sink, len(self._piece))
            elif self._missing:
                if self._counted:
                    self._read_counted()
                else:
                    self._read_block()
            else:
                frame = self._read_text()
                if frame is not None:
                    return frame

    def _next_piece(self) -> bool:
        self._piece, self._pos = self._queue.popleft() if self._queue else b"", 0
        return bool(self._piece)

    # Text

    def _read_text(self) -> Line | Token | None:
        """Reads to the next token or to the end of the piece. Needs at least one byte."""
        data, pos, line = self._piece, self._pos, self._line
        if self._space_may_follow:
            self._space_may_follow = False
            if data[pos] == _SPACE:
                self._pos = pos + 1
                return None
        if self._candidate is not None:
            return self._resume_header(self._candidate)
        if not line:
            if self._prompt_expected and data[pos] == _GREATER:
                return self._read_prompt()
            leading = _BLANK_LINES_THEN_IPD[self._mux].match(data, pos)
            if leading and (header := self._ipd_header(leading, leading["header"])):
                self._examined += leading.end() - pos
                self._header, self._pos = header, leading.end()
                return None
        elif line[-1] == _CR and data[pos] == _LF:
            self._pos = pos + 1
            del line[-1]
            return self._end_of_text()
        return self._scan()

    def _read_prompt(self) -> Token:
        self._pos += 1
        self._examined += 1
        self._prompt_expected = False
        self._space_may_follow = True  # ESP8266 style (at-dialects 3.1 rule 5)
        self._follows = None
        return PROMPT

    def _scan(self) -> Line | None:
        """Looks for the end of the line, or a header, and keeps track of quotes."""
        data, start = self._piece, self._pos
        pos = start
        if self._escaped:
            self._escaped = False
            if data[pos] in (_QUOTE, _BACKSLASH):
                pos += 1
        while stop := (_QUOTED_STOP if self._quoted else _PLAIN_STOP).search(data, pos):
            at, pos = stop.span()
            if data[at] == _CR:
                return self._take_text(start, at, pos)
            if data[at] == _QUOTE:
                self._quoted = not self._quoted
            elif data[at] == _PLUS:
                found = self._header_at(data, at)
                if found is _Cut.CUT:
                    self._candidate = len(self._line) + at - start
                    break
                if found is not None:
                    self._header, end = found
                    return self._take_text(start, at, end)
        self._line += data[start:]
        self._escaped = self._quoted and data[-1] == _BACKSLASH and pos < len(data)
        self._examined += len(data) - start
        self._pos = len(data)
        self._check_line_length()
        return None

    def _take_text(self, start: int, stop: int, go_on_at: int) -> Line | None:
        self._line += self._piece[start:stop]
        self._examined += go_on_at - start
        self._pos = go_on_at
        return self._end_of_text()

    def _end_of_text(self) -> Line | None:
        """The line is whole, or ends at a header; an empty one is swallowed."""
        if len(self._line) - self._counted_bytes > self._max_line_bytes:
            self._fail_on_line()
        text, follows = bytes(self._line), self._follows
        self._forget_text()
        return Line(text, follows) if text else None

    def _resume_header(self, candidate: int) -> Line | None:
        """Goes on with a header that the end of the last piece cut."""
        line = self._line
        have = len(line) - candidate
        trial = bytes(line[candidate:]) + self._piece[self._pos : self._pos + MAX_COUNTED_HEADER_BYTES - have]
        self._examined += len(trial)
        found = self._header_at(trial, 0)
        if found is _Cut.CUT:
            line += trial[have:]
            self._pos += len(trial) - have
            return None
        self._candidate = None
        if found is None:
            self._quoted, self._escaped = _quotes_of(line[candidate:])
            self._check_line_length()
            return None
        self._header, end = found
        if end < have:  # the address was none: it is payload
            self._piece, self._pos = trial[end:have] + self._piece[self._pos :], 0
        else:
            self._pos += end - have
        del line[candidate:]
        return self._end_of_text()

    def _check_line_length(self) -> None:
        length = len(self._line) if self._candidate is None else self._candidate
        over = length - self._counted_bytes - self._max_line_bytes
        if over > 1 or (over == 1 and self._line[length - 1] != _CR):  # its LF may still come
            self._fail_on_line()

    def _forget_text(self) -> None:
        self._line.clear()
        self._candidate = None
        self._counted = False
        self._counted_bytes = 0
        self._quoted = False
        self._escaped = False
        self._space_may_follow = False
        self._follows = None

    # Headers

    def _header_at(self, data: bytes, at: int) -> tuple[_Header, int] | _Cut | None:
        """The header that begins here and where it ends; CUT if the data end too soon; None if it is none."""
        stop = at + MAX_HEADER_BYTES
        if (match := _IPD[self._mux].match(data, at, stop)) and (header := self._ipd_header(match, match[0])):
            return header, match.end()
        if self._recvdata_has_peer and (match := _RECVDATA_PEER.match(data, at, stop)):
            host, port = _address(match)
            if port is not None:
                return _Header(self._recvdata_link, int(match["length"]), host, port, match[0]), match.end()
        if len(data) < stop and _BEGINNING[self._mux, self._recvdata_has_peer].fullmatch(data, at):
            return _Cut.CUT
        if match := _RECVDATA.match(data, at, stop):
            length = int(match["length"] or match["length_old"])
            return _Header(self._recvdata_link, length, None, 0, match[0]), match.end()
        return self._counted_header_at(data, at)

    def _counted_header_at(self, data: bytes, at: int) -> tuple[_Header, int] | _Cut | None:
        """As `_header_at`, for counted lines."""
        stop = at + MAX_COUNTED_HEADER_BYTES
        for shape in _COUNTED:
            if match := shape.match(data, at, stop):
                return _Header(None, int(match["length"]), None, 0, match[0], counted=True), match.end()
        if len(data) < stop and _COUNTED_BEGINNING.fullmatch(data, at):
            return _Cut.CUT
        return None

    def _ipd_header(self, match: re.Match[bytes], raw: bytes) -> _Header | None:
        host, port = _address(match)
        if port is None or len(raw) > MAX_HEADER_BYTES:
            return None
        link = int(match["link"]) if self._mux else 0
        return _Header(link if link < LINKS else None, int(match["length"]), host, port, raw)

    # Payload

    def _begin_block(self, header: _Header) -> None:
        self._header = None
        if header.length > self._max_block_bytes:
            self._fail(f"{header.raw[:MAX_HEADER_BYTES]!r} announces more than {self._max_block_bytes} bytes")
        self._follows = None
        self._block_link, self._block_sink = header.link, DISCARD
        self._block_host, self._block_port = header.host, header.port
        self._missing = header.length
        if header.counted:
            self._line += header.raw
            self._counted = True
            self._counted_bytes = len(header.raw) + header.length
        elif header.link is not None:
            link = self._links[header.link]
            link.blocks += 1
            if header.host is not None:
                link.peer = (header.host, header.port)
            self._block_sink = link.sink
            if link.sink == DATAGRAM and not self._datagram_fits(link, header.length):
                link.overflowed = True
                self._block_sink = DISCARD
        if not self._missing:
            self._end_block()

    def _datagram_fits(self, link: _Link, length: int) -> bool:
        used = link.datagram_bytes + DATAGRAM_OVERHEAD_BYTES * len(link.datagrams)
        return not link.overflowed and used + DATAGRAM_OVERHEAD_BYTES + length <= self._max_link_bytes

    def _read_counted(self) -> None:
        stop = min(len(self._piece), self._pos + self._missing)
        self._missing -= stop - self._pos
        self._line += self._piece[self._pos : stop]
        self._pos = stop
        if not self._missing:
            self._end_block()

    def _read_block(self) -> None:
        stop = min(len(self._piece), self._pos + self._missing)
        self._missing -= stop - self._pos
        self._deliver(self._block_link, self._block_sink, stop)
        if not self._missing:
            self._end_block()

    def _end_block(self) -> None:
        if self._block_sink == DATAGRAM and self._block_link is not None:
            link = self._links[self._block_link]
            link.datagrams.append((self._block_host, self._block_port, bytes(link.partial)))
            link.datagram_bytes += len(link.partial)
            link.partial.clear()
        self._follows = self._block_link
        self._block_link = None
        self._counted = False

    def _deliver(self, link_id: int | None, sink: int, stop: int) -> None:
        """Moves payload from the piece to where it belongs."""
        start, self._pos = self._pos, stop
        size = stop - start
        if link_id is None:
            self._stray_bytes += size
            return
        link = self._links[link_id]
        link.received_bytes += size
        if sink == DATAGRAM:
            link.partial += self._piece[start:stop]
        elif sink == STREAM and not link.overflowed:
            kept = min(size, self._max_link_bytes - len(link.stream))
            link.stream += self._piece[start : start + kept]
            link.discarded_bytes += size - kept
            link.overflowed = kept < size
        else:
            link.discarded_bytes += size

    @property
    def receiving(self) -> int | None:
        """The link whose block is being received; None if none is, or if it is of no link."""
        return self._block_link

    @property
    def missing_bytes(self) -> int:
        """Payload bytes still to come of the block being received."""
        return self._missing

    def abandon_block(self) -> int | None:
        """Gives up the rest of the block (at-dialects 8.4); what comes next is text. Returns its link.

        A counted line is dropped.
        """
        link_id, self._block_link, self._missing = self._block_link, None, 0
        if link_id is not None:
            self._links[link_id].drop_partial()
        if self._counted:
            self._forget_text()
        return link_id

    # What a link holds

    def take(self, link_id: int, max_bytes: int = -1) -> bytes:
        """Stream bytes of the link, oldest first; all of them if `max_bytes` is negative."""
        link = self._links[_checked_link(link_id)]
        if link.sink == DATAGRAM:
            raise LocalProtocolError(f"link {link_id} takes datagrams, ask with take_datagram()")
        stream = link.stream
        if max_bytes < 0 or max_bytes >= len(stream):
            taken = bytes(stream)
            stream.clear()
        else:
            with memoryview(stream) as view:
                taken = bytes(view[:max_bytes])
            del stream[:max_bytes]
        return taken

    def take_datagram(self, link_id: int) -> tuple[str | None, int, bytes] | None:
        """The oldest complete datagram: (host, port, payload). host is None if its header named none."""
        link = self._links[_checked_link(link_id)]
        if link.sink == STREAM:
            raise LocalProtocolError(f"link {link_id} is a stream, ask with take()")
        if not link.datagrams:
            return None
        datagram = link.datagrams.popleft()
        link.datagram_bytes -= len(datagram[2])
        return datagram

    def buffered(self, link_id: int) -> int:
        """Payload bytes that can be taken."""
        return self._links[_checked_link(link_id)].buffered()

    def ready(self) -> int:
        """Bit mask of the links that have something to take."""
        return sum(1 << n for n, link in enumerate(self._links) if link.stream or link.datagrams)

    @property
    def overflowed(self) -> int:
        """Bit mask of the links that exceeded `max_link_bytes`; their payload is dropped until `set_sink`."""
        return sum(1 << n for n, link in enumerate(self._links) if link.overflowed)

    def peer(self, link_id: int) -> tuple[str, int] | None:
        """The last address that a header named for the present owner of the link."""
        return self._links[_checked_link(link_id)].peer

    # Counters

    def blocks(self, link_id: int) -> int:
        """Blocks begun for the link."""
        return self._links[_checked_link(link_id)].blocks

    def received_bytes(self, link_id: int) -> int:
        """Payload bytes that came for the link."""
        return self._links[_checked_link(link_id)].received_bytes

    def discarded_bytes(self, link_id: int) -> int:
        """Those of them that cannot be taken any more."""
        return self._links[_checked_link(link_id)].discarded_bytes

    @property
    def stray_bytes(self) -> int:
        """Payload bytes that were for no known link."""
        return self._stray_bytes

    @property
    def examined_bytes(self) -> int:
        """Bytes of text and headers looked at, repetitions included: the work done, for the tests."""
        return self._examined

    # Trouble

    def pending_text(self) -> bytes:
        """The unfinished line, for diagnostics."""
        return bytes(self._line)

    def reset(self) -> None:
        """The module restarted: line, block, prompt, recvdata and passthrough are void, an error is forgiven.

        Buffers, sinks, counters, `mux` and input that was not read yet stay.
        """
        self._forget_text()
        self._failure = None
        self._header = None
        self._missing = 0
        self._block_link = None
        self._block_sink = DISCARD
        self._block_host = None
        self._block_port = 0
        self._prompt_expected = False
        self._recvdata_link = None
        self._passthrough = None
        for link in self._links:
            link.drop_partial()

    def _fail_on_line(self) -> NoReturn:
        shown = bytes(self._line[: min(32, self._max_line_bytes)])  # no more: it may not have come yet
        self._fail(f"a line is longer than {self._max_line_bytes} bytes, it begins with {shown!r}")

    def _fail(self, message: str) -> NoReturn:
        self._forget_text()
        self._header = None
        self._piece, self._pos = b"", 0
        self._queue.clear()
        self._failure = message
        raise RemoteProtocolError(message)


def _address(match: re.Match[bytes]) -> tuple[str | None, int | None]:
    """The address in a header, (None, 0) if it has none, port None if that is no port number."""
    if match["port"] is None:
        return None, 0
    port = int(match["port"])
    return (match["quoted"] or match["bare"]).decode("ascii"), port if port <= 65535 else None


def _quotes_of(text: bytearray) -> tuple[bool, bool]:
    """Whether a string is open behind this text, and behind a backslash of it."""
    quoted = escaped = False
    for byte in text:
        if escaped and byte in (_QUOTE, _BACKSLASH):
            escaped = False
        elif byte == _QUOTE:
            quoted = not quoted
        else:
            escaped = quoted and byte == _BACKSLASH
    return quoted, escaped


def _checked_limit(name: str, value: int) -> int:
    if not 1 <= value <= LIMIT_CEILING:
        raise ValueError(f"{name} must be 1 to {LIMIT_CEILING}, not {value!r}")
    return value


def _checked_link(link_id: int) -> int:
    if not 0 <= link_id < LINKS:
        raise LocalProtocolError(f"link id {link_id!r} is not one of 0 to {LINKS - 1}")
    return link_id


# Sending


def stream_chunk(link_id: int | None, data: memoryview, limit: int) -> Chunk:
    """The CIPSEND for the first bytes of a stream, 1 to `limit` of them; `link_id` None without mux.

    It never ends in `+++`: a module that reads just these three bytes cancels the send (real-firmware, "A
    lone +++"). While it would, it is cut before the last two. LocalProtocolError: there is nothing to send.
    """
    length = min(len(data), limit)
    if length < 1:
        raise LocalProtocolError("cannot send nothing: the module would wait at its prompt")
    if bytes(data[max(0, length - 3) : length]) == ESCAPE_SEQUENCE:
        pluses = length - len(bytes(data[:length]).rstrip(b"+"))
        length -= (pluses - 1) // 2 * 2
    return Chunk(_cipsend(link_id, length) + b"\r\n", data[:length])


def datagram_chunk(
    link_id: int | None, data: memoryview, peer: tuple[str, int] | None, limit: int = MAX_DATAGRAM_BYTES
) -> Chunk:
    """The CIPSEND for one whole datagram. LocalProtocolError: it is empty or over `limit`, or no such peer.

    Whether a datagram that ends in `+++` may go this way is the caller's to know.
    """
    length = len(data)
    if length < 1:
        raise LocalProtocolError("cannot send an empty datagram: the module would wait at its prompt")
    if length > limit:
        raise LocalProtocolError(f"a datagram of {length} bytes is over the limit of {limit}")
    header = _cipsend(link_id, length)
    if peer is not None:
        host, port = peer
        if not PLAIN_HOST.fullmatch(host) or not 1 <= port <= 65535:
            raise LocalProtocolError(f"cannot send a datagram to {peer!r}")
        header += f',"{host}",{port}'.encode("ascii")
    return Chunk(header + b"\r\n", data[:length])


def _cipsend(link_id: int | None, length: int) -> bytes:
    if link_id is None:
        return b"AT+CIPSEND=%d" % length
    return b"AT+CIPSEND=%d,%d" % (_checked_link(link_id), length)
