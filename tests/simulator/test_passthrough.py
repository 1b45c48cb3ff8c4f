"""The passthrough mode: V1.0 5.2.10, 5.2.11 and 7.3, at-dialects 7.10, 4.1 sysmsg, 2.0 tcp-single."""

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork
from esp32sock.simulator.profiles.generations import PROFILES
from tests.simulator.conftest import echo

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
ECHO = 'AT+CIPSTART="TCP","10.0.2.2",7000'
OBEY = 'AT+CIPSTART="TCP","10.0.2.2",7003'


def enter(bench, *lines):
    bench.do("AT+CIPMODE=1", *lines)
    assert bench.say(b"AT+CIPSEND\r\n") == b"".join(bench.module.profile.prompt)


@pytest.mark.parametrize("profile", list(PROFILES))
def test_raw_both_ways_and_out(quiet, profile):
    """2.0 prints nothing of what it receives meanwhile (walk 2024)."""
    bench = quiet(profile)
    enter(bench, ECHO)
    comes = bench.module.profile.tcpip.passthrough_receives
    assert bench.say(b"hello\r\nAT\r\n+IPD", within=1) == (b"hello\r\nAT\r\n+IPD" if comes else b"")
    assert bench.say(b"+++", within=1.5) == b""
    assert bench.say(b"AT\r\n") == OK
    ends = bench.module.profile.tcpip.passthrough_ends_mode  # real-firmware 9: 1.0
    assert bench.say(b"AT+CIPMODE?\r\n") == b"+CIPMODE:%d\r\n" % (not ends) + OK
    bench.do("AT+CIPMODE=0", "AT+CIPSEND=2")
    assert bench.say(b"hi").endswith(b"+IPD,2:hi" + bench.module.profile.ipd_trailer)


@pytest.mark.parametrize(("profile", "most"), [("1.0", 2048), ("2.4", 2920), ("4.2", 2920)])
def test_a_burst_goes_out_in_datagrams_of_a_packet(quiet, profile, most):
    """At-dialects 7.10: at most so much in one packet, datagrams too."""
    sizes = []
    network = MemoryNetwork()
    network.answer_datagrams("10.0.2.2", 7005, lambda data: sizes.append(len(data)) or [])
    bench = quiet(profile, network=network)
    enter(bench, 'AT+CIPSTART="UDP","10.0.2.2",7005,1112,0')
    bench.say(20_000 * b"x", within=2)
    assert sum(sizes) == 20_000
    assert max(sizes) == most


def test_the_way_out_can_speak(quiet):
    """4.1 sysmsg: bit 0."""
    bench = quiet("4.1")
    bench.do("AT+SYSMSG=1")
    enter(bench, ECHO)
    bench.say(b"x", within=1)
    assert bench.say(b"+++", within=2) == b"\r\n+QUITT\r\n"


@pytest.mark.parametrize("data", [b"a+++", b"+++a", b"++", b"++++", b"+++\r\n"])
def test_plus_signs_in_company_are_data(quiet, data):
    bench = quiet("2.4")
    enter(bench, ECHO)
    assert bench.say(data, within=1) == data


def test_plus_signs_without_a_pause_before_are_data(quiet):
    """At-dialects 7.10: 20 ms of silence."""
    bench = quiet("2.4")
    enter(bench, ECHO)
    bench.say(b"x", within=0.01)
    assert bench.say(b"+++", within=1) == b"x+++"


def test_bytes_collect_for_20_ms(quiet):
    """At-dialects 7.10: one packet out of what comes within that time."""
    network = MemoryNetwork()
    packets = []

    async def listen(connection):
        while data := await connection.receive():
            packets.append(data)

    network.listen("10.0.2.2", 1, listen)
    bench = quiet("2.4", network=network)
    enter(bench, 'AT+CIPSTART="TCP","10.0.2.2",1')
    for piece in (b"a", b"b", b"c"):
        bench.say(piece, within=0.005)
    bench.passes(0.1)
    bench.say(b"d" * 2920, within=0.01)
    assert packets == [b"abc", b"d" * 2920]


