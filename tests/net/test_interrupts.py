"""An exception out of a signal handler, at every line of every verb: nothing is left or goes astray.

The exception is raised by a trace function before the n-th line of ours that the verb runs, for every n until
the verb ends undisturbed, on the fake interface. Afterwards the socket either works
or says that it does not; every link, port, client and descriptor is free once it is closed. Real signals at
random moments reach what no line shows: the inside of a wait.
"""

from __future__ import annotations

import dis
import gc
import os
import random
import signal
import socket as stdlib
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import esp32sock
from esp32sock import socket
from tests.net.fake_interface import FakeInterface
from tests.net.harness import using

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

# What an interrupted call leaves to the collector is closed, with this remark of the C module.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

PACKAGE = str(Path(esp32sock.__file__).parent)
SETTLED_S = 10
UNRAISABLE = ("__del__", "_collected", "_ignore_result")
"""Where Python itself swallows whatever is raised."""


class Interrupt(BaseException):
    """What the signal handler raises."""


@cache
def block_ends(code: CodeType) -> frozenset[int]:
    """Where a `with` calls `__exit__(None, None, None)`: Python looks for no signal just before that."""
    steps = list(dis.get_instructions(code))
    return frozenset(
        first.offset
        for first, *others, call in zip(steps, steps[1:], steps[2:], steps[3:], strict=False)
        if call.opname in ("PRECALL", "CALL") and call.arg == 2
        if all(step.opname == "LOAD_CONST" and step.argval is None for step in (first, *others))
    )


class InterruptAt:
    """Within the block, raises before the n-th line of the package in this thread; `hit`: whether it did."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.hit = False
        self.where = "its end"

    def __enter__(self) -> InterruptAt:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, what: str, _: object) -> Any:
        code = frame.f_code
        if what == "call":
            ours = code.co_filename.startswith(PACKAGE) and code.co_name not in UNRAISABLE
            return self._trace if ours else None
        if what == "line" and not self.hit and frame.f_lasti not in block_ends(code):
            self.left -= 1
            if not self.left:
                self.hit = True
                self.where = f"{code.co_filename}:{frame.f_lineno}"
                raise Interrupt(self.where)
        return self._trace


class Network(Protocol):
    """What the verbs are tried on: an interface, how hosts are reached, and what is left in it."""

    host: str

    def is_clean(self) -> bool: ...


class FakeNetwork:
    """Links of the fake interface."""

    host = "127.0.0.1"

    def __init__(self, fake: FakeInterface) -> None:
        self.fake = fake

    def port_of(self, listener: Any) -> int:
        return int(listener.getsockname()[1])

    def is_clean(self) -> bool:
        self.fake.settle()
        return not self.fake.links


@pytest.fixture(scope="module")
def faked() -> Iterator[FakeNetwork]:
    with using(FakeInterface()) as fake:
        yield FakeNetwork(fake)


@pytest.fixture
def network(faked: FakeNetwork) -> Network:
    return faked


class Peer:
    """A host that notes what it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self._listener = stdlib.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._connections: list[stdlib.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection: stdlib.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(4096):
                self.heard += data

    def close(self) -> None:
        self._listener.shutdown(stdlib.SHUT_RDWR)
        self._listener.close()


@contextmanager
def peers() -> Iterator[tuple[Peer, Peer]]:
    with closing(Peer()) as first, closing(Peer()) as second:
        yield first, second


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SETTLED_S
    while not holds():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.002)


def free(network: Network, before: int) -> bool:
    """Whether every link is closed, and no descriptor more is open than before."""
    gc.collect()
    socket.socket().close()  # which looks after what was parked when its object was collected
    return network.is_clean() and len(os.listdir("/proc/self/fd")) <= before


