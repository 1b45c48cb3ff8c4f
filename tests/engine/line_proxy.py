"""A port that holds lines back, answers in the place of the module, and records what the host writes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from esp32sock.engine.transports import StreamPort

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated


class LineProxy(StreamPort):
    """The port to the simulated module, from the moment that `opener` opens it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        """By the host, one write each."""
        self.replies: dict[bytes, bytes | None] = {}
        """Answers in the place of the module, by the first bytes of a line; None: the line is lost."""
        self._said: deque[bytes] = deque()
        self._hearing = trio.CancelScope()

    def opener(self, simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            super(LineProxy, self).__init__(simulated.stream, url)
            return self

        return opener

    def says(self, data: bytes) -> None:
        """Let the host receive this, as if the module had sent it."""
        self._said.append(data)
        self._hearing.cancel()

    async def receive(self) -> bytes:
        while not self._said:
            with trio.CancelScope() as self._hearing:
                return await super().receive()
        return self._said.popleft()

    async def aclose(self) -> None:
        """Stay usable: the next opening reaches the same module."""

    async def send(self, data: bytes | memoryview) -> None:
        line = bytes(data)
        self.written.append(line)
        for begin, answer in self.replies.items():
            if line.startswith(begin):
                if answer is not None:
                    self.says(answer)
                return
        await super().send(line)
