"""One command: from its line, through prompt and payload, to its final result.

Theory of operation
-------------------
A transaction begins with its command. All that the module prints and that may be about the command is offered
to it: each of `result`, `busy`, `received`, `line` and `prompt` says whether it was. What goes wrong is found
by time alone: `handle_deadline`.

* **busy p...** may be a refusal or mean nothing (known-bugs 5): the real answer is given a grace, then the
  line is sent again, until the command's time is over. While the module goes on talking the answer may
  stand behind what it says, so the grace counts from the last byte heard, up to what the module's transmit
  ring can hold: a CIPSEND line that is sent again too early is payload.
* **No answer**: the caller gets an error, and the command stays ABANDONED until the module answers after all;
  if it never does, it is stuck.
* **A data phase that does not end** is cancelled or filled up (`data_phase_recovery.py`). How much of the
  payload the peer got is not known then, so the command fails whatever the module says in the end. Bytes
  that the module did not take for payload stand in its line buffer: they are flushed with an empty line
  whose ERROR, or several, is swallowed before the next command goes out.

Invariants
----------
* Nothing is handed out between a prompt and its payload, and nothing behind a payload before the module
  has answered it, except by the recovery.
* A final result only counts where it can be that of this command: a late SEND OK is not the result of the
  next CIPSEND, whose prompt has not even come.
* The transaction is over when the command machine is IDLE again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esp32sock.at.data_phase_recovery import EMPTY_LINE, FLUSH_WAIT_S, SETTLE_S, DataPhaseRecovery
from esp32sock.at.events import CommandDone, CommandFailed, ModuleBusy, ModuleStuck
from esp32sock.at.response import Response
from esp32sock.at.results import COMMAND_ENDS, ENDS, SEND_ENDS, SUCCESSES, Result
from esp32sock.at.state import CommandInput, CommandState, ModuleState
from esp32sock.errors import LocalProtocolError

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.at.transaction_context import TransactionContext
    from esp32sock.errors import Error

NEVER = float("inf")

BUSY_GRACE_S = 0.2
"""After `busy p...` the command may be running all the same: wait so long in silence (known-bugs 5)."""
PROMPT_S = 5.0
"""The prompt comes within milliseconds; by taste."""
RECEIVED_S = 2.0
"""From the last payload byte to `Recv`, beyond the time on the wire; by taste, milliseconds seen."""
UNANNOUNCED_S = 10.0
"""From the last payload byte to SEND OK on a module that never said `Recv`."""
OWED_S = 10.0
"""How long a command without a caller may still take after its own time; then the module is stuck."""
BUSY_S = 30.0
"""A module that answers busy is alive: a command is tried so much longer than its own time; by taste."""


class CommandTransaction:
    """The command in flight."""

    def __init__(
        self, context: TransactionContext, command: Command[Any], line: bytes, now: float, *, echo: bool
    ) -> None:
        """Put the command in flight; LocalProtocolError, with nothing changed, when it cannot be now."""
        self.command = command
        self._context = context
        self._machine = context.machine
        self._awaits_prompt = command.payload is not None or command.begins_passthrough
        start = CommandInput.SEND_FOR_PROMPT if self._awaits_prompt else CommandInput.SEND
        if not self._machine.allows(start):
            raise LocalProtocolError(f"{command.label}: {self._machine.name} has no result yet")
        context.links.command_sent(command)
        self._machine.feed(start)
        if command.receives is not None:
            context.demux.expect_recvdata(command.receives)

        self._line = line + b"\r\n"
        self._response = Response(command, echo=line if echo else b"")
        self._deadline = now + (PROMPT_S if self._awaits_prompt else command.timeout) + context.queued_s
        self._retry_at = NEVER  # after `busy p...`: when to send the line again at the latest
        self._has_caller = True
        self._line_written = False  # before that, nothing the module says can be about this command
        self._payload_written = False
        self._payload_acknowledged = False  # the module said `Recv`
        self._recovery = DataPhaseRecovery()
        self._desynchronised = False  # bytes were written that belong to no command: it can only fail
        context.outgoing.append(self._line)

    # -- what the driver does -------------------------------------------------------------------------

    def written(self, pieces: list[bytes | memoryview], now: float) -> None:
        """These pieces go out now."""
        if not self._line_written:
            self._line_written = True
            if self._awaits_prompt:
                self._context.demux.expect_prompt()
        elif self._machine.state is CommandState.SENDING_PAYLOAD:
            self._await_send_result(now)
        elif self._recovery.has_begun:
            self._recovery.wrote(pieces)
            self._desynchronised = True

    def _await_send_result(self, now: float) -> None:
        self._machine.feed(CommandInput.PAYLOAD_WRITTEN)
        self._payload_written = True
        answer_s = RECEIVED_S if self._context.reports_received else UNANNOUNCED_S
        if self.command.stores_payload:
            answer_s = self.command.timeout
        on_the_wire_s = self._payload_bytes * self._context.s_per_byte
        self._deadline = now + on_the_wire_s + answer_s + self._context.queued_s

    @property
    def _payload_bytes(self) -> int:
        return len(self.command.payload or b"")

    def abandon(self) -> None:
        """The caller waits no more; the module still owes the result."""
        if not self._has_caller:
            return
        self._forget_caller()
        if self._machine.state is CommandState.AWAIT_RESULT:
            self._machine.feed(CommandInput.ABANDON)
            self._deadline += OWED_S

    def drop(self, error: Error) -> None:
        """The module or the port is gone, and the command with it."""
        self._end(CommandInput.RESET)
        if self._has_caller:
            self._report_failure(error)

    # -- what the module says -------------------------------------------------------------------------

    def line(self, text: bytes) -> bool:
        """A line of text: part of what the command makes the module print?"""
        if not self._line_written or not self._response.add(text, keep=self._has_caller):
            return False
        if self._response.has_begun:
            self._retry_at = NEVER
        return True

    def names_line(self, text: bytes) -> bool:
        """A line that may come unasked: one that the command names as its own?"""
        return text.startswith(self.command.prefixes or b"\n") and self.line(text)

    def link_came_up(self, link_id: int) -> None:
        """CONNECT: if that is what the command is for, the command is running."""
        if self.command.opens == link_id:
            self._answer_began()

    def busy(self, now: float) -> bool:
        """`busy p...`: not necessarily a refusal. The line is sent again if the answer does not come."""
        if not self._line_written:
            return False
        if not self._response.has_begun and self._may_have_been_dropped():
            self._retry_at = now + BUSY_GRACE_S + self._context.queued_s
            if not self._response.was_busy:
                self._deadline += BUSY_S
            self._response.busy()
            self._context.events.append(ModuleBusy(self.command.label))
        return True

    def _may_have_been_dropped(self) -> bool:
        if self._awaits_prompt:
            return self._machine.state is CommandState.AWAIT_PROMPT
        return self._machine.state in (CommandState.AWAIT_RESULT, CommandState.ABANDONED)

    def _answer_began(self) -> None:
        """The module runs this command: its line must not be sent again."""
        self._response.has_begun = True
        self._retry_at = NEVER

    def prompt(self, now: float) -> bool:
        """`>`: the payload may go out, or passthrough begins, or a data phase that was given up already."""
        if not self._machine.allows(CommandInput.PROMPT):
            return False
        late = self._machine.state is not CommandState.AWAIT_PROMPT
        if self.command.begins_passthrough and not late:
            self._enter_passthrough(now)
            return True
        self._machine.feed(CommandInput.PROMPT)
        self._answer_began()
        self._context.outgoing.clear()
        if late:
            self._start_recovery(now)
            return True
        payload = self.command.payload
        assert payload is not None, "only a command with a payload awaits a prompt"
        self._deadline = NEVER  # until the payload is taken to be written
        self._context.links.prompt_seen(self.command)
        self._context.outgoing.append(payload)
        return True

    def _enter_passthrough(self, now: float) -> None:
        if not self._has_caller:
            self._recover_data_phase(now)
            return
        self._finish(Result.OK)
        self._context.on_passthrough()

    def received(self, count: int, now: float) -> bool:
        """`Recv n bytes`: the data phase is over; SEND OK may take as long as the peer is slow."""
        if not self._machine.allows(CommandInput.ACKNOWLEDGED):
            return False
        if not self._payload_written and not self._desynchronised:
            return False
        self._machine.feed(CommandInput.ACKNOWLEDGED)
        if count != self.command.acknowledged_bytes:  # it took the rest for a line
            self._desynchronised = True
        self._context.reports_received = True
        self._context.send_failed = False
        self._payload_acknowledged = True
        self._deadline = now + self.command.timeout + self._context.queued_s
        self._context.links.payload_taken(self.command)
        self._context.outgoing.clear()
        return True

    def result(self, result: Result, now: float) -> bool:
        """A final result."""
        if not self._line_written:
            return False
        if self._machine.state is CommandState.FLUSHING:
            self._deadline = min(self._deadline, now + SETTLE_S)
        elif result is Result.OK and self._awaits_prompt and not self._is_stored:
            return self._accepted()
        elif not self._can_be_its_end(result):
            return False
        elif self._leaves_a_clean_line(result):
            self._finish(result)
        else:
            self._flush(result, now)
        return True

    def _accepted(self) -> bool:
        """The OK before a prompt."""
        if self._machine.state is CommandState.AWAIT_PROMPT:
            self._machine.feed(CommandInput.ACCEPTED)
            self._context.links.send_accepted(self.command)
            self._answer_began()
        return self._machine.allows(CommandInput.PROMPT)

    @property
    def _is_stored(self) -> bool:
        """Whether an OK is the end now: the whole payload went out, and to stay in the module."""
        return self.command.stores_payload and self._payload_written and not self._desynchronised

    def _can_be_its_end(self, result: Result) -> bool:
        state = self._machine.state
        if state is CommandState.ABANDONED:
            ends = COMMAND_ENDS if self.command.payload is None else SEND_ENDS
        else:
            ends = ENDS.get(state, frozenset())
        if result not in ends and not (result is Result.OK and self._is_stored):
            return False
        if result is Result.ERROR:
            return True
        if self.command.payload is not None and not self._payload_written and not self._desynchronised:
            return False
        # NonOS says SEND OK after SEND FAIL: without a `Recv` of its own it may still be that one
        context = self._context
        late = context.send_failed and context.reports_received and not self._payload_acknowledged
        return not (late and result is Result.SEND_OK)

    def _leaves_a_clean_line(self, result: Result) -> bool:
        """Whether the module has taken, as payload or as a line, everything that was written."""
        if not self._desynchronised:
            return True
        if result is Result.SEND_CANCELED:
            return not self._recovery.answer_owed
        return result is Result.ERROR and self._recovery.line_ended

    def _finish(self, result: Result) -> None:
        """The command is over; tell the caller, and the link it was about."""
        good = result in SUCCESSES  # never of a desynchronised one: that is flushed, or failed
        self._end(CommandInput.RESULT)
        self._context.links.command_ended(self.command, good, wanted=self._has_caller)
        self._context.send_failed = self._context.send_failed or result is Result.SEND_FAIL
        if self._has_caller:
            if good:
                self._context.events.append(CommandDone(self.command, tuple(self._response.lines)))
            else:
                self._report_failure(self._failure(result))
        if good:
            self._context.on_command_succeeded(self._line)

    def _flush(self, result: Result, now: float) -> None:
        """It is over, but what was written may stand where the next command should start."""
        self._fail(self._failure(result))
        self._context.links.command_ended(self.command, good=False, wanted=False)
        self._machine.feed(CommandInput.FLUSH)
        self._context.outgoing.clear()
        self._context.demux.cancel_prompt()
        if not (self._recovery.line_ended and result is Result.SEND_CANCELED):  # else its ERROR is on its way
            self._context.outgoing.append(EMPTY_LINE)
        self._deadline = now + FLUSH_WAIT_S + self._context.queued_s

    def _failure(self, result: Result) -> Error:
        return self._response.data_phase_failure() if self._desynchronised else self._response.failure(result)

    def _end(self, what: CommandInput) -> None:
        self._context.outgoing.clear()
        self._context.demux.cancel_prompt()
        if self.command.receives is not None:
            self._context.demux.expect_recvdata(None)
        self._machine.feed(what)

    # -- time -----------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float:
        """When `handle_deadline` has something to do, if nothing is heard before."""
        retry_at = self._retry_at
        if retry_at != NEVER:
            retry_at = min(retry_at, self._context.heard_at + BUSY_GRACE_S)
        return min(self._deadline, retry_at)

    def handle_deadline(self, now: float) -> None:
        """Time has passed."""
        if now >= self._deadline:
            self._too_late(now)
        elif now >= self.next_deadline:
            self._retry_at = NEVER
            self._response.restart_echo()
            self._context.outgoing.append(self._line)

    def _too_late(self, now: float) -> None:
        match self._machine.state:
            case CommandState.FLUSHING:
                self._end(CommandInput.RESULT)
            case CommandState.CANCELLING | CommandState.REFILLING:
                self._recover(now)
            case CommandState.AWAIT_PROMPT:
                self._recover_data_phase(now)
            case CommandState.AWAIT_SEND_RESULT if not self._payload_acknowledged:
                self._recover_data_phase(now)
            case CommandState.ABANDONED if self._context.module.state is ModuleState.SYNCING:
                self._expire(self._response.timeout())
            case CommandState.ABANDONED:
                self._deadline = self._retry_at = NEVER
                self._context.events.append(ModuleStuck(self.command.label))
            case _:
                self._give_up(self._response.timeout(), now)

    def _give_up(self, error: Error, now: float) -> None:
        """Tell the caller; the module still owes a result, and nothing is sent before it came."""
        self._fail(error)
        if self._context.module.state is ModuleState.SYNCING:
            self._expire(error)
            return
        self._machine.feed(CommandInput.ABANDON)
        self._retry_at = NEVER
        self._deadline = now + OWED_S

    def _expire(self, error: Error) -> None:
        """While SYNCING no answer is owed: the command is over, and its link as it was."""
        self.drop(error)
        self._context.links.command_ended(self.command, good=False, wanted=False)

    def _fail(self, error: Error) -> None:
        if self._has_caller:
            self._report_failure(error)
            self._forget_caller()

    def _report_failure(self, error: Error) -> None:
        self._context.events.append(CommandFailed(self.command, error, tuple(self._response.lines)))

    def _forget_caller(self) -> None:
        self._has_caller = False
        self._context.links.command_abandoned(self.command)

    # -- a data phase that went wrong -----------------------------------------------------------------

    def _recover_data_phase(self, now: float) -> None:
        """No prompt, or not all of the payload arrived: end the data phase, if there is one."""
        self._machine.feed(CommandInput.DATA_PHASE_FAILED)
        self._retry_at = NEVER
        self._start_recovery(now)

    def _start_recovery(self, now: float) -> None:
        self._recovery.start(self._payload_bytes, self._context.s_per_byte, self._context.queued_s)
        self._recover(now)

    def _recover(self, now: float) -> None:
        """The next step."""
        step = self._recovery.next_step()
        if step is None:
            self._give_up(self._failure(Result.ERROR), now)
            return
        if step.refills and self._machine.state is CommandState.CANCELLING:
            self._machine.feed(CommandInput.NOT_CANCELLED)
        if step.write:
            self._context.outgoing.append(step.write)
        self._deadline = now + step.wait_s
