"""The serial line from the host to the module: the wire and the receive ring; uart.py describes both."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from esp32sock.simulator.serial.framing import QUANTUM_S, Line, UartSettings
from esp32sock.simulator.serial.wire import received

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.kernel import Kernel, Timer

READ_BYTES = 120
"""One read of the firmware at most, where the line is slow: the RX FIFO threshold (at-dialects 2)."""

RECEIVE_RING_BYTES = 2048
"""The driver's receive ring (at-dialects 2)."""

FIFO_BYTES = 128
"""The hardware FIFO in front of it: still filled when the ring is full. RTS goes up at 120 of them."""

WIRE_BYTES = 4096
"""What the host's driver takes from a program ahead of the line (chosen by taste; performance-facts 3.3)."""

OPEN_WIRE_BYTES = 1 << 20
"""The same on an unpaced line, where only latency keeps bytes waiting."""


class ReceiveSide(Line):
    """Takes what the host writes, and delivers it to the firmware as it reads."""

    def __init__(
        self,
        kernel: Kernel,
        settings: UartSettings,
        *,
        paced: bool,
        latency_s: float,
        deliver: Callable[[bytes], None],
        drain_bytes_per_s: float | None,
    ) -> None:
        Line.__init__(self, kernel, settings, paced=paced)
        self._deliver = deliver
        self.latency_s = latency_s
        self.drain_bytes_per_s = drain_bytes_per_s
        """How fast the firmware empties the receive ring; None: as fast as bytes come."""
        self.lost_bytes = 0
        """Bytes of the host that found the receive ring full."""
        self._wire: deque[tuple[float, bytes]] = deque()
        self.wire_bytes = 0
        self._wire_free_at = 0.0
        self._arrival: Timer | None = None
        self._ring = bytearray()
        self._reading: Timer | None = None
        self._holds: set[int] = set()
        self._last_hold = 0

    # Host to module: the wire

    def host_wrote(self, data: bytes) -> None:
        """The host has written: pass it on at once, or when the line has carried it."""
        host = self._unequal_host()
        if host is not None:
            data = received(data, host, self.settings.frame)
        if not self.paced and self.latency_s == 0 and not self._wire and self._reads_at_once:
            self._deliver(data)
            return
        if data:
            self._wire.append((self._kernel.now + self.latency_s, data))
            self.wire_bytes += len(data)
            self._carry()

    @property
    def accepting(self) -> bool:
        """Whether the host may write more; if not, its writes wait as in the driver of a serial port."""
        if not self.paced:
            return self.wire_bytes < OPEN_WIRE_BYTES
        return self.wire_bytes < WIRE_BYTES + self.latency_s * self.bytes_per_s

    def _carry(self) -> None:
        """Put the next piece of the wire under way, if there is one and it may come."""
        if self._arrival is not None or not self._wire:
            return
        ready_at, data = self._wire[0]
        room = self._room_for(len(data))
        if room <= 0:
            return  # RTS is up; reading the ring calls again
        if not self.paced:
            self._arrival = self._kernel.call_at(ready_at, self._arrive)
            return
        rate = self.bytes_per_s
        count = min(len(data), room, max(READ_BYTES, int(rate * QUANTUM_S)))
        start = max(ready_at, self._wire_free_at)
        self._wire_free_at = start + count / rate
        self._arrival = self._kernel.call_at(self._wire_free_at, lambda: self._arrive(count))

    def _room_for(self, wanted: int) -> int:
        """How many bytes the host may send now."""
        if not self.rts_minded or self._reads_at_once:
            return wanted
        return RECEIVE_RING_BYTES + FIFO_BYTES - len(self._ring)

    def _arrive(self, count: int | None = None) -> None:
        self._arrival = None
        if not self._wire:
            return
        ready_at, data = self._wire.popleft()
        count = min(len(data), self._room_for(len(data))) if count is None else count
        if count < len(data):
            self._wire.appendleft((ready_at, data[count:]))
            data = data[:count]
        self.wire_bytes -= count
        if self._reads_at_once and data:
            self._deliver(data)
        else:
            self._put_into_ring(data)
        self._carry()

    # Host to module: the receive ring

    @property
    def _reads_at_once(self) -> bool:
        return not self._holds and not self._ring and self.drain_bytes_per_s is None

    def _put_into_ring(self, data: bytes) -> None:
        room = RECEIVE_RING_BYTES + FIFO_BYTES - len(self._ring)
        if len(data) > room:
            self.lost_bytes += len(data) - max(0, room)
            data = data[: max(0, room)]
        self._ring += data
        self._read_ring()

    def _read_ring(self) -> None:
        """Let the firmware read on, now or at its own pace."""
        if self._holds or self._reading is not None or not self._ring:
            return
        if self.drain_bytes_per_s is None:
            data = bytes(self._ring)
            self._ring.clear()
            self._deliver(data)
            self._carry()
            return
        count = min(READ_BYTES, len(self._ring))
        self._reading = self._kernel.call_later(
            count / self.drain_bytes_per_s, lambda: self._read_some(count)
        )

    def _read_some(self, count: int) -> None:
        self._reading = None
        if self._holds:
            return
        data = bytes(self._ring[:count])
        del self._ring[:count]
        if data:
            self._deliver(data)
        self._carry()
        self._read_ring()

    def hold(self) -> int:
        """Stop reading the receive ring, until `release` of what this returns."""
        self._last_hold += 1
        self._holds.add(self._last_hold)
        return self._last_hold

    def release(self, hold: int) -> None:
        """Idempotent. May be called from inside a read: what waited comes as a read of its own."""
        if hold in self._holds:
            self._holds.discard(hold)
            if not self._holds:
                self._kernel.call_soon(self._resume)

    def _resume(self) -> None:
        self._read_ring()
        self._carry()

    def empty_ring(self) -> None:
        """The chip restarts: its receive ring is empty, and the input is not held."""
        self._ring.clear()
        self._holds.clear()
        self._carry()
