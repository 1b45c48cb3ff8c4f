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
  payload until the module has answered it (at-dialects 7.5: what comes early is lost or counted). This
  part is `exchange.py`; what becomes of the links is `links.py`.
* What the module says about a link reaches only the generation of the link that it is about: payload is
  handed over (`DataReceived`) before the line behind it is looked at.
* A line that is nobody's is reported and otherwise ignored, unless it stands where payload must have
  ended: then the bytes of that link are not to be trusted.
* Everything the module prints gives events; nothing it prints raises.
* What is not understood while a command with a secret is in flight is reported, but not shown.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from esp32sock.at.events import (
    DataReceived,
    Event,
    ModuleRestarted,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.exchange import Exchange
from esp32sock.at.firmware import Firmware
from esp32sock.at.flight import NEVER
from esp32sock.at.framing import NEED_DATA, PROMPT, Demux, Line
from esp32sock.at.links import Links
from esp32sock.at.results import BUSY, RECEIVED, RESULTS
from esp32sock.at.state import CommandState, Machine, ModuleInput, ModuleState, module_machine
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
    from esp32sock.at.state import CommandInput

PAYLOAD_SILENCE_S = 1.0
"""No byte for so long inside a block: some were lost on the wire (at-dialects 8.4)."""

SHOWN_BYTES = 40
"""How much of a line stands in the reason of a fault; by taste."""


class Session:
    """One module's AT dialogue, seen from the host."""

    def __init__(self, *, mux: bool = True) -> None:
        self.demux = Demux(mux=mux)
        self.firmware = Firmware()
        self.module = module_machine()
        self._events: deque[Event] = deque()
        self.links = Links(self.demux, self._events)
        self._exchange = Exchange(self.module, self.demux, self.links, self._events, self._obeyed)
        self._held: Line | object | None = None
        self._echo = True
        self._heard_at = 0.0

    # -- what goes in ---------------------------------------------------------------------------------

    def receive_data(self, data: bytes | memoryview, now: float) -> None:
        """What the port read; the bytes must not change until `next_event` says NEED_DATA.

        Without a port it is nobody's and is dropped.
        """
        if self.module.state is ModuleState.OFFLINE:
            return
        self._heard_at = self._exchange.heard_at = now
        self.demux.receive_data(data)

    def port_opened(self) -> None:
        """A port is there; the module behind it is unknown."""
        self.module.feed(ModuleInput.PORT_OPENED)
        self.demux.reset()
        self._echo = True

    def connection_lost(self, error: Error | None = None) -> None:
        """The port is gone: everything that was in flight or open fails with `error`."""
        self.module.feed(ModuleInput.PORT_LOST)
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
        cannot be sent and LocalProtocolError when a command is in flight already or its link is in no
        state for it; nothing is sent or changed then.
        """
        line = command.line(self.firmware)
        self._exchange.begin(command, line, now, echo=self._echo)

    def force_restart(self) -> None:
        """Send AT+RST whatever else is going on: as a whole line it gets through (at-dialects 3.4)."""
        self.module.feed(ModuleInput.RESTART_BEGUN)
        self._drop_everything(_restarts())
        self._exchange.outgoing.append(b"AT+RST\r\n")

    def write_raw(self, data: bytes) -> None:
        """Bytes outside any command, for the start-up probe only."""
        if self.module.state is not ModuleState.SYNCING or self._exchange.flight is not None:
            raise LocalProtocolError("raw bytes belong to the probe, with no command in flight")
        self._exchange.outgoing.append(data)

    def set_up(self) -> None:
        """The driver has made its settings; the module is READY."""
        self.module.feed(ModuleInput.SET_UP)

    def line_changes(self) -> None:
        """The serial settings change: until `set_up`, a command that is not answered is owed nothing."""
        self.module.feed(ModuleInput.LINE_CHANGES)

    def abandon(self) -> None:
        """Nobody waits for the command in flight any more; what it opens late is reported as an orphan."""
        self._exchange.abandon()

    # -- what comes out -------------------------------------------------------------------------------

    def data_to_send(self, now: float) -> list[bytes | memoryview]:
        """What must be written now; each piece in one write, as far as the port takes it."""
        return self._exchange.data_to_send(now)

    @property
    def command(self) -> Machine[CommandState, CommandInput]:
        """The machine of the command in flight."""
        return self._exchange.machine

    @property
    def idle(self) -> bool:
        """Whether a command may be sent."""
        return self.command.state is CommandState.IDLE

    @property
    def s_per_byte(self) -> float:
        """Time one byte takes on the wire, for the waits that depend on it."""
        return self._exchange.s_per_byte

    @s_per_byte.setter
    def s_per_byte(self, value: float) -> None:
        self._exchange.s_per_byte = value

    def next_deadline(self) -> float:
        """When `handle_deadline` must be called; infinity for never."""
        silence = self._heard_at + PAYLOAD_SILENCE_S if self.demux.missing_bytes else NEVER
        return min(silence, self._exchange.next_deadline)

    def handle_deadline(self, now: float) -> None:
        """Time has passed `next_deadline`; afterwards ask for events and for data to send."""
        if self.demux.missing_bytes and now >= self._heard_at + PAYLOAD_SILENCE_S:
            missing = self.demux.missing_bytes
            link_id = self.demux.abandon_block()
            if link_id is not None:
                self.links.faulty(link_id, f"{missing} bytes of its payload never came")
        self._exchange.handle_deadline(now)

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
                if not self._exchange.prompt(self._heard_at):
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
        text = line.text
        if not (self._answer(text) or self._unsolicited(text) or self._exchange.line(text)):
            self._not_understood(line)

    def _answer(self, text: bytes) -> bool:
        """The words that end a command, or say how far it is."""
        now = self._heard_at
        if text in RESULTS:
            return self._exchange.result(RESULTS[text], now) or self.module.state is ModuleState.RESETTING
        if text in BUSY:
            return self._exchange.busy(now)
        received = RECEIVED.fullmatch(text)
        return received is not None and self._exchange.received(int(received[1]), now)

    def _unsolicited(self, text: bytes) -> bool:
        urc = parse_urc(text, mux=self.demux.mux)
        if urc is not None:
            self._urc(urc)
        return urc is not None

    def _urc(self, urc: Urc) -> None:
        match urc:
            case LinkUp():
                self._exchange.link_came_up(urc.link_id)
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
            case AmbiguousLine():
                if not self._exchange.expected(urc.text):
                    self._unknown(urc.text)

    def _not_understood(self, line: Line) -> None:
        shown = self._shown(line.text)
        if line.follows is not None and self.links.faulty(
            line.follows, f"{shown[:SHOWN_BYTES]!r} stands where its payload should have ended"
        ):
            return
        self._events.append(UnknownText(shown))

    def _unknown(self, text: bytes) -> None:
        self._events.append(UnknownText(self._shown(text)))

    def _shown(self, text: bytes) -> bytes:
        """The text, unless it may be a mangled echo of something secret."""
        flight = self._exchange.flight
        if flight is None or not flight.command.is_secret:
            return text
        return b"(%d bytes, not shown while %s runs)" % (len(text), flight.command.label.encode())

    # -- restarts -------------------------------------------------------------------------------------

    def _obeyed(self, line: bytes) -> None:
        """A command ended well; some change what the module does from then on, typed or raw."""
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
            self.module.feed(ModuleInput.RESTART_BEGUN)
            self._drop_everything(_restarts())

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
        self._exchange.drop(error)
        self.links.reset(error)


_RESTARTING = frozenset({b"AT+RST", b"AT+RESTORE", b"AT+CIUPDATE"})
"""A deep sleep too ends in one (at-dialects 5)."""


def _restarts() -> ModuleReset:
    return ModuleReset("the module restarts; every link on it is gone")
