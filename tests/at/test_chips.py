"""Chips as data: names, the pins of the AT port, channels of 5 GHz (at-dialects 2, 6)."""

from __future__ import annotations

import pytest

from esp32sock.at.chips import CHIPS, Pins, chip_named
from esp32sock.at.commands.scan import Encryption, Scan
from esp32sock.at.commands.softap import SetSoftAp, SoftAp, SoftApSettings
from esp32sock.at.firmware import parse_gmr
from esp32sock.cli.checks import described_chip

C5 = parse_gmr([b"AT version:5.0.0.0(s-1c0a2b3 - ESP32C5 - Nov 21 2025 08:31:07)"])
C3 = parse_gmr([b"AT version:4.1.1.0(5a40576 - ESP32C3 - May 20 2025 03:12:58)"])
NONOS = parse_gmr([b"AT version:1.7.4.0(May 11 2020 19:13:04)"])


@pytest.mark.parametrize("written", ["ESP32C5", "ESP32-C5", "esp32c5"])
def test_names(written: str) -> None:
    assert chip_named(written) is next(chip for chip in CHIPS if chip.name == "ESP32C5")


def test_a_chip_that_is_not_known_has_no_pins() -> None:
    assert chip_named("ESP32H9").pins == ()
    assert described_chip("ESP32H9") == "ESP32H9"


def test_pins() -> None:
    assert dict(chip_named("ESP32").pins)["WROOM-32, SOLO-1"] == Pins(17, 16, 15, 14)
    assert described_chip("ESP32C3") == "ESP32C3, AT on TX 7, RX 6, CTS 5, RTS 4"


def test_the_firmware_names_it() -> None:
    assert (C5.chip, C3.chip, NONOS.chip) == ("ESP32C5", "ESP32C3", "ESP8266")


def test_channels_of_5_ghz() -> None:
    assert Scan(channel=36).line(C5) == b"AT+CWLAP=,,36"
    for firmware, channel in ((C3, 36), (C5, 35), (C5, 15), (C5, 178), (C5, 0), (C3, 15)):
        with pytest.raises(ValueError, match="channel"):
            Scan(channel=channel).line(firmware)
    attic = SoftApSettings("attic", "", 149, Encryption.OPEN)
    assert SetSoftAp(attic).line(C5) == b'AT+CWSAP="attic","",149,0,10,0'
    assert SoftAp().parse([b'+CWSAP:"attic","",149,0,10,0'], C5) == attic
    with pytest.raises(ValueError, match="outside 1 to 13 of the ESP32C3"):
        SetSoftAp(attic).line(C3)
