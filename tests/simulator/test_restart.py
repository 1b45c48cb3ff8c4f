"""Boot, restart, forced restart, and what survives them."""

import pytest

from esp32sock.simulator.environment.settings import Timing
from esp32sock.simulator.profiles.generations import PROFILES

ALL = tuple(PROFILES)
FIRMWARE = tuple(name for name in ALL if name != "doc-v1")
OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
JOINED = b"\r\nready\r\nWIFI CONNECTED\r\nWIFI GOT IP\r\n"
EARLY = b"WIFI CONNECTED\r\n\r\nready\r\nWIFI GOT IP\r\n"


def joined(profile):
    """What a boot says that ends in a join; 4.1 has CONNECTED before `ready` (v4.1dev-basic)."""
    return EARLY if PROFILES[profile].joins_before_ready else JOINED


@pytest.mark.parametrize("profile", FIRMWARE)
def test_cold_boot(power_on, profile):
    """v2.0-wifi: join, then restart with autoconnect."""
    bench = power_on(profile, cold=True)
    assert bench.say(b"AT\r\n", within=0.01) == b""
    assert bench.passes(5) == joined(profile)


def test_cold_boot_as_shipped(power_on):
    assert power_on("2.0", cold=True, joined=False).passes(5) == b"\r\nready\r\n"


@pytest.mark.parametrize("profile", FIRMWARE)
def test_warm_module_says_nothing(power_on, profile):
    assert power_on(profile).passes(60) == b""


def test_restart_with_links(power_on):
    """Sweep of RST, 2.0: OK, the links, WIFI DISCONNECT, silence, ready; the modes are at their defaults."""
    bench = power_on("2.0")
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=0,"TCP","10.0.2.2",7000', 'AT+CIPSTART=3,"TCP","10.0.2.2",7000')
    bench.do("AT+CIPDINFO=1", "ATE0")
    said = bench.say(b"AT+RST\r\n")
    assert said == OK + b"0,CLOSED\r\n3,CLOSED\r\nWIFI DISCONNECT\r\n" + JOINED
    assert bench.say(b"AT+CIPMUX?\r\n") == b"AT+CIPMUX?\r\n+CIPMUX:0\r\n" + OK
    assert bench.say(b"AT+CIPDINFO?\r\n") == b"AT+CIPDINFO?\r\n+CIPDINFO:false" + OK
    assert bench.say(b"AT+CIPSTATUS\r\n") == b"AT+CIPSTATUS\r\nSTATUS:2\r\n" + OK
    assert all(record.closed_at_s is not None for record in bench.module.journal.links)
    assert bench.module.journal.boots == 2


@pytest.mark.parametrize("profile", ["4.1", "4.2"])
def test_restart_with_a_link_that_is_not_named(power_on, profile):
    """Observed 4.1, already-connected: OK, WIFI DISCONNECT, silence; no CLOSED for the link that was open."""
    bench = power_on(profile)
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000', "ATE0")
    assert bench.say(b"AT+RST\r\n") == OK + b"WIFI DISCONNECT\r\n" + joined(profile)
    assert [record.closed_at_s is not None for record in bench.module.journal.links] == [True]


def test_bytes_during_the_boot_are_lost(power_on):
    bench = power_on("2.0")
    bench.say(b"AT+RST\r\n", within=0.05)
    assert bench.say(b"AT\r\n", within=0.01) == b""
    assert bench.passes(5).startswith(b"\r\nready\r\n")


@pytest.mark.parametrize(
    ("profile", "answers"), [("1.0", False), ("2.0", True), ("2.4", True), ("4.1", True)]
)
def test_it_echoes_and_answers_before_ready(quiet, profile, answers):
    """real-firmware 6: about 0.2 s before `ready`, with the echo on again and no network yet."""
    bench = quiet(profile, timing=Timing(boot_s=2.0, associate_s=1.0))
    bench.do("AT+CIPMUX=1")
    bench.say(b"AT+RST\r\n", within=1.75)
    line = b'AT+CIPSTART=1,"TCP","10.0.2.2",7000\r\n'
    assert bench.say(line, within=0.02) == b""
    bench.passes(0.05)
    said = bench.say(line, within=0.15)
    assert said == (line + ERROR if answers else b"")
    said = bench.passes(5)
    assert b"\r\nready\r\n" in said
    assert said.endswith(b"WIFI GOT IP\r\n")


