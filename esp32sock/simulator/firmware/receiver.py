"""The receive task of the firmware: lines, echo, busy, and the data phase.

Theory of operation
-------------------
Every call of `receive` is one read of the UART. There are two modes.

*Lines*: bytes are echoed as they are read and collect until CR LF. A complete line goes to the executor, and
whatever else that read brought is thrown away with one `busy p...` (after the echo, before the result). While
a command runs nothing is echoed; a line that completes is dropped with `busy p...`. An empty line never
reaches the executor: it is refused here, so two empty lines in one read are two errors. All observed on 1.0,
2.0, 4.1 (basic files, sweep of AT, duplex-fast).

*Sink*: a data phase or passthrough has diverted the bytes. The sink takes what it wants; what is behind it is
dropped with `busy p...`. Diverting throws the line buffer away: bytes sent before the prompt are lost
(performance-facts 2.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.results import BUSY, FORCED_RESTART, Result, no_leading_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.kernel import Mailbox

CANCEL = b"+++"

READ_GAP_S = 0.001
"""Bytes closer together than this are one read of the UART: about ten characters at 115200, its receive
timeout.
"""

_BUFFER_LIMIT = 4096
"""An unfinished line keeps no more than this; a bound for memory, chosen above the 2050 that 2.0 was seen to
take.
"""


class DataPhase:
    """Collects exactly `length` bytes, or is cancelled by a read of exactly `+++`.

    Events go to the mailbox as they come: a piece of payload, or None for the cancellation. A length of None
    is never reached.
    """

    def __init__(self, receiver: Receiver, length: int | None) -> None:
        self._receiver = receiver
        self.length = length
        self.taken = 0
        self.finished = False
        self.events: Mailbox[bytes | None] = receiver.new_mailbox()

    def __call__(self, data: bytes, separate: bool) -> bytes:
        """One read; gives back what is not ours."""
        if separate and data == CANCEL:
            # Also as the last piece of a longer payload, or a first one of more than three (plus-plus-plus
            # files).
            self._receiver.undivert()
            self.events.put(None)
            return b""
        if self.length is None:
            return b""
        return self._collect(data, self.length - self.taken)

    def _collect(self, data: bytes, wanted: int) -> bytes:
        piece, rest = (data, b"") if len(data) <= wanted else (data[:wanted], data[wanted:])
        self.taken += len(piece)
        self._put(piece, finished=self.taken == self.length)
        return rest

    def _put(self, piece: bytes, *, finished: bool) -> None:
        if finished:
            self.finished = True
            self._receiver.undivert()
        self.events.put(piece)

    async def collect(self) -> list[bytes] | None:
        """The whole payload in pieces; None if it was cancelled."""
        pieces: list[bytes] = []
        while len(self.events) or not self.finished:
            piece = await self.events.get()
            if piece is None:
                return None
            pieces.append(piece)
        return pieces


class EscapedPhase(DataPhase):
    """The data phase of CIPSENDEX: `\\x` is x for any x but `0`, which ends it (V1.0 5.2.5, at-dialects 7.5).

    That the length counts bytes as they are written, backslashes included, is a guess.
    """

    def __init__(self, receiver: Receiver, length: int | None) -> None:
        super().__init__(receiver, length)
        self._escaped = False

    def _collect(self, data: bytes, wanted: int) -> bytes:
        piece = bytearray()
        for position, byte in enumerate(data[:wanted], 1):
            self.taken += 1
            if self._escaped and byte == ord("0"):
                self._put(bytes(piece), finished=True)
                return data[position:]
            if byte == ord("\\") and not self._escaped:
                self._escaped = True
            else:
                self._escaped = False
                piece.append(byte)
        self._put(bytes(piece), finished=self.taken == self.length)
        return data[wanted:]


class Receiver:
    """Turns reads of the UART into lines for the executor or payload for a sink."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._buffer = bytearray()
        self._stale = b""
        self._sink: Callable[[bytes, bool], bytes] | None = None
        self._last_read_s = float("-inf")
        self._idle_s = 0.0
        self._hold: int | None = None

    def reset(self) -> None:
        self._hold = None  # a restart of the UART ends it
        self._buffer.clear()
        self._stale = b""
        self._sink = None
        self._last_read_s = float("-inf")

    def new_mailbox(self) -> Mailbox[bytes | None]:
        return self._firmware.mailbox()

    def divert(self, sink: Callable[[bytes, bool], bytes]) -> None:
        """Give all further bytes to `sink`; what has been read so far is thrown away."""
        self._buffer.clear()
        self._sink = sink
        self._last_read_s = float("-inf")

    def undivert(self) -> None:
        self._sink = None

    @property
    def diverted(self) -> bool:
        return self._sink is not None

    @property
    def idle_s(self) -> float:
        """How long nothing was read before the present read."""
        return self._idle_s

    def refuse(self) -> None:
        """Bytes behind a payload: `busy p...`, never with a code (observed 1.0, tcp-single)."""
        self._firmware.write(BUSY)

    def receive(self, data: bytes) -> None:
        """One read of the UART."""
        firmware = self._firmware
        now = firmware.now
        self._idle_s = now - self._last_read_s
        separate = self._idle_s >= READ_GAP_S
        self._last_read_s = now
        if self._sink is not None:
            rest = self._sink(data, separate)
            if rest:
                self.refuse()
            return
        said = firmware.uart.queued_bytes
        self._lines(data)
        if firmware.uart.queued_bytes > said and not firmware.uart.room and self._hold is None:
            self._hold = firmware.uart.hold()  # the task waits with its echo or its `busy p...`

    def read_on(self) -> None:
        """The transmit ring has room again."""
        if self._hold is not None:
            hold, self._hold = self._hold, None
            self._firmware.uart.release(hold)

    def _lines(self, data: bytes) -> None:
        firmware, buffer = self._firmware, self._buffer
        crash = firmware.profile.line_crash
        if crash is not None and len(data) >= crash:
            firmware.crash()
            return
        start = len(buffer)
        buffer += data
        end = self._line_end(start)
        while end is not None:
            if firmware.executor.running:
                self._busy(bytes(buffer))
                buffer.clear()
                return
            line = self._shortened(bytes(buffer[:end]))
            rest = bytes(buffer[end + 2 :])
            self._echo(bytes(buffer[start : end + 2]))
            self._stale = line + b"\r\n"
            buffer.clear()
            if line:
                self._submit(line)
                if rest:
                    self._busy(rest)
                return
            firmware.print_refusal(no_leading_at())
            buffer += rest
            start = 0
            end = self._line_end(0)
        if not firmware.executor.running:
            self._echo(bytes(buffer[start:]))
        limit = firmware.profile.unfinished_limit
        if limit is not None and len(buffer) >= limit:
            buffer.clear()
        del buffer[_BUFFER_LIMIT:]

    def _shortened(self, line: bytes) -> bytes:
        """What the buffer still holds of a line when its end comes."""
        limit = self._firmware.profile.line_limit
        return line if limit is None or len(line) < limit else line[len(line) // limit * limit :]

    def _line_end(self, start: int) -> int | None:
        """Where the CR LF of the first line stands."""
        buffer = self._buffer
        if self._firmware.profile.nul_ends_search and b"\0" in buffer:
            return None
        end = buffer.find(b"\r\n", max(0, start - 1))
        if end >= 0:
            return end
        if self._firmware.profile.sees_stale_line_end and buffer.endswith(b"\r"):
            behind = self._stale[len(buffer) : len(buffer) + 1]
            if behind == b"\n":
                buffer += b"\n"
                return len(buffer) - 2
        return None

    def _echo(self, data: bytes) -> None:
        if self._firmware.state.echo:
            # NUL bytes are not echoed (observed 2.0, 4.1), but on 1.0 they are.
            keeps_nul = self._firmware.profile.nul_ends_search
            self._firmware.write(data if keeps_nul else data.replace(b"\0", b""))

    def _submit(self, line: bytes) -> None:
        firmware = self._firmware
        verdict = firmware.faults.line(line) if firmware.faults.active else "run"
        if verdict == "error":
            firmware.write(Result.ERROR.value)
            return
        if verdict != "run":
            firmware.print_busy()
        if verdict != "busy":
            firmware.executor.submit(line)

    def _busy(self, refused: bytes) -> None:
        firmware = self._firmware
        if refused == b"AT+RST\r\n" and firmware.executor.running:
            # The one line that gets through (observed 2.0, 4.2).
            firmware.write(FORCED_RESTART)
            firmware.write(Result.OK.value)
            firmware.restart_soon()
            return
        firmware.print_busy()
