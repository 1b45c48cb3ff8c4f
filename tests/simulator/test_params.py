"""The arguments of a set command, against what 1.0 and 2.0 took and refused (real-firmware 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esp32sock.simulator.firmware.commands.params import Arguments, decode, encode
from esp32sock.simulator.firmware.results import CommandRefused

NUMBERS = [
    (b"5", 5),
    (b"05", 5),
    (b"0x5", 5),
    (b"0X1c200", 115200),
    (b"-1", -1),
    (b"4294967301", 4294967301),
]
NO_NUMBERS = [b" 5", b"5 ", b"+5", b"5.0", b'"5"', b"a", b"5a", b"0x", b"--1", b"5;6"]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers(text, value):
    assert Arguments(text).integer(-10, 1 << 40) == value


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number(text):
    with pytest.raises(CommandRefused) as refusal:
        Arguments(text).integer(0, 10)
    assert refusal.value.code == 0x01080000


STRINGS = [
    (b'"abc"', ["abc"]),
    (b'""', [""]),
    (b'"a,b"', ["a,b"]),
    (rb'"ab\\\,c","0123456789\"\\"', ["ab\\,c", '0123456789"\\']),
    (rb'"\E\s\p"', ["Esp"]),
    (b'"Espressif","', ["Espressif", ""]),
]
BROKEN = [b'"abc', b'"abc""', b'""""', b'"abc" ', b' "abc"', b"abc", b'"\\"', b'"a"b']


@pytest.mark.parametrize(("text", "values"), STRINGS)
def test_strings(text, values):
    arguments = Arguments(text)
    assert [arguments.string(64) for _ in values] == values
    arguments.end()


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_string(text):
    with pytest.raises(CommandRefused) as refusal:
        Arguments(text).string(64)
    assert refusal.value.code == 0x01080000


def test_omitted_fields_take_their_defaults():
    arguments = Arguments(b'"a",,3,')
    assert arguments.count == 4
    assert arguments.string(8) == "a"
    assert arguments.integer(0, 9, default=7) == 7
    assert arguments.integer(0, 9) == 3
    assert arguments.string(8, default="x") == "x"
    assert arguments.string(8, default="beyond the end") == "beyond the end"


@pytest.mark.parametrize(
    ("text", "read", "code"),
    [
        (b"1,a", lambda a: (a.integer(0, 9), a.integer(0, 9)), 0x01080001),
        (b"1,10", lambda a: (a.integer(0, 9), a.integer(0, 9)), 0x01070002),
        (b'"abc"', lambda a: a.string(2), 0x01040001),
        (b"1,2,3", lambda a: a.expect(1, 1), 0x01060103),
        (b"1", lambda a: a.expect(5, 5), 0x01060501),
        (b"1,2", lambda a: (a.integer(0, 9), a.end()), 0x01060102),
    ],
)
def test_codes(text, read, code):
    """real-firmware 4: 08 counts fields from 0, 04 and 07 from 1, 06 is needed and given."""
    with pytest.raises(CommandRefused) as refusal:
        read(Arguments(text))
    assert refusal.value.code == code


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_escaped_strings_come_back(values):
    text = b",".join(
        b'"%b"' % b"".join(b"\\%c" % byte if byte in b'\\",' else bytes([byte]) for byte in value)
        for value in values
    )
    arguments = Arguments(text)
    assert [encode(arguments.string(64)) for _ in values] == values
    arguments.end()


@given(st.binary(max_size=60))
def test_any_text_is_read_or_refused(text):
    for read in (lambda a: a.string(64), lambda a: a.integer(0, 9), lambda a: a.integer(0, 9, default=None)):
        arguments = Arguments(text)
        try:
            while arguments.left:
                read(arguments)
        except CommandRefused:
            pass


@given(st.binary())
def test_text_is_kept_exactly(data):
    assert encode(decode(data)) == data
