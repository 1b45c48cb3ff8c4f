"""What each firmware generation has and how it spells it. Data only: the code that reads it is in
`firmware/`.

How to read it. A `Profile` (base.py) is one row of at-dialects 1.2, written as the difference to the row
before (`replace`). `commands` says which commands exist and in which forms (t test, q query, s set, e
execute), in the order of AT+CMD?; those of chapters 3 and 4 are in basic.py, those of chapter 5 in
tcpip.py. A command that is not listed, or not in that form, is refused like an unknown one. It
appears there when the simulator can answer it. Sources are named where a value is observed on firmware or
stated in a document; the rest is marked as a guess.
"""

from __future__ import annotations

from dataclasses import replace

from esp32sock.simulator.profiles import basic, esp8266
from esp32sock.simulator.profiles.base import Profile as Profile
from esp32sock.simulator.profiles.tcpip import COMMANDS as TCPIP_COMMANDS

_V2_0 = Profile(
    name="2.0",
    version=(
        "AT version:2.0.0.0(e44648c - Nov  4 2019 02:18:57)",
        "SDK version:v3.3",
        "compile time(7cac7ad):Nov  4 2019 06:11:40",
        "Bin version:2.0.0(WROOM-32)",
    ),  # observed 2.0
    commands=basic.V2_0 | TCPIP_COMMANDS["2.0"],
    line_limit=None,
    sees_stale_line_end=True,
    prompt=(b"\r\nOK\r\n", b"\r\n>"),
    send_limit=2048,
    empty_send_waits=True,
    wedges_on_second_start=True,
    domain_quoted=False,
    cwjap_fields=7,
    join_defaults=(0, 0, 0, 0, 0),  # observed 2.0
    hides_listen_interval=True,
    cwmode_auto_connect=False,
    highest_sleep=2,
    highest_sysmsg=3,
    rf_power=(72, 2, 2, 2),
    restore_quiet=True,
    reads_parity=False,
    scan_takes_words=True,
    certificates_in_nvs=False,
    cwlap_fields=5,
    lowest_scan_mask=-1,
    scan_filters=False,
    smartconfig_fields=2,
    softap_stations=4,
    softap_most_stations=10,
    keeps_softap_password=True,
    long_ssid_runs_on=True,
    has_ethernet=True,
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
    commands=basic.V2_1 | TCPIP_COMMANDS["2.1"],
    line_limit=256,
    sees_stale_line_end=False,
    empty_send_waits=False,  # a guess: seen on 2.0, gone in 4.1
    wedges_on_second_start=False,  # a guess: seen on 2.0, gone in 4.1
    cwjap_fields=8,
    join_defaults=(0, 0, 0, 0, 1),  # seen on 2.1 (transcript 26)
    hides_listen_interval=False,
    cwmode_auto_connect=True,
    highest_sysmsg=7,
    rf_power=(72, 0, 0, 0),
    restore_quiet=False,
    reads_parity=True,
    scan_takes_words=False,
    cwlap_fields=11,  # from 2.1 or 2.2 on (at-dialects 6)
    lowest_scan_mask=0,
    scan_filters=True,
    keeps_softap_password=False,  # this and the next two: a guess, seen on 2.0, gone in 4.1
    long_ssid_runs_on=False,
    has_ethernet=False,
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
    commands=basic.V2_4 | TCPIP_COMMANDS["2.4"],
    prompt=(b"\r\nOK\r\n\r\n>",),
    send_limit=8192,
    domain_quoted=True,
    cwjap_fields=9,
    join_defaults=(0, 1, 3, 0, 1),
    free_ram="184940,167172",
)

_V1_0 = replace(
    _V2_0,
    name="1.0",
    version=(
        "AT version:1.0.0.0(d5b1ad0 - Nov 14 2017 09:49:29)",
        "SDK version:v2.1-4-gd9f48d1",
        "compile time:Nov 15 2017 03:02:09",
    ),  # the form is observed, the numbers are a guess
    commands=basic.V1_0 | TCPIP_COMMANDS["1.0"],
    restore_quiet=False,
    scan_takes_words=False,
    error_codes_always=True,
    ipd_address=",{address},{port}",  # at-dialects 7.6
    ipd_trailer=b"",  # observed 1.0
    sees_stale_line_end=False,
    answers_before_ready_s=0.0,  # a guess: seen on 2.0 and 4.1
    wedges_on_second_start=False,
    dinfo_words=("FALSE", "TRUE"),  # observed 1.0
    cwjap_fields=4,
    version_ends_open=True,
    line_crash=1023,
    unfinished_limit=128,
    nul_ends_search=True,
    comma_ends_echo=False,
    default_sleep=0,
    joins_open_with_password=True,
    address_failure=0,
    smartconfig_fields=1,
    has_ethernet=False,
    softap_lines=False,
)

