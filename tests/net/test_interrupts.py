"""An exception out of a signal handler, at every line of every verb: nothing is left or goes astray.

The exception is raised by a trace function before the n-th line of ours that the verb runs, for every n until
the verb ends undisturbed: on the fake interface and on a simulated module. Afterwards the socket either works
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
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import esp32sock
from esp32sock import socket
from esp32sock._latch import Latch
from esp32sock.at.commands import basic
from esp32sock.net import context
from tests.net.fake_interface import FakeInterface
from tests.net.harness import descriptors, using

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

# What an interrupted call leaves to the collector is closed, with this remark of the C module.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

PACKAGE = str(Path(esp32sock.__file__).parent)
SETTLED_S = 30
PASSED_OVER = ("__del__", "_collected", "_ignore_result", "<listcomp>", "<genexpr>")
"""Where Python itself swallows whatever is raised; and where one line is thousands of steps."""


@pytest.fixture(autouse=True)
def few_objects() -> Iterator[None]:
    """Leave what is there before out of each collection, which takes 0.1 s in a large test process."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Interrupt(BaseException):
    """What the signal handler raises."""


@cache
def block_ends(code: CodeType) -> frozenset[int]:
    """Where a `with` is about to call `__exit__`: Python looks for no signal just before that."""
    steps = list(dis.get_instructions(code))
    failing = (
        first.offset for first, then in pairwise(steps) if "WITH_EXCEPT_START" in (first.opname, then.opname)
    )
    return frozenset(failing) | frozenset(
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
            ours = code.co_filename.startswith(PACKAGE) and code.co_name not in PASSED_OVER
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


class SimulatedNetwork:
    """Links of a simulated module."""

    host = "10.0.2.2"

    def __init__(self, interface: Any) -> None:
        self.interface = interface

    def is_clean(self) -> bool:
        engine = self.interface._engine
        return not engine.links() and engine.context.server is None and not engine.context.tasks._lives


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedNetwork]:
    with esp32sock.open_interface("sim://2.4", direct=()) as interface:
        yield SimulatedNetwork(interface)


@pytest.fixture
def faked() -> Iterator[FakeNetwork]:
    with using(FakeInterface()) as fake:
        yield FakeNetwork(fake)


@pytest.fixture(params=["fake", "simulated"])
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    found = request.getfixturevalue("faked" if request.param == "fake" else "simulated")
    if request.param == "simulated":
        with found.interface.use():
            yield found
    else:
        yield found


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
    socket.socket().close()  # which looks after what was parked when its object was collected
    if network.is_clean() and len(os.listdir("/proc/self/fd")) <= before:
        return True
    gc.collect()
    return False


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
def test_listen(network: Network) -> None:
    def attempt(interrupt: InterruptAt) -> None:
        with socket.socket() as listener:
            with suppress(Interrupt), interrupt:
                listener.listen()
            listener.listen()  # again, or still
            assert listener.getsockname()[1]

    assert every_line(network, attempt) > 40


@pytest.mark.timeout(300)
def test_accept(faked: FakeNetwork) -> None:
    """The client is accepted by the next call, or hears that it will not be."""

    def attempt(interrupt: InterruptAt) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(10)
            with stdlib.create_connection(listener.getsockname()) as client:
                client.settimeout(10)
                with suppress(Interrupt), interrupt:
                    accepted, _ = listener.accept()
                    accepted.close()
                faked.fake.settle()
                with stdlib.create_connection(listener.getsockname()) as another:
                    for _ in range(2):
                        accepted, peer = listener.accept()
                        accepted.close()
                        if peer == another.getsockname():
                            break
                    else:
                        raise AssertionError("one client is served twice")
                    assert client.recv(1) == b""

    assert every_line(faked, attempt) > 20


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
@pytest.mark.parametrize("verb", ["bind", "connect", "sendto"])
def test_datagrams(network: Network, verb: str) -> None:
    with stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(10)
        address = network.host, peer.getsockname()[1]
        arguments = {"bind": [("", 61234)], "connect": [address], "sendto": [b"x", address]}[verb]

        def attempt(interrupt: InterruptAt) -> None:
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                with suppress(Interrupt), interrupt:
                    getattr(sock, verb)(*arguments)
                if interrupt.hit:
                    with suppress(OSError):  # bound already, which is said
                        getattr(sock, verb)(*arguments)

        assert every_line(network, attempt) > 40


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_new_sockets(faked: FakeNetwork, kind: int) -> None:
    def attempt(interrupt: InterruptAt) -> None:
        with suppress(Interrupt), interrupt:
            socket.socket(type=kind).close()

    assert every_line(faked, attempt) > 10


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", ["resolve", "execute"])
def test_questions(simulated: SimulatedNetwork, verb: str) -> None:
    interface = simulated.interface

    def attempt(interrupt: InterruptAt) -> None:
        with suppress(Interrupt, OSError), interrupt:
            interface.resolve("localhost") if verb == "resolve" else interface.execute(basic.Test())

    assert every_line(simulated, attempt) > 5
    assert interface.execute(basic.Test()) is None


