"""UDP: one message of the descriptor is one datagram behind an address header.

Theory of operation. The descriptor is one end of a SOCK_SEQPACKET pair from the start; the other end goes to
the engine at the first bind, connect or sendto. Every data method adds or strips the header with one more
buffer in a native `sendmsg` or `recvmsg_into`, so flags, timeouts and readiness stay the kernel's.

Opening the link takes the module some time. A socket waits for it at most its timeout; a non-blocking one
does not, and what it sends waits in the pair. If the link cannot be opened then, the next call says so, and a
message without a header makes the descriptor readable, as an asynchronous error does on Linux.

Connecting after bind leaves the link open to anyone, and what comes from others is dropped here: a
program may then find a readable socket empty, as Linux says a program must expect of UDP anyway.
"""

from __future__ import annotations

import _socket
import errno
import operator
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from esp32sock._latch import Latch
from esp32sock.engine.datagram_peers import packed_peer
from esp32sock.net import fd_registry, local_ports, socketpairs
from esp32sock.net.addresses import ANY, ANY_V6, LOOPBACK, LOOPBACK_V6, any_of, named, parse, scope_of
from esp32sock.net.arguments import (
    bytes_like,
    refuse_ancillary,
    refuse_datagram,
    refuse_out_of_band,
    sendto_arguments,
)
from esp32sock.net.error_map import os_error, translated
from esp32sock.net.garbage import collect_without_links
from esp32sock.net.host_udp import HostUdpSocket
from esp32sock.net.resolver import destination
from esp32sock.net.udp_receiving import WAKE, DatagramReceiver, link_gone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esp32sock.engine.requests import Address
    from esp32sock.errors import Error
    from esp32sock.net.interface_api import DatagramOpened

C = _socket.socket


class _Link:
    """The events object of one UDP link."""

    def __init__(self, datagram: VirtualDatagram, end: socketpairs.EngineEnd, *, is_awaited: bool) -> None:
        self._datagram = datagram
        self.end = end  # to give back if it fails
        self.is_awaited = is_awaited
        self.decided = Latch()

    def opened(self, opened: DatagramOpened) -> None:
        self._datagram.note_opened(self, opened)
        self.decided.set()

    def failed(self, error: Error) -> None:
        self._datagram.note_failed(self, error)
        self.decided.set()

    def doubtful(self, error: Error) -> None:
        self._datagram.note_doubtful(self, error)

    def ended(self, error: Error | None) -> None:
        self._datagram.note_ended(self, error)


