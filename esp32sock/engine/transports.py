"""Anything that carries the module's bytes: a serial device, a pyserial URL, a pty, or a stream in memory.

pyserial opens and sets the line; a port that has a descriptor is read and written directly
(one `os.read` instead of pyserial's timed loops), where it has none (`loop://`, `rfc2217://`) a thread does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

import serial
import trio

from esp32sock.engine.port_holder import port_holder
from esp32sock.engine.port_names import device_of
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from trio.abc import Stream

    from esp32sock.engine.options import ResetLine

READ_BYTES = 65536
THREAD_POLL_S = 0.1

SIMULATOR_PACKAGE = "esp32sock.simulator"
"""pyserial finds `sim://` there, by name, when a port of that scheme is opened."""

_ADVICE = {
    errno.ENOENT: "no such port; `esp32sock ports` lists the ports",
    errno.EACCES: "permission denied; on Linux the group is often `dialout`: "
    "`sudo usermod -a -G dialout $USER`, then log in again",
    errno.EPERM: "permission denied",
    errno.EBUSY: "another program uses it",
    errno.EAGAIN: "another program uses it",
    errno.ENOTTY: "it is not a serial port",
    errno.ENXIO: "the device was removed",
}


class Port(ABC):
    """Bytes to and from the module. `receive` and `send` raise PortError once the port is lost."""

    name: str
    baudrate: int | None
    """None where there is no such thing; then bytes are taken to need no time."""

    @abstractmethod
    async def receive(self) -> bytes:
        """At least one byte; always a checkpoint."""

    @abstractmethod
    async def send(self, data: bytes | memoryview) -> None:
        """All of it."""

    def send_nowait(self, data: bytes | memoryview) -> int:
        """As much as the port takes at once; 0 where that is unknown."""
        return 0

    can_poll = False
    """Whether `receive_nowait` reads."""

    def receive_nowait(self) -> bytes:
        """What has come, without waiting."""
        return b""

    def is_readable(self) -> bool:
        """Whether bytes wait to be read, where the port can report that."""
        return False

    @property
    def unsent_bytes(self) -> int:
        """What the port has taken and not put on the line yet; 0 where that is unknown."""
        return 0

    def set_baud(self, baud: int) -> bool:
        """Change the host's side of the line; False where there is no such thing."""
        return False

    def set_rtscts(self, on: bool) -> None:
        """Hardware flow control on the host's side."""
        raise PortError(f"{self.name} has no RTS and CTS lines: rtscts cannot be honoured")

    def set_line(self, name: ResetLine, *, on: bool) -> None:
        """Turn a control line of the adapter on or off; PortError where there is none."""
        raise PortError(f"{self.name} has no control lines: reset cannot be honoured", errno=errno.ENOTTY)

    @abstractmethod
    async def aclose(self) -> None: ...


class _PyserialPort(Port):
    """The settings of a line that pyserial opened."""

    def __init__(self, name: str, line: serial.Serial) -> None:
        self.name = name
        self.baudrate = line.baudrate
        self._line = line

    def set_baud(self, baud: int) -> bool:
        self._line.baudrate = baud
        self.baudrate = baud
        return True

    def set_rtscts(self, on: bool) -> None:
        self._line.rtscts = on

    def set_line(self, name: ResetLine, *, on: bool) -> None:
        try:
            setattr(self._line, name, on)
        except OSError:
            super().set_line(name, on=on)


