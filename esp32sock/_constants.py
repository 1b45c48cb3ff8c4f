"""Facts that more than one room needs, or both builds of the framing, each defined once."""

from __future__ import annotations

import re
import struct
from enum import Enum
from typing import Final

# -- the module's limits and words --------------------------------------------------------------------

LINKS: Final = 5
"""Link ids are 0 to 4 (at-dialects 9)."""

DISCARD: Final = 0
STREAM: Final = 1
DATAGRAM: Final = 2

MAX_BLOCK_BYTES: Final = 64 * 1024
"""Longest block that is accepted. Real ones reach 2920 bytes pushed and about 5.7 kB pulled (at-dialects 9,
real-firmware); ten times that leaves room for custom builds and still ends the damage of a garbled length."""

MAX_LINE_BYTES: Final = 16 * 1024
"""Longest line that is accepted. Modules echo up to 2050 bytes (real-firmware, the sweep); h11 and most HTTP
servers stop at 16 KiB too."""

MAX_LINK_BYTES: Final = 1024 * 1024
"""What one link may hold before its payload is dropped. Taste: eleven seconds of a 921,600 baud line."""

MAX_HEADER_BYTES: Final = 96
"""Longest header: `+CIPRECVDATA:`, an IPv6 address of 45 characters, a port, and room for leading zeros."""

DATAGRAM_OVERHEAD_BYTES: Final = 64
"""What a datagram costs of `max_link_bytes` besides its payload, so that empty ones are not free."""

COUNTED_LINES: Final = (
    ("+MQTTSUBRECV:", "nql"),
    ("+WS_DATA:", "nl"),
    ("+HTTPCLIENT:", "l"),
    ("+HTTPCGET:", "l"),
    ("+HTTPCPOST:", "l"),
    ("+HTTPCPUT:", "l"),
    ("+HTTPURLCFG:", "l"),
    ("+FS:READ,", "l"),
    ("+SYSFLASH:", "l"),
    ("+SYSMFG:", "kknl"),
    ("+USERRAM:", "l"),
    ("+SCRD:", "l"),
    ("+BLUFIDATA:", "l"),
    ("+BTDATA:", "l"),
    ("+BLEGATTCRD:", "nl"),
    ("+WRITE:", "nnnol"),
    ("+NOTIFY:", "nnnl"),
    ("+INDICATE:", "nnnl"),
)
"""Lines that hold as many bytes of any kind as they announce (at-dialects 7.12): the beginning, and the
fields up to these bytes, each with its comma: `n` a number, `o` one that may be left out, `q` any quoted
string, `k` one without `+` and backslash, `l` the length. One `q` at most: a `+` in it begins no header."""

MAX_COUNTED_HEADER_BYTES: Final = 1100
"""Longest beginning of a counted line: an MQTT topic fills at most the client's buffer of 1024 bytes
(at-dialects 7.12)."""

CIPSEND_MAX_V1: Final = 2048
"""Most bytes of one CIPSEND up to AT 2.2 (at-dialects 7.5)."""

CIPSEND_MAX: Final = 8192
"""Most bytes of one CIPSEND from AT 2.4 on (at-dialects 7.5)."""

PULL_MAX_V2: Final = 2048
"""Most bytes to ask for in one CIPRECVDATA on 2.0 and 2.1 (at-dialects 7.7)."""

PULL_MAX: Final = 8192
"""The same later: memory is the limit, and a link keeps less than this (performance-facts 2.4)."""

MAX_DATAGRAM_BYTES: Final = 1460
"""Largest datagram that is safe both ways (at-dialects 7.5, 9)."""

LIMIT_CEILING: Final = 2**31 - 1
"""No limit may exceed this, so that sums of two fit the machine words of the compiled build."""

ESCAPE_SEQUENCE: Final = b"+++"
"""Alone between two silences it cancels a send and ends passthrough (at-dialects 7.5, 7.10)."""

PLAIN_HOST: Final = re.compile(r"[0-9A-Za-z.:_%-]{1,64}")

# -- between the engine's end of a pair and the user's ------------------------------------------------

DATAGRAM_HEADER: Final = struct.Struct("!HH16s")
"""In front of the payload in each message of a datagram pair: the address family (AF_INET or AF_INET6), the
port, the address, of which IPv4 fills the first four bytes. Towards the engine it names the destination, from
the engine the source."""

# -- frames -------------------------------------------------------------------------------------------


class Token(Enum):
    """Frames that carry nothing; compare them by identity."""

    PROMPT = "PROMPT"
    NEED_DATA = "NEED_DATA"

    def __repr__(self) -> str:
        return self.value


PROMPT: Final = Token.PROMPT
NEED_DATA: Final = Token.NEED_DATA
