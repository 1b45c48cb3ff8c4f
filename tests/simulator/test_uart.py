"""The truth about the serial line: the receive ring, RTS, unequal settings at the two ends. All in virtual
time, but for the terminal's settings.
"""

import os
import termios

import pytest

from esp32sock.simulator.kernel import Kernel
from esp32sock.simulator.network.api import Send
from esp32sock.simulator.network.memory import MemoryNetwork
from esp32sock.simulator.serial.endpoints import PtyPort
from esp32sock.simulator.serial.rx import FIFO_BYTES, RECEIVE_RING_BYTES
from esp32sock.simulator.serial.termios_line import host_line, set_baud
from esp32sock.simulator.serial.uart import Uart, UartSettings
from esp32sock.simulator.serial.wire import Frame, HostLine, equal_rates, received

ROOM = RECEIVE_RING_BYTES + FIFO_BYTES
MINDS = HostLine(rtscts=True)
IGNORES = HostLine(rtscts=False)


class Line:
    """A UART and nothing around it."""

    def __init__(self, host=MINDS, flow_control=1, **options):
        self.kernel = Kernel()
        self.reads = []
        settings = {"paced": False, "latency_s": 0.0, "ring_bytes": 8192, **options}
        self.uart = Uart(
            self.kernel,
            settings=UartSettings(flow_control=flow_control),
            deliver=self.reads.append,
            drained=lambda: None,
            **settings,
        )
        self.uart.host = host

    @property
    def read(self):
        return b"".join(self.reads)

    def passes(self, seconds):
        self.kernel.run(self.kernel.now + seconds)


@pytest.mark.parametrize("paced", [False, True])
def test_the_ring_overflows_when_rts_is_ignored(paced):
    line = Line(IGNORES, paced=paced)
    data = bytes(n * 7 & 255 for n in range(5000))
    hold = line.uart.hold()
    line.uart.host_wrote(data)
    line.passes(1)
    assert line.uart.lost_bytes == 5000 - ROOM
    line.uart.release(hold)
    line.passes(0)
    assert line.read == data[:ROOM]
    line.uart.host_wrote(b"more")
    line.passes(1)
    assert line.read == data[:ROOM] + b"more"


@pytest.mark.parametrize("paced", [False, True])
def test_nothing_is_lost_when_rts_is_minded(paced):
    line = Line(MINDS, paced=paced)
    data = bytes(n * 7 & 255 for n in range(50_000))
    hold = line.uart.hold()
    line.uart.host_wrote(data)
    line.passes(1)
    assert line.read == b""
    assert line.uart.wire_bytes == 50_000 - ROOM
    line.uart.release(hold)
    line.passes(10)
    assert (line.read, line.uart.lost_bytes, line.uart.wire_bytes) == (data, 0, 0)


def test_rts_that_the_module_does_not_use_protects_nothing():
    line = Line(MINDS, flow_control=2)
    line.uart.hold()
    line.uart.host_wrote(bytes(5000))
    line.passes(0)
    assert line.uart.lost_bytes == 5000 - ROOM


@pytest.mark.parametrize(("host", "lost"), [(MINDS, False), (IGNORES, True)])
def test_a_module_that_reads_slower_than_the_line(host, lost):
    line = Line(host, paced=True, drain_bytes_per_s=5000)  # the line: 11520
    data = bytes(n * 7 & 255 for n in range(20_000))
    line.uart.host_wrote(data)
    line.passes(10)
    assert bool(line.uart.lost_bytes) == lost
    assert len(line.read) + line.uart.lost_bytes == 20_000
    if not lost:
        assert line.read == data


def test_a_module_that_keeps_up_loses_nothing():
    line = Line(IGNORES, paced=True, drain_bytes_per_s=12_000)
    line.uart.host_wrote(bytes(50_000))
    line.passes(10)
    assert (len(line.read), line.uart.lost_bytes) == (50_000, 0)


def test_the_host_waits_when_it_writes_ahead():
    line = Line(paced=True)
    assert line.uart.accepting
    line.uart.host_wrote(bytes(10_000))
    assert not line.uart.accepting
    line.passes(0.7)
    assert line.uart.accepting


def test_a_restart_empties_the_ring_and_frees_it():
    line = Line()
    hold = line.uart.hold()
    line.uart.host_wrote(b"old")
    line.passes(0)
    line.uart.restart()
    line.uart.release(hold)
    line.uart.host_wrote(b"new")
    line.passes(0)
    assert line.reads == [b"new"]


def test_settings_change_behind_what_is_queued():
    line = Line()
    line.uart.write(b"OK")
    line.uart.change_after_output(UartSettings(baud=9600))
    line.uart.write(b"after")
    assert line.uart.settings.baud == 115200
    assert line.uart.take(100) == b"OK"
    assert line.uart.settings.baud == 9600
    assert line.uart.take(100) == b"after"


def test_pauses_and_the_end_of_the_line():
    line = Line()
    for data in (b"a", b"b"):
        line.uart.write(data)
        line.uart.pause_output(0.5)
    line.uart.unplug()
    line.uart.write(b"never")
    assert (line.uart.take(100), line.uart.take(100)) == (b"a", b"")
    assert line.uart.deadline() == 0.5
    line.passes(0.5)
    assert line.uart.take(100) == b"b"
    assert line.uart.unplugged
    line.passes(1)
    assert (line.uart.take(100), line.uart.deadline()) == (b"", None)


