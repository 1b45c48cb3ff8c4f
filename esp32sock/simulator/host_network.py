"""The network of this machine: real sockets and the real resolver behind the module, through trio.

The module believes it is at 10.0.2.15 behind a gateway 10.0.2.2, as the modules of the captures did; that
gateway is this machine's 127.0.0.1. Every other address is what it says.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from .host_sockets import HostSocket, look_up
from .network import (
    Close,
    Consumed,
    DatagramReceived,
    Event,
    Failed,
    Listen,
    Network,
    OpenDatagram,
    Opened,
    OpenStream,
    PeerClosed,
    PeerReset,
    Received,
    Request,
    Resolve,
    Resolved,
    Send,
    SendDatagram,
    Sent,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

GATEWAY = "10.0.2.2"
LOOPBACK = "127.0.0.1"

READ_BYTES = 65536

_GONE = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EBADF}


class HostNetwork(Network):
    """Real sockets. `names` adds or overrides names; the value is an address as the module sees it."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = dict(names or {})
        self._nursery: trio.Nursery | None = None
        self._streams: dict[int, _Stream] = {}
        self._datagrams: dict[int, _Datagrams] = {}
        self._scopes: dict[int, trio.CancelScope] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            for stream in self._streams.values():
                stream.sock.close()
            for datagrams in self._datagrams.values():
                datagrams.sock.close()
            self._streams.clear()
            self._datagrams.clear()

    def handle(self, request: Request) -> None:
        nursery = self._nursery
        if nursery is None:
            raise RuntimeError("the network is not running")
        match request:
            case Send(handle):
                stream = self._streams.get(handle)
                if stream is None:
                    self.post(PeerReset(handle))
                else:
                    stream.send(request.data)
            case Consumed(handle):
                if handle in self._streams:
                    self._streams[handle].add_credit(request.count)
            case SendDatagram(handle):
                self._send_datagram(request)
            case Resolve():
                nursery.start_soon(self._resolve, request)
            case OpenStream(handle):
                scope = self._scopes[handle] = trio.CancelScope()
                nursery.start_soon(self._open_stream, request, scope)
            case OpenDatagram():
                self._open_datagram(request)
            case Listen(handle):
                self.post(Failed(handle, "servers come later"))
            case Close(handle):
                self._close(request)

    def to_host(self, address: str) -> str:
        return LOOPBACK if address == GATEWAY else address

    def to_module(self, address: str) -> str:
        return GATEWAY if address == LOOPBACK else address

    # Names

    async def _resolve(self, request: Resolve) -> None:
        address = self._names.get(request.name)
        if address is None:
            try:
                found = await trio.to_thread.run_sync(look_up, request.name, abandon_on_cancel=True)
            except (OSError, UnicodeError):
                found = []
            address = str(found[0][4][0]) if found else None
        self.post(Resolved(request.token, address))

    # Streams

    async def _open_stream(self, request: OpenStream, scope: trio.CancelScope) -> None:
        handle = request.handle
        sock = HostSocket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        opened = False
        try:
            with scope:
                await _connect(sock, (self.to_host(request.address), request.port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if request.keepalive_s:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                opened = True
        except OSError as error:
            self.post(Failed(handle, str(error)))
        finally:
            self._scopes.pop(handle, None)
            if not opened:
                sock.close()
        if not opened:
            return
        stream = self._streams[handle] = _Stream(self, handle, sock, request.window_bytes)
        self.post(Opened(handle, request.address, request.port, sock.getsockname()[1]))
        await stream.receive()

    def start_soon(self, stream: _Stream) -> None:
        """Let a stream write the rest of what did not fit."""
        if self._nursery is not None:
            self._nursery.start_soon(stream.write_rest)

    # Datagrams

    def _open_datagram(self, request: OpenDatagram) -> None:
        sock = HostSocket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.bind(("", request.local_port))
        except OSError as error:
            sock.close()
            self.post(Failed(request.handle, str(error)))
            return
        datagrams = self._datagrams[request.handle] = _Datagrams(self, request.handle, sock)
        local_port = sock.getsockname()[1]
        self.post(Opened(request.handle, request.address, request.port, local_port))
        if self._nursery is not None:
            self._nursery.start_soon(datagrams.receive)

    def _send_datagram(self, request: SendDatagram) -> None:
        datagrams = self._datagrams.get(request.handle)
        if datagrams is not None:
            with suppress(OSError):  # a datagram may always be lost
                datagrams.sock.sendto(request.data, (self.to_host(request.address), request.port))
        self.post(Sent(request.handle))

    # Closing

    def _close(self, request: Close) -> None:
        handle = request.handle
        scope = self._scopes.pop(handle, None)
        if scope is not None:
            scope.cancel()
        stream = self._streams.pop(handle, None)
        if stream is not None:
            stream.close(abort=request.abort)
        datagrams = self._datagrams.pop(handle, None)
        if datagrams is not None:
            trio.lowlevel.notify_closing(datagrams.sock)
            datagrams.sock.close()

    def lost(self, stream: _Stream, event: Event) -> None:
        """A stream ended; it stays until the module closes it."""
        if self._streams.get(stream.handle) is stream:
            self.post(event)


async def _connect(sock: HostSocket, address: tuple[str, int]) -> None:
    try:
        sock.connect(address)
    except BlockingIOError:
        await trio.lowlevel.wait_writable(sock)
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, "connect")


class _Stream:
    """One connected socket: reads as far as the window allows, writes at once what the kernel takes."""

    def __init__(self, network: HostNetwork, handle: int, sock: HostSocket, window_bytes: int) -> None:
        self._network = network
        self.handle = handle
        self.sock = sock
        self._credit = window_bytes
        self._more_credit = trio.Event()
        self._unsent = b""
        self._closed = False

    def add_credit(self, count: int) -> None:
        self._credit += count
        self._more_credit.set()

    async def receive(self) -> None:
        sock = self.sock
        try:
            while True:
                while self._credit <= 0:
                    self._more_credit = trio.Event()
                    await self._more_credit.wait()
                try:
                    data = sock.recv(min(READ_BYTES, self._credit))
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(sock)
                    continue
                if self._closed:
                    return
                if not data:
                    break
                self._credit -= len(data)
                self._network.post(Received(self.handle, data))
                await trio.lowlevel.checkpoint()
        except trio.ClosedResourceError:
            return
        except OSError as error:
            if self._closed or error.errno not in _GONE:
                return
            self._network.lost(self, PeerReset(self.handle))
            return
        self._network.lost(self, PeerClosed(self.handle))

    def send(self, data: bytes) -> None:
        try:
            count = self.sock.send(data)
        except BlockingIOError:
            count = 0
        except OSError:
            self._network.lost(self, PeerReset(self.handle))
            return
        if count == len(data):
            self._network.post(Sent(self.handle))
        else:
            self._unsent = data[count:]
            self._network.start_soon(self)

    async def write_rest(self) -> None:
        try:
            while self._unsent:
                await trio.lowlevel.wait_writable(self.sock)
                self._unsent = self._unsent[self.sock.send(self._unsent) :]
        except BlockingIOError:
            self._network.start_soon(self)
            return
        except trio.ClosedResourceError:
            return
        except OSError:
            self._network.lost(self, PeerReset(self.handle))
            return
        self._network.lost(self, Sent(self.handle))

    def close(self, *, abort: bool) -> None:
        self._closed = True
        self._unsent = b""
        if abort:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        trio.lowlevel.notify_closing(self.sock)
        self.sock.close()
        self._more_credit.set()


class _Datagrams:
    """One datagram socket."""

    def __init__(self, network: HostNetwork, handle: int, sock: HostSocket) -> None:
        self._network = network
        self._handle = handle
        self.sock = sock

    async def receive(self) -> None:
        while True:
            try:
                data, (address, port) = self.sock.recvfrom(READ_BYTES)
            except BlockingIOError:
                try:
                    await trio.lowlevel.wait_readable(self.sock)
                except trio.ClosedResourceError:
                    return
            except OSError:
                if self.sock.fileno() < 0:
                    return
                await trio.lowlevel.checkpoint()  # ICMP said something about an earlier datagram
            else:
                where = self._network.to_module(address)
                self._network.post(DatagramReceived(self._handle, data, where, port))
                await trio.lowlevel.checkpoint()
