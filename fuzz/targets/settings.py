"""What users write: scenarios, faults, URLs, routes, the flash of a simulated module, baud rates and names.

An input is a kind and a text. What holds: the text is taken, or ValueError (OSError for a file) says why;
what is taken gives a module that runs, and that answers.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esp32sock.config import resolve
from esp32sock.engine.options import Options
from esp32sock.net.routes import Routes
from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.scenario import Scenario
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.faults.spec import BOTH_WAYS, KINDS, parse_faults
from esp32sock.simulator.network.memory import MemoryNetwork
from esp32sock.simulator.nvs import NvsFile
from esp32sock.simulator.options import OPTIONS
from esp32sock.simulator.profiles.generations import PROFILES
from esp32sock.simulator.protocol_sim import settings_of
from fuzz.controls import Controls

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT = "bytes"
MAX_BYTES = 1200

STARTED_S = 30.0
"""So long a cold module, on a slow line and an adapter that is late, may take."""
MOST_STEPS = 2000
MOST_LATENCY_MS = 1000

ALLOWED = (ValueError, OSError)


def dictionary() -> list[bytes]:
    return [
        *(name.encode() for name in (*KINDS, *BOTH_WAYS, "all")),
        *(f"{option.name}=".encode() for option in OPTIONS), b"[[access_point]]\n", b"[network]\n",
        b"[network.names]\n", b"[network.aliases]\n", b"[module]\n", b"[wps]\n", b"[smartconfig]\n",
        b"[[station]]\n", b"[certificates]\n", b'ssid = "a"\n', b"rssi = ", b"channel = 1\n",
        b'encryption = "wep"\n', b"after_s = 1e400\n", b"failures = []\n", b"inf", b"nan", b"-1", b"9" * 30,
        b"{}", b'"<tuple>"', b'"<bytes>"', b"@", b":", b"%", b"&", b"10.0.0.0/8", b"*.lan", b"::1",
        b'= """', b"\\ud800", b"%ff", b"sim://", b"#",
    ]  # fmt: skip


SCENARIO = """
[[access_point]]
ssid = "attic"
password = "correct horse"
bssid = "24:0a:c4:00:00:01"
channel = 6
rssi = -48
encryption = "wpa2"
failures = ["timeout"]
address = "192.168.1.50"
[network]
update_server = "4.1.1.0"
[network.aliases]
"10.0.2.2" = "127.0.0.1"
[network.names]
"host.test" = "10.0.2.2"
"slow.test" = { address = "10.0.2.2", delay_s = 3.0 }
[module]
mac = "24:0a:c4:12:34:56"
host_name = "espressif"
[smartconfig]
ssid = "attic"
password = "correct horse"
after_s = 1.0
[wps]
ssid = "attic"
[[station]]
mac = "aa:bb:cc:00:00:01"
after_s = 1.0
[certificates]
"client_cert.0" = ""
"""


ODD = (
    "0", "1", "-1", "7", "65536", "1e9", "1e400", "nan", "inf", "1_0", "true", '""', '"x"', '"é"', "[]", "{}",
    "[1]", '["timeout", "x"]', '"' + "x" * 33 + '"', '"' + "x" * 65 + '"', '"1.2.3"', '"1.2.3.4"', '"::1"',
    '"fec0::"', '"00:00:00:00:00:0g"', '"ff:ff:ff:ff:ff:ff"', '"wpa3"', '"open"', '{ address = "x" }',
    '{ delay_s = -1 }', "1979-05-27", '"\\u0000"', '"\\n"',
)  # fmt: skip
"""Values in TOML; most are JSON too."""
FLASH = {
    "cwmode": "1", "ssid": '"Espressif"', "password": '""', "bssid": '""', "dhcp": "3", "host_name": '"x"',
    "translink": '{"<tuple>": ["TCP", "10.0.2.2", 7000, 0]}', "reconnect": '{"<tuple>": [1, 3]}',
    "autoconnect": "1", "ipv6": "true", "uart": '"x"', "version": '"2.0"', "dns": '{"<tuple>": ["1.1.1.1"]}',
}  # fmt: skip


