"""The three state machines, as tables.

Theory of operation
-------------------
Three machines run side by side, independent of bytes, clocks and each other:

* the **module** machine has whether commands reach the module;
* the **command** machine follows the one command in flight, through prompt and payload, to its final
  result. A command whose answer did not come in time, or whose caller gave up, is in DOUBT: nothing is sent
  but the barrier (`barrier.py`) until its answer settles what became of the command. A data phase that does
  not end by itself is cancelled, or filled up, and what that may have left in the module's line buffer is
  flushed, up to a barrier, before anything else goes out;
* five **link** machines follow the numbered channels.

Everything that changes a state is in this file; what sends which input, and what else happens then, is
`session.py`, `command_transaction.py` and `links.py`. Read a table as `state -> input -> new state`. A
missing entry is an illegal input: a bug on this side, raised as LocalProtocolError, and the state stays.
What the *module* may say at any time (a late CLOSED, a second CONNECT) therefore has an entry in every state
in which it can come. `docs/state-machines.md` is made from the tables.

One rule couples them: when the module restarts or its port is lost, a command machine that is not IDLE gets
RESET, and every link that is not FREE gets RESET.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, TypeVar

from esp32sock.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ModuleState(Enum):
    OFFLINE = auto()  # no port
    SYNCING = auto()  # a port; whether a module answers on it is being found out, or it is being set up
    READY = auto()  # set up; sockets may use it
    RESETTING = auto()  # a restart was ordered, or the module reports one
    PASSTHROUGH = auto()  # every byte it sends is payload, and every byte written to it


class ModuleInput(Enum):
    PORT_OPENED = auto()
    PORT_LOST = auto()
    SET_UP = auto()
    RESTART_BEGUN = auto()
    BOOTED = auto()
    PASSTHROUGH_ENTERED = auto()  # the prompt of a CIPSEND without a length
    PASSTHROUGH_LEFT = auto()  # `+++` was written; whether the module left shows when it answers
    LINE_CHANGES = auto()  # both sides change their serial settings
    FELL_SILENT = auto()  # it answers nothing any more, not even that it is busy


class CommandState(Enum):
    IDLE = auto()  # no command in flight
    AWAIT_RESULT = auto()  # the line is sent, its final result is awaited
    AWAIT_PROMPT = auto()  # the line is sent, its prompt is awaited
    SENDING_PAYLOAD = auto()  # the prompt came, the payload is about to be written
    AWAIT_SEND_RESULT = auto()  # the payload is written, `Recv` or the final result is awaited
    CANCELLING = auto()  # a data phase went wrong: `+++` stands alone, SEND Canceled is awaited
    REFILLING = auto()  # it did not come: the missing bytes are filled up until the module answers
    FLUSHING = auto()  # over, but an empty line must clear what may stand in the module's line buffer
    DOUBT = auto()  # without a caller; the module owes a result, or a barrier settles that none comes


class CommandInput(Enum):
    SEND = auto()
    SEND_FOR_PROMPT = auto()
    PROMPT = auto()
    PAYLOAD_WRITTEN = auto()
    RESULT = auto()  # a final result of any kind
    ACCEPTED = auto()  # the OK before a prompt
    ACKNOWLEDGED = auto()  # `Recv`: the module has counted every byte of the payload
    DATA_PHASE_FAILED = auto()  # the data phase did not end as it should
    NOT_CANCELLED = auto()
    FLUSH = auto()  # a final result that may have left bytes of ours in the line buffer
    SETTLED = auto()  # a barrier was answered: whatever went out before it is worked off
    RESEND = auto()  # settled, and the module has seen nothing of it: the command begins anew
    ABANDON = auto()
    RESET = auto()


class LinkState(Enum):
    FREE = auto()  # not open
    CONNECTING = auto()  # a CIPSTART is in flight
    OPEN = auto()  # data may go both ways
    PEER_CLOSED = auto()  # closed on the module, not yet released by its user
    CLOSING = auto()  # a CIPCLOSE is in flight
    LATE_CONNECT = auto()  # its CIPSTART has no caller any more; if it opens it must be closed


class LinkInput(Enum):
    START = auto()
    UP = auto()
    DOWN = auto()
    CONFIRMED = auto()  # the module lists it without having printed CONNECT
    REFUSED = auto()
    ABANDON = auto()
    CLOSE = auto()
    CLOSED = auto()  # the result of CIPCLOSE, whatever it was
    RELEASE = auto()
    RESET = auto()


_M, _MI = ModuleState, ModuleInput
_C, _CI = CommandState, CommandInput
_L, _LI = LinkState, LinkInput

MODULE_TABLE: Mapping[ModuleState, Mapping[ModuleInput, ModuleState]] = {
    _M.OFFLINE: {_MI.PORT_OPENED: _M.SYNCING, _MI.PORT_LOST: _M.OFFLINE},
    _M.SYNCING: {
        _MI.SET_UP: _M.READY,
        _MI.PASSTHROUGH_ENTERED: _M.PASSTHROUGH,
        _MI.RESTART_BEGUN: _M.RESETTING,
        _MI.BOOTED: _M.SYNCING,
        _MI.PORT_LOST: _M.OFFLINE,
    },
    _M.READY: {
        _MI.RESTART_BEGUN: _M.RESETTING,
        _MI.BOOTED: _M.SYNCING,
        _MI.PASSTHROUGH_ENTERED: _M.PASSTHROUGH,
        _MI.LINE_CHANGES: _M.SYNCING,
        _MI.FELL_SILENT: _M.SYNCING,
        _MI.PORT_LOST: _M.OFFLINE,
    },
    _M.RESETTING: {
        _MI.RESTART_BEGUN: _M.RESETTING,
        _MI.FELL_SILENT: _M.SYNCING,  # no `ready` came: whether it restarts is being found out
        _MI.BOOTED: _M.SYNCING,
        _MI.PORT_LOST: _M.OFFLINE,
    },
    # Nothing the module prints is text there, so a restart cannot be seen.
    _M.PASSTHROUGH: {_MI.PASSTHROUGH_LEFT: _M.SYNCING, _MI.PORT_LOST: _M.OFFLINE},
}

COMMAND_TABLE: Mapping[CommandState, Mapping[CommandInput, CommandState]] = {
    _C.IDLE: {_CI.SEND: _C.AWAIT_RESULT, _CI.SEND_FOR_PROMPT: _C.AWAIT_PROMPT},
    _C.AWAIT_RESULT: {
        _CI.RESULT: _C.IDLE,
        _CI.SETTLED: _C.IDLE,  # its answer was lost
        _CI.RESEND: _C.AWAIT_RESULT,
        _CI.ABANDON: _C.DOUBT,
        _CI.RESET: _C.IDLE,
    },
    _C.AWAIT_PROMPT: {
        _CI.ACCEPTED: _C.AWAIT_PROMPT,
        _CI.PROMPT: _C.SENDING_PAYLOAD,
        _CI.RESULT: _C.IDLE,
        _CI.DATA_PHASE_FAILED: _C.CANCELLING,
        _CI.RESET: _C.IDLE,
    },
    # What the module prints before it has the payload cannot be the result of sending it.
    _C.SENDING_PAYLOAD: {_CI.PAYLOAD_WRITTEN: _C.AWAIT_SEND_RESULT, _CI.RESET: _C.IDLE},
    _C.AWAIT_SEND_RESULT: {
        _CI.ACKNOWLEDGED: _C.AWAIT_SEND_RESULT,
        _CI.RESULT: _C.IDLE,
        _CI.SETTLED: _C.IDLE,  # its answer was lost
        _CI.FLUSH: _C.FLUSHING,
        _CI.DATA_PHASE_FAILED: _C.CANCELLING,
        _CI.ABANDON: _C.DOUBT,
        _CI.RESET: _C.IDLE,
    },
    _C.CANCELLING: {
        _CI.PROMPT: _C.CANCELLING,  # very late: the data phase begins only now
        _CI.ACKNOWLEDGED: _C.AWAIT_SEND_RESULT,
        _CI.RESULT: _C.IDLE,  # before anything was written
        _CI.FLUSH: _C.FLUSHING,
        _CI.NOT_CANCELLED: _C.REFILLING,
        _CI.RESET: _C.IDLE,
    },
    _C.REFILLING: {
        _CI.PROMPT: _C.CANCELLING,
        _CI.ACKNOWLEDGED: _C.AWAIT_SEND_RESULT,
        _CI.FLUSH: _C.FLUSHING,
        _CI.ABANDON: _C.DOUBT,
        _CI.RESET: _C.IDLE,
    },
    _C.FLUSHING: {
        _CI.SETTLED: _C.IDLE,
        _CI.RESEND: _C.AWAIT_PROMPT,
        _CI.PROMPT: _C.CANCELLING,  # very late again
        _CI.ABANDON: _C.FLUSHING,
        _CI.RESET: _C.IDLE,
    },
    _C.DOUBT: {
        _CI.RESULT: _C.IDLE,
        _CI.SETTLED: _C.IDLE,
        _CI.PROMPT: _C.CANCELLING,
        _CI.FLUSH: _C.FLUSHING,
        _CI.RESET: _C.IDLE,
    },
}

LINK_TABLE: Mapping[LinkState, Mapping[LinkInput, LinkState]] = {
    _L.FREE: {
        _LI.START: _L.CONNECTING,
        _LI.UP: _L.OPEN,  # the server accepted a client
        _LI.DOWN: _L.FREE,  # a CLOSED for a link that never opened (known-bugs 6)
        _LI.REFUSED: _L.FREE,  # it opened, closed and was released before its CIPSTART had a result
        _LI.ABANDON: _L.FREE,
        _LI.RELEASE: _L.FREE,
        _LI.CLOSE: _L.CLOSING,  # the module has a link whose opening was not seen
    },
    _L.CONNECTING: {
        _LI.UP: _L.OPEN,
        _LI.DOWN: _L.CONNECTING,  # the late CLOSED of an attempt before this one
        _LI.CONFIRMED: _L.OPEN,
        _LI.REFUSED: _L.FREE,
        _LI.ABANDON: _L.LATE_CONNECT,
        _LI.RESET: _L.FREE,
    },
    _L.OPEN: {
        _LI.UP: _L.OPEN,
        _LI.DOWN: _L.PEER_CLOSED,
        _LI.ABANDON: _L.OPEN,
        _LI.CLOSE: _L.CLOSING,
        _LI.RESET: _L.PEER_CLOSED,
    },
    _L.PEER_CLOSED: {
        _LI.UP: _L.OPEN,  # the server gave the id to the next client before it was released
        _LI.DOWN: _L.PEER_CLOSED,
        _LI.REFUSED: _L.PEER_CLOSED,
        _LI.ABANDON: _L.PEER_CLOSED,
        _LI.RELEASE: _L.FREE,
        _LI.RESET: _L.PEER_CLOSED,
    },
    _L.CLOSING: {
        _LI.UP: _L.CLOSING,
        _LI.DOWN: _L.CLOSING,
        _LI.CLOSED: _L.FREE,
        _LI.RESET: _L.FREE,
    },
    _L.LATE_CONNECT: {
        _LI.UP: _L.LATE_CONNECT,
        _LI.DOWN: _L.LATE_CONNECT,
        _LI.CONFIRMED: _L.OPEN,
        _LI.REFUSED: _L.FREE,
        _LI.RESET: _L.FREE,
    },
}

S = TypeVar("S", bound=Enum)
I = TypeVar("I", bound=Enum)  # noqa: E741  the input of a machine


class Machine(Generic[S, I]):
    """One table and where it stands."""

    __slots__ = ("_table", "name", "state")

    def __init__(self, name: str, table: Mapping[S, Mapping[I, S]], start: S) -> None:
        self.name = name
        self._table = table
        self.state = start

    def allows(self, what: I) -> bool:
        """Whether this input has an entry now."""
        return what in self._table[self.state]

    def feed(self, what: I) -> S:
        """Take one input and return the new state; LocalProtocolError if it has no entry."""
        try:
            self.state = self._table[self.state][what]
        except KeyError:
            raise LocalProtocolError(
                f"{self.name} is {self.state.name}, where {what.name} has no meaning"
            ) from None
        return self.state


def module_machine() -> Machine[ModuleState, ModuleInput]:
    return Machine("the module", MODULE_TABLE, ModuleState.OFFLINE)


def command_machine() -> Machine[CommandState, CommandInput]:
    return Machine("the command in flight", COMMAND_TABLE, CommandState.IDLE)


def link_machine(link_id: int) -> Machine[LinkState, LinkInput]:
    return Machine(f"link {link_id}", LINK_TABLE, LinkState.FREE)
