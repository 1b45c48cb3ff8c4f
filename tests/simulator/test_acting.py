"""Settings act, and do not just answer OK: what each of them changes in what the module does afterwards."""

from __future__ import annotations

import pytest

from esp32sock.simulator import OBSERVED_TIMING, PROFILES, MemoryNetwork, Scenario
from esp32sock.simulator.environment.radio import AccessPoint, SoftApClient
from esp32sock.simulator.network.api import OpenStream

OK, ERROR = b"\r\nOK\r\n", b"\r\nERROR\r\n"
MAC = "aa:bb:cc:00:00:0"


def with_command(name, form):
    return [profile.name for profile in PROFILES.values() if form in profile.commands.get(name, "")]


# The SoftAP


@pytest.mark.parametrize("profile", with_command("CWDHCPS", "s"))
def test_leases_come_out_of_the_range_that_was_set(quiet, profile):
    """V1.0 4.2.9, 4.2.8: and there are none left behind its end, or with DHCP switched off."""
    bench = quiet(profile, joined=False)
    softap = bench.module.firmware.softap
    bench.do('AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.11"')
    assert [softap.join(f"{MAC}{n}") for n in range(1, 4)] == ["192.168.4.10", "192.168.4.11", ""]
    bench.passes(1)
    lines = bench.say(b"AT+CWLIF\r\n").removesuffix(OK).splitlines()
    assert len(lines) == 2
    separator = bench.module.profile.cwlif_separator.encode()
    assert lines[0].endswith(b"192.168.4.10" + separator + f"{MAC}1".encode())
    softap.reset()
    bench.do("AT+CWDHCPS=0", 'AT+CIPAP="192.168.9.1"', "AT+CWDHCP=1,2")
    assert softap.join(f"{MAC}1") == "192.168.9.2"
    bench.passes(1)
    bench.do("AT+CWDHCP=0,2")
    assert softap.join(f"{MAC}2") == ""


@pytest.mark.parametrize("profile", ["1.0", "2.0", "4.1"])
def test_the_softap_takes_so_many_stations(quiet, profile):
    bench = quiet(profile, joined=False)
    softap = bench.module.firmware.softap
    shipped = PROFILES[profile].softap_stations
    assert [softap.join(f"{MAC[:-1]}{n:02x}") is not None for n in range(shipped + 1)] == [
        *[True] * shipped,
        False,
    ]
    softap.reset()
    bench.passes(1)
    bench.do('AT+CWSAP="ESP32","12345678",5,3,1')
    assert [softap.join(f"{MAC}{n}") for n in (1, 2)] == ["192.168.4.2", None]


def test_stations_of_the_world_come_when_the_softap_is_on(quiet):
    scenario = Scenario.of({"station": [{"mac": f"{MAC}1"}, {"mac": f"{MAC}2", "after_s": 3}]})
    assert scenario.stations == (SoftApClient(f"{MAC}1"), SoftApClient(f"{MAC}2", 3.0))
    bench = quiet("2.4", stations=scenario.stations)
    assert bench.passes(10) == b""
    assert bench.say(b"AT+CWMODE=3\r\n", 0) == OK
    assert bench.passes(2).startswith(b'+STA_CONNECTED:"aa:bb:cc:00:00:01"')
    assert b"00:00:02" in bench.passes(2)
    assert bench.say(b"AT+RST\r\n", 1).endswith(b"WIFI GOT IP\r\n")
    assert bench.passes(5).count(b"+STA_CONNECTED") == 2


# The station


def test_a_time_limit_for_joining(quiet):
    """At-dialects 6: jap_timeout, 15 s unless said; too late is code 1."""
    bench = quiet("2.4", joined=False, timing=OBSERVED_TIMING)
    bench.do("AT+CWMODE=1")
    line = b'AT+CWJAP="Espressif","",,,,,,3\r\n'
    assert bench.say(line, within=2.9) == b""
    assert bench.passes(0.2) == b"+CWJAP:1\r\n" + ERROR
    assert bench.say(line.replace(b",3\r", b",4\r"), within=4).endswith(OK)


def test_the_interval_of_cwjap_is_that_of_reconnecting(quiet):
    bench = quiet("2.4")
    assert bench.say(b'AT+CWJAP="Espressif","",,,0\r\n').endswith(OK)
    assert bench.say(b"AT+CWRECONNCFG?\r\n") == b"+CWRECONNCFG:0,0\r\n" + OK


@pytest.mark.parametrize("profile", with_command("CWCOUNTRY", "s"))
def test_a_country_has_its_channels(quiet, profile):
    points = (AccessPoint("low", channel=1), AccessPoint("high", channel=13))
    bench = quiet(profile, access_points=points)
    bench.do('AT+CWCOUNTRY=0,"US",1,11')
    said = bench.say(b"AT+CWLAP\r\n")
    assert b'"low"' in said
    assert b'"high"' not in said


