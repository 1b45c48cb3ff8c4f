"""Whether the other end of a socket pair is closed: asked by the rooms of both ends."""

from __future__ import annotations

import select


def hung_up(fd: int) -> bool:
    """Whether the other end, or this one (then negative), is closed in full; does not block."""
    if fd < 0:
        return True
    poll = select.poll()
    poll.register(fd, 0)  # no event but the hang-up is reported then
    return bool(poll.poll(0))
