"""The Wi-Fi of a running module: joining, and joining again when the access point comes back.

Theory of operation: the firmware joins again by itself, about every second, after it has lost its access
point (at-dialects 8.2). After a restart it does not know which one, since nothing is stored (SYSSTORE=0); and
joining again may be switched off, or given up. So the last join, of the options or a command, is remembered
here: it is repeated after a restart, and after REJOIN_S without a network. A command that leaves the network
ends that.

The address is read, not assumed: WIFI lines get lost, come without reason, or never come (old firmware). So
AT+CIFSR is asked again after every one of them, while a socket waits for an address, and when a connection
fails; after WIFI DISCONNECT an address counts only if AT+CWJAP? names a network, too.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import trio

from esp32sock.at.commands import Raw, basic, ipv6, smartconfig, tcpip, wifi
from esp32sock.at.state import ModuleState
from esp32sock.at.urcs import Wifi
from esp32sock.engine.outage_log import OutageLog
from esp32sock.engine.repeating import execute_repeated
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from esp32sock.at.commands import Command
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context

R = TypeVar("R")

LOST_S = 0.8
"""The module closes its links itself when the station is lost (2.0 on); after this they are checked."""
EXPECT_S = (1.0, 2.0, 4.0, 8.0)
"""After WIFI CONNECTED the address is asked for at these intervals: WIFI GOT IP may be lost."""
REJOIN_S = 15.0
"""So long the firmware may try by itself; by taste, joins take up to 20 s once it sees the access point."""
REJOIN_MOST_S = 120.0
"""The pause between two tries doubles up to this; by taste."""
WITH_STATION = (wifi.WifiMode.STATION, wifi.WifiMode.STATION_AND_SOFTAP)

log = logging.getLogger("esp32sock")


class Execute(Protocol):
    """Runs one command: `Engine.execute`, or `CommandChannel.execute_exclusive` while holding the channel."""

    def __call__(self, command: Command[R], /) -> Awaitable[R]: ...


class Station:
    """The network that a module is joined to, or is to join."""

    def __init__(self, context: Context, wanted: wifi.Join | None) -> None:
        self._context = context
        self._wanted = wanted
        self._outage = OutageLog(f"the Wi-Fi of the module on {context.options.url}", trio.current_time)
        self._left = False
        self._is_rejoining = False
        self._is_doubtful = False
        """Whether the module printed WIFI DISCONNECT, and nothing since shows that it is joined."""
        context.network = self

    # -- commands -------------------------------------------------------------------------------------

    async def set_up(self, channel: CommandChannel, *, must_join: bool) -> None:
        """Join the wanted network, holding the channel; CommandError if that fails and `must_join`.

        With `ipv6` of the options IPv6 is on before.
        """
        if self._context.options.ipv6:
            await self._turn_ipv6_on(channel)
        if self._wanted is not None:
            try:
                await _join_again(channel.execute_exclusive, self._wanted)
            except CommandError as error:
                if must_join:
                    raise
                self._outage.failed(error)
                self._context.tasks.spawn(self._keep_joined)
        await self.read_addresses(channel)

    async def _turn_ipv6_on(self, channel: CommandChannel) -> None:
        """An IPv6 address comes with a join (at-dialects 7.14), so a network of before is joined anew."""
        if not channel.session.firmware.has_ipv6:
            raise Error(
                "this firmware has no IPv6 (ipv6=True); it exists from 2.2 on", errno=errno.EAFNOSUPPORT
            )
        self._context.ipv6_is_on = True
        if await execute_repeated(channel, ipv6.Ipv6()):
            return
        await execute_repeated(channel, ipv6.SetIpv6(on=True))
        if await execute_repeated(channel, wifi.Joined()) is None:
            return
        await channel.execute_exclusive(wifi.Leave())
        if self._wanted is None:
            await channel.execute_exclusive(wifi.Rejoin())

    async def join(
        self, execute: Execute, wanted: wifi.Join, *, timeout: float | None = None
    ) -> wifi.JoinedTo | None:
        """Join an access point now, with the user's `execute`; see `Engine.join` for the rest."""
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            await enable_station(execute)
            await execute(wanted)
            channel = self._context.channel
            async with channel.exclusive():
                await self.read_addresses(channel)
            return await execute(wifi.Joined())
        raise Error(f"the module has not joined {wanted.ssid!r} within {timeout} s", errno=errno.ETIMEDOUT)

    async def read_addresses(self, channel: CommandChannel) -> None:
        """Ask for the module's own addresses, holding the channel; CommandError if it does not say them.

        If the station has none any more, that counts as a lost network.
        """
        had_address = self._context.addresses.station_ip is not None
        found = await execute_repeated(channel, wifi.OwnAddresses())
        if found.station_ip is not None and self._is_doubtful:
            if await execute_repeated(channel, wifi.Joined()) is None:
                found = replace(found, station_ip=None)
            else:
                self._is_doubtful = False
        self._context.addresses = found
        self._context.notify()
        if found.station_ip is not None:
            self._outage.ended()
        if had_address and found.station_ip is None:
            log.info("the module has no address any more")
            self._address_lost()

    async def verify(self) -> None:
        """Ask for the addresses now, once the module is set up."""
        channel = await self._context.ready()
        async with channel.exclusive():
            await self.read_addresses(channel)

    def on_command_succeeded(self, command: Command[Any]) -> None:
        """A command of the user succeeded: some decide which network is wanted from now on."""
        if isinstance(command, wifi.Join):
            self._wanted, self._left = command, False
        elif isinstance(command, wifi.Rejoin):
            self._left = False
        elif isinstance(command, basic.Restore):
            self._wanted, self._left = None, True
        elif isinstance(command, ipv6.SetIpv6):
            self._context.ipv6_is_on = command.on and self._context.options.ipv6 is not False
        elif _leaves_network(command):
            self._wanted, self._left = None, True
            self._context.notify()

    # -- what the module prints -----------------------------------------------------------------------

    def changed(self, state: Wifi) -> None:
        """A WIFI line; called in the channel's reading task."""
        log.info("Wi-Fi: %s", state.name.lower().replace("_", " "))
        if state is Wifi.DISCONNECTED:
            self._is_doubtful = True
            self._context.addresses = wifi.Addresses()
            self._address_lost()
        elif state is Wifi.CONNECTED:
            if self._context.addresses.station_ip is not None:
                self._suspect_restart(self._context.channel)
            self._context.tasks.spawn(self._expect_address)
        elif state is Wifi.GOT_IPV6:
            if self._context.options.ipv6 is not False:
                self._context.tasks.spawn(self.verify)
        elif state is Wifi.GOT_IP:
            self._left = self._is_doubtful = False
            self._context.tasks.spawn(self.verify)

    @staticmethod
    def _suspect_restart(channel: CommandChannel) -> None:
        """It joins again without having left: a firmware that stores its network does so when it boots."""
        if channel.state is ModuleState.READY:
            channel.comparison.doubt = "it joined its network again, and had not left it"
            channel.session.suspect(trio.current_time())
            channel.dispatch()

    def _address_lost(self) -> None:
        self._context.tasks.spawn(self._check_links)
        self._context.tasks.spawn(self._keep_joined)

    def forget(self) -> None:
        """The module restarted, or is lost."""
        self._is_doubtful = False
        self._context.addresses = wifi.Addresses()

    def lost(self, link_id: int) -> Error | None:
        """Why a link ended that the module closed; None if not for the Wi-Fi."""
        if self._context.addresses.station_ip is not None:
            return None
        return Error(f"link {link_id} was lost with the Wi-Fi", errno=errno.ENETDOWN)

    async def _expect_address(self) -> None:
        """The module has joined: it is about to have an address."""
        for pause_s in EXPECT_S:
            await trio.sleep(pause_s)
            if self._context.addresses.station_ip is not None:
                return
            await self.verify()

    async def _check_links(self) -> None:
        """The Wi-Fi was lost: links that the module does not list any more end with an error."""
        await trio.sleep(LOST_S)
        if self._context.addresses.station_ip is None:
            await self.verify()
        if self._context.addresses.station_ip is not None:
            return
        channel = await self._context.ready()
        listed = {link.link_id for link in await channel.execute(tcpip.Links())}
        for pump in self._context.pumps():
            error = self.lost(pump.link_id)
            if pump.link_id not in listed and error is not None:
                pump.fail(error)

    # -- being joined again ---------------------------------------------------------------------------

    async def _keep_joined(self) -> None:
        """Until there is a network: join again, in case the firmware does not."""
        if self._is_rejoining:
            return
        self._is_rejoining = True
        pause_s = REJOIN_S
        try:
            while True:
                with trio.move_on_after(pause_s):
                    await self._context.until(lambda: self._is_settled)
                    return
                await self._try_again()
                pause_s = min(2 * pause_s, REJOIN_MOST_S)
        finally:
            self._is_rejoining = False

    @property
    def _is_settled(self) -> bool:
        return self._context.addresses.station_ip is not None or self._left

    async def _try_again(self) -> None:
        try:
            channel = await self._context.ready()
            async with channel.exclusive():
                if not self._left:
                    await self.read_addresses(channel)
                if self._is_settled:
                    return
                if self._wanted is not None:
                    await _join_again(channel.execute_exclusive, self._wanted)
                elif self._context.firmware.at_least(2, 2):
                    await channel.execute_exclusive(wifi.Rejoin())
        except Error as error:
            self._outage.failed(error)


def _leaves_network(command: Command[Any]) -> bool:
    """Whether a command takes the Wi-Fi over from the engine; for a raw command its name decides."""
    match command:
        case wifi.Leave() | smartconfig.StartSmartConfig():
            return True
        case smartconfig.Wps():
            return command.on
        case wifi.SetMode():
            return command.mode not in WITH_STATION
        case Raw():
            text = command.text.upper()
            return command.ends_links and text.startswith((b"AT+CW", b"AT+WPS"))
        case _:
            return False


async def enable_station(execute: Execute) -> None:
    """Turn the station on, and leave the SoftAP as it is."""
    mode = await execute(wifi.Mode())
    if mode not in WITH_STATION:
        await execute(wifi.SetMode(wifi.WifiMode(mode | wifi.WifiMode.STATION)))


async def _join_again(execute: Execute, wanted: wifi.Join) -> None:
    """Be joined to this access point; CommandError with the reason when it fails.

    Nothing is sent to a module that is joined to it already: a join ends every link.
    """
    await enable_station(execute)
    joined = await execute(wifi.Joined())
    if joined is None or joined.ssid != wanted.ssid or (wanted.bssid or joined.bssid) != joined.bssid:
        await execute(wanted)
