"""The options of an engine, set when a module is attached; frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from os import PathLike

DEFAULT_BAUD = 115200
"""What every release starts with (at-dialects 2)."""

MIB = 1 << 20

Receive = Literal["active", "passive"]
ResetLine = Literal["dtr", "rts"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to reach a module and how to treat it.

    `baudrate` is the rate the module is at now; it is never changed unasked. `rtscts` turns hardware flow
    control on, on both sides. `ssid` and `password` join at start-up and after every restart.
    `unread_link_bytes` and `unread_bytes` bound what is kept for sockets that are not read, per link and
    in all; beyond, that socket gets ECONNRESET. `close_s` bounds the delivery at the very end.
    `half_close_s` is how long a peer may be silent after `shutdown(SHUT_WR)` before the link is closed.
    `receive` forces active or passive receive; by itself it is passive for TCP from firmware 3.4 on.
    `server_links` is how many connections the module's server may accept at a time, 1 to 5.
    `reset` names the line of the serial adapter that restarts the module while it is on; it is used when
    nothing else brings a silent module back. `fill_data_phase` allows to end a data phase that an earlier
    program left, by up to 48 KiB of empty lines on a line that is silent otherwise.
    `ipv6` turns the module's IPv6 on (True, from firmware 2.2 on) or leaves it unused (False); by itself it
    is used where it is on.
    `dns_cache_s` is how long an address that was found for a name is used again, 0 for not at all.
    `reclaim_idle_s` ends a TCP stream on which nothing moved for so long, as if its peer had closed it, when
    another connection waits for a link; None for never.
    `heartbeat_s` is how often the module is asked for a sign of life and its links, while anything is open;
    None for never. `trace` and `pcap` are files for a record of the serial line, as text and for Wireshark;
    they are emptied first, are readable by their user alone, and hold no passwords; `-` is stderr.
    """

    url: str
    baudrate: int = DEFAULT_BAUD
    rtscts: bool = False
    ssid: str | None = None
    password: str = field(default="", repr=False)
    unread_link_bytes: int = 8 * MIB
    unread_bytes: int = 32 * MIB
    close_s: float = 10.0
    half_close_s: float = 30.0
    server_links: int = 3
    receive: Receive | None = None
    reset: ResetLine | None = None
    fill_data_phase: bool = True
    ipv6: bool | None = None
    dns_cache_s: float = 30.0
    reclaim_idle_s: float | None = None
    heartbeat_s: float | None = 30.0
    trace: str | PathLike[str] | None = None
    pcap: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        if not 80 <= self.baudrate <= 5_000_000:
            raise ValueError(f"baudrate {self.baudrate} is outside 80 to 5000000")
        if self.password and self.ssid is None:
            raise ValueError("a password needs an ssid")
        if (
            self.unread_link_bytes < 1
            or self.unread_bytes < 1
            or min(self.close_s, self.half_close_s, self.dns_cache_s) < 0
        ):
            raise ValueError("limits must be positive")
        if self.reclaim_idle_s is not None and self.reclaim_idle_s <= 0:
            raise ValueError(f"reclaim_idle_s {self.reclaim_idle_s} is not positive; None turns it off")
        if self.heartbeat_s is not None and self.heartbeat_s < 1:
            raise ValueError(f"heartbeat_s {self.heartbeat_s} is less than 1; None turns it off")
        if self.receive not in (None, "active", "passive"):
            raise ValueError(f"receive={self.receive!r} is neither 'active' nor 'passive'")
        if self.reset not in (None, "dtr", "rts"):
            raise ValueError(f"reset={self.reset!r} is neither 'dtr' nor 'rts'")
        if self.reset == "rts" and self.rtscts:
            raise ValueError("RTS cannot both restart the module (reset) and control the flow (rtscts)")
        if not 1 <= self.server_links <= 5:
            raise ValueError(f"server_links {self.server_links} is outside 1 to 5")
