"""The serial line of the module: pacing by baud, turn-around latency, the transmit ring. Sans-IO.

Two directions, each paced by an absolute token bucket: byte n of a burst may pass at `start + n * 10 / baud`,
whatever happened to the bytes before it, so sleeping too long is caught up and no error accumulates
(measured: relative sleeping reaches 41 % of 5 Mbaud, an absolute bucket 100 %; performance-facts 5). What may
be caught up in one go is bounded, or a stall of the machine would come out as a burst that no UART can send.

`latency_s` stands for the host's adapter (latency timer, USB poll, driver): a constant delay on what the host
writes. One exchange therefore costs it exactly once, and a stream that needs no answer costs nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .kernel import Kernel

BITS_PER_BYTE = 10
"""8N1: start bit, eight data bits, stop bit."""

QUANTUM_S = 0.001
"""How long bytes may collect before they are handed on.

1 ms keeps the pacer at 4-6 % of a core (performance-facts 5).
"""

CATCH_UP_BYTES = 4096
"""The most that a late pacer may send at once; the serial drivers of Linux hold about this much (chosen by
taste).
"""

READ_BYTES = 120
"""One read of the firmware at most, where the line is slow: the RX FIFO threshold (at-dialects 2)."""

CLOCK_HZ = 80_000_000
"""APB clock that feeds the baud divider of an ESP32."""


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


class Uart:
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
    ) -> None:
        self._kernel = kernel
        self._deliver = deliver
        self._drained = drained
        self.settings = settings
        self.paced = paced
        self.latency_s = latency_s
        self.ring_bytes = ring_bytes
        self._receive_free_at = 0.0
        self._queue: deque[bytes] = deque()
        self.queued_bytes = 0
        self._burst_start = 0.0
        self._burst_bytes = 0

    @property
    def bytes_per_s(self) -> float:
        return self.settings.baud / BITS_PER_BYTE

    # Host to module

    def host_wrote(self, data: bytes) -> None:
        """The host has written: pass it on at once, or when the line has carried it."""
        if not self.paced and self.latency_s == 0:
            self._deliver(data)
            return
        start = self._kernel.now + self.latency_s
        if not self.paced:
            self._kernel.call_at(start, partial(self._deliver, data))
            return
        rate = self.bytes_per_s
        piece_bytes = max(READ_BYTES, int(rate * QUANTUM_S))
        free_at = max(start, self._receive_free_at)
        for offset in range(0, len(data), piece_bytes):
            piece = data[offset : offset + piece_bytes]
            free_at += len(piece) / rate
            self._kernel.call_at(free_at, partial(self._deliver, piece))
        self._receive_free_at = free_at

    # Module to host

    @property
    def room(self) -> bool:
        """Whether the transmit ring takes another piece of received data."""
        return self.queued_bytes < self.ring_bytes

    def write(self, data: bytes) -> None:
        """Queue bytes for the host. Short texts always fit; payload asks `room` first."""
        if not data:
            return
        if not self._queue:
            # A byte in flight keeps the line busy until its own end.
            line_free_at = self._burst_start + self._burst_bytes / self.bytes_per_s
            self._burst_start = max(self._kernel.now, line_free_at)
            self._burst_bytes = 0
        self._queue.append(data)
        self.queued_bytes += len(data)

    def _allowance(self) -> int:
        if not self.paced:
            return self.queued_bytes
        elapsed = self._kernel.now - self._burst_start
        allowance = int(elapsed * self.bytes_per_s + 1e-6) - self._burst_bytes
        cap = max(CATCH_UP_BYTES, int(4 * QUANTUM_S * self.bytes_per_s))
        if allowance > cap:
            self._burst_start = self._kernel.now - (self._burst_bytes + cap) / self.bytes_per_s
            allowance = cap
        return allowance

    def take(self, limit: int) -> bytes:
        """The bytes that have left the module by now, at most `limit`; they count as gone."""
        allowance = min(self._allowance(), limit, self.queued_bytes)
        if allowance <= 0:
            return b""
        queue = self._queue
        if len(queue) == 1 and len(queue[0]) <= allowance:
            data = queue.popleft()
        else:
            pieces: list[bytes] = []
            wanted = allowance
            while wanted and queue:
                piece = queue.popleft()
                if len(piece) > wanted:
                    queue.appendleft(piece[wanted:])
                    piece = piece[:wanted]
                pieces.append(piece)
                wanted -= len(piece)
            data = b"".join(pieces)
        self.queued_bytes -= len(data)
        self._burst_bytes += len(data)
        self._drained()
        return data

    def deadline(self) -> float | None:
        """When `take` will have something; None if nothing is queued."""
        if not self.queued_bytes:
            return None
        if not self.paced:
            return self._kernel.now
        wanted = max(1, min(self.queued_bytes, int(QUANTUM_S * self.bytes_per_s)))
        return self._burst_start + (self._burst_bytes + wanted) / self.bytes_per_s

    @property
    def idle(self) -> bool:
        return not self.queued_bytes

    def change(self, settings: UartSettings) -> None:
        """Apply new settings, from the next byte on."""
        self.settings = settings
        self._burst_start = self._kernel.now
        self._burst_bytes = 0

    def seconds_to_drain(self) -> float:
        """How long the line needs for what is queued; 0 when not paced."""
        if not self.paced or not self.queued_bytes:
            return 0.0
        end = self._burst_start + (self._burst_bytes + self.queued_bytes) / self.bytes_per_s
        return max(0.0, end - self._kernel.now)
