"""Wi-Fi as a service: joins that say why they failed, and a network that goes and comes back."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import basic, wifi
from esp32sock.at.urcs import Wifi
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import CommandError, Error
from esp32sock.simulator import AccessPoint, Settings
from esp32sock.simulator.environment.radio import JoinFailure
from tests.engine.harness import Harness, echo, network, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated

ATTIC = AccessPoint("attic", "correct horse", encryption=3)
HOME = AccessPoint("Espressif")
PROFILES = ["0.10", "1.0", "1.2", "2.0", "2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0"]


class Air:
    """The access points around a simulated module, to be switched off and on."""

    def __init__(self, harness: Harness) -> None:
        self._firmware = harness.simulated.module.firmware
        self._harness = harness

    def off(self, *, says_so: bool = True) -> None:
        """The one it is joined to is gone, and so are the links, whether the module says so or not."""
        station = self._firmware.station
        self._firmware.board.radio.access_points = [
            point for point in self._firmware.board.radio.access_points if point is not station.access_point
        ]
        station.leave()
        for link in self._firmware.links.all():
            if link.is_stream:
                self._firmware.links.close(link, announce=says_so)
        self._harness.look_at_the_network()

    def on(self, *points: AccessPoint, by_itself: bool = True) -> None:
        """These can be heard from now on; the firmware joins by itself, or has given up."""
        self._firmware.board.radio.access_points += points
        if by_itself:
            self._firmware.station.join_stored()
        self._harness.look_at_the_network()


async def works(harness: Harness) -> None:
    user = await harness.connect(7000)
    await user.end.send_all(b"hello")
    assert await user.end.receive_some(10) == b"hello"


# ---- joining


async def test_joining_by_hand(autojump_clock: MockClock) -> None:
    async with running(Settings(joined=False, access_points=(ATTIC,)), network(p7000=echo)) as harness:
        joined = await harness.engine.join("attic", "correct horse")
        assert joined is not None
        assert (joined.ssid, joined.bssid) == ("attic", ATTIC.bssid)
        assert harness.engine.station_ip == "10.0.2.15"
        await works(harness)


@pytest.mark.parametrize(
    ("failure", "number"),
    [
        (JoinFailure.TIMEOUT, errno.ETIMEDOUT),
        (JoinFailure.WRONG_PASSWORD, errno.EACCES),
        (JoinFailure.NOT_FOUND, errno.ENETUNREACH),
        (JoinFailure.FAILED, errno.ECONNREFUSED),
    ],
)
@pytest.mark.parametrize("profile", ["1.0", "2.4", "4.1"])
async def test_a_join_that_fails_says_why(
    profile: str, failure: JoinFailure, number: int, autojump_clock: MockClock
) -> None:
    points = (replace(ATTIC, failure=int(failure)),)
    async with running(Settings(profile=profile, joined=False, access_points=points)) as harness:
        with pytest.raises(CommandError) as caught:
            await harness.engine.join("attic", "correct horse")
        assert caught.value.reason == failure
        assert caught.value.errno == number
        assert wifi.JOIN_ADVICE[wifi.JoinFailure(failure)] in str(caught.value)


async def test_a_join_is_bounded(autojump_clock: MockClock) -> None:
    settings = Settings(joined=False, access_points=(replace(ATTIC, failure=1),))
    settings = replace(settings, timing=replace(settings.timing, join_failure_s=17.0))
    async with running(settings) as harness:
        started = trio.current_time()
        with pytest.raises(Error, match="within 3 s") as caught:
            await harness.engine.join("attic", "correct horse", timeout=3)
        assert trio.current_time() - started < 4
        assert caught.value.errno == errno.ETIMEDOUT
        await harness.engine.execute(basic.Test())  # once the module has given up too


async def test_a_join_turns_the_station_on(autojump_clock: MockClock) -> None:
    async with running(Settings(joined=False, access_points=(ATTIC,))) as harness:
        await harness.engine.execute(wifi.SetMode(wifi.WifiMode.SOFTAP))
        await harness.engine.join("attic", "correct horse")
        assert await harness.engine.execute(wifi.Mode()) is wifi.WifiMode.STATION_AND_SOFTAP


async def test_a_join_does_not_end_links_unless_told_to(autojump_clock: MockClock) -> None:
    settings = Settings(access_points=(HOME, ATTIC))
    async with running(settings, network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        with pytest.raises(Error, match="link 4") as caught:
            await harness.engine.join("attic", "correct horse")
        assert caught.value.errno == errno.EBUSY
        await harness.engine.join("attic", "correct horse", force=True)
        assert user.error is not None
        assert user.error.errno == errno.ECONNRESET


# ---- losing the access point


@pytest.mark.parametrize("says_so", [True, False], ids=["says CLOSED", "keeps quiet"])
@pytest.mark.parametrize("profile", PROFILES)
async def test_links_fail_within_a_second_and_new_ones_wait(
    profile: str, says_so: bool, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        air = Air(harness)
        user = await harness.connect(7000)
        lost = trio.current_time()
        air.off(says_so=says_so)
        await user.over.wait()
        assert trio.current_time() - lost < 1
        assert user.error is not None
        assert user.error.errno == errno.ENETDOWN
        assert "Wi-Fi" in str(user.error)
        waiting = harness.begin(7000)
        await trio.sleep(2)
        assert waiting.events == []
        air.on(HOME)
        await waiting.decided.wait()
        assert waiting.events == ["opened"]
        await works(harness)


async def test_waiting_is_bounded(autojump_clock: MockClock) -> None:
    async with running(network=network(p7000=echo)) as harness:
        Air(harness).off()
        await trio.sleep(1)
        started = trio.current_time()
        with pytest.raises(Error, match="no Wi-Fi") as caught:
            await harness.connect(7000)
        assert 3 < trio.current_time() - started < 5
        assert caught.value.errno == errno.ENETUNREACH


async def test_roaming(autojump_clock: MockClock) -> None:
    """Another access point of that name, when the first is gone."""
    other = replace(HOME, bssid="10:01:00:c4:0a:99", channel=11, rssi_dbm=-70)
    async with running(Settings(access_points=(HOME, other)), network(p7000=echo)) as harness:
        Air(harness).off()
        await trio.sleep(1)
        Air(harness).on()
        await works(harness)
        joined = await harness.engine.execute(wifi.Joined())
        assert joined is not None
        assert joined.bssid == other.bssid


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.2"])
async def test_when_the_firmware_gives_up_it_is_joined_again(profile: str, autojump_clock: MockClock) -> None:
    settings = Settings(profile=profile, joined=False, access_points=(ATTIC,))
    async with running(settings, network(p7000=echo), ssid="attic", password="correct horse") as harness:
        air = Air(harness)
        air.off()
        await trio.sleep(300)
        assert harness.engine.station_ip is None
        air.on(ATTIC, by_itself=False)
        await trio.sleep(150)
        await works(harness)


async def test_what_was_told_to_leave_stays_away(autojump_clock: MockClock) -> None:
    async with running(Settings(access_points=(ATTIC, HOME)), ssid="Espressif") as harness:
        await harness.engine.execute(wifi.Leave())
        await trio.sleep(300)
        assert harness.engine.station_ip is None
        assert await harness.engine.execute(wifi.Joined()) is None


async def test_a_join_by_command_is_joined_again_after_a_restart(autojump_clock: MockClock) -> None:
    """Nothing is stored in the module (SYSSTORE=0)."""
    async with running(Settings(joined=False, access_points=(ATTIC,)), network(p7000=echo)) as harness:
        await harness.engine.execute(wifi.SetMode(wifi.WifiMode.STATION))
        await harness.engine.execute(wifi.Join("attic", "correct horse"))
        await harness.engine.execute(basic.Restart())
        await trio.sleep(10)
        await works(harness)


async def test_a_restart_without_the_access_point_is_no_end(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The interface is there, without a network; the network comes later."""
    settings = Settings(joined=False, access_points=(ATTIC,))
    async with running(settings, network(p7000=echo), ssid="attic", password="correct horse") as harness:
        air = Air(harness)
        air.off()
        await harness.engine.execute(basic.Restart(), force=True)
        await trio.sleep(10)
        await harness.engine.execute(basic.Test())
        assert harness.engine.station_ip is None
        assert harness.engine.context.counters.restarts == 1
        air.on(ATTIC, by_itself=False)
        await trio.sleep(60)
        await works(harness)
    assert "no access point of that name" in caplog.text
    assert "correct horse" not in caplog.text


