"""A descriptor that gets another file stays in every epoll that has it, with its events, mode and data."""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import socket as stdlib
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket as virtual
from esp32sock.net import epoll_registrations, socketpairs
from tests.net.fake_interface import FakeInterface
from tests.net.harness import unused_port, using, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IN, OUT, EDGE, ONE_SHOT = select.EPOLLIN, select.EPOLLOUT, select.EPOLLET, select.EPOLLONESHOT


@pytest.fixture
def loopback_on_host() -> Iterator[FakeInterface]:
    with using(FakeInterface(direct="127.0.0.0/8")) as interface:
        yield interface


@contextmanager
def tcp_server() -> Iterator[tuple[str, int]]:
    with stdlib.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def bound_listener(sock: Any, stack: ExitStack) -> None:
    """Bind, listen, and a client that makes it readable."""
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    stack.enter_context(stdlib.create_connection(sock.getsockname()))


def connected(sock: Any, stack: ExitStack) -> None:
    address = stack.enter_context(tcp_server())
    with suppress(BlockingIOError):
        sock.connect(address)


def bound_datagram(sock: Any, stack: ExitStack) -> None:
    sock.bind(("127.0.0.1", 0))
    peer = stack.enter_context(stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM))
    peer.sendto(b"x", sock.getsockname())


def connected_datagram(sock: Any, stack: ExitStack) -> None:
    peer = stack.enter_context(stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM))
    peer.bind(("127.0.0.1", 0))
    sock.connect(peer.getsockname())
    peer.sendto(b"x", sock.getsockname())


def sending_datagram(sock: Any, stack: ExitStack) -> None:
    peer = stack.enter_context(stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM))
    peer.bind(("127.0.0.1", 0))
    sock.sendto(b"?", peer.getsockname())
    peer.sendto(b"x", peer.recvfrom(10)[1])


STREAM, DATAGRAM = stdlib.SOCK_STREAM, stdlib.SOCK_DGRAM
MOVES = [
    pytest.param(STREAM, bound_listener, IN, id="tcp bind and listen"),
    pytest.param(STREAM, connected, OUT, id="tcp connect"),
    pytest.param(DATAGRAM, bound_datagram, IN, id="udp bind"),
    pytest.param(DATAGRAM, connected_datagram, IN, id="udp connect"),
    pytest.param(DATAGRAM, sending_datagram, IN, id="udp sendto"),
]


@pytest.mark.parametrize("mode", [0, EDGE, ONE_SHOT], ids=["level", "edge", "one shot"])
@pytest.mark.parametrize(("kind", "move", "event"), MOVES)
@pytest.mark.usefixtures("loopback_on_host")
def test_events_come_to_every_epoll(
    kind: int, move: Callable[[Any, ExitStack], None], event: int, mode: int
) -> None:
    with ExitStack() as stack:
        sock = stack.enter_context(virtual.socket(type=kind))
        sock.setblocking(False)
        epolls = [stack.enter_context(select.epoll()) for _ in range(3)]
        for epoll in epolls:
            epoll.register(sock, event | mode)
            epoll.poll(0)
            if mode == ONE_SHOT:
                epoll.modify(sock, event | mode)
        move(sock, stack)
        for epoll in epolls:
            seen = dict(epoll.poll(5))
            assert seen.get(sock.fileno(), 0) & event
        if mode:
            assert not epolls[0].poll(0)


@pytest.mark.parametrize("selector", [selectors.EpollSelector, selectors.PollSelector])
@pytest.mark.parametrize(("kind", "move", "event"), MOVES)
@pytest.mark.usefixtures("loopback_on_host")
def test_selectors_see_the_new_file(
    kind: int, move: Callable[[Any, ExitStack], None], event: int, selector: Any
) -> None:
    wanted = selectors.EVENT_READ if event == IN else selectors.EVENT_WRITE
    with ExitStack() as stack:
        watching = stack.enter_context(selector())
        sock = stack.enter_context(virtual.socket(type=kind))
        sock.setblocking(False)
        watching.register(sock, wanted, "data")
        move(sock, stack)
        assert [(key.data, mask) for key, mask in watching.select(5)] == [("data", wanted)]


@pytest.mark.parametrize(("kind", "move", "event"), MOVES)
@pytest.mark.usefixtures("loopback_on_host")
def test_asyncio_calls_back(kind: int, move: Callable[[Any, ExitStack], None], event: int) -> None:
    async def run(stack: ExitStack) -> None:
        sock = stack.enter_context(virtual.socket(type=kind))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        called = asyncio.Event()
        add = loop.add_reader if event == IN else loop.add_writer
        remove = loop.remove_reader if event == IN else loop.remove_writer
        add(sock, called.set)
        move(sock, stack)
        await asyncio.wait_for(called.wait(), 5)
        remove(sock)

    with ExitStack() as stack:
        asyncio.run(run(stack))


@pytest.mark.usefixtures("loopback_on_host")
def test_every_object_of_a_socket_keeps_its_own_registration() -> None:
    with select.epoll() as epoll, virtual.socket() as sock, sock.dup() as other, tcp_server() as address:
        epoll.register(sock, OUT)
        epoll.register(other, OUT)
        sock.connect(address)
        assert dict(epoll.poll(5)) == {sock.fileno(): OUT, other.fileno(): OUT}


def test_a_second_attempt_on_another_pair_is_seen_too(fake: FakeInterface) -> None:
    """A connection that failed may have used up the descriptor's file."""
    with select.epoll() as epoll, virtual.socket() as sock, tcp_server() as address:
        epoll.register(sock, OUT | EDGE)
        sock.settimeout(0.05)
        with fake.hold(), pytest.raises(TimeoutError):
            sock.connect(("127.0.0.1", unused_port()))
        wait_until(lambda: not fake.links, fake)
        sock.settimeout(10)
        sock.connect(address)
        assert dict(epoll.poll(5)) == {sock.fileno(): OUT}


def test_data_of_the_owner_survives_bit_for_bit() -> None:
    with select.epoll() as epoll, closing(socketpairs.fresh_stream()) as fresh, stdlib.socket() as other:
        entry = epoll_registrations.Registration(
            epoll.fileno(), fresh.fileno(), IN | EDGE, 0xDEADBEEF12345678
        )
        entry.add()
        socketpairs.replace(fresh.fileno(), other)
        assert epoll_registrations.registrations(fresh.fileno()) == [
            entry._replace(events=IN | EDGE | select.EPOLLERR | select.EPOLLHUP)
        ]


def test_the_registration_of_a_file_that_once_had_the_number_is_left_alone() -> None:
    with select.epoll() as epoll, closing(socketpairs.fresh_stream()) as fresh, stdlib.socket() as other:
        old = stdlib.socket()
        epoll.register(old, IN)
        keeping = os.dup(old.fileno())
        os.dup2(fresh.fileno(), old.fileno())
        socketpairs.replace(old.fileno(), other)
        assert len(epoll_registrations.registrations(old.fileno())) == 1
        with pytest.raises(FileNotFoundError):
            epoll.modify(old, OUT)
        os.close(keeping)
        old.close()


def test_without_proc_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with select.epoll() as epoll, stdlib.socket() as sock:
        epoll.register(sock)
        assert epoll_registrations.registrations(sock.fileno()) == []
