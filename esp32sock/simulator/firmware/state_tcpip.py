"""What the TCP/IP commands set until the next restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from esp32sock.simulator.firmware.link import ALL_LINKS, LINK_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.nvs import Nvs


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """AT+CIPTCPOPT of one link; the defaults are the firmware's (at-dialects 7.11)."""

    linger: int = -1
    nodelay: int = 0
    send_timeout_ms: int = 0
    keepalive_s: int = 0
    """Of CIPTCPOPT, or of the last CIPSTART that named one (known-bugs 28)."""


@dataclass(slots=True)
class SslOptions:
    """The AT+CIPSSLC... settings of one link (at-dialects 7.11)."""

    auth: int = 0
    """0 none, 1 own certificate, 2 verify the server, 3 both."""
    pki: int = 0
    ca: int = 0
    common_name: str = ""
    server_name: str = ""
    alpn: tuple[str, ...] = ()
    psk: tuple[bytes, str] | None = None
    """Key and identity."""
    ciphers: tuple[int, ...] = ()


@dataclass(slots=True)
class TcpIpState:
    """Fresh after every boot. Defaults: at-dialects 7."""

    mux: bool = False
    passthrough_mode: bool = False
    """AT+CIPMODE=1."""
    dinfo: bool = False
    ipv6: bool = False
    passive: bool = False
    """AT+CIPRECVMODE=1, for all links."""
    receive_types: list[bool] = field(default_factory=lambda: [False] * LINK_COUNT)
    """AT+CIPRECVTYPE, for each."""
    tcp_options: list[TcpOptions] = field(default_factory=lambda: [TcpOptions() for _ in range(LINK_COUNT)])
    ssl_options: list[SslOptions] = field(default_factory=lambda: [SslOptions() for _ in range(LINK_COUNT)])
    ssl_pair: tuple[int, int] = (0, 1)
    """What CIPSSLCCONF? shows on 1.0 (observed)."""
    long_send_report: int = 1024
    long_send_packet: int = 2920
    """AT+CIPSENDLCFG (at-dialects 7.5)."""
    links_persist: bool = False
    """AT+CIPCONNPERSIST."""
    reconnect_interval: int = 1
    """AT+CIPRECONNINTV, in tenths of a second."""
    packet_interval_ms: int = 20
    """AT+TRANSINTVL: how long the passthrough collects (at-dialects 5)."""

    # CIPSTATUS
    had_link: bool = False
    """A stream has been open or CIPCLOSE was used: STATUS:4 instead of 2."""
    closed_a_link: bool = False
    """A link of whichever kind has gone, or CIPCLOSE was used."""
    remembered_status: Literal[2, 3, 4] = 2
    """The number of 1.0."""
    wedged: bool = False
    """The hang of 2.0 after a second CIPSTART on an open link."""
    pinged: bool = False
    """PING has been used."""
    handshake_hangs: bool = False
    """The hang of 2.0 in one SSL link too many."""

    def stream_opened(self, *, accepted: bool) -> None:
        if not accepted:
            self.had_link = True
            self.remembered_status = 3
        elif self.remembered_status == 2:  # and not out of 4 (sweep of CIPMODE, 1.0)
            self.remembered_status = 3

    def link_closed(self, left: Sequence[Link]) -> None:
        self.closed_a_link = True
        if self.remembered_status == 3 and not any(link.is_stream for link in left):
            self.remembered_status = 4

    def one_closed(self, left: Sequence[Link]) -> None:
        """CIPCLOSE of one link: 4 although others are open; on 1.0 3 if one of them was accepted
        (real-firmware 9), on 2.0 4 even if it was accepted itself.
        """
        self.had_link = True
        self.remembered_status = 3 if any(link.accepted for link in left) else 4

    def all_closed(self) -> None:
        """CIPCLOSE=5: STATUS:4 even if nothing was open (observed 1.0, 2.0)."""
        self.had_link = self.closed_a_link = True
        self.remembered_status = 4

    def linger(self, link_id: int) -> int:
        return self.tcp_options[link_id].linger

    def chosen(self, link_id: int) -> range:
        """The links that an id means; 5 is all of them."""
        return range(LINK_COUNT) if link_id == ALL_LINKS else range(link_id, link_id + 1)


def restore_links(state: TcpIpState, nvs: Nvs) -> None:
    """What the flash holds of the settings of links."""
    state.reconnect_interval = nvs.get("reconnect_interval", 1)
    state.ipv6 = nvs.get("ipv6", False)
    state.tcp_options = [nvs.get(f"tcp_{link_id}", TcpOptions()) for link_id in range(LINK_COUNT)]
    for link_id, options in enumerate(state.ssl_options):
        stored: tuple[int, ...] = nvs.get(f"ssl_{link_id}", ())
        if len(stored) == 3:
            options.auth, options.pki, options.ca = stored
