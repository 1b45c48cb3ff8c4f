"""What may be done to a module while it runs, and what the firmware makes of it."""

from __future__ import annotations

import contextlib
import os

import pytest
import serial
import trio

from esp32sock.simulator import (
    PROFILES,
    BackgroundModule,
    Controls,
    Device,
    Faults,
    MemoryNetwork,
    Settings,
    open_module,
    serve,
)

OK = b"\r\nOK\r\n"
JOINED = b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"
FIRMWARE = [name for name in PROFILES if name != "doc-v1"]
LIMIT_S = 20


@pytest.fixture
def controlled(quiet):
    """A module without echo and the hand on it."""

    def make(profile="2.4", **settings):
        bench = quiet(profile, **settings)

        def perform(action):
            return bench.module.perform(action, bench.now)

        return bench, Controls(bench.module, perform)

    return make


# Wi-Fi


@pytest.mark.parametrize("profile", FIRMWARE)
def test_the_access_point_goes_and_comes_back(controlled, profile):
    """At-dialects 8.2, real-firmware 9: WIFI DISCONNECT, again for each failed attempt; streams close, and
    it joins again by itself.
    """
    bench, controls = controlled(profile)
    bench.do("AT+CIPMUX=1", 'AT+CIPSTART=3,"TCP","10.0.2.2",7000', 'AT+CIPSTART=4,"UDP","10.0.2.2",7005')
    controls.disable_ap()
    assert bench.passes(0.9) == b"WIFI DISCONNECT\r\n3,CLOSED\r\n"
    assert bench.say(b"AT+CWJAP?\r\n", 0).endswith(OK)
    said = bench.passes(5)
    assert said == b"WIFI DISCONNECT\r\n" * said.count(b"\n")
    assert 2 <= said.count(b"\n") <= 3
    controls.enable_ap()
    said = bench.passes(5)
    assert said.removeprefix(b"WIFI DISCONNECT\r\n") == JOINED
    open_ids = {link.link_id for link in bench.module.firmware.links.all()}
    assert open_ids == {4}
    bench.do("AT+CIPCLOSE=4")


def test_reconnecting_is_configured_from_2_2_on(controlled):
    """AT+CWRECONNCFG: seconds apart, how often; 0 seconds: never (later documents)."""
    bench, controls = controlled("2.4")
    bench.do("AT+CWRECONNCFG=5,2")
    controls.disable_ap()
    assert bench.passes(5.9) == b"WIFI DISCONNECT\r\n"
    assert bench.passes(60) == 2 * b"WIFI DISCONNECT\r\n"
    controls.enable_ap()
    assert bench.passes(60) == b""
    assert bench.say(b"AT+CWJAP\r\n") == JOINED + OK
    bench.do("AT+CWRECONNCFG=0,0")
    controls.disable_ap()
    controls.enable_ap()
    assert bench.passes(60) == b"WIFI DISCONNECT\r\n"
    assert bench.say(b"AT+CWSTATE?\r\n") == b'+CWSTATE:4,"Espressif"\r\n' + OK


@pytest.mark.parametrize("line", [b"AT+CWQAP\r\n", b'AT+CWJAP="OpenNetworkA1",""\r\n'])
def test_a_command_ends_the_attempts(controlled, line):
    bench, controls = controlled("2.0")
    controls.disable_ap("Espressif")
    bench.passes(1.5)
    assert bench.say(line).endswith(OK)
    assert bench.passes(60) == b""


def test_a_boot_without_the_access_point_joins_when_it_comes(controlled):
    bench, controls = controlled("2.4")
    controls.disable_ap()
    assert bench.passes(0) == b"WIFI DISCONNECT\r\n"
    controls.restart()
    assert bench.passes(30) == b"\r\nready\r\n"
    controls.enable_ap()
    assert bench.passes(5) == JOINED


@pytest.mark.parametrize(("profile", "waits"), [("2.0", False), ("2.1", True), ("4.1", True)])
def test_unread_data_outlives_the_network(controlled, profile, waits):
    """At-dialects 8.2: kept from 2.1 on if it is unread in passive receive."""
    bench, controls = controlled(profile)
    bench.do("AT+CIPMUX=1", "AT+CIPRECVMODE=1")
    assert bench.say(b'AT+CIPSTART=0,"TCP","10.0.2.2",7001\r\n').endswith(b"\r\n+IPD,0,7\r\n")
    controls.disable_ap()
    assert bench.passes(0.5) == b"WIFI DISCONNECT\r\n" + (b"" if waits else b"0,CLOSED\r\n")
    if waits:
        said = bench.say(b"AT+CIPRECVDATA=0,100\r\n", 0.1)
        assert said == b"+CIPRECVDATA:7,HELLO\r\n" + OK + b"0,CLOSED\r\n"


