"""A descriptor's registrations in every epoll of this process, carried over to another file under its number.

`dup2` makes the kernel drop the registrations of the old file, or keep them with that file while a duplicate
of it is open: either way the events of the new one never come. /proc/self/fdinfo lists what an epoll waits
for, with the data that its owner gave, so that is taken off before and added again behind it. Nothing is
found where there is no /proc.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from importlib import import_module
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_EPOLL = "anon_inode:[eventpoll]"
_CTL_ADD, _CTL_DEL = 1, 2  # linux/eventpoll.h
_EVENT = Struct("=IQ" if os.uname().machine == "x86_64" else "@IQ")  # struct epoll_event
_ENTRY = re.compile(r"^tfd:\s*(\d+) events:\s*([0-9a-f]+) data:\s*([0-9a-f]+)", re.MULTILINE)


class Registration(NamedTuple):
    """One descriptor in one epoll: the events that it waits for, and the data that comes with them."""

    epoll_fd: int
    fd: int
    events: int
    data: int

    def add(self) -> None:
        """OSError if it cannot be: the epoll is closed meanwhile, or has the descriptor already."""
        _control(self, _CTL_ADD)

    def remove(self) -> None:
        """OSError if the epoll does not have the file that is under the number now."""
        _control(self, _CTL_DEL)


@contextmanager
def preserved(fd: int) -> Iterator[None]:
    """Whatever file the block puts under this number: each epoll that has the number now has it then.

    Events, trigger mode and data stay, and what the new file is ready for is reported at once. A one-shot
    registration that has fired stays silent but for errors and the hang-up, which the kernel always adds.
    """
    removed: list[Registration] = []
    try:
        for registration in registrations(fd):
            with suppress(OSError):  # of another file that once had this number
                registration.remove()
                removed.append(registration)
        yield
    finally:
        for registration in removed:
            with suppress(OSError):
                registration.add()


def registrations(fd: int) -> list[Registration]:
    """What the epolls of this process list under this descriptor number."""
    found = []
    for epoll_fd in _epolls():
        with suppress(OSError), open(f"/proc/self/fdinfo/{epoll_fd}") as listing:
            for number, events, data in _ENTRY.findall(listing.read()):
                if int(number) == fd:
                    found.append(Registration(epoll_fd, fd, int(events, 16), int(data, 16)))
    return found


def _epolls() -> list[int]:
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return []
    found = []
    for name in names:
        with suppress(OSError):  # the descriptor of the listing itself
            if os.readlink(f"/proc/self/fd/{name}") == _EPOLL:
                found.append(int(name))
    return found


def _control(registration: Registration, operation: int) -> None:
    """epoll_ctl as C has it: `select.epoll` gives no data but the number, and closes its descriptor."""
    ctypes = import_module("ctypes")  # 10 ms that programs without an epoll need not spend
    event = _EVENT.pack(registration.events, registration.data)
    library = ctypes.CDLL(None, use_errno=True)
    if library.epoll_ctl(registration.epoll_fd, operation, registration.fd, event):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
