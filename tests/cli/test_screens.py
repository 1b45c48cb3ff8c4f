"""Every word of the command line on a real terminal: what people see."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from esp32sock._build import BUILD
from esp32sock.cli.completion import positions
from esp32sock.cli.parser import full_parser
from tests.cli.servers import free_port
from tests.cli.terminal import CTRL_C, SCENARIO, SCREENS, assert_screen, on_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

JOINED = ("--port", SCENARIO)

CASES: list[tuple[str, list[str], int, Sequence[tuple[str, str]]]] = [
    ("info", ["info", *JOINED], 0, ()),
    ("wifi-scan", ["wifi", "scan", *JOINED], 0, ()),
    ("wifi-status", ["wifi", "status", *JOINED], 0, ()),
    ("wifi-join", ["wifi", "join", "attic", *JOINED], 0, [("password of attic:", "correct horse\r")]),
    ("wifi-join-wrong", ["wifi", "join", "attic", *JOINED], 1, [("password of attic:", "wrong horse\r")]),
    ("wifi-join-nowhere", ["wifi", "join", "nowhere", "--no-password", *JOINED], 1, ()),
    ("wifi-leave", ["wifi", "leave", *JOINED], 0, ()),
    ("wifi-autojoin", ["wifi", "autojoin", "off", *JOINED], 0, ()),
    (
        "wifi-static",
        ["wifi", "static", "10.0.2.77", "10.0.2.2", "255.255.255.0", *JOINED],
        0,
        (),
    ),
    ("wifi-dhcp", ["wifi", "dhcp", *JOINED], 0, ()),
    ("wifi-mac", ["wifi", "mac", "18:fe:35:98:d3:7b", *JOINED], 0, ()),
    ("wifi-mac-wrong", ["wifi", "mac", "15:fe:35:98:d3:7b", *JOINED], 2, ()),
    ("wifi-join-no-answer", ["wifi", "join", "attic", *JOINED], 2, [("password of attic:", "\x04")]),
    ("ap-start", ["ap", "start", "cellar", *JOINED], 0, [("password of cellar:", "battery staple\r")]),
    ("ap-stop", ["ap", "stop", *JOINED], 0, ()),
    ("ap-stations", ["ap", "stations", *JOINED], 0, ()),
    ("ap-dhcp", ["ap", "dhcp", *JOINED], 0, ()),
    ("smartconfig", ["smartconfig", *JOINED], 0, ()),
    ("wps", ["wps", *JOINED], 0, ()),
    ("uart-show", ["uart", "show", *JOINED], 0, ()),
    ("uart-baud", ["uart", "baud", "921600", *JOINED], 0, ()),
    ("uart-baud-wrong", ["uart", "baud", "79", *JOINED], 2, ()),
    ("uart-set", ["uart", "set", "--flow", "none", "--store", *JOINED], 0, ()),
    ("sleep", ["sleep", "2s", *JOINED], 0, [("[y/N]", "y\r")]),
    ("sleep-mode", ["sleep", "--mode", "light", *JOINED], 0, ()),
    ("time", ["time", "--zone", "2", *JOINED], 0, ()),
    ("resolve", ["resolve", "host.test", *JOINED], 0, ()),
    ("resolve-unknown", ["resolve", "unknown.invalid", *JOINED], 1, ()),
    ("ping", ["ping", "10.0.2.2", "-c", "2", "-i", "0", *JOINED], 0, ()),
    ("ping-old", ["ping", "10.0.2.2", "--port", "sim://0.10"], 1, ()),
    ("links", ["links", *JOINED], 0, ()),
    ("restore", ["restore", *JOINED], 0, [("[y/N]", "y\r")]),
    ("restore-cancelled", ["restore", *JOINED], 2, [("[y/N]", "n\r")]),
    ("restore-no-answer", ["restore", *JOINED], 2, [("[y/N]", "\x04")]),
    ("doctor", ["doctor", "--name", "host.test", *JOINED], 0, ()),
    ("doctor-not-joined", ["doctor", "--port", "sim://1.0?joined=0"], 1, ()),
    ("at-one", ["at", "cwmode?", *JOINED], 0, ()),
    (
        "at-console",
        ["at", *JOINED],
        0,
        [
            ("AT>", "AT+CIPM\t\t"),
            ("AT+CIPMUX?", "UX?\r"),
            ("+CIPMUX:0\nOK\nAT>", "cwqap\r"),
            ("WIFI DISCONNECT\nOK\nAT>", 'AT+CWJAP="attic","correct horse"\r'),
            ("WIFI GOT IP\nOK\nAT>", "AT+CIPSEND=0,5\r"),
            ("sockets\nAT>", "quit\r"),
        ],
    ),
    ("config-show", ["config", "show", "-p", "usb:0001", "--server-links", "5"], 0, ()),
    ("service", ["service", "socket"], 0, ()),
    ("config-check", ["config", "check", "/dev/null"], 0, ()),
    ("no-port", ["info"], 2, ()),
    ("help", [], 0, ()),
    ("no-such-command", ["wifi", "joni"], 2, ()),
    ("no-such-port", ["info", "--port", "/dev/none"], 69, ()),
]


@pytest.mark.parametrize(("name", "words", "status", "keys"), CASES, ids=[case[0] for case in CASES])
def test_a_word(
    name: str, words: list[str], status: int, keys: Sequence[tuple[str, str]], tmp_path: Path
) -> None:
    seen = on_terminal(*words, keys=keys, XDG_STATE_HOME=str(tmp_path))
    assert_screen(name, seen)
    assert seen.status == status
    if keys and "password" in keys[0][0]:
        assert not any(keys[0][1].strip() in text for text in (seen.screen, seen.written))


def test_every_word_has_a_screen() -> None:
    screens = {path.stem for path in SCREENS.glob("*.txt")}
    for position in positions(full_parser()):
        name = "-".join(position.path)
        assert position.commands or any(f"{one}-".startswith(f"{name}-") for one in screens), name


# ---- words that talk to no module, or bring their own

PORTS = """
import sys
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

