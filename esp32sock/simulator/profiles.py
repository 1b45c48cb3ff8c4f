"""What each firmware generation has and how it spells it. Data only: the code that reads it is in
`firmware/`.

How to read it. A `Profile` is one row of at-dialects 1.2, written as the difference to the row before
(`replace`). `commands` says which commands exist and in which forms (t test, q query, s set, e execute), in
the order of AT+CMD?; a command that is not listed, or not in that form, is refused like an unknown one. A
command appears here when the simulator can answer it. Sources are named where a value is observed on firmware
or stated in a document; the rest is marked as a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One firmware generation."""

    name: str
    version: tuple[str, ...]
    """The lines of AT+GMR."""
    commands: Mapping[str, str]

    # The command line
    line_limit: int | None = 256
    """The longest line with its CR LF that is taken; None: none was found."""
    sees_stale_line_end: bool = False
    """CR straight after an equally long line is completed by the old LF still in the buffer (sweep of AT,
    2.0).
    """
    error_codes_always: bool = False
    """`ERR CODE:` lines without AT+SYSLOG (observed 1.0)."""

    # Data phase
    prompt: tuple[bytes, ...] = (b"\r\nOK\r\n\r\n>",)
    """The writes that invite payload: something unsolicited may stand between two of them (at-dialects 7.5).
    """
    says_recv: bool = True
    send_failure: bytes = b"\r\nSEND FAIL\r\n"
    send_limit: int = 8192
    empty_send_waits: bool = False
    """A length of 0 or less gives a prompt that nothing fills (observed 2.0)."""

    # Links
    announces_tcp: bool = True
    """CIPSTART prints CONNECT for streams too (at-dialects 7.4, 10.1)."""
    wedges_on_second_start: bool = False
    """CIPSTART on an open link: the next CIPCLOSE or CIPSTART never answers (observed 2.0)."""
    host_name_limit: int = 128
    ipd_limit: int = 2920
    ipd_address: str = ',"{address}",{port}'
    ipd_trailer: bytes = b"\r\n"
    tcp_already_line: str | None = None
    """Printed before ERROR when CIPSTART names an open link."""

    # Spelling of answers
    dinfo_words: tuple[str, str] = ("false", "true")
    domain_quoted: bool = True
    cwjap_fields: int = 9
    """How many fields the answer of AT+CWJAP? has (at-dialects 6)."""
    free_ram: str = "175960"
    cwlap_parentheses: bool = True
    cipsta_lines: tuple[str, ...] = (
        '+CIPSTA:ip:"{subnet.address}"',
        '+CIPSTA:gateway:"{subnet.gateway}"',
        '+CIPSTA:netmask:"{subnet.netmask}"',
    )
    """Three on every firmware (at-dialects 6)."""

    # Wi-Fi
    default_cwmode: int = 2
    """After AT+RESTORE: observed 1.0, 2.0, 4.1."""
    lowest_cwmode: int = 0
    cwmode_auto_connect: bool = True
    """CWMODE has a second field, from 2.1 on (at-dialects 6)."""
    wifi_lines: bool = True
    """Prints WIFI CONNECTED and its like; the 2017 document knows none of them."""
    joins_before_ready: bool = False
    """WIFI CONNECTED may come before `ready` (observed 4.1)."""


def _forms(text: str) -> dict[str, str]:
    """`NAME:forms` words into a table that keeps their order."""
    return dict(word.split(":") for word in text.split())


def _changed(table: Mapping[str, str], changes: str, *, removed: str = "") -> dict[str, str]:
    """A table with words added or given other forms, and names taken away."""
    result = {**table, **_forms(changes)}
    for name in removed.split():
        del result[name]
    return result


# The commands of the 2017 document in the order of its chapters. CWMODE has the test form (V1.0 4.2.1).
_DOC_COMMANDS = _forms(
    """
    AT:e RST:e GMR:e ATE0:e ATE1:e RESTORE:e UART:s UART_CUR:s UART_DEF:s SYSRAM:q
    CWMODE:tqs CWJAP:qs CWQAP:e CIPSTA:q
    CIPSTATUS:e CIPDOMAIN:s CIPSTART:s CIPSEND:s CIPCLOSE:se CIFSR:e CIPMUX:qs CIPMODE:qs CIPDINFO:s
    """
)

