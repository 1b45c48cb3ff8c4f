"""The one place where `esp32sock.errors.Error` becomes what the standard library raises, chained."""

from __future__ import annotations

import errno
import os
import sys
from concurrent.futures import CancelledError
from contextlib import contextmanager
from socket import EAI_AGAIN, EAI_NONAME, gaierror
from typing import TYPE_CHECKING, NoReturn

from esp32sock.errors import CommandBusy, CommandTimeout, Error, ModuleReset, PortError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Errors that say nothing about the name asked for: asking again later may help.
_TRY_AGAIN = (CommandTimeout, CommandBusy, ModuleReset, PortError)
_TRY_AGAIN_ERRNOS = frozenset(
    {errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNRESET, errno.ENODEV}
)


def os_error(code: int, why: str) -> OSError:
    """The OSError of this errno, with the system's words first and ours after them."""
    return OSError(code, f"{os.strerror(code)}: {why}")


def from_error(error: Error, doing: str) -> OSError:
    """What to raise instead of `error`; `doing` says what was tried."""
    return os_error(error.errno, f"{doing}: {error}")


def raise_from(error: Error, doing: str) -> NoReturn:
    """Raise what an event reported earlier."""
    raise from_error(error, doing) from error


def is_being_raised(error: Error) -> bool:
    """Whether `raise_from` raises it now; False if a signal handler raised something in its place."""
    raised = sys.exception()
    return raised is not None and raised.__cause__ is error


@contextmanager
def translated(doing: str, *, name: str | None = None) -> Iterator[None]:
    """Errors of ours leave as OSError; with `name`, as the gaierror of looking that name up."""
    try:
        yield
    except Error as error:
        if name is not None:
            raise _gaierror(error, name) from error
        raise_from(error, doing)
    except CancelledError as error:
        raise os_error(errno.ENETDOWN, f"{doing}: the interface was closed") from error


def _gaierror(error: Error, name: str) -> gaierror:
    if isinstance(error, _TRY_AGAIN) or error.errno in _TRY_AGAIN_ERRNOS:
        return gaierror(EAI_AGAIN, f"Temporary failure in name resolution: {name!r}: {error}")
    return gaierror(EAI_NONAME, f"Name or service not known: {name!r}: {error}")
