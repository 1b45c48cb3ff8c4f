"""Names and passwords of every kind of letter: joined, shown as they are in JSON, harmless on the screen."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from esp32sock.cli.output import printable
from esp32sock.simulator import AccessPoint, BackgroundModule, Settings
from tests.cli.terminal import on_terminal, piped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Done

    Run = Callable[..., Done]

NAMES = [
    'the "attic"',
    "a,b",
    "back\\slash",
    'all,of"them\\',
    '\\\\\\,""\',,',
    " blanks around ",
    "-o",
    "+++",
    "AT+RST",
    "Straße 東京 ☕",
    "🦊🐙🦉🐢🐝🐞🐳🐿",  # 32 bytes
    "n" * 32,
    "\x1b[2J\x07bell",
    "right\u202eto left",
    "$(reboot) `id` %s {0}",
]
PASSWORDS = [
    'p"ss,w\\rd',
    "\\\\\\\\\\\\\\\\",
    '","","quoted',
    "eight888",
    "0123456789abcdef" * 4,
    "pässwörter ☕",
    "p" * 63,
]


@contextmanager
def beside(*points: AccessPoint) -> Iterator[str]:
    """A module in reach of these access points, joined to none."""
    module = BackgroundModule(Settings(access_points=points, joined=False))
    try:
        yield module.path
    finally:
        module.stop()


def assert_joined(done: Done, ssid: str) -> None:
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["network"]["ssid"] == ssid


@pytest.fixture(scope="module")
def odd_neighbours() -> Iterator[str]:
    with beside(*(AccessPoint(ssid, "", encryption=0) for ssid in NAMES)) as port:
        yield port


def test_all_names_are_heard(in_a_pipe: Run, odd_neighbours: str) -> None:
    scan = in_a_pipe("wifi", "scan", "--json", "--port", odd_neighbours)
    assert sorted(point["ssid"] for point in json.loads(scan.stdout)["access_points"]) == sorted(NAMES)
    table = in_a_pipe("wifi", "scan", "--port", odd_neighbours)
    assert sorted(line.split("\t")[0] for line in table.stdout.splitlines()) == sorted(map(printable, NAMES))


@pytest.mark.parametrize("ssid", NAMES, ids=ascii)
def test_a_name(in_a_pipe: Run, odd_neighbours: str, ssid: str) -> None:
    words = ("wifi", "join", "--no-password", "--port", odd_neighbours)
    assert_joined(in_a_pipe(*words, "--json", "--", ssid), ssid)
    shown = in_a_pipe("wifi", "status", "--port", odd_neighbours)
    assert shown.stdout.splitlines()[1] == f"network       {printable(ssid)}"
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize("password", PASSWORDS, ids=ascii)
def test_a_password(in_a_pipe: Run, password: str) -> None:
    with beside(AccessPoint("attic", password, encryption=3)) as port:
        done = in_a_pipe("wifi", "join", "attic", "--json", "--port", port, ESP32SOCK_PASSWORD=password)
        assert_joined(done, "attic")
        softap = in_a_pipe(
            "ap", "start", "cellar", "--json", "--port", port, ESP32SOCK_PASSWORD=password[:63]
        )
        assert softap.returncode == 0, softap.stderr
        console = in_a_pipe("at", "cwjap?", "cwsap?", "--json", "--port", port)
    assert password not in done.stdout + done.stderr + softap.stdout + softap.stderr
    assert ",***,1,3,4,0" in console.stdout
    assert json.dumps(password[:63])[1:-1] not in console.stdout


def test_typed_at_a_terminal() -> None:
    ssid, password = NAMES[3], PASSWORDS[0]
    with beside(AccessPoint(ssid, password, encryption=3)) as port:
        keys = [("password of", f"{password}\r")]
        seen = on_terminal("wifi", "join", ssid, "--port", port, keys=keys)
    assert seen.status == 0, seen.written
    assert seen.screen.splitlines()[:3] == [
        f"password of {ssid}:",
        "state         joined",
        f"network       {ssid}",
    ]
    assert password not in seen.written


def test_where_the_letters_are_missing() -> None:
    done = piped("ap", "start", "Straße", "--no-password", "--port", "sim://", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "SSID        Stra?e"


@pytest.mark.parametrize(
    ("ssid", "password", "why"),
    [
        ("n" * 33, None, "1 to 32 bytes, this one 33"),
        ("東" * 11, None, "1 to 32 bytes, this one 33"),
        ("", None, "1 to 32 bytes, this one 0"),
        ("two\r\nlines", None, "CR, LF or NUL"),
        ("nul\0", None, "NUL"),
        ("\udcff", None, "UTF-8"),
        ("attic", "p" * 65, "64 bytes"),
        ("attic", "two\r\nlines", "CR, LF or NUL"),
    ],
    ids=ascii,
)
def test_what_cannot_be_is_refused(
    in_a_pipe: Run, odd_neighbours: str, ssid: str, password: str | None, why: str
) -> None:
    words = [
        "wifi",
        "join",
        "--port",
        odd_neighbours,
        *(["--no-password"] if password is None else []),
        "--",
        ssid,
    ]
    done = in_a_pipe(*words, **({} if password is None else {"ESP32SOCK_PASSWORD": password}))
    assert done.returncode == 2
    assert why in done.stderr
    assert password is None or password not in done.stderr
