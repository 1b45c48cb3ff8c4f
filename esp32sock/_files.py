"""Files that a command writes where its user says: into what is there, and never through another user's link.

A folder that others may write to is shared, `/tmp` for example. There, another user may have put a link or a
file at the wanted place: no link is followed, and a private file must be of the user that writes it.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = 0o600
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def is_shared(folder: Path) -> bool:
    """Whether other users may create files in the folder."""
    found = folder.stat()
    return bool(found.st_mode & _OTHERS_MAY_WRITE) or found.st_uid not in (os.geteuid(), 0)


def open_private(path: str | Path, *, append: bool = False) -> BinaryIO:
    """Open a file that only its user may read, for writing; into a device or FIFO if one is there.

    OSError: ELOOP for a link in a shared folder, EPERM for the file of another user there.
    """
    path = Path(path)
    shared = is_shared(path.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    flags |= (os.O_NOFOLLOW if shared else 0) | (os.O_APPEND if append else 0)
    fd = os.open(path, flags, PRIVATE)
    try:
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode):
            if found.st_uid == os.geteuid():
                os.fchmod(fd, PRIVATE)
            elif shared:
                raise PermissionError(
                    errno.EPERM, "another user has put this file into a shared folder", str(path)
                )
            if not append:
                os.ftruncate(fd, 0)
        return os.fdopen(fd, "ab" if append else "wb")
    except BaseException:
        with suppress(OSError):
            os.close(fd)
        raise


@contextmanager
def replaced(path: str | Path, *, new_mode: int | None = None) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the end of the block, if that ends well.

    A new file has `new_mode`, or what the umask says. Where something else than a regular file is (a device,
    a FIFO, a link), it is written into instead.
    """
    path = Path(path)
    if not _can_be_replaced(path):
        with _opened_as_it_is(path) as output:
            yield output
        return
    # The name is known before the file is there: no interrupt can come in between and leave the file behind.
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb", opener=_private) as output:
            yield output
            os.fchmod(output.fileno(), _mode_of(path, new_mode))
        os.replace(part, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)


def _can_be_replaced(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True


def _opened_as_it_is(path: Path) -> BinaryIO:
    follow = os.O_NOFOLLOW if is_shared(path.parent) else 0
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | follow, 0o666)
    return os.fdopen(fd, "wb")


def _mode_of(path: Path, new_mode: int | None) -> int:
    """What the file has, or a new one would get."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    if new_mode is not None:
        return new_mode
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
