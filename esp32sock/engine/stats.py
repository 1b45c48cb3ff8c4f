"""What a module has carried and survived."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from esp32sock.errors import CommandError, ModuleReset, PortError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.engine.link_pool import Pump
    from esp32sock.errors import Error


class Stats(TypedDict):
    """Counters since the module was attached, with what open links have carried so far."""

    links_opened: int
    links_open: int
    bytes_sent: int
    bytes_received: int
    unread_bytes: int
    """Received and not read by a program yet."""
    restarts: int
    """How often the module restarted."""
    silences: int
    """How often the module answered nothing any more."""
    repeats: int
    """Commands that went out again, because their answer was lost."""
    doubts: int
    """Answers that were lost, and lines that contradict the engine's state."""
    comparisons: int
    """Doubts after which the module was compared with the engine's state."""
    repairs: int
    """Differences that were found and mended then."""
    resets: dict[str, int]
    """Links that ended with an error, by reason: `restart`, `silence`, `port`, `wifi`, `send`, `protocol`,
    `timeout`, `link`. A reason that never occurred is not in it."""
    unknown_lines: int
    datagrams_dropped: int
    datagrams_doubtful: int


@dataclass(slots=True)
class Counters:
    """What was carried since the module was attached, by links that have ended."""

    links_opened: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    restarts: int = 0
    silences: int = 0
    repeats: int = 0
    doubts: int = 0
    comparisons: int = 0
    repairs: int = 0
    resets: Counter[str] = field(default_factory=Counter)
    unknown_lines: int = 0
    datagrams_dropped: int = 0
    datagrams_doubtful: int = 0

    def add(self, pump: Pump) -> None:
        """A link has ended: its bytes are counted here from now on."""
        self.bytes_sent += pump.sent_bytes
        self.bytes_received += pump.received_bytes

    def note_end(self, error: Error | None) -> None:
        """Why a link ended; None for a clean end."""
        if error is not None and error.errno != errno.ECONNABORTED:  # not by its own program
            self.resets[reset_reason(error)] += 1

    def snapshot(self, pumps: Sequence[Pump], unread_bytes: int, repeats: int) -> Stats:
        """All counters, with what open links have carried, and commands of the channel repeated, so far."""
        running = [pump for pump in pumps if pump.running]
        return {
            "links_opened": self.links_opened,
            "links_open": len(pumps),
            "bytes_sent": self.bytes_sent + sum(pump.sent_bytes for pump in running),
            "bytes_received": self.bytes_received + sum(pump.received_bytes for pump in running),
            "unread_bytes": unread_bytes,
            "restarts": self.restarts,
            "silences": self.silences,
            "repeats": self.repeats + repeats,
            "doubts": self.doubts,
            "comparisons": self.comparisons,
            "repairs": self.repairs,
            "resets": dict(self.resets),
            "unknown_lines": self.unknown_lines,
            "datagrams_dropped": self.datagrams_dropped,
            "datagrams_doubtful": self.datagrams_doubtful,
        }


def reset_reason(error: Error) -> str:
    """The key of `Stats.resets` for what ended a link."""
    match error:
        case ModuleReset():
            return "restart"
        case PortError():
            return "silence" if error.errno == errno.ETIMEDOUT else "port"
        case ProtocolError():
            return "protocol"
        case CommandError():
            return "send"
    return {errno.ENETDOWN: "wifi", errno.ETIMEDOUT: "timeout"}.get(error.errno, "link")