class DescriptorPort(_PyserialPort):
    """A pyserial port that has a descriptor. A forked child has none: it would keep the port locked."""

    can_poll = True

    def __init__(self, name: str, line: serial.Serial) -> None:
        super().__init__(name, line)
        self.fd = line.fileno()
        _living.add(self)
        os.set_blocking(self.fd, False)
        with contextlib.suppress(AttributeError, ValueError, OSError, NotImplementedError):
            line.set_low_latency_mode(True)  # FTDI: a timer of 1 instead of 16 ms (performance-facts 2.2)

    async def receive(self) -> bytes:
        await self._until(trio.lowlevel.wait_readable)
        data = self.receive_nowait()
        if not data:
            raise self._lost(None)
        return data

    def receive_nowait(self) -> bytes:
        """What there is to read. A terminal that is readable and yet empty has been disconnected."""
        try:
            return os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost(error) from error

    def is_readable(self) -> bool:
        return self.fd >= 0 and bool(select.select([self.fd], [], [], 0)[0])

    def send_nowait(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(error) from error

    async def send(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            sent = self.send_nowait(rest)
            if not sent:
                await self._until(trio.lowlevel.wait_writable)
            rest = rest[sent:]

    @property
    def unsent_bytes(self) -> int:
        with contextlib.suppress(AttributeError, OSError, TypeError):  # not every port reports that
            return int(self._line.out_waiting)
        return 0

    async def aclose(self) -> None:
        if self.fd >= 0:
            trio.lowlevel.notify_closing(self.fd)
            self.fd = -1
            self._line.close()

    async def _until(self, wait: object) -> None:
        """Wait on the descriptor; a port closed under the waiter is a lost port."""
        try:
            await wait(self.fd)  # type: ignore[operator]
        except (trio.ClosedResourceError, OSError) as error:
            raise self._lost(error) from error

    def _lost(self, cause: BaseException | None) -> PortError:
        why = f" ({cause})" if cause else ""
        return PortError(f"the port {self.name} was lost{why}; it is opened again as soon as it is back")


_living: weakref.WeakSet[DescriptorPort] = weakref.WeakSet()


def _close_in_child() -> None:
    """Put nothing under the number, which pyserial will close: its own close would disturb the parent's."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for port in list(_living):
        if port.fd >= 0:
            os.dup2(null, port.fd, inheritable=False)
    os.close(null)


os.register_at_fork(after_in_child=_close_in_child)


class ThreadPort(_PyserialPort):
    """A pyserial port without a descriptor: a worker thread reads with a short timeout."""

    def __init__(self, name: str, line: serial.Serial) -> None:
        super().__init__(name, line)
        self._closed = False
        line.timeout = THREAD_POLL_S

    async def receive(self) -> bytes:
        while not self._closed:
            data = await self._in_thread(self._read)
            if data:
                return data
        raise PortError(f"the port {self.name} was closed")

    def _read(self) -> bytes:
        return bytes(self._line.read(max(1, self._line.in_waiting)))

    async def send(self, data: bytes | memoryview) -> None:
        await self._in_thread(lambda: cast("bytes", self._line.write(bytes(data)) and b""))

    async def aclose(self) -> None:
        self._closed = True
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._line.close)

    async def _in_thread(self, job: object) -> bytes:
        try:
            return await trio.to_thread.run_sync(job)  # type: ignore[arg-type]
        except (serial.SerialException, OSError, TypeError) as error:
            raise PortError(f"the port {self.name} was lost ({error})") from error


class StreamPort(Port):
    """A trio stream instead of a line: the simulator in memory, or a test."""

    def __init__(self, stream: Stream, name: str = "memory", baud: int | None = None) -> None:
        self.name = name
        self.baudrate = baud
        self._stream = stream

    async def receive(self) -> bytes:
        try:
            data = await self._stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise PortError(f"the stream {self.name} broke") from error
        if not data:
            raise PortError(f"the stream {self.name} ended")
        return bytes(data)

    async def send(self, data: bytes | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise PortError(f"the stream {self.name} broke") from error

    async def aclose(self) -> None:
        await self._stream.aclose()


async def open_port(url: str, baud: int) -> Port:
    """Open a serial device by path or name (`usb:`, `auto`), or any pyserial URL but `spy://`, at this rate.

    A name, and `hwgrep://`, is looked up each time; the port is called by its device. Raises PortError, with
    the errno of the cause and what to do about it. Opening runs in a thread and is not cut short by
    cancellation: serial drivers do not like that.
    """
    line = await trio.to_thread.run_sync(_open_line, url, baud)
    device = str(line.port) if isinstance(line, serial.Serial) else url
    try:
        line.fileno()
    except (AttributeError, OSError, ValueError):
        return ThreadPort(device, line)
    return DescriptorPort(device, line)


def _open_line(url: str, baud: int) -> serial.Serial:
    if url.startswith("spy://"):
        raise PortError(
            "spy:// would not see what is read and written past pyserial, and shows passwords: open "
            f"{url.removeprefix('spy://').partition('?')[0]!r} with trace=FILE (--trace FILE) in its place",
            errno=errno.EINVAL,
        )
    if SIMULATOR_PACKAGE not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(SIMULATOR_PACKAGE)
    device = device_of(url)
    try:
        line = serial.serial_for_url(device, do_not_open=True, baudrate=baud, timeout=0)
        if isinstance(line, serial.Serial):
            device, line.exclusive = str(line.port), True
        line.open()
    except (serial.SerialException, OSError, ValueError) as error:
        raise _cannot_open(device, error) from error
    return line


def _cannot_open(url: str, error: Exception) -> PortError:
    code = getattr(error, "errno", None) or 0
    if "exclusively lock" in str(error):
        code = errno.EBUSY
    advice = _ADVICE.get(code, str(error))
    if code in (errno.EBUSY, errno.EAGAIN):
        advice = f"{port_holder(url) or 'another program'} uses it"
    return PortError(f"cannot open the port {url!r}: {advice}", errno=code or errno.ENODEV)
