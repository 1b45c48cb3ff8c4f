"""A proxy and forwards over a simulated module, with TCP and UDP of this machine at both ends."""

from __future__ import annotations

import errno
import hashlib
import random
import socket
import struct
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from esp32sock.gateway.connection import RESETS
from esp32sock.gateway.destination import Destination
from esp32sock.gateway.events import EventKind, GatewayEvent
from esp32sock.gateway.forward import forward, forward_to_host
from esp32sock.gateway.gateway import Gateway
from esp32sock.gateway.host_listeners import NotLoopbackError, bind_udp_on_host, listen_on_host
from esp32sock.gateway.limits import Limits
from esp32sock.gateway.proxy import Protocols, http_server, serve_proxy
from esp32sock.gateway.socks import Datagram, Reply, parse_datagram
from esp32sock.gateway.socks_session import serve_socks
from esp32sock.gateway.udp_forward import UdpForward
from esp32sock.trio import open_interface
from tests.cli.servers import free_port
from tests.e2e.support import HOST
from tests.e2e.test_ipv6 import has_loopback
from tests.gateway.harness import read_to_end, read_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

PATIENCE_S = 50
HERE = Destination("127.0.0.1", 0)
DATA = random.Random(13).randbytes(50_000)


class Running:
    """A gateway and its nursery; what it says can be waited for."""

    def __init__(self, gateway: Gateway, nursery: trio.Nursery) -> None:
        self.gateway = gateway
        self.nursery = nursery
        self.send, self.events = trio.open_memory_channel[GatewayEvent](1000)

    async def event(self, kind: EventKind) -> GatewayEvent:
        """The next event of this kind."""
        async for event in self.events:
            if event.event is kind:
                return event
        raise AssertionError("the gateway has ended")

    async def start(self, job: Callable[[], Awaitable[Any]]) -> tuple[str, int]:
        """Start a server; where it listens."""
        self.nursery.start_soon(job)
        where = (await self.event(EventKind.LISTENING)).client
        assert where is not None
        host, _, port = where.rpartition(":")
        return host, int(port)

    async def proxy(self) -> tuple[str, int]:
        listeners = await listen_on_host(HERE, allow_remote=False)
        protocols = Protocols(serve_socks, http_server())
        return await self.start(partial(serve_proxy, self.gateway, listeners, protocols))


