"""The time: AT+CIPSNTPCFG, AT+CIPSNTPTIME, AT+CIPSNTPINTV (V1.0 5.2.13, 5.2.14; at-dialects 7.2)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import refuse_if
from esp32sock.simulator.firmware.sntp import DEFAULT_SERVERS, SERVER_BYTES

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def asctime(unix_s: float) -> str:
    """As C's `asctime`, but without its line end."""
    t = time.gmtime(max(0, int(unix_s)))
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{_DAYS[t.tm_wday]} {_MONTHS[t.tm_mon - 1]} {t.tm_mday:2} {clock} {t.tm_year}"


@command("CIPSNTPCFG", "q")
def configuration_query(call: Call) -> None:
    """Observed 1.0, 2.0, 4.1."""
    client = call.firmware.time_client
    if not client.enabled:
        call.respond(
            f"+CIPSNTPCFG:0,{client.zone}" if call.profile.tcpip.sntp_zone_shown else "+CIPSNTPCFG:0"
        )
        return
    servers = ",".join(f'"{server}"' for server in client.servers)
    call.respond(f"+CIPSNTPCFG:1,{client.zone},{servers}")


@command("CIPSNTPCFG", "e")
def clear(call: Call) -> None:
    """V1.0 5.2.13; the later firmware has no such form (observed 1.0, 2.0)."""
    call.firmware.time_client.configure(0, (), enabled=False)


@command("CIPSNTPCFG", "s")
def configuration(call: Call) -> None:
    """`<zone>[,<server>...]` in the 2017 document, `<enable>[,<zone>[,...]]` later (observed)."""
    arguments, traits = call.arguments.without_codes(), call.profile.tcpip
    client = call.firmware.time_client
    enabled = True
    if traits.sntp_forms == "enable":
        enabled = bool(arguments.integer(0, 1))
    if not enabled and not arguments.left:
        client.configure(0, (), enabled=False)
        return
    zone = arguments.integer(-1200, 1400) if traits.sntp_minutes else arguments.integer(-11, 13)
    refuse_if(traits.sntp_minutes and not _is_zone(zone))
    servers = tuple(arguments.string(SERVER_BYTES) for _ in range(min(3, arguments.left)))
    arguments.end()
    refuse_if(not all(servers))
    client.configure(zone, servers or DEFAULT_SERVERS, enabled=enabled)


def _is_zone(zone: int) -> bool:
    """-12 to 14, or hhmm within that (docs of 2.2)."""
    if abs(zone) < 100:
        return -12 <= zone <= 14
    return abs(zone) % 100 < 60


@command("CIPSNTPTIME", "q")
def time_query(call: Call) -> None:
    """One CR LF before OK (observed 2.0, 4.1); on 1.0 the LF of `asctime` before the usual two."""
    text = f"+CIPSNTPTIME:{asctime(call.board.clock() + call.firmware.time_client.offset_s)}"
    call.respond_open(text + call.profile.tcpip.asctime_end)


@command("CIPSNTPINTV", "q")
def interval_query(call: Call) -> None:
    call.respond(f"+CIPSNTPINTV:{call.firmware.time_client.interval_s}")


@command("CIPSNTPINTV", "s")
def interval(call: Call) -> None:
    """15 to 4294967 s (docs)."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    call.firmware.time_client.interval_s = arguments.integer(15, 4_294_967)
