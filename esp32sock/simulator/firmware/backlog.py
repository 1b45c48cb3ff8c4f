"""Back-pressure on the serial line: bounds what the firmware has read of the host and not yet got rid of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esp32sock.simulator.serial.uart import Uart

BUFFER_BYTES = 8192
"""What the module keeps for a network that does not take it (at-dialects 7.10); assumed for CIPSENDL too."""


class Backlog:
    """While more than `BUFFER_BYTES` wait, the UART is not read: RTS goes up, or bytes are lost."""

    def __init__(self, uart: Uart) -> None:
        self._uart = uart
        self._hold: int | None = None
        self._bytes = 0

    def came(self, count: int) -> None:
        self._bytes += count
        if self._bytes > BUFFER_BYTES and self._hold is None:
            self._hold = self._uart.hold()

    def went(self, count: int) -> None:
        self._bytes -= count
        if self._bytes <= BUFFER_BYTES:
            self._release()

    def clear(self) -> None:
        """Nothing waits any more, sent or not."""
        self._bytes = 0
        self._release()

    def _release(self) -> None:
        if self._hold is not None:
            self._uart.release(self._hold)
            self._hold = None
