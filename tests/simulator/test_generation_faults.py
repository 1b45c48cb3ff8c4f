"""Faults that are behaviour of a generation: real-firmware, the duplex files, known-bugs 12."""

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork
from tests.simulator.conftest import sink

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"


class Peers:
    """Connections of port 7100, to be spoken for by the test."""

    def __init__(self):
        self.network = MemoryNetwork()
        self.network.listen("10.0.2.2", 7100, sink)
        self.network.listen("10.0.2.2", 7101, sink)
        self.network.answer_datagrams("10.0.2.2", 7005, lambda data: [data])

    def of(self, port):
        return next(peer for peer in reversed(self.network.connections) if peer.port == port)


@pytest.fixture
def peers():
    return Peers()


def stall(bench, peers, mux=True):
    """Receive at the own prompt: from then on the link is deaf (duplex-wake)."""
    label = "0," if mux else ""
    bench.do(f'AT+CIPSTART={label}"TCP","10.0.2.2",7100', f"AT+CIPSEND={label}5")
    peers.of(7100).send(b"<at the prompt>")
    assert bench.passes(0.4) == b"\r\n+IPD,%b15:<at the prompt>\r\n" % label.encode()
    assert bench.say(b"hello") == b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n"
    peers.of(7100).send(b"<stalled?>")
    assert bench.passes(5) == b""


BLOCK = b"\r\n+IPD,0,10:<stalled?>\r\n"


