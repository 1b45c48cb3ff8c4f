"""From the prompt to SEND OK: V1.0 5.2.4, at-dialects 7.5, and what the captures show."""

import pytest

from esp32sock.simulator.profiles.generations import PROFILES

ALL = tuple(PROFILES)
FIRMWARE = tuple(name for name, profile in PROFILES.items() if profile.ipd_trailer)
OK = b"\r\nOK\r\n"
PROMPT = b"\r\nOK\r\n\r\n>"
ECHO = 'AT+CIPSTART="TCP","10.0.2.2",7000'
OBEY = 'AT+CIPSTART="TCP","10.0.2.2",7003'
SINK = 'AT+CIPSTART="TCP","10.0.2.2",7004'


def receipt(count):
    return b"\r\nRecv %d bytes\r\n\r\nSEND OK\r\n" % count


@pytest.fixture(params=FIRMWARE)
def linked(request, quiet):
    """A firmware profile with a link to the echo server, echo off."""
    bench = quiet(request.param)
    bench.do(ECHO)
    return bench


# (length, reads of payload, everything said from the first on; source)
PAYLOADS = [
    (5, [b"hello"], receipt(5) + b"\r\n+IPD,5:hello\r\n", "v2.0-tcp-single, echo server"),
    (1, [b"x"], receipt(1) + b"\r\n+IPD,1:x\r\n", "v2.0-tcp-single, one byte"),
    (
        16,
        [b'AT\r\n\x00\x01\xff"\\,+IPD,3'],
        receipt(16) + b'\r\n+IPD,16:AT\r\n\x00\x01\xff"\\,+IPD,3\r\n',
        "v2.0-tcp-single, data with CR LF quotes and zero bytes",
    ),
    (
        3,
        [b"abcdefAT\r\n"],
        b"\r\nbusy p...\r\n" + receipt(3) + b"\r\n+IPD,3:abc\r\n",
        "v2.0-tcp-single, more bytes than announced",
    ),
    (6, [b"abc", b"def"], receipt(6) + b"\r\n+IPD,6:abcdef\r\n", "v2.0-tcp-single, the rest later"),
    (2, [b"\r\n"], receipt(2) + b"\r\n+IPD,2:\r\n\r\n", "sweep of CIPSEND"),
    (6, [b"AT+RST"], receipt(6) + b"\r\n+IPD,6:AT+RST\r\n", "sweep of CIPSEND"),
    (4, [b"a\\0b"], receipt(4) + b"\r\n+IPD,4:a\\0b\r\n", "sweep of CIPSEND"),
    (6, [b"a+++bc"], receipt(6) + b"\r\n+IPD,6:a+++bc\r\n", "v2.0-plus-plus-plus"),
    (6, [b"+++abc"], receipt(6) + b"\r\n+IPD,6:+++abc\r\n", "v2.0-plus-plus-plus"),
    (3, [b"+++"], b"\r\nSEND Canceled\r\n", "v2.0-plus-plus-plus: payload is exactly +++"),
    (5, [b"ab", b"+++"], b"\r\nSEND Canceled\r\n", "v2.0-plus-plus-plus: ab, pause, +++"),
    (4, [b"+++"], b"\r\nSEND Canceled\r\n", "v2.0-plus-plus-plus: +++ then pause"),
]


@pytest.mark.parametrize(
    ("length", "reads", "said"), [pytest.param(*row[:3], id=f"{row[1]} {row[3]}") for row in PAYLOADS]
)
def test_payload(linked, length, reads, said):
    assert linked.say(b"AT+CIPSEND=%d\r\n" % length) == PROMPT
    assert b"".join(linked.say(read, within=1) for read in reads) == said
    assert linked.say(b"AT\r\n") == OK


def test_document_prints_neither_ok_nor_recv(quiet):
    """V1.0 5.2.4 and 7.1."""
    bench = quiet("doc-v1")
    bench.do(ECHO)
    assert bench.say(b"AT+CIPSEND=4\r\n") == b"\r\n>"
    assert bench.say(b"DGFY") == b"\r\nSEND OK\r\n\r\n+IPD,4:DGFY"


def test_payload_is_not_echoed(power_on):
    bench = power_on("2.4")
    bench.do(SINK)
    assert bench.say(b"AT+CIPSEND=5\r\n") == b"AT+CIPSEND=5\r\n" + PROMPT
    assert bench.say(b"hello") == receipt(5)


