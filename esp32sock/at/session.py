"""The AT session: bytes and times in, events and bytes out. No port, no clock, no thread.

Theory of operation
-------------------
`receive_data` stores what the module printed; `next_event` works it off, one event at a time, and says
NEED_DATA when it is through. `send` puts one command in flight; `data_to_send` is what must now be written
to the port, in this order and each piece in one write where the port takes it. `next_deadline` says when
`handle_deadline` must be called if nothing happens before. All times are seconds of one monotonic clock,
supplied by the caller.

Invariants
----------
* One command is in flight, or none; a payload is handed out only after its prompt, and nothing after a
  payload until the module has answered it (at-dialects 7.5: what comes early is lost or counted).
* What the module says about a link reaches only the generation of the link that it is about: payload is
  handed over (`DataReceived`) before the line behind it is looked at.
* A line that is nobody's is reported and otherwise ignored, unless it stands where payload must have
  ended: then the bytes of that link are not to be trusted.
* Everything the module prints gives events; nothing it prints raises.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from esp32sock.at import recovery
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    DataReceived,
    Event,
    ModuleBusy,
    ModuleRestarted,
    ModuleStuck,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.flight import NEVER, Flight
from esp32sock.at.framing import NEED_DATA, PROMPT, Demux, Line
from esp32sock.at.links import Links
from esp32sock.at.results import BUSY, ERROR_CODE, REASONS, RECEIVED, RESULTS, Result
from esp32sock.at.state import (
    CommandInput,
    CommandState,
    ModuleInput,
    ModuleState,
    command_machine,
    module_machine,
)
from esp32sock.at.urcs import Aside, LinkDown, LinkUp, Ready, Restarting, Urc, Waiting, WifiLine, parse_urc
from esp32sock.errors import Error, LocalProtocolError, ModuleReset, PortError, RemoteProtocolError

if TYPE_CHECKING:
    from esp32sock.at.commands import Command

BUSY_GRACE_S = 0.2
"""After `busy p...` the command may be running all the same: wait so long for its answer (known-bugs 5)."""
PROMPT_S = 5.0
"""The prompt comes within milliseconds; by taste."""
RECEIVED_S = 2.0
"""From the last payload byte to `Recv`, beyond the time on the wire; by taste, milliseconds seen."""
UNANNOUNCED_S = 10.0
"""From the last payload byte to SEND OK on a module that never said `Recv`."""
OWED_S = 10.0
"""How long a command nobody waits for may still take after its own time; then the module is stuck."""
PAYLOAD_SILENCE_S = 1.0
"""No byte for so long inside a block: some were lost on the wire (at-dialects 8.4)."""
BUSY_S = 30.0
"""A module that answers busy is alive: a command is tried so much longer than its own time; by taste."""

_GOOD = frozenset({Result.OK, Result.SEND_OK})
_ENDS_SEND = frozenset({Result.ERROR, Result.SEND_OK, Result.SEND_FAIL, Result.SEND_CANCELED})


class Session:
    """One module's AT dialogue, seen from the host."""

    def __init__(self, *, mux: bool = True) -> None:
        self.demux = Demux(mux=mux)
        self.firmware = Firmware()
        self.module = module_machine()
        self.command = command_machine()
        self.s_per_byte = 0.0
        """Time one byte takes on the wire, for the waits that depend on it."""
        self._events: deque[Event] = deque()
        self.links = Links(self.demux, self._events)
        self._outgoing: list[bytes | memoryview] = []
        self._flight: Flight | None = None
        self._held: Line | object | None = None
        self._echo = True
        self._says_received = False
        self._heard_at = 0.0

    # -- what goes in ---------------------------------------------------------------------------------

    def receive_data(self, data: bytes | memoryview, now: float) -> None:
        """What the port read; the bytes must not change until `next_event` says NEED_DATA."""
        self._heard_at = now
        self.demux.receive_data(data)

    def port_opened(self) -> None:
        """A port is there; the module behind it is unknown."""
        self.demux.reset()
        self._echo = True
        self.module.feed(ModuleInput.PORT_OPENED)

    def connection_lost(self, error: Error | None = None) -> None:
        """The port is gone: everything that was in flight or open fails with `error`."""
        self.module.feed(ModuleInput.PORT_LOST)
        self._drop_everything(error or PortError("the serial port was lost"))

    def send(self, command: Command[Any], now: float) -> None:
        """Put a command in flight; its outcome is a CommandDone or CommandFailed event.

        Raises ValueError for an argument that cannot be sent and LocalProtocolError when a command is
        in flight already or its link is in no state for it; nothing is sent or changed then.
        """
        line = command.line(self.firmware)
        payload = command.payload
        start = CommandInput.SEND if payload is None else CommandInput.SEND_WITH_PAYLOAD
        if not self.command.allows(start):
            raise LocalProtocolError(f"{command.label}: {self.command.name} has no result yet")
        self.links.command_sent(command)
        self.command.feed(start)
        self._flight = Flight(
            command,
            line + b"\r\n",
            now + (command.timeout_s if payload is None else PROMPT_S),
            echo=line if self._echo else b"",
        )
        self._outgoing.append(self._flight.line)
        if payload is not None:
            self.demux.expect_prompt()

    def force_restart(self) -> None:
        """Send AT+RST whatever else is going on: as a whole line it gets through (at-dialects 3.4)."""
        self._outgoing.append(b"AT+RST\r\n")
        self._restart_begun()

    def write_raw(self, data: bytes) -> None:
        """Bytes outside any command, for the start-up probe only."""
        if self.module.state is not ModuleState.SYNCING or self._flight is not None:
            raise LocalProtocolError("raw bytes belong to the probe, with no command in flight")
        self._outgoing.append(data)

    def set_up(self) -> None:
        """The driver has made its settings; the module is READY."""
        self.module.feed(ModuleInput.SET_UP)

    def abandon(self) -> None:
        """Nobody waits for the command in flight any more; what it opens late is reported as an orphan."""
        if self._flight is None or not self._flight.wanted:
            return
        self._flight.wanted = False
        self.links.command_abandoned(self._flight.command)
        if self.command.allows(CommandInput.ABANDON):
            self.command.feed(CommandInput.ABANDON)

    # -- what comes out -------------------------------------------------------------------------------

    def data_to_send(self, now: float) -> list[bytes | memoryview]:
        """What must be written now; each piece in one write, as far as the port takes it."""
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self.command.state is CommandState.SENDING_PAYLOAD:
            self._payload_written(now)
        return outgoing

    @property
    def idle(self) -> bool:
        """Whether a command may be sent."""
        return self.command.state is CommandState.IDLE

    def next_deadline(self) -> float:
        """When `handle_deadline` must be called; infinity for never."""
        silence = self._heard_at + PAYLOAD_SILENCE_S if self.demux.missing_bytes else NEVER
        return min(silence, self._flight.next_deadline if self._flight else NEVER)

    def next_event(self) -> Event | object:
        """The next event, or NEED_DATA."""
        while not self._events:
            frame = self._held
            self._held = None
            if frame is None:
                frame = self._next_frame()
                ready = self.demux.ready()
                if ready:
                    self._held = frame
                    return DataReceived(ready)
            if frame is PROMPT:
                self._prompt()
            elif isinstance(frame, Line):
                self._line(frame)
            elif not self._events:
                return NEED_DATA
        return self._events.popleft()

    def _next_frame(self) -> Line | object:
        try:
            frame = self.demux.next_frame()
        except RemoteProtocolError as error:
            self.demux.reset()
            self.links.all_faulty(str(error))
            return NEED_DATA
        self.links.check_counters()
        return frame

    # -- lines ----------------------------------------------------------------------------------------

    def _line(self, line: Line) -> None:
        text = line.text
        flight = self._flight
        if text in RESULTS:
            self._result(RESULTS[text])
        elif text in BUSY:
            self._busy()
        elif flight is not None and RECEIVED.fullmatch(text):
            self._received()
        elif (urc := parse_urc(text)) is not None:
            self._urc(urc)
        elif flight is not None and self._belongs(flight, text):
            pass
        elif line.follows is not None:
            self.links.faulty(line.follows, f"{text[:40]!r} stands where its payload should have ended")
        else:
            self._events.append(UnknownText(text))

    def _belongs(self, flight: Flight, text: bytes) -> bool:
        """Whether this line is part of what the command in flight makes the module print."""
        if flight.repeats(text):
            return True
        code = ERROR_CODE.fullmatch(text)
        if code is not None:
            flight.error_code = int(code[1], 16)
        elif text in REASONS:
            flight.reason = text.decode()
        elif flight.command.takes(text):
            flight.lines.append(text)
            flight.retry_at = NEVER
        else:
            return False
        return True

    def _urc(self, urc: Urc) -> None:
        match urc:
            case LinkUp():
                self.links.up(urc)
            case LinkDown():
                self.links.down(urc.link_id)
            case Waiting():
                self._events.append(UnreadWaiting(urc.link_id, urc.unread_bytes))
            case WifiLine():
                self._events.append(WifiChanged(urc.state))
            case Ready():
                self._restarted()
            case Restarting():
                self._restart_begun()
            case Aside():
                self._events.append(UnknownText(urc.text))

    # -- the command in flight ------------------------------------------------------------------------

    def _busy(self) -> None:
        """Not necessarily a refusal: the answer may still come. The line is sent again if it does not."""
        flight = self._flight
        if flight is not None and self.command.state in (CommandState.AWAIT_RESULT, CommandState.AWAIT_PROMPT):
            flight.retry_at = self._heard_at + BUSY_GRACE_S
            if not flight.was_busy:
                flight.was_busy = True
                flight.deadline += BUSY_S
            self._events.append(ModuleBusy(flight.command.label))

    def _prompt(self) -> None:
        flight = self._flight
        assert flight is not None, "the prompt is armed by a command in flight"
        payload = flight.command.payload
        assert payload is not None, "the prompt is armed by a command with a payload"
        flight.retry_at = NEVER
        self.command.feed(CommandInput.PROMPT)
        self.links.prompt_seen(flight.command)
        self._outgoing.append(payload)

    def _payload_written(self, now: float) -> None:
        flight = self._flight
        assert flight is not None
        self.command.feed(CommandInput.PAYLOAD_WRITTEN)
        payload = flight.command.payload
        on_the_wire_s = len(payload or b"") * self.s_per_byte
        flight.deadline = now + on_the_wire_s + (RECEIVED_S if self._says_received else UNANNOUNCED_S)

    def _received(self) -> None:
        """`Recv n bytes`: the data phase is over; SEND OK may take as long as the peer is slow."""
        self._says_received = True
        flight = self._flight
        assert flight is not None
        if self.command.state is CommandState.AWAIT_SEND_RESULT:
            self.links.payload_taken(flight.command)
            flight.deadline = self._heard_at + flight.command.timeout_s

    def _result(self, result: Result) -> None:
        state = self.command.state
        if state is CommandState.AWAIT_PROMPT and result is Result.OK:
            self.command.feed(CommandInput.ACCEPTED)
            return
        sending = state in (CommandState.SENDING_PAYLOAD, CommandState.AWAIT_SEND_RESULT)
        if (sending and result not in _ENDS_SEND) or (
            state is CommandState.AWAIT_RESULT and result not in (Result.OK, Result.ERROR)
        ):
            self._events.append(UnknownText(result.name.encode()))  # the late result of a command before
            return
        flight = self._flight
        if flight is None:
            self._events.append(UnknownText(result.name.encode()))
            return
        if state is CommandState.REFILLING:
            self._flush_line_buffer(flight)
            return
        self._finish(flight, result)

    def _finish(self, flight: Flight, result: Result) -> None:
        """The command is over; tell whoever waits, and the link it was about."""
        good = result in _GOOD and flight.recovery is None
        self._flight = None
        self.demux.cancel_prompt()
        self.command.feed(CommandInput.RESULT)
        self.links.command_ended(flight.command, good, wanted=flight.wanted)
        if good and flight.command.name == "E":
            self._echo = flight.line.startswith(b"ATE1")
        if good and flight.command.name == "+RST":
            self._restart_begun()
        if not flight.wanted:
            return
        lines = tuple(flight.lines)
        if good:
            self._events.append(CommandDone(flight.command, lines))
        else:
            self._events.append(CommandFailed(flight.command, flight.error(result), lines))

    # -- deadlines ------------------------------------------------------------------------------------

    def handle_deadline(self, now: float) -> None:
        """Time has passed `next_deadline`; afterwards ask for events and for data to send."""
        if self.demux.missing_bytes and now >= self._heard_at + PAYLOAD_SILENCE_S:
            missing = self.demux.missing_bytes
            link_id = self.demux.abandon_block()
            if link_id is not None:
                self.links.faulty(link_id, f"{missing} bytes of its payload never came")
        flight = self._flight
        if flight is None or now < flight.next_deadline:
            return
        if now >= flight.deadline:
            self._too_late(flight, now)
        else:
            flight.retry_at = NEVER
            self._outgoing.append(flight.line)

    def _too_late(self, flight: Flight, now: float) -> None:
        state = self.command.state
        if flight.flushing:
            self._flight = None
            self.command.feed(CommandInput.RESULT)
        elif state in (CommandState.CANCELLING, CommandState.REFILLING):
            self._recover(flight, now)
        elif self._in_data_phase(flight):
            self._disturbed(flight, now)
        elif state is CommandState.ABANDONED:
            flight.deadline = NEVER
            self._events.append(ModuleStuck(flight.command.label))
        else:
            self._give_up(flight, flight.busy() if flight.was_busy else flight.timeout(), now)

    def _in_data_phase(self, flight: Flight) -> bool:
        """Whether the module may be waiting for bytes: not once it has counted them."""
        if self.command.state is CommandState.AWAIT_PROMPT:
            return True
        return self.command.state is CommandState.AWAIT_SEND_RESULT and not self.links.payload_was_taken(
            flight.command
        )

    def _disturbed(self, flight: Flight, now: float) -> None:
        """No prompt, or not all of the payload arrived: end the data phase, if there is one."""
        self.command.feed(CommandInput.DISTURBED)
        self.demux.cancel_prompt()
        flight.retry_at = NEVER
        flight.recovery = recovery.steps(len(flight.command.payload or b""), self.s_per_byte)
        self._recover(flight, now)

    def _give_up(self, flight: Flight, error: Error, now: float) -> None:
        """Tell the caller; the module still owes a result, and nothing is sent before it came."""
        if flight.wanted:
            self._events.append(CommandFailed(flight.command, error, tuple(flight.lines)))
            flight.wanted = False
            self.links.command_abandoned(flight.command)
        if self.module.state is ModuleState.SYNCING:  # nobody knows yet whether anybody listens: owe nothing
            self._flight = None
            self.command.feed(CommandInput.RESET)
            return
        self.command.feed(CommandInput.ABANDON)
        flight.retry_at = NEVER
        flight.deadline = now + OWED_S

    def _recover(self, flight: Flight, now: float) -> None:
        """The next thing to try against a data phase that does not end."""
        assert flight.recovery is not None
        step = next(flight.recovery, None)
        if step is None:
            self._give_up(flight, flight.error(Result.ERROR), now)
            return
        if step.refills and self.command.state is CommandState.CANCELLING:
            self.command.feed(CommandInput.NOT_CANCELLED)
        if step.write:
            self._outgoing.append(step.write)
        flight.deadline = now + step.wait_s

    def _flush_line_buffer(self, flight: Flight) -> None:
        """The refill may have been too long by a few bytes, which now stand where a command should start."""
        if flight.wanted:
            self._events.append(CommandFailed(flight.command, flight.error(Result.ERROR), tuple(flight.lines)))
            flight.wanted = False
        self.links.command_ended(flight.command, good=False, wanted=False)
        self.command.feed(CommandInput.ABANDON)
        flight.flushing = True
        flight.deadline = self._heard_at + recovery.FLUSH_WAIT_S
        self._outgoing.append(b"\r\n")

    # -- restarts -------------------------------------------------------------------------------------

    def _restart_begun(self) -> None:
        self.module.feed(ModuleInput.RESTART_BEGUN)
        self._drop_everything(ModuleReset("the module restarts; every link on it is gone"))

    def _restarted(self) -> None:
        expected = self.module.state in (ModuleState.RESETTING, ModuleState.SYNCING)
        if self.module.allows(ModuleInput.BOOTED):
            self.module.feed(ModuleInput.BOOTED)
        reason = "" if expected else " by itself (crash, watchdog or power)"
        self._drop_everything(ModuleReset(f"the module restarted{reason}; every link on it is gone"))
        self.demux.reset()
        self._echo = True
        self._events.append(ModuleRestarted(expected))

    def _drop_everything(self, error: Error) -> None:
        flight, self._flight = self._flight, None
        self._outgoing.clear()
        self.demux.cancel_prompt()
        self.command.feed(CommandInput.RESET)
        if flight is not None and flight.wanted:
            self._events.append(CommandFailed(flight.command, error, tuple(flight.lines)))
        self.links.reset(error)
