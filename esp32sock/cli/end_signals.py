"""SIGTERM and SIGHUP end an unmodified program in order: what was sent is delivered, nothing listens on."""

from __future__ import annotations

import _thread
import os
import signal
from typing import TYPE_CHECKING

from esp32sock._latch import Latch

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def close_before_end(close: Callable[[], object], timeout: float) -> None:
    """Call `close` when one of SIGNALS comes, then let the signal end the program as it would have.

    `close` runs in a thread of its own, because the program may hold any lock at that moment, and is waited
    for `timeout` seconds at most; a second signal ends the program at once. A program that handles or ignores
    the signal itself, and its forked children, are left alone.
    """
    program = os.getpid()

    def end(number: int, _: object) -> None:
        for each in SIGNALS:
            if signal.getsignal(each) is end:
                signal.signal(each, signal.SIG_DFL)
        if os.getpid() == program:
            closed = Latch()
            _thread.start_new_thread(_run, (close, closed))
            closed.wait(timeout)
        os.kill(os.getpid(), number)

    for each in SIGNALS:
        if signal.getsignal(each) is signal.SIG_DFL:
            signal.signal(each, end)


def _run(close: Callable[[], object], closed: Latch) -> None:
    try:
        close()
    finally:
        closed.set()
