"""What may differ between a capture and the simulated module, and nothing else.

- Local ports, and the ports of clients of the module's server: chosen by the network.
- Signal strength in CWJAP? and CWLAP; the order of CWLAP lines, which follows it.
- Free memory, times (clock, PING, SYSTIMESTAMP).
- Version and build texts of AT+GMR; the file table of AT+SYSFLASH? and AT+SYSMFG?, which is the build's.
- Boot and log text on the AT port of the 1.0 build, whose AT port is UART0.
- Whether a block falls between `Recv` and SEND OK or behind it: no rule, the emulator (real-firmware 2). The
  captures have both orders: in esp-at-v2.0-sweep before SEND OK behind line 2960, after it behind line 2892.
- Numbers in AT+CMD? and the lines of commands that only a third-party build has.
Where a pause falls never shows: an exchange is compared as one piece of bytes.
"""

from __future__ import annotations

import re

_VERSION_LINES = (
    rb"AT version:[^\r]*\r\nSDK version:[^\r]*\r\n(?:[A-Z]?[a-z -]*(?:compile time|Bin version)[^\r]*\r\n)*"
)

_RULES: tuple[tuple[re.Pattern[bytes], bytes], ...] = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        # Boot and log text of the 1.0 build.
        (rb"\x1b\[0;\d\dm[^\x1b]*\x1b\[0m\r\n", b""),
        (rb"ets [A-Z][a-z]{2} +\d+ \d{4} [\d:]+\r\n.*?entry 0x[0-9a-f]+\r\n", b""),
        (rb"Task watchdog got triggered[^\r]*\r\nTasks currently running:\r\n(?:CPU \d: [^\r]*\r\n)+", b""),
        (rb"abort\(\) was called at PC 0x[0-9a-f]+\r\n", b""),
        (rb"C\(the firmware's own assertion text[^)]*\)", b""),
        # Ports that the network chooses.
        (rb'(\+CIP(?:STATUS|STATE):\d,"[^"]*","[^"]*",\d+,)\d+(,0\r)', rb"\1PORT\2"),
        (rb'(\+CIP(?:STATUS|STATE):\d,"[^"]*","[^"]*",)\d+(,\d+,1\r)', rb"\1PORT\2"),
        (rb'(\+LINK_CONN:\d,\d,"[^"]*",0,"[^"]*",\d+,)\d+', rb"\1PORT"),
        (rb'(\+LINK_CONN:\d,\d,"[^"]*",1,"[^"]*",)\d+', rb"\1PORT"),
        (rb'(\+IPD,(?:\d,)?\d+,"?[\d.]+"?,)\d{5}:', rb"\1PORT:"),
        # Signal.
        (rb'(\+CWJAP:"[^\r]*","[0-9a-f:]{17}",\d+,)-\d+', rb"\1RSSI"),
        (rb'(\+CWLAP:\((?:\d+,)?(?:"[^"\r]*",)?)-\d+', rb"\1RSSI"),
        # Memory and time.
        (rb"(\+SYSRAM:)\d+", rb"\1N"),
        (rb"(\+SYSRAM:N,)\d+", rb"\1N"),
        (rb"(\+PING:)\d+", rb"\1N"),
        (rb"(\+SYSTIMESTAMP:)\d+", rb"\1N"),
        (rb"(\+CIPSNTPTIME:)[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]{8} \d{4}", rb"\1TIME"),
        # Versions, and the partition tables of the build.
        (_VERSION_LINES, b"VERSION\r\n"),
        (rb"(?:\+SYSFLASH:[^\r]*\r\n)+", b"PARTITIONS\r\n"),
        (rb"(?:\+SYSMFG:[^\r]*\r\n)+", b"PARTITIONS\r\n"),
        (rb"\+CMD:\d+,", b"+CMD:N,"),
        (rb'\+CMD:N,"AT\+(?:RMWVER|USERSLEEPCFG)[^\r]*\r\n', b""),
    )
)  # fmt: skip

_SCAN = re.compile(rb"(?:\+CWLAP:[^\r]*\r\n){2,}")

THIRD_PARTY = (b"AT+RMWVER", b"AT+CIPFWVER")
"""Commands of one build only: an exchange that asks for them is left out."""


def _in_order(match: re.Match[bytes]) -> bytes:
    return b"".join(sorted(match[0].splitlines(keepends=True)))


_BLOCK = re.compile(rb'\r\n\+IPD,(?P<link>\d,)?(?P<size>\d+)(?P<where>,"?[\d.]+"?,\d+)?:')


_RECV = re.compile(rb"\r\nRecv \d+ bytes\r\n(?=\r\n\+IPD,)")
SEND_OK = b"\r\nSEND OK\r\n"


def move_behind_send_ok(text: bytes) -> bytes:
    """A block between `Recv` and SEND OK stands behind the two."""
    match = _RECV.search(text)
    if match is None:
        return text
    end = match.end()
    while text.startswith(b"\r\n+IPD,", end):
        if block := _BLOCK.match(text, end):
            end = block.end() + int(block["size"])
            end += 2 * text.startswith(b"\r\n\r\n", end)  # the CR LF behind the data
        else:
            end = text.index(b"\r\n", end + 2) + 2  # a notice
    if not text.startswith(SEND_OK, end):
        return text
    blocks = text[match.end() : end]
    return text[: match.end()] + SEND_OK + blocks + text[end + len(SEND_OK) :]


def normalise(text: bytes) -> bytes:
    if b"+IPD," in text:
        text = move_behind_send_ok(text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _SCAN.sub(_in_order, text)
