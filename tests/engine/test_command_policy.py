"""Commands that would end open links: refused, or the sockets get an error first. And watchers of events."""

from __future__ import annotations

import contextlib
import errno
from datetime import timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock.at.commands import (
    Raw,
    addresses,
    basic,
    dhcp,
    passive,
    sendex,
    sleep,
    smartconfig,
    tcpip,
    update,
    wifi,
)
from esp32sock.at.commands.passthrough import EnterPassthrough
from esp32sock.at.events import LinkOpened, ModuleRestarted, UnknownText, WifiChanged
from esp32sock.at.firmware import Firmware
from esp32sock.at.framing import stream_chunk
from esp32sock.errors import CommandError, Error
from esp32sock.simulator import AccessPoint, Settings
from esp32sock.simulator.environment.radio import Provisioning
from tests.at.commands.cases import CASES
from tests.engine.harness import echo, network, running

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from tests.engine.harness import Harness

ENDING: list[Command[Any]] = [
    basic.Restart(),
    basic.Restore(),
    basic.SetUart(basic.UartSettings(9600)),
    basic.SetStoredUart(basic.UartSettings(9600)),
    basic.SetLegacyUart(basic.UartSettings(9600)),
    sleep.DeepSleep(timedelta(seconds=1)),
    tcpip.SetMultiplexed(on=False),
    tcpip.SetPassthrough(on=True),
    tcpip.ShowPeer(on=False),
    tcpip.Close(tcpip.ALL_LINKS),
    tcpip.Close(4),
    wifi.Leave(),
    wifi.Join("Espressif"),
    wifi.Rejoin(),
    wifi.SetMode(wifi.WifiMode.OFF),
    wifi.SetMode(wifi.WifiMode.SOFTAP),
    dhcp.SetDhcp(on=False, roles=dhcp.Role.STATION),
    addresses.SetStationMac("18:fe:35:98:d3:7b"),
    addresses.SetStationAddress(addresses.Subnet(IPv4Address("10.0.2.99"))),
    smartconfig.StartSmartConfig(),
    smartconfig.Wps(on=True),
    update.Update(),
    Raw(b"AT+RST"),
    Raw(b"at+cipmux=0"),
    Raw(b"AT+GSLP=1000"),
    Raw(b"AT+CIPCLOSE=5"),
    Raw(b"AT+CIPCLOSE=4"),
]
HARMLESS: list[Command[Any]] = [
    basic.Version(),
    tcpip.Multiplexed(),
    tcpip.SetPassthrough(on=False),
    tcpip.ShowPeer(on=True),
    smartconfig.Wps(on=False),
    wifi.Joined(),
    wifi.SetMode(wifi.WifiMode.STATION_AND_SOFTAP),
    sleep.SetSleep(sleep.SleepMode.MODEM),
    Raw(b"AT+CIPMUX?"),
    Raw(b"AT+CIPMUX=?"),
    Raw(b"AT+UART_CUR?"),
    Raw(b"AT+CIPCLOSE=3"),
    Raw(b"AT+CIPMODE=0"),
    Raw(b"AT+GMR"),
]
NEVER: list[Command[Any]] = [
    EnterPassthrough(),
    passive.SetReceiveMode(passive=True),
    passive.SetReceiveType(4, passive=True),
    Raw(b"AT+CIPSEND"),
    Raw(b"AT+CIPSEND=4,5"),
    Raw(b"at+uart_cur=9600,8,1,0,0"),
    Raw(b"AT+UART_DEF=9600,8,1,0,0"),
    Raw(b"AT+CIPRECVMODE=1"),
    Raw(b"AT+CIPRECVTYPE=4,1"),
]


def name_of(command: Command[Any]) -> str:
    return repr(command)[:40]


