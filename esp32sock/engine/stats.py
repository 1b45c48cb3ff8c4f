"""What a module has carried and survived."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.engine.link_pool import Pump


@dataclass(slots=True)
class Counters:
    """What was carried since the module was attached, by links that have ended."""

    links_opened: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    restarts: int = 0
    unknown_lines: int = 0
    comparisons: int = 0
    """Doubts after which the module was compared with what the engine believed."""
    repairs: int = 0
    """Differences that were found and mended then."""
    silences: int = 0
    """How often the module answered nothing any more."""
    datagrams_dropped: int = 0
    datagrams_doubtful: int = 0

    def add(self, pump: Pump) -> None:
        """A link has ended: its bytes are counted here from now on."""
        self.bytes_sent += pump.sent_bytes
        self.bytes_received += pump.received_bytes

    def snapshot(self, pumps: Sequence[Pump], unread_bytes: int) -> dict[str, int]:
        """All counters, with what open links have carried so far."""
        counts: dict[str, int] = asdict(self)
        running = [pump for pump in pumps if pump.running]
        counts["bytes_sent"] += sum(pump.sent_bytes for pump in running)
        counts["bytes_received"] += sum(pump.received_bytes for pump in running)
        return counts | {"links_open": len(pumps), "unread_bytes": unread_bytes}