def _odd() -> Iterator[bytes]:
    """Each value of each kind of text replaced by each odd one."""
    lines = SCENARIO.strip().split("\n")
    for number, line in enumerate(lines):
        key, is_value, _ = line.partition(" = ")
        for odd in ODD if is_value else ("[[network]]", "[x]", "x", "[access_point]", ""):
            changed = f"{key} = {odd}" if is_value else odd
            yield b"\0" + "\n".join([*lines[:number], changed, *lines[number + 1 :]]).encode()
    for odd in ODD:
        bare = odd.strip('"')
        yield from (f"\1{name}:{bare},{name}@1={bare}".encode() for name in (*KINDS, *BOTH_WAYS, "all"))
        yield from (f"\0022.0?{option.name}={bare}".encode() for option in OPTIONS)
        yield b"\3" + bare.encode() + b"/8," + bare.encode()
        yield from (f'\4{{"{key}": {odd}, "cwmode": 3}}'.encode() for key in FLASH)
        yield from (f'\5{{"{field.name}": {odd}}}'.encode() for field in fields(Options))
    full = ", ".join(f'"{key}": {value}' for key, value in FLASH.items())
    for ssid in ("Espressif", "OpenNetworkA1", "nobody"):
        for password in ("", "12345678"):
            yield f'\4{{{full}, "ssid": "{ssid}", "password": "{password}"}}'.encode()
    for profile in PROFILES:
        yield f"\002{profile}?joined=1&cold=1&boot_noise=1".encode()


def seeds() -> Iterator[bytes]:
    yield b"\0" + SCENARIO.encode()
    yield from _odd()
    tables = SCENARIO.strip().split("\n[")
    for number, table in enumerate(tables):
        yield b"\0" + ("[" * (number > 0) + table).encode()
    for name in (*KINDS, *BOTH_WAYS, "all"):
        yield b"\1" + f"{name}:0.01,{name}@3=2".encode()
    for option in OPTIONS:
        yield b"\2" + f"2.0?{option.name}={option.default or 1}&seed=7".encode()
    yield b"\3" + b"10.0.0.0/8,localhost,.lan,192.168.1.1,*.example"
    subnet = b'{"<.environment.radio:Subnet>": {"address": "192.168.4.1"}}'
    yield b'\4{"cwmode": 1, "ssid": "a", "softap_subnet": ' + subnet + b"}"
    yield b"\4" + b'{"a": {"<tuple>": [1, 2]}, "b": {"<bytes>": "00ff"}}'
    yield b"\5" + b'{"baudrate": 115200, "ssid": "a", "password": "b", "receive": "passive"}'


def run(data: bytes) -> int:
    controls = Controls(data)
    check = controls.choice((_scenario, _faults, _url, _routes, _flash, _options))
    try:
        check(os.fsdecode(controls.rest()))
    except ALLOWED as error:
        if not str(error):
            raise AssertionError(f"{type(error).__name__} says nothing") from error
    return len(data)


def _scenario(text: str) -> None:
    _runs(Scenario.parse(text, base=empty_folder()).around(Settings(joined=len(text) % 2 == 0)))


def _faults(text: str) -> None:
    if parse_faults(text):
        _runs(Settings(faults=text))


def _url(text: str) -> None:
    lowered = re.sub(r"[\t\r\n]", "", text.lower())  # as a URL is read
    if "nvs" in lowered or "scenario" in lowered or "certificate" in lowered:
        return  # they name files, anywhere
    _runs(settings_of(f"sim://{text}"))


def _routes(text: str) -> None:
    routes = Routes(text)
    for host in ("10.1.2.3", "localhost", "a.lan", text[:40]):
        assert routes.to_host(host) in (True, False)


def _flash(text: str) -> None:
    path = empty_folder() / "flash.json"
    path.write_text(text, "utf-8", errors="surrogateescape")
    try:
        store = NvsFile(path)
        _runs(Settings(nvs=str(path)))
        for key in store:
            store.get(key, 0)
    finally:
        path.unlink()


def _options(text: str) -> None:
    """The options of `attach`, as a program may have them from a file of its own."""
    given: Any = json.loads(text)
    if isinstance(given, dict) and all(
        isinstance(value, str | int | float | None) for value in given.values()
    ):
        try:
            resolve("sim://", (), given)
        except TypeError as error:
            if "attach" not in str(error) and "not supported between" not in str(error):
                raise


def _runs(settings: Settings) -> None:
    """A module with these settings starts and answers, unless faults were asked for."""
    if settings.latency_ms > MOST_LATENCY_MS:
        return
    device = Device(settings, MemoryNetwork())
    _advance(device, 0.0, STARTED_S)
    device.host_wrote(b"AT+GMR\r\n", STARTED_S)
    said = _advance(device, STARTED_S, STARTED_S + 5.0)
    assert settings.faults or settings.boot_noise or b"\r\nOK\r\n" in said, f"no answer: {said!r}"


def _advance(device: Device, now: float, until: float) -> bytes:
    """Let time pass, at most MOST_STEPS of it."""
    said = b""
    for _ in range(MOST_STEPS):
        said += device.take_output(now, 1 << 16)
        due = [each for each in (device.deadline(), device.output_deadline()) if each is not None]
        if not due or min(due) > until:
            break
        now = max(now, min(due))
        device.advance(now)
    device.advance(max(now, until))
    return said


@cache
def empty_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="esp32sock-fuzz-"))
