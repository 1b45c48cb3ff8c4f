"""What the text around payload shows about it: bytes that were lost, and text that got into a block.

Theory of operation: a block has as many bytes as its header says, so text inside it pushes as many of its
last bytes out, which then stand where the next line should begin. That is text which no line end separates
from the block, or, where what is pushed out begins with a line end, an unknown line directly behind it. A
header that is damaged is itself a line of text, and its payload is lost. Before 2.0 nothing separates a block
from the next line, so a known line may stand there, and then the one behind it counts. What is pushed out may
look like a line of the module: that shows nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from esp32sock.at.framing import LINKS, STREAM
from esp32sock.at.results import BUSY, RECEIVED, RESULTS

if TYPE_CHECKING:
    from esp32sock.at.framing import Line
    from esp32sock.at.links import Links

SHOWN_BYTES = 40
"""How much of a line stands in the reason of a fault; by taste."""
ALL_LINKS = (1 << LINKS) - 1

_HEADER = re.compile(
    rb"(?:.?IPD,|\+.?PD,|\+I.?D,|\+IP.?,|\+IPD.?)(?:(?P<link>[0-9]),)?[^\r\n]{0,64}?:", re.DOTALL
)
"""What one damaged byte leaves of the header of a block; the digit of the link where it is in its place."""
_HARMLESS = re.compile(
    rb"AT.*|\+[A-Z][A-Z0-9_]*:.*|>|(?:\d,)?(?:CONNECT|CLOSED)"
    rb"|local port[: ]\d+|change type:\d+|to read \d+ bytes|id:\d+,Len:.*|delete|no ip",
    re.DOTALL | re.IGNORECASE,
)
"""An echo, an unsolicited line of a later firmware or another mode, and what a log on a shared port adds
(at-dialects 3.5)."""


class BlockEvidence:
    """Watches the lines of one session, and reports links whose payload cannot be what their peer sent."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._behind = 0

    def payload(self, link_mask: int) -> None:
        """Payload of these links was read, and no line behind it yet."""
        self._behind = link_mask

    def known_line(self, line: Line, shown: bytes, *, is_separated: bool) -> None:
        """A line that means something; `is_separated`: this firmware ends each block with a line end.

        `shown` is what a reason may show of it.
        """
        follows = line.follows
        self._behind = 0 if follows is None else 1 << follows
        if follows is not None and is_separated:
            self._links.faulty(follows, _reason(shown, "stands where its payload should end"))

    def unknown_line(self, line: Line, shown: bytes) -> bool:
        """A line that means nothing here; whether it shows that the payload of a link is damaged."""
        behind, self._behind = self._behind, 0
        follows = line.follows
        if follows is not None and self._links.faulty(
            follows, _reason(shown, "appears before the end of its payload")
        ):
            return True
        return not is_harmless(line.text) and self._streams_faulty(
            behind, _reason(shown, "is left of its payload")
        )

    def damaged_header(self, text: bytes, shown: bytes) -> bool:
        """Whether this line was the header of a block, whose payload is lost then."""
        match = _HEADER.match(text)
        if match is None:
            return False
        digit = match["link"]
        mask = ALL_LINKS if digit is None or int(digit) >= LINKS else 1 << int(digit)
        return self._streams_faulty(mask, _reason(shown, "is a damaged header"))

    def _streams_faulty(self, mask: int, reason: str) -> bool:
        streams = [n for n in range(LINKS) if mask >> n & 1 and self._links[n].sink == STREAM]
        return sum(self._links.faulty(link_id, reason) for link_id in streams) > 0


def is_harmless(text: bytes) -> bool:
    """Whether an unknown line may stand behind a block though nothing is wrong with it."""
    return (
        text in RESULTS
        or text in BUSY
        or RECEIVED.fullmatch(text) is not None
        or _HARMLESS.fullmatch(text) is not None
    )


def _reason(shown: bytes, what: str) -> str:
    return f"{shown[:SHOWN_BYTES]!r} {what}"