async def quiet_client(connection):
    await connection.receive()


@pytest.mark.parametrize(("profile", "stays"), [("3.4", False), ("4.1", True)])
def test_links_of_the_softap_stay_from_4_1_on(controlled, profile, stays):
    bench, controls = controlled(profile)
    bench.do("AT+CWMODE=3", "AT+CIPMUX=1", "AT+CIPSERVER=1,8080")
    assert bench.network.connect(8080, quiet_client, address="192.168.4.2")
    assert bench.passes(1) == b"0,CONNECT\r\n"
    controls.disable_ap()
    assert bench.passes(0.5) == b"WIFI DISCONNECT\r\n" + (b"" if stays else b"0,CLOSED\r\n")


def test_another_access_point_under_the_same_name(controlled):
    bench, controls = controlled("2.4")
    controls.set_access_point("Espressif", rssi_dbm=-90, password="secret88", encryption=3)
    strength = int(bench.say(b"AT+CWJAP?\r\n").split(b",")[3])
    assert -94 <= strength <= -86
    assert bench.say(b'AT+CWJAP="Espressif","other"\r\n').endswith(b"+CWJAP:2\r\n\r\nERROR\r\n")
    with pytest.raises(ValueError, match=r"no access point 'x'; there are Espressif, "):
        controls.set_access_point("x", channel=3)
    with pytest.raises(TypeError):
        controls.set_access_point("Espressif", colour="red")


def test_stations_come_and_go(controlled):
    bench, controls = controlled("2.4")
    assert controls.connect_station("aa:bb:cc:00:00:01") is None
    bench.do("AT+CWMODE=3")
    assert controls.connect_station("aa:bb:cc:00:00:01") == "192.168.4.2"
    controls.disconnect_station("aa:bb:cc:00:00:01")
    assert bench.passes(1).endswith(b'+STA_DISCONNECTED:"aa:bb:cc:00:00:01"\r\n')


# Faults


def test_faults_at_run_time(controlled):
    bench, controls = controlled("2.4", faults="error@2")
    controls.inject("busy@1,no-gateway")
    assert bench.say(b"AT\r\n") == b"\r\nbusy p...\r\n"
    assert bench.say(b"AT\r\n") == OK  # error@2 had its two occasions with ATE0 and the one before
    assert bench.say(b'AT+CIPDOMAIN="host.test"\r\n') == b"\r\nERROR\r\n"
    assert bench.say(b'AT+PING="10.0.2.2"\r\n') == b"+PING:TIMEOUT\r\n\r\nERROR\r\n"
    assert bench.say(b'AT+CIPSTART="TCP","10.0.2.2",7000\r\n') == b"\r\nERROR\r\n"
    controls.clear_faults()
    assert bench.say(b'AT+CIPSTART="TCP","10.0.2.2",7000\r\n') == b"CONNECT\r\n" + OK
    controls.inject("reset@4")
    assert bench.say(b"AT\r\n") == b"\r\nOK\r\nready\r\n" + JOINED
    with pytest.raises(ValueError, match="no fault 'x'"):
        controls.inject("x")


def test_faults_at_run_time_on_a_module_that_had_none(controlled):
    bench, controls = controlled("2.4")
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000')
    controls.inject("peer-reset@1,wifi-storm@2=3,weak-signal=70")
    assert bench.passes(2.5) == 3 * b"WIFI DISCONNECT\r\n"
    assert -74 <= int(bench.say(b"AT+CWJAP?\r\n", 0).split(b",")[3]) <= -66
    bench.say(b"AT+CIPSEND=1\r\n", 0)
    assert bench.say(b"x", 0).endswith(b"CLOSED\r\n")
    controls.clear_faults()
    assert int(bench.say(b"AT+CWJAP?\r\n", 0).split(b",")[3]) >= -29
    assert bench.passes(60) == b""


def test_a_module_with_faults_of_its_own_takes_no_others():
    class Mine(Faults):
        active = True

    module = Device(Settings(), MemoryNetwork(), faults=Mine())
    with pytest.raises(ValueError, match="faults of its own"):
        Controls(module, lambda action: module.perform(action, 0.0)).inject("busy")


