"""The receive task of the firmware: lines, echo, busy, and the data phase.

Theory of operation
-------------------
Every call of `receive` is one read of the UART. There are two modes.

*Lines*: bytes are echoed as they are read and collect until CR LF. A complete line goes to the executor, and
whatever else that read brought is thrown away with one `busy p...` (after the echo, before the result). While
a command runs nothing is echoed; a line that completes is dropped with `busy p...`. An empty line never
reaches the executor: it is refused here, so two empty lines in one read are two errors. All observed on 1.0,
2.0, 4.1 (basic files, sweep of AT, duplex-fast).

*Sink*: a data phase or passthrough has diverted the bytes. The sink takes its part; what is behind it is
dropped with `busy p...`. Diverting throws the line buffer away: bytes sent before the prompt are lost
(performance-facts 2.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from esp32sock.simulator.firmware.results import FORCED_RESTART, Result, no_leading_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.kernel import Mailbox

READ_GAP_S = 0.001
"""Bytes closer together than this are one read of the UART: about ten characters at 115200, its receive
timeout.
"""

_BUFFER_LIMIT = 4096
"""An unfinished line keeps no more than this; a bound for memory, chosen above the 2050 that 2.0 was seen to
take.
"""


class CommandRunner(Protocol):
    """What runs the complete lines."""

    @property
    def running(self) -> bool:
        """Whether a command is under way, so that every other line is `busy p...`."""

    def submit(self, line: bytes) -> None:
        """Begin with a command line; nothing else may be running."""

    def reset(self) -> None:
        """The firmware restarts: what ran has been cancelled."""


class Receiver:
    """Turns reads of the UART into lines for the executor or payload for a sink."""

    def __init__(
        self, board: Board, runner: CommandRunner, *, crash: Callable[[], None], restart: Callable[[], None]
    ) -> None:
        """`crash` resets the chip at once; `restart` once what runs now is done."""
        self._board = board
        self._runner = runner
        self._crash = crash
        self._restart = restart
        self._buffer = bytearray()
        self._stale = b""
        self._sink: Callable[[bytes, bool], bytes] | None = None
        self._last_read_s = float("-inf")
        self._idle_s = 0.0
        self._hold: int | None = None
        self.deaf = False
        """Hears nothing any more: `deafen`."""

    def reset(self) -> None:
        self._hold = None  # a restart of the UART ends it
        self.deaf = False
        self._buffer.clear()
        self._stale = b""
        self._sink = None
        self._last_read_s = float("-inf")

    def new_mailbox(self) -> Mailbox[bytes | None]:
        return self._board.mailbox()

    def divert(self, sink: Callable[[bytes, bool], bytes]) -> None:
        """Give all further bytes to `sink`; what has been read so far is thrown away."""
        self._buffer.clear()
        self._sink = sink
        self._last_read_s = float("-inf")

    def undivert(self) -> None:
        self._sink = None

    def deafen(self) -> None:
        """Take nothing in any more until the chip is reset."""
        self.divert(lambda data, separate: b"")
        self.deaf = True

    @property
    def diverted(self) -> bool:
        """Whether the bytes are payload, and not lines."""
        return self._sink is not None

    @property
    def expects_more(self) -> bool:
        """Whether part of a line has come, or one that no line end is found in."""
        return bool(self._buffer)

    @property
    def idle_s(self) -> float:
        """How long nothing was read before the present read."""
        return self._idle_s

    def refuse(self) -> None:
        """Bytes behind a payload: `busy p...`, never with a code (observed 1.0, tcp-single)."""
        self._board.write(self._board.profile.busy_sending)

    def receive(self, data: bytes) -> None:
        """One read of the UART."""
        board = self._board
        now = board.now
        self._idle_s = now - self._last_read_s
        separate = self._idle_s >= READ_GAP_S
        self._last_read_s = now
        if self._sink is not None:
            rest = self._sink(data, separate)
            if rest:
                self.refuse()
            return
        said = board.uart.queued_bytes
        self._lines(data)
        if board.uart.queued_bytes > said and not board.uart.room and self._hold is None:
            self._hold = board.uart.hold()  # the task waits with its echo or its `busy p...`

    def read_on(self) -> None:
        """The transmit ring has room again."""
        if self._hold is not None:
            hold, self._hold = self._hold, None
            self._board.uart.release(hold)

    def _lines(self, data: bytes) -> None:
        board, buffer = self._board, self._buffer
        crash = board.profile.line_crash
        if crash is not None and len(data) >= crash:
            self._crash()
            return
        start = len(buffer)
        buffer += data
        end = self._line_end(start)
        while end is not None:
            if self._runner.running:
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
            board.print_refusal(no_leading_at())
            buffer += rest
            start = 0
            end = self._line_end(0)
        if not self._runner.running:
            self._echo(bytes(buffer[start:]))
        limit = board.profile.unfinished_limit
        if limit is not None and len(buffer) >= limit:
            buffer.clear()
        del buffer[_BUFFER_LIMIT:]

    def _shortened(self, line: bytes) -> bytes:
        """What the buffer still holds of a line when its end comes."""
        limit = self._board.profile.line_limit
        return line if limit is None or len(line) < limit else line[len(line) // limit * limit :]

    def _line_end(self, start: int) -> int | None:
        """Where the CR LF of the first line stands."""
        buffer = self._buffer
        if self._board.profile.nul_ends_search and b"\0" in buffer:
            return None
        end = buffer.find(b"\r\n", max(0, start - 1))
        if end >= 0:
            return end
        if self._board.profile.sees_stale_line_end and buffer.endswith(b"\r"):
            behind = self._stale[len(buffer) : len(buffer) + 1]
            if behind == b"\n":
                buffer += b"\n"
                return len(buffer) - 2
        return None

    def _echo(self, data: bytes) -> None:
        if self._board.state.echo:
            # NUL bytes are not echoed (observed 2.0, 4.1), but on 1.0 they are.
            keeps_nul = self._board.profile.nul_ends_search
            self._board.write(data if keeps_nul else data.replace(b"\0", b""))

    def _submit(self, line: bytes) -> None:
        board = self._board
        verdict = board.faults.line(line) if board.faults.active else "run"
        if verdict == "error":
            board.write(Result.ERROR.value)
            return
        if verdict != "run":
            board.print_busy()
        if verdict != "busy":
            self._runner.submit(line)

    def _busy(self, refused: bytes) -> None:
        board = self._board
        if refused == b"AT+RST\r\n" and self._runner.running:
            # The one line that gets through (observed 2.0, 4.2).
            board.write(FORCED_RESTART)
            board.write(Result.OK.value)
            self._restart()
            return
        board.print_busy()
