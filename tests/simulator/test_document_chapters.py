"""Chapters 3 to 5 of the 2017 document on `doc-v1`, a check for each note, range and default; chapter 6 is
test_wifi_life.py's, chapter 7 test_document_examples.py's, and chapter 8 is a web page.

A row: section, what the document says, what comes before, the line, and the whole answer with `|` for CR LF,
or a pattern if it begins with `~`. `[]` as what comes before leaves the module joined; with `FRESH` first it
is not.
"""

import re

import pytest

OK, ERROR, PROMPT = "|OK|", "|ERROR|", "|>"
FRESH = "fresh"
SOFTAP = [FRESH, "AT+CWMODE=2"]
BOTH = [FRESH, "AT+CWMODE=3"]
STATION = [FRESH, "AT+CWMODE=1"]
TCP = 'AT+CIPSTART="TCP","10.0.2.2",7000'
UDP = 'AT+CIPSTART="UDP","10.0.2.2",7005'
MUX = "AT+CIPMUX=1"


def each(section, what, before, lines, answer):
    """A row for each line."""
    return [(section, what, before, line, answer) for line in lines]


CHECKS = [
    ("3.2.1", "AT", [], "AT", OK),
    ("3.2.3", "three lines of version", [], "AT+GMR",
     r"~AT version:.*\|SDK version:.*\|compile time:.*\|\|OK\|"),
    ("3.2.5", "echo off", [], "ATE0", OK),
    ("3.2.7", "no query", [], "AT+UART?", ERROR),
    *each("3.2.7", "baud 80 to 5000000", [], ["AT+UART=80,8,1,0,0", "AT+UART=5000000,8,1,0,0"], OK),
    *each("3.2.7", "and no other", [], ["AT+UART=79,8,1,0,0", "AT+UART=5000001,8,1,0,0"], ERROR),
    *each("3.2.8", "data bits 5 to 8", [], [f"AT+UART_CUR=115200,{n},1,0,0" for n in (5, 6, 7, 8)], OK),
    *each("3.2.8", "and no other", [], ["AT+UART_CUR=115200,4,1,0,0", "AT+UART_CUR=115200,9,1,0,0"], ERROR),
    *each("3.2.9", "stop bits 1 to 3", [], [f"AT+UART_DEF=115200,8,{n},0,0" for n in (1, 2, 3)], OK),
    *each("3.2.9", "parity 0 to 2", [], [f"AT+UART_DEF=115200,8,1,{n},0" for n in (0, 1, 2)], OK),
    *each("3.2.9", "flow control 0 to 3", [], [f"AT+UART_DEF=115200,8,1,0,{n}" for n in (0, 1, 2, 3)], OK),
    *each("3.2.9", "and no other", [], ["AT+UART_DEF=115200,8,0,0,0", "AT+UART_DEF=115200,8,1,3,0"], ERROR),
    *each("3.2.10", "0 and 1", [], ["AT+SLEEP=0", "AT+SLEEP=1"], OK),
    ("3.2.10", "and no other", [], "AT+SLEEP=2", ERROR),
    ("3.2.10", "no query", [], "AT+SLEEP?", ERROR),
    ("3.2.11", "a number of bytes", [], "AT+SYSRAM?", r"~\+SYSRAM:\d+\|OK\|"),
    *each("4.2.1", "modes 1 to 3", [FRESH], ["AT+CWMODE=1", "AT+CWMODE=2", "AT+CWMODE=3"], OK),
    *each("4.2.1", "and no other", [FRESH], ["AT+CWMODE=0", "AT+CWMODE=4"], ERROR),
    ("4.2.2", "four fields", [], "AT+CWJAP?", r'~\+CWJAP:"Espressif","[0-9a-f:]{17}",5,-\d+\|\|OK\|'),
    ("4.2.2", "3: cannot find", STATION, 'AT+CWJAP="nobody",""', "+CWJAP:3||ERROR|"),
    ("4.2.2", "requires the station", SOFTAP, 'AT+CWJAP="Espressif",""', ERROR),
    ("4.2.2", "password of 64 bytes", STATION, f'AT+CWJAP="nobody","{64 * "p"}"', "+CWJAP:3||ERROR|"),
    ("4.2.2", "and no more", STATION, f'AT+CWJAP="nobody","{65 * "p"}"', ERROR),
    ("4.2.3", "only the SSIDs", ["AT+CWLAPOPT=1,2"], "AT+CWLAP", r'~(\+CWLAP:"\w+"\|){3}\|OK\|'),
    ("4.2.3", "five bits", [], "AT+CWLAPOPT=1,32", ERROR),
    ("4.2.4", "one SSID", ["AT+CWLAPOPT=1,31"], 'AT+CWLAP="Espressif"',
     r'~\+CWLAP:0,"Espressif",-\d+,"[^"]+",5\|\|OK\|'),
    ("4.2.4", "on a channel", [], 'AT+CWLAP="Espressif","10:01:00:c4:0a:51",6', OK),
    ("4.2.5", "leaving", [], "AT+CWQAP", OK),
    ("4.2.6", "password of 8", SOFTAP, 'AT+CWSAP="ESP32","12345678",5,3', OK),
    ("4.2.6", "to 64 bytes", SOFTAP, f'AT+CWSAP="ESP32","{64 * "p"}",5,3', OK),
    *each("4.2.6", "and no other", SOFTAP, [f'AT+CWSAP="ESP32","{n * "p"}",5,3' for n in (7, 65)], ERROR),
    *each("4.2.6", "0, 2, 3, 4", SOFTAP, [f'AT+CWSAP="ESP32","12345678",5,{n}' for n in (0, 2, 3, 4)], OK),
    ("4.2.6", "WEP is not supported", SOFTAP, 'AT+CWSAP="ESP32","12345678",5,1', ERROR),
    *each("4.2.6", "1 to 10 stations", SOFTAP, [f'AT+CWSAP="ESP32","12345678",5,3,{n}' for n in (1, 10)], OK),
    *each("4.2.6", "and no other", SOFTAP, [f'AT+CWSAP="ESP32","12345678",5,3,{n}' for n in (0, 11)], ERROR),
    *each("4.2.6", "hidden 0, 1", SOFTAP, [f'AT+CWSAP="ESP32","12345678",5,3,4,{n}' for n in (0, 1)], OK),
    ("4.2.6", "broadcast by default", [*SOFTAP, 'AT+CWSAP="E","12345678",5,3'], "AT+CWSAP?",
     r"~.*,0\|\|OK\|"),
    ("4.2.6", "only when SoftAP is active", STATION, 'AT+CWSAP="ESP32","12345678",5,3', ERROR),
    ("4.2.8", "both are on", [], "AT+CWDHCP?", "+CWDHCP:3|OK|"),
    ("4.2.8", "2 and then 1,1: 3", ["AT+CWDHCP=0,1", "AT+CWDHCP=1,1"], "AT+CWDHCP?", "+CWDHCP:3|OK|"),
    ("4.2.8", "3 and then 0,2: 1", ["AT+CWDHCP=0,2"], "AT+CWDHCP?", "+CWDHCP:1|OK|"),
    ("4.2.8", "a static address ends it", ['AT+CIPSTA="192.168.6.100"'], "AT+CWDHCP?", "+CWDHCP:2|OK|"),
    ("4.2.8", "and it ends that", ['AT+CIPSTA="192.168.6.100"', "AT+CWDHCP=1,1"], "AT+CIPSTA?",
     '+CIPSTA:"10.0.2.15"||OK|'),
    *each("4.2.9", "lease 1 to 2880", BOTH, [f'AT+CWDHCPS=1,{n},"192.168.4.10","192.168.4.15"' for n in (1,
     2880)], OK),
    *each("4.2.9", "and no other", BOTH, [f'AT+CWDHCPS=1,{n},"192.168.4.10","192.168.4.15"' for n in (0,
     2881)], ERROR),
    ("4.2.9", "the same segment", BOTH, 'AT+CWDHCPS=1,3,"192.168.5.10","192.168.5.15"', ERROR),
    ("4.2.9", "as SoftAP", STATION, 'AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.15"', ERROR),
    ("4.2.9", "with DHCP", [*BOTH, "AT+CWDHCP=0,2"], 'AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.15"', ERROR),
    ("4.2.9", "0: the default range", BOTH, "AT+CWDHCPS=0", OK),
    ("4.2.9", "an equals sign", BOTH, "AT+CWDHCPS?", "+CWDHCPS=120,192.168.4.2,192.168.4.101|OK|"),
    *each("4.2.10", "0 and 1", [], ["AT+CWAUTOCONN=0", "AT+CWAUTOCONN=1"], OK),
    ("4.2.10", "no query", [], "AT+CWAUTOCONN?", ERROR),
    ("4.2.11", "its own address", STATION, 'AT+CIPSTAMAC="18:fe:35:98:d3:7b"', OK),
    *each("4.2.11", "bit 0, all ones, zeros", STATION, ['AT+CIPSTAMAC="15:fe:35:98:d3:7b"',
          'AT+CIPSTAMAC="ff:ff:ff:ff:ff:ff"', 'AT+CIPSTAMAC="00:00:00:00:00:00"'], ERROR),
    ("4.2.11", "not the SoftAP's", BOTH, 'AT+CIPSTAMAC="10:01:00:c4:0a:25"', ERROR),
    ("4.2.12", "not the station's", BOTH, 'AT+CIPAPMAC="10:01:00:c4:0a:24"', ERROR),
    ("4.2.12", "bit 0", BOTH, 'AT+CIPAPMAC="15:fe:36:97:d5:7b"', ERROR),
    ("4.2.13", "an address", [], 'AT+CIPSTA="192.168.6.100","192.168.6.1","255.255.255.0"', OK),
    *each("4.2.13", "none", [], ['AT+CIPSTA="x"', 'AT+CIPSTA="0.0.0.0"', 'AT+CIPSTA="255.255.255.255"'],
     ERROR),
    ("4.2.14", "class C", BOTH, 'AT+CIPAP="192.168.5.1","192.168.5.1","255.255.255.0"', OK),
    *each("4.2.14", "and no other", BOTH, ['AT+CIPAP="10.0.0.1"', 'AT+CIPAP="172.16.0.1"'], ERROR),
    ("4.2.14", "ends DHCP", [*BOTH, 'AT+CIPAP="192.168.5.1"'], "AT+CWDHCP?", "+CWDHCP:1|OK|"),
    *each("4.2.15", "1 to 3", STATION, [f"AT+CWSTARTSMART={n}" for n in (1, 2, 3)], OK),
    *each("4.2.15", "and no other", STATION, ["AT+CWSTARTSMART=0", "AT+CWSTARTSMART=4"], ERROR),
    ("4.2.15", "station only", SOFTAP, "AT+CWSTARTSMART", ERROR),
    ("4.2.16", "always", [], "AT+CWSTOPSMART", OK),
    ("4.2.17", "with the station", STATION, "AT+WPS=1", OK),
    ("4.2.17", "and not without", SOFTAP, "AT+WPS=1", ERROR),
    ("5.2.1", "2: an address", [], "AT+CIPSTATUS", "STATUS:2||OK|"),
    ("5.2.1", "3: a TCP transmission", [TCP], "AT+CIPSTATUS", r"~STATUS:3\|\+CIPSTATUS:0,\"TCP\",.*"),
    ("5.2.1", "3: a UDP transmission", [UDP], "AT+CIPSTATUS", r"~STATUS:3\|\+CIPSTATUS:0,\"UDP\",.*"),
    *[("5.2.1", "4: disconnected", [line, "AT+CIPCLOSE"], "AT+CIPSTATUS", "STATUS:4||OK|") for line in (TCP,
     UDP)],
    ("5.2.1", "5: not yet", STATION, "AT+CIPSTATUS", "STATUS:5||OK|"),
    ("5.2.1", "5: no more", [TCP, "AT+CIPCLOSE", "AT+CWQAP"], "AT+CIPSTATUS", "STATUS:5||OK|"),
    ("5.2.2", "a name", [], 'AT+CIPDOMAIN="host.test"', "+CIPDOMAIN:10.0.2.2||OK|"),
    ("5.2.3", "OK alone for TCP", [], TCP, OK),
    *each("5.2.3", "keep-alive 0 to 7200", [], [f"{TCP},0", f"{TCP},7200"], OK),
    ("5.2.3", "and no more", [], f"{TCP},7201", ERROR),
    ("5.2.3", "already", [TCP], TCP, "ALREADY CONNECT||ERROR|"),
    *each("5.2.3", "ids 0 to 4", [MUX], ['AT+CIPSTART=0,"TCP","10.0.2.2",7000',
     'AT+CIPSTART=4,"TCP","10.0.2.2",7000'], OK),
    ("5.2.3", "and no other", [MUX], 'AT+CIPSTART=5,"TCP","10.0.2.2",7000', ERROR),
    *each("5.2.3", "UDP modes 0 to 2", [], [f"{UDP},1112,{n}" for n in (0, 1, 2)], "CONNECT||OK|"),
    ("5.2.3", "and no other", [], f"{UDP},1112,3", ERROR),
    ("5.2.3", "a mode wants a local port", [], f"{UDP},,2", ERROR),
    *each("5.2.4", "1 to 2048 bytes", [TCP], ["AT+CIPSEND=1", "AT+CIPSEND=2048"], PROMPT),
    *each("5.2.4", "and no other", [TCP], ["AT+CIPSEND=0", "AT+CIPSEND=2049"], ERROR),
    ("5.2.4", "no transmission", [], "AT+CIPSEND=1", ERROR),
    ("5.2.4", "UDP mode 0 in passthrough", ["AT+CIPMODE=1", f"{UDP},1112,2"], "AT+CIPSEND", ERROR),
    *each("5.2.5", "1 to 2048 bytes", [TCP], ["AT+CIPSENDEX=1", "AT+CIPSENDEX=2048"], PROMPT),
    ("5.2.6", "all", [MUX], "AT+CIPCLOSE=5", OK),
    ("5.2.8", "0 by default", [], "AT+CIPMUX?", "+CIPMUX:0||OK|"),
    ("5.2.8", "not in passthrough", ["AT+CIPMODE=1"], MUX, ERROR),
    ("5.2.8", "not with a link", [TCP], MUX, ERROR),
    ("5.2.8", "not with a server", [MUX, "AT+CIPSERVER=1"], "AT+CIPMUX=0", ERROR),
    ("5.2.9", "with CIPMUX=1", [MUX], "AT+CIPSERVER=1", OK),
    ("5.2.9", "and not without", [], "AT+CIPSERVER=1", ERROR),
    ("5.2.10", "0 by default", [], "AT+CIPMODE?", "+CIPMODE:0||OK|"),
    ("5.2.10", "not with CIPMUX=1", [MUX], "AT+CIPMODE=1", ERROR),
    ("5.2.11", "the example", [], 'AT+SAVETRANSLINK=1,"192.168.6.110",1002,"TCP"', OK),
    ("5.2.11", "the other", [], 'AT+SAVETRANSLINK=1,"192.168.6.110",1002,"UDP",1005', OK),
    ("5.2.11", "TCP or UDP", [], 'AT+SAVETRANSLINK=1,"192.168.6.110",1002,"SSL"', ERROR),
    ("5.2.11", "keep-alive to 7200", [], 'AT+SAVETRANSLINK=1,"192.168.6.110",1002,"TCP",7201', ERROR),
    *each("5.2.12", "0 to 7200", [], ["AT+CIPSTO=0", "AT+CIPSTO=7200"], OK),
    ("5.2.12", "and no more", [], "AT+CIPSTO=7201", ERROR),
    *each("5.2.13", "zones -11 to 13", [], ["AT+CIPSNTPCFG=-11", "AT+CIPSNTPCFG=13"], OK),
    *each("5.2.13", "and no other", [], ["AT+CIPSNTPCFG=-12", "AT+CIPSNTPCFG=14"], ERROR),
    ("5.2.13", "clearing", [], "AT+CIPSNTPCFG", OK),
    ("5.2.15", "no server", [], "AT+CIUPDATE", ERROR),
    *each("5.2.16", "0 and 1", [], ["AT+CIPDINFO=0", "AT+CIPDINFO=1"], OK),
    ("5.2.16", "and no other", [], "AT+CIPDINFO=2", ERROR),
]  # fmt: skip

