"""From an open port to a module in a known state: the safe probe, and the settings everything rests on.

Theory of operation (at-dialects 4.2): the module may be fresh, in passthrough, inside a data phase, at
another baud rate, or booting. So nothing that could be taken for payload is written before `+++` has ended
both; only then is it asked for a sign of life. A module that says `busy p...` or boots is alive and is
waited for. Another baud rate is only looked for to name it, never changed.
"""

from __future__ import annotations

import errno
import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock.at.commands import SimpleCommand, basic, passthrough, servers, tcpip
from esp32sock.errors import CommandError, Error, PortError

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel

SILENCE_S = 0.1
DRAIN_S = 1.0
"""A module that talks on and on is not waited for longer than this."""
PLUS_S = 1.1
TRIES = 3
OTHER_RATE_S = 0.3
OTHER_RATES_BAUD = (115200, 921600, 460800, 230400, 57600, 38400, 9600)
TEXT = re.compile(rb"[\t\r\n\x1b -~]+")
"""What is heard at the right rate; at a wrong one it may be ASCII too, but is NUL then."""
STORED_S = 10.0
"""How long a module with a stored passthrough may need after `ready` to join and connect; by taste."""
ALIVE_S = 30.0
"""How long a module that boots or is busy is waited for."""

log = logging.getLogger("esp32sock")


async def probe(channel: CommandChannel) -> None:
    """Leave whatever mode the module is in and hear it say OK; PortError that says what is wrong if not.

    At most about 10 s, up to 30 s more for a module that shows that it is alive.
    """
    await _until_silent(channel)
    channel.write_raw(ESCAPE_SEQUENCE)
    await trio.sleep(PLUS_S)
    channel.write_raw(b"\r\n")
    await _until_silent(channel)
    tries, waiting = 0, False
    asked_at = trio.current_time()
    with trio.CancelScope() as patience:
        while tries < TRIES or waiting:
            if await _says_ok(channel):
                return
            if channel.is_alive and not waiting:
                waiting = True
                patience.deadline = asked_at + ALIVE_S
                log.warning(
                    "the module on %s boots or is busy; waiting up to %d s", channel.port.name, ALIVE_S
                )
            tries += 1
    if waiting:
        raise PortError(
            f"the module on {channel.port.name} is alive but has not answered OK for {ALIVE_S:.0f} s",
            errno=errno.ETIMEDOUT,
        )
    raise await _diagnosis(channel)


async def _until_silent(channel: CommandChannel) -> None:
    with trio.move_on_after(DRAIN_S):
        heard = -1
        while heard != channel.heard_bytes:
            heard = channel.heard_bytes
            await trio.sleep(SILENCE_S)


async def _says_ok(channel: CommandChannel) -> bool:
    try:
        await channel.execute_exclusive(basic.Test())
    except PortError:
        raise
    except Error:
        return False
    return True


async def _diagnosis(channel: CommandChannel) -> PortError:
    """Why the module does not say OK, as an error that says what to do."""
    port = channel.port
    sample = channel.sample
    given = port.baudrate
    if given is not None and not TEXT.fullmatch(sample):
        found = await _other_rate(channel)
        if found is not None:
            return PortError(
                f"the module on {port.name} answers at {found} baud, not at {given}: use baudrate={found} "
                f"(--baud {found})",
                errno=errno.EPROTO,
            )
    if not channel.heard_bytes:
        return PortError(
            f"nothing answers on {port.name} at {given} baud or any other usual rate: is the module powered, "
            "are TX and RX crossed, is this its AT port (GPIO16 and 17 on a WROOM-32)?",
            errno=errno.ENODEV,
        )
    return PortError(
        f"what answers on {port.name} is not an ESP-AT module: it sent {sample!r} and no OK",
        errno=errno.EPROTO,
    )


async def _other_rate(channel: CommandChannel) -> int | None:
    """The usual rate at which an AT is answered; the port is put back afterwards."""
    port = channel.port
    given = port.baudrate
    if given is None:
        return None
    try:
        for baud in OTHER_RATES_BAUD:
            if baud == given or not port.set_baud(baud):
                continue
            channel.write_raw(b"\r\n")  # what was said at other rates stands in the module's line buffer
            await trio.sleep(OTHER_RATE_S / 2)
            channel.sample = b""
            channel.write_raw(b"AT\r\n")
            await trio.sleep(OTHER_RATE_S)
            if b"OK\r\n" in channel.sample:
                return baud
    finally:
        port.set_baud(given)
    return None


async def set_up(channel: CommandChannel) -> bool:
    """Echo off, firmware known, several links allowed, nothing left open; CommandError if it will not.

    Whether it was left in passthrough.
    """
    run = channel.execute_exclusive
    await run(basic.Echo(on=False))
    channel.session.firmware = await run(basic.Version())
    if channel.session.firmware.has_sysstore:
        await _allowed_to_fail(channel, basic.StoreSettings(on=False))
    if channel.session.firmware.at_least(5, 0):  # it says why a connection failed then (at-dialects 3.3)
        await _allowed_to_fail(channel, basic.ErrorCodes(on=True))
    was_in_passthrough = await end_passthrough(channel)
    if await run(tcpip.Multiplexed()):
        await _allowed_to_fail(channel, tcpip.Close(tcpip.ALL_LINKS))
        await _allowed_to_fail(channel, servers.StopListening())
    else:
        await _multiplex(channel)
    await run(tcpip.ShowPeer(on=False))
    return was_in_passthrough


async def end_passthrough(channel: CommandChannel) -> bool:
    """Back to normal sending, once `probe` has left passthrough; whether it was in it, or about to be."""
    try:
        if not await channel.execute_exclusive(passthrough.Passthrough()):
            return False
    except CommandError as error:
        log.debug("%s", error)
        return False
    log.warning(
        "the module on %s was in passthrough, which is ended now; if it is stored (AT+SAVETRANSLINK), "
        "every restart begins it again, until passthrough.ForgetPassthrough() is executed",
        channel.port.name,
    )
    await _allowed_to_fail(channel, tcpip.SetPassthrough(on=False))
    return True


async def leave_stored_passthrough(channel: CommandChannel) -> None:
    """After a restart that ends in passthrough: let it begin, or nothing said later would be a command."""
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


async def _multiplex(channel: CommandChannel) -> None:
    """CIPMUX=1 is refused while a link of single-link mode is open (at-dialects 7.3): then that is closed."""
    try:
        await channel.execute_exclusive(tcpip.SetMultiplexed(on=True))
    except CommandError:
        await _allowed_to_fail(channel, tcpip.Close(None))
        await channel.execute_exclusive(tcpip.SetMultiplexed(on=True))


async def _allowed_to_fail(channel: CommandChannel, command: SimpleCommand) -> None:
    """What brings a known state about and is refused where that is the state already."""
    try:
        await channel.execute_exclusive(command)
    except CommandError as error:
        log.debug("set-up continues without %s", error)
