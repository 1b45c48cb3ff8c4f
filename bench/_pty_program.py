"""The child of benches that measure one program on a pseudo-terminal: sockets, or a script that knows it all.

Arguments: what to do, the terminal, its rate, the port of the peer behind the module, a count. Prints the CPU
time of this process and the time that passed, in seconds, for the transfer alone.
"""

from __future__ import annotations

import json
import os
import select
import socket as host_socket
import sys
import threading
import time
import types
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

import serial

import esp32sock
from bench._virtual import content
from esp32sock import socket
from esp32sock.at.framing import NEED_DATA, STREAM, Demux

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "10.0.2.2"
SIZE = 64
"""Of an echo."""
ADAFRUIT_BYTES = 2048
"""A send of Adafruit's driver: the most that every firmware takes."""


class BareLine:
    """A terminal, and AT commands whose answers are known."""

    def __init__(self, path: str, baud: int) -> None:
        self.line = serial.Serial(path, baud, timeout=0)
        self.fd = self.line.fileno()
        self.read = b""
        self._poll = select.poll()
        self._poll.register(self.fd, select.POLLIN)

    def more(self) -> bytes:
        self._poll.poll()
        return os.read(self.fd, 65536)

    def command(self, line: bytes, end: bytes = b"OK\r\n") -> bytes:
        os.write(self.fd, line + b"\r\n")
        while end not in self.read:
            self.read += self.more()
        head, _, self.read = self.read.partition(end)
        return head

    def connect(self, port: int) -> None:
        for line in (b"ATE0", b"AT+CIPMUX=1", b'AT+CIPSTART=0,"TCP","%s",%d' % (HOST.encode(), port)):
            self.command(line)


def bare_download(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    """A thread that polls, reads, takes the blocks apart and hands payload over; nothing else."""
    line = BareLine(path, baud)
    ours, theirs = host_socket.socketpair()
    line.connect(port)

    def pump() -> None:
        demux = Demux()
        demux.set_sink(0, STREAM)
        data, left = line.read, count
        while left:
            demux.receive_data(data)
            while demux.next_frame() is not NEED_DATA:
                pass
            if demux.ready():
                payload = demux.take(0)
                left -= len(payload)
                theirs.sendall(payload)
            if left:
                data = line.more()

    return timed(lambda: threading.Thread(target=pump, daemon=True).start() or receive(ours, count))  # type: ignore[func-returns-value]


def bare_echo(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    line = BareLine(path, baud)
    line.connect(port)
    payload = content(SIZE)

    def once() -> None:
        line.command(b"AT+CIPSEND=0,%d" % SIZE, b">")
        os.write(line.fd, payload)
        while b"SEND OK\r\n" not in line.read or payload not in line.read:
            line.read += line.more()
        line.read = b""

    return repeated(once, count)


def our_download(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    with esp32sock.attach(path, baudrate=baud), socket.create_connection((HOST, port), 60) as link:
        return timed(lambda: receive(link, count))


def our_upload(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    def send() -> None:
        link.sendall(content(count))
        if link.recv(1) != b".":
            raise AssertionError("the peer received something else")

    with esp32sock.attach(path, baudrate=baud), socket.create_connection((HOST, port), 60) as link:
        return timed(send)


def our_echo(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    payload = content(SIZE)
    with esp32sock.attach(path, baudrate=baud), socket.create_connection((HOST, port), 60) as link:

        def once() -> None:
            link.sendall(payload)
            receive(link, SIZE)

        return repeated(once, count)


def our_burst(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    with esp32sock.attach(path, baudrate=baud), socket.create_connection((HOST, port), 60) as link:
        link.sendall(b"x")
        return timed(lambda: receive(link, count))


def adafruit_upload(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    control = adafruit(path, baud, port)
    data = content(count)

    def send() -> None:
        for start in range(0, count, ADAFRUIT_BYTES):
            control.socket_send(data[start : start + ADAFRUIT_BYTES])

    return timed(send)


def adafruit_burst(path: str, baud: int, port: int, count: int) -> tuple[float, float]:
    """In the place of the CPU time: how many bytes it did not get."""
    control = adafruit(path, baud, port)
    control.socket_send(b"x")
    received = b""
    while data := control.socket_receive(timeout=2):
        received += data
    return float(count - len(received)), 0.0


class Pin:
    """A pin that goes nowhere."""

    direction: Any = None
    value: Any = None


def adafruit(path: str, baud: int, port: int) -> Any:
    """Adafruit's driver, connected, with the modules of CircuitPython that it imports."""
    stubs = {
        "digitalio": {"DigitalInOut": Pin, "Direction": types.SimpleNamespace(OUTPUT=1)},
        "micropython": {"const": lambda value: value},
        "busio": {"UART": serial.Serial},
    }
    for name, values in stubs.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(values)
    library = import_module("adafruit_espatcontrol.adafruit_espatcontrol")
    line = serial.Serial(path, baud, timeout=1)
    control = library.ESP_ATcontrol(line, baud, reset_pin=Pin(), rts_pin=Pin())
    control.begin()
    if not control.socket_connect("TCP", HOST, port):
        raise ConnectionError("the peer's driver does not connect")
    return control


def receive(link: host_socket.socket, count: int) -> None:
    received = bytearray()
    while len(received) < count:
        received += link.recv(65536)
    if received != content(count):
        raise AssertionError("something else arrived")


def timed(job: Callable[[], object]) -> tuple[float, float]:
    cpu_s, began = time.process_time(), time.perf_counter()
    job()
    return time.process_time() - cpu_s, time.perf_counter() - began


def repeated(once: Callable[[], None], count: int) -> tuple[float, float]:
    """CPU time and the median time of one."""
    for _ in range(10):
        once()
    cpu_s, took = time.process_time(), []
    for _ in range(count):
        began = time.perf_counter()
        once()
        took.append(time.perf_counter() - began)
    return (time.process_time() - cpu_s) / count, median(took)


JOBS = {
    "our-download": our_download,
    "our-upload": our_upload,
    "our-echo": our_echo,
    "bare-download": bare_download,
    "bare-echo": bare_echo,
    "our-burst": our_burst,
    "adafruit-upload": adafruit_upload,
    "adafruit-burst": adafruit_burst,
}


def main() -> None:
    what, path, baud, port, count = sys.argv[1:]
    cpu_s, took_s = JOBS[what](path, int(baud), int(port), int(count))
    print(json.dumps({"cpu_s": cpu_s, "took_s": took_s}))


if __name__ == "__main__":
    main()
