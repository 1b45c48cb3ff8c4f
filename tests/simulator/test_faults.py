"""Every named fault, at an exact place or at every occasion; and the SPEC that asks for them."""

from pathlib import Path
from random import Random

import pytest

from esp32sock.simulator.faults.spec import KINDS, Triggers, fault_table, parse_faults

START = b'AT+CIPSTART="TCP","10.0.2.2",7000\r\n'
OK, ERROR, BUSY = b"\r\nOK\r\n", b"\r\nERROR\r\n", b"\r\nbusy p...\r\n"
PROMPT, RECV, SENT = b"\r\nOK\r\n\r\n>", b"\r\nRecv 5 bytes\r\n", b"\r\nSEND OK\r\n"
BACK = b"\r\n+IPD,5:hello\r\n"


@pytest.fixture
def faulty(power_on):
    """A module with faults and no echo; the faults have seen nothing yet."""

    def make(spec, profile="2.4", **settings):
        bench = power_on(profile, faults=spec, **settings)
        bench.module.firmware.board.state.echo = False
        return bench

    return make


# At the line and in the module


def test_lost_bytes_of_the_host(faulty):
    assert faulty("drop-up@1").say(b"xAT\r\n") == OK
    assert faulty("overrun-up@1=3").say(b"xyzAT\r\n") == OK


def test_lost_bytes_of_the_module(faulty):
    assert faulty("drop-down@3").say(b"AT\r\n") == b"\r\nK\r\n"
    assert faulty("overrun-down@2=3").say(b"AT\r\n") == b"\r\r\n"
    assert faulty("drop-down").say(b"AT\r\n") == b""


def test_turned_bits(faulty):
    said = faulty("flip-down@3").say(b"AT\r\n")
    assert said != OK
    assert len(said) == len(OK)
    assert sum((a ^ b).bit_count() for a, b in zip(said, OK, strict=True)) == 1
    assert faulty("flip-up@1").say(b"AT\r\n") == ERROR


def test_both_ways_by_one_name(faulty):
    assert faulty("drop@1").say(b"xAT\r\n") == b"\nOK\r\n"
    assert {fault.kind.name for fault in parse_faults("drop@3")} == {"drop-up", "drop-down"}


def test_a_stall_of_the_module(faulty):
    bench = faulty("stall-down@1=2")
    assert bench.say(b"AT\r\n", within=1.9) == b""
    assert bench.passes(0.2) == OK


def test_a_stall_of_the_receiver(faulty):
    """The read that it hits still comes; the next ones wait, and overflow if the host ignores RTS."""
    bench = faulty("stall-up@1=2")
    assert bench.say(b"AT\r\n", within=1) == OK
    assert bench.say(b"AT\r\n", within=0.9) == b""
    assert bench.passes(0.2) == OK


def test_slices(faulty):
    bench = faulty("slice-down@1=0.1")
    said = [bench.say(b"AT\r\n", within=0.05)] + [bench.passes(0.1) for _ in range(6)]
    assert said == [b"\r", b"\n", b"O", b"K", b"\r", b"\n", b""]
    assert faulty("slice-up").say(b"AT\r\n") == OK


def test_unplugged(faulty):
    bench = faulty("unplug@4")
    assert bench.say(b"AT\r\n") == b"\r\nOK"
    assert bench.module.uart.unplugged
    assert bench.say(b"AT\r\n") == b""


def test_busy(faulty):
    assert faulty("busy@1").say(b"AT\r\n") == BUSY
    assert faulty("busy-run@1").say(b"AT\r\n") == BUSY + OK
    assert faulty("error@1").say(b"AT\r\n") == ERROR
    bench = faulty("busy-spell@1=5")
    assert [bench.say(b"AT\r\n", within=2) for _ in range(4)] == [BUSY, BUSY, BUSY, OK]


def test_echo_comes_back(faulty):
    bench = faulty("echo-on@1")
    assert bench.say(b"AT\r\n") == OK
    assert bench.say(b"AT\r\n") == b"AT\r\n" + OK


