"""What a module did on the network, seen from its own side: the witness of tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class LinkRecord:
    """One link from its opening to its end. Bytes are payload only: sent to the peer, handed to the host."""

    link_id: int
    kind: str
    address: str
    port: int
    accepted: bool
    opened_at_s: float
    closed_at_s: float | None = None
    bytes_sent: int = 0
    bytes_received: int = 0


@dataclass(slots=True)
class Journal:
    """Every link that was ever open, oldest first, and how often the module booted. Read-only to others."""

    links: list[LinkRecord] = field(default_factory=list)
    boots: int = 0
    sink: Callable[[str], object] | None = None

    def opened(self, record: LinkRecord) -> LinkRecord:
        self.links.append(record)
        self._tell("open", record, record.opened_at_s)
        return record

    def closed(self, record: LinkRecord, now_s: float) -> None:
        record.closed_at_s = now_s
        self._tell("close", record, now_s)

    @property
    def links_opened(self) -> int:
        return len(self.links)

    @property
    def bytes_sent(self) -> int:
        return sum(record.bytes_sent for record in self.links)

    @property
    def bytes_received(self) -> int:
        return sum(record.bytes_received for record in self.links)

    def _tell(self, event: str, record: LinkRecord, now_s: float) -> None:
        if self.sink is None:
            return
        entry: dict[str, object] = {
            "time_s": round(now_s, 6),
            "event": event,
            "link_id": record.link_id,
            "kind": record.kind,
            "address": record.address,
            "port": record.port,
            "accepted": record.accepted,
        }
        if event == "close":
            entry["bytes_sent"] = record.bytes_sent
            entry["bytes_received"] = record.bytes_received
        self.sink(json.dumps(entry))
