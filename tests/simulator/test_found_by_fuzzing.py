"""What `python -m fuzz simulator` found: lines that made the simulator raise or fall silent, by profile."""

from __future__ import annotations

import pytest

from fuzz.targets import settings, simulator


def input_for(profile: str, *lines: bytes) -> bytes:
    """An input of the target, with a module that has an address."""
    return bytes([simulator.PROFILE_NAMES.index(profile), 0, 0]) + b"\n".join(lines)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            input_for("2.0", b"AT+CWMODE=2", b'AT+CIPSTART="TCP","00.0.2.2",7000'),
            id="an address with leading zeros",
        ),
        pytest.param(
            input_for("2.0", b"AT+CWMODE=2", b'AT+CIPSTART="TCP","08.0.2.2",7000'),
            id="a part that is not octal",
        ),
        pytest.param(
            input_for(
                "2.0",
                b"AT+CWMODE=2",
                b'AT+CIPAP="192.168.7.1","192.168.7.1","255.0.255.0"',
                b'AT+CIPSTART="TCP","192.168.7.2",7000',
            ),
            id="a netmask with holes",
        ),
    ],
)
def test_answers_and_comes_to_rest(data: bytes) -> None:
    assert simulator.run(data) > 0


def test_an_overrun_loses_no_more_than_there_is() -> None:
    """The rest of a huge number was a range that filled the memory."""
    assert settings.run(b"\1overrun-up@1=100000000000") > 0
