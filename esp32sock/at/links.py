"""The five links as the host knows them: state, generation, and what the demultiplexer does for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esp32sock.at.events import LinkClosed, LinkFault, LinkOpened, OrphanLink
from esp32sock.at.framing import DISCARD, LINKS, STREAM
from esp32sock.at.state import LinkInput, LinkState, link_machine

if TYPE_CHECKING:
    from collections import deque

    from esp32sock.at.commands import Command
    from esp32sock.at.events import Event
    from esp32sock.at.framing import Demux
    from esp32sock.at.urcs import LinkUp
    from esp32sock.errors import Error


class LinkRecord:
    """One link id: where its machine stands and how often it was given out."""

    __slots__ = ("blocks_at_prompt", "confirming", "discarded_bytes", "generation", "machine", "taken")

    def __init__(self, link_id: int) -> None:
        self.machine = link_machine(link_id)
        self.generation = 0
        self.confirming = False  # the module said OK without CONNECT
        self.discarded_bytes = 0  # as last seen
        self.blocks_at_prompt = 0
        self.taken = False  # the chunk in flight was counted whole by the module

    @property
    def state(self) -> LinkState:
        return self.machine.state


class Links:
    """All links of one session; what happens to them becomes events."""

    def __init__(self, demux: Demux, events: deque[Event]) -> None:
        self._demux = demux
        self._events = events
        self.records = tuple(LinkRecord(link_id) for link_id in range(LINKS))

    def __getitem__(self, link_id: int) -> LinkRecord:
        return self.records[link_id]

    def __len__(self) -> int:
        return LINKS

    # -- commands about a link ------------------------------------------------------------------------

    def command_sent(self, command: Command[Any]) -> None:
        """A command goes out; LocalProtocolError if the link it opens or closes is in no state for it."""
        if command.opens is not None:
            record = self.records[command.opens]
            record.machine.feed(LinkInput.START)
            record.generation += 1
            record.confirming = False
            self._demux.set_sink(command.opens, command.sink)
        elif command.closes is not None and command.closes < LINKS:
            self.records[command.closes].machine.feed(LinkInput.CLOSE)
            self._demux.set_sink(command.closes, DISCARD)
        if command.payload is not None:
            self._of(command).taken = False

    def command_abandoned(self, command: Command[Any]) -> None:
        """Its caller is gone: what it opens late is an orphan."""
        if command.opens is not None:
            self.records[command.opens].machine.feed(LinkInput.ABANDON)

    def command_ended(self, command: Command[Any], good: bool, *, wanted: bool) -> None:
        """The final result of a command came."""
        if command.closes is not None and command.closes < LINKS:
            self.records[command.closes].machine.feed(LinkInput.CLOSED)
        if command.opens is None:
            return
        record = self.records[command.opens]
        if not good:
            self._refused(command.opens, record)
        elif not wanted:
            if record.state is LinkState.LATE_CONNECT:
                record.machine.feed(LinkInput.CONFIRMED)
            if record.state is LinkState.OPEN:
                self._events.append(OrphanLink(command.opens, "it opened after nobody waited for it any more"))
        elif record.state is LinkState.CONNECTING:
            record.confirming = True

    def _refused(self, link_id: int, record: LinkRecord) -> None:
        if record.state is LinkState.OPEN:
            self.down(link_id)
        else:
            record.machine.feed(LinkInput.REFUSED)
        if record.state is LinkState.FREE:
            self._demux.set_sink(link_id, DISCARD)

    def needs_confirmation(self, link_id: int) -> bool:
        """Whether the module said OK to CIPSTART but never CONNECT: it must be asked what it lists."""
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

    def release(self, link_id: int) -> None:
        """Its user is done with a link that is gone; the id may be given out again."""
        record = self.records[link_id]
        record.machine.feed(LinkInput.RELEASE)
        self._demux.set_sink(link_id, DISCARD)

    # -- what the module says -------------------------------------------------------------------------

    def up(self, urc: LinkUp) -> None:
        if urc.link_id >= LINKS:
            return
        record = self.records[urc.link_id]
        before = record.state
        record.machine.feed(LinkInput.UP)
        if record.state is not LinkState.OPEN or before is LinkState.OPEN:
            return
        accepted = before is not LinkState.CONNECTING
        if accepted:
            record.generation += 1
            self._demux.set_sink(urc.link_id, STREAM)
        self._events.append(
            LinkOpened(urc.link_id, record.generation, accepted, urc.remote, urc.local_port)
        )

    def down(self, link_id: int, error: Error | None = None) -> None:
        if link_id >= LINKS:
            return
        record = self.records[link_id]
        if record.confirming:
            self.confirm(link_id, listed=True)  # it was open, however shortly
        before = record.state
        record.machine.feed(LinkInput.DOWN)
        if before is LinkState.OPEN:
            self._closed(link_id, record, error)

    def _closed(self, link_id: int, record: LinkRecord, error: Error | None) -> None:
        self._demux.set_sink(link_id, DISCARD)
        self._events.append(LinkClosed(link_id, record.generation, error))

    def reset(self, error: Error) -> None:
        """The module or the port is gone: no link survives."""
        for link_id, record in enumerate(self.records):
            before = record.state
            record.confirming = False
            if before is LinkState.FREE:
                continue
            record.machine.feed(LinkInput.RESET)
            if before is LinkState.OPEN:
                self._closed(link_id, record, error)

    # -- bytes that are not what they should be -------------------------------------------------------

    def faulty(self, link_id: int, reason: str) -> None:
        """The payload of a link is not what the peer sent."""
        if link_id >= LINKS:
            return
        record = self.records[link_id]
        if record.state in (LinkState.OPEN, LinkState.CONNECTING):
            self._events.append(LinkFault(link_id, record.generation, reason))

    def all_faulty(self, reason: str) -> None:
        """Nobody knows whose payload it was."""
        for link_id in range(LINKS):
            self.faulty(link_id, reason)

    def check_counters(self) -> None:
        """Buffers that overflowed, and payload for links that nobody here knows."""
        overflowed = self._demux.overflowed
        for link_id, record in enumerate(self.records):
            if overflowed >> link_id & 1:
                self._demux.set_sink(link_id, DISCARD)
                self.faulty(link_id, "its receive buffer is full")
            discarded = self._demux.discarded_bytes(link_id)
            if discarded != record.discarded_bytes:
                record.discarded_bytes = discarded
                if record.state is LinkState.FREE:
                    self._events.append(OrphanLink(link_id, "payload came for a link that is not open here"))

    # -- the data phase -------------------------------------------------------------------------------

    def prompt_seen(self, command: Command[Any]) -> None:
        record = self._of(command)
        record.blocks_at_prompt = self._demux.blocks(self._id(command))

    def payload_taken(self, command: Command[Any]) -> None:
        """The module said `Recv`."""
        self._of(command).taken = True

    def payload_was_taken(self, command: Command[Any]) -> bool:
        return self._of(command).taken

    def received_while_sending(self, command: Command[Any]) -> bool:
        """Whether a block of this very link came between its prompt and `Recv` (known-bugs 12, 15)."""
        return self._demux.blocks(self._id(command)) != self._of(command).blocks_at_prompt

    @staticmethod
    def _id(command: Command[Any]) -> int:
        link_id: int = getattr(command, "link_id", None) or 0
        return link_id

    def _of(self, command: Command[Any]) -> LinkRecord:
        return self.records[self._id(command)]
