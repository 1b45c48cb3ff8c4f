"""The exact bytes of answers: one table, each row with its source.

A row is (profiles, lines to prepare with, line, answer, source). Echo is off; `ALL` is every profile.
"""

import re

import pytest

from esp32sock.simulator.profiles.generations import PROFILES

ALL = tuple(PROFILES)
FIRMWARE = tuple(name for name in ALL if name != "doc-v1")
OLD = ("0.10", "1.0", "1.2")
SINCE_2_0 = tuple(name for name in FIRMWARE if name not in OLD)
MODERN = ("2.4", "3.2", "3.4", "4.1", "4.2", "5.0")
ERROR_CODE = re.compile(rb"ERR CODE:0x[0-9a-f]{8}\r\n")
OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"

ECHO = 'AT+CIPSTART="TCP","10.0.2.2",7000'
ECHO_2 = 'AT+CIPSTART=2,"TCP","10.0.2.2",7000'

BASIC = [
    (ALL, [], "AT", OK, "V1.0 3.2.1"),
    (FIRMWARE, [], "at", OK, "sweep of AT"),
    (FIRMWARE, [], "aT", OK, "sweep of AT"),
    (ALL, [], "AT ", ERROR, "sweep of AT"),
    (ALL, [], "AT?", ERROR, "sweep of AT"),
    (ALL, [], "AT=1", ERROR, "sweep of AT"),
    (ALL, [], "ATX", ERROR, "sweep of AT"),
    (ALL, [], "AT+", ERROR, "sweep of AT"),
    (ALL, [], "+GMR", ERROR, "v2.0-basic"),
    (ALL, [], "hello", ERROR, "v2.0-basic"),
    (ALL, [], "AT+NOSUCH", ERROR, "v2.0-basic"),
    (ALL, [], "AT+NOSUCH=1", ERROR, "v2.0-basic"),
    (ALL, [], "AT+NOSUCH?", ERROR, "v2.0-basic"),
    (ALL, [], "AT+GM", ERROR, "sweep of AT"),
    (ALL, [], "AT+GMRR", ERROR, "sweep of AT"),
    (ALL, [], "AT+GMR=1", ERROR, "v2.0-basic"),
    (ALL, [], "AT+GMR?", ERROR, "v2.0-basic"),
    (ALL, [], "AT+GMR=?", ERROR, "v2.0-basic"),
    (ALL, [], "", ERROR, "v2.0-basic, an empty line"),
    (
        ("2.0",),
        [],
        "At+gmr",
        b"AT version:2.0.0.0(e44648c - Nov  4 2019 02:18:57)\r\nSDK version:v3.3\r\n"
        b"compile time(7cac7ad):Nov  4 2019 06:11:40\r\nBin version:2.0.0(WROOM-32)\r\n" + OK,
        "v2.0-basic",
    ),
    (ALL, [], "ATE", ERROR, "v2.0-basic"),
    (ALL, [], "ATE2", ERROR, "v2.0-basic"),
    (ALL, [], "ATE01", ERROR, "sweep of ATE"),
    (ALL, [], "ATE=1", ERROR, "sweep of ATE"),
    (("2.0",), [], "ATE0,1", OK, "sweep of ATE"),
    (ALL, [], "AT+ATE0", ERROR, "sweep of ATE"),
    (ALL, [], "AT+AT", ERROR, "the same reader"),
    (FIRMWARE, [], "ate0", OK, "sweep of ATE"),
    (FIRMWARE, [], "AT+UART?", b"+UART:115201,8,1,0,1\r\n" + OK, "v2.0-basic, v4.1dev-basic"),
    (FIRMWARE, [], "AT+UART_CUR?", b"+UART_CUR:115201,8,1,0,1\r\n" + OK, "v2.0-basic, v4.1dev-basic"),
    (FIRMWARE, [], "AT+UART_DEF?", b"+UART_DEF:115200,8,1,0,1\r\n" + OK, "v2.0-basic, v4.1dev-basic"),
    (
        FIRMWARE,
        ["AT+UART=115200,8,2,0,3"],
        "AT+UART?",
        b"+UART:115201,8,2,0,3\r\n" + OK,
        "sweep of UART",
    ),
    (ALL, [], "AT+UART=0x1c200,8,1,0,0", OK, "sweep of UART"),
    (ALL, [], "AT+UART=115200,8,1,0", ERROR, "sweep of UART"),
    (ALL, [], "AT+UART=115200,8,1,0,0,0", ERROR, "sweep of UART"),
    (ALL, [], "AT+UART=79,8,1,0,0", ERROR, "sweep of UART"),
    (ALL, [], "AT+UART=5000001,8,1,0,0", ERROR, "sweep of UART"),
    (ALL, [], "AT+UART=115200,9,1,0,0", ERROR, "sweep of UART"),
    (ALL, [], "AT+UART=115200,,1,0,0", ERROR, "sweep of UART"),
    (FIRMWARE, [], "AT+UART=115200, 8,1,0,0", ERROR, "sweep of UART"),
    (ALL, [], 'AT+UART="115200",8,1,0,0', ERROR, "sweep of UART"),
    (ALL, [], "AT+UART_CUR=115200,8,1,0,0", OK, "v2.0-basic"),
    (ALL, [], "AT+UART_CUR=10,8,1,0,0", ERROR, "v2.0-basic"),
    (("2.0", "2.1"), [], "AT+SYSRAM?", b"+SYSRAM:175960" + OK, "v2.0-basic"),
    (("2.4",), [], "AT+SYSRAM?", b"+SYSRAM:184940,167172" + OK, "v4.1dev-basic; two numbers from 2.2"),
    (("doc-v1",), [], "AT+SYSRAM?", b"+SYSRAM:148408" + OK, "V1.0 3.2.11"),
    (SINCE_2_0, [], "AT+SYSLOG?", b"+SYSLOG:0\r\n" + OK, "v2.0-basic"),
    (("doc-v1",), [], "AT+SYSLOG?", ERROR, "V1.0 knows no SYSLOG"),
    (SINCE_2_0, ["AT+SYSLOG=1"], "AT+SYSLOG?", b"+SYSLOG:1\r\n" + OK, "at-dialects 5"),
    (SINCE_2_0, ["AT+SYSLOG=1"], "AT+NOSUCH", b"ERR CODE:0x01090000\r\n" + ERROR, "at-dialects 3.3"),
    (SINCE_2_0, ["AT+SYSLOG=1"], "AT+CIPMUX=a", b"ERR CODE:0x01080000\r\n" + ERROR, "at-dialects 3.3"),
    (("2.0",), [], "AT+SYSSTORE?", ERROR, "v2.0-basic"),
    (("2.1", "2.4"), [], "AT+SYSSTORE?", b"+SYSSTORE:1\r\n" + OK, "v4.1dev-basic"),
    (("2.0", "2.1"), [], "AT+CMD?", ERROR, "v2.0-basic; from 2.2"),
]

