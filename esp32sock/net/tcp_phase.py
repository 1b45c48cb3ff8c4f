"""How far a TCP socket is."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    FRESH = enum.auto()
    CONNECTING = enum.auto()
    OPEN = enum.auto()
    LISTENING = enum.auto()
