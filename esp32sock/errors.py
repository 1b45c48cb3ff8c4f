"""One error tree. Above `net/` none of these escapes: there they become the `OSError` family, chained."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from enum import IntEnum


class Error(Exception):
    """Base of everything esp32sock raises of its own.

    `errno` is what Linux reports in the same case: that of the class, unless the constructor gets another.
    """

    errno: int = errno.EIO

    def __init__(self, *args: object, errno: int | None = None) -> None:
        super().__init__(*args)
        if errno is not None:
            self.errno = errno

    def clone(self) -> Self:
        """The same failure for one more caller: an exception object is raised once."""
        copy = type(self).__new__(type(self), *self.args)
        vars(copy).update(vars(self))
        return copy


class ProtocolError(Error):
    """The rules of the AT language were broken; abstract, see its two children."""


class LocalProtocolError(ProtocolError):
    """A call that the current state does not allow: a bug on this side of the line."""


class RemoteProtocolError(ProtocolError):
    """Bytes that no AT firmware sends."""

    errno = errno.ECONNRESET


class CommandError(Error):
    """The module refused a command or failed at it."""

    def __init__(
        self,
        command: str,
        result: str,
        error_code: int | None = None,
        hint: str = "",
        meaning: str = "",
        *,
        errno: int | None = None,
    ) -> None:
        code = "" if error_code is None else f" (code 0x{error_code:08x}{': ' if meaning else ''}{meaning})"
        advice = f"; {hint}" if hint else ""
        super().__init__(f"{command}: the module answered {result}{code}{advice}", errno=errno)
        self.command = command
        self.result = result
        self.error_code = error_code
        """The number that the module gave with it, of `ERR CODE` or `+ERRNO`."""
        self.reason: IntEnum | None = None
        """The number of the command itself, where it has such: `wifi.JoinFailure`."""
        self.lines: tuple[bytes, ...] = ()
        """What the module printed before it; secrets too, so not for showing."""


class CommandTimeout(CommandError):
    """The module did not answer a command in time."""

    errno = errno.ETIMEDOUT


class CommandBusy(CommandError):
    """The module kept answering `busy p...` for longer than the command may wait."""

    errno = errno.ETIMEDOUT


class ModuleReset(Error):
    """The module restarted, on request or by itself; every link has ended."""

    errno = errno.ECONNRESET


class PortError(Error):
    """The serial port cannot be opened, or was lost."""

    errno = errno.ENETDOWN


def unwrap_group(error: BaseException) -> BaseException:
    """The one cause inside nested groups; of several the first, if all are `Error`, else the group."""
    found = flatten_group(error)
    return found[0] if len(found) == 1 or all(isinstance(one, Error) for one in found) else error


def flatten_group(error: BaseException) -> list[BaseException]:
    """The exceptions inside nested groups; without a group, the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in flatten_group(inner)]
    return [error]
