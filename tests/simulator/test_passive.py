"""Passive receive: at-dialects 7.7, the passive and passive-close files, transcripts 8, 9, 20."""

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork, TlsPeer
from tests.simulator.conftest import GATEWAY, echo, obey, sink

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
OBEY = 'AT+CIPSTART="TCP","10.0.2.2",7003'
GLOBAL = ("2.0", "2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0")
PER_LINK = ("3.4", "4.1", "4.2", "5.0")


def data(count):
    return bytes(i * 7 & 255 for i in range(count))


@pytest.fixture(params=GLOBAL)
def passive(request, quiet):
    bench = quiet(request.param)
    bench.do("AT+CIPRECVMODE=1", OBEY)
    return bench


def tell(bench, line, within=1.0):
    """Make the peer do something; what is said behind SEND OK."""
    bench.do(f"AT+CIPSEND={len(line)}")
    _, _, rest = bench.say(line, within).partition(b"\r\nSEND OK\r\n")
    return rest


def test_a_notification_and_two_reads(passive):
    """v2.0-passive, v4.1dev-passive: what is left is told again behind OK, and nothing is an error."""
    assert tell(passive, b"send 100\r\n") == b"\r\n+IPD,100\r\n"
    assert passive.say(b"AT+CIPRECVLEN?\r\n") == b"+CIPRECVLEN:100\r\n" + OK
    answer = b"+CIPRECVDATA:10," + data(10) + OK + b"\r\n+IPD,90\r\n"
    assert passive.say(b"AT+CIPRECVDATA=10\r\n") == answer
    assert passive.say(b"AT+CIPRECVDATA=200\r\n") == b"+CIPRECVDATA:90," + data(100)[10:] + OK
    assert passive.say(b"AT+CIPRECVDATA=200\r\n") == ERROR
    assert passive.say(b"AT+CIPRECVLEN?\r\n") == b"+CIPRECVLEN:0\r\n" + OK


def test_more_than_the_window(passive):
    """The first segment is told of, the window fills, and reading opens it again."""
    assert tell(passive, b"send 20000\r\n") == b"\r\n+IPD,1440\r\n"
    assert passive.say(b"AT+CIPRECVLEN?\r\n") == b"+CIPRECVLEN:5760\r\n" + OK
    got = b""
    for _ in range(20):
        answer = passive.say(b"AT+CIPRECVDATA=2048\r\n")
        if answer == ERROR:
            break
        head, _, rest = answer.partition(b",")
        count = int(head.partition(b":")[2])
        assert rest[count:].startswith(OK)
        got += rest[:count]
    assert got == data(20000)


def test_closed_waits_for_the_last_read(passive):
    """v4.1dev-passive-close, v2.0-passive."""
    tell(passive, b"send 50\r\n")
    assert tell(passive, b"close\r\n") == b""
    assert passive.say(b"AT+CIPRECVDATA=20\r\n").endswith(OK + b"\r\n+IPD,30\r\n")
    assert passive.say(b"AT+CIPRECVDATA=100\r\n").endswith(OK + b"CLOSED\r\n")
    gone = b"+CIPRECVLEN:%d\r\n" % passive.module.profile.tcpip.closed_length
    assert passive.say(b"AT+CIPRECVLEN?\r\n") == gone + OK


def test_closed_at_once_with_nothing_unread(passive):
    assert tell(passive, b"close\r\n") == b"CLOSED\r\n"


def test_closing_drops_what_is_unread(passive):
    tell(passive, b"send 50\r\n")
    assert passive.say(b"AT+CIPCLOSE\r\n") == b"CLOSED\r\n" + OK


def test_address_in_the_answer(passive):
    """At-dialects 7.7, transcript 7."""
    passive.do("AT+CIPDINFO=1")
    assert tell(passive, b"send 5\r\n") == b"\r\n+IPD,5\r\n"
    answer = b'+CIPRECVDATA:5,"10.0.2.2",7003,' + data(5) + OK
    assert passive.say(b"AT+CIPRECVDATA=5\r\n") == answer


