"""The specification as a table: every form of every command, what it is said with and what comes of it.

How to read a `Case`: on every profile that has the form, the steps `before` are executed, then `command`
must give `result`; where the module's answer differs by generation, `result` is a function of the talk. Then
every command of `after` must give what stands beside it: that shows what the command did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import (
    Raw,
    addresses,
    basic,
    certificates,
    clock,
    dhcp,
    dns,
    hostname,
    ipv6,
    longsend,
    mdns,
    passive,
    passthrough,
    ping,
    psk,
    rejoining,
    scan,
    sendex,
    servers,
    sleep,
    smartconfig,
    sntp,
    softap,
    ssl,
    tcpip,
    tcpoptions,
    udp,
    update,
    wifi,
)
from esp32sock.at.framing import stream_chunk
from esp32sock.simulator.environment.certificates import CA
from tests.at.commands.talk import HOST

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from tests.at.commands.talk import Talk

Step = tuple["Command[Any]", Any]


@dataclass(frozen=True)
class Case:
    """One form of a command."""

    written: str
    command: Command[Any]
    result: Any = None
    before: tuple[Command[Any], ...] = ()
    after: tuple[Step, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    mux: bool = False
    restarts: bool = False
    """Whether the module must restart by itself afterwards."""
    refused: bool = False
    """Whether the module knows the form, and says ERROR to whatever it is given."""
    not_on: tuple[str, ...] = ()
    """Profiles that have the form, where the case says nothing or another one does."""


BOTH_ROLES = wifi.SetMode(wifi.WifiMode.STATION_AND_SOFTAP)
OPEN = tcpip.OpenTcp(None, HOST, 7000)
SERVE = servers.Listen(8080)

VERSIONS = {"doc-v1": (1, 0, 0, 0), "4.1": (4, 1, 1, 0)}
QUAD9 = (IPv4Address("9.9.9.9"), IPv4Address("149.112.112.112"))
MAC = "18:fe:35:98:d3:7b"
HERE = addresses.Subnet(*map(IPv4Address, ("192.168.6.100", "192.168.6.1", "255.255.255.0")))
THERE = addresses.Subnet(*map(IPv4Address, ("192.168.5.1", "192.168.5.1", "255.255.255.0")))
LEASES = dhcp.Leases(timedelta(minutes=3), IPv4Address("192.168.4.10"), IPv4Address("192.168.4.15"))
USUAL_LEASES = dhcp.Leases(timedelta(hours=2), IPv4Address("192.168.4.2"), IPv4Address("192.168.4.101"))
SERIAL = basic.UartSettings(115200, 7, 3, basic.Parity.EVEN, basic.FlowControl.RTS_CTS)
HEARD = [("Espressif", "10:01:00:c4:0a:51", 5), ("MasseyWifi", "10:01:00:c4:0a:52", 10)]
ATTIC = softap.SoftApSettings('at"tic,\\', "correct horse", 6, scan.Encryption.WPA2_PSK, 3, hidden=True)
NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
NO_SSL = dict.fromkeys(range(5), ssl.SslSettings())
VERIFYING = ssl.SslSettings(ssl.SslAuth.VERIFY_SERVER, 0, 1)
CLOCK = sntp.TimeSource(8, ("a.test", "b.test"))
USUAL_SERVERS = ("cn.ntp.org.cn", "ntp.sjtu.edu.cn", "us.pool.ntp.org")


def version(talk: Talk) -> tuple[int, ...]:
    major, _, minor = talk.profile.partition(".")
    return VERSIONS.get(talk.profile) or (int(major), int(minor), 0, 0)


def as_read_back(baud: int, **settings: Any) -> basic.UartSettings:
    """The divider makes 115201 of 115200 (at-dialects 5.1)."""
    return basic.UartSettings(baud + 1, **settings)


def cut(subnet: addresses.Subnet) -> Any:
    """The document's answer is the address alone (V1.0, 4.2.13)."""
    return lambda talk: addresses.Subnet(subnet.address) if talk.profile == "doc-v1" else subnet


def heard(points: list[scan.AccessPoint]) -> list[tuple[Any, ...]]:
    """Without the strength, which is chance."""
    return [(point.ssid, point.bssid, point.channel) for point in points]


def usual_name_servers(talk: Talk) -> tuple[IPv4Address, ...]:
    """What DHCP names first, and the firmware's own behind or in front of it (at-dialects 7.2)."""
    release, by_dhcp, others = talk.session.firmware, ("10.0.2.3",), ("114.114.114.114", "8.8.8.8")
    first = ("208.67.222.222",) if release.at_least(4, 1) else by_dhcp
    return tuple(map(IPv4Address, first + (others if release.at_least(2, 2) else ())))


