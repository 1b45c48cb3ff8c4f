"""The fault of 2.0: which links it listens to is chosen anew at each event, and those with a send under way
are left out (real-firmware 5). Dialogues are those of the probes of the walks where one is named.
"""

from random import Random

import pytest

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.faults.hooks import Faults
from esp32sock.simulator.firmware.inbound import SILENT_STALL
from esp32sock.simulator.network.memory import MemoryNetwork
from tests.simulator.conftest import sink

OK = b"\r\nOK\r\n"
PROMPT = b"\r\nOK\r\n\r\n>"
CANCELED = b"\r\nSEND Canceled\r\n"
OTHERS = ("1.0", "2.1", "2.4", "4.1")


def receipt(count):
    return b"\r\nRecv %d bytes\r\n\r\nSEND OK\r\n" % count


def block(link, data):
    return b"\r\n+IPD,%d,%d:%b\r\n" % (link, len(data), data)


@pytest.fixture
def network():
    network = MemoryNetwork()
    network.listen("10.0.2.2", 7100, sink)
    network.listen("10.0.2.2", 7101, sink)
    network.answer_datagrams("10.0.2.2", 7005, lambda data: [data])
    return network


@pytest.fixture
def two_links(quiet, network):
    """A module with links 0 (port 7100) and 1 (port 7101), of a profile that the test names."""

    def make(profile="2.0", **settings):
        bench = quiet(profile, network=network, **settings)
        bench.do("AT+CIPMUX=1", *(f'AT+CIPSTART={n},"TCP","10.0.2.2",710{n}' for n in (0, 1)))
        return bench

    return make


def sends(bench, link, data):
    """The peer of a link sends; what the module prints."""
    next(peer for peer in bench.network.connections if peer.port == 7100 + link).send(data)
    return bench.passes(0.6)


def test_a_cancelled_send(two_links):
    """probe cancel-mux, 2.0: the block behind the cancellation is the last, and an event elsewhere does not
    help before a complete send.
    """
    bench = two_links()
    assert bench.say(b"AT+CIPSEND=0,5\r\n") == PROMPT
    assert bench.say(b"+++") == CANCELED
    assert sends(bench, 0, b"0123456789") == block(0, b"0123456789")
    assert sends(bench, 0, b"first kept.") == b""
    assert sends(bench, 1, b"of another..") == block(1, b"of another..")
    assert sends(bench, 0, b"second kept..") == b""
    assert bench.say(b"AT+CIPSEND=0,2\r\n") == PROMPT
    assert bench.say(b"ab") == receipt(2)
    assert sends(bench, 0, b"third") == b""
    kept = block(0, b"first kept.") + block(0, b"second kept..") + block(0, b"third")
    assert sends(bench, 1, b"event!") == block(1, b"event!") + kept
    assert sends(bench, 0, b"as ever") == block(0, b"as ever")


def test_a_cancelled_send_on_the_only_link(quiet, network):
    """probe cancel-single, 2.0: no send helps and no query; CIPCLOSE does (probe cancel-close)."""
    bench = quiet("2.0", network=network)
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7100')
    assert bench.say(b"AT+CIPSEND=5\r\n") == PROMPT
    assert bench.say(b"+++") == CANCELED
    assert sends(bench, 0, b"printed") == b"\r\n+IPD,7:printed\r\n"
    assert sends(bench, 0, b"kept") == b""
    for payload in (b"ab", b"cd"):
        assert bench.say(b"AT+CIPSEND=2\r\n") == PROMPT
        assert bench.say(payload) == receipt(2)
        assert sends(bench, 0, b"kept") == b""
        assert bench.say(b"AT+CIPSTATUS\r\n").startswith(b"STATUS:3\r\n+CIPSTATUS:0,")
    assert bench.say(b"AT+CIPCLOSE\r\n") == b"CLOSED\r\n" + OK
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7100')
    assert sends(bench, 0, b"heard") == b"\r\n+IPD,5:heard\r\n"


def test_a_block_of_another_link_at_the_prompt(two_links):
    """probe other-at-prompt, 2.0."""
    bench = two_links()
    assert bench.say(b"AT+CIPSEND=0,5\r\n") == PROMPT
    assert sends(bench, 1, b"0123456789") == block(1, b"0123456789")
    assert bench.say(b"abcde") == receipt(5)
    assert sends(bench, 0, b"first kept.") == b""
    assert sends(bench, 0, b"second kept.") == b""
    kept = block(0, b"first kept.") + block(0, b"second kept.")
    assert sends(bench, 1, b"event!") == block(1, b"event!") + kept
    assert sends(bench, 0, b"as ever") == block(0, b"as ever")