class VirtualDatagram(DatagramReceiver):
    """State of one UDP socket."""

    def __init__(
        self,
        proto: int,
        key: socketpairs.Key,
        end: socketpairs.EngineEnd | None,
        family: int = _socket.AF_INET,
    ) -> None:
        super().__init__(proto, key, family)
        self.end = end
        self._link: _Link | None = None
        self._only_peer: Address | None = None  # the one peer that the open link receives from
        self._link_is_ipv6 = False
        self._end_lock = threading.RLock()  # a signal handler may use the socket that it interrupts
        self.shut_read = self._shut_write = False
        self._gathered: tuple[Address, list[memoryview]] | None = None  # what MSG_MORE keeps back

    # What the engine reports, in its own thread.

    def note_opened(self, link: _Link, opened: DatagramOpened) -> None:
        if link is self._link:
            unconnected = self.bound[0] if self.bound else any_of(self.family)
            self.local = (unconnected if self._only_peer is None else opened.local[0]), opened.local[1]

    def note_failed(self, link: _Link, error: Error) -> None:
        if link is self._link:
            with self._end_lock:
                self.error = error  # first, or another thread would find a fresh socket and open again
                self._forget_link()
                self.end = link.end
                socketpairs.drain(link.end)  # a task that waits to send wakes too
            if not link.is_awaited:
                with suppress(OSError):
                    link.end.send(WAKE)

    def note_doubtful(self, link: _Link, error: Error) -> None:
        if link is self._link:
            self.error = error

    def note_ended(self, link: _Link, error: Error | None) -> None:
        if link is self._link:
            self.error = error
            self.link_ended = True

    # Opening.

    def unused(self) -> bool:
        return self._link is None

    def bind(self, sock: C, address: Any, /) -> None:
        was_bound = self.bound
        try:
            super().bind(sock, address)
            if self.bound is not None:  # else the host has it now
                self._open(sock, None, sock.gettimeout())
        except BaseException:
            if was_bound is None:
                self.release_port()
                self.bound = None
            raise

    def connect(self, sock: C, address: Any, /) -> None:
        host, port = parse("connect", address, self.family)
        sys.audit("socket.connect", sock, address)
        self.check_usable(sock)
        dotted, direct = destination(host, family=self.family)
        self.refuse_mapped(dotted)
        self.scope = scope_of(address)
        if direct and self.unused():
            self.move_to_host(sock)
            C.connect(sock, named((dotted, port), self.family, self.scope))
            return
        remote = dotted, port
        is_other_kind = not self.unused() and self._link_is_ipv6 is not (":" in dotted)
        if (self._only_peer is not None and self._only_peer != remote) or is_other_kind:
            self._close_link(sock)
            self.release_port()  # the module may still have it in use for the link that ends
            self.bound = None
        if self.unused():
            self._open(sock, remote, sock.gettimeout())
        else:
            self.require_interface().note_peer(self.key, remote)
        self.remote = remote

    def _open(self, sock: C, remote: Address | None, timeout: float | None, *, to: str = "") -> None:
        """Hand our end to the engine; waits for the link at most so long, where this thread may."""
        interface = self.require_interface()
        if self.bound is None:  # as Linux does, so that the local port is known before the link is there
            self.bound = any_of(self.family), local_ports.claim(interface, self, 0)
        collect_without_links(interface)
        with self._end_lock:
            if self.end is None or self.end.fileno() < 0:
                self.replace_descriptor(sock)
            end, self.end = self.end, None
        assert end is not None
        socketpairs.drain(end)  # what was sent into an attempt that failed
        waits = timeout != 0 and interface.may_block()
        link = _Link(self, end, is_awaited=waits)
        handle = interface.new_handle()
        doing = "opening a UDP link"
        peer = remote[0] if remote is not None else to
        ipv6 = ":" in peer if peer else self.family == _socket.AF_INET6
        try:
            self._link, self.handle, self._only_peer, self._link_is_ipv6 = link, handle, remote, ipv6
            with translated(doing):
                interface.open_datagram(handle, end, self.bound[1], remote, link, ipv6=ipv6)
            if waits and not link.decided.wait(timeout):
                raise TimeoutError("timed out")
        except BaseException:
            handle.abandon()
            if self._link is link:
                self._close_link(sock)
            raise
        if self._link is None:
            self.raise_error(doing)

    def move_to_host(self, sock: C) -> None:
        objects = fd_registry.objects_of(self)
        interface = self.interface
        super().move_to_host(sock)
        host_side = HostUdpSocket(self.proto, socketpairs.key_of(sock.fileno()), interface, self.family)
        for each in objects:
            fd_registry.adopt(each, host_side)

    def _close_link(self, sock: C) -> None:
        """The engine sees that the other end is closed, even if the link has opened just now."""
        handle = self.handle
        self._forget_link()
        if handle is not None:
            handle.abandon()
        self.replace_descriptor(sock)

    def _forget_link(self) -> None:
        self._link = self.handle = self._only_peer = self.local = None

    def fresh_user_end(self) -> socketpairs.EngineEnd:
        self.end, user_end = socketpairs.datagram_pair()
        return user_end

    # Names.

    def _local_address(self) -> Address:
        """As on Linux, connecting settles which of our addresses the peer sees."""
        host, port = super()._local_address()
        if host not in (ANY, ANY_V6) or self.remote is None or self.interface is None:
            return host, port
        if self.remote[0] == LOOPBACK_V6 or self.remote[0].startswith("127."):
            return (LOOPBACK_V6 if ":" in self.remote[0] else LOOPBACK), port
        status = self.interface.status()
        if ":" in self.remote[0]:
            return next(iter(status.station_ipv6), ANY_V6), port
        return status.station_ip or ANY, port

    def getpeername(self, sock: C, /) -> Any:
        self._check_open(sock)
        if self.remote is None:
            raise os_error(errno.ENOTCONN, "this UDP socket is not connected")
        return named(self.remote, self.family, self.scope)

    def listen(self, sock: C, backlog: int = 0, /) -> None:
        operator.index(backlog)
        raise os_error(errno.EOPNOTSUPP, "a UDP socket cannot listen")

    def accept_descriptor(self, sock: C, /) -> tuple[int, Any]:
        raise os_error(errno.EOPNOTSUPP, "a UDP socket cannot accept")

    def shutdown(self, sock: C, how: int, /) -> None:
        """The link stays open until close: UDP sends no end to the peer."""
        self._check_open(sock)
        if operator.index(how) not in (_socket.SHUT_RD, _socket.SHUT_WR, _socket.SHUT_RDWR):
            raise os_error(errno.EINVAL, f"shutdown: {how} is none of SHUT_RD, SHUT_WR, SHUT_RDWR")
        if self.remote is None:
            raise os_error(errno.ENOTCONN, "shutdown: this UDP socket is not connected")
        if how != _socket.SHUT_RD:
            self._shut_write = True
        if how != _socket.SHUT_WR:
            self.shut_read = True
            C.shutdown(sock, _socket.SHUT_RD)  # wakes a thread that waits to receive

    # Sending.

    def send(self, sock: C, data: Any, flags: int = 0, /) -> int:
        return self._send(sock, [bytes_like(data)], flags, None)

    def sendall(self, sock: C, data: Any, flags: int = 0, /) -> None:
        self._send(sock, [bytes_like(data)], flags, None)

    def sendto(self, sock: C, /, *arguments: Any) -> int:
        data, flags, address = sendto_arguments(arguments)
        return self._send(sock, [data], flags, parse("sendto", address, self.family), address)

    def sendmsg(
        self, sock: C, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0, address: Any = None, /
    ) -> int:
        where = None if address is None else parse("sendmsg", address, self.family)
        views = [bytes_like(buffer) for buffer in buffers]
        refuse_ancillary(ancdata)
        return self._send(sock, views, flags, where, address)

    def _send(
        self, sock: C, views: list[memoryview], flags: int, where: Address | None, address: Any = None
    ) -> int:
        refuse_out_of_band(flags)
        if where is not None:
            sys.audit("socket.sendto", sock, address)
        self.raise_error("send")
        if self._shut_write:
            raise os_error(errno.EPIPE, "send: this socket was shut down")
        remote, size_bytes = self.remote, sum(map(len, views))
        if where is not None:
            dotted, direct = destination(where[0], self.interface, self.family)
            self.refuse_mapped(dotted)
            remote = dotted, where[1]
            if direct and self.unused():
                self.move_to_host(sock)
                return C.sendmsg(sock, views, (), flags, named(remote, self.family, scope_of(address)))
            if direct:
                raise os_error(
                    errno.ENETUNREACH, f"this socket uses the module, but {dotted} is reached by the host"
                )
        if self._gathered is not None:  # the first of its parts has said where it goes
            remote, views = self._gathered[0], [*self._gathered[1], *views]
            self._gathered = None
        if remote is None:
            raise os_error(errno.EDESTADDRREQ, "send: no address, and this UDP socket is not connected")
        if flags & _socket.MSG_MORE:
            self._gathered = remote, [memoryview(bytes(view)) for view in views]
            return size_bytes
        refuse_datagram(remote, views, may_broadcast=self.options.broadcast())
        if self.unused():
            self.check_usable(sock)
            timeout = 0 if flags & _socket.MSG_DONTWAIT else sock.gettimeout()
            self._open(sock, None, timeout, to=remote[0])
        if self._link_is_ipv6 is not (":" in remote[0]):
            raise os_error(
                errno.ENETUNREACH,
                f"{remote[0]}: a UDP link of the module is for IPv4 or for IPv6, and this socket has one for "
                "the other; use one socket for each",
            )
        try:
            C.sendmsg(sock, [packed_peer(remote), *views], (), flags)
            return size_bytes
        except (BrokenPipeError, ConnectionResetError) as error:
            self.raise_error("send")
            raise link_gone() from error