@pytest.mark.timeout(300)
def test_a_raised_error_is_not_swallowed(faked: FakeNetwork) -> None:
    """A reset that an interrupted call was about to report is reported by the next one."""
    with peers() as (first, _):

        def attempt(interrupt: InterruptAt) -> None:
            with socket.create_connection((faked.host, first.port), 10) as sock:
                faked.fake.reset_all()
                try:
                    with interrupt:
                        assert sock.recv(1) == b"x", "a reset is no end"
                except Interrupt:
                    with pytest.raises(ConnectionResetError):
                        sock.recv(1)
                except ConnectionResetError:
                    pass

        assert every_line(faked, attempt) > 5


@pytest.mark.timeout(300)
def test_attach() -> None:
    """A port is free after an attach that was interrupted: the next one has it, and no thread is left."""

    def run(interrupt: InterruptAt) -> None:
        before = {thread.name for thread in threading.enumerate()}
        with suppress(Interrupt), interrupt:
            esp32sock.attach("sim://2.4")
        with suppress(OSError):
            esp32sock.detach()
        with pytest.raises(OSError, match="no module is attached"):
            context.interface()
        until(lambda: {thread.name for thread in threading.enumerate()} <= before, "a thread is left")

    number, step = 1, 7  # some 300 lines at 50 ms each: every seventh, another one in each run
    number += random.randrange(step)
    run(InterruptAt(0))
    opened = descriptors()
    while True:
        interrupt = InterruptAt(number)
        run(interrupt)
        if not interrupt.hit:
            break
        number += step
    assert number > 30
    assert len(descriptors()) <= len(opened)


class Signaller:
    """Sends SIGUSR1, whose handler raises `Interrupt`, to the main thread; from one thread for all signals.

    A thread for each would be started while its signal may come, and `Thread.start` does not survive that.
    """

    def __init__(self) -> None:
        self._orders: SimpleQueue[tuple[float, Latch] | None] = SimpleQueue()
        self._main = threading.get_ident()
        self._thread = threading.Thread(target=self._run)

    def after(self, delay_s: float, sent: Latch) -> None:
        self._orders.put((delay_s, sent))

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            delay_s, sent = order
            threading.Event().wait(delay_s)
            signal.pthread_kill(self._main, signal.SIGUSR1)
            sent.set()

    def __enter__(self) -> Signaller:
        def raise_it(number: int, frame: object) -> None:
            raise Interrupt

        self._before = signal.signal(signal.SIGUSR1, raise_it)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.put(None)
        self._thread.join()
        signal.signal(signal.SIGUSR1, self._before)


@pytest.mark.timeout(300)
def test_real_signals(network: Network) -> None:
    """The handler runs wherever Python looks for signals, the inside of a wait too."""
    rounds = 40
    opened = len(os.listdir("/proc/self/fd"))
    with Signaller() as signaller, peers() as (first, second), ExitStack() as stack:
        chance = random.Random(10)
        came = 0
        for _ in range(rounds):
            sock = stack.enter_context(closing(socket.socket()))
            sent = Latch()
            try:
                signaller.after(chance.random() * 0.03, sent)
                sock.connect((network.host, first.port))
                sock.getpeername()
                sent.wait()
                threading.Event().wait(0.01)  # it is here by then
            except Interrupt:
                came += 1
                with suppress(OSError):
                    sock.connect((network.host, second.port))
                    sock.sendall(b"for the second")
            sock.close()
            sent.wait()
        until(network.is_clean, "links are left")
        assert first.heard == b""
        assert came > rounds / 2  # the others came where Python swallows what is raised
    until(lambda: free(network, opened), "descriptors are left")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_signals_without_a_wait(faked: FakeNetwork, kind: int) -> None:
    """Between any two steps of a line, not only between lines: connecting and opening over and over."""
    rounds = 300
    opened = len(os.listdir("/proc/self/fd"))
    with Signaller() as signaller, peers() as (first, _):
        chance = random.Random(11)
        for _ in range(rounds):
            sent = Latch()
            try:  # `suppress` would be a function that it may interrupt
                signaller.after(chance.random() * 0.003, sent)
                while not sent.is_set:
                    with socket.socket(type=kind) as sock:
                        sock.connect((faked.host, first.port))
                threading.Event().wait(0.01)  # it is here by then
            except Interrupt:
                pass
            sent.wait()
        until(faked.is_clean, "links are left")
    until(lambda: free(faked, opened), "descriptors are left")