@pytest.mark.parametrize(("profile", "closed"), [("2.0", -1), ("2.4", -1), ("4.1", 0)])
def test_several_links(quiet, profile, closed):
    """v4.1dev-passive-close, mux; transcript 7."""
    bench = quiet(profile)
    bench.do("AT+CIPMUX=1", "AT+CIPRECVMODE=1", OBEY.replace("=", "=1,"), "AT+CIPSEND=1,9")
    assert bench.say(b"send 50\r\n").endswith(b"\r\nSEND OK\r\n\r\n+IPD,1,50\r\n")
    lengths = ",".join(["50" if n == 1 else str(closed) for n in range(5)])
    assert bench.say(b"AT+CIPRECVLEN?\r\n") == f"+CIPRECVLEN:{lengths}\r\n".encode() + OK
    assert bench.say(b"AT+CIPRECVDATA=1,100\r\n") == b"+CIPRECVDATA:50," + data(50) + OK


@pytest.mark.parametrize("profile", ["doc-v1", "0.10", "1.0", "1.2"])
def test_not_before_2_0(quiet, profile):
    bench = quiet(profile)
    assert bench.say(b"AT+CIPRECVMODE=1\r\n").endswith(ERROR)


@pytest.mark.parametrize("profile", GLOBAL)
def test_lines_that_are_refused(quiet, profile):
    bench = quiet(profile)
    for line in (b"AT+CIPRECVMODE=2", b"AT+CIPRECVDATA=10", b"AT+CIPRECVMODE=1,1"):
        assert bench.say(line + b"\r\n") == ERROR
    bench.do(OBEY)
    tell(bench, b"close\r\n")
    bench.do(OBEY)
    assert bench.say(b"AT+CIPRECVDATA=10\r\n") == ERROR  # active


@pytest.mark.parametrize(("profile", "answer"), [("2.1", ERROR), ("2.4", b"+CIPRECVDATA:5,")])
def test_longest_read(quiet, profile, answer):
    """At-dialects 7.7: 2048 up to 2.1, then what the memory holds."""
    bench = quiet(profile)
    bench.do("AT+CIPRECVMODE=1", OBEY)
    tell(bench, b"send 5\r\n")
    assert bench.say(b"AT+CIPRECVDATA=2049\r\n").startswith(answer)


@pytest.mark.parametrize("profile", PER_LINK)
def test_one_link_of_two(quiet, profile):
    """At-dialects 7.7: CIPRECVTYPE is for each link."""
    bench = quiet(profile)
    bench.do("AT+CIPMUX=1", "AT+CIPRECVTYPE=1,1", OBEY.replace("=", "=1,"), OBEY.replace("=", "=2,"))
    bench.do("AT+CIPSEND=1,8")
    assert bench.say(b"send 5\r\n").endswith(b"\r\n+IPD,1,5\r\n")
    bench.do("AT+CIPSEND=2,8")
    assert bench.say(b"send 5\r\n").endswith(b"\r\n+IPD,2,5:" + data(5) + b"\r\n")
    assert bench.say(b"AT+CIPRECVDATA=2,5\r\n") == ERROR


def test_all_links_by_5_and_one_without_an_id(quiet):
    """Transcript 28."""
    bench = quiet("4.1")
    assert bench.say(b"AT+CIPRECVTYPE=1\r\n") == OK
    assert bench.say(b"AT+CIPRECVTYPE?\r\n") == b"+CIPRECVTYPE:0,1\r\n" + OK
    bench.do("AT+CIPMUX=1", "AT+CIPRECVTYPE=5,1")
    lines = b"".join(b"+CIPRECVTYPE:%d,1\r\n" % n for n in range(5))
    assert bench.say(b"AT+CIPRECVTYPE?\r\n") == lines + OK


def udp(bench):
    bench.do("AT+CIPRECVMODE=1", 'AT+CIPSTART="UDP","10.0.2.2",9797,1112,2')
    for n in range(8):
        bench.network.send_datagram(1112, b"%d" % n * 444, from_port=9797)
    return bench.passes(1)