@pytest.mark.parametrize(
    ("before", "line", "said"),
    [
        ([], 'AT+CIPSTART=1,"TCP","10.0.2.2",7101', BLOCK + b"1,CONNECT\r\n" + OK),
        ([], 'AT+CIPSTART=2,"UDP","10.0.2.2",7005,1112,0', BLOCK + b"2,CONNECT\r\n" + OK),
        (['AT+CIPSTART=1,"TCP","10.0.2.2",7101'], "AT+CIPCLOSE=1", b"1,CLOSED\r\n" + OK + BLOCK),
        ([], "AT+CIPSERVER=1,8080", OK + BLOCK),
        (["AT+CIPSERVER=1,8080"], "AT+CIPSERVER=0", OK + BLOCK),
        ([], 'AT+CIPSTART=1,"TCP","10.0.2.2",7999', ERROR),
        ([], "AT+CIPDINFO=0", OK),
        ([], "AT+CIPRECVMODE=0", OK),
        ([], 'AT+CIPDOMAIN="localhost"', b"+CIPDOMAIN:127.0.0.1\r\n" + OK),
        ([], "AT+CIPCLOSE=0", b"0,CLOSED\r\n" + OK),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_wakes_a_deaf_link(quiet, peers, before, line, said):
    """duplex-wake, 2.0: the order of the bytes too."""
    bench = quiet("2.0", network=peers.network)
    bench.do("AT+CIPMUX=1", *before)
    stall(bench, peers)
    assert bench.say(line.encode() + b"\r\n") == said


def test_traffic_elsewhere_wakes_it(quiet, peers):
    """duplex-stall, 2.0; the close comes behind the data."""
    bench = quiet("2.0", network=peers.network)
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=4,"TCP","10.0.2.2",7101')
    stall(bench, peers)
    peers.of(7100).close()
    assert bench.passes(5) == b""
    peers.of(7101).send(b"other")
    assert bench.passes(1) == b"\r\n+IPD,4,5:other\r\n" + BLOCK + b"0,CLOSED\r\n"


def test_alone_nothing_wakes_it(quiet, peers):
    """duplex-wake, CIPMUX=0: not even the close of the peer is told; CIPSTATUS then fails."""
    bench = quiet("2.0", network=peers.network)
    stall(bench, peers, mux=False)
    peers.of(7100).close()
    assert bench.passes(10) == b""
    assert bench.say(b"AT+CIPSTATUS\r\n") == b"STATUS:3\r\n" + ERROR
    assert bench.say(b"AT+CIPCLOSE\r\n") == b"CLOSED\r\n" + OK


def test_a_long_answer_stops_at_its_first_block(quiet, peers):
    """real-firmware 5: 100 kB down against 2 kB sends stopped at the first block."""
    bench = quiet("2.0", network=peers.network)
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=0,"TCP","10.0.2.2",7100', "AT+CIPSEND=0,5")
    peers.of(7100).send(b"x" * 5000)
    assert bench.passes(1) == b"\r\n+IPD,0,1440:" + b"x" * 1440 + b"\r\n"


@pytest.mark.parametrize("profile", ["1.0", "2.1", "2.4", "4.1"])
def test_other_generations_hear_on(quiet, peers, profile):
    """real-firmware 5: 1.0 never; at-dialects 7.5: fixed after 2.0."""
    bench = quiet(profile, network=peers.network)
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=0,"TCP","10.0.2.2",7100', "AT+CIPSEND=0,5")
    for data in (b"one", b"two"):
        peers.of(7100).send(data)
        assert bench.passes(1).startswith(b"\r\n+IPD,0,3:" + data)


@pytest.mark.parametrize(
    ("profile", "crashes"), [("1.0", True), ("2.0", True), ("2.1", False), ("4.1", False)]
)
@pytest.mark.parametrize("command", ["CIPDOMAIN", "PING"])
def test_an_empty_name(quiet, profile, crashes, command):
    """real-firmware 4: a look-up of nothing resets 1.0 and 2.0."""
    bench = quiet(profile)
    said = bench.say(f'AT+{command}=""\r\n'.encode())
    assert (b"\r\nready\r\n" in said) is crashes
    assert bench.module.journal.boots == 1 + crashes


@pytest.mark.parametrize(("profile", "crashes"), [("1.0", True), ("2.0", False), ("4.1", False)])
def test_closing_link_minus_one(quiet, profile, crashes):
    """real-firmware 4: resets 1.0 with CIPMUX=1."""
    bench = quiet(profile)
    bench.do("AT+CIPMUX=1")
    said = bench.say(b"AT+CIPCLOSE=-1\r\n")
    assert said == ERROR if not crashes else b"\r\nready\r\n" in said


def test_sending_to_link_minus_one(quiet):
    """Sweep of CIPSEND, 1.0."""
    bench = quiet("1.0")
    bench.do("AT+CIPMUX=1")
    assert bench.say(b"AT+CIPSEND=-1,5\r\n") == OK + b"\r\n>"
    assert bench.say(b"hello") == b"\r\nRecv 5 bytes\r\n\r\nSEND FAIL\r\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("AT+CIPSTART=", 0x01060101),
        ('AT+CIPSTART="TCP"', 0x01060101),
        ('AT+CIPSTART="TCP","10.0.2.2"', 0x01060102),
        ('AT+CIPSTART="TCP","10.0.2.2",', None),
        ('AT+CIPSTART="TCP",,7000', 0x01070002),
        ('AT+CIPSTART="","10.0.2.2",7000', 0x01070001),
        ('AT+CIPSTART="TCP","10.0.2.2","7000"', 0x01080002),
        ('AT+CIPSTART="TCP","10.0.2.2",7000,a', 0x01080003),
        ('AT+CIPSTART="TCP","10.0.2.2",7000,', None),
        ('AT+CIPSTART="TCP","10.0.2.2",7000,7201', None),
        ('AT+CIPSTART=0,"TCP","10.0.2.2",7000', 0x01080000),
        ('AT+CIPSTART="XYZ","10.0.2.2",7000', None),
        ('AT+CIPSTART="UDP","10.0.2.2",7005,,2', None),
        ("AT+CIPSEND=a", 0x01080000),
        ("AT+CIPSEND=2049", None),
        ("AT+CIPSTO=a", 0x01080000),
        ("AT+CIPSTO=10", None),
        ("AT+CIPSNTPCFG=1", 0x01080001),
        ("AT+CIPSNTPCFG=8", None),
        ("AT+CIPCLOSE=a", None),
        ("AT+CIPSERVER=1,a", None),
        ("AT+CIFSR=1", 0x01080000),
        ("AT+CIPMUX=2", None),
    ],
)
def test_error_codes_of_1_0(quiet, line, code):
    """Sweeps of 1.0: most TCP/IP commands have codes for what does not parse and for nothing else."""
    bench = quiet("1.0")
    prefix = b"" if code is None else b"ERR CODE:0x%08x\r\n" % code
    assert bench.say(line.encode() + b"\r\n") == prefix + ERROR
