"""What the module does with reads of its UART: echo, line ends, busy, limits. Sources as in test_answers."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esp32sock.simulator.network.memory import MemoryNetwork
from esp32sock.simulator.profiles.generations import PROFILES

OLD = tuple(name for name, profile in PROFILES.items() if profile.error_codes_always)
ALL = tuple(name for name in PROFILES if name not in OLD)
ECHO = 'AT+CIPSTART="TCP","10.0.2.2",7000'


# (reads of the UART, 20 ms apart; everything said; source), echo on, all profiles
READS = [
    ([b"AT\r\n"], b"AT\r\n\r\nOK\r\n", "v2.0-basic"),
    ([b"A", b"T", b"\r", b"\n"], b"AT\r\n\r\nOK\r\n", "sweep of AT: one byte at a time"),
    ([b"AT\n"], b"AT\n", "v2.0-basic: LF alone ends nothing"),
    ([b"AT\n", b"\r\n"], b"AT\n\r\n\r\nERROR\r\n", "sweep of AT, terminators"),
    ([b"\n", b"\r\n"], b"\n\r\n\r\nERROR\r\n", "v2.0-basic: empty line"),
    ([b"\r\n"], b"\r\n\r\nERROR\r\n", "v2.0-basic: empty line"),
    ([b"\r\n\r\n"], b"\r\n\r\nERROR\r\n\r\n\r\nERROR\r\n", "sweep of AT: two empty lines are two errors"),
    ([b"\n\r", b"\r\n"], b"\n\r\r\n\r\nERROR\r\n", "sweep of AT, terminators"),
    ([b"AT\r\n\r\n"], b"AT\r\n\r\nbusy p...\r\n\r\nOK\r\n", "sweep of AT"),
    ([b"AT\r\n\n"], b"AT\r\n\r\nbusy p...\r\n\r\nOK\r\n", "sweep of AT"),
    ([b"AT\r\nAT\r\n"], b"AT\r\n\r\nbusy p...\r\n\r\nOK\r\n", "v2.0-basic, v4.1dev-basic"),
    ([b"AT\r\nAT+GMR\r\nAT\r\n"], b"AT\r\n\r\nbusy p...\r\n\r\nOK\r\n", "sweep of AT: one busy for all"),
    ([b"AT\r\r\n\r\n"], b"AT\r\r\n\r\nbusy p...\r\n\r\nERROR\r\n", "sweep of AT"),
    ([b"ATE0\r\nAT\r\n", b"AT\r\n"], b"ATE0\r\n\r\nbusy p...\r\n\r\nOK\r\n\r\nOK\r\n", "sweep of ATE"),
    ([b"ATE0\r\n", b"ATE1\r\n", b"AT\r\n"], b"ATE0\r\n\r\nOK\r\n\r\nOK\r\nAT\r\n\r\nOK\r\n", "sweep of ATE"),
    ([b"\x00AT\r\n"], b"AT\r\n\r\nOK\r\n", "sweep of AT: NUL in front is skipped, and not echoed"),
    ([b"AT\x00\r\n"], b"AT\r\n\r\nERROR\r\n", "sweep of AT"),
    ([b"\x00\x01\x02\xff\xfe\r\n"], b"\x01\x02\xff\xfe\r\n\r\nERROR\r\n", "v2.0-basic, binary garbage"),
    ([b"+++\r\n"], b"+++\r\n\r\nERROR\r\n", "sweep of AT"),
    (
        [b"x", b"AT\r\n", b"AT\r\n"],
        b"xAT\r\n\r\nERROR\r\nAT\r\n\r\nOK\r\n",
        "v2.0-plus-plus-plus: the rest of a line",
    ),
]


@pytest.mark.parametrize("profile", ALL)
@pytest.mark.parametrize(
    ("reads", "said"), [pytest.param(*row[:2], id=f"{row[0]} {row[2]}") for row in READS]
)
def test_reads(power_on, profile, reads, said):
    bench = power_on(profile)
    assert b"".join(bench.say(read, within=0.02) for read in reads) == said


def test_old_line_feed_completes_a_line_on_2_0(power_on):
    """Sweep of AT: CR after a line as long runs at once, and its echo shows an LF that nobody sent."""
    bench = power_on("2.0")
    bench.do("AT")
    assert bench.say(b"AT\r") == b"AT\r\n\r\nOK\r\n"
    assert bench.say(b"\n") == b"\n"
    assert bench.say(b"\r\n") == b"\r\n\r\nERROR\r\n"
    bench.do("AT+CIPMUX?")
    assert bench.say(b"AT\r") == b"AT\r"
    assert bench.say(b"\n") == b"\n\r\nOK\r\n"


def test_carriage_return_alone_waits_on_2_4(power_on):
    """v4.1dev-basic."""
    bench = power_on("2.4")
    bench.do("AT")
    assert bench.say(b"AT\r") == b"AT\r"
    assert bench.say(b"\n") == b"\n\r\nOK\r\n"


@pytest.mark.parametrize("profile", ALL)
def test_line_limit(power_on, profile):
    """At-dialects 4.1: 256 bytes from 2.1 on, and in the document; 2.0 was seen to take 2050."""
    bench = power_on(profile)
    lines = [b"AT+" + b"A" * (n - 5) + b"\r\n" for n in (255, 256, 257, 605, 2050)]
    for line in lines:
        assert bench.say(line) == line + b"\r\nERROR\r\n"
    bench.do("AT")


def test_a_long_line_runs_only_where_there_is_no_limit(quiet):
    """The same command on both sides of the limit: its argument is legal, the line is 271 bytes."""
    line = b'AT+CIPDOMAIN="' + b"".join(b"\\%c" % byte for byte in b"h" * 123 + b".test") + b'"\r\n'
    assert len(line) > 256
    names = {"h" * 123 + ".test": "10.0.2.2"}
    for profile, answer in (
        ("2.0", b"+CIPDOMAIN:10.0.2.2\r\n\r\nOK\r\n"),
        ("2.4", b"\r\nERROR\r\n"),
    ):
        assert quiet(profile, network=MemoryNetwork(names=names)).say(line) == answer


def test_a_line_that_never_ends_takes_no_memory(power_on):
    bench = power_on("2.4")
    for _ in range(100):
        bench.say(b"x" * 1000, within=0.01)
    assert len(bench.module.firmware.receiver._buffer) <= 4096
    assert bench.say(b"\r\n").endswith(b"\r\nERROR\r\n")
    bench.do("AT")


@pytest.mark.parametrize("profile", ALL)
def test_lines_while_a_command_runs(power_on, profile):
    """v2.0-duplex, duplex-fails: each is dropped with busy, none is echoed; then the result."""
    bench = power_on(profile)
    line = b'AT+CIPSTART="TCP","10.0.2.99",80\r\n'
    assert bench.say(line, within=0.8) == line
    assert bench.say(b"AT\r\n", within=0.3) == b"\r\nbusy p...\r\n"
    assert bench.say(b"AT+CIPCLOSE=1\r\n", within=0.3) == b"\r\nbusy p...\r\n"
    assert bench.passes(20) == b"\r\nERROR\r\n"
    assert bench.say(b"AT\r\n") == b"AT\r\n\r\nOK\r\n"


@pytest.mark.parametrize("profile", ALL)
def test_busy_comes_between_echo_and_answer(power_on, profile):
    """v2.0-duplex, duplex-fast: a command while CIPCLOSE runs."""
    bench = power_on(profile)
    bench.do(ECHO)
    answer = b"AT+CIPCLOSE\r\n\r\nbusy p...\r\nCLOSED\r\n\r\nOK\r\n"
    assert bench.say(b"AT+CIPCLOSE\r\nAT+CIPSTATUS\r\n") == answer


@pytest.mark.parametrize("profile", [name for name in ALL if name != "doc-v1"])
def test_error_codes_of_busy(power_on, profile):
    """At-dialects 3.3."""
    bench = power_on(profile)
    bench.do("ATE0", "AT+SYSLOG=1")
    answer = b"ERR CODE:0x010b0000\r\n\r\nbusy p...\r\n\r\nOK\r\n"
    assert bench.say(b"AT\r\nAT\r\n") == answer


@pytest.mark.parametrize("profile", OLD)
def test_codes_stand_in_front_on_old_firmware(power_on, profile):
    """v201712-basic: 03 without AT, 02 behind a command, 0b before busy."""
    bench = power_on(profile)
    assert bench.say(b"\r\n") == b"\r\nERR CODE:0x01030000\r\n\r\nERROR\r\n"
    assert bench.say(b"AT \r\n") == b"AT \r\nERR CODE:0x01020000\r\n\r\nERROR\r\n"
    answer = b"AT\r\nERR CODE:0x010b0000\r\n\r\nbusy p...\r\n\r\nOK\r\n"
    assert bench.say(b"AT\r\nAT\r\n") == answer


def test_a_nul_byte_makes_1_0_deaf_for_128_bytes(power_on):
    """v201712-basic: echoed, not answered, until so many bytes have come."""
    bench = power_on("1.0")
    assert bench.say(b"AT\0\r\n") == b"AT\0\r\n"
    for _ in range(30):
        assert bench.say(b"AT\r\n") == b"AT\r\n"
    bench.say(b"AT+GMR\r\n")
    assert bench.say(b"AT\r\n") == b"AT\r\n\r\nOK\r\n"


def test_a_line_of_1023_bytes_resets_1_0(power_on):
    """Sweep of AT, 1.0: 513 bytes are refused, 1023 reset it."""
    bench = power_on("1.0", joined=False)
    assert bench.say(b"AT+" + b"A" * 508 + b"\r\n").endswith(b"ERR CODE:0x01090000\r\n\r\nERROR\r\n")
    bench.writes(b"AT+" + b"A" * 1021)
    assert bench.passes(30).endswith(b"\r\nready\r\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.binary(max_size=40), max_size=12), profile=st.sampled_from(ALL))
def test_any_bytes_leave_a_module_that_answers(power_on, data, profile):
    """Invariant: after whatever was written, an empty line and a pause, the module runs commands."""
    bench = power_on(profile)
    for piece in data:
        bench.say(piece, within=0.01)
    bench.say(b"\r\n", within=60)
    assert bench.say(b"ATE1\r\n", within=60).endswith(b"\r\nOK\r\n")
    assert bench.say(b"AT\r\n") == b"AT\r\n\r\nOK\r\n"
