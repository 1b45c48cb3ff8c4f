"""Where the host's end of the serial line is: a pseudo-terminal, a TCP connection, or memory.

A port carries bytes and is independent of AT. Its writes never block: they take what fits, and the runner
comes back.
"""

from __future__ import annotations

import errno
import os
import socket
import tty
from abc import ABC, abstractmethod
from contextlib import suppress

import trio

from esp32sock.simulator.serial.termios_line import host_line, set_baud
from esp32sock.simulator.serial.wire import HostLine

READ_BYTES = 65536

MEMORY_BYTES = 65536
"""What a memory port holds unread before the module has to wait; a pty holds between 10 and 20 kB
(performance-facts 5).
"""


class Port(ABC):
    """The module's end of the line."""

    @abstractmethod
    async def read(self) -> bytes:
        """What the host wrote; empty at the end of the line. Always a checkpoint."""

    @abstractmethod
    def write_some(self, data: bytes) -> int:
        """Write what fits now, without blocking; how much that was."""

    @abstractmethod
    async def wait_writable(self) -> None:
        """Until `write_some` may take something again."""

    @abstractmethod
    def close(self) -> None:
        """Give the line up. Idempotent."""

    @abstractmethod
    def unplug(self) -> None:
        """Take the line from the host for a while: `read` ends."""

    @abstractmethod
    def plug_in(self) -> None:
        """The line is back, at the same place, for a host that opens it anew. Raises OSError."""

    def host_line(self) -> HostLine:
        """How the host has set its end now, where that can be seen; else as is right."""
        return HostLine()


