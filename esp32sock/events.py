"""What a module reports by itself: the frozen classes that `Interface.events` gives."""

from __future__ import annotations

from esp32sock.at.events import (
    Contradiction,
    DoubtSettled,
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleBusy,
    ModuleRestarted,
    ModuleSilent,
    OrphanLink,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.events import ModuleEvent as Event
from esp32sock.at.urcs import Wifi

__all__ = [
    "Contradiction",
    "DoubtSettled",
    "Event",
    "LinkClosed",
    "LinkFault",
    "LinkOpened",
    "ModuleBusy",
    "ModuleRestarted",
    "ModuleSilent",
    "OrphanLink",
    "UnknownText",
    "UnreadWaiting",
    "Wifi",
    "WifiChanged",
]
