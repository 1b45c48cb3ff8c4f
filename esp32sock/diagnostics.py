"""A diagnostic dump at a signal: what the engines of this process are about, and where its threads are.

    esp32sock.diagnostics.install()          # then: kill -USR1 PID

Theory of operation: faulthandler's handler runs in C. It writes the stack of every thread into a pipe, which
starts a thread that adds the state of the engines. So a dump comes although the main thread waits in C code,
no Python code runs in a handler, and calls that the kernel can restart after a signal are restarted
(SA_RESTART). Those it never restarts (select, poll, epoll_wait, sleeping) Python calls again by itself; a C
library sees EINTR from them, as with any signal.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from esp32sock._build import BUILD
from esp32sock._files import open_private
from esp32sock._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

DUMP_VARIABLE = "ESP32SOCK_DUMP"
"""The file that takes the dump of a program of ours in place of standard error."""
READ_BYTES = 65536
QUIET_S = 0.1
"""The stacks are complete when nothing more came for so long; the handler writes them without a pause."""

_lock = threading.Lock()
_installed: _Dumper | None = None
_passed_on: set[int] = set()
"""Processes that run engines for this one: they get the signal too."""


def install(file: str | PathLike[str] | None = None, *, signum: int = signal.SIGUSR1) -> None:
    """Write a dump to `file`, or to standard error, whenever this process gets the signal.

    The file is appended to and readable by its user alone. Takes the place of the signal's handler; a handler
    that is set later takes this one's. Children do not inherit it. A dump has no passwords, and no arguments
    of functions. Calling it again changes file and signal. OSError, RuntimeError or ValueError for a signal
    that cannot be handled. Does not block.
    """
    global _installed
    with _lock:
        if _installed is not None:
            _installed.close()
            _installed = None
        _installed = _Dumper(None if file is None else os.fspath(file), signum)


def uninstall() -> None:
    """Give the signal back the handler that it had. Without `install`: nothing."""
    global _installed
    with _lock:
        if _installed is not None:
            _installed.close()
            _installed = None


def pass_on(pid: int) -> Callable[[], object]:
    """Send the signal of a dump to this process too from now on; gives back what stops that."""
    _passed_on.add(pid)
    return partial(_passed_on.discard, pid)


def report() -> str:
    """The state of every engine and management session of this process, without the stacks."""
    lines = [
        f"esp32sock {__version__} ({BUILD} build), Python {sys.version.split()[0]}, process {os.getpid()}, "
        f"{time.strftime('%Y-%m-%d %H:%M:%S')}"
    ]
    engine = sys.modules.get("esp32sock.engine.description")  # without an engine it need not be imported
    found = [] if engine is None else engine.describe_all()
    return "\n".join(lines + (found or ["no module is open"]))


class _Dumper:
    """The thread behind one signal."""

    def __init__(self, file: str | None, signum: int) -> None:
        self._file = file
        self._signum = signum
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)  # what does not fit is lost, and the handler never waits
        try:
            faulthandler.register(signum, self._write_end, all_threads=True, chain=False)
        except BaseException:
            os.close(self._read_end)
            os.close(self._write_end)
            raise
        threading.Thread(target=self._run, name="esp32sock diagnostics", daemon=True).start()

    def close(self) -> None:
        """Ends the thread, too: it reads the end of the pipe."""
        faulthandler.unregister(self._signum)
        os.close(self._write_end)

    def forget(self) -> None:
        """In a forked child, which has no such thread."""
        self.close()
        os.close(self._read_end)

    def _run(self) -> None:
        while stacks := os.read(self._read_end, READ_BYTES):
            while select.select([self._read_end], [], [], QUIET_S)[0]:
                more = os.read(self._read_end, READ_BYTES)
                if not more:
                    break
                stacks += more
            self._write(stacks)
            for pid in list(_passed_on):
                with suppress(OSError):  # it has ended
                    os.kill(pid, self._signum)
        os.close(self._read_end)

    def _write(self, stacks: bytes) -> None:
        text = f"---- diagnostic dump\n{report()}\n".encode(errors="backslashreplace")
        text += stacks + b"---- end of the diagnostic dump\n"
        try:
            if self._file is None:
                os.write(2, text)
                return
            with open_private(self._file, append=True) as output:
                output.write(text)
        except OSError:  # there is no place left to say so
            pass


def _forget_in_child() -> None:
    global _installed, _lock
    _lock = threading.Lock()
    if _installed is not None:
        _installed.forget()
        _installed = None


os.register_at_fork(after_in_child=_forget_in_child)
