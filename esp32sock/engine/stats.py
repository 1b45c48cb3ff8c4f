"""What a module has carried and survived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esp32sock.engine.link_pool import Pump


@dataclass(slots=True)
class Counters:
    """What was carried since the module was attached."""

    links_opened: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    restarts: int = 0
    unknown_lines: int = 0
    datagrams_dropped: int = 0
    datagrams_doubtful: int = 0

    def add(self, pump: Pump) -> None:
        self.bytes_sent += pump.sent_bytes
        self.bytes_received += pump.received_bytes
