"""A network that exists only in memory, on the module's own clock: names, refusals, delays and scripted
peers.

A peer is a coroutine of the kernel (kernel.py), not of trio: it may await only what its connection offers.

    async def echo(connection: Connection) -> None:
        while data := await connection.receive():
            connection.send(data)

    network = MemoryNetwork()
    network.listen("10.0.2.2", 7000, echo)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from .kernel import Mailbox
from .network import (
    Close,
    Consumed,
    DatagramReceived,
    Failed,
    Listen,
    Network,
    OpenDatagram,
    Opened,
    OpenStream,
    PeerClosed,
    PeerReset,
    Received,
    Request,
    Resolve,
    Resolved,
    Send,
    SendDatagram,
    Sent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .kernel import Process

Peer: TypeAlias = "Callable[[Connection], Coroutine[Any, None, None]]"
"""What runs behind an address and a port, once for each connection."""

DatagramPeer: TypeAlias = "Callable[[bytes], list[bytes]]"
"""What a datagram is answered with: any number of datagrams."""

FIRST_LOCAL_PORT = 50000
UNREACHABLE_S = 9.0
"""How long nobody answers until the connection fails (observed 2.0: about 9 s)."""


class Connection:
    """The peer's end of one stream.

    `receive` and `sleep` are awaited on the kernel; all else is done at once.
    """

    def __init__(self, network: MemoryNetwork, handle: int, address: str, port: int, window: int) -> None:
        self._network = network
        self._handle = handle
        self.address = address
        self.port = port
        self._credit = window
        self._inbox: Mailbox[bytes] = Mailbox(network.kernel)
        self._outbox: list[bytes] = []
        self._closing = False
        self.closed = False
        """The module has closed its end, or we have reset ours."""
        self.process: Process | None = None

    async def receive(self) -> bytes:
        """The next bytes of the module; empty once it has closed."""
        if self.closed and not len(self._inbox):
            return b""
        return await self._inbox.get()

    async def sleep(self, seconds: float) -> None:
        await self._network.kernel.sleep(seconds)

    def send(self, data: bytes) -> None:
        """Send to the module; what its window does not take waits."""
        self._outbox.append(data)
        self._flush()

    def close(self) -> None:
        """Send FIN behind everything sent."""
        self._closing = True
        self._flush()

    def reset(self) -> None:
        """Send RST; what waits for the window is lost."""
        if not self.closed:
            self.closed = True
            self._outbox.clear()
            self._network.deliver(PeerReset(self._handle))

    # From the network

    def arrived(self, data: bytes) -> None:
        self._inbox.put(data)

    def module_closed(self) -> None:
        self.closed = True
        self._outbox.clear()
        self._inbox.put(b"")

    def credit(self, count: int) -> None:
        self._credit += count
        self._flush()

    def _flush(self) -> None:
        while self._outbox and self._credit > 0 and not self.closed:
            data = self._outbox.pop(0)
            if len(data) > self._credit:
                self._outbox.insert(0, data[self._credit :])
                data = data[: self._credit]
            self._credit -= len(data)
            self._network.deliver(Received(self._handle, data))
        if self._closing and not self._outbox and not self.closed:
            self._closing = False
            self._network.deliver(PeerClosed(self._handle))


class MemoryNetwork(Network):
    """Scripted peers.

    `latency_s` is one way; `names` are addresses by name, and any other name does not exist.
    """

    def __init__(self, *, latency_s: float = 0.001, names: dict[str, str] | None = None) -> None:
        self.latency_s = latency_s
        self.names = {"localhost": "127.0.0.1", **(names or {})}
        self._peers: dict[tuple[str, int], Peer] = {}
        self._datagram_peers: dict[tuple[str, int], DatagramPeer] = {}
        self._unreachable: set[str] = set()
        self._connections: dict[int, Connection] = {}
        self._local_ports: dict[int, int] = {}
        self._next_port = FIRST_LOCAL_PORT

    # Setting the scene

    def listen(self, address: str, port: int, peer: Peer) -> None:
        """Put a peer behind an address and a port; every other port of a reachable address refuses."""
        self._peers[address, port] = peer

    def answer_datagrams(self, address: str, port: int, peer: DatagramPeer) -> None:
        self._datagram_peers[address, port] = peer

    def unreachable(self, address: str) -> None:
        """Nobody answers at this address: connecting fails after `UNREACHABLE_S`."""
        self._unreachable.add(address)

    @property
    def connections(self) -> list[Connection]:
        """The peers' ends of what is open now, oldest first."""
        return list(self._connections.values())

    # The seam

    def deliver(self, event: Received | PeerClosed | PeerReset | DatagramReceived) -> None:
        """Let something of a peer reach the module, one way later and in order."""
        self.kernel.call_later(self.latency_s, lambda: self.post(event))

    def handle(self, request: Request) -> None:
        kernel = self.kernel
        match request:
            case Resolve(token, name):
                resolved = Resolved(token, self.names.get(name))
                kernel.call_later(self.latency_s, lambda: self.post(resolved))
            case OpenStream():
                self._open_stream(request)
            case Send(handle, data):
                self._send(handle, data)
            case Consumed(handle, count):
                if handle in self._connections:
                    self._connections[handle].credit(count)
            case OpenDatagram(handle):
                port = request.local_port or self._new_port()
                self._local_ports[handle] = port
                self.post(Opened(handle, request.address, request.port, port))
            case SendDatagram():
                self._send_datagram(request)
            case Listen(handle):
                self.post(Failed(handle, "servers come later"))
            case Close(handle):
                connection = self._connections.pop(handle, None)
                if connection is not None:
                    kernel.call_later(self.latency_s, connection.module_closed)

    def _new_port(self) -> int:
        self._next_port += 1
        return self._next_port - 1

    def _open_stream(self, request: OpenStream) -> None:
        if request.address in self._unreachable:
            unreachable = Failed(request.handle, "nobody answers")
            self.kernel.call_later(UNREACHABLE_S, lambda: self.post(unreachable))
            return
        peer = self._peers.get((request.address, request.port))
        if peer is None:
            refused = Failed(request.handle, "refused")
            self.kernel.call_later(2 * self.latency_s, lambda: self.post(refused))
            return
        self.kernel.call_later(2 * self.latency_s, lambda: self._accept(request, peer))

    def _accept(self, request: OpenStream, peer: Peer) -> None:
        handle = request.handle
        local_port = self._new_port()
        connection = Connection(self, handle, request.address, request.port, request.window_bytes)
        self._connections[handle] = connection
        self.post(Opened(handle, request.address, request.port, local_port))
        connection.process = self.kernel.spawn(peer(connection))

    def _send(self, handle: int, data: bytes) -> None:
        connection = self._connections.get(handle)
        if connection is None or connection.closed:
            self.post(PeerReset(handle))
            return
        self.kernel.call_later(self.latency_s, lambda: connection.arrived(data))
        self.post(Sent(handle))

    def _send_datagram(self, request: SendDatagram) -> None:
        self.post(Sent(request.handle))
        peer = self._datagram_peers.get((request.address, request.port))
        if peer is None:
            return

        def answer() -> None:
            for data in peer(request.data):
                self.deliver(DatagramReceived(request.handle, data, request.address, request.port))

        self.kernel.call_later(self.latency_s, answer)
