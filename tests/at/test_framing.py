"""The grammar of the stream, as a table: bytes in, frames and payload out, however the bytes were cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

PROMPT = "PROMPT"
Frame = bytes | tuple[bytes, int] | str
Datagram = tuple[str | None, int, bytes]


@dataclass(frozen=True)
class Case:
    """What is fed, and what must come of it. A frame is a text, (text, follows) or PROMPT."""

    name: str
    data: bytes
    frames: list[Frame] = field(default_factory=list)
    streams: dict[int, bytes] = field(default_factory=dict)
    datagrams: dict[int, list[Datagram]] = field(default_factory=dict)  # these links take datagrams
    unowned: int | None = None
    stray: int = 0
    pending: bytes = b""
    mux: bool = True
    recvdata_has_peer: bool = False
    recvdata_link: int | None = None
    prompts: int = 0  # how many to expect, one at a time
    ends_in_line: bool = False  # what is put behind it is not a line of its own


def read(name: str, data: bytes, frames: list[Frame], payload: bytes, *, peer: bool = False) -> Case:
    """A case of +CIPRECVDATA, for link 2."""
    streams = {2: payload} if payload else {}
    return Case(name, data, frames, streams, recvdata_link=2, recvdata_has_peer=peer)


QUOTED = b'"10.0.2.2",7000'
LONG = b"2001:0db8:0000:0000:0000:ff00:192.168.100.200"
LOOK_ALIKE = b"\r\n0,CLOSED\r\n+IPD,1,5:hello\r\n>"
COUNTED = [  # every line of at-dialects 7.12
    shape % len(LOOK_ALIKE)
    for shape in (
        b'+MQTTSUBRECV:0,"attic/temperature",%d,', b"+WS_DATA:2,%d,", b"+HTTPCLIENT:%d,", b"+HTTPCGET:%d,",
        b"+HTTPCPOST:%d,", b"+HTTPCPUT:%d,", b"+HTTPURLCFG:%d,", b"+FS:READ,%d,", b"+SYSFLASH:%d,",
        b'+SYSMFG:"client_ca","client_ca.0",8,%d,', b"+USERRAM:%d,", b"+SCRD:%d,", b"+BLUFIDATA:%d,",
        b"+BTDATA:%d,", b"+BLEGATTCRD:0,%d,", b"+WRITE:0,1,1,,%d,", b"+WRITE:0,1,1,2,%d,",
        b"+NOTIFY:0,3,1,%d,", b"+INDICATE:0,3,1,%d,",
    )
]  # fmt: skip
TOPIC = b'+MQTTSUBRECV:0,"%s",2,'

CASES = [
    # Lines
    Case("nothing", b""),
    Case("line", b"OK\r\n", [b"OK"]),
    Case("line with CR LF in front", b"\r\nOK\r\n", [b"OK"]),
    Case("several", b"WIFI CONNECTED\r\n0,CLOSED\r\n\r\nOK\r\n", [b"WIFI CONNECTED", b"0,CLOSED", b"OK"]),
    Case("empty lines", b"\r\n" * 9 + b"OK\r\n" + b"\r\n" * 9, [b"OK"]),
    Case("lone CR", b"a\rb\r\n", [b"a\rb"]),
    Case("lone LF", b"a\nb\r\n", [b"a\nb"]),
    Case("CR CR LF", b"a\r\r\n", [b"a\r"]),
    Case("LF CR", b"a\n\rb\r\n", [b"a\n\rb"]),
    Case("CR CR LF alone", b"\r\r\n", [b"\r"]),
    Case("LF at start", b"\nOK\r\n", [b"\nOK"]),
    Case("any bytes", bytes(range(32, 256)) + b"\0\r\n", [bytes(range(32, 256)) + b"\0"]),
    Case("unfinished", b"OK\r\n+CIPSTA", [b"OK"], pending=b"+CIPSTA", ends_in_line=True),
    Case("unfinished at CR", b"OK\r", pending=b"OK\r", ends_in_line=True),
    Case("pluses", b"+++\r\n++IPD+\r\n", [b"+++", b"++IPD+"]),
    # +IPD in the shapes of at-dialects 7.6
    Case("mux", b"\r\n+IPD,0,5:hello\r\n", streams={0: b"hello"}),
    Case("mux, 1.x has no trailer", b"\r\n+IPD,3,5:hello", streams={3: b"hello"}, ends_in_line=True),
    Case("mux, dinfo 2.0", b"\r\n+IPD,1,3," + QUOTED + b":abc\r\n", streams={1: b"abc"}),
    Case("mux, dinfo 1.2", b"\r\n+IPD,1,3,10.0.2.2,7000:abc\r\n", streams={1: b"abc"}),
    Case("single", b"\r\n+IPD,5:hello\r\n", streams={0: b"hello"}, mux=False),
    Case("single, dinfo 2.0", b"\r\n+IPD,3," + QUOTED + b":abc\r\n", streams={0: b"abc"}, mux=False),
    Case("single, dinfo 1.2", b"\r\n+IPD,3,10.0.2.2,7000:abc\r\n", streams={0: b"abc"}, mux=False),
    Case("IPv6", b'+IPD,4,2,"fe80::1",65535:ab\r\n', datagrams={4: [("fe80::1", 65535, b"ab")]}),
    Case("long IPv6", b'+IPD,4,1,"%s",1:a\r\n' % LONG, datagrams={4: [(LONG.decode(), 1, b"a")]}),
    Case("too long an IPv6", b'+IPD,4,1,"1%s",1:\r\n' % LONG, [b'+IPD,4,1,"1%s",1:' % LONG]),
    Case("leading zeros", b"+IPD,00000,0000000005:hello\r\n", streams={0: b"hello"}),
    Case("port 0", b"+IPD,1,1,0.0.0.0,0:a\r\n", datagrams={1: [("0.0.0.0", 0, b"a")]}),
    Case("no length at all", b"+IPD,0,0:\r\n+IPD,1,0:OK\r\n", [(b"OK", 1)]),
    Case("one after the other", b"+IPD,0,2:ab+IPD,0,2:cd+IPD,1,1:e\r\n", streams={0: b"abcd", 1: b"e"}),
    Case(
        "datagrams",
        b"\r\n+IPD,4,2:ab\r\n\r\n+IPD,4,0:\r\n\r\n+IPD,4,3," + QUOTED + b":cde\r\n",
        datagrams={4: [(None, 0, b"ab"), (None, 0, b""), ("10.0.2.2", 7000, b"cde")]},
    ),
    # What payload may hold, and whose it may be
    Case("look-alikes", b"+IPD,0,%d:%s\r\n" % (len(LOOK_ALIKE), LOOK_ALIKE), streams={0: LOOK_ALIKE}),
    Case("payload ends in CR", b"+IPD,0,2:a\rOK\r\n", [(b"OK", 0)], {0: b"a\r"}),
    Case("payload ends in CR, then LF", b"+IPD,0,2:a\r\nOK\r\n", [(b"\nOK", 0)], {0: b"a\r"}),
    Case("no owner", b"+IPD,2,7:\r\nOK\r\n>OK\r\n", [(b"OK", 2)], unowned=2),
    Case("unknown link", b"+IPD,5,6:\r\nOK\r\nOK\r\n", [b"OK"], stray=6),
    Case("unheard-of link", b"+IPD,99999999999999999999,4:OK\r\nOK\r\n", [b"OK"], stray=4),
    # Counted lines
    *(
        Case(f"counted, {line.decode()}", line + LOOK_ALIKE + b"\r\nOK\r\n", [line + LOOK_ALIKE, b"OK"])
        for line in COUNTED
    ),
    Case("counted, empty", b"+BTDATA:0,\r\nOK\r\n", [b"+BTDATA:0,", b"OK"]),
    Case("counted, behind text", b"AT+C+BTDATA:3,a\r\n\r\nX\r\n", [b"AT+C", b"+BTDATA:3,a\r\n", b"X"]),
    Case("counted, behind payload", b"+IPD,0,1:x+BTDATA:1,\r\r\n", [b"+BTDATA:1,\r"], {0: b"x"}),
    Case("counted, then payload", b"+BTDATA:1,>+IPD,0,1:x\r\n", [b"+BTDATA:1,>"], {0: b"x"}),
    Case(
        "counted, no prompt in it",
        b"+BTDATA:4,\r\n> \r\n>",
        [b"+BTDATA:4,\r\n> ", PROMPT],
        prompts=1,
        ends_in_line=True,
    ),
    Case("counted, more than it says", b"+BTDATA:1,abc\r\n", [b"+BTDATA:1,abc"]),
    Case("counted, topic like a header", TOPIC % b"+IPD,0,2:" + b">>\r\n", [TOPIC % b"+IPD,0,2:" + b">>"]),
    Case(
        "counted, longest topic",
        TOPIC % (b"t" * 1024) + b"\r\n\r\nOK\r\n",
        [TOPIC % (b"t" * 1024) + b"\r\n", b"OK"],
    ),
    Case("not counted, in a name", b'+CWLAP:("+BTDATA:9,",1)\r\nOK\r\n', [b'+CWLAP:("+BTDATA:9,",1)', b"OK"]),
    Case("not counted, partitions", b'+SYSFLASH:"a",64,1\r\nOK\r\n', [b'+SYSFLASH:"a",64,1', b"OK"]),
    Case("not counted, size", b"+USERRAM:9\r\nOK\r\n", [b"+USERRAM:9", b"OK"]),
    Case("not counted, no end of topic", TOPIC[:17] + b"\r\nOK\r\n", [TOPIC[:17], b"OK"]),
    Case(
        "not counted, topic too long",
        TOPIC % (b"t" * 1100) + b"\r\nOK\r\n",
        [TOPIC % (b"t" * 1100), b"OK"],
    ),
    # Where a header may begin
    Case("behind text", b"AT+CIP+IPD,0,5:LATERSTATUS\r\n", [b"AT+CIP", (b"STATUS", 0)], {0: b"LATER"}),
    Case("in a cut echo", b"AT+CI\r\n+IPD,0,5:LATER\r\nPMUX\r\n", [b"AT+CI", b"PMUX"], {0: b"LATER"}),
    Case("behind > that is text", b">+IPD,0,2:ab\r\n", [b">"], {0: b"ab"}),
    Case("behind a CR", b"a\r+IPD,0,2:ab\r\n", [b"a\r"], {0: b"ab"}),
    Case("behind false starts", b"++I+IP+IPD+IPD,+IPD,0,2:ab\r\n", [b"++I+IP+IPD+IPD,"], {0: b"ab"}),
    Case("behind a broken one", b"+IPD,0,+IPD,0,2:ab\r\n", [b"+IPD,0,"], {0: b"ab"}),
    Case("closed link", b"+IPD,0,5:LATERCLOSED\r\n", [(b"CLOSED", 0)], {0: b"LATER"}),
    Case("thrice", b"a+IPD,0,1:xb+IPD,1,1:yc\r\n", [b"a", (b"b", 0), (b"c", 1)], {0: b"x", 1: b"y"}),
    # `follows` and the trailer of 2.0
    Case("trailer clears follows", b"+IPD,0,1:x\r\nOK\r\n", [b"OK"], {0: b"x"}),
    Case("lone CR does not", b"+IPD,0,1:x\rOK\r\n", [(b"\rOK", 0)], {0: b"x"}),
    Case("stray has none", b"+IPD,7,1:xOK\r\n", [b"OK"], stray=1),
    Case("the next line has none", b"+IPD,0,1:xA\r\nB\r\n", [(b"A", 0), b"B"], {0: b"x"}),
    # What is no header
    Case("passive", b"\r\n+IPD,0,654\r\n", [b"+IPD,0,654"]),
    Case("passive, single", b"\r\n+IPD,654\r\n", [b"+IPD,654"], mux=False),
    Case("no number", b"+IPD,abc\r\n", [b"+IPD,abc"]),
    Case("no fields", b"+IPD,,:\r\n", [b"+IPD,,:"]),
    Case("negative", b"+IPD,0,-1:\r\n+IPD,-1,5:\r\n", [b"+IPD,0,-1:", b"+IPD,-1,5:"]),
    Case("lower case", b"+ipd,0,5:\r\n", [b"+ipd,0,5:"]),
    Case("blank", b"+IPD, 0,5:\r\n+IPD,0,5 :\r\n", [b"+IPD, 0,5:", b"+IPD,0,5 :"]),
    Case("shape of the other mode", b"+IPD,5:\r\n", [b"+IPD,5:"]),
    Case("shape of the other mode, single", b"+IPD,0,5:\r\n", [b"+IPD,0,5:"], mux=False),
    Case("no port", b'+IPD,0,1,"1.1.1.1":\r\n', [b'+IPD,0,1,"1.1.1.1":']),
    Case("port too large", b'+IPD,0,1,"1.1.1.1",65536:\r\n', [b'+IPD,0,1,"1.1.1.1",65536:']),
    Case("port too long", b"+IPD,0,1,1.1.1.1,000080:\r\n", [b"+IPD,0,1,1.1.1.1,000080:"]),
    Case("empty address", b'+IPD,0,1,"",80:\r\n', [b'+IPD,0,1,"",80:']),
    Case("three groups", b"+IPD,0,1,1.1.1,80:\r\n", [b"+IPD,0,1,1.1.1,80:"]),
    Case("four digits", b"+IPD,0,1,1234.1.1.1,80:\r\n", [b"+IPD,0,1,1234.1.1.1,80:"]),
    Case("bare IPv6", b"+IPD,0,1,fe80::1,80:\r\n", [b"+IPD,0,1,fe80::1,80:"]),
    Case("header too long", b"+IPD,0," + b"0" * 88 + b"1:\r\n", [b"+IPD,0," + b"0" * 88 + b"1:"]),
    Case("header just not too long", b"+IPD,0," + b"0" * 87 + b"1:a\r\n", streams={0: b"a"}),
    Case("echo of a read", b"AT+CIPRECVDATA=0,5\r\n", [b"AT+CIPRECVDATA=0,5"]),
    Case("other answers", b"+CIPRECVLEN:0\r\n+CIPRECVMODE:1\r\n", [b"+CIPRECVLEN:0", b"+CIPRECVMODE:1"]),
    # Quotes
    Case("in a name", b'+CWLAP:(3,"+IPD,0,9:",-40)\r\nOK\r\n', [b'+CWLAP:(3,"+IPD,0,9:",-40)', b"OK"]),
    Case("in a name, read", b'+CWJAP:"+CIPRECVDATA:9,"\r\n', [b'+CWJAP:"+CIPRECVDATA:9,"']),
    Case("escaped quote", b'"a\\"+IPD,0,1:"\r\n', [b'"a\\"+IPD,0,1:"']),
    Case("escaped backslash", b'"a\\\\"+IPD,0,1:x\r\n', [b'"a\\\\"'], {0: b"x"}),
    Case("escaped letter", b'"\\a\\+IPD,0,1:"\r\n', [b'"\\a\\+IPD,0,1:"']),
    Case("backslash outside", b'\\"+IPD,0,1:"\r\n', [b'\\"+IPD,0,1:"']),
    Case("closed again", b'"a"+IPD,0,1:x\r\n', [b'"a"'], {0: b"x"}),
    Case("the line ends it", b'"abc\r\n+IPD,0,1:x\r\n', [b'"abc'], {0: b"x"}),
    Case("the line ends it, escaped", b'"abc\\\r\n+IPD,0,1:x\r\n', [b'"abc\\'], {0: b"x"}),
    Case("lone CR and LF do not", b'"\r+IPD,0,1:\n+IPD,0,1:"\r\n', [b'"\r+IPD,0,1:\n+IPD,0,1:"']),
    Case("opened by a broken header", b'+IPD,0,1,"x+IPD,0,1:"\r\n', [b'+IPD,0,1,"x+IPD,0,1:"']),
    Case("opened and closed by one", b'+IPD,0,1,"1"x+IPD,0,1:y\r\n', [b'+IPD,0,1,"1"x'], {0: b"y"}),
    Case("the block ends it", b'+IPD,0,1:"+IPD,0,1:x\r\n', [], {0: b'"x'}),
    # Prompt
    Case("prompt", b"\r\nOK\r\n\r\n>", [b"OK", PROMPT], prompts=1, ends_in_line=True),
    Case("prompt, ESP8266", b"OK\r\n> Recv\r\n", [b"OK", PROMPT, b"Recv"], prompts=1),
    Case("prompt, two spaces", b">  a\r\n", [PROMPT, b" a"], prompts=1),
    Case("prompt is once", b">\r\n>\r\n", [PROMPT, b">"], prompts=1),
    Case("prompts", b">\r\n> >", [PROMPT, PROMPT, PROMPT], prompts=3, ends_in_line=True),
    Case("not expected", b">\r\n> \r\n", [b">", b"> "]),
    Case("not at the start", b"a>\r\n", [b"a>"], prompts=1),
    Case("prompt behind payload", b"+IPD,0,1:x>OK\r\n", [PROMPT, b"OK"], {0: b"x"}, prompts=1),
    Case("payload behind prompt", b">+IPD,0,1:xOK\r\n", [PROMPT, (b"OK", 0)], {0: b"x"}, prompts=1),
    Case("prompt in payload", b"+IPD,0,3:\r\n>\r\n>", [PROMPT], {0: b"\r\n>"}, prompts=1, ends_in_line=True),
    Case("closed at the prompt", b">0,CLOSED\r\n", [PROMPT, b"0,CLOSED"], prompts=1),
    # +CIPRECVDATA (at-dialects 7.7)
    read("read", b"+CIPRECVDATA:5,hello\r\nOK\r\n", [b"OK"], b"hello"),
    read("read, old", b"+CIPRECVDATA,5:hello\r\nOK\r\n", [b"OK"], b"hello"),
    read("read, old, peer possible", b"+CIPRECVDATA,5:hello\r\nOK\r\n", [b"OK"], b"hello", peer=True),
    read("read, follows", b"+CIPRECVDATA:1,aOK\r\n", [(b"OK", 2)], b"a"),
    read("read quotes as data", b'+CIPRECVDATA:3,"1"\r\n', [], b'"1"'),
    read("read an address as data", b'+CIPRECVDATA:14,"10.0.0.1",80,\r\n', [], b'"10.0.0.1",80,'),
    read("read nothing", b"+CIPRECVDATA:0,\r\nOK\r\n", [b"OK"], b""),
    read("read two", b"+CIPRECVDATA:1,a\r\n+CIPRECVDATA:1,b\r\n", [], b"ab"),
    read("peer possible, none there", b"+CIPRECVDATA:5,hello\r\n", [], b"hello", peer=True),
    read("nearly a peer", b'+CIPRECVDATA:6,"10.0.\r\n', [], b'"10.0.', peer=True),
    read("nearly a port", b'+CIPRECVDATA:10,"1",70000,\r\n', [], b'"1",70000,', peer=True),
    read("nearly a peer, short", b"+CIPRECVDATA:1,10.0.0.1,8x\r\n", [(b"0.0.0.1,8x", 2)], b"1", peer=True),
    read("nearly a peer, empty", b"+CIPRECVDATA:0,10.0.0.1,8x\r\n", [(b"10.0.0.1,8x", 2)], b"", peer=True),
    read("nearly a peer, quote", b'+CIPRECVDATA:0,"1"x+IPD,2,1:y\r\n', [(b'"1"x', 2)], b"y", peer=True),
    read("too long a peer", b"+CIPRECVDATA:70,1" + b"." * 69 + b"\r\n", [], b"1" + b"." * 69, peer=True),
    read("read, no number", b"+CIPRECVDATA:,a\r\n", [b"+CIPRECVDATA:,a"], b""),
    read("read, wrong sign", b"+CIPRECVDATA:1:a\r\n", [b"+CIPRECVDATA:1:a"], b""),
    Case("read for nobody", b"+CIPRECVDATA:4,OK\r\n\r\nOK\r\n", [b"OK"], stray=4),
    Case(
        "read with peer", b"+CIPRECVDATA:2," + QUOTED + b",ab\r\nOK\r\n", [b"OK"],
        datagrams={2: [("10.0.2.2", 7000, b"ab")]}, recvdata_link=2, recvdata_has_peer=True,
    ),
    Case(
        "read with bare peer", b"+CIPRECVDATA:2,10.0.2.2,7000,ab\r\nOK\r\n", [b"OK"],
        datagrams={2: [("10.0.2.2", 7000, b"ab")]}, recvdata_link=2, recvdata_has_peer=True,
    ),
    Case(
        "read with IPv6 peer", b'+CIPRECVDATA:2,"::1",7000,ab\r\nOK\r\n', [b"OK"],
        datagrams={2: [("::1", 7000, b"ab")]}, recvdata_link=2, recvdata_has_peer=True,
    ),
    # Whole dialogues (real-firmware)
    Case(
        "2.0, data while CIPSEND waits",
        b"\r\nOK\r\n\r\n>\r\n+IPD,0,3:abc\r\n\r\nRecv 5 bytes\r\n\r\n+IPD,0,2:de\r\n\r\nSEND OK\r\n",
        [b"OK", PROMPT, b"Recv 5 bytes", b"SEND OK"], {0: b"abcde"}, prompts=1,
    ),
    Case(
        "4.1, passive and closed behind",
        b"\r\n+IPD,1,40\r\n+CIPRECVDATA:10,0123456789\r\nOK\r\n\r\n+IPD,1,30\r\n1,CLOSED\r\n",
        [b"+IPD,1,40", b"OK", b"+IPD,1,30", b"1,CLOSED"], {1: b"0123456789"}, recvdata_link=1,
    ),
]  # fmt: skip


def play(framing: ModuleType, case: Case, pieces: Iterable[bytes]) -> Case:
    """Feeds the pieces and returns what came of them, as a case."""
    demux = framing.Demux(mux=case.mux, recvdata_has_peer=case.recvdata_has_peer)
    for link_id in range(framing.LINKS):
        demux.set_sink(link_id, framing.DATAGRAM if link_id in case.datagrams else framing.STREAM)
    if case.unowned is not None:
        demux.set_sink(case.unowned, framing.DISCARD)
    demux.expect_recvdata(case.recvdata_link)
    prompts, frames = case.prompts, []
    for piece in pieces:
        demux.receive_data(piece)
        while True:
            if prompts and not demux.prompt_expected:
                demux.expect_prompt()
            frame = demux.next_frame()
            if frame is framing.NEED_DATA:
                break
            prompts -= frame is framing.PROMPT
            frames.append(as_written(framing, frame))
    return Case(
        case.name,
        case.data,
        frames,
        {n: demux.take(n) for n in range(framing.LINKS) if n not in case.datagrams and demux.buffered(n)},
        {n: list(iter(partial(demux.take_datagram, n), None)) for n in case.datagrams},
        case.unowned,
        demux.stray_bytes,
        demux.pending_text(),
        demux.mux,
        demux.recvdata_has_peer,
        case.recvdata_link,
        case.prompts,
        case.ends_in_line,
    )


def as_written(framing: ModuleType, frame: object) -> Frame:
    if isinstance(frame, framing.Line):
        text, follows = frame.text, frame.follows
        return text if follows is None else (text, follows)
    return repr(frame)


def cases(*chosen: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@cases(*CASES)
def test_whole(framing: ModuleType, case: Case) -> None:
    assert play(framing, case, [case.data]) == case


@cases(*CASES)
def test_byte_by_byte(framing: ModuleType, case: Case) -> None:
    assert play(framing, case, (case.data[n : n + 1] for n in range(len(case.data)))) == case


@cases(*CASES)
def test_at_every_cut(framing: ModuleType, case: Case) -> None:
    for at in range(len(case.data) + 1):
        assert play(framing, case, (case.data[:at], case.data[at:])) == case


@cases(*CASES)
def test_at_any_two_cuts(framing: ModuleType, case: Case) -> None:
    data = case.data[:40]
    expected = play(framing, case, [data])
    for first in range(len(data)):
        for second in range(first + 1, len(data)):
            assert play(framing, case, (data[:first], data[first:second], data[second:])) == expected


@cases(*(case for case in CASES if not case.ends_in_line))
def test_with_a_line_behind(framing: ModuleType, case: Case) -> None:
    got = play(framing, case, [case.data + b"0,CLOSED\r\nTAIL"])
    assert got.frames == [*case.frames, b"0,CLOSED"]
    assert got.pending == b"TAIL"
    assert (got.streams, got.datagrams, got.stray) == (case.streams, case.datagrams, case.stray)


@cases(*(case for case in CASES if not case.ends_in_line and not case.prompts))
def test_twice_in_a_row(framing: ModuleType, case: Case) -> None:
    """Nothing leaks from one into the next."""
    got = play(framing, case, [case.data, case.data])
    assert got.frames == 2 * case.frames
    assert got.streams == {n: 2 * stream for n, stream in case.streams.items()}
    assert got.datagrams == {n: 2 * datagrams for n, datagrams in case.datagrams.items()}
