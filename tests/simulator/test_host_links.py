"""Links of a module on the network of this machine: UDP, servers and TLS with real sockets."""

from __future__ import annotations

import socket
import ssl

import pytest
import trio
import trustme

from esp32sock.simulator import host_addresses
from esp32sock.simulator.host_network import HostNetwork
from esp32sock.simulator.runner import open_module
from esp32sock.simulator.settings import Settings

LIMIT_S = 30


class Host:
    """The host's end of a module in memory, its network this machine's."""

    def __init__(self, opened, network):
        self.stream = opened.stream
        self.module = opened.module
        self.network = network
        self.seen = b""

    async def until(self, end):
        with trio.fail_after(LIMIT_S):
            while end not in self.seen:
                self.seen += await self.stream.receive_some()
        said, _, rest = self.seen.partition(end)
        self.seen = rest
        return said + end

    async def do(self, *lines):
        for line in lines:
            await self.stream.send_all(line.encode() + b"\r\n")
            await self.until(b"OK\r\n")

    async def refused(self, line):
        await self.stream.send_all(line.encode() + b"\r\n")
        await self.until(b"\r\nERROR\r\n")

    async def send(self, payload, *fields):
        words = ",".join((*map(str, fields[:1]), str(len(payload)), *map(str, fields[1:])))
        await self.stream.send_all(f"AT+CIPSEND={words}\r\n".encode())
        await self.until(b">")
        await self.stream.send_all(payload)
        await self.until(b"SEND OK\r\n")


def module_on_this_machine(profile="2.4", **settings):
    network = HostNetwork()

    class Manager:
        async def __aenter__(self):
            self.inner = open_module(Settings(profile=profile, **settings), network)
            host = Host(await self.inner.__aenter__(), network)
            await host.do("ATE0", "AT+CIPMUX=1")
            return host

        async def __aexit__(self, *error):
            return await self.inner.__aexit__(*error)

    return Manager()


# UDP


async def udp_socket(address="127.0.0.1"):
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await sock.bind((address, 0))
    return sock


async def test_datagrams_both_ways():
    with await udp_socket() as peer:
        async with module_on_this_machine() as host:
            await host.do("AT+CIPDINFO=1", f'AT+CIPSTART=0,"UDP","10.0.2.2",{peer.getsockname()[1]},0,2')
            await host.send(b"hello", 0)
            data, (address, port) = await peer.recvfrom(100)
            assert (data, address) == (b"hello", host.network.address)
            await peer.sendto(b"world", (address, port))
            where = b'"10.0.2.2",%d' % peer.getsockname()[1]
            assert await host.until(b"world\r\n") == b"\r\n+IPD,0,5,%b:world\r\n" % where


async def test_explicit_destination_and_local_port():
    with await udp_socket() as one, await udp_socket() as other:
        async with module_on_this_machine() as host:
            await host.do(f'AT+CIPSTART=3,"UDP","10.0.2.2",{one.getsockname()[1]},45123,0')
            await host.send(b"other", 3, '"10.0.2.2"', other.getsockname()[1])
            assert await other.recvfrom(100) == (b"other", (host.network.address, 45123))
            await host.send(b"one", 3)
            assert (await one.recvfrom(100))[0] == b"one"
            await host.refused('AT+CIPSTART=4,"UDP","10.0.2.2",1,45123,0')  # the port is taken


async def test_broadcast_stays_on_this_machine_and_reaches_other_modules():
    async with module_on_this_machine() as one, module_on_this_machine() as other:
        assert one.network.address != other.network.address
        for host in (one, other):
            await host.do('AT+CIPSTART=0,"UDP","255.255.255.255",45124,45124,0')
        await one.send(b"anybody?", 0)
        assert await other.until(b"anybody?\r\n") == b"\r\n+IPD,0,8:anybody?\r\n"
        await other.send(b"me", 0)
        assert await one.until(b"me\r\n") == b"\r\n+IPD,0,2:me\r\n"


# Servers


async def test_server_accepts_and_answers():
    async with module_on_this_machine() as host:
        await host.do("AT+CIPSERVER=1,45080")
        assert host.network.served == {45080: 45080}
        client = await trio.open_tcp_stream(host.network.address, 45080)
        async with client:
            await host.until(b"0,CONNECT\r\n")
            await client.send_all(b"ping")
            assert await host.until(b"ping\r\n") == b"\r\n+IPD,0,4:ping\r\n"
            await host.send(b"pong", 0)
            assert await client.receive_some(100) == b"pong"
        await host.until(b"0,CLOSED\r\n")


async def test_two_modules_serve_the_same_port():
    async with module_on_this_machine() as one, module_on_this_machine() as other:
        for host in (one, other):
            await host.do("AT+CIPSERVER=1,45081")
        async with await trio.open_tcp_stream(other.network.address, 45081) as client:
            await other.until(b"0,CONNECT\r\n")
            await client.send_all(b"x")
            await other.until(b"+IPD,0,1:x")
        assert one.module.journal.links == []


async def test_a_port_that_may_not_be_had_moves(monkeypatch):
    """What an ordinary process meets at port 80 of a usual machine."""
    bind = host_addresses.HostSocket.bind

    class Ordinary(host_addresses.HostSocket):
        def bind(self, address):
            if isinstance(address, tuple) and 0 < address[1] < 1024:
                raise PermissionError(13, "Permission denied")
            return bind(self, address)

    monkeypatch.setattr("esp32sock.simulator.host_network.HostSocket", Ordinary)
    async with module_on_this_machine() as host:
        await host.do("AT+CIPSERVER=1,80")
        assert host.network.served == {80: 10080}
        async with await trio.open_tcp_stream(host.network.address, 10080) as client:
            await host.until(b"0,CONNECT\r\n")
            await host.do("AT+CIPSTATE?")
            await client.send_all(b"x")
            await host.until(b"+IPD,0,1:x")


