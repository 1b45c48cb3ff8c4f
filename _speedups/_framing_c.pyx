# cython: language_level=3, embedsignature=True, auto_pickle=False
"""Framing of the AT stream, compiled; `esp32sock/at/_framing_py.py` is the pure build and explains how it works.

Here stands only what is different: where bytes lie and what may point at them.

- Input is not copied. The Py_buffer of the piece being read is held until it is read, then released; `_at` to
  `_end` is what is unread of it. Pieces that come meanwhile wait in `_queue` as bytes objects.
- `_rest` holds bytes that were taken for a header and turned out to be payload (`_resume_header`). They are
  read before the piece goes on; they contain no `+`, so this cannot happen twice at once.
- A link's buffer is one allocation; [head, tail) is in use. For datagrams that is a row of records, each a
  `Record` and its payload; [visible, tail) is the one being received, its whole room reserved when it began.
- The functions marked `noexcept nogil` touch no Python object and say in their result what happened. No pointer
  into the piece, the line or a link outlives the call that may release or move it.
- The header of a counted line is copied to `_counted_header` when it is found, since the text before it may be
  in `_line` until it is delivered.
- Numbers in headers saturate above `LIMIT_CEILING`, which no limit exceeds.

The module does not declare itself free-threading compatible: a Demux has no lock, its caller must have one.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from libc.string cimport memcmp, memcpy, memmove, memset

from collections import deque

from esp32sock import _constants
from esp32sock._constants import (
    COUNTED_LINES,
    DATAGRAM,
    DATAGRAM_OVERHEAD_BYTES,
    DISCARD,
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

cdef enum:  # constants as C knows them; checked at the end of this file
    C_LINKS = 5
    C_DISCARD = 0
    C_STREAM = 1
    C_DATAGRAM = 2
    HEADER_MAX = 96
    COUNTED_HEADER_MAX = 1100
    SHAPES_MAX = 32
    HOST_MAX = 45
    SHOWN_MAX = 32
    LIMIT_CEILING = 0x7FFFFFFF
    CAPACITY_MIN = 4096
    CAPACITY_KEPT = 65536  # an empty buffer larger than this goes back to the allocator

cdef enum:
    NO_LINK = -1  # a link id
    NOWHERE = -1  # a position
    UNNAMED = -1  # the length of a host that no header named

cdef enum:  # what a header parser found: this, or the length of the header
    CUT = -1
    NO_HEADER = 0
    MATCH = 1

cdef enum Outcome:
    READ_ON
    GOT_LINE
    GOT_PROMPT
    ALL_READ
    LINE_TOO_LONG
    BLOCK_TOO_LONG
    OUT_OF_MEMORY

ctypedef const unsigned char* Bytes

cdef struct Address:
    int host_length
    int port
    char host[48]

cdef struct Header:
    bint found
    bint counted
    int link
    long long length
    Address peer

cdef struct Shape:
    const char* word
    Py_ssize_t length
    const char* fields

cdef struct Record:
    Py_ssize_t length
    Address peer

cdef struct Link:
    unsigned char* data
    Py_ssize_t head
    Py_ssize_t visible
    Py_ssize_t tail
    Py_ssize_t capacity
    Py_ssize_t datagrams
    Py_ssize_t datagram_bytes
    int sink
    bint overflowed
    Address peer
    long long blocks
    long long received_bytes
    long long discarded_bytes


# Header parsers. Each moves the cursor over what it takes; CUT means that `end` came first.


cdef inline int skip_word(Bytes* cursor, Bytes end, const char* word, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t there = end - cursor[0]
    if there < length:
        return CUT if memcmp(cursor[0], word, <size_t>there) == 0 else NO_HEADER
    if memcmp(cursor[0], word, <size_t>length) != 0:  # of a constant length: a few instructions, no call
        return NO_HEADER
    cursor[0] += length
    return MATCH


cdef inline int skip_byte(Bytes* cursor, Bytes end, unsigned char byte) noexcept nogil:
    if cursor[0] == end:
        return CUT
    if cursor[0][0] != byte:
        return NO_HEADER
    cursor[0] += 1
    return MATCH


cdef inline int read_number(Bytes* cursor, Bytes end, int max_digits, long long* value) noexcept nogil:
    """One to `max_digits` digits; what follows must be there, or a further digit might be cut off."""
    cdef Bytes p = cursor[0]
    cdef Bytes stop = end if end - p <= max_digits else p + max_digits
    cdef long long number = 0
    while p < stop and c'0' <= p[0] <= c'9':
        if number <= LIMIT_CEILING:
            number = number * 10 + (p[0] - c'0')
        p += 1
    if p == end:
        return CUT
    if p == cursor[0]:
        return NO_HEADER
    cursor[0] = p
    value[0] = number
    return MATCH


cdef inline bint is_address_byte(unsigned char byte) noexcept nogil:
    return (
        c'0' <= byte <= c'9' or c'a' <= byte <= c'f' or c'A' <= byte <= c'F' or byte == c'.' or byte == c':'
    )


cdef int skip_quoted_host(Bytes* cursor, Bytes end, Address* address) noexcept nogil:
    cdef Bytes p = cursor[0] + 1
    cdef Bytes host = p
    while p < end and p - host < HOST_MAX and is_address_byte(p[0]):
        p += 1
    if p == end:
        return CUT
    if p == host or p[0] != c'"':
        return NO_HEADER
    address.host_length = <int>(p - host)
    memcpy(address.host, host, <size_t>(p - host))
    cursor[0] = p + 1
    return MATCH


cdef int skip_bare_host(Bytes* cursor, Bytes end, Address* address) noexcept nogil:
    """Four groups of one to three digits."""
    cdef Bytes host = cursor[0]
    cdef long long group
    cdef int count, status
    for count in range(4):
        if count:
            status = skip_byte(cursor, end, c'.')
            if status != MATCH:
                return status
        status = read_number(cursor, end, 3, &group)
        if status != MATCH:
            return status
    address.host_length = <int>(cursor[0] - host)
    memcpy(address.host, host, <size_t>(cursor[0] - host))
    return MATCH


cdef int read_address(Bytes* cursor, Bytes end, unsigned char closing, Address* address) noexcept nogil:
    """`"ip",port` or `ip,port` and the closing byte."""
    cdef long long port = 0
    cdef int status
    if cursor[0] == end:
        return CUT
    if cursor[0][0] == c'"':
        status = skip_quoted_host(cursor, end, address)
    else:
        status = skip_bare_host(cursor, end, address)
    if status == MATCH:
        status = skip_byte(cursor, end, c',')
    if status == MATCH:
        status = read_number(cursor, end, 5, &port)
    if status == MATCH:
        status = skip_byte(cursor, end, closing)
    if status == MATCH and port > 65535:
        status = NO_HEADER
    address.port = <int>port
    return status


cdef inline Py_ssize_t match_ipd(Bytes p, Bytes end, bint mux, Header* header) noexcept nogil:
    """`+IPD,[<id>,]<length>[,<ip>,<port>]:` (at-dialects 7.6)"""
    cdef Bytes cursor = p
    cdef long long link = 0
    cdef int status = skip_word(&cursor, end, b"+IPD,", 5)
    if status == MATCH and mux:
        status = read_number(&cursor, end, HEADER_MAX, &link)
        if status == MATCH:
            status = skip_byte(&cursor, end, c',')
    if status == MATCH:
        status = read_number(&cursor, end, HEADER_MAX, &header.length)
    if status != MATCH:
        return status
    header.peer.host_length = UNNAMED
    if cursor[0] == c',':  # read_number saw that there is a byte
        cursor += 1
        status = read_address(&cursor, end, c':', &header.peer)
    else:
        status = skip_byte(&cursor, end, c':')
    if status != MATCH:
        return status
    header.link = <int>link if link < C_LINKS else NO_LINK
    return cursor - p


cdef Py_ssize_t match_recvdata(Bytes p, Bytes end, bint peer, bint clipped, Header* header) noexcept nogil:
    """`+CIPRECVDATA:<n>,[<ip>,<port>,]` or, of old, `+CIPRECVDATA,<n>:` (at-dialects 7.7)"""
    cdef Bytes cursor = p
    cdef Bytes short_end
    cdef bint old
    cdef int status = skip_word(&cursor, end, b"+CIPRECVDATA", 12)
    if status == MATCH and cursor == end:
        status = CUT
    if status != MATCH:
        return status
    old = cursor[0] == c','
    status = skip_byte(&cursor, end, c',' if old else c':')
    if status == MATCH:
        status = read_number(&cursor, end, HEADER_MAX, &header.length)
    if status == MATCH:
        status = skip_byte(&cursor, end, c':' if old else c',')
    if status != MATCH:
        return status
    header.peer.host_length = UNNAMED
    short_end = cursor
    if peer and not old:
        status = read_address(&cursor, end, c',', &header.peer)
        if status == CUT and not clipped:
            return CUT
        if status != MATCH:  # no address: what stands there is payload
            header.peer.host_length = UNNAMED
            cursor = short_end
    return cursor - p


cdef inline int skip_quoted(Bytes* cursor, Bytes end, bint plain) noexcept nogil:
    """A quoted string; a plain one has no `+` and no backslash."""
    cdef Bytes p = cursor[0]
    if p == end:
        return CUT
    if p[0] != c'"':
        return NO_HEADER
    p += 1
    while p < end and p[0] != c'"' and p[0] != c'\r' and p[0] != c'\n':
        if plain and (p[0] == c'+' or p[0] == c'\\'):
            return NO_HEADER
        p += 1
    if p == end:
        return CUT
    if p[0] != c'"':
        return NO_HEADER
    cursor[0] = p + 1
    return MATCH


cdef int skip_fields(Bytes* cursor, Bytes end, const char* fields, long long* length) noexcept nogil:
    """The fields of a counted line, as COUNTED_LINES names them, each with its comma."""
    cdef int status
    while fields[0]:
        if fields[0] == c'q' or fields[0] == c'k':
            status = skip_quoted(cursor, end, fields[0] == c'k')
        elif fields[0] == c'o' and cursor[0] < end and cursor[0][0] == c',':
            status = MATCH
        else:
            status = read_number(cursor, end, COUNTED_HEADER_MAX, length)
        if status == MATCH:
            status = skip_byte(cursor, end, c',')
        if status != MATCH:
            return status
        fields += 1
    return MATCH


cdef Shape COUNTED_SHAPES[SHAPES_MAX]
cdef int COUNTED_SHAPES_KNOWN = 0
cdef tuple _shapes_alive = tuple((word.encode(), fields.encode()) for word, fields in COUNTED_LINES)

if len(_shapes_alive) > SHAPES_MAX:
    raise ImportError("esp32sock: the compiled framing was built for another version; build it again")
for _word, _fields in _shapes_alive:
    COUNTED_SHAPES[COUNTED_SHAPES_KNOWN].word = _word
    COUNTED_SHAPES[COUNTED_SHAPES_KNOWN].length = len(_word)
    COUNTED_SHAPES[COUNTED_SHAPES_KNOWN].fields = _fields
    COUNTED_SHAPES_KNOWN += 1


cdef Py_ssize_t match_counted(Bytes p, Bytes end, Header* header) noexcept nogil:
    """The header of a counted line (at-dialects 7.12); the last number that it reads is the length."""
    cdef Bytes cursor
    cdef int index, status
    cdef Py_ssize_t result = NO_HEADER
    for index in range(COUNTED_SHAPES_KNOWN):
        cursor = p
        status = skip_word(&cursor, end, COUNTED_SHAPES[index].word, COUNTED_SHAPES[index].length)
        if status == MATCH:
            status = skip_fields(&cursor, end, COUNTED_SHAPES[index].fields, &header.length)
            return cursor - p if status == MATCH else status
        if status == CUT:
            result = CUT
    return result


# Link buffers


cdef bint reserve(Link* link, Py_ssize_t size, Py_ssize_t max_bytes) noexcept nogil:
    """Makes room for `size` bytes behind the tail. Moves what is there only if at least as much was taken."""
    cdef Py_ssize_t used = link.tail - link.head
    cdef Py_ssize_t capacity
    cdef unsigned char* data
    if size <= link.capacity - link.tail:
        return True
    if link.head < used or used + size > link.capacity:
        capacity = max(CAPACITY_MIN, used + size, min(2 * link.capacity, 2 * max_bytes))
        data = <unsigned char*>PyMem_RawMalloc(<size_t>capacity)
        if data == NULL:
            return False
        if used:
            memcpy(data, link.data + link.head, <size_t>used)
        PyMem_RawFree(link.data)
        link.data = data
        link.capacity = capacity
    else:
        memmove(link.data, link.data + link.head, <size_t>used)
    link.visible -= link.head
    link.tail -= link.head
    link.head = 0
    return True


cdef void release_if_empty(Link* link) noexcept nogil:
    if link.head < link.tail:
        return
    link.head = link.visible = link.tail = 0
    if link.capacity > CAPACITY_KEPT:
        PyMem_RawFree(link.data)
        link.data = NULL
        link.capacity = 0


cdef Py_ssize_t buffered_bytes(Link* link) noexcept nogil:
    return link.datagram_bytes if link.sink == C_DATAGRAM else link.tail - link.head


cdef void drop_partial(Link* link) noexcept nogil:
    if link.sink == C_DATAGRAM and link.visible < link.tail:
        link.discarded_bytes += link.tail - link.visible - <Py_ssize_t>sizeof(Record)
        link.tail = link.visible
        release_if_empty(link)


cdef void drop_everything(Link* link) noexcept nogil:
    drop_partial(link)
    link.discarded_bytes += buffered_bytes(link)
    link.datagrams = link.datagram_bytes = 0
    link.head = link.visible = link.tail
    release_if_empty(link)


@cython.final
cdef class Line:
    """A line of text without its CR LF, or the text that a payload block broke off.

    `follows` is the link whose payload ended directly before this text, with no CR LF between, or None.
    """

    cdef readonly bytes text
    cdef readonly object follows

    __match_args__ = ("text", "follows")

    def __init__(self, bytes text not None, follows=None):
        self.text = text
        self.follows = follows

    def __eq__(self, other):
        if type(other) is not Line:
            return NotImplemented
        return self.text == (<Line>other).text and self.follows == (<Line>other).follows

    def __hash__(self):
        return hash((self.text, self.follows))

    def __repr__(self):
        return f"Line(text={self.text!r}, follows={self.follows!r})"


@cython.final
cdef class Demux:
    """Separates what a module sends into lines, prompts and the payload of each link."""

    # Input
    cdef Py_buffer _view
    cdef bint _holds_view
    cdef Bytes _at
    cdef Bytes _end
    cdef unsigned char _rest[HEADER_MAX]
    cdef bint _in_rest
    cdef Bytes _at_after_rest
    cdef Bytes _end_after_rest
    cdef object _queue
    # Text
    cdef unsigned char* _line
    cdef Py_ssize_t _line_length
    cdef Py_ssize_t _line_capacity
    cdef Py_ssize_t _candidate
    cdef bint _counted
    cdef Py_ssize_t _counted_bytes
    cdef unsigned char _counted_header[COUNTED_HEADER_MAX]
    cdef Py_ssize_t _counted_header_length
    cdef bint _quoted
    cdef bint _escaped
    cdef int _follows
    cdef bint _prompt_expected
    cdef bint _space_may_follow
    # The text of the frame just found: in the piece or in the line
    cdef Bytes _text
    cdef Py_ssize_t _text_length
    cdef int _text_follows
    # Payload
    cdef Header _header
    cdef Py_ssize_t _missing
    cdef int _block_link
    cdef int _block_sink
    cdef int _recvdata_link
    cdef int _passthrough
    cdef Link _links[C_LINKS]
    # Trouble: the message, and what it shows
    cdef str _failure
    cdef unsigned char _shown[HEADER_MAX]
    cdef Py_ssize_t _shown_length
    # Settings and counters
    cdef bint _mux
    cdef bint _recvdata_has_peer
    cdef Py_ssize_t _max_block_bytes
    cdef Py_ssize_t _max_line_bytes
    cdef Py_ssize_t _max_link_bytes
    cdef long long _stray_bytes
    cdef long long _examined

    def __cinit__(self):
        memset(&self._links[0], 0, sizeof(self._links))
        self._at = self._end = NULL
        self._line = NULL
        self._line_length = self._line_capacity = 0
        self._holds_view = self._in_rest = False
        self._queue = deque()
        self._void()
        for link_id in range(C_LINKS):
            self._links[link_id].peer.host_length = UNNAMED

    def __init__(
        self,
        *,
        mux=True,
        recvdata_has_peer=False,
        max_block_bytes=MAX_BLOCK_BYTES,
        max_line_bytes=MAX_LINE_BYTES,
        max_link_bytes=MAX_LINK_BYTES,
    ):
        self._mux = bool(mux)
        self._recvdata_has_peer = bool(recvdata_has_peer)
        self._max_block_bytes = checked_limit("max_block_bytes", max_block_bytes)
        self._max_line_bytes = checked_limit("max_line_bytes", max_line_bytes)
        self._max_link_bytes = checked_limit("max_link_bytes", max_link_bytes)

    def __dealloc__(self):
        cdef int link_id
        if self._holds_view:
            PyBuffer_Release(&self._view)
        PyMem_RawFree(self._line)
        for link_id in range(C_LINKS):
            PyMem_RawFree(self._links[link_id].data)

    # Settings by the caller

    @property
    def mux(self):
        """AT+CIPMUX: the first field of a +IPD header is a link id. Without it all payload is link 0's."""
        return self._mux

    @mux.setter
    def mux(self, value):
        self._mux = bool(value)

    @property
    def recvdata_has_peer(self):
        """An address may stand in +CIPRECVDATA (AT+CIPDINFO=1). It looks like data, so this must be set."""
        return self._recvdata_has_peer

    @recvdata_has_peer.setter
    def recvdata_has_peer(self, value):
        self._recvdata_has_peer = bool(value)

    def expect_prompt(self):
        """From now on a `>` at the start of a line is the prompt, once."""
        self._prompt_expected = True

    def cancel_prompt(self):
        """A `>` is text again."""
        self._prompt_expected = False

    @property
    def prompt_expected(self):
        """A prompt is expected and has not come."""
        return self._prompt_expected

    def expect_recvdata(self, link_id):
        """Payload of +CIPRECVDATA goes to this link, until the next call; None: it is stray."""
        self._recvdata_link = NO_LINK if link_id is None else checked_link(link_id)

    def enter_passthrough(self, link_id):
        """All that is read from here on is payload of this link. An unfinished line is dropped.

        LocalProtocolError: a block is being received, or the link takes datagrams (these need borders).
        """
        cdef int link = checked_link(link_id)
        if self._header.found or self._missing:
            raise LocalProtocolError("cannot enter passthrough in the middle of a block")
        if self._links[link].sink == C_DATAGRAM:
            raise LocalProtocolError(f"cannot enter passthrough: link {link_id} takes datagrams")
        self._forget_text()
        self._passthrough = link

    def leave_passthrough(self):
        """What is read from here on is text again."""
        self._passthrough = NO_LINK

    @property
    def passthrough(self):
        """The link that is in passthrough, if one is."""
        return None if self._passthrough == NO_LINK else self._passthrough

    def set_sink(self, link_id, kind):
        """Gives the link a new owner. What is buffered, and the rest of a block under way, is dropped."""
        cdef int link_number = checked_link(link_id)
        cdef Link* link = &self._links[link_number]
        if kind not in (DISCARD, STREAM, DATAGRAM):
            raise LocalProtocolError(f"sink {kind!r} is none of DISCARD, STREAM, DATAGRAM")
        if kind == DATAGRAM and self._passthrough == link_number:
            raise LocalProtocolError(f"link {link_id} is in passthrough and cannot take datagrams")
        drop_everything(link)
        link.sink = kind
        link.overflowed = False
        link.peer.host_length = UNNAMED
        if self._block_link == link_number:
            self._block_sink = C_DISCARD

    # Input and frames

    def receive_data(self, data):
        """Stores bytes from the module. They must not change before `next_frame` says NEED_DATA.

        RemoteProtocolError: an earlier one, repeated until `reset`.
        """
        if self._failure is not None:
            raise RemoteProtocolError(self._failure)
        if self._at < self._end or self._in_rest or self._queue:
            piece = copied(data)
            if piece:
                self._queue.append(piece)
        else:
            self._hold(data)

    def next_frame(self):
        """Reads up to and including the next text token; payload before it goes to its links.

        RemoteProtocolError: a block or line too long to be true. It is repeated until `reset`, and what was
        stored but not read is dropped.
        """
        cdef Outcome outcome
        if self._failure is not None:
            raise RemoteProtocolError(self._failure)
        while True:
            outcome = self._advance()
            if outcome == ALL_READ:
                if not self._next_piece():
                    return NEED_DATA
            elif outcome == GOT_LINE:
                return self._make_line()
            elif outcome == GOT_PROMPT:
                return PROMPT
            elif outcome == OUT_OF_MEMORY:
                raise MemoryError
            else:
                self._fail(outcome)

    cdef Line _make_line(self):
        cdef Line line = Line.__new__(Line)
        line.text = PyBytes_FromStringAndSize(<const char*>self._text, self._text_length)
        line.follows = None if self._text_follows == NO_LINK else self._text_follows
        return line

    cdef bint _next_piece(self) except -1:
        self._drop_view()
        if not self._queue:
            return False
        self._hold(self._queue.popleft())
        return True

    cdef int _hold(self, object data) except -1:
        self._drop_view()
        PyObject_GetBuffer(data, &self._view, PyBUF_SIMPLE)
        self._holds_view = True
        self._at = <Bytes>self._view.buf
        self._end = self._at + self._view.len
        if self._at == self._end:
            self._drop_view()
        return 0

    cdef void _drop_view(self):
        self._at = self._end = NULL
        self._in_rest = False
        if self._holds_view:
            self._holds_view = False
            PyBuffer_Release(&self._view)

    cdef Outcome _advance(self) noexcept nogil:
        """Reads to the next text token or to the end of the piece."""
        cdef Outcome outcome
        while True:
            if self._header.found:
                outcome = self._begin_block()
            elif self._at == self._end:
                if not self._in_rest:
                    return ALL_READ
                self._in_rest = False
                self._at, self._end = self._at_after_rest, self._end_after_rest
                continue
            elif self._passthrough != NO_LINK:
                outcome = self._deliver(self._passthrough, self._links[self._passthrough].sink, self._end)
            elif self._missing:
                outcome = self._read_counted() if self._counted else self._read_block()
            else:
                outcome = self._read_text()
            if outcome != READ_ON:
                return outcome

    # Text

    cdef Outcome _read_text(self) noexcept nogil:
        """Reads to the next token or to the end of the piece. Needs at least one byte."""
        cdef Bytes p = self._at
        if self._space_may_follow:
            self._space_may_follow = False
            if p[0] == c' ':
                self._at = p + 1
                return READ_ON
        if self._candidate != NOWHERE:
            return self._resume_header()
        if self._line_length:
            if p[0] == c'\n' and self._line[self._line_length - 1] == c'\r':
                self._at = p + 1
                self._line_length -= 1
                return self._end_of_text(self._line, self._line_length)
            return self._scan()
        while self._end - p >= 2 and p[0] == c'\r' and p[1] == c'\n':
            p += 2
            self._follows = NO_LINK
        self._examined += p - self._at
        self._at = p
        if p == self._end:
            return READ_ON
        if p[0] == c'>' and self._prompt_expected:
            return self._read_prompt()
        return self._scan()

    cdef Outcome _read_prompt(self) noexcept nogil:
        self._at += 1
        self._examined += 1
        self._prompt_expected = False
        self._space_may_follow = True  # ESP8266 style (at-dialects 3.1 rule 5)
        self._follows = NO_LINK
        return GOT_PROMPT

    cdef Outcome _scan(self) noexcept nogil:
        """Looks for the end of the line, or a header, and keeps track of quotes."""
        cdef Bytes start = self._at
        cdef Bytes p = start
        cdef Bytes text_end
        cdef bint quoted = self._quoted
        cdef bint escaped = self._escaped
        cdef Py_ssize_t found
        while p < self._end:
            if escaped:
                escaped = False
                if p[0] == c'"' or p[0] == c'\\':
                    p += 1
                    continue
            if p[0] == c'\n':
                if p > start and p[-1] == c'\r':
                    return self._take_text(start, p - 1, p + 1)
            elif p[0] == c'"':
                quoted = not quoted
            elif quoted:
                escaped = p[0] == c'\\'
            elif p[0] == c'+':
                found = self._header_at(p, self._end)
                if found > 0 and p == start and self._line_length == 0:  # the usual case: no text before it
                    self._examined += found
                    self._at = p + found
                    return self._begin_block()
                if found > 0:
                    self._header.found = True
                    return self._take_text(start, p, p + found)
                if found == CUT:
                    self._candidate = self._line_length + (p - start)
                    break
            p += 1
        text_end = self._end if self._candidate == NOWHERE else p
        self._quoted, self._escaped = quoted, escaped
        self._examined += self._end - start
        if self._is_too_long(start, text_end):
            return self._line_too_long(start)
        if not self._keep_text(start, self._end):
            return OUT_OF_MEMORY
        self._at = self._end
        return READ_ON

    cdef inline Outcome _take_text(self, Bytes start, Bytes stop, Bytes go_on_at) noexcept nogil:
        self._examined += go_on_at - start
        self._at = go_on_at
        if self._line_length == 0:
            return self._end_of_text(start, stop - start)
        if self._line_length - self._counted_bytes + (stop - start) > self._max_line_bytes:
            return self._line_too_long(start)
        if not self._keep_text(start, stop):
            return OUT_OF_MEMORY
        return self._end_of_text(self._line, self._line_length)

    cdef inline Outcome _end_of_text(self, Bytes text, Py_ssize_t length) noexcept nogil:
        """The line is whole, or ends at a header; an empty one is swallowed."""
        if length - self._counted_bytes > self._max_line_bytes:
            self._line_length = 0
            return self._line_too_long(text)
        self._text = text
        self._text_length = length
        self._text_follows = self._follows
        self._forget_text()
        return GOT_LINE if length else READ_ON

    cdef Outcome _resume_header(self) noexcept nogil:
        """Goes on with a header that the end of the last piece cut."""
        cdef Py_ssize_t candidate = self._candidate
        cdef Py_ssize_t have = self._line_length - candidate
        cdef Py_ssize_t more = min(COUNTED_HEADER_MAX - have, self._end - self._at)
        cdef Py_ssize_t found, index
        cdef Bytes trial
        if not self._keep_text(self._at, self._at + more):
            return OUT_OF_MEMORY
        trial = self._line + candidate
        self._examined += have + more
        found = self._header_at(trial, trial + have + more)
        if found == CUT:
            self._at += more
            return READ_ON
        self._candidate = NOWHERE
        self._line_length -= more
        if found == NO_HEADER:
            for index in range(have):
                if self._escaped and (trial[index] == c'"' or trial[index] == c'\\'):
                    self._escaped = False
                elif trial[index] == c'"':
                    self._quoted = not self._quoted
                else:
                    self._escaped = self._quoted and trial[index] == c'\\'
            if self._is_too_long(self._at, self._at):
                return self._line_too_long(self._at)
            return READ_ON
        self._header.found = True
        if found < have:  # the address was none: it is payload
            self._read_first(trial + found, have - found)
        else:
            self._at += found - have
        return self._end_of_text(self._line, candidate)

    cdef void _read_first(self, Bytes data, Py_ssize_t length) noexcept nogil:
        memcpy(self._rest, data, <size_t>length)
        self._at_after_rest, self._end_after_rest = self._at, self._end
        self._at = self._rest
        self._end = self._at + length
        self._in_rest = True

    cdef bint _keep_text(self, Bytes start, Bytes stop) noexcept nogil:
        """Moves text to the line; its length was checked, up to a candidate."""
        cdef Py_ssize_t size = stop - start
        cdef Py_ssize_t capacity
        cdef void* line
        if size > self._line_capacity - self._line_length:
            capacity = max(256, self._line_length + size, 2 * self._line_capacity)
            line = PyMem_RawRealloc(self._line, <size_t>capacity)
            if line == NULL:
                return False
            self._line = <unsigned char*>line
            self._line_capacity = capacity
        memcpy(self._line + self._line_length, start, <size_t>size)
        self._line_length += size
        return True

    cdef bint _is_too_long(self, Bytes start, Bytes stop) noexcept nogil:
        """The unfinished line, with this behind it, is over the limit, even if a LF ends it now."""
        cdef Py_ssize_t over = (
            self._line_length - self._counted_bytes + (stop - start) - self._max_line_bytes
        )
        cdef unsigned char last
        if over != 1:
            return over > 1
        last = stop[-1] if stop > start else self._line[self._line_length - 1]
        return last != c'\r'

    cdef Outcome _line_too_long(self, Bytes start) noexcept nogil:
        """Notes how the line begins: as many bytes as are sure to have come, however the input was cut."""
        cdef Py_ssize_t index
        self._shown_length = min(SHOWN_MAX, self._max_line_bytes)
        for index in range(self._shown_length):
            self._shown[index] = (
                self._line[index] if index < self._line_length else start[index - self._line_length]
            )
        return LINE_TOO_LONG

    cdef inline void _forget_text(self) noexcept nogil:
        self._line_length = 0
        self._candidate = NOWHERE
        self._counted = False
        self._counted_bytes = 0
        self._quoted = False
        self._escaped = False
        self._space_may_follow = False
        self._follows = NO_LINK

    # Headers

    cdef inline Py_ssize_t _header_at(self, Bytes p, Bytes end) noexcept nogil:
        """The length of the header that begins here, NO_HEADER, or CUT if the data end too soon."""
        cdef Header* header = &self._header
        cdef bint clipped = end - p >= HEADER_MAX
        cdef Bytes stop = p + HEADER_MAX if clipped else end
        cdef Py_ssize_t found
        header.counted = False
        found = match_ipd(p, stop, self._mux, header)
        if found == NO_HEADER:
            found = match_recvdata(p, stop, self._recvdata_has_peer, clipped, header)
            if found > 0:
                header.link = self._recvdata_link
        if found == CUT and clipped:
            return NO_HEADER
        if found == NO_HEADER:
            found = self._counted_header_at(p, end)
        if found > 0 and header.length > self._max_block_bytes:
            self._shown_length = min(found, HEADER_MAX)
            memcpy(self._shown, p, <size_t>self._shown_length)
        return found

    cdef Py_ssize_t _counted_header_at(self, Bytes p, Bytes end) noexcept nogil:
        """As `_header_at`, for counted lines."""
        cdef bint clipped = end - p >= COUNTED_HEADER_MAX
        cdef Py_ssize_t found = match_counted(p, p + COUNTED_HEADER_MAX if clipped else end, &self._header)
        if found > 0:
            self._header.counted = True
            self._header.link = NO_LINK
            self._header.peer.host_length = UNNAMED
            memcpy(self._counted_header, p, <size_t>found)
            self._counted_header_length = found
        return NO_HEADER if found == CUT and clipped else found

    # Payload

    cdef inline Outcome _begin_block(self) noexcept nogil:
        cdef Header* header = &self._header
        cdef Link* link
        header.found = False
        if header.length > self._max_block_bytes:
            return BLOCK_TOO_LONG
        self._follows = NO_LINK
        self._block_link = header.link
        self._block_sink = C_DISCARD
        self._missing = <Py_ssize_t>header.length
        if header.counted:
            self._counted_bytes = self._counted_header_length + self._missing
            self._counted = True
            if not self._keep_text(self._counted_header, self._counted_header + self._counted_header_length):
                header.found = True
                self._missing = 0
                return OUT_OF_MEMORY
        elif header.link != NO_LINK:
            link = &self._links[header.link]
            if link.sink == C_DATAGRAM and not link.overflowed and not self._begin_datagram(link):
                header.found = True
                self._block_link = NO_LINK
                self._missing = 0
                return OUT_OF_MEMORY
            link.blocks += 1
            if header.peer.host_length != UNNAMED:
                link.peer = header.peer
            if link.sink == C_STREAM or (link.sink == C_DATAGRAM and not link.overflowed):
                self._block_sink = link.sink
        if self._missing == 0:
            self._end_block()
        return READ_ON

    cdef bint _begin_datagram(self, Link* link) noexcept nogil:
        """Reserves room for the whole datagram, or finds that it would not fit. False: no memory."""
        cdef Py_ssize_t size = <Py_ssize_t>sizeof(Record) + <Py_ssize_t>self._header.length
        cdef Record record
        if size > self._max_link_bytes - (link.tail - link.head):
            link.overflowed = True
            return True
        if not reserve(link, size, self._max_link_bytes):
            return False
        record.length = <Py_ssize_t>self._header.length
        record.peer = self._header.peer
        memcpy(link.data + link.tail, &record, sizeof(Record))
        link.tail += <Py_ssize_t>sizeof(Record)
        return True

    cdef Outcome _read_counted(self) noexcept nogil:
        cdef Py_ssize_t size = min(self._missing, self._end - self._at)
        if not self._keep_text(self._at, self._at + size):
            return OUT_OF_MEMORY
        self._at += size
        self._missing -= size
        if self._missing == 0:
            self._end_block()
        return READ_ON

    cdef inline Outcome _read_block(self) noexcept nogil:
        cdef Py_ssize_t size = min(self._missing, self._end - self._at)
        cdef Outcome outcome = self._deliver(self._block_link, self._block_sink, self._at + size)
        if outcome != READ_ON:
            return outcome
        self._missing -= size
        if self._missing == 0:
            self._end_block()
        return READ_ON

    cdef inline void _end_block(self) noexcept nogil:
        cdef Link* link
        if self._block_sink == C_DATAGRAM:
            link = &self._links[self._block_link]
            link.datagrams += 1
            link.datagram_bytes += link.tail - link.visible - <Py_ssize_t>sizeof(Record)
            link.visible = link.tail
        self._follows = self._block_link
        self._block_link = NO_LINK
        self._block_sink = C_DISCARD
        self._counted = False

    cdef inline Outcome _deliver(self, int link_id, int sink, Bytes stop) noexcept nogil:
        """Moves payload from the piece to where it belongs."""
        cdef Py_ssize_t size = stop - self._at
        cdef Py_ssize_t kept = 0
        cdef Link* link
        if link_id == NO_LINK:
            self._stray_bytes += size
            self._at = stop
            return READ_ON
        link = &self._links[link_id]
        if sink == C_DATAGRAM:
            kept = size
        elif sink == C_STREAM and not link.overflowed:
            kept = min(size, self._max_link_bytes - (link.tail - link.head))
            if not reserve(link, kept, self._max_link_bytes):
                return OUT_OF_MEMORY
            link.overflowed = kept < size
        if kept:
            memcpy(link.data + link.tail, self._at, <size_t>kept)
            link.tail += kept
        link.received_bytes += size
        link.discarded_bytes += size - kept
        self._at = stop
        return READ_ON

    @property
    def receiving(self):
        """The link whose block is being received; None if none is, or if it is of no link."""
        return None if self._block_link == NO_LINK else self._block_link

    @property
    def missing_bytes(self):
        """Payload bytes still to come of the block being received."""
        return self._missing

    def abandon_block(self):
        """Gives up the rest of the block (at-dialects 8.4); what comes next is text. Returns its link.

        A counted line is dropped.
        """
        cdef int link_id = self._block_link
        self._block_link = NO_LINK
        self._missing = 0
        if self._counted:
            self._forget_text()
        if link_id == NO_LINK:
            return None
        drop_partial(&self._links[link_id])
        return link_id

    # What a link holds

    def take(self, link_id, Py_ssize_t max_bytes=-1):
        """Stream bytes of the link, oldest first; all of them if `max_bytes` is negative."""
        cdef Link* link = &self._links[checked_link(link_id)]
        cdef Py_ssize_t size = link.tail - link.head
        if link.sink == C_DATAGRAM:
            raise LocalProtocolError(f"link {link_id} takes datagrams, ask with take_datagram()")
        if 0 <= max_bytes < size:
            size = max_bytes
        if size == 0:
            return b""
        taken = PyBytes_FromStringAndSize(<const char*>(link.data + link.head), size)
        link.head += size
        release_if_empty(link)
        return taken

    def take_datagram(self, link_id):
        """The oldest complete datagram: (host, port, payload). host is None if its header named none."""
        cdef Link* link = &self._links[checked_link(link_id)]
        cdef Record record
        cdef unsigned char* payload
        if link.sink == C_STREAM:
            raise LocalProtocolError(f"link {link_id} is a stream, ask with take()")
        if link.datagrams == 0:
            return None
        memcpy(&record, link.data + link.head, sizeof(Record))
        payload = link.data + link.head + sizeof(Record)
        taken = PyBytes_FromStringAndSize(<const char*>payload, record.length)
        peer = named_peer(&record.peer) or (None, 0)
        link.head += <Py_ssize_t>sizeof(Record) + record.length
        link.datagrams -= 1
        link.datagram_bytes -= record.length
        release_if_empty(link)
        return (peer[0], peer[1], taken)

    def buffered(self, link_id):
        """Payload bytes that can be taken."""
        return buffered_bytes(&self._links[checked_link(link_id)])

    def ready(self):
        """Bit mask of the links that have something to take."""
        cdef int link_id, mask = 0
        cdef Link* link
        for link_id in range(C_LINKS):
            link = &self._links[link_id]
            if link.datagrams or (link.sink == C_STREAM and link.head < link.tail):
                mask |= 1 << link_id
        return mask

    @property
    def overflowed(self):
        """Bit mask of the links that exceeded `max_link_bytes`; their payload is dropped until `set_sink`."""
        cdef int link_id, mask = 0
        for link_id in range(C_LINKS):
            if self._links[link_id].overflowed:
                mask |= 1 << link_id
        return mask

    def peer(self, link_id):
        """The last address that a header named for the present owner of the link."""
        return named_peer(&self._links[checked_link(link_id)].peer)

    # Counters

    def blocks(self, link_id):
        """Blocks begun for the link."""
        return self._links[checked_link(link_id)].blocks

    def received_bytes(self, link_id):
        """Payload bytes that came for the link."""
        return self._links[checked_link(link_id)].received_bytes

    def discarded_bytes(self, link_id):
        """Those of them that cannot be taken any more."""
        return self._links[checked_link(link_id)].discarded_bytes

    @property
    def stray_bytes(self):
        """Payload bytes that were for no known link."""
        return self._stray_bytes

    @property
    def examined_bytes(self):
        """Bytes of text and headers looked at, repetitions included: the work done, for the tests."""
        return self._examined

    # Trouble

    def pending_text(self):
        """The unfinished line, for diagnostics."""
        return PyBytes_FromStringAndSize(<const char*>self._line, self._line_length)

    def reset(self):
        """The module restarted: line, block, prompt, recvdata and passthrough are void, an error is forgiven.

        Buffers, sinks, counters, `mux` and input that was not read yet stay.
        """
        self._void()

    cdef void _void(self):
        cdef int link_id
        self._forget_text()
        self._failure = None
        self._header.found = False
        self._missing = 0
        self._block_link = NO_LINK
        self._block_sink = C_DISCARD
        self._prompt_expected = False
        self._recvdata_link = NO_LINK
        self._passthrough = NO_LINK
        for link_id in range(C_LINKS):
            drop_partial(&self._links[link_id])

    cdef int _fail(self, Outcome outcome) except -1:
        shown = PyBytes_FromStringAndSize(<const char*>self._shown, self._shown_length)
        self._forget_text()
        self._header.found = False
        self._queue.clear()
        self._drop_view()
        if outcome == BLOCK_TOO_LONG:
            self._failure = f"{shown!r} announces more than {self._max_block_bytes} bytes"
        else:
            self._failure = f"a line is longer than {self._max_line_bytes} bytes, it begins with {shown!r}"
        raise RemoteProtocolError(self._failure)


