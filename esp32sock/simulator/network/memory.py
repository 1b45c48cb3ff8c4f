"""A network that exists only in memory, on the module's own clock: names, refusals, delays and scripted
peers.

A peer is a coroutine of the kernel (kernel.py), not of trio: it may await only what its connection offers.

    async def echo(connection: Connection) -> None:
        while data := await connection.receive():
            connection.send(data)

    network = MemoryNetwork()
    network.listen("10.0.2.2", 7000, echo)

Clients of the module's server are the same coroutines, and it is `connect` that starts one. Connections are
in memory_peers.py. TLS is not real here: a `TlsPeer` stands for a certificate, and the bytes are not
encrypted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from esp32sock.simulator.network.api import (
    BROADCAST,
    ITSELF,
    ITSELF_6,
    PING_TIMEOUT_S,
    Accepted,
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
    Ping,
    Pinged,
    Received,
    Request,
    RequestTime,
    RequestUpdate,
    Resolve,
    Resolved,
    Send,
    SendDatagram,
    Sent,
    TimeReceived,
    UpdateFound,
    version_of,
)
from esp32sock.simulator.network.memory_peers import Connection as Connection
from esp32sock.simulator.network.memory_peers import TlsPeer as TlsPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


Peer: TypeAlias = "Callable[[Connection], Coroutine[Any, None, None]]"
"""What runs behind an address and a port, once for each connection."""

DatagramPeer: TypeAlias = "Callable[[bytes], list[bytes]]"
"""What a datagram is answered with: any number of datagrams."""

FIRST_LOCAL_PORT = 50000
UNREACHABLE_S = 9.0
"""How long a connection without an answer takes to fail (observed 2.0: about 9 s)."""

_ITSELF = (ITSELF, ITSELF_6)

GATEWAY = "10.0.2.2"

START_UNIX_S = 1_700_000_000.0
"""The server's time when the module was powered on (chosen by taste, the same in every run)."""