WIFI = [
    (ALL, [], "AT+CWMODE?", b"+CWMODE:1\r\n" + OK, "V1.0 4.2.1"),
    (("2.0",), [], "AT+CWMODE=?", b"+CWMODE:(1-3)\r\n" + OK, "v2.0-basic"),
    (("2.4",), [], "AT+CWMODE=?", ERROR, "v4.1dev-basic"),
    (ALL, [], "AT+CWMODE", ERROR, "v2.0-basic"),
    (ALL, [], "AT+CWMODE=", ERROR, "v2.0-basic"),
    (ALL, [], "AT+CWMODE=9", ERROR, "v2.0-basic"),
    (ALL, [], "AT+CWMODE=1,2,3,4", ERROR, "v2.0-basic"),
    (ALL, [], 'AT+CWMODE="1"', ERROR, "v2.0-basic"),
    (FIRMWARE, [], "AT+CWMODE=2", b"WIFI DISCONNECT\r\n" + OK, "sweep of CWJAP, in SoftAP mode"),
    (ALL, [], "AT+CWJAP=nossid", ERROR, "v2.0-basic"),
    (ALL, [], 'AT+CWJAP="unterminated', ERROR, "v2.0-basic"),
    (ALL, [], 'AT+CWJAP="Espressif"', ERROR, "sweep of CWJAP"),
    (ALL, [], 'AT+CWJAP="",""', ERROR, "sweep of CWJAP"),
    (ALL, [], 'AT+CWJAP="Espressif"",""', ERROR, "sweep of CWJAP"),
    (ALL, [], 'AT+CWJAP= "Espressif",""', ERROR, "sweep of CWJAP"),
    (ALL, [], 'AT+CWJAP="Espressif","","zz:zz:zz:zz:zz:zz"', ERROR, "sweep of CWJAP"),
    (ALL, [], 'AT+CWJAP="' + 33 * "s" + '",""', ERROR, "sweep of CWJAP"),
    (ALL, [], 'AT+CWJAP="Espressif","' + 65 * "p" + '"', ERROR, "sweep of CWJAP"),
    (SINCE_2_0, ["AT+CWQAP"], "AT+CWJAP?", OK, "v2.0-wifi"),
    (("2.0", "2.1"), [], "AT+CWQAP=?", OK, "sweep of CWQAP"),
    (("2.0",), ["AT+CWMODE=2"], "AT+CWMODE=3", OK, "sweep of CWJAP: no join by itself"),
    (
        ("2.4",),
        ["AT+CWMODE=2"],
        "AT+CWMODE=3",
        OK + b"WIFI CONNECTED\r\nWIFI GOT IP\r\n",
        "at-dialects 6: auto_connect is 1 where it is left out",
    ),
    (("2.4",), ["AT+CWMODE=2"], "AT+CWMODE=3,0", OK, "at-dialects 6"),
    (
        ("2.0",),
        ["AT+CWQAP"],
        'AT+CWJAP="Espressif","",,1',
        b"+CWJAP:3\r\n" + ERROR,
        "sweep of CWJAP: pci_en and an open network",
    ),
    (("2.0",), [], 'AT+CWJAP="Espressif","",,0,7201,3', ERROR, "sweep of CWJAP"),
    (("2.0",), [], 'AT+CWJAP="Espressif","",,0,1,101', ERROR, "sweep of CWJAP"),
    (("2.0",), [], 'AT+CWJAP="Espressif","",,0,1,3,0', ERROR, "sweep of CWJAP"),
    (FIRMWARE, ["AT+CWQAP"], "AT+CWQAP", OK, "v2.0-wifi"),
    (FIRMWARE, [], "AT+CWQAP", b"WIFI DISCONNECT\r\n" + OK, "v2.0-wifi"),
    (("doc-v1",), [], "AT+CWQAP", OK, "V1.0 4.2.5"),
    (("2.0",), ["AT+CWMODE=2"], "AT+CWQAP", ERROR, "sweep of CWJAP, in SoftAP mode"),
    (("2.0",), ["AT+CWMODE=2"], 'AT+CWJAP="Espressif",""', ERROR, "sweep of CWJAP, in SoftAP mode"),
    (
        FIRMWARE,
        ["AT+CWQAP"],
        'AT+CWJAP="Espressif",""',
        b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK,
        "v2.0-wifi, join: open network",
    ),
    (
        FIRMWARE,
        [],
        'AT+CWJAP="OpenNetworkA1",""',
        b"WIFI DISCONNECT\r\nWIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK,
        "v2.0-wifi, join again while joined",
    ),
    (
        FIRMWARE,
        ["AT+CWQAP"],
        'AT+CWJAP="\\E\\s\\p\\r\\e\\s\\s\\i\\f",',
        b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK,
        "sweep of CWJAP: escapes; a last field may be absent",
    ),
    (
        FIRMWARE,
        ["AT+CWQAP"],
        'AT+CWJAP="Espressif","',
        b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK,
        "sweep of CWJAP: a last empty field may lack its closing quote",
    ),
    (("doc-v1",), [], 'AT+CWJAP="Espressif",""', OK, "V1.0 4.2.2"),
    (ALL, ["AT+CWQAP"], 'AT+CWJAP="NoSuchNet","12345678"', b"+CWJAP:3\r\n" + ERROR, "v2.0-wifi"),
    (
        ("doc-v1", *SINCE_2_0),
        ["AT+CWQAP"],
        'AT+CWJAP="Espressif","12345678"',
        b"+CWJAP:4\r\n" + ERROR,
        "sweep of CWJAP",
    ),
    (
        FIRMWARE,
        [],
        "AT+CIPSTA?",
        b'+CIPSTA:ip:"10.0.2.15"\r\n+CIPSTA:gateway:"10.0.2.2"\r\n+CIPSTA:netmask:"255.255.255.0"\r\n' + OK,
        "v2.0-wifi",
    ),
    (("doc-v1",), [], "AT+CIPSTA?", b'+CIPSTA:"10.0.2.15"\r\n' + OK, "V1.0 4.2.13"),
    (
        FIRMWARE,
        ["AT+CWQAP"],
        "AT+CIPSTA?",
        b'+CIPSTA:ip:"0.0.0.0"\r\n+CIPSTA:gateway:"0.0.0.0"\r\n+CIPSTA:netmask:"0.0.0.0"\r\n' + OK,
        "v2.0-wifi",
    ),
    (
        ALL,
        [],
        "AT+CIFSR",
        b'+CIFSR:STAIP,"10.0.2.15"\r\n+CIFSR:STAMAC,"10:01:00:c4:0a:24"\r\n' + OK,
        "v2.0-wifi",
    ),
    (
        ("2.0",),
        ["AT+CWMODE=2"],
        "AT+CIFSR",
        b'+CIFSR:APIP,"192.168.4.1"\r\n+CIFSR:APMAC,"10:01:00:c4:0a:25"\r\n' + OK,
        "v2.0-wifi",
    ),
]

