"""What programs get: JSON by the published schemas, and an exit status they can rely on."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from esp32sock.cli.completion import positions
from esp32sock.cli.parser import full_parser
from tests.cli.terminal import ROOT, SCENARIO
from tests.e2e.support import HOST, PAGE, http_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Done

    Run = Callable[..., Done]

SCHEMAS = ROOT / "docs" / "schemas"
JOINED = ("--port", SCENARIO)
PASSWORD = {"ESP32SOCK_PASSWORD": "correct horse"}

CASES: list[tuple[str, list[str], dict[str, str], dict[str, Any]]] = [
    ("ports", ["ports"], {}, {}),
    ("doctor", ["doctor", "--name", "host.test", *JOINED], {}, {"healthy": True}),
    ("info", ["info", *JOINED], {}, {"chip": "ESP32", "version": [2, 4, 0, 0], "links": 0}),
    ("access-points", ["wifi", "scan", *JOINED], {}, {}),
    ("station", ["wifi", "status", *JOINED], {}, {"state": "joined"}),
    ("station", ["wifi", "join", "attic", *JOINED], PASSWORD, {"state": "joined"}),
    ("station", ["wifi", "static", "10.0.2.77", "10.0.2.2", "255.255.255.0", *JOINED], {}, {}),
    ("wifi-leave", ["wifi", "leave", *JOINED], {}, {"network": None}),
    ("autojoin", ["wifi", "autojoin", *JOINED], {}, {"autojoin": True}),
    ("dhcp", ["wifi", "dhcp", "off", "--temporary", *JOINED], {}, {"dhcp": False}),
    ("mac", ["wifi", "mac", *JOINED], {}, {"mac": "10:01:00:c4:0a:24"}),
    ("softap", ["ap", "start", "cellar", "--hidden", *JOINED], PASSWORD, {"ssid": "cellar", "hidden": True}),
    ("softap-off", ["ap", "stop", *JOINED], {}, {"ssid": None}),
    ("stations", ["ap", "stations", *JOINED], {}, {"stations": []}),
    ("leases", ["ap", "dhcp", *JOINED], {}, {"duration": 7200.0, "first": "192.168.4.2"}),
    ("station", ["smartconfig", *JOINED], {}, {"state": "joined"}),
    ("station", ["wps", *JOINED], {}, {"state": "joined"}),
    ("uart", ["uart", "show", *JOINED], {}, {}),
    ("uart", ["uart", "baud", "230400", "--store", *JOINED], {}, {}),
    ("uart", ["uart", "set", "--flow", "cts", *JOINED], {}, {}),
    ("sleep", ["sleep", *JOINED], {}, {"mode": "modem"}),
    ("deep-sleep", ["sleep", "250ms", "--yes", *JOINED], {}, {"deep_sleep": 0.25}),
    ("time", ["time", *JOINED], {}, {"zone": 0}),
    ("resolve", ["resolve", "host.test", *JOINED], {}, {"addresses": [HOST]}),
    ("ping", ["ping", HOST, "-c", "2", "-i", "0", *JOINED], {}, {"lost": 0}),
    ("links", ["links", *JOINED], {}, {"links": [], "server": None}),
    ("restore", ["restore", "--yes", *JOINED], {}, {"restarted": True}),
    ("update", ["update", "--yes", *JOINED], {}, {"restarted": True}),
    ("config", ["config", "show", "--server-links", "5", *JOINED], {}, {}),
    ("config-check", ["config", "check"], {}, {}),
    ("at-replies", ["at", "cwmode?", "AT+CIPMUX?", *JOINED], {}, {}),
]


def checked(name: str, text: str) -> Any:
    """The value, valid by that schema."""
    value = json.loads(text)
    jsonschema.validate(value, json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))
    return value


@pytest.mark.parametrize(
    ("schema", "words", "extra", "parts"), CASES, ids=[" ".join(case[1][:2]) for case in CASES]
)
def test_a_word(
    in_a_pipe: Run, schema: str, words: list[str], extra: dict[str, str], parts: dict[str, Any]
) -> None:
    done = in_a_pipe(*words, "--json", **extra)
    value = checked(schema, done.stdout)
    assert done.returncode == 0, done.stderr
    assert {name: value[name] for name in parts} == parts
    assert not any(secret in done.stdout + done.stderr for secret in extra.values())


def test_get_and_put(in_a_pipe: Run, tmp_path: Path) -> None:
    page, back = tmp_path / "page", tmp_path / "back"
    with http_server() as port:
        url = f"http://{HOST}:{port}/"
        got = in_a_pipe("get", url, "-o", str(page), "--json", *JOINED)
        put = in_a_pipe("put", str(page), url, "--method", "POST", "--json", *JOINED)
        shown = in_a_pipe("get", url, *JOINED)
    assert checked("transfer", got.stdout)["bytes"] == len(PAGE)
    assert checked("transfer", put.stdout)["bytes"] == len(PAGE)
    assert page.read_bytes() == shown.stdout.encode() == PAGE
    assert not back.exists()


def test_a_page_that_is_not_there_leaves_no_file(in_a_pipe: Run, tmp_path: Path) -> None:
    done = in_a_pipe("get", f"http://{HOST}:1/", "-o", str(tmp_path / "page"), *JOINED)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_joined_in_time_is_valid_too(in_a_pipe: Run) -> None:
    for word in ("smartconfig", "wps"):
        done = in_a_pipe(word, "--timeout", "0.3", "--json", "--port", "sim://2.4")
        assert checked("join-timeout", done.stdout) == {"state": "join-timeout"}
        assert done.returncode == 1


def test_every_schema_is_valid_and_used() -> None:
    used = {case[0] for case in CASES} | {
        "transfer",
        "listen-event",
        "join-timeout",
        "failure",
        "gateway-event",
    }
    found = {path.stem for path in SCHEMAS.glob("*.json")}
    assert found == used
    for path in SCHEMAS.glob("*.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text("utf-8")))


def test_every_word_that_has_json_is_here() -> None:
    tested = {tuple(case[1]) for case in CASES} | {("get",), ("put",), ("listen",), ("proxy",), ("forward",)}
    for position in positions(full_parser()):
        if "--json" in position.options:
            assert any(words[: len(position.path)] == position.path for words in tested), position.path


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["info", "--port", "/dev/none"], 69),
        (["info"], 2),
        (["wifi", "join", "nowhere", "--no-password", *JOINED], 1),
        (["get", f"http://{HOST}:1/", "-o", os.devnull, *JOINED], 1),
        (["at", "AT+CIPSEND=5", *JOINED], 2),
        (["listen", "0", *JOINED], 2),
        (["ping", *JOINED], 2),
        (["nonsense"], 2),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_a_failure_is_json_too(in_a_pipe: Run, words: list[str], status: int) -> None:
    done = in_a_pipe(*words, "--json")
    failure = checked("failure", done.stdout)
    assert failure["exit_status"] == done.returncode == status
    assert failure["error"] in done.stderr


# ---- exit statuses


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["info", "--port", "/dev/none"], 69),
        (["info"], 2),
        (["nonsense"], 2),
        (["wifi", "join", "attic", *JOINED], 2),  # nobody to ask for the password
        (["wifi", "join", "", "--no-password", *JOINED], 2),
        (["wifi", "join", "s" * 33, "--no-password", *JOINED], 2),
        (["wifi", "join", "nowhere", "--no-password", *JOINED], 1),
        (["wifi", "static", "10.0.2.77", "10.0.2.2", *JOINED], 2),
        (["wifi", "static", "10.0.2.77", "10.9.9.9", "255.255.255.0", *JOINED], 2),
        (["wifi", "static", "10.0.2.777", *JOINED], 2),
        (["wifi", "dhcp", "on", "--temporary", "--port", "sim://1.2"], 2),
        (["ap", "start", "cellar", "--channel", "14", "--no-password", *JOINED], 2),
        (["ap", "dhcp", "192.168.4.2", *JOINED], 2),
        (["ap", "dhcp", "192.168.4.2", "192.168.4.9", "--minutes", "0", *JOINED], 2),
        (["uart", "baud", "5000001", *JOINED], 2),
        (["sleep", "soon", "--yes", *JOINED], 2),
        (["sleep", "2s", *JOINED], 2),  # nobody to ask
        (["restore", *JOINED], 2),
        (["update", "--yes", "--port", "sim://2.4"], 1),  # no update server
        (["time", "--zone", "14", *JOINED], 2),
        (["resolve", "unknown.invalid", *JOINED], 1),
        (["resolve", "", *JOINED], 2),
        (["ping", "10.0.2.2", "-c", "0", *JOINED], 2),
        (["get", "ftp://example.org/", *JOINED], 2),
        (["get", f"http://{HOST}/", "--json", *JOINED], 2),
        (["get", f"http://{HOST}:1/", "--port", "/dev/none"], 69),
        (["put", "/nowhere/at/all", f"http://{HOST}/", *JOINED], 2),
        (["at", "AT+CIPSEND=5", *JOINED], 2),
        (["at", "AT+UART_CUR=9600,8,1,0,0", *JOINED], 2),
        (["at", "nosuch", *JOINED], 1),
        (["listen", "0", *JOINED], 2),
        (["listen", "65536", *JOINED], 2),
        (["proxy", "--listen", "nonsense", *JOINED], 2),
        (["proxy", "--listen", "0.0.0.0:0", *JOINED], 2),  # other machines could use it
        (["proxy", "--user", "alice", *JOINED], 2),  # without a password
        (["proxy", "--wait", "-1", *JOINED], 2),
        (["proxy", "--port", "/dev/none"], 69),
        (["forward", *JOINED], 2),
        (["forward", "8080", *JOINED], 2),
        (["forward", "8080", "host.test", *JOINED], 2),
        (["forward", "8080", "[::1]:80", *JOINED], 2),
        (["forward", "--listen", "0", "8000", *JOINED], 2),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_what_goes_wrong_has_its_exit_status_and_says_why(
    in_a_pipe: Run, words: list[str], status: int
) -> None:
    done = in_a_pipe(*words)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(("esp32sock: ", "usage: ")) or done.stdout.rstrip().endswith("ERROR")
    assert "Traceback" not in done.stderr
