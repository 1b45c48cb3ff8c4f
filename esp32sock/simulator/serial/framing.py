"""What both directions of the serial line share: its settings, and how the two ends compare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from esp32sock.simulator.serial.wire import Frame, HostLine, equal_rates

if TYPE_CHECKING:
    from esp32sock.simulator.kernel import Kernel

BITS_PER_BYTE = 10
"""8N1: start bit, eight data bits, stop bit."""

QUANTUM_S = 0.001
"""How long bytes may collect before they are handed on.

1 ms keeps the pacer at 4-6 % of a core (performance-facts 5).
"""

CLOCK_HZ = 80_000_000
"""APB clock that feeds the baud divider of an ESP32."""

RTS, CTS = 1, 2
"""The bits of the flow control setting (V1.0 3.2.7): RTS slows the host down, CTS the module."""


def real_baud(baud: int) -> int:
    """What the divider makes of a baud, and what AT+UART_CUR? reads back: 115201 for 115200 (observed 2.0,
    4.1).
    """
    return CLOCK_HZ * 16 // max(1, CLOCK_HZ * 16 // baud)


@dataclass(frozen=True, slots=True)
class UartSettings:
    """The five parameters of AT+UART; the defaults are those of a fresh module (at-dialects 2)."""

    baud: int = 115200
    data_bits: int = 8
    stop_bits: int = 1
    parity: int = 0
    flow_control: int = 1

    @property
    def frame(self) -> Frame:
        return Frame(self.baud, self.data_bits, self.stop_bits, self.parity)


class Line:
    """The module's end of the line. Sans-IO."""

    def __init__(self, kernel: Kernel, settings: UartSettings, *, paced: bool) -> None:
        self._kernel = kernel
        self.settings = settings
        self.paced = paced
        self.host = HostLine()
        """The other end, as the port last saw it."""

    @property
    def bytes_per_s(self) -> float:
        return self.settings.baud / BITS_PER_BYTE

    @property
    def rts_minded(self) -> bool:
        """Whether the host stops when the module's RTS says so."""
        return self.host.rtscts and bool(self.settings.flow_control & RTS)

    def _unequal_host(self) -> Frame | None:
        """How the host frames its bytes, if its rate is not ours."""
        baud = self.host.baud
        if baud is None or equal_rates(baud, self.settings.baud):
            return None
        return replace(self.settings.frame, baud=baud)