def test_restart_and_a_second_line(power_on):
    """Sweep of RST, 2.0."""
    answer = power_on("2.0").say(b"AT+RST\r\nAT\r\n")
    assert answer.startswith(b"AT+RST\r\n\r\nbusy p...\r\n" + OK)


@pytest.mark.parametrize("profile", FIRMWARE)
def test_forced_restart(power_on, profile):
    """real-firmware 6: while another command hangs, AT+RST gets through, not echoed."""
    bench = power_on(profile)
    bench.say(b'AT+CIPSTART="TCP","10.0.2.99",80\r\n', within=1)
    said = bench.say(b"AT+RST\r\n")
    assert said == b"\r\nWill force to restart!!!\r\n" + OK + b"WIFI DISCONNECT\r\n" + joined(profile)
    bench.do("AT")


def test_second_cipstart_wedges_2_0(power_on):
    """real-firmware 3: the next CIPCLOSE or CIPSTART never answers, all but AT+RST is busy."""
    bench = power_on("2.0")
    bench.do("ATE0", 'AT+CIPSTART="TCP","10.0.2.2",7000')
    assert bench.say(b'AT+CIPSTART="TCP","10.0.2.2",7001\r\n') == b"\r\nERROR\r\n"
    bench.do("AT", "AT+CIPSTATUS")
    assert bench.say(b'AT+CIPSTART=3,"TCP","10.0.2.2",7000\r\n') == b"\r\nERROR\r\n"
    assert bench.say(b"AT+CIPCLOSE\r\n", within=1000) == b""
    assert bench.say(b"AT\r\n") == b"\r\nbusy p...\r\n"
    assert bench.say(b"AT+RST\r\n").startswith(b"\r\nWill force to restart!!!\r\n")
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000')


def test_restore_forgets(power_on):
    """V1.0 3.2.6: the restart finds the flash as shipped."""
    bench = power_on("2.4")
    bench.do("AT+UART_DEF=921600,8,1,0,3")
    assert bench.say(b"AT+RESTORE\r\n") == b"AT+RESTORE\r\n" + OK + b"WIFI DISCONNECT\r\n\r\nready\r\n"
    assert bench.say(b"AT+CWMODE?\r\n").endswith(b"+CWMODE:2\r\n" + OK)
    assert bench.say(b"AT+UART_DEF?\r\n").endswith(b"+UART_DEF:115200,8,1,0,1\r\n" + OK)


def test_uart_settings_and_the_restart(power_on):
    """V1.0 3.2.8, 3.2.9: _CUR does not survive, _DEF does."""
    bench = power_on("2.4")
    bench.do("AT+UART_CUR=921600,8,1,0,3")
    bench.say(b"AT+RST\r\n")
    assert bench.say(b"AT+UART_CUR?\r\n").endswith(b"+UART_CUR:115201,8,1,0,1\r\n" + OK)
    bench.do("AT+UART_DEF=921600,8,1,0,3")
    bench.say(b"AT+RST\r\n")
    assert bench.say(b"AT+UART_DEF?\r\n").endswith(b"+UART_DEF:921600,8,1,0,3\r\n" + OK)


def test_store_off(power_on):
    """At-dialects 5: with SYSSTORE=0 what is set does not survive."""
    bench = power_on("2.4")
    bench.do("AT+SYSSTORE=0", "AT+CWMODE=3")
    bench.say(b"AT+RST\r\n")
    assert bench.say(b"AT+CWMODE?\r\n").endswith(b"+CWMODE:1\r\n" + OK)


def test_leaving_the_network_closes_links_behind_the_result(power_on):
    """v4.1dev-tcp-failures: leaving Wi-Fi with a link open."""
    bench = power_on("2.4")
    bench.do("ATE0", 'AT+CIPSTART="TCP","10.0.2.2",7000')
    assert bench.say(b"AT+CWQAP\r\n") == b"WIFI DISCONNECT\r\n" + OK + b"CLOSED\r\n"


def test_join_while_joining_by_itself(power_on):
    """A CWJAP just after `ready` takes over from the join that the boot began."""
    bench = power_on("2.0", cold=True)
    bench.passes(0.35)
    said = bench.say(b'AT+CWJAP="Espressif",""\r\n')
    assert said.endswith(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)
    assert said.count(b"WIFI GOT IP") == 1
