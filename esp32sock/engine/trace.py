"""A record of what passes on the serial line: as text, as a capture for Wireshark, and in the log.

Passwords are taken out (`at/masking.py`); payload is not. The text has the form of the captures of real
firmware: a line is seconds, direction, number of bytes, escaped bytes. The files belong to their user
alone. A file that cannot be written any more ends the record, with a warning, and nothing else.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from esp32sock._escaped import escaped, shortened
from esp32sock._files import open_private
from esp32sock._pcapng import INBOUND, LINKTYPE_USER0, OUTBOUND, interface, packet, section_header
from esp32sock._version import __version__
from esp32sock.at.masking import SecretMask
from esp32sock.engine.transports import Port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from esp32sock.engine.options import ResetLine

STDERR = "-"
SENT, RECEIVED = "H>M", "M>H"

log = logging.getLogger("esp32sock")
dialogue_log = logging.getLogger("esp32sock.dialogue")


class Trace:
    """Where the record goes; times are the clock's of this machine."""

    def __init__(self, text: BinaryIO | None = None, capture: BinaryIO | None = None) -> None:
        self._text = text
        self._capture = capture
        self._began_at = time.clock_gettime(time.CLOCK_MONOTONIC)
        self._began_unix = time.clock_gettime(time.CLOCK_REALTIME)
        if capture is not None:
            application = f"esp32sock {__version__}"
            self._write(capture, section_header(application) + interface(LINKTYPE_USER0, "AT"))
        self._remark(f"# esp32sock {__version__}, Unix time {self._began_unix:.3f}")

    def opened(self, port: Port) -> None:
        """A port is open: what follows passes on it."""
        rate = "" if port.baudrate is None else f", {port.baudrate} baud"
        self._remark(f"## {port.name}{rate}")

    def _remark(self, line: str) -> None:
        if self._text is not None:
            self._write(self._text, f"{line}\n".encode(errors="backslashreplace"))

    def add(self, direction: str, data: bytes) -> None:
        """These bytes have passed; passwords are taken out already."""
        if not data:
            return
        elapsed_s = time.clock_gettime(time.CLOCK_MONOTONIC) - self._began_at
        if self._text is not None:
            line = f"{elapsed_s:9.3f} {direction} {len(data):5d} {escaped(data)}\n"
            self._write(self._text, line.encode())
        if self._capture is not None:
            side = OUTBOUND if direction == SENT else INBOUND
            self._write(self._capture, packet(0, self._began_unix + elapsed_s, data, side))
        if dialogue_log.isEnabledFor(logging.DEBUG):
            dialogue_log.debug("%s %d %s", direction, len(data), shortened(data))

    def _write(self, file: BinaryIO, data: bytes) -> None:
        try:
            file.write(data)
            file.flush()
        except OSError as error:
            log.warning("the record of the serial line ends: %s", error)
            self._text = self._capture = None


@contextmanager
def recording(trace: str | PathLike[str] | None, pcap: str | PathLike[str] | None) -> Iterator[Trace | None]:
    """A record into these files for the time of the block; None if neither they nor the log need one.

    OSError for a file that cannot be opened; `-` is stderr. Whether the log gets it is decided here.
    """
    with ExitStack() as files:
        text = None if trace is None else files.enter_context(_opened(trace))
        capture = None if pcap is None else files.enter_context(_opened(pcap))
        is_wanted = text is not None or capture is not None or dialogue_log.isEnabledFor(logging.DEBUG)
        yield Trace(text, capture) if is_wanted else None


def _opened(path: str | PathLike[str]) -> BinaryIO:
    return os.fdopen(os.dup(2), "wb") if path == STDERR else open_private(os.fspath(path))


def traced(port: Port, trace: Trace | None) -> Port:
    """The port, with what passes on it recorded."""
    return port if trace is None else TracedPort(port, trace)


class TracedPort(Port):
    """A port with a record of its bytes."""

    def __init__(self, port: Port, trace: Trace) -> None:
        self._port = port
        self._trace = trace
        self._mask = SecretMask()
        self.name = port.name
        self.baudrate = port.baudrate
        self.can_poll = port.can_poll
        trace.opened(port)

    async def receive(self) -> bytes:
        data = await self._port.receive()
        self._trace.add(RECEIVED, self._mask.received(data))
        return data

    def receive_nowait(self) -> bytes:
        data = self._port.receive_nowait()
        if data:
            self._trace.add(RECEIVED, self._mask.received(data))
        return data

    async def send(self, data: bytes | memoryview) -> None:
        self._trace.add(SENT, self._mask.sent(bytes(data)))
        await self._port.send(data)

    def send_nowait(self, data: bytes | memoryview) -> int:
        count = self._port.send_nowait(data)
        self._trace.add(SENT, self._mask.sent(bytes(data[:count])))
        return count

    def is_readable(self) -> bool:
        return self._port.is_readable()

    @property
    def unsent_bytes(self) -> int:
        return self._port.unsent_bytes

    def set_baud(self, baud: int) -> bool:
        is_set = self._port.set_baud(baud)
        self.baudrate = self._port.baudrate
        if is_set:
            self._trace.opened(self)
        return is_set

    def set_rtscts(self, on: bool) -> None:
        self._port.set_rtscts(on)

    def set_line(self, name: ResetLine, *, on: bool) -> None:
        self._port.set_line(name, on=on)

    async def aclose(self) -> None:
        sent, received = self._mask.rest()
        self._trace.add(SENT, sent)
        self._trace.add(RECEIVED, received)
        await self._port.aclose()
