"""Sockets whose descriptor came from another process: what they are is asked of the broker that has them."""

from __future__ import annotations

import _socket
import errno
import os
from contextlib import closing
from typing import TYPE_CHECKING

from esp32sock.net import context, fd_registry, socketpairs
from esp32sock.net.accept_queue import LISTENER
from esp32sock.net.addresses import any_of
from esp32sock.net.error_map import os_error
from esp32sock.net.tcp_phase import Phase
from esp32sock.net.tcp_socket import VirtualStream
from esp32sock.net.udp_socket import VirtualDatagram

if TYPE_CHECKING:
    from esp32sock.net.interface_api import FoundSocket, Interface
    from esp32sock.net.socket_state import SocketState

_finds = False


class ForeignStream(VirtualStream):
    """A listener or a stream that another process of a shared interface has begun."""

    def __init__(self, key: socketpairs.Key, interface: Interface, found: FoundSocket) -> None:
        super().__init__(0, key, _family_of(found))
        self.interface = interface
        self.local, self.remote = found.local, found.remote
        if found.kind == _socket.SOCK_STREAM:
            self.phase = Phase.OPEN
            self._was_joined = self._connect_reported = True
        else:
            self.bound = found.local or (any_of(self.family), 0)
            self.any_port = False
            if found.kind == LISTENER:
                self._joins_listener(interface)


class ForeignDatagram(VirtualDatagram):
    """A UDP socket that another process of a shared interface has opened."""

    def __init__(self, key: socketpairs.Key, interface: Interface, found: FoundSocket) -> None:
        super().__init__(0, key, None, _family_of(found))
        self.interface = interface
        self.remote = found.remote
        self.any_port = False
        if found.local is not None:
            self.bound = self.local = (
                (found.local[0] if found.one_peer else any_of(self.family)),
                found.local[1],
            )
        if found.one_peer:
            self._only_peer = found.remote

    def unused(self) -> bool:
        return False

    def _close_link(self, sock: _socket.socket) -> None:
        """To be connected to another peer it needs another link, which only its own process can open."""
        raise os_error(errno.EISCONN, "connect: another process has opened this UDP socket for one peer")


def find_from_now_on() -> None:
    """Ask the interface about Unix sockets that nothing here has made; for children of a shared one."""
    global _finds
    _finds = True


def find(fd: int) -> SocketState | None:
    """The state of a descriptor: of this process's own, or of another's; None for a socket of the host."""
    state = fd_registry.find(fd)
    if state is not None or not _finds or not _is_unix(fd):
        return state
    try:
        interface = context.interface()
        key = socketpairs.key_of(fd)
        found = interface.find_socket(key)
    except OSError:  # no module, no broker any more: it cannot be one of theirs
        return None
    if found is None:
        return None
    if found.kind == _socket.SOCK_DGRAM:
        return ForeignDatagram(key, interface, found)
    return ForeignStream(key, interface, found)


def _family_of(found: FoundSocket) -> int:
    known = found.local or found.remote
    return _socket.AF_INET6 if known is not None and ":" in known[0] else _socket.AF_INET


def _is_unix(fd: int) -> bool:
    try:
        copy = socketpairs.EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, os.dup(fd))
    except OSError:
        return False
    with closing(copy):
        return copy.getsockopt(_socket.SOL_SOCKET, _socket.SO_DOMAIN) == _socket.AF_UNIX
