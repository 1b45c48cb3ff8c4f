"""Commands that configure links, names and the time: exact answers, each with its source."""

import re

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork, TlsPeer
from esp32sock.simulator.profiles.generations import PROFILES
from tests.simulator.conftest import GATEWAY, echo

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
FIRMWARE = tuple(name for name in PROFILES if name != "doc-v1")
MODERN = ("2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0")
NUL = [f"+CIPSSLCCONF:{n},0,0,0" for n in range(5)]


def lines(*texts):
    return "".join(f"{text}\r\n" for text in texts).encode() + OK


# (profiles, lines before, line, answer, source)
TABLE = [
    # SSL
    (("1.0",), [], "AT+CIPSSLCCONF?", lines("+CIPSSLCCONF:0,1"), "observed 1.0, basic"),
    (("2.0",), [], "AT+CIPSSLCCONF?", lines(*NUL), "observed 2.0, basic"),
    (("4.1", "4.2"), [], "AT+CIPSSLCCONF?", lines(NUL[0]), "observed 4.1, 4.2, basic"),
    (("4.1",), ["AT+CIPMUX=1"], "AT+CIPSSLCCONF?", lines(*NUL), "docs"),
    (("2.0",), [], "AT+CIPSSLCCONF=2,3,0,1", OK, "at-dialects 7.11"),
    (("4.1",), [], "AT+CIPSSLCCONF=3,0,1", OK, "docs"),
    (("4.1",), ["AT+CIPMUX=1"], "AT+CIPSSLCCONF=5,2", OK, "docs: 5 is all"),
    (("2.0", "4.1"), [], "AT+CIPSSLCCONF=4,4", ERROR, "at-dialects 7.11: 0 to 3"),
    (("2.0", "4.1"), [], "AT+CIPSSLSIZE=4096", ERROR, "observed 2.0, 4.1"),
    (("2.1", "4.1", "4.2"), [], "AT+CIPSSLCSNI?", OK, "observed 4.1, 4.2"),
    (("4.1",), ['AT+CIPSSLCSNI="a.test"'], "AT+CIPSSLCSNI?", lines('+CIPSSLCSNI:0,"a.test"'), "docs"),
    (("2.1",), ['AT+CIPSSLCSNI=1,"a"'], "AT+CIPSSLCSNI?", lines('+CIPSSLCSNI:1,"a"'), "docs"),
    (("4.1",), ['AT+CIPSSLCCN="a.test"'], "AT+CIPSSLCCN?", lines('+CIPSSLCCN:0,"a.test"'), "docs"),
    (("4.1",), ['AT+CIPSSLCALPN=2,"h2","x"'], "AT+CIPSSLCALPN?", lines('+CIPSSLCALPN:0,"h2","x"'), "docs"),
    (("4.1",), [f'AT+CIPSSLCSNI="{64 * "h"}"'], f'AT+CIPSSLCSNI="{65 * "h"}"', ERROR, "at-dialects 4.1"),
    (("2.0",), [], "AT+CIPSSLCSNI?", ERROR, "at-dialects 7.11: from 2.1 on"),
    # Options
    (("4.1", "4.2"), [], "AT+CIPTCPOPT?", lines("+CIPTCPOPT:0,-1,0,0,0"), "walk 2016 of 4.1; 4.2, basic"),
    *(
        (("4.1",), [], f"AT+CIPTCPOPT={fields}", answer, "real-firmware 7: 4.1")
        for fields, answer in (("-1", ERROR), ("-1,1", ERROR), ("0,", ERROR), (",,,", OK), ("5,,", OK))
    ),
    (("4.1",), [], "AT+CIPTCPOPT=-1,0,0,10,5", ERROR, "walk 2016 of 4.1"),
    (("4.1",), [], "AT+CIPTCPOPT=-1,0,-1", ERROR, "walk 3002 of 4.1"),
    (
        ("2.4", "4.1"),
        ["AT+CIPTCPOPT=3,1,500,30", "AT+CIPTCPOPT=,0,"],
        "AT+CIPTCPOPT?",
        lines("+CIPTCPOPT:0,3,0,500,30"),
        "docs: what is left out is as last configured",
    ),
    (("2.1",), ["AT+CIPTCPOPT=0,1,5000"], "AT+CIPTCPOPT?", lines("+CIPTCPOPT:0,0,1,5000"), "docs"),
    (
        ("4.1",),
        ["AT+CIPMUX=1", "AT+CIPTCPOPT=5,,1,,30"],
        "AT+CIPTCPOPT?",
        lines(*(f"+CIPTCPOPT:{n},-1,1,0,30" for n in range(5))),
        "docs",
    ),
    (("2.1", "4.1"), [], "AT+CIPTCPOPT=-2", ERROR, "docs"),
    (("4.1", "4.2"), [], "AT+CIPRECONNINTV?", lines("+CIPRECONNINTV:1"), "observed 4.1, 4.2"),
    (("2.1", "4.1"), [], "AT+CIPRECONNINTV=36001", ERROR, "at-dialects 7.11"),
    (("2.0",), [], "AT+CIPRECONNINTV?", ERROR, "observed 2.0"),
    (("4.1", "4.2"), [], "AT+CIPV6?", lines("+CIPV6:0"), "observed 4.1, 4.2"),
    (("3.4", "4.1"), [], "AT+TRANSINTVL?", lines("+TRANSINTVL:20"), "at-dialects 5"),
    # Names
    (("1.0",), [], "AT+CIPDNS?", lines("+CIPDNS:10.0.2.3"), "observed 1.0, wifi"),
    (("2.0",), [], "AT+CIPDNS?", lines('+CIPDNS:0,"10.0.2.3"'), "observed 2.0, wifi"),
    (
        ("4.1",),
        [],
        "AT+CIPDNS?",
        lines('+CIPDNS:0,"208.67.222.222","114.114.114.114","8.8.8.8"'),
        "walk 2014 of 4.1: joined by itself",
    ),
    (
        ("4.1",),
        ['AT+CWJAP="Espressif",""'],
        "AT+CIPDNS?",
        lines('+CIPDNS:0,"10.0.2.3","114.114.114.114","8.8.8.8"'),
        "observed 4.1, wifi",
    ),
    (
        ("4.2",),
        [],
        "AT+CIPDNS?",
        lines('+CIPDNS:0,"208.67.222.222","114.114.114.114","8.8.8.8"'),
        "observed 4.2, basic: joined for 52 s",
    ),
    (("4.1",), ['AT+CIPDNS=1,"9.9.9.9"'], "AT+CIPDNS?", lines('+CIPDNS:1,"9.9.9.9"'), "docs"),
    (("2.2", "3.4"), [], 'AT+CIPDNS=1,"9.9.9.9","9.9.9.9"', ERROR, "docs: none of them twice"),
    (("4.1",), [], 'AT+CIPDNS=1,"9.9.9.9","9.9.9.9"', OK, "real-firmware 7: 4.1"),
    (("2.0",), [], 'AT+CIPDNS=0,"9.9.9.9"', ERROR, "real-firmware 7: 2.0"),
    (("2.0",), [], "AT+CIPSSLCCONF=0,0,0", ERROR, "real-firmware 7: 2.0"),
    (("4.1",), ["AT+CIPMUX=1"], "AT+CIPSSLCCONF=1,0,0", OK, "walk 2006 of 4.1"),
    (("4.1",), [], 'AT+CIPSTART="TCPv6","10.0.2.2",7000', ERROR, "real-firmware 7: 4.1"),
    (("2.0", "4.1"), [], 'AT+CIPSTART="UDP","10.0.2.2",7005,0,2', ERROR, "real-firmware 7"),
    (("2.0", "4.1"), [], 'AT+CIPSTART="UDP","10.0.2.2",7005,,2', b"CONNECT\r\n" + OK, "real-firmware 7"),
    (("2.0",), [], 'AT+PING="no-such.invalid"', ERROR, "real-firmware 7: 2.0"),
    (("2.0",), ['AT+PING="10.0.2.2"'], 'AT+PING="localhost"', ERROR, "walks 2010, 2016 of 2.0"),
    (("1.0", "2.0"), [], "AT+CIPSENDEX=?", OK, "real-firmware 7: 2.0"),
    (("4.1",), [], "AT+CWAPPROTO?", b"+CWAPPROTO:7" + OK, "real-firmware 7: 4.1"),
    (("4.1",), ["AT+CWMODE=4"], "AT+CWLAP", ERROR, "real-firmware 7: 4.1"),
    (("4.1",), ["AT+SYSLOG=1"], "AT+SYSMSG=99", ERROR, "real-firmware 7: 4.1"),
    (("1.0",), ["AT+CWMODE=1"], "AT+CWLIF", b"ERR CODE:0x010a0000\r\n" + ERROR, "real-firmware 7"),
    (("2.0", "4.1"), ["AT+CWMODE=1"], "AT+CWLIF", ERROR, "real-firmware 7"),
    (("1.0", "2.0", "2.1"), [], 'AT+CIPDOMAIN="host.test"', lines("+CIPDOMAIN:10.0.2.2"), "observed 2.0"),
    (MODERN, [], 'AT+CIPDOMAIN="host.test"', lines('+CIPDOMAIN:"10.0.2.2"'), "observed 4.2"),
    (FIRMWARE, [], 'AT+CIPDOMAIN="no-such.invalid"', ERROR, "observed 2.0, 4.1"),
    (("2.2",), [], 'AT+CIPDOMAIN="host.test",2', lines('+CIPDOMAIN:"10.0.2.2"'), "at-dialects 7.2"),
    (("2.2",), [], 'AT+CIPDOMAIN="host.test",2,5000', ERROR, "at-dialects 7.2: from 4.1 on"),
    (("4.1",), [], 'AT+CIPDOMAIN="host.test",,5000', lines('+CIPDOMAIN:"10.0.2.2"'), "at-dialects 7.2"),
    (("1.0", "2.0", "4.1"), [], 'AT+PING="10.0.2.2"', lines("+PING:2"), "observed 1.0, 2.0, 4.1"),
    (("1.0", "2.0", "4.1"), [], 'AT+PING="10.0.2.99"', b"+PING:TIMEOUT\r\n" + ERROR, "observed"),
    (("1.0", "2.0", "4.1"), [], "AT+PING", ERROR, "observed"),
    (("1.0", "4.1"), [], 'AT+MDNS=1,"host","_http",80', OK, "at-dialects 6"),
    (("1.0", "2.0", "4.1"), [], "AT+MDNS?", ERROR, "observed"),
    # Time
    (("1.0", "2.0"), [], "AT+CIPSNTPCFG?", lines("+CIPSNTPCFG:0"), "sweep of CIPSNTPCFG"),
    (("4.1", "4.2"), [], "AT+CIPSNTPCFG?", lines("+CIPSNTPCFG:0,0"), "observed 4.1, 4.2"),
    (("1.0", "2.0", "4.1"), [], 'AT+CIPSNTPCFG=8,"cn.ntp.org.cn"', ERROR, "sweep of CIPSNTPCFG"),
    (("doc-v1",), [], 'AT+CIPSNTPCFG=8,"cn.ntp.org.cn","ntp.sjtu.edu.cn"', OK, "V1.0 5.2.13"),
    (("doc-v1",), ["AT+CIPSNTPCFG=8"], "AT+CIPSNTPCFG", OK, "V1.0 5.2.13: clears"),
    (
        ("1.0", "2.0", "2.4"),
        ["AT+CIPSNTPCFG=1,8"],
        "AT+CIPSNTPCFG?",
        lines('+CIPSNTPCFG:1,8,"cn.ntp.org.cn","ntp.sjtu.edu.cn","us.pool.ntp.org"'),
        "sweep of CIPSNTPCFG",
    ),
    (("2.0",), [], "AT+CIPSNTPCFG=1,14", ERROR, "sweep of CIPSNTPCFG"),
    (("2.2",), [], "AT+CIPSNTPCFG=1,14", OK, "docs"),
    (("2.0",), [], "AT+CIPSNTPCFG=1,1245", ERROR, "sweep of CIPSNTPCFG"),
    (("2.2",), [], 'AT+CIPSNTPCFG=1,1245,"0.pool.ntp.org"', OK, "transcript 19"),
    (("1.0",), [], "AT+CIPSNTPTIME?", b"+CIPSNTPTIME:Thu Jan  1 00:00:30 1970\n" + OK, "observed 1.0"),
    (("2.0", "4.1"), [], "AT+CIPSNTPTIME?", b"+CIPSNTPTIME:Thu Jan  1 00:00:30 1970" + OK, "observed"),
    # Update
    (("4.1",), [], "AT+CIUPDATE?", lines("+CIUPDATE:0"), "observed 4.1"),
    (("1.0", "4.1"), [], "AT+CIUPDATE", ERROR, "V1.0 5.2.15: no server"),
]

