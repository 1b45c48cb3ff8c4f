"""One command on its way: from its line, through prompt and payload, to its final result.

Theory of operation
-------------------
`begin` puts a command in flight and everything the module says that may be about it is offered here:
each of `result`, `busy`, `received`, `line` and `prompt` says whether it was. What goes wrong is found by
time alone: `handle_deadline`.

* **busy p...** may be a refusal or mean nothing (known-bugs 5): the real answer is given a grace, then the
  line is sent again, until the command's time is over. While the module goes on talking the answer may
  stand behind what it says, so the grace counts from the last byte heard, up to what the module's transmit
  ring can hold: a CIPSEND line that is sent again too early is payload.
* **No answer**: the caller is told, and the command stays ABANDONED until the module answers after all;
  if it never does, it is stuck.
* **A data phase that does not end** is cancelled or filled up (`recovery.py`). How much of the payload
  the peer got is not known then, so the command fails whatever the module says in the end. Bytes of ours
  that the module did not take for payload stand in its line buffer: they are flushed with an empty line
  whose ERROR, or several, is swallowed before the next command goes out.

Invariants
----------
* Nothing is handed out between a prompt and its payload, and nothing behind a payload before the module
  has answered it, except by the recovery.
* A final result only counts where it can be that of this command: a late SEND OK is not the result of the
  next CIPSEND, whose prompt has not even come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esp32sock.at import recovery
from esp32sock.at.codes import of_errno, of_error_code
from esp32sock.at.events import CommandDone, CommandFailed, ModuleBusy, ModuleStuck
from esp32sock.at.flight import NEVER, Flight
from esp32sock.at.results import ERROR_CODE, REASONS, Result
from esp32sock.at.state import CommandInput, CommandState, ModuleState, command_machine
from esp32sock.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Mapping

    from esp32sock.at.commands import Command
    from esp32sock.at.events import Event
    from esp32sock.at.framing import Demux
    from esp32sock.at.links import Links
    from esp32sock.at.state import Machine, ModuleInput
    from esp32sock.errors import Error

BUSY_GRACE_S = 0.2
"""After `busy p...` the command may be running all the same: wait so long in silence (known-bugs 5)."""
PROMPT_S = 5.0
"""The prompt comes within milliseconds; by taste."""
RECEIVED_S = 2.0
"""From the last payload byte to `Recv`, beyond the time on the wire; by taste, milliseconds seen."""
UNANNOUNCED_S = 10.0
"""From the last payload byte to SEND OK on a module that never said `Recv`."""
OWED_S = 10.0
"""How long a command nobody waits for may still take after its own time; then the module is stuck."""
BUSY_S = 30.0
"""A module that answers busy is alive: a command is tried so much longer than its own time; by taste."""
PASSTHROUGH_LINK = 0
"""The one link of single-link mode."""
QUEUED_BYTES = 2 * 8192
"""An answer may stand behind so much `+IPD` in the module's transmit ring (8192, at-dialects 2), which
several links refill while it waits: twice over, by taste."""

_ANY_END = frozenset({Result.OK, Result.ERROR})
_SEND_END = frozenset({Result.ERROR, Result.SEND_OK, Result.SEND_FAIL, Result.SEND_CANCELED})
_ENDS: Mapping[CommandState, frozenset[Result]] = {
    CommandState.AWAIT_RESULT: _ANY_END,
    CommandState.AWAIT_PROMPT: frozenset({Result.ERROR}),
    CommandState.AWAIT_SEND_RESULT: _SEND_END,
    CommandState.CANCELLING: _SEND_END,
    CommandState.REFILLING: _SEND_END,
}
_GOOD = frozenset({Result.OK, Result.SEND_OK})


class Exchange:
    """The command in flight, if there is one."""

    def __init__(
        self,
        module: Machine[ModuleState, ModuleInput],
        demux: Demux,
        links: Links,
        events: deque[Event],
        on_command_succeeded: Callable[[bytes], None],
    ) -> None:
        self.machine = command_machine()
        self.flight: Flight | None = None
        self.outgoing: list[bytes | memoryview] = []
        self.s_per_byte = 0.0
        self.heard_at = 0.0
        """When the last byte was read."""
        self._module = module
        self._demux = demux
        self._links = links
        self._events = events
        self._obeyed = on_command_succeeded
        self._says_received = False
        self._send_failed = False  # the last send did, and no `Recv` was seen since

    # -- what the driver does -------------------------------------------------------------------------

    def begin(self, command: Command[Any], line: bytes, now: float, *, echo: bool) -> None:
        """Put it in flight; LocalProtocolError, with nothing changed, when it cannot be now."""
        flight = Flight(command, line + b"\r\n", NEVER, echo=line if echo else b"")
        start = CommandInput.SEND_FOR_PROMPT if flight.awaits_prompt else CommandInput.SEND
        if not self.machine.allows(start):
            raise LocalProtocolError(f"{command.label}: {self.machine.name} has no result yet")
        self._links.command_sent(command)
        self.machine.feed(start)
        if command.receives is not None:
            self._demux.expect_recvdata(command.receives)
        allowed_s = PROMPT_S if flight.awaits_prompt else command.timeout
        flight.deadline = now + allowed_s + self._queued_s
        self.flight = flight
        self.outgoing.append(flight.line)

    def abandon(self) -> None:
        """Nobody waits for it any more; the module still owes its result."""
        flight = self.flight
        if flight is None or not flight.wanted:
            return
        self._forget_caller(flight)
        if self.machine.state is CommandState.AWAIT_RESULT:
            self.machine.feed(CommandInput.ABANDON)
            flight.deadline += OWED_S

    def drop(self, error: Error) -> None:
        """The module or the port is gone, and with it whatever was in flight."""
        flight, self.flight = self.flight, None
        self.outgoing.clear()
        self._demux.cancel_prompt()
        self._demux.expect_recvdata(None)
        self.machine.feed(CommandInput.RESET)
        if flight is not None and flight.wanted:
            self._events.append(CommandFailed(flight.command, error, tuple(flight.lines)))

    def data_to_send(self, now: float) -> list[bytes | memoryview]:
        """What must be written now."""
        outgoing, self.outgoing = self.outgoing, []
        flight = self.flight
        if outgoing and flight is not None:
            if not flight.is_out:
                flight.is_out = True
                if flight.awaits_prompt:
                    self._demux.expect_prompt()
            elif self.machine.state is CommandState.SENDING_PAYLOAD:
                self._payload_written(flight, now)
            elif flight.recovery is not None:
                flight.wrote_beside(outgoing)
        return outgoing

    def _payload_written(self, flight: Flight, now: float) -> None:
        self.machine.feed(CommandInput.PAYLOAD_WRITTEN)
        flight.payload_is_out = True
        answer_s = RECEIVED_S if self._says_received else UNANNOUNCED_S
        if flight.command.stores_payload:
            answer_s = flight.command.timeout
        flight.deadline = now + flight.payload_bytes * self.s_per_byte + answer_s + self._queued_s

    # -- what the module says -------------------------------------------------------------------------

    def line(self, text: bytes) -> bool:
        """A line of text: part of what the command in flight makes the module print?"""
        flight = self.flight
        if flight is None or not flight.is_out:
            return False
        if flight.repeats(text):
            return True
        code = ERROR_CODE.fullmatch(text)
        if code is not None:
            number = int(code[1], 16)
            flight.error_code = number
            flight.meaning = of_errno(number) if text.startswith(b"+ERRNO") else of_error_code(number)
            return True
        if text in REASONS:
            flight.reason = text.decode()
        elif flight.command.matches_line(text):
            if flight.wanted:
                flight.lines.append(text)
        else:
            return False
        flight.got_answer()
        return True

    def expected(self, text: bytes) -> bool:
        """A line that may come unasked: one that the command in flight names as its own?"""
        flight = self.flight
        return flight is not None and text.startswith(flight.command.prefixes or b"\n") and self.line(text)

    def link_came_up(self, link_id: int) -> None:
        """CONNECT: if that is what the command in flight is for, it is being obeyed."""
        if self.flight is not None and self.flight.command.opens == link_id:
            self.flight.got_answer()

    def busy(self, now: float) -> bool:
        """`busy p...`: not necessarily a refusal. The line is sent again if the answer does not come."""
        flight = self.flight
        if flight is None or not flight.is_out:
            return False
        if not flight.answered and self._may_have_been_dropped(flight):
            flight.retry_at = now + BUSY_GRACE_S + self._queued_s
            flight.error_code = flight.meaning = None
            if not flight.was_busy:
                flight.was_busy = True
                flight.deadline += BUSY_S
            self._events.append(ModuleBusy(flight.command.label))
        return True

    def _may_have_been_dropped(self, flight: Flight) -> bool:
        if flight.awaits_prompt:
            return self.machine.state is CommandState.AWAIT_PROMPT
        return self.machine.state in (CommandState.AWAIT_RESULT, CommandState.ABANDONED)

    def prompt(self, now: float) -> bool:
        """`>`: the payload may go out, or passthrough begins, or a data phase that was given up already."""
        flight = self.flight
        if flight is None or not self.machine.allows(CommandInput.PROMPT):
            return False
        late = self.machine.state is not CommandState.AWAIT_PROMPT
        if flight.command.begins_passthrough and not late:
            self._passthrough_begins(flight, now)
            return True
        self.machine.feed(CommandInput.PROMPT)
        flight.got_answer()
        self.outgoing.clear()
        if late:
            self._start_recovery(flight, now)
            return True
        payload = flight.command.payload
        assert payload is not None, "only a command with a payload awaits a prompt"
        flight.deadline = NEVER  # until the payload is taken to be written
        self._links.prompt_seen(flight.command)
        self.outgoing.append(payload)
        return True

    def _passthrough_begins(self, flight: Flight, now: float) -> None:
        if not flight.wanted:  # out of it again
            self._disturbed(flight, now)
            return
        self._finish(flight, Result.OK)
        self._demux.enter_passthrough(PASSTHROUGH_LINK)

    def received(self, count: int, now: float) -> bool:
        """`Recv n bytes`: the data phase is over; SEND OK may take as long as the peer is slow."""
        flight = self.flight
        if flight is None or not self.machine.allows(CommandInput.TAKEN):
            return False
        if not flight.payload_is_out and not flight.desynchronised:
            return False
        self.machine.feed(CommandInput.TAKEN)
        if (
            count != flight.command.acknowledged_bytes
        ):  # it understood another length, and took the rest for a line
            flight.desynchronised = True
        self._says_received = True
        self._send_failed = False
        flight.taken = True
        flight.deadline = now + flight.command.timeout + self._queued_s
        self._links.payload_taken(flight.command)
        self.outgoing.clear()
        return True

    def result(self, result: Result, now: float) -> bool:
        """A final result."""
        flight = self.flight
        if flight is None or not flight.is_out:
            return False
        if self.machine.state is CommandState.FLUSHING:
            flight.deadline = min(flight.deadline, now + recovery.SETTLE_S)
        elif result is Result.OK and flight.awaits_prompt and not flight.is_stored:
            return self._accepted(flight)
        elif not self._can_be_its_end(flight, result):
            return False
        elif self._leaves_a_clean_line(flight, result):
            self._finish(flight, result)
        else:
            self._flush(flight, result, now)
        return True

    def _accepted(self, flight: Flight) -> bool:
        """The OK before a prompt."""
        if self.machine.state is CommandState.AWAIT_PROMPT:
            self.machine.feed(CommandInput.ACCEPTED)
            flight.got_answer()
        return self.machine.allows(CommandInput.PROMPT)

    def _can_be_its_end(self, flight: Flight, result: Result) -> bool:
        state = self.machine.state
        if state is CommandState.ABANDONED:
            ends = _ANY_END if flight.command.payload is None else _SEND_END
        else:
            ends = _ENDS.get(state, frozenset())
        if result not in ends and not (result is Result.OK and flight.is_stored):
            return False
        if result is Result.ERROR:
            return True
        if flight.command.payload is not None and not flight.payload_is_out and not flight.desynchronised:
            return False
        # NonOS says SEND OK after SEND FAIL: without a `Recv` of its own it may still be that one
        late = self._send_failed and self._says_received and not flight.taken
        return not (late and result is Result.SEND_OK)

    @staticmethod
    def _leaves_a_clean_line(flight: Flight, result: Result) -> bool:
        """Whether the module has taken, as payload or as a line, everything that was written."""
        if not flight.desynchronised:
            return True
        if result is Result.SEND_CANCELED:
            return not flight.answer_owed
        return result is Result.ERROR and flight.line_ended

    def _finish(self, flight: Flight, result: Result) -> None:
        """The command is over; tell whoever waits, and the link it was about."""
        good = result in _GOOD  # never of a flight that was spoiled: that is flushed, or failed
        self._end()
        self._links.command_ended(flight.command, good, wanted=flight.wanted)
        self._send_failed = self._send_failed or result is Result.SEND_FAIL
        if flight.wanted:
            lines = tuple(flight.lines)
            if good:
                self._events.append(CommandDone(flight.command, lines))
            else:
                self._events.append(CommandFailed(flight.command, flight.error(result), lines))
        if good:
            self._obeyed(flight.line)

    def _flush(self, flight: Flight, result: Result, now: float) -> None:
        """It is over, but what was written may stand where the next command should start."""
        self._fail(flight, flight.error(result))
        self._links.command_ended(flight.command, good=False, wanted=False)
        self.machine.feed(CommandInput.FLUSH)
        self.outgoing.clear()
        self._demux.cancel_prompt()
        if not (flight.line_ended and result is Result.SEND_CANCELED):  # else its ERROR is on its way
            self.outgoing.append(recovery.EMPTY_LINE)
        flight.deadline = now + recovery.FLUSH_WAIT_S + self._queued_s

    def _end(self) -> None:
        flight, self.flight = self.flight, None
        self.outgoing.clear()
        self._demux.cancel_prompt()
        if flight is not None and flight.command.receives is not None:
            self._demux.expect_recvdata(None)
        self.machine.feed(CommandInput.RESULT)

    # -- time -----------------------------------------------------------------------------------------

    @property
    def _queued_s(self) -> float:
        """How much older than its printing a line may be when we read it; no link is open while SYNCING."""
        syncing = self._module.state is ModuleState.SYNCING
        return 0.0 if syncing else QUEUED_BYTES * self.s_per_byte

    @property
    def next_deadline(self) -> float:
        """When `handle_deadline` has something to do, if nothing is heard before."""
        flight = self.flight
        if flight is None:
            return NEVER
        retry_at = flight.retry_at
        if retry_at != NEVER:
            retry_at = min(retry_at, self.heard_at + BUSY_GRACE_S)
        return min(flight.deadline, retry_at)

    def handle_deadline(self, now: float) -> None:
        """Time has passed."""
        flight = self.flight
        if flight is None or now < self.next_deadline:
            return
        if now >= flight.deadline:
            self._too_late(flight, now)
        else:
            flight.retransmitted()
            self.outgoing.append(flight.line)

    def _too_late(self, flight: Flight, now: float) -> None:
        match self.machine.state:
            case CommandState.FLUSHING:
                self._end()
            case CommandState.CANCELLING | CommandState.REFILLING:
                self._recover(flight, now)
            case CommandState.AWAIT_PROMPT:
                self._disturbed(flight, now)
            case CommandState.AWAIT_SEND_RESULT if not flight.taken:
                self._disturbed(flight, now)
            case CommandState.ABANDONED if self._module.state is ModuleState.SYNCING:
                self._expire(flight, flight.too_late())
            case CommandState.ABANDONED:
                flight.deadline = flight.retry_at = NEVER
                self._events.append(ModuleStuck(flight.command.label))
            case _:
                self._give_up(flight, flight.too_late(), now)

    def _give_up(self, flight: Flight, error: Error, now: float) -> None:
        """Tell the caller; the module still owes a result, and nothing is sent before it came."""
        self._fail(flight, error)
        if self._module.state is ModuleState.SYNCING:
            self._expire(flight, error)
            return
        self.machine.feed(CommandInput.ABANDON)
        flight.retry_at = NEVER
        flight.deadline = now + OWED_S

    def _expire(self, flight: Flight, error: Error) -> None:
        """Nobody knows yet whether anybody listens: what is not answered is over, and its link as it was."""
        self.drop(error)
        self._links.command_ended(flight.command, good=False, wanted=False)

    def _fail(self, flight: Flight, error: Error) -> None:
        if flight.wanted:
            self._events.append(CommandFailed(flight.command, error, tuple(flight.lines)))
            self._forget_caller(flight)

    def _forget_caller(self, flight: Flight) -> None:
        flight.wanted = False
        self._links.command_abandoned(flight.command)

    # -- a data phase that went wrong -----------------------------------------------------------------

    def _disturbed(self, flight: Flight, now: float) -> None:
        """No prompt, or not all of the payload arrived: end the data phase, if there is one."""
        self.machine.feed(CommandInput.DISTURBED)
        flight.retry_at = NEVER
        self._start_recovery(flight, now)

    def _start_recovery(self, flight: Flight, now: float) -> None:
        flight.recovery = recovery.steps(flight.payload_bytes, self.s_per_byte, self._queued_s)
        self._recover(flight, now)

    def _recover(self, flight: Flight, now: float) -> None:
        """The next thing to try."""
        step = next(flight.recovery, None) if flight.recovery is not None else None
        if step is None:
            self._give_up(flight, flight.error(Result.ERROR), now)
            return
        if step.refills and self.machine.state is CommandState.CANCELLING:
            self.machine.feed(CommandInput.NOT_CANCELLED)
        if step.write:
            self.outgoing.append(step.write)
        flight.deadline = now + step.wait_s
