"""Chapter 3 of the 2017 document: basic commands. The commands of later firmware that belong to it are here
too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..uart import UartSettings, real_baud
from .registry import Call, command

if TYPE_CHECKING:
    from collections.abc import Callable

BAUD_RANGE = (80, 5_000_000)
"""V1.0 3.2.7."""


@command("AT", "e")
def at(call: Call) -> None:
    """V1.0 3.2.1."""


@command("ATE0", "e")
def echo_off(call: Call) -> None:
    """V1.0 3.2.5."""
    call.state.echo = False


@command("ATE1", "e")
def echo_on(call: Call) -> None:
    """V1.0 3.2.5."""
    call.state.echo = True


@command("RST", "e")
def restart(call: Call) -> None:
    """V1.0 3.2.2: OK first, then the restart."""
    call.after(call.firmware.restart_soon)


@command("RESTORE", "e")
def restore(call: Call) -> None:
    """V1.0 3.2.6: forget everything stored, then restart."""
    call.firmware.nvs.erase()
    call.after(call.firmware.restart_soon)


@command("GMR", "e")
def version(call: Call) -> None:
    """V1.0 3.2.3."""
    for line in call.profile.version:
        call.say(line)


def uart_answer(name: str, settings: UartSettings, baud: int) -> str:
    rest = (settings.data_bits, settings.stop_bits, settings.parity, settings.flow_control)
    return f"+{name}:{baud},{','.join(map(str, rest))}"


@command("UART", "q")
@command("UART_CUR", "q")
def uart_query(call: Call) -> None:
    """Reads the divider back: 115201 (observed 2.0, 4.1)."""
    settings = call.firmware.uart.settings
    call.say(uart_answer(call.name, settings, real_baud(settings.baud)))


@command("UART_DEF", "q")
def uart_stored_query(call: Call) -> None:
    """What is stored, exactly (observed 2.0, 4.1)."""
    settings = call.firmware.stored_uart()
    call.say(uart_answer(call.name, settings, settings.baud))


def read_uart(call: Call) -> UartSettings:
    arguments = call.arguments
    arguments.expect(5, 5)
    return UartSettings(
        baud=arguments.integer(*BAUD_RANGE),
        data_bits=arguments.integer(5, 8),
        stop_bits=arguments.integer(1, 3),
        parity=arguments.integer(0, 2),
        flow_control=arguments.integer(0, 3),
    )


def apply_uart(call: Call, settings: UartSettings) -> Callable[[], None]:
    """OK goes out at the old speed, then the new one holds (at-dialects 2)."""
    firmware = call.firmware

    def apply() -> None:
        firmware.kernel.call_later(firmware.uart.seconds_to_drain(), lambda: firmware.uart.change(settings))

    return apply


@command("UART_CUR", "s")
def uart_current(call: Call) -> None:
    """V1.0 3.2.8."""
    call.after(apply_uart(call, read_uart(call)))


@command("UART", "s")
@command("UART_DEF", "s")
def uart_default(call: Call) -> None:
    """V1.0 3.2.7, 3.2.9: also stored."""
    settings = read_uart(call)
    call.firmware.nvs.set("uart", settings)
    call.after(apply_uart(call, settings))


@command("SYSRAM", "q")
def free_ram(call: Call) -> None:
    """V1.0 3.2.11; one CR LF before OK (observed 2.0, 4.1)."""
    call.say_open(f"+SYSRAM:{call.profile.free_ram}")


@command("SYSLOG", "q")
def syslog_query(call: Call) -> None:
    call.say(f"+SYSLOG:{int(call.state.syslog)}")


@command("SYSLOG", "s")
def syslog(call: Call) -> None:
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


@command("CMD", "q")
def list_commands(call: Call) -> None:
    """Observed 4.1, cmd-list: number, name and a digit for each of the four forms."""
    for number, (name, forms) in enumerate(call.profile.commands.items()):
        full = name if name.startswith("AT") else f"AT+{name}"
        call.say(f'+CMD:{number},"{full}",' + ",".join(str(int(form in forms)) for form in "tqse"))
