"""Text into a command line and back out of a response, against a parser of the firmware's own rule."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esp32sock.at.commands import tcpip, wifi
from esp32sock.at.firmware import Firmware
from esp32sock.at.params import MAX_LINE_BYTES, after_colon, command_line, fields, quote

UNKNOWN_FIRMWARE = Firmware()


class Refused(Exception):
    """What a module answers ERROR to."""


def as_the_module_reads(line: bytes) -> list[bytes | int | None]:
    r"""The parameters of `AT+NAME=...`, by what the 2.0 and 1.0 sweeps show.

    In a string `\x` is `x` for any x and an unescaped `"` ends it; behind it comes a comma or the end.
    Outside, a field is empty or a number.
    """
    if b"=" not in line:
        return []
    rest = line.split(b"=", 1)[1]
    found: list[bytes | int | None] = []
    at = 0
    while True:
        if rest[at : at + 1] == b'"':
            text, at = bytearray(), at + 1
            while rest[at : at + 1] != b'"':
                at += rest[at : at + 1] == b"\\"
                if at >= len(rest):
                    raise Refused
                text += rest[at : at + 1]
                at += 1
            at += 1
            found.append(bytes(text))
        else:
            end = rest.find(b",", at)
            raw = rest[at:] if end < 0 else rest[at:end]
            at += len(raw)
            found.append(int(raw) if raw else None)
        if at == len(rest):
            return found
        if rest[at : at + 1] != b",":
            raise Refused
        at += 1


def test_the_parser_itself() -> None:
    assert as_the_module_reads(rb'AT+CWJAP="ab\\\,c","0123456789\"\\"') == [
        rb"ab\,c",
        rb'0123456789"' + b"\\",
    ]
    assert as_the_module_reads(b'AT+CIPSTART="TCP","h",80,,"192.168.1.2"') == [
        b"TCP", b"h", 80, None, b"192.168.1.2",
    ]  # fmt: skip
    assert as_the_module_reads(rb'AT+X="\a\b"') == [b"ab"]
    for bad in (b'AT+X="a', b'AT+X="a"b', b'AT+X="a\\"', b"AT+X=a"):
        with pytest.raises((Refused, ValueError)):
            as_the_module_reads(bad)


# ---- quoting


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", b'""'),
        ("plain", b'"plain"'),
        (b"bytes", b'"bytes"'),
        ("ab\\,c", rb'"ab\\\,c"'),
        ('0123456789"\\', rb'"0123456789\"\\"'),
        (",", rb'"\,"'),
        ('"', rb'"\""'),
        ("\\", rb'"\\"'),
        ("\\n", rb'"\\n"'),
        ("Grüße", '"Grüße"'.encode()),
        ("+++ +IPD,0,5:", rb'"+++ +IPD\,0\,5:"'),
        ("tab\tand \x7f", b'"tab\tand \x7f"'),
    ],
)
def test_quote(text: str | bytes, quoted: bytes) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "a\r\nAT+RST", "\x00x", b"a\nb", "\r\n"])
def test_what_no_command_can_carry(bad: str | bytes) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        quote(bad)


@pytest.mark.parametrize("bad", ["correct horse\n", b"correct horse\n", "correct horse\udcff"])
def test_what_is_refused_is_not_shown(bad: str | bytes) -> None:
    with pytest.raises(ValueError, match="a text holds") as caught:
        quote(bad)
    assert "correct" not in repr(caught.value)


def test_text_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        quote("\udcff")


printable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))
anything = (
    st.text() | st.binary() | st.sampled_from(['"', "\\", ",", '\\"', '","', '",', "\r\n", "=", "\\\r"])
)


@given(st.one_of(printable, st.binary().map(lambda raw: re.sub(rb"[\r\n\0]", b"", raw))))
def test_any_text_comes_out_as_it_went_in(text: str | bytes) -> None:
    raw = text.encode() if isinstance(text, str) else text
    assert as_the_module_reads(b"AT+X=" + quote(text)) == [raw]
    assert as_the_module_reads(b"AT+X=" + quote(text) + b"," + quote(text)) == [raw, raw]


def bytes_on_the_wire(value: str | bytes | int | None) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return len(str(value))
    raw = value.encode() if isinstance(value, str) else value
    return 2 + len(raw) + sum(raw.count(special) for special in (b'"', b",", b"\\"))


def can_be_carried(value: str | bytes | int | None) -> bool:
    raw = value.encode() if isinstance(value, str) else value
    return not isinstance(raw, bytes) or not set(raw) & set(b"\r\n\0")


@given(st.lists(st.none() | st.integers(-(2**31), 2**31) | anything, max_size=6))
def test_a_line_is_one_line_and_holds_what_was_meant(values: list[str | bytes | int | None]) -> None:
    meant = [v.encode() if isinstance(v, str) else v for v in values]
    while meant and meant[-1] is None:
        meant.pop()
    length = len("AT+X") + len(meant) + sum(map(bytes_on_the_wire, meant))
    if not all(map(can_be_carried, values)) or length > MAX_LINE_BYTES:
        with pytest.raises(ValueError, match=r"CR, LF or NUL|254"):
            command_line("+X", *values)
        return
    line = command_line("+X", *values)
    assert len(line) == length
    assert not set(line) & set(b"\r\n\0")
    assert line.startswith(b"AT+X")
    assert as_the_module_reads(line) == meant


def test_a_parameter_is_a_number_text_or_nothing() -> None:
    assert command_line("") == b"AT"
    assert command_line("E0") == b"ATE0"
    assert command_line("+X") == b"AT+X"
    assert command_line("+X", None, None) == b"AT+X"
    assert command_line("+X", 1, None, "a", None) == b'AT+X=1,,"a"'
    assert command_line("+X", -1, 0, True) == b"AT+X=-1,0,1"


# ---- the limit


@pytest.mark.parametrize("length", [MAX_LINE_BYTES - 1, MAX_LINE_BYTES])
def test_the_longest_lines(length: int) -> None:
    text = "a" * (length - len('AT+X=""'))
    assert len(command_line("+X", text)) == length


@pytest.mark.parametrize("text", ["a" * 248, "\\" * 124, '"' * 124 + "a", "ü" * 124])
def test_longer_ones_are_refused_by_their_bytes_on_the_wire(text: str) -> None:
    with pytest.raises(ValueError, match="254"):
        command_line("+X", text)


def test_every_line_with_its_end_is_within_what_every_firmware_takes() -> None:
    assert MAX_LINE_BYTES + len(b"\r\n") <= 256


# ---- no argument ends its command and begins another

INJECTIONS = ["a\r\nAT+RST", "a\nb", "a\0b", "\r"]


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_command_lets_a_second_one_through(text: str) -> None:
    for command in (
        wifi.Join(text),
        wifi.Join("ssid", text),
        tcpip.OpenTcp(0, text, 80),
        tcpip.OpenTcp(None, text, 80),
        tcpip.Resolve(text),
    ):
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            command.line(UNKNOWN_FIRMWARE)


@given(anything, anything)
def test_joining_says_what_was_meant_or_refuses(ssid: str | bytes, password: str | bytes) -> None:
    if isinstance(ssid, bytes) or isinstance(password, bytes):
        return
    try:
        line = wifi.Join(ssid, password).line(UNKNOWN_FIRMWARE)
    except ValueError:
        return
    assert as_the_module_reads(line) == [ssid.encode(), password.encode()]


# ---- responses


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b'0,"TCP","10.0.2.2",7000,61510,0', ["0", "TCP", "10.0.2.2", "7000", "61510", "0"]),
        (b"115201,8,1,0,1", ["115201", "8", "1", "0", "1"]),
        (b"", [""]),
        (b",", ["", ""]),
        (b"100,,,,,", ["100", "", "", "", "", ""]),
        (b'""', [""]),
        (b'"",1', ["", "1"]),
        (b'"a,b",1', ["a,b", "1"]),
        (b'"say "hi"",-40', ['say "hi"', "-40"]),
        (b'"open', ['"open']),
        (b'"a"b,c', ['"a"b', "c"]),
        (b'4,"\xff\xfe"', ["4", "��"]),
        ('"Grüße",1'.encode(), ["Grüße", "1"]),
        (b'"back\\slash"', ["back\\slash"]),
        (b"192.168.4.2,aa:bb", ["192.168.4.2", "aa:bb"]),
    ],
)
def test_fields(text: bytes, values: list[str]) -> None:
    assert fields(text) == values


@given(
    st.lists(
        st.integers().map(str) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters='",')),
        min_size=1,
        max_size=8,
    )
)
def test_fields_take_apart_what_a_module_puts_together(values: list[str]) -> None:
    text = ",".join(v if v.lstrip("-").isdecimal() else f'"{v}"' for v in values)
    assert fields(text.encode()) == values


@given(st.binary(max_size=200))
def test_fields_take_anything(text: bytes) -> None:
    assert fields(text)


@pytest.mark.parametrize(
    ("line", "rest"),
    [(b"+CIPMUX:1", b"1"), (b'+CIFSR:STAMAC,"aa:bb"', b'STAMAC,"aa:bb"'), (b"OK", b""), (b"+X:", b"")],
)
def test_after_colon(line: bytes, rest: bytes) -> None:
    assert after_colon(line) == rest