def port(device, description, vid=None, pid=None):
    info = ListPortInfo(device)
    info.description, info.vid, info.pid = description, vid, pid
    return info

list_ports.comports = lambda: {found}
from esp32sock.cli import main
raise SystemExit(main(sys.argv[1:]))
"""
SOME = (
    '[port("/dev/ttyS0", "n/a"), port("/dev/ttyUSB1", "CP2102N USB to UART Bridge", 0x10C4, 0xEA60), '
    'port("/dev/ttyACM0", "USB JTAG/serial debug unit", 0x303A, 0x1001)]'
)


@pytest.mark.parametrize(("name", "found"), [("ports", SOME), ("ports-none", "[]")])
def test_ports(name: str, found: str) -> None:
    seen = on_terminal("ports", program=("-c", PORTS.format(found=found)))
    assert_screen(name, seen)
    assert seen.status == 0


def test_run(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import socket\nprint(socket.gethostbyname('host.test'))\n")
    seen = on_terminal("run", str(program), ESP32SOCK_PORT=SCENARIO)
    assert_screen("run", seen)
    assert seen.status == 0


def test_simulate() -> None:
    with TemporaryDirectory() as folder:
        link = Path(folder, "esp32")
        seen = on_terminal("simulate", "--pty", str(link), keys=[("simulated ESP32", CTRL_C)])
        assert not link.is_symlink()
    assert seen.status == 0
    assert_screen("simulate", seen, LINK=str(link))


def test_serve() -> None:
    with TemporaryDirectory() as folder:
        socket = Path(folder, "broker.sock")
        words = ("serve", "--port", "sim://2.4", "--socket", str(socket))
        seen = on_terminal(*words, keys=[(socket.name, CTRL_C)])
        assert not socket.exists()
    assert_screen("serve", seen, SOCKET=str(socket))


@pytest.mark.parametrize("word", ["proxy", "forward"])
def test_a_gateway(word: str) -> None:
    port = free_port()
    words = {"proxy": ["--listen", f"127.0.0.1:{port}"], "forward": [str(port), "10.0.2.2:80"]}[word]
    seen = on_terminal(word, "-p", "sim://2.4", *words, keys=[(str(port), CTRL_C)])
    assert_screen(word, seen, PORT=str(port))


def test_demo() -> None:
    """But for what was said on the line: in which pieces is chance."""
    seen = on_terminal("demo", "--baud", "3000000")
    assert seen.status == 0, seen.screen
    table, _, said = seen.screen.partition("Traffic of the serial line (excerpt):\n")
    table = re.sub(r"(│ the other of .*\n)(│ one of .*\n)", r"\2\1", table)  # who is first is chance
    assert_screen("demo", replace(seen, screen=table.rstrip()), BUILD=f"{BUILD} build")
    assert "  H>M  AT+CIPSTART=" in said
    assert said.splitlines()[-1] == "all data arrived unchanged"
