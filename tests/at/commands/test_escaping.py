"""Any text as SSID, password or host name: the simulator reads what we meant, and never a second command.

Its parser was written from the documents and the captures, and knows nothing of `at/params.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esp32sock.at.commands import secure, sntp, softap, tcpip, transparent, udp, wifi
from esp32sock.at.commands.scan import Encryption, Scan
from esp32sock.at.events import ModuleRestarted, UnknownText
from esp32sock.at.firmware import Firmware
from esp32sock.simulator import AccessPoint
from esp32sock.simulator.firmware.executor import parse
from esp32sock.simulator.firmware.params import Arguments
from tests.at.commands.talk import HOST, Talk

if TYPE_CHECKING:
    from esp32sock.at.commands import Command

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
        (secure.OpenSsl(3, host, 80), "CIPSTART", [int, str, str, int], [3, "SSL", host, 80]),
        (udp.OpenUdp(3, (host, 80)), "CIPSTART", [int, str, str, int], [3, "UDP", host, 80]),
        (
            transparent.StoreTcpPassthrough(host, 80),
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


# ---- the module itself


@given(texts, texts)
@example("a\r\nAT+RST", "")
@example('a","b"\r\nAT+RESTORE\r\n', "\r\n+++")
def test_a_joining_module_hears_one_command_and_joins_what_was_meant(ssid: str, password: str) -> None:
    point = AccessPoint(ssid, password, encryption=3 if password else 0)
    talk = Talk("2.4", joined=False, access_points=(point,))
    talk.run(wifi.SetMode(wifi.WifiMode.STATION))
    try:
        talk.run(wifi.Join(ssid, password))
    except ValueError:
        return
    joined = talk.run(wifi.Joined())
    assert joined is not None
    assert joined.ssid == ssid
    assert not [event for event in talk.events if isinstance(event, ModuleRestarted | UnknownText)]


@given(texts)
def test_a_module_that_looks_up_any_name_does_just_that(host: str) -> None:
    talk = Talk("2.4")
    talk.network.names[host] = HOST
    try:
        found = talk.run(tcpip.Resolve(host))
    except ValueError:
        return
    assert found == [HOST]


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
        secure.OpenSsl(0, text, 80),
        transparent.StoreTcpPassthrough(text, 80),
        transparent.StoreUdpPassthrough(text, 80),
        sntp.SetTimeSource(sntp.TimeSource(0, (text,))),
    ]
    for command in commands:
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            command.line(FIRMWARE)
