"""Passthrough as a stream: whole both ways whatever is in it, and the module as it was afterwards."""

from __future__ import annotations

import errno
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from esp32sock.at.commands import passthrough, tcpip
from esp32sock.engine.management import ManagementSession, open_management_session
from esp32sock.engine.passthrough import Passthrough, StreamLost, open_passthrough
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import CommandError, Error, PortError
from esp32sock.simulator import Settings, open_module
from tests.engine.harness import HOST, echo, network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.network.memory import Connection
    from esp32sock.simulator.runtime.runner import Opened as Simulated

# Not 2.0: with CIPMODE=1 it prints nothing of what it receives (walks 2016 and 2024 of tests/data/walks).
PROFILES = ["doc-v1", "0.10", "1.0", "1.2", "2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0"]


@asynccontextmanager
async def management(
    profile: str = "2.4", settings: Settings | None = None, **others: object
) -> AsyncIterator[ManagementSession]:
    chosen = settings or Settings(profile=profile)
    async with open_module(chosen, network(p7000=echo, p7001=greet, p7002=breaks, **others)) as simulated:

        async def opener(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream, url)

        async with open_management_session("memory", 115200, opener=opener) as one:
            yield one


async def greet(connection: Connection) -> None:
    connection.send(b"220 ready\r\n")
    await echo(connection)


async def breaks(connection: Connection) -> None:
    """It answers, and closes when it is told to."""
    while data := await connection.receive():
        if data == b"close":
            connection.close()
            return
        connection.send(data)


async def exactly(stream: Passthrough, count: int) -> bytes:
    received = b""
    with trio.fail_after(600):
        while len(received) < count:
            received += await stream.receive_some()
    return received


