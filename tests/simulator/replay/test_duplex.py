"""The comparison of duplex sections: what counts as a difference, on exchanges made by hand."""

import pytest

from .capture import Capture
from .comparing import compare
from .replaying import Exchange, Replay


def equal(*printed: tuple[bytes, bytes]) -> list[bool]:
    """Which exchanges of one section are equal, each given as recorded and simulated."""
    capture = Capture("esp-at-v2.0-duplex", "v2.0", "duplex", [])
    exchanges = [
        Exchange("duplex", number, b"AT\r\n", recorded, simulated)
        for number, (recorded, simulated) in enumerate(printed)
    ]
    compare(Replay(capture, exchanges))
    return [exchange.equal for exchange in exchanges]


BLOCK = b"\r\n+IPD,0,3:abc\r\n"
OK = b"\r\nOK\r\n"


def test_a_block_may_come_in_another_exchange() -> None:
    assert equal((b"A" + OK + BLOCK, b"A" + OK), (b"B" + OK, b"B" + OK), (b"C" + OK, BLOCK + b"C" + OK)) == [
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("text", [b"0,CLOSED\r\n", b"\r\nbusy p...\r\n", b"ready\r\n"])
def test_a_text_that_is_not_recorded_is_a_difference(text: bytes) -> None:
    same = (b"A" + OK, b"A" + OK)
    assert equal(same, (b"B" + OK + BLOCK, BLOCK + b"B" + OK + text), same) == [True, False, True]


def test_a_recorded_text_that_is_missing_is_a_difference() -> None:
    same = (b"A" + OK, b"A" + OK)
    assert equal(same, (b"B" + OK + BLOCK + b"0,CLOSED\r\n", b"B" + OK + BLOCK), same) == [True, False, True]


def test_other_payload_is_a_difference() -> None:
    assert equal((BLOCK + b"A" + OK, b"A" + OK + BLOCK.replace(b"abc", b"abd"))) == [False]
