"""Passwords are taken out of the bytes of a serial line, however these are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esp32sock.at.commands.redaction import HIDDEN
from esp32sock.at.masking import MAX_HELD_BYTES, SecretMask

SECRET = b"correct horse"
OK = b"\r\nOK\r\n"

LINES = [
    b'AT+CWJAP="attic","correct horse"',
    b'AT+CWJAP_CUR="attic","correct horse"',
    b'at+cwsap="mine","correct horse",6,3',
    b"AT+CWJAP=attic,correct horse",
    b'AT+CWJEAP="x",1,"me","correct horse"',
    b'AT+CIPSSLCPSK=0,"correct horse","hint"',
    b'AT+MQTTUSERCFG=0,1,"me","you","correct horse",0,0,""',
    b'AT+MQTTPASSWORD=0,"correct horse"',
    b'AT+HTTPCLIENT=1,0,"http://host/","host","/",1,"Authorization: correct horse"',
    b'AT+WSOPEN=0,"ws://host/","Authorization: correct horse"',
    b'AT+CWSTARTSMART=3,"correct horse"',
    b'AT+BLEKEYREPLY=0,"correct horse"',
]


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def sent(mask: SecretMask, data: bytes, size: int) -> bytes:
    return b"".join(map(mask.sent, cut(data, size)))


def received(mask: SecretMask, data: bytes, size: int) -> bytes:
    return b"".join(map(mask.received, cut(data, size)))


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("line", LINES)
def test_a_line_with_a_password(line: bytes, size: int) -> None:
    mask = SecretMask()
    shown = sent(mask, b"AT\r\n" + line + b"\r\nAT+GMR\r\n", size)
    assert SECRET not in shown
    assert shown.startswith(b"AT\r\n" + line.partition(b"=")[0])
    assert shown.endswith(HIDDEN + b"\r\nAT+GMR\r\n")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("line", LINES)
def test_its_echo_however_mangled(line: bytes, size: int) -> None:
    mask = SecretMask()
    sent(mask, line + b"\r\n", 1000)
    mangled = line[:3] + line[4:]
    shown = received(mask, mangled + b"\r\nbusy p...\r\nWIFI CONNECTED\r\n\r\nOK\r\n+IPD,0,2:hi", size)
    assert shown == HIDDEN + b"\r\nbusy p...\r\nWIFI CONNECTED\r\n\r\nOK\r\n+IPD,0,2:hi"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_answer_to_a_question_for_it(size: int) -> None:
    mask = SecretMask()
    sent(mask, b"AT+CWSAP?\r\n", size)
    shown = received(mask, b'+CWAP:"mine","correct horse",6,3,4,0\r\n' + OK, size)
    assert shown == HIDDEN + b"\r\n" + OK


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_the_module_prints_by_itself(size: int) -> None:
    mask = SecretMask()
    text = b'+IPD,0,3:abc+CWSAP:"mine","correct horse",6,3,4,0\r\npassword:correct horse\r\nready\r\n'
    assert received(mask, text, size) == (
        b'+IPD,0,3:abc+CWSAP:"mine",***,6,3,4,0\r\npassword:***\r\nready\r\n'
    )


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_secret_payload(size: int) -> None:
    mask = SecretMask()
    assert sent(mask, b"AT+MQTTLONGPASSWORD=0,13\r\n", size) == b"AT+MQTTLONGPASSWORD=***\r\n"
    assert received(mask, OK + b"\r\n>", size) == OK + b"\r\n>"
    assert set(sent(mask, SECRET, size)) <= set(HIDDEN)
    received(mask, OK, size)
    assert sent(mask, b"AT\r\n", size) == b"AT\r\n"


def test_an_answer_that_was_lost_hides_the_rest_until_the_next() -> None:
    mask = SecretMask()
    mask.sent(b'AT+CWJAP="attic","correct horse"\r\n')
    assert mask.received(b"+CWAP:correct horse\r\n") == HIDDEN + b"\r\n"
    mask.sent(b"AT+CIPMUX?\r\n")
    assert mask.received(b"+CIPMUX:1\r\n\r\nOK\r\n+CIPMUX:1\r\n") == b"***\r\n\r\nOK\r\n+CIPMUX:1\r\n"


def test_a_line_that_never_ends() -> None:
    mask = SecretMask()
    shown = mask.sent(b'AT+CWJAP="' + b"correct horse" * 1000)
    shown += mask.sent(b"correct horse\r\nAT\r\n")
    assert shown == HIDDEN + b"\r\nAT\r\n"
    assert len(shown) < MAX_HELD_BYTES


def test_a_line_that_is_cut_off_by_the_end() -> None:
    mask = SecretMask()
    assert mask.sent(b'AT+CWJAP="attic","corr') == b""
    assert mask.received(b'AT+CWJAP="attic') == b""
    assert mask.rest() == (HIDDEN, HIDDEN)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_other_bytes_pass_as_they_are(pieces: list[bytes]) -> None:
    mask = SecretMask()
    data = b"".join(pieces).replace(b"+", b"-").replace(b":", b"-")
    shown = b"".join(map(mask.received, cut(data, 5)))
    held = mask.rest()[1]
    assert data.startswith(shown)
    assert bool(held) == (shown != data)
    assert len(data) - len(shown) < 20