def test_reset_after_a_byte_of_the_module(faulty):
    bench = faulty("reset@3")
    assert bench.say(b"AT\r\n", within=0.2) == b"\r\nO"
    assert bench.passes(0.15) == b"\r\nready\r\n"
    assert bench.module.journal.boots == 2


def test_reset_after_a_byte_of_the_host(faulty):
    bench = faulty("reset-up@2")
    assert bench.say(b"AT\r\n", within=0.2) == b""
    assert bench.passes(0.15) == b"\r\nready\r\n"


def test_reset_closes_links_without_a_word(faulty):
    bench = faulty("reset@24")
    assert bench.say(START, within=0.2) == b"CONNECT\r\n\r\nOK\r\n"
    assert bench.say(b"AT\r\n", within=0.2) == b"\r\nOK\r\n"[:9]  # the 24th byte has not come
    bench.say(b"AT\r\n", within=0.2)
    assert bench.module.firmware.links.all() == []
    assert bench.network.connections == []


def test_watchdog(faulty):
    bench = faulty("watchdog@1=2", boot_noise=True)
    assert bench.say(b"AT\r\n", within=1.9) == b""
    said = bench.passes(1)
    assert said.startswith(b"Guru Meditation Error")
    assert b"rst:0x8 (TG1WDT_SYS_RESET)" in said
    assert said.count(b"\r\nready\r\n") == 1


def sends(bench):
    assert bench.say(START).endswith(OK)
    return bench.say(b"AT+CIPSEND=5\r\n"), bench.say(b"hello")


@pytest.mark.parametrize(
    ("spec", "prompt", "answer"),
    [
        ("", PROMPT, RECV + SENT + BACK),
        ("lost-prompt@1", OK, RECV + SENT + BACK),
        ("lost-recv@1", PROMPT, SENT + BACK),
        ("lost-send-ok@1", PROMPT, RECV + BACK),
        ("send-fail@1=0.6", PROMPT, RECV + b"\r\nSEND FAIL\r\n\r\n+IPD,3:hel\r\n"),
        ("no-blank@2", PROMPT, RECV + SENT[2:] + BACK),  # the first result is that of CIPSTART
    ],
)
def test_sending(faulty, spec, prompt, answer):
    assert sends(faulty(spec)) == (prompt, answer)


def test_lost_prompt_of_two_writes(faulty):
    assert sends(faulty("lost-prompt@1", profile="2.0"))[0] == OK


def test_closed_for_a_link_that_never_was(faulty):
    bench = faulty("phantom-closed")
    bench.do("AT+CIPMUX=1")
    assert bench.say(b'AT+CIPSTART=3,"TCP","10.0.2.2",1\r\n') == ERROR + b"3,CLOSED\r\n"


# Unasked


def test_lines_between_any_two_writes(faulty):
    said = faulty("urc").say(b"AT\r\n")
    assert said.endswith(OK)
    assert len(said) > len(OK)
    assert faulty("debug@1").say(b"AT\r\n").endswith(OK)


def test_a_word_inside_a_block(faulty):
    said = sends(faulty("debug-in-ipd"))[1]
    assert said.startswith(RECV + SENT + b"\r\n+IPD,5:")
    assert len(said) > len(RECV + SENT + BACK)


def test_received_data_at_bad_moments(faulty):
    """It comes before the prompt of the next command, or at the latest after a while."""
    bench = faulty("ipd-in-gap@1", profile="2.0")
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPSEND=5")
    assert bench.say(b"hello", within=0.1) == RECV + SENT
    assert bench.say(b"AT+CIPSEND=5\r\n", within=0.1) == BACK + PROMPT
    bench = faulty("ipd-in-gap@1")
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPSEND=5")
    assert bench.say(b"hello", within=1) == RECV + SENT + BACK


