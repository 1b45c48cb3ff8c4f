"""The five links from the host's side: state, generation, and what the demultiplexer does for each."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Any

from esp32sock.at.events import Contradiction, LinkClosed, LinkFault, LinkOpened, OrphanLink
from esp32sock.at.framing import DATAGRAM, DISCARD, LINKS, STREAM
from esp32sock.at.link_record import LinkRecord
from esp32sock.at.state import LinkInput, LinkState
from esp32sock.errors import Error, LocalProtocolError

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from esp32sock.at.commands import Command
    from esp32sock.at.events import Event
    from esp32sock.at.framing import Demux
    from esp32sock.at.urcs import LinkUp


LISTED = re.compile(rb"\+CIPSTAT(?:US|E):([0-4]),")
"""What begins a line of the list of links."""
PASSTHROUGH_LINK = 0
"""The one link of single-link mode."""


class Links:
    """All links of one session; what happens to them becomes events."""

    def __init__(self, demux: Demux, events: deque[Event]) -> None:
        self._demux = demux
        self._events = events
        self.records = tuple(LinkRecord(link_id) for link_id in range(LINKS))
        self.changes = 0
        """How often a link opened or closed."""

    def __getitem__(self, link_id: int) -> LinkRecord:
        return self.records[link_id]

    def __len__(self) -> int:
        return LINKS

    @property
    def are_left(self) -> bool:
        """Whether the module has links, or may have."""
        return any(record.state is not LinkState.FREE or record.is_unsettled for record in self.records)

    def _set_sink(self, link_id: int, kind: int) -> None:
        """From now on the payload of this link has another owner; what this drops is not reported."""
        self._demux.set_sink(link_id, kind)
        self.records[link_id].sink = kind
        self.records[link_id].discarded_bytes = self._demux.discarded_bytes(link_id)

    # -- commands about a link ------------------------------------------------------------------------

    def command_sent(self, command: Command[Any]) -> None:
        """A command goes out; LocalProtocolError if the link it is about is in no state for it."""
        if command.opens is not None:
            record = self._checked(command.opens)
            record.machine.feed(LinkInput.START)
            record.generation += 1
            record.confirming = False
            record.is_known_orphan = record.is_unsettled = record.came_up = False
            record.was_cancelled = False
            record.shown = None
            self._set_sink(command.opens, command.sink)
        elif command.closes is not None and command.closes < LINKS:
            record = self._checked(command.closes)
            self.confirm(command.closes, listed=True)  # its result tells
            record.closed_open, record.was_down = record.state is LinkState.OPEN, False
            record.came_up = False
            record.machine.feed(LinkInput.CLOSE)
            record.is_known_orphan = False
            self._set_sink(command.closes, DISCARD)
        elif command.begins_passthrough:
            if self.records[PASSTHROUGH_LINK].sink == DATAGRAM:  # it has no borders there
                self._set_sink(PASSTHROUGH_LINK, STREAM)
        elif _has_data_phase(command):
            record = self._checked(self._id(command))
            record.was_cancelled = record.was_cancelled or record.blocks_at_prompt is not None
            record.blocks_at_prompt = record.blocks_at_accept = None
            record.received_while_sending = record.may_be_deaf = False

    def command_repeated(self, command: Command[Any]) -> None:
        """The line goes out once more: its data phase begins anew."""
        if _has_data_phase(command):
            self.command_sent(command)

    def generation_of(self, command: Command[Any]) -> int:
        """That of the link on which the command sends; 0 while it is not open, or for no link."""
        if not _has_data_phase(command):
            return 0
        record = self._of(command)
        return record.generation if record.state is LinkState.OPEN else 0

    def sends_on(self, command: Command[Any]) -> int | None:
        """The link over which the payload of the command goes; None for one without."""
        return self._id(command) if _has_data_phase(command) else None

    def is_anothers(self, command: Command[Any], generation: int) -> bool:
        """Whether the link on which the command sends is not of this generation any more; 0: of none."""
        return generation != 0 and self._of(command).generation != generation

    def _checked(self, link_id: int) -> LinkRecord:
        if not 0 <= link_id < LINKS:
            raise LocalProtocolError(f"there is no link {link_id}")
        return self.records[link_id]

    def command_abandoned(self, command: Command[Any]) -> None:
        """It has no caller any more: a link that it opens late has no owner, and its payload is dropped."""
        if command.opens is not None:
            self.records[command.opens].machine.feed(LinkInput.ABANDON)
            self._set_sink(command.opens, DISCARD)

    def command_ended(self, command: Command[Any], good: bool, *, wanted: bool) -> None:
        """The final result of a command came."""
        if command.closes is not None and command.closes < LINKS:
            self._close_ended(command.closes, good=good)
        if _has_data_phase(command):
            self._send_ended(self._of(command), self._id(command), good=good)
        self._data_phase_over(command)
        if command.opens is None:
            return
        record = self.records[command.opens]
        if not good:
            self._refused(command.opens, record)
        elif not wanted:
            if record.state is LinkState.LATE_CONNECT:
                record.machine.feed(LinkInput.CONFIRMED)
            if record.state is LinkState.OPEN:
                self._orphan(command.opens, record, "it opened after its request had been cancelled")
        elif record.state is LinkState.CONNECTING:
            record.confirming = True

    def _close_ended(self, link_id: int, *, good: bool) -> None:
        record = self.records[link_id]
        was_open = not record.was_down and (record.closed_open or record.is_unsettled)
        record.is_unsettled = not good and (was_open or record.came_up)
        if record.is_unsettled:
            self._events.append(Contradiction(f"it did not close link {link_id}"))
        record.machine.feed(LinkInput.CLOSED)

    def answer_lost(self, command: Command[Any]) -> None:
        """What became of the link that this command opens is not known before a comparison."""
        if command.opens is not None:
            self.records[command.opens].is_unsettled = True

    def settle(self, link_id: int) -> None:
        """The module does not have this link: it may be given out again."""
        self.records[link_id].is_unsettled = False

    def _refused(self, link_id: int, record: LinkRecord) -> None:
        if record.state is LinkState.OPEN:
            self.down(link_id)
        else:
            record.machine.feed(LinkInput.REFUSED)
        if record.state is LinkState.FREE:
            self._set_sink(link_id, DISCARD)
            record.is_unsettled = record.is_unsettled or record.came_up

    def needs_confirmation(self, link_id: int) -> bool:
        """Whether CIPSTART had OK but no CONNECT: the module's list of links must be read."""
        return self.records[link_id].confirming

    def confirm(self, link_id: int, *, listed: bool) -> None:
        """The answer to that."""
        record = self.records[link_id]
        if not record.confirming:
            return
        record.confirming = False
        if listed:
            record.machine.feed(LinkInput.CONFIRMED)
            self._events.append(LinkOpened(link_id, record.generation, accepted=False))
        else:
            self._refused(link_id, record)
            record.is_unsettled = record.state is LinkState.FREE
            self._events.append(Contradiction(f"it does not list link {link_id}, which it opened"))

    def release(self, link_id: int) -> None:
        """Its user is done with a link that is gone; the id may be given out again."""
        record = self.records[link_id]
        record.machine.feed(LinkInput.RELEASE)
        record.is_unsettled = record.is_unsettled or record.came_up
        self._set_sink(link_id, DISCARD)

    # -- what the module prints -----------------------------------------------------------------------

    def up(self, urc: LinkUp) -> None:
        self.changes += 1
        if urc.link_id >= LINKS:
            return
        record = self.records[urc.link_id]
        if record.state is LinkState.OPEN and record.is_accepted:
            self._replaced(urc.link_id, record)
        before = record.state
        record.machine.feed(LinkInput.UP)
        record.confirming = False
        record.came_up = record.state is not LinkState.OPEN
        if record.came_up or before is LinkState.OPEN:
            return
        record.is_known_orphan = record.is_unsettled = False
        accepted = record.is_accepted = before is not LinkState.CONNECTING
        record.shown = urc
        if accepted:
            record.generation += 1
            if urc.accepted is False:
                self._orphan(urc.link_id, record, "the module opened it late, unasked")
                return
            self._set_sink(urc.link_id, STREAM)
        self._events.append(LinkOpened(urc.link_id, record.generation, accepted, urc.remote, urc.local_port))

    def down(self, link_id: int, error: Error | None = None) -> None:
        self.changes += 1
        if link_id >= LINKS:
            return
        record = self.records[link_id]
        if record.confirming:
            self.confirm(link_id, listed=True)  # it was open, however shortly
        before = record.state
        record.was_down, record.came_up = True, False
        record.ends += 1
        record.is_unsettled = False
        record.machine.feed(LinkInput.DOWN)
        if before is LinkState.OPEN:
            self._closed(link_id, record, error)

    def _replaced(self, link_id: int, record: LinkRecord) -> None:
        """The server accepted the next client on this id: the CLOSED of the one before was lost."""
        reason = f"link {link_id} was closed without a word, and belongs to the next client"
        self.down(link_id, Error(reason, errno=errno.ECONNRESET))

    def adopt(self, urc: LinkUp) -> bool:
        """The module lists a link that it accepted: its CONNECT was lost.

        False if payload was lost too, or if it may be a link of before that did not close.
        """
        record = self.records[urc.link_id]
        if record.state is not LinkState.FREE or record.is_known_orphan or record.is_unsettled:
            return False
        self.up(urc)
        return True

    def _closed(self, link_id: int, record: LinkRecord, error: Error | None) -> None:
        self._set_sink(link_id, DISCARD)
        self._events.append(LinkClosed(link_id, record.generation, error))

    def reset(self, error: Error) -> None:
        """The module or the port is gone: no link survives."""
        for link_id, record in enumerate(self.records):
            if record.confirming:
                self.confirm(link_id, listed=True)  # it was open, and its user waits for no command any more
            before = record.state
            record.is_known_orphan = record.is_unsettled = record.came_up = False
            self._set_sink(link_id, DISCARD)
            if before is LinkState.FREE:
                continue
            record.machine.feed(LinkInput.RESET)
            if before is LinkState.OPEN:
                self._closed(link_id, record, error)

    # -- bytes that are not what they should be -------------------------------------------------------

    def faulty(self, link_id: int, reason: str) -> bool:
        """The payload of a link is not what the peer sent; False if the link has no owner here."""
        if link_id >= LINKS:
            return False
        record = self.records[link_id]
        if record.state not in (LinkState.OPEN, LinkState.CONNECTING):
            return False
        self._events.append(LinkFault(link_id, record.generation, reason))
        return True

    def all_faulty(self, reason: str) -> bool:
        """The payload may be of any link; False if no link has an owner here."""
        return sum(self.faulty(link_id, reason) for link_id in range(LINKS)) > 0

    def check_counters(self) -> None:
        """Buffers that overflowed, and payload for links that are not open here."""
        overflowed = self._demux.overflowed
        for link_id, record in enumerate(self.records):
            if overflowed >> link_id & 1:
                self._set_sink(link_id, DISCARD)
                self.faulty(link_id, "its receive buffer is full")
            discarded = self._demux.discarded_bytes(link_id)
            if discarded != record.discarded_bytes:
                record.discarded_bytes = discarded
                if record.state is LinkState.FREE:
                    self._orphan(link_id, record, "payload arrived for a link that is not open")
                elif record.was_down or not record.closed_open:
                    record.came_up = True  # unseen, since what was open before has ended

    def check_open(self, link_id: int) -> None:
        """The module announces payload of this link: without a link here, its CONNECT was lost."""
        if link_id < LINKS and self.records[link_id].state is LinkState.FREE:
            self._events.append(
                Contradiction(f"it announces payload of link {link_id}, which is not open here")
            )

    def check_listed(self, lines: Iterable[bytes]) -> None:
        """The module lists these links: one that is not open here was opened, or not closed, unseen."""
        for line in lines:
            if (match := LISTED.match(line)) is None:
                continue
            link_id = int(match[1])
            record = self.records[link_id]
            if record.state is LinkState.FREE and not record.is_unsettled:
                self._events.append(Contradiction(f"it lists link {link_id}, which is not open here"))

    def _orphan(self, link_id: int, record: LinkRecord, reason: str) -> None:
        """Report it, once until something is done about it."""
        if not record.is_known_orphan:
            record.is_known_orphan = record.is_unsettled = True
            self._events.append(OrphanLink(link_id, reason))

    # -- the data phase -------------------------------------------------------------------------------

    @property
    def events_seen(self) -> int:
        """A number that grows with every block and every link that opens or closes."""
        return self.changes + sum(self._demux.blocks(link_id) for link_id in range(LINKS))

    def send_accepted(self, command: Command[Any]) -> None:
        """The OK before its prompt: from here on to SEND OK a block can stop the link's receiving on 2.0."""
        if _has_data_phase(command):
            self._of(command).blocks_at_accept = self._demux.blocks(self._id(command))

    def _send_ended(self, record: LinkRecord, link_id: int, *, good: bool) -> None:
        if not good:
            record.was_cancelled = record.was_cancelled or record.blocks_at_prompt is not None
            return
        came = record.blocks_at_accept not in (None, self._demux.blocks(link_id))
        record.may_be_deaf = came or record.was_cancelled
        record.was_cancelled = False

    def may_be_deaf(self, command: Command[Any]) -> bool:
        """After a send: whether 2.0 may have stopped receiving on its link (known-bugs 12, real-firmware).

        A block of the link came between the OK and the SEND OK, or a send before it was cancelled. True of a
        command that has ended, until the next one goes out on its link.
        """
        return self._of(command).may_be_deaf

    def was_cancelled(self, link_id: int) -> bool:
        """Whether a send on this link got as far as its prompt, failed, and none was complete since."""
        return self.records[link_id].was_cancelled

    def prompt_seen(self, command: Command[Any]) -> None:
        if not _has_data_phase(command):
            return
        record, blocks = self._of(command), self._demux.blocks(self._id(command))
        record.blocks_at_prompt = blocks
        if record.blocks_at_accept is None:  # its OK was lost
            record.blocks_at_accept = blocks

    def payload_taken(self, command: Command[Any]) -> None:
        """The module printed `Recv`: what comes from here on did not come while it waited for payload."""
        self._data_phase_over(command)

    def _data_phase_over(self, command: Command[Any]) -> None:
        if not _has_data_phase(command):
            return
        record = self._of(command)
        before, record.blocks_at_prompt = record.blocks_at_prompt, None
        if before is not None:
            record.received_while_sending = self._demux.blocks(self._id(command)) != before

    def received_while_sending(self, command: Command[Any]) -> bool:
        """Whether a block of this very link came between its prompt and `Recv` (known-bugs 15).

        True of a command that has ended, until the next one goes out on its link.
        """
        return self._of(command).received_while_sending

    @staticmethod
    def _id(command: Command[Any]) -> int:
        link_id: int = getattr(command, "link_id", None) or 0
        return link_id

    def _of(self, command: Command[Any]) -> LinkRecord:
        return self.records[self._id(command)]


def _has_data_phase(command: Command[Any]) -> bool:
    """Whether it sends on a link; what the module keeps goes over none."""
    return command.payload is not None and not command.stores_payload