@asynccontextmanager
async def running(
    limits: Limits | None = None, wait_for_link_s: float = 5.0, ipv6: bool | None = None
) -> AsyncIterator[Running]:
    with trio.fail_after(PATIENCE_S):
        async with (
            open_interface("sim://2.4", direct=(), ipv6=ipv6) as interface,
            trio.open_nursery() as nursery,
        ):
            interface.interface.wait_for_link_s = wait_for_link_s
            found = Running(Gateway(interface, limits or Limits()), nursery)
            found.gateway = Gateway(interface, limits or Limits(), found.send.send_nowait)
            yield found
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def server(
    handle: Callable[[trio.SocketStream], Awaitable[None]], host: str | None = None
) -> AsyncIterator[int]:
    """A server of this machine; the module finds it at HOST."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host=host))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def by_socks(proxy: tuple[str, int], host: str, port: int) -> trio.SocketStream:
    stream = await trio.open_tcp_stream(*proxy)
    name = host.encode()
    await stream.send_all(
        b"\x05\x01\x00\x05\x01\x00\x03" + bytes((len(name),)) + name + struct.pack("!H", port)
    )
    answer = b""
    while len(answer) < (24 if answer[5:6] == b"\x04" else 12):
        answer += await stream.receive_some()
    if answer[3]:
        await stream.aclose()
        raise ConnectionError(answer[3], "refused by the proxy")
    return stream


async def echo(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        async with stream:
            async for data in stream:
                await stream.send_all(data)


async def test_streams_by_both_protocols() -> None:
    """Bytes both ways, ends and resets that arrive, and the refusal of a closed port."""

    async def digest(stream: trio.SocketStream) -> None:
        async with stream:
            received = hashlib.sha256()
            left = len(DATA)
            while left:
                piece = await stream.receive_some()
                received.update(piece)
                left -= len(piece)
            await stream.send_all(DATA + received.digest())

    ends: list[str] = []
    ended = trio.Event()

    async def note_end(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                ends.append(repr(await read_to_end(stream)))
            except trio.BrokenResourceError:
                ends.append("reset")
            ended.set()

    async with running() as gateway, server(digest) as port, server(note_end) as noting:
        proxy = await gateway.proxy()
        tunnel = await trio.open_tcp_stream(*proxy)
        await tunnel.send_all(b"CONNECT %s:%d HTTP/1.1\r\nHost: x\r\n\r\n" % (HOST.encode(), port))
        assert b" 200 " in await read_until(tunnel, b"\r\n\r\n")
        for stream in (await by_socks(proxy, HOST, port), tunnel):
            async with stream:
                await stream.send_all(DATA)
                assert await read_to_end(stream) == DATA + hashlib.sha256(DATA).digest()
        stream = await by_socks(proxy, HOST, noting)
        await stream.send_all(b"x")
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        await stream.aclose()
        await ended.wait()
        assert ends == ["reset"]
        await gateway.event(EventKind.BROKEN)
        with pytest.raises(ConnectionError) as refused:
            await by_socks(proxy, HOST, 1)
        assert refused.value.errno == Reply.CONNECTION_REFUSED
        with pytest.raises(ConnectionError) as refused:
            await by_socks(proxy, "nowhere.invalid", 80)
        assert refused.value.errno == Reply.HOST_UNREACHABLE
        assert gateway.gateway.counters.broken == 1


async def test_more_clients_than_links() -> None:
    """The sixth waits for a link, and is told so when none becomes free; a client that leaves frees one."""
    async with running(wait_for_link_s=0.3) as gateway, server(echo) as port:
        proxy = await gateway.proxy()
        streams = [await by_socks(proxy, HOST, port) for _ in range(5)]
        with pytest.raises(ConnectionError) as refused:
            await by_socks(proxy, HOST, port)
        assert refused.value.errno == Reply.GENERAL_FAILURE
        assert "links" in str((await gateway.event(EventKind.REFUSED)).error)
        async with await trio.open_tcp_stream(*proxy) as stream:
            await stream.send_all(b"GET http://%s:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % (HOST.encode(), port))
            assert (await read_to_end(stream)).startswith(b"HTTP/1.1 503 ")
        streams[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        await streams[0].aclose()
        assert (await gateway.event(EventKind.BROKEN)).target == f"{HOST}:{port}"
        streams[0] = await _once_free(proxy, port)
        for stream in streams:
            await stream.send_all(b"still here")
            assert await read_until(stream, b"here") == b"still here"
            await stream.aclose()


async def _once_free(proxy: tuple[str, int], port: int) -> trio.SocketStream:
    """A connection as soon as the module has closed the link of the last one."""
    while True:
        try:
            return await by_socks(proxy, HOST, port)
        except ConnectionError:
            continue


@pytest.mark.parametrize("ipv6", [None, True])
async def test_ipv6_by_socks(ipv6: bool | None) -> None:
    """A connection where the module has it, and the reason where not."""
    if not has_loopback():
        pytest.skip("this machine has no IPv6 loopback")
    async with running(ipv6=ipv6) as gateway, server(echo, "::1") as port:
        proxy = await gateway.proxy()
        if ipv6 is None:
            with pytest.raises(ConnectionError) as refused:
                await by_socks(proxy, "fec0::2", port)
            assert refused.value.errno == Reply.ADDRESS_TYPE_NOT_SUPPORTED
            return
        async with await by_socks(proxy, "fec0::2", port) as stream:
            await stream.send_all(b"over IPv6")
            assert await read_until(stream, b"IPv6") == b"over IPv6"


async def test_udp_by_socks() -> None:
    async with running() as gateway:
        peer = trio.socket.socket(type=socket.SOCK_DGRAM)
        client = trio.socket.socket(type=socket.SOCK_DGRAM)
        stranger = trio.socket.socket(type=socket.SOCK_DGRAM)
        with peer, client, stranger:
            await peer.bind(("127.0.0.1", 0))
            await client.bind(("127.0.0.1", 0))
            await stranger.bind(("127.0.0.1", 0))
            control = await trio.open_tcp_stream(*await gateway.proxy())
            port = client.getsockname()[1]
            await control.send_all(b"\x05\x01\x00\x05\x03\x00\x01" + bytes(4) + struct.pack("!H", port))
            answer = await read_until_length(control, 12)
            assert answer[3] == Reply.SUCCEEDED
            relay = socket.inet_ntoa(answer[6:10]), int.from_bytes(answer[10:12])
            there = Destination(HOST, peer.getsockname()[1])
            fragment = bytearray(bytes(Datagram(there, b"part")))
            fragment[2] = 1
            await client.sendto(fragment, relay)
            await stranger.sendto(bytes(Datagram(there, b"a stranger's")), relay)
            await client.sendto(b"\0", relay)
            await client.sendto(bytes(Datagram(there, b"question")), relay)
            question, module = await peer.recvfrom(2000)
            assert question == b"question"
            await peer.sendto(b"answer", module)
            back = parse_datagram(await client.recv(2000))
            assert back == Datagram(there, b"answer")
            assert gateway.gateway.counters.datagrams_dropped == 3
            await control.aclose()
            closed = await gateway.event(EventKind.CLOSED)
            assert (closed.bytes_sent, closed.bytes_received) == (8, 6)


async def read_until_length(stream: trio.SocketStream, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += await stream.receive_some()
    return data


async def test_forwards_both_ways() -> None:
    """A port of the host to the network leads to a port of the module, which leads to the host."""
    async with running() as gateway, server(echo) as port:
        number = free_port()
        target = Destination("127.0.0.1", port)
        where = await gateway.start(partial(forward_to_host, gateway.gateway, number, target))
        assert where[1] == number
        listeners = await listen_on_host(HERE, allow_remote=False)
        station = gateway.gateway.network.interface.status().station_ip  # type: ignore[attr-defined]
        local = await gateway.start(
            partial(forward, gateway.gateway, listeners, Destination(station, number))
        )
        async with await trio.open_tcp_stream(*local) as stream:
            await stream.send_all(DATA[:20000])
            assert await read_until_length(stream, 20000) == DATA[:20000]
        await gateway.event(EventKind.CLOSED)
        listeners = await listen_on_host(HERE, allow_remote=False)
        refused = await gateway.start(partial(forward, gateway.gateway, listeners, Destination(HOST, 1)))
        stream = await trio.open_tcp_stream(*refused)
        with pytest.raises(trio.BrokenResourceError):
            await read_to_end(stream)
        await stream.aclose()


async def test_udp_forward_gives_links_of_the_longest_idle() -> None:
    async with running(Limits(udp_flows=2)) as gateway:
        peer = trio.socket.socket(type=socket.SOCK_DGRAM)
        clients = [trio.socket.socket(type=socket.SOCK_DGRAM) for _ in range(3)]
        with peer, clients[0], clients[1], clients[2]:
            await peer.bind(("127.0.0.1", 0))
            host_side = await bind_udp_on_host(HERE, allow_remote=False)
            there = Destination(HOST, peer.getsockname()[1])
            where = await gateway.start(UdpForward(gateway.gateway, host_side, there).run)
            for number, client in enumerate(clients):
                await client.sendto(b"%d" % number, where)
                question, module = await peer.recvfrom(100)
                await peer.sendto(b"answer to " + question, module)
                assert await client.recv(100) == b"answer to %d" % number
            assert (await gateway.event(EventKind.CLOSED)).client == f"127.0.0.1:{_port(clients[0])}"


def _port(sock: trio.socket.SocketType) -> int:
    port: int = sock.getsockname()[1]
    return port


async def test_other_machines_are_kept_out_unless_allowed() -> None:
    with pytest.raises(NotLoopbackError):
        await listen_on_host(Destination("0.0.0.0", 0), allow_remote=False)
    with pytest.raises(NotLoopbackError):
        await bind_udp_on_host(Destination("0.0.0.0", 0), allow_remote=False)
    for listener in await listen_on_host(Destination("0.0.0.0", 0), allow_remote=True):
        with pytest.raises(OSError, match="in use") as taken:
            await listen_on_host(Destination(*listener.socket.getsockname()), allow_remote=True)
        assert errno.EADDRINUSE in (taken.value.errno, getattr(taken.value.__cause__, "errno", None))
        await listener.aclose()
