"""What a module reports by itself: the frozen classes that `Interface.events` gives."""

from __future__ import annotations

from esp32sock.at.events import (
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleBusy,
    ModuleRestarted,
    ModuleStuck,
    OrphanLink,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.events import ModuleEvent as Event
from esp32sock.at.urcs import Wifi

__all__ = [
    "Event",
    "LinkClosed",
    "LinkFault",
    "LinkOpened",
    "ModuleBusy",
    "ModuleRestarted",
    "ModuleStuck",
    "OrphanLink",
    "UnknownText",
    "UnreadWaiting",
    "Wifi",
    "WifiChanged",
]