def every_line(network: Network, attempt: Callable[[InterruptAt], None]) -> int:
    """Interrupt `attempt` at its first line, its second, and so on; how many there were."""
    attempt(InterruptAt(0))  # what is imported or made once is there then
    until(network.is_clean, "links are left of the first run")
    gc.collect()
    for number in range(1, 2000):
        before = len(os.listdir("/proc/self/fd"))
        interrupt = InterruptAt(number)
        attempt(interrupt)
        until(lambda before=before: free(network, before), f"left after {interrupt.where}")
        if not interrupt.hit:
            return number
    raise AssertionError("it does not end")


def connect_elsewhere(network: Network, sock: Any, second: Peer) -> None:
    """The same socket to another peer: it is heard there, or connect says that it cannot be."""
    try:
        sock.settimeout(10)
        sock.connect((network.host, second.port))
    except OSError:
        return
    sock.sendall(b"for the second")
    sock.close()
    until(lambda: second.heard.endswith(b"for the second"), "the second peer hears nothing")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("timeout", [None, 10, 0], ids=["blocking", "with a timeout", "non-blocking"])
def test_connect(network: Network, timeout: float | None) -> None:
    with peers() as (first, second):

        def attempt(interrupt: InterruptAt) -> None:
            with socket.socket() as sock:
                sock.settimeout(timeout)
                with suppress(Interrupt, BlockingIOError), interrupt:
                    sock.connect((network.host, first.port))
                if interrupt.hit:
                    connect_elsewhere(network, sock, second)

        assert every_line(network, attempt) > 40
        assert first.heard == b""


@pytest.mark.timeout(300)
def test_a_connect_that_times_out(faked: FakeNetwork) -> None:
    def attempt(interrupt: InterruptAt) -> None:
        with faked.fake.hold(), socket.socket() as sock:
            sock.settimeout(0.001)
            with suppress(Interrupt, TimeoutError), interrupt:
                sock.connect((faked.host, 9))

    assert every_line(faked, attempt) > 40


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", ["send", "sendall", "recv", "getpeername", "close"])
def test_data_and_close(network: Network, verb: str) -> None:
    with peers() as (first, _):

        def attempt(interrupt: InterruptAt) -> None:
            sock = socket.create_connection((network.host, first.port), 10)
            if verb == "recv":
                sock.setblocking(False)
            arguments = {"send": [b"x"], "sendall": [b"x"], "recv": [10]}.get(verb, [])
            with suppress(Interrupt, BlockingIOError), interrupt:
                getattr(sock, verb)(*arguments)
            sock.close()

        assert every_line(network, attempt) >= 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_new_sockets(faked: FakeNetwork, kind: int) -> None:
    def attempt(interrupt: InterruptAt) -> None:
        with suppress(Interrupt), interrupt:
            socket.socket(type=kind).close()

    assert every_line(faked, attempt) > 10


SEEDS = range(40)


@pytest.mark.timeout(300)
def test_real_signals(network: Network) -> None:
    """The handler runs wherever Python looks for signals, the inside of a wait too."""

    def raise_it(number: int, frame: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGUSR1, raise_it)
    main = threading.get_ident()
    opened = len(os.listdir("/proc/self/fd"))
    try:
        with peers() as (first, second), ExitStack() as stack:
            chance = random.Random(10)
            for seed in SEEDS:
                sock = stack.enter_context(closing(socket.socket()))
                timer = threading.Timer(chance.random() * 0.03, signal.pthread_kill, (main, signal.SIGUSR1))
                try:
                    timer.start()
                    sock.connect((network.host, first.port))
                    sock.getpeername()
                    timer.join()
                    threading.Event().wait(0.1)
                    raise AssertionError(f"no signal came, seed {seed}")
                except Interrupt:
                    with suppress(OSError):
                        sock.connect((network.host, second.port))
                        sock.sendall(b"for the second")
                sock.close()
                timer.join()
            until(network.is_clean, "links are left")
            assert first.heard == b""
    finally:
        signal.signal(signal.SIGUSR1, before)
    until(lambda: free(network, opened), "descriptors are left")
