"""What a running module shows: counters by reason, and the log by level."""

from __future__ import annotations

import errno
import inspect
import logging
from typing import TYPE_CHECKING, get_type_hints

import pytest
import trio

from esp32sock.at.commands import sleep
from esp32sock.engine.stats import Counters, Stats, reset_reason
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import CommandError, Error, ModuleReset, PortError, RemoteProtocolError
from esp32sock.simulator import Settings, parse_faults
from tests.engine.harness import echo, network, running
from tests.engine.line_proxy import LineProxy
from tests.engine.test_faults import Line
from tests.engine.test_wifi import HOME, Air

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated
    from tests.engine.harness import Harness


def levels(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.levelno > 10]


async def reset_by(harness: Harness, cause: object) -> dict[str, int]:
    """What is counted when a link is reset by this."""
    user = await harness.connect(7000)
    cause()  # type: ignore[operator]
    await user.over.wait()
    await trio.sleep(30)
    return harness.engine.stats()["resets"]


async def test_resets_by_reason(autojump_clock: MockClock) -> None:
    async with running(Settings(), network(p7000=echo)) as harness:
        assert harness.engine.stats()["resets"] == {}
        module = harness.simulated.module
        assert await reset_by(harness, lambda: module.add_faults(parse_faults("reset@1"))) == {"restart": 1}
        module.end_faults()
        assert await reset_by(harness, lambda: Air(harness).off()) == {"restart": 1, "wifi": 1}
        assert harness.engine.stats()["restarts"] == 1


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
async def test_a_clean_start_counts_no_unknown_line(autojump_clock: MockClock, profile: str) -> None:
    async with running(Settings(profile=profile), network()) as harness:
        stats = harness.engine.stats()
        assert (stats["unknown_lines"], stats["doubts"], stats["repeats"]) == (0, 0, 0)


async def test_a_clean_end_is_no_reset(autojump_clock: MockClock) -> None:
    async with running(Settings(), network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        await user.end.aclose()
        await user.over.wait()
        assert harness.engine.stats()["resets"] == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleReset("x"), "restart"),
        (PortError("x"), "port"),
        (PortError("x", errno=errno.ETIMEDOUT), "silence"),
        (RemoteProtocolError("x"), "protocol"),
        (CommandError("AT+CIPSEND", "SEND FAIL"), "send"),
        (Error("x", errno=errno.ENETDOWN), "wifi"),
        (Error("x", errno=errno.ETIMEDOUT), "timeout"),
        (Error("x", errno=errno.ECONNRESET), "link"),
    ],
)
def test_reasons(error: Error, reason: str) -> None:
    assert reset_reason(error) == reason
    assert f"`{reason}`" in inspect.getsource(Stats)


def test_a_link_that_its_program_gave_up_is_no_reset() -> None:
    counters = Counters()
    counters.note_end(Error("x", errno=errno.ECONNABORTED))
    counters.note_end(None)
    assert not counters.resets


async def test_repeats(autojump_clock: MockClock) -> None:
    async with running(Settings(), network(p7000=echo)) as harness:
        assert harness.engine.stats()["repeats"] == harness.engine.stats()["doubts"] == 0
        user = await harness.connect(7000)
        lost: list[bytes] = []

        def lose(data: bytes) -> bytes:
            if lost or not data.startswith(b"AT+CIPSEND"):
                return data
            lost.append(data)
            return b""

        Line(harness, lose)
        await user.end.send_all(b"after all")
        assert await user.end.receive_some(100) == b"after all"
        stats = harness.engine.stats()
        assert lost
        assert (stats["repeats"], stats["resets"]) == (1, {})


async def test_doubts(autojump_clock: MockClock) -> None:
    async with running(Settings(), network(p7000=echo)) as harness:
        await harness.connect(7000)
        harness.engine.context.channel.session.receive_data(b"ERROR\r\n", trio.current_time())
        harness.engine.context.channel.dispatch()
        await trio.sleep(10)
        stats = harness.engine.stats()
        assert (stats["doubts"], stats["comparisons"], stats["repairs"]) == (1, 1, 0)


async def test_repairs(autojump_clock: MockClock) -> None:
    """A doubt, and the module lists a link no more that is believed open."""
    line = LineProxy()
    async with running(Settings(), network(p7000=echo), line.opener) as harness:
        user = await harness.connect(7000)
        line.replies[b"AT+CIPSTATE?"] = b"\r\nOK\r\n"
        harness.engine.context.channel.session.receive_data(b"ERROR\r\n", trio.current_time())
        harness.engine.context.channel.dispatch()
        await user.over.wait()
        line.replies.clear()
        stats = harness.engine.stats()
        assert (stats["doubts"], stats["repairs"]) == (1, 1)
        assert sum(stats["resets"].values()) == 1


async def test_the_counters_have_their_type(autojump_clock: MockClock) -> None:
    async with running(Settings()) as harness:
        stats = harness.engine.stats()
        assert stats.keys() == get_type_hints(Stats).keys()
        assert all(isinstance(value, int) for name, value in stats.items() if name != "resets")


async def test_what_happens_is_logged(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(Settings(), network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        await user.end.aclose()
        await user.over.wait()
    assert levels(caplog) == [
        ("INFO", "the module on memory is set up: firmware 2.4, 10.0.2.15"),
        ("INFO", "link 4 to 10.0.2.2:7000 is open"),
        ("INFO", "link 4 ended: closed"),
    ]


async def test_a_wifi_outage_is_said_rarely_and_its_end(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(Settings(), network()) as harness:
        air = Air(harness)
        air.off()
        await trio.sleep(2000)
        during = len(levels(caplog))
        assert 1 <= during <= 12
        air.on(HOME)
        await trio.sleep(300)
        assert harness.engine.station_ip is not None
    level, text = levels(caplog)[-1]
    assert level == "WARNING"
    assert text.startswith("the Wi-Fi of the module on memory is back after ")
    assert len(levels(caplog)) == during + 1


@pytest.mark.parametrize("profile", ["2.0", "2.1", "2.4", "4.1"])
@pytest.mark.parametrize("mode", [0, 1, 2])
async def test_light_sleep_is_warned_of(
    profile: str, mode: int, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            simulated.module.firmware.board.state.sleep_mode = mode
            return StreamPort(simulated.stream, url)

        return opener

    async with running(Settings(profile=profile), network(), opener_of):
        pass
    warned = [text for level, text in levels(caplog) if level == "WARNING"]
    assert len(warned) == (mode == 2 and profile != "2.0")
    assert all("UART misses bytes" in text for text in warned)


async def test_light_sleep_is_warned_of_when_a_program_asks_for_it(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(Settings(), network()) as harness:
        await harness.engine.execute(sleep.SetSleep(sleep.SleepMode.MODEM))
        assert not levels(caplog)
        await harness.engine.execute(sleep.SetSleep(sleep.SleepMode.LIGHT))
    assert [level for level, text in levels(caplog) if "light sleep" in text] == ["WARNING"]
