"""Tells a full close from `shutdown(SHUT_WR)`: both are the end of the stream, only the first hangs up.

An epoll with a descriptor at mask 0 reports nothing but the hang-up, and trio can wait on the epoll's own
descriptor (architecture 1).
"""

from __future__ import annotations

import errno
import select
from typing import TYPE_CHECKING, Self

import trio

from esp32sock.errors import Error

if TYPE_CHECKING:
    from types import TracebackType


class HangupWatch:
    """Watches one end of a pair for the other end's full close.

    It needs a descriptor of its own: an Error with the errno, EMFILE mostly, where the host has none left.
    """

    def __init__(self, fd: int) -> None:
        try:
            self._epoll = select.epoll(1)
        except OSError as error:
            raise _refused(error) from error
        try:
            self._epoll.register(fd, 0)
        except OSError as error:
            self._epoll.close()
            raise _refused(error) from error

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
    def readable(fd: int) -> bool:
        """Whether something lies there to be read."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(0))

    async def wait(self) -> None:
        """Until it happens."""
        while not self.hung_up:
            await trio.lowlevel.wait_readable(self._epoll.fileno())


def _refused(error: OSError) -> Error:
    return Error(
        f"no file descriptor is left to watch this socket: {error.strerror}",
        errno=error.errno or errno.EMFILE,
    )
