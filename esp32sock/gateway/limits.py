"""What a gateway allows its clients: times and numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Durations are in seconds; None is no limit.

    The numbers are chosen: nothing of the protocols asks for them.
    """

    clients: int = 64
    """Connections of clients at a time; the next ones wait in the backlog of the listener."""
    handshake_s: float = 10.0
    """How long a client may take for its whole request, however slowly it sends."""
    connect_s: float = 60.0
    """How long a connection may take, with the look-up of its name and the wait for a free link."""
    keepalive_s: float = 60.0
    """How long a client of the HTTP proxy may wait before its next request."""
    half_close_s: float = 30.0
    """How long a connection of which one direction has ended is kept while nothing moves in the other."""
    idle_s: float | None = None
    """How long a connection is kept while nothing moves."""
    linger_s: float = 2.0
    """How long what a client still sends is thrown away, so that it can read why its connection ends."""
    udp_idle_s: float = 60.0
    """How long a forwarded UDP client keeps its link while nothing moves."""
    udp_flows: int = 4
    """Forwarded UDP clients at a time, each with a link; a further one takes the link of the longest idle."""
