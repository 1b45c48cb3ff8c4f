"""IPv6 on the wire, byte by byte and in both directions: at-dialects 7.6, 7.7 and 7.14."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock.at.commands import ssl, tcpip, udp, wifi
from esp32sock.at.commands.ipv6 import Ipv6, SetIpv6
from esp32sock.at.commands.servers import GetServer, Listen, Server
from esp32sock.at.firmware import Firmware
from esp32sock.at.kinds import kind_for, without_family
from esp32sock.at.urcs import LinkUp, parse_urc

if TYPE_CHECKING:
    from types import ModuleType

    from esp32sock.at.commands import Command

LOWER, UPPER = "fe80::1201:ff:fec4:a24", "FE80::1201:FF:FEC4:A24"
LONGEST = "2001:0db8:0000:0000:0000:ff00:192.168.100.200"
"""45 characters, the most that an address of IPv6 has."""
ADDRESSES = ("::", "::1", LOWER, UPPER, "2001:db8::ff00:42:8329", "::ffff:1.2.3.4", LONGEST)

V2_2 = Firmware((2, 2, 0, 0))
V2_1 = Firmware((2, 1, 0, 0))
V4_1 = Firmware((4, 1, 0, 0))

Taken = tuple[list[bytes], list[tuple[str | None, int, bytes]], bytes]


def taken(framing: ModuleType, pieces: list[bytes], *, recvdata: bool = False) -> Taken:
    """The texts, the datagrams of link 0 and the stream of link 1 that come of these pieces."""
    demux = framing.Demux(recvdata_has_peer=recvdata)
    demux.set_sink(0, framing.DATAGRAM)
    demux.set_sink(1, framing.STREAM)
    demux.expect_recvdata(1)
    texts: list[bytes] = []
    for piece in pieces:
        demux.receive_data(piece)
        texts += [frame.text for frame in iter(demux.next_frame, framing.NEED_DATA)]
    datagrams = list(iter(lambda: demux.take_datagram(0), None))
    return texts, datagrams, bytes(demux.take(1))


def at_every_cut(data: bytes) -> list[list[bytes]]:
    """In one piece, in two at every place, and byte by byte."""
    cuts = [[data[:place], data[place:]] for place in range(1, len(data))]
    return [[data], *cuts, [data[place : place + 1] for place in range(len(data))]]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_datagram_names_its_sender_at_every_cut(framing: ModuleType, address: str) -> None:
    quoted = address.encode()
    data = b'\r\n+IPD,0,3,"%b",65535:a:"\r\n+IPD,1,2,"%b",1:ok0,CLOSED\r\n' % (quoted, quoted)
    for pieces in at_every_cut(data):
        texts, datagrams, stream = taken(framing, pieces)
        assert datagrams == [(address, 65535, b'a:"')]
        assert stream == b"ok"
        assert [text for text in texts if text] == [b"0,CLOSED"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_passive_data_names_its_sender_at_every_cut(framing: ModuleType, address: str) -> None:
    data = b'+CIPRECVDATA:4,"%b",80,\r\nOK\r\nOK\r\n' % address.encode()
    for pieces in at_every_cut(data):
        texts, datagrams, stream = taken(framing, pieces, recvdata=True)
        assert (stream, datagrams) == (b"\r\nOK", [])
        assert [text for text in texts if text] == [b"OK"]


@pytest.mark.parametrize(
    "address",
    [
        LONGEST + "0",
        "fe80::1%st1",
        "fe80::1\\",
        "[::1]",
        "g::1",
        "",
        "::1\0",
        "::1 ",
        "::1\r\n",
        '::1","',
    ],
)
def test_what_is_no_address_is_no_header(framing: ModuleType, address: str) -> None:
    """It stays text, in both builds and at every cut, and what follows is read as ever."""
    data = b'\r\n+IPD,0,3,"%b",80:abc\r\n+IPD,0,2,"::1",81:ok\r\n' % address.encode()
    expected = taken(framing, [data])
    assert expected[1] == [("::1", 81, b"ok")]
    for pieces in at_every_cut(data):
        assert taken(framing, pieces) == expected


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_datagram_is_sent_to_it(framing: ModuleType, address: str) -> None:
    chunk = framing.datagram_chunk(3, memoryview(b"abc"), (address, 53), 1460)
    assert chunk.header == b'AT+CIPSEND=3,3,"%b",53\r\n' % address.encode()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (Ipv6(), b"AT+CIPV6?"),
        (SetIpv6(on=True), b"AT+CIPV6=1"),
        (tcpip.OpenTcp(3, LOWER, 80), b'AT+CIPSTART=3,"TCPv6","%b",80' % LOWER.encode()),
        (tcpip.OpenTcp(None, "six.test", 80, ipv6=True), b'AT+CIPSTART="TCPv6","six.test",80'),
        (tcpip.OpenTcp(3, "six.test", 80), b'AT+CIPSTART=3,"TCP","six.test",80'),
        (ssl.OpenSsl(3, "::1", 443, 60), b'AT+CIPSTART=3,"SSLv6","::1",443,60'),
        (udp.OpenUdp(4, ("ff02::fc", 1000), 1002), b'AT+CIPSTART=4,"UDPv6","ff02::fc",1000,1002,0'),
        (
            udp.OpenUdp(4, udp.ANY_PEER_V6, 1002, udp.PeerMode.FOLLOWS_LAST_SENDER),
            b'AT+CIPSTART=4,"UDPv6","::",1,1002,2',
        ),
        (Listen(80, ipv6=True), b'AT+CIPSERVER=1,80,"TCPv6"'),
        (Listen(80), b"AT+CIPSERVER=1,80"),
        (tcpip.Resolve("a.test", family=tcpip.Family.IPV6), b'AT+CIPDOMAIN="a.test",3'),
        (tcpip.Resolve("a.test", family=tcpip.Family.IPV4), b'AT+CIPDOMAIN="a.test",2'),
        (tcpip.Resolve("a.test"), b'AT+CIPDOMAIN="a.test"'),
    ],
)
def test_lines_that_go_out(command: Command[Any], line: bytes) -> None:
    assert command.line(V2_2) == line


def test_a_look_up_says_what_the_firmware_understands() -> None:
    assert tcpip.Resolve("a.test", 8000, tcpip.Family.IPV4).line(V4_1) == b'AT+CIPDOMAIN="a.test",2,8000'
    assert tcpip.Resolve("a.test", 8000, tcpip.Family.IPV4).line(V2_1) == b'AT+CIPDOMAIN="a.test"'


@pytest.mark.parametrize(
    ("host", "kind"), [("::1", "TCPv6"), ("10.0.0.1", "TCP"), ("a.test", "TCP"), (":", "TCP"), ("a:b", "TCP")]
)
def test_an_address_decides_the_type_of_a_link(host: str, kind: str) -> None:
    assert kind_for("TCP", host) == kind
    assert without_family(kind) == "TCP"


def test_lists_and_announcements_of_links() -> None:
    lines = [
        b'+CIPSTATE:0,"UDPv6","%b",5001,5002,0' % UPPER.encode(),
        b'+CIPSTATE:1,"TCPv6","2001:DB8::1",80,61000,1',
        b'+CIPSTATE:2,"SSLv6","::FFFF:1.2.3.4",443,61001,0',
    ]
    listed = tcpip.Links().parse(lines, V4_1)
    assert [link.kind for link in listed] == ["UDPv6", "TCPv6", "SSLv6"]
    assert [link.remote[0] for link in listed] == [
        IPv6Address(LOWER),
        IPv6Address("2001:db8::1"),
        IPv6Address("::ffff:1.2.3.4"),
    ]
    announced = parse_urc(b'+LINK_CONN:0,1,"TCPv6",1,"%b",51586,8099' % UPPER.encode(), mux=True)
    assert announced == LinkUp(1, True, (LOWER, 51586), 8099, "TCPv6")


@pytest.mark.parametrize("address", ["g::1", ":::", "1:2:3:4:5:6:7:8:9", '::1"'])
def test_a_list_with_what_is_no_address_is_not_read(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        tcpip.Links().parse([b'+CIPSTATE:0,"TCPv6","%b",1,2,0' % address.encode()], V4_1)
    announced = parse_urc(b'+LINK_CONN:0,0,"TCPv6",0,"%b",1,2' % address.encode(), mux=True)
    assert announced is None or (isinstance(announced, LinkUp) and announced.remote is None)


def test_own_addresses() -> None:
    lines = [
        b'+CIFSR:APIP,"192.168.4.1"',
        b'+CIFSR:APIP6LL,"FE80::2"',
        b'+CIFSR:STAIP,"10.0.2.15"',
        b'+CIFSR:STAIP6LL,"%b"' % UPPER.encode(),
        b'+CIFSR:STAIP6GL,"::"',
    ]
    found = wifi.OwnAddresses().parse(lines, V4_1)
    assert found.station_ip == IPv4Address("10.0.2.15")
    assert found.station_ipv6 == (IPv6Address(LOWER),)
    assert found.softap_ipv6 == (IPv6Address("fe80::2"),)
    with pytest.raises(ValueError, match="g::1"):
        wifi.OwnAddresses().parse([b'+CIFSR:STAIP6GL,"g::1"'], V4_1)


@pytest.mark.parametrize(
    ("line", "server"),
    [
        (b'+CIPSERVER:1,80,"TCPv6",0', Server(80, "TCPv6")),
        (b'+CIPSERVER:1,80,"TCP",0,0', Server(80, "TCP")),
        (b"+CIPSERVER:0", None),
    ],
)
def test_the_server(line: bytes, server: Server | None) -> None:
    found = GetServer().parse([line], V4_1)
    assert found == server
    assert found is None or found.is_ipv6 is (found.kind == "TCPv6")
