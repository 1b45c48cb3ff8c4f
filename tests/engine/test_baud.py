"""The serial line of a running module: changed, taken back, found again; and a passthrough that is stored."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import basic, passthrough, tcpip
from esp32sock.engine.management import open_management_session
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import Error, PortError
from esp32sock.simulator import Settings, open_module
from tests.engine.harness import HOST, Harness, echo, network, running
from tests.engine.test_management import Line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.network.memory import Connection
    from esp32sock.simulator.runtime.runner import Opened as Simulated


class Kept(Line):
    """Closed and opened again, it is the same module behind it."""

    async def aclose(self) -> None:
        pass


class Adapter:
    """Opens the line at the rate asked for, again and again; remembers which."""

    def __init__(self, **line: int) -> None:
        self.rates: list[int] = []
        self.lines: list[Line] = []
        self._line = line

    def __call__(self, simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            line = Kept(simulated, **self._line)
            line.baudrate = baud
            self.rates.append(baud)
            self.lines.append(line)
            return line

        return opener


async def works(harness: Harness) -> None:
    user = await harness.connect(7000)
    await user.end.send_all(b"hello")
    assert await user.end.receive_some(10) == b"hello"


@pytest.mark.parametrize(
    "command", [basic.SetUart, basic.SetStoredUart, basic.SetLegacyUart], ids=lambda kind: kind.__name__
)
async def test_the_hosts_side_follows(command: type[basic.SetUart], autojump_clock: MockClock) -> None:
    adapter = Adapter()
    async with running(network=network(p7000=echo), opener=adapter) as harness:
        assert await harness.engine.execute(command(basic.UartSettings(921600))) is None  # type: ignore[func-returns-value]
        assert adapter.lines[0].baudrate == 921600
        assert harness.engine.context.channel.session.s_per_byte == pytest.approx(10 / 921600)
        await works(harness)
        stored = (await harness.engine.execute(basic.StoredUart())).baudrate
        assert stored == (115200 if command is basic.SetUart else 921600)
        assert harness.engine.context.counters.restarts == 0


async def test_with_links_open_it_is_refused_or_they_end_first(autojump_clock: MockClock) -> None:
    async with running(network=network(p7000=echo), opener=Adapter()) as harness:
        user = await harness.connect(7000)
        with pytest.raises(Error, match="link 4"):
            await harness.engine.execute(basic.SetUart(basic.UartSettings(921600)))
        await harness.engine.execute(basic.SetUart(basic.UartSettings(921600)), force=True)
        assert user.error is not None
        assert user.error.errno == errno.ECONNRESET
        await works(harness)


async def test_a_rate_at_which_nothing_is_understood_is_taken_back(autojump_clock: MockClock) -> None:
    adapter = Adapter(garbles_from=900_000)
    async with running(network=network(p7000=echo), opener=adapter) as harness:
        with pytest.raises(PortError, match="both sides are at 115200 again") as caught:
            await harness.engine.execute(basic.SetStoredUart(basic.UartSettings(921600)))
        assert caught.value.errno == errno.EPROTO
        assert adapter.lines[0].baudrate == 115200
        await works(harness)
        assert (await harness.engine.execute(basic.StoredUart())).baudrate == 115200
        assert len(adapter.lines) == 1


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.01, 0.05, 0.2])
async def test_given_up_both_sides_are_at_one_rate(after_s: float, autojump_clock: MockClock) -> None:
    adapter = Adapter(garbles_from=900_000)
    async with running(Settings(paced=True), network(p7000=echo), adapter) as harness:
        with trio.move_on_after(after_s), contextlib.suppress(PortError):
            await harness.engine.execute(basic.SetUart(basic.UartSettings(921600)))
        await works(harness)
        assert harness.engine.context.counters.restarts == 0
        assert len(adapter.lines) == 1


async def test_a_change_of_the_line_takes_no_time_limit(autojump_clock: MockClock) -> None:
    async with running(opener=Adapter()) as harness:
        with pytest.raises(ValueError, match="timeout"):
            await harness.engine.execute(basic.SetUart(basic.UartSettings(921600)), timeout=1)


async def test_a_rate_that_the_adapter_cannot_do_changes_nothing(autojump_clock: MockClock) -> None:
    adapter = Adapter(most=1_000_000)
    async with running(network=network(p7000=echo), opener=adapter) as harness:
        with pytest.raises(PortError, match="cannot do 2000000 baud") as caught:
            await harness.engine.execute(basic.SetUart(basic.UartSettings(2_000_000)))
        assert caught.value.errno == errno.EINVAL
        await works(harness)


async def test_a_lost_port_is_opened_again_at_the_rate_that_worked_last(autojump_clock: MockClock) -> None:
    adapter = Adapter()
    async with running(network=network(p7000=echo), opener=adapter) as harness:
        await harness.engine.execute(basic.SetUart(basic.UartSettings(921600)))
        harness.engine.context.channel.lose(PortError("unplugged", errno=errno.ENODEV))
        await trio.sleep(5)
        await works(harness)
        assert adapter.rates == [115200, 921600]


async def test_a_restart_at_another_rate_is_found_again(autojump_clock: MockClock) -> None:
    """It has its stored rate again; what it says at that is garbage, until the other rate is tried."""

    class Deaf(Kept):
        """Garbage until the port is opened at 115200 again."""

        restarted = False

        async def receive(self) -> bytes:
            data = await super().receive()
            return bytes(byte | 0x80 for byte in data) if Deaf.restarted and self.baudrate == 921600 else data

    def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            line = Deaf(simulated)
            line.baudrate = baud
            return line

        return opener

    async with running(network=network(p7000=echo), opener=opener_of) as harness:
        await harness.engine.execute(basic.SetUart(basic.UartSettings(921600)))
        Deaf.restarted = True
        with pytest.raises(Error):
            await harness.engine.execute(basic.Test())
        await trio.sleep(120)
        await works(harness)
        assert harness.engine.context.channel.port.baudrate == 115200


# ---- a module that begins in passthrough


def stored(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
    """Somebody stored a passthrough, and the module has restarted since."""
    first = True

    async def opener(url: str, baud: int) -> Port:
        nonlocal first
        if first:
            first = False
            await store(simulated)
        return StreamPort(simulated.stream)

    return opener


async def store(simulated: Simulated) -> None:
    for line in (f'AT+SAVETRANSLINK=1,"{HOST}",7001,"TCP"\r\n', "AT+RST\r\n"):
        await simulated.stream.send_all(line.encode())
        await trio.sleep(10)


def listening() -> tuple[list[bytes], Callable[[Connection], Awaitable[None]]]:
    """A peer that remembers what it heard."""
    heard: list[bytes] = []

    async def peer(connection: Connection) -> None:
        while data := await connection.receive():
            heard.append(data)

    return heard, peer


@pytest.mark.parametrize("profile", ["0.10", "1.0", "2.0", "2.4", "4.1"])
async def test_stored_passthrough_is_left_and_nothing_reaches_its_peer(
    profile: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    heard, peer = listening()
    async with running(Settings(profile=profile), network(p7000=echo, p7001=peer), opener=stored) as harness:
        assert harness.simulated.module.journal.links_opened == 1
        await works(harness)
        assert "was in passthrough" in caplog.text
        # and once more, since it is stored
        for user in harness.users:
            await user.end.aclose()
        await trio.sleep(1)
        await harness.engine.execute(basic.Restart())
        await trio.sleep(60)
        await works(harness)
        assert harness.simulated.module.journal.links_opened == 4
        await harness.engine.execute(passthrough.ForgetPassthrough())
    assert heard == []


async def test_who_only_talks_leaves_it_too(autojump_clock: MockClock) -> None:
    heard, peer = listening()
    async with open_module(Settings(), network(p7001=peer)) as simulated:
        await store(simulated)

        async def opener(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream)

        async with open_management_session("memory", 115200, opener=opener) as one:
            assert await one.execute(passthrough.Passthrough()) is False
            assert [link.remote[1] for link in await one.execute(tcpip.Links())] == [7001]
    assert heard == []
