"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, with times in microseconds."""

from __future__ import annotations

import struct

LINKTYPE_RAW = 101
LINKTYPE_USER0 = 147
"""For private use: Wireshark shows the bytes, or what its DLT_USER preference says (147: data-text-lines)."""

INBOUND, OUTBOUND = 1, 2
"""The direction bits of epb_flags."""

_NAME_OPTION, _FLAGS_OPTION, _APPLICATION_OPTION, _RESOLUTION_OPTION = 2, 2, 4, 9


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def section_header(application: str) -> bytes:
    """The beginning of a file that this program writes."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(0x0A0D0D0A, body + _option(_APPLICATION_OPTION, application.encode()) + _option(0, b""))


def interface(link_type: int, name: str) -> bytes:
    """An interface; the first one of a section has the number 0."""
    head = struct.pack("<HHI", link_type, 0, 0)
    options = _option(_NAME_OPTION, name.encode()) + _option(_RESOLUTION_OPTION, b"\6") + _option(0, b"")
    return _block(1, head + options)


def packet(number: int, time_s: float, data: bytes, direction: int) -> bytes:
    """A packet of the interface with this number, at this Unix time."""
    microseconds = round(time_s * 1e6)
    head = struct.pack("<5I", number, microseconds >> 32, microseconds & 0xFFFFFFFF, len(data), len(data))
    flags = _option(_FLAGS_OPTION, struct.pack("<I", direction)) + _option(0, b"")
    return _block(6, head + data + bytes(-len(data) % 4) + flags)
