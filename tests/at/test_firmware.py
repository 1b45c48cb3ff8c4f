"""What each firmware generation says of itself, and what we conclude from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esp32sock.at.firmware import Firmware, parse_gmr

# Real ones come from real-firmware and transcripts, those of 0.10 and 3.4 are built by at-dialects 5.2.
GMR: list[tuple[list[bytes], tuple[int, int, int, int], str]] = [
    ([b"AT version:0.10.0.0(Jun 12 2017 05:47:13)", b"SDK version:v2.1-dev"], (0, 10, 0, 0), "ESP32"),
    (
        [
            b"AT version:1.0.b1.0(261a979 - Sep  6 2017 06:13:53)",
            b"SDK version:v2.1-2-g7138fb02",
            b"compile time:Oct 27 2017 14:36:17",
        ],
        (1, 0, 1, 0),
        "ESP32",
    ),
    (
        [b"AT version:1.1.3.0(5a40576 - Nov 28 2018 12:50:55)", b"Bin version:1.1.3(WROOM-32)"],
        (1, 1, 3, 0),
        "ESP32",
    ),
    ([b"AT version:1.2.0.0-dev(c3c7f6f - Jun 20 2018 07:40:00)"], (1, 2, 0, 0), "ESP32"),
    ([b"AT version:1.3.0.0-dev(6aafec8 - Dec  7 2018 02:23:19)"], (1, 3, 0, 0), "ESP32"),
    (
        [
            b"AT version:2.0.0.0(e44648c - Nov  4 2019 02:18:57)",
            b"SDK version:v3.3",
            b"compile time(7cac7ad):Nov  4 2019 06:11:40",
            b"Bin version:2.0.0(WROOM-32)",
        ],
        (2, 0, 0, 0),
        "ESP32",
    ),
    (
        [b"AT version:2.0.0.0-dev(8986ee3 - Sep 30 2019 07:33:23)", b"Bin version:00.10(WROOM-32)"],
        (2, 0, 0, 0),
        "ESP32",
    ),
    ([b"AT version:2.1.0.0-rc1(abc - Jul 24 2020 12:01:05)"], (2, 1, 0, 0), "ESP32"),
    (
        [b"AT version:2.1.0.0-dev(044790d - Dec 30 2019 10:16:10)", b"Bin version:2.0.0(WROOM-32)"],
        (2, 1, 0, 0),
        "ESP32",
    ),
    ([b"AT version:2.2.0.0-dev(ca41ec4 - ESP32 - Sep 16 2020 11:28:17)"], (2, 2, 0, 0), "ESP32"),
    ([b"AT version:2.5.0.0-dev(s-5d850d5 - ESP32C3 - Jul 15 2022 03:28:53)"], (2, 5, 0, 0), "ESP32C3"),
    ([b"AT version:3.4.0.0(s-0123456 - ESP32 - Jun  5 2024 03:03:59)"], (3, 4, 0, 0), "ESP32"),
    (
        [
            b"AT version:4.1.0.0-dev(s-b1dca01 - ESP32 - Jul 10 2025 11:41:05)",
            b"SDK version:v5.4.1-643-g8ad0d3d8f2-dirty",
            b"compile time(0980805f):Jul 16 2025 20:22:07",
            b"Bin version:v4.1.0.0-dev(WROOM-32)",
        ],
        (4, 1, 0, 0),
        "ESP32",
    ),
    (
        [
            b"AT version:4.2.0.0-dev(s-8a71d66 - ESP32C2 - Jul 30 2025 07:10:44)",
            b"Bin version:v4.2.0.0-dev(ESP32C2-2MB)",
        ],
        (4, 2, 0, 0),
        "ESP32C2",
    ),
    ([b"AT version:1.5.0.0(Oct 24 2017 12:03:18)", b"SDK version:2.1.0"], (1, 5, 0, 0), "ESP8266"),
    ([b"Ai-Thinker-compile time:x", b"AT version:2.4.0.0(s-1 - ESP32 - May  9)"], (2, 4, 0, 0), "ESP32"),
    ([b"AT version:2.4"], (2, 4, 0, 0), "ESP32"),
    ([b"AT version:v2.4.0.0"], (0, 0, 0, 0), "ESP32"),
    ([b"Bin version:2.4.0(WROOM-32)"], (0, 0, 0, 0), "ESP32"),
    ([], (0, 0, 0, 0), "ESP32"),
]


@pytest.mark.parametrize(("lines", "version", "chip"), GMR, ids=[repr(case[0][:1])[13:30] for case in GMR])
def test_gmr(lines: list[bytes], version: tuple[int, int, int, int], chip: str) -> None:
    firmware = parse_gmr(lines)
    assert firmware.version == version
    assert firmware.chip == chip
    if any(version):
        assert str(firmware).encode() in lines
        assert str(firmware).startswith("AT version:")


@given(st.lists(st.binary(max_size=60) | st.binary(max_size=60).map(lambda raw: b"AT version:" + raw)))
def test_any_lines_are_some_firmware(lines: list[bytes]) -> None:
    assert len(parse_gmr(lines).version) == 4


def test_a_version_of_absurd_length_is_none() -> None:
    assert parse_gmr([b"AT version:" + b"9" * 10_000 + b".0.0.0"]) == Firmware()


@pytest.mark.parametrize(
    ("version", "cipsend_max", "has_sysstore", "stalls"),
    [
        ((0, 0, 0, 0), 2048, False, False),
        ((0, 10, 0, 0), 2048, False, False),
        ((1, 0, 1, 0), 2048, False, False),
        ((1, 2, 0, 0), 2048, False, False),
        ((2, 0, 0, 0), 2048, False, True),
        ((2, 1, 0, 0), 2048, True, False),
        ((2, 2, 0, 0), 2048, True, False),
        ((2, 4, 0, 0), 8192, True, False),
        ((3, 2, 0, 0), 8192, True, False),
        ((4, 1, 0, 0), 8192, True, False),
        ((10, 0, 0, 0), 8192, True, False),
    ],
)
def test_what_each_allows(
    version: tuple[int, int, int, int], cipsend_max: int, has_sysstore: bool, stalls: bool
) -> None:
    firmware = Firmware(version)
    assert firmware.cipsend_max == cipsend_max
    assert firmware.has_sysstore is has_sysstore
    assert firmware.stalls_on_receive_while_sending is stalls


def test_at_least() -> None:
    firmware = Firmware((2, 4, 1, 0))
    assert firmware.at_least(2, 4)
    assert firmware.at_least(2)
    assert firmware.at_least(1, 9)
    assert not firmware.at_least(2, 5)
    assert not firmware.at_least(3)
