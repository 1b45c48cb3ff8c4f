"""ICMP echo from this machine, where an ordinary process may send one."""

from __future__ import annotations

import socket
import struct

import trio

from esp32sock.simulator.network.api import version_of
from esp32sock.simulator.network.host_addresses import is_loopback
from esp32sock.simulator.network.host_sockets import HostSocket

TIMEOUT_S = 1.0
"""Observed 1.0, 2.0, 4.1."""

_ECHO_REQUESTS = {
    4: (socket.AF_INET, socket.IPPROTO_ICMP, struct.pack("!BBHHH", 8, 0, 0, 0, 1) + b"esp32sock"),
    6: (socket.AF_INET6, socket.IPPROTO_ICMPV6, struct.pack("!BBHHH", 128, 0, 0, 0, 1) + b"esp32sock"),
}
"""By version of IP. The kernel fills in identifier and checksum of such sockets."""


async def ping(address: str) -> int | None:
    """How long an echo took in milliseconds; None if none came. This machine itself always answers."""
    if is_loopback(address):
        return 1
    family, protocol, request = _ECHO_REQUESTS[version_of(address)]
    try:
        sock = HostSocket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, protocol)
    except OSError:
        await trio.sleep(TIMEOUT_S)
        return None
    try:
        started_at = trio.current_time()
        with trio.move_on_after(TIMEOUT_S):
            sock.sendto(request, (address, 0))
            await trio.lowlevel.wait_readable(sock)
            sock.recv(1500)
            return max(1, round((trio.current_time() - started_at) * 1000))
    except OSError:
        pass
    finally:
        sock.close()
    return None
