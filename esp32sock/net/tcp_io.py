"""The data methods of TCP sockets: the descriptor does it all, but AF_UNIX answers some calls differently."""

from __future__ import annotations

import _socket
import errno
from abc import abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Any

from esp32sock.net.addresses import parse
from esp32sock.net.arguments import refuse_ancillary, refuse_out_of_band, sendto_arguments
from esp32sock.net.error_map import os_error
from esp32sock.net.socketpairs import EngineEnd
from esp32sock.net.virtual_socket import VirtualSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

C = _socket.socket


class StreamData(VirtualSocket):
    """Sending and receiving on a stream that VirtualStream has connected."""

    kind = _socket.SOCK_STREAM

    link_ended = False
    """The link has ended. What was received may still be read."""
    was_reset = False
    """It ended with an error."""
    _sent_after_end = False

    @abstractmethod
    def carries_data(self) -> bool:
        """Whether the stream is connected, or is about to be."""

    @abstractmethod
    def restore_sndbuf_once_open(self, sock: C, /) -> None:
        """To be called when the program may have learned that the connection is there."""

    def send(self, sock: C, data: Any, flags: int = 0, /) -> int:
        return int(self._send(sock, flags, C.send, data, flags))

    def sendall(self, sock: C, data: Any, flags: int = 0, /) -> None:
        """Blocks until the pair has taken it all: as long as the peer is slow, or as the time-out says.

        On a module that has fallen silent it ends with an error after 20 s.
        """
        self._send(sock, flags, C.sendall, data, flags)

    def sendto(self, sock: C, /, *arguments: Any) -> int:
        data, flags, address = sendto_arguments(arguments)
        if address is not None:
            parse("sendto", address, self.family)
        return int(self._send(sock, flags, C.send, data, flags))

    def sendmsg(
        self, sock: C, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0, address: Any = None, /
    ) -> int:
        if address is not None:
            parse("sendmsg", address, self.family)
        refuse_ancillary(ancdata)
        return int(self._send(sock, flags, C.sendmsg, buffers, (), flags))

    def recv(self, sock: C, bufsize: int, flags: int = 0, /) -> bytes:
        data: bytes = self._receive(sock, flags, C.recv, bufsize, flags)
        if not data and bufsize:
            self._end_of_stream()
        return data

    def recv_into(self, sock: C, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        count: int = self._receive(sock, flags, C.recv_into, buffer, nbytes, flags)
        if not count and len(buffer):
            self._end_of_stream()
        return count

    def recvfrom(self, sock: C, bufsize: int, flags: int = 0, /) -> tuple[bytes, None]:
        return self.recv(sock, bufsize, flags), None

    def recvfrom_into(self, sock: C, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, None]:
        return self.recv_into(sock, buffer, nbytes, flags), None

    def recvmsg(
        self, sock: C, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[Any], int, None]:
        data, anc, msg_flags, _ = self._receive(sock, flags, C.recvmsg, bufsize, ancbufsize, flags)
        if not data and bufsize:
            self._end_of_stream()
        return data, anc, msg_flags, None

    def recvmsg_into(
        self, sock: C, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[Any], int, None]:
        count, anc, msg_flags, _ = self._receive(sock, flags, C.recvmsg_into, buffers, ancbufsize, flags)
        if not count:
            self._end_of_stream()
        return count, anc, msg_flags, None

    def _send(self, sock: C, flags: int, native: Callable[..., Any], /, *arguments: Any) -> Any:
        refuse_out_of_band(flags)
        self.restore_sndbuf_once_open(sock)
        if self.error is not None:
            self.raise_error("send")
        if self.link_ended and _is_empty(arguments[0]):
            self._check_open(sock)
            return 0
        if not self.carries_data() or (self.link_ended and (self.was_reset or self._sent_after_end)):
            return _not_connected(errno.EPIPE, "send", native, *arguments)
        self._sent_after_end = self.link_ended  # as on Linux, where the peer's RST comes after the first send
        try:
            return native(sock, *arguments)
        except (BrokenPipeError, ConnectionResetError):
            self.raise_error("send")  # the engine had more to say than the kernel
            raise

    def _receive(self, sock: C, flags: int, native: Callable[..., Any], /, *arguments: Any) -> Any:
        refuse_out_of_band(flags)
        if not self.carries_data():
            self.raise_error("receive")
            return _not_connected(errno.ENOTCONN, "receive", native, *arguments)
        try:
            return native(sock, *arguments)
        except ConnectionResetError:
            self.raise_error("receive")
            raise

    def _end_of_stream(self) -> None:
        if self.error is not None:
            self.raise_error("receive")


def _is_empty(data: Any) -> bool:
    """Whether there is nothing to send: the kernel takes that also when the TCP peer has closed."""
    return isinstance(data, bytes | bytearray | memoryview) and not data


def _not_connected(code: int, doing: str, native: Callable[..., Any], /, *arguments: Any) -> Any:
    """What `native` says of its arguments first, as always; then that there is no connection."""
    with closing(EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM)) as unconnected:
        try:
            return native(unconnected, *arguments)
        except OSError:
            raise os_error(code, f"{doing}: this socket has no connection") from None
