"""Sockets that only a reference cycle keeps: the collector runs before a limit is an error."""

from __future__ import annotations

import errno
import gc
import os
import resource
import threading
import weakref
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket
from esp32sock.net.interface_api import Interface
from tests.net.harness import peer

if TYPE_CHECKING:
    import socket as stdlib
    from collections.abc import Iterator

    from tests.net.fake_interface import FakeInterface


@contextmanager
def collections() -> Iterator[list[int]]:
    """The threads that collect by themselves meanwhile; no other collection happens."""
    threads: list[int] = []

    def note(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            threads.append(threading.get_ident())

    gc.collect()
    gc.disable()
    gc.callbacks.append(note)
    try:
        yield threads
    finally:
        gc.callbacks.remove(note)
        gc.enable()


def leave_in_a_cycle(sock: stdlib.socket) -> weakref.ref[Any]:
    class Request:
        pass

    request = Request()
    request.sock, request.itself = sock, request  # type: ignore[attr-defined]
    return weakref.ref(request)


def wait_for_end(connection: stdlib.socket) -> None:
    connection.recv(1)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("free", [True, False])
def test_before_the_last_link_is_gone(
    fake: FakeInterface, free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "has_free_link", lambda: free)
    with peer(wait_for_end) as address, peer(wait_for_end) as other, collections() as threads:
        request = leave_in_a_cycle(socket.create_connection(address))
        threads.clear()
        with socket.create_connection(other):
            assert threads == ([] if free else [threading.get_ident()])
            assert (request() is None) is not free
        gc.collect()


def test_never_in_the_thread_of_the_engine(fake: FakeInterface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "has_free_link", lambda: False)
    monkeypatch.setattr(fake, "may_block", lambda: False)
    with peer(wait_for_end) as address, collections() as threads, socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.connect(address)
        assert not threads


@contextmanager
def few_descriptors() -> Iterator[None]:
    """Room for one socket more than there are."""

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_before_the_last_descriptor_is_gone(fake: FakeInterface) -> None:
    with collections() as threads, few_descriptors():
        request = leave_in_a_cycle(socket.socket())
        with socket.socket() as sock:
            assert request() is None
            assert threads == [threading.get_ident()]
            with pytest.raises(OSError, match="Too many open files") as raised:
                socket.socket()
            assert raised.value.errno == errno.EMFILE
            assert len(threads) == 2
            assert sock.fileno() >= 0


def test_the_links_that_are_shown_say_whether_one_is_free(fake: FakeInterface) -> None:
    shown = fake.status()
    fake.status = lambda: replace(shown, links=dict.fromkeys(range(4), "TCP"))  # type: ignore[method-assign]
    assert Interface.has_free_link(fake)
    fake.status = lambda: replace(shown, links=dict.fromkeys(range(5), "TCP"))  # type: ignore[method-assign]
    assert not Interface.has_free_link(fake)
