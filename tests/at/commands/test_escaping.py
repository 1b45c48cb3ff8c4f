"""Any text as SSID, password or host name: the simulator reads what we meant, and never a second command.

Its parser was written from the documents and the captures, and knows nothing of `at/params.py`.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from esp32sock.at.commands import basic, passthrough, ping, sntp, softap, ssl, tcpip, udp, update, wifi
from esp32sock.at.commands.scan import Encryption, Scan
from esp32sock.at.events import ModuleRestarted, UnknownText
from esp32sock.at.firmware import Firmware
from esp32sock.simulator import AccessPoint
from esp32sock.simulator.faults.hooks import Faults
from esp32sock.simulator.firmware.address_text import read_address
from esp32sock.simulator.firmware.commands.executor import parse
from esp32sock.simulator.firmware.commands.params import Arguments
from esp32sock.simulator.firmware.softap import SoftApSettings
from tests.at.commands.talk import HOST, Talk

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.simulator.faults.hooks import LineVerdict

NASTY = [
    "\\",
    '"',
    ",",
    '","',
    '\\"',
    "+++",
    "AT+RST",
    "\r\n",
    "\nAT+RST\r\n",
    "\0",
    "é",
    "\N{SNOWMAN}",
    "'",
    "%",
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.lists(
    st.sampled_from(NASTY) | st.characters(exclude_categories=["Cs"]), max_size=12
).map("".join)

FIRMWARE = Firmware((2, 4, 0, 0), text="AT version:2.4.0.0(4c6eb5e - ESP32 - May 20 2022 03:12:58)")


def read(command: Command[object], name: str, *kinds: type) -> list[str | int] | None:
    """What the module reads, of these kinds; None for what is refused before it is sent."""
    try:
        line = command.line(FIRMWARE)
    except ValueError:
        return None
    found, form, rest = parse(line)
    assert (found, form) == (name, "s")
    arguments = Arguments(rest)
    values = [
        arguments.string(255) if kind is str else arguments.integer(-(1 << 31), 1 << 31) for kind in kinds
    ]
    arguments.end()
    return values


def may_be_sent(*texts_and_limits: tuple[str, int]) -> bool:
    return all(
        len(text.encode()) <= limit and not set(text) & set("\r\n\0") for text, limit in texts_and_limits
    )


@given(texts, texts)
@example("ab\\,c", '0123456789"\\')
def test_joining(ssid: str, password: str) -> None:
    seen = read(wifi.Join(ssid, password), "CWJAP", str, str)
    if seen is None:
        assert not ssid or not may_be_sent((ssid, 32), (password, 64))
    else:
        assert seen == [ssid, password]


@given(texts, texts)
def test_a_softap(ssid: str, password: str) -> None:
    settings = softap.SoftApSettings(ssid, password, 6, Encryption.WPA2_PSK)
    seen = read(softap.SetSoftAp(settings), "CWSAP", str, str, int, int, int, int)
    if seen is None:
        short = len(password.encode()) < 8
        assert not ssid or short or not may_be_sent((ssid, 32), (password, 63))
    else:
        assert seen == [ssid, password, 6, 3, 10, 0]


@given(texts)
def test_a_scan(ssid: str) -> None:
    assert read(Scan(ssid), "CWLAP", str) in (None, [ssid])


@given(texts)
def test_host_names(host: str) -> None:
    for command, name, kinds, values in (
        (tcpip.Resolve(host), "CIPDOMAIN", [str], [host]),
        (tcpip.OpenTcp(3, host, 80), "CIPSTART", [int, str, str, int], [3, "TCP", host, 80]),
        (ssl.OpenSsl(3, host, 80), "CIPSTART", [int, str, str, int], [3, "SSL", host, 80]),
        (udp.OpenUdp(3, (host, 80)), "CIPSTART", [int, str, str, int], [3, "UDP", host, 80]),
        (
            passthrough.StoreTcpPassthrough(host, 80),
            "SAVETRANSLINK",
            [int, str, int, str],
            [1, host, 80, "TCP"],
        ),
        (
            sntp.SetTimeSource(sntp.TimeSource(0, (host, host))),
            "CIPSNTPCFG",
            [int, int, str, str],
            [1, 0, host, host],
        ),
    ):
        seen = read(command, name, *kinds)
        if seen is None:
            assert not host or not may_be_sent((host, 63)) or len(host.encode()) > 40
        else:
            assert seen == values


@given(texts)
def test_other_names(text: str) -> None:
    for command, name, kinds, values in (
        (
            passthrough.StoreUdpPassthrough(text, 80),
            "SAVETRANSLINK",
            [int, str, int, str],
            [1, text, 80, "UDP"],
        ),
        (ping.Ping(text), "PING", [str], [text]),
        (ssl.SetServerName(1, text), "CIPSSLCSNI", [int, str], [1, text]),
        (ssl.SetCommonName(1, text), "CIPSSLCCN", [int, str], [1, text]),
        (update.Update(version=text), "CIUPDATE", [int, str], [0, text]),
    ):
        seen = read(command, name, *kinds)
        assert seen == values or (seen is None and (not text or not may_be_sent((text, 32))))


@given(texts, texts)
def test_a_line_is_one_line_and_within_the_limit(one: str, other: str) -> None:
    for command in (
        wifi.Join(one, other),
        softap.SetSoftAp(softap.SoftApSettings(one, other, 6, Encryption.WPA2_PSK)),
        sntp.SetTimeSource(sntp.TimeSource(0, (one, other))),
        tcpip.OpenTcp(3, one, 80),
    ):
        try:
            line = command.line(FIRMWARE)
        except ValueError:
            continue
        assert not set(line) & set(b"\r\n\0")
        assert len(line) <= 254


# ---- the module itself


class Heard(Faults):
    """Every complete command line that reached the module."""

    active = True

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def line(self, line: bytes) -> LineVerdict:
        self.lines.append(line)
        return "run"


def said(talk: Talk, command: Command[Any]) -> bool:
    """Run it; whether it was sent. Then the module has heard one line, else none."""
    heard = talk.module.firmware.board.faults = Heard()
    sent = True
    try:
        talk.run(command)
    except ValueError:
        sent = False
    assert len(heard.lines) == sent
    talk.run(basic.Test())
    assert heard.lines[sent:] == [b"AT"]
    assert not [event for event in talk.events if isinstance(event, ModuleRestarted | UnknownText)]
    return sent


GENERATIONS = st.sampled_from(["0.10", "1.0", "2.0", "2.4", "4.2"])
short_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.lists(
    st.sampled_from(NASTY), min_size=1, max_size=5
).map("".join)


@given(GENERATIONS, texts | short_texts, texts | short_texts)
@example("2.4", "a\r\nAT+RST", "")
@example("2.4", 'a","b"\r\nAT+RESTORE\r\n', "\r\n+++")
@example("1.0", '\\",', '"\\\\')
def test_a_joining_module_hears_one_command_and_joins_what_was_meant(
    profile: str, ssid: str, password: str
) -> None:
    point = AccessPoint(ssid, password, encryption=3 if password else 0)
    talk = Talk(profile, joined=False, access_points=(point,))
    talk.run(wifi.SetMode(wifi.WifiMode.STATION))
    if said(talk, wifi.Join(ssid, password)):
        joined = talk.run(wifi.Joined())
        assert joined is not None
        assert joined.ssid == ssid


@given(GENERATIONS, texts | short_texts)
def test_a_module_that_looks_up_any_name_does_just_that(profile: str, host: str) -> None:
    assume(read_address(host) is None)  # `0` is no name to the module
    talk = Talk(profile)
    talk.network.names[host] = HOST
    if said(talk, tcpip.Resolve(host)):
        assert talk.run(tcpip.Resolve(host)) == [IPv4Address(HOST)]


@given(GENERATIONS, texts | short_texts, texts | short_texts)
def test_a_softap_gets_the_name_and_the_password_that_were_meant(
    profile: str, ssid: str, password: str
) -> None:
    talk = Talk(profile)
    talk.run(wifi.SetMode(wifi.WifiMode.STATION_AND_SOFTAP))
    wanted = softap.SoftApSettings(ssid, password, 6, Encryption.WPA2_PSK, 3)
    if said(talk, softap.SetSoftAp(wanted)):
        kept = talk.module.firmware.board.memory.get("softap", SoftApSettings(""))
        assert (kept.ssid, kept.password) == (ssid, password)


@pytest.mark.parametrize("text", [text for text in NASTY if set(text) & set("\r\n\0")])
def test_what_would_end_a_line_is_refused_everywhere(text: str) -> None:
    commands: list[Command[object]] = [
        wifi.Join(text),
        wifi.Join("ssid", text),
        Scan(text),
        softap.SetSoftAp(softap.SoftApSettings(text)),
        softap.SetSoftAp(softap.SoftApSettings("ssid", text + "12345678", encryption=Encryption.WPA2_PSK)),
        tcpip.Resolve(text),
        tcpip.OpenTcp(0, text, 80),
        udp.OpenUdp(0, (text, 80)),
        ssl.OpenSsl(0, text, 80),
        passthrough.StoreTcpPassthrough(text, 80),
        passthrough.StoreUdpPassthrough(text, 80),
        sntp.SetTimeSource(sntp.TimeSource(0, (text,))),
    ]
    for command in commands:
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            command.line(FIRMWARE)
