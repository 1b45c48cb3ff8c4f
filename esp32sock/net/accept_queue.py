"""Listening: connections that wait to be accepted, and the byte each of them puts into the descriptor."""

from __future__ import annotations

import _socket
import errno
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from esp32sock._latch import Latch
from esp32sock._monotonic import monotonic
from esp32sock.net.error_map import is_being_raised, os_error, raise_from, translated
from esp32sock.net.socketpairs import key_of

if TYPE_CHECKING:
    from esp32sock.engine.requests import Address
    from esp32sock.errors import Error
    from esp32sock.net.interface_api import AcceptedStream, Handle, Interface, Key, Listening, StreamOpened
    from esp32sock.net.socketpairs import EngineEnd

    Waiting = tuple[_socket.socket, StreamOpened, AcceptedStream]


LISTENER = 0
"""The kind of a listener in `FoundSocket`."""
LISTENS_S = 5.0
"""How long the listening of another process with the same socket may take."""


def shared_listener(interface: Interface, key: Key, wait_s: float = 0.0) -> Address | None:
    """Where another process listens with the socket of this key, at once or soon; None if none does."""
    if not (interface.is_shared and interface.may_block()):
        return None
    give_up = monotonic() + wait_s
    while True:
        found = interface.find_socket(key)
        if found is not None and found.kind == LISTENER:
            return found.local
        if monotonic() >= give_up:
            return None
        Latch().wait(0.02)


class AcceptQueue:
    """The events object of one listener; connections queue here in the order of their bytes."""

    def __init__(self, bound: Address, *, ipv6: bool = False) -> None:
        self.local = bound
        self._ipv6 = ipv6
        self._interface: Interface | None = None
        self._queue: deque[Waiting] = deque()
        self._taking = threading.Lock()
        self._decided = Latch()
        self._error: Error | None = None
        self._dropped = False
        self.has_failed = False
        """Whether it never listened: the end is the socket's again."""

    def open(self, interface: Interface, handle: Handle, end: EngineEnd, backlog: int) -> None:
        """Start listening; OSError if the module refuses. Does not wait in the engine's own thread."""
        doing = f"listening on port {self.local[1]}"
        self._interface = interface
        with translated(doing):
            interface.listen(handle, end, self.local[1], backlog, self, ipv6=self._ipv6)
        if interface.may_block():
            self._decided.wait()
            self._raise_error(doing)

    def join(self, interface: Interface) -> None:
        """Take connections of a listener that another process has opened, where the interface is shared."""
        self._interface = interface

    def next(self, sock: _socket.socket) -> Waiting:
        """Wait as the socket's timeout says, and take the first connection.

        Its byte is taken last: if a signal handler raises before, the connection is closed or still queued,
        and there is rather a byte too many, which the next call takes, than one too few.
        """
        while True:
            if not _socket.socket.recv(sock, 1, _socket.MSG_PEEK):
                self._raise_error("accept")
                raise os_error(errno.EINVAL, "accept: this socket no longer listens")
            if self._interface is not None and self._interface.is_shared:
                waiting = self._take_shared(sock, self._interface)
                if waiting is not None:
                    return waiting
                continue
            with self._taking:
                waiting = self._queue.popleft() if self._queue else None
                with suppress(BlockingIOError):
                    _socket.socket.recv(sock, 1, _socket.MSG_DONTWAIT)
            if waiting is not None:
                return waiting

    def _take_shared(self, sock: _socket.socket, interface: Interface) -> Waiting | None:
        """Take a byte, then the connection: several processes do so with one descriptor at a time."""
        try:
            _socket.socket.recv(sock, 1, _socket.MSG_DONTWAIT)
        except BlockingIOError:  # another process was faster
            if sock.gettimeout() == 0:
                raise
            return None
        return interface.take_connection(key_of(sock.fileno()))

    def drop(self) -> None:
        """Refuse those that still wait, or come late: their ends are closed."""
        self._dropped = True
        while self._queue:
            with suppress(IndexError):  # the other thread was faster
                self._queue.popleft()[0].close()

    # What the engine reports, in its own thread.

    def listening(self, listening: Listening) -> None:
        self.local = self.local[0], listening.local[1]
        self._decided.set()

    def failed(self, error: Error) -> None:
        self._error = error
        self.has_failed = True
        self._decided.set()

    def accepted(self, user_end: _socket.socket, opened: StreamOpened, events_to: AcceptedStream) -> None:
        self._queue.append((user_end, opened, events_to))
        if self._dropped:
            self.drop()

    def accept_failed(self, user_end: _socket.socket) -> None:
        for waiting in list(self._queue):
            if waiting[0] is user_end:
                with suppress(ValueError):  # accepted or dropped meanwhile
                    self._queue.remove(waiting)
                    user_end.close()

    def ended(self, error: Error | None) -> None:
        self._error = error

    def _raise_error(self, doing: str) -> None:
        error = self._error
        if error is None:
            return
        try:
            raise_from(error, doing)
        finally:
            if is_being_raised(error):
                self._error = None