cdef object named_peer(Address* address):
    if address.host_length == UNNAMED:
        return None
    return (address.host[:address.host_length].decode("ascii"), address.port)


cdef bytes copied(object data):
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return PyBytes_FromStringAndSize(<const char*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef Py_ssize_t checked_limit(str name, object value) except -1:
    if not 1 <= value <= LIMIT_CEILING:
        raise ValueError(f"{name} must be 1 to {LIMIT_CEILING}, not {value!r}")
    return value


cdef int checked_link(object link_id) except -1:
    if not 0 <= link_id < C_LINKS:
        raise LocalProtocolError(f"link id {link_id!r} is not one of 0 to {C_LINKS - 1}")
    return link_id


# Sending


@cython.final
cdef class Chunk:
    """One CIPSEND: the command line, and the payload to write when the prompt has come."""

    cdef readonly bytes header
    cdef readonly object payload

    __match_args__ = ("header", "payload")

    def __init__(self, bytes header not None, payload):
        self.header = header
        self.payload = payload

    def __eq__(self, other):
        if type(other) is not Chunk:
            return NotImplemented
        return self.header == (<Chunk>other).header and self.payload == (<Chunk>other).payload

    def __hash__(self):
        return hash((self.header, self.payload))

    def __repr__(self):
        return f"Chunk(header={self.header!r}, payload={self.payload!r})"


def stream_chunk(link_id, data, Py_ssize_t limit):
    """The CIPSEND for the first bytes of a stream, 1 to `limit` of them; `link_id` None without mux.

    It never ends in `+++`: a module that reads just these three bytes cancels the send (real-firmware, "A
    lone +++"). While it would, it is cut before the last two. LocalProtocolError: there is nothing to send.
    """
    cdef Py_ssize_t length = min(len(data), limit)
    if length < 1:
        raise LocalProtocolError("cannot send nothing: the module would wait at its prompt")
    length = without_trailing_escape(data, length)
    return Chunk(cipsend(link_id, length) + b"\r\n", data[:length])


cdef Py_ssize_t without_trailing_escape(object data, Py_ssize_t length) except -1:
    """The largest length, by steps of two, at which the data does not end in `+++`."""
    cdef Py_buffer view
    cdef Bytes end
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        end = <Bytes>view.buf + length
        while length >= 3 and end[-1] == c'+' and end[-2] == c'+' and end[-3] == c'+':
            end -= 2
            length -= 2
    finally:
        PyBuffer_Release(&view)
    return length


def datagram_chunk(link_id, data, peer, Py_ssize_t limit=MAX_DATAGRAM_BYTES):
    """The CIPSEND for one whole datagram. LocalProtocolError: it is empty or over `limit`, or no such peer.

    Whether a datagram that ends in `+++` may go this way is the caller's to know.
    """
    cdef Py_ssize_t length = len(data)
    if length < 1:
        raise LocalProtocolError("cannot send an empty datagram: the module would wait at its prompt")
    if length > limit:
        raise LocalProtocolError(f"a datagram of {length} bytes is over the limit of {limit}")
    header = cipsend(link_id, length)
    if peer is not None:
        host, port = peer
        if not PLAIN_HOST.fullmatch(host) or not 1 <= port <= 65535:
            raise LocalProtocolError(f"cannot send a datagram to {peer!r}")
        header += f',"{host}",{port}'.encode("ascii")
    return Chunk(header + b"\r\n", data[:length])


cdef bytes cipsend(object link_id, Py_ssize_t length):
    if link_id is None:
        return b"AT+CIPSEND=%d" % length
    return b"AT+CIPSEND=%d,%d" % (checked_link(link_id), length)


if (
    C_LINKS, C_DISCARD, C_STREAM, C_DATAGRAM, HEADER_MAX, COUNTED_HEADER_MAX, sizeof(Record), LIMIT_CEILING
) != (
    LINKS, DISCARD, STREAM, DATAGRAM, MAX_HEADER_BYTES, MAX_COUNTED_HEADER_BYTES, DATAGRAM_OVERHEAD_BYTES,
    _constants.LIMIT_CEILING,
):
    raise ImportError("esp32sock: the compiled framing was built for another version; build it again")
