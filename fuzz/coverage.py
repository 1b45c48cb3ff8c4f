"""Which branches have been taken: of Python code by `sys.monitoring`, of the compiled framing by counters.

`sys.monitoring` (Python 3.12) lets a place that has nothing new to tell be switched off, so what is known
already costs nothing. A branch is known when both of its ways were taken, a function when it was called. A
branch that goes one way MOST_HITS times is not watched again before `renew`: few branches are that, and they
are most of the cost. An older Python has no such thing: its branches are not seen, and the search is blind
there.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

from fuzz import extension

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import CodeType

MOST_HITS = 300
BOTH_WAYS = -1
PACKAGE = f"{extension.ROOT}/esp32sock/"


class PythonCoverage:
    """The branches of esp32sock."""

    def __init__(self) -> None:
        self._ways: dict[tuple[CodeType, int], int] = {}
        self._hits: dict[tuple[CodeType, int], int] = {}
        self._functions: set[CodeType] = set()
        self.known = 0
        monitoring: Any = getattr(sys, "monitoring", None)
        self._restart: Callable[[], None] = getattr(monitoring, "restart_events", lambda: None)
        if monitoring is None:
            return
        self._disable: object = monitoring.DISABLE
        tool = monitoring.COVERAGE_ID
        monitoring.use_tool_id(tool, "fuzz")
        events = monitoring.events
        monitoring.register_callback(tool, events.BRANCH, self._branch)
        monitoring.register_callback(tool, events.PY_START, self._start)
        monitoring.set_events(tool, events.BRANCH | events.PY_START)

    def renew(self) -> None:
        """Watch every place again that may have something new to tell."""
        self._hits.clear()
        self._restart()

    def _start(self, code: CodeType, offset: int) -> object:
        if code not in self._functions and code.co_filename.startswith(PACKAGE):
            self._functions.add(code)
            self.known += 1
        return self._disable

    def _branch(self, code: CodeType, offset: int, destination: int) -> object:
        place = (code, offset)
        way = self._ways.get(place)
        if way == destination:
            hits = self._hits.get(place, 0) + 1
            self._hits[place] = hits
            return self._disable if hits > MOST_HITS else None
        if way == BOTH_WAYS or not code.co_filename.startswith(PACKAGE):
            return self._disable
        self.known += 1
        self._ways[place] = destination if way is None else BOTH_WAYS
        return None if way is None else self._disable


class CompiledCoverage:
    """The basic blocks of the compiled framing, in a build of its own."""

    def __init__(self, folder: Path) -> None:
        library = extension.build(folder, extension.COVERED, extension.COVERAGE)
        extension.use(library)
        counted = ctypes.CDLL(str(library))
        counted.fuzz_counters.restype = ctypes.c_void_p
        slots = counted.fuzz_slots()
        self._counters = (ctypes.c_uint8 * slots).from_address(counted.fuzz_counters())

    @property
    def known(self) -> int:
        """How many were entered since the start."""
        return len(self._counters) - bytes(self._counters).count(0)
