"""The AT session: bytes and times in, events and bytes out. No port, no clock, no thread.

Theory of operation
-------------------
`receive_data` stores what the module printed; `next_event` processes it, one event at a time, and returns
NEED_DATA when it is through. `send` puts one command in flight; `data_to_send` is what must now be written
to the port, in this order and each piece in one write where the port takes it. `next_deadline` says when
`handle_deadline` must be called if nothing happens before. All times are seconds of one monotonic clock,
supplied by the caller.

Invariants
----------
* One command is in flight, or none; a payload is handed out only after its prompt, and nothing after a
  payload until the module has answered it (at-dialects 7.5: what comes early is lost or counted). This
  part is `command_transaction.py`; what becomes of the links is `links.py`.
* What the module prints about a link reaches only the generation of the link that it is about: payload is
  handed over (`DataReceived`) before the line behind it is looked at.
* An unknown line is reported and otherwise ignored, unless it stands where payload must have ended: then the
  bytes of that link are not to be trusted.
* Everything the module prints gives events; nothing it prints raises.
* The demultiplexer takes every byte for payload exactly while the module machine is in PASSTHROUGH.
* What is not understood while a command with a secret is in flight is reported, but not shown.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from esp32sock.at.block_evidence import BlockEvidence
from esp32sock.at.command_transaction import CommandTransaction
from esp32sock.at.events import (
    Contradiction,
    DataReceived,
    Event,
    ModuleRestarted,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.framing import NEED_DATA, PROMPT, Demux, Line
from esp32sock.at.links import PASSTHROUGH_LINK, Links
from esp32sock.at.patience import NEVER
from esp32sock.at.results import BUSY, RECEIVED, RESULTS, SENT
from esp32sock.at.state import CommandState, ModuleInput, ModuleState, command_machine, module_machine
from esp32sock.at.transaction_context import TransactionContext
from esp32sock.at.urcs import (
    AmbiguousLine,
    LinkDown,
    LinkUp,
    Ready,
    Restarting,
    Urc,
    Waiting,
    WifiLine,
    parse_urc,
)
from esp32sock.errors import Error, LocalProtocolError, ModuleReset, PortError, RemoteProtocolError

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.at.state import CommandInput, Machine

PAYLOAD_SILENCE_S = 1.0
"""No byte for so long inside a block: some were lost on the wire (at-dialects 8.4)."""


class Session:
    """One module's AT dialogue, seen from the host."""

    def __init__(self, *, mux: bool = True) -> None:
        self.demux = Demux(mux=mux)
        self.firmware = Firmware()
        self.module = module_machine()
        self._events: deque[Event] = deque()
        self.links = Links(self.demux, self._events)
        self.command: Machine[CommandState, CommandInput] = command_machine()
        self._context = TransactionContext(
            self.command,
            self.module,
            self.demux,
            self.links,
            self._events,
            self._on_command_succeeded,
            self._on_passthrough,
        )
        self._evidence = BlockEvidence(self.links)
        self._transaction: CommandTransaction | None = None
        self._held: Line | object | None = None
        self._echo = True

    # -- what goes in ---------------------------------------------------------------------------------

    def receive_data(self, data: bytes | memoryview, now: float) -> None:
        """What the port read; the bytes must not change until `next_event` says NEED_DATA.

        Without a port it is dropped.
        """
        if self.module.state is ModuleState.OFFLINE:
            return
        self._context.heard(data, now)
        self.demux.receive_data(data)

    def port_opened(self) -> None:
        """A port is there; the module behind it is unknown."""
        self.module.feed(ModuleInput.PORT_OPENED)
        self.demux.reset()
        self._echo = True

    def connection_lost(self, error: Error | None = None) -> None:
        """The port is gone: everything that was in flight or open fails with `error`."""
        self._feed(ModuleInput.PORT_LOST)
        self._drop_everything(error or PortError("the serial port was lost"))
        self._forget_input()

    def _forget_input(self) -> None:
        """What was read and not worked off came from a port that is gone."""
        self._held = None
        frame: object = None
        while frame is not NEED_DATA:
            try:
                frame = self.demux.next_frame()
            except RemoteProtocolError:
                self.demux.reset()
        self.demux.reset()

    def send(self, command: Command[Any], now: float) -> None:
        """Put a command in flight; its outcome is a CommandDone or CommandFailed event.

        The payload of a command must not change before that. Raises ValueError for an argument that
        cannot be sent and LocalProtocolError when a command is in flight already, its link is in no state
        for it, or the module is in passthrough; nothing is sent or changed then.
        """
        line = command.line(self.firmware)
        if self.module.state is ModuleState.PASSTHROUGH:
            raise LocalProtocolError(f"{command.label} would be payload: the module is in passthrough")
        if command.begins_passthrough and not self.module.allows(ModuleInput.PASSTHROUGH_ENTERED):
            raise LocalProtocolError(f"{command.label}: the module is {self.module.state.name}")
        self._transaction = CommandTransaction(self._context, command, line, now, echo=self._echo)

    def abandon(self) -> None:
        """The caller of the command in flight is gone; what it opens late is reported as unowned."""
        if self._transaction is not None:
            self._transaction.abandon()

    def force_restart(self) -> None:
        """Send AT+RST whatever else is going on: as a whole line it gets through (at-dialects 3.4).

        What stands unfinished in the module's line buffer must have been ended before (`end_line`).

        LocalProtocolError without a port, or in passthrough, where the line would be payload.
        """
        self._feed(ModuleInput.RESTART_BEGUN)
        self._drop_everything(_restarts())
        self._context.outgoing.append(b"AT+RST\r\n")

    def end_line(self) -> None:
        """An empty line, which ends what stands unfinished in the module's line buffer."""
        self._context.outgoing.append(b"\r\n")

    def write_raw(self, data: bytes) -> None:
        """Bytes outside any command, for the start-up probe only."""
        if self.module.state is not ModuleState.SYNCING or self._transaction is not None:
            raise LocalProtocolError("raw bytes belong to the probe, with no command in flight")
        self._context.outgoing.append(data)

    def missed_restart(self, reason: str) -> None:
        """The module shows that it restarted though no `ready` was read: as if it had been read now."""
        self._restarted(reason)

    def fell_silent(self, error: Error) -> None:
        """The module answers nothing any more: what was in flight or open fails; it must be found again."""
        if self.module.allows(ModuleInput.FELL_SILENT):
            self._feed(ModuleInput.FELL_SILENT)
        self._drop_everything(error)
        self.demux.reset()
        self._echo = True

    def set_up(self) -> None:
        """The driver has made its settings; the module is READY."""
        self._feed(ModuleInput.SET_UP)

    def line_changes(self) -> None:
        """The serial settings change: until `set_up`, a command that is not answered is owed nothing."""
        self._feed(ModuleInput.LINE_CHANGES)

    def leave_passthrough(self) -> None:
        """The driver has written `+++`: what is read from here on is text, and the module is SYNCING.

        LocalProtocolError outside passthrough.
        """
        self._feed(ModuleInput.PASSTHROUGH_LEFT)

    def resume_passthrough(self) -> None:
        """The module turned out to be in passthrough still: what is read from here on is payload."""
        self._feed(ModuleInput.PASSTHROUGH_ENTERED)

    def _on_passthrough(self) -> None:
        self._feed(ModuleInput.PASSTHROUGH_ENTERED)

    def _feed(self, what: ModuleInput) -> None:
        """Take one input of the module machine; the demultiplexer follows its state."""
        before = self.module.state
        after = self.module.feed(what)
        if after is ModuleState.PASSTHROUGH:
            self.demux.enter_passthrough(PASSTHROUGH_LINK)
        elif before is ModuleState.PASSTHROUGH:
            self.demux.leave_passthrough()

    # -- what comes out -------------------------------------------------------------------------------

    def data_to_send(self, now: float) -> list[bytes | memoryview]:
        """What must be written now; each piece in one write, as far as the port takes it."""
        pieces, self._context.outgoing = self._context.outgoing, []
        if pieces and self._transaction is not None:
            self._transaction.written(pieces, now)
        return pieces

    @property
    def idle(self) -> bool:
        """Whether a command may be sent."""
        return self.command.state is CommandState.IDLE

    @property
    def repeats(self) -> int:
        """How often a command went out again."""
        return self._context.repeats

    @property
    def command_label(self) -> str | None:
        """The command in flight, without secrets."""
        return None if self._transaction is None else self._transaction.command.label

    def count_repeat(self) -> None:
        """The next command is a former one whose answer was lost."""
        self._context.repeats += 1

    @property
    def s_per_byte(self) -> float:
        """Time one byte takes on the wire, for the waits that depend on it."""
        return self._context.s_per_byte

    @s_per_byte.setter
    def s_per_byte(self, value: float) -> None:
        self._context.s_per_byte = value

    @property
    def prompt_s(self) -> float:
        """From the line of a send to its prompt, as measured, the wire aside; 0.0 while unknown."""
        return self._context.prompt_s

    @property
    def grace_s(self) -> float:
        """What the line alone may add to an answer, by the round trips that were measured."""
        return self._context.grace_s

    def next_deadline(self) -> float:
        """When `handle_deadline` must be called; infinity for never."""
        silence = self._context.heard_at + PAYLOAD_SILENCE_S if self.demux.missing_bytes else NEVER
        return silence if self._transaction is None else min(silence, self._transaction.next_deadline)

    def handle_deadline(self, now: float) -> None:
        """Time has passed `next_deadline`; afterwards ask for events and for data to send."""
        if self.demux.missing_bytes and now >= self._context.heard_at + PAYLOAD_SILENCE_S:
            missing = self.demux.missing_bytes
            link_id = self.demux.abandon_block()
            if link_id is not None:
                self.links.faulty(link_id, f"{missing} bytes of its payload are missing")
        if self._transaction is not None:
            self._transaction.handle_deadline(now)
            self._forget_if_over()

    def suspect(self, now: float) -> None:
        """The module may be another than the one that the command in flight was sent to."""
        if self._transaction is not None:
            self._transaction.suspect(now)

    def host_paused(self, seconds: float) -> None:
        """The host did not run for so long: every deadline moves by that much."""
        self._context.heard_at += seconds
        if self._transaction is not None:
            self._transaction.postpone(seconds)

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
                    self._context.understood_at = self._context.heard_at
                    self._evidence.payload(ready)
                    return DataReceived(ready)
            if frame is PROMPT:
                if not self._prompt():
                    self._unknown(b">")
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
            if self.command.state is CommandState.AWAIT_PROMPT:
                self.demux.expect_prompt()
            if not self.links.all_faulty(str(error)):
                self._unknown(str(error).encode())
            return NEED_DATA
        self.links.check_counters()
        return frame

    # -- lines ----------------------------------------------------------------------------------------

    def _line(self, line: Line) -> None:
        text, is_separated = line.text, line.follows is not None and self._separates_blocks
        if self._of_barrier(text) or self._progress(text) or self._unsolicited(text):
            self._understood(line, is_separated=is_separated)
        elif self._evidence.damaged_header(text, self._shown(text)):
            self._unknown(text)
        elif self._response_line(text):
            self._understood(line, is_separated=is_separated)
        elif text not in RESULTS or self.module.state is not ModuleState.RESETTING:
            self._not_understood(line)  # else of a command that the restart ended

    def _understood(self, line: Line, *, is_separated: bool) -> None:
        self._context.understood_at = self._context.heard_at
        self._evidence.known_line(line, self._shown(line.text), is_separated=is_separated)

    @property
    def _separates_blocks(self) -> bool:
        """Whether a line end stands behind each block: from 2.0 on, and not in the answer to a read."""
        transaction = self._transaction
        return self.firmware.at_least(2) and (transaction is None or transaction.command.receives is None)

    def _of_barrier(self, text: bytes) -> bool:
        """The two lines that answer a barrier; they may come late, when it is not waited for any more."""
        barrier, transaction = self._context.barrier, self._transaction
        if text in RESULTS and (number := barrier.take_result()) is not None:
            if transaction is not None:
                transaction.settled(number, self._context.heard_at)
                self._forget_if_over()
            return True
        if self._echo and barrier.is_echo(text):
            return True
        return barrier.add(text, b"" if transaction is None else transaction.line_bytes)

    def _contradiction(self, text: bytes) -> None:
        """A line that contradicts the state of the session becomes a Contradiction."""
        if self.module.state is not ModuleState.READY:
            return
        if text == b"SEND OK" and self._context.send_failed:
            return  # NonOS says so after SEND FAIL
        if text in RESULTS:
            self._events.append(Contradiction(f"{text.decode()} that no command asked for"))
        elif not self._echo and text.upper().startswith(b"AT+"):
            self._echo = True  # said once; that it is on costs no more than bytes
            self._events.append(Contradiction("it echoes commands, though that was switched off"))
        elif isinstance(parse_urc(text, mux=not self.demux.mux), LinkUp | LinkDown | Waiting):
            self._events.append(Contradiction("it speaks of links as with the other CIPMUX"))

    def _prompt(self) -> bool:
        if self._transaction is None:
            return False
        known = self._transaction.prompt(self._context.heard_at)
        self._forget_if_over()
        return known

    def _progress(self, text: bytes) -> bool:
        """The words that end a command, or say how far it is."""
        transaction, now = self._transaction, self._context.heard_at
        if transaction is None:
            return False
        if text in RESULTS:
            known = transaction.result(RESULTS[text], now)
            self._forget_if_over()
            return known
        if text in BUSY:
            return transaction.busy(now)
        if transaction.command.reports_progress and (sent := SENT.fullmatch(text)) is not None:
            return transaction.sent(int(sent[1]), int(sent[2]), now)
        received = RECEIVED.fullmatch(text)
        return received is not None and transaction.received(int(received[1]), now)

    def _response_line(self, text: bytes) -> bool:
        return self._transaction is not None and self._transaction.line(text)

    def _forget_if_over(self) -> None:
        if self.idle:
            self._transaction = None

    def _unsolicited(self, text: bytes) -> bool:
        urc = parse_urc(text, mux=self.demux.mux)
        if urc is not None:
            self._urc(urc)
        return urc is not None

    def _urc(self, urc: Urc) -> None:
        match urc:
            case LinkUp():
                if self._transaction is not None:
                    self._transaction.link_came_up(urc.link_id)
                    self._forget_if_over()
                self.links.up(urc)
            case LinkDown():
                if self._transaction is not None:
                    self._transaction.link_went_down(urc.link_id, self._context.heard_at)
                self.links.down(urc.link_id)
            case Waiting():
                self.links.check_open(urc.link_id)
                self._events.append(UnreadWaiting(urc.link_id, urc.unread_bytes))
            case WifiLine():
                self._events.append(WifiChanged(urc.state))
            case Ready():
                self._restarted()
            case Restarting():
                self._restart_begun()
            case AmbiguousLine():
                if self._transaction is None or not self._transaction.names_line(urc.text):
                    self._unknown(urc.text)

    def _not_understood(self, line: Line) -> None:
        shown = self._shown(line.text)
        if self._evidence.unknown_line(line, shown):
            return
        self._contradiction(line.text)
        self._events.append(UnknownText(shown))

    def _unknown(self, text: bytes) -> None:
        self._events.append(UnknownText(self._shown(text)))

    def _shown(self, text: bytes) -> bytes:
        """The text, unless it may be a mangled echo of something secret."""
        transaction = self._transaction
        if transaction is None or not transaction.command.is_secret:
            return text
        return b"(%d bytes, not shown while %s runs)" % (len(text), transaction.command.label.encode())

    # -- restarts -------------------------------------------------------------------------------------

    def _on_command_succeeded(self, line: bytes) -> None:
        """The module answered OK; some commands, typed or raw, change what it does from then on."""
        name = line.strip().upper()
        if name in (b"ATE0", b"ATE1"):
            self._echo = name == b"ATE1"
        elif name in (b"AT+CIPMUX=0", b"AT+CIPMUX=1"):
            self.demux.mux = name == b"AT+CIPMUX=1"
        elif name in (b"AT+CIPDINFO=0", b"AT+CIPDINFO=1"):
            self.demux.recvdata_has_peer = name == b"AT+CIPDINFO=1"
        elif name in _RESTARTING or name.startswith((b"AT+GSLP=", b"AT+CIUPDATE=")):
            self._restart_begun()

    def _restart_begun(self) -> None:
        if self.module.allows(ModuleInput.RESTART_BEGUN):
            self._feed(ModuleInput.RESTART_BEGUN)
            self._drop_everything(_restarts())

    def _restarted(self, evidence: str = "") -> None:
        expected = self.module.state in (ModuleState.RESETTING, ModuleState.SYNCING)
        if self.module.allows(ModuleInput.BOOTED):
            self._feed(ModuleInput.BOOTED)
        reason = evidence or ("" if expected else " by itself (crash, watchdog or power)")
        self._drop_everything(ModuleReset(f"the module restarted{reason}; all its links are closed"))
        self.demux.reset()
        self._echo = True
        self._events.append(ModuleRestarted(expected))

    def _drop_everything(self, error: Error) -> None:
        self._context.outgoing.clear()
        self._context.barrier.reset()
        if self._transaction is not None and not self.idle:
            self._transaction.drop(error)
        self._transaction = None
        self.links.reset(error)


_RESTARTING = frozenset({b"AT+RST", b"AT+RESTORE", b"AT+CIUPDATE"})
"""A deep sleep too ends in one (at-dialects 5)."""


def _restarts() -> ModuleReset:
    return ModuleReset("the module restarts; all its links are closed")
