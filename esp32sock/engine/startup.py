"""From a module that answers (`probe.py`) to one in a known state: the settings that everything rests on.

Theory of operation: an earlier program may have left anything set, so nothing is assumed to have its default
(architecture 5): what sockets rely on is set or read here, and what belongs to a link at its first use.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import basic, passthrough, servers, sleep, tcpip
from esp32sock.engine.probe import probe
from esp32sock.engine.repeating import TRIES, execute_repeated, is_looked_for
from esp32sock.errors import CommandError, CommandTimeout, Error

if TYPE_CHECKING:
    from esp32sock.at.commands import SimpleCommand
    from esp32sock.at.firmware import Firmware
    from esp32sock.engine.channel import CommandChannel

LIGHT_SLEEP = (2, 1)
"""The first release that has it (at-dialects 5)."""
STORED_S = 10.0
"""How long a module with a stored passthrough may need after `ready` to join and connect; by taste."""
RESTORE_S = 3.0
log = logging.getLogger("esp32sock")


async def set_up(channel: CommandChannel) -> bool:
    """Echo off, firmware known, several links allowed, nothing left open; CommandError if it will not.

    Whether it was left in passthrough.
    """
    await identify(channel)
    if channel.session.firmware.has_sysstore:
        await _allowed_to_fail(channel, basic.StoreSettings(on=False))
    if channel.session.firmware.at_least(5, 0):  # it says why a connection failed then (at-dialects 3.3)
        await _allowed_to_fail(channel, basic.ErrorCodes(on=True))
    if channel.session.firmware.has_sysmsg:
        await _allowed_to_fail(channel, passthrough.SetSystemMessages(passthrough.Messages.LINK_DETAILS))
    was_in_passthrough = await end_passthrough(channel)
    if await execute_repeated(channel, tcpip.Multiplexed()):
        await _end_links_of_before(channel)
    elif await _multiplex(channel) and channel.session.firmware.leaves_passthrough_unseen:
        _warn_of_passthrough(channel)
        was_in_passthrough = True
    await execute_repeated(channel, tcpip.ShowPeer(on=False))
    return was_in_passthrough


async def restore(channel: CommandChannel) -> None:
    """No link, and messages and echo as after a boot: the next program knows them, its probe the echo."""
    with trio.move_on_after(RESTORE_S), suppress(Error):
        with suppress(CommandError):  # one that opened unseen, or that no list shows, may be left
            await channel.execute(tcpip.Close(tcpip.ALL_LINKS))
        if channel.session.firmware.has_sysmsg:
            await channel.execute(passthrough.SetSystemMessages(passthrough.Messages(0)))
        await channel.execute(basic.Echo(on=True))


async def identify(channel: CommandChannel) -> None:
    """Echo off, and the firmware known; CommandError if the module will not say which one it has."""
    await execute_repeated(channel, basic.Echo(on=False))
    channel.session.firmware = await _version(channel)


async def _version(channel: CommandChannel) -> Firmware:
    """What the module says; where that is not what is known of it, what it says twice."""
    said = channel.session.firmware
    for _ in range(TRIES + 1):
        firmware = await execute_repeated(channel, basic.Version())
        if firmware.is_known:
            if not said.is_known or firmware.version == said.version:
                return firmware
            said = firmware
    raise CommandError("AT+GMR", "the answer names no AT version: which firmware is this?")


async def end_passthrough(channel: CommandChannel) -> bool:
    """Back to normal sending, once `probe` has left passthrough; whether it was in it, or about to be."""
    try:
        if not await execute_repeated(channel, passthrough.Passthrough()):
            return False
    except CommandError as error:
        log.debug("%s", error)
        return False
    _warn_of_passthrough(channel)
    await _allowed_to_fail(channel, tcpip.SetPassthrough(on=False))
    return True


def _warn_of_passthrough(channel: CommandChannel) -> None:
    log.warning(
        "the module on %s was in passthrough, which is ended now; if it is stored (AT+SAVETRANSLINK), "
        "every restart begins it again, until passthrough.ForgetPassthrough() is executed",
        channel.port.name,
    )


async def warn_of_light_sleep(channel: CommandChannel) -> None:
    """Warn that the UART of a module in light sleep receives nothing, where the firmware has that mode."""
    if not channel.session.firmware.at_least(*LIGHT_SLEEP):
        return
    try:
        mode = await channel.execute_exclusive(sleep.Sleep())
    except CommandError as error:
        log.debug("%s", error)
        return
    note_sleep(channel, mode)


def note_sleep(channel: CommandChannel, mode: sleep.SleepMode) -> None:
    """The module sleeps like that from now on."""
    if mode is sleep.SleepMode.LIGHT:
        log.warning(
            "the module on %s is in light sleep, in which its UART misses bytes: commands and payload may be "
            "lost until it is awake; sleep.SetSleep(sleep.SleepMode.OFF) ends that",
            channel.port.name,
        )


async def leave_stored_passthrough(channel: CommandChannel) -> None:
    """After a restart that ends in passthrough: let it begin, or nothing sent later would be a command."""
    await trio.sleep(STORED_S)
    await probe(channel)


async def use_flow_control(channel: CommandChannel) -> None:
    """RTS and CTS on both sides; PortError or CommandError where either has none."""
    settings = await channel.execute_exclusive(basic.Uart())
    wanted = replace(
        settings, baudrate=channel.port.baudrate or settings.baudrate, flow=basic.FlowControl.RTS_CTS
    )
    await channel.execute_exclusive(basic.SetUart(wanted))
    channel.port.set_rtscts(True)
    await channel.execute_exclusive(basic.Test())
    channel.has_flow_control = True


async def _multiplex(channel: CommandChannel) -> bool:
    """Allow several links; whether one of single-link mode was open, which is closed (at-dialects 7.3)."""
    try:
        await channel.execute_exclusive(tcpip.SetMultiplexed(on=True))
    except CommandError:
        await _allowed_to_fail(channel, tcpip.Close(None))
        await execute_repeated(channel, tcpip.SetMultiplexed(on=True))
        return True
    return False


async def _end_links_of_before(channel: CommandChannel) -> None:
    """What stays open unseen has lost bytes, and would pass for a new client; refused where there is none."""
    for command in (servers.StopListening(), tcpip.Close(tcpip.ALL_LINKS)):
        try:
            await execute_repeated(channel, command)
        except CommandError as error:
            if isinstance(error, CommandTimeout) and is_looked_for(channel):
                raise
            log.debug("set-up continues without %s", error)


async def _allowed_to_fail(channel: CommandChannel, command: SimpleCommand) -> None:
    """What brings a known state about and is refused where that is the state already."""
    try:
        await channel.execute_exclusive(command)
    except CommandError as error:
        log.debug("set-up continues without %s", error)
