"""The ESP8266: the NonOS line, which is another code base, and the 2.x releases, which are the ESP32's.

Sources: at-dialects 1.1, 3.1, 3.5, 7.5 and 7.7, transcripts 32 and 37, and what those name; no capture of an
ESP8266 exists, so a trait that none of them mentions is that of the nearest ESP32 generation and a guess.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from esp32sock.simulator.profiles.basic import V0_10, V2_2, changed
from esp32sock.simulator.profiles.esp8266_tcpip import ESP8266_2_2, ESP8266_2_3, ESP8266_COMMANDS, NONOS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esp32sock.simulator.profiles.base import Profile

_TWINS = ("CWMODE", "CWJAP", "CWSAP", "CWDHCP", "CWDHCPS", "CIPSTAMAC", "CIPAPMAC", "CIPSTA", "CIPAP")
"""Each with _CUR and _DEF (at-dialects 1.1)."""

_NONOS_BASIC = changed(
    V0_10, " ".join(f"{name}_{when}:{V0_10[name]}" for name in _TWINS for when in ("CUR", "DEF"))
)
_2_X_BASIC = changed(V2_2, "", removed="BLEINIT BLEADDR")


def profiles(base: Mapping[str, Profile]) -> tuple[Profile, ...]:
    """The profiles, made from those of 0.10 and 2.2."""
    nonos = replace(
        base["0.10"],
        name=NONOS,
        version=(
            "AT version:1.7.4.0(May 11 2020 19:13:04)",
            "SDK version:3.0.4(9532ceb)",
            "compile time:May 27 2020 10:12:17",
            "Bin version(Wroom 02):1.7.4",
        ),  # the form is that of the releases, the build numbers are a guess
        commands=_NONOS_BASIC | ESP8266_COMMANDS[NONOS],
        error_codes_always=False,
        prompt=(b"\r\nOK\r\n> ",),  # at-dialects 1.1, transcript 37
        busy_sending=b"\r\nbusy s...\r\n",  # at-dialects 3.1
        no_access_point_line="No AP",
        tcp_already_line="ALREADY CONNECTED",
        version_ends_open=False,
        line_crash=None,
        line_limit=256,
        unfinished_limit=None,
        nul_ends_search=False,
    )
    two_2 = replace(
        base["2.2"],
        name=ESP8266_2_2,
        version=(
            "AT version:2.2.1.0(b097cdf - ESP8266 - Jun 17 2021 12:57:45)",
            "SDK version:v3.4-22-g967752e2",
            "compile time(6800286):Aug  4 2021 17:20:05",
            "Bin version:2.2.1(ESP8266_1MB)",
        ),  # the form is at-dialects 5.2, the build numbers are a guess
        commands=_2_X_BASIC | ESP8266_COMMANDS[ESP8266_2_2],
    )
    two_3 = replace(
        two_2,
        name=ESP8266_2_3,
        version=(
            "AT version:2.3.0.0(8d3d5f5 - ESP8266 - Dec 10 2021 03:17:26)",
            "SDK version:v3.4-58-gb0b9ff4",
            "compile time(f5a2c7e):Dec 13 2021 06:20:15",
            "Bin version:2.3.0(ESP8266_4MB)",
        ),  # the form is at-dialects 5.2, the build numbers are a guess
        commands=_2_X_BASIC | ESP8266_COMMANDS[ESP8266_2_3],
    )
    return nonos, two_2, two_3
