"""One connected socket of the host's network: reads as far as the window allows, writes at once what the
kernel takes, and uses TLS if the link does.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import trio

from esp32sock.simulator.network.api import PeerClosed, PeerReset, Received, Sent

if TYPE_CHECKING:
    from esp32sock.simulator.network.api import Event
    from esp32sock.simulator.network.host_sockets import HostSocket
    from esp32sock.simulator.network.host_tls import TlsEngine

READ_BYTES = 65536

_GONE = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EBADF}

LINGER_NONE = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER on, 0 s: closing sends RST."""


async def connect(sock: HostSocket, address: tuple[str, int]) -> None:
    """Connect a socket that does not block. Raises OSError."""
    try:
        sock.connect(address)
    except BlockingIOError:
        await trio.lowlevel.wait_writable(sock)
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, "connect")


def keep_alive(sock: HostSocket, seconds: int) -> None:
    """Ask the peer for a sign of life after so long; three that do not answer, a second apart, end the link
    (the last two a guess).
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


async def shake_hands(sock: HostSocket, engine: TlsEngine) -> None:
    """Raises OSError, of which `TlsFailure` is one."""
    while True:
        try:
            done = engine.handshake()
        finally:
            await _send_all(sock, engine.outgoing())
        if done:
            return
        engine.feed(await _receive(sock))


async def _send_all(sock: HostSocket, data: bytes) -> None:
    while data:
        try:
            data = data[sock.send(data) :]
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sock)


async def _receive(sock: HostSocket) -> bytes:
    while True:
        try:
            return sock.recv(READ_BYTES)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(sock)


class StreamOwner(Protocol):
    """What a stream belongs to."""

    def post(self, event: Event, /) -> None:
        """Give the module an event."""

    def stream_event(self, stream: Stream, event: Event) -> None:
        """Give the module an event, unless it has closed the stream."""

    def write_later(self, stream: Stream) -> None:
        """Run `stream.write_rest`."""


class Stream:
    """One stream of a module."""

    def __init__(
        self,
        owner: StreamOwner,
        handle: int,
        sock: HostSocket,
        window_bytes: int,
        engine: TlsEngine | None = None,
    ) -> None:
        self._owner = owner
        self.handle = handle
        self.sock = sock
        self._engine = engine
        self._credit = window_bytes
        self._more_credit = trio.Event()
        self._unsent = b""
        self._closed = False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def add_credit(self, count: int) -> None:
        self._credit += count
        self._more_credit.set()

    async def receive(self) -> None:
        """Read until the end, the break or the close."""
        sock = self.sock
        try:
            if self._engine is not None:
                self._decrypt(0)  # what came with the end of the handshake
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
                if self._engine is None:
                    self._credit -= len(data)
                    self._owner.post(Received(self.handle, data))
                else:
                    self._engine.feed(data)
                    self._decrypt(len(data))
                    if self._engine.ended:
                        break
                await trio.lowlevel.checkpoint()
        except trio.ClosedResourceError:
            return
        except OSError as error:
            if self._closed or (self._engine is None and error.errno not in _GONE):
                return
            self._owner.stream_event(self, PeerReset(self.handle))
            return
        self._owner.stream_event(self, PeerClosed(self.handle))

    def _decrypt(self, encrypted_bytes: int) -> None:
        engine = self._engine
        assert engine is not None
        data = engine.read()
        if data:
            self._credit -= len(data)
            self._owner.post(Received(self.handle, data, max(0, encrypted_bytes - len(data))))

    def send(self, data: bytes) -> None:
        """Send; `Sent` follows once the kernel has taken all of it."""
        try:
            wire = data if self._engine is None else self._engine.write(data)
            count = self.sock.send(wire)
        except BlockingIOError:
            count = 0
        except OSError:
            self._owner.stream_event(self, PeerReset(self.handle))
            return
        if count == len(wire):
            self._owner.post(Sent(self.handle))
        else:
            self._unsent = wire[count:]
            self._owner.write_later(self)

    async def write_rest(self) -> None:
        try:
            while self._unsent:
                await trio.lowlevel.wait_writable(self.sock)
                self._unsent = self._unsent[self.sock.send(self._unsent) :]
        except BlockingIOError:
            self._owner.write_later(self)
            return
        except trio.ClosedResourceError:
            return
        except OSError:
            self._owner.stream_event(self, PeerReset(self.handle))
            return
        self._owner.stream_event(self, Sent(self.handle))

    def close(self, *, abort: bool) -> None:
        self._closed = True
        self._unsent = b""
        if abort:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        elif self._engine is not None:
            with suppress(OSError):
                self.sock.send(self._engine.goodbye())
        trio.lowlevel.notify_closing(self.sock)
        self.sock.close()
        self._more_credit.set()
