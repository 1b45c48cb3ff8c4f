"""Pools: which module gets a link, what becomes of a link whose module cannot, and listeners on several."""

from __future__ import annotations

import _socket
import errno
import select
import socket as stdlib
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket
from esp32sock.errors import Error, PortError
from esp32sock.net import context
from esp32sock.net.pools import Pool, Pooling, summed
from esp32sock.net.routes import Routes
from tests.net.fake_interface import FakeInterface
from tests.net.harness import unused_port, wait_readable, wait_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Module(FakeInterface):
    """A module that can be lost: its port is gone, and what it has open breaks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lost = False
        self.refuses: Error | None = None
        self.is_known_to_be_lost = True

    @property
    def is_ready(self) -> bool:
        return not (self.lost and self.is_known_to_be_lost)

    def has_free_link(self) -> bool:
        return len(self.links) < self.most_links

    def open_stream(self, handle: Any, end: Any, remote: Any, events: Any, **options: Any) -> None:
        if self.lost or self.refuses:
            error = self.refuses or PortError("the port is lost", errno=errno.ENETDOWN)
            self.loop.post(lambda: events.failed(error))
            return
        super().open_stream(handle, end, remote, events, **options)

    def listen(
        self, handle: Any, end: Any, port: int, backlog: int, events: Any, *, ipv6: bool = False
    ) -> None:
        super().listen(handle, end, self.listens_on or port, backlog, events, ipv6=ipv6)

    listens_on = 0
    """All fakes share the ports of this machine."""

    def lose(self) -> None:
        self.lost = True
        self.reset_all()


@pytest.fixture
def modules() -> Iterator[dict[str, Module]]:
    """Three of them, with two links each."""
    found = {f"/dev/ttyUSB{n}": Module(links=2) for n in range(3)}
    yield found
    for one in found.values():
        one.close()
        assert one.loop.failures == []


@pytest.fixture
def pooled(modules: dict[str, Module]) -> Iterator[Callable[..., Pool]]:
    """Makes the pool of them, which every socket uses; `modules` close themselves."""
    before = context.set_default_provider(context.no_default)

    def make(**policy: Any) -> Pool:
        pool = Pool(modules, Routes(()), Pooling(**policy))
        context.set_default_provider(lambda: pool)
        return pool

    yield make
    context.set_default_provider(before)


@pytest.fixture
def server() -> Iterator[Any]:
    with stdlib.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def used(modules: dict[str, Module]) -> list[int]:
    """How many links each has opened."""
    return [len(one.opened) for one in modules.values()]


def test_the_least_used_module_gets_the_link(modules: dict[str, Module], pooled: Any, server: Any) -> None:
    pool = pooled()
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(socket.create_connection(server.getsockname(), timeout=10))
        assert used(modules) == [2, 2, 2]
        assert not pool.has_free_link()
    assert pool.max_links == 15


def test_sixty_four_destinations_are_spread_evenly(modules: dict[str, Module], pooled: Any) -> None:
    pooled()
    port = unused_port()
    for one in modules.values():
        one.most_links = 1000
    with ExitStack() as stack:
        for one in modules.values():
            stack.enter_context(one.hold())
        for host in range(1, 65):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            assert sock.connect_ex((f"127.0.1.{host}", port)) == errno.EINPROGRESS
    assert max(used(modules)) - min(used(modules)) <= 1


def test_a_destination_sticks_to_its_module_until_that_is_full_or_lost(
    modules: dict[str, Module], pooled: Any, server: Any
) -> None:
    pooled(sticky=True)
    first, second, _ = modules.values()
    address = server.getsockname()
    with socket.create_connection(address, timeout=10), socket.create_connection(address, timeout=10):
        assert used(modules) == [2, 0, 0]
        with socket.create_connection(address, timeout=10):  # the first is full
            assert used(modules) == [2, 1, 0]
    second.lose()
    with socket.create_connection(address, timeout=10):
        assert len(second.opened) == 1
    first.lose()
    with socket.create_connection(address, timeout=10):
        assert used(modules)[2] >= 1


def test_a_rule_names_the_only_modules_for_a_network(
    modules: dict[str, Module], pooled: Any, server: Any
) -> None:
    pooled(rules={"127.0.0.0/24": ["ttyUSB2"], "camera.lan": "ttyUSB1"})
    modules["/dev/ttyUSB1"].names["camera.lan"] = ["127.0.9.9"]
    for _ in range(2):
        socket.create_connection(server.getsockname(), timeout=10).close()
    assert used(modules) == [0, 0, 2]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("camera.lan", unused_port()), timeout=10)
    assert used(modules) == [0, 1, 2]
    modules["/dev/ttyUSB2"].lose()
    with pytest.raises(OSError, match="the port is lost"):
        socket.create_connection(server.getsockname(), timeout=10)


def test_a_rule_for_no_module_is_refused(modules: dict[str, Module], pooled: Any) -> None:
    with pytest.raises(ValueError, match=r"rule '10.0.0.0/8': the pool has no module 'ttyACM0'; there are"):
        pooled(rules={"10.0.0.0/8": ["ttyACM0"]})
    with pytest.raises(ValueError, match="listen_on: it names no module"):
        pooled(listen_on=[])


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_module_that_fails_unexpectedly_hands_on_its_link(
    modules: dict[str, Module], pooled: Any, server: Any, *, is_blocking: bool
) -> None:
    """Also the filler of a non-blocking connect, which must not reach the peer."""
    pooled()
    for name in ("/dev/ttyUSB0", "/dev/ttyUSB1"):
        modules[name].lost, modules[name].is_known_to_be_lost = True, False
    with socket.socket() as sock:
        sock.settimeout(10 if is_blocking else 0)
        code = sock.connect_ex(server.getsockname())
        assert code == (0 if is_blocking else errno.EINPROGRESS)
        wait_writable(sock)
        sock.send(b"hello")
        peer, _ = server.accept()
        with peer:
            assert peer.recv(100) == b"hello"
    assert used(modules) == [0, 0, 1]


def test_what_the_peer_refuses_is_asked_once(modules: dict[str, Module], pooled: Any) -> None:
    pooled()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", unused_port()), timeout=10)
    assert used(modules) == [1, 0, 0]


def test_all_modules_lost_is_an_error_with_the_reason(modules: dict[str, Module], pooled: Any) -> None:
    pooled()
    for one in modules.values():
        one.lose()
    with pytest.raises(OSError, match="the port is lost") as caught:
        socket.create_connection(("127.0.0.1", 9), timeout=10)
    assert caught.value.errno == errno.ENETDOWN


def test_a_module_that_is_back_serves_again(modules: dict[str, Module], pooled: Any, server: Any) -> None:
    pooled()
    first, *others = modules.values()
    for one in others:
        one.lose()
    first.lose()
    first.lost = False
    socket.create_connection(server.getsockname(), timeout=10).close()
    assert len(first.opened) == 1


def test_a_socket_waits_for_the_first_link_of_any_module(
    modules: dict[str, Module], pooled: Any, server: Any
) -> None:
    pooled()
    address = server.getsockname()
    held = [socket.create_connection(address, timeout=10) for _ in range(6)]
    with socket.socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex(address) == errno.EINPROGRESS
        assert not select.select([], [sock], [], 0.3)[1]
        held[4].close()
        wait_writable(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    for each in held:
        each.close()


def test_links_that_stay_taken_are_emfile_in_time(
    modules: dict[str, Module], pooled: Any, server: Any
) -> None:
    pooled().wait_for_link_s = 0.2
    address = server.getsockname()
    held = [socket.create_connection(address, timeout=10) for _ in range(6)]
    with pytest.raises(OSError, match="links of the module are taken") as caught:
        socket.create_connection(address, timeout=10)
    assert caught.value.errno == errno.EMFILE
    for each in held:
        each.close()


def test_a_link_ends_with_its_module_and_not_in_silence(
    modules: dict[str, Module], pooled: Any, server: Any
) -> None:
    pooled()
    with socket.create_connection(server.getsockname(), timeout=10) as sock:
        modules["/dev/ttyUSB0"].lose()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_device_or_an_address_chooses_the_module(
    modules: dict[str, Module], pooled: Any, server: Any
) -> None:
    pool = pooled()
    modules["/dev/ttyUSB0"].station_ip = "10.0.0.1"
    modules["/dev/ttyUSB1"].station_ip = "10.0.0.2"
    with socket.socket() as sock:
        sock.settimeout(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"ttyUSB2\0")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16) == b"ttyUSB2\0"
        sock.connect(server.getsockname())
        with pytest.raises(OSError, match="bound or connected"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"ttyUSB1")
    socket.create_connection(server.getsockname(), timeout=10, source_address=("10.0.0.2", 0)).close()
    assert used(modules) == [0, 1, 1]
    with socket.socket() as sock, pytest.raises(OSError, match="no module 'eth0'") as caught:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    assert caught.value.errno == errno.ENODEV
    assert pool.module("ttyUSB1") is modules["/dev/ttyUSB1"]


def test_a_udp_socket_stays_on_its_module(modules: dict[str, Module], pooled: Any) -> None:
    pooled()
    with (
        closing(stdlib.socket(_socket.AF_INET, _socket.SOCK_DGRAM)) as peer,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(10)
        sock.settimeout(10)
        senders = set()
        for _ in range(3):
            sock.sendto(b"x", peer.getsockname())
            senders.add(peer.recvfrom(10)[1])
        assert len(senders) == 1
        assert [len(one.links) for one in modules.values()] == [1, 0, 0]


def test_names_are_asked_of_one_module(modules: dict[str, Module], pooled: Any) -> None:
    pool = pooled()
    for one in modules.values():
        one.names["host.lan"] = ["127.0.0.1"]
    assert [pool.resolve("host.lan") for _ in range(3)] == [["127.0.0.1"]] * 3
    assert [len(one.asked) for one in modules.values()] == [3, 0, 0]
    with pytest.raises(socket.gaierror):
        pool.resolve("nowhere.lan")


def test_a_listener_accepts_on_every_module(modules: dict[str, Module], pooled: Any) -> None:
    pooled()
    for one in modules.values():
        one.listens_on = unused_port()
    with socket.create_server(("", 0)) as listener:
        listener.settimeout(10)
        for one in modules.values():
            one.settle()  # the first that listens is enough for the socket
            with closing(stdlib.create_connection(("127.0.0.1", one.listens_on))) as caller:
                wait_readable(listener)
                accepted, _ = listener.accept()
                with accepted:
                    accepted.sendall(b"x")
                    assert caller.recv(1) == b"x"
    for one in modules.values():
        for _ in range(100):
            one.settle()
        with pytest.raises(ConnectionRefusedError):
            stdlib.create_connection(("127.0.0.1", one.listens_on))


def test_a_listener_may_be_on_some_and_one_of_them_may_fail(
    modules: dict[str, Module], pooled: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pooled(listen_on=["ttyUSB0", "ttyUSB1"])
    first, second, third = modules.values()
    taken = stdlib.create_server(("127.0.0.1", 0))
    first.listens_on, second.listens_on = unused_port(), taken.getsockname()[1]
    with closing(taken), socket.create_server(("", 0)) as listener:
        listener.settimeout(10)
        second.settle()
        assert "/dev/ttyUSB1 does not listen" in caplog.text
        assert not third.links
        with closing(stdlib.create_connection(("127.0.0.1", first.listens_on))):
            listener.accept()[0].close()


def test_a_listener_that_no_module_has_is_an_error(modules: dict[str, Module], pooled: Any) -> None:
    pooled()
    with closing(stdlib.create_server(("127.0.0.1", 0))) as taken:
        for one in modules.values():
            one.listens_on = taken.getsockname()[1]
        with socket.socket() as sock:
            sock.bind(("", 0))
            with pytest.raises(OSError, match="Address already in use"):
                sock.listen()


def test_what_concerns_one_module_is_not_asked_of_a_pool(pooled: Any) -> None:
    pool = pooled()
    with pytest.raises(OSError, match="one module of the pool") as caught:
        pool.execute(object())
    assert caught.value.errno == errno.EOPNOTSUPP
    assert pool.status().port == "/dev/ttyUSB0, /dev/ttyUSB1, /dev/ttyUSB2"


def test_a_choice_asks_no_broker_anything(
    modules: dict[str, Module], pooled: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made under a lock that the thread which takes a broker's answers needs as well."""
    monkeypatch.setattr(Module, "is_shared", True)
    monkeypatch.setattr(Module, "has_free_link", lambda self: pytest.fail("asked a broker"))
    pool = pooled()
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(socket.create_connection(server.getsockname(), timeout=10))
        assert used(modules) == [2, 2, 2]
        assert pool.has_free_link()  # as far as the pool knows: its own links are less than five


def test_counters_are_summed() -> None:
    one: Any = {"links_opened": 1, "bytes_sent": 10, "resets": {"port": 1}}
    two: Any = {"links_opened": 2, "bytes_sent": 0, "resets": {"port": 1, "wifi": 3}}
    assert summed([one, two]) == {"links_opened": 3, "bytes_sent": 10, "resets": {"port": 2, "wifi": 3}}