ROWS = [pytest.param(p, *row[1:4], id=f"{p} {row[2][:40]} {row[4]}") for row in TABLE for p in row[0]]


@pytest.mark.parametrize(("profile", "before", "line", "answer"), ROWS)
def test_answer(quiet, profile, before, line, answer):
    bench = quiet(profile)
    bench.do(*before)
    assert bench.say(line.encode() + b"\r\n") == answer


@pytest.mark.parametrize(("profile", "said"), [("2.4", b""), ("3.4", b"+TIME_UPDATED\r\n")])
def test_the_time_is_asked_for(quiet, profile, said):
    """At-dialects 3.4: from 3.2 on the module says when the clock is set. The zone adds to what is shown."""
    bench = quiet(profile)
    assert bench.say(b"AT+CIPSNTPCFG=1,8\r\n", within=1) == OK + said
    assert bench.say(b"AT+SYSTIMESTAMP?\r\n", within=0) == b"+SYSTIMESTAMP:1700000030" + OK
    assert bench.say(b"AT+CIPSNTPTIME?\r\n", within=0) == b"+CIPSNTPTIME:Wed Nov 15 06:13:50 2023" + OK


def test_no_time_server(quiet):
    network = MemoryNetwork()
    network.start_unix_s = None
    bench = quiet("3.4", network=network)
    bench.do("AT+CIPSNTPCFG=1,0")
    assert b"1970" in bench.say(b"AT+CIPSNTPTIME?\r\n")


