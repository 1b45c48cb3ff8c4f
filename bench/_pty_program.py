"""The child of benches that measure one program on a pseudo-terminal: sockets, or a script that knows it all.

Arguments: what to do, the terminal, its rate, the port of the peer behind the module, a count. Prints
figures: for a transfer the CPU time of this process and the time that passed, in seconds.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import socket as host_socket
import sys
import threading
import time
import tracemalloc
import types
from contextlib import ExitStack
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
LINKS = 5
SETTLE_S = 16
"""The looks at what passive links hold become rare within this time."""
CLOSED_S = 6
"""The deadline of the last command has passed then."""
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


def adafruit_burst(path: str, baud: int, port: int, count: int) -> dict[str, float]:
    """How many bytes it did not get."""
    control = adafruit(path, baud, port)
    control.socket_send(b"x")
    received = b""
    while data := control.socket_receive(timeout=2):
        received += data
    return {"lost": count - len(received)}


def idle(path: str, baud: int, port: int, count: int) -> dict[str, float]:
    """Wake-ups a second of this process in `count` seconds: with five idle links, and with none left."""
    with esp32sock.attach(path, baudrate=baud):
        links = [socket.create_connection((HOST, port), 60) for _ in range(LINKS)]
        time.sleep(SETTLE_S)
        with_links = wake_ups(count)
        for link in links:
            link.close()
        time.sleep(CLOSED_S)
        return {"with_links": with_links, "without": wake_ups(count)}


def wake_ups(seconds: int) -> float:
    """How often any thread of this process went to sleep for good, a second; this one's own sleep aside."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    time.sleep(seconds)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before - 1) / seconds


def memory(path: str, baud: int, port: int, count: int) -> dict[str, float]:
    """Heap and descriptors of each connected link behind the first, over which something has gone."""
    payload = content(SIZE)

    def connect() -> host_socket.socket:
        link: host_socket.socket = socket.create_connection((HOST, port), 60)
        link.sendall(payload)
        receive(link, SIZE)
        return link

    tracemalloc.start()
    with esp32sock.attach(path, baudrate=baud), connect() as first:
        again = connect()
        again.close()
        time.sleep(1)
        heap, descriptors = in_use()
        links = [connect() for _ in range(LINKS - 1)]
        time.sleep(1)
        with_links, more = in_use()
        for link in (*links, first):
            link.close()
    each = len(links)
    return {"heap_bytes": (with_links - heap) / each, "descriptors": (more - descriptors) / each}


def in_use() -> tuple[int, int]:
    gc.collect()
    return tracemalloc.get_traced_memory()[0], len(os.listdir("/proc/self/fd"))


def attach_twice(path: str, baud: int, port: int, count: int) -> dict[str, float]:
    """Seconds until the interface is there, for the first time and after a detach."""
    for name in ("config", "net.local_interface", "engine.options"):
        import_module(f"esp32sock.{name}")
    took_s = []
    for _ in range(2):
        began = time.perf_counter()
        with esp32sock.attach(path, baudrate=baud):
            took_s.append(time.perf_counter() - began)
    return {"first_s": took_s[0], "again_s": took_s[1]}


def scale(paths: str, baud: int, port: int, count: int) -> dict[str, float]:
    """Downloads of `count` bytes on five links of each module at a time, over all of them."""
    with ExitStack() as stack:
        modules = [
            stack.enter_context(esp32sock.open_interface(path, baudrate=baud)) for path in paths.split(",")
        ]
        links = []
        for module in modules:
            with module.use():
                links += [
                    stack.enter_context(socket.create_connection((HOST, port), 60)) for _ in range(LINKS)
                ]
        cpu_s, took_s = timed(lambda: receive_all(links, count))
        return {
            "cpu_s": cpu_s,
            "took_s": took_s,
            "threads": threading.active_count(),
            "descriptors": len(os.listdir("/proc/self/fd")),
        }


def receive_all(links: list[host_socket.socket], count: int) -> None:
    """In one thread, since only the threads of the package count."""
    expected = content(count)
    got = {link.fileno(): bytearray() for link in links}
    by_fd = {link.fileno(): link for link in links}
    poll = select.poll()
    for fd, link in by_fd.items():
        link.sendall(b"x")
        poll.register(fd, select.POLLIN)
    while by_fd:
        for fd, _ in poll.poll():
            got[fd] += by_fd[fd].recv(65536)
            if len(got[fd]) >= count:
                poll.unregister(fd)
                del by_fd[fd]
    if any(data != expected for data in got.values()):
        raise AssertionError("something else arrived")


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


JOBS: dict[str, Callable[..., tuple[float, float] | dict[str, float]]] = {
    "our-download": our_download,
    "our-upload": our_upload,
    "our-echo": our_echo,
    "bare-download": bare_download,
    "bare-echo": bare_echo,
    "our-burst": our_burst,
    "adafruit-upload": adafruit_upload,
    "adafruit-burst": adafruit_burst,
    "idle-echo": idle,
    "memory-echo": memory,
    "attach-echo": attach_twice,
    "scale-waiting": scale,
}


def main() -> None:
    what, path, baud, port, count = sys.argv[1:]
    found = JOBS[what](path, int(baud), int(port), int(count))
    print(json.dumps(found if isinstance(found, dict) else {"cpu_s": found[0], "took_s": found[1]}))


if __name__ == "__main__":
    main()
