"""UDP links: V1.0 5.2.3 and 7.2, at-dialects 7.4, 7.5, udp files, sweeps of CIPSTART and CIPSEND."""

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork
from esp32sock.simulator.profiles.generations import PROFILES

OK = b"\r\nOK\r\n"
PROMPT = b"\r\nOK\r\n\r\n>"
FIRMWARE = tuple(name for name in PROFILES if name != "doc-v1")


@pytest.fixture
def talk(quiet):
    """Make a module whose network remembers every datagram that reached 10.0.2.2, by port."""

    def make(profile, start='AT+CIPSTART="UDP","10.0.2.2",7005,1112,0', **settings):
        network = MemoryNetwork()
        arrived = []
        for port in (7005, 7006):
            network.answer_datagrams(
                "10.0.2.2", port, lambda data, port=port: arrived.append((port, data)) or []
            )
        bench = quiet(profile, network=network, **settings)
        bench.do(start)
        bench.arrived = arrived
        return bench

    return make


def send(bench, payload, where=""):
    bench.do(f"AT+CIPSEND={len(payload)}{where}")
    return bench.say(payload)


@pytest.mark.parametrize("profile", FIRMWARE)
@pytest.mark.parametrize(
    ("mode", "peers"),
    [(0, [7005, 7005, 7005]), (1, [7005, 7006, 7006]), (2, [7005, 7006, 7005])],
)
def test_who_the_peer_is(talk, profile, mode, peers):
    """V1.0 5.2.3: fixed, changed once, or the last sender; any sender is heard in every mode (V1.0 7.2.1)."""
    bench = talk(profile, f'AT+CIPSTART="UDP","10.0.2.2",7005,1112,{mode}')
    bench.do("AT+CIPDINFO=1")
    send(bench, b"1")
    for sender in (7006, 7005):
        bench.network.send_datagram(1112, b"hi", from_port=sender)
        assert b"%d:hi" % sender in bench.passes(1)
        send(bench, b"x")
    assert [port for port, _ in bench.arrived] == peers


@pytest.mark.parametrize("profile", FIRMWARE)
def test_explicit_destination(talk, profile):
    bench = talk(profile)
    assert send(bench, b"abc", ',"10.0.2.2",7006') == b"\r\nRecv 3 bytes\r\n\r\nSEND OK\r\n"
    send(bench, b"def")
    assert bench.arrived == [(7006, b"abc"), (7005, b"def")]


@pytest.mark.parametrize("profile", FIRMWARE)
def test_a_destination_without_port_reaches_nobody(talk, profile):
    """Sweep of CIPSEND, 1.0, 2.0."""
    bench = talk(profile)
    assert send(bench, b"hello", ',"10.0.2.2"').endswith(b"SEND OK\r\n")
    assert bench.arrived == []


@pytest.mark.parametrize(
    ("profile", "redirected"), [("1.0", True), ("1.2", True), ("2.0", False), ("4.1", False)]
)
def test_a_datagram_at_the_prompt_redirects(talk, profile, redirected):
    """At-dialects 7.5: 1.0 to 1.2, in mode 2, although the destination was named."""
    bench = talk(profile, 'AT+CIPSTART="UDP","10.0.2.2",7005,1112,2')
    bench.do('AT+CIPSEND=5,"10.0.2.2",7005')
    bench.network.send_datagram(1112, b"!", from_port=7006)
    bench.passes(1)
    bench.say(b"hello")
    assert bench.arrived == [(7006 if redirected else 7005, b"hello")]


@pytest.mark.parametrize("profile", FIRMWARE)
def test_a_datagram_is_one_block(talk, profile):
    """udp files: 1472 and 1473 bytes; at-dialects 7.6: longer ones are dropped by later stock builds."""
    bench = talk(profile)
    limit = PROFILES[profile].tcpip.udp_receive_limit
    for count in (0, 1, 1460, 1472, 1473, 2000):
        bench.network.send_datagram(1112, b"u" * count)
        taken = limit is None or count <= limit
        trailer = PROFILES[profile].ipd_trailer
        assert bench.passes(1) == (b"\r\n+IPD,%d:" % count + b"u" * count + trailer if taken else b"")


@pytest.mark.parametrize("profile", FIRMWARE)
def test_ports(talk, profile):
    """A port that is taken is refused (sweep of CIPSTART, 1.0), and free again once its link is closed."""
    bench = talk(profile)
    bench.do("AT+CIPCLOSE", "AT+CIPMUX=1", 'AT+CIPSTART=0,"UDP","10.0.2.2",7005,1112,0')
    assert bench.say(b'AT+CIPSTART=1,"UDP","10.0.2.2",7005,1112,0\r\n') == b"\r\nERROR\r\n"
    bench.do(
        'AT+CIPSTART=1,"UDP","10.0.2.2",7005,1113,0', "AT+CIPCLOSE=0", 'AT+CIPSTART=0,"UDP","10.0.2.2",1,1112'
    )


def test_status_follows_the_sender(talk):
    """At-dialects 7.1."""
    bench = talk("2.4", 'AT+CIPSTART="UDP","0.0.0.0",2390,2390,2')
    bench.network.send_datagram(2390, b"!", from_port=7006)
    bench.passes(1)
    assert bench.say(b"AT+CIPSTATE?\r\n") == b'+CIPSTATE:0,"UDP","10.0.2.2",7006,2390,0\r\n' + OK


def test_status_in_passive_receive_does_not(talk):
    bench = talk("4.1", 'AT+CIPSTART="UDP","0.0.0.0",2390,2390,2')
    bench.do("AT+CIPRECVMODE=1")
    bench.network.send_datagram(2390, b"!", from_port=7006)
    bench.passes(1)
    assert bench.say(b"AT+CIPSTATE?\r\n") == b'+CIPSTATE:0,"UDP","0.0.0.0",2390,2390,0\r\n' + OK


def test_broadcast(talk):
    bench = talk("2.4", 'AT+CIPSTART="UDP","255.255.255.255",7005,1112,0')
    send(bench, b"all")
    assert bench.arrived == [(7005, b"all")]


def test_to_itself(talk):
    bench = talk("2.4")
    assert send(bench, b"me", ',"127.0.0.1",1112').endswith(b"\r\n+IPD,2:me\r\n")


def test_a_slow_line_loses_datagrams(talk):
    """Six wait in the module, and the transmit ring holds 8 kB (at-dialects 2, transcript 20)."""
    bench = talk("2.4", paced=True, baud=9600)
    for n in range(40):
        bench.network.send_datagram(1112, b"%02d" % n * 500)
    said = bench.passes(60)
    assert 10 < said.count(b"+IPD,1000:") < 20
