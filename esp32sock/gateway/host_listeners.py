"""Listening on the host, for this machine's own programs unless more is asked for."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.accepting import BUFFER_BYTES

if TYPE_CHECKING:
    from esp32sock.gateway.destination import Destination


class NotLoopbackError(ValueError):
    """An address that other machines reach, which nobody has allowed."""


async def listen_on_host(where: Destination, *, allow_remote: bool) -> list[trio.SocketListener]:
    """Listeners at a name or address of the host; port 0 takes a free one.

    NotLoopbackError unless `allow_remote` or it is a loopback address; OSError if it cannot be had.
    """
    listeners = await trio.open_tcp_listeners(where.port, host=where.host)
    try:
        for listener in listeners:
            check_loopback(listener.socket, allow_remote=allow_remote)
            for option in (trio.socket.SO_RCVBUF, trio.socket.SO_SNDBUF):
                listener.socket.setsockopt(trio.socket.SOL_SOCKET, option, BUFFER_BYTES)
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


async def bind_udp_on_host(where: Destination, *, allow_remote: bool) -> trio.socket.SocketType:
    """A UDP socket at a name or address of the host; errors as with `listen_on_host`."""
    found = await trio.socket.getaddrinfo(
        where.host, where.port, type=trio.socket.SOCK_DGRAM, flags=trio.socket.AI_PASSIVE
    )
    sock = trio.socket.socket(found[0][0], trio.socket.SOCK_DGRAM)
    try:
        await sock.bind(found[0][4])
        check_loopback(sock, allow_remote=allow_remote)
    except BaseException:
        sock.close()
        raise
    return sock


def check_loopback(sock: trio.socket.SocketType, *, allow_remote: bool) -> None:
    """NotLoopbackError if other machines reach this socket and may not."""
    host = sock.getsockname()[0]
    if not allow_remote and not is_loopback(sock):
        raise NotLoopbackError(f"{host} is reached by other machines, which could use the module")


def is_loopback(sock: trio.socket.SocketType) -> bool:
    """Whether only this machine reaches it."""
    return ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback
