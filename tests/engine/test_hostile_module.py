"""A module that says what none should: it costs a command, a link or the channel, and never the engine."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import addresses, basic, clock, ping, tcpip
from esp32sock.at.events import UnknownText
from esp32sock.at.state import LinkState
from esp32sock.engine.management import open_management_session
from esp32sock.errors import CommandError, Error, PortError
from esp32sock.simulator import Settings, open_module
from tests.engine.harness import HOST, Harness, echo, network, running
from tests.engine.line_proxy import LineProxy

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.at.commands import Command
    from esp32sock.at.events import Event
    from esp32sock.simulator.network.memory import Connection

OK = b"\r\nOK\r\n"


async def works(harness: Harness) -> None:
    user = await harness.connect(7000)
    await user.end.send_all(b"hello")
    assert await user.end.receive_some(10) == b"hello"
    await user.end.aclose()
    await user.over.wait()


NONSENSE = [
    (clock.Clock(), b"AT+SYSTIMESTAMP?", b"+SYSTIMESTAMP:99999999999999999999"),
    (ping.Ping(HOST), b"AT+PING", b"+PING:" + b"9" * 400),
    (addresses.StationAddress(), b"AT+CIPSTA?", b'+CIPSTA:gateway:"10.0.2.2"'),
    (tcpip.Links(), b"AT+CIP", b'+CIPSTATE:9,"TCP","::::",99999999,-1,7'),
    (basic.Uart(), b"AT+UART", b"+UART:" + b"x" * 4000),
]


@pytest.mark.parametrize(("command", "line", "answer"), NONSENSE, ids=lambda value: str(value)[:20])
async def test_an_answer_that_makes_no_sense(
    command: Command[object], line: bytes, answer: bytes, autojump_clock: MockClock
) -> None:
    line_proxy = LineProxy()
    async with running(Settings(profile="4.1"), network(p7000=echo), line_proxy.opener) as harness:
        line_proxy.replies[line] = b"\r\n" + answer + b"\r\n" + OK
        with pytest.raises(CommandError, match="nonsense") as caught:
            await harness.engine.execute(command)
        assert len(str(caught.value)) < 500
        line_proxy.replies.clear()
        await works(harness)


async def test_an_orphan_whose_id_somebody_has_by_now_is_not_closed(autojump_clock: MockClock) -> None:
    line_proxy = LineProxy()
    async with running(network=network(p7000=echo), opener=line_proxy.opener) as harness:
        async with harness.engine.context.channel.exclusive():
            line_proxy.says(b"4,CONNECT\r\n")  # nobody listens: it is to be closed
            await trio.sleep(1)
            line_proxy.says(b"4,CLOSED\r\n")
            await trio.sleep(1)
            newcomer = harness.begin(7000)
            await trio.sleep(1)
        await newcomer.decided.wait()
        await trio.sleep(1)
        assert newcomer.link_id == 4
        assert not any(line.startswith(b"AT+CIPCLOSE") for line in line_proxy.written)
        assert newcomer.events == ["opened"]


async def test_a_command_does_not_end_what_came_while_it_waited(autojump_clock: MockClock) -> None:
    async with running(network=network(p7000=echo)) as harness:
        refused: list[Error] = []

        async def close() -> None:
            try:
                await harness.engine.execute(tcpip.Close(4))
            except Error as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            async with harness.engine.context.channel.exclusive():
                newcomer = harness.begin(7000)
                await trio.sleep(1)
                nursery.start_soon(close)
            await newcomer.decided.wait()
        assert [error.errno for error in refused] == [errno.EBUSY]
        assert newcomer.events == ["opened"]


async def test_a_fault_of_ours_costs_the_dialogue_only(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    line_proxy = LineProxy()
    async with running(network=network(p7000=echo), opener=line_proxy.opener) as harness:
        user = await harness.connect(7000)
        watched = harness.engine.watch(_fails)
        line_proxy.says(b"something new\r\n")
        await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.EPROTO
        watched()
        await harness.engine.context.until(lambda: not harness.engine.is_open)
        await works(harness)
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [
        True
    ]


def _fails(event: Event) -> None:
    if isinstance(event, UnknownText):
        raise ZeroDivisionError


async def test_who_hoards_most_is_told_when_all_links_together_hold_too_much(
    autojump_clock: MockClock,
) -> None:
    async def flood(connection: Connection) -> None:
        connection.send(bytes(190_000))

    limits = {"unread_link_bytes": 400_000, "unread_bytes": 200_000}
    async with running(network=network(p7000=echo, p7001=flood), **limits) as harness:
        hoarder = await harness.connect(7001)
        await trio.sleep(10)
        reader = await harness.connect(7000)
        await reader.end.send_all(bytes(60_000))
        await hoarder.over.wait()
        assert hoarder.error is not None
        assert (hoarder.error.errno, reader.events) == (errno.ECONNRESET, ["opened"])
        assert "unread_bytes" in str(hoarder.error)


async def test_what_failed_before_is_raised_anew_each_time(autojump_clock: MockClock) -> None:
    line_proxy = LineProxy()
    async with running(network=network(p7000=echo), opener=line_proxy.opener) as harness:
        harness.engine.context.channel.lose(PortError("the cable is out", errno=errno.EIO))
        await harness.engine.context.until(lambda: not harness.engine.is_open)
        seen = []
        for _ in range(3):
            with pytest.raises(PortError, match="the cable is out") as caught:
                harness.engine.context.channel  # noqa: B018
            seen.append(caught.value)
        assert len({id(error) for error in seen}) == 3
        assert {error.errno for error in seen} == {errno.ENETDOWN}  # as of an interface that is down
        await works(harness)


async def test_a_command_that_is_given_up_and_never_answered_is_waited_for_bounded(
    autojump_clock: MockClock,
) -> None:
    line_proxy = LineProxy()
    async with (
        open_module(Settings(), network(p7000=echo)) as simulated,
        open_management_session("memory", 115200, opener=line_proxy.opener(simulated)) as management,
    ):
        line_proxy.replies[b"AT+CIPSTART"] = None
        with trio.move_on_after(2):
            await management.execute(tcpip.OpenTcp(0, HOST, 7000))
        with trio.fail_after(200):
            await management.execute(basic.Test())
        assert management.channel.session.links[0].state is LinkState.FREE
