"""The catalogue: what each command puts on the wire, and what it makes of each firmware's answer."""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esp32sock.at.commands import Raw, basic, longsend, passive, servers, tcpip, tcpoptions, udp, wifi
from esp32sock.at.firmware import Firmware, parse_gmr
from esp32sock.at.framing import DATAGRAM, STREAM, stream_chunk
from esp32sock.at.urcs import parse_urc
from tests.at.harness import chunk
from tests.at.test_firmware import GMR
from tests.at.test_urcs import KNOWN

if TYPE_CHECKING:
    from esp32sock.at.commands import Command

FIRMWARE = Firmware((2, 4, 0, 0))

HOST_64 = "h" * 64

LINES: list[tuple[Command[Any], bytes]] = [
    (basic.Test(), b"AT"),
    (basic.Echo(on=False), b"ATE0"),
    (basic.Echo(on=True), b"ATE1"),
    (basic.Version(), b"AT+GMR"),
    (basic.Restart(), b"AT+RST"),
    (basic.Uart(), b"AT+UART_CUR?"),
    (basic.SetUart(basic.UartSettings(921600)), b"AT+UART_CUR=921600,8,1,0,1"),
    (
        basic.SetUart(basic.UartSettings(80, 5, 3, basic.Parity.EVEN, basic.FlowControl.RTS_CTS)),
        b"AT+UART_CUR=80,5,3,2,3",
    ),
    (
        basic.SetUart(basic.UartSettings(5_000_000, 7, 2, basic.Parity.ODD, basic.FlowControl.NONE)),
        b"AT+UART_CUR=5000000,7,2,1,0",
    ),
    (basic.StoreSettings(on=False), b"AT+SYSSTORE=0"),
    (basic.StoreSettings(on=True), b"AT+SYSSTORE=1"),
    (wifi.Mode(), b"AT+CWMODE?"),
    (wifi.SetMode(wifi.WifiMode.STATION), b"AT+CWMODE=1"),
    (wifi.Joined(), b"AT+CWJAP?"),
    (wifi.Join("Espressif"), b'AT+CWJAP="Espressif",""'),
    (wifi.Join("ab\\,c", '0123456789"\\'), rb'AT+CWJAP="ab\\\,c","0123456789\"\\"'),
    (wifi.Join("s" * 32, "p" * 64), b'AT+CWJAP="%s","%s"' % (b"s" * 32, b"p" * 64)),
    (wifi.OwnAddresses(), b"AT+CIFSR"),
    (tcpip.Resolve("example.org"), b'AT+CIPDOMAIN="example.org"'),
    (tcpip.Resolve("a,b"), rb'AT+CIPDOMAIN="a\,b"'),
    (tcpip.OpenTcp(None, "10.0.2.2", 7000), b'AT+CIPSTART="TCP","10.0.2.2",7000'),
    (tcpip.OpenTcp(0, "10.0.2.2", 7000), b'AT+CIPSTART=0,"TCP","10.0.2.2",7000'),
    (tcpip.OpenTcp(4, HOST_64, 65535, 7200), b'AT+CIPSTART=4,"TCP","%s",65535,7200' % HOST_64.encode()),
    (tcpip.OpenTcp(1, "h", 1, 0), b'AT+CIPSTART=1,"TCP","h",1,0'),
    (tcpip.Send(0, chunk(0, b"hello")), b"AT+CIPSEND=0,5"),
    (longsend.SetLongSend(longsend.LongSendSettings(4096, 2920)), b"AT+CIPSENDLCFG=4096,2920"),
    (tcpip.Send(3, stream_chunk(3, memoryview(bytes(3000)), 2048)), b"AT+CIPSEND=3,2048"),
    (tcpip.Send(0, stream_chunk(None, memoryview(b"x"), 2048)), b"AT+CIPSEND=1"),
    (tcpip.Close(), b"AT+CIPCLOSE"),
    (tcpip.Close(0), b"AT+CIPCLOSE=0"),
    (tcpip.Close(tcpip.ALL_LINKS), b"AT+CIPCLOSE=5"),
    (tcpip.Multiplexed(), b"AT+CIPMUX?"),
    (tcpip.SetMultiplexed(on=True), b"AT+CIPMUX=1"),
    (tcpip.SetMultiplexed(on=False), b"AT+CIPMUX=0"),
    (tcpip.ShowPeer(on=True), b"AT+CIPDINFO=1"),
    (tcpip.SetPassthrough(on=False), b"AT+CIPMODE=0"),
    (servers.Listen(8080), b"AT+CIPSERVER=1,8080"),
    (servers.StopListening(), b"AT+CIPSERVER=0"),
    (servers.ServerLinks(5), b"AT+CIPSERVERMAXCONN=5"),
    (servers.ServerTimeout(0), b"AT+CIPSTO=0"),
    (servers.ServerTimeout(7200), b"AT+CIPSTO=7200"),
    (udp.OpenUdp(0, ("10.0.2.2", 7005)), b'AT+CIPSTART=0,"UDP","10.0.2.2",7005'),
    (udp.OpenUdp(1, ("10.0.2.2", 7005), 1112), b'AT+CIPSTART=1,"UDP","10.0.2.2",7005,1112,0'),
    (
        udp.OpenUdp(4, udp.ANY_PEER, 2390, udp.PeerMode.FOLLOWS_LAST_SENDER),
        b'AT+CIPSTART=4,"UDP","0.0.0.0",1,2390,2',
    ),
    (
        udp.OpenUdp(4, udp.ANY_PEER, None, udp.PeerMode.CHANGES_ONCE),
        b'AT+CIPSTART=4,"UDP","0.0.0.0",1,,1',
    ),
    (tcpoptions.TcpOptions(0), b"AT+CIPTCPOPT=0,-1,0,0"),
    (tcpoptions.TcpOptions(4, 10, True, 500), b"AT+CIPTCPOPT=4,10,1,500"),
    (Raw(b"AT+CMD?"), b"AT+CMD?"),
]


