"""The serial line from the module to the host: a queue with marks in it; uart.py describes how it works."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.simulator.serial.framing import QUANTUM_S, Line, UartSettings
from esp32sock.simulator.serial.wire import received

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.kernel import Kernel

CATCH_UP_BYTES = 4096
"""The most that a late pacer may send at once; the serial drivers of Linux hold about this much (chosen by
taste).
"""


@dataclass(frozen=True, slots=True)
class _Mark:
    """What happens when everything queued before it has left. `settings` replace the present ones, `pause_s`
    is silence, `unplug_s` the end of the line for so long.
    """

    settings: UartSettings | None = None
    pause_s: float = 0.0
    unplug_s: float = 0.0


class TransmitSide(Line):
    """Takes what the firmware writes, and has it leave at the pace of the line."""

    def __init__(
        self,
        kernel: Kernel,
        settings: UartSettings,
        *,
        paced: bool,
        ring_bytes: int,
        drained: Callable[[], None],
    ) -> None:
        Line.__init__(self, kernel, settings, paced=paced)
        self._drained = drained
        self.ring_bytes = ring_bytes
        """The transmit ring."""
        self.unplugged = False
        """The line is cut: the port is to be taken away."""
        self.comes_back = False
        """It will not stay cut."""
        self._muted = False
        self._queue: deque[bytes | _Mark] = deque()
        self.queued_bytes = 0
        self._burst_start = 0.0
        self._burst_bytes = 0
        self._silent_until = 0.0

    @property
    def room(self) -> bool:
        """Whether the transmit ring takes another piece of received data."""
        return self.queued_bytes < self.ring_bytes

    def write(self, data: bytes) -> None:
        """Queue bytes for the host. Short texts always fit; payload asks `room` first."""
        if not data or self._muted or self.unplugged:
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
        """The chip has stopped: what the firmware writes until `restart` is never sent."""
        self._muted = True

    def pause_output(self, seconds: float) -> None:
        """Be silent so long once everything queued has left."""
        self._mark(_Mark(pause_s=seconds))

    def unplug(self, seconds: float = math.inf) -> None:
        """Cut the line once everything queued has left, for so long. The module goes on; what it prints
        meanwhile is lost (a guess: it is the adapter that is pulled out, not the module's power).
        """
        self._mark(_Mark(unplug_s=seconds))

    def _cut(self, seconds: float) -> None:
        self.unplugged = True
        self.comes_back = seconds < math.inf
        for mark in self._queue:
            if isinstance(mark, _Mark) and mark.settings is not None:
                self.change(mark.settings)
        self._queue.clear()
        self.queued_bytes = 0
        if self.comes_back:
            self._kernel.call_later(seconds, self._plug_in)

    def _plug_in(self) -> None:
        self.unplugged = self.comes_back = False
        self._drained()

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
            if mark.unplug_s:
                self._cut(mark.unplug_s)

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

    def speak_again(self) -> None:
        """The chip restarts: what it prints is sent again."""
        self._muted = False
