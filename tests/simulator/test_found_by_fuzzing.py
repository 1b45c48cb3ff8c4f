"""What `python -m fuzz simulator` found: lines that made the simulator raise or fall silent, by profile."""

from __future__ import annotations

import pytest

from fuzz.targets import settings, simulator


def input_for(profile: str, *lines: bytes) -> bytes:
    """An input of the target, with a module that has an address."""
    return bytes([simulator.PROFILE_NAMES.index(profile), 0, 0]) + b"\n".join(lines)


RICH_5_0 = bytes([simulator.PROFILE_NAMES.index("5.0"), simulator.RICH | 0xC, 0])
"""The settings of an input: a paced module with a phone beside it."""


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
        *(
            pytest.param(
                RICH_5_0 + b"AT+CWSTARTSMART\n\2\2\n\2\2\n\2\1\n" + line + b"\n\2\4\nAT+CWJAP?",
                id=f"while SmartConfig waits for an address: {line.decode()}",
            )
            for line in (b'AT+CWJAP="p",', b'AT+CWJAP="Espressif",""', b"AT+CWQAP", b"AT+CWMODE=2")
        ),
    ],
)
def test_answers_and_comes_to_rest(data: bytes) -> None:
    assert simulator.run(data) > 0


def test_an_overrun_loses_no_more_than_there_is() -> None:
    """The rest of a huge number was a range that filled the memory."""
    assert settings.run(b"\1overrun-up@1=100000000000") > 0


@pytest.mark.parametrize(
    "link", ['"x"', "5", '{"<tuple>": ["TCP", "10.0.2.2", 7e2, 0]}', '{"<tuple>": [1, 2, 3, 4]}']
)
def test_a_flash_file_that_holds_no_link_for_passthrough(link: str) -> None:
    """Only what a firmware stores there is resumed; anything else made the simulator raise."""
    flash = f'{{"cwmode": 1, "ssid": "Espressif", "password": "", "translink": {link}}}'
    assert settings.run(b"\4" + flash.encode()) > 0
