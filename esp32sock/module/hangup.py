"""Tells a full close from `shutdown(SHUT_WR)`: both are the end of the stream, only the first hangs up.

An epoll with a descriptor at mask 0 reports nothing but the hang-up, and trio can wait on the epoll's own
descriptor (architecture 1).
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Self

import trio

if TYPE_CHECKING:
    from types import TracebackType


class HangupWatch:
    """Watches one end of a pair for the other end's full close."""

    def __init__(self, fd: int) -> None:
        self._epoll = select.epoll(1)
        self._epoll.register(fd, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        trio.lowlevel.notify_closing(self._epoll)
        self._epoll.close()

    @property
    def hung_up(self) -> bool:
        """Whether it has happened."""
        return bool(self._epoll.poll(0, 1))

    @staticmethod
    def check(fd: int) -> bool:
        """Whether it has happened to a descriptor that nobody watches."""
        poll = select.poll()
        poll.register(fd, 0)
        return bool(poll.poll(0))

    @staticmethod
    def readable(fd: int) -> bool:
        """Whether something lies there to be read."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(0))

    async def wait(self) -> None:
        """Until it happens."""
        while not self.hung_up:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
