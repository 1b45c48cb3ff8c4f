"""Settings from arguments, environment and files: one order, one table, errors with file and line."""

from __future__ import annotations

import json
import logging
import os
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import esp32sock
from esp32sock import config_files
from esp32sock.cli.parser import full_parser
from esp32sock.config import AttachOptions, gather, resolve
from esp32sock.config_files import ConfigError
from esp32sock.engine.options import Options
from esp32sock.settings import SETTINGS
from tests.cli.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Done

    Run = Callable[..., Done]

USER = """\
module = "attic"

[modules.attic]
port = "sim://?baud=921600"
baudrate = 921600
ssid = "cellar"
password = "correct horse"
direct = ["127.0.0.0/8", ".lan"]
heartbeat_s = "none"

[modules.other]
port = "/dev/other"
"""
SIM = "sim://?baud=921600"
SYSTEM = """\
[modules.attic]
port = "/dev/system"
rtscts = true
server_links = 5

[modules.shared]
port = "unix:/run/broker"
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A user's file and a machine's, in force."""
    found = {"user": tmp_path / "config.toml", "system": tmp_path / "system.toml"}
    for name, text in (("user", USER), ("system", SYSTEM)):
        found[name].write_text(text)
        found[name].chmod(0o600)
    for name in [name for name in os.environ if name.startswith("ESP32SOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ESP32SOCK_CONFIG", str(found["user"]))
    monkeypatch.setenv("ESP32SOCK_SOCKET", "/nowhere")
    monkeypatch.setattr(config_files, "SYSTEM_FILE", str(found["system"]))
    return found


def chosen(url: str | None = None, module: str | None = None, **given: Any) -> Options:
    options, _ = resolve(url, None, given, module)  # type: ignore[arg-type]
    assert isinstance(options, Options)
    return options


def test_the_table_has_every_option_of_attach() -> None:
    names = {setting.name for setting in SETTINGS}
    assert names == {*Options.__dataclass_fields__, "port", "direct"} - {"url"}
    assert names - {"port", "direct"} == {*AttachOptions.__annotations__} - {"baud"}


@pytest.mark.parametrize("command", ["run", "serve", "config show"])
def test_a_command_takes_every_setting(command: str) -> None:
    parser = full_parser()
    for word in command.split():
        action = next(action for action in parser._actions if isinstance(action.choices, dict))
        assert isinstance(action.choices, dict)
        parser = action.choices[word]
    options = {option for action in parser._actions for option in action.option_strings}
    assert {setting.option for setting in SETTINGS if not setting.is_secret} <= options
    assert "--password" not in options


def test_the_page_has_every_setting() -> None:
    page = (ROOT / "docs/configuration.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ?(.*?) ?\| `(\w+)` \|", page, re.M)
    assert [(name, variable) for name, _, variable in rows] == [(one.name, one.variable) for one in SETTINGS]
    for setting, (_, option, _) in zip(SETTINGS, rows, strict=True):
        assert setting.is_secret or f"`{setting.option}`" in option


def test_each_place_fills_what_those_before_it_leave_open(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = chosen()
    assert options == Options(SIM, 921600, True, "cellar", "correct horse", server_links=5, heartbeat_s=None)
    monkeypatch.setenv("ESP32SOCK_BAUDRATE", "9600")
    monkeypatch.setenv("ESP32SOCK_RTSCTS", "off")
    options = chosen(server_links=1)
    assert (options.baudrate, options.rtscts, options.server_links) == (9600, False, 1)
    assert chosen(baudrate=4800).baudrate == 4800
    assert gather({}).routes().to_host("printer.lan")
    assert not gather({"direct": ()}).routes().to_host("printer.lan")


def test_a_module_by_name(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(module="other") == Options("/dev/other")
    monkeypatch.setenv("ESP32SOCK_MODULE", "other")
    assert chosen().url == "/dev/other"
    assert chosen("/dev/mine", "attic").baudrate == 921600
    with pytest.raises(TypeError, match="module"):
        resolve(Options("/dev/mine"), None, {}, "attic")
    with pytest.raises(ConfigError, match=r"no module 'none' in .*config.toml, .*; there are attic, other"):
        esp32sock.attach(module="none")


def test_the_default_module_is_not_for_another_port(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen("/dev/mine") == Options("/dev/mine")
    monkeypatch.setenv("ESP32SOCK_PORT", "/dev/mine")
    assert chosen() == Options("/dev/mine")
    assert chosen("auto").url == "/dev/mine"
    monkeypatch.delenv("ESP32SOCK_PORT")
    assert chosen("auto") == chosen()


def test_a_broker_of_a_file(files: dict[str, Path]) -> None:
    assert resolve(None, None, {}, "shared")[0] == "unix:/run/broker"


def test_a_password_stays_with_its_network(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(ssid="roof").password == ""
    monkeypatch.setenv("ESP32SOCK_PASSWORD", "from outside")
    assert chosen().password == "from outside"
    assert chosen(ssid="roof").password == ""
    monkeypatch.setenv("ESP32SOCK_SSID", "roof")
    assert (chosen().ssid, chosen().password) == ("roof", "from outside")


def test_a_patched_program_attaches_the_configured_port(files: dict[str, Path]) -> None:
    files["user"].write_text('module = "plain"\n[modules.plain]\nport = "sim://"\n')
    interface = esp32sock.default()
    try:
        assert interface.status().port == "sim://"
    finally:
        esp32sock.detach()
    files["user"].write_text("")
    with pytest.raises(OSError, match="no module is attached"):
        esp32sock.default()


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("BAUDRATE", "fast", "ESP32SOCK_BAUDRATE: 'fast' is not a whole number"),
        ("BAUDRATE", "7", "ESP32SOCK_BAUDRATE: baudrate 7 is outside 80 to 5000000"),
        ("RTSCTS", "2", "ESP32SOCK_RTSCTS: '2' is not true or false"),
        ("CLOSE_S", "nan", "ESP32SOCK_CLOSE_S: 'nan' is not a number of seconds"),
        ("RECEIVE", "both", 'ESP32SOCK_RECEIVE: \'both\' is not "active" or "passive", or "none"'),
    ],
)
def test_a_variable_that_cannot_be(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, name: str, text: str, error: str
) -> None:
    monkeypatch.setenv(f"ESP32SOCK_{name}", text)
    with pytest.raises(ValueError, match=re.escape(error)):
        chosen()


BAD_FILES = {
    "x = ": ["1: Invalid value"],
    "[modules.a]\nport = 1\n": ["2: port: 1 is not text"],
    "[modules.a]\n\nboudrate = 9600\n": ["3: unknown key 'boudrate'; known are port, "],
    "port = 'x'\n": ["1: unknown key 'port'; settings of a module stand in [modules.NAME]"],
    "module = 5\n": ["1: module: the name of a module is expected"],
    "modules = 5\n": ["1: write [modules.NAME] for each module"],
    "[modules]\na = 5\n": ["2: write [modules.NAME] for each module"],
    "[modules.a]\nbaudrate = 7\nrtscts = 'yes'\nserver_links = true\n": [
        "2: baudrate: baudrate 7 is outside 80 to 5000000",
        "3: rtscts: 'yes' is not true or false",
        "4: server_links: True is not a whole number",
    ],
    "[modules.a]\nclose_s = nan\n": ["2: close_s: nan is not a number of seconds"],
    "[modules.a]\nreset = 'rts'\nrtscts = true\n": ["1: module 'a': RTS cannot both"],
    "[modules.a]\npassword = 12345\n": ["2: password: this value is not text"],
    "[modules.a]\npassword = 'x'\n": ["1: module 'a': a password needs an ssid"],
    "[modules.a]\nport = 'unix:/x'\nbaudrate = 9600\n": [
        "1: module 'a': baudrate: to be given to the broker"
    ],
    "[modules.a]\ndirect = ['10.0.0.0/99']\n": ["2: direct: direct route '10.0.0.0/99'"],
    "[modules.a]\ndirect = [\n 1,\n]\n": ["2: direct: [1] is not text with commas"],
    "x = 'é'\n".encode("latin-1"): [" not UTF-8 at byte 5"],
    "#" * 70000: [" longer than 32768 bytes"],
    "a." * 5000 + "b = 1": ["1: unknown key 'a'"],
    "[modules.a]\n'\\u001b[2J' = 1\n": ["unknown key '\\\\u001b[2J'"],
}


@pytest.mark.parametrize("text", BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_file_that_cannot_be_used(files: dict[str, Path], text: str | bytes) -> None:
    path = files["user"]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    file, problems = config_files.read(str(path))
    assert file is None
    assert len(problems) == len(BAD_FILES[text])  # type: ignore[index]
    for problem, expected in zip(problems, BAD_FILES[text], strict=True):  # type: ignore[index]
        assert str(problem).startswith(f"{path}:")
        assert expected in str(problem)
    with pytest.raises(ConfigError, match=f"^{path}"):
        esp32sock.attach()
    assert chosen("/dev/mine").url == "/dev/mine"  # where no file is needed, none is in the way


def test_files_that_cannot_be_read(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESP32SOCK_CONFIG", str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        esp32sock.attach()
    monkeypatch.setenv("ESP32SOCK_CONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        esp32sock.attach()
    monkeypatch.delenv("ESP32SOCK_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "esp32sock").mkdir()
    (tmp_path / "esp32sock/config.toml").symlink_to(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"esp32sock/config.toml: cannot be read: No such file"):
        esp32sock.attach()


def test_a_password_that_others_may_read(files: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "esp32sock"):
        chosen()
        assert not caplog.messages
        files["user"].chmod(0o644)
        chosen()
        chosen()
    assert [message for message in caplog.messages if "chmod o-r" in message] == caplog.messages[:1]
    assert "correct horse" not in caplog.text


def checked(name: str, text: str) -> Any:
    value = json.loads(text)
    jsonschema.validate(value, json.loads((ROOT / f"docs/schemas/{name}.json").read_text("utf-8")))
    return value


def test_show_says_where_each_value_comes_from(
    files: dict[str, Path], in_a_pipe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"ESP32SOCK_CONFIG": str(files["user"]), "ESP32SOCK_CLOSE_S": "2"}
    done = in_a_pipe("config", "show", "--json", "--receive", "none", "--module", "attic", **variables)
    assert done.returncode == 0, done.stderr
    assert "correct horse" not in done.stdout
    shown = {one["name"]: (one["value"], one["source"]) for one in checked("config", done.stdout)["settings"]}
    user, system = files["user"], files["system"]
    assert shown["module"] == ("attic", "--module")
    assert shown["port"] == (SIM, f"{user}:4")
    assert shown["password"] == ("(hidden)", f"{user}:7")
    assert shown["direct"] == (["127.0.0.0/8", ".lan"], f"{user}:8")
    assert shown["rtscts"] == (True, f"{system}:3")
    assert shown["close_s"] == (2.0, "ESP32SOCK_CLOSE_S")
    assert shown["receive"] == (None, "--receive")
    assert shown["reset"] == (None, "default")
    assert shown.keys() == {setting.name for setting in SETTINGS} | {"module"}
    text = in_a_pipe("config", "show")
    assert f"baudrate\t921600\t{user}:5" in text.stdout
    assert "correct horse" not in text.stdout


def test_check_names_every_problem(files: dict[str, Path], in_a_pipe: Run) -> None:
    bad = files["system"]
    bad.write_text("[modules.a]\nbaudrate = 7\nx = 1\n")
    done = in_a_pipe("config", "check", str(bad), str(files["user"]))
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"{bad}:2: baudrate")
    assert done.stdout.splitlines()[1].startswith(f"{bad}:3: unknown key 'x'")
    assert done.stdout.splitlines()[2] == f"{files['user']}: no problems; modules: attic, other"
    done = in_a_pipe("config", "check", "--json", ESP32SOCK_CONFIG=str(files["user"]))
    assert done.returncode == 1
    first, second = checked("config-check", done.stdout)["files"]
    assert (first["modules"], first["problems"]) == (["attic", "other"], [])
    assert [problem["line"] for problem in second["problems"]] == [2, 3]


def test_commands_take_the_configured_module(files: dict[str, Path], in_a_pipe: Run) -> None:
    done = in_a_pipe("info", "--json", ESP32SOCK_CONFIG=str(files["user"]))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["port"] == SIM
    done = in_a_pipe("info", "--json", "--module", "nonsense")
    assert done.returncode == 2
    assert "--module" not in done.stderr
    assert "no module 'nonsense'" in done.stderr
