"""The catalogue as a table: which class is which form of which command, and where it is documented.

How to read it: one `Entry` a class, in the order of the 2017 document. `section` is its heading there, "" for
what later firmware added; `since` is the first firmware that has this form, `until` the first that has not.
Consoles complete from it, `docs/commands.md` is made from it, and a test holds it against the document.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from esp32sock._dataclass import dataclass
from esp32sock.at.commands import (
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

if TYPE_CHECKING:
    from esp32sock.at.commands.base import Command
    from esp32sock.at.firmware import Firmware


class Form(Enum):
    """The four ways to say a command (V1.0, chapter 2); the value is what stands behind its name."""

    TEST = "=?"
    QUERY = "?"
    SET = "="
    EXECUTE = ""


TEST, QUERY, SET, EXECUTE = Form

FIRST = (0, 10)
"""The oldest firmware for the ESP32, and the document (at-dialects 1.1)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One form of one command."""

    at: str
    form: Form
    command: type[Command[Any]]
    section: str = ""
    since: tuple[int, int] = FIRST
    until: tuple[int, int] | None = None

    @property
    def written(self) -> str:
        """The command as people write it: `AT+CWMODE?`."""
        return self.at + self.form.value

    def exists_in(self, firmware: Firmware) -> bool:
        """Whether that firmware has it, judged by its version."""
        return firmware.at_least(*self.since) and (self.until is None or not firmware.at_least(*self.until))


CATALOGUE: tuple[Entry, ...] = (
    Entry("AT", EXECUTE, basic.Test, "3.2.1"),
    Entry("AT+RST", EXECUTE, basic.Restart, "3.2.2"),
    Entry("AT+GMR", EXECUTE, basic.Version, "3.2.3"),
    Entry("AT+GSLP", SET, sleep.DeepSleep, "3.2.4"),
    Entry("ATE", EXECUTE, basic.Echo, "3.2.5"),
    Entry("AT+RESTORE", EXECUTE, basic.Restore, "3.2.6"),
    Entry("AT+UART", QUERY, basic.LegacyUart, "3.2.7"),
    Entry("AT+UART", SET, basic.SetLegacyUart, "3.2.7"),
    Entry("AT+UART_CUR", QUERY, basic.Uart, "3.2.8"),
    Entry("AT+UART_CUR", SET, basic.SetUart, "3.2.8"),
    Entry("AT+UART_DEF", QUERY, basic.StoredUart, "3.2.9"),
    Entry("AT+UART_DEF", SET, basic.SetStoredUart, "3.2.9"),
    Entry("AT+SLEEP", QUERY, sleep.Sleep, "3.2.10"),
    Entry("AT+SLEEP", SET, sleep.SetSleep, "3.2.10"),
    Entry("AT+SYSRAM", QUERY, basic.FreeMemory, "3.2.11"),
    Entry("AT+SYSMSG", QUERY, passthrough.SystemMessages, since=(1, 2)),
    Entry("AT+SYSMSG", SET, passthrough.SetSystemMessages, since=(1, 2)),
    Entry("AT+SYSLOG", SET, basic.ErrorCodes, since=(2, 0)),
    Entry("AT+SYSSTORE", SET, basic.StoreSettings, since=(2, 1)),
    Entry("AT+SYSTIMESTAMP", QUERY, clock.Clock, since=(2, 0)),
    Entry("AT+SYSTIMESTAMP", SET, clock.SetClock, since=(2, 0)),
    Entry("AT+SYSMFG", SET, certificates.StoreCertificate, since=(3, 2)),
    Entry("AT+CWMODE", TEST, wifi.Modes, "4.2.1", until=(2, 4)),
    Entry("AT+CWMODE", QUERY, wifi.Mode, "4.2.1"),
    Entry("AT+CWMODE", SET, wifi.SetMode, "4.2.1"),
    Entry("AT+CWJAP", QUERY, wifi.Joined, "4.2.2"),
    Entry("AT+CWJAP", SET, wifi.Join, "4.2.2"),
    Entry("AT+CWJAP", EXECUTE, wifi.Rejoin, since=(2, 2)),
    Entry("AT+CWRECONNCFG", QUERY, rejoining.GetRejoining, since=(2, 2)),
    Entry("AT+CWRECONNCFG", SET, rejoining.SetRejoining, since=(2, 2)),
    Entry("AT+CWHOSTNAME", QUERY, hostname.Hostname),
    Entry("AT+CWHOSTNAME", SET, hostname.SetHostname),
    Entry("AT+CWSTATE", QUERY, wifi.StationStatus, since=(2, 2)),
    Entry("AT+CWLAPOPT", SET, scan.SetScan, "4.2.3"),
    Entry("AT+CWLAP", SET, scan.Scan, "4.2.4"),
    Entry("AT+CWLAP", EXECUTE, scan.Scan, "4.2.4"),
    Entry("AT+CWQAP", TEST, basic.TestForm, until=(2, 4)),
    Entry("AT+CWQAP", EXECUTE, wifi.Leave, "4.2.5"),
    Entry("AT+CWSAP", QUERY, softap.SoftAp, "4.2.6"),
    Entry("AT+CWSAP", SET, softap.SetSoftAp, "4.2.6"),
    Entry("AT+CWLIF", EXECUTE, softap.Stations, "4.2.7"),
    Entry("AT+CWDHCP", QUERY, dhcp.Dhcp, "4.2.8"),
    Entry("AT+CWDHCP", SET, dhcp.SetDhcp, "4.2.8"),
    Entry("AT+CWDHCPS", QUERY, dhcp.DhcpServer, "4.2.9"),
    Entry("AT+CWDHCPS", SET, dhcp.SetDhcpServer, "4.2.9"),
    Entry("AT+CWAUTOCONN", QUERY, wifi.AutoJoin, "4.2.10"),
    Entry("AT+CWAUTOCONN", SET, wifi.SetAutoJoin, "4.2.10"),
    Entry("AT+CIPSTAMAC", QUERY, addresses.StationMac, "4.2.11"),
    Entry("AT+CIPSTAMAC", SET, addresses.SetStationMac, "4.2.11"),
    Entry("AT+CIPAPMAC", QUERY, addresses.SoftApMac, "4.2.12"),
    Entry("AT+CIPAPMAC", SET, addresses.SetSoftApMac, "4.2.12"),
    Entry("AT+CIPSTA", QUERY, addresses.StationAddress, "4.2.13"),
    Entry("AT+CIPSTA", SET, addresses.SetStationAddress, "4.2.13"),
    Entry("AT+CIPAP", QUERY, addresses.SoftApAddress, "4.2.14"),
    Entry("AT+CIPAP", SET, addresses.SetSoftApAddress, "4.2.14"),
    Entry("AT+CWSTARTSMART", SET, smartconfig.StartSmartConfig, "4.2.15"),
    Entry("AT+CWSTARTSMART", EXECUTE, smartconfig.StartSmartConfig, "4.2.15"),
    Entry("AT+CWSTOPSMART", EXECUTE, smartconfig.StopSmartConfig, "4.2.16"),
    Entry("AT+WPS", SET, smartconfig.Wps, "4.2.17"),
    Entry("AT+CIPV6", QUERY, ipv6.Ipv6, since=(2, 2)),
    Entry("AT+CIPV6", SET, ipv6.SetIpv6, since=(2, 2)),
    Entry("AT+CIPSTATUS", EXECUTE, tcpip.Links, "5.2.1"),
    Entry("AT+CIPSTATE", QUERY, tcpip.Links, since=(2, 4)),
    Entry("AT+CIPDOMAIN", SET, tcpip.Resolve, "5.2.2"),
    Entry("AT+CIPSTART", SET, tcpip.OpenTcp, "5.2.3"),
    Entry("AT+CIPSTART", SET, udp.OpenUdp, "5.2.3"),
    Entry("AT+CIPSTART", SET, ssl.OpenSsl, "5.2.3"),
    Entry("AT+CIPSSLCCONF", QUERY, ssl.GetSslSettings, since=(1, 0)),
    Entry("AT+CIPSSLCCONF", SET, ssl.SetSslSettings, since=(1, 0)),
    Entry("AT+CIPSSLCSNI", SET, ssl.SetServerName, since=(2, 1)),
    Entry("AT+CIPSSLCCN", SET, ssl.SetCommonName, since=(2, 1)),
    Entry("AT+CIPSSLCALPN", SET, ssl.SetAlpn, since=(2, 1)),
    Entry("AT+CIPSSLCPSK", SET, psk.SetPsk, since=(2, 2)),
    Entry("AT+CIPTCPOPT", QUERY, tcpoptions.GetTcpOptions, since=(2, 1)),
    Entry("AT+CIPTCPOPT", SET, tcpoptions.TcpOptions, since=(2, 1)),
    Entry("AT+CIPSEND", TEST, basic.TestForm, until=(2, 4)),
    Entry("AT+CIPSEND", SET, tcpip.Send, "5.2.4"),
    Entry("AT+CIPSEND", EXECUTE, passthrough.EnterPassthrough, "5.2.4"),
    Entry("AT+CIPSENDEX", SET, sendex.SendEscaped, "5.2.5"),
    Entry("AT+CIPSENDL", SET, longsend.SendLong, since=(2, 4)),
    Entry("AT+CIPSENDLCFG", QUERY, longsend.GetLongSend, since=(2, 4)),
    Entry("AT+CIPSENDLCFG", SET, longsend.SetLongSend, since=(2, 4)),
    Entry("AT+CIPCLOSE", SET, tcpip.Close, "5.2.6"),
    Entry("AT+CIPCLOSE", EXECUTE, tcpip.Close, "5.2.6"),
    Entry("AT+CIFSR", TEST, basic.TestForm, since=(1, 0), until=(2, 0)),
    Entry("AT+CIFSR", EXECUTE, wifi.OwnAddresses, "5.2.7"),
    Entry("AT+CIPMUX", QUERY, tcpip.Multiplexed, "5.2.8"),
    Entry("AT+CIPMUX", SET, tcpip.SetMultiplexed, "5.2.8"),
    Entry("AT+CIPSERVER", QUERY, servers.GetServer, since=(1, 0)),
    Entry("AT+CIPSERVER", SET, servers.Listen, "5.2.9"),
    Entry("AT+CIPSERVER", SET, servers.StopListening, "5.2.9"),
    Entry("AT+CIPSERVERMAXCONN", SET, servers.ServerLinks, since=(1, 0)),
    Entry("AT+CIPMODE", QUERY, passthrough.Passthrough, "5.2.10"),
    Entry("AT+CIPMODE", SET, tcpip.SetPassthrough, "5.2.10"),
    Entry("AT+SAVETRANSLINK", SET, passthrough.StoreTcpPassthrough, "5.2.11"),
    Entry("AT+SAVETRANSLINK", SET, passthrough.StoreUdpPassthrough, "5.2.11"),
    Entry("AT+SAVETRANSLINK", SET, passthrough.ForgetPassthrough, "5.2.11"),
    Entry("AT+CIPSTO", QUERY, servers.GetServerTimeout, "5.2.12"),
    Entry("AT+CIPSTO", SET, servers.ServerTimeout, "5.2.12"),
    Entry("AT+CIPSNTPCFG", QUERY, sntp.GetTimeSource, "5.2.13"),
    Entry("AT+CIPSNTPCFG", SET, sntp.SetTimeSource, "5.2.13"),
    Entry("AT+CIPSNTPCFG", EXECUTE, sntp.SetTimeSource, "5.2.13", until=(1, 0)),
    Entry("AT+CIPSNTPTIME", QUERY, sntp.Time, "5.2.14"),
    Entry("AT+CIUPDATE", QUERY, update.UpdateState, since=(2, 0)),
    Entry("AT+CIUPDATE", SET, update.Update, since=(2, 0)),
    Entry("AT+CIUPDATE", EXECUTE, update.Update, "5.2.15"),
    Entry("AT+CIPDINFO", QUERY, tcpip.ShowsPeer, "5.2.16"),
    Entry("AT+CIPDINFO", SET, tcpip.ShowPeer, "5.2.16"),
    Entry("AT+CIPRECVMODE", SET, passive.SetReceiveMode, since=(2, 0)),
    Entry("AT+CIPRECVTYPE", SET, passive.SetReceiveType, since=(3, 4)),
    Entry("AT+CIPRECVDATA", SET, passive.ReceiveData, since=(2, 0)),
    Entry("AT+CIPRECVLEN", QUERY, passive.UnreadBytes, since=(2, 0)),
    Entry("AT+CIPDNS", QUERY, dns.Dns),
    Entry("AT+CIPDNS", SET, dns.SetDns),
    Entry("AT+MDNS", SET, mdns.StartMdns, since=(1, 0)),
    Entry("AT+MDNS", SET, mdns.StopMdns, since=(1, 0)),
    Entry("AT+PING", SET, ping.Ping, since=(1, 0)),
)