@pytest.mark.parametrize("profile", OTHERS)
def test_other_generations_have_none_of_it(two_links, profile):
    """probe cancel-mux41; real-firmware 5: not on 1.0."""
    bench = two_links(profile)
    trailer = b"" if profile == "1.0" else b"\r\n"

    def shown(link, data):
        return b"\r\n+IPD,%d,%d:%b" % (link, len(data), data) + trailer

    assert bench.say(b"AT+CIPSEND=0,5\r\n") == PROMPT
    assert sends(bench, 1, b"other") == shown(1, b"other")
    assert sends(bench, 0, b"own") == shown(0, b"own")
    assert bench.say(b"+++") == CANCELED
    for data in (b"one", b"two"):
        assert sends(bench, 0, data) == shown(0, data)


def test_an_accepted_client_at_the_prompt(two_links):
    """real-firmware 5: CONNECT and CLOSED of another link are events too."""
    bench = two_links()
    bench.do("AT+CIPSERVER=1,8080", "AT+CIPSEND=0,2")
    assert bench.network.connect(8080, sink)
    assert bench.passes(0.5) == b"2,CONNECT\r\n"
    assert bench.say(b"ab") == receipt(2)
    assert sends(bench, 0, b"kept") == b""
    client = next(peer for peer in bench.network.connections if peer.port not in (7100, 7101))
    client.close()
    assert bench.passes(0.5) == b"2,CLOSED\r\n" + block(0, b"kept")


def test_datagrams(quiet, network):
    """real-firmware 5: UDP links stall the same way."""
    bench = quiet("2.0", network=network)
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=0,"UDP","10.0.2.2",7005,1112,0', "AT+CIPSEND=0,3")
    assert network.send_datagram(1112, b"at the prompt")
    assert bench.passes(0.5) == block(0, b"at the prompt")
    assert bench.say(b"one") == receipt(3)
    bench.do("AT+CIPSEND=0,3")
    assert bench.say(b"two") == receipt(3)
    opened = bench.say(b'AT+CIPSTART=1,"UDP","10.0.2.2",7005,1113,0\r\n')
    assert opened == block(0, b"one") + block(0, b"two") + b"1,CONNECT\r\n" + OK


class At(Faults):
    """Lets the peer of link 0 send at a place between two writes of the firmware."""

    active = True

    def __init__(self, place):
        self._place = place
        self.peer = None

    def gap(self, place):
        if self.peer is not None and place == self._place:
            peer, self.peer = self.peer, None
            peer()


def is_deaf_after(place, seed):
    """Whether a block of the link at this place of its send makes it deaf."""
    network = MemoryNetwork(latency_s=0)
    network.listen("10.0.2.2", 7100, sink)
    faults = At(place)
    module = Device(Settings(profile="2.0", seed=seed), network, faults=faults)

    def say(data):
        module.host_wrote(data, say.now)
        said = b""
        for _ in range(100):
            say.now += 0.01
            module.advance(say.now)
            said += module.take_output(say.now, 1 << 20)
        return said

    say.now = 0.0
    say(b'AT+CIPSTART="TCP","10.0.2.2",7100\r\n')
    link = module.firmware.links.get(0)

    def block_now():
        link.received.append(b"block")
        link.received_bytes += 5
        module.firmware.inbound.pump()

    faults.peer = block_now
    say(b"AT+CIPSEND=2\r\n")
    assert b"SEND OK" in say(b"ab")
    assert faults.peer is None
    network.connections[0].send(b"later")
    return b"later" not in say(b"AT\r\n")


@pytest.mark.parametrize(
    ("place", "deaf"),
    [
        ("before command", {False}),
        ("ok and prompt", {True}),
        ("prompt and recv", {True}),
        ("recv and send ok", {False, True}),
        ("after result", {False}),
    ],
)
def test_by_where_the_block_falls(place, deaf):
    """real-firmware 5: not before OK or behind SEND OK, sometimes between `Recv` and SEND OK, else always."""
    assert {is_deaf_after(place, seed) for seed in range(12)} == deaf


def test_without_a_block_that_shows_it(two_links):
    """real-firmware 5: now and then a link goes deaf although no block was printed."""
    strikes = next(seed for seed in range(1000) if Random(seed).random() < SILENT_STALL)
    bench = two_links(seed=strikes)
    assert bench.say(b"AT+CIPSEND=0,2\r\n") == PROMPT
    assert sends(bench, 0, b"kept") == b""
    assert bench.say(b"ab") == receipt(2)
    assert sends(bench, 0, b"kept too") == b""
    assert sends(bench, 1, b"event!") == block(1, b"event!") + block(0, b"kept") + block(0, b"kept too")