async def test_a_storm_of_wifi_lines_is_weathered(autojump_clock: MockClock) -> None:
    async with running(Settings(faults="wifi-storm"), network(p7000=echo)) as harness:
        await trio.sleep(30)
        assert await harness.engine.execute(wifi.Joined()) is not None


# ---- the address is known, not believed


class Deaf(StreamPort):
    """A line on which some of what the module says is lost."""

    def __init__(self, simulated: Simulated) -> None:
        super().__init__(simulated.stream)
        self.lost: list[re.Pattern[bytes]] = []

    async def receive(self) -> bytes:
        while True:
            data = await super().receive()
            for pattern in tuple(self.lost):
                data, count = pattern.subn(b"", data, count=1)
                if count and pattern.pattern not in ALWAYS:
                    self.lost.remove(pattern)
            if data:
                return data


ALWAYS = (rb"WIFI DISCONNECT\r\n",)
LOST_LINES = {
    "nothing": (),
    "no-disconnect": (rb"WIFI DISCONNECT\r\n",),
    "no-connected": (rb"WIFI CONNECTED\r\n",),
    "no-got-ip": (rb"WIFI GOT IP\r\n",),
    "none-at-all": (rb"WIFI DISCONNECT\r\n", rb"WIFI CONNECTED\r\n", rb"WIFI GOT IP\r\n"),
    "a-spoilt-answer": (rb"\+CIFSR:STAIP.*\r\n",),
}


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1"])
@pytest.mark.parametrize("lost", LOST_LINES)
async def test_lost_lines_about_the_network_cost_no_socket(
    lost: str, profile: str, autojump_clock: MockClock
) -> None:
    """Away it is ENETUNREACH, and back it works within seconds, whichever line was lost."""
    ports: list[Deaf] = []

    def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            ports.append(Deaf(simulated))
            return ports[-1]

        return opener

    settings = Settings(profile=profile)
    async with running(settings, network(p7000=echo), opener=opener_of) as harness:
        await works(harness)
        air = Air(harness)
        ports[0].lost = [re.compile(pattern) for pattern in LOST_LINES[lost]]
        air.off()
        await trio.sleep(1)
        for _ in range(2):
            with pytest.raises(Error) as caught:
                await harness.connect(7000)
            assert caught.value.errno == errno.ENETUNREACH
        assert harness.engine.station_ip is None
        air.on(HOME)
        await trio.sleep(5)
        await works(harness)
        assert harness.engine.station_ip is not None
        await trio.sleep(60)
        await works(harness)


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1"])
async def test_a_disconnect_that_was_none_costs_nothing(profile: str, autojump_clock: MockClock) -> None:
    settings = Settings(profile=profile)
    async with running(settings, network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        for _ in range(3):
            harness.engine._station.changed(Wifi.DISCONNECTED)
            started = trio.current_time()
            await works(harness)
            assert trio.current_time() - started < 2
        await trio.sleep(60)
        assert harness.engine.station_ip == "10.0.2.15"
        await user.end.send_all(b"still here")
        assert await user.end.receive_some(100) == b"still here"
        assert user.events == ["opened"]