_V0_10 = replace(
    _V1_0,
    name="0.10",
    version=("AT version:0.10.0.0(Jun 12 2017 05:47:13)", "SDK version:v2.0-2-g8ad0d3d"),  # at-dialects 5.2
    commands=basic.V0_10 | TCPIP_COMMANDS["0.10"],
    cwlif_prefix="",
    no_access_point_line="No AP",
    lowest_cwmode=1,  # mode 0 from 1.0 on (at-dialects 6)
    tcp_already_line="ALREADY CONNECTED",  # at-dialects 3.5; that it goes to the AT port is a guess
)

_V1_2 = replace(
    _V1_0,
    name="1.2",
    # The form is at-dialects 5.2, the build numbers are a guess.
    version=(
        "AT version:1.2.0.0(2be4a2a - Jun 26 2019 05:33:24)",
        "SDK version:v3.2.2-144-g96d96e9",
        "compile time:Jul  1 2019 06:08:43",
        "Bin version:1.2.0(WROOM-32)",
    ),
    commands=basic.V1_2 | TCPIP_COMMANDS["1.2"],
    version_ends_open=False,
    line_crash=None,
    unfinished_limit=None,
    nul_ends_search=False,  # this and the two before: a guess
    restore_closes_first=True,
    has_ethernet=True,  # Ethernet builds from 1.2 on (at-dialects 3.4); that bit 2 shows is a guess
    line_limit=256,
)

_V2_2 = replace(
    _V2_1,
    name="2.2",
    version=(
        "AT version:2.2.0.0(c6fa6bf - ESP32 - Jul  2 2021 06:44:05)",
        "SDK version:v4.2.2-76-gefa6eca",
        "compile time(3a696ba):Jul  2 2021 11:54:43",
        "Bin version:2.2.0(WROOM-32)",
    ),  # the form is at-dialects 5.2, the build numbers are a guess
    commands=basic.V2_2 | TCPIP_COMMANDS["2.2"],
    domain_quoted=True,
    cwjap_fields=9,
    join_defaults=(0, 1, 3, 0, 1),
    free_ram="184940,167172",  # two numbers from 2.2 on (at-dialects 5)
)

_V3_2 = replace(
    _V2_4,
    name="3.2",
    version=(
        "AT version:3.2.0.0(s-9300c3d - ESP32 - Jul 11 2023 05:58:29)",
        "SDK version:v5.0.2-376-g24b9d38a24-dirty",
        "compile time(3dce3b4b):Jul 19 2023 15:12:53",
        "Bin version:v3.2.0.0(WROOM-32)",
    ),  # the form is at-dialects 5.2, the build numbers are a guess
    highest_sleep=3,
    commands=basic.V3_2 | TCPIP_COMMANDS["3.2"],
    certificates_in_nvs=True,
)

_V3_4 = replace(
    _V3_2,
    name="3.4",
    version=(
        "AT version:3.4.0.0(s-ad3d8d5 - ESP32 - Jun  7 2024 03:48:25)",
        "SDK version:v5.0.6-dirty",
        "compile time(aea8a5ef):Jun  7 2024 13:07:26",
        "Bin version:v3.4.0.0(WROOM-32)",
    ),  # the form is at-dialects 5.2, the build numbers are a guess
    commands=basic.V3_2 | TCPIP_COMMANDS["3.4"],
)

_V4_1 = replace(
    _V3_4,
    name="4.1",
    version=(
        "AT version:4.1.1.0(s-6b30d86 - ESP32 - Jul 25 2025 07:12:37)",
        "SDK version:v5.4.2-643-g8ad0d3d8f2",
        "compile time(ad0da22c):Jul 25 2025 11:00:13",
        "Bin version:v4.1.1.0(WROOM-32)",
    ),  # the form is observed, the build numbers are a guess
    commands=basic.V4_1 | TCPIP_COMMANDS["4.1"],
    listing=basic.V4_1_LISTING,
    joins_before_ready=True,
    highest_cwmode=4,
    coded_ranges=False,
    rf_power=(72,),
    softap_stations=10,
    softap_most_stations=15,
)

