"""The serial line of the module: baud, flow control, the receive ring, the transmit ring, latency. Sans-IO.

Theory of operation ------------------- *Host to module.* What the host writes waits on the wire (`_wire`),
arrives at the pace of the line, and goes through the receive ring of 2048 bytes to the firmware. The firmware
reads as fast as bytes come, or at `drain_bytes_per_s`, or not at all while somebody `hold`s the input. When
the ring is full, RTS goes up: a host that minds it (`HostLine.rtscts`, and the module's flow control has bit
0) stops, and its bytes stay on the wire; from any other host the bytes that find no room are lost, in silence
(at-dialects 2, 8.4). An unpaced line carries bytes in no time, but not faster than the module reads them: it
overflows only while held.

*Module to host.* Writes of the firmware queue up and leave at the pace of the line. Marks in the queue are
things that happen when everything before them has left: new settings, a pause, the end of the line. No byte
is ever lost here; a host that does not read makes the queue wait.

Each direction is paced by an absolute token bucket: byte n of a burst may pass at `start + n * 10 / baud`,
whatever happened to the bytes before it, so sleeping too long is caught up and no error accumulates
(measured: relative sleeping reaches 41 % of 5 Mbaud, an absolute bucket 100 %; performance-facts 5). What may
be caught up in one go is bounded, or a stall of the machine would come out as a burst that no UART can send.

`latency_s` stands for the host's adapter (latency timer, USB poll, driver): a constant delay on what the host
writes. One exchange therefore costs it exactly once, and a stream that needs no answer costs nothing.

If the two ends are set differently, either side reads garbage (wire.py).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .wire import Frame, HostLine, equal_rates, received

if TYPE_CHECKING:
    from collections.abc import Callable

    from .kernel import Kernel, Timer

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

RECEIVE_RING_BYTES = 2048
"""The driver's receive ring (at-dialects 2)."""

FIFO_BYTES = 128
"""The hardware FIFO in front of it: still filled when the ring is full. RTS goes up at 120 of them."""

WIRE_BYTES = 4096
"""What the host's driver takes from a program ahead of the line (chosen by taste; performance-facts 3.3)."""

OPEN_WIRE_BYTES = 1 << 20
"""The same on an unpaced line, where only latency keeps bytes waiting."""

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


