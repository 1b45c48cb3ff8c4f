"""Finding the module: late answers, wrong rates, data phases that were left, and the adapter's reset line."""

from __future__ import annotations

import errno
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import tcpip
from esp32sock.engine.channel import CommandChannel
from esp32sock.engine.engine import Engine
from esp32sock.engine.management import _EventBuffer
from esp32sock.engine.options import Options
from esp32sock.engine.probe import FILLER_BYTES, OTHER_RATES_BAUD, probe
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import PortError
from esp32sock.simulator import HostLine, Settings, open_module
from tests.engine.harness import echo, network, running
from tests.engine.test_startup import ScriptedPort, attach

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.network.memory import Connection
    from esp32sock.simulator.runtime.runner import Opened as Simulated

SILENT_S = 10.0
"""Within so long a line without a module is named, beside what is allowed to end a data phase."""


class LatePort(StreamPort):
    """A line over a network: everything arrives, in order, so much later."""

    def __init__(self, simulated: Simulated, late_s: float) -> None:
        super().__init__(simulated.stream)
        self._late_s = late_s
        self._send, self._arrived = trio.open_memory_channel[tuple[float, bytes]](float("inf"))

    async def carry(self) -> None:
        while True:
            data = await super().receive()
            self._send.send_nowait((trio.current_time() + self._late_s, data))

    async def receive(self) -> bytes:
        when, data = await self._arrived.receive()
        await trio.sleep_until(when)
        return data


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1"])
@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.12, 0.25, 0.5, 0.9, 1.0, 1.15, 3.0])
async def test_late_answers_are_waited_for(late_s: float, profile: str, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:

        def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
            async def opener(url: str, baud: int) -> Port:
                port = LatePort(simulated, late_s)
                nursery.start_soon(port.carry)
                return port

            return opener

        async with running(Settings(profile=profile), opener=opener_of) as harness:
            assert harness.engine.firmware.is_known
            assert harness.engine.station_ip == "10.0.2.15"
            nursery.cancel_scope.cancel()


class RatePort(StreamPort):
    """The host's end of a line whose rate can be set."""

    def __init__(self, simulated: Simulated, baud: int) -> None:
        super().__init__(simulated.stream, "line", baud)
        self._simulated = simulated
        self.set_baud(baud)

    def set_baud(self, baud: int) -> bool:
        self._simulated.stream.line = HostLine(baud)
        self.baudrate = baud
        return True

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("module_baud", sorted(OTHER_RATES_BAUD))
@pytest.mark.parametrize("given_baud", sorted(OTHER_RATES_BAUD))
async def test_every_wrong_rate_is_named(
    given_baud: int, module_baud: int, autojump_clock: MockClock
) -> None:
    if given_baud == module_baud:
        return
    async with open_module(Settings(baud=module_baud)) as simulated:
        port = RatePort(simulated, given_baud)
        started = trio.current_time()
        error = await attach(port)
        assert f"baudrate={module_baud}" in str(error)
        assert error.errno == errno.EPROTO
        assert trio.current_time() - started < SILENT_S + 5
        assert port.baudrate == given_baud


class DataPhase(ScriptedPort):
    """A module that takes everything for payload until so many bytes came, and nothing else ends that."""

    def __init__(self, missing_bytes: int) -> None:
        super().__init__(self._script)
        self.missing_bytes = missing_bytes
        self.resets: list[tuple[str, bool]] = []
        self.restarts = True

    def _script(self, data: bytes, baud: int) -> bytes:
        taken = min(self.missing_bytes, len(data))
        self.missing_bytes -= taken
        done = b"\r\n+MQTTPUB:OK\r\n" if taken and not self.missing_bytes else b""
        return done + b"".join(self._line(line) for line in data[taken:].splitlines(keepends=True))

    def _line(self, line: bytes) -> bytes:
        return b"+CIPMUX:0\r\n\r\nOK\r\n" if line == b"AT+CIPMUX?\r\n" else b"\r\nERROR\r\n"

    def set_line(self, name: str, *, on: bool) -> None:
        self.resets.append((name, on))
        if not on and self.restarts and (name, True) in self.resets and self.missing_bytes:
            self.missing_bytes = 0
            self._send.send_nowait(b"\r\nready\r\n")


@pytest.mark.parametrize("missing_bytes", [1, 3, 5, 16, 17, 500, 1024, 4000, 30_000, FILLER_BYTES])
async def test_a_data_phase_is_filled_up(
    missing_bytes: int, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    port = DataPhase(missing_bytes)
    started = trio.current_time()
    error = await attach(port)
    assert str(error).startswith("ATE:")
    assert trio.current_time() - started < SILENT_S + 30
    written = sum(map(len, port.written))
    assert written < missing_bytes + 6000
    filled = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert bool(filled) == (missing_bytes > 100)


@pytest.mark.parametrize(("missing_bytes", "options"), [
    (FILLER_BYTES + 10_000, {}), (4000, {"fill_data_phase": False}),
])  # fmt: skip
async def test_what_is_not_filled_up_is_named_as_silent(
    missing_bytes: int, options: dict[str, bool], autojump_clock: MockClock
) -> None:
    port = DataPhase(missing_bytes)
    error = await attach(port, **options)
    assert isinstance(error, PortError)
    assert error.errno == errno.ENODEV
    assert sum(map(len, port.written)) < FILLER_BYTES + 300


@pytest.mark.parametrize(("line", "other"), [("dtr", "rts"), ("rts", "dtr")])
async def test_the_reset_line_comes_before_the_filler(
    line: str, other: str, autojump_clock: MockClock
) -> None:
    port = DataPhase(4000)
    error = await attach(port, reset=line)
    assert str(error).startswith("ATE:")
    assert port.resets == [(line, False), (other, False), (line, True), (line, False)]
    assert sum(map(len, port.written)) < 1000


async def test_a_reset_line_that_does_nothing_is_followed_by_the_filler(autojump_clock: MockClock) -> None:
    port = DataPhase(4000)
    port.restarts = False
    assert str(await attach(port, reset="dtr")).startswith("ATE:")


async def test_a_port_without_control_lines_refuses_the_option(autojump_clock: MockClock) -> None:
    async with open_module(Settings()) as simulated:
        error = await attach(StreamPort(simulated.stream), reset="dtr")
        assert "reset cannot be honoured" in str(error)
        assert error.errno == errno.ENOTTY


async def test_nothing_is_filled_while_anything_is_heard(autojump_clock: MockClock) -> None:
    port = ScriptedPort(lambda data, baud: b"login: ")
    error = await attach(port)
    assert "not an ESP-AT module" in str(error)
    assert sum(map(len, port.written)) < 300


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_version_that_is_not_understood_is_asked_again(lost: int, autojump_clock: MockClock) -> None:
    asked = 0

    def answer(data: bytes, baud: int) -> bytes:
        nonlocal asked
        if data == b"AT+CIPMUX?\r\n":
            return b"+CIPMUX:0\r\n\r\nOK\r\n"
        if data == b"AT+GMR\r\n":
            asked += 1
            version = b"AT version:2.4.0.0(s - ESP32 - t)\r\n" if asked > lost else b"AT vers"
            return version + b"SDK version:x\r\n\r\nOK\r\n"
        return b"\r\nOK\r\n" if data == b"ATE0\r\n" else b"\r\nERROR\r\n"

    error = await attach(ScriptedPort(answer))
    assert asked == lost + 1
    assert "AT+GMR" not in str(error)


async def test_a_module_that_never_names_its_version_is_not_set_up(autojump_clock: MockClock) -> None:
    def answer(data: bytes, baud: int) -> bytes:
        if data == b"AT+CIPMUX?\r\n":
            return b"+CIPMUX:0\r\n\r\nOK\r\n"
        return b"\r\nOK\r\n" if data in (b"ATE0\r\n", b"AT+GMR\r\n") else b"\r\nERROR\r\n"

    error = await attach(ScriptedPort(answer))
    assert str(error).startswith("AT+GMR")


@pytest.mark.parametrize("restart", [False, True])
async def test_a_module_that_stays_busy_is_restarted_only_by_who_may(
    restart: bool, autojump_clock: MockClock
) -> None:
    """An attach may meet a firmware update; an engine that has its module already does not."""
    busy = True

    def answer(data: bytes, baud: int) -> bytes:
        nonlocal busy
        if data == b"AT+RST\r\n":
            busy = False
            return b"\r\nWill force to restart!!!\r\n\r\nOK\r\n\r\nready\r\n"
        if busy:
            return b"\r\nbusy p...\r\n" if data.startswith(b"AT") else b""
        return b"+CIPMUX:0\r\n\r\nOK\r\n" if data == b"AT+CIPMUX?\r\n" else b"\r\nERROR\r\n"

    port = ScriptedPort(answer)
    listener = _EventBuffer()
    channel = listener.channel = CommandChannel(port, listener)
    async with trio.open_nursery() as nursery:
        await nursery.start(channel.run)
        if restart:
            await probe(channel, restart=True)
        else:
            with pytest.raises(PortError, match="alive but has not answered"):
                await probe(channel)
        assert (b"AT+RST\r\n" in port.written) is restart
        nursery.cancel_scope.cancel()


MISHAPS = ("refused", "busy-and-runs", "late", "lost")


class Unlucky(StreamPort):
    """A line on which one command line, by its number, does not go as it should."""

    def __init__(self, simulated: Simulated, number: int, mishap: str) -> None:
        super().__init__(simulated.stream)
        self.number = number
        self._mishap = mishap
        self._lines = 0
        self._send_heard, self._heard = trio.open_memory_channel[bytes](float("inf"))
        self._is_due = False

    async def carry(self) -> None:
        with suppress(PortError):  # the module is closed at the end
            await self._carry()

    async def _carry(self) -> None:
        while True:
            data = await super().receive()
            if self._is_due and self._mishap in ("late", "lost"):
                whole = data
                with trio.move_on_after(0.5):
                    while True:
                        whole += await super().receive()
                self._is_due = False
                if self._mishap == "lost":
                    continue
                await trio.sleep(2.5)
                data = whole
            self._send_heard.send_nowait(data)

    async def receive(self) -> bytes:
        return await self._heard.receive()

    async def send(self, data: bytes | memoryview) -> None:
        if bytes(data).startswith(b"AT"):
            self._lines += 1
            if self._lines == self.number:
                if self._mishap in ("refused", "busy-and-runs"):
                    self._send_heard.send_nowait(b"\r\nbusy p...\r\n")
                if self._mishap == "refused":
                    return
                self._is_due = True
        await super().send(data)


@pytest.mark.parametrize("profile", ["1.0", "2.4", "4.1"])
@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize("number", range(1, 14))
async def test_one_mishap_in_the_set_up_does_no_harm(
    number: int, mishap: str, profile: str, autojump_clock: MockClock
) -> None:
    """Whichever line is refused, or has its answer late by 3 s or lost: everything is set afterwards."""
    ports: list[Unlucky] = []
    async with trio.open_nursery() as nursery:

        def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
            async def opener(url: str, baud: int) -> Port:
                port = Unlucky(simulated, number, mishap)
                ports.append(port)
                nursery.start_soon(port.carry)
                return port

            return opener

        async with running(Settings(profile=profile), network(p7000=echo), opener=opener_of) as harness:
            assert harness.engine.firmware.is_known
            assert harness.engine.station_ip == "10.0.2.15"
            ports[0].number = 0  # only the set-up is meant
            for _ in range(2):
                user = await harness.connect(7000)
                await user.end.send_all(b"hello")
                assert await user.end.receive_some(10) == b"hello"
                await user.end.aclose()
                await user.over.wait()
            assert await harness.engine.execute(tcpip.Multiplexed())
            assert not await harness.engine.execute(tcpip.ShowsPeer())
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1", "doc-v1"])
async def test_a_module_that_echoes_is_found_at_once_and_left_so(
    profile: str, autojump_clock: MockClock
) -> None:
    settings = Settings(profile=profile, paced=True, baud=115200, latency_ms=1.0)
    async with open_module(settings) as simulated:

        async def opener(url: str, baud: int) -> Port:
            return RatePort(simulated, baud)

        for _ in range(3):
            engine = Engine(Options("memory"), opener)
            started = trio.current_time()
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                assert trio.current_time() - started < 0.3
                await engine.drain()
                nursery.cancel_scope.cancel()


class EchoingPort(StreamPort):
    """An adapter that gives back what is written, before what the module says."""

    def __init__(self, simulated: Simulated) -> None:
        super().__init__(simulated.stream)
        self._send, self._heard = trio.open_memory_channel[bytes](float("inf"))

    async def carry(self) -> None:
        while True:
            self._send.send_nowait(await super().receive())

    async def receive(self) -> bytes:
        return await self._heard.receive()

    async def send(self, data: bytes | memoryview) -> None:
        self._send.send_nowait(bytes(data))
        await super().send(data)


async def test_an_echo_alone_proves_no_command_mode(autojump_clock: MockClock) -> None:
    """The module is in passthrough behind an adapter that echoes: its peer hears nothing of the search."""
    heard = bytearray()

    async def peer(connection: Connection) -> None:
        while data := await connection.receive():
            heard.extend(data)

    async with open_module(Settings(profile="2.4"), network(p7000=peer)) as simulated:
        for line in (b"ATE0", b'AT+CIPSTART="TCP","10.0.2.2",7000', b"AT+CIPMODE=1", b"AT+CIPSEND"):
            await simulated.stream.send_all(line + b"\r\n")
            await trio.sleep(1)
        await simulated.stream.send_all(b"payload")
        await trio.sleep(1)
        port = EchoingPort(simulated)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(port.carry)
            channel = CommandChannel(port, _EventBuffer())
            await nursery.start(channel.run)
            with suppress(PortError):  # two echoes of one line are no clean line, whatever the mode
                await probe(channel)
            nursery.cancel_scope.cancel()
    assert bytes(heard) == b"payload"
