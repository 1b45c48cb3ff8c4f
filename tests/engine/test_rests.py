"""The rests of the reading task: never longer than what is missing needs, and none on a quick line."""

from __future__ import annotations

import pytest

from esp32sock.engine.rests import FEW_BYTES, LONGEST_S, ROOM_BYTES, USUAL_S, Rests


@pytest.mark.parametrize(
    ("baud", "missing_bytes", "wanted_s"),
    [
        (9600, 1400, LONGEST_S),
        (115200, 1400, FEW_BYTES * 10 / 115200),
        (115200, 20, 20 * 10 / 115200),
        (115200, 11, 0.0),
        (921600, 5000, USUAL_S),
        (921600, 50, 0.0),
        (3000000, 5000, ROOM_BYTES * 10 / 3000000),
        (921600, 0, 0.0),
    ],
)
def test_a_rest_ends_before_the_block_can(baud: int, missing_bytes: int, wanted_s: float) -> None:
    rests = Rests()
    rests.after(92, 0, 10 / baud, 10.0)
    rest_s = rests.after(int(0.001 * baud / 10), missing_bytes, 10 / baud, 10.001)
    assert rest_s == pytest.approx(wanted_s)
    assert rest_s * baud / 10 <= missing_bytes


def test_there_is_none_where_bytes_come_faster_than_the_line() -> None:
    rests = Rests()
    rests.after(100, 0, 10 / 921600, 10.0)
    assert rests.after(4095, 4000, 10 / 921600, 10.001) == 0.0
    assert rests.after(92, 4000, 10 / 921600, 10.002) == USUAL_S
