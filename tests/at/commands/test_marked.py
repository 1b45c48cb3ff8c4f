"""SendMarked: a datagram by CIPSENDEX with a mark behind it."""

from __future__ import annotations

import pytest

from esp32sock.at.commands.sendex import SendMarked
from esp32sock.at.firmware import Firmware

FIRMWARE = Firmware((4, 1, 0, 0))


def test_only_the_mark_ends_it() -> None:
    command = SendMarked(4, b"a+++", ("10.0.2.2", 7005))
    assert command.line(FIRMWARE) == b'AT+CIPSENDEX=4,7,"10.0.2.2",7005'
    assert bytes(command.payload or b"") == rb"a+++\0"
    assert command.acknowledged_bytes == 4
    assert SendMarked(0, b"a+++").line(FIRMWARE) == b"AT+CIPSENDEX=0,7"


@pytest.mark.parametrize("data", [b"", rb"a\+++", b"x" * 8190])
def test_what_cannot_go_so(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes|backslash"):
        SendMarked(0, data).line(FIRMWARE)


@pytest.mark.parametrize(
    ("version", "known"),
    [((1, 0, 0, 0), True), ((1, 2, 0, 0), False), ((2, 0, 0, 0), False), ((2, 1, 0, 0), False),
     ((2, 4, 0, 0), False), ((4, 1, 1, 0), True), ((4, 2, 0, 0), False), ((0, 0, 0, 0), False)],
)  # fmt: skip
def test_where_it_is_known_to_work(version: tuple[int, int, int, int], known: bool) -> None:
    assert Firmware(version).ends_sending_at_mark is known
