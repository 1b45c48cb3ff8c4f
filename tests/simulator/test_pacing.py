"""The serial line in time. All of it on a clock that the test moves."""

import pytest

from esp32sock.simulator.network.api import Received
from esp32sock.simulator.network.memory import MemoryNetwork
from esp32sock.simulator.serial.wire import HostLine


def pour(count):
    async def peer(connection):
        connection.send(b"x" * count)

    return peer


@pytest.mark.parametrize("baud", [9600, 115200, 921600, 5_000_000])
def test_download_goes_at_line_rate(quiet, baud):
    network = MemoryNetwork(latency_s=1e-5)
    count = baud // 5  # two seconds of it
    network.listen("10.0.2.2", 1, pour(count))
    bench = quiet("2.4", network=network, paced=True, baud=baud)
    bench.writes(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n')
    got, started, finished = 0, None, None
    while got < count:
        now = bench.now
        data = bench.passes(0.001)
        if data:
            started = now if started is None else started
            finished = bench.now
        got += len(data)
    rate = got / (finished - started)
    assert rate == pytest.approx(baud / 10, rel=0.03)


@pytest.mark.parametrize("latency_ms", [0, 1, 4, 16])
@pytest.mark.parametrize("size", [64, 2048, 8192])
def test_upload_costs_two_turn_arounds(quiet, size, latency_ms):
    """Performance-facts 2.2: T = (N + 58)/R + 2 L, the bytes of command and answers included."""
    rate = 92160.0
    network = MemoryNetwork(latency_s=0)

    async def sink(connection):
        while await connection.receive():
            pass

    network.listen("10.0.2.2", 1, sink)
    bench = quiet("2.4", network=network, paced=True, baud=921600, latency_ms=latency_ms)
    bench.do('AT+CIPSTART="TCP","10.0.2.2",1')

    def until(end):
        said = b""
        while not said.endswith(end):
            said += bench.passes(0.00005)
        return said

    started, rounds, wire = bench.now, 5, 0
    for _ in range(rounds):
        command = b"AT+CIPSEND=%d\r\n" % size
        bench.writes(command)
        wire += len(command) + len(until(b">"))
        bench.writes(b"D" * size)
        wire += size + len(until(b"SEND OK\r\n"))
    expected = rounds * 2 * latency_ms / 1000 + wire / rate
    assert bench.now - started == pytest.approx(expected, rel=0.02, abs=rounds * 0.0002)


def test_latency_does_not_slow_a_stream(quiet):
    """A download needs no answer of the host, so the adapter's delay costs it nothing."""
    network = MemoryNetwork(latency_s=1e-5)
    network.listen("10.0.2.2", 1, pour(92160))
    bench = quiet("2.4", network=network, paced=True, baud=921600, latency_ms=16)
    bench.writes(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n')
    assert len(bench.passes(1.1)) > 92160


def test_a_stall_is_not_caught_up_in_one_burst(quiet):
    network = MemoryNetwork(latency_s=1e-5)
    network.listen("10.0.2.2", 1, pour(50_000))
    bench = quiet("2.4", network=network, paced=True, baud=921600)
    bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n', within=0.1)
    bench.now += 1.0
    bench.module.advance(bench.now)
    assert 0 < len(bench.module.take_output(bench.now, 1 << 20)) <= 4096


def test_what_comes_from_outside_comes_now(quiet):
    """The time since the last call is not line time that a burst may catch up."""
    bench = quiet("2.4", paced=True, baud=115200)
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7004')
    module = bench.module
    module.wake = lambda: module.advance(bench.now)
    bench.now += 10
    module.post(Received(module.firmware.links.get(0).handle, b"x" * 20_000))
    assert module.take_output(bench.now, 1 << 20) == b""
    assert len(bench.passes(0.01)) == pytest.approx(115, abs=2)


def test_new_baud_holds_after_ok(quiet):
    """At-dialects 2: OK goes out at the old speed."""
    bench = quiet("2.4", paced=True, baud=9600)
    bench.writes(b"AT+UART_CUR=921600,8,1,0,0\r\n")
    command_s = 28 / 960
    assert bench.passes(command_s + 5.5 / 960) == b"\r\nOK\r"
    assert bench.module.uart.settings.baud == 9600
    assert bench.passes(1.0 / 960) == b"\n"
    assert bench.module.uart.settings.baud == 921600


def test_unpaced_line_takes_no_time(power_on):
    bench = power_on("2.4")
    assert bench.say(b"AT\r\n", within=0) == b"AT\r\n\r\nOK\r\n"


def test_baud_reads_back_from_the_divider(quiet):
    """115200 reads 115201 (observed 2.0, 4.1); a baud that divides evenly reads as set."""
    bench = quiet("2.4", baud=2_000_000)
    assert bench.say(b"AT+UART_CUR?\r\n").startswith(b"+UART_CUR:2000000,")


# The transmit ring of 8192 bytes (at-dialects 2): whoever writes to a full one waits


def test_a_command_runs_until_its_answer_is_in_the_ring(quiet):
    bench = quiet("4.1", paced=True)
    name = b'AT+SYSFLASH=2,"fs_storage",0,16384\r\n'
    said = bench.say(name, within=0.5)
    assert said.startswith(b"+SYSFLASH:16384,\xff")
    said += bench.say(b"AT\r\n", within=0.1)
    assert bench.module.firmware.executor.running
    said += bench.passes(2)
    assert said == b"+SYSFLASH:16384," + 16384 * b"\xff" + b"\r\nOK\r\n\r\nbusy p...\r\n"
    assert bench.say(b"AT\r\n") == b"\r\nOK\r\n"


@pytest.mark.parametrize("echo", [b"ATE0", b"ATE1"])
def test_a_flood_of_commands_does_not_fill_the_memory(power_on, echo):
    """The receiving task waits too, so its ring overflows and what has no room is lost, in silence."""
    bench = power_on("2.4", paced=True, baud=9600)
    bench.do(echo.decode())
    bench.module.uart.host = HostLine(rtscts=False)
    most = 0
    for _ in range(400):
        bench.writes(b"AT+GMR\r\n" * 20)
        most = max(most, bench.module.uart.queued_bytes)
        bench.module.advance(bench.now)
        bench.now += 0.02
        bench.module.advance(bench.now)
    assert most < 8192 + 2048
    assert bench.module.uart.lost_bytes
    bench.passes(900)
    assert bench.say(b"\r\nAT\r\n").endswith(b"\r\nOK\r\n")


def test_commands_are_answered_while_a_download_fills_the_ring(quiet):
    network = MemoryNetwork(latency_s=1e-5)
    network.listen("10.0.2.2", 1, pour(500_000))
    bench = quiet("2.4", network=network, paced=True)
    bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n', within=2)
    for _ in range(5):
        assert b"+CIPMUX:0\r\n\r\nOK\r\n" in bench.say(b"AT+CIPMUX?\r\n", within=1.5)