def name_of(command: Command[Any]) -> str:
    return type(command).__name__


@pytest.mark.parametrize(("command", "line"), LINES, ids=[line.decode()[:32] for _, line in LINES])
def test_line(command: Command[Any], line: bytes) -> None:
    assert command.line(FIRMWARE) == line
    assert command.line(Firmware()) == line
    assert len(line) <= 254


def test_links_are_asked_for_by_what_the_firmware_has() -> None:
    assert tcpip.Links().line(Firmware((2, 4, 0, 0))) == b"AT+CIPSTATE?"
    assert tcpip.Links().line(Firmware((2, 2, 0, 0))) == b"AT+CIPSTATUS"
    assert tcpip.Links().line(Firmware()) == b"AT+CIPSTATUS"


def test_keep_alive_in_ciptcpopt_only_where_it_is_known() -> None:
    command = tcpoptions.TcpOptions(0, keepalive_s=60)
    assert command.line(Firmware((2, 4, 0, 0))) == b"AT+CIPTCPOPT=0,-1,0,0,60"
    assert command.line(Firmware((2, 1, 0, 0))) == b"AT+CIPTCPOPT=0,-1,0,0"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (basic.SetUart(basic.UartSettings(79)), "baudrate 79"),
        (basic.SetUart(basic.UartSettings(5_000_001)), "baudrate 5000001"),
        (basic.SetUart(basic.UartSettings(9600, 4)), "data bits 4"),
        (basic.SetUart(basic.UartSettings(9600, 9)), "data bits 9"),
        (basic.SetUart(basic.UartSettings(9600, 8, 0)), "stop bits 0"),
        (basic.SetUart(basic.UartSettings(9600, 8, 4)), "stop bits 4"),
        (wifi.Join(""), "SSID"),
        (wifi.Join("s" * 33), "33"),
        (wifi.Join("ü" * 17), "34"),
        (wifi.Join("s", "p" * 65), "at most 64"),
        (tcpip.Resolve(""), "empty host name"),
        (tcpip.Resolve("h" * 300), "300 bytes"),
        (tcpip.Resolve("," * 200), "254"),
        (tcpip.OpenTcp(0, "", 80), "empty host name"),
        (tcpip.OpenTcp(0, "h" * 65, 80), "65 bytes"),
        (tcpip.OpenTcp(0, "h", 0), "port 0"),
        (tcpip.OpenTcp(0, "h", 65536), "port 65536"),
        (tcpip.OpenTcp(0, "h", -1), "port -1"),
        (tcpip.OpenTcp(0, "h", 80, -1), "keep-alive -1"),
        (tcpip.OpenTcp(0, "h", 80, 7201), "keep-alive 7201"),
        (tcpip.OpenTcp(-1, "h", 80), "link id -1"),
        (tcpip.OpenTcp(5, "h", 80), "link id 5"),
        (tcpip.Send(5, chunk(4, b"x")), "link id 5"),
        (tcpip.Send(-1, chunk(4, b"x")), "link id -1"),
        (tcpip.Close(-1), "link id -1"),
        (tcpip.Close(6), "link id 6"),
        (servers.Listen(0), "port 0"),
        (servers.Listen(65536), "port 65536"),
        (servers.ServerLinks(0), "0 server links"),
        (servers.ServerLinks(6), "6 server links"),
        (servers.ServerTimeout(-1), "idle time -1"),
        (servers.ServerTimeout(7201), "idle time 7201"),
        (udp.OpenUdp(5, ("h", 1)), "link id 5"),
        (udp.OpenUdp(0, ("", 1)), "empty host name"),
        (udp.OpenUdp(0, ("h" * 65, 1)), "65 bytes"),
        (udp.OpenUdp(0, ("h", 0)), "port 0"),
        (udp.OpenUdp(0, ("h", 1), 0), "port 0"),
        (udp.OpenUdp(0, ("h", 1), 65536), "port 65536"),
        (tcpoptions.TcpOptions(5), "link id 5"),
        (tcpoptions.TcpOptions(0, -2), "linger -2"),
        (tcpoptions.TcpOptions(0, send_timeout_ms=-1), "send timeout -1"),
        (tcpoptions.TcpOptions(0, keepalive_s=7201), "keep-alive 7201"),
        (Raw(b""), "one line"),
        (Raw(b"AT\r\n"), "one line"),
        (Raw(b"AT\nAT"), "one line"),
        (Raw(b"AT\0"), "one line"),
    ],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)