def test_update(quiet):
    """V1.0 5.2.15, at-dialects 7.11: four lines, OK, and a restart."""
    network = MemoryNetwork()
    network.update = "4.2.0.0"
    bench = quiet("2.4", network=network)
    said = bench.say(b"AT+CIUPDATE\r\n", within=60)
    steps = b"".join(b"+CIPUPDATE:%d\r\n" % n for n in range(1, 5))
    assert said.startswith(steps + OK)
    assert b"\r\nready\r\n" in said


# SSL links in memory


@pytest.fixture
def secure(quiet):
    def make(profile, peer=None):
        network = MemoryNetwork(names={"host.test": GATEWAY})
        network.listen(GATEWAY, 7443, echo, tls=peer or TlsPeer())
        network.listen(GATEWAY, 7001, echo)
        bench = quiet(profile, network=network)
        bench.do("AT+CIPMUX=1")
        return bench

    return make


SSL = b'"SSL","10.0.2.2",7443\r\n'


@pytest.mark.parametrize("profile", FIRMWARE)
def test_ssl_link(secure, profile):
    """v2.0-ssl: as TCP; CIPSTATUS calls it TCP there, CIPSTATE SSL later (real-firmware 6)."""
    bench = secure(profile)
    assert bench.say(b"AT+CIPSTART=2," + SSL) == b"2,CONNECT\r\n" + OK
    bench.do("AT+CIPSEND=2,5")
    assert b"+IPD,2,5:hello" in bench.say(b"hello")
    kind = b"TCP" if profile in ("0.10", "1.0", "1.2", "2.0") else b"SSL"
    assert b'+CIPSTATUS:2,"%b","10.0.2.2",7443,' % kind in bench.say(b"AT+CIPSTATUS\r\n")