_V4_2 = replace(
    _V4_1,
    name="4.2",
    version=(
        "AT version:4.2.0.0(s-bbccb5e - ESP32 - Feb  9 2026 02:41:25)",
        "SDK version:v5.5.1",
        "compile time(28167d3f):Mar  2 2026 11:02:16",
        "Bin version:v4.2.0.0(WROOM-32)",
    ),  # the form is observed, the build numbers are a guess
    commands=basic.V4_2 | TCPIP_COMMANDS["4.2"],
    rf_power=(72, 0, 0, 0),
    free_ram="130984,126728",
    offered_version_hangs=True,
)

_V5_0 = replace(
    _V4_2,
    name="5.0",
    version=(
        "AT version:5.0.0.0(s-1c0a2b3 - ESP32 - Nov 21 2025 08:31:07)",
        "SDK version:v5.5.1",
        "compile time(5a0e6f21):Nov 28 2025 09:42:50",
        "Bin version:v5.0.0.0(WROOM-32)",
    ),  # the form is that of 4.2, the build numbers are a guess
    commands=basic.V4_2 | TCPIP_COMMANDS["5.0"],
    listing={**basic.V4_1_LISTING, "CIPCONNPERSIST": "qs"},
    offered_version_hangs=False,  # a guess: seen on 4.2, without a server
)

_DOC_V1 = replace(
    _V2_0,
    name="doc-v1",
    version=(
        "AT version:1.0.0.0(Jan 20 2017 10:00:00)",
        "SDK version:v2.0",
        "compile time:Jan 20 2017 11:00:00",
    ),  # the three lines of V1.0 3.2.3; what stands in them is ours
    commands=basic.DOC | TCPIP_COMMANDS["doc-v1"],
    restore_quiet=False,
    reads_parity=True,
    scan_takes_words=False,
    lowest_scan_mask=0,
    capitals_only=True,
    comma_ends_echo=False,
    line_limit=256,
    sees_stale_line_end=False,
    prompt=(b"\r\n>",),  # "Wrap return > after the set command": no OK (V1.0 5.2.4)
    says_recv=False,
    send_failure=b"\r\nERROR\r\n",  # V1.0 5.2.4
    empty_send_waits=False,
    answers_before_ready_s=0.0,
    takes_blanks=True,
    announces_tcp=False,  # V1.0 5.2.3
    wedges_on_second_start=False,
    ipd_limit=1460,
    ipd_address=",{address},{port}",  # V1.0 5.2.17
    ipd_trailer=b"",
    tcp_already_line="ALREADY CONNECT",  # V1.0 5.2.3
    cwjap_fields=4,
    free_ram="148408",
    cwlap_parentheses=False,
    subnet_lines=('+{name}:"{subnet.address}"',),  # V1.0 4.2.13
    cipap_line='+CIPAP:"{subnet.address}","{subnet.gateway}","{subnet.netmask}"',
    auto_connect_needs_station=False,
    highest_sleep=1,  # V1.0 3.2.10
    has_ethernet=False,  # V1.0 4.2.8: two bits
    softap_password_bytes=64,
    cwlif_separator=", ",
    literal_addresses=True,
    smartconfig_words=("Smart get Wi-Fi info", "Smartconfig connected Wi-Fi"),
    cwlif_prefix="",  # V1.0 4.2.7
    dhcps_separator="=",  # V1.0 4.2.9
    softap_lines=False,
    lowest_cwmode=1,
    wifi_lines=False,
)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        *(_DOC_V1, _V0_10, _V1_0, _V1_2),
        *(_V2_0, _V2_1, _V2_2, _V2_4),
        *(_V3_2, _V3_4, _V4_1, _V4_2, _V5_0),
    )
}

ESP8266: dict[str, Profile] = {profile.name: profile for profile in esp8266.profiles(PROFILES)}
"""Those of another chip; the tables of the ESP32's generations do not hold for them."""

DEFAULT_PROFILE = "2.4"


def profile_named(name: str) -> Profile:
    """The profile of that name. Raises ValueError naming those that exist."""
    known = PROFILES | ESP8266
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"no profile {name!r}; there are {', '.join(known)}") from None