def test_closed_races_with_a_command(faulty):
    bench = faulty("close-in-gap@1")
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7003', "AT+CIPSEND=5")
    bench.say(b"close", within=0.1)
    assert bench.say(b"AT+CIPCLOSE\r\n") == b"CLOSED\r\n" + ERROR


def passive(faulty, spec):
    bench = faulty(spec)
    bench.do("AT+CIPRECVMODE=1", 'AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPSEND=5")
    return bench, bench.say(b"hello")


def test_announcements(faulty):
    assert passive(faulty, "")[1] == RECV + SENT + b"\r\n+IPD,5\r\n"
    bench, said = passive(faulty, "lost-notice@1")
    assert said == RECV + SENT
    assert bench.say(b"AT+CIPRECVDATA=9\r\n") == b"+CIPRECVDATA:5,hello" + OK
    assert passive(faulty, "long-notice@1")[1] == RECV + SENT + b"\r\n+IPD,34\r\n"


def test_a_comma_too_many(faulty):
    bench = faulty("trailing-comma")
    bench.do("AT+CIPMUX=1")
    said = bench.say(b"AT+CIPRECVLEN?\r\n")
    assert said.startswith(b"+CIPRECVLEN:")
    assert said.rstrip(b"OK\r\n").endswith(b",")


def test_a_client_that_comes_at_a_bad_moment(faulty):
    bench = faulty("accept-in-gap@1")
    bench.do("AT+CIPMUX=1", "AT+CIPSERVER=1,80")

    async def quiet(connection):
        await connection.receive()

    assert bench.network.connect(80, quiet)
    assert bench.passes(0.1) == b""
    said = bench.say(b'AT+CIPSTART=0,"TCP","10.0.2.2",7000\r\n')
    assert said == b"0,CONNECT\r\n" + ERROR  # the id that the host chose is the one the server gave away


# Wi-Fi


def test_wifi_loss(faulty):
    bench = faulty("wifi-loss@3=1.5")
    assert bench.say(START, within=2.9).endswith(OK)
    assert bench.passes(1) == b"WIFI DISCONNECT\r\nCLOSED\r\n"
    assert bench.passes(4) == b"WIFI DISCONNECT\r\nWIFI CONNECTED\r\nWIFI GOT IP\r\n"


def test_wifi_storm(faulty):
    assert faulty("wifi-storm@1=4").passes(1.5) == 4 * b"WIFI DISCONNECT\r\n"


# The network


def test_refused(faulty):
    bench = faulty("refuse@1=3")
    assert bench.say(START, within=2.9) == b""
    assert bench.passes(1) == ERROR
    assert bench.say(START).endswith(OK)


def test_slow_connection(faulty):
    bench = faulty("connect-delay@1=20")
    assert bench.say(START, within=19.9) == b""
    assert bench.say(b"AT\r\n", within=0) == BUSY
    assert bench.passes(1) == b"CONNECT\r\n" + OK


def test_black_hole(faulty):
    bench = faulty("black-hole@1")
    assert sends(bench) == (PROMPT, RECV + SENT)
    assert bench.say(b"AT+CIPCLOSE\r\n") == b"CLOSED\r\n" + OK
    assert sends(bench)[1] == RECV + SENT + BACK


def test_peer_resets(faulty):
    """Instead of the first piece: of the module's, and then of the peer's."""
    assert b"CLOSED" in sends(faulty("peer-reset@1"))[1]
    said = sends(faulty("peer-reset@2"))[1]
    assert said == RECV + SENT + b"CLOSED\r\n"


def test_slow_network_keeps_order(faulty):
    bench = faulty("slow@1=2")
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000')
    for data in (b"hello", b"world"):
        bench.do("AT+CIPSEND=5") if data == b"hello" else bench.say(b"AT+CIPSEND=5\r\n", within=0.1)
        assert b"+IPD" not in bench.say(data, within=0.1)
    said = bench.passes(3)
    assert said.index(b"hello") < said.index(b"world")


def test_lost_datagrams(faulty):
    bench = faulty("datagram-loss@2")
    bench.do('AT+CIPSTART="UDP","10.0.2.2",7005')
    answers = []
    for _ in range(3):
        bench.do("AT+CIPSEND=4")
        answers.append(bench.say(b"ping").count(b"+IPD"))
    assert answers == [0, 1, 1]  # occasions: out, back, out, back: the second is the first answer


def test_names(faulty):
    bench = faulty("dns-fail@1=4,dns-delay@2=6")
    line = b'AT+CIPDOMAIN="host.test"\r\n'
    assert bench.say(line, within=3.9) == b""
    assert bench.passes(1) == ERROR
    assert bench.say(line, within=5.9) == b""
    assert bench.passes(1).endswith(OK)


def test_no_time(faulty):
    bench = faulty("no-time")
    bench.do("AT+CIPSNTPCFG=1,0")
    assert b" 1970" in bench.say(b"AT+CIPSNTPTIME?\r\n")


def test_the_update_server_of_a_world(power_on):
    bench = power_on("2.4", update="2.5.0")
    bench.do("ATE0")
    assert b"+CIPUPDATE:1" in bench.say(b"AT+CIUPDATE\r\n", within=1)


# The SPEC


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nosuch", "no fault 'nosuch'; there are all, drop, flip"),
        ("drop:2", "a rate is a chance from 0 to 1"),
        ("drop:x", "'x' is no rate"),
        ("drop:-1", "'-1' is no rate"),
        ("drop:nan", "'nan' is no rate"),
        ("drop@0", "a place is a number from 1 on"),
        ("drop@x", "a place is a number from 1 on"),
        ("drop:0.1@3", "is not NAME[:RATE|@PLACE][=VALUE]"),
        ("Drop", "is not NAME[:RATE|@PLACE][=VALUE]"),
        ("busy=3", "busy takes no value"),
        ("slow=", "'' is no value"),
        ("wifi-storm=1e18", "takes 10000 times at most"),
        ("drop@" + "9" * 30, "a place is at most"),
        ("all", "is not all:RATE"),
        ("all:0.1=3", "is not all:RATE"),
    ],
)
def test_bad_specs(spec, message):
    with pytest.raises(ValueError, match="fault") as error:
        parse_faults(spec)
    assert message in str(error.value)


