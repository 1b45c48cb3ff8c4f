"""Text around payload that shows that the payload is not what the peer sent, and text that shows nothing."""

from __future__ import annotations

import pytest

from esp32sock.at.commands import passive
from esp32sock.at.events import LinkFault
from esp32sock.at.firmware import parse_gmr
from esp32sock.at.framing import DATAGRAM
from tests.at.harness import Data, SessionHarness

BLOCK = b'\r\n+IPD,1,%d,"10.0.2.2",7000:'
LOG = b"to read 75 bytes\r\n"


@pytest.fixture(params=["1.0", "2.0", "4.1"])
def harness(request: pytest.FixtureRequest) -> SessionHarness:
    """Links 0 and 1 are open."""
    harness = SessionHarness.ready(links=[0, 1])
    harness.session.firmware = parse_gmr([b"AT version:%s.0.0(0 - 0)" % request.param.encode()])
    return harness


def faults(harness: SessionHarness) -> list[int]:
    return sorted({event.link_id for event in harness.events if isinstance(event, LinkFault)})


@pytest.mark.parametrize("at", range(0, 41, 4))
@pytest.mark.parametrize("payload", [b"line one\r\nline two\r\nthree", b"\r\n".join([b"ab"] * 20), b"x" * 40])
def test_text_inside_a_block_is_found(payload: bytes, at: int, harness: SessionHarness) -> None:
    at = min(at, len(payload))
    trailer = b"" if harness.session.firmware.version[0] == 1 else b"\r\n"
    harness.feed(BLOCK % len(payload) + payload[:at] + LOG + payload[at:] + trailer + b"\r\nOK\r\n")
    assert at == len(payload) or faults(harness) == [1]


@pytest.mark.parametrize("cut", [1, 7, 30, 45])
def test_however_it_is_cut(cut: int, harness: SessionHarness) -> None:
    read = BLOCK % 30 + b"x" * 4 + LOG + b"x" * 18 + b"\r\nabcdef\r\n"
    for start in range(0, len(read), cut):
        harness.feed(read[start : start + cut])
    assert faults(harness) == [1]


@pytest.mark.parametrize(
    "line",
    [
        b"OK",
        b"busy p...",
        b"0,CLOSED",
        b"+NEW_EVENT:1",
        b"to read 75 bytes",
        b"E (1234) wifi: beacon",
        b"WIFI GOT IP",
        b"AT+CIPSEND=0,5",
    ],
)
def test_a_line_of_the_module_behind_a_block_shows_nothing(line: bytes, harness: SessionHarness) -> None:
    harness.feed(BLOCK % 3 + b"abc\r\n" + line + b"\r\n")
    assert faults(harness) == []


def test_an_unknown_line_shows_nothing_once_another_came_between(harness: SessionHarness) -> None:
    harness.feed(BLOCK % 3 + b"abc\r\nWIFI GOT IP\r\nwhatever this is\r\n")
    assert faults(harness) == []


@pytest.mark.parametrize("firmware", ["1.0", "2.0"])
def test_a_line_that_stands_where_payload_should_end(firmware: str) -> None:
    harness = SessionHarness.ready(links=[0, 1])
    harness.session.firmware = parse_gmr([b"AT version:%s.0.0(0 - 0)" % firmware.encode()])
    harness.feed(BLOCK % 3 + b"abc" + b"WIFI GOT IP\r\n")
    assert faults(harness) == ([] if firmware == "1.0" else [1])


def test_the_answer_to_a_read_ends_without_a_line_end() -> None:
    harness = SessionHarness.ready(links=[0, 1])
    harness.session.firmware = parse_gmr([b"AT version:4.1.0.0(0 - 0)"])
    harness.send(passive.ReceiveData(1, 100))
    harness.feed(b"+CIPRECVDATA:3,abcOK\r\n")
    assert faults(harness) == []
    assert harness.idle


HEADER = b'+IPD,1,5,"10.0.2.2",7000:'


def damaged() -> list[bytes]:
    """One byte of a header lost, or turned into one that cannot be there."""
    lost = [HEADER[:n] + HEADER[n + 1 :] for n in range(len(HEADER) - 1)]
    turned = [HEADER[:n] + bytes([HEADER[n] ^ 0x10]) + HEADER[n + 1 :] for n in range(len(HEADER) - 1)]
    return lost + turned


@pytest.mark.parametrize("header", damaged())
def test_a_damaged_header_costs_its_link(header: bytes) -> None:
    harness = SessionHarness.ready(links=[1, 4])
    harness.session.firmware = parse_gmr([b"AT version:2.0.0.0(0 - 0)"])
    harness.feed(b"\r\n" + header + b"hello\r\n\r\nWIFI GOT IP\r\n")
    arrived = Data(1, b"hello") in harness.events
    assert arrived or 1 in faults(harness) or header.startswith((b"+IPD,4", b"+IPD,0"))
    if header.startswith(b"+IPD,1,"):
        assert faults(harness) in ([], [1])


def test_a_header_for_a_datagram_link_is_lost_with_its_datagram(harness: SessionHarness) -> None:
    harness.session.links._set_sink(1, DATAGRAM)
    harness.feed(b'\r\n+IPD,1,5,"10.0.2.2",x000:hello\r\n')
    assert faults(harness) == []
