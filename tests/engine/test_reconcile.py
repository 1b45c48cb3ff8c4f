"""Believed against shown: what the module lists, what it says late, and what it refuses to close."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import basic
from esp32sock.simulator import Settings
from tests.engine.harness import echo, network, running, sink
from tests.engine.line_proxy import LineProxy
from tests.engine.test_listener import listen
from tests.engine.test_silence import works

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.simulator.network.memory import Connection
    from tests.engine.harness import Harness

ERROR = b"\r\nERROR\r\n"
LIST = b"AT+CIPSTATE?\r\n"
HEARTBEAT_S = 32.0
"""Where the module announces its links nothing else asks for them."""
SETTLED_S = 7.0
"""A comparison that was refused some times is made again after 5 s."""


class Once(LineProxy):
    """Answers each line in the place of the module once."""

    async def send(self, data: bytes | memoryview) -> None:
        await super().send(data)
        self.replies.pop(bytes(data), None)


class LateAndDeaf(LineProxy):
    """Sends the lines that ask for the links late, and loses each CLOSED."""

    async def send(self, data: bytes | memoryview) -> None:
        if bytes(data).startswith(b"AT+CIPSTAT"):
            await trio.sleep(0.1)
        await super().send(data)

    async def receive(self) -> bytes:
        return re.sub(rb"\d,CLOSED\r\n", b"", await super().receive())


def open_links(harness: Harness) -> list[int]:
    """On the module."""
    return sorted(link.link_id for link in harness.simulated.module.firmware.table.all())


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
async def test_a_link_that_the_module_refuses_to_close_is_closed_later_and_not_given_out(
    profile: str, autojump_clock: MockClock
) -> None:
    line = LineProxy()
    async with running(Settings(profile=profile), network(p7000=echo), line.opener) as harness:
        user = await harness.connect(7000)
        taken = user.link_id
        line.replies[b"AT+CIPCLOSE"] = ERROR
        await user.end.aclose()
        await user.over.wait()
        other = await harness.connect(7000)
        assert other.link_id != taken
        line.replies.clear()
        await trio.sleep(SETTLED_S)
        assert open_links(harness) == [other.link_id]
        await other.end.aclose()


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
async def test_a_link_that_was_opened_unseen_is_found_by_the_next_list(
    profile: str, autojump_clock: MockClock
) -> None:
    line = LineProxy()
    async with running(Settings(profile=profile), network(p7000=echo, p7001=sink), line.opener) as harness:
        await harness.simulated.stream.send_all(b'AT+CIPSTART=1,"TCP","10.0.2.2",7001\r\n')
        await trio.sleep(1.0)
        await works(harness)
        await trio.sleep(SETTLED_S)
        assert open_links(harness) == []


async def test_a_late_link_of_our_own_is_no_client(autojump_clock: MockClock) -> None:
    line = LineProxy()
    async with running(Settings(profile="4.1"), network(p7000=echo), line.opener) as harness:
        host = await listen(harness, 8080)
        await harness.simulated.stream.send_all(b'AT+CIPSTART=4,"TCP","10.0.2.2",7000\r\n')
        await trio.sleep(SETTLED_S)
        assert host.waiting == []
        assert open_links(harness) == []
        await host.close()


async def test_a_module_that_does_not_list_its_links_connects_all_the_same(autojump_clock: MockClock) -> None:
    line = LineProxy()
    async with running(Settings(profile="2.0"), network(p7000=echo), line.opener) as harness:
        line.replies[b"AT+CIPSTATUS"] = ERROR
        await works(harness)


async def test_a_line_of_the_list_that_is_lost_costs_no_link(autojump_clock: MockClock) -> None:
    line = Once()
    async with running(
        Settings(profile="4.1"), network(p7000=echo), line.opener, heartbeat_s=10.0
    ) as harness:
        user = await harness.connect(7000)
        line.replies[LIST] = b"\r\nOK\r\n"
        await trio.sleep(20.0)
        assert not line.replies
        await user.end.send_all(b"still here")
        assert await user.end.receive_some(100) == b"still here"
        await user.end.aclose()


@pytest.mark.parametrize("profile", ["1.0", "2.0", "4.1"])
async def test_a_link_that_is_not_even_listed_when_it_is_new_ends(
    profile: str, autojump_clock: MockClock
) -> None:
    """It was closed, and its CLOSED lost, before it was listed for the first time."""
    line = LateAndDeaf()

    async def closes(connection: Connection) -> None:
        connection.close()

    async with running(Settings(profile=profile), network(p7000=echo, p7001=closes), line.opener) as harness:
        user = await harness.connect(7001)
        with trio.fail_after(SETTLED_S if profile == "1.0" else HEARTBEAT_S):
            await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.ECONNRESET
        await works(harness)


async def test_a_known_module_that_answers_nothing_while_it_is_set_up_again_is_looked_for(
    autojump_clock: MockClock,
) -> None:
    """It may be in a data phase: what is asked again is payload, too."""
    line = Once()
    async with running(Settings(profile="4.1"), network(p7000=echo), line.opener) as harness:
        channel = harness.engine.context.channel
        line.replies[b"ATE0\r\n"] = None
        started = trio.current_time()
        channel.missed_restart("a test")
        await harness.engine.context.until(lambda: harness.engine.context.is_ready)
        assert not line.replies
        assert trio.current_time() - started < 10.0
        assert b" " * 100 in b"".join(line.written), "the filler of a data phase"
        await works(harness)


@pytest.mark.parametrize("ending", [b"AT+CIPSERVER=0\r\n", b"AT+CIPCLOSE=5\r\n"])
async def test_what_ends_the_links_of_before_is_said_again_when_it_was_spoilt(
    ending: bytes, autojump_clock: MockClock
) -> None:
    line = Once()
    async with running(Settings(profile="2.0"), network(p7000=echo), line.opener) as harness:
        line.replies[ending] = ERROR
        harness.engine.context.channel.missed_restart("a test")
        await harness.engine.context.until(lambda: harness.engine.context.is_ready)
        assert line.written.count(ending) == 2
        await works(harness)


async def test_clients_of_an_earlier_server_that_come_during_set_up_are_closed(
    autojump_clock: MockClock,
) -> None:
    net = network(p7000=echo)
    line = LineProxy()
    async with running(Settings(profile="2.0"), net, line.opener) as harness:
        simulated = harness.simulated
        await simulated.stream.send_all(b"AT+CIPSERVER=1,80\r\n")
        await trio.sleep(1.0)
        line.replies[b"AT+CIPSERVER=0\r\n"] = ERROR
        line.replies[b"AT+CIPCLOSE=5\r\n"] = None
        harness.engine.context.channel.missed_restart("a test")
        await trio.sleep(1.0)
        assert net.connect(80, sink)
        harness.look_at_the_network()
        await trio.sleep(1.0)
        line.replies.clear()
        await trio.sleep(30.0)
        await works(harness)
        await trio.sleep(SETTLED_S)
        assert open_links(harness) == []


async def test_a_server_that_listens_elsewhere_is_brought_back(autojump_clock: MockClock) -> None:
    """A byte of its command was lost: no answer shows that, and a module that listens keeps its port."""
    net = network(p7000=echo)
    line = Once()
    async with running(Settings(profile="4.1"), net, line.opener, heartbeat_s=10.0) as harness:
        line.replies[b"AT+CIPSERVER=1,8080\r\n"] = b"\r\nOK\r\n"
        await harness.simulated.stream.send_all(b"AT+CIPSERVER=1,808\r\n")
        await trio.sleep(1.0)
        host = await listen(harness, 8080)
        await trio.sleep(20.0)
        assert net.connect(8080, sink)
        harness.look_at_the_network()
        stream, _ = await host.accept()
        await stream.aclose()
        await host.close()


class Between(LineProxy):
    """Puts a line of the module in front of the result of the next list of links, or behind it."""

    def __init__(self, line: bytes, behind: bool) -> None:
        super().__init__()
        self._line, self._behind = line, behind
        self._asked = False

    async def send(self, data: bytes | memoryview) -> None:
        self._asked = self._asked or bytes(data) == LIST
        await super().send(data)

    async def receive(self) -> bytes:
        data = await super().receive()
        if self._asked and data.endswith(b"\r\nOK\r\n"):
            line, self._line = self._line, b""
            data = data + line if self._behind else data[:-6] + line + data[-6:]
        return data


@pytest.mark.parametrize("behind", [False, True])
async def test_a_link_that_closes_while_links_are_listed_is_no_stranger(
    behind: bool, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    line = Between(b"4,CLOSED\r\n", behind)
    async with running(
        Settings(profile="4.1"), network(p7000=echo), line.opener, heartbeat_s=10.0
    ) as harness:
        user = await harness.connect(7000)
        assert user.link_id == 4
        await trio.sleep(11.0)
        assert await user.end.receive_some(1) == b""
        assert "belongs to nothing" not in caplog.text
        assert b"AT+CIPCLOSE=4\r\n" not in line.written
        await harness.simulated.stream.send_all(b"AT+CIPCLOSE=4\r\n")


@pytest.mark.parametrize("behind", [False, True])
async def test_a_client_that_comes_while_links_are_listed_is_kept(
    behind: bool, autojump_clock: MockClock
) -> None:
    announced = b'+LINK_CONN:0,0,"TCP",1,"10.0.2.2",20000,8080\r\n'
    line = Between(announced, behind)
    async with running(Settings(profile="4.1"), network(), line.opener, heartbeat_s=10.0) as harness:
        host = await listen(harness, 8080)
        await trio.sleep(11.0)
        stream, remote = await host.accept()
        assert remote == ("10.0.2.2", 20000)
        assert b"AT+CIPCLOSE=0\r\n" not in line.written
        await stream.aclose()
        await host.close()


async def test_a_version_that_is_another_than_before_must_be_said_twice(autojump_clock: MockClock) -> None:
    line = Once()
    async with running(Settings(profile="2.0"), network(p7000=echo), line.opener) as harness:
        line.replies[b"AT+GMR\r\n"] = b"AT version:20.0.0(e44648c)\r\n\r\nOK\r\n"
        harness.engine.context.channel.missed_restart("a test")
        await works(harness)
        assert not line.replies
        assert harness.engine.firmware.version[:2] == (2, 0)


async def test_a_restart_while_links_are_compared_fails_no_command_that_waits(
    autojump_clock: MockClock,
) -> None:
    line = Once()
    async with running(Settings(profile="4.1"), network(p7000=echo), line.opener) as harness:
        line.replies[b"AT+CIPDINFO?\r\n"] = b"\r\nready\r\n"
        harness.engine.context.channel.comparison.doubt = "a test"  # what comes next compares
        firmware = await harness.engine.execute(basic.Version())
        assert firmware.version[:2] == (4, 1)
        assert not line.replies


async def test_a_close_behind_a_read_whose_answer_was_lost_is_no_clean_end(autojump_clock: MockClock) -> None:
    async def peer(connection: Connection) -> None:
        await connection.receive()
        connection.send(b"lost on the way")

    line = Once()
    async with running(Settings(profile="4.1"), network(p7000=peer), line.opener) as harness:
        user = await harness.connect(7000)
        line.replies[b"AT+CIPRECVDATA=%d" % user.link_id] = b"\r\nOK\r\n%d,CLOSED\r\n" % user.link_id
        await user.end.send_all(b"say it")
        await user.over.wait()
        assert user.error is not None