CONTRADICTIONS = {
    "3.2.7": "the list of values stands one parameter too early; 3.2.8 and 3.2.9 have it right",
    "4.2.3": "0 is said to order by strength, and the example says that 1 does; the example is followed",
    "4.2.6": "the query's response has no OK, which every other has",
    "5.2.7": "the response has bare addresses, and 7.2 has labels and quotes; 7.2 is followed",
    "5.2.13": "`<enable>` is explained and stands in no command",
}
"""Where the document says two things, and which one holds here."""


@pytest.mark.parametrize(
    ("before", "line", "answer"),
    [pytest.param(*row[2:], id=f"{row[0]} {row[1]}: {row[3]}"[:90]) for row in CHECKS],
)
def test_sentence(quiet, before, line, answer):
    fresh = before[:1] == [FRESH]
    bench = quiet("doc-v1", joined=not fresh)
    bench.do(*before[fresh:])
    said = bench.say(line.encode() + b"\r\n").decode().replace("\r\n", "|")
    if answer.startswith("~"):
        assert re.fullmatch(answer[1:], said, re.DOTALL), said
    else:
        assert said == answer


def test_every_section_of_commands_has_a_check():
    sections = {row[0] for row in CHECKS}
    elsewhere = {"3.2.2", "3.2.4", "3.2.6", "4.2.7", "5.2.7", "5.2.14", "5.2.17"}
    """Restarts, sleep, stations, addresses, time and received data: other files of this folder."""
    chapters = {"3": 11, "4": 17, "5": 17}
    wanted = {f"{chapter}.2.{n}" for chapter, most in chapters.items() for n in range(1, most + 1)}
    counts = len(CHECKS), len(sections), len(CONTRADICTIONS)
    print("{} checks in {} sections, and {} contradictions of the document".format(*counts))
    assert wanted - sections == elsewhere