@pytest.mark.parametrize("profile", FIRMWARE)
def test_ssl_to_a_plain_server(secure, profile):
    """v2.0-ssl."""
    assert secure(profile).say(b'AT+CIPSTART=0,"SSL","10.0.2.2",7001\r\n') == ERROR


@pytest.mark.parametrize(("profile", "most"), [("1.0", 1), ("2.4", 4), ("4.1", 4)])
def test_how_many_ssl_links(secure, profile, most):
    """At-dialects 9: one up to 1.2, then what the heap holds; SYSRAM shows it go."""
    bench = secure(profile)
    before = int(re.search(rb"RAM:(\d+)", bench.say(b"AT+SYSRAM?\r\n"))[1])
    opened = [bench.say(b"AT+CIPSTART=%d," % n + SSL).endswith(OK) for n in range(5)]
    free = int(bench.module.profile.free_ram.split(",")[0])
    assert opened.count(True) == min(5, most if profile == "1.0" else free // 45_000)
    after = int(re.search(rb"RAM:(\d+)", bench.say(b"AT+SYSRAM?\r\n"))[1])
    assert before - after == 45_000 * opened.count(True)


def test_an_ssl_link_too_many_hangs(secure):
    """Walk 2028 of 2.0: three work, the next one does not answer, and a forced restart names none of them."""
    bench = secure("2.0")
    opened = [bench.say(b"AT+CIPSTART=%d," % n + SSL).endswith(OK) for n in range(3)]
    assert opened == [True] * 3
    bench.do('AT+CIPSTART=4,"TCP","10.0.2.2",7001')
    assert bench.say(b"AT+CIPSTART=3," + SSL) == b""
    assert bench.say(b"AT\r\n") == b"\r\nbusy p...\r\n"
    assert OK + b"4,CLOSED\r\nWIFI DISCONNECT\r\n" in bench.say(b"AT+RST\r\n")


@pytest.mark.parametrize(
    ("settings", "opens"),
    [
        (["AT+CIPSSLCCONF=0,2,0,0"], False),
        (["AT+SYSTIMESTAMP=1700000000", "AT+CIPSSLCCONF=0,2,0,0"], True),
        (["AT+CIPSNTPCFG=1,0", "AT+CIPSSLCCONF=0,2,0,0"], True),
        (["AT+SYSTIMESTAMP=1700000000", "AT+CIPSSLCCONF=0,2,0,0", 'AT+CIPSSLCCN=0,"x.test"'], False),
        (["AT+SYSTIMESTAMP=1700000000", "AT+CIPSSLCCONF=0,2,0,0", 'AT+CIPSSLCCN=0,"host.test"'], True),
    ],
    ids=["1970", "timestamp", "sntp", "wrong name", "right name"],
)
def test_verification(secure, settings, opens):
    """At-dialects 7.4: it needs the clock."""
    bench = secure("2.4")
    bench.do(*settings)
    assert bench.say(b"AT+CIPSTART=0," + SSL).endswith(OK if opens else ERROR)


def test_an_unknown_authority(secure):
    bench = secure("2.4", TlsPeer(authority="somebody else"))
    bench.do("AT+SYSTIMESTAMP=1700000000", "AT+CIPSSLCCONF=0,2,0,0")
    assert bench.say(b"AT+CIPSTART=0," + SSL) == ERROR


@pytest.mark.parametrize(
    ("setting", "line"),
    [("1,5,0", b"NO CERT FOUND\r\n"), ("2,0,5", b"NO CA FOUND\r\n")],
)
def test_an_empty_slot(secure, setting, line):
    """At-dialects 3.4."""
    bench = secure("2.4")
    bench.do(f"AT+CIPSSLCCONF=0,{setting}")
    assert bench.say(b"AT+CIPSTART=0," + SSL) == line + ERROR


# CIPSTARTEX, time limits


@pytest.mark.parametrize("profile", ["2.0", "2.4", "4.1", "4.2"])
def test_start_anywhere(quiet, profile):
    """real-firmware 6: the lowest free link; ERROR with all taken; with CIPMUX=0 too."""
    bench = quiet(profile)
    start = b'AT+CIPSTARTEX="TCP","10.0.2.2",7004\r\n'
    assert bench.say(start) == b"CONNECT\r\n" + OK
    assert bench.say(start) == ERROR
    if profile == "2.0":
        return  # a second CIPSTART has wedged it
    bench.do("AT+CIPCLOSE", "AT+CIPMUX=1", 'AT+CIPSTART=1,"TCP","10.0.2.2",7004')
    for link_id in (0, 2, 3, 4):
        assert bench.say(start) == b"%d,CONNECT\r\n" % link_id + OK
    assert bench.say(start) == ERROR


def test_time_limit_of_start(quiet):
    """At-dialects 7.4: from 4.1 on."""
    bench = quiet("4.1")
    assert bench.say(b'AT+CIPSTART="TCP","10.0.2.99",80,,,2000\r\n', within=1.9) == b""
    assert bench.passes(0.2) == ERROR
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000')
    assert quiet("3.4").say(b'AT+CIPSTART="TCP","10.0.2.2",7000,,,2000\r\n') == ERROR
