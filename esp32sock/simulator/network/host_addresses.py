"""Addresses of this machine that are a simulated module's own.

Each module has one out of 127.64.0.0/10, so that several can serve the same port. It is held by the name of
an abstract Unix socket: no two processes in the same network have it, and it is free when its owner is gone,
however that happened.
"""

from __future__ import annotations

import socket
import sys
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING

from esp32sock.simulator.network.host_sockets import HostSocket

if TYPE_CHECKING:
    from collections.abc import Callable

OWN_ADDRESSES = IPv4Network("127.64.0.0/10")
LOOPBACK = "127.0.0.1"
LOOPBACK_6 = "::1"
"""IPv6 has one loopback address, which all modules of a machine share."""
BROADCAST = "127.255.255.255"
"""What reaches every socket of this machine that takes broadcasts, and nothing beyond it."""


class OwnAddress:
    """One claimed address. Where the system has no such sockets it is 127.0.0.1, and shared."""

    def __init__(self) -> None:
        self.text = LOOPBACK
        self._claim: HostSocket | None = None
        if sys.platform != "linux":
            return
        for number in range(1, OWN_ADDRESSES.num_addresses - 1):
            claim = HostSocket(socket.AF_UNIX, socket.SOCK_DGRAM)
            address = str(OWN_ADDRESSES[number])
            try:
                claim.bind(f"\0esp32sock-simulator/{address}")
            except OSError:
                claim.close()
            else:
                self.text = address
                self._claim = claim
                return

    def release(self) -> None:
        """Give the address back."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def __del__(self) -> None:
        self.release()


def is_own(address: str) -> bool:
    """Whether some simulated module may have this address."""
    return ip_address(address) in OWN_ADDRESSES


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == LOOPBACK_6


MOVED_BY = 10_000
"""A port that this process may not have is served so much higher."""


def bind_or_move(bind: Callable[[int], HostSocket], port: int) -> HostSocket:
    """A socket at the port, or at the one it moves to. Raises OSError if neither can be had."""
    try:
        return bind(port)
    except PermissionError:
        return bind(port + MOVED_BY)
