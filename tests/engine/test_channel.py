"""The channel: what is written, and what is not any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import basic
from esp32sock.engine.channel import CommandChannel
from esp32sock.engine.transports import Port

if TYPE_CHECKING:
    from esp32sock.at.events import Event
    from esp32sock.errors import PortError


class SlowPort(Port):
    """It takes bytes one write at a time, each when it is let."""

    name = "slow"
    baudrate = None

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.may_take = trio.Event()
        self.waits = trio.Event()
        self.say, self._heard = trio.open_memory_channel[bytes](10)

    async def receive(self) -> bytes:
        return await self._heard.receive()

    async def send(self, data: bytes | memoryview) -> None:
        self.waits.set()
        await self.may_take.wait()
        self.taken.append(bytes(data))

    async def aclose(self) -> None:
        pass


class Nobody:
    def payload(self, link_id: int) -> None:
        pass

    def event(self, event: Event) -> None:
        pass

    def port_lost(self, error: PortError) -> None:
        pass


async def test_what_waits_for_the_port_is_not_for_the_module_after_its_restart(
    autojump_clock: trio.testing.MockClock,
) -> None:
    port = SlowPort()
    channel = CommandChannel(port, Nobody())
    async with trio.open_nursery() as nursery:
        await nursery.start(channel.run)
        channel.write_raw(b"old")
        await port.waits.wait()
        channel.write_raw(b"older")
        await port.say.send(b"\r\nready\r\n")
        await trio.testing.wait_all_tasks_blocked()
        port.may_take.set()
        nursery.start_soon(channel.execute, basic.Test())
        await trio.testing.wait_all_tasks_blocked()
        assert port.taken == [b"old", b"AT\r\n"]
        await port.say.send(b"\r\nOK\r\n")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
