"""Descriptors under the sockets: how they are made, joined, filled and exchanged. Knows no module.

A virtual TCP socket starts as an unconnected AF_UNIX stream, because that is what the kernel reports of an
unconnected TCP socket: poll says OUT and HUP, getpeername fails. `join` connects it to an end of ours, so the
descriptor keeps its file, its duplicates and its registrations in an epoll. A UDP socket is one end of a
SOCK_SEQPACKET pair from the start: a fresh UDP socket must not report HUP.

Everything goes through `_socket` as it was at import: the class `socket.socket` may be patched later. A new
descriptor always has an object that closes it: a signal handler may raise between any two lines.
"""

from __future__ import annotations

import _socket
import os
import select
import weakref
from contextlib import closing, contextmanager, suppress
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from esp32sock.net import epoll_registrations

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[int, int]

_socketpair = _socket.socketpair

# About two chunks of CIPSEND. More would be accepted long before the line can carry it, and back-pressure
# would reach the program late. The kernel doubles the number.
SNDBUF_BYTES = 4096

# The least the kernel takes: few bytes are then enough to make an end unwritable.
_FILLING_SNDBUF_BYTES = 2304

# Datagrams that came and were not read yet; picked arbitrarily, some 40 of full size.
DATAGRAM_QUEUE_BYTES = 65536

# A waiting connection is one byte in a listener, for which the kernel counts some 800: this is over 150.
BACKLOG_BYTES = 65536


class EngineEnd(_socket.socket):
    """A descriptor that belongs to us, closed without a warning when its last reference ends.

    A forked child closes its copies: they would hide from the user that the engine has closed the link.
    """

    __slots__ = ("__weakref__", "user_key")

    user_key: Key
    """The key of the user's end of the same pair; only on an engine's end."""

    # Not a function of Python: a signal handler that raised in it would leave the descriptor open.
    __del__ = _socket.socket.close


_living: weakref.WeakSet[EngineEnd] = weakref.WeakSet()


def _close_in_child() -> None:
    for end in list(_living):
        end.close()


os.register_at_fork(after_in_child=_close_in_child)


def key_of(fd: int) -> Key:
    """What names the open socket behind a descriptor, whatever its number; OSError(EBADF) if closed."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def keep_after_fork(end: EngineEnd) -> None:
    """Leave the copies of an end open in forked children: something there watches over them."""
    _living.discard(end)


def _engine_end(end: EngineEnd, user_fd: int) -> EngineEnd:
    os.set_blocking(end.fileno(), False)
    end.user_key = key_of(user_fd)
    _living.add(end)
    return end


def fresh_stream() -> EngineEnd:
    """What a TCP socket that is not connected yet gets as its descriptor."""
    fresh = EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM)
    os.set_blocking(fresh.fileno(), True)  # a default timeout would have made it non-blocking
    return fresh


def join(fd: int) -> EngineEnd:
    """Connect what `fresh_stream` made to a new end of ours, and return that end."""
    listener = EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM)
    listener.bind("")  # the kernel picks an abstract name
    listener.listen(1)
    with _duplicate(fd) as user:
        user.bind("")
        user.connect(listener.getsockname())
        name = user.getsockname()
    while True:
        end, caller = _accepted(listener, fd)
        if caller == name:  # and not another program that guessed the abstract name
            limit_sending(fd)
            limit_sending(end.fileno())
            return end


def stream_pair() -> tuple[EngineEnd, EngineEnd]:
    """(engine's end, user's end) of a stream that is connected from the start, as accepted ones are."""
    engine, user = _pair(_socket.SOCK_STREAM)
    limit_sending(engine.fileno())
    limit_sending(user.fileno())
    return engine, user


def datagram_pair() -> tuple[EngineEnd, EngineEnd]:
    """(engine's end, user's end) of a UDP socket."""
    engine, user = _pair(_socket.SOCK_SEQPACKET)
    limit_sending(engine.fileno(), DATAGRAM_QUEUE_BYTES)
    limit_sending(user.fileno())
    return engine, user


def release(end: _socket.socket) -> int:
    """Give an end to the user: its descriptor, blocking as a new socket's is."""
    os.set_blocking(end.fileno(), True)
    return end.detach()


def limit_sending(fd: int, sndbuf_bytes: int = SNDBUF_BYTES) -> None:
    """How much may wait in the kernel on the way out of this end; small, or back-pressure comes late."""
    with _duplicate(fd) as end:
        end.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, sndbuf_bytes)


def fill(fd: int) -> int:
    """Make a joined descriptor unwritable; how many bytes that took."""
    filler = b"\0" * 4096
    filled = 0
    limit_sending(fd, _FILLING_SNDBUF_BYTES)
    with _duplicate(fd) as user:
        while True:
            try:
                filled += user.send(filler, _socket.MSG_DONTWAIT)
            except BlockingIOError:
                return filled


def is_writable(fd: int) -> bool:
    """Whether a descriptor takes bytes now, or shows an error."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return bool(poller.poll(0))


def drain(end: _socket.socket) -> None:
    """Read away all that waits in an end of ours; one that another thread closes meanwhile is empty too."""
    with suppress(OSError):
        while end.recv(65536):
            pass


def replace(fd: int, source: _socket.socket) -> None:
    """Put the file of `source` under a descriptor number too; blocking mode and inheritance stay.

    Whatever epoll waits for that number goes on waiting, for the new file.
    """
    os.set_blocking(source.fileno(), os.get_blocking(fd))
    with epoll_registrations.preserved(fd):
        os.dup2(source.fileno(), fd, inheritable=os.get_inheritable(fd))


@contextmanager
def dup_guard(fd: int) -> Iterator[None]:
    """Within the block, what is open there stays open, whatever is put under its number."""
    with _duplicate(fd):
        yield


def _pair(kind: int) -> tuple[EngineEnd, EngineEnd]:
    engine, user = _socketpair(_socket.AF_UNIX, kind)
    with closing(engine), closing(user):
        engine_end = _owner(kind, iter(engine.detach, -1))
        user_end = _owner(kind, iter(user.detach, -1))
        return _engine_end(engine_end, user_end.fileno()), _engine_end(user_end, user_end.fileno())


def _accepted(listener: _socket.socket, user_fd: int) -> tuple[EngineEnd, object]:
    accepted = iter(listener._accept, None)  # type: ignore[attr-defined]
    end = _owner(_socket.SOCK_STREAM, map(itemgetter(0), accepted))
    return _engine_end(end, user_fd), end.getpeername()


@contextmanager
def _duplicate(fd: int) -> Iterator[_socket.socket]:
    """A C socket object over the file of a descriptor that has another owner, for calls that need one."""
    with closing(_owner(_socket.SOCK_STREAM, map(os.dup, (fd,)))) as copy:
        yield copy


def _owner(kind: int, descriptors: Iterator[int]) -> EngineEnd:
    """An end over the next descriptor that an iterator of C functions makes.

    All of it is one step of C. Between two of Python a signal handler may raise, and a descriptor that is
    only a number then stays open for ever. An audit hook is the one piece of Python within: what is raised in
    it leaves the number without an owner.
    """
    numbers: dict[str, int] = {}
    owners: dict[str, EngineEnd] = {}
    own = partial(EngineEnd, _socket.AF_UNIX, kind | _socket.SOCK_NONBLOCK, 0)
    made = map(own, map(partial(numbers.setdefault, "made"), descriptors))
    try:
        return next(map(partial(owners.setdefault, "made"), made))
    except BaseException:
        if numbers and not owners:
            os.close(numbers["made"])
        raise
