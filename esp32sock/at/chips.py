"""The chips that run AT firmware, as data: the pins of the AT port as shipped, and whether there is 5 GHz.

Source: at-dialects 2.
"""

from __future__ import annotations

from esp32sock._dataclass import dataclass

CHANNELS = range(1, 15)
CHANNELS_5_GHZ = range(36, 178)
"""At-dialects 6."""


@dataclass(frozen=True, slots=True)
class Pins:
    """GPIO numbers of the AT port, as the chip sees them."""

    tx: int
    rx: int
    cts: int
    rts: int


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip, by the name in `AT+GMR`; `pins` by the modules that have them, "" for all."""

    name: str
    pins: tuple[tuple[str, Pins], ...] = ()
    has_5_ghz: bool = False


_C3 = Pins(7, 6, 5, 4)
CHIPS = (
    Chip(
        "ESP32",
        (
            ("WROOM-32, SOLO-1", Pins(17, 16, 15, 14)),
            ("WROVER-32, PICO-D4, MINI-1", Pins(22, 19, 15, 14)),
        ),
    ),
    Chip("ESP32C2"),
    Chip("ESP32C3", (("", _C3),)),
    Chip("ESP32C5", (("", Pins(23, 24, 25, 26)),), has_5_ghz=True),
    Chip("ESP32C6", (("", _C3),)),
    Chip("ESP32S2", (("", Pins(17, 21, 20, 19)),)),
    Chip("ESP8266"),
)
_BY_NAME = {chip.name: chip for chip in CHIPS}


def chip_named(name: str) -> Chip:
    """The chip of this name, with or without its hyphen; one of which nothing is known if it is not here."""
    plain = name.replace("-", "").upper()
    return _BY_NAME.get(plain) or Chip(plain)
