"""Dialogues as tables: what the host does, what the module prints, what is seen and written then.

Each is played whole, byte by byte and with every cut; then again with everything a module may say unasked
put between any two of its tokens (at-dialects 3.1 rule 4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from esp32sock.at.commands import Raw, basic, tcpip, wifi
from esp32sock.at.events import (
    Contradiction,
    DoubtSettled,
    LinkOpened,
    ModuleBusy,
    ModuleRestarted,
    OrphanLink,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.urcs import Wifi
from esp32sock.errors import CommandError, CommandTimeout, ModuleReset
from tests.at.harness import (
    Closed,
    Data,
    Dialogue,
    Do,
    Done,
    Failed,
    Fault,
    Host,
    SessionHarness,
    Wait,
    assert_events,
    assert_polite,
    bytewise,
    chunk,
    play,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.at.harness import Step

AT = basic.Test()
OPEN = tcpip.OpenTcp(0, "10.0.2.2", 7000)
OPEN_LINE = b'AT+CIPSTART=0,"TCP","10.0.2.2",7000\r\n'
SEND = tcpip.Send(0, chunk(0, b"hello"))
SEND_LINE = b"AT+CIPSEND=0,5\r\n"
LONG = bytes(range(256)) * 4
SEND_LONG = tcpip.Send(0, chunk(0, LONG))
CLOSE = tcpip.Close(0)
STATUS = tcpip.Links()
GMR = basic.Version()
UART = basic.Uart()
MULTIPLEXED = tcpip.Multiplexed()
JOIN = wifi.Join("a,b", 'p"\\w')
JOIN_LINE = b'AT+CWJAP="a\\,b","p\\"\\\\w"\r\n'
RAW = Raw(b"AT+CWLAP")
LOOK_ALIKE = b"\r\nOK\r\n0,CLOSED\r\n+IPD,1,5:>\r\nready\r\nSEND OK\r\n"

OK, ERROR = b"\r\nOK\r\n", b"\r\nERROR\r\n"
PROMPT = b"\r\n>"
RECV, SEND_OK, SEND_FAIL = b"\r\nRecv 5 bytes\r\n", b"\r\nSEND OK\r\n", b"\r\nSEND FAIL\r\n"
SENT = [SEND_LINE, b"hello"]
OPENED = LinkOpened(0, 1, accepted=False)
BUSY = b"\r\nbusy p...\r\n"
BARRIER, ANSWER = b"AT+CIPMUX?\r\n", b"+CIPMUX:1\r\n"
SETTLED = DoubtSettled("AT+CIPSTATUS", mux=True)
OTHER_MUX = Contradiction("it speaks of links as with the other CIPMUX")


def unasked(result: str) -> list[object]:
    """What is seen of a result that no command asked for."""
    return [Contradiction(f"{result} that no command asked for"), UnknownText(result.encode())]


def ipd(link_id: int, payload: bytes, trailer: bytes = b"\r\n") -> bytes:
    return b"\r\n+IPD,%d,%d:%s%s" % (link_id, len(payload), payload, trailer)


DIALOGUES = [
    # Final results
    Dialogue("OK", [Host(AT), OK], [Done(AT)], [b"AT\r\n"]),
    Dialogue("ERROR", [Host(AT), ERROR], [Failed(AT, CommandError, "AT: the module answered ERROR")]),
    Dialogue(
        "a late result of a send is not that of the next command",
        [Host(AT), b"\r\nSEND OK\r\n", b"\r\nSEND FAIL\r\n", b"\r\nSEND Canceled\r\n", OK],
        [*unasked("SEND OK"), *unasked("SEND FAIL"), *unasked("SEND Canceled"), Done(AT)],
    ),
    Dialogue("FAIL", [Host(AT), b"\r\nFAIL\r\n"], [Failed(AT, CommandError, "ERROR")]),
    Dialogue("no blank line", [Host(AT), b"OK\r\n"], [Done(AT)]),
    Dialogue(
        "error code",
        [Host(AT), b"ERR CODE:0x01090000\r\n", ERROR],
        [Failed(AT, CommandError, "(code 0x01090000: this firmware does not have the command)")],
    ),
    Dialogue(
        "errno of 5.0", [Host(OPEN), b"+ERRNO:0x6f\r\n", ERROR], [Failed(OPEN, CommandError, "0x0000006f")]
    ),
    Dialogue(
        "reason of 0.10",
        [Host(OPEN), b"ALREADY CONNECTED\r\n", ERROR],
        [Failed(OPEN, CommandError, "ALREADY CONNECTED")],
    ),
    # Response lines
    Dialogue(
        "status with two links",
        [
            Host(STATUS),
            b"STATUS:3\r\n",
            b'+CIPSTATUS:0,"TCP","10.0.2.2",7000,61510,0\r\n',
            b'+CIPSTATUS:1,"TCP","10.0.2.2",7001,61511,0\r\n',
            OK,
        ],
        [
            Done(
                STATUS,
                (
                    b"STATUS:3",
                    b'+CIPSTATUS:0,"TCP","10.0.2.2",7000,61510,0',
                    b'+CIPSTATUS:1,"TCP","10.0.2.2",7001,61511,0',
                ),
            )
        ],
        links=(0, 1),
    ),
    Dialogue(
        "version",
        [Host(GMR), b"AT version:2.0.0.0(x)\r\n", b"compile time(7cac7ad):Nov  4 2019 06:11:40\r\n", OK],
        [Done(GMR, (b"AT version:2.0.0.0(x)", b"compile time(7cac7ad):Nov  4 2019 06:11:40"))],
    ),
    Dialogue(
        "a line without a blank one behind it",
        [Host(UART), b"+UART_CUR:115201,8,1,0,1\r\n", b"OK\r\n"],
        [Done(UART, (b"+UART_CUR:115201,8,1,0,1",))],
    ),
    Dialogue(
        "a network that is called like a header",
        [Host(RAW), b'+CWLAP:(3,"+IPD,0,900:",-40,"30:91:8f:00:00:01",11)\r\n', OK],
        [Done(RAW, (b'+CWLAP:(3,"+IPD,0,900:",-40,"30:91:8f:00:00:01",11)',))],
    ),
    # Joining
    Dialogue(
        "join",
        [Host(JOIN), b"WIFI DISCONNECT\r\n", b"WIFI CONNECTED\r\n", b"WIFI GOT IP\r\n", OK],
        [
            WifiChanged(Wifi.DISCONNECTED),
            WifiChanged(Wifi.CONNECTED),
            WifiChanged(Wifi.GOT_IP),
            Done(JOIN),
        ],
        [JOIN_LINE],
    ),
    Dialogue(
        "join fails",
        [Host(JOIN), b"+CWJAP:3\r\n", ERROR],
        [Failed(JOIN, CommandError, "ERROR", (b"+CWJAP:3",))],
    ),
    # Opening
    Dialogue(
        "open",
        [Host(OPEN), b"0,CONNECT\r\n", OK],
        [OPENED, Done(OPEN)],
        [OPEN_LINE],
    ),
    Dialogue(
        "open, by SYSMSG",
        [Host(OPEN), b'+LINK_CONN:0,0,"TCP",0,"10.0.2.2",7000,52487\r\n', OK],
        [LinkOpened(0, 1, False, ("10.0.2.2", 7000), 52487), Done(OPEN)],
    ),
    Dialogue("open is refused", [Host(OPEN), ERROR], [Failed(OPEN, CommandError)]),
    Dialogue(
        "open is refused, with a CLOSED for what never opened (known-bugs 6)",
        [Host(OPEN), ERROR, b"0,CLOSED\r\n"],
        [Failed(OPEN, CommandError)],
    ),
    Dialogue(
        "that CLOSED comes when the next attempt is under way",
        [Host(OPEN), ERROR, Host(OPEN), b"0,CLOSED\r\n", b"0,CONNECT\r\n", OK],
        [Failed(OPEN, CommandError), LinkOpened(0, 2, accepted=False), Done(OPEN)],
        [OPEN_LINE, OPEN_LINE],
    ),
    Dialogue(
        "a banner before OK",
        [Host(OPEN), b"0,CONNECT\r\n", ipd(0, b"HELLO\r\n"), OK],
        [OPENED, Data(0, b"HELLO\r\n"), Done(OPEN)],
    ),
    Dialogue(
        "a peer that says all and closes at once",
        [Host(OPEN), b"0,CONNECT\r\n", OK, ipd(0, LOOK_ALIKE), b"0,CLOSED\r\n"],
        [OPENED, Done(OPEN), Data(0, LOOK_ALIKE), Closed(0, 1)],
    ),
    Dialogue(
        "closed before its OK",
        [Host(OPEN), b"0,CONNECT\r\n", b"0,CLOSED\r\n", OK],
        [OPENED, Closed(0, 1), Done(OPEN)],
    ),
    Dialogue(
        "closed, given back, and then refused",
        [
            Host(OPEN),
            b"0,CONNECT\r\n",
            b"0,CLOSED\r\n",
            Do(lambda harness: harness.session.links.release(0)),
            ERROR,
        ],
        [OPENED, Closed(0, 1), Failed(OPEN, CommandError)],
    ),
    Dialogue(
        "CONNECT and then ERROR",
        [Host(OPEN), b"0,CONNECT\r\n", ERROR],
        [OPENED, Closed(0, 1), Failed(OPEN, CommandError)],
    ),
    # Sending
    Dialogue("send", [Host(SEND), OK, PROMPT, RECV, SEND_OK], [Done(SEND)], SENT, links=(0,), own_link=True),
    Dialogue(
        "send, OK and prompt as one (2.4)",
        [Host(SEND), b"\r\nOK\r\n\r\n>", RECV, SEND_OK],
        [Done(SEND)],
        SENT,
        links=(0,),
        own_link=True,
    ),
    Dialogue(
        "send, prompt with a space (ESP8266)",
        [Host(SEND), OK, b"\r\n> ", RECV, SEND_OK],
        [Done(SEND)],
        SENT,
        links=(0,),
        own_link=True,
    ),
    Dialogue(
        "send as in the 2017 document: no OK, no Recv",
        [Host(SEND), b">", SEND_OK],
        [Done(SEND)],
        SENT,
        links=(0,),
        own_link=True,
    ),
    Dialogue(
        "send many bytes",
        [Host(SEND_LONG), OK, PROMPT, b"\r\nRecv 1024 bytes\r\n", SEND_OK],
        [Done(SEND_LONG)],
        [b"AT+CIPSEND=0,1024\r\n", LONG],
        links=(0,),
        own_link=True,
    ),
    Dialogue(
        "send, echoed",
        [Host(SEND), OK, PROMPT, RECV, SEND_OK, ipd(0, b"hello")],
        [Done(SEND), Data(0, b"hello")],
        SENT,
        links=(0,),
        own_link=True,
    ),
    Dialogue(
        "send, and the peer closes after SEND OK",
        [Host(SEND), OK, PROMPT, RECV, SEND_OK, b"0,CLOSED\r\n"],
        [Done(SEND), Closed(0, 1)],
        SENT,
        links=(0,),
    ),
    Dialogue(
        "send, and the peer closes before Recv",
        [Host(SEND), OK, PROMPT, b"0,CLOSED\r\n", RECV, SEND_FAIL],
        [Closed(0, 1), Failed(SEND, CommandError, "SEND FAIL")],
        SENT,
        links=(0,),
    ),
    Dialogue(
        "send, and the peer closes between Recv and SEND OK",
        [Host(SEND), OK, PROMPT, RECV, b"0,CLOSED\r\n", SEND_OK],
        [Closed(0, 1), Done(SEND)],
        SENT,
        links=(0,),
    ),
    Dialogue(
        "send on a link that is gone",
        [Host(SEND), ERROR],
        [Failed(SEND, CommandError, "ERROR")],
        [SEND_LINE],
        links=(0,),
    ),
    Dialogue(
        "SEND FAIL",
        [Host(SEND), OK, PROMPT, RECV, SEND_FAIL],
        [Failed(SEND, CommandError, "SEND FAIL")],
        SENT,
        links=(0,),
    ),
    Dialogue(
        "ERROR instead of SEND FAIL (the documents)",
        [Host(SEND), OK, PROMPT, RECV, ERROR],
        [Failed(SEND, CommandError, "ERROR")],
        SENT,
        links=(0,),
    ),
    Dialogue(
        "SEND Canceled",
        [Host(SEND), OK, PROMPT, b"\r\nSEND Canceled\r\n"],
        [Failed(SEND, CommandError, "SEND CANCELED")],
        SENT,
        links=(0,),
    ),
    Dialogue(
        "SEND FAIL and then SEND OK (NonOS), which is not the next one's",
        [
            Host(SEND),
            OK,
            PROMPT,
            RECV,
            SEND_FAIL,
            Host(SEND),
            SEND_OK,
            OK,
            PROMPT,
            SEND_OK,
            RECV,
            SEND_OK,
        ],
        [
            Failed(SEND, CommandError, "SEND FAIL"),
            UnknownText(b"SEND OK"),
            UnknownText(b"SEND OK"),
            Done(SEND),
        ],
        [*SENT, *SENT],
        links=(0,),
    ),
    Dialogue(
        "a late OK between prompt and payload is nobody's",
        [
            Host(SEND),
            OK,
            b"\r\n>\r\nOK\r\n",
            Wait(0),
            RECV,
            SEND_OK,
        ],
        [*unasked("OK"), Done(SEND)],
        SENT,
        links=(0,),
        calm=False,
    ),
    Dialogue(
        "busy p... about bytes behind the payload",
        [Host(SEND), OK, PROMPT, b"\r\nbusy p...\r\n", RECV, SEND_OK],
        [Done(SEND)],
        SENT,
        links=(0,),
        own_link=True,
    ),
    Dialogue(
        "three sends in a row",
        [Host(SEND), OK, PROMPT, RECV, SEND_OK] * 3,
        [Done(SEND)] * 3,
        SENT * 3,
        links=(0,),
        own_link=True,
    ),
    # Closing
    Dialogue("close", [Host(CLOSE), b"0,CLOSED\r\n", OK], [Done(CLOSE)], [b"AT+CIPCLOSE=0\r\n"], links=(0,)),
    Dialogue(
        "CLOSED of the peer races CIPCLOSE",
        [Host(CLOSE), b"0,CLOSED\r\n", ERROR],
        [Failed(CLOSE, CommandError)],
        links=(0,),
    ),
    Dialogue(
        "payload that was on its way when it was closed",
        [Host(CLOSE), ipd(0, LOOK_ALIKE), b"0,CLOSED\r\n", OK],
        [Done(CLOSE)],
        links=(0,),
    ),
    Dialogue(
        "close all",
        [Host(tcpip.Close(tcpip.ALL_LINKS)), b"0,CLOSED\r\n", b"1,CLOSED\r\n"],
        [Closed(0, 1), Closed(1, 1)],
        links=(0, 1),
    ),
    Dialogue(
        "an id again: what is late does not reach the next owner",
        [
            Host(CLOSE),
            ipd(0, b"old"),
            b"0,CLOSED\r\n",
            OK,
            Host(OPEN),
            b"0,CLOSED\r\n",
            b"0,CONNECT\r\n",
            ipd(0, b"new"),
            OK,
        ],
        [Done(CLOSE), LinkOpened(0, 2, accepted=False), Data(0, b"new"), Done(OPEN)],
        links=(0,),
    ),
    # Said unasked
    Dialogue(
        "a server accepts",
        [b"2,CONNECT\r\n", ipd(2, b"GET /"), b"2,CLOSED\r\n"],
        [LinkOpened(2, 1, accepted=True), Data(2, b"GET /"), Closed(2, 1)],
    ),
    Dialogue(
        "a server accepts while we open another link",
        [Host(OPEN), b"2,CONNECT\r\n", b"0,CONNECT\r\n", ipd(2, b"x"), OK],
        [LinkOpened(2, 1, accepted=True), OPENED, Data(2, b"x"), Done(OPEN)],
    ),
    Dialogue(
        "a server accepts on the id before we gave it back",
        [b"0,CLOSED\r\n", b"0,CONNECT\r\n", ipd(0, b"x")],
        [Closed(0, 1), LinkOpened(0, 2, accepted=True), Data(0, b"x")],
        links=(0,),
    ),
    Dialogue(
        "passive receive",
        [b"\r\n+IPD,0,100\r\n", b"\r\n+IPD,0,90\r\n"],
        [UnreadWaiting(0, 100), UnreadWaiting(0, 90)],
        links=(0,),
    ),
    Dialogue(
        "payload for nobody, and for no link at all",
        [ipd(1, LOOK_ALIKE), ipd(7, LOOK_ALIKE), ipd(1, LOOK_ALIKE), Host(AT), OK],
        [OrphanLink(1, "payload arrived for a link that is not open"), Done(AT)],
    ),
    Dialogue(
        "payload in pieces with nothing between (1.x)",
        [ipd(0, b"one", b""), ipd(0, b"two", b""), b"0,CLOSED\r\n"],
        [Data(0, b"onetwo"), Closed(0, 1)],
        links=(0,),
        calm=False,
    ),
    Dialogue(
        "text glued behind a payload that is understood (1.x)",
        [Host(SEND), OK, PROMPT, ipd(0, b"LATER", b""), b"0,CLOSED\r\n", RECV, SEND_FAIL],
        [Data(0, b"LATER"), Closed(0, 1), Failed(SEND, CommandError, "SEND FAIL")],
        SENT,
        links=(0,),
        calm=False,
    ),
    Dialogue(
        "text glued behind a payload that is not",
        [ipd(0, b"hello", b""), b"delete\r\n", ipd(0, b"more")],
        [Data(0, b"hello"), Fault(0, 1, "delete"), Data(0, b"more")],
        links=(0,),
        calm=False,
    ),
    Dialogue(
        "text glued behind a payload for nobody",
        [ipd(4, b"hello", b""), b"delete\r\n"],
        [OrphanLink(4, "payload arrived for a link that is not open"), UnknownText(b"delete")],
        links=(0,),
        calm=False,
    ),
    Dialogue(
        "the log of a board with one port, glued and not",
        [
            ipd(0, b"hello", b""),
            b"\x1b[0;32mI (49056) event: ip: 10.0.2.15\x1b[0m\r\n",
            b"W (1) wifi: x\r\n",
        ],
        [
            Data(0, b"hello"),
            UnknownText(b"\x1b[0;32mI (49056) event: ip: 10.0.2.15\x1b[0m"),
            UnknownText(b"W (1) wifi: x"),
        ],
        links=(0,),
        calm=False,
    ),
    Dialogue("a result that nobody asked for", [OK, ERROR], [*unasked("OK"), *unasked("ERROR")]),
    Dialogue(
        "OK without the line that must come before it is another command's",
        [Host(MULTIPLEXED), OK, b"+CIPMUX:1\r\n", OK],
        [*unasked("OK"), Done(MULTIPLEXED, (b"+CIPMUX:1",))],
        calm=False,
    ),
    Dialogue(
        "what a mangled echo of a secret says is not shown",
        [Host(JOIN), b'AT+CWJAP="a,b","p"\r\n', OK],
        [
            Contradiction("it echoes commands, though that was switched off"),
            UnknownText(b"(18 bytes, not shown while AT+CWJAP runs)"),
            Done(JOIN),
        ],
    ),
    # Echo
    Dialogue("echo", [Host(AT), b"AT\r\n", OK], [Done(AT)], echo=True),
    Dialogue(
        "echo of a send",
        [Host(SEND), b"AT+CIPSEND=0,5\r\n", OK, PROMPT, RECV, SEND_OK],
        [Done(SEND)],
        SENT,
        links=(0,),
        echo=True,
        own_link=True,
    ),
    Dialogue(
        "payload inside an echo",
        [Host(STATUS), b"AT+CIP", ipd(0, b"LATER"), b"STATUS\r\n", b"STATUS:3\r\n", OK],
        [Data(0, b"LATER"), Done(STATUS, (b"STATUS:3",))],
        links=(0,),
        echo=True,
        calm=False,
    ),
    Dialogue(
        "payload of 1.x inside an echo",
        [Host(STATUS), b"AT+CIP", ipd(0, b"LATER", b""), b"STATUS\r\n", b"STATUS:3\r\n", OK],
        [Data(0, b"LATER"), Done(STATUS, (b"STATUS:3",))],
        links=(0,),
        echo=True,
        calm=False,
    ),
    Dialogue(
        "echo with nothing of its own on the line",
        [Host(AT), b"AT", ipd(0, b"1", b""), ipd(0, b"2"), OK],
        [Data(0, b"12"), Done(AT)],
        links=(0,),
        echo=True,
        calm=False,
    ),
    Dialogue(
        "echo that was asked for again, raw",
        [Host(raw := Raw(b"ATE1")), OK, Host(AT), b"AT\r\n", OK],
        [Done(raw), Done(AT)],
    ),
    Dialogue(
        "no echo any more, raw",
        [Host(raw := Raw(b"ATe0")), b"ATe0\r\n", OK, Host(AT), b"AT\r\n", OK],
        [Done(raw), UnknownText(b"AT"), Done(AT)],
        echo=True,
    ),
    # Restarts
    Dialogue("ready while idle", [b"\r\nready\r\n"], [ModuleRestarted(False)], calm=False),
    Dialogue(
        "ready in the middle of everything",
        [Host(SEND), OK, b"\r\nready\r\n", PROMPT + b"\r\n"],
        [Failed(SEND, ModuleReset), Closed(0, 1, ModuleReset), ModuleRestarted(False), UnknownText(b">")],
        [SEND_LINE],
        links=(0,),
        calm=False,
    ),
    Dialogue(
        "asked to restart",
        [
            Host(restart := basic.Restart()),
            OK,
            b"0,CLOSED\r\n",
            b"WIFI DISCONNECT\r\n",
            b"WIFI CONNECTED\r\n",
            b"\r\nready\r\n",
            b"WIFI GOT IP\r\n",
        ],
        [
            Done(restart),
            Closed(0, 1, ModuleReset),
            WifiChanged(Wifi.DISCONNECTED),
            WifiChanged(Wifi.CONNECTED),
            ModuleRestarted(True),
            WifiChanged(Wifi.GOT_IP),
        ],
        links=(0,),
        calm=False,
    ),
    # busy p...
    Dialogue(
        "busy, and the line was dropped: a barrier shows it, and it is sent again",
        [Host(AT), BUSY, Wait(0.3), ANSWER, OK, Wait(0), OK],
        [ModuleBusy("AT"), Done(AT)],
        [b"AT\r\n", BARRIER, b"AT\r\n"],
        calm=False,
    ),
    Dialogue(
        "busy, and the line ran: its answer is awaited, and it is not sent again",
        [Host(AT), BUSY, Wait(0.3), BUSY, Wait(0.5), OK],
        [ModuleBusy("AT"), Done(AT)],
        [b"AT\r\n", BARRIER],
    ),
    Dialogue(
        "no answer, and the barrier shows that it was lost",
        [Host(STATUS), Wait(2), ANSWER, OK],
        [Failed(STATUS, CommandTimeout, "no answer, though it was worked off"), SETTLED],
        [b"AT+CIPSTATUS\r\n", BARRIER],
    ),
    Dialogue(
        "the answer of a barrier that comes late settles nothing that came after it",
        [Host(STATUS), Wait(2), b"STATUS:3\r\n", OK, Host(OPEN), ANSWER, OK, b"0,CONNECT\r\n", OK],
        [Done(STATUS, (b"STATUS:3",)), OPENED, Done(OPEN)],
        [b"AT+CIPSTATUS\r\n", BARRIER, OPEN_LINE],
    ),
    Dialogue(
        "the second barrier asks for something else while the first may be answered",
        [Host(STATUS), Wait(3.5), ANSWER, OK, b"+CIPMODE:0\r\n", OK, Host(AT), OK],
        [Failed(STATUS, CommandTimeout), SETTLED, Done(AT)],
        [b"AT+CIPSTATUS\r\n", BARRIER, b"AT+CIPMODE?\r\n", b"AT\r\n"],
    ),
    Dialogue(
        "a command about CIPMUX has a barrier of its own",
        [Host(MULTIPLEXED), Wait(2), b"+CIPMODE:0\r\n", OK],
        [Failed(MULTIPLEXED, CommandTimeout), DoubtSettled("AT+CIPMUX", None)],
        [BARRIER, b"AT+CIPMODE?\r\n"],
    ),
    Dialogue(
        "busy, and the answer comes after all: not sent again",
        [Host(AT), b"\r\nbusy p...\r\n", OK, Wait(5)],
        [ModuleBusy("AT"), Done(AT)],
        [b"AT\r\n"],
    ),
    Dialogue(
        "busy with its error code, then the answer (14)",
        [Host(AT), b"ERR CODE:0x010b0000\r\n", b"\r\nbusy p...\r\n", ERROR],
        [ModuleBusy("AT"), Failed(AT, CommandError, "AT: the module answered ERROR")],
        [b"AT\r\n"],
    ),
    Dialogue(
        "busy, CONNECT, and OK a while later: not sent again",
        [Host(OPEN), BUSY, b"0,CONNECT\r\n", Wait(1), OK],
        [ModuleBusy("AT+CIPSTART"), OPENED, Done(OPEN)],
        None,
    ),
    Dialogue(
        "busy, OK, and the prompt a while later: the line is no payload",
        [Host(SEND), b"\r\nbusy p...\r\n", OK, Wait(1), PROMPT, RECV, SEND_OK],
        [ModuleBusy("AT+CIPSEND"), Done(SEND)],
        SENT,
        links=(0,),
        own_link=True,
    ),
    Dialogue(
        "busy s... of NonOS, before a prompt",
        [
            Host(SEND),
            b"busy s...\r\n",
            Wait(1.3),
            ERROR,
            Wait(0.4),
            ANSWER,
            OK,
            Wait(0),
            OK,
            PROMPT,
            RECV,
            SEND_OK,
        ],
        [ModuleBusy("AT+CIPSEND"), Done(SEND)],
        [SEND_LINE, b"+++", b"\r\n", BARRIER, *SENT],
        links=(0,),
        calm=False,
    ),
    Dialogue(
        "busy, and the line is echoed when it is taken the second time",
        [Host(AT), b"AT\r\n", BUSY, Wait(0.3), b"AT+CIPMUX?\r\n", ANSWER, OK, Wait(0), b"AT\r\n", OK],
        [ModuleBusy("AT"), Done(AT)],
        [b"AT\r\n", BARRIER, b"AT\r\n"],
        echo=True,
        calm=False,
    ),
    Dialogue("busy about nothing of ours", [b"\r\nbusy p...\r\n"], [UnknownText(b"busy p...")]),
    # Time
    Dialogue(
        "an answer that comes too late is not the next one's",
        [Host(AT), Wait(AT.timeout), OK, ANSWER, OK, Host(AT), OK],
        [Failed(AT, CommandTimeout), Done(AT)],
        None,
    ),
]
BY_NAME = [pytest.param(dialogue, id=dialogue.name) for dialogue in DIALOGUES]


def check(harness: SessionHarness, dialogue: Dialogue) -> None:
    assert_events(harness.events, dialogue.events)
    if dialogue.written is not None:
        assert harness.written == dialogue.written
    assert_polite(harness.wire)


def test_no_two_dialogues_share_a_name() -> None:
    assert len({dialogue.name for dialogue in DIALOGUES}) == len(DIALOGUES)


@pytest.mark.parametrize("dialogue", BY_NAME)
def test_whole(dialogue: Dialogue) -> None:
    check(play(dialogue, dialogue.groups(), whole), dialogue)


@pytest.mark.parametrize("dialogue", BY_NAME)
def test_token_by_token(dialogue: Dialogue) -> None:
    check(play(dialogue, dialogue.steps, whole), dialogue)


@pytest.mark.parametrize("dialogue", BY_NAME)
def test_byte_by_byte(dialogue: Dialogue) -> None:
    check(play(dialogue, dialogue.steps, bytewise), dialogue)


@pytest.mark.parametrize("dialogue", BY_NAME)
def test_every_cut(dialogue: Dialogue) -> None:
    groups = dialogue.groups()
    for number, group in enumerate(groups):
        if not isinstance(group, bytes):
            continue
        for at in range(1, len(group)):
            cut = [*groups[:number], group[:at], group[at:], *groups[number + 1 :]]
            check(play(dialogue, cut, whole), dialogue)


# ---- unsolicited words between any two tokens

OTHER = 3
"""A link that is open and that no dialogue is about."""

INTRUDERS: list[tuple[bytes, list[object]]] = [
    (ipd(OTHER, b"data"), [Data(OTHER, b"data")]),
    (ipd(OTHER, LOOK_ALIKE), [Data(OTHER, LOOK_ALIKE)]),
    (ipd(OTHER, b""), []),
    (ipd(OTHER, b"+IPD,3,5:>\r\n" * 243 + b"last"), [Data(OTHER, b"+IPD,3,5:>\r\n" * 243 + b"last")]),
    (b'\r\n+IPD,3,4,"10.0.2.2",7000:data\r\n', [Data(OTHER, b"data")]),
    (b"\r\n+IPD,3,4,10.0.2.2,7000:data\r\n", [Data(OTHER, b"data")]),
    (ipd(9, LOOK_ALIKE), []),
    (b"\r\n+IPD,3,1460\r\n", [UnreadWaiting(OTHER, 1460)]),
    (b"3,CLOSED\r\n", [Closed(OTHER, 1)]),
    (b"4,CONNECT\r\n", [LinkOpened(4, 1, accepted=True)]),
    (
        b'+LINK_CONN:0,4,"TCP",1,"192.168.4.2",49469,80\r\n',
        [LinkOpened(4, 1, True, ("192.168.4.2", 49469), 80)],
    ),
    (b"4,CLOSED\r\n", []),
    (b"CLOSED\r\n", [OTHER_MUX, UnknownText(b"CLOSED")]),
    (b"CONNECT\r\n", [OTHER_MUX, UnknownText(b"CONNECT")]),
    (b"4,CONNECT FAIL\r\n", []),
    (b"WIFI CONNECTED\r\n", [WifiChanged(Wifi.CONNECTED)]),
    (b"WIFI GOT IP\r\n", [WifiChanged(Wifi.GOT_IP)]),
    (b"WIFI DISCONNECT\r\n", [WifiChanged(Wifi.DISCONNECTED)]),
    (b"\r\n+QUITT\r\n", [UnknownText(b"+QUITT")]),
    (b"+TIME_UPDATED\r\n", [UnknownText(b"+TIME_UPDATED")]),
    (b'+DIST_STA_IP:"aa:bb","192.168.4.2"\r\n', [UnknownText(b'+DIST_STA_IP:"aa:bb","192.168.4.2"')]),
    (b"Have 3 Connections\r\n", [UnknownText(b"Have 3 Connections")]),
    (b"I (49056) wifi: new:1,0, old:1,0\r\n", [UnknownText(b"I (49056) wifi: new:1,0, old:1,0")]),
    (b"local port 2390\r\n", [UnknownText(b"local port 2390")]),
]
UNKNOWN = (b"local port 2390\r\n", b"CLOSED\r\n", b"CONNECT\r\n")
CALM = [dialogue for dialogue in DIALOGUES if dialogue.calm]


def intrusions(dialogue: Dialogue, intruder: bytes) -> Iterator[tuple[int, list[Step]]]:
    """The dialogue with the intruder in front of every token of the module, and behind the last one."""
    for at in range(len(dialogue.steps) + 1):
        before = at > 0 and isinstance(dialogue.steps[at - 1], bytes)
        behind = at < len(dialogue.steps) and isinstance(dialogue.steps[at], bytes)
        if before or behind:
            yield at, [*dialogue.steps[:at], intruder, *dialogue.steps[at:]]


def with_the_other_link(dialogue: Dialogue) -> Dialogue:
    return replace(dialogue, links=(*dialogue.links, OTHER))


def has_raw_command(dialogue: Dialogue) -> bool:
    """A raw command takes every line that is not known to be unsolicited."""
    return any(isinstance(step, Host) and isinstance(step.command, Raw) for step in dialogue.steps)


def shown_while(dialogue: Dialogue, at: int, events: list[object]) -> list[object]:
    """What is not understood is not shown while a secret is in flight."""
    if dialogue.steps[0] != Host(JOIN) or at == len(dialogue.steps):
        return events
    return [
        UnknownText(b"(%d bytes, not shown while AT+CWJAP runs)" % len(event.text))
        if isinstance(event, UnknownText)
        else event
        for event in events
    ]


@pytest.mark.parametrize("dialogue", [pytest.param(d, id=d.name) for d in CALM])
def test_intruders(dialogue: Dialogue) -> None:
    base = with_the_other_link(dialogue)
    for intruder, news in INTRUDERS:
        if intruder in UNKNOWN and has_raw_command(dialogue):
            continue
        for at, steps in intrusions(base, intruder):
            seen_before = len(play(base, steps[:at], whole).events)
            events = [*base.events[:seen_before], *shown_while(base, at, news), *base.events[seen_before:]]
            intruded = replace(base, steps=steps, events=events)
            check(play(base, steps, whole), intruded)
            check(play(base, steps, bytewise), intruded)
            check(play(base, intruded.groups(), whole), intruded)


@pytest.mark.parametrize("dialogue", [pytest.param(d, id=d.name) for d in CALM if d.own_link])
def test_payload_of_the_link_itself(dialogue: Dialogue) -> None:
    for payload in (b"x", LOOK_ALIKE, bytes(1460)):
        for at, steps in intrusions(dialogue, ipd(0, payload)):
            for cut in (whole, bytewise):
                harness = play(dialogue, steps, cut)
                data = [event for event in harness.events if isinstance(event, Data)]
                others = [event for event in harness.events if not isinstance(event, Data)]
                expected = [event for event in dialogue.events if not isinstance(event, Data)]
                assert_events(others, expected)
                came = b"".join(event.payload for event in data)
                own = b"".join(event.payload for event in dialogue.events if isinstance(event, Data))
                assert came in (payload + own, own + payload), at
                assert harness.written == dialogue.written
                assert_polite(harness.wire)


def test_intruders_come_at_every_boundary() -> None:
    send = next(dialogue for dialogue in DIALOGUES if dialogue.name == "send")
    assert [at for at, _ in intrusions(send, b"")] == [1, 2, 3, 4, 5]
