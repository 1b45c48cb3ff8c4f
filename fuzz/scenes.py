"""Inputs for the simulator's target that no recording has: every command in every form, and short scenes.

What is rare in recordings a search finds late or never: a command with many arguments, what a peer does
inside passthrough, what a restart resumes. Here each is written down, for every profile.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.simulator.walks import HOSTS, KINDS, LENGTHS, NEVER, NUMBERS, STRINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LINES_AN_INPUT = 60
MOST_ARGUMENTS = 6
TRIES = 5
"""Draws of so many arguments, for each number of them."""

WORDS = (
    *dict.fromkeys((*NUMBERS, *LENGTHS, *HOSTS, *KINDS, *STRINGS)),
    *('"client"', '"server_ca"', '"mfg_nvs"', '"ble_data"', '"factory_param"', '"host6.test"', '"fec0::2"'),
    *('"::1"', '"abcd"', '"0011"', '"10.0.2.2,10.0.2.3"', '"255.255.255.0"', '"pool.ntp.org"', '"a.test"'),
    *("4096", "7000", "7005", "7443", "8080", "115200", "6", "7", "256", "-12", "530", "1000", "36000"),
)
TCP = b'AT+CIPSTART="TCP","10.0.2.2",'
CLIENT = b"\4"
"""A client of the server connects."""
PIECE = b"\5"
"""In front of data that does not end the data phase."""
AN_INSTANT, SHORTLY, A_SECOND, PAUSE = b"\2\1", b"\2\2", b"\2\3", b"\2\4"
PEER_SENDS, PEER_CLOSES, PEER_RESETS = b"\1\0some data", b"\1\x20", b"\1\x30"
"""Of the peer behind port 7100."""

PASSTHROUGH = (b"AT+CIPMODE=1", TCP + b"7100", b"AT+CIPSEND")
SERVER = (b"AT+CIPMUX=1", b"AT+CIPSERVER=1,8080", CLIENT)
STATION_LIST = (b"AT+CWMODE=3", b'AT+CWSAP="access","12345678",5,3', b"AT+CWLIF", b"AT+CWQIF")
MANUFACTURING = (b'AT+SYSMFG=2,"space","key",1,5', b'AT+SYSMFG=2,"space","text",7,5', b"hello")
SCENES: tuple[tuple[bytes, ...], ...] = (
    # Passthrough
    (*PASSTHROUGH, PIECE + b"one", PEER_SENDS, A_SECOND, PEER_CLOSES, PAUSE, PEER_SENDS, b"+++"),
    (*PASSTHROUGH, PEER_RESETS, PIECE + b"lost", A_SECOND, b"+++", b"AT+CIPSTATUS"),
    (b"AT+SYSMSG=7", *PASSTHROUGH, PEER_CLOSES, PAUSE, PIECE + b"x" * 2000, b"+++"),
    (b"AT+SYSMSG=7", b"AT+CIPRECONNINTV=1", *PASSTHROUGH, PIECE + b"x" * 3000, PEER_RESETS, A_SECOND),
    (b"AT+CIPMODE=1", b'AT+CIPSTART="UDP","10.0.2.2",7005', b"AT+CIPSEND", PIECE + b"datagram", b"+++"),
    (b"AT+CIPMODE=1", b'AT+CIPSTART="SSL","10.0.2.2",7443', b"AT+CIPSEND", PIECE + b"hidden", b"+++"),
    (b"AT+CIPSERVERMAXCONN=1", *SERVER, b"AT+CIPMODE=1", b"AT+CIPSEND", b"\1\1", b"\1\0", CLIENT, b"+++"),
    (*SERVER, b"AT+CIPMODE=1", b"AT+CIPSEND", CLIENT, A_SECOND, b"+++"),
    *(
        (b"AT+SAVETRANSLINK=1," + link, b"AT+RST", PAUSE, PIECE + b"stored", A_SECOND, b"+++",
         b"AT+SAVETRANSLINK=0")
        for link in (b'"10.0.2.2",7100', b'"10.0.2.2",7005,"UDP",1112', b'"10.0.2.2",7443,"SSL"',
                     b'"host.test",7100,"TCP",10', b'"nowhere.invalid",7100', b'"10.0.2.2",7999')
    ),
    # IPv6
    (b"AT+CIPV6=1", b'AT+CWJAP="Espressif",""', b"AT+CIFSR", b"AT+CIPSTA?", b"AT+CIPV6?",
     b'AT+CIPSTART="TCPv6","fec0::2",7000', b"AT+CIPSEND=5", b"hello", b"AT+CIPSTATUS", b"AT+CIPSTATE?",
     b"AT+CIPCLOSE", b'AT+CIPSTART="UDPv6","fec0::2",7005', b"AT+CIPSEND=5", b"hello", b"AT+CIPCLOSE",
     b'AT+CIPSTART="SSLv6","fec0::2",7443', b'AT+CIPDOMAIN="host.test",3', b'AT+CIPDOMAIN="host6.test",1',
     b'AT+CIPDOMAIN="nowhere.invalid",2', b'AT+PING="fec0::2"', b'AT+PING="host6.test"', b"AT+CIPV6=0",
     b'AT+CIPSTART="TCPv6","fec0::2",7000'),
    (b"AT+CIPMUX=1", b"AT+CIPV6=1", b'AT+CWJAP="Espressif",""', b"AT+CIPDINFO=1",
     b'AT+CIPSTART=0,"TCPv6","fec0::2",7001', b'AT+CIPSTART=1,"UDPv6","fec0::2",7005,1112,2',
     b"AT+CIPSEND=1,5", b"hello", b'AT+CIPSEND=1,5,"fec0::2",7005', b"hello", b'AT+CIPSERVER=1,8080,"TCPv6"',
     b"AT+CIPRECVTYPE=5,1", b'AT+CIPSTART=2,"TCPv6","fec0::2",7001', b"AT+CIPRECVLEN?",
     b"AT+CIPRECVDATA=2,100", b"AT+CIPCLOSE=5"),
    # Wi-Fi
    (*STATION_LIST, PAUSE, b"AT+CWLIF", b'AT+CWQIF="1a:fe:34:00:00:01"', b'AT+CWSTAPROTO=7',
     b"AT+CWAPPROTO=3", b"AT+CWLIF"),
    (*STATION_LIST, PAUSE, b"AT+CWQIF", b'AT+CWSAP="other","87654321",7,4,1,1', b"AT+CWMODE=1"),
    (b"AT+CWINIT=0", b"AT+CWJAP?", b"AT+CWINIT=0", b"AT+CWINIT=1", PAUSE, b"AT+CWINIT?", b"AT+CWJAP?"),
    (b"AT+CWMODE=1", b"AT+CWSTARTSMART", PAUSE, b"AT+CWSTARTSMART", b"AT+CWSTOPSMART",
     b"AT+CWSTARTSMART=1,1", PAUSE, b"AT+WPS=1", PAUSE, b"AT+WPS=0", b"AT+CWMODE=2",
     b"AT+WPS=1", b"AT+CWSTARTSMART=3"),
    *(
        (b"AT+CWRECONNCFG=1,3", b'AT+CWJAP="' + network, PAUSE, b"AT+CWQAP", b"AT+CWJAP?", b"AT+RST",
         PAUSE, b"AT+CWSTATE?")
        for network in (b'Espressif",""', b'nobody",""', b'Espressif","wrong pass"', b'Espressif","","x"',
                        b'Espressif","","10:01:00:c4:0a:51",1,1,2,1', b'locked","12345678"', b'office","x"',
                        b'mute",""', b'broken",""', b'moody",""', b'locked","12345679"')
    ),
    *(
        (b"AT+CWMODE=1", b"AT+CWSTARTSMART", SHORTLY, SHORTLY, AN_INSTANT, line, PAUSE, b"AT+CWJAP?")
        for line in (b'AT+CWJAP="p",', b'AT+CWJAP="Espressif",""', b"AT+CWQAP", b"AT+CWMODE=2", b"AT+RST")
    ),
    # What is stored
    (b'AT+SYSFLASH=0,"client_ca"', b'AT+SYSFLASH=1,"client_ca",0,5', b"bytes",
     b'AT+SYSFLASH=2,"client_ca",0,9', b'AT+SYSFLASH=0,"client_ca",0,4096',
     b'AT+SYSFLASH=0,"client_ca",1,4096', b'AT+SYSFLASH=0,"mfg_nvs"', b'AT+SYSFLASH=1,"mfg_nvs",0,5',
     b'AT+SYSFLASH=1,"client_ca",0,5', b"+++", b'AT+SYSFLASH=2,"client_ca"',
     b'AT+SYSFLASH=2,"client_ca",8000,500', b'AT+SYSFLASH=2,"none",0,5'),
    (*MANUFACTURING, b"AT+SYSMFG?", b"AT+SYSMFG=1", b'AT+SYSMFG=1,"space"', b'AT+SYSMFG=1,"space","text",1,3',
     b'AT+SYSMFG=1,"space","text"', b'AT+SYSMFG=0,"space","key"', b'AT+SYSMFG=0,"space","key"',
     b'AT+SYSMFG=0,"space"', b'AT+SYSMFG=1,"client_ca"', b'AT+SYSMFG=1,"client_ca","client_ca.0"',
     b'AT+SYSMFG=2,"client_ca","client_ca.0",8,7', b"a bytes", b'AT+CIPSSLCCONF=2,0,0',
     TCP.replace(b"TCP", b"SSL") + b"7443"),
    (b'AT+SYSMFG=0,"client_cert"', b'AT+SYSMFG=0,"client_key"', b"AT+CIPSSLCCONF=3,0,0",
     b'AT+CIPSTART="SSL","10.0.2.2",7443', b'AT+CIPSSLCPSK="key","hint"', b"AT+CIPSSLCPSK?",
     b'AT+CIPSTART="SSL","10.0.2.2",7443', b'AT+CIPSSLCSNI="a.test"', b"AT+CIPSSLCSNI?",
     b'AT+CIPSSLCALPN=2,"h2","http/1.1"', b"AT+CIPSSLCALPN?", b"AT+CIPSSLCCIPHER=1,0xC02B",
     b'AT+CIPSSLCPSKHEX="00ff","hint"', b"AT+CIPSSLCPSKHEX?", b'AT+CIPSTART="SSL","10.0.2.2",7443'),
    (b"AT+RESTORE", PAUSE, b"AT+CWJAP?", b"AT+CWMODE=1", b'AT+CWJAP="Espressif",""', b"AT+RESTORE"),
    # Time, names, updates
    (b'AT+CIPSNTPCFG=1,1,"10.0.2.2"', PAUSE, b"AT+CIPSNTPTIME?", b'AT+CIPSNTPCFG=1,530,"10.0.2.2","x"',
     PAUSE, b"AT+CIPSNTPTIME?", b"AT+CIPSNTPINTV=15", b"AT+CIPSNTPCFG=0", b'AT+CWQAP',
     b'AT+CIPSNTPCFG=1,-330,"nowhere.invalid"', PAUSE, b"AT+CIPSNTPTIME?"),
    (b'AT+MDNS=1,"name","_http",80', b'AT+MDNS=1,"name","_http",0', b"AT+MDNS=0", b'AT+PING="localhost"',
     b'AT+PING="localhost"', b'AT+CIPDNS=1,"1.1.1.1","8.8.8.8"', b"AT+CIPDNS?", b"AT+CIPDNS=0", b"AT+CIPDNS?",
     b"AT+CWQAP", b'AT+MDNS=1,"name","_http",80'),
    (b"AT+CIPFWVER?", b"AT+CIUPDATE?", b"AT+CIUPDATE", b"AT+CIUPDATE=1", b'AT+CIUPDATE=1,"v2.0","ota",0',
     PAUSE, b"AT+CWQAP", b"AT+CIUPDATE", b"AT+CIPFWVER?"),
    # Sending
    (TCP + b"7000", b"AT+CIPSENDL=5", b"hello", b"AT+CIPSENDLCFG=2,4", b"AT+CIPSENDL=10", PIECE + b"12",
     PIECE + b"345", b"678910", b"AT+CIPSENDL=9000", PIECE + b"x" * 3000, PEER_CLOSES, b"y" * 3000),
    (TCP + b"7100", b"AT+CIPSENDL=9000", PIECE + b"x" * 3000, PEER_RESETS, PIECE + b"y" * 3000, b"+++"),
    (TCP + b"7100", b"AT+CIPSENDEX=20", PIECE + b"ab\\", PIECE + b"0", b"AT+CIPSENDEX=5", b"12\\045"),
    (TCP + b"7100", b"AT+CIPSEND=5", PEER_RESETS, b"hello", TCP + b"7999", TCP + b"7100", b"AT+CIPSEND=5",
     PIECE + b"hel", PEER_CLOSES, b"lo", TCP + b"7003", b"AT+CIPSEND=9", b"half\nsend", b"AT+CIPSEND=5"),
    (b"AT+CIPRECVMODE=1", TCP + b"7002", A_SECOND, b"AT+CIPRECVLEN?", b"AT+CIPRECVDATA=700",
     b"AT+CIPRECVDATA=9", b"AT+CIPRECVDATA=8192", b"AT+CIPRECVDATA=1", b"AT+CIPRECVMODE=0"),
    (b"AT+CWQAP", TCP + b"7000", b'AT+CIPSTART="UDP","10.0.2.2",7005', b'AT+CWJAP="Espressif",""',
     b"AT+CIPCONNPERSIST=1", TCP + b"7000", b"AT+CWQAP", b"AT+CIPSTATUS", b'AT+CWJAP="Espressif",""',
     b"AT+CIPSEND=3", b"abc"),
    (*SERVER, CLIENT, CLIENT, CLIENT, CLIENT, CLIENT, CLIENT, b"AT+CIPSTATUS", b"AT+CIPSTO=1", PAUSE,
     b"AT+CIPSERVERMAXCONN?", b"AT+CIPSERVER=0,1", b"AT+CIPSERVER=0", b"AT+CIPSERVERMAXCONN=9"),
    # Lines
    (b"AT+UART_CUR=9600,8,1,0,0", b"AT", b"AT+UART_CUR=115200,8,1,0,3", b"AT", b"AT+UART=80,5,1,0,0", b"AT"),
    (b"\3AT+GM", b"\3AT\0", b"\3AT\rAT\r", b"A" * 300, b"ATE1", b"\3AT+CIPMUX=1", b"ATE0",
     b"AT+CIPMUX=1\rAT"),
    (b"AT+SLEEP=1", b"AT+SLEEP=2", b"AT", b"AT+SLEEP=3", b"AT+SLEEP=0", b"AT+GSLP=1000", PAUSE, b"AT"),
    (b"AT+SYSLOG=1", b"AT+X", b"AT+CIPSTART", TCP + b"7999", b"AT+SYSLOG=0", b"AT+SYSSTORE=0", b"AT+CWMODE=1",
     b"AT+SYSSTORE=1", b"AT+SYSTIMESTAMP=1600000000", b"AT+SYSTIMESTAMP?", b"AT+CMD?", b"AT+GMR",
     b"AT+SYSRAM?"),
)  # fmt: skip


def inputs(profiles: Sequence[dict[str, str]]) -> Iterator[bytes]:
    """For each profile, by its number, with its commands and their forms: first scenes, then all forms."""
    for number, commands in enumerate(profiles):
        for at, scene in enumerate(SCENES):
            for flags in (0, 0x40, 0x42) if at % 2 else (0x40, 1, 12, 0x4C):
                yield bytes([number, flags, at % 5]) + b"\n".join(scene)
        lines = list(_lines(commands, Random(number)))
        for start in range(0, len(lines), LINES_AN_INPUT):
            some = lines[start : start + LINES_AN_INPUT]
            yield bytes([number, start // LINES_AN_INPUT % 128, 0]) + b"\n".join(some)


def _lines(commands: dict[str, str], random: Random) -> Iterator[bytes]:
    for name in commands:
        text = name if name.startswith("AT") else f"AT+{name}"
        yield from (f"{text}{form}".encode() for form in ("", "?", "=?", "=", "!"))
        if name in NEVER:
            continue
        yield from (f"{text}={word}".encode() for word in WORDS)
        for count in range(2, MOST_ARGUMENTS + 1):
            for _ in range(TRIES):
                yield f"{text}={','.join(random.choice(WORDS) for _ in range(count))}".encode()