def free_memory(talk: Talk) -> basic.Memory:
    return {
        "doc-v1": basic.Memory(148408),
        "4.2": basic.Memory(130984, 126728),
        "5.0": basic.Memory(130984, 126728),
    }.get(talk.profile) or (
        basic.Memory(184940, 167172) if talk.session.firmware.at_least(2, 2) else basic.Memory(175960)
    )


def usual_softap(talk: Talk) -> softap.SoftApSettings:
    return softap.SoftApSettings("ESP_C40A25", max_stations=10 if talk.session.firmware.at_least(4) else 4)


def usual_dhcp(talk: Talk) -> dhcp.Role:
    ethernet = talk.profile in ("1.2", "2.0")
    return dhcp.Role.STATION | dhcp.Role.SOFTAP | (dhcp.Role.ETHERNET if ethernet else dhcp.Role(0))


def without_station(talk: Talk) -> dhcp.Role:
    return usual_dhcp(talk) & ~dhcp.Role.STATION


def station(state: wifi.StationState, ssid: str | None) -> Any:
    """The number of CIPSTATUS does not name the network."""
    return lambda talk: wifi.Station(state, ssid if talk.session.firmware.at_least(2, 2) else None)


def link(link_id: int, kind: str, port: int, local_port: int, *, accepted: bool = False) -> tcpip.LinkStatus:
    return tcpip.LinkStatus(link_id, kind, (IPv4Address(HOST), port), local_port, accepted)


def shown_ssl(talk: Talk) -> list[tcpip.LinkStatus]:
    """2.0 and before call it TCP (observed)."""
    kind = "SSL" if talk.session.firmware.at_least(2, 1) else "TCP"
    return [link(2, kind, 7443, 50000)]


def unread(talk: Talk) -> dict[int, int]:
    """-1 for a link that is not open, 0 from 4.1 on (at-dialects 7.7)."""
    return dict.fromkeys(range(5), 0 if talk.session.firmware.at_least(4, 1) else -1)


ADDRESSES = wifi.Addresses(
    IPv4Address("10.0.2.15"), "10:01:00:c4:0a:24", IPv4Address("192.168.4.1"), "10:01:00:c4:0a:25"
)
FIRST_LINK = link(0, "TCP", 7000, 50000)