def test_what_cannot_be_sent_is_refused_before_it_is(command: Command[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        command.line(FIRMWARE)


ADDRESSES = {
    "0.10, station": (
        [b'+CIFSR:STAIP,"192.168.0.15"', b'+CIFSR:STAMAC,"44:17:93:00:00:01"'],
        wifi.Addresses(station_ip=IPv4Address("192.168.0.15"), station_mac="44:17:93:00:00:01"),
    ),
    "2.0, both, not joined": (
        [
            b'+CIFSR:APIP,"192.168.4.1"',
            b'+CIFSR:APMAC,"10:01:00:c4:0a:25"',
            b'+CIFSR:STAIP,"0.0.0.0"',
            b'+CIFSR:STAMAC,"10:01:00:c4:0a:24"',
        ],
        wifi.Addresses(None, "10:01:00:c4:0a:24", IPv4Address("192.168.4.1"), "10:01:00:c4:0a:25"),
    ),
    "2.2, IPv6 and Ethernet": (
        [
            b'+CIFSR:STAIP,"10.0.2.15"',
            b'+CIFSR:STAIP6LL,"fe80::1"',
            b'+CIFSR:STAIP6GL,"2001:db8::1"',
            b'+CIFSR:STAMAC,"aa:bb:cc:dd:ee:ff"',
            b'+CIFSR:ETHIP,"10.0.3.1"',
            b'+CIFSR:ETHMAC,"00:11:22:33:44:55"',
        ],
        wifi.Addresses(
            station_ip=IPv4Address("10.0.2.15"),
            station_mac="aa:bb:cc:dd:ee:ff",
            station_ipv6=(IPv6Address("2001:db8::1"), IPv6Address("fe80::1")),
        ),
    ),
    "without an address": ([b'+CIFSR:STAIP,""', b"+CIFSR:APIP,"], wifi.Addresses()),
    "off": ([], wifi.Addresses()),
}
PEER = IPv4Address("10.0.2.2")
HOME = "Espressif", "10:01:00:c4:0a:51", 5, -26

RESULTS: list[tuple[str, Command[Any], list[bytes], object]] = [
    *((f"GMR {version}", basic.Version(), lines, version) for lines, version, _ in GMR if any(version)),
    *((f"CIFSR {name}", wifi.OwnAddresses(), lines, found) for name, (lines, found) in ADDRESSES.items()),
    ("UART", basic.Uart(), [b"+UART_CUR:115201,8,1,0,1"], basic.UartSettings(115201)),
    (
        "UART, two stop bits and all flow",
        basic.Uart(),
        [b"+UART_CUR:115200,7,3,2,3"],
        basic.UartSettings(115200, 7, 3, basic.Parity.EVEN, basic.FlowControl.RTS_CTS),
    ),
    ("CWMODE", wifi.Mode(), [b"+CWMODE:1"], wifi.WifiMode.STATION),
    ("CWMODE off", wifi.Mode(), [b"+CWMODE:0"], wifi.WifiMode.OFF),
    ("CIPMUX 0", tcpip.Multiplexed(), [b"+CIPMUX:0"], False),
    ("CIPMUX 1", tcpip.Multiplexed(), [b"+CIPMUX:1"], True),
    # CWJAP?: 4 fields up to 1.2, 7 on 2.0, 8 on 2.1, 9 from 2.2 on
    ("CWJAP 4", wifi.Joined(), [b'+CWJAP:"Espressif","10:01:00:c4:0a:51",5,-26'], wifi.JoinedTo(*HOME)),
    ("CWJAP 7", wifi.Joined(), [b'+CWJAP:"Espressif","10:01:00:c4:0a:51",5,-26,0,0,0'], wifi.JoinedTo(*HOME)),
    (
        "CWJAP 8",
        wifi.Joined(),
        [b'+CWJAP:"TESTNET","44:33:4c:00:00:01",11,-55,0,0,0,0'],
        wifi.JoinedTo("TESTNET", "44:33:4c:00:00:01", 11, -55),
    ),
    (
        "CWJAP 9",
        wifi.Joined(),
        [b'+CWJAP:"Espressif","10:01:00:c4:0a:51",5,-26,0,1,3,0,1'],
        wifi.JoinedTo(*HOME),
    ),
    ("CWJAP not joined", wifi.Joined(), [], None),
    ("CWJAP not joined, 0.10", wifi.Joined(), [b"No AP"], None),
    (
        "CWJAP, an SSID with everything in it",
        wifi.Joined(),
        [b'+CWJAP:"a","b\\,"c",5,-26","10:01:00:c4:0a:51",11,-80,0,0,0'],
        wifi.JoinedTo('a","b\\,"c",5,-26', "10:01:00:c4:0a:51", 11, -80),
    ),
    (
        "CWJAP, empty SSID",
        wifi.Joined(),
        [b'+CWJAP:"","10:01:00:c4:0a:51",5,-26'],
        wifi.JoinedTo("", *HOME[1:]),
    ),
    (
        "CWJAP, an SSID that is no UTF-8",
        wifi.Joined(),
        [b'+CWJAP:"\xff","10:01:00:c4:0a:51",5,-26'],
        wifi.JoinedTo("�", *HOME[1:]),
    ),
    # CIPDOMAIN: bare up to 2.1, quoted from 2.2 on
    ("CIPDOMAIN bare", tcpip.Resolve("h"), [b"+CIPDOMAIN:10.0.2.2"], [PEER]),
    ("CIPDOMAIN quoted", tcpip.Resolve("h"), [b'+CIPDOMAIN:"10.0.2.2"'], [PEER]),
    (
        "CIPDOMAIN several (5.x)",
        tcpip.Resolve("h"),
        [b'+CIPDOMAIN:"10.0.2.2"', b'+CIPDOMAIN:"10.0.2.3"'],
        [PEER, IPv4Address("10.0.2.3")],
    ),
    (
        "CIPDOMAIN IPv6",
        tcpip.Resolve("h"),
        [b'+CIPDOMAIN:"2001:DB8::1"'],
        [IPv6Address("2001:db8::1")],
    ),
    ("CIPSTATUS none", tcpip.Links(), [b"STATUS:2"], []),
    ("CIPSTATUS before joining", tcpip.Links(), [b"STATUS:0"], []),
    (
        "CIPSTATUS two",
        tcpip.Links(),
        [
            b"STATUS:3",
            b'+CIPSTATUS:0,"TCP","10.0.2.2",7000,61510,0',
            b'+CIPSTATUS:4,"UDP","0.0.0.0",2390,2390,0',
        ],
        [
            tcpip.LinkStatus(0, "TCP", (PEER, 7000), 61510, accepted=False),
            tcpip.LinkStatus(4, "UDP", (IPv4Address("0.0.0.0"), 2390), 2390, accepted=False),
        ],
    ),
    (
        "CIPSTATUS of a server, which may say 2 or 4",
        tcpip.Links(),
        [b"STATUS:4", b'+CIPSTATUS:0,"TCP","10.0.2.2",61510,8080,1'],
        [tcpip.LinkStatus(0, "TCP", (PEER, 61510), 8080, accepted=True)],
    ),
    (
        "CIPSTATE over IPv6",
        tcpip.Links(),
        [b'+CIPSTATE:1,"TCPv6","2001:DB8::1",7000,61510,0'],
        [tcpip.LinkStatus(1, "TCPv6", (IPv6Address("2001:db8::1"), 7000), 61510, accepted=False)],
    ),
    ("raw", Raw(b"AT+CMD?"), [b"+CMD:0", b"anything"], [b"+CMD:0", b"anything"]),
    ("plain", basic.Test(), [], None),
    ("join", wifi.Join("s"), [], None),
]


@pytest.mark.parametrize(("name", "command", "lines", "result"), RESULTS, ids=[case[0] for case in RESULTS])
def test_result(name: str, command: Command[Any], lines: list[bytes], result: object) -> None:
    found = command.parse(lines, FIRMWARE)
    assert (found.version if isinstance(found, Firmware) else found) == result
    for line in lines:
        assert parse_urc(line, mux=True) is None
        assert parse_urc(line, mux=False) is None


@pytest.mark.parametrize(("name", "command", "lines", "result"), RESULTS, ids=[case[0] for case in RESULTS])
def test_its_lines_are_its_own(name: str, command: Command[Any], lines: list[bytes], result: object) -> None:
    assert all(command.matches_line(line) for line in lines)
    if not isinstance(command, Raw | basic.Version):
        others = {
            line for _, other, theirs, _ in RESULTS if type(other) is not type(command) for line in theirs
        }
        assert [
            line for line in others if command.matches_line(line) and not line.startswith(b"+CWJAP")
        ] == []


@pytest.mark.parametrize("command", [command for command, _ in LINES], ids=name_of)
def test_what_is_said_unasked_is_nobodys_answer(command: Command[Any]) -> None:
    if isinstance(command, Raw | basic.Version):
        return  # they take all text; the session asks for what is unsolicited first
    assert [line for line, _ in KNOWN if command.matches_line(line)] == []


@pytest.mark.parametrize(
    ("command", "line", "words"),
    [
        (tcpip.Resolve("h"), b'+CIPDOMAIN:"example.org"', "'example.org' does not appear to be"),
        (tcpip.Resolve("h"), b"+CIPDOMAIN:10.0.2", "'10.0.2' does not appear to be"),
        (tcpip.Resolve("h"), b"+CIPDOMAIN:", "'' does not appear to be"),
        (tcpip.Links(), b'+CIPSTATUS:0,"TCP","10.0.2.256",7000,61510,0', "'10.0.2.256' does not"),
        (wifi.OwnAddresses(), b'+CIFSR:STAIP,"10.0.2.\xff"', "Only decimal digits permitted"),
        (wifi.OwnAddresses(), b'+CIFSR:APIP,"fe80::1"', "Expected 4 octets in 'fe80::1'"),
    ],
)
def test_an_address_that_is_none_makes_no_sense(command: Command[Any], line: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        command.parse([line], FIRMWARE)


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([line for _, _, lines, _ in RESULTS for line in lines]))
)
def test_lines_that_make_no_sense_raise_nothing_unexpected(lines: list[bytes]) -> None:
    """These are what `engine/channel.py` turns into a CommandError."""
    for command, _ in LINES:
        command.advice(lines)
        with contextlib.suppress(ValueError, IndexError, TypeError):
            command.parse(lines, FIRMWARE)


# ---- what a command says of itself


def test_what_opens_and_closes() -> None:
    assert tcpip.OpenTcp(3, "h", 1).opens == 3
    assert tcpip.OpenTcp(None, "h", 1).opens == 0
    assert tcpip.OpenTcp(3, "h", 1).sink == STREAM
    assert udp.OpenUdp(3, ("h", 1)).opens == 3
    assert udp.OpenUdp(3, ("h", 1)).sink == DATAGRAM
    assert tcpip.Close(3).closes == 3
    assert tcpip.Close().closes == 0
    assert tcpip.Close(tcpip.ALL_LINKS).closes == 5
    for command, _ in LINES:
        assert command.opens is None or isinstance(command, tcpip.OpenTcp | udp.OpenUdp)
        assert command.closes is None or isinstance(command, tcpip.Close)
        assert (command.payload is None) != isinstance(command, tcpip.Send)


def test_a_payload_is_the_callers_memory_not_a_copy() -> None:
    buffer = bytearray(b"hello world")
    send = tcpip.Send(0, stream_chunk(0, memoryview(buffer), 5))
    assert send.payload is not None
    buffer[0] = ord("J")
    assert bytes(send.payload) == b"Jello"


def test_a_password_is_shown_nowhere() -> None:
    join = wifi.Join("ssid", "pass word")
    assert join.secret
    assert "pass word" not in repr(join)
    assert "pass word" not in join.label
    assert [type(command) for command, _ in LINES if command.secret] == [wifi.Join] * 3


@pytest.mark.parametrize("command", [command for command, _ in LINES], ids=name_of)
def test_a_label_is_the_name_without_arguments(command: Command[Any]) -> None:
    assert command.label.startswith("AT")
    assert "=" not in command.label
    assert command.timeout >= 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([b"+CWJAP:1"], "in time"),
        ([b"+CWJAP:2"], "password"),
        ([b"+CWJAP:3"], "of that name"),
        ([b"+CWJAP:4"], "refused"),
        ([b"+CWJAP:0"], ""),
        ([b"+CWJAP:"], ""),
        ([b"+CWJAP:\xb2"], ""),
        ([b"+CWJAP:" + b"3" * 5000], ""),
        ([b"+CWJAP:x", b"+CWJAP:3"], "of that name"),
        ([], ""),
    ],
)
def test_why_a_join_failed(lines: list[bytes], words: str) -> None:
    found = wifi.Join("ssid").advice(lines)
    assert (words in found) if words else found == ""
    assert basic.Test().advice(lines) == ""


