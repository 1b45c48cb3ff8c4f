"""What cannot be sent is refused before anything is; answers of every dialect; advice; passwords."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock.at.commands import (
    SecretRaw,
    addresses,
    basic,
    dhcp,
    longsend,
    passive,
    passthrough,
    ping,
    scan,
    sendex,
    servers,
    sleep,
    smartconfig,
    sntp,
    softap,
    ssl,
    udp,
    update,
    wifi,
)
from esp32sock.at.commands.redaction import redacted
from esp32sock.at.firmware import Firmware

if TYPE_CHECKING:
    from esp32sock.at.commands import Command

FIRMWARE = Firmware((2, 4, 0, 0), text="AT version:2.4.0.0(4c6eb5e - ESP32 - May 20 2022 03:12:58)")
OLD = Firmware((0, 10, 0, 0), text="AT version:0.10.0.0(Jun 12 2017 05:47:13)")
DOCUMENT = Firmware((1, 0, 0, 0), text="AT version:1.0.0.0(Jan 20 2017 10:00:00)")


def ip(text: str) -> IPv4Address:
    return IPv4Address(text)


def ap(**changes: Any) -> softap.SetSoftAp:
    usual = {"ssid": "s", "password": "12345678", "encryption": scan.Encryption.WPA2_PSK}
    return softap.SetSoftAp(softap.SoftApSettings(**usual | changes))


def leases(minutes: float, first: str, last: str) -> dhcp.SetDhcpServer:
    return dhcp.SetDhcpServer(dhcp.Leases(timedelta(minutes=minutes), ip(first), ip(last)))


REFUSED: list[tuple[Command[Any], str]] = [
    (sleep.DeepSleep(timedelta(0)), "outside 1 ms"),
    (sleep.DeepSleep(timedelta(days=25)), "25 days"),
    (sleep.DeepSleep(-timedelta(seconds=1)), "outside 1 ms"),
    (basic.SetStoredUart(basic.UartSettings(79)), "baudrate 79"),
    (basic.SetLegacyUart(basic.UartSettings(5_000_001)), "baudrate 5000001"),
    (wifi.Join("s", "", "18:fe:35:98:d3"), "not a MAC"),
    (wifi.Join("s", "", "19:fe:35:98:d3:7b"), "bit 0"),
    (scan.Scan(""), "SSID"),
    (scan.Scan("s" * 33), "33"),
    (scan.Scan(channel=0), "channel 0"),
    (scan.Scan(channel=15), "channel 15"),
    (scan.Scan(bssid="nonsense"), "not a MAC"),
    (scan.SetScan(shown=scan.ScanField(0)), "at least one field"),
    (ap(ssid=""), "SSID"),
    (ap(ssid="s" * 33), "33"),
    (ap(password="1234567"), "8 to 63"),
    (ap(password="1" * 64), "8 to 63"),
    (ap(encryption=scan.Encryption.OPEN), "open SoftAP has no password"),
    (ap(encryption=scan.Encryption.WEP), "WEP"),
    (ap(channel=0), "channel 0"),
    (ap(channel=14), "channel 14"),
    (ap(max_stations=0), "0 stations"),
    (ap(max_stations=11), "11 stations"),
    (dhcp.SetDhcp(on=True, roles=dhcp.Role(0)), "station, the SoftAP"),
    (dhcp.SetDhcp(on=True, roles=dhcp.Role.ETHERNET), "station, the SoftAP"),
    (leases(0, "192.168.4.2", "192.168.4.3"), "whole minutes"),
    (leases(1.5, "192.168.4.2", "192.168.4.3"), "whole minutes"),
    (leases(2881, "192.168.4.2", "192.168.4.3"), "whole minutes"),
    (leases(1, "192.168.4.3", "192.168.4.2"), "not a range"),
    (leases(1, "192.168.4.2", "192.168.4.103"), "not a range"),
    (addresses.SetStationMac("15:fe:35:98:d3:7b"), "bit 0"),
    (addresses.SetStationMac("00:00:00:00:00:00"), "all are 0"),
    (addresses.SetStationMac("ff:ff:ff:ff:ff:ff"), "bit 0"),
    (addresses.SetSoftApMac("18fe3598d37b"), "not a MAC"),
    (addresses.SetStationAddress(addresses.Subnet(ip("0.0.0.0"))), "not a host"),
    (addresses.SetSoftApAddress(addresses.Subnet(ip("10.0.0.1"), ip("10.0.0.2"))), "go together"),
    (ssl.OpenSsl(5, "h", 443), "link id 5"),
    (ssl.OpenSsl(0, "", 443), "empty host name"),
    (ssl.OpenSsl(0, "h", 443, 7201), "keep-alive 7201"),
    (sendex.SendEscaped(0, b""), "0 bytes"),
    (sendex.SendEscaped(0, bytes(8193)), "8193 bytes"),
    (sendex.SendEscaped(0, b"a\\0"), "backslash"),
    (sendex.SendEscaped(0, b"a+++"), r"\+\+\+"),
    (sendex.SendEscaped(5, b"a"), "link id 5"),
    (passthrough.StoreTcpPassthrough("", 80), "empty host name"),
    (passthrough.StoreTcpPassthrough("h", 0), "port 0"),
    (passthrough.StoreTcpPassthrough("h", 80, 7201), "keep-alive 7201"),
    (passthrough.StoreUdpPassthrough("h", 80, 0), "port 0"),
    (sntp.SetTimeSource(sntp.TimeSource(-12)), "zone -12"),
    (sntp.SetTimeSource(sntp.TimeSource(14)), "zone 14"),
    (sntp.SetTimeSource(sntp.TimeSource(0, ("a",) * 4)), "4 time servers"),
    (sntp.SetTimeSource(sntp.TimeSource(0, ("",))), "empty host name"),
    (sntp.SetTimeSource(sntp.TimeSource(0, ("a" * 64,))), "64 bytes"),
    (ping.Ping(""), "empty host name"),
    (ping.Ping("h" * 65), "65 bytes"),
]


@pytest.mark.parametrize(("command", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_sent_is_refused(command: Command[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        command.line(FIRMWARE)


LINES: list[tuple[Command[Any], Firmware, bytes]] = [
    (sleep.DeepSleep(timedelta(milliseconds=1)), FIRMWARE, b"AT+GSLP=1"),
    (sleep.DeepSleep(sleep.MAX_SLEEP), FIRMWARE, b"AT+GSLP=2147483647"),
    (scan.Scan(channel=14), FIRMWARE, b"AT+CWLAP=,,14"),
    (scan.Scan(bssid="CA:D7:19:D8:A6:44"), FIRMWARE, b'AT+CWLAP=,"ca:d7:19:d8:a6:44"'),
    (ap(password="1" * 63), FIRMWARE, b'AT+CWSAP="s","%s",1,3,10,0' % (b"1" * 63)),
    (
        leases(2880, "192.168.4.2", "192.168.4.102"),
        FIRMWARE,
        b'AT+CWDHCPS=1,2880,"192.168.4.2","192.168.4.102"',
    ),
    (dhcp.SetDhcpServer(None), FIRMWARE, b"AT+CWDHCPS=0"),
    (sntp.SetTimeSource(sntp.TimeSource(8)), FIRMWARE, b"AT+CIPSNTPCFG=1,8"),
    (sntp.SetTimeSource(sntp.TimeSource(8)), OLD, b"AT+CIPSNTPCFG=8"),
    (sntp.SetTimeSource(sntp.TimeSource(8)), DOCUMENT, b"AT+CIPSNTPCFG=8"),
    (sntp.SetTimeSource(sntp.TimeSource(8)), Firmware(), b"AT+CIPSNTPCFG=8"),
    (sntp.SetTimeSource(None), FIRMWARE, b"AT+CIPSNTPCFG=0"),
    (sntp.SetTimeSource(None), OLD, b"AT+CIPSNTPCFG"),
    (wifi.StationStatus(), FIRMWARE, b"AT+CWSTATE?"),
    (wifi.StationStatus(), OLD, b"AT+CIPSTATUS"),
    (ssl.OpenSsl(None, "h", 443, 60), FIRMWARE, b'AT+CIPSTART="SSL","h",443,60'),
    (passthrough.ForgetPassthrough(), FIRMWARE, b"AT+SAVETRANSLINK=0"),
]


@pytest.mark.parametrize(("command", "firmware", "line"), LINES, ids=lambda value: str(value)[:60])
def test_line(command: Command[Any], firmware: Firmware, line: bytes) -> None:
    assert command.line(firmware) == line


def test_the_usual_baud_of_an_unknown_firmware_is_2048_bytes_a_send() -> None:
    with pytest.raises(ValueError, match="takes 1 to 2048"):
        sendex.SendEscaped(0, bytes(2049)).line(OLD)


SECURED = scan.Encryption.WPA2_PSK
POINT = scan.AccessPoint("Espressif", "10:01:00:c4:0a:51", 5, -27, scan.Encryption.OPEN)
RESULTS: list[tuple[str, Command[Any], list[bytes], Any]] = [
    ("CWLAP 4.1", scan.Scan(), [b'+CWLAP:(0,"Espressif",-27,"10:01:00:c4:0a:51",5,-1,-1,0,0,3,0)'], [POINT]),
    ("CWLAP 1.0", scan.Scan(), [b'+CWLAP:(0,"Espressif",-27,"10:01:00:c4:0a:51",5)'], [POINT]),
    ("CWLAP document", scan.Scan(), [b'+CWLAP:0,"Espressif",-27,"10:01:00:c4:0a:51",5'], [POINT]),
    (
        "CWLAP, an SSID with everything in it",
        scan.Scan(),
        [b'+CWLAP:(3,"a",-1,"b")",-27,"10:01:00:c4:0a:51",5)'],
        [scan.AccessPoint('a",-1,"b")', "10:01:00:c4:0a:51", 5, -27, SECURED)],
    ),
    (
        "CWLAP, an encryption of the future",
        scan.Scan(),
        [b'+CWLAP:(15,"x",-27,"10:01:00:c4:0a:51",5)'],
        [scan.AccessPoint("x", "10:01:00:c4:0a:51", 5, -27, scan.Encryption.UNKNOWN)],
    ),
    ("CWLAP, a broken line", scan.Scan(), [b'+CWLAP:(0,"Espr'], []),
    (
        "CWSAP, 32 bytes run into the password",
        softap.SoftAp(),
        [b'+CWSAP:"' + b"s" * 32 + b'12345678","12345678",5,3,10,0'],
        softap.SoftApSettings("s" * 32, "12345678", 5, SECURED, 10),
    ),
    (
        "CWSAP document",
        softap.SoftAp(),
        [b'+CWSAP:"ESP32","1234567890",5,3'],
        softap.SoftApSettings("ESP32", "1234567890", 5, SECURED, 10),
    ),
    (
        "CWLIF",
        softap.Stations(),
        [b"+CWLIF:192.168.4.2,18:fe:35:98:d3:7b", b"192.168.4.3,1a:fe:35:98:d3:7b"],
        [
            softap.Station(ip("192.168.4.2"), "18:fe:35:98:d3:7b"),
            softap.Station(ip("192.168.4.3"), "1a:fe:35:98:d3:7b"),
        ],
    ),
    (
        "CIPAP document",
        addresses.SoftApAddress(),
        [b'+CIPAP:"192.168.4.1","192.168.4.1","255.255.255.0"'],
        addresses.Subnet(ip("192.168.4.1"), ip("192.168.4.1"), ip("255.255.255.0")),
    ),
    (
        "CIPSTA with IPv6",
        addresses.StationAddress(),
        [b'+CIPSTA:ip:"10.0.2.15"', b'+CIPSTA:ip6ll:"fe80::1"'],
        addresses.Subnet(ip("10.0.2.15")),
    ),
    ("CIPSTO", servers.GetServerTimeout(), [b"+CIPSTO:180"], timedelta(minutes=3)),
    ("CIPSERVER 4.1", servers.GetServer(), [b'+CIPSERVER:1,8080,"SSL",0,0'], servers.Server(8080, "SSL")),
    (
        "CIPSNTPCFG",
        sntp.GetTimeSource(),
        [b'+CIPSNTPCFG:1,-3,"a.test","",""'],
        sntp.TimeSource(-3, ("a.test",)),
    ),
    ("CIPSNTPCFG off, 3.2", sntp.GetTimeSource(), [b"+CIPSNTPCFG:0,8"], None),
    (
        "CIPSNTPTIME",
        sntp.Time(),
        [b"+CIPSNTPTIME:Mon Dec 12 02:33:32 2016"],
        datetime(2016, 12, 12, 2, 33, 32),
    ),
    (
        "CIPSNTPTIME, one digit",
        sntp.Time(),
        [b"+CIPSNTPTIME:Thu Jan  2 00:00:46 2020\n"],
        datetime(2020, 1, 2, 0, 0, 46),
    ),
    ("CIPSNTPTIME, not yet", sntp.Time(), [b"+CIPSNTPTIME:Thu Jan  1 00:05:27 1970\n"], None),
    ("PING", ping.Ping("h"), [b"+PING:13"], timedelta(milliseconds=13)),
    (
        "CIUPDATE",
        update.Update(),
        [b"+CIPUPDATE:1", b"+CIPUPDATE:2"],
        (update.UpdateStage.FINDING_SERVER, update.UpdateStage.CONNECTING),
    ),
]


@pytest.mark.parametrize(("name", "command", "lines", "result"), RESULTS, ids=[case[0] for case in RESULTS])
def test_result(name: str, command: Command[Any], lines: list[bytes], result: Any) -> None:
    assert command.parse(lines, FIRMWARE) == result
    assert all(command.matches_line(line) for line in lines)


def test_each_stage_of_an_update_is_told_once_as_it_comes() -> None:
    told: list[update.UpdateStage] = []
    command = update.Update(on_stage=told.append)
    assert [command.matches_line(line) for line in (b"+CIPUPDATE:1", b"WIFI GOT IP", b"+CIPUPDATE:4")] == [
        *(True, False, True),
    ]
    assert told == [update.UpdateStage.FINDING_SERVER, update.UpdateStage.UPDATING]
    assert command == update.Update()


@pytest.mark.parametrize(
    ("command", "lines", "words"),
    [
        (wifi.Rejoin(), [b"+CWJAP:2"], "refused the password"),
        (ping.Ping("h"), [b"+PING:TIMEOUT"], "did not answer"),
        (ping.Ping("h"), [], ""),
        (update.Update(), [], "no update server"),
        (update.Update(), [b"+CIPUPDATE:1", b"+CIPUPDATE:2"], "while connecting"),
        (softap.SoftAp(), [], "role is on"),
    ],
)
def test_advice(command: Command[Any], lines: list[bytes], words: str) -> None:
    assert words in command.advice(lines)
    assert bool(words) == bool(command.advice(lines))


# ---- passwords


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'AT+CWJAP="attic","correct horse"', b'AT+CWJAP="attic",***'),
        (b'AT+CWJAP="a\\",b","correct\\"horse","18:fe:35:98:d3:7b"', b'AT+CWJAP="a\\",b",***'),
        (b'at+cwjap="attic","cut off', b'at+cwjap="attic",***'),
        (b'AT+CWSAP="attic","correct horse",5,3', b'AT+CWSAP="attic",***'),
        (b'+CWSAP:"attic","correct horse",5,3,10,0', b'+CWSAP:"attic",***,5,3,10,0'),
        (b"password:correct horse", b"password:***"),
        (b"password:", b"password:***"),
        (b"ssid:attic", b"ssid:attic"),
        (b'AT+CWJAP="attic",correct horse', b'AT+CWJAP="attic",***'),
        (b"AT+CWJAP=attic,correct horse", b"AT+CWJAP=***"),
        (b'AT+CIPSSLCPSK=0,"correct horse","hint"', b"AT+CIPSSLCPSK=***"),
        (b'AT+CWSTARTSMART=3,0,"correct horse"', b"AT+CWSTARTSMART=***"),
        (b"AT+CWSTARTSMART=3", b"AT+CWSTARTSMART=3"),
        (b'AT+CWJAP_CUR="attic","correct horse"', b'AT+CWJAP_CUR="attic",***'),
        (b'at+cwjap_def="attic","correct horse"', b'at+cwjap_def="attic",***'),
        (b"AT+CWJAP_DEF=attic,correct horse", b"AT+CWJAP_DEF=***"),
        (b'AT+CWSAP_CUR="attic","correct horse",5,3', b'AT+CWSAP_CUR="attic",***'),
        (b'AT+CWSAP_DEF="attic","correct horse",5,3', b'AT+CWSAP_DEF="attic",***'),
        (b'+CWSAP_CUR:"attic","correct horse",5,3', b'+CWSAP_CUR:"attic",***,5,3'),
        (b"AT+CWJAP_CUR?", b"AT+CWJAP_CUR?"),
        (b'+CWJAP:"attic","18:fe:35:98:d3:7b",1,-40', b'+CWJAP:"attic","18:fe:35:98:d3:7b",1,-40'),
        (b'AT+CWJEAP="attic",1,"i","me","correct horse",3', b"AT+CWJEAP=***"),
        (b'AT+CWJEAP_CUR="attic",1,"i","me","correct horse",3', b"AT+CWJEAP_CUR=***"),
        (b'+CWJEAP:"attic",1,"i","me","correct horse",3', b"+CWJEAP:***"),
        (b'+CIPSSLCPSK:0,"correct horse","hint"', b"+CIPSSLCPSK:***"),
        (b'AT+CIPSSLCPSKHEX="636f72726563","hint"', b"AT+CIPSSLCPSKHEX=***"),
        (b'AT+SYSMFG=2,"nvs","password",7,"correct horse"', b"AT+SYSMFG=***"),
        (b'+SYSMFG:"client_ca"', b'+SYSMFG:"client_ca"'),
        (b'AT+MQTTUSERCFG=0,1,"i","me","correct horse",0,0,""', b"AT+MQTTUSERCFG=***"),
        (b'+MQTTUSERCFG:0,1,"i","me","correct horse",0,0,""', b"+MQTTUSERCFG:***"),
        (b'AT+MQTTPASSWORD=0,"correct horse"', b"AT+MQTTPASSWORD=***"),
        (b'AT+HTTPCLIENT=2,0,"http://h/",,,1,"Authorization: correct horse"', b"AT+HTTPCLIENT=***"),
        (b'AT+HTTPCPOST="http://h/",5,1,"Authorization: correct horse"', b"AT+HTTPCPOST=***"),
        (b'AT+WSOPEN=0,"ws://h/",,60,"correct horse"', b"AT+WSOPEN=***"),
        (b"AT+BLEKEYREPLY=0,649784", b"AT+BLEKEYREPLY=***"),
        (b'+CWSAP:"attic","correct","horse",6,3,4,0', b'+CWSAP:"attic",***,6,3,4,0'),
        (b'+CWSAP:"attic","correct ho', b'+CWSAP:"attic",***'),
        (b"AT+WPS=1", b"AT+WPS=1"),
        (b"AT+GMR", b"AT+GMR"),
    ],
)
def test_redacted(line: bytes, shown: bytes) -> None:
    assert redacted(line) == shown
    assert redacted(shown) == shown


def test_secrets_are_in_no_repr() -> None:
    for command in (
        wifi.Join("attic", "correct horse"),
        ap(password="correct horse"),
        SecretRaw(b'AT+CWJAP="attic","correct horse"'),
    ):
        assert command.secret
        assert "correct" not in repr(command)


# ---- numbers that no enumeration has


@pytest.mark.parametrize(
    "command",
    [
        wifi.SetMode(4),  # type: ignore[arg-type]
        wifi.SetMode(-1),  # type: ignore[arg-type]
        sleep.SetSleep(4),  # type: ignore[arg-type]
        basic.SetUart(basic.UartSettings(9600, parity=3)),  # type: ignore[arg-type]
        basic.SetUart(basic.UartSettings(9600, flow=4)),  # type: ignore[arg-type]
        udp.OpenUdp(1, ("10.0.2.2", 5), 80, 3),  # type: ignore[arg-type]
        smartconfig.StartSmartConfig(4),  # type: ignore[arg-type]
        softap.SetSoftAp(softap.SoftApSettings("attic", "12345678", encryption=9)),  # type: ignore[arg-type]
        dhcp.SetDhcp(on=True, roles=dhcp.Role(8)),
        dhcp.SetDhcp(on=True, roles=dhcp.Role(0)),
        scan.SetScan(shown=scan.ScanField(32)),
        passive.SetReceiveType(5, passive=True),
        passive.ReceiveData(-1),
        longsend.SendLong(0, memoryview(b"")),
        longsend.SendLong(5, memoryview(b"abc")),
        longsend.SendLong(0, memoryview(b"abc+++")),
        longsend.SetLongSend(longsend.LongSendSettings(99, 2920)),
        longsend.SetLongSend(longsend.LongSendSettings(1024, 2921)),
        passthrough.SetSystemMessages(passthrough.Messages(8)),
        basic.TestForm("+CIPSEND=1\r\nAT+RST"),
        update.Update(version=""),
        update.Update(version="v" * 33),
    ],
    ids=repr,
)
def test_what_no_enumeration_has_is_not_sent(command: Command[Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        command.line(FIRMWARE)


def test_anything_true_is_on() -> None:
    assert wifi.SetAutoJoin(on=7).line(FIRMWARE) == b"AT+CWAUTOCONN=1"  # type: ignore[arg-type]


def test_an_update_to_a_version_needs_firmware_that_can() -> None:
    with pytest.raises(ValueError, match=r"2\.0 and later"):
        update.Update(version="v2.4.0.0").line(OLD)
