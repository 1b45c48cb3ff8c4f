"""Links of a module on the network of this machine: UDP and servers with real sockets."""

from __future__ import annotations

import socket

import pytest
import trio

from esp32sock.simulator.network import host_addresses
from tests.simulator.host_side import module_on_this_machine

# UDP


async def udp_socket(address="127.0.0.1"):
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await sock.bind((address, 0))
    return sock


async def test_datagrams_both_ways():
    with await udp_socket() as peer:
        async with module_on_this_machine() as host:
            await host.do("AT+CIPDINFO=1", f'AT+CIPSTART=0,"UDP","10.0.2.2",{peer.getsockname()[1]},,2')
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

    monkeypatch.setattr("esp32sock.simulator.network.host_sockets.HostSocket", Ordinary)
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
