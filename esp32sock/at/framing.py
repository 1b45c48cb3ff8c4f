"""The framing of the AT stream, in the build that `esp32sock._build` chose.

`_framing_py` explains how it works; `_speedups/_framing_c.pyx` is the compiled build. Type checkers see the
former only, tests hold the two equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock._build import BUILD, USE_EXTENSIONS
from esp32sock._constants import (
    CIPSEND_MAX,
    CIPSEND_MAX_V1,
    DATAGRAM,
    DISCARD,
    LINKS,
    MAX_BLOCK_BYTES,
    MAX_DATAGRAM_BYTES,
    MAX_LINE_BYTES,
    MAX_LINK_BYTES,
    NEED_DATA,
    PROMPT,
    STREAM,
    Token,
)

if TYPE_CHECKING or not USE_EXTENSIONS:
    from ._framing_py import Chunk, Demux, Line, datagram_chunk, stream_chunk
else:
    from esp32sock._speedups._framing_c import Chunk, Demux, Line, datagram_chunk, stream_chunk

__all__ = [
    "BUILD",
    "CIPSEND_MAX",
    "CIPSEND_MAX_V1",
    "DATAGRAM",
    "DISCARD",
    "LINKS",
    "MAX_BLOCK_BYTES",
    "MAX_DATAGRAM_BYTES",
    "MAX_LINE_BYTES",
    "MAX_LINK_BYTES",
    "NEED_DATA",
    "PROMPT",
    "STREAM",
    "Chunk",
    "Demux",
    "Line",
    "Token",
    "datagram_chunk",
    "stream_chunk",
]
