"""One attempt of a TCP socket to connect, as the interface sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from esp32sock._latch import Latch
from esp32sock.net.socketpairs import is_writable

if TYPE_CHECKING:
    from esp32sock.engine.requests import Address
    from esp32sock.errors import Error
    from esp32sock.net.interface_api import Handle, Interface, StreamOpened
    from esp32sock.net.socketpairs import EngineEnd


REPORT_S = 5.0
"""How long an outcome that the descriptor shows may take to be reported; a matter of microseconds."""


class AttemptOwner(Protocol):
    """The socket that connects."""

    def note_opened(self, attempt: Attempt, opened: StreamOpened, /) -> None: ...
    def note_failed(self, attempt: Attempt, error: Error, end: EngineEnd, /) -> None: ...
    def note_ended(self, attempt: Attempt, error: Error | None, /) -> None: ...


class Attempt:
    """One attempt to connect: the events object of its link, for as long as the link exists."""

    def __init__(
        self,
        stream: AttemptOwner,
        handle: Handle,
        end: EngineEnd | None = None,
        asked: Address = ("", 0),
        remote: Address = ("", 0),
    ) -> None:
        self._stream = stream
        self._end = end  # to give back if it fails; None for an accepted stream, which cannot
        self.handle = handle
        self.asked = asked
        """Host and port as the program gave them; `remote` is what they mean."""
        self.remote = remote
        self.decided = Latch()

    def hear(self, interface: Interface, fd: int) -> None:
        """An outcome that comes from another process may show in the descriptor before it is reported."""
        if interface.is_shared and interface.may_block() and is_writable(fd):
            self.decided.wait(REPORT_S)

    def opened(self, opened: StreamOpened) -> None:
        self._stream.note_opened(self, opened)
        self.decided.set()

    def failed(self, error: Error) -> None:
        assert self._end is not None
        self._stream.note_failed(self, error, self._end)
        self.decided.set()

    def ended(self, error: Error | None) -> None:
        self._stream.note_ended(self, error)