class FdPort(Port):
    """A line that is a file descriptor, set to non-blocking by its maker; -1 while there is none."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def read(self) -> bytes:
        while True:
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                try:
                    await trio.lowlevel.wait_readable(self._fd)
                except trio.ClosedResourceError:
                    return b""
            except OSError as error:
                if error.errno in (errno.EIO, errno.ECONNRESET, errno.EBADF):
                    return b""
                raise
            else:
                await trio.lowlevel.checkpoint()
                return data

    def write_some(self, data: bytes) -> int:
        if self._fd < 0:
            return len(data)
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            return len(data)  # no program reads: a UART sends all the same

    async def wait_writable(self) -> None:
        try:
            await trio.lowlevel.wait_writable(self._fd)
        except (trio.ClosedResourceError, OSError):
            await trio.lowlevel.checkpoint()  # it has been unplugged

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            trio.lowlevel.notify_closing(fd)
            os.close(fd)


class PtyPort(FdPort):
    """A pseudo-terminal. `path` is what the host opens.

    Raw from the start, or what the module says before the host opens it would be echoed and translated; and
    our own descriptor of the host's side stays open, or the host's close would look like the end of the line
    (performance-facts 5).
    """

    def __init__(self, baud: int = 115200, *, link: str | None = None) -> None:
        """`baud` holds until a program sets another.

        `link` becomes a symbolic link to the terminal while that is there: a place that stays the same if it
        is unplugged and comes back as another terminal. A link to a terminal that is in the way is replaced,
        anything else is not: FileExistsError.
        """
        self._baud = baud
        self._link = link
        self._slave = -1
        if link is not None:
            _remove_stale(link)
        super().__init__(-1)
        self.plug_in()

    def plug_in(self) -> None:
        master, slave = os.openpty()
        try:
            tty.setraw(slave)
            set_baud(slave, self._baud)
            os.set_blocking(master, False)
            self._terminal = os.ttyname(slave)
            if self._link is not None:
                os.symlink(self._terminal, self._link)
        except BaseException:
            os.close(master)
            os.close(slave)
            raise
        self._fd, self._slave = master, slave

    @property
    def path(self) -> str:
        return self._terminal if self._link is None else self._link

    def host_line(self) -> HostLine:
        return host_line(self._fd) if self._fd >= 0 else HostLine()

    def unplug(self) -> None:
        super().close()
        self.close_descriptors()

    def close(self) -> None:
        self.unplug()

    def close_descriptors(self) -> None:
        """`close` for where no trio runs: when the run has ended, or never began."""
        if self._link is not None and self._slave >= 0:
            with suppress(OSError):
                if os.readlink(self._link) == self._terminal:
                    os.unlink(self._link)
        for fd in (self._fd, self._slave):
            if fd >= 0:
                os.close(fd)
        self._fd = self._slave = -1


def _remove_stale(link: str) -> None:
    """Remove the link that an earlier run left; anything else there stays (FileExistsError)."""
    if os.path.islink(link):
        if not os.readlink(link).startswith("/dev/pts/"):
            raise FileExistsError(errno.EEXIST, "a link to something else than a terminal is there", link)
        os.unlink(link)


class TcpPort(Port):
    """A listening TCP socket: one client at a time is the host. Without one, what the module says is lost, as
    on a wire.
    """

    def __init__(self, host: str, port: int) -> None:
        self._client: socket.socket | None = None
        self._listen((host, port))

    def _listen(self, address: tuple[str, int]) -> None:
        self._listener = socket.create_server(address)
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]

    async def read(self) -> bytes:
        while True:
            if self._client is None:
                if self._listener.fileno() < 0:
                    await trio.lowlevel.checkpoint()
                    return b""
                try:
                    await trio.lowlevel.wait_readable(self._listener)
                except trio.ClosedResourceError:
                    return b""
                client, _ = self._listener.accept()
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._client = client
            client = self._client
            try:
                data = client.recv(READ_BYTES)
            except BlockingIOError:
                try:
                    await trio.lowlevel.wait_readable(client)
                except trio.ClosedResourceError:
                    return b""
                continue
            except OSError:
                data = b""
            if data:
                await trio.lowlevel.checkpoint()
                return data
            self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            trio.lowlevel.notify_closing(client)
            client.close()

    def write_some(self, data: bytes) -> int:
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    async def wait_writable(self) -> None:
        if self._client is not None:
            try:
                await trio.lowlevel.wait_writable(self._client)
            except trio.ClosedResourceError:
                await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self._hang_up()
        if self._listener.fileno() >= 0:
            trio.lowlevel.notify_closing(self._listener)
            self._listener.close()

    def unplug(self) -> None:
        self.close()

    def plug_in(self) -> None:
        self._listen(self.address)


class MemoryPort(Port):
    """A line in memory.

    The host's end is a trio stream (`HostStream`), which feeds the module without any task in between.
    """

    def __init__(self, capacity_bytes: int = MEMORY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._waiting = bytearray()
        self._readable = trio.Event()
        self._writable = trio.Event()
        self.closed = False
        self.line = HostLine()
        """How the host has set its end; it may set another."""

    def host_line(self) -> HostLine:
        return self.line

    async def read(self) -> bytes:
        await trio.sleep_forever()  # the host's stream feeds the runner directly
        return b""

    def write_some(self, data: bytes) -> int:
        count = min(len(data), self._capacity - len(self._waiting))
        if count:
            self._waiting += data[:count] if count < len(data) else data
            self._readable.set()
        return count

    async def wait_writable(self) -> None:
        if len(self._waiting) >= self._capacity and not self.closed:
            self._writable = trio.Event()
            await self._writable.wait()

    async def take(self, limit: int | None) -> bytes:
        """For the host's end: what the module has printed; empty once the line is closed."""
        while not self._waiting:
            if self.closed:
                return b""
            self._readable = trio.Event()
            await self._readable.wait()
        count = len(self._waiting) if limit is None else min(limit, len(self._waiting))
        data = bytes(self._waiting[:count])
        del self._waiting[:count]
        self._writable.set()
        return data

    def close(self) -> None:
        self.closed = True
        self._readable.set()
        self._writable.set()

    def unplug(self) -> None:
        self.close()

    def plug_in(self) -> None:
        self._waiting.clear()
        self.closed = False