@pytest.mark.parametrize("profile", with_command("RFPOWER", "s"))
def test_power_comes_in_steps(quiet, profile):
    bench = quiet(profile)
    bench.do("AT+RFPOWER=77")
    assert bench.say(b"AT+RFPOWER?\r\n").startswith(b"+RFPOWER:72")


@pytest.mark.parametrize("profile", with_command("CIPV6", "s"))
def test_ipv6_gives_two_addresses(quiet, profile):
    bench = quiet(profile)
    bench.do("AT+CIPV6=1", "AT+CWQAP")
    assert bench.say(b'AT+CWJAP="Espressif",""\r\n').endswith(
        b"WIFI GOT IP\r\nWIFI GOT IPv6 LL\r\nWIFI GOT IPv6 GL\r\n" + OK
    )
    address = b'"fe80::1201:ff:fec4:a24"'
    assert b"+CIFSR:STAIP6LL," + address in bench.say(b"AT+CIFSR\r\n")
    assert b"+CIPSTA:ip6ll:" + address in bench.say(b"AT+CIPSTA?\r\n")
    bench.say(b"AT+RST\r\n")
    bench.do("ATE0")
    assert bench.say(b"AT+CIPV6?\r\n") == b"+CIPV6:1\r\n" + OK


# Links


class Stuck(MemoryNetwork):
    """A network that takes a while for each payload."""

    takes_s = 10.0

    def handle(self, request):
        if type(request).__name__ == "Send" and self.takes_s:
            self.kernel.call_later(self.takes_s, lambda: super(Stuck, self).handle(request))
        else:
            super().handle(request)


def sent(bench, data, within):
    assert bench.say(b"AT+CIPSEND=%d\r\n" % len(data), within=0).endswith(b">")
    return bench.say(data, within).partition(b"bytes\r\n")[2]


@pytest.mark.parametrize("profile", with_command("CIPTCPOPT", "s"))
def test_a_time_limit_for_sending(quiet, profile):
    """At-dialects 7.11, known-bugs 7: SEND FAIL, and the payload arrives all the same."""
    got = []

    async def peer(connection):
        while data := await connection.receive():
            got.append(data)

    network = Stuck()
    network.listen("10.0.2.2", 1, peer)
    bench = quiet(profile, network=network)
    bench.do("AT+CIPTCPOPT=,,2000", 'AT+CIPSTART="TCP","10.0.2.2",1')
    assert sent(bench, b"one", 1.9) == b""
    assert bench.passes(0.2) == b"\r\nSEND FAIL\r\n"
    assert sent(bench, b"two", 2.1) == b"\r\nSEND FAIL\r\n"  # the first is still in the way
    bench.passes(10)
    network.takes_s = 0
    assert sent(bench, b"three", 0.1) == b"\r\nSEND OK\r\n"
    bench.passes(1)
    assert got == [b"one", b"three"]


def test_options_of_links_are_stored(quiet):
    """At-dialects 5."""
    bench = quiet("2.4")
    bench.do("AT+CIPTCPOPT=0,1,5000,30")
    bench.say(b"AT+RST\r\n")
    bench.do("ATE0")
    assert bench.say(b"AT+CIPTCPOPT?\r\n") == b"+CIPTCPOPT:0,0,1,5000,30\r\n" + OK
    bench.do("AT+SYSSTORE=0", "AT+CIPTCPOPT=-1,0,0,0")
    bench.say(b"AT+RST\r\n")
    bench.do("ATE0")
    assert bench.say(b"AT+CIPTCPOPT?\r\n") == b"+CIPTCPOPT:0,0,1,5000,30\r\n" + OK


def test_keepalive_reaches_the_network(quiet):
    """CIPSTART's and CIPTCPOPT's are one setting of the id: the later holds, one left out stays (docs)."""
    asked = []

    class Listening(MemoryNetwork):
        def handle(self, request):
            if isinstance(request, OpenStream):
                asked.append(request.keepalive_s)
            super().handle(request)

    bench = quiet("4.1", network=Listening())
    for words in (b"", b",20", b""):
        bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1%b\r\n' % words)
    bench.do("AT+CIPTCPOPT=-1,0,0,45")
    bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n')
    bench.do("AT+CIPTCPOPT=-1,0,0")
    bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n')
    bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1,0\r\n')
    assert asked == [0, 20, 20, 45, 45, 0]