def test_a_restart_by_itself(power_on):
    bench = power_on("2.4", faults="restart@3")
    assert bench.passes(2.9) == b""
    assert bench.passes(5) == b"\r\nready\r\n" + JOINED
    assert bench.module.journal.boots == 2


# The line


def test_what_is_said_to_nobody_is_lost(controlled):
    bench, controls = controlled("2.4")
    controls.unplug(2.0)
    assert bench.say(b"AT\r\n", 1.9) == b""
    assert bench.passes(1) == b""
    assert bench.say(b"AT\r\n") == OK


def test_settings_of_the_line_change_although_it_is_unplugged(controlled):
    bench, controls = controlled("2.4")
    bench.writes(b"AT+UART_CUR=921600,8,1,0,1\r\n")
    controls.unplug(1.0)
    bench.passes(2)
    assert bench.module.uart.settings.baud == 921600


async def test_unplugged_in_memory(autojump_clock):
    async with open_module(Settings(profile="2.4"), MemoryNetwork()) as opened:
        opened.controls.unplug(seconds=3.0)
        assert await opened.stream.receive_some() == b""
        with pytest.raises(trio.ClosedResourceError):
            await opened.stream.send_all(b"AT\r\n")
        await trio.sleep(3.5)
        await opened.stream.send_all(b"AT\r\n")
        assert await opened.stream.receive_some() == b"AT\r\n\r\nOK\r\n"


def ask(path, line=b"AT\r\n", end=OK):
    with serial.Serial(path, 115200, timeout=LIMIT_S) as port:
        port.write(line)
        return port.read_until(end)


def wait_for(path):
    """Until a terminal is there again; the kernel tells when."""
    for _ in iter(lambda: os.path.exists(path), True):
        os.sched_yield()


@pytest.mark.parametrize("by_fault", [True, False])
def test_a_terminal_comes_back_at_the_same_path(tmp_path, by_fault):
    link = str(tmp_path / "tty")
    background = BackgroundModule(Settings(faults="unplug@20=0.1" if by_fault else ""), link=link)
    try:
        with serial.Serial(link, 115200, timeout=LIMIT_S) as port:
            port.write(b"AT\r\n")
            assert port.read_until(OK) == b"AT\r\n" + OK
            first = os.readlink(link)
            if by_fault:
                port.write(b"AT+GMR\r\n")
            else:
                background.controls.unplug(0.1)
            with contextlib.suppress(serial.SerialException):
                while port.read(1):
                    pass
            wait_for(link)  # while the old one is open, the new one is another
            assert os.readlink(link) != first
            background.controls.clear_faults()
            assert ask(link) == b"AT\r\n" + OK
    finally:
        background.stop()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(trio.RunFinishedError):
        background.controls.clear_faults()


def test_a_link_takes_no_file_away(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FileExistsError):
        BackgroundModule(Settings(), link=str(tmp_path / "mine"))
    assert (tmp_path / "mine").read_text() == "mine"


async def test_a_tcp_port_comes_back(nursery):
    place = await nursery.start(
        lambda task_status: serve(
            Settings(faults="unplug@3=0.01"), tcp=("127.0.0.1", 0), task_status=task_status
        )
    )
    address = place.removeprefix("socket://").rsplit(":", 1)
    with trio.fail_after(LIMIT_S):
        stream = await trio.open_tcp_stream(address[0], int(address[1]))
        await stream.send_all(b"AT\r\n")
        with contextlib.suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                pass
        await stream.aclose()
        while True:
            with contextlib.suppress(OSError):
                stream = await trio.open_tcp_stream(address[0], int(address[1]))
                break
            await trio.lowlevel.checkpoint()
        await stream.send_all(b"AT\r\n")
        said = b""
        while not said.endswith(OK):
            said += await stream.receive_some()
        await stream.aclose()
    nursery.cancel_scope.cancel()


def test_controls_from_a_thread():
    background = BackgroundModule(Settings(profile="2.4"))
    try:
        with serial.Serial(background.path, 115200, timeout=LIMIT_S) as port:
            background.controls.disable_ap()
            assert port.read_until(b"\n") == b"WIFI DISCONNECT\r\n"
            background.controls.enable_ap()
            assert port.read_until(b"GOT IP\r\n").endswith(JOINED)
            background.controls.restart()
            assert port.read_until(b"GOT IP\r\n") == b"\r\nready\r\n" + JOINED
    finally:
        background.stop()
