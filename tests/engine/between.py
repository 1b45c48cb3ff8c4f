"""Somebody between host and module: holds back, puts in, and remembers what went by."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from esp32sock.engine.transports import StreamPort

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated


class Between(StreamPort):
    """The port, once `opener` has been asked for it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        """By the host, one write each."""
        self.answers: dict[bytes, bytes | None] = {}
        """What is answered in the module's place to a line that begins so; None: it gets lost."""
        self._said: deque[bytes] = deque()
        self._hearing = trio.CancelScope()

    def opener(self, simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            super(Between, self).__init__(simulated.stream, url)
            return self

        return opener

    def says(self, data: bytes) -> None:
        """The module has said this, as far as the host can tell."""
        self._said.append(data)
        self._hearing.cancel()

    async def receive(self) -> bytes:
        while not self._said:
            with trio.CancelScope() as self._hearing:
                return await super().receive()
        return self._said.popleft()

    async def aclose(self) -> None:
        """Opened again, it is the same module behind it."""

    async def send(self, data: bytes | memoryview) -> None:
        line = bytes(data)
        self.written.append(line)
        for begin, answer in self.answers.items():
            if line.startswith(begin):
                if answer is not None:
                    self.says(answer)
                return
        await super().send(line)