TCPIP = [
    (ALL, [], "AT+CIPMUX?", b"+CIPMUX:0\r\n" + OK, "v2.0-basic"),
    (ALL, ["AT+CIPMUX=1"], "AT+CIPMUX?", b"+CIPMUX:1\r\n" + OK, "V1.0 5.2.8"),
    (ALL, [], "AT+CIPMUX=2", ERROR, "sweep of CIPMODE, the same reader"),
    (ALL, [ECHO], "AT+CIPMUX=1", ERROR, "v2.0-tcp-single, mode changes while connected"),
    (ALL, ["AT+CIPMODE=1"], "AT+CIPMUX=1", ERROR, "sweep of CIPMODE"),
    (ALL, ["AT+CIPMUX=1"], "AT+CIPMODE=1", ERROR, "v4.2dev-mux"),
    (ALL, [], "AT+CIPMODE?", b"+CIPMODE:0\r\n" + OK, "v2.0-basic"),
    (ALL, [ECHO], "AT+CIPMODE=1", OK, "v2.0-tcp-single, mode changes while connected"),
    (ALL, [], "AT+CIPMODE=01", OK, "sweep of CIPMODE"),
    (ALL, [], "AT+CIPMODE=0x1", OK, "sweep of CIPMODE"),
    (ALL, [], "AT+CIPMODE=-1", ERROR, "sweep of CIPMODE"),
    (ALL, [], "AT+CIPMODE=+1", ERROR, "sweep of CIPMODE"),
    (ALL, [], "AT+CIPMODE=1,", ERROR, "sweep of CIPMODE"),
    (ALL, [], "AT+CIPMODE=4294967297", ERROR, "sweep of CIPMODE"),
    (ALL, [], "AT+CIPMODE?1", ERROR, "sweep of CIPMODE"),
    (ALL, [], "AT+CIPMODE==1", ERROR, "sweep of CIPMODE"),
    (SINCE_2_0, [], "AT+CIPDINFO?", b"+CIPDINFO:false" + OK, "v2.0-basic"),
    (SINCE_2_0, ["AT+CIPDINFO=1"], "AT+CIPDINFO?", b"+CIPDINFO:true" + OK, "sweep of CIPDINFO"),
    (("doc-v1",), [], "AT+CIPDINFO?", ERROR, "V1.0 5.2.16 has no query"),
    (ALL, [], "AT+CIPSTATUS", b"STATUS:2\r\n" + OK, "v2.0-tcp-single"),
    (
        ALL,
        [ECHO],
        "AT+CIPSTATUS",
        b'STATUS:3\r\n+CIPSTATUS:0,"TCP","10.0.2.2",7000,50000,0\r\n' + OK,
        "v2.0-tcp-single",
    ),
    (ALL, [ECHO, "AT+CIPCLOSE"], "AT+CIPSTATUS", b"STATUS:4\r\n" + OK, "v2.0-tcp-single"),
    (FIRMWARE, ["AT+CWQAP"], "AT+CIPSTATUS", b"STATUS:5\r\n" + OK, "v2.0-wifi"),
    (ALL, ["AT+CIPMUX=1", "AT+CIPCLOSE=5"], "AT+CIPSTATUS", b"STATUS:4\r\n" + OK, "real-firmware"),
    (
        tuple(name for name in SINCE_2_0 if name not in ("4.1", "4.2", "5.0")),
        ['AT+CIPSTART="UDP","10.0.2.2",7005,1112,2'],
        "AT+CIPSTATUS",
        b'STATUS:4\r\n+CIPSTATUS:0,"UDP","10.0.2.2",7005,1112,0\r\n' + OK,
        "v2.0-udp",
    ),
    (
        ("4.1",),
        ['AT+CIPSTART="UDP","10.0.2.2",7005,1112,2'],
        "AT+CIPSTATUS",
        b'STATUS:2\r\n+CIPSTATUS:0,"UDP","10.0.2.2",7005,1112,0\r\n' + OK,
        "real-firmware 7: 4.1",
    ),
    (("2.0",), [], "AT+CIPSTATE?", ERROR, "v2.0-basic"),
    (MODERN, [], "AT+CIPSTATE?", OK, "v4.1dev-basic"),
    (
        MODERN,
        ["AT+CIPMUX=1", ECHO_2],
        "AT+CIPSTATE?",
        b'+CIPSTATE:2,"TCP","10.0.2.2",7000,50000,0\r\n' + OK,
        "v4.2dev-mux",
    ),
    (("2.0", "2.1"), [], 'AT+CIPDOMAIN="localhost"', b"+CIPDOMAIN:127.0.0.1\r\n" + OK, "v2.0-wifi"),
    (("2.0",), [], 'AT+CIPDOMAIN="10.0.2.2"', b"+CIPDOMAIN:10.0.2.2\r\n" + OK, "v2.0-wifi"),
    (
        MODERN,
        [],
        'AT+CIPDOMAIN="localhost"',
        b'+CIPDOMAIN:"127.0.0.1"\r\n' + OK,
        "real-firmware 6; quoted from 2.2",
    ),
    (ALL, [], 'AT+CIPDOMAIN="no-such-host.invalid"', ERROR, "v2.0-wifi"),
    (FIRMWARE, [], ECHO, b"CONNECT\r\n" + OK, "v2.0-tcp-single"),
    (("doc-v1",), [], ECHO, OK, "V1.0 5.2.3"),
    (FIRMWARE, ["AT+CIPMUX=1"], ECHO_2, b"2,CONNECT\r\n" + OK, "v4.2dev-mux"),
    (FIRMWARE, [], 'AT+CIPSTART="TCP","host.test",7000', b"CONNECT\r\n" + OK, "sweep of CIPSTART"),
    (FIRMWARE, [], 'AT+CIPSTART="TCP"," 10.0.2.2",07000', b"CONNECT\r\n" + OK, "sweep of CIPSTART"),
    (SINCE_2_0, [], 'AT+CIPSTART="TCP","10.0\\.2.2",7000,', b"CONNECT\r\n" + OK, "sweep of CIPSTART"),
    (FIRMWARE, [], 'AT+CIPSTART="TCP","10.0.2.2",7000,7200', b"CONNECT\r\n" + OK, "sweep of CIPSTART"),
    (
        SINCE_2_0,
        [],
        'AT+CIPSTART="TCP","10.0.2.2",7000,,"10.0.2.15"',
        b"CONNECT\r\n" + OK,
        "sweep of CIPSTART",
    ),
    (
        SINCE_2_0,
        [],
        'AT+CIPSTART="TCP","10.0.2.2",7001',
        b"CONNECT\r\n" + OK + b"\r\n+IPD,7:HELLO\r\n\r\n",
        "v2.0-tcp-single, server that greets at once",
    ),
    (FIRMWARE, [], 'AT+CIPSTART="UDP","10.0.2.2",7005', b"CONNECT\r\n" + OK, "v2.0-udp"),
    (("doc-v1",), [], 'AT+CIPSTART="UDP","10.0.2.2",7005,1112,2', b"CONNECT\r\n" + OK, "V1.0 7.2.2"),
    (
        ("doc-v1",),
        ["AT+CIPMUX=1"],
        'AT+CIPSTART=4,"UDP","10.0.2.2",7005,1112,0',
        b"4,CONNECT\r\n" + OK,
        "V1.0 7.2.1",
    ),
    (SINCE_2_0, [ECHO], ECHO, ERROR, "v4.1dev-already-connected"),
    (("doc-v1",), [ECHO], ECHO, b"ALREADY CONNECT\r\n" + ERROR, "V1.0 5.2.3"),
    (ALL, [], "AT+CIPSTART", ERROR, "v2.0-basic"),
    (ALL, [], "AT+CIPSTART=?", ERROR, "v2.0-basic"),
    (ALL, [], 'AT+CIPSTART="TCP","10.0.2.2",7999', ERROR, "v2.0-tcp-single, refused port"),
    (ALL, [], 'AT+CIPSTART="TCP","10.0.2.99",80', ERROR, "v2.0-tcp-single, unreachable host"),
    (ALL, [], 'AT+CIPSTART="TCP","no-such-host.invalid",80', ERROR, "v2.0-tcp-single"),
    (ALL, [], 'AT+CIPSTART="TCP","10.0.2.2"', ERROR, "v2.0-tcp-single"),
    (ALL, [], 'AT+CIPSTART="XYZ","10.0.2.2",7000', ERROR, "v2.0-tcp-single"),
    (ALL, [], 'AT+CIPSTART="tcp","10.0.2.2",7000', ERROR, "sweep of CIPSTART"),
    (ALL, [], "AT+CIPSTART=TCP,10.0.2.2,7000", ERROR, "v2.0-tcp-single"),
    (ALL, [], 'AT+CIPSTART="TCP","10.0.2.2",0', ERROR, "v2.0-tcp-single"),
    (ALL, [], 'AT+CIPSTART="TCP","10.0.2.2",70000', ERROR, "v2.0-tcp-single"),
    (ALL, [], 'AT+CIPSTART="TCP","10.0.2.2",7000,7201', ERROR, "sweep of CIPSTART"),
    (ALL, [], 'AT+CIPSTART="TCP","10.0.2.2",7000,0,0,0', ERROR, "sweep of CIPSTART"),
    (ALL, [], 'AT+CIPSTART="TCP","",7000', ERROR, "v2.0-tcp-single"),
    (ALL, [], 'AT+CIPSTART=0,"TCP","10.0.2.2",7000', ERROR, "v2.0-tcp-single"),
    (ALL, ["AT+CIPMUX=1"], ECHO, ERROR, "v4.2dev-mux"),
    (ALL, ["AT+CIPMUX=1"], 'AT+CIPSTART=5,"TCP","10.0.2.2",7000', ERROR, "v4.2dev-mux"),
    (ALL, [], 'AT+CIPSTART="UDP","10.0.2.2",7005,0,3', ERROR, "sweep of CIPSTART"),
    (ALL, [], 'AT+CIPSTART="UDP","no-such.invalid",80', ERROR, "v2.0-duplex, duplex-fails"),
    (FIRMWARE, ["AT+CWQAP"], ECHO, ERROR, "sweep of CIPSTART, not joined"),
    (ALL, [ECHO], "AT+CIPCLOSE", b"CLOSED\r\n" + OK, "v2.0-tcp-single"),
    (ALL, [], "AT+CIPCLOSE", ERROR, "v2.0-tcp-single"),
    (ALL, [ECHO], "AT+CIPCLOSE=0", ERROR, "sweep of CIPCLOSE, CIPMUX=0"),
    (ALL, [], "AT+CIPCLOSE=5", ERROR, "sweep of CIPCLOSE, CIPMUX=0"),
    (ALL, ["AT+CIPMUX=1", ECHO_2], "AT+CIPCLOSE=2", b"2,CLOSED\r\n" + OK, "v4.2dev-mux"),
    (ALL, ["AT+CIPMUX=1", ECHO_2], "AT+CIPCLOSE", ERROR, "v4.2dev-mux"),
    (ALL, ["AT+CIPMUX=1", ECHO_2], "AT+CIPCLOSE=1", ERROR, "v4.2dev-mux"),
    (ALL, ["AT+CIPMUX=1", ECHO_2], "AT+CIPCLOSE=6", ERROR, "v4.2dev-mux"),
    (
        ALL,
        ["AT+CIPMUX=1", ECHO_2, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000'],
        "AT+CIPCLOSE=5",
        b"0,CLOSED\r\n2,CLOSED\r\n" + OK,
        "v4.2dev-mux",
    ),
    (ALL, ["AT+CIPMUX=1"], "AT+CIPCLOSE=5", OK, "v4.2dev-mux"),
    (("2.0", "2.1"), [], "AT+CIPSEND=?", OK, "sweep of CIPSEND"),
    (("doc-v1", "2.4"), [], "AT+CIPSEND=?", ERROR, "V1.0 5.2.4; cmd-list of 4.1"),
    (ALL, [], "AT+CIPSEND=5", ERROR, "v2.0-tcp-single, no connection"),
    (ALL, [], "AT+CIPSEND", ERROR, "v2.0-tcp-single, no connection"),
    (ALL, [ECHO], "AT+CIPSEND", ERROR, "sweep of CIPSEND"),
    (ALL, [ECHO], "AT+CIPSEND=0,5", ERROR, "v2.0-tcp-single"),
    (ALL, [ECHO], "AT+CIPSEND= 5", ERROR, "sweep of CIPSEND"),
    (ALL, [ECHO], "AT+CIPSEND=5,", ERROR, "sweep of CIPSEND"),
    (ALL, [ECHO], 'AT+CIPSEND=5,"10.0.2.2",7000', ERROR, "sweep of CIPSEND"),
    (ALL, [ECHO], "AT+CIPSEND=99999999999", ERROR, "sweep of CIPSEND"),
    (("doc-v1", "2.0", "2.1"), [ECHO], "AT+CIPSEND=2049", ERROR, "v2.0-tcp-single"),
    (MODERN, [ECHO], "AT+CIPSEND=8193", ERROR, "v4.1dev-sendl"),
    (MODERN, [ECHO], "AT+CIPSEND=-1", ERROR, "real-firmware 6"),
    (ALL, [ECHO, "AT+CIPMODE=1"], "AT+CIPSEND=5", ERROR, "sweep of CIPSEND, CIPMODE=1"),
    (ALL, ["AT+CIPMUX=1", ECHO_2], "AT+CIPSEND=5", ERROR, "v4.2dev-mux"),
    (ALL, ["AT+CIPMUX=1", ECHO_2], "AT+CIPSEND=7,5", ERROR, "v4.2dev-mux"),
    (ALL, ["AT+CIPMUX=1", ECHO_2], "AT+CIPSEND=1,5", ERROR, "v4.2dev-mux"),
    (("doc-v1",), [ECHO], "AT+CIPSEND=4", b"\r\n>", "V1.0 5.2.4"),
    (FIRMWARE, [ECHO], "AT+CIPSEND=05", b"\r\nOK\r\n\r\n>", "sweep of CIPSEND"),
    (FIRMWARE, [ECHO], "at+cipsend=0x5", b"\r\nOK\r\n\r\n>", "sweep of CIPSEND"),
    (FIRMWARE, ["AT+CIPMUX=1", ECHO_2], "AT+CIPSEND=2,5", b"\r\nOK\r\n\r\n>", "v4.2dev-mux"),
]


def rows(table):
    for profiles, before, line, answer, source in table:
        for profile in profiles:
            yield pytest.param(
                profile, before, line, answer, id=f"{profile} {line[:40]!r} ({source}, {len(before)} before)"
            )


@pytest.mark.parametrize(("profile", "before", "line", "answer"), list(rows(BASIC + WIFI + TCPIP)))
def test_answer(quiet, profile, before, line, answer):
    bench = quiet(profile)
    bench.do(*before)
    said = bench.say(line.encode() + b"\r\n")
    if b"ERR CODE" not in answer and PROFILES[profile].error_codes_always:
        said = ERROR_CODE.sub(b"", said)  # the codes have tables of their own
    assert said == answer


@pytest.mark.parametrize("profile", ALL)
def test_access_point_query_has_the_fields_of_its_generation(quiet, profile):
    """V1.0 4.2.2; v2.0-wifi, at-dialects 6, v4.1dev-tcp-single. The strength varies."""
    fields = PROFILES[profile].cwjap_fields
    options = {4: b"", 7: b",0,0,0", 8: b",0,0,0,0", 9: b",0,1,3,0,1"}[fields]
    answer = quiet(profile).say(b"AT+CWJAP?\r\n")
    pattern = rb'\+CWJAP:"Espressif","10:01:00:c4:0a:51",5,-\d\d' + options + rb"\r\n\r\nOK\r\n"
    assert re.fullmatch(pattern, answer)


def test_join_options_show_in_the_query(quiet):
    """Sweep of CWJAP, 2.0: the interval shows, the listen interval does not."""
    bench = quiet("2.0")
    bench.do('AT+CWJAP="Espressif","",,0,1,3')
    assert bench.say(b"AT+CWJAP?\r\n").endswith(b",0,1,0\r\n\r\nOK\r\n")


def test_list_of_commands(quiet):
    """v4.1dev-cmd-list: number, name, test, query, set, execute."""
    lines = quiet("2.4").say(b"AT+CMD?\r\n").split(b"\r\n")
    assert lines[0] == b'+CMD:0,"AT",0,0,0,1'
    assert b'"AT+CIPMUX",0,1,1,0' in b"\n".join(lines)
    assert b'"ATE0",0,0,0,1' in b"\n".join(lines)
    assert lines[-3:] == [b"", b"OK", b""]


@pytest.mark.parametrize("profile", ALL)
def test_factory_state(power_on, profile):
    """A module that is not joined stands as RESTORE leaves it (real-firmware 4: CWMODE starts at 2)."""
    bench = power_on(profile, joined=False)
    assert bench.say(b"AT+CWMODE?\r\n") == b"AT+CWMODE?\r\n+CWMODE:2\r\n\r\nOK\r\n"
    before, with_station = (b"5", b"5") if profile == "doc-v1" else (b"0", b"1")  # V1.0 5.2.1
    assert bench.say(b"AT+CIPSTATUS\r\n") == b"AT+CIPSTATUS\r\nSTATUS:%b\r\n\r\nOK\r\n" % before
    bench.do("AT+CWMODE=1")
    assert bench.say(b"AT+CIPSTATUS\r\n") == b"AT+CIPSTATUS\r\nSTATUS:%b\r\n\r\nOK\r\n" % with_station
