"""One command: from its line, through prompt and payload, to its final result.

Theory of operation
-------------------
A transaction begins with its command. All that the module prints and that may be about the command is offered
to it: each of `result`, `busy`, `received`, `line` and `prompt` says whether it was. What goes wrong is found
by time alone: `handle_deadline`.

* **No answer in time** is a doubt, and a barrier (`barrier.py`) goes out behind the command. Refused with
  `busy p...` it proves that the module still works: the command is waited for, at most its own time, and the
  next barrier follows with more patience. Answered it proves that the answer of the command was lost. Three
  without an answer, and nothing else received: the module is silent.
* **busy p...** to the command itself may be a refusal or mean nothing (known-bugs 5). A line is never sent
  twice on that word alone: a barrier must show first that the module did not run the line. A barrier at a
  prompt would be payload, so a command that waits for one is cancelled first, as below.
* **A data phase that does not end** is cancelled or filled up (`data_phase_recovery.py`), flushed, and
  settled by a barrier. If no byte of the payload went out and none was filled in, the command begins anew;
  else it fails, since how much of the payload the peer got is not known.

Invariants
----------
* Nothing is handed out between a prompt and its payload, and nothing behind a payload before its `Recv`,
  except by the recovery: even a barrier would be payload.
* A final result only counts where it can be that of this command: a late SEND OK is not the result of the
  next CIPSEND, whose prompt has not even come; OK without the response line that must come before it is
  another command's.
* The transaction is over when the command machine is IDLE again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esp32sock.at.commands.base import USUAL_TIMEOUT_S
from esp32sock.at.data_phase_recovery import EMPTY_LINE, FLUSH_WAIT_S, SETTLE_S, DataPhaseRecovery
from esp32sock.at.doubt import DOUBT_S, Doubt
from esp32sock.at.events import CommandDone, CommandFailed, DoubtSettled, ModuleBusy, ModuleSilent
from esp32sock.at.patience import NEVER, Patience
from esp32sock.at.response import Response
from esp32sock.at.results import COMMAND_ENDS, ENDS, SEND_ENDS, SUCCESSES, Result
from esp32sock.at.state import CommandInput, CommandState, ModuleState
from esp32sock.errors import LocalProtocolError

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.at.transaction_context import TransactionContext
    from esp32sock.errors import Error

BUSY_GRACE_S = 0.2
"""After `busy p...` the command may be running all the same: wait so long in silence (known-bugs 5)."""
PROMPT_S = 1.5
"""The prompt comes within milliseconds; by taste."""
RECEIVED_S = 1.0
"""From the last payload byte to `Recv`, beyond the time on the wire; by taste, milliseconds seen."""
TAIL_BYTES, TAIL_S = 8192, 30.0
"""A long send of which no more than so much is left: that may be because a byte was lost, so no longer."""
REFILL_MOST_BYTES = 48 * 1024
"""What is filled in for a long send that `+++` did not end."""
UNANNOUNCED_S = 10.0
"""From the last payload byte to SEND OK on a module that did not print `Recv`."""
BUSY_S = 15.0
"""A module that is busy joins, or runs a command of before: a command is tried so much longer than its own
time (known-bugs 5 has seconds; a guess)."""
OWED_S = 30.0
"""A command whose time is over may go on so long or as long again, if the module reports that it is busy."""
AGAIN_S = 15.0
"""So long a send whose prompt does not come begins anew, and BUSY_S longer on a busy module; by taste."""
RESENDS = 5
"""How often a send whose prompt did not come begins anew; by taste."""

_RECOVERING = (CommandState.CANCELLING, CommandState.REFILLING)


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

        self.line_bytes = line + b"\r\n"
        self._echo = echo
        self._has_caller = True
        self._is_given_up = False
        self._is_link_gone = False  # of a long send
        self._owed_left_s = 0.0
        self._give_up_at = now + PROMPT_S + AGAIN_S + context.queued_s  # for a send that begins anew
        self._resends_left = RESENDS
        self._generation = context.links.generation_of(command)
        self._begin(now)

    def _begin(self, now: float) -> None:
        """The line goes out: for the first time, or once more after a barrier."""
        context = self._context
        self._response = Response(self.command, echo=self.line_bytes[:-2] if self._echo else b"")
        patience_s = PROMPT_S if self._awaits_prompt else self.command.timeout
        self._patience = Patience()
        self._wait(now, patience_s)
        self._written_at = now
        self._line_written = False  # before that, nothing the module prints can be about this command
        self._payload_written = False
        self._payload_acknowledged = False  # the module said `Recv`
        self._recovery = DataPhaseRecovery()
        self._desynchronised = False  # bytes were written that belong to no command
        self._refilled = False  # and some of them may be payload now
        self._doubt = Doubt()
        self._may_have_run = False
        link_id = self.command.receives
        self._changes_before = context.links.changes
        self._blocks_before = 0 if link_id is None else context.demux.blocks(link_id)
        self._first_barrier = context.barrier.count  # an older one says nothing of this command
        if not self._awaits_prompt:
            self._doubt_from(now)
        context.outgoing.append(self.line_bytes)

    def _wait(self, now: float, seconds: float) -> None:
        """The next answer is too late after so long, and what the line may add."""
        self._patience.start(now, seconds + self._context.grace_s, self._context.queued_s)

    def _doubt_from(self, now: float) -> None:
        """The final result is awaited from here on; while SYNCING the driver finds out itself."""
        if self._context.module.state is not ModuleState.SYNCING:
            self._doubt.patience.start(now, DOUBT_S + self._context.grace_s, self._context.queued_s)

    # -- what the driver does -------------------------------------------------------------------------

    def written(self, pieces: list[bytes | memoryview], now: float) -> None:
        """These pieces go out now."""
        if not self._line_written:
            self._line_written = True
            self._written_at = now
            if self._awaits_prompt:
                self._context.demux.expect_prompt()
        elif self._machine.state is CommandState.SENDING_PAYLOAD:
            self._await_send_result(now)
        elif self._machine.state in _RECOVERING:
            self._recovery.wrote(pieces)
            self._desynchronised = True

    def _await_send_result(self, now: float) -> None:
        self._machine.feed(CommandInput.PAYLOAD_WRITTEN)
        self._payload_written = True
        answer_s = RECEIVED_S if self._context.reports_received else UNANNOUNCED_S
        if self.command.reports_progress:
            self._await_report(now, self._payload_bytes)
            return
        if self.command.stores_payload:
            answer_s = self.command.timeout
        on_the_wire_s = self._payload_bytes * self._context.s_per_byte
        self._wait(now, on_the_wire_s + answer_s)

    @property
    def _payload_bytes(self) -> int:
        return len(self.command.payload or b"")

    @property
    def _owed_s(self) -> float:
        is_sent = self._payload_written or not self._awaits_prompt
        return max(OWED_S, self.command.timeout) if is_sent else OWED_S

    def abandon(self) -> None:
        """The caller waits no more; the module still owes the result."""
        if not self._has_caller:
            return
        self._forget_caller()
        if self._machine.state is CommandState.AWAIT_RESULT:
            self._machine.feed(CommandInput.ABANDON)

    def drop(self, error: Error) -> None:
        """The module or the port is gone, and the command with it."""
        self._end(CommandInput.RESET)
        if self._has_caller:
            self._report_failure(error)

    # -- what the module prints -----------------------------------------------------------------------

    def line(self, text: bytes) -> bool:
        """A line of text: part of what the command makes the module print?"""
        return self._line_written and self._response.add(text, keep=self._has_caller)

    def names_line(self, text: bytes) -> bool:
        """A line that may come unasked: one that the command names as its own?"""
        return text.startswith(self.command.prefixes or b"\n") and self.line(text)

    def link_came_up(self, link_id: int) -> None:
        """CONNECT: what the command is for, or the next connection on the id that it was to send on."""
        if self.command.opens == link_id:
            self._response.has_begun = True
        elif (
            self._generation and getattr(self.command, "link_id", None) == link_id and not self._line_written
        ):
            self._end(CommandInput.RESULT)
            self._context.links.command_ended(self.command, good=False, wanted=False)
            self._fail(self._response.not_sent())

    def busy(self, now: float) -> bool:
        """`busy p...`: about a barrier, a refusal of the command, or nothing at all."""
        if not self._line_written:
            return False
        about_barrier = self._doubt.busy()
        if about_barrier or self._response.has_begun or not self._may_be_refused():
            return True
        if not self._response.was_busy and self._context.module.state is not ModuleState.SYNCING:
            self._patience.extend(BUSY_S)
            self._give_up_at += BUSY_S
        self._response.busy()
        if self._awaits_prompt:
            self._wait(now, BUSY_GRACE_S)
        else:
            self._doubt.patience.at_latest(now + BUSY_GRACE_S + self._context.grace_s)
        self._context.events.append(ModuleBusy(self.command.label))
        return True

    def _may_be_refused(self) -> bool:
        if self._awaits_prompt:
            return self._machine.state is CommandState.AWAIT_PROMPT
        return self._machine.state in (CommandState.AWAIT_RESULT, CommandState.DOUBT)

    def prompt(self, now: float) -> bool:
        """`>`: the payload may go out, or passthrough begins, or a data phase that was given up already."""
        if not self._awaits_prompt or not self._machine.allows(CommandInput.PROMPT):
            return False
        late = self._machine.state is not CommandState.AWAIT_PROMPT
        if self.command.begins_passthrough and not late:
            self._enter_passthrough(now)
            return True
        if not late and self._context.links.is_anothers(self.command, self._generation):
            self._recover_data_phase(now)
            return True
        self._machine.feed(CommandInput.PROMPT)
        self._response.has_begun = True
        self._context.outgoing.clear()
        if late:
            self._doubt = Doubt()
            self._start_recovery(now)
            return True
        payload = self.command.payload
        assert payload is not None, "only a command with a payload awaits a prompt"
        self._patience.stop()  # until the payload is taken to be written
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
        self._refilled = self._refilled or not self._payload_written  # it took the recovery's bytes
        if count != self.command.acknowledged_bytes:  # it took the rest for a line
            self._desynchronised = True
        self._context.reports_received = True
        self._context.send_failed = False
        self._payload_acknowledged = True
        self._wait(now, self.command.timeout)
        self._doubt_from(now)
        self._context.links.payload_taken(self.command)
        self._context.outgoing.clear()
        return True

    def sent(self, sent: int, received: int, now: float) -> bool:
        """`+CIPSENDL`: so much went out, so much has come; the rest may take as long as the peer is slow."""
        if not self._machine.allows(CommandInput.ACKNOWLEDGED) or not self._payload_written:
            return False
        if received >= self._payload_bytes:
            return self.received(received, now)
        self._await_report(now, self._payload_bytes - sent)
        return True

    def _await_report(self, now: float, left_bytes: int) -> None:
        """The next `+CIPSENDL` is too late after this. A link that is gone has no peer that is slow."""
        slow_s = TAIL_S if left_bytes <= TAIL_BYTES else self.command.timeout
        if self._is_link_gone:
            slow_s = RECEIVED_S
        self._wait(now, left_bytes * self._context.s_per_byte + slow_s)

    def link_went_down(self, link_id: int, now: float) -> None:
        """CLOSED: what is left of a long send on this link is taken and dropped at the rate of the line."""
        if not self.command.reports_progress or getattr(self.command, "link_id", None) != link_id:
            return
        self._is_link_gone = True
        if self._machine.state is CommandState.AWAIT_SEND_RESULT and not self._payload_acknowledged:
            self._await_report(now, self._payload_bytes)

    def result(self, result: Result, now: float) -> bool:
        """A final result."""
        if not self._line_written:
            return False
        if self._machine.state is CommandState.FLUSHING:
            self._doubt.patience.at_latest(now + SETTLE_S)
        elif result is Result.OK and self._awaits_prompt and not self._is_stored:
            return self._accepted(now)
        elif not self._can_be_its_end(result):
            return False
        elif self._desynchronised:
            self._flush(result, now)
        else:
            if not self.command.reports_progress:
                self._measure(now)
            self._finish(result)
        return True

    def _accepted(self, now: float) -> bool:
        """The OK before a prompt."""
        if self._machine.state is CommandState.AWAIT_PROMPT:
            self._machine.feed(CommandInput.ACCEPTED)
            self._context.links.send_accepted(self.command)
            self._measure(now)
            self._context.prompted(self._answered_s(now))
            self._wait(now, PROMPT_S)
            self._response.has_begun = True
        return self._machine.allows(CommandInput.PROMPT)

    def _measure(self, now: float) -> None:
        """What the module answers out of its memory shows the round trip of the line."""
        if (self._awaits_prompt or self.command.timeout <= USUAL_TIMEOUT_S) and not self._doubt.barriers:
            self._context.measured(self._answered_s(now))

    def _answered_s(self, now: float) -> float:
        """From the line to now, its time on the wire aside."""
        on_the_wire_s = len(self.line_bytes) * self._context.s_per_byte
        return max(0.0, now - self._written_at - on_the_wire_s)

    @property
    def _is_stored(self) -> bool:
        """Whether an OK is the end now: the whole payload went out, and to stay in the module."""
        return self.command.stores_payload and self._payload_written and not self._desynchronised

    def _can_be_its_end(self, result: Result) -> bool:
        state = self._machine.state
        if state is CommandState.DOUBT:
            ends = COMMAND_ENDS if self.command.payload is None else SEND_ENDS
        else:
            ends = ENDS.get(state, frozenset())
        if result not in ends and not (result is Result.OK and self._is_stored):
            return False
        if result is Result.ERROR:
            return not self._may_hide_payload
        if result is Result.OK and not self._has_its_shape:
            self._may_have_run = True  # it may be this OK whose line, or payload, was lost
            return False
        if self.command.payload is not None and not self._payload_written and not self._desynchronised:
            return False
        # NonOS says SEND OK after SEND FAIL: without a `Recv` of its own it may still be that one
        context = self._context
        late = context.send_failed and context.reports_received and not self._payload_acknowledged
        return not (late and result is Result.SEND_OK)

    @property
    def _has_its_shape(self) -> bool:
        """Whether what must come before OK came: the line, or the payload, that the command asks for."""
        link_id = self.command.receives
        if link_id is not None:
            return self._context.demux.blocks(link_id) != self._blocks_before
        return self._response.has_begun or not self.command.answers_with_line

    @property
    def _may_hide_payload(self) -> bool:
        """Whether payload may have been lost with the answer: ERROR may then be a mangled barrier's."""
        is_doubtful = self._may_have_run or self._doubt.barriers > 0
        return self.command.receives is not None and is_doubtful

    def _finish(self, result: Result) -> None:
        """The command is over; report it to the caller and to its link."""
        good = result in SUCCESSES  # never of a desynchronised one: that is flushed
        self._end(CommandInput.RESULT)
        self._context.links.command_ended(self.command, good, wanted=self._has_caller)
        self._context.send_failed = self._context.send_failed or result is Result.SEND_FAIL
        if self._has_caller:
            if good:
                self._context.events.append(CommandDone(self.command, tuple(self._response.lines)))
            else:
                self._report_failure(self._response.failure(result))
        if good:
            self._check_list()
            self._context.on_command_succeeded(self.line_bytes)

    def _check_list(self) -> None:
        """A list of links is compared by the way, unless something happened to a link meanwhile."""
        links = self._context.links
        if self.command.lists_links and links.changes == self._changes_before:
            links.check_listed(self._response.lines)

    def _end(self, what: CommandInput) -> None:
        self._context.outgoing.clear()
        self._context.demux.cancel_prompt()
        if self.command.receives is not None:
            self._context.demux.expect_recvdata(None)
        self._machine.feed(what)

    # -- doubt ----------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float:
        """When `handle_deadline` has something to do, if nothing arrives before."""
        return min(self._patience.due, self._doubt.patience.due)

    def handle_deadline(self, now: float) -> None:
        """Time has passed."""
        heard_at = self._context.heard_at
        if self._patience.is_over(now, heard_at):
            self._too_late(now)
        if self._doubt.patience.is_over(now, heard_at):
            self._ask(now)

    def suspect(self, now: float) -> None:
        """There is reason to doubt: an answer that is not there soon is not waited for."""
        soon = now + BUSY_GRACE_S + self._context.grace_s
        if self._machine.state is CommandState.AWAIT_PROMPT:
            self._patience.at_latest(soon)
        elif not self._awaits_prompt:
            self._doubt.patience.at_latest(soon)

    def postpone(self, seconds: float) -> None:
        """The host did not run for so long."""
        self._give_up_at += seconds
        self._patience.extend(seconds)
        self._doubt.patience.extend(seconds)

    def _ask(self, now: float) -> None:
        """A barrier goes out; after some without any answer the module is silent."""
        context = self._context
        if self._doubt.is_silent(context.understood_at) or self._is_misheard:
            self._module_is_silent()
            return
        self._doubt.asked(now, context.grace_s, context.queued_s)
        context.outgoing.append(context.barrier.ask(self.line_bytes, now))

    @property
    def _is_misheard(self) -> bool:
        """Whether the module prints since the last question, but at another rate."""
        return self._context.is_misheard_since(self._doubt.asked_at or self._written_at)

    def _module_is_silent(self) -> None:
        """Nothing is answered or understood, or the module is busy without end: the driver must act."""
        is_busy = self._doubt.is_busy
        self._give_up(self._response.timeout(), NEVER)
        self._patience.stop()
        self._doubt = Doubt()
        self._context.events.append(ModuleSilent(self.command.label, is_busy))

    def settled(self, barrier: int, now: float) -> None:
        """The barrier of this number was answered: nothing that went out before it is to be answered."""
        if not self._machine.allows(CommandInput.SETTLED):
            return
        if barrier < self._first_barrier:  # the module answers again: the next one, at once
            if self._doubt.barriers:
                self._doubt.answered_late(now)
            return
        if self._may_begin_anew():
            self._machine.feed(CommandInput.RESEND)
            self._resends_left -= 1
            self._context.repeats += 1
            self._context.links.command_repeated(self.command)
            self._begin(now)
            return
        mux = self._context.barrier.mux
        self._fail(self._response.data_phase_failure() if self._desynchronised else self._response.lost())
        self._end(CommandInput.SETTLED)
        self._context.links.command_ended(self.command, good=False, wanted=False)
        self._context.links.answer_lost(self.command)
        self._context.events.append(DoubtSettled(self.command.label, mux))

    def _may_begin_anew(self) -> bool:
        """Whether the module has seen nothing of the command, and the caller still waits."""
        if not self._has_caller or not self._machine.allows(CommandInput.RESEND):
            return False
        if self._context.barrier.mux is False and self._context.demux.mux:  # it restarted meanwhile
            return False
        if self._context.links.generation_of(self.command) != self._generation:
            return False  # its link was closed meanwhile, and may be another connection's
        if self._awaits_prompt:
            return not (self._payload_written or self._refilled) and self._resends_left > 0
        return not (self._response.has_begun or self._may_have_run) and self._doubt.was_refused

    def _too_late(self, now: float) -> None:
        match self._machine.state:
            case CommandState.CANCELLING | CommandState.REFILLING:
                self._recover(now)
            case CommandState.AWAIT_PROMPT if self._is_misheard:
                self._module_is_silent()
            case CommandState.AWAIT_PROMPT:
                self._recover_data_phase(now)
            case CommandState.AWAIT_SEND_RESULT if not self._payload_acknowledged:
                self._recover_data_phase(now)
            case _ if not self._is_given_up and not (self._is_stuck and self._response.was_busy):
                self._give_up(self._response.timeout(), now)
                self._owed_left_s = self._owed_s - BUSY_S
                self._wait(now, BUSY_S)
            case _ if self._owed_left_s and not self._is_stuck:
                self._wait(now, self._owed_left_s)
                self._owed_left_s = 0.0
            case _:
                self._module_is_silent()

    @property
    def _is_stuck(self) -> bool:
        """Whether the module works on, as it says, for longer than the command can take."""
        return self.command.time_is_known and self._doubt.is_busy

    def _give_up(self, error: Error, ask_at: float) -> None:
        """Tell the caller; nothing is sent but barriers before it is clear what became of the command."""
        self._fail(error)
        self._is_given_up = True
        self._patience.stop()
        if self._context.module.state is ModuleState.SYNCING:
            self._expire(error)
            return
        if self._machine.allows(CommandInput.ABANDON):
            self._machine.feed(CommandInput.ABANDON)
        self._doubt.patience.at_latest(ask_at)

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
        self._doubt = Doubt()
        self._start_recovery(now)

    def _start_recovery(self, now: float) -> None:
        self._recovery.start(min(self._payload_bytes, REFILL_MOST_BYTES), self._context.s_per_byte)
        self._recover(now)

    def _recover(self, now: float) -> None:
        """The next step."""
        step = self._recovery.next_step()
        if step is None:
            self._give_up(self._response.data_phase_failure(), now)
            return
        if step.refills and self._machine.state is CommandState.CANCELLING:
            self._machine.feed(CommandInput.NOT_CANCELLED)
        self._refilled = self._refilled or (step.refills and bool(step.write))
        if step.write:
            self._first_barrier = self._context.barrier.count
            self._context.outgoing.append(step.write)
        if step.is_answered:
            self._wait(now, step.wait_s)
        else:
            self._patience.start(now, step.wait_s, 0)

    def _flush(self, result: Result, now: float) -> None:
        """The data phase is over, but what was written may stand where the next command should start."""
        self._refilled = self._refilled or result in (
            Result.SEND_OK,
            Result.SEND_FAIL,
        )  # of what it was given
        if self._payload_written or self._refilled:
            self._fail(self._response.data_phase_failure())
        self._machine.feed(CommandInput.FLUSH)
        self._context.outgoing.clear()
        self._context.demux.cancel_prompt()
        wait_s = self._clean_after(result)
        if wait_s is None:
            self._first_barrier = self._context.barrier.count
            self._context.outgoing.append(EMPTY_LINE)
            wait_s = FLUSH_WAIT_S
        self._wait(now, max(0.0, self._give_up_at - now) if self._has_caller else self._owed_s)
        self._doubt = Doubt()
        self._doubt.patience.at_latest(now + wait_s + self._context.grace_s)

    def _clean_after(self, result: Result) -> float | None:
        """After how long the module has answered all that was written; None if it takes an empty line."""
        if self._refilled:
            return None
        if result is Result.SEND_CANCELED:
            return FLUSH_WAIT_S if self._recovery.line_ended else SETTLE_S  # that line has an answer too
        return SETTLE_S if result is Result.ERROR and self._recovery.line_ended else None
