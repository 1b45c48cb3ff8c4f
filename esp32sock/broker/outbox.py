"""What a broker sends to one client: at once where its socket takes it, else from a bounded queue."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

import trio

from esp32sock.broker import protocol, records

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Iterable, Sequence

    from esp32sock.net.socketpairs import EngineEnd

MAX_QUEUED = 2000
"""Messages that wait for one client before it is dropped; chosen, twice what its event queue keeps."""
NO_MEMORY_S = 0.01
"""Before another try, when the kernel has too many descriptors in flight."""


class Outbox:
    """The messages to one client; its socket broke, or it does not read: `on_broken`, `on_full`."""

    def __init__(
        self, sock: _socket.socket, on_broken: Callable[[], object], on_full: Callable[[], object]
    ) -> None:
        self._sock = sock
        self._on_broken = on_broken
        self._on_full = on_full
        self._queue: deque[tuple[bytes, list[EngineEnd]]] = deque()
        self._queued = trio.Event()

    def send(self, message: protocol.Message, ends: Sequence[EngineEnd] = ()) -> None:
        """Send soon, in order; `ends` are closed once they are sent. Does not wait, never raises OSError."""
        kept = list(ends)
        if self._sock.fileno() < 0:
            close_all(kept)
            return
        record = records.encoded(message)
        if not self._queue and self._sent(record, kept):
            return
        if len(self._queue) >= MAX_QUEUED:
            close_all(kept)
            self._on_full()
            return
        self._queue.append((record, kept))
        self._queued.set()

    def _sent(self, record: bytes, ends: list[EngineEnd]) -> bool:
        """Whether it is sent, or never can be; False if the socket is full."""
        try:
            records.send(self._sock, record, ends)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.ENOBUFS or error.errno == errno.ETOOMANYREFS:
                return False
            self._on_broken()
        close_all(ends)
        return True

    async def run(self) -> None:
        """Send what waits, as the client takes it."""
        while True:
            await self._queued.wait()
            while self._queue:
                await trio.lowlevel.wait_writable(self._sock)
                record, ends = self._queue[0]
                if self._sent(record, ends):
                    self._queue.popleft()
                else:
                    await trio.sleep(NO_MEMORY_S)
            self._queued = trio.Event()

    def close(self) -> None:
        """Nothing is sent any more."""
        while self._queue:
            close_all(self._queue.popleft()[1])


def close_all(ends: Iterable[EngineEnd]) -> None:
    """Close descriptors that are not handed over."""
    for end in ends:
        end.close()
