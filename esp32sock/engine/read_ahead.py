"""The bytes of an application that were read out of its pair and are not in a chunk yet.

While a chunk is on its way the next one is gathered: the pair alone holds few small writes, and no more than
one large one once it has been read in part, whatever its buffer's size says (the kernel counts memory, not
bytes, and frees a write as a whole).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import _socket


class ReadAhead:
    """What waits to be sent on one stream, at most `room_bytes` of it."""

    def __init__(self, end: _socket.socket, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.at_end = False
        """Whether the application's stream has ended behind what is here."""
        self.read_at = trio.current_time()
        """When bytes came from the application last."""
        self._end = end
        self._bytes = bytearray()
        self._gather = trio.Event()
        self._gathering = trio.CancelScope()

    def __len__(self) -> int:
        return len(self._bytes)

    def take(self, limit: int) -> bytes:
        """The next bytes, at most `limit`; read from the pair as far as that has them."""
        if len(self._bytes) < limit:
            self.read(limit)
        data = bytes(self._bytes[:limit])
        del self._bytes[:limit]
        return data

    def put_back(self, data: bytes | memoryview) -> None:
        """What was taken and cannot be sent stands at the head again."""
        self._bytes[:0] = data

    def read(self, until_bytes: int | None = None) -> int:
        """Read what the pair has, until so many bytes are here; how many that were."""
        room = (self.room_bytes if until_bytes is None else until_bytes) - len(self._bytes)
        if room <= 0 or self.at_end:
            return 0
        try:
            data = self._end.recv(room)
        except BlockingIOError:
            return 0
        except ConnectionResetError:  # closed without reading everything
            data = b""
        self.at_end = not data
        self.read_at = trio.current_time()
        self._bytes += data
        return len(data)

    def start_gathering(self) -> None:
        """A chunk is on its way: `run` reads what comes meanwhile."""
        self._gather.set()

    def stop_gathering(self) -> None:
        """The chunk has gone: from now on `take` reads."""
        if self._gather.is_set():
            self._gather = trio.Event()
            self._gathering.cancel()

    async def run(self) -> None:
        """Read while a chunk is on its way; until cancelled."""
        while True:
            await self._gather.wait()
            while_sending = self._gather
            with trio.CancelScope() as self._gathering:
                while while_sending.is_set() and len(self._bytes) < self.room_bytes and not self.at_end:
                    await trio.lowlevel.wait_readable(self._end)
                    self.read()
            if self._gather is while_sending and while_sending.is_set():  # it is full, or the end
                self._gather = trio.Event()