def test_a_time_limit_for_names(quiet):
    """At-dialects 7.2: the third field, in milliseconds; 3 as the second wants IPv6 only."""
    bench = quiet("4.1", faults="dns-delay=5")
    line = b'AT+CIPDOMAIN="host.test",1,2000\r\n'
    assert bench.say(line, within=1.9) == b""
    assert bench.passes(0.2) == ERROR
    assert bench.passes(10) == b""
    assert bench.say(line.replace(b"2000", b"6000")) == b'+CIPDOMAIN:"10.0.2.2"\r\n' + OK
    assert bench.say(line.replace(b",1,2000", b",3")) == ERROR


@pytest.mark.parametrize("kind", ["TCP", "SSL", "UDP"])
def test_a_time_limit_for_cipstart(quiet, kind):
    """At-dialects 7.4: behind the local address, in milliseconds; for the look-up too (a guess)."""
    bench = quiet("4.1", faults="dns-delay=5")
    behind = ",,,,2000" if kind == "UDP" else ",,,2000"
    line = f'AT+CIPSTART="{kind}","host.test",7000{behind}\r\n'.encode()
    assert bench.say(line, within=1.9) == b""
    assert bench.passes(0.2) == ERROR
    assert bench.passes(10) == b""
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000,,,2000')


def test_a_time_limit_for_a_connection(quiet):
    """What the look-up took is gone when the connection begins."""
    bench = quiet("4.1", faults="dns-delay=1,connect-delay=20")
    assert bench.say(b'AT+CIPSTART="TCP","host.test",7000,,,3000\r\n', within=2.9) == b""
    assert bench.passes(0.2) == ERROR


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "3.4"])
def test_no_time_limit_before_4_1(quiet, profile):
    """At-dialects 7.4: the field is one too many."""
    assert quiet(profile).say(b'AT+CIPSTART="TCP","10.0.2.2",7000,0,"",2000\r\n').endswith(ERROR)


# Updating


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_an_update_that_fails_on_its_way(quiet, step):
    """V1.0 5.2.15: ERROR behind the step that failed, and the module goes on."""
    bench = quiet("2.4", update="9.9", faults=f"update-fail@1={step}")
    said = b"".join(b"+CIPUPDATE:%d\r\n" % n for n in range(1, step + 1))
    assert bench.say(b"AT+CIUPDATE\r\n", within=60) == said + ERROR
    bench.do("AT")
    assert bench.say(b"AT+CIUPDATE\r\n", within=60).startswith(
        b"+CIPUPDATE:1\r\n+CIPUPDATE:2\r\n+CIPUPDATE:3\r\n+CIPUPDATE:4\r\n" + OK
    )


@pytest.mark.parametrize(
    ("profile", "lines"),
    [
        ("1.0", b"WIFI DISCONNECT\r\nCLOSED\r\n"),
        ("2.0", b"CLOSED\r\nWIFI DISCONNECT\r\n"),
        ("4.1", b"WIFI DISCONNECT\r\n"),
        ("4.2", b"WIFI DISCONNECT\r\n"),
    ],
)
def test_what_a_restart_says_of_an_open_link(quiet, profile, lines):
    """real-firmware 9; sweep of RST, 2.0; real-firmware 7 for 4.1."""
    bench = quiet(profile)
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000')
    assert OK + lines + b"\r\nready" in bench.say(b"AT+RST\r\n").replace(b"WIFI CONNECTED\r\n", b"")


def test_loss_of_the_network_closes_links_of_1_0(quiet):
    """real-firmware 9."""
    bench = quiet("1.0")
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=1,"TCP","10.0.2.2",7000')
    bench.module.firmware.lose_access_points({"Espressif"})
    assert bench.passes(0.1) == b"WIFI DISCONNECT\r\n1,CLOSED\r\n"


def test_the_status_of_1_0_after_one_of_two_links(quiet):
    """real-firmware 9."""
    bench = quiet("1.0")
    bench.do("AT+CIPMUX=1", *(f'AT+CIPSTART={n},"TCP","10.0.2.2",7000' for n in (0, 1)), "AT+CIPCLOSE=1")
    assert b"STATUS:4\r\n+CIPSTATUS:0," in bench.say(b"AT+CIPSTATUS\r\n")


@pytest.mark.parametrize("size", [1472, 1473])
def test_large_datagrams_arrive_on_4_1(quiet, size):
    """real-firmware 9."""
    network = MemoryNetwork()
    network.answer_datagrams("10.0.2.2", 7005, lambda data: [size * b"d"])
    bench = quiet("4.1", network=network)
    bench.do('AT+CIPSTART="UDP","10.0.2.2",7005', "AT+CIPSEND=1")
    assert b"+IPD,%d:" % size in bench.say(b"x")
