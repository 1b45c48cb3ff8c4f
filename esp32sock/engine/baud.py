"""Changing the serial line on both sides, and going back where it does not work.

Theory of operation: the module answers OK at the old settings and has the new ones from then on; the host
follows and sends AT. Without an answer the module may still receive the host although the host does not
receive the module: the module is set back with a command, and the host follows. During all this the channel
is SYNCING, in which no late answer is expected for an unanswered command. Only settings that have worked
are stored.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import basic
from esp32sock.engine.options import DEFAULT_BAUD
from esp32sock.errors import CommandError, Error, PortError

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.transports import Port

SETTLE_S = 0.05
"""Between the OK of AT+UART at the old rate and the first byte at the new one; 10 ms are needed
(at-dialects 5.1).
"""
VERIFY_TRIES = 3
RATES = (230_400, 460_800, 921_600, 1_500_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000)
"""What is tried upwards: usual rates of adapters, up to the most that a module takes (at-dialects 5.1)."""
CHECKS = 8
"""How often the module must describe itself in the same words before a rate counts as carried."""

log = logging.getLogger("esp32sock")


async def present(channel: CommandChannel) -> basic.UartSettings:
    """What the module uses now; called while holding the channel.

    Firmware without a query (V1.0 3.2.8) is taken to have what modules are shipped with, 8N1 and RTS, at the
    rate at which it answers.
    """
    try:
        return await channel.execute_exclusive(basic.Uart())
    except CommandError as error:
        if type(error) is not CommandError:  # a time-out or busy says nothing about the firmware
            raise
    return basic.UartSettings(channel.port.baudrate or DEFAULT_BAUD)


async def change(channel: CommandChannel, wanted: basic.UartSettings, *, store: bool = False) -> None:
    """Change the serial line on both sides, and store it once it works; called while holding the channel.

    PortError if the host's side cannot do it (nothing was changed), or if the module does not answer then:
    both sides are put back, and the error says whether that worked.
    """
    run = channel.execute_exclusive
    before = await present(channel)
    rate = channel.port.baudrate or before.baudrate
    before = replace(before, baudrate=rate)
    _try_rate(channel.port, wanted.baudrate, rate)
    await run(basic.SetUart(wanted))
    await _follow(channel, before, wanted)
    if await _is_responding(channel):
        if store:
            await run(basic.SetStoredUart(wanted))
        return
    await _roll_back(channel, before, wanted)
    raise PortError(
        f"no valid answer at {wanted.baudrate} baud; both sides are at {rate} again; the "
        "adapter or its cable may not support this rate or the flow control",
        errno=errno.EPROTO,
    )


async def climb(channel: CommandChannel, *, store: bool = False) -> basic.UartSettings:
    """Try RATES upwards, leave both sides at the highest that carries, store it if asked; its settings.

    Called while holding the channel. A rate that the adapter refuses is left out; the first one at which an
    answer is missing or differs ends it, and both sides go back. PortError if they cannot.
    """
    best = await present(channel)
    best = replace(best, baudrate=channel.port.baudrate or best.baudrate)
    described = await channel.execute_exclusive(basic.Version())
    for rate in RATES:
        if rate <= best.baudrate:
            continue
        wanted = replace(best, baudrate=rate)
        try:
            await change(channel, wanted)
        except PortError as error:
            log.info("%s", error)
            if error.errno == errno.EINVAL:
                continue
            if not await _is_responding(channel):
                raise
            break
        if not await _is_carried(channel, described):
            await change(channel, best)
            break
        best = wanted
    if store:
        await channel.execute_exclusive(basic.SetStoredUart(best))
    return best


async def _is_carried(channel: CommandChannel, described: Firmware) -> bool:
    """Whether answers of several lines come as before, again and again."""
    for _ in range(CHECKS):
        try:
            if await channel.execute_exclusive(basic.Version()) != described:
                return False
        except CommandError as error:
            log.info("%s", error)
            return False
    return True


def _try_rate(port: Port, wanted: int, present: int) -> None:
    try:
        port.set_baud(wanted)
        port.set_baud(present)
    except (OSError, ValueError) as error:
        raise PortError(
            f"this adapter cannot do {wanted} baud ({error}); nothing was changed", errno=errno.EINVAL
        ) from error


async def _follow(channel: CommandChannel, before: basic.UartSettings, now: basic.UartSettings) -> None:
    """The host's side, as the module's now is."""
    await trio.sleep(SETTLE_S)
    channel.set_baud(now.baudrate)
    both = basic.FlowControl.RTS_CTS
    if now.flow is both or before.flow is both:
        channel.port.set_rtscts(now.flow is both)
    channel.has_flow_control = now.flow is both
    channel.write_raw(b"\r\n")  # what the change may have left in the module's line buffer
    await trio.sleep(SETTLE_S)


async def _is_responding(channel: CommandChannel) -> bool:
    for _ in range(VERIFY_TRIES):
        try:
            await channel.execute_exclusive(basic.Test())
        except PortError:
            raise
        except Error:
            continue
        return True
    return False


async def _roll_back(channel: CommandChannel, before: basic.UartSettings, tried: basic.UartSettings) -> None:
    """Set the module back, which may still receive the host, and then the host."""
    try:
        await channel.execute_exclusive(basic.SetUart(before))
    except CommandError as error:
        log.debug("%s", error)
    await _follow(channel, tried, before)
    if not await _is_responding(channel):
        raise PortError(
            f"no valid answer at the new rate, and nothing at {before.baudrate} baud either: restart "
            "the module, then it has its stored rate again",
            errno=errno.EPROTO,
        )
