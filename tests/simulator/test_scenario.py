"""Scenarios: what a file may say, what it means to a module, and how mistakes are told."""

import tomllib
from pathlib import Path

import pytest

from esp32sock.simulator import Scenario, Settings
from esp32sock.simulator.environment import scenario as world_module
from esp32sock.simulator.environment.certificates import CA
from esp32sock.simulator.environment.radio import JoinFailure
from esp32sock.simulator.network.memory import MemoryNetwork

OK = b"\r\nOK\r\n"


def documented():
    """The example in the docstring: it must be a scenario."""
    lines = world_module.__doc__.splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


def test_the_documented_world(tmp_path):
    (tmp_path / "ca.pem").write_text(CA)
    (tmp_path / "scenario.toml").write_text(documented())
    scenario = Scenario.read(tmp_path / "scenario.toml")
    assert [(visitor.mac, visitor.after_s) for visitor in scenario.stations] == [("aa:bb:cc:00:00:01", 1.0)]
    assert scenario.certificates == (("client_ca.0", CA), ("client_cert.0", ""))
    (point,) = scenario.access_points
    assert (point.ssid, point.password, point.channel, point.rssi_dbm, point.encryption) == (
        "attic", "correct horse", 6, -48, 3,
    )  # fmt: skip
    assert point.failures == (JoinFailure.TIMEOUT,)
    assert point.subnet.address == "192.168.1.50"
    assert dict(scenario.aliases) == {"10.0.2.2": "127.0.0.1", "fec0::2": "::1"}
    assert {(name.name, name.address, name.delay_s, name.address_6) for name in scenario.names} == {
        ("host.test", "10.0.2.2", 0, None),
        ("slow.test", "10.0.2.2", 3, None),
        ("both.test", "10.0.2.2", 0, "fec0::2"),
        ("gone.test", None, 5, None),
    }
    assert scenario.identity.station_mac == "24:0a:c4:12:34:56"
    assert (scenario.update, scenario.wps, scenario.provisioning.ssid) == ("4.1.1.0", "attic", "attic")


def test_every_key_is_documented():
    """What the reader knows stands in the docstring, and nothing else does."""
    tables = tomllib.loads(documented())
    assert set(tables) == {
        "access_point",
        "network",
        "module",
        "smartconfig",
        "wps",
        "station",
        "certificates",
    }


def test_nothing_said_is_the_default():
    assert Scenario.parse("") == Scenario()
    assert Scenario().around(Settings(profile="2.0")) == Settings(profile="2.0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "no key 'x'; there are access_point, network"),
        ("[[access_point]]", "access_point 1: ssid is missing"),
        ('[[access_point]]\nssid = "a"\n[[access_point]]\nssid = 3', "access_point 2: ssid: 3 is no text"),
        (
            '[[access_point]]\nssid = "a"\nchanel = 3',
            "access_point 1: no key 'chanel'; there are password, ssid",
        ),
        ('[[access_point]]\nssid = "a"\nchannel = 15', "channel: 15 is no whole number from 1 to 14"),
        ('[[access_point]]\nssid = "a"\nchannel = true', "channel: True is no whole number"),
        ('[[access_point]]\nssid = "a"\nbssid = "1:2"', "bssid: '1:2' is not like 24:0a"),
        ('[[access_point]]\nssid = "a"\nencryption = "wpa9"', "'wpa9' is none of open, wep, wpa, wpa2"),
        ('[[access_point]]\nssid = "a"\nencryption = "wpa2"', "an encrypted network needs a password"),
        ('[[access_point]]\nssid = "a"\nfailures = "timeout"', "failures: 'timeout' is no list"),
        ('[[access_point]]\nssid = "a"\nfailures = ["x"]', "'x' is none of timeout, wrong password"),
        (f'[[access_point]]\nssid = "{33 * "a"}"', "has not 1 to 32 bytes"),
        ("access_point = 3", "access_point: 3 is no list"),
        ("network = 3", "network: 3 is no table"),
        ('[certificates]\nca = "x"', "certificates: no certificate slot 'ca'; there are server_cert, "),
        ('[[station]]\nmac = "x"', "station 1: mac: 'x' is not like 24:0a"),
        ("[certificates]\nclient_ca = 3", "certificates: client_ca: 3 is no text"),
        ('[network.aliases]\n"x" = "127.0.0.1"', "network.aliases: 'x' is no IP address"),
        ('[network.aliases]\n"10.0.0.1" = "y"', "network.aliases: 10.0.0.1: 'y' is no IP address"),
        ('[network.names]\n"a.test" = 5', "network.names: a.test: 5 is no table"),
        ('[network.names]\n"a.test" = {delay_s = -1}', "network.names.a.test: delay_s: -1 is no number"),
        ('[module]\nmac = "x"', "module: mac: 'x' is not like"),
        ('[wps]\nssid = "nowhere"', "wps: there is no access point 'nowhere'"),
        ("x = ", "Invalid value"),
    ],
)
def test_mistakes(tmp_path, text, message):
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"scenario\.toml: ") as error:
        Scenario.read(path)
    assert message in str(error.value)


def test_joining_in_a_world(power_on):
    scenario = Scenario.of(
        {
            "access_point": [
                {"ssid": "attic", "password": "correct horse", "failures": ["timeout", "not found"]},
                {"ssid": "cellar", "address": "192.168.7.7"},
            ]
        }
    )
    settings = scenario.around(Settings(joined=False))
    bench = power_on("2.4", joined=False, access_points=settings.access_points)
    bench.do("ATE0", "AT+CWMODE=1")
    join = b'AT+CWJAP="attic","%s"\r\n'
    assert bench.say(join % b"correct horse") == b"+CWJAP:1\r\n\r\nERROR\r\n"
    assert bench.say(join % b"correct horse") == b"+CWJAP:3\r\n\r\nERROR\r\n"
    assert bench.say(join % b"wrong") == b"+CWJAP:2\r\n\r\nERROR\r\n"
    assert bench.say(join % b"correct horse").endswith(b"WIFI GOT IP\r\n" + OK)
    bench.do('AT+CWJAP="cellar",""')
    assert b'"192.168.7.7"' in bench.say(b"AT+CIPSTA?\r\n")


def test_names_of_a_world(power_on):
    scenario = Scenario.of(
        {
            "network": {
                "names": {"a.test": "10.9.9.9", "B.test": {"address": "10.8.8.8", "delay_s": 2}, "c": {}}
            }
        }
    )
    bench = power_on("2.4", names=scenario.names, network=MemoryNetwork(names={"d.test": "10.7.7.7"}))
    bench.do("ATE0")
    assert bench.say(b'AT+CIPDOMAIN="a.test"\r\n', within=0.1) == b'+CIPDOMAIN:"10.9.9.9"\r\n' + OK
    assert bench.say(b'AT+CIPDOMAIN="b.test"\r\n', within=1.9) == b""
    assert bench.passes(0.2) == b'+CIPDOMAIN:"10.8.8.8"\r\n' + OK
    assert bench.say(b'AT+CIPDOMAIN="c"\r\n') == b"\r\nERROR\r\n"
    assert bench.say(b'AT+CIPDOMAIN="d.test"\r\n') == b'+CIPDOMAIN:"10.7.7.7"\r\n' + OK


def test_the_manual_has_the_same_example():
    manual = (Path(__file__).parents[2] / "docs" / "testing-with-the-simulator.md").read_text("utf-8")
    assert tomllib.loads(manual.partition("```toml\n")[2].partition("```")[0]) == tomllib.loads(documented())
