"""Start-up and recovery: what is sent to whom, what is said when it fails, and within which time."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from esp32sock.at.commands import tcpip, wifi
from esp32sock.engine.engine import Engine
from esp32sock.engine.options import Options
from esp32sock.engine.probe import FILLER, LINE_END
from esp32sock.engine.transports import Port, StreamPort
from esp32sock.errors import CommandError, Error, PortError
from esp32sock.simulator import MemoryNetwork, Settings
from tests.engine.harness import echo, network, port_lost, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock


class ScriptedPort(Port):
    """Whoever is behind it answers each write with what `answer` returns."""

    def __init__(self, answer: Callable[[bytes, int], bytes], baud: int = 115200) -> None:
        self.name = "scripted"
        self.baudrate = baud
        self.written: list[bytes] = []
        self._answer = answer
        self._send, self._receive = trio.open_memory_channel[bytes](1000)

    async def receive(self) -> bytes:
        return await self._receive.receive()

    async def send(self, data: bytes | memoryview) -> None:
        raw = bytes(data)
        self.written.append(raw)
        answer = self._answer(raw, self.baudrate or 0)
        if answer:
            self._send.send_nowait(answer)

    def set_baud(self, baud: int) -> bool:
        self.baudrate = baud
        return True

    async def aclose(self) -> None:
        pass


async def attach(port: Port, **options: object) -> Error:
    """The error that attaching to this port ends in."""

    async def opener(url: str, baud: int) -> Port:
        return port

    engine = Engine(Options("scripted", **options), opener)  # type: ignore[arg-type]
    with pytest.RaisesGroup(pytest.RaisesExc(Error), flatten_subgroups=True) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
    (error,) = caught.value.exceptions
    while isinstance(error, ExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, Error)
    return error


@pytest.mark.parametrize("fills", [True, False])
async def test_silence_is_named_within_ten_seconds(fills: bool, autojump_clock: MockClock) -> None:
    port = ScriptedPort(lambda data, baud: b"")
    started = trio.current_time()
    error = await attach(port, fill_data_phase=fills)
    assert trio.current_time() - started < 10
    assert isinstance(error, PortError)
    assert error.errno == errno.ENODEV
    assert "nothing answers" in str(error)
    assert "TX and RX" in str(error)
    assert port.written[0] == b"+++"
    assert set(port.written) - {FILLER, LINE_END} <= {b"+++", b"\r\n", b"AT\r\n", b"AT+CIPMUX?\r\n"}
    assert (FILLER in port.written) is fills
    assert port.baudrate == 115200


async def test_the_wrong_baud_is_found_named_and_not_changed(autojump_clock: MockClock) -> None:
    def answer(data: bytes, baud: int) -> bytes:
        return b"AT\r\n\r\nOK\r\n" if baud == 921600 and b"AT" in data else b"\x80\xfe\x00" * len(data)

    port = ScriptedPort(answer)
    started = trio.current_time()
    error = await attach(port)
    assert trio.current_time() - started < 10
    assert "baudrate=921600" in str(error)
    assert error.errno == errno.EPROTO
    assert port.baudrate == 115200


async def test_something_that_is_no_at_module_is_said_to_be_none(autojump_clock: MockClock) -> None:
    port = ScriptedPort(lambda data, baud: b"login: password: sorry\r\n")
    started = trio.current_time()
    error = await attach(port)
    assert trio.current_time() - started < 20
    assert "not an ESP-AT module" in str(error)
    assert "sorry" in str(error)


async def test_a_plain_echo_is_no_module(autojump_clock: MockClock) -> None:
    started = trio.current_time()
    error = await attach(ScriptedPort(lambda data, baud: data))
    assert trio.current_time() - started < 6
    assert "not an ESP-AT module" in str(error)


async def test_a_busy_module_is_alive_and_waited_for(autojump_clock: MockClock) -> None:
    asked = 0

    def answer(data: bytes, baud: int) -> bytes:
        nonlocal asked
        asked += b"AT" in data
        if asked < 20:
            return b"\r\nbusy p...\r\n" if b"AT" in data else b""
        return b"\r\nERROR\r\n" if data != b"AT+CIPMUX?\r\n" else b"+CIPMUX:0\r\n\r\nOK\r\n"

    error = await attach(ScriptedPort(answer))
    assert isinstance(error, CommandError)  # it got past the probe, to a set-up that this script refuses
    assert asked > 20


async def test_a_module_that_stays_busy_is_given_up_in_time(autojump_clock: MockClock) -> None:
    port = ScriptedPort(lambda data, baud: b"\r\nbusy p...\r\n" if b"AT" in data else b"")
    started = trio.current_time()
    error = await attach(port)
    assert trio.current_time() - started < 45
    assert "is alive" in str(error)


async def test_a_module_that_is_just_powered_on_is_waited_for(autojump_clock: MockClock) -> None:
    async with running(Settings(cold=True), network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        await user.end.send_all(b"hello")
        assert await user.end.receive_some(100) == b"hello"


async def test_a_module_left_in_a_data_phase_is_freed_and_nothing_is_sent_for_it(
    autojump_clock: MockClock,
) -> None:
    """What an earlier host left half done ends in SEND Canceled, not in our commands at its peer."""

    def left_over(simulated: object) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            stream = simulated.stream  # type: ignore[attr-defined]
            for line in (
                b"AT+CIPMUX=1\r\n",
                b'AT+CIPSTART=1,"TCP","10.0.2.2",7000\r\n',
                b"AT+CIPSEND=1,50\r\n",
            ):
                await stream.send_all(line)
                await trio.sleep(1)
            return StreamPort(stream)

        return opener

    async with running(network=network(p7000=echo), opener=left_over) as harness:
        record = harness.simulated.module.journal.links[0]
        assert record.bytes_sent == 0
        assert record.closed_at_s is not None


@pytest.mark.parametrize("profile", ["2.0", "2.1", "2.4", "doc-v1"])
async def test_the_set_up_works_on_every_profile(profile: str, autojump_clock: MockClock) -> None:
    async with running(Settings(profile=profile)) as harness:
        assert harness.engine.station_ip == "10.0.2.15"
        assert await harness.engine.execute(tcpip.Multiplexed()) is True


async def test_each_side_has_its_own_address(autojump_clock: MockClock) -> None:
    async with running() as harness:
        await harness.engine.execute(wifi.SetMode(wifi.WifiMode.STATION_AND_SOFTAP))
        async with harness.engine.context.channel.exclusive():
            await harness.engine._station.read_addresses(harness.engine.context.channel)
        peers = ("10.0.2.2", "192.168.4.2", "127.0.0.1")
        context = harness.engine.context
        assert [context.local_ip(peer) for peer in peers] == [
            "10.0.2.15",
            "192.168.4.1",
            "127.0.0.1",
        ]
        own = ("10.0.2.15", "192.168.4.1", "127.0.0.1")
        assert [context.is_own(host) for host in own + peers[:2]] == [True] * 3 + [False] * 2


async def test_joins_what_it_is_told_to_and_not_again(autojump_clock: MockClock) -> None:
    settings = Settings(joined=False)
    ssid = settings.access_points[0].ssid
    async with running(settings, ssid=ssid) as harness:
        joined = await harness.engine.execute(wifi.Joined())
        assert joined is not None
        assert joined.ssid == ssid


async def test_an_access_point_that_is_not_there_is_named(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(CommandError, match="no access point of that name"), flatten_subgroups=True
    ) as caught:
        async with running(Settings(joined=False), ssid="nowhere", password="secret-word"):
            raise AssertionError("it was joined to nothing")
    assert "secret-word" not in repr(caught.value.exceptions)


async def test_without_wifi_connecting_says_so_within_ten_seconds(autojump_clock: MockClock) -> None:
    async with running(Settings(joined=False), network(p7000=echo)) as harness:
        started = trio.current_time()
        with pytest.raises(Error, match="no Wi-Fi") as caught:
            await harness.connect(7000)
        assert caught.value.errno == errno.ENETUNREACH
        assert trio.current_time() - started < 10
        assert harness.simulated.module.journal.links_opened == 0


async def test_names_are_resolved_by_the_module(autojump_clock: MockClock) -> None:
    async with running(network=network()) as harness:
        assert await harness.engine.resolve("example.test") == ["10.0.2.9"]
        with pytest.raises(CommandError):
            await harness.engine.resolve("nowhere.test")


@pytest.mark.parametrize(("profile", "argument"), [("2.4", b""), ("4.1", b",,,5000")])
async def test_the_module_tries_to_connect_no_longer_than_the_program(
    profile: str, argument: bytes, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        session, lines = harness.engine.context.channel.session, []
        send = session.send

        def note(command, now):  # type: ignore[no-untyped-def]
            lines.append(command.line(session.firmware))
            send(command, now)

        session.send = note  # type: ignore[method-assign]
        for timeout, said in ((5.0, argument), (None, b""), (100.0, b"")):
            await harness.connect(7000, timeout=timeout)
            start = next(line for line in reversed(lines) if b"CIPSTART" in line)
            assert start.partition(b",7000")[2] == said


async def test_an_address_that_is_none_is_shown(autojump_clock: MockClock) -> None:
    async with running(network=MemoryNetwork(names={"odd.test": "10.0.2.256"})) as harness:
        with pytest.raises(CommandError, match=r"AT\+CIPDOMAIN: .*nonsense: .*10\.0\.2\.256"):
            await harness.engine.resolve("odd.test")


async def test_a_lost_port_is_an_error_everywhere_and_comes_back(autojump_clock: MockClock) -> None:
    opened = 0
    cut = trio.Event()

    class Cuttable(StreamPort):
        async def receive(self) -> bytes:
            data = b""
            async with trio.open_nursery() as nursery:

                async def wait_for_cut() -> None:
                    await cut.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(wait_for_cut)
                data = await super().receive()
                nursery.cancel_scope.cancel()
            if not data:
                raise port_lost()
            return data

        async def aclose(self) -> None:
            pass

    def opener_of(simulated: object) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            nonlocal opened
            opened += 1
            if opened == 2:
                raise port_lost("still unplugged")
            stream = simulated.stream  # type: ignore[attr-defined]
            return Cuttable(stream) if opened == 1 else StreamPort(stream)

        return opener

    async with running(network=network(p7000=echo), opener=opener_of) as harness:
        users = [await harness.connect(7000) for _ in range(2)]
        started = trio.current_time()
        cut.set()
        for user in users:
            await user.over.wait()
            assert isinstance(user.error, PortError)
        assert trio.current_time() - started < 1
        again = await harness.connect(7000)
        await again.end.send_all(b"back")
        assert await again.end.receive_some(100) == b"back"
    assert opened == 3


@pytest.mark.parametrize(("version", "asked"), [("4.1.1.0", False), ("5.0.1.0", True)])
async def test_firmware_that_says_why_connections_fail_is_asked_to(
    version: str, asked: bool, autojump_clock: MockClock
) -> None:
    """No profile is as new: a script answers, as far as it knows."""
    known = {
        b"AT": b"",
        b"ATE0": b"",
        b"AT+GMR": f"AT version:{version}(4c6eb5e - ESP32 - May 20 2025 03:12:58)\r\n".encode(),
        b"AT+CIPMODE?": b"+CIPMODE:0\r\n",
        b"AT+CIPMUX?": b"+CIPMUX:0\r\n",
    }

    def answer(data: bytes, baud: int) -> bytes:
        line = data.strip()
        if not line.startswith(b"AT"):
            return b""
        good = line in known or line.startswith((b"AT+SYS", b"AT+CIPMUX="))
        return known.get(line, b"") + (b"\r\nOK\r\n" if good else b"\r\nERROR\r\n")

    port = ScriptedPort(answer)
    await attach(port)  # the script does not know AT+CIPDINFO
    assert (b"AT+SYSLOG=1\r\n" in port.written) == asked


def test_an_engine_without_a_port_has_no_links() -> None:
    engine = Engine(Options("memory"))
    assert engine.links() == {}
    assert engine.stats()["links_open"] == 0
