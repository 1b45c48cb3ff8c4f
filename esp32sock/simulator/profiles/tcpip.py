"""What each firmware generation has of chapter 5, TCP/IP, and how it spells it. generations.py has the rest,
and how to read both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from esp32sock.simulator.profiles.basic import changed, forms

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class TcpIp:
    """The TCP/IP part of one firmware generation. The defaults are those of 2.0."""

    words: Mapping[str, str] = field(default_factory=dict)
    """Lines that say why a command is refused, by occasion: NonOS (profiles/esp8266.py)."""

    # Opening links
    omitted_numbers: bool = True
    """An optional number that is left out between commas has its default; 1.0 refuses (sweep of CIPSTART)."""
    start_address: bool = True
    """CIPSTART takes a local address: not 1.0, but 2.0 (sweeps), from 1.2 on (at-dialects 7.4)."""
    start_timeout: bool = False
    """CIPSTART and CIPDOMAIN take a time limit (at-dialects 7.2, 7.4)."""
    start_codes: bool = False
    """CIPSTART has error codes for the number of fields and for names (sweep of CIPSTART, 1.0)."""
    ipv6: bool = False
    """"TCPv6" and its like, and addresses of IPv6 (at-dialects 7.4)."""
    names_host: bool = False
    """An SSL link tells the server the host of CIPSTART, without CIPSSLCSNI: 5.0 (at-dialects 1.2)."""
    prints_errno: bool = False
    """With SYSLOG=1 a link that cannot be opened has its error number: 5.0 (at-dialects 3.3)."""
    ssl_links: int | None = 1
    """So many SSL links at most (at-dialects 9); None: as many as the memory holds."""
    ssl_link_hangs: bool = False
    """One SSL link too many never answers, where others are refused (real-firmware 7: 2.0)."""
    udp_port_zero: bool = True
    """CIPSTART takes 0 as the local port of a datagram link: not 2.0 and 4.1 (real-firmware 7)."""
    forced_restart_silent: bool = False
    """A forced restart of the wedged module names neither links nor network (real-firmware 3: 2.0)."""
    ping_failures: Literal["told apart", "alike"] = "alike"
    """PING of a name that is none is ERROR alone, and so is one of the module itself that is not the first
    since the boot (real-firmware 7: 2.0; walk 2002 has a first one that is answered).
    """
    ping_answer: str = "+PING:{milliseconds}"
    """`+<ms>` on NonOS (at-dialects 7.2)."""
    ssl_shown_as: str = "TCP"
    """In CIPSTATUS (observed 2.0, ssl)."""
    per_link: bool = False
    """Commands that configure links take a link id with CIPMUX=1 and none with CIPMUX=0, and show one line or
    five (observed 4.1); before, always an id and five lines (observed 2.0).
    """
    names_empty_slots: bool = True
    """NO CERT FOUND and its like, from 1.1.1 on (at-dialects 3.4)."""
    empty_name_crashes: bool = True
    """An empty name in a look-up restarts the module (real-firmware 4: 1.0, 2.0)."""
    close_minus_one_crashes: bool = False
    """CIPCLOSE=-1 with CIPMUX=1 does (real-firmware 4: 1.0)."""
    server_stop_crash_s: float = 0.0
    """CIPSERVER=0 so soon after CIPSERVER=1 once did (real-firmware 4: 1.0)."""

    # Status
    status: Literal["counted", "remembered", "document"] = "counted"
    """How CIPSTATUS finds its number; see `status` in firmware/status.py."""
    datagrams_count: bool = True
    """CIPSTATUS is 4 with datagram links alone, as on 2.0; 2 on 4.1 (real-firmware 7)."""

    # Sending
    minus_one_link: bool = False
    """CIPSEND takes -1 as link id and then fails (real-firmware 4: 1.0)."""
    sendex_unescapes: bool = False
    """CIPSENDEX takes `\\x` for x: 4.1, not 2.0 (real-firmware 7)."""
    empty_sendex_hangs: bool = True
    """CIPSENDEX whose data is `\\0` at once never answers, and nothing does after it (real-firmware 4)."""
    empty_prompt_locks: bool = True
    """Data at a prompt for 0 bytes ends all (real-firmware 7: 2.0)."""
    udp_redirects: bool = False
    """A datagram at the prompt redirects a send with a destination of its own in UDP mode 2 (at-dialects 7.5:
    1.0 to 1.2).
    """
    passthrough_packet: int = 2048
    """The most that one packet carries (at-dialects 7.10)."""
    passthrough_server: bool = False
    """Passthrough with one accepted link and CIPMUX=1 (at-dialects 7.10)."""
    passthrough_ssl: bool = True
    save_link_modes: tuple[int, int] = (0, 1)
    """The first field of SAVETRANSLINK; all but 0 mean yes (real-firmware 9)."""
    save_link_takes_more: bool = False
    """SAVETRANSLINK takes a sixth field (real-firmware 9)."""
    save_link_ssl: bool = True
    """SAVETRANSLINK takes SSL (real-firmware 9: 1.0 too; the document has TCP and UDP)."""
    passthrough_ends_mode: bool = False
    """`+++` sets CIPMODE back to 0 (real-firmware 9: 1.0)."""
    passthrough_receives: bool = True
    """What a link receives with CIPMODE=1 reaches the host: not on 2.0, neither before CIPSEND nor in the
    mode (walks 2016 and 2024).
    """

    late_send_ok: bool = False
    """SEND OK comes behind SEND FAIL all the same: NonOS (at-dialects 7.5, transcript 32)."""

    # Receiving
    received_separator: str = ","
    """Between the count of CIPRECVDATA and its data; a colon on ESP8266 1.7 (at-dialects 7.7)."""
    stalls: bool = True
    """A link whose +IPD is printed at its own prompt receives no more (real-firmware 5: 2.0)."""
    passive_udp: bool = False
    """CIPRECVDATA reads datagrams; ERROR on 2.0 (at-dialects 7.7)."""
    read_limit: int = 2048
    """CIPRECVDATA (at-dialects 7.7)."""
    closed_length: int = -1
    """CIPRECVLEN of a link that is not open (observed 2.0; 0 on 4.1)."""
    lengths_buffer: int | None = None
    """The answer of CIPRECVLEN is right in so many bytes, its line end included (real-firmware 8: 2.0)."""
    ciphertext_counts: bool = True
    """Counts of passive receive are of the encrypted bytes (at-dialects 7.7; for how long is a guess)."""
    drops_unread_ssl: bool = True
    """SSL before 3.3: CLOSED drops what is unread (at-dialects 7.7)."""
    udp_receive_limit: int | None = None
    """A longer datagram is dropped; 1473 came through on 1.0 and 2.0 (udp files)."""

    # Wi-Fi gone
    loss_closes: bool = True
    """Streams end with it, on 1.0 too (real-firmware 9); the document says nothing of it."""
    loss_waits_for_reader: bool = False
    """Not before what is unread in passive receive has been read: from 2.1 on (at-dialects 8.2)."""
    loss_spares_softap: bool = False
    """Those to stations of the SoftAP stay: from 4.1 on (at-dialects 8.2)."""

    restart_order: Literal["links first", "network first"] = "links first"
    """Whether AT+RST prints CLOSED before WIFI DISCONNECT (sweep of RST, 2.0) or behind it (1.0,
    real-firmware 9).
    """
    restart_says_closed: bool = True
    """AT+RST prints CLOSED for every open link (sweep of RST, 2.0); 4.1 does not (observed 4.1)."""

    # Server
    server_modes: bool = True
    """CIPSERVER takes any number as mode and then serves on a port of its own choice (sweep, 2.0)."""
    server_kinds: bool = False
    """CIPSERVER refuses an unknown type; on 2.0 it is TCP (sweep)."""
    server_ssl: bool = True
    """CIPSERVER takes SSL: no ESP8266 does (docs of 2.2)."""
    server_closes: bool = False
    """CIPSERVER=0,1 closes the links (at-dialects 7.9)."""
    server_interface: bool = False
    """A fifth field (at-dialects 7.9)."""
    accepted_times_out: Literal["received", "both"] = "received"
    """What resets the clock of CIPSTO (at-dialects 7.9)."""

    timeout_needs_server: bool = True
    """CIPSTO (observed 1.0, 2.0); the document does not ask for one (V1.0 5.2.12)."""

    # Names and time
    short_addresses: bool = False
    """A look-up takes an address as lwIP reads it: `1.2.3` is 1.2.0.3 (real-firmware 9: 1.0)."""
    dns_form: Literal["bare", "one", "three"] = "one"
    dhcp_name_server: Literal["always", "after CWJAP", "never"] = "always"
    """When CIPDNS? shows the name server of the network first: on 4.1 not after a join by itself
    (real-firmware 7), on 4.2 the built-in one still stood there 52 s after the address had come (observed
    4.2, basic).
    """
    dns_disabled_alone: bool = True
    """CIPDNS=0 takes no address (real-firmware 7: 2.0; from 2.2 on a guess)."""
    dns_twice: bool = False
    """CIPDNS=1 takes one address twice (real-firmware 7: 4.1)."""
    sntp_forms: Literal["document", "enable"] = "enable"
    sntp_zone_shown: bool = False
    """CIPSNTPCFG? shows the zone of a disabled client (observed 4.1)."""
    sntp_minutes: bool = False
    """Zones as hhmm, and -12 to 14 (docs of 2.2)."""
    asctime_end: str = ""
    """1.0 prints the line end of `asctime` too (observed 1.0, basic)."""
    prints_time_updated: bool = False
    """+TIME_UPDATED (at-dialects 3.4)."""
    ssl_configuration: Literal["pair", "two or four", "full"] = "full"
    """The fields of CIPSSLCCONF. 2.0 refuses a certificate's number without the authority's
    (real-firmware 7), 4.1 does not.
    """
    tcp_options: int = 3
    """How many numbers CIPTCPOPT has: a fourth, keepalive, from 2.4 on (at-dialects 7.11)."""
    tcp_options_least: int = 1
    """CIPTCPOPT with fewer fields than this, the link id not counted, is refused (real-firmware 7: 4.1)."""
    update_line: str = "+CIPUPDATE"
    """Of the query: +CIUPDATE on 4.1 (basic)."""


_V2_0 = TcpIp(
    lengths_buffer=32,
    ssl_links=3,
    ssl_link_hangs=True,
    udp_port_zero=False,
    forced_restart_silent=True,
    ping_failures="told apart",
    ssl_configuration="two or four",
    passthrough_receives=False,
    save_link_modes=(-1, 2),
    save_link_takes_more=True,
)

_V1_0 = replace(
    _V2_0,
    ssl_links=1,
    ssl_link_hangs=False,
    udp_port_zero=True,  # not seen
    forced_restart_silent=False,
    ping_failures="alike",  # not seen
    passthrough_receives=True,  # a guess
    passthrough_ends_mode=True,
    save_link_modes=(0, 2),
    save_link_takes_more=False,
    omitted_numbers=False,
    start_address=False,
    start_codes=True,
    names_empty_slots=False,
    close_minus_one_crashes=True,
    server_stop_crash_s=0.0,  # once, and in a build of its own: not a rule
    status="remembered",
    restart_order="network first",
    minus_one_link=True,
    empty_prompt_locks=False,  # a guess: 0 bytes were not tried on 1.0
    udp_redirects=True,
    passthrough_ssl=False,
    stalls=False,
    short_addresses=True,
    lengths_buffer=None,
    dns_form="bare",
    asctime_end="\n",
    ssl_configuration="pair",
)
_V0_10 = replace(_V1_0, start_codes=False, sntp_forms="document")
_V1_2 = replace(_V1_0, start_address=True, names_empty_slots=True, ssl_configuration="full", asctime_end="")

_V2_1 = replace(
    _V2_0,
    ssl_links=None,
    save_link_modes=(0, 1),
    save_link_takes_more=False,
    ssl_link_hangs=False,
    ssl_configuration="full",
    passthrough_receives=True,
    forced_restart_silent=False,
    ping_failures="alike",
    ssl_shown_as="SSL",
    empty_name_crashes=False,  # a guess: seen on 2.0, gone in 4.1
    empty_sendex_hangs=False,  # a guess
    sendex_unescapes=True,  # a guess: seen on 4.1
    stalls=False,  # fixed after 2.0 (at-dialects 7.5)
    lengths_buffer=None,  # seen on 2.0 only; in which release it went is a guess
    passive_udp=True,
    loss_waits_for_reader=True,
    udp_receive_limit=1472,  # no fragments in a stock lwIP of its IDF; a guess
    server_modes=False,  # a guess
    server_kinds=True,  # a guess
)
_V2_2 = replace(
    _V2_1,
    ipv6=True,
    per_link=True,
    read_limit=0x7FFFFFFF,
    server_closes=True,
    dns_form="three",
    sntp_minutes=True,
)
_V2_4 = replace(
    _V2_2,
    passthrough_packet=2920,
    passthrough_server=True,
    accepted_times_out="both",
    tcp_options=4,
)
_V3_2 = replace(
    _V2_4,
    prints_time_updated=True,
    sntp_zone_shown=True,  # a guess: seen on 4.1
)
_V3_4 = replace(
    _V3_2,
    drops_unread_ssl=False,
    udp_receive_limit=1460,  # at-dialects 7.5; a guess, as 4.1 takes more
)
_V4_1 = replace(
    _V3_4,
    start_timeout=True,
    udp_receive_limit=None,  # 1472 and 1473 bytes arrive (real-firmware 9)
    dhcp_name_server="after CWJAP",
    loss_spares_softap=True,
    closed_length=0,
    server_interface=True,
    update_line="+CIUPDATE",
    datagrams_count=False,
    tcp_options_least=3,
    dns_twice=True,
    restart_says_closed=False,
)
_V4_2 = replace(_V4_1, dhcp_name_server="never")
_V5_0 = replace(_V4_2, prints_errno=True, names_host=True)

_DOCUMENT = replace(
    _V2_0,
    ssl_configuration="full",
    passthrough_receives=True,
    save_link_modes=(0, 1),
    save_link_takes_more=False,
    save_link_ssl=False,  # V1.0 5.2.11
    ssl_links=1,
    ssl_link_hangs=False,
    udp_port_zero=True,
    forced_restart_silent=False,
    ping_failures="alike",
    sendex_unescapes=True,
    empty_prompt_locks=False,
    loss_closes=False,
    start_address=False,
    omitted_numbers=False,  # "To use <UDP mode>, <UDP local port> must be set first" (V1.0 5.2.3)
    timeout_needs_server=False,
    status="document",
    empty_name_crashes=False,
    empty_sendex_hangs=False,
    passthrough_ssl=False,
    stalls=False,
    lengths_buffer=None,
    server_modes=False,
    server_kinds=True,
    sntp_forms="document",
)

TCPIP: dict[str, TcpIp] = {
    "doc-v1": _DOCUMENT,
    "0.10": _V0_10,
    "1.0": _V1_0,
    "1.2": _V1_2,
    "2.0": _V2_0,
    "2.1": _V2_1,
    "2.2": _V2_2,
    "2.4": _V2_4,
    "3.2": _V3_2,
    "3.4": _V3_4,
    "4.1": _V4_1,
    "4.2": _V4_2,
    "5.0": _V5_0,
}

# Which commands exist and in which forms, in the order of AT+CMD? (cmd-list of 4.1): see generations.py.
_DOCUMENT_COMMANDS = forms(
    """
    SAVETRANSLINK:s CIFSR:e CIPDOMAIN:s CIPSTATUS:e CIPSTART:s CIPCLOSE:se CIPSEND:se CIPSENDEX:s CIPDINFO:s
    CIPMUX:qs CIPSERVER:s CIPMODE:qs CIPSTO:qs CIPSNTPCFG:qse CIPSNTPTIME:q CIUPDATE:e
    """
)
# CIPSEND=? answers a plain OK (sweep of CIPSEND, 1.0, 2.0); CIPDNS is in 0.10 (at-dialects 10).
_COMMANDS_0_10 = changed(_DOCUMENT_COMMANDS, "CIPSEND:tse CIPDINFO:qs CIPDNS:qs")
# Observed 1.0 (basic, sweeps).
_COMMANDS_1_0 = changed(
    _COMMANDS_0_10,
    "CIFSR:tse CIPSENDEX:ts CIPSERVER:qs CIPSERVERMAXCONN:qs CIPSNTPCFG:qs CIPSSLCCONF:qs PING:s MDNS:s",
)
# Observed 2.0; CIPRECONNINTV has no query there. CIPSTARTEX and the set form: at-dialects 7.
_COMMANDS_2_0 = changed(
    _COMMANDS_1_0,
    "CIFSR:e CIPSTARTEX:s CIPRECVMODE:qs CIPRECVDATA:s CIPRECVLEN:q CIPRECONNINTV:s CIUPDATE:qse",
)
_COMMANDS_2_1 = changed(
    _COMMANDS_2_0, "CIPTCPOPT:qs CIPSSLCCN:qs CIPSSLCSNI:qs CIPSSLCALPN:qs CIPRECONNINTV:qs"
)
_COMMANDS_2_2 = changed(_COMMANDS_2_1, "CIPV6:qs CIPSSLCPSK:qs")
_COMMANDS_2_4 = changed(
    _COMMANDS_2_2, "CIPSTATE:q CIPSEND:se CIPSENDEX:s CIPSENDL:s CIPSENDLCFG:qs CIPSNTPINTV:qs"
)
_COMMANDS_3_2 = changed(_COMMANDS_2_4, "TRANSINTVL:qs CIPSSLCPSKHEX:qs")
_COMMANDS_3_4 = changed(_COMMANDS_3_2, "CIPRECVTYPE:qs")
_COMMANDS_4_1 = changed(_COMMANDS_3_4, "CIPSSLCCIPHER:qs CIPFWVER:q")
_COMMANDS_5_0 = changed(_COMMANDS_4_1, "CIPCONNPERSIST:qs")

COMMANDS = {
    "doc-v1": _DOCUMENT_COMMANDS,
    "0.10": _COMMANDS_0_10,
    "1.0": _COMMANDS_1_0,
    "1.2": _COMMANDS_1_0,
    "2.0": _COMMANDS_2_0,
    "2.1": _COMMANDS_2_1,
    "2.2": _COMMANDS_2_2,
    "2.4": _COMMANDS_2_4,
    "3.2": _COMMANDS_3_2,
    "3.4": _COMMANDS_3_4,
    "4.1": _COMMANDS_4_1,
    "4.2": _COMMANDS_4_1,
    "5.0": _COMMANDS_5_0,
}