def test_specs():
    assert parse_faults("") == parse_faults(" , ") == ()
    first, second = parse_faults("busy:0.05, reset@1234")
    assert (first.kind.name, first.rate, first.place) == ("busy", 0.05, None)
    assert (second.kind.name, second.place) == ("reset", 1234)
    assert parse_faults("slow=3")[0].value == 3
    assert parse_faults("slow")[0].value == KINDS["slow"].value
    everything = parse_faults("all:0.1")
    assert {fault.kind.name for fault in everything} == set(KINDS) - {"unplug"}
    assert all(0 < fault.rate <= 0.1 for fault in everything)


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.01, 0.5, 1.0])
def test_rates(rate):
    count = 200_000
    triggers = Triggers(parse_faults(f"drop-up:{rate}"), Random(1))
    one_by_one = sum(triggers.hit("drop-up") is not None for _ in range(count // 10))
    many = sum(len(triggers.hits("drop-up", 1000)) for _ in range(count // 1000))
    assert one_by_one == pytest.approx(rate * count / 10, rel=0.3)
    assert many == pytest.approx(rate * count, rel=0.1)


def test_several_of_a_name():
    triggers = Triggers(parse_faults("drop-up@2,drop-up@5"), Random(1))
    assert [at for at, _ in triggers.hits("drop-up", 3)] == [1]
    assert [at for at, _ in triggers.hits("drop-up", 3)] == [1]
    assert triggers.hits("drop-up", 100) == []


def test_the_table_has_every_fault():
    assert all(f"| `{name}` |" in fault_table() for name in KINDS)


def test_the_manual_has_them_too():
    manual = (Path(__file__).parents[2] / "docs" / "testing-with-the-simulator.md").read_text("utf-8")
    assert fault_table() in manual