# Unequal ends

ALL_BYTES = bytes(range(256))


@pytest.mark.parametrize("baud", [9600, 115200, 921600])
def test_equal_ends_understand_each_other(baud):
    frame = Frame(baud)
    assert received(ALL_BYTES, frame, frame) == ALL_BYTES
    assert received(ALL_BYTES, Frame(baud, stop_bits=3), frame) == ALL_BYTES
    assert received(ALL_BYTES, Frame(baud), Frame(round(baud * 1.03))) == ALL_BYTES
    assert equal_rates(baud, round(baud * 1.01))


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [
        (Frame(9600), Frame(115200)),
        (Frame(115200), Frame(9600)),
        (Frame(115200), Frame(921600)),
        (Frame(115200), Frame(74880)),
    ],
)
def test_unequal_ends_do_not(sender, receiver):
    text = b"AT+GMR\r\n"
    assert not equal_rates(sender.baud, receiver.baud)
    assert received(text, sender, receiver) != text
    assert received(text, sender, receiver) == received(text, sender, receiver)


def test_a_slow_sender_looks_like_many_bytes_of_few_values():
    """One bit at 9600 lasts twelve at 115200: a falling edge reads as 00, as real adapters show."""
    assert set(received(b"U", Frame(9600), Frame(115200))) == {0}
    assert len(received(b"U", Frame(9600), Frame(115200))) == 5


def test_parity_and_bits_as_set_on_both_ends():
    for frame in (Frame(9600, 7, 1, 1), Frame(9600, 8, 3, 2), Frame(9600, 5, 1, 0)):
        mask = (1 << frame.data_bits) - 1
        assert received(ALL_BYTES, frame, frame) == bytes(n & mask for n in ALL_BYTES)


def test_garbage_both_ways():
    line = Line(HostLine(9600))
    line.uart.host_wrote(b"AT\r\n")
    assert line.read not in (b"", b"AT\r\n")
    line.uart.write(b"\r\nready\r\n")
    assert line.uart.take(100) != b"\r\nready\r\n"
    line.uart.host = HostLine(115200)
    line.reads.clear()
    line.uart.host_wrote(b"AT\r\n")
    assert line.read == b"AT\r\n"


def test_a_dialogue_over_a_change_of_baud(quiet):
    bench = quiet("2.0")
    uart = bench.module.uart
    uart.host = HostLine(115200)
    assert bench.say(b"AT+UART_CUR=921600,8,1,0,1\r\n") == b"\r\nOK\r\n"
    assert b"OK" not in bench.say(b"AT\r\n")
    uart.host = HostLine(921600)
    assert bench.say(b"AT\r\n") == b"\r\nERROR\r\n"  # what the garbage left in the line comes before it
    assert bench.say(b"AT\r\n") == b"\r\nOK\r\n"


# What the terminal tells


@pytest.mark.parametrize("baud", [74880, 115200, 921600, 5_000_000, 115201])
def test_the_terminal_shows_what_a_program_has_set(baud):
    port = PtyPort(baud)
    try:
        assert port.host_line() == HostLine(baud, rtscts=False)
        fd = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        attributes = termios.tcgetattr(fd)
        attributes[2] |= termios.CRTSCTS
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
        set_baud(fd, 9600)
        assert port.host_line() == HostLine(9600, rtscts=True)
        assert host_line(fd) == port.host_line()
        os.close(fd)
    finally:
        port.close_descriptors()


def test_what_is_no_terminal_counts_as_right(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    assert host_line(fd) == HostLine()
    set_baud(fd, 9600)
    os.close(fd)


# A network that does not take what the host sends


class Slow(MemoryNetwork):
    """Takes what is sent only when it is told to."""

    taking = False

    def __init__(self):
        super().__init__()
        self.waiting = []

    def handle(self, request):
        if isinstance(request, Send) and not self.taking:
            self.waiting.append(request)
        else:
            super().handle(request)

    def take(self):
        self.taking = True
        while self.waiting:
            super().handle(self.waiting.pop(0))


@pytest.mark.parametrize(("host", "lost"), [(MINDS, False), (IGNORES, True)])
@pytest.mark.parametrize("way", ["passthrough", "CIPSENDL"])
def test_back_pressure_of_the_network(quiet, way, host, lost):
    """The module keeps 8192 bytes, the ring the next 2048; RTS holds the rest if it is minded."""
    got = []

    async def sink(connection):
        while data := await connection.receive():
            got.append(data)

    network = Slow()
    network.listen("10.0.2.2", 1, sink)
    bench = quiet("2.4", network=network, paced=True, baud=921600)
    uart = bench.module.uart
    uart.host = host
    data = bytes(n * 7 % 251 for n in range(60_000))
    if way == "passthrough":
        bench.do('AT+CIPSTART="TCP","10.0.2.2",1', "AT+CIPMODE=1", "AT+CIPSEND")
    else:
        bench.do('AT+CIPSTART="TCP","10.0.2.2",1', "AT+CIPSENDL=60000")
    bench.writes(data)
    bench.passes(2)
    assert bool(uart.lost_bytes) == lost
    bench.module.advance(bench.now)
    network.take()
    bench.passes(2)
    assert len(b"".join(got)) == 60_000 - uart.lost_bytes or way == "CIPSENDL"
    if not lost:
        assert b"".join(got) == data
