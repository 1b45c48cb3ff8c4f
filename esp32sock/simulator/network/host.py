"""The network of this machine: real sockets and the real resolver behind the module, through trio.

The module has the address 10.0.2.15 behind a gateway 10.0.2.2, as the modules of the captures did; that
gateway is this machine's 127.0.0.1. Every other address is what it says.

What the module serves, TCP or UDP, is at `address`, an address of this machine that is this module's alone
(host_addresses.py); inside the module that place is 127.0.0.1, its own addresses, and nothing else. Where the
module itself serves nothing on a port, its 127.0.0.1 is this machine's.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from esp32sock.simulator.network.api import (
    ITSELF,
    Accepted,
    Close,
    Consumed,
    DatagramReceived,
    Event,
    Failed,
    Listen,
    Network,
    OpenDatagram,
    Opened,
    OpenStream,
    PeerReset,
    Ping,
    Pinged,
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
    itself,
    version_of,
)
from esp32sock.simulator.network.host_addresses import (
    BROADCAST,
    LOOPBACK,
    LOOPBACK_6,
    OwnAddress,
    bind_or_move,
    is_loopback,
    is_own,
)
from esp32sock.simulator.network.host_ping import ping
from esp32sock.simulator.network.host_sockets import HostSocket, look_up, open_socket
from esp32sock.simulator.network.host_tcp import Stream, connect, keep_alive, shake_hands
from esp32sock.simulator.network.host_tls import TlsEngine
from esp32sock.simulator.network.host_udp import Datagrams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esp32sock.simulator.network.api import IpVersion

GATEWAY = "10.0.2.2"
GATEWAY_6 = "fec0::2"
"""What the emulator behind the captures calls its host in IPv6 (QEMU's user network)."""

BACKLOG = 16
"""Clients that wait while the module is busy with others (chosen by taste)."""


class HostNetwork(Network):
    """Real sockets. `names` adds or overrides names; the value is an address as the module sees it. `aliases`
    are addresses of the module's network that are others on the host's; the gateway is the host unless said.
    """

    def __init__(
        self, names: Mapping[str, str] | None = None, *, aliases: Mapping[str, str] | None = None
    ) -> None:
        self._names = dict(names or {})
        self._to_host = {GATEWAY: LOOPBACK, GATEWAY_6: LOOPBACK_6} if aliases is None else dict(aliases)
        self._to_module = {real: alias for alias, real in reversed(self._to_host.items())}
        self._own: OwnAddress | None = None
        self._nursery: trio.Nursery | None = None
        self._streams: dict[int, Stream] = {}
        self._datagrams: dict[int, Datagrams] = {}
        self._listeners: dict[int, _Listener] = {}
        self._scopes: dict[int, trio.CancelScope] = {}
        self._next_accepted = -1

    @property
    def address(self) -> str:
        """Where on this machine the module's server and UDP ports are, from now to the end of `run`."""
        if self._own is None:
            self._own = OwnAddress()
        return self._own.text

    @property
    def served(self) -> dict[int, int]:
        """The ports of the module's server, and on which port of `address` each is reached."""
        return {listener.port: listener.host_port for listener in self._listeners.values()}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for stream in self._streams.values():
                stream.sock.close()
            for datagrams in self._datagrams.values():
                datagrams.close()
            for listener in self._listeners.values():
                listener.close()
            self._streams.clear()
            self._datagrams.clear()
            self._listeners.clear()
            if self._own is not None:
                self._own.release()
                self._own = None

    def handle(self, request: Request) -> None:
        nursery = self._nursery
        if nursery is None:
            raise RuntimeError("the network is not running")
        match request:
            case Send(handle):
                stream = self._streams.get(handle)
                if stream is None:
                    self.post(PeerReset(handle))
                else:
                    stream.send(request.data)
            case Consumed(handle):
                if handle in self._streams:
                    self._streams[handle].add_credit(request.count)
            case SendDatagram():
                self._send_datagram(request, nursery)
            case Resolve():
                nursery.start_soon(self._resolve, request)
            case Ping():
                nursery.start_soon(self._ping, request)
            case RequestTime(token):
                self.post(TimeReceived(token, time.time()))
            case RequestUpdate(token):
                self.post(UpdateFound(token, None))
            case OpenStream(handle):
                scope = self._scopes[handle] = trio.CancelScope()
                nursery.start_soon(self._open_stream, request, scope)
            case OpenDatagram():
                self._open_datagram(request, nursery)
            case Listen():
                self._listen(request, nursery)
            case Close():
                self._close(request)

    # Addresses

    def to_host(self, address: str) -> str:
        return self._to_host.get(address, address)

    def to_module(self, address: str) -> str:
        return ITSELF if address == self.address != LOOPBACK else self._to_module.get(address, address)

    def address_of(self, version: IpVersion) -> str:
        """Where on this machine what the module serves by that IP is."""
        return LOOPBACK_6 if version == 6 else self.address

    def _place(self, address: str, port: int, ours: Mapping[tuple[IpVersion, int], int]) -> tuple[str, int]:
        """Where on this machine an address and a port of the module's network are."""
        version = version_of(address)
        if address == itself(version) and (version, port) in ours:
            return self.address_of(version), ours[version, port]
        if address == "255.255.255.255":
            return BROADCAST, port
        return self.to_host(address), port

    # Names

    async def _resolve(self, request: Resolve) -> None:
        address = self._names.get(request.name)
        if address is not None and version_of(address) != request.version:
            address = None
        elif address is None:
            look = partial(look_up, request.name, request.version)
            try:
                found = await trio.to_thread.run_sync(look, abandon_on_cancel=True)
            except (OSError, UnicodeError):
                found = []
            address = str(found[0][4][0]) if found else None
        self.post(Resolved(request.token, address))

    async def _ping(self, request: Ping) -> None:
        self.post(Pinged(request.token, await ping(self.to_host(request.address))))

    # Streams

    async def _open_stream(self, request: OpenStream, scope: trio.CancelScope) -> None:
        handle = request.handle
        ours = {(each.version, each.port): each.host_port for each in self._listeners.values()}
        place = self._place(request.address, request.port, ours)
        engine = sock = None
        opened = False
        try:
            with scope:
                sock = open_socket(place[0], socket.SOCK_STREAM)
                if is_loopback(place[0]) and is_own(place[0]):
                    sock.bind((self.address, 0))  # another module sees which module comes
                if request.keepalive_s:
                    keep_alive(sock, request.keepalive_s)
                await connect(sock, place)
                if request.tls is not None:
                    engine = TlsEngine(request.tls, server=False)
                    await shake_hands(sock, engine)
                opened = True
        except OSError as error:
            self.post(Failed(handle, str(error)))
        finally:
            self._scopes.pop(handle, None)
            if not opened and sock is not None:
                sock.close()
        if not opened or sock is None:
            return
        stream = self._streams[handle] = Stream(self, handle, sock, request.window_bytes, engine)
        self.post(Opened(handle, request.address, request.port, sock.getsockname()[1]))
        await stream.receive()

    def write_later(self, stream: Stream) -> None:
        """Let a stream write the rest of what did not fit."""
        if self._nursery is not None:
            self._nursery.start_soon(stream.write_rest)

    def stream_event(self, stream: Stream, event: Event) -> None:
        """Give the module an event, unless it has closed the stream."""
        if self._streams.get(stream.handle) is stream:
            self.post(event)

    # Servers

    def _listen(self, request: Listen, nursery: trio.Nursery) -> None:
        try:
            listener = _Listener(self, request)
        except OSError as error:
            self.post(Failed(request.handle, str(error)))
            return
        self._listeners[request.handle] = listener
        address = self.address_of(listener.version)
        self.post(Opened(request.handle, address, listener.host_port, listener.port))
        nursery.start_soon(partial(listener.accept, nursery))

    async def accept_client(
        self, listener: _Listener, sock: HostSocket, peer: tuple[Any, ...], request: Listen
    ) -> None:
        """A client has come: perhaps after a handshake it is a stream of the module."""
        engine = None
        if request.tls is not None:
            try:
                engine = TlsEngine(request.tls, server=True)
                await shake_hands(sock, engine)
            except OSError:
                sock.close()
                return
        if self._listeners.get(request.handle) is not listener:
            sock.close()
            return
        handle = self._next_accepted
        self._next_accepted -= 1
        stream = self._streams[handle] = Stream(self, handle, sock, request.window_bytes, engine)
        address, port = peer[:2]
        self.post(Accepted(request.handle, handle, self.to_module(address), port, listener.port))
        await stream.receive()

    # Datagrams

    def _open_datagram(self, request: OpenDatagram, nursery: trio.Nursery) -> None:
        handle = request.handle

        def received(data: bytes, address: str, port: int) -> None:
            self.post(DatagramReceived(handle, data, self.to_module(address), port))

        try:
            own = self.address_of(version_of(request.address))
            datagrams = Datagrams(own, request.local_port, received=received)
        except OSError as error:
            self.post(Failed(request.handle, str(error)))
            return
        self._datagrams[request.handle] = datagrams
        self.post(Opened(request.handle, request.address, request.port, datagrams.port))
        datagrams.start(nursery)

    def _send_datagram(self, request: SendDatagram, nursery: trio.Nursery) -> None:
        datagrams = self._datagrams.get(request.handle)
        if datagrams is not None:
            ours = {(each.version, each.port): each.host_port for each in self._datagrams.values()}
            address, port = self._place(request.address, request.port, ours)
            datagrams.send(request.data, address, port, nursery)
        self.post(Sent(request.handle))

    # Closing

    def _close(self, request: Close) -> None:
        handle = request.handle
        scope = self._scopes.pop(handle, None)
        if scope is not None:
            scope.cancel()
        stream = self._streams.pop(handle, None)
        if stream is not None:
            stream.close(abort=request.abort)
        datagrams = self._datagrams.pop(handle, None)
        if datagrams is not None:
            datagrams.close()
        listener = self._listeners.pop(handle, None)
        if listener is not None:
            listener.close()


class _Listener:
    """The module's server on this machine. Raises OSError if the port cannot be had."""

    def __init__(self, network: HostNetwork, request: Listen) -> None:
        self._network = network
        self._request = request
        self._sock = bind_or_move(self._bind, request.port)
        self.host_port: int = self._sock.getsockname()[1]
        self.port = request.port or self.host_port

    @property
    def version(self) -> IpVersion:
        return self._request.version

    def _bind(self, port: int) -> HostSocket:
        address = self._network.address_of(self.version)
        sock = open_socket(address, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
        return sock

    async def accept(self, nursery: trio.Nursery) -> None:
        while True:
            try:
                fd, peer = self._sock._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                try:
                    await trio.lowlevel.wait_readable(self._sock)
                except trio.ClosedResourceError:
                    return
            except OSError:
                if self._sock.fileno() < 0:
                    return
                await trio.lowlevel.checkpoint()  # the client was gone before we looked
            else:
                sock = HostSocket(self._sock.family, socket.SOCK_STREAM, 0, fd)
                sock.setblocking(False)
                nursery.start_soon(self._network.accept_client, self, sock, peer, self._request)

    def close(self) -> None:
        with suppress(OSError):
            trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
