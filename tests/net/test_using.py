"""`with interface.use()`: another interface for one thread or task, whatever else is attached."""

from __future__ import annotations

import asyncio
import threading

import pytest

from esp32sock import socket
from esp32sock.net import context
from tests.net.fake_interface import FakeInterface
from tests.net.harness import peer, using


def test_every_interface_has_it(fake: FakeInterface) -> None:
    with using(FakeInterface()) as attached, peer(lambda host: host.sendall(b"x")) as address:
        with fake.use() as chosen, socket.create_connection(address) as sock:
            assert chosen is context.interface() is fake
            assert sock.recv(1) == b"x"
        assert context.interface() is attached
        assert len(fake.opened) == 1
        assert not attached.opened


def test_a_socket_keeps_the_interface_it_began_with(fake: FakeInterface) -> None:
    with using(FakeInterface()) as attached, peer(lambda host: host.sendall(b"x")) as address:
        with fake.use():
            sock = socket.socket()
            sock.bind(("", 0))
        with sock:
            sock.connect(address)
            assert sock.recv(1) == b"x"
        assert len(fake.opened) == 1
        assert not attached.opened


def test_other_threads_and_tasks_are_not_concerned(fake: FakeInterface) -> None:
    seen = []

    async def look(interface: FakeInterface | None) -> None:
        if interface is not None:
            with interface.use():
                await asyncio.sleep(0)
                seen.append(context.interface())
        else:
            await asyncio.sleep(0)
            seen.append(context.interface())

    async def main() -> None:
        await asyncio.gather(look(fake), look(None))

    with using(FakeInterface()) as attached:
        with fake.use():
            thread = threading.Thread(target=lambda: seen.append(context.interface()))
            thread.start()
            thread.join()
        asyncio.run(main())
        assert seen == [attached, fake, attached]


def test_it_ends_with_the_block(fake: FakeInterface) -> None:
    with using(FakeInterface()) as attached:
        with fake.use(), pytest.raises(ZeroDivisionError), attached.use():
            raise ZeroDivisionError
        with fake.use():
            with attached.use():
                assert context.interface() is attached
            assert context.interface() is fake
        assert context.interface() is attached
