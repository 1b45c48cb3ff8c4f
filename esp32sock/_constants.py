"""Facts that more than one room needs, each defined once."""

from __future__ import annotations

import struct
from typing import Final

MAX_DATAGRAM_BYTES: Final = 1460
"""Largest datagram that is safe both ways (at-dialects 7.5, 9)."""

ESCAPE_SEQUENCE: Final = b"+++"
"""Alone between two silences it cancels a send and ends passthrough (at-dialects 7.5, 7.10)."""

DATAGRAM_HEADER: Final = struct.Struct("!HH4s")
"""In front of each message of a datagram pair: address family, port, IPv4 address."""
