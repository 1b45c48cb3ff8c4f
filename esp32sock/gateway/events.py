"""What a gateway tells its owner: events, and counters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable


class EventKind(Enum):
    LISTENING = "listening"  # clients are accepted at `client`
    CONNECTED = "connected"  # `client` has its connection to `target`
    CLOSED = "closed"  # it ended as the two sides meant it to
    BROKEN = "broken"  # it was reset by one side, or cut off
    REFUSED = "refused"  # `client` did not get what it asked for
    ENDED = "ended"  # the gateway has ended


class Service(Enum):
    SOCKS5 = "socks5"
    HTTP = "http"
    UDP = "udp"
    FORWARD = "forward"
    REVERSE = "reverse"  # from a port of the module to the host


@dataclass(slots=True)
class Counters:
    """Numbers since the start; bytes are payload, and sent is what went out to `target`."""

    clients: int = 0
    connected: int = 0
    refused: int = 0
    broken: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    datagrams_dropped: int = 0


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """One thing that happened; what does not apply is None."""

    event: EventKind
    service: Service | None = None
    client: str | None = None
    target: str | None = None
    error: str | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    counters: Counters | None = None
    """Only when the gateway has ended."""


Report: TypeAlias = "Callable[[GatewayEvent], object]"
"""Called in the loop of the gateway; must return at once."""
