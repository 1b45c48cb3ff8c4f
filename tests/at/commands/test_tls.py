"""The commands behind SSL links: ranges, lines, answers; and a payload that stays in the module."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock.at.commands import basic, clock, ssl
from esp32sock.at.commands.certificates import CertificateKind, StoreCertificate
from esp32sock.at.commands.ssl import SslAuth, SslSettings
from esp32sock.at.events import UnknownText
from esp32sock.at.firmware import Firmware
from esp32sock.at.state import CommandState
from esp32sock.errors import CommandError
from tests.at.harness import Data, Done, Failed, SessionHarness, assert_events, assert_polite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.at.commands import Command

FIRMWARE = Firmware((4, 1, 1, 0), text="AT version:4.1.1.0(s-0123456 - ESP32 - Jul 16 2025 03:03:59)")
PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
BOTH = SslSettings(SslAuth.OWN_CERTIFICATE | SslAuth.VERIFY_SERVER, 1, 0)
NONE = SslSettings()


def settings(own: int = 0, authority: int = 0) -> ssl.SetSslSettings:
    return ssl.SetSslSettings(0, SslSettings(SslAuth.VERIFY_SERVER, own, authority))


REFUSED: list[tuple[Command[Any], str]] = [
    (ssl.SetSslSettings(5, NONE), "link id 5"),
    (settings(own=256), "slot 256"),
    (settings(authority=-1), "slot -1"),
    (ssl.SetServerName(0, "h" * 65), "65 bytes"),
    (ssl.SetServerName(-1, "h"), "link id -1"),
    (ssl.SetCommonName(0, "h" * 65), "65 bytes"),
    (ssl.SetCommonName(5, "h"), "link id 5"),
    (ssl.SetAlpn(0, ("a",) * 6), "6 protocols"),
    (ssl.SetAlpn(0, ("a", "")), "needs a name"),
    (ssl.SetAlpn(0, ("a" * 120, "b" * 120)), "a command line may have"),
    (StoreCertificate(CertificateKind.KEY, 256, PEM), "slot 256"),
    (StoreCertificate(CertificateKind.KEY, 0, b""), "PEM"),
    (StoreCertificate(CertificateKind.KEY, 0, b"0\x82\x01"), "PEM"),
    (StoreCertificate(CertificateKind.AUTHORITY, 0, PEM * 140), "bytes of PEM; a slot takes 8192"),
    (clock.SetClock(datetime(2026, 1, 1)), "time zone"),
    (clock.SetClock(datetime(1969, 12, 31, tzinfo=UTC)), "outside 1970"),
    (clock.SetClock(datetime(2038, 1, 20, tzinfo=UTC)), "outside 1970"),
]


@pytest.mark.parametrize(("command", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_sent_is_refused(command: Command[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        command.line(FIRMWARE)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (ssl.SetSslSettings(4, BOTH), b"AT+CIPSSLCCONF=4,3,1,0"),
        (settings(255, 255), b"AT+CIPSSLCCONF=0,2,255,255"),
        (ssl.SetServerName(0, "h" * 64), b'AT+CIPSSLCSNI=0,"%s"' % (b"h" * 64)),
        (ssl.SetServerName(0, ""), b'AT+CIPSSLCSNI=0,""'),
        (ssl.SetCommonName(3, "h"), b'AT+CIPSSLCCN=3,"h"'),
        (ssl.SetAlpn(1, ("http/1.1", "h2")), b'AT+CIPSSLCALPN=1,2,"http/1.1","h2"'),
        (ssl.SetAlpn(1), b"AT+CIPSSLCALPN=1,0"),
        (
            StoreCertificate(CertificateKind.CERTIFICATE, 1, PEM),
            b'AT+SYSMFG=2,"client_cert","client_cert.1",8,%d' % len(PEM),
        ),
        (clock.SetClock(datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)), b"AT+SYSTIMESTAMP=2147483647"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_line(command: Command[Any], line: bytes) -> None:
    assert command.line(FIRMWARE) == line


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        ([b"+CIPSSLCCONF:0,1"], dict.fromkeys(range(5), NONE)),  # observed 1.0
        ([b"+CIPSSLCCONF:%d,0,0,0" % link for link in range(5)], dict.fromkeys(range(5), NONE)),  # 2.0
        ([b"+CIPSSLCCONF:0,0,0,0"], {0: NONE}),  # observed 4.1
        ([b"+CIPSSLCCONF:0,3,1,0"], {0: BOTH}),
    ],
)
def test_settings_of_every_generation(lines: list[bytes], result: Any) -> None:
    assert ssl.GetSslSettings().parse(lines, FIRMWARE) == result


def test_the_clock() -> None:
    assert clock.Clock().parse([b"+SYSTIMESTAMP:302"], FIRMWARE) == datetime(1970, 1, 1, 0, 5, 2, tzinfo=UTC)


def test_a_key_is_shown_nowhere() -> None:
    key = StoreCertificate(CertificateKind.KEY, 0, PEM)
    assert "AAAA" not in repr(key)
    harness = SessionHarness.ready()
    harness.send(key)
    harness.feed(b"\r\nOK\r\n\r\n>")
    harness.feed(b"AAAA\r\n")  # on a line whose echo came back
    assert [type(event) for event in harness.events] == [UnknownText]
    assert "AAAA" not in str(harness.events)


def test_an_empty_slot_is_named() -> None:
    opening = ssl.OpenSsl(0, "h", 443)
    assert opening.advice([b"NO CA FOUND"]) == "the slot holds no CA"
    assert "does not report which" in opening.advice([])


# ---- a payload that stays in the module

AT = basic.Test()
STORE = StoreCertificate(CertificateKind.AUTHORITY, 1, PEM)
PROMPT, OK, ERROR = b"\r\nOK\r\n\r\n>", b"\r\nOK\r\n", b"\r\nERROR\r\n"


@pytest.fixture
def harness() -> Iterator[SessionHarness]:
    harness = SessionHarness.ready(links=[0])
    yield harness
    assert_polite(harness.wire)


def usable(harness: SessionHarness) -> None:
    harness.forget()
    harness.send(AT)
    harness.feed(OK)
    assert_events(harness.events, [Done(AT)])


@pytest.mark.parametrize("pieces", [[OK], [b"\r", b"\nO", b"K\r\n"]])
def test_ends_with_a_second_ok(harness: SessionHarness, pieces: list[bytes]) -> None:
    harness.send(STORE)
    harness.feed(PROMPT)
    assert bytes(harness.written[-1]) == PEM
    assert harness.session.command.state is CommandState.AWAIT_SEND_RESULT
    harness.feed_pieces(pieces)
    assert_events(harness.events, [Done(STORE)])
    usable(harness)


def test_data_may_come_anywhere(harness: SessionHarness) -> None:
    harness.send(STORE)
    harness.feed(b"\r\nOK\r\n\r\n+IPD,0,2:ab\r\n\r\n>")
    harness.feed(b"\r\n+IPD,0,2:cd\r\n" + OK)
    assert_events(harness.events, [Data(0, b"abcd"), Done(STORE)])
    usable(harness)


@pytest.mark.parametrize("prompt", [b"", PROMPT])
def test_fails_with_an_error(harness: SessionHarness, prompt: bytes) -> None:
    harness.send(STORE)
    if prompt:
        harness.feed(prompt)
    harness.feed(ERROR)
    assert_events(harness.events, [Failed(STORE, CommandError, "ERROR")])
    usable(harness)


def test_the_flash_may_take_its_time(harness: SessionHarness) -> None:
    harness.send(STORE)
    harness.feed(PROMPT)
    harness.wait(STORE.timeout - 0.1)
    assert harness.events == []
    harness.feed(OK)
    assert_events(harness.events, [Done(STORE)])


def test_no_prompt(harness: SessionHarness) -> None:
    harness.send(STORE)
    while harness.session.next_deadline() < float("inf"):
        harness.wait(harness.session.next_deadline() - harness.now)
    assert_events(harness.events[:1], [Failed(STORE, CommandError, "nothing")])
