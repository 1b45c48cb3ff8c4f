"""Commands that pull the ground from under open links: refused, or told first. And who watches the events."""

from __future__ import annotations

import contextlib
import errno
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock.at.commands import Raw, basic, sleep, smartconfig, tcpip, update, wifi
from esp32sock.at.commands.transparent import EnterPassthrough
from esp32sock.at.events import LinkOpened, UnknownText, WifiChanged
from esp32sock.errors import CommandError, Error
from esp32sock.simulator import AccessPoint, Settings
from esp32sock.simulator.radio import Provisioning
from tests.module.rig import echo, network, running

if TYPE_CHECKING:
    from esp32sock.at.commands import Command

ENDING: list[Command[Any]] = [
    basic.Restart(),
    basic.Restore(),
    basic.SetUart(basic.UartSettings(9600)),
    basic.SetStoredUart(basic.UartSettings(9600)),
    sleep.DeepSleep(timedelta(seconds=1)),
    tcpip.SetMultiplexed(on=False),
    tcpip.SetPassthrough(on=True),
    EnterPassthrough(),
    wifi.Leave(),
    smartconfig.StartSmartConfig(),
    smartconfig.Wps(on=True),
    update.Update(),
    Raw(b"AT+RST"),
    Raw(b"at+cipmux=0"),
    Raw(b"AT+UART_CUR=9600,8,1,0,0"),
    Raw(b"AT+GSLP=1000"),
]
HARMLESS: list[Command[Any]] = [
    basic.Version(),
    tcpip.Multiplexed(),
    tcpip.SetPassthrough(on=False),
    smartconfig.Wps(on=False),
    wifi.Joined(),
    Raw(b"AT+CIPMUX?"),
    Raw(b"AT+CIPMUX=?"),
    Raw(b"AT+UART_CUR?"),
    Raw(b"AT+GMR"),
]


def name_of(command: Command[Any]) -> str:
    return repr(command)[:40]


@pytest.mark.parametrize("command", ENDING, ids=name_of)
async def test_it_is_refused_while_something_is_open(
    command: Command[Any], autojump_clock: trio.testing.MockClock
) -> None:
    async with running(network=network(p7000=echo)) as rig:
        user = await rig.connect(7000)
        with pytest.raises(Error, match=r"link \d.*force=True") as caught:
            await rig.module.execute(command)
        assert caught.value.errno == errno.EBUSY
        assert user.told == ["opened"]


@pytest.mark.parametrize("command", HARMLESS, ids=name_of)
async def test_others_are_not(command: Command[Any], autojump_clock: trio.testing.MockClock) -> None:
    assert not command.ends_links
    if not isinstance(command, Raw):
        async with running(network=network(p7000=echo)) as rig:
            user = await rig.connect(7000)
            with contextlib.suppress(CommandError):  # the module may have its own reasons
                await rig.module.execute(command)
            assert user.told == ["opened"]


async def test_with_nothing_open_nothing_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as rig:
        await rig.module.execute(wifi.Leave())


@pytest.mark.parametrize("command", [basic.Restart(), wifi.Leave()], ids=["restart", "leave"])
async def test_told_to_it_ends_the_links_first(
    command: Command[Any], autojump_clock: trio.testing.MockClock
) -> None:
    async with running(network=network(p7000=echo)) as rig:
        user = await rig.connect(7000)
        await rig.module.execute(command, force=True)
        await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.ECONNRESET
        assert command.label in str(user.error)


async def test_a_watcher_hears_everything_but_passwords(autojump_clock: trio.testing.MockClock) -> None:
    settings = Settings(
        access_points=(AccessPoint("attic", "correct horse", encryption=3),),
        provisioning=Provisioning("attic", "correct horse"),
    )
    heard: list[Any] = []
    async with running(settings, network(p7000=echo)) as rig:
        stop = rig.module.watch(heard.append)
        await rig.connect(7000)
        assert any(isinstance(event, LinkOpened) for event in heard)
        for user in rig.users:
            await user.end.aclose()
        await trio.sleep(1)
        await rig.module.execute(smartconfig.StartSmartConfig())
        await trio.sleep(10)
        assert any(isinstance(event, WifiChanged) for event in heard)
        assert UnknownText(b"password:***") in heard
        assert "correct horse" not in repr(heard)
        stop()
        stop()
        count = len(heard)
        await rig.module.execute(wifi.Leave())
        await trio.sleep(1)
        assert len(heard) == count
