"""What a firmware generation may have that another has not: the shape of a row of generations.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.simulator.profiles.esp8266_tcpip import ESP8266_TCPIP
from esp32sock.simulator.profiles.tcpip import TCPIP, TcpIp

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One firmware generation."""

    name: str
    version: tuple[str, ...]
    """The lines of AT+GMR."""
    version_ends_open: bool = False
    """One CR LF before the OK of AT+GMR (observed 1.0)."""
    commands: Mapping[str, str]
    listing: Mapping[str, str] | None = None
    """What AT+CMD? shows, if that is more than what the simulator can answer."""

    # The command line
    line_limit: int | None = 256
    """The longest line with its CR LF that is taken; None: none was found."""
    line_crash: int | None = None
    """A read of so many bytes resets the chip: 1023 did on 1.0, 513 did not (sweep of AT)."""
    unfinished_limit: int | None = None
    """So many bytes without a line end are thrown away after a read: 128 on 1.0, where the rest of a line
    that came in two reads is refused (sweeps of AT and CIPSTART), as is what hides behind a NUL (basic).
    """
    nul_ends_search: bool = False
    """No line end is found behind a NUL byte (observed 1.0)."""
    takes_blanks: bool = False
    """Blanks after commas do not count: only in the document's examples (V1.0 7)."""
    capitals_only: bool = False
    """Command names in other letters are unknown: only to the letter of the document (V1.0 2)."""
    comma_ends_echo: bool = True
    """`ATE0,1` is ATE0 and `AT+GMR,` AT+GMR (sweep of ATE; real-firmware 9: 2.0, not 1.0)."""
    sees_stale_line_end: bool = False
    """CR straight after an equally long line is completed by the old LF still in the buffer (sweep of AT,
    2.0).
    """
    coded_ranges: bool = True
    """Ranges, lengths and counts have codes; with SYSLOG=1 on 4.1 they have none (real-firmware 7)."""
    error_codes_always: bool = False
    """`ERR CODE:` lines without AT+SYSLOG (observed 1.0)."""

    # Basic
    default_sleep: int = 1
    """AT+SLEEP? as shipped: 0 on 1.0, 1 on 2.0 and 4.1 (observed)."""
    highest_sleep: int = 3
    """3 from 3.x, 2 from 2.1 on (at-dialects 5)."""
    highest_sysmsg: int = 7
    """Bit 2 from 2.1 or 2.2 on (at-dialects 5)."""
    rf_power: tuple[int, ...] = (72, 0, 0, 0)
    """As shipped: observed 2.0, 4.1, 4.2."""
    reads_parity: bool = True
    """Both queries of the UART show the parity: from 2.1 on (real-firmware 9)."""
    restore_quiet: bool = False
    """AT+RESTORE leaves the network without a word (observed 2.0, walk-2000; transcript 34)."""
    restore_closes_first: bool = False
    """AT+RESTORE closes links before its OK, the highest first (seen on 1.2-dev, transcript 04)."""
    offered_version_hangs: bool = False
    """CIPFWVER? never answers without an update server (observed 4.2)."""
    certificates_in_nvs: bool = True
    """SYSFLASH? shows the partitions of 4.1, not those of 2.0 (observed)."""

    busy_sending: bytes = b"\r\nbusy p...\r\n"
    """To bytes behind a payload; `busy s...` on NonOS (at-dialects 3.1)."""

    # Data phase
    prompt: tuple[bytes, ...] = (b"\r\nOK\r\n\r\n>",)
    """The writes that invite payload: something unsolicited may stand between two of them (at-dialects 7.5).
    """
    says_recv: bool = True
    send_failure: bytes = b"\r\nSEND FAIL\r\n"
    send_limit: int = 8192
    empty_send_waits: bool = False
    """A length of 0 or less gives a prompt that nothing fills (observed 2.0)."""

    # Links
    announces_tcp: bool = True
    """CIPSTART prints CONNECT for streams too (at-dialects 7.4 and 10)."""
    wedges_on_second_start: bool = False
    """CIPSTART on an open link: the next CIPCLOSE or CIPSTART never answers (observed 2.0)."""
    host_name_limit: int = 128
    ipd_limit: int = 2920
    ipd_address: str = ',"{address}",{port}'
    ipd_trailer: bytes = b"\r\n"
    tcp_already_line: str | None = None
    """Printed before ERROR when CIPSTART names an open link."""

    # Spelling of answers
    dinfo_words: tuple[str, str] = ("false", "true")
    domain_quoted: bool = True
    cwjap_fields: int = 9
    """How many fields the answer of AT+CWJAP? has (at-dialects 6)."""
    join_defaults: tuple[int, int, int, int, int] = (0, 1, 3, 0, 1)
    """pci_en, reconn_interval, listen_interval, scan_mode, pmf where CWJAP leaves them out (observed 4.1)."""
    hides_listen_interval: bool = False
    """CWJAP? shows 0 whatever was set (sweep of CWJAP, 2.0)."""
    free_ram: str = "175960"
    cwlap_parentheses: bool = True
    cwlap_fields: int = 11
    """Observed 4.1; 5 on 1.0 and 2.0."""
    softap_password_bytes: int = 63
    """64 is refused (sweep of CWSAP, 2.0); the document takes it (V1.0 4.2.6)."""
    cwlif_separator: str = ","
    """With a blank in the document (V1.0 4.2.7)."""
    literal_addresses: bool = False
    """What the document says of addresses: a MAC address is not that of the other interface (V1.0 4.2.11,
    4.2.12), the SoftAP's network is of class C and turns its DHCP off (4.2.14), which CWDHCPS needs (4.2.9).
    """
    smartconfig_words: tuple[str, str] = ("Smart get wifi info", "smartconfig connected wifi")
    """As on the wire (at-dialects 3.4); the document has its own (V1.0 4.2.15)."""
    cwlif_prefix: str = "+CWLIF:"
    """None on 0.10 and in the document (at-dialects 6)."""
    dhcps_separator: str = ":"
    subnet_lines: tuple[str, ...] = (
        '+{name}:ip:"{subnet.address}"',
        '+{name}:gateway:"{subnet.gateway}"',
        '+{name}:netmask:"{subnet.netmask}"',
    )
    """Three on every firmware (at-dialects 6)."""
    cipap_line: str | None = None
    """The one line of CIPAP? in the document (V1.0 4.2.14)."""
    no_access_point_line: str | None = None
    """What CWJAP? says before OK without a network: 0.10 (at-dialects 6)."""

    # Wi-Fi
    default_cwmode: int = 2
    """After AT+RESTORE: observed 1.0, 2.0, 4.1."""
    lowest_cwmode: int = 0
    highest_cwmode: int = 3
    """4.1 takes 4, and then nothing of Wi-Fi works (real-firmware 7)."""
    cwmode_auto_connect: bool = True
    """CWMODE has a second field, from 2.1 on (at-dialects 6)."""
    auto_connect_needs_station: bool = True
    """CWAUTOCONN with CWMODE=2 is refused (real-firmware 9); the document does not say so."""
    address_failure: int = 4
    """+CWJAP where the access point gives no address: 0 on 1.0, 4 on 2.0 (sweeps of CWJAP)."""
    joins_open_with_password: bool = False
    """An open network accepts a password (observed 1.0; 2.0: +CWJAP:4)."""
    scan_takes_words: bool = False
    """CWLAP takes any field for its SSID and a quoted channel, and six fields (real-firmware 9)."""
    lowest_scan_mask: int = 0
    """-1 slips through on 1.0 and 2.0 (real-firmware 4)."""
    scan_filters: bool = True
    """CWLAPOPT has a weakest signal and a mask of encryptions (at-dialects 6)."""
    smartconfig_fields: int = 3
    """How many fields CWSTARTSMART has at most (at-dialects 6)."""
    softap_stations: int = 10
    """As shipped: observed 10 on 4.1, 4 on 1.0 and 2.0."""
    softap_most_stations: int = 15
    """What CWSAP takes and sets when left out: observed 15 on 4.1, 10 on 1.0 and 2.0."""
    softap_lines: bool = True
    """+STA_CONNECTED and its like, from 2.0 on (at-dialects 3.4)."""
    keeps_softap_password: bool = False
    """CWSAP with an empty password keeps the old one (observed 1.0, 2.0)."""
    long_ssid_runs_on: bool = False
    """CWSAP? prints an SSID of 32 bytes run together with the password (observed 1.0, 2.0)."""
    has_ethernet: bool = False
    """Bit 2 of CWDHCP (observed 2.0)."""
    wifi_lines: bool = True
    """Prints WIFI CONNECTED and its like; the 2017 document has none of them."""
    answers_before_ready_s: float = 0.2
    """So long before `ready` the firmware already echoes and answers (real-firmware 6; 2.0 and 4.1)."""
    joins_before_ready: bool = False
    """WIFI CONNECTED may come before `ready` (observed 4.1)."""

    @property
    def tcpip(self) -> TcpIp:
        """Chapter 5."""
        return TCPIP[self.name] if self.name in TCPIP else ESP8266_TCPIP[self.name]

    @property
    def listed(self) -> Mapping[str, str]:
        """The lines of AT+CMD?."""
        return self.commands if self.listing is None else self.listing
