"""What the module says unasked: each line of at-dialects 3.4, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esp32sock.at.results import BUSY, ERROR_CODE, REASONS, RECEIVED, RESULTS
from esp32sock.at.urcs import (
    AmbiguousLine,
    LinkDown,
    LinkUp,
    Ready,
    Restarting,
    Urc,
    Waiting,
    Wifi,
    WifiLine,
    parse_urc,
)

SINGLE: list[tuple[bytes, Urc]] = [
    (b"CONNECT", LinkUp(0)),
    (b"CLOSED", LinkDown(0)),
    (b"+IPD,100", Waiting(0, 100)),
]
MUX: list[tuple[bytes, Urc]] = [
    (b"0,CONNECT", LinkUp(0)),
    (b"4,CONNECT", LinkUp(4)),
    (b"3,CLOSED", LinkDown(3)),
    (b"+IPD,1,444", Waiting(1, 444)),
]
EITHER: list[tuple[bytes, Urc]] = [
    (b"ready", Ready()),
    (b"2,CONNECT FAIL", LinkDown(2)),
    (
        b'+LINK_CONN:0,0,"TCP",1,"192.168.4.2",49469,80',
        LinkUp(0, True, ("192.168.4.2", 49469), 80, "TCP"),
    ),
    (b'+LINK_CONN:0,3,"TCP",0,"10.0.2.2",7000,52487', LinkUp(3, False, ("10.0.2.2", 7000), 52487, "TCP")),
    (b'+LINK_CONN:0,1,"TCPv6",0,"fe80::1",7000,1', LinkUp(1, False, ("fe80::1", 7000), 1, "TCPv6")),
    (b'+LINK_CONN:1,2,"TCP",0,"10.0.2.2",7000,0', LinkDown(2)),
    (b'+LINK_CONN:0,0,"TCP",1,"10.0.2.2",65535,65535', LinkUp(0, True, ("10.0.2.2", 65535), 65535, "TCP")),
    (b'+LINK_CONN:0,0,"TCP",1,"10.0.2.2",65536,80', LinkUp(0, True, None, 80, "TCP")),
    (b'+LINK_CONN:0,0,"TCP",1,"10.0.2.2",7000,99999', LinkUp(0, True, ("10.0.2.2", 7000), None, "TCP")),
    (b'+LINK_CONN:0,0,"TCP",1,"::::..ff",7000,80', LinkUp(0, True, None, 80, "TCP")),
    (b'+LINK_CONN:0,0,"TCP",1,"10.0.2.256",7000,80', LinkUp(0, True, None, 80, "TCP")),
    (b'+LINK_CONN:0,0,"TCP",1,"",7000,80', LinkUp(0, True, None, 80, "TCP")),
    (b"WIFI CONNECTED", WifiLine(Wifi.CONNECTED)),
    (b"WIFI GOT IP", WifiLine(Wifi.GOT_IP)),
    (b"WIFI GOT IPv6 LL", WifiLine(Wifi.GOT_IPV6)),
    (b"WIFI GOT IPv6 GL", WifiLine(Wifi.GOT_IPV6)),
    (b"WIFI DISCONNECT", WifiLine(Wifi.DISCONNECTED)),
    (b"Will force to restart!!!", Restarting()),
    *(
        (line, AmbiguousLine(line))
        for line in (
            b'+STA_CONNECTED:"aa:bb:cc:dd:ee:ff"',
            b'+STA_DISCONNECTED:"aa:bb:cc:dd:ee:ff"',
            b'+DIST_STA_IP:"aa:bb:cc:dd:ee:ff","192.168.4.2"',
            b"+ETH_CONNECTED",
            b"+ETH_DISCONNECTED",
            b"+ETH_GOT_IP:10.0.2.3",
            b"+QUITT",
            b"+CIPSENDL:7,1031",
            b"+TIME_UPDATED",
            b"smartconfig type:ESPTOUCH",
            b"smartconfig connected wifi",
            b"Smart get wifi info",
            b"ssid:home",
            b"password:secret",
            b"+SCRD:0,abc",
            b"NO CERT FOUND",
            b"NO PRVT_KEY FOUND",
            b"NO CA FOUND",
            b"Have 3 Connections",
            b"\x1b[0;32mI (49056) event: ip: 10.0.2.15, mask: 255.255.255.0\x1b[0m",
            b"E (21) rtc_clk: unsupported frequency configuration",
        )
    ),
]


KNOWN = [*SINGLE, *MUX, *EITHER]


@pytest.mark.parametrize(("line", "meaning"), KNOWN, ids=[line.decode()[:24] for line, _ in KNOWN])
def test_known(line: bytes, meaning: Urc) -> None:
    """A word of the other mode is the rest of a line that lost its beginning."""
    single, mux = parse_urc(line, mux=False), parse_urc(line, mux=True)
    assert (single, mux) == (
        None if (line, meaning) in MUX else meaning,
        None if (line, meaning) in SINGLE else meaning,
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Ready",
        b"ready ",
        b" ready",
        b"readyready",
        b"10,CONNECT",
        b"0, CONNECT",
        b"0,CONNECTED",
        b"ALREADY CONNECT",
        b"0,CLOSED 1,CLOSED",
        b"+IPD",
        b"+IPD,",
        b"+IPD,0,5,6",
        b"+IPD,0,5:hello",
        b"+IPD,0,-5",
        b"+IPD," + b"9" * 5000,
        b"+LINK_CONN:0,0",
        b'+LINK_CONN:0,0,"TCP",0,"\xff\xfe",7000,1',
        b'+LINK_CONN:0,0,"TCP",0,"10.0.2.2",' + b"9" * 5000 + b",1",
        b"WIFI",
        b"wifi connected",
        b"OK",
        b"busy p...",
        b"Recv 5 bytes",
        b"AT+CIPSTATUS",
        b"STATUS:3",
        b"I am (no) log",
    ],
)
def test_look_alikes(line: bytes) -> None:
    assert parse_urc(line, mux=True) is None
    assert parse_urc(line, mux=False) is None


@given(
    st.binary(max_size=100)
    | st.sampled_from([line for line, _ in KNOWN]).map(lambda line: line[:-1] + b"\xff")
)
def test_any_line_is_something_or_nothing(line: bytes) -> None:
    parse_urc(line, mux=True)
    parse_urc(line, mux=False)


def test_no_word_of_a_command_is_unsolicited_as_well() -> None:
    for text in (*RESULTS, *BUSY, *REASONS):
        assert parse_urc(text, mux=True) is None
        assert parse_urc(text, mux=False) is None
    assert not set(RESULTS) & (BUSY | REASONS)


@pytest.mark.parametrize(
    ("text", "count"), [(b"Recv 5 bytes", 5), (b"Recv 8192 bytes", 8192), (b"Recv 0 bytes", 0)]
)
def test_received(text: bytes, count: int) -> None:
    match = RECEIVED.fullmatch(text)
    assert match is not None
    assert int(match[1]) == count


@pytest.mark.parametrize(
    "text", [b"Recv", b"Recv 5 bytes ", b"recv 5 bytes", b"Recv -5 bytes", b"Recv x bytes"]
)
def test_not_received(text: bytes) -> None:
    assert RECEIVED.fullmatch(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"ERR CODE:0x01090000", 0x01090000), (b"+ERRNO:0x6f", 0x6F), (b"ERR CODE:0x010b0000", 0x010B0000)],
)
def test_error_code(text: bytes, code: int) -> None:
    match = ERROR_CODE.fullmatch(text)
    assert match is not None
    assert int(match[1], 16) == code


@pytest.mark.parametrize("text", [b"ERR CODE:", b"ERR CODE:01", b"ERR CODE:0x123456789", b"+ERRNO:6f"])
def test_no_error_code(text: bytes) -> None:
    assert ERROR_CODE.fullmatch(text) is None
