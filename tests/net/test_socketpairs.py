"""Descriptors: joining, filling, replacing, and ends of ours that close without a word."""

from __future__ import annotations

import _socket
import gc
import os
import select
import socket as stdlib

import pytest

from esp32sock._hangup import hung_up
from esp32sock.engine.datagram_peers import packed_peer, unpacked_peer
from esp32sock.net import socketpairs


def what_poll_says(fd: int) -> int:
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLOUT)
    return dict(poll.poll(0)).get(fd, 0)


@pytest.fixture
def fresh() -> object:
    fd = socketpairs.fresh_stream().detach()
    yield fd
    os.close(fd)


def test_joining_keeps_the_file_and_what_watches_it(fresh: int) -> None:
    key = socketpairs.key_of(fresh)
    with select.epoll() as epoll:
        epoll.register(fresh, select.EPOLLIN | select.EPOLLET)
        epoll.poll(0)
        end = socketpairs.join(fresh)
        assert socketpairs.key_of(fresh) == key
        end.send(b"x")
        assert epoll.poll(1)
    assert os.read(fresh, 10) == b"x"
    end.close()
    assert os.read(fresh, 10) == b""


@pytest.mark.parametrize("blocking", [True, False])
def test_joining_leaves_the_blocking_mode(fresh: int, blocking: bool) -> None:
    os.set_blocking(fresh, blocking)
    end = socketpairs.join(fresh)
    assert os.get_blocking(fresh) is blocking
    assert not os.get_blocking(end.fileno())
    end.close()


def test_a_default_timeout_touches_neither_end() -> None:
    stdlib.setdefaulttimeout(3)
    try:
        fd = socketpairs.fresh_stream().detach()
        end = socketpairs.join(fd)
        engine, user = socketpairs.datagram_pair()
    finally:
        stdlib.setdefaulttimeout(None)
    assert os.get_blocking(fd)
    assert [own.gettimeout() for own in (end, engine, user)] == [0, 0, 0]
    released = socketpairs.release(user)
    assert os.get_blocking(released)
    os.close(released)
    os.close(fd)


def test_a_stranger_cannot_take_the_place_of_the_user(fresh: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who guesses the abstract name and connects first is turned away."""
    strangers = []

    class Slow(socketpairs.EngineEnd):
        def listen(self, backlog: int = 0) -> None:
            super().listen(5)
            stranger = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            stranger.connect(self.getsockname())
            strangers.append(stranger)

    monkeypatch.setattr(socketpairs, "EngineEnd", Slow)
    end = socketpairs.join(fresh)
    assert strangers[0].recv(1) == b""
    end.send(b"x")
    assert os.read(fresh, 10) == b"x"
    end.close()
    strangers[0].close()


def test_filling_and_draining(fresh: int) -> None:
    end = socketpairs.join(fresh)
    assert what_poll_says(fresh) == select.POLLOUT
    filled = socketpairs.fill(fresh)
    assert what_poll_says(fresh) == 0
    assert len(end.recv(filled)) == filled
    assert what_poll_says(fresh) == select.POLLOUT
    assert socketpairs.fill(fresh) > 0
    socketpairs.drain(end)
    assert what_poll_says(fresh) == select.POLLOUT
    end.close()
    assert socketpairs.key_of(fresh)


def test_replacing_keeps_number_mode_and_inheritance(fresh: int) -> None:
    os.set_blocking(fresh, False)
    os.set_inheritable(fresh, True)
    key = socketpairs.key_of(fresh)
    socketpairs.replace(fresh, socketpairs.fresh_stream())
    gc.collect()
    assert socketpairs.key_of(fresh) != key
    assert not os.get_blocking(fresh)
    assert os.get_inheritable(fresh)


def test_hanging_up() -> None:
    engine, user = socketpairs.stream_pair()
    copy = os.dup(user.fileno())
    user.close()
    assert not hung_up(engine.fileno())
    os.close(copy)
    assert hung_up(engine.fileno())
    engine.close()
    assert hung_up(engine.fileno())


def test_ends_close_in_silence() -> None:
    end, user = socketpairs.stream_pair()
    fd = end.fileno()
    del end
    gc.collect()
    with pytest.raises(OSError, match="descriptor"):
        socketpairs.key_of(fd)
    assert user.recv(1) == b""
    user.close()


def test_a_child_has_no_ends_of_ours() -> None:
    engine, user = socketpairs.stream_pair()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if engine.fileno() == user.fileno() == -1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    engine.send(b"x")
    assert user.recv(1) == b"x"
    engine.close()
    user.close()


def test_headers_go_both_ways() -> None:
    address = ("192.0.2.1", 65535)
    header = packed_peer(address)
    assert header == b"\x00\x02\xff\xff\xc0\x00\x02\x01" + bytes(12)
    assert unpacked_peer(header) == address
    of_ipv6 = packed_peer(("2001:db8::1", 1))
    assert unpacked_peer(of_ipv6 + b"payload") == ("2001:db8::1", 1)
    assert len(of_ipv6) == len(header)
