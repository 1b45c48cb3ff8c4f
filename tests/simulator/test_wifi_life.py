"""What happens around the Wi-Fi commands: lines that come by themselves, and what outlives a restart."""

import pytest

from esp32sock.simulator.environment.radio import AccessPoint, Provisioning
from esp32sock.simulator.profiles.generations import PROFILES

OK = b"\r\nOK\r\n"
FIRMWARE = [name for name in PROFILES if name != "doc-v1"]
WITH_STORE = [name for name, profile in PROFILES.items() if "SYSSTORE" in profile.commands]
JOINED = b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"
HOME = AccessPoint("home", "secret88", encryption=3)


def restarted(bench):
    bench.say(b"AT+RST\r\n")
    bench.do("ATE0")


@pytest.mark.parametrize("profile", FIRMWARE)
def test_smartconfig_joins_what_the_phone_says(quiet, profile):
    """At-dialects 3.4: the lines in the spelling of the wire; V1.0 4.2.15."""
    bench = quiet(profile, joined=False, access_points=(HOME,))
    bench.do("AT+CWMODE=1")
    bench.module.firmware.board.radio.provisioning = Provisioning("home", "secret88")
    assert bench.say(b"AT+CWSTARTSMART\r\n") == (
        OK
        + b"smartconfig type:ESPTOUCH\r\nSmart get wifi info\r\nssid:home\r\npassword:secret88\r\n"
        + JOINED
        + b"smartconfig connected wifi\r\n"
    )
    bench.do("AT+CWSTOPSMART")


@pytest.mark.parametrize("profile", FIRMWARE)
def test_wps_says_nothing_but_wifi_lines(quiet, profile):
    """At-dialects 6."""
    bench = quiet(profile, joined=False, access_points=(HOME,))
    bench.do("AT+CWMODE=1")
    bench.module.firmware.board.radio.wps_access_point = HOME
    assert bench.say(b"AT+WPS=1\r\n") == OK + JOINED


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
def test_stations_at_the_softap(quiet, profile):
    """At-dialects 3.4: three lines of their own from 2.0 on; CWLIF lists who is there."""
    bench = quiet(profile, joined=False)
    softap = bench.module.firmware.softap
    assert softap.join("aa:bb:cc:00:00:01") == "192.168.4.2"
    line = b'+STA_CONNECTED:"aa:bb:cc:00:00:01"\r\n+DIST_STA_IP:"aa:bb:cc:00:00:01","192.168.4.2"\r\n'
    assert bench.passes(1) == line
    assert bench.say(b"AT+CWLIF\r\n") == b"+CWLIF:192.168.4.2,aa:bb:cc:00:00:01\r\n" + OK
    softap.disconnect("aa:bb:cc:00:00:01")
    assert bench.passes(1) == b'+STA_DISCONNECTED:"aa:bb:cc:00:00:01"\r\n'


def test_stations_on_old_firmware(quiet):
    """No lines before 2.0; CWLIF without its name on 0.10 (at-dialects 6)."""
    bench = quiet("0.10", joined=False)
    bench.module.firmware.softap.join("aa:bb:cc:00:00:01")
    assert bench.passes(1) == b""
    assert bench.say(b"AT+CWLIF\r\n") == b"192.168.4.2,aa:bb:cc:00:00:01\r\n" + OK


@pytest.mark.parametrize("profile", list(PROFILES))
def test_what_the_document_says_is_stored_is_stored(quiet, profile):
    """V1.0 6."""
    bench = quiet(profile, joined=False)
    bench.do(
        'AT+CWSAP="ESP32","12345678",5,3,4,0',
        'AT+CIPAP="192.168.5.1"',
        'AT+CIPAPMAC="1a:fe:36:97:d5:7b"',
        "AT+CWMODE=3",
        "AT+CWAUTOCONN=0",
        'AT+CIPSTAMAC="18:fe:35:98:d3:7b"',
    )
    restarted(bench)
    assert bench.say(b"AT+CWMODE?\r\n") == b"+CWMODE:3\r\n" + OK
    assert bench.say(b"AT+CWSAP?\r\n") == b'+CWSAP:"ESP32","12345678",5,3,4,0\r\n' + OK
    assert bench.say(b"AT+CIPAPMAC?\r\n") == b'+CIPAPMAC:"1a:fe:36:97:d5:7b"\r\n' + OK
    assert bench.say(b"AT+CIPSTAMAC?\r\n") == b'+CIPSTAMAC:"18:fe:35:98:d3:7b"\r\n' + OK
    if profile != "doc-v1":  # which knows no query (V1.0 4.2.10)
        assert bench.say(b"AT+CWAUTOCONN?\r\n") == b"+CWAUTOCONN:0" + OK
    assert not bench.module.firmware.board.state.auto_connect
    assert b"192.168.5.1" in bench.say(b"AT+CIPAP?\r\n")


@pytest.mark.parametrize("profile", WITH_STORE)
def test_nothing_is_stored_with_sysstore_0(quiet, profile):
    """At-dialects 5: settings hold until the restart, and the flash is as before."""
    bench = quiet(profile, joined=False)
    bench.do("AT+SYSSTORE=0", 'AT+CWSAP="ESP32","12345678",5,3,4,0', "AT+CWMODE=1")
    assert bench.say(b'AT+CWJAP="Espressif",""\r\n') == JOINED + OK
    assert bench.say(b"AT+CWMODE?\r\n") == b"+CWMODE:1\r\n" + OK
    restarted(bench)
    assert bench.say(b"AT+CWMODE?\r\n") == b"+CWMODE:2\r\n" + OK
    assert b"ESP32" not in bench.say(b"AT+CWSAP?\r\n")
    bench.do("AT+CWMODE=1")
    assert bench.say(b"AT+CWJAP?\r\n") == OK


@pytest.mark.parametrize("profile", ["1.0", "2.0", "4.1"])
def test_deep_sleep_ends_in_a_boot(quiet, profile):
    """V1.0 3.2.4: the time, OK, silence, and the boot of a reset."""
    bench = quiet(profile, joined=False)
    assert bench.say(b"AT+GSLP=2000\r\n", within=1.9).startswith(b"2000\r\n" + OK)
    assert bench.passes(5).endswith(b"\r\nready\r\n")
    assert bench.say(b"AT\r\n") == b"AT\r\n" + OK


def test_an_access_point_that_gives_no_address(quiet):
    """Sweep of CWJAP, 1.0 and 2.0, with CWMODE=3: the two generations say different numbers."""
    for profile, code in (("1.0", b"0"), ("2.0", b"4")):
        bench = quiet(profile, joined=False, access_points=(AccessPoint("mute", gives_addresses=False),))
        bench.do("AT+CWMODE=1")
        said = bench.say(b'AT+CWJAP="mute",""\r\n')
        assert said == b"WIFI CONNECTED\r\nWIFI DISCONNECT\r\n+CWJAP:" + code + b"\r\n\r\nERROR\r\n"
