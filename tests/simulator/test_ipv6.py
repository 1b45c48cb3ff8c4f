"""IPv6 of the module: addresses, names, links, server; on the scripted network and on this machine's."""

from __future__ import annotations

import re
import socket

import pytest
import trio

from esp32sock.simulator.network.memory import MemoryNetwork
from tests.simulator.conftest import GATEWAY, echo
from tests.simulator.host_side import module_on_this_machine

GATEWAY_6 = "fec0::2"
LINK_LOCAL = b"fe80::1201:ff:fec4:a24"
GLOBAL = b"fec0::1201:ff:fec4:a24"
JOIN = b'AT+CWJAP="Espressif",""\r\n'
REFUSED = b"\r\nERROR\r\n"


def network():
    made = MemoryNetwork(
        names={"host.test": GATEWAY, "both.test": GATEWAY},
        names_6={"six.test": GATEWAY_6, "both.test": GATEWAY_6},
    )
    for address in (GATEWAY, GATEWAY_6):
        made.listen(address, 7000, echo)
        made.answer_datagrams(address, 7005, lambda data: [data])
    return made


@pytest.fixture
def with_ipv6(quiet):
    """A module that has joined a network with IPv6."""

    def make(profile="2.4"):
        bench = quiet(profile, network=network())
        bench.do("AT+CIPV6=1", JOIN.decode().strip(), "AT+CIPMUX=1", "AT+CIPDINFO=1")
        return bench

    return make


# Addresses


def test_addresses_come_with_the_join(quiet):
    bench = quiet("2.4", network=network())
    bench.do("AT+CIPV6=1")
    assert b"IP6" not in bench.say(b"AT+CIFSR\r\n")
    said = bench.say(JOIN)
    assert said.index(b"WIFI GOT IP\r\n") < said.index(b"WIFI GOT IPv6 LL") < said.index(b"WIFI GOT IPv6 GL")
    assert b'+CIFSR:STAIP6LL,"%b"\r\n+CIFSR:STAIP6GL,"%b"\r\n' % (LINK_LOCAL, GLOBAL) in bench.say(
        b"AT+CIFSR\r\n"
    )
    assert b'+CIPSTA:ip6ll:"%b"\r\n+CIPSTA:ip6gl:"%b"\r\n' % (LINK_LOCAL, GLOBAL) in bench.say(
        b"AT+CIPSTA?\r\n"
    )
    bench.say(b"AT+CWQAP\r\n")
    assert b"IP6" not in bench.say(b"AT+CIFSR\r\n")


def test_a_stored_switch_holds_from_the_boot_on(quiet):
    bench = quiet("2.4", network=network())
    bench.do("AT+CIPV6=1")
    assert b"WIFI GOT IPv6 GL" in bench.say(b"AT+RST\r\n")


# Names


@pytest.mark.parametrize(
    ("name", "preference", "answer"),
    [
        ("both.test", "", GATEWAY),
        ("both.test", ",1", GATEWAY),
        ("both.test", ",2", GATEWAY),
        ("both.test", ",3", GATEWAY_6),
        ("six.test", "", GATEWAY_6),
        ("six.test", ",2", None),
        ("host.test", ",3", None),
        ("fec0::9", "", "fec0::9"),
    ],
)
def test_look_up_by_preference(with_ipv6, name, preference, answer):
    wanted = b'+CIPDOMAIN:"%b"\r\n\r\nOK\r\n' % answer.encode() if answer else REFUSED
    assert with_ipv6().say(f'AT+CIPDOMAIN="{name}"{preference}\r\n'.encode()) == wanted


def test_names_without_ipv6(quiet):
    bench = quiet("2.4", network=network())
    assert bench.say(b'AT+CIPDOMAIN="both.test",3\r\n') == REFUSED
    assert bench.say(b'AT+CIPDOMAIN="six.test"\r\n') == REFUSED


# Links


@pytest.mark.parametrize("host", ["six.test", "both.test", GATEWAY_6, "FEC0:0:0::0002"])
def test_a_link(with_ipv6, host):
    bench = with_ipv6()
    assert bench.say(f'AT+CIPSTART=0,"TCPv6","{host}",7000\r\n'.encode()) == b"0,CONNECT\r\n\r\nOK\r\n"
    bench.say(b"AT+CIPSEND=0,5\r\n")
    assert bench.say(b"hello").endswith(b'\r\n+IPD,0,5,"fec0::2",7000:hello\r\n')
    assert re.search(rb'\+CIPSTATE:0,"TCPv6","fec0::2",7000,\d+,0\r\n', bench.say(b"AT+CIPSTATE?\r\n"))


