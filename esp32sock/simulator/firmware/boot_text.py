"""What the ROM and the bootloader print on UART0 while the chip starts.

Seen on the AT port only where a board or a build has AT on UART0 (at-dialects 2, 8.3). The text is that of
the captures (v201712-basic, restart; sweep, watchdog), without the lines that name partitions and segments.
"""

from __future__ import annotations

from enum import Enum

from esp32sock.simulator.serial.uart import UartSettings

ROM_UART = UartSettings(baud=115200, flow_control=0)
"""At which the ROM prints, whatever the firmware had set (at-dialects 2)."""


class ResetCause(Enum):
    """Number and name in the line `rst:`. The first and the last were not observed: from the chip's ROM."""

    POWER_ON = (0x1, "POWERON_RESET")
    SOFTWARE = (0xC, "SW_CPU_RESET")
    WATCHDOG = (0x8, "TG1WDT_SYS_RESET")
    DEEP_SLEEP = (0x5, "DEEPSLEEP_RESET")


_PANIC = "Guru Meditation Error: Core  0 panic'ed (Interrupt wdt timeout on CPU0)\r\n"
"""Source: at-dialects 8.3; what stands in the parentheses is a guess."""

_ROM = """ets Jul 29 2019 12:21:46

rst:0x{number:x} ({name}),boot:0x12 (SPI_FAST_FLASH_BOOT)
configsip: 0, SPIWP:0xee
clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00
mode:DIO, clock div:2
load:0x3fff0018,len:4
load:0x3fff001c,len:6352
ho 0 tail 12 room 4
load:0x40078000,len:11332
load:0x40080400,len:6564
entry 0x40080760
\x1b[0;32mI (454) boot: ESP-IDF v3.3 2nd stage bootloader\x1b[0m
\x1b[0;32mI (465) boot: Enabling RNG early entropy source...\x1b[0m
\x1b[0;32mI (941) boot: Loaded app from partition at offset 0x100000\x1b[0m
\x1b[0;32mI (2988) cpu_start: Pro cpu up.\x1b[0m
"""


def boot_text(cause: ResetCause) -> bytes:
    """Everything between the reset and the first byte of the AT firmware."""
    number, name = cause.value
    text = _ROM.format(number=number, name=name).replace("\n", "\r\n")
    return (_PANIC + text if cause is ResetCause.WATCHDOG else text).encode()
