"""Receiving datagrams: the header is stripped, messages that are no datagrams are recognised."""

from __future__ import annotations

import _socket
import errno
from typing import TYPE_CHECKING, Any

from esp32sock._constants import DATAGRAM_HEADER
from esp32sock.engine.datagram_peers import unpacked_peer
from esp32sock.net.addresses import named
from esp32sock.net.arguments import buffer_room, refuse_out_of_band
from esp32sock.net.error_map import os_error
from esp32sock.net.virtual_socket import VirtualSocket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esp32sock.engine.requests import Address

C = _socket.socket

HEADER_BYTES = DATAGRAM_HEADER.size

# Shorter than a header: no datagram, but the sign that the next call raises an error.
WAKE = b"\0"


class DatagramReceiver(VirtualSocket):
    """The data methods that receive, on a socket that VirtualDatagram has opened."""

    kind = _socket.SOCK_DGRAM

    link_ended = False
    """The module has closed the link."""
    shut_read = False
    """The program has shut down receiving."""

    def recv(self, sock: C, bufsize: int, flags: int = 0, /) -> bytes:
        if bufsize == 0:
            return b""  # the C module does not even ask the kernel
        return self._receive(sock, bufsize, flags)[0]

    def recvfrom(self, sock: C, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        data, _, peer = self._receive(sock, bufsize, flags)
        return data, self._named(peer)

    def recvmsg(
        self, sock: C, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[Any], int, Address | None]:
        data, msg_flags, peer = self._receive(sock, bufsize, flags, ancbufsize)
        return data, [], msg_flags, self._named(peer)

    def recv_into(self, sock: C, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view = buffer_room(buffer, nbytes, "recv_into", "buffer too small for requested bytes")
        return self._receive_into(sock, [view], flags)[0] if view else 0

    def recvfrom_into(
        self, sock: C, buffer: Any, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Address | None]:
        view = buffer_room(buffer, nbytes, "recvfrom_into", "nbytes is greater than the length of the buffer")
        count, _, peer = self._receive_into(sock, [view], flags)
        return count, self._named(peer)

    def recvmsg_into(
        self, sock: C, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[Any], int, Address | None]:
        count, msg_flags, peer = self._receive_into(sock, buffers, flags, ancbufsize)
        return count, [], msg_flags, self._named(peer)

    def _receive(
        self, sock: C, bufsize: int, flags: int, ancbufsize: int = 0
    ) -> tuple[bytes, int, Address | None]:
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        while True:
            self._before_receiving(flags)
            try:
                message, _, msg_flags, _ = C.recvmsg(sock, bufsize + HEADER_BYTES, ancbufsize, flags)
            except ConnectionResetError as error:
                raise self._link_lost() from error
            if message == WAKE:
                self._drop_peeked(sock, flags)
                continue
            if len(message) < HEADER_BYTES:
                self._end_of_link()
                return b"", msg_flags, None
            peer = unpacked_peer(message)
            if self._hears(sock, peer, flags):
                return message[HEADER_BYTES:], msg_flags, peer

    def _receive_into(
        self, sock: C, buffers: Iterable[Any], flags: int, ancbufsize: int = 0
    ) -> tuple[int, int, Address | None]:
        header = bytearray(HEADER_BYTES)
        into = [header, *buffers]
        while True:
            self._before_receiving(flags)
            try:
                count, _, msg_flags, _ = C.recvmsg_into(sock, into, ancbufsize, flags)
            except ConnectionResetError as error:
                raise self._link_lost() from error
            if count == len(WAKE):
                self._drop_peeked(sock, flags)
                continue
            if count < HEADER_BYTES:
                self._end_of_link()
                return 0, msg_flags, None
            peer = unpacked_peer(bytes(header))
            if self._hears(sock, peer, flags):
                return count - HEADER_BYTES, msg_flags, peer

    def _named(self, peer: Address | None) -> Any:
        return None if peer is None else named(peer, self.family)

    def _before_receiving(self, flags: int) -> None:
        refuse_out_of_band(flags)
        if not self.link_ended:
            self.raise_error("receive")

    def _hears(self, sock: C, peer: Address, flags: int) -> bool:
        """Whether a datagram from `peer` is for us; one that was only looked at and is not is dropped."""
        if self.remote is None or peer == self.remote:
            return True
        self._drop_peeked(sock, flags)
        return False

    @staticmethod
    def _drop_peeked(sock: C, flags: int) -> None:
        if flags & _socket.MSG_PEEK:
            C.recv(sock, HEADER_BYTES, _socket.MSG_DONTWAIT)

    def _end_of_link(self) -> None:
        """The kernel has no more for us: fine after shutdown, an error otherwise."""
        self.raise_error("receive")
        if not self.shut_read:
            raise link_gone()

    def _link_lost(self) -> OSError:
        self.raise_error("receive")
        return link_gone()


def link_gone() -> OSError:
    """What to raise when the link of a UDP socket is gone."""
    return os_error(errno.ENETDOWN, "the module closed the UDP link; close this socket and open another")
