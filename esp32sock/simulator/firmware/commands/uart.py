"""Chapter 3 of the 2017 document: the UART commands.

No range or count has a code on 1.0, only what does not parse (sweeps of UART and UART_CUR).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.serial.uart import UartSettings, real_baud

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.firmware.commands.call import Call

BAUD_RANGE = (80, 5_000_000)
"""V1.0 3.2.7."""

ODD = 1
"""V1.0 3.2.7."""


def uart_answer(name: str, settings: UartSettings, baud: int, parity: int) -> str:
    rest = (settings.data_bits, settings.stop_bits, parity, settings.flow_control)
    return f"+{name}:{baud},{','.join(map(str, rest))}"


@command("UART", "q")
@command("UART_CUR", "q")
def uart_query(call: Call) -> None:
    """Reads the divider back: 115201 (observed 1.0, 2.0, 4.1); a parity reads as 0 up to 2.0 (sweep)."""
    settings = call.board.uart.settings
    parity = settings.parity if call.profile.reads_parity else 0
    call.respond(uart_answer(call.name, settings, real_baud(settings.baud), parity))


@command("UART_DEF", "q")
def uart_stored_query(call: Call) -> None:
    """What is stored, exactly (observed 1.0, 2.0, 4.1), but odd parity as -1 up to 2.0 (real-firmware 9)."""
    settings = call.board.stored_uart()
    odd = settings.parity == ODD and not call.profile.reads_parity
    call.respond(uart_answer(call.name, settings, settings.baud, -1 if odd else settings.parity))


def read_uart(call: Call) -> UartSettings:
    arguments = call.arguments.without_codes()
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
    return partial(call.board.uart.change_after_output, settings)


@command("UART_CUR", "s")
def uart_current(call: Call) -> None:
    """V1.0 3.2.8."""
    call.after(apply_uart(call, read_uart(call)))


@command("UART", "s")
@command("UART_DEF", "s")
def uart_default(call: Call) -> None:
    """V1.0 3.2.7, 3.2.9: also stored."""
    settings = read_uart(call)
    call.board.nvs.set("uart", settings)
    call.after(apply_uart(call, settings))
