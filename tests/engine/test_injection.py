"""Whatever stands in a name, a password or a file: the module hears what was meant, and nothing else.

What is written by hand goes through every door, what is composed through several. What the host wrote is read
at the simulator's UART: a line of the door's own command must hold this text, as the simulator's parser reads
it; every other line must be one that a harmless text gives too. A door may refuse a text, and writes none of
it then.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from esp32sock import config_files
from esp32sock.at.commands import Raw, ping, scan, sntp, softap, ssl, wifi
from esp32sock.at.tls import TlsOptions
from esp32sock.cli.at import command_line
from esp32sock.cli.common import UsageError
from esp32sock.config import resolve
from esp32sock.engine.options import Options
from esp32sock.errors import Error
from esp32sock.simulator import AccessPoint, Observer, Settings
from esp32sock.simulator.environment.scenario import Scenario
from esp32sock.simulator.firmware.commands.executor import parse
from esp32sock.simulator.firmware.commands.params import split
from esp32sock.simulator.firmware.results import CommandRefused
from esp32sock.simulator.network.memory import TlsPeer
from esp32sock.simulator.options import OPTIONS as SIM_OPTIONS
from esp32sock.simulator.protocol_sim import settings_of
from tests.engine.harness import HOST, Harness, echo, network, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

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
"""What somebody writes by hand."""

COMPOSED = [
    wrapped.format(end=end, line=line)
    for wrapped in ("a{end}{line}{end}", 'a"{end}{line}', "{end}{line}{end}{end}")
    for end in ("\r\n", "\r", "\n", "\0", "\x1a", "\x85", "\u2028", "\\r\\n", ",")
    for line in ("AT+RST", "AT+RESTORE", "AT+CIPCLOSE=5", "+++", "ATE1")
]
"""Every end of a line with every command behind it, bare and behind a quote."""
ALL_TEXTS = (*TEXTS, *COMPOSED)


def texts_of(door: int, doors: int) -> tuple[str, ...]:
    """What goes through this door: all that are written by hand, and its share of the others."""
    return (*TEXTS, *COMPOSED[door % doors :: doors])


def test_there_are_many() -> None:
    assert len(set(ALL_TEXTS)) >= 200


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
        usual |= {b'AT+CIPSSLCSNI=0,""'}  # a numeric address is no name: that of before is taken away
        for text in texts_of(list(DOORS).index(name), len(DOORS) // 2):
            for line in await lines_of(harness, wire, door, text):
                said, strings = strings_of(line)
                if said == command and text in strings:
                    continue
                assert shape(line) in usual or line in QUESTIONS, f"{text!r}: {line!r}"


async def test_a_typed_line_is_one_line(autojump_clock: object) -> None:
    async with running(Settings(profile="4.1"), network()) as harness:
        wire = Wire()
        harness.simulated.module.observers = (wire,)
        for text in ALL_TEXTS:
            typed = f'AT+CIPDOMAIN="{text}"'
            lines = await lines_of(harness, wire, send_typed, typed)
            assert lines in ([], [typed.encode("utf-8", "replace")]), f"{text!r}: {lines!r}"


async def test_names_of_networks_make_nothing_be_sent(autojump_clock: object) -> None:
    """What a scenario file calls its access points, however odd, is only shown."""
    names = [
        text
        for text in dict.fromkeys(ALL_TEXTS)
        if 1 <= len(text.encode("utf-8", "replace")) <= 32 and text.isascii()
    ]
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


async def test_names_in_a_world_make_nothing_be_sent(autojump_clock: object) -> None:
    """What a scenario file calls hosts, the module and its certificates stays in the simulated world."""
    usual: list[bytes] | None = None
    for text in (HARMLESS, *COMPOSED[::40], "a\r\nAT+RST\r\n"):
        quoted = json.dumps(text)
        tables = (
            f'[network.names]\n{quoted} = "10.0.2.9"\n', f"[module]\nhost_name = {quoted}\n",
            f"[smartconfig]\nssid = {quoted}\npassword = {quoted}\n", f"[wps]\nssid = {quoted}\n",
        )  # fmt: skip
        for table in tables:
            with suppress(ValueError):
                settings = Scenario.parse(table).around(Settings(profile="4.1"))
                wire = Wire()
                async with running(settings, network()) as harness:
                    harness.simulated.module.observers = (wire,)
                    await harness.engine.execute(wifi.Joined())
                lines = wire.lines()
                usual = lines if usual is None else usual
                assert lines == usual, f"{table!r}: {lines!r}"
    assert usual is not None


def test_the_url_of_a_simulated_module_is_taken_or_refused() -> None:
    """No text ends its own option and begins another."""
    usual = asdict(settings_of("sim://4.1?seed=7"))
    for option in SIM_OPTIONS:
        if option.name in FILES:
            continue
        for text in ALL_TEXTS:
            with suppress(ValueError):
                found = asdict(settings_of(f"sim://4.1?seed=7&{option.name}={quote(text, errors='replace')}"))
                changed = {key for key in found if found[key] != usual[key]}
                assert len(changed) <= 1, f"{option.name}: {text!r} changes {changed}"


FILES = ("nvs", "scenario", "certificate")
"""Options that name a file, of the user's choice."""


def test_a_configuration_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "esp32sock.toml"
    taken = 0
    for text in ALL_TEXTS:
        if "\ud800" in text:
            continue  # no UTF-8 holds that
        quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f").replace("\x85", "\\u0085")
        path.write_text(f'[modules.m]\nport = "memory"\nssid = {quoted}\npassword = {quoted}\n', "utf-8")
        path.chmod(0o600)
        file, problems = config_files.read(str(path))
        if file is None:
            assert problems, text
            continue
        taken += 1
        found = {key: entry.value for key, entry in file.modules["m"].items()}
        assert found == {"port": "memory", "ssid": text, "password": text}
    assert taken > len(ALL_TEXTS) // 2


def test_the_environment_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text becomes another, and none an option: what is joined then is the door above."""
    for text in ALL_TEXTS:
        if "\0" in text or not text or "\ud800" in text:
            continue  # no environment holds that
        monkeypatch.setenv("ESP32SOCK_SSID", text)
        monkeypatch.setenv("ESP32SOCK_PASSWORD", text)
        chosen, _ = resolve("memory", (), {})
        assert isinstance(chosen, Options)
        assert (chosen.url, chosen.ssid, chosen.password) == ("memory", text, text)