class MemoryNetwork(Network):
    """Scripted peers.

    `latency_s` is one way; `names` are IPv4 addresses by name, `names_6` IPv6 addresses, and any other name
    does not exist.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.001,
        names: dict[str, str] | None = None,
        names_6: dict[str, str] | None = None,
    ) -> None:
        self.latency_s = latency_s
        self.names = {"localhost": ITSELF, **(names or {})}
        self.names_6 = {"localhost": ITSELF_6, **(names_6 or {})}
        self.start_unix_s: float | None = START_UNIX_S
        """The time of the SNTP server at power-on; None: there is none."""
        self.update: str | None = None
        """The version that the update server has."""
        self._peers: dict[tuple[str, int], tuple[Peer, TlsPeer | None]] = {}
        self._datagram_peers: dict[tuple[str, int], DatagramPeer] = {}
        self._unreachable: set[str] = set()
        self._connections: dict[int, Connection] = {}
        self._listeners: dict[int, Listen] = {}
        """The module's servers, by port."""
        self._udp_ports: dict[int, int] = {}
        """Handles of the module's UDP ports."""
        self._next_port = FIRST_LOCAL_PORT
        self._next_accepted = -1

    # Peers and names

    def listen(self, address: str, port: int, peer: Peer, *, tls: TlsPeer | None = None) -> None:
        """Put a peer behind an address and a port; every other port of a reachable address refuses."""
        self._peers[address, port] = (peer, tls)

    def answer_datagrams(self, address: str, port: int, peer: DatagramPeer) -> None:
        self._datagram_peers[address, port] = peer

    def unreachable(self, address: str) -> None:
        """There is no answer from this address: connecting fails after `UNREACHABLE_S`."""
        self._unreachable.add(address)

    def connect(
        self, port: int, peer: Peer, *, address: str = GATEWAY, from_port: int = 0, secure: bool = False
    ) -> bool:
        """Let a client come to the module's server; False if none listens there, or not so."""
        listener = self._listeners.get(port)
        if listener is None or (listener.tls is not None) != secure:
            return False
        if listener.version != version_of(address):
            return False
        source = from_port or self._new_port()
        handle = self._next_accepted
        self._next_accepted -= 1
        connection = self._connection(handle, address, source, listener.window_bytes, secure=secure)
        accepted = Accepted(listener.handle, handle, address, source, port)
        self._later(lambda: self._accept_client(accepted, connection, peer))
        return True

    def _connection(self, handle: int, address: str, port: int, window: int, *, secure: bool) -> Connection:
        connection = Connection(self.kernel, self.deliver, handle, address, port, window, secure=secure)
        self._connections[handle] = connection
        return connection

    def _accept_client(self, accepted: Accepted, connection: Connection, peer: Peer) -> None:
        self.post(accepted)
        connection.process = self.kernel.spawn(peer(connection))

    def send_datagram(self, port: int, data: bytes, *, address: str = GATEWAY, from_port: int = 7005) -> bool:
        """Send a datagram to a UDP port of the module; False if it has none such."""
        handle = self._udp_ports.get(port)
        if handle is None:
            return False
        self.deliver(DatagramReceived(handle, data, address, from_port))
        return True

    @property
    def connections(self) -> list[Connection]:
        """The peers' ends of what is open now, oldest first."""
        return list(self._connections.values())

    # Requests and events

    def deliver(self, event: Received | PeerClosed | PeerReset | DatagramReceived) -> None:
        """Let something of a peer reach the module, one way later and in order."""
        self._later(lambda: self.post(event))

    def _later(self, action: Callable[[], None], seconds: float | None = None) -> None:
        self.kernel.call_later(self.latency_s if seconds is None else seconds, action)

    def handle(self, request: Request) -> None:
        match request:
            case Resolve(token, name, version):
                names = self.names_6 if version == 6 else self.names
                resolved = Resolved(token, names.get(name))
                self._later(lambda: self.post(resolved))
            case Ping(token, address):
                self._ping(token, address)
            case RequestTime(token):
                start_s = self.start_unix_s
                received = TimeReceived(token, None if start_s is None else start_s + self.kernel.now)
                self._later(lambda: self.post(received))
            case RequestUpdate(token):
                found = UpdateFound(token, self.update)
                self._later(lambda: self.post(found))
            case OpenStream():
                self._open_stream(request)
            case Send(handle, data):
                self._send(handle, data)
            case Consumed(handle, count):
                if handle in self._connections:
                    self._connections[handle].credit(count)
            case OpenDatagram():
                self._open_datagram(request)
            case SendDatagram():
                self._send_datagram(request)
            case Listen():
                self._listen(request)
            case Close(handle):
                self._close(handle)

    def _new_port(self) -> int:
        self._next_port += 1
        return self._next_port - 1

    def _ping(self, token: int, address: str) -> None:
        places = {place for place, _ in (*self._peers, *self._datagram_peers)}
        if address in _ITSELF or (address in places and address not in self._unreachable):
            self._later(lambda: self.post(Pinged(token, round(2000 * self.latency_s))), 2 * self.latency_s)
        else:
            self._later(lambda: self.post(Pinged(token, None)), PING_TIMEOUT_S)

    # Streams

    def _open_stream(self, request: OpenStream) -> None:
        if request.address in self._unreachable:
            unreachable = Failed(request.handle, "no answer")
            self._later(lambda: self.post(unreachable), UNREACHABLE_S)
            return
        if request.address in _ITSELF and request.port in self._listeners:
            self._later(lambda: self._loop_back(request), 2 * self.latency_s)
            return
        peer, tls = self._peers.get((request.address, request.port), (None, None))
        wanted = request.tls
        if peer is None or (wanted is not None and (tls is None or not tls.accepts(wanted))):
            refused = Failed(request.handle, "refused")
            self._later(lambda: self.post(refused), 2 * self.latency_s)
            return
        if tls is not None and wanted is None:
            peer = _hang_up
        self._later(lambda: self._accept(request, peer), 2 * self.latency_s)

    def _accept(self, request: OpenStream, peer: Peer) -> None:
        handle = request.handle
        local_port = self._new_port()
        secure = request.tls is not None
        connection = self._connection(
            handle, request.address, request.port, request.window_bytes, secure=secure
        )
        self.post(Opened(handle, request.address, request.port, local_port))
        connection.process = self.kernel.spawn(peer(connection))

    def _loop_back(self, request: OpenStream) -> None:
        """The module connects to its own server: two ends, each the other's peer."""
        ends: list[Connection] = []

        async def near(connection: Connection) -> None:
            ends.append(connection)
            while data := await connection.receive():
                ends[0].send(data)
            ends[0].close()

        async def far(connection: Connection) -> None:
            while data := await connection.receive():
                ends[1].send(data)
            ends[1].close()

        local_port = self._new_port()
        secure = request.tls is not None
        itself = request.address
        if not self.connect(request.port, near, address=itself, from_port=local_port, secure=secure):
            self.post(Failed(request.handle, "refused"))
            return
        outer = self._connection(request.handle, itself, request.port, request.window_bytes, secure=secure)
        ends.insert(0, outer)
        self.post(Opened(request.handle, itself, request.port, local_port))
        outer.process = self.kernel.spawn(far(outer))

    def _send(self, handle: int, data: bytes) -> None:
        connection = self._connections.get(handle)
        if connection is None or connection.closed:
            self.post(PeerReset(handle))
            return
        self._later(lambda: connection.arrived(data))
        self.post(Sent(handle))

    # Datagrams

    def _open_datagram(self, request: OpenDatagram) -> None:
        port = request.local_port or self._new_port()
        if port in self._udp_ports:
            self.post(Failed(request.handle, "the port is taken"))
            return
        self._udp_ports[port] = request.handle
        self.post(Opened(request.handle, request.address, request.port, port))

    def _send_datagram(self, request: SendDatagram) -> None:
        self.post(Sent(request.handle))
        if request.address in _ITSELF:
            own_port = next(port for port, handle in self._udp_ports.items() if handle == request.handle)
            self.send_datagram(request.port, request.data, address=request.address, from_port=own_port)
            return
        for (address, port), peer in self._datagram_peers.items():
            if port == request.port and request.address in (address, BROADCAST):
                self._later(lambda address=address, peer=peer: self._answer(request, address, peer))  # type: ignore[misc]

    def _answer(self, request: SendDatagram, address: str, peer: DatagramPeer) -> None:
        for data in peer(request.data):
            self.deliver(DatagramReceived(request.handle, data, address, request.port))

    # Servers, and the end of everything

    def _listen(self, request: Listen) -> None:
        port = request.port or self._new_port()
        if port in self._listeners:
            self.post(Failed(request.handle, "the port is taken"))
            return
        self._listeners[port] = request
        self.post(Opened(request.handle, "", 0, port))

    def _close(self, handle: int) -> None:
        connection = self._connections.pop(handle, None)
        if connection is not None:
            self._later(connection.module_closed)
        self._listeners = {
            p: listener for p, listener in self._listeners.items() if listener.handle != handle
        }
        self._udp_ports = {port: owner for port, owner in self._udp_ports.items() if owner != handle}


async def _hang_up(connection: Connection) -> None:
    """What a TLS server does with a client that does not use TLS."""
    await connection.receive()
    connection.close()
