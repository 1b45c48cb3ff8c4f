"""Lines that ask for payload are known, whatever their case; queries and other operations are not meant."""

from __future__ import annotations

import pytest

from esp32sock.at.commands.prompting import asks_for_payload, begins_stream


@pytest.mark.parametrize(
    "line",
    [
        "AT+CIPSEND=0,5",
        "at+cipsendex=5",
        "AT+CIPSENDL=0,9000",
        'AT+MQTTPUBRAW=0,"t",5,0,0',
        "AT+MQTTLONGPASSWORD=0,9",
        'AT+HTTPCPOST="http://a/",5',
        'AT+HTTPCPUT="http://a/",5',
        "AT+HTTPURLCFG=300",
        "AT+HTTPCHEAD=20",
        "AT+WSSEND=0,5",
        "AT+BLEGATTCWR=0,3,3,,2",
        "AT+BLEGATTSNTFY=0,1,6,3",
        "AT+BTSPPSEND=0,4",
        "AT+BLUFISEND=4",
        'AT+SYSFLASH=1,"client_cert",0,5',
        'AT+SYSMFG=2,"client_ca","client_ca.0",8,5',
        "AT+SYSMSGFILTERCFG=1,3,0",
        'AT+FS=0,1,"f",0,10',
        "AT+USEROTA=40",
        "AT+USERRAM=3,10",
    ],
)
def test_lines_that_ask(line: str) -> None:
    assert asks_for_payload(line.encode())
    assert not begins_stream(line.encode())


@pytest.mark.parametrize(
    "line",
    [
        "AT",
        "AT+CIPSEND=?",
        'AT+MQTTPUB=0,"t","AT+CIPSEND=5",0,0',
        "AT+HTTPURLCFG=0",
        "AT+HTTPURLCFG?",
        'AT+SYSFLASH=2,"client_cert",0,5',
        'AT+SYSFLASH=0,"client_cert"',
        "AT+SYSFLASH?",
        'AT+SYSMFG=1,"client_ca"',
        "AT+SYSMSGFILTERCFG=0",
        'AT+FS=0,2,"f",0,10',
        'AT+FS=0,0,"f"',
        "AT+USERRAM=1,10",
        "AT+WSSENDX=1",
    ],
)
def test_lines_that_do_not(line: str) -> None:
    assert not asks_for_payload(line.encode())
    assert not begins_stream(line.encode())


@pytest.mark.parametrize("line", ["AT+CIPSEND", "at+cipsendl ", "AT+BLESPP", "AT+BTSPPSEND"])
def test_lines_that_begin_a_stream(line: str) -> None:
    assert begins_stream(line.encode())
    assert not asks_for_payload(line.encode())