CASES = [
    Case("AT", basic.Test()),
    Case("AT+RST", basic.Restart(), restarts=True),
    Case("AT+GMR", basic.Version(), version),
    Case("AT+GSLP=", sleep.DeepSleep(timedelta(seconds=2)), timedelta(seconds=2), restarts=True),
    Case("ATE", basic.Echo(on=True), after=((basic.Echo(on=False), None),)),
    Case("AT+RESTORE", basic.Restore(), restarts=True),
    Case("AT+UART?", basic.LegacyUart(), as_read_back(115200)),
    Case("AT+UART=", basic.SetLegacyUart(SERIAL)),
    Case("AT+UART_CUR?", basic.Uart(), as_read_back(115200)),
    Case("AT+UART_CUR=", basic.SetUart(SERIAL)),
    Case("AT+UART_DEF?", basic.StoredUart(), basic.UartSettings(115200)),
    Case("AT+UART_DEF=", basic.SetStoredUart(SERIAL)),
    Case(
        "AT+SLEEP?",
        sleep.Sleep(),
        sleep.SleepMode.LIGHT,
        before=(sleep.SetSleep(sleep.SleepMode.LIGHT),),
        not_on=("0.10", "1.0", "1.2"),
    ),
    Case("AT+SLEEP?", sleep.Sleep(), sleep.SleepMode.OFF, before=(sleep.SetSleep(sleep.SleepMode.OFF),)),
    Case("AT+SLEEP=", sleep.SetSleep(sleep.SleepMode.MODEM)),
    Case("AT+SYSRAM?", basic.FreeMemory(), free_memory),
    Case("AT+SYSMSG?", passthrough.SystemMessages(), passthrough.Messages(0)),
    Case(
        "AT+SYSMSG=",
        passthrough.SetSystemMessages(passthrough.Messages.LINK_DETAILS),
        after=((passthrough.SystemMessages(), passthrough.Messages.LINK_DETAILS),),
    ),
    Case("AT+SYSLOG=", basic.ErrorCodes(on=True)),
    Case("AT+SYSSTORE=", basic.StoreSettings(on=False)),
    Case("AT+SYSTIMESTAMP?", clock.Clock(), datetime(1970, 1, 1, tzinfo=UTC)),
    Case("AT+SYSTIMESTAMP=", clock.SetClock(NOON), after=((clock.Clock(), NOON),)),
    Case(
        "AT+SYSMFG=",
        certificates.StoreCertificate(certificates.CertificateKind.AUTHORITY, 1, CA.encode()),
        mux=True,
        after=(
            (clock.SetClock(NOON), None),
            (ssl.SetSslSettings(2, VERIFYING), None),
            (ssl.OpenSsl(2, HOST, 7443), None),
        ),
    ),
    Case("AT+CWMODE=?", wifi.Modes(), frozenset(map(wifi.WifiMode, (1, 2, 3)))),
    Case("AT+CWMODE?", wifi.Mode(), wifi.WifiMode.STATION),
    Case("AT+CWMODE=", BOTH_ROLES, after=((wifi.Mode(), wifi.WifiMode.STATION_AND_SOFTAP),)),
    Case("AT+CWJAP?", wifi.Joined(), lambda talk: wifi.JoinedTo("Espressif", "10:01:00:c4:0a:51", 5, -23)),
    Case("AT+CWJAP?", wifi.Joined(), None, settings={"joined": False}),
    Case(
        "AT+CWJAP=",
        wifi.Join("MasseyWifi", "", "10:01:00:c4:0a:52"),
        after=((wifi.Joined(), lambda talk: "MasseyWifi"),),
    ),
    Case(
        "AT+CWJAP", wifi.Rejoin(), before=(wifi.Leave(),), after=((wifi.Joined(), lambda talk: "Espressif"),)
    ),
    Case("AT+CWSTATE?", wifi.StationStatus(), station(wifi.StationState.JOINED, "Espressif")),
    Case("AT+CIPSTATUS", wifi.StationStatus(), station(wifi.StationState.JOINED, "Espressif")),
    Case(
        "AT+CWLAPOPT=",
        scan.SetScan(shown=scan.ScanField.SSID | scan.ScanField.CHANNEL),
        after=(
            (
                scan.Scan("Espressif", shown=scan.ScanField.SSID | scan.ScanField.CHANNEL),
                [scan.AccessPoint("Espressif", None, 5, None, None)],
            ),
        ),
    ),
    Case("AT+CWLAP=", scan.Scan("Espressif", "10:01:00:C4:0A:51", 5), lambda talk: HEARD[:1]),
    Case("AT+CWLAP", scan.Scan(), lambda talk: [("OpenNetworkA1", "10:01:00:c4:0a:56", 1), *HEARD]),
    Case("AT+CWQAP=?", basic.TestForm("+CWQAP"), []),
    Case("AT+CWQAP", wifi.Leave(), after=((wifi.Joined(), None), (addresses.StationAddress(), None))),
    Case("AT+CWSAP?", softap.SoftAp(), usual_softap, before=(BOTH_ROLES,)),
    Case("AT+CWSAP=", softap.SetSoftAp(ATTIC), before=(BOTH_ROLES,), after=((softap.SoftAp(), ATTIC),)),
    Case("AT+CWLIF", softap.Stations(), [], before=(BOTH_ROLES,)),
    Case("AT+CWDHCP?", dhcp.Dhcp(), usual_dhcp),
    Case(
        "AT+CWDHCP=", dhcp.SetDhcp(on=False, roles=dhcp.Role.STATION), after=((dhcp.Dhcp(), without_station),)
    ),
    Case("AT+CWDHCPS?", dhcp.DhcpServer(), USUAL_LEASES, before=(BOTH_ROLES,)),
    Case(
        "AT+CWDHCPS=", dhcp.SetDhcpServer(LEASES), before=(BOTH_ROLES,), after=((dhcp.DhcpServer(), LEASES),)
    ),
    Case(
        "AT+CWDHCPS=",
        dhcp.SetDhcpServer(None),
        before=(BOTH_ROLES, dhcp.SetDhcpServer(LEASES)),
        after=((dhcp.DhcpServer(), USUAL_LEASES),),
    ),
    Case("AT+CWAUTOCONN?", wifi.AutoJoin(), True),
    Case(
        "AT+CWAUTOCONN=",
        wifi.SetAutoJoin(on=False),
        after=((wifi.AutoJoin(), False),),
        not_on=("doc-v1",),  # it has no query
    ),
    Case("AT+CWAUTOCONN=", wifi.SetAutoJoin(on=True)),
    Case("AT+CIPSENDEX=?", Raw(b"AT+CIPSENDEX=?"), []),
    Case("AT+CIPSTAMAC?", addresses.StationMac(), "10:01:00:c4:0a:24"),
    Case("AT+CIPSTAMAC=", addresses.SetStationMac(MAC.upper()), after=((addresses.StationMac(), MAC),)),
    Case("AT+CIPAPMAC?", addresses.SoftApMac(), "10:01:00:c4:0a:25"),
    Case(
        "AT+CIPAPMAC=",
        addresses.SetSoftApMac(MAC),
        before=(BOTH_ROLES,),
        after=((addresses.SoftApMac(), MAC),),
    ),
    Case(
        "AT+CIPSTA?",
        addresses.StationAddress(),
        cut(addresses.Subnet(*map(IPv4Address, ("10.0.2.15", "10.0.2.2", "255.255.255.0")))),
    ),
    Case("AT+CIPSTA?", addresses.StationAddress(), None, settings={"joined": False}),
    Case("AT+CIPSTA=", addresses.SetStationAddress(HERE), after=((dhcp.Dhcp(), without_station),)),
    Case(
        "AT+CIPAP?",
        addresses.SoftApAddress(),
        addresses.Subnet(*map(IPv4Address, ("192.168.4.1", "192.168.4.1", "255.255.255.0"))),
        before=(BOTH_ROLES,),
    ),
    Case(
        "AT+CIPAP=",
        addresses.SetSoftApAddress(THERE),
        before=(BOTH_ROLES,),
        after=((addresses.SoftApAddress(), THERE),),
    ),
    Case("AT+CWSTARTSMART=", smartconfig.StartSmartConfig(smartconfig.SmartConfigKind.ESP_TOUCH)),
    Case(
        "AT+CWSTARTSMART",
        smartconfig.StartSmartConfig(),
        after=((smartconfig.StopSmartConfig(), None), (smartconfig.StartSmartConfig(), None)),
    ),
    Case("AT+CWSTOPSMART", smartconfig.StopSmartConfig()),
    Case("AT+WPS=", smartconfig.Wps(on=True), after=((smartconfig.Wps(on=False), None),)),
    Case("AT+CIPSTATUS", tcpip.Links(), []),
    Case("AT+CIPSTATUS", tcpip.Links(), [FIRST_LINK], before=(OPEN,)),
    Case("AT+CIPSTATE?", tcpip.Links(), [FIRST_LINK], before=(OPEN,)),
    Case("AT+CIPDOMAIN=", tcpip.Resolve("host.test"), [IPv4Address(HOST)]),
    Case("AT+CIPSTART=", OPEN, after=((tcpip.Links(), [FIRST_LINK]),)),
    Case(
        "AT+CIPSTART=",
        tcpip.OpenTcp(4, "host.test", 7000, keepalive_s=7200),
        mux=True,
        after=((tcpip.Links(), [link(4, "TCP", 7000, 50000)]),),
    ),
    Case(
        "AT+CIPSTART=",
        udp.OpenUdp(3, (HOST, 7005), 1112, udp.PeerMode.FOLLOWS_LAST_SENDER),
        mux=True,
        after=((tcpip.Links(), [link(3, "UDP", 7005, 1112)]),),
    ),
    Case("AT+CIPSTART=", ssl.OpenSsl(2, HOST, 7443), mux=True, after=((tcpip.Links(), shown_ssl),)),
    Case("AT+CIPSSLCCONF?", ssl.GetSslSettings(), NO_SSL, mux=True),
    Case(
        "AT+CIPSSLCCONF=",
        ssl.SetSslSettings(2, VERIFYING),
        mux=True,
        after=((ssl.GetSslSettings(), NO_SSL | {2: VERIFYING}),),
        not_on=("1.0",),  # whose form is another one
    ),
    Case(
        "AT+CIPSSLCSNI=",
        ssl.SetServerName(2, "host.test"),
        mux=True,
        after=((ssl.SetServerName(2, ""), None),),
    ),
    Case(
        "AT+CIPSSLCCN=",
        ssl.SetCommonName(2, "host.test"),
        mux=True,
        after=((ssl.SetCommonName(2, ""), None),),
    ),
    Case(
        "AT+CIPSSLCALPN=",
        ssl.SetAlpn(2, ("http/1.1", "h2")),
        mux=True,
        after=((ssl.SetAlpn(2), None),),
    ),
    Case(
        "AT+CIPTCPOPT=",
        tcpoptions.TcpOptions(0, 5, True, 500),
        mux=True,
        before=(tcpip.OpenTcp(0, HOST, 7000),),
    ),
    Case(
        "AT+CIPTCPOPT?",
        tcpoptions.GetTcpOptions(),
        {0: tcpoptions.TcpOptions(0, 7, True, 900, 30)},
        before=(Raw(b"AT+CIPTCPOPT=7,1,900,30"),),
        not_on=("2.1", "2.2"),
    ),
    Case(
        "AT+CIPTCPOPT?",
        tcpoptions.GetTcpOptions(),
        {0: tcpoptions.TcpOptions(0, 7, True, 900)},
        before=(Raw(b"AT+CIPTCPOPT=7,1,900"),),
        not_on=("2.4", "3.2", "3.4", "4.1", "4.2", "5.0"),
    ),
    Case("AT+CIPSEND=?", basic.TestForm("+CIPSEND"), []),
    Case("AT+CWMODE=?", basic.TestForm("+CWMODE"), ["(1-3)"]),
    Case("AT+CIPSEND=", tcpip.Send(0, stream_chunk(None, memoryview(b"hello"), 2048)), before=(OPEN,)),
    Case(
        "AT+CIPSEND=",
        tcpip.Send(1, stream_chunk(1, memoryview(b"hello"), 2048)),
        mux=True,
        before=(tcpip.OpenTcp(1, HOST, 7000),),
    ),
    Case(
        "AT+CIPSEND",
        passthrough.EnterPassthrough(),
        before=(OPEN, tcpip.SetPassthrough(on=True)),
    ),
    Case("AT+CIPSENDL=", longsend.SendLong(None, memoryview(b"hello" * 3000)), before=(OPEN,)),
    Case("AT+CIPSENDLCFG?", longsend.GetLongSend(), longsend.LongSendSettings(1024, 2920)),
    Case(
        "AT+CIPSENDLCFG=",
        longsend.SetLongSend(longsend.LongSendSettings(4096, 1000)),
        after=((longsend.GetLongSend(), longsend.LongSendSettings(4096, 1000)),),
    ),
    Case("AT+CIPSENDEX=", sendex.SendEscaped(None, b"hello"), before=(OPEN,)),
    Case("AT+CIPSENDEX=", sendex.SendEscaped(1, b"hello"), mux=True, before=(tcpip.OpenTcp(1, HOST, 7000),)),
    Case(
        "AT+CIPCLOSE=",
        tcpip.Close(0),
        mux=True,
        before=(tcpip.OpenTcp(0, HOST, 7000),),
        after=((tcpip.Links(), []),),
    ),
    Case(
        "AT+CIPCLOSE=",
        tcpip.Close(tcpip.ALL_LINKS),
        mux=True,
        before=(tcpip.OpenTcp(0, HOST, 7000), tcpip.OpenTcp(1, HOST, 7000)),
        after=((tcpip.Links(), []),),
    ),
    Case("AT+CIPCLOSE", tcpip.Close(), before=(OPEN,), after=((tcpip.Links(), []),)),
    Case("AT+CIFSR=?", basic.TestForm("+CIFSR"), []),
    Case("AT+CIFSR=", Raw(b"AT+CIFSR=1"), refused=True),
    Case("AT+CIFSR", wifi.OwnAddresses(), ADDRESSES, before=(BOTH_ROLES,)),
    Case("AT+CIPV6?", ipv6.Ipv6(), False),
    Case("AT+CIPV6=", ipv6.SetIpv6(on=True), after=((ipv6.Ipv6(), True),)),
    Case("AT+CIPMUX?", tcpip.Multiplexed(), False),
    Case("AT+CIPMUX=", tcpip.SetMultiplexed(on=True), after=((tcpip.Multiplexed(), True),)),
    Case("AT+CIPSERVER?", servers.GetServer(), None),
    Case("AT+CIPSERVER?", servers.GetServer(), servers.Server(8080, "TCP"), mux=True, before=(SERVE,)),
    Case("AT+CIPSERVER=", SERVE, mux=True),
    Case("AT+CIPSERVER=", servers.StopListening(), mux=True, before=(SERVE,)),
    Case("AT+CIPSERVERMAXCONN=", servers.ServerLinks(3), mux=True),
    Case("AT+CIPMODE?", passthrough.Passthrough(), False),
    Case("AT+CIPMODE=", tcpip.SetPassthrough(on=True), after=((passthrough.Passthrough(), True),)),
    Case("AT+SAVETRANSLINK=", passthrough.StoreTcpPassthrough("host.test", 1002, 60)),
    Case("AT+SAVETRANSLINK=", passthrough.StoreUdpPassthrough("192.168.6.110", 1002, 1005)),
    Case("AT+SAVETRANSLINK=", passthrough.ForgetPassthrough()),
    Case("AT+CIPSTO?", servers.GetServerTimeout(), timedelta(0), mux=True, before=(SERVE,)),
    Case(
        "AT+CIPSTO=",
        servers.ServerTimeout(10),
        mux=True,
        before=(SERVE,),
        after=((servers.GetServerTimeout(), timedelta(seconds=10)),),
    ),
    Case("AT+CIPSNTPCFG?", sntp.GetTimeSource(), None),
    Case("AT+CIPSNTPCFG=", sntp.SetTimeSource(CLOCK), after=((sntp.GetTimeSource(), CLOCK),)),
    Case(
        "AT+CIPSNTPCFG=",
        sntp.SetTimeSource(sntp.TimeSource(-11)),
        after=((sntp.GetTimeSource(), sntp.TimeSource(-11, USUAL_SERVERS)),),
    ),
    Case(
        "AT+CIPSNTPCFG",
        sntp.SetTimeSource(None),
        before=(sntp.SetTimeSource(CLOCK),),
        after=((sntp.GetTimeSource(), None),),
    ),
    Case(
        "AT+CIPSNTPCFG=",
        sntp.SetTimeSource(None),
        before=(sntp.SetTimeSource(CLOCK),),
        after=((sntp.GetTimeSource(), None),),
        not_on=("doc-v1", "0.10"),
    ),
    Case("AT+CIPSNTPTIME?", sntp.Time(), None),
    Case(
        "AT+CIPSNTPTIME?",
        sntp.Time(),
        lambda talk: datetime(2023, 11, 15, 6, 13, 20),
        before=(sntp.SetTimeSource(CLOCK), ping.Ping(HOST)),
        not_on=("doc-v1", "0.10"),
    ),
    Case("AT+CIUPDATE?", update.UpdateState(), None),
    Case(
        "AT+CIUPDATE=",
        update.Update(over_tls=True, version="v2.4.0.0"),
        tuple(update.UpdateStage),
        restarts=True,
    ),
    Case("AT+CIUPDATE", update.Update(), tuple(update.UpdateStage), restarts=True),
    Case("AT+CIPDINFO?", tcpip.ShowsPeer(), False),
    Case("AT+CIPDINFO=", tcpip.ShowPeer(on=True)),
    Case("AT+CIPRECVMODE=", passive.SetReceiveMode(passive=True)),
    Case("AT+CIPRECVTYPE=", passive.SetReceiveType(0, passive=True), mux=True),
    Case(
        "AT+CIPRECVLEN?",
        passive.UnreadBytes(),
        unread,
        mux=True,
        before=(passive.SetReceiveMode(passive=True),),
    ),
    Case("AT+CIPDNS?", dns.Dns(), usual_name_servers),
    Case(
        "AT+CIPDNS=", dns.SetDns((IPv4Address("9.9.9.9"),)), after=((dns.Dns(), (IPv4Address("9.9.9.9"),)),)
    ),
    Case("AT+CIPDNS=", dns.SetDns()),
    Case("AT+CWHOSTNAME?", hostname.Hostname(), "espressif"),
    Case("AT+CWHOSTNAME=", hostname.SetHostname("kitchen"), after=((hostname.Hostname(), "kitchen"),)),
    Case("AT+CWRECONNCFG?", rejoining.GetRejoining(), rejoining.Rejoining(1, 0)),
    Case(
        "AT+CWRECONNCFG=",
        rejoining.SetRejoining(rejoining.Rejoining(5, 10)),
        after=((rejoining.GetRejoining(), rejoining.Rejoining(5, 10)),),
    ),
    Case("AT+CIPSSLCPSK=", psk.SetPsk(2, "a key, really", 'the "hint"'), mux=True),
    Case("AT+CIPSSLCPSK=", psk.SetPsk(None, "a key, really", "the hint")),
    Case("AT+MDNS=", mdns.StartMdns("kitchen", "_http", 80)),
    Case("AT+MDNS=", mdns.StopMdns(), before=(mdns.StartMdns("kitchen", "_http", 80),)),
    Case("AT+PING=", ping.Ping(HOST), timedelta(milliseconds=2)),
]
