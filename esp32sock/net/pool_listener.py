"""A listener of a pool: several modules listen, and one descriptor shows the connections of all.

Each module gets a duplicate of the descriptor's other end, so that closing the listener ends them all, and it
reads as ended once the last of them has ended. A module that is lost when the listener is opened is asked
again until it listens; later outages are the business of its own engine.
"""

from __future__ import annotations

import _socket
import logging
import os
import threading
from typing import TYPE_CHECKING

from esp32sock.errors import Error
from esp32sock.net.pool_policy import may_move
from esp32sock.net.socketpairs import EngineEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from esp32sock.engine.requests import (
        AcceptedStream,
        Handle,
        ListenEvents,
        Listening,
        StreamOpened,
        StreamOptions,
    )
    from esp32sock.net.pool_policy import PoolMember

    Begin = Callable[[PoolMember, Handle, EngineEnd, ListenEvents], None]

AT_ONCE_S = 1.0
"""What fails sooner was refused, and is not asked again; an engine waits longer for a module that is lost."""

log = logging.getLogger("esp32sock")


class PoolListener:
    """One listener on several modules; also the handle that gives it up."""

    def __init__(
        self,
        members: Sequence[PoolMember],
        end: EngineEnd,
        events: ListenEvents,
        begin: Begin,
        clock: Callable[[], float],
    ) -> None:
        self.events = events
        self.begin = begin
        self.clock = clock
        self._end = end
        self._parts = [ListeningModule(self, member) for member in members]
        self._lock = threading.RLock()
        self._is_listening = False
        self._is_over = False

    def start(self) -> None:
        """Let every module listen."""
        for part in self._parts:
            part.start()

    def abandon(self) -> None:
        with self._lock:
            self._is_over = True
        for part in self._parts:
            part.abandon()

    def set_options(self, options: StreamOptions) -> Future[None]:
        raise Error("a listener has no stream options")

    @property
    def is_over(self) -> bool:
        """Whether nothing is to begin any more."""
        return self._is_over

    @property
    def is_listening(self) -> bool:
        """Whether any module has listened."""
        return self._is_listening

    def duplicate(self) -> EngineEnd:
        """The end for one more module."""
        copy = EngineEnd(
            _socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK, 0, os.dup(self._end.fileno())
        )
        copy.user_key = self._end.user_key
        return copy

    def listening(self, listening: Listening) -> None:
        """One module listens; the first one is reported."""
        with self._lock:
            is_first, self._is_listening = not self._is_listening, True
        if is_first:
            self.events.listening(listening)

    def part_ended(self, error: Error | None) -> None:
        """One module listens no more, or could not; the last one is reported."""
        with self._lock:
            if self._is_over or not all(part.is_over for part in self._parts):
                return
            self._is_over = True
        if self._is_listening:
            self.events.ended(error)
            self._end.close()
        else:
            assert error is not None
            self.events.failed(error)


class ListeningModule:
    """One module's part of a listener: the events object of its engine."""

    def __init__(self, listener: PoolListener, member: PoolMember) -> None:
        self._listener = listener
        self._member = member
        self._handle: Handle | None = None
        self._end: EngineEnd | None = None
        self._begun_at = 0.0
        self.is_over = False

    def start(self) -> None:
        """Ask the module to listen."""
        listener = self._listener
        self._begun_at = listener.clock()
        self._handle = handle = self._member.interface.new_handle()
        self._end = end = listener.duplicate()
        try:
            listener.begin(self._member, handle, end, self)
        except Error as error:
            self._over(error)
            return
        if listener.is_over:
            handle.abandon()

    def abandon(self) -> None:
        """Give it up."""
        if self._handle is not None:
            self._handle.abandon()

    def _over(self, error: Error | None) -> None:
        self.is_over = True
        self._listener.part_ended(error)

    # What the module's engine reports, in its own thread.

    def listening(self, listening: Listening) -> None:
        self._listener.listening(listening)

    def failed(self, error: Error) -> None:
        assert self._end is not None
        self._end.close()
        listener = self._listener
        waited = listener.clock() - self._begun_at > AT_ONCE_S
        if waited and may_move(error) and listener.is_listening and not listener.is_over:
            self.start()
            return
        if not listener.is_over:
            log.warning("%s does not listen: %s", self._member.name, error)
        self._over(error)

    def accepted(self, user_end: _socket.socket, opened: StreamOpened, events_to: AcceptedStream) -> None:
        self._listener.events.accepted(user_end, opened, events_to)

    def accept_failed(self, user_end: _socket.socket) -> None:
        self._listener.events.accept_failed(user_end)

    def ended(self, error: Error | None) -> None:
        self._over(error)
