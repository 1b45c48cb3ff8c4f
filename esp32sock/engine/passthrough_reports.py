"""The lines that bit 2 of AT+SYSMSG puts between the payload of a passthrough, separated from it.

A line is a report if it is, byte for byte, one that the firmware prints (at-dialects 3.4, known-bugs 25); the
peer can send the same bytes, and then they count as a report too. What may become a report is held back until
the next bytes decide.
"""

from __future__ import annotations

import re
from typing import Final

_LINK: Final = {b"CONNECT": True, b"CLOSED": False}
_WORDS: Final = (
    *_LINK,
    b"WIFI CONNECTED",
    b"WIFI DISCONNECT",
    b"WIFI GOT IP",
    b"WIFI GOT IPv6 LL",
    b"WIFI GOT IPv6 GL",
    b"+ETH_CONNECTED",
    b"+ETH_DISCONNECTED",
)
_WITH_FIELDS: Final = (
    b"+LINK_CONN:",
    b"+ETH_GOT_IP:",
    b"+STA_CONNECTED:",
    b"+STA_DISCONNECTED:",
    b"+DIST_STA_IP:",
)
_FIELDS_BYTES: Final = 128
_FIELD: Final = rb'[0-9A-Za-z.:,"]'
_LONGEST_BYTES: Final = _FIELDS_BYTES + 32


def _beginning(word: bytes, rest: bytes) -> bytes:
    """A pattern for a part of `word` that the data end in, or all of it and what `rest` matches."""
    pattern = rest
    for byte in reversed(word):
        pattern = rb"(?:\Z|" + re.escape(bytes([byte])) + pattern + rb")"
    return pattern


_END: Final = rb"(?:\Z|\r\Z)"
_REPORT: Final = re.compile(
    rb"(?:"
    + b"|".join(map(re.escape, _WORDS))
    + rb"|(?:"
    + b"|".join(map(re.escape, _WITH_FIELDS))
    + rb")"
    + _FIELD
    + rb"{1,%d})\r\n" % _FIELDS_BYTES
)
_BEGUN: Final = re.compile(
    b"|".join(
        [_beginning(word, _END) for word in _WORDS]
        + [_beginning(word, _FIELD + rb"{0,%d}" % _FIELDS_BYTES + _END) for word in _WITH_FIELDS]
    )
)


class ReportFilter:
    """Takes the reports out of a buffer, as it grows at its end and is emptied at its start."""

    def take_out(self, received: bytearray, new_bytes: int) -> list[bool]:
        """Delete the reports that the last `new_bytes` complete; return what they say of the link."""
        changes = []
        start = max(0, len(received) - new_bytes - _LONGEST_BYTES)
        while (match := _REPORT.search(received, start)) is not None:
            change = _link_change(match[0])
            start = match.start()
            del received[slice(*match.span())]
            if change is not None:
                changes.append(change)
        return changes

    def settled_bytes(self, received: bytearray) -> int:
        """How many bytes at the start can no longer become part of a report."""
        begun = _BEGUN.search(received, max(0, len(received) - _LONGEST_BYTES))
        return len(received) if begun is None else begun.start()


def _link_change(report: bytes) -> bool | None:
    """The link's change in a report: opened, closed, or none."""
    if report.startswith(b"+LINK_CONN:"):
        return report.startswith(b"+LINK_CONN:0,")  # then the outcome, 0 for success (at-dialects 7.4)
    return _LINK.get(report.removesuffix(b"\r\n"))
