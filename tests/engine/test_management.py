"""Talking to a module without setting it up: what is left as it was, and the serial rate, there and back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import basic, tcpip, wifi
from esp32sock.at.events import UnknownText, WifiChanged
from esp32sock.engine import baud
from esp32sock.engine.management import ManagementSession, open_management_session
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import PortError
from esp32sock.simulator import Settings, open_module
from tests.engine.harness import HOST, echo, network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated


class Line(StreamPort):
    """A stream with a rate: what the other end makes of a wrong one is garbage."""

    def __init__(
        self, simulated: Simulated, *, most: int = 5_000_000, garbles_from: int = 10_000_000
    ) -> None:
        super().__init__(simulated.stream, "line", 115200)
        self._simulated = simulated
        self._most = most
        self._garbles_from = garbles_from
        self.rates = [115200]

    def set_baud(self, baud: int) -> bool:
        if baud > self._most:
            raise ValueError(f"rate {baud} is not possible")
        self.rates.append(baud)
        self.baudrate = baud
        return True

    async def receive(self) -> bytes:
        data = await super().receive()
        return bytes(byte | 0x80 for byte in data) if (self.baudrate or 0) >= self._garbles_from else data

    def set_rtscts(self, on: bool) -> None:
        pass


@asynccontextmanager
async def management(
    settings: Settings | None = None, **line: int
) -> AsyncIterator[tuple[ManagementSession, Line]]:
    async with open_module(settings, network(p7000=echo)) as simulated:
        port = Line(simulated, **line)

        async def opener(url: str, baud: int) -> Port:
            return port

        async with open_management_session("memory", 115200, opener=opener) as one:
            yield one, port


async def test_what_is_open_stays_open(autojump_clock: trio.testing.MockClock) -> None:
    async with open_module(Settings(), network(p7000=echo)) as simulated:

        async def opener(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream, url)

        async with open_management_session("memory", 115200, opener=opener) as first:
            await first.execute(tcpip.SetMultiplexed(on=True))
            await first.execute(tcpip.OpenTcp(2, HOST, 7000))
            listed = await first.execute(tcpip.Links())
            assert [link.link_id for link in listed] == [2]
            assert first.events.statistics().current_buffer_used == 1


async def test_what_it_says_unasked_is_heard(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as (one, _):
        assert one.events.statistics().current_buffer_used == 0  # not what the probe made it say
        await one.execute(wifi.Leave())
        event = await one.events.receive()
        assert isinstance(event, WifiChanged)


async def test_a_rate_that_works_is_kept(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as (one, line):
        await one.change_uart(basic.UartSettings(921600))
        assert line.rates[-1] == 921600
        stored = await one.execute(basic.StoredUart())
        assert stored.baudrate == 115200
        await one.change_uart(basic.UartSettings(460800), store=True)
        stored = await one.execute(basic.StoredUart())
        assert stored.baudrate == 460800


async def test_a_rate_that_the_adapter_cannot_do_changes_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with management(most=1_000_000) as (one, line):
        with pytest.raises(PortError, match="cannot do 2000000 baud"):
            await one.change_uart(basic.UartSettings(2_000_000))
        assert line.baudrate == 115200
        assert (await one.execute(basic.Uart())).baudrate == 115201


async def test_a_rate_at_which_nothing_is_understood_is_taken_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The module hears us at the new rate, we do not hear it: both go back."""
    async with management(garbles_from=900_000) as (one, line):
        with pytest.raises(PortError, match="both sides are at 115200 again"):
            await one.change_uart(basic.UartSettings(921600), store=True)
        assert line.baudrate == 115200
        assert (await one.execute(basic.Uart())).baudrate == 115201
        assert (await one.execute(basic.StoredUart())).baudrate == 115200


async def test_a_password_that_a_phone_told_is_not_among_the_events(
    autojump_clock: trio.testing.MockClock,
) -> None:
    from esp32sock.at.commands.smartconfig import StartSmartConfig
    from esp32sock.simulator import AccessPoint
    from esp32sock.simulator.environment.radio import Provisioning

    settings = Settings(
        access_points=(AccessPoint("attic", "correct horse", encryption=3),),
        provisioning=Provisioning("attic", "correct horse"),
    )
    async with management(settings) as (one, _):
        await one.execute(StartSmartConfig())
        await trio.sleep(10)
        count = one.events.statistics().current_buffer_used
        heard = [one.events.receive_nowait() for _ in range(count)]
        assert UnknownText(b"password:***") in heard
        assert "correct" not in repr(heard)


async def test_the_fastest_rate_is_tried_upwards(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as (one, line):
        assert (await one.use_fastest_rate()).baudrate == baud.RATES[-1]
        assert line.baudrate == baud.RATES[-1]
        assert (await one.uart_settings()).baudrate == baud.RATES[-1]
        assert (await one.execute(basic.StoredUart())).baudrate == 115200


async def test_the_fastest_rate_that_the_adapter_has_is_stored(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with management(most=1_000_000) as (one, line):
        assert (await one.use_fastest_rate(store=True)).baudrate == 921_600
        assert line.baudrate == 921_600
        assert (await one.execute(basic.StoredUart())).baudrate == 921_600


async def test_the_fastest_rate_is_below_one_that_garbles(autojump_clock: trio.testing.MockClock) -> None:
    async with management(garbles_from=900_000) as (one, line):
        assert (await one.use_fastest_rate()).baudrate == 460_800
        assert line.baudrate == 460_800
        assert await one.is_responding()
        assert max(line.rates) == 921_600


class Worn(Line):
    """Short answers get through at 921600, now and then a long one does not."""

    descriptions = 0

    async def receive(self) -> bytes:
        data = await super().receive()
        if self.baudrate == 921_600 and b"version" in data:
            self.descriptions += 1
            return data.replace(b"version", b"verzion") if self.descriptions == 5 else data
        return data


async def test_a_rate_at_which_one_of_several_answers_differs_is_not_the_fastest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_module(None, network(p7000=echo)) as simulated:
        port = Worn(simulated)

        async def opener(url: str, baud: int) -> Port:
            return port

        async with open_management_session("memory", 115200, opener=opener) as one:
            assert (await one.use_fastest_rate()).baudrate == 460_800
            assert port.baudrate == 460_800
            assert await one.is_responding()
