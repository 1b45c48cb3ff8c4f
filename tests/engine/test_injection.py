"""Whatever stands in a name, a password or a file: the module hears what was meant, and nothing else.

Every text goes through every door. What the host wrote is read at the simulator's UART: a line of the door's
own command must hold this text, as the simulator's parser reads it; every other line must be one that a
harmless text gives too. A door may refuse a text, and writes none of it then.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from esp32sock.at.commands import Raw, ping, scan, sntp, softap, ssl, wifi
from esp32sock.at.tls import TlsOptions
from esp32sock.cli.at import command_line
from esp32sock.cli.common import UsageError
from esp32sock.config import resolve
from esp32sock.errors import Error
from esp32sock.simulator import AccessPoint, Observer, Settings
from esp32sock.simulator.environment.scenario import Scenario
from esp32sock.simulator.firmware.commands.executor import parse
from esp32sock.simulator.firmware.commands.params import split
from esp32sock.simulator.firmware.results import CommandRefused
from esp32sock.simulator.network.memory import TlsPeer
from tests.engine.harness import HOST, Harness, echo, network, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Door = Callable[[Harness, str], Awaitable[None]]

HARMLESS = "harmless.example"
TEXTS = (
    "a\r\nAT+RST\r\n", "a\nAT+RST", "a\rAT+RST", "\r\n", "\r\n\r\n", "AT+RST", "AT+RESTORE\r\n", "a\0b", "\0",
    'a"', '"', '""', 'a","b', 'a",1,"', '","",0,"', 'a"\r\nAT+RST\r\n"', "a,b", ",,,", ",1,2", "a\\", "\\",
    "\\\\", '\\"', '\\",\\"', "a\\,b", "\\r\\nAT+RST", "+++", "a+++", "+++\r\n", "$(reboot)", "`id`",
    "; AT+RST", "%s%n", "%0d%0aAT+RST", "\x1b[2J", "a b", " a", "a ", "\t", "é", "東京", "\u2028AT+RST",
    "\u0085AT+RST", "\x0bAT", "\x0cAT", "OK", "\r\nOK\r\n", "ERROR\r\n", "ready\r\n", "+IPD,0,5:hello",
    "0,CLOSED\r\n", ">", "SEND OK\r\n", "a" * 63, "a" * 64, "a" * 300, "a." * 130, "1.2.3.4\r\nAT", "::1",
    "[::1]", "a/../b", "http://a/", "a@b:c", "-1", "\ud800", "",
)  # fmt: skip
"""Over 60 of them: with the doors more than 600 injections."""

QUESTIONS = (
    *(b"AT+CIFSR", b"AT+CWJAP", b"AT+CWJAP?", b"AT+CWSTATE?", b"AT+CIPSTATE?", b"AT+CIPMUX?"),
    *(b"AT+CWMODE?", b"AT+CIPSTA?", b"AT+CIPDINFO?", b"AT+CIPSERVER?"),
)
"""What the engine asks by itself when a network comes or goes; a join again has no parameter either."""

REFUSALS = (ValueError, OSError, Error, UsageError)


@dataclass
class Wire(Observer):
    """What the host wrote."""

    written: bytearray = field(default_factory=bytearray)

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self.written += data

    def lines(self) -> list[bytes]:
        """Since the last time; every byte belongs to a line."""
        *lines, rest = bytes(self.written).split(b"\r\n")
        self.written.clear()
        assert rest in (b"", b"+++"), f"{rest!r} is no line"
        return [line for line in lines if line]


def strings_of(line: bytes) -> tuple[str, list[str]]:
    """The name of a command, and the strings in its parameters as the module reads them."""
    try:
        name, _, text = parse(line)
    except CommandRefused:
        return "", []
    return name, [value for value in split(text) if isinstance(value, str)]


def shape(line: bytes) -> bytes:
    """A line without its numbers: link ids and times differ."""
    return re.sub(rb"[0-9]+", b"0", line)


async def look_up(harness: Harness, text: str) -> None:
    await harness.engine.resolve(text)


async def connect(harness: Harness, text: str) -> None:
    user = await harness.connect(7000, host=text)
    await user.end.aclose()
    await user.over.wait()


async def join_network(harness: Harness, text: str) -> None:
    await harness.engine.join(text, "12345678")


async def join_with_password(harness: Harness, text: str) -> None:
    await harness.engine.join("net", text)


async def connect_with_sni(harness: Harness, text: str) -> None:
    tls = TlsOptions(server_name=text, verify=False, check_name=False)
    user = await harness.connect(7443, tls=tls)
    await user.end.aclose()
    await user.over.wait()


async def ask_time(harness: Harness, text: str) -> None:
    await harness.engine.execute(sntp.SetTimeSource(sntp.TimeSource(0, (text,))))


async def echo_request(harness: Harness, text: str) -> None:
    await harness.engine.execute(ping.Ping(text))


async def look_for(harness: Harness, text: str) -> None:
    await harness.engine.execute(scan.Scan(ssid=text))


async def common_name(harness: Harness, text: str) -> None:
    await harness.engine.execute(ssl.SetCommonName(0, text))


async def softap_name(harness: Harness, text: str) -> None:
    await harness.engine.execute(softap.SetSoftAp(softap.SoftApSettings(text)), force=True)


async def send_typed(harness: Harness, text: str) -> None:
    await harness.engine.execute(Raw(command_line(text).encode()))


DOORS: dict[str, Door] = {
    "CIPDOMAIN": look_up,
    "CIPSTART": connect,
    "CWJAP ssid": join_network,
    "CWJAP password": join_with_password,
    "CIPSSLCSNI": connect_with_sni,
    "CIPSNTPCFG": ask_time,
    "PING": echo_request,
    "CWLAP": look_for,
    "CIPSSLCCN": common_name,
    "CWSAP": softap_name,
}


async def lines_of(
    harness: Harness, wire: Wire, door: Callable[..., Awaitable[None]], text: str
) -> list[bytes]:
    wire.lines()
    with suppress(*REFUSALS):
        await door(harness, text)
    return wire.lines()


@pytest.mark.parametrize("name", DOORS)
async def test_a_command_holds_the_text_and_nothing_follows_it(name: str, autojump_clock: object) -> None:
    door, command = DOORS[name], name.partition(" ")[0]
    net = network(p7000=echo)
    net.listen(HOST, 7443, echo, tls=TlsPeer())
    net.names[HARMLESS] = HOST
    settings = Settings(profile="4.1", access_points=(AccessPoint("net", "12345678", encryption=3),))
    async with running(settings, net) as harness:
        wire = Wire()
        harness.simulated.module.observers = (wire,)
        usual = {shape(line) for _ in range(2) for line in await lines_of(harness, wire, door, HARMLESS)}
        for text in TEXTS:
            for line in await lines_of(harness, wire, door, text):
                said, strings = strings_of(line)
                if said == command and text in strings:
                    continue
                assert shape(line) in usual or line in QUESTIONS, f"{text!r}: {line!r}"


async def test_a_typed_line_is_one_line(autojump_clock: object) -> None:
    async with running(Settings(profile="4.1"), network()) as harness:
        wire = Wire()
        harness.simulated.module.observers = (wire,)
        for text in TEXTS:
            typed = f'AT+CIPDOMAIN="{text}"'
            lines = await lines_of(harness, wire, send_typed, typed)
            assert lines in ([], [typed.encode("utf-8", "replace")]), f"{text!r}: {lines!r}"


async def test_names_of_networks_make_nothing_be_sent(autojump_clock: object) -> None:
    """What a scenario file calls its access points, however odd, is only shown."""
    names = [text for text in TEXTS if 1 <= len(text.encode("utf-8", "replace")) <= 32 and text.isascii()]
    points = "".join(f"[[access_point]]\nssid = {json.dumps(name)}\n" for name in ["net", *names])
    settings = Scenario.parse(points.replace("\x7f", "")).around(Settings(profile="4.1"))
    async with running(settings, network()) as harness:
        wire = Wire()
        harness.simulated.module.observers = (wire,)
        found = await harness.engine.execute(scan.Scan())
        joined = await harness.engine.execute(wifi.Joined())
        assert [line for line in wire.lines() if line not in QUESTIONS] == [b"AT+CWLAP"]
        assert joined is not None
        assert joined.ssid == "net"
        assert {"AT+RST", "+++", "$(reboot)", "; AT+RST"} <= {point.ssid for point in found}


def test_the_environment_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text becomes another, and none an option: what is joined then is the door above."""
    for text in TEXTS:
        if "\0" in text or not text or "\ud800" in text:
            continue  # no environment holds that
        monkeypatch.setenv("ESP32SOCK_SSID", text)
        monkeypatch.setenv("ESP32SOCK_PASSWORD", text)
        chosen, _ = resolve("memory", (), {})
        assert (chosen.url, chosen.ssid, chosen.password) == ("memory", text, text)
