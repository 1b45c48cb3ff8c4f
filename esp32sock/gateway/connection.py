"""One side of what a gateway relays: a stream socket of the host or of the module, with its ways to end."""

from __future__ import annotations

import struct
from contextlib import suppress
from socket import MSG_PEEK, SHUT_WR, SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.local_peers import has_left
from esp32sock.gateway.network import ModuleStream

if TYPE_CHECKING:
    from typing import Self

READ_BYTES = 8192
"""Bytes read at a time: what a relay holds, beside the buffers of the two sockets (chosen)."""
ABORT_S = 1.0
RESETS = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: `close` then sends a reset."""


class Connection:
    """A connected stream socket. Errors are OSError; each end of it may be called once."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock
        self.is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """What fails is reset, or the cut would look like an end."""
        if kind is None:
            self.close()
        else:
            self.reset()

    @property
    def local(self) -> tuple[str, int]:
        """Host and port at this end."""
        return self._name(self._sock.getsockname())

    @property
    def remote(self) -> tuple[str, int]:
        """Host and port at the other end; OSError(ENOTCONN) if that is gone."""
        return self._name(self._sock.getpeername())

    @staticmethod
    def _name(address: object) -> tuple[str, int]:
        if not isinstance(address, tuple):  # a Unix socket has neither
            return "0.0.0.0", 0
        return address[0], address[1]

    def has_left(self) -> bool:
        """Whether the other end, which has ended what it sends, is known to be closed in full."""
        try:
            return has_left(self.local, self.remote)
        except OSError:  # reset meanwhile: reading says so
            return False

    async def peek(self) -> bytes:
        """The first byte, which stays; b"" at the end of the stream."""
        return await self._sock.recv(1, MSG_PEEK)

    async def receive(self, max_bytes: int = READ_BYTES) -> bytes:
        """What has arrived; b"" at the end of the stream."""
        return await self._sock.recv(max_bytes)

    async def send_all(self, data: bytes) -> None:
        """Waits while the other end does not read."""
        left = memoryview(data)
        while left:
            left = left[await self._sock.send(left) :]

    def send_eof(self) -> None:
        """No more is sent; a side that is gone does not mind."""
        with suppress(OSError):
            self._sock.shutdown(SHUT_WR)

    async def wait_gone(self, *, by_eof: bool) -> None:
        """Until the other end has left, by a reset or, with `by_eof`, by closing its half before it sent."""
        try:
            if not await self.peek() and by_eof:
                return
        except OSError:
            return
        await trio.sleep_forever()

    async def close_after_reading(self, seconds: float) -> None:
        """End what is sent, throw away for some seconds what still comes, then close.

        A close with bytes unread would be a reset, which can overtake what was sent last.
        """
        self.send_eof()
        with trio.move_on_after(seconds) as scope, suppress(OSError):
            while await self.receive():
                pass
        if scope.cancelled_caught:
            self.reset()
        else:
            self.close()

    def close(self) -> None:
        """What was sent is still delivered."""
        self.is_closed = True
        self._sock.close()

    def reset(self) -> None:
        """Close with a reset, so that the other end has an error and no end of stream."""
        self._ask_for_reset()
        self.close()

    async def abort(self) -> None:
        """The same, once the module was told so, which takes an exchange: ABORT_S at most, also cancelled."""
        if isinstance(self._sock, ModuleStream) and not self.is_closed:
            self._ask_for_reset()
            with trio.move_on_after(ABORT_S, shield=True):
                await self._sock.prepare_reset()
        self.reset()

    def _ask_for_reset(self) -> None:
        if not self.is_closed:
            with suppress(OSError):
                self._sock.setsockopt(SOL_SOCKET, SO_LINGER, RESETS)
