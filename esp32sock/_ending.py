"""Signals that end a program as an event of trio, so that it can end in order."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def ending() -> Iterator[trio.Event]:
    """Set by the first of ENDING; a second one ends the process as usual.

    A signal that is ignored at the start (`nohup`) stays so.
    """
    event = trio.Event()
    token = trio.lowlevel.current_trio_token()
    before: dict[int, object] = {}

    def end(number: int, _: object) -> None:
        signal.signal(number, before[number])  # type: ignore[arg-type]
        token.run_sync_soon(event.set)

    for each in ENDING:
        if signal.getsignal(each) is not signal.SIG_IGN:
            before[each] = signal.signal(each, end)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
