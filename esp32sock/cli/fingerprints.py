"""What answers on a serial port when it is no ESP-AT firmware, recognised by its bytes, and the next step.

The table is tried from top to bottom. A source is a section of the reference or a page of the maker; "a
guess" stands where there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FLASH = (
    "flash ESP-AT: download a release from docs.espressif.com/projects/esp-at, then run "
    "`esptool.py --port PORT write_flash 0x0 factory/factory_*.bin`"
)

OWN_BYTES = re.compile(rb"AT\+CIPMUX\?|AT|\+\+\+|[ \r\n]")
"""What the search for a module writes."""
REMAINS = re.compile(rb"CIP.?MUX|IPMUX|CIPMU|\+CIPM|:[01]\r?\n\r?\n?O?K?|\r\n(?:OK|O|K)\r\n|ERRO|RROR")
"""Pieces of the answers that it gets."""
PRINTABLE = re.compile(rb"[\t\n\r\x1b -~]|[\xc2-\xf4][\x80-\xbf]+")
MOSTLY = 0.85
"""Such a part of the bytes makes a text; by taste."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One kind of answer; `name` is a problem of `doctor`."""

    name: str
    matches: Callable[[bytes], bool]
    found: str
    advice: str
    source: str


def _has(pattern: bytes) -> Callable[[bytes], bool]:
    compiled = re.compile(pattern)
    return lambda heard: compiled.search(heard) is not None


def _is_echo(heard: bytes) -> bool:
    return b"CIPMUX?" in heard and not OWN_BYTES.sub(b"", heard)


def _is_text(heard: bytes) -> bool:
    return len(b"".join(PRINTABLE.findall(heard))) >= MOSTLY * len(heard)


FINGERPRINTS = (
    Fingerprint(
        "echo",
        _is_echo,
        "only this machine's own bytes come back",
        "TX and RX of the adapter are connected to each other: connect the adapter's TX to the module's RX "
        "and its RX to the module's TX",
        "a guess",
    ),
    Fingerprint(
        "download-mode",
        _has(rb"waiting for download|DOWNLOAD_BOOT|DOWNLOAD\((?:USB|UART)"),
        "the ROM loader of the chip waits for a download",
        "let go of the BOOT button (GPIO0 must be high at the start) and press EN; if the adapter drives "
        "GPIO0 by DTR or RTS, disconnect that line",
        "docs.espressif.com/projects/esptool, Boot Mode Selection",
    ),
    Fingerprint(
        "empty-flash",
        _has(rb"invalid header: 0x|flash read err|No bootable app|ets_main\.c"),
        "the chip finds no firmware in its flash",
        FLASH,
        "docs.espressif.com/projects/esptool, Boot Log",
    ),
    Fingerprint(
        "micropython",
        _has(rb"MicroPython v|CircuitPython|>>> |SyntaxError: invalid syntax"),
        "MicroPython or CircuitPython runs on the chip",
        FLASH,
        "docs.micropython.org, Getting a MicroPython REPL prompt",
    ),
    Fingerprint(
        "crash-loop",
        _has(rb"Guru Meditation Error|abort\(\) was called|Brownout detector|Backtrace:"),
        "the firmware of the chip crashes and restarts",
        "check that the power supply delivers 500 mA; if it does, " + FLASH,
        "at-dialects 8.3",
    ),
    Fingerprint(
        "boot-log",
        _has(rb"rst:0x[0-9a-f]+ \(|ets [A-Z][a-z]{2} +\d|[IWE] \(\d+\) [\w.]+: |entry 0x4"),
        "this is the log port of the chip (UART0), or another firmware starts",
        "AT commands go over another UART, on a WROOM-32 GPIO16 (RX) and GPIO17 (TX): connect the adapter "
        "there; or " + FLASH,
        "at-dialects 8.3; observed 1.0",
    ),
    Fingerprint(
        "lossy-line",
        lambda heard: REMAINS.search(heard) is not None,
        "pieces of AT answers come, damaged",
        "try a shorter cable, a common ground, a lower baud rate or another adapter",
        "known-bugs 2",
    ),
    Fingerprint(
        "not-at",
        _is_text,
        "another program answers, such as an Arduino sketch or a login prompt",
        FLASH + "; or choose another port (`esp32sock ports`)",
        "a guess",
    ),
    Fingerprint(
        "lossy-line",
        lambda heard: True,
        "what comes is no text at any usual baud rate",
        "check the wiring, a common ground and the voltage (3.3 V); give an unusual rate with --baud",
        "a guess",
    ),
)


def identify(heard: bytes) -> Fingerprint:
    """What the bytes look like; there must be some."""
    return next(one for one in FINGERPRINTS if one.matches(heard))
