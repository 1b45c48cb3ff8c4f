"""What makes a cut stream an error: the engine's end is kept open here too, and closed so that it shows.

Theory of operation. When a broker ends, the kernel closes its ends of all pairs, and a reader would see an
end of stream as if the peer had closed. So the client keeps the engine's end of each of its streams as well,
and decides itself what the user's end shows. A byte that is written into the user's end and is still unread
when the last engine's end closes makes the kernel report ECONNRESET there, behind what was received.

Where the user has shut down writing, nothing can be written there any more. Then every descriptor of the
user's end gets another pair's end in its place, which holds what was received and fails with ECONNRESET
behind it. The engine's end is kept open for ever: code that waits in the kernel at that moment would see an
end of stream by its closing, and must rather go on waiting.

The user's end is found among the descriptors of this process by its key, whatever owns it: a Python object, a
library in C, or nothing yet. In a forked child the connection to the broker is not there; it watches the
signal of each stream instead, in a thread that is started only if there are streams; so does a process that
was handed a stream of another one.
"""

from __future__ import annotations

import _socket
import os
import select
import threading
from array import array
from contextlib import closing, suppress
from dataclasses import dataclass
from fcntl import ioctl
from termios import FIONREAD
from typing import TYPE_CHECKING

from esp32sock.broker.protocol import CLEAN
from esp32sock.net import fd_registry, socketpairs
from esp32sock.net.socketpairs import EngineEnd, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from esp32sock.broker.protocol import Key

_RECEIVED_BYTES = 1 << 20
"""Room for what a user's end has received and not read, which is far less."""
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


@dataclass(frozen=True, slots=True)
class Guard:
    """One stream of a forked process: the copies of its engine's end and of its signal."""

    key: Key
    end: EngineEnd
    signal: EngineEnd
    on_broken: Callable[[], object]
    """Called before the descriptor shows it."""


_kept: list[_socket.socket] = []
"""Engine's ends whose closing would look like an end of stream."""


def break_stream(key: Key, end: _socket.socket) -> None:
    """Let go of an engine's end so that the user's end of this key fails with ECONNRESET."""
    found = [fd for fd in _open_descriptors() if _is_of(fd, key)]
    if found and not _leaves_unread(found[0], key, end):
        _replace(found, key)
        _kept.append(end)
    else:
        end.close()


def _open_descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]


def _is_of(fd: int, key: Key) -> bool:
    with suppress(OSError):
        return key_of(fd) == key
    return False


def _leaves_unread(fd: int, key: Key, end: _socket.socket) -> bool:
    """Write a byte into the user's end if it takes one; whether anything is unread in the engine's end."""
    copy = EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK, 0, os.dup(fd))
    with closing(copy), suppress(BlockingIOError, BrokenPipeError):
        if key_of(copy.fileno()) == key:  # and not a file that another thread has put there meanwhile
            copy.send(b"\0", _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
    return _is_readable(end.fileno())


def _is_readable(fd: int) -> bool:
    """Whether bytes wait there, and not only an end."""
    count = array("i", [0])
    ioctl(fd, FIONREAD, count)
    return count[0] > 0


def _replace(found: list[int], key: Key) -> None:
    """Put a stream that was reset behind what was received in the place of one that is half closed."""
    engine, user = socketpairs.stream_pair()
    with closing(engine), closing(user):
        engine.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, _RECEIVED_BYTES)
        user.send(b"\0")
        copy = EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK, 0, os.dup(found[0]))
        with closing(copy), suppress(OSError):
            while received := copy.recv(65536, _socket.MSG_DONTWAIT):
                engine.send(received)
        engine.close()
        for fd in found:
            if _is_of(fd, key):
                socketpairs.replace(fd, user)
        state = fd_registry.find_by_key(key)
        if state is not None:
            fd_registry.rekey(state, key_of(user.fileno()))


def watch(guards: Iterable[Guard]) -> None:
    """Watch over streams that other processes have begun, in a thread, until each has ended."""
    watched = list(guards)
    if watched:
        threading.Thread(target=_watch, args=(watched,), name="esp32sock guard", daemon=True).start()


def _watch(guards: list[Guard]) -> None:
    poller = select.poll()
    by_fd: dict[int, Guard] = {}
    for guard in guards:
        poller.register(guard.signal.fileno(), select.POLLIN)
        poller.register(guard.end.fileno(), 0)
        by_fd[guard.signal.fileno()] = by_fd[guard.end.fileno()] = guard
    while by_fd:
        for fd, events in poller.poll():
            if fd not in by_fd:
                continue
            guard = by_fd[fd]
            for each in (guard.signal.fileno(), guard.end.fileno()):
                poller.unregister(each)
                del by_fd[each]
            if fd == guard.end.fileno():  # no process has the user's end any more
                guard.end.close()
            else:
                _finish(guard, events)
            guard.signal.close()


def _finish(guard: Guard, events: int) -> None:
    how = b""
    with suppress(OSError):  # the byte stays there for the other processes that watch
        how = guard.signal.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
    if how == CLEAN:
        guard.end.close()
    else:
        guard.on_broken()
        break_stream(guard.key, guard.end)
