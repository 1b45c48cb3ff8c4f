"""What an earlier program left set on the module does not reach the sockets of the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import tcpip
from esp32sock.at.commands.servers import GetServerTimeout
from esp32sock.at.commands.tcpoptions import GetTcpOptions
from esp32sock.engine.requests import StreamOptions
from esp32sock.engine.transports import StreamPort
from esp32sock.simulator import Settings
from tests.engine.harness import HOST, echo, network, running
from tests.engine.test_listener import listen, upper
from tests.engine.test_udp_link import open_udp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated
    from tests.engine.harness import Harness

ALL = ("1.0", "1.2", "2.0", "2.1", "2.4", "3.4", "4.1", "4.2")


@dataclass(frozen=True)
class LeftOver:
    """What was said to the module before, on the profiles that know it."""

    name: str
    lines: tuple[bytes, ...]
    profiles: tuple[str, ...] = ALL


LEFT = (
    LeftOver("nothing", ()),
    LeftOver("receive-mode", (b"AT+CIPMUX=1", b"AT+CIPRECVMODE=1"), ("2.0", "2.1", "2.4")),
    LeftOver("receive-type", (b"AT+CIPMUX=1", b"AT+CIPRECVTYPE=5,1"), ("3.4", "4.1", "4.2")),
    LeftOver("receive-type-of-one", (b"AT+CIPMUX=1", b"AT+CIPRECVTYPE=4,1"), ("3.4", "4.1", "4.2")),
    LeftOver("tcp-options", (b"AT+CIPMUX=1", b"AT+CIPTCPOPT=5,0,1,1"), ("2.1", "2.4", "3.4", "4.1", "4.2")),
    LeftOver("messages", (b"AT+SYSMSG=3",), ("1.2", "2.0", "2.1", "2.4", "3.4", "4.1", "4.2")),
    LeftOver("peers", (b"AT+CIPDINFO=1",)),
    LeftOver("passthrough", (b"AT+CIPMODE=1",)),
    LeftOver("single-link", (b"AT+CIPMUX=0", b'AT+CIPSTART="TCP","10.0.2.2",7000')),
    LeftOver("links", (b"AT+CIPMUX=1", b'AT+CIPSTART=4,"TCP","10.0.2.2",7000',
                       b'AT+CIPSTART=3,"UDP","10.0.2.2",7005')),
    LeftOver("server", (b"AT+CIPMUX=1", b"AT+CIPSERVERMAXCONN=1", b"AT+CIPSERVER=1,8080", b"AT+CIPSTO=1")),
    LeftOver("echo", (b"ATE1",)),
)  # fmt: skip


def after(lines: tuple[bytes, ...]) -> Callable[[Simulated], Callable[[str, int], Awaitable[Port]]]:
    """An opener of a module to which an earlier program said these lines."""

    def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            for line in lines:
                await simulated.stream.send_all(line + b"\r\n")
                await trio.sleep(1)
                said = await simulated.stream.receive_some(4096)
                assert b"ERROR" not in said, (line, said)
            return StreamPort(simulated.stream)

        return opener

    return opener_of


DEFAULTS = (-1, False, 0)


async def options_of(harness: Harness, link_id: int) -> tuple[int, bool, int] | None:
    """Linger, TCP_NODELAY and send time-out of a link, as the module shows them; None before 2.1."""
    if not harness.engine.firmware.at_least(2, 1):
        return None
    shown = (await harness.engine.execute(GetTcpOptions()))[link_id]
    return shown.linger_s, shown.nodelay, shown.send_timeout_ms


CASES = [(left, profile) for left in LEFT for profile in left.profiles]


@pytest.mark.parametrize(("left", "profile"), CASES, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("receive", [None, "active"])
async def test_what_was_left_does_no_harm(
    left: LeftOver, profile: str, receive: str | None, autojump_clock: MockClock
) -> None:
    net = network(p7000=echo)
    net.answer_datagrams(HOST, 7005, lambda data: [data, data])
    settings = Settings(profile=profile)
    async with running(settings, net, opener=after(left.lines), receive=receive) as harness:
        for _ in range(6):  # each id once, and one again
            user = await harness.connect(7000)
            await user.end.send_all(b"hello")
            assert await user.end.receive_some(100) == b"hello"
            assert await options_of(harness, user.link_id) in (None, DEFAULTS)
            await user.end.aclose()
            await user.over.wait()
        for remote in ((HOST, 7005), None):
            udp = await open_udp(harness, remote)
            await udp.send(b"one", 7005)
            assert [await udp.receive() for _ in range(2)] == [(b"one", (HOST, 7005))] * 2
            await udp.close()


@pytest.mark.parametrize("profile", ["2.1", "2.4", "4.1"])
async def test_a_socket_inherits_no_options_of_an_earlier_one(
    profile: str, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        asked = StreamOptions(linger_s=0, nodelay=True, send_timeout_ms=1, keepalive_s=60)
        for options in (asked, StreamOptions()) * 6:
            user = await harness.connect(7000, options=options)
            shown = await options_of(harness, user.link_id)
            assert shown == ((0, True, 1) if options is asked else DEFAULTS)
            await user.end.aclose()
            await user.over.wait()


@pytest.mark.parametrize("profile", ["2.1", "4.1"])
async def test_an_accepted_socket_inherits_none_either(profile: str, autojump_clock: MockClock) -> None:
    net = network()
    async with running(Settings(profile=profile), net) as harness:
        host = await listen(harness, 8080)
        asked = StreamOptions(linger_s=0, nodelay=True, send_timeout_ms=1)
        for _ in range(2):
            assert net.connect(8080, upper)
            harness.look_at_the_network()
            stream, _ = await host.accept()
            assert await stream.receive_some(100) == b"from a client"
            assert await options_of(harness, 0) == DEFAULTS
            channel = harness.engine.context.channel
            async with channel.exclusive():
                await harness.engine.context.link_options.apply(channel, 0, asked)
            assert await options_of(harness, 0) == (0, True, 1)
            await stream.aclose()
            await trio.sleep(5)  # so that the next client has the same id
        await host.close()


@pytest.mark.parametrize("profile", ["1.0", "2.0", "4.1"])
async def test_the_server_never_ends_idle_clients(profile: str, autojump_clock: MockClock) -> None:
    left = (b"AT+CIPMUX=1", b"AT+CIPSERVER=1,8080", b"AT+CIPSTO=7")
    async with running(Settings(profile=profile), opener=after(left)) as harness:
        host = await listen(harness, 8080)
        assert not await harness.engine.execute(GetServerTimeout())
        assert await harness.engine.execute(tcpip.Multiplexed())
        await host.close()