@pytest.mark.parametrize(
    "fields",
    [
        '"TCPv6","10.0.2.2",7000',
        '"TCPv6","host.test",7000',
        '"TCP","fec0::2",7000',
        '"TCP","six.test",7000',
        '"UDPv6","10.0.2.2",7005',
        '"TCPv6","fec0::2",7001',
        '"TCPV6","fec0::2",7000',
    ],
)
def test_refused_links(with_ipv6, fields):
    assert with_ipv6().say(f"AT+CIPSTART=0,{fields}\r\n".encode()).endswith(REFUSED)


@pytest.mark.parametrize("profile", ["2.0", "2.4", "4.1"])
def test_without_the_switch_there_is_none(quiet, profile):
    bench = quiet(profile, network=network())
    bench.do("AT+CIPMUX=1")
    assert bench.say(b'AT+CIPSTART=0,"TCPv6","fec0::2",7000\r\n').endswith(REFUSED)
    assert bench.say(b'AT+CIPSERVER=1,80,"TCPv6"\r\n').endswith(
        b"\r\nOK\r\n" if profile == "2.0" else REFUSED
    )


def test_datagrams(with_ipv6):
    bench = with_ipv6()
    bench.do('AT+CIPSTART=1,"UDPv6","fec0::2",7005,5000,2')
    bench.say(b'AT+CIPSEND=1,3,"fec0::2",7005\r\n')
    assert bench.say(b"abc").endswith(b'\r\n+IPD,1,3,"fec0::2",7005:abc\r\n')
    assert bench.say(b'AT+CIPSEND=1,3,"10.0.2.2",7005\r\n').endswith(REFUSED)


# Server


@pytest.mark.parametrize("profile", ["2.4", "4.1"])
def test_a_server_takes_ipv6_alone(with_ipv6, profile):
    bench = with_ipv6(profile)
    bench.do('AT+CIPSERVER=1,80,"TCPv6"')
    assert b'+CIPSERVER:1,80,"TCPv6",0' in bench.say(b"AT+CIPSERVER?\r\n")
    assert not bench.network.connect(80, echo)
    assert bench.network.connect(80, echo, address="fec0::9", from_port=4000)
    assert b"0,CONNECT" in bench.passes(1.0)
    assert b'"TCPv6","fec0::9",4000,80,1' in bench.say(b"AT+CIPSTATE?\r\n")


# This machine


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


on_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")


@on_ipv6
async def test_streams_on_this_machine():
    listener = trio.socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    with listener:
        await listener.bind(("::1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        async with module_on_this_machine() as host:
            await host.do("AT+CIPV6=1", JOIN.decode().strip(), "AT+CIPDINFO=1")
            await host.do(f'AT+CIPSTART=0,"TCPv6","fec0::2",{port}')
            client, _ = await listener.accept()
            with client:
                await host.send(b"hello", 0)
                assert await client.recv(10) == b"hello"
                await client.send(b"world")
                assert await host.until(b"world\r\n") == b'\r\n+IPD,0,5,"fec0::2",%d:world\r\n' % port


@on_ipv6
async def test_a_server_and_datagrams_on_this_machine():
    with trio.socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        await peer.bind(("::1", 0))
        port = peer.getsockname()[1]
        async with module_on_this_machine() as host:
            await host.do("AT+CIPV6=1", JOIN.decode().strip(), 'AT+CIPSERVER=1,45200,"TCPv6"')
            async with await trio.open_tcp_stream("::1", host.network.served[45200]) as stream:
                await stream.send_all(b"hi")
                await host.until(b"+IPD,0,2:hi")
            await host.do(f'AT+CIPSTART=3,"UDPv6","fec0::2",{port},45201,0')
            await host.send(b"one", 3)
            data, (address, source, *_) = await peer.recvfrom(10)
            assert (data, address, source) == (b"one", "::1", 45201)
            await peer.sendto(b"two", ("::1", 45201))
            await host.until(b"+IPD,3,3:two")
