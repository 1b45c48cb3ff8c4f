"""What a chip does besides commands: it sleeps, it dies, and on some boards it is heard while it starts."""

import pytest

from esp32sock.simulator.serial.wire import HostLine

READY = b"\r\nready\r\n"


def test_deep_sleep_wakes_by_time(quiet):
    """V1.0 3.2.4: nothing is heard, and nothing taken, until a reset."""
    bench = quiet("2.4", joined=False)
    bench.do("AT+CWMODE=1", 'AT+CWJAP="Espressif",""', 'AT+CIPSTART="TCP","10.0.2.2",7000')
    assert bench.say(b"AT+GSLP=5000\r\n", within=5.05) == b"5000\r\n\r\nOK\r\n"
    assert bench.say(b"AT\r\n", within=0.05) == b""
    assert bench.passes(5) == READY + b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"
    assert bench.network.connections == []


def test_the_boot_log_on_a_shared_line(power_on):
    """Observed 1.0: the reason of the reset, and more; only where it is asked for."""
    for cause, noise in ((b"rst:0xc (SW_CPU_RESET)", True), (b"rst:", False)):
        bench = power_on("1.0", boot_noise=noise, joined=False)
        said = bench.say(b"AT+RST\r\n")
        assert (cause in said) == noise
        assert said.endswith(READY)
    bench = power_on("2.4", boot_noise=True, joined=False)
    assert b"rst:0x5 (DEEPSLEEP_RESET)" in bench.say(b"AT+GSLP=10\r\n")
    assert b"rst:0x1 (POWERON_RESET)" in power_on("2.4", cold=True, boot_noise=True).passes(2)


def test_the_boot_log_has_a_rate_of_its_own(quiet):
    """The ROM speaks at 115200, whatever the line is set to, and the firmware at what is stored."""
    bench = quiet("2.4", boot_noise=True, joined=False)
    uart = bench.module.uart
    uart.host = HostLine(115200)
    assert bench.say(b"AT+UART_DEF=9600,8,1,0,1\r\n") == b"\r\nOK\r\n"
    uart.host = HostLine(9600)
    said = bench.say(b"AT+RST\r\n")
    assert b"rst:" not in said
    assert said.endswith(READY)


@pytest.mark.parametrize("during", ["boot", "join", "command", "payload"])
def test_a_crash_at_any_moment_ends_in_ready(quiet, during):
    bench = quiet("2.4")
    match during:
        case "boot":
            bench.say(b"AT+RST\r\n", within=0.1)
        case "join":
            bench.say(b'AT+CWJAP="Espressif",""\r\n', within=0.05)
        case "command":
            bench.say(b'AT+CIPSTART="TCP","10.0.2.99",1\r\n', within=1)
        case "payload":
            bench.do('AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPSEND=10")
            bench.say(b"hello")
    bench.module.kernel.call_soon(bench.module.firmware.crash)
    assert bench.passes(5).startswith(READY)
    assert bench.say(b"ATE0\r\n").endswith(b"\r\nOK\r\n")
    assert bench.module.firmware.links.all() == []
