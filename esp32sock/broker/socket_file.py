"""Where a broker listens: the path, its permissions, and what becomes of one that an ended broker left."""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from esp32sock.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET_VARIABLE = "ESP32SOCK_SOCKET"
"""The path of this user's broker, instead of the default."""
SYSTEM_PATH = "/run/esp32sock/esp32sock.sock"
"""The broker of the machine, where a service is one."""

PID_VARIABLE, COUNT_VARIABLE, FIRST_FD = "LISTEN_PID", "LISTEN_FDS", 3
"""How a service manager hands over what it has opened (sd_listen_fds)."""

BACKLOG = 64
KIND = _socket.SOCK_SEQPACKET
"""One record is one message (records.py)."""


def default_path() -> str:
    """This user's broker: ESP32SOCK_SOCKET, else in XDG_RUNTIME_DIR, else in a folder of its own in /tmp."""
    chosen = os.environ.get(SOCKET_VARIABLE)
    if chosen:
        return chosen
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return os.path.join(runtime, "esp32sock.sock")
    return f"/tmp/esp32sock-{os.getuid()}/esp32sock.sock"


def running() -> str | None:
    """The broker to use where none is named: this user's, else the machine's; None where neither runs."""
    return next((path for path in (default_path(), SYSTEM_PATH) if answers(path)), None)


def answers(path: str) -> bool:
    """Whether a broker listens there that this user may call."""
    with _socket_object() as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


@contextmanager
def listening(path: str, *, mode: int = 0o600) -> Iterator[_socket.socket]:
    """A listener at `path`, removed at the end of the block; one that nothing listens at is replaced.

    Error: EADDRINUSE if a broker runs there, EEXIST if another kind of file is there, else the errno of the
    system.
    """
    try:
        with _locked(path):
            listener = _bound(path, mode)
    except OSError as error:
        raise Error(f"cannot listen at {path}: {error.strerror}", errno=error.errno) from error
    with listener:
        own = os.stat(path)
        try:
            yield listener
        finally:
            with suppress(OSError):
                if os.path.samestat(own, os.stat(path)):  # and not that of a broker that came later
                    os.unlink(path)


@contextmanager
def inherited() -> Iterator[_socket.socket | None]:
    """The listener that a service manager has opened for this process (LISTEN_FDS); None if it has none.

    The file is the service manager's, and stays. Error(EINVAL) if it is no such socket, or more than one.
    """
    count = os.environ.get(COUNT_VARIABLE, "") if os.environ.get(PID_VARIABLE) == str(os.getpid()) else ""
    for name in (PID_VARIABLE, COUNT_VARIABLE, "LISTEN_FDNAMES"):  # a program started here is not meant
        os.environ.pop(name, None)
    if not count:
        yield None
        return
    with _adopted(count) as listener:
        yield listener


def _adopted(count: str) -> _ClosedWithBlock:
    wrong = f"{COUNT_VARIABLE}={count}: one socket of the kind ListenSequentialPacket= is needed"
    if count != "1":
        raise Error(wrong, errno=errno.EINVAL)
    try:
        os.set_inheritable(FIRST_FD, False)
        os.set_blocking(FIRST_FD, False)
        listener = _ClosedWithBlock(fileno=FIRST_FD)
        listens = listener.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN)
    except OSError as error:
        raise Error(f"{wrong} ({error.strerror})", errno=errno.EINVAL) from error
    if not listens or (listener.family, listener.type) != (_socket.AF_UNIX, KIND):
        listener.close()
        raise Error(wrong, errno=errno.EINVAL)
    return listener


def _bound(path: str, mode: int) -> _ClosedWithBlock:
    _remove_stale(path)
    listener = _socket_object()
    try:
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        os.chmod(path, mode)
        listener.listen(BACKLOG)
        os.set_blocking(listener.fileno(), False)
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    if answers(path):
        raise OSError(errno.EADDRINUSE, "a broker, or another program, listens there")
    os.unlink(path)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Two brokers that start at a time must not both find the path free."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o700)
    status = os.stat(folder)
    if folder.startswith("/tmp/esp32sock-") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        raise OSError(errno.EACCES, f"the folder {folder} belongs to another user, or others may write to it")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class _ClosedWithBlock(_socket.socket):
    def __enter__(self) -> _ClosedWithBlock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _socket_object() -> _ClosedWithBlock:
    return _ClosedWithBlock(_socket.AF_UNIX, KIND | _socket.SOCK_CLOEXEC)
