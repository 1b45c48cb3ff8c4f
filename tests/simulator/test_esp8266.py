"""The ESP8266: NonOS 1.7 with its own words, and 2.2 and 2.3 (profiles/esp8266.py names the sources)."""

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork, TlsPeer
from esp32sock.simulator.profiles.generations import ESP8266
from tests.simulator.conftest import GATEWAY, sink

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
TCP = 'AT+CIPSTART="TCP","10.0.2.2",7000'
MUX = "AT+CIPMUX=1"
OF_0 = 'AT+CIPSTART=0,"TCP","10.0.2.2",7000'

WORDS = [
    ([TCP], TCP, b"ALREADY CONNECTED\r\n" + ERROR),
    ([MUX, OF_0], OF_0, b"ALREADY CONNECTED\r\n" + ERROR),
    ([MUX], TCP, b"Link typ ERROR\r\n" + ERROR),
    ([], OF_0, b"Link typ ERROR\r\n" + ERROR),
    ([], 'AT+CIPSTART="TCP","nobody.test",80', b"DNS Fail\r\n" + ERROR),
    ([], "AT+CIPSEND=5", b"link is not valid\r\n" + ERROR),
    ([MUX], "AT+CIPSEND=3,5", b"link is not valid\r\n" + ERROR),
    ([], "AT+CIPCLOSE", b"UNLINK\r\n" + ERROR),
    ([MUX], "AT+CIPCLOSE=2", b"UNLINK\r\n" + ERROR),
    ([MUX, "AT+CIPSERVER=1,80"], "AT+CIPSERVER=1,80", b"no change\r\n" + OK),
    ([TCP], MUX, b"link is builded\r\n" + ERROR),
    ([], 'AT+PING="10.0.2.2"', b"+2\r\n" + OK),
    ([TCP], "AT+CIPSEND=5", b"\r\nOK\r\n> "),
    ([TCP], "AT+CIPSEND=2049", ERROR),
    ([], "AT+CIPSSLSIZE=4096", OK),
    ([], "AT+CIPSSLSIZE=4097", ERROR),
    ([], "AT+CWJAP_CUR?", b'+CWJAP_CUR:"Espressif","10:01:00:c4:0a:51",5,-23\r\n' + OK),
    ([], "AT+CWMODE_DEF?", b"+CWMODE_DEF:1\r\n" + OK),
    ([], "AT+CIPSTATE?", ERROR),
    ([], "AT+CIPSERVER?", ERROR),
]


@pytest.mark.parametrize(("before", "line", "answer"), WORDS, ids=lambda value: str(value)[:40])
def test_words_of_nonos(quiet, before, line, answer):
    bench = quiet("nonos-1.7")
    bench.do(*before)
    assert bench.say(line.encode() + b"\r\n") == answer


def test_cur_does_not_store_and_def_does(quiet):
    bench = quiet("nonos-1.7")
    for line, mode in (("AT+CWMODE_CUR=3", b"1"), ("AT+CWMODE_DEF=3", b"3")):
        bench.do(line)
        assert bench.say(b"AT+CWMODE_CUR?\r\n") == b"+CWMODE_CUR:3\r\n" + OK
        bench.say(b"AT+RST\r\n")
        bench.do("ATE0")
        assert bench.say(b"AT+CWMODE?\r\n") == b"+CWMODE:" + mode + b"\r\n" + OK


def test_a_dialogue_of_nonos(quiet):
    """At-dialects 1.1 and 7.6: no CR LF before or behind a block, bytes too many are `busy s...`."""
    bench = quiet("nonos-1.7")
    bench.do(MUX, OF_0, "AT+CIPSEND=0,5")
    said = bench.say(b"helloAT\r\n")
    assert said == b"\r\nbusy s...\r\n\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n\r\n+IPD,0,5:hello"
    assert bench.say(b"AT+CIPCLOSE=0\r\n") == b"0,CLOSED\r\n" + OK


def test_passive_receive_of_nonos(quiet):
    """At-dialects 7.7."""
    bench = quiet("nonos-1.7")
    bench.do("AT+CIPRECVMODE=1")
    assert bench.say(b'AT+CIPSTART="TCP","10.0.2.2",7001\r\n') == b"CONNECT\r\n" + OK + b"\r\n+IPD,7\r\n"
    assert bench.say(b"AT+CIPRECVLEN?\r\n") == b"+CIPRECVLEN:7\r\n" + OK
    assert bench.say(b"AT+CIPRECVDATA=100\r\n") == b"+CIPRECVDATA,7:HELLO\r\n" + OK


@pytest.mark.parametrize("profile", ESP8266)
def test_one_ssl_link_and_no_ssl_server(quiet, profile):
    network = MemoryNetwork()
    network.listen(GATEWAY, 7443, sink, tls=TlsPeer())
    bench = quiet(profile, network=network)
    bench.do(MUX, 'AT+CIPSTART=0,"SSL","10.0.2.2",7443')
    assert bench.say(b'AT+CIPSTART=1,"SSL","10.0.2.2",7443\r\n').endswith(ERROR)
    assert bench.say(b'AT+CIPSERVER=1,8443,"SSL"\r\n') == ERROR


@pytest.mark.parametrize(("profile", "chip"), [("esp8266-2.2", b"ESP8266"), ("esp8266-2.3", b"ESP8266")])
def test_2_x_is_as_the_esp32s(quiet, profile, chip):
    bench = quiet(profile)
    assert chip in bench.say(b"AT+GMR\r\n")
    bench.do(TCP)
    assert bench.say(b"AT+CIPSEND=2049\r\n") == ERROR
    assert bench.say(b"AT+CIPSEND=5\r\n") == b"\r\nOK\r\n\r\n>"
    assert bench.say(b"hello") == b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n\r\n+IPD,5:hello\r\n"
