"""Active or passive receive: the choice, its setting on the module, and reading in passive receive.

Theory of operation: in passive receive the module keeps at most its TCP window (5760 bytes) for a link and
announces it with a `+IPD` without payload; the engine asks for it (CIPRECVDATA), which gives back-pressure
for free. A link asks only when its socket has taken everything that came before. The announcement can get
lost, so the engine also looks (unread_looks.py). UDP stays active: passive
receive joins datagrams (known-bugs 10). Policy by firmware: architecture 4, "Bounded memory".
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands.passive import ReceiveData, SetReceiveMode, SetReceiveType
from esp32sock.engine.repeating import execute_repeated
from esp32sock.engine.unread_looks import UnreadLooks
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.options import Receive


class ReceiveMode:
    """The receive mode of one module: what was asked for, and what each link is set to."""

    def __init__(self, asked: Receive | None, firmware: Firmware) -> None:
        if asked == "passive" and not firmware.has_passive_receive:
            raise Error("this firmware has no passive receive; it exists from 2.0 on", errno=errno.EINVAL)
        self._per_link = firmware.receives_by_link
        self._is_global = firmware.has_passive_receive and not self._per_link
        self.passive = asked == "passive" or (asked is None and self._per_link)
        self.looks = UnreadLooks() if self.passive else None
        """What the passive links share; None in active receive."""
        self._link_is_passive: dict[int, bool] = {}
        """By link id; one that is missing may be either: the setting outlives programs (real-firmware)."""

    async def set_up(self, channel: CommandChannel) -> None:
        """The global setting, where that is all there is; called while holding the channel."""
        if self._is_global:
            await execute_repeated(channel, SetReceiveMode(passive=self.passive))

    async def prepare(self, channel: CommandChannel, link_id: int, *, stream: bool) -> None:
        """Before a link is opened; Error(EPROTONOSUPPORT) for UDP where everything is passive."""
        if not self._per_link:
            if self.passive and not stream:
                raise Error(
                    "with receive='passive' this firmware joins datagrams; attach without it for UDP",
                    errno=errno.EPROTONOSUPPORT,
                )
            return
        wanted = self.passive and stream
        if self._link_is_passive.get(link_id) is not wanted:
            await channel.execute(SetReceiveType(link_id, wanted))
            self._link_is_passive[link_id] = wanted

    async def prepare_server(self, channel: CommandChannel, links: int) -> None:
        """Before the server starts: the links it may give out; called while holding the channel."""
        if not self._per_link:
            return
        for link_id in range(links):
            if self._link_is_passive.get(link_id) is not self.passive:
                await channel.execute_exclusive(SetReceiveType(link_id, self.passive))
                self._link_is_passive[link_id] = self.passive


class PassiveReader:
    """Fetches what the module holds for one passive link."""

    def __init__(self, channel: CommandChannel, link_id: int, looks: UnreadLooks) -> None:
        self._channel = channel
        self._link_id = link_id
        self._looks = looks
        self._announced = trio.Event()
        self.is_pulling = False
        """Whether a read is under way, or failed: bytes may be on their way, or lost with its answer."""
        looks.came()

    def announce(self) -> None:
        """The module reports received bytes."""
        self._looks.came()
        self._announced.set()

    @property
    def is_behind(self) -> bool:
        """Whether the module holds something, or is being asked for it."""
        return self.is_announced or self.is_pulling

    @property
    def is_announced(self) -> bool:
        """Whether the module reported received bytes that were not fetched yet."""
        return self._announced.is_set()

    async def wait(self) -> None:
        """Until something is there, announced or looked up."""
        while not await self._looks.wait(self._announced):
            if await self._looks.holds(self._channel, self._link_id):
                return

    async def pull(self, shared_bytes: int) -> None:
        """One read, of so much while other tasks wait for the channel.

        ERROR means that there was nothing after all (known-bugs 8).
        """
        self._announced = trio.Event()
        self.is_pulling = True
        try:
            most = self._channel.session.firmware.pull_max
            if self._channel.turns.are_contended:
                most = min(most, shared_bytes)
            await self._channel.execute(ReceiveData(self._link_id, most))
            self._looks.came()
        except CommandError as error:
            if error.result != "ERROR":
                raise
        self.is_pulling = False
