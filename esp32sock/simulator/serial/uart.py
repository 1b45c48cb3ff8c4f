"""The serial line of the module: baud, flow control, the receive ring, the transmit ring, latency. Sans-IO.

Theory of operation
-------------------
*Host to module* (rx.py). What the host writes waits on the wire (`_wire`), arrives at the pace of
the line, and goes through the receive ring of 2048 bytes to the firmware. The firmware reads as fast as bytes
come, or at `drain_bytes_per_s`, or not at all while the input is held (`hold`). When the ring is full, RTS
goes up: a host that honours it (`HostLine.rtscts`, and the module's flow control has bit 0) stops, and its
bytes stay on the wire; from any other host the bytes that find no room are lost, in silence (at-dialects 2,
8.4). An unpaced line carries bytes in no time, but not faster than the module reads them: it overflows only
while held.

*Module to host* (tx.py). Writes of the firmware queue up and leave at the pace of the line. Marks
in the queue are things that happen when everything before them has left: new settings, a pause, the end of
the line. A host that does not read makes the queue wait, and a task that writes waits in turn once it is
full; only what is printed while the line is unplugged is lost.

Each direction is paced by an absolute token bucket: byte n of a burst may pass at `start + n * 10 / baud`,
whatever happened to the bytes before it, so sleeping too long is caught up and no error accumulates
(measured: relative sleeping reaches 41 % of 5 Mbaud, an absolute bucket 100 %; performance-facts 5). What may
be caught up in one go is bounded, or a stall of the machine would come out as a burst that no UART can send.

`latency_s` stands for the host's adapter (latency timer, USB poll, driver): a constant delay on what the host
writes. One exchange therefore costs it exactly once, and a stream that needs no answer costs nothing.

If the two ends are set differently, either side reads garbage (wire.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.serial.framing import (  # noqa: TC001  (others import it from here)
    UartSettings as UartSettings,
)
from esp32sock.simulator.serial.framing import real_baud as real_baud
from esp32sock.simulator.serial.rx import ReceiveSide
from esp32sock.simulator.serial.tx import TransmitSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.kernel import Kernel


class Uart(ReceiveSide, TransmitSide):
    """Bytes of the host in, bytes for the host out, at the pace of the line."""

    def __init__(
        self,
        kernel: Kernel,
        *,
        settings: UartSettings,
        paced: bool,
        latency_s: float,
        ring_bytes: int,
        deliver: Callable[[bytes], None],
        drained: Callable[[], None],
        drain_bytes_per_s: float | None = None,
    ) -> None:
        TransmitSide.__init__(self, kernel, settings, paced=paced, ring_bytes=ring_bytes, drained=drained)
        ReceiveSide.__init__(
            self,
            kernel,
            settings,
            paced=paced,
            latency_s=latency_s,
            deliver=deliver,
            drain_bytes_per_s=drain_bytes_per_s,
        )

    def restart(self) -> None:
        """The chip restarts: its receive ring is empty, the input is not held, and it may print again."""
        self.speak_again()
        self.empty_ring()
