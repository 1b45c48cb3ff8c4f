"""The SYS commands that came after the 2017 document, and RFPOWER. Those of the flash are in partitions.py
and manufacturing.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import failed

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call


@command("SYSLOG", "q")
def syslog_query(call: Call) -> None:
    call.respond(f"+SYSLOG:{int(call.state.syslog)}")


@command("SYSLOG", "s")
def syslog(call: Call) -> None:
    """At-dialects 3.3: error codes before ERROR and busy."""
    call.arguments.expect(1, 1)
    call.state.syslog = bool(call.arguments.integer(0, 1))


@command("SYSSTORE", "q")
def store_query(call: Call) -> None:
    call.respond(f"+SYSSTORE:{int(call.state.store)}")


@command("SYSSTORE", "s")
def store(call: Call) -> None:
    """At-dialects 5: whether later settings reach the flash."""
    call.arguments.expect(1, 1)
    call.state.store = bool(call.arguments.integer(0, 1))


@command("SYSMSG", "q")
def messages_query(call: Call) -> None:
    """One CR LF before OK (observed 2.0, 4.1)."""
    call.respond_open(f"+SYSMSG:{call.state.sysmsg}")


@command("SYSMSG", "s")
def messages(call: Call) -> None:
    """At-dialects 5: bit 0 +QUITT, bit 1 +LINK_CONN, bit 2 link state during passthrough; stored."""
    call.arguments.expect(1, 1)
    call.state.sysmsg = call.arguments.integer(0, call.profile.highest_sysmsg)
    call.remember("sysmsg", call.state.sysmsg)


@command("SYSTIMESTAMP", "q")
def timestamp_query(call: Call) -> None:
    """Seconds of the clock, which starts at 0 with the chip (observed 2.0, 4.1)."""
    call.respond_open(f"+SYSTIMESTAMP:{int(call.board.clock())}")


@command("SYSTIMESTAMP", "s")
def timestamp(call: Call) -> None:
    """At-dialects 5: lets a host set the clock."""
    call.arguments.expect(1, 1)
    call.board.set_clock(call.arguments.integer(0, (1 << 31) - 1))


POWER_LEVELS = (34, 44, 52, 56, 60, 66, 72, 78)
"""What the radio can do; it takes the next one below (documents of 2.1)."""


@command("RFPOWER", "q")
def power_query(call: Call) -> None:
    """Observed 2.0, 4.1, 4.2: Wi-Fi, and with Bluetooth in the build advertising, scan, connection."""
    call.respond("+RFPOWER:" + ",".join(map(str, call.state.rf_power or call.profile.rf_power)))


@command("RFPOWER", "s")
def power(call: Call) -> None:
    """Wi-Fi 40 to 84 in quarters of a dB, Bluetooth 0 to 7: as in later documents, a guess for 2.0."""
    arguments, fields = call.arguments, len(call.profile.rf_power)
    arguments.expect(1, fields)
    present = list(call.state.rf_power or call.profile.rf_power)
    wanted = arguments.integer(40, 84)
    present[0] = max(level for level in POWER_LEVELS if level <= wanted)
    for index in range(1, fields):
        present[index] = arguments.integer(0, 7, default=present[index])
    call.state.rf_power = tuple(present)


@command("SYSMSGFILTER", "q")
def filter_query(call: Call) -> None:
    """Off as shipped (observed 4.1)."""
    call.respond("+SYSMSGFILTER:0")


@command("SYSMSGFILTER", "s")
def filter_switch(call: Call) -> None:
    """Only off: filters are not simulated, and without one it cannot be switched on (a guess)."""
    call.arguments.expect(1, 1)
    if call.arguments.integer(0, 1):
        raise failed()


@command("SYSMSGFILTERCFG", "q")
def filters(call: Call) -> None:
    """Nothing but OK without a filter (observed 4.1)."""


@command("USERRAM", "q")
def user_ram(call: Call) -> None:
    """Observed 4.1: nothing allocated."""
    call.respond("+USERRAM:0")


@command("BLEINIT", "q")
def bluetooth(call: Call) -> None:
    """Observed 1.0, 2.0, 4.2: Bluetooth is in the build, and off. More of it is not simulated."""
    call.respond("+BLEINIT:0")


@command("MQTTCONN", "q")
def mqtt(call: Call) -> None:
    """Observed 4.1; more of MQTT is not simulated."""
    call.respond('+MQTTCONN:0,0,0,"","","",0')


@command("HTTPCHEAD", "q")
def http_headers(call: Call) -> None:
    """Observed 4.1; more of HTTP is not simulated."""
