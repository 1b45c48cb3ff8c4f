"""Checks of arguments that several commands share; ValueError before anything is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from esp32sock.at.chips import CHANNELS, CHANNELS_5_GHZ, chip_named
from esp32sock.at.framing import LINKS

if TYPE_CHECKING:
    from enum import IntEnum, IntFlag

    from esp32sock.at.firmware import Firmware

MAX_HOST_BYTES = 64
"""What the documents allow in CIPSTART from 3.x on (at-dialects 4.1); earlier ones take more (observed)."""

MAX_WITHIN_MS = 60_000
"""The longest time-out that CIPSTART and CIPDOMAIN take (at-dialects 7.2 and 7.4)."""

MAX_SSID_BYTES = 32
"""At-dialects 9; 33 are refused (observed 1.0, 2.0)."""

_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")


def one_of(kind: type[IntEnum], value: int) -> int:
    """A value that the enumeration has."""
    return int(kind(value))


def bits_of(kind: type[IntFlag], value: int) -> int:
    """Bits that the flags have, and no others."""
    most = sum(kind)
    if not 0 <= value <= most:
        raise ValueError(f"{int(value)} is not a set of {kind.__name__}, which is 0 to {most}")
    return int(value)


def checked_link(link_id: int) -> int:
    """A link id that one link can have."""
    if not 0 <= link_id < LINKS:
        raise ValueError(f"link id {link_id} is outside 0 to {LINKS - 1}")
    return link_id


def checked_port(port: int) -> int:
    """A port of TCP or UDP."""
    if not 1 <= port <= 65535:
        raise ValueError(f"port {port} is outside 1 to 65535")
    return port


def checked_host(host: str, limit_bytes: int = MAX_HOST_BYTES) -> str:
    """A name or address; an empty one resets firmware 1.0 and 2.0 (observed), so it is never sent."""
    if not host:
        raise ValueError("an empty host name cannot be sent: it restarts the module")
    length = len(host.encode())
    if length > limit_bytes:
        raise ValueError(f"a host name of {length} bytes: a command carries at most {limit_bytes}")
    return host


def checked_channel(channel: int, firmware: Firmware, channels: range = CHANNELS) -> int:
    """A Wi-Fi channel of these, or one of 5 GHz where the chip has them."""
    has_5_ghz = chip_named(firmware.chip).has_5_ghz
    if channel in channels or (has_5_ghz and channel in CHANNELS_5_GHZ):
        return channel
    also = f" and {CHANNELS_5_GHZ[0]} to {CHANNELS_5_GHZ[-1]}" if has_5_ghz else f" of the {firmware.chip}"
    raise ValueError(f"channel {channel} is outside {channels[0]} to {channels[-1]}{also}")


def checked_seconds(what: str, seconds: int, most: int = 7200) -> int:
    """A time from 0 (off) up."""
    if not 0 <= seconds <= most:
        raise ValueError(f"{what} {seconds} s is outside 0 to {most}")
    return seconds


def checked_milliseconds(within_ms: int | None, firmware: Firmware) -> int | None:
    """The time-out of a command that may have one, where the firmware takes one: 1 to 60000."""
    if within_ms is None:
        return None
    if not 1 <= within_ms <= MAX_WITHIN_MS:
        raise ValueError(f"time-out {within_ms} ms is outside 1 to {MAX_WITHIN_MS}")
    return within_ms if firmware.bounds_connecting else None


def checked_ssid(ssid: str) -> str:
    """A network's name: 1 to 32 bytes of UTF-8."""
    length = len(ssid.encode())
    if not 1 <= length <= MAX_SSID_BYTES:
        raise ValueError(f"an SSID has 1 to {MAX_SSID_BYTES} bytes, this one {length}")
    return ssid


def checked_mac(mac: str, *, group: bool = False) -> str:
    """A MAC address like `18:fe:35:98:d3:7b`; one of a group only where that makes sense (V1.0, 4.2.11)."""
    if not _MAC.fullmatch(mac):
        raise ValueError(f"{mac!r} is not a MAC address like 18:fe:35:98:d3:7b")
    if not group and (int(mac[:2], 16) & 1 or not int(mac.replace(":", ""), 16)):
        raise ValueError(
            f"{mac} cannot be one module's address: bit 0 of its first byte is set, or all are 0"
        )
    return mac.lower()