@pytest.mark.parametrize(("sysmsg", "said"), [(0, b""), (4, b"CLOSED\r\nCONNECT\r\n")])
def test_the_link_is_opened_again(quiet, sysmsg, said):
    """4.1 sysmsg, bit 2; 2.0: the module reconnects by itself and says nothing."""
    bench = quiet("4.1")
    bench.do(f"AT+SYSMSG={sysmsg}")
    enter(bench, OBEY)
    assert bench.say(b"close\r\n", within=1) == said
    assert bench.say(b"again\r\n", within=1) == b""
    bench.say(b"+++", within=2)
    assert len(bench.module.journal.links) == 2
    assert bench.module.firmware.links.get(0) is not None


def test_how_often_it_tries(quiet):
    """AT+CIPRECONNINTV, in tenths of a second."""
    network = MemoryNetwork()
    network.listen("10.0.2.2", 1, echo)
    bench = quiet("2.4", network=network)
    bench.do("AT+CIPRECONNINTV=30")
    assert bench.say(b"AT+CIPRECONNINTV?\r\n") == b"+CIPRECONNINTV:30\r\n" + OK
    enter(bench, 'AT+CIPSTART="TCP","10.0.2.2",1')
    network.connections[0].close()
    bench.passes(2.5)
    assert bench.module.firmware.links.get(0) is None
    bench.passes(1)
    assert bench.module.firmware.links.get(0) is not None


@pytest.mark.parametrize(
    ("profile", "before", "line", "answer"),
    [
        ("2.0", [], "AT+CIPSEND", ERROR),
        ("2.0", ["AT+CIPMODE=1"], "AT+CIPSEND", ERROR),
        ("2.0", [ECHO], "AT+CIPSEND", ERROR),
        ("2.0", ["AT+CIPMODE=1"], "AT+CIPMUX=1", ERROR),
        ("2.0", ["AT+CIPMUX=1"], "AT+CIPMODE=1", ERROR),
        ("2.0", ["AT+CIPMUX=1"], "AT+CIPMODE=0", ERROR),
        ("4.2", ["AT+CIPMUX=1"], "AT+CIPMODE=1", ERROR),
        ("2.0", ["AT+CIPMODE=1", ECHO], "AT+CIPSEND=5", ERROR),
        ("2.0", ["AT+CIPMODE=1", 'AT+CIPSTART="UDP","10.0.2.2",7005,1112,2'], "AT+CIPSEND", ERROR),
        ("2.0", ["AT+CIPMODE=1", 'AT+CIPSTART="UDP","10.0.2.2",7005,1112,0'], "AT+CIPSEND", OK + b"\r\n>"),
    ],
)
def test_when_it_is_refused(quiet, profile, before, line, answer):
    """Sweeps of CIPMODE and CIPSEND; V1.0 5.2.4 for UDP."""
    bench = quiet(profile)
    bench.do(*before)
    assert bench.say(line.encode() + b"\r\n") == answer


@pytest.mark.parametrize(
    "stored",
    [
        '1,"10.0.2.2",7000',
        '1,"10.0.2.2",7000,"TCP",60',
        '1,"host.test",7000,"TCP"',
        '1,"10.0.2.2",7005,"UDP",1112',
    ],
)
def test_stored_in_flash(quiet, stored):
    """V1.0 5.2.11: the mode is there after the boot, without a prompt."""
    bench = quiet("2.4")
    bench.do(f"AT+SAVETRANSLINK={stored}")
    bench.say(b"AT+RST\r\n", within=10)
    assert bench.say(b"straight away", within=1) == b"straight away"
    bench.say(b"+++", within=2)
    bench.do("AT", "AT+SAVETRANSLINK=0")
    bench.say(b"AT+RST\r\n", within=10)
    assert bench.say(b"AT\r\n").endswith(OK)


@pytest.mark.parametrize("line", ['1,"",7000', '1,"10.0.2.2",0', '1,"10.0.2.2",7000,"XYZ"', '2,"10.0.2.2",1'])
def test_what_is_not_stored(quiet, line):
    bench = quiet("2.4")
    assert bench.say(b"AT+SAVETRANSLINK=" + line.encode() + b"\r\n") == ERROR