def test_bytes_before_the_prompt_are_lost(power_on):
    """v2.0-duplex, duplex-fast: command and payload in one write; the module then waits for all of it."""
    bench = power_on("2.0")
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=0,"TCP","10.0.2.2",7004')
    answer = b"AT+CIPSEND=0,5\r\n\r\nbusy p...\r\n" + PROMPT
    assert bench.say(b"AT+CIPSEND=0,5\r\npay00") == answer
    assert bench.say(b"again") == receipt(5)
    assert bench.module.journal.bytes_sent == 5


def test_bytes_while_the_prompt_is_on_its_way_are_lost(quiet):
    """Performance-facts 2.7: the receive buffer is thrown away when the count is armed."""
    bench = quiet("2.0")
    bench.do('AT+CIPSTART="UDP","10.0.2.2",7005')
    assert bench.say(b'AT+CIPSEND=5,"host.test",7005\r\n', within=0) == b""
    assert bench.say(b"hello") == PROMPT
    assert bench.say(b"again") == receipt(5) + b"\r\n+IPD,5:again\r\n"


def test_waits_for_ever(linked):
    assert linked.say(b"AT+CIPSEND=6\r\n") == PROMPT
    assert linked.say(b"abc", within=100_000) == b""
    assert linked.say(b"def").startswith(b"\r\nRecv 6 bytes\r\n")


def test_commands_are_swallowed_as_payload(linked):
    """At-dialects 7.5: the host sent too little, and its next command counts."""
    linked.say(b"AT+CIPSEND=8\r\n")
    assert linked.say(b"abcd") == b""
    assert linked.say(b"AT\r\n") == receipt(8) + b"\r\n+IPD,8:abcdAT\r\n\r\n"


def test_plus_signs_without_a_pause_are_data(linked):
    """Two writes with nothing between them are one read of the UART."""
    linked.say(b"AT+CIPSEND=5\r\n")
    linked.writes(b"ab")
    assert linked.say(b"+++") == receipt(5) + b"\r\n+IPD,5:ab+++\r\n"


@pytest.mark.parametrize(("profile", "length"), [("1.0", b"-1"), ("2.0", b"-1"), ("1.0", b"0")])
def test_prompt_that_nothing_fills(quiet, profile, length):
    """real-firmware 3; a lone `+++` ends it. 0 on 1.0 is a guess."""
    bench = quiet(profile)
    bench.do(SINK)
    assert bench.say(b"AT+CIPSEND=%b\r\n" % length) == PROMPT
    assert bench.say(b"anything at all\r\nAT\r\n") == b""
    assert bench.say(b"+++") == b"\r\nSEND Canceled\r\n"
    bench.do("AT")


@pytest.mark.parametrize("command", [b"CIPSEND", b"CIPSENDEX"])
def test_prompt_for_nothing_locks(quiet, command):
    """real-firmware 7: 2.0; `+++` as the first bytes ends it, others end all."""
    bench = quiet("2.0")
    bench.do(SINK)
    assert bench.say(b"AT+%b=0\r\n" % command) == PROMPT
    assert bench.say(b"+++") == b"\r\nSEND Canceled\r\n"
    assert bench.say(b"AT+%b=0\r\n" % command) == PROMPT
    assert bench.say(b"ab") == b"\r\nbusy p...\r\n"
    for data in (b"+++", b"AT\r\n", b"AT+RST\r\n"):
        assert bench.say(data) == b""
    bench.module.perform(bench.module.firmware.crash, bench.now)  # its reset line still works
    assert b"ready" in bench.passes(5)
    bench.do("AT")


@pytest.mark.parametrize("profile", ALL)
def test_largest_payload(quiet, profile):
    bench = quiet(profile)
    bench.do(SINK)
    largest = PROFILES[profile].send_limit
    assert bench.say(b"AT+CIPSEND=%d\r\n" % largest).endswith(b">")
    assert bench.say(b"D" * largest).endswith(b"\r\nSEND OK\r\n")
    assert bench.module.journal.bytes_sent == largest