@pytest.mark.parametrize(("line", "held"), [
    (b"+CIPRECVLEN:2055,615,2268,4,1440g\x02", {0: 2055, 1: 615, 2: 2268, 3: 4, 4: 1440}),
    (b"+CIPRECVLEN:-1,1440,1440,3744,14\xa0\x05\x00\x00", {0: -1, 1: 1440, 2: 1440, 3: 3744, 4: 14}),
    (b"+CIPRECVLEN:12345,12345,1234,123,\xff", {0: 12345, 1: 12345, 2: 1234, 3: 123}),
    (b"+CIPRECVLEN:12345,12345,12345,-\x01", {0: 12345, 1: 12345, 2: 12345}),
    (b"+CIPRECVLEN:0,50,0,0,0", {0: 0, 1: 50, 2: 0, 3: 0, 4: 0}),
    (b"+CIPRECVLEN:", {}),
])  # fmt: skip
def test_what_parses_of_a_line_that_2_0_cut(line: bytes, held: dict[int, int]) -> None:
    firmware = parse_gmr([b"AT version:2.0.0.0(e44648c - Nov  4 2019 02:18:57)"])
    assert passive.UnreadBytes().parse([line], firmware) == held


@pytest.mark.parametrize("text", [
    b"AT+CIPSEND=0", b"AT+CIPSEND=0,0", b"AT+CIPSEND=-1", b"AT+CIPSEND=3,00", b"at+cipsendex=0",
    b'AT+CIPSEND=0,0,"10.0.2.2",7005', b"AT+CIPSENDL=4,0",
])  # fmt: skip
def test_a_send_of_nothing_is_never_sent(text: bytes) -> None:
    with pytest.raises(ValueError, match="length"):
        Raw(text).line(Firmware())


@pytest.mark.parametrize("text", [
    b"AT+CIPSEND=0,5", b"AT+CIPSEND=5", b"AT+CIPSEND?", b"AT+CIPSEND=10", b'AT+CIPSEND=0,5,"10.0.2.2",7005',
])  # fmt: skip
def test_a_send_of_something_is(text: bytes) -> None:
    assert Raw(text).line(Firmware()) == text
