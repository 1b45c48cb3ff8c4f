"""SmartConfig and WPS as an activity beside the commands (V1.0 4.2.15 to 4.2.17)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.kernel import Process


class SmartConfig:
    """A run of SmartConfig or WPS, which goes on beside the commands."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._run: Process | None = None
        self._started = False

    @property
    def running(self) -> bool:
        """Started and not stopped; a restart stops it."""
        return self._started

    def begin(self, run: Coroutine[Any, None, object]) -> None:
        self.end()
        self._started = True
        self._run = self._board.spawn(run)

    def end(self) -> None:
        self._started = False
        if self._run is not None:
            self._run.cancel()
            self._run = None
