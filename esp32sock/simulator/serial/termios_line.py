"""How a program has set its end of a pseudo-terminal: the master sees the other side's termios, the rate and
CRTSCTS as set (measured, performance-facts 5). Linux gives every pseudo-terminal eight bits and no parity,
whatever a program asks for (pty_set_termios), so these two cannot be seen.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from contextlib import suppress
from functools import lru_cache

from esp32sock.simulator.serial.wire import HostLine

_TERMIOS2 = struct.Struct("4IB19s2I")
_EMPTY = bytes(_TERMIOS2.size)
_TCGETS2 = 0x802C542A
_TCSETS2 = 0x402C542B
_BOTHER = 0o010000
"""A rate that is a plain number. These three are Linux's on x86, ARM and RISC-V (asm-generic)."""

_CBAUD = 0o010017
"""The bits that hold a rate."""


def host_line(fd: int) -> HostLine:
    """The settings that stand on the terminal `fd`; where they cannot be read, as if they were right."""
    try:
        return _understood(fcntl.ioctl(fd, _TCGETS2, _EMPTY))
    except OSError:
        return HostLine()


@lru_cache(maxsize=64)
def _understood(packed: bytes) -> HostLine:
    fields = _TERMIOS2.unpack(packed)
    flags, baud = fields[2], fields[7]
    rtscts = bool(flags & termios.CRTSCTS)
    return HostLine(baud or None, rtscts)  # B0 is hang-up, no rate


def set_baud(fd: int, baud: int) -> None:
    """Give a terminal a rate before any program does: `cat` and `dd` set none."""
    with suppress(OSError):  # where there is no such call, the rate is not looked at either
        fields = list(_TERMIOS2.unpack(fcntl.ioctl(fd, _TCGETS2, _EMPTY)))
        fields[2] = fields[2] & ~_CBAUD | _BOTHER
        fields[6] = fields[7] = baud
        fcntl.ioctl(fd, _TCSETS2, _TERMIOS2.pack(*fields))