@pytest.mark.parametrize("itself", ["127.0.0.1", "10.0.2.15"])
async def test_the_module_reaches_its_own_server(itself):
    async with module_on_this_machine() as host:
        await host.do("AT+CIPSERVER=1,45082", f'AT+CIPSTART=4,"TCP","{itself}",45082')
        await host.send(b"to myself", 4)
        await host.until(b"+IPD,0,9:to myself\r\n")
        await host.send(b"and back", 0)
        await host.until(b"+IPD,4,8:and back\r\n")


async def test_local_services_of_this_machine_stay_reachable():
    """Where the module serves nothing, its 127.0.0.1 is this machine's."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with module_on_this_machine() as host:
        await host.do(f'AT+CIPSTART=0,"TCP","127.0.0.1",{listeners[0].socket.getsockname()[1]}')
        async with await listeners[0].accept() as client:
            await client.send_all(b"hi")
            await host.until(b"+IPD,0,2:hi\r\n")
    await listeners[0].aclose()


async def test_addresses_are_given_back():
    async with module_on_this_machine() as host:
        first = host.network.address
    async with module_on_this_machine() as host:
        assert host.network.address == first


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


async def tls_echo(authority, nursery, name="localhost", **contexts):
    """A TLS echo server; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if contexts.get("alpn"):
        context.set_alpn_protocols(contexts["alpn"])
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def echo(stream):
        secure = trio.SSLStream(stream, context, server_side=True)
        try:
            async with secure:
                while data := await secure.receive_some(65536):
                    await secure.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    nursery.start_soon(trio.serve_listeners, echo, listeners)
    return listeners[0].socket.getsockname()[1]


def flash(authority):
    """A flash that is joined and trusts an authority."""
    return {"client_ca.0": authority.cert_pem.bytes().decode()}


async def test_tls_link(authority):
    async with trio.open_nursery() as nursery:
        port = await tls_echo(authority, nursery)
        async with module_on_this_machine() as host:
            await host.do(f'AT+CIPSTART=0,"SSL","10.0.2.2",{port}')
            await host.send(b"hello" * 1000, 0)
            got = b""
            while len(got) < 5000:
                head = await host.until(b":")
                count = int(head.rsplit(b",", 1)[1][:-1])
                while len(host.seen) < count + 2:
                    host.seen += await host.stream.receive_some()
                got += host.seen[:count]
                host.seen = host.seen[count + 2 :]
            assert got == b"hello" * 1000
            await host.do("AT+CIPCLOSE=0")
        nursery.cancel_scope.cancel()


async def test_tls_to_a_plain_server_fails():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, _greet, 0)
        async with module_on_this_machine() as host:
            port = listeners[0].socket.getsockname()[1]
            await host.refused(f'AT+CIPSTART=0,"SSL","10.0.2.2",{port}')
        nursery.cancel_scope.cancel()


async def _greet(stream):
    await stream.send_all(b"HELLO, this is not TLS at all\r\n")
    await stream.receive_some(100)


@pytest.mark.parametrize(
    ("settings", "clock", "opens"),
    [
        (["AT+CIPSSLCCONF=0,2,0,0"], 2_000_000_000, True),
        (["AT+CIPSSLCCONF=0,2,0,0"], None, False),
        (["AT+CIPSSLCCONF=0,2,0,0", 'AT+CIPSSLCCN=0,"localhost"'], 2_000_000_000, True),
        (["AT+CIPSSLCCONF=0,2,0,0", 'AT+CIPSSLCCN=0,"elsewhere"'], 2_000_000_000, False),
        (["AT+CIPSSLCCONF=0,0"], None, True),
    ],
    ids=["verified", "in 1970", "right name", "wrong name", "unverified"],
)
async def test_verification_needs_clock_and_name(authority, settings, clock, opens):
    """At-dialects 7.4: verification needs the clock; CIPSSLCCN is what compares the name."""
    network = HostNetwork()
    async with trio.open_nursery() as nursery:
        port = await tls_echo(authority, nursery)
        async with open_module(Settings(profile="2.4"), network) as opened:
            host = Host(opened, network)
            for key, value in flash(authority).items():
                opened.module.nvs.set(key, value)
            await host.do("ATE0", "AT+CIPMUX=1", *settings)
            if clock is not None:
                await host.do(f"AT+SYSTIMESTAMP={clock}")
            line = f'AT+CIPSTART=0,"SSL","10.0.2.2",{port}'
            await (host.do(line) if opens else host.refused(line))
        nursery.cancel_scope.cancel()


async def test_tls_server():
    """The certificate that the module is shipped with."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with module_on_this_machine() as host:
        await host.do('AT+CIPSERVER=1,45083,"SSL"')
        plain = await trio.open_tcp_stream(host.network.address, 45083)
        client = trio.SSLStream(plain, context, server_hostname="esp32.simulated")
        await client.do_handshake()
        await host.until(b"0,CONNECT\r\n")
        await client.send_all(b"secret")
        await host.until(b"+IPD,0,6:secret\r\n")
        await host.send(b"answer", 0)
        assert await client.receive_some(100) == b"answer"
        await trio.aclose_forcefully(client)
        await host.until(b"0,CLOSED\r\n")