# Observed 2.0 (sweep, basic): queries of UART and CIPDINFO, CIPSEND=? answers a plain OK, SYSLOG is new.
_V2_0_COMMANDS = _changed(_DOC_COMMANDS, "UART:qs UART_CUR:qs UART_DEF:qs CIPDINFO:qs CIPSEND:ts SYSLOG:qs")
_V2_1_COMMANDS = _changed(_V2_0_COMMANDS, "SYSSTORE:qs")  # at-dialects 5
# CMD? from 2.2, CIPSTATE? from 2.4 (at-dialects 1.2). Neither CWMODE=? nor CIPSEND=? (cmd-list of 4.1; when
# they went is a guess).
_V2_4_COMMANDS = _changed(_V2_1_COMMANDS, "CMD:q CIPSTATE:q CWMODE:qs CIPSEND:s")

_V2_0 = Profile(
    name="2.0",
    version=(
        "AT version:2.0.0.0(e44648c - Nov  4 2019 02:18:57)",
        "SDK version:v3.3",
        "compile time(7cac7ad):Nov  4 2019 06:11:40",
        "Bin version:2.0.0(WROOM-32)",
    ),  # observed 2.0
    commands=_V2_0_COMMANDS,
    line_limit=None,
    sees_stale_line_end=True,
    prompt=(b"\r\nOK\r\n", b"\r\n>"),
    send_limit=2048,
    empty_send_waits=True,
    wedges_on_second_start=True,
    domain_quoted=False,
    cwjap_fields=7,
    cwmode_auto_connect=False,
)

_V2_1 = replace(
    _V2_0,
    name="2.1",
    # The form is at-dialects 5.2, the build numbers are a guess.
    version=(
        "AT version:2.1.0.0(883f7f2 - Jul 24 2020 11:50:07)",
        "SDK version:v4.0.1-193-ge7ac221",
        "compile time(0ad6331):Jul 28 2020 02:47:21",
        "Bin version:2.1.0(WROOM-32)",
    ),
    commands=_V2_1_COMMANDS,
    line_limit=256,
    sees_stale_line_end=False,
    empty_send_waits=False,  # a guess: seen on 2.0, gone in 4.1
    wedges_on_second_start=False,  # a guess: seen on 2.0, gone in 4.1
    cwjap_fields=8,
    cwmode_auto_connect=True,
)

_V2_4 = replace(
    _V2_1,
    name="2.4",
    # The form is at-dialects 5.2, the build numbers are a guess.
    version=(
        "AT version:2.4.0.0(4c6eb5e - ESP32 - May 20 2022 03:12:58)",
        "SDK version:qa-test-v4.3.3-20220423",
        "compile time(5d45f46):May 20 2022 11:50:48",
        "Bin version:2.4.0(WROOM-32)",
    ),
    commands=_V2_4_COMMANDS,
    prompt=(b"\r\nOK\r\n\r\n>",),
    send_limit=8192,
    domain_quoted=True,
    cwjap_fields=9,
    free_ram="184940,167172",
)

_DOC_V1 = replace(
    _V2_0,
    name="doc-v1",
    version=(
        "AT version:1.0.0.0(Jan 20 2017 10:00:00)",
        "SDK version:v2.0",
        "compile time:Jan 20 2017 11:00:00",
    ),  # the three lines of V1.0 3.2.3; what stands in them is ours
    commands=_DOC_COMMANDS,
    line_limit=256,
    sees_stale_line_end=False,
    prompt=(b"\r\n>",),  # "Wrap return > after the set command": no OK (V1.0 5.2.4)
    says_recv=False,
    send_failure=b"\r\nERROR\r\n",  # V1.0 5.2.4
    empty_send_waits=False,
    announces_tcp=False,  # V1.0 5.2.3
    wedges_on_second_start=False,
    ipd_limit=1460,
    ipd_address=",{address},{port}",  # V1.0 5.2.17
    ipd_trailer=b"",
    tcp_already_line="ALREADY CONNECT",  # V1.0 5.2.3
    cwjap_fields=4,
    free_ram="148408",
    cwlap_parentheses=False,
    cipsta_lines=('+CIPSTA:"{subnet.address}"',),  # V1.0 4.2.13
    lowest_cwmode=1,
    wifi_lines=False,
)

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (_DOC_V1, _V2_0, _V2_1, _V2_4)}

DEFAULT_PROFILE = "2.4"


def profile_named(name: str) -> Profile:
    """The profile of that name. Raises ValueError naming those that exist."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ValueError(f"no profile {name!r}; there are {', '.join(PROFILES)}") from None
