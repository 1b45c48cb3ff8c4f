"""The state tables, every pair of state and input: the legal ones move, the rest raise and change nothing."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock.at.commands import basic, tcpip
from esp32sock.at.events import CommandFailed, LinkClosed, OrphanLink
from esp32sock.at.state import (
    COMMAND_TABLE,
    LINK_TABLE,
    MODULE_TABLE,
    CommandInput,
    CommandState,
    LinkInput,
    LinkState,
    Machine,
    ModuleInput,
    ModuleState,
    command_machine,
    link_machine,
    module_machine,
)
from esp32sock.errors import LocalProtocolError, ModuleReset, PortError
from tests.at.harness import SessionHarness, chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum

Table = "Mapping[Enum, Mapping[Enum, Enum]]"

MACHINES: list[tuple[str, Any, type[Enum], type[Enum], Enum]] = [
    ("module", MODULE_TABLE, ModuleState, ModuleInput, ModuleState.OFFLINE),
    ("command", COMMAND_TABLE, CommandState, CommandInput, CommandState.IDLE),
    ("link", LINK_TABLE, LinkState, LinkInput, LinkState.FREE),
]
PAIRS = [
    pytest.param(name, table, state, what, id=f"{name}-{state.name}-{what.name}")
    for name, table, states, inputs, _ in MACHINES
    for state in states
    for what in inputs
]

# Written out once more, from the theory of operation: a change of a table must be meant.
C, CI = CommandState, CommandInput
L, LI = LinkState, LinkInput
M, MI = ModuleState, ModuleInput
MOVES: dict[Enum, dict[Enum, Enum]] = {
    M.OFFLINE: {MI.PORT_OPENED: M.SYNCING},
    M.SYNCING: {MI.SET_UP: M.READY, MI.PASSTHROUGH_ENTERED: M.PASSTHROUGH},
    M.READY: {MI.PASSTHROUGH_ENTERED: M.PASSTHROUGH, MI.LINE_CHANGES: M.SYNCING, MI.FELL_SILENT: M.SYNCING},
    M.RESETTING: {MI.FELL_SILENT: M.SYNCING},
    M.PASSTHROUGH: {MI.PASSTHROUGH_LEFT: M.SYNCING},
    C.IDLE: {CI.SEND: C.AWAIT_RESULT, CI.SEND_FOR_PROMPT: C.AWAIT_PROMPT},
    C.AWAIT_RESULT: {
        CI.RESULT: C.IDLE,
        CI.SETTLED: C.IDLE,
        CI.RESEND: C.AWAIT_RESULT,
        CI.ABANDON: C.DOUBT,
    },
    C.AWAIT_PROMPT: {
        CI.ACCEPTED: C.AWAIT_PROMPT,
        CI.PROMPT: C.SENDING_PAYLOAD,
        CI.RESULT: C.IDLE,
        CI.DATA_PHASE_FAILED: C.CANCELLING,
    },
    C.SENDING_PAYLOAD: {CI.PAYLOAD_WRITTEN: C.AWAIT_SEND_RESULT},
    C.AWAIT_SEND_RESULT: {
        CI.ACKNOWLEDGED: C.AWAIT_SEND_RESULT,
        CI.RESULT: C.IDLE,
        CI.SETTLED: C.IDLE,
        CI.FLUSH: C.FLUSHING,
        CI.DATA_PHASE_FAILED: C.CANCELLING,
        CI.ABANDON: C.DOUBT,
    },
    C.CANCELLING: {
        CI.PROMPT: C.CANCELLING,
        CI.ACKNOWLEDGED: C.AWAIT_SEND_RESULT,
        CI.RESULT: C.IDLE,
        CI.FLUSH: C.FLUSHING,
        CI.NOT_CANCELLED: C.REFILLING,
    },
    C.REFILLING: {
        CI.PROMPT: C.CANCELLING,
        CI.ACKNOWLEDGED: C.AWAIT_SEND_RESULT,
        CI.FLUSH: C.FLUSHING,
        CI.ABANDON: C.DOUBT,
    },
    C.FLUSHING: {
        CI.SETTLED: C.IDLE,
        CI.RESEND: C.AWAIT_PROMPT,
        CI.PROMPT: C.CANCELLING,
        CI.ABANDON: C.FLUSHING,
    },
    C.DOUBT: {
        CI.RESULT: C.IDLE,
        CI.SETTLED: C.IDLE,
        CI.PROMPT: C.CANCELLING,
        CI.FLUSH: C.FLUSHING,
    },
    L.FREE: {
        LI.START: L.CONNECTING,
        LI.UP: L.OPEN,
        LI.DOWN: L.FREE,
        LI.REFUSED: L.FREE,
        LI.ABANDON: L.FREE,
        LI.RELEASE: L.FREE,
        LI.CLOSE: L.CLOSING,
    },
    L.CONNECTING: {
        LI.UP: L.OPEN,
        LI.DOWN: L.CONNECTING,
        LI.CONFIRMED: L.OPEN,
        LI.REFUSED: L.FREE,
        LI.ABANDON: L.LATE_CONNECT,
        LI.RESET: L.FREE,
    },
    L.OPEN: {
        LI.UP: L.OPEN,
        LI.DOWN: L.PEER_CLOSED,
        LI.ABANDON: L.OPEN,
        LI.CLOSE: L.CLOSING,
        LI.RESET: L.PEER_CLOSED,
    },
    L.PEER_CLOSED: {
        LI.UP: L.OPEN,
        LI.DOWN: L.PEER_CLOSED,
        LI.REFUSED: L.PEER_CLOSED,
        LI.ABANDON: L.PEER_CLOSED,
        LI.RELEASE: L.FREE,
        LI.RESET: L.PEER_CLOSED,
    },
    L.CLOSING: {LI.UP: L.CLOSING, LI.DOWN: L.CLOSING, LI.CLOSED: L.FREE, LI.RESET: L.FREE},
    L.LATE_CONNECT: {
        LI.UP: L.LATE_CONNECT,
        LI.DOWN: L.LATE_CONNECT,
        LI.CONFIRMED: L.OPEN,
        LI.REFUSED: L.FREE,
        LI.RESET: L.FREE,
    },
}
for where in M:
    MOVES[where][MI.PORT_LOST] = M.OFFLINE
    if where not in (M.OFFLINE, M.PASSTHROUGH):
        MOVES[where] |= {MI.RESTART_BEGUN: M.RESETTING, MI.BOOTED: M.SYNCING}
for busy_with in set(C) - {C.IDLE}:
    MOVES[busy_with][CI.RESET] = C.IDLE


@pytest.mark.parametrize(("name", "table", "state", "what"), PAIRS)
def test_every_pair(name: str, table: Any, state: Enum, what: Enum) -> None:
    machine: Machine[Any, Any] = Machine(f"the {name}", table, state)
    after = MOVES[state].get(what)
    assert machine.allows(what) == (after is not None)
    if after is not None:
        assert machine.feed(what) is after
        assert machine.state is after
        return
    with pytest.raises(LocalProtocolError) as caught:
        machine.feed(what)
    assert machine.state is state
    for word in (name, state.name, what.name):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "table", "states", "inputs", "start"), MACHINES, ids=[m[0] for m in MACHINES]
)
def test_every_state_can_be_reached_and_left(
    name: str, table: Any, states: type[Enum], inputs: type[Enum], start: Enum
) -> None:
    assert set(table) == set(states)
    assert {what for moves in table.values() for what in moves} == set(inputs)
    reached, new = set(), {start}
    while new:
        reached |= new
        new = {after for state in new for after in table[state].values()} - reached
    assert reached == set(states)
    assert all(any(after is not state for after in table[state].values()) for state in states)


def test_the_page_is_current() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = runpy.run_path(str(docs / "generate_state_machines.py"))["page"]
    current = (docs / "state-machines.md").read_text("utf-8")
    assert current == page(), "run: python docs/generate_state_machines.py"


def test_machines_start_where_nothing_has_happened() -> None:
    assert module_machine().state is ModuleState.OFFLINE
    assert command_machine().state is CommandState.IDLE
    assert link_machine(3).state is LinkState.FREE
    assert "link 3" in link_machine(3).name


# ---- the rule that couples the three: a restart or a lost port ends the command and every link


def no_command(harness: SessionHarness) -> None:
    pass


def awaiting_result(harness: SessionHarness) -> None:
    harness.send(basic.Test())


def awaiting_prompt(harness: SessionHarness) -> None:
    harness.send(tcpip.Send(0, chunk(0, b"hello")))


def awaiting_send_result(harness: SessionHarness) -> None:
    awaiting_prompt(harness)
    harness.feed(b"\r\nOK\r\n\r\n>")


def cancelling(harness: SessionHarness) -> None:
    awaiting_send_result(harness)
    harness.wait(harness.session.next_deadline() - harness.now)


def refilling(harness: SessionHarness) -> None:
    cancelling(harness)
    while harness.session.command.state is not CommandState.REFILLING:
        harness.wait(harness.session.next_deadline() - harness.now)


def flushing(harness: SessionHarness) -> None:
    refilling(harness)
    harness.feed(b"\r\nSEND OK\r\n")


def abandoned(harness: SessionHarness) -> None:
    awaiting_result(harness)
    harness.session.abandon()


COMMANDS: dict[CommandState, Callable[[SessionHarness], None]] = {
    C.IDLE: no_command,
    C.AWAIT_RESULT: awaiting_result,
    C.AWAIT_PROMPT: awaiting_prompt,
    C.AWAIT_SEND_RESULT: awaiting_send_result,
    C.CANCELLING: cancelling,
    C.REFILLING: refilling,
    C.FLUSHING: flushing,
    C.DOUBT: abandoned,
}  # SENDING_PAYLOAD has a test of its own


def links_in_every_state(harness: SessionHarness) -> None:
    """0 open, 1 gone and not given back, 2 free."""
    harness.feed(b"0,CONNECT\r\n1,CONNECT\r\n1,CLOSED\r\n")


def lose_the_port(harness: SessionHarness) -> None:
    harness.session.connection_lost(PortError("unplugged"))


def force_a_restart(harness: SessionHarness) -> None:
    harness.session.force_restart()


def hear_ready(harness: SessionHarness) -> None:
    harness.feed(b"\r\nready\r\n")


def hear_a_restart_begin(harness: SessionHarness) -> None:
    harness.feed(b"\r\nWill force to restart!!!\r\n")


ENDS: list[tuple[Callable[[SessionHarness], None], ModuleState, type[Exception]]] = [
    (lose_the_port, M.OFFLINE, PortError),
    (force_a_restart, M.RESETTING, ModuleReset),
    (hear_ready, M.SYNCING, ModuleReset),
    (hear_a_restart_begin, M.RESETTING, ModuleReset),
]


@pytest.mark.parametrize(("end", "after", "error"), ENDS, ids=[end[0].__name__ for end in ENDS])
@pytest.mark.parametrize("state", COMMANDS, ids=lambda state: state.name)
def test_a_restart_or_a_lost_port_ends_everything(
    state: CommandState, end: Callable[[SessionHarness], None], after: ModuleState, error: type[Exception]
) -> None:
    harness = SessionHarness.ready()
    links_in_every_state(harness)
    COMMANDS[state](harness)
    assert harness.session.command.state is state
    somebody_waits = state not in (C.IDLE, C.FLUSHING, C.DOUBT)
    harness.forget()
    end(harness)
    harness.pump()
    assert harness.session.module.state is after
    assert harness.session.command.state is CommandState.IDLE
    assert harness.session.next_deadline() == float("inf")
    failed = [event for event in harness.events if isinstance(event, CommandFailed)]
    assert [type(event.error) for event in failed] == [error] * somebody_waits
    closed = [event for event in harness.events if isinstance(event, LinkClosed)]
    assert [(event.link_id, event.generation, type(event.error)) for event in closed] == [(0, 1, error)]
    assert [harness.link(link_id) for link_id in range(5)] == [
        L.PEER_CLOSED,
        L.PEER_CLOSED,
        L.FREE,
        L.FREE,
        L.FREE,
    ]
    assert harness.written == ([b"AT+RST\r\n"] if end is force_a_restart else [])


def test_ready_behind_a_prompt_keeps_the_payload_from_being_written() -> None:
    """SENDING_PAYLOAD lasts until the driver asks what to write: it must not be told then."""
    harness = SessionHarness.ready(links=[0])
    awaiting_prompt(harness)
    harness.forget()
    harness.feed(b"\r\nOK\r\n\r\n>\r\nready\r\n")
    assert harness.written == []
    assert harness.idle
    assert harness.state() is ModuleState.SYNCING


@pytest.mark.parametrize(("end", "after", "error"), ENDS, ids=[end[0].__name__ for end in ENDS])
@pytest.mark.parametrize("then", ["connecting", "closing", "late"])
def test_links_that_are_neither_open_nor_gone_are_free_then(
    then: str, end: Callable[[SessionHarness], None], after: ModuleState, error: type[Exception]
) -> None:
    harness = SessionHarness.ready(links=[0] if then == "closing" else [])
    harness.send(tcpip.Close(0) if then == "closing" else tcpip.OpenTcp(0, "h", 1))
    if then == "late":
        harness.session.abandon()
    states = {"connecting": L.CONNECTING, "closing": L.CLOSING, "late": L.LATE_CONNECT}
    assert harness.link(0) is states[then]
    harness.forget()
    end(harness)
    harness.pump()
    assert harness.link(0) is L.FREE
    assert not [event for event in harness.events if isinstance(event, LinkClosed)]
    failed = [event for event in harness.events if isinstance(event, CommandFailed)]
    assert [type(event.error) for event in failed] == [error] * (then in ("connecting", "closing"))
    harness.forget()
    if after is M.OFFLINE:
        harness.session.port_opened()
    harness.feed(b"\r\n+IPD,0,3:old\r\n")  # nobody's any more
    assert [type(event) for event in harness.events] == [OrphanLink]


@pytest.mark.parametrize(("end", "after", "error"), ENDS, ids=[end[0].__name__ for end in ENDS])
def test_a_link_whose_opening_was_answered_and_not_announced_ends_like_an_open_one(
    end: Callable[[SessionHarness], None], after: ModuleState, error: type[Exception]
) -> None:
    """Its user waits for no command any more that could fail in its place."""
    harness = SessionHarness.ready()
    harness.send(tcpip.OpenTcp(0, "h", 1))
    harness.feed(b"\r\nOK\r\n")
    assert harness.session.links.needs_confirmation(0)
    harness.forget()
    end(harness)
    harness.pump()
    assert harness.link(0) is L.PEER_CLOSED
    assert not harness.session.links.needs_confirmation(0)
    closed = [event for event in harness.events if isinstance(event, LinkClosed)]
    assert [(event.link_id, type(event.error)) for event in closed] == [(0, error)]