@dataclass(frozen=True, slots=True)
class _Mark:
    """What happens when everything queued before it has left. `settings` replace the present ones, `pause_s`
    is silence, `unplug` the end of the line.
    """

    settings: UartSettings | None = None
    pause_s: float = 0.0
    unplug: bool = False


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
        drain_bytes_per_s: float | None = None,
    ) -> None:
        self._kernel = kernel
        self._deliver = deliver
        self._drained = drained
        self.settings = settings
        self.paced = paced
        self.latency_s = latency_s
        self.ring_bytes = ring_bytes
        """The transmit ring."""
        self.drain_bytes_per_s = drain_bytes_per_s
        """How fast the firmware empties the receive ring; None: as fast as bytes come."""
        self.host = HostLine()
        """The other end, as the port last saw it."""
        self.unplugged = False
        """The line is cut: whoever runs the port closes it."""
        self.lost_bytes = 0
        """Bytes of the host that found the receive ring full."""
        self._muted = False

        self._wire: deque[tuple[float, bytes]] = deque()
        self.wire_bytes = 0
        self._wire_free_at = 0.0
        self._arrival: Timer | None = None
        self._ring = bytearray()
        self._reading: Timer | None = None
        self._holds: set[int] = set()
        self._last_hold = 0

        self._queue: deque[bytes | _Mark] = deque()
        self.queued_bytes = 0
        self._burst_start = 0.0
        self._burst_bytes = 0
        self._silent_until = 0.0

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

    def restart(self) -> None:
        """The chip restarts: its receive ring is empty, nobody holds it, and it may speak again."""
        self._ring.clear()
        self._holds.clear()
        self._muted = False
        self._carry()

    # Module to host

    @property
    def room(self) -> bool:
        """Whether the transmit ring takes another piece of received data."""
        return self.queued_bytes < self.ring_bytes

    def write(self, data: bytes) -> None:
        """Queue bytes for the host. Short texts always fit; payload asks `room` first."""
        if not data or self._muted:
            return
        if not self.queued_bytes:
            self._start_burst()
        self._queue.append(data)
        self.queued_bytes += len(data)

    def _start_burst(self) -> None:
        # A byte in flight keeps the line busy until its own end.
        line_free_at = self._burst_start + self._burst_bytes / self.bytes_per_s
        self._burst_start = max(self._kernel.now, line_free_at, self._silent_until)
        self._burst_bytes = 0

    def mute(self) -> None:
        """The chip has died: what the firmware goes on to say until `restart` is never sent."""
        self._muted = True

    def pause_output(self, seconds: float) -> None:
        """Be silent so long once everything queued has left."""
        self._mark(_Mark(pause_s=seconds))

    def unplug(self) -> None:
        """Cut the line once everything queued has left."""
        self._mark(_Mark(unplug=True))

    def change_after_output(self, settings: UartSettings) -> None:
        """New settings once all that is queued has left: OK goes out at the old speed (at-dialects 2)."""
        self._mark(_Mark(settings=settings))

    def _mark(self, mark: _Mark) -> None:
        self._queue.append(mark)
        if not self.queued_bytes:
            self._pass_marks()

    def _pass_marks(self) -> None:
        """Let happen what stands at the head of the queue."""
        queue = self._queue
        while queue and isinstance(mark := queue[0], _Mark):
            queue.popleft()
            if mark.settings is not None:
                self.change(mark.settings)
            if mark.pause_s > 0:
                self._silent_until = max(self._kernel.now, self._silent_until) + mark.pause_s
                self._start_burst()
            if mark.unplug:
                self.unplugged = True

    def _allowance(self) -> int:
        now = self._kernel.now
        if now + 1e-9 < self._silent_until:
            return 0
        if not self.paced:
            return self.queued_bytes
        elapsed = now - self._burst_start
        allowance = int(elapsed * self.bytes_per_s + 1e-6) - self._burst_bytes
        cap = max(CATCH_UP_BYTES, int(4 * QUANTUM_S * self.bytes_per_s))
        if allowance > cap:
            self._burst_start = now - (self._burst_bytes + cap) / self.bytes_per_s
            allowance = cap
        return allowance

    def take(self, limit: int) -> bytes:
        """The bytes that have left the module by now, at most `limit`; they count as gone."""
        allowance = min(self._allowance(), limit, self.queued_bytes)
        if allowance <= 0 or self.unplugged:
            return b""
        data = self._take_queued(allowance)
        self.queued_bytes -= len(data)
        self._burst_bytes += len(data)
        host = self._unequal_host()
        if host is not None:
            data = received(data, self.settings.frame, host)
        self._pass_marks()
        self._drained()
        return data

    def _take_queued(self, wanted: int) -> bytes:
        """Bytes from the head of the queue, at most up to its first mark."""
        queue = self._queue
        head = queue[0]
        if isinstance(head, bytes) and len(queue) == 1 and len(head) <= wanted:
            queue.clear()
            return head
        pieces: list[bytes] = []
        while wanted and queue and isinstance(piece := queue[0], bytes):
            if len(piece) > wanted:
                queue[0] = piece[wanted:]
                piece = piece[:wanted]
            else:
                queue.popleft()
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def deadline(self) -> float | None:
        """When `take` will have something; None if nothing is queued."""
        if not self.queued_bytes or self.unplugged:
            return None
        if not self.paced:
            return max(self._kernel.now, self._silent_until)
        wanted = max(1, min(self.queued_bytes, int(QUANTUM_S * self.bytes_per_s)))
        return max(self._silent_until, self._burst_start + (self._burst_bytes + wanted) / self.bytes_per_s)

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
