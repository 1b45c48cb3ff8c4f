"""A finding made small: bytes are taken away as long as the same thing is raised."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def shrink(run: Callable[[bytes], object], data: bytes) -> bytes:
    """The smallest input found that raises at the same place; ValueError if this one raises nothing."""
    wanted = _raised(run, data)
    if wanted is None:
        raise ValueError("this input raises nothing")
    size = len(data)
    while size := size // 2:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if _raised(run, shorter) == wanted:
                data = shorter
            else:
                at += size
    return data


def _raised(run: Callable[[bytes], object], data: bytes) -> tuple[str, str, int] | None:
    """What it raises, and where."""
    try:
        run(data)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return type(error).__name__, last.filename, last.lineno or 0
    return None