@pytest.mark.parametrize("command", ENDING, ids=name_of)
async def test_it_is_refused_while_something_is_open(
    command: Command[Any], autojump_clock: trio.testing.MockClock
) -> None:
    async with running(network=network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        with pytest.raises(Error, match=r"link \d.*force=True") as caught:
            await harness.engine.execute(command)
        assert caught.value.errno == errno.EBUSY
        assert user.events == ["opened"]


@pytest.mark.parametrize("command", HARMLESS, ids=name_of)
async def test_others_are_not(command: Command[Any], autojump_clock: trio.testing.MockClock) -> None:
    assert not command.ends_links
    assert command.ends_link != 4
    if not isinstance(command, Raw):
        async with running(network=network(p7000=echo)) as harness:
            user = await harness.connect(7000)
            with contextlib.suppress(CommandError):  # the module may have its own reasons
                await harness.engine.execute(command)
            assert user.events == ["opened"]


async def test_with_nothing_open_nothing_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as harness:
        await harness.engine.execute(wifi.Leave())


def doing(command: Command[Any]) -> Command[Any]:
    """The same, where the module in memory can do it."""
    if isinstance(command, basic.SetUart | basic.SetStoredUart | basic.SetLegacyUart):
        return type(command)(basic.UartSettings(115200, flow=basic.FlowControl.NONE))
    return command


@pytest.mark.parametrize("command", ENDING, ids=name_of)
async def test_told_to_it_ends_the_links_first(
    command: Command[Any], autojump_clock: trio.testing.MockClock
) -> None:
    """And sockets can be had again, once the module can have them."""
    net = network(p7000=echo)
    net.update = "2.4.1.0"
    async with running(network=net) as harness:
        user = await harness.connect(7000)
        with contextlib.suppress(CommandError):  # the module may have its own reasons
            await harness.engine.execute(doing(command), force=True)
        assert user.error is not None, "it must hear of it before"
        assert user.error.errno == errno.ECONNRESET
        assert command.label in str(user.error)
        await trio.sleep(120)
        await back(harness)
        again = await harness.connect(7000)
        await again.end.send_all(b"hello")
        assert await again.end.receive_some(10) == b"hello"


async def back(harness: Harness) -> None:
    """What a user does who told it to do so."""
    engine = harness.engine
    for command in (
        smartconfig.StopSmartConfig(),
        smartconfig.Wps(on=False),
        tcpip.SetPassthrough(on=False),
        tcpip.SetMultiplexed(on=True),
        dhcp.SetDhcp(on=True, roles=dhcp.Role.STATION),
    ):
        with contextlib.suppress(CommandError):
            await engine.execute(command)
    await engine.join("Espressif")


@pytest.mark.parametrize("command", NEVER, ids=name_of)
@pytest.mark.parametrize("force", [False, True])
async def test_some_are_not_for_an_interface(
    command: Command[Any], force: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(network=network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        with pytest.raises(Error, match="cannot be executed on an interface") as caught:
            await harness.engine.execute(command, force=force)
        assert caught.value.errno == errno.EINVAL
        await user.end.send_all(b"hello")
        assert await user.end.receive_some(10) == b"hello"


@pytest.mark.parametrize("text", [b'AT+CWJAP="attic","secret"', 'AT+CWJAP="attic","secret"'])
async def test_text_is_no_command(text: Any, autojump_clock: trio.testing.MockClock) -> None:
    async with running() as harness:
        with pytest.raises(TypeError, match="Raw") as caught:
            await harness.engine.execute(text)
    assert "secret" not in str(caught.value)


async def test_nobody_sends_on_the_link_of_a_socket(autojump_clock: trio.testing.MockClock) -> None:
    async with running(network=network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        for command in (
            tcpip.Send(user.link_id, stream_chunk(user.link_id, memoryview(b"x"), 2048)),
            sendex.SendEscaped(user.link_id, b"x"),
        ):
            with pytest.raises(Error, match="belongs to a socket") as caught:
                await harness.engine.execute(command, force=True)
            assert caught.value.errno == errno.EBUSY


async def test_with_one_link_only_a_connection_says_so(autojump_clock: trio.testing.MockClock) -> None:
    async with running(network=network(p7000=echo)) as harness:
        await harness.engine.execute(tcpip.SetMultiplexed(on=False))
        with pytest.raises(Error, match=r"AT.CIPMUX=0") as caught:
            await harness.connect(7000)
        assert caught.value.errno == errno.ENETDOWN


def said(command: Command[Any], profile: str) -> bytes | None:
    """Its line there, None where it cannot be said."""
    major, _, minor = profile.partition(".")
    with contextlib.suppress(ValueError):
        return command.line(Firmware((int(major), int(minor), 0, 0), text=f"AT version:{profile}.0.0(a - b)"))
    return None


SAID = [
    pytest.param(case.command, line, id=f"{case.written} {type(case.command).__name__} {profile}")
    for case in CASES
    for profile in ("0.10", "2.0", "4.2")
    if (line := said(case.command, profile)) is not None
]


@pytest.mark.parametrize(("command", "line"), SAID)
def test_the_same_said_raw_ends_the_same(command: Command[Any], line: bytes) -> None:
    raw = Raw(line)
    assert raw.ends_links == (command.ends_links or line == b"AT+CIPCLOSE")
    assert raw.ends_server == command.ends_server
    assert raw.ends_link == (command.ends_link if b"=" in line else None)


async def test_a_deep_sleep_longer_than_any_patience(autojump_clock: trio.testing.MockClock) -> None:
    """Sockets hear why, and the module is there again when it wakes."""
    async with running(network=network(p7000=echo)) as harness:
        await harness.engine.execute(sleep.DeepSleep(timedelta(minutes=5)))
        with pytest.raises(Error, match="sleeps for 0:05:00") as caught:
            await harness.connect(7000)
        assert caught.value.errno == errno.ENETDOWN
        await trio.sleep(310)
        await harness.connect(7000)
        assert harness.engine.context.counters.restarts == 1


async def test_an_update_is_no_crash(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    net = network(p7000=echo)
    net.update = "2.4.1.0"
    heard: list[Any] = []
    async with running(network=net) as harness:
        harness.engine.watch(heard.append)
        await harness.engine.execute(update.Update())
        await trio.sleep(10)
        await harness.connect(7000)
    assert ModuleRestarted(expected=True) in heard


async def test_a_watcher_hears_everything_but_passwords(autojump_clock: trio.testing.MockClock) -> None:
    settings = Settings(
        access_points=(AccessPoint("attic", "correct horse", encryption=3),),
        provisioning=Provisioning("attic", "correct horse"),
    )
    heard: list[Any] = []
    async with running(settings, network(p7000=echo)) as harness:
        stop = harness.engine.watch(heard.append)
        await harness.connect(7000)
        assert any(isinstance(event, LinkOpened) for event in heard)
        for user in harness.users:
            await user.end.aclose()
        await trio.sleep(1)
        await harness.engine.execute(smartconfig.StartSmartConfig())
        await trio.sleep(10)
        assert any(isinstance(event, WifiChanged) for event in heard)
        assert UnknownText(b"password:***") in heard
        assert "correct horse" not in repr(heard)
        stop()
        stop()
        count = len(heard)
        await harness.engine.execute(wifi.Leave())
        await trio.sleep(1)
        assert len(heard) == count
