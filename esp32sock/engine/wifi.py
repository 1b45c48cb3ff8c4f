"""The Wi-Fi of a running module: joining, and being joined again when the access point comes back.

Theory of operation: the firmware joins again by itself, about every second, after it has lost its access
point (at-dialects 8.2). It forgets to where over a restart, since nothing is stored (SYSSTORE=0), and it may
have been told not to, or give up. So what was joined last, at start-up or by command, is remembered here: a
restart joins it again, and so does `REJOIN_S` without a network. Whoever told the module to leave is obeyed.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

import trio

from esp32sock.at.commands import Raw, basic, smartconfig, tcpip, wifi
from esp32sock.at.urcs import Wifi
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.engine import Engine

NETWORK_S = 5.0
"""How long a connection waits for an address while the station is joining; by taste."""
LOST_S = 0.8
"""The module closes its links itself when the station is lost (2.0 on); after this they are checked."""
REJOIN_S = 15.0
"""So long the firmware may try by itself; by taste, joins take up to 20 s once it sees the access point."""
REJOIN_MOST_S = 120.0
"""The pause between two tries doubles up to this; by taste."""
WITH_STATION = (wifi.WifiMode.STATION, wifi.WifiMode.STATION_AND_SOFTAP)

log = logging.getLogger("esp32sock")


class Station:
    """Where a module is joined, or wants to be."""

    def __init__(self, module: Engine, wanted: wifi.Join | None) -> None:
        self.addresses = wifi.Addresses()
        self._module = module
        self._wanted = wanted
        self._told_to_leave = False
        self._minded = False

    # -- commands -------------------------------------------------------------------------------------

    async def set_up(self, dialogue: CommandChannel, *, must_join: bool) -> None:
        """Join what is wanted, in the turn; a failure is only raised where it must not be."""
        if self._wanted is not None:
            try:
                await _join(dialogue, self._wanted)
            except CommandError as error:
                if must_join:
                    raise
                log.warning("%s; it is tried again", error)
                self._module.spawn(self._keep_joined)
        await self.read_addresses(dialogue)

    async def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> wifi.JoinedTo | None:
        """Join an access point now, and again after every restart and whenever it was lost.

        Turns the station on if need be. At most `timeout` (None: as long as the module takes, up to 45 s);
        links end as with `execute`. CommandError with the module's reason (its `errno`: ETIMEDOUT, EACCES for
        the password, ENETUNREACH where no such network is heard, ECONNREFUSED), Error(EBUSY) for open links.
        """
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            mode = await self._module.execute(wifi.Mode())
            if mode not in WITH_STATION:
                wanted = wifi.WifiMode(mode | wifi.WifiMode.STATION)
                await self._module.execute(wifi.SetMode(wanted), force=force)
            await self._module.execute(wifi.Join(ssid, password, bssid), force=force)
            dialogue = self._module.dialogue
            async with dialogue.turn():
                await self.read_addresses(dialogue)
            return await self._module.execute(wifi.Joined())
        raise Error(f"the module has not joined {ssid!r} within {timeout} s", errno=errno.ETIMEDOUT)

    async def read_addresses(self, dialogue: CommandChannel) -> None:
        """Ask for the module's own addresses, in the turn."""
        self.addresses = await dialogue.execute_exclusive(wifi.OwnAddresses())
        self._module.notify()

    def on_command_succeeded(self, command: Command[Any]) -> None:
        """A command of somebody's ended well; some say where to be from now on."""
        if isinstance(command, wifi.Join):
            self._wanted, self._told_to_leave = command, False
        elif isinstance(command, wifi.Rejoin):
            self._told_to_leave = False
        elif isinstance(command, basic.Restore):
            self._wanted, self._told_to_leave = None, True
        elif _leaves(command):
            self._wanted, self._told_to_leave = None, True
            self._module.notify()

    async def wait(self) -> None:
        """Until there is an address, bounded; Error(ENETUNREACH) without."""
        with trio.move_on_after(NETWORK_S):
            await self._module.until(lambda: self.addresses.station_ip is not None)
            return
        raise Error(
            f"the module on {self._module.options.url} has no Wi-Fi: join an access point first, with ssid= "
            "and password= (or ESP32SOCK_SSID and ESP32SOCK_PASSWORD)",
            errno=errno.ENETUNREACH,
        )

    # -- what the module says -------------------------------------------------------------------------

    def changed(self, state: Wifi) -> None:
        """A WIFI line; called in the dialogue's reading task."""
        if state is Wifi.DISCONNECTED:
            self.addresses = wifi.Addresses()
            self._module.spawn(self._check_links)
            self._module.spawn(self._keep_joined)
        elif state is Wifi.GOT_IP:
            self._told_to_leave = False
            self._module.spawn(self._refresh_addresses)

    def forget(self) -> None:
        """The module restarted, or is gone."""
        self.addresses = wifi.Addresses()

    def lost(self, link_id: int) -> Error | None:
        """Why a link ended that the module closed; None if not for the Wi-Fi."""
        if self.addresses.station_ip is not None:
            return None
        return Error(f"link {link_id} was lost with the Wi-Fi", errno=errno.ENETDOWN)

    async def _refresh_addresses(self) -> None:
        dialogue = await self._module.ready()
        async with dialogue.turn():
            await self.read_addresses(dialogue)

    async def _check_links(self) -> None:
        """The Wi-Fi was lost: whoever's link the module does not list any more hears of it."""
        await trio.sleep(LOST_S)
        if self.addresses.station_ip is not None:
            return
        listed = {link.link_id for link in await self._module.execute(tcpip.Links())}
        for link_id, pump in list(self._module.pool.pumps.items()):
            error = self.lost(link_id)
            if link_id not in listed and error is not None:
                pump.fail(error)

    # -- being joined again ---------------------------------------------------------------------------

    async def _keep_joined(self) -> None:
        """Until there is a network: join again, in case the firmware does not."""
        if self._minded:
            return
        self._minded = True
        pause_s = REJOIN_S
        try:
            while True:
                with trio.move_on_after(pause_s):
                    await self._module.until(lambda: self._is_settled)
                    return
                await self._try_again()
                pause_s = min(2 * pause_s, REJOIN_MOST_S)
        finally:
            self._minded = False

    @property
    def _is_settled(self) -> bool:
        return self.addresses.station_ip is not None or self._told_to_leave

    async def _try_again(self) -> None:
        try:
            dialogue = await self._module.ready()
            async with dialogue.turn():
                if self._is_settled:
                    return
                if self._wanted is not None:
                    await _join(dialogue, self._wanted)
                elif self._module.firmware.at_least(2, 2):
                    await dialogue.execute_exclusive(wifi.Rejoin())
        except Error as error:
            log.warning("the Wi-Fi is not back: %s", error)


def _leaves(command: Command[Any]) -> bool:
    """Whether somebody arranges the Wi-Fi himself; that a raw command says so is enough."""
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


async def _join(dialogue: CommandChannel, wanted: wifi.Join) -> None:
    """Be joined to this access point; CommandError with the reason when it fails.

    Nothing is sent to a module that is joined to it already: a join ends every link.
    """
    run = dialogue.execute_exclusive
    mode = await run(wifi.Mode())
    if mode not in WITH_STATION:
        both = mode is wifi.WifiMode.SOFTAP
        await run(wifi.SetMode(wifi.WifiMode.STATION_AND_SOFTAP if both else wifi.WifiMode.STATION))
    joined = await run(wifi.Joined())
    if joined is None or joined.ssid != wanted.ssid or (wanted.bssid or joined.bssid) != joined.bssid:
        await run(wanted)
