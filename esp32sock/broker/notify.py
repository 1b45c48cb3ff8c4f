"""What a broker says to its service manager, in systemd's protocol: its state, and signs of life."""

from __future__ import annotations

import _socket
import os
from contextlib import closing, suppress

import trio

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE, WATCHDOG_PID_VARIABLE = "WATCHDOG_USEC", "WATCHDOG_PID"


def notify(*lines: str) -> None:
    """Tell the service manager, such as `READY=1`; without one, or if it is not there, nothing happens."""
    address = os.environ.get(SOCKET_VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    flags = _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
    with suppress(OSError), closing(_socket.socket(_socket.AF_UNIX, flags)) as sock:
        sock.sendto("\n".join(lines).encode(), address)


async def keep_watchdog() -> None:
    """Give a sign of life twice in each interval that the service manager sets; without one, return."""
    interval_s = _watchdog_s()
    while interval_s is not None:
        notify("WATCHDOG=1")
        await trio.sleep(interval_s / 2)


def _watchdog_s() -> float | None:
    if os.environ.get(WATCHDOG_PID_VARIABLE, str(os.getpid())) != str(os.getpid()):
        return None
    text = os.environ.get(WATCHDOG_VARIABLE, "")
    return int(text) / 1e6 if text.isdecimal() and int(text) else None