async def echoed(stream: Passthrough, pieces: list[tuple[float, bytes]]) -> None:
    """Send each piece after its pause; all of it comes back."""
    sent = b"".join(piece for _, piece in pieces)
    received: list[bytes] = []

    async def receive() -> None:
        received.append(await exactly(stream, len(sent)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        for pause_s, piece in pieces:
            await trio.sleep(pause_s)
            await stream.send_all(piece)
    assert received == [sent]


@pytest.mark.parametrize("profile", PROFILES)
async def test_there_and_back(profile: str, autojump_clock: trio.testing.MockClock) -> None:
    async with management(profile) as one:
        async with open_passthrough(one, HOST, 7000) as stream:
            await echoed(stream, [(0, b"hello"), (1, b"+++"), (1, b"\r\nOK\r\n+IPD,0,5:\x00\xff")])
        assert await one.execute(passthrough.Passthrough()) is False
        assert await one.execute(tcpip.Links()) == []
        assert await one.execute(tcpip.Multiplexed()) is False


async def test_several_links_are_allowed_again_afterwards(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as one:
        await one.execute(tcpip.SetMultiplexed(on=True))
        async with open_passthrough(one, HOST, 7000) as stream:
            await echoed(stream, [(0, b"hello")])
        assert await one.execute(tcpip.Multiplexed()) is True


PLUSES: dict[str, Callable[[random.Random], tuple[float, bytes]]] = {
    "three after a silence": lambda chance: (0.02 + chance.random() / 10, b"+++"),
    "runs of any length, after any pause": lambda chance: (
        chance.choice([0, 0, 0.001, 0.006, 0.02, 0.05]),
        b"+" * chance.randint(1, 7),
    ),
    "one by one": lambda chance: (chance.choice([0, 0.004, 0.019, 0.021]), b"+"),
    "at the end of a piece": lambda chance: (
        chance.choice([0, 0.03]),
        b"abc" * chance.randint(0, 3) + b"+++",
    ),
}


@pytest.mark.parametrize("kind", PLUSES)
async def test_pluses_are_payload(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    chance = random.Random(kind)
    async with management() as one, open_passthrough(one, HOST, 7000) as stream:
        await echoed(stream, [PLUSES[kind](chance) for _ in range(300)])


WINDOW_S = 0.02
MEGABYTE = 1_000_000


async def carried(stream: Passthrough, pieces: list[tuple[float, bytes]]) -> float:
    """Both ways and intact; how long it took."""
    assert sum(len(piece) for _, piece in pieces) >= MEGABYTE
    started = trio.current_time()
    await echoed(stream, pieces)
    return trio.current_time() - started


@pytest.mark.parametrize("profile", ["0.10", "2.1", "2.4", "4.2"])
async def test_a_megabyte_with_pluses_after_every_20_ms_of_silence(
    profile: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Where they would be the way out: each group stands alone."""
    chance = random.Random(1)
    pieces = []
    for _ in range(480):
        pieces += [(0.0, chance.randbytes(2080)), (WINDOW_S, b"+++"), (WINDOW_S, b"+++tail")]
    async with management(profile) as one, open_passthrough(one, HOST, 7000) as stream:
        assert await carried(stream, pieces) > 480 * 2 * WINDOW_S


@pytest.mark.parametrize("profile", ["0.10", "2.1", "2.4", "4.2"])
async def test_a_megabyte_at_the_pace_of_the_line_with_pluses_at_every_20_ms_boundary(
    profile: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Every 20 ms of the line end in `+++`: by turns within the bytes, and alone between two silences."""
    baud = 921600
    chance = random.Random(profile)
    window = int(baud / 10 * WINDOW_S)
    count = MEGABYTE // window + 1
    pieces: list[tuple[float, bytes]] = []
    for _ in range(count // 2 + 1):
        pieces.append((WINDOW_S, chance.randbytes(window - 3) + b"+++"))
        pieces += [(WINDOW_S, chance.randbytes(window - 3)), (2.5 * WINDOW_S, b"+++")]
    settings = Settings(profile=profile, paced=True, baud=baud)
    async with management(profile, settings) as one, open_passthrough(one, HOST, 7000) as stream:
        took_s = await carried(stream, pieces)
    assert took_s > MEGABYTE * 10 / baud, "the line was not paced"


class Buffered(StreamPort):
    """A serial driver: it takes everything at once, and the line carries it at its rate when it may."""

    def __init__(self, simulated: Simulated, baud: int) -> None:
        super().__init__(simulated.stream, "driver", baud)
        self._to_line, self._taken = trio.open_memory_channel[bytes](1000)
        self._free = trio.Event()
        self._free.set()
        self._unsent_bytes = 0
        self._s_per_byte = 10 / baud
        self.tells = True

    @property
    def unsent_bytes(self) -> int:
        return self._unsent_bytes if self.tells else 0

    async def send(self, data: bytes | memoryview) -> None:
        self._unsent_bytes += len(data)
        await self._to_line.send(bytes(data))

    def hold(self) -> None:
        self._free = trio.Event()

    def go_on(self) -> None:
        self._free.set()

    async def run(self) -> None:
        async for data in self._taken:
            await self._free.wait()
            await super().send(data)
            await trio.sleep(len(data) * self._s_per_byte)
            self._unsent_bytes -= len(data)


@asynccontextmanager
async def buffered(baud: int, heard: bytearray) -> AsyncIterator[tuple[ManagementSession, Buffered]]:
    """A module behind such a driver; a peer on port 7003 keeps what it hears."""

    async def listens(connection: Connection) -> None:
        while data := await connection.receive():
            heard.extend(data)

    settings = Settings(paced=True, baud=baud)
    async with open_module(settings, network(p7003=listens)) as simulated, trio.open_nursery() as nursery:
        port = Buffered(simulated, baud)
        nursery.start_soon(port.run)

        async def opener(url: str, baud: int) -> Port:
            return port

        async with open_management_session("memory", baud, opener=opener) as one:
            yield one, port
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("tells", [False, True], ids=["silent driver", "driver that tells"])
async def test_a_driver_that_holds_much_is_waited_for(
    tells: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """The way out, and a cut in the payload, begin at the end of the bytes on the wire."""
    heard = bytearray()
    sent = [b"x" * 2000, b"+++", b"y" * 2000, b"+++"]
    async with buffered(9600, heard) as (one, port):
        port.tells = tells
        async with open_passthrough(one, HOST, 7003) as stream:
            for piece in sent:
                await stream.send_all(piece)
                await trio.sleep(0.1)
        assert await one.execute(passthrough.Passthrough()) is False
    assert heard == b"".join(sent)


async def test_a_line_that_flow_control_holds_up_is_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard = bytearray()
    async with buffered(115200, heard) as (one, port), trio.open_nursery() as nursery:

        async def goes_on() -> None:
            await trio.sleep(5)
            port.go_on()

        async with open_passthrough(one, HOST, 7003) as stream:
            port.hold()
            await stream.send_all(b"x" * 1000)
            nursery.start_soon(goes_on)
        assert await one.execute(passthrough.Passthrough()) is False
    assert heard == b"x" * 1000


async def test_udp(autojump_clock: trio.testing.MockClock) -> None:
    net = network()
    net.answer_datagrams(HOST, 7005, lambda data: [data])
    async with open_module(Settings(), net) as simulated:

        async def opener(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream, url)

        async with (
            open_management_session("memory", 115200, opener=opener) as one,
            open_passthrough(one, HOST, 7005, "UDP") as stream,
        ):
            await echoed(stream, [(0, b"hello"), (0.1, b"+++")])


async def test_a_host_that_refuses(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as one:
        await one.execute(tcpip.SetMultiplexed(on=True))
        with pytest.raises(CommandError):
            async with open_passthrough(one, HOST, 1):
                pytest.fail("nobody is there")
        assert await one.execute(tcpip.Multiplexed()) is True


async def test_what_others_have_open_is_not_touched(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as one:
        await one.execute(tcpip.OpenTcp(None, HOST, 7000))
        with pytest.raises(Error, match="without open links"):
            async with open_passthrough(one, HOST, 7000):
                pytest.fail("the link is somebody's")
        assert len(await one.execute(tcpip.Links())) == 1


async def test_an_interrupt_leaves_the_mode(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as one:
        with trio.move_on_after(5):
            async with open_passthrough(one, HOST, 7000) as stream:
                await stream.receive_some()
        assert await one.execute(passthrough.Passthrough()) is False


# ---- a link that breaks


@pytest.mark.parametrize("profile", ["1.0", "2.1", "2.4", "4.2"])
async def test_that_the_link_broke_is_told_afterwards(
    profile: str, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with management(profile) as one:
        async with open_passthrough(one, HOST, 7002) as stream:
            await echoed(stream, [(0, b"hello")])
            assert stream.reconnected is None
        assert stream.reconnected is False
        async with open_passthrough(one, HOST, 7002) as stream:
            await stream.send_all(b"close")
            await trio.sleep(2)
            await echoed(stream, [(0, b"hello again")])
        assert stream.reconnected is True
        assert "the link broke" in caplog.text


@pytest.mark.parametrize("profile", ["2.1", "2.4", "4.2"])
async def test_that_the_link_broke_is_told_at_once(
    profile: str, autojump_clock: trio.testing.MockClock
) -> None:
    events: list[bool] = []
    async with management(profile) as one:
        async with open_passthrough(one, HOST, 7002, on_link=events.append) as stream:
            await echoed(stream, [(0, b"CONN"), (0.1, b"ECT is no report, and CLOSED neither")])
            assert events == []
            await stream.send_all(b"close")
            await trio.sleep(2)
            assert events == [False, True]
            await echoed(stream, [(0, b"hello again")])
        assert await one.execute(passthrough.SystemMessages()) == passthrough.Messages(0)


async def test_a_setting_that_was_found_is_kept_and_believed(autojump_clock: trio.testing.MockClock) -> None:
    async with management("4.1") as one:
        await one.execute(passthrough.SetSystemMessages(passthrough.Messages.LINKS_IN_PASSTHROUGH))
        async with open_passthrough(one, HOST, 7002) as stream:
            await stream.send_all(b"close")
            await trio.sleep(2)
            await echoed(stream, [(0, b"hello again")])
        messages = await one.execute(passthrough.SystemMessages())
        assert messages == passthrough.Messages.LINKS_IN_PASSTHROUGH


async def test_firmware_that_cannot_tell_says_so(autojump_clock: trio.testing.MockClock) -> None:
    async with management("2.0") as one:
        with pytest.raises(Error, match=r"2\.1 and later") as caught:
            async with open_passthrough(one, HOST, 7002, on_link=print):
                pytest.fail("it cannot be told")
        assert caught.value.errno == errno.EOPNOTSUPP
        assert await one.execute(tcpip.Links()) == []


@pytest.mark.parametrize(("profile", "warned"), [("2.0", True), ("2.1", False)])
async def test_firmware_that_prints_nothing_is_warned_of(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture, profile: str, *, warned: bool
) -> None:
    async with management(profile) as one, open_passthrough(one, HOST, 7000) as stream:
        await stream.send_all(b"hello")
        with trio.move_on_after(60) as waiting:
            assert await stream.receive_some() == b"hello"
    assert waiting.cancelled_caught == warned
    assert ("print nothing that it receives" in caplog.text) == warned


# ---- the contract of a stream


async def test_pieces_as_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as one, open_passthrough(one, HOST, 7000) as stream:
        await stream.send_all(b"hello")
        await trio.sleep(1)
        assert await stream.receive_some(2) == b"he"
        assert await stream.receive_some() == b"llo"
        await stream.wait_send_all_might_not_block()
        with pytest.raises(ValueError, match="max_bytes"):
            await stream.receive_some(0)


async def test_closing_leaves_the_mode_once(autojump_clock: trio.testing.MockClock) -> None:
    async with management() as one:
        async with open_passthrough(one, HOST, 7000) as stream:
            await stream.aclose()
            await stream.aclose()
            for use in (stream.receive_some(), stream.send_all(b"x"), stream.wait_send_all_might_not_block()):
                with pytest.raises(trio.ClosedResourceError):
                    await use
        assert await one.execute(passthrough.Passthrough()) is False


async def test_two_senders_are_one_too_many(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        management() as one,
        open_passthrough(one, HOST, 7000) as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(stream.send_all, b"+++")  # with a silence of its own
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.send_all(b"x")


async def test_a_lost_port_is_told_to_reader_and_writer(autojump_clock: trio.testing.MockClock) -> None:
    async def read(stream: Passthrough) -> None:
        with pytest.raises(StreamLost, match="unplugged"):
            await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")

    async with (
        management() as one,
        open_passthrough(one, HOST, 7000) as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(read, stream)
        await trio.testing.wait_all_tasks_blocked()
        one.channel.lose(PortError("unplugged", errno=errno.ENODEV))


async def test_what_nobody_reads_is_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esp32sock.engine.passthrough.UNREAD_BYTES", 1000)
    async with management() as one, open_passthrough(one, HOST, 7000) as stream:
        for _ in range(5):
            await stream.send_all(bytes(1000))
            await trio.sleep(1)
        with pytest.raises(Error, match="not read in time") as caught:
            await stream.receive_some()
        assert caught.value.errno == errno.ECONNRESET


async def test_a_way_out_that_was_not_heard_is_gone_again(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first pluses get lost in somebody's noise."""
    async with management() as one:
        sent = one.port.send
        lost: list[bytes] = []

        async def send(data: bytes | memoryview) -> None:
            if bytes(data) == b"+++" and not lost:
                lost.append(b"+++")
                data = b"++"
            await sent(data)

        async with open_passthrough(one, HOST, 7000) as stream:
            await echoed(stream, [(0, b"hello")])
            monkeypatch.setattr(one.port, "send", send)
        assert lost
        assert await one.execute(passthrough.Passthrough()) is False


async def test_a_prompt_that_gets_lost_leaves_the_mode_and_enters_it_anew(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The module takes everything for payload without a word of it: no command may go to the peer."""
    heard = bytearray()

    async def listens(connection: Connection) -> None:
        while data := await connection.receive():
            heard.extend(data)

    async with management(settings=Settings(profile="2.4", faults="lost-prompt@1"), p7003=listens) as one:
        with trio.fail_after(10):
            async with open_passthrough(one, HOST, 7003):
                pass
        assert not heard
        assert await one.execute(passthrough.Passthrough()) is False
        assert await one.execute(tcpip.Links()) == []
        async with open_passthrough(one, HOST, 7000) as stream:
            await echoed(stream, [(0, b"hello")])
