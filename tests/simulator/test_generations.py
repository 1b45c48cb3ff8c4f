"""What 3.2 and 5.0 have beyond the generation before (at-dialects 1.2, 3.3, 7.11; docs of 3.2 and 5.0)."""

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork, TlsPeer
from tests.simulator.conftest import GATEWAY, sink

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"


@pytest.mark.parametrize(("profile", "has"), [("2.4", False), ("3.2", True), ("4.2", True)])
def test_the_wifi_driver_can_be_ended(quiet, profile, has):
    bench = quiet(profile)
    if not has:
        assert bench.say(b"AT+CWINIT?\r\n") == ERROR
        return
    assert bench.say(b"AT+CWINIT?\r\n") == b"+CWINIT:1\r\n" + OK
    assert bench.say(b"AT+CWINIT=2\r\n") == ERROR
    assert bench.say(b"AT+CWINIT=0\r\n") == b"WIFI DISCONNECT\r\n" + OK
    assert bench.say(b"AT+CWINIT?\r\n") == b"+CWINIT:0\r\n" + OK
    assert bench.say(b"AT+CWLAP\r\n") == ERROR
    assert bench.say(b"AT+CWINIT=1\r\n") == OK + b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"
    assert bench.say(b'AT+CIPSTART="TCP","10.0.2.2",7000\r\n') == b"CONNECT\r\n" + OK
    assert bench.say(b"AT+CWINIT=0\r\n") == b"WIFI DISCONNECT\r\n" + OK + b"CLOSED\r\n"
    bench.say(b"AT+RST\r\n")
    bench.do("ATE0")
    assert bench.say(b"AT+CWINIT?\r\n") == b"+CWINIT:1\r\n" + OK


@pytest.mark.parametrize(("profile", "kept"), [("4.2", False), ("5.0", True)])
def test_links_that_outlive_the_network(quiet, profile, kept):
    bench = quiet(profile)
    answer = bench.say(b"AT+CIPCONNPERSIST=1\r\n")
    assert answer == (OK if kept else ERROR)
    if kept:
        assert bench.say(b"AT+CIPCONNPERSIST?\r\n") == b"+CIPCONNPERSIST:1\r\n" + OK
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7004')
    bench.module.firmware.lose_access_points({"Espressif"})
    said = bench.passes(1)
    assert (b"CLOSED\r\n" in said) != kept
    assert (b"CIPSTATE:0," in bench.say(b"AT+CIPSTATE?\r\n")) == kept


@pytest.mark.parametrize(
    ("profile", "syslog", "port", "address", "line"),
    [
        ("4.2", 1, 7999, "10.0.2.2", b""),
        ("5.0", 0, 7999, "10.0.2.2", b""),
        ("5.0", 1, 7999, "10.0.2.2", b"+ERRNO:0x68\r\n"),
        ("5.0", 1, 7999, "10.0.2.99", b"+ERRNO:0x67\r\n"),
    ],
)
def test_the_number_of_an_error(quiet, profile, syslog, port, address, line):
    bench = quiet(profile)
    bench.do(f"AT+SYSLOG={syslog}")
    said = bench.say(f'AT+CIPSTART="TCP","{address}",{port}\r\n'.encode(), within=120)
    assert said == line + ERROR


@pytest.mark.parametrize(
    ("profile", "lines", "host", "named"),
    [
        ("4.2", [], "host.test", None),
        ("5.0", [], "host.test", "host.test"),
        ("5.0", [], GATEWAY, None),
        ("5.0", ['AT+CIPSSLCSNI="other.test"'], "host.test", "other.test"),
    ],
)
def test_the_name_of_an_ssl_server(quiet, profile, lines, host, named):
    network = MemoryNetwork(names={"host.test": GATEWAY})
    network.listen(GATEWAY, 7443, sink, tls=TlsPeer())
    bench = quiet(profile, network=network)
    bench.do(*lines, f'AT+CIPSTART="SSL","{host}",7443')
    assert bench.module.firmware.links.get(0).request.tls.server_name == named


def test_3_2_reads_all_links_in_one_mode(quiet):
    bench = quiet("3.2")
    assert bench.say(b"AT+CIPRECVTYPE?\r\n") == ERROR
    assert bench.say(b"AT+CIPRECVMODE?\r\n") == b"+CIPRECVMODE:0\r\n" + OK
    assert bench.say(b"AT+SLEEP=3\r\n") == OK
    assert bench.say(b"AT+CIPSNTPCFG=1,8\r\n", within=1) == OK + b"+TIME_UPDATED\r\n"
