"""The flash: in memory, and in a file that outlives the module."""

import json
from dataclasses import dataclass

import pytest

from esp32sock.simulator.nvs import Nvs, NvsFile
from esp32sock.simulator.serial.uart import UartSettings


def test_values_by_key():
    nvs = Nvs({"a": 1})
    assert (nvs.get("a", 0), nvs.get("a", "text"), nvs.get("b", 7)) == (1, "text", 7)
    nvs.erase()
    assert nvs.get("a", 0) == 0


def test_a_file_remembers(tmp_path):
    path = tmp_path / "flash"
    values = {"text": 'ä\\"', "number": -3, "flag": True, "none": None, "real": 0.5, "list": [1, [2]]}
    values |= {"tuple": (1, ("a",)), "bytes": b"\0\xff", "uart": UartSettings(baud=9600), "dict": {"a": (1,)}}
    nvs = NvsFile(path)
    for key, value in values.items():
        nvs.set(key, value)
    again = NvsFile(path)
    assert {key: again.get(key, value) for key, value in values.items()} == values
    assert list(again) == sorted(values)
    again.erase()
    assert list(NvsFile(path)) == []
    assert [each.name for each in tmp_path.iterdir()] == ["flash"]


def test_a_new_file_begins_with_what_is_given_and_an_old_one_does_not(tmp_path):
    path = tmp_path / "flash"
    NvsFile(path, {"a": 1}).set("a", 2)
    assert NvsFile(path, {"a": 1, "b": 1}).get("a", 0) == 2
    assert list(NvsFile(path, {"b": 1})) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a": {"<.nosuch:X>": {}}}',
        '{"a": {"<os:system>": {}}}',
        '{"a": {"<.uart:Uart>": {}}}',
    ],
)
def test_what_is_no_flash(tmp_path, text):
    path = tmp_path / "flash"
    path.write_text(text)
    with pytest.raises(ValueError, match="not the flash of a simulated module"):
        NvsFile(path)
    assert path.read_text() == text


def test_what_a_flash_cannot_hold(tmp_path):
    @dataclass
    class Local:
        x: object

    with pytest.raises(TypeError, match="the flash cannot hold"):
        NvsFile(tmp_path / "flash").set("a", object())


def test_a_module_remembers_over_its_lives(power_on, tmp_path):
    flash = str(tmp_path / "flash")
    first = power_on("2.4", nvs=flash, joined=False)
    first.do("ATE0", "AT+CWMODE=1", 'AT+CWJAP="MasseyWifi",""', "AT+UART_DEF=9600,8,1,0,3")
    assert json.loads((tmp_path / "flash").read_text())["ssid"] == "MasseyWifi"
    second = power_on("2.4", nvs=flash, joined=False, cold=True)
    assert second.passes(5).endswith(b"WIFI GOT IP\r\n")
    assert second.module.uart.settings.baud == 9600
    assert b'"MasseyWifi"' in second.say(b"AT+CWJAP?\r\n")
    second.say(b"AT+RESTORE\r\n")
    third = power_on("2.4", nvs=flash)
    assert b'"MasseyWifi"' not in third.say(b"AT+CWJAP?\r\n")
    assert third.module.uart.settings.baud == 115200
