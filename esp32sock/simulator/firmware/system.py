"""The SYS commands that came after the 2017 document, RFPOWER, and what stands in factory partitions."""

from __future__ import annotations

from .registry import Call, command
from .results import failed

SYSTEM_PARTITIONS = ('"mfg_nvs",1,2,0x21000,0x1c000', '"fs_storage",1,255,0x70000,0x90000')
"""Observed 4.1."""

OLD_PARTITIONS = (
    ("ble_data", 1, 0x3000),
    ("server_cert", 2, 0x2000),
    ("server_key", 3, 0x2000),
    ("server_ca", 4, 0x2000),
    ("client_cert", 5, 0x2000),
    ("client_key", 6, 0x2000),
    ("client_ca", 7, 0x2000),
    ("factory_param", 8, 0x1000),
)
"""Observed 2.0: type 64, from 0x21000 on, one behind the other but for the first gap."""

MANUFACTURING_NAMESPACES = tuple(
    f"{use}_{what}"
    for use in ("server", "client", "mqtt", "https")
    for what in ("ca", "cert", "key")
)  # fmt: skip
"""Observed 4.1."""


@command("SYSLOG", "q")
def syslog_query(call: Call) -> None:
    call.say(f"+SYSLOG:{int(call.state.syslog)}")


@command("SYSLOG", "s")
def syslog(call: Call) -> None:
    """At-dialects 3.3: error codes before ERROR and busy."""
    call.arguments.expect(1, 1)
    call.state.syslog = bool(call.arguments.integer(0, 1))


@command("SYSSTORE", "q")
def store_query(call: Call) -> None:
    call.say(f"+SYSSTORE:{int(call.state.store)}")


@command("SYSSTORE", "s")
def store(call: Call) -> None:
    """At-dialects 5: whether later settings reach the flash."""
    call.arguments.expect(1, 1)
    call.state.store = bool(call.arguments.integer(0, 1))


@command("SYSMSG", "q")
def messages_query(call: Call) -> None:
    """One CR LF before OK (observed 2.0, 4.1)."""
    call.say_open(f"+SYSMSG:{call.state.sysmsg}")


@command("SYSMSG", "s")
def messages(call: Call) -> None:
    """At-dialects 5: bit 0 +QUITT, bit 1 +LINK_CONN, bit 2 link state during passthrough; stored."""
    call.arguments.expect(1, 1)
    call.state.sysmsg = call.arguments.integer(0, call.profile.highest_sysmsg)
    call.remember("sysmsg", call.state.sysmsg)


@command("SYSTIMESTAMP", "q")
def timestamp_query(call: Call) -> None:
    """Seconds of the clock, which starts at 0 with the chip (observed 2.0, 4.1)."""
    call.say_open(f"+SYSTIMESTAMP:{int(call.firmware.clock())}")


@command("SYSTIMESTAMP", "s")
def timestamp(call: Call) -> None:
    """At-dialects 5: lets a host set the clock."""
    call.arguments.expect(1, 1)
    call.firmware.set_clock(call.arguments.integer(0, (1 << 31) - 1))


@command("RFPOWER", "q")
def power_query(call: Call) -> None:
    """Observed 2.0, 4.1, 4.2: Wi-Fi, and with Bluetooth in the build advertising, scan, connection."""
    call.say("+RFPOWER:" + ",".join(map(str, call.state.rf_power or call.profile.rf_power)))


@command("RFPOWER", "s")
def power(call: Call) -> None:
    """Wi-Fi 40 to 84 in quarters of a dB, Bluetooth 0 to 7: as in later documents, a guess for 2.0."""
    arguments, fields = call.arguments, len(call.profile.rf_power)
    arguments.expect(1, fields)
    present = list(call.state.rf_power or call.profile.rf_power)
    present[0] = arguments.integer(40, 84)
    for index in range(1, fields):
        present[index] = arguments.integer(0, 7, default=present[index])
    call.state.rf_power = tuple(present)


@command("SYSFLASH", "q")
def partitions(call: Call) -> None:
    if call.profile.certificates_in_nvs:
        for line in SYSTEM_PARTITIONS:
            call.say(f"+SYSFLASH:{line}")
        return
    for name, subtype, size in OLD_PARTITIONS:
        start = 0x21000 if subtype == 1 else 0x24000 + (subtype - 2) * 0x2000
        call.say(f'+SYSFLASH:"{name}",64,{subtype},0x{start:x},0x{size:x}')


@command("SYSMFG", "q")
def manufacturing(call: Call) -> None:
    for name in MANUFACTURING_NAMESPACES:
        call.say(f'+SYSMFG:"{name}"')


@command("SYSMSGFILTER", "q")
def filter_query(call: Call) -> None:
    """Off as shipped (observed 4.1)."""
    call.say("+SYSMSGFILTER:0")


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
    call.say("+USERRAM:0")


@command("BLEINIT", "q")
def bluetooth(call: Call) -> None:
    """Observed 1.0, 2.0, 4.2: Bluetooth is in the build, and off. More of it is not simulated."""
    call.say("+BLEINIT:0")


@command("MQTTCONN", "q")
def mqtt(call: Call) -> None:
    """Observed 4.1; more of MQTT is not simulated."""
    call.say('+MQTTCONN:0,0,0,"","","",0')


@command("HTTPCHEAD", "q")
def http_headers(call: Call) -> None:
    """Observed 4.1; more of HTTP is not simulated."""
