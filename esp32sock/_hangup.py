"""Whether the other end of a socket pair is closed: asked by the rooms of both ends."""

from __future__ import annotations

import select
from array import array
from fcntl import ioctl
from termios import TIOCOUTQ


def hung_up(fd: int) -> bool:
    """Whether the other end, or this one (then negative), is closed in full; does not block."""
    if fd < 0:
        return True
    poll = select.poll()
    poll.register(fd, 0)  # no event but the hang-up is reported then
    return bool(poll.poll(0))


def unread_in_pair(fd: int) -> bool:
    """Whether the other end of this pair has not read everything that was written here."""
    count = array("i", [0])
    ioctl(fd, TIOCOUTQ, count)
    return count[0] > 0