def test_received_data_at_the_prompt(linked):
    """v2.0-tcp-single: data arrives while CIPSEND waits for its bytes."""
    linked.do("AT+CIPCLOSE", OBEY)
    linked.say(b"AT+CIPSEND=11\r\n")
    assert linked.say(b"later 0.5\r\n", within=0.1) == receipt(11)
    assert linked.say(b"AT+CIPSEND=4\r\n", within=0.1) == PROMPT
    assert linked.passes(1) == b"\r\n+IPD,5:LATER\r\n"
    assert linked.say(b"xyz\n") == receipt(4)


def test_received_data_cuts_into_the_echo(power_on):
    """v2.0-tcp-single: data arrives while a command is being typed."""
    bench = power_on("2.0")
    bench.do(OBEY, "AT+CIPSEND=11")
    assert bench.say(b"later 0.5\r\n", within=0.1) == receipt(11)
    assert bench.say(b"AT+CIP", within=0.1) == b"AT+CIP"
    assert bench.passes(1) == b"\r\n+IPD,5:LATER\r\n"
    status = b'STATUS:3\r\n+CIPSTATUS:0,"TCP","10.0.2.2",7003,50000,0\r\n'
    assert bench.say(b"STATUS\r\n") == b"STATUS\r\n" + status + OK


def test_peer_closes_at_the_prompt(linked):
    """real-firmware 4: CLOSED at once; after the payload Recv and SEND FAIL."""
    linked.do("AT+CIPCLOSE", OBEY)
    linked.say(b"AT+CIPSEND=5\r\n")
    linked.network.connections[0].close()
    assert linked.passes(1) == b"CLOSED\r\n"
    assert linked.say(b"hello") == b"\r\nRecv 5 bytes\r\n\r\nSEND FAIL\r\n"
    assert linked.say(b"AT+CIPSEND=5\r\n") == b"\r\nERROR\r\n"


def test_document_says_error_when_the_link_breaks(quiet):
    """V1.0 5.2.4."""
    bench = quiet("doc-v1")
    bench.do(OBEY)
    bench.say(b"AT+CIPSEND=5\r\n")
    bench.network.connections[0].close()
    bench.passes(1)
    assert bench.say(b"hello") == b"\r\nERROR\r\n"


def test_peer_resets_at_the_prompt(linked):
    """real-firmware 4: nothing until the payload, then SEND OK and only then CLOSED."""
    linked.do("AT+CIPCLOSE", OBEY)
    linked.say(b"AT+CIPSEND=5\r\n")
    linked.network.connections[0].reset()
    assert linked.passes(1) == b""
    assert linked.say(b"hello") == receipt(5) + b"CLOSED\r\n"


def test_cancelled_after_a_reset(linked):
    linked.do("AT+CIPCLOSE", OBEY)
    linked.say(b"AT+CIPSEND=5\r\n")
    linked.network.connections[0].reset()
    linked.passes(1)
    assert linked.say(b"+++") == b"\r\nSEND Canceled\r\nCLOSED\r\n"


@pytest.mark.parametrize("order", [b"close\r\n", b"rst\r\n"])
def test_peer_ends_on_our_word(linked, order):
    """v2.0-tcp-single: peer closes, peer resets."""
    linked.do("AT+CIPCLOSE", OBEY)
    linked.say(b"AT+CIPSEND=%d\r\n" % len(order))
    assert linked.say(order) == receipt(len(order)) + b"CLOSED\r\n"


def test_datagrams(quiet):
    """v2.0-udp: fixed peer, an address behind the length, and the address in front of the data."""
    bench = quiet("2.0")
    bench.do('AT+CIPSTART="UDP","10.0.2.2",7005')
    assert bench.say(b"AT+CIPSEND=5\r\n") == PROMPT
    assert bench.say(b"hello") == receipt(5) + b"\r\n+IPD,5:hello\r\n"
    assert bench.say(b'AT+CIPSEND=3,"10.0.2.2",7005\r\n') == PROMPT
    assert bench.say(b"def") == receipt(3) + b"\r\n+IPD,3:def\r\n"
    bench.do("AT+CIPDINFO=1", "AT+CIPSEND=3")
    assert bench.say(b"abc") == receipt(3) + b'\r\n+IPD,3,"10.0.2.2",7005:abc\r\n'
    bench.do("AT+CIPDINFO=0", "AT+CIPSEND=1472")
    assert bench.say(b"U" * 1472) == receipt(1472) + b"\r\n+IPD,1472:" + b"U" * 1472 + b"\r\n"
    assert bench.say(b"AT+CIPCLOSE\r\n") == b"CLOSED\r\n" + OK
