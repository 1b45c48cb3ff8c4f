"""What all applications of a run share."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from esp32sock.engine.engine import Engine
    from esp32sock.errors import Error
    from esp32sock.simulator import MemoryNetwork
    from esp32sock.simulator.runtime.runner import Opened
    from tests.chaos.ledger import Conversation, Datagrams, Ledger
    from tests.chaos.plan import Plan
    from tests.chaos.tcp_users import Listener
    from tests.chaos.trace import Trace


HOST = "10.0.2.2"
STRANGER = "10.0.2.77"
NAMES = {"one.test": HOST, "two.test": "10.0.2.9"}
LISTEN_PORT = 80
PROBE_PORT = 6999
TCP_PORTS = 7000
CLIENT_PORTS = 20000
UDP_PORTS = 30000
PAIR_BYTES = 4096
CONNECT_S = 60.0
"""The longest that an application may wait for a connection, a look-up or a command, faults or not."""
CLOSED_S = 60.0
"""From the application's close to the end of the link, beyond what the peer takes."""
LINGER_S = 3.0
"""How long a UDP socket stays open behind its last datagram."""


def pair(kind: socket.SocketKind = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
    """The engine's end and the application's."""
    engines, ours = socket.socketpair(socket.AF_UNIX, kind)
    for end in (engines, ours):
        end.setblocking(False)
        if kind == socket.SOCK_STREAM:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return engines, ours


@dataclass
class World:
    """What all applications of a run share."""

    plan: Plan
    trace: Trace
    ledger: Ledger
    engine: Engine
    opened: Opened
    network: MemoryNetwork
    nursery: trio.Nursery
    started_s: float
    conversations: dict[int, Conversation] = field(default_factory=dict)
    datagrams: dict[int, Datagrams] = field(default_factory=dict)
    listener: Listener | None = None
    holes: set[int] = field(default_factory=set)
    """The sockets that lost something of which nothing on the line tells."""
    text_damaged: bool = False
    """Whether the answer to a question may be wrong because bytes were damaged."""

    async def until(self, since_start_s: float) -> None:
        """Wait until so long after the start."""
        await trio.sleep_until(self.started_s + since_start_s)


def describe(error: Error | None) -> str:
    if error is None:
        return "well"
    return f"{errno.errorcode.get(error.errno or 0, error.errno)} {error}"
