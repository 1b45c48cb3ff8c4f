"""One error tree. Above `net/` none of these escapes: there they become the `OSError` family, chained."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from enum import IntEnum


class Error(Exception):
    """Base of everything esp32sock raises of its own.

    `errno` is what Linux says in the same case; whoever raises may know better than the class.
    """

    errno: int = errno.EIO

    def means(self, code: int) -> Self:
        """The same error, known to stand for this errno."""
        self.errno = code
        return self

    def again(self) -> Self:
        """The same failure for one more caller: an exception object is raised once."""
        twin = type(self).__new__(type(self), *self.args)
        vars(twin).update(vars(self))
        return twin


class ProtocolError(Error):
    """Somebody broke the rules of the AT language; abstract, see its two children."""


class LocalProtocolError(ProtocolError):
    """We broke them: a call that the current state does not allow. A bug on this side."""


class RemoteProtocolError(ProtocolError):
    """The module broke them: bytes that cannot be what an AT firmware sends."""

    errno = errno.ECONNRESET


class CommandError(Error):
    """The module refused a command or failed at it."""

    def __init__(
        self, command: str, result: str, error_code: int | None = None, hint: str = "", meaning: str = ""
    ) -> None:
        code = "" if error_code is None else f" (code 0x{error_code:08x}{': ' if meaning else ''}{meaning})"
        advice = f"; {hint}" if hint else ""
        super().__init__(f"{command}: the module answered {result}{code}{advice}")
        self.command = command
        self.result = result
        self.error_code = error_code
        """The number that the module gave with it, of `ERR CODE` or `+ERRNO`."""
        self.reason: IntEnum | None = None
        """The number of the command itself, where it has such: `wifi.JoinFailure`."""
        self.lines: tuple[bytes, ...] = ()
        """What the module said before it; secrets too, so not for showing."""


class CommandTimeout(CommandError):
    """The module did not answer a command in time."""

    errno = errno.ETIMEDOUT


class CommandBusy(CommandError):
    """The module kept answering `busy p...` for longer than the command may wait."""

    errno = errno.ETIMEDOUT


class ModuleReset(Error):
    """The module restarted, on request or by itself; every link is gone."""

    errno = errno.ECONNRESET


class PortError(Error):
    """The serial port cannot be opened, or was lost."""

    errno = errno.ENETDOWN


def single(error: BaseException) -> BaseException:
    """The one cause inside nested groups; of several the first, if all are ours, else the group."""
    found = leaves(error)
    return found[0] if len(found) == 1 or all(isinstance(one, Error) for one in found) else error


def leaves(error: BaseException) -> list[BaseException]:
    """What is inside nested groups; without a group, the error."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
