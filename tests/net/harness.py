"""What the tests of sockets share: the fake interface as a fixture, and small peers."""

from __future__ import annotations

import gc
import os
import select
import socket as stdlib
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock.net import context
from tests.net.fake_interface import FakeInterface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def using(interface: FakeInterface) -> Iterator[FakeInterface]:
    """Every socket asks this interface meanwhile; afterwards it must not have failed."""
    before = context.set_default_provider(lambda: interface)
    try:
        yield interface
    finally:
        context.set_default_provider(before)
        interface.close()
    for failure in interface.loop.failures:
        raise failure


@pytest.fixture
def fake() -> Iterator[FakeInterface]:
    """All traffic goes through a fake interface, loopback too."""
    with using(FakeInterface()) as interface:
        yield interface


@contextmanager
def peer(serve: Callable[[stdlib.socket], None]) -> Iterator[tuple[str, int]]:
    """A server of the host for one connection; an error in `serve` is raised at the end."""
    with stdlib.create_server(("127.0.0.1", 0)) as listener:
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                accepted, _ = listener.accept()
                with accepted:
                    serve(accepted)
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(10)
    assert not thread.is_alive()
    if outcome:
        raise outcome[0]


def unused_port() -> int:
    """A port of the host on which nobody listens."""
    with stdlib.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_until(condition: Callable[[], Any], fake: FakeInterface) -> None:
    """Let the fake's thread run until the condition holds; it never takes more than some turns."""
    for _ in range(1000):
        if condition():
            return
        fake.settle()
    raise AssertionError("the condition does not come true")


def wait_readable(sock: Any) -> None:
    assert select.select([sock], [], [], 10)[0]


def wait_writable(sock: Any) -> None:
    assert select.select([], [sock], [], 10)[1]


def descriptors() -> set[str]:
    """The open descriptors of this process, by what is behind them."""
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return found
