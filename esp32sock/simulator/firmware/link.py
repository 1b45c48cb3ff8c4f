"""One open link and its state."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esp32sock.simulator.network.api import DatagramReceived, OpenDatagram, OpenStream
    from esp32sock.simulator.observers.journal import LinkRecord

LINK_COUNT = 5
ALL_LINKS = 5
"""The id that means every link in CIPCLOSE and in the commands that configure links (V1.0 5.2.6)."""

UDP_QUEUE = 6
"""Datagrams that wait unread; more are dropped (transcript 20; the mailbox of a stock lwIP)."""

OPEN_UDP_QUEUE = 4096
"""The same where nothing is to be a limit (chosen by taste)."""


@dataclass(slots=True)
class Link:
    """One open link."""

    link_id: int
    kind: str
    handle: int
    address: str
    port: int
    local_port: int
    accepted: bool
    window_bytes: int
    record: LinkRecord
    request: OpenStream | OpenDatagram | None = None
    """How it was opened, for the passthrough mode to open it again; None if it was accepted."""
    announced: bool = False

    # Received and not yet handed to the host
    received: deque[bytes | memoryview] = field(default_factory=deque)
    received_bytes: int = 0
    datagrams: deque[DatagramReceived] = field(default_factory=deque)
    overhead_bytes: int = 0
    """What TLS added on the way; the counts of passive receive show it (at-dialects 7.7)."""
    consumed_bytes: int = 0
    """Taken out of the buffer, and not yet given back to the network as window."""
    segment_bytes: int = 0
    """What is left of the segment that has been read in part."""
    reading: bool = False
    """The network task is in the middle of a burst: it reads more than one segment at once."""
    passive: bool = False
    """AT+CIPRECVTYPE of this link."""
    notified: bool = False
    """`+IPD,<len>` of passive receive was printed and nothing has been read since."""

    # Datagrams
    udp_mode: int = 0
    """0 fixed peer, 1 changes once, 2 follows the last sender (V1.0 5.2.3)."""
    peer_changed: bool = False
    named: tuple[str, int] = ("", 0)
    """The peer as CIPSTART named it."""

    # Sending
    sending: bool = False
    """A CIPSEND of this link stands between its prompt and its result."""
    redirected: tuple[str, int] | None = None
    """The sender of a datagram meanwhile, where that changes the destination (at-dialects 7.5)."""
    unsent: bool = False
    """The network still holds some of a payload whose sending took too long."""

    # The fault of 2.0
    in_send: bool = False
    """Between the OK of its CIPSEND and SEND OK; `SEND Canceled` does not end it."""
    stalled: bool = False
    """Left out of what the network task listens to."""

    # Ending
    peer_closed: bool = False
    reset: bool = False
    """Broke while `sending`; CLOSED is printed when the send is over (observed 2.0)."""
    last_received_s: float = 0.0
    last_used_s: float = 0.0

    @property
    def is_stream(self) -> bool:
        return not self.kind.startswith("UDP")

    @property
    def is_secure(self) -> bool:
        return self.kind.startswith("SSL")

    @property
    def unread_bytes(self) -> int:
        """What the counts of passive receive show."""
        if not self.is_stream:
            return sum(len(datagram.data) for datagram in self.datagrams)
        return self.received_bytes + self.overhead_bytes

    @property
    def has_unread(self) -> bool:
        return bool(self.received_bytes or self.datagrams)