def test_datagrams_are_glued_and_tails_lost(quiet):
    """Transcript 20: 2664 = 6 x 444 are there, and after reading 1000 of them 1332."""
    bench = quiet("4.2")
    assert udp(bench) == b"\r\n+IPD,444\r\n"
    assert bench.say(b"AT+CIPRECVLEN?\r\n") == b"+CIPRECVLEN:2664\r\n" + OK
    glued = b"0" * 444 + b"1" * 444 + b"2" * 112
    assert bench.say(b"AT+CIPRECVDATA=1000\r\n") == b"+CIPRECVDATA:1000," + glued + OK + b"\r\n+IPD,1332\r\n"


def test_datagrams_cannot_be_read_on_2_0(quiet):
    """At-dialects 7.7."""
    bench = quiet("2.0")
    udp(bench)
    assert bench.say(b"AT+CIPRECVDATA=1000\r\n") == ERROR


def tls_network():
    network = MemoryNetwork()
    network.listen(GATEWAY, 7443, echo, tls=TlsPeer())
    network.listen(GATEWAY, 7444, obey, tls=TlsPeer())
    return network


def test_ssl_counts_the_encrypted_bytes(quiet):
    """Transcript 8: 29 more than can be read; asking for the rest is an error."""
    bench = quiet("2.4", network=tls_network())
    bench.do("AT+CIPRECVMODE=1", 'AT+CIPSTART="SSL","10.0.2.2",7443', "AT+CIPSEND=5")
    assert bench.say(b"hello").endswith(b"\r\n+IPD,34\r\n")
    assert bench.say(b"AT+CIPRECVDATA=34\r\n") == b"+CIPRECVDATA:5,hello" + OK
    assert bench.say(b"AT+CIPRECVDATA=29\r\n") == ERROR
    assert bench.say(b"AT+CIPRECVLEN?\r\n") == b"+CIPRECVLEN:0\r\n" + OK


@pytest.mark.parametrize(("profile", "lost"), [("2.4", True), ("3.4", False)])
def test_ssl_that_closes_unread(quiet, profile, lost):
    """Transcript 9, fixed in 3.3."""
    bench = quiet(profile, network=tls_network())
    bench.do("AT+CIPRECVMODE=1", 'AT+CIPSTART="SSL","10.0.2.2",7444')
    tell(bench, b"send 50\r\n")
    assert tell(bench, b"close\r\n") == (b"CLOSED\r\n" if lost else b"")


CUT = [
    ((2055, 615, 2268, 4, 1440), b"+CIPRECVLEN:2055,615,2268,4,1440", b"g\x02"),
    ((None, 1440, 1440, 3744, 1440), b"+CIPRECVLEN:-1,1440,1440,3744,14", b"\xa0\x05\x00\x00"),
    ((0, 50, 0, 0, None), b"+CIPRECVLEN:0,50,0,0,-1", b"\r\n"),
]


@pytest.mark.parametrize(("unread", "right", "behind"), CUT)
@pytest.mark.parametrize("profile", ["2.0", "2.1", "2.4", "4.1"])
def test_lengths_beyond_the_buffer(quiet, unread, right, behind, profile):
    """real-firmware 8: 2.0 has 32 bytes for the line and its end; the rest is what lies behind."""
    network = MemoryNetwork()
    network.listen("10.0.2.2", 7000, sink)
    bench = quiet(profile, network=network)
    bench.do("AT+CIPMUX=1", "AT+CIPRECVMODE=1")
    for link_id, count in enumerate(unread):
        if count is not None:
            bench.do(f'AT+CIPSTART={link_id},"TCP","10.0.2.2",7000')
            network.connections[-1].send(bytes(count))
    bench.passes(1)
    said = bench.say(b"AT+CIPRECVLEN?\r\n")
    if profile == "2.0":
        assert said == right + behind + OK
    else:
        closed = bench.module.profile.tcpip.closed_length
        numbers = ",".join(str(closed if count is None else count) for count in unread)
        assert said == f"+CIPRECVLEN:{numbers}\r\n".encode() + OK
